//! A year (a quarter in a debug build, which is slow) of faults at each kind of server that forgives: nothing is lost, and the daemon weighs what it weighed.
//!
//! Each year runs in a process of its own, because it weighs the process.

use testkit::practice::{self, Fault, Kind, Successor, Weather};

use super::{
    weight::{Weight, alone},
    *,
};

/// How long the access tokens live.
const LIFE: Duration = Duration::from_hours(24);

/// A year, or as much of it as a debug build gets through in a test's time.
const WEEKS: u64 = if cfg!(debug_assertions) { 13 } else { 52 };

async fn a_year(server: practice::Rotation, profile: Rotation, weather: Weather) {
    let fleet = Fleet::of(50, profile, Duration::from_mins(30), |settings| {
        settings.access_token_life = LIFE;
        settings.rotation = server;
    })
    .await;
    let practice = &fleet.world.practice;
    practice.set_weather(Some(weather));
    let mut weights = Vec::new();
    let (mut requests, mut failed) = (0, 0);
    let days = WEEKS * 7;
    for quarter in 1..=4 {
        let mut moments = Vec::new();
        for day in 1..=days / 4 {
            pass(DAY).await;
            practice.look(|ledger| {
                requests += ledger.entries().len();
                failed += ledger.entries().iter().filter(|entry| entry.status != Some(200)).count();
            });
            practice.forget_the_past();
            fleet.assert_nothing_is_lost(&format!("{server:?}, quarter {quarter}, day {day}"));
            moments.extend(Weight::now());
        }
        weights.extend(Weight::at_rest(&moments));
    }
    practice.set_weather(None);
    for session in &fleet.sessions {
        let token = token(session).await.unwrap();
        assert!(fleet.left(&token).is_some(), "{} serves a dead token", session.key);
    }
    let refreshes = fleet.refreshes();
    println!(
        "{server:?}: {WEEKS} weeks of {} sessions, {refreshes} refreshes, {requests} requests seen, {failed} of them failed or \
         lost: 0 lost; at each quarter {weights:?}",
        fleet.sessions.len()
    );
    assert!(refreshes >= 50 * (days - 3) * DAY / LIFE.as_secs(), "{refreshes} refreshes");
    assert!(failed as u64 > refreshes / 50, "{failed} faults");
    assert!(requests as u64 <= refreshes * 3 / 2, "{requests} requests for {refreshes} refreshes");
    if let [first, _, _, last] = weights[..] {
        assert_eq!((first.descriptors, first.tasks), (last.descriptors, last.tasks), "{weights:?}");
        let allowed = 1024 * refreshes.div_ceil(100_000) + 2048;
        assert!(last.resident_kib <= first.resident_kib + allowed, "{weights:?}");
    }
}

/// Everything, and a retry may fare no better.
fn foul() -> Weather {
    Weather::new(365, 0.1, Fault::all())
}

/// Each refresh token meets one fault at most, none of which outlasts half a minute once the server has committed.
fn within_reason() -> Weather {
    let soon = |fault: &Fault| fault.kind != Kind::Hang;
    Weather::new(365, 0.1, Fault::all().filter(soon)).sparing(1)
}

#[test]
fn soak_year_without_rotation() {
    alone("year::soak_year_without_rotation", || a_year(practice::Rotation::None, Rotation::None, foul()));
}

#[test]
fn soak_year_where_nothing_is_revoked() {
    alone("year::soak_year_where_nothing_is_revoked", || {
        a_year(practice::Rotation::NeverRevoke, Rotation::NeverRevoke, foul())
    });
}

#[test]
fn soak_year_with_a_grace() {
    let server = practice::Rotation::Grace { window: Duration::from_secs(30), successor: Successor::New };
    alone("year::soak_year_with_a_grace", || a_year(server, Rotation::Grace(30), within_reason()));
}

#[test]
fn soak_year_until_the_new_one_is_used() {
    alone("year::soak_year_until_the_new_one_is_used", || {
        a_year(practice::Rotation::UntilNewUsed, Rotation::Unknown, foul())
    });
}

#[test]
fn soak_year_with_one_reuse_allowed() {
    alone("year::soak_year_with_one_reuse_allowed", || {
        a_year(practice::Rotation::MaxReuse(1), Rotation::Unknown, within_reason())
    });
}
