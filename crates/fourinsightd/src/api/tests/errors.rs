//! What is refused, and that nothing of it comes back.

use serde_json::json;

use super::Caller;
use crate::testing::World;

/// Stands for anything that a caller sends by mistake.
const MARK: &str = "s3cr3t";

#[tokio::test(start_paused = true)]
async fn an_unknown_query_parameter_is_an_error_everywhere() {
    let caller = Caller::signed_in().await;
    let login =
        caller.post("/v1/logins", &json!({ "profile": "work", "session": "other" }).to_string()).await;
    let login = format!("/v1/logins/{}", login.body["id"].as_str().unwrap());
    let rejection = json!({ "token_id": "0" }).to_string();
    let pasted = json!({ "pasted": "x" }).to_string();
    for (method, target, body) in [
        ("GET", "/v1/sessions", ""),
        ("GET", "/v1/sessions/default", ""),
        ("GET", "/v1/sessions/default/token", ""),
        ("POST", "/v1/sessions/default/rejections", &rejection),
        ("POST", "/v1/logins", "{}"),
        ("GET", &login, ""),
        ("POST", &format!("{login}/response"), &pasted),
        ("DELETE", &login, ""),
        ("GET", "/v1/version", ""),
        ("GET", "/v1/health", ""),
        ("GET", "/v1/openapi.json", ""),
        ("DELETE", "/v1/sessions/default", ""),
    ] {
        let reply = caller.call(method, &format!("{target}?{MARK}={MARK}"), body).await;
        reply.is_error(400, "invalid_request");
        assert!(!reply.text.contains(MARK), "{}", reply.text);
    }
    assert_eq!(caller.get("/v1/sessions/default/token").await.status, 200, "nothing was done");
}

#[tokio::test(start_paused = true)]
async fn errors_never_repeat_what_was_sent() {
    let caller = Caller::signed_in().await;
    let paste =
        caller.post("/v1/logins", &json!({ "profile": "work", "session": "other" }).to_string()).await;
    let response = format!("/v1/logins/{}/response", paste.body["id"].as_str().unwrap());
    let wrong_state = format!("http://127.0.0.1:1/callback?code={MARK}&state={MARK}");
    for (method, target, body) in [
        ("GET", format!("/v1/sessions/default/token?min_validity={MARK}"), String::new()),
        ("GET", format!("/v1/sessions/default/token?wait=-{MARK}"), String::new()),
        ("GET", format!("/v1/sessions/default/token?scope={MARK}"), String::new()),
        ("GET", format!("/v1/sessions/default/token?resource={MARK}"), String::new()),
        ("GET", format!("/v1/sessions/%2F{MARK}"), String::new()),
        ("GET", format!("/v1/sessions/%FF{MARK}"), String::new()),
        ("GET", format!("/v1/logins/{MARK}"), String::new()),
        ("GET", format!("/v1/logins/%FF{MARK}"), String::new()),
        ("DELETE", format!("/v1/logins/%FF{MARK}"), String::new()),
        ("POST", format!("/v1/logins/%FF{MARK}/response"), json!({ "pasted": MARK }).to_string()),
        ("GET", format!("/v1/{MARK}"), String::new()),
        ("POST", "/v1/sessions/default/rejections".to_owned(), format!("{{\"token_id\":\"{MARK}\"}}")),
        ("POST", "/v1/sessions/default/rejections".to_owned(), MARK.to_owned()),
        ("POST", "/v1/sessions/default/rejections".to_owned(), format!("{{\"{MARK}\":1}}")),
        ("POST", "/v1/logins".to_owned(), json!({ "profile": MARK }).to_string()),
        ("POST", "/v1/logins".to_owned(), json!({ "profile": "work", "flow": MARK }).to_string()),
        ("POST", "/v1/logins".to_owned(), json!({ "session": format!("/{MARK}") }).to_string()),
        ("POST", response.clone(), json!({ "pasted": wrong_state }).to_string()),
    ] {
        let reply = caller.call(method, &target, &body).await;
        assert!((400..500).contains(&reply.status) || reply.status == 503, "{target}: {}", reply.text);
        assert!(!reply.text.contains(MARK), "{method} {target}: {}", reply.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_key_is_decoded_and_checked() {
    let caller = Caller::of(World::new().await);
    caller.world.sign_in_with("a b@c+d", caller.world.login("ada", &["api", "read"], &[]).await).await;
    assert_eq!(caller.get("/v1/sessions/a%20b@c+d/token").await.status, 200);
    assert_eq!(caller.get("/v1/sessions/a%20b%40c%2Bd/token").await.status, 200);
    for key in ["%20a", "-a", "a%2Fb", "a%00b", "%FF", "a%C3%A9", &"a".repeat(129)] {
        for path in [format!("/v1/sessions/{key}"), format!("/v1/sessions/{key}/token")] {
            caller.get(&path).await.is_error(400, "invalid_request");
        }
    }
}
