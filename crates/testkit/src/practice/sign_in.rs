//! How a person signed in, pure: what a login asks for, and what an API wants (OpenID Connect Core section 3.1.2.1,
//! RFC 9470).

use super::{grant::Grant, ledger::Parameters};

/// The ways of signing in that the server knows beside the usual one, strongest first.
pub(super) const WAYS: [&str; 2] = ["phrh", "phr"];

/// How an API wants the person behind a token to have signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authentication {
    /// In one of these ways, best first; in any where there is none.
    pub acr_values: Vec<String>,
    /// So many seconds ago at most.
    pub max_age: Option<u64>,
}

/// The way in which the person signs in: the best asked for that the server knows. `max_age` needs no thought, because
/// every login asks its person.
pub(super) fn way(asked: &Parameters) -> Option<String> {
    let mut ways = asked.get("acr_values")?.split_whitespace();
    ways.find(|way| WAYS.contains(way)).map(str::to_owned)
}

/// The API's answer to a token whose person did not sign in as it wants (RFC 9470 section 3).
pub(super) fn challenge(login: &Grant, wanted: &Authentication, now: u64) -> Option<String> {
    let Authentication { acr_values, max_age } = wanted;
    let strong = acr_values.is_empty() || login.acr.as_ref().is_some_and(|acr| acr_values.contains(acr));
    let recent = max_age.is_none_or(|age| now.saturating_sub(login.signed_in_at) <= age);
    if strong && recent {
        return None;
    }
    let mut challenge = vec![
        "Bearer error=\"insufficient_user_authentication\"".to_owned(),
        "error_description=\"the person has to sign in otherwise, or again\"".to_owned(),
    ];
    if !acr_values.is_empty() {
        challenge.push(format!("acr_values=\"{}\"", acr_values.join(" ")));
    }
    challenge.extend(max_age.map(|age| format!("max_age={age}")));
    Some(challenge.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(acr: Option<&str>) -> Grant {
        let acr = acr.map(str::to_owned);
        Grant { acr, signed_in_at: 1000, ..Grant::of_client("c", &[], 0) }
    }

    fn wanted(acr_values: &str, max_age: Option<u64>) -> Authentication {
        Authentication { acr_values: acr_values.split_whitespace().map(str::to_owned).collect(), max_age }
    }

    #[test]
    fn a_person_who_signed_in_well_and_lately_is_let_in() {
        for (acr, wanted) in [
            (None, wanted("", None)),
            (None, wanted("", Some(60))),
            (Some("phr"), wanted("phrh phr", Some(60))),
            (Some("phrh"), wanted("phrh", None)),
        ] {
            assert_eq!(challenge(&login(acr), &wanted, 1060), None, "{wanted:?}");
        }
    }

    #[test]
    fn whoever_did_not_is_told_what_is_wanted() {
        for (acr, wanted, expected) in [
            (None, wanted("phrh phr", None), ", acr_values=\"phrh phr\""),
            (Some("phr"), wanted("phrh", Some(60)), ", acr_values=\"phrh\", max_age=60"),
            (Some("phr"), wanted("phr", Some(59)), ", acr_values=\"phr\", max_age=59"),
            (None, wanted("", Some(0)), ", max_age=0"),
        ] {
            let said = challenge(&login(acr), &wanted, 1060).unwrap();
            assert!(said.starts_with("Bearer error=\"insufficient_user_authentication\", "), "{said}");
            assert!(said.ends_with(expected), "{said}");
        }
    }

    #[test]
    fn the_best_way_that_is_known_is_taken() {
        let asked = |ways: &str| way(&Parameters(vec![("acr_values".to_owned(), ways.to_owned())]));
        assert_eq!(asked("retina phr phrh").as_deref(), Some("phr"));
        assert_eq!((asked("retina"), asked(""), way(&Parameters(vec![]))), (None, None, None));
    }
}
