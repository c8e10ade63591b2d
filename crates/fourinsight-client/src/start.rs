//! Starting the daemon as a process of its own.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use fourinsight_ipc::{
    Locations,
    location::LONGEST_LOG,
    platform::{self, DetachedSpawn, SpawnOutcome},
};

use crate::{Error, StartFailure};

/// The daemon's program.
const PROGRAM: &str = "fourinsightd";
/// How long it may take to report that it is ready.
const READY_WITHIN: Duration = Duration::from_secs(15);
/// The exit code of a daemon that found another one serving: somebody else won the race, and that is as good.
const ANOTHER_INSTANCE: i32 = 75;

/// Starts the daemon and waits until it is ready. `Some(75)` when another one already is, or soon will be.
pub(crate) fn start(locations: &Locations) -> Result<Option<i32>, Error> {
    let program = find(env::current_exe().ok().as_deref(), env::var_os("PATH").as_deref())
        .ok_or_else(|| failed(StartFailure::NotInstalled, None, locations))?;
    launch(program, locations)
}

fn launch(program: PathBuf, locations: &Locations) -> Result<Option<i32>, Error> {
    let log =
        open_log(locations).map_err(|error| failed(StartFailure::StateFolder(error), None, locations))?;
    let spawn = DetachedSpawn { program, arguments: arguments(locations), log };
    match platform::spawn_detached(spawn, READY_WITHIN) {
        Ok(SpawnOutcome::Ready) => Ok(None),
        Ok(SpawnOutcome::Exited(Some(ANOTHER_INSTANCE))) => Ok(Some(ANOTHER_INSTANCE)),
        Ok(SpawnOutcome::Exited(code)) => Err(failed(StartFailure::Ended, code, locations)),
        Ok(SpawnOutcome::StillStarting) => Err(failed(StartFailure::NotReady, None, locations)),
        Err(error) => Err(failed(StartFailure::Refused(error), None, locations)),
    }
}

/// The program beside this one, else the first in PATH.
fn find(this_program: Option<&Path>, path: Option<&OsStr>) -> Option<PathBuf> {
    let name = format!("{PROGRAM}{}", env::consts::EXE_SUFFIX);
    let beside = this_program.and_then(Path::parent).map(Path::to_owned);
    let in_path = path.into_iter().flat_map(env::split_paths);
    beside
        .into_iter()
        .chain(in_path)
        // A relative folder in PATH means another program in every working folder.
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(&name))
        .find(|candidate| candidate.is_file())
}

/// Everything is passed on as settled here: the daemon has another working folder, and may have another environment.
fn arguments(locations: &Locations) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![
        "--config".into(),
        locations.config.clone().into(),
        "--state-dir".into(),
        locations.state_dir.clone().into(),
    ];
    if let Some(socket) = &locations.explicit_socket {
        let socket = std::path::absolute(socket.as_path()).unwrap_or_else(|_| socket.as_path().to_owned());
        arguments.extend(["--socket".into(), socket.into()]);
    }
    arguments
}

/// Opens the daemon's log for appending: a daemon that loses the race must not write over the winner's lines.
fn open_log(locations: &Locations) -> io::Result<File> {
    platform::private_folder(&locations.state_dir)?;
    let path = locations.log_file();
    let log = platform::private_file(&path)?;
    if log.metadata()?.len() > LONGEST_LOG {
        log.set_len(0)?;
    }
    OpenOptions::new().append(true).open(path)
}

fn failed(failure: StartFailure, exit_code: Option<i32>, locations: &Locations) -> Error {
    Error::StartFailed { failure, exit_code, log_file: locations.log_file() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use fourinsight_ipc::LocationOptions;

    use super::*;

    fn locations(state_dir: &Path) -> Locations {
        let options = LocationOptions {
            state_dir: Some(state_dir.join("state")),
            config: Some(state_dir.join("config.toml")),
            socket: Some(state_dir.join("s")),
        };
        Locations::resolve_in(options, |_| None).unwrap()
    }

    #[test]
    fn the_program_beside_this_one_comes_before_path_and_relative_folders_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let [beside, first, second] = ["beside", "first", "second"].map(|name| folder.path().join(name));
        for place in [&beside, &second] {
            fs::create_dir(place).unwrap();
            fs::write(place.join(format!("{PROGRAM}{}", env::consts::EXE_SUFFIX)), "").unwrap();
        }
        let path = env::join_paths([Path::new("."), &first, &second]).unwrap();
        let this_program = beside.join("ctl");
        assert!(find(Some(&this_program), Some(&path)).unwrap().starts_with(&beside));
        assert!(find(Some(&first.join("ctl")), Some(&path)).unwrap().starts_with(&second));
        assert_eq!(find(None, Some(OsStr::new("."))), None);
        assert_eq!(find(None, None), None);
    }

    #[test]
    fn every_location_is_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = arguments(&locations(folder.path()));
        let expected: Vec<OsString> =
            [("--config", "config.toml"), ("--state-dir", "state"), ("--socket", "s")]
                .into_iter()
                .flat_map(|(flag, name)| [flag.into(), folder.path().join(name).into_os_string()])
                .collect();
        assert_eq!(arguments, expected);
    }

    #[test]
    fn a_log_is_appended_to_until_it_is_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let locations = locations(folder.path());
        let write =
            |text: &str| io::Write::write_all(&mut open_log(&locations).unwrap(), text.as_bytes()).unwrap();
        write("one ");
        write("two");
        assert_eq!(fs::read_to_string(locations.log_file()).unwrap(), "one two");
        write(&"x".repeat(LONGEST_LOG as usize));
        write("anew");
        assert_eq!(fs::read_to_string(locations.log_file()).unwrap(), "anew");
    }
}
