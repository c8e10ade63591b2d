//! Reads a secret at each use: from a file, a variable or a command.

use std::{io, path::Path, process::Stdio, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
};
use zeroize::Zeroizing;

use super::{member, package};
use crate::profile::SecretSource;

/// How long a command may run.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// No secret, key or assertion is longer; what follows is not read.
const LENGTH_LIMIT: u64 = 64 << 10;

/// Why a secret could not be read. It never holds what was read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("{}", .0.kind())]
    Io(#[from] io::Error),
    #[error("it was kept in memory only")]
    Forgotten,
    #[error("it is not set")]
    Unset,
    #[error("it is not text")]
    NotText,
    #[error("its first line is empty")]
    Empty,
    #[error("it is a folder, a pipe or a device")]
    NoFile,
    #[error("it names no program")]
    NoProgram,
    #[error("it ended with {0}")]
    Status(std::process::ExitStatus),
    #[error("it took longer than {} s", COMMAND_LIMIT.as_secs())]
    TooSlow,
    #[error("it is not installed")]
    NotInstalled,
    #[error("its file or folder is not yours or root's, or others can write to it")]
    Shared,
    #[error("its file does not say what is looked for")]
    NoMember,
    #[error("none of them has it")]
    Nowhere,
}

impl Unreadable {
    /// Whether there is nothing at the place, rather than something wrong.
    fn is_absent(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() == io::ErrorKind::NotFound,
            Self::Unset | Self::NotInstalled | Self::Nowhere => true,
            _ => false,
        }
    }
}

/// The first line of what a source holds.
pub(super) async fn read(source: &SecretSource) -> Result<SecretString, Unreadable> {
    match source {
        SecretSource::Brought(brought) => brought.secret().cloned().ok_or(Unreadable::Forgotten),
        SecretSource::Member(value) => member::read(value).await,
        SecretSource::Package(value) => package::read(value).await,
        SecretSource::FirstOf(sources) => first_of(sources).await,
        source => first_line(&whole(source).await?),
    }
}

/// The first that is there; one that is there and cannot be read is not passed over.
async fn first_of(sources: &[SecretSource]) -> Result<SecretString, Unreadable> {
    for source in sources {
        match Box::pin(read(source)).await {
            Err(why) if why.is_absent() => {}
            read => return read,
        }
    }
    Err(Unreadable::Nowhere)
}

/// All that a source holds.
pub(super) async fn whole(source: &SecretSource) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    match source {
        SecretSource::File(path) => from_file(path).await,
        SecretSource::Env(name) => {
            let value = std::env::var_os(name).ok_or(Unreadable::Unset)?;
            Ok(Zeroizing::new(value.into_encoded_bytes()))
        }
        SecretSource::Brought(brought) => {
            let secret = brought.secret().ok_or(Unreadable::Forgotten)?;
            Ok(Zeroizing::new(secret.expose_secret().as_bytes().to_vec()))
        }
        SecretSource::Command(words) => from_command(words, COMMAND_LIMIT).await,
        SecretSource::Member(_) | SecretSource::Package(_) | SecretSource::FirstOf(_) => {
            let secret = Box::pin(read(source)).await?;
            Ok(Zeroizing::new(secret.expose_secret().as_bytes().to_vec()))
        }
    }
}

pub(super) async fn from_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    // A pipe or a terminal would be waited for without an end, by a thread that nobody can call back.
    if !tokio::fs::metadata(path).await?.is_file() {
        return Err(Unreadable::NoFile);
    }
    Ok(read_limited(tokio::fs::File::open(path).await?).await?)
}

async fn from_command(words: &[String], limit: Duration) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let (program, arguments) = words.split_first().ok_or(Unreadable::NoProgram)?;
    // Its error output is not kept: it may hold the secret as well.
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().expect("standard output is piped");
    let run = async {
        let printed = read_limited(output).await?;
        let status = child.wait().await?;
        if status.success() { Ok(printed) } else { Err(Unreadable::Status(status)) }
    };
    // On time-out the child is dropped, and dropping kills it.
    tokio::time::timeout(limit, run).await.unwrap_or(Err(Unreadable::TooSlow))
}

/// Reads into one buffer that never moves, so that no unwiped copy stays behind.
pub(super) async fn read_limited(source: impl AsyncRead + Unpin) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut read = Zeroizing::new(Vec::with_capacity(LENGTH_LIMIT as usize + 64));
    let mut source = source.take(LENGTH_LIMIT);
    while source.read_buf(&mut *read).await? > 0 {}
    Ok(read)
}

fn first_line(text: &[u8]) -> Result<SecretString, Unreadable> {
    let text = std::str::from_utf8(text).map_err(|_| Unreadable::NotText)?;
    match text.lines().next() {
        None | Some("") => Err(Unreadable::Empty),
        Some(line) => Ok(line.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::authority::client_auth::material::read_secret;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn command(words: &[&str]) -> SecretSource {
        SecretSource::Command(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[tokio::test]
    async fn the_first_line_counts_whatever_ends_it() {
        for content in ["s3cr3t", "s3cr3t\n", "s3cr3t\r\nsecond\n"] {
            let file = file(content.as_bytes());
            let secret = read(&SecretSource::File(file.path().into())).await.unwrap();
            assert_eq!(secret.expose_secret(), "s3cr3t", "{content:?}");
        }
    }

    #[tokio::test]
    async fn failures_name_the_source_and_never_the_content() {
        let (empty, binary) = (file(b"\ns3cr3t"), file(b"s3cr3t\xff"));
        for (source, named) in [
            (
                SecretSource::File("/nonexistent/0123456789/a-path-that-looks-like-a-token".into()),
                "the file /nonexistent/0123456789/a-path-that-looks-like-a-token: ",
            ),
            (SecretSource::File(empty.path().into()), "first line is empty"),
            (SecretSource::File(binary.path().into()), "not text"),
            (SecretSource::Env("FOURINSIGHT_TEST_UNSET_VARIABLE".into()), "FOURINSIGHT_TEST_UNSET_VARIABLE"),
            (command(&[]), "names no program"),
            (command(&["/nonexistent/program", "s3cr3t"]), "the command /nonexistent/program"),
        ] {
            let failure = read_secret(&source).await.unwrap_err();
            assert_eq!(failure.error, "client_secret_unreadable");
            assert!(failure.description.contains(named), "{failure:?}");
            assert!(!failure.description.contains("s3cr3t"), "{failure:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_command_runs_without_a_shell_and_without_input() {
        let secret = read(&command(&["printf", "%s", "$HOME;x"])).await.unwrap();
        assert_eq!(secret.expose_secret(), "$HOME;x");
        assert!(matches!(read(&command(&["cat"])).await, Err(Unreadable::Empty)));
        assert!(matches!(read(&command(&["false"])).await, Err(Unreadable::Status(_))));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe, folder.path().to_owned(), "/dev/zero".into()] {
            let source = SecretSource::File(path);
            let read = tokio::time::timeout(Duration::from_secs(20), read(&source)).await;
            assert!(matches!(read, Ok(Err(Unreadable::NoFile))), "{source:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_command_that_hangs_is_ended() {
        let words = ["sleep", "600"].map(str::to_owned);
        let outcome = from_command(&words, Duration::from_millis(50)).await;
        assert!(matches!(outcome, Err(Unreadable::TooSlow)));
    }
}
