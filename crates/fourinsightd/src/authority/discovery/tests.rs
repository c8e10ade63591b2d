//! Discovery against prepared metadata.

use super::*;
use crate::{
    authority::fake::Fake,
    http::Route,
    profile::{ClientAuth, Endpoints, Flow, Parameters, PerRequest, SecretSource},
};

const ISSUER: &str = "https://id.example.com";

fn profile() -> Profile {
    Profile {
        name: "work".into(),
        issuer: Some(ISSUER.into()),
        endpoints: Endpoints::default(),
        client_id: "abc".into(),
        client_secret: None,
        assertion: crate::profile::Assertion::default(),
        client_auth: PerRequest::default(),
        flow: Flow::Browser,
        scopes: Vec::new(),
        resources: Vec::new(),
        resource_style: None,
        redirect_uri: "http://127.0.0.1:0/callback".into(),
        response_mode: crate::profile::ResponseMode::Query,
        allowed_token_endpoints: Vec::new(),
        allow_legacy: false,
        authorize_params: Parameters::new(),
        code_params: Parameters::new(),
        device_params: Parameters::new(),
        device_poll_params: Parameters::new(),
        refresh_params: Parameters::new(),
        revoke_params: Parameters::new(),
        route: Route::default(),
        refresh_idle: None,
        keep_alive: true,
    }
}

/// Metadata of the test's issuer, with more members before or instead of its own.
fn metadata(more: &str) -> String {
    format!(
        r#"{{"issuer":"{ISSUER}","authorization_endpoint":"{ISSUER}/a","token_endpoint":"{ISSUER}/t",
           "revocation_endpoint":"{ISSUER}/r","userinfo_endpoint":"{ISSUER}/u"{more}}}"#
    )
}

#[tokio::test]
async fn metadata_becomes_a_registration() {
    let more = r#","authorization_response_iss_parameter_supported":true,"unknown":[1]"#;
    let fake = Fake::default().answer(200, &metadata(more));
    let found = discover(&fake, &profile()).await.unwrap();
    let registration = found.registration;
    assert_eq!(registration.issuer.as_deref(), Some(ISSUER));
    assert_eq!(registration.authorization_endpoint.unwrap(), format!("{ISSUER}/a"));
    assert_eq!(registration.token_endpoint, format!("{ISSUER}/t"));
    assert_eq!(registration.revocation_endpoint.unwrap(), format!("{ISSUER}/r"));
    assert_eq!(registration.userinfo_endpoint.unwrap(), format!("{ISSUER}/u"));
    assert!(registration.iss_in_callback);
    assert_eq!(registration.client_auth, ClientAuth::None.into());
    assert_eq!(found.warnings, [""; 0]);
    assert_eq!(fake.seen()[0].url, format!("{ISSUER}/.well-known/openid-configuration"));
}

#[tokio::test]
async fn both_well_known_places_are_asked() {
    for (issuer, first, second) in [
        (
            "https://h.example",
            "https://h.example/.well-known/openid-configuration",
            "https://h.example/.well-known/oauth-authorization-server",
        ),
        (
            "https://h.example/",
            "https://h.example/.well-known/openid-configuration",
            "https://h.example/.well-known/oauth-authorization-server",
        ),
        (
            "https://h.example:8443/realms/a%20b",
            "https://h.example:8443/realms/a%20b/.well-known/openid-configuration",
            "https://h.example:8443/.well-known/oauth-authorization-server/realms/a%20b",
        ),
    ] {
        for missing in [(404, ""), (200, "<html>"), (302, ""), (403, "{}")] {
            let body = metadata("").replace(&format!("\"{ISSUER}\""), &format!("\"{issuer}\""));
            let fake = Fake::default().answer(missing.0, missing.1).answer(200, &body);
            let profile = Profile { issuer: Some(issuer.into()), ..profile() };
            discover(&fake, &profile).await.unwrap();
            let urls: Vec<_> = fake.seen().into_iter().map(|seen| seen.url).collect();
            assert_eq!(urls, [first, second]);
        }
    }
}

#[tokio::test]
async fn the_issuer_must_be_the_same_to_the_letter() {
    for said in ["https://id.example.com/", "https://ID.example.com", "https://evil.example.com"] {
        let body = metadata("").replace(&format!("\"{ISSUER}\""), &format!("\"{said}\""));
        let failure = discover(&Fake::default().answer(200, &body), &profile()).await.unwrap_err();
        assert_eq!(failure.error, "issuer_mismatch", "{said}");
        assert!(failure.description.contains(said), "{}", failure.description);
    }
    let failure = discover(&Fake::default().answer(200, "{}"), &profile()).await.unwrap_err();
    assert_eq!(failure.error, "issuer_mismatch");
}

#[tokio::test]
async fn endpoints_by_hand_override() {
    let mut profile = profile();
    profile.endpoints.token = Some("https://by-hand.example.com/t".into());
    profile.endpoints.revocation = Some("http://127.0.0.1:1/r".into());
    let fake = Fake::default().answer(200, &metadata(""));
    let registration = discover(&fake, &profile).await.unwrap().registration;
    assert_eq!(registration.token_endpoint, "https://by-hand.example.com/t");
    assert_eq!(registration.revocation_endpoint.as_deref(), Some("http://127.0.0.1:1/r"));
    assert_eq!(registration.authorization_endpoint.unwrap(), format!("{ISSUER}/a"));
}

