//! `login`.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{Daemon, Ended, Request, error, not_found};

const URI: &str = "https://id.example.com/authorize?client_id=abc&state=xyz";

/// Where the one login attempt stands, and a bell for when it moves on.
#[derive(Default)]
pub(crate) struct Attempt {
    now: Mutex<Value>,
    moved: Condvar,
}

impl Attempt {
    pub(crate) fn pending(uri: &str) -> Arc<Self> {
        let attempt = Self::default();
        *attempt.now.lock().unwrap() = json!({
            "id": "L1", "session": "default", "flow": "browser", "state": "pending",
            "expires_at": 4_000_000_000_u64, "authorization_uri": uri
        });
        Arc::new(attempt)
    }

    pub(crate) fn becomes(&self, changes: &Value) {
        let mut now = self.now.lock().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            now[name] = value.clone();
        }
        self.moved.notify_all();
    }

    pub(crate) fn succeeds(&self) {
        self.becomes(&json!({ "state": "succeeded", "identity": { "sub": "1", "name": "Ada" } }));
    }

    pub(crate) fn now(&self) -> Value {
        self.now.lock().unwrap().clone()
    }

    /// What `GET /v1/logins/L1?wait=` answers: news, or the same again after a moment.
    fn news(&self) -> Value {
        let now = self.now.lock().unwrap();
        let pending = |now: &mut Value| now["state"] == "pending";
        self.moved.wait_timeout_while(now, Duration::from_millis(200), pending).unwrap().0.clone()
    }

    /// A daemon with this attempt and no session.
    fn daemon(self: &Arc<Self>) -> Daemon {
        self.daemon_with(|_| not_found())
    }

    /// The same, with something to say about everything else.
    pub(crate) fn daemon_with(
        self: &Arc<Self>,
        otherwise: impl Fn(&Request) -> (u16, Value) + Send + Sync + 'static,
    ) -> Daemon {
        let attempt = Arc::clone(self);
        Daemon::new(move |request| match request.line.as_str() {
            "POST /v1/logins" => (201, attempt.now()),
            "DELETE /v1/logins/L1" => {
                attempt.becomes(&json!({ "state": "cancelled" }));
                (200, attempt.now())
            }
            line if line.starts_with("GET /v1/logins/L1?wait=") => (200, attempt.news()),
            _ => otherwise(request),
        })
    }
}

fn signed_in() -> (u16, Value) {
    let session = json!({
        "session": "default", "profile": "work", "state": "signed_in",
        "identity": { "sub": "1", "name": "Ada" }, "scope": "api.read", "expires_at": null,
        "next_renewal_at": null, "problem": null
    });
    (200, session)
}

/// Lets the program run until it has printed the address, and hands over the rest of its standard error.
fn until_asked(mut child: Child) -> (Child, BufReader<impl Read>) {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while line.trim_end() != URI {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended without printing the address");
    }
    (child, stderr)
}

#[test]
fn a_login_prints_the_address_and_then_as_whom() {
    let attempt = Attempt::pending(URI);
    let daemon = attempt.daemon();
    let (child, mut stderr) = until_asked(
        daemon
            .program(&["login", "--no-browser", "--profile=work", "--scope=a b", "--scope=c"])
            .spawn()
            .unwrap(),
    );
    attempt.becomes(&json!({ "note": "The server gave no refresh token.\u{1b}" }));
    attempt.succeeds();
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "Signed in as Ada (1), session default.\n"));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "note: The server gave no refresh token.\u{fffd}\n");
    let asked = daemon.requests().into_iter().find(|request| request.line == "POST /v1/logins").unwrap().body;
    assert_eq!(asked["session"], "default");
    assert_eq!(asked["profile"], "work");
    assert_eq!(asked["scope"], "a b c");
    assert_eq!(asked["force"], false);
}

