//! `revoke`: has the server revoke a login, and says what became of it.

use fourinsight_client::Error;
use fourinsight_ipc::{
    SessionKey,
    message::{Revocation, RevokeResponse},
};
use jiff::tz::TimeZone;

use super::Context;
use crate::{
    cli::Revoke,
    failure::{Exit, Failure},
    output,
    render::{absolute, clean, now, relative},
};

pub(super) fn run(context: &Context, options: Revoke) -> Result<Exit, Failure> {
    if options.all {
        return all(context);
    }
    let answer = context.client.revoke(&options.key.unwrap_or_default()).map_err(failure)?;
    if context.json {
        output::json_to_stdout(&answer)?;
    } else {
        say(&answer)?;
        output::to_stdout(others(&answer).unwrap_or_default().as_bytes())?;
    }
    Ok(exit_of(answer.revocation))
}

/// Every session in turn, whatever became of the one before; the exit code is the highest.
fn all(context: &Context) -> Result<Exit, Failure> {
    let keys: Vec<SessionKey> =
        context.client.sessions().map_err(failure)?.into_iter().map(|session| session.session).collect();
    if keys.is_empty() && !context.json {
        output::to_stdout(b"There is no session to sign out.\n")?;
    }
    let mut answers = Vec::new();
    let mut exit = Exit::Done;
    for key in keys {
        match context.client.revoke(&key) {
            Ok(answer) => {
                exit = exit.max(exit_of(answer.revocation));
                if !context.json {
                    say(&answer)?;
                }
                answers.push(answer);
            }
            // Somebody else signed it out in the meantime.
            Err(Error::NotFound(_)) => {}
            Err(error) => {
                let failure = Failure::from(error);
                exit = exit.max(failure.exit);
                output::line_to_stderr(&failure.of_session(&key).to_string());
            }
        }
    }
    if context.json {
        output::json_to_stdout(&serde_json::json!({ "sessions": answers }))?;
    }
    Ok(exit)
}

/// Nobody signs in only to revoke, so without a daemon the next step is to start it.
fn failure(error: Error) -> Failure {
    let not_running = matches!(error, Error::NotRunning { .. });
    let failure = Failure::from(error);
    if not_running { failure.but_next("start it with `fourinsightd`, then revoke again") } else { failure }
}

fn say(answer: &RevokeResponse) -> Result<(), Failure> {
    output::to_stdout(sentence(answer, now(), &TimeZone::system()).as_bytes())
}

fn sentence(answer: &RevokeResponse, now: i64, zone: &TimeZone) -> String {
    let key = &answer.session;
    let outcome = match answer.revocation {
        Revocation::Revoked => format!("{key} is signed out: the server has revoked its login."),
        Revocation::Unsupported => format!(
            "{key} is forgotten here, but its login was not revoked: the server has no revocation endpoint."
        ),
        _ => format!(
            "{key} is forgotten here, but its login may live on: the server refused to revoke it, or could not be reached.\nThe daemon says: {}",
            clean(&answer.description)
        ),
    };
    let tokens = match answer.access_tokens_live_until {
        Some(until) if until > now => format!(
            "Access tokens that were already handed out may be accepted until {} ({}).",
            absolute(until, zone),
            relative(until, now)
        ),
        _ => "No access token that was handed out is known to live on.".to_owned(),
    };
    format!("{}\n{tokens}\n", outcome.trim_end())
}

/// What else may have ended; nothing of a session that was only forgotten here.
fn others(answer: &RevokeResponse) -> Option<String> {
    if answer.others.is_empty() || answer.revocation == Revocation::Unsupported {
        return None;
    }
    let others = answer.others.iter().map(SessionKey::as_str).collect::<Vec<_>>().join(", ");
    Some(format!(
        "These may end too, because they are the same person's with the same client at this server, and some servers revoke all of that at once: {others}.\n"
    ))
}

fn exit_of(revocation: Revocation) -> Exit {
    match revocation {
        Revocation::Revoked => Exit::Done,
        Revocation::Unsupported => Exit::RevocationUnsupported,
        _ => Exit::RevocationFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn answer(revocation: Revocation, until: Option<i64>) -> RevokeResponse {
        RevokeResponse {
            session: SessionKey::default(),
            revocation,
            description: "The server answered 500.\x1b".to_owned(),
            access_tokens_live_until: until,
            others: Vec::new(),
        }
    }

    #[test]
    fn each_outcome_has_its_sentence_and_exit_code() {
        for (revocation, exit, says) in [
            (Revocation::Revoked, Exit::Done, "the server has revoked its login"),
            (Revocation::Unsupported, Exit::RevocationUnsupported, "no revocation endpoint"),
            (Revocation::Failed, Exit::RevocationFailed, "refused to revoke it, or could not be reached"),
        ] {
            let text = sentence(&answer(revocation, None), NOW, &TimeZone::UTC);
            assert!(text.contains(says), "{text}");
            assert_eq!(exit_of(revocation), exit);
        }
    }

    #[test]
    fn who_shares_the_person_is_named_where_the_server_was_told() {
        let key = |text| SessionKey::new(text).unwrap();
        for (revocation, says) in [
            (Revocation::Revoked, Some("at once: home, work 2.\n")),
            (Revocation::Failed, Some("at once: home, work 2.\n")),
            (Revocation::Unsupported, None),
        ] {
            let mut answer = answer(revocation, None);
            assert_eq!(others(&answer), None);
            answer.others = vec![key("home"), key("work 2")];
            let text = others(&answer);
            assert!(match says {
                Some(says) => text.is_some_and(|text| text.ends_with(says)),
                None => text.is_none(),
            });
        }
    }

    #[test]
    fn how_long_access_tokens_live_is_said_in_both_ways() {
        let text = sentence(&answer(Revocation::Failed, Some(NOW + 2520)), NOW, &TimeZone::UTC);
        assert_eq!(
            text,
            "default is forgotten here, but its login may live on: the server refused to revoke it, or could not be reached.\n\
             The daemon says: The server answered 500.\u{fffd}\n\
             Access tokens that were already handed out may be accepted until 2023-11-14 22:55:20 UTC (in 42 min).\n"
        );
        let text = sentence(&answer(Revocation::Revoked, Some(NOW - 1)), NOW, &TimeZone::UTC);
        assert!(text.ends_with("No access token that was handed out is known to live on.\n"), "{text}");
    }
}
