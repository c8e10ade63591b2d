//! MSAL Python 1.39.0 and our programs at the same server, by the device flow and as a client with a secret: what both
//! send is equal, but for what is listed here.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{
    practice::{Client, ClientAuthentication, DeviceFlow, Settings},
    witness::{
        ABSENT, Difference, Stage, differs,
        reasons::{AGENT, CLOSES, ORDER, PLAIN, SAME_SCOPE},
    },
};

const TELEMETRY: &str = "tells Microsoft about MSAL; no server needs it";
const CORRELATION: &str = "a trace number drawn by the client; servers draw their own without it";
const HOME_ACCOUNT: &str = "asks Entra for the key of MSAL's token cache; our sessions have names";

const EVERYWHERE: &[Difference] = &[
    differs("*", "header user-agent", "python-requests/*", "fourinsightd/*", AGENT),
    differs("*", "header accept-encoding", "gzip, deflate*", ABSENT, PLAIN),
    differs("*", "header connection", "keep-alive", ABSENT, CLOSES),
    differs("*", "header client-request-id", "*", ABSENT, CORRELATION),
    differs("*", "header x-client-sku", "MSAL.Python", ABSENT, TELEMETRY),
    differs("*", "header x-client-ver", "1.39.0", ABSENT, TELEMETRY),
    differs("*", "header x-client-os", "*", ABSENT, TELEMETRY),
    differs(
        "*",
        "header x-ms-lib-capability",
        "retry-after, h429",
        ABSENT,
        "says that Retry-After and 429 are obeyed; we obey them unasked",
    ),
];

const DEVICE: &[Difference] = &[
    differs(
        "start",
        "header accept",
        "*/*",
        "application/json",
        "GitHub answers in a form unless asked for JSON",
    ),
    differs("start", "form order", "client_id scope", "scope client_id", ORDER),
    differs(
        "poll",
        "form code",
        "{DeviceCode}",
        ABSENT,
        "a name from before RFC 8628, which says device_code; theirs sends both",
    ),
    differs(
        "poll",
        "form order",
        "client_id grant_type device_code",
        "grant_type device_code client_id",
        ORDER,
    ),
    differs(
        "refresh",
        "form order",
        "client_id grant_type refresh_token",
        "grant_type refresh_token client_id",
        ORDER,
    ),
    differs("refresh", "form scope", SCOPE, ABSENT, SAME_SCOPE),
    differs(
        "refresh",
        "header x-anchormailbox",
        "Oid:subject-of-ada",
        ABSENT,
        "routes within Microsoft, and tells every proxy who the person is",
    ),
    differs("poll, refresh", "form client_info", "1", ABSENT, HOME_ACCOUNT),
    differs("poll, refresh", "header x-client-current-telemetry", "4|*", ABSENT, TELEMETRY),
    differs("poll, refresh", "header x-client-last-telemetry", "4|*", ABSENT, TELEMETRY),
];

const SECRET: &[Difference] = &[
    differs(
        "*",
        "form order",
        "client_id grant_type client_secret scope",
        "grant_type scope client_id client_secret",
        ORDER,
    ),
    differs("*", "form client_info", "1", ABSENT, HOME_ACCOUNT),
    differs("*", "header x-client-current-telemetry", "4|*", ABSENT, TELEMETRY),
    differs("*", "header x-client-last-telemetry", "4|*", ABSENT, TELEMETRY),
];

/// In MSAL's order.
const SCOPE: &str = "offline_access openid profile read";

#[tokio::test(flavor = "multi_thread")]
async fn by_the_device_flow_both_send_the_same() {
    let flow = DeviceFlow { interval: Duration::from_secs(1), ..DeviceFlow::default() };
    let settings = Settings { device_flow: Some(flow), ..Settings::default() };
    let profile = format!(
        "[profiles.practice]\nissuer = \"{{issuer}}\"\nclient_id = \"practice-client\"\nflow = \"device\"\n\
         scopes = \"{SCOPE}\"\n{{trust}}\n"
    );
    let stage = Stage::new(settings, &profile).await.unwrap();
    let given = json!({ "client_id": "practice-client", "authority": authority(&stage), "scope": ["read"] });
    sign_in_there(&stage, &given).await.unwrap();
    let mark = stage.mark();
    sign_in_here(&stage).await.unwrap();
    stage.renew().await.unwrap();
    stage.compare(mark, &["start", "poll", "refresh"], &[EVERYWHERE, DEVICE].concat()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn as_a_client_with_a_secret_both_send_the_same() {
    let client = Client::confidential().accepting(&[ClientAuthentication::Post]);
    let settings = Settings { clients: vec![client], ..Settings::default() };
    let profile = r#"
[profiles.practice]
issuer = "{issuer}"
client_id = "practice confidential"
client_secret = { file = "{secret}" }
client_auth = "post"
flow = "client_credentials"
scopes = "api read"
{trust}
"#;
    let stage = Stage::new(settings, profile).await.unwrap();
    let Client { id, secret, .. } = Client::confidential();
    let given = json!({
        "client_id": id,
        "client_credential": secret,
        "authority": authority(&stage),
        "scope": ["read", "api"],
    });
    stage.run_script("msal_confidential", &given).await.unwrap();
    let mark = stage.mark();
    stage.home.ctl(&["login", "--profile", "practice"]).await.unwrap().success().unwrap();
    stage.renew().await.unwrap();
    stage.compare(mark, &["login", "renewal"], &[EVERYWHERE, SECRET].concat()).unwrap();
}

/// How MSAL finds the server. It insists on a path of at least one segment; URLs are normalised before they are sent.
fn authority(stage: &Stage) -> Value {
    json!({ "oidc_authority": format!("{}/.", stage.serving.issuer) })
}

async fn sign_in_there(stage: &Stage, given: &Value) -> Result<()> {
    let mut script = stage.script("msal_device", given).await?;
    let asked = script.next().await?;
    let text = |name: &str| asked[name].as_str().with_context(|| format!("no {name}"));
    stage.practice.answer_device(text("verification_uri")?, text("user_code")?, Some("ada")).await?;
    script.tell("entered").await?;
    stage.finish_script(script).await
}

async fn sign_in_here(stage: &Stage) -> Result<()> {
    // The daemon's first poll comes after the interval; the person may be slower than that.
    let login = stage.home.begin_device_login(&[]).await?;
    stage.practice.answer_device(&login.login.authorization_uri, &login.user_code, Some("ada")).await?;
    login.login.finish().await?.success().map(drop)
}
