//! The provider's verdict on a token (RFC 7662).

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::http::Request;

/// A client that may introspect every token, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Oracle {
    /// The provider's introspection endpoint.
    pub introspection_endpoint: String,
    /// The client's identifier.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: String,
}

/// A verdict (RFC 7662 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Verdict {
    /// Whether the token may be used.
    pub active: bool,
    /// Whose it is.
    pub sub: Option<String>,
    /// Its scope.
    pub scope: Option<String>,
    /// The API that it is for (RFC 8707).
    pub aud: Option<String>,
    /// When it expires, in Unix seconds.
    pub exp: Option<i64>,
}

impl Oracle {
    /// The verdict on a token, now.
    pub async fn introspect(&self, token: &str) -> Result<Verdict> {
        let answer = Request::form(Url::parse(&self.introspection_endpoint)?, [("token", token)])
            .basic(&self.client_id, &self.client_secret)
            .send()
            .await?;
        ensure!(answer.status == 200, "introspection answered {}: {}", answer.status, answer.text());
        answer.json()
    }
}
