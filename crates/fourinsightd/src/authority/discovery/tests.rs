//! Registrations made of prepared metadata.

use super::*;
use crate::{
    authority::{allowed::AllowedEndpoint, fake::Fake},
    http::Route,
    profile::{ClientAuth, Endpoints, Flow, Parameters, PerRequest, SecretSource},
};

mod cached;
mod merged;

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
        force_params: None,
        code_params: Parameters::new(),
        device_params: Parameters::new(),
        device_poll_params: Parameters::new(),
        refresh_params: Parameters::new(),
        revoke_params: Parameters::new(),
        client_capabilities: Vec::new(),
        route: Route::default(),
        refresh_idle: None,
        rotation: crate::profile::Rotation::default(),
        keep_alive: true,
        help: None,
    }
}

/// A server with this document at the first place and none at the second.
fn only(document: &str) -> Fake {
    Fake::default().answer(200, document).answer(404, "")
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
    let more = r#","authorization_response_iss_parameter_supported":true,"unknown":[1],
        "code_challenge_methods_supported":["S256"]"#;
    let fake = only(&metadata(more));
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
    let limits: Vec<_> = fake.seen().iter().map(|seen| seen.time_limit.as_secs()).collect();
    assert_eq!(limits, [10, 10]);
}

#[tokio::test]
async fn each_endpoint_by_hand_overrides_that_one() {
    let more = format!(r#","device_authorization_endpoint":"{ISSUER}/d""#);
    let said = ["a", "t", "d", "r", "u"].map(|path| Some(format!("{ISSUER}/{path}")));
    let by_hand = Some("http://127.0.0.1:1/by-hand".to_owned());
    for (place, _) in said.iter().enumerate() {
        let mut profile = profile();
        let Endpoints { authorization, token, device_authorization, revocation, userinfo } =
            &mut profile.endpoints;
        let configured = [authorization, token, device_authorization, revocation, userinfo];
        configured.into_iter().nth(place).unwrap().clone_from(&by_hand);
        let found = discover(&only(&metadata(&more)), &profile).await.unwrap().registration;
        let mut expected = said.clone();
        expected[place].clone_from(&by_hand);
        let found = [
            found.authorization_endpoint,
            Some(found.token_endpoint),
            found.device_authorization_endpoint,
            found.revocation_endpoint,
            found.userinfo_endpoint,
        ];
        assert_eq!(found, expected);
    }
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
    for status in [503, 429] {
        let outage = Fake::default().answer(status, "").answer(404, "");
        assert_eq!(discover(&outage, &profile).await.unwrap_err().error, "temporarily_unavailable");
    }
    let outage = Fake::default().fail(false).fail(false);
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
        "https://id.example.com/\\u001b[2Jt",
        "https://id.example.com/t t",
        "/token",
        "",
    ] {
        let body = metadata("").replace(&format!("{ISSUER}/t"), endpoint);
        let failure = discover(&only(&body), &profile()).await.unwrap_err();
        assert_eq!(failure.error, "invalid_metadata", "{endpoint}");
        let body = metadata("").replace(&format!("{ISSUER}/r"), endpoint);
        let found = discover(&only(&body), &profile()).await.unwrap();
        assert_eq!(found.registration.revocation_endpoint, None, "{endpoint}");
        assert!(found.warnings.iter().any(|warning| warning.starts_with("revocation_endpoint is no https")));
    }
    let fake = Fake::default();
    let profile = Profile { issuer: Some("http://id.example.com".into()), ..profile() };
    assert_eq!(discover(&fake, &profile).await.unwrap_err().error, "invalid_issuer");
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_server_elsewhere_names_no_endpoint_on_this_machine() {
    for endpoint in ["http://127.0.0.1:2375/r", "http://localhost/r", "https://[::1]:8443/r"] {
        let body = metadata("").replace(&format!("{ISSUER}/r"), endpoint);
        let found = discover(&only(&body), &profile()).await.unwrap();
        assert_eq!(found.registration.revocation_endpoint, None, "{endpoint}");
        assert!(found.warnings.iter().any(|warning| warning.contains("on this machine")), "{endpoint}");
        let here = "http://127.0.0.1:4000";
        let here = (Profile { issuer: Some(here.into()), ..profile() }, body.replace(ISSUER, here));
        let found = discover(&only(&here.1), &here.0).await.unwrap();
        assert_eq!(found.registration.revocation_endpoint.as_deref(), Some(endpoint));
    }
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
        let fake = only(&metadata(more));
        let profile = Profile { client_secret: secret.clone(), ..profile() };
        let chosen = discover(&fake, &profile).await.unwrap().registration.client_auth;
        assert_eq!(chosen, PerRequest::all(client_auth), "{more}");
    }
}

