//! Revocations as the server sees them, and what its answers mean.

use super::*;
use crate::authority::{
    Parameters,
    fake::{Fake, registration},
};

#[tokio::test]
async fn the_hint_says_which_token_it_is() {
    let fake = Fake::default().answer(200, "").answer(200, "");
    let mut registration = registration();
    registration.revoke_params = Parameters::from([("x".to_owned(), "y".to_owned())]);
    let (refresh, access) = (RefreshToken::new("R"), AccessToken::new("A"));
    for token in [Revocable::Refresh(&refresh), Revocable::Access(&access)] {
        assert_eq!(revoke(&fake, &registration, token, 0).await, Revoked::Revoked);
    }
    for (seen, (token, hint)) in fake.seen().iter().zip([("R", "refresh_token"), ("A", "access_token")]) {
        let form = [("token", token), ("token_type_hint", hint), ("client_id", "abc"), ("x", "y")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(seen.form, form);
    }
    assert_eq!(fake.seen().len(), 2);
    assert_eq!(fake.seen()[0].url, "https://id.example.com/revoke");
}

#[tokio::test]
async fn what_cannot_or_need_not_be_revoked_counts_as_revoked() {
    let token = RefreshToken::new("R");
    for (status, body, revoked) in [
        (200, "", true),
        (204, "", true),
        (200, "<html>", true),
        (400, r#"{"error":"unsupported_token_type"}"#, true),
        (400, r#"{"error":"invalid_token"}"#, true),
        (401, r#"{"error":"invalid_token"}"#, true),
        (400, r#"{"error":"invalid_request"}"#, false),
        (401, r#"{"error":"invalid_client"}"#, false),
        (404, r#"{"error":"invalid_token"}"#, false),
        (503, r#"{"error":"unsupported_token_type"}"#, false),
        (302, "", false),
        (400, "", false),
        (500, "<html>", false),
    ] {
        let fake = Fake::default().answer(status, body);
        let outcome = revoke(&fake, &registration(), Revocable::Refresh(&token), 0).await;
        assert_eq!(outcome == Revoked::Revoked, revoked, "{status} {body}: {outcome:?}");
        assert_eq!(matches!(outcome, Revoked::Failed(_)), !revoked, "{status} {body}: {outcome:?}");
    }
}

#[tokio::test]
async fn without_an_endpoint_nothing_is_sent() {
    let fake = Fake::default();
    let mut registration = registration();
    registration.revocation_endpoint = None;
    let token = AccessToken::new("A");
    assert_eq!(revoke(&fake, &registration, Revocable::Access(&token), 0).await, Revoked::Unsupported);
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_a_failure() {
    let fake = Fake::default().fail(false);
    let token = AccessToken::new("A");
    let Revoked::Failed(failure) = revoke(&fake, &registration(), Revocable::Access(&token), 0).await else {
        panic!("the revocation cannot have worked");
    };
    assert_eq!(failure.error, "server_unreachable");
}
