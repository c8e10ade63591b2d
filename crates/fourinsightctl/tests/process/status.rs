//! `status` and `stop`.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Daemon, not_found};

#[test]
fn status_shows_sessions_and_daemon_and_never_starts_anything() {
    let session = json!({
        "session": "default", "profile": "work", "state": "signed_in",
        "identity": { "sub": "1", "name": "Ada" }, "scope": "a", "expires_at": null, "next_renewal_at": null,
        "problem": null
    });
    let mut expired = session.clone();
    expired["session"] = "old".into();
    expired["state"] = "login_required".into();
    let daemon = Daemon::new(move |request| match request.line.as_str() {
        "GET /v1/sessions" => (200, json!({ "sessions": [session, expired] })),
        "GET /v1/sessions/default" => (200, session.clone()),
        "GET /v1/sessions/old" => (200, expired.clone()),
        "GET /v1/health" => {
            let health = json!({ "status": "ok", "version": "9.9.9", "pid": 1, "socket": "/s", "store": "/d",
                "key": "/k", "config": "/c" });
            (200, health)
        }
        _ => not_found(),
    });
    let all = daemon.run(&["status"]);
    assert_eq!(all.code, Some(0), "{all:?}");
    assert!(all.stdout.contains("Ada (1)") && all.stdout.contains("daemon  9.9.9"), "{}", all.stdout);
    assert!(!all.stdout.contains('\x1b'), "colours on a pipe: {}", all.stdout);
    assert_eq!(daemon.run(&["status", "--json"]).json()["sessions"][1]["session"], "old");
    assert_eq!(daemon.run(&["status", "--json"]).json()["daemon"]["version"], "9.9.9");
    assert_eq!(daemon.run(&["status", "default", "--json"]).json()["session"], "default");
    assert_eq!(daemon.run(&["status", "default"]).code, Some(0));
    assert_eq!(daemon.run(&["status", "old"]).code, Some(3));
    let unknown = daemon.run(&["status", "nobody"]);
    assert_eq!(unknown.code, Some(1));
    assert_eq!(unknown.stderr, "error: there is no such session; see `fourinsightctl status`\n");
}

#[test]
fn stop_ends_the_process_that_serves_and_waits_for_it() {
    let mut process = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let pid = process.id();
    let daemon = Daemon::new(move |_| {
        let health = json!({ "status": "ok", "version": "1", "pid": pid, "socket": "/s", "store": "/d",
            "key": "/k", "config": "/c" });
        (200, health)
    });
    let ended = daemon.run(&["stop"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("has stopped"));
    assert!(!process.wait().unwrap().success(), "it ended by itself, not by the signal");
}
