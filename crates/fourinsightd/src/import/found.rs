//! What is found in another tool's cache, and what is wrong with one in which nothing is.

use fourinsight_ipc::{ErrorBody, ErrorCode};

use crate::{authority::json::Object, token::RefreshToken};

/// A login that another tool obtained: a refresh token, and what the cache says about it.
///
/// The cache's access tokens, ID tokens and expiries are not read: the first thing that is done with a login is to
/// renew it, so nothing rests on what they say.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(super) refresh_token: RefreshToken,
    /// Where it is redeemed, where the cache says so. Not to be believed before it is compared with the configuration.
    pub(super) token_url: Option<String>,
    /// The host of the authorization server.
    pub(super) environment: Option<String>,
    pub(super) client_id: Option<String>,
    /// Whose it is, as the cache says: shown to choose by, never taken for an identity.
    pub(super) username: Option<String>,
    /// What was granted, in the server's words.
    pub(super) scopes: Vec<String>,
    /// Whether the tool signed in by the device flow, where the cache says so.
    pub(super) by_device: Option<bool>,
    /// Whether it was told who signed in: then the server says it again.
    pub(super) names_person: bool,
}

impl Found {
    pub(super) fn new(refresh_token: RefreshToken) -> Self {
        Self {
            refresh_token,
            token_url: None,
            environment: None,
            client_id: None,
            username: None,
            scopes: Vec::new(),
            by_device: None,
            names_person: false,
        }
    }
}

/// Why nothing can be taken over from a cache. It repeats nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    pub(super) what: &'static str,
    pub(super) next: &'static str,
}

impl From<Unusable> for ErrorBody {
    fn from(unusable: Unusable) -> Self {
        Self::new(ErrorCode::InvalidRequest, unusable.what).hint(unusable.next)
    }
}

/// What to do about a file that is broken.
pub(super) const LOOK_AGAIN: &str = "let the tool that writes it finish and stop it, and import again; or sign in with `fourinsightctl login`";

/// What to do where nothing can renew the login.
pub(super) const SIGN_IN: &str = "sign in with `fourinsightctl login`";

/// Reads a cache that is a JSON object, whole.
pub(super) fn object(content: &str) -> Result<Object<'_>, Unusable> {
    let broken = |what| Unusable { what, next: LOOK_AGAIN };
    let text = content.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if text.is_empty() {
        return Err(broken("The file is empty."));
    }
    if text.starts_with('{') && !text.ends_with('}') {
        return Err(broken("The file ends in the middle: it is half-written."));
    }
    match Object::read(text) {
        Some(object) if !object.trailing => Ok(object),
        Some(_) => {
            Err(broken("Something follows the JSON object in the file: two programs wrote it at once."))
        }
        None => Err(Unusable {
            what: "The file does not hold a JSON object.",
            next: "name the file that the tool itself wrote, or sign in with `fourinsightctl login`",
        }),
    }
}

/// The refresh token of an object.
pub(super) fn refresh_token(object: &Object<'_>, name: &str) -> Result<RefreshToken, Unusable> {
    if object.contradicts_itself(name) {
        return Err(Unusable { what: "The file names two refresh tokens for one login.", next: LOOK_AGAIN });
    }
    match object.text(name) {
        Some(token) if !token.is_empty() && !token.chars().any(char::is_control) => {
            Ok(RefreshToken::new(token.as_str()))
        }
        None if !object.has(name) => Err(Unusable {
            what: "The file holds no refresh token, so nothing can renew the login.",
            next: SIGN_IN,
        }),
        _ => Err(Unusable { what: "The refresh token in the file is none.", next: LOOK_AGAIN }),
    }
}

/// The scopes of an object, as a list or a string, and with GitHub's commas.
pub(super) fn scopes(object: &Object<'_>, name: &str) -> Vec<String> {
    let said = object.texts(name).unwrap_or_default();
    let words = said.iter().flat_map(|text| text.split([' ', ','])).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// A short text of the cache that may be shown: on one line, without controls.
pub(super) fn shown(object: &Object<'_>, name: &str) -> Option<String> {
    let text = object.text(name)?;
    let usable =
        !text.trim().is_empty() && text.chars().count() <= 256 && !text.chars().any(char::is_control);
    usable.then(|| text.trim().to_owned())
}
