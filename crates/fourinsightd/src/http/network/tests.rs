//! The network against small servers on loopback, written byte by byte.

use std::sync::Arc;

use http::{HeaderMap, Method};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::http::BODY_LIMIT;

/// A server that answers each connection's first request with these bytes and closes.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn answering(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token?code=s3cr3t", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &answer, &seen).await;
            }
        });
        Self { url, requests }
    }

    fn request(&self) -> HttpRequest {
        request(&self.url)
    }

    fn seen(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads one request with its body `x=1`, then writes the answer. An answer of `hang` is none.
async fn serve(mut stream: TcpStream, answer: &[u8], seen: &Mutex<Vec<String>>) {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\nx=1") {
        if stream.read_buf(&mut text).await.unwrap_or(0) == 0 {
            return;
        }
    }
    seen.lock().unwrap().push(String::from_utf8(text).unwrap());
    if answer == b"hang" {
        // The connection stays open until the client gives up.
        let _ = stream.read_u8().await;
        return;
    }
    let _ = stream.write_all(answer).await;
}

fn request(url: &str) -> HttpRequest {
    let mut headers = HeaderMap::new();
    headers.insert("x-test", "1".parse().unwrap());
    HttpRequest {
        method: Method::POST,
        url: Url::parse(url).unwrap(),
        headers,
        body: Zeroizing::new(b"x=1".to_vec()),
        route: Route::default(),
        time_limit: Duration::from_secs(20),
        size_limit: BODY_LIMIT,
    }
}

fn network() -> Network {
    Network::new(Clock::system())
}

