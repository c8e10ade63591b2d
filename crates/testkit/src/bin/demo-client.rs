//! The demo's program on the client crate: it asks for a fresh token before each call to the API, as every program
//! should, and prints what came of each ask as a line of JSON. It ends when its standard input does.

use std::{
    io::{self, Read as _, Write as _},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
};

use anyhow::{Context as _, Result};
use fourinsight_client::{Client, SessionKey};
use testkit::{
    demo::ask::{Ask, Called, REST},
    http::Request,
};
use tokio::runtime::{Builder, Runtime};
use url::Url;

fn main() -> Result<()> {
    let api = std::env::args().nth(1).context("usage: demo-client URL")?;
    let api = Url::parse(&api).context("the API's address is no URL")?;
    // A daemon started by this program would outlive the demo.
    let client = Client::new()?.autostart(false);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (keep_open, end) = mpsc::channel::<()>();
    thread::spawn(move || {
        // Whether standard input ends or cannot be read, it is over.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        drop(keep_open);
    });
    loop {
        let ask = Ask::from(call(&client, &api, &runtime));
        writeln!(io::stdout(), "{}", serde_json::to_string(&ask)?)?;
        if end.recv_timeout(REST) == Err(RecvTimeoutError::Disconnected) {
            return Ok(());
        }
    }
}

/// A fresh token, and a call with it: how long it still lives by the API's word.
fn call(client: &Client, api: &Url, runtime: &Runtime) -> Result<u64> {
    let token = client.token(&SessionKey::default())?;
    let answer = runtime.block_on(Request::get(api.clone()).bearer(token.secret()).send())?;
    if answer.status == 401 {
        // Nobody is given this token again.
        client.reject(&token)?;
    }
    Called { status: answer.status, body: answer.text() }.left()
}
