//! A new profile on its way: what is known of it, what a person adds, and what the daemon makes of it.

use std::collections::BTreeMap;

use fourinsight_client::Error;
use fourinsight_ipc::message::{NewProfile, Preset, PresetSetting, ProfileDetails};

use super::{
    super::Context,
    question::{self, is_answered_by_a_person},
};
use crate::{
    failure::{Exit, Failure, phrase},
    output,
    render::{argument, clean},
};

/// A profile that is not written yet.
pub(in crate::command) struct Draft<'a> {
    /// What to call it.
    pub(in crate::command) name: &'a str,
    /// What it begins with.
    pub(in crate::command) preset: &'a Preset,
    /// How it signs in, unless as its preset does.
    pub(in crate::command) flow: Option<&'a str>,
    /// The settings that are known already.
    pub(in crate::command) settings: BTreeMap<String, String>,
    /// Whether logins that name no profile are to use it.
    pub(in crate::command) make_default: bool,
}

impl Draft<'_> {
    /// Has the daemon write it, after a person was asked for what is missing; where nobody can be asked, that is an
    /// error. An answer that the daemon refuses is asked for again.
    pub(in crate::command) fn write(mut self, context: &Context) -> Result<ProfileDetails, Failure> {
        let missing = self.missing();
        if !is_answered_by_a_person() {
            let needed: Vec<&PresetSetting> =
                missing.into_iter().filter(|setting| setting.required && setting.default.is_none()).collect();
            return if needed.is_empty() {
                Ok(context.client.new_profile(&self.request())?)
            } else {
                Err(self.incomplete(&needed))
            };
        }
        if let Some(help) = self.preset.help.as_ref().filter(|_| !missing.is_empty()) {
            output::line_to_stderr(&format!("note: {}", clean(help.trim())));
        }
        let mut open = missing.clone();
        loop {
            for setting in open {
                let before = self.settings.remove(&setting.name);
                if let Some(answer) = question::setting(setting, before.as_deref(), &mut question::line)? {
                    self.settings.insert(setting.name.clone(), answer);
                }
            }
            match context.client.new_profile(&self.request()) {
                Ok(details) => return Ok(details),
                Err(Error::InvalidRequest(body)) => {
                    open = missing
                        .iter()
                        .filter(|setting| names(&body.error_description, &setting.name))
                        .copied()
                        .collect();
                    let failure = Failure::answered(Exit::Usage, &body);
                    if open.is_empty() {
                        return Err(failure);
                    }
                    output::line_to_stderr(&failure.to_string());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<'a> Draft<'a> {
    /// The settings of its flow that nobody has said anything about.
    fn missing(&self) -> Vec<&'a PresetSetting> {
        let flow = self.flow.or(self.preset.flows.first().map(String::as_str)).unwrap_or_default();
        let belongs =
            |setting: &&PresetSetting| setting.flows.is_empty() || setting.flows.iter().any(|of| of == flow);
        let is_new = |setting: &&PresetSetting| !self.settings.contains_key(&setting.name);
        self.preset.settings.iter().filter(belongs).filter(is_new).collect()
    }

    fn request(&self) -> NewProfile {
        NewProfile {
            name: self.name.to_owned(),
            preset: self.preset.name.clone(),
            flow: self.flow.map(str::to_owned),
            settings: self.settings.clone(),
            make_default: self.make_default,
        }
    }

    /// Names what is needed, and the command that says it.
    fn incomplete(&self, needed: &[&PresetSetting]) -> Failure {
        let names: Vec<&str> = needed.iter().map(|setting| setting.name.as_str()).collect();
        let preset = &self.preset.name;
        let flow = self.flow.map(|flow| format!(" --flow {}", argument(flow))).unwrap_or_default();
        let settings: Vec<String> = needed
            .iter()
            .map(|setting| {
                let value = if setting.secret { "file:PATH" } else { "VALUE" };
                format!(" --set {}={value}", setting.name)
            })
            .collect();
        // What was given may be anything, so it is not repeated.
        let given = if self.settings.is_empty() { "" } else { ", and with each --set that you gave" };
        let help = self.preset.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        Failure::new(
            Exit::Usage,
            format!(
                "the preset {preset} needs {}, and standard input is no terminal to ask on",
                names.join(", ")
            ),
            format!(
                "run `fourinsightctl profile init {} --preset {preset}{flow}{}`{given}{}",
                argument(self.name),
                settings.concat(),
                phrase(&help),
            ),
        )
    }
}

/// Whether the text speaks of this setting, by its whole name.
fn names(text: &str, setting: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == setting)
}
