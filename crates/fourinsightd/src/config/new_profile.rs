//! Adds a profile to the text of a configuration, and leaves everything else in it as it is.

use std::path::Path;

use fourinsight_ipc::message::NewProfile;
use toml_edit::{Array, Document, DocumentMut, InlineTable, Item, Table, Value};

use super::{Config, ConfigError};
use crate::profile::{Flow, Preset, PresetSetting};

/// Why a profile was not added: what, and what to do next. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAdded {
    /// What is wrong. It never repeats a setting's value.
    pub what: String,
    /// What to do next.
    pub next: String,
}

impl NotAdded {
    pub(super) fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), next: next.into() }
    }
}

/// The text with the profile added, which is sure to be a right configuration with all that was in it before.
pub(super) fn add(path: &Path, text: &str, new: &NewProfile) -> Result<String, NotAdded> {
    let before = Config::parse(path, text).map_err(|error| wrong_before(&error))?;
    if before.profiles.contains_key(&new.name) {
        return Err(NotAdded::new(
            "there is a profile of this name already",
            "choose another name, or edit the file",
        ));
    }
    let written = with_profile(text, &new.name, table(new)?)?;
    // The only profile was the default one by being alone.
    let names_default = Document::parse(text).is_ok_and(|document| document.contains_key(DEFAULT));
    let default = match (new.make_default, names_default) {
        (true, _) => Some(new.name.as_str()),
        (false, false) => before.default_profile.as_deref(),
        (false, true) => None,
    };
    let written = match default {
        Some(default) => with_default(&written, default)?,
        None => written,
    };
    let after = Config::parse(path, &written).map_err(|error| wrong_after(&error))?;
    let is_kept = before.profiles.iter().all(|(name, profile)| after.profiles.get(name) == Some(profile));
    if is_kept && before.sessions == after.sessions { Ok(written) } else { Err(by_hand()) }
}

fn wrong_before(error: &ConfigError) -> NotAdded {
    let text = error.to_string();
    let (what, next) = text.split_once("; ").unwrap_or((&text, "correct it"));
    NotAdded::new(format!("the configuration has an error, so nothing was written: {what}"), next)
}

/// What the file does not take was in the request: there is no line to name.
fn wrong_after(error: &ConfigError) -> NotAdded {
    let (what, next) = error.what.split_once("; ").unwrap_or((&error.what, "correct the settings"));
    NotAdded::new(what, next)
}

/// The profile's table, by its preset.
fn table(new: &NewProfile) -> Result<Table, NotAdded> {
    let Some(preset) = Preset::named(&new.preset) else {
        let nearest = Preset::nearest(&new.preset);
        return Err(NotAdded::new(
            "there is no such preset",
            format!("the nearest is `{nearest}`; GET /v1/presets lists them all"),
        ));
    };
    let flow = flow(new, preset)?;
    if let Some(unknown) = new.settings.keys().find(|name| preset.setting(name).is_none()) {
        let names: Vec<_> = preset.settings.iter().map(|setting| setting.name.as_str()).collect();
        let nearest = names.iter().min_by_key(|name| strsim::damerau_levenshtein(unknown, name));
        return Err(NotAdded::new(
            format!("the preset {} does not ask for one of the settings", preset.name),
            nearest.map_or("leave it out".to_owned(), |nearest| {
                format!("the nearest that it asks for is `{nearest}`")
            }),
        ));
    }
    let mut table = Table::new();
    table.insert("preset", preset.name.into());
    if flow != preset.flow() {
        table.insert("flow", flow.name().into());
    }
    for setting in &preset.settings {
        let said =
            new.settings.get(&setting.name).map(|value| value.trim()).filter(|value| !value.is_empty());
        match said {
            Some(value) => {
                table.insert(&setting.name, Item::Value(item(setting, value)?));
            }
            None if setting.required && setting.belongs_to(flow) => {
                let next = format!("give `{}`: {}", setting.name, setting.question);
                return Err(NotAdded::new(
                    format!("the preset {} needs `{}`", preset.name, setting.name),
                    next,
                ));
            }
            None => {}
        }
    }
    Ok(table)
}

