//! The view for other processes, under `/practice/`: counts, verdicts, a sign-in without a browser, and what is to
//! go wrong. It is no part of the authorization server, and what is asked here does not appear in the ledger.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    fault::Fault,
    ledger::SecretKind,
    oracle::{Family, Verdict},
    site::{Endpoint, Site},
    weather::Weather,
};

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/practice/ledger", get(ledger))
        .route("/practice/verdict", post(verdict))
        .route("/practice/sign-in", post(sign_in))
        .route("/practice/script", post(script))
}

/// `GET`: figures, and how each login stands; no secrets.
async fn ledger(State(site): State<Site>) -> Json<Value> {
    let state = site.practice.state();
    let ledger = &state.ledger;
    let now = site.practice.shared.timeline.now();
    let families: Vec<Value> = state.families.report(now).map(|family| shown(&family)).collect();
    let mut verdicts = BTreeMap::from([("live", 0), ("expired", 0), ("revoked", 0)]);
    for verdict in state.families.verdicts(now) {
        let name = match verdict {
            Verdict::Live => "live",
            Verdict::Expired => "expired",
            Verdict::Revoked => "revoked",
            Verdict::Unknown => continue,
        };
        *verdicts.entry(name).or_default() += 1;
    }
    Json(json!({
        "requests": ledger.entries().len(),
        "authorization_requests": ledger.requests(Endpoint::Authorization).count(),
        "token_requests": ledger.requests(Endpoint::Token).count(),
        "code_exchanges": ledger.token_requests("authorization_code").len(),
        "refresh_requests": ledger.token_requests("refresh_token").len(),
        "revocation_requests": ledger.requests(Endpoint::Revocation).count(),
        "api_requests": ledger.requests(Endpoint::Api).count(),
        "errors": ledger.entries().iter().filter(|entry| entry.status.is_some_and(|s| s >= 400)).count(),
        "refreshes": ledger.refreshes().len(),
        "reuse_events": ledger.reuse_events().len(),
        "most_redemptions_of_a_refresh_token": ledger.most_redemptions(),
        "refresh_tokens_issued": ledger.secrets_of(SecretKind::RefreshToken).count(),
        "access_tokens_issued": ledger.secrets_of(SecretKind::AccessToken).count(),
        "access_tokens": verdicts,
        "now": now.as_secs_f64(),
        "families": families,
    }))
}

/// Times are seconds since the making of the server, as `now` is.
fn shown(family: &Family) -> Value {
    json!({
        "id": family.id,
        "client_id": family.client_id,
        "subject": family.subject,
        "alive": family.alive,
        "end": family.end.map(|end| json!({ "at": end.at.as_secs_f64(), "why": end.why })),
        "refreshes": family.refreshes,
        "last_refresh_at": family.last_refresh_at.map(|at| at.as_secs_f64()),
        "reuse_events": family.reuse_events,
    })
}

#[derive(Deserialize)]
struct Asked {
    access_token: String,
}

/// `POST {access_token}`: the oracle's word, and which family it descends from.
async fn verdict(State(site): State<Site>, Json(asked): Json<Asked>) -> Json<Value> {
    let family = site.practice.access_token(&asked.access_token).map(|token| token.family());
    Json(json!({ "verdict": site.practice.verdict(&asked.access_token), "family": family }))
}

#[derive(Deserialize)]
struct Visit {
    authorization_uri: String,
    #[serde(default)]
    user: Option<String>,
}

/// `POST {authorization_uri, user?}`: signs in as the user, else as the first one.
async fn sign_in(
    State(site): State<Site>,
    Json(visit): Json<Visit>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let first = site.practice.settings().users.first().map(|user| user.username.clone());
    let user = visit.user.or(first).unwrap_or_default();
    let callback = site.practice.sign_in(&visit.authorization_uri, &user).await;
    let callback = callback.map_err(|problem| (StatusCode::BAD_REQUEST, problem.to_string()))?;
    Ok(Json(json!({ "callback_uri": callback.as_str() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// For the next requests, one each.
    #[serde(default)]
    faults: Vec<Fault>,
    /// Whose requests.
    #[serde(default = "the_token_endpoint")]
    endpoint: Endpoint,
    #[serde(default)]
    weather: Option<Forecast>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Forecast {
    seed: u64,
    rate: f64,
    /// All there are when left out.
    #[serde(default)]
    faults: Option<Vec<Fault>>,
}

fn the_token_endpoint() -> Endpoint {
    Endpoint::Token
}

/// `POST {faults?, endpoint?, weather?: {seed, rate, faults?}}`: what befalls the next requests, as in
/// `{"faults": [{"point": "after_committing", "kind": "reset"}, {"point": {"mid_answer": 9}, "kind": {"delay": 1.5}}]}`.
async fn script(State(site): State<Site>, Json(wanted): Json<Wanted>) -> StatusCode {
    site.practice.answer_next(wanted.endpoint, wanted.faults);
    if let Some(Forecast { seed, rate, faults }) = wanted.weather {
        let faults = faults.unwrap_or_else(|| Fault::all().collect());
        site.practice.set_weather(Some(Weather::new(seed, rate, faults)));
    }
    StatusCode::NO_CONTENT
}
