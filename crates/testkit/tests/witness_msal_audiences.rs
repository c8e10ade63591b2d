//! MSAL Python 1.39.0's `acquire_token_silent` and our programs at a server with Entra's habits: one login, a second
//! API, and the claims that an API demands.

use std::time::Duration;

use serde_json::json;
use testkit::{
    practice::{DeviceFlow, Settings},
    witness::{
        ABSENT, Difference, Stage, differs,
        msal::{
            DEVICE_LOGIN, ENTRA_LOGIN, EVERYWHERE, HOME_ACCOUNT, MAILBOX, TELEMETRY, entra_authority,
            sign_in_here, sign_in_there,
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

const SILENT: &[Difference] = &[
    differs("other", "header x-anchormailbox", "Oid:*", ABSENT, MAILBOX),
    differs("other", "form client_info", "1", ABSENT, HOME_ACCOUNT),
    differs("other", "header x-client-current-telemetry", "4|*", ABSENT, TELEMETRY),
    differs("other", "header x-client-last-telemetry", "4|*", ABSENT, TELEMETRY),
    differs(
        "other",
        "form scope",
        "https://other.example/read offline_access openid profile",
        "https://other.example/read offline_access",
        "who signed in is known; offline_access keeps refresh tokens coming",
    ),
    differs(
        "other",
        "form order",
        "client_id grant_type refresh_token scope",
        "grant_type refresh_token scope client_id",
        ORDER,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn for_a_second_api_both_send_the_same() {
    let flow = DeviceFlow { interval: Duration::from_secs(1), ..Settings::entra().device_flow.unwrap() };
    let settings = Settings { device_flow: Some(flow), ..Settings::entra() };
    let stage = Stage::new(settings, PROFILE).await.unwrap();
    let given = json!({
        "client_id": "practice-client",
        "client_capabilities": null,
        "authority": entra_authority(&stage),
        "scope": ["https://api.example/read"],
        "silent": [{ "scope": [OTHER], "claims": null }],
    });
    sign_in_there(&stage, "msal_silent", &given).await.unwrap();
    let mark = stage.mark();
    sign_in_here(&stage).await.unwrap();
    let token = stage.home.ctl(&["token", "--scope", OTHER]).await.unwrap().success().unwrap();
    stage.lives(&token).unwrap();
    assert_eq!(stage.practice.access_token(&token).unwrap().audience, ["https://other.example"]);
    let listed = [EVERYWHERE, DEVICE_LOGIN, ENTRA_LOGIN, SILENT].concat();
    stage.compare(mark, &["start", "poll", "other"], &listed).unwrap();
}
