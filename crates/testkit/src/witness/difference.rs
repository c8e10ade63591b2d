//! Compares requests field by field, against a table of the differences that are meant.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::{common_order, fields};
use crate::practice::ledger::{Entry, Ledger};

/// A field that one of the two does not send.
pub const ABSENT: &str = "(absent)";

/// Reasons that hold for more than one program.
pub mod reasons {
    /// For `user-agent`.
    pub const AGENT: &str = "each program names itself";
    /// For `accept-encoding`.
    pub const PLAIN: &str = "answers are short, and compressing what holds secrets is no gain";
    /// For `connection`.
    pub const CLOSES: &str = "each request has a connection of its own, and HTTP/1.1 keeps it open unasked";
    /// For `form order` and `query order`.
    pub const ORDER: &str = "the order of parameters means nothing (RFC 6749 appendix B)";
    /// For `form scope` of a refresh.
    pub const SAME_SCOPE: &str =
        "left out it means what was granted (RFC 6749 section 6), whatever was asked for";
}

/// A difference that is meant: a line of a test's table.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    at: &'static str,
    field: &'static str,
    theirs: &'static str,
    ours: &'static str,
    reason: &'static str,
}

/// A line of the table: in which requests (names with a comma between them, or `*` for every one), which field, what
/// the genuine program sends and what we send ([`ABSENT`] for nothing; a `*` at the end stands for anything), and why.
pub const fn differs(
    at: &'static str,
    field: &'static str,
    theirs: &'static str,
    ours: &'static str,
    reason: &'static str,
) -> Difference {
    Difference { at, field, theirs, ours, reason }
}

/// Compares named pairs of requests, the genuine program's first. What is not equal and not listed is a problem, and
/// so is what is listed and does not occur; a problem is a line of text, and none is empty.
pub fn compare(
    ledger: &Ledger,
    requests: &[(&'static str, &Entry, &Entry)],
    listed: &[Difference],
) -> Vec<String> {
    let mut problems = vec![];
    for difference in listed {
        let known = difference.names().all(|name| requests.iter().any(|(other, ..)| *other == name));
        if difference.at != "*" && !known {
            problems.push(format!("no request is called {}: {}", difference.at, difference.field));
        }
        if difference.reason.is_empty() {
            problems.push(format!("{} of {} differs without a reason", difference.field, difference.at));
        }
    }
    for (name, theirs, ours) in requests {
        let found = unequal(theirs, ours, ledger);
        let expected: Vec<_> = listed.iter().filter(|difference| difference.is_at(name)).collect();
        for (field, theirs, ours) in &found {
            if !expected.iter().any(|difference| difference.matches(field, theirs, ours)) {
                problems.push(format!("{name}, {field}: theirs is {theirs}, ours is {ours}"));
            }
        }
        for difference in expected {
            if !found.iter().any(|(field, theirs, ours)| difference.matches(field, theirs, ours)) {
                let Difference { field, theirs, ours, .. } = difference;
                problems
                    .push(format!("{name}, {field}: listed as {theirs} and {ours}, which does not occur"));
            }
        }
    }
    problems
}

impl Difference {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.at.split(", ")
    }

    fn is_at(&self, name: &str) -> bool {
        self.at == "*" || self.names().any(|other| other == name)
    }

    fn matches(&self, field: &str, theirs: &str, ours: &str) -> bool {
        self.field == field && fits(self.theirs, theirs) && fits(self.ours, ours)
    }
}

fn fits(pattern: &str, value: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => value != ABSENT && value.starts_with(start),
        None => value == pattern,
    }
}

