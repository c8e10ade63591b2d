//! What a person pastes when no redirect can reach this machine: the callback URL, or the bare code.
//!
//! Pure. Wrong input is an error that says what to paste instead, repeats nothing of it, and ends nothing.

use fourinsight_ipc::{ErrorBody, ErrorCode};
use percent_encoding::percent_decode_str;
use url::Url;

use super::callback::{self, Answer, Expected};

/// Longer than any callback URL that a browser shows.
const LONGEST: usize = 16 * 1024;

/// Reads what was pasted.
pub(super) fn read(expected: &Expected, pasted: &str) -> Result<Answer, ErrorBody> {
    let text = unwrapped(pasted);
    if text.is_empty() {
        return Err(wrong("Nothing was pasted."));
    }
    if text.len() > LONGEST {
        return Err(wrong("What was pasted is too long to be the address of the last page."));
    }
    if text.contains("://") { callback_url(expected, text) } else { bare_code(expected, text) }
}

fn callback_url(expected: &Expected, text: &str) -> Result<Answer, ErrorBody> {
    let url = Url::parse(text).map_err(|_| wrong("What was pasted is not a whole address."))?;
    if !url.username().is_empty() || url.password().is_some() || !expected.redirect_uri.leads_here(&url) {
        return Err(wrong("What was pasted is not the address that this login returns to."));
    }
    callback::read(expected, url.query().unwrap_or_default())
        .map_err(|why| wrong(format!("What was pasted is not the answer to this login: {why}.")))
}

/// Nothing in a bare code says for which attempt it was issued. The code verifier does: the server refuses the code
/// of another attempt (RFC 7636), which is why it is taken only from an attempt that sent a code challenge.
fn bare_code(expected: &Expected, text: &str) -> Result<Answer, ErrorBody> {
    if !expected.pkce {
        return Err(wrong("A code alone is not taken for this login."));
    }
    if text.starts_with(['?', '#', '&', '{', '[', '/'])
        || text.contains('&')
        || ["code=", "state=", "error="].iter().any(|name| text.starts_with(name))
    {
        return Err(wrong("What was pasted is a part of an address."));
    }
    // RFC 6749 appendix A.11, without the space, which no server uses and every sentence has.
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("What was pasted is neither an address nor a code."));
    }
    // A code taken out of the address bar is percent-encoded there.
    let code = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| wrong("What was pasted is neither an address nor a code."))?;
    Ok(Answer::Code(code.into_owned().into()))
}

/// Without what copying and quoting leave around a text.
fn unwrapped(pasted: &str) -> &str {
    let text = pasted.trim();
    [('"', '"'), ('\'', '\''), ('<', '>')]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
        .unwrap_or(text)
        .trim()
}

fn wrong(what: impl Into<String>) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidRequest, what).hint(
        "after signing in, copy the whole address of the page that could not be shown (it begins with http:// and \
         holds code= and state=) and paste it; this login goes on waiting",
    )
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::{super::callback::tests::expected, *};

    fn code(pasted: &str) -> String {
        match read(&expected(), pasted) {
            Ok(Answer::Code(code)) => code.expose_secret().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_callback_url_is_taken() {
        for pasted in [
            "http://127.0.0.1:4711/callback?code=C&state=S",
            "  http://127.0.0.1:4711/callback?state=S&code=C&iss=https%3A%2F%2Fid.example#_=_ \r\n",
            "\"http://127.0.0.1:4711/callback?code=C&state=S\"",
            "<HTTP://127.0.0.1:4711/callback?code=C&state=S>",
        ] {
            assert_eq!(code(pasted), "C", "{pasted}");
        }
    }

    #[test]
    fn an_error_in_the_callback_url_is_understood() {
        let pasted = "http://127.0.0.1:4711/callback?error=access_denied&state=S";
        assert!(
            matches!(read(&expected(), pasted), Ok(Answer::Error(error)) if error.error == "access_denied")
        );
    }

    #[test]
    fn a_bare_code_is_taken_as_shown_in_the_address_bar() {
        assert_eq!(code("4%2F0Ab_c-d~e=="), "4/0Ab_c-d~e==");
        assert_eq!(code(" SplxlOBeZQQYbYS6WxSbIA\n"), "SplxlOBeZQQYbYS6WxSbIA");
    }

    #[test]
    fn a_bare_code_is_taken_only_with_a_code_challenge() {
        let expected = Expected { pkce: false, ..expected() };
        assert!(read(&expected, "SplxlOBeZQQYbYS6WxSbIA").is_err());
        assert!(read(&expected, "http://127.0.0.1:4711/callback?code=C&state=S").is_ok());
    }

    #[test]
    fn wrong_input_is_refused_and_never_repeated() {
        let long = format!("http://127.0.0.1:4711/callback?state=S&code={}", "c4nary".repeat(4000));
        for pasted in [
            "",
            "   ",
            "''",
            "https://127.0.0.1:4711/callback?code=c4nary&state=S",
            "http://127.0.0.1:4712/callback?code=c4nary&state=S",
            "http://127.0.0.1/callback?code=c4nary&state=S",
            "http://localhost:4711/callback?code=c4nary&state=S",
            "http://[::1]:4711/callback?code=c4nary&state=S",
            "http://127.0.0.1:4711/?code=c4nary&state=S",
            "http://127.0.0.1:4711/callback/?code=c4nary&state=S",
            "http://127.0.0.1:4711/Callback?code=c4nary&state=S",
            "http://c4nary@127.0.0.1:4711/callback?code=c4nary&state=S",
            "http://127.0.0.1:4711@evil.example/callback?code=c4nary&state=S",
            "http://127.0.0.1:4711/callback?code=c4nary",
            "http://127.0.0.1:4711/callback?code=c4nary&state=c4nary",
            "http://127.0.0.1:4711/callback?code=c4nary&state=S&iss=https://c4nary",
            "http://127.0.0.1:4711/callback?code=c4nary&code=c4nary&state=S",
            "http://127.0.0.1:4711/callback#code=c4nary&state=S",
            "https://id.example/authorize?client_id=c4nary&state=S",
            "://c4nary",
            "?code=c4nary&state=S",
            "code=c4nary",
            "c4nary&state=S",
            "{\"code\":\"c4nary\"}",
            "I do not have a c4nary",
            "c4nar\u{fd}",
            "c4nary%ff",
            &long,
        ] {
            let error = read(&expected(), pasted).expect_err(pasted);
            assert_eq!(error.error, ErrorCode::InvalidRequest, "{pasted}");
            assert!(!format!("{error:?}").contains("c4nar"), "{error:?}");
        }
    }
}
