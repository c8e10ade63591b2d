//! The codes of GitHub, which answers with status 200 even when it refuses.

use super::Table;

pub(super) const CODES: &Table = &[
    (
        "bad_refresh_token",
        "GitHub does not accept the refresh token: it has expired, was used before, or belongs to another app.",
        "Run `{login}`.",
    ),
    (
        "incorrect_client_credentials",
        "GitHub does not know this pair of client_id and client_secret.",
        "Compare both with the app's page under Developer settings; a new secret can be made there.",
    ),
    (
        "bad_verification_code",
        "GitHub does not accept the code: it has expired after ten minutes, or was used before.",
        "Run `{login}` once more, and answer it without delay.",
    ),
    (
        "incorrect_device_code",
        "GitHub does not know the device code of this login.",
        "Run `{login}` once more, and enter the new code.",
    ),
    (
        "redirect_uri_mismatch",
        "The redirect URI does not lie below the callback URL that the app is registered with.",
        "Set redirect_uri in the profile to the app's callback URL; for a loopback address the port may differ.",
    ),
    (
        "device_flow_disabled",
        "The device flow is not switched on for this app.",
        "Tick \"Enable Device Flow\" on the app's page under Developer settings, or use the flow browser.",
    ),
    (
        "unverified_user_email",
        "The primary e-mail address of this person has not been verified at GitHub.",
        "Verify it under Settings, Emails, then run `{login}`.",
    ),
    (
        "application_suspended",
        "GitHub has suspended this app.",
        "The app's owner must ask GitHub's support to have it lifted.",
    ),
];
