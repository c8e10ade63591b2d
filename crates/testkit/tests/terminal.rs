//! Logins on a terminal: how much time is left, what is typed where nobody sees it, and the question whose place is
//! taken, which only a terminal can answer.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    time::Duration,
};

use anyhow::Result;
use testkit::{
    practice::{DeviceFlow, Practice, Serving, Settings, Verdict},
    process::{Daemon, Home, TIME_LIMIT, Terminal, signal},
    wait,
};

struct World {
    practice: Practice,
    _serving: Serving,
    home: Home,
    daemon: Daemon,
}

impl World {
    /// A daemon whose profile has these lines more; codes of the device flow live for two minutes.
    async fn new(lines: &str) -> Result<Self> {
        let flow = DeviceFlow {
            interval: Duration::from_secs(1),
            code_life: Duration::from_mins(2),
            ..DeviceFlow::default()
        };
        let practice = Practice::new(Settings { device_flow: Some(flow), ..Settings::default() });
        let serving = practice.serve_plain().await?;
        let home = Home::new(&format!(
            "[profiles.practice]\nissuer = \"{}\"\nclient_id = \"practice-client\"\n\
             scopes = \"openid offline_access\"\n{lines}\n",
            serving.issuer
        ))?;
        let daemon = Daemon::start(&home).await?;
        Ok(Self { practice, _serving: serving, home, daemon })
    }

    /// Has this user enter the code that the terminal shows.
    async fn enter_code(&self, terminal: &mut Terminal, user: &str) -> Result<()> {
        terminal.wait_for("any device:\r\n").await?;
        let uri = terminal.wait_for("\r\n").await?;
        terminal.wait_for("code there:\r\n").await?;
        let code = terminal.wait_for("\r\n").await?;
        self.practice.answer_device(&uri, &code, Some(user)).await
    }

