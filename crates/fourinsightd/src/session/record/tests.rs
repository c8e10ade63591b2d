//! Records of this version and of earlier ones.

use serde_json::{Value, json};

use super::*;
use crate::{clock::virtual_time::Virtual, session::terms::Beyond};

const NOW: i64 = 1_700_000_000;

/// A record as versions before other audiences were renewed wrote it.
fn old() -> Value {
    let token = |scopes: &[&str], resources: &[&str], secret: &str, id: u64| {
        json!({
            "scopes": scopes, "resources": resources, "id": id, "secret": secret, "token_type": "Bearer",
            "scope": null, "obtained_at": NOW - 100, "expires_at": NOW + 900, "assumed": false,
            "renew_at": NOW + 650, "on_demand": false,
        })
    };
    json!({
        "version": 1,
        "login": {
            "profile": "work",
            "registration": {
                "issuer": "https://id.example", "authorization_endpoint": "https://id.example/authorize",
                "token_endpoint": "https://id.example/token", "revocation_endpoint": null,
                "userinfo_endpoint": null, "client_id": "client", "client_secret": null, "client_auth": "none",
            },
            "scopes": ["openid", "api"], "resources": ["https://mail.example/"], "keep_alive": true,
        },
        "phase": { "signed_in": {
            "refresh_token": { "secret": "R1", "obtained_at": NOW - 100, "idle_end": null },
            "ended": null, "person": null,
            "tokens": [
                token(&["api"], &["https://mail.example/"], "own", 1),
                token(&["api"], &[], "within", 2),
                token(&["api"], &["https://files.example/"], "beyond", 3),
            ],
        } },
    })
}

fn read(record: &Value, clock: &Clock) -> (SignedIn, Login) {
    let (phase, login) = decode(record.to_string().as_bytes(), clock).unwrap();
    let Phase::SignedIn(session) = phase else { panic!("{phase:?}") };
    (session, login.unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_old_record_is_read_and_what_its_login_does_not_reach_is_left_out() {
    let (clock, _) = Virtual::clock();
    let (session, login) = read(&old(), &clock);
    let secrets = session.entries.values().filter_map(|entry| entry.token.as_ref());
    let secrets: Vec<_> = secrets.map(|token| token.secret.expose()).collect();
    assert_eq!(secrets, ["within", "own"]);
    assert_eq!((session.narrowed, session.doubt.is_none(), &login.granted), (false, true, &None));
    assert_eq!(login.terms(), Terms { bounded: true, ..Terms::default() });
    let files = TokenKey::new([], ["https://files.example/"]);
    assert!(matches!(session.beyond(&files), Some(Beyond::Resource(named)) if named == login.resources));
}

#[tokio::test(start_paused = true)]
async fn what_an_old_record_says_was_granted_can_be_asked_for() {
    let (clock, _) = Virtual::clock();
    let reaches = |scope: &str, asked: &str| {
        let mut record = old();
        record["phase"]["signed_in"]["tokens"][0]["scope"] = json!(scope);
        let (session, _) = read(&record, &clock);
        (session.beyond(&TokenKey::new([asked], [])).is_none(), session.terms.granted.is_some())
    };
    assert_eq!(reaches("openid api extra", "extra"), (true, true));
    assert_eq!(reaches("openid api", "extra"), (false, false));
}

#[tokio::test(start_paused = true)]
async fn an_old_record_is_written_as_it_was_but_for_what_it_did_not_say() {
    let (clock, _) = Virtual::clock();
    let (session, login) = read(&old(), &clock);
    let written: Value =
        serde_json::from_slice(&encode(&Phase::SignedIn(session), Some(&login), &clock)).unwrap();
    let signed_in = &written["phase"]["signed_in"];
    for name in ["narrowed", "doubt"] {
        assert_eq!(signed_in.get(name), None, "{name} costs nothing while it says nothing");
    }
    assert!(written["login"].get("granted").is_none());
    assert!(signed_in["tokens"][0].get("used_at").is_none());
}

#[tokio::test(start_paused = true)]
async fn what_was_learned_of_the_refresh_token_is_kept() {
    let (clock, _) = Virtual::clock();
    let (mut session, mut login) = read(&old(), &clock);
    session.narrowed = true;
    session.doubt = Some(Box::new(Doubt { error: "invalid_target".into(), since: clock.now() }));
    let other = TokenKey::new(["api"], []);
    session.entries.get_mut(&other).unwrap().used_at = clock.now();
    login.granted = Some("api more".into());
    let written = encode(&Phase::SignedIn(session), Some(&login), &clock);
    let (session, login) = read(&serde_json::from_slice(&written).unwrap(), &clock);
    assert!(session.narrowed);
    assert_eq!(
        session.doubt.map(|doubt| (doubt.error, doubt.since)),
        Some(("invalid_target".into(), clock.now()))
    );
    assert_eq!(session.entries[&other].used_at, clock.now());
    assert_eq!(login.terms().granted.as_deref(), Some("api more"));
}

#[tokio::test(start_paused = true)]
async fn granted_scopes_are_the_servers_and_those_that_steer_the_login() {
    let (clock, _) = Virtual::clock();
    let (_, mut login) = read(&old(), &clock);
    login.scopes = ["openid", "offline_access", "b", "a"].map(str::to_owned).into();
    assert_eq!(login.granted_scopes(), ["openid", "offline_access", "b", "a"]);
    login.granted = Some("a extra".into());
    assert_eq!(login.granted_scopes(), ["openid", "offline_access", "a", "extra"]);
}

#[tokio::test(start_paused = true)]
async fn at_entra_no_login_has_bounds_and_no_refresh_token_is_spent() {
    let (clock, _) = Virtual::clock();
    let (_, mut login) = read(&old(), &clock);
    let registration = Arc::make_mut(&mut login.registration);
    registration.dialect.resource_style = ResourceStyle::Entra;
    registration.rotation = Rotation::Strict;
    assert_eq!(login.terms(), Terms { rotation: Rotation::NeverRevoke, ..Terms::default() });
}

#[test]
fn a_person_of_an_older_record_has_no_hint_and_one_of_a_newer_keeps_it() {
    let old = r#"{"issuer":"https://id.example","subject":"42","name":null}"#;
    let stored: StoredPerson = serde_json::from_str(old).unwrap();
    assert_eq!(serde_json::to_string(&stored).unwrap(), old);
    let person = Person { login_hint: Some("ada".to_owned()), ..Person::from(stored) };
    let written = serde_json::to_string(&StoredPerson::from(&person)).unwrap();
    let read: StoredPerson = serde_json::from_str(&written).unwrap();
    assert_eq!(Person::from(read), person);
}
