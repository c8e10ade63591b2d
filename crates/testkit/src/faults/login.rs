//! A whole login without a browser: begun at the daemon, answered at the server, and its callback pasted.

use anyhow::{Context as _, Result, ensure};
use fourinsight_ipc::message::{LoginState, LoginStatus};
use serde_json::{Value, json};

use crate::{practice::Practice, process::Home};

/// Who signs in.
const PERSON: &str = "ada";

/// Signs in what this body of `POST /v1/logins` asks for.
pub(super) async fn sign_in(home: &Home, practice: &Practice, request: &Value) -> Result<()> {
    let begun = home.post("/v1/logins", request).await?;
    ensure!(begun.status == 201, "a login cannot begin: {}", begun.text());
    let login: LoginStatus = begun.json()?;
    let uri = login.authorization_uri.context("a login without an authorization URI")?;
    let callback = practice.sign_in(&uri, PERSON).await?;
    let pasted = json!({ "pasted": callback.as_str() });
    home.post(&format!("/v1/logins/{}/response", login.id), &pasted).await?;
    let ended: LoginStatus = home.get(&format!("/v1/logins/{}?wait=60", login.id)).await?.json()?;
    ensure!(ended.state == LoginState::Succeeded, "a login failed: {:?}", ended.error);
    Ok(())
}
