//! `token`, and what every command does without a daemon or without a reader.

use serde_json::json;

use crate::support::{Daemon, Ended, error};

fn with_token() -> Daemon {
    Daemon::new(|request| {
        assert!(request.line.starts_with("GET /v1/sessions/"), "{}", request.line);
        let answer = json!({
            "access_token": "s3cr3t.t0ken", "token_type": "Bearer", "expires_in": 59, "scope": "a b",
            "expires_at": 1_700_000_059, "token_id": "7f", "session": "default"
        });
        (200, answer)
    })
}

#[test]
fn the_token_stands_alone_on_a_line() {
    let ended = with_token().run(&["token"]);
    assert_eq!(ended, Ended { code: Some(0), stdout: "s3cr3t.t0ken\n".into(), stderr: String::new() });
}

#[test]
fn a_header_is_ready_for_curl() {
    assert_eq!(with_token().run(&["token", "--header"]).stdout, "Authorization: Bearer s3cr3t.t0ken\n");
}

#[test]
fn json_is_the_daemons_answer() {
    let answer = with_token().run(&["token", "--json"]).json();
    assert_eq!(answer["access_token"], "s3cr3t.t0ken");
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 59);
    assert_eq!(answer["token_id"], "7f");
}

#[test]
fn what_is_asked_for_reaches_the_daemon() {
    let daemon = with_token();
    let ended = daemon.run(&[
        "token",
        "Work 2",
        "--min-validity=5m",
        "--wait=10",
        "--scope=a b",
        "--scope=c",
        "--resource=https://api.example.com/x?y=1&z",
        "--resource=urn:two",
    ]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let [line] = daemon.lines().try_into().unwrap();
    let (path, query) = line.split_once('?').unwrap();
    assert_eq!(path, "GET /v1/sessions/Work%202/token");
    let asked: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let has = |name: &str, value: &str| asked.contains(&(name.to_owned(), value.to_owned()));
    assert!(has("min_validity", "300") && has("wait", "10") && has("scope", "a b c"), "{asked:?}");
    assert!(has("resource", "https://api.example.com/x?y=1&z") && has("resource", "urn:two"), "{asked:?}");
}

#[test]
fn each_refusal_is_one_line_and_an_exit_code() {
    for (status, code, exit) in [
        (409, "login_required", 3),
        (409, "interaction_required", 3),
        (403, "access_denied", 5),
        (503, "temporarily_unavailable", 8),
        (400, "invalid_scope", 2),
        (500, "server_error", 1),
    ] {
        let daemon = Daemon::new(move |_| error(status, code, "It is\nso.", "Do this."));
        let ended = daemon.run(&["token"]);
        let expected =
            Ended { code: Some(exit), stdout: String::new(), stderr: "error: it is so; do this\n".into() };
        assert_eq!(ended, expected, "{code}");
    }
}

#[test]
fn without_a_daemon_the_next_step_is_named() {
    let daemon = Daemon::absent();
    for arguments in [
        &["token", "--no-autostart"][..],
        &["login", "--no-autostart"],
        &["status"],
        &["status", "default"],
        &["revoke"],
        &["revoke", "--all"],
        &["stop"],
    ] {
        let ended = daemon.run(arguments);
        assert_eq!(ended.code, Some(4), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stdout, "");
        assert!(ended.stderr.contains("fourinsightd is not running"), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1);
    }
    assert!(!daemon.folder().join("state").exists(), "something was started");
}

#[test]
fn a_daemon_that_cannot_start_is_reported_with_its_reason() {
    for (script, exit) in [("exit 78", 78), ("exit 1", 4)] {
        for command in ["token", "login"] {
            let daemon = Daemon::absent();
            daemon.script("fourinsightd", script);
            let program = daemon.copy_of_program();
            let ended = Ended::of(daemon.program_at(&program, &[command]).output().unwrap());
            assert_eq!(ended.code, Some(exit), "{command}: {ended:?}");
            assert!(ended.stderr.contains("daemon.log"), "{ended:?}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let daemon = with_token();
    for arguments in [&["man"][..], &["completions", "bash"], &["token"], &["--help"]] {
        let mut child = daemon.program(arguments).spawn().unwrap();
        drop(child.stdout.take());
        let ended = Ended::of(child.wait_with_output().unwrap());
        assert_eq!(
            ended,
            Ended { code: Some(0), stdout: String::new(), stderr: String::new() },
            "{arguments:?}"
        );
    }
}
