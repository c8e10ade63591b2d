//! Which profile a login uses; where there is none yet, one is written first.

use std::collections::BTreeMap;

use fourinsight_client::Error;
use fourinsight_ipc::message::{Preset, ProfileList, ProfileStatus};

use crate::{
    cli::Login,
    command::{
        Context,
        profile::{Choice, Draft, is_answered_by_a_person, pick},
    },
    failure::{Exit, Failure},
    output,
    render::{argument, clean},
};

/// What a login is to be asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    /// The profile; `None` leaves it to the daemon.
    pub(super) profile: Option<String>,
    /// Whether its logins may need the caller's installed `fourinsight.api`.
    pub(super) package: bool,
}

impl Chosen {
    /// What was typed; the daemon says what is wrong with it, if anything is.
    fn as_typed(options: &Login) -> Self {
        Self { profile: options.profile.clone(), package: false }
    }

    /// A profile of the configuration.
    fn of(context: &Context, profile: &ProfileStatus) -> Result<Self, Failure> {
        let package = match &profile.preset {
            Some(name) => {
                context.client.presets()?.iter().any(|preset| preset.name == *name && preset.package)
            }
            None => false,
        };
        Ok(Self { profile: Some(profile.name.clone()), package })
    }
}

/// Finds the profile that was named, or the default; else has a person choose one, or a preset for a new one.
pub(super) fn choose(context: &Context, options: &Login) -> Result<Chosen, Failure> {
    let list = match context.client.profiles() {
        // A daemon from before there were presets.
        Err(Error::NotFound(_)) => return Ok(Chosen::as_typed(options)),
        list => list?,
    };
    let named = options.profile.as_ref().or(list.default_profile.as_ref());
    if let Some(profile) = list.profiles.iter().find(|profile| Some(&profile.name) == named) {
        return Chosen::of(context, profile);
    }
    // What the daemon says about a wrong file is better than what is known here.
    if list.problem.is_some() {
        return Ok(Chosen::as_typed(options));
    }
    match &options.profile {
        Some(name) => new_profile(context, options, &list, name),
        None if !list.profiles.is_empty() => Chosen::of(context, one_of(&list)?),
        None => first_profile(context, options, &list, None),
    }
}

/// A profile that was named and is not there: perhaps it is the name of a preset.
fn new_profile(
    context: &Context,
    options: &Login,
    list: &ProfileList,
    name: &str,
) -> Result<Chosen, Failure> {
    let presets = context.client.presets()?;
    if let Some(preset) = presets.iter().find(|preset| preset.name == name) {
        return write(context, options, list, preset, name);
    }
    if list.profiles.is_empty() && is_answered_by_a_person() {
        return first_profile(context, options, list, Some(name));
    }
    Ok(Chosen::as_typed(options))
}

/// Offers the presets where there is no profile at all. The new profile is called as the preset, unless it was named.
fn first_profile(
    context: &Context,
    options: &Login,
    list: &ProfileList,
    name: Option<&str>,
) -> Result<Chosen, Failure> {
    let presets = context.client.presets()?;
    if !is_answered_by_a_person() {
        return Err(unconfigured(&presets));
    }
    output::line_to_stderr(
        "No profile says yet where to sign in. A new one begins with one of these presets:",
    );
    let choices: Vec<Choice<'_>> =
        presets.iter().map(|preset| Choice { name: &preset.name, summary: &preset.summary }).collect();
    let preset = &presets[pick("Where do you want to sign in?", &choices)?];
    write(context, options, list, preset, name.unwrap_or(&preset.name))
}

fn write(
    context: &Context,
    options: &Login,
    list: &ProfileList,
    preset: &Preset,
    name: &str,
) -> Result<Chosen, Failure> {
    let draft =
        Draft { name, preset, flow: options.flow.as_deref(), settings: BTreeMap::new(), make_default: false };
    let details = draft.write(context)?;
    output::line_to_stderr(&format!("Profile {} is written to {}.", clean(&details.name), clean(&list.path)));
    for note in &details.notes {
        output::line_to_stderr(&format!("note: {}", clean(note.trim())));
    }
    Ok(Chosen { profile: Some(details.name), package: preset.package })
}

/// Has a person choose where several profiles are there, and none is the default.
fn one_of(list: &ProfileList) -> Result<&ProfileStatus, Failure> {
    if !is_answered_by_a_person() {
        let names: Vec<_> = list.profiles.iter().map(|profile| argument(&profile.name)).collect();
        return Err(Failure::new(
            Exit::Usage,
            "no profile was named, and the configuration has no default_profile",
            format!("run `fourinsightctl login --profile NAME` with one of: {}", clean(&names.join(", "))),
        ));
    }
    output::line_to_stderr("These profiles are configured, and none is the default:");
    let choices: Vec<Choice<'_>> = list
        .profiles
        .iter()
        .map(|profile| Choice { name: &profile.name, summary: &profile.server })
        .collect();
    Ok(&list.profiles[pick("Which one is it to be?", &choices)?])
}

fn unconfigured(presets: &[Preset]) -> Failure {
    let names: Vec<&str> = presets.iter().map(|preset| preset.name.as_str()).collect();
    Failure::new(
        Exit::Usage,
        "no profile is configured, and standard input is no terminal to ask on",
        format!(
            "run `fourinsightctl profile init NAME --preset PRESET`, then `fourinsightctl login --profile NAME`; the \
             presets are {}",
            clean(&names.join(", "))
        ),
    )
}
