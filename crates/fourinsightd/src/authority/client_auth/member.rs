//! Reads a value in a file of YAML or JSON.

use secrecy::SecretString;

use super::secret::{Unreadable, from_file};
use crate::{profile::MemberValue, yaml};

/// The value, read now.
pub(super) async fn read(value: &MemberValue) -> Result<SecretString, Unreadable> {
    let content = from_file(&value.file).await?;
    let text = std::str::from_utf8(&content).map_err(|_| Unreadable::NotText)?;
    let document = yaml::read(text).map_err(|_| Unreadable::NoMember)?;
    let found = value.key.split('.').try_fold(&document, |within, name| within.member(name));
    match found.and_then(yaml::Value::text) {
        None | Some("") => Err(Unreadable::NoMember),
        Some(text) => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::{authority::client_auth::material::read_secret, profile::SecretSource};

    async fn read_in(content: &str, key: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mapping.yaml");
        std::fs::write(&file, content).unwrap();
        let source = SecretSource::Member(MemberValue { file, key: key.to_owned() });
        let read = read_secret(&source).await;
        read.map(|secret| secret.expose_secret().to_owned()).map_err(|failure| failure.description)
    }

    #[tokio::test]
    async fn the_text_at_the_end_of_the_way_is_the_secret() {
        for content in ["a:\n  b: s3cr3t\n  c: 7\n", r#"{"a": {"b": "s3cr3t"}}"#, "a: {b: 's3cr3t'}"] {
            assert_eq!(read_in(content, "a.b").await.as_deref(), Ok("s3cr3t"), "{content}");
        }
    }

    #[tokio::test]
    async fn a_file_that_does_not_say_it_is_named_and_not_repeated() {
        for content in [
            "",
            "s3cr3t",
            "a: s3cr3t",
            "a: [s3cr3t]",
            "a: {b: [s3cr3t]}",
            "a: {b: \"\"}",
            "a: {b: &x s3cr3t}",
        ] {
            let said = read_in(content, "a.b").await.expect_err(content);
            assert!(said.contains("a.b in the file ") && said.contains("mapping.yaml"), "{said}");
            assert!(said.contains("does not say what is looked for") && !said.contains("s3cr3t"), "{said}");
        }
    }
}
