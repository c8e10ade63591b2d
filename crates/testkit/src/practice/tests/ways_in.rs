//! The ways in beside the code in a query: posted answers, packages, the implicit grant, passwords.

use super::*;
use crate::practice::{Endpoint, PackagePage, User};

#[tokio::test(start_paused = true)]
async fn an_answer_can_be_posted() {
    let visitor = Visitor::new(Settings::default());
    let uri = Visitor::authorization_uri(FULL_SCOPE, &[("response_mode", "form_post")]);
    let (action, body) = visitor.practice.sign_in_for_form(&uri, "ada").await.unwrap();
    assert_eq!(action.as_str(), REDIRECT_URI);
    let fields: Vec<_> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let field = |name: &str| fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    assert_eq!((field("state"), field("iss")), (Some("st&te"), Some(ISSUER)));
    assert_eq!(visitor.exchange(field("code").unwrap(), VERIFIER).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_package_names_its_endpoint_and_a_code_without_pkce() {
    for tenant in [None, Some("contoso.example".to_owned())] {
        let path =
            tenant.as_ref().map_or("/token".to_owned(), |tenant| format!("/{tenant}/oauth2/v2.0/token"));
        let package = PackagePage { tenant, ..Settings::default().package };
        let visitor = Visitor::new(Settings { package, ..Settings::default() });
        let text = visitor.practice.sign_in_for_package(&format!("{ISSUER}/auth"), "ada").await.unwrap();
        let package: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(package["endpoint"], format!("{ISSUER}{path}"));
        let code = package["code"].as_str().unwrap();
        let form = [("grant_type", "authorization_code"), ("client_id", "practice-client"), ("code", code)];
        for extra in [("redirect_uri", REDIRECT_URI), ("code_verifier", VERIFIER)] {
            let form: Vec<_> = form.iter().copied().chain([extra]).collect();
            visitor.post(&path, &form).await.assert_error(400, "invalid_grant");
        }
        let reply = visitor.post(&path, &form).await;
        assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
        assert_eq!(visitor.practice.ledger().requests(Endpoint::Token).count(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn the_implicit_grant_answers_in_the_fragment() {
    let visitor = Visitor::new(Settings::default());
    let uri = Visitor::authorization_uri("openid read", &[])
        .replace("response_type=code", "response_type=token")
        .replace("code_challenge", "unused");
    let callback = visitor.practice.sign_in(&uri, "ada").await.unwrap();
    assert_eq!(callback.query(), None);
    let fragment = callback.fragment().unwrap().to_owned();
    let token = url::form_urlencoded::parse(fragment.as_bytes()).find(|(name, _)| name == "access_token");
    let reply = visitor.get("/userinfo", Some(&token.unwrap().1)).await;
    assert_eq!(reply.text("name"), "Ada Lovelace");
    assert!(fragment.contains("state=st%26te") && fragment.contains("iss="), "{fragment}");
}

#[tokio::test(start_paused = true)]
async fn a_password_is_redeemed_only_where_that_is_offered() {
    let user = User::new("ada", "Ada Lovelace");
    let form = |password: &str| {
        [("grant_type", "password"), ("client_id", "practice-client"), ("username", "ada"), ("scope", "read")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .chain([("password".to_owned(), password.to_owned())])
            .collect::<Vec<_>>()
    };
    let post = async |visitor: &Visitor, password: &str| {
        let form = form(password);
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        visitor.post("/token", &form).await
    };
    let visitor = Visitor::new(Settings::default());
    assert_eq!(post(&visitor, &user.password).await.status, StatusCode::OK);
    post(&visitor, user.password.trim()).await.assert_error(400, "invalid_grant");
    let strict = Visitor::new(Settings { legacy: false, ..Settings::default() });
    post(&strict, &user.password).await.assert_error(400, "unsupported_grant_type");
    let metadata = strict.get("/.well-known/openid-configuration", None).await.body;
    assert_eq!(metadata["response_types_supported"], serde_json::json!(["code"]));
}
