//! What the browser did and complained about: its network, as the developer tools see it, and its console.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;
use url::{Origin, Url};

/// What happened in the window for a while.
#[derive(Clone, Debug, Default)]
pub struct Record {
    requests: Vec<Request>,
    responses: Vec<Response>,
    console: Vec<Line>,
}

/// An answer that the browser received.
#[derive(Clone, Debug)]
pub struct Response {
    /// Where from.
    pub url: Url,
    /// Its status.
    pub status: u16,
    /// Its header fields, by name in small letters.
    pub headers: BTreeMap<String, String>,
}

/// A line on the console.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    /// How bad it is: `SEVERE`, `WARNING`, `INFO`, `DEBUG`.
    pub level: String,
    /// What it says; where it comes from stands first.
    pub message: String,
}

#[derive(Clone, Debug)]
struct Request {
    method: String,
    url: Url,
    /// The page it is sent for.
    page: Url,
}

impl Record {
    /// Reads chromedriver's logs `performance` and `browser`.
    pub(super) fn new(network: Vec<Line>, console: Vec<Line>) -> Result<Self> {
        let mut record = Self { console, ..Self::default() };
        for line in network {
            let mut event: Value = serde_json::from_str(&line.message)?;
            let event = event["message"].take();
            let parameters = &event["params"];
            match event["method"].as_str() {
                Some("Network.requestWillBeSent") => record.note_request(parameters),
                Some("Network.responseReceived") => record.note_response(parameters),
                _ => {}
            }
        }
        Ok(record)
    }

    /// Every address that pages of this origin had requests sent to, their own among them.
    pub fn requested_by(&self, origin: &Origin) -> Vec<&Url> {
        let requests = self.requests.iter().filter(|request| request.page.origin() == *origin);
        requests.map(|request| &request.url).collect()
    }

    /// The methods of the requests to this address, whatever its query.
    pub fn methods(&self, address: &Url) -> Vec<&str> {
        let is_it = |url: &Url| (url.origin(), url.path()) == (address.origin(), address.path());
        let requests = self.requests.iter().filter(|request| is_it(&request.url));
        requests.map(|request| request.method.as_str()).collect()
    }

    /// The last answer from this address.
    pub fn response(&self, address: &Url) -> Option<&Response> {
        self.responses.iter().rev().find(|response| response.url == *address)
    }

    /// What the console says about this origin.
    pub fn console(&self, origin: &Origin) -> Vec<&Line> {
        let origin = origin.ascii_serialization();
        self.console.iter().filter(|line| line.message.contains(&origin)).collect()
    }

    fn note_request(&mut self, parameters: &Value) {
        let request = &parameters["request"];
        let (Some(url), Some(page)) = (address(&request["url"]), address(&parameters["documentURL"])) else {
            return;
        };
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        self.requests.push(Request { method, url, page });
    }

    fn note_response(&mut self, parameters: &Value) {
        let response = &parameters["response"];
        let Some(url) = address(&response["url"]) else { return };
        let headers = response["headers"].as_object().into_iter().flatten();
        let headers =
            headers.filter_map(|(name, value)| Some((name.to_lowercase(), value.as_str()?.to_owned())));
        let status = response["status"].as_u64().unwrap_or_default() as u16;
        self.responses.push(Response { url, status, headers: headers.collect() });
    }
}

fn address(value: &Value) -> Option<Url> {
    Url::parse(value.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(message: &str) -> Line {
        Line { level: "INFO".to_owned(), message: message.to_owned() }
    }

    fn event(method: &str, parameters: &Value) -> Line {
        line(&json!({ "message": { "method": method, "params": parameters }, "webview": "x" }).to_string())
    }

    #[test]
    fn requests_belong_to_the_page_they_are_sent_for() {
        let sent = |method: &str, url: &str, page: &str| {
            let parameters = json!({ "request": { "method": method, "url": url }, "documentURL": page });
            event("Network.requestWillBeSent", &parameters)
        };
        let ours = "http://127.0.0.1:1/done";
        let network = vec![
            sent("POST", "http://127.0.0.1:1/callback?x=1", "http://127.0.0.1:1/callback?x=1"),
            sent("GET", ours, ours),
            sent("GET", "https://elsewhere.example/font", ours),
            sent("GET", "https://elsewhere.example/", "http://127.0.0.1:2/login"),
            event("Page.loadEventFired", &json!({})),
            event(
                "Network.responseReceived",
                &json!({ "response": { "url": ours, "status": 200, "headers": { "X-Y": "z" } } }),
            ),
        ];
        let console = vec![line("http://127.0.0.1:1/done 1:2 bad"), line("http://127.0.0.1:2/ worse")];
        let record = Record::new(network, console).unwrap();
        let ours = Url::parse(ours).unwrap();
        assert_eq!(record.requested_by(&ours.origin()).len(), 3);
        assert_eq!(record.methods(&Url::parse("http://127.0.0.1:1/callback").unwrap()), ["POST"]);
        let response = record.response(&ours).unwrap();
        assert_eq!((response.status, response.headers["x-y"].as_str()), (200, "z"));
        assert_eq!(record.console(&ours.origin()).len(), 1);
    }
}
