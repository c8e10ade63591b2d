//! What a test program printed, in libtest's plain form: the one that is stable.

/// The results of one test program.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Results {
    /// How many passed.
    pub(crate) passed: usize,
    /// Which failed.
    pub(crate) failed: Vec<String>,
    /// Which were skipped.
    pub(crate) skipped: Vec<Skip>,
}

/// A test that was skipped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    /// Its name.
    pub(crate) name: String,
    /// Why, as its `#[ignore = "…"]` says.
    pub(crate) reason: String,
}

impl Results {
    /// Reads a test program's output. `succeeded` is its exit: a program that ends badly without naming a failed
    /// test (it crashed, or never reached its tests) counts as one failure.
    pub(crate) fn read(output: &str, succeeded: bool) -> Self {
        let mut results = Self::default();
        let (mut failed, mut skipped, mut found_out) = (0, 0, 0);
        for line in output.lines() {
            if let Some(summary) = line.strip_prefix("test result: ") {
                results.passed += count(summary, "passed");
                failed += count(summary, "failed");
                skipped += count(summary, "ignored");
            } else if let Some((name, verdict)) = test_line(line) {
                results.note(name, verdict);
            } else if let Some((name, reason)) =
                line.strip_prefix("SKIPPED ").and_then(|rest| rest.split_once(": "))
            {
                // A test that finds out only while it runs that it cannot: libtest counts it as passed.
                found_out += 1;
                results.skipped.push(Skip { name: name.to_owned(), reason: reason.to_owned() });
            }
        }
        // The summary decides how many; a line that a child process wrote into cannot hide a test.
        while results.failed.len() < failed {
            results.failed.push("a test whose line cannot be read".to_owned());
        }
        results.passed = results.passed.saturating_sub(found_out);
        while results.skipped.len() < skipped + found_out {
            let name = "a test whose line cannot be read".to_owned();
            results.skipped.push(Skip { name, reason: NO_REASON.to_owned() });
        }
        if !succeeded && results.failed.is_empty() {
            results.failed.push("the test program ended badly before it could report".to_owned());
        }
        results
    }

    fn note(&mut self, name: &str, verdict: &str) {
        if verdict == "FAILED" {
            self.failed.push(name.to_owned());
        } else if let Some(rest) = verdict.strip_prefix("ignored") {
            let reason = rest.strip_prefix(", ").unwrap_or(NO_REASON);
            self.skipped.push(Skip { name: name.to_owned(), reason: reason.to_owned() });
        }
    }
}

const NO_REASON: &str = "no reason given";

fn test_line(line: &str) -> Option<(&str, &str)> {
    // A reason may hold the separator, a test's name cannot: split at the first one.
    line.strip_prefix("test ")?.split_once(" ... ")
}

fn count(summary: &str, what: &str) -> usize {
    let words: Vec<&str> = summary.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
    let found = words.windows(2).find(|pair| pair[1] == what);
    found.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_failed_and_skipped_are_read_with_their_reasons() {
        let output = "\nrunning 4 tests\ntest a::b ... ok\ntest c ... ignored, needs root ... really\n\
            test d ... FAILED\ntest e - should panic ... ok\n\nfailures:\n    d\n\n\
            test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        let results = Results::read(output, false);
        assert_eq!(results.passed, 2);
        assert_eq!(results.failed, ["d"]);
        let reason = "needs root ... really".to_owned();
        assert_eq!(results.skipped, [Skip { name: "c".into(), reason }]);
    }

    #[test]
    fn several_summaries_in_one_output_add_up() {
        let summary = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(Results::read(&summary.repeat(2), true).passed, 6);
    }

    #[test]
    fn a_skip_without_a_reason_is_still_named() {
        let results =
            Results::read("test x ... ignored\ntest result: ok. 0 passed; 0 failed; 1 ignored\n", true);
        assert_eq!(results.skipped, [Skip { name: "x".into(), reason: NO_REASON.into() }]);
    }

    #[test]
    fn a_test_that_finds_out_that_it_cannot_run_is_skipped_and_not_passed() {
        let output =
            "test x ... \nSKIPPED x: needs root\nok\ntest result: ok. 2 passed; 0 failed; 0 ignored\n";
        let results = Results::read(output, true);
        assert_eq!(results.passed, 1);
        assert_eq!(results.skipped, [Skip { name: "x".into(), reason: "needs root".into() }]);
    }

    #[test]
    fn a_line_that_cannot_be_read_hides_no_test() {
        let output = "test x ... child output\nFAILED\ntest result: FAILED. 0 passed; 1 failed; 1 ignored\n";
        let results = Results::read(output, false);
        assert_eq!((results.failed.len(), results.skipped.len()), (1, 1));
    }

    #[test]
    fn a_program_that_crashes_counts_as_a_failure() {
        assert_eq!(Results::read("running 1 test\n", false).failed.len(), 1);
        assert_eq!(Results::read("", true), Results::default());
    }
}
