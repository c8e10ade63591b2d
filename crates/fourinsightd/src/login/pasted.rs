//! What a person pastes when no redirect can reach this machine: the callback URL, or the bare code.
//!
//! Pure. Wrong input is an error that says what to paste instead, repeats nothing of it, and ends nothing.

use fourinsight_ipc::{ErrorBody, ErrorCode};
use percent_encoding::percent_decode_str;
use url::Url;

use super::{
    authorize::AnswerMode,
    callback::{self, Answer, Expected},
};

/// Longer than any callback URL that a browser shows.
const LONGEST: usize = 16 * 1024;

/// Reads what was pasted.
pub(super) fn read(expected: &Expected, pasted: &str) -> Result<Answer, ErrorBody> {
    understood(expected, unwrapped(pasted)).map_err(|what| {
        let holds = if expected.mode == AnswerMode::Fragment { "access_token=" } else { "code=" };
        ErrorBody::new(ErrorCode::InvalidRequest, what).hint(format!(
            "after signing in, copy the whole address of the last page (it begins with {} and holds {holds} and \
             state=) and paste it; this login goes on waiting",
            expected.redirect_uri.as_str()
        ))
    })
}

fn understood(expected: &Expected, text: &str) -> Result<Answer, String> {
    if text.is_empty() {
        return Err("Nothing was pasted.".to_owned());
    }
    if text.len() > LONGEST {
        return Err("What was pasted is too long to be the address of the last page.".to_owned());
    }
    let scheme = expected.redirect_uri.scheme();
    let has_scheme = text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        && text[scheme.len()..].starts_with(':');
    if text.contains("://") || has_scheme { callback_url(expected, text) } else { bare_code(expected, text) }
}

fn callback_url(expected: &Expected, text: &str) -> Result<Answer, String> {
    let url = Url::parse(text).map_err(|_| "What was pasted is not a whole address.".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() || !expected.redirect_uri.leads_here(&url) {
        return Err("What was pasted is not the address that this login returns to.".to_owned());
    }
    let answer = if expected.mode == AnswerMode::Fragment {
        // An error may come in the query all the same, from servers that look no further than that.
        let parameters = url.fragment().filter(|text| !text.is_empty()).or(url.query());
        callback::read_fragment(expected, parameters.unwrap_or_default())
    } else {
        callback::read(expected, url.query().unwrap_or_default())
    };
    answer.map_err(|why| format!("What was pasted is not the answer to this login: {why}."))
}

/// Nothing in a bare code says for which attempt it was issued. The code verifier does: the server refuses the code
/// of another attempt (RFC 7636), which is why it is taken only from an attempt that sent a code challenge.
fn bare_code(expected: &Expected, text: &str) -> Result<Answer, String> {
    if !expected.pkce {
        return Err("A code alone is not taken for this login.".to_owned());
    }
    if text.starts_with(['?', '#', '&', '{', '[', '/'])
        || text.contains('&')
        || ["code=", "state=", "error="].iter().any(|name| text.starts_with(name))
    {
        return Err("What was pasted is a part of an address.".to_owned());
    }
    // RFC 6749 appendix A.11, without the space, which no server uses and every sentence has.
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("What was pasted is neither an address nor a code.".to_owned());
    }
    // A code taken out of the address bar is percent-encoded there.
    let code = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| "What was pasted is neither an address nor a code.".to_owned())?;
    Ok(Answer::Code(code.into_owned().into()))
}

/// Without what copying and quoting leave around a text.
pub(super) fn unwrapped(pasted: &str) -> &str {
    let text = pasted.trim();
    [('"', '"'), ('\'', '\''), ('<', '>')]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
        .unwrap_or(text)
        .trim()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::{super::callback::tests::expected, *};
    use crate::login::redirect_uri::RedirectUri;

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
    fn a_callback_anywhere_and_the_code_of_a_page_are_taken() {
        for (redirect_uri, pasted, brought) in [
            ("https://app.example/cb?x=1", "https://app.example/cb?x=1&code=C&state=S", "C"),
            ("com.example.app:/cb", "com.example.app:/cb?code=C&state=S", "C"),
            ("com.example.app:/cb", "COM.example.app:/cb?code=C&state=S", "C"),
            ("urn:ietf:wg:oauth:2.0:oob", "urn:ietf:wg:oauth:2.0:oob?code=C&state=S", "C"),
            ("urn:ietf:wg:oauth:2.0:oob", "4%2F0Ab", "4/0Ab"),
            ("https://app.example/cb", "a:b", "a:b"),
        ] {
            let redirect_uri = RedirectUri::for_pasting(redirect_uri).unwrap();
            let expected = Expected { redirect_uri, ..expected() };
            match read(&expected, pasted) {
                Ok(Answer::Code(code)) => assert_eq!(code.expose_secret(), brought, "{pasted}"),
                other => panic!("{pasted}: {other:?}"),
            }
            for wrong in ["https://evil.example/cb?code=C&state=S", "com.example.app:/x?code=C&state=S"] {
                assert!(read(&expected, wrong).is_err(), "{wrong}");
            }
        }
    }

    #[test]
    fn a_token_is_taken_from_the_fragment_only() {
        let expected = Expected { mode: AnswerMode::Fragment, pkce: false, ..expected() };
        let at = |rest: &str| read(&expected, &format!("http://127.0.0.1:4711/callback{rest}"));
        assert!(matches!(at("#access_token=c4nary&state=S"), Ok(Answer::Token(_))));
        assert!(matches!(at("#error=access_denied&state=S"), Ok(Answer::Error(_))));
        assert!(matches!(at("?error=access_denied&state=S"), Ok(Answer::Error(_))));
        for wrong in
            ["#access_token=c4nary&state=T", "#access_token=c4nary", "#code=c4nary&state=S", "#state=S"]
        {
            let error = at(wrong).unwrap_err();
            assert!(!format!("{error:?}").contains("c4nary"), "{wrong}");
        }
        assert!(read(&expected, "c4nary").is_err());
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
