//! The raw answer: what is written to the journal before anything tries to understand it.

use std::{fmt, time::UNIX_EPOCH};

use http::header::{self, HeaderName};
use zeroize::Zeroizing;

use crate::http::HttpResponse;

/// An answer of the token endpoint, as it came. Its body holds secrets: `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Date`: the server's clock.
    pub date: Option<String>,
    /// `Retry-After`: seconds or a date.
    pub retry_after: Option<String>,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

/// The layout of [`RawAnswer::to_bytes`].
const VERSION: u8 = 1;

/// The longest header field that is kept.
const FIELD_LIMIT: usize = 256;

impl RawAnswer {
    /// The answer as bytes, for the journal.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let fields = [&self.content_type, &self.date, &self.retry_after];
        let length = 3 + fields.iter().map(|field| 3 + field.as_ref().map_or(0, String::len)).sum::<usize>();
        let mut bytes = Zeroizing::new(Vec::with_capacity(length + self.body.len()));
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.status.to_be_bytes());
        for field in fields {
            let text = field.as_deref().map_or(&[][..], str::as_bytes);
            bytes.push(u8::from(field.is_some()));
            bytes.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend_from_slice(&text[..text.len().min(usize::from(u16::MAX))]);
        }
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The answer that [`to_bytes`](Self::to_bytes) wrote; anything else is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[VERSION, high, low], mut rest) = bytes.split_first_chunk()? else {
            return None;
        };
        let mut field = || {
            let (&[present, high, low], after) = rest.split_first_chunk()?;
            let (text, after) = after.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
            rest = after;
            let text = String::from_utf8(text.to_vec()).ok()?;
            Some((present == 1).then_some(text))
        };
        let (content_type, date, retry_after) = (field()?, field()?, field()?);
        let status = u16::from_be_bytes([high, low]);
        Some(Self { status, content_type, date, retry_after, body: Zeroizing::new(rest.to_vec()) })
    }

    /// Whether it may hold tokens: RFC 6749 section 5.1 says 200, servers also say 201.
    pub fn may_grant(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The server's clock, in Unix seconds.
    pub(super) fn unix_date(&self) -> Option<i64> {
        unix(self.date.as_deref()?)
    }
}

/// An HTTP date in Unix seconds.
pub(super) fn unix(date: &str) -> Option<i64> {
    let date = httpdate::parse_http_date(date).ok()?;
    i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

impl From<HttpResponse> for RawAnswer {
    fn from(response: HttpResponse) -> Self {
        let field = |name: HeaderName| {
            let text = response.headers.get(name)?.to_str().ok()?;
            (text.len() <= FIELD_LIMIT).then(|| text.to_owned())
        };
        Self {
            status: response.status,
            content_type: field(header::CONTENT_TYPE),
            date: field(header::DATE),
            retry_after: field(header::RETRY_AFTER),
            body: response.body,
        }
    }
}

impl fmt::Debug for RawAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawAnswer")
            .field("status", &self.status)
            .field("body_length", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> RawAnswer {
        RawAnswer {
            status: 503,
            content_type: Some("application/json".into()),
            date: None,
            retry_after: Some(String::new()),
            body: Zeroizing::new(b"{\"access_token\":\"s3cr3t\"}\0\xff".to_vec()),
        }
    }

    #[test]
    fn bytes_go_there_and_back() {
        let bytes = answer().to_bytes();
        assert_eq!(RawAnswer::from_bytes(&bytes), Some(answer()));
    }

    #[test]
    fn other_bytes_are_no_answer() {
        let bytes = answer().to_bytes();
        let head = bytes.len() - answer().body.len();
        for length in 0..head {
            assert_eq!(RawAnswer::from_bytes(&bytes[..length]), None, "{length}");
        }
        let mut other = bytes.to_vec();
        other[0] = VERSION + 1;
        assert_eq!(RawAnswer::from_bytes(&other), None);
    }

    #[test]
    fn debug_shows_no_body() {
        assert!(!format!("{:?}", answer()).contains("s3cr3t"));
    }
}
