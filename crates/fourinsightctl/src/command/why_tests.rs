//! What `why` prints, against a golden file.

use fourinsight_ipc::message::{InterruptedRotation, KeptBy, RotationStatus, SessionState};

use super::*;
use crate::golden;

const NOW: i64 = 1_700_000_000;

fn attempt(ago: i64, action: Action, outcome: AttemptOutcome) -> Attempt {
    Attempt::new(NOW - ago, action, outcome)
}

fn known(attempts: Vec<Attempt>) -> SessionAttempts {
    SessionAttempts { session: SessionKey::default(), attempts }
}

#[expect(clippy::unnecessary_wraps, reason = "it fills fields that may be absent")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn plain(known: &SessionAttempts) -> String {
    anstream::adapter::strip_str(&told(known, "", NOW, &TimeZone::UTC)).to_string()
}

fn refused() -> Attempt {
    let mut refused = attempt(90, Action::Login, AttemptOutcome::Refused);
    refused.flow = some("device");
    refused.error = some("invalid_client");
    refused.error_description = some(
        "AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    );
    refused.suberror = some("basic_action");
    refused.codes = vec![7_000_218];
    refused.correlation_id = some("8a7b6c5d-0123-4567-89ab-0123456789ab");
    refused.trace_id = some("3c1f3b4e-6f0a-4d5e-9d7a-1f2e3d4c5b6a");
    refused.error_uri = some("https://login.example.com/error?code=7000218");
    refused.cause = some(
        "The application is registered as one that must prove itself, and no secret or assertion was sent: it does not \
         count as a public client.",
    );
    refused.next_step = some("Set \"Allow public client flows\" to Yes.");
    refused
}

#[test]
fn every_attempt_is_told_with_what_is_known_of_it() {
    let mut renewed = attempt(300, Action::Refresh, AttemptOutcome::Succeeded);
    renewed.count = Some(41);
    let mut hostile = attempt(3 * 3600, Action::Refresh, AttemptOutcome::Failed);
    hostile.error = some("\x1b[2J\u{202e}evil\nnext");
    hostile.error_description = some("");
    let mut cancelled = attempt(2 * 86_400, Action::Login, AttemptOutcome::Cancelled);
    cancelled.flow = some("browser");
    cancelled.cause = some("The login was cancelled before it was finished.");
    let others = [
        attempt(200_000, Action::Login, AttemptOutcome::Expired),
        attempt(200_001, Action::Revocation, AttemptOutcome::Failed),
        attempt(200_002, Action::ClientCredentials, AttemptOutcome::Refused),
        attempt(200_003, Action::Renewal, AttemptOutcome::Failed),
        attempt(200_004, Action::Unknown, AttemptOutcome::Unknown),
    ];
    let mut attempts = vec![refused(), renewed, hostile, cancelled];
    attempts.extend(others);
    let text = plain(&known(attempts));
    golden::check("why.txt", &text, include_str!("../../tests/golden/why.txt"));
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{text:?}");
}

#[test]
fn a_session_without_attempts_is_told_so() {
    assert_eq!(plain(&known(vec![])), "Nothing was tried for session default since the daemon started.\n");
}

#[test]
fn how_the_refresh_token_fares_is_told_first() {
    let mut session = SessionStatus::new(SessionKey::default(), SessionState::SignedIn);
    assert_eq!(standing(&session, Some("keyring"), NOW), "", "there is no refresh token");
    session.generation = 7;
    let mut rotation = RotationStatus::new(KeptBy::Journal, "grace 12s".to_owned());
    (rotation.last_at, rotation.learnt) = (Some(NOW - 600), true);
    let words = "the daemon ended in the middle of a renewal; the server may have replaced the refresh token; the \
                 access token is served to its end, then the refresh token is tried once more; you may have to sign in \
                 again then";
    rotation.interrupted =
        Some(InterruptedRotation::new(NOW - 120, 8, words.to_owned(), Some(NOW + 40 * 60)));
    session.rotation = Some(rotation);
    let standing = standing(
        &session,
        Some("file /home/ada/.fourinsight/api/broker.key (weaker than the other homes)"),
        NOW,
    );
    let text = told(&known(vec![]), &standing, NOW, &TimeZone::UTC);
    golden::check("why_rotation.txt", &text, include_str!("../../tests/golden/why_rotation.txt"));
}

#[test]
fn a_pointer_is_given_where_more_is_known_than_code_and_words() {
    assert!(says_more(&refused()));
    let mut ours = refused();
    (ours.cause, ours.correlation_id) = (None, None);
    assert!(!says_more(&ours));
    let mut cancelled = refused();
    cancelled.error = None;
    assert!(!says_more(&cancelled));
    let key = SessionKey::new("my own").unwrap();
    assert_eq!(pointer(&key), "`fourinsightctl why 'my own'` says more");
}
