//! Entra's scopes, pure: they name their API, `.default` stands for all of one, and there is no `resource`.

use super::entra::{Entra, Guarded, Lacks, Resource};
use crate::practice::{
    answer::{Cause, Refusal},
    claims,
    grant::Grant,
    ledger::Parameters,
    scope::{RESERVED, Wanted},
};

/// What a login asks for.
pub(in crate::practice) fn of_person(
    entra: &Entra,
    parameters: &Parameters,
    scope: Vec<String>,
) -> Result<Wanted, Refusal> {
    without_resource(parameters)?;
    let resource = entra.judge(&scope)?;
    Ok(Wanted {
        resources: resource.map(|resource| resource.identifier.clone()).into_iter().collect(),
        scope,
    })
}

/// What a client asks for itself: all that it may at one API.
pub(in crate::practice) fn of_client(
    entra: &Entra,
    parameters: &Parameters,
    scope: Vec<String>,
) -> Result<Wanted, Refusal> {
    without_resource(parameters)?;
    let resource = entra.judge(&scope)?;
    match (resource, &scope[..]) {
        (Some(resource), [only]) if only.ends_with("/.default") => {
            Ok(Wanted { resources: vec![resource.identifier.clone()], scope })
        }
        _ => Err(Refusal::invalid_scope("a client asks for .default of one resource, and for nothing else")
            .because(Cause::ScopeNotOfClient)),
    }
}

/// What a refresh asks for: the same again, or any other API of this directory.
pub(in crate::practice) fn of_refresh(
    entra: &Entra,
    parameters: &Parameters,
    asked: Vec<String>,
    grant: &Grant,
) -> Result<Wanted, Refusal> {
    without_resource(parameters)?;
    let scope = if asked.is_empty() { grant.scope.clone() } else { asked };
    let is_default = |word: &String| word.ends_with("/.default");
    let is_mixed = scope.iter().any(is_default) && scope.iter().any(|word| is_reserved(word));
    if grant.by_device && is_mixed && parameters.get("scope").is_some() {
        return Err(Refusal::invalid_grant(
            "reserved scopes beside .default in the refresh of a device's login",
        )
        .because(Cause::ScopeNotOfDevice));
    }
    let resource = entra.judge(&scope)?;
    if let Some(resource) = resource {
        let guard = entra
            .guarded
            .iter()
            .position(|guarded| guarded.resource == resource.identifier && !guarded.is_lifted_by(grant));
        if let Some(index) = guard {
            return Err(Refusal::invalid_grant("this resource wants more of the person")
                .because(Cause::Guarded(index)));
        }
    }
    Ok(Wanted {
        resources: resource.map(|resource| resource.identifier.clone()).into_iter().collect(),
        scope,
    })
}

/// There is no `resource` parameter (RFC 8707) in Entra's second version.
pub(in crate::practice) fn without_resource(parameters: &Parameters) -> Result<(), Refusal> {
    match parameters.get("resource") {
        None => Ok(()),
        Some(_) => {
            Err(Refusal::invalid_target("there is no resource parameter").because(Cause::ResourceUnwanted))
        }
    }
}

impl Guarded {
    /// Whether the login holds what is wanted.
    fn is_lifted_by(&self, login: &Grant) -> bool {
        match &self.lacks {
            Lacks::Proof { claims, .. } => {
                serde_json::from_str(claims).is_ok_and(|wanted| claims::meets(login.claims.as_ref(), &wanted))
            }
            Lacks::Consent => login.resources.contains(&self.resource),
        }
    }
}

impl Entra {
    /// What an answer says was granted: the scopes that `.default` stands for, and never the reserved ones beside
    /// an API's.
    pub(super) fn spelt_out(&self, scope: &[String]) -> Vec<String> {
        let Some((resource, _)) = scope.iter().find_map(|word| self.resource_of(word)) else {
            return scope.iter().filter(|word| *word != "offline_access").cloned().collect();
        };
        let full = |name: &String| format!("{}/{name}", resource.identifier);
        let all = scope.iter().any(|word| word.ends_with("/.default"));
        resource.scopes.iter().map(full).filter(|word| all || scope.contains(word)).collect()
    }

    /// Whether the words go together: known ones, of one resource at most, and `.default` alone of its resource.
    fn judge(&self, scope: &[String]) -> Result<Option<&Resource>, Refusal> {
        let mut found: Option<&Resource> = None;
        let mut names = Vec::new();
        for word in scope.iter().filter(|word| !is_reserved(word)) {
            let (resource, name) = self.resource_of(word).ok_or_else(|| {
                Refusal::bad("invalid_resource", "no such resource").because(Cause::ResourceUnknown)
            })?;
            if name != ".default" && !resource.scopes.iter().any(|known| known == name) {
                return Err(Refusal::invalid_scope("no such scope").because(Cause::ScopeUnknown));
            }
            if found.is_some_and(|other| other != resource) {
                return Err(Refusal::invalid_request("scope names more than one resource")
                    .because(Cause::ScopeOfSeveralResources));
            }
            found = Some(resource);
            names.push(name);
        }
        if names.contains(&".default") && names.len() > 1 {
            return Err(Refusal::invalid_scope(".default stands alone").because(Cause::ScopeMixed));
        }
        Ok(found)
    }

    fn resource_of<'a>(&self, word: &'a str) -> Option<(&Resource, &'a str)> {
        let (identifier, name) = word.rsplit_once('/')?;
        // An identifier may end with a slash itself, which then comes twice.
        let same = |resource: &&Resource| {
            resource.identifier.trim_end_matches('/') == identifier.trim_end_matches('/')
        };
        self.resources.iter().find(same).map(|resource| (resource, name))
    }
}

fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}