fn response(head: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[tokio::test]
async fn a_response_comes_whole() {
    let body = "é".repeat(30_000);
    let server =
        Server::answering(response("429 Slow\r\nRetry-After: 7\r\nContent-Type: x/y", body.as_bytes())).await;
    let response = network().exchange(server.request()).await.unwrap();
    assert_eq!(response.status, 429);
    assert_eq!(response.headers["retry-after"], "7");
    assert_eq!(response.body.as_slice(), body.as_bytes());
    let request = server.seen().remove(0);
    assert!(request.starts_with("POST /token?code=s3cr3t HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("x-test: 1\r\n") && request.contains("user-agent: fourinsightd/"), "{request}");
    assert!(!request.to_lowercase().contains("referer"), "{request}");
}

#[tokio::test]
async fn a_chunked_response_comes_whole() {
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let server = Server::answering(answer.to_vec()).await;
    assert_eq!(network().exchange(server.request()).await.unwrap().body.as_slice(), b"abcde");
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let elsewhere = Server::answering(response("200 OK", b"stolen")).await;
    for status in [301, 302, 303, 307, 308] {
        let head = format!("{status} Elsewhere\r\nLocation: {}", elsewhere.url);
        let server = Server::answering(response(&head, b"")).await;
        assert_eq!(network().exchange(server.request()).await.unwrap().status, status);
        assert_eq!(server.seen().len(), 1);
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read() {
    let announced = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BODY_LIMIT + 1);
    let mut sent = announced.into_bytes();
    sent.resize(sent.len() + BODY_LIMIT + 1, b'x');
    let mut unannounced = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    unannounced.resize(unannounced.len() + BODY_LIMIT + 1, b'x');
    for answer in [sent, unannounced] {
        let server = Server::answering(answer).await;
        let error = network().exchange(server.request()).await.unwrap_err();
        assert_eq!((error.sent, error.cause.as_str()), (true, "the answer is longer than 1024 KiB"));
        assert!(error.too_long);
    }
    let server = Server::answering(response("200 OK", &[b'x'; 4097])).await;
    let error = network().exchange(HttpRequest { size_limit: 4096, ..server.request() }).await.unwrap_err();
    assert_eq!((error.too_long, error.cause.as_str()), (true, "the answer is longer than 4 KiB"));
    let fits = HttpRequest { size_limit: 4097, ..server.request() };
    assert_eq!(network().exchange(fits).await.unwrap().body.len(), 4097);
    let server = Server::answering(response("200 OK", &vec![b'x'; BODY_LIMIT])).await;
    assert_eq!(network().exchange(server.request()).await.unwrap().body.len(), BODY_LIMIT);
}

#[tokio::test]
async fn a_server_that_closes_without_an_answer_sees_the_request_once() {
    let network = network();
    let server = Server::answering(Vec::new()).await;
    for attempt in 1..=20 {
        let error = network.exchange(server.request()).await.unwrap_err();
        assert!(error.sent, "{error}");
        assert!(!error.cause.contains("s3cr3t"), "{error}");
        assert_eq!(server.seen().len(), attempt);
    }
}

#[tokio::test]
async fn each_request_has_a_connection_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let network = network();
    let server = async {
        let mut kept = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = Vec::new();
            while !text.ends_with(b"x=1") {
                stream.read_buf(&mut text).await.unwrap();
            }
            stream.write_all(&response("200 OK\r\nConnection: keep-alive", b"ok")).await.unwrap();
            kept.push(stream);
        }
    };
    let client = async {
        for _ in 0..2 {
            network.exchange(request(&url)).await.unwrap();
        }
    };
    tokio::join!(server, client);
}

#[tokio::test]
async fn a_truncated_answer_is_no_answer() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access_token\":\"s3cr3t\"".to_vec();
    let error = network().exchange(Server::answering(answer).await.request()).await.unwrap_err();
    assert!(error.sent && !error.cause.contains("s3cr3t"), "{error}");
}

#[tokio::test]
async fn the_time_limit_covers_the_whole_exchange() {
    let server = Server::answering(b"hang".to_vec()).await;
    let mut request = server.request();
    request.time_limit = Duration::from_millis(200);
    let error = network().exchange(request).await.unwrap_err();
    assert!(error.sent && error.cause.contains("no complete answer"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn what_surely_was_not_sent_says_so() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let ca = |path: &str| Route { tls_ca_file: Some(path.into()), proxy: None };
    // A label of more than 63 octets (RFC 1035, section 2.3.4).
    let no_name = format!("https://{}.example.com/", "a".repeat(64));
    for (url, route, cause) in [
        (format!("http://{closed}/"), Route::default(), "refused"),
        (no_name, Route::default(), "invalid dns name"),
        ("http://id.example.com/".to_owned(), Route::default(), "plain http is refused"),
        (format!("https://{closed}/"), ca("/nonexistent/ca.pem"), "`tls_ca_file` /nonexistent/ca.pem"),
        (format!("https://{closed}/"), ca("/dev/null"), "it holds no certificate"),
        (
            "https://id.example.com/".to_owned(),
            Route { tls_ca_file: None, proxy: Some("http://".to_owned()) },
            "`proxy` is no proxy URL",
        ),
        (
            "https://id.example.com/?s3cr3t".to_owned(),
            Route { tls_ca_file: None, proxy: Some(format!("http://u:s3cr3t@{closed}")) },
            "refused",
        ),
    ] {
        let request = HttpRequest { route, ..request(&url) };
        let error = network().exchange(request).await.unwrap_err();
        assert!(!error.sent, "{url}: {error}");
        assert!(error.cause.contains(cause), "{url}: {error}");
        assert!(!error.cause.contains("client error"), "{url}: {error}");
        assert!(!error.cause.contains("s3cr3t"), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_not_spoken_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = network().exchange(request(&url)).await.unwrap_err();
    assert!(!error.sent && error.cause.contains("does not speak TLS on this port"), "{error}");
}

#[tokio::test]
async fn the_name_localhost_is_this_machine() {
    let server = Server::answering(response("200 OK", b"ok")).await;
    let url = server.url.replace("127.0.0.1", "localhost");
    assert_eq!(network().exchange(request(&url)).await.unwrap().body.as_slice(), b"ok");
}

#[tokio::test]
async fn a_proxy_is_used_for_other_hosts_and_never_for_this_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Some(format!("http://{}", listener.local_addr().unwrap()));
    let route = Route { tls_ca_file: None, proxy };
    let network = network();

    let server = Server::answering(response("200 OK", b"ok")).await;
    let here = HttpRequest { route: route.clone(), ..server.request() };
    assert_eq!(network.exchange(here).await.unwrap().status, 200);

    let elsewhere = HttpRequest { route, ..request("https://id.example.com/token") };
    let tunnel = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut text).await.unwrap();
        }
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
        String::from_utf8(text).unwrap()
    };
    let (error, asked) = tokio::join!(network.exchange(elsewhere), tunnel);
    assert!(asked.starts_with("CONNECT id.example.com:443 "), "{asked}");
    assert!(!error.unwrap_err().sent);
}

#[tokio::test]
async fn a_certificate_counts_when_the_profile_trusts_its_issuer() {
    let issuer_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&issuer_key).unwrap();
    let issuer = rcgen::Issuer::new(params, issuer_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ca.pem()).unwrap();

    install_crypto();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that distrusts the certificate ends the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut text = Vec::new();
            while !text.ends_with(b"x=1") {
                stream.read_buf(&mut text).await.unwrap();
            }
            stream.write_all(&response("200 OK", b"ok")).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });

    let network = network();
    let trusting = Route { tls_ca_file: Some(file.path().into()), proxy: None };
    let ask = |host: &str, route: &Route| {
        let request = request(&format!("https://{host}:{port}/"));
        network.exchange(HttpRequest { route: route.clone(), ..request })
    };
    assert_eq!(ask("localhost", &trusting).await.unwrap().body.as_slice(), b"ok");
    for (host, route, remedy) in [
        ("localhost", &Route::default(), "as `tls_ca_file` in the profile"),
        ("127.0.0.1", &trusting, "check the host in the profile's URLs"),
    ] {
        let error = ask(host, route).await.unwrap_err();
        assert!(!error.sent && error.cause.contains("certificate"), "{host}: {error}");
        assert!(error.cause.ends_with(remedy), "{host}: {error}");
    }
}
