//! Claims that requests ask for and APIs demand, pure: the `claims` parameter of OpenID Connect Core section 5.5, as
//! Entra reads it at the authorization and the token endpoint.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{answer::Refusal, dialect::Dialect, ledger::Parameters, oracle::AccessToken, settings::Settings};

/// What a client says in `xms_cc` that can answer an API's demand for claims.
const CAPABLE: &str = "cp1";

/// What a request asks for: a JSON object. Servers without such a parameter overlook it.
pub(super) fn asked(settings: &Settings, parameters: &Parameters) -> Result<Option<Value>, Refusal> {
    let (Dialect::Entra(_), Some(text)) = (&settings.dialect, parameters.get("claims")) else {
        return Ok(None);
    };
    let claims = serde_json::from_str(text).ok().filter(Value::is_object);
    claims.map(Some).ok_or(Refusal::invalid_request("claims is not a JSON object"))
}

/// Whether what was asked for holds all that is demanded of an access token: for `nbf` that time or a later one, for
/// every other claim the values demanded.
pub(super) fn meets(asked: Option<&Value>, demanded: &Value) -> bool {
    let Some(demanded) = demanded["access_token"].as_object() else { return true };
    let given = asked.map_or(&Value::Null, |asked| &asked["access_token"]);
    demanded.iter().all(|(name, wanted)| match name.as_str() {
        "nbf" => seconds(&given[name]) >= seconds(wanted),
        _ => values(wanted).all(|value| values(&given[name]).any(|other| other == value)),
    })
}

/// The API's answer to a token that does not hold what it demands (RFC 6750 section 3, with Entra's parameters);
/// `None` where the token is good enough, or its client has not said that it can answer a demand.
pub(super) fn challenge(token: &AccessToken, demanded: Option<&Value>) -> Option<String> {
    let demanded = demanded?;
    let is_later = demanded["access_token"].as_object().is_some_and(|names| names.len() == 1)
        && seconds(&demanded["access_token"]["nbf"]).is_some_and(|wanted| token.issued_at > wanted);
    if is_later || !token.capabilities().any(|name| name == CAPABLE) || meets(token.claims.as_ref(), demanded)
    {
        return None;
    }
    let claims = STANDARD.encode(demanded.to_string());
    Some(format!(
        "Bearer realm=\"\", authorization_uri=\"https://practice.example/common/oauth2/authorize\", \
         error=\"insufficient_claims\", claims=\"{claims}\""
    ))
}

impl AccessToken {
    /// What its client said that it can do (`xms_cc`).
    pub fn capabilities(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().flat_map(|claims| values(&claims["access_token"]["xms_cc"]))
    }
}

/// The values that a member of a claims request names.
fn values(member: &Value) -> impl Iterator<Item = &str> {
    let several = member["values"].as_array().into_iter().flatten();
    several.chain([&member["value"]]).filter_map(Value::as_str)
}

/// The time that a member names, which is written as text.
fn seconds(member: &Value) -> Option<u64> {
    values(member).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_demand_is_met_by_the_same_values_and_by_a_time_no_earlier() {
        let demand = json!({ "access_token": {
            "nbf": { "essential": true, "value": "100" },
            "acrs": { "essential": true, "value": "c1" },
        } });
        let asked = |nbf: &str, acrs: &[&str]| json!({ "access_token": { "nbf": { "value": nbf }, "acrs": { "values": acrs }, "xms_cc": { "values": ["cp1"] } } });
        assert!(meets(Some(&asked("100", &["c1"])), &demand));
        assert!(meets(Some(&asked("101", &["c2", "c1"])), &demand));
        for short in [asked("99", &["c1"]), asked("soon", &["c1"]), asked("100", &["c2"]), json!({})] {
            assert!(!meets(Some(&short), &demand), "{short}");
        }
        assert!(!meets(None, &demand));
        assert!(meets(None, &json!({ "id_token": { "email": null } })), "nothing of the access token");
    }

    #[test]
    fn a_request_asks_with_an_object_and_only_where_it_is_heard() {
        let parameters = |text: &str| Parameters(vec![("claims".to_owned(), text.to_owned())]);
        let entra = Settings::entra();
        assert_eq!(asked(&entra, &parameters(r#"{"a":1}"#)).unwrap(), Some(json!({ "a": 1 })));
        assert_eq!(asked(&entra, &parameters("")).unwrap(), None);
        for odd in ["[]", "{", "cp1", "null"] {
            assert_eq!(asked(&entra, &parameters(odd)).unwrap_err().error, "invalid_request", "{odd}");
        }
        assert_eq!(asked(&Settings::default(), &parameters("{")).unwrap(), None);
    }
}
