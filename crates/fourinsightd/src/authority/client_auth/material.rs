//! What a client proves itself with, read from where the profile says it is; and the words for when it is not there.

use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::secret::{self, Unreadable};
use crate::{authority::Failure, profile::SecretSource};

/// What says that the client could not be proven.
const CODES: [&str; 6] = [
    "client_secret_unreadable",
    "client_key_unreadable",
    "client_certificate_unreadable",
    "client_assertion_unreadable",
    "client_key_unusable",
    "client_certificate_unusable",
];

/// Whether this says that the client could not be proven, so that no request was made, and waiting does not help.
pub(crate) fn is_unusable(failure: &Failure) -> bool {
    CODES.contains(&failure.error.as_str())
}

/// Reads a client secret.
pub(super) async fn read_secret(source: &SecretSource) -> Result<SecretString, Failure> {
    if let SecretSource::Brought(brought) = source {
        return brought.secret().cloned().ok_or_else(needed);
    }
    secret::read(source).await.map_err(|why| unreadable(Material::Secret, &place(source), &why))
}

/// Whether a client secret that may be in one of several places is in one, so that a login need not begin when it
/// cannot end. Places that a person named are looked at when the secret is needed: a command may ask something.
pub(crate) async fn look_for(source: &SecretSource) -> Result<(), Failure> {
    match source {
        SecretSource::FirstOf(_) | SecretSource::Package(_) => read_secret(source).await.map(drop),
        _ => Ok(()),
    }
}

/// Reads a ready-made client assertion.
pub(super) async fn read_assertion(source: &SecretSource) -> Result<SecretString, Failure> {
    secret::read(source).await.map_err(|why| unreadable(Material::Assertion, &place(source), &why))
}

/// Reads the text of a client key.
pub(super) async fn read_key(source: &SecretSource) -> Result<Zeroizing<Vec<u8>>, Failure> {
    secret::whole(source).await.map_err(|why| unreadable(Material::Key, &place(source), &why))
}

/// Reads the text of a client certificate.
pub(super) async fn read_certificate(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let source = SecretSource::File(path.to_owned());
    secret::whole(&source).await.map_err(|why| unreadable(Material::Certificate, &place(&source), &why))
}

/// A process brought the client secret to an earlier run of the daemon.
pub(crate) fn needed() -> Failure {
    Failure::ours(
        "client_secret_needed",
        "a process brought this session's client secret, and the daemon kept it in memory only; log in again and \
         bring it",
    )
}

/// The client key was read and is of no use: what is wrong, and what to do next.
pub(super) fn unusable_key(what: &str, next: &str) -> Failure {
    Failure::ours("client_key_unusable", format!("the client key {what}; {next}"))
}

/// The client certificate was read and is of no use: what is wrong, and what to do next.
pub(super) fn unusable_certificate(what: &str, next: &str) -> Failure {
    Failure::ours("client_certificate_unusable", format!("the client certificate {what}; {next}"))
}

/// What a profile names.
#[derive(Clone, Copy)]
enum Material {
    Secret,
    Key,
    Certificate,
    Assertion,
}

fn unreadable(material: Material, place: &str, why: &Unreadable) -> Failure {
    // Own words: the place is shown whole, though a path may look like a token.
    let words = |name: &str, key: &str| {
        format!("cannot read the {name} from {place}: {why}; correct `{key}` or its source")
    };
    match material {
        Material::Secret => {
            Failure::ours("client_secret_unreadable", words("client secret", "client_secret"))
        }
        Material::Key => Failure::ours("client_key_unreadable", words("client key", "client_key")),
        Material::Certificate => {
            Failure::ours("client_certificate_unreadable", words("client certificate", "client_certificate"))
        }
        Material::Assertion => {
            Failure::ours("client_assertion_unreadable", words("client assertion", "client_assertion"))
        }
    }
}

fn place(source: &SecretSource) -> String {
    match source {
        SecretSource::File(path) => format!("the file {}", path.display()),
        SecretSource::Env(name) => format!("the daemon's variable {name}"),
        SecretSource::Command(words) => {
            format!("the command {}", words.first().map_or("", String::as_str))
        }
        SecretSource::Brought(_) => "the daemon's memory".to_owned(),
        SecretSource::Member(value) => format!("{} in the file {}", value.key, value.file.display()),
        SecretSource::Package(value) => format!("the Python package {}", value.package),
        SecretSource::FirstOf(sources) => sources.iter().map(place).collect::<Vec<_>>().join(" or "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whatever_cannot_be_read_is_named_with_its_place_and_its_key() {
        let missing = SecretSource::Env("FOURINSIGHT_TEST_UNSET_VARIABLE".into());
        let failures = [
            (read_secret(&missing).await.unwrap_err(), "client secret", "client_secret"),
            (read_assertion(&missing).await.unwrap_err(), "client assertion", "client_assertion"),
            (read_key(&missing).await.unwrap_err(), "client key", "client_key"),
        ];
        for (failure, name, key) in failures {
            assert_eq!(failure.error, format!("{key}_unreadable"));
            let text = format!(
                "cannot read the {name} from the daemon's variable FOURINSIGHT_TEST_UNSET_VARIABLE: it is not set; \
                 correct `{key}` or its source"
            );
            assert_eq!(failure.description, text);
            assert!(is_unusable(&failure));
        }
        let failure = read_certificate(Path::new("/nonexistent/cert.pem")).await.unwrap_err();
        assert!(failure.description.contains("client certificate from the file /nonexistent/cert.pem"));
        assert!(is_unusable(&failure) && is_unusable(&unusable_key("is odd", "make another")));
        assert!(!is_unusable(&needed()) && !is_unusable(&Failure::new("state_unreadable", "")));
    }
}
