//! `POST /v1/imports`: a login of another tool, proven by one refresh, durable before it is answered, or left alone.

use serde_json::{Value, json};
use testkit::practice::{Answer, Gate};

use super::{Caller, Reply};
use crate::{
    testing::{SCOPES, World, pass},
    token::RefreshToken,
};

/// A refresh token that some other tool obtained.
async fn elsewhere(world: &World) -> RefreshToken {
    world.login("ada", &SCOPES, &[]).await.tokens.refresh_token.unwrap()
}

/// A token dictionary as `requests-oauthlib` leaves it.
fn dictionary(refresh_token: &RefreshToken) -> String {
    json!({ "access_token": "stale", "token_type": "Bearer", "expires_in": 3600, "expires_at": 4_000_000_000_u64,
        "id_token": "c4nary.c4nary.c4nary", "scope": ["openid", "api"], "refresh_token": refresh_token.expose() })
    .to_string()
}

async fn import(caller: &Caller, content: &str, more: Value) -> Reply {
    let mut body = json!({ "format": "oauthlib", "content": content, "profile": "work" });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let reply = caller.post("/v1/imports", &body.to_string()).await;
    for secret in ["c4nary", "\"refresh_token\"", "stale"] {
        assert!(!reply.text.contains(secret), "{}", reply.text);
    }
    reply
}

/// Adds a profile of the practice server's client to the configuration.
fn add_profile(caller: &Caller, name: &str, line: &str) {
    let path = &caller.api.config_path;
    let before = std::fs::read_to_string(path).unwrap();
    let profile = format!(
        "[profiles.{name}]\nflow = \"paste\"\nauthorization_endpoint = \"https://practice.test/authorize\"\n\
         client_id = \"practice-client\"\n{line}\n"
    );
    std::fs::write(path, format!("{before}\n{profile}")).unwrap();
}

async fn state(caller: &Caller, session: &str) -> Value {
    let reply = caller.get(&format!("/v1/sessions/{session}")).await;
    if reply.status == 404 { json!("signed_out") } else { reply.body["state"].clone() }
}

async fn restarted(caller: Caller) -> Caller {
    let Caller { world, api, router } = caller;
    drop((api, router));
    Caller::of(world.restarted().await)
}

