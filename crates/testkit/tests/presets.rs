//! Presets through the real programs: a first login on a machine without any configuration, new profiles in a file
//! that somebody has written, and 4insight's client secret from the package that the caller has installed.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::{Context as _, Result};
use fourinsight_ipc::message::{ProfileDetails, ProfileList, SettingOrigin};
use serde_json::Value;
use testkit::{
    practice::{Practice, Serving, Settings, Verdict},
    process::{Daemon, Home, Terminal},
};

const PICK: &str = "Type its number and press Enter: ";

/// A home without a configuration file.
fn fresh_home() -> Result<Home> {
    let home = Home::new("")?;
    fs::remove_file(home.config())?;
    Ok(home)
}

async fn practice() -> Result<(Practice, Serving)> {
    let practice = Practice::new(Settings::default());
    let serving = practice.serve_plain().await?;
    Ok((practice, serving))
}

/// Answers the questions of the preset `generic` for the practice server.
async fn answer_generic(terminal: &mut Terminal, serving: &Serving) -> Result<()> {
    for (asked, answer) in [
        ("The issuer, such as https://id.example.com: ", serving.issuer.as_str()),
        ("The client id: ", "practice-client"),
        ("(Enter leaves it out): ", ""),
    ] {
        terminal.wait_for(asked).await?;
        terminal.type_line(answer)?;
    }
    Ok(())
}

