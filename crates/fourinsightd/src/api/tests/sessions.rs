//! `GET /v1/sessions`, `GET` and `DELETE /v1/sessions/{key}`, and what the daemon tells of itself.

use fourinsight_ipc::message::{Health, SessionList, SessionStatus, Version};
use serde_json::json;
use testkit::practice::{Answer, Endpoint, Gate};

use super::Caller;
use crate::testing::{SCOPES, World, pass};

const SESSION: &str = "/v1/sessions/default";

#[tokio::test(start_paused = true)]
async fn a_status_tells_all_but_the_token() {
    let caller = Caller::signed_in().await;
    let reply = caller.get(SESSION).await;
    assert_eq!(reply.status, 200);
    for (field, expected) in [
        ("session", json!("default")),
        ("profile", json!("work")),
        ("state", json!("signed_in")),
        ("identity", json!({ "sub": "subject-of-ada", "name": "Ada Lovelace" })),
        ("scope", json!(SCOPES.join(" "))),
        ("expires_at", json!(1_700_003_600)),
        ("renewable", json!(true)),
        ("problem", json!(null)),
        ("durability", json!("durable")),
    ] {
        assert_eq!(reply.body[field], expected, "{field}");
    }
    let next = reply.body["next_renewal_at"].as_i64().unwrap();
    assert!((1_700_002_500..=1_700_002_700).contains(&next), "{next}");
    let list = caller.get("/v1/sessions").await;
    assert_eq!(list.body["sessions"], json!([reply.body]));
    for secret in caller.world.practice.ledger().secrets() {
        assert!(!reply.text.contains(&secret.text) && !list.text.contains(&secret.text), "{:?}", secret.kind);
    }
}

#[tokio::test(start_paused = true)]
async fn the_scope_is_shown_as_it_was_granted_beside_what_was_asked_for() {
    let asked = SCOPES.join(" ");
    for (granted, shown) in [
        (json!("read api offline_access openid"), "read api offline_access openid"),
        (json!("read"), "read"),
        (json!("openid offline_access api read admin"), "openid offline_access api read admin"),
        (json!(["read", "api"]), "read api"),
        (json!("read,api"), "read api"),
        (json!(null), &*asked),
    ] {
        let caller = Caller::signed_in().await;
        let answer = json!({
            "access_token": "next", "token_type": "bearer", "expires_in": 3600, "scope": granted,
        });
        caller.world.script([Answer::json(200, &answer)]);
        pass(3600).await;
        let status = caller.get(SESSION).await.body;
        assert_eq!(
            (&status["scope"], &status["requested_scope"]),
            (&json!(shown), &json!(asked)),
            "{granted}"
        );
        assert_eq!((&status["state"], &status["problem"]), (&json!("signed_in"), &json!(null)));
        assert_eq!(caller.get("/v1/sessions/default/token").await.body["access_token"], "next");
    }
}

