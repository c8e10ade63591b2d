//! `GET /v1/sessions/{key}/token`.

use serde_json::json;
use testkit::practice::{Answer, Verdict};
use tokio::task::JoinSet;

use super::Caller;
use crate::testing::{SCOPES, World, pass};

const TOKEN: &str = "/v1/sessions/default/token";

#[tokio::test(start_paused = true)]
async fn a_token_comes_in_the_shape_of_rfc_6749_and_counts_down() {
    let caller = Caller::signed_in().await;
    let reply = caller.get(TOKEN).await;
    assert_eq!(reply.status, 200);
    let mut fields = reply.fields();
    fields.sort_unstable();
    let expected = ["access_token", "expires_at", "expires_in", "scope", "session", "token_id", "token_type"];
    assert_eq!(fields, expected);
    assert_eq!((&reply.body["token_type"], &reply.body["session"]), (&json!("Bearer"), &json!("default")));
    assert_eq!(reply.body["scope"], SCOPES.join(" "));
    assert_eq!((&reply.body["expires_in"], &reply.body["expires_at"]), (&json!(3600), &json!(1_700_003_600)));
    let access_token = reply.body["access_token"].as_str().unwrap();
    assert_eq!(caller.world.practice.verdict(access_token), Verdict::Live);

    tokio::time::sleep(std::time::Duration::from_millis(100_500)).await;
    let later = caller.get(TOKEN).await;
    assert_eq!((&later.body["expires_in"], &later.body["expires_at"]), (&json!(3499), &json!(1_700_003_600)));
    assert_eq!(later.body["token_id"], reply.body["token_id"]);
}

