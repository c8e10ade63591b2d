//! One short conversation on the session bus: connect, say who we are, call, hang up. Nothing waits longer than the
//! time that the conversation was given, whatever the other side does.

use std::{
    env,
    ffi::OsString,
    io::{self, ErrorKind, Read, Write},
    os::unix::{ffi::OsStringExt, fs::FileTypeExt, net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::message::{self, HEAD, Incoming, Method, Reader};
use crate::sys::boot_time;

/// Where a session bus listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Path(PathBuf),
    /// A name of Linux's that no file stands for.
    Abstract(Vec<u8>),
}

/// Why a call brought nothing.
#[derive(Debug)]
pub(super) enum Failed {
    /// The bus, or the service behind it, refuses; by the name of the error.
    Refused(String),
    /// It cannot be reached, or does not answer in time.
    Silent(io::Error),
    /// It answers in a way that the specification does not know.
    Odd,
}

/// An open conversation.
pub(super) struct Bus {
    stream: UnixStream,
    /// When it must be over, on the clock of [`boot_time`].
    deadline: Duration,
    serial: u32,
}

/// Where this user's session bus listens, if there is one.
pub(super) fn address() -> Option<Address> {
    if let Some(listed) = env::var("DBUS_SESSION_BUS_ADDRESS").ok().filter(|listed| !listed.is_empty()) {
        return listed.split(';').find_map(parse);
    }
    let folder = env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty())?;
    let socket = Path::new(&folder).join("bus");
    let is_socket = socket.metadata().is_ok_and(|found| found.file_type().is_socket());
    is_socket.then_some(Address::Path(socket))
}

impl Bus {
    /// Connects to a bus, for a conversation that is over after `limit`.
    pub(super) fn connect(address: &Address, limit: Duration) -> Result<Self, Failed> {
        let stream = open(address).map_err(Failed::Silent)?;
        let mut bus = Self { stream, deadline: boot_time() + limit, serial: 0 };
        bus.authenticate()?;
        bus.call(
            Method {
                destination: "org.freedesktop.DBus",
                path: "/org/freedesktop/DBus",
                interface: "org.freedesktop.DBus",
                member: "Hello",
            },
            "",
            &[],
        )?;
        Ok(bus)
    }

    /// Calls a method and waits for what it returns.
    pub(super) fn call(
        &mut self,
        method: Method<'_>,
        signature: &str,
        body: &[u8],
    ) -> Result<Reader, Failed> {
        self.serial += 1;
        let call = message::call(self.serial, method, signature, body);
        self.write(&call).map_err(Failed::Silent)?;
        loop {
            let mut head = [0; HEAD];
            self.read(&mut head).map_err(Failed::Silent)?;
            let rest = message::rest_of(head).ok_or(Failed::Odd)?;
            let mut whole = Zeroizing::new(vec![0; HEAD + rest]);
            whole[..HEAD].copy_from_slice(&head);
            self.read(&mut whole[HEAD..]).map_err(Failed::Silent)?;
            match message::parse(whole).ok_or(Failed::Odd)? {
                Incoming::Returned(serial, reader) if serial == self.serial => return Ok(reader),
                Incoming::Refused(serial, name) if serial == self.serial => {
                    return Err(Failed::Refused(name));
                }
                _ => {}
            }
        }
    }

    /// EXTERNAL: the bus asks the kernel who we are.
    fn authenticate(&mut self) -> Result<(), Failed> {
        let user = nix::unistd::geteuid().to_string();
        let mut hello = b"\0AUTH EXTERNAL ".to_vec();
        for digit in user.bytes() {
            hello.extend(format!("{digit:02x}").into_bytes());
        }
        hello.extend(b"\r\n");
        self.write(&hello).map_err(Failed::Silent)?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.read(&mut byte).map_err(Failed::Silent)?;
            line.push(byte[0]);
            if line.len() > 512 {
                return Err(Failed::Odd);
            }
        }
        if !line.starts_with(b"OK ") {
            return Err(Failed::Refused("the bus does not let this user in".to_owned()));
        }
        self.write(b"BEGIN\r\n").map_err(Failed::Silent)
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(self.left()?))?;
            let written = retried(self.stream.write(bytes))?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    fn read(&mut self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            self.stream.set_read_timeout(Some(self.left()?))?;
            match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => buffer = &mut buffer[read..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_sub(boot_time());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// A write that a signal interrupted has written nothing.
fn retried(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
        other => other,
    }
}

fn open(address: &Address) -> io::Result<UnixStream> {
    match address {
        Address::Path(path) => UnixStream::connect(path),
        #[cfg(target_os = "linux")]
        Address::Abstract(name) => {
            use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
            UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)
        }
        #[cfg(not(target_os = "linux"))]
        Address::Abstract(_) => Err(ErrorKind::Unsupported.into()),
    }
}

/// One address of a list (D-Bus specification, "Server Addresses").
fn parse(address: &str) -> Option<Address> {
    let pairs = address.strip_prefix("unix:")?.split(',');
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(name, value)| {
        let value: Vec<u8> = percent_decode_str(value).collect();
        match name {
            "path" => Some(Address::Path(OsString::from_vec(value).into())),
            "abstract" => Some(Address::Abstract(value)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn addresses_are_read_as_the_specification_writes_them() {
        let path = |path: &str| Some(Address::Path(path.into()));
        assert_eq!(parse("unix:path=/run/user/1000/bus"), path("/run/user/1000/bus"));
        assert_eq!(parse("unix:path=/a%20b,guid=00ff"), path("/a b"));
        assert_eq!(parse("unix:guid=0,abstract=/tmp/x"), Some(Address::Abstract(b"/tmp/x".to_vec())));
        assert_eq!(parse("tcp:host=localhost,port=1"), None);
        assert_eq!(parse("unix:tmpdir=/tmp"), None);
    }

    #[test]
    fn a_bus_that_says_nothing_costs_the_limit_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bus");
        // It accepts by its backlog, and nobody ever answers.
        let _listener = UnixListener::bind(&path).unwrap();
        let before = boot_time();
        let limit = Duration::from_millis(100);
        let Err(Failed::Silent(_)) = Bus::connect(&Address::Path(path), limit) else { panic!() };
        let took = boot_time().saturating_sub(before);
        assert!(took >= limit && took < Duration::from_secs(5), "{took:?}");
    }

    #[test]
    fn no_bus_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = Address::Path(folder.path().join("bus"));
        assert!(matches!(Bus::connect(&nowhere, Duration::from_mins(1)), Err(Failed::Silent(_))));
    }
}
