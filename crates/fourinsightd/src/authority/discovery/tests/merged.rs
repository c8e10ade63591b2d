//! Two documents: what they say together, and what is made of one that is missing or wrong.

use super::*;

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
        let failure = discover(&only(&body), &profile()).await.unwrap_err();
        assert_eq!(failure.error, "issuer_mismatch", "{said}");
        assert!(failure.description.contains(said), "{}", failure.description);
    }
    let failure = discover(&only("{}"), &profile()).await.unwrap_err();
    assert_eq!(failure.error, "issuer_mismatch");
}

#[tokio::test]
async fn documents_complete_each_other_and_openids_goes_first() {
    let openid = format!(
        r#"{{"issuer":"{ISSUER}","authorization_endpoint":"{ISSUER}/a","token_endpoint":"{ISSUER}/t",
           "code_challenge_methods_supported":["S256"],"authorization_response_iss_parameter_supported":false,
           "revocation_endpoint":null}}"#
    );
    let oauth = format!(
        r#"{{"issuer":"{ISSUER}","authorization_endpoint":"{ISSUER}/other","token_endpoint":"{ISSUER}/other",
           "code_challenge_methods_supported":["plain"],"authorization_response_iss_parameter_supported":true,
           "revocation_endpoint":"{ISSUER}/r","device_authorization_endpoint":"{ISSUER}/d",
           "token_endpoint_auth_methods_supported":["client_secret_post"]}}"#
    );
    let fake = Fake::default().answer(200, &openid).answer(200, &oauth);
    let profile = Profile { client_secret: Some(SecretSource::Env("X".into())), ..profile() };
    let Discovered { registration, warnings } = discover(&fake, &profile).await.unwrap();
    assert_eq!(registration.authorization_endpoint.unwrap(), format!("{ISSUER}/a"));
    assert_eq!(registration.token_endpoint, format!("{ISSUER}/t"));
    assert_eq!(registration.revocation_endpoint.unwrap(), format!("{ISSUER}/r"));
    assert_eq!(registration.device_authorization_endpoint.unwrap(), format!("{ISSUER}/d"));
    assert_eq!(registration.userinfo_endpoint, None);
    assert!(!registration.iss_in_callback);
    assert_eq!(registration.client_auth, PerRequest::all(ClientAuth::Post));
    assert_eq!(warnings, [""; 0]);
}

