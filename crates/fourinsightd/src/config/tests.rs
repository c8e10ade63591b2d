//! Good files, and bad ones: where, what, and never a value.

use super::*;
use crate::{
    authority::{ResourceStyle, allowed::AllowedEndpoint},
    profile::{
        Assertion, ClientAuth, Endpoints, Flow, MemberValue, Parameters, PerRequest, ResponseMode, Rotation,
        SecretSource,
    },
};

mod presets;

const PATH: &str = "/etc/fourinsight/config.toml";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new(PATH), text)
}

/// A profile with these lines added from line 4 on.
fn with(lines: &str) -> String {
    format!("[profiles.work]\nissuer = \"https://id.example.com\"\nclient_id = \"abc\"\n{lines}\n")
}

#[test]
fn a_full_profile_is_read() {
    let config = parse(&with(
        r#"
client_secret = { file = "secret.txt" }
client_auth = { refresh = "secret_only", revoke = "post" }
flow = "browser"
scopes = ["openid", "offline_access"]
resources = ["https://api.example.com/"]
resource_style = "audience"
redirect_uri = "http://localhost:53000"
response_mode = "form_post"
allowed_token_endpoints = ["https://id.example.com/{tenant}/token"]
allow_legacy = true
token_endpoint = "https://id.example.com/by-hand"
revocation_endpoint = "http://127.0.0.1:8080/revoke"
userinfo_endpoint = "https://id.example.com/userinfo"
device_authorization_endpoint = "https://id.example.com/device"
authorize_params = { prompt = "consent" }
force_params = { prompt = "select_account" }
code_params = { a = "1" }
refresh_params = { scope = "b" }
revoke_params = { c = "3" }
device_params = { d = "4" }
device_poll_params = { e = "5" }
tls_ca_file = "/etc/ssl/corp.pem"
proxy = "http://proxy:3128"
refresh_idle = "7d"
rotation = { grace = "30s" }
keep_alive = false
"#,
    ))
    .unwrap();
    let text = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    let expected = Profile {
        name: "work".into(),
        issuer: Some("https://id.example.com".into()),
        endpoints: Endpoints {
            authorization: None,
            token: Some("https://id.example.com/by-hand".into()),
            device_authorization: Some("https://id.example.com/device".into()),
            revocation: Some("http://127.0.0.1:8080/revoke".into()),
            userinfo: Some("https://id.example.com/userinfo".into()),
        },
        client_id: "abc".into(),
        client_secret: Some(SecretSource::File("/etc/fourinsight/secret.txt".into())),
        assertion: Assertion::default(),
        client_auth: PerRequest {
            refresh: Some(ClientAuth::SecretOnly),
            revoke: Some(ClientAuth::Post),
            ..PerRequest::default()
        },
        flow: Flow::Browser,
        scopes: vec!["openid".into(), "offline_access".into()],
        resources: vec!["https://api.example.com/".into()],
        resource_style: Some(ResourceStyle::Audience),
        redirect_uri: "http://localhost:53000".into(),
        response_mode: ResponseMode::FormPost,
        allowed_token_endpoints: vec![
            AllowedEndpoint::parse("https://id.example.com/{tenant}/token").unwrap(),
        ],
        allow_legacy: true,
        authorize_params: text("prompt", "consent"),
        force_params: Some(text("prompt", "select_account")),
        code_params: text("a", "1"),
        device_params: text("d", "4"),
        device_poll_params: text("e", "5"),
        refresh_params: text("scope", "b"),
        revoke_params: text("c", "3"),
        client_capabilities: Vec::new(),
        route: crate::http::Route {
            tls_ca_file: Some("/etc/ssl/corp.pem".into()),
            proxy: Some("http://proxy:3128".into()),
        },
        refresh_idle: Some(604_800),
        rotation: Rotation::Grace(30),
        keep_alive: false,
        help: None,
    };
    assert_eq!(config.profiles["work"], expected);
    assert_eq!(config.default_profile.as_deref(), Some("work"));
}

