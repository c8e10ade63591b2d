//! Presets: what is known about a server, as data. A profile that names one says only what is its own.
//!
//! Each is a file in `presets/`. Its `[profile]` has the keys of a profile in the configuration, with `{name}` where
//! one of its `[settings.name]` goes; `[flows.FLOW]` says what is different for a flow. A setting that is itself a
//! key of a profile is only a question. A value with a setting that is optional and not given is left out.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::LazyLock,
};

use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::Flow;

mod kind;

pub use kind::{Kind, Wrong};

/// A preset.
#[derive(Debug)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it is for, in one line.
    pub summary: String,
    /// What a person should know, with settings to be filled in.
    pub notes: Vec<String>,
    /// What to say beside an error that the profile's own words can have caused.
    pub help: Option<String>,
    /// What it asks for, in the order in which to ask.
    pub settings: Vec<Setting>,
    /// The flows that it is made for; the first is its own.
    pub flows: Vec<Flow>,
    profile: DeTable<'static>,
    by_flow: BTreeMap<Flow, DeTable<'static>>,
}

/// What a preset asks for.
#[derive(Debug)]
pub struct Setting {
    /// The key in the profile's table.
    pub name: String,
    /// What to ask a person.
    pub question: String,
    /// What may be said; none where it is a key of every profile, which has rules of its own.
    pub kind: Option<Kind>,
    /// What holds when nothing is said.
    pub default: Option<String>,
    /// Whether a new profile cannot do without.
    pub required: bool,
    /// The flows that it belongs to; empty: all.
    pub flows: Vec<Flow>,
}

impl Setting {
    /// Whether it is asked for with this flow.
    pub fn belongs_to(&self, flow: Flow) -> bool {
        self.flows.is_empty() || self.flows.contains(&flow)
    }

    /// Whether its value is only where a secret is.
    pub fn is_secret(&self) -> bool {
        matches!(self.name.as_str(), "client_secret" | "client_key" | "client_assertion")
    }
}

