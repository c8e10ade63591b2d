//! The table of expiry values, `tests-data/expiry.txt`, whose head says how it is written: how long an access token is
//! served and when it is renewed, by what the server says of its life, by what the token itself says, and by whether
//! there is a refresh token.

use super::{
    answers::{Row, policy},
    *,
};
use crate::token::Expiry;

const TABLE: &str = include_str!("../../../tests-data/expiry.txt");

/// The four columns: an access token, and what else the answer holds.
const COLUMNS: [(&str, &str); 4] = [
    ("A", ""),
    ("A", r#","refresh_token":"R""#),
    (r#"@jwt{"exp":1700000900}"#, ""),
    (r#"@jwt{"exp":1700000900}"#, r#","refresh_token":"R""#),
];

#[test]
fn every_expiry_value_counts_as_the_table_says() {
    let mut wrong = String::new();
    let mut rows = 0;
    for row in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let value = row.split('|').next().unwrap_or_default().trim();
        let expires_in = if value == "absent" { String::new() } else { format!(r#","expires_in":{value}"#) };
        let cells = COLUMNS.map(|(token, refresh_token)| {
            after_login(&format!(r#"200 {{"access_token":"{token}"{expires_in}{refresh_token}}}"#))
        });
        let [opaque, renewable, jwt, renewable_jwt] = cells;
        let actual = format!("{value:<26}| {opaque:<15}| {renewable:<33}| {jwt:<15}| {renewable_jwt}");
        rows += 1;
        if actual != row {
            wrong.extend([&actual, "\n  instead of\n", row, "\n"]);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(rows >= 40, "the table lost rows: {rows}");
}

/// How long the token of a login is served, and when it is renewed.
fn after_login(answer: &str) -> String {
    let Outcome::Granted(tokens) = Row::read(answer).judge_login() else { return "no answer".to_owned() };
    let mut machine = Machine::signed_in_with(*tokens, policy());
    machine.at(0);
    let Phase::SignedIn(session) = &machine.state.phase else { return "login required".to_owned() };
    let token = session.own_token().expect("a login brings a token");
    let served = match token.expiry {
        Expiry::Unknown => "until refused".to_owned(),
        Expiry::At { at, .. } if at <= START => "dead".to_owned(),
        Expiry::At { at, assumed } => {
            format!("{} s{}", at.since(START).as_secs(), if assumed { " assumed" } else { "" })
        }
    };
    match session.next_own_renewal() {
        Some(at) => format!("{served}, renewed {}", at.since(START).as_secs()),
        None => served,
    }
}
