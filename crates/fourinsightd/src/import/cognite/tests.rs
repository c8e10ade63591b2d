//! Each kind of mapping, as the SDK's documentation and samples write it, and what becomes of it.

use super::*;

fn table(content: &str) -> String {
    read(content, None).unwrap_or_else(|error| panic!("{content}: {error:?}")).table.to_string()
}

#[test]
fn client_credentials_at_entra_become_three_lines_of_the_preset() {
    let written = table(
        "client_credentials:\n  token_url: https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token\n  \
         client_id: abc\n  client_secret: ${COGNITE_SECRET}\n  scopes: [\"https://westeurope-1.cognitedata.com/.default\"]\n",
    );
    assert_eq!(
        written,
        "preset = \"cognite\"\nflow = \"client_credentials\"\ntenant = \"contoso.example\"\ncluster = \"westeurope-1\"\n\
         client_id = \"abc\"\nclient_secret = { env = \"COGNITE_SECRET\" }\n"
    );
}

#[test]
fn what_is_not_taken_over_is_said() {
    for (fields, cache, hints) in [
        ("", true, false),
        ("  token_cache_path: ./cache.bin\n", true, false),
        ("  mem_cache_only: true\n", false, false),
        ("  prompt: login\n  login_hint: null\n", true, true),
        ("  login_hint: ada@example.com\n", true, true),
    ] {
        let text = format!(
            "interactive:\n  authority_url: https://id.example/t\n  client_id: abc\n  scopes: [a]\n{fields}"
        );
        let notes = read(&text, None).unwrap().notes.join("\n");
        assert_eq!(
            (notes.contains("import msal FILE"), notes.contains("login_hint")),
            (cache, hints),
            "{text}"
        );
    }
}

#[test]
fn an_authority_is_found_where_msal_looks_for_it() {
    for (authority, issuer) in [
        (
            "https://login.microsoftonline.us/contoso.example",
            "https://login.microsoftonline.us/contoso.example/v2.0",
        ),
        ("https://id.example/tenant/", "https://id.example/tenant/v2.0"),
        ("https://id.example/tenant/v2.0", "https://id.example/tenant/v2.0"),
        ("https://fs.example/adfs", "https://fs.example/adfs"),
        ("https://id.example", "https://id.example"),
    ] {
        for kind in ["interactive", "device_code"] {
            let text = format!("{kind}:\n  authority_url: {authority}\n  client_id: abc\n  scopes: [a]\n");
            assert!(table(&text).contains(&format!("issuer = \"{issuer}\"\n")), "{text}");
        }
    }
    let found =
        "device_code:\n  oauth_discovery_url: https://id.example/oauth\n  client_id: abc\n  scopes: [a]\n";
    assert!(table(found).contains("issuer = \"https://id.example/oauth\"\n"));
}

#[test]
fn client_credentials_elsewhere_keep_their_endpoint_and_what_is_sent_beside() {
    let written = table(
        r#"{"client_credentials": {"token_url": "https://id.example/token", "client_id": "abc",
            "client_secret": "$SECRET", "scopes": "a b", "audience": "https://api.example", "token_expiry_leeway_seconds": 30}}"#,
    );
    assert_eq!(
        written,
        "flow = \"client_credentials\"\ntoken_endpoint = \"https://id.example/token\"\nclient_auth = \"post\"\n\
         scopes = [\"a\", \"b\"]\nclient_id = \"abc\"\nclient_secret = { env = \"SECRET\" }\n\
         code_params = { audience = \"https://api.example\" }\n"
    );
}

#[test]
fn it_is_said_which_variable_goes_to_which_server() {
    let mapping = read(
        r#"{"client_credentials": {"token_url": "https://login.microsoftonline.com@collector.example/oauth2/v2.0/token",
            "client_id": "abc", "client_secret": "${AWS_SECRET_ACCESS_KEY}", "scopes": []}}"#,
        None,
    );
    let notes = mapping.unwrap().notes.concat();
    assert!(notes.contains("AWS_SECRET_ACCESS_KEY") && notes.ends_with("to collector.example"), "{notes}");
}