impl Preset {
    /// Every preset, in the order in which to offer them.
    pub fn all() -> &'static [Self] {
        &ALL
    }

    /// The preset of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|preset| preset.name == name)
    }

    /// The name that looks most like this one.
    pub fn nearest(name: &str) -> &'static str {
        let names = ALL.iter().map(|preset| preset.name);
        names.min_by_key(|known| strsim::damerau_levenshtein(name, known)).unwrap_or_default()
    }

    /// The flow of a profile that names none.
    pub fn flow(&self) -> Flow {
        self.flows[0]
    }

    /// The setting of a name.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// What it says for a flow, by the profile's keys, with its settings not yet filled in.
    pub fn entries(&self, flow: Flow) -> BTreeMap<&str, &DeValue<'static>> {
        let of_flow = self.by_flow.get(&flow).into_iter().flatten();
        let entries = self.profile.iter().chain(of_flow);
        entries.map(|(key, value)| (key.get_ref().as_ref(), value.get_ref())).collect()
    }

    /// Its notes, filled in.
    pub fn notes(&self, values: &HashMap<&str, String>) -> Vec<String> {
        self.notes.iter().filter_map(|note| self.fill(note, values).ok()).collect()
    }

    /// Its notes that hold whatever the settings are.
    pub fn general_notes(&self) -> Vec<String> {
        self.notes(&HashMap::new())
    }

    /// Whether it may need what a Python package holds that is installed for whoever logs in.
    pub fn reads_a_package(&self) -> bool {
        let source = self.profile.get("client_secret").and_then(|source| source.get_ref().as_table());
        let sources =
            source.and_then(|source| source.get("first_of")).and_then(|list| list.get_ref().as_array());
        let has_package = |source: &DeTable<'_>| source.contains_key("package");
        let mut listed = sources.into_iter().flatten().filter_map(|entry| entry.get_ref().as_table());
        source.is_some_and(has_package) || listed.any(has_package)
    }

    /// A text with the settings filled in.
    pub fn fill<'a>(&'a self, text: &str, values: &HashMap<&str, String>) -> Result<String, Missing<'a>> {
        let mut filled = text.to_owned();
        for setting in self.mentioned(text) {
            let value = values.get(setting.name.as_str()).ok_or(Missing(setting))?;
            filled = filled.replace(&setting.placeholder(), value);
        }
        Ok(filled)
    }

    /// The settings that a text mentions.
    pub fn mentioned<'a>(&'a self, text: &str) -> impl Iterator<Item = &'a Setting> {
        self.settings.iter().filter(move |setting| text.contains(&setting.placeholder()))
    }

    fn read(name: &'static str, text: &'static str) -> Option<Self> {
        let written: Written = toml::from_str(text).ok()?;
        let document = DeTable::parse(text).ok()?.into_inner();
        let profile = document.get("profile")?.get_ref().as_table()?.clone();
        let mut by_flow = Vec::new();
        for (flow, entries) in document.get("flows")?.get_ref().as_table()? {
            by_flow.push((
                flow.span().start,
                Flow::named(flow.get_ref())?,
                entries.get_ref().as_table()?.clone(),
            ));
        }
        by_flow.sort_by_key(|(start, ..)| *start);
        let own = Flow::named(profile.get("flow")?.get_ref().as_str()?)?;
        let flows: Vec<_> = by_flow.iter().map(|(_, flow, _)| *flow).collect();
        let mut settings: Vec<_> = written.settings.into_iter().collect();
        settings.sort_by_key(|(name, _)| name.span().start);
        let settings = settings.into_iter().map(|(name, setting)| setting.named(name.into_inner()));
        let settings = settings.collect::<Option<Vec<_>>>()?;
        (flows.first() == Some(&own)).then_some(Self {
            name,
            summary: written.summary,
            notes: written.notes,
            help: written.help,
            settings,
            flows,
            profile,
            by_flow: by_flow.into_iter().map(|(_, flow, entries)| (flow, entries)).collect(),
        })
    }
}

impl Setting {
    fn placeholder(&self) -> String {
        format!("{{{}}}", self.name)
    }
}

/// A setting that a value needs and that nobody has given.
#[derive(Clone, Copy, Debug)]
pub struct Missing<'a>(pub &'a Setting);

/// A preset's file, but for what it says about profiles.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    summary: String,
    #[serde(default)]
    notes: Vec<String>,
    help: Option<String>,
    #[serde(default)]
    settings: BTreeMap<Spanned<String>, WrittenSetting>,
    #[serde(rename = "profile")]
    _profile: toml::Table,
    #[serde(rename = "flows")]
    _flows: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSetting {
    question: String,
    kind: Option<Kind>,
    default: Option<String>,
    #[serde(default = "required")]
    required: bool,
    #[serde(default)]
    flows: Vec<String>,
}

fn required() -> bool {
    true
}

impl WrittenSetting {
    fn named(self, name: String) -> Option<Setting> {
        let flows = self.flows.iter().map(|flow| Flow::named(flow)).collect::<Option<_>>()?;
        Some(Setting {
            name,
            question: self.question,
            kind: self.kind,
            required: self.required && self.default.is_none(),
            default: self.default,
            flows,
        })
    }
}

/// The files, in the order in which to offer them.
const FILES: [(&str, &str); 9] = [
    ("4insight", include_str!("presets/4insight.toml")),
    ("4insight-service", include_str!("presets/4insight-service.toml")),
    ("cognite", include_str!("presets/cognite.toml")),
    ("entra", include_str!("presets/entra.toml")),
    ("google", include_str!("presets/google.toml")),
    ("github", include_str!("presets/github.toml")),
    ("auth0", include_str!("presets/auth0.toml")),
    ("keycloak", include_str!("presets/keycloak.toml")),
    ("generic", include_str!("presets/generic.toml")),
];