/// Signs in on the page that the terminal names, to the end of the login.
async fn sign_in(mut terminal: Terminal, practice: &Practice) -> Result<String> {
    terminal.wait_for("to sign in:\r\n").await?;
    let uri = terminal.wait_for("\r\n").await?;
    terminal.wait_for("It is not shown.\r\n").await?;
    let callback = practice.sign_in(&uri, "ada").await?;
    terminal.type_line(callback.as_str())?;
    let screen = terminal.finish().await?;
    anyhow::ensure!(screen.code == Some(0) && screen.echoes, "{}", screen.shown);
    Ok(screen.shown)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_login_on_a_fresh_machine_is_done_in_one_go() {
    let (practice, serving) = practice().await.unwrap();
    let home = fresh_home().unwrap();
    let mut terminal = home.on_a_terminal(&["login", "--no-browser"]).unwrap();
    let offered = terminal.wait_for(PICK).await.unwrap();
    let generic = offered.lines().find_map(|line| line.trim().split_once("  generic ")).unwrap().0;
    terminal.type_line(generic).unwrap();
    answer_generic(&mut terminal, &serving).await.unwrap();
    let shown = sign_in(terminal, &practice).await.unwrap();
    let config = home.config().canonicalize().unwrap();
    assert!(shown.contains(&format!("Profile generic is written to {}.\r\n", config.display())), "{shown}");
    assert!(shown.ends_with("Signed in as Ada Lovelace (subject-of-ada), session default.\r\n"), "{shown}");
    let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
    assert_eq!(practice.verdict(&token), Verdict::Live);
    assert_eq!(fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
    // The profile is the default one now.
    home.ctl(&["login"]).await.unwrap().success().unwrap();
    let list: ProfileList = home.ctl(&["profile", "list", "--json"]).await.unwrap().json().unwrap();
    assert_eq!(list.default_profile.as_deref(), Some("generic"));
    assert_eq!((list.profiles.len(), &list.profiles[0].server), (1, &serving.issuer));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_preset_is_enough_for_a_first_login_and_a_wrong_answer_is_asked_for_again() {
    let (practice, serving) = practice().await.unwrap();
    let home = fresh_home().unwrap();
    let mut terminal = home.on_a_terminal(&["login", "--profile", "generic", "--no-browser"]).unwrap();
    terminal.wait_for("The issuer, such as https://id.example.com: ").await.unwrap();
    terminal.type_line("http://id.example.com").unwrap();
    terminal.wait_for("The client id: ").await.unwrap();
    terminal.type_line("practice-client").unwrap();
    terminal.wait_for("(Enter leaves it out): ").await.unwrap();
    terminal.type_line("").unwrap();
    terminal.wait_for("error: ").await.unwrap();
    assert!(!home.config().exists());
    terminal.wait_for("[http://id.example.com]: ").await.unwrap();
    terminal.type_line(&serving.issuer).unwrap();
    sign_in(terminal, &practice).await.unwrap();
    let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
    assert_eq!(practice.verdict(&token), Verdict::Live);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_a_fresh_machine_is_told_the_commands_and_they_work() {
    let (practice, serving) = practice().await.unwrap();
    let home = fresh_home().unwrap();
    for arguments in [&["login"][..], &["login", "--profile", "generic"]] {
        let ended = home.ctl(arguments).await.unwrap();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains("`fourinsightctl profile init "), "{ended:?}");
    }
    let ended = home.ctl(&["profile", "init", "work", "--preset", "generic"]).await.unwrap();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("--set issuer=VALUE --set client_id=VALUE"), "{ended:?}");
    assert!(!home.config().exists());
    let issuer = format!("issuer={}", serving.issuer);
    let given = [
        "profile",
        "init",
        "work",
        "--preset",
        "generic",
        "--set",
        &issuer,
        "--set",
        "client_id=practice-client",
    ];
    let done = home.ctl(&given).await.unwrap().success().unwrap();
    assert!(done.ends_with("\nNext: fourinsightctl login --profile work"), "{done}");
    let login = home.begin_login(&["--profile", "work"]).await.unwrap();
    practice.sign_in(&login.authorization_uri, "ada").await.unwrap();
    login.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_profile_leaves_the_rest_of_the_file_as_it_was() {
    const BEFORE: &str = "# Ours.\ndefault_profile = \"old\"   # for now\n\n[profiles.old]\nclient_id = \"x\" # y\nissuer = \"https://id.example.com\"\n";
    let home = Home::new(BEFORE).unwrap();
    fs::set_permissions(home.config(), fs::Permissions::from_mode(0o640)).unwrap();
    let given = ["profile", "init", "my work", "--preset", "keycloak", "--flow", "device"];
    let settings = ["--set", "server=https://id.example.com", "--set", "realm=r", "--set", "client_id=abc"];
    let done = home.ctl(&[&given[..], &settings].concat()).await.unwrap().success().unwrap();
    assert!(done.ends_with("Next: fourinsightctl login --profile 'my work'"), "{done}");
    let after = fs::read_to_string(home.config()).unwrap();
    assert!(after.starts_with(BEFORE), "{after}");
    assert_eq!(fs::metadata(home.config()).unwrap().permissions().mode() & 0o777, 0o640);

    let list: ProfileList = home.ctl(&["profile", "list", "--json"]).await.unwrap().json().unwrap();
    let names: Vec<_> = list.profiles.iter().map(|profile| profile.name.as_str()).collect();
    assert_eq!((names, list.default_profile.as_deref()), (vec!["my work", "old"], Some("old")));
    let table = home.ctl(&["profile", "list"]).await.unwrap().success().unwrap();
    assert!(table.contains("my work  keycloak  device "), "{table}");
    let details: ProfileDetails =
        home.ctl(&["profile", "show", "my work", "--json"]).await.unwrap().json().unwrap();
    let from =
        |name: &str| details.settings.iter().find(|setting| setting.name == name).map(|found| found.from);
    assert_eq!((from("client_id"), from("issuer")), (Some(SettingOrigin::File), Some(SettingOrigin::Preset)));
    home.ctl(&["profile", "show", "old"]).await.unwrap().success().unwrap();

    // What is there is not written over, and nothing is added to what is wrong.
    for (arguments, code) in [
        (&["profile", "init", "old", "--preset", "4insight"][..], 2),
        (&["profile", "init", "new", "--preset", "4insigth"], 2),
        (&["profile", "init", "new", "--preset", "keycloak", "--set", "realm=../x"], 2),
        (&["profile", "show", "new"], 1),
    ] {
        assert_eq!(home.ctl(arguments).await.unwrap().code, Some(code), "{arguments:?}");
        assert_eq!(fs::read_to_string(home.config()).unwrap(), after, "{arguments:?}");
    }
    let wrong = format!("{after}\n[profiles.c4nary]\nisuer = \"x\"\n");
    home.write_config(&wrong).unwrap();
    let ended = home.ctl(&["profile", "init", "new", "--preset", "4insight"]).await.unwrap();
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert_eq!(home.ctl(&["profile", "list"]).await.unwrap().code, Some(78));
    assert_eq!(fs::read_to_string(home.config()).unwrap(), wrong);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_names_every_preset() {
    let home = Home::new("").unwrap();
    let _daemon = Daemon::start(&home).await.unwrap();
    let presets: Value = home.get("/v1/presets").await.unwrap().json().unwrap();
    let help = home.ctl(&["profile", "init", "--help"]).await.unwrap().success().unwrap();
    let (_, named) = help.split_once("\nPresets:\n").unwrap();
    let (named, _) = named.split_once("\n\n").unwrap();
    let named: Vec<_> = named.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let known: Vec<_> = presets["presets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|preset| preset["name"].as_str().unwrap())
        .collect();
    assert_eq!(named, known);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_secret_of_4insight_comes_from_the_callers_installed_package() {
    let practice = Practice::new(Settings::fourinsight());
    let serving = practice.serve_plain().await.unwrap();
    // The preset, but for where its server is.
    let config = format!(
        "[profiles.4insight]\npreset = \"4insight\"\nauthorization_endpoint = \"{0}/auth\"\n\
         allowed_token_endpoints = [\"{0}/{{tenant}}/oauth2/v2.0/token\"]\n",
        serving.issuer
    );
    let home = Home::new(&config).unwrap();
    let packages = home.path().join("packages");
    install(&packages, practice.settings().clients[0].secret.as_deref().unwrap()).unwrap();
    let arguments = ["login", "--profile", "4insight", "--no-browser"];

    let without = home.ctl(&arguments).await.unwrap();
    assert_ne!(without.code, Some(0), "{without:?}");
    for place in ["client_secret", "FOURINSIGHT_CLIENT_SECRET", "fourinsight.api"] {
        assert!(without.stderr.contains(place), "{place}: {without:?}");
    }
    assert!(!without.stderr.contains("/auth"), "nothing is to be opened: {without:?}");

    let home = home.with_variable("PYTHONPATH", packages.to_str().unwrap());
    let mut terminal = home.on_a_terminal(&arguments).unwrap();
    terminal.wait_for("It is not shown.\r\n").await.unwrap();
    let page = format!("{}/auth", serving.issuer);
    terminal.type_line(&practice.sign_in_for_package(&page, "ada").await.unwrap()).unwrap();
    for _ in 0..2 {
        terminal.wait_for("Type yes or no and press Enter.\r\n").await.unwrap();
        terminal.type_line("yes").unwrap();
    }
    let screen = terminal.finish().await.unwrap();
    assert_eq!(screen.code, Some(0), "{}", screen.shown);
    let token = home.ctl(&["token"]).await.unwrap().success().unwrap();
    assert_eq!(practice.verdict(&token), Verdict::Live);
    assert!(!packages.join("was-run").exists(), "the package was run");
}

/// A package like `fourinsight.api`, which leaves a mark when it is run.
fn install(packages: &Path, client_secret: &str) -> Result<()> {
    let folder = packages.join("fourinsight/api");
    fs::create_dir_all(&folder)?;
    let mark = packages.join("was-run");
    fs::write(folder.join("__init__.py"), format!("open('{}', 'w')\n", mark.display()))?;
    let constants = serde_json::json!({ "USER_CLIENT_SECRET": client_secret });
    fs::write(folder.join("_constants.json"), constants.to_string()).context("the package's constants")
}
