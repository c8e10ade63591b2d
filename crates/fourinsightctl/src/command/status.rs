//! `status`: who is signed in, and how the daemon is. Never a token.

use anstyle::AnsiColor;
use fourinsight_ipc::message::{
    Audience, Durability, Expiry, Health, Lifetime, Problem, Quarantined, SessionState, SessionStatus,
};

use super::{Context, rotation, why};
use crate::{
    cli::Status,
    failure::{Exit, Failure},
    output,
    render::{Cell, labelled, length, now, person, relative, table},
};

pub(super) fn run(context: &Context, options: &Status) -> Result<Exit, Failure> {
    if let Some(key) = &options.key {
        let session = context.client.status(key)?;
        if context.json {
            output::json_to_stdout(&session)?;
        } else {
            let health = context.client.health()?;
            let more = pointers(context, std::slice::from_ref(&session));
            output::styled_to_stdout(&format!("{}{more}\n{}", one(&session, now()), daemon(&health)))?;
        }
        return Ok(exit_of(session.state));
    }
    let health = context.client.health()?;
    let sessions = context.client.sessions()?;
    if context.json {
        output::json_to_stdout(&serde_json::json!({ "daemon": health, "sessions": sessions }))?;
    } else {
        let more = pointers(context, &sessions);
        output::styled_to_stdout(&format!("{}{more}\n{}", all(&sessions, now()), daemon(&health)))?;
    }
    Ok(Exit::Done)
}

/// What `status KEY` tells a script: whether somebody must sign in before there is a token.
fn exit_of(state: SessionState) -> Exit {
    match state {
        SessionState::SignedIn | SessionState::Unknown => Exit::Done,
        _ => Exit::LoginRequired,
    }
}

/// Where more is known of a problem than there is room for.
fn pointers(context: &Context, sessions: &[SessionStatus]) -> String {
    let more: Vec<String> = sessions
        .iter()
        .filter_map(|session| {
            let problem = session.problem.as_ref()?;
            why::about_problem(context, &session.session, &problem.error)
        })
        .collect();
    if more.is_empty() { String::new() } else { format!("\n{}\n", more.join("\n")) }
}

fn all(sessions: &[SessionStatus], now: i64) -> String {
    if sessions.is_empty() {
        return "There is no session yet: sign in with `fourinsightctl login`.\n".to_owned();
    }
    let first = |session: &SessionStatus| {
        [
            Cell::plain(&key(session, LONGEST_ORIGINAL)),
            Cell::plain(&person(session.identity.as_ref()).unwrap_or_else(|| ABSENT.to_owned())),
            standing(session),
            expires(session, now),
            renewal(session, now, "never"),
        ]
    };
    let [name, who, state, end, next] =
        ["SESSION", "SIGNED IN AS", "STATE", "ACCESS TOKEN EXPIRES", "NEXT RENEWAL"];
    // Most servers do not say so, and then there is nothing to show.
    if sessions.iter().all(|session| session.login_needed_by.is_none()) {
        let row = |session| {
            let [name, who, state, end, next] = first(session);
            [name, who, state, end, next, problem(session, now)]
        };
        let rows: Vec<_> = sessions.iter().map(row).collect();
        return table([name, who, state, end, next, "PROBLEM"], &rows);
    }
    let row = |session| {
        let [name, who, state, end, next] = first(session);
        [name, who, state, end, next, forecast(session, now), problem(session, now)]
    };
    let rows: Vec<_> = sessions.iter().map(row).collect();
    table([name, who, state, end, next, "LOGIN NEEDED", "PROBLEM"], &rows)
}

fn one(session: &SessionStatus, now: i64) -> String {
    let text = |text: Option<&str>| Cell::plain(text.filter(|text| !text.is_empty()).unwrap_or(ABSENT));
    let mut rows = vec![
        ("session", Cell::plain(&key(session, usize::MAX))),
        ("signed in as", text(person(session.identity.as_ref()).as_deref())),
        ("state", state(session)),
        ("lasts", lasts(session.lifetime)),
        ("profile", text(session.profile.as_deref())),
        ("scope", text(session.scope.as_deref())),
        ("resources", text(Some(&session.resources.join(" ")))),
        ("access token expires", expires(session, now)),
        (
            "next renewal",
            renewal(session, now, "never: nothing can renew this session; sign in again when it ends"),
        ),
    ];
    if session.login_needed_by.is_some() {
        rows.push(("login needed", forecast(session, now)));
    }
    rows.extend(rotation::lines(session, now).into_iter().map(|line| {
        let cell =
            if line.bad { Cell::coloured(&line.text, AnsiColor::Red) } else { Cell::plain(&line.text) };
        (line.label, cell)
    }));
    rows.push(("problem", problem(session, now)));
    rows.extend(session.audiences.iter().map(|other| ("also serves", audience(other, now))));
    labelled(&rows)
}

fn daemon(health: &Health) -> String {
    let process = format!("{}, process {}, {}", health.version, health.pid, health.status);
    let mut rows = vec![
        ("daemon", Cell::plain(&process)),
        ("socket", Cell::plain(&health.socket)),
        ("store", Cell::plain(&health.store)),
        ("key", Cell::plain(&health.key)),
        ("config", Cell::plain(&health.config)),
    ];
    rows.extend(health.problems.iter().map(|problem| ("problem", Cell::coloured(problem, AnsiColor::Red))));
    rows.extend(
        health.quarantined.iter().map(|it| ("set aside", Cell::coloured(&set_aside(it), AnsiColor::Red))),
    );
    labelled(&rows)
}