#[test]
fn what_is_left_out_has_its_default() {
    let profile = parse(&with("")).unwrap().profiles.remove("work").unwrap();
    assert_eq!(profile.redirect_uri, "http://127.0.0.1:0/callback");
    assert_eq!((profile.flow, profile.keep_alive, profile.refresh_idle), (Flow::Browser, true, None));
    assert_eq!((profile.rotation, &profile.force_params), (Rotation::Unknown, &None));
    assert!(profile.client_secret.is_none() && profile.scopes.is_empty() && profile.resources.is_empty());
    assert_eq!(profile.force_params, None);
    let nothing = parse(&with("force_params = {}")).unwrap().profiles.remove("work").unwrap();
    assert_eq!(nothing.force_params, Some(Parameters::new()));
}

#[test]
fn scopes_may_be_one_string_and_secrets_come_from_three_places() {
    let read = |line: &str| parse(&with(line)).unwrap().profiles.remove("work").unwrap();
    assert_eq!(read("scopes = \" a  b \"").scopes, ["a", "b"]);
    let secret = |line: &str| read(line).client_secret;
    assert_eq!(secret("client_secret = { env = \"X\" }"), Some(SecretSource::Env("X".into())));
    let member = MemberValue { file: "/etc/fourinsight/c.yaml".into(), key: "a.b".to_owned() };
    assert_eq!(
        secret("client_secret = { file = \"c.yaml\", key = \"a.b\" }"),
        Some(SecretSource::Member(member))
    );
    let command = SecretSource::Command(vec!["pass".into(), "show".into(), "x".into()]);
    assert_eq!(secret("client_secret.command = [\"pass\", \"show\", \"x\"]"), Some(command));
}

#[test]
fn endpoints_by_hand_do_without_an_issuer() {
    let text = "[profiles.a]\nclient_id = \"x\"\nauthorization_endpoint = \"https://h/a\"\n";
    assert!(parse(text).is_err());
    assert!(parse(&format!("{text}token_endpoint = \"https://h/t\"")).is_ok());
    let text = format!("{text}token_endpoint = \"https://h/t\"\nflow = \"device\"\n");
    let error = parse(&text).unwrap_err();
    assert!(error.what.contains("`device_authorization_endpoint` and `token_endpoint`"), "{error}");
    let device = parse(&format!("{text}device_authorization_endpoint = \"https://h/d\"")).unwrap();
    assert_eq!(device.profiles["a"].flow, Flow::Device);
}

#[test]
fn each_flow_needs_its_own_endpoints_and_redirect_uri() {
    let profile = |lines: &str| parse(&format!("[profiles.a]\nclient_id = \"x\"\n{lines}\n"));
    let (page, token) = ("authorization_endpoint = \"https://h/a\"", "token_endpoint = \"https://h/t\"");
    let allowed = "allowed_token_endpoints = [\"https://h/t\"]";
    let legacy = "allow_legacy = true\nflow";
    for (lines, accepted) in [
        (format!("flow = \"paste\"\n{page}"), false),
        (format!("flow = \"paste\"\n{page}\n{token}"), true),
        (format!("flow = \"paste\"\n{page}\n{allowed}"), true),
        (format!("flow = \"paste\"\n{allowed}"), false),
        (format!("{legacy} = \"password\"\n{token}"), true),
        (format!("{legacy} = \"password\"\n{page}"), false),
        (format!("{legacy} = \"implicit\"\n{page}"), true),
        (format!("{legacy} = \"implicit\"\n{token}"), false),
    ] {
        assert_eq!(profile(&lines).is_ok(), accepted, "{lines}");
    }
    for uri in ["https://app.example/cb?x=1", "com.example.app:/cb", "urn:ietf:wg:oauth:2.0:oob", "http://h/"]
    {
        let line = format!("issuer = \"https://h\"\nredirect_uri = \"{uri}\"\n");
        assert!(profile(&line).is_err(), "{uri}: nothing can listen there");
        assert_eq!(profile(&format!("{line}flow = \"paste\"")).unwrap().profiles["a"].redirect_uri, uri);
    }
    for uri in ["callback", "https://u:p@app.example/", "https://app.example/#x", ""] {
        let line = format!("issuer = \"https://h\"\nredirect_uri = \"{uri}\"\nflow = \"paste\"");
        assert!(profile(&line).unwrap_err().what.contains("an absolute URI"), "{uri}");
    }
}

