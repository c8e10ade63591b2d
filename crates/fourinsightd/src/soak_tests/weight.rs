//! What a soak's process weighs, alone with it.

use std::{fs, process::Command};

/// What the process weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) resident_kib: u64,
    pub(super) descriptors: usize,
    pub(super) tasks: usize,
}

impl Weight {
    /// `None` where the system does not tell.
    pub(super) fn now() -> Option<Self> {
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
    pub(super) fn at_rest(moments: &[Self]) -> Option<Self> {
        Some(Self {
            resident_kib: moments.last()?.resident_kib,
            descriptors: moments.iter().map(|moment| moment.descriptors).min()?,
            tasks: moments.iter().map(|moment| moment.tasks).min()?,
        })
    }
}

/// Set in the process that a test has to itself.
const ALONE: &str = "FOURINSIGHTD_SOAK_ALONE";

/// Runs the soak of the test of this name, below `soak_tests`, in a process of its own.
pub(super) fn alone<Soak: Future<Output = ()>>(name: &str, soak: impl FnOnce() -> Soak) {
    if std::env::var_os(ALONE).is_some() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        return runtime.enable_all().start_paused(true).build().unwrap().block_on(soak());
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&format!("soak_tests::{name}"), "--exact", "--nocapture"])
        .env(ALONE, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}
