//! What an answer of the authorization server must prove before it is believed (RFC 6749 section 4.1.2, RFC 9207).
//!
//! Pure, and the same whether a browser or a person brings the answer.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{authorize::AnswerMode, redirect_uri::RedirectUri};
use crate::authority::{allowed::PinnedEndpoint, issuer};

/// What an attempt waits for.
#[derive(Debug)]
pub(super) struct Expected {
    /// Where the answer arrives.
    pub(super) redirect_uri: RedirectUri,
    /// The attempt's own `state`.
    pub(super) state: SecretString,
    /// The server's issuer identifier, where it has one.
    pub(super) issuer: Option<String>,
    /// The server promises `iss` in every answer.
    pub(super) iss_promised: bool,
    /// The authorization request carried a code challenge (RFC 7636).
    pub(super) pkce: bool,
    /// What comes back, and how.
    pub(super) mode: AnswerMode,
}

/// What an attempt waited for: the server's answer to an authorization request, or what the person brought instead.
#[derive(Debug)]
pub(super) enum Answer {
    /// The authorization code.
    Code(SecretString),
    /// A code that a page handed out by itself, with the token endpoint that it named and that is allowed.
    Package { code: SecretString, endpoint: PinnedEndpoint },
    /// The access token of the implicit grant: what counts of the fragment, form-encoded.
    Token(SecretString),
    /// A user name and its password.
    Password { username: String, password: SecretString },
    /// The server, or the person, said no.
    Error(AuthorizationError),
}

/// An error answer, in the server's own words as they came.
#[derive(Debug)]
pub(super) struct AuthorizationError {
    /// `error`.
    pub(super) error: String,
    /// `error_description`.
    pub(super) description: Option<String>,
}

/// Why something is not this attempt's answer. The texts repeat nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotTheAnswer {
    /// No `code` and no `error`, or both.
    #[error("it holds neither an authorization code nor an error")]
    Incomplete,
    /// No `access_token` and no `error`, or both.
    #[error("it holds neither an access token nor an error")]
    NoToken,
    /// A parameter occurs twice (RFC 6749 section 3.1).
    #[error("one of its parameters occurs twice")]
    Repeated,
    /// `state` is missing or another.
    #[error("it belongs to another login attempt")]
    OtherAttempt,
    /// `iss` is another.
    #[error("it comes from another server than the one this login was started with")]
    OtherIssuer,
    /// `iss` is missing although the server promises it.
    #[error("it does not name the server it comes from, although the server promises to")]
    NoIssuer,
}

impl NotTheAnswer {
    /// Whether it carried the attempt's `state` all the same.
    pub(super) fn knew_the_state(self) -> bool {
        matches!(self, Self::OtherIssuer | Self::NoIssuer)
    }
}

/// Reads the parameters of a callback.
pub(super) fn read(expected: &Expected, parameters: &str) -> Result<Answer, NotTheAnswer> {
    let found = checked(expected, parameters)?;
    match (found.code, found.error) {
        (Some(code), None) if !code.is_empty() => Ok(Answer::Code(code.into_owned().into())),
        (None, Some(error)) => refused(&error, found.description).ok_or(NotTheAnswer::Incomplete),
        _ => Err(NotTheAnswer::Incomplete),
    }
}

/// Reads the fragment of a callback that holds an access token (RFC 6749 section 4.2.2).
pub(super) fn read_fragment(expected: &Expected, fragment: &str) -> Result<Answer, NotTheAnswer> {
    let found = checked(expected, fragment)?;
    match (found.access_token, found.error) {
        (Some(token), None) if !token.is_empty() => {
            // An ID token from a front channel counts for nothing, and a refresh token has no business there.
            let rest =
                [("token_type", found.token_type), ("expires_in", found.expires_in), ("scope", found.scope)];
            let longest = 64 + 3 * (fragment.len() + token.len());
            let mut form = url::form_urlencoded::Serializer::new(String::with_capacity(longest));
            form.append_pair("access_token", &token);
            for (name, value) in rest.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                form.append_pair(name, value);
            }
            Ok(Answer::Token(form.finish().into()))
        }
        (None, Some(error)) => refused(&error, found.description).ok_or(NotTheAnswer::NoToken),
        _ => Err(NotTheAnswer::NoToken),
    }
}

/// The parameters, once they have proved that they answer this attempt.
fn checked<'a>(expected: &Expected, parameters: &'a str) -> Result<Parameters<'a>, NotTheAnswer> {
    let found = Parameters::read(parameters)?;
    let state = found.state.as_deref().unwrap_or_default();
    if !bool::from(state.as_bytes().ct_eq(expected.state.expose_secret().as_bytes())) {
        return Err(NotTheAnswer::OtherAttempt);
    }
    match (found.iss.as_deref(), expected.issuer.as_deref()) {
        (Some(iss), Some(expected)) if !issuer::is_answering(expected, iss) => Err(NotTheAnswer::OtherIssuer),
        (None, _) if expected.iss_promised => Err(NotTheAnswer::NoIssuer),
        _ => Ok(found),
    }
}

fn refused(error: &str, description: Option<Cow<'_, str>>) -> Option<Answer> {
    (!error.is_empty()).then(|| {
        let description = description.map(Cow::into_owned);
        Answer::Error(AuthorizationError { error: error.to_owned(), description })
    })
}

