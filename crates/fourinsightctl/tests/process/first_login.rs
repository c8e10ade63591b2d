//! `login` where no profile says yet where to sign in: asked on a terminal, explained without one.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    login::Attempt,
    profile::{Profiles, sent},
    support::{Daemon, not_found},
    terminal,
};

/// A daemon with these profiles at which every login succeeds at once.
fn daemon(profiles: &Profiles) -> Daemon {
    let attempt = Attempt::pending("https://id.example.com/authorize");
    attempt.succeeds();
    let (profiles, attempt) = (profiles.clone(), Arc::clone(&attempt));
    attempt.daemon_with(move |request| profiles.answer(request).unwrap_or_else(not_found))
}

fn asked(daemon: &Daemon) -> Vec<Value> {
    sent(daemon, "POST /v1/logins").into_iter().map(|login| login["profile"].clone()).collect()
}

#[test]
fn without_a_terminal_the_commands_are_named_and_no_login_begins() {
    for (profiles, arguments, expected) in [
        (
            Profiles::default(),
            &["login"][..],
            "error: no profile is configured, and standard input is no terminal to ask on; run `fourinsightctl \
             profile init NAME --preset PRESET`, then `fourinsightctl login --profile NAME`; the presets are \
             4insight, generic\n",
        ),
        (
            Profiles::default(),
            &["login", "--profile=generic", "--flow=browser"],
            "error: the preset generic needs issuer, and standard input is no terminal to ask on; run \
             `fourinsightctl profile init generic --preset generic --flow browser --set issuer=VALUE`\n",
        ),
        (
            Profiles::named(&["work", "at home"]),
            &["login"],
            "error: no profile was named, and the configuration has no default_profile; run `fourinsightctl login \
             --profile NAME` with one of: work, 'at home'\n",
        ),
    ] {
        let daemon = daemon(&profiles);
        let ended = daemon.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(2), "", expected));
        assert_eq!((asked(&daemon), sent(&daemon, "POST /v1/profiles")), (vec![], vec![]));
    }
}

#[test]
fn the_name_of_a_preset_that_needs_nothing_is_enough_without_a_terminal() {
    let daemon = daemon(&Profiles::default());
    let ended = daemon.run(&["login", "--profile=4insight"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.starts_with("Profile 4insight is written to /home/ada/config.toml.\n"), "{ended:?}");
    assert_eq!(ended.stdout, "Signed in as Ada (1), session default.\n");
    let written = json!({ "name": "4insight", "preset": "4insight", "settings": {}, "make_default": false });
    assert_eq!(sent(&daemon, "POST /v1/profiles"), [written]);
    assert_eq!(asked(&daemon), ["4insight"]);
}

#[test]
fn a_profile_that_is_there_is_used_and_nothing_is_written() {
    for (names, arguments, profile) in [
        (&["work"][..], &["login"][..], json!("work")),
        (&["work", "4insight"], &["login", "--profile=4insight"], json!("4insight")),
        // The daemon knows what to say about a name that is nothing.
        (&["work"], &["login", "--profile=wrok"], json!("wrok")),
    ] {
        let daemon = daemon(&Profiles::named(names));
        assert_eq!(daemon.run(arguments).code, Some(0));
        assert_eq!((asked(&daemon), sent(&daemon, "POST /v1/profiles")), (vec![profile], vec![]));
    }
}

#[test]
fn on_a_terminal_presets_are_offered_and_the_login_goes_on_in_one_go() {
    for (arguments, name) in [(&["login"][..], "generic"), (&["login", "--profile=work"], "work")] {
        let daemon = daemon(&Profiles::default());
        let (code, shown) = terminal::run(
            &daemon.program(arguments),
            &[
                ("Type its number and press Enter: ", "7"),
                ("type a number from 1 to 2", "2"),
                ("The server's address: ", "https://id.example.com"),
                ("The client identifier [public]: ", "abc"),
            ],
        );
        assert_eq!(code, Some(0), "{shown}");
        assert!(shown.contains("   1  4insight  you, at 4insight.io\r\n   2  generic "), "{shown}");
        assert!(shown.ends_with("Signed in as Ada (1), session default.\r\n"), "{shown}");
        let written = &sent(&daemon, "POST /v1/profiles")[0];
        assert_eq!(written["settings"], json!({ "client_id": "abc", "issuer": "https://id.example.com" }));
        assert_eq!((written["name"].as_str(), asked(&daemon)), (Some(name), vec![json!(name)]));
    }
}

#[test]
fn on_a_terminal_profiles_without_a_default_are_offered() {
    let daemon = daemon(&Profiles::named(&["work", "home"]));
    let typed = [("Type its number and press Enter: ", "2")];
    let (code, shown) = terminal::run(&daemon.program(&["login"]), &typed);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("   2  home  https://home.example.com"), "{shown}");
    assert_eq!((asked(&daemon), sent(&daemon, "POST /v1/profiles")), (vec![json!("home")], vec![]));
}

#[test]
fn the_callers_python_is_asked_for_the_package_only_where_it_may_be_needed() {
    for (profile, packages) in [("4insight", true), ("work", false)] {
        let daemon = daemon(&Profiles::named(&["work"]));
        let (package, mark) = (daemon.folder().join("package"), daemon.folder().join("asked"));
        std::fs::create_dir(&package).unwrap();
        let print = format!(": > '{}'; echo '{}'", mark.display(), package.display());
        daemon.script("python3", &print);
        let ended = daemon.run(&["login", &format!("--profile={profile}")]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let said = sent(&daemon, "POST /v1/logins")[0]["package"].as_str().map(std::path::PathBuf::from);
        assert_eq!((said, mark.exists()), (packages.then_some(package), packages));
    }
}
