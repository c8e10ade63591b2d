//! `import`: what is sent, what becomes of the file, and what is said.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::support::{Daemon, error};

const TOKEN: &str = r#"{"token_url": "https://id.example/token", "refresh_token": "c4nary"}"#;

fn imported(more: &Value) -> Value {
    let mut answer = json!({ "outcome": "imported", "session": "default", "profile": "work", "durable": true,
        "whole": true, "identity": { "sub": "1", "name": "Ada" }, "notes": ["mind the gap"] });
    for (name, value) in more.as_object().unwrap() {
        answer[name] = value.clone();
    }
    answer
}

/// A daemon that answers each import with this.
fn answering(answer: Value) -> Daemon {
    Daemon::new(move |request| match request.line.as_str() {
        "POST /v1/imports" => (200, answer.clone()),
        _ => error(404, "not_found", "No.", "No."),
    })
}

fn write(daemon: &Daemon, name: &str) -> PathBuf {
    let path = daemon.folder().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, TOKEN).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    path
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_cache_is_sent_whole_and_renamed_after_the_durable_yes() {
    let daemon = answering(imported(&json!({})));
    let path = write(&daemon, "token.json");
    let ended = daemon.run(&["import", "oauthlib", text(&path), "--profile", "work"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.contains("Taken over as Ada (1), session default, by the profile work."),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("note: mind the gap") && ended.stderr.contains("taken-over.token.json"),
        "{ended:?}"
    );
    assert!(!format!("{ended:?}").contains("c4nary"));
    let body = &daemon.requests()[0].body;
    assert_eq!((body["format"].as_str(), body["content"].as_str()), (Some("oauthlib"), Some(TOKEN)));
    assert_eq!((&body["profile"], &body["dry_run"]), (&json!("work"), &json!(false)));

    assert!(!path.exists());
    let retired = path.with_file_name("taken-over.token.json");
    assert_eq!((fs::read_to_string(&retired).unwrap().as_str(), mode(&retired)), (TOKEN, 0o600));
    let note = path.with_file_name("taken-over.token.json.README.txt");
    let said = fs::read_to_string(&note).unwrap();
    assert_eq!(mode(&note), 0o600);
    assert!(said.contains("To go back") && said.contains("fourinsightctl revoke default"), "{said}");
    assert!(!said.contains("c4nary"), "{said}");
}

#[test]
fn every_file_of_fourinsight_api_goes_to_the_session_of_its_key() {
    let daemon = Daemon::new(|request| {
        let key = request.body["original_key"].clone();
        match key.as_str() {
            Some("gone") => error(409, "login_required", "The login is over.", "Sign in anew."),
            _ => (200, imported(&json!({ "session": key.as_str().unwrap_or("default") }))),
        }
    });
    let folder = ".fourinsight/api";
    for name in ["token", "token.work", "token.gone", "broker.key", "taken-over.token"] {
        write(&daemon, &format!("{folder}/{name}"));
    }
    let ended = daemon.run(&["import", "fourinsight-api", "--json"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("token.gone: the login is over; sign in anew"), "{ended:?}");
    let keys: Vec<_> = daemon.requests().iter().map(|request| request.body["original_key"].clone()).collect();
    assert_eq!(keys, [Value::Null, json!("gone"), json!("work")]);
    assert!(daemon.requests().iter().all(|request| request.body["content"] == TOKEN));
    let mut left: Vec<_> = fs::read_dir(daemon.folder().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".README.txt"))
        .collect();
    left.sort_unstable();
    assert_eq!(
        left,
        ["broker.key", "taken-over.2.token", "taken-over.token", "taken-over.token.work", "token.gone"]
    );
    let imports = ended.json()["imports"].clone();
    assert_eq!(imports.as_array().unwrap().len(), 2);
    assert!(imports[0]["retired"].as_str().unwrap().ends_with("taken-over.2.token"));

    let elsewhere = write(&daemon, "elsewhere/token");
    let one =
        ["import", "fourinsight-api", "--folder", text(elsewhere.parent().unwrap()), "--session", "mine"];
    assert_eq!(daemon.run(&one).code, Some(0));
    assert_eq!(daemon.requests().last().unwrap().body["session"], "mine");
}

#[test]
fn what_is_not_durable_not_whole_kept_or_only_tried_stays_where_it_is() {
    for (answer, more, exit, says) in [
        (imported(&json!({ "durable": false })), &[][..], 8, "could not store"),
        (imported(&json!({ "whole": false })), &[], 0, "other logins"),
        (imported(&json!({})), &["--keep"], 0, "as --keep says"),
        (
            json!({ "outcome": "would_import", "session": "x", "profile": "work" }),
            &["--dry-run"],
            0,
            "would be",
        ),
        (json!({ "outcome": "something_new" }), &[], 1, "does not know"),
    ] {
        let daemon = answering(answer.clone());
        let path = write(&daemon, "cache.bin");
        let arguments = [&["import", "msal", text(&path)][..], more].concat();
        let ended = daemon.run(&arguments);
        assert_eq!(ended.code, Some(exit), "{answer}: {ended:?}");
        assert!(format!("{ended:?}").contains(says), "{answer}: {ended:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), TOKEN, "{answer}");
        assert_eq!(
            fs::read_dir(daemon.folder()).unwrap().count(),
            2,
            "only the cache and the socket: {answer}"
        );
    }
}

#[test]
fn several_logins_are_listed_to_pick_from() {
    let choice = |user: &str| json!({ "pick": user, "username": user, "client_id": "one", "environment": "id.example" });
    let daemon = answering(
        json!({ "outcome": "choose", "choices": [choice("ada@x"), choice("eve\u{1b}[2J@x"), choice("';id;'")] }),
    );
    let path = write(&daemon, "cache.bin");
    let ended = daemon.run(&["import", "msal", text(&path)]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stdout.contains("--pick ada@x  ada@x, client one, at id.example"), "{ended:?}");
    assert!(!ended.stdout.contains('\u{1b}'), "{ended:?}");
    assert!(ended.stdout.contains(r"--pick ''\'';id;'\'''  "), "what is copied runs nothing: {ended:?}");
    daemon.run(&["import", "msal", text(&path), "--pick", "ada@x"]);
    assert_eq!(daemon.requests()[1].body["pick"], "ada@x");
    assert!(path.exists());
}

#[test]
fn a_refusal_leaves_the_file_untouched() {
    let daemon =
        Daemon::new(|_| error(503, "temporarily_unavailable", "It may be spent.", "Import it again."));
    let path = write(&daemon, "token.json");
    let ended = daemon.run(&["import", "oauthlib", text(&path), "--profile", "work"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(8), "error: it may be spent; import it again\n"));
    assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), (TOKEN, 0o644));
}

