//! One processor for everybody who takes part.
//!
//! On an idle machine the kernel wakes whoever is sent something on the sender's processor or on another, as it
//! happens, and that decides more about a call of microseconds than either side of it does. Where two clients of one
//! daemon are compared, all three therefore share a processor: the same is done for each of them.

use anyhow::Result;

#[cfg(target_os = "linux")]
pub(super) use linux::Shared;

/// Elsewhere nobody can be kept anywhere, so there is none of these.
#[cfg(not(target_os = "linux"))]
pub(super) enum Shared {}

#[cfg(not(target_os = "linux"))]
impl Shared {
    pub(super) fn by(_: &[u32]) -> Result<Self> {
        anyhow::bail!("only Linux keeps processes on one processor")
    }
}

#[cfg(not(target_os = "linux"))]
impl Drop for Shared {
    fn drop(&mut self) {}
}

#[cfg(target_os = "linux")]
mod linux {
    use anyhow::Context as _;
    use nix::{
        sched::{CpuSet, sched_getaffinity, sched_setaffinity},
        unistd::Pid,
    };

    use super::{super::processes::threads, Result};

    /// Keeps this thread and some processes on one processor, until it is dropped.
    pub(in crate::bench) struct Shared {
        here: CpuSet,
        processes: Vec<(u32, CpuSet)>,
    }

    const HERE: Pid = Pid::from_raw(0);

    impl Shared {
        pub(in crate::bench) fn by(processes: &[u32]) -> Result<Self> {
            let here = sched_getaffinity(HERE)?;
            let first = (0..CpuSet::count()).find(|processor| here.is_set(*processor).unwrap_or(false));
            let mut one = CpuSet::new();
            one.set(first.context("this process may run on no processor")?)?;
            let mut shared = Self { here, processes: Vec::new() };
            for process in processes {
                shared
                    .processes
                    .push((*process, sched_getaffinity(Pid::from_raw(i32::try_from(*process)?))?));
                place(*process, &one)?;
            }
            sched_setaffinity(HERE, &one)?;
            Ok(shared)
        }
    }

    impl Drop for Shared {
        fn drop(&mut self) {
            // A process that has ended meanwhile needs no place.
            let _ = sched_setaffinity(HERE, &self.here);
            for (process, before) in &self.processes {
                let _ = place(*process, before);
            }
        }
    }

    /// Has the threads of a process run there, and those that they start.
    fn place(process: u32, set: &CpuSet) -> Result<()> {
        for thread in threads(process)? {
            let number =
                thread.file_name().and_then(|name| name.to_str()).context("a thread without a number")?;
            // A thread that has just ended needs no place either.
            let _ = sched_setaffinity(Pid::from_raw(number.parse()?), set);
        }
        Ok(())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_thread_is_kept_on_one_processor_and_let_go() {
            let allowed = || {
                let set = sched_getaffinity(HERE).unwrap();
                (0..CpuSet::count()).filter(|processor| set.is_set(*processor).unwrap()).count()
            };
            let before = allowed();
            let shared = Shared::by(&[]).unwrap();
            assert_eq!(allowed(), 1);
            drop(shared);
            assert_eq!(allowed(), before);
        }
    }
}
