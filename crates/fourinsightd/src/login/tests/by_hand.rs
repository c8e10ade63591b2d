//! Logins at which nobody listens: what the person brings, and what they are asked.

use fourinsight_ipc::{
    ErrorCode,
    message::{Confirm, Confirmation, Wanted},
};

use super::*;
use crate::authority::allowed::AllowedEndpoint;

const ENDPOINT: &str = "https://id.example/contoso.example/token";

/// A page that hands out packages; the server says who signed in.
const PACKAGES: &str = r#"
[profiles.work]
client_id = "abc"
flow = "paste"
authorization_endpoint = "https://id.example/auth"
allowed_token_endpoints = ["https://id.example/{tenant}/token", "https://id.example/token"]
userinfo_endpoint = "https://id.example/userinfo"
revocation_endpoint = "https://id.example/revoke"
"#;

fn package(endpoint: &str) -> LoginResponse {
    LoginResponse::pasted(format!(r#"{{"endpoint":"{endpoint}","code":"c~1"}}"#))
}

async fn begin(world: &World) -> LoginStatus {
    world.logins.begin(LoginRequest::default()).await.unwrap()
}

fn by(flow: &str) -> LoginRequest {
    LoginRequest { flow: Some(flow.to_owned()), ..LoginRequest::default() }
}

fn question(status: &LoginStatus) -> Confirmation {
    status.confirmation.clone().unwrap_or_else(|| panic!("no question in {status:?}"))
}

async fn confirm(world: &World, status: &LoginStatus, accepted: bool) -> LoginStatus {
    let answer = LoginResponse::confirmation(question(status).id, accepted);
    world.logins.respond(&status.id, answer).await.unwrap()
}

#[tokio::test]
async fn a_package_signs_in_once_tenant_and_identity_are_confirmed() {
    let world = World::new(PACKAGES);
    let begun = begin(&world).await;
    assert_eq!(begun.authorization_uri.as_deref(), Some("https://id.example/auth"));
    assert_eq!((begun.flow.as_str(), begun.wanted), ("paste", Some(Wanted::Package)));
    let asked = world.logins.respond(&begun.id, package(ENDPOINT)).await.unwrap();
    let tenant = question(&asked);
    assert_eq!((tenant.about, tenant.tenant.as_deref()), (Confirm::Tenant, Some("contoso.example")));
    assert_eq!(tenant.endpoint, ENDPOINT);
    assert!(world.server.seen.borrow().is_empty(), "something was sent before the tenant was confirmed");

    let asked = confirm(&world, &asked, true).await;
    let identity = question(&asked);
    assert_eq!((identity.about, identity.endpoint.as_str()), (Confirm::Identity, ENDPOINT));
    assert_eq!(identity.identity.unwrap().sub, "42");
    assert!(identity.question.contains("Ada <Lovelace>"), "{}", identity.question);
    assert_eq!(world.sessions.count(), 0, "something was saved before the identity was confirmed");

    let ended = confirm(&world, &asked, true).await;
    assert_eq!((ended.state, ended.confirmation), (LoginState::Succeeded, None));
    let [form] = world.server.requests("/contoso.example/token").try_into().unwrap();
    let mut names: Vec<_> = form.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["client_id", "code", "grant_type"]);
    assert_eq!(form["code"], "c~1");
    let logins = world.sessions.logins.lock().unwrap();
    let registration = &logins[0].1.registration;
    assert_eq!(registration.token_endpoint, ENDPOINT);
    assert_eq!(registration.pinned_endpoint.as_ref().unwrap().url().as_deref(), Some(ENDPOINT));
}

#[tokio::test]
async fn a_tenant_that_is_not_confirmed_is_sent_nothing() {
    let world = World::new(PACKAGES);
    let begun = begin(&world).await;
    let asked = world.logins.respond(&begun.id, package(ENDPOINT)).await.unwrap();
    let other = LoginResponse::confirmation("another question", true);
    assert!(world.logins.respond(&begun.id, other).await.is_err());
    let ended = confirm(&world, &asked, false).await;
    assert_eq!((ended.state, ended.error.unwrap().error), (LoginState::Failed, ErrorCode::AccessDenied));
    assert!(world.server.seen.borrow().is_empty());
}

#[tokio::test]
async fn an_identity_that_is_not_confirmed_is_not_saved_and_its_tokens_are_revoked() {
    let world = World::new(&PACKAGES.replace("userinfo_endpoint", "# userinfo_endpoint"));
    let begun = begin(&world).await;
    let asked = world.logins.respond(&begun.id, package("https://id.example/token")).await.unwrap();
    let identity = question(&asked);
    assert_eq!((identity.about, identity.identity), (Confirm::Identity, None));
    assert!(identity.question.contains("an unknown person"), "{}", identity.question);
    let ended = confirm(&world, &asked, false).await;
    assert_eq!((ended.state, ended.error.unwrap().error), (LoginState::Failed, ErrorCode::AccessDenied));
    assert_eq!(world.sessions.count(), 0);
    world.server.asked_at("/revoke").await;
    assert_eq!(world.server.requests("/revoke")[0]["token"], "rt-secret");
}

#[tokio::test]
async fn who_was_signed_in_there_before_is_not_asked_again() {
    let world = World::new(PACKAGES);
    let allowed = AllowedEndpoint::parse("https://id.example/{tenant}/token").unwrap();
    let person = crate::token::Person {
        issuer: "https://id.example".to_owned(),
        subject: "42".to_owned(),
        name: Some("Ada <Lovelace>".to_owned()),
        login_hint: None,
    };
    *world.sessions.known.lock().unwrap() = Known {
        pinned_endpoint: allowed.admit(ENDPOINT),
        signed_in_as: SignedInAs::Person(person.clone()),
        ..Known::default()
    };
    let begun = begin(&world).await;
    let error =
        world.logins.respond(&begun.id, package("https://id.example/fabrikam/token")).await.unwrap_err();
    assert!(error.error_description.contains("another tenant"), "{error:?}");
    let ended = world.logins.respond(&begun.id, package(ENDPOINT)).await.unwrap();
    assert_eq!(ended.state, LoginState::Succeeded);
    // Somebody else at the same endpoint is.
    world.sessions.known.lock().unwrap().signed_in_as =
        SignedInAs::Person(crate::token::Person { subject: "43".to_owned(), ..person });
    let begun = begin(&world).await;
    let asked = world.logins.respond(&begun.id, package(ENDPOINT)).await.unwrap();
    let asked = question(&asked);
    assert_eq!((asked.about, asked.identity.unwrap().sub.as_str()), (Confirm::Person, "42"));
    assert_eq!(asked.previous.unwrap().sub, "43");
}

#[tokio::test]
async fn a_cancelled_question_saves_nothing() {
    let world = World::new(PACKAGES);
    let begun = begin(&world).await;
    let asked = world.logins.respond(&begun.id, package("https://id.example/token")).await.unwrap();
    assert_eq!(question(&asked).about, Confirm::Identity);
    let cancelled = world.logins.cancel(&begun.id).unwrap();
    assert_eq!((cancelled.state, cancelled.confirmation.clone()), (LoginState::Cancelled, None));
    world.server.asked_at("/revoke").await;
    let late = LoginResponse::confirmation(question(&asked).id, true);
    assert!(world.logins.respond(&begun.id, late).await.is_err());
    assert_eq!(world.sessions.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_expires_with_its_attempt() {
    let (clock, _) = crate::clock::virtual_time::Virtual::clock();
    let world = World::at(PACKAGES, clock);
    let begun = begin(&world).await;
    world.logins.respond(&begun.id, package(ENDPOINT)).await.unwrap();
    let mut changes = world.logins.watch(&begun.id).unwrap();
    let ended = changes.wait_for(|status| status.state != LoginState::Pending).await.unwrap().clone();
    assert_eq!(ended.state, LoginState::Expired);
    assert!(world.server.seen.borrow().is_empty());
}

#[tokio::test]
async fn any_registered_redirect_uri_can_be_pasted_and_nobody_listens() {
    let world = World::new(&format!(
        "{BY_HAND}flow = \"paste\"\nredirect_uri = \"https://app.example/cb\"\n\
         allowed_token_endpoints = [\"https://id.example/token\"]\n"
    ));
    let begun = Begun::new(begin(&world).await);
    assert_eq!(begun.asked["redirect_uri"], "https://app.example/cb");
    let wrong = LoginResponse::pasted(format!("https://app.example/other?code=c&state={}", begun.state()));
    assert!(world.logins.respond(&begun.id, wrong).await.is_err());
    let right = LoginResponse::pasted(format!("https://app.example/cb?code=c&state={}", begun.state()));
    let ended = world.logins.respond(&begun.id, right).await.unwrap();
    assert_eq!(ended.state, LoginState::Succeeded);
    let form = &world.server.requests("/token")[0];
    assert_eq!((form["redirect_uri"].as_str(), form["code_verifier"].len()), ("https://app.example/cb", 43));
    // A package is taken there too, and carries nothing of the request.
    let begun = begin(&world).await;
    let asked = world.logins.respond(&begun.id, package("https://id.example/token")).await.unwrap();
    assert_eq!(question(&asked).about, Confirm::Identity);
    let form = &world.server.requests("/token")[1];
    assert!(!form.contains_key("redirect_uri") && !form.contains_key("code_verifier"), "{form:?}");
}

#[tokio::test]
async fn the_flow_of_the_command_line_goes_before_the_profiles() {
    let world = World::new(BY_HAND);
    let begun = Begun::new(world.logins.begin(by("paste")).await.unwrap());
    assert_eq!((begun.status.flow.as_str(), begun.status.wanted), ("paste", Some(Wanted::Callback)));
    assert!(TcpStream::connect(("127.0.0.1", begun.port())).await.is_err(), "somebody listens");
    let ended = world.logins.respond(&begun.id, LoginResponse::pasted("a-bare-code")).await.unwrap();
    assert_eq!(ended.state, LoginState::Succeeded);
    for flow in ["password", "implicit"] {
        let error = world.logins.begin(by(flow)).await.unwrap_err();
        assert!(error.error_description.contains("RFC 9700"), "{error:?}");
        assert!(error.hint.unwrap().contains("allow_legacy = true"));
    }
    assert!(world.logins.begin(by("telepathy")).await.unwrap_err().hint.unwrap().contains("browser, paste"));
}

#[tokio::test]
async fn a_password_is_sent_once_and_the_warning_names_the_rfc() {
    let world = World::new(&format!("{BY_HAND}allow_legacy = true\n"));
    let begun = world.logins.begin(by("password")).await.unwrap();
    assert_eq!((begun.authorization_uri, begun.wanted), (None, Some(Wanted::Password)));
    assert!(begun.warning.unwrap().contains("RFC 9700"));
    for wrong in [
        LoginResponse::pasted("a paste"),
        LoginResponse::password("", "s3cr3t"),
        LoginResponse::password("ada", ""),
        LoginResponse::password("ada", "s3cr\u{0}3t"),
    ] {
        let error = world.logins.respond(&begun.id, wrong).await.unwrap_err();
        assert!(!format!("{error:?}").contains("s3cr"), "{error:?}");
    }
    let ended = world.logins.respond(&begun.id, LoginResponse::password("ada", " p&w~ ")).await.unwrap();
    assert_eq!((ended.state, ended.identity.unwrap().sub.as_str()), (LoginState::Succeeded, "42"));
    let [form] = world.server.requests("/token").try_into().unwrap();
    let sent = ["grant_type", "username", "password", "scope"].map(|name| form[name].as_str());
    assert_eq!(sent, ["password", "ada", " p&w~ ", "read offline_access"]);

    world.server.next_token_answer(400, r#"{"error":"invalid_grant"}"#);
    let begun = world.logins.begin(by("password")).await.unwrap();
    let ended = world.logins.respond(&begun.id, LoginResponse::password("ada", "wrong")).await.unwrap();
    assert_eq!((ended.state, ended.error.unwrap().error), (LoginState::Failed, ErrorCode::AccessDenied));
    assert_eq!(world.server.requests("/token").len(), 2);
}

#[tokio::test]
async fn the_implicit_grant_makes_a_session_that_cannot_renew_and_says_so() {
    let world = World::new(&format!("{BY_HAND}allow_legacy = true\nflow = \"implicit\"\n"));
    let begun = Begun::new(begin(&world).await);
    assert_eq!(
        (begun.asked["response_type"].as_str(), begun.status.wanted),
        ("token", Some(Wanted::TokenCallback))
    );
    assert!(!begun.asked.contains_key("code_challenge"));
    assert!(begun.status.warning.as_ref().unwrap().contains("RFC 9700"));
    let at = |fragment: &str| LoginResponse::pasted(format!("{}#{fragment}", begun.redirect_uri));
    for wrong in ["access_token=t&state=other", "access_token=t", "code=c"] {
        assert!(world.logins.respond(&begun.id, at(wrong)).await.is_err(), "{wrong}");
    }
    let right =
        format!("access_token=t%2B1&token_type=Bearer&expires_in=60&refresh_token=r&state={}", begun.state());
    let ended = world.logins.respond(&begun.id, at(&right)).await.unwrap();
    assert_eq!(ended.state, LoginState::Succeeded);
    assert!(ended.note.unwrap().contains("nothing can renew it"));
    assert!(world.server.requests("/token").is_empty());
    let logins = world.sessions.logins.lock().unwrap();
    let tokens = &logins[0].1.tokens;
    assert_eq!(tokens.access_token.expose(), "t+1");
    assert!(tokens.refresh_token.is_none());
    assert_eq!(tokens.person.as_ref().unwrap().subject, "42");
}

#[tokio::test]
async fn whom_a_package_signs_in_is_asked_even_of_who_accepts_another_person() {
    let world = World::new(PACKAGES);
    let elsewhere = crate::token::Person {
        issuer: "https://id.example".to_owned(),
        subject: "43".to_owned(),
        name: None,
        login_hint: None,
    };
    world.sessions.known.lock().unwrap().signed_in_as = SignedInAs::Person(elsewhere);
    let request = LoginRequest { switch_user: true, ..LoginRequest::default() };
    let begun = world.logins.begin(request).await.unwrap();
    let asked = world.logins.respond(&begun.id, package("https://id.example/token")).await.unwrap();
    assert_eq!(question(&asked).about, Confirm::Identity);
    let ended = confirm(&world, &asked, true).await;
    assert_eq!(ended.state, LoginState::Succeeded);
}
