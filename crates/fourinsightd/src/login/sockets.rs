//! Where the redirect listener is bound: loopback literals, one port, nothing beside it (RFC 8252 section 7.3).

use std::{io, net::SocketAddr};

use fourinsight_ipc::{ErrorBody, ErrorCode};
use tokio::net::TcpListener;

use super::redirect_uri::LoopbackHost;

/// Sockets bound to loopback, one for each address family of the host.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) sockets: Vec<TcpListener>,
    port: u16,
    fixed: bool,
}

impl Listener {
    /// Binds every address of the host to one port; 0 stands for any free one.
    pub(super) fn bind(host: LoopbackHost, port: u16) -> Result<Self, ErrorBody> {
        let fixed = port != 0;
        let (sockets, port) = bind_all(host, port, |address| {
            // On Unix this lets a port be bound whose last connection is still winding down. It displaces nobody:
            // a port that somebody listens on is refused.
            let socket = std::net::TcpListener::bind(address)?;
            socket.set_nonblocking(true)?;
            let port = socket.local_addr()?.port();
            Ok((TcpListener::from_std(socket)?, port))
        })
        .map_err(|error| cannot_listen(port, &error))?;
        Ok(Self { sockets, port, fixed })
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is this port and no other that was asked for, so that other programs may want it too.
    pub(super) fn is_fixed(&self) -> bool {
        self.fixed
    }
}

/// How often a free port that both address families have is looked for.
const ROUNDS: usize = 20;

fn bind_all<S>(
    host: LoopbackHost,
    port: u16,
    mut bind: impl FnMut(SocketAddr) -> io::Result<(S, u16)>,
) -> io::Result<(Vec<S>, u16)> {
    let mut rounds = if port == 0 { ROUNDS } else { 1 };
    loop {
        rounds -= 1;
        match bind_once(host, port, &mut bind) {
            // One family has the port, the other does not: the next round draws another.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && rounds > 0 => {}
            result => return result,
        }
    }
}

fn bind_once<S>(
    host: LoopbackHost,
    port: u16,
    bind: &mut impl FnMut(SocketAddr) -> io::Result<(S, u16)>,
) -> io::Result<(Vec<S>, u16)> {
    let mut sockets = Vec::new();
    let mut chosen = port;
    let mut missing = None;
    for address in host.addresses() {
        match bind(SocketAddr::new(*address, chosen)) {
            Ok((socket, port)) => {
                chosen = port;
                sockets.push(socket);
            }
            Err(error) if is_family_missing(&error) => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if sockets.is_empty() => Err(error),
        _ => Ok((sockets, chosen)),
    }
}

/// Whether this machine has no such address: the family is off, or its loopback interface has none.
fn is_family_missing(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no `ErrorKind`: its numbers on Linux, on the BSDs and macOS, and in Winsock.
    error.kind() == io::ErrorKind::AddrNotAvailable || matches!(error.raw_os_error(), Some(97 | 47 | 10047))
}

fn cannot_listen(port: u16, error: &io::Error) -> ErrorBody {
    match error.kind() {
        io::ErrorKind::AddrInUse if port != 0 => ErrorBody::new(
            ErrorCode::TemporarilyUnavailable,
            format!("Port {port}, to which the browser would come back, is taken by another program."),
        )
        .hint("end that program, or give redirect_uri port 0 in the profile if the server allows any port"),
        io::ErrorKind::PermissionDenied => ErrorBody::new(
            ErrorCode::InvalidRequest,
            format!("Port {port}, to which the browser would come back, is not open to ordinary programs."),
        )
        .hint("name a port above 1023 in the profile's redirect_uri, or 0 if the server allows any port"),
        _ => ErrorBody::new(
            ErrorCode::ServerError,
            format!("This machine does not let the daemon wait for the browser: {error}."),
        )
        .hint("check that the loopback interface is up"),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, net::IpAddr};

    use super::*;

    /// A machine on which some addresses cannot be bound, and each draw of a free port gives the next one.
    fn machine(
        refused: impl Fn(SocketAddr) -> Option<io::Error>,
    ) -> impl FnMut(SocketAddr) -> io::Result<(SocketAddr, u16)> {
        let mut next = 4000;
        move |mut address| {
            if address.port() == 0 {
                next += 1;
                address.set_port(next);
            }
            refused(address).map_or(Ok((address, address.port())), Err)
        }
    }

    fn addresses(sockets: &[SocketAddr]) -> Vec<String> {
        sockets.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn localhost_is_both_families_on_one_port() {
        let (sockets, port) = bind_all(LoopbackHost::Localhost, 0, machine(|_| None)).unwrap();
        assert_eq!((addresses(&sockets), port), (vec!["127.0.0.1:4001".into(), "[::1]:4001".into()], 4001));
    }

    #[test]
    fn a_literal_is_its_own_family_only() {
        for (host, address) in [(LoopbackHost::V4, "127.0.0.1:53"), (LoopbackHost::V6, "[::1]:53")] {
            let (sockets, _) = bind_all(host, 53, machine(|_| None)).unwrap();
            assert_eq!(addresses(&sockets), [address]);
        }
    }

    #[test]
    fn where_a_family_is_off_localhost_is_the_other_one() {
        for errno in [97, 47, 10047, 99] {
            let off = |v6| machine(move |a| (a.is_ipv6() == v6).then(|| io::Error::from_raw_os_error(errno)));
            if errno == 99 && !cfg!(target_os = "linux") {
                continue;
            }
            let (sockets, _) = bind_all(LoopbackHost::Localhost, 53, off(true)).unwrap();
            assert_eq!(addresses(&sockets), ["127.0.0.1:53"], "{errno}");
            let (sockets, _) = bind_all(LoopbackHost::Localhost, 53, off(false)).unwrap();
            assert_eq!(addresses(&sockets), ["[::1]:53"], "{errno}");
            assert!(bind_all(LoopbackHost::V6, 53, off(true)).is_err(), "{errno}");
        }
    }

    #[test]
    fn a_fixed_port_that_either_family_lacks_is_refused() {
        for v6 in [true, false] {
            let taken = machine(move |a| (a.is_ipv6() == v6).then(|| io::ErrorKind::AddrInUse.into()));
            let error = bind_all(LoopbackHost::Localhost, 53, taken).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        }
    }

    #[test]
    fn a_free_port_is_drawn_again_until_both_families_have_it() {
        let taken = machine(|a| (a.is_ipv6() && a.port() < 4003).then(|| io::ErrorKind::AddrInUse.into()));
        let (sockets, port) = bind_all(LoopbackHost::Localhost, 0, taken).unwrap();
        assert_eq!((sockets.len(), port), (2, 4003));
        let all_taken = machine(|a| a.is_ipv6().then(|| io::ErrorKind::AddrInUse.into()));
        assert!(bind_all(LoopbackHost::Localhost, 0, all_taken).is_err());
    }

    #[tokio::test]
    async fn a_real_listener_is_on_loopback_and_a_second_one_is_refused() {
        for host in [LoopbackHost::V4, LoopbackHost::Localhost] {
            let listener = Listener::bind(host, 0).unwrap();
            let ips: HashSet<IpAddr> =
                listener.sockets.iter().map(|socket| socket.local_addr().unwrap().ip()).collect();
            assert!(!ips.is_empty() && ips.iter().all(IpAddr::is_loopback));
            let has_v6 = std::net::TcpListener::bind("[::1]:0").is_ok();
            assert_eq!(ips.len(), if host == LoopbackHost::Localhost && has_v6 { 2 } else { 1 });
            let error = Listener::bind(host, listener.port()).unwrap_err();
            assert!(error.error_description.contains(&format!("Port {}", listener.port())), "{error:?}");
        }
    }
}
