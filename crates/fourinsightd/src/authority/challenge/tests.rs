use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use proptest::prelude::*;

use super::*;

const NBF: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
const ACRS: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;

#[expect(clippy::unnecessary_wraps, reason = "what it is compared with, or handed to, is optional")]
fn claims(json: &str) -> Option<Claims> {
    Some(Claims::read(json).unwrap())
}

fn error(code: &str) -> Challenge {
    Challenge { error: Some(code.into()), ..Challenge::default() }
}

fn read(field: &str) -> Challenge {
    Challenge::read(field).unwrap_or_else(|| panic!("nothing was read in {field}"))
}

#[test]
fn the_examples_of_rfc_6750() {
    let realm = Some("example".to_owned());
    assert_eq!(read(r#"Bearer realm="example""#), Challenge { realm: realm.clone(), ..Challenge::default() });
    let field =
        r#"Bearer realm="example", error="invalid_token", error_description="The access token expired""#;
    assert_eq!(read(field), Challenge { realm, ..error("invalid_token") });
    let field = "Bearer error=\"insufficient_scope\", scope=\"files.read files.write\"";
    let scope = Some("files.read files.write".to_owned());
    assert_eq!(read(field), Challenge { scope, ..error(INSUFFICIENT_SCOPE) });
}

#[test]
fn the_examples_of_rfc_9470() {
    let field = concat!(
        r#"Bearer error="insufficient_user_authentication", "#,
        r#"error_description="A different authentication level is required", acr_values="myACR""#
    );
    let acr_values = Some("myACR".to_owned());
    assert_eq!(read(field), Challenge { acr_values, ..error(INSUFFICIENT_USER_AUTHENTICATION) });
    let field = concat!(
        r#"Bearer error="insufficient_user_authentication", "#,
        r#"error_description="More recent authentication is required", max_age="5""#
    );
    assert_eq!(read(field), Challenge { max_age: Some(5), ..error(INSUFFICIENT_USER_AUTHENTICATION) });
}

#[test]
fn a_challenge_of_continuous_access_evaluation() {
    for encoded in [BASE64_STANDARD.encode(NBF), BASE64_URL_SAFE_NO_PAD.encode(NBF)] {
        let field = format!(
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
             client_id=\"00000003-0000-0000-c000-000000000000\", \
             error_description=\"Continuous access evaluation resulted in challenge with result: \
             InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp\", \
             error=\"insufficient_claims\", claims=\"{encoded}\""
        );
        assert_eq!(read(&field), Challenge { claims: claims(NBF), ..error(INSUFFICIENT_CLAIMS) });
    }
}

#[test]
fn claims_are_found_in_any_of_several_challenges() {
    let encoded = BASE64_STANDARD.encode(ACRS);
    for field in [
        format!(r#"Basic realm="a, b", Bearer error="insufficient_claims", claims="{encoded}""#),
        format!(r#"Bearer error="invalid_token", PoP error="insufficient_claims",claims="{encoded}""#),
        format!(r#"Negotiate YII=, NTLM, Bearer error="insufficient_claims", claims="{encoded}""#),
        format!(r#"Bearer claims="%%%", Bearer error="insufficient_claims", claims="{encoded}", Basic"#),
        format!("bEARER ERROR=insufficient_claims,Claims={encoded}"),
        format!(r#"Bearer error="insufficient_claims" claims="{encoded}""#),
        format!(r#",, ,Bearer  error = "insufficient_claims" , claims	=	"{encoded}" ,"#),
        format!(r#"= "x" ü, Bearer error="insufficient_claims", claims="{encoded}"; x"#),
    ] {
        let challenge = read(&field);
        assert_eq!(challenge.claims, claims(ACRS), "{field}");
        assert_eq!(challenge.error.as_deref(), Some(INSUFFICIENT_CLAIMS), "{field}");
    }
}

#[test]
fn claims_that_cannot_be_read_leave_the_rest() {
    for encoded in ["", "%%%", "W10=", "bnVsbA"] {
        let field = format!(r#"Bearer error="insufficient_claims", claims="{encoded}""#);
        assert_eq!(read(&field), error(INSUFFICIENT_CLAIMS), "{field}");
    }
}

#[test]
fn quoted_strings_hide_what_looks_like_syntax() {
    let field = r#"Bearer realm="say \"error=no\", then \\", error="invalid_token""#;
    let realm = Some(r#"say "error=no", then \"#.to_owned());
    assert_eq!(read(field), Challenge { realm, ..error("invalid_token") });
    // One that does not end takes the rest.
    assert_eq!(
        read("Bearer error=\"invalid_token, scope=\"").error.as_deref(),
        Some("invalid_token, scope=")
    );
    assert_eq!(Challenge::read(r#"Bearer realm="\"#), None);
}

#[test]
fn unquoted_addresses_do_not_end_a_challenge() {
    let field = "Bearer authorization_uri=https://login.windows.net/common?a=b,error=invalid_token,realm=x";
    assert_eq!(read(field), Challenge { realm: Some("x".into()), ..error("invalid_token") });
}

#[test]
fn of_several_challenges_the_one_counts_that_says_most() {
    let field = r#"Bearer realm="a", Bearer error="invalid_token", Bearer error="other""#;
    assert_eq!(read(field), error("invalid_token"));
    let field = concat!(
        r#"DPoP error="invalid_token", algs="ES256", "#,
        r#"Bearer error="insufficient_user_authentication", max_age=60, max_age=5"#
    );
    assert_eq!(read(field), Challenge { max_age: Some(60), ..error(INSUFFICIENT_USER_AUTHENTICATION) });
}

#[test]
fn a_field_that_says_nothing_is_none() {
    for field in
        ["", " , ", "Bearer", "Negotiate", "Negotiate abc==", "error=\"x\"", "\"", "=", "Basic charset=UTF-8"]
    {
        assert_eq!(Challenge::read(field), None, "{field}");
    }
    assert_eq!(read("Bearer max_age=-5, error=x"), error("x"));
}

#[test]
fn a_field_longer_than_8_kib_is_not_read() {
    let sized = |length: usize| format!("Bearer error={}", "x".repeat(length - 13));
    assert!(Challenge::read(&sized(Challenge::LIMIT)).is_some());
    assert_eq!(Challenge::read(&sized(Challenge::LIMIT + 1)), None);
}

proptest! {
    #[test]
    fn no_field_makes_it_panic(field in ".{0,200}") {
        let _ = Challenge::read(&field);
    }

    #[test]
    fn no_field_of_syntax_makes_it_panic(
        field in r#"((Bearer|Basic|error|claims|e30|x)|[ ,="\\\t/é]){0,60}"#
    ) {
        let _ = Challenge::read(&field);
    }

    #[test]
    fn whatever_stands_in_quotes_is_read_back(value in "[^\r\n]{1,40}", before in r#"(Basic realm="[a-z, ]{0,9}", |Negotiate a==, )?"#) {
        let escaped = value.replace('\\', r"\\").replace('"', "\\\"");
        let field = format!("{before}Bearer x=y, error=\"{escaped}\", realm=z");
        let read = read(&field);
        prop_assert_eq!(read.error, Some(value));
        prop_assert_eq!(read.realm.as_deref(), Some("z"));
    }
}
