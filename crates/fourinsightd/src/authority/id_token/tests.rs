//! The userinfo endpoint. The claims of ID tokens are tested by the table of token answers.

use super::*;
use crate::authority::fake::{Fake, registration};

async fn ask(status: u16, body: &str, expected: Option<&str>) -> Option<Person> {
    let fake = Fake::default().answer(status, body);
    let person = userinfo(&fake, &registration(), &AccessToken::new("A"), expected).await;
    let seen = fake.seen().remove(0);
    assert_eq!((seen.method, seen.url.as_str()), (Method::GET, "https://id.example.com/userinfo"));
    assert_eq!(seen.headers["authorization"], "Bearer A");
    assert!(seen.headers["authorization"].is_sensitive() && seen.form.is_empty());
    person
}

#[tokio::test]
async fn the_subject_and_a_name_make_a_person() {
    for (body, name) in [
        (r#"{"sub":"alice","name":"Alice","email":"a@example.com"}"#, Some("Alice")),
        (r#"{"sub":"alice","name":"","preferred_username":"al"}"#, Some("al")),
        (r#"{"sub":"alice","name":7,"email":"a@example.com"}"#, Some("a@example.com")),
        (r#"{"sub":"alice","name":"\u001b]0;x\u0007Eve"}"#, Some("]0;xEve")),
        (r#"{"sub":"alice"}"#, None),
    ] {
        let person = ask(200, body, None).await.unwrap();
        assert_eq!((person.subject.as_str(), person.name.as_deref()), ("alice", name), "{body}");
        assert_eq!(person.issuer, "https://id.example.com");
    }
}

#[tokio::test]
async fn what_the_server_recognises_a_person_by_is_kept_as_it_was_said_or_not_at_all() {
    let long = format!(r#"{{"sub":"a","login_hint":"{}","email":"e"}}"#, "x".repeat(HINT_LIMIT + 1));
    for (body, hint) in [
        (r#"{"sub":"a","email":"a@x","preferred_username":"al","login_hint":"O.CiR"}"#, Some("O.CiR")),
        (r#"{"sub":"a","email":"a@x","preferred_username":"al"}"#, Some("al")),
        (r#"{"sub":"a","email":"a@x","preferred_username":"a\u0007l","login_hint":7}"#, Some("a@x")),
        (r#"{"sub":"a","name":"Alice"}"#, None),
        (&*long, Some("e")),
    ] {
        assert_eq!(ask(200, body, None).await.unwrap().login_hint.as_deref(), hint, "{body}");
    }
}

#[tokio::test]
async fn anything_unclear_is_nobody() {
    for (status, body) in [
        (200, "{}"),
        (200, ""),
        (200, "<html>"),
        (200, r#"{"sub":""}"#),
        (200, r#"{"sub":7}"#),
        (200, r#"{"sub":"a\u0000b"}"#),
        (401, r#"{"sub":"alice"}"#),
        (302, r#"{"sub":"alice"}"#),
        (500, ""),
    ] {
        assert_eq!(ask(status, body, None).await, None, "{status} {body}");
    }
    let long = format!(r#"{{"sub":"{}"}}"#, "a".repeat(SUBJECT_LIMIT + 1));
    assert_eq!(ask(200, &long, None).await, None);
}

#[tokio::test]
async fn another_subject_than_the_id_tokens_is_refused() {
    let body = r#"{"sub":"alice"}"#;
    assert!(ask(200, body, Some("alice")).await.is_some());
    assert!(ask(200, body, Some("bob")).await.is_none());
}

#[tokio::test]
async fn without_an_endpoint_or_a_response_nobody_is_known() {
    let mut registration = registration();
    let token = AccessToken::new("A");
    assert_eq!(userinfo(&Fake::default().fail(true), &registration, &token, None).await, None);
    registration.userinfo_endpoint = None;
    assert_eq!(userinfo(&Fake::default(), &registration, &token, None).await, None);
}

#[tokio::test]
async fn a_server_without_issuer_is_known_by_its_origin() {
    let mut registration = registration();
    registration.issuer = None;
    let fake = Fake::default().answer(200, r#"{"sub":"alice"}"#);
    let person = userinfo(&fake, &registration, &AccessToken::new("A"), None).await.unwrap();
    assert_eq!(person.issuer, "https://id.example.com");
    assert_eq!(stand_in_issuer(&registration), Some(person.issuer));
}
