//! The real programs and the practice server over its socket: packages, callbacks, passwords, the implicit grant and
//! posted answers, from the command line to a living token; and no secret left anywhere.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use testkit::{
    http::Request,
    leak::Search,
    practice::{PackagePage, Practice, Serving, Settings, Transport, Verdict},
    process::{Daemon, Home, Output, TIME_LIMIT},
};
use tokio::{io::AsyncWriteExt as _, time::timeout};
use url::Url;

struct World {
    practice: Practice,
    serving: Serving,
    home: Home,
    _daemon: Daemon,
}

impl World {
    /// A practice server with a tenant, and a daemon whose profile has these lines, `{issuer}` filled in.
    async fn new(lines: &str) -> Result<Self> {
        let package =
            PackagePage { tenant: Some("contoso.example".to_owned()), ..Settings::default().package };
        let practice = Practice::new(Settings { package, ..Settings::default() });
        let serving = practice.serve(Transport::Plain, 0).await?;
        let lines = lines.replace("{issuer}", &serving.issuer);
        let config = format!(
            "[profiles.practice]\nclient_id = \"practice-client\"\nscopes = [\"openid\", \"offline_access\"]\n{lines}\n"
        );
        let home = Home::new(&config)?.with_variable("FOURINSIGHT_LOG", "trace");
        let daemon = Daemon::start(&home).await?;
        Ok(Self { practice, serving, home, _daemon: daemon })
    }

