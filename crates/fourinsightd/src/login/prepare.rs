//! Makes an attempt ready: finds its server, and prepares it by its flow, with a listener or without, with an address
//! to open or without.

use fourinsight_ipc::{ErrorBody, ErrorCode, SessionKey};
use url::Url;

use super::{
    Known, Logins,
    again::{self, Again},
    authorize::{self, AnswerMode, AuthorizationRequest, Wish},
    awaits::Awaits,
    callback::Expected,
    failure::{self, LoginFailure},
    package::Packages,
    redemption::Proof,
    redirect_uri::{NotLoopback, RedirectUri},
    sockets::Listener,
};
use crate::{
    authority::{Registration, discovery::Discovered},
    profile::{Flow, Profile},
};

/// All that an attempt begins with.
pub(super) struct Prepared {
    pub(super) awaits: Awaits,
    /// Where the browser comes back to.
    pub(super) listener: Option<Listener>,
    /// What the person opens.
    pub(super) authorization_uri: Option<String>,
    pub(super) proof: Proof,
}

impl Logins {
    /// The server of a profile, and what its person should know about it. Who insists on a login has it asked anew.
    pub(super) async fn discover(
        &self,
        session: &SessionKey,
        profile: &Profile,
        wish: &Wish,
    ) -> Result<(Registration, Option<String>), LoginFailure> {
        let (mut registration, odd) = self.find_server(profile, wish).await?;
        if let Some(pinned) = self.sessions.known(session).pinned_issuer {
            pinned.hold(&mut registration).map_err(|error| failure::discovery(&error))?;
        }
        Ok((registration, odd))
    }

    /// The same for a session that has no name yet, so that nothing is known of it.
    pub(super) async fn find_server(
        &self,
        profile: &Profile,
        wish: &Wish,
    ) -> Result<(Registration, Option<String>), LoginFailure> {
        let asked = self.servers.discover(&*self.exchange, profile, wish.force, self.clock.now()).await;
        let Discovered { registration, warnings } = asked.map_err(|error| failure::discovery(&error))?;
        for warning in &warnings {
            tracing::warn!(profile = profile.name, warning, "the server's metadata is odd");
        }
        let odd =
            (!warnings.is_empty()).then(|| format!("The server's metadata is odd: {}.", warnings.join("; ")));
        Ok((registration, odd))
    }

    /// Makes room for an attempt and prepares it. A listener is bound before the address to open is written.
    pub(super) async fn prepare(
        &self,
        session: &SessionKey,
        profile: &Profile,
        registration: &Registration,
        wish: &Wish,
    ) -> Result<Prepared, ErrorBody> {
        let again = again::of(profile, registration, wish, &self.sessions.known(session));
        let prepared = match profile.flow {
            Flow::Browser => {
                let wanted = RedirectUri::parse(&profile.redirect_uri).map_err(bad_redirect_uri)?;
                let host = wanted.host().ok_or_else(|| bad_redirect_uri(NotLoopback))?;
                self.make_room(session, wanted.port()).await?;
                let listener =
                    Listener::bind(host, wanted.port()).map_err(|error| self.name_owner(&wanted, error))?;
                let redirect_uri = wanted.with_port(listener.port()).map_err(bad_redirect_uri)?;
                asking(registration, redirect_uri, wish, &again)?.with_listener(listener)
            }
            Flow::Paste if profile.takes_packages_only() => {
                self.make_room(session, 0).await?;
                let mut prepared =
                    Prepared::of(Awaits::Package { packages: packages(profile), callback: None });
                prepared.authorization_uri = Some(page(registration, &again)?);
                prepared
            }
            Flow::Paste | Flow::Implicit => {
                self.make_room(session, 0).await?;
                let redirect_uri = RedirectUri::for_pasting(&profile.redirect_uri)
                    .ok_or_else(|| bad_redirect_uri(NotLoopback))?;
                asking(registration, redirect_uri, wish, &again)?.with_packages(packages(profile))
            }
            Flow::Password => {
                self.make_room(session, 0).await?;
                Prepared::of(Awaits::Password)
            }
            Flow::Device | Flow::ClientCredentials | Flow::Certificate => {
                self.make_room(session, 0).await?;
                Prepared::of(Awaits::Nothing)
            }
        };
        // A pin is looked at when the login begins; of two logins for one session only one is under way.
        Ok(prepared.with_known(self.sessions.known(session)))
    }
}

impl Prepared {
    fn of(awaits: Awaits) -> Self {
        Self { awaits, listener: None, authorization_uri: None, proof: Proof::default() }
    }

    fn with_listener(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// Takes a package too, where the profile allows any.
    fn with_packages(self, packages: Packages) -> Self {
        match self.awaits {
            Awaits::Callback(callback)
                if !packages.allowed.is_empty() && callback.mode == AnswerMode::Query =>
            {
                Self { awaits: Awaits::Package { packages, callback: Some(callback) }, ..self }
            }
            _ => self,
        }
    }

    fn with_known(mut self, known: Known) -> Self {
        if let Awaits::Package { packages, .. } = &mut self.awaits {
            packages.pinned.clone_from(&known.pinned_endpoint);
        }
        self.proof.known = known;
        self
    }
}

/// An attempt that begins with an authorization request.
fn asking(
    registration: &Registration,
    redirect_uri: RedirectUri,
    wish: &Wish,
    again: &Again,
) -> Result<Prepared, ErrorBody> {
    let AuthorizationRequest { uri, state, code_verifier, nonce } =
        authorize::request(registration, &redirect_uri, wish, again)?;
    let proof =
        Proof { redirect_uri: redirect_uri.as_str().to_owned(), code_verifier, nonce, ..Proof::default() };
    let expected = Expected {
        redirect_uri,
        state,
        issuer: registration.issuer.clone(),
        iss_promised: registration.iss_in_callback,
        pkce: proof.code_verifier.is_some(),
        mode: wish.answer,
    };
    let prepared = Prepared::of(Awaits::Callback(expected));
    Ok(Prepared { authorization_uri: Some(uri), proof, ..prepared })
}

fn packages(profile: &Profile) -> Packages {
    Packages { allowed: profile.allowed_token_endpoints.clone(), pinned: None }
}

/// A page that makes its authorization request itself: only the profile's own parameters are added to its address.
fn page(registration: &Registration, again: &Again) -> Result<String, ErrorBody> {
    let endpoint = registration.authorization_endpoint.as_deref().ok_or_else(authorize::no_endpoint)?;
    let mut params = registration.authorize_params.clone();
    params.extend(again.force.clone().unwrap_or_default());
    if params.is_empty() {
        return Ok(endpoint.to_owned());
    }
    let mut url = Url::parse(endpoint).map_err(|_| authorize::no_endpoint())?;
    url.query_pairs_mut().extend_pairs(&params);
    Ok(url.into())
}

fn bad_redirect_uri(error: NotLoopback) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidRequest, format!("The profile's {error}."))
        .hint("use http://127.0.0.1:0/callback, or the redirect URI that the client is registered with")
}
