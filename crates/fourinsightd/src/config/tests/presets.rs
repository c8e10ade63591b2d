//! What each preset makes of a few settings, what goes before it, and what it refuses.

use std::fmt::Write as _;

use super::*;
use crate::profile::{PackageValue, Preset};

/// What a person answers, by the settings' names.
const SAMPLES: [(&str, &str); 13] = [
    ("tenant", "\"contoso.com\""),
    ("cluster", "\"westeurope-1\""),
    ("client_id", "\"abc\""),
    ("client_secret", "{ env = \"SECRET\" }"),
    ("client_certificate", "\"/c.pem\""),
    ("client_key", "{ file = \"/k.pem\" }"),
    ("api", "\"api://x\""),
    ("scopes", "\"read write\""),
    ("domain", "\"example.eu.auth0.com\""),
    ("audience", "\"https://api.example.com/\""),
    ("server", "\"https://id.example.com/\""),
    ("realm", "\"people\""),
    ("issuer", "\"https://id.example.com\""),
];

/// A profile of this preset with sample settings, those that are asked for with this flow.
fn sample(preset: &Preset, flow: Flow) -> String {
    let mut text = format!("[profiles.p]\npreset = \"{}\"\nflow = \"{}\"\n", preset.name, flow.name());
    for setting in
        preset.settings.iter().filter(|setting| setting.belongs_to(flow) && setting.name != "scopes")
    {
        let (_, value) = SAMPLES.iter().find(|(name, _)| *name == setting.name).expect(&setting.name);
        writeln!(text, "{} = {value}", setting.name).unwrap();
    }
    text
}

/// Everything in a profile that a request depends on, but for what is as in every profile.
fn told(profile: &Profile) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        if !matches!(value.as_str(), "" | "{}" | "[]" | "None") {
            writeln!(text, "    {name}: {value}").unwrap();
        }
    };
    line("issuer", profile.issuer.clone().unwrap_or_default());
    for name in ["authorization", "token", "device_authorization", "revocation", "userinfo"] {
        let name = format!("{name}_endpoint");
        line(&name, profile.endpoints.named(&name).unwrap_or_default().to_owned());
    }
    line("client_id", profile.client_id.clone());
    line(
        "client_secret",
        profile.client_secret.as_ref().map(|source| format!("{source:?}")).unwrap_or_default(),
    );
    line("certificate", if profile.assertion.has_certificate() { "yes".to_owned() } else { String::new() });
    let methods = profile.client_auth.each().map(|method| method.map(|method| format!("{method:?}")));
    if methods.iter().all(|method| *method == methods[0]) {
        line("client_auth", methods[0].clone().unwrap_or_default());
    } else {
        for (kind, method) in PerRequest::KINDS.iter().zip(methods) {
            line(&format!("client_auth of {kind}"), method.unwrap_or_default());
        }
    }
    line("scopes", profile.scopes.join(" "));
    line("resources", profile.resources.join(" "));
    line("resource_style", profile.resource_style.map(|style| format!("{style:?}")).unwrap_or_default());
    let listens = matches!(profile.flow, Flow::Browser | Flow::Paste);
    line("redirect_uri", if listens { profile.redirect_uri.clone() } else { String::new() });
    line("packages only", if profile.takes_packages_only() { "yes".to_owned() } else { String::new() });
    for allowed in &profile.allowed_token_endpoints {
        line("allowed_token_endpoint", format!("{allowed:?}"));
    }
    line("authorize_params", format!("{:?}", profile.authorize_params));
    if let Some(params) = &profile.force_params {
        line("force_params", if params.is_empty() { "nothing".to_owned() } else { format!("{params:?}") });
    }
    for params in [&profile.code_params, &profile.device_params, &profile.device_poll_params] {
        line("params", format!("{params:?}"));
    }
    for params in [&profile.refresh_params, &profile.revoke_params] {
        line("params", format!("{params:?}"));
    }
    let rotation = format!("{:?}", profile.rotation);
    line("rotation", if rotation == "Unknown" { String::new() } else { rotation });
    text
}

