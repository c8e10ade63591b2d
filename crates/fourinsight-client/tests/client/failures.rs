//! How both clients fail: with the right error, without repeating what must not be, and without hanging.

use std::{
    io::{self, Write},
    os::unix::net::UnixListener,
    thread,
};

use fourinsight_client::{AsyncClient, Client, Error, ErrorCode, LoginRequest, SessionKey};

use crate::scripted::{Reply, Server, json};

/// The same call through both clients, each against a server of its own.
fn both<T>(
    server: impl Fn() -> Server,
    blocking: &dyn Fn(&Client) -> Result<T, Error>,
    asynchronous: &impl AsyncFn(&AsyncClient) -> Result<T, Error>,
) -> [(Result<T, Error>, Server); 2] {
    let (one, other) = (server(), server());
    let first = blocking(&Client::at(one.endpoint()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let second = runtime.block_on(asynchronous(&AsyncClient::at(other.endpoint())));
    [(first, one), (second, other)]
}

/// What both clients make of these bytes in answer to a token request.
fn token_errors(bytes: &[u8]) -> [Error; 2] {
    let server = || {
        let bytes = bytes.to_vec();
        Server::new(move |_| Reply::Raw(bytes.clone()))
    };
    let key = SessionKey::default();
    both(server, &|client| client.token(&key), &async |client| client.token(&key).await)
        .map(|(result, _)| result.unwrap_err())
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
fn a_get_is_repeated_once_and_anything_else_never() {
    let server = || Server::new(|_| Reply::Last(Vec::new()));
    let key = SessionKey::default();
    for (result, server) in
        both(server, &|client| client.token(&key), &async |client| client.token(&key).await)
    {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Io(_)), "{error:?}");
        assert!(error.is_retryable());
        assert_eq!(server.asked().len(), 2);
    }
    let request = LoginRequest::default();
    let start_login = both(server, &|client| client.start_login(&request), &async |client| {
        client.start_login(&request).await
    });
    for (result, server) in start_login {
        assert!(matches!(result.unwrap_err(), Error::Io(_)));
        assert_eq!(server.asked().len(), 1);
    }
    for (result, server) in
        both(server, &|client| client.revoke(&key), &async |client| client.revoke(&key).await)
    {
        assert!(matches!(result.unwrap_err(), Error::Io(_)));
        assert_eq!(server.asked().len(), 1);
    }
}

#[test]
fn an_answer_cut_off_in_the_middle_is_asked_for_again() {
    let server = || {
        Server::new(|asked| match asked.connection {
            0 => Reply::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"access_".to_vec()),
            _ => crate::scripted::token("t"),
        })
    };
    let key = SessionKey::default();
    for (result, _) in both(server, &|client| client.token(&key), &async |client| client.token(&key).await) {
        assert_eq!(result.unwrap().secret(), "t");
    }
}

#[test]
fn a_connection_that_the_server_ends_politely_is_not_used_again() {
    let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 27\r\n\r\n{\"version\":\"9\",\"api\":\"v1\"} ";
    let server = || Server::new(|_| Reply::Raw(answer.to_vec()));
    let twice = both(server, &|client| client.version().and(client.version()), &async |client| {
        client.version().await?;
        client.version().await
    });
    for (result, server) in twice {
        assert_eq!(result.unwrap().version, "9");
        assert_eq!(server.connections(), 2);
    }
}

#[test]
fn a_server_over_its_limit_is_heard_though_it_never_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let refusing = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&json(503, r#"{"error":"temporarily_unavailable","retry_after":1}"#)).unwrap();
    });
    let client = Client::at(fourinsight_client::Endpoint::new(&path).unwrap());
    let error = client.token(&SessionKey::default()).unwrap_err();
    assert!(matches!(error, Error::TemporarilyUnavailable(_)), "{error:?}");
    refusing.join().unwrap();
}

#[test]
fn without_a_daemon_the_error_says_where_it_was_expected() {
    let server = || {
        let server = Server::new(|_| Reply::Silence);
        server.vanish();
        server
    };
    let key = SessionKey::default();
    for (result, server) in
        both(server, &|client| client.token(&key), &async |client| client.token(&key).await)
    {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::NotRunning { .. }), "{error:?}");
        assert!(error.to_string().contains(&server.endpoint().to_string()), "{error}");
    }
}

#[test]
fn a_socket_that_nobody_may_open_is_no_daemon_that_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "").unwrap();
    let client = Client::at(fourinsight_client::Endpoint::new(path.join("below")).unwrap());
    let Error::Io(error) = client.version().unwrap_err() else { panic!("expected an I/O error") };
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
}
