//! Why a daemon that was just started has ended: the last line of its log, where that is an error.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// Enough for the longest error line.
const TAIL: u64 = 4096;

/// How the daemon's log marks an error; the text behind it is written for people and holds no secret.
const ERROR: &str = " ERROR fourinsightd: ";

/// The error that the log ends with.
pub(crate) fn last_error(log: &Path) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    let (_, text) = tail.trim_end().lines().next_back()?.split_once(ERROR)?;
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_error_of(log: &str) -> Option<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), log).unwrap();
        last_error(file.path())
    }

    #[test]
    fn only_an_error_on_the_last_line_is_the_reason() {
        let error = "2026-01-02T03:04:05.678901Z ERROR fourinsightd: config.toml:2: unknown key `isuer`\n";
        let ready = "2026-01-02T03:04:05.678901Z  INFO fourinsightd: ready\n";
        let told = Some("config.toml:2: unknown key `isuer`".to_owned());
        assert_eq!(last_error_of(&[ready, error].concat()), told);
        assert_eq!(last_error_of(&[&ready.repeat(200), error].concat()), told);
        assert_eq!(last_error_of(&[error, ready].concat()), None);
        assert_eq!(last_error_of(""), None);
        assert_eq!(last_error(Path::new("/nowhere/daemon.log")), None);
    }
}
