//! `profile init`: a new profile, and what to do with it next.

use fourinsight_ipc::message::{Preset, ProfileDetails, ProfileList, SettingOrigin};

use super::{super::Context, Draft, notes, sound};
use crate::{
    cli::ProfileInit,
    failure::{Exit, Failure},
    output,
    render::{Cell, argument, clean, labelled},
};

pub(super) fn run(context: &Context, options: ProfileInit) -> Result<Exit, Failure> {
    let list = context.client.profiles()?;
    sound(&list)?;
    if list.profiles.iter().any(|profile| profile.name == options.name) {
        return Err(Failure::new(
            Exit::Usage,
            format!("a profile of this name is there already, in {}", clean(&list.path)),
            "give the new one another NAME, or change the old one in that file",
        ));
    }
    let presets = context.client.presets()?;
    let preset =
        presets.iter().find(|preset| preset.name == options.preset).ok_or_else(|| unknown(&presets))?;
    let draft = Draft {
        name: &options.name,
        preset,
        flow: options.flow.as_deref(),
        settings: options.settings.into_iter().collect(),
        make_default: options.default,
    };
    let details = draft.write(context)?;
    if context.json {
        output::json_to_stdout(&details)?;
    } else {
        output::styled_to_stdout(&written(&details, &list))?;
    }
    Ok(Exit::Done)
}

fn unknown(presets: &[Preset]) -> Failure {
    let names: Vec<&str> = presets.iter().map(|preset| preset.name.as_str()).collect();
    Failure::new(
        Exit::Usage,
        "there is no preset of this name",
        format!("give --preset one of: {}", clean(&names.join(", "))),
    )
}

/// What is in the file now, what to know about it, and the next step. `before` is how the file was.
fn written(details: &ProfileDetails, before: &ProfileList) -> String {
    let from_file = details.settings.iter().filter(|setting| setting.from == SettingOrigin::File);
    let rows: Vec<(&str, Cell)> =
        from_file.map(|setting| (setting.name.as_str(), Cell::plain(&setting.value))).collect();
    format!(
        "Profile {} is written to {}:\n\n{}{}\nNext: fourinsightctl login --profile {}\n",
        clean(&details.name),
        clean(&before.path),
        labelled(&rows),
        notes(&details.notes),
        clean(&argument(&details.name)),
    )
}
