//! `POST /v1/imports` of a credential mapping of Cognite's SDK: it becomes a profile, and nobody is signed in by that.

use serde_json::{Value, json};
use testkit::practice::Client;

use super::{Caller, Reply};
use crate::testing::World;

async fn import(caller: &Caller, content: &str, more: Value) -> Reply {
    let mut body = json!({ "format": "cognite", "content": content });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let reply = caller.post("/v1/imports", &body.to_string()).await;
    assert!(!reply.text.contains("c4nary"), "{}", reply.text);
    reply
}

#[tokio::test(start_paused = true)]
async fn a_credential_mapping_becomes_a_profile_and_a_literal_secret_is_never_written() {
    let caller = Caller::of(World::new().await);
    let path = caller.api.config_path.clone();
    let before = std::fs::read_to_string(&path).unwrap();
    let mapping = "client_credentials:\n  token_url: https://practice.test/token\n  client_id: abc\n  \
                   client_secret: ${COGNITE_SECRET}\n  audience: urn:api\n";
    let more = |dry_run| json!({ "format": "cognite", "profile": "batch", "dry_run": dry_run });
    let literal = mapping.replace("${COGNITE_SECRET}", "c4nary");
    let error = import(&caller, &literal, more(false)).await.is_error(400, "invalid_request");
    assert!(error.error_description.contains("Nothing was written"), "{error:?}");
    let dry = import(&caller, mapping, more(true)).await;
    assert_eq!(dry.body["outcome"], "profile_written", "{}", dry.text);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);

    let written = import(&caller, mapping, more(false)).await;
    assert_eq!(
        (&written.body["outcome"], &written.body["profile"]),
        (&json!("profile_written"), &json!("batch"))
    );
    let after = std::fs::read_to_string(&path).unwrap();
    assert!(
        after.contains(before.trim()) && after.contains("client_secret = { env = \"COGNITE_SECRET\" }"),
        "{after}"
    );
    assert!(caller.api.config.current().profiles.contains_key("batch"));
    let again = import(&caller, mapping, more(false)).await.is_error(400, "invalid_request");
    assert!(again.error_description.contains("a profile of this name already"), "{again:?}");
    for (kind, says) in [
        ("interactive:\n  authority_url: http://c4nary.example\n  client_id: abc\n", "issuer"),
        ("interactive:\n  authority_url: https://x.example\n  client_id: \"a\\u0007\"\n", "client_id"),
    ] {
        let error = import(&caller, kind, json!({ "format": "cognite", "profile": "new" }))
            .await
            .is_error(400, "invalid_request");
        assert!(error.error_description.contains(says), "{error:?}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
}

#[tokio::test(start_paused = true)]
async fn a_secret_in_the_mapping_stays_there_and_its_profile_signs_in() {
    let caller = Caller::of(World::new().await);
    let Client { id, secret, .. } = Client::confidential();
    let secret = secret.unwrap();
    let mapping = format!(
        "client_credentials:\n  token_url: https://practice.test/token\n  client_id: {id}\n  client_secret: '{secret}'\n"
    );
    let file = caller.api.config_path.with_file_name("fusion.yaml");
    std::fs::write(&file, &mapping).unwrap();
    let written = import(&caller, &mapping, json!({ "profile": "fusion", "path": file })).await;
    assert_eq!(written.body["outcome"], "profile_written", "{}", written.text);
    let config = std::fs::read_to_string(&caller.api.config_path).unwrap();
    assert!(config.contains("key = \"client_credentials.client_secret\""), "{config}");
    let shown = caller.get("/v1/profiles/fusion").await;
    for text in [&config, &written.text, &shown.text] {
        assert!(!text.contains(&secret), "{text}");
    }

    let begun = caller.post("/v1/logins", &json!({ "profile": "fusion" }).to_string()).await;
    assert_eq!(begun.status, 201, "{}", begun.text);
    let ended = caller.get(&format!("/v1/logins/{}?wait=60", begun.body["id"].as_str().unwrap())).await;
    assert_eq!(ended.body["state"], "succeeded", "{}", ended.text);
}

#[tokio::test(start_paused = true)]
async fn what_a_person_should_know_of_the_preset_is_said() {
    let caller = Caller::of(World::new().await);
    let mapping = "interactive:\n  authority_url: https://login.microsoftonline.com/contoso.example\n  client_id: abc\n  \
                   scopes: [\"https://api.cognitedata.com/.default\"]\n";
    let written = import(&caller, mapping, json!({})).await;
    assert_eq!(
        (&written.body["outcome"], &written.body["profile"]),
        (&json!("profile_written"), &json!("cognite"))
    );
    let notes = written.body["notes"].to_string();
    assert!(notes.contains(r#"base_url=\"https://api.cognitedata.com\""#), "{notes}");
}