/// The fields in which two requests differ, with both values.
fn unequal(theirs: &Entry, ours: &Entry, ledger: &Ledger) -> Vec<(String, String, String)> {
    let (mut left, mut right) = (fields(theirs, ledger), fields(ours, ledger));
    for (name, one, other) in
        [("query order", &theirs.query, &ours.query), ("form order", &theirs.form, &ours.form)]
    {
        left.insert(name.to_owned(), common_order(one, other));
        right.insert(name.to_owned(), common_order(other, one));
    }
    let names: BTreeSet<_> = left.keys().chain(right.keys()).cloned().collect();
    let both = names.into_iter().map(|name| {
        let value =
            |side: &BTreeMap<String, String>| side.get(&name).cloned().unwrap_or_else(|| ABSENT.to_owned());
        let (theirs, ours) = (value(&left), value(&right));
        (name, theirs, ours)
    });
    both.filter(|(_, theirs, ours)| theirs != ours).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::{
        Engine as _,
        engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    };

    use super::*;
    use crate::practice::{SecretKind, ledger::Parameters};

    fn entry(headers: &[(&str, &str)], body: &str) -> Entry {
        Entry {
            at: Duration::ZERO,
            method: "POST".to_owned(),
            path: "/token".to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            query: Parameters::default(),
            body: body.into(),
            form: Parameters::parse(body.as_bytes()),
            status: Some(200),
        }
    }

    #[test]
    fn what_is_equal_has_no_difference() {
        let one = entry(&[("accept", "*/*"), ("content-length", "15")], "scope=a&state=b");
        let other = entry(&[("content-length", "15"), ("accept", "*/*")], "scope=a&state=c");
        assert_eq!(compare(&Ledger::default(), &[("login", &one, &other)], &[]), [""; 0]);
    }

    #[test]
    fn what_is_not_listed_is_a_problem_and_so_is_what_is_listed_in_vain() {
        let one = entry(&[("user-agent", "python/1.2")], "scope=a&client_info=1");
        let other = entry(&[("user-agent", "ours/3.4")], "scope=b");
        let requests = [("login", &one, &other)];
        let agent = differs("*", "header user-agent", "python/*", "ours/*", "each names itself");
        let info = differs("login", "form client_info", "1", ABSENT, "of no use to us");
        let scope = differs("login", "form scope", "a", "b", "for the test");
        let ledger = Ledger::default();
        assert_eq!(compare(&ledger, &requests, &[agent, info, scope]), [""; 0]);
        assert_eq!(
            compare(&ledger, &requests, &[agent, info]),
            ["login, form scope: theirs is a, ours is b"]
        );
        let vain = differs("login", "form resource", "a", ABSENT, "for the test");
        assert_eq!(
            compare(&ledger, &requests, &[agent, info, scope, vain]),
            ["login, form resource: listed as a and (absent), which does not occur"]
        );
        let nowhere = differs("refresh", "form scope", "a", "b", "for the test");
        assert_eq!(
            compare(&ledger, &requests, &[agent, info, scope, nowhere]),
            ["no request is called refresh: form scope"]
        );
        let silent = differs("login", "form scope", "a", "b", "");
        assert_eq!(compare(&ledger, &requests, &[agent, info, silent]).len(), 1);
        let other_value = differs("login", "form scope", "a", "c", "for the test");
        assert_eq!(compare(&ledger, &requests, &[agent, info, other_value]).len(), 2);
    }

    #[test]
    fn order_and_repetition_count() {
        let one = entry(&[], "a=1&b=2&c=3&d=4");
        let other = entry(&[], "b=2&a=1&d=4&d=4");
        let problems = compare(&Ledger::default(), &[("poll", &one, &other)], &[]);
        assert_eq!(
            problems,
            [
                "poll, form c: theirs is 3, ours is (absent)",
                "poll, form d: theirs is 4, ours is 4 & 4",
                "poll, form order: theirs is a b d, ours is b a d d",
            ]
        );
    }

    #[test]
    fn a_basic_header_shows_its_encoding_and_an_assertion_its_names() {
        let mut with_secret = Ledger::default();
        with_secret.remember(SecretKind::ClientSecret, "a b");
        let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("id:{secret}")));
        let assertion = |claims: &str| {
            let (header, claims) =
                (URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#), URL_SAFE_NO_PAD.encode(claims));
            format!("client_assertion={header}.{claims}.c2ln")
        };
        let one = entry(&[("authorization", &basic("a b"))], &assertion(r#"{"jti":"x","aud":"a"}"#));
        let other = entry(&[("authorization", &basic("a+b"))], &assertion(r#"{"jti":"y","aud":"b"}"#));
        assert_eq!(
            compare(&with_secret, &[("login", &one, &other)], &[]),
            [
                r#"login, assertion claim aud: theirs is "a", ours is "b""#,
                "login, header authorization: theirs is Basic id:{ClientSecret}, ours is Basic id:form-encoded {ClientSecret}",
            ]
        );
    }
}
