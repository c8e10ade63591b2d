//! Reads a value in a Python package that is installed for whoever logs in, or for this user.
//!
//! What is installed is code that its owner runs anyway, so a file counts when it is this user's or root's and when
//! nobody else can write to it or put another in its place.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::secret::{Unreadable, read_limited};
use crate::{profile::PackageValue, sys};

/// The value, read now.
pub(super) async fn read(value: &PackageValue) -> Result<SecretString, Unreadable> {
    read_below(value, std::env::home_dir().as_deref()).await
}

async fn read_below(value: &PackageValue, home: Option<&Path>) -> Result<SecretString, Unreadable> {
    for folder in folders(value, home) {
        match from_folder(&folder, value).await {
            Err(Unreadable::Io(error)) if is_absent(&error) => {}
            read => return read,
        }
    }
    Err(Unreadable::NotInstalled)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

async fn from_folder(folder: &Path, value: &PackageValue) -> Result<SecretString, Unreadable> {
    let path = folder.join(&value.file);
    // A pipe would be waited for without an end.
    if !tokio::fs::metadata(&path).await?.is_file() {
        return Err(Unreadable::NoFile);
    }
    let file = tokio::fs::File::open(&path).await?;
    // What is judged is what was opened.
    if !sys::is_ours_alone(&file.metadata().await?)
        || !sys::is_ours_alone(&tokio::fs::metadata(folder).await?)
    {
        return Err(Unreadable::Shared);
    }
    member(&read_limited(file).await?, &value.key)
}

/// A string in an object.
fn member(text: &Zeroizing<Vec<u8>>, key: &str) -> Result<SecretString, Unreadable> {
    let members: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_slice(text).map_err(|_| Unreadable::NoMember)?;
    let value = members.get(key).ok_or(Unreadable::NoMember)?;
    let secret: Zeroizing<String> =
        serde_json::from_str(value.get()).map(Zeroizing::new).map_err(|_| Unreadable::NoMember)?;
    if secret.is_empty() { Err(Unreadable::NoMember) } else { Ok(secret.as_str().into()) }
}

/// Where the package may be: where the login found it, else where pip puts what a user installs for themselves, the
/// newest Python first.
fn folders(value: &PackageValue, home: Option<&Path>) -> Vec<PathBuf> {
    let inside: PathBuf = value.package.split('.').collect();
    let mut folders: Vec<_> = value.folder.clone().into_iter().collect();
    for (versions, prefix, site) in USER_SITES {
        let Some(versions) = home.map(|home| home.join(versions)) else { continue };
        let mut found: Vec<_> = std::fs::read_dir(&versions)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                let version = name.strip_prefix(prefix)?;
                let digits: String = version.chars().filter(char::is_ascii_digit).collect();
                Some((digits.parse::<u32>().ok()?, versions.join(&name).join(site).join(&inside)))
            })
            .collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        folders.extend(found.into_iter().map(|(_, folder)| folder));
    }
    folders
}

/// Below the home folder: where the folders of Python's versions are, how they begin, and where packages are in them
/// (PEP 370; macOS and Windows have their own).
const USER_SITES: [(&str, &str, &str); 3] = [
    (".local/lib", "python", "site-packages"),
    ("Library/Python", "", "lib/python/site-packages"),
    ("AppData/Roaming/Python", "Python", "site-packages"),
];

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn value(folder: Option<&Path>) -> PackageValue {
        PackageValue {
            package: "fourinsight.api".to_owned(),
            file: "_constants.json".to_owned(),
            key: "USER_CLIENT_SECRET".to_owned(),
            folder: folder.map(Path::to_owned),
        }
    }

    fn install(folder: &Path, text: &str) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("_constants.json"), text).unwrap();
    }

    async fn read_in(value: &PackageValue, home: &Path) -> Result<String, Unreadable> {
        Ok(read_below(value, Some(home)).await?.expose_secret().to_owned())
    }

    const GOOD: &str = r#"{"API_BASE_URL": "https://x/", "USER_CLIENT_SECRET": "s3cr3t~", "LIST": ["a"]}"#;

    #[tokio::test]
    async fn the_folder_of_the_login_goes_before_the_users_own_and_the_newest_python_before_older_ones() {
        let home = tempfile::tempdir().unwrap();
        let site =
            |version: &str| home.path().join(format!(".local/lib/{version}/site-packages/fourinsight/api"));
        assert!(matches!(read_in(&value(None), home.path()).await, Err(Unreadable::NotInstalled)));
        install(&site("python3.9"), &GOOD.replace("s3cr3t~", "old"));
        assert_eq!(read_in(&value(None), home.path()).await.unwrap(), "old");
        install(&site("python3.12"), GOOD);
        assert_eq!(read_in(&value(None), home.path()).await.unwrap(), "s3cr3t~");
        let named = home.path().join("venv/fourinsight/api");
        assert_eq!(read_in(&value(Some(&named)), home.path()).await.unwrap(), "s3cr3t~", "the venv is gone");
        install(&named, &GOOD.replace("s3cr3t~", "venv"));
        assert_eq!(read_in(&value(Some(&named)), home.path()).await.unwrap(), "venv");
    }

    #[tokio::test]
    async fn what_is_not_the_expected_file_is_named_and_not_repeated() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("api");
        for text in [
            "s3cr3t",
            r#"["s3cr3t"]"#,
            r#"{"OTHER": "s3cr3t"}"#,
            r#"{"USER_CLIENT_SECRET": ["s3cr3t"]}"#,
            r#"{"USER_CLIENT_SECRET": ""}"#,
        ] {
            install(&folder, text);
            let error = read_in(&value(Some(&folder)), home.path()).await.unwrap_err();
            assert!(matches!(error, Unreadable::NoMember) && !error.to_string().contains("s3cr3t"), "{text}");
        }
        std::fs::remove_file(folder.join("_constants.json")).unwrap();
        std::fs::create_dir(folder.join("_constants.json")).unwrap();
        assert!(matches!(read_in(&value(Some(&folder)), home.path()).await, Err(Unreadable::NoFile)));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_file_or_folder_that_others_can_write_to_is_refused() {
        use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("api");
        install(&folder, GOOD);
        let file = folder.join("_constants.json");
        let set = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        for (file_mode, folder_mode, taken) in
            [(0o644, 0o755, true), (0o646, 0o755, false), (0o644, 0o757, false), (0o600, 0o700, true)]
        {
            set(&file, file_mode);
            set(&folder, folder_mode);
            let read = read_in(&value(Some(&folder)), home.path()).await;
            assert_eq!(read.is_ok(), taken, "{file_mode:o} {folder_mode:o}");
            assert!(taken || matches!(read, Err(Unreadable::Shared)));
        }
    }
}
