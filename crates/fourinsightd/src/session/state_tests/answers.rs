//! The golden table of token answers, `tests-data/token-answers.txt`, whose head says how it is written: what each
//! answer means at a login and at a refresh, and what a session makes of that.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::*;
use crate::{
    authority::{
        Registration,
        fake::registration,
        response::{Expected, RawAnswer, judge},
    },
    session::schedule::freshness,
    token::{Expiry, Token},
};

const TABLE: &str = include_str!("../../../tests-data/token-answers.txt");

/// The wall clock when the answer comes.
const UNIX_NOW: i64 = 1_700_000_000;

/// Secrets of the table begin with this; no outcome may show one but through a token's own accessor.
const SECRET: &str = "s3cr3t";

/// When the token that a session had before is renewed, in seconds, and how long it lives.
const DUE: u64 = 2700;
const LIFE: i64 = 3600;

#[test]
fn every_answer_is_judged_as_the_table_says() {
    let mut wrong = String::new();
    let mut rows = 0;
    let mut lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    while let Some(row) = lines.next() {
        let row = Row::read(row);
        let actual = [row.at_login(), row.at_refresh()];
        let expected = [(); 2].map(|()| lines.next().unwrap_or_default());
        rows += 1;
        if actual != expected {
            wrong.extend([
                row.text,
                "\n",
                &actual.join("\n"),
                "\n  instead of\n",
                &expected.join("\n"),
                "\n",
            ]);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(rows >= 400, "the table lost rows: {rows}");
}

/// An answer, and what was known when it came.
pub(super) struct Row<'a> {
    text: &'a str,
    answer: RawAnswer,
    registration: Registration,
    nonce: Option<&'a str>,
    known: Option<Person>,
}

impl<'a> Row<'a> {
    /// Reads the first line of a row.
    pub(super) fn read(text: &'a str) -> Self {
        let (status, mut rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut answer = RawAnswer {
            status: status.parse().expect("a status"),
            content_type: Some("application/json".into()),
            date: None,
            retry_after: None,
            body: Zeroizing::default(),
        };
        let (mut registration, mut nonce, mut known) = (registration(), None, None);
        while let Some((field, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once("> ")) {
            let (name, value) = field.split_once(": ").unwrap_or((field, ""));
            let field = Some(value.to_owned()).filter(|value| !value.is_empty());
            match name {
                "type" => answer.content_type = field,
                "date" => answer.date = field,
                "retry-after" => answer.retry_after = field,
                "nonce" => nonce = Some(value),
                "max_age" => drop(registration.authorize_params.insert("max_age".into(), value.into())),
                "known" => known = Some(person(value)),
                _ => break,
            }
            rest = after;
        }
        answer.body = Zeroizing::new(expand(rest));
        let answer = RawAnswer::from_bytes(&answer.to_bytes()).expect("an answer survives the journal");
        Self { text, answer, registration, nonce, known }
    }

    fn at_login(&self) -> String {
        let outcome = self.judge_login();
        let judged = render(&outcome);
        let machine = match outcome {
            Outcome::Granted(tokens) => Machine::signed_in_with(*tokens, policy()),
            Outcome::Retry(_) | Outcome::Refused(_) => Machine::new(),
        };
        format!("    login:   {judged} => {}", machine.standing())
    }

    fn at_refresh(&self) -> String {
        let outcome = self.judge(Expected::Refresh { person: self.known.as_ref() });
        let judged = render(&outcome);
        let before = TokenSet { person: self.known.clone(), ..tokens("old", Some("old"), LIFE) };
        let mut machine = Machine::signed_in_with(before, policy());
        let attempt = redeemed(&machine.at(DUE)).expect("due");
        machine.answer(attempt, outcome);
        format!("    refresh: {judged} => {}", machine.standing())
    }

    /// What it means at a login.
    pub(super) fn judge_login(&self) -> Outcome {
        self.judge(Expected::Login { nonce: self.nonce })
    }

    fn judge(&self, expected: Expected<'_>) -> Outcome {
        let outcome = judge(&self.answer, &self.registration, expected, UNIX_NOW);
        let shown = format!("{outcome:?}");
        assert!(!shown.contains(SECRET), "{}: {shown}", self.text);
        outcome
    }
}

impl Machine {
    /// Which refresh token is kept, which access token is served and for how long, and where the session stands.
    fn standing(&self) -> String {
        let session = match &self.state.phase {
            Phase::SignedIn(session) => session,
            Phase::LoginRequired { .. } => return "kept nothing, served nothing, login required".to_owned(),
            _ => return "kept nothing, served nothing, signed out".to_owned(),
        };
        let kept = self.refresh_secret().map_or_else(|| "nothing".to_owned(), short);
        let mut states = vec!["signed in"];
        if session.backoff.is_some() {
            states.push("tries again");
        }
        if session.entries[&session.own].refused.is_some() {
            states.push("needs its person");
        }
        if matches!(session.grant, Grant::None { .. }) {
            states.push("cannot renew");
        }
        format!("kept {kept}, served {}, {}", self.served(), states.join(", "))
    }

    /// What a caller gets now without waiting.
    fn served(&self) -> String {
        let token = self.session().own_token().filter(|token| token.is_bearer());
        let alive = |token: &&Token| freshness(token, self.now, None) != Freshness::Expired;
        let Some(token) = token.filter(alive) else { return "nothing".to_owned() };
        let name = short(token.secret.expose());
        match token.expiry {
            Expiry::Unknown => format!("{name} until it is refused"),
            Expiry::At { at, assumed } => {
                let assumed = if assumed { " assumed" } else { "" };
                format!("{name} for {} s{assumed}", at.since(self.now).as_secs())
            }
        }
    }
}

pub(super) fn policy() -> Policy {
    Policy { keep_alive: true, refresh_idle: None, in_memory: false }
}

fn person(subject: &str) -> Person {
    Person { issuer: "https://id.example.com".into(), subject: subject.into(), name: None, login_hint: None }
}

fn short(text: &str) -> String {
    if text.len() > 40 { format!("{} characters", text.len()) } else { text.to_owned() }
}

/// Replaces `@jwt{…}` by a token with these claims, `@byte(ff)` by a byte and `@repeat(x,9)` by a run.
fn expand(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        bytes.extend_from_slice(before.as_bytes());
        if let Some(claims) = after.strip_prefix("jwt") {
            let end = claims.find('}').expect("claims end") + 1;
            let payload = URL_SAFE_NO_PAD.encode(&claims[..end]);
            bytes.extend_from_slice(format!("eyJhbGciOiJub25lIn0.{payload}.c2ln").as_bytes());
            rest = &claims[end..];
        } else if let Some(byte) = after.strip_prefix("byte(") {
            bytes.push(u8::from_str_radix(&byte[..2], 16).expect("a byte in hexadecimal"));
            rest = &byte[3..];
        } else if let Some(run) = after.strip_prefix("repeat(") {
            let (run, after) = run.split_once(')').expect("a run ends");
            let (text, count) = run.split_once(',').expect("a text and a count");
            bytes.extend_from_slice(text.repeat(count.parse().expect("a count")).as_bytes());
            rest = after;
        } else {
            bytes.push(b'@');
            rest = after;
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn render(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Granted(tokens) => granted(tokens),
        Outcome::Retry(Retry { after, ambiguous, failure, .. }) => {
            let after = after.map_or(String::new(), |after| format!(" after {}", after.as_secs()));
            let ambiguous = if *ambiguous { " ambiguous" } else { "" };
            format!("retry{after}{ambiguous}: {}", failure.error)
        }
        Outcome::Refused(refusal) => {
            let verdict = match refusal.verdict {
                Verdict::Final => "final",
                Verdict::InteractionRequired => "interaction",
                Verdict::Scope => "scope",
                Verdict::Target => "target",
                Verdict::Misconfigured => "misconfigured",
                Verdict::PersonChanged => "another person",
            };
            format!("refused, {verdict}: {}", refusal.failure.error)
        }
    }
}

fn granted(tokens: &TokenSet) -> String {
    let mut parts = vec![format!("granted {}", short(tokens.access_token.expose()))];
    if tokens.token_type != "Bearer" {
        parts.push(format!("type {}", tokens.token_type));
    }
    match tokens.lifetime {
        Lifetime::Seconds(seconds) => parts.push(format!("for {seconds} s")),
        Lifetime::Unknown => {}
    }
    if let Some(token) = &tokens.refresh_token {
        parts.push(format!("refresh {}", short(token.expose())));
    }
    if let Some(scope) = &tokens.scope {
        parts.push(format!("scope {scope}"));
    }
    if let Some(seconds) = tokens.refresh_in {
        parts.push(format!("renew in {seconds} s"));
    }
    if let Some(seconds) = tokens.refresh_idle {
        parts.push(format!("idle {seconds} s"));
    }
    if let Some(person) = &tokens.person {
        parts.push(format!("as {} {}", person.subject, person.name.as_deref().unwrap_or("-")));
    }
    parts.extend(tokens.warnings.iter().map(|warning| format!("warning: {warning}")));
    parts.join(" | ")
}