#[test]
fn of_several_profiles_none_is_the_default_unless_named() {
    let two = with("[profiles.other]\nissuer = \"https://o.example.com\"\nclient_id = \"x\"");
    assert_eq!(parse(&two).unwrap().default_profile, None);
    let named = format!("default_profile = \"other\"\n{two}");
    assert_eq!(parse(&named).unwrap().default_profile.as_deref(), Some("other"));
    assert_eq!(parse("").unwrap(), Config::default());
}

#[test]
fn errors_name_the_line_and_what_to_do() {
    for (line, named) in [
        ("issuerr = \"s3cr3t\"", "unknown key `issuerr`; the nearest known key is `issuer`"),
        ("scope = \"s3cr3t\"", "the nearest known key is `scopes`"),
        ("client-secret = \"s3cr3t\"", "the nearest known key is `client_secret`"),
        ("client_secret = \"s3cr3t\"", "client_secret is never written here; use { file"),
        ("client_secret = [\"s3cr3t\"]", "client_secret is never written here"),
        ("client_secret = { inline = \"s3cr3t\" }", "takes one of file, env and command"),
        ("client_secret = { file = \"s3cr3t\", env = \"s3cr3t\" }", "name just one"),
        ("client_secret = { file = \"x\", s3cr3t = \"y\" }", "and nothing else"),
        ("client_secret = { command = [] }", "not empty"),
        ("client_secret = { command = \"echo s3cr3t\" }", "command must be a list of strings"),
        ("client_secret = s3cr3t", "not valid TOML"),
        ("client_secret = \"s3cr3t", "not valid TOML"),
        ("client_id = \"s3cr3t\"", "not valid TOML: duplicate key"),
        ("s3cr3t", "not valid TOML"),
        ("code_params = { client_secret = \"s3cr3t\" }", "must not hold a client secret"),
        ("authorize_params = { state = \"s3cr3t\" }", "must not set state"),
        ("refresh_params = { n = 1 }", "refresh_params must be a table of strings"),
        ("flow = \"certificate\"", "flow certificate needs client_certificate and client_key"),
        ("code_params = { client_assertion = \"s3cr3t\" }", "must not hold a client assertion"),
        ("flow = \"s3cr3t\"", "flow must be one of \"browser\", \"paste\", \"device\""),
        ("flow = \"password\"", "RFC 9700"),
        ("flow = \"implicit\"", "allow_legacy = true"),
        ("response_mode = \"s3cr3t\"", "response_mode must be \"query\" or \"form_post\""),
        ("allowed_token_endpoints = \"s3cr3t\"", "must be a list of strings"),
        ("allowed_token_endpoints = [\"http://s3cr3t.example/token\"]", "must be https URLs"),
        ("allowed_token_endpoints = [\"https://h/{tenant}/{tenant}\"]", "at most one {tenant}"),
        ("allow_legacy = \"s3cr3t\"", "allow_legacy must be true or false"),
        ("device_params = { scope = \"s3cr3t\" }", "device_params must not set scope"),
        ("device_poll_params = { device_code = \"s3cr3t\" }", "must not set device_code"),
        (
            "client_auth = \"mtls\"",
            "client_auth mtls is mutual TLS, which is not supported by this version yet",
        ),
        ("client_auth = \"tls_client_auth\"", "client_auth tls_client_auth is mutual TLS"),
        (
            "client_auth = { revoke = \"self_signed_tls_client_auth\" }",
            "self_signed_tls_client_auth is mutual TLS",
        ),
        ("client_auth = \"s3cr3t\"", "client_auth is one of basic, basic_raw, post, none, secret_only"),
        ("client_auth = [\"s3cr3t\"]", "client_auth must be one word, or a table"),
        ("client_auth = { cod = \"post\" }", "unknown key `cod`; the nearest known key is `code`"),
        ("client_auth = { code = \"s3cr3t\" }", "client_auth is one of"),
        ("client_auth = { code = 1 }", "code must be a string"),
        ("rotation = \"s3cr3t\"", "rotation must be one of \"unknown\", \"none\""),
        ("rotation = 1", "rotation must be one of"),
        ("rotation = { grace = \"0s\" }", "or { grace = \"30s\" }"),
        ("rotation = { grace = \"30s\", s3 = \"x\" }", "unknown key `s3`"),
        ("force_params = { state = \"s3cr3t\" }", "must not set state"),
        ("preset = \"4insigt\"", "there is no preset `4insigt`; the nearest is `4insight`, of"),
        ("preset = 1", "preset must be a string"),
        ("tenant = \"s3cr3t\"", "unknown key `tenant`"),
        ("resource_style = \"s3cr3t\"", "resource_style must be \"rfc8707\", \"entra\" or \"audience\""),
        ("scopes = 1", "scopes must be a list of strings, or one string"),
        ("scopes = [\"s3 cr3t\"]", "a scope is printable ASCII"),
        ("resources = [\"s3cr3t\"]", "a resource is an absolute URI"),
        ("resources = [\"https://x/#s3cr3t\"]", "a resource is an absolute URI"),
        ("resources = [\"https://x/ s3cr3t\"]", "a resource is an absolute URI"),
        ("redirect_uri = \"https://s3cr3t.example.com/\"", "redirect_uri must be http to 127.0.0.1"),
        ("redirect_uri = \"http://s3cr3t.example.com/\"", "redirect_uri must be http to 127.0.0.1"),
        ("redirect_uri = \"http://127.0.0.1:0/?s3cr3t\"", "redirect_uri must be http to 127.0.0.1"),
        ("token_endpoint = \"http://s3cr3t.example.com/\"", "token_endpoint must be an https URL"),
        ("token_endpoint = \"https://u:s3cr3t@example.com/\"", "without user name"),
        ("device_authorization_endpoint = \"s3cr3t\"", "must be an https URL"),
        ("proxy = \"s3cr3t\"", "proxy must be an http or https URL"),
        ("refresh_idle = \"s3cr3t\"", "refresh_idle must be a duration"),
        ("refresh_idle = \"0\"", "refresh_idle must be a duration"),
        ("keep_alive = \"s3cr3t\"", "keep_alive must be true or false"),
        ("tls_ca_file = \"\"", "tls_ca_file is empty"),
    ] {
        let error = parse(&with(line)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(named), "{line}: {text}");
        assert!(text.starts_with(&format!("{PATH}:4: ")), "{line}: {text}");
        assert!(!text.contains("s3cr3t"), "{line}: {text}");
        assert!(text.contains("; "), "{line}: no next step: {text}");
    }
}

