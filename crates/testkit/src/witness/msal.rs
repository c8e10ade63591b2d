//! What every comparison with MSAL Python has in common: the differences that are the same in each request, and a login
//! by the device flow in both programs.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    ABSENT, Difference, Stage, differs,
    reasons::{AGENT, CLOSES, ORDER, PLAIN},
};

/// For what MSAL sends for the sake of Microsoft's statistics.
pub const TELEMETRY: &str = "tells Microsoft about MSAL; no server needs it";
/// For `client_info`.
pub const HOME_ACCOUNT: &str = "asks Entra for the key of MSAL's token cache; our sessions have names";
/// For `x-anchormailbox`.
pub const MAILBOX: &str = "routes within Microsoft, and tells every proxy who the person is";
const CORRELATION: &str = "a trace number drawn by the client; servers draw their own without it";

/// In every request.
pub const EVERYWHERE: &[Difference] = &[
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

/// In a login by the device flow, whose requests are `start` and `poll`.
pub const DEVICE_LOGIN: &[Difference] = &[
    differs(
        "start",
        "header accept",
        "*/*",
        "application/json",
        "GitHub answers in a form unless asked for JSON",
    ),
    differs(
        "poll",
        "form code",
        "{DeviceCode}",
        ABSENT,
        "a name from before RFC 8628, which says device_code; theirs sends both",
    ),
    differs("poll", "form client_info", "1", ABSENT, HOME_ACCOUNT),
    differs("poll", "header x-client-current-telemetry", "4|*", ABSENT, TELEMETRY),
    differs("poll", "header x-client-last-telemetry", "4|*", ABSENT, TELEMETRY),
];

/// In the same login of a client that says nothing of its capabilities.
pub const DEVICE_ORDER: &[Difference] = &[
    differs("start", "form order", "client_id scope", "scope client_id", ORDER),
    differs(
        "poll",
        "form order",
        "client_id grant_type device_code",
        "grant_type device_code client_id",
        ORDER,
    ),
];

/// In a login by the device flow at Entra for `https://api.example/read`.
pub const ENTRA_LOGIN: &[Difference] = &[differs(
    "start",
    "form scope",
    "https://api.example/read offline_access openid profile",
    "https://api.example/read openid profile offline_access",
    "the order of scopes means nothing (RFC 6749 section 3.3); theirs is alphabetic",
)];

/// How MSAL finds the server. It insists on a path of at least one segment; URLs are normalised before they are sent.
pub fn authority(stage: &Stage) -> Value {
    json!({ "oidc_authority": format!("{}/.", stage.serving.issuer) })
}

/// The same where MSAL is at home: a tenant by its domain.
pub fn entra_authority(stage: &Stage) -> Value {
    json!({
        "authority": format!("{}/contoso.example", stage.serving.origin),
        "validate_authority": false,
        "instance_discovery": false,
    })
}

/// Runs a script that signs in by the device flow, enters its code, and waits for its end.
pub async fn sign_in_there(stage: &Stage, script: &str, given: &Value) -> Result<()> {
    let mut script = stage.script(script, given).await?;
    let asked = script.next().await?;
    let text = |name: &str| asked[name].as_str().with_context(|| format!("no {name}"));
    stage.practice.answer_device(text("verification_uri")?, text("user_code")?, Some("ada")).await?;
    script.tell("entered").await?;
    stage.finish_script(script).await
}

/// Signs in with our own programs by the device flow.
pub async fn sign_in_here(stage: &Stage) -> Result<()> {
    // The daemon's first poll comes after the interval; the person may be slower than that.
    let login = stage.home.begin_device_login(&[]).await?;
    stage.practice.answer_device(&login.login.authorization_uri, &login.user_code, Some("ada")).await?;
    login.login.finish().await?.success().map(drop)
}
