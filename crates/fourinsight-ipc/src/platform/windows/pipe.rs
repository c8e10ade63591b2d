//! A blocking connection over a named pipe, whose reads and writes do not wait for ever.
//!
//! A pipe has no time-outs of its own. It is opened for overlapped operations instead: each is begun, waited for, and
//! withdrawn when it takes too long.
#![expect(unsafe_code, reason = "overlapped operations are only offered as system calls on raw handles")]

use std::{
    fs::OpenOptions,
    io::{self, Read, Write},
    mem,
    os::windows::{
        fs::OpenOptionsExt,
        io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle},
    },
    path::Path,
    ptr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use windows_sys::{
    Win32::{
        Foundation::{
            ERROR_BROKEN_PIPE, ERROR_IO_PENDING, ERROR_PIPE_BUSY, ERROR_PIPE_NOT_CONNECTED, HANDLE,
            WAIT_OBJECT_0,
        },
        Storage::FileSystem::{FILE_FLAG_OVERLAPPED, ReadFile, SECURITY_IDENTIFICATION, WriteFile},
        System::{
            IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED},
            Pipes::{GetNamedPipeClientProcessId, GetNamedPipeInfo, NAMED_PIPE_MODE, WaitNamedPipeW},
            Threading::{CreateEventW, INFINITE, WaitForSingleObject},
        },
    },
    core::BOOL,
};

/// How long to wait for the server to offer another instance of a pipe whose every instance is taken.
const BUSY: Duration = Duration::from_secs(5);
/// How often another client may then be faster.
const MOST_ATTEMPTS: usize = 20;

/// A blocking connection to the daemon.
#[derive(Debug)]
pub struct Stream {
    pipe: OwnedHandle,
    done: OwnedHandle,
    limit: AtomicU32,
}

impl Stream {
    /// Opens a pipe as a client. The server may learn who asks, but not act in their name.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let name = super::wide(path.as_os_str());
        let mut attempts = 0;
        let pipe = loop {
            let opened = OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(FILE_FLAG_OVERLAPPED)
                .security_qos_flags(SECURITY_IDENTIFICATION)
                .open(path);
            match opened {
                Err(error) if is(&error, ERROR_PIPE_BUSY) && attempts < MOST_ATTEMPTS => {
                    attempts += 1;
                    // SAFETY: the name ends with a zero. Should it fail, the next attempt says why.
                    unsafe { WaitNamedPipeW(name.as_ptr(), BUSY.as_millis() as u32) };
                }
                other => break other?,
            }
        };
        // SAFETY: no name and no attributes are given; the event is made for this stream alone.
        let done = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
        if done.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new, valid and nobody else's.
        let done = unsafe { OwnedHandle::from_raw_handle(done) };
        Ok(Self { pipe: pipe.into(), done, limit: AtomicU32::new(INFINITE) })
    }

    /// Limits how long one read or one write may wait.
    pub(super) fn set_timeout(&self, limit: Duration) -> io::Result<()> {
        if limit.is_zero() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a limit of no time at all"));
        }
        let millis = u32::try_from(limit.as_millis()).unwrap_or(INFINITE - 1);
        self.limit.store(millis.clamp(1, INFINITE - 1), Ordering::Relaxed);
        Ok(())
    }

    /// Begins an operation, waits for it, and withdraws it when it takes too long.
    fn complete(&self, begin: impl FnOnce(HANDLE, *mut OVERLAPPED) -> BOOL) -> io::Result<usize> {
        let pipe = self.pipe.as_raw_handle();
        // SAFETY: a plain structure of numbers and a pointer, for which all zeroes is the documented start.
        let mut operation: OVERLAPPED = unsafe { mem::zeroed() };
        operation.hEvent = self.done.as_raw_handle();
        if begin(pipe, &raw mut operation) == 0 {
            let error = io::Error::last_os_error();
            if !is(&error, ERROR_IO_PENDING) {
                return Err(error);
            }
        }
        // SAFETY: the event lives as long as this stream.
        let waited = unsafe { WaitForSingleObject(operation.hEvent, self.limit.load(Ordering::Relaxed)) };
        if waited != WAIT_OBJECT_0 {
            // SAFETY: the operation was begun on this handle. It may have ended just now; that is found out below.
            unsafe { CancelIoEx(pipe, &raw const operation) };
        }
        let mut count = 0;
        // SAFETY: waits until the system is done with the operation and its buffer, so neither is left dangling.
        if unsafe { GetOverlappedResult(pipe, &raw const operation, &raw mut count, 1) } != 0 {
            return Ok(count as usize);
        }
        let error = io::Error::last_os_error();
        Err(if waited == WAIT_OBJECT_0 { error } else { io::ErrorKind::TimedOut.into() })
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let read = self.complete(|pipe, operation| {
            // SAFETY: the buffer is at least so long, and stays borrowed until the operation is complete.
            unsafe { ReadFile(pipe, buffer.as_mut_ptr(), length, ptr::null_mut(), operation) }
        });
        match read {
            Err(error) if is(&error, ERROR_BROKEN_PIPE) || is(&error, ERROR_PIPE_NOT_CONNECTED) => Ok(0),
            other => other,
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let written = self.complete(|pipe, operation| {
            // SAFETY: there are at least so many bytes, and they stay borrowed until the operation is complete.
            unsafe { WriteFile(pipe, bytes.as_ptr(), length, ptr::null_mut(), operation) }
        });
        match written {
            Err(error) if is(&error, ERROR_BROKEN_PIPE) || is(&error, ERROR_PIPE_NOT_CONNECTED) => {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsHandle for Stream {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.pipe.as_handle()
    }
}

/// What kind of end a handle is.
pub(super) fn flags(pipe: BorrowedHandle<'_>) -> io::Result<NAMED_PIPE_MODE> {
    let mut flags = 0;
    // SAFETY: the handle is valid while borrowed; what is not asked for may be null.
    let known = unsafe {
        GetNamedPipeInfo(
            pipe.as_raw_handle(),
            &raw mut flags,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    if known == 0 { Err(io::Error::last_os_error()) } else { Ok(flags) }
}

/// The process at the client's end.
pub(super) fn client_process(pipe: BorrowedHandle<'_>) -> io::Result<u32> {
    let mut process = 0;
    // SAFETY: the handle is valid while borrowed.
    let known = unsafe { GetNamedPipeClientProcessId(pipe.as_raw_handle(), &raw mut process) };
    if known == 0 { Err(io::Error::last_os_error()) } else { Ok(process) }
}

fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code as i32)
}
