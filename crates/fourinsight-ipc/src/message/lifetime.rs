//! How long a session lasts, and with what.

use serde::{Deserialize, Serialize};

use super::LoginRequest;

/// How long a session lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Lifetime {
    /// Until it is revoked: it is on the disk, and outlives the daemon.
    #[default]
    Stored,
    /// Until the login session ends in which its person signed in; in memory only, and for nobody outside of it.
    UntilLogout,
    /// Until the daemon stops: it is in memory only.
    #[serde(other)]
    Ephemeral,
}

impl Lifetime {
    /// Whether the session is on the disk.
    pub fn is_stored(&self) -> bool {
        *self == Self::Stored
    }
}

impl LoginRequest {
    /// How long the session is to last.
    pub fn lifetime(&self) -> Lifetime {
        match self {
            Self { until_logout: true, .. } => Lifetime::UntilLogout,
            Self { ephemeral: true, .. } | Self { client_session: true, .. } => Lifetime::Ephemeral,
            _ => Lifetime::Stored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{SessionState, SessionStatus};

    #[test]
    fn what_an_older_daemon_does_not_say_is_stored_and_what_a_newer_one_says_is_not_relied_on() {
        let status = SessionStatus::new(crate::SessionKey::default(), SessionState::SignedIn);
        let mut json = serde_json::to_value(status).unwrap();
        assert_eq!(json["lifetime"], "stored");
        json.as_object_mut().unwrap().remove("lifetime");
        assert!(serde_json::from_value::<SessionStatus>(json).unwrap().lifetime.is_stored());
        assert_eq!(serde_json::from_str::<Lifetime>(r#""until_noon""#).unwrap(), Lifetime::Ephemeral);
    }

    #[test]
    fn until_logout_is_the_shorter_of_two_wishes() {
        let wish = |ephemeral, until_logout| {
            LoginRequest { ephemeral, until_logout, ..LoginRequest::default() }.lifetime()
        };
        assert_eq!(wish(false, false), Lifetime::Stored);
        assert_eq!(wish(true, false), Lifetime::Ephemeral);
        assert_eq!(wish(false, true), Lifetime::UntilLogout);
        assert_eq!(wish(true, true), Lifetime::UntilLogout);
        let of_client = LoginRequest { client_session: true, ..LoginRequest::default() };
        assert_eq!(of_client.lifetime(), Lifetime::Ephemeral);
    }
}
