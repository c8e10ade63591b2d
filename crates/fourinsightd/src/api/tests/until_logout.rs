//! Sessions that last until their person logs out: who finds them, and what becomes of them.

use fourinsight_ipc::platform::LoginSession;
use serde_json::{Value, json};
use testkit::practice::{Endpoint, Verdict};
use tokio::sync::oneshot;
use tower::Service as _;

use super::{Body, Caller, Reply, Request};
use crate::{
    peer::Peer,
    store::Store,
    testing::{World, key, pass},
};

/// Somebody who has logged in to this machine, until they are dropped.
struct Person {
    peer: Peer,
    logged_in: oneshot::Sender<()>,
}

impl Person {
    fn at(caller: &Caller, terminal: u32) -> Self {
        let session = LoginSession::Terminal { leader: terminal, since: 1 };
        let (logged_in, logged_out) = oneshot::channel();
        let shared = (caller.world.daemon.broker.environment(), &caller.api.logins);
        let over = async { logged_out.await.unwrap_or_default() };
        caller.api.until_logout.of_or_new(session.clone(), shared, over);
        Self { peer: Peer::in_login_session(session), logged_in }
    }

    async fn call(&self, caller: &Caller, method: &str, target: &str, body: &str) -> Reply {
        let request = Request::builder().method(method).uri(target).extension(self.peer.clone());
        let Ok(response) =
            caller.router.clone().call(request.body(Body::from(body.to_owned())).unwrap()).await;
        Reply::read(target, response).await
    }

    async fn get(&self, caller: &Caller, target: &str) -> Reply {
        self.call(caller, "GET", target, "").await
    }

    async fn begin(&self, caller: &Caller) -> Reply {
        let body = json!({ "session": "default", "profile": "work", "until_logout": true });
        self.call(caller, "POST", "/v1/logins", &body.to_string()).await
    }

    async fn answer(&self, caller: &Caller, begun: &Value, user: &str) -> Reply {
        let uri = begun["authorization_uri"].as_str().unwrap();
        let callback = caller.world.practice.sign_in(uri, user).await.unwrap();
        let pasted = json!({ "pasted": callback.as_str() }).to_string();
        self.call(caller, "POST", &format!("{}/response", path(begun)), &pasted).await
    }

    /// Signs in until logout; returns the login attempt.
    async fn sign_in(&self, caller: &Caller, user: &str) -> Value {
        let begun = self.begin(caller).await;
        assert_eq!((begun.status, &begun.body["lifetime"]), (201, &json!("until_logout")), "{}", begun.text);
        let reply = self.answer(caller, &begun.body, user).await;
        assert_eq!(reply.body["state"], "succeeded", "{}", reply.text);
        begun.body
    }

    /// The access token that they are handed.
    async fn token(&self, caller: &Caller) -> String {
        let reply = self.get(caller, "/v1/sessions/default/token").await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.body["access_token"].as_str().unwrap().to_owned()
    }

    /// What the list says of the session `default`: how long it lasts, for each time it is in the list.
    async fn lifetimes(&self, caller: &Caller) -> Vec<Value> {
        let reply = self.get(caller, "/v1/sessions").await;
        let sessions = reply.body["sessions"].as_array().unwrap();
        sessions.iter().map(|session| session["lifetime"].clone()).collect()
    }

