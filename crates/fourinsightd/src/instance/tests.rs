use std::fs;

use super::*;

fn locations(folder: &tempfile::TempDir) -> Locations {
    Locations {
        config: folder.path().join("config.toml"),
        state_dir: folder.path().join("state"),
        explicit_socket: None,
    }
}

#[test]
fn a_state_folder_has_one_daemon_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let locations = locations(&folder);
    let first = Instance::take(&locations).unwrap().unwrap();
    for _ in 0..3 {
        assert!(Instance::take(&locations).unwrap().is_none());
    }
    drop(first);
    assert!(Instance::take(&locations).unwrap().is_some(), "who ends in any way leaves it free");
}

#[test]
fn the_lock_file_says_where_the_daemon_listens_until_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let locations = locations(&folder);
    let mut instance = Instance::take(&locations).unwrap().unwrap();
    assert_eq!(Lock::read(&locations.lock_file()), None);
    for name in ["a-rather-long-name.sock", "short.sock"] {
        let socket = Endpoint::new(folder.path().join(name)).unwrap();
        instance.record(&socket).unwrap();
        let recorded = Lock::read(&locations.lock_file()).unwrap();
        assert_eq!(recorded, Lock { pid: std::process::id(), socket });
    }
    assert!(Instance::take(&locations).unwrap().is_none());
    assert!(Lock::read(&locations.lock_file()).is_some(), "a second daemon disturbs nothing");
    instance.release();
    assert_eq!(Lock::read(&locations.lock_file()), None);
    assert!(locations.lock_file().exists());
}

#[test]
fn a_crash_leaves_a_lock_file_that_the_next_daemon_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let locations = locations(&folder);
    fs::create_dir_all(&locations.state_dir).unwrap();
    fs::write(locations.lock_file(), "{\"pid\":1,\"socket\":\"/gone/and/a/long/path/broker.sock\"}").unwrap();
    let mut instance = Instance::take(&locations).unwrap().unwrap();
    let socket = Endpoint::new(folder.path().join("s")).unwrap();
    instance.record(&socket).unwrap();
    assert_eq!(Lock::read(&locations.lock_file()).unwrap().socket, socket);
}
