//! Login sessions on macOS: the controlling terminal, for as long as the process that leads its session lives.
//!
//! The audit session would be the system's own notion, but nothing tells an ordinary process when one ends.
#![expect(
    unsafe_code,
    reason = "what the system tells of a process is only offered as a call on a raw buffer"
)]

use std::{io, mem, time::Duration};

use nix::{
    libc::{PROC_PIDTBSDINFO, proc_bsdinfo, proc_pidinfo},
    unistd::{Pid, getsid},
};

use super::super::LoginSession;

/// The login session of a process, if it has one.
pub fn login_session(process: u32, _at: Duration) -> io::Result<Option<LoginSession>> {
    let asked = facts(process)?;
    let leader = getsid(Some(Pid::from_raw(i32::try_from(process).map_err(io::Error::other)?)))?;
    let Ok(leader) = u32::try_from(leader.as_raw()) else { return Ok(None) };
    let led = facts(leader)?;
    let same = facts(process).is_ok_and(|now| since(&now) == since(&asked));
    let has_terminal = asked.e_tdev != NO_DEVICE && asked.e_tdev != 0 && asked.e_tdev == led.e_tdev;
    Ok((same && has_terminal).then(|| LoginSession::Terminal { leader, since: since(&led) }))
}

/// Whether a login session has ended.
pub fn is_over(session: &LoginSession) -> bool {
    match session {
        LoginSession::Counted { .. } => true,
        LoginSession::Terminal { leader, since: began } => {
            !facts(*leader).is_ok_and(|leader| since(&leader) == *began && leader.pbi_status != ZOMBIE)
        }
    }
}

/// The system's `NODEV`.
const NO_DEVICE: u32 = u32::MAX;
/// The system's `SZOMB`.
const ZOMBIE: u32 = 5;

fn since(process: &proc_bsdinfo) -> u64 {
    process.pbi_start_tvsec.saturating_mul(1_000_000).saturating_add(process.pbi_start_tvusec)
}

fn facts(process: u32) -> io::Result<proc_bsdinfo> {
    let process = i32::try_from(process).map_err(io::Error::other)?;
    let mut facts = mem::MaybeUninit::<proc_bsdinfo>::zeroed();
    let length = size_of::<proc_bsdinfo>() as i32;
    // SAFETY: the buffer is as long as is said.
    let written = unsafe { proc_pidinfo(process, PROC_PIDTBSDINFO, 0, facts.as_mut_ptr().cast(), length) };
    if written != length {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has filled the whole of it, and zeros would be valid, too.
    Ok(unsafe { facts.assume_init() })
}
