//! A day without a server: nothing is dropped, nothing dead is served, nobody is flooded, the daemon weighs what it
//! weighed, and all heals.
//!
//! Each day runs in a process of its own, because it weighs the process.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use testkit::practice::{Fault, Kind, Point, Weather};

use super::{
    weight::{Weight, alone},
    *,
};

/// Everything that an outage can look like when nothing is committed. A server that refuses for long is no outage: it
/// is asked at a pace of its own.
fn outage() -> impl Iterator<Item = Fault> {
    let is_outage = |kind| !matches!(kind, Kind::Delay(_) | Kind::Status(403));
    Fault::all().filter(move |fault| fault.point == Point::AfterReading && is_outage(fault.kind))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

async fn a_day_without_a_server(rotation: Rotation) {
    let fleet = Fleet::of(100, rotation, seconds(30), |_| {}).await;
    let practice = &fleet.world.practice;
    pass(HOUR / 2).await;
    practice.forget_the_past();
    practice.set_weather(Some(Weather::new(24, 1.0, outage())));
    // Some of them never leave: a connection refused, a name not found.
    let mishaps = &fleet.world.daemon.mishaps;
    mishaps.refused_one_in.store(5, Ordering::Relaxed);
    let before = mishaps.exchanges.load(Ordering::Relaxed);
    let mut attempts = BTreeMap::<String, usize>::new();
    let mut moments = Vec::new();
    let mut weights = Vec::new();
    for hour in 0..24 {
        let mut weighed = Vec::new();
        for minute in 0..60 {
            pass(60).await;
            for session in &fleet.sessions {
                if let Some(token) = session.at_once(None, None) {
                    let alive = fleet.left(&token).is_some();
                    assert!(alive, "{hour}:{minute:02}: {} serves a dead token", session.key);
                }
            }
            weighed.extend(Weight::now());
        }
        practice.look(|ledger| {
            for request in ledger.token_requests("refresh_token") {
                *attempts.entry(request.form.get("refresh_token").unwrap().to_owned()).or_default() += 1;
                moments.push(request.at);
            }
        });
        practice.forget_the_past();
        weights.extend(Weight::at_rest(&weighed));
    }
    fleet.assert_nothing_is_lost("after a day");
    assert_eq!(attempts.len(), fleet.sessions.len());
    let tried = (mishaps.exchanges.load(Ordering::Relaxed) - before) / fleet.sessions.len();
    let (least, most) = (attempts.values().min().unwrap(), attempts.values().max().unwrap());
    let during = peak(&mut moments);

    // A server that comes back answers first: what hangs at the end of an outage has not seen it yet.
    let answers = outage().filter(|fault| fault.kind != Kind::Hang);
    practice.set_weather(Some(Weather::new(25, 1.0, answers)));
    pass(61).await;
    practice.forget_the_past();
    practice.set_weather(None);
    mishaps.refused_one_in.store(0, Ordering::Relaxed);
    let mut healed_after = 0;
    while fleet.sessions.iter().any(|session| session.at_once(None, None).is_none()) {
        pass(1).await;
        healed_after += 1;
        assert!(healed_after <= 330, "{rotation:?}: some session is not fresh 5 min 30 s after the outage");
    }
    let mut moments = practice.look(|ledger| {
        ledger.token_requests("refresh_token").iter().map(|entry| entry.at).collect::<Vec<_>>()
    });
    let afterwards = peak(&mut moments);
    println!(
        "{rotation:?}: 24 h of outage, {} sessions: {tried} attempts each, {least} to {most} of them seen, all fresh after {healed_after} s, \
         at most {during} requests in a second during the outage and {afterwards} after it",
        fleet.sessions.len()
    );
    fleet.assert_nothing_is_lost("after the outage");
    if let [_, second, .., last] = weights[..] {
        println!("{rotation:?}: weighed after 2 h {second:?} and after 24 h {last:?}");
        assert_eq!((second.descriptors, second.tasks), (last.descriptors, last.tasks), "{weights:?}");
        assert!(last.resident_kib <= second.resident_kib + 2048, "{weights:?}");
    }
    assert!(tried.max(*most) <= 320, "{rotation:?}: {tried} attempts, {most} seen");
    assert!(during.max(afterwards) <= 10, "{rotation:?}: {during} and {afterwards} requests within a second");
}

#[test]
fn soak_outage_of_a_server_that_may_rotate_in_any_way() {
    alone("outage::soak_outage_of_a_server_that_may_rotate_in_any_way", || {
        a_day_without_a_server(Rotation::Unknown)
    });
}

/// What it answered is in doubt from the first hour on: each refresh token is left alone until its access token ends.
#[test]
fn soak_outage_of_a_strict_server() {
    alone("outage::soak_outage_of_a_strict_server", || a_day_without_a_server(Rotation::Strict));
}

#[test]
fn soak_outage_of_a_server_that_never_revokes() {
    alone("outage::soak_outage_of_a_server_that_never_revokes", || {
        a_day_without_a_server(Rotation::NeverRevoke)
    });
}
