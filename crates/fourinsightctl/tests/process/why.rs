//! `why`, and where other commands point to it.

use serde_json::{Value, json};

use crate::support::{Daemon, not_found};

fn attempts(session: &str, cause: Option<&str>) -> Value {
    let mut attempt = json!({
        "at": 1_700_000_000, "action": "refresh", "outcome": "refused", "error": "invalid_grant",
        "error_description": "AADSTS50173: gone", "codes": [50173], "later": true,
    });
    if let Some(cause) = cause {
        attempt["cause"] = cause.into();
        attempt["next_step"] = "Run `fourinsightctl login`.".into();
    }
    json!({ "session": session, "attempts": [attempt] })
}

fn status(session: &str) -> Value {
    json!({
        "session": session, "profile": "work", "state": "login_required", "identity": null, "scope": null,
        "expires_at": null, "next_renewal_at": null,
        "problem": { "error": "invalid_grant", "description": "AADSTS50173: gone", "since": 1_700_000_000 },
    })
}

fn daemon() -> Daemon {
    Daemon::new(|request| {
        let required = json!({ "error": "login_required", "error_description": "gone", "hint": "run login" });
        match request.line.as_str() {
            "GET /v1/sessions/work/attempts" => (200, attempts("work", Some("The login was revoked."))),
            "GET /v1/sessions/bare/attempts" => (200, attempts("bare", None)),
            "GET /v1/sessions/work" => (200, status("work")),
            "GET /v1/sessions/bare" => (200, status("bare")),
            "GET /v1/sessions" => (200, json!({ "sessions": [status("bare"), status("work")] })),
            "GET /v1/sessions/work/token" | "GET /v1/sessions/bare/token" => (409, required),
            "POST /v1/logins" => {
                let error = json!({ "error": "access_denied", "error_description": "no", "hint": "ask" });
                (403, error)
            }
            "GET /v1/health" => {
                let health = json!({ "status": "ok", "version": "1", "pid": 1, "socket": "/s", "store": "/d",
                    "key": "/k", "config": "/c" });
                (200, health)
            }
            _ => not_found(),
        }
    })
}

#[test]
fn why_tells_cause_and_next_step_and_never_starts_anything() {
    let daemon = daemon();
    let told = daemon.run(&["why", "work"]);
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""), "{told:?}");
    for part in ["refresh was refused", "AADSTS50173", "The login was revoked.", "`fourinsightctl login`"] {
        assert!(told.stdout.contains(part), "{part}: {}", told.stdout);
    }
    assert!(!told.stdout.contains('\x1b'), "colours on a pipe: {}", told.stdout);
    let answer = daemon.run(&["why", "work", "--json"]).json();
    assert_eq!((&answer["session"], &answer["attempts"][0]["codes"]), (&json!("work"), &json!([50173])));
    let unknown = daemon.run(&["why", "nobody"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert_eq!(Daemon::absent().run(&["why"]).code, Some(4));
}

#[test]
fn other_commands_point_to_it_where_it_says_more() {
    let daemon = daemon();
    let pointer = "`fourinsightctl why work` says more";
    let token = daemon.run(&["token", "work"]);
    assert_eq!((token.code, token.stderr), (Some(3), format!("error: gone; run login; {pointer}\n")));
    let login = daemon.run(&["login", "work", "--no-browser"]);
    assert_eq!((login.code, login.stderr), (Some(5), format!("error: no; ask; {pointer}\n")));
    let token = daemon.run(&["token", "bare"]);
    assert_eq!((token.code, token.stderr.as_str()), (Some(3), "error: gone; run login\n"));

    let one = daemon.run(&["status", "work"]);
    assert!(one.stdout.contains(&format!("\n{pointer}\n")), "{}", one.stdout);
    let all = daemon.run(&["status"]);
    assert!(all.stdout.contains(&format!("\n{pointer}\n")), "{}", all.stdout);
    assert!(!all.stdout.contains("why bare"), "{}", all.stdout);
    assert!(!daemon.run(&["status", "work", "--json"]).stdout.contains("says more"));
}
