//! Every kind of fault at every point, in memory; over sockets the daemon's own client meets them.

use std::time::Duration;

use super::*;
use crate::practice::{Fault, Kind, Point, RetryAfter, Weather, fault::is_lost};

/// What a client in memory gets of a refresh: the status, the content type and the body, whole or not.
enum Got {
    Answer(u16, String, Vec<u8>),
    CutOff,
    Nothing,
    Waiting,
}

/// Redeems the refresh token, with more patience than any delay but a hang wants.
async fn redeem(visitor: &Visitor, refresh_token: &str) -> Got {
    let form =
        [("grant_type", "refresh_token"), ("client_id", "practice-client"), ("refresh_token", refresh_token)];
    let request = Request::post("/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(Serializer::new(String::new()).extend_pairs(form).finish()))
        .unwrap();
    let exchange = async {
        let response = visitor.router.clone().oneshot(request).await.unwrap();
        if is_lost(&response) {
            return Got::Nothing;
        }
        let (head, body) = response.into_parts();
        let content_type = head.headers["content-type"].to_str().unwrap().to_owned();
        match to_bytes(body, usize::MAX).await {
            Ok(body) => Got::Answer(head.status.as_u16(), content_type, body.to_vec()),
            Err(_) => Got::CutOff,
        }
    };
    tokio::time::timeout(Duration::from_mins(1), exchange).await.unwrap_or(Got::Waiting)
}

#[tokio::test(start_paused = true)]
async fn every_fault_does_what_it_says_at_its_point() {
    for fault in Fault::all() {
        let visitor = Visitor::new(Settings::default());
        let first = visitor.login(FULL_SCOPE).await;
        visitor.practice.answer_next_token_requests([fault]);
        let got = redeem(&visitor, first.text("refresh_token")).await;
        let ledger = visitor.practice.ledger();
        let is_seen = fault.point != Point::BeforeReading || matches!(fault.kind, Kind::Delay(_));
        assert_eq!(ledger.token_requests("refresh_token").len(), usize::from(is_seen), "{fault:?}");
        assert_eq!(ledger.refreshes().len(), usize::from(fault.commits()), "{fault:?}");
        let is_midway = matches!(fault.point, Point::MidAnswer(_));
        let met = match fault.kind {
            Kind::Delay(_) => matches!(got, Got::Answer(200, ..)),
            Kind::Hang => matches!(got, Got::Waiting),
            Kind::Reset | Kind::Close | Kind::LengthTooShort | Kind::WrongType if is_midway => {
                matches!(got, Got::CutOff)
            }
            Kind::Reset | Kind::Close => matches!(got, Got::Nothing),
            Kind::LengthTooLong => matches!(got, Got::CutOff),
            Kind::Drip { .. } => matches!(got, Got::Answer(status, _, body)
                if is_json(&body) && (status == 200) == fault.commits()),
            Kind::LengthTooShort => matches!(got, Got::Answer(_, _, body) if !is_json(&body)),
            Kind::WrongType => {
                matches!(got, Got::Answer(_, kind, body) if kind.contains("html") && is_json(&body))
            }
            Kind::Status(_) | Kind::TooManyRequests(_) | Kind::Html if is_midway => {
                matches!(got, Got::Answer(200, _, body) if body.ends_with(b"Come back later."))
            }
            Kind::Status(wanted) => matches!(got, Got::Answer(status, ..) if status == wanted),
            Kind::TooManyRequests(_) => matches!(got, Got::Answer(429, ..)),
            Kind::Html => matches!(got, Got::Answer(200, kind, _) if kind.contains("html")),
        };
        assert!(met, "{fault:?}");
        let again = redeem(&visitor, first.text("refresh_token")).await;
        let expected = if fault.commits() { 400 } else { 200 };
        assert!(matches!(again, Got::Answer(status, ..) if status == expected), "{fault:?}, once more");
    }
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok()
}

#[tokio::test(start_paused = true)]
async fn retry_after_comes_as_seconds_or_as_a_date() {
    let visitor = Visitor::new(Settings { unix_at_start: Some(784_111_770), ..Settings::default() });
    let token = visitor.login(FULL_SCOPE).await.text("refresh_token").to_owned();
    let after = |retry_after| Fault { point: Point::AfterReading, kind: Kind::TooManyRequests(retry_after) };
    let faults = [RetryAfter::Seconds(7), RetryAfter::Date(7)].map(after);
    visitor.practice.answer_next_token_requests(faults);
    assert_eq!(visitor.refresh(&token, &[]).await.headers["retry-after"], "7");
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(visitor.refresh(&token, &[]).await.headers["retry-after"], date);
}

#[tokio::test(start_paused = true)]
async fn weather_befalls_token_requests_only_until_it_is_over() {
    let visitor = Visitor::new(Settings::default());
    let token = visitor.login(FULL_SCOPE).await.text("refresh_token").to_owned();
    let stormy = Fault { point: Point::AfterReading, kind: Kind::Status(503) };
    visitor.practice.set_weather(Some(Weather::new(1, 1.0, [stormy])));
    for _ in 0..5 {
        assert_eq!(visitor.refresh(&token, &[]).await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(visitor.get("/jwks", None).await.status, StatusCode::OK);
    }
    visitor.practice.set_weather(None);
    assert_eq!(visitor.refresh(&token, &[]).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn other_processes_script_faults_and_weather() {
    let visitor = Visitor::new(Settings::default());
    let token = visitor.login(FULL_SCOPE).await.text("refresh_token").to_owned();
    let script = async |body: &str| {
        let request = Request::post("/practice/script").header("content-type", "application/json");
        visitor.send(request.body(Body::from(body.to_owned())).unwrap()).await.status
    };
    let faults = r#"{"faults": [
        {"point": "before_reading", "kind": "close"},
        {"point": "after_reading", "kind": {"too_many_requests": {"seconds": 5}}},
        {"point": {"mid_answer": 9}, "kind": {"delay": 1.5}},
        {"point": "after_reading", "kind": {"drip": {"bytes": 3, "every": 0.1}}}]}"#;
    assert_eq!(script(faults).await, StatusCode::NO_CONTENT);
    assert!(matches!(redeem(&visitor, &token).await, Got::Nothing));
    assert!(matches!(redeem(&visitor, &token).await, Got::Answer(429, ..)));
    let before = tokio::time::Instant::now();
    assert!(matches!(redeem(&visitor, &token).await, Got::Answer(200, ..)));
    assert_eq!(before.elapsed().as_secs(), 1);
    assert!(matches!(redeem(&visitor, &token).await, Got::Answer(503, ..)));

    let weather =
        r#"{"weather": {"seed": 1, "rate": 1, "faults": [{"point": "after_reading", "kind": "html"}]}}"#;
    assert_eq!(script(weather).await, StatusCode::NO_CONTENT);
    assert!(matches!(redeem(&visitor, &token).await, Got::Answer(200, kind, _) if kind.contains("html")));
    assert_eq!(script(r#"{"weather": {"seed": 1, "rate": 0}}"#).await, StatusCode::NO_CONTENT);
    assert!(matches!(redeem(&visitor, &token).await, Got::Answer(400, ..)));
    assert_eq!(script(r#"{"fault": []}"#).await, StatusCode::UNPROCESSABLE_ENTITY);
}
