//! The codes of OpenID Connect Core section 3.1.2.6, with those that it shares with RFC 9101, and the one of OpenID
//! Connect Core Unmet Authentication Requirements, which RFC 9470 refers to.

use super::Table;

pub(super) const CODES: &Table = &[
    (
        "interaction_required",
        "The server wants to ask the person something, such as a second factor or terms of use, before it goes on.",
        "Run `{login}`, and answer what the server asks; remove prompt=none from authorize_params if it is there.",
    ),
    (
        "login_required",
        "The server wants the person to sign in anew.",
        "Run `{login}`; remove prompt=none from authorize_params if it is there.",
    ),
    (
        "unmet_authentication_requirements",
        "The person did not sign in, or cannot, in the way that an API or the profile asks for.",
        "Sign in in that way; where the server has none such, run `fourinsightctl revoke` for the session, which \
         forgets what the API asks for, and then `{login}`.",
    ),
    (
        "account_selection_required",
        "The person is signed in to the server under several names and must choose one.",
        "Run `{login}` and choose; or say which with login_hint in authorize_params.",
    ),
    (
        "consent_required",
        "The person, or an administrator for everyone, has not allowed the client what it asks for.",
        "Run `{login} --force` and allow it; where the server keeps that to administrators, ask one for consent.",
    ),
    (
        "invalid_request_uri",
        "The request_uri in the profile's authorize_params leads to nothing that the server can use.",
        "Correct request_uri in authorize_params, or remove it.",
    ),
    (
        "invalid_request_object",
        "The signed request in the profile's authorize_params is not one that the server accepts.",
        "Correct request in authorize_params, or remove it.",
    ),
    (
        "request_not_supported",
        "The server takes no signed requests, and authorize_params holds one.",
        "Remove request from authorize_params.",
    ),
    (
        "request_uri_not_supported",
        "The server takes no requests by reference, and authorize_params holds one.",
        "Remove request_uri from authorize_params.",
    ),
    (
        "registration_not_supported",
        "The server lets no client register itself within a request, and authorize_params tries to.",
        "Remove registration from authorize_params, and register the client at the server.",
    ),
];
