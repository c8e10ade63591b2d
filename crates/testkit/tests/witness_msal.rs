//! MSAL Python 1.39.0 and our programs at the same server, plain or with Entra's habits, by the device flow and as a
//! client with a secret or a certificate: what both send is equal, but for what is listed here.

use std::{fs, time::Duration};

use anyhow::Result;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::{Value, json};
use testkit::{
    practice::{Client, ClientAuthentication, ClientKey, DeviceFlow, Settings},
    witness::{
        ABSENT, Difference, Stage, differs,
        msal::{
            DEVICE_LOGIN, DEVICE_ORDER, ENTRA_LOGIN, EVERYWHERE, HOME_ACCOUNT, MAILBOX, TELEMETRY, authority,
            entra_authority, sign_in_here, sign_in_there,
        },
        reasons::{ORDER, SAME_SCOPE},
    },
};

const DEVICE: &[Difference] = &[
    differs("refresh", "header x-anchormailbox", "Oid:*", ABSENT, MAILBOX),
    differs("refresh", "form client_info", "1", ABSENT, HOME_ACCOUNT),
    differs("refresh", "header x-client-current-telemetry", "4|*", ABSENT, TELEMETRY),
    differs("refresh", "header x-client-last-telemetry", "4|*", ABSENT, TELEMETRY),
];

const REFRESH: &[Difference] = &[
    differs(
        "refresh",
        "form order",
        "client_id grant_type refresh_token",
        "grant_type refresh_token client_id",
        ORDER,
    ),
    differs("refresh", "form scope", SCOPE, ABSENT, SAME_SCOPE),
];

const ENTRA: &[Difference] = &[
    differs(
        "refresh",
        "form scope",
        "https://api.example/read offline_access openid profile",
        "https://api.example/read offline_access",
        "who signed in is known; offline_access keeps refresh tokens coming",
    ),
    differs(
        "refresh",
        "form order",
        "client_id grant_type refresh_token scope",
        "grant_type refresh_token scope client_id",
        ORDER,
    ),
];

const AS_ITSELF: &[Difference] = &[
    differs("*", "form client_info", "1", ABSENT, HOME_ACCOUNT),
    differs("*", "header x-client-current-telemetry", "4|*", ABSENT, TELEMETRY),
    differs("*", "header x-client-last-telemetry", "4|*", ABSENT, TELEMETRY),
];

const SECRET: &[Difference] = &[differs(
    "*",
    "form order",
    "client_id grant_type client_secret scope",
    "grant_type scope client_id client_secret",
    ORDER,
)];

const WHOLE_SECONDS: &str = "RFC 7519 allows fractions, and not every server reads them";
const UNPADDED: &str = "base64url in a JWT has no padding (RFC 7515 section 2)";

const ASSERTION: &[Difference] = &[
    differs("*", "assertion claim exp", "{fraction}", "{integer}", WHOLE_SECONDS),
    differs("*", "assertion claim iat", "{fraction}", "{integer}", WHOLE_SECONDS),
    differs("*", "assertion claim nbf", ABSENT, "{integer}", "Entra documents it as expected"),
    differs(
        "*",
        "form order",
        "client_id grant_type client_assertion client_assertion_type scope",
        "grant_type scope client_id client_assertion_type client_assertion",
        ORDER,
    ),
];

const CERTIFICATE: &[Difference] = &[
    differs("*", "assertion header x5t#S256", "{44 characters}", "{43 characters}", UNPADDED),
    differs(
        "*",
        "assertion header x5c",
        "{certificates: 1, in lines}",
        "{certificates: 1}",
        "the base64 of RFC 7515 section 4.1.6 has no line breaks; theirs keeps those of PEM",
    ),
];

