//! A token cache of MSAL, read by field and never by key: libraries other than Python's write the keys otherwise, and
//! `target` as `null`. Numbers are strings.

use std::collections::{BTreeMap, BTreeSet};

use super::found::{self, Found, LOOK_AGAIN, SIGN_IN, Unusable};
use crate::authority::json::Object;

/// More logins than any cache has; comparing them all with each other would keep everyone waiting.
const MOST: usize = 256;

/// Reads a cache: a login for each person, client and host that has a refresh token.
pub(crate) fn read(content: &str) -> Result<Vec<Found>, Unusable> {
    let cache = found::object(content)?;
    let is_msal = ["AccessToken", "RefreshToken", "IdToken", "Account", "AppMetadata"];
    if !is_msal.iter().any(|part| cache.object(part).is_some()) {
        return Err(Unusable {
            what: "The file is no token cache of MSAL: it has neither AccessToken nor RefreshToken nor Account.",
            next: "name the cache that MSAL wrote; for other caches see `fourinsightctl import --help`",
        });
    }
    let people = people(&cache);
    let named = owners(&cache, "IdToken");
    let mut logins: BTreeMap<Owner, (i64, Found)> = BTreeMap::new();
    for entry in cache.object("RefreshToken").iter().flat_map(Object::objects) {
        let Some(owner) = owner(&entry) else { continue };
        let Ok(refresh_token) = found::refresh_token(&entry, "secret") else {
            return Err(Unusable { what: "A refresh token in the file is none.", next: LOOK_AGAIN });
        };
        let written = entry.number("last_modification_time").unwrap_or_default() as i64;
        let person = people.get(&(owner.home.clone(), owner.environment.clone()));
        let found = Found {
            username: person.and_then(|person| person.username.clone()),
            by_device: person.and_then(|person| person.by_device),
            names_person: named.contains(&owner),
            environment: Some(owner.environment.clone()),
            client_id: Some(owner.client_id.clone()),
            scopes: found::scopes(&entry, "target"),
            ..Found::new(refresh_token)
        };
        // The same login under two keys: the one that was written last is the one that counts.
        if logins.get(&owner).is_none_or(|(before, _)| *before <= written) {
            logins.insert(owner, (written, found));
        }
        if logins.len() > MOST {
            return Err(Unusable {
                what: "The cache holds more logins than can be told apart.",
                next: "sign out of some in the tool that wrote it, or sign in anew with `fourinsightctl login`",
            });
        }
    }
    if logins.is_empty() {
        return Err(Unusable {
            what: "The cache holds no refresh token, so nothing can renew a login of it.",
            next: SIGN_IN,
        });
    }
    Ok(logins.into_values().map(|(_, found)| found).collect())
}

/// The grant of the device flow (RFC 8628 section 3.4).
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Whether two names of a host stand for one of Microsoft's clouds, or are the same.
pub(super) fn same_environment(one: &str, other: &str) -> bool {
    let cloud = |host: &str| CLOUDS.iter().position(|hosts| hosts.contains(&host));
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    one == other || cloud(&one).is_some_and(|found| cloud(&other) == Some(found))
}

/// The hosts that Microsoft's instance discovery calls by each other's names.
const CLOUDS: [&[&str]; 4] = [
    &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
    &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    &["login-us.microsoftonline.com"],
];

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    home: String,
    environment: String,
    client_id: String,
}

/// What a cache says of somebody.
struct Person {
    username: Option<String>,
    by_device: Option<bool>,
}

/// The people, by their home identifier and host.
fn people(cache: &Object<'_>) -> BTreeMap<(String, String), Person> {
    let accounts = cache.object("Account");
    let people = accounts.iter().flat_map(Object::objects).filter_map(|entry| {
        let home = found::shown(&entry, "home_account_id")?;
        let environment = found::shown(&entry, "environment")?.to_ascii_lowercase();
        let by_device = found::shown(&entry, "account_source").map(|grant| grant == DEVICE_CODE);
        Some(((home, environment), Person { username: found::shown(&entry, "username"), by_device }))
    });
    people.collect()
}

/// Whose the entries of a part are.
fn owners(cache: &Object<'_>, part: &str) -> BTreeSet<Owner> {
    cache.object(part).iter().flat_map(Object::objects).filter_map(|entry| owner(&entry)).collect()
}

