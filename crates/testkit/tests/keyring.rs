//! The sealing key in a real keyring: unlocked, locked, unlocked later, killed, absent and hanging. The sessions
//! outlive all of it.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use fourinsight_ipc::message::{Health, KeyHome, KeyState, SessionList, SessionState, SessionStatus};
use serde_json::json;
use testkit::{
    keyring::{Keyring, SessionBus},
    practice::{Practice, Settings, Transport},
    process::{Daemon, Home},
    wait,
    world::World,
};
use tokio::time::Instant;

const SOON: Duration = Duration::from_mins(1);

/// Within what the daemon is ready, whatever its keyring does.
const STARTED: Duration = Duration::from_secs(1);
/// Within what it serves what a keyring held that has been unlocked.
const SERVED: Duration = Duration::from_secs(2);
/// A machine that does other things meanwhile may take longer once, but not each time.
const TRIES: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_login_puts_the_key_into_the_keyring_and_nowhere_else() {
    let home = Home::new("").unwrap();
    let _bus = SessionBus::start(&home).await.unwrap();
    let keyring = Keyring::unlocked(&home).await.unwrap();
    let world = world(home).await.unwrap();
    let before = health(&world).await.unwrap();
    assert_eq!((before.key_home, before.key_state), (KeyHome::Unknown, KeyState::Unknown));
    assert!(!key_file(&world).exists(), "nothing is chosen before something is sealed");

    world.sign_in().await.unwrap();
    let token = world.living_token().await.unwrap();
    let after = health(&world).await.unwrap();
    assert_eq!((after.key_home, after.key_state), (KeyHome::Keyring, KeyState::Open));
    assert_eq!(after.key, "keyring (Secret Service)");
    assert_eq!(after.problems, [""; 0]);
    let status = world.home.ctl(&["status"]).await.unwrap().success().unwrap();
    assert!(status.contains("keyring (Secret Service)"), "{status}");

    let key = keyring.key(&world.home).await.unwrap();
    assert_eq!((key.len(), keyring.keys(&world.home).await.unwrap()), (32, 1), "one key, and nothing but it");
    let holds = |(_, bytes): &(PathBuf, Vec<u8>)| bytes.windows(32).any(|window| window == key);
    let files = world.home.files().unwrap();
    assert!(!files.iter().any(holds), "the key is in no file");
    let text = fs::read_to_string(key_file(&world)).unwrap();
    assert!(text.starts_with("fourinsightd key\nhome = keyring\nid = "), "{text}");

    let world = world.restart().await.unwrap();
    assert_eq!(world.living_token().await.unwrap(), token);
    assert_eq!(keyring.key(&world.home).await.unwrap(), key);
    assert_eq!(keyring.keys(&world.home).await.unwrap(), 1, "there is no second key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_into_the_keyring_and_out_again() {
    let home = Home::new("").unwrap();
    let mut world = world(home).await.unwrap();
    world.sign_in().await.unwrap();
    let token = world.living_token().await.unwrap();
    assert_eq!(health(&world).await.unwrap().key_home, KeyHome::File, "without a bus, a file");
    let _bus = SessionBus::start(&world.home).await.unwrap();
    let keyring = Keyring::unlocked(&world.home).await.unwrap();
    let mut before = Vec::new();
    for (home, written) in
        [("keyring", KeyHome::Keyring), ("keyring", KeyHome::Keyring), ("file", KeyHome::File)]
    {
        world.home.ctl(&["store", "rekey", "--to", home]).await.unwrap().success().unwrap();
        assert_eq!(health(&world).await.unwrap().key_home, written);
        // The key before is gone, in whichever home it was.
        let there = keyring.key(&world.home).await.unwrap();
        assert_ne!(there, before);
        assert_eq!(keyring.keys(&world.home).await.unwrap(), usize::from(written == KeyHome::Keyring));
        before = there;
        world = world.restart().await.unwrap();
        assert_eq!(health(&world).await.unwrap().key_home, written);
        assert_eq!(world.living_token().await.unwrap(), token);
        world.home.ctl(&["store", "check"]).await.unwrap().success().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_starts_locked_says_so_and_opens_when_the_keyring_does() {
    let (world, _bus, token) = signed_in().await.unwrap();
    let left = fs::read(key_file(&world)).unwrap();
    let World { practice, serving, home, daemon } = world;
    daemon.stop().await.unwrap();
    let keyring = Keyring::locked(&home).await.unwrap();
    let daemon = start_at_once(&home).await.unwrap();
    let world = World { practice, serving, home, daemon };

    let locked = health(&world).await.unwrap();
    assert_eq!((locked.key_home, locked.key_state), (KeyHome::Keyring, KeyState::Locked));
    assert_eq!(locked.status, "degraded");
    assert!(locked.problems.iter().any(|problem| problem.contains("is locked")), "{locked:?}");
    let sessions = sessions(&world).await.unwrap();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].state, SessionState::Unknown);
    assert_eq!(sessions[0].problem.as_ref().unwrap().error, "store_locked");
    let one = world.home.ctl(&["status", "default"]).await.unwrap();
    assert!(one.stdout.contains("is locked"), "{}", one.stdout);
    assert_eq!(world.home.ctl(&["why"]).await.unwrap().code, Some(0), "the session is known");

    let refused = world.home.get("/v1/sessions/default/token?wait=0").await.unwrap();
    assert_eq!(refused.status, 503);
    assert!(refused.headers.contains_key("retry-after"));
    let error = refused.json::<serde_json::Value>().unwrap();
    assert_eq!(error["error"], "temporarily_unavailable", "{error}");
    assert!(error["hint"].as_str().unwrap().contains("unlock"), "{error}");
    assert_eq!(world.home.ctl(&["token", "--wait", "0"]).await.unwrap().code, Some(8));
    for session in ["default", "another"] {
        let login = json!({ "session": session, "profile": "practice", "flow": "device" });
        assert_eq!(world.home.post("/v1/logins", &login).await.unwrap().status, 503, "{session}");
    }
    let revoked = world.home.delete("/v1/sessions/default").await.unwrap();
    assert_eq!(revoked.status, 503, "nothing is deleted");
    let login = world.home.begin_device_login(&["passing", "--ephemeral"]).await.unwrap();
    let uri = login.login.authorization_uri.clone();
    world.practice.answer_device(&uri, &login.user_code, Some("ada")).await.unwrap();
    login.login.finish().await.unwrap().success().unwrap();
    world.home.ctl(&["token", "passing"]).await.unwrap().success().unwrap();

    let waiting = world.home.get("/v1/sessions/default/token?wait=60");
    let (waited, unlocked) = tokio::join!(waiting, keyring.unlock());
    unlocked.unwrap();
    let waited = waited.unwrap();
    assert_eq!(waited.status, 200, "who waited is served");
    assert_eq!(waited.json::<serde_json::Value>().unwrap()["access_token"], token.as_str());
    until_open(&world).await.unwrap();
    assert_eq!(health(&world).await.unwrap().status, "ok");
    assert_eq!(fs::read(key_file(&world)).unwrap(), left);
    renewed(&world).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_an_unlock_is_served_within_two_seconds_of_it() {
    let (mut world, _bus, _token) = signed_in().await.unwrap();
    let keyring = Keyring::unlocked(&world.home).await.unwrap();
    let mut times = Vec::new();
    while times.len() < TRIES {
        keyring.lock(&world.home).await.unwrap();
        world = world.restart().await.unwrap();
        assert_eq!(health(&world).await.unwrap().key_state, KeyState::Locked);
        let waiting = async {
            let waited = world.home.get("/v1/sessions/default/token?wait=60").await?;
            anyhow::Ok((waited.status, Instant::now()))
        };
        let unlocking = async {
            keyring.unlock().await?;
            anyhow::Ok(Instant::now())
        };
        let (waited, unlocked) = tokio::try_join!(waiting, unlocking).unwrap();
        assert_eq!(waited.0, 200);
        times.push(waited.1 - unlocked);
    }
    println!("served after the unlock: {times:?}");
    times.sort_unstable();
    assert!(times[TRIES / 2] < SERVED, "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_lost_behind_an_open_store_changes_nothing() {
    let (world, _bus, first) = signed_in().await.unwrap();
    let renewed = renewed(&world).await.unwrap();
    assert_ne!(renewed, first);
    let session = sessions(&world).await.unwrap().remove(0);
    assert_eq!(serde_json::to_value(session.durability).unwrap(), "durable", "renewals are written");
    assert_eq!(health(&world).await.unwrap().key_state, KeyState::Open);

    // What was written without the keyring is there with it.
    let keyring = Keyring::unlocked(&world.home).await.unwrap();
    let world = world.restart().await.unwrap();
    assert_eq!(world.living_token().await.unwrap(), renewed);
    keyring.lock(&world.home).await.unwrap();
    self::renewed(&world).await.unwrap();
    assert_eq!(health(&world).await.unwrap().key_state, KeyState::Open);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_keyring_that_has_the_key_nothing_is_deleted_and_nothing_spins() {
    let (world, _bus, token) = signed_in().await.unwrap();
    let World { practice, serving, home, daemon } = world;
    daemon.stop().await.unwrap();
    let kept = stored(&home).unwrap();
    let daemon = start_at_once(&home).await.unwrap();
    let world = World { practice, serving, home, daemon };
    let absent = health(&world).await.unwrap();
    assert_eq!((absent.key_home, absent.key_state), (KeyHome::Keyring, KeyState::Unavailable));
    assert_eq!(sessions(&world).await.unwrap()[0].problem.as_ref().unwrap().error, "store_locked");

    let before = processor_time(&world).unwrap();
    // Long enough for three looks at the least: each is refused within milliseconds.
    let refused = world.home.get("/v1/sessions/default/token?wait=4").await.unwrap();
    assert_eq!(refused.status, 503);
    let spent = processor_time(&world).unwrap().saturating_sub(before);
    assert!(spent < Duration::from_millis(800), "{spent:?} in 4 s");
    assert_eq!(stored(&world.home).unwrap(), kept, "the store is as it was");

    let _keyring = Keyring::unlocked(&world.home).await.unwrap();
    until_open(&world).await.unwrap();
    assert_eq!(world.living_token().await.unwrap(), token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_that_hangs_delays_nobody() {
    let (world, _bus, token) = signed_in().await.unwrap();
    let World { practice, serving, home, daemon } = world;
    daemon.stop().await.unwrap();
    let keyring = Keyring::unlocked(&home).await.unwrap();
    keyring.hang().unwrap();
    let daemon = start_at_once(&home).await.unwrap();
    let world = World { practice, serving, home, daemon };
    let hanging = health(&world).await.unwrap();
    assert_eq!(hanging.key_state, KeyState::Unavailable);
    assert!(hanging.problems.iter().any(|problem| problem.contains("does not answer")), "{hanging:?}");
    for path in ["/v1/health", "/v1/sessions", "/v1/sessions/default", "/v1/version", "/v1/profiles"] {
        for _ in 0..20 {
            let asked = Instant::now();
            assert_eq!(world.home.get(path).await.unwrap().status, 200, "{path}");
            assert!(asked.elapsed() < Duration::from_secs(2), "{path} took {:?}", asked.elapsed());
        }
    }
    keyring.go_on().unwrap();
    until_open(&world).await.unwrap();
    assert_eq!(world.living_token().await.unwrap(), token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_choice_waits_for_a_locked_keyring_until_the_configuration_says_otherwise() {
    let home = Home::new("").unwrap();
    let _bus = SessionBus::start(&home).await.unwrap();
    Keyring::unlocked(&home).await.unwrap().kill().await.unwrap();
    let _keyring = Keyring::locked(&home).await.unwrap();
    let world = world(home).await.unwrap();
    let login = json!({ "session": "default", "profile": "practice", "flow": "device" });
    let refused = world.home.post("/v1/logins", &login).await.unwrap();
    assert_eq!(refused.status, 503);
    let error = refused.json::<serde_json::Value>().unwrap();
    let words = error["error_description"].as_str().unwrap();
    assert!(words.contains("is locked") && words.contains("[store]"), "{words}");
    assert!(!key_file(&world).exists());
    assert_eq!(health(&world).await.unwrap().key_state, KeyState::Locked);

    let config = fs::read_to_string(world.home.config()).unwrap();
    world.home.write_config(&format!("{config}\n[store]\nkey = \"file\"\n")).unwrap();
    world.sign_in().await.unwrap();
    let chosen = health(&world).await.unwrap();
    assert_eq!((chosen.key_home, chosen.key_state), (KeyHome::File, KeyState::Open));
    assert_eq!(fs::read(key_file(&world)).unwrap().len(), 32);
}

/// A new token, in place of one that an API is said to have refused.
async fn renewed(world: &World) -> Result<String> {
    let old: serde_json::Value = world.home.get("/v1/sessions/default/token").await?.json()?;
    let rejected =
        world.home.post("/v1/sessions/default/rejections", &json!({ "token_id": old["token_id"] })).await?;
    ensure!(rejected.status == 202, "the rejection was not taken: {}", rejected.status);
    let token = world.living_token().await?;
    ensure!(old["access_token"] != token.as_str(), "the token was not renewed:\n{}", world.daemon.log());
    Ok(token)
}

/// Somebody signed in with the key in the keyring, which has ended since; and their token.
async fn signed_in() -> Result<(World, SessionBus, String)> {
    let home = Home::new("")?;
    let bus = SessionBus::start(&home).await?;
    let keyring = Keyring::unlocked(&home).await?;
    let world = world(home).await?;
    world.sign_in().await?;
    let token = world.living_token().await?;
    ensure!(health(&world).await?.key_home == KeyHome::Keyring);
    keyring.kill().await?;
    Ok((world, bus, token))
}

async fn world(home: Home) -> Result<World> {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve(Transport::Plain, 0).await?;
    home.write_config(&format!("[profiles.practice]\n{}\n", practice.profile(&serving)))?;
    let daemon = Daemon::start(&home).await?;
    Ok(World { practice, serving, home, daemon })
}

async fn start_at_once(home: &Home) -> Result<Daemon> {
    let mut times = Vec::new();
    while times.len() < TRIES {
        let begun = Instant::now();
        let daemon = Daemon::start(home).await?;
        times.push(begun.elapsed());
        if times.last().is_some_and(|took| *took < STARTED) {
            return Ok(daemon);
        }
        daemon.stop().await?;
    }
    bail!("the starts took {times:?}")
}

async fn until_open(world: &World) -> Result<()> {
    wait::until("the unlocked store", SOON, async || {
        let sessions = sessions(world).await?;
        Ok(sessions
            .iter()
            .any(|session| {
                session.state == SessionState::SignedIn
                    && session.problem.is_none()
                    && session.session.as_str() == "default"
            })
            .then_some(()))
    })
    .await
}

async fn health(world: &World) -> Result<Health> {
    world.home.get("/v1/health").await?.json()
}

async fn sessions(world: &World) -> Result<Vec<SessionStatus>> {
    Ok(world.home.get("/v1/sessions").await?.json::<SessionList>()?.sessions)
}

fn key_file(world: &World) -> PathBuf {
    world.home.state_dir().join("broker.key")
}

/// What the store has on the disk, but for what SQLite and the lock note for themselves.
fn stored(home: &Home) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let kept = ["broker.db", "broker.key"].map(|name| home.state_dir().join(name));
    let journal = home.state_dir().join("journal");
    let mut files = home.files()?;
    files.retain(|(path, _)| kept.contains(path) || path.starts_with(&journal));
    files.sort();
    Ok(files)
}

/// What the daemon has spent of the processors' time.
fn processor_time(world: &World) -> Result<Duration> {
    const TICKS_PER_SECOND: u64 = 100;
    let stat = fs::read_to_string(format!("/proc/{}/stat", world.daemon.id()?))?;
    let fields: Vec<_> = stat.rsplit(')').next().context("no end of the name")?.split_whitespace().collect();
    let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}
