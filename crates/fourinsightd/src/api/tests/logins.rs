//! `POST /v1/logins`, `GET` and `DELETE /v1/logins/{id}`, `POST /v1/logins/{id}/response`.

use serde_json::{Value, json};
use url::Url;

use super::{Caller, Reply};
use crate::testing::World;

async fn begin(caller: &Caller, session: &str) -> Reply {
    caller.post("/v1/logins", &json!({ "session": session, "profile": "work" }).to_string()).await
}

/// Where the person is sent after allowing.
async fn allowed(caller: &Caller, begun: &Value) -> Url {
    let uri = begun["authorization_uri"].as_str().unwrap();
    caller.world.practice.sign_in(uri, "ada").await.unwrap()
}

fn path(begun: &Value) -> String {
    format!("/v1/logins/{}", begun["id"].as_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_login_by_paste_ends_with_a_token() {
    let caller = Caller::of(World::new().await);
    let begun = begin(&caller, "default").await;
    assert_eq!(begun.status, 201);
    for (field, expected) in [("session", "default"), ("flow", "browser"), ("state", "pending")]
        .map(|(name, text)| (name, json!(text)))
    {
        assert_eq!(begun.body[field], expected, "{field}");
    }
    assert!(begun.body["expires_at"].as_i64().unwrap() > 1_700_000_000);
    assert_eq!(caller.get(&path(&begun.body)).await.body, begun.body);
    caller.get("/v1/sessions/default/token").await.is_error(409, "login_required");

    let callback = allowed(&caller, &begun.body).await;
    let pasted = json!({ "pasted": callback.as_str() }).to_string();
    let reply = caller.post(&format!("{}/response", path(&begun.body)), &pasted).await;
    assert_eq!((reply.status, &reply.body["state"]), (200, &json!("succeeded")), "{}", reply.text);
    assert_eq!(reply.body["identity"], json!({ "sub": "subject-of-ada", "name": "Ada Lovelace" }));
    let shown = caller.get(&format!("{}?wait=30", path(&begun.body))).await;
    assert_eq!(shown.body["state"], "succeeded");
    assert_eq!(caller.get("/v1/sessions/default/token").await.status, 200);
    assert_eq!(caller.get("/v1/sessions/default").await.body["state"], "signed_in");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_login_hears_of_its_end_or_of_the_end_of_the_wait() {
    let caller = Caller::of(World::new().await);
    let login = begin(&caller, "default").await;
    let start = caller.world.clock.now();
    let reply = caller.get(&format!("{}?wait=20", path(&login.body))).await;
    assert_eq!((reply.status, &reply.body["state"]), (200, &json!("pending")));
    assert_eq!(caller.world.clock.now().since(start).as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_login_cannot_be_answered() {
    let caller = Caller::of(World::new().await);
    let begun = begin(&caller, "default").await;
    let callback = allowed(&caller, &begun.body).await;
    let reply = caller.delete(&path(&begun.body)).await;
    assert_eq!((reply.status, &reply.body["state"]), (200, &json!("cancelled")));
    let pasted = json!({ "pasted": callback.as_str() }).to_string();
    let reply = caller.post(&format!("{}/response", path(&begun.body)), &pasted).await;
    assert_ne!(reply.body["state"], "succeeded");
    caller.get("/v1/sessions/default/token").await.is_error(409, "login_required");
    assert!(caller.world.practice.ledger().token_requests("authorization_code").is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_later_of_two_logins_for_a_session_wins() {
    let caller = Caller::of(World::new().await);
    let first = begin(&caller, "default").await;
    let second = begin(&caller, "default").await;
    assert_eq!(caller.get(&path(&first.body)).await.body["state"], "cancelled");
    assert_eq!(caller.get(&path(&second.body)).await.body["state"], "pending");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_fails_leaves_the_working_session_alone() {
    let caller = Caller::signed_in().await;
    let before = caller.get("/v1/sessions/default/token").await;
    let begun = begin(&caller, "default").await;
    let uri = begun.body["authorization_uri"].as_str().unwrap();
    let callback = caller.world.practice.deny(uri).await.unwrap();
    let pasted = json!({ "pasted": callback.as_str() }).to_string();
    let reply = caller.post(&format!("{}/response", path(&begun.body)), &pasted).await;
    assert_eq!(reply.body["state"], "failed", "{}", reply.text);
    assert_eq!(reply.body["error"]["error"], "access_denied");
    let after = caller.get("/v1/sessions/default/token").await;
    assert_eq!(after.body["token_id"], before.body["token_id"]);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_login_is_refused() {
    let caller = Caller::of(World::new().await);
    for body in ["", "null", "{", "{\"session\":\"../etc\"}", "{\"session\":\"\"}", "{\"profile\":[]}"] {
        caller.post("/v1/logins", body).await.is_error(400, "invalid_request");
    }
    let unknown = json!({ "profile": "elsewhere" }).to_string();
    assert!(caller.post("/v1/logins", &unknown).await.is_error(400, "invalid_request").hint.is_some());
    let long = json!({ "session": "default", "scope": "x".repeat(70_000) }).to_string();
    caller.post("/v1/logins", &long).await.is_error(413, "payload_too_large");
    let pasted = json!({ "pasted": "code" }).to_string();
    caller.post("/v1/logins/unknown/response", &pasted).await.is_error(404, "not_found");
    assert_eq!(caller.get("/v1/sessions").await.body["sessions"], json!([]));
}
