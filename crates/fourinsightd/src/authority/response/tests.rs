//! The words of an answer that grants nothing. What each answer means is in the table of token answers, which the
//! tests of the session's state machine read.

use zeroize::Zeroizing;

use super::*;
use crate::authority::{Retry, fake::registration};

const NOW: i64 = 1_700_000_000;

#[test]
fn an_answer_that_means_no_says_so_in_the_servers_words() {
    let describe = |status, body: &str| {
        let answer = RawAnswer {
            status,
            content_type: Some("application/json".to_owned()),
            date: None,
            retry_after: None,
            body: Zeroizing::new(body.as_bytes().to_vec()),
        };
        match judge(&answer, &registration(), Expected::Refresh { person: None }, NOW) {
            Outcome::Retry(Retry { failure, .. })
            | Outcome::Refused(crate::authority::Refusal { failure, .. }) => failure.description,
            Outcome::Granted(_) => "granted".to_owned(),
        }
    };
    for (status, body, description) in [
        (400, r#"{"error":"invalid_grant","error_description":"gone"}"#, "gone"),
        (400, r#"{"error":"invalid_grant","error_description":"\u001b[31mred\u202e\n"}"#, "[31mred"),
        (400, r#"{"error":"invalid_grant"}"#, "the authorization server answered with status 400"),
        (
            400,
            r#"{"error":"invalid_grant","error_description":" "}"#,
            "the authorization server answered with status 400",
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"no AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"}"#,
            "no […]",
        ),
        (502, "<h1>secret page</h1>", "the authorization server answered with status 502 and no OAuth error"),
        (200, "<h1>secret page</h1>", "the authorization server's answer is not JSON"),
        (200, "{}", "the authorization server accepted the request and granted no access token"),
    ] {
        assert_eq!(describe(status, body), description, "{status} {body}");
    }
    assert_eq!(
        describe(400, &format!(r#"{{"error":"x","error_description":"{}"}}"#, "é ".repeat(500)))
            .chars()
            .count(),
        200
    );
}
