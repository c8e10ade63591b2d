//! `GET /v1/sessions`, `GET` and `DELETE /v1/sessions/{key}`.

use std::sync::Arc;

use axum::{Json, extract::State, http::Uri};
use fourinsight_ipc::{
    ErrorBody, SessionKey,
    message::{
        Audience, Durability, Expiry as ShownExpiry, Identity, InterruptedRotation, Problem, RevokeResponse,
        RotationStatus, SessionList, SessionState, SessionStatus,
    },
};

use super::{
    Api, ApiError,
    error::login_command,
    extract::{Key, Query},
};
use crate::{
    authority::Failure,
    broker::others_of,
    clock::{Clock, Timestamp},
    peer::Peer,
    session::{Handle, Rotation, Shown, Snapshot, View},
    token::{Expiry, TokenKey},
};

/// Lists every session.
#[utoipa::path(get, path = "/v1/sessions", responses((status = 200, body = SessionList)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    peer: Peer,
    uri: Uri,
) -> Result<Json<SessionList>, ApiError> {
    Query::read(uri.query(), &[])?;
    let known = api.sessions(&peer);
    let mut sessions: Vec<_> = known.iter().filter_map(|session| status(&api, session)).collect();
    sessions.extend(api.sealed());
    for (key, profile) in api.signing_in(&peer) {
        if !sessions.iter().any(|status| status.session == key) {
            sessions.push(signing_in(key, profile));
        }
    }
    sessions.sort_by(|one, other| one.session.cmp(&other.session));
    Ok(Json(SessionList { sessions }))
}

/// Shows one session.
#[utoipa::path(
    get,
    path = "/v1/sessions/{key}",
    params(("key" = String, Path, description = "The session key")),
    responses((status = 200, body = SessionStatus), (status = 404, body = ErrorBody)),
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    peer: Peer,
    Key(key): Key,
    uri: Uri,
) -> Result<Json<SessionStatus>, ApiError> {
    Query::read(uri.query(), &[])?;
    let pending = || {
        let mut pending = api.signing_in(&peer).into_iter();
        pending.find(|(session, _)| *session == key).map(|(session, profile)| signing_in(session, profile))
    };
    let known = api.session(&peer, &key).and_then(|session| status(&api, &session));
    let sealed = || api.sealed_session(&key);
    known.or_else(sealed).or_else(pending).map(Json).ok_or_else(|| unknown(&key))
}

/// Revokes a session: tells its server, then forgets it.
#[utoipa::path(
    delete,
    path = "/v1/sessions/{key}",
    params(("key" = String, Path, description = "The session key")),
    responses((status = 200, body = RevokeResponse), (status = 404, body = ErrorBody)),
)]
pub(super) async fn revoke(
    State(api): State<Arc<Api>>,
    peer: Peer,
    Key(key): Key,
    uri: Uri,
) -> Result<Json<RevokeResponse>, ApiError> {
    Query::read(uri.query(), &[])?;
    api.readable(&peer, &key)?;
    let session = api.session(&peer, &key).filter(|session| session.snapshot().shown != Shown::SignedOut);
    let session = session.ok_or_else(|| unknown(&key))?;
    // Asked first: afterwards nobody knows who it was.
    let others = others_of(&session, api.sessions(&peer));
    let revoked = session.revoke().await?;
    Ok(Json(RevokeResponse { others, ..revoked }))
}

pub(super) fn unknown(key: &SessionKey) -> ApiError {
    let ApiError(body) = ApiError::not_found("no such session");
    ApiError(
        body.hint(format!("`fourinsightctl status` lists them, and `{}` makes this one", login_command(key))),
    )
}

fn signing_in(key: SessionKey, profile: String) -> SessionStatus {
    let mut status = SessionStatus::new(key, SessionState::SigningIn);
    status.profile = Some(profile);
    status
}

