//! `cargo xtask lint`: form, lints, documentation, licences, and the workspace's own rules.
//!
//! Every check runs even when an earlier one failed, so that one run shows all there is to mend.

mod dependencies;
mod source;

use std::process::Command;

use crate::{
    process::{self, Stopwatch},
    tools,
};

/// Runs every check; true when all are clean.
pub(crate) fn run() -> anyhow::Result<bool> {
    let cargo_deny = tools::cargo_deny()?;
    let mut report = Report::default();
    report.command("form", process::cargo(["fmt", "--all", "--check"]));
    let clippy = ["clippy", "--locked", "--all-targets"];
    let strict = ["--", "-D", "warnings"];
    let mut everything = process::cargo(clippy);
    everything.args(["--workspace", "--all-features"]).args(strict);
    report.command("lints, every feature", everything);
    // What other programs compile: without the features that the workspace's own crates turn on.
    let mut default_features = process::cargo(clippy);
    default_features.args(["--package", "fourinsight-client", "--package", "fourinsight-ipc"]).args(strict);
    report.command("lints, the client's default features", default_features);
    let documentation =
        ["doc", "--locked", "--no-deps", "--workspace", "--all-features", "--document-private-items"];
    let mut documentation = process::cargo(documentation);
    documentation.env("RUSTDOCFLAGS", "-D warnings");
    report.command("documentation", documentation);
    let mut deny = process::command(cargo_deny);
    deny.args(["--locked", "--all-features", "--log-level", "warn", "check", "licenses", "bans", "sources"]);
    report.command("licences, bans, sources", deny);
    report.check("source rules", source::check);
    report.check("one crypto provider", dependencies::one_crypto_provider);
    report.check("size of the client", dependencies::client_size);
    Ok(report.finish())
}

#[derive(Default)]
struct Report {
    lines: Vec<String>,
    failed: usize,
}

impl Report {
    fn command(&mut self, label: &str, mut command: Command) {
        self.check(label, || process::run(&mut command).map(|()| vec![]));
    }

    /// Runs a check that answers with what it found wrong, a line each.
    fn check(&mut self, label: &str, check: impl FnOnce() -> anyhow::Result<Vec<String>>) {
        let watch = Stopwatch::start();
        let found = check().unwrap_or_else(|error| vec![format!("{error:#}")]);
        for problem in &found {
            eprintln!("error: {problem}");
        }
        self.failed += usize::from(!found.is_empty());
        let verdict = if found.is_empty() { "ok" } else { "FAILED" };
        self.lines.push(format!("{label:<40} {verdict:<7} {:>12}", watch.read()));
    }

    fn finish(self) -> bool {
        println!();
        for line in &self.lines {
            println!("{line}");
        }
        println!("{} checks, {} failed", self.lines.len(), self.failed);
        self.failed == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_check_makes_the_whole_bad_and_stops_no_other() {
        let mut report = Report::default();
        report.command("a", process::command("false"));
        report.check("b", || Ok(vec![]));
        assert_eq!((report.lines.len(), report.failed), (2, 1));
        assert!(!report.finish());
    }

    #[test]
    fn clean_checks_are_good() {
        let mut report = Report::default();
        report.command("a", process::command("true"));
        assert!(report.finish());
    }
}
