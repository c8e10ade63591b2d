//! Device authorizations and polls as the server sees them, and what is made of odd answers.

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::*;
use crate::{
    authority::{
        ClientAuth, Parameters,
        fake::{Fake, registration},
    },
    profile::SecretSource,
};

const ANSWER: &str = r#"{"device_code":"d3vice","user_code":"WDJB-MJHT",
    "verification_uri":"https://id.example.com/device","expires_in":900,"interval":7}"#;

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

async fn authorized(status: u16, body: &str) -> Result<DeviceAuthorization, NotAuthorized> {
    authorize(&Fake::default().answer(status, body), &registration(), &[], &[], None, 0).await
}

fn polled(status: u16, body: &str) -> Poll {
    let body = Zeroizing::new(body.as_bytes().to_vec());
    let content_type = Some("application/json".to_owned());
    let answer = RawAnswer { status, content_type, date: None, retry_after: None, body };
    judge(&answer, &registration(), 0)
}

#[tokio::test]
async fn the_request_names_client_and_scope_once_and_takes_the_profiles_parameters() {
    let mut registration = registration();
    registration.device_params = Parameters::from([("audience".to_owned(), "x".to_owned())]);
    registration.device_poll_params = Parameters::from([("tenant".to_owned(), "y".to_owned())]);
    let (scopes, resources) = (["openid".to_owned(), "api".to_owned()], ["https://one/".to_owned()]);
    let fake = Fake::default().answer(200, ANSWER).answer(200, "{}");
    let begun = authorize(&fake, &registration, &scopes, &resources, None, 0).await.unwrap();
    poll(&fake, &registration, &begun.device_code, Wanted { resources: &resources, claims: None }, 0)
        .await
        .unwrap();
    let [start, poll] = fake.seen().try_into().unwrap();
    assert_eq!(start.url, "https://id.example.com/device");
    assert_eq!(
        start.form,
        pairs([
            ("scope", "openid api"),
            ("resource", "https://one/"),
            ("client_id", "abc"),
            ("audience", "x"),
        ])
    );
    assert_eq!(poll.url, "https://id.example.com/token");
    assert_eq!(
        poll.form,
        pairs([
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", "d3vice"),
            ("resource", "https://one/"),
            ("client_id", "abc"),
            ("tenant", "y"),
        ])
    );
}

#[tokio::test]
async fn a_client_that_proves_itself_in_a_header_field_is_named_in_the_form_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "s3cr3t\n").unwrap();
    let registration = Registration {
        client_secret: Some(SecretSource::File(path)),
        client_auth: ClientAuth::Basic.into(),
        ..registration()
    };
    let fake = Fake::default().answer(200, ANSWER);
    authorize(&fake, &registration, &[], &[], None, 0).await.unwrap();
    let seen = fake.seen().remove(0);
    assert!(seen.headers.contains_key("authorization"));
    assert_eq!(seen.form, pairs([("client_id", "abc")]));
}

