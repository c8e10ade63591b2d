//! The server over its real socket: limits, slow clients, and a stop.

use std::time::Duration;

use serde_json::Value;
use testkit::practice::{Answer, Gate};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
};

use super::{platform, serve};
use crate::{
    socket::Socket,
    testing::{World, pass},
};

const TOKEN: &str = "/v1/sessions/default/token";

/// Starts serving this world, so many connections at once.
fn serving(world: &World, most_connections: usize) -> JoinHandle<()> {
    let socket = Socket::bind(&world.endpoint()).unwrap();
    let stopping = world.daemon.stopping.subscribe();
    tokio::spawn(serve(socket, world.api(), most_connections, world.daemon.ticks.clone(), stopping))
}

/// A connection to the server.
struct Client(platform::AsyncStream);

/// What came back.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Client {
    async fn of(world: &World) -> Self {
        Self(platform::connect_async(&world.endpoint()).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn get(&mut self, target: &str) -> Reply {
        self.send(&format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        self.reply().await
    }

    async fn reply(&mut self) -> Reply {
        let mut seen = Vec::new();
        loop {
            let text = str::from_utf8(&seen).unwrap();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                    return Reply { status, body: body.to_owned(), head };
                }
            }
            assert_ne!(self.0.read_buf(&mut seen).await.unwrap(), 0, "closed after {seen:?}");
        }
    }

    /// Waits until the server ends the connection without another word.
    async fn closed(&mut self) {
        let read = self.0.read(&mut [0; 64]).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[tokio::test]
async fn a_token_is_served_on_a_connection_that_is_kept() {
    let world = World::signed_in().await;
    let _serving = serving(&world, 8);
    let mut client = Client::of(&world).await;
    // The first takes the short path past the router, the second the router's.
    let (short, long) = (client.get(TOKEN).await, client.get(&format!("{TOKEN}?wait=30")).await);
    for reply in [&short, &long] {
        assert_eq!(reply.status, 200);
        for field in ["content-type: application/json", "cache-control: no-store", "pragma: no-cache"] {
            assert!(reply.head.contains(field), "{}", reply.head);
        }
    }
    let same = |reply: &Reply| (reply.json()["access_token"].clone(), reply.json()["token_id"].clone());
    assert_eq!(same(&short), same(&long));
    assert_eq!(client.get("/v1/sessions/nobody/token").await.status, 409);
}

#[tokio::test]
async fn one_over_the_cap_is_told_to_come_back_and_a_freed_place_serves() {
    let world = World::new().await;
    let _serving = serving(&world, 2);
    let (mut one, mut two) = (Client::of(&world).await, Client::of(&world).await);
    assert_eq!((one.get("/v1/version").await.status, two.get("/v1/version").await.status), (200, 200));
    let mut three = Client::of(&world).await;
    let reply = three.get("/v1/version").await;
    assert_eq!((reply.status, reply.json()["error"].as_str()), (503, Some("temporarily_unavailable")));
    assert!(
        reply.head.contains("retry-after: 1") && reply.head.contains("connection: close"),
        "{}",
        reply.head
    );
    three.closed().await;
    assert_eq!(one.get("/v1/version").await.status, 200, "who is in stays in");
    drop(one);
    let freed = async { while Client::of(&world).await.get("/v1/version").await.status != 200 {} };
    tokio::time::timeout(Duration::from_secs(10), freed).await.unwrap();
}

#[tokio::test]
async fn slow_clients_delay_nobody() {
    let world = World::signed_in().await;
    let _serving = serving(&world, 1000);
    let mut slow = Vec::new();
    for number in 0..150 {
        let mut client = Client::of(&world).await;
        match number % 3 {
            0 => {}
            1 => client.send("GET /v1/ver").await,
            _ => client.send("POST /v1/logins HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n{").await,
        }
        slow.push(client);
    }
    let mut client = Client::of(&world).await;
    let reply = tokio::time::timeout(Duration::from_secs(10), client.get(TOKEN)).await.unwrap();
    assert_eq!(reply.status, 200);
    slow[1].send("sion HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(slow[1].reply().await.status, 200, "slow is not wrong");
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_connection_after_half_a_minute() {
    let world = World::new().await;
    let _serving = serving(&world, 8);
    let (mut silent, mut idle, mut half) =
        (Client::of(&world).await, Client::of(&world).await, Client::of(&world).await);
    assert_eq!(idle.get("/v1/version").await.status, 200);
    half.send("GET /v1/version HTTP/1.1\r\nhost: x\r\nx-more: ").await;
    let began = world.clock.now();
    for client in [&mut silent, &mut idle, &mut half] {
        // A head that stays incomplete is told so before the connection ends.
        let mut rest = Vec::new();
        client.0.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&rest));
    }
    assert!((29..=31).contains(&world.clock.now().since(began).as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_given_up_after_ten_seconds() {
    let world = World::new().await;
    let _serving = serving(&world, 8);
    let mut client = Client::of(&world).await;
    let began = world.clock.now();
    client.send("POST /v1/logins HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.json()["error"].as_str()), (400, Some("invalid_request")));
    assert!((9..=11).contains(&world.clock.now().since(began).as_secs()));
}

#[tokio::test]
async fn what_is_too_long_or_no_http_is_refused_and_hurts_nobody() {
    let world = World::new().await;
    let _serving = serving(&world, 8);
    let long_head = format!("GET /v1/version HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(60_000));
    let long_body =
        format!("POST /v1/logins HTTP/1.1\r\nhost: x\r\ncontent-length: 70000\r\n\r\n{}", "x".repeat(70_000));
    let chunked =
        "POST /v1/logins HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_owned();
    for (request, status) in
        [(long_head, 431), (long_body, 413), (chunked, 400), ("\0\0\0\r\n\r\n".into(), 400)]
    {
        let mut client = Client::of(&world).await;
        // The server may answer and close before it has read everything.
        let _ = client.0.write_all(request.as_bytes()).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(!reply.body.contains("xxx"));
    }
    assert_eq!(Client::of(&world).await.get("/v1/version").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_a_request_under_way_end_and_closes_the_rest() {
    let world = World::signed_in().await;
    let serving = serving(&world, 8);
    world.readings.sleep(3600);
    let gate = Gate::new();
    world.script([Answer::genuine().held_by(&gate)]);
    let (mut waiting, mut idle) = (Client::of(&world).await, Client::of(&world).await);
    assert_eq!(idle.get("/v1/version").await.status, 200);
    waiting.send(&format!("GET {TOKEN} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
    gate.arrived(1).await;
    world.daemon.stopping.send_replace(true);
    idle.closed().await;
    gate.open();
    let reply = waiting.reply().await;
    assert_eq!(reply.status, 200);
    assert!(reply.head.contains("connection: close"), "{}", reply.head);
    waiting.closed().await;
    serving.await.unwrap();
    assert!(platform::connect_async(&world.endpoint()).await.is_err());
    assert!(!world.endpoint().as_path().exists());
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_two_seconds_for_requests_and_no_longer() {
    let world = World::signed_in().await;
    let serving = serving(&world, 8);
    world.readings.sleep(3600);
    let gate = Gate::new();
    world.script([Answer::hang().held_by(&gate)]);
    let mut waiting = Client::of(&world).await;
    waiting.send(&format!("GET {TOKEN} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
    gate.arrived(1).await;
    gate.open();
    let began = world.clock.now();
    world.daemon.stopping.send_replace(true);
    serving.await.unwrap();
    assert!((1..=3).contains(&world.clock.now().since(began).as_secs()));
    waiting.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_vanishes_is_bound_again_and_nobody_is_cut_off() {
    let world = World::new().await;
    let _serving = serving(&world, 8);
    let mut early = Client::of(&world).await;
    assert_eq!(early.get("/v1/version").await.status, 200);
    std::fs::remove_dir_all(world.endpoint().as_path().parent().unwrap()).unwrap();
    assert!(platform::connect_async(&world.endpoint()).await.is_err());
    pass(15).await;
    assert_eq!(early.get("/v1/version").await.status, 200);
    pass(16).await;
    assert_eq!(Client::of(&world).await.get("/v1/version").await.status, 200);
    assert_eq!(early.get("/v1/version").await.status, 200);
}
