//! What a client proves itself with, read from where the profile says it is; and the words for when it is not there.

use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::secret::{self, Unreadable};
use crate::{authority::Failure, profile::SecretSource};

/// Something that a profile names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Material {
    Secret,
    Key,
    Certificate,
    Assertion,
}

impl Material {
    const ALL: [Self; 4] = [Self::Secret, Self::Key, Self::Certificate, Self::Assertion];

    /// For people.
    fn name(self) -> &'static str {
        match self {
            Self::Secret => "client secret",
            Self::Key => "client key",
            Self::Certificate => "client certificate",
            Self::Assertion => "client assertion",
        }
    }

    /// Its key in the configuration.
    fn key(self) -> &'static str {
        match self {
            Self::Secret => "client_secret",
            Self::Key => "client_key",
            Self::Certificate => "client_certificate",
            Self::Assertion => "client_assertion",
        }
    }

    /// It could not be read.
    fn unreadable(self, place: &str, why: &Unreadable) -> Failure {
        let (name, key) = (self.name(), self.key());
        // Own words: the place is shown whole, though a path may look like a token.
        Failure {
            error: format!("{key}_unreadable"),
            description: format!("cannot read the {name} from {place}: {why}; correct `{key}` or its source"),
        }
    }

    /// It was read and is of no use: what is wrong, and what to do next.
    pub(super) fn unusable(self, what: &str, next: &str) -> Failure {
        Failure {
            error: format!("{}_unusable", self.key()),
            description: format!("the {} {what}; {next}", self.name()),
        }
    }
}

/// Whether this says that the client could not be proven, so that no request was made, and waiting does not help.
pub(crate) fn is_unusable(failure: &Failure) -> bool {
    let code = failure.error.strip_suffix("_unreadable").or_else(|| failure.error.strip_suffix("_unusable"));
    code.is_some_and(|code| Material::ALL.iter().any(|material| material.key() == code))
}

/// Reads a client secret.
pub(super) async fn read_secret(source: &SecretSource) -> Result<SecretString, Failure> {
    if let SecretSource::Brought(brought) = source {
        return brought.secret().cloned().ok_or_else(needed);
    }
    secret::read(source).await.map_err(|why| Material::Secret.unreadable(&place(source), &why))
}

/// Reads a ready-made client assertion.
pub(super) async fn read_assertion(source: &SecretSource) -> Result<SecretString, Failure> {
    secret::read(source).await.map_err(|why| Material::Assertion.unreadable(&place(source), &why))
}

/// Reads the text of a client key.
pub(super) async fn read_key(source: &SecretSource) -> Result<Zeroizing<Vec<u8>>, Failure> {
    secret::whole(source).await.map_err(|why| Material::Key.unreadable(&place(source), &why))
}

/// Reads the text of a client certificate.
pub(super) async fn read_certificate(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let source = SecretSource::File(path.to_owned());
    secret::whole(&source).await.map_err(|why| Material::Certificate.unreadable(&place(&source), &why))
}

/// A process brought the client secret to an earlier run of the daemon.
pub(crate) fn needed() -> Failure {
    Failure {
        error: "client_secret_needed".to_owned(),
        description:
            "a process brought this session's client secret, and the daemon kept it in memory only; \
            log in again and bring it"
                .to_owned(),
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
        assert!(is_unusable(&failure) && is_unusable(&Material::Key.unusable("is odd", "make another")));
        assert!(!is_unusable(&needed()) && !is_unusable(&Failure::new("state_unreadable", "")));
    }
}
