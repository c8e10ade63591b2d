//! How a server is told what a token is for: scopes and resources as each dialect writes them.
//!
//! A session keeps what was asked for in the profile's words. They are put into the server's words here, at each
//! request, so that a token's key means the same whatever the server calls it.

use serde::{Deserialize, Serialize};

use super::{Parameters, Registration, microsoft, request::Form};
use crate::token::TokenKey;

/// How a request names the API that a token is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceStyle {
    /// By `resource` (RFC 8707).
    #[default]
    Rfc8707,
    /// By a scope: Microsoft Entra's `RESOURCE/.default`.
    Entra,
    /// By `audience`, as at Auth0.
    Audience,
}

impl ResourceStyle {
    /// Every style, by its word in the configuration.
    pub const WORDS: [(&str, Self); 3] =
        [("rfc8707", Self::Rfc8707), ("entra", Self::Entra), ("audience", Self::Audience)];

    /// The style of a server that was found at one of these URLs.
    pub fn at<'a>(urls: impl IntoIterator<Item = &'a str>) -> Self {
        if urls.into_iter().any(microsoft::is_login_host) { Self::Entra } else { Self::Rfc8707 }
    }
}

/// How a session speaks to its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// How requests name the API that a token is for.
    #[serde(default)]
    pub resource_style: ResourceStyle,
    /// The session signs in by the device flow.
    #[serde(default)]
    pub by_device: bool,
}

/// Which of a session's tokens a refresh is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// The one of what the login asked for.
    Own {
        /// The scopes to name, where the server may grant fewer when none are named.
        granted: &'a [&'a str],
        /// The first resource that the login named.
        resource: Option<&'a str>,
        /// Whether the server is to say who signed in, because nobody knows it yet.
        asks_who: bool,
    },
    /// Another one.
    Other {
        /// The first resource that the login named.
        resource: Option<&'a str>,
    },
}

/// Whether the server is Microsoft Entra, by its token endpoint or because the profile says so.
pub fn is_entra(registration: &Registration) -> bool {
    registration.dialect.resource_style == ResourceStyle::Entra
        || microsoft::is_login_host(&registration.token_endpoint)
}

/// What a request asks for, in the server's words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Scopes, in the order in which they are sent.
    pub(crate) scopes: Vec<String>,
    /// Resources, each with the name of its parameter.
    pub(crate) resources: Vec<(&'static str, String)>,
}

impl Wanted {
    /// Leaves out what these parameters say themselves.
    pub(super) fn leave_to(&mut self, parameters: &Parameters) {
        if parameters.contains_key("scope") {
            self.scopes.clear();
        }
        self.resources.retain(|(name, _)| !parameters.contains_key(*name));
    }

    /// Adds it to a form.
    pub(super) fn push_to(&self, form: &mut Form) {
        if !self.scopes.is_empty() {
            form.push("scope", &self.scopes.join(" "));
        }
        for (name, resource) in &self.resources {
            form.push(name, resource);
        }
    }
}

/// The scopes that steer a login. Entra's own libraries add them to every login of a person.
const LOGIN_SCOPES: [&str; 3] = ["openid", "profile", "offline_access"];

/// The scope that asks for a refresh token.
const OFFLINE_ACCESS: &str = "offline_access";

/// What stands for all that a resource has granted to the client.
const DEFAULT: &str = "/.default";

