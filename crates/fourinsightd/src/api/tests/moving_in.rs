//! `POST /v1/imports` of a file of `fourinsight.api` where nothing is configured yet.

use std::fs;

use serde_json::{Value, json};
use testkit::practice::{Answer, Settings};

use super::{Caller, Reply};
use crate::testing::{START, World};

const TOKEN_URL: &str = "https://login.microsoftonline.com/4subseaid.onmicrosoft.com/oauth2/v2.0/token";

/// A daemon without a profile; the servers that it reaches are all the practice server.
async fn unconfigured() -> Caller {
    let fourinsight = Settings { unix_at_start: Some(START), ..Settings::fourinsight() };
    let caller = Caller::of(World::with(|settings| *settings = fourinsight).await);
    fs::remove_file(&caller.api.config_path).unwrap();
    caller
}

async fn import(caller: &Caller, token_url: &str, more: Value) -> Reply {
    let file = json!({ "token_url": token_url, "refresh_token": "c4nary", "access_token": "c4nary" });
    let mut body = json!({ "format": "fourinsight-api", "content": file.to_string() });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let reply = caller.post("/v1/imports", &body.to_string()).await;
    assert!(!reply.text.contains("c4nary"), "{}", reply.text);
    reply
}

#[tokio::test(start_paused = true)]
async fn the_profile_of_4insight_is_written_once_the_login_is_taken_over() {
    let caller = unconfigured().await;
    let path = &caller.api.config_path;
    for profile in [Value::Null, json!("4insight")] {
        let dry = import(&caller, TOKEN_URL, json!({ "profile": profile, "dry_run": true })).await;
        assert_eq!(
            (&dry.body["outcome"], &dry.body["profile"]),
            (&json!("would_import"), &json!("4insight"))
        );
        assert!(dry.body["notes"].to_string().contains("would be written"), "{}", dry.text);
        assert!(!path.exists());
    }

    let package = tempfile::tempdir().unwrap();
    fs::write(package.path().join("_constants.json"), r#"{ "USER_CLIENT_SECRET": "from-the-package" }"#)
        .unwrap();
    let more = json!({ "package": package.path() });
    caller.world.script([Answer::json(400, &json!({ "error": "invalid_grant" }))]);
    import(&caller, TOKEN_URL, more.clone()).await.is_error(409, "login_required");
    assert!(!path.exists(), "nobody signed in by it");

    let tokens =
        json!({ "access_token": "at", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt" });
    caller.world.script([Answer::json(200, &tokens)]);
    let done = import(&caller, TOKEN_URL, more).await;
    assert_eq!((&done.body["outcome"], &done.body["profile"]), (&json!("imported"), &json!("4insight")));
    assert!(done.body["notes"].to_string().contains("is written to"), "{}", done.text);
    assert_eq!(fs::read_to_string(path).unwrap(), "[profiles.4insight]\npreset = \"4insight\"\n");
    let ledger = caller.world.practice.ledger();
    let sent = ledger.token_requests("refresh_token");
    let form = &sent.last().unwrap().form;
    assert_eq!(
        (form.get("client_secret"), form.get("client_id")),
        (Some("from-the-package"), None),
        "the preset's way"
    );
    let status = caller.get("/v1/sessions/default").await;
    assert_eq!((&status.body["state"], &status.body["profile"]), (&json!("signed_in"), &json!("4insight")));
}

#[tokio::test(start_paused = true)]
async fn no_other_endpoint_and_no_other_name_is_taken_for_4insight() {
    let caller = unconfigured().await;
    for (token_url, profile) in [
        ("https://evil.example/4subseaid.onmicrosoft.com/oauth2/v2.0/token", Value::Null),
        ("https://login.microsoftonline.com.evil.example/t/oauth2/v2.0/token", json!("4insight")),
        (TOKEN_URL, json!("work")),
    ] {
        import(&caller, token_url, json!({ "profile": profile })).await.is_error(400, "invalid_request");
    }
    // A profile of this name is the person's own, whatever it says.
    let theirs = "[profiles.4insight]\nissuer = \"https://id.example\"\nclient_id = \"x\"\n";
    fs::write(&caller.api.config_path, theirs).unwrap();
    import(&caller, TOKEN_URL, json!({})).await.is_error(400, "invalid_request");
    assert_eq!(fs::read_to_string(&caller.api.config_path).unwrap(), theirs);
    assert!(caller.world.practice.ledger().entries().is_empty());
}