    /// Asserts that there is nothing for them, neither session nor login attempt.
    async fn finds_nothing(&self, caller: &Caller, attempt: &Value) {
        let get = async |target: &str| self.get(caller, target).await;
        get("/v1/sessions/default/token").await.is_error(409, "login_required");
        get("/v1/sessions/default/token?wait=0&min_validity=1").await.is_error(409, "login_required");
        for target in ["/v1/sessions/default", "/v1/sessions/default/attempts", &path(attempt)] {
            get(target).await.is_error(404, "not_found");
        }
        assert_eq!(get("/v1/sessions").await.body["sessions"], json!([]));
        for (method, target, body) in [
            ("DELETE", "/v1/sessions/default".to_owned(), ""),
            ("DELETE", path(attempt), ""),
            ("POST", "/v1/sessions/default/rejections".to_owned(), r#"{"token_id":"1"}"#),
            ("POST", format!("{}/response", path(attempt)), r#"{"pasted":"code"}"#),
        ] {
            self.call(caller, method, &target, body).await.is_error(404, "not_found");
        }
    }
}

fn path(attempt: &Value) -> String {
    format!("/v1/logins/{}", attempt["id"].as_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn nobody_else_finds_it_and_each_may_have_one_of_the_same_key() {
    let caller = Caller::of(World::new().await);
    let (ada, grace) = (Person::at(&caller, 1), Person::at(&caller, 2));
    let nobody = Person { peer: Peer::default(), logged_in: oneshot::channel().0 };
    let begun = ada.begin(&caller).await;
    for other in [&grace, &nobody] {
        other.finds_nothing(&caller, &begun.body).await;
    }
    let attempt = ada.sign_in(&caller, "ada").await;
    for other in [&grace, &nobody] {
        other.finds_nothing(&caller, &attempt).await;
    }
    let token = ada.token(&caller).await;
    assert_eq!(ada.lifetimes(&caller).await, [json!("until_logout")]);
    assert_eq!(ada.get(&caller, "/v1/sessions/default/attempts").await.status, 200);
    assert_eq!(ada.get(&caller, &path(&attempt)).await.body["state"], "succeeded");

    grace.sign_in(&caller, "grace").await;
    let other = grace.token(&caller).await;
    assert_ne!(token, other);
    let revoked = grace.call(&caller, "DELETE", "/v1/sessions/default", "").await;
    assert_eq!(revoked.body["revocation"], "revoked", "{}", revoked.text);
    assert_eq!(ada.token(&caller).await, token);
    let verdict = |token: &str| caller.world.practice.verdict(token);
    assert_eq!((verdict(&token), verdict(&other)), (Verdict::Live, Verdict::Revoked));
    let opened = Store::open(caller.world.daemon.left_on_disk().path()).await.unwrap();
    assert!(opened.sessions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn it_goes_before_one_that_everyone_shares_and_leaves_that_alone() {
    let caller = Caller::signed_in().await;
    let (ada, other) = (Person::at(&caller, 1), Person::at(&caller, 2));
    let shared = ada.token(&caller).await;
    ada.sign_in(&caller, "grace").await;
    let own = ada.token(&caller).await;
    assert_ne!(own, shared);
    assert_eq!(other.token(&caller).await, shared);
    assert_eq!(ada.lifetimes(&caller).await, [json!("until_logout")]);
    assert_eq!(other.lifetimes(&caller).await, [json!("stored")]);

    let hidden = json!({ "session": "default", "profile": "work" }).to_string();
    let refused = ada.call(&caller, "POST", "/v1/logins", &hidden).await.is_error(400, "invalid_request");
    assert!(refused.hint.is_some_and(|hint| hint.contains("revoke")));
    assert_eq!(other.call(&caller, "POST", "/v1/logins", &hidden).await.status, 201);

    ada.call(&caller, "DELETE", "/v1/sessions/default", "").await;
    assert_eq!(caller.world.practice.verdict(&own), Verdict::Revoked);
    assert_eq!(ada.token(&caller).await, shared);
    assert_eq!(ada.call(&caller, "POST", "/v1/logins", &hidden).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn revoking_it_twice_leaves_the_disk_to_the_one_that_everyone_shares() {
    let caller = Caller::signed_in().await;
    let ada = Person::at(&caller, 1);
    ada.sign_in(&caller, "grace").await;
    // Two callers that both saw it signed in.
    let own = caller.api.own(&ada.peer).unwrap().broker.session(&key("default")).unwrap();
    for _ in 0..2 {
        own.revoke().await.unwrap();
    }
    let left = caller.world.daemon.left_on_disk();
    assert_eq!(Store::open(left.path()).await.unwrap().sessions.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn when_its_person_logs_out_it_is_forgotten_at_once_and_then_revoked() {
    let caller = Caller::of(World::new().await);
    let (ada, grace) = (Person::at(&caller, 1), Person::at(&caller, 2));
    let attempt = ada.sign_in(&caller, "ada").await;
    grace.sign_in(&caller, "grace").await;
    let (own, other) = (ada.token(&caller).await, grace.token(&caller).await);
    let begun = ada.begin(&caller).await.body;
    let Person { peer, logged_in } = ada;
    drop(logged_in);
    let late = Person { peer, logged_in: oneshot::channel().0 };
    caller.world.seen(|ledger| ledger.requests(Endpoint::Revocation).count() >= 1).await;
    late.finds_nothing(&caller, &attempt).await;
    late.finds_nothing(&caller, &begun).await;
    pass(60).await;
    let verdict = |token: &str| caller.world.practice.verdict(token);
    assert_eq!((verdict(&own), verdict(&other)), (Verdict::Revoked, Verdict::Live));
    assert_eq!(grace.token(&caller).await, other);
    assert!(!caller.api.until_logout.is_empty());
    drop(grace);
    pass(60).await;
    assert_eq!(verdict(&other), Verdict::Revoked);
    assert!(caller.api.until_logout.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stop_of_the_daemon_revokes_it_and_waits_for_that() {
    let caller = Caller::of(World::new().await);
    let ada = Person::at(&caller, 1);
    ada.sign_in(&caller, "ada").await;
    let token = ada.token(&caller).await;
    caller.world.daemon.stopping.send_replace(true);
    caller.api.until_logout.finished().await;
    assert_eq!(caller.world.practice.verdict(&token), Verdict::Revoked);
}

#[tokio::test(start_paused = true)]
async fn who_belongs_to_no_login_session_is_told_what_to_use_instead() {
    let caller = Caller::of(World::new().await);
    let body = json!({ "session": "default", "profile": "work", "until_logout": true }).to_string();
    let refused = caller.post("/v1/logins", &body).await.is_error(400, "invalid_request");
    assert!(refused.hint.is_some_and(|hint| hint.contains("--ephemeral")));
    assert_eq!(caller.get("/v1/sessions").await.body["sessions"], json!([]));
    // One that has ended meanwhile is none either.
    let ended = LoginSession::Terminal { leader: std::process::id(), since: 1 };
    let late = Person { peer: Peer::in_login_session(ended), logged_in: oneshot::channel().0 };
    let begun = late.begin(&caller).await;
    if begun.status == 201 {
        pass(1).await;
        assert_eq!(late.get(&caller, &path(&begun.body)).await.status, 404);
    } else {
        begun.is_error(400, "invalid_request");
    }
    assert!(caller.api.until_logout.is_empty());
}