#[tokio::test(start_paused = true)]
async fn a_life_that_nobody_knows_is_left_out() {
    let world = World::new().await;
    let mut login = world.login("ada", &["api"], &[]).await;
    login.tokens.lifetime = crate::token::Lifetime::Unknown;
    world.sign_in_with("default", login).await;
    let caller = Caller::of(world);
    let reply = caller.get(TOKEN).await;
    assert!(!reply.fields().contains(&"expires_in") && !reply.fields().contains(&"expires_at"));
    let status = caller.get("/v1/sessions/default").await;
    assert_eq!((&status.body["expires_at"], &status.body["expiry"]), (&json!(null), &json!("unknown")));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_at_the_moment_of_expiry_are_one_request() {
    let caller = Caller::signed_in().await;
    caller.world.readings.sleep(3600);
    let mut calls = JoinSet::new();
    for _ in 0..1000 {
        calls.spawn(caller.calling("GET", TOKEN, ""));
    }
    let answers = calls.join_all().await;
    assert!(answers.iter().all(|reply| reply.status == 200));
    pass(60).await;
    assert_eq!((answers.len(), caller.world.refreshes()), (1000, 1));
}

#[tokio::test(start_paused = true)]
async fn without_a_login_there_is_a_conflict_that_names_the_next_step() {
    let caller = Caller::of(World::new().await);
    let error = caller.get("/v1/sessions/my%20work/token").await.is_error(409, "login_required");
    assert_eq!(error.hint.unwrap(), "run `fourinsightctl login 'my work'`");

    caller.world.sign_in().await;
    caller.world.script([Answer::error(400, "invalid_grant")]);
    pass(3600).await;
    let error = caller.get(TOKEN).await.is_error(409, "login_required");
    assert!(error.error_description.contains("invalid_grant"), "{error:?}");
    assert_eq!(error.hint.unwrap(), "run `fourinsightctl login`");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_had_now_says_when_to_come_back() {
    let caller = Caller::signed_in().await;
    caller.world.readings.sleep(3600);
    caller.world.script([Answer::status(503).header("retry-after", "120")]);
    let reply = caller.get(TOKEN).await;
    let error = reply.is_error(503, "temporarily_unavailable");
    assert_eq!(error.retry_after, Some(120));
    assert_eq!(reply.headers["retry-after"], "120");
    assert!(error.error_description.contains("503"), "{error:?}");
    // Nobody is kept waiting for what is known not to come.
    let began = caller.world.clock.now();
    caller.get(TOKEN).await.is_error(503, "temporarily_unavailable");
    assert_eq!(caller.world.clock.now(), began);
    assert_eq!(caller.world.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn wait_and_min_validity_are_honoured() {
    let caller = Caller::signed_in().await;
    pass(1800).await;
    let fresh = caller.get(&format!("{TOKEN}?min_validity=3000")).await;
    assert_eq!(fresh.body["expires_in"], 3600);
    pass(1800).await;
    caller.world.script([Answer::hang()]);
    let began = caller.world.clock.now();
    let living = caller.get(&format!("{TOKEN}?min_validity=3000&wait=7")).await;
    assert_eq!((living.status, &living.body["expires_in"]), (200, &json!(1793)));
    assert_eq!(caller.world.clock.now().since(began).as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn other_audiences_are_asked_for_by_scope_and_resource() {
    let caller = signed_in_for(&["https://mail.test/"]).await;
    let reply = caller.get(&format!("{TOKEN}?scope=read&resource=https%3A%2F%2Fmail.test%2F")).await;
    assert_eq!((reply.status, &reply.body["scope"]), (200, &json!("read")));
    let access_token = reply.body["access_token"].as_str().unwrap();
    let known = caller.world.practice.access_token(access_token).unwrap();
    assert_eq!(known.audience, ["https://mail.test/"]);
    // A parameter without a value counts as left out (RFC 6749 section 3.1).
    let own = caller.get(TOKEN).await;
    let empty = caller.get(&format!("{TOKEN}?scope=&resource=")).await;
    assert_eq!(empty.body["token_id"], own.body["token_id"]);
    assert_eq!(caller.world.refreshes(), 1);
}

/// A caller of a session that signed in for these resources.
async fn signed_in_for(resources: &[&str]) -> Caller {
    let world = World::new().await;
    let login = world.login("ada", &SCOPES, resources).await;
    world.sign_in_with("default", login).await;
    Caller::of(world)
}

#[tokio::test(start_paused = true)]
async fn what_the_login_does_not_reach_is_told_by_what_it_does_and_never_echoed() {
    let many: Vec<_> = (0..10).map(|number| format!("https://api-{number}.test/")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (resources, audience, error, told, next) in [
        (
            &[][..],
            "resource=https://s3cr3t.test/",
            "invalid_target",
            "named no resource",
            "--resource URI --force",
        ),
        (
            &many[..1],
            "resource=https://s3cr3t.test/",
            "invalid_target",
            "https://api-0.test/",
            "--resource URI --force",
        ),
        (
            &many,
            "resource=https://s3cr3t.test/",
            "invalid_target",
            "https://api-7.test/ and 2 more",
            "--resource",
        ),
        (&[], "scope=s3cr3t", "invalid_scope", "api, read", "--scope SCOPES --force"),
    ] {
        let caller = signed_in_for(resources).await;
        let reply = caller.get(&format!("{TOKEN}?{audience}")).await;
        reply.is_error(400, error);
        let (description, hint) =
            (reply.body["error_description"].to_string(), reply.body["hint"].to_string());
        assert!(description.contains(told), "{description}");
        assert!(hint.contains(&format!("`fourinsightctl login {next}")), "{hint}");
        assert!(!reply.body.to_string().contains("s3cr3t"), "{}", reply.body);
        assert_eq!(caller.world.refreshes(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn status_lists_what_else_a_session_is_asked_for() {
    let caller = signed_in_for(&["https://mail.test/", "https://files.test/"]).await;
    let status = "/v1/sessions/default";
    assert_eq!(caller.get(status).await.body.get("audiences"), None);
    let mail = format!("{TOKEN}?scope=read&resource=https://mail.test/");
    assert_eq!(caller.get(&mail).await.status, 200);
    caller.world.script([Answer::error(400, "consent_required")]);
    caller.get(&format!("{TOKEN}?resource=https://files.test/")).await.is_error(409, "interaction_required");
    let unused = json!({
        "scope": "read", "resources": ["https://mail.test/"], "expires_at": 1_700_003_600, "next_renewal_at": null,
        "last_used_at": 1_700_000_000, "problem": null,
    });
    let shown = caller.get(status).await.body["audiences"].clone();
    assert_eq!((&shown[1], shown.as_array().unwrap().len()), (&unused, 2));
    assert_eq!(shown[0]["resources"], json!(["https://files.test/"]));
    assert_eq!(shown[0]["problem"]["error"], "consent_required");
    pass(60).await;
    caller.get(&mail).await;
    let used = caller.get(status).await.body["audiences"][1].clone();
    assert_eq!(used["last_used_at"], 1_700_000_060);
    assert!(
        used["next_renewal_at"].as_i64().is_some_and(|at| (1_700_002_500..1_700_002_800).contains(&at)),
        "{used}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_audience_has_a_code_of_its_own() {
    let caller = signed_in_for(&["https://a.test/", "https://b.test/"]).await;
    for (audience, answer, status, error) in [
        ("scope=read", Answer::error(400, "invalid_scope"), 400, "invalid_scope"),
        ("resource=https://a.test/", Answer::error(400, "invalid_target"), 400, "invalid_target"),
        ("resource=https://b.test/", Answer::error(400, "invalid_grant"), 409, "interaction_required"),
    ] {
        caller.world.script([answer]);
        let reply = caller.get(&format!("{TOKEN}?{audience}")).await;
        assert!(reply.is_error(status, error).hint.is_some());
        assert_eq!(caller.get(TOKEN).await.status, 200, "others still work");
    }
}

#[tokio::test(start_paused = true)]
async fn only_bearer_tokens_are_handed_on() {
    let caller = Caller::signed_in().await;
    caller.world.readings.sleep(3600);
    let bound = json!({ "access_token": "bound", "token_type": "DPoP", "expires_in": 3600 });
    caller.world.script([Answer::json(200, &bound)]);
    let reply = caller.get(TOKEN).await;
    reply.is_error(500, "server_error");
    assert!(!reply.text.contains("bound,") && !reply.text.contains("\"bound\""), "{}", reply.text);
}

#[tokio::test(start_paused = true)]
async fn claims_fetch_a_token_that_is_everyones() {
    let caller = Caller::signed_in().await;
    let before = caller.get(TOKEN).await;
    let claims = "claims=%7B%22access_token%22%3A+%7B%22nbf%22%3Anull%7D%7D";
    let reply = caller.get(&format!("{TOKEN}?{claims}&enable_cae=true")).await;
    assert_eq!(reply.status, 200);
    assert_ne!(reply.body["token_id"], before.body["token_id"]);
    assert_eq!(caller.get(TOKEN).await.body["token_id"], reply.body["token_id"]);
    let ledger = caller.world.practice.ledger();
    let sent: Vec<_> =
        ledger.token_requests("refresh_token").iter().map(|one| one.form.get("claims")).collect();
    assert_eq!(sent, [Some(r#"{"access_token":{"nbf":null}}"#)]);
}

#[tokio::test(start_paused = true)]
async fn claims_that_cannot_be_met_have_their_own_errors() {
    let caller = Caller::signed_in().await;
    let target = format!("{TOKEN}?claims=%7B%22s3cr3t%22%3Anull%7D");
    let longest = format!("{TOKEN}?claims=%7B%22s3cr3t%22%3A%22{}%22%7D", "x".repeat(8180));
    for target in [&*longest, &format!("{TOKEN}?claims=s3cr3t"), &format!("{TOKEN}?enable_cae=1")] {
        let error = caller.get(target).await.is_error(400, "invalid_request");
        assert!(!error.error_description.contains("s3cr3t"), "{error:?}");
    }
    caller.world.script([Answer::error(400, "interaction_required")]);
    let error = caller.get(&target).await.is_error(409, "interaction_required");
    assert_eq!(error.hint.as_deref(), Some("run `fourinsightctl login`"));
    assert_eq!(caller.get(TOKEN).await.status, 200);
    let status = caller.get("/v1/sessions/default").await;
    assert_eq!(status.body["problem"]["error"], "interaction_required");
    assert_eq!(status.body["state"], "signed_in");
    assert!(!status.text.contains("s3cr3t"), "{}", status.text);
    let other = target.replace("null", "1");
    caller.world.script([Answer::error(400, "invalid_request")]);
    let error = caller.get(&other).await.is_error(400, "invalid_request");
    assert!(error.error_description.contains("does not understand the claims"), "{error:?}");
    let revoked = caller.delete("/v1/sessions/default").await;
    assert_eq!(revoked.status, 200);
    caller.get(&target).await.is_error(409, "login_required");
}
