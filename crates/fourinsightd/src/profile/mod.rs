//! What a login needs: where and how a session logs in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    authority::{ResourceStyle, allowed::AllowedEndpoint},
    http::Route,
};

mod assertion;
mod brought;
mod client_auth;
mod member;
mod package;
mod preset;
mod rotation;

pub use assertion::{Assertion, AssertionAlgorithm, AssertionAudience, Thumbprint};
pub use brought::Brought;
pub(crate) use client_auth::one_or_each;
pub use client_auth::{ClientAuth, PerRequest, RequestKind};
pub use member::MemberValue;
pub use package::PackageValue;
pub(crate) use preset::rewritten;
pub use preset::{Kind, Missing, Preset, Setting as PresetSetting, Wrong};
pub use rotation::Rotation;

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
    /// Where a client assertion comes from, and what it says.
    pub assertion: Assertion,
    /// How the client proves itself at each kind of request; left to the server's metadata where absent.
    pub client_auth: PerRequest<Option<ClientAuth>>,
    /// How the session is signed in.
    pub flow: Flow,
    /// What to ask for.
    pub scopes: Vec<String>,
    /// For which resources (RFC 8707).
    pub resources: Vec<String>,
    /// How requests name the API that a token is for; by the server's host where absent.
    pub resource_style: Option<ResourceStyle>,
    /// Where the browser comes back to, as registered; port 0 stands for any free one.
    pub redirect_uri: String,
    /// How the answer to an authorization request comes back to a listener.
    pub response_mode: ResponseMode,
    /// Token endpoints that a pasted package may name.
    pub allowed_token_endpoints: Vec<AllowedEndpoint>,
    /// Whether the flows that RFC 9700 advises against may be used.
    pub allow_legacy: bool,
    /// Added to the authorization request.
    pub authorize_params: Parameters,
    /// Added to the authorization request when the person is to be really asked; empty where the server understands
    /// nothing of the kind. `None` leaves it to what is usual.
    pub force_params: Option<Parameters>,
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
    /// What the client tells the server that it can do: `cp1` is Continuous Access Evaluation.
    pub client_capabilities: Vec<String>,
    /// How connections to the server are made.
    pub route: Route,
    /// How long the server keeps an unused refresh token, in seconds.
    pub refresh_idle: Option<u64>,
    /// What the server does with refresh tokens that it has replaced.
    pub rotation: Rotation,
    /// Whether the session is renewed though nobody asks for its token.
    pub keep_alive: bool,
    /// What to say beside an error that the profile's own words can have caused; its preset's words.
    pub help: Option<&'static str>,
}

/// Extra parameters of one kind of request, by name.
pub type Parameters = BTreeMap<String, String>;

/// Whether this names a resource (RFC 8707 section 2): an absolute URI without fragment. It has no space, by which it
/// would become several scopes where the server wants resources as scopes.
pub(crate) fn is_resource(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
        && Url::parse(text).is_ok_and(|url| url.fragment().is_none())
}

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
    /// The endpoint of this name in the configuration.
    pub fn named(&self, name: &str) -> Option<&str> {
        let endpoint = match name {
            "authorization_endpoint" => &self.authorization,
            "token_endpoint" => &self.token,
            "device_authorization_endpoint" => &self.device_authorization,
            "revocation_endpoint" => &self.revocation,
            "userinfo_endpoint" => &self.userinfo,
            _ => return None,
        };
        endpoint.as_deref()
    }
}

/// Where the browser comes back to when the profile does not say: any free port.
pub const REDIRECT_URI: &str = "http://127.0.0.1:0/callback";

impl Profile {
    /// Whether a person brings a package that names the token endpoint, and no redirect URI is registered.
    pub fn takes_packages_only(&self) -> bool {
        !self.allowed_token_endpoints.is_empty() && self.redirect_uri == REDIRECT_URI
    }

    /// Whether it says all that its client needs to sign in as itself.
    pub fn can_sign_in_as_itself(&self) -> bool {
        let (secret, assertion) = (self.client_secret.is_some(), self.assertion.can_prove());
        let can_prove = match self.client_auth.code {
            Some(method) if method.takes_secret() => secret,
            Some(ClientAuth::PrivateKeyJwt) => assertion,
            _ => secret || assertion,
        };
        !self.client_id.is_empty() && can_prove
    }

