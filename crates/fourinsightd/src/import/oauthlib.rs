//! A raw token dictionary of `requests-oauthlib`, as people save it: the answer of a token endpoint, and `expires_at`
//! beside it. It names no server, so the profile has to.

use super::found::{self, Found, Unusable};

/// Reads a token dictionary.
pub(crate) fn read(content: &str) -> Result<Found, Unusable> {
    let object = found::object(content)?;
    if object.object("RefreshToken").is_some() || object.object("AccessToken").is_some() {
        return Err(Unusable {
            what: "The file is a token cache of MSAL.",
            next: "import it as such: `fourinsightctl import msal FILE`",
        });
    }
    let refresh_token = found::refresh_token(&object, "refresh_token")?;
    let token_url = object.text("token_url").map(|url| url.to_string());
    Ok(Found {
        token_url,
        scopes: found::scopes(&object, "scope"),
        names_person: object.has("id_token"),
        ..Found::new(refresh_token)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `json.dump(session.token, file)` writes it.
    const FILE: &str = include_str!("golden/oauthlib.json");

    #[test]
    fn a_saved_dictionary_is_read() {
        let found = read(FILE).unwrap();
        assert_eq!(found.refresh_token.expose(), "golden-refresh-token");
        assert_eq!(found.scopes, ["openid", "offline_access", "api.read"]);
        assert_eq!(found.token_url, None);
    }

    #[test]
    fn no_expiry_matters_and_scopes_come_as_list_or_text() {
        for (text, scopes) in [
            (r#"{"refresh_token":"r","expires_in":3600}"#, &[][..]),
            (r#"{"refresh_token":"r","expires_in":"-30","scope":"a b"}"#, &["a", "b"]),
            (r#"{"refresh_token":"r","expires_in":0,"expires_at":"1","scope":["a","b"]}"#, &["a", "b"]),
            (r#"{"refresh_token":"r","expires_in":"abc","scope":["a b"]}"#, &["a", "b"]),
            (r#"{"refresh_token":"r","scope":"repo,user"}"#, &["repo", "user"]),
            (r#"{"refresh_token":"r","scope":7,"token_type":null}"#, &[]),
        ] {
            let found = read(text).unwrap();
            assert_eq!(
                (found.refresh_token.expose(), &found.scopes[..]),
                ("r", &scopes.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..]),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_renewed_or_is_another_cache_is_told_apart() {
        for (text, says) in [
            (r#"{"access_token":"c4nary","token_type":"Bearer"}"#, "no refresh token"),
            (r#"{"RefreshToken":{"x":{"secret":"c4nary"}}}"#, "MSAL"),
            (r#"{"refresh_token":"c4nary"#, "half-written"),
            ("", "empty"),
            ("refresh_token: c4nary", "JSON object"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.what.contains(says), "{text}: {}", error.what);
        }
    }
}
