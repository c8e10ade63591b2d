//! Finds the server's endpoints: OpenID Connect Discovery and RFC 8414 together, overridden by hand.
//!
//! | module | what it does |
//! |---|---|
//! | `documents` | asks both well-known places, and takes what they say together |
//! | `metadata` | reads one document |
//! | `cache` | remembers what a server said for a day |

use url::Url;

use super::{Dialect, Failure, Registration, ResourceStyle, client_auth, issuer, microsoft};
use crate::{
    http::{HttpExchange, is_confidential, is_loopback},
    profile::{Endpoints, Flow, Profile},
};

mod cache;
mod documents;
mod metadata;

pub use cache::Cache;

use documents::{Absent, Found};
use metadata::Metadata;

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
    let found = match &profile.issuer {
        None => Found::default(),
        Some(issuer) => found(documents::ask(exchange, issuer, &profile.route).await, profile)?,
    };
    prepare(profile, found)
}

/// What the documents said; without any, nothing, if the endpoints named by hand do.
fn found(asked: Result<Found, Absent>, profile: &Profile) -> Result<Found, Failure> {
    match asked {
        Ok(found) => Ok(found),
        Err(Absent::NotThere(failure) | Absent::Elsewhere(failure)) if is_enough(profile) => {
            Ok(Found { warnings: vec![failure.description], ..Found::default() })
        }
        Err(absent) => Err(absent.into_failure()),
    }
}

/// Makes the registration of a profile whose server said this.
fn prepare(profile: &Profile, found: Found) -> Result<Discovered, Failure> {
    let Found { metadata, mut warnings, .. } = found;
    warnings.extend(pkce_warning(profile, &metadata));
    if metadata.client_auth.is_mutual_tls_only() {
        warnings.push(
            "the server lists mutual TLS only for its clients (token_endpoint_auth_methods_supported), which is not \
             supported by this version yet; another way is tried"
                .to_owned(),
        );
    }
    let by_hand = &profile.endpoints;
    let here = |url: &str| Url::parse(url).is_ok_and(|url| is_loopback(&url));
    let issuer_is_here = profile.issuer.as_deref().is_none_or(here);
    let mut endpoint = |name: &str, by_hand: &Option<String>, said: Option<String>| -> Option<String> {
        let endpoint = by_hand.clone().or(said)?;
        let why = if !is_endpoint(&endpoint) {
            "is no https or loopback http URL"
        } else if by_hand.is_none() && here(&endpoint) && !issuer_is_here {
            // What listens here is none of the server's, and expects no requests that it has made up.
            "is on this machine, as the issuer is not,"
        } else {
            return Some(endpoint);
        };
        warnings.push(format!("{name} {why} and is not used"));
        None
    };
    let found = Endpoints {
        authorization: endpoint(
            "authorization_endpoint",
            &by_hand.authorization,
            metadata.authorization_endpoint,
        ),
        token: endpoint("token_endpoint", &by_hand.token, metadata.token_endpoint),
        device_authorization: endpoint(
            "device_authorization_endpoint",
            &by_hand.device_authorization,
            metadata.device_authorization_endpoint,
        ),
        revocation: endpoint("revocation_endpoint", &by_hand.revocation, metadata.revocation_endpoint),
        userinfo: endpoint("userinfo_endpoint", &by_hand.userinfo, metadata.userinfo_endpoint),
    };
    if let Some(name) = profile.needed_endpoints().iter().find(|name| found.named(name).is_none()) {
        let text = format!(
            "the authorization server names no usable {name} (https, or http to a loopback host); write it in the profile"
        );
        return Err(Failure::new("invalid_metadata", &text));
    }
    let urls = [&profile.issuer, &found.token, &found.authorization];
    let at_its_host = || ResourceStyle::at(urls.into_iter().flatten().map(String::as_str));
    let dialect = Dialect {
        resource_style: profile.resource_style.unwrap_or_else(at_its_host),
        by_device: profile.flow == Flow::Device,
    };
    let issuer = metadata.issuer.or_else(|| profile.issuer.as_deref().map(issuer::unresolved));
    let registration = Registration {
        configured_issuer: profile.issuer.clone().filter(|configured| issuer.as_ref() != Some(configured)),
        issuer,
        authorization_endpoint: found.authorization,
        token_endpoint: found.token.unwrap_or_default(),
        pinned_endpoint: None,
        device_authorization_endpoint: found.device_authorization,
        revocation_endpoint: found.revocation,
        userinfo_endpoint: found.userinfo,
        iss_in_callback: metadata.iss_in_callback == Some(true),
        client_id: profile.client_id.clone(),
        client_secret: profile.client_secret.clone(),
        assertion: profile.assertion.clone(),
        client_auth: client_auth::of_profile(profile, &metadata.client_auth),
        dialect,
        rotation: profile.rotation,
        authorize_params: profile.authorize_params.clone(),
        code_params: profile.code_params.clone(),
        device_params: profile.device_params.clone(),
        device_poll_params: profile.device_poll_params.clone(),
        refresh_params: profile.refresh_params.clone(),
        revoke_params: profile.revoke_params.clone(),
        client_capabilities: profile.client_capabilities.clone(),
        route: profile.route.clone(),
    };
    Ok(Discovered { registration, warnings })
}

/// Whether the endpoints named by hand do for a flow.
fn is_enough(profile: &Profile) -> bool {
    profile.needed_endpoints().iter().all(|name| profile.endpoints.named(name).is_some())
}

/// What to say to a person whose code is protected by PKCE, where the server does not say that it does its part.
fn pkce_warning(profile: &Profile, metadata: &Metadata) -> Option<String> {
    let sends_challenge = match profile.flow {
        Flow::Browser => true,
        Flow::Paste => !profile.takes_packages_only(),
        _ => false,
    };
    let issuer = metadata.issuer.as_deref().filter(|_| sends_challenge)?;
    let supported = match &metadata.code_challenge_methods {
        Some(methods) => methods.iter().any(|method| method == "S256"),
        // Entra's documentation promises what its metadata leaves out.
        None => microsoft::is_login_host(issuer),
    };
    (!supported).then(|| {
        "the server does not list PKCE with S256 (code_challenge_methods_supported); it is sent all the same"
            .to_owned()
    })
}

/// Whether requests that carry secrets may go to this endpoint.
pub(crate) fn is_endpoint(text: &str) -> bool {
    // The parser forgives them, and whoever is shown the text would not see them.
    let has_hidden = text.chars().any(|c| c.is_control() || c.is_whitespace());
    !has_hidden
        && Url::parse(text).is_ok_and(|url| {
            is_confidential(&url)
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        })
}

#[cfg(test)]
mod tests;
