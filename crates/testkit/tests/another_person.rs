//! Whose session it is, with the real programs and a browser: asked on a terminal, refused without one, accepted
//! beforehand; and which other sessions end with one.

use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::{
    browser::{Answer, Browser},
    practice::{Endpoint, Practice, SecretKind, Serving, Settings, Verdict},
    process::{Daemon, Home},
};

const ASKED: &str = "Type yes or no and press Enter.\r\n";

struct World {
    practice: Practice,
    _serving: Serving,
    home: Home,
    _daemon: Daemon,
}

impl World {
    async fn new() -> Result<Self> {
        let practice = Practice::new(Settings::default());
        let serving = practice.serve_plain().await?;
        let home = Home::new(&format!(
            "default_profile = \"practice\"\n[profiles.practice]\nissuer = \"{}\"\n\
             client_id = \"practice-client\"\nscopes = \"openid offline_access\"\n",
            serving.issuer
        ))?;
        let daemon = Daemon::start(&home).await?;
        Ok(Self { practice, _serving: serving, home, _daemon: daemon })
    }

    /// Signs in with a browser and without a terminal.
    async fn signed_in(&self, arguments: &[&str], user: &str) -> Result<String> {
        self.home.login(arguments, &Answer::allow(user)).await?.0.success()
    }

    async fn token(&self, key: &str) -> Result<String> {
        self.home.ctl(&["token", key]).await?.success()
    }

    /// Whom a token speaks for.
    fn subject(&self, token: &str) -> Option<String> {
        self.practice.access_token(token).map(|token| token.subject)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_the_session_stays_and_what_the_other_was_granted_is_revoked() {
    let world = World::new().await.unwrap();
    world.signed_in(&[], "ada").await.unwrap();
    let adas = world.token("default").await.unwrap();
    let (refused, landing) = world.home.login(&["--force"], &Answer::allow("grace")).await.unwrap();
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(5), ""), "{refused:?}");
    let last = refused.stderr.lines().last().unwrap();
    for named in [
        "session default",
        "Ada Lovelace (subject-of-ada)",
        "Grace Hopper (subject-of-grace)",
        "another KEY",
        "--switch-user",
    ] {
        assert!(last.contains(named), "{named}: {last}");
    }
    let page = landing.page.text();
    assert!(!page.contains("You are signed in"), "{page}");

    assert_eq!(world.token("default").await.unwrap(), adas);
    assert_eq!(world.practice.verdict(&adas), Verdict::Live);
    let answered = |ledger: &testkit::practice::Ledger| {
        ledger.requests(Endpoint::Revocation).any(|request| request.status.is_some())
    };
    world.practice.wait_until(answered).await;
    let ledger = world.practice.ledger();
    let [_, graces] =
        <[_; 2]>::try_from(ledger.secrets_of(SecretKind::AccessToken).collect::<Vec<_>>()).unwrap();
    assert_eq!(world.practice.verdict(graces), Verdict::Revoked);
    drop(ledger);