#[tokio::test]
async fn a_server_that_lists_mutual_tls_only_is_warned_about() {
    for (list, warned) in [
        (r#"["tls_client_auth"]"#, true),
        (r#"["self_signed_tls_client_auth","tls_client_auth"]"#, true),
        (r#"["tls_client_auth","client_secret_post"]"#, false),
        ("[]", false),
        ("null", false),
    ] {
        let lists = format!(
            r#","token_endpoint_auth_methods_supported":{list},"code_challenge_methods_supported":["S256"]"#
        );
        let warnings = discover(&only(&metadata(&lists)), &profile()).await.unwrap().warnings;
        let named = warnings.iter().filter(|warning| warning.contains("mutual TLS")).count();
        assert_eq!((named, warnings.len()), (usize::from(warned), usize::from(warned)), "{list}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_promise_pkce_is_warned_about_where_it_is_used() {
    let entra = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
    let guid = "8a7b6c5d-0123-4567-89ab-0123456789ab";
    let without = metadata("");
    let plain = metadata(r#","code_challenge_methods_supported":["plain"]"#);
    let s256 = metadata(r#","code_challenge_methods_supported":["plain","S256"]"#);
    let at_entra =
        without.replace(&format!(r#""issuer":"{ISSUER}""#), &format!(r#""issuer":"{}""#, entra(guid)));
    let device = format!(r#","device_authorization_endpoint":"{ISSUER}/d""#);
    let by_device = metadata(&device);
    let package = vec![AllowedEndpoint::parse("https://id.example.com/t").unwrap()];
    for (issuer, flow, allowed, document, warned) in [
        (ISSUER, Flow::Browser, vec![], &without, true),
        (ISSUER, Flow::Browser, vec![], &plain, true),
        (ISSUER, Flow::Browser, vec![], &s256, false),
        (ISSUER, Flow::Paste, vec![], &without, true),
        (ISSUER, Flow::Paste, package, &without, false),
        (ISSUER, Flow::Device, vec![], &by_device, false),
        (ISSUER, Flow::ClientCredentials, vec![], &plain, false),
        (ISSUER, Flow::Implicit, vec![], &without, false),
        (&*entra("contoso.com"), Flow::Browser, vec![], &at_entra, false),
    ] {
        let profile = Profile {
            issuer: Some(issuer.into()),
            flow,
            allowed_token_endpoints: allowed,
            redirect_uri: crate::profile::REDIRECT_URI.into(),
            ..profile()
        };
        let warnings = discover(&only(document), &profile).await.unwrap().warnings;
        let named = warnings.iter().filter(|warning| warning.contains("PKCE")).count();
        assert_eq!((named, warnings.len()), (usize::from(warned), usize::from(warned)), "{issuer} {flow:?}");
    }
}

#[tokio::test]
async fn the_profile_goes_before_the_metadata_and_revocation_has_its_own_list() {
    let lists = r#","token_endpoint_auth_methods_supported":["client_secret_post"],
        "revocation_endpoint_auth_methods_supported":["client_secret_basic"]"#;
    let fake = only(&metadata(lists));
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
    let found = discover(&only(&bare), &by_client).await.unwrap();
    assert_eq!(found.registration.authorization_endpoint, None);
    let failure = discover(&only(&bare), &profile()).await.unwrap_err();
    assert!(failure.description.contains("authorization_endpoint"), "{failure:?}");
}

#[tokio::test]
async fn what_the_documents_leave_out_works_through_configuration() {
    let bare = format!(r#"{{"issuer":"{ISSUER}"}}"#);
    let mut by_hand = profile();
    by_hand.endpoints = Endpoints {
        authorization: Some("https://h.example/a".into()),
        token: Some("https://h.example/t".into()),
        device_authorization: Some("https://h.example/d".into()),
        revocation: Some("https://h.example/r".into()),
        userinfo: None,
    };
    by_hand.client_secret = Some(SecretSource::Env("X".into()));
    by_hand.client_auth = PerRequest { device: Some(ClientAuth::Post), ..PerRequest::default() };
    for flow in
        [Flow::Browser, Flow::Paste, Flow::Device, Flow::ClientCredentials, Flow::Password, Flow::Implicit]
    {
        let profile = Profile { flow, ..by_hand.clone() };
        for server in [only(&bare), Fake::default().answer(404, "").answer(404, "")] {
            let found = discover(&server, &profile).await.unwrap().registration;
            assert_eq!(found.issuer.as_deref(), Some(ISSUER), "{flow:?}");
            assert_eq!(found.device_authorization_endpoint.as_deref(), Some("https://h.example/d"));
            assert_eq!(found.revocation_endpoint.as_deref(), Some("https://h.example/r"));
            assert_eq!(
                (found.client_auth.device, found.client_auth.code),
                (ClientAuth::Post, ClientAuth::Basic)
            );
        }
        let nothing = Profile { flow, ..profile_without_endpoints(&by_hand) };
        let failure = discover(&only(&bare), &nothing).await.unwrap_err();
        assert!(failure.description.ends_with("write it in the profile"), "{flow:?} {failure:?}");
    }
}

fn profile_without_endpoints(profile: &Profile) -> Profile {
    Profile { endpoints: Endpoints::default(), ..profile.clone() }
}

#[tokio::test]
async fn the_dialect_follows_the_host_unless_the_profile_says_it() {
    let token = "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token";
    for (endpoint, configured, flow, style) in [
        ("https://id.example.com/t", None, Flow::ClientCredentials, ResourceStyle::Rfc8707),
        (token, None, Flow::ClientCredentials, ResourceStyle::Entra),
        (token, Some(ResourceStyle::Rfc8707), Flow::Device, ResourceStyle::Rfc8707),
        ("https://id.example.com/t", Some(ResourceStyle::Entra), Flow::Device, ResourceStyle::Entra),
        ("https://id.example.com/t", Some(ResourceStyle::Audience), Flow::Device, ResourceStyle::Audience),
    ] {
        let mut profile = Profile { issuer: None, flow, resource_style: configured, ..profile() };
        profile.endpoints.token = Some(endpoint.into());
        profile.endpoints.device_authorization = Some("https://id.example.com/d".into());
        let registration = discover(&Fake::default(), &profile).await.unwrap().registration;
        let expected = Dialect { resource_style: style, by_device: flow == Flow::Device };
        assert_eq!(registration.dialect, expected, "{endpoint} {configured:?}");
    }
}
