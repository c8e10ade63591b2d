//! What other crates can name: it changes on purpose, and `CHANGELOG.md` says so. `UPDATE_GOLDEN=1` writes it anew.
//!
//! The second crate is looked at as well, because the first one hands out its messages.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

#[test]
fn the_client_is_what_it_was() {
    check("fourinsight-client").unwrap();
}

#[test]
fn its_messages_are_what_they_were() {
    check("fourinsight-ipc").unwrap();
}

fn check(package: &str) -> Result<()> {
    let items = public_items(package)?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/public-api/{package}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return Ok(std::fs::write(path, items)?);
    }
    let golden = std::fs::read_to_string(&path).with_context(|| format!("{} is missing", path.display()))?;
    let gone = missing(&golden, &items);
    let new = missing(&items, &golden);
    ensure!(
        golden == items,
        "the public API of {package} has changed; when it should, run with UPDATE_GOLDEN=1\ngone: {gone:#?}\nnew: {new:#?}"
    );
    Ok(())
}

fn missing<'a>(these: &'a str, those: &str) -> Vec<&'a str> {
    these.lines().filter(|line| !those.lines().any(|other| other == *line)).collect()
}

/// One line an item, in a fixed order.
fn public_items(package: &str) -> Result<String> {
    let api = public_api::Builder::from_rustdoc_json(document(package)?)
        .sorted(true)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .context("the pinned crate `public-api` does not understand this version of rustdoc")?;
    Ok(api.items().map(|item| format!("{item}\n")).collect())
}

/// Has rustdoc describe a crate as JSON, which it does for people with an unstable option.
fn document(package: &str) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("public-api");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["rustdoc", "--quiet", "--lib", "--all-features", "--package", package, "--target-dir"])
        .arg(&folder)
        .args(["--", "-Zunstable-options", "--output-format", "json"])
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .context("cargo cannot be started")?;
    ensure!(output.status.success(), "rustdoc failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(folder.join("doc").join(package.replace('-', "_")).with_extension("json"))
}
