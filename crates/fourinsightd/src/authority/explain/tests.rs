//! No code without a text, no text without a next step.

use std::{fs, path::Path};

use super::*;
use crate::authority::Detail;

fn with_codes(codes: &[u64]) -> Failure {
    Failure::new("invalid_grant", "x").with_detail(Detail { codes: codes.to_vec(), ..Detail::default() })
}

#[track_caller]
fn knows(codes: &[&str]) {
    for code in codes {
        assert_ne!(failure(&Failure::new(code, "")), UNKNOWN, "{code}");
    }
}

#[test]
fn every_code_of_the_standards_has_a_text() {
    // RFC 6749 sections 4.1.2.1, 4.2.2.1 and 5.2.
    knows(&["invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type"]);
    knows(&["invalid_scope", "server_error", "temporarily_unavailable"]);
    knows(&["invalid_client", "invalid_grant", "unsupported_grant_type"]);
    // RFC 8628 section 3.5, RFC 8707 section 2, RFC 7009 section 2.2.1.
    knows(&[
        "authorization_pending",
        "slow_down",
        "expired_token",
        "invalid_target",
        "unsupported_token_type",
    ]);
    // OpenID Connect Core section 3.1.2.6.
    knows(&["interaction_required", "login_required", "account_selection_required", "consent_required"]);
    knows(&["invalid_request_uri", "invalid_request_object", "request_not_supported"]);
    knows(&["request_uri_not_supported", "registration_not_supported"]);
    // OpenID Connect Core Unmet Authentication Requirements, for RFC 9470.
    knows(&["unmet_authentication_requirements"]);
}

#[test]
fn every_code_of_github_and_the_usual_numbers_of_entra_have_a_text() {
    knows(&["bad_refresh_token", "incorrect_client_credentials", "bad_verification_code"]);
    knows(&["redirect_uri_mismatch", "device_flow_disabled", "unverified_user_email"]);
    for number in [
        50011, 50020, 50034, 50053, 50055, 50072, 50078, 70000, 70018, 90014, 500_113, 650_052, 700_024,
        700_025, 700_213, 9_002_327, 50058, 50059, 50074, 50076, 50079, 50105, 50126, 50128, 50173, 53000,
        53003, 65001, 65004, 70002, 70008, 700_016, 700_082, 700_084, 7_000_215, 7_000_218, 7_000_222, 90002,
        900_144, 900_971, 9_002_313,
    ] {
        assert!(entra::number(number).is_some(), "{number}");
    }
    assert!(failure(&with_codes(&[7_000_218])).next_step.contains("\"Allow public client flows\""));
}

/// Every literal that follows one of these openings in the daemon's source, but for tests.
fn own_codes(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !name.contains("tests") {
                own_codes(&path, found);
            }
        } else if path.extension().is_some_and(|kind| kind == "rs") && !name.contains("tests") {
            let source = fs::read_to_string(&path).unwrap();
            let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for opening in ["Failure::new(", "Failure::ours("] {
                for call in source.split(opening).skip(1) {
                    if let Some(literal) = call.trim_start().strip_prefix('"') {
                        found.push(literal.split('"').next().unwrap().to_owned());
                    } else {
                        let argument = call.trim_start().split([',', ')']).next().unwrap();
                        let server_says = ["error", "&answer.error"].contains(&argument);
                        assert!(server_says, "{}: the code {argument} is no literal", path.display());
                    }
                }
            }
            let by_hand =
                source.split("Failure {").skip(1).any(|rest| rest.trim_start().starts_with("error:"));
            assert!(!by_hand, "{}: a failure by hand", path.display());
        }
    }
}

#[test]
fn none_of_our_own_codes_is_without_a_text() {
    let mut found = Vec::new();
    own_codes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 25, "only {} found: {found:?}", found.len());
    for code in &found {
        assert_ne!(failure(&Failure::ours(code, "")), UNKNOWN, "{code} has no row");
    }
    for (code, ..) in own::CODES {
        assert!(found.iter().any(|found| found == code), "{code} is used nowhere");
    }
}

#[test]
fn texts_are_sentences_and_no_code_is_there_twice() {
    let tables = [own::CODES, oauth::CODES, openid::CODES, github::CODES, entra::CODES, entra::SUBERRORS];
    let texts = tables.iter().flat_map(|table| table.iter().map(|(_, cause, next)| (*cause, *next)));
    for (cause, next) in texts.chain(entra::NUMBERS.iter().map(|(_, cause, next)| (*cause, *next))) {
        for text in [cause, next] {
            assert!(text.ends_with('.') && text.len() > 10 && !text.contains("  "), "{text}");
            assert_eq!(text.matches('{').count(), text.matches("{login}").count(), "{text}");
        }
        assert!(!cause.contains('{'), "{cause}");
    }
    let mut codes: Vec<_> =
        tables[..5].iter().flat_map(|table| table.iter().map(|(code, ..)| *code)).collect();
    let mut numbers: Vec<_> = entra::NUMBERS.iter().map(|(number, ..)| *number).collect();
    let (all, all_numbers) = (codes.len(), numbers.len());
    codes.sort_unstable();
    codes.dedup();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!((codes.len(), numbers.len()), (all, all_numbers));
}

#[test]
fn a_number_goes_before_a_suberror_and_that_before_a_code() {
    let known = |codes: &[u64], suberror: Option<&str>| {
        let suberror = suberror.map(str::to_owned);
        let detail = Detail { codes: codes.to_vec(), suberror, ..Detail::default() };
        failure(&Failure::new("invalid_grant", "x").with_detail(detail))
    };
    let by_code = failure(&Failure::new("invalid_grant", ""));
    let by_suberror = known(&[1], Some("basic_action"));
    assert_eq!(known(&[1, 50076], Some("basic_action")), entra::number(50076).unwrap());
    assert_eq!(by_suberror, row(entra::SUBERRORS, "basic_action").unwrap());
    assert_eq!(known(&[1], Some("unheard_of")), by_code);
    assert_eq!(failure(&Failure::new("brand_new", "")), UNKNOWN);
}

#[test]
fn what_ends_without_a_failure_is_explained_where_that_says_anything() {
    for ended in [AttemptOutcome::Expired, AttemptOutcome::Cancelled] {
        assert!(outcome(Action::Login, ended).is_some(), "{ended:?}");
    }
    assert_eq!(outcome(Action::Refresh, AttemptOutcome::Succeeded), None);
}
