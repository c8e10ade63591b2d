//! An access token as it goes out: the JSON of RFC 6749 section 5.1, prepared once when the token is published, so
//! that a request only fills in how long it still lives.

use std::{
    fmt,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use fourinsight_ipc::SessionKey;
use serde_json::json;
use zeroize::Zeroizing;

use super::schedule::{self, Freshness};
use crate::{
    clock::{Clock, Timestamp},
    token::{Expiry, Token},
};

/// A token ready to be served. Its memory is wiped when the last holder drops it.
pub struct Served {
    pub(crate) token: Arc<Token>,
    /// When it was last asked for, in the clock's milliseconds. Kept here, so that handing out the token of another
    /// audience takes no lock and no word to the session.
    used_at: AtomicU64,
    head: Zeroizing<Vec<u8>>,
    tail: Vec<u8>,
}

impl Served {
    pub(crate) fn new(token: Arc<Token>, session: &SessionKey) -> Self {
        let secret = Zeroizing::new(serde_json::to_string(token.secret.expose()).unwrap_or_default());
        let mut head = Zeroizing::new(Vec::with_capacity(secret.len() + 64));
        head.extend_from_slice(b"{\"access_token\":");
        head.extend_from_slice(secret.as_bytes());
        head.extend_from_slice(b",\"token_type\":\"Bearer\"");
        let mut rest = json!({ "token_id": token.id.to_string(), "session": session });
        if let Some(scope) = &token.scope {
            rest["scope"] = json!(scope);
        }
        let tail = rest.to_string().replacen('{', ",", 1).into_bytes();
        Self { token, used_at: AtomicU64::new(0), head, tail }
    }

    /// Somebody who asked at this moment gets it.
    pub(super) fn use_at(&self, moment: Timestamp) {
        self.used_at.fetch_max(moment.as_millis(), Ordering::Relaxed);
    }

    /// When it was last asked for; long ago when it never was.
    pub(super) fn used_at(&self) -> Timestamp {
        Timestamp::from_millis(self.used_at.load(Ordering::Relaxed))
    }

    /// Judges the token at the moment of a request.
    pub fn freshness(&self, now: Timestamp, min_validity: Option<std::time::Duration>) -> Freshness {
        schedule::freshness(&self.token, now, min_validity)
    }

    /// The body of the answer, with the time that is left.
    pub fn body(&self, clock: &Clock) -> Bytes {
        let mut body = Zeroizing::new(Vec::with_capacity(self.head.len() + self.tail.len() + 64));
        body.extend_from_slice(&self.head);
        if let Expiry::At { at, .. } = self.token.expiry {
            let left = at.since(clock.now()).as_secs();
            // Writing to a vector cannot fail.
            let _ = write!(body, ",\"expires_in\":{left},\"expires_at\":{}", clock.to_unix(at));
        }
        body.extend_from_slice(&self.tail);
        Bytes::from_owner(WipedBody(body))
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("id", &self.token.id).finish_non_exhaustive()
    }
}

struct WipedBody(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for WipedBody {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::virtual_time::Virtual;
    use crate::token::{AccessToken, TokenId};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn the_body_is_the_contracts_and_counts_down() {
        let (clock, _) = Virtual::clock();
        let token = Token {
            id: TokenId(7),
            secret: AccessToken::new(String::from("a\"b")),
            token_type: "bearer".into(),
            scope: Some("x y".into()),
            obtained_at: clock.now(),
            expiry: Expiry::At { at: clock.now() + Duration::from_secs(100), assumed: false },
            renew_at: None,
            on_demand: false,
        };
        let served = Served::new(Arc::new(token), &SessionKey::default());
        tokio::time::advance(Duration::from_millis(1500)).await;
        let body: fourinsight_ipc::message::TokenResponse =
            serde_json::from_slice(&served.body(&clock)).unwrap();
        let shown: serde_json::Value = serde_json::from_slice(&served.body(&clock)).unwrap();
        assert_eq!(shown["access_token"], "a\"b");
        assert_eq!((body.expires_in, body.expires_at), (Some(98), Some(1_700_000_100)));
        assert_eq!((body.token_type.as_str(), body.scope.as_deref()), ("Bearer", Some("x y")));
        assert_eq!((body.token_id.as_str(), body.session.as_str()), ("0000000000000007", "default"));
    }
}
