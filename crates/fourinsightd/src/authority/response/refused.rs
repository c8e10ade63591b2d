//! An answer that grants nothing: what it decides, and when to ask again.

use std::time::Duration;

use super::raw::{self, RawAnswer};
use crate::authority::{Detail, Failure, Outcome, Refusal, Retry, Verdict, json::Object};

/// The longest pause that a server can ask for: a slip of its clock is not to cost a day.
const LONGEST_PAUSE: u64 = 86_400;

pub(super) fn judge(answer: &RawAnswer, server_now: i64) -> Outcome {
    let error = ErrorAnswer::read(&answer.body);
    let failure = ErrorAnswer::failure(error.as_ref(), answer.status);
    let refused = refuses(answer.status) && !error.as_ref().is_some_and(|it| is_of_the_moment(&it.error));
    // A proxy's own words say nothing of what its server has done.
    let turned_away = error.is_some() || answer.retry_after.is_some();
    match error.and_then(|error| verdict(answer.status, &error)) {
        Some(verdict) => Outcome::Refused(Refusal { verdict, failure }),
        None => Outcome::Retry(Retry {
            after: pause(answer, server_now),
            ambiguous: may_have_acted(answer.status, turned_away),
            refused,
            failure,
        }),
    }
}

/// What an error decides; nothing when it is not clear.
pub(super) fn verdict(status: u16, answer: &ErrorAnswer) -> Option<Verdict> {
    if !(400..500).contains(&status) || matches!(status, 408 | 429) {
        return None;
    }
    let ends_grants = status <= 403;
    match (answer.error.as_str(), answer.suberror.as_deref()) {
        ("invalid_grant" | "interaction_required", Some("bad_token" | "token_expired")) if ends_grants => {
            Some(Verdict::Final)
        }
        ("invalid_grant", Some(suberror)) if needs_a_person(suberror) => Some(Verdict::InteractionRequired),
        // The second is GitHub's word for a refresh token that is spent.
        ("invalid_grant" | "bad_refresh_token", _) if ends_grants => Some(Verdict::Final),
        (error, _) if blames_the_client(error) => Some(Verdict::Misconfigured),
        ("invalid_scope", _) => Some(Verdict::Scope),
        ("invalid_target" | "invalid_resource", _) => Some(Verdict::Target),
        (error, _) if asks_for_a_person(error) => Some(Verdict::InteractionRequired),
        _ => None,
    }
}

/// Whether an error says that the server does not take the client (RFC 6749 section 5.2), or its registration or secret,
/// in the words of GitHub, Google and Slack.
pub(crate) fn blames_the_client(error: &str) -> bool {
    let standard = matches!(error, "invalid_client" | "unauthorized_client");
    let of_github = error == "incorrect_client_credentials";
    let of_google = matches!(error, "deleted_client" | "disabled_client");
    standard || of_github || of_google || matches!(error, "bad_client_secret" | "invalid_client_id")
}

/// The errors by which a server asks for its person (OpenID Connect Core section 3.1.2.6; the last is Auth0's).
fn asks_for_a_person(error: &str) -> bool {
    matches!(
        error,
        "interaction_required"
            | "consent_required"
            | "login_required"
            | "account_selection_required"
            | "mfa_required"
    )
}

/// Whether an error is one of the moment: some servers say even that with a 200.
pub(super) fn is_of_the_moment(error: &str) -> bool {
    let standard = matches!(error, "temporarily_unavailable" | "server_error" | "slow_down");
    // Slack's words for the same.
    standard
        || matches!(
            error,
            "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" | "ratelimited"
        )
}

/// The reasons of Entra's `invalid_grant` that leave the grant alive.
fn needs_a_person(suberror: &str) -> bool {
    matches!(suberror, "consent_required" | "basic_action" | "additional_action" | "message_only")
}

/// How long the server asks to be left alone (RFC 9110 section 10.2.3).
pub(super) fn pause(answer: &RawAnswer, server_now: i64) -> Option<Duration> {
    let text = answer.retry_after.as_deref()?.trim();
    let seconds = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().unwrap_or(u64::MAX)
    } else {
        u64::try_from(raw::unix(text)? - server_now).unwrap_or(0)
    };
    Some(Duration::from_secs(seconds.min(LONGEST_PAUSE)))
}

/// Whether a status says that the request itself is not taken: neither a proxy's own (407), nor one of the moment.
fn refuses(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 407 | 408 | 425 | 429)
}

/// Whether a server may have acted on a request and then failed to say so. One that is too busy, and says so in OAuth's
/// words or says when to come back, has not begun.
fn may_have_acted(status: u16, turned_away: bool) -> bool {
    match status {
        503 => !turned_away,
        status => !matches!(status, 300..=407 | 409..=499),
    }
}

/// An error that the server names (RFC 6749 section 5.2).
pub(in crate::authority) struct ErrorAnswer {
    /// As the server wrote it: to be compared, not shown.
    pub(in crate::authority) error: String,
    description: Option<String>,
    /// As the server wrote it, like `error`.
    suberror: Option<String>,
    detail: Detail,
}

impl ErrorAnswer {
    /// Reads an error; only one that is clear counts.
    pub(in crate::authority) fn read(body: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(body);
        Object::read(&text).filter(|object| !object.trailing).and_then(|object| Self::of(&object))
    }

    /// The error that an object names.
    pub(super) fn of(object: &Object<'_>) -> Option<Self> {
        if object.contradicts_itself("error") || object.contradicts_itself("suberror") {
            return None;
        }
        let text = |name| object.text(name).map(|text| text.to_string());
        Some(Self {
            error: text("error").filter(|error| !error.is_empty())?,
            description: text("error_description"),
            suberror: text("suberror"),
            detail: Detail::of(object),
        })
    }

    /// What to tell people: the server's own words where it had any.
    pub(in crate::authority) fn failure(answer: Option<&Self>, status: u16) -> Failure {
        let Some(Self { error, description, detail, .. }) = answer else {
            let text = format!("the authorization server answered with status {status} and no OAuth error");
            return match status {
                408 | 429 | 500.. => Failure::new("temporarily_unavailable", &text),
                _ => Failure::new("invalid_response", &text),
            };
        };
        let failure = match description {
            Some(words) if !words.trim().is_empty() => Failure::new(error, words),
            _ => Failure::new(error, &format!("the authorization server answered with status {status}")),
        };
        failure.with_detail(detail.clone())
    }
}
