//! A daemon that says what a test wants, on a socket of its own, and the real program run against it.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

/// What the program asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// Method, path and query, as in `GET /v1/health`.
    pub(crate) line: String,
    /// The body; `null` when there was none.
    pub(crate) body: Value,
}

/// A scripted daemon, gone when dropped.
pub(crate) struct Daemon {
    folder: tempfile::TempDir,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Daemon {
    /// Answers each request with what `answer` makes of it: a status and a body.
    pub(crate) fn new(answer: impl Fn(&Request) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let daemon = Self::absent();
        let listener = UnixListener::bind(daemon.socket()).unwrap();
        let (answer, requests) = (Arc::new(answer), Arc::clone(&daemon.requests));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, requests) = (Arc::clone(&answer), Arc::clone(&requests));
                thread::spawn(move || serve(stream.unwrap(), &*answer, &requests));
            }
        });
        daemon
    }

    /// A socket at which nobody listens.
    pub(crate) fn absent() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), requests: Arc::default() }
    }

    /// A folder of the test's own.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Everything asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The first lines of everything asked so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }

    /// The program, to be run against this daemon, in an environment that holds nothing else.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        self.program_at(Path::new(env!("CARGO_BIN_EXE_fourinsightctl")), arguments)
    }

    /// The same with a copy of the program.
    pub(crate) fn program_at(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder())
            .env("PATH", self.folder().join("bin"))
            .env("TZ", "UTC")
            .env("FOURINSIGHT_SOCKET", self.socket())
            .env("FOURINSIGHT_STATE_DIR", self.folder().join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.program(arguments).output().unwrap())
    }

    /// Puts a shell script into the only folder of `PATH`.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let folder = self.folder().join("bin");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        shell(r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod 755 "$2""#, &[text.as_ref(), path.as_ref()]);
        path
    }

    /// A copy of the program beside the scripts.
    pub(crate) fn copy_of_program(&self) -> PathBuf {
        let path = self.folder().join("bin/fourinsightctl");
        shell(r#"cp "$1" "$2""#, &[env!("CARGO_BIN_EXE_fourinsightctl").as_ref(), path.as_ref()]);
        path
    }

    fn socket(&self) -> PathBuf {
        self.folder().join("broker.sock")
    }
}

/// How the program ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Ended {
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
}

impl Ended {
    /// Takes what a process left behind.
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Standard output, read as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// An error answer of the daemon.
pub(crate) fn error(status: u16, error: &str, description: &str, hint: &str) -> (u16, Value) {
    (status, json!({ "error": error, "error_description": description, "hint": hint }))
}

/// The answer to a session or login that is not there.
pub(crate) fn not_found() -> (u16, Value) {
    error(404, "not_found", "There is no such session.", "See `fourinsightctl status`.")
}

/// Runs a shell script with these arguments. Programs are written this way, because a process that another test forks
/// meanwhile would inherit this one's open file, and a program open for writing cannot be run.
fn shell(script: &str, arguments: &[&OsStr]) {
    let status = Command::new("sh").args(["-c", script, "sh"]).args(arguments).status().unwrap();
    assert!(status.success());
}

fn serve(
    stream: UnixStream,
    answer: &dyn Fn(&Request) -> (u16, Value),
    requests: &Mutex<Vec<Request>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.trim().parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        let request = Request { line, body };
        requests.lock().unwrap().push(request.clone());
        let (status, body) = answer(&request);
        let body = body.to_string();
        let text = format!(
            "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        writer.write_all(text.as_bytes()).ok()?;
    }
}