#[test]
fn each_preset_and_flow_is_the_profile_of_the_table() {
    let mut table = String::new();
    for preset in Preset::all() {
        for flow in &preset.flows {
            let config =
                parse(&sample(preset, *flow)).unwrap_or_else(|error| panic!("{}: {error}", preset.name));
            writeln!(table, "{}, flow {}\n{}", preset.name, flow.name(), told(&config.profiles["p"]))
                .unwrap();
            for note in &config.described["p"].notes {
                assert!(!note.contains('{') || preset.name == "4insight", "{note}");
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/tests/presets.golden");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, include_str!("presets.golden"), "run with UPDATE_GOLDEN=1 and read the difference");
}

#[test]
fn a_login_with_another_flow_has_what_the_preset_says_for_that() {
    let own = Preset::named("cognite").unwrap();
    let config = parse(&sample(own, Flow::Browser)).unwrap();
    let device = config.with_flow("p", Flow::Device).unwrap().unwrap();
    let written = parse(&sample(own, Flow::Device)).unwrap();
    assert_eq!(device, written.profiles["p"]);
    let error = config.with_flow("p", Flow::Certificate).unwrap().unwrap_err();
    assert!(error.what.contains("needs client_certificate and client_key"), "{error}");
    // A flow that no preset speaks of is the profile's own in all but the flow.
    let paste = config.with_flow("p", Flow::Paste).unwrap().unwrap();
    assert_eq!(Profile { flow: Flow::Browser, ..paste }, config.profiles["p"]);
    assert!(config.with_flow("other", Flow::Device).is_none());
}

#[test]
fn the_profiles_own_words_win_and_tables_are_joined() {
    let read = |text: &str| parse(text).map(|mut config| config.profiles.remove("p").unwrap());
    let profile = read(
        "[profiles.p]\npreset = \"google\"\nclient_id = \"abc\"\nclient_secret = { file = \"/s\" }\n\
         scopes = \"openid\"\nissuer = \"https://practice.example\"\nauthorize_params = { prompt = \"none\", hd = \"x\" }\n\
         client_auth = { refresh = \"basic\" }\n",
    )
    .unwrap();
    assert_eq!(profile.issuer.as_deref(), Some("https://practice.example"));
    assert_eq!(profile.scopes, ["openid"]);
    let params = [("access_type", "offline"), ("hd", "x"), ("prompt", "none")];
    assert_eq!(profile.authorize_params, params.map(|(name, value)| (name.into(), value.into())).into());
    let auth = PerRequest { refresh: Some(ClientAuth::Basic), ..PerRequest::all(Some(ClientAuth::Post)) };
    assert_eq!(profile.client_auth, auth);

    let profile = read(
        "[profiles.p]\npreset = \"4insight\"\nclient_secret.file = \"/s\"\nclient_auth.revoke = \"post\"\n\
         allowed_token_endpoints = [\"http://127.0.0.1:1/t\"]",
    )
    .unwrap();
    assert_eq!(profile.client_secret, Some(SecretSource::File("/s".into())), "a source is never joined");
    let PerRequest { code, refresh, revoke, .. } = profile.client_auth;
    let chosen = (Some(ClientAuth::BasicRaw), Some(ClientAuth::SecretOnly), Some(ClientAuth::Post));
    assert_eq!((code, refresh, revoke), chosen);
    assert_eq!(profile.allowed_token_endpoints.len(), 1);
    // What is written by hand needs no settings.
    let by_hand = "[profiles.p]\npreset = \"cognite\"\nclient_id = \"a\"\nissuer = \"https://x.example\"\nscopes = \"y\"";
    assert_eq!(read(by_hand).unwrap().redirect_uri, "http://localhost:53000");
}

#[test]
fn the_secret_of_4insight_has_three_places_and_none_of_them_is_the_configuration() {
    let profile = parse("[profiles.p]\npreset = \"4insight\"").unwrap().profiles.remove("p").unwrap();
    let package = PackageValue {
        package: "fourinsight.api".into(),
        file: "_constants.json".into(),
        key: "USER_CLIENT_SECRET".into(),
        folder: None,
    };
    let env = SecretSource::Env("FOURINSIGHT_CLIENT_SECRET".into());
    let sources = SecretSource::FirstOf(vec![env.clone(), SecretSource::Package(package.clone())]);
    assert_eq!(profile.client_secret, Some(sources.clone()));
    let found = SecretSource::Package(PackageValue { folder: Some("/v".into()), ..package });
    assert_eq!(sources.installed_at(Path::new("/v")), SecretSource::FirstOf(vec![env, found]));
    for endpoint in
        ["https://login.microsoftonline.com/4subseaid.onmicrosoft.com/oauth2/v2.0/token"].map(str::to_owned)
    {
        assert!(profile.allowed_token_endpoints.iter().any(|allowed| allowed.admit(&endpoint).is_some()));
    }
    assert!(profile.help.unwrap().contains("FOURINSIGHT_CLIENT_SECRET"));
}

#[test]
fn hostile_settings_change_no_host() {
    let hostile = [
        "evil.example/",
        "evil.example/x",
        "x@evil.example",
        "@evil.example",
        "evil.example?",
        "evil.example#",
        "../..",
        "a b",
        "a\\\\evil.example",
        "a%2f",
        "{realm}",
        "evil.example:1",
        "",
        "s3cr3t\\u202E",
    ];
    for (preset, setting) in [
        ("cognite", "tenant"),
        ("cognite", "cluster"),
        ("entra", "tenant"),
        ("auth0", "domain"),
        ("keycloak", "realm"),
    ] {
        let good = sample(Preset::named(preset).unwrap(), Flow::Browser);
        let line = good.lines().position(|line| line.starts_with(&format!("{setting} ="))).unwrap();
        for value in hostile {
            let mut lines: Vec<_> = good.lines().map(str::to_owned).collect();
            lines[line] = format!("{setting} = \"{value}\"");
            let error = parse(&lines.join("\n")).unwrap_err();
            assert_eq!(error.line, Some(line + 1), "{error}");
            assert!(error.what.starts_with(&format!("{setting} must be ")), "{error}");
            assert!(error.what.ends_with("; correct it") && !error.what.contains("s3cr3t"), "{error}");
        }
    }
    for value in [
        "http://evil.example",
        "https://id.example@evil.example",
        "https://id.example/?x",
        "https://id.example/#x",
    ] {
        let text = format!(
            "[profiles.p]\npreset = \"keycloak\"\nserver = \"{value}\"\nrealm = \"r\"\nclient_id = \"a\""
        );
        let error = parse(&text).unwrap_err();
        assert!(error.line == Some(3) && error.what.starts_with("server must be an https URL"), "{error}");
    }
}

#[test]
fn what_is_missing_or_unknown_is_named_with_its_line() {
    for (text, line, named) in [
        (
            "[profiles.p]\nclient_id = \"a\"\npreset = \"cognite\"",
            3,
            "the preset cognite needs `tenant` for issuer",
        ),
        (
            "[profiles.p]\npreset = \"cognite\"\ntenant = \"x.com\"\nclient_id = \"a\"",
            2,
            "needs `cluster` for scopes (Which cluster",
        ),
        ("[profiles.p]\npreset = \"entra\"", 1, "the profile has no client_id"),
        (
            "[profiles.p]\npreset = \"entra\"\ntenent = \"x.com\"",
            3,
            "unknown key `tenent`; the nearest known key is `tenant`",
        ),
        ("[profiles.p]\npreset = \"entra\"\ncluster = \"x\"", 3, "unknown key `cluster`"),
        ("[profiles.p]\npreset = \"entra\"\ntenant = 1", 3, "tenant must be a string"),
        (
            "[profiles.p]\npreset = \"entra\"\nclient_id = \"a\"\napi = \"x y\"",
            4,
            "api must be an absolute URI",
        ),
        (
            "[profiles.p]\npreset = \"github\"\nclient_id = \"a\"\nflow = \"browser\"",
            2,
            "client_auth post needs a client_secret",
        ),
        ("[profiles.p]\npreset = \"google\"\nclient_id = \"a\"", 2, "client_auth post needs a client_secret"),
        ("[profiles.p]\npreset = \"generic\"\nclient_id = \"a\"", 1, "the profile has no issuer"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.line, Some(line), "{text}: {error}");
        assert!(error.what.contains(named) && error.what.contains("; "), "{text}: {error}");
    }
}

#[test]
fn a_profile_tells_where_each_of_its_words_comes_from() {
    let config = parse(
        "[profiles.p]\npreset = \"entra\"\nclient_id = \"abc\"\nproxy = \"http://me:s3cr3t@proxy:3128\"\n\
         authorize_params = { domain_hint = \"x\" }",
    )
    .unwrap();
    let described = &config.described["p"];
    let told = |name: &str| {
        let setting = described.settings.iter().find(|setting| setting.name == name).expect(name);
        format!("{} from {:?}", setting.value, setting.from)
    };
    assert_eq!(told("tenant"), "\"organizations\" from Preset");
    assert_eq!(told("client_id"), "\"abc\" from File");
    assert_eq!(told("issuer"), "\"https://login.microsoftonline.com/organizations/v2.0\" from Preset");
    assert_eq!(told("flow"), "\"browser\" from Preset");
    assert_eq!(told("keep_alive"), "true from Default");
    assert_eq!(told("proxy"), "\"http://proxy:3128/\" from File");
    assert_eq!(told("authorize_params"), "{ domain_hint = \"x\" } from File");
    assert_eq!((described.preset, described.summary.is_some()), (Some("entra"), true));
    let plain = parse(&with("client_secret = { env = \"X\" }")).unwrap();
    let settings = &plain.described["work"].settings;
    assert!(settings.iter().any(|one| one.name == "client_secret" && one.value == "{ env = \"X\" }"));
    assert!(plain.described["work"].preset.is_none());
}
