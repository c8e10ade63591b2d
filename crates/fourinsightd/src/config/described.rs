//! What a profile is made of, for people: each key, its value, and who says so.

use fourinsight_ipc::message::{ProfileSetting, SettingOrigin};
use toml::de::DeValue;
use url::Url;

use super::{
    preset::{self, Joined},
    profile,
    table::Table,
};
use crate::profile::{Flow, REDIRECT_URI};

/// What a profile is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// Its preset.
    pub preset: Option<&'static str>,
    /// What its preset is for.
    pub summary: Option<&'static str>,
    /// What a person should know about it.
    pub notes: Vec<String>,
    /// What it says, and what holds where it says nothing.
    pub settings: Vec<ProfileSetting>,
}

/// What holds where nobody says anything.
const DEFAULTS: [(&str, &str); 4] = [
    ("flow", "\"browser\""),
    ("response_mode", "\"query\""),
    ("rotation", "\"unknown\""),
    ("keep_alive", "true"),
];

/// Describes the profile of a table, which was found to be right.
pub(super) fn of(table: &Table<'_>, joined: Option<&Joined<'_>>) -> Described {
    let entries = joined.map_or(table.entries(), |joined| &joined.entries);
    let value =
        |key: &str| entries.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value.get_ref());
    let setting = |name: &str, value: String, from| ProfileSetting { name: name.to_owned(), value, from };
    let mut settings = Vec::new();
    for asked in joined.iter().flat_map(|joined| &joined.preset.settings) {
        if let Some(said) = joined.and_then(|joined| joined.values.get(asked.name.as_str())) {
            let from = if table.has(&asked.name) { SettingOrigin::File } else { SettingOrigin::Preset };
            settings.push(setting(&asked.name, quoted(said), from));
        }
    }
    let flow = value("flow").and_then(DeValue::as_str).and_then(Flow::named).unwrap_or(Flow::Browser);
    for key in profile::keys() {
        let from = if table.has(key) { SettingOrigin::File } else { SettingOrigin::Preset };
        if let Some(value) = value(key) {
            settings.push(setting(key, shown(key, value), from));
        } else if let Some((_, default)) = DEFAULTS.iter().find(|(name, _)| *name == key) {
            settings.push(setting(key, (*default).to_owned(), SettingOrigin::Default));
        } else if key == "redirect_uri" && flow == Flow::Browser {
            settings.push(setting(key, quoted(REDIRECT_URI), SettingOrigin::Default));
        }
    }
    Described {
        preset: joined.map(|joined| joined.preset.name),
        summary: joined.map(|joined| joined.preset.summary.as_str()),
        notes: joined.map_or_else(Vec::new, |joined| preset::notes(joined.preset, &joined.values)),
        settings,
    }
}

/// A value as it may be shown: a proxy's password is nobody's business.
fn shown(key: &str, value: &DeValue<'_>) -> String {
    if key == "proxy"
        && let Some(mut url) = value.as_str().and_then(|text| Url::parse(text).ok())
        && (!url.username().is_empty() || url.password().is_some())
    {
        let hidden = url.set_username("").is_ok() && url.set_password(None).is_ok();
        return if hidden { quoted(url.as_str()) } else { quoted("…") };
    }
    written(value).to_string()
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

/// A value as TOML writes it on one line.
fn written(value: &DeValue<'_>) -> toml_edit::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::Array(entries) => {
            entries.iter().map(|entry| written(entry.get_ref())).collect::<toml_edit::Array>().into()
        }
        DeValue::Table(entries) => {
            let pairs = entries.iter().map(|(key, value)| (key.get_ref().as_ref(), written(value.get_ref())));
            pairs.collect::<toml_edit::InlineTable>().into()
        }
        // No key of a profile takes any of these.
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) => "…".into(),
    }
}
