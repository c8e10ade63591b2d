//! What an API wants of the next login, on its way to the server.

use super::*;
use crate::authority::{challenge::Challenge, claims::Claims, step_up::StepUp};

const ACRS: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;

/// Has the session of the profile `work` remember a challenge.
fn remember(sessions: &Sessions, profile: &str) {
    let challenge = Challenge {
        acr_values: Some("phr phrh".to_owned()),
        max_age: Some(300),
        claims: Some(Claims::read(ACRS).unwrap()),
        ..Challenge::default()
    };
    let mut known = sessions.known.lock().unwrap();
    known.profile = Some(profile.to_owned());
    known.step_up = Some(StepUp::for_api(&challenge));
}

#[tokio::test]
async fn the_authorization_request_and_the_codes_exchange_say_what_is_wanted() {
    let world = World::new(BY_HAND);
    remember(&world.sessions, "work");
    let begun = world.begin("default").await;
    for (name, value) in [("acr_values", "phr phrh"), ("max_age", "300"), ("claims", ACRS)] {
        assert_eq!(begun.asked.get(name).map(String::as_str), Some(value), "{name}");
    }
    begun.sign_in().await;
    assert_eq!(world.ended(&begun).await.state, LoginState::Succeeded);
    let exchanges = world.server.requests("/token");
    assert_eq!(exchanges[0].get("claims").map(String::as_str), Some(ACRS));
    let logins = world.sessions.logins.lock().unwrap();
    assert!(
        !logins[0].1.registration.authorize_params.contains_key("acr_values"),
        "it is for this login only"
    );
}

#[tokio::test]
async fn a_login_by_another_profile_is_not_bothered() {
    let world = World::new(BY_HAND);
    remember(&world.sessions, "other");
    let begun = world.begin("default").await;
    assert!(["acr_values", "max_age", "claims"].iter().all(|name| !begun.asked.contains_key(*name)));
}

#[tokio::test]
async fn the_profiles_own_parameters_are_joined() {
    let lines = "authorize_params = { max_age = \"60\", acr_values = \"basic\", claims = '{\"id_token\":{\"acr\":null}}' }\n\
                 client_capabilities = [\"cp1\"]\n";
    let world = World::new(&format!("{BY_HAND}{lines}"));
    remember(&world.sessions, "work");
    let begun = world.begin("default").await;
    assert_eq!((begun.asked["max_age"].as_str(), begun.asked["acr_values"].as_str()), ("60", "phr phrh"));
    let claims = concat!(
        r#"{"access_token":{"acrs":{"essential":true,"value":"c1"},"xms_cc":{"values":["cp1"]}},"#,
        r#""id_token":{"acr":null}}"#
    );
    assert_eq!(begun.asked["claims"], claims);
}

#[tokio::test]
async fn the_capabilities_of_the_client_need_no_challenge() {
    let world = World::new(&format!("{BY_HAND}client_capabilities = \"cp1\"\n"));
    let begun = world.begin("default").await;
    let cae = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
    assert_eq!(begun.asked["claims"], cae);
    begun.sign_in().await;
    world.ended(&begun).await;
    assert_eq!(world.server.requests("/token")[0]["claims"], cae);
    assert_eq!(world.sessions.logins.lock().unwrap()[0].1.registration.client_capabilities, ["cp1"]);
}

#[tokio::test(start_paused = true)]
async fn the_device_flow_says_it_where_it_begins_and_the_claims_at_each_poll() {
    let world = device::Device::at(|_| {});
    remember(&world.sessions, "work");
    let begun = world.begin().await;
    world.practice.wait_until(device::at_least(1)).await;
    world.decide(&begun, Some("ada")).await;
    assert_eq!(world.ended(&begun).await.state, LoginState::Succeeded);
    let ledger = world.practice.ledger();
    let start = ledger.requests(testkit::practice::Endpoint::DeviceAuthorization).next().unwrap();
    for (name, value) in [("acr_values", "phr phrh"), ("max_age", "300"), ("claims", ACRS)] {
        assert_eq!(start.form.get(name), Some(value), "{name}");
    }
    let polls = ledger.token_requests("urn:ietf:params:oauth:grant-type:device_code");
    assert!(polls.iter().all(|poll| poll.form.get("claims") == Some(ACRS)));
}
