//! What holds for every reader, whatever is fed to it: it never panics, and says nothing of what it read.

use proptest::prelude::*;

use super::{found::Unusable, fourinsight_api, msal, oauthlib};

const GOLDEN: [&str; 3] = [
    include_str!("golden/fourinsight_api.json"),
    include_str!("golden/msal.json"),
    include_str!("golden/oauthlib.json"),
];

/// What of the golden files must be in no error.
const SECRETS: [&str; 5] = ["golden", "rt-ada", "rt-grace", "at-ada", "refresh-token"];

/// Feeds every reader; a text that none takes is told apart without being repeated.
fn feed(text: &str) {
    let errors: Vec<Unusable> =
        [fourinsight_api::read(text).err(), msal::read(text).err(), oauthlib::read(text).err()]
            .into_iter()
            .flatten()
            .collect();
    for error in errors {
        let said = format!("{error:?}");
        assert!(!error.what.is_empty() && !error.next.is_empty());
        assert!(SECRETS.iter().all(|secret| !said.contains(secret)), "{said}");
    }
}

#[test]
fn every_truncation_is_refused_by_all() {
    for file in GOLDEN.map(str::trim_end) {
        for end in (0..file.len()).filter(|end| file.is_char_boundary(*end)) {
            let text = &file[..end];
            feed(text);
            assert!(fourinsight_api::read(text).is_err(), "{end}");
            assert!(msal::read(text).is_err(), "{end}");
            assert!(oauthlib::read(text).is_err(), "{end}");
        }
    }
}

#[test]
fn no_changed_byte_makes_a_reader_panic_or_talk() {
    for file in GOLDEN {
        for at in 0..file.len() {
            for change in [0x01, 0x20, 0x80, 0xff] {
                let mut bytes = file.as_bytes().to_vec();
                bytes[at] ^= change;
                feed(&String::from_utf8_lossy(&bytes));
            }
        }
    }
}

#[test]
fn deep_nesting_is_refused() {
    for open in ["[", "{\"a\":", "{\"RefreshToken\":{\"a\":"] {
        feed(&open.repeat(100_000));
        feed(&format!("{{\"x\":{}", open.repeat(100_000)));
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(text in "\\PC{0,200}") {
        feed(&text);
    }

    #[test]
    fn no_object_makes_a_reader_panic(
        name in "(refresh_token|token_url|RefreshToken|scope|secret)",
        value in "(null|[0-9]{1,30}|\"[a-z ]{0,9}\"|\\[(\"a\",){0,3}1\\]|\\{\"x\":\\{\"secret\":\"a\"\\}\\})",
    ) {
        feed(&format!(r#"{{"token_url":"https://x/","{name}":{value},"refresh_token":"golden"}}"#));
    }
}
