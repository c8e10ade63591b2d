//! What becomes of the server's answers.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use fourinsight_ipc::ErrorCode;

use super::*;

const ISS: &str = "&iss=https%3A%2F%2Fid.example";

#[tokio::test]
async fn the_page_says_as_whom_and_to_which_session() {
    let world = World::new(BY_HAND);
    let begun = world.begin("my work").await;
    let page = begun.sign_in().await;
    assert!(page.body.contains("Signed in") && page.body.contains("my work"), "{}", page.body);
    assert!(page.body.contains("Ada &lt;Lovelace&gt;") && !page.body.contains("<Lovelace>"));
    for secret in ["at-secret", "rt-secret", "the-code", begun.state()] {
        assert!(!page.raw.contains(secret), "{secret}");
    }
    let status = world.ended(&begun).await;
    let identity = status.identity.unwrap();
    assert_eq!((identity.sub.as_str(), identity.name.as_deref()), ("42", Some("Ada <Lovelace>")));
    assert_eq!((status.note, status.error), (None, None));
}

#[tokio::test]
async fn another_issuer_is_refused_and_the_right_one_still_taken() {
    for (answer, other) in [("code=the-code", "code=evil"), ("error=access_denied", "error=access_denied")] {
        let world = World::new(DISCOVERED);
        let begun = world.begin("default").await;
        for iss in ["", "&iss=", "&iss=https%3A%2F%2Fevil.example", "&iss=https%3A%2F%2Fid.example%2F"] {
            let reply = begun.get(&begun.target(&format!("{other}&state={}{iss}", begun.state()))).await;
            assert_eq!(reply.status, 400, "{iss}");
            assert!(reply.body.contains("not taken") && !reply.body.contains("evil"), "{}", reply.body);
            assert_eq!(world.state(&begun), LoginState::Pending, "{iss}");
        }
        assert!(world.server.requests("/token").is_empty());
        let reply = begun.get(&begun.target(&format!("{answer}&state={}{ISS}", begun.state()))).await;
        assert_eq!(reply.status, 303);
        let ended = world.ended(&begun).await.state;
        let expected = if answer.starts_with("code") { LoginState::Succeeded } else { LoginState::Failed };
        assert_eq!(ended, expected);
    }
}

#[tokio::test]
async fn an_error_ends_the_attempt_only_with_the_right_state() {
    let world = World::new(BY_HAND);
    let begun = world.begin("default").await;
    for state in ["", "&state=", "&state=c4nary"] {
        let reply = begun.get(&begun.target(&format!("error=access_denied{state}"))).await;
        assert_eq!(reply.status, 400);
    }
    assert_eq!(world.state(&begun), LoginState::Pending);
    let parameters = format!(
        "error=access_denied&error_description=c4nary+%1b[1m&error_uri=c4nary&state={}",
        begun.state()
    );
    let redirect = begun.get(&begun.target(&parameters)).await;
    let page = begun.get(&redirect.headers["location"]).await;
    assert!(page.body.contains("Not signed in") && page.body.contains("declined"), "{}", page.body);
    assert!(!redirect.raw.contains("c4nary") && !page.raw.contains("c4nary"));
    let status = world.ended(&begun).await;
    let error = status.error.unwrap();
    assert_eq!((status.state, error.error), (LoginState::Failed, ErrorCode::AccessDenied));
    assert!(error.error_description.ends_with("access_denied: c4nary [1m"), "{error:?}");
    assert!(world.server.requests("/token").is_empty());
}

#[tokio::test]
async fn a_refused_code_fails_the_attempt_in_the_servers_words() {
    for (status, body, code) in [
        (
            400,
            r#"{"error":"invalid_grant","error_description":"code <b>expired</b>"}"#,
            ErrorCode::AccessDenied,
        ),
        (
            401,
            r#"{"error":"invalid_client","error_description":"code <b>expired</b>"}"#,
            ErrorCode::InvalidRequest,
        ),
        (
            400,
            r#"{"error":"invalid_scope","error_description":"code <b>expired</b>"}"#,
            ErrorCode::InvalidScope,
        ),
    ] {
        let world = World::new(BY_HAND);
        world.server.next_token_answer(status, body);
        let begun = world.begin("default").await;
        let page = begun.sign_in().await;
        assert!(page.body.contains("code &lt;b&gt;expired&lt;/b&gt;"), "{}", page.body);
        let ended = world.ended(&begun).await;
        let error = ended.error.unwrap();
        assert_eq!((ended.state, error.error), (LoginState::Failed, code), "{body}");
        assert!(error.error_description.contains("expired") && error.hint.is_some(), "{error:?}");
        assert_eq!(world.sessions.count(), 0);
    }
}

#[tokio::test]
async fn a_server_in_trouble_fails_the_attempt_as_temporary() {
    let world = World::new(BY_HAND);
    world.server.next_token_answer(503, "<html>c4nary</html>");
    let begun = world.begin("default").await;
    let page = begun.sign_in().await;
    assert!(page.body.contains("Sign-in failed") && !page.body.contains("c4nary"), "{}", page.body);
    let error = world.ended(&begun).await.error.unwrap();
    assert_eq!(error.error, ErrorCode::TemporarilyUnavailable);
    assert!(!format!("{error:?}").contains("c4nary"));
    assert_eq!(world.server.requests("/token").len(), 1, "a code is never sent twice");
}

