//! A year (a quarter in a debug build, which is slow) of faults at each kind of server that forgives: nothing is lost, and the daemon weighs what it weighed.
//!
//! Each year runs in a process of its own, because it weighs the process.

use std::{fs, process::Command};

use testkit::practice::{self, Fault, Kind, Successor, Weather};

use super::*;

/// How long the access tokens live.
const LIFE: Duration = Duration::from_hours(24);

/// A year, or as much of it as a debug build gets through in a test's time.
const WEEKS: u64 = if cfg!(debug_assertions) { 13 } else { 52 };

/// What the process weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Weight {
    resident_kib: u64,
    descriptors: usize,
    tasks: usize,
}

impl Weight {
    /// `None` where the system does not tell.
    fn now() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(Self {
            resident_kib: resident.split_whitespace().next()?.parse().ok()?,
            descriptors: fs::read_dir("/proc/self/fd").ok()?.count(),
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        })
    }

    /// Of many moments: what it weighs now, and the least that was open and under way, because any one of them may lie
    /// in the middle of a request.
    fn at_rest(moments: &[Self]) -> Option<Self> {
        Some(Self {
            resident_kib: moments.last()?.resident_kib,
            descriptors: moments.iter().map(|moment| moment.descriptors).min()?,
            tasks: moments.iter().map(|moment| moment.tasks).min()?,
        })
    }
}

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

/// Set in the process that a test has to itself.
const ALONE: &str = "FOURINSIGHTD_SOAK_ALONE";

/// Runs the year of the test of this name in a process of its own.
fn alone<Year: Future<Output = ()>>(name: &str, year: impl FnOnce() -> Year) {
    if std::env::var_os(ALONE).is_some() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        return runtime.enable_all().start_paused(true).build().unwrap().block_on(year());
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&format!("soak_tests::year::{name}"), "--exact", "--nocapture"])
        .env(ALONE, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
fn soak_year_without_rotation() {
    alone("soak_year_without_rotation", || a_year(practice::Rotation::None, Rotation::None, foul()));
}

#[test]
fn soak_year_where_nothing_is_revoked() {
    alone("soak_year_where_nothing_is_revoked", || {
        a_year(practice::Rotation::NeverRevoke, Rotation::NeverRevoke, foul())
    });
}

#[test]
fn soak_year_with_a_grace() {
    let server = practice::Rotation::Grace { window: Duration::from_secs(30), successor: Successor::New };
    alone("soak_year_with_a_grace", || a_year(server, Rotation::Grace(30), within_reason()));
}

#[test]
fn soak_year_until_the_new_one_is_used() {
    alone("soak_year_until_the_new_one_is_used", || {
        a_year(practice::Rotation::UntilNewUsed, Rotation::Unknown, foul())
    });
}

#[test]
fn soak_year_with_one_reuse_allowed() {
    alone("soak_year_with_one_reuse_allowed", || {
        a_year(practice::Rotation::MaxReuse(1), Rotation::Unknown, within_reason())
    });
}
