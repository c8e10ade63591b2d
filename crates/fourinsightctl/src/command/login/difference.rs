//! Whether a session that is signed in is the one that was asked for.

use std::collections::BTreeSet;

use fourinsight_client::{LoginRequest, SessionStatus};

use crate::render::clean;

/// Scopes that ask for an ID token or a refresh token rather than for access: many servers grant them without naming
/// them in the granted scope.
const NOT_ACCESS: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// What was asked for and is not so, as the end of "the session is signed in …"; `None` when all of it is.
pub(super) fn between(session: &SessionStatus, asked: &LoginRequest) -> Option<String> {
    let mut differences = Vec::new();
    if let Some(profile) = &asked.profile
        && session.profile.as_ref() != Some(profile)
    {
        differences.push(match &session.profile {
            Some(other) => format!("with profile {other}, not {profile}"),
            None => format!("without a profile, not with {profile}"),
        });
    }
    let granted = words(session.scope.as_deref());
    let wanted = words(asked.scope.as_deref());
    let requested = words(session.requested_scope.as_deref());
    let is_there = |scope: &str| {
        // What stands for all that a resource has granted is never named in the answer.
        NOT_ACCESS.contains(&scope) || (scope.ends_with("/.default") && requested.contains(scope))
    };
    let missing = wanted.difference(&granted).filter(|scope| !is_there(scope));
    differences.extend(listed("scope", missing.copied()));
    let missing = asked.resource.iter().filter(|resource| !session.resources.contains(resource));
    differences.extend(listed("resource", missing.map(String::as_str)));
    if asked.ephemeral && session.lifetime.is_stored() {
        differences.push("and stored on the disk, not in memory only".to_owned());
    }
    (!differences.is_empty()).then(|| clean(&differences.join(", and ")).into_owned())
}

fn words(scope: Option<&str>) -> BTreeSet<&str> {
    scope.unwrap_or_default().split_whitespace().collect()
}

fn listed<'a>(kind: &str, missing: impl Iterator<Item = &'a str>) -> Option<String> {
    let missing: Vec<&str> = missing.collect();
    (!missing.is_empty()).then(|| format!("without the {kind} {}", missing.join(" ")))
}

#[cfg(test)]
mod tests {
    use fourinsight_ipc::{
        SessionKey,
        message::{Lifetime, SessionState},
    };

    use super::*;

    fn session() -> SessionStatus {
        let mut session = SessionStatus::new(SessionKey::default(), SessionState::SignedIn);
        session.profile = Some("work".to_owned());
        session.scope = Some("api.write api.read".to_owned());
        session.resources = vec!["https://api.example.com".to_owned()];
        session
    }

    fn asked(profile: Option<&str>, scope: Option<&str>, resources: &[&str]) -> LoginRequest {
        LoginRequest {
            profile: profile.map(str::to_owned),
            scope: scope.map(str::to_owned),
            resource: resources.iter().map(|&resource| resource.to_owned()).collect(),
            ..LoginRequest::default()
        }
    }

    #[test]
    fn asking_for_nothing_or_for_what_is_there_is_no_difference() {
        for asked in [
            asked(None, None, &[]),
            asked(Some("work"), None, &[]),
            asked(Some("work"), Some("api.read"), &[]),
            asked(None, Some("api.read api.write openid offline_access"), &["https://api.example.com"]),
        ] {
            assert_eq!(between(&session(), &asked), None, "{asked:?}");
        }
    }

    #[test]
    fn another_profile_and_what_was_not_granted_are_named() {
        let asked = asked(Some("home"), Some("api.read API.READ api.admin"), &["https://other.example.com"]);
        assert_eq!(
            between(&session(), &asked).as_deref(),
            Some(
                "with profile work, not home, and without the scope API.READ api.admin, and without the resource https://other.example.com"
            )
        );
    }

    #[test]
    fn a_default_scope_is_there_when_it_was_asked_for() {
        let mut session = session();
        session.requested_scope = Some("openid api://x/.default api.admin".to_owned());
        assert_eq!(between(&session, &asked(None, Some("api://x/.default"), &[])), None);
        for scope in ["api://y/.default", "api.admin"] {
            let difference = between(&session, &asked(None, Some(scope), &[]));
            assert_eq!(difference, Some(format!("without the scope {scope}")));
        }
    }

    #[test]
    fn a_stored_session_is_not_in_memory_only_and_the_other_way_round_nothing_was_asked() {
        let in_memory = LoginRequest { ephemeral: true, ..LoginRequest::default() };
        let difference = between(&session(), &in_memory);
        assert_eq!(difference.as_deref(), Some("and stored on the disk, not in memory only"));
        for lifetime in [Lifetime::Ephemeral, Lifetime::UntilLogout] {
            let mut session = session();
            session.lifetime = lifetime;
            assert_eq!(between(&session, &in_memory), None);
            assert_eq!(between(&session, &LoginRequest::default()), None);
        }
    }

    #[test]
    fn a_session_without_a_profile_differs_from_every_profile() {
        let mut session = session();
        session.profile = None;
        let difference = between(&session, &asked(Some("work"), None, &[]));
        assert_eq!(difference.as_deref(), Some("without a profile, not with work"));
    }
}
