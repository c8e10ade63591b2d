//! Codes, refresh tokens, client authentication, revocation, and what access tokens open.

use std::time::Duration;

use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::practice::SecretKind;

#[tokio::test(start_paused = true)]
async fn a_login_brings_everything_it_asked_for() {
    let visitor = Visitor::new(Settings { unix_at_start: Some(1_700_000_000), ..Settings::default() });
    let code = visitor.code(FULL_SCOPE, &[("nonce", "n-1")]).await;
    let reply = visitor.exchange(&code, VERIFIER).await;
    assert_eq!(reply.headers["cache-control"], "no-store");
    assert_eq!(reply.text("token_type"), "Bearer");
    assert_eq!(reply.body["expires_in"], 3600);
    assert_eq!(reply.text("scope"), FULL_SCOPE);
    let claims = claims(reply.text("id_token"));
    assert_eq!(
        [&claims["iss"], &claims["sub"], &claims["aud"], &claims["nonce"], &claims["name"]],
        [ISSUER, "subject-of-ada", "practice-client", "n-1", "Ada Lovelace"]
    );
    assert_eq!((&claims["iat"], &claims["exp"]), (&1_700_000_000.into(), &1_700_003_600.into()));

    let access_token = reply.text("access_token");
    assert_eq!(visitor.practice.verdict(access_token), Verdict::Live);
    let userinfo = visitor.get("/userinfo", Some(access_token)).await.body;
    assert_eq!((&userinfo["sub"], &userinfo["name"]), (&claims["sub"], &claims["name"]));
    assert_eq!(visitor.get("/api/hello", Some(access_token)).await.body["hello"], "Ada Lovelace");

    let ledger = visitor.practice.ledger();
    for (kind, secret) in [
        (SecretKind::AuthorizationCode, code.as_str()),
        (SecretKind::CodeVerifier, VERIFIER),
        (SecretKind::AccessToken, access_token),
        (SecretKind::RefreshToken, reply.text("refresh_token")),
        (SecretKind::IdToken, reply.text("id_token")),
    ] {
        assert!(ledger.secrets_of(kind).any(|text| text == secret), "{kind:?}");
    }
    assert_eq!(ledger.token_requests("authorization_code").len(), 1);
    assert!(ledger.entries().iter().all(|entry| entry.status.is_some()));
}

