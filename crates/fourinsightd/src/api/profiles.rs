//! `GET` and `POST /v1/profiles`, `GET /v1/profiles/{name}`, `GET /v1/presets`.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
};
use fourinsight_ipc::{
    ErrorBody, ErrorCode,
    message::{NewProfile, Preset, PresetList, PresetSetting, ProfileDetails, ProfileList, ProfileStatus},
};

use super::{
    Api, ApiError,
    extract::{Body, Name, Query},
};
use crate::{
    config::{Config, NotAdded},
    profile::{self, Flow, Profile},
};

/// Lists the profiles of the configuration as it stands in its file now; of one with an error, those of before.
#[utoipa::path(get, path = "/v1/profiles", responses((status = 200, body = ProfileList)))]
pub(super) async fn list(State(api): State<Arc<Api>>, uri: Uri) -> Result<Json<ProfileList>, ApiError> {
    Query::read(uri.query(), &[])?;
    let config = reloaded(&api);
    let profiles = config.profiles.values().map(|profile| status(profile, &config)).collect();
    Ok(Json(ProfileList {
        default_profile: config.default_profile.clone(),
        profiles,
        problem: api.config.problem(),
        path: api.config.path().display().to_string(),
    }))
}

/// Shows a profile: each of its keys, and who says what it is. Of a secret only where it is.
#[utoipa::path(
    get,
    path = "/v1/profiles/{name}",
    params(("name" = String, Path, description = "The profile's name")),
    responses((status = 200, body = ProfileDetails), (status = 404, body = ErrorBody)),
)]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Name(name): Name,
    uri: Uri,
) -> Result<Json<ProfileDetails>, ApiError> {
    Query::read(uri.query(), &[])?;
    details(&reloaded(&api), &name).map(Json).ok_or_else(ApiError::no_such_profile)
}

/// Writes a new profile into the configuration file, and leaves everything else in it as it is.
#[utoipa::path(
    post,
    path = "/v1/profiles",
    request_body = NewProfile,
    responses((status = 201, body = ProfileDetails), (status = 400, body = ErrorBody)),
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    uri: Uri,
    Body(new): Body<NewProfile>,
) -> Result<(StatusCode, Json<ProfileDetails>), ApiError> {
    Query::read(uri.query(), &[])?;
    let config = Arc::clone(&api.config);
    // Writing waits for the disk.
    let added = tokio::task::spawn_blocking(move || {
        let added = config.add_profile(&new);
        added.map(|config| (config, new.name))
    });
    let broken =
        |_| ApiError::from(ErrorBody::new(ErrorCode::ServerError, "the profile could not be written"));
    let (config, name) = added.await.map_err(broken)?.map_err(refused)?;
    tracing::info!(profile = name, "a profile was added to the configuration");
    let details = details(&config, &name).ok_or_else(|| {
        ApiError::from(ErrorBody::new(ErrorCode::ServerError, "the profile was written and is gone again"))
    })?;
    Ok((StatusCode::CREATED, Json(details)))
}

/// Lists what a new profile can begin with.
#[utoipa::path(get, path = "/v1/presets", responses((status = 200, body = PresetList)))]
pub(super) async fn presets(uri: Uri) -> Result<Json<PresetList>, ApiError> {
    Query::read(uri.query(), &[])?;
    Ok(Json(PresetList { presets: profile::Preset::all().iter().map(preset).collect() }))
}

fn reloaded(api: &Api) -> Arc<Config> {
    // What is wrong with the file is told beside what holds instead.
    api.config.reload().unwrap_or_else(|_| api.config.current())
}

fn refused(why: NotAdded) -> ApiError {
    ApiError::from(ErrorBody::new(ErrorCode::InvalidRequest, why.what).hint(why.next))
}

fn status(profile: &Profile, config: &Config) -> ProfileStatus {
    let described = config.described.get(&profile.name);
    ProfileStatus {
        name: profile.name.clone(),
        preset: described.and_then(|described| described.preset).map(str::to_owned),
        flow: profile.flow.name().to_owned(),
        server: server(profile).to_owned(),
        summary: described.and_then(|described| described.summary).map(str::to_owned),
    }
}

/// The issuer, else the first endpoint that there is.
fn server(profile: &Profile) -> &str {
    let endpoints = &profile.endpoints;
    let known =
        [&profile.issuer, &endpoints.authorization, &endpoints.token, &endpoints.device_authorization];
    known.into_iter().flatten().next().map_or("", String::as_str)
}

fn details(config: &Config, name: &str) -> Option<ProfileDetails> {
    let described = config.described.get(name)?.clone();
    Some(ProfileDetails {
        name: name.to_owned(),
        preset: described.preset.map(str::to_owned),
        notes: described.notes,
        settings: described.settings,
    })
}

fn preset(preset: &profile::Preset) -> Preset {
    let names = |flows: &[Flow]| flows.iter().map(|flow| flow.name().to_owned()).collect();
    let setting = |setting: &profile::PresetSetting| PresetSetting {
        name: setting.name.clone(),
        question: setting.question.clone(),
        default: setting.default.clone(),
        required: setting.required,
        flows: names(&setting.flows),
        secret: setting.is_secret(),
    };
    Preset {
        name: preset.name.to_owned(),
        summary: preset.summary.clone(),
        flows: names(&preset.flows),
        settings: preset.settings.iter().map(setting).collect(),
        notes: preset.general_notes(),
        package: preset.reads_a_package(),
        help: preset.help.clone(),
    }
}
