//! Any language can ask: the local API through `curl --unix-socket`, with the shapes that the contract names.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{
    browser::Answer,
    process::{Daemon, Home},
    provider::{Options, Provider},
};

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_a_token_that_the_provider_knows() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new(&provider.config()).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    home.login(&["me + you"], &Answer::allow("ada")).await.unwrap().0.success().unwrap();

    let answer = curl(&home, "/v1/sessions/me%20%2B%20you/token", &[]).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    assert!(answer.header("content-type").unwrap().starts_with("application/json"));
    let token = answer.body.as_object().unwrap();
    let names: BTreeSet<&str> = token.keys().map(String::as_str).collect();
    let expected = ["access_token", "token_type", "expires_in", "scope", "expires_at", "token_id", "session"];
    assert_eq!(names, BTreeSet::from(expected));
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["session"], "me + you");
    assert!((1..=600).contains(&token["expires_in"].as_u64().unwrap()));
    let verdict = provider.introspect(token["access_token"].as_str().unwrap()).await.unwrap();
    assert!(verdict.active);
    assert_eq!(verdict.sub.as_deref(), Some("ada"));
    assert!((verdict.exp.unwrap() - token["expires_at"].as_i64().unwrap()).abs() <= 5, "{verdict:?}");

    // An API refused it: the next one is another.
    let rejection = json!({ "token_id": token["token_id"], "later": "unknown fields are ignored" });
    let rejected = curl(&home, "/v1/sessions/me%20%2B%20you/rejections", &["--json", &rejection.to_string()])
        .await
        .unwrap();
    assert_eq!(rejected.status, 202);
    let next = curl(&home, "/v1/sessions/me%20%2B%20you/token", &[]).await.unwrap();
    assert_eq!(next.status, 200);
    assert_ne!(next.body["access_token"], token["access_token"]);
    assert_ne!(next.body["token_id"], token["token_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_without_any_token() {
    let provider = Provider::start(Options::default()).await.unwrap();
    let home = Home::new(&provider.config()).unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    home.login(&[], &Answer::allow("ada")).await.unwrap().0.success().unwrap();
    let session = curl(&home, "/v1/sessions/default", &[]).await.unwrap();
    assert_eq!(session.status, 200);
    assert_eq!(session.body["session"], "default");
    assert_eq!(session.body["profile"], "practice");
    assert_eq!(session.body["state"], "signed_in");
    assert_eq!(session.body["identity"], json!({ "sub": "ada", "name": "ada of Practice" }));
    assert_eq!(session.body["problem"], Value::Null);
    assert!(session.body["next_renewal_at"].as_i64().unwrap() < session.body["expires_at"].as_i64().unwrap());
    let list = curl(&home, "/v1/sessions", &[]).await.unwrap();
    assert_eq!(list.body["sessions"], json!([session.body]));
    for secret in provider.ledger().await.unwrap().secrets {
        assert!(!list.body.to_string().contains(&secret));
    }
    let revoked = curl(&home, "/v1/sessions/default", &["--request", "DELETE"]).await.unwrap();
    assert_eq!(revoked.status, 200);
    assert_eq!(revoked.body["revocation"], "revoked");
    assert_eq!(curl(&home, "/v1/sessions/default", &[]).await.unwrap().status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_shaped_by_rfc_6749_and_never_ask_for_a_challenge() {
    let home = Home::new("").unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let canary = "c4n4ry-never-echoed";
    let login = json!({ "session": "x", "profile": canary }).to_string();
    let cases: &[(&str, &[&str], u16, &str)] = &[
        ("/v1/sessions/nobody/token", &[], 409, "login_required"),
        ("/v1/sessions/nobody", &[], 404, "not_found"),
        ("/v1/sessions/nobody", &["--request", "DELETE"], 404, "not_found"),
        ("/v1/logins/c4n4ry-never-echoed", &[], 404, "not_found"),
        ("/v1/c4n4ry-never-echoed", &[], 404, "not_found"),
        ("/v1/sessions/nobody/token?c4n4ry-never-echoed=1", &[], 400, "invalid_request"),
        ("/v1/sessions/nobody/token?wait=c4n4ry-never-echoed", &[], 400, "invalid_request"),
        ("/v1/sessions/nobody/token?wait=301", &[], 400, "invalid_request"),
        ("/v1/sessions/..%2Fc4n4ry-never-echoed/token", &[], 400, "invalid_request"),
        ("/v1/sessions", &["--request", "PUT"], 405, "method_not_allowed"),
        ("/v1/logins", &["--json", "{\"c4n4ry-never-echoed"], 400, "invalid_request"),
        ("/v1/logins", &["--json", &login], 400, "invalid_request"),
    ];
    for (path, arguments, status, error) in cases {
        let answer = curl(&home, path, arguments).await.unwrap();
        assert_eq!(
            (answer.status, answer.body["error"].as_str()),
            (*status, Some(*error)),
            "{path} {arguments:?}"
        );
        assert!(!answer.body["error_description"].as_str().unwrap().is_empty(), "{path}");
        assert!(!answer.body.to_string().contains(canary), "{path}: {}", answer.body);
        assert_eq!(answer.header("www-authenticate"), None, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn version_health_and_the_generated_description_are_there() {
    let home = Home::new("").unwrap();
    let daemon = Daemon::start(&home).await.unwrap();
    let version = curl(&home, "/v1/version", &[]).await.unwrap();
    assert_eq!(version.body["api"], "v1");
    let health = curl(&home, "/v1/health", &[]).await.unwrap();
    assert_eq!((health.body["status"].as_str(), &health.body["problems"]), (Some("ok"), &json!([])));
    assert_eq!(health.body["pid"], daemon.id().unwrap());
    assert_eq!(health.body["socket"], home.socket().to_str().unwrap());
    let description = curl(&home, "/v1/openapi.json", &[]).await.unwrap();
    assert!(description.body["openapi"].as_str().unwrap().starts_with("3."));
    assert_eq!(described(&description.body), calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_described_is_there_and_nothing_else() {
    let home = Home::new("").unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let calls = calls();
    let paths: BTreeSet<&str> = calls.iter().map(|(_, path)| path.as_str()).collect();
    for path in paths {
        let filled = path.replace("{key}", "nobody").replace("{id}", "none").replace("{name}", "none");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let arguments = ["--request", method, "--json", "{}"];
            let arguments = if method == "POST" { &arguments[..] } else { &arguments[..2] };
            let answer = curl(&home, &filled, arguments).await.unwrap();
            let there = calls.contains(&(method.to_owned(), path.to_owned()));
            assert_eq!(
                answer.body["error"] != "method_not_allowed",
                there,
                "{method} {path}: {}",
                answer.body
            );
            assert!(!answer.body.to_string().contains("no such path"), "{method} {path}");
            assert_ne!(answer.status, 401, "{method} {path}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{method} {path}");
        }
    }
}

/// The calls of the contract.
fn calls() -> BTreeSet<(String, String)> {
    [
        ("GET", "/v1/sessions/{key}/token"),
        ("POST", "/v1/sessions/{key}/rejections"),
        ("GET", "/v1/sessions"),
        ("GET", "/v1/sessions/{key}"),
        ("DELETE", "/v1/sessions/{key}"),
        ("GET", "/v1/sessions/{key}/attempts"),
        ("POST", "/v1/logins"),
        ("GET", "/v1/logins/{id}"),
        ("DELETE", "/v1/logins/{id}"),
        ("POST", "/v1/logins/{id}/response"),
        ("GET", "/v1/profiles"),
        ("POST", "/v1/profiles"),
        ("GET", "/v1/profiles/{name}"),
        ("GET", "/v1/presets"),
        ("POST", "/v1/imports"),
        ("POST", "/v1/store/check"),
        ("POST", "/v1/store/rekey"),
        ("POST", "/v1/store/backup"),
        ("POST", "/v1/store/restore"),
        ("GET", "/v1/version"),
        ("GET", "/v1/health"),
        ("GET", "/v1/openapi.json"),
    ]
    .map(|(method, path)| (method.to_owned(), path.to_owned()))
    .into()
}

/// The calls of an OpenAPI document. Each says what an error looks like.
fn described(document: &Value) -> BTreeSet<(String, String)> {
    let mut calls = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, call) in methods.as_object().expect("calls") {
            let error = &call["responses"]["default"]["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(error, "#/components/schemas/ErrorBody", "{method} {path}");
            calls.insert((method.to_uppercase(), path.clone()));
        }
    }
    assert!(document["components"]["schemas"]["ErrorBody"].is_object());
    calls
}

struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

async fn curl(home: &Home, path: &str, arguments: &[&str]) -> Result<Reply> {
    let output = home
        .command("curl")
        .args(["--silent", "--show-error", "--include", "--path-as-is", "--max-time", "60", "--unix-socket"])
        .arg(home.socket())
        .args(arguments)
        .arg(format!("http://localhost{path}"))
        .output()
        .await?;
    anyhow::ensure!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no end of the headers")?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status")?.parse()?;
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body)? };
    Ok(Reply { status, headers, body })
}
