//! Reads a profile: `[profiles.NAME]`.

use url::Url;

use super::{
    ConfigError, assertion, client_auth,
    described::{self, Described},
    parameters, preset, rotation, secret,
    table::Table,
};
use crate::{
    authority::{ResourceStyle, allowed::AllowedEndpoint, discovery::is_endpoint},
    http::{Route, is_loopback},
    profile::{Endpoints, Flow, Profile, REDIRECT_URI, ResponseMode, is_resource},
};

const KEYS: [&str; 23] = [
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "device_authorization_endpoint",
    "revocation_endpoint",
    "userinfo_endpoint",
    "client_id",
    "client_secret",
    "client_auth",
    "client_capabilities",
    "flow",
    "scopes",
    "resources",
    "resource_style",
    "redirect_uri",
    "response_mode",
    "allowed_token_endpoints",
    "allow_legacy",
    "tls_ca_file",
    "proxy",
    "refresh_idle",
    "rotation",
    "keep_alive",
];

/// The keys of every profile.
pub(super) fn keys() -> Vec<&'static str> {
    [&KEYS[..], &parameters::KEYS, &assertion::KEYS].concat()
}

/// Reads a profile, and what it is made of; with another flow than its own, where its preset is made for several.
pub(super) fn read(
    name: &str,
    table: &Table<'_>,
    flow: Option<Flow>,
) -> Result<(Profile, Described), ConfigError> {
    if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
        return Err(table.error("", "a profile's name is 1 to 128 visible characters; rename it"));
    }
    let preset = preset::named(table)?;
    table.check_keys(&[keys(), preset::keys(preset), vec![preset::KEY]].concat(), &[])?;
    let Some(preset) = preset else {
        return Ok((checked(name, table)?, described::of(table, None)));
    };
    let joined = preset::join(table, preset, flow)?;
    let mut profile = checked(name, &table.with(&joined.entries))?;
    profile.help = preset.help.as_deref();
    Ok((profile, described::of(table, Some(&joined))))
}

fn checked(name: &str, table: &Table<'_>) -> Result<Profile, ConfigError> {
    let issuer = issuer(table)?;
    let endpoints = endpoints(table)?;
    let allow_legacy = table.flag("allow_legacy")?.unwrap_or(false);
    let flow = flow(table, allow_legacy)?;
    let params = parameters::read(table)?;
    let profile = Profile {
        name: name.to_owned(),
        issuer,
        endpoints,
        client_id: client_id(table, flow)?,
        client_secret: secret::read(table, "client_secret")?,
        assertion: assertion::read(table)?,
        client_auth: client_auth::read(table)?,
        flow,
        scopes: scopes(table)?,
        resources: resources(table)?,
        resource_style: resource_style(table)?,
        redirect_uri: redirect_uri(table, flow)?,
        response_mode: response_mode(table)?,
        allowed_token_endpoints: allowed_token_endpoints(table)?,
        allow_legacy,
        authorize_params: params.authorize,
        force_params: params.force,
        code_params: params.code,
        device_params: params.device,
        device_poll_params: params.device_poll,
        refresh_params: params.refresh,
        revoke_params: params.revoke,
        client_capabilities: client_capabilities(table)?,
        route: route(table)?,
        refresh_idle: refresh_idle(table)?,
        rotation: rotation::read(table)?,
        keep_alive: table.flag("keep_alive")?.unwrap_or(true),
        help: None,
    };
    check_endpoints(table, &profile)?;
    assertion::check(table, &profile)?;
    Ok(profile)
}

/// Without an issuer to ask, the endpoints that the flow needs must be there.
fn check_endpoints(table: &Table<'_>, profile: &Profile) -> Result<(), ConfigError> {
    let needed = profile.needed_endpoints();
    if profile.issuer.is_some() || needed.iter().all(|name| profile.endpoints.named(name).is_some()) {
        return Ok(());
    }
    let instead = needed.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
    Err(table.error("", &format!("the profile has no issuer; add `issuer`, or {instead}")))
}

fn issuer(table: &Table<'_>) -> Result<Option<String>, ConfigError> {
    let issuer = endpoint(table, "issuer")?;
    if issuer.as_ref().is_some_and(|issuer| issuer.contains('?')) {
        return Err(table.error("issuer", "issuer must have no query; correct it"));
    }
    Ok(issuer)
}

fn endpoints(table: &Table<'_>) -> Result<Endpoints, ConfigError> {
    Ok(Endpoints {
        authorization: endpoint(table, "authorization_endpoint")?,
        token: endpoint(table, "token_endpoint")?,
        device_authorization: endpoint(table, "device_authorization_endpoint")?,
        revocation: endpoint(table, "revocation_endpoint")?,
        userinfo: endpoint(table, "userinfo_endpoint")?,
    })
}

fn endpoint(table: &Table<'_>, key: &str) -> Result<Option<String>, ConfigError> {
    match table.text(key)? {
        Some(text) if !is_endpoint(&text) => Err(table.error(
            key,
            &format!("{key} must be an https URL, or http to a loopback host, without user name or fragment; correct it"),
        )),
        endpoint => Ok(endpoint),
    }
}

fn client_id(table: &Table<'_>, flow: Flow) -> Result<String, ConfigError> {
    match table.text("client_id")? {
        Some(text) if !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => Ok(text),
        Some(_) => {
            Err(table.error("client_id", "client_id must be printable ASCII and not empty; correct it"))
        }
        // A process that logs in may bring its own.
        None if flow == Flow::ClientCredentials => Ok(String::new()),
        None => {
            Err(table.error("client_id", "the profile has no client_id; add the one that the server gave"))
        }
    }
}