    async fn token(&self) -> Result<String> {
        self.home.ctl(&["token"]).await?.success()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_that_is_left_runs_down_while_a_browser_is_waited_for() {
    let world = World::new("").await.unwrap();
    let mut terminal = world.home.on_a_terminal(&["login", "--no-browser", "--timeout", "10m"]).unwrap();
    terminal.wait_for("to sign in:\r\n").await.unwrap();
    let uri = terminal.wait_for("\r\n").await.unwrap();
    let first = countdown(&mut terminal).await.unwrap();
    assert!((590..=600).contains(&first), "{first}");
    while countdown(&mut terminal).await.unwrap() == first {}
    let callback = world.practice.sign_in(&uri, "ada").await.unwrap();
    terminal.type_line(callback.as_str()).unwrap();
    let screen = terminal.finish().await.unwrap();
    assert_eq!((screen.code, screen.echoes), (Some(0), true), "{}", screen.shown);
    assert!(!screen.shown.contains("?code="), "what was pasted is shown: {}", screen.shown);
    assert!(
        screen.shown.ends_with("\r\x1b[2KSigned in as Ada Lovelace (subject-of-ada), session default.\r\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_devices_time_is_the_servers_and_nothing_is_opened_for_it() {
    let mut world = World::new("flow = \"device\"").await.unwrap();
    let (browser, opened) = (world.home.path().join("browser"), world.home.path().join("opened"));
    fs::write(&browser, format!("#!/bin/sh\necho \"$1\" > '{}'\n", opened.display())).unwrap();
    fs::set_permissions(&browser, Permissions::from_mode(0o700)).unwrap();
    world.home = world.home.with_variable("BROWSER", &browser.to_string_lossy());
    let mut terminal = world.home.on_a_terminal(&["login"]).unwrap();
    world.enter_code(&mut terminal, "ada").await.unwrap();
    let screen = terminal.finish().await.unwrap();
    assert_eq!(screen.code, Some(0), "{}", screen.shown);
    let mut terminal = world.home.on_a_terminal(&["login", "--force"]).unwrap();
    terminal.wait_for("Or scan this,").await.unwrap();
    let first = countdown(&mut terminal).await.unwrap();
    assert!((110..=120).contains(&first), "{first}");
    while countdown(&mut terminal).await.unwrap() == first {}
    assert!(!opened.exists());
    // The same browser is opened where that is meant.
    let _terminal = world.home.on_a_terminal(&["login", "other", "--flow", "browser"]).unwrap();
    let sees = async || Ok(opened.exists().then_some(()));
    wait::until("the browser", TIME_LIMIT, sees).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_person_takes_a_session_over_once_that_is_confirmed_on_the_terminal() {
    const ASKED: &str = "Type yes or no and press Enter.\r\n";
    let world = World::new("flow = \"device\"").await.unwrap();
    for (user, answers, code) in [
        ("ada", &[][..], 0),
        ("grace", &[(ASKED, "perhaps"), ("answer yes or no\r\n", "no")], 5),
        ("grace", &[(ASKED, "yes")], 0),
    ] {
        let before = world.token().await.ok();
        let mut terminal = world.home.on_a_terminal(&["login", "--force"]).unwrap();
        world.enter_code(&mut terminal, user).await.unwrap();
        for (asked, answer) in answers {
            terminal.wait_for(asked).await.unwrap();
            terminal.type_line(answer).unwrap();
        }
        let screen = terminal.finish().await.unwrap();
        assert_eq!((screen.code, screen.echoes), (Some(code), true), "{}", screen.shown);
        let token = world.token().await.unwrap();
        assert_eq!(world.practice.verdict(&token), Verdict::Live);
        if !answers.is_empty() {
            let asked = screen.shown.find("Before:         Ada Lovelace (subject-of-ada)\r\n").unwrap();
            let whom = screen.shown.find("Signed in:      Grace Hopper (subject-of-grace)\r\n").unwrap();
            assert!(asked < whom, "{}", screen.shown);
        }
        assert_eq!(before == Some(token), code == 5, "{}", screen.shown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_login_leaves_the_terminal_as_it_was() {
    let world = World::new("").await.unwrap();
    for name in ["INT", "TERM", "HUP"] {
        let mut terminal = world.home.on_a_terminal(&["login", "--no-browser"]).unwrap();
        countdown(&mut terminal).await.unwrap();
        signal(terminal.id().unwrap(), name).unwrap();
        let screen = terminal.finish().await.unwrap();
        assert_eq!((screen.code, screen.echoes), (Some(130), true), "{name}: {}", screen.shown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_prompted_for_and_not_shown() {
    let world = World::new("flow = \"password\"\nallow_legacy = true").await.unwrap();
    let password = world.practice.settings().users[0].password.clone();
    let mut terminal = world.home.on_a_terminal(&["login"]).unwrap();
    terminal.wait_for("RFC 9700").await.unwrap();
    terminal.wait_for("Type your user name and press Enter.\r\n").await.unwrap();
    terminal.type_line("ada").unwrap();
    terminal.wait_for("Type the password and press Enter. It is not shown.\r\n").await.unwrap();
    terminal.type_line(&password).unwrap();
    let screen = terminal.finish().await.unwrap();
    assert_eq!((screen.code, screen.echoes), (Some(0), true), "{}", screen.shown);
    assert!(screen.shown.contains("ada\r\n"), "the name is typed where it can be seen");
    assert!(!screen.shown.contains(&password), "{}", screen.shown);
    assert_eq!(world.practice.ledger().token_requests("password").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pasted_is_not_shown() {
    let world = World::new("flow = \"implicit\"\nallow_legacy = true").await.unwrap();
    let mut terminal = world.home.on_a_terminal(&["login", "--no-browser"]).unwrap();
    terminal.wait_for("to sign in:\r\n").await.unwrap();
    let uri = terminal.wait_for("\r\n").await.unwrap();
    terminal.wait_for("It is not shown.\r\n").await.unwrap();
    let callback = world.practice.sign_in(&uri, "ada").await.unwrap();
    let of_another_login = callback.as_str().replace("state=", "state=x");
    terminal.type_line(&of_another_login).unwrap();
    terminal.wait_for("state").await.unwrap();
    terminal.type_line(callback.as_str()).unwrap();
    let screen = terminal.finish().await.unwrap();
    assert_eq!((screen.code, screen.echoes), (Some(0), true), "{}", screen.shown);
    assert!(screen.shown.contains("nothing can renew it"), "{}", screen.shown);
    let token = world.token().await.unwrap();
    assert_eq!(world.practice.verdict(&token), Verdict::Live);
    assert!(!screen.shown.contains(&token), "{}", screen.shown);
    assert!(world.daemon.stop().await.unwrap().success());
    let _daemon = Daemon::start(&world.home).await.unwrap();
    let status = world.home.ctl(&["status", "default"]).await.unwrap().success().unwrap();
    assert!(status.contains("\nnext renewal          never: "), "{status}");
}

/// The seconds that the next countdown shows.
async fn countdown(terminal: &mut Terminal) -> Result<u64> {
    terminal.wait_for("Waiting for you: ").await?;
    let left = terminal.wait_for(" left ").await?;
    let mut words = left.split(' ');
    let (first, unit) = (words.next().unwrap_or_default().parse::<u64>()?, words.next());
    let seconds = words.next().unwrap_or("0").parse::<u64>()?;
    Ok(if unit == Some("min") { first * 60 + seconds } else { first })
}
