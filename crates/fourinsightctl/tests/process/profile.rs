//! `profile list`, `show` and `init`.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::{
    support::{Daemon, Request, error, not_found},
    terminal,
};

/// The profiles of a daemon, which grow, and what its presets want.
#[derive(Clone, Default)]
pub(crate) struct Profiles {
    written: Arc<Mutex<Vec<Value>>>,
    problem: Option<&'static str>,
}

impl Profiles {
    /// Profiles of these names, each at a server of its own.
    pub(crate) fn named(names: &[&str]) -> Self {
        let profiles = Self::default();
        for name in names {
            profiles.add(name, "generic");
        }
        profiles
    }

    /// What the daemon answers about profiles; `None` when it was asked about something else.
    pub(crate) fn answer(&self, request: &Request) -> Option<(u16, Value)> {
        match request.line.as_str() {
            "GET /v1/profiles" => Some((200, self.list())),
            "GET /v1/profiles/work" => Some((200, details("work", &json!({ "client_id": "abc" })))),
            "GET /v1/presets" => Some((200, presets())),
            "POST /v1/profiles" => Some(self.write(&request.body)),
            _ => None,
        }
    }

    /// A daemon that knows nothing else.
    fn daemon(&self) -> Daemon {
        let profiles = self.clone();
        Daemon::new(move |request| profiles.answer(request).unwrap_or_else(not_found))
    }

    fn list(&self) -> Value {
        let profiles = self.written.lock().unwrap().clone();
        let default = if profiles.len() == 1 { profiles[0]["name"].clone() } else { Value::Null };
        let path = "/home/ada/config.toml";
        json!({ "default_profile": default, "profiles": profiles, "problem": self.problem, "path": path })
    }

    fn add(&self, name: &str, preset: &str) {
        self.written.lock().unwrap().push(json!({
            "name": name, "preset": preset, "flow": "browser", "server": format!("https://{name}.example.com"),
            "summary": null
        }));
    }

    /// As the daemon does: nothing is written that could not be read again.
    fn write(&self, new: &Value) -> (u16, Value) {
        if new["settings"]["issuer"].as_str().is_some_and(|issuer| !issuer.starts_with("https://")) {
            let hint = "Begin it with https://.";
            return error(400, "invalid_request", "The setting `issuer` is no https URL.", hint);
        }
        self.add(new["name"].as_str().unwrap(), new["preset"].as_str().unwrap());
        (201, details(new["name"].as_str().unwrap(), &new["settings"]))
    }
}

/// Every body of this request line.
pub(crate) fn sent(daemon: &Daemon, line: &str) -> Vec<Value> {
    let asked = daemon.requests().into_iter().filter(|request| request.line == line);
    asked.map(|request| request.body).collect()
}

fn presets() -> Value {
    let setting = |name: &str, question: &str, default: Option<&str>, required: bool, flows: &[&str]| {
        json!({
            "name": name, "question": question, "default": default, "required": required, "flows": flows,
            "secret": name == "client_secret"
        })
    };
    json!({ "presets": [
        {
            "name": "4insight", "summary": "you, at 4insight.io", "flows": ["paste"], "settings": [], "notes": [],
            "package": true
        },
        {
            "name": "generic", "summary": "any other server", "flows": ["browser", "client_credentials"],
            "notes": ["It needs discovery."],
            "settings": [
                setting("issuer", "The server's address", None, true, &[]),
                setting("client_id", "The client identifier", Some("public"), true, &[]),
                setting("client_secret", "Where the client secret is", None, true, &["client_credentials"]),
            ]
        },
    ] })
}

fn details(name: &str, settings: &Value) -> Value {
    let settings: Vec<Value> = settings
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value.to_string(), "from": "file" }))
        .collect();
    json!({ "name": name, "preset": "generic", "notes": ["Ask Grace.\u{7}"], "settings": settings })
}

