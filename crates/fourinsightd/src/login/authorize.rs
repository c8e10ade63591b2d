//! The authorization request: the address that the person opens (RFC 6749 section 4.1.1, RFC 7636, RFC 8707).

use fourinsight_ipc::{ErrorBody, ErrorCode, message::Lifetime};
use oauth2::{AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl, Scope, basic::BasicClient};
use secrecy::SecretString;

use super::{again::Again, redirect_uri::RedirectUri};
use crate::{
    authority::{Registration, claims::Claims, step_up::StepUp},
    profile::Parameters,
};

/// What a login asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Scopes, in the order in which they are sent.
    pub(super) scopes: Vec<String>,
    /// Resources (RFC 8707).
    pub(super) resources: Vec<String>,
    /// Ask the person again even if the server remembers them.
    pub(super) force: bool,
    /// What an API, or the server on its behalf, wants of this login.
    pub(super) step_up: Option<StepUp>,
    /// Accept another person than the session had, without asking.
    pub(super) switch_user: bool,
    /// The `session_key` of `fourinsight.api` that the session is to stand for.
    pub(super) original_key: Option<String>,
    /// What comes back, and how.
    pub(super) answer: AnswerMode,
    /// How long the session is to last.
    pub(super) lifetime: Lifetime,
    /// The session is the client's own.
    pub(super) of_client: bool,
}

/// What comes back from the authorization endpoint, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerMode {
    /// A code, in the redirect URI's query.
    Query,
    /// A code, in a form that the browser posts.
    FormPost,
    /// An access token, in the redirect URI's fragment: the implicit grant.
    Fragment,
}

/// An authorization request, and what its answer and the code's exchange must match.
pub(super) struct AuthorizationRequest {
    /// What the person opens.
    pub(super) uri: String,
    /// 256 random bits that the answer must carry.
    pub(super) state: SecretString,
    /// Proves at the exchange that the code was issued for this attempt; the implicit grant exchanges nothing.
    pub(super) code_verifier: Option<SecretString>,
    /// What the ID token must carry; only a request for one sends it.
    pub(super) nonce: Option<String>,
}