fn flow(new: &NewProfile, preset: &Preset) -> Result<Flow, NotAdded> {
    let Some(name) = &new.flow else { return Ok(preset.flow()) };
    preset.flows.iter().copied().find(|flow| flow.name() == name).ok_or_else(|| {
        let flows: Vec<_> = preset.flows.iter().map(|flow| flow.name()).collect();
        NotAdded::new(
            format!("the preset {} is not made for this flow", preset.name),
            format!("choose one of {}", flows.join(", ")),
        )
    })
}

/// A setting as it is written: of a secret only where it is.
fn item(setting: &PresetSetting, value: &str) -> Result<Value, NotAdded> {
    let name = &setting.name;
    if setting.is_secret() {
        return source(value).ok_or_else(|| {
            NotAdded::new(
                format!("{name} is never written into the configuration, only where it is"),
                "give file:PATH, env:NAME or command:PROGRAM ARGUMENTS",
            )
        });
    }
    if value.chars().any(char::is_control) {
        return Err(NotAdded::new(format!("{name} must be one line of visible characters"), "correct it"));
    }
    match setting.kind.map(|kind| kind.check(value)) {
        Some(Err(wrong)) => Err(NotAdded::new(format!("{name} {}", wrong.0), "correct it")),
        _ if name == "scopes" => Ok(value.split_whitespace().collect::<Array>().into()),
        _ => Ok(value.into()),
    }
}

/// Where a secret is, as `file:PATH`, `env:NAME` or `command:PROGRAM ARGUMENTS`.
fn source(text: &str) -> Option<Value> {
    let (kind, place) = text.split_once(':')?;
    let place = place.trim();
    let value: Value = match kind {
        "file" => place.into(),
        "env" if place.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => place.into(),
        "command" => place.split_whitespace().collect::<Array>().into(),
        _ => return None,
    };
    let usable = !place.is_empty() && !place.chars().any(char::is_control);
    usable.then(|| Value::InlineTable(InlineTable::from_iter([(kind, value)])))
}

/// The key that names the default profile.
const DEFAULT: &str = "default_profile";

/// The text with the profile after all that is there. Only where the profiles are in braces does it go in there.
fn with_profile(text: &str, name: &str, table: Table) -> Result<String, NotAdded> {
    let mut document: DocumentMut = text.parse().map_err(|_| by_hand())?;
    if let Some(Item::Value(Value::InlineTable(profiles))) = document.get_mut("profiles") {
        profiles.insert(name, Value::InlineTable(table.into_inline_table()));
        let byte_order_mark = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK } else { "" };
        let written = document.to_string().replace("\r\n", "\n").replace('\n', line_end(text));
        return Ok(format!("{byte_order_mark}{}", written.trim_start_matches(BYTE_ORDER_MARK)));
    }
    let mut profiles = Table::new();
    profiles.set_implicit(true);
    profiles.insert(name, Item::Table(table));
    let mut addition = DocumentMut::new();
    addition.insert("profiles", Item::Table(profiles));
    let end = line_end(text);
    let between = match text.trim_start_matches(BYTE_ORDER_MARK) {
        "" => String::new(),
        before if before.ends_with('\n') => end.to_owned(),
        _ => end.repeat(2),
    };
    Ok(format!("{text}{between}{}", addition.to_string().replace('\n', end)))
}

/// The text with its default profile named; nothing else of it is touched.
fn with_default(text: &str, name: &str) -> Result<String, NotAdded> {
    let document = Document::parse(text).map_err(|_| by_hand())?;
    let value = Value::from(name).to_string();
    if let Some(item) = document.get(DEFAULT) {
        let span = item.span().filter(|span| text.get(span.clone()).is_some()).ok_or_else(by_hand)?;
        return Ok(format!("{}{value}{}", &text[..span.start], &text[span.end..]));
    }
    let (mark, rest) = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (BYTE_ORDER_MARK, rest),
        None => ("", text),
    };
    let end = line_end(text);
    // A line of its own above the first table.
    let between = if rest.starts_with(['\r', '\n']) { "" } else { end };
    Ok(format!("{mark}{DEFAULT} = {value}{end}{between}{rest}"))
}

const BYTE_ORDER_MARK: &str = "\u{feff}";

fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

fn by_hand() -> NotAdded {
    NotAdded::new("the file is written in a way that cannot be added to", "add the profile by hand")
}

#[cfg(test)]
mod tests;
