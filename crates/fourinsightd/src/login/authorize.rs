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
pub(super) mod tests {
    use std::collections::HashSet;

    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    use secrecy::ExposeSecret;
    use url::Url;

    use super::*;
    use crate::{authority::Dialect, http::Route, profile::ClientAuth};

    /// A public client at `https://id.example`.
    pub(in crate::login) fn registration() -> Registration {
        Registration {
            issuer: Some("https://id.example".to_owned()),
            configured_issuer: None,
            authorization_endpoint: Some("https://id.example/authorize?tenant=a%20b".to_owned()),
            token_endpoint: "https://id.example/token".to_owned(),
            pinned_endpoint: None,
            device_authorization_endpoint: None,
            revocation_endpoint: None,
            userinfo_endpoint: None,
            iss_in_callback: false,
            client_id: "cli ent".to_owned(),
            client_secret: None,
            assertion: crate::profile::Assertion::default(),
            client_auth: ClientAuth::None.into(),
            dialect: Dialect::default(),
            rotation: crate::profile::Rotation::default(),
            authorize_params: [("audience".to_owned(), "a&b".to_owned())].into(),
            code_params: Parameters::new(),
            device_params: Parameters::new(),
            device_poll_params: Parameters::new(),
            refresh_params: Parameters::new(),
            revoke_params: Parameters::new(),
            client_capabilities: Vec::new(),
            route: Route::default(),
        }
    }

    fn wish(scopes: &[&str]) -> Wish {
        Wish {
            scopes: scopes.iter().map(ToString::to_string).collect(),
            resources: vec!["https://r1/".to_owned(), "https://r2/".to_owned()],
            force: false,
            step_up: None,
            switch_user: false,
            original_key: None,
            answer: AnswerMode::Query,
            lifetime: Lifetime::Stored,
        }
    }

    fn asked(registration: &Registration, wish: &Wish) -> (AuthorizationRequest, Vec<(String, String)>) {
        asked_again(registration, wish, &Again::default())
    }

    fn asked_again(
        registration: &Registration,
        wish: &Wish,
        again: &Again,
    ) -> (AuthorizationRequest, Vec<(String, String)>) {
        let redirect_uri = RedirectUri::parse("http://localhost:4711").unwrap();
        let request = request(registration, &redirect_uri, wish, again).unwrap();
        let pairs = Url::parse(&request.uri).unwrap().query_pairs().into_owned().collect();
        (request, pairs)
    }

