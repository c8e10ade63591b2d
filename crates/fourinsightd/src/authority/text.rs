//! Texts from a server, made safe to show: on a terminal, in a log, in an answer.

/// The longest text that is kept.
const LIMIT: usize = 200;

/// Random text is at least this long; words are shorter.
const TOKEN_LENGTH: usize = 32;

/// The text without anything that could steer a terminal or mislead a reader, cut to 200 characters.
///
/// Runs that look like tokens are left out too: some servers repeat in their error the token that they refuse.
pub fn clean(text: &str) -> String {
    let visible: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .collect();
    let mut shown = String::new();
    for word in visible.split(' ').filter(|word| !word.is_empty()) {
        if !shown.is_empty() {
            shown.push(' ');
        }
        push_without_tokens(&mut shown, word);
    }
    match shown.char_indices().nth(LIMIT) {
        Some(_) => shown.chars().take(LIMIT - 1).chain(['…']).collect(),
        None => shown,
    }
}

/// Bidirectional controls, zero-width characters, tags and other format characters.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}' | '\u{e000}'..='\u{f8ff}')
}

fn push_without_tokens(shown: &mut String, word: &str) {
    // An address falls into parts that mean something each; other words may be base64, slashes and all.
    let separators = if word.contains("://") { "./=" } else { "" };
    let is_part = |c: char| is_token_character(c) && !separators.contains(c);
    let mut rest = word;
    while !rest.is_empty() {
        let run = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if looks_random(&rest[..run]) {
            shown.push_str("[…]");
        } else {
            shown.push_str(&rest[..run]);
        }
        let gap = rest[run..].find(is_part).unwrap_or(rest.len() - run);
        shown.push_str(&rest[run..run + gap]);
        rest = &rest[run + gap..];
    }
}

fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~+/=%".contains(c)
}

fn looks_random(run: &str) -> bool {
    run.len() >= TOKEN_LENGTH && run.bytes().any(|byte| byte.is_ascii_digit()) && !is_uuid(run)
}

/// Trace and correlation identifiers are worth showing.
fn is_uuid(run: &str) -> bool {
    let run = run.trim_end_matches('.');
    run.len() == 36
        && run.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_survives() {
        for (given, shown) in [
            ("plain text, Grüße 世界", "plain text, Grüße 世界"),
            ("\u{1b}[31mred\u{1b}[0m", "[31mred[0m"),
            ("\u{1b}]0;title\u{7}x", "]0;titlex"),
            ("\u{9b}31m csi", "31m csi"),
            ("a\r\nb\tc\0d\u{7f}e", "a b cde"),
            ("safe\u{202e}gpj.exe", "safegpj.exe"),
            ("\u{2066}a\u{2069}\u{200b}\u{feff}b", "ab"),
            ("a\u{2028}b\u{2029}c\u{85}d", "a b c d"),
            ("tag\u{e0041}\u{e0042}", "tag"),
            ("   ", ""),
        ] {
            assert_eq!(clean(given), shown, "{given:?}");
        }
    }

    #[test]
    fn long_texts_are_cut_by_characters() {
        let cut = clean(&"é ".repeat(300));
        assert_eq!(cut.chars().count(), LIMIT);
        assert!(cut.ends_with('…'));
        assert_eq!(clean(&"é".repeat(200)).chars().count(), 200);
    }

    #[test]
    fn token_like_runs_are_left_out_and_identifiers_kept() {
        assert_eq!(
            clean("token 8xLOxBtZp8AbCdEfGhIjKlMnOpQrStUvWxYz0123 is used up"),
            "token […] is used up"
        );
        assert_eq!(clean("'eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2lnbmF0dXJl'"), "'[…]'");
        let entra = "AADSTS700082: expired. Trace ID: 8a7b6c5d-0123-4567-89ab-0123456789ab.";
        assert_eq!(clean(entra), entra);
        let issuer = "https://login.microsoftonline.com/8a7b6c5d-0123-4567-89ab-0123456789ab/v2.0";
        assert_eq!(clean(issuer), issuer);
        assert_eq!(
            clean("https://h.example/cb?code=8xLOxBtZp8AbCdEfGhIjKlMnOpQrStUvWxYz0123&x=1"),
            "https://h.example/cb?code=[…]&x=1"
        );
    }
}
