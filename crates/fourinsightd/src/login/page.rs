//! The page that the browser shows at the end: no script, nothing from elsewhere, light and dark.

use std::sync::LazyLock;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use fourinsight_ipc::{
    ErrorBody, ErrorCode,
    message::{Confirmation, LoginState, LoginStatus},
};
use ring::digest::{SHA256, digest};

/// `Content-Security-Policy`: this style sheet and nothing else.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The page for an attempt that has ended; `shown` is what went wrong, in words fit for the page.
pub(super) fn outcome(status: &LoginStatus, shown: Option<&ErrorBody>) -> String {
    match status.state {
        LoginState::Succeeded => signed_in(status),
        LoginState::Cancelled => nothing_changed(
            "Sign-in cancelled",
            match status.note.as_deref() {
                Some(why) => escaped(why),
                None => "The login was cancelled, or given up, where it was started.".to_owned(),
            },
        ),
        LoginState::Expired => {
            nothing_changed("Sign-in expired", "The login took longer than it may.".to_owned())
        }
        _ => match shown.or(status.error.as_ref()) {
            Some(error) => failed(error),
            None => failed(&super::failure::broken()),
        },
    }
}

/// The page for an attempt that asks its person something first; nobody is signed in yet.
pub(super) fn question(confirmation: &Confirmation) -> String {
    let lines = vec![
        escaped(&confirmation.question),
        "<strong>Answer where you started the login.</strong> Until then nothing is changed.".to_owned(),
        CLOSE.to_owned(),
    ];
    Page { tone: Tone::Neutral, title: "One question left", lines }.render()
}

/// The page for a browser that comes when nothing is waited for any more, or to a page that was shown before.
pub(super) fn late(status: &LoginStatus) -> String {
    match status.state {
        LoginState::Cancelled | LoginState::Expired => outcome(status, None),
        _ => {
            let lines = vec![
                "This login has been answered, and nothing more is to come.".to_owned(),
                CLOSE.to_owned(),
            ];
            Page { tone: Tone::Neutral, title: "Answered already", lines }.render()
        }
    }
}

/// The page for something that went wrong.
pub(super) fn failed(error: &ErrorBody) -> String {
    let mut lines = vec![escaped(&error.error_description)];
    lines.extend(
        error.hint.as_deref().map(|hint| format!("<strong>What to do next:</strong> {}.", escaped(hint))),
    );
    let (tone, title) = match error.error {
        ErrorCode::AccessDenied => (Tone::Neutral, "Not signed in"),
        _ => (Tone::Bad, "Sign-in failed"),
    };
    Page { tone, title, lines }.render()
}

fn nothing_changed(title: &'static str, why: String) -> String {
    let lines = vec![why, format!("Nothing was changed. {CLOSE}")];
    Page { tone: Tone::Neutral, title, lines }.render()
}

fn signed_in(status: &LoginStatus) -> String {
    let session = escaped(status.session.as_str());
    let person = status.identity.as_ref().map(|identity| identity.name.as_ref().unwrap_or(&identity.sub));
    let mut lines = vec![match person {
        Some(name) => format!(
            "You are signed in as <strong><bdi>{}</bdi></strong>,<br>to the session <strong>{session}</strong>.",
            escaped(name)
        ),
        None => format!("You are signed in to the session <strong>{session}</strong>."),
    }];
    lines.extend(status.note.as_deref().map(escaped));
    lines.push(CLOSE.to_owned());
    Page { tone: Tone::Good, title: "Signed in", lines }.render()
}

const CLOSE: &str = "You can close this tab.";

struct Page {
    tone: Tone,
    title: &'static str,
    /// HTML, escaped where it must be.
    lines: Vec<String>,
}

#[derive(Clone, Copy)]
enum Tone {
    Good,
    Neutral,
    Bad,
}

impl Page {
    fn render(&self) -> String {
        let (class, mark) = match self.tone {
            Tone::Good => ("good", "M7 12.5l3.5 3.5L17 9"),
            Tone::Neutral => ("neutral", "M7 12h10"),
            Tone::Bad => ("bad", "M8.5 8.5l7 7m0-7l-7 7"),
        };
        let title = self.title;
        let lines = self.lines.join("</p>\n<p>");
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title} · fourinsightd</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <main class=\"{class}\">\n\
             <svg viewBox=\"0 0 24 24\" width=\"64\" height=\"64\" aria-hidden=\"true\">\
             <circle cx=\"12\" cy=\"12\" r=\"12\"/><path d=\"{mark}\"/></svg>\n\
             <h1>{title}</h1>\n<p>{lines}</p>\n<footer>fourinsightd, the token broker on this machine</footer>\n\
             </main>\n</body>\n</html>\n"
        )
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}

