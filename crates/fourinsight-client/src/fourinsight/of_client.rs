//! A program's own session.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fourinsight_ipc::{
    ErrorBody, ErrorCode,
    message::{LoginRequest, LoginState, LoginStatus},
};
use secrecy::SecretString;

use super::requests::{Http, Requests};
use crate::{AccessToken, AsyncClient, Error, SessionKey, source::Source};

/// The profile that a program signs in with at 4insight.io.
const PROFILE: &str = "4insight-service";

/// For how long one call waits for the end of a login.
const WAIT: Duration = Duration::from_secs(30);

/// A program's own session: its client signs in as itself, and every request has its token.
///
/// It signs in when it is made, so that a wrong secret is an error there. Programs with the same client and secret
/// share what the daemon has of them, in its memory only; where the daemon has forgotten it, as after a restart, the
/// session signs in again by itself. For what becomes of a request see [`UserSession`](crate::UserSession).
///
/// ```no_run
/// use fourinsight_client::{API_BASE_URL, AsyncClient, ClientSession, SecretString};
///
/// # async fn campaigns(secret: SecretString) -> Result<(), Box<dyn std::error::Error>> {
/// let client = AsyncClient::new()?;
/// let session = ClientSession::new(reqwest::Client::new(), client, "my-client-id", secret).await?;
/// let mut pages = session.get_pages(format!("{API_BASE_URL}v1.0/Campaigns"));
/// while let Some(page) = pages.next().await? {
///     let page = page.error_for_status()?.text().await?;
///     # drop(page);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientSession {
    requests: Requests,
}

super::has_requests!(ClientSession);

impl ClientSession {
    /// Signs the client in with the profile `4insight-service`; [`ClientLogin`] has others.
    ///
    /// # Errors
    ///
    /// [`Error::AccessDenied`] where the server does not take the client or its secret, and whatever else keeps the
    /// daemon from giving a token.
    pub async fn new(
        http: Http,
        client: AsyncClient,
        client_id: impl Into<String>,
        client_secret: SecretString,
    ) -> Result<Self, Error> {
        ClientLogin::new(client_id, client_secret).open(http, client).await
    }
}

/// How a client signs in as itself.
///
/// ```no_run
/// use fourinsight_client::{AsyncClient, ClientLogin, SecretString};
///
/// # async fn open(secret: SecretString) -> Result<(), fourinsight_client::Error> {
/// let login = ClientLogin::new("my-client-id", secret).profile("batch").scope("files.read");
/// let session = login.open(reqwest::Client::new(), AsyncClient::new()?).await?;
/// # drop(session);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ClientLogin {
    client_id: String,
    client_secret: SecretString,
    profile: String,
    scope: Option<String>,
}

impl ClientLogin {
    /// With this client, its secret, and the profile `4insight-service`.
    pub fn new(client_id: impl Into<String>, client_secret: SecretString) -> Self {
        Self { client_id: client_id.into(), client_secret, profile: PROFILE.to_owned(), scope: None }
    }

    /// With another profile of the daemon's.
    #[must_use]
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = profile.into();
        self
    }

    /// For these scopes instead of the profile's, space-separated.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Signs in.
    ///
    /// # Errors
    ///
    /// As [`ClientSession::new`].
    pub async fn open(self, http: Http, client: AsyncClient) -> Result<ClientSession, Error> {
        let key = Mutex::new(self.sign_in(&client).await?);
        let requests = Requests::new(http, Arc::new(OfClient { client, login: self, key }));
        requests.token().await?;
        Ok(ClientSession { requests })
    }

    /// Has the daemon open the client's session unless it is open, and gives the name that it has there.
    async fn sign_in(&self, client: &AsyncClient) -> Result<SessionKey, Error> {
        let mut login = client.start_login(&self.request()).await?;
        while login.state == LoginState::Pending {
            login = client.login(&login.id, WAIT).await?;
        }
        match login.state {
            LoginState::Succeeded => Ok(login.session),
            _ => Err(failure(login)),
        }
    }

    fn request(&self) -> LoginRequest {
        LoginRequest {
            profile: Some(self.profile.clone()),
            flow: Some("client_credentials".to_owned()),
            client_id: Some(self.client_id.clone()),
            client_secret: Some(self.client_secret.clone()),
            scope: self.scope.clone(),
            client_session: true,
            ..LoginRequest::default()
        }
    }
}

/// Tokens of a session that is opened again where the daemon has none of the kind.
struct OfClient {
    client: AsyncClient,
    login: ClientLogin,
    /// What the daemon calls the session; after a restart that is another name.
    key: Mutex<SessionKey>,
}

impl OfClient {
    fn key(&self) -> SessionKey {
        self.key.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait::async_trait]
impl Source for OfClient {
    async fn token(&self) -> Result<AccessToken, Error> {
        match self.client.token(&self.key()).await {
            Err(Error::LoginRequired(_) | Error::NotFound(_)) => {
                let key = self.login.sign_in(&self.client).await?;
                self.key.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&key);
                self.client.token(&key).await
            }
            other => other,
        }
    }

    fn client(&self) -> &AsyncClient {
        &self.client
    }
}

fn failure(login: LoginStatus) -> Error {
    let body = login.error.unwrap_or_else(|| {
        ErrorBody::new(
            ErrorCode::TemporarilyUnavailable,
            "the login of the client ended before it had a token",
        )
        .hint("try again")
    });
    Error::answered(body.error.status(), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show() {
        let login = ClientLogin::new("abc", "c4nary".into()).profile("batch").scope("read");
        assert!(!format!("{login:?}").contains("c4nary"), "{login:?}");
        assert!(!format!("{:?}", login.request()).contains("c4nary"));
    }

    #[test]
    fn a_login_that_failed_is_the_error_that_its_answer_would_be() {
        let mut login = LoginStatus::pending("a".into(), SessionKey::default(), "client_credentials", 0);
        assert!(matches!(failure(login.clone()), Error::TemporarilyUnavailable(_)));
        login.error = Some(ErrorBody::new(ErrorCode::AccessDenied, "no"));
        assert!(matches!(failure(login), Error::AccessDenied(_)));
    }
}