    /// `fourinsightctl login` with these lines as its whole standard input.
    async fn login_with(&self, arguments: &[&str], lines: &[&str]) -> Result<Output> {
        let mut command = self.home.command(&self.home.programs().fourinsightctl);
        command.args(["login", "--no-browser"]).args(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().context("no standard input")?;
        for line in lines {
            input.write_all(format!("{line}\n").as_bytes()).await?;
        }
        drop(input);
        let output = timeout(TIME_LIMIT, child.wait_with_output()).await.context("login does not end")??;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ok(Output { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    async fn package(&self) -> Result<String> {
        let page = format!("{}/auth", self.serving.issuer);
        self.practice.sign_in_for_package(&page, "ada").await
    }

    /// Insists that `fourinsightctl token` prints a living token.
    async fn has_a_living_token(&self) -> Result<()> {
        let token = self.home.ctl(&["token"]).await?.success()?;
        ensure!(self.practice.verdict(&token) == Verdict::Live, "the token is dead");
        Ok(())
    }

    /// Insists that nothing below the home and nothing that was printed holds a secret.
    fn has_no_leak(&self, printed: &[&Output]) -> Result<()> {
        let ledger = self.practice.ledger();
        let search = Search::new(ledger.secrets().iter().map(|secret| secret.text.as_str()));
        for (path, content) in self.home.files()? {
            ensure!(search.leaks(&content).is_empty(), "a secret in {}", path.display());
        }
        for output in printed {
            let text = [output.stdout.as_str(), &output.stderr].concat();
            ensure!(search.leaks(text.as_bytes()).is_empty(), "a secret was printed");
        }
        Ok(())
    }
}

const PACKAGES: &str = r#"
flow = "paste"
authorization_endpoint = "{issuer}/auth"
allowed_token_endpoints = ["{issuer}/{tenant}/oauth2/v2.0/token"]
userinfo_endpoint = "{issuer}/userinfo"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_package_and_two_confirmations_sign_in() {
    let world = World::new(PACKAGES).await.unwrap();
    let done =
        world.login_with(&[], &[&world.package().await.unwrap(), "perhaps", "yes", "yes"]).await.unwrap();
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("Signed in as Ada Lovelace"), "{done:?}");
    for shown in ["/auth\n", "contoso.example", "subject-of-ada", "answer yes or no"] {
        assert!(done.stderr.contains(shown), "{shown}: {}", done.stderr);
    }
    world.has_a_living_token().await.unwrap();
    // The next login of the same person at the same place needs no confirmation, and outlives the daemon's pin.
    let again = world.login_with(&["--force"], &[&world.package().await.unwrap()]).await.unwrap();
    assert_eq!(again.code, Some(0), "{again:?}");
    world.has_a_living_token().await.unwrap();
    world.has_no_leak(&[&done, &again]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_is_declined_refused_or_cut_short_signs_nobody_in() {
    let world = World::new(PACKAGES).await.unwrap();
    let package = world.package().await.unwrap();
    let declined = world.login_with(&[], &[&package, "no"]).await.unwrap();
    assert_eq!(declined.code, Some(5), "{declined:?}");
    assert!(declined.stderr.contains("Nothing was sent"), "{declined:?}");
    assert!(world.practice.ledger().token_requests("authorization_code").is_empty());
    let declined = world.login_with(&[], &[&package, "yes", "no"]).await.unwrap();
    assert_eq!(declined.code, Some(5), "{declined:?}");
    assert!(declined.stderr.contains("Nothing was saved"), "{declined:?}");

    let foreign = package.replace("127.0.0.1", "localhost");
    let refused = world.login_with(&[], &[&foreign]).await.unwrap();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("at localhost:"), "{refused:?}");
    let fresh = world.package().await.unwrap();
    for lines in [vec![], vec![fresh.as_str()]] {
        let cut = world.login_with(&[], &lines).await.unwrap();
        assert_eq!(cut.code, Some(1), "{cut:?}");
        assert!(cut.stderr.contains("standard input ended"), "{cut:?}");
    }
    assert_eq!(world.home.ctl(&["token"]).await.unwrap().code, Some(3));
    world.has_no_leak(&[&declined, &refused]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_at_any_registered_redirect_uri_signs_in() {
    let lines = "issuer = \"{issuer}\"\nflow = \"paste\"\nredirect_uri = \"https://app.example/callback\"";
    let world = World::new(lines).await.unwrap();
    let mut login = world.home.begin_login(&[]).await.unwrap();
    let callback = world.practice.sign_in(&login.authorization_uri, "ada").await.unwrap();
    assert_eq!(callback.host_str(), Some("app.example"));
    login.type_line(callback.as_str()).await.unwrap();
    let done = login.finish().await.unwrap();
    assert_eq!(done.code, Some(0), "{done:?}");
    world.has_a_living_token().await.unwrap();
    world.has_no_leak(&[&done]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_from_standard_input_signs_in_and_is_kept_nowhere() {
    let world = World::new("issuer = \"{issuer}\"\nflow = \"password\"\nallow_legacy = true").await.unwrap();
    let password = world.practice.settings().users[0].password.clone();
    let done = world.login_with(&["--username", "ada"], &[&password]).await.unwrap();
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("RFC 9700"), "{done:?}");
    world.has_a_living_token().await.unwrap();
    let both = world.login_with(&["--force"], &["ada", &password]).await.unwrap();
    assert_eq!(both.code, Some(0), "{both:?}");
    let wrong = world.login_with(&["--force", "--username", "ada"], &["wrong"]).await.unwrap();
    assert_eq!(wrong.code, Some(5), "{wrong:?}");
    assert_eq!(world.practice.ledger().token_requests("password").len(), 3);
    world.has_no_leak(&[&done, &both, &wrong]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_implicit_grant_signs_in_until_its_token_ends() {
    let world = World::new("issuer = \"{issuer}\"\nflow = \"implicit\"\nallow_legacy = true").await.unwrap();
    let mut login = world.home.begin_login(&[]).await.unwrap();
    let callback = world.practice.sign_in(&login.authorization_uri, "ada").await.unwrap();
    login.type_line(callback.as_str()).await.unwrap();
    let done = login.finish().await.unwrap();
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("RFC 9700") && done.stderr.contains("nothing can renew it"), "{done:?}");
    world.has_a_living_token().await.unwrap();
    assert!(world.practice.ledger().token_requests("refresh_token").is_empty());
    world.has_no_leak(&[&done]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_posted_by_the_servers_page_signs_in() {
    let world = World::new("issuer = \"{issuer}\"\nresponse_mode = \"form_post\"").await.unwrap();
    let login = world.home.begin_login(&[]).await.unwrap();
    let (action, body) = world.practice.sign_in_for_form(&login.authorization_uri, "ada").await.unwrap();
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let posted = Request::form(action.clone(), fields).send().await.unwrap();
    let page: Url = posted.redirect(&action).unwrap();
    assert!(Request::get(page).send().await.unwrap().text().contains("Signed in"));
    let done = login.finish().await.unwrap();
    assert_eq!(done.code, Some(0), "{done:?}");
    world.has_a_living_token().await.unwrap();
    world.has_no_leak(&[&done]).unwrap();
}