const STYLE: &str = "
:root { color-scheme: light dark; --back: #f3f5f8; --card: #fff; --text: #1b2430; --soft: #5c6776;
  --line: #e0e5ec; --good: #16803c; --neutral: #5c6776; --bad: #c0262d; }
@media (prefers-color-scheme: dark) { :root { --back: #12161c; --card: #1b2129; --text: #e7ecf2; --soft: #9aa5b4;
  --line: #2b333e; --good: #4cc776; --neutral: #9aa5b4; --bad: #f2777c; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; min-height: 100dvh; display: grid; place-items: center; padding: 1.5rem;
  background: var(--back); color: var(--text); font: 1rem/1.55 system-ui, sans-serif; }
main { width: 100%; max-width: 29rem; padding: 2.5rem 2rem 1.5rem; text-align: center; overflow-wrap: anywhere;
  background: var(--card); border: 1px solid var(--line); border-radius: 1rem;
  box-shadow: 0 1px 2px rgb(0 0 0 / .05), 0 12px 32px rgb(0 0 0 / .07); }
.good { --tone: var(--good); }
.neutral { --tone: var(--neutral); }
.bad { --tone: var(--bad); }
svg { display: block; margin: 0 auto 1.1rem; stroke-width: 1.7; stroke-linecap: round; stroke-linejoin: round;
  fill: none; stroke: var(--tone); }
circle { fill: var(--tone); fill-opacity: .11; stroke: none; }
h1 { margin: 0 0 .7rem; font-size: 1.5rem; font-weight: 650; letter-spacing: -.01em; }
h1, p, footer { text-wrap: balance; }
p { margin: .6rem 0; }
p + p { color: var(--soft); }
p + p strong { display: block; font-weight: 600; }
footer { margin-top: 1.8rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .8rem; }
";

#[cfg(test)]
mod tests {
    use fourinsight_ipc::{
        SessionKey,
        message::{Confirm, Identity},
    };

    use super::*;

    fn ended(state: LoginState) -> LoginStatus {
        let mut status =
            LoginStatus::pending("id".to_owned(), SessionKey::new("my work").unwrap(), "browser", 0);
        status.state = state;
        status
    }

    #[test]
    fn a_success_names_person_and_session_and_escapes_both() {
        let mut status = ended(LoginState::Succeeded);
        status.identity =
            Some(Identity { sub: "42".to_owned(), name: Some("<b>\"A\" & 'B'</b>".to_owned()) });
        let page = outcome(&status, None);
        assert!(page.contains("&lt;b&gt;&quot;A&quot; &amp; &#39;B&#39;&lt;/b&gt;"), "{page}");
        assert!(page.contains("my work") && !page.contains("<b>"));
        status.identity = Some(Identity { sub: "4<2".to_owned(), name: None });
        assert!(outcome(&status, None).contains("4&lt;2"));
    }

    #[test]
    fn a_failure_says_what_and_what_next_in_the_words_for_the_page() {
        let mut status = ended(LoginState::Failed);
        status.error = Some(ErrorBody::new(ErrorCode::AccessDenied, "told"));
        let shown = ErrorBody::new(ErrorCode::AccessDenied, "<shown>").hint("try <again>");
        let page = outcome(&status, Some(&shown));
        assert!(page.contains("&lt;shown&gt;") && page.contains("try &lt;again&gt;"));
        assert!(!page.contains("told"));
        assert!(outcome(&status, None).contains("told"));
    }

    #[test]
    fn a_question_is_shown_and_says_that_nobody_is_signed_in_yet() {
        let question = "Sign it in as <Grace> instead?".to_owned();
        let asked = Confirmation::new("7".to_owned(), Confirm::Person, "https://x".to_owned(), question);
        let page = super::question(&asked);
        assert!(
            page.contains("Sign it in as &lt;Grace&gt; instead?")
                && page.contains("Answer where you started")
        );
        assert!(!page.contains("igned in"), "{page}");
    }

    #[test]
    fn each_end_has_its_own_page() {
        let pages: std::collections::HashSet<_> =
            [LoginState::Succeeded, LoginState::Cancelled, LoginState::Expired, LoginState::Failed]
                .map(|state| outcome(&ended(state), None))
                .into();
        assert_eq!(pages.len(), 4);
    }

    #[test]
    fn a_browser_that_comes_late_is_told_what_became_of_the_login() {
        for (state, says) in [
            (LoginState::Cancelled, "Sign-in cancelled"),
            (LoginState::Expired, "Sign-in expired"),
            (LoginState::Succeeded, "Answered already"),
            (LoginState::Pending, "Answered already"),
        ] {
            assert!(late(&ended(state)).contains(says), "{state:?}");
        }
        let mut status = ended(LoginState::Cancelled);
        status.note = Some("<later>".to_owned());
        assert!(late(&status).contains("&lt;later&gt;"));
    }

    #[test]
    fn the_policy_names_the_style_sheet_that_the_page_carries() {
        let page = outcome(&ended(LoginState::Succeeded), None);
        let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = BASE64_STANDARD.encode(digest(&SHA256, style.as_bytes()));
        assert!(POLICY.contains(&format!("style-src 'sha256-{hash}'")));
        for absent in ["<script", "//", "url(", "@import", " style=", " href=", " src="] {
            assert!(!page.contains(absent), "{absent}");
        }
    }
}