/// Whose an entry is, if it says so.
fn owner(entry: &Object<'_>) -> Option<Owner> {
    Some(Owner {
        home: found::shown(entry, "home_account_id").unwrap_or_default(),
        environment: found::shown(entry, "environment")?.to_ascii_lowercase(),
        client_id: found::shown(entry, "client_id")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As MSAL Python 1.39 serialises it: two people of one client, and a second client of the first.
    const FILE: &str = include_str!("golden/msal.json");

    type Summary<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, &'a str);

    fn summary(found: &[Found]) -> Vec<Summary<'_>> {
        found
            .iter()
            .map(|found| {
                (
                    found.username.as_deref(),
                    found.client_id.as_deref(),
                    found.environment.as_deref(),
                    found.refresh_token.expose(),
                )
            })
            .collect()
    }

    #[test]
    fn every_login_of_a_cache_is_found_by_its_fields() {
        let host = Some("login.microsoftonline.com");
        assert_eq!(
            summary(&read(FILE).unwrap()),
            [
                (Some("ada@example.com"), Some("client-one"), host, "rt-ada-one-new"),
                (Some("ada@example.com"), Some("client-two"), host, "rt-ada-two"),
                (Some("grace@example.com"), Some("client-one"), host, "rt-grace-one"),
            ]
        );
    }

    #[test]
    fn how_each_signed_in_is_read_and_who_is_known_to_the_client() {
        let found = read(FILE).unwrap();
        let said: Vec<_> = found.iter().map(|found| (found.by_device, found.names_person)).collect();
        assert_eq!(said, [(Some(false), true), (Some(false), false), (Some(true), false)]);
        let alone = r#"{"RefreshToken":{"k":{"secret":"r","environment":"e","client_id":"c"}}}"#;
        let found = &read(alone).unwrap()[0];
        assert_eq!((found.by_device, found.names_person), (None, false));
    }

    #[test]
    fn other_sdks_write_other_keys_null_targets_and_no_account() {
        let text = r#"{"RefreshToken":{"whatever":{"secret":"r","environment":"LOGIN.example","client_id":"c",
            "target":null,"home_account_id":null,"last_modification_time":1769000000}}}"#;
        assert_eq!(summary(&read(text).unwrap()), [(None, Some("c"), Some("login.example"), "r")]);
    }

    #[test]
    fn a_cache_with_more_logins_than_anybody_has_is_refused_at_once() {
        let entry = |number: usize| {
            format!(
                r#""{number}":{{"secret":"c4nary","environment":"e","client_id":"c","home_account_id":"h{number}"}}"#
            )
        };
        let cache = |count| {
            let entries: Vec<_> = (0..count).map(entry).collect();
            format!(r#"{{"RefreshToken":{{{}}}}}"#, entries.join(","))
        };
        assert_eq!(read(&cache(MOST)).unwrap().len(), MOST);
        let error = read(&cache(MOST + 1)).unwrap_err();
        assert!(error.what.contains("more logins"), "{error:?}");
    }

    #[test]
    fn a_cache_without_a_refresh_token_or_of_another_tool_is_told_apart() {
        for (text, says) in [
            (r#"{"AccessToken":{"k":{"secret":"c4nary"}}}"#, "no refresh token"),
            (r#"{"RefreshToken":{}}"#, "no refresh token"),
            (r#"{"RefreshToken":{"k":{"secret":"c4nary"}}}"#, "no refresh token"),
            (r#"{"RefreshToken":{"k":{"secret":7,"environment":"e","client_id":"c"}}}"#, "is none"),
            (r#"{"RefreshToken":["c4nary"]}"#, "no token cache of MSAL"),
            (r#"{"refresh_token":"c4nary","token_url":"x"}"#, "no token cache of MSAL"),
            (r#"{"RefreshToken":{"k":{"secret":"c4nary""#, "half-written"),
            ("", "empty"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.what.contains(says), "{text}: {}", error.what);
        }
    }

    #[test]
    fn hosts_of_one_cloud_are_the_same_and_others_are_not() {
        for (one, other, same) in [
            ("login.microsoftonline.com", "login.windows.net", true),
            ("Login.Microsoftonline.com", "sts.windows.net", true),
            ("login.example", "LOGIN.example", true),
            ("login.microsoftonline.com", "login.microsoftonline.us", false),
            ("login.microsoftonline.com.evil.example", "login.microsoftonline.com", false),
            ("a", "b", false),
        ] {
            assert_eq!(same_environment(one, other), same, "{one} {other}");
        }
    }
}
