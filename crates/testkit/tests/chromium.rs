//! Logins in a real browser: Debian's Chromium at a certified OpenID Provider's own forms, and what the person sees at
//! the end of each. Pictures of our pages are kept in `artifacts` of the target folder.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

use anyhow::{Context as _, Result};
use testkit::{
    browser::Answer,
    chromium::{Chromium, Scheme, Size},
    practice::{self, Gate, Practice, Settings, Transport},
    process::{Daemon, Home, Login, TIME_LIMIT, signal},
    provider::{Options, Provider},
    wait,
};
use tokio::time::timeout;
use url::Url;

/// What is there for each of these tests.
struct World {
    provider: Provider,
    home: Home,
    _daemon: Daemon,
    browser: Chromium,
}

impl World {
    /// A profile at the provider with these lines more.
    async fn new(lines: &str) -> Result<Self> {
        let (provider, browser) = tokio::try_join!(Provider::start(Options::default()), Chromium::start())?;
        let home = Home::new(&format!("{}{lines}\n", provider.config()))?;
        let daemon = Daemon::start(&home).await?;
        Ok(Self { provider, home, _daemon: daemon, browser })
    }

    async fn has_a_living_token(&self) -> Result<bool> {
        let token = self.home.ctl(&["token", "work"]).await?.success()?;
        Ok(self.provider.introspect(&token).await?.active)
    }
}

/// Keeps how the page looks to people who like it light or dark, on a laptop and on a phone.
async fn keep_pictures(browser: &Chromium, name: &str) -> Result<()> {
    // Beside the folder that cargo gives tests to write to.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("artifacts");
    for (scheme, size, suffix) in [
        (Scheme::Light, Size::LAPTOP, ""),
        (Scheme::Dark, Size::LAPTOP, "-dark"),
        (Scheme::Light, Size::PHONE, "-phone"),
        (Scheme::Dark, Size::PHONE, "-phone-dark"),
    ] {
        browser.look(scheme, size).await?;
        let fits = "document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(browser.evaluate(fits).await?, true, "{name} is wider than the window");
        browser.screenshot(&folder.join(format!("{name}{suffix}.png"))).await?;
    }
    Ok(())
}

/// Insists that the page at the end is ours, clean, and by itself; gives its address.
async fn check_page(browser: &Chromium, login: &Login) -> Result<Url> {
    let callback = redirect_uri(login)?;
    let address = browser.address().await?;
    assert_eq!(address.origin(), callback.origin());
    assert!(address.path().starts_with("/done/"), "{address}");
    assert_eq!((address.query(), address.fragment()), (None, None), "{address}");
    for entry in browser.history().await? {
        assert!(!entry.as_str().contains("code="), "the history holds {entry}");
    }
    let record = browser.record().await?;
    let requested = record.requested_by(&address.origin());
    assert!(!requested.is_empty());
    for url in requested {
        assert_eq!(url.origin(), address.origin(), "the page has something from elsewhere");
    }
    let page = record.response(&address).context("the page was not loaded")?;
    assert_eq!(page.status, 200);
    let policy = page.headers.get("content-security-policy").context("the page has no policy")?;
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert_eq!(page.headers["cache-control"], "no-store");
    let complaints = record.console(&address.origin());
    assert!(complaints.is_empty(), "{complaints:?}");
    // The policy lets the style sheet in.
    assert_eq!(browser.evaluate("document.styleSheets.length").await?, 1);
    Ok(address)
}