    // The same person again is not asked; another is not when that is accepted beforehand.
    world.signed_in(&["--force"], "ada").await.unwrap();
    let says = world.signed_in(&["--force", "--switch-user"], "grace").await.unwrap();
    assert_eq!(says, "Signed in as Grace Hopper (subject-of-grace), session default.");
    let token = world.token("default").await.unwrap();
    assert_eq!(world.subject(&token).as_deref(), Some("subject-of-grace"));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_a_browser_login_asks_too_and_its_page_says_so() {
    let world = World::new().await.unwrap();
    world.signed_in(&[], "ada").await.unwrap();
    for (answer, code, whose) in [("no", 5, "subject-of-ada"), ("yes", 0, "subject-of-grace")] {
        let mut terminal = world.home.on_a_terminal(&["login", "--no-browser", "--force"]).unwrap();
        terminal.wait_for("to sign in:\r\n").await.unwrap();
        let uri = terminal.wait_for("\r\n").await.unwrap();
        let landing = Browser::new().sign_in(&uri, &Answer::allow("grace")).await.unwrap();
        let page = landing.page.text();
        assert!(page.contains("One question left") && !page.contains("You are signed in"), "{page}");
        terminal.wait_for(ASKED).await.unwrap();
        let token = world.token("default").await.unwrap();
        assert_eq!(world.subject(&token).as_deref(), Some("subject-of-ada"), "before the answer");
        terminal.type_line(answer).unwrap();
        let screen = terminal.finish().await.unwrap();
        assert_eq!((screen.code, screen.echoes), (Some(code), true), "{}", screen.shown);
        let token = world.token("default").await.unwrap();
        assert_eq!(world.subject(&token).as_deref(), Some(whose), "{answer}");
        assert_eq!(world.practice.verdict(&token), Verdict::Live);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_a_terminal_sees_the_question_and_answers_it() {
    let world = World::new().await.unwrap();
    world.signed_in(&[], "ada").await.unwrap();
    let begun = world.home.post("/v1/logins", &json!({ "session": "default", "force": true })).await.unwrap();
    let begun: serde_json::Value = serde_json::from_str(&begun.text()).unwrap();
    let uri = begun["authorization_uri"].as_str().unwrap();
    Browser::new().sign_in(uri, &Answer::allow("grace")).await.unwrap();
    let login = format!("/v1/logins/{}", begun["id"].as_str().unwrap());
    let asked = world.home.get(&login).await.unwrap();
    let asked: serde_json::Value = serde_json::from_str(&asked.text()).unwrap();
    let question = &asked["confirmation"];
    assert_eq!(
        (&asked["state"], &question["about"], &question["previous"]["sub"], &question["identity"]["sub"]),
        (&json!("pending"), &json!("person"), &json!("subject-of-ada"), &json!("subject-of-grace"))
    );
    let yes = json!({ "confirmation": question["id"], "accepted": true });
    let ended = world.home.post(&format!("{login}/response"), &yes).await.unwrap();
    assert!(ended.text().contains("\"succeeded\""), "{}", ended.text());
    let token = world.token("default").await.unwrap();
    assert_eq!(world.subject(&token).as_deref(), Some("subject-of-grace"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_two_people_stay_apart_and_a_revocation_names_who_shares_its_person() {
    let world = World::new().await.unwrap();
    for (key, user) in [("default", "ada"), ("graces", "grace"), ("work", "ada")] {
        world.signed_in(&[key], user).await.unwrap();
    }
    for (key, subject) in
        [("default", "subject-of-ada"), ("graces", "subject-of-grace"), ("work", "subject-of-ada")]
    {
        let token = world.token(key).await.unwrap();
        assert_eq!(world.subject(&token).as_deref(), Some(subject), "{key}");
    }
    let kept = world.token("graces").await.unwrap();
    let revoked = world.home.ctl(&["revoke", "work"]).await.unwrap().success().unwrap();
    assert!(revoked.contains("These may end too") && revoked.ends_with("at once: default."), "{revoked}");
    let revoked = world.home.ctl(&["revoke", "--json"]).await.unwrap();
    let body: serde_json::Value = revoked.json().unwrap();
    assert_eq!(body.get("others"), None, "{body}");
    assert_eq!(world.token("graces").await.unwrap(), kept);
    assert_eq!(world.practice.verdict(&kept), Verdict::Live);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_replaced_tool_is_shown_beside_ours_and_shared_with_no_other() {
    const KEY: &str = "ops-eu-69c3e1ea148";
    let world = World::new().await.unwrap();
    let sign_in = async |original: &str| -> Result<u16> {
        let request = json!({ "session": KEY, "original_key": original });
        let begun = world.home.post("/v1/logins", &request).await?;
        if begun.status == 201 {
            let body: serde_json::Value = serde_json::from_str(&begun.text())?;
            let uri = body["authorization_uri"].as_str().context("no authorization URI")?;
            Browser::new().sign_in(uri, &Answer::allow("ada")).await?;
        }
        Ok(begun.status)
    };
    assert_eq!(sign_in("ops/eu").await.unwrap(), 201);
    let shown = world.home.ctl(&["status"]).await.unwrap().success().unwrap();
    assert!(shown.contains("ops-eu-69c3e1ea148 (their \"ops/eu\")"), "{shown}");
    assert_eq!(sign_in("ops:eu").await.unwrap(), 400);
    let refused = world.home.ctl(&["token", "ops/eu"]).await.unwrap();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("`fourinsightctl status` shows"), "{refused:?}");
    let token = world.token(KEY).await.unwrap();
    assert_eq!(world.subject(&token).as_deref(), Some("subject-of-ada"));
}
