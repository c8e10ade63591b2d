//! Whose a process or a pipe is, by security identifier (SID), and what only one user may open.
#![expect(
    unsafe_code,
    reason = "tokens and security descriptors are only offered as system calls on raw pointers"
)]

use std::{
    io,
    os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle},
    ptr, slice,
};

use windows_sys::Win32::{
    Foundation::{HANDLE, LocalFree},
    Security::{
        Authorization::{ConvertSidToStringSidW, GetSecurityInfo, SE_KERNEL_OBJECT},
        GetLengthSid, GetTokenInformation, OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID,
        TOKEN_QUERY, TOKEN_USER, TokenUser,
    },
    System::Threading::{
        GetCurrentProcess, OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION,
    },
};

/// Names a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sid(Box<[u8]>);

impl Sid {
    /// The user that this process runs as.
    pub(super) fn of_this_user() -> io::Result<Self> {
        // SAFETY: a constant that stands for this process and needs no closing.
        Self::of(unsafe { GetCurrentProcess() })
    }

    /// The user that a process runs as.
    pub(super) fn of_process(process: u32) -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let process = owned(unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, process) })?;
        Self::of(process.as_raw_handle())
    }

    /// The user that owns a pipe.
    pub(super) fn of_owner(pipe: BorrowedHandle<'_>) -> io::Result<Self> {
        let mut owner: PSID = ptr::null_mut();
        let mut descriptor: PSECURITY_DESCRIPTOR = ptr::null_mut();
        // SAFETY: the handle is valid while borrowed; what is not asked for may be null.
        let status = unsafe {
            GetSecurityInfo(
                pipe.as_raw_handle(),
                SE_KERNEL_OBJECT,
                OWNER_SECURITY_INFORMATION,
                &raw mut owner,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut descriptor,
            )
        };
        if status != 0 {
            return Err(io::Error::from_raw_os_error(status as i32));
        }
        // SAFETY: `owner` points into `descriptor`, which is freed only afterwards.
        let sid = unsafe { Self::copied(owner) };
        // SAFETY: the system asks for exactly this way of freeing it.
        unsafe { LocalFree(descriptor) };
        sid
    }

    /// As people write it: `S-1-5-21-…`.
    pub(super) fn text(&self) -> io::Result<String> {
        let mut text = ptr::null_mut();
        // SAFETY: the bytes are a copy of a valid SID, which is not written to.
        if unsafe { ConvertSidToStringSidW(self.0.as_ptr().cast_mut().cast(), &raw mut text) } == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system returns a text that ends with a zero, and frees nothing of it before LocalFree.
        let taken = unsafe {
            let mut length = 0;
            while *text.add(length) != 0 {
                length += 1;
            }
            let taken = String::from_utf16_lossy(slice::from_raw_parts(text, length));
            LocalFree(text.cast());
            taken
        };
        Ok(taken)
    }

    /// The user that a process runs as.
    fn of(process: HANDLE) -> io::Result<Self> {
        let mut token = ptr::null_mut();
        // SAFETY: the handle is a process's, and valid.
        if unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) } == 0 {
            return Err(io::Error::last_os_error());
        }
        let token = owned(token)?;
        let mut length = 0;
        // SAFETY: only asks for the length.
        unsafe {
            GetTokenInformation(token.as_raw_handle(), TokenUser, ptr::null_mut(), 0, &raw mut length);
        }
        // Words, not bytes, because a structure with pointers is written here.
        let mut user = vec![0_usize; (length as usize).div_ceil(size_of::<usize>())];
        let buffer = user.as_mut_ptr();
        // SAFETY: the buffer is at least so long, and aligned.
        let known = unsafe {
            GetTokenInformation(token.as_raw_handle(), TokenUser, buffer.cast(), length, &raw mut length)
        };
        if known == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system filled the buffer with this structure, whose SID lies in the same buffer.
        unsafe { Self::copied((*buffer.cast::<TOKEN_USER>()).User.Sid) }
    }

    /// # Safety
    ///
    /// `sid` is null or points to a valid SID.
    unsafe fn copied(sid: PSID) -> io::Result<Self> {
        if sid.is_null() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it belongs to nobody"));
        }
        // SAFETY: a valid SID is as long as it says.
        Ok(Self(unsafe { slice::from_raw_parts(sid.cast::<u8>(), GetLengthSid(sid) as usize) }.into()))
    }
}

/// Takes a handle that a system call returned.
fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is new, valid and nobody else's.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

#[cfg(feature = "tokio")]
pub(super) use descriptor::for_this_user_alone;

#[cfg(feature = "tokio")]
mod descriptor {
    use std::{ffi::OsStr, io, ptr};

    use interprocess::os::windows::security_descriptor::{
        AsSecurityDescriptorExt, BorrowedSecurityDescriptor, SecurityDescriptor,
    };
    use windows_sys::Win32::{
        Foundation::LocalFree,
        Security::{
            Authorization::{ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1},
            PSECURITY_DESCRIPTOR,
        },
    };

    use super::Sid;

    /// Owned by this user, whatever groups they are in; readable and writable by them alone, and not over the network.
    pub(in super::super) fn for_this_user_alone() -> io::Result<SecurityDescriptor> {
        let user = Sid::of_this_user()?.text()?;
        let text = super::super::wide(OsStr::new(&format!("O:{user}D:P(D;;GA;;;NU)(A;;GRGW;;;{user})")));
        let mut parsed: PSECURITY_DESCRIPTOR = ptr::null_mut();
        // SAFETY: the text ends with a zero; the length of the result is not asked for.
        let known = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut parsed,
                ptr::null_mut(),
            )
        };
        if known == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the system returned a valid descriptor, which is copied before it is freed as the system asks.
        unsafe {
            let copied = BorrowedSecurityDescriptor::from_ptr(parsed).to_owned_sd();
            LocalFree(parsed);
            copied
        }
    }
}
