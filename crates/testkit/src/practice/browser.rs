//! What a person at the login page does, without a browser and without a socket.

use anyhow::{Context as _, bail};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use tower::ServiceExt as _;
use url::{Url, form_urlencoded::Serializer};

use super::Practice;

impl Practice {
    /// Follows an authorization URI of this server, signs in as this user and allows: the callback URL to which
    /// the browser is sent. A request that the server answers with an error of its own makes that error the
    /// callback; one that it dares not send back is an `Err` with the page's text.
    pub async fn sign_in(&self, authorization_uri: &str, username: &str) -> anyhow::Result<Url> {
        self.visit(authorization_uri, username, "allow").await
    }

    /// The same, but the person denies.
    pub async fn deny(&self, authorization_uri: &str) -> anyhow::Result<Url> {
        self.visit(authorization_uri, "", "deny").await
    }

    /// What a person does with a user code: opens the page with it, and allows as this user, or denies without one.
    pub async fn answer_device(
        &self,
        verification_uri: &str,
        user_code: &str,
        username: Option<&str>,
    ) -> anyhow::Result<()> {
        let uri = Url::parse(verification_uri).context("the verification URI does not parse")?;
        let router = self.router(&uri.origin().ascii_serialization());
        let query = Serializer::new(String::new()).append_pair("user_code", user_code).finish();
        let target = format!("{}?{query}", uri.path());
        let Visit::Shown(page) = fetch(&router, Request::get(target).body(Body::empty())?).await? else {
            bail!("the page of the user code sends elsewhere");
        };
        let form = hidden_field(&page, "form").with_context(|| format!("no form: {page}"))?;
        let decision = if username.is_some() { "allow" } else { "deny" };
        let fields = [("form", form), ("user", username.unwrap_or_default()), ("decision", decision)];
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        let post = Request::post(uri.path())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))?;
        fetch(&router, post).await.map(drop)
    }

    async fn visit(&self, authorization_uri: &str, username: &str, decision: &str) -> anyhow::Result<Url> {
        let uri = Url::parse(authorization_uri).context("the authorization URI does not parse")?;
        let router = self.router(&uri.origin().ascii_serialization());
        let target = format!("{}?{}", uri.path(), uri.query().unwrap_or_default());
        let page = match fetch(&router, Request::get(target).body(Body::empty())?).await? {
            Visit::SentTo(callback) => return Ok(callback),
            Visit::Shown(page) => page,
        };
        let form = hidden_field(&page, "form").with_context(|| format!("no login form: {page}"))?;
        let fields = [("form", form), ("user", username), ("decision", decision)];
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        let post = Request::post(uri.path())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))?;
        match fetch(&router, post).await? {
            Visit::SentTo(callback) => Ok(callback),
            Visit::Shown(page) => bail!("the login page asked again: {page}"),
        }
    }
}

enum Visit {
    SentTo(Url),
    Shown(String),
}

async fn fetch(router: &Router, request: Request<Body>) -> anyhow::Result<Visit> {
    let response = router.clone().oneshot(request).await?;
    if let Some(location) = response.headers().get(header::LOCATION) {
        return Ok(Visit::SentTo(Url::parse(location.to_str()?)?));
    }
    let status = response.status();
    let page = String::from_utf8(to_bytes(response.into_body(), 1 << 20).await?.into())?;
    if !status.is_success() {
        bail!("the authorization server answered {status}: {page}");
    }
    Ok(Visit::Shown(page))
}

/// The value of a hidden field; the values of ours hold nothing that HTML escapes.
fn hidden_field<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("name={name} value=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}
