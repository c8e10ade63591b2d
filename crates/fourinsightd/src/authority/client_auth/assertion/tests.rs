//! Client assertions as a server takes them apart.

use std::{collections::HashSet, fs, path::PathBuf};

use ring::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    },
};
use serde_json::Value;
use testkit::practice::ClientKey;

use super::*;
use crate::{
    authority::{ResourceStyle, allowed::AllowedEndpoint, fake::registration},
    profile::{Assertion, SecretSource, Thumbprint},
};

const NOW: i64 = 1_700_000_000;

/// A folder with a client's files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A registration with this key, and its certificate if wanted.
    fn registration(&self, key: &ClientKey, with_certificate: bool) -> Registration {
        let mut registration = registration();
        registration.assertion = Assertion {
            certificate: with_certificate.then(|| self.write("cert.pem", &key.certificate_pem)),
            key: Some(SecretSource::File(self.write("key.pem", &key.private_pem))),
            ..Assertion::default()
        };
        registration
    }
}

/// Header and claims.
fn taken_apart(jwt: &SecretString) -> (Value, Value) {
    let mut parts = jwt.expose_secret().split('.');
    let mut json =
        || serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap()).unwrap();
    (json(), json())
}

/// What was signed, and the signature.
fn signed(jwt: &SecretString) -> (&[u8], Vec<u8>) {
    let (signed, signature) = jwt.expose_secret().rsplit_once('.').unwrap();
    (signed.as_bytes(), URL_SAFE_NO_PAD.decode(signature).unwrap())
}

#[tokio::test]
async fn the_claims_say_who_to_whom_and_for_how_long() {
    let folder = Folder::new();
    let registration = folder.registration(&ClientKey::rsa(), false);
    let (header, claims) = taken_apart(&by_key(&registration, NOW).await.unwrap());
    assert_eq!(header, serde_json::json!({ "typ": "JWT", "alg": "RS256" }));
    assert_eq!((claims["iss"].as_str(), claims["sub"].as_str()), (Some("abc"), Some("abc")));
    assert_eq!(claims["aud"], "https://id.example.com", "a single string");
    assert_eq!((claims["iat"].as_i64(), claims["nbf"].as_i64()), (Some(NOW), Some(NOW)));
    let life = claims["exp"].as_i64().unwrap() - NOW;
    assert!((1..=300).contains(&life), "{life}");
    assert_eq!(claims.as_object().unwrap().len(), 7, "{claims}");
}

#[tokio::test]
async fn no_two_requests_have_the_same_id() {
    let folder = Folder::new();
    let registration = folder.registration(&ClientKey::ec(), false);
    let mut ids = HashSet::new();
    for _ in 0..50 {
        let (_, claims) = taken_apart(&by_key(&registration, NOW).await.unwrap());
        let id = claims["jti"].as_str().unwrap().to_owned();
        assert!(id.len() >= 22 && ids.insert(id.clone()), "{id}");
        let (_, claims) = taken_apart(&by_secret(&registration, &"s3cr3t".into(), NOW).unwrap());
        assert!(ids.insert(claims["jti"].as_str().unwrap().to_owned()));
    }
}

#[tokio::test]
async fn a_thumbprint_stands_for_the_certificate_that_only_the_server_has() {
    let folder = Folder::new();
    let key = ClientKey::rsa();
    let header_by =
        async |registration: &Registration| taken_apart(&by_key(registration, NOW).await.unwrap()).0;
    for (algorithm, by, name) in [("RS256", &SHA1_FOR_LEGACY_USE_ONLY, "x5t"), ("PS256", &SHA256, "x5t#S256")]
    {
        let mut registration = folder.registration(&key, true);
        registration.assertion.algorithm = (algorithm == "RS256").then_some(AssertionAlgorithm::Rs256);
        let with_certificate = header_by(&registration).await;
        let der = CertificateDer::from_pem_slice(key.certificate_pem.as_bytes()).unwrap();
        let hexadecimal: String =
            digest(by, &der).as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02X}"));
        registration.assertion.certificate = None;
        registration.assertion.algorithm = None;
        registration.assertion.thumbprint = Thumbprint::parse(&hexadecimal);
        let header = header_by(&registration).await;
        assert_eq!((&header, header["alg"].as_str()), (&with_certificate, Some(algorithm)), "{name}");
        assert!(header[name].is_string());
    }
}

