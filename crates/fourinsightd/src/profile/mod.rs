//! What a login needs: where and how a session logs in.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::http::Route;

mod brought;
mod client_auth;

pub use brought::Brought;
pub(crate) use client_auth::one_or_each;
pub use client_auth::{ClientAuth, PerRequest, RequestKind};

/// A profile of the configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name in the configuration.
    pub name: String,
    /// The issuer whose metadata names the endpoints.
    pub issuer: Option<String>,
    /// Endpoints by hand; each overrides what discovery says.
    pub endpoints: Endpoints,
    /// RFC 6749 section 2.2. Empty where whoever logs in brings it.
    pub client_id: String,
    /// Where the client secret is read; absent for a public client.
    pub client_secret: Option<SecretSource>,
    /// How the client proves itself at each kind of request; left to the server's metadata where absent.
    pub client_auth: PerRequest<Option<ClientAuth>>,
    /// How the session is signed in.
    pub flow: Flow,
    /// What to ask for.
    pub scopes: Vec<String>,
    /// For which resources (RFC 8707).
    pub resources: Vec<String>,
    /// Where the browser comes back to, as registered; port 0 stands for any free one.
    pub redirect_uri: String,
    /// Added to the authorization request.
    pub authorize_params: Parameters,
    /// Added to the code's exchange.
    pub code_params: Parameters,
    /// Added to the device authorization request.
    pub device_params: Parameters,
    /// Added to each poll of the device flow.
    pub device_poll_params: Parameters,
    /// Added to each refresh.
    pub refresh_params: Parameters,
    /// Added to a revocation.
    pub revoke_params: Parameters,
    /// How connections to the server are made.
    pub route: Route,
    /// How long the server keeps an unused refresh token, in seconds.
    pub refresh_idle: Option<u64>,
    /// Whether the session is renewed though nobody asks for its token.
    pub keep_alive: bool,
}

/// Extra parameters of one kind of request, by name.
pub type Parameters = BTreeMap<String, String>;

/// Endpoints named by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// RFC 6749 section 3.1.
    pub authorization: Option<String>,
    /// RFC 6749 section 3.2.
    pub token: Option<String>,
    /// RFC 8628 section 3.1.
    pub device_authorization: Option<String>,
    /// RFC 7009.
    pub revocation: Option<String>,
    /// OpenID Connect Core section 5.3.
    pub userinfo: Option<String>,
}

impl Endpoints {
    /// Whether a login by this flow works without the server's metadata.
    pub fn suffice(&self, flow: Flow) -> bool {
        let start = match flow {
            Flow::Browser => self.authorization.is_some(),
            Flow::Device => self.device_authorization.is_some(),
            Flow::ClientCredentials => true,
        };
        start && self.token.is_some()
    }
}

/// How a session is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Authorization code with PKCE through a browser and a loopback redirect (RFC 8252).
    Browser,
    /// A code that the person enters on any device (RFC 8628).
    Device,
    /// The client as itself, without a person (RFC 6749 section 4.4).
    ClientCredentials,
}

impl Flow {
    /// Every flow.
    pub const ALL: [Self; 3] = [Self::Browser, Self::Device, Self::ClientCredentials];

    /// Its name in the configuration and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Device => "device",
            Self::ClientCredentials => "client_credentials",
        }
    }

    /// The flow of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flow| flow.name() == name)
    }
}

/// Where a client secret is read, at each use. Never written with the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretSource {
    /// The first line of a file.
    File(PathBuf),
    /// A variable of the daemon's environment.
    Env(String),
    /// The first line that a command prints: no shell, no standard input, 30 seconds.
    Command(Vec<String>),
    /// The memory of this daemon: a local process brought it.
    Brought(Brought),
}
