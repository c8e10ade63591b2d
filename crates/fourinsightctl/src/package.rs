//! Where the caller's Python has the package `fourinsight.api` installed, in which 4insight's client secret is.
//!
//! Python is asked, because only it knows its folders: the user's, a virtual environment's, an editable install's.
//! The package is looked for and not run, nothing is read from the current folder, and no shell is in between.

use std::{
    ffi::OsStr,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long a Python may take to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Longer than any path.
const LONGEST: u64 = 64 * 1024;

/// Asks each finder for the two packages in turn: `importlib.util.find_spec` would run the outer one.
const QUESTION: &str = r#"
import sys
sys.path[:] = [folder for folder in sys.path if folder]
def found(name, path):
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path) if hasattr(finder, "find_spec") else None
        if spec is not None:
            return spec.submodule_search_locations
outer = found("fourinsight", None)
inner = found("fourinsight.api", outer) if outer is not None else None
for folder in inner or ():
    sys.stdout.buffer.write(folder.encode("utf-8") + b"\n")
"#;

/// The package's folder: the first that one of the caller's Pythons knows.
pub(crate) fn folder() -> Option<PathBuf> {
    let environment = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    pythons(environment("VIRTUAL_ENV").as_deref(), environment("PATH").as_deref())
        .iter()
        .find_map(|python| folder_of(python, LIMIT))
}

/// The Pythons to ask: the active virtual environment's, then those on `PATH`, each `python3` before `python`.
fn pythons(environment: Option<&OsStr>, path: Option<&OsStr>) -> Vec<PathBuf> {
    let environment = environment.map(Path::new);
    let own = environment.map(|folder| vec![folder.join("bin"), folder.join("Scripts")]);
    let installed = path.map(|path| std::env::split_paths(path).collect::<Vec<_>>());
    let mut pythons: Vec<PathBuf> = Vec::new();
    for folders in [own, installed].into_iter().flatten() {
        for name in ["python3", "python"] {
            let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
            // What is not absolute is in the current folder, which may be anybody's.
            let found = folders
                .iter()
                .filter(|folder| folder.is_absolute())
                .map(|folder| folder.join(&name))
                .find(|program| program.is_file());
            pythons.extend(found.filter(|program| !pythons.contains(program)));
        }
    }
    pythons
}

fn folder_of(python: &Path, limit: Duration) -> Option<PathBuf> {
    let mut asked = Command::new(python)
        .args(["-B", "-c", QUESTION])
        .current_dir(python.ancestors().last()?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let answer = asked.stdout.take().and_then(|output| answer(output, limit));
    end(&mut asked);
    let folder =
        answer.as_deref()?.lines().map(Path::new).find(|folder| folder.is_absolute() && folder.is_dir());
    folder.map(Path::to_owned)
}

/// All that it prints, unless that takes too long. The thread ends with the last process that can print.
fn answer(output: ChildStdout, limit: Duration) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        if output.take(LONGEST).read_to_string(&mut text).is_ok() {
            // Nobody listens any more when the limit has passed.
            let _ = sender.send(text);
        }
    });
    receiver.recv_timeout(limit).ok()
}

/// It has said all that it was asked for, or takes too long.
fn end(asked: &mut Child) {
    // One that has ended by itself cannot be ended any more, which is as well.
    let _ = asked.kill();
    let _ = asked.wait();
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder with a package in it that leaves a mark when it is run.
    fn packages(outer_is_regular: bool) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("fourinsight/api");
        fs::create_dir_all(&package).unwrap();
        let mark = format!("open('{}', 'w')\n", folder.path().join("was-run").display());
        fs::write(package.join("__init__.py"), &mark).unwrap();
        if outer_is_regular {
            fs::write(folder.path().join("fourinsight/__init__.py"), &mark).unwrap();
        }
        folder
    }

    /// A Python of this machine that finds packages in this folder, if there is a Python here.
    fn python_with(folder: &Path, packages: &Path) -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        let python = pythons(None, Some(&path)).into_iter().next()?;
        let wrapper = folder.join("python3");
        script(&wrapper, &format!("PYTHONPATH='{}' exec '{}' \"$@\"", packages.display(), python.display()));
        Some(wrapper)
    }

    /// Written by a shell: a process that another test forks meanwhile would hold the file open for writing.
    fn script(path: &Path, line: &str) {
        let written = Command::new("sh")
            .args(["-c", r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod 755 "$2""#, "sh", line])
            .arg(path)
            .status();
        assert!(written.unwrap().success());
    }

    #[test]
    #[cfg_attr(windows, ignore = "its Pythons are shell scripts")]
    fn a_package_is_found_without_being_run() {
        for outer_is_regular in [false, true] {
            let (bin, packages) = (tempfile::tempdir().unwrap(), packages(outer_is_regular));
            let Some(python) = python_with(bin.path(), packages.path()) else { return };
            let found = folder_of(&python, Duration::from_mins(1)).unwrap();
            assert_eq!(found, packages.path().join("fourinsight/api"));
            assert!(!packages.path().join("was-run").exists());
        }
    }

    #[test]
    #[cfg_attr(windows, ignore = "its Pythons are shell scripts")]
    fn a_python_without_it_one_that_hangs_and_one_that_rambles_give_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        fs::create_dir(&empty).unwrap();
        if let Some(python) = python_with(folder.path(), &empty) {
            assert_eq!(folder_of(&python, Duration::from_mins(1)), None);
        }
        for (line, limit) in [
            ("exec sleep 600", Duration::from_millis(100)),
            ("echo relative; echo /nowhere/at/all", Duration::from_mins(1)),
            ("printf '\\377'", Duration::from_mins(1)),
            ("exit 1", Duration::from_mins(1)),
        ] {
            let python = folder.path().join("python");
            script(&python, line);
            assert_eq!(folder_of(&python, limit), None, "{line}");
        }
        assert_eq!(folder_of(&folder.path().join("missing"), LIMIT), None);
    }

    #[test]
    #[cfg_attr(windows, ignore = "its Pythons are shell scripts")]
    fn the_virtual_environments_python_is_asked_first_and_none_of_the_current_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for path in ["venv/bin/python", "one/python", "two/python3"] {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), "").unwrap();
        }
        let path = std::env::join_paths([at("one"), ".".into(), "".into(), at("two")]).unwrap();
        let asked = pythons(Some(at("venv").as_os_str()), Some(&path));
        assert_eq!(asked, ["venv/bin/python", "two/python3", "one/python"].map(at));
        assert_eq!(pythons(Some(OsStr::new("venv")), Some(OsStr::new(".:bin"))), Vec::<PathBuf>::new());
        assert_eq!(pythons(None, None), Vec::<PathBuf>::new());
    }
}
