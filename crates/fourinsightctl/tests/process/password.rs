//! `login` by password: typed where nobody sees it, sent once.

use std::{fs, process::Command, sync::Arc};

use serde_json::{Value, json};

use crate::{
    login::Attempt,
    support::{Daemon, Request, not_found},
    terminal,
};

/// A daemon that waits for a user name and a password.
fn daemon() -> Daemon {
    let attempt = Attempt::pending("");
    attempt.becomes(&json!({ "flow": "password", "authorization_uri": null, "wanted": "password" }));
    let asked = Arc::clone(&attempt);
    attempt.daemon_with(move |request| match request.line.as_str() {
        "POST /v1/logins/L1/response" => {
            asked.succeeds();
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
fn a_password_is_typed_unseen_and_sent_once() {
    let user_name = "Type your user name and press Enter.";
    let password = "Type the password and press Enter. It is not shown.";
    for (arguments, typed) in [
        (&["login", "--flow=password"][..], &[(user_name, "ada"), (password, "s3cr3t ")][..]),
        (&["login", "--flow=password", "--username=ada"], &[(password, "s3cr3t ")]),
        // Ctrl-\ leaves no terminal behind that hides what is typed; Ctrl-U takes back what it typed.
        (&["login", "--flow=password", "--username=ada"], &[(password, "\u{1c}\u{15}s3cr3t ")]),
    ] {
        let daemon = daemon();
        let (code, shown) = terminal::run(&daemon.program(arguments), typed);
        assert_eq!(code, Some(0), "{shown}");
        assert!(!shown.contains("s3cr3t"), "{shown}");
        assert_eq!(shown.matches(password).count(), 1, "{shown}");
        assert_eq!(answers(&daemon), [json!({ "username": "ada", "password": "s3cr3t " })], "{shown}");
    }
}

#[test]
fn what_is_pasted_where_nothing_listens_is_not_shown_either() {
    for wanted in ["callback", "package", "token_callback"] {
        let attempt = Attempt::pending("https://id.example.com/authorize");
        attempt.becomes(&json!({ "flow": "paste", "wanted": wanted }));
        let pasted = Arc::clone(&attempt);
        let daemon = attempt.daemon_with(move |request| match request.line.as_str() {
            "POST /v1/logins/L1/response" => {
                pasted.succeeds();
                (200, pasted.now())
            }
            _ => not_found(),
        });
        let program = daemon.program(&["login", "--no-browser"]);
        let (code, shown) = terminal::run(&program, &[("It is not shown.", "s3cr3t")]);
        assert_eq!(code, Some(0), "{shown}");
        assert!(!shown.contains("s3cr3t"), "{shown}");
        assert_eq!(answers(&daemon), [json!({ "pasted": "s3cr3t" })]);
    }
}

#[test]
fn a_long_paste_arrives_whole() {
    let long = format!("https://app.example/cb#access_token={}&state=xyz", "a".repeat(12_000));
    let attempt = Attempt::pending("https://id.example.com/authorize");
    attempt.becomes(&json!({ "flow": "implicit", "wanted": "token_callback" }));
    let pasted = Arc::clone(&attempt);
    let daemon = attempt.daemon_with(move |request| match request.line.as_str() {
        "POST /v1/logins/L1/response" => {
            pasted.succeeds();
            (200, pasted.now())
        }
        _ => not_found(),
    });
    let program = daemon.program(&["login", "--no-browser", "--timeout=10s"]);
    let (code, shown) = terminal::run(&program, &[("It is not shown.", &long)]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains("aaaa"), "{shown}");
    assert_eq!(answers(&daemon), [json!({ "pasted": long })]);
}

#[test]
fn what_a_shell_shows_after_a_suspension_is_hidden_again() {
    let attempt = Attempt::pending("https://id.example.com/authorize");
    attempt.becomes(&json!({ "flow": "paste", "wanted": "callback" }));
    let folder = tempfile::tempdir().unwrap();
    let (pasted, gate) = (Arc::clone(&attempt), folder.path().join("gate"));
    let daemon = attempt.daemon_with({
        let gate = gate.clone();
        move |request| match request.line.as_str() {
            "POST /v1/logins/L1/response" if request.body["pasted"] == "wrong" => {
                fs::write(&gate, "go\n").unwrap();
                (400, json!({ "error": "invalid_request", "error_description": "Not that." }))
            }
            "POST /v1/logins/L1/response" => {
                pasted.succeeds();
                (200, pasted.now())
            }
            _ => not_found(),
        }
    });
    let program = daemon.program(&["login", "--no-browser", "--timeout=20s"]);
    let gate = gate.display();
    // What a shell does when the person comes back: it sets the terminal as it likes it.
    let shell = daemon.script(
        "comes-back",
        &format!(
            "mkfifo {gate}\n\
             (read go < {gate}; exec < /dev/tty; stty echo icanon; until stty -a | grep -q -e '-echo '; do :; done; \
             echo 'All is hidden.') &\n\
             exec {} login --no-browser --timeout=20s",
            program.get_program().display()
        ),
    );
    let mut command = Command::new(shell);
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let typed = [("It is not shown.", "wrong"), ("All is hidden.", "s3cr3t")];
    let (code, shown) = terminal::run(&command, &typed);
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains("s3cr3t"), "{shown}");
}
