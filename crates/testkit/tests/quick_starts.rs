//! README.md as its readers use it: each program in Python and in Rust is run as it stands there. The practice server
//! takes the place of the servers and APIs that it names, over TLS.

#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use anyhow::{Result, anyhow, ensure};
use serde_json::json;
use testkit::{
    package::{Environment, Package},
    practice::{Client, Dialect, Resource, Settings},
    process::forget_this_package,
    readme::{self, Reader, Section},
};

#[test]
fn the_package_is_built_as_it_is_told() {
    let [install] = readme::section("From Python")
        .unwrap()
        .commands(["pip install ./crates/fourinsight-python"])
        .unwrap();
    let named = install.rsplit('/').next().unwrap();
    // That pip builds it is for the tests of the package.
    assert_eq!(testkit::package::sources().file_name().unwrap(), named);
}

#[test]
fn every_quick_start_is_known_here() {
    let chapter = readme::chapter("Use").unwrap();
    let titles: Vec<_> = chapter.iter().map(|section| section.title.as_str()).collect();
    let python = ["In a script", "In a notebook", "With Cognite's SDK", "With Azure's SDK"];
    assert_eq!(titles, [&["Use", "From Rust", "From Python"][..], &python].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_script() {
    greets("In a script", standard(), "default").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn from_requests_oauthlib() {
    greets("From requests-oauthlib", standard(), "default").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn from_fourinsight_api() {
    greets("From fourinsight.api", standard(), "default").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_sdk_of_cognite() {
    greets("With Cognite's SDK", entra("https://westeurope-1.cognitedata.com"), "cognite").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_sdk_of_azure() {
    let vault = "https://vault.azure.net";
    let (reader, section) = signed_in("With Azure's SDK", entra(vault), "azure").await.unwrap();
    let token = reader.runs(python().unwrap(), &section.block("python").unwrap()).await.unwrap();
    reader.lives(&token).unwrap();
    assert_eq!(reader.practice.access_token(&token).unwrap().audience, [vault]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_notebook() {
    let (reader, section) = signed_in("In a notebook", standard(), "default").await.unwrap();
    let cells = [section.block("python").unwrap(), "print(headers['Authorization'])".to_owned()];
    let notebook = format!(
        "import nbformat\nfrom nbclient import NotebookClient\n\n\
         cells = [nbformat.v4.new_code_cell(text) for text in {}]\n\
         notebook = nbformat.v4.new_notebook(cells=cells)\n\
         NotebookClient(notebook, kernel_name='python3', timeout=60).execute()\n\
         print(notebook.cells[-1].outputs[0].text)\n",
        json!(cells)
    );
    let said = reader.runs(python().unwrap(), &notebook).await.unwrap();
    reader.lives(said.trim().strip_prefix("Bearer ").unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn from_rust() {
    let (reader, section) = signed_in("From Rust", standard(), "default").await.unwrap();
    let program = tokio::task::spawn_blocking(move || compiled(&section)).await.unwrap().unwrap();
    let said = reader.types(&format!("'{}'", program.display())).await.unwrap();
    reader.lives(said.strip_prefix("Authorization: Bearer ").unwrap()).unwrap();
}

/// Runs a section's program where a session is signed in; the API that it asks has to greet ada.
async fn greets(title: &str, settings: Settings, session: &str) -> Result<()> {
    let (reader, section) = signed_in(title, settings, session).await?;
    let said = reader.runs(python()?, &section.block("python")?).await?;
    ensure!(said.contains("'hello': 'Ada Lovelace'"), "{title}: {said}");
    Ok(())
}

async fn signed_in(title: &str, settings: Settings, session: &str) -> Result<(Reader, Section)> {
    let section = readme::section(title)?;
    let audience = match &settings.dialect {
        Dialect::Entra(entra) => entra.resources.last().map(|resource| resource.identifier.clone()),
        _ => None,
    };
    let scopes = audience.map_or_else(
        || "openid offline_access api".to_owned(),
        |audience| format!("openid offline_access {audience}/.default"),
    );
    // `UserSession` takes no token of a profile that is not 4insight's.
    let profile = if title == "From fourinsight.api" { "4insight" } else { session };
    let reader = Reader::new(settings).await?;
    let config = format!(
        "[profiles.{profile}]\nissuer = \"{}\"\nclient_id = \"abc\"\nscopes = \"{scopes}\"\n",
        reader.serving.issuer
    );
    reader.home.write_config(&config)?;
    reader.signs_in(&format!("fourinsightctl login {session} --profile {profile}")).await?;
    Ok((reader, section))
}

/// A server with the client that the profiles name.
fn standard() -> Settings {
    Settings { clients: vec![Client { id: "abc".to_owned(), ..Client::public() }], ..Settings::default() }
}

/// A directory that knows this API.
fn entra(api: &str) -> Settings {
    let mut settings = Settings::entra();
    let Dialect::Entra(entra) = &mut settings.dialect else { unreachable!("Entra's settings are Entra's") };
    let scopes = vec!["user_impersonation".to_owned()];
    entra.resources.push(Resource { identifier: api.to_owned(), scopes });
    Settings { clients: standard().clients, ..settings }
}

/// A Python that has the package, and what its users have.
fn python() -> Result<&'static Path> {
    static MADE: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
        let made = Package::wheel(target()).and_then(|wheel| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("quick-starts");
            Environment::with_tools(&wheel, &folder)
        });
        made.map(|environment| environment.python()).map_err(|error| format!("{error:#}"))
    });
    let made = tokio::task::block_in_place(|| MADE.as_ref());
    made.map(PathBuf::as_path).map_err(|error| anyhow!("{error}"))
}

/// A section's program in Rust, as a package of its own.
fn compiled(section: &Section) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("quick-start");
    fs::create_dir_all(folder.join("src"))?;
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("fourinsight-client");
    let manifest = format!(
        "[package]\nname = \"quick-start\"\nedition = \"2024\"\n\n[dependencies]\nfourinsight-client = {{ path = {} }}\n\n\
         [workspace]\n",
        json!(client)
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::copy(client.join("../../Cargo.lock"), folder.join("Cargo.lock"))?;
    fs::write(folder.join("src/main.rs"), section.block("rust")?)?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    forget_this_package(&mut cargo);
    cargo.args(["build", "--quiet", "--offline", "--target-dir"]).arg(target());
    let output = cargo.current_dir(&folder).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(target().join("debug/quick-start"))
}

/// The target folder of this build.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("/"))
}
