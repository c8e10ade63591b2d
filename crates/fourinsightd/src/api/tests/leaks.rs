//! What a caller says to this API beside what the API asks for goes nowhere: the requests to the server are the same
//! whatever header fields, bodies and parameters a call came with.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use testkit::practice::ledger::Entry;
use tower::Service;
use url::Url;

use super::{Caller, Reply};
use crate::testing::World;

const TOKEN: &str = "/v1/sessions/default/token";

/// What an API call of a program may carry; none of it is for the authorization server.
const FIELDS: [(&str, &str); 12] = [
    ("accept", "c4nary/c4nary"),
    ("authorization", "Bearer c4nary"),
    ("content-type", "application/x-www-form-urlencoded; c4nary"),
    ("cookie", "c4nary=c4nary"),
    ("dpop", "c4nary"),
    ("forwarded", "host=c4nary.example"),
    ("host", "c4nary.example"),
    ("origin", "https://c4nary.example"),
    ("proxy-authorization", "Basic YzRuYXJ5"),
    ("traceparent", "00-c4nary"),
    ("user-agent", "c4nary"),
    ("x-http-method-override", "c4nary"),
];

/// The body of a call that takes none, and a query of one that takes other parameters.
const FORM: &str = "grant_type=password&client_id=c4nary&client_secret=c4nary&audience=c4nary&c4nary=c4nary";

/// Calls as a program does, with what it is asked for only or with a lot beside it.
struct Program {
    caller: Caller,
    odd: bool,
}

impl Program {
    async fn call(&self, method: &str, target: &str, body: Option<Value>) -> Reply {
        if self.odd {
            self.odd_queries(method, target).await;
        }
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in FIELDS.iter().filter(|_| self.odd) {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(Value::Object(mut fields)) if self.odd => {
                for name in ["audience", "code_verifier", "data", "grant_type", "json", "params", "timeout"] {
                    fields.insert(name.to_owned(), json!({ "c4nary": ["c4nary"] }));
                }
                Value::Object(fields).to_string()
            }
            Some(body) => body.to_string(),
            None if self.odd => FORM.to_owned(),
            None => String::new(),
        };
        let Ok(response) = self.caller.router.clone().call(request.body(Body::from(body)).unwrap()).await;
        Reply::read(target, response).await
    }

    /// Parameters that a call does not take are refused, and cost no request.
    async fn odd_queries(&self, method: &str, target: &str) {
        let before = self.sent().len();
        let join = if target.contains('?') { '&' } else { '?' };
        for query in
            [FORM, "data=c4nary", "headers=c4nary", "client_id=c4nary", "refresh_token=c4nary", "c4nary"]
        {
            let reply = self.caller.call(method, &format!("{target}{join}{query}"), "").await;
            assert_eq!(reply.status, 400, "{method} {target} with {query}");
        }
        assert_eq!(self.sent().len(), before, "{method} {target}");
    }

    fn sent(&self) -> Vec<Entry> {
        self.caller.world.practice.ledger().back_channel().cloned().collect()
    }

    /// A login, refreshes for every reason that there is, another audience, and a revocation: the request that the
    /// browser makes, and those that the daemon makes.
    async fn whole_life(&self) -> Vec<String> {
        let login = json!({ "profile": "work", "resource": ["https://api.example/"] });
        let begun = self.call("POST", "/v1/logins", Some(login)).await;
        let uri = Url::parse(begun.body["authorization_uri"].as_str().unwrap()).unwrap();
        let callback = self.caller.world.practice.sign_in(uri.as_str(), "ada").await.unwrap();
        let login = format!("/v1/logins/{}", begun.body["id"].as_str().unwrap());
        let pasted = Some(json!({ "pasted": callback.as_str() }));
        assert_eq!(self.call("POST", &format!("{login}/response"), pasted).await.body["state"], "succeeded");

        let more_than_its_life = format!("{TOKEN}?min_validity=7200");
        let token = self.call("GET", &more_than_its_life, None).await;
        let rejection = json!({ "token_id": token.body["token_id"], "www_authenticate": "Bearer c4nary" });
        assert_eq!(self.call("POST", "/v1/sessions/default/rejections", Some(rejection)).await.status, 202);
        assert_eq!(self.call("GET", TOKEN, None).await.status, 200);
        let other = format!("{TOKEN}?scope=read&resource=https://api.example/");
        assert_eq!(self.call("GET", &other, None).await.status, 200);
        assert_eq!(self.call("DELETE", "/v1/sessions/default", None).await.body["revocation"], "revoked");

        let sent = self.sent();
        let kinds = ["authorization_code", "refresh_token", "refresh_token", "refresh_token"];
        let said: Vec<_> = sent.iter().filter_map(|entry| entry.form.get("grant_type")).collect();
        assert_eq!(said, kinds);
        let mut told = vec![format!("{:?}", masked(&uri.query_pairs().into_owned().collect::<Vec<_>>()))];
        told.extend(sent.iter().map(|entry| {
            let Entry { method, path, headers, query, form, .. } = entry;
            assert!(!String::from_utf8_lossy(&entry.body).contains("c4nary"), "{entry:?}");
            format!("{method} {path} {:?} {headers:?} {:?}", query.0, masked(&form.0))
        }));
        told
    }
}

/// The parameters, but for what chance or the machine decides.
fn masked(parameters: &[(String, String)]) -> Vec<(&str, &str)> {
    let by_chance = ["code", "code_challenge", "code_verifier", "nonce", "redirect_uri", "refresh_token"];
    let mask = |name: &str| by_chance.contains(&name) || matches!(name, "state" | "token");
    parameters
        .iter()
        .map(|(name, value)| (name.as_str(), if mask(name) { "…" } else { value.as_str() }))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_callers_own_request_is_in_a_request_to_the_server() {
    let mut lives = Vec::new();
    for odd in [false, true] {
        let caller = Caller::of(World::new().await);
        lives.push(Program { caller, odd }.whole_life().await);
    }
    assert_eq!(lives[0], lives[1]);
    assert!(lives[0].len() >= 6 && !format!("{lives:?}").contains("c4nary"), "{lives:?}");
}
