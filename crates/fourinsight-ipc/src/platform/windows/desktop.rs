//! Login sessions on Windows: the sessions of the desktop, at the screen or from afar.
#![expect(
    unsafe_code,
    reason = "what the system tells of a session is only offered as a call on a raw pointer"
)]

use std::{
    io,
    os::windows::io::{AsRawHandle, BorrowedHandle},
    ptr,
    time::Duration,
};

use windows_sys::Win32::System::{
    Pipes::GetNamedPipeClientSessionId,
    RemoteDesktop::{
        WTS_CURRENT_SERVER_HANDLE, WTSFreeMemory, WTSINFOW, WTSQuerySessionInformationW, WTSSessionInfo,
    },
};

use super::super::LoginSession;

/// The login session of that number, if somebody is logged on to it.
pub fn login_session(number: u32, _at: Duration) -> io::Result<Option<LoginSession>> {
    let since = logged_on_at(number)?;
    let id = || number.to_string();
    Ok((since != 0).then(|| LoginSession::Counted { id: id(), leader: None, since }))
}

/// Whether a login session has ended.
pub fn is_over(session: &LoginSession) -> bool {
    match session {
        LoginSession::Counted { id, since, .. } => {
            !id.parse().is_ok_and(|number| logged_on_at(number).is_ok_and(|now| now == *since))
        }
        LoginSession::Terminal { .. } => true,
    }
}

/// The number of the session in which the client of a pipe runs.
pub(super) fn client_session(pipe: BorrowedHandle<'_>) -> io::Result<u32> {
    let mut number = 0;
    // SAFETY: the handle is valid while borrowed.
    let known = unsafe { GetNamedPipeClientSessionId(pipe.as_raw_handle(), &raw mut number) };
    if known == 0 { Err(io::Error::last_os_error()) } else { Ok(number) }
}

/// When somebody logged on to a session, in the system's measure; zero when nobody is.
fn logged_on_at(number: u32) -> io::Result<u64> {
    let mut buffer = ptr::null_mut();
    let mut length = 0;
    // SAFETY: the system allocates what it returns here, and says how long it is.
    let known = unsafe {
        WTSQuerySessionInformationW(
            WTS_CURRENT_SERVER_HANDLE,
            number,
            WTSSessionInfo,
            &raw mut buffer,
            &raw mut length,
        )
    };
    if known == 0 || buffer.is_null() {
        return Err(io::Error::last_os_error());
    }
    let whole = length as usize >= size_of::<WTSINFOW>();
    // SAFETY: the buffer holds this structure if it is long enough; it is read without regard to alignment.
    let since = if whole { unsafe { buffer.cast::<WTSINFOW>().read_unaligned() }.LogonTime } else { 0 };
    // SAFETY: the system asks for exactly this way of freeing it.
    unsafe { WTSFreeMemory(buffer.cast()) };
    Ok(u64::try_from(since).unwrap_or_default())
}
