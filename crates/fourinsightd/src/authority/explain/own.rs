//! The codes that the daemon itself gives to what it meets. A test walks the source: none is without a row here.

use super::Table;

pub(super) const CODES: &Table = &[
    (
        "server_unreachable",
        "No usable answer came over the network: the host name, the connection, the encryption or a time limit \
         failed.",
        "Check the network, VPN and proxy of this machine, and tls_ca_file and proxy of the profile; what is renewed \
         by itself is tried again.",
    ),
    (
        "discovery_failed",
        "At the issuer's well-known addresses there is no metadata document.",
        "Correct issuer in the profile, or write the server's endpoints there instead.",
    ),
    (
        "invalid_issuer",
        "The profile's issuer is no https address (http is taken only for this machine itself).",
        "Correct issuer in the profile.",
    ),
    (
        "issuer_mismatch",
        "The server's metadata calls it by another name than the profile does, and the two must be equal to the \
         last character.",
        "Write the name that the server gives itself as issuer in the profile, if that is the server you mean.",
    ),
    (
        "invalid_metadata",
        "The server's metadata cannot be used, or lacks an endpoint that the flow needs.",
        "Write the missing endpoint in the profile, or choose a flow that the server offers.",
    ),
    (
        "invalid_response",
        "What answered does not speak OAuth here: a page of a proxy or a captive portal, another endpoint, or a \
         broken server.",
        "Check that token_endpoint and the other endpoints are the right ones and that nothing on the way answers \
         in the server's place; what is renewed by itself is tried again.",
    ),
    (
        "invalid_endpoint",
        "An endpoint that the session was signed in with is no address.",
        "Correct the endpoints of the profile, then run `{login} --force`.",
    ),
    (
        "endpoint_not_allowed",
        "The token endpoint that a pasted package named is not, or no longer, one that the profile allows. Nothing \
         was sent to it.",
        "Check allowed_token_endpoints in the profile, then run `{login} --force`.",
    ),
    (
        "client_secret_unreadable",
        "The client secret could not be read from where the profile says it is. Nothing was sent.",
        "Correct client_secret in the profile, or make the file, variable or command that it names work for the \
         daemon.",
    ),
    (
        "client_key_unreadable",
        "The client's private key could not be read from where the profile says it is. Nothing was sent.",
        "Correct client_key in the profile, or make the file, variable or command that it names work for the daemon.",
    ),
    (
        "client_key_unusable",
        "No proof can be made with the client's private key: it is encrypted, of a form or kind that the daemon does \
         not take, or not named at all. Nothing was sent.",
        "Point client_key at the unencrypted key, in PEM, that belongs to the client's registration.",
    ),
    (
        "client_certificate_unreadable",
        "The client's certificate could not be read from where the profile says it is. Nothing was sent.",
        "Correct client_certificate in the profile, or make the file readable for the daemon.",
    ),
    (
        "client_certificate_unusable",
        "The client's certificate was read, but is none in PEM, or is not the one of the client's key. Nothing was \
         sent.",
        "Point client_certificate at the PEM file of the certificate that belongs to client_key and is registered \
         for the client.",
    ),
    (
        "client_assertion_unreadable",
        "The ready-made assertion could not be read from where the profile says it is. Nothing was sent.",
        "Correct client_assertion in the profile, or see whether whatever writes the assertion still runs.",
    ),
    (
        "client_secret_needed",
        "A process brought the client secret to an earlier run of the daemon, which kept it in memory only.",
        "Run `{login}` and bring the secret again (--client-secret-stdin), or write client_secret in the profile.",
    ),
    (
        "invalid_id_token",
        "The server's statement about who signed in does not hold: it is for another client, by another issuer, too \
         old, or not an answer to this login.",
        "Compare issuer and client_id of the profile with the client's registration, and check this machine's clock.",
    ),
    (
        "person_changed",
        "At a renewal the server answered for another person than the one who signed in, so the answer was neither \
         kept nor handed out.",
        "Run `{login} --force` as the person that this session is for.",
    ),
    (
        "storage_failed",
        "The disk does not take what the daemon must write before or after a renewal, so none was begun.",
        "Make room on the disk and the state folder writable (`fourinsightctl status` names it); it is tried again \
         by itself.",
    ),
    (
        "store_locked",
        "The key that opens the stored sessions is out of the daemon's reach: the keyring that holds it is locked or \
         does not run, or the service manager did not hand it over.",
        "Unlock the keyring, or bring the key back (`fourinsightctl status` says where it is): the session comes back \
         by itself, and nothing is lost.",
    ),
    (
        "rotation_interrupted",
        "The daemon ended in the middle of a renewal, or the answer to one was lost on the way. The server may have \
         replaced the refresh token by then, and nobody here has seen by what.",
        "While the session is signed in nothing has to be done: the access token is used to its end, then the renewal \
         is tried; should it fail, run `{login}`. If the server keeps old refresh tokens good for a while, say so with \
         rotation in the profile.",
    ),
    (
        "session_lost",
        "A defect of the daemon ended the session's work, and the session was in memory only, so nothing is left of it.",
        "Run `{login}`.",
    ),
    (
        "rotation_in_doubt",
        "The server refused a token for another audience. Such a server may use up the refresh token before it looks at \
         what is asked for, and ends the whole login when it sees that one again.",
        "Nothing has to be done: the access token is used to its end, then the refresh token is tried; should that fail, \
         run `{login}`. If the server keeps old refresh tokens good, say so with rotation in the profile.",
    ),
    (
        "server_asked_to_wait",
        "The server has answered one of your sessions with the wish to be left alone for a while (Retry-After), which \
         counts for all of them. Nothing was sent, and nothing is lost.",
        "Nothing has to be done: it is tried again when that time is over, and the access token is served meanwhile.",
    ),
    (
        "refused_for_long",
        "Whatever answers at the token endpoint refuses every renewal, and has done so for more than ten minutes, but \
         never in the words by which a server ends a login. The login is kept and tried every few minutes; its access \
         token has ended meanwhile.",
        "Check that token_endpoint and the client of the profile are right and that no proxy or firewall answers in the \
         server's place; it then works again by itself. If the server means it, run `{login} --force`.",
    ),
    (
        "record_rolled_back",
        "The disk lost a write that it had confirmed, so the stored login is older than it should be.",
        "Check the disk, and run `{login} --force`.",
    ),
    (
        "record_damaged",
        "The stored login cannot be read: its record on the disk is damaged, sealed under another key, or gone. What \
         is left of it is set aside, and `fourinsightctl status` says where.",
        "Put the right key file back if that was replaced; else check the disk, and run `{login}`.",
    ),
    (
        "record_newer",
        "The stored login was written by a newer version of the daemon, in a form that this one does not know. It is \
         left as it is.",
        "Start the newer daemon again; or run `{login}`, which replaces the stored login.",
    ),
    (
        "expired_on_arrival",
        "The access tokens that the server issues are already over when they arrive.",
        "Check this machine's clock, and the life of access tokens that the server's administrator has set.",
    ),
    (
        "access_token_expired",
        "The access token has ended, and the login brought no refresh token to renew it with.",
        "Run `{login}`; to be asked less often, add offline_access to the scopes of the profile if the server offers \
         it.",
    ),
    (
        "insufficient_user_authentication",
        "An API takes the access token only from a person who has signed in in another way, such as with a second \
         factor, or more recently. Other APIs take it as it is.",
        "Run `{login}`: the login asks for what the API wants. Until then use the other APIs.",
    ),
    (
        "too_many_demands",
        "Callers bring more different claims for one audience than the server can be asked for in turn.",
        "Nothing is lost: bring the claims again later, and report challenges as rejections instead.",
    ),
    (
        "access_token_rejected",
        "An API refused the access token, and the login brought no refresh token to get another one with.",
        "Run `{login}`; to be asked less often, add offline_access to the scopes of the profile if the server offers \
         it.",
    ),
    (
        "revocation_unsupported",
        "The server offers no way to revoke tokens, so it was not told; the session is forgotten here.",
        "To end the login at the server too, use the server's own page about sessions and apps, if it has one; access \
         tokens end by themselves.",
    ),
    (
        "login_replaced",
        "Somebody began another login for the same session before this one was finished.",
        "Finish the later login, or use another session key for each.",
    ),
    (
        "answer_not_taken",
        "An answer for this login came, but did not prove that it is from the server the login was begun at.",
        "Run `{login}`; should it happen again, correct issuer in the profile.",
    ),
];
