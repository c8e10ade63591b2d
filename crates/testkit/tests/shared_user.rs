//! A user name that several people share: each has logged in on a terminal of their own, and a session that lasts
//! until logout is found on its terminal only, and ends with it.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use testkit::{
    practice::{Endpoint, Practice, Serving, Settings, Verdict},
    process::{Daemon, Home, TIME_LIMIT, Terminal},
    wait,
};
use tokio::time::timeout;

/// In every name, so that it is easily looked for.
const KEY: &str = "c4nary";

struct World {
    practice: Practice,
    serving: Serving,
    home: Home,
    daemon: Daemon,
}

impl World {
    async fn new() -> Result<Self> {
        let practice = Practice::new(Settings::default());
        let serving = practice.serve_plain().await?;
        let home = Home::new(&format!(
            "[profiles.practice]\nissuer = \"{}\"\nclient_id = \"practice-client\"\n\
             scopes = \"openid offline_access\"\n",
            serving.issuer
        ))?;
        let daemon = Daemon::start(&home).await?;
        Ok(Self { practice, serving, home, daemon })
    }

    /// Signs in on this terminal, with these arguments.
    async fn sign_in(&self, terminal: &mut Terminal, arguments: &str, user: &str) -> Result<String> {
        terminal.type_line(&format!("fourinsightctl login {KEY} --no-browser {arguments}; echo exit=$?"))?;
        terminal.wait_for("to sign in:\r\n").await?;
        let uri = terminal.wait_for("\r\n").await?;
        let callback = self.practice.sign_in(&uri, user).await?;
        terminal.type_line(callback.as_str())?;
        terminal.wait_for("exit=0").await
    }

    async fn revocations(&self, count: usize) -> Result<()> {
        let seen = self.practice.wait_until(|ledger| ledger.requests(Endpoint::Revocation).count() >= count);
        timeout(TIME_LIMIT, seen).await.context("nothing is revoked")
    }

    /// Every file that the programs have written, logs included, that holds this text.
    fn files_with(&self, text: &str) -> Result<Vec<String>> {
        let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let files = self.home.files()?.into_iter().filter(|(_, bytes)| holds(bytes));
        Ok(files.map(|(path, _)| path.display().to_string()).collect())
    }
}

/// Runs a command on this terminal: what it shows, and its exit code.
async fn run(terminal: &mut Terminal, command: &str) -> Result<(String, i32)> {
    // The marks are put together by the shell, so that the line as it is typed does not show them.
    terminal.type_line(&format!("echo be''gin; fourinsightctl {command}; echo e''nd=$?."))?;
    terminal.wait_for("begin\r\n").await?;
    let shown = terminal.wait_for("end=").await?;
    let code = terminal.wait_for(".").await?;
    Ok((shown.trim().to_owned(), code.parse()?))
}

/// Asserts that there is no session on this terminal.
async fn finds_nothing(terminal: &mut Terminal) -> Result<()> {
    let (status, code) = run(terminal, "status").await?;
    ensure!(status.contains("There is no session yet") && code == 0, "{code}: {status}");
    for (command, expected) in [("token", 3), ("status", 1), ("revoke", 1)] {
        let (shown, code) = run(terminal, &format!("{command} {KEY}")).await?;
        ensure!(code == expected, "{command}: {code}: {shown}");
    }
    Ok(())
}

/// Whether logind counts this process among a login session, whichever terminals it opens: then two terminals are
/// one login session.
fn is_counted() -> bool {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    groups.contains("/session-")
        && fs::read_dir("/run/systemd/sessions").is_ok_and(|mut all| all.next().is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_person_finds_nothing_and_the_end_of_the_terminal_revokes() {
    let world = World::new().await.unwrap();
    let mut ada = world.home.log_in_on_a_terminal().unwrap();
    let mut grace = world.home.log_in_on_a_terminal().unwrap();
    let said = world.sign_in(&mut ada, "--until-logout", "ada").await.unwrap();
    assert!(said.contains("in memory until you log out"), "{said}");
    let (token, code) = run(&mut ada, &format!("token {KEY}")).await.unwrap();
    assert_eq!((code, world.practice.verdict(&token)), (0, Verdict::Live), "{token}");
    let (status, _) = run(&mut ada, &format!("status {KEY}")).await.unwrap();
    assert!(status.contains("until you log out"), "{status}");
    let (again, code) = run(&mut ada, &format!("login {KEY} --until-logout")).await.unwrap();
    assert!(again.starts_with("Already signed in") && code == 0, "{again}");

    if is_counted() {
        assert_eq!(run(&mut grace, &format!("token {KEY}")).await.unwrap(), (token, 0));
        return;
    }
    finds_nothing(&mut grace).await.unwrap();
    assert_eq!(run(&mut grace, &format!("why {KEY}")).await.unwrap().1, 1);
    // A session of the same key, which everyone finds but who has one until logout.
    world.sign_in(&mut grace, "", "grace").await.unwrap();
    let (shared, _) = run(&mut grace, &format!("token {KEY}")).await.unwrap();
    assert_ne!(shared, token);
    assert_eq!(run(&mut ada, &format!("token {KEY}")).await.unwrap(), (token.clone(), 0));
    assert_eq!(run(&mut grace, &format!("revoke {KEY}")).await.unwrap().1, 0);
    finds_nothing(&mut grace).await.unwrap();
    assert_eq!(world.practice.verdict(&token), Verdict::Live);
    let before = world.practice.ledger().requests(Endpoint::Revocation).count();

    ada.type_line("exit").unwrap();
    ada.finish().await.unwrap();
    world.revocations(before + 1).await.unwrap();
    let revoked = async || Ok((world.practice.verdict(&token) == Verdict::Revoked).then_some(()));
    wait::until("the access token is revoked", TIME_LIMIT, revoked).await.unwrap();
    finds_nothing(&mut grace).await.unwrap();
    let mut next = world.home.log_in_on_a_terminal().unwrap();
    finds_nothing(&mut next).await.unwrap();
    assert!(world.daemon.stop().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_session_in_memory_is_written_anywhere_and_a_stop_revokes_it() {
    for arguments in ["--ephemeral", "--until-logout"] {
        let world = World::new().await.unwrap();
        let mut ada = world.home.log_in_on_a_terminal().unwrap();
        world.sign_in(&mut ada, arguments, "ada").await.unwrap();
        let (token, code) = run(&mut ada, &format!("token {KEY}")).await.unwrap();
        assert_eq!(code, 0, "{token}");
        let World { practice, home, daemon, serving } = world;
        assert!(daemon.stop().await.unwrap().success());
        assert_eq!(practice.verdict(&token), Verdict::Revoked, "{arguments}");
        let world = World { daemon: Daemon::start(&home).await.unwrap(), practice, home, serving };
        finds_nothing(&mut ada).await.unwrap();
        for text in [KEY, token.as_str(), "subject-of-ada", "Ada Lovelace"] {
            assert_eq!(world.files_with(text).unwrap(), Vec::<String>::new(), "{arguments}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_that_controls_it_nothing_lasts_until_logout() {
    if is_counted() {
        return;
    }
    let world = World::new().await.unwrap();
    let mut command = world.home.command("setsid");
    command.args(["--wait", "fourinsightctl", "login", "--until-logout", "--no-browser"]);
    let output = timeout(TIME_LIMIT, command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--ephemeral") && said.lines().count() == 1, "{said}");
}
