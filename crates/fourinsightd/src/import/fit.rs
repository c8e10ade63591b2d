//! By which profile a login is taken over: the one that is named, or the one that fits. A refresh token and a client
//! secret go to no server but the one that the profile means.

use fourinsight_ipc::{ErrorBody, ErrorCode, message::ImportFormat};
use url::Url;

use super::{found::Found, msal::same_environment};
use crate::{
    authority::{allowed::PinnedEndpoint, text::clean},
    config::Config,
    profile::{Flow, Profile},
};

/// A profile that fits.
#[derive(Debug)]
pub(super) struct Fit {
    pub(super) profile: Profile,
    pub(super) endpoint: Endpoint,
}

/// Where the refresh token is redeemed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Where the profile says.
    OfProfile,
    /// Where the cache says, which the profile allows.
    Allowed(PinnedEndpoint),
    /// Where the profile's server says, provided that it is what the cache says.
    Same(String),
}

/// Finds the profile of a login.
pub(super) fn find(
    config: &Config,
    name: Option<&str>,
    found: &Found,
    format: ImportFormat,
) -> Result<Fit, ErrorBody> {
    if let Some(name) = name {
        let profile = config.profiles.get(name).ok_or_else(|| no_such_profile(config))?;
        return by_name(profile, found, format);
    }
    if found.token_url.is_none() && found.client_id.is_none() {
        return Err(error("The file names no authorization server, so the profile has to.")
            .hint(format!("name it with --profile; {}", profiles(config))));
    }
    let default = config.default_profile.as_ref().and_then(|name| config.profiles.get(name));
    let fitting = |profile: &Profile| Some(Fit { profile: profile.clone(), endpoint: fits(profile, found)? });
    if let Some(fit) = default.and_then(fitting) {
        return Ok(fit);
    }
    let mut fits: Vec<Fit> = config.profiles.values().filter_map(fitting).collect();
    match fits.len() {
        1 => Ok(fits.swap_remove(0)),
        0 => Err(nothing_fits(found, format)),
        _ => {
            let names: Vec<_> = fits.iter().map(|fit| fit.profile.name.as_str()).collect();
            Err(error("Several profiles fit this login.")
                .hint(format!("name one of these with --profile: {}", names.join(", "))))
        }
    }
}

/// Whether a login fits any profile, the default or another.
pub(super) fn fits_any(config: &Config, found: &Found) -> bool {
    config.profiles.values().any(|profile| fits(profile, found).is_some())
}

fn by_name(profile: &Profile, found: &Found, format: ImportFormat) -> Result<Fit, ErrorBody> {
    if !takes_people(profile) {
        let what =
            format!("The profile signs in by the flow {}, which has no refresh token.", profile.flow.name());
        return Err(error(what).hint("name a profile with the flow browser, paste, device or password"));
    }
    if let Some(endpoint) = fits(profile, found) {
        return Ok(Fit { profile: profile.clone(), endpoint });
    }
    let is_other_client = found.client_id.as_ref().is_some_and(|client_id| *client_id != profile.client_id);
    match &found.token_url {
        // The server may say the same; a file of fourinsight.api is for the endpoints that a profile names.
        Some(url)
            if format != ImportFormat::FourinsightApi
                && !is_other_client
                && profile.issuer.is_some()
                && profile.endpoints.token.is_none() =>
        {
            Ok(Fit { profile: profile.clone(), endpoint: Endpoint::Same(url.clone()) })
        }
        None if found.client_id.is_none() && found.environment.is_none() => {
            Ok(Fit { profile: profile.clone(), endpoint: Endpoint::OfProfile })
        }
        _ if is_other_client => {
            Err(error("The login is of another client than the profile's. Nothing was sent.")
                .hint(wanted(found, format)))
        }
        _ => Err(nothing_fits(found, format)),
    }
}

/// Where the profile would redeem the login's refresh token, if it fits.
fn fits(profile: &Profile, found: &Found) -> Option<Endpoint> {
    let same_client = found.client_id.as_ref().is_none_or(|client_id| *client_id == profile.client_id);
    let same_host = found
        .environment
        .as_ref()
        .is_none_or(|environment| hosts(profile).any(|host| same_environment(&host, environment)));
    if !takes_people(profile) || !same_client || !same_host {
        return None;
    }
    match &found.token_url {
        None => found.client_id.as_ref().map(|_| Endpoint::OfProfile),
        Some(url) if profile.endpoints.token.as_ref() == Some(url) => Some(Endpoint::OfProfile),
        Some(url) => profile
            .allowed_token_endpoints
            .iter()
            .find_map(|allowed| allowed.admit(url))
            .map(Endpoint::Allowed),
    }
}

fn takes_people(profile: &Profile) -> bool {
    !profile.flow.is_unattended() && profile.flow != Flow::Implicit
}

/// The hosts that a profile means, with and without a port: caches name them either way.
fn hosts(profile: &Profile) -> impl Iterator<Item = String> {
    let urls = [profile.issuer.as_deref(), profile.endpoints.token.as_deref()];
    urls.into_iter().flatten().filter_map(|url| Url::parse(url).ok()).flat_map(|url| {
        let host = url.host_str().map(str::to_owned);
        let with_port = host.as_ref().zip(url.port()).map(|(host, port)| format!("{host}:{port}"));
        host.into_iter().chain(with_port)
    })
}

fn nothing_fits(found: &Found, format: ImportFormat) -> ErrorBody {
    let host = found
        .token_url
        .as_deref()
        .and_then(|url| Url::parse(url).ok()?.host_str().map(clean))
        .or_else(|| found.environment.as_deref().map(clean))
        .filter(|host| !host.is_empty() && host.len() <= 253);
    let at = host.map_or_else(|| "no address of a server".to_owned(), |host| format!("a server at {host}"));
    let what = match format {
        ImportFormat::FourinsightApi => {
            format!("The file names a token endpoint that no profile allows: {at}.")
        }
        _ => format!("No profile is for the client and the server of this login: {at}."),
    };
    error(format!("{what} Nothing was sent.")).hint(wanted(found, format))
}

/// What a profile for this login would have to say.
fn wanted(found: &Found, format: ImportFormat) -> String {
    if format == ImportFormat::FourinsightApi {
        return "write the profile with `fourinsightctl profile init 4insight --preset 4insight`; if the endpoint is \
                right, add it to allowed_token_endpoints of the profile and name that with --profile"
            .to_owned();
    }
    // An identifier is no secret, but what looks like none is not repeated.
    let plain = |text: &&String| {
        text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    };
    let client_id = match found.client_id.as_ref().filter(plain) {
        Some(client_id) => format!("client_id = \"{client_id}\""),
        None => "the login's client_id".to_owned(),
    };
    format!("write a profile with the server's issuer and {client_id}, and name it with --profile")
}

fn no_such_profile(config: &Config) -> ErrorBody {
    error("The configuration has no profile of that name.").hint(profiles(config))
}

fn profiles(config: &Config) -> String {
    if config.profiles.is_empty() {
        return "write one first: `fourinsightctl profile init NAME --preset PRESET`".to_owned();
    }
    let names: Vec<_> = config.profiles.keys().map(String::as_str).collect();
    format!("the configuration has {}", names.join(", "))
}

fn error(what: impl Into<String>) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidRequest, what)
}

#[cfg(test)]
mod tests;