fn flow(table: &Table<'_>, allow_legacy: bool) -> Result<Flow, ConfigError> {
    let Some(text) = table.text("flow")? else {
        return Ok(Flow::Browser);
    };
    match Flow::named(&text) {
        Some(flow) if flow.legacy_warning().is_some() && !allow_legacy => {
            let what = format!(
                "flow {} is legacy, and RFC 9700 advises against it; use another, or add allow_legacy = true",
                flow.name()
            );
            Err(table.error("flow", &what))
        }
        Some(flow) => Ok(flow),
        None => {
            let known = Flow::ALL.map(|flow| format!("\"{}\"", flow.name())).join(", ");
            Err(table.error("flow", &format!("flow must be one of {known}; correct it or remove it")))
        }
    }
}

fn response_mode(table: &Table<'_>) -> Result<ResponseMode, ConfigError> {
    match table.text("response_mode")?.as_deref() {
        None | Some("query") => Ok(ResponseMode::Query),
        Some("form_post") => Ok(ResponseMode::FormPost),
        Some(_) => Err(table.error(
            "response_mode",
            "response_mode must be \"query\" or \"form_post\"; correct it or remove it",
        )),
    }
}

fn allowed_token_endpoints(table: &Table<'_>) -> Result<Vec<AllowedEndpoint>, ConfigError> {
    const KEY: &str = "allowed_token_endpoints";
    let entries = table.texts(KEY)?.unwrap_or_default();
    let allowed = entries.iter().map(|entry| AllowedEndpoint::parse(entry)).collect::<Option<Vec<_>>>();
    allowed.ok_or_else(|| {
        table.error(
            KEY,
            "allowed_token_endpoints must be https URLs, or http to a loopback host, without user name, query and \
             fragment, with at most one {tenant} as a whole segment of the path; correct them",
        )
    })
}

fn scopes(table: &Table<'_>) -> Result<Vec<String>, ConfigError> {
    let scopes = table.words("scopes")?.unwrap_or_default();
    if scopes.iter().all(|scope| is_scope_token(scope)) {
        return Ok(scopes);
    }
    Err(table.error("scopes", "a scope is printable ASCII without space, quote or backslash; correct scopes"))
}

/// RFC 6749 section 3.3.
fn is_scope_token(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Names of Microsoft's, which go into JSON; others than `cp1` are not known yet.
fn client_capabilities(table: &Table<'_>) -> Result<Vec<String>, ConfigError> {
    const KEY: &str = "client_capabilities";
    let capabilities = table.words(KEY)?.unwrap_or_default();
    if capabilities.iter().all(|capability| is_scope_token(capability)) {
        return Ok(capabilities);
    }
    Err(table.error(
        KEY,
        "a capability is a word of printable ASCII, such as \"cp1\"; correct client_capabilities",
    ))
}

fn resources(table: &Table<'_>) -> Result<Vec<String>, ConfigError> {
    let resources = table.words("resources")?.unwrap_or_default();
    if resources.iter().all(|resource| is_resource(resource)) {
        return Ok(resources);
    }
    Err(table.error("resources", "a resource is an absolute URI without fragment; correct resources"))
}

fn resource_style(table: &Table<'_>) -> Result<Option<ResourceStyle>, ConfigError> {
    const KEY: &str = "resource_style";
    let Some(text) = table.text(KEY)? else {
        return Ok(None);
    };
    match ResourceStyle::WORDS.iter().find(|(word, _)| *word == text) {
        Some((_, style)) => Ok(Some(*style)),
        None => Err(table.error(
            KEY,
            "resource_style must be \"rfc8707\", \"entra\" or \"audience\"; correct it or remove it",
        )),
    }
}

fn redirect_uri(table: &Table<'_>, flow: Flow) -> Result<String, ConfigError> {
    const KEY: &str = "redirect_uri";
    let Some(text) = table.text(KEY)? else {
        return Ok(REDIRECT_URI.to_owned());
    };
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let url = Url::parse(&text).ok().filter(|url| {
        is_plain && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
    });
    if flow == Flow::Browser {
        if url.is_some_and(|url| url.scheme() == "http" && is_loopback(&url) && url.query().is_none()) {
            return Ok(text);
        }
        return Err(table.error(
            KEY,
            "redirect_uri must be http to 127.0.0.1, [::1] or localhost, without query or fragment; correct it",
        ));
    }
    match url {
        Some(_) => Ok(text),
        None => Err(table
            .error(KEY, "redirect_uri must be an absolute URI without user name or fragment; correct it")),
    }
}

fn route(table: &Table<'_>) -> Result<Route, ConfigError> {
    let tls_ca_file = table.text("tls_ca_file")?;
    if tls_ca_file.as_ref().is_some_and(String::is_empty) {
        return Err(table.error("tls_ca_file", "tls_ca_file is empty; name a PEM file or remove it"));
    }
    let proxy = table.text("proxy")?;
    let is_proxy = |text: &String| {
        Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    };
    if !proxy.as_ref().is_none_or(is_proxy) {
        return Err(table.error("proxy", "proxy must be an http or https URL; correct it"));
    }
    Ok(Route { tls_ca_file: tls_ca_file.map(|path| table.folder().join(path)), proxy })
}

fn refresh_idle(table: &Table<'_>) -> Result<Option<u64>, ConfigError> {
    const KEY: &str = "refresh_idle";
    let Some(text) = table.text(KEY)? else {
        return Ok(None);
    };
    match fourinsight_ipc::duration::parse(&text).map(|idle| idle.as_secs()) {
        Ok(seconds) if seconds > 0 => Ok(Some(seconds)),
        _ => Err(table.error(KEY, "refresh_idle must be a duration like \"8h\" or \"7d\"; correct it")),
    }
}