#[tokio::test(start_paused = true)]
async fn a_problem_is_shown_with_its_beginning() {
    let caller = Caller::signed_in().await;
    caller.world.script([Answer::status(503).header("retry-after", "600")]);
    pass(2760).await;
    let status: SessionStatus = serde_json::from_str(&caller.get(SESSION).await.text).unwrap();
    let problem = status.problem.unwrap();
    assert!(problem.description.contains("503"), "{problem:?}");
    assert!((1_700_002_500..=1_700_002_760).contains(&problem.since));
    assert!(status.next_renewal_at.unwrap() >= problem.since + 600);
    assert_eq!(caller.get("/v1/sessions/default/token").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn sessions_are_listed_in_order_and_logins_under_way_with_them() {
    let world = World::new().await;
    for session in ["zeta", "Alpha", "beta"] {
        let login = world.login("ada", &SCOPES, &[]).await;
        world.sign_in_with(session, login).await;
    }
    let caller = Caller::of(world);
    let begun =
        caller.post("/v1/logins", &json!({ "session": "gamma", "profile": "work" }).to_string()).await;
    assert_eq!(begun.status, 201, "{}", begun.text);
    let list: SessionList = serde_json::from_str(&caller.get("/v1/sessions").await.text).unwrap();
    let names: Vec<_> = list.sessions.iter().map(|status| status.session.as_str()).collect();
    assert_eq!(names, ["Alpha", "beta", "gamma", "zeta"]);
    let pending = caller.get("/v1/sessions/gamma").await;
    assert_eq!((&pending.body["state"], &pending.body["profile"]), (&json!("signing_in"), &json!("work")));
}

#[tokio::test(start_paused = true)]
async fn revoking_answers_what_happened_and_leaves_nothing() {
    let caller = Caller::signed_in().await;
    let gate = Gate::new();
    caller.world.practice.answer_next(Endpoint::Revocation, [Answer::genuine().held_by(&gate)]);
    let revoking = tokio::spawn(caller.calling("DELETE", SESSION, ""));
    gate.arrived(1).await;
    assert_eq!(caller.get(SESSION).await.body["state"], "revoking");
    caller.get("/v1/sessions/default/token").await.is_error(409, "login_required");
    gate.open();
    let answer = revoking.await.unwrap().body;
    assert_eq!((&answer["session"], &answer["revocation"]), (&json!("default"), &json!("revoked")));
    assert_eq!(answer["access_tokens_live_until"], 1_700_003_600);
    assert!(answer["description"].is_string());
    caller.get(SESSION).await.is_error(404, "not_found");
    caller.delete(SESSION).await.is_error(404, "not_found");
    assert_eq!(caller.get("/v1/sessions").await.body["sessions"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_not_found() {
    let caller = Caller::of(World::new().await);
    for target in ["/v1/sessions/nobody", "/v1/sessions/default", "/v1/logins/nothing"] {
        assert!(caller.get(target).await.is_error(404, "not_found").error_description.len() > 5);
        caller.delete(target).await.is_error(404, "not_found");
    }
    for target in
        ["/", "/v1", "/v1/", "/v2/sessions", "/v1/sessions/", "/v1/sessions/a/b/c", "/v1/logins/x/y"]
    {
        caller.get(target).await.is_error(404, "not_found");
    }
}

#[tokio::test(start_paused = true)]
async fn the_daemon_tells_its_version_and_its_health() {
    let caller = Caller::signed_in().await;
    let version: Version = serde_json::from_str(&caller.get("/v1/version").await.text).unwrap();
    assert_eq!((version.version.as_str(), version.api.as_str()), (env!("CARGO_PKG_VERSION"), "v1"));
    let health: Health = serde_json::from_str(&caller.get("/v1/health").await.text).unwrap();
    assert_eq!((health.status.as_str(), health.pid), ("ok", std::process::id()));
    assert_eq!(health.socket, caller.world.endpoint().to_string());
    assert!(health.store.ends_with("broker.db"), "{health:?}");
    assert!(health.key.ends_with("broker.key (weaker than the other homes)"), "{health:?}");

    std::fs::write(&caller.api.config_path, "nonsense = 1").unwrap();
    assert!(caller.api.config.reload().is_err());
    let health: Health = serde_json::from_str(&caller.get("/v1/health").await.text).unwrap();
    assert_eq!((health.status.as_str(), health.problems.len()), ("degraded", 1));
    assert_eq!(caller.get("/v1/sessions/default/token").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn by_when_a_login_is_needed_is_told_where_it_is_known() {
    let caller = Caller::signed_in().await;
    assert!(!caller.get(SESSION).await.fields().contains(&"login_needed_by"), "the server does not say");
    let world = World::new().await;
    let login = world.login("ada", &["openid", "api"], &[]).await;
    world.sign_in_with("default", login).await;
    let caller = Caller::of(world);
    assert_eq!(caller.get(SESSION).await.body["login_needed_by"], json!(1_700_003_600), "nothing renews it");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_refused_for_long_needs_a_login_and_says_why() {
    let world = World::signed_in().await;
    world.script(std::iter::repeat_n(Answer::error(400, "invalid_request"), 200));
    pass(3 * 3600).await;
    let caller = Caller::of(world);
    let shown = caller.get(SESSION).await.body;
    assert_eq!(shown["state"], json!("login_required"));
    assert_eq!(shown["problem"]["error"], json!("refused_for_long"));
    let error = caller.get("/v1/sessions/default/token").await.is_error(409, "login_required");
    assert!(error.error_description.contains("(refused_for_long)"), "{error:?}");
    caller.world.practice.forget_scripted_answers();
    pass(601).await;
    assert_eq!(caller.get(SESSION).await.body["state"], json!("signed_in"));
}
