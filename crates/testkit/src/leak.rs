//! Searches what programs have written for secrets, in every form that a log or a file could hold them.

use std::collections::BTreeMap;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::form_urlencoded;

/// Shorter texts turn up by chance.
const SHORTEST: usize = 12;

/// The forms to look for.
#[derive(Clone, Debug)]
pub struct Search {
    /// Each form, with the number of its secret.
    needles: BTreeMap<Vec<u8>, usize>,
}

/// A secret where none may be. It names the secret by its number, not by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leak {
    /// Which of the secrets, in the order given.
    pub secret: usize,
    /// Where it begins.
    pub at: usize,
}

impl Search {
    /// Prepares a search for these secrets: raw, percent-encoded, and as a part of anything in base64.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut needles = BTreeMap::new();
        for (number, secret) in secrets.into_iter().enumerate().filter(|(_, secret)| secret.len() >= SHORTEST)
        {
            for form in forms(secret) {
                needles.insert(form, number);
            }
        }
        Self { needles }
    }

    /// How many forms are looked for; a search for nothing proves nothing.
    pub fn len(&self) -> usize {
        self.needles.len()
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// Every form, for a search of another kind.
    pub(crate) fn into_forms(self) -> impl Iterator<Item = Vec<u8>> {
        self.needles.into_keys()
    }

    /// Every place where a secret turns up.
    pub fn leaks(&self, text: &[u8]) -> Vec<Leak> {
        let mut leaks = Vec::new();
        for (needle, secret) in &self.needles {
            leaks.extend(find(text, needle).map(|at| Leak { secret: *secret, at }));
        }
        leaks
    }
}

fn forms(secret: &str) -> Vec<Vec<u8>> {
    let form_encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let percent_encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let encoded = [form_encoded.replace('+', "%20"), form_encoded, percent_encoded];
    let mut forms: Vec<Vec<u8>> = encoded
        .iter()
        .flat_map(|text| [text.clone(), with_lower_case_escapes(text)])
        .map(String::into_bytes)
        .collect();
    forms.push(secret.as_bytes().to_vec());
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        for before in 0..3 {
            // What surrounds the secret changes the first and the last characters; those between are its own.
            let encoded = engine.encode([&vec![0; before], secret.as_bytes()].concat());
            let own = if before == 0 { 0 } else { before + 1 };
            let whole = (before + secret.len()) * 8 / 6;
            forms.push(encoded.as_bytes()[own..whole].to_vec());
        }
    }
    forms
}

fn with_lower_case_escapes(text: &str) -> String {
    let mut pieces = text.split('%');
    let plain = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(plain, |text, piece| {
        let (digits, rest) = piece.split_at(piece.len().min(2));
        text + "%" + &digits.to_lowercase() + rest
    })
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    // `windows` over megabytes is slow in a debug build: look at places that begin right.
    let first = *needle.first()?;
    let mut start = 0;
    while let Some(offset) = text[start..].iter().position(|byte| *byte == first) {
        let at = start + offset;
        if text[at..].starts_with(needle) {
            return Some(at);
        }
        start = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    const SECRET: &str = "s3cr3t/with+signs~and-length?";

    fn found(text: impl AsRef<[u8]>) -> bool {
        !Search::new([SECRET]).leaks(text.as_ref()).is_empty()
    }

    #[test]
    fn a_secret_is_found_raw_and_percent_encoded() {
        let encoded: String = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        assert!(found(format!("token={SECRET}&x")));
        assert!(found(format!("token={encoded}&x")));
        assert!(found(with_lower_case_escapes(&encoded)));
        assert_eq!(with_lower_case_escapes("A%2FB%7E"), "A%2fB%7e");
    }

    #[test]
    fn a_secret_is_found_in_base64_wherever_it_stands() {
        for before in ["", "a", "ab", "client-id:", "client id:"] {
            let text = format!("{before}{SECRET} and more");
            assert!(found(STANDARD.encode(&text)), "{before:?}");
            assert!(found(URL_SAFE.encode(&text)), "{before:?}");
        }
    }

    #[test]
    fn other_text_is_no_leak_and_short_secrets_are_not_looked_for() {
        assert!(!found("s3cr3t/with+signs~and-another-end"));
        assert!(Search::new(["short"]).is_empty());
    }
}