#[tokio::test(start_paused = true)]
async fn an_import_signs_the_session_in_by_one_refresh_and_outlives_a_restart() {
    let caller = Caller::of(World::new().await);
    let content = dictionary(&elsewhere(&caller.world).await);
    let reply = import(&caller, &content, json!({})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.body["outcome"], "imported");
    assert_eq!((&reply.body["session"], &reply.body["profile"]), (&json!("default"), &json!("work")));
    assert_eq!(reply.body["identity"], json!({ "sub": "subject-of-ada", "name": "Ada Lovelace" }));
    assert_eq!((&reply.body["durable"], &reply.body["whole"]), (&json!(true), &json!(true)));
    assert_eq!(caller.world.refreshes(), 1);
    assert_eq!(caller.get("/v1/sessions/default/token").await.status, 200);
    assert_eq!(caller.world.refreshes(), 1, "the proof brought the token");

    let again = import(&caller, &content, json!({})).await;
    assert_eq!((again.status, &again.body["outcome"]), (200, &json!("imported")), "{}", again.text);
    assert_eq!(
        (&again.body["durable"], caller.world.refreshes()),
        (&json!(true), 1),
        "nothing was sent again"
    );
    let elsewhere = import(&caller, &content, json!({ "session": "other" })).await;
    assert!(elsewhere.is_error(400, "invalid_request").error_description.contains("Session default"));

    let caller = restarted(caller).await;
    assert_eq!(state(&caller, "default").await, "signed_in");
    pass(3000).await;
    assert_eq!(caller.get("/v1/sessions/default/token").await.status, 200);
    assert_eq!(caller.world.refreshes(), 2, "the rotated refresh token is the daemon's own");
    let again = import(&caller, &content, json!({})).await;
    assert_eq!(again.body["identity"]["sub"], "subject-of-ada", "{}", again.text);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_sends_and_changes_nothing() {
    let caller = Caller::of(World::new().await);
    let content = dictionary(&elsewhere(&caller.world).await);
    let before = caller.world.practice.ledger().back_channel().count();
    let reply = import(&caller, &content, json!({ "dry_run": true, "session": "work 2" })).await;
    assert_eq!((&reply.body["outcome"], &reply.body["session"]), (&json!("would_import"), &json!("work 2")));
    assert_eq!((&reply.body["durable"], &reply.body["profile"]), (&json!(false), &json!("work")));
    assert_eq!(caller.world.practice.ledger().back_channel().count(), before);
    assert_eq!(state(&caller, "work%202").await, "signed_out");
}

#[tokio::test(start_paused = true)]
async fn a_session_key_longer_than_any_is_refused_before_anything_is_sent() {
    let caller = Caller::of(World::new().await);
    let content = dictionary(&elsewhere(&caller.world).await);
    let key = |length: usize| json!({ "original_key": "k/".repeat(length / 2), "dry_run": true });
    assert_eq!(import(&caller, &content, key(4096)).await.status, 200);
    let error = import(&caller, &content, key(4098)).await.is_error(400, "invalid_request");
    assert!(error.error_description.contains("too long"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_leaves_the_session_signed_out_and_says_to_sign_in() {
    let caller = Caller::of(World::new().await);
    let refresh_token = elsewhere(&caller.world).await;
    caller.world.practice.revoke_family(refresh_token.expose());
    let reply = import(&caller, &dictionary(&refresh_token), json!({})).await;
    let error = reply.is_error(409, "login_required");
    assert!(error.hint.unwrap().contains("fourinsightctl login"));
    assert_eq!(caller.world.refreshes(), 1);
    assert_eq!(state(&caller, "default").await, "signed_out");
    let alive = elsewhere(&caller.world).await;
    assert_eq!(import(&caller, &dictionary(&alive), json!({})).await.status, 200, "the session is free");
    let caller = restarted(caller).await;
    assert_eq!(state(&caller, "default").await, "signed_in");
}

#[tokio::test(start_paused = true)]
async fn no_answer_leaves_everything_to_be_tried_again() {
    let caller = Caller::of(World::new().await);
    let content = dictionary(&elsewhere(&caller.world).await);
    caller.world.script([Answer::close(), Answer::status(503)]);
    let lost = import(&caller, &content, json!({})).await.is_error(503, "temporarily_unavailable");
    assert!(lost.error_description.contains("spent") && lost.hint.unwrap().contains("within the minute"));
    assert_eq!(state(&caller, "default").await, "signed_out");
    let down = import(&caller, &content, json!({})).await.is_error(503, "temporarily_unavailable");
    assert!(down.hint.unwrap().contains("untouched"));
    pass(3600).await;
    assert_eq!(caller.world.refreshes(), 2, "nothing is tried behind the person's back");
    assert_eq!(import(&caller, &content, json!({})).await.body["outcome"], "imported");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_refresh_token_keeps_the_imported_one() {
    let caller = Caller::of(World::new().await);
    let content = dictionary(&elsewhere(&caller.world).await);
    let answer = json!({ "access_token": "at", "token_type": "Bearer", "expires_in": 3600 });
    caller.world.script([Answer::json(200, &answer)]);
    assert_eq!(import(&caller, &content, json!({})).await.body["outcome"], "imported");
    let caller = restarted(caller).await;
    pass(3000).await;
    assert_eq!(caller.get("/v1/sessions/default/token").await.status, 200);
    assert_eq!(caller.world.refreshes(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_signed_in_is_asked_of_the_server_and_never_of_the_cache() {
    let caller = Caller::of(World::with(|settings| settings.id_tokens = false).await);
    let content = dictionary(&elsewhere(&caller.world).await);
    let reply = import(&caller, &content, json!({})).await;
    assert_eq!(reply.body["identity"]["sub"], "subject-of-ada", "by the userinfo endpoint: {}", reply.text);
    let nobody =
        |settings: &mut testkit::practice::Settings| (settings.id_tokens, settings.userinfo) = (false, false);
    let caller = Caller::of(World::with(nobody).await);
    let content = dictionary(&elsewhere(&caller.world).await);
    let reply = import(&caller, &content, json!({})).await;
    assert_eq!((&reply.body["outcome"], &reply.body["identity"]), (&json!("imported"), &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn a_session_with_a_login_is_not_replaced() {
    let caller = Caller::signed_in().await;
    let content = dictionary(&elsewhere(&caller.world).await);
    let error = import(&caller, &content, json!({})).await.is_error(400, "invalid_request");
    assert!(error.hint.unwrap().contains("--session KEY"));
    assert_eq!(caller.world.refreshes(), 0);
    assert_eq!(import(&caller, &content, json!({ "session": "other" })).await.body["session"], "other");
    assert_eq!(state(&caller, "default").await, "signed_in");
}

#[tokio::test(start_paused = true)]
async fn the_session_key_of_fourinsight_api_is_mapped_and_its_endpoint_compared() {
    let caller = Caller::of(World::new().await);
    let refresh_token = elsewhere(&caller.world).await;
    let file = |url: &str| json!({ "token_url": url, "refresh_token": refresh_token.expose() }).to_string();
    let more = |profile| json!({ "format": "fourinsight-api", "original_key": "ops/eu", "profile": profile });
    let elsewhere = file("https://evil.example/token");
    for profile in [json!("work"), Value::Null] {
        let error = import(&caller, &elsewhere, more(profile)).await.is_error(400, "invalid_request");
        assert!(error.error_description.contains("Nothing was sent"), "{error:?}");
    }
    let right = file("https://practice.test/token");
    let dry = json!({ "format": "fourinsight-api", "dry_run": true });
    import(&caller, &right, dry).await.is_error(400, "invalid_request");
    assert_eq!(
        caller.world.refreshes(),
        0,
        "a profile that only has the server in common is for other logins"
    );
    add_profile(&caller, "paste", "allowed_token_endpoints = [\"https://practice.test/token\"]");
    let reply = import(&caller, &right, more(json!("paste"))).await;
    assert_eq!(reply.body["session"], "ops-eu-69c3e1ea148", "{}", reply.text);
}

#[tokio::test(start_paused = true)]
async fn a_client_secret_that_is_nowhere_is_said_with_the_places_where_it_can_be_put() {
    let caller = Caller::of(World::new().await);
    let config = "[profiles.p]\npreset = \"4insight\"\nclient_secret = { first_of = [\n\
                  { env = \"FOURINSIGHT_TEST_UNSET_VARIABLE\" } ] }\n\
                  allowed_token_endpoints = [\"https://practice.test/token\"]\n";
    std::fs::write(&caller.api.config_path, config).unwrap();
    let file = json!({ "token_url": "https://practice.test/token", "refresh_token": "c4nary" }).to_string();
    let more = json!({ "format": "fourinsight-api", "profile": null });
    let error = import(&caller, &file, more).await.is_error(400, "invalid_request");
    let hint = error.hint.unwrap();
    for place in
        ["untouched", "client_secret = { file", "FOURINSIGHT_CLIENT_SECRET", "fourinsight.api installed"]
    {
        assert!(hint.contains(place), "{hint}");
    }
    assert_eq!(caller.world.refreshes(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_several_logins_one_is_picked_and_the_rest_stays() {
    let caller = Caller::of(World::new().await);
    let entry = |token: &RefreshToken, home: &str| {
        json!({ "secret": token.expose(), "home_account_id": home, "environment": "practice.test",
            "client_id": "practice-client", "target": null, "last_modification_time": "1" })
    };
    let (ada, grace) = (elsewhere(&caller.world).await, elsewhere(&caller.world).await);
    let named = |home: &str, name: &str| json!({ "home_account_id": home, "environment": "practice.test", "username": name });
    let cache = json!({
        "RefreshToken": { "x": entry(&ada, "a"), "y": entry(&grace, "g") },
        "Account": { "x": named("a", "ada@example.com"), "y": named("g", "grace@example.com") },
    })
    .to_string();
    let of = |pick: &str, session: &str| json!({ "format": "msal", "pick": pick, "session": session, "profile": null });
    let choose = import(&caller, &cache, of("", "default")).await;
    assert_eq!((choose.status, &choose.body["outcome"]), (200, &json!("choose")), "{}", choose.text);
    let picks: Vec<_> =
        choose.body["choices"].as_array().unwrap().iter().map(|choice| &choice["pick"]).collect();
    assert_eq!(picks, ["ada@example.com", "grace@example.com"]);
    assert_eq!(caller.world.refreshes(), 0);
    let first = import(&caller, &cache, of("ada@example.com", "default")).await;
    assert_eq!(
        (&first.body["outcome"], &first.body["whole"]),
        (&json!("imported"), &json!(false)),
        "{}",
        first.text
    );
    let second = import(&caller, &cache, of("grace@example.com", "grace")).await;
    assert_eq!((&second.body["outcome"], &second.body["whole"]), (&json!("imported"), &json!(true)));
    import(&caller, &cache, of("nobody", "x")).await.is_error(400, "invalid_request");
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_loses_nothing_and_the_same_file_is_known_again() {
    let world = World::new().await;
    let caller = Caller::of(world);
    let content = dictionary(&elsewhere(&caller.world).await);
    let gate = Gate::new();
    caller.world.script([Answer::genuine().held_by(&gate)]);
    let body = json!({ "format": "oauthlib", "content": content, "profile": "work" }).to_string();
    let begun = tokio::spawn(caller.calling("POST", "/v1/imports", &body));
    gate.arrived(1).await;
    let Caller { world, .. } = caller;
    let caller = Caller::of(world.killed().await);
    begun.abort();
    assert_eq!(caller.get("/v1/sessions/default/token").await.status, 200);
    let again = import(&caller, &content, json!({})).await;
    assert_eq!(
        (&again.body["outcome"], &again.body["durable"]),
        (&json!("imported"), &json!(true)),
        "{}",
        again.text
    );
    assert_eq!(again.body["identity"]["sub"], "subject-of-ada");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_no_half_of_an_import() {
    let caller = Caller::of(World::new().await);
    let content = dictionary(&elsewhere(&caller.world).await);
    let gate = Gate::new();
    caller.world.script([Answer::genuine().held_by(&gate)]);
    let body = json!({ "format": "oauthlib", "content": content, "profile": "work" }).to_string();
    let begun = tokio::spawn(caller.calling("POST", "/v1/imports", &body));
    gate.arrived(1).await;
    begun.abort();
    gate.open();
    assert_eq!(caller.get("/v1/sessions/default/token").await.status, 200);
    assert_eq!(import(&caller, &content, json!({})).await.body["durable"], true);
    assert_eq!(caller.world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_in_between_wins() {
    let caller = Caller::of(World::new().await);
    let content = dictionary(&elsewhere(&caller.world).await);
    let gate = Gate::new();
    caller.world.script([Answer::genuine().held_by(&gate)]);
    let body = json!({ "format": "oauthlib", "content": content, "profile": "work" }).to_string();
    let begun = tokio::spawn(caller.calling("POST", "/v1/imports", &body));
    gate.arrived(1).await;
    let revoked = tokio::spawn(caller.calling("DELETE", "/v1/sessions/default", ""));
    let reply = begun.await.unwrap();
    reply.is_error(503, "temporarily_unavailable");
    gate.open();
    assert_eq!(revoked.await.unwrap().body["revocation"], "revoked");
    assert_eq!(state(&caller, "default").await, "signed_out");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_cache_or_too_long_is_refused_without_a_request() {
    let caller = Caller::of(World::new().await);
    for (content, status, error) in [
        (String::new(), 400, "invalid_request"),
        ("{\"refresh_token\": \"c4nary".to_owned(), 400, "invalid_request"),
        ("c4nary".repeat(200_000), 413, "payload_too_large"),
    ] {
        import(&caller, &content, json!({})).await.is_error(status, error);
    }
    assert_eq!(caller.world.refreshes(), 0);
}
