//! `login`: whether there is anything to do, the wait, and what came of it.

mod answers;
mod client_secret;
mod countdown;
mod device;
mod difference;
mod paste;
mod profile;
mod prompt;
mod qr;
mod wait;

pub(super) use paste::each_line;

use fourinsight_client::{Error, LoginRequest, LoginState, LoginStatus, SessionState, SessionStatus};
use fourinsight_ipc::message::{Identity, Lifetime};

use super::{Context, import, why};
use crate::{
    cli::{self, Login},
    failure::{Exit, Failure, exit_of_login, phrase},
    output, package,
    render::{clean, person},
};

pub(super) fn run(context: &Context, options: &Login) -> Result<Exit, Failure> {
    let mut request = request(options)?;
    if !options.person.force
        && let Some(session) = signed_in(context, options)?
        && !wants_person(&session)
    {
        if let Some(difference) = difference::between(&session, &request) {
            return Err(differs(&session, &difference));
        }
        if !options.person.switch_user {
            return already(context, &session);
        }
    }
    let chosen = profile::choose(context, options)?;
    request.profile = chosen.profile;
    if chosen.package {
        request.package = package::folder().and_then(|folder| folder.into_os_string().into_string().ok());
    }
    if another_tools_would_do(options)
        && let Some(profile) = &request.profile
        && import::offer(context, &options.key, profile, request.package.as_deref())
    {
        return Ok(Exit::Done);
    }
    wait::until_answered(&context.client, request, options)
        .and_then(|ended| finish(context, &ended.attempt, ended.said.as_deref()))
        .map_err(|failure| why::pointing_here(context, &options.key, failure))
}

fn request(options: &Login) -> Result<LoginRequest, Failure> {
    let client_secret = options.client_secret_stdin.then(client_secret::read).transpose()?;
    Ok(LoginRequest {
        session: options.key.clone(),
        profile: options.profile.clone(),
        flow: options.flow.clone(),
        scope: cli::join_scopes(&options.scopes),
        resource: options.resources.clone(),
        force: options.person.force,
        switch_user: options.person.switch_user,
        original_key: None,
        client_id: options.client_id.clone(),
        client_secret,
        ephemeral: options.lasting.ephemeral,
        until_logout: options.lasting.until_logout,
        ..LoginRequest::default()
    })
}

/// Whether a login that another tool has is what is asked for: it is stored, and has the scopes that it has.
fn another_tools_would_do(options: &Login) -> bool {
    let wants_its_own =
        !options.scopes.is_empty() || !options.resources.is_empty() || options.client_id.is_some();
    let is_in_memory = options.lasting.ephemeral || options.lasting.until_logout;
    !(options.person.force || is_in_memory || wants_its_own)
}

/// Whether somebody is signed in, but the server or an API wants more of them: that is what this login is for.
fn wants_person(session: &SessionStatus) -> bool {
    session.problem.as_ref().is_some_and(|problem| ANSWERED_BY_LOGIN.contains(&problem.error.as_str()))
}

/// The codes of OpenID Connect Core section 3.1.2.6, RFC 9470 section 3 and RFC 6749 section 5.2 that a login answers.
const ANSWERED_BY_LOGIN: [&str; 6] = [
    "interaction_required",
    "login_required",
    "consent_required",
    "account_selection_required",
    "insufficient_user_authentication",
    "invalid_grant",
];

/// The session, if somebody is signed in. Starts the daemon, which may know a session from before.
fn signed_in(context: &Context, options: &Login) -> Result<Option<SessionStatus>, Error> {
    context.client.start_daemon()?;
    // One that does not end with this login is hidden by the one that is asked for, and not in its way.
    let counts = |session: &SessionStatus| {
        session.state == SessionState::SignedIn
            && (!options.lasting.until_logout || session.lifetime == Lifetime::UntilLogout)
    };
    Ok(context.status(&options.key)?.filter(counts))
}

fn differs(session: &SessionStatus, difference: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("session {} is signed in {difference}", session.session),
        "sign in under another KEY beside it, or replace it with --force",
    )
}

fn already(context: &Context, session: &SessionStatus) -> Result<Exit, Failure> {
    if context.json {
        output::json_to_stdout(session)?;
    } else {
        say("Already signed in", session.identity.as_ref(), session.session.as_str(), session.lifetime)?;
    }
    Ok(Exit::Done)
}