#[test]
fn list_and_show_print_tables_or_the_daemons_answer() {
    let daemon = Profiles::named(&["work", "home"]).daemon();
    let ended = daemon.run(&["profile", "list"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        ended.stdout,
        "NAME  PRESET   FLOW     SERVER\n\
         work  generic  browser  https://work.example.com\n\
         home  generic  browser  https://home.example.com\n\n\
         default  -\nfile     /home/ada/config.toml\n"
    );
    assert_eq!(daemon.run(&["profile", "list", "--json"]).json()["profiles"][1]["name"], "home");
    let ended = daemon.run(&["profile", "show", "work"]);
    assert!(ended.stdout.contains("\nclient_id  file  \"abc\"\n"), "{ended:?}");
    assert!(ended.stdout.ends_with("\nnote: Ask Grace.\u{fffd}\n"), "{ended:?}");
    assert_eq!(daemon.run(&["profile", "show", "work", "--json"]).json()["preset"], "generic");
    let ended = daemon.run(&["profile", "show", "other"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
}

#[test]
fn a_wrong_configuration_file_is_exit_code_78_and_nothing_is_written_into_it() {
    let problem = Some("/home/ada/config.toml:3: unknown key `isuer`; the nearest known key is `issuer`");
    let daemon = Profiles { problem, ..Profiles::named(&["work"]) }.daemon();
    let said = "error: the configuration file is wrong: /home/ada/config.toml:3: unknown key `isuer`; the nearest \
                known key is `issuer`\n";
    let ended = daemon.run(&["profile", "list"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(78), said));
    assert!(ended.stdout.contains("https://work.example.com"), "{ended:?}");
    let ended = daemon.run(&["profile", "init", "new", "--preset=4insight"]);
    assert_eq!((ended.code, ended.stderr.as_str(), ended.stdout.as_str()), (Some(78), said, ""));
    assert_eq!(sent(&daemon, "POST /v1/profiles"), [] as [Value; 0]);
}

#[test]
fn without_a_terminal_a_missing_setting_is_named_and_nothing_is_written() {
    let daemon = Profiles::default().daemon();
    for (arguments, expected) in [
        (
            &["profile", "init", "my work", "--preset=generic"][..],
            "error: the preset generic needs issuer, and standard input is no terminal to ask on; run \
             `fourinsightctl profile init 'my work' --preset generic --set issuer=VALUE`\n",
        ),
        (
            &[
                "profile",
                "init",
                "batch",
                "--preset=generic",
                "--flow=client_credentials",
                "--set=client_id=s3cr3t",
            ],
            "error: the preset generic needs issuer, client_secret, and standard input is no terminal to ask on; run \
             `fourinsightctl profile init batch --preset generic --flow client_credentials --set issuer=VALUE --set \
             client_secret=file:PATH`, and with each --set that you gave\n",
        ),
        (
            &["profile", "init", "work", "--preset=genric"],
            "error: there is no preset of this name; give --preset one of: 4insight, generic\n",
        ),
    ] {
        let ended = daemon.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(2), "", expected));
    }
    assert_eq!(sent(&daemon, "POST /v1/profiles"), [] as [Value; 0]);
}

#[test]
fn without_a_terminal_a_complete_profile_is_written_and_the_next_step_named() {
    let daemon = Profiles::named(&["there"]).daemon();
    let ended = daemon.run(&[
        "profile",
        "init",
        "my work",
        "--preset=generic",
        "--set",
        "issuer=https://id.example.com",
        "--default",
    ]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        ended.stdout,
        "Profile my work is written to /home/ada/config.toml:\n\n\
         issuer  \"https://id.example.com\"\n\n\
         note: Ask Grace.\u{fffd}\n\n\
         Next: fourinsightctl login --profile 'my work'\n"
    );
    let settings = json!({ "issuer": "https://id.example.com" });
    let written =
        json!({ "name": "my work", "preset": "generic", "settings": settings, "make_default": true });
    assert_eq!(sent(&daemon, "POST /v1/profiles"), [written]);
    let ended = daemon.run(&["profile", "init", "4i", "--preset=4insight", "--json"]);
    assert_eq!(ended.json()["name"], "4i");
    let ended = daemon.run(&["profile", "init", "there", "--preset=4insight"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("a profile of this name is there already"), "{ended:?}");
}

#[test]
fn what_the_daemon_refuses_without_a_terminal_is_a_usage_error() {
    let daemon = Profiles::default().daemon();
    let ended = daemon.run(&["profile", "init", "work", "--preset=generic", "--set=issuer=ftp://x"]);
    let said = "error: the setting `issuer` is no https URL; begin it with https://\n";
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(2), "", said));
}

#[test]
fn on_a_terminal_only_what_is_missing_is_asked_until_the_daemon_takes_it() {
    let daemon = Profiles::default().daemon();
    let program = daemon.program(&["profile", "init", "work", "--preset=generic"]);
    let (code, shown) = terminal::run(
        &program,
        &[
            ("The server's address: ", ""),
            ("This is needed.", "http://id.example.com"),
            ("The client identifier [public]: ", ""),
            ("The server's address [http://id.example.com]: ", "https://id.example.com"),
        ],
    );
    assert_eq!(code, Some(0), "{shown}");
    let refused = shown.find("error: the setting `issuer` is no https URL").unwrap();
    // Only what was refused is asked again.
    assert_eq!(shown.matches("The client identifier").count(), 1, "{shown}");
    assert!(shown.find("The client identifier").unwrap() < refused, "{shown}");
    assert!(!shown.contains("client secret"), "{shown}");
    assert!(shown.contains("Next: fourinsightctl login --profile work"), "{shown}");
    let written = sent(&daemon, "POST /v1/profiles");
    let issuers: Vec<&Value> = written.iter().map(|written| &written["settings"]).collect();
    let [first, second] =
        ["http", "https"].map(|scheme| json!({ "issuer": format!("{scheme}://id.example.com") }));
    assert_eq!(issuers, [&first, &second]);
}

#[test]
fn on_a_terminal_a_secret_is_asked_for_by_its_place() {
    let daemon = Profiles::default().daemon();
    let program = daemon.program(&[
        "profile",
        "init",
        "batch",
        "--preset=generic",
        "--flow=client_credentials",
        "--set=issuer=https://id.example.com",
        "--set=client_id=abc",
    ]);
    let (code, shown) = terminal::run(
        &program,
        &[
            ("Where the client secret is: ", "abc"),
            ("type file:PATH, env:NAME or command", "file:/run/secrets/x"),
        ],
    );
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains("The server's address"), "{shown}");
    let written = &sent(&daemon, "POST /v1/profiles")[0];
    assert_eq!(written["settings"]["client_secret"], "file:/run/secrets/x");
    assert_eq!(written["flow"], "client_credentials");
}
