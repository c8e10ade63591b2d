//! `cargo xtask test`: installs what the tests need, runs every test program, every documentation test, the
//! demo and the quick form of the fault harness, and ends with the figures alone on a line.
//!
//! Test programs are started here and not by `cargo test`, so that every one of them is accounted for: a program
//! that crashes is a failure and not a missing line.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::{
    artifacts::{self, Artifacts, TestProgram},
    faults::Harness,
    libtest::{Results, Skip},
    process::{self, Stopwatch},
    tools,
};

/// The crate that is tested twice, as its users can have it: blocking only, and with the asynchronous methods.
const CLIENT: &str = "fourinsight-client";

/// The crate whose integration tests start processes.
const TESTKIT: &str = "testkit";

/// How many of the last lines of a failed program are told once more at the end, where they are looked for.
const TOLD_AGAIN: usize = 60;

/// Runs the tests; true when none failed and, on Linux, none was skipped.
pub(crate) fn run(quick: bool) -> anyhow::Result<bool> {
    let watch = Stopwatch::start();
    if !quick {
        tools::install_debian_packages(tools::For::Tests)?;
        tools::install_npm_packages()?;
        tools::install_python_packages()?;
    }
    let mut tally = Tally::default();
    let artifacts = build_workspace()?;
    // Looked up before anything runs: what is missing must not cost the figures of all the rest.
    let demo = if quick { None } else { Some(artifacts.program("demo")?) };
    println!("built in {}\n", watch.read());
    let (testkit, rest): (Vec<_>, Vec<_>) =
        artifacts.tests.iter().partition(|test| test.label.starts_with(TESTKIT));
    for test in rest {
        tally.run_program(test, &test.label, &artifacts)?;
    }
    for (features, what) in
        [(None, "blocking only"), (Some("tokio"), "feature tokio"), (Some("reqwest"), "feature reqwest")]
    {
        for test in &build_client(features)?.tests {
            tally.run_program(test, &format!("{} ({what})", test.label), &artifacts)?;
        }
    }
    let documentation = ["test", "--locked", "--doc"];
    tally.run("documentation", process::cargo(documentation).args(["--workspace", "--exclude", CLIENT]))?;
    tally.run(
        "documentation of the client",
        process::cargo(documentation).args(["--package", CLIENT, "--all-features"]),
    )?;
    if let Some(demo) = demo {
        for test in testkit {
            tally.run_program(test, &test.label, &artifacts)?;
        }
        let mut demo = process::command(demo);
        artifacts.name_programs_to(&mut demo);
        tally.run_single("demo", demo.arg("--check"))?;
        tally.run_faults()?;
        if let Some(pictures) = pictures(artifacts.program("demo")?) {
            println!("\npictures of the pages that a browser showed: {}", pictures.display());
        }
    } else {
        println!("left out by --quick: {} of the test kit's programs, and the demo", testkit.len());
    }
    Ok(tally.finish(std::env::consts::OS == "linux", watch.read()))
}

/// Where the tests with a browser keep what it showed: beside the folder of what was built.
fn pictures(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?.with_file_name("artifacts");
    let mut files = fs::read_dir(&folder).ok()?.filter_map(Result::ok);
    files.any(|file| file.path().extension() == Some("png".as_ref())).then_some(folder)
}

/// Builds every program and test program except the client's, all with one set of features.
fn build_workspace() -> anyhow::Result<Artifacts> {
    let build =
        ["build", "--locked", "--workspace", "--exclude", CLIENT, "--lib", "--bins", "--tests", "--examples"];
    artifacts::build(&mut process::cargo(build))
}

fn build_client(features: Option<&str>) -> anyhow::Result<Artifacts> {
    let mut build =
        process::cargo(["build", "--locked", "--package", CLIENT, "--lib", "--tests", "--examples"]);
    if let Some(features) = features {
        build.args(["--features", features]);
    }
    artifacts::build(&mut build)
}

/// What was run so far.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: Vec<String>,
    skipped: Vec<Skip>,
    /// The end of what each failed program printed.
    reports: Vec<String>,
}

impl Tally {
    /// Runs a test program as cargo would, in its package's folder.
    fn run_program(&mut self, test: &TestProgram, label: &str, built: &Artifacts) -> anyhow::Result<()> {
        let mut program = process::command(&test.executable);
        program.current_dir(&test.folder).env("CARGO_MANIFEST_DIR", &test.folder);
        built.name_programs_to(&mut program);
        self.run(label, &mut program)
    }

    /// Runs something that reports as libtest does.
    fn run(&mut self, label: &str, program: &mut Command) -> anyhow::Result<()> {
        self.run_and_judge(label, program, Results::read)
    }

    /// Runs the quick form of every campaign of the fault harness, on the release profile.
    fn run_faults(&mut self) -> anyhow::Result<()> {
        let harness = Harness::build()?;
        for campaign in harness.campaigns()? {
            let mut faults = harness.command()?;
            self.run_single(&format!("faults {campaign}"), faults.args(["--quick", "--only", &campaign]))?;
        }
        Ok(())
    }

    /// Runs something that is one test as a whole.
    fn run_single(&mut self, label: &str, program: &mut Command) -> anyhow::Result<()> {
        self.run_and_judge(label, program, |printed, succeeded| {
            let failed = if succeeded { vec![] } else { vec!["its checks".to_owned()] };
            let skipped = Results::read(printed, true).skipped;
            Results { passed: usize::from(succeeded && skipped.is_empty()), failed, skipped }
        })
    }