#[tokio::test]
async fn what_the_answer_leaves_out_has_its_default() {
    let begun = authorized(200, ANSWER).await.unwrap();
    assert_eq!((begun.life, begun.interval), (Duration::from_mins(15), Duration::from_secs(7)));
    assert_eq!(begun.device_code.expose_secret(), "d3vice");
    assert_eq!((begun.user_code.as_str(), begun.verification_uri_complete), ("WDJB-MJHT", None));
    assert!(!format!("{:?}", begun.device_code).contains("d3vice"));
    let google = r#"{"device_code":"d","user_code":"u","verification_url":"https://www.google.com/device"}"#;
    let begun = authorized(200, google).await.unwrap();
    assert_eq!(begun.verification_uri, "https://www.google.com/device");
    assert_eq!((begun.life, begun.interval), (Duration::from_mins(30), Duration::from_secs(5)));
    for (said, life, interval) in [
        (r#""expires_in":"600","interval":"3""#, 600, 3),
        (r#""expires_in":0,"interval":0"#, 1800, 1),
        (r#""expires_in":-1,"interval":-1"#, 1800, 5),
        (r#""expires_in":"soon","interval":null"#, 1800, 5),
        (r#""expires_in":1e999,"interval":1e999"#, 1800, 1800),
        (r#""expires_in":86400,"interval":60"#, 1800, 60),
    ] {
        let body = google.replace('}', &format!(",{said}}}"));
        let begun = authorized(200, &body).await.unwrap();
        assert_eq!((begun.life.as_secs(), begun.interval.as_secs()), (life, interval), "{said}");
    }
}

#[tokio::test]
async fn only_pages_that_a_person_can_be_sent_to_are_taken() {
    let said = |uri: &str| ANSWER.replace("https://id.example.com/device", uri);
    for uri in [
        "https://id.example.com/device?x=1",
        "HTTPS://ID.example.com",
        "http://127.0.0.1:80/d",
        "http://localhost:1/",
    ] {
        let begun = authorized(200, &said(uri)).await.unwrap();
        assert_eq!(begun.verification_uri, uri);
    }
    for uri in [
        "http://id.example.com/device",
        "http://localhost.example.com/",
        "https://bank.example@evil.example/",
        "https://:x@evil.example/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "data:text/html,x",
        "id.example.com/device",
        "https://id.example.com/\\u001b[31m",
        "https://id.example.com/\\u202e",
        "https://id.example.com/a b",
        &format!("https://id.example.com/{}", "x".repeat(2000)),
        "",
    ] {
        let refused = authorized(200, &said(uri)).await.unwrap_err();
        assert!(matches!(refused, NotAuthorized::Unusable(_)), "{uri}: {refused:?}");
        // As the complete one it is left out, and the code is typed.
        let body = ANSWER.replace('}', &format!(",\"verification_uri_complete\":\"{uri}\"}}"));
        assert_eq!(authorized(200, &body).await.unwrap().verification_uri_complete, None, "{uri}");
    }
}

#[tokio::test]
async fn a_code_that_steers_the_terminal_is_none() {
    for code in ["", "  ", "A\\u001b[2J", "A\\u202eB", "A\\nB", &"A".repeat(65)] {
        let refused = authorized(200, &ANSWER.replace("WDJB-MJHT", code)).await.unwrap_err();
        assert!(matches!(refused, NotAuthorized::Unusable(_)), "{code}: {refused:?}");
    }
    for code in ["ABCD EFGH", "123-456-789", "Ключ"] {
        assert_eq!(authorized(200, &ANSWER.replace("WDJB-MJHT", code)).await.unwrap().user_code, code);
    }
}

#[tokio::test]
async fn what_is_no_device_authorization_says_what_it_is() {
    for (status, body, verdict) in [
        (400, r#"{"error":"unauthorized_client"}"#, Verdict::Misconfigured),
        (401, r#"{"error":"invalid_client"}"#, Verdict::Misconfigured),
        (400, r#"{"error":"invalid_scope"}"#, Verdict::Scope),
        (400, r#"{"error":"brand_new"}"#, Verdict::Misconfigured),
        (200, r#"{"error":"device_flow_disabled"}"#, Verdict::Misconfigured),
    ] {
        let refused = authorized(status, body).await.unwrap_err();
        let NotAuthorized::Refused(refusal) = refused else { panic!("{body}: {refused:?}") };
        assert_eq!(refusal.verdict, verdict, "{body}");
    }
    for (status, body) in [(503, ""), (429, r#"{"error":"slow_down"}"#), (200, "<html>"), (404, "")] {
        let refused = authorized(status, body).await.unwrap_err();
        assert!(matches!(refused, NotAuthorized::Retry(_)), "{status} {body}: {refused:?}");
    }
    let unreachable = authorize(&Fake::default().fail(false), &registration(), &[], &[], None, 0).await;
    assert!(matches!(unreachable, Err(NotAuthorized::Retry(_))));
    let none = Registration { device_authorization_endpoint: None, ..registration() };
    let unusable = authorize(&Fake::default(), &none, &[], &[], None, 0).await;
    assert!(matches!(unusable, Err(NotAuthorized::Unusable(_))));
}

#[test]
fn an_error_means_the_same_with_every_status() {
    for status in [200, 400, 401, 403, 404, 418, 428, 429, 500, 503] {
        let said = |error: &str| polled(status, &format!(r#"{{"error":"{error}","interval":9}}"#));
        assert!(matches!(said("authorization_pending"), Poll::Pending), "{status}");
        let slower = Some(Duration::from_secs(9));
        assert!(matches!(said("slow_down"), Poll::SlowDown { interval } if interval == slower), "{status}");
        assert!(matches!(said("access_denied"), Poll::Denied(_)), "{status}");
        assert!(matches!(said("authorization_declined"), Poll::Denied(_)), "{status}");
        assert!(matches!(said("expired_token"), Poll::Expired), "{status}");
    }
    assert!(matches!(polled(400, r#"{"error":"slow_down"}"#), Poll::SlowDown { interval: None }));
}

#[test]
fn an_error_in_a_form_counts_too() {
    let form = |body: &str| RawAnswer {
        status: 200,
        content_type: Some("application/x-www-form-urlencoded; charset=utf-8".to_owned()),
        date: None,
        retry_after: None,
        body: Zeroizing::new(body.as_bytes().to_vec()),
    };
    let polled = |body: &str| judge(&form(body), &registration(), 0);
    assert!(matches!(polled("error=authorization_pending&error_description=wait"), Poll::Pending));
    assert!(matches!(polled("error=slow_down&interval=10"), Poll::SlowDown { .. }));
    assert!(matches!(polled("error=access_denied"), Poll::Denied(_)));
    assert!(matches!(polled("error=expired_token"), Poll::Expired));
    assert!(matches!(polled("error=incorrect_device_code"), Poll::Refused(_)));
    assert!(matches!(polled("access_token=a&token_type=bearer"), Poll::Granted(_)));
}

#[test]
fn every_other_clear_error_ends_the_polling_and_everything_unclear_does_not() {
    for (status, body) in [
        (400, r#"{"error":"invalid_grant"}"#),
        (401, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"unsupported_grant_type"}"#),
        (400, r#"{"error":"bad_verification_code"}"#),
        (200, r#"{"error":"incorrect_device_code"}"#),
        (200, "{}"),
    ] {
        assert!(matches!(polled(status, body), Poll::Refused(_)), "{status} {body}");
    }
    for (status, body) in [
        (400, ""),
        (400, "<html>"),
        (429, r#"{"error":"rate_limited"}"#),
        (500, r#"{"error":"server_error"}"#),
        (400, r#"{"error":"temporarily_unavailable"}"#),
        (503, ""),
        (302, ""),
        (200, "<html>"),
    ] {
        assert!(matches!(polled(status, body), Poll::Retry(_)), "{status} {body}");
    }
    assert!(matches!(polled(200, r#"{"access_token":"a","token_type":"bearer"}"#), Poll::Granted(_)));
}

#[tokio::test]
async fn the_device_flow_has_its_own_way_of_client_authentication() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "s3cr3t").unwrap();
    let mut registration = registration();
    registration.client_secret = Some(SecretSource::File(file.path().into()));
    registration.client_auth.device = ClientAuth::SecretOnly;
    let fake = Fake::default().answer(400, r#"{"error":"authorization_pending"}"#);
    poll(&fake, &registration, &"d3vice".into(), Wanted::default(), 0).await.unwrap();
    let form = &fake.seen()[0].form;
    assert!(form.contains(&("client_secret".to_owned(), "s3cr3t".to_owned())), "{form:?}");
    assert!(form.iter().all(|(name, _)| name != "client_id"), "{form:?}");
}
