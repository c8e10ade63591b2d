//! What a login is to do: what its request and the configuration make of each other.

use std::{path::Path, sync::Arc};

use fourinsight_ipc::{ErrorBody, ErrorCode, message::LoginRequest};

use super::{
    Known, Logins,
    authorize::{AnswerMode, Wish},
    failure::with_help,
    of_client, unattended,
};
use crate::{
    config::Config,
    profile::{Flow, Profile, ResponseMode, is_resource},
};

/// What a login is to do: the profile with the flow that it runs, what it asks for, and what the person should know.
pub(super) struct Plan {
    pub(super) profile: Profile,
    pub(super) wish: Wish,
    pub(super) note: Option<String>,
}

impl Logins {
    /// What the request and the configuration make of each other.
    pub(super) fn plan(&self, request: &LoginRequest) -> Result<Plan, ErrorBody> {
        let (config, problem) = match self.config.reload() {
            Ok(config) => (config, None),
            Err(error) => (self.config.current(), Some(error.to_string())),
        };
        let name = request.profile.as_ref().or(config.default_profile.as_ref());
        // What the file says goes before a preset, and perhaps it says something that cannot be read now.
        let alone = name.filter(|name| problem.is_none() && !config.profiles.contains_key(*name));
        let alone = alone.and_then(|name| Config::of_preset(name));
        let name = name.cloned();
        let config = alone.map_or(config, Arc::new);
        let mut profile = match name.map(|name| config.profiles.get(&name)) {
            Some(Some(profile)) => profile.clone(),
            looked_for => {
                return Err(self.no_profile(problem, looked_for.is_some(), &config));
            }
        };
        if let Some(name) = request.flow.as_deref() {
            profile = with_flow(&config, profile, name)?;
        }
        if let Some(folder) = &request.package {
            profile.client_secret =
                profile.client_secret.map(|source| source.installed_at(Path::new(folder)));
        }
        let help = profile.help;
        unattended::bring(request, &mut profile).map_err(|error| with_help(error, help))?;
        let known = if request.client_session {
            of_client::check(request, &profile)?
        } else {
            self.sessions.known(&request.session)
        };
        let original_key = original_key(request, &known)?;
        let mut wish = Wish { original_key, ..wish(request, &profile)? };
        if !profile.flow.is_unattended() {
            wish.step_up = known.step_up_by(&profile.name).cloned();
        }
        let note = problem.map(|problem| {
            format!("the configuration as it was before is used, because it now has an error: {problem}")
        });
        Ok(Plan { profile, wish, note })
    }

    /// Why there is nothing to sign in with.
    fn no_profile(&self, problem: Option<String>, named: bool, config: &Config) -> ErrorBody {
        let error = |what: &str| ErrorBody::new(ErrorCode::InvalidRequest, what);
        let one_of = || {
            let profiles: Vec<_> = config.profiles.keys().map(String::as_str).collect();
            profiles.join(", ")
        };
        let file = self.config.path().display();
        match problem {
            Some(problem) => {
                let (what, next) = problem.split_once("; ").unwrap_or((&problem, "correct it"));
                error(&format!("The configuration has an error: {what}")).hint(next)
            }
            None if config.profiles.is_empty() => error("The configuration has no profile to sign in with.")
                .hint(format!(
                    "run `fourinsightctl profile init`, or write a [profiles.NAME] table into {file}"
                )),
            None if named => error("The configuration has no profile of that name.")
                .hint(format!("use one of these: {}", one_of())),
            None => error("No profile was named, and the configuration has no default_profile.").hint(
                format!("name one of these with --profile, or as default_profile in {file}: {}", one_of()),
            ),
        }
    }
}

