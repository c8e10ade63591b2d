//! Logins that other tools obtained, taken over from their caches.
//!
//! | module | what it does |
//! |---|---|
//! | `fourinsight_api`, `msal`, `oauthlib` | read a cache: bytes in, logins out |
//! | `cognite` | reads a credential mapping, which becomes a profile |
//! | `found` | what is found, and what is wrong with a cache |
//! | `choose` | which of several logins is meant |
//! | `fit` | by which profile a login is taken over |
//! | `first` | the profile of 4insight, where there is none yet |
//! | `failure` | why one was not |
//!
//! Who owns a refresh token is proven by renewing it once. The session's task does so after its record is durable, and
//! by the protocol of every other rotation; only when the outcome is on the disk as well does the caller hear that the
//! cache may go. Who signed in is what the server says, never what the cache says.

use std::{path::Path, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use fourinsight_ipc::{
    ErrorBody, ErrorCode, SessionKey,
    message::{Identity, ImportFormat, ImportOutcome, ImportRequest, ImportResponse},
};
use secrecy::ExposeSecret;

use self::{
    cognite::Mapping,
    fit::{Endpoint, Fit},
    found::Found,
};
use crate::{
    authority::{Registration, discovery},
    broker::Broker,
    clock::Clock,
    config::{Config, ConfigFile},
    http::HttpExchange,
    login::LONGEST_ORIGINAL,
    session::{Adoption, Shown},
    token::RefreshToken,
};

mod choose;
mod cognite;
mod failure;
mod first;
mod fit;
mod found;
mod fourinsight_api;
mod msal;
mod oauthlib;
#[cfg(test)]
mod tests;

/// The longest cache that is read.
const LONGEST: usize = 1024 * 1024;

/// What a profile is called whose mapping says no name.
const COGNITE: &str = "cognite";

/// What takes logins over.
pub(crate) struct Imports {
    exchange: Arc<dyn HttpExchange>,
    servers: Arc<discovery::Cache>,
    clock: Clock,
    broker: Arc<Broker>,
    config: Arc<ConfigFile>,
    /// Held while one is taken over, so that no two sessions get the same one.
    turn: tokio::sync::Mutex<()>,
}

impl Imports {
    /// Ready to take logins over.
    pub(crate) fn new(
        exchange: Arc<dyn HttpExchange>,
        servers: Arc<discovery::Cache>,
        clock: Clock,
        broker: Arc<Broker>,
        config: Arc<ConfigFile>,
    ) -> Self {
        Self { exchange, servers, clock, broker, config, turn: tokio::sync::Mutex::default() }
    }

    /// Takes a login over, or says what stands in the way. Returns when it is proven and durable.
    pub(crate) async fn run(&self, request: ImportRequest) -> Result<ImportResponse, ErrorBody> {
        let _turn = self.turn.lock().await;
        let content = request.content.expose_secret();
        if content.len() > LONGEST {
            return Err(ErrorBody::new(ErrorCode::PayloadTooLarge, "The file is longer than 1 MiB.")
                .hint("name the cache itself; none is that long"));
        }
        if request.original_key.as_ref().is_some_and(|original| original.len() > LONGEST_ORIGINAL) {
            let what = "The session_key of fourinsight.api is too long to be one.";
            return Err(ErrorBody::new(ErrorCode::InvalidRequest, what)
                .hint(format!("use one of at most {LONGEST_ORIGINAL} bytes")));
        }
        if request.format == ImportFormat::Cognite {
            return self.write_profile(cognite::read(content, request.path.as_deref())?, &request);
        }
        let all = match request.format {
            ImportFormat::FourinsightApi => vec![fourinsight_api::read(content)?],
            ImportFormat::Msal => msal::read(content)?,
            ImportFormat::Oauthlib => vec![oauthlib::read(content)?],
            _ => return Err(unknown_format()),
        };
        let left = choose::narrowed(&all, request.pick.as_deref());
        match left[..] {
            [] => Err(ErrorBody::new(ErrorCode::InvalidRequest, "No login of the cache is what was picked.")
                .hint("leave --pick out to see them all")),
            [login] => self.take_over(login, &all, &request).await,
            _ => {
                let mut answer = ImportResponse::new(ImportOutcome::Choose);
                answer.choices = choose::choices(&left);
                Ok(answer)
            }
        }
    }

    /// A credential mapping becomes a profile, and nobody is signed in by that.
    fn write_profile(&self, mapping: Mapping, request: &ImportRequest) -> Result<ImportResponse, ErrorBody> {
        let name = request.profile.as_deref().unwrap_or(COGNITE);
        let added = if request.dry_run {
            self.config.would_add_table(name, &mapping.table).map(|()| None)
        } else {
            self.config.add_table(name, &mapping.table).map(Some)
        };
        let config = added.map_err(|why| {
            ErrorBody::new(ErrorCode::InvalidRequest, format!("The profile was not written: {}.", why.what))
                .hint(why.next)
        })?;
        let mut answer = ImportResponse::new(ImportOutcome::ProfileWritten);
        answer.profile = Some(name.to_owned());
        answer.notes = mapping.notes;
        let described = config.as_ref().and_then(|config| config.described.get(name));
        answer.notes.extend(described.into_iter().flat_map(|described| described.notes.clone()));
        Ok(answer)
    }

    async fn take_over(
        &self,
        login: &Found,
        all: &[Found],
        request: &ImportRequest,
    ) -> Result<ImportResponse, ErrorBody> {
        let session = session_of(request);
        let fingerprint = fingerprint(&login.refresh_token);
        if let Some(owner) = self.owner(&fingerprint) {
            return self.again(&owner, request, all);
        }
        let config = self.configuration()?;
        let (Fit { mut profile, endpoint }, first) = self.fit(&config, login, request)?;
        if let Some(folder) = &request.package {
            profile.client_secret =
                profile.client_secret.map(|source| source.installed_at(Path::new(folder)));
        }
        if self.is_taken(&session) {
            return Err(failure::taken(&session));
        }
        let mut answer = ImportResponse::new(ImportOutcome::WouldImport);
        answer.session = Some(session.clone());
        answer.profile = Some(profile.name.clone());
        answer.whole = self.is_whole(all, &fingerprint);
        answer.notes = notes(login, &endpoint, &profile.scopes, answer.whole);
        if request.dry_run {
            answer.notes.extend(first.as_ref().map(first::would_be_written));
            return Ok(answer);
        }
        let mut registration = self.registration(&profile, endpoint).await?;
        // The refresh token is of the flow by which the other tool got it, whatever the profile's own is.
        registration.dialect.by_device = login.by_device.unwrap_or(registration.dialect.by_device);
        let help = profile.help;
        let adoption = Adoption {
            profile: profile.name,
            registration,
            scopes: profile.scopes,
            resources: profile.resources,
            refresh_idle: profile.refresh_idle,
            keep_alive: profile.keep_alive,
            refresh_token: login.refresh_token.clone(),
            original_key: request.original_key.clone().filter(|original| original != session.as_str()),
            fingerprint,
            names_person: login.names_person,
        };
        let adopted = self.broker.adopt(&session, adoption).await;
        adopted.map_err(|why| failure::not_adopted(&why, &session, help))?;
        if let Some(first) = first {
            self.write_first(&first, &mut answer);
        }
        self.signed_in(&session, answer)
    }

    /// The same cache once more: the caller may not have heard how it ended.
    fn again(
        &self,
        owner: &SessionKey,
        request: &ImportRequest,
        all: &[Found],
    ) -> Result<ImportResponse, ErrorBody> {
        if request.session.as_ref().is_some_and(|session| session != owner) {
            let what = format!("Session {owner} has taken this login over already.");
            return Err(ErrorBody::new(ErrorCode::InvalidRequest, what)
                .hint("use that session, since one refresh token cannot have two owners"));
        }
        let mut answer = ImportResponse::new(ImportOutcome::Imported);
        answer.whole = all.iter().all(|login| self.owner(&fingerprint(&login.refresh_token)).is_some());
        answer.notes.push("it had been taken over before".to_owned());
        self.signed_in(owner, answer)
    }

    /// Completes the answer by what the session has become.
    fn signed_in(
        &self,
        session: &SessionKey,
        mut answer: ImportResponse,
    ) -> Result<ImportResponse, ErrorBody> {
        let snapshot = self.broker.session(session).map(|session| session.snapshot());
        let Some((snapshot, token)) =
            snapshot.as_ref().and_then(|snapshot| Some((snapshot, snapshot.own_token()?)))
        else {
            return Err(ErrorBody::new(
                ErrorCode::TemporarilyUnavailable,
                format!("Session {session} has the login's refresh token, but no access token at the moment."),
            )
            .hint("see `fourinsightctl status`; leave the file until the session is signed in, then import again"));
        };
        answer.outcome = ImportOutcome::Imported;
        answer.session = Some(session.clone());
        answer.profile.clone_from(&snapshot.profile);
        answer.scope.clone_from(&token.token.scope);
        answer.identity = snapshot
            .person
            .as_ref()
            .map(|person| Identity { sub: person.subject.clone(), name: person.name.clone() });
        answer.durable = !snapshot.degraded;
        if !answer.durable {
            let note = "the disk refuses the session's record, which is kept in memory and written every second: \
                        leave the file until `fourinsightctl status` shows no problem, then import again";
            answer.notes.push(note.to_owned());
        }
        Ok(answer)
    }

    /// The server of a profile, with the endpoint that the cache may name.
    async fn registration(
        &self,
        profile: &crate::profile::Profile,
        endpoint: Endpoint,
    ) -> Result<Registration, ErrorBody> {
        let now = self.clock.now();
        let discovered = self.servers.discover(&*self.exchange, profile, false, now).await;
        let discovered = discovered.map_err(|error| failure::not_discovered(&error))?;
        for warning in &discovered.warnings {
            tracing::warn!(profile = profile.name, warning, "the server's metadata is odd");
        }
        let mut registration = discovered.registration;
        match endpoint {
            Endpoint::Allowed(pinned) => {
                registration.token_endpoint = pinned.url().unwrap_or_default();
                registration.pinned_endpoint = Some(pinned);
            }
            Endpoint::Same(url) if url != registration.token_endpoint => {
                let what =
                    "The file names another token endpoint than the profile's server. Nothing was sent.";
                return Err(ErrorBody::new(ErrorCode::InvalidRequest, what).hint("name the right profile"));
            }
            Endpoint::Same(_) | Endpoint::OfProfile => {}
        }
        Ok(registration)
    }

    fn configuration(&self) -> Result<Arc<Config>, ErrorBody> {
        self.config.reload().map_err(|error| {
            let text = error.to_string();
            let (what, next) = text.split_once("; ").unwrap_or((&text, "correct it"));
            ErrorBody::new(ErrorCode::InvalidRequest, format!("The configuration has an error: {what}"))
                .hint(next)
        })
    }

    fn is_taken(&self, session: &SessionKey) -> bool {
        self.broker.session(session).is_some_and(|session| session.snapshot().shown != Shown::SignedOut)
    }

    /// The session that has taken over this refresh token.
    fn owner(&self, fingerprint: &str) -> Option<SessionKey> {
        let is_it = |session: &crate::session::Handle| {
            let snapshot = session.snapshot();
            let imported = snapshot.login.as_ref().and_then(|login| login.imported.as_deref());
            snapshot.shown == Shown::SignedIn && imported == Some(fingerprint)
        };
        self.broker.sessions().into_iter().find(is_it).map(|session| session.key)
    }

    /// Whether all that is in a cache has been taken over once this one has.
    fn is_whole(&self, all: &[Found], fingerprint: &str) -> bool {
        let of = |login: &Found| self::fingerprint(&login.refresh_token);
        all.iter().map(of).all(|other| other == fingerprint || self.owner(&other).is_some())
    }
}

/// The session that a login goes to: the one that is named, or that of the replaced tool's key.
fn session_of(request: &ImportRequest) -> SessionKey {
    let of_key = || SessionKey::of_seed(request.original_key.as_deref());
    request.session.clone().unwrap_or_else(of_key)
}

/// Names a refresh token without revealing it: it is random, so its hash is too.
fn fingerprint(refresh_token: &RefreshToken) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, refresh_token.expose().as_bytes());
    URL_SAFE_NO_PAD.encode(digest)
}

fn notes(login: &Found, endpoint: &Endpoint, scopes: &[String], whole: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if let Endpoint::Allowed(pinned) = endpoint
        && let Some(tenant) = pinned.tenant()
    {
        notes.push(format!("the token endpoint is that of the tenant {tenant}"));
    }
    if !scopes.is_empty() && login.scopes.iter().any(|scope| !scopes.contains(scope)) {
        notes.push("the login was granted scopes that the profile does not ask for".to_owned());
    }
    if !whole {
        notes.push("the file holds other logins, which stay in it".to_owned());
    }
    notes
}

fn unknown_format() -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidRequest, "There is no such format.")
        .hint("use one of fourinsight-api, msal, oauthlib, cognite")
}