/// Draws the attempt's secrets and writes the address.
pub(super) fn request(
    registration: &Registration,
    redirect_uri: &RedirectUri,
    wish: &Wish,
    again: &Again,
) -> Result<AuthorizationRequest, ErrorBody> {
    let endpoint = registration.authorization_endpoint.clone().ok_or_else(no_endpoint)?;
    let auth_url = AuthUrl::new(endpoint).map_err(|_| no_endpoint())?;
    let back = RedirectUrl::new(redirect_uri.as_str().to_owned())
        .map_err(|error| ErrorBody::new(ErrorCode::ServerError, format!("redirect URI: {error}")))?;
    let own = &registration.authorize_params;
    let mut params = own.clone();
    params.extend(again.force.iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    if let Some(name) = RESERVED.iter().find(|name| params.contains_key(**name)) {
        return Err(ErrorBody::new(
            ErrorCode::InvalidRequest,
            format!("The profile's parameters set {name}, which every login sets itself."),
        )
        .hint(format!("remove {name} from authorize_params and force_params in the configuration")));
    }

    let prompt = prompt(own.get("prompt").map(String::as_str), again.force.as_ref())?;
    if own.contains_key("max_age") && registration.max_age().is_none() {
        return Err(wrong_params("max_age is no number of seconds", "write it as in max_age = \"3600\""));
    }

    let client = BasicClient::new(ClientId::new(registration.client_id.clone()))
        .set_auth_uri(auth_url)
        .set_redirect_uri(back);
    let with_code = wish.answer != AnswerMode::Fragment;
    let (scopes, resources) = (&wish.scopes, &wish.resources);
    let wanted = registration
        .dialect
        .for_person(scopes.iter().map(String::as_str), resources.iter().map(String::as_str));
    let nonce = (with_code && wanted.scopes.iter().any(|scope| scope == "openid")).then(|| random(16));
    let mut request = client
        .authorize_url(|| CsrfToken::new_random_len(32))
        .add_scopes(wanted.scopes.into_iter().map(Scope::new));
    let mut code_verifier = None;
    if with_code {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        request = request.set_pkce_challenge(challenge);
        code_verifier = Some(verifier.into_secret().into());
    } else {
        request = request.use_implicit_flow();
    }
    if wish.answer == AnswerMode::FormPost {
        request = request.add_extra_param("response_mode", "form_post");
    }
    for (name, resource) in &wanted.resources {
        request = request.add_extra_param(*name, resource.clone());
    }
    if let Some(nonce) = &nonce {
        request = request.add_extra_param("nonce", nonce.clone());
    }
    if let Some(prompt) = prompt {
        request = request.add_extra_param("prompt", prompt);
    }
    if let Some(hint) = &again.login_hint {
        request = request.add_extra_param("login_hint", hint.clone());
    }
    let demanded = demanded(registration, wish.step_up.as_ref());
    for (name, value) in &demanded {
        request = request.add_extra_param(*name, value.clone());
    }
    let is_said = |name: &str| {
        name == "prompt"
            || wanted.resources.iter().any(|(said, _)| *said == name)
            || demanded.iter().any(|(said, _)| *said == name)
    };
    for (name, value) in params.iter().filter(|(name, _)| !is_said(name)) {
        request = request.add_extra_param(name.clone(), value.clone());
    }
    let (uri, state) = request.url();
    Ok(AuthorizationRequest { uri: uri.into(), state: state.into_secret().into(), code_verifier, nonce })
}

/// What is wanted beyond scopes and resources, joined with what the profile says of the same: the stricter age, and
/// all claims.
fn demanded(registration: &Registration, step_up: Option<&StepUp>) -> Vec<(&'static str, String)> {
    let mut demanded: Vec<_> = step_up.into_iter().flat_map(StepUp::parameters).collect();
    if let (Some((_, max_age)), Some(own)) =
        (demanded.iter_mut().find(|(name, _)| *name == "max_age"), registration.max_age())
    {
        *max_age = max_age.parse().unwrap_or(own).min(own).to_string();
    }
    let claims = step_up.and_then(|step_up| step_up.claims.as_ref());
    let own = registration.authorize_params.get("claims").and_then(|json| Claims::read(json).ok());
    let claims = Claims::joined(claims, own.as_ref());
    demanded.extend(
        registration.claims(claims.as_ref(), false).map(|claims| ("claims", claims.as_str().to_owned())),
    );
    demanded
}

/// What `prompt` is sent (OpenID Connect Core section 3.1.2.1): the profile's own, and with `force` one at which the
/// server really asks, unless the server is asked in another way.
fn prompt(own: Option<&str>, force: Option<&Parameters>) -> Result<Option<String>, ErrorBody> {
    let mut words: Vec<_> = own.unwrap_or_default().split_ascii_whitespace().collect();
    if words.contains(&"none") && words.len() > 1 {
        return Err(wrong_params(
            "prompt has none beside other values",
            "let none stand alone, or remove it",
        ));
    }
    if let Some(force) = force {
        words.retain(|word| *word != "none");
        if let Some(asking) = force.get("prompt")
            && !words.iter().any(|word| ASKING.contains(word))
        {
            let more: Vec<_> = asking.split_ascii_whitespace().filter(|word| !words.contains(word)).collect();
            words.splice(0..0, more);
        }
    }
    Ok((!words.is_empty()).then(|| words.join(" ")))
}

/// At these the server asks who signs in, whoever it remembers.
const ASKING: [&str; 3] = ["login", "select_account", "create"];

fn wrong_params(what: &str, next: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidRequest, format!("In the profile's authorize_params {what}."))
        .hint(next.to_owned())
}

/// URL-safe text that carries so many random bytes.
pub(super) fn random(bytes: u32) -> String {
    CsrfToken::new_random_len(bytes).into_secret()
}

/// What a login sets itself, and what would change how its answer comes back.
const RESERVED: [&str; 10] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

pub(super) fn no_endpoint() -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidRequest, "The server names no address where a person could sign in.")
        .hint("set authorization_endpoint in the profile")
}

#[cfg(test)]
pub(super) mod tests;