#[tokio::test]
async fn without_an_issuer_nothing_is_asked() {
    let mut profile = Profile { issuer: None, ..profile() };
    profile.endpoints.authorization = Some("https://h.example/a".into());
    let failure = discover(&Fake::default(), &profile).await.unwrap_err();
    assert!(failure.description.contains("token_endpoint"), "{}", failure.description);
    profile.endpoints.token = Some("https://h.example/t".into());
    let registration = discover(&Fake::default(), &profile).await.unwrap().registration;
    assert_eq!((registration.issuer, registration.revocation_endpoint), (None, None));
}

#[tokio::test]
async fn missing_metadata_is_made_up_for_by_hand_but_an_outage_is_not() {
    let mut profile = profile();
    let missing = || Fake::default().answer(404, "").answer(404, "");
    assert_eq!(discover(&missing(), &profile).await.unwrap_err().error, "discovery_failed");
    profile.endpoints.authorization = Some("https://h.example/a".into());
    profile.endpoints.token = Some("https://h.example/t".into());
    assert_eq!(discover(&missing(), &profile).await.unwrap().warnings.len(), 1);
    for outage in [Fake::default().answer(503, ""), Fake::default().answer(429, "")] {
        assert_eq!(discover(&outage, &profile).await.unwrap_err().error, "temporarily_unavailable");
    }
    let outage = Fake::default().fail(false);
    assert_eq!(discover(&outage, &profile).await.unwrap_err().error, "server_unreachable");
}

#[tokio::test]
async fn no_endpoint_leaks_secrets() {
    for endpoint in [
        "http://id.example.com/t",
        "http://localhost.example.com/t",
        "ftp://id.example.com/t",
        "file:///etc/passwd",
        "https://user:secret@id.example.com/t",
        "https://id.example.com/t#fragment",
        "/token",
        "",
    ] {
        let body = metadata("").replace(&format!("{ISSUER}/t"), endpoint);
        let failure = discover(&Fake::default().answer(200, &body), &profile()).await.unwrap_err();
        assert_eq!(failure.error, "invalid_metadata", "{endpoint}");
        let body = metadata("").replace(&format!("{ISSUER}/r"), endpoint);
        let found = discover(&Fake::default().answer(200, &body), &profile()).await.unwrap();
        assert_eq!((found.registration.revocation_endpoint, found.warnings.len()), (None, 1), "{endpoint}");
    }
    let fake = Fake::default();
    let profile = Profile { issuer: Some("http://id.example.com".into()), ..profile() };
    assert_eq!(discover(&fake, &profile).await.unwrap_err().error, "invalid_issuer");
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn the_metadata_chooses_how_the_client_proves_itself() {
    let secret = Some(SecretSource::Env("X".into()));
    for (more, client_auth) in [
        ("", ClientAuth::Basic),
        (r#","token_endpoint_auth_methods_supported":["client_secret_post"]"#, ClientAuth::Post),
        (
            r#","token_endpoint_auth_methods_supported":["client_secret_post","client_secret_basic"]"#,
            ClientAuth::Basic,
        ),
        (r#","token_endpoint_auth_methods_supported":null"#, ClientAuth::Basic),
    ] {
        let fake = Fake::default().answer(200, &metadata(more));
        let profile = Profile { client_secret: secret.clone(), ..profile() };
        let chosen = discover(&fake, &profile).await.unwrap().registration.client_auth;
        assert_eq!(chosen, PerRequest::all(client_auth), "{more}");
    }
}

#[tokio::test]
async fn a_server_without_s256_is_warned_about() {
    let fake = Fake::default().answer(200, &metadata(r#","code_challenge_methods_supported":["plain"]"#));
    assert_eq!(discover(&fake, &profile()).await.unwrap().warnings.len(), 1);
    let fake = Fake::default().answer(200, &metadata(r#","code_challenge_methods_supported":["S256"]"#));
    assert_eq!(discover(&fake, &profile()).await.unwrap().warnings.len(), 0);
}

#[tokio::test]
async fn the_profile_goes_before_the_metadata_and_revocation_has_its_own_list() {
    let lists = r#","token_endpoint_auth_methods_supported":["client_secret_post"],
        "revocation_endpoint_auth_methods_supported":["client_secret_basic"]"#;
    let fake = Fake::default().answer(200, &metadata(lists));
    let profile = Profile {
        client_secret: Some(SecretSource::Env("X".into())),
        client_auth: PerRequest { refresh: Some(ClientAuth::SecretOnly), ..PerRequest::default() },
        ..profile()
    };
    let chosen = discover(&fake, &profile).await.unwrap().registration.client_auth;
    assert_eq!((chosen.code, chosen.refresh), (ClientAuth::Post, ClientAuth::SecretOnly));
    assert_eq!((chosen.device, chosen.revoke), (ClientAuth::Post, ClientAuth::Basic));
}

#[tokio::test]
async fn client_credentials_need_no_authorization_endpoint() {
    let bare = format!(r#"{{"issuer":"{ISSUER}","token_endpoint":"{ISSUER}/t"}}"#);
    let by_client = Profile { flow: Flow::ClientCredentials, ..profile() };
    let found = discover(&Fake::default().answer(200, &bare), &by_client).await.unwrap();
    assert_eq!(found.registration.authorization_endpoint, None);
    let failure = discover(&Fake::default().answer(200, &bare), &profile()).await.unwrap_err();
    assert!(failure.description.contains("authorization_endpoint"), "{failure:?}");
}
