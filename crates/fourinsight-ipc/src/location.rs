//! Where things are: the state folder, the configuration file and the endpoint.
//!
//! Precedence: flag, environment variable, default. A client that was given no explicit socket follows the lock
//! file, in which the running daemon records where it listens; cron, sudo and `docker exec` have no
//! `XDG_RUNTIME_DIR`, yet must find the same daemon.

use std::{
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::platform;

/// Names the variable that sets the configuration file.
pub const CONFIG_VARIABLE: &str = "FOURINSIGHT_CONFIG";
/// Names the variable that sets the state folder.
pub const STATE_DIR_VARIABLE: &str = "FOURINSIGHT_STATE_DIR";
/// Names the variable that sets the socket.
pub const SOCKET_VARIABLE: &str = "FOURINSIGHT_SOCKET";

/// A daemon's log file longer than this, in bytes, is begun anew.
pub const LONGEST_LOG: u64 = 1024 * 1024;

/// Where the daemon listens: a path on Unix, a pipe name on Windows.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Endpoint(PathBuf);

impl Endpoint {
    /// Takes a socket's path or a pipe's name, and refuses one that the platform cannot hold.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, LocationError> {
        let path = path.into();
        platform::check_endpoint(&path)?;
        Ok(Self(path))
    }

    /// The socket's path or the pipe's name.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.0.display())
    }
}

/// What a caller says about locations: its `--config`, `--state-dir` and `--socket`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocationOptions {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// The state folder.
    pub state_dir: Option<PathBuf>,
    /// The socket.
    pub socket: Option<PathBuf>,
}

/// Every location, settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locations {
    /// The configuration file, which need not exist.
    pub config: PathBuf,
    /// The state folder, which need not exist.
    pub state_dir: PathBuf,
    /// The socket that was named by flag or variable, if one was.
    pub explicit_socket: Option<Endpoint>,
}

impl Locations {
    /// Settles locations from flags and this process's environment.
    pub fn resolve(options: LocationOptions) -> Result<Self, LocationError> {
        Self::resolve_in(options, |name| std::env::var_os(name))
    }

    /// Settles locations from flags and the given environment.
    pub fn resolve_in(
        options: LocationOptions,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, LocationError> {
        let named = |flag: Option<PathBuf>, variable: &str| {
            flag.or_else(|| environment(variable).filter(|value| !value.is_empty()).map(PathBuf::from))
        };
        let home = || directories::BaseDirs::new().ok_or(LocationError::NoHome);
        let config = match named(options.config, CONFIG_VARIABLE) {
            Some(path) => path,
            None => directories::ProjectDirs::from("", "", "fourinsight")
                .ok_or(LocationError::NoHome)?
                .config_dir()
                .join("config.toml"),
        };
        let state_dir = match named(options.state_dir, STATE_DIR_VARIABLE) {
            Some(path) => absolute(path)?,
            None => platform::default_state_dir(home()?.home_dir()),
        };
        // The lock file hands it to clients in other working folders.
        let explicit_socket = named(options.socket, SOCKET_VARIABLE)
            .map(|path| absolute(path).and_then(Endpoint::new))
            .transpose()?;
        Ok(Self { config: absolute(config)?, state_dir, explicit_socket })
    }

    /// Where the daemon listens when nothing else is said.
    pub fn default_endpoint(&self) -> Result<Endpoint, LocationError> {
        Endpoint::new(platform::default_endpoint_path(&self.state_dir))
    }

    /// Where the daemon is to listen.
    pub fn endpoint_to_serve(&self) -> Result<Endpoint, LocationError> {
        self.explicit_socket.clone().map_or_else(|| self.default_endpoint(), Ok)
    }

    /// Where a client is to look, best guess first: the explicit socket alone, or what the lock file records and
    /// then the default.
    pub fn endpoints_to_try(&self) -> Result<Vec<Endpoint>, LocationError> {
        if let Some(explicit) = &self.explicit_socket {
            return Ok(vec![explicit.clone()]);
        }
        match (Lock::read(&self.lock_file()).map(|lock| lock.socket), self.default_endpoint()) {
            (Some(recorded), Ok(default)) if recorded != default => Ok(vec![recorded, default]),
            // A default that does not fit harms no client that knows better.
            (Some(recorded), _) => Ok(vec![recorded]),
            (None, default) => Ok(vec![default?]),
        }
    }

    /// The file that makes one daemon the only one on this state.
    pub fn lock_file(&self) -> PathBuf {
        self.state_dir.join("broker.lock")
    }

    /// Where a daemon started by a client writes its log.
    pub fn log_file(&self) -> PathBuf {
        self.state_dir.join("daemon.log")
    }
}

/// What the lock file says about the daemon that holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The daemon's process id.
    pub pid: u32,
    /// Where it listens.
    pub socket: Endpoint,
}