#[tokio::test]
async fn a_document_that_is_wrong_beside_a_good_one_is_a_warning() {
    let good = metadata(r#","code_challenge_methods_supported":["S256"]"#);
    let other = good.replace(&format!(r#""issuer":"{ISSUER}""#), r#""issuer":"https://evil.example""#);
    let long = format!("{good}{}", " ".repeat(256 * 1024));
    for (status, bad, warned) in [
        (404, "", false),
        (302, "", false),
        (200, "<html>", false),
        (200, "{}", true),
        (200, &*other, true),
        (200, &*long, true),
        (503, "", true),
    ] {
        for first in [true, false] {
            let answers = if first { [(status, bad), (200, &*good)] } else { [(200, &*good), (status, bad)] };
            let fake =
                answers.iter().fold(Fake::default(), |fake, (status, body)| fake.answer(*status, body));
            let Discovered { registration, warnings } = discover(&fake, &profile()).await.unwrap();
            assert_eq!(registration.token_endpoint, format!("{ISSUER}/t"));
            assert_eq!(warnings.len(), usize::from(warned), "{status} {first} {warnings:?}");
            assert!(warnings.iter().all(|warning| warning.starts_with("one of the server's two")));
        }
    }
}

#[tokio::test]
async fn of_two_documents_without_a_good_one_the_reason_that_tells_most_is_told() {
    let wrong = (200, r#"{"issuer":"https://evil.example"}"#);
    for (openid, oauth, error) in [
        ((404, ""), (404, ""), "discovery_failed"),
        (wrong, (404, ""), "issuer_mismatch"),
        ((404, ""), wrong, "issuer_mismatch"),
        (wrong, (503, ""), "issuer_mismatch"),
        ((503, ""), wrong, "temporarily_unavailable"),
        ((404, ""), (429, ""), "temporarily_unavailable"),
        ((500, ""), (404, ""), "temporarily_unavailable"),
    ] {
        let fake = Fake::default().answer(openid.0, openid.1).answer(oauth.0, oauth.1);
        assert_eq!(discover(&fake, &profile()).await.unwrap_err().error, error, "{openid:?} {oauth:?}");
    }
    let long = metadata(&" ".repeat(256 * 1024));
    let failure = discover(&only(&long), &profile()).await.unwrap_err();
    assert!(failure.description.starts_with("the issuer's metadata is longer than 256 KiB; "), "{failure:?}");
    // Endpoints by hand make up for missing documents, not for wrong ones.
    let mut by_hand = profile();
    by_hand.endpoints.authorization = Some("https://h.example/a".into());
    by_hand.endpoints.token = Some("https://h.example/t".into());
    let fake = Fake::default().answer(wrong.0, wrong.1).answer(404, "");
    assert_eq!(discover(&fake, &by_hand).await.unwrap_err().error, "issuer_mismatch");
}

#[tokio::test]
async fn no_redirect_is_followed_and_its_target_is_named() {
    let missing = || Fake::default().answer(404, "");
    for (fake, told) in [
        (missing().redirect("https://evil.example/metadata?secret=x"), "another host, evil.example, and"),
        (Fake::default().redirect("http://id.example.com/x").answer(404, ""), "another host, id.example.com"),
        (Fake::default().redirect("//login.example/x").redirect("/login"), "another host, login.example"),
        (missing().redirect("/login?next=x"), "the path /login, and"),
        (missing().redirect("https://"), "nowhere"),
    ] {
        let failure = discover(&fake, &profile()).await.unwrap_err();
        assert_eq!(failure.error, "discovery_failed");
        assert!(failure.description.contains(told), "{}", failure.description);
        assert!(!failure.description.contains("secret"), "{}", failure.description);
        assert_eq!(fake.seen().len(), 2);
    }
}

#[tokio::test]
async fn a_tenant_of_microsofts_is_found_by_its_domain() {
    const GUID: &str = "8a7b6c5d-0123-4567-89ab-0123456789ab";
    let entra = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
    let document = |issuer: &str| {
        metadata("").replace(&format!(r#""issuer":"{ISSUER}""#), &format!(r#""issuer":"{issuer}""#))
    };
    for (configured, said, asked) in [
        (entra("contoso.com"), entra(GUID), entra("contoso.com")),
        ("https://login.microsoftonline.com/contoso.com".to_owned(), entra(GUID), entra("contoso.com")),
        (entra("organizations"), entra("{tenantid}"), entra("organizations")),
        (entra("{tenantid}"), entra("{tenantid}"), entra("common")),
        (entra(GUID), entra(GUID), entra(GUID)),
    ] {
        let fake = only(&document(&said));
        let profile = Profile { issuer: Some(configured.clone()), ..profile() };
        let registration = discover(&fake, &profile).await.unwrap().registration;
        assert_eq!(registration.issuer.as_ref(), Some(&said), "{configured}");
        let differs = configured != said;
        assert_eq!(registration.configured_issuer, Some(configured).filter(|_| differs));
        assert_eq!(registration.dialect.resource_style, ResourceStyle::Entra);
        assert_eq!(fake.seen()[0].url, format!("{asked}/.well-known/openid-configuration"));
    }
    let profile = Profile { issuer: Some("https://evil.example/common/v2.0".into()), ..profile() };
    let fake = only(&document("https://evil.example/{tenantid}/v2.0"));
    assert_eq!(discover(&fake, &profile).await.unwrap_err().error, "issuer_mismatch");
}