#[test]
fn each_bad_end_has_its_exit_code() {
    for (changes, exit, says) in [
        (
            json!({ "state": "failed", "error": { "error": "access_denied", "error_description": "You said no." } }),
            5,
            "you said no",
        ),
        (
            json!({ "state": "failed", "error": { "error": "server_error", "error_description": "Broken." } }),
            1,
            "broken",
        ),
        (json!({ "state": "expired" }), 1, "expired"),
        (json!({ "state": "cancelled" }), 1, "cancelled; run"),
        (
            json!({ "state": "cancelled", "note": "A later login took its place." }),
            1,
            "cancelled: a later login took its place; run",
        ),
    ] {
        let attempt = Attempt::pending(URI);
        let daemon = attempt.daemon();
        let (child, mut stderr) = until_asked(daemon.program(&["login", "--no-browser"]).spawn().unwrap());
        attempt.becomes(&changes);
        let ended = Ended::of(child.wait_with_output().unwrap());
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(exit), ""), "{rest}");
        assert!(rest.starts_with("error: ") && rest.contains(says) && rest.lines().count() == 1, "{rest}");
    }
}

#[test]
fn a_session_that_is_signed_in_is_left_alone() {
    let daemon = Daemon::new(|_| signed_in());
    let ended = daemon.run(&["login", "--profile=work", "--scope=api.read openid"]);
    let says = "Already signed in as Ada (1), session default.\n";
    assert_eq!(ended, Ended { code: Some(0), stdout: says.into(), stderr: String::new() });
    assert_eq!(daemon.run(&["login", "--json"]).json()["state"], "signed_in");
    for (arguments, names) in [
        (["login", "--profile=home"], "with profile work, not home"),
        (["login", "--scope=api.write"], "without the scope api.write"),
        (["login", "--resource=urn:x"], "without the resource urn:x"),
    ] {
        let ended = daemon.run(&arguments);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(names) && ended.stderr.contains("--force"), "{}", ended.stderr);
    }
    assert!(!daemon.lines().contains(&"POST /v1/logins".to_owned()));
}

#[test]
fn force_signs_in_again_and_says_so_to_the_daemon() {
    let attempt = Attempt::pending(URI);
    attempt.succeeds();
    let daemon = attempt.daemon_with(|request| match request.line.as_str() {
        "GET /v1/sessions/default" => signed_in(),
        _ => not_found(),
    });
    let ended = daemon.run(&["login", "--force", "--no-browser", "--json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.json()["id"], "L1");
    let asked = daemon.requests().into_iter().find(|request| request.line == "POST /v1/logins").unwrap().body;
    assert_eq!(asked["force"], true);
}

#[test]
fn nobody_in_time_cancels_the_attempt() {
    let attempt = Attempt::pending(URI);
    let daemon = attempt.daemon();
    let ended = daemon.run(&["login", "--no-browser", "--timeout=1"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("nobody signed in within 1 s"), "{}", ended.stderr);
    assert!(daemon.lines().contains(&"DELETE /v1/logins/L1".to_owned()));
}

#[test]
fn an_interruption_cancels_the_attempt() {
    for signal in ["INT", "TERM"] {
        let attempt = Attempt::pending(URI);
        let daemon = attempt.daemon();
        let (child, _stderr) = until_asked(daemon.program(&["login", "--no-browser"]).spawn().unwrap());
        let sent =
            Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
        assert!(sent.success());
        assert_eq!(Ended::of(child.wait_with_output().unwrap()).code, Some(130), "{signal}");
        assert!(daemon.lines().contains(&"DELETE /v1/logins/L1".to_owned()));
    }
}

#[test]
fn a_wrong_paste_is_reported_and_the_right_one_taken() {
    let attempt = Attempt::pending(URI);
    let pasted = Arc::clone(&attempt);
    let daemon = attempt.daemon_with(move |request| match request.line.as_str() {
        "POST /v1/logins/L1/response"
            if request.body["pasted"] == "http://127.0.0.1/?code=s3cr3t&state=xyz" =>
        {
            pasted.succeeds();
            (200, pasted.now())
        }
        "POST /v1/logins/L1/response" => {
            error(400, "invalid_request", "This address is of another attempt.", "Paste the latest one.")
        }
        _ => not_found(),
    });
    let mut child = daemon.program(&["login", "--no-browser"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"http://127.0.0.1/?code=s3cr3t&state=old\n\n").unwrap();
    let (child, mut stderr) = until_asked(child);
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "error: this address is of another attempt; paste the latest one\n");
    stdin.write_all(b"  http://127.0.0.1/?code=s3cr3t&state=xyz\r\n").unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "Signed in as Ada (1), session default.\n"));
    assert!(!rest.contains("s3cr3t"), "{rest}");
}

#[test]
fn the_browser_gets_the_address_as_its_only_argument() {
    let attempt = Attempt::pending(URI);
    let daemon = attempt.daemon();
    let pipe = daemon.folder().join("opened");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    daemon.script("xdg-open", r#"printf '%s\n' "$#" "$@" > "$HOME/opened""#);
    let (path, done) = (pipe.clone(), Arc::clone(&attempt));
    let opened = thread::spawn(move || {
        let opened = fs::read_to_string(path).unwrap();
        done.succeeds();
        opened
    });
    let ended = daemon.run(&["login"]);
    // Had no browser been started, the reader would wait for ever; this write lets it go on and fail.
    if ended.code != Some(0) {
        fs::write(&pipe, "nothing").unwrap();
    }
    assert_eq!(opened.join().unwrap(), format!("1\n{URI}\n"), "{ended:?}");
}

#[test]
fn a_launcher_that_fails_is_told_without_its_own_words() {
    let attempt = Attempt::pending(URI);
    let daemon = attempt.daemon();
    for launcher in ["xdg-open", "gio", "gnome-open", "kde-open6", "kde-open5", "kde-open", "wslview"] {
        daemon.script(launcher, "exit 3");
    }
    let mut child = daemon.program(&["login"]).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("No browser") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0);
    }
    attempt.succeeds();
    assert_eq!(line, "No browser was opened: open the address above yourself.\n");
    assert_eq!(Ended::of(child.wait_with_output().unwrap()).code, Some(0));
}

