//! Memory that only the start needed.

/// Gives back what only the start needed: freed memory, and the program's own code. What runs on comes back from the
/// page cache as it is used, which is a small part: the rest parsed the configuration, opened the store and restored
/// the sessions.
pub(crate) fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "the allocator of the C library has no other interface")]
    // SAFETY: it takes a number and touches only memory that nobody holds.
    unsafe {
        nix::libc::malloc_trim(0);
    }
    #[cfg(target_os = "linux")]
    own_code::give_back();
}

#[cfg(target_os = "linux")]
mod own_code {
    use std::{ffi::c_void, fs, ptr::NonNull};

    use nix::sys::mman::{MmapAdvise, madvise};

    /// Unmaps the pages of the program's code that are in memory; each is mapped again when it is next run.
    pub(super) fn give_back() {
        let (Ok(maps), Ok(program)) =
            (fs::read_to_string("/proc/self/maps"), fs::read_link("/proc/self/exe"))
        else {
            return;
        };
        let Some(program) = program.to_str() else { return };
        for (start, length) in maps.lines().filter_map(|line| code(line, program)) {
            let Some(start) = NonNull::new(std::ptr::with_exposed_provenance_mut::<c_void>(start)) else {
                continue;
            };
            #[expect(unsafe_code, reason = "advice about memory takes an address")]
            // SAFETY: the range is a mapping of the program's file that nobody can write to, so that its pages hold
            // what the file holds, and reading them again brings the same.
            let advised = unsafe { madvise(start, length, MmapAdvise::MADV_DONTNEED) };
            if let Err(error) = advised {
                tracing::debug!(%error, "the pages of the code stay in memory");
            }
        }
    }

    /// The range of a line of `/proc/self/maps` that maps code of the program: executable, never writable.
    fn code(line: &str, program: &str) -> Option<(usize, usize)> {
        let mut words = line.split_ascii_whitespace();
        let (range, access) = (words.next()?, words.next()?);
        let path = line.find('/').map(|at| &line[at..])?;
        if access != "r-xp" || path != program {
            return None;
        }
        let (start, end) = range.split_once('-')?;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        Some((start, end.checked_sub(start)?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_the_code_of_the_program_is_given_back() {
            let program = "/opt/my programs/fourinsightd";
            let line =
                |access, path| format!("55d0c0de1000-55d0c0de3000 {access} 00001000 fe:00 42    {path}");
            assert_eq!(code(&line("r-xp", program), program), Some((0x55d0_c0de_1000, 0x2000)));
            for (access, path) in [
                ("r--p", program),
                ("rw-p", program),
                ("rwxp", program),
                ("r-xp", "/usr/lib/libc.so.6"),
                ("r-xp", ""),
            ] {
                assert_eq!(code(&line(access, path), program), None, "{access} {path}");
            }
        }

        #[test]
        fn what_was_given_back_runs_on() {
            give_back();
            let maps = fs::read_to_string("/proc/self/maps").unwrap();
            let program = fs::read_link("/proc/self/exe").unwrap();
            assert!(maps.lines().any(|line| code(line, program.to_str().unwrap()).is_some()));
        }
    }
}
