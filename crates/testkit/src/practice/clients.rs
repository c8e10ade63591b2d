//! The registered clients: which redirect URIs they may use, and how they prove themselves.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;

use super::{
    answer::{Cause, Refusal},
    assertion,
    client_keys::RegisteredKey,
    ledger::Entry,
    site::Site,
};

/// A way in which a client proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_secret_basic`: form-encoded first (RFC 6749 section 2.3.1).
    Basic,
    /// HTTP Basic without form-encoding first.
    BasicRaw,
    /// `client_secret_post`.
    Post,
    /// A public client's `client_id`.
    None,
    /// The secret in the body, and no `client_id` anywhere.
    SecretOnly,
    /// `private_key_jwt` (RFC 7523).
    PrivateKeyJwt,
    /// `client_secret_jwt` (OpenID Connect Core section 9).
    ClientSecretJwt,
}

/// A client registration (RFC 6749 section 2).
#[derive(Clone)]
pub struct Client {
    /// Its identifier.
    pub id: String,
    /// Its name on the login page.
    pub name: String,
    /// Its secret; without one and without a key it is a public client.
    pub secret: Option<String>,
    /// The key that it signs client assertions with.
    pub key: Option<RegisteredKey>,
    /// The ways in which it may prove itself; any other is refused though its secret be right.
    pub accepts: Vec<ClientAuthentication>,
    /// Its redirect URIs, compared byte for byte but for a loopback URI's port (RFC 8252 section 7.3).
    pub redirect_uris: Vec<String>,
}

impl Client {
    /// The public client `practice-client`, with every usual loopback redirect URI and one of another kind.
    pub fn public() -> Self {
        Self {
            id: "practice-client".to_owned(),
            name: "Practice client".to_owned(),
            secret: None,
            key: None,
            accepts: vec![ClientAuthentication::None],
            redirect_uris: usual_redirect_uris(),
        }
    }

    /// The confidential client `practice confidential`: its identifier and its secret hold what only correct
    /// form encoding carries over (RFC 6749 section 2.3.1).
    pub fn confidential() -> Self {
        Self {
            id: "practice confidential".to_owned(),
            name: "Confidential practice client".to_owned(),
            secret: Some("s3cr3t: of~the+practice/client=100%&more".to_owned()),
            key: None,
            accepts: vec![ClientAuthentication::Basic, ClientAuthentication::Post],
            redirect_uris: usual_redirect_uris(),
        }
    }

    /// The client `practice key holder`, which proves itself by assertions that it signs with this key.
    pub fn with_key(key: RegisteredKey) -> Self {
        Self {
            id: "practice key holder".to_owned(),
            name: "Practice client with a key".to_owned(),
            secret: None,
            key: Some(key),
            accepts: vec![ClientAuthentication::PrivateKeyJwt],
            redirect_uris: usual_redirect_uris(),
        }
    }

    /// Whether it has nothing to prove itself with.
    pub fn is_public(&self) -> bool {
        self.secret.is_none() && self.key.is_none()
    }

    /// The confidential client, proving itself in these ways only.
    #[must_use]
    pub fn accepting(self, ways: &[ClientAuthentication]) -> Self {
        Self { accepts: ways.to_vec(), ..self }
    }