#[derive(Default)]
struct Parameters<'a> {
    code: Option<Cow<'a, str>>,
    access_token: Option<Cow<'a, str>>,
    token_type: Option<Cow<'a, str>>,
    expires_in: Option<Cow<'a, str>>,
    scope: Option<Cow<'a, str>>,
    state: Option<Cow<'a, str>>,
    iss: Option<Cow<'a, str>>,
    error: Option<Cow<'a, str>>,
    description: Option<Cow<'a, str>>,
}

impl<'a> Parameters<'a> {
    fn read(text: &'a str) -> Result<Self, NotTheAnswer> {
        let mut found = Self::default();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            let place = match name.as_ref() {
                "code" => &mut found.code,
                "access_token" => &mut found.access_token,
                "token_type" => &mut found.token_type,
                "expires_in" => &mut found.expires_in,
                "scope" => &mut found.scope,
                "state" => &mut found.state,
                "iss" => &mut found.iss,
                "error" => &mut found.error,
                "error_description" => &mut found.description,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(NotTheAnswer::Repeated);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An attempt whose state is `S` at an issuer that promises nothing.
    pub(in crate::login) fn expected() -> Expected {
        Expected {
            redirect_uri: RedirectUri::parse("http://127.0.0.1:4711/callback").unwrap(),
            state: "S".into(),
            issuer: Some("https://id.example".to_owned()),
            iss_promised: false,
            pkce: true,
            mode: AnswerMode::Query,
        }
    }

    #[test]
    fn a_code_with_the_right_state_is_the_answer() {
        for parameters in
            ["code=C%2F1&state=S", "state=S&code=C%2F1&session_state=x&scope=a+b&iss=https://id.example"]
        {
            match read(&expected(), parameters) {
                Ok(Answer::Code(code)) => assert_eq!(code.expose_secret(), "C/1"),
                other => panic!("{parameters}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_error_with_the_right_state_is_the_answer() {
        match read(&expected(), "error=access_denied&error_description=not+today&state=S") {
            Ok(Answer::Error(AuthorizationError { error, description })) => {
                assert_eq!((error.as_str(), description.as_deref()), ("access_denied", Some("not today")));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn anything_else_is_not() {
        use NotTheAnswer::{Incomplete, OtherAttempt, OtherIssuer, Repeated};
        for (parameters, why) in [
            ("", OtherAttempt),
            ("code=C", OtherAttempt),
            ("code=C&state=", OtherAttempt),
            ("code=C&state=s", OtherAttempt),
            ("code=C&state=SS", OtherAttempt),
            ("error=access_denied", OtherAttempt),
            ("error=access_denied&state=X", OtherAttempt),
            ("state=S", Incomplete),
            ("state=S&code=", Incomplete),
            ("state=S&error=", Incomplete),
            ("state=S&code=C&error=access_denied", Incomplete),
            ("state=S&code=C&code=D", Repeated),
            ("state=S&state=S&code=C", Repeated),
            ("state=X&state=S&code=C", Repeated),
            ("state=S&code=C&iss=https://id.example&iss=https://id.example", Repeated),
            ("state=S&code=C&iss=https://evil.example", OtherIssuer),
            ("state=S&code=C&iss=https://id.example/", OtherIssuer),
            ("state=S&code=C&iss=", OtherIssuer),
            ("state=S&error=access_denied&iss=https://evil.example", OtherIssuer),
        ] {
            assert_eq!(read(&expected(), parameters).unwrap_err(), why, "{parameters}");
        }
    }

    #[test]
    fn a_promised_issuer_must_be_there_on_success_and_on_error() {
        let expected = Expected { iss_promised: true, ..expected() };
        assert_eq!(read(&expected, "state=S&code=C").unwrap_err(), NotTheAnswer::NoIssuer);
        assert_eq!(read(&expected, "state=S&error=access_denied").unwrap_err(), NotTheAnswer::NoIssuer);
        assert!(read(&expected, "state=S&code=C&iss=https%3A%2F%2Fid.example").is_ok());
        assert!(read(&expected, "state=S&error=access_denied&iss=https%3A%2F%2Fid.example").is_ok());
    }

    #[test]
    fn of_a_fragment_only_what_counts_is_kept() {
        let fragment = "access_token=a%2Bb%26&token_type=bearer&expires_in=60&scope=x+y&state=S&id_token=i&refresh_token=r";
        match read_fragment(&expected(), fragment) {
            Ok(Answer::Token(form)) => {
                assert_eq!(
                    form.expose_secret(),
                    "access_token=a%2Bb%26&token_type=bearer&expires_in=60&scope=x+y"
                );
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(read_fragment(&expected(), "error=access_denied&state=S"), Ok(Answer::Error(_))));
        for (fragment, why) in [
            ("access_token=a", NotTheAnswer::OtherAttempt),
            ("access_token=a&state=T", NotTheAnswer::OtherAttempt),
            ("access_token=a&access_token=b&state=S", NotTheAnswer::Repeated),
            ("access_token=&state=S", NotTheAnswer::NoToken),
            ("code=c&state=S", NotTheAnswer::NoToken),
            ("access_token=a&error=x&state=S", NotTheAnswer::NoToken),
            ("access_token=a&state=S&iss=https://evil.example", NotTheAnswer::OtherIssuer),
        ] {
            assert_eq!(read_fragment(&expected(), fragment).unwrap_err(), why, "{fragment}");
        }
    }
}
