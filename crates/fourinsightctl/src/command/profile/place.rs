//! Paths among the settings of a new profile: a person means them from the folder that they are in, while the
//! configuration means them from its own.

use std::{collections::BTreeMap, path};

use fourinsight_ipc::message::Preset;

/// The setting that is a path as it stands, whatever the preset.
const PATH: &str = "client_certificate";

/// What stands before the path of a secret's file.
const FILE: &str = "file:";

/// The settings with every path spelt out from the root.
pub(super) fn from_here(preset: &Preset, settings: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_secret = |name: &str| preset.settings.iter().any(|setting| setting.secret && setting.name == name);
    let spelt_out = |(name, value): (&String, &String)| {
        let value = match value.trim().strip_prefix(FILE) {
            Some(place) if is_secret(name) => format!("{FILE}{}", absolute(place)),
            None if name == PATH => absolute(value),
            _ => value.clone(),
        };
        (name.clone(), value)
    };
    settings.iter().map(spelt_out).collect()
}

/// The path from the root. What is no path is left for the daemon to refuse.
fn absolute(place: &str) -> String {
    let found = path::absolute(place.trim()).ok().and_then(|path| path.into_os_string().into_string().ok());
    found.unwrap_or_else(|| place.to_owned())
}

#[cfg(test)]
mod tests {
    use fourinsight_ipc::message::PresetSetting;

    use super::*;

    #[test]
    fn paths_are_spelt_out_and_nothing_else_is_touched() {
        let setting = |name: &str| PresetSetting {
            name: name.to_owned(),
            question: String::new(),
            default: None,
            required: true,
            flows: vec![],
            secret: name == "client_secret",
        };
        let preset = Preset {
            name: "generic".to_owned(),
            summary: String::new(),
            flows: vec![],
            settings: ["client_id", "client_secret", PATH].map(setting).to_vec(),
            notes: vec![],
            package: false,
            help: None,
        };
        let here = std::env::current_dir().unwrap();
        let below = |name: &str| here.join(name).to_str().unwrap().to_owned();
        for (name, given, written) in [
            ("client_secret", "file:secret.txt", format!("file:{}", below("secret.txt"))),
            ("client_secret", " file: a b", format!("file:{}", below("a b"))),
            ("client_secret", &format!("file:{}", below("x")), format!("file:{}", below("x"))),
            ("client_secret", "file:", "file:".to_owned()),
            ("client_secret", "env:NAME", "env:NAME".to_owned()),
            ("client_secret", "command:pass show x", "command:pass show x".to_owned()),
            (PATH, "client.pem", below("client.pem")),
            ("client_id", "file:x", "file:x".to_owned()),
        ] {
            let settings = BTreeMap::from([(name.to_owned(), given.to_owned())]);
            assert_eq!(from_here(&preset, &settings)[name], written, "{given}");
        }
    }
}
