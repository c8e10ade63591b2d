//! Asking a process to end, and whether it has.
#![expect(unsafe_code, reason = "events and waits are only offered as system calls on raw handles")]

use std::{
    ffi::OsStr,
    io,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
};

use windows_sys::Win32::{
    Foundation::{ERROR_INVALID_PARAMETER, WAIT_OBJECT_0},
    System::Threading::{
        EVENT_MODIFY_STATE, OpenEventW, OpenProcess, PROCESS_SYNCHRONIZE, SetEvent, WaitForSingleObject,
    },
};

/// The name of the event whose signal asks the daemon with this process id to end in its own time. It stands in for a
/// signal, which a process without a console cannot be sent.
pub fn stop_event(pid: u32) -> String {
    format!(r"Local\fourinsightd-stop-{pid}")
}

/// Asks a daemon of this user to end in its own time: see [`stop_event`].
pub fn terminate(pid: u32) -> io::Result<()> {
    let name = super::wide(OsStr::new(&stop_event(pid)));
    // SAFETY: the name ends with a zero.
    let event = unsafe { OpenEventW(EVENT_MODIFY_STATE, 0, name.as_ptr()) };
    if event.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is new, valid and nobody else's.
    let event = unsafe { OwnedHandle::from_raw_handle(event) };
    // SAFETY: the event is open.
    if unsafe { SetEvent(event.as_raw_handle()) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Whether a process has ended.
pub fn has_ended(pid: u32) -> bool {
    // SAFETY: takes no pointers.
    let process = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, pid) };
    if process.is_null() {
        // That there is no such process is said in these words; a refusal means that there is one.
        return io::Error::last_os_error().raw_os_error() == Some(ERROR_INVALID_PARAMETER as i32);
    }
    // SAFETY: the handle is new, valid and nobody else's.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    // SAFETY: the process is open.
    unsafe { WaitForSingleObject(process.as_raw_handle(), 0) == WAIT_OBJECT_0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs_and_a_child_that_was_waited_for_has_ended() {
        assert!(!has_ended(std::process::id()));
        let mut child = std::process::Command::new("cmd.exe").args(["/c", "exit"]).spawn().unwrap();
        child.wait().unwrap();
        assert!(has_ended(child.id()));
    }

    #[test]
    fn a_process_that_waits_for_no_event_is_not_ended() {
        assert_eq!(terminate(std::process::id()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
