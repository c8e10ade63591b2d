//! The disk refuses, here and there, for a while, or altogether: no login is lost, and the daemon goes on.

use testkit::faults::{Extent, Figure, Options, disk};

/// A longer run is asked for by this variable.
const FULL: &str = "FOURINSIGHT_FAULTS_FULL";

fn options() -> Options {
    let extent = if std::env::var_os(FULL).is_some() { Extent::Full } else { Extent::Quick };
    Options { extent, ..Options::default() }
}

fn kept(figures: &[Figure]) {
    for Figure { name, measured, promise, kept, detail } in figures {
        eprintln!("{name}: {measured} (promised {promise:?}, kept {kept}) {detail}");
    }
    assert!(figures.iter().all(|figure| figure.kept), "a promise was broken");
}

#[test]
fn no_failing_call_costs_a_login() {
    kept(&disk::inject::run(&options()).unwrap());
}

#[test]
fn a_disk_that_refuses_for_a_while_costs_nothing() {
    kept(&disk::lasting::run(&options()).unwrap());
}

#[test]
fn a_full_disk_costs_nothing() {
    kept(&disk::brim::run(&options()).unwrap());
}

#[test]
fn limits_are_errors_and_not_the_end() {
    kept(&disk::limits::run(&options()).unwrap());
}

#[test]
fn a_daemon_that_was_held_still_serves_nothing_stale() {
    kept(&disk::clock::run(&options()).unwrap());
}

#[test]
fn files_that_are_taken_away_are_written_anew() {
    kept(&disk::folder::run(&options()).unwrap());
}
