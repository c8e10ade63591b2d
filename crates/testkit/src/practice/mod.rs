//! The practice authorization server: strict, small, and open about everything it has seen.
//!
//! One server is a [`Practice`] handle. It is an axum `Router`, called in memory or served on a loopback socket;
//! its time is tokio's, so pausing tokio's clock pauses the server. It is honest unless a test scripts its next
//! answers, and its [`Ledger`] is the oracle for what clients did.
//!
//! | module | what it does |
//! |---|---|
//! | [`settings`], [`clients`], [`client_keys`] | how it behaves, and who is registered |
//! | [`dialect`] | the habits of Entra, GitHub, Auth0 and 4insight, as data |
//! | `assertion` | JWTs that clients prove themselves with (RFC 7523) |
//! | `site`, `layout` | the endpoints and their paths, the router, and the recording of every request |
//! | `authorize`, `page` | the authorization endpoint and its login page, and the page that hands out packages |
//! | `token`, `scope`, `claims` | the token endpoint; what a request asks for; what it asks the token to hold |
//! | `sign_in` | how a person signed in, and how an API wants it done |
//! | `device` | the device flow: user codes, their page, and the polls |
//! | [`rotation`], `families`, `grant` | PURE: the modes of rotation; families of tokens, and what kills them |
//! | `revocation`, `protected`, `discovery`, `id_token` | RFC 7009; userinfo and a small API; metadata; ID tokens |
//! | [`ledger`], `entry`, [`oracle`], `look` | what happened, request by request; how logins and tokens stand |
//! | [`fault`], [`weather`], `faltering` | what can befall an exchange, when, and how often |
//! | [`script`] | scripted answers, gates |
//! | `browser` | what a person at the login page does |
//! | [`serve`], `socket`, `certificates`, `side`, `profile` | sockets, TLS, the view for other processes, and how they sign in |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> anyhow::Result<()> {
//! use testkit::practice::{Practice, Settings};
//! let practice = Practice::new(Settings::default());
//! let uri = "https://practice.test/authorize?response_type=code&client_id=practice-client&scope=openid\
//!     &redirect_uri=http://127.0.0.1:5000/callback&state=s&code_challenge_method=S256\
//!     &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
//! let callback = practice.sign_in(uri, "ada").await?;
//! assert!(callback.query_pairs().any(|(name, _)| name == "code"));
//! # Ok(())
//! # }
//! ```

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

mod answer;
mod assertion;
mod authorize;
mod browser;
mod certificates;
mod claims;
pub mod client_keys;
pub mod clients;
mod device;
pub mod dialect;
mod discovery;
mod entry;
mod faltering;
mod families;
pub mod fault;
mod grant;
mod id_token;
mod layout;
pub mod ledger;
mod look;
pub mod oracle;
mod page;
mod profile;
mod protected;
mod revocation;
pub mod rotation;
mod scope;
pub mod script;
pub mod serve;
pub mod settings;
mod side;
mod sign_in;
mod site;
mod socket;
#[cfg(test)]
mod tests;
mod timeline;
mod token;
pub mod weather;

pub(crate) use certificates::README_APIS;
pub use certificates::SERVER_NAME;
pub use client_keys::{ClientKey, RegisteredKey};
pub use clients::{Client, ClientAuthentication};
pub use dialect::{Auth0, Dialect, Entra, ExactRequest, Guarded, Lacks, Resource, Tenant};
pub use fault::{Fault, Kind, Point, RetryAfter};
pub use ledger::{Ledger, SecretKind};
pub use oracle::{AccessToken, End, Family, FamilyId, Verdict, Why};
pub use rotation::{Reuse, Rotation, Successor};
pub use script::{Answer, Gate};
pub use serve::{Serving, Transport};
pub use settings::{DeviceFlow, PackagePage, Settings, User};
pub use sign_in::Authentication;
pub use site::Endpoint;
pub use weather::Weather;

/// A practice authorization server. A clone is another handle on the same server.
#[derive(Clone)]
pub struct Practice {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    timeline: timeline::Timeline,
    signing_key: id_token::SigningKey,
    certificates: std::sync::OnceLock<certificates::Certificates>,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

struct State {
    ledger: Ledger,
    families: families::Families,
    codes: HashMap<String, authorize::Code>,
    login_forms: HashMap<String, authorize::AuthorizationRequest>,
    device_codes: HashMap<String, device::DeviceCode>,
    /// Which user code a page asks about, by the page's form.
    device_forms: HashMap<String, String>,
    /// The client assertions taken so far, by client and `jti`.
    assertions: HashSet<(String, String)>,
    script: script::Script,
    /// What the small API wants.
    api: protected::Rules,
}

impl Practice {
    /// Makes a server. Its time starts now.
    pub fn new(settings: Settings) -> Self {
        let mut ledger = Ledger::default();
        for secret in settings.clients.iter().filter_map(|client| client.secret.as_deref()) {
            ledger.remember(SecretKind::ClientSecret, secret);
        }
        for user in &settings.users {
            ledger.remember(SecretKind::Password, &user.password);
        }
        let state = State {
            ledger,
            families: families::Families::new(settings.rotation, settings.reuse),
            codes: HashMap::new(),
            login_forms: HashMap::new(),
            device_codes: HashMap::new(),
            device_forms: HashMap::new(),
            assertions: HashSet::new(),
            script: script::Script::default(),
            api: protected::Rules::default(),
        };
        Self {
            shared: Arc::new(Shared {
                timeline: timeline::Timeline::start(settings.unix_at_start),
                signing_key: id_token::SigningKey::generate(),
                certificates: std::sync::OnceLock::new(),
                state: Mutex::new(state),
                changed: watch::Sender::new(()),
                settings,
            }),
        }
    }

