//! A real authorization server: npm's `oidc-provider`, a certified OpenID Provider, on a loopback port.
//!
//! It asks for a login and consent with its own forms, rotates refresh tokens at every use, revokes the whole grant
//! when one is used twice, and gives the verdict on every token by introspection.

mod install;
mod ledger;
mod oracle;

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};
use url::Url;

pub use install::{Installation, install};
pub use ledger::{Ledger, Life, RefreshTokens, Revocation, TokenRequest};
pub use oracle::{Oracle, Verdict};

use crate::{
    browser::{Answer, Browser, Landing},
    http::Request,
};

/// Loading the provider takes a second or two; a busy machine takes longer.
const START_LIMIT: Duration = Duration::from_mins(2);

/// How long things live, in seconds, and which APIs there are.
#[derive(Clone, Debug, Serialize)]
pub struct Options {
    /// Access tokens.
    pub access_token_life: u64,
    /// Refresh tokens, grants and the person's session at the provider.
    pub refresh_token_life: u64,
    /// The APIs that a login may name (RFC 8707), with the life of their access tokens.
    pub resources: BTreeMap<String, u64>,
    /// Whether a token request that names no API, or several, means the first of the grant's. By the provider's own
    /// default the one is for userinfo, and the other an error.
    pub remembers_resources: bool,
    /// How long a token request waits before it is looked at, in milliseconds.
    pub answer_delay: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access_token_life: 600,
            refresh_token_life: 24 * 3600,
            resources: BTreeMap::new(),
            remembers_resources: true,
            answer_delay: 0,
        }
    }
}

/// A running provider. It stops when dropped, and when this process ends.
#[derive(Debug)]
pub struct Provider {
    issuer: Url,
    ready: Ready,
    /// Killed when dropped; its standard input closes with this process.
    _process: Child,
}

/// A client registration.
#[derive(Clone, Debug, Deserialize)]
pub struct Client {
    /// Its identifier.
    pub client_id: String,
    /// Its secret; a public client has none.
    pub client_secret: Option<String>,
    /// Its private key in PEM, when it signs assertions.
    #[serde(default)]
    pub client_key: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Ready {
    issuer: String,
    public_client: Client,
    confidential_client: Client,
    clients_by_authentication: BTreeMap<String, Client>,
    oracle_client: Client,
}

impl Provider {
    /// Installs the provider if need be, starts it, and returns when it listens.
    pub async fn start(options: Options) -> Result<Self> {
        let Installation { node, server } = tokio::task::spawn_blocking(install).await??;
        let mut process = Command::new(node)
            .arg(server)
            .arg(serde_json::to_string(&options)?)
            .env_remove("NODE_OPTIONS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .context("the provider's Node cannot be started")?;
        let output = process.stdout.take().context("the provider has no standard output")?;
        let line = tokio::time::timeout(START_LIMIT, BufReader::new(output).lines().next_line())
            .await
            .context("the provider does not get ready")??
            .context("the provider ended before it was ready")?;
        let ready: Ready = serde_json::from_str(&line)?;
        Ok(Self { issuer: Url::parse(&ready.issuer)?, ready, _process: process })
    }

    /// Its issuer identifier, as configuration writes it.
    pub fn issuer(&self) -> &str {
        &self.ready.issuer
    }

    /// A client without a secret, with loopback redirect URIs.
    pub fn public_client(&self) -> &Client {
        &self.ready.public_client
    }

    /// A client with a secret, with loopback redirect URIs.
    pub fn confidential_client(&self) -> &Client {
        &self.ready.confidential_client
    }

    /// A client that may prove itself in this one way only (`basic`, `post`, `client_secret_jwt` or `private_key_jwt`),
    /// and sign in as itself too.
    pub fn client_by(&self, authentication: &str) -> Option<&Client> {
        self.ready.clients_by_authentication.get(authentication)
    }

    /// One of its endpoints, by path: `auth`, `token`, `token/introspection`, `token/revocation`, `me`.
    pub fn endpoint(&self, path: &str) -> Url {
        let mut url = self.issuer.clone();
        url.set_path(path);
        url
    }

    /// A configuration file with one profile, `practice`: the public client, asking for offline access.
    pub fn config(&self) -> String {
        format!(
            "default_profile = \"practice\"\n\
             [profiles.practice]\n\
             issuer = \"{}\"\n\
             client_id = \"{}\"\n\
             scopes = [\"openid\", \"offline_access\", \"profile\", \"api:read\", \"api:write\"]\n\
             authorize_params = {{ prompt = \"consent\" }}\n",
            self.issuer(),
            self.public_client().client_id
        )
    }

    /// Who gives verdicts on tokens, for use in any process.
    pub fn oracle(&self) -> Oracle {
        let Client { client_id, client_secret, .. } = self.ready.oracle_client.clone();
        let introspection_endpoint = self.endpoint("token/introspection").into();
        Oracle { introspection_endpoint, client_id, client_secret: client_secret.unwrap_or_default() }
    }

    /// The provider's own verdict on a token, now.
    pub async fn introspect(&self, token: &str) -> Result<Verdict> {
        self.oracle().introspect(token).await
    }

    /// What it saw and did so far.
    pub async fn ledger(&self) -> Result<Ledger> {
        Request::get(self.endpoint("practice/ledger")).send().await?.json()
    }

    /// The life of every access token it issued, by token.
    pub async fn lives(&self) -> Result<BTreeMap<String, Life>> {
        Request::get(self.endpoint("practice/lives")).send().await?.json()
    }
}

/// Signs in at the provider's real forms and opens the redirect URI, in a browser window of its own.
pub async fn sign_in(authorization_uri: &str, login: &str) -> Result<Landing> {
    Browser::new().sign_in(authorization_uri, &Answer::allow(login)).await
}
