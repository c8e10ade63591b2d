//! A new profile on its way: what is known of it, what a person adds, and what the daemon makes of it.

use std::collections::BTreeMap;

use fourinsight_client::Error;
use fourinsight_ipc::message::{NewProfile, Preset, PresetSetting, ProfileDetails};

use super::{
    super::Context,
    file,
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
        if !is_answered_by_a_person() {
            let needed = self.needed();
            return if needed.is_empty() {
                Ok(context.client.new_profile(&self.request())?)
            } else {
                Err(self.incomplete(&needed))
            };
        }
        let missing = self.missing();
        if let Some(help) = self.preset.help.as_ref().filter(|_| !missing.is_empty()) {
            output::line_to_stderr(&format!("note: {}", clean(help.trim())));
        }
        let mut open = missing.clone();
        loop {
            for setting in open {
                self.settings.remove(&setting.name);
                if let Some(answer) = question::setting(setting, &mut question::line)? {
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

    /// Those of them without which it cannot be.
    pub(in crate::command) fn needed(&self) -> Vec<&'a PresetSetting> {
        let mut missing = self.missing();
        missing.retain(|setting| setting.required && setting.default.is_none());
        missing
    }

    fn request(&self) -> NewProfile {
        NewProfile {
            name: self.name.to_owned(),
            preset: self.preset.name.clone(),
            flow: self.flow.map(str::to_owned),
            settings: self
                .settings
                .iter()
                .map(|(name, value)| (name.clone(), self.sent(name, value)))
                .collect(),
            make_default: self.make_default,
        }
    }

    /// A setting as the daemon takes it: the person's folder is not the daemon's, which has the file for another.
    fn sent(&self, name: &str, value: &str) -> String {
        let is_secret = self.preset.settings.iter().any(|setting| setting.name == name && setting.secret);
        let (kind, path) = match value.split_once(':') {
            Some(("file", path)) if is_secret => ("file:", path.trim_start()),
            _ if name == CERTIFICATE => ("", value),
            _ => return value.to_owned(),
        };
        match file::absolute(path) {
            Some(path) => format!("{kind}{path}"),
            None => value.to_owned(),
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
        let help = self.preset.help.as_ref().map(|help| format!("; {}", phrase(help))).unwrap_or_default();
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
                help,
            ),
        )
    }
}

/// The setting that is a path by itself, since what it names is no secret.
const CERTIFICATE: &str = "client_certificate";

/// Whether the text speaks of this setting, by its whole name.
fn names(text: &str, setting: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == setting)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str, flows: &[&str]) -> PresetSetting {
        PresetSetting {
            name: name.to_owned(),
            question: "What?".to_owned(),
            default: None,
            required: true,
            flows: flows.iter().map(|flow| (*flow).to_owned()).collect(),
            secret: name == "client_secret",
        }
    }

    fn preset() -> Preset {
        Preset {
            name: "generic".to_owned(),
            summary: "any other".to_owned(),
            flows: ["browser", "client_credentials"].map(str::to_owned).to_vec(),
            settings: vec![setting("issuer", &[]), setting("client_secret", &["client_credentials"])],
            notes: vec![],
            package: false,
            help: Some("Ask Grace.".to_owned()),
        }
    }

    fn draft<'a>(preset: &'a Preset, flow: Option<&'a str>, given: &[&str]) -> Draft<'a> {
        let settings = given.iter().map(|name| ((*name).to_owned(), "s3cr3t".to_owned())).collect();
        Draft { name: "my work", preset, flow, settings, make_default: false }
    }

    #[test]
    fn only_the_flows_settings_that_nobody_has_given_are_missing() {
        let preset = preset();
        for (flow, given, missing) in [
            (None, &[][..], &["issuer"][..]),
            (Some("browser"), &["issuer"], &[]),
            (Some("client_credentials"), &[], &["issuer", "client_secret"]),
            (Some("client_credentials"), &["issuer"], &["client_secret"]),
        ] {
            let found = draft(&preset, flow, given).missing();
            let names: Vec<&str> = found.iter().map(|setting| setting.name.as_str()).collect();
            assert_eq!(names, missing, "{flow:?} {given:?}");
        }
    }

    #[test]
    fn what_is_needed_is_named_with_the_command_and_whom_to_ask_but_nothing_that_was_given() {
        let preset = preset();
        let draft = draft(&preset, Some("client_credentials"), &["issuer"]);
        assert_eq!(
            draft.incomplete(&draft.missing()).to_string(),
            "error: the preset generic needs client_secret, and standard input is no terminal to ask on; run \
             `fourinsightctl profile init 'my work' --preset generic --flow client_credentials --set \
             client_secret=file:PATH`, and with each --set that you gave; ask Grace"
        );
    }

    #[test]
    fn a_file_is_sent_with_its_whole_path_and_nothing_else_is_taken_for_one() {
        let mut preset = preset();
        preset.settings.push(setting("client_certificate", &[]));
        let draft = draft(&preset, None, &[]);
        let here = std::env::current_dir().unwrap();
        let whole = |path: &str| here.join(path).to_str().unwrap().to_owned();
        for (name, value, sent) in [
            ("client_secret", "file: s.txt", format!("file:{}", whole("s.txt"))),
            ("client_secret", "env:NAME", "env:NAME".to_owned()),
            ("client_secret", "command:cat x", "command:cat x".to_owned()),
            ("client_certificate", "c.pem", whole("c.pem")),
            ("issuer", "file:x", "file:x".to_owned()),
        ] {
            assert_eq!(draft.sent(name, value), sent);
        }
    }

    #[test]
    fn a_text_names_a_setting_by_the_whole_word() {
        assert!(names("The setting `client_id` is empty.", "client_id"));
        assert!(names("tenant must be a domain", "tenant"));
        assert!(!names("The tenants are wrong.", "tenant"));
        assert!(!names("client_secret", "client"));
    }
}
