//! What an API demands of a token: the `claims` parameter (OpenID Connect Core section 5.5).
//!
//! The text is the server's business. Here it is only checked to be what the parameter may hold, and joined with
//! what the client says of itself.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The capability of a client that can answer a claims challenge: Continuous Access Evaluation.
pub const CAE: &str = "cp1";

/// A JSON object of demands. It may tell much about a person or a policy, so its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Claims(Box<str>);

/// Why a text holds no claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotClaims {
    /// It is longer than 8 KiB.
    #[error("the claims are longer than 8 KiB")]
    TooLong,
    /// It is no JSON object.
    #[error("the claims are not a JSON object, such as {{\"access_token\":{{…}}}}")]
    NotAnObject,
}

impl Claims {
    /// The most that is taken, in bytes of JSON.
    pub const LIMIT: usize = 8 * 1024;

    /// Reads a JSON object.
    pub fn read(json: &str) -> Result<Self, NotClaims> {
        if json.len() > Self::LIMIT {
            return Err(NotClaims::TooLong);
        }
        let object: Map<String, Value> = serde_json::from_str(json).map_err(|_| NotClaims::NotAnObject)?;
        Ok(Self::of(object))
    }

    /// Reads a JSON object that is written in base64 or base64url, padded or not.
    pub fn read_base64(encoded: &str) -> Result<Self, NotClaims> {
        if encoded.len() > Self::LIMIT.div_ceil(3) * 4 {
            return Err(NotClaims::TooLong);
        }
        let url_safe: String = encoded
            .chars()
            .map(|c| match c {
                '+' => '-',
                '/' => '_',
                other => other,
            })
            .collect();
        let json = LENIENT.decode(url_safe.trim_end_matches('=')).map_err(|_| NotClaims::NotAnObject)?;
        Self::read(std::str::from_utf8(&json).map_err(|_| NotClaims::NotAnObject)?)
    }

    /// The newer demands, and the earlier ones that they leave out.
    pub(crate) fn joined(newer: Option<&Self>, earlier: Option<&Self>) -> Option<Self> {
        let (Some(newer), Some(earlier)) = (newer, earlier) else { return newer.or(earlier).cloned() };
        let mut object = newer.object();
        fill_in(&mut object, earlier.object());
        let joined = Self::of(object);
        // What grows without end is not kept: the newer demand is the one that somebody waits for.
        Some(if joined.0.len() > Self::LIMIT { newer.clone() } else { joined })
    }

    /// The demands with what the client says it can do, `xms_cc` of the access token. Nothing that is there already
    /// is changed. Without demands and capabilities there is nothing to send.
    pub(crate) fn declaring<'a>(
        demands: Option<&Self>,
        capabilities: impl IntoIterator<Item = &'a str>,
    ) -> Option<Self> {
        let values: Vec<&str> = capabilities.into_iter().collect();
        if values.is_empty() {
            return demands.cloned();
        }
        let mut object = demands.map(Self::object).unwrap_or_default();
        let declared = json!({ "access_token": { "xms_cc": { "values": values } } });
        if let Value::Object(declared) = declared {
            fill_in(&mut object, declared);
        }
        Some(Self::of(object))
    }

    /// The JSON, in one line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn object(&self) -> Map<String, Value> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    fn of(object: Map<String, Value>) -> Self {
        Self(Value::Object(object).to_string().into())
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(…)")
    }
}