impl Lock {
    /// Reads a lock file; `None` when there is none or it says nothing.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }
}

/// A location cannot be settled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// The user has no home folder.
    #[error("no home folder is known for this user; set HOME, or give --state-dir and --config")]
    NoHome,
    /// A socket's path is longer than the platform allows.
    #[error(
        "the socket path {path} is {length} bytes long, over this platform's limit of {limit}; choose a shorter one with --socket or {SOCKET_VARIABLE}"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The longest that fits.
        limit: usize,
    },
    /// The working folder, needed to complete a relative path, is gone.
    #[error("a relative path was given and the working folder cannot be read; give an absolute one")]
    NoWorkingFolder,
}

fn absolute(path: PathBuf) -> Result<PathBuf, LocationError> {
    if path.is_absolute() {
        Ok(path)
    } else {
        std::path::absolute(path).map_err(|_| LocationError::NoWorkingFolder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(options: LocationOptions, environment: &[(&str, &str)]) -> Locations {
        let lookup = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        Locations::resolve_in(options, lookup).unwrap()
    }

    #[test]
    fn a_flag_beats_a_variable_and_a_variable_beats_the_default() {
        let environment = [(STATE_DIR_VARIABLE, "/from/variable"), (SOCKET_VARIABLE, "/from/variable.sock")];
        let by_variable = resolve(LocationOptions::default(), &environment);
        assert_eq!(by_variable.state_dir, std::path::absolute("/from/variable").unwrap());
        assert_eq!(by_variable.explicit_socket, Some(Endpoint::new("/from/variable.sock").unwrap()));
        let options = LocationOptions { state_dir: Some("/from/flag".into()), ..LocationOptions::default() };
        assert_eq!(resolve(options, &environment).state_dir, std::path::absolute("/from/flag").unwrap());
        assert!(resolve(LocationOptions::default(), &[]).state_dir.ends_with("api"));
    }

    #[test]
    fn a_relative_socket_is_completed_because_others_read_it_elsewhere() {
        let options = LocationOptions { socket: Some("broker.sock".into()), ..LocationOptions::default() };
        let socket = resolve(options, &[]).explicit_socket.unwrap();
        assert!(socket.as_path().is_absolute() && socket.as_path().ends_with("broker.sock"));
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        assert_eq!(resolve(LocationOptions::default(), &[(SOCKET_VARIABLE, "")]).explicit_socket, None);
    }

    #[test]
    fn a_client_without_an_explicit_socket_follows_the_lock_file_first() {
        let folder = std::env::temp_dir().join(format!("fourinsight-ipc-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let options = LocationOptions { state_dir: Some(folder.clone()), ..LocationOptions::default() };
        let locations = resolve(options, &[]);
        let recorded = Endpoint::new("/elsewhere/broker.sock").unwrap();
        let lock = Lock { pid: 1, socket: recorded.clone() };
        fs::write(locations.lock_file(), serde_json::to_vec(&lock).unwrap()).unwrap();
        let default = locations.default_endpoint().unwrap();
        assert_eq!(locations.endpoints_to_try().unwrap(), [recorded, default.clone()]);
        fs::write(locations.lock_file(), b"{half").unwrap();
        assert_eq!(locations.endpoints_to_try().unwrap(), [default]);
        fs::remove_dir_all(folder).unwrap();
    }
}