#[test]
fn a_link_is_followed_to_the_file_that_is_renamed() {
    let daemon = answering(imported(&json!({})));
    let path = write(&daemon, "real/token.json");
    let link = daemon.folder().join("link.json");
    symlink(&path, &link).unwrap();
    assert_eq!(daemon.run(&["import", "oauthlib", text(&link)]).code, Some(0));
    assert!(!path.exists() && path.with_file_name("taken-over.token.json").exists());
}

#[test]
fn a_credential_mapping_stays_and_its_profile_is_named() {
    let daemon = answering(json!({ "outcome": "profile_written", "profile": "cognite" }));
    let path = write(&daemon, "cognite.yaml");
    let ended = daemon.run(&["import", "cognite", text(&path)]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.stdout.contains("fourinsightctl login --profile cognite"), "{ended:?}");
    let place = daemon.requests()[0].body["path"].clone();
    assert_eq!(place, json!(path.canonicalize().unwrap()), "to refer to a secret in it");
    assert!(path.exists());
}

#[test]
fn what_is_no_file_of_ones_own_is_never_sent() {
    let daemon = answering(imported(&json!({})));
    let path = write(&daemon, "token.json");
    let big = daemon.folder().join("big");
    fs::write(&big, vec![b'x'; 1024 * 1024 + 1]).unwrap();
    let binary = daemon.folder().join("binary");
    fs::write(&binary, b"\xff\xfec4nary").unwrap();
    write(&daemon, "two/token");
    write(&daemon, "two/token.b");
    let two = daemon.folder().join("two");
    let nowhere = daemon.folder().join("nowhere");
    for (arguments, exit, says) in [
        (vec!["import", "msal", text(daemon.folder())], 1, "it is no file"),
        (vec!["import", "msal", text(&nowhere)], 1, "there is no such file"),
        (vec!["import", "msal", text(&big)], 1, "longer than 1 MiB"),
        (vec!["import", "msal", text(&binary)], 1, "it is no text"),
        (vec!["import", "msal"], 2, "FILE is missing"),
        (vec!["import", "msal", text(&path), "--folder", "x"], 2, "--folder is for"),
        (vec!["import", "fourinsight-api", text(&path)], 2, "takes no FILE"),
        (vec!["import", "fourinsight-api"], 1, "there is no token file"),
        (vec!["import", "fourinsight-api", "--folder", text(&two), "--session", "x"], 2, "has several"),
        (vec!["import", "c4nary", text(&path)], 2, "takes one of"),
    ] {
        let ended = daemon.run(&arguments);
        assert_eq!(ended.code, Some(exit), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(says), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.starts_with("error: ") && !ended.stderr.contains("c4nary"), "{ended:?}");
    }
    assert!(daemon.requests().is_empty());
    let hosts = Path::new("/etc/hosts");
    if hosts.metadata().is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) != own_uid(&path))
    {
        let ended = daemon.run(&["import", "msal", text(hosts)]);
        assert!(ended.stderr.contains("another user"), "{ended:?}");
    }
}

