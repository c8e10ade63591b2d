//! The `token` file of the Python package `fourinsight.api`: one plain JSON object with `token_url` and the answer of
//! the token endpoint, each later answer merged into it.

use super::found::{self, Found, LOOK_AGAIN, Unusable};

/// Reads a token file.
pub(crate) fn read(content: &str) -> Result<Found, Unusable> {
    let object = found::object(content)?;
    if object.contradicts_itself("token_url") {
        return Err(Unusable { what: "The file names two token endpoints.", next: LOOK_AGAIN });
    }
    let Some(token_url) = object.text("token_url").filter(|url| !url.is_empty() && url.len() <= 2048) else {
        return Err(Unusable {
            what: "The file is no token file of fourinsight.api: it has no token_url.",
            next: "name the folder that holds the file `token` of fourinsight.api with --folder; for other caches \
                   see `fourinsightctl import --help`",
        });
    };
    let refresh_token = found::refresh_token(&object, "refresh_token")?;
    Ok(Found {
        token_url: Some(token_url.to_string()),
        scopes: found::scopes(&object, "scope"),
        ..Found::new(refresh_token)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the package writes it, for a user's login.
    const FILE: &str = include_str!("golden/fourinsight_api.json");

    #[test]
    fn a_file_of_the_package_is_read() {
        let found = read(FILE).unwrap();
        assert_eq!(found.refresh_token.expose(), "0.AX0A-golden-refresh-token");
        assert_eq!(
            found.token_url.as_deref(),
            Some("https://login.example.com/4insight.io/oauth2/v2.0/token")
        );
        assert_eq!(found.scopes, ["https://api.example.com/user_impersonation", "offline_access"]);
        assert_eq!((found.client_id, found.username, found.environment), (None, None, None));
    }

    #[test]
    fn no_expiry_of_the_file_matters_however_it_is_written() {
        for expiry in [
            r#""expires_at": 1700000000"#,
            r#""expires_at": 1700000000.25"#,
            r#""expires_at": "1700000000""#,
            r#""expires_at": "soon", "expires_in": "-30""#,
            r#""expires_in": 3600"#,
            r#""expires_at": {}, "expires_in": null"#,
        ] {
            let text = format!(r#"{{"token_url": "https://x/token", "refresh_token": "r", {expiry}}}"#);
            assert_eq!(read(&text).unwrap().refresh_token.expose(), "r", "{expiry}");
        }
    }

    #[test]
    fn what_is_no_token_file_is_told_apart() {
        for (text, says) in [
            ("", "empty"),
            ("\n  ", "empty"),
            (r#"{"token_url": "https://x/token", "refresh_tok"#, "half-written"),
            (r#"{"token_url": "https://x/token", "refresh_token": "c4nary""#, "half-written"),
            (r#"{"token_url": "u", "refresh_token": "c4nary"}n": "c4nary"}"#, "at once"),
            (r#"["c4nary"]"#, "JSON object"),
            ("c4nary", "JSON object"),
            (r#"{"RefreshToken": {}, "AccessToken": {}}"#, "no token_url"),
            (r#"{"token_url": 5, "refresh_token": "c4nary"}"#, "no token_url"),
            (r#"{"token_url": "a", "token_url": "b", "refresh_token": "c4nary"}"#, "two token endpoints"),
            (r#"{"token_url": "a", "refresh_token": "c4nary", "refresh_token": "b"}"#, "two refresh tokens"),
            (r#"{"token_url": "https://x/token", "access_token": "c4nary"}"#, "no refresh token"),
            (r#"{"token_url": "https://x/token", "refresh_token": null}"#, "no refresh token"),
            (r#"{"token_url": "https://x/token", "refresh_token": ""}"#, "is none"),
            (r#"{"token_url": "https://x/token", "refresh_token": ["c4nary"]}"#, "is none"),
            (r#"{"token_url": "https://x/token", "refresh_token": "c4nary\n"}"#, "is none"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.what.contains(says), "{text}: {}", error.what);
            assert!(!format!("{error:?}").contains("c4nary"));
        }
    }
}