#[tokio::test]
async fn a_login_without_a_refresh_token_says_what_that_means() {
    let granted = r#"{"access_token":"at","token_type":"Bearer","expires_in":60}"#;
    for (scopes, says) in [("read", "add offline_access"), ("read offline_access", "administrator")] {
        let world = World::new(BY_HAND);
        world.server.next_token_answer(200, granted);
        let request = LoginRequest { scope: Some(scopes.to_owned()), ..LoginRequest::default() };
        let begun = Begun::new(world.logins.begin(request).await.unwrap());
        let page = begun.sign_in().await;
        let note = world.ended(&begun).await.note.unwrap();
        assert!(note.contains(says), "{note}");
        assert!(page.body.contains("no refresh token"), "{}", page.body);
    }
}

#[tokio::test]
async fn a_session_that_refuses_the_person_fails_the_attempt() {
    let world = World::new(BY_HAND);
    world.sessions.refuse();
    let begun = world.begin("default").await;
    let page = begun.sign_in().await;
    assert!(page.body.contains("somebody else") && page.body.contains("use another session key"));
    let ended = world.ended(&begun).await;
    assert_eq!((ended.state, ended.error.unwrap().error), (LoginState::Failed, ErrorCode::AccessDenied));
}

/// A login whose ID token has these claims besides the usual ones; `{nonce}` stands for the one that was sent.
async fn with_id_token(config: &str, more: &str) -> (World, LoginStatus) {
    let world =
        World::new(&format!("{DISCOVERED}{config}\nrevocation_endpoint = \"https://id.example/revoke\"\n"));
    let request = LoginRequest { scope: Some("openid".to_owned()), ..LoginRequest::default() };
    let begun = Begun::new(world.logins.begin(request).await.unwrap());
    let now = Clock::system().unix_now();
    let more = more.replace("{nonce}", &begun.asked["nonce"]).replace("{now}", &now.to_string());
    let claims = format!(
        r#"{{"iss":"https://id.example","aud":"abc","sub":"7","name":"Grace","exp":{},{more}}}"#,
        now + 60
    );
    let encode = |part: &str| BASE64_URL_SAFE_NO_PAD.encode(part);
    let id_token = format!("{}.{}.{}", encode(r#"{"alg":"RS256"}"#), encode(&claims), encode("signature"));
    world.server.next_token_answer(
        200,
        &format!(r#"{{"access_token":"at","token_type":"Bearer","expires_in":60,"id_token":"{id_token}"}}"#),
    );
    begun.get(&begun.target(&format!("code=x&state={}{ISS}", begun.state()))).await;
    let ended = world.ended(&begun).await;
    (world, ended)
}

impl World {
    /// Insists that nobody was signed in, and gives what went wrong.
    fn refused(&self, ended: LoginStatus) -> ErrorBody {
        assert_eq!((ended.state, ended.identity, self.sessions.count()), (LoginState::Failed, None, 0));
        let given_back = self.server.requests("/revoke");
        assert_eq!(given_back.iter().map(|form| form["token"].as_str()).collect::<Vec<_>>(), ["at"]);
        ended.error.unwrap()
    }
}

#[tokio::test]
async fn an_id_token_must_carry_the_nonce_of_the_attempt() {
    let (world, ended) = with_id_token("", r#""nonce":"{nonce}""#).await;
    assert_eq!((ended.identity.unwrap().name.as_deref(), world.sessions.count()), (Some("Grace"), 1));
    assert!(world.server.requests("/revoke").is_empty());
    let (world, ended) = with_id_token("", r#""nonce":"another""#).await;
    let error = world.refused(ended);
    assert!(error.error_description.contains("its nonce is not the one sent"), "{error:?}");
    assert_eq!(error.hint.as_deref(), Some("check issuer and client_id"));
}

#[tokio::test]
async fn max_age_is_sent_and_the_id_token_is_held_against_it() {
    let config = "authorize_params = { max_age = \"600\" }";
    let (world, ended) = with_id_token(config, r#""nonce":"{nonce}","auth_time":{now}"#).await;
    assert_eq!((ended.state, world.sessions.count()), (LoginState::Succeeded, 1));
    let (world, ended) = with_id_token(config, r#""nonce":"{nonce}","auth_time":1700000000"#).await;
    let error = world.refused(ended);
    assert!(error.error_description.contains("longer ago than max_age allows"), "{error:?}");
    assert!(error.hint.unwrap().contains("--force"));
    let (world, ended) = with_id_token(config, r#""nonce":"{nonce}""#).await;
    let error = world.refused(ended);
    assert!(error.error_description.contains("(auth_time)"), "{error:?}");
    assert!(error.hint.unwrap().contains("remove max_age"));
}

#[tokio::test]
async fn a_defect_ends_the_attempt_instead_of_leaving_it_pending() {
    let world = World::new(BY_HAND);
    world.sessions.break_down();
    let begun = world.begin("default").await;
    assert_eq!(begun.get(&begun.answer()).await.status, 303);
    let ended = world.ended(&begun).await;
    assert_eq!((ended.state, ended.error.unwrap().error), (LoginState::Failed, ErrorCode::ServerError));
}