#[tokio::test]
async fn key_certificate_and_choice_settle_algorithm_and_thumbprint() {
    let (rs, ps, es) = (AssertionAlgorithm::Rs256, AssertionAlgorithm::Ps256, AssertionAlgorithm::Es256);
    let (rsa, ec) = (ClientKey::rsa(), ClientKey::ec());
    for (key, with_certificate, chosen, algorithm, thumbprint) in [
        (&rsa, false, None, "RS256", None),
        (&rsa, false, Some(rs), "RS256", None),
        (&rsa, false, Some(ps), "PS256", None),
        (&rsa, true, None, "PS256", Some("x5t#S256")),
        (&rsa, true, Some(ps), "PS256", Some("x5t#S256")),
        (&rsa, true, Some(rs), "RS256", Some("x5t")),
        (&ec, false, None, "ES256", None),
        (&ec, false, Some(es), "ES256", None),
        (&ec, true, None, "ES256", Some("x5t#S256")),
    ] {
        let folder = Folder::new();
        let mut registration = folder.registration(key, with_certificate);
        registration.assertion.algorithm = chosen;
        let jwt = by_key(&registration, NOW).await.unwrap();
        let (header, _) = taken_apart(&jwt);
        assert_eq!(header["alg"], algorithm);
        let thumbprints: Vec<_> =
            ["x5t", "x5t#S256"].into_iter().filter(|name| header.get(name).is_some()).collect();
        assert_eq!(thumbprints, thumbprint.into_iter().collect::<Vec<_>>(), "{header}");
        if let Some(name) = thumbprint {
            let by = if name == "x5t" { &SHA1_FOR_LEGACY_USE_ONLY } else { &SHA256 };
            assert_eq!(header[name], URL_SAFE_NO_PAD.encode(digest(by, &key.certificate_der)));
        }
        let verification: &dyn VerificationAlgorithm = match algorithm {
            "RS256" => &RSA_PKCS1_2048_8192_SHA256,
            "PS256" => &RSA_PSS_2048_8192_SHA256,
            _ => &ECDSA_P256_SHA256_FIXED,
        };
        let (message, signature) = signed(&jwt);
        UnparsedPublicKey::new(verification, key.public()).verify(message, &signature).unwrap();
    }
}

#[tokio::test]
async fn a_secret_signs_with_hs256() {
    let secret = SecretString::from("s3cr3t~of the client");
    let jwt = by_secret(&registration(), &secret, NOW).unwrap();
    let (header, claims) = taken_apart(&jwt);
    assert_eq!((header["alg"].as_str(), claims["sub"].as_str()), (Some("HS256"), Some("abc")));
    let (message, signature) = signed(&jwt);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    hmac::verify(&key, message, &signature).unwrap();
}

#[tokio::test]
async fn the_whole_chain_is_carried_when_asked_for() {
    let (own, above) = (ClientKey::rsa(), ClientKey::ec());
    let folder = Folder::new();
    let mut registration = folder.registration(&own, true);
    folder.write("cert.pem", &format!("{}{}", own.certificate_pem, above.certificate_pem));
    let (header, _) = taken_apart(&by_key(&registration, NOW).await.unwrap());
    assert!(header.get("x5c").is_none());
    registration.assertion.x5c = true;
    let (header, _) = taken_apart(&by_key(&registration, NOW).await.unwrap());
    let chain = [&own, &above].map(|key| STANDARD.encode(&key.certificate_der));
    assert_eq!(header["x5c"], serde_json::json!(chain));
}

