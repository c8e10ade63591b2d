//! Reads how a client proves itself by a JWT, and holds what a profile says about its client against each other.

use url::Url;

use super::{ConfigError, secret, table::Table};
use crate::profile::{
    Assertion, AssertionAlgorithm, AssertionAudience, ClientAuth, Flow, Profile, Thumbprint,
};

const CERTIFICATE: &str = "client_certificate";
const THUMBPRINT: &str = "client_certificate_thumbprint";
const KEY: &str = "client_key";
const READY_MADE: &str = "client_assertion";
const AUDIENCE: &str = "assertion_audience";
const ALGORITHM: &str = "assertion_algorithm";
const X5C: &str = "assertion_x5c";

/// The keys read here.
pub(super) const KEYS: [&str; 7] = [CERTIFICATE, THUMBPRINT, KEY, READY_MADE, AUDIENCE, ALGORITHM, X5C];

pub(super) fn read(table: &Table<'_>) -> Result<Assertion, ConfigError> {
    let certificate = match table.text(CERTIFICATE)? {
        Some(path) if path.is_empty() => {
            return Err(table.error(CERTIFICATE, "client_certificate is empty; name a PEM file or remove it"));
        }
        path => path.map(|path| table.folder().join(path)),
    };
    Ok(Assertion {
        certificate,
        thumbprint: thumbprint(table)?,
        key: secret::read(table, KEY)?,
        ready_made: secret::read(table, READY_MADE)?,
        audience: audience(table)?,
        algorithm: algorithm(table)?,
        x5c: table.flag(X5C)?.unwrap_or(false),
    })
}

fn thumbprint(table: &Table<'_>) -> Result<Option<Thumbprint>, ConfigError> {
    let Some(text) = table.text(THUMBPRINT)? else {
        return Ok(None);
    };
    Thumbprint::parse(&text).map(Some).ok_or_else(|| {
        table.error(
            THUMBPRINT,
            "client_certificate_thumbprint must be 40 hexadecimal digits (SHA-1) or 64 (SHA-256); correct it",
        )
    })
}

fn audience(table: &Table<'_>) -> Result<Option<AssertionAudience>, ConfigError> {
    Ok(match table.text(AUDIENCE)?.as_deref() {
        None => None,
        Some("issuer") => Some(AssertionAudience::Issuer),
        Some("token_endpoint") => Some(AssertionAudience::TokenEndpoint),
        Some(uri) if Url::parse(uri).is_ok() => Some(AssertionAudience::Uri(uri.to_owned())),
        Some(_) => {
            let what =
                "assertion_audience must be \"issuer\", \"token_endpoint\" or an absolute URI; correct it";
            return Err(table.error(AUDIENCE, what));
        }
    })
}

fn algorithm(table: &Table<'_>) -> Result<Option<AssertionAlgorithm>, ConfigError> {
    let Some(text) = table.text(ALGORITHM)? else {
        return Ok(None);
    };
    match AssertionAlgorithm::NAMES.iter().find(|(name, _)| *name == text) {
        Some((_, algorithm)) => Ok(Some(*algorithm)),
        None => Err(table.error(
            ALGORITHM,
            "assertion_algorithm must be \"RS256\", \"PS256\" or \"ES256\"; correct it or remove it",
        )),
    }
}

/// Refuses what does not fit together.
pub(super) fn check(table: &Table<'_>, profile: &Profile) -> Result<(), ConfigError> {
    let Assertion { certificate, thumbprint, key, ready_made, audience, algorithm, x5c } = &profile.assertion;
    let fail = |key: &str, what: &str| Err(table.error(key, what));
    if key.is_some() && ready_made.is_some() {
        return fail(READY_MADE, "client_key and client_assertion exclude each other; remove one of them");
    }
    if certificate.is_some() && key.is_none() {
        return fail(
            CERTIFICATE,
            "client_certificate needs the client_key that belongs to it; add client_key",
        );
    }
    if certificate.is_some() && thumbprint.is_some() {
        return fail(
            THUMBPRINT,
            "client_certificate has its own thumbprint; remove client_certificate_thumbprint",
        );
    }
    if thumbprint.is_some() && key.is_none() {
        return fail(
            THUMBPRINT,
            "client_certificate_thumbprint needs the client_key that belongs to it; add client_key",
        );
    }
    if key.is_none() && algorithm.is_some() {
        return fail(ALGORITHM, "assertion_algorithm is for a client_key; add client_key or remove it");
    }
    if certificate.is_none() && *x5c {
        return fail(X5C, "assertion_x5c is for a client_certificate; add client_certificate or remove it");
    }
    match audience {
        Some(_) if ready_made.is_some() => {
            return fail(AUDIENCE, "a client_assertion has its own audience; remove assertion_audience");
        }
        Some(AssertionAudience::Issuer) if profile.issuer.is_none() => {
            return fail(
                AUDIENCE,
                "the profile has no issuer to be the audience; add issuer, or write a URI",
            );
        }
        _ => {}
    }
    check_client_auth(table, profile)
}

