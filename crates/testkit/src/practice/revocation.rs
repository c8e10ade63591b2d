//! The revocation endpoint (RFC 7009): a refresh token takes its whole family along.

use axum::{
    Extension,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};

use super::{answer::Refusal, clients::authenticate, ledger::Entry, oracle::Why, site::Site};

/// `POST`. An unknown token is no error (section 2.2).
pub(super) async fn revoke(State(site): State<Site>, Extension(entry): Extension<Entry>) -> Response {
    match forget(&site, &entry) {
        Ok(()) => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response(),
        Err(refusal) => site.practice.settings().dialect.refused(&site, &entry, refusal),
    }
}

fn forget(site: &Site, entry: &Entry) -> Result<(), Refusal> {
    if entry.form.repeats_any() {
        return Err(Refusal::invalid_request("a parameter came twice"));
    }
    let client = authenticate(site, entry)?;
    let text = entry.form.get("token").ok_or(Refusal::invalid_request("token is missing"))?;
    let now = site.practice.shared.timeline.now();
    let families = &mut site.practice.state().families;
    if let Some((family, owner)) = families.owner_of_refresh_token(text) {
        if owner != client.id {
            return Err(Refusal::invalid_grant("the token was issued to another client"));
        }
        families.revoke_family(family, now, Why::RevokedByClient);
    } else if let Some(token) = families.access_token(text) {
        if token.client_id != client.id {
            return Err(Refusal::invalid_grant("the token was issued to another client"));
        }
        families.revoke_access_token(text);
    }
    Ok(())
}
