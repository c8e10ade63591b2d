//! What a login makes of the server that it meets: tenants, scopes, warnings, and when the server is asked again.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use fourinsight_ipc::ErrorCode;
use serde_json::{Value, json};

use super::*;
use crate::authority::{ResourceStyle, issuer::PinnedIssuer};

const GUID: &str = "8a7b6c5d-0123-4567-89ab-0123456789ab";
const OTHER: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

fn entra(tenant: &str) -> String {
    format!("https://login.microsoftonline.com/{tenant}/v2.0")
}

/// A profile at this tenant of Microsoft's, with more lines.
fn at_entra(tenant: &str, lines: &str) -> World {
    let issuer = entra(tenant);
    World::new(&format!(
        "[profiles.work]\nclient_id = \"abc\"\nissuer = \"{issuer}\"\nscopes = \"api://x/.default\"\n{lines}\n"
    ))
}

impl Server {
    /// The metadata names this issuer and, for the rest, what Entra's does.
    fn calls_itself(&self, issuer: &str) {
        let base = "https://login.microsoftonline.com/common/oauth2/v2.0";
        *self.metadata.lock().unwrap() = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"),
            "device_authorization_endpoint": format!("{base}/devicecode"),
        })
        .to_string();
    }
}

/// Answers the next exchange with an ID token of this issuer and tenant.
fn vouch(world: &World, nonce: &str, iss: &str, tid: Option<&str>) {
    let exp = Clock::system().unix_now() + 3600;
    let mut claims = json!({ "iss": iss, "sub": "alice", "aud": "abc", "exp": exp, "nonce": nonce });
    if let Some(tid) = tid {
        claims["tid"] = Value::from(tid);
    }
    let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    let answer = json!({
        "access_token": "at", "token_type": "Bearer", "expires_in": 60, "refresh_token": "rt",
        "scope": "api://x/read", "id_token": format!("eyJhbGciOiJub25lIn0.{payload}.c2ln"),
    });
    world.server.next_token_answer(200, &answer.to_string());
}

#[tokio::test]
async fn the_first_id_token_pins_the_tenant_of_a_login_for_any() {
    for (iss, tid, pinned) in [
        (entra(GUID), Some(GUID), true),
        (entra(GUID), Some(OTHER), false),
        (entra(GUID), None, false),
        (entra("common"), Some("common"), false),
        (format!("https://login.microsoftonline.com.evil.example/{GUID}/v2.0"), Some(GUID), false),
    ] {
        let world = at_entra("common", "");
        world.server.calls_itself(&entra("{tenantid}"));
        let begun = world.begin("default").await;
        assert_eq!(begun.asked["scope"], "api://x/.default openid profile offline_access");
        assert_eq!(begun.status.warning, None, "Entra's PKCE is known");
        vouch(&world, &begun.asked["nonce"], &iss, tid);
        begun.sign_in().await;
        let status = world.ended(&begun).await;
        let logins = world.sessions.logins.lock().unwrap();
        if !pinned {
            assert_eq!((status.state, logins.len()), (LoginState::Failed, 0), "{iss} {tid:?}");
            continue;
        }
        let registration = &logins[0].1.registration;
        assert_eq!(registration.issuer.as_ref(), Some(&iss), "{status:?}");
        assert_eq!(registration.configured_issuer, Some(entra("common")));
        assert_eq!(logins[0].1.scopes, ["api://x/.default"], "what the profile asked for keys the token");
        assert!(PinnedIssuer::of(registration).is_some());
    }
}

