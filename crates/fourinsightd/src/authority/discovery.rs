//! Finds the server's endpoints: OpenID Connect Discovery, then RFC 8414, overridden by hand.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use url::Url;
use zeroize::Zeroizing;

use super::{Dialect, Failure, Registration, ResourceStyle, client_auth, json::Object};
use crate::{
    http::{HttpExchange, HttpRequest, is_confidential},
    profile::{Endpoints, Flow, Profile},
};

/// How long one metadata document may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// A registration made ready, and what is odd about the server.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// All that later requests need.
    pub registration: Registration,
    /// What the server does that is odd but no reason to refuse it.
    pub warnings: Vec<String>,
}

/// Turns a profile into a registration: asks the issuer for its metadata, if the profile names one, and lets
/// endpoints written by hand go before it.
pub async fn discover(exchange: &dyn HttpExchange, profile: &Profile) -> Result<Discovered, Failure> {
    let mut warnings = Vec::new();
    let by_hand = &profile.endpoints;
    let metadata = match &profile.issuer {
        None => Metadata::default(),
        Some(issuer) => match fetch(exchange, profile, issuer).await {
            Ok(document) => Metadata::read(&document, issuer, &mut warnings)?,
            Err(Missing::NotThere(failure)) if is_enough(profile) => {
                warnings.push(failure.description);
                Metadata::default()
            }
            Err(Missing::NotThere(failure) | Missing::NoResponse(failure)) => return Err(failure),
        },
    };
    let mut endpoint = |name: &str, by_hand: &Option<String>, said: Option<String>| -> Option<String> {
        let endpoint = by_hand.clone().or(said)?;
        if is_endpoint(&endpoint) {
            return Some(endpoint);
        }
        warnings.push(format!("{name} is no https or loopback http URL and is not used"));
        None
    };
    let authorization_endpoint =
        endpoint("authorization_endpoint", &by_hand.authorization, metadata.authorization_endpoint);
    let token_endpoint = endpoint("token_endpoint", &by_hand.token, metadata.token_endpoint);
    let device_authorization_endpoint = endpoint(
        "device_authorization_endpoint",
        &by_hand.device_authorization,
        metadata.device_authorization_endpoint,
    );
    let revocation_endpoint =
        endpoint("revocation_endpoint", &by_hand.revocation, metadata.revocation_endpoint);
    let userinfo_endpoint = endpoint("userinfo_endpoint", &by_hand.userinfo, metadata.userinfo_endpoint);
    let missing = |name: &str| {
        let text = format!(
            "the authorization server names no usable {name} (https, or http to a loopback host); write it in the profile"
        );
        Failure::new("invalid_metadata", &text)
    };
    let found = Endpoints {
        authorization: authorization_endpoint,
        token: token_endpoint,
        device_authorization: device_authorization_endpoint,
        revocation: revocation_endpoint,
        userinfo: userinfo_endpoint,
    };
    if let Some(name) = profile.needed_endpoints().iter().find(|name| found.named(name).is_none()) {
        return Err(missing(name));
    }
    let urls = [profile.issuer.as_deref(), found.token.as_deref(), found.authorization.as_deref()];
    let dialect = Dialect {
        resource_style: profile
            .resource_style
            .unwrap_or_else(|| ResourceStyle::at(urls.into_iter().flatten())),
        by_device: profile.flow == Flow::Device,
    };
    let registration = Registration {
        issuer: profile.issuer.clone(),
        authorization_endpoint: found.authorization,
        token_endpoint: found.token.unwrap_or_default(),
        pinned_endpoint: None,
        device_authorization_endpoint: found.device_authorization,
        revocation_endpoint: found.revocation,
        userinfo_endpoint: found.userinfo,
        iss_in_callback: metadata.iss_in_callback,
        client_id: profile.client_id.clone(),
        client_secret: profile.client_secret.clone(),
        assertion: profile.assertion.clone(),
        client_auth: client_auth::of_profile(profile, &metadata.client_auth),
        dialect,
        authorize_params: profile.authorize_params.clone(),
        code_params: profile.code_params.clone(),
        device_params: profile.device_params.clone(),
        device_poll_params: profile.device_poll_params.clone(),
        refresh_params: profile.refresh_params.clone(),
        revoke_params: profile.revoke_params.clone(),
        route: profile.route.clone(),
    };
    Ok(Discovered { registration, warnings })
}

/// Whether the endpoints named by hand do for a flow.
fn is_enough(profile: &Profile) -> bool {
    profile.needed_endpoints().iter().all(|name| profile.endpoints.named(name).is_some())
}