#[test]
fn errors_beside_a_profile_name_their_line_too() {
    for (text, line, named) in [
        ("default_profile = \"x\"", 1, "names a profile that does not exist"),
        ("\n\ndefault_profle = \"x\"", 3, "the nearest known key is `default_profile`"),
        ("[sessions.x]\nprofile = \"a\"", 2, "names a profile that does not exist"),
        ("[sessions.x]", 1, "the session names no profile"),
        ("[sessions.x]\nprofil = \"a\"", 2, "the nearest known key is `profile`"),
        ("[sessions.\"/\"]\nprofile = \"a\"", 1, "a session key is 1 to 128 letters"),
        ("profiles = 1", 1, "profiles must be a table"),
        ("\n[profiles]\nwork = \"s3cr3t\"", 3, "work must be a table"),
        ("\n[profiles.a]\nissuer = \"https://h\"", 2, "the profile has no client_id"),
        ("\n[profiles.a]\nclient_id = \"x\"", 2, "the profile has no issuer"),
        ("[profiles.a]\nclient_id = \"\"\nissuer = \"https://h\"", 2, "client_id must be printable"),
        ("[profiles.a]\nissuer = \"http://h.example.com\"", 2, "issuer must be an https URL"),
        ("[profiles.a]\nissuer = \"https://h/?x\"", 2, "issuer must have no query"),
        ("[profiles.\"\"]\nissuer = \"https://h\"", 1, "a profile's name is"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.line, Some(line), "{text}: {error}");
        assert!(error.what.contains(named), "{text}: {error}");
    }
}

