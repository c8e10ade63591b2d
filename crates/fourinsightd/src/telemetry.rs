//! Logging, and what keeps secrets out of it.
//!
//! Only our own targets can be turned up: what dependencies say at `debug` or `trace` may hold headers and bodies,
//! so they never log above `warn`. Our own log statements name sessions, servers, statuses and durations; the types
//! of tokens and bodies print no content.

use std::{
    fmt,
    fs::{self, File},
    path::Path,
    str::FromStr,
};

use fourinsight_ipc::{SessionKey, location::LONGEST_LOG, message::Lifetime};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::sys;

/// What is logged: a level for the daemon, or a list such as `info,fourinsightd::session=trace`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogFilter(Targets);

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, or for the journal where standard error leads there.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The text is no log filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a log filter: use off, error, warn, info, debug or trace, or target=level pairs for targets that start with fourinsight, separated by commas"
)]
pub struct InvalidLogFilter;

/// The targets that may be turned up.
const OURS: [&str; 2] = ["fourinsightd", "fourinsight_ipc"];

impl Default for LogFilter {
    fn default() -> Self {
        Self::at(LevelFilter::INFO)
    }
}

impl LogFilter {
    fn at(level: LevelFilter) -> Self {
        let targets = Targets::new().with_default(level.min(LevelFilter::WARN));
        Self(OURS.iter().fold(targets, |targets, ours| targets.with_target(*ours, level)))
    }
}

impl FromStr for LogFilter {
    type Err = InvalidLogFilter;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let level = |text: &str| LevelFilter::from_str(text.trim()).map_err(|_| InvalidLogFilter);
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let (pairs, levels): (Vec<_>, Vec<_>) = parts.partition(|part| part.contains('='));
        let base = match levels.as_slice() {
            [] if pairs.is_empty() => return Err(InvalidLogFilter),
            [] => LevelFilter::INFO,
            [one] => level(one)?,
            _ => return Err(InvalidLogFilter),
        };
        let mut filter = Self::at(base);
        for pair in pairs {
            let (target, wanted) = pair.split_once('=').ok_or(InvalidLogFilter)?;
            let target = target.trim();
            if !OURS.iter().any(|ours| target == *ours || target.starts_with(&format!("{ours}::"))) {
                return Err(InvalidLogFilter);
            }
            filter = Self(filter.0.with_target(target, level(wanted)?));
        }
        Ok(filter)
    }
}

/// Starts logging, to the journal or to standard error.
pub fn start(filter: LogFilter, format: LogFormat) {
    let registry = tracing_subscriber::registry();
    let lines =
        || tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(sys::logs_to_terminal());
    match format {
        LogFormat::Json => registry.with(lines().json().with_filter(filter.0)).init(),
        LogFormat::Text => match sys::journal() {
            Some(journal) => registry.with(journal.with_filter(filter.0)).init(),
            None => registry.with(lines().with_filter(filter.0)).init(),
        },
    }
}

/// A session as logs name it. Logs are files: one that is in memory only stays nameless.
pub(crate) fn session(key: &SessionKey, lifetime: Lifetime) -> impl fmt::Display + '_ {
    fmt::from_fn(
        move |f| if lifetime.is_stored() { f.write_str(key.as_str()) } else { f.write_str("(in memory)") },
    )
}

/// Begins the log of a daemon that a client has started anew when it has become too long. It is written by
/// appending, so the next line is the first one then.
pub(crate) fn keep_short(log_file: &Path) {
    if !fs::symlink_metadata(log_file).is_ok_and(|found| found.is_file() && found.len() > LONGEST_LOG) {
        return;
    }
    match File::options().write(true).open(log_file).and_then(|log| log.set_len(0)) {
        Ok(()) => tracing::info!("the log had become too long and was begun anew"),
        Err(error) => tracing::warn!(%error, "the log is too long and cannot be begun anew"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    fn filter(text: &str) -> Targets {
        text.parse::<LogFilter>().unwrap().0
    }

    #[test]
    fn dependencies_never_log_above_warn() {
        let trace = filter("trace");
        assert!(trace.would_enable("fourinsightd::session", &Level::TRACE));
        assert!(trace.would_enable("hyper", &Level::WARN));
        assert!(!trace.would_enable("hyper", &Level::INFO));
        assert!(!trace.would_enable("reqwest::connect", &Level::DEBUG));
        assert!(!filter("error").would_enable("hyper", &Level::WARN));
    }

    #[test]
    fn one_target_of_ours_can_be_turned_up_alone() {
        let mixed = filter("warn,fourinsightd::session=trace");
        assert!(mixed.would_enable("fourinsightd::session::task", &Level::TRACE));
        assert!(!mixed.would_enable("fourinsightd::server", &Level::INFO));
    }

    #[test]
    fn a_log_is_begun_anew_when_it_is_too_long_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("daemon.log");
        keep_short(&log);
        assert!(!log.exists());
        for (length, kept) in [(LONGEST_LOG, LONGEST_LOG), (LONGEST_LOG + 1, 0)] {
            fs::write(&log, vec![b'x'; usize::try_from(length).unwrap()]).unwrap();
            keep_short(&log);
            assert_eq!(fs::metadata(&log).unwrap().len(), kept);
        }
    }

    #[test]
    fn foreign_targets_and_nonsense_are_refused() {
        for text in ["", "loud", "hyper=trace", "info,debug", "fourinsightd=loud", "fourinsightdx=trace"] {
            assert_eq!(text.parse::<LogFilter>(), Err(InvalidLogFilter), "{text}");
        }
    }
}