#[test]
fn a_secret_in_the_mapping_itself_is_read_there_and_not_copied() {
    let mapping = "client_credentials:\n  token_url: https://id.example/token\n  client_id: abc\n  client_secret: c4nary\n  scopes: a\n";
    let inside =
        |inner: String, name: &&str| format!("{name}:\n  {}\n", inner.trim_end().replace('\n', "\n  "));
    let nested = |names: &[&str]| names.iter().rev().fold(mapping.to_owned(), inside);
    for (names, within) in [
        (&[][..], ""),
        (&["credentials"], "credentials."),
        (&["client", "credentials"], "client.credentials."),
    ] {
        let read = read(&nested(names), Some("/home/ada/my \"fusion\".yaml")).unwrap();
        let written = read.table.to_string();
        let place = format!(
            "client_secret = {{ file = '/home/ada/my \"fusion\".yaml', key = \"{within}client_credentials.client_secret\" }}"
        );
        assert!(written.contains(&place), "{written}");
        let said = format!("{written}{:?}", read.notes);
        assert!(said.contains("has to stay there") && !said.contains("c4nary"), "{said}");
    }
    for path in [None, Some("relative.yaml"), Some("/a\nb")] {
        let error = read(mapping, path).unwrap_err();
        assert!(error.error_description.contains("never does"), "{path:?}: {error:?}");
    }
}

#[test]
fn an_interactive_mapping_keeps_its_port_and_is_found_in_a_whole_configuration() {
    let scope = "https://api.cognitedata.com/.default";
    let entra = "https://login.microsoftonline.com/8a7b6c5d-0123-4567-89ab-0123456789ab";
    let document = |authority: &str, port: &str| {
        format!(
            "client:\n  project: p\n  credentials:\n    interactive:\n      authority_url: {authority}\n      \
             client_id: abc\n      scopes:\n      - {scope}\n      redirect_port: {port}\n"
        )
    };
    let preset =
        "preset = \"cognite\"\ntenant = \"8a7b6c5d-0123-4567-89ab-0123456789ab\"\ncluster = \"api\"\n";
    assert_eq!(table(&document(entra, "53000")), format!("{preset}client_id = \"abc\"\n"));
    assert_eq!(
        table(&document(&format!("{entra}/v2.0/"), "4000")),
        format!("{preset}redirect_uri = \"http://localhost:4000\"\nclient_id = \"abc\"\n")
    );
    assert_eq!(
        table(&document("https://adfs.example/adfs", "53000")),
        format!(
            "issuer = \"https://adfs.example/adfs\"\nredirect_uri = \"http://localhost:53000\"\n\
             scopes = [\"{scope}\", \"openid\", \"profile\", \"offline_access\"]\nclient_id = \"abc\"\n"
        )
    );
}

#[test]
fn a_device_mapping_keeps_its_cluster_or_its_extra_parameters() {
    let entra = table(
        "device_code:\n  authority_url: https://login.microsoftonline.com/contoso.example\n  cdf_cluster: api\n  client_id: abc\n",
    );
    assert_eq!(
        entra,
        "preset = \"cognite\"\nflow = \"device\"\ntenant = \"contoso.example\"\ncluster = \"api\"\nclient_id = \"abc\"\n"
    );
    let auth0 = table(
        "device_code: {oauth_discovery_url: \"https://x.auth0.example\", client_id: abc, scopes: [a], audience: urn:api, mem_cache_only: true}",
    );
    assert_eq!(
        auth0,
        "flow = \"device\"\nissuer = \"https://x.auth0.example\"\n\
         scopes = [\"a\", \"openid\", \"profile\", \"offline_access\"]\nclient_id = \"abc\"\n\
         device_params = { audience = \"urn:api\" }\ndevice_poll_params = { audience = \"urn:api\" }\n"
    );
}

