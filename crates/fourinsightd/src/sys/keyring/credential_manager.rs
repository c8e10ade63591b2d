//! The Credential Manager of Windows: a generic credential, sealed by the system for this user on this machine.

use std::{ptr, slice, time::Duration};

use windows_sys::Win32::{
    Foundation::{ERROR_NO_SUCH_LOGON_SESSION, ERROR_NOT_FOUND, GetLastError},
    Security::Credentials::{
        CRED_PERSIST_LOCAL_MACHINE, CRED_TYPE_GENERIC, CREDENTIALW, CredDeleteW, CredFree, CredReadW,
        CredWriteW,
    },
};

use super::{KeyringError, SERVICE, Secret};

/// What people call it.
pub(crate) const NAME: &str = "Windows Credential Manager";

/// Whether there is a keyring at all: always, here.
pub(crate) fn is_there() -> bool {
    true
}

/// The secret of an id; `None` when there is none. The system knows no time limit: the caller has one.
pub(crate) fn read(id: &str, _limit: Duration) -> Result<Option<Secret>, KeyringError> {
    let target = wide(&format!("{SERVICE}/{id}"));
    let mut found: *mut CREDENTIALW = ptr::null_mut();
    #[expect(unsafe_code, reason = "a system call with a string and a place for its answer")]
    // SAFETY: both outlive the call, and the string ends with a zero.
    let there = unsafe { CredReadW(target.as_ptr(), CRED_TYPE_GENERIC, 0, &raw mut found) };
    if there == 0 {
        return match last_error() {
            ERROR_NOT_FOUND => Ok(None),
            code => Err(refused(code)),
        };
    }
    #[expect(unsafe_code, reason = "what the system allocated is read, wiped and given back")]
    // SAFETY: the call succeeded, so `found` is a credential until it is freed, and its blob has the size it names.
    let secret = unsafe {
        let (blob, size) = ((*found).CredentialBlob, (*found).CredentialBlobSize as usize);
        let mut secret = Secret::default();
        if !blob.is_null() {
            secret = Secret::new(slice::from_raw_parts(blob, size).to_vec());
            ptr::write_bytes(blob, 0, size);
        }
        CredFree(found.cast());
        secret
    };
    Ok(Some(secret))
}

/// Keeps a secret under an id.
pub(crate) fn write(id: &str, secret: &[u8], _limit: Duration) -> Result<(), KeyringError> {
    let mut target = wide(&format!("{SERVICE}/{id}"));
    let mut user = wide(SERVICE);
    let mut blob = Secret::new(secret.to_vec());
    let size = u32::try_from(blob.len())
        .map_err(|_| KeyringError::Unavailable("the secret is too long for it".to_owned()))?;
    let credential = CREDENTIALW {
        Type: CRED_TYPE_GENERIC,
        TargetName: target.as_mut_ptr(),
        CredentialBlobSize: size,
        CredentialBlob: blob.as_mut_ptr(),
        Persist: CRED_PERSIST_LOCAL_MACHINE,
        UserName: user.as_mut_ptr(),
        ..CREDENTIALW::default()
    };
    #[expect(unsafe_code, reason = "a system call with a structure of strings")]
    // SAFETY: everything it points at outlives the call, and the strings end with a zero.
    let written = unsafe { CredWriteW(&raw const credential, 0) };
    if written == 0 { Err(refused(last_error())) } else { Ok(()) }
}

/// Sees to it that there is no secret of an id.
pub(crate) fn remove(id: &str, _limit: Duration) -> Result<(), KeyringError> {
    let target = wide(&format!("{SERVICE}/{id}"));
    #[expect(unsafe_code, reason = "a system call with a string")]
    // SAFETY: it outlives the call, and ends with a zero.
    let removed = unsafe { CredDeleteW(target.as_ptr(), CRED_TYPE_GENERIC, 0) };
    match (removed, last_error()) {
        (0, ERROR_NOT_FOUND) => Ok(()),
        (0, code) => Err(refused(code)),
        _ => Ok(()),
    }
}

fn refused(code: u32) -> KeyringError {
    KeyringError::Unavailable(match code {
        ERROR_NO_SUCH_LOGON_SESSION => "this login session has none".to_owned(),
        code => format!("it refuses (error {code})"),
    })
}

fn last_error() -> u32 {
    #[expect(unsafe_code, reason = "a system call without arguments")]
    // SAFETY: it reads a number of this thread's.
    unsafe {
        GetLastError()
    }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