/// What cannot be read, and where it is kept.
fn set_aside(kept: &Quarantined) -> String {
    let whose =
        kept.session.as_ref().map_or_else(|| "the database".to_owned(), |key| format!("session {key}"));
    format!("{whose}: {}; kept as {}", kept.reason, kept.kept_as)
}

/// The key, and beside it so many letters of the one that `fourinsight.api` knows the session by.
fn key(session: &SessionStatus, most: usize) -> String {
    match &session.original_key {
        None => session.session.to_string(),
        Some(original) => {
            let shown: String = original.chars().take(most).collect();
            let rest = if shown.len() < original.len() { "…" } else { "" };
            format!("{} (their \"{shown}{rest}\")", session.session)
        }
    }
}

/// A table has no room for a path.
const LONGEST_ORIGINAL: usize = 40;

const ABSENT: &str = "-";

/// Where a session stands, and whether it is in memory only.
fn state(session: &SessionStatus) -> Cell {
    let (text, colour) = match session.state {
        SessionState::SignedOut => ("signed out", AnsiColor::Yellow),
        SessionState::SigningIn => ("signing in", AnsiColor::Yellow),
        SessionState::SignedIn => ("signed in", AnsiColor::Green),
        SessionState::LoginRequired => ("login required", AnsiColor::Red),
        SessionState::Revoking => ("revoking", AnsiColor::Yellow),
        _ => ("unknown", AnsiColor::Yellow),
    };
    match session.lifetime {
        Lifetime::Stored => Cell::coloured(text, colour),
        _ => Cell::coloured(&format!("{text}, in memory"), colour),
    }
}

fn lasts(lifetime: Lifetime) -> Cell {
    Cell::plain(match lifetime {
        Lifetime::Stored => "until it is revoked",
        Lifetime::UntilLogout => "until you log out, and for nobody else; in memory only",
        _ => "until the daemon stops; in memory only",
    })
}

/// Where a session stands, and how many other scopes and resources it is asked for.
fn standing(session: &SessionStatus) -> Cell {
    match session.audiences.len() {
        0 => state(session),
        1 => state(session).followed_by(", 1 audience"),
        several => state(session).followed_by(&format!(", {several} audiences")),
    }
}

/// Other scopes or resources that a session is asked for, in a line.
fn audience(other: &Audience, now: i64) -> Cell {
    let names = other.scope.iter().chain(&other.resources).map(String::as_str).collect::<Vec<_>>().join(" ");
    let mut parts = vec![if names.is_empty() { "no scope".to_owned() } else { names }];
    match other.expires_at {
        Some(at) if at <= now => parts.push(format!("expired {}", relative(at, now))),
        Some(at) => parts.push(format!("expires {}", relative(at, now))),
        None => {}
    }
    match (other.next_renewal_at, &other.problem) {
        (Some(at), _) => parts.push(format!("renewed {}", relative(at.max(now), now))),
        (None, None) if other.expires_at.is_some() => parts.push("renewed once it is used again".to_owned()),
        _ => {}
    }
    if let Some(at) = other.last_used_at {
        parts.push(format!("last used {}", relative(at.min(now), now)));
    }
    match &other.problem {
        Some(problem) => {
            parts.push(in_words(problem, now));
            Cell::coloured(&parts.join(", "), AnsiColor::Red)
        }
        None => Cell::plain(&parts.join(", ")),
    }
}

fn in_words(problem: &Problem, now: i64) -> String {
    let lasting = length(u64::try_from(now.saturating_sub(problem.since)).unwrap_or_default());
    format!("{}: {} (for {lasting})", problem.error, problem.description)
}

fn expires(session: &SessionStatus, now: i64) -> Cell {
    match (session.expires_at, session.expiry) {
        (Some(at), Expiry::Assumed) => Cell::plain(&format!("{} (assumed)", relative(at, now))),
        (Some(at), _) => Cell::plain(&relative(at, now)),
        (None, Expiry::Unknown) => Cell::plain("expiry unknown"),
        (None, _) => Cell::plain(ABSENT),
    }
}

/// `never` is said of a session that ends with its access token.
fn renewal(session: &SessionStatus, now: i64, never: &str) -> Cell {
    match session.next_renewal_at {
        None if session.state == SessionState::SignedIn && !session.renewable => Cell::plain(never),
        Some(at) => Cell::plain(&relative(at.max(now), now)),
        None => Cell::plain(ABSENT),
    }
}

/// When somebody must sign in again, where that is known.
fn forecast(session: &SessionStatus, now: i64) -> Cell {
    match session.login_needed_by {
        Some(at) if at <= now => Cell::coloured("now", AnsiColor::Yellow),
        Some(at) => Cell::plain(&relative(at, now)),
        None => Cell::plain(ABSENT),
    }
}

fn problem(session: &SessionStatus, now: i64) -> Cell {
    let mut problems = Vec::new();
    if let Some(problem) = &session.problem {
        problems.push(in_words(problem, now));
    }
    if session.durability == Durability::Degraded {
        problems.push("the disk refuses it: until that ends, a power cut may lose the login".to_owned());
    }
    if problems.is_empty() {
        return Cell::plain(ABSENT);
    }
    Cell::coloured(&problems.join("; "), AnsiColor::Red)
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