    /// Whether this client may be answered at this redirect URI.
    pub fn may_redirect_to(&self, uri: &str) -> bool {
        let portless = without_loopback_port(uri);
        self.redirect_uris.iter().any(|registered| {
            registered == uri || (portless.is_some() && without_loopback_port(registered) == portless)
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("id", &self.id)
            .field("public", &self.secret.is_none())
            .field("accepts", &self.accepts)
            .finish_non_exhaustive()
    }
}

/// Finds the client that a request to the token or revocation endpoint comes from, and lets it prove itself in one
/// of the ways that it is registered for.
pub(super) fn authenticate<'a>(site: &'a Site, request: &Entry) -> Result<&'a Client, Refusal> {
    let header = basic(request)?;
    let used_header = header.is_some();
    let refuse = |description, cause| Refusal::invalid_client(description, used_header).because(cause);
    let (id, secret) = (request.form.get("client_id"), request.form.get("client_secret"));
    let assertion = request.form.get("client_assertion");
    if [used_header, secret.is_some(), assertion.is_some()].iter().filter(|used| **used).count() > 1 {
        return Err(Refusal::invalid_request("more than one way of client authentication"));
    }
    if let Some(assertion) = assertion {
        return assertion::authenticate(site, request, assertion);
    }
    let clients = &site.practice.settings().clients;
    let known = |id: &str| clients.iter().find(|client| client.id == id);
    let (client, proofs) = match (&header, id, secret) {
        (Some(raw), id, _) => {
            let decoded = raw.decoded();
            let client = decoded.as_ref().and_then(|(id, _)| known(id)).or_else(|| known(&raw.id));
            if client.zip(id).is_some_and(|(client, id)| client.id != id) {
                return Err(Refusal::invalid_request("client_id and the Authorization header differ"));
            }
            let encoded = decoded.map(|(_, secret)| (ClientAuthentication::Basic, secret));
            let raw = (ClientAuthentication::BasicRaw, raw.secret.clone());
            (client, encoded.into_iter().chain([raw]).collect())
        }
        (None, Some(id), Some(secret)) => (known(id), vec![(ClientAuthentication::Post, secret.to_owned())]),
        (None, Some(id), None) => (known(id), vec![]),
        (None, None, Some(secret)) => {
            let client = clients.iter().find(|client| client.secret.as_deref() == Some(secret));
            (client, vec![(ClientAuthentication::SecretOnly, secret.to_owned())])
        }
        (None, None, None) => return Err(refuse("no client authentication", Cause::SecretMissing)),
    };
    let client = client.ok_or_else(|| refuse("unknown client", Cause::ClientUnknown))?;
    let Some(expected) = client.secret.as_ref().filter(|_| !proofs.is_empty()) else {
        return if client.secret.is_none() && !proofs.is_empty() {
            let cause = if client.is_public() { Cause::SecretUnwanted } else { Cause::SecretWrong };
            Err(refuse("this client has no secret", cause))
        } else if client.accepts.contains(&ClientAuthentication::None) {
            Ok(client)
        } else {
            Err(refuse("this client is not public, and must prove itself", Cause::SecretMissing))
        };
    };
    let mut right = proofs.iter().filter(|(_, given)| given == expected).map(|(way, _)| way).peekable();
    if right.peek().is_none() {
        Err(refuse("wrong client secret", Cause::SecretWrong))
    } else if right.any(|way| client.accepts.contains(way)) {
        Ok(client)
    } else {
        Err(refuse("this client is registered for another way of authentication", Cause::Other))
    }
}

/// The pair of an `Authorization: Basic` header, as it stands there.
struct Pair {
    id: String,
    secret: String,
}

impl Pair {
    /// Both halves form-decoded; `None` when they are no form encoding.
    fn decoded(&self) -> Option<(String, String)> {
        Some((form_decoded(&self.id)?, form_decoded(&self.secret)?))
    }
}

fn basic(request: &Entry) -> Result<Option<Pair>, Refusal> {
    let Some(value) = request.header("authorization") else { return Ok(None) };
    let malformed = || Refusal::invalid_client("malformed Authorization header", true);
    let (scheme, encoded) = value.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let bytes = STANDARD.decode(encoded.trim()).map_err(|_| malformed())?;
    let text = String::from_utf8(bytes).map_err(|_| malformed())?;
    let (id, secret) = text.split_once(':').ok_or_else(malformed)?;
    Ok(Some(Pair { id: id.to_owned(), secret: secret.to_owned() }))
}

fn form_decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// A plain http loopback URI cut around its port; `None` for every other URI.
fn without_loopback_port(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let host = ["127.0.0.1", "[::1]", "localhost"].into_iter().find(|host| rest.starts_with(host))?;
    let rest = &rest[host.len()..];
    let after_port = match rest.strip_prefix(':') {
        Some(port) => port.trim_start_matches(|digit: char| digit.is_ascii_digit()),
        None => rest,
    };
    (after_port.is_empty() || after_port.starts_with(['/', '?'])).then_some((host, after_port))
}

fn usual_redirect_uris() -> Vec<String> {
    let loopback = ["127.0.0.1", "[::1]", "localhost"]
        .into_iter()
        .flat_map(|host| ["", "/", "/callback"].map(|path| format!("http://{host}{path}")));
    loopback.chain(["https://app.example/callback".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_port_is_free() {
        let mut client = Client::public();
        client.redirect_uris =
            vec!["http://127.0.0.1/callback".to_owned(), "https://app.example/callback".to_owned()];
        for (uri, allowed) in [
            ("http://127.0.0.1/callback", true),
            ("http://127.0.0.1:53000/callback", true),
            ("https://app.example/callback", true),
            ("http://127.0.0.1:53000/callback/", false),
            ("http://127.0.0.1:53000/Callback", false),
            ("http://127.0.0.1:53000", false),
            ("http://localhost:53000/callback", false),
            ("http://127.0.0.1.example:1/callback", false),
            ("http://127.0.0.1:1@example/callback", false),
            ("http://127.0.0.1:x/callback", false),
            ("https://127.0.0.1:53000/callback", false),
            ("https://app.example:8443/callback", false),
        ] {
            assert_eq!(client.may_redirect_to(uri), allowed, "{uri}");
        }
    }

    #[test]
    fn basic_is_form_decoded() {
        assert_eq!(form_decoded("a+b%20c~%2B%3a").as_deref(), Some("a b c~+:"));
        assert_eq!(form_decoded("%ff"), None);
    }
}
