//! The API as its callers meet it, in memory: statuses, shapes, and what is never said.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request},
    response::Response,
};
use fourinsight_ipc::ErrorBody;
use serde_json::Value;
use tower::Service;

use super::{Api, router};
use crate::testing::World;

mod apart;
mod attempts;
mod document;
mod errors;
mod imports;
mod leaks;
mod logins;
mod mappings;
mod moving_in;
mod presets;
mod profiles;
mod rejections;
mod sessions;
mod store;
mod tokens;
mod until_logout;

/// A daemon's API over a world.
struct Caller {
    world: World,
    api: Arc<Api>,
    router: Router,
}

/// An answer.
struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
    body: Value,
}

impl Caller {
    fn of(world: World) -> Self {
        let api = world.api();
        Self { router: router(Arc::clone(&api)), api, world }
    }

    async fn signed_in() -> Self {
        Self::of(World::signed_in().await)
    }

    async fn get(&self, target: &str) -> Reply {
        self.call("GET", target, "").await
    }

    async fn post(&self, target: &str, body: &str) -> Reply {
        self.call("POST", target, body).await
    }

    async fn delete(&self, target: &str) -> Reply {
        self.call("DELETE", target, "").await
    }

    /// Calls, and checks what holds for every answer.
    async fn call(&self, method: &str, target: &str, body: &str) -> Reply {
        self.calling(method, target, body).await
    }

    /// The same, for a task of its own.
    fn calling(&self, method: &str, target: &str, body: &str) -> impl Future<Output = Reply> + Send + use<> {
        let request =
            Request::builder().method(method).uri(target).body(Body::from(body.to_owned())).unwrap();
        let (mut router, target) = (self.router.clone(), target.to_owned());
        async move {
            let Ok(response) = router.call(request).await;
            Reply::read(&target, response).await
        }
    }
}

impl Reply {
    async fn read(target: &str, response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(
            (header("cache-control"), header("pragma")),
            (Some("no-store"), Some("no-cache")),
            "{target}"
        );
        assert!(text.is_empty() || header("content-type") == Some("application/json"), "{target}: {text}");
        let reply = Reply {
            status: parts.status.as_u16(),
            body: serde_json::from_str(&text).unwrap_or_default(),
            headers: parts.headers,
            text,
        };
        assert_ne!(reply.status, 401, "{target}");
        if reply.status >= 400 {
            let error = reply.error();
            assert_eq!(error.error.status(), reply.status, "{target}: {error:?}");
            assert!(!error.error_description.is_empty(), "{target}: {error:?}");
        }
        reply
    }

    fn error(&self) -> ErrorBody {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no error body: {}", self.text))
    }

    /// Checks status and error code.
    #[track_caller]
    fn is_error(&self, status: u16, error: &str) -> ErrorBody {
        assert_eq!((self.status, self.body["error"].as_str()), (status, Some(error)), "{}", self.text);
        self.error()
    }

    /// The names of the body's fields.
    fn fields(&self) -> Vec<&str> {
        self.body.as_object().unwrap().keys().map(String::as_str).collect()
    }
}
