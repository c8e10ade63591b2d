//! Answers that the browser posts.

use super::*;

fn posted(begun: &Begun, kind: &str, body: &str) -> String {
    let host = format!("127.0.0.1:{}", begun.port());
    let path = begun.redirect_uri.path();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: https://id.example\r\nSec-Fetch-Site: cross-site\r\n\
         Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_posted_answer_signs_in_where_the_profile_asks_for_it() {
    let world = World::new(&format!("{BY_HAND}response_mode = \"form_post\"\n"));
    for kind in [FORM, "Application/X-WWW-Form-Urlencoded; charset=UTF-8"] {
        let begun = world.begin("default").await;
        assert_eq!(begun.asked["response_mode"], "form_post");
        let answer = format!("code=posted&state={}", begun.state());
        let reply = send(begun.port(), &posted(&begun, kind, &answer)).await;
        assert_eq!(reply.status, 303, "{reply:?}");
        let page = begun.get(&reply.headers["location"]).await;
        assert!(page.body.contains("Signed in"), "{}", page.body);
    }
    assert_eq!(world.server.requests("/token")[0]["code"], "posted");
    // A server that answers in the query all the same is understood.
    assert_eq!(world.begin("default").await.sign_in().await.status, 200);
    assert_eq!(world.sessions.count(), 3);
}

#[tokio::test]
async fn a_posted_error_fails_the_attempt() {
    let world = World::new(&format!("{BY_HAND}response_mode = \"form_post\"\n"));
    let begun = world.begin("default").await;
    let body = format!("error=access_denied&state={}", begun.state());
    assert_eq!(send(begun.port(), &posted(&begun, FORM, &body)).await.status, 303);
    assert_eq!(world.ended(&begun).await.state, LoginState::Failed);
}

#[tokio::test]
async fn other_posts_change_nothing() {
    let world = World::new(&format!("{BY_HAND}response_mode = \"form_post\"\n"));
    let begun = world.begin("default").await;
    let right = format!("code=c4nary&state={}", begun.state());
    let large = format!("{right}&x={}", "x".repeat(64 * 1024));
    for (kind, body, status) in [
        (FORM, "code=c4nary&state=other", 400),
        (FORM, "", 400),
        (FORM, "state=%ff\u{fffd}", 400),
        (FORM, &format!("{right}&code=c4nary"), 400),
        (FORM, &large, 413),
        ("text/plain", &right, 415),
        ("application/json", &right, 415),
        ("multipart/form-data; boundary=x", &right, 415),
        ("application/x-www-form-urlencodedx", &right, 415),
    ] {
        let reply = send(begun.port(), &posted(&begun, kind, body)).await;
        assert_eq!(reply.status, status, "{kind}: {reply:?}");
        assert!(!reply.raw.contains("c4nary"), "{reply:?}");
        assert_eq!(world.state(&begun), LoginState::Pending);
    }
    // What stands in the address of a post does not count.
    let request = posted(&begun, FORM, "").replacen(" HTTP/1.1", &format!("?{right} HTTP/1.1"), 1);
    assert_eq!(send(begun.port(), &request).await.status, 400);
    let request = posted(&begun, FORM, &right).replacen(
        "Content-Type: ",
        "Content-Type: text/html\r\nContent-Type: ",
        1,
    );
    assert_eq!(send(begun.port(), &request).await.status, 415);
    assert_eq!(world.state(&begun), LoginState::Pending);
    assert!(world.server.requests("/token").is_empty());
}

#[tokio::test]
async fn posts_are_refused_where_the_profile_does_not_ask_for_them() {
    let world = World::new(BY_HAND);
    let begun = world.begin("default").await;
    assert!(!begun.asked.contains_key("response_mode"));
    let reply = send(begun.port(), &posted(&begun, FORM, &format!("code=c&state={}", begun.state()))).await;
    assert_eq!((reply.status, reply.headers["allow"].as_str()), (405, "GET"));
    assert_eq!(world.state(&begun), LoginState::Pending);
}

#[tokio::test]
async fn who_sent_the_browser_is_not_judged_and_no_cookie_is_needed() {
    let world = World::new(&format!("{BY_HAND}response_mode = \"form_post\"\n"));
    for fields in [
        "",
        "Origin: null\r\n",
        "Origin: https://evil.example\r\nReferer: https://evil.example/page\r\n",
        "Referer: about:blank\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
        "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: iframe\r\nSec-Fetch-User: ?1\r\n",
        "Origin: http://127.0.0.1\r\nCookie: a=b; c=d\r\nUpgrade-Insecure-Requests: 1\r\nDNT: 1\r\n",
    ] {
        let begun = world.begin("default").await;
        let body = format!("code=c&state={}", begun.state());
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{fields}Content-Type: {FORM}\r\nContent-Length: {}\r\n\r\n{body}",
            begun.redirect_uri.path(),
            begun.port(),
            body.len()
        );
        let reply = send(begun.port(), &request).await;
        assert_eq!(reply.status, 303, "{fields}: {reply:?}");
        assert!(!reply.headers.contains_key("set-cookie"));
        assert!(!reply.headers.keys().any(|name| name.starts_with("access-control-")), "{reply:?}");
        assert_eq!(world.ended(&begun).await.state, LoginState::Succeeded, "{fields}");
    }
}

#[tokio::test]
async fn a_form_may_be_64_kib_long_and_not_a_byte_longer_however_it_is_sent() {
    let world = World::new(&format!("{BY_HAND}response_mode = \"form_post\"\n"));
    for in_chunks in [false, true] {
        let begun = world.begin("default").await;
        let sized = |size: usize| {
            let right = format!("code=c&state={}&x=", begun.state());
            right.clone() + &"x".repeat(size - right.len())
        };
        for (size, status) in [(65_537, 413), (65_536, 303)] {
            assert_eq!(world.state(&begun), LoginState::Pending);
            let request = posted(&begun, FORM, &sized(size));
            let request = if in_chunks { chunked(&request) } else { request };
            assert_eq!(send(begun.port(), &request).await.status, status, "{size} {in_chunks}");
        }
        assert_eq!(world.ended(&begun).await.state, LoginState::Succeeded);
    }
}

/// The same request with its body in chunks.
fn chunked(request: &str) -> String {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let head = head.rsplit_once("\r\n").unwrap().0;
    let chunk = |chunk: &[u8]| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk));
    let chunks: Vec<_> = body.as_bytes().chunks(9999).map(chunk).collect();
    format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunks.concat())
}
