//! What to tell a person whose login brought no refresh token: that it ends, and what would make it last.

use crate::{authority::issuer, login::NewLogin};

/// The note on such a login.
pub(super) fn missing(login: &NewLogin, implicit: bool) -> String {
    let next = if implicit {
        "nothing can renew it, because the implicit grant gives no refresh token"
    } else if issuer::is_google(&login.registration) && !asks_google(login) {
        "Google gives one where authorize_params = { access_type = \"offline\", prompt = \"consent\" } is set in the \
         profile; add that and log in again"
    } else if issuer::is_google(&login.registration) {
        "it was asked for, so remove this client's access in the settings of the Google identity and log in again"
    } else if asks_for_offline_access(login) {
        "offline_access was asked for, so ask the server's administrator to allow this client refresh tokens"
    } else {
        "if the server offers it, add offline_access to the scopes of the profile and log in again"
    };
    format!("The server gave no refresh token: this session ends with its access token; {next}.")
}

/// Whether the authorization request had what Google wants to see.
fn asks_google(login: &NewLogin) -> bool {
    let registration = &login.registration;
    let param = |name: &str| registration.authorize_params.get(name).map_or("", String::as_str);
    registration.dialect.by_device
        || (param("access_type") == "offline" && param("prompt").split(' ').any(|word| word == "consent"))
}

fn asks_for_offline_access(login: &NewLogin) -> bool {
    let wanted = login.registration.dialect.for_person(login.scopes.iter().map(String::as_str), []);
    wanted.scopes.iter().any(|scope| scope == "offline_access")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        authority::{Dialect, ResourceStyle},
        clock::Timestamp,
        login::authorize::tests::registration,
        token::{AccessToken, Lifetime, TokenSet},
    };

    fn login(issuer: &str, scopes: &[&str]) -> NewLogin {
        let mut registration = registration();
        registration.issuer = Some(issuer.to_owned());
        let tokens = TokenSet {
            access_token: AccessToken::new("a".to_owned()),
            token_type: "Bearer".into(),
            scope: None,
            lifetime: Lifetime::Unknown,
            refresh_in: None,
            refresh_token: None,
            refresh_idle: None,
            person: None,
            warnings: vec![],
        };
        NewLogin {
            original_key: None,
            profile: "work".into(),
            registration,
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            resources: vec![],
            tokens,
            obtained_at: Timestamp::from_millis(0),
            refresh_idle: None,
            keep_alive: true,
            by_client_credentials: false,
            lifetime: fourinsight_ipc::message::Lifetime::Stored,
        }
    }

    #[test]
    fn each_server_has_its_own_next_step() {
        let google = "https://accounts.google.com";
        let add = "add offline_access to the scopes";
        let ask = "ask the server's administrator";
        let offline = [("access_type", "offline"), ("prompt", "select_account consent")];
        for (issuer, scopes, params, said) in [
            ("https://id.example", &["openid"][..], &[][..], add),
            ("https://id.example", &["openid", "offline_access"], &[], ask),
            (google, &["openid"], &[], "access_type = \"offline\", prompt = \"consent\""),
            (google, &["openid", "offline_access"], &offline[..1], "prompt = \"consent\""),
            (google, &["openid"], &offline, "remove this client's access"),
            ("https://accounts.google.com.evil.example", &["openid"], &offline, add),
        ] {
            let mut login = login(issuer, scopes);
            login.registration.authorize_params =
                params.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            let note = missing(&login, false);
            assert!(note.contains(said), "{issuer} {scopes:?}: {note}");
            assert!(missing(&login, true).contains("implicit grant"));
        }
        let mut entra = login("https://login.microsoftonline.com/x/v2.0", &["openid"]);
        entra.registration.dialect = Dialect { resource_style: ResourceStyle::Entra, by_device: false };
        assert!(missing(&entra, false).contains(ask));
        let mut device = login(google, &["openid"]);
        device.registration.dialect.by_device = true;
        assert!(missing(&device, false).contains("remove this client's access"));
    }
}
