//! Which of the logins of a cache is meant, where it holds several.

use fourinsight_ipc::message::ImportChoice;

use super::{found::Found, msal::same_environment};

/// The logins that a pick leaves; all of them without one.
///
/// A pick is one or more values with commas between them, each of which a login must have: its user name, its client
/// identifier or its host.
pub(super) fn narrowed<'a>(found: &'a [Found], pick: Option<&str>) -> Vec<&'a Found> {
    let values: Vec<&str> =
        pick.unwrap_or_default().split(',').map(str::trim).filter(|value| !value.is_empty()).collect();
    found.iter().filter(|login| values.iter().all(|value| has(login, value))).collect()
}

/// What there is to choose from, without anything secret.
pub(super) fn choices(found: &[&Found]) -> Vec<ImportChoice> {
    found.iter().map(|login| choice(login, found)).collect()
}

fn has(login: &Found, value: &str) -> bool {
    let is = |said: &Option<String>| said.as_deref() == Some(value);
    let is_name = login.username.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(value));
    is_name
        || is(&login.client_id)
        || login.environment.as_deref().is_some_and(|host| same_environment(host, value))
}

fn choice(login: &Found, among: &[&Found]) -> ImportChoice {
    let values = [&login.username, &login.client_id, &login.environment];
    let mut pick = String::new();
    let mut left: Vec<&Found> = among.to_vec();
    for value in values.into_iter().flatten() {
        let fewer: Vec<&Found> = left.iter().copied().filter(|other| has(other, value)).collect();
        // A value that narrows nothing need not be typed.
        if pick.is_empty() || fewer.len() < left.len() {
            pick.push_str(if pick.is_empty() { "" } else { "," });
            pick.push_str(value);
            left = fewer;
        }
        if left.len() == 1 {
            break;
        }
    }
    ImportChoice {
        pick,
        username: login.username.clone(),
        client_id: login.client_id.clone(),
        environment: login.environment.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::RefreshToken;

    fn login(username: Option<&str>, client_id: &str, environment: &str) -> Found {
        Found {
            username: username.map(str::to_owned),
            client_id: Some(client_id.to_owned()),
            environment: Some(environment.to_owned()),
            ..Found::new(RefreshToken::new("s3cr3t".to_owned()))
        }
    }

    #[test]
    fn each_choice_says_the_shortest_that_picks_it_alone() {
        let logins = [
            login(Some("ada@x"), "one", "login.microsoftonline.com"),
            login(Some("ada@x"), "two", "login.microsoftonline.com"),
            login(Some("grace@x"), "one", "login.microsoftonline.com"),
            login(None, "one", "login.example"),
            login(Some("eve@x"), "one", "login.microsoftonline.com"),
            login(Some("eve@x"), "one", "login.example"),
        ];
        let all: Vec<&Found> = logins.iter().collect();
        let choices = choices(&all);
        let picks: Vec<&str> = choices.iter().map(|choice| choice.pick.as_str()).collect();
        assert_eq!(
            picks,
            [
                "ada@x,one",
                "ada@x,two",
                "grace@x",
                "one,login.example",
                "eve@x,login.microsoftonline.com",
                "eve@x,login.example"
            ]
        );
        for (choice, login) in choices.iter().zip(&all) {
            if choice.username.is_some() {
                let picked = narrowed(&logins, Some(&choice.pick));
                assert!(picked.len() == 1 && std::ptr::eq(picked[0], *login), "{}", choice.pick);
            }
        }
        assert!(!format!("{choices:?}").contains("s3cr3t"));
    }

    #[test]
    fn a_pick_narrows_whatever_its_case_and_spaces_and_host_alias() {
        let logins = [login(Some("Ada@X"), "one", "login.windows.net"), login(Some("grace@x"), "one", "h")];
        assert_eq!(narrowed(&logins, None).len(), 2);
        assert_eq!(narrowed(&logins, Some("")).len(), 2);
        assert_eq!(narrowed(&logins, Some("ada@x")).len(), 1);
        assert_eq!(narrowed(&logins, Some(" ada@x , login.microsoftonline.com")).len(), 1);
        assert_eq!(narrowed(&logins, Some("one")).len(), 2);
        assert_eq!(narrowed(&logins, Some("nobody")).len(), 0);
    }
}
