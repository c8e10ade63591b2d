//! What the kernel says of a process, by `/proc`. The daemon lets no other process of its user look into its memory,
//! so its Pss is for root to read.

use std::{fs, path::PathBuf, thread, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};

use super::clock::Moment;

/// How often a process is looked at that is to come to rest.
const LOOK: Duration = Duration::from_millis(50);

/// How many looks in a row must find nothing new.
const QUIET_LOOKS: usize = 3;

/// How long it may take to come to rest.
const LONGEST: Duration = Duration::from_secs(20);

/// The time that a process has run so far, all its threads together, in microseconds.
pub(super) fn processor_time(process: u32) -> Result<f64> {
    let mut nanoseconds = 0;
    for thread in threads(process)? {
        // A thread that has just ended has nothing more to say.
        let Ok(text) = fs::read_to_string(thread.join("schedstat")) else { continue };
        let run = text.split_whitespace().next().context("no schedstat")?;
        nanoseconds += run.parse::<u64>().context("no schedstat")?;
    }
    Ok(nanoseconds as f64 / 1e3)
}

/// How often the threads of a process have gone to sleep so far: each time they were woken up.
pub(super) fn wake_ups(process: u32) -> Result<u64> {
    let mut count = 0;
    for thread in threads(process)? {
        let Ok(text) = fs::read_to_string(thread.join("status")) else { continue };
        let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count += line.context("the kernel does not count context switches")?.trim().parse::<u64>()?;
    }
    Ok(count)
}

/// The memory of a process, in mebibytes: its own, and its share of what it shares.
pub(super) fn proportional_set_size(process: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))
        .context("the daemon's memory can be read by root only: run the bench as root")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? / 1024.0)
}

/// Waits until a process has nothing more to do for now.
pub(super) fn come_to_rest(process: u32) -> Result<()> {
    until_unchanged(process, "does not come to rest", |_| true)
}

/// Waits until a process has also let go of the threads that it does not need.
pub(super) fn settle(process: u32) -> Result<()> {
    until_unchanged(process, "keeps its threads", |threads| threads == 1)
}

fn until_unchanged(process: u32, complaint: &str, few_enough: impl Fn(usize) -> bool) -> Result<()> {
    let start = Moment::now();
    let (mut last, mut unchanged) = (processor_time(process)?, 0);
    while unchanged < QUIET_LOOKS {
        ensure!(start.elapsed() < LONGEST, "process {process} {complaint}");
        pause(LOOK);
        let now = processor_time(process)?;
        let quiet = now.to_bits() == last.to_bits() && few_enough(threads(process)?.len());
        unchanged = if quiet { unchanged + 1 } else { 0 };
        last = now;
    }
    Ok(())
}

/// Lets time pass between two looks at what announces itself nowhere.
pub(super) fn pause(length: Duration) {
    thread::park_timeout(length);
}

/// The threads of a process, by their folders.
pub(super) fn threads(process: u32) -> Result<Vec<PathBuf>> {
    let folder = format!("/proc/{process}/task");
    let Ok(entries) = fs::read_dir(&folder) else { bail!("process {process} has ended") };
    Ok(entries.collect::<Result<Vec<_>, _>>()?.into_iter().map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_run_slept_and_uses_memory() {
        let process = std::process::id();
        let before = processor_time(process).unwrap();
        let wasted = (0..3_000_000u64).fold(0u64, |sum, number| sum ^ number.wrapping_mul(sum | 1));
        assert!(std::hint::black_box(wasted) != 1 && processor_time(process).unwrap() > before);
        let slept = wake_ups(process).unwrap();
        pause(Duration::from_millis(5));
        assert!(wake_ups(process).unwrap() > slept);
        assert!(proportional_set_size(process).unwrap() > 0.1);
    }

    #[test]
    fn a_process_that_has_ended_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(processor_time(child.id()).is_err());
    }
}