fn redirect_uri(login: &Login) -> Result<Url> {
    let uri = Url::parse(&login.authorization_uri)?;
    let found = uri.query_pairs().find(|(name, _)| name == "redirect_uri");
    Ok(Url::parse(&found.context("no redirect URI")?.1)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_and_nothing_they_press_afterwards_does_harm() {
    let world = World::new("").await.unwrap();
    let browser = &world.browser;
    let login = world.home.begin_login(&["work"]).await.unwrap();
    browser.sign_in(&login.authorization_uri, &Answer::allow("ada")).await.unwrap();
    let says = browser.text("main.good").await.unwrap();
    assert!(says.contains("ada of Practice") && says.contains("work"), "{says}");
    assert_eq!(browser.title().await.unwrap(), "Signed in · fourinsightd");
    check_page(browser, &login).await.unwrap();
    keep_pictures(browser, "login-succeeded").await.unwrap();
    let callback = redirect_uri(&login).unwrap();
    login.finish().await.unwrap().success().unwrap();
    assert!(world.has_a_living_token().await.unwrap());

    // Whether the listener still answers depends on how fast all this went; a closed port is an error of the command.
    for pressed in [browser.reload().await, browser.back().await, browser.open(callback.as_str()).await] {
        if let Err(error) = pressed {
            let error = format!("{error:#}");
            assert!(error.contains("ERR_CONNECTION_REFUSED"), "{error}");
        }
    }
    let ledger = world.provider.ledger().await.unwrap();
    assert_eq!((ledger.token_requests.len(), ledger.grants_revoked), (1, 0));
    assert!(world.has_a_living_token().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_aborts_where_consent_is_asked_for() {
    let world = World::new("").await.unwrap();
    let login = world.home.begin_login(&["work"]).await.unwrap();
    world.browser.sign_in(&login.authorization_uri, &Answer::deny("ada")).await.unwrap();
    let says = world.browser.text("main.neutral").await.unwrap();
    assert!(says.contains("Not signed in") && says.contains("declined"), "{says}");
    check_page(&world.browser, &login).await.unwrap();
    keep_pictures(&world.browser, "login-declined").await.unwrap();
    let output = login.finish().await.unwrap();
    assert_eq!(output.code, Some(5), "{output:?}");
    assert!(world.provider.ledger().await.unwrap().token_requests.is_empty());
    assert_eq!(world.home.ctl(&["token", "work"]).await.unwrap().code, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_posts_the_answer_from_the_providers_page() {
    let world = World::new("response_mode = \"form_post\"").await.unwrap();
    for (answer, page, exit) in
        [(Answer::deny("ada"), "main.neutral", 5), (Answer::allow("ada"), "main.good", 0)]
    {
        // The provider remembers who signed in, so the second time is another browser's.
        let browser = if exit == 0 { &Chromium::start().await.unwrap() } else { &world.browser };
        let login = world.home.begin_login(&["work"]).await.unwrap();
        browser.sign_in(&login.authorization_uri, &answer).await.unwrap();
        browser.text(page).await.unwrap();
        let record = browser.record().await.unwrap();
        assert_eq!(record.methods(&redirect_uri(&login).unwrap()), ["POST"]);
        let address = browser.address().await.unwrap();
        assert!(address.path().starts_with("/done/") && address.query().is_none(), "{address}");
        assert_eq!(login.finish().await.unwrap().code, Some(exit));
    }
    assert!(world.has_a_living_token().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_cancelled_while_its_page_is_awaited_says_so_there() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve(Transport::Plain, 0).await.unwrap();
    let config = format!(
        "[profiles.practice]\nissuer = \"{}\"\nclient_id = \"practice-client\"\nscopes = \"openid read\"\n",
        serving.issuer
    );
    let home = Home::new(&config).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let browser = Chromium::start().await.unwrap();
    let gate = Gate::new();
    practice.answer_next_token_requests([practice::Answer::genuine().held_by(&gate)]);

    let login = home.begin_login(&["work"]).await.unwrap();
    browser.open(&login.authorization_uri).await.unwrap();
    let cancelled = async {
        gate.arrived(1).await;
        signal(login.id()?, "INT")
    };
    let (pressed, cancelled) = tokio::join!(browser.press("[name=decision][value=allow]"), cancelled);
    pressed.unwrap();
    cancelled.unwrap();
    let says = browser.text("main.neutral").await.unwrap();
    assert!(says.contains("cancelled") && says.contains("Nothing was changed"), "{says}");
    check_page(&browser, &login).await.unwrap();
    keep_pictures(&browser, "login-cancelled").await.unwrap();
    assert_eq!(login.finish().await.unwrap().code, Some(130));
    gate.open();

    // Also when the browser comes only after that.
    let login = home.begin_login(&["work"]).await.unwrap();
    browser.open(&login.authorization_uri).await.unwrap();
    signal(login.id().unwrap(), "INT").unwrap();
    assert_eq!(login.finish().await.unwrap().code, Some(130));
    browser.press("[name=decision][value=allow]").await.unwrap();
    let says = browser.text("main.neutral").await.unwrap();
    assert!(says.contains("Sign-in cancelled"), "{says}");
    assert_eq!(browser.address().await.unwrap().query(), None);
    assert_eq!(practice.ledger().requests(practice::Endpoint::Token).count(), 1);
    assert_eq!(home.ctl(&["token", "work"]).await.unwrap().code, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_the_code_is_named_on_the_page() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve(Transport::Plain, 0).await.unwrap();
    let config = format!(
        "[profiles.practice]\nissuer = \"{}\"\nclient_id = \"practice-client\"\nscopes = \"openid read\"\n",
        serving.issuer
    );
    let home = Home::new(&config).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let browser = Chromium::start().await.unwrap();
    practice.answer_next_token_requests([practice::Answer::error(401, "invalid_client")]);
    let login = home.begin_login(&["work"]).await.unwrap();
    browser.open(&login.authorization_uri).await.unwrap();
    browser.press("[name=decision][value=allow]").await.unwrap();
    let says = browser.text("main.bad").await.unwrap();
    assert!(says.contains("Sign-in failed") && says.contains("client_id"), "{says}");
    check_page(&browser, &login).await.unwrap();
    keep_pictures(&browser, "login-failed").await.unwrap();
    assert_eq!(login.finish().await.unwrap().code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_enters_a_device_code_in_a_browser() {
    let world = World::new("device_params = { prompt = \"consent\" }").await.unwrap();
    for (answer, sees, exit) in
        [(Answer::deny("ada"), "interrupted", 5), (Answer::allow("ada"), "Sign-in Success", 0)]
    {
        let login = world.home.begin_device_login(&["work"]).await.unwrap();
        let uri = &login.login.authorization_uri;
        world.browser.connect_device(uri, &login.user_code, &answer).await.unwrap();
        // The provider's pages are too alike to be waited for by their elements.
        wait::until(sees, TIME_LIMIT, async || {
            let says = world.browser.evaluate("document.body && document.body.innerText").await?;
            Ok(says.as_str().is_some_and(|says| says.contains(sees)).then_some(()))
        })
        .await
        .unwrap();
        assert_eq!(login.login.finish().await.unwrap().code, Some(exit));
    }
    assert!(world.has_a_living_token().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn login_opens_the_browser_by_itself() {
    let world = World::new("").await.unwrap();
    // What the desktop starts as the person's browser: it hands the address to the window that is there.
    let script = world.home.path().join("browser");
    let command = format!(
        "#!/bin/sh\nexec curl --silent --fail --output /dev/null \
         --header 'Content-Type: application/json' --data \"{{\\\"url\\\":\\\"$1\\\"}}\" '{}/url'\n",
        world.browser.commands().unwrap()
    );
    fs::write(&script, command).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let login = world
        .home
        .command(&world.home.programs().fourinsightctl)
        .args(["login", "work"])
        .env("BROWSER", &script)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The window takes one command after the other: waiting for a form would keep the address out.
    wait::until("the provider's page", TIME_LIMIT, async || {
        let address = world.browser.address().await?;
        Ok((address.origin() == world.provider.endpoint("").origin()).then_some(()))
    })
    .await
    .unwrap();
    world.browser.answer(&Answer::allow("ada")).await.unwrap();
    world.browser.text("main.good").await.unwrap();
    let output = timeout(TIME_LIMIT, login.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(world.has_a_living_token().await.unwrap());
}

#[tokio::test]
async fn nothing_is_left_of_a_browser() {
    let browser = Chromium::start().await.unwrap();
    let folder = browser.folder().to_owned();
    assert!(!processes_of(&folder).is_empty());
    drop(browser);
    assert_eq!(processes_of(&folder), Vec::<String>::new());
    assert!(!folder.exists());
}

/// The command lines of running processes that name this folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_string_lossy().into_owned();
    let processes = fs::read_dir("/proc").expect("Debian's kernel lists its processes").flatten();
    let lines = processes.filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(&folder)).collect()
}
