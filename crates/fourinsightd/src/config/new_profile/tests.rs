//! What is added, what stays as it was, and what is refused.

use super::*;

fn new(name: &str, preset: &str, settings: &[(&str, &str)]) -> NewProfile {
    NewProfile {
        name: name.to_owned(),
        preset: preset.to_owned(),
        settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..NewProfile::default()
    }
}

fn keycloak(name: &str) -> NewProfile {
    new(name, "keycloak", &[("server", "https://id.example.com"), ("realm", "r"), ("client_id", "a \"b\"")])
}

fn added(text: &str, new: &NewProfile) -> Result<String, NotAdded> {
    add(Path::new("/etc/config.toml"), text, new)
}

fn parsed(text: &str) -> Config {
    Config::parse(Path::new("/etc/config.toml"), text).unwrap()
}

const OLD: &str = "[profiles.old]\nissuer = \"https://old.example\"\nclient_id = \"x\"\n";

#[test]
fn a_new_file_holds_just_the_profile() {
    let text = added("", &keycloak("my work")).unwrap();
    let expected = "[profiles.\"my work\"]\npreset = \"keycloak\"\nserver = \"https://id.example.com\"\nrealm = \"r\"\n\
                    client_id = 'a \"b\"'\n";
    assert_eq!(text, expected);
    assert_eq!(parsed(&text).default_profile.as_deref(), Some("my work"));
    let first = added("", &NewProfile { make_default: true, ..new("4i", "4insight", &[]) }).unwrap();
    assert_eq!(first, "default_profile = \"4i\"\n\n[profiles.4i]\npreset = \"4insight\"\n");
}

#[test]
fn every_byte_of_the_file_stays_as_it_was() {
    let odd = "# Ours.   \n\n  default_profile=\"old\" # for now\n[profiles]\n[profiles . old] # here\n\
               client_id = 'x'\nissuer    = \"\"\"https://old.example\"\"\"\n\tscopes=[ \"a\", # one\n \"b\" ]\n\n# The end";
    for before in [
        odd.to_owned(),
        odd.replace('\n', "\r\n"),
        format!("\u{feff}{odd}"),
        format!("default_profile = \"old\"\n{OLD}[profiles.old.authorize_params]\na = \"b\"\n[sessions.s]\nprofile = \"old\"\n")
            .replace("client_id", "client_secret.env = \"S\"\nflow = \"client_credentials\"\nclient_id"),
        "default_profile = \"old\"\nprofiles.old.issuer = \"https://old.example\"\nprofiles.old.client_id = \"x\"".to_owned(),
        "default_profile = \"old\"\n[profiles]\nold.issuer = \"https://old.example\"\nold.client_id = \"x\"\n".to_owned(),
        "default_profile = \"old\"\n[profiles]\nold = { issuer = \"https://old.example\", client_id = \"x\" }\n".to_owned(),
    ] {
        let text = added(&before, &keycloak("new")).unwrap_or_else(|error| panic!("{before}: {error:?}"));
        assert!(text.starts_with(&before), "{text}");
        assert_eq!(parsed(&text).profiles["new"].client_id, "a \"b\"");
        let crlf = before.contains("\r\n");
        assert!(text.lines().count() > 8 && (!crlf || text.matches('\n').count() == text.matches("\r\n").count()));
        // The default profile is changed in its place, and nothing else is.
        let text = added(&before, &NewProfile { make_default: true, ..keycloak("new") }).unwrap();
        let unchanged = before.replacen("\"old\"", "\"new\"", 1);
        assert!(text.starts_with(&unchanged), "{text}");
        assert_eq!(parsed(&text).default_profile.as_deref(), Some("new"));
    }
}

#[test]
fn profiles_in_braces_get_another_in_braces() {
    let before =
        "# Ours.\r\nprofiles = { old = { issuer = \"https://old.example\", client_id = \"x\" } } # all\r\n";
    let text = added(before, &keycloak("new")).unwrap();
    assert!(
        text.starts_with("default_profile = \"old\"\r\n\r\n# Ours.\r\nprofiles = { old = { issuer"),
        "{text}"
    );
    assert!(text.ends_with(" } } # all\r\n") && parsed(&text).profiles.len() == 2, "{text}");
}

