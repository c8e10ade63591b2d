//! An API's demands through the real programs: claims on the command line, a challenge reported by curl, and the login
//! that answers for a person.

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::{
    http::Request,
    practice::{Answer, Practice, Serving, Settings, Transport},
    process::{Daemon, Home},
};
use url::Url;

/// It goes to the server, and nowhere else.
const CLAIMS: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c4n4ry-of-claims"}}}"#;

struct World {
    practice: Practice,
    _serving: Serving,
    home: Home,
    daemon: Daemon,
}

impl World {
    /// A server and a daemon, and ada signed in.
    async fn new() -> Result<Self> {
        let practice = Practice::new(Settings::default());
        let serving = practice.serve(Transport::Plain, 0).await?;
        let home = Home::new("")?.with_variable("FOURINSIGHT_LOG", "trace");
        home.write_config(&format!("[profiles.practice]\n{}\n", practice.profile(&serving)))?;
        let daemon = Daemon::start(&home).await?;
        let world = Self { practice, _serving: serving, home, daemon };
        world.sign_in().await?;
        Ok(world)
    }

    /// A login in the browser; returns the address that was opened.
    async fn sign_in(&self) -> Result<Url> {
        let login = self.home.begin_login(&["--profile", "practice"]).await?;
        let opened: Url = login.authorization_uri.parse()?;
        let callback = self.practice.sign_in(&login.authorization_uri, "ada").await?;
        let answer = Request::get(callback.clone()).send().await?;
        let page: Url = answer.redirect(&callback).context("the listener shows no page")?;
        Request::get(page).send().await?;
        login.finish().await?.success()?;
        Ok(opened)
    }

    async fn token(&self, arguments: &[&str]) -> Result<Value> {
        self.home.ctl(&[&["--json", "token"], arguments].concat()).await?.json()
    }

    /// The answer to a rejection, by curl.
    async fn reject(&self, token_id: &Value, www_authenticate: &str) -> Result<Value> {
        let body = json!({ "token_id": token_id, "www_authenticate": www_authenticate }).to_string();
        let output = self
            .home
            .command("curl")
            .args(["--silent", "--show-error", "--fail", "--max-time", "60", "--json", &body])
            .arg("--unix-socket")
            .arg(self.home.socket())
            .arg("http://localhost/v1/sessions/default/rejections")
            .output()
            .await?;
        ensure!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The `claims` of each refresh.
    fn sent(&self) -> Vec<Option<String>> {
        let ledger = self.practice.ledger();
        let refreshes = ledger.token_requests("refresh_token");
        refreshes.iter().map(|refresh| refresh.form.get("claims").map(str::to_owned)).collect()
    }

    fn logged_nothing_of_it(&self) {
        assert!(!self.daemon.log().contains("c4n4ry"), "claims in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_on_the_command_line_fetch_a_token_once() {
    let world = World::new().await.unwrap();
    let first = world.token(&[]).await.unwrap();
    let second = world.token(&["--claims", CLAIMS, "--enable-cae"]).await.unwrap();
    assert_ne!(first["token_id"], second["token_id"]);
    assert_eq!(world.token(&[]).await.unwrap()["token_id"], second["token_id"]);
    assert_eq!(world.sent(), [Some(CLAIMS.to_owned())]);
    let refused = world.home.ctl(&["token", "--claims", "c4n4ry"]).await.unwrap();
    assert!(
        refused.stderr.contains("not a JSON object") && !refused.stderr.contains("c4n4ry"),
        "{refused:?}"
    );
    world.logged_nothing_of_it();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_claims_reach_the_server_whatever_they_are_made_of() {
    let world = World::new().await.unwrap();
    // Each letter is two bytes, and six as a part of an address.
    let longest = format!("{{\"a\":\"{}\"}}", "ü".repeat((8192 - 8) / 2));
    assert_eq!(longest.len(), 8192);
    world.token(&["--claims", &longest]).await.unwrap();
    assert_eq!(world.sent(), [Some(longest.clone())]);
    let longer = longest.replacen('ü', "uü", 1);
    let refused = world.home.ctl(&["token", "--claims", &longer]).await.unwrap();
    assert!(refused.code != Some(0) && refused.stderr.contains("8 KiB"), "{refused:?}");
    assert_eq!(world.sent().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_that_curl_reports_is_answered_by_the_server() {
    let world = World::new().await.unwrap();
    let before = world.token(&[]).await.unwrap();
    let challenge = format!(
        "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"{}\"",
        BASE64_URL_SAFE_NO_PAD.encode(CLAIMS)
    );
    assert_eq!(world.reject(&before["token_id"], &challenge).await.unwrap()["outcome"], "renewing");
    let after = world.token(&[]).await.unwrap();
    assert_ne!(after["token_id"], before["token_id"]);
    assert_eq!(world.sent(), [Some(CLAIMS.to_owned())]);
    let late = world.reject(&before["token_id"], &challenge).await.unwrap();
    assert_eq!(late["outcome"], "unknown_token");
    let missing = "Bearer error=\"insufficient_scope\", scope=\"everything\"";
    let answer = world.reject(&after["token_id"], missing).await.unwrap();
    assert_eq!((&answer["outcome"], &answer["scope"]), (&json!("insufficient_scope"), &json!("everything")));
    assert_eq!(world.sent().len(), 1);
    world.logged_nothing_of_it();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_must_be_there_is_asked_by_the_next_login() {
    let world = World::new().await.unwrap();
    let before = world.token(&[]).await.unwrap();
    let challenge = "Bearer error=\"insufficient_user_authentication\", acr_values=\"phr\", max_age=300";
    let answer = world.reject(&before["token_id"], challenge).await.unwrap();
    assert_eq!(answer["outcome"], "interaction_required");
    assert_eq!(world.token(&[]).await.unwrap()["token_id"], before["token_id"], "other APIs take it");
    world.practice.answer_next_token_requests([Answer::error(400, "interaction_required")]);
    let refused = world.home.ctl(&["token", "--claims", CLAIMS]).await.unwrap();
    assert_eq!(refused.code, Some(3), "{refused:?}");

    let opened = world.sign_in().await.unwrap();
    let asked = |name: &str| {
        opened.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    };
    assert_eq!(asked("acr_values").as_deref(), Some("phr"));
    assert_eq!(asked("max_age").as_deref(), Some("300"));
    assert_eq!(asked("claims").as_deref(), Some(CLAIMS));
    let again = world.home.ctl(&["login"]).await.unwrap();
    assert!(again.success().unwrap().starts_with("Already signed in"), "it was answered");
    world.logged_nothing_of_it();
}