    fn values<'a>(pairs: &'a [(String, String)], name: &str) -> Vec<&'a str> {
        pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    #[test]
    fn the_request_says_what_the_rfcs_ask_for() {
        let (request, pairs) = asked(&registration(), &wish(&["openid", "read"]));
        assert!(request.uri.starts_with("https://id.example/authorize?tenant=a%20b&"));
        for (name, expected) in [
            ("tenant", "a b"),
            ("response_type", "code"),
            ("client_id", "cli ent"),
            ("redirect_uri", "http://localhost:4711"),
            ("scope", "openid read"),
            ("code_challenge_method", "S256"),
            ("audience", "a&b"),
            ("state", request.state.expose_secret()),
            ("nonce", request.nonce.as_deref().unwrap()),
        ] {
            assert_eq!(values(&pairs, name), [expected], "{name}");
        }
        assert_eq!(values(&pairs, "resource"), ["https://r1/", "https://r2/"]);
        assert!(values(&pairs, "prompt").is_empty());
        let challenge = ring::digest::digest(
            &ring::digest::SHA256,
            request.code_verifier.as_ref().unwrap().expose_secret().as_bytes(),
        );
        assert_eq!(values(&pairs, "code_challenge"), [BASE64_URL_SAFE_NO_PAD.encode(challenge)]);
        assert!(!request.uri.contains(request.code_verifier.as_ref().unwrap().expose_secret()));
    }

    #[test]
    fn state_and_code_verifier_carry_256_bits_and_are_never_the_same() {
        let mut seen = HashSet::new();
        for _ in 0..50 {
            let (request, _) = asked(&registration(), &wish(&["openid"]));
            let state = BASE64_URL_SAFE_NO_PAD.decode(request.state.expose_secret()).unwrap();
            let verifier = BASE64_URL_SAFE_NO_PAD
                .decode(request.code_verifier.as_ref().unwrap().expose_secret())
                .unwrap();
            assert_eq!((state.len(), verifier.len()), (32, 32));
            assert!(seen.insert(state) && seen.insert(verifier));
            assert!(seen.insert(request.nonce.unwrap().into_bytes()));
        }
    }

    #[test]
    fn a_nonce_is_sent_only_where_an_id_token_is_asked_for() {
        let (request, pairs) = asked(&registration(), &wish(&["read"]));
        assert!(request.nonce.is_none() && values(&pairs, "nonce").is_empty());
    }

    fn with(params: &[(&str, &str)]) -> Registration {
        let params = params.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Registration { authorize_params: params.collect(), ..registration() }
    }

    #[test]
    fn the_profiles_parameters_are_sent_as_written() {
        let params = [
            ("prompt", "consent select_account"),
            ("login_hint", "ada@example.com +1"),
            ("max_age", "300"),
            ("access_type", "offline"),
            ("claims", r#"{"id_token":{"auth_time":{"essential":true}}}"#),
            ("ui_locales", "nb-NO en"),
            ("empty", ""),
        ];
        let (_, pairs) = asked(&with(&params), &wish(&["openid"]));
        for (name, value) in params {
            assert_eq!(values(&pairs, name), [value], "{name}");
        }
    }

    #[test]
    fn force_really_asks_beside_what_the_profile_asks_for() {
        for (own, plain, forced) in [
            (None, None, "login"),
            (Some(""), None, "login"),
            (Some("none"), Some("none"), "login"),
            (Some("consent"), Some("consent"), "login consent"),
            (Some("login"), Some("login"), "login"),
            (Some("consent login"), Some("consent login"), "consent login"),
            (Some("select_account"), Some("select_account"), "select_account"),
            (Some("select_account  consent"), Some("select_account consent"), "select_account consent"),
            (Some("create"), Some("create"), "create"),
            (Some("a_servers_own"), Some("a_servers_own"), "login a_servers_own"),
        ] {
            let registration = own.map_or_else(registration, |own| with(&[("prompt", own)]));
            let login = Parameters::from([("prompt".to_owned(), "login".to_owned())]);
            for (force, expected) in [(None, plain), (Some(login), Some(forced))] {
                let again = Again { force: force.clone(), login_hint: None };
                let (_, pairs) = asked_again(&registration, &wish(&["read"]), &again);
                assert_eq!(
                    values(&pairs, "prompt"),
                    expected.into_iter().collect::<Vec<_>>(),
                    "{own:?} {force:?}"
                );
            }
        }
    }

    #[test]
    fn parameters_that_no_server_could_understand_are_told_before_anything_is_sent() {
        for (name, value) in [
            ("prompt", "none login"),
            ("max_age", "5m"),
            ("max_age", "-1"),
            ("max_age", ""),
            ("max_age", "1.5"),
        ] {
            let redirect_uri = RedirectUri::parse("http://localhost:4711").unwrap();
            let error =
                request(&with(&[(name, value)]), &redirect_uri, &wish(&[]), &Again::default()).err().unwrap();
            assert_eq!(error.error, ErrorCode::InvalidRequest, "{name}={value}");
            assert!(error.error_description.contains(name) && error.hint.is_some(), "{error:?}");
        }
    }

    #[test]
    fn a_profile_cannot_replace_what_protects_a_login() {
        for name in RESERVED {
            let mut registration = registration();
            registration.authorize_params.insert(name.to_owned(), "x".to_owned());
            let redirect_uri = RedirectUri::parse("http://localhost:4711").unwrap();
            let error = request(&registration, &redirect_uri, &wish(&[]), &Again::default()).err().unwrap();
            assert_eq!(error.error, ErrorCode::InvalidRequest, "{name}");
        }
    }

    #[test]
    fn a_server_without_an_authorization_endpoint_is_named_as_such() {
        let registration = Registration { authorization_endpoint: None, ..registration() };
        let redirect_uri = RedirectUri::parse("http://localhost:4711").unwrap();
        let error = request(&registration, &redirect_uri, &wish(&[]), &Again::default()).err().unwrap();
        assert!(error.hint.unwrap().contains("authorization_endpoint"));
    }
}
