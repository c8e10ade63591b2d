//! The package that a sign-in page hands out for pasting: `{"endpoint": …, "code": …}`.
//!
//! It carries neither `state` nor a code challenge, so nothing in it says who made it. The endpoint is taken only
//! where the profile allows it, and the person confirms endpoint and identity before anything is saved.

use fourinsight_ipc::{ErrorBody, ErrorCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::{callback::Answer, pasted::unwrapped};
use crate::authority::{
    allowed::{AllowedEndpoint, PinnedEndpoint},
    text::clean,
};

/// Longer than any package.
const LONGEST: usize = 16 * 1024;

/// Which packages are taken.
#[derive(Debug)]
pub(super) struct Packages {
    /// The token endpoints that may be named.
    pub(super) allowed: Vec<AllowedEndpoint>,
    /// What the session was signed in with before.
    pub(super) pinned: Option<PinnedEndpoint>,
}

#[derive(Deserialize)]
struct Package {
    endpoint: String,
    code: SecretString,
}

/// Reads a package; `None` when the text does not look like one.
pub(super) fn read(packages: &Packages, pasted: &str) -> Option<Result<Answer, ErrorBody>> {
    // The quotes of a shell may surround it, but its own braces are no quotes.
    let text = unwrapped(pasted);
    text.starts_with('{').then(|| understood(packages, text))
}

fn understood(packages: &Packages, text: &str) -> Result<Answer, ErrorBody> {
    let package: Package =
        serde_json::from_str(text).ok().filter(|_| text.len() <= LONGEST).ok_or_else(not_a_package)?;
    let code = package.code.expose_secret();
    // RFC 6749 appendix A.11, without the space.
    if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(not_a_package());
    }
    let endpoint = packages.allowed.iter().find_map(|allowed| allowed.admit(&package.endpoint));
    let endpoint = endpoint.ok_or_else(|| refused(&package.endpoint))?;
    if packages.pinned.as_ref().is_some_and(|pinned| pinned.contradicts(&endpoint)) {
        return Err(ErrorBody::new(
            ErrorCode::InvalidRequest,
            "What was pasted names another tenant than the one that this session was signed in with. Nothing was sent.",
        )
        .hint("use another session, or revoke this one first if the tenant has really changed"));
    }
    Ok(Answer::Package { code: package.code, endpoint })
}

/// What was pasted is no package.
pub(super) fn not_a_package() -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidRequest, "What was pasted is not the text that the page shows.").hint(
        "after signing in, copy the whole text from { to }, with \"endpoint\" and \"code\" in it, and paste it on \
         one line; this login goes on waiting",
    )
}

/// Names the host, and nothing else of what a stranger may have written.
fn refused(endpoint: &str) -> ErrorBody {
    let host = Url::parse(endpoint).ok().and_then(|url| {
        let host = clean(url.host_str().filter(|host| !host.is_empty() && host.len() <= 253)?);
        Some(match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host,
        })
    });
    let at = match host {
        Some(host) => format!("a token endpoint at {host} that the profile does not allow"),
        None => "a token endpoint that is no address of a server".to_owned(),
    };
    ErrorBody::new(ErrorCode::InvalidRequest, format!("What was pasted names {at}. Nothing was sent."))
        .hint("sign in at the page that this login named and nowhere else; if the endpoint is right, add it to allowed_token_endpoints")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages() -> Packages {
        let allowed = ["https://login.example.com/token", "https://open.example.com/{tenant}/token"];
        Packages {
            allowed: allowed.iter().filter_map(|entry| AllowedEndpoint::parse(entry)).collect(),
            pinned: None,
        }
    }

    #[test]
    fn a_package_for_an_allowed_endpoint_is_taken() {
        for (text, url) in [
            (
                r#"{"endpoint":"https://login.example.com/token","code":"c~1"}"#,
                "https://login.example.com/token",
            ),
            (
                r#"  '{ "code": "c~1", "more": [1], "endpoint": "https://login.example.com/token" }' "#,
                "https://login.example.com/token",
            ),
            (
                r#"{"endpoint":"https://open.example.com/a.b/token","code":"c~1"}"#,
                "https://open.example.com/a.b/token",
            ),
        ] {
            match read(&packages(), text) {
                Some(Ok(Answer::Package { code, endpoint })) => {
                    assert_eq!((code.expose_secret(), endpoint.url().as_deref()), ("c~1", Some(url)));
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_package_is_refused_and_never_repeated() {
        let long =
            format!(r#"{{"endpoint":"https://login.example.com/token","code":"{}"}}"#, "c4nary".repeat(4000));
        for text in [
            "{c4nary}",
            r#"{"endpoint":"https://login.example.com/token"}"#,
            r#"{"code":"c4nary"}"#,
            r#"{"endpoint":"https://login.example.com/token","code":""}"#,
            r#"{"endpoint":"https://login.example.com/token","code":"c4nary "}"#,
            r#"{"endpoint":"https://login.example.com/token","code":["c4nary"]}"#,
            r#"{"endpoint":"https://login.example.com/token","code":"c4nary","code":"c4nary"}"#,
            r#"{"endpoint":"https://evil.example/","endpoint":"https://login.example.com/token","code":"c4nary"}"#,
            r#"{"endpoint":"https://login.example.com/token","code":"c4nary"} c4nary"#,
            &long,
        ] {
            let error = read(&packages(), text).expect(text).unwrap_err();
            assert!(!format!("{error:?}").contains("c4nary"), "{error:?}");
        }
        assert!(read(&packages(), "https://app.example/?code=c").is_none());
    }

    #[test]
    fn a_refusal_names_the_host_and_nothing_else() {
        for (endpoint, host) in [
            ("https://evil.example/c4nary/token?c4nary#c4nary", "at evil.example that"),
            ("https://login.example.com@evil.example/token", "at evil.example that"),
            ("https://evil.example\\\\@login.example.com/token", "at evil.example that"),
            ("https://login.example.com:8443/token", "at login.example.com:8443 that"),
            ("https://b\u{fc}cher.example/token", "at xn--bcher-kva.example that"),
            ("c4nary", "no address of a server"),
        ] {
            let text = format!(r#"{{"endpoint":"{endpoint}","code":"c4nary"}}"#);
            let error = read(&packages(), &text).unwrap().unwrap_err();
            assert!(error.error_description.contains(host), "{endpoint}: {error:?}");
            assert!(!format!("{error:?}").contains("c4nary"), "{error:?}");
        }
    }

    #[test]
    fn a_session_keeps_the_tenant_that_it_was_signed_in_with() {
        let text =
            |tenant: &str| format!(r#"{{"endpoint":"https://open.example.com/{tenant}/token","code":"c"}}"#);
        let pinned = packages().allowed[1].admit("https://open.example.com/one/token");
        let packages = Packages { pinned, ..packages() };
        assert!(read(&packages, &text("one")).unwrap().is_ok());
        let error = read(&packages, &text("two")).unwrap().unwrap_err();
        assert!(error.error_description.contains("another tenant"), "{error:?}");
    }
}