#[tokio::test]
async fn the_audience_is_the_issuer_unless_the_server_or_the_profile_wants_another() {
    let entra = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token";
    let other = "https://login.microsoftonline.com.example/token";
    let uri = |text: &str| Some(AssertionAudience::Uri(text.to_owned()));
    let issuer = "https://id.example.com";
    let mut by_profile = registration();
    by_profile.dialect.resource_style = ResourceStyle::Entra;
    let (_, claims) = taken_apart(&by_secret(&by_profile, &"s3cr3t".into(), NOW).unwrap());
    assert_eq!(claims["aud"], by_profile.token_endpoint);
    let microsofts = "https://login.microsoftonline.com/tenant/v2.0";
    for (named, token_endpoint, chosen, expected) in [
        (Some(issuer), "https://id.example.com/token", None, issuer),
        (Some(issuer), other, None, issuer),
        (Some(microsofts), entra, None, entra),
        (Some(microsofts), other, None, other),
        (None, entra, None, entra),
        // Some server's word does not make an assertion for Entra, which it could use there.
        (Some(issuer), entra, None, issuer),
        (Some(issuer), entra, Some(AssertionAudience::Issuer), issuer),
        (Some(issuer), other, Some(AssertionAudience::TokenEndpoint), other),
        (Some(issuer), entra, uri("api://x"), "api://x"),
        (None, other, None, other),
    ] {
        let mut registration = registration();
        registration.issuer = named.map(str::to_owned);
        registration.dialect.resource_style = ResourceStyle::at(named.into_iter().chain([token_endpoint]));
        registration.token_endpoint = token_endpoint.to_owned();
        registration.assertion.audience = chosen;
        let (_, claims) = taken_apart(&by_secret(&registration, &"s3cr3t".into(), NOW).unwrap());
        assert_eq!(claims["aud"], expected, "{registration:?}");
    }
}

#[tokio::test]
async fn what_a_package_names_is_sent_no_assertion_for_the_issuer() {
    for (endpoint, expected) in [
        ("https://other.example.com/token", "https://other.example.com/token"),
        ("https://id.example.com:8443/token", "https://id.example.com:8443/token"),
        ("https://id.example.com/other/token", "https://id.example.com"),
    ] {
        let mut registration = registration();
        registration.token_endpoint = endpoint.to_owned();
        registration.pinned_endpoint = AllowedEndpoint::parse(endpoint).unwrap().admit(endpoint);
        let (_, claims) = taken_apart(&by_secret(&registration, &"s3cr3t".into(), NOW).unwrap());
        assert_eq!(claims["aud"], expected, "{endpoint}");
    }
}

#[tokio::test]
async fn a_ready_made_assertion_is_read_anew_for_every_request() {
    let folder = Folder::new();
    let mut registration = registration();
    let path = folder.write("jwt", "first.of.all\n");
    registration.assertion.ready_made = Some(SecretSource::File(path.clone()));
    assert_eq!(by_key(&registration, NOW).await.unwrap().expose_secret(), "first.of.all");
    folder.write("jwt", "second.of.all");
    assert_eq!(by_key(&registration, NOW).await.unwrap().expose_secret(), "second.of.all");
    fs::remove_file(path).unwrap();
    let failure = by_key(&registration, NOW).await.unwrap_err();
    assert_eq!(failure.error, "client_assertion_unreadable");
}

#[tokio::test]
async fn what_cannot_prove_the_client_says_why_and_what_to_do() {
    let folder = Folder::new();
    let (key, other) = (ClientKey::rsa(), ClientKey::other_rsa());
    let certificate = |pem: &str| {
        let registration = folder.registration(&key, true);
        folder.write("cert.pem", pem);
        registration
    };
    let choosing = |key: &ClientKey, algorithm| {
        let mut registration = folder.registration(key, false);
        registration.assertion.algorithm = Some(algorithm);
        registration
    };
    let chain = format!("{}{}", other.certificate_pem, key.certificate_pem);
    for (make, error, says) in [
        (
            Box::new(|| certificate(&other.certificate_pem)) as Box<dyn Fn() -> Registration>,
            "client_certificate_unusable",
            "does not belong to the client key",
        ),
        (Box::new(|| certificate(&chain)), "client_certificate_unusable", "the key's own comes first"),
        (Box::new(|| certificate("s3cr3t")), "client_certificate_unusable", "is no certificate in PEM"),
        (
            Box::new(|| choosing(&key, AssertionAlgorithm::Es256)),
            "client_key_unusable",
            "correct assertion_algorithm",
        ),
        (
            Box::new(|| choosing(&ClientKey::ec(), AssertionAlgorithm::Ps256)),
            "client_key_unusable",
            "can only sign ES256",
        ),
        (Box::new(registration), "client_key_unusable", "is missing"),
    ] {
        let failure = by_key(&make(), NOW).await.unwrap_err();
        assert_eq!(failure.error, error, "{says}");
        assert!(failure.description.contains(says) && failure.description.contains("; "), "{failure:?}");
        assert!(!failure.description.contains("s3cr3t"), "{failure:?}");
    }
}
