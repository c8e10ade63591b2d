//! Microsoft Entra ID: its `AADSTS` numbers, its `suberror`s, and the codes that it alone uses.

use super::{Explanation, Table};

/// Explains a number.
pub(super) fn number(number: u64) -> Option<Explanation> {
    let (_, cause, next_step) = NUMBERS.iter().find(|(known, ..)| *known == number)?;
    Some(Explanation { cause, next_step })
}

pub(super) const NUMBERS: &[(u64, &str, &str)] = &[
    (
        50011,
        "The redirect URI of this login is not among those that the application is registered with.",
        "Add the profile's redirect_uri to the application (Authentication, \"Mobile and desktop applications\"), \
         character for character; only the port of a localhost address may differ.",
    ),
    (
        50020,
        "This person belongs to another tenant or identity provider, and is no guest in the tenant of the profile.",
        "Sign in as somebody of that tenant, correct the tenant in issuer, or have the person invited as a guest.",
    ),
    (
        50034,
        "The tenant has no user of this name.",
        "Check the user name, and the tenant in the profile's issuer.",
    ),
    (
        50053,
        "The user is locked for a while after too many wrong passwords, or the network that the sign-in came from is \
         blocked for its reputation.",
        "Wait some minutes and sign in with the right password, from a network that is not blocked.",
    ),
    (
        50055,
        "The person's password has expired.",
        "Sign in to any Microsoft page in a browser, set a new password there, then run `{login}`.",
    ),
    (50057, "The user is disabled in this tenant.", "Ask your administrator to enable the user."),
    (
        50058,
        "Entra was asked to sign in without showing anything, and nobody is signed in to it in this browser.",
        "Remove prompt=none from authorize_params, then run `{login}`.",
    ),
    (
        50059,
        "Neither the request nor the user name says which tenant is meant.",
        "Write the tenant into the profile's issuer, instead of common or organizations.",
    ),
    (
        50072,
        "The person must first register a second factor, because an administrator or a rule now demands one.",
        "Run `{login} --force` in a browser, and register what the page asks for.",
    ),
    (
        50074,
        "A second factor is demanded, and it was not given, or not rightly.",
        "Run `{login}` with the flow browser or device, and complete the second factor.",
    ),
    (
        50076,
        "A second factor is demanded that this login has not given: a rule was changed, or you are at another place.",
        "Run `{login} --force` with the flow browser or device, and complete the second factor.",
    ),
    (
        50078,
        "The person's second factor was given too long ago for the rules of the tenant.",
        "Run `{login} --force`, and give the second factor again.",
    ),
    (
        50079,
        "A second factor is demanded, and this person has not set one up yet.",
        "Run `{login} --force` with the flow browser, and set the second factor up as the page asks.",
    ),
    (
        50097,
        "A rule demands that the device proves which one it is, and this login could not do that.",
        "Run `{login}` with the flow browser, in a browser that is signed in to your organisation's device.",
    ),
    (
        50105,
        "The application takes only users who are assigned to it, and this person is not.",
        "Ask your administrator to assign you, or a group of yours, to the enterprise application.",
    ),
    (
        50126,
        "The user name or the password is wrong; it also looks like this when the password is kept by another \
         identity provider than Entra.",
        "Run `{login}` with the right ones, or use the flow browser or device.",
    ),
    (
        50128,
        "No tenant belongs to the domain that the request or the user name gives.",
        "Check the domain after the @ of the user name, and the tenant in the profile's issuer.",
    ),
    (
        50144,
        "The person's password in the local Active Directory has expired.",
        "Change it on a machine of your organisation, then run `{login}`.",
    ),
    (
        50173,
        "The login was revoked: the password was changed or reset since, or somebody ended all of this person's \
         sessions.",
        "Run `{login}`.",
    ),
    (
        50194,
        "The application is registered for one tenant only, and common was asked.",
        "Write the application's tenant into the profile's issuer, instead of common.",
    ),
    (
        50196,
        "The same request came so often that Entra takes the client for caught in a loop.",
        "Wait some minutes; then look which program asks again and again.",
    ),
    (
        53000,
        "A rule for conditional access demands a device that meets your organisation's requirements, and this one \
         does not.",
        "Enrol the device (Company Portal), have it meet the requirements, and sign in in a browser on it; ask your \
         administrator about a machine that cannot be enrolled.",
    ),
    (
        53001,
        "A rule for conditional access demands a device that is joined to your organisation's domain.",
        "Sign in in a browser on such a device, or ask your administrator for an exception.",
    ),
    (
        53003,
        "A rule for conditional access blocks this sign-in, for its place, its device, its risk or its flow (the \
         device flow is often blocked).",
        "Try the flow browser on a managed machine inside your organisation's network; else ask your administrator, \
         who finds the rule by the correlation id.",
    ),
    (54005, "The authorization code was redeemed before; each counts once.", "Run `{login}` once more."),
    (
        65001,
        "Neither this person nor an administrator has allowed the application what it asks for.",
        "Run `{login} --force` with the flow browser and allow it; where only administrators may, ask one to grant \
         consent for the application.",
    ),
    (
        65004,
        "The person declined to allow the application what it asks for.",
        "Run `{login}` and accept, or ask for fewer scopes.",
    ),
    (
        70000,
        "The refresh token or the code counts no longer, or belongs to another application or another scope.",
        "Run `{login}`.",
    ),
    (
        70002,
        "Entra does not accept the client's proof of itself: the secret or certificate does not belong to this \
         application.",
        "Compare client_id and client_secret of the profile with the application's \"Certificates & secrets\".",
    ),
    (
        70008,
        "The code or the refresh token is too old: codes live minutes, refresh tokens end when they are not used for \
         long.",
        "Run `{login}`.",
    ),
    (
        70011,
        "A scope is unknown, malformed, or mixes those of several APIs.",
        "Correct scopes in the profile: those of one API at a time, or only its .default.",
    ),
    (
        70018,
        "The code that was entered for the device is not one that was given out, or it is too old.",
        "Run `{login}`, and enter the new code as it is shown.",
    ),
    (
        70043,
        "A rule for conditional access demands that people sign in anew after a while, and that time is over.",
        "Run `{login}`.",
    ),
    (
        500_011,
        "The API that the token is for is not known in this tenant under the name that was asked for.",
        "Check the API's identifier in scopes and resources, and the tenant in issuer; an administrator may have to \
         add the API to the tenant.",
    ),
    (
        500_113,
        "The application has no address registered to which an answer may be sent.",
        "Add the profile's redirect_uri to the application (Authentication, \"Mobile and desktop applications\").",
    ),
    (
        650_052,
        "The application needs an API that this tenant has not subscribed to or has not enabled.",
        "Ask your administrator to add the API to the tenant, or correct scopes and resources in the profile.",
    ),
    (
        700_016,
        "The tenant has no application with this client identifier.",
        "Compare client_id with the \"Application (client) ID\", and the tenant in issuer with the application's; an \
         application of another tenant must be added by an administrator first.",
    ),
    (
        700_024,
        "The client's assertion is not yet or no longer valid by Entra's clock.",
        "Set this machine's clock; if client_assertion is ready-made, see that whatever writes it renews it in time.",
    ),
    (
        700_025,
        "The application is registered as a public client, and a secret or an assertion was sent all the same.",
        "Remove client_secret, client_key and client_assertion from the profile, or set client_auth = \"none\".",
    ),
    (
        700_027,
        "Entra cannot verify the client's signed assertion: its certificate is not registered, or not this one.",
        "Upload the certificate of the profile under the application's \"Certificates & secrets\", or correct the \
         profile's certificate and key.",
    ),
    (
        700_082,
        "The refresh token was not used for too long (90 days as a rule), so it has ended.",
        "Run `{login}`; with keep_alive left on the daemon renews it in time, as long as it runs.",
    ),
    (
        700_084,
        "The redirect URI is registered for a single-page application, whose refresh tokens end after 24 hours \
         whatever is done.",
        "Register the redirect URI under \"Mobile and desktop applications\" instead, then run `{login} --force`.",
    ),
    (
        700_213,
        "No federated identity of the application matches the subject or issuer of the assertion that was presented.",
        "Compare the federated credential under \"Certificates & secrets\" with the assertion's iss, sub and aud.",
    ),
    (
        7_000_215,
        "The client secret is wrong; often it is the secret's ID instead of its value.",
        "Put the value of a living secret (\"Certificates & secrets\", column Value, shown only when it is made) \
         where client_secret is read from.",
    ),
    (
        7_000_218,
        "The application is registered as one that must prove itself, and no secret or assertion was sent: it does \
         not count as a public client.",
        "Set \"Allow public client flows\" to Yes (the application's page, Authentication) if it runs on people's \
         machines; else add client_secret to the profile.",
    ),
    (
        7_000_222,
        "The client secret has expired.",
        "Make a new secret under \"Certificates & secrets\", and put its value where client_secret is read from.",
    ),
    (
        90002,
        "There is no such tenant, or it has no active subscription.",
        "Correct the tenant in the profile's issuer; if it is a national cloud, its host too.",
    ),
    (
        90014,
        "The request lacks a field that Entra demands; its words name which.",
        "Check the profile's flow and additional parameters; set scopes if it is scope.",
    ),
    (
        90033,
        "A part of Entra is out of order for the moment.",
        "Nothing has to be changed here: what is renewed by itself is tried again; for a login, run `{login}` later.",
    ),
    (
        90094,
        "What the application asks for can only be allowed by an administrator.",
        "Ask your administrator to grant consent for the application, then run `{login}`.",
    ),
    (
        900_144,
        "The request lacks a parameter that Entra demands; its words name which.",
        "Add it to the parameters of the profile (authorize_params, code_params, refresh_params, device_params), or \
         set scopes if it is scope.",
    ),
    (
        900_971,
        "The application has no redirect URI registered at all.",
        "Add the profile's redirect_uri to the application (Authentication, \"Mobile and desktop applications\").",
    ),
    (
        9_002_313,
        "Entra takes the request for malformed.",
        "Check the endpoints and additional parameters of the profile: those that Entra's documentation does not \
         name are best removed.",
    ),
    (
        9_002_327,
        "The redirect URI is registered for a single-page application, whose codes only a browser may redeem.",
        "Register the redirect URI under \"Mobile and desktop applications\" instead, then run `{login} --force`.",
    ),
];

/// What Entra says beside `error`; where the number is not in the table above.
pub(super) const SUBERRORS: &Table = &[
    ("bad_token", "The refresh token counts no longer.", "Run `{login}`."),
    ("token_expired", "The refresh token has expired.", "Run `{login}`."),
    (
        "consent_required",
        "The application was not allowed what it asks for now.",
        "Run `{login} --force` and allow it; where only administrators may, ask one to grant consent.",
    ),
    (
        "basic_action",
        "Entra wants to ask the person something that takes a moment, such as a second factor.",
        "Run `{login} --force`, and answer what the page asks.",
    ),
    (
        "additional_action",
        "Entra wants the person to do something outside this sign-in first, such as enrolling the device.",
        "Run `{login} --force` in a browser, and follow the page.",
    ),
    (
        "message_only",
        "Entra refuses and wants to tell the person why; asking again changes nothing by itself.",
        "Run `{login} --force` to read the message.",
    ),
];

pub(super) const CODES: &Table = &[
    (
        "authorization_declined",
        "The person declined on the page where the code was entered.",
        "Run `{login}` and accept.",
    ),
    (
        "invalid_resource",
        "The API that the token is for is not known in this tenant.",
        "Correct scopes and resources in the profile.",
    ),
];
