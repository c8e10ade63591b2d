//! What the redirect listener answers to whom.

use super::*;

/// Sent with every answer, whatever it is.
const ALWAYS: [(&str, &str); 8] = [
    ("cache-control", "no-store"),
    ("pragma", "no-cache"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("connection", "close"),
];

fn check_headers(reply: &Reply) {
    for (name, value) in ALWAYS {
        assert_eq!(reply.headers.get(name).map(String::as_str), Some(value), "{name}: {reply:?}");
    }
    let policy = &reply.headers["content-security-policy"];
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(policy.ends_with("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(!reply.headers.keys().any(|name| name.starts_with("access-control-")), "{reply:?}");
}

#[tokio::test]
async fn a_thousand_junk_requests_then_the_real_one() {
    let world = World::new(BY_HAND);
    let begun = world.begin("default").await;
    let (port, path) = (begun.port(), begun.redirect_uri.path());
    let state = begun.state();
    let host = format!("127.0.0.1:{port}");
    let forged = "A".repeat(state.len());
    let almost = format!("{}{}", &state[..state.len() - 1], if state.ends_with('A') { 'B' } else { 'A' });
    let junk = [
        ("GET", format!("{path}?code=c4nary&state={forged}"), 400),
        ("GET", format!("{path}?code=c4nary&state={almost}"), 400),
        ("GET", format!("{path}?code=c4nary&state={}", state.to_uppercase()), 400),
        ("GET", format!("{path}?error=access_denied&error_description=c4nary"), 400),
        ("GET", format!("{path}?error=access_denied&state={forged}"), 400),
        ("GET", format!("{path}?code=c4nary&code=c4nary&state={state}"), 400),
        ("GET", format!("{path}?code=c4nary&state={state}&state={state}"), 400),
        ("GET", format!("{path}?code=&state={state}"), 400),
        ("GET", format!("{path}?state={state}"), 400),
        ("GET", path.to_owned(), 400),
        ("GET", format!("{path}/?code=c4nary&state={state}"), 404),
        ("GET", format!("/x{path}?code=c4nary&state={state}"), 404),
        ("GET", "/c%61llback?code=c4nary&state=".to_owned() + state, 404),
        ("GET", "/Callback?code=c4nary&state=".to_owned() + state, 404),
        ("GET", "/favicon.ico".to_owned(), 404),
        ("GET", "/done/c4nary".to_owned(), 404),
        ("GET", format!("http://{host}{path}?code=c4nary&state={state}"), 400),
        ("GET", format!("http://evil.example{path}?code=c4nary&state={state}"), 400),
        ("HEAD", begun.answer(), 405),
        ("POST", begun.answer(), 405),
        ("PUT", begun.answer(), 405),
        ("OPTIONS", begun.answer(), 405),
        ("C4NARY", begun.answer(), 405),
    ];
    for round in 0..1000 {
        let (method, target, status) = &junk[round % junk.len()];
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nX-C4nary: c4nary\r\nCookie: c4nary\r\n\r\n"
        );
        let reply = send(port, &request).await;
        assert_eq!(reply.status, *status, "{method} {target}");
        assert!(!reply.raw.to_lowercase().contains("c4nary"), "{reply:?}");
        assert!(!reply.raw.contains(state), "{reply:?}");
        if round < junk.len() {
            check_headers(&reply);
        }
    }
    assert_eq!(world.state(&begun), LoginState::Pending);
    assert!(world.server.requests("/token").is_empty());
    let page = begun.sign_in().await;
    assert_eq!(page.status, 200);
    assert_eq!(world.ended(&begun).await.state, LoginState::Succeeded);
}

#[tokio::test]
async fn only_the_exact_host_is_answered() {
    let world = World::new(BY_HAND);
    let begun = world.begin("default").await;
    let (port, answer) = (begun.port(), begun.answer());
    for hosts in [
        String::new(),
        "Host: \r\n".to_owned(),
        "Host: 127.0.0.1\r\n".to_owned(),
        format!("Host: localhost:{port}\r\n"),
        format!("Host: [::1]:{port}\r\n"),
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: 127.0.0.1:{}\r\n", port - 1),
        format!("Host: 127.0.0.1:{port}.evil.example\r\n"),
        format!("Host: 127.0.0.1.:{port}\r\n"),
        format!("Host: 127.1:{port}\r\n"),
        format!("Host: x@127.0.0.1:{port}\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nHost: 127.0.0.1:{port}\r\n"),
        format!("Host: 127.0.0.1:{port}\r\nHost: evil.example\r\n"),
        format!("X-Forwarded-Host: 127.0.0.1:{port}\r\n"),
    ] {
        let reply = send(port, &format!("GET {answer} HTTP/1.1\r\n{hosts}\r\n")).await;
        assert_eq!(reply.status, 400, "{hosts}");
    }
    assert_eq!(world.state(&begun), LoginState::Pending);
    assert_eq!(begun.sign_in().await.status, 200);
}

#[tokio::test]
async fn what_is_no_http_is_cut_off_and_changes_nothing() {
    let world = World::new(BY_HAND);
    let begun = world.begin("default").await;
    let port = begun.port();
    for bytes in ["\r\n\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}", "GET / HTTP/9.9\r\n\r\n", "c4nary\r\n\r\n"] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut raw = Vec::new();
        let _ = stream.read_to_end(&mut raw).await;
        assert!(!String::from_utf8_lossy(&raw).contains("c4nary"));
    }
    let head = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Long: {}\r\n\r\n", "a".repeat(200_000));
    assert!(try_send(port, &head).await.map_or(true, |reply| reply.status == 431));
    assert_eq!(begun.sign_in().await.status, 200);
}

#[tokio::test]
async fn silent_connections_keep_no_browser_out() {
    let world = World::new(BY_HAND);
    let begun = world.begin("default").await;
    let mut silent = Vec::new();
    for _ in 0..80 {
        silent.push(TcpStream::connect(("127.0.0.1", begun.port())).await.unwrap());
    }
    assert_eq!(begun.sign_in().await.status, 200);
}

#[tokio::test]
async fn the_code_leaves_the_address_and_the_page_is_shown_once() {
    let world = World::new(BY_HAND);
    let begun = world.begin("default").await;
    let redirect = begun.get(&begun.answer()).await;
    check_headers(&redirect);
    assert_eq!((redirect.status, redirect.body.as_str()), (303, ""));
    let location = redirect.headers["location"].clone();
    assert!(location.starts_with("/done/") && location.len() == "/done/".len() + 22, "{location}");
    assert!(!redirect.raw.contains("the-code") && !redirect.raw.contains(begun.state()));
    let page = begun.get(&location).await;
    check_headers(&page);
    assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    let replay = begun.get(&begun.answer()).await;
    assert_eq!((replay.status, &replay.headers["location"]), (303, &location));
    let again = begun.get(&location).await;
    check_headers(&again);
    assert!(again.status == 410 && again.body.contains("Answered already"), "{again:?}");
    assert_eq!(world.server.requests("/token").len(), 1);
    assert_eq!(world.sessions.count(), 1);
}

#[tokio::test]
async fn an_empty_path_is_the_root() {
    let config = format!("{BY_HAND}redirect_uri = \"http://127.0.0.1:0\"\n");
    let world = World::new(&config);
    let begun = world.begin("default").await;
    assert_eq!(begun.asked["redirect_uri"], format!("http://127.0.0.1:{}", begun.port()));
    let answer = format!("/?code=the-code&state={}", begun.state());
    assert_eq!(begun.get(&answer).await.status, 303);
    assert_eq!(world.ended(&begun).await.state, LoginState::Succeeded);
}

#[tokio::test]
async fn localhost_is_served_on_every_family_that_there_is() {
    let config = format!("{BY_HAND}redirect_uri = \"http://localhost:0/\"\n");
    let world = World::new(&config);
    let begun = world.begin("default").await;
    let request = format!("GET /nothing HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", begun.port());
    assert_eq!(send(begun.port(), &request).await.status, 404);
    let has_v6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let connected = TcpStream::connect(("::1", begun.port())).await;
    assert_eq!(connected.is_ok(), has_v6);
    if let Ok(mut stream) = connected {
        let answer = begun.answer();
        let request = format!("GET {answer} HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", begun.port());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut raw = String::new();
        stream.read_to_string(&mut raw).await.unwrap();
        assert_eq!(reply(raw).status, 303);
        assert_eq!(world.ended(&begun).await.state, LoginState::Succeeded);
    }
}