/// The status of a session; `None` for one that is signed out, which is no session any more.
fn status(api: &Api, session: &Handle) -> Option<SessionStatus> {
    let snapshot = session.snapshot();
    let clock = &api.clock;
    let refused = snapshot.refused_for_long(clock.now());
    let state = match snapshot.shown {
        Shown::SignedOut => return None,
        Shown::SigningIn => SessionState::SigningIn,
        Shown::SignedIn if refused.is_some() => SessionState::LoginRequired,
        Shown::SignedIn => SessionState::SignedIn,
        Shown::LoginRequired => SessionState::LoginRequired,
        Shown::Revoking => SessionState::Revoking,
    };
    let mut status = SessionStatus::new(session.key.clone(), state);
    status.profile.clone_from(&snapshot.profile);
    if let Some(login) = &snapshot.login {
        status.original_key.clone_from(&login.original_key);
        status.resources.clone_from(&login.resources);
        status.requested_scope = Some(login.scopes.join(" ")).filter(|scope| !scope.is_empty());
        let granted = snapshot.own_token().and_then(|served| served.token.scope.clone());
        status.scope = granted.or_else(|| status.requested_scope.clone());
    }
    status.identity = snapshot
        .person
        .as_ref()
        .map(|person| Identity { sub: person.subject.clone(), name: person.name.clone() });
    (status.expires_at, status.expiry) = expiry(&snapshot, clock);
    status.next_renewal_at = snapshot.next_renewal.map(|at| clock.to_unix(at).max(clock.unix_now()));
    status.renewable = !snapshot.ends;
    status.login_needed_by = snapshot.login_needed_by.map(|at| clock.to_unix(at));
    let told = refused.or(snapshot.problem.as_ref());
    status.problem = told.map(|(failure, since)| problem(failure, *since, clock));
    let others = snapshot.others();
    status.audiences = others.map(|(key, view)| audience(key, view, &snapshot, clock)).collect();
    if let Some(login) = snapshot.login.as_ref().filter(|_| snapshot.shown == Shown::SignedIn) {
        // What works goes before what an API would like better.
        let wanted = login.step_up.as_ref().map(|step_up| Problem {
            error: step_up.failure.error.clone(),
            description: step_up.failure.description.clone(),
            since: step_up.since,
        });
        // What one audience lacks is told there.
        let told = |wanted: &Problem| {
            let mut problems = status.audiences.iter().filter_map(|audience| audience.problem.as_ref());
            problems.any(|told| (&told.error, &told.description) == (&wanted.error, &wanted.description))
        };
        status.problem = status.problem.or(wanted.filter(|wanted| !told(wanted)));
    }
    status.durability = if snapshot.degraded { Durability::Degraded } else { Durability::Durable };
    status.rotation = snapshot.rotation.as_ref().map(|known| rotation(known, &snapshot, clock));
    status.generation = snapshot.generation;
    status.lifetime = snapshot.login.as_ref().map(|login| login.lifetime).unwrap_or_default();
    Some(status)
}

fn rotation(known: &Rotation, snapshot: &Snapshot, clock: &Clock) -> RotationStatus {
    let mut status = RotationStatus::new(snapshot.kept_by, known.behaviour.to_string());
    status.last_at = known.last_at.map(|at| clock.to_unix(at));
    status.learnt = known.learnt;
    status.interrupted = known.interrupted.as_ref().map(|(since, generation, description)| {
        let retry_at = snapshot.retry_at.map(|at| clock.to_unix(at));
        let retry_at = retry_at.filter(|at| *at > clock.unix_now());
        InterruptedRotation::new(clock.to_unix(*since), *generation, description.clone(), retry_at)
    });
    status
}

fn audience(key: &TokenKey, view: &View, snapshot: &Snapshot, clock: &Clock) -> Audience {
    let scope = key.scopes().collect::<Vec<_>>().join(" ");
    let resources = key.resources().map(str::to_owned).collect();
    let mut audience = Audience::new(Some(scope).filter(|scope| !scope.is_empty()), resources);
    let end = view.token.as_ref().and_then(|served| served.token.expiry.end());
    audience.expires_at = end.map(|at| clock.to_unix(at));
    audience.next_renewal_at =
        snapshot.next_renewal_of(view).map(|at| clock.to_unix(at).max(clock.unix_now()));
    audience.last_used_at = Some(clock.to_unix(view.used_at()));
    let refused = view.refused.as_ref();
    audience.problem = refused.map(|refused| problem(&refused.failure, refused.since, clock));
    audience
}

fn problem(failure: &Failure, since: Timestamp, clock: &Clock) -> Problem {
    Problem {
        error: failure.error.clone(),
        description: failure.description.clone(),
        since: clock.to_unix(since),
    }
}

fn expiry(snapshot: &Snapshot, clock: &Clock) -> (Option<i64>, ShownExpiry) {
    match snapshot.own_expiry() {
        Some(Expiry::At { at, assumed }) => {
            let how = if assumed { ShownExpiry::Assumed } else { ShownExpiry::Known };
            (Some(clock.to_unix(at)), how)
        }
        Some(Expiry::Unknown) => (None, ShownExpiry::Unknown),
        None => (None, ShownExpiry::Known),
    }
}
