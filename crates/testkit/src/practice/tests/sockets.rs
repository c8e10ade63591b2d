//! Over TCP: plain, TLS, lost answers, outages, and the view for other processes.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::*;
use crate::practice::{Answer, Endpoint, Transport};

#[tokio::test]
async fn plain_http_serves_metadata_under_its_own_issuer() {
    let serving = Practice::new(Settings::default()).serve_plain().await.unwrap();
    let stream = TcpStream::connect(("127.0.0.1", serving.port)).await.unwrap();
    let metadata = get(stream, "/.well-known/openid-configuration").await.unwrap();
    assert!(metadata.contains(&format!("\"issuer\":\"{}\"", serving.issuer)), "{metadata}");
}

#[tokio::test]
async fn tls_is_trusted_through_its_ca_and_only_through_it() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_tls().await.unwrap();
    let ca = serving.ca_pem.as_deref().unwrap();
    for name in ["127.0.0.1", "localhost"] {
        let stream = tls(serving.port, ca, name).await.unwrap();
        let metadata = get(stream, "/.well-known/openid-configuration").await.unwrap();
        assert!(metadata.contains(&format!("\"token_endpoint\":\"{}/token\"", serving.issuer)));
    }
    assert!(tls(serving.port, ca, "other.example").await.is_err());
    let stranger = Practice::new(Settings::default()).serve_tls().await.unwrap();
    assert!(tls(serving.port, stranger.ca_pem.as_deref().unwrap(), "127.0.0.1").await.is_err());
}

#[tokio::test]
async fn a_lost_answer_is_a_connection_closed_without_a_byte() {
    let practice = Practice::new(Settings::default());
    practice.answer_next(Endpoint::Jwks, [Answer::close()]);
    let serving = practice.serve_plain().await.unwrap();
    let stream = TcpStream::connect(("127.0.0.1", serving.port)).await.unwrap();
    assert_eq!(get(stream, "/jwks").await.unwrap_or_default(), "");
    assert_eq!(practice.ledger().entries()[0].status, None);
}

#[tokio::test]
async fn what_programs_send_is_recorded_in_its_order_and_to_the_byte() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await.unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", serving.port)).await.unwrap();
    let body = "token=b%7Ea&token=a%20+c&client_secret=";
    let request = format!(
        "POST /revoke HTTP/1.1\r\nX-Second: 2\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nA-First:  1, one\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let ledger = practice.ledger();
    let recorded: Vec<_> = ledger.back_channel().collect();
    let [entry] = recorded[..] else { panic!("{recorded:?}") };
    assert_eq!((entry.method.as_str(), entry.path.as_str(), entry.status), ("POST", "/revoke", Some(400)));
    let names = ["x-second", "host", "content-type", "content-length", "a-first", "connection"];
    assert!(entry.headers.iter().map(|(name, _)| name.as_str()).eq(names), "{entry:?}");
    assert_eq!(entry.header("a-first"), Some("1, one"));
    assert_eq!(entry.body, body.as_bytes());
    let pairs = [("token", "b~a"), ("token", "a  c"), ("client_secret", "")];
    assert!(entry.form.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(pairs));
}

#[tokio::test]
async fn an_outage_ends_on_the_same_port_with_the_same_state_and_ca() {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_tls().await.unwrap();
    let (port, issuer, ca) = (serving.port, serving.issuer.clone(), serving.ca_pem.clone());
    serving.stop().await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    let serving = practice.serve(Transport::Tls, port).await.unwrap();
    assert_eq!((&serving.issuer, &serving.ca_pem), (&issuer, &ca));
    let stream = tls(port, ca.as_deref().unwrap(), "127.0.0.1").await.unwrap();
    assert!(get(stream, "/jwks").await.unwrap().contains("\"kty\":\"EC\""));
}

#[tokio::test(start_paused = true)]
async fn other_processes_can_sign_in_and_ask_for_verdicts_and_figures() {
    let visitor = Visitor::new(Settings::default());
    let post = async |path: &str, body: Value| {
        let request = Request::post(path).header("content-type", "application/json");
        visitor.send(request.body(Body::from(body.to_string())).unwrap()).await
    };
    let uri = Visitor::authorization_uri(FULL_SCOPE, &[]);
    let reply = post("/practice/sign-in", serde_json::json!({ "authorization_uri": uri })).await;
    let callback = Url::parse(reply.text("callback_uri")).unwrap();
    let first = visitor.exchange(&parameter(&callback, "code").unwrap(), VERIFIER).await;
    let second = visitor.refresh(first.text("refresh_token"), &[]).await;
    let token = second.text("access_token").to_owned();
    let asked = serde_json::json!({ "access_token": token });
    assert_eq!(post("/practice/verdict", asked.clone()).await.text("verdict"), "live");
    visitor.practice.revoke_all();
    assert_eq!(post("/practice/verdict", asked).await.text("verdict"), "revoked");

    let figures = visitor.get("/practice/ledger", None).await.body;
    assert_eq!(figures["refreshes"], 1);
    assert_eq!(figures["code_exchanges"], 1);
    assert_eq!(figures["most_redemptions_of_a_refresh_token"], 1);
    assert_eq!(figures["reuse_events"], 0);
    assert_eq!(figures["access_tokens"], serde_json::json!({ "live": 0, "expired": 0, "revoked": 2 }));
    let ledger = visitor.practice.ledger();
    assert!(ledger.entries().iter().all(|entry| !entry.path.starts_with("/practice/")));
    assert!(ledger.secrets().iter().all(|secret| !figures.to_string().contains(&secret.text)));
}

async fn tls(port: u16, ca_pem: &str, name: &str) -> std::io::Result<impl AsyncRead + AsyncWrite + Unpin> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Everything that comes back before the server closes.
async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> std::io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response)
}
