//! Signing in again: how the server is made to really ask, and whom it is told to expect.

use url::Url;

use super::{Known, authorize::Wish};
use crate::{
    authority::{Registration, issuer},
    profile::{Flow, Parameters, Profile},
};

/// What an authorization request says because it is not the first, or is to count as the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Again {
    /// What makes the server ask whoever it remembers; `None` where that is not wished.
    pub(super) force: Option<Parameters>,
    /// Whom the server is told to expect (OpenID Connect Core section 3.1.2.1).
    pub(super) login_hint: Option<String>,
}

/// What this login says to this server.
pub(super) fn of(profile: &Profile, registration: &Registration, wish: &Wish, known: &Known) -> Again {
    Again {
        force: wish.force.then(|| force(profile, registration)),
        login_hint: known.login_hint(profile, registration).filter(|_| !wish.force && !wish.switch_user),
    }
}

/// What a person should do first, because this login cannot make the server ask: the page is where they sign in.
pub(super) fn unforced(
    profile: &Profile,
    registration: &Registration,
    wish: &Wish,
    page: Option<&str>,
) -> Option<String> {
    if !wish.force {
        return None;
    }
    let why = match profile.flow {
        Flow::Browser | Flow::Paste | Flow::Implicit if !force(profile, registration).is_empty() => {
            return None;
        }
        Flow::Browser | Flow::Paste | Flow::Implicit => "This server cannot be told to ask again",
        Flow::Device => "A login on another device cannot tell the server to ask again (RFC 8628)",
        Flow::Password | Flow::ClientCredentials | Flow::Certificate => return None,
    };
    let page = page.and_then(|page| Url::parse(page).ok()).filter(Url::has_host);
    let whence =
        page.map_or_else(|| "there".to_owned(), |page| format!("at {}", page.origin().ascii_serialization()));
    Some(format!("{why}: sign out {whence} first, or it may sign in whom it remembers."))
}

/// What makes the server ask: by the profile, or else what is usual. A page that makes its own authorization request
/// understands nothing that the profile does not name.
fn force(profile: &Profile, registration: &Registration) -> Parameters {
    let prompt = |word: &str| Parameters::from([("prompt".to_owned(), word.to_owned())]);
    match &profile.force_params {
        Some(params) => params.clone(),
        None if profile.takes_packages_only() => Parameters::new(),
        // Google has no other prompt that asks.
        None if issuer::is_google(registration) => prompt("select_account"),
        None => prompt("login"),
    }
}