#[test]
fn a_bad_file_is_refused_whole_and_the_old_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let file = ConfigFile::open(&path).unwrap();
    assert_eq!((*file.current()).clone(), Config::default());

    std::fs::write(&path, with("")).unwrap();
    file.reload().unwrap();
    assert!(file.current().profiles.contains_key("work"));

    std::fs::write(&path, with("[profiles.new]\nissuer = 1")).unwrap();
    let error = file.reload().unwrap_err();
    assert_eq!(file.problem(), Some(error.to_string()));
    assert!(file.current().profiles.contains_key("work") && !file.current().profiles.contains_key("new"));
    assert!(ConfigFile::open(&path).is_err());

    std::fs::write(&path, with("keep_alive = false")).unwrap();
    assert!(!file.reload().unwrap().profiles["work"].keep_alive);
    assert_eq!(file.problem(), None);

    std::fs::write(&path, b"\xff").unwrap();
    assert!(file.reload().unwrap_err().what.contains("UTF-8"));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(file.reload().unwrap_err().what.contains("cannot be read"));
}

/// A profile that opens sessions without a person.
const BATCH: &str = r#"
[profiles.batch]
token_endpoint = "https://id.example.com/token"
client_id = "abc"
client_secret = { env = "X" }
flow = "client_credentials"
"#;

#[test]
fn one_word_is_for_every_kind_of_request() {
    for (word, method) in ClientAuth::WORDS {
        let lines = format!("client_secret.env = \"X\"\nclient_key.env = \"Y\"\nclient_auth = \"{word}\"");
        let profile = parse(&with(&lines)).unwrap().profiles.remove("work");
        assert_eq!(profile.unwrap().client_auth, PerRequest::all(Some(method)), "{word}");
    }
}

#[test]
fn client_credentials_need_a_token_endpoint_only() {
    let config = parse(BATCH).unwrap();
    assert_eq!(config.profiles["batch"].flow, Flow::ClientCredentials);
    let bare = "[profiles.a]\ntoken_endpoint = \"https://h/t\"\nflow = \"client_credentials\"";
    assert_eq!(parse(bare).unwrap().profiles["a"].client_id, "");
    let error = parse("[profiles.a]\nclient_id = \"x\"\nflow = \"client_credentials\"").unwrap_err();
    assert!(error.what.contains("add `issuer`, or `token_endpoint`"), "{error}");
}

#[test]
fn declared_sessions_name_a_profile_that_can_open_them() {
    let config = parse(&format!("{BATCH}[sessions.\"my batch\"]\nprofile = \"batch\"")).unwrap();
    let declared: Vec<_> =
        config.declared().map(|(key, profile)| (key.as_str(), profile.name.as_str())).collect();
    assert_eq!(declared, [("my batch", "batch")]);
    let session = "\n[sessions.a]\nprofile = \"work\"";
    for (text, named) in [
        (with(session), "only a profile with flow = \"client_credentials\" or"),
        (with(&format!("flow = \"client_credentials\"{session}")), "lacks client_id or client_secret"),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.what.contains(named), "{text}: {error}");
        assert!(error.line.is_some_and(|line| text.lines().nth(line - 1) == Some("profile = \"work\"")));
    }
}