#[test]
fn what_no_profile_can_be_made_of_says_what_to_do_and_repeats_nothing() {
    let credentials =
        |more: &str| format!("client_credentials:\n  token_url: https://id.example/token\n{more}");
    for (content, says) in [
        ("token: c4nary".to_owned(), "cannot renew itself"),
        ("token: {token: c4nary}".to_owned(), "cannot renew itself"),
        ("client_certificate: {certificate: \"${K}\"}".to_owned(), "no authority_url"),
        (
            "client_certificate: {authority_url: \"https://id.example\", certificate: c4nary}".to_owned(),
            "never does",
        ),
        (credentials("  client_id: abc\n  client_secret: c4nary\n"), "never does"),
        (credentials("  client_id: abc\n  client_secret: \"${c4nary\"\n"), "never does"),
        (credentials("  client_id: abc\n"), "no client_secret"),
        (credentials("  client_secret: ${X}\n"), "no client_id"),
        (
            credentials("  client_id: ${c4nary}\n  client_secret: ${X}\n"),
            "client_id in the mapping is a variable",
        ),
        (credentials("  client_id: [c4nary]\n  client_secret: ${X}\n"), "client_id in the mapping is not"),
        (credentials("  client_id: abc\n  client_secret: ${X}\n  scopes: {a: c4nary}\n"), "scopes"),
        (
            credentials("  client_id: abc\n  client_secret: ${X}\n  my_secret: c4nary\n"),
            "cannot become a parameter",
        ),
        (
            credentials("  client_id: abc\n  client_secret: ${X}\n  audience: [c4nary]\n"),
            "cannot become a parameter",
        ),
        ("interactive: {client_id: abc}".to_owned(), "no authority_url"),
        (
            "interactive: {authority_url: https://x, client_id: abc, redirect_port: c4nary}".to_owned(),
            "redirect_port",
        ),
        ("device_code: {client_id: c4nary}".to_owned(), "exactly one of authority_url"),
        ("token: c4nary\ninteractive: {}".to_owned(), "several"),
        ("c4nary: 1".to_owned(), "exactly one of token"),
        ("- c4nary".to_owned(), "exactly one of token"),
        ("c4nary".to_owned(), "exactly one of token"),
        (String::new(), "empty"),
        ("interactive: &a {authority_url: c4nary}\n".to_owned(), "anchors"),
        ("interactive: {authority_url: c4nary".to_owned(), "valid YAML"),
    ] {
        let error = read(&content, None).expect_err(&content);
        assert!(error.error_description.contains(says), "{content}: {}", error.error_description);
        assert!(error.hint.is_some() && !format!("{error:?}").contains("c4nary"), "{error:?}");
    }
}

#[test]
fn only_entra_and_cognite_by_their_full_names_are_the_presets() {
    let cognite = ["https://api.cognitedata.com/.default".to_owned()];
    for (url, scopes, is_preset) in [
        ("https://login.microsoftonline.com/t.example", &cognite[..], true),
        ("https://login.microsoftonline.com.evil.example/t.example", &cognite, false),
        ("http://login.microsoftonline.com/t.example", &cognite, false),
        ("https://login.microsoftonline.com/t.example/adfs", &cognite, false),
        ("https://login.microsoftonline.com/", &cognite, false),
        (
            "https://login.microsoftonline.com/t.example",
            &["https://a.b.cognitedata.com/.default".to_owned()],
            false,
        ),
        ("https://login.microsoftonline.com/t.example", &["https://api.example/.default".to_owned()], false),
        ("https://login.microsoftonline.com/t.example", &[], false),
    ] {
        assert_eq!(Place::of(url, "", scopes, None).is_some(), is_preset, "{url} {scopes:?}");
    }
}
