//! The golden table of token answers: `tests-data/token-answers.txt`, whose head says how it is written.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::*;
use crate::{
    authority::{Retry, Verdict, fake::registration},
    token::{Lifetime, TokenSet},
};

const TABLE: &str = include_str!("../../../tests-data/token-answers.txt");
const NOW: i64 = 1_700_000_000;

/// Secrets of the table begin with this; no outcome may show one but through a token's own accessor.
const SECRET: &str = "s3cr3t";

#[test]
fn every_answer_is_judged_as_the_table_says() {
    let mut wrong = String::new();
    let mut rows = 0;
    let mut lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    while let Some(row) = lines.next() {
        let expected = lines.next().and_then(|line| line.strip_prefix("    ")).unwrap_or("no outcome given");
        let actual = judge_row(row);
        rows += 1;
        if actual != expected {
            wrong.extend([row, "\n    ", &actual, "\n  not ", expected, "\n"]);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(rows >= 150, "the table lost rows: {rows}");
}

fn judge_row(row: &str) -> String {
    let (kind, rest) = row.split_once(' ').expect("a row begins with its kind");
    let (status, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut answer = RawAnswer {
        status: status.parse().expect("a status"),
        content_type: Some("application/json".into()),
        date: None,
        retry_after: None,
        body: Zeroizing::default(),
    };
    while let Some((field, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once("> ")) {
        let (name, value) = field.split_once(": ").unwrap_or((field, ""));
        let value = Some(value.to_owned()).filter(|value| !value.is_empty());
        match name {
            "type" => answer.content_type = value,
            "date" => answer.date = value,
            "retry-after" => answer.retry_after = value,
            other => panic!("no such field: {other}"),
        }
        rest = after;
    }
    answer.body = Zeroizing::new(expand(rest));
    let alice = Person {
        issuer: "https://id.example.com".into(),
        subject: "alice".into(),
        name: Some("Alice".into()),
    };
    let expected = match kind {
        "login" => Expected::Login { nonce: None },
        "login+nonce" => Expected::Login { nonce: Some("n0") },
        "refresh" => Expected::Refresh { person: None },
        "refresh+alice" => Expected::Refresh { person: Some(&alice) },
        other => panic!("no such kind: {other}"),
    };
    let answer = RawAnswer::from_bytes(&answer.to_bytes()).expect("an answer survives the journal");
    let outcome = judge(&answer, &registration(), expected, NOW);
    let shown = format!("{outcome:?}");
    assert!(!shown.contains(SECRET), "{row}: {shown}");
    render(&outcome)
}

/// Replaces `@jwt{…}` by a token with these claims, `@byte(ff)` by a byte and `@repeat(x,9)` by a run.
fn expand(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        bytes.extend_from_slice(before.as_bytes());
        if let Some(claims) = after.strip_prefix("jwt") {
            let end = claims.find('}').expect("claims end") + 1;
            let payload = URL_SAFE_NO_PAD.encode(&claims[..end]);
            bytes.extend_from_slice(format!("eyJhbGciOiJub25lIn0.{payload}.c2ln").as_bytes());
            rest = &claims[end..];
        } else if let Some(byte) = after.strip_prefix("byte(") {
            bytes.push(u8::from_str_radix(&byte[..2], 16).expect("a byte in hexadecimal"));
            rest = &byte[3..];
        } else if let Some(run) = after.strip_prefix("repeat(") {
            let (run, after) = run.split_once(')').expect("a run ends");
            let (text, count) = run.split_once(',').expect("a text and a count");
            bytes.extend_from_slice(text.repeat(count.parse().expect("a count")).as_bytes());
            rest = after;
        } else {
            bytes.push(b'@');
            rest = after;
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn render(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Granted(tokens) => granted(tokens),
        Outcome::Retry(Retry { after, ambiguous, failure }) => {
            let after = after.map_or(String::new(), |after| format!(" after {}", after.as_secs()));
            let ambiguous = if *ambiguous { " ambiguous" } else { "" };
            format!("retry{after}{ambiguous}: {}", failure.error)
        }
        Outcome::Refused(refusal) => {
            let verdict = match refusal.verdict {
                Verdict::Final => "final",
                Verdict::InteractionRequired => "interaction",
                Verdict::Scope => "scope",
                Verdict::Target => "target",
                Verdict::Misconfigured => "misconfigured",
                Verdict::PersonChanged => "another person",
            };
            format!("refused, {verdict}: {}", refusal.failure.error)
        }
    }
}

fn granted(tokens: &TokenSet) -> String {
    let short = |text: &str| {
        if text.len() > 40 { format!("{} characters", text.len()) } else { text.to_owned() }
    };
    let mut parts = vec![format!("granted {}", short(tokens.access_token.expose()))];
    if tokens.token_type != "Bearer" {
        parts.push(format!("type {}", tokens.token_type));
    }
    match tokens.lifetime {
        Lifetime::Seconds(seconds) => parts.push(format!("for {seconds} s")),
        Lifetime::Unknown => {}
    }
    if let Some(token) = &tokens.refresh_token {
        parts.push(format!("refresh {}", short(token.expose())));
    }
    if let Some(scope) = &tokens.scope {
        parts.push(format!("scope {scope}"));
    }
    if let Some(seconds) = tokens.refresh_in {
        parts.push(format!("renew in {seconds} s"));
    }
    if let Some(seconds) = tokens.refresh_idle {
        parts.push(format!("idle {seconds} s"));
    }
    if let Some(person) = &tokens.person {
        parts.push(format!("as {} {}", person.subject, person.name.as_deref().unwrap_or("-")));
    }
    parts.extend(tokens.warnings.iter().map(|warning| format!("warning: {warning}")));
    parts.join(" | ")
}

#[test]
fn an_answer_that_means_no_says_so_in_the_servers_words() {
    let describe = |status, body: &str| {
        let answer = RawAnswer {
            status,
            content_type: None,
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