#[tokio::test]
async fn a_later_login_is_held_to_the_tenant() {
    let world = at_entra("organizations", "");
    world.server.calls_itself(&entra("{tenantid}"));
    let begun = world.begin("default").await;
    vouch(&world, &begun.asked["nonce"], &entra(GUID), Some(GUID));
    begun.sign_in().await;
    world.ended(&begun).await;
    let pinned = PinnedIssuer::of(&world.sessions.logins.lock().unwrap()[0].1.registration);
    world.sessions.known.lock().unwrap().pinned_issuer = pinned;
    for (tenant, state) in [(OTHER, LoginState::Failed), (GUID, LoginState::Succeeded)] {
        let begun = world.begin("default").await;
        vouch(&world, &begun.asked["nonce"], &entra(tenant), Some(tenant));
        begun.sign_in().await;
        let status = world.ended(&begun).await;
        assert_eq!(status.state, state, "{tenant}");
        let told = status.error.map(|error| error.error_description).unwrap_or_default();
        assert_eq!(told.contains("pinned"), state == LoginState::Failed, "{told}");
    }
    // The callback's issuer is held to it too, where the server names one.
    let begun = world.begin("default").await;
    let other = begun.get(&format!("{}&iss={}", begun.answer(), entra(OTHER))).await;
    assert_eq!((other.status, world.state(&begun)), (400, LoginState::Pending));
    vouch(&world, &begun.asked["nonce"], &entra(GUID), Some(GUID));
    assert_eq!(begun.get(&format!("{}&iss={}", begun.answer(), entra(GUID))).await.status, 303);
    assert_eq!(world.ended(&begun).await.state, LoginState::Succeeded);
}

#[tokio::test]
async fn a_domain_that_changes_its_tenant_is_refused_before_anyone_is_asked() {
    let world = at_entra("contoso.com", "");
    world.server.calls_itself(&entra(GUID));
    let begun = world.begin("default").await;
    vouch(&world, &begun.asked["nonce"], &entra(GUID), Some(GUID));
    begun.sign_in().await;
    world.ended(&begun).await;
    let pinned = PinnedIssuer::of(&world.sessions.logins.lock().unwrap()[0].1.registration);
    world.sessions.known.lock().unwrap().pinned_issuer = pinned;
    world.server.calls_itself(&entra(OTHER));
    let request = LoginRequest { force: true, ..LoginRequest::default() };
    let error = world.logins.begin(request).await.unwrap_err();
    assert_eq!(error.error, ErrorCode::InvalidRequest);
    assert!(error.hint.unwrap().contains("revoke the session first"));
}

#[tokio::test]
async fn a_resource_is_a_scope_at_entra_and_a_parameter_elsewhere() {
    for (line, scope, resource, audience) in [
        ("", "read api://y/.default openid profile offline_access", None, None),
        ("resource_style = \"entra\"", "read api://y/.default openid profile offline_access", None, None),
        ("resource_style = \"rfc8707\"", "read", Some("api://y"), None),
        ("resource_style = \"audience\"", "read", None, Some("api://y")),
    ] {
        let world = at_entra("common", &format!("resources = \"api://y\"\n{line}"));
        world.server.calls_itself(&entra("{tenantid}"));
        let request = LoginRequest { scope: Some("read".to_owned()), ..LoginRequest::default() };
        let begun = Begun::new(world.logins.begin(request).await.unwrap());
        let asked = |name: &str| begun.asked.get(name).map(String::as_str);
        assert_eq!((asked("scope"), asked("resource"), asked("audience")), (Some(scope), resource, audience));
        begun.sign_in().await;
        world.ended(&begun).await;
        let [form] = world.server.requests("/common/oauth2/v2.0/token").try_into().unwrap();
        assert_eq!(
            (form.get("resource").map(String::as_str), form.get("audience")),
            (resource, None),
            "{line}"
        );
        let logins = world.sessions.logins.lock().unwrap();
        let [(_, login)] = logins.as_slice() else { panic!("{} logins", logins.len()) };
        assert_eq!(
            (login.resources.as_slice(), login.scopes.as_slice()),
            (&["api://y".to_owned()][..], &["read".to_owned()][..])
        );
        let entra = login.registration.dialect.resource_style == ResourceStyle::Entra;
        assert_eq!(entra, resource.is_none() && audience.is_none());
    }
}

