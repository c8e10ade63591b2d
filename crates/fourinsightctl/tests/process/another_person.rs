//! `login`, when another person would take the session over: asked on a terminal, declined without one.

use std::{io::Write, process::Stdio, sync::Arc};

use serde_json::{Value, json};

use crate::{
    login::Attempt,
    support::{Daemon, Ended, Request, not_found},
    terminal,
};

/// A device login that has its tokens and asks.
fn asking() -> Arc<Attempt> {
    let attempt = Attempt::pending("");
    attempt.becomes(&json!({
        "flow": "device", "authorization_uri": null, "user_code": "WDJB-MJHT",
        "verification_uri": "https://id.example.com/device",
        "confirmation": {
            "id": "Q1", "about": "person", "endpoint": "https://id.example.com/token",
            "identity": { "sub": "2", "name": "Grace\u{1b}" }, "previous": { "sub": "1", "name": "Ada" },
            "question": "Sign it in as Grace instead?"
        }
    }));
    attempt
}

/// Takes an answer to the question, as the daemon does.
fn daemon(attempt: &Arc<Attempt>) -> Daemon {
    let asked = Arc::clone(attempt);
    attempt.daemon_with(move |request| match request.line.as_str() {
        "POST /v1/logins/L1/response" if request.body["accepted"] == true => {
            asked.becomes(&json!({ "confirmation": null }));
            asked.succeeds();
            (200, asked.now())
        }
        "POST /v1/logins/L1/response" => {
            let error = json!({ "error": "access_denied", "error_description": "Not confirmed." });
            asked.becomes(&json!({ "confirmation": null, "state": "failed", "error": error }));
            (200, asked.now())
        }
        _ => not_found(),
    })
}

fn answers(daemon: &Daemon) -> Vec<Value> {
    let answered = |request: &Request| request.line == "POST /v1/logins/L1/response";
    daemon.requests().into_iter().filter(answered).map(|request| request.body).collect()
}

#[test]
fn without_a_terminal_nobody_takes_a_session_over_whatever_is_piped_in() {
    for piped in ["", "yes\nyes\n"] {
        let attempt = asking();
        let daemon = daemon(&attempt);
        let mut child = daemon.program(&["login", "--flow=device"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(piped.as_bytes()).unwrap();
        let ended = Ended::of(child.wait_with_output().unwrap());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(5), ""), "{ended:?}");
        let last = ended.stderr.lines().last().unwrap();
        assert!(last.starts_with("error: ") && last.contains("is no terminal"), "{last}");
        for named in ["session default", "as Ada (1)", "Grace\u{fffd} (2)", "another KEY", "--switch-user"] {
            assert!(last.contains(named), "{named}: {last}");
        }
        assert!(ended.stderr.contains("Before:         Ada (1)\nSigned in:      Grace\u{fffd} (2)\n"));
        assert_eq!(answers(&daemon), [json!({ "confirmation": "Q1", "accepted": false })]);
    }
}

#[test]
fn a_package_that_was_piped_in_with_its_yes_takes_no_session_over_either() {
    let attempt = Attempt::pending("https://id.example.com/auth");
    attempt.becomes(&json!({ "flow": "paste", "wanted": "package" }));
    let (pasted, question) = (Arc::clone(&attempt), asking().now()["confirmation"].clone());
    let daemon = attempt.daemon_with(move |request| {
        if request.body["pasted"] == "a package" {
            pasted.becomes(&json!({ "confirmation": question }));
        } else if request.body["accepted"] == false {
            let error = json!({ "error": "access_denied", "error_description": "Not confirmed." });
            pasted.becomes(&json!({ "confirmation": null, "state": "failed", "error": error }));
        } else {
            return not_found();
        }
        (200, pasted.now())
    });
    let mut child = daemon.program(&["login", "--no-browser"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a package\nyes\n").unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(5), "{ended:?}");
    let no = json!({ "confirmation": "Q1", "accepted": false });
    assert_eq!(answers(&daemon), [json!({ "pasted": "a package" }), no]);
}

#[test]
fn on_a_terminal_the_person_is_asked_and_answers() {
    for (typed, accepted, code) in [("yes", true, 0), ("no", false, 5)] {
        let attempt = asking();
        let daemon = daemon(&attempt);
        let asked = "Type yes or no and press Enter.";
        let wrong = "answer yes or no";
        let (ended, shown) = terminal::run(
            &daemon.program(&["login", "--flow=device"]),
            &[(asked, "perhaps"), (wrong, typed)],
        );
        assert_eq!(ended, Some(code), "{shown}");
        assert!(shown.contains("Before:         Ada (1)"), "{shown}");
        // No countdown runs over what is being typed.
        let after = &shown[shown.find(asked).unwrap()..shown.find(wrong).unwrap()];
        assert!(!after.contains("Waiting for you"), "{shown}");
        assert_eq!(answers(&daemon), [json!({ "confirmation": "Q1", "accepted": accepted })], "{shown}");
    }
}
