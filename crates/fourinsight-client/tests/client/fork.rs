//! A forked child: it must not write into its parent's conversation.

use fourinsight_client::{Client, SessionKey};
use nix::{
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, fork},
};

use crate::{blocking::whole_api, scripted::Server};

#[test]
fn a_forked_child_opens_a_connection_of_its_own_and_leaves_its_parents_intact() {
    let server = Server::new(whole_api);
    let client = Client::at(server.endpoint());
    client.token(&SessionKey::default()).unwrap();

    #[expect(unsafe_code, reason = "fork is what this test is about, and there is no safe one")]
    // SAFETY: the child makes calls, which use memory (glibc's allocator is usable after a fork) and sockets, takes no
    // lock that another thread may have held, and leaves by _exit, so that nothing of the test harness runs in it.
    let child = match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let all_answered = (0..3).all(|_| client.token(&SessionKey::default()).is_ok());
            unsafe { nix::libc::_exit(i32::from(!all_answered)) }
        }
    };
    assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
    client.token(&SessionKey::default()).unwrap();

    let connections: Vec<usize> = server.asked().into_iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [0, 1, 1, 1, 0]);
}
