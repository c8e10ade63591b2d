//! A program that calls an API with a token from the daemon, and calls again with the same token at each line on its
//! standard input. When the API refuses the token it reports that with the API's challenge, and calls once more with
//! the token that it is given then. It prints what came of each as a line of JSON.

use std::io::{Write as _, stdin, stdout};

use anyhow::{Context as _, Result};
use fourinsight_client::{AccessToken, Client, SessionKey, TokenRequest};
use serde_json::{Value, json};
use testkit::http::{Request, Response};
use tokio::runtime::{Builder, Runtime};
use url::Url;

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [api, scope @ ..] = &arguments[..] else { anyhow::bail!("usage: api-client URL [SCOPE]") };
    let api = Url::parse(api).context("the API's address is no URL")?;
    let scope = scope.first();
    let request = TokenRequest::new(SessionKey::default());
    let request = scope.iter().fold(request, |request, scope| request.scope(scope));
    let client = Client::new()?.autostart(false);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut token = client.token_for(&request)?;
    loop {
        let answer = call(&runtime, &api, &token)?;
        let mut said = json!({ "status": answer.status });
        if let Some(challenge) = challenge(&answer) {
            let rejected = client.reject_with(&token, &challenge)?;
            said["rejected"] = serde_json::to_value(rejected)?;
            token = client.token_for(&request)?;
            said["status_after"] = json!(call(&runtime, &api, &token)?.status);
        }
        said["token_id"] = json!(token.id());
        say(&said)?;
        if stdin().read_line(&mut String::new())? == 0 {
            return Ok(());
        }
    }
}

fn call(runtime: &Runtime, api: &Url, token: &AccessToken) -> Result<Response> {
    runtime.block_on(Request::get(api.clone()).bearer(token.secret()).send())
}

/// What the API demands where it refuses the token.
fn challenge(answer: &Response) -> Option<String> {
    let demanded = answer.headers.get("www-authenticate").filter(|_| answer.status == 401)?;
    demanded.to_str().ok().map(str::to_owned)
}

fn say(said: &Value) -> Result<()> {
    Ok(writeln!(stdout(), "{said}")?)
}
