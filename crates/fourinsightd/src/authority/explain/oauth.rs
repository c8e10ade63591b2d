//! The codes of OAuth 2.0: RFC 6749 sections 4.1.2.1, 4.2.2.1 and 5.2, RFC 8628 section 3.5, RFC 8707 section 2,
//! RFC 7009 section 2.2.1, RFC 6750 section 3.1.

use super::Table;

pub(super) const CODES: &Table = &[
    (
        "invalid_request",
        "The server takes the request for malformed: a parameter is missing, given twice, or has a value that the \
         server does not expect of this client.",
        "Compare the profile's redirect_uri, flow, client_auth and additional parameters with what the server's \
         documentation asks for.",
    ),
    (
        "invalid_client",
        "The server does not accept the client's proof of itself: the client identifier is unknown there, the secret \
         is wrong or has expired, or it was sent in another way than the client is registered for.",
        "Compare client_id, client_secret and client_auth of the profile with the client's registration at the \
         server.",
    ),
    (
        "invalid_grant",
        "The refresh token, the code or the password that was presented counts no longer: it has expired, was \
         revoked, was used before, or belongs to another client or redirect URI.",
        "Run `{login}`.",
    ),
    (
        "unauthorized_client",
        "The client is registered, but not for this way of asking for tokens.",
        "Allow the profile's flow (its grant type) in the client's registration at the server, or use another flow.",
    ),
    (
        "unsupported_grant_type",
        "The server does not offer this way of asking for tokens at all, or the token endpoint is not the right one.",
        "Use another flow, and check token_endpoint if the profile sets it.",
    ),
    (
        "unsupported_response_type",
        "The server does not offer the kind of answer that the flow asks for, or not to this client.",
        "Use the flow browser; for the flow implicit the client must be registered for it at the server.",
    ),
    (
        "invalid_scope",
        "A scope that was asked for is unknown to the server, malformed, or not to be had by this client or person.",
        "Correct scopes in the profile (or --scope), and see which scopes the client is registered for.",
    ),
    (
        "access_denied",
        "The person declined, or a rule of the server does not let this person or client in.",
        "Run `{login}` and allow the access; if you did, ask the server's administrator who may use this client.",
    ),
    (
        "server_error",
        "Something went wrong inside the server.",
        "Nothing has to be changed here: what is renewed by itself is tried again; for a login, run `{login}` later.",
    ),
    (
        "temporarily_unavailable",
        "The server, or something before it, is overloaded or being maintained.",
        "Nothing has to be changed here: what is renewed by itself is tried again; for a login, run `{login}` later.",
    ),
    (
        "authorization_pending",
        "The person has not yet entered the code or not yet decided.",
        "Open the address that the login shows, and enter its code there.",
    ),
    (
        "slow_down",
        "The server wants to be asked less often.",
        "Nothing has to be changed here: the daemon waits longer from then on.",
    ),
    (
        "expired_token",
        "The code that was to be entered on another device became too old before anybody entered it.",
        "Run `{login}`, and enter the new code before its countdown ends.",
    ),
    (
        "invalid_target",
        "The resource (the API that the token is for) is unknown to the server, or not to be had by this client.",
        "Correct resources in the profile (or --resource): most servers compare the URI character for character.",
    ),
    (
        "unsupported_token_type",
        "The server cannot revoke this type of token; such tokens end by themselves.",
        "Nothing has to be done; the session is forgotten here.",
    ),
    (
        "invalid_token",
        "The server does not know the token, or not any more.",
        "Run `{login}` if the session is still needed.",
    ),
];