static ALL: LazyLock<Vec<Preset>> =
    LazyLock::new(|| FILES.iter().filter_map(|(name, text)| Preset::read(name, text)).collect());

/// A value of a preset with its strings rewritten; a string that is rewritten to nothing is left out. All of it gets
/// this place, since it stands nowhere in the configuration.
pub(crate) fn rewritten<E>(
    value: &DeValue<'static>,
    place: &Range<usize>,
    rewrite: &mut impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Option<DeValue<'static>>, E> {
    let at = |value| Spanned::new(place.clone(), value);
    Ok(Some(match value {
        DeValue::String(text) => match rewrite(text)? {
            Some(text) => DeValue::String(text.into()),
            None => return Ok(None),
        },
        DeValue::Array(entries) => {
            let mut written = Vec::new();
            for entry in entries {
                written.extend(rewritten(entry.get_ref(), place, rewrite)?.map(at));
            }
            if written.is_empty() && !entries.is_empty() {
                return Ok(None);
            }
            DeValue::Array(written.into_iter().collect())
        }
        DeValue::Table(entries) => {
            let mut written = DeTable::new();
            for (key, value) in entries {
                if let Some(value) = rewritten(value.get_ref(), place, rewrite)? {
                    written.insert(Spanned::new(place.clone(), key.get_ref().clone()), at(value));
                }
            }
            DeValue::Table(written)
        }
        other => other.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_preset() {
        let names: Vec<_> = Preset::all().iter().map(|preset| preset.name).collect();
        assert_eq!(names, FILES.map(|(name, _)| name));
        for preset in Preset::all() {
            assert!(!preset.summary.is_empty() && preset.summary.len() < 80, "{}", preset.name);
            assert_eq!(preset.flow().name(), preset.entries(preset.flow())["flow"].as_str().unwrap());
            for setting in &preset.settings {
                assert!(setting.question.len() > 8, "{}: {}", preset.name, setting.name);
                let default = setting.default.as_deref();
                assert!(default.is_none_or(|text| setting.kind.is_some_and(|kind| kind.check(text).is_ok())));
            }
        }
    }

    #[test]
    fn every_placeholder_is_a_setting_that_is_checked_and_every_such_setting_is_used() {
        for preset in Preset::all() {
            let mut texts = preset.notes.clone();
            for flow in Flow::ALL {
                for (key, value) in preset.entries(flow) {
                    let place = 0..0;
                    let seen = rewritten::<()>(value, &place, &mut |text| {
                        let left_open = key == "allowed_token_endpoints" && text.contains("/{tenant}/");
                        let known =
                            preset.mentioned(text).next().is_some_and(|setting| setting.kind.is_some());
                        assert!(!text.contains('{') || left_open || known, "{}: {key} = {text}", preset.name);
                        texts.push(text.to_owned());
                        Ok(None)
                    });
                    assert!(seen.is_ok());
                }
            }
            for setting in preset.settings.iter().filter(|setting| setting.kind.is_some()) {
                let used = texts.iter().any(|text| text.contains(&setting.placeholder()));
                assert!(used, "{}: nothing uses {}", preset.name, setting.name);
            }
        }
    }

    #[test]
    fn a_name_that_is_nearly_one_is_recognised() {
        assert_eq!(Preset::nearest("4insigt"), "4insight");
        assert_eq!(Preset::nearest("keyclock"), "keycloak");
        assert!(Preset::named("cognite").is_some() && Preset::named("Cognite").is_none());
    }

    #[test]
    fn settings_come_in_the_order_of_their_file() {
        let names = |preset: &str| -> Vec<String> {
            Preset::named(preset).unwrap().settings.iter().map(|setting| setting.name.clone()).collect()
        };
        assert_eq!(names("keycloak"), ["server", "realm", "client_id", "client_secret"]);
        assert_eq!(names("auth0"), ["domain", "client_id", "audience", "client_secret"]);
    }
}