#[tokio::test(start_paused = true)]
async fn what_was_not_asked_for_is_not_given() {
    let visitor = Visitor::new(Settings::default());
    let reply = visitor.login("read").await;
    assert!(reply.body.get("refresh_token").is_none() && reply.body.get("id_token").is_none());
    let refused = visitor.get("/userinfo", Some(reply.text("access_token"))).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);

    let visitor = Visitor::new(Settings { id_tokens: false, ..Settings::default() });
    assert!(visitor.login(FULL_SCOPE).await.body.get("id_token").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_verifier_redirect_or_client_gets_nothing_and_spends_nothing() {
    let visitor = Visitor::new(Settings::default());
    let code = visitor.code(FULL_SCOPE, &[]).await;
    visitor.exchange(&code, &VERIFIER.replace('d', "e")).await.assert_error(400, "invalid_grant");
    let good = [
        ("grant_type", "authorization_code"),
        ("client_id", "practice-client"),
        ("code", &code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    for (name, value, error) in [
        ("redirect_uri", "http://127.0.0.1:4712/callback", "invalid_grant"),
        ("redirect_uri", "", "invalid_grant"),
        ("code_verifier", "", "invalid_grant"),
        ("code", "made up", "invalid_grant"),
        ("code", "", "invalid_request"),
        ("grant_type", "made-up", "unsupported_grant_type"),
        ("grant_type", "", "invalid_request"),
    ] {
        let changed = good.map(|(other, kept)| (other, if other == name { value } else { kept }));
        visitor.post("/token", &changed).await.assert_error(400, error);
    }
    let twice = [&good[..], &[("code", "again")]].concat();
    visitor.post("/token", &twice).await.assert_error(400, "invalid_request");
    assert_eq!(visitor.post("/token", &good).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_code_dies_of_age() {
    let visitor = Visitor::new(Settings::default());
    let (early, late) = (visitor.code("read", &[]).await, visitor.code("read", &[]).await);
    tokio::time::advance(Duration::from_millis(59_999)).await;
    assert_eq!(visitor.exchange(&early, VERIFIER).await.status, StatusCode::OK);
    tokio::time::advance(Duration::from_millis(1)).await;
    visitor.exchange(&late, VERIFIER).await.assert_error(400, "invalid_grant");
}

#[tokio::test(start_paused = true)]
async fn a_code_used_twice_takes_its_tokens_along() {
    let visitor = Visitor::new(Settings::default());
    let code = visitor.code(FULL_SCOPE, &[]).await;
    let first = visitor.exchange(&code, VERIFIER).await;
    visitor.exchange(&code, VERIFIER).await.assert_error(400, "invalid_grant");
    assert_eq!(visitor.practice.verdict(first.text("access_token")), Verdict::Revoked);
    visitor.refresh(first.text("refresh_token"), &[]).await.assert_error(400, "invalid_grant");
    assert_eq!(visitor.practice.ledger().reuse_events()[0].presented, code);
}

#[tokio::test(start_paused = true)]
async fn each_refresh_rotates_and_the_old_access_token_lives_on() {
    let visitor = Visitor::new(Settings::default());
    let mut reply = visitor.login(FULL_SCOPE).await;
    let first_access_token = reply.text("access_token").to_owned();
    for round in 1..=3 {
        let presented = reply.text("refresh_token").to_owned();
        reply = visitor.refresh(&presented, &[]).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.text("scope"), FULL_SCOPE);
        assert!(claims(reply.text("id_token")).get("nonce").is_none());
        let ledger = visitor.practice.ledger();
        let refresh = ledger.refreshes().last().unwrap();
        assert_eq!(refresh.refresh_token, presented);
        assert_eq!(refresh.successor, reply.text("refresh_token"));
        assert_eq!(refresh.access_token, reply.text("access_token"));
        assert_eq!((ledger.refreshes().len(), ledger.most_redemptions()), (round, 1));
        assert_eq!(ledger.redemptions()[&refresh.successor], 0);
    }
    assert_eq!(visitor.practice.verdict(&first_access_token), Verdict::Live);
    assert!(visitor.practice.ledger().reuse_events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_spent_refresh_token_revokes_the_family() {
    let visitor = Visitor::new(Settings::default());
    let bystander = visitor.login(FULL_SCOPE).await;
    let first = visitor.login(FULL_SCOPE).await;
    let second = visitor.refresh(first.text("refresh_token"), &[]).await;
    visitor.refresh(first.text("refresh_token"), &[]).await.assert_error(400, "invalid_grant");
    visitor.refresh(second.text("refresh_token"), &[]).await.assert_error(400, "invalid_grant");
    for dead in [&first, &second] {
        assert_eq!(visitor.practice.verdict(dead.text("access_token")), Verdict::Revoked);
    }
    let ledger = visitor.practice.ledger();
    assert_eq!(ledger.redemptions()[first.text("refresh_token")], 2);
    assert_eq!(ledger.reuse_events().len(), 1);
    assert_eq!(visitor.refresh(bystander.text("refresh_token"), &[]).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn paused_time_ends_lives() {
    let visitor = Visitor::new(Settings {
        access_token_life: Duration::from_secs(10),
        refresh_token_life: Some(Duration::from_secs(100)),
        ..Settings::default()
    });
    let first = visitor.login(FULL_SCOPE).await;
    assert_eq!(first.body["refresh_expires_in"], 100);
    tokio::time::advance(Duration::from_millis(9_999)).await;
    assert_eq!(visitor.get("/api/hello", Some(first.text("access_token"))).await.status, StatusCode::OK);
    tokio::time::advance(Duration::from_millis(1)).await;
    let refused = visitor.get("/api/hello", Some(first.text("access_token"))).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.headers["www-authenticate"].to_str().unwrap().contains("error=\"invalid_token\""));
    assert_eq!(visitor.practice.verdict(first.text("access_token")), Verdict::Expired);

    tokio::time::advance(Duration::from_secs(89)).await;
    let second = visitor.refresh(first.text("refresh_token"), &[]).await;
    assert_eq!(second.status, StatusCode::OK);
    tokio::time::advance(Duration::from_secs(100)).await;
    visitor.refresh(second.text("refresh_token"), &[]).await.assert_error(400, "invalid_grant");
}

#[tokio::test(start_paused = true)]
async fn scope_and_resources_narrow_but_never_widen() {
    let visitor = Visitor::new(Settings::default());
    let resources = [("resource", "https://a.example/"), ("resource", "https://b.example/")];
    let code = visitor.code(FULL_SCOPE, &resources).await;
    let first = visitor.exchange(&code, VERIFIER).await;
    let audience =
        |reply: &Reply| visitor.practice.access_token(reply.text("access_token")).unwrap().audience;
    assert_eq!(audience(&first), ["https://a.example/", "https://b.example/"]);

    // What is refused spends nothing.
    let token = first.text("refresh_token");
    visitor.refresh(token, &[("scope", "read api")]).await.assert_error(400, "invalid_scope");
    let foreign = [("resource", "https://c.example/")];
    visitor.refresh(token, &foreign).await.assert_error(400, "invalid_target");

    let narrowed = [("scope", "read"), ("resource", "https://b.example/")];
    let second = visitor.refresh(token, &narrowed).await;
    assert_eq!(second.text("scope"), "read");
    assert_eq!(audience(&second), ["https://b.example/"]);
    assert!(second.body.get("id_token").is_none());

    // The grant itself stays as wide as it was.
    let third = visitor.refresh(second.text("refresh_token"), &[]).await;
    assert_eq!(third.text("scope"), FULL_SCOPE);
    assert_eq!(audience(&third).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn clients_prove_themselves_in_exactly_one_way() {
    let visitor = Visitor::new(Settings::default());
    let client = Client::confidential();
    let (id, secret) = (client.id.as_str(), client.secret.as_deref().unwrap());
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic = |id: &str, secret: &str| format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let correct = basic(&encoded(id), &encoded(secret));
    let grant = [("grant_type", "refresh_token"), ("refresh_token", "made up")];
    let post = [&grant[..], &[("client_id", id), ("client_secret", secret)]].concat();

    // Past the proof, the made-up token is what is wrong.
    visitor.post_as("/token", &grant, Some(&correct)).await.assert_error(400, "invalid_grant");
    visitor.post("/token", &post).await.assert_error(400, "invalid_grant");

    for wrong in [basic(id, secret), basic(&encoded(id), "no"), "Basic ???".to_owned(), "Bearer x".to_owned()]
    {
        let reply = visitor.post_as("/token", &grant, Some(&wrong)).await;
        reply.assert_error(401, "invalid_client");
        assert!(reply.headers.contains_key("www-authenticate"));
    }
    for form in [
        [&grant[..], &[("client_id", id)]].concat(),
        [&grant[..], &[("client_id", id), ("client_secret", "no")]].concat(),
        [&grant[..], &[("client_id", "practice-client"), ("client_secret", "any")]].concat(),
        [&grant[..], &[("client_id", "nobody")]].concat(),
        grant.to_vec(),
    ] {
        visitor.post("/token", &form).await.assert_error(401, "invalid_client");
    }
    visitor.post_as("/token", &post, Some(&correct)).await.assert_error(400, "invalid_request");
}

#[tokio::test(start_paused = true)]
async fn revoking_follows_rfc_7009() {
    let visitor = Visitor::new(Settings::default());
    let revoke = async |token: &str, client: &str| {
        visitor.post("/revoke", &[("token", token), ("client_id", client)]).await
    };
    let first = visitor.login(FULL_SCOPE).await;
    let second = visitor.refresh(first.text("refresh_token"), &[]).await;

    assert_eq!(revoke(first.text("access_token"), "practice-client").await.status, StatusCode::OK);
    assert_eq!(visitor.practice.verdict(first.text("access_token")), Verdict::Revoked);
    assert_eq!(visitor.practice.verdict(second.text("access_token")), Verdict::Live);

    revoke(second.text("refresh_token"), "nobody").await.assert_error(401, "invalid_client");
    assert_eq!(revoke(second.text("refresh_token"), "practice-client").await.status, StatusCode::OK);
    assert_eq!(visitor.practice.verdict(second.text("access_token")), Verdict::Revoked);
    visitor.refresh(second.text("refresh_token"), &[]).await.assert_error(400, "invalid_grant");

    assert_eq!(revoke("never issued", "practice-client").await.status, StatusCode::OK);
    assert_eq!(revoke(second.text("refresh_token"), "practice-client").await.status, StatusCode::OK);
    revoke("", "practice-client").await.assert_error(400, "invalid_request");
}

#[tokio::test(start_paused = true)]
async fn the_test_can_revoke_behind_everyones_back() {
    let visitor = Visitor::new(Settings::default());
    let (one, other) = (visitor.login(FULL_SCOPE).await, visitor.login(FULL_SCOPE).await);
    assert!(visitor.practice.revoke_family(one.text("refresh_token")));
    assert!(!visitor.practice.revoke_family("never issued"));
    assert_eq!(visitor.practice.verdict(one.text("access_token")), Verdict::Revoked);
    assert_eq!(visitor.practice.verdict(other.text("access_token")), Verdict::Live);
    visitor.practice.revoke_all();
    assert_eq!(visitor.practice.verdict(other.text("access_token")), Verdict::Revoked);
    assert_eq!(visitor.practice.verdict("never issued"), Verdict::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_confidential_client_signs_in_as_itself_and_a_public_one_cannot() {
    let visitor = Visitor::new(Settings::default());
    let client = Client::confidential();
    let grant = [("grant_type", "client_credentials"), ("scope", "api")];
    let proof = [("client_id", &*client.id), ("client_secret", client.secret.as_deref().unwrap())];
    let reply = visitor.post("/token", &[&grant[..], &proof].concat()).await;
    assert_eq!((reply.status.as_u16(), reply.text("scope")), (200, "api"));
    assert!(reply.body.get("refresh_token").is_none() && reply.body.get("id_token").is_none());
    let issued = visitor.practice.access_token(reply.text("access_token")).unwrap();
    assert_eq!((issued.client_id.as_str(), issued.subject.as_str()), (&*client.id, &*client.id));

    let public = [&grant[..], &[("client_id", "practice-client")]].concat();
    visitor.post("/token", &public).await.assert_error(400, "unauthorized_client");
    let personal = [&[grant[0], ("scope", "openid")][..], &proof].concat();
    visitor.post("/token", &personal).await.assert_error(400, "invalid_scope");
}
