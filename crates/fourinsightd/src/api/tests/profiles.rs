//! `/v1/profiles` and `/v1/presets`.

use fourinsight_ipc::message::{PresetList, ProfileDetails, ProfileList, SettingOrigin};
use serde_json::json;

use super::{Caller, Reply};
use crate::testing::World;

async fn caller() -> Caller {
    Caller::of(World::new().await)
}

fn read<T: serde::de::DeserializeOwned>(reply: &Reply) -> T {
    serde_json::from_value(reply.body.clone()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn profiles_are_listed_as_the_file_says_now() {
    let caller = caller().await;
    let list: ProfileList = read(&caller.get("/v1/profiles").await);
    assert_eq!((list.default_profile.as_deref(), list.problem), (Some("work"), None));
    let path = caller.api.config.path().to_owned();
    assert_eq!(list.path, path.display().to_string());
    let [work] = &list.profiles[..] else { panic!("{} profiles", list.profiles.len()) };
    assert_eq!((work.name.as_str(), &work.preset, work.flow.as_str()), ("work", &None, "browser"));
    assert_eq!(work.server, "https://practice.test");

    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\n[profiles.4i]\npreset = \"4insight\"\n")).unwrap();
    let list: ProfileList = read(&caller.get("/v1/profiles").await);
    let first = &list.profiles[0];
    assert_eq!(
        (first.preset.as_deref(), first.server.as_str()),
        (Some("4insight"), "https://4insight.io/auth")
    );
    assert!(first.summary.is_some() && list.default_profile.is_none());
    std::fs::write(&path, "[profiles.x]\nisuer = \"s3cr3t\"").unwrap();
    let reply = caller.get("/v1/profiles").await;
    let list: ProfileList = read(&reply);
    assert!(list.problem.unwrap().contains(":2: unknown key `isuer`") && list.profiles.len() == 2);
    assert!(!reply.text.contains("s3cr3t"));
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_written_and_shown_with_who_says_what() {
    let caller = caller().await;
    let before = std::fs::read_to_string(caller.api.config.path()).unwrap();
    let new = json!({
        "name": "my work", "preset": "cognite", "flow": "client_credentials",
        "settings": {"tenant": "contoso.com", "cluster": "api", "client_id": "abc", "client_secret": "env:S"},
    });
    let reply = caller.post("/v1/profiles", &new.to_string()).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let written: ProfileDetails = read(&reply);
    assert_eq!((written.name.as_str(), written.preset.as_deref()), ("my work", Some("cognite")));
    assert_eq!(written.notes, ["The address for ClientConfig is base_url=\"https://api.cognitedata.com\"."]);
    let setting = |name: &str| {
        let setting = written.settings.iter().find(|setting| setting.name == name).expect(name);
        (setting.value.clone(), setting.from)
    };
    assert_eq!(setting("client_secret"), ("{ env = \"S\" }".to_owned(), SettingOrigin::File));
    assert_eq!(
        setting("scopes"),
        ("[\"https://api.cognitedata.com/.default\"]".to_owned(), SettingOrigin::Preset)
    );
    assert_eq!(setting("keep_alive"), ("true".to_owned(), SettingOrigin::Default));
    assert_eq!(caller.get("/v1/profiles/my%20work").await.body, reply.body);
    let after = std::fs::read_to_string(caller.api.config.path()).unwrap();
    assert!(after.contains(&before) && after.contains("[profiles.\"my work\"]"), "{after}");
    let list: ProfileList = read(&caller.get("/v1/profiles").await);
    assert_eq!((list.default_profile.as_deref(), list.profiles.len()), (Some("work"), 2));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_is_refused_and_the_file_untouched() {
    let caller = caller().await;
    let path = caller.api.config.path().to_owned();
    let before = std::fs::read_to_string(&path).unwrap();
    for (new, hint) in [
        (json!({"name": "work", "preset": "4insight"}), "choose another name"),
        (json!({"name": "x", "preset": "4insigt"}), "`4insight`"),
        (json!({"name": "x", "preset": "entra"}), "give `client_id`"),
        (
            json!({"name": "x", "preset": "entra", "settings": {"client_id": "a", "tenant": "s3cr3t@x"}}),
            "correct it",
        ),
        (
            json!({"name": "x", "preset": "google", "settings": {"client_id": "a", "client_secret": "s3cr3t"}}),
            "file:PATH",
        ),
    ] {
        let reply = caller.post("/v1/profiles", &new.to_string()).await;
        reply.is_error(400, "invalid_request");
        assert!(reply.body["hint"].as_str().unwrap().contains(hint), "{}", reply.text);
        assert!(!reply.text.contains("s3cr3t"), "{}", reply.text);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    }
    caller.get("/v1/profiles/%ff").await.is_error(404, "not_found");
    caller.get("/v1/profiles/none").await.is_error(404, "not_found");
    caller.get("/v1/profiles?x=1").await.is_error(400, "invalid_request");
}

#[tokio::test(start_paused = true)]
async fn every_preset_says_what_it_asks_for() {
    let list: PresetList = read(&caller().await.get("/v1/presets").await);
    let names: Vec<_> = list.presets.iter().map(|preset| preset.name.as_str()).collect();
    let expected = [
        "4insight",
        "4insight-service",
        "cognite",
        "entra",
        "google",
        "github",
        "auth0",
        "keycloak",
        "generic",
    ];
    assert_eq!(names, expected);
    let cognite = &list.presets[2];
    assert_eq!(cognite.flows, ["browser", "device", "client_credentials", "certificate"]);
    let asked: Vec<_> =
        cognite.settings.iter().map(|one| (one.name.as_str(), one.required, one.secret)).collect();
    assert_eq!(asked[0], ("tenant", true, false));
    assert_eq!(asked[3], ("client_secret", true, true));
    assert_eq!(cognite.settings[3].flows, ["client_credentials"]);
    let entra = &list.presets[3].settings[0];
    assert_eq!((entra.default.as_deref(), entra.required), (Some("organizations"), false));
    for preset in &list.presets {
        assert_eq!(preset.package, preset.name == "4insight");
        assert!(
            preset.help.is_some() && preset.notes.iter().all(|note| !note.contains('{')),
            "{}",
            preset.name
        );
    }
}
