//! The client signs in as itself (RFC 6749 section 4.4): one request, judged at once.
//!
//! Nothing is spent by asking, so an answer that is lost is asked for again, and no journal is kept.

use super::{
    Outcome, Refusal, Registration, Verdict,
    claims::Claims,
    grant::push_claims,
    request::{self, Form},
    response::{self, Expected, RawAnswer},
};
use crate::{http::HttpExchange, profile::RequestKind};

/// Asks for an access token for the client itself, which must meet these claims; they include the client's
/// capabilities. The time is the wall clock's, in Unix seconds.
pub async fn redeem<'a>(
    exchange: &dyn HttpExchange,
    registration: &Registration,
    scopes: impl IntoIterator<Item = &'a str>,
    resources: impl IntoIterator<Item = &'a str>,
    claims: Option<&Claims>,
    unix_now: i64,
) -> Outcome {
    let mut form = Form::default();
    form.push("grant_type", "client_credentials");
    registration.dialect.for_client(scopes, resources).push_to(&mut form);
    push_claims(&mut form, claims);
    let (endpoint, extra) = (&registration.token_endpoint, &registration.code_params);
    let kind = RequestKind::Code;
    match request::post(exchange, registration, kind, endpoint, form, extra, unix_now).await {
        Ok(response) => judge(&response.into(), registration, unix_now),
        Err(retry) => Outcome::Retry(retry),
    }
}

fn judge(answer: &RawAnswer, registration: &Registration, unix_now: i64) -> Outcome {
    match response::judge(answer, registration, Expected::Refresh { person: None }, unix_now) {
        Outcome::Granted(mut tokens) => {
            // The secret renews the token. A refresh token beside it (section 4.4.3 advises against one) would only
            // be one more thing to lose, and an ID token names nobody who signed in.
            (tokens.refresh_token, tokens.refresh_idle, tokens.person) = (None, None, None);
            Outcome::Granted(tokens)
        }
        // There is no grant to protect from a hasty end: a clear no is one, whatever its code.
        Outcome::Retry(retry) if says_no(answer) => {
            Outcome::Refused(Refusal { verdict: Verdict::Misconfigured, failure: retry.failure })
        }
        outcome => outcome,
    }
}

fn says_no(answer: &RawAnswer) -> bool {
    let refuses = (400..500).contains(&answer.status) && !matches!(answer.status, 408 | 429);
    let soon = ["temporarily_unavailable", "server_error", "slow_down"];
    refuses
        && response::ErrorAnswer::read(&answer.body)
            .is_some_and(|answer| !soon.contains(&answer.error.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        authority::fake::{Fake, registration},
        profile::{Brought, ClientAuth, PerRequest, SecretSource},
    };

    const GRANTED: &str = r#"{"access_token":"A","token_type":"Bearer","expires_in":60,"refresh_token":"R"}"#;

    fn client() -> Registration {
        let mut registration = registration();
        registration.client_auth = ClientAuth::Post.into();
        registration.client_secret = Some(SecretSource::Brought(Brought::new("s3cr3t~".into())));
        registration.code_params = [("audience".to_owned(), "x".to_owned())].into();
        registration
    }

    async fn outcome(status: u16, body: &str) -> Outcome {
        let fake = Fake::default().answer(status, body);
        redeem(&fake, &client(), [], [], None, 0).await
    }

    #[tokio::test]
    async fn the_request_says_what_is_wanted_and_who_wants_it() {
        let fake = Fake::default().answer(200, GRANTED);
        let outcome = redeem(&fake, &client(), ["b", "a"], ["https://one/", "https://two/"], None, 0).await;
        let Outcome::Granted(tokens) = outcome else { panic!("{outcome:?}") };
        assert!(tokens.refresh_token.is_none() && tokens.person.is_none());
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "b a"),
            ("resource", "https://one/"),
            ("resource", "https://two/"),
            ("client_id", "abc"),
            ("client_secret", "s3cr3t~"),
            ("audience", "x"),
        ];
        assert_eq!(fake.seen()[0].form, form.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[tokio::test]
    async fn without_wishes_none_are_sent() {
        let fake = Fake::default().answer(200, GRANTED);
        let mut registration = client();
        registration.client_auth = PerRequest::all(ClientAuth::Basic);
        registration.code_params.clear();
        redeem(&fake, &registration, [], [], None, 0).await;
        let seen = fake.seen().remove(0);
        assert_eq!(seen.form, [("grant_type".to_owned(), "client_credentials".to_owned())]);
        assert_eq!(seen.headers["authorization"], "Basic YWJjOnMzY3IzdCU3RQ==");
    }

    #[tokio::test]
    async fn a_clear_no_is_one_and_everything_else_is_tried_again() {
        for (status, error) in [
            (401, "invalid_client"),
            (400, "unauthorized_client"),
            (400, "unsupported_grant_type"),
            (403, "access_denied"),
            (400, "invalid_request"),
        ] {
            let outcome = outcome(status, &format!(r#"{{"error":"{error}"}}"#)).await;
            let Outcome::Refused(refusal) = outcome else { panic!("{error}: {outcome:?}") };
            assert_eq!((refusal.verdict, refusal.failure.error.as_str()), (Verdict::Misconfigured, error));
        }
        for (status, body) in [
            (400, ""),
            (401, "<html>"),
            (400, r#"{"error":"temporarily_unavailable"}"#),
            (429, r#"{"error":"invalid_request"}"#),
            (503, r#"{"error":"invalid_client"}"#),
            (200, "<html>"),
        ] {
            let outcome = outcome(status, body).await;
            assert!(matches!(outcome, Outcome::Retry(_)), "{status} {body}: {outcome:?}");
        }
        let outcome = outcome(400, r#"{"error":"invalid_scope"}"#).await;
        assert!(matches!(&outcome, Outcome::Refused(refusal) if refusal.verdict == Verdict::Scope));
    }
}
