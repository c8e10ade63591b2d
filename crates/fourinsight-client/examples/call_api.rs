//! Calls an HTTP API with a fresh token for every request.
//!
//! `cargo run --example call_api -- http://127.0.0.1:8080/api/hello [SESSION [COUNT]]`
//!
//! A 401 is reported to the daemon, which then serves another token, and the request is sent once more. Plain HTTP to
//! this machine only, so that the example needs no TLS library; with one, nothing but `get` changes.

use std::{
    env,
    error::Error,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use fourinsight_client::{AccessToken, Client, SessionKey};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let url = arguments.next().ok_or("give the URL of an API on this machine")?;
    let session = arguments.next().map_or_else(|| Ok(SessionKey::default()), |key| SessionKey::new(&key))?;
    let count = arguments.next().map_or(Ok(1), |count| count.parse::<u32>())?;

    let client = Client::new()?;
    for _ in 0..count {
        let (status, body) = call(&client, &session, &url)?;
        writeln!(std::io::stdout(), "{status} {body}")?;
    }
    Ok(())
}

/// One request with a token that is fresh now, and once more with another should the API refuse that.
fn call(client: &Client, session: &SessionKey, url: &str) -> Result<(u16, String), Box<dyn Error>> {
    let token = client.token(session)?;
    let first = get(url, &token)?;
    if first.status != 401 {
        return Ok((first.status, first.body));
    }
    client.reject_with(&token, first.www_authenticate.as_deref().unwrap_or("Bearer"))?;
    let second = get(url, &client.token(session)?)?;
    Ok((second.status, second.body))
}

/// What the API answered.
struct Answer {
    status: u16,
    www_authenticate: Option<String>,
    body: String,
}

/// A GET over HTTP/1.0, whose answer ends with the connection.
fn get(url: &str, token: &AccessToken) -> Result<Answer, Box<dyn Error>> {
    let rest = url.strip_prefix("http://").ok_or("the URL does not begin with http://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let address: SocketAddr = host.parse().map_err(|_| "the URL names no address and port")?;
    if !address.ip().is_loopback() {
        return Err("a token is not sent to another machine without TLS".into());
    }
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let path = if path.is_empty() { "/" } else { path };
    let secret = token.secret();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\nAuthorization: Bearer {secret}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;

    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the API's answer is not HTTP")?;
    let status = head.split(' ').nth(1).ok_or("the API's answer has no status")?.parse()?;
    let www_authenticate = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("www-authenticate").then(|| value.trim().to_owned())
    });
    Ok(Answer { status, www_authenticate, body: body.to_owned() })
}
