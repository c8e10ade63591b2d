//! Another user's server is refused before it hears a word.

use std::{
    env, fs,
    io::{self, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener, process::CommandExt},
    process::{Command, Stdio},
};

use fourinsight_client::{AsyncClient, Client, Endpoint, Error, LoginRequest, SessionKey};
use nix::unistd::geteuid;

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
        // Past the test harness's capture: who cannot check this is to know it.
        writeln!(
            io::stderr(),
            "SKIPPED: a_server_of_another_user_is_told_nothing: only root can start another user's process"
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

    let endpoint = Endpoint::new(&path).unwrap();
    let client = Client::at(endpoint.clone());
    for error in [
        client.token(&SessionKey::default()).unwrap_err(),
        client.start_login(&LoginRequest::default()).unwrap_err(),
    ] {
        assert!(matches!(error, Error::NotTrusted(_)), "{error:?}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(AsyncClient::at(endpoint).token(&SessionKey::default())).unwrap_err();
    assert!(matches!(error, Error::NotTrusted(_)), "{error:?}");

    drop(server.stdin.take());
    output.read_to_string(&mut said).unwrap();
    assert!(server.wait().unwrap().success(), "{said}");
    assert!(said.contains("heard 0 bytes over 3 connections"), "{said}");
}

/// Accepts three connections, counts what they say, and reports it once standard input ends.
fn be_the_strange_server(path: &std::path::Path) {
    let listener = UnixListener::bind(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    println!("listening");
    let heard: usize = (0..3)
        .map(|_| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap()
        })
        .sum();
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
    println!("heard {heard} bytes over 3 connections");
}
