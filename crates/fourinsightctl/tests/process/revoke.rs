//! `revoke`.

use serde_json::json;

use crate::support::{Daemon, not_found};

fn revoking() -> Daemon {
    Daemon::new(|request| {
        let answered = |key: &str, revocation: &str, until: Option<i64>| {
            let answer = json!({ "session": key, "revocation": revocation, "description": "So it is.",
                "access_tokens_live_until": until });
            (200, answer)
        };
        match request.line.as_str() {
            "DELETE /v1/sessions/default" => answered("default", "revoked", None),
            "DELETE /v1/sessions/old" => answered("old", "unsupported", Some(4_000_000_000)),
            "DELETE /v1/sessions/far" => answered("far", "failed", None),
            "GET /v1/sessions" => {
                let session = |key| {
                    json!({ "session": key, "profile": null, "state": "signed_in",
                    "identity": null, "scope": null, "expires_at": null, "next_renewal_at": null, "problem": null })
                };
                (
                    200,
                    json!({ "sessions": [session("default"), session("far"), session("gone"), session("old")] }),
                )
            }
            _ => not_found(),
        }
    })
}

#[test]
fn each_outcome_of_a_revocation_has_its_exit_code() {
    let daemon = revoking();
    for (arguments, exit, says) in [
        (&["revoke"][..], 0, "the server has revoked its login"),
        (&["revoke", "old"], 6, "until 2096-10-02 07:06:40 UTC"),
        (&["revoke", "far"], 7, "So it is."),
        (&["revoke", "--all"], 7, "far is forgotten here"),
    ] {
        let ended = daemon.run(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(exit), ""), "{ended:?}");
        assert!(ended.stdout.contains(says), "{}", ended.stdout);
    }
    assert_eq!(daemon.run(&["revoke", "old", "--json"]).json()["revocation"], "unsupported");
    assert_eq!(daemon.run(&["revoke", "--all", "--json"]).json()["sessions"].as_array().unwrap().len(), 3);
    assert_eq!(daemon.run(&["revoke", "nobody"]).code, Some(1));
}
