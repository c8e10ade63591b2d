//! The authorization endpoint: judges the request, shows the login page, and sends the person back.

use axum::{
    Extension,
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::{
    answer::Refusal,
    claims, fresh_secret,
    ledger::{Entry, Parameters, SecretKind},
    oracle::FamilyId,
    page, scope,
    settings::{Settings, User},
    sign_in,
    site::{Endpoint, Site},
    timeline::Moment,
    token,
};

/// A request that was found good and waits for its person's decision.
#[derive(Clone)]
pub(super) struct AuthorizationRequest {
    pub(super) client_id: String,
    /// Absent where the server's own page asks, which shows the code.
    pub(super) redirect_uri: Option<String>,
    pub(super) scope: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) claims: Option<Value>,
    /// How the person is to sign in, where it is otherwise than usual.
    pub(super) acr: Option<String>,
    pub(super) nonce: Option<String>,
    /// Absent where no code is exchanged, or the server's own page asks.
    pub(super) code_challenge: Option<String>,
    mode: Mode,
    state: Option<String>,
    login_hint: Option<String>,
}

/// What is sent back, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Query,
    FormPost,
    /// An access token: the implicit grant.
    Fragment,
}

impl Mode {
    /// How a request wants to be answered, as far as it says so; also where it is refused.
    fn of(query: &Parameters) -> Self {
        match (query.get("response_type"), query.get("response_mode")) {
            (Some("token"), _) => Self::Fragment,
            (_, Some("form_post")) => Self::FormPost,
            _ => Self::Query,
        }
    }
}

/// An authorization code as the server remembers it.
pub(super) struct Code {
    pub(super) request: AuthorizationRequest,
    pub(super) user: User,
    pub(super) signed_in_at: u64,
    pub(super) expires_at: Moment,
    /// What grew from it, once it is redeemed.
    pub(super) redeemed: Option<FamilyId>,
}