/// Adds what is missing, however deep; what is there stays. `null` asks for a claim without saying more
/// (OpenID Connect Core section 5.5.1), so it gives way to more.
fn fill_in(object: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        match (object.get_mut(&name), value) {
            (None | Some(Value::Null), value) => {
                object.insert(name, value);
            }
            (Some(Value::Object(inner)), Value::Object(value)) => fill_in(inner, value),
            (Some(_), _) => {}
        }
    }
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    const NBF: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;

    #[test]
    fn every_way_of_writing_base64_is_read() {
        // Chosen so that both alphabets differ and padding is needed.
        let json = r#"{"a":"~~~???>>>","b":"øåæ1"}"#;
        let claims = Claims::read(json).unwrap();
        assert!(BASE64_STANDARD.encode(json).contains(['+', '/']), "the sample tells the alphabets apart");
        for encoded in [
            BASE64_STANDARD.encode(json),
            BASE64_STANDARD_NO_PAD.encode(json),
            BASE64_URL_SAFE.encode(json),
            BASE64_URL_SAFE_NO_PAD.encode(json),
        ] {
            assert_eq!(Claims::read_base64(&encoded).unwrap(), claims, "{encoded}");
        }
    }

    #[test]
    fn only_a_json_object_of_at_most_8_kib_is_taken() {
        for json in ["", "null", "[]", "\"x\"", "1", "{", "{} {}", "{\"a\":}"] {
            assert_eq!(Claims::read(json), Err(NotClaims::NotAnObject), "{json}");
        }
        let sized = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
        assert!(Claims::read(&sized(Claims::LIMIT)).is_ok());
        assert_eq!(Claims::read(&sized(Claims::LIMIT + 1)), Err(NotClaims::TooLong));
        assert!(Claims::read_base64(&BASE64_STANDARD.encode(sized(Claims::LIMIT))).is_ok());
        let longer = BASE64_STANDARD.encode(sized(Claims::LIMIT + 1));
        assert_eq!(Claims::read_base64(&longer), Err(NotClaims::TooLong));
        assert_eq!(Claims::read_base64("not base64!"), Err(NotClaims::NotAnObject));
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(4000), "]".repeat(4000));
        assert_eq!(Claims::read(&deep), Err(NotClaims::NotAnObject));
    }

    #[test]
    fn capabilities_are_added_beside_what_is_demanded() {
        let declaring = |json: &str| {
            Claims::declaring(Some(&Claims::read(json).unwrap()), [CAE]).unwrap().as_str().to_owned()
        };
        assert_eq!(
            declaring(NBF),
            r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"},"xms_cc":{"values":["cp1"]}}}"#
        );
        assert_eq!(
            declaring(r#"{"id_token":{"acr":null}}"#),
            r#"{"access_token":{"xms_cc":{"values":["cp1"]}},"id_token":{"acr":null}}"#
        );
        assert_eq!(
            declaring(r#"{"access_token":null}"#),
            r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#
        );
    }

    #[test]
    fn what_the_caller_says_of_capabilities_is_kept() {
        for json in [
            r#"{"access_token":{"xms_cc":{"values":["cp2"]}}}"#,
            r#"{"access_token":{"xms_cc":7}}"#,
            r#"{"access_token":[1]}"#,
        ] {
            let claims = Claims::read(json).unwrap();
            assert_eq!(Claims::declaring(Some(&claims), [CAE]).unwrap().as_str(), json);
        }
    }

    #[test]
    fn nothing_to_say_is_nothing_to_send() {
        assert_eq!(Claims::declaring(None, []), None);
        assert_eq!(
            Claims::declaring(None, [CAE]).unwrap().as_str(),
            r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#
        );
        let claims = Claims::read(NBF).unwrap();
        assert_eq!(Claims::declaring(Some(&claims), []), Some(claims));
    }

    #[test]
    fn claims_are_redacted() {
        assert_eq!(format!("{:?}", Claims::read(NBF).unwrap()), "Claims(…)");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = (Claims::read(&text), Claims::read_base64(&text));
        }

        #[test]
        fn what_is_read_reads_back(members in proptest::collection::btree_map(".{0,8}", ".{0,8}", 0..8)) {
            let claims = Claims::read(&serde_json::to_string(&members).unwrap()).unwrap();
            prop_assert_eq!(Claims::read(claims.as_str()).unwrap(), claims.clone());
            prop_assert_eq!(Claims::read_base64(&BASE64_URL_SAFE_NO_PAD.encode(claims.as_str())).unwrap(), claims);
        }
    }
}