#[test]
fn the_only_profile_stays_the_default_one() {
    let text = added(OLD, &keycloak("new")).unwrap();
    assert!(text.starts_with(&format!("default_profile = \"old\"\n\n{OLD}\n[profiles.new]\n")), "{text}");
    let third = added(&text, &keycloak("third")).unwrap();
    assert!(third.starts_with(&text) && parsed(&third).default_profile.as_deref() == Some("old"));
}

#[test]
fn a_flow_of_the_presets_and_the_place_of_a_secret_are_written() {
    let settings = [
        ("tenant", "contoso.com"),
        ("cluster", "api"),
        ("client_id", "abc"),
        ("client_secret", "env: SECRET"),
    ];
    let request = NewProfile { flow: Some("client_credentials".into()), ..new("c", "cognite", &settings) };
    let text = added("", &request).unwrap();
    assert!(
        text.contains("flow = \"client_credentials\"\n")
            && text.contains("client_secret = { env = \"SECRET\" }\n")
    );
    for (said, written) in [
        ("file:/run/a b", "client_secret = { file = \"/run/a b\" }"),
        ("command:pass  show x", "client_secret = { command = [\"pass\", \"show\", \"x\"] }"),
    ] {
        let request =
            new("g", "google", &[("client_id", "a"), ("client_secret", said), ("scopes", " openid  email ")]);
        let text = added("", &request).unwrap();
        assert!(text.contains(written) && text.contains("scopes = [\"openid\", \"email\"]"), "{text}");
    }
    let flow = NewProfile { flow: Some("browser".into()), ..new("c", "cognite", &settings[..3]) };
    assert!(!added("", &flow).unwrap().contains("flow"), "the preset's own flow needs no word");
}

#[test]
fn what_is_wrong_is_refused_and_never_repeated() {
    let given = |settings: &[(&str, &str)]| new("n", "entra", &[&[("client_id", "a")], settings].concat());
    let flow = |flow: &str| NewProfile { flow: Some(flow.into()), ..given(&[]) };
    for (request, what, next) in [
        (keycloak("old"), "a profile of this name already", "another name"),
        (keycloak(""), "a profile's name is 1 to 128", "rename it"),
        (keycloak("a\nb"), "a profile's name is 1 to 128", "rename it"),
        (new("n", "s3cr3t", &[]), "no such preset", "the nearest is"),
        (new("n", "entra", &[]), "the preset entra needs `client_id`", "give `client_id`: The application"),
        (new("n", "entra", &[("client_id", " ")]), "needs `client_id`", "give `client_id`"),
        (given(&[("tenent", "s3cr3t")]), "does not ask for one of the settings", "`tenant`"),
        (given(&[("tenant", "s3cr3t/x")]), "tenant must be a tenant's domain", "correct it"),
        (given(&[("api", "s3cr3t x")]), "api must be an absolute URI", "correct it"),
        (given(&[("client_secret", "s3cr3t")]), "client_secret is never written", "file:PATH"),
        (given(&[("client_secret", "file:")]), "client_secret is never written", "file:PATH"),
        (given(&[("client_secret", "s3:cr3t")]), "client_secret is never written", "file:PATH"),
        (given(&[("client_secret", "env:s3cr3t!")]), "client_secret is never written", "file:PATH"),
        (given(&[("client_id", "s3cr3t\nflow = \"x\"")]), "client_id must be one line", "correct it"),
        (flow("s3cr3t"), "is not made for this flow", "choose one of browser, device"),
        (flow("client_credentials"), "the preset entra needs `client_secret`", "give `client_secret`"),
        (
            new("n", "generic", &[("client_id", "a"), ("issuer", "http://s3cr3t.example")]),
            "issuer must be an https URL",
            "correct it",
        ),
        (
            new("n", "google", &[("client_id", "\u{e6}"), ("client_secret", "env:X")]),
            "client_id must be printable ASCII",
            "correct it",
        ),
    ] {
        let error = added(OLD, &request).unwrap_err();
        assert!(error.what.contains(what) && error.next.contains(next), "{error:?}");
        assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
    }
    for text in ["[profiles.x]\nisuer = \"s3cr3t\"", "s3cr3t"] {
        let error = added(text, &keycloak("new")).unwrap_err();
        assert!(
            error
                .what
                .starts_with("the configuration has an error, so nothing was written: /etc/config.toml:")
        );
        assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
    }
}
