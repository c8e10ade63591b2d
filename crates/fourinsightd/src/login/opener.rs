//! Opens a session by client credentials: finds the server if that has not been done, and signs the client in as
//! itself. Nobody is asked, so it can be tried again at any time.

use fourinsight_ipc::message::Lifetime;

use crate::{
    authority::{
        Failure, Outcome, Refusal, Registration, Retry, client_credentials,
        discovery::Cache,
        pace::{NoTurn, Pace, Urgency},
    },
    clock::Clock,
    http::HttpExchange,
    profile::{Profile, SecretSource},
};

use super::NewLogin;

/// What opens one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opener {
    target: Target,
    /// The profile's name.
    profile: String,
    scopes: Vec<String>,
    resources: Vec<String>,
    keep_alive: bool,
    lifetime: Lifetime,
}

/// Where the client signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// By a profile, whose server is found first.
    Profile(Box<Profile>),
    /// At a server found before.
    Registration(Box<Registration>),
}

/// When the server is asked.
#[derive(Clone, Copy)]
pub(crate) enum Turn<'a> {
    /// Once its turn has come: the daemon asks by itself.
    InLine(&'a Pace),
    /// At once: somebody is signing in.
    AtOnce(&'a Pace),
}

/// Why a session could not be opened.
#[derive(Debug)]
pub(crate) enum NotOpened {
    /// Nothing was decided: it may work later.
    Undecided(Retry),
    /// The server said no.
    Refused(Refusal),
}

impl Opener {
    /// For a session that the configuration declares.
    pub(crate) fn declared(profile: &Profile) -> Self {
        Self {
            profile: profile.name.clone(),
            scopes: profile.scopes.clone(),
            resources: profile.resources.clone(),
            keep_alive: profile.keep_alive,
            lifetime: Lifetime::Stored,
            target: Target::Profile(Box::new(profile.clone())),
        }
    }

    /// For a login whose server has been found.
    pub(crate) fn found(
        profile: String,
        registration: Registration,
        scopes: Vec<String>,
        resources: Vec<String>,
        keep_alive: bool,
    ) -> Self {
        let target = Target::Registration(Box::new(registration));
        Self { target, profile, scopes, resources, keep_alive, lifetime: Lifetime::Stored }
    }

    /// The same for a session that lasts so long.
    pub(crate) fn lasting(self, lifetime: Lifetime) -> Self {
        Self { lifetime, ..self }
    }

    /// The name of its profile.
    pub(crate) fn profile(&self) -> &str {
        &self.profile
    }

    /// Opens the session: what it returns is for [`SignIn`](super::SignIn).
    pub(crate) async fn run(
        &self,
        exchange: &dyn HttpExchange,
        servers: &Cache,
        clock: &Clock,
        turn: Turn<'_>,
    ) -> Result<NewLogin, NotOpened> {
        let registration = match &self.target {
            Target::Profile(profile) => discover(exchange, servers, profile, clock).await?,
            Target::Registration(registration) => (**registration).clone(),
        };
        let endpoint = registration.token_endpoint.clone();
        let pace = turn.take(&endpoint, clock).await?;
        let obtained_at = clock.now();
        tracing::trace!(profile = self.profile, "signing the client in as itself");
        let scopes = self.scopes.iter().map(String::as_str);
        let resources = self.resources.iter().map(String::as_str);
        let unix_now = clock.unix_now();
        let claims = registration.claims(None, false);
        let outcome =
            client_credentials::redeem(exchange, &registration, scopes, resources, claims.as_ref(), unix_now)
                .await;
        pace.note(&endpoint, &outcome);
        let opened = match outcome {
            Outcome::Granted(tokens) => Ok(*tokens),
            Outcome::Retry(retry) => Err(NotOpened::Undecided(retry)),
            Outcome::Refused(refusal) => Err(NotOpened::Refused(refusal)),
        };
        // Perhaps the server is elsewhere now, or wants to be asked in another way: the next attempt finds out.
        let tokens = opened.inspect_err(|_| servers.forget(&registration))?;
        for warning in &tokens.warnings {
            tracing::warn!(profile = self.profile, warning, "the server's answer to a login is odd");
        }
        Ok(NewLogin {
            original_key: None,
            profile: self.profile.clone(),
            registration,
            scopes: self.scopes.clone(),
            resources: self.resources.clone(),
            tokens,
            obtained_at,
            refresh_idle: None,
            keep_alive: self.keep_alive,
            by_client_credentials: true,
            lifetime: self.lifetime,
        })
    }
}

impl<'a> Turn<'a> {
    async fn take(self, endpoint: &str, clock: &Clock) -> Result<&'a Pace, NotOpened> {
        match self {
            Self::AtOnce(pace) => {
                pace.go_ahead(endpoint);
                Ok(pace)
            }
            Self::InLine(pace) => {
                let urgency = Urgency { is_waited_for: true, ends_at: None };
                match pace.turn(endpoint, urgency).await {
                    Ok(permit) => permit.send(),
                    Err(NoTurn::Paused(pause)) => {
                        return Err(NotOpened::Undecided(pause.into_retry(clock.now())));
                    }
                    Err(NoTurn::Withdrawn) => {
                        return Err(undecided(Failure::ours("server_unreachable", "the daemon is stopping")));
                    }
                }
                Ok(pace)
            }
        }
    }
}

/// Whether a process brought the client secret of this registration.
pub(crate) fn is_brought(registration: &Registration) -> bool {
    matches!(registration.client_secret, Some(SecretSource::Brought(_)))
}

async fn discover(
    exchange: &dyn HttpExchange,
    servers: &Cache,
    profile: &Profile,
    clock: &Clock,
) -> Result<Registration, NotOpened> {
    match servers.discover(exchange, profile, false, clock.now()).await {
        Ok(discovered) => {
            for warning in &discovered.warnings {
                tracing::warn!(profile = profile.name, warning, "the server's metadata is odd");
            }
            Ok(discovered.registration)
        }
        // Even a wrong document is no verdict: what stands before the server today may be gone tomorrow.
        Err(failure) => Err(undecided(failure)),
    }
}

fn undecided(failure: Failure) -> NotOpened {
    NotOpened::Undecided(Retry::of(failure))
}
