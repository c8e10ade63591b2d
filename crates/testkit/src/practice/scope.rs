//! What a request asks for, pure: scope and resources, judged by the dialect's rules.

use super::{
    answer::{Cause, Refusal},
    dialect::{self, Dialect, auth0},
    grant::Grant,
    ledger::Parameters,
    settings::Settings,
};

/// What was asked for, and may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) scope: Vec<String>,
    pub(super) resources: Vec<String>,
}

/// What a login asks for.
pub(super) fn of_person(settings: &Settings, parameters: &Parameters) -> Result<Wanted, Refusal> {
    let scope = words(parameters.get("scope"));
    match &settings.dialect {
        Dialect::Standard => {
            known(settings, &scope)?;
            Ok(Wanted { scope, resources: resources(parameters, &[])? })
        }
        Dialect::Entra(entra) => dialect::of_person(entra, parameters, scope),
        Dialect::Auth0(auth0) => {
            let resources = auth0::audience(auth0, parameters)?;
            Ok(Wanted { scope: granted_in_silence(settings, scope), resources })
        }
        Dialect::GitHub => {
            let scope = scope.iter().flat_map(|word| word.split(',')).map(str::to_owned).collect();
            Ok(Wanted { scope: granted_in_silence(settings, scope), resources: vec![] })
        }
    }
}

/// What a client asks for itself.
pub(super) fn of_client(settings: &Settings, parameters: &Parameters) -> Result<Wanted, Refusal> {
    let scope = words(parameters.get("scope"));
    if let Dialect::Entra(entra) = &settings.dialect {
        return dialect::of_client(entra, parameters, scope);
    }
    if scope.iter().any(|word| RESERVED.contains(&word.as_str())) {
        return Err(Refusal::invalid_scope("a client has no such scope of its own"));
    }
    known(settings, &scope)?;
    let resources = match &settings.dialect {
        Dialect::Auth0(auth0) => auth0::needed_audience(auth0, parameters)?,
        _ => resources(parameters, &[])?,
    };
    Ok(Wanted { scope, resources })
}

/// What a refresh asks for, within what was granted.
pub(super) fn of_refresh(
    settings: &Settings,
    parameters: &Parameters,
    grant: &Grant,
) -> Result<Wanted, Refusal> {
    let asked = words(parameters.get("scope"));
    if let Dialect::Entra(entra) = &settings.dialect {
        return dialect::of_refresh(entra, parameters, asked, grant);
    }
    let scope = match asked {
        nothing if nothing.is_empty() => grant.scope.clone(),
        narrowed if narrowed.iter().all(|word| grant.scope.contains(word)) => narrowed,
        _ => return Err(Refusal::invalid_scope("scope goes beyond what was granted")),
    };
    let resources = match settings.dialect {
        Dialect::Standard => resources(parameters, &grant.resources)?,
        _ => grant.resources.clone(),
    };
    Ok(Wanted { scope, resources })
}

/// The resources that the exchange of a code, or the poll that succeeds, narrows the login's to (RFC 8707 section 2.2).
pub(super) fn narrowed(
    settings: &Settings,
    parameters: &Parameters,
    granted: &[String],
) -> Result<Vec<String>, Refusal> {
    match settings.dialect {
        Dialect::Standard => resources(parameters, granted),
        Dialect::Entra(_) => dialect::without_resource(parameters).map(|()| granted.to_vec()),
        Dialect::Auth0(_) | Dialect::GitHub => Ok(granted.to_vec()),
    }
}

/// The scopes that are about a person, not about an API.
pub(super) const RESERVED: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// The words of a `scope` parameter.
fn words(scope: Option<&str>) -> Vec<String> {
    scope.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect()
}

fn known(settings: &Settings, scope: &[String]) -> Result<(), Refusal> {
    let unknown = scope.iter().any(|word| !settings.scopes.contains(word));
    if unknown { Err(Refusal::invalid_scope("unknown scope").because(Cause::ScopeUnknown)) } else { Ok(()) }
}

/// What is left where a server leaves out what it does not know.
fn granted_in_silence(settings: &Settings, mut scope: Vec<String>) -> Vec<String> {
    scope.retain(|word| settings.scopes.contains(word));
    scope
}

/// The resources that the access token is for; the granted ones where none is named (RFC 8707 section 2.2).
fn resources(parameters: &Parameters, granted: &[String]) -> Result<Vec<String>, Refusal> {
    let asked: Vec<_> = parameters.all("resource").map(str::to_owned).collect();
    let is_resource = |text: &String| url::Url::parse(text).is_ok_and(|uri| uri.fragment().is_none());
    if !asked.iter().all(is_resource) {
        return Err(Refusal::invalid_target("a resource is an absolute URI without a fragment"));
    }
    if !granted.is_empty() && asked.iter().any(|resource| !granted.contains(resource)) {
        return Err(Refusal::invalid_target("the login did not name this resource"));
    }
    Ok(if asked.is_empty() { granted.to_vec() } else { asked })
}