#[test]
fn a_note_is_told_while_the_person_is_waited_for_and_not_again() {
    let attempt = Attempt::pending(URI);
    attempt.becomes(&json!({ "note": "The file has an error." }));
    let daemon = attempt.daemon();
    let (child, mut stderr) = until_asked(daemon.program(&["login", "--no-browser"]).spawn().unwrap());
    attempt.succeeds();
    assert_eq!(Ended::of(child.wait_with_output().unwrap()).code, Some(0));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn an_address_that_is_no_web_page_is_printed_but_never_opened() {
    let attempt = Attempt::pending("file:///etc/passwd");
    let daemon = attempt.daemon();
    daemon.script("xdg-open", r#": > "$HOME/opened""#);
    let mut child = daemon.program(&["login"]).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("No browser was opened") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0);
    }
    attempt.succeeds();
    assert_eq!(Ended::of(child.wait_with_output().unwrap()).code, Some(0));
    assert!(!daemon.folder().join("opened").exists());
}

#[test]
fn a_device_login_shows_address_code_and_picture_and_opens_nothing() {
    let attempt = Attempt::pending(URI);
    {
        let mut now = attempt.now.lock().unwrap();
        now.as_object_mut().unwrap().remove("authorization_uri");
        now["flow"] = json!("device");
        now["verification_uri"] = json!("https://id.example.com/device");
        now["verification_uri_complete"] = json!("https://id.example.com/device?user_code=WDJB-MJHT");
        now["user_code"] = json!("WDJB-MJHT");
    }
    let daemon = attempt.daemon();
    daemon.script("xdg-open", r#": > "$HOME/opened""#);
    let mut child = daemon.program(&["login", "--flow=device"]).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    // The picture is the last to come, and ends with an empty line.
    while !said.ends_with("\n\n") || !said.contains('█') {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let lines: Vec<_> = said.lines().collect();
    assert!(lines.contains(&"https://id.example.com/device") && lines.contains(&"WDJB-MJHT"), "{said}");
    assert!(lines.iter().any(|line| line.ends_with("session  default")), "{said}");
    attempt.succeeds();
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "Signed in as Ada (1), session default.\n"));
    assert!(!daemon.folder().join("opened").exists());
    let asked = daemon.requests().into_iter().find(|request| request.line == "POST /v1/logins").unwrap().body;
    assert_eq!(asked["flow"], "device");

    let late = Attempt::pending(URI);
    late.becomes(&json!({ "state": "expired", "note": "The server gave no clear answer at the end." }));
    let ended = late.daemon().run(&["login", "--no-browser"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("expired. The server gave no clear answer"), "{}", ended.stderr);
}