    /// The endpoints that a login by this profile cannot begin without, by their names in the configuration.
    pub fn needed_endpoints(&self) -> &'static [&'static str] {
        match self.flow {
            Flow::Paste if !self.allowed_token_endpoints.is_empty() => &["authorization_endpoint"],
            Flow::Browser | Flow::Paste => &["authorization_endpoint", "token_endpoint"],
            Flow::Device => &["device_authorization_endpoint", "token_endpoint"],
            Flow::Password | Flow::ClientCredentials | Flow::Certificate => &["token_endpoint"],
            Flow::Implicit => &["authorization_endpoint"],
        }
    }
}

/// How a session is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    /// Authorization code with PKCE through a browser and a loopback redirect (RFC 8252).
    Browser,
    /// The person pastes what the browser ends on, or what a page shows; nothing listens.
    Paste,
    /// A code that the person enters on any device (RFC 8628).
    Device,
    /// The client as itself, without a person (RFC 6749 section 4.4).
    ClientCredentials,
    /// The same, proven by a certificate and its key (RFC 7523).
    Certificate,
    /// The person's password (RFC 6749 section 4.3); legacy.
    Password,
    /// An access token from the authorization endpoint, pasted (RFC 6749 section 4.2); legacy.
    Implicit,
}

impl Flow {
    /// Every flow.
    pub const ALL: [Self; 7] = [
        Self::Browser,
        Self::Paste,
        Self::Device,
        Self::ClientCredentials,
        Self::Certificate,
        Self::Password,
        Self::Implicit,
    ];

    /// The flow's name in the configuration and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Paste => "paste",
            Self::Device => "device",
            Self::ClientCredentials => "client_credentials",
            Self::Certificate => "certificate",
            Self::Password => "password",
            Self::Implicit => "implicit",
        }
    }

    /// The flow of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flow| flow.name() == name)
    }

    /// Whether nobody is asked: the client signs in as itself.
    pub fn is_unattended(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::Certificate)
    }

    /// Why this flow is only there for who insists.
    pub fn legacy_warning(self) -> Option<&'static str> {
        match self {
            Self::Password => Some(
                "The flow password hands your password to this program; RFC 9700 section 2.4 says that it must not \
                 be used. Prefer browser, paste or another flow as soon as the server offers one.",
            ),
            Self::Implicit => Some(
                "The flow implicit sends the access token through the browser's address bar; RFC 9700 section 2.1.2 \
                 advises against it, and nothing can renew the token. Prefer browser or paste as soon as the server \
                 offers one.",
            ),
            Self::Browser | Self::Paste | Self::Device | Self::ClientCredentials | Self::Certificate => None,
        }
    }
}

/// How the answer to an authorization request comes back to a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the redirect URI's query.
    #[default]
    Query,
    /// As a form that the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

/// Where a client secret, a client's key or its assertion is read, at each use. Never written with the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretSource {
    /// A file; of a secret or an assertion its first line.
    File(PathBuf),
    /// A variable of the daemon's environment.
    Env(String),
    /// What a command prints, or its first line: no shell, no standard input, 30 seconds.
    Command(Vec<String>),
    /// A member of a file of YAML or JSON.
    Member(MemberValue),
    /// A value in a Python package that is installed for whoever logs in.
    Package(PackageValue),
    /// The first of these that is there.
    FirstOf(Vec<SecretSource>),
    /// The memory of this daemon: a local process brought it.
    Brought(Brought),
}

impl SecretSource {
    /// The same source, with the folder in which the package it reads is installed for whoever logs in. What does not
    /// begin at the root would begin wherever the daemon was started, so it is no folder.
    #[must_use]
    pub fn installed_at(self, folder: &Path) -> Self {
        match self {
            Self::Package(value) if folder.is_absolute() => {
                Self::Package(PackageValue { folder: Some(folder.to_owned()), ..value })
            }
            Self::FirstOf(sources) => {
                Self::FirstOf(sources.into_iter().map(|source| source.installed_at(folder)).collect())
            }
            other => other,
        }
    }
}
