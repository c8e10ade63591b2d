//! One processor for everybody who takes part.
//!
//! On an idle machine the kernel wakes whoever is sent something on the sender's processor or on another, as it
//! happens, and that decides more about a call of microseconds than either side of it does. Where two clients of one
//! daemon are compared, all three therefore share a processor: the same is done for each of them.

use anyhow::Result;

#[cfg(target_os = "linux")]
pub(super) use linux::Shared;

/// Elsewhere nobody can be kept anywhere.
#[cfg(not(target_os = "linux"))]
pub(super) struct Shared;

#[cfg(not(target_os = "linux"))]
impl Shared {
    pub(super) fn by(_: &[u32]) -> Result<Self> {
        anyhow::bail!("only Linux keeps processes on one processor")
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use anyhow::Context as _;
    use nix::{
        sched::{CpuSet, sched_getaffinity, sched_setaffinity},
        unistd::Pid,
    };

    use super::Result;

    /// Keeps this thread and the main threads of some processes on one processor, until it is dropped.
    pub(in crate::bench) struct Shared(Vec<(Pid, CpuSet)>);

    impl Shared {
        pub(in crate::bench) fn by(processes: &[u32]) -> Result<Self> {
            let here = Pid::from_raw(0);
            let allowed = sched_getaffinity(here)?;
            let first = (0..CpuSet::count()).find(|processor| allowed.is_set(*processor).unwrap_or(false));
            let mut one = CpuSet::new();
            one.set(first.context("this process may run on no processor")?)?;
            let mut shared = Self(Vec::new());
            for process in processes {
                let process = Pid::from_raw(i32::try_from(*process)?);
                shared.keep(process, &one)?;
            }
            shared.keep(here, &one)?;
            Ok(shared)
        }

        fn keep(&mut self, process: Pid, one: &CpuSet) -> Result<()> {
            let before = sched_getaffinity(process)?;
            sched_setaffinity(process, one).context("the kernel does not keep a process on one processor")?;
            self.0.push((process, before));
            Ok(())
        }
    }

    impl Drop for Shared {
        fn drop(&mut self) {
            for (process, before) in &self.0 {
                // A process that has ended meanwhile needs none.
                let _ = sched_setaffinity(*process, before);
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_thread_is_kept_on_one_processor_and_let_go() {
            let allowed = || {
                let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
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