impl Dialect {
    /// What a login with a person asks for.
    pub(crate) fn for_person<'a>(
        self,
        scopes: impl IntoIterator<Item = &'a str>,
        resources: impl IntoIterator<Item = &'a str>,
    ) -> Wanted {
        let mut wanted = self.for_client(scopes, resources);
        if self.resource_style == ResourceStyle::Entra {
            add(&mut wanted.scopes, &LOGIN_SCOPES);
        }
        wanted
    }

    /// What a client asks for as itself.
    pub(crate) fn for_client<'a>(
        self,
        scopes: impl IntoIterator<Item = &'a str>,
        resources: impl IntoIterator<Item = &'a str>,
    ) -> Wanted {
        let mut wanted = Wanted::default();
        wanted.scopes.extend(scopes.into_iter().map(str::to_owned));
        for resource in resources {
            match self.resource_style {
                ResourceStyle::Rfc8707 => wanted.resources.push(("resource", resource.to_owned())),
                ResourceStyle::Audience => wanted.resources.push(("audience", resource.to_owned())),
                ResourceStyle::Entra if resource.ends_with(DEFAULT) => add(&mut wanted.scopes, &[resource]),
                ResourceStyle::Entra => add(&mut wanted.scopes, &[&format!("{resource}{DEFAULT}")]),
            }
        }
        wanted
    }

    /// What the exchange of a code repeats of what its login asked for: the first resource, which is the one that the
    /// session's own token is for. Servers that issue a token for one resource only refuse to be named several (npm
    /// `oidc-provider`, once it has used up the code), and some take none to mean something else altogether.
    pub(crate) fn for_code<'a>(self, resources: impl IntoIterator<Item = &'a str>) -> Wanted {
        match self.resource_style {
            ResourceStyle::Rfc8707 => self.for_client([], resources.into_iter().take(1)),
            ResourceStyle::Entra | ResourceStyle::Audience => Wanted::default(),
        }
    }

    /// What a refresh asks for: for the session's own key no scope, unless the dialect wants it named or an earlier
    /// refresh has narrowed what the server grants when none is; and the resource of the code's exchange wherever no
    /// other is asked for.
    pub(crate) fn for_refresh(self, key: &TokenKey, purpose: Purpose<'_>) -> Wanted {
        if self.resource_style != ResourceStyle::Entra {
            return match purpose {
                Purpose::Own { granted, resource, .. } => {
                    self.for_client(granted.iter().copied(), self.repeated(resource))
                }
                Purpose::Other { resource } if key.resources().next().is_none() => {
                    self.for_client(key.scopes(), self.repeated(resource))
                }
                Purpose::Other { .. } => self.for_client(key.scopes(), key.resources()),
            };
        }
        let mut wanted = self.for_client(key.scopes(), key.resources());
        let asks_who = matches!(purpose, Purpose::Own { asks_who: true, .. });
        // Entra refuses the refresh token of a device login when `.default` has such company.
        let alone = self.by_device && wanted.scopes.iter().any(|scope| scope.ends_with(DEFAULT));
        if wanted.scopes.is_empty() || (asks_who && !alone) {
            add(&mut wanted.scopes, &LOGIN_SCOPES);
        } else if !alone {
            add(&mut wanted.scopes, &[OFFLINE_ACCESS]);
        }
        wanted
    }

    /// The login's resource where a token request names it again.
    fn repeated(self, resource: Option<&str>) -> Option<&str> {
        resource.filter(|_| self.resource_style == ResourceStyle::Rfc8707)
    }
}

