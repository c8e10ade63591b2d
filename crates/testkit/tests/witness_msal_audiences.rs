//! MSAL Python 1.39.0's `acquire_token_silent` and our programs at a server with Entra's habits: one login, a second
//! API, and the claims that an API demands.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{
    practice::{DeviceFlow, Settings},
    witness::{
        ABSENT, Difference, Stage, differs,
        msal::{
            DEVICE_LOGIN, DEVICE_ORDER, ENTRA_LOGIN, EVERYWHERE, HOME_ACCOUNT, MAILBOX, TELEMETRY,
            entra_authority, sign_in_here, sign_in_there,
        },
        reasons::ORDER,
    },
};

const PROFILE: &str = r#"
[profiles.practice]
issuer = "{issuer}"
client_id = "practice-client"
flow = "device"
resource_style = "entra"
scopes = "https://api.example/read"
{trust}
"#;

const OTHER: &str = "https://other.example/read";

/// What an API demands of the tokens that it is sent.
const DEMAND: &str = r#"{"access_token": {"nbf": {"essential": true, "value": "1700000000"}}}"#;

const SILENT: &[Difference] = &[
    differs("other, demanded", "header x-anchormailbox", "Oid:*", ABSENT, MAILBOX),
    differs("other, demanded", "form client_info", "1", ABSENT, HOME_ACCOUNT),
    differs("other, demanded", "header x-client-current-telemetry", "4|*", ABSENT, TELEMETRY),
    differs("other, demanded", "header x-client-last-telemetry", "4|*", ABSENT, TELEMETRY),
    differs(
        "other, demanded",
        "form scope",
        "https://other.example/read offline_access openid profile",
        "https://other.example/read offline_access",
        "who signed in is known; offline_access keeps refresh tokens coming",
    ),
];

const DEMANDED_ORDER: &[Difference] = &[differs(
    "demanded",
    "form order",
    "client_id grant_type claims refresh_token scope",
    "grant_type refresh_token scope claims client_id",
    ORDER,
)];

const OTHER_ORDER: &[Difference] = &[differs(
    "other",
    "form order",
    "client_id grant_type refresh_token scope",
    "grant_type refresh_token scope client_id",
    ORDER,
)];

/// Where each request carries what the client can do.
const CAPABLE_ORDER: &[Difference] = &[
    differs("start", "form order", "client_id scope claims", "scope claims client_id", ORDER),
    differs(
        "poll",
        "form order",
        "client_id grant_type claims device_code",
        "grant_type device_code claims client_id",
        ORDER,
    ),
    differs(
        "other",
        "form order",
        "client_id grant_type claims refresh_token scope",
        "grant_type refresh_token scope claims client_id",
        ORDER,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn for_a_second_api_and_its_demand_both_send_the_same() {
    let stage = stage("").await.unwrap();
    sign_in_there(&stage, "msal_silent", &given(&stage, None)).await.unwrap();
    let mark = stage.mark();
    sign_in_here(&stage).await.unwrap();
    take_tokens(&stage).await.unwrap();
    let listed =
        [EVERYWHERE, DEVICE_LOGIN, DEVICE_ORDER, ENTRA_LOGIN, SILENT, OTHER_ORDER, DEMANDED_ORDER].concat();
    stage.compare(mark, &["start", "poll", "other", "demanded"], &listed).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn as_a_client_that_can_answer_demands_both_send_the_same() {
    let stage = stage("client_capabilities = [\"cp1\"]").await.unwrap();
    sign_in_there(&stage, "msal_silent", &given(&stage, Some("cp1"))).await.unwrap();
    let mark = stage.mark();
    sign_in_here(&stage).await.unwrap();
    let token = take_tokens(&stage).await.unwrap();
    let record = stage.practice.access_token(&token).unwrap();
    assert_eq!(record.capabilities().collect::<Vec<_>>(), ["cp1"]);
    let listed = [EVERYWHERE, DEVICE_LOGIN, ENTRA_LOGIN, SILENT, CAPABLE_ORDER, DEMANDED_ORDER].concat();
    stage.compare(mark, &["start", "poll", "other", "demanded"], &listed).unwrap();
}

async fn stage(line: &str) -> Result<Stage> {
    let flow = DeviceFlow { interval: Duration::from_secs(1), ..DeviceFlow::default() };
    let settings = Settings { device_flow: Some(flow), ..Settings::entra() };
    Stage::new(settings, &format!("{PROFILE}{line}\n")).await
}

fn given(stage: &Stage, capability: Option<&str>) -> Value {
    json!({
        "client_id": "practice-client",
        "client_capabilities": capability.map(|name| [name]),
        "authority": entra_authority(stage),
        "scope": ["https://api.example/read"],
        "silent": [{ "scope": [OTHER], "claims": null }, { "scope": [OTHER], "claims": DEMAND }],
    })
}

/// The tokens that the script takes too; gives the last one.
async fn take_tokens(stage: &Stage) -> Result<String> {
    let ask = ["token", "--scope", OTHER];
    let first = stage.home.ctl(&ask).await?.success()?;
    let token = stage.home.ctl(&[&ask[..], &["--claims", DEMAND]].concat()).await?.success()?;
    ensure!(first != token, "the demand was answered from memory");
    let record = stage.practice.access_token(&token).context("an unknown token")?;
    ensure!(record.audience == ["https://other.example"], "it is for {:?}", record.audience);
    // What answers a demand is what everyone is given from then on.
    ensure!(stage.home.ctl(&ask).await?.success()? == token, "the older token is still served");
    stage.lives(&token).map(|()| token)
}
