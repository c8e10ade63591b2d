use std::fs;

use super::*;

fn endpoint(folder: &tempfile::TempDir) -> Endpoint {
    Endpoint::new(folder.path().join("run/broker.sock")).unwrap()
}

#[tokio::test]
async fn a_socket_that_answers_is_left_alone_and_one_that_does_not_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = endpoint(&folder);
    let first = Socket::bind(&endpoint).unwrap();
    assert!(matches!(Socket::bind(&endpoint), Err(BindError::Served(served)) if served == endpoint));
    assert!(platform::connect(&endpoint).is_ok());
    // A daemon that was killed leaves the path behind.
    drop(first.listener);
    assert!(endpoint.as_path().exists() && platform::connect(&endpoint).is_err());
    let second = Socket::bind(&endpoint).unwrap();
    assert!(platform::connect(&endpoint).is_ok());
    second.close();
    assert!(!endpoint.as_path().exists());
}

#[tokio::test]
async fn what_is_no_socket_is_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = endpoint(&folder);
    fs::create_dir(folder.path().join("run")).unwrap();
    fs::write(endpoint.as_path(), "a file of somebody's").unwrap();
    assert!(matches!(Socket::bind(&endpoint), Err(BindError::InTheWay(path)) if path == endpoint.as_path()));
    assert_eq!(fs::read_to_string(endpoint.as_path()).unwrap(), "a file of somebody's");
    fs::remove_file(endpoint.as_path()).unwrap();
    fs::create_dir(endpoint.as_path()).unwrap();
    assert!(matches!(Socket::bind(&endpoint), Err(BindError::InTheWay(_))));
}

#[tokio::test]
async fn closing_removes_our_own_socket_only() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = endpoint(&folder);
    let ours = Socket::bind(&endpoint).unwrap();
    fs::remove_file(endpoint.as_path()).unwrap();
    let theirs = Socket::bind(&endpoint).unwrap();
    ours.close();
    assert!(platform::connect(&endpoint).is_ok());
    theirs.close();
    assert!(!endpoint.as_path().exists());
}

#[tokio::test]
async fn a_path_that_vanished_is_bound_again_and_another_daemons_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = endpoint(&folder);
    let mut socket = Socket::bind(&endpoint).unwrap();
    let before = sys::file_identity(endpoint.as_path());
    socket.bind_again_if_gone();
    assert_eq!(sys::file_identity(endpoint.as_path()), before, "nothing was wrong");
    fs::remove_file(endpoint.as_path()).unwrap();
    socket.bind_again_if_gone();
    assert!(platform::connect(&endpoint).is_ok());

    fs::remove_file(endpoint.as_path()).unwrap();
    let theirs = Socket::bind(&endpoint).unwrap();
    let taken = sys::file_identity(endpoint.as_path());
    socket.bind_again_if_gone();
    assert_eq!(sys::file_identity(endpoint.as_path()), taken);
    theirs.close();
}
