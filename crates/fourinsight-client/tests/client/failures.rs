//! How both clients fail: with the right error, without repeating what must not be, and without hanging.

use std::{
    io::{self, Write},
    os::unix::net::UnixListener,
    thread,
};

use fourinsight_client::{Endpoint, Error, ErrorCode};

use crate::{
    callers::{self, Caller},
    scripted::{Reply, Server, json, token},
};

/// What each client makes of an answer to its call, and how often the server heard of it.
fn outcomes<T>(
    reply: fn() -> Reply,
    call: impl Fn(&dyn Caller) -> Result<T, Error>,
) -> Vec<(Result<T, Error>, usize)> {
    let server = Server::new(move |_| reply());
    let mut heard = 0;
    let outcome = |caller: Box<dyn Caller>| {
        let result = call(&*caller);
        let before = std::mem::replace(&mut heard, server.asked().len());
        (result, heard - before)
    };
    callers::at(&server.endpoint()).into_iter().map(outcome).collect()
}

/// What each client makes of these bytes in answer to a token request.
fn token_errors(bytes: &[u8]) -> Vec<Error> {
    let bytes = bytes.to_vec();
    let server = Server::new(move |_| Reply::Raw(bytes.clone()));
    callers::at(&server.endpoint()).iter().map(|caller| caller.token().unwrap_err()).collect()
}

#[test]
fn each_error_of_the_api_has_its_own_kind() {
    type Is = fn(&Error) -> bool;
    let table: [(u16, &str, ErrorCode, Is, bool); 11] = [
        (409, "login_required", ErrorCode::LoginRequired, |e| matches!(e, Error::LoginRequired(_)), false),
        (
            409,
            "interaction_required",
            ErrorCode::InteractionRequired,
            |e| matches!(e, Error::InteractionRequired(_)),
            false,
        ),
        (
            503,
            "temporarily_unavailable",
            ErrorCode::TemporarilyUnavailable,
            |e| matches!(e, Error::TemporarilyUnavailable(_)),
            true,
        ),
        (403, "access_denied", ErrorCode::AccessDenied, |e| matches!(e, Error::AccessDenied(_)), false),
        (404, "not_found", ErrorCode::NotFound, |e| matches!(e, Error::NotFound(_)), false),
        (400, "invalid_request", ErrorCode::InvalidRequest, |e| matches!(e, Error::InvalidRequest(_)), false),
        (400, "invalid_scope", ErrorCode::InvalidScope, |e| matches!(e, Error::InvalidRequest(_)), false),
        (400, "invalid_target", ErrorCode::InvalidTarget, |e| matches!(e, Error::InvalidRequest(_)), false),
        (
            413,
            "payload_too_large",
            ErrorCode::PayloadTooLarge,
            |e| matches!(e, Error::InvalidRequest(_)),
            false,
        ),
        (500, "server_error", ErrorCode::ServerError, |e| matches!(e, Error::Server(_)), false),
        (418, "brand_new", ErrorCode::Unknown, |e| matches!(e, Error::InvalidRequest(_)), false),
    ];
    for (status, code, expected, is_kind, retryable) in table {
        let body =
            format!(r#"{{"error":"{code}","error_description":"what","hint":"next","retry_after":3}}"#);
        for error in token_errors(&json(status, &body)) {
            assert!(is_kind(&error), "{code}: {error:?}");
            assert_eq!(error.body().unwrap().error, expected);
            assert_eq!(error.to_string(), "what; next");
            assert_eq!(error.retry_after().unwrap().as_secs(), 3);
            assert_eq!(error.is_retryable(), retryable, "{code}");
        }
    }
}

#[test]
fn an_answer_that_is_none_is_an_error_that_does_not_repeat_it() {
    let oversize = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_owned();
    let endless_head = format!("HTTP/1.1 200 OK\r\nX: {}", "s3cr3t".repeat(5000));
    let wrong_type = String::from_utf8(json(200, r#"{"access_token":["s3cr3t"]}"#)).unwrap();
    let wrong_session = String::from_utf8(json(
        200,
        r#"{"access_token":"s3cr3t","token_type":"Bearer","token_id":"1","session":"/s3cr3t"}"#,
    ))
    .unwrap();
    for bytes in [
        "s3cr3t\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\ns3cr3t",
        &oversize,
        &endless_head,
        &wrong_type,
        &wrong_session,
    ] {
        for error in token_errors(bytes.as_bytes()) {
            assert!(matches!(error, Error::Protocol(_)), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
            assert!(!error.is_retryable());
        }
    }
}

#[test]
fn a_get_is_repeated_twice_and_anything_else_never() {
    let gone = || Reply::Last(Vec::new());
    for (result, times) in outcomes(gone, |caller| caller.token()) {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Io(_)), "{error:?}");
        assert!(error.is_retryable());
        assert_eq!(times, 3);
    }
    for (result, times) in outcomes(gone, |caller| caller.start_login())
        .into_iter()
        .chain(outcomes(gone, |caller| caller.revoke()))
    {
        assert!(matches!(result, Err(Error::Io(_))), "{result:?}");
        assert_eq!(times, 1);
    }
}

#[test]
fn an_answer_cut_off_in_the_middle_is_asked_for_again() {
    let server = Server::new(|asked| match asked.connection % 2 {
        0 => Reply::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"access_".to_vec()),
        _ => token("t"),
    });
    for caller in callers::at(&server.endpoint()) {
        assert_eq!(caller.token().unwrap().secret(), "t");
    }
}

#[test]
fn a_connection_that_the_server_ends_politely_is_not_used_again() {
    let polite = || {
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 26\r\n\r\n";
        Reply::Raw([head, r#"{"version":"9","api":"v1"}"#].concat().into_bytes())
    };
    let server = Server::new(move |_| polite());
    let callers = callers::at(&server.endpoint());
    for caller in &callers {
        assert_eq!(caller.version().unwrap().version, "9");
        assert_eq!(caller.version().unwrap().version, "9");
    }
    assert_eq!(server.connections(), 2 * callers.len());
}

#[test]
fn a_server_over_its_limit_is_heard_though_it_never_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let callers = callers::at(&Endpoint::new(&path).unwrap());
    let times = callers.len();
    let refusing = thread::spawn(move || {
        for _ in 0..times {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&json(503, r#"{"error":"temporarily_unavailable","retry_after":1}"#)).unwrap();
        }
    });
    for caller in callers {
        let error = caller.token().unwrap_err();
        assert!(matches!(error, Error::TemporarilyUnavailable(_)), "{error:?}");
    }
    refusing.join().unwrap();
}

#[test]
fn without_a_daemon_the_error_says_where_it_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::new(folder.path().join("s")).unwrap();
    for caller in callers::at(&endpoint) {
        let error = caller.token().unwrap_err();
        assert!(matches!(error, Error::NotRunning { .. }), "{error:?}");
        assert!(error.to_string().contains(&endpoint.to_string()), "{error}");
    }
}

#[test]
fn a_socket_that_nobody_may_open_is_no_daemon_that_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "").unwrap();
    for caller in callers::at(&Endpoint::new(path.join("below")).unwrap()) {
        let Error::Io(error) = caller.version().unwrap_err() else { panic!("expected an I/O error") };
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }
}