/// Whether requests that carry secrets may go to this endpoint.
pub(crate) fn is_endpoint(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        is_confidential(&url)
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

/// What the daemon uses of a server's metadata.
#[derive(Default)]
struct Metadata {
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    iss_in_callback: bool,
    client_auth: client_auth::Supported,
}

impl Metadata {
    /// Reads a document that must call itself by exactly this issuer.
    fn read(document: &Document, issuer: &str, warnings: &mut Vec<String>) -> Result<Self, Failure> {
        let object = document.object().ok_or_else(|| {
            Failure::new(
                "invalid_metadata",
                "the issuer's metadata is not JSON; check `issuer` in the profile",
            )
        })?;
        let text = |name| object.text(name).map(|text| text.to_string());
        match text("issuer") {
            Some(said) if said == issuer => {}
            Some(said) => {
                let text = format!(
                    "the server calls itself {said}, which is not the profile's `issuer`; write exactly that there"
                );
                return Err(Failure::new("issuer_mismatch", &text));
            }
            None => {
                return Err(Failure::new(
                    "issuer_mismatch",
                    "the issuer's metadata names no issuer; check `issuer` in the profile",
                ));
            }
        }
        if object
            .texts("code_challenge_methods_supported")
            .is_some_and(|methods| !methods.iter().any(|method| method == "S256"))
        {
            warnings.push("the server does not list PKCE with S256; it is sent all the same".to_owned());
        }
        Ok(Self {
            authorization_endpoint: text("authorization_endpoint"),
            token_endpoint: text("token_endpoint"),
            device_authorization_endpoint: text("device_authorization_endpoint"),
            revocation_endpoint: text("revocation_endpoint"),
            userinfo_endpoint: text("userinfo_endpoint"),
            iss_in_callback: object.flag("authorization_response_iss_parameter_supported") == Some(true),
            client_auth: client_auth::Supported {
                token: object.texts("token_endpoint_auth_methods_supported"),
                revocation: object.texts("revocation_endpoint_auth_methods_supported"),
            },
        })
    }
}

/// A metadata document, unread.
struct Document(Zeroizing<Vec<u8>>);

impl Document {
    fn object(&self) -> Option<Object<'_>> {
        Object::read(std::str::from_utf8(&self.0).ok()?)
    }
}

/// Why there is no metadata.
enum Missing {
    /// The server answered, but with no document.
    NotThere(Failure),
    /// It did not answer: later it may.
    NoResponse(Failure),
}

/// Fetches the metadata from the first of the well-known places that has it.
async fn fetch(exchange: &dyn HttpExchange, profile: &Profile, issuer: &str) -> Result<Document, Missing> {
    if !is_endpoint(issuer) {
        return Err(Missing::NotThere(Failure::new(
            "invalid_issuer",
            "`issuer` is no https or loopback http URL; correct it in the profile",
        )));
    }
    let mut unusable = None;
    for url in places(issuer) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let request = HttpRequest {
            method: Method::GET,
            url,
            headers,
            body: Zeroizing::default(),
            route: profile.route.clone(),
            time_limit: TIME_LIMIT,
        };
        let response = exchange
            .exchange(request)
            .await
            .map_err(|error| Missing::NoResponse(Failure::no_response(&error)))?;
        let status = response.status;
        let document = Document(response.body);
        if status == 200 && document.object().is_some() {
            return Ok(document);
        }
        if status >= 500 || matches!(status, 408 | 429) {
            let text = format!(
                "the issuer's metadata could not be read (status {status}); run the login again later"
            );
            return Err(Missing::NoResponse(Failure::new("temporarily_unavailable", &text)));
        }
        unusable.get_or_insert(status);
    }
    let text = match unusable {
        Some(status) if status != 200 => format!("the issuer has no metadata (status {status})"),
        _ => "the issuer's metadata is not JSON".to_owned(),
    };
    Err(Missing::NotThere(Failure::new(
        "discovery_failed",
        &format!("{text}; check `issuer`, or write the endpoints in the profile"),
    )))
}

/// OpenID Connect Discovery section 4 appends to the issuer; RFC 8414 section 3.1 inserts before its path.
fn places(issuer: &str) -> Vec<Url> {
    let Ok(base) = Url::parse(issuer) else {
        return Vec::new();
    };
    let path = base.path().trim_end_matches('/');
    let place = |path: &str| {
        let mut url = base.clone();
        url.set_query(None);
        url.set_path(path);
        url
    };
    vec![
        place(&format!("{path}/.well-known/openid-configuration")),
        place(&format!("/.well-known/oauth-authorization-server{path}")),
    ]
}

#[cfg(test)]
mod tests;
