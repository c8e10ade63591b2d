//! `profile`: what sessions sign in with, as the daemon has read it; and new profiles, which the daemon writes.

mod draft;
mod file;
mod init;
mod question;

use anstyle::AnsiColor;
use fourinsight_ipc::message::{ProfileDetails, ProfileList, SettingOrigin};

use super::Context;
use crate::{
    cli::{Profile, ProfileAction, ProfileShow},
    failure::{Exit, Failure, phrase},
    output,
    render::{Cell, clean, labelled, table},
};

pub(super) use draft::Draft;
pub(super) use question::{Choice, is_answered_by_a_person, pick};

pub(super) fn run(context: &Context, options: Profile) -> Result<Exit, Failure> {
    match options.action {
        ProfileAction::List(_) => list(context),
        ProfileAction::Show(options) => show(context, &options),
        ProfileAction::Init(options) => init::run(context, options),
    }
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let list = context.client.profiles()?;
    if context.json {
        output::json_to_stdout(&list)?;
    } else {
        output::styled_to_stdout(&all(&list))?;
    }
    sound(&list).map(|()| Exit::Done)
}

/// Fails when the configuration file is wrong: the daemon goes on with what it read before, and writes nothing into it.
fn sound(list: &ProfileList) -> Result<(), Failure> {
    let Some(problem) = &list.problem else { return Ok(()) };
    let (what, next) = problem.split_once("; ").unwrap_or((problem, "correct it, then run this again"));
    let what = format!("the configuration file is wrong: {}", phrase(what));
    Err(Failure::new(Exit::Configuration, what, phrase(next)))
}

fn all(list: &ProfileList) -> String {
    let rows: Vec<[Cell; 4]> = list
        .profiles
        .iter()
        .map(|profile| {
            [&profile.name, profile.preset.as_deref().unwrap_or(ABSENT), &profile.flow, &profile.server]
                .map(Cell::plain)
        })
        .collect();
    let profiles = if rows.is_empty() {
        "There is no profile yet: write one with `fourinsightctl profile init NAME --preset PRESET`.\n"
            .to_owned()
    } else {
        table(["NAME", "PRESET", "FLOW", "SERVER"], &rows)
    };
    let default = list.default_profile.as_deref().unwrap_or(ABSENT);
    format!(
        "{profiles}\n{}",
        labelled(&[("default", Cell::plain(default)), ("file", Cell::plain(&list.path))])
    )
}

fn show(context: &Context, options: &ProfileShow) -> Result<Exit, Failure> {
    let details = context.client.profile(&options.name)?;
    if context.json {
        output::json_to_stdout(&details)?;
    } else {
        output::styled_to_stdout(&one(&details))?;
    }
    Ok(Exit::Done)
}

fn one(details: &ProfileDetails) -> String {
    let preset = details.preset.as_deref().unwrap_or(ABSENT);
    let head = labelled(&[("profile", Cell::plain(&details.name)), ("preset", Cell::plain(preset))]);
    let rows: Vec<[Cell; 3]> = details
        .settings
        .iter()
        .map(|setting| [Cell::plain(&setting.name), origin(setting.from), Cell::plain(&setting.value)])
        .collect();
    format!("{head}\n{}{}", table(["SETTING", "FROM", "VALUE"], &rows), notes(&details.notes))
}

fn origin(from: SettingOrigin) -> Cell {
    match from {
        SettingOrigin::File => Cell::coloured("file", AnsiColor::Green),
        SettingOrigin::Preset => Cell::plain("preset"),
        SettingOrigin::Default => Cell::plain("default"),
        _ => Cell::plain("unknown"),
    }
}

/// Each note on lines of its own, after an empty one.
fn notes(notes: &[String]) -> String {
    let lines: Vec<String> = notes.iter().map(|note| format!("\nnote: {}\n", clean(note.trim()))).collect();
    lines.concat()
}

const ABSENT: &str = "-";

#[cfg(test)]
mod tests {
    use fourinsight_ipc::message::{ProfileSetting, ProfileStatus};

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn listed(profiles: Vec<ProfileStatus>, problem: Option<&str>) -> ProfileList {
        ProfileList {
            default_profile: profiles.first().map(|profile| profile.name.clone()),
            profiles,
            problem: problem.map(str::to_owned),
            path: "/home/ada/.config/fourinsight/config.toml".to_owned(),
        }
    }

    fn profile(name: &str, preset: Option<&str>, server: &str) -> ProfileStatus {
        let (name, preset, server) = (name.to_owned(), preset.map(str::to_owned), server.to_owned());
        ProfileStatus { name, preset, flow: "browser".to_owned(), server, summary: None }
    }

    #[test]
    fn profiles_are_listed_with_where_they_sign_in_and_the_default() {
        let list = listed(
            vec![
                profile("work", Some("keycloak"), "https://id.example.com/realms/work"),
                profile("by hand\x1b[2J", None, "https://other.example.com"),
            ],
            None,
        );
        assert_eq!(
            plain(&all(&list)),
            "NAME         PRESET    FLOW     SERVER\n\
             work         keycloak  browser  https://id.example.com/realms/work\n\
             by hand\u{fffd}[2J  -         browser  https://other.example.com\n\
             \n\
             default  work\n\
             file     /home/ada/.config/fourinsight/config.toml\n"
        );
    }

    #[test]
    fn without_profiles_the_list_says_how_to_write_one() {
        let text = plain(&all(&listed(vec![], None)));
        assert!(text.starts_with("There is no profile yet: write one with `fourinsightctl profile init"));
        assert!(text.contains("default  -\n"), "{text}");
    }

    #[test]
    fn a_wrong_configuration_file_is_a_failure_of_its_own() {
        assert_eq!(sound(&listed(vec![], None)), Ok(()));
        let failure = sound(&listed(vec![], Some("/c.toml:2: unknown key `x`; remove it"))).unwrap_err();
        assert_eq!(failure.exit, Exit::Configuration);
        assert_eq!(
            failure.to_string(),
            "error: the configuration file is wrong: /c.toml:2: unknown key `x`; remove it"
        );
    }

    #[test]
    fn a_profile_is_shown_with_where_each_setting_comes_from() {
        let setting = |name: &str, value: &str, from| ProfileSetting {
            name: name.to_owned(),
            value: value.to_owned(),
            from,
        };
        let details = ProfileDetails {
            name: "work".to_owned(),
            preset: Some("keycloak".to_owned()),
            notes: vec!["Ask Grace.\x07".to_owned()],
            settings: vec![
                setting("issuer", "\"https://id.example.com\"", SettingOrigin::Preset),
                setting("client_id", "\"abc\"", SettingOrigin::File),
                setting("keep_alive", "true", SettingOrigin::Default),
            ],
        };
        assert_eq!(
            plain(&one(&details)),
            "profile  work\n\
             preset   keycloak\n\
             \n\
             SETTING     FROM     VALUE\n\
             issuer      preset   \"https://id.example.com\"\n\
             client_id   file     \"abc\"\n\
             keep_alive  default  true\n\
             \n\
             note: Ask Grace.\u{fffd}\n"
        );
    }
}
