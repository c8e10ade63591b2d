//! The login page, the callback, metadata.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_callback_carries_code_state_and_issuer() {
    let visitor = Visitor::new(Settings::default());
    let uri = Visitor::authorization_uri(FULL_SCOPE, &[]);
    let callback = visitor.practice.sign_in(&uri, "ada").await.unwrap();
    assert_eq!(callback.as_str().split_once('?').unwrap().0, REDIRECT_URI);
    assert_eq!(parameter(&callback, "state").as_deref(), Some("st&te"));
    assert_eq!(parameter(&callback, "iss").as_deref(), Some(ISSUER));
    assert!(parameter(&callback, "code").is_some());
}

#[tokio::test(start_paused = true)]
async fn denying_is_told_with_state_and_issuer() {
    let visitor = Visitor::new(Settings::default());
    let callback = visitor.practice.deny(&Visitor::authorization_uri("openid", &[])).await.unwrap();
    assert_eq!(parameter(&callback, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&callback, "state").as_deref(), Some("st&te"));
    assert_eq!(parameter(&callback, "iss").as_deref(), Some(ISSUER));
    assert_eq!(parameter(&callback, "code"), None);
}

#[tokio::test(start_paused = true)]
async fn issuer_in_the_callback_can_be_off_and_then_is_not_promised() {
    let visitor = Visitor::new(Settings { iss_in_callback: false, ..Settings::default() });
    let uri = Visitor::authorization_uri("openid", &[]);
    let callback = visitor.practice.sign_in(&uri, "ada").await.unwrap();
    assert_eq!(parameter(&callback, "iss"), None);
    let metadata = visitor.get("/.well-known/openid-configuration", None).await.body;
    assert!(metadata.get("authorization_response_iss_parameter_supported").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_request_without_pkce_comes_back_as_an_error() {
    let visitor = Visitor::new(Settings::default());
    let uri = Visitor::authorization_uri("openid", &[]).replace("S256", "plain");
    let callback = visitor.practice.sign_in(&uri, "ada").await.unwrap();
    assert_eq!(parameter(&callback, "error").as_deref(), Some("invalid_request"));
    assert_eq!(parameter(&callback, "state").as_deref(), Some("st&te"));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_sent_to_an_unregistered_address() {
    let visitor = Visitor::new(Settings::default());
    let uri = Visitor::authorization_uri("openid", &[]).replace("127.0.0.1", "evil.example");
    let refused = visitor.practice.sign_in(&uri, "ada").await.unwrap_err();
    assert!(refused.to_string().contains("redirect_uri"), "{refused}");
    assert_eq!(
        visitor.practice.ledger().secrets_of(crate::practice::SecretKind::AuthorizationCode).count(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_user_and_a_forged_form_get_no_code() {
    let visitor = Visitor::new(Settings::default());
    let uri = Visitor::authorization_uri("openid", &[]);
    assert!(visitor.practice.sign_in(&uri, "mallory").await.is_err());
    let forged = [("form", "made up"), ("user", "ada"), ("decision", "allow")];
    let reply = visitor.post("/authorize", &forged).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(reply.headers.get("location").is_none());
}

#[tokio::test(start_paused = true)]
async fn both_metadata_documents_agree_and_name_real_endpoints() {
    let visitor = Visitor::new(Settings::default());
    let openid = visitor.get("/.well-known/openid-configuration", None).await.body;
    let oauth = visitor.get("/.well-known/oauth-authorization-server", None).await.body;
    assert_eq!(openid, oauth);
    assert_eq!(openid["issuer"], ISSUER);
    for (name, method) in [
        ("authorization_endpoint", "GET"),
        ("token_endpoint", "POST"),
        ("revocation_endpoint", "POST"),
        ("userinfo_endpoint", "GET"),
        ("jwks_uri", "GET"),
    ] {
        let path = openid[name].as_str().unwrap().strip_prefix(ISSUER).unwrap();
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let status = visitor.send(request).await.status;
        assert!(![404, 405].contains(&status.as_u16()), "{name}: {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn abilities_turned_off_are_neither_announced_nor_there() {
    let settings = Settings { userinfo: false, revocation: false, ..Settings::default() };
    let visitor = Visitor::new(settings);
    let metadata = visitor.get("/.well-known/openid-configuration", None).await.body;
    for (name, path) in [("userinfo_endpoint", "/userinfo"), ("revocation_endpoint", "/revoke")] {
        assert!(metadata.get(name).is_none(), "{name}");
        assert_eq!(visitor.post(path, &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_carry_the_servers_own_date() {
    let visitor = Visitor::new(Settings { unix_at_start: Some(784_111_770), ..Settings::default() });
    tokio::time::advance(std::time::Duration::from_secs(7)).await;
    let reply = visitor.get("/jwks", None).await;
    assert_eq!(reply.headers["date"], "Sun, 06 Nov 1994 08:49:37 GMT");
}