fn add(scopes: &mut Vec<String>, more: &[&str]) {
    for scope in more {
        if !scopes.iter().any(|known| known == scope) {
            scopes.push((*scope).to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: &str = "https://api.example";

    fn entra(by_device: bool) -> Dialect {
        Dialect { resource_style: ResourceStyle::Entra, by_device }
    }

    #[test]
    fn resources_are_named_as_the_server_wants_them() {
        let asked = |resource_style| {
            let dialect = Dialect { resource_style, by_device: false };
            let wanted = dialect.for_client(["b", "a"], [API, "https://two.example/"]);
            (wanted.scopes.join(" "), wanted.resources)
        };
        let both = |name| vec![(name, API.to_owned()), (name, "https://two.example/".to_owned())];
        assert_eq!(asked(ResourceStyle::Rfc8707), ("b a".to_owned(), both("resource")));
        assert_eq!(asked(ResourceStyle::Audience), ("b a".to_owned(), both("audience")));
        // The second slash is Entra's rule: what stands before "/.default" is the audience to the letter.
        let scopes = "b a https://api.example/.default https://two.example//.default";
        assert_eq!(asked(ResourceStyle::Entra), (scopes.to_owned(), vec![]));
    }

    #[test]
    fn login_scopes_are_added_for_people_only_and_at_entra_only() {
        for (asked, resources, person, client) in [
            ("", "", "openid profile offline_access", ""),
            ("read", "", "read openid profile offline_access", "read"),
            (
                "offline_access read openid",
                "",
                "offline_access read openid profile",
                "offline_access read openid",
            ),
            ("", "api://x", "api://x/.default openid profile offline_access", "api://x/.default"),
            (
                "api://x/.default",
                "api://x",
                "api://x/.default openid profile offline_access",
                "api://x/.default",
            ),
            ("", "api://x/.default", "api://x/.default openid profile offline_access", "api://x/.default"),
        ] {
            let scopes = || asked.split_whitespace();
            let resources = || resources.split_whitespace();
            assert_eq!(entra(false).for_person(scopes(), resources()).scopes.join(" "), person);
            assert_eq!(entra(true).for_client(scopes(), resources()).scopes.join(" "), client);
            let plain = Dialect::default().for_person(scopes(), []);
            assert_eq!((plain.scopes.join(" ").as_str(), plain.resources), (asked, vec![]));
        }
    }

    fn own_purpose<'a>(granted: &'a [&'a str]) -> Purpose<'a> {
        Purpose::Own { granted, resource: Some(API), asks_who: false }
    }

    #[test]
    fn only_rfc_8707_repeats_resources_with_a_code() {
        for (resource_style, repeated) in
            [(ResourceStyle::Rfc8707, 1), (ResourceStyle::Entra, 0), (ResourceStyle::Audience, 0)]
        {
            let wanted = Dialect { resource_style, by_device: false }.for_code([API, "https://other/"]);
            assert_eq!((wanted.resources.len(), wanted.scopes.len()), (repeated, 0), "{resource_style:?}");
        }
    }

    #[test]
    fn a_refresh_names_scopes_where_the_dialect_wants_them() {
        for (dialect, scopes, resources, own, asked) in [
            (Dialect::default(), "b a", API, true, ""),
            (Dialect::default(), "b a openid", API, false, "a b"),
            (entra(false), "b a openid", "", true, "a b offline_access"),
            (entra(false), "api://x/.default openid", "", true, "api://x/.default offline_access"),
            (entra(false), "", "api://y", false, "api://y/.default offline_access"),
            (entra(false), "openid", "", true, "openid profile offline_access"),
            (entra(true), "api://x/read openid", "", true, "api://x/read offline_access"),
            (entra(true), "api://x/.default openid profile offline_access", "", true, "api://x/.default"),
            (entra(true), "openid offline_access", "api://x", true, "api://x/.default"),
            (entra(true), "", "api://y", false, "api://y/.default"),
        ] {
            let key = TokenKey::new(scopes.split_whitespace(), resources.split_whitespace());
            let purpose = if own { own_purpose(&[]) } else { Purpose::Other { resource: Some(API) } };
            let wanted = dialect.for_refresh(&key, purpose);
            assert_eq!(wanted.scopes.join(" "), asked, "{scopes} {resources}");
            let resources = wanted.resources.iter().map(|(_, resource)| resource.as_str());
            let named = dialect == Dialect::default();
            assert_eq!(resources.collect::<Vec<_>>(), if named { vec![API] } else { vec![] });
        }
    }

    #[test]
    fn who_signed_in_is_asked_for_where_it_is_not_known_and_the_server_would_say() {
        for (dialect, scopes, asked) in [
            (Dialect::default(), "a openid", ""),
            (entra(false), "b a", "a b openid profile offline_access"),
            (entra(false), "api://x/.default", "api://x/.default openid profile offline_access"),
            (entra(true), "a", "a openid profile offline_access"),
            (entra(true), "api://x/.default", "api://x/.default"),
        ] {
            let key = TokenKey::new(scopes.split_whitespace(), []);
            let purpose = Purpose::Own { granted: &[], resource: None, asks_who: true };
            let wanted = dialect.for_refresh(&key, purpose);
            assert_eq!((wanted.scopes.join(" ").as_str(), wanted.resources), (asked, vec![]), "{scopes}");
        }
    }

    #[test]
    fn a_refresh_names_the_logins_resource_where_it_names_no_other() {
        let style = |resource_style| Dialect { resource_style, by_device: false };
        let purposes = [own_purpose(&[]), Purpose::Other { resource: Some(API) }];
        for (resource_style, resources, own, other) in [
            (ResourceStyle::Rfc8707, "", vec![API], vec![API]),
            (
                ResourceStyle::Rfc8707,
                "https://r2/ https://r1/",
                vec![API],
                vec!["https://r1/", "https://r2/"],
            ),
            (ResourceStyle::Audience, "", vec![], vec![]),
            (ResourceStyle::Audience, "https://r1/", vec![], vec!["https://r1/"]),
        ] {
            let key = TokenKey::new(["a"], resources.split_whitespace());
            for (purpose, expected) in purposes.into_iter().zip([own, other]) {
                let wanted = style(resource_style).for_refresh(&key, purpose).resources;
                let named: Vec<_> = wanted.iter().map(|(_, resource)| resource.as_str()).collect();
                assert_eq!(named, expected, "{resource_style:?} {resources} {purpose:?}");
            }
        }
    }

    #[test]
    fn after_a_narrowed_refresh_the_own_one_names_what_was_granted() {
        let key = TokenKey::new(["a", "b"], [API]);
        let purpose = own_purpose(&["openid", "b", "a"]);
        for resource_style in [ResourceStyle::Rfc8707, ResourceStyle::Audience] {
            let wanted = Dialect { resource_style, by_device: false }.for_refresh(&key, purpose);
            assert_eq!(wanted.scopes.join(" "), "openid b a");
        }
        // Entra is told each time.
        assert_eq!(entra(false).for_refresh(&key, purpose), entra(false).for_refresh(&key, own_purpose(&[])));
    }

    #[test]
    fn records_of_earlier_versions_speak_as_they_did() {
        assert_eq!(serde_json::from_str::<Dialect>("{}").unwrap(), Dialect::default());
        for (word, resource_style) in ResourceStyle::WORDS {
            let written = serde_json::to_string(&resource_style).unwrap();
            assert_eq!(written, format!("\"{word}\""));
        }
    }

    #[test]
    fn a_style_follows_the_host() {
        let entra = "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token";
        assert_eq!(ResourceStyle::at(["https://id.example/", entra]), ResourceStyle::Entra);
        let other = "https://login.microsoftonline.com.evil.example/token";
        assert_eq!(ResourceStyle::at(["https://id.example/", other]), ResourceStyle::Rfc8707);
    }
}