/// Why there is no login page.
#[derive(Debug)]
enum Problem {
    /// The client or its redirect URI cannot be trusted: only the person is told (RFC 6749 section 4.1.2.1).
    Shown(&'static str),
    /// The client is told.
    Returned(Refusal),
}

/// `GET`: the login page.
pub(super) async fn show(State(site): State<Site>, Extension(entry): Extension<Entry>) -> Response {
    let settings = site.practice.settings();
    match judge(settings, &entry.query) {
        Ok(request) => show_login(&site, &entry.path, request),
        Err(Problem::Shown(text)) => shown(text),
        Err(Problem::Returned(refusal)) => {
            let (error, description) = settings.dialect.words(&site, &entry, &refusal);
            let redirect_uri = entry.query.get("redirect_uri").unwrap_or_default();
            let parameters = [("error", error), ("error_description", description.as_str())];
            back(&site, redirect_uri, Mode::of(&entry.query), entry.query.get("state"), &parameters)
        }
    }
}

/// `GET /auth`: the login page of the page that hands out packages. Its request is the server's own.
pub(super) async fn show_package_login(State(site): State<Site>) -> Response {
    let page = &site.practice.settings().package;
    let request = AuthorizationRequest {
        client_id: page.client_id.clone(),
        redirect_uri: None,
        scope: page.scope.clone(),
        resources: Vec::new(),
        claims: None,
        acr: None,
        nonce: None,
        code_challenge: None,
        mode: Mode::Query,
        state: None,
        login_hint: None,
    };
    let action = site.path(Endpoint::Authorization).unwrap_or_default();
    show_login(&site, action, request)
}

fn show_login(site: &Site, action: &str, request: AuthorizationRequest) -> Response {
    let settings = site.practice.settings();
    let form = fresh_secret();
    let client = settings.clients.iter().find(|client| client.id == request.client_id);
    let html = page::login(&page::Login {
        client: client.map_or(request.client_id.as_str(), |client| &client.name),
        scope: &request.scope,
        resources: &request.resources,
        users: &settings.users,
        chosen: request.login_hint.as_deref(),
        action,
        user_code: None,
        form: &form,
    });
    site.practice.state().login_forms.insert(form, request);
    (page::HEADERS, Html(html)).into_response()
}

/// `POST`: the person's decision. Each login page can be answered once, and only by who was shown it.
pub(super) async fn decide(State(site): State<Site>, Extension(entry): Extension<Entry>) -> Response {
    let settings = site.practice.settings();
    let user = settings.users.iter().find(|user| Some(user.username.as_str()) == entry.form.get("user"));
    let allowed_by = match (entry.form.get("decision"), user) {
        (Some("deny"), _) => None,
        (Some("allow"), Some(user)) => Some(user),
        (Some("allow"), None) => return shown("There is no such user. Go back and choose one."),
        _ => return shown("The form came back without a decision. Go back and choose one."),
    };
    let form = entry.form.get("form").unwrap_or_default();
    let Some(request) = site.practice.state().login_forms.remove(form) else {
        return shown("This login page was answered before, or is not ours. Start the login again.");
    };
    let state = request.state.as_deref();
    match (&request.redirect_uri, allowed_by) {
        (None, None) => shown("You have declined. Nothing was handed out."),
        (None, Some(user)) => {
            let code = issue_code(&site, &request, user);
            let package = json!({ "endpoint": site.package_endpoint(), "code": code }).to_string();
            (page::HEADERS, Html(page::package(&package))).into_response()
        }
        (Some(redirect_uri), None) => {
            let parameters = [("error", "access_denied"), ("error_description", "the person declined")];
            back(&site, redirect_uri, request.mode, state, &parameters)
        }
        (Some(redirect_uri), Some(user)) if request.mode == Mode::Fragment => {
            let scope = request.scope.join(" ");
            let (access_token, life) = token::issue_implicitly(&site, &request, user);
            let life = life.as_secs().to_string();
            let parameters = [
                ("access_token", access_token.as_str()),
                ("token_type", "Bearer"),
                ("expires_in", &life),
                ("scope", &scope),
            ];
            back(&site, redirect_uri, request.mode, state, &parameters)
        }
        (Some(redirect_uri), Some(user)) => {
            let code = issue_code(&site, &request, user);
            back(&site, redirect_uri, request.mode, state, &[("code", &code)])
        }
    }
}

fn issue_code(site: &Site, request: &AuthorizationRequest, user: &User) -> String {
    let timeline = &site.practice.shared.timeline;
    let code = fresh_secret();
    let record = Code {
        request: request.clone(),
        user: user.clone(),
        signed_in_at: timeline.unix_now(),
        expires_at: timeline.now() + site.practice.settings().code_life,
        redeemed: None,
    };
    let mut state = site.practice.state();
    state.ledger.remember(SecretKind::AuthorizationCode, &code);
    state.codes.insert(code.clone(), record);
    code
}

fn judge(settings: &Settings, query: &Parameters) -> Result<AuthorizationRequest, Problem> {
    let once = |name| match (query.all(name).count(), query.get(name)) {
        (1, Some(value)) => Some(value),
        _ => None,
    };
    let client = once("client_id")
        .and_then(|id| settings.clients.iter().find(|client| client.id == id))
        .ok_or(Problem::Shown("The program that sent you here is not registered (client_id)."))?;
    let redirect_uri = once("redirect_uri").filter(|uri| client.may_redirect_to(uri)).ok_or(
        Problem::Shown("The address to return to is not registered for this program (redirect_uri)."),
    )?;
    let problem = |error, description| Err(Problem::Returned(Refusal::bad(error, description)));
    if query.repeats_any() {
        return problem("invalid_request", "a parameter came twice");
    }
    let mode = Mode::of(query);
    match query.get("response_type") {
        Some("code") => {}
        Some("token") if settings.legacy => {}
        _ => return problem("unsupported_response_type", "response_type must be one of the metadata's"),
    }
    let default = if mode == Mode::Fragment { "fragment" } else { "query" };
    let may_post = mode == Mode::FormPost;
    if query.get("response_mode").is_some_and(|said| said != default && !(may_post && said == "form_post")) {
        return problem("invalid_request", "response_mode does not fit the response_type, or is unknown");
    }
    if query.get("request").is_some() {
        return problem("request_not_supported", "request objects are not supported");
    }
    let code_challenge = query.get("code_challenge").filter(|text| text.len() == 43).map(str::to_owned);
    if mode != Mode::Fragment {
        if query.get("code_challenge_method") != Some("S256") {
            return problem("invalid_request", "PKCE with code_challenge_method S256 is required");
        }
        if code_challenge.is_none() {
            return problem("invalid_request", "code_challenge must be a base64url SHA-256");
        }
    }
    if query.get("prompt") == Some("none") {
        return problem("login_required", "nobody is signed in without being asked");
    }
    let wanted = scope::of_person(settings, query).map_err(Problem::Returned)?;
    let claims = claims::asked(settings, query).map_err(Problem::Returned)?;
    let owned = |name| query.get(name).map(str::to_owned);
    Ok(AuthorizationRequest {
        client_id: client.id.clone(),
        redirect_uri: Some(redirect_uri.to_owned()),
        scope: wanted.scope,
        resources: wanted.resources,
        claims,
        acr: sign_in::way(query),
        nonce: owned("nonce"),
        code_challenge,
        mode,
        state: owned("state"),
        login_hint: owned("login_hint"),
    })
}

fn shown(text: &str) -> Response {
    (StatusCode::BAD_REQUEST, page::HEADERS, Html(page::problem(text))).into_response()
}

/// Sends the browser back. The redirect URI is extended as text, not parsed and written anew.
fn back(
    site: &Site,
    redirect_uri: &str,
    mode: Mode,
    state: Option<&str>,
    parameters: &[(&str, &str)],
) -> Response {
    let issuer = site.practice.settings().iss_in_callback.then_some(&*site.issuer);
    let extras = site.practice.settings().dialect.callback_extras();
    let extras = extras.iter().map(|(name, value)| (*name, Some(value.as_str())));
    let own = [("state", state), ("iss", issuer)].into_iter().chain(extras);
    let own = own.filter_map(|(name, value)| Some((name, value?)));
    let parameters: Vec<_> = parameters.iter().copied().chain(own).collect();
    if mode == Mode::FormPost {
        return (page::form_headers(), Html(page::form(redirect_uri, &parameters))).into_response();
    }
    let separator = match mode {
        Mode::Fragment => '#',
        _ if redirect_uri.contains('?') => '&',
        _ => '?',
    };
    let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
    let location = format!("{redirect_uri}{separator}{query}");
    let headers = [(header::LOCATION, location.as_str()), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::SEE_OTHER, [(header::REFERRER_POLICY, "no-referrer")], headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 7] = [
        ("client_id", "practice-client"),
        ("redirect_uri", "http://127.0.0.1:4000/callback"),
        ("response_type", "code"),
        ("scope", "openid read"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("state", "s"),
    ];

    fn judged(changes: &[(&str, &str)]) -> Result<AuthorizationRequest, Problem> {
        let kept = GOOD.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        let pairs = kept.chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        judge(&Settings::default(), &Parameters(pairs.collect()))
    }

    #[test]
    fn what_is_wrong_is_told_to_whom_it_may_be_told() {
        assert!(judged(&[]).is_ok());
        for shown in [
            &[("client_id", "nobody")] as &[_],
            &[("client_id", "")],
            &[("redirect_uri", "http://127.0.0.1:4000/elsewhere")],
            &[("redirect_uri", "https://evil.example/callback")],
            &[("redirect_uri", "http://127.0.0.1/callback"), ("redirect_uri", "http://127.0.0.1/")],
        ] {
            assert!(matches!(judged(shown), Err(Problem::Shown(_))), "{shown:?}");
        }
        for (expected, changes) in [
            ("unsupported_response_type", &[("response_type", "id_token")] as &[_]),
            ("invalid_request", &[("response_type", "token"), ("response_mode", "form_post")]),
            ("invalid_request", &[("code_challenge_method", "plain")]),
            ("invalid_request", &[("code_challenge_method", "")]),
            ("invalid_request", &[("code_challenge", "")]),
            ("invalid_request", &[("state", "one"), ("state", "two")]),
            ("invalid_request", &[("response_mode", "fragment")]),
            ("request_not_supported", &[("request", "e30")]),
            ("login_required", &[("prompt", "none")]),
            ("invalid_scope", &[("scope", "openid everything")]),
            ("invalid_target", &[("resource", "relative")]),
            ("invalid_target", &[("resource", "https://api.example/#part")]),
        ] {
            let Err(Problem::Returned(Refusal { error, .. })) = judged(changes) else {
                panic!("{changes:?}")
            };
            assert_eq!(error, expected, "{changes:?}");
        }
    }

    #[test]
    fn the_implicit_grant_is_there_only_where_it_is_offered() {
        let changes = [("response_type", "token"), ("code_challenge", "")];
        assert_eq!(judged(&changes).unwrap().mode, Mode::Fragment);
        let pairs = GOOD.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut query = Parameters(pairs.filter(|(name, _)| name != "response_type").collect());
        query.0.push(("response_type".to_owned(), "token".to_owned()));
        let strict = Settings { legacy: false, ..Settings::default() };
        assert!(matches!(
            judge(&strict, &query),
            Err(Problem::Returned(Refusal { error: "unsupported_response_type", .. }))
        ));
    }

    #[test]
    fn several_resources_are_kept_in_order() {
        let request =
            judged(&[("resource", "https://b.example/"), ("resource", "https://a.example/")]).unwrap();
        assert_eq!(request.resources, ["https://b.example/", "https://a.example/"]);
    }
}
