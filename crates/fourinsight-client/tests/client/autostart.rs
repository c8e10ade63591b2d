//! Starting the daemon: a script stands in for it, found in PATH and run by the real client in a process of its own.

use std::{env, fs, io::Write, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use fourinsight_client::{Client, Error, LocationOptions, Locations, SessionKey, StartFailure};
use tempfile::TempDir;

use crate::{
    blocking::whole_api,
    callers,
    scripted::{Reply, Server, json},
};

/// Set for the copy of this program that plays a part, and says which.
const ROLE: &str = "FOURINSIGHT_TEST_AUTOSTART_ROLE";
/// This test, as the harness names it.
const THIS: &str = "autostart::the_daemon_is_started_for_a_token_and_for_nothing_less";

/// A place whose `fourinsightd` runs a shell script.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("fourinsightd");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Plays a part in a process whose PATH begins here, and returns what it wrote.
    fn play(&self, role: &str) -> String {
        let path = env::join_paths(
            [self.folder.path().to_owned()]
                .into_iter()
                .chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())),
        );
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", THIS, "--nocapture"])
            .env(ROLE, role)
            .env("PATH", path.unwrap())
            .env("FOURINSIGHT_STATE_DIR", self.state())
            .env("FOURINSIGHT_CONFIG", self.folder.path().join("config.toml"))
            .env("FOURINSIGHT_SOCKET", self.folder.path().join("s"))
            .env("FOURINSIGHT_TEST_PROGRAM", env::current_exe().unwrap())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }
}

/// Runs this program again as the daemon, with the pipe to the client kept for the line that says it is ready.
const BECOME_THE_DAEMON: &str = r#"echo "$@" >> "$FOURINSIGHT_STATE_DIR/started"
FOURINSIGHT_TEST_AUTOSTART_ROLE=daemon exec "$FOURINSIGHT_TEST_PROGRAM" \
  --exact autostart::the_daemon_is_started_for_a_token_and_for_nothing_less 3>&1 >/dev/null"#;

/// Ends as the loser of a race does, whose winner will be there soon.
const LOSE_THE_RACE: &str = r#"FOURINSIGHT_TEST_AUTOSTART_ROLE=daemon "$FOURINSIGHT_TEST_PROGRAM" \
  --exact autostart::the_daemon_is_started_for_a_token_and_for_nothing_less 3>/dev/null >/dev/null 2>&1 &
exit 75"#;

/// Loses the first time to a daemon that is stopping: nobody else will be there.
const LOSE_TO_ONE_THAT_STOPS: &str = r#"if mkdir "$FOURINSIGHT_STATE_DIR/lost" 2>/dev/null; then exit 75; fi
"#;

#[test]
fn the_daemon_is_started_for_a_token_and_for_nothing_less() {
    match env::var(ROLE).as_deref() {
        Ok("daemon") => be_the_daemon(),
        Ok("client") => be_the_client(),
        Ok("failing client") => be_the_client_of_a_daemon_that_fails(),
        Ok(other) => panic!("no such part: {other}"),
        Err(_) => {
            let place = Place::new(BECOME_THE_DAEMON);
            place.play("client");
            let started = fs::read_to_string(place.state().join("started")).unwrap();
            let folder = place.folder.path().display();
            assert_eq!(
                started,
                format!("--config {folder}/config.toml --state-dir {folder}/state --socket {folder}/s\n"),
                "started once, with every location passed on"
            );
            let log = fs::metadata(place.state().join("daemon.log")).unwrap();
            assert_eq!(log.permissions().mode() & 0o777, 0o600);
            let state = fs::metadata(place.state()).unwrap();
            assert_eq!(state.permissions().mode() & 0o777, 0o700);

            Place::new(LOSE_THE_RACE).play("client");
            Place::new(&[LOSE_TO_ONE_THAT_STOPS, BECOME_THE_DAEMON].concat()).play("client");
            Place::new("echo 'the reason' >&2; exit 78").play("failing client");
        }
    }
}

fn be_the_client() {
    let locations = Locations::resolve(LocationOptions::default()).unwrap();
    let client = Client::with_locations(locations.clone());
    let key = SessionKey::default();
    assert!(matches!(client.status(&key).unwrap_err(), Error::NotRunning { .. }));
    assert!(matches!(client.revoke(&key).unwrap_err(), Error::NotRunning { .. }));
    let off = Client::with_locations(locations).autostart(false);
    assert!(matches!(off.token(&key).unwrap_err(), Error::NotRunning { .. }));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(client.token(&key).unwrap().secret(), "s3cr3t"));
        }
    });
    // The last answer that the daemon gives.
    assert_eq!(off.version().unwrap().version, "9");
}

fn be_the_client_of_a_daemon_that_fails() {
    let locations = Locations::resolve(LocationOptions::default()).unwrap();
    let log = locations.log_file();
    let callers = callers::with_locations(&locations);
    for caller in &callers {
        let error = caller.token().unwrap_err();
        let Error::StartFailed { failure, exit_code, log_file } = &error else { panic!("{error:?}") };
        assert!(matches!(failure, StartFailure::Ended), "{failure:?}");
        assert_eq!(*exit_code, Some(78));
        assert_eq!(*log_file, log);
        assert!(error.to_string().contains(&log.display().to_string()), "{error}");
    }
    assert_eq!(fs::read_to_string(log).unwrap(), "the reason\n".repeat(callers.len()));
}

/// Listens, says that it is ready, and serves until it is asked for its version.
fn be_the_daemon() {
    let path = env::var_os("FOURINSIGHT_SOCKET").unwrap();
    let server = Server::at(path.into(), |asked| match asked.call.as_str() {
        "GET /v1/version" => Reply::Last(json(200, r#"{"version":"9","api":"v1"}"#)),
        _ => whole_api(asked),
    });
    writeln!(fs::OpenOptions::new().write(true).open("/dev/fd/3").unwrap(), "ready").unwrap();
    server.serve_to_the_last();
}
