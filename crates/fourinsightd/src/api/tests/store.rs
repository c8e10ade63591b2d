//! `POST /v1/store/…`: a look over the store, a new key, backups; and what a restored session meets at its server.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::practice::{Answer, Gate};

use super::{Caller, Reply};
use crate::testing::{SCOPES, World, pass, until};

const TOKEN: &str = "/v1/sessions/default/token";

async fn post(caller: &Caller, what: &str, body: Value) -> Reply {
    let reply = caller.post(&format!("/v1/store/{what}"), &body.to_string()).await;
    for secret in ["c4nary", "correct horse", "access_token", "refresh_token"] {
        assert!(!reply.text.contains(secret), "{}", reply.text);
    }
    reply
}

async fn backup(caller: &Caller, body: Value) -> String {
    let reply = post(caller, "backup", body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body["backup"].as_str().unwrap().to_owned()
}

async fn restore(caller: &Caller, backup: &str) -> Value {
    let reply = post(caller, "restore", json!({ "backup": backup })).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body
}

async fn restarted(caller: Caller) -> Caller {
    let Caller { world, api, router } = caller;
    drop((api, router));
    Caller::of(world.restarted().await)
}

async fn session(caller: &Caller) -> Value {
    caller.get("/v1/sessions/default").await.body
}

/// Loses the state folder.
async fn lose(caller: Caller) -> Caller {
    let Caller { world, api, router } = caller;
    drop((api, router));
    Caller::of(world.emptied().await)
}

#[tokio::test(start_paused = true)]
async fn a_sound_store_is_said_to_be_sound() {
    let caller = Caller::signed_in().await;
    let reply = post(&caller, "check", json!({})).await;
    assert_eq!(
        (reply.status, &reply.body["sessions"], &reply.body["problems"]),
        (200, &json!(1), &json!([]))
    );
    assert_eq!((&reply.body["sound"], reply.body["schema_version"].is_u64()), (&json!(true), true));
    post(&caller, "check?x=1", json!({})).await.is_error(400, "invalid_request");
}

#[tokio::test(start_paused = true)]
async fn a_session_outlives_a_new_key_with_its_renewals() {
    let caller = Caller::signed_in().await;
    let before = std::fs::read(caller.world.daemon.folder.path().join("broker.key")).unwrap();
    let reply = post(&caller, "rekey", json!({})).await;
    assert_eq!(
        (reply.status, &reply.body["sessions"], &reply.body["key_home"]),
        (200, &json!(1), &json!("file"))
    );
    assert_ne!(std::fs::read(caller.world.daemon.folder.path().join("broker.key")).unwrap(), before);
    pass(3000).await;
    assert_eq!(caller.get(TOKEN).await.status, 200);
    assert_eq!(caller.world.refreshes(), 1);
    let caller = restarted(caller).await;
    assert_eq!(session(&caller).await["state"], "signed_in");
    assert_eq!(post(&caller, "check", json!({})).await.body["sound"], true);
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_comes_back_out_of_a_backup_and_is_served_without_a_restart() {
    let caller = Caller::signed_in().await;
    let token = caller.get(TOKEN).await.body["access_token"].clone();
    let passphrase = json!({ "passphrase": "correct horse" });
    let sealed = backup(&caller, passphrase).await;
    let caller = lose(caller).await;
    assert_eq!(caller.get("/v1/sessions/default").await.status, 404);

    let needed = post(&caller, "restore", json!({ "backup": sealed })).await.is_error(400, "invalid_request");
    assert!(needed.error_description.contains("passphrase"), "{needed:?}");
    let wrong = post(&caller, "restore", json!({ "backup": sealed, "passphrase": "c4nary" })).await;
    assert!(wrong.is_error(400, "invalid_request").error_description.contains("wrong"));
    let right = json!({ "backup": sealed, "passphrase": "correct horse", "dry_run": true });
    let dry = post(&caller, "restore", right.clone()).await.body;
    assert_eq!(dry, json!({ "restored": ["default"], "kept": [] }));
    assert_eq!(caller.get("/v1/sessions/default").await.status, 404, "a dry run changes nothing");

    let mut right = right;
    right["dry_run"] = json!(false);
    assert_eq!(post(&caller, "restore", right.clone()).await.body["restored"], json!(["default"]));
    assert_eq!(caller.get(TOKEN).await.body["access_token"], token);
    assert_eq!(caller.world.refreshes(), 0, "nothing was asked of the server");
    let again = post(&caller, "restore", right).await.body;
    assert!(again["kept"][0]["reason"].as_str().unwrap().contains("signed in"), "{again}");

    let caller = restarted(caller).await;
    pass(3601).await;
    assert_eq!(caller.get(TOKEN).await.status, 200);
    assert_eq!(session(&caller).await["problem"], json!(null), "a redemption that succeeds ends the doubt");
}

#[tokio::test(start_paused = true)]
async fn a_restored_session_whose_refresh_token_was_replaced_asks_for_a_login_and_says_why() {
    let caller = Caller::signed_in().await;
    let sealed = backup(&caller, json!({ "passphrase": "correct horse" })).await;
    pass(3000).await;
    // The server gives another refresh token.
    assert_eq!(caller.get(TOKEN).await.status, 200);
    until("a renewal", || caller.world.refreshes() == 1).await;
    let caller = lose(caller).await;
    let body = json!({ "backup": sealed, "passphrase": "correct horse" });
    assert_eq!(post(&caller, "restore", body).await.body["restored"], json!(["default"]));
    let asked = caller.world.refreshes();
    assert_eq!(caller.get(TOKEN).await.status, 200, "the old token lives");
    assert_eq!(
        caller.world.refreshes(),
        asked,
        "the refresh token is not tried while the access token lives"
    );
    pass(700).await;
    let refused = caller.get(TOKEN).await.is_error(409, "login_required");
    assert!(refused.error_description.contains("restored from a backup"), "{refused:?}");
    let session = session(&caller).await;
    assert_eq!(session["state"], "login_required", "{session}");
    assert_eq!(caller.world.refreshes(), asked + 1, "it was tried once");
}

#[tokio::test(start_paused = true)]
async fn what_is_later_here_stays() {
    let caller = Caller::signed_in().await;
    let sealed = backup(&caller, json!({})).await;
    caller.world.script([Answer::error(400, "invalid_grant")]);
    pass(3600).await;
    caller.get(TOKEN).await.is_error(409, "login_required");
    let kept = restore(&caller, &sealed).await;
    assert_eq!(kept["restored"], json!([]));
    assert!(kept["kept"][0]["reason"].as_str().unwrap().contains("later than the backup"), "{kept}");
    assert_eq!(session(&caller).await["state"], "login_required");
}

/// A session in the middle of a renewal, and what holds it there.
async fn renewing() -> (Caller, Gate) {
    let caller = Caller::signed_in().await;
    let gate = Gate::new();
    caller.world.script([Answer::genuine().held_by(&gate)]);
    gate.arrived(1).await;
    (caller, gate)
}

#[tokio::test(start_paused = true)]
async fn a_backup_waits_for_the_end_of_a_renewal() {
    let (caller, gate) = renewing().await;
    let making =
        tokio::spawn(caller.calling("POST", "/v1/store/backup", r#"{"passphrase":"correct horse"}"#));
    pass(5).await;
    assert!(!making.is_finished(), "the refresh token is on its way");
    gate.open();
    let made = making.await.unwrap();
    assert_eq!((made.status, &made.body["notes"]), (200, &json!(null)), "{}", made.text);
    let token = caller.get(TOKEN).await.body["access_token"].clone();
    // What is in it is what came of the renewal.
    let caller = lose(caller).await;
    let body = json!({ "backup": made.body["backup"], "passphrase": "correct horse" });
    assert_eq!(post(&caller, "restore", body).await.body["restored"], json!(["default"]));
    assert_eq!(caller.get(TOKEN).await.body["access_token"], token);
    pass(3601).await;
    assert_eq!(caller.get(TOKEN).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_does_not_end_is_noted() {
    let (caller, _gate) = renewing().await;
    let making = tokio::time::timeout(Duration::from_secs(30), post(&caller, "backup", json!({})));
    let reply = making.await.unwrap();
    assert_eq!((reply.status, &reply.body["sessions"]), (200, &json!(1)));
    assert!(reply.body["notes"][0].as_str().unwrap().contains("session default"), "{}", reply.text);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_backup_of_this_store_is_refused_in_words() {
    let caller = Caller::signed_in().await;
    let sealed = backup(&caller, json!({})).await;
    let refused = async |backup: &str, words: &str| {
        let reply = post(&caller, "restore", json!({ "backup": backup })).await;
        let error = reply.is_error(400, "invalid_request");
        assert!(error.error_description.contains(words) && error.hint.is_some(), "{error:?}");
    };
    refused("!", "no backup").await;
    refused("AAAA", "no backup").await;
    refused(&sealed[..sealed.len() - 8], "cut short").await;
    let damaged = if sealed.as_bytes()[200] == b'A' { "B" } else { "A" };
    refused(&[&sealed[..200], damaged, &sealed[201..]].concat(), "damaged").await;
    post(&caller, "rekey", json!({})).await;
    refused(&sealed, "another key").await;
    let empty = post(&caller, "backup", json!({ "passphrase": "" })).await;
    empty.is_error(400, "invalid_request");
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_in_memory_only_are_in_no_backup() {
    let caller = Caller::of(World::new().await);
    let mut login = caller.world.login("ada", &SCOPES, &[]).await;
    login.lifetime = fourinsight_ipc::message::Lifetime::Ephemeral;
    caller.world.sign_in_with("passing", login).await;
    let reply = post(&caller, "backup", json!({})).await;
    assert_eq!((reply.status, &reply.body["sessions"]), (200, &json!(0)));
}
