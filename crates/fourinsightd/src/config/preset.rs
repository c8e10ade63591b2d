//! Joins a profile and its preset: the profile's own words go before the preset's.

use std::{collections::HashMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{ConfigError, table::Table};
use crate::{
    authority::text::clean,
    profile::{Flow, Missing, PerRequest, Preset, PresetSetting, rewritten},
};

/// The key that names the preset.
pub(super) const KEY: &str = "preset";

/// A profile's table joined with its preset.
pub(super) struct Joined<'a> {
    pub(super) preset: &'static Preset,
    /// What both say, by the profile's keys.
    pub(super) entries: DeTable<'a>,
    /// What is filled in, by the settings' names.
    pub(super) values: HashMap<&'static str, String>,
}

/// The preset that a profile names.
pub(super) fn named(table: &Table<'_>) -> Result<Option<&'static Preset>, ConfigError> {
    let Some(name) = table.text(KEY)? else { return Ok(None) };
    let unknown = || {
        let names = Preset::all().iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ");
        let nearest = Preset::nearest(&name);
        let what = format!(
            "there is no preset `{}`; the nearest is `{nearest}`, of {names}",
            clean(&name).chars().take(64).collect::<String>()
        );
        table.error(KEY, &what)
    };
    Preset::named(&name).map(Some).ok_or_else(unknown)
}

/// Joins them for a flow: this one, else the profile's, else the preset's own.
pub(super) fn join<'a>(
    table: &Table<'a>,
    preset: &'static Preset,
    flow: Option<Flow>,
) -> Result<Joined<'a>, ConfigError> {
    let named = || table.text("flow").ok().flatten().and_then(|name| Flow::named(&name));
    let flow_here = flow.or_else(named).unwrap_or_else(|| preset.flow());
    let values = values(table, preset)?;
    let at_preset = table.place_of(KEY).unwrap_or_default();
    let mut entries: DeTable<'a> = table.entries().clone();
    let is_filled_in = |name: &str| preset.setting(name).is_some_and(|setting| setting.kind.is_some());
    let beside: Vec<_> =
        entries.keys().filter(|key| key.get_ref() == KEY || is_filled_in(key.get_ref())).cloned().collect();
    for key in beside {
        entries.remove(&key);
    }
    for (key, value) in preset.entries(flow_here) {
        let own = entries.iter().find(|(name, _)| name.get_ref() == key).map(|(name, _)| name.clone());
        match own {
            None => {
                let place = first_mentioned(table, preset, value).unwrap_or_else(|| at_preset.clone());
                if let Some(value) = filled(table, preset, key, value, &values, &place)? {
                    entries.insert(
                        Spanned::new(place.clone(), key.to_owned().into()),
                        Spanned::new(place, value),
                    );
                }
            }
            Some(name) if merges(key) => {
                let Some(theirs) = filled(table, preset, key, value, &values, &at_preset)? else { continue };
                if let Some(ours) = entries.get_mut(&name)
                    && let DeValue::Table(ours) = ours.get_mut()
                {
                    merge(ours, theirs, &at_preset);
                }
            }
            Some(_) => {}
        }
    }
    if let Some(flow) = flow {
        let value = DeValue::String(flow.name().into());
        let key = entries.keys().find(|name| name.get_ref() == "flow").cloned();
        let key = key.unwrap_or_else(|| Spanned::new(at_preset.clone(), "flow".into()));
        entries.insert(key, Spanned::new(at_preset, value));
    }
    Ok(Joined { preset, entries, values })
}

/// What the profile and the preset's defaults say for the settings that are filled in.
fn values(table: &Table<'_>, preset: &'static Preset) -> Result<HashMap<&'static str, String>, ConfigError> {
    let mut values = HashMap::new();
    for setting in &preset.settings {
        let Some(kind) = setting.kind else { continue };
        let name = setting.name.as_str();
        let Some(text) = table.text(name)?.or_else(|| setting.default.clone()) else { continue };
        let value = kind
            .check(&text)
            .map_err(|wrong| table.error(name, &format!("{name} {}; correct it", wrong.0)))?;
        values.insert(name, value);
    }
    Ok(values)
}

/// A value of the preset with the settings filled in; nothing where all of it hangs on one that is not given.
fn filled(
    table: &Table<'_>,
    preset: &'static Preset,
    key: &str,
    value: &DeValue<'static>,
    values: &HashMap<&'static str, String>,
    place: &Range<usize>,
) -> Result<Option<DeValue<'static>>, ConfigError> {
    rewritten(value, place, &mut |text| match preset.fill(text, values) {
        Ok(text) => Ok(Some(text)),
        Err(Missing(setting)) if !setting.required => Ok(None),
        Err(Missing(PresetSetting { name, question, .. })) => {
            let what = format!(
                "the preset {} needs `{name}` for {key} ({}); add `{name}`, or write {key} yourself",
                preset.name,
                question.trim_end_matches(['?', '.']),
            );
            Err(table.error(KEY, &what))
        }
    })
}

/// Where the first of the settings that a value mentions is given.
fn first_mentioned(
    table: &Table<'_>,
    preset: &'static Preset,
    value: &DeValue<'static>,
) -> Option<Range<usize>> {
    let mut place = None;
    let walked: Result<_, ()> = rewritten(value, &(0..0), &mut |text| {
        let given = preset.mentioned(text).find_map(|setting| table.place_of(&setting.name));
        place = place.take().or(given);
        Ok(None)
    });
    walked.ok().and(place)
}

/// Whether the preset's words are joined with the profile's one by one.
fn merges(key: &str) -> bool {
    key.ends_with("_params") || key == "client_auth"
}

/// Adds what is not there; one word for every kind of request is one for each.
fn merge(ours: &mut DeTable<'_>, theirs: DeValue<'static>, place: &Range<usize>) {
    let theirs = match theirs {
        DeValue::Table(table) => table,
        word => PerRequest::KINDS
            .iter()
            .map(|kind| {
                (Spanned::new(place.clone(), (*kind).into()), Spanned::new(place.clone(), word.clone()))
            })
            .collect(),
    };
    let known: Vec<_> = ours.keys().map(|key| key.get_ref().clone()).collect();
    for (key, value) in theirs {
        if !known.contains(key.get_ref()) {
            ours.insert(key, value);
        }
    }
}

/// Every flow that a preset is made for and that is not this one.
pub(super) fn other_flows(preset: Option<&str>, flow: Flow) -> impl Iterator<Item = Flow> {
    let flows = preset.and_then(Preset::named).map_or(&[][..], |preset| &preset.flows);
    flows.iter().copied().filter(move |other| *other != flow)
}

/// The keys of a preset's settings, which its profiles may have beside those of every profile.
pub(super) fn keys(preset: Option<&'static Preset>) -> Vec<&'static str> {
    let settings = preset.into_iter().flat_map(|preset| &preset.settings);
    settings.map(|setting| setting.name.as_str()).collect()
}

/// What a preset's notes say with a profile's settings.
pub(super) fn notes(preset: &Preset, values: &HashMap<&'static str, String>) -> Vec<String> {
    let values: HashMap<&str, String> = values.iter().map(|(name, value)| (*name, value.clone())).collect();
    preset.notes(&values)
}
