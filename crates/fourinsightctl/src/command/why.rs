//! `why`: what was last tried for a session, what is behind it, and what to do about it.

use anstyle::AnsiColor;
use fourinsight_client::{Action, Attempt, AttemptOutcome, SessionAttempts};
use fourinsight_ipc::{SessionKey, message::SessionStatus};
use jiff::tz::TimeZone;

use super::{Context, rotation};
use crate::{
    cli::Why,
    failure::{Exit, Failure},
    output,
    render::{absolute, clean, now, relative},
};

pub(super) fn run(context: &Context, options: &Why) -> Result<Exit, Failure> {
    let known = context.client.attempts(&options.key)?;
    if context.json {
        output::json_to_stdout(&known)?;
    } else {
        // One that nobody is signed in to yet has attempts, but no status.
        let status = context.client.status(&options.key).ok();
        let key_home = context.client.health().ok().map(|health| health.key);
        let standing = status.map(|status| standing(&status, key_home.as_deref(), now())).unwrap_or_default();
        output::styled_to_stdout(&told(&known, &standing, now(), &TimeZone::system()))?;
    }
    Ok(Exit::Done)
}

/// The failure with a pointer to this command, where the daemon knows more of what was last tried for the session.
pub(super) fn pointing_here(context: &Context, key: &SessionKey, failure: Failure) -> Failure {
    let asked = match failure.exit {
        Exit::NoDaemon | Exit::Interrupted | Exit::Configuration | Exit::AnotherInstance => None,
        _ => context.client.attempts(key).ok(),
    };
    let newest = asked.as_ref().and_then(|known| known.attempts.first());
    match newest.filter(|newest| newest.action != Action::Revocation && says_more(newest)) {
        Some(_) => failure.and_next(&pointer(key)),
        None => failure,
    }
}

/// A pointer to this command, where the daemon knows more of a problem with this code.
pub(super) fn about_problem(context: &Context, key: &SessionKey, error: &str) -> Option<String> {
    let known = context.client.attempts(key).ok()?;
    let more = |attempt: &Attempt| attempt.error.as_deref() == Some(error) && says_more(attempt);
    known.attempts.iter().any(more).then(|| pointer(key))
}

/// Whether more is known of a failure than its code and its words.
fn says_more(attempt: &Attempt) -> bool {
    attempt.error.is_some() && (attempt.cause.is_some() || attempt.correlation_id.is_some())
}

fn pointer(key: &SessionKey) -> String {
    let quote = if key.as_str().contains(' ') { "'" } else { "" };
    format!("`fourinsightctl why {quote}{key}{quote}` says more")
}

/// How the session's refresh token fares, and where the key is that seals it on the disk.
fn standing(session: &SessionStatus, key_home: Option<&str>, now: i64) -> String {
    let mut text = String::new();
    for line in rotation::lines(session, now) {
        row(&mut text, line.label, &line.text);
    }
    if let Some(home) = key_home.filter(|_| session.lifetime.is_stored() && !text.is_empty()) {
        row(&mut text, "sealing key", home);
    }
    text
}

fn told(known: &SessionAttempts, standing: &str, now: i64, zone: &TimeZone) -> String {
    if known.attempts.is_empty() && standing.is_empty() {
        return format!("Nothing was tried for session {} since the daemon started.\n", known.session);
    }
    let one = |attempt: &Attempt| format!("\n{}", one(attempt, now, zone));
    let mut attempts: String = known.attempts.iter().map(one).collect();
    if attempts.is_empty() {
        attempts.push_str("\nNothing was tried since the daemon started.\n");
    }
    format!("session {}\n{standing}{attempts}", known.session)
}

fn one(attempt: &Attempt, now: i64, zone: &TimeZone) -> String {
    let (outcome, colour) = outcome(attempt.outcome);
    let style = colour.on_default();
    let often = match attempt.count {
        Some(count) => format!("{count} times in a row, last "),
        None => String::new(),
    };
    let when = format!("{often}{} ({})", relative(attempt.at, now), absolute(attempt.at, zone));
    let mut text = format!("{} {style}{outcome}{style:#}  {when}\n", action(attempt));
    let numbers: Vec<String> = attempt.codes.iter().map(|code| format!("AADSTS{code}")).collect();
    let error = attempt.error.as_ref().map(|error| {
        let suberror = attempt.suberror.as_ref().map(|suberror| format!(", {suberror}")).unwrap_or_default();
        let numbers = if numbers.is_empty() { String::new() } else { format!(" ({})", numbers.join(", ")) };
        format!("{error}{suberror}{numbers}")
    });
    for (label, value) in [
        ("error", &error),
        ("description", &attempt.error_description),
        ("correlation id", &attempt.correlation_id),
        ("trace id", &attempt.trace_id),
        ("page", &attempt.error_uri),
        ("cause", &attempt.cause),
        ("next step", &attempt.next_step),
    ] {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            row(&mut text, label, value);
        }
    }
    text
}

fn action(attempt: &Attempt) -> String {
    match (attempt.action, &attempt.flow) {
        (Action::Login, Some(flow)) => format!("login by {}", clean(flow)),
        (Action::Login, None) => "login".to_owned(),
        (Action::Refresh, _) => "refresh".to_owned(),
        (Action::ClientCredentials, _) => "sign-in as the client itself".to_owned(),
        (Action::Renewal, _) => "renewal".to_owned(),
        (Action::Revocation, _) => "revocation".to_owned(),
        _ => "a step this program does not know".to_owned(),
    }
}

fn outcome(outcome: AttemptOutcome) -> (&'static str, AnsiColor) {
    match outcome {
        AttemptOutcome::Succeeded => ("succeeded", AnsiColor::Green),
        AttemptOutcome::Failed => ("failed", AnsiColor::Red),
        AttemptOutcome::Refused => ("was refused", AnsiColor::Red),
        AttemptOutcome::Cancelled => ("was cancelled", AnsiColor::Yellow),
        AttemptOutcome::Expired => ("expired", AnsiColor::Yellow),
        _ => ("ended somehow", AnsiColor::Yellow),
    }
}

/// Where values begin, and where their lines end at the latest.
const INDENT: usize = 18;
const WIDTH: usize = 100;

/// A label and its value, broken between words into lines below each other.
fn row(text: &mut String, label: &str, value: &str) {
    let mut line = format!("  {label:<width$}", width = INDENT - 2);
    let mut is_empty = true;
    for word in clean(value).split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.extend([line.as_str(), "\n"]);
            line = " ".repeat(INDENT);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    text.extend([line.trim_end(), "\n"]);
}

#[cfg(test)]
#[path = "why_tests.rs"]
mod tests;