#[tokio::test]
async fn a_person_is_told_what_is_odd_about_the_server() {
    for (metadata, told) in [
        (METADATA.to_owned(), Some("S256")),
        (METADATA.replace('}', r#","code_challenge_methods_supported":["S256"]}"#), None),
    ] {
        let world = World::new(DISCOVERED);
        *world.server.metadata.lock().unwrap() = metadata;
        for round in 0..2 {
            let warning = world.begin("default").await.status.warning;
            match told {
                Some(told) => {
                    let warning = warning.unwrap();
                    assert_eq!(warning.matches(told).count(), 1, "round {round}: {warning}");
                    assert!(warning.ends_with('.'), "{warning}");
                }
                None => assert_eq!(warning, None),
            }
        }
    }
    let legacy = DISCOVERED.to_owned()
        + "flow = \"implicit\"\nallow_legacy = true\nrevocation_endpoint = \"https://id.example/r\"\n";
    let world = World::new(&legacy);
    *world.server.metadata.lock().unwrap() =
        METADATA.replace('}', r#","userinfo_endpoint":"http://id.example/u"}"#);
    let warning = world.begin("default").await.status.warning.unwrap();
    assert!(warning.contains("RFC 9700") && warning.contains("userinfo_endpoint is no https"), "{warning}");
}

#[tokio::test]
async fn a_server_is_asked_again_when_somebody_insists_or_it_did_not_work() {
    let world = World::new(DISCOVERED);
    let iss = "&iss=https%3A%2F%2Fid.example";
    let succeed = async || {
        let begun = world.begin("default").await;
        begun.get(&format!("{}{iss}", begun.answer())).await;
        world.ended(&begun).await.state
    };
    assert_eq!((succeed().await, succeed().await), (LoginState::Succeeded, LoginState::Succeeded));
    assert_eq!(world.server.lookups(), 1);
    let forced = LoginRequest { force: true, ..LoginRequest::default() };
    let forced = Begun::new(world.logins.begin(forced).await.unwrap());
    forced.get(&format!("{}{iss}", forced.answer())).await;
    assert_eq!((world.ended(&forced).await.state, world.server.lookups()), (LoginState::Succeeded, 2));
    assert_eq!(succeed().await, LoginState::Succeeded);
    assert_eq!(world.server.lookups(), 2);
    // A person's no says nothing about the server.
    let begun = world.begin("default").await;
    begun.get(&begun.target(&format!("error=access_denied&state={}{iss}", begun.state()))).await;
    assert_eq!(world.ended(&begun).await.state, LoginState::Failed);
    assert_eq!((succeed().await, world.server.lookups()), (LoginState::Succeeded, 2));
    // Where nobody answered, perhaps nobody could.
    let begun = world.begin("default").await;
    world.logins.cancel(&begun.id);
    let attempt = Arc::clone(&world.logins.attempts()[&begun.id]);
    attempt.release_port().await;
    assert_eq!((succeed().await, world.server.lookups()), (LoginState::Succeeded, 3));
    // A token endpoint that is not one does.
    world.server.next_token_answer(404, "<html>");
    assert_eq!((succeed().await, world.server.lookups()), (LoginState::Failed, 3));
    assert_eq!((succeed().await, world.server.lookups()), (LoginState::Succeeded, 4));
}

#[tokio::test]
async fn a_login_without_a_refresh_token_says_what_its_server_wants_to_see() {
    for (config, told) in [
        (DISCOVERED.replace("read offline_access", "read"), "add offline_access"),
        (DISCOVERED.to_owned(), "offline_access was asked for"),
        (
            DISCOVERED.replace("https://id.example", "https://accounts.google.com"),
            "access_type = \"offline\"",
        ),
    ] {
        let world = World::new(&config);
        if config.contains("google") {
            let metadata = METADATA.replace("https://id.example\"", "https://accounts.google.com\"");
            *world.server.metadata.lock().unwrap() = metadata;
        }
        world.server.next_token_answer(200, r#"{"access_token":"at","token_type":"Bearer","expires_in":60}"#);
        let begun = world.begin("default").await;
        let iss = if config.contains("google") { "accounts.google.com" } else { "https://id.example" };
        begun.get(&format!("{}&iss={iss}", begun.answer())).await;
        let note = world.ended(&begun).await.note.unwrap_or_default();
        assert!(note.contains(told), "{note}");
    }
}
