//! The server as a client meets it, in memory and under paused time unless a test needs a socket.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use tower::ServiceExt as _;
use url::{Url, form_urlencoded::Serializer};

use super::{Client, Practice, Settings, Verdict};

mod assertions;
mod authorization;
mod claims;
mod device;
mod dialects;
mod entra;
mod faults;
mod grants;
mod points;
mod rotation;
mod sockets;
mod ways_in;

const ISSUER: &str = "https://practice.test";
const REDIRECT_URI: &str = "http://127.0.0.1:4711/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const FULL_SCOPE: &str = "openid offline_access read write";

/// A public client of a server in memory.
#[derive(Clone)]
struct Visitor {
    practice: Practice,
    router: Router,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Visitor {
    fn new(settings: Settings) -> Self {
        let practice = Practice::new(settings);
        Self { router: practice.router(ISSUER), practice }
    }

    fn authorization_uri(scope: &str, extra: &[(&str, &str)]) -> String {
        let mut uri = Url::parse(ISSUER).unwrap().join("/authorize").unwrap();
        uri.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &Client::public().id)
            .append_pair("redirect_uri", REDIRECT_URI)
            .append_pair("scope", scope)
            .append_pair("state", "st&te")
            .append_pair("code_challenge", CHALLENGE)
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(extra);
        uri.into()
    }

    async fn code(&self, scope: &str, extra: &[(&str, &str)]) -> String {
        let callback = self.practice.sign_in(&Self::authorization_uri(scope, extra), "ada").await.unwrap();
        parameter(&callback, "code").unwrap()
    }

    async fn exchange(&self, code: &str, verifier: &str) -> Reply {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", &Client::public().id),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", verifier),
        ];
        self.post("/token", &form).await
    }

    async fn login(&self, scope: &str) -> Reply {
        let code = self.code(scope, &[]).await;
        let reply = self.exchange(&code, VERIFIER).await;
        assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
        reply
    }

    async fn refresh(&self, refresh_token: &str, extra: &[(&str, &str)]) -> Reply {
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("client_id", "practice-client"),
            ("refresh_token", refresh_token),
        ];
        form.extend(extra);
        self.post("/token", &form).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        self.post_as(path, form, None).await
    }

    async fn post_as(&self, path: &str, form: &[(&str, &str)], authorization: Option<&str>) -> Reply {
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn get(&self, path: &str, access_token: Option<&str>) -> Reply {
        let mut request = Request::get(path);
        if let Some(access_token) = access_token {
            request = request.header("authorization", format!("Bearer {access_token}"));
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Reply { status: parts.status, headers: parts.headers, body }
    }
}

impl Reply {
    fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.body))
    }

    fn assert_error(&self, status: u16, error: &str) {
        assert_eq!((self.status.as_u16(), self.text("error")), (status, error));
    }
}

fn parameter(callback: &Url, name: &str) -> Option<String> {
    callback.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
}

fn claims(id_token: &str) -> Value {
    let payload = id_token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