    fn run_and_judge(
        &mut self,
        label: &str,
        program: &mut Command,
        judge: impl Fn(&str, bool) -> Results,
    ) -> anyhow::Result<()> {
        let watch = Stopwatch::start();
        let output = program.output().with_context(|| format!("cannot start {}", process::shown(program)))?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let results = judge(&printed, output.status.success());
        if !results.failed.is_empty() {
            let mut report = format!("{printed}{}", String::from_utf8_lossy(&output.stderr));
            let _ = writeln!(report, "{label} ended with {}", output.status);
            print!("{report}");
            self.reports.push(last_lines(&report, TOLD_AGAIN).to_owned());
        }
        println!(
            "{label:<52} {:>4} passed {:>3} failed {:>3} skipped {:>14}",
            results.passed,
            results.failed.len(),
            results.skipped.len(),
            watch.read()
        );
        self.add(label, results);
        Ok(())
    }

    fn add(&mut self, label: &str, results: Results) {
        self.passed += results.passed;
        self.failed.extend(results.failed.into_iter().map(|name| format!("{label}: {name}")));
        let named = |skip: Skip| Skip { name: format!("{label}: {}", skip.name), reason: skip.reason };
        self.skipped.extend(results.skipped.into_iter().map(named));
    }

    /// Prints what failed, what was skipped and why, and the figures last; true when that is good enough.
    fn finish(self, none_may_be_skipped: bool, elapsed: process::Elapsed) -> bool {
        println!();
        for report in &self.reports {
            println!("{report}");
        }
        for name in &self.failed {
            println!("failed: {name}");
        }
        for skip in &self.skipped {
            println!("skipped: {} ({})", skip.name, skip.reason);
        }
        let good = self.good(none_may_be_skipped);
        if self.failed.is_empty() && !good {
            println!("on Linux every test must run: a skip is a failure of the whole");
        }
        println!("all of it took {elapsed}");
        println!("{}", self.figures());
        good
    }

    fn good(&self, none_may_be_skipped: bool) -> bool {
        self.failed.is_empty() && self.passed > 0 && (self.skipped.is_empty() || !none_may_be_skipped)
    }

    fn figures(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed.len(), self.skipped.len())
    }
}

/// The last `count` lines of `text`.
fn last_lines(text: &str, count: usize) -> &str {
    let first = text.trim_end().rmatch_indices('\n').nth(count - 1).map_or(0, |(end, _)| end + 1);
    &text[first..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(script: &str) -> Tally {
        let mut tally = Tally::default();
        tally.run("scripted", process::command("sh").args(["-c", script])).unwrap();
        tally
    }

    #[test]
    fn a_program_that_passes_is_good() {
        let tally = tally("echo 'test result: ok. 2 passed; 0 failed; 0 ignored'");
        assert!(tally.good(true));
        assert_eq!(tally.figures(), "2 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn a_skip_is_named_and_fails_only_where_none_may_be_skipped() {
        let tally = tally(
            "echo 'test x ... ignored, no Wine'; echo 'test result: ok. 1 passed; 0 failed; 1 ignored'",
        );
        assert_eq!(tally.skipped[0], Skip { name: "scripted: x".into(), reason: "no Wine".into() });
        assert!(tally.good(false) && !tally.good(true));
        assert_eq!(tally.figures(), "1 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn a_program_killed_before_its_summary_fails_the_whole() {
        let tally = tally("echo 'test x ... ok'; kill -KILL $$");
        assert!(!tally.good(false));
        assert_eq!(tally.failed, ["scripted: the test program ended badly before it could report"]);
    }

    #[test]
    fn pictures_are_named_where_there_are_any() {
        let target = tempfile::tempdir().unwrap();
        let program = target.path().join("debug/demo");
        let folder = target.path().join("artifacts");
        assert_eq!(pictures(&program), None);
        fs::create_dir(&folder).unwrap();
        assert_eq!(pictures(&program), None);
        fs::write(folder.join("page.png"), "").unwrap();
        assert_eq!(pictures(&program), Some(folder));
    }

    #[test]
    fn the_end_of_what_a_failed_program_printed_is_kept_for_the_end() {
        let tally = tally("seq 100; echo 'test x ... FAILED'; echo why >&2; exit 101");
        let report: Vec<_> = tally.reports[0].lines().collect();
        assert_eq!(report.len(), TOLD_AGAIN);
        assert_eq!(
            report[TOLD_AGAIN - 3..],
            ["test x ... FAILED", "why", "scripted ended with exit status: 101"]
        );
        assert_eq!(last_lines("one\ntwo\n", 5), "one\ntwo\n");
    }

    #[test]
    fn nothing_run_is_not_good() {
        assert!(!Tally::default().good(false));
    }

    #[test]
    fn a_demo_counts_as_one_test() {
        let mut tally = Tally::default();
        tally.run_single("demo", &mut process::command("true")).unwrap();
        assert!(tally.good(true));
        tally.run_single("demo", &mut process::command("false")).unwrap();
        assert_eq!(tally.figures(), "1 passed, 1 failed, 0 skipped");
    }
}
