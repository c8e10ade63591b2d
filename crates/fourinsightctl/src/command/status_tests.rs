//! What `status` prints, against golden files.

use fourinsight_ipc::{
    SessionKey,
    message::{Audience, Identity, KeptBy, KeyHome, KeyState, Problem, RotationStatus},
};

use super::*;
use crate::golden;

const NOW: i64 = 1_700_000_000;

fn session(key: &str, state: SessionState) -> SessionStatus {
    SessionStatus::new(SessionKey::new(key).unwrap(), state)
}

fn identity(sub: &str, name: Option<&str>) -> Identity {
    Identity { sub: sub.to_owned(), name: name.map(str::to_owned) }
}

fn sessions() -> Vec<SessionStatus> {
    let mut signed_in = session("default", SessionState::SignedIn);
    signed_in.profile = Some("work".to_owned());
    signed_in.identity = Some(identity("248289761001", Some("Ada Lovelace")));
    signed_in.scope = Some("openid offline_access api.read".to_owned());
    signed_in.resources = vec!["https://api.example.com".to_owned()];
    signed_in.expires_at = Some(NOW + 42 * 60);
    signed_in.next_renewal_at = Some(NOW + 31 * 60);
    signed_in.audiences = audiences();
    let mut rotation = RotationStatus::new(KeptBy::Record, "strict".to_owned());
    rotation.last_at = Some(NOW - 18 * 60);
    (signed_in.rotation, signed_in.generation) = (Some(rotation), 4);

    let mut failing = session("batch", SessionState::SignedIn);
    failing.identity = Some(identity("svc-7", None));
    failing.expires_at = Some(NOW - 90);
    failing.next_renewal_at = Some(NOW - 5);
    failing.expiry = Expiry::Assumed;
    failing.durability = Durability::Degraded;
    failing.rotation = Some(RotationStatus::new(KeptBy::Memory, "unknown".to_owned()));
    failing.problem = Some(Problem {
        error: "temporarily_unavailable".to_owned(),
        description: "the server answered 503".to_owned(),
        since: NOW - 300,
    });

    let mut hostile = session("other one", SessionState::LoginRequired);
    hostile.identity = Some(identity("x", Some("\x1b[2J\u{202e}evil\nnext line")));
    hostile.expiry = Expiry::Unknown;

    let mut ending = session("legacy", SessionState::SignedIn);
    ending.expires_at = Some(NOW + 42 * 60);
    ending.renewable = false;
    ending.lifetime = Lifetime::Ephemeral;

    vec![failing, signed_in, hostile, session("new", SessionState::SigningIn), ending]
}

fn audiences() -> Vec<Audience> {
    let mail = || vec!["https://mail.example.com".to_owned()];
    let mut used = Audience::new(Some("mail.read".to_owned()), mail());
    used.expires_at = Some(NOW + 50 * 60);
    used.next_renewal_at = Some(NOW + 35 * 60);
    used.last_used_at = Some(NOW - 12);
    let mut resting = Audience::new(None, vec!["https://files.example.com".to_owned()]);
    resting.expires_at = Some(NOW + 300);
    resting.last_used_at = Some(NOW - 3600);
    let mut refused = Audience::new(Some("mail.send\u{202e}".to_owned()), mail());
    refused.last_used_at = Some(NOW - 20);
    refused.problem = Some(Problem {
        error: "consent_required".to_owned(),
        description: "the person has not consented".to_owned(),
        since: NOW - 20,
    });
    vec![used, resting, refused]
}

