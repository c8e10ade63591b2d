//! A request as named fields that two programs have in common when they do the same: what is drawn at random or
//! issued for one login only is replaced by what it is.

use std::collections::BTreeMap;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::practice::ledger::{Entry, Ledger, Parameters};

/// What each program draws for itself; its length is what can be compared.
const DRAWN: [&str; 4] = ["state", "nonce", "code_challenge", "code_verifier"];

/// How a certificate is named. Which certificate it is, the server checks; its length shows the encoding.
const THUMBPRINTS: [&str; 2] = ["x5t", "x5t#S256"];

/// What differs between two assertions of the same client.
const FRESH_CLAIMS: [&str; 4] = ["exp", "iat", "jti", "nbf"];

/// The fields of a request by name: `method`, `path`, `header accept`, `query scope`, `form grant_type`, `assertion
/// header alg`, `assertion claim aud`. A name that came several times has all its values.
pub(super) fn fields(entry: &Entry, ledger: &Ledger) -> BTreeMap<String, String> {
    let mut fields = Fields { ledger, found: BTreeMap::new() };
    fields.add("method", &entry.method);
    fields.add("path", &entry.path);
    for (name, value) in &entry.headers {
        let value = match name.as_str() {
            "authorization" => fields.authorization(value),
            "content-length" if value.parse() == Ok(entry.body.len()) => "{of the body}".to_owned(),
            _ => value.clone(),
        };
        fields.add(&format!("header {name}"), &value);
    }
    for (kind, parameters) in [("query", &entry.query), ("form", &entry.form)] {
        for (name, value) in &parameters.0 {
            fields.parameter(kind, name, value);
        }
    }
    fields.found
}

/// The names of both, each in the order of one, without those that the other lacks.
pub(super) fn common_order(one: &Parameters, other: &Parameters) -> String {
    let names = one.0.iter().map(|(name, _)| name.as_str());
    let common = names.filter(|name| other.0.iter().any(|(same, _)| same == name));
    common.collect::<Vec<_>>().join(" ")
}

struct Fields<'a> {
    ledger: &'a Ledger,
    found: BTreeMap<String, String>,
}

impl Fields<'_> {
    fn add(&mut self, name: &str, value: &str) {
        self.found
            .entry(name.to_owned())
            .and_modify(|values| *values = format!("{values} & {value}"))
            .or_insert_with(|| value.to_owned());
    }

    fn parameter(&mut self, kind: &str, name: &str, value: &str) {
        if name == "client_assertion" {
            self.assertion(value);
            return;
        }
        let shown = if DRAWN.contains(&name) {
            format!("{{{} characters}}", value.len())
        } else if name == "claims" {
            // Spaces and the order of members mean nothing in JSON.
            serde_json::from_str(value)
                .map_or_else(|_| "{malformed}".to_owned(), |json: Value| json.to_string())
        } else {
            self.named(value).unwrap_or_else(|| value.to_owned())
        };
        self.add(&format!("{kind} {name}"), &shown);
    }

    /// A secret by its kind.
    fn named(&self, value: &str) -> Option<String> {
        let secret = self.ledger.secrets().iter().find(|secret| secret.text == value)?;
        Some(format!("{{{:?}}}", secret.kind))
    }

    /// `Basic` with its pair, so that what is encoded and what is not can be told apart.
    fn authorization(&self, value: &str) -> String {
        let pair = value
            .strip_prefix("Basic ")
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .and_then(|pair| String::from_utf8(pair).ok());
        let Some((id, secret)) = pair.as_deref().and_then(|pair| pair.split_once(':')) else {
            return "{malformed}".to_owned();
        };
        let decoded = percent_decode_str(&secret.replace('+', " ")).decode_utf8_lossy().into_owned();
        let secret = self
            .named(secret)
            .or_else(|| Some(format!("form-encoded {}", self.named(&decoded)?)))
            .unwrap_or_else(|| "{unknown}".to_owned());
        format!("Basic {id}:{secret}")
    }

    fn assertion(&mut self, text: &str) {
        let parts: Vec<_> = text.split('.').collect();
        self.add("assertion parts", &parts.len().to_string());
        for (part, kind) in parts.iter().zip(["header", "claim"]) {
            let object =
                URL_SAFE_NO_PAD.decode(part).ok().and_then(|json| serde_json::from_slice(&json).ok());
            let Some(Value::Object(object)) = object else {
                self.add(&format!("assertion {kind}"), "{malformed}");
                continue;
            };
            for (name, value) in object {
                let value = shown(&name, &value);
                self.add(&format!("assertion {kind} {name}"), &value);
            }
        }
    }
}

/// A value of an assertion, or what it looks like where the value itself says nothing.
fn shown(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) if THUMBPRINTS.contains(&name) => format!("{{{} characters}}", text.len()),
        Value::Array(chain) if name == "x5c" => {
            let broken = chain.iter().filter_map(Value::as_str).any(|text| text.contains('\n'));
            format!("{{certificates: {}{}}}", chain.len(), if broken { ", in lines" } else { "" })
        }
        Value::String(_) if FRESH_CLAIMS.contains(&name) => "{text}".to_owned(),
        Value::Number(number) if FRESH_CLAIMS.contains(&name) => {
            format!("{{{}}}", if number.is_f64() { "fraction" } else { "integer" })
        }
        _ => value.to_string(),
    }
}
