//! A person's session.

use std::sync::Arc;

use fourinsight_ipc::{ErrorBody, ErrorCode};

use super::requests::{Http, Requests};
use crate::{AccessToken, AsyncClient, Error, SessionKey, source::Source};

/// The profile that a person of 4insight.io signs in with, and the preset that those of any name begin with.
const PROFILE: &str = "4insight";

/// A person's session: every request has their token.
///
/// The person signs in outside of the program, once: `fourinsightctl login --profile 4insight`. Where nobody is signed
/// in the constructor fails with [`Error::LoginRequired`], whose text names the command to run.
///
/// ```no_run
/// use fourinsight_client::{API_BASE_URL, AsyncClient, UserSession};
///
/// # async fn campaigns() -> Result<(), Box<dyn std::error::Error>> {
/// let session = UserSession::new(reqwest::Client::new(), AsyncClient::new()?, None).await?;
/// let campaigns = session.get(format!("{API_BASE_URL}v1.0/Campaigns")).send().await?;
/// # drop(campaigns);
/// # Ok(())
/// # }
/// ```
///
/// # What becomes of a request
///
/// * It gets a fresh token, if it is for the origin that the session asked first. Another origin is asked without one, and
///   so is what a redirect leads to elsewhere, if the given `reqwest::Client` follows redirects at all. Only https is
///   asked, and this machine: anything else is refused with
///   [`RefusedUrl::NotSecure`](crate::RefusedUrl::NotSecure).
/// * An answer of 401, or of [other statuses](Self::expired_statuses), is reported to the daemon, and the request is sent
///   once more with the next token if its body can be sent twice.
/// * An answer of 413, 429, 502, 503 or 504, and a connection that cannot be made, has it sent again, three times at
///   most, if its body can be and it is a `GET`, `POST`, `PUT`, `PATCH` or `DELETE`. The pauses are those of the answer's
///   `Retry-After` or else half a second, one and two. An answer that asks for more than 100 seconds is the answer.
/// * It may take 100 seconds each time, unless its builder says otherwise, and names itself
///   `fourinsight-client/VERSION` in its `User-Agent`, unless it has one.
///
/// TLS, proxies and redirects are as the given `reqwest::Client` has them. Clones share everything.
#[derive(Clone)]
pub struct UserSession {
    requests: Requests,
}

super::has_requests!(UserSession);

impl UserSession {
    /// Opens the session of this `session_key`: any text that `fourinsight.api` takes for one
    /// ([`SessionKey::of_seed`]).
    ///
    /// # Errors
    ///
    /// [`Error::LoginRequired`] where nobody is signed in, [`Error::InvalidRequest`] where somebody is with a profile for
    /// another server than 4insight's, whose tokens must not go there, and whatever else keeps the daemon from giving a
    /// token.
    pub async fn new(http: Http, client: AsyncClient, session_key: Option<&str>) -> Result<Self, Error> {
        let source = Arc::new(OfUser { client, key: SessionKey::of_seed(session_key) });
        // The token first: asking for one starts the daemon.
        source.token().await?;
        source.check_profile().await?;
        Ok(Self { requests: Requests::new(http, source) })
    }
}

struct OfUser {
    client: AsyncClient,
    key: SessionKey,
}

impl OfUser {
    /// Refuses a session that is signed in with a profile for another server.
    async fn check_profile(&self) -> Result<(), Error> {
        let found = match self.client.status(&self.key).await {
            Ok(status) => status.profile,
            Err(Error::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(found) = found.filter(|found| found != PROFILE) else { return Ok(()) };
        let profiles = self.client.profiles().await?.profiles;
        let is_of_preset = |preset: Option<&str>| preset == Some(PROFILE);
        if profiles.iter().any(|it| it.name == found && is_of_preset(it.preset.as_deref())) {
            return Ok(());
        }
        let what = format!(
            "session {} is signed in with profile {found}, which is not one of preset {PROFILE}: its tokens are for \
             another server",
            self.key
        );
        let hint = format!(
            "give another session_key, or run `{} --force`, which replaces the login",
            login_command(&self.key)
        );
        Err(Error::InvalidRequest(ErrorBody::new(ErrorCode::InvalidRequest, what).hint(hint)))
    }

    /// The daemon names the command for a session that it knows. One that it does not know has to be told the profile,
    /// because the daemon's default may be another one.
    async fn with_profile(&self, error: Error) -> Error {
        match error {
            Error::LoginRequired(body)
                if matches!(self.client.status(&self.key).await, Err(Error::NotFound(_))) =>
            {
                Error::LoginRequired(body.hint(format!("run `{}`", login_command(&self.key))))
            }
            other => other,
        }
    }
}

#[async_trait::async_trait]
impl Source for OfUser {
    async fn token(&self) -> Result<AccessToken, Error> {
        match self.client.token(&self.key).await {
            Err(error) => Err(self.with_profile(error).await),
            token => token,
        }
    }

    fn client(&self) -> &AsyncClient {
        &self.client
    }
}

/// The command that signs in, ready to be pasted into a shell.
fn login_command(key: &SessionKey) -> String {
    if *key == SessionKey::default() {
        format!("fourinsightctl login --profile {PROFILE}")
    } else if key.as_str().contains(' ') {
        format!("fourinsightctl login '{key}' --profile {PROFILE}")
    } else {
        format!("fourinsightctl login {key} --profile {PROFILE}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_for_a_shell() {
        let command = |key| login_command(&SessionKey::of_seed(key));
        assert_eq!(command(None), "fourinsightctl login --profile 4insight");
        assert_eq!(command(Some("work")), "fourinsightctl login work --profile 4insight");
        assert_eq!(command(Some("my work")), "fourinsightctl login 'my work' --profile 4insight");
    }
}
