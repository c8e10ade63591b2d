//! Profiles, and the presets that new ones begin with. Never a secret: only where one is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `200` of `GET /v1/profiles`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProfileList {
    /// The profile of a login that names none.
    pub default_profile: Option<String>,
    /// Every profile, ordered by name.
    pub profiles: Vec<ProfileStatus>,
    /// What is wrong with the configuration file; then the profiles are those of before.
    pub problem: Option<String>,
    /// The configuration file, which need not exist.
    pub path: String,
}

/// One profile in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProfileStatus {
    /// Its name.
    pub name: String,
    /// The preset that it begins with.
    pub preset: Option<String>,
    /// How it signs in.
    pub flow: String,
    /// The issuer, or the endpoint that stands for it.
    pub server: String,
    /// The preset's summary.
    pub summary: Option<String>,
}

/// `200` of `GET /v1/profiles/{name}`, `201` of `POST /v1/profiles`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProfileDetails {
    /// Its name.
    pub name: String,
    /// The preset that it begins with.
    pub preset: Option<String>,
    /// What a person should know about it.
    pub notes: Vec<String>,
    /// What it says, in the order of the documentation.
    pub settings: Vec<ProfileSetting>,
}

/// One key of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProfileSetting {
    /// The key in the configuration.
    pub name: String,
    /// The value as TOML would write it; of a secret only where it is.
    pub value: String,
    /// Who says so.
    pub from: SettingOrigin,
}

/// Who says what a profile's key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SettingOrigin {
    /// The configuration file.
    File,
    /// The preset.
    Preset,
    /// Nobody: it is what holds for every profile that says nothing else.
    Default,
    /// Something that a newer daemon knows and this client does not.
    #[serde(other)]
    Unknown,
}

/// `200` of `GET /v1/presets`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PresetList {
    /// Every preset, in the order in which to offer them.
    pub presets: Vec<Preset>,
}

/// What a new profile can begin with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Preset {
    /// Its name.
    pub name: String,
    /// What it is for, in one line.
    pub summary: String,
    /// The flows that it is made for; the first is its own.
    pub flows: Vec<String>,
    /// What it asks for.
    pub settings: Vec<PresetSetting>,
    /// What a person should know before choosing it.
    pub notes: Vec<String>,
    /// Whether its logins may need what the caller's installed `fourinsight.api` holds: see [`LoginRequest::package`].
    ///
    /// [`LoginRequest::package`]: super::LoginRequest::package
    #[serde(default)]
    pub package: bool,
    /// Where to find what it asks for, or whom to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// What a preset asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PresetSetting {
    /// The key in the profile's table.
    pub name: String,
    /// What to ask a person.
    pub question: String,
    /// What holds when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether the profile cannot do without.
    pub required: bool,
    /// The flows that it belongs to; empty: all.
    #[serde(default)]
    pub flows: Vec<String>,
    /// Whether it is a secret, of which only the source is ever said: `file:PATH`, `env:NAME`.
    #[serde(default)]
    pub secret: bool,
}

/// Body of `POST /v1/profiles`: a new profile for the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewProfile {
    /// Its name.
    pub name: String,
    /// The preset that it begins with.
    pub preset: String,
    /// The flow; the preset's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// What the preset asks for, by name. A secret is never among them, only where it is: `file:PATH`, `env:NAME`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Whether logins that name no profile use it from now on.
    #[serde(default)]
    pub make_default: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_of_a_newer_daemon_are_read_as_unknown() {
        for (word, origin) in [
            ("file", SettingOrigin::File),
            ("preset", SettingOrigin::Preset),
            ("default", SettingOrigin::Default),
            ("melted", SettingOrigin::Unknown),
        ] {
            assert_eq!(serde_json::from_str::<SettingOrigin>(&format!("{word:?}")).unwrap(), origin);
        }
    }

    #[test]
    fn a_new_profile_needs_no_more_than_its_name_and_preset() {
        let new: NewProfile = serde_json::from_str(r#"{"name":"work","preset":"4insight"}"#).unwrap();
        assert_eq!((new.flow, new.settings.len(), new.make_default), (None, 0, false));
    }
}
