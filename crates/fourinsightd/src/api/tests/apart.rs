//! Several sessions at one server: each has its own person, tokens and end.

use serde_json::json;

use super::Caller;
use crate::testing::{SCOPES, World, key, pass};

/// Ada at `default` and `work`, Grace at `graces`, by one profile at one server.
async fn three() -> Caller {
    let world = World::new().await;
    for (session, user) in [("default", "ada"), ("graces", "grace"), ("work", "ada")] {
        let login = world.login(user, &SCOPES, &[]).await;
        world.sign_in_with(session, login).await;
    }
    Caller::of(world)
}

impl Caller {
    /// The session's token, which the server must say is this user's.
    async fn token_of(&self, session: &str, user: &str) -> String {
        let reply = self.get(&format!("/v1/sessions/{session}/token")).await;
        assert_eq!((reply.status, &reply.body["session"]), (200, &json!(session)), "{}", reply.text);
        let token = reply.body["access_token"].as_str().unwrap().to_owned();
        let owner = self.world.practice.access_token(&token).unwrap().subject;
        assert_eq!(owner, format!("subject-of-{user}"), "{session}");
        token
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_and_renewals_are_never_mixed() {
    let caller = three().await;
    let mut seen = std::collections::HashSet::new();
    for round in 1..=5 {
        for (session, user) in [("default", "ada"), ("graces", "grace"), ("work", "ada")] {
            assert!(seen.insert(caller.token_of(session, user).await), "{session} got another's token");
        }
        pass(3600).await;
        assert!(caller.world.refreshes() >= 3 * round, "{}", caller.world.refreshes());
    }
    // A token reported to another session than its own changes nothing there.
    let before = caller.token_of("graces", "grace").await;
    let id = caller.get("/v1/sessions/work/token").await.body["token_id"].clone();
    let report = json!({ "token_id": id }).to_string();
    assert_eq!(caller.post("/v1/sessions/graces/rejections", &report).await.status, 202);
    assert_eq!(caller.token_of("graces", "grace").await, before);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_ends_one_session_and_names_who_shares_its_person() {
    let caller = three().await;
    let kept = caller.token_of("graces", "grace").await;
    let revoked = caller.delete("/v1/sessions/work").await;
    assert_eq!((revoked.status, &revoked.body["others"]), (200, &json!(["default"])), "{}", revoked.text);
    assert_eq!(caller.token_of("graces", "grace").await, kept);
    caller.token_of("default", "ada").await;
    caller.get("/v1/sessions/work/token").await.is_error(409, "login_required");
    // Nobody is left who shares it.
    assert_eq!(caller.delete("/v1/sessions/default").await.body.get("others"), None);
    pass(3600).await;
    assert_ne!(caller.token_of("graces", "grace").await, kept);
}

#[tokio::test(start_paused = true)]
async fn the_key_of_the_replaced_tool_outlives_logins_that_do_not_name_it_and_a_restart() {
    let world = World::new().await;
    for original_key in [Some("ops/eu".to_owned()), None] {
        let login = crate::login::NewLogin { original_key, ..world.login("ada", &SCOPES, &[]).await };
        world.sign_in_with("ops-eu-69c3e1ea148", login).await;
    }
    let caller = Caller::of(world.restarted().await);
    let status = caller.get("/v1/sessions/ops-eu-69c3e1ea148").await;
    assert_eq!(status.body["original_key"], json!("ops/eu"), "{}", status.text);
    caller.delete("/v1/sessions/ops-eu-69c3e1ea148").await;
    let login = caller.world.login("ada", &SCOPES, &[]).await;
    caller.world.daemon.broker.session(&key("ops-eu-69c3e1ea148")).unwrap().sign_in(login).await.unwrap();
    let status = caller.get("/v1/sessions/ops-eu-69c3e1ea148").await;
    assert_eq!(status.body.get("original_key"), None, "{}", status.text);
}
