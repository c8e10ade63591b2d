//! A second real authorization server, written by other people in another language: `django-oauth-toolkit`, a package
//! of the Python index, on Django, on a loopback port.
//!
//! It differs from [`crate::provider`] where servers do: a client has one grant type, so each way in has a client of
//! its own; the issuer has a path; the OpenID Connect document names neither the revocation endpoint nor the device
//! flow's; a device's answer has no ID token; client secrets are stored hashed, so a check of one takes its time.

mod ledger;

use std::{fs, process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};
use url::Url;

pub use ledger::{Ledger, Request, StoredAccessToken, StoredRefreshToken};

use crate::{
    browser,
    http::Request as HttpRequest,
    process::Home,
    provider::{Client, Oracle, Verdict},
    python,
};

/// Django makes its tables and hashes six secrets; a busy machine takes its time.
const START_LIMIT: Duration = Duration::from_mins(2);

/// What differs between sites.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Options {
    /// How long access tokens live, in seconds.
    pub access_token_life: u64,
    /// Whether the metadata of RFC 8414 is where that standard looks for it. Where a site has the framework below a
    /// prefix and nothing else, it is not, and only the OpenID Connect document is found.
    pub metadata_at_root: bool,
    /// Whether answers to authorization requests name the issuer (RFC 9207).
    pub names_itself: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { access_token_life: 600, metadata_at_root: true, names_itself: true }
    }
}

/// The clients it knows.
#[derive(Clone, Debug, Deserialize)]
pub struct Clients {
    /// Signs people in by code, without a secret.
    pub public: Client,
    /// Signs people in by code, with a secret.
    pub confidential: Client,
    /// Signs in as itself.
    pub batch: Client,
    /// Signs people in by device, without a secret.
    pub public_device: Client,
    /// Signs people in by device, with a secret.
    pub device: Client,
    /// May ask for verdicts on tokens.
    oracle: Client,
}

/// A running site. It stops when dropped, and when this process ends; its database goes with it.
#[derive(Debug)]
pub struct Site {
    ready: Ready,
    origin: Url,
    /// Killed when dropped; its standard input closes with this process.
    _process: Child,
    _folder: TempDir,
}

#[derive(Debug, Deserialize)]
struct Ready {
    issuer: String,
    clients: Clients,
}

impl Site {
    /// Installs the framework if need be, starts the site, and returns when it listens.
    pub async fn start(options: Options) -> Result<Self> {
        let interpreter = tokio::task::spawn_blocking(|| python::environment("provider")).await??;
        let program = python::folder().join("provider/server.py");
        let folder = tempfile::Builder::new().prefix("fi-django-").tempdir()?;
        let mut settings = serde_json::to_value(options)?;
        settings["folder"] = folder.path().to_str().context("the temporary folder's name is no text")?.into();
        settings["password"] = browser::PASSWORD.into();
        let mut process = Command::new(interpreter)
            .arg("-B")
            .arg(program)
            .arg(settings.to_string())
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME")
            .env_remove("DJANGO_SETTINGS_MODULE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .context("the site's Python cannot be started")?;
        let output = process.stdout.take().context("the site has no standard output")?;
        let line = tokio::time::timeout(START_LIMIT, BufReader::new(output).lines().next_line())
            .await
            .context("the site does not get ready")??
            .context("the site ended before it was ready")?;
        let ready: Ready = serde_json::from_str(&line)?;
        let origin = Url::parse(&ready.issuer)?.join("/")?;
        Ok(Self { ready, origin, _process: process, _folder: folder })
    }

    /// Its issuer identifier, as configuration writes it.
    pub fn issuer(&self) -> &str {
        &self.ready.issuer
    }

    /// Its clients.
    pub fn clients(&self) -> &Clients {
        &self.ready.clients
    }

    /// One of the framework's endpoints: `token`, `revoke_token`, `device-authorization`, `device`, `introspect`.
    pub fn endpoint(&self, name: &str) -> String {
        format!("{}/{name}/", self.issuer())
    }

    /// A profile of one of its clients, with these lines besides; the client's secret goes into a file of the home.
    pub fn profile(&self, home: &Home, name: &str, client: &Client, lines: &str) -> Result<String> {
        let secret = match &client.client_secret {
            None => String::new(),
            Some(secret) => {
                let file = home.path().join(format!("{name}.secret"));
                fs::write(&file, secret)?;
                format!("client_secret = {{ file = \"{}\" }}\n", file.display())
            }
        };
        Ok(format!(
            "[profiles.{name}]\nissuer = \"{}\"\nclient_id = \"{}\"\n{secret}{lines}\n",
            self.issuer(),
            client.client_id
        ))
    }

    /// Who gives verdicts on tokens, for use in any process.
    pub fn oracle(&self) -> Oracle {
        let Client { client_id, client_secret, .. } = self.ready.clients.oracle.clone();
        Oracle {
            introspection_endpoint: self.endpoint("introspect"),
            client_id,
            client_secret: client_secret.unwrap_or_default(),
        }
    }

    /// The framework's own verdict on a token, now.
    pub async fn introspect(&self, token: &str) -> Result<Verdict> {
        self.oracle().introspect(token).await
    }

    /// What it was asked and what it stores, now.
    pub async fn ledger(&self) -> Result<Ledger> {
        HttpRequest::get(self.origin.join("practice/ledger")?).send().await?.json()
    }
}