    /// The server as a service to call in memory, at the given origin, such as `https://practice.test`, which is its
    /// issuer identifier unless its dialect has another. An answer for which [`fault::is_lost`] holds stands for a connection
    /// that closed without one.
    pub fn router(&self, origin: &str) -> axum::Router {
        site::router(self.clone(), origin)
    }

    /// How it behaves.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// What has happened so far.
    pub fn ledger(&self) -> Ledger {
        self.state().ledger.clone()
    }

    /// Waits until the ledger meets a condition; it is looked at now and after each change.
    pub async fn wait_until(&self, mut condition: impl FnMut(&Ledger) -> bool) {
        let mut changes = self.shared.changed.subscribe();
        while !condition(&self.state().ledger) {
            changes.changed().await.expect("the sender lives as long as the server");
        }
    }

    /// What this server says of an access token at this moment.
    pub fn verdict(&self, access_token: &str) -> Verdict {
        self.state().families.verdict(access_token, self.shared.timeline.now())
    }

    /// What this server remembers of an access token: scope, audience, whom it speaks for.
    pub fn access_token(&self, access_token: &str) -> Option<AccessToken> {
        self.state().families.access_token(access_token).cloned()
    }

    /// How every login stands that has a refresh token, in the order in which they came.
    pub fn families(&self) -> Vec<Family> {
        self.state().families.report(self.shared.timeline.now()).collect()
    }

    /// Empties the ledger, and forgets the tokens that can come back as nothing but a mistake, so that a server can
    /// run for years. How the families stand is remembered.
    pub fn forget_the_past(&self) {
        let mut state = self.state();
        state.ledger.forget();
        state.families.forget_old_tokens(self.shared.timeline.now());
    }

    /// Revokes everything that descends from the login that this refresh token descends from. Says whether it
    /// knew the token.
    pub fn revoke_family(&self, refresh_token: &str) -> bool {
        let now = self.shared.timeline.now();
        let mut state = self.state();
        let family = state.families.owner_of_refresh_token(refresh_token).map(|(family, _)| family);
        if let Some(family) = family {
            state.families.revoke_family(family, now, Why::RevokedByServer);
        }
        family.is_some()
    }

    /// From now on the API demands these `claims` of the access tokens of clients that say they can answer a demand
    /// (`xms_cc`); other clients' tokens live out their life.
    pub fn demand_claims(&self, claims: &serde_json::Value) {
        self.state().api.claims = Some(claims.clone());
    }

    /// From now on the API takes the tokens only of those who signed in like this (RFC 9470).
    pub fn demand_authentication(&self, wanted: &Authentication) {
        self.state().api.authentication = wanted.clone();
    }

    /// From now on the API takes no token at all, however good it is.
    pub fn refuse_every_token(&self) {
        self.state().api.takes_none = true;
    }

    /// Ends the sessions of all tokens issued so far where an API looks at every request again, as Entra does at a
    /// change of a password: their refresh tokens stay good, and the API demands newer access tokens.
    pub fn end_sessions(&self) {
        let now = self.shared.timeline.unix_now().to_string();
        self.demand_claims(&serde_json::json!({
            "access_token": { "nbf": { "essential": true, "value": now } }
        }));
    }

    /// Revokes every token issued so far.
    pub fn revoke_all(&self) {
        self.state().families.revoke_all(self.shared.timeline.now());
    }

    /// Queues answers for the next requests to the token endpoint, one each, before it is honest again.
    pub fn answer_next_token_requests(&self, answers: impl IntoIterator<Item: Into<Answer>>) {
        self.answer_next(Endpoint::Token, answers);
    }

    /// Is honest again from now on.
    pub fn forget_scripted_answers(&self) {
        self.state().script.clear();
    }

    /// Queues answers for the next requests to an endpoint, one each, before it is honest again.
    pub fn answer_next(&self, endpoint: Endpoint, answers: impl IntoIterator<Item: Into<Answer>>) {
        self.state().script.queue(endpoint, answers.into_iter().map(Into::into));
    }

    /// From now on this befalls the requests to the token endpoint; `None`: nothing does.
    pub fn set_weather(&self, weather: Option<Weather>) {
        self.state().script.set_weather(weather);
    }

    fn befalls_connection(&self, endpoint: Endpoint) -> Option<Kind> {
        self.state().script.befalls_connection(endpoint)
    }

    fn befalls_request(&self, endpoint: Endpoint, refresh_token: Option<&str>) -> Option<Answer> {
        self.state().script.befalls_request(endpoint, refresh_token)
    }

    /// Signs any claims with the server's key, for answers that a test makes up.
    pub fn sign_id_token(&self, claims: &serde_json::Value) -> String {
        let id_token = self.shared.signing_key.sign(claims);
        self.state().ledger.remember(SecretKind::IdToken, &id_token);
        id_token
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fresh secret of 256 random bits. Its alphabet holds `+`, `/` and `=`, so that what is wrongly encoded shows.
fn fresh_secret() -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let random = ring::rand::generate::<[u8; 32]>(&ring::rand::SystemRandom::new())
        .expect("the system's random numbers never run out");
    STANDARD.encode(random.expose())
}