/// `said` is the note that was shown while the person was waited for.
fn finish(context: &Context, attempt: &LoginStatus, said: Option<&str>) -> Result<Exit, Failure> {
    match attempt.state {
        LoginState::Succeeded => {}
        LoginState::Failed => return Err(failed(attempt)),
        LoginState::Expired => {
            let note = attempt.note.as_deref().map(|note| format!(". {note}")).unwrap_or_default();
            return Err(Failure::new(
                Exit::Failure,
                format!("nobody signed in before the login attempt expired{}", clean(&note)),
                "run `fourinsightctl login` again",
            ));
        }
        LoginState::Cancelled => {
            return Err(Failure::new(
                Exit::Failure,
                match attempt
                    .note
                    .as_deref()
                    .map(str::trim)
                    .filter(|&note| !note.is_empty() && said != Some(note))
                {
                    Some(why) => {
                        format!("the login attempt was cancelled: {}", phrase(why))
                    }
                    None => "the login attempt was cancelled".to_owned(),
                },
                "run `fourinsightctl login` again",
            ));
        }
        _ => {
            return Err(Failure::new(
                Exit::Failure,
                "the daemon answers with a login state that this program does not know",
                "install a fourinsightctl of the daemon's version",
            ));
        }
    }
    if let Some(note) = attempt.note.as_deref().filter(|&note| said != Some(note)) {
        output::line_to_stderr(&format!("note: {}", clean(note)));
    }
    if context.json {
        output::json_to_stdout(attempt)?;
    } else {
        say_of("Signed in", attempt)?;
    }
    Ok(Exit::Done)
}

fn failed(attempt: &LoginStatus) -> Failure {
    match &attempt.error {
        Some(body) => Failure::answered(exit_of_login(body.error), body),
        None => Failure::new(
            Exit::Failure,
            "the login failed, and the daemon did not say why",
            "look at its log, then run `fourinsightctl login` again",
        ),
    }
}

fn say_of(what: &str, attempt: &LoginStatus) -> Result<(), Failure> {
    if ["client_credentials", "certificate"].contains(&attempt.flow.as_str()) {
        let until = until(attempt.lifetime);
        let line = format!("{what} as the client itself, session {}{until}.\n", attempt.session);
        return output::to_stdout(line.as_bytes());
    }
    say(what, attempt.identity.as_ref(), attempt.session.as_str(), attempt.lifetime)
}

fn say(what: &str, identity: Option<&Identity>, key: &str, lifetime: Lifetime) -> Result<(), Failure> {
    let until = until(lifetime);
    let line = match person(identity) {
        Some(person) => format!("{what} as {person}, session {key}{until}.\n"),
        None => format!("{what}, session {key}{until}; the server does not say as whom.\n"),
    };
    output::to_stdout(line.as_bytes())
}

/// How long a session lasts that is in memory only.
fn until(lifetime: Lifetime) -> &'static str {
    match lifetime {
        Lifetime::Stored => "",
        Lifetime::UntilLogout => ", in memory until you log out",
        _ => ", in memory until the daemon stops",
    }
}

#[cfg(test)]
mod tests {
    use fourinsight_ipc::{ErrorBody, ErrorCode, SessionKey};

    use super::*;

    fn exit_of(state: LoginState, error: Option<ErrorCode>) -> Exit {
        let locations = fourinsight_ipc::Locations {
            config: "/nowhere/config.toml".into(),
            state_dir: "/nowhere".into(),
            explicit_socket: None,
        };
        let client = fourinsight_client::Client::with_locations(locations);
        let mut attempt = LoginStatus::pending("1".to_owned(), SessionKey::default(), "browser", 0);
        attempt.state = state;
        attempt.error = error.map(|error| ErrorBody::new(error, "x"));
        finish(&Context { client, json: false }, &attempt, None).unwrap_err().exit
    }

    #[test]
    fn a_session_that_wants_its_person_is_not_signed_in_enough() {
        let mut session = SessionStatus::new(SessionKey::default(), SessionState::SignedIn);
        assert!(!wants_person(&session));
        for (error, wants) in [
            ("storage_failed", false),
            ("insufficient_user_authentication", true),
            ("interaction_required", true),
        ] {
            let description = String::new();
            session.problem =
                Some(fourinsight_client::Problem { error: error.to_owned(), description, since: 0 });
            assert_eq!(wants_person(&session), wants, "{error}");
        }
    }

    #[test]
    fn each_end_of_an_attempt_has_its_exit_code() {
        assert_eq!(exit_of(LoginState::Failed, Some(ErrorCode::AccessDenied)), Exit::Denied);
        assert_eq!(exit_of(LoginState::Failed, Some(ErrorCode::ServerError)), Exit::Failure);
        assert_eq!(exit_of(LoginState::Failed, None), Exit::Failure);
        assert_eq!(exit_of(LoginState::Expired, None), Exit::Failure);
        assert_eq!(exit_of(LoginState::Cancelled, None), Exit::Failure);
        assert_eq!(exit_of(LoginState::Unknown, None), Exit::Failure);
    }
}
