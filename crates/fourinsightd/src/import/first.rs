//! The profile of 4insight, where there is none yet: who moves in has a token file, and no configuration.

use fourinsight_ipc::{
    ErrorBody,
    message::{ImportFormat, ImportRequest, ImportResponse, NewProfile},
};

use super::{
    Imports,
    fit::{self, Fit},
    found::Found,
};
use crate::config::Config;

/// The preset of a person at 4insight; the profile is called as it.
const PRESET: &str = "4insight";

impl Imports {
    /// By which profile a login is taken over: one of the configuration; else one that is yet to be written.
    pub(super) fn fit(
        &self,
        config: &Config,
        login: &Found,
        request: &ImportRequest,
    ) -> Result<(Fit, Option<NewProfile>), ErrorBody> {
        let named = request.profile.as_deref();
        let why = match fit::find(config, named, login, request.format) {
            Ok(fit) => return Ok((fit, None)),
            Err(why) => why,
        };
        let wants_one = request.format == ImportFormat::FourinsightApi
            && named.is_none_or(|name| name == PRESET)
            && !config.profiles.contains_key(PRESET)
            && !fit::fits_any(config, login);
        let new = NewProfile { name: PRESET.to_owned(), preset: PRESET.to_owned(), ..NewProfile::default() };
        let by_preset = || {
            let config = self.config.with_profile(&new).ok()?;
            fit::find(&config, Some(PRESET), login, request.format).ok()
        };
        match wants_one.then(by_preset).flatten() {
            Some(fit) => Ok((fit, Some(new))),
            None => Err(why),
        }
    }

    /// Writes the profile of a login that has been taken over by it. The session does not need it, but the next login.
    pub(super) fn write_first(&self, new: &NewProfile, answer: &mut ImportResponse) {
        let path = self.config.path().display();
        answer.notes.push(match self.config.add_profile(new) {
            Ok(_) => format!("the profile {PRESET} is written to {path}"),
            Err(why) => format!(
                "the profile {PRESET} is not in {path} ({}): {}, before you sign in with it",
                why.what, why.next
            ),
        });
    }
}

/// What is said of the profile where nothing is done yet.
pub(super) fn would_be_written(new: &NewProfile) -> String {
    format!("the profile {} would be written into the configuration", new.name)
}