/// A profile must have what its `client_auth` and its flow need.
fn check_client_auth(table: &Table<'_>, profile: &Profile) -> Result<(), ConfigError> {
    let fail = |key: &str, what: &str| Err(table.error(key, what));
    let chosen = profile.client_auth.each();
    let chosen = || chosen.into_iter().flatten();
    if profile.flow == Flow::Certificate {
        if !profile.assertion.has_certificate() {
            return fail("flow", "flow certificate needs client_certificate and client_key; add them");
        }
        if chosen().any(|method| method != ClientAuth::PrivateKeyJwt) {
            return fail(
                "client_auth",
                "flow certificate proves the client by private_key_jwt; remove client_auth",
            );
        }
    }
    if !profile.assertion.can_prove() && chosen().any(|method| method == ClientAuth::PrivateKeyJwt) {
        let what = "client_auth private_key_jwt needs client_key or client_assertion; add one of them";
        return fail("client_auth", what);
    }
    // A process that logs in by client credentials may bring its secret.
    if profile.client_secret.is_none()
        && profile.flow != Flow::ClientCredentials
        && let Some((word, _)) =
            ClientAuth::WORDS.iter().find(|(_, word)| word.takes_secret() && chosen().any(|one| one == *word))
    {
        let what = format!(
            "client_auth {word} needs a client_secret; add client_secret, or use another client_auth"
        );
        return fail("client_auth", &what);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{config::Config, profile::SecretSource};

    fn parse(lines: &str) -> Result<Profile, ConfigError> {
        let text = format!("[profiles.work]\nclient_id = \"abc\"\n{lines}\n");
        let mut config = Config::parse(Path::new("/etc/fourinsight/config.toml"), &text)?;
        Ok(config.profiles.remove("work").unwrap())
    }

    const ISSUER: &str = "issuer = \"https://id.example.com\"\n";
    const PAIR: &str = "client_certificate = \"cert.pem\"\nclient_key = { file = \"key.pem\" }\n";

    #[test]
    fn everything_is_read_and_paths_start_from_the_folder() {
        let lines = "assertion_audience = \"api://x\"\nassertion_algorithm = \"RS256\"\nassertion_x5c = true";
        let profile = parse(&format!("{ISSUER}{PAIR}{lines}")).unwrap();
        let expected = Assertion {
            certificate: Some("/etc/fourinsight/cert.pem".into()),
            thumbprint: None,
            key: Some(SecretSource::File("/etc/fourinsight/key.pem".into())),
            ready_made: None,
            audience: Some(AssertionAudience::Uri("api://x".into())),
            algorithm: Some(AssertionAlgorithm::Rs256),
            x5c: true,
        };
        assert_eq!(profile.assertion, expected);
        let profile = parse(&format!("{ISSUER}client_assertion = {{ file = \"jwt\" }}")).unwrap();
        assert_eq!(profile.assertion.ready_made, Some(SecretSource::File("/etc/fourinsight/jwt".into())));
        for (word, audience) in
            [("issuer", AssertionAudience::Issuer), ("token_endpoint", AssertionAudience::TokenEndpoint)]
        {
            let lines = format!("{ISSUER}client_key.env = \"K\"\nassertion_audience = \"{word}\"");
            assert_eq!(parse(&lines).unwrap().assertion.audience, Some(audience));
        }
    }

    #[test]
    fn the_flow_certificate_needs_its_pair_and_nothing_else() {
        let flow = "flow = \"certificate\"\n";
        let profile = parse(&format!("{ISSUER}{flow}{PAIR}")).unwrap();
        assert!(profile.flow == Flow::Certificate && profile.flow.is_unattended());
        let by_hand = "token_endpoint = \"https://id.example.com/token\"\n";
        assert!(parse(&format!("{by_hand}{flow}{PAIR}client_auth = \"private_key_jwt\"")).is_ok());
        let by_thumbprint =
            format!("client_certificate_thumbprint = \"{}\"\nclient_key.env = \"K\"", "A1".repeat(20));
        let profile = parse(&format!("{ISSUER}{flow}{by_thumbprint}")).unwrap();
        assert!(profile.assertion.thumbprint.is_some_and(|thumbprint| thumbprint.is_sha1()));
        for (lines, says) in [
            (format!("{ISSUER}{flow}"), "needs client_certificate and client_key"),
            (format!("{ISSUER}{flow}client_key = {{ env = \"K\" }}"), "needs client_certificate"),
            (
                format!("{ISSUER}{flow}{PAIR}client_secret.env = \"S\"\nclient_auth = \"basic\""),
                "remove client_auth",
            ),
        ] {
            let error = parse(&lines).unwrap_err();
            assert!(error.what.contains(says), "{lines}: {error}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused_where_it_stands() {
        let key = "client_key = { env = \"K\" }";
        let jwt = "client_assertion = { env = \"J\" }";
        for (lines, says) in [
            (format!("{key}\n{jwt}"), "exclude each other"),
            ("client_certificate = \"c.pem\"".to_owned(), "needs the client_key"),
            (format!("client_certificate = \"\"\n{key}"), "client_certificate is empty"),
            (
                format!("{PAIR}client_certificate_thumbprint = \"{}\"", "a1".repeat(20)),
                "remove client_certificate_thumbprint",
            ),
            (format!("client_certificate_thumbprint = \"{}\"", "a1".repeat(20)), "needs the client_key"),
            (format!("{key}\nclient_certificate_thumbprint = \"s3cr3t\""), "must be 40 hexadecimal digits"),
            (format!("{jwt}\nassertion_algorithm = \"RS256\""), "is for a client_key"),
            (format!("{key}\nassertion_x5c = true"), "is for a client_certificate"),
            (format!("{jwt}\nassertion_audience = \"issuer\""), "has its own audience"),
            (format!("{key}\nassertion_audience = \"s3cr3t\""), "must be \"issuer\", \"token_endpoint\""),
            (format!("{key}\nassertion_algorithm = \"HS256\""), "must be \"RS256\", \"PS256\" or \"ES256\""),
            ("client_key = \"s3cr3t\"".to_owned(), "client_key is never written here"),
            ("client_assertion = \"s3cr3t\"".to_owned(), "client_assertion is never written here"),
            ("client_auth = \"private_key_jwt\"".to_owned(), "needs client_key or client_assertion"),
            ("client_auth = { revoke = \"private_key_jwt\" }".to_owned(), "needs client_key or"),
            (format!("{key}\nclient_auth = \"post\""), "client_auth post needs a client_secret"),
            (
                format!("{key}\nclient_auth = \"client_secret_jwt\""),
                "client_secret_jwt needs a client_secret",
            ),
            ("client_auth = { device = \"secret_only\" }".to_owned(), "secret_only needs a client_secret"),
        ] {
            let error = parse(&format!("{ISSUER}{lines}")).unwrap_err();
            assert!(error.what.contains(says), "{lines}: {error}");
            assert!(error.what.contains("; ") && !error.what.contains("s3cr3t"), "{error}");
            assert!(error.line.is_some_and(|line| line > 3), "{lines}: {error}");
        }
        let by_hand = "authorization_endpoint = \"https://h/a\"\ntoken_endpoint = \"https://h/t\"";
        let error = parse(&format!("{by_hand}\n{key}\nassertion_audience = \"issuer\"")).unwrap_err();
        assert!(error.what.contains("no issuer to be the audience"), "{error}");
    }
}