/// The profile as it is with the flow of this name; its preset may say other things for that.
fn with_flow(config: &Config, profile: Profile, name: &str) -> Result<Profile, ErrorBody> {
    let flow = chosen_flow(name, &profile)?;
    if flow == profile.flow {
        return Ok(profile);
    }
    let other = config.with_flow(&profile.name, flow).unwrap_or(Ok(profile));
    other.map_err(|error| {
        let (what, next) = error.what.split_once("; ").unwrap_or((&error.what, "correct the profile"));
        ErrorBody::new(
            ErrorCode::InvalidRequest,
            format!("The profile cannot be used with the flow {name}: {what}."),
        )
        .hint(next.to_owned())
    })
}

fn wish(request: &LoginRequest, profile: &Profile) -> Result<Wish, ErrorBody> {
    let scopes = match &request.scope {
        Some(scope) => scope.split_ascii_whitespace().map(str::to_owned).collect(),
        None => profile.scopes.clone(),
    };
    // RFC 6749 section 3.3.
    let is_token =
        |scope: &String| scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    if !scopes.iter().all(is_token) {
        return Err(ErrorBody::new(
            ErrorCode::InvalidScope,
            "A scope has a character that scopes cannot have.",
        )
        .hint("separate scopes by spaces; letters, digits and signs but quotation marks and backslashes"));
    }
    let mut resources = profile.resources.clone();
    for resource in &request.resource {
        if !is_resource(resource) {
            return Err(ErrorBody::new(
                ErrorCode::InvalidTarget,
                "A resource is no absolute URI without a fragment.",
            )
            .hint("write resources as in https://api.example.com/"));
        }
        if !resources.contains(resource) {
            resources.push(resource.clone());
        }
    }
    let answer = match (profile.flow, profile.response_mode) {
        (Flow::Implicit, _) => AnswerMode::Fragment,
        (Flow::Browser, ResponseMode::FormPost) => AnswerMode::FormPost,
        _ => AnswerMode::Query,
    };
    let (force, switch_user) = (request.force, request.switch_user);
    let (lifetime, of_client) = (request.lifetime(), request.client_session);
    let (step_up, original_key) = (None, None);
    Ok(Wish { scopes, resources, force, step_up, switch_user, original_key, answer, lifetime, of_client })
}

/// The `session_key` of `fourinsight.api` that the session is to stand for, where its own key says something else.
/// A session stands for one of them only: two that map to one key would get each other's tokens.
fn original_key(request: &LoginRequest, known: &Known) -> Result<Option<String>, ErrorBody> {
    let Some(original) = &request.original_key else { return Ok(None) };
    let refused = |what: &str, next: String| Err(ErrorBody::new(ErrorCode::InvalidRequest, what).hint(next));
    if original.len() > LONGEST_ORIGINAL {
        let what = "The session_key of fourinsight.api is too long to be one.";
        return refused(what, format!("use one of at most {LONGEST_ORIGINAL} bytes"));
    }
    match &known.original_key {
        Some(other) if other != original => refused(
            "The session stands for another session_key of fourinsight.api, which maps to the same key.",
            "use another session_key, or revoke that session first".to_owned(),
        ),
        _ => Ok((original != request.session.as_str()).then(|| original.clone())),
    }
}

/// The longest `session_key` of `fourinsight.api`: a path of a file.
pub(crate) const LONGEST_ORIGINAL: usize = 4096;

/// The flow that the request names instead of the profile's.
fn chosen_flow(name: &str, profile: &Profile) -> Result<Flow, ErrorBody> {
    let refused = |what: String| ErrorBody::new(ErrorCode::InvalidRequest, what);
    match Flow::named(name) {
        None => {
            let known = Flow::ALL.map(Flow::name).join(", ");
            Err(refused("There is no such flow.".to_owned())
                .hint(format!("use one of {known}, or leave it out")))
        }
        Some(flow) if flow.legacy_warning().is_some() && !profile.allow_legacy => {
            let what = format!("The flow {} is legacy, and RFC 9700 advises against it.", flow.name());
            Err(refused(what).hint("use another flow, or add allow_legacy = true to the profile"))
        }
        Some(flow) => Ok(flow),
    }
}
