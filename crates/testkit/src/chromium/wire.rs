//! WebDriver's wire format (W3C WebDriver, section 6): a command is an HTTP request with JSON, its answer a `value`.

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use crate::http::{Request, Response};

/// Where commands go: the driver itself, or one of its sessions.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    base: Url,
}

impl Wire {
    /// Commands to what this address names.
    pub(super) fn new(base: Url) -> Self {
        Self { base }
    }

    /// The same driver's session.
    pub(super) fn session(&self, id: &str) -> Result<Self> {
        Ok(Self { base: self.address(&format!("session/{id}"))? })
    }

    /// Where a command goes; none of its own (an empty one) is the session itself.
    pub(super) fn address(&self, command: &str) -> Result<Url> {
        let separator = if command.is_empty() || self.base.path().ends_with('/') { "" } else { "/" };
        Ok(Url::parse(&format!("{}{separator}{command}", self.base))?)
    }

    /// A command that only asks.
    pub(super) async fn ask<T: DeserializeOwned>(&self, command: &str) -> Result<T> {
        let answer = Request::get(self.address(command)?).send().await;
        value(command, &answer.with_context(|| format!("chromedriver did not answer {command}"))?)
    }

    /// A command that does something, with its parameters.
    pub(super) async fn tell<T: DeserializeOwned>(&self, command: &str, parameters: &Value) -> Result<T> {
        let answer = Request::json(self.address(command)?, parameters).send().await;
        value(command, &answer.with_context(|| format!("chromedriver did not answer {command}"))?)
    }

    /// A command without parameters and without an answer.
    pub(super) async fn order(&self, command: &str) -> Result<()> {
        self.tell::<Value>(command, &json!({})).await.map(drop)
    }
}

fn value<T: DeserializeOwned>(command: &str, answer: &Response) -> Result<T> {
    let mut body: Value = answer.json()?;
    let value = body["value"].take();
    if answer.status != 200 {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        // The rest of the message is the driver's own stack.
        let message = text("message");
        bail!("{command}: {}: {}", text("error"), message.lines().next().unwrap_or_default());
    }
    serde_json::from_value(value).with_context(|| format!("{command} answered something else"))
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &'static str) -> Response {
        Response { status, headers: HeaderMap::new(), body: body.into() }
    }

    #[test]
    fn an_answer_is_its_value_or_an_error_in_one_line() {
        let read = |status, body| value::<String>("title", &answer(status, body));
        assert_eq!(read(200, r#"{"value":"Signed in"}"#).unwrap(), "Signed in");
        let refused = r#"{"value":{"error":"no such element","message":"none\nstack","stacktrace":"x"}}"#;
        assert_eq!(read(404, refused).unwrap_err().to_string(), "title: no such element: none");
        assert!(read(200, r#"{"value":7}"#).is_err() && read(500, "no JSON").is_err());
    }

    #[test]
    fn a_command_belongs_to_its_session() {
        let driver = Wire::new(Url::parse("http://127.0.0.1:9/").unwrap());
        assert_eq!(driver.address("status").unwrap().as_str(), "http://127.0.0.1:9/status");
        let session = driver.session("abc").unwrap();
        assert_eq!(session.address("url").unwrap().as_str(), "http://127.0.0.1:9/session/abc/url");
        assert_eq!(session.address("").unwrap().as_str(), "http://127.0.0.1:9/session/abc");
    }
}
