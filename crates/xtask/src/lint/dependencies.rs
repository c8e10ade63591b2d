//! What the dependency tree must look like.

use std::{collections::BTreeSet, fs};

use anyhow::Context;

use crate::process;

/// The crates of a second crypto provider; the one we have is ring.
const SECOND_PROVIDER: &[&str] = &["aws-lc-sys", "aws-lc-rs", "openssl-sys"];

/// What the README writes before the size of the client's default tree.
const README_SENTENCE: &str = "Its default dependency tree is ";

/// No crate may bring a second crypto provider in, on any platform.
pub(crate) fn one_crypto_provider() -> anyhow::Result<Vec<String>> {
    let everything = ["--workspace", "--all-features", "--target", "all", "--edges", "all"];
    let crates = tree(&everything)?;
    Ok(SECOND_PROVIDER
        .iter()
        .filter(|name| crates.iter().any(|found| found.split(' ').next() == Some(name)))
        .map(|name| format!("`{name}` is in the dependency tree; see `cargo tree --target all -i {name}`"))
        .collect())
}

/// The number of crates a program takes in with the client, as the README states it for Linux.
pub(crate) fn client_size() -> anyhow::Result<Vec<String>> {
    if std::env::consts::OS != "linux" {
        return Ok(vec![]);
    }
    let readme = fs::read_to_string(process::root().join("README.md")).context("cannot read README.md")?;
    let counted = tree(&["--package", "fourinsight-client", "--edges", "normal"])?.len();
    Ok(compare(stated(&readme), counted))
}

fn compare(stated: Option<usize>, counted: usize) -> Vec<String> {
    match stated {
        Some(stated) if stated == counted => vec![],
        Some(stated) => {
            vec![format!("README.md says that the client's default tree is {stated} crates; it is {counted}")]
        }
        None => vec![format!("README.md does not say `{README_SENTENCE}{counted} crates`")],
    }
}

fn stated(readme: &str) -> Option<usize> {
    let words: Vec<&str> = readme.split_whitespace().collect();
    let sentence: Vec<&str> = README_SENTENCE.split_whitespace().collect();
    let found = words.windows(sentence.len() + 1).find(|window| window[..sentence.len()] == sentence[..])?;
    found.last()?.trim_matches('*').parse().ok()
}

/// Names and versions of the crates that `cargo tree` finds, each once.
fn tree(selection: &[&str]) -> anyhow::Result<BTreeSet<String>> {
    let mut cargo = process::cargo(["tree", "--locked", "--prefix", "none", "--format", "{p}"]);
    let listed = process::read(cargo.args(selection))?;
    let named = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Ok(listed.lines().filter(|line| !line.is_empty()).map(named).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_read_across_line_breaks() {
        assert_eq!(stated("text. Its default\ndependency tree is 31 crates, itself"), Some(31));
        assert_eq!(stated("Its default dependency tree is **31** crates"), Some(31));
        assert_eq!(stated("Its default dependency tree is small"), None);
        assert_eq!(stated(""), None);
    }

    #[test]
    fn a_wrong_or_missing_number_is_named_with_the_right_one() {
        assert!(compare(Some(3), 3).is_empty());
        assert!(compare(Some(2), 3)[0].contains("is 2 crates; it is 3"));
        assert!(compare(None, 3)[0].contains("3 crates"));
    }

    #[test]
    fn the_tree_lists_every_crate_once() {
        let crates = tree(&["--package", "xtask", "--edges", "normal"]).unwrap();
        assert!(crates.iter().any(|name| name.starts_with("anyhow v1.")), "{crates:?}");
        assert!(crates.iter().any(|name| name.starts_with("xtask v")), "{crates:?}");
    }
}
