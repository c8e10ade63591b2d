//! A login that `fourinsight.api` has in a file: found, taken over by the daemon, and put away.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use fourinsight_client::{
    Client, Error, ErrorBody, ErrorCode, ImportOutcome, ImportRequest, ImportResponse, SessionKey,
};
use fourinsight_ipc::{
    cache_file::{self, Retired, TAKEN_OVER},
    platform,
};
use pyo3::prelude::*;
use serde::Serialize;

/// What became of a login and of its file.
#[derive(Serialize)]
pub(crate) struct TakenOver {
    #[serde(flatten)]
    answer: ImportResponse,
    /// Where the file is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<String>,
    /// What explains it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    explained: Option<String>,
    /// Why the file is where it was, though the login is the daemon's now.
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<String>,
}

/// Has the daemon take over the login in a file, or with `dry_run` say whether it would. The file is read here, and
/// put away only once the login is on the daemon's disk.
pub(crate) fn take_over(calls: &Client, path: &Path, mut request: ImportRequest) -> Result<TakenOver, Error> {
    let content = cache_file::read(path).map_err(|error| unreadable(path, &error))?;
    request.content = content.clone();
    let answer = calls.import(&request)?;
    let mut over = TakenOver { answer, retired: None, explained: None, left: None };
    if request.dry_run || over.answer.outcome != ImportOutcome::Imported {
        return Ok(over);
    }
    if !over.answer.durable || !over.answer.whole {
        over.left = Some("the daemon does not have the whole of it on its disk yet".to_owned());
        return Ok(over);
    }
    let session = over.answer.session.as_ref().map_or("default", SessionKey::as_str);
    match cache_file::retire(path, &content, session) {
        Ok(Retired::To { path, note }) => {
            over.retired = Some(path.display().to_string());
            over.explained = Some(note.display().to_string());
        }
        Ok(Retired::Changed) => {
            over.left = Some(
                "it was written while it was taken over: another program still uses this login; stop it, and delete \
                 the file"
                    .to_owned(),
            );
        }
        Err(error) => {
            over.left = Some(format!(
                "it could not be renamed ({error}); rename or delete it, since two programs must not own one login"
            ));
        }
    }
    Ok(over)
}

/// Where `fourinsight.api` has its file for a `session_key`, if one is there.
#[pyfunction]
#[pyo3(signature = (key))]
pub(crate) fn token_file_of_seed(key: Option<&str>) -> Option<PathBuf> {
    let home = std::env::home_dir().filter(|home| home.is_absolute())?;
    let name = name_of(key)?;
    Some(platform::default_state_dir(&home).join(name)).filter(|path| path.is_file())
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    let what = format!("{} cannot be taken over: {error}", path.display());
    Error::InvalidRequest(ErrorBody::new(ErrorCode::InvalidRequest, what).hint("it is untouched"))
}

/// The file's name below their folder. They take a key as it is, so one with a slash in it leads into folders; one that
/// leads back out of them, or to what has been taken over, is nobody's login.
fn name_of(key: Option<&str>) -> Option<PathBuf> {
    let name = PathBuf::from(key.map_or_else(|| "token".to_owned(), |key| format!("token.{key}")));
    let stays = name.components().all(|part| match part {
        Component::Normal(part) => !part.to_string_lossy().starts_with(TAKEN_OVER),
        _ => false,
    });
    stays.then_some(name)
}