fn own_uid(path: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::uid(&path.metadata().unwrap())
}

/// A daemon with the profile `work`, to which every token file fits.
fn with_a_fitting_profile() -> Daemon {
    let daemon = Daemon::new(|request| match request.line.as_str() {
        "GET /v1/sessions/default" => error(404, "not_found", "No.", "No."),
        "GET /v1/profiles" => (
            200,
            json!({ "default_profile": "work", "path": "/c.toml", "problem": null,
                "profiles": [{ "name": "work", "preset": null, "flow": "paste", "server": "s", "summary": null }] }),
        ),
        "POST /v1/imports" => {
            (200, json!({ "outcome": "would_import", "session": "default", "profile": "work" }))
        }
        _ => error(400, "invalid_request", "Not in this test.", "Stop."),
    });
    write(&daemon, ".fourinsight/api/token");
    daemon
}

#[test]
fn a_login_tells_of_a_file_that_could_be_taken_over_and_goes_on() {
    let daemon = with_a_fitting_profile();
    let ended = daemon.run(&["login"]);
    assert!(ended.stderr.contains("fourinsightctl import fourinsight-api"), "{ended:?}");
    let import = daemon.requests().into_iter().find(|request| request.line == "POST /v1/imports").unwrap();
    assert_eq!((&import.body["dry_run"], &import.body["profile"]), (&json!(true), &json!("work")));
    assert!(daemon.lines().contains(&"POST /v1/logins".to_owned()), "{:?}", daemon.lines());
    assert!(daemon.folder().join(".fourinsight/api/token").exists());
}

#[test]
fn a_login_that_a_file_cannot_give_does_not_look_for_one() {
    for more in [
        &["--ephemeral"][..],
        &["--until-logout"],
        &["--force"],
        &["--scope", "api"],
        &["--resource", "https://api.example"],
    ] {
        let daemon = with_a_fitting_profile();
        let ended = daemon.run(&[&["login"][..], more].concat());
        assert!(!ended.stderr.contains("fourinsight.api"), "{more:?}: {ended:?}");
        let lines = daemon.lines();
        assert!(!lines.contains(&"POST /v1/imports".to_owned()), "{more:?}: {lines:?}");
        assert!(lines.contains(&"POST /v1/logins".to_owned()), "{more:?}: {lines:?}");
    }
}