const THUMBPRINT: &[Difference] =
    &[differs("*", "assertion header x5t", "{28 characters}", "{27 characters}", UNPADDED)];

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
    sign_in_there(&stage, "msal_device", &given).await.unwrap();
    let mark = stage.mark();
    sign_in_here(&stage).await.unwrap();
    stage.renew().await.unwrap();
    stage
        .compare(
            mark,
            &["start", "poll", "refresh"],
            &[EVERYWHERE, DEVICE_LOGIN, DEVICE_ORDER, DEVICE, REFRESH].concat(),
        )
        .unwrap();
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
        "times": 2,
    });
    stage.run_script("msal_confidential", &given).await.unwrap();
    let mark = stage.mark();
    stage.home.ctl(&["login", "--profile", "practice"]).await.unwrap().success().unwrap();
    stage.renew().await.unwrap();
    stage.compare(mark, &["login", "renewal"], &[EVERYWHERE, AS_ITSELF, SECRET].concat()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn as_a_client_with_a_certificate_both_send_the_same() {
    let key = ClientKey::rsa();
    // MSAL takes the certificate itself, or its SHA-1 thumbprint as older programs have it.
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &key.certificate_der);
    let thumbprint = hash.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02X}"));
    for (theirs, ours, listed) in [
        (
            json!({ "private_key": key.private_pem, "public_certificate": key.certificate_pem }),
            "assertion_x5c = true",
            CERTIFICATE,
        ),
        (
            json!({ "private_key": key.private_pem, "thumbprint": thumbprint }),
            "assertion_algorithm = \"RS256\"",
            THUMBPRINT,
        ),
    ] {
        let at_home = "assertion_audience = \"token_endpoint\"\nscopes = \"api read\"";
        let lines = format!("{at_home}\n{ours}");
        let stage = certificate_stage(Settings::default(), &key, &lines).await.unwrap();
        let given = json!({ "authority": authority(&stage), "scope": ["read", "api"] });
        sign_in_as_itself(&stage, theirs, given, listed).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_entra_by_the_device_flow_both_send_the_same() {
    let flow = DeviceFlow { interval: Duration::from_secs(1), ..Settings::entra().device_flow.unwrap() };
    let settings = Settings { device_flow: Some(flow), ..Settings::entra() };
    let profile = r#"
[profiles.practice]
issuer = "{issuer}"
client_id = "practice-client"
flow = "device"
resource_style = "entra"
scopes = "https://api.example/read"
{trust}
"#;
    let stage = Stage::new(settings, profile).await.unwrap();
    let given = json!({
        "client_id": "practice-client",
        "authority": entra_authority(&stage),
        "scope": ["https://api.example/read"],
    });
    sign_in_there(&stage, "msal_device", &given).await.unwrap();
    let mark = stage.mark();
    sign_in_here(&stage).await.unwrap();
    stage.renew().await.unwrap();
    stage
        .compare(
            mark,
            &["start", "poll", "refresh"],
            &[EVERYWHERE, DEVICE_LOGIN, DEVICE_ORDER, ENTRA_LOGIN, DEVICE, ENTRA].concat(),
        )
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn at_entra_as_a_client_with_a_secret_both_send_the_same() {
    let client = Client::confidential().accepting(&[ClientAuthentication::Post]);
    let settings = Settings { clients: vec![client], ..Settings::entra() };
    let profile = r#"
[profiles.practice]
issuer = "{issuer}"
client_id = "practice confidential"
client_secret = { file = "{secret}" }
client_auth = "post"
flow = "client_credentials"
resource_style = "entra"
resources = ["https://api.example"]
{trust}
"#;
    let stage = Stage::new(settings, profile).await.unwrap();
    let Client { id, secret, .. } = Client::confidential();
    let given = json!({
        "client_id": id,
        "client_credential": secret,
        "authority": entra_authority(&stage),
        "scope": ["https://api.example/.default"],
        "times": 2,
    });
    stage.run_script("msal_confidential", &given).await.unwrap();
    let mark = stage.mark();
    stage.home.ctl(&["login", "--profile", "practice"]).await.unwrap().success().unwrap();
    stage.renew().await.unwrap();
    stage.compare(mark, &["login", "renewal"], &[EVERYWHERE, AS_ITSELF, SECRET].concat()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn at_entra_as_a_client_with_a_certificate_both_send_the_same() {
    let key = ClientKey::rsa();
    // Who the assertion is for is left out: at Entra that is the token endpoint.
    let lines = "resource_style = \"entra\"\nresources = [\"https://api.example\"]\nassertion_x5c = true";
    let stage = certificate_stage(Settings::entra(), &key, lines).await.unwrap();
    let theirs = json!({ "private_key": key.private_pem, "public_certificate": key.certificate_pem });
    let given = json!({ "authority": entra_authority(&stage), "scope": ["https://api.example/.default"] });
    sign_in_as_itself(&stage, theirs, given, CERTIFICATE).await.unwrap();
}

/// Both sign the client in by its certificate and renew, and differ as listed.
async fn sign_in_as_itself(
    stage: &Stage,
    credential: Value,
    mut given: Value,
    listed: &[Difference],
) -> Result<()> {
    given["client_id"] = json!(Client::confidential().id);
    given["client_credential"] = credential;
    // It sends an assertion until it is nine minutes old, which a server that takes each only once refuses.
    given["times"] = json!(1);
    stage.run_script("msal_confidential", &given).await?;
    stage.run_script("msal_confidential", &given).await?;
    let mark = stage.mark();
    stage.home.ctl(&["login", "--profile", "practice"]).await?.success()?;
    stage.renew().await?;
    stage.compare(mark, &["login", "renewal"], &[EVERYWHERE, AS_ITSELF, ASSERTION, listed].concat())
}

/// A server that knows the client by its certificate, and takes assertions of ten minutes as Entra does.
async fn certificate_stage(settings: Settings, key: &ClientKey, lines: &str) -> Result<Stage> {
    let client = Client {
        secret: None,
        key: Some(key.certificate()),
        ..Client::confidential().accepting(&[ClientAuthentication::PrivateKeyJwt])
    };
    let settings = Settings { clients: vec![client], assertion_life: Duration::from_mins(10), ..settings };
    let profile = format!(
        r#"
[profiles.practice]
issuer = "{{issuer}}"
client_id = "practice confidential"
flow = "certificate"
client_certificate = "{{home}}/cert.pem"
client_key = {{ file = "{{home}}/key.pem" }}
{lines}
{{trust}}
"#
    );
    let stage = Stage::new(settings, &profile).await?;
    fs::write(stage.home.path().join("cert.pem"), &key.certificate_pem)?;
    fs::write(stage.home.path().join("key.pem"), &key.private_pem)?;
    Ok(stage)
}