fn health(problems: &[&str]) -> Health {
    Health {
        status: if problems.is_empty() { "ok" } else { "degraded" }.to_owned(),
        version: "0.1.0".to_owned(),
        pid: 4321,
        socket: "/run/user/1000/fourinsight/broker.sock".to_owned(),
        store: "/home/ada/.fourinsight/api/broker.db".to_owned(),
        key: "/home/ada/.fourinsight/api/broker.key".to_owned(),
        key_home: KeyHome::File,
        key_state: KeyState::Open,
        config: "/home/ada/.config/fourinsight/config.toml".to_owned(),
        problems: problems.iter().map(|&problem| problem.to_owned()).collect(),
        quarantined: Vec::new(),
    }
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn every_session_is_a_row_and_the_daemon_follows() {
    let text =
        format!("{}\n{}", all(&sessions(), NOW), daemon(&health(&["config.toml, line 3: unknown key"])));
    golden::check("status.txt", &plain(&text), include_str!("../../tests/golden/status.txt"));
}

#[test]
fn a_login_that_will_be_needed_is_a_column_and_a_line_once_it_is_known() {
    let mut sessions = sessions();
    sessions[1].login_needed_by = Some(NOW + 3 * 86_400);
    sessions[0].login_needed_by = Some(NOW - 5);
    let text = format!("{}\n{}", all(&sessions, NOW), one(&sessions[1], NOW));
    golden::check(
        "status-forecast.txt",
        &plain(&text),
        include_str!("../../tests/golden/status-forecast.txt"),
    );
}

#[test]
fn how_long_a_session_lasts_is_said() {
    for (lifetime, state, lasts) in [
        (Lifetime::Stored, "signed in", "until it is revoked"),
        (Lifetime::Ephemeral, "signed in, in memory", "until the daemon stops; in memory only"),
        (
            Lifetime::UntilLogout,
            "signed in, in memory",
            "until you log out, and for nobody else; in memory only",
        ),
    ] {
        let mut session = session("default", SessionState::SignedIn);
        session.lifetime = lifetime;
        let shown = plain(&one(&session, NOW));
        let value = |label: &str| {
            shown.lines().find_map(|line| line.strip_prefix(label)).map(|value| value.trim().to_owned())
        };
        assert_eq!((value("state").as_deref(), value("lasts").as_deref()), (Some(state), Some(lasts)));
    }
}

#[test]
fn one_session_is_a_list_of_what_is_known() {
    let text = format!("{}\n{}", one(&sessions()[1], NOW), daemon(&health(&[])));
    golden::check("status-one.txt", &plain(&text), include_str!("../../tests/golden/status-one.txt"));
}

#[test]
fn a_session_that_nothing_can_renew_says_so() {
    let mut ending = sessions().pop().unwrap();
    assert!(
        plain(&one(&ending, NOW)).contains("\nnext renewal          never: nothing can renew this session")
    );
    ending.state = SessionState::LoginRequired;
    assert!(!plain(&one(&ending, NOW)).contains("never"), "there is nothing to renew any more");
}

#[test]
fn nothing_from_elsewhere_reaches_the_terminal_as_a_command() {
    let text = plain(&all(&sessions(), NOW));
    assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{text:?}");
    assert!(!text.contains('\u{202e}'));
    assert_eq!(text.lines().count(), 1 + sessions().len());
}

#[test]
fn no_session_names_the_next_step() {
    assert!(all(&[], NOW).contains("fourinsightctl login"));
}

#[test]
fn naming_a_session_that_needs_a_person_exits_3() {
    for (state, exit) in [
        (SessionState::SignedIn, Exit::Done),
        (SessionState::LoginRequired, Exit::LoginRequired),
        (SessionState::SignedOut, Exit::LoginRequired),
        (SessionState::SigningIn, Exit::LoginRequired),
        (SessionState::Revoking, Exit::LoginRequired),
        (SessionState::Unknown, Exit::Done),
    ] {
        assert_eq!(exit_of(state), exit, "{state:?}");
    }
}

#[test]
fn the_key_of_the_replaced_tool_stands_beside_ours_and_plays_no_tricks() {
    let mut session = session("ops-eu-69c3e1ea148", SessionState::SignedIn);
    assert_eq!(key(&session, 9), "ops-eu-69c3e1ea148");
    session.original_key = Some("ops/\u{1b}[2Jeu".to_owned());
    assert_eq!(key(&session, 5), "ops-eu-69c3e1ea148 (their \"ops/\u{1b}…\")");
    for shown in [all(std::slice::from_ref(&session), NOW), one(&session, NOW)] {
        let text = anstream::adapter::strip_str(&shown).to_string();
        assert!(text.contains("ops-eu-69c3e1ea148 (their \"ops/\u{fffd}[2Jeu\")"), "{text}");
    }
}
