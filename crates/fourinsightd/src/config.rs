//! The configuration file: TOML, parsed and checked at once, so that nothing is validated later.
//!
//! A bad file is refused whole. Errors name the file and the line and never repeat a value: it may be a secret.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use fourinsight_ipc::{SessionKey, message::KeyHome};

use crate::profile::{Flow, Preset, Profile};

mod assertion;
mod client_auth;
mod described;
mod new_profile;
mod parameters;
mod preset;
mod profile;
mod rotation;
mod secret;
mod sessions;
mod store;
mod table;
mod write;

pub use described::Described;
pub use new_profile::NotAdded;
use table::{Source, Table};

/// What the configuration file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The profile of a login that names none; the only one there is, when the file names none either.
    pub default_profile: Option<String>,
    /// The profiles, by name.
    pub profiles: BTreeMap<String, Profile>,
    /// What each profile is made of.
    pub described: BTreeMap<String, Described>,
    /// What a profile is with another flow than its own, where its preset says; or why it is nothing with that.
    other_flows: BTreeMap<(String, Flow), Result<Profile, ConfigError>>,
    /// The sessions that the daemon opens by itself, each with its profile.
    pub sessions: BTreeMap<SessionKey, String>,
    /// Where the store's sealing key is to live, where the file says; asked when a home is chosen, once.
    pub key_home: Option<KeyHome>,
}

/// The keys at the top of the file.
const KEYS: [&str; 4] = ["default_profile", "profiles", "sessions", "store"];

impl Config {
    /// The sessions that the daemon opens by itself, each with its profile.
    pub fn declared(&self) -> impl Iterator<Item = (&SessionKey, &Profile)> {
        self.sessions.iter().filter_map(|(key, name)| Some((key, self.profiles.get(name)?)))
    }

    /// The profile of a name, with a flow that a login names instead of its own.
    pub fn with_flow(&self, name: &str, flow: Flow) -> Option<Result<Profile, ConfigError>> {
        match self.other_flows.get(&(name.to_owned(), flow)) {
            Some(other) => Some(other.clone()),
            None => self.profiles.get(name).map(|profile| Ok(Profile { flow, ..profile.clone() })),
        }
    }

    /// A configuration that has nothing but the profile of a preset's own name; `None` where the preset has to be told
    /// more than a login can bring.
    pub fn of_preset(name: &str) -> Option<Self> {
        let name = Preset::named(name)?.name;
        Self::parse(Path::new(name), &format!("[profiles.{name}]\npreset = \"{name}\"\n")).ok()
    }

    /// Reads a file; one that does not exist is an empty configuration.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let fail = |what: String| ConfigError { path: path.to_owned(), line: None, what };
        match std::fs::read(path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Self::parse(path, &text),
                Err(_) => Err(fail("it is not UTF-8 text; save it as UTF-8".to_owned())),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(fail(format!("it cannot be read: {}; check its permissions", error.kind()))),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let source = Source::new(path, text);
        let document = source.parse()?;
        let top = Table::new(&source, &document);
        top.check_keys(&KEYS, &[])?;
        let (mut profiles, mut described, mut other_flows) =
            <(BTreeMap<_, _>, BTreeMap<_, _>, BTreeMap<_, _>)>::default();
        if let Some(table) = top.table("profiles")? {
            for (name, table) in table.tables()? {
                let (profile, of) = profile::read(name, &table, None)?;
                for flow in preset::other_flows(of.preset, profile.flow) {
                    let other = profile::read(name, &table, Some(flow)).map(|(profile, _)| profile);
                    other_flows.insert((name.to_owned(), flow), other);
                }
                profiles.insert(name.to_owned(), profile);
                described.insert(name.to_owned(), of);
            }
        }
        let mut default_profile = top.text("default_profile")?;
        match &default_profile {
            Some(name) if !profiles.contains_key(name) => {
                return Err(top.error(
                    "default_profile",
                    "default_profile names a profile that does not exist; add it or name another",
                ));
            }
            None if profiles.len() == 1 => default_profile = profiles.keys().next().cloned(),
            _ => {}
        }
        let sessions = match top.table("sessions")? {
            Some(table) => sessions::read(&table, &profiles)?,
            None => BTreeMap::new(),
        };
        let key_home = match top.table("store")? {
            Some(table) => store::read_key_home(&table)?,
            None => None,
        };
        Ok(Self { default_profile, profiles, described, other_flows, sessions, key_home })
    }
}

/// Why a configuration was refused: where, what, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1, where there is one to name.
    pub line: Option<usize>,
    /// What is wrong and what to do next.
    pub what: String,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// The configuration as it stands, and the file that it is read from again and again.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    state: RwLock<State>,
    /// Held by who writes the file.
    writing: Mutex<()>,
}

#[derive(Debug)]
struct State {
    current: Arc<Config>,
    problem: Option<String>,
}

impl ConfigFile {
    /// Reads the file for the first time, when there is no older configuration to stay with.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        let path = path.into();
        let current = Arc::new(Config::load(&path)?);
        let state = RwLock::new(State { current, problem: None });
        Ok(Self { path, state, writing: Mutex::default() })
    }

    /// Where the file is, or would be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration last read without an error.
    pub fn current(&self) -> Arc<Config> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).current)
    }

    /// What was wrong with the file when it was last read.
    pub fn problem(&self) -> Option<String> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).problem.clone()
    }

    /// Reads the file again. A bad file changes nothing but [`problem`](Self::problem).
    pub fn reload(&self) -> Result<Arc<Config>, ConfigError> {
        let loaded = Config::load(&self.path);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match loaded {
            Ok(config) => {
                state.problem = None;
                state.current = Arc::new(config);
                Ok(Arc::clone(&state.current))
            }
            Err(error) => {
                state.problem = Some(error.to_string());
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests;
