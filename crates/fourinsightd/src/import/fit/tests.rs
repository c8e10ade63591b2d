//! Which profile is found, and that no other server is.

use super::*;
use crate::token::RefreshToken;

const CONFIG: &str = r#"
[profiles.fourinsight]
flow = "paste"
authorization_endpoint = "https://4insight.example/auth"
allowed_token_endpoints = ["https://login.example/{tenant}/oauth2/v2.0/token"]
client_id = "fourinsight"
[profiles.entra]
issuer = "https://login.microsoftonline.com/contoso.example/v2.0"
client_id = "one"
[profiles.entra-two]
issuer = "https://login.microsoftonline.com/common/v2.0"
client_id = "two"
[profiles.entra-two-more]
issuer = "https://login.microsoftonline.com/contoso.example/v2.0"
client_id = "two"
flow = "device"
[profiles.by-hand]
authorization_endpoint = "https://hand.example/authorize"
token_endpoint = "https://hand.example/token"
client_id = "hand"
[profiles.batch]
flow = "client_credentials"
issuer = "https://login.microsoftonline.com/contoso.example/v2.0"
client_id = "batch"
client_secret = { env = "X" }
"#;

fn config() -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, CONFIG).unwrap();
    Config::load(&path).unwrap()
}

fn at(token_url: &str) -> Found {
    Found { token_url: Some(token_url.to_owned()), ..Found::new(RefreshToken::new("c4nary".to_owned())) }
}

fn of(client_id: &str, environment: &str) -> Found {
    Found {
        client_id: Some(client_id.to_owned()),
        environment: Some(environment.to_owned()),
        ..Found::new(RefreshToken::new("c4nary".to_owned()))
    }
}

fn found(name: Option<&str>, found: &Found, format: ImportFormat) -> Result<(String, Endpoint), String> {
    match find(&config(), name, found, format) {
        Ok(fit) => Ok((fit.profile.name, fit.endpoint)),
        Err(error) => Err(format!("{} {}", error.error_description, error.hint.unwrap_or_default())),
    }
}

#[test]
fn a_token_endpoint_has_to_be_allowed_or_the_profiles_own() {
    const API: ImportFormat = ImportFormat::FourinsightApi;
    let (name, endpoint) =
        found(None, &at("https://login.example/t.example/oauth2/v2.0/token"), API).unwrap();
    assert_eq!(name, "fourinsight");
    let Endpoint::Allowed(pinned) = endpoint else { panic!("not pinned") };
    assert_eq!(pinned.tenant(), Some("t.example"));
    assert_eq!(
        found(None, &at("https://hand.example/token"), API),
        Ok(("by-hand".to_owned(), Endpoint::OfProfile))
    );
    for url in [
        "https://login.example.evil/t/oauth2/v2.0/token",
        "https://login.example/t/../oauth2/v2.0/token",
        "http://login.example/t/oauth2/v2.0/token",
        "https://login.example/t/oauth2/v2.0/token?x=c4nary",
        "https://c4nary@login.example/t/oauth2/v2.0/token",
        "https://HAND.example/token",
        "c4nary",
    ] {
        let error = found(None, &at(url), API).unwrap_err();
        assert!(error.contains("no profile allows") && error.contains("Nothing was sent"), "{error}");
        assert!(!error.contains("c4nary"), "{error}");
        let error = found(Some("fourinsight"), &at(url), API).unwrap_err();
        assert!(error.contains("no profile allows"), "{error}");
    }
    let url = "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token";
    assert_eq!(
        found(Some("entra"), &at(url), ImportFormat::Oauthlib),
        Ok(("entra".to_owned(), Endpoint::Same(url.to_owned()))),
        "its server is asked first"
    );
    let error = found(Some("entra"), &at(url), API).unwrap_err();
    assert!(
        error.contains("no profile allows"),
        "a server in common makes it no login of the profile's: {error}"
    );
}

#[test]
fn a_client_and_a_host_have_to_be_the_profiles() {
    const MSAL: ImportFormat = ImportFormat::Msal;
    for host in ["login.microsoftonline.com", "login.windows.net"] {
        let fit = found(None, &of("one", host), MSAL);
        assert_eq!(fit, Ok(("entra".to_owned(), Endpoint::OfProfile)), "{host}");
    }
    let error = found(None, &of("two", "login.microsoftonline.com"), MSAL).unwrap_err();
    assert!(error.contains("entra-two, entra-two-more"), "{error}");
    assert!(found(Some("entra-two-more"), &of("two", "login.microsoftonline.com"), MSAL).is_ok());
    for (name, found_login, says) in [
        (None, of("three", "login.microsoftonline.com"), "client_id = \"three\""),
        (None, of("one", "login.evil.example"), "login.evil.example"),
        (None, of("c4nary c4nary", "login.evil.example"), "the login's client_id"),
        (Some("entra"), of("two", "login.microsoftonline.com"), "another client"),
        (Some("entra"), of("one", "login.evil.example"), "No profile is for"),
        (Some("batch"), of("batch", "login.microsoftonline.com"), "client_credentials"),
        (Some("nobody"), of("one", "login.microsoftonline.com"), "no profile of that name"),
    ] {
        let error = found(name, &found_login, MSAL).unwrap_err();
        assert!(error.contains(says), "{error}");
        assert!(!error.contains("c4nary"), "{error}");
    }
}

#[test]
fn without_any_server_the_profile_has_to_be_named() {
    let bare = Found::new(RefreshToken::new("c4nary".to_owned()));
    let error = found(None, &bare, ImportFormat::Oauthlib).unwrap_err();
    assert!(error.contains("--profile") && error.contains("entra-two"), "{error}");
    assert_eq!(
        found(Some("entra"), &bare, ImportFormat::Oauthlib),
        Ok(("entra".to_owned(), Endpoint::OfProfile))
    );
}
