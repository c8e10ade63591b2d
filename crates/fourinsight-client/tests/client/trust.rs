//! Another user's server is refused before it hears a word.

use std::{
    env, fs,
    io::{self, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use fourinsight_client::{Endpoint, Error};
use nix::unistd::geteuid;

use crate::callers;

/// Set for the copy of this program that plays the other user's server.
const ROLE: &str = "FOURINSIGHT_TEST_STRANGE_SERVER";
/// Nobody in particular, and not root.
const ANOTHER_USER: u32 = 65_534;

#[test]
fn a_server_of_another_user_is_told_nothing() {
    if let Some(path) = env::var_os(ROLE) {
        return be_the_strange_server(path.as_ref());
    }
    if !geteuid().is_root() {
        // A line of its own, past the harness's capture: `cargo xtask test` counts it as a skipped test.
        writeln!(
            io::stdout(),
            "\nSKIPPED trust::a_server_of_another_user_is_told_nothing: only root can start another user's process"
        )
        .unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let path = folder.path().join("s");
    // A copy that the other user may run, wherever the build put the original.
    let program = folder.path().join("server");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let mut server = Command::new(&program)
        .args(["--exact", "trust::a_server_of_another_user_is_told_nothing", "--nocapture"])
        .env(ROLE, &path)
        .uid(ANOTHER_USER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut output = server.stdout.take().unwrap();
    while !said.contains("listening") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        said.push(char::from(byte[0]));
    }

    let callers = callers::at(&Endpoint::new(&path).unwrap());
    for caller in &callers {
        for result in [caller.token().map(drop), caller.start_login()] {
            assert!(matches!(result, Err(Error::NotTrusted(_))), "{result:?}");
        }
    }
    let connections = 2 * callers.len();
    write!(server.stdin.take().unwrap(), "{connections}").unwrap();
    output.read_to_string(&mut said).unwrap();
    assert!(server.wait().unwrap().success(), "{said}");
    assert!(said.contains(&format!("heard 0 bytes over {connections} connections")), "{said}");
}

/// Listens, and once told how many have called, says how much they said.
fn be_the_strange_server(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    println!("listening");
    let callers: usize = io::read_to_string(io::stdin()).unwrap().parse().unwrap();
    let heard: usize = (0..callers)
        .map(|_| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap()
        })
        .sum();
    println!("heard {heard} bytes over {callers} connections");
}
