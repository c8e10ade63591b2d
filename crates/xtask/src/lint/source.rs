//! The rules of this workspace that no other tool knows: files stay short, and only the platform folders ask which
//! platform they are on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::process;

/// The longest a source file may be, in lines, tests included.
const LONGEST_FILE: usize = 450;

/// Where code may differ by platform.
const PLATFORM_FOLDERS: &[&str] = &["crates/fourinsight-ipc/src/platform/", "crates/fourinsightd/src/sys/"];

/// Checks every source file; answers with what is wrong, a line each.
pub(crate) fn check() -> anyhow::Result<Vec<String>> {
    let root = process::root();
    let mut files = vec![];
    collect(&root.join("crates"), &mut files)?;
    let mut problems = vec![];
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(&root).unwrap_or(file).to_string_lossy().replace('\\', "/");
        problems.extend(check_file(&name, &text));
    }
    Ok(problems)
}

fn check_file(name: &str, text: &str) -> Vec<String> {
    let mut problems = vec![];
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        problems.push(format!("{name} has {lines} lines, over {LONGEST_FILE}; split it by idea"));
    }
    if Path::new(name).extension().is_some_and(|extension| extension == "rs")
        && !PLATFORM_FOLDERS.iter().any(|folder| name.starts_with(folder))
    {
        // A file of integration tests may be for one platform as a whole: it speaks to sockets or sends signals.
        let whole_file = |line: &str| name.contains("/tests/") && line.starts_with("#!");
        let asking =
            text.lines().enumerate().filter(|(_, line)| asks_the_platform(line) && !whole_file(line));
        problems.extend(asking.map(|(index, _)| {
            format!("{name}:{}: asks which platform it is on; that belongs in a platform folder", index + 1)
        }));
    }
    problems
}

/// Whether a line of code is compiled on some families of platforms only. A test that is skipped elsewhere, by
/// `cfg_attr(…, ignore = "…")`, is not meant: it is named in the figures.
fn asks_the_platform(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let conditions = ["#[cfg(", "#![cfg(", "cfg!("];
    let families = ["unix", "windows"];
    let Some(condition) = conditions.iter().find_map(|opening| code.split_once(opening)) else {
        return false;
    };
    let words = condition.1.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words.into_iter().any(|word| families.contains(&word))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            // Virtual environments of Python have names that start with a dot.
            if !matches!(name.as_str(), "node_modules" | "target") && !name.starts_with('.') {
                collect(&path, files)?;
            }
        } else if matches!(
            path.extension().and_then(|extension| extension.to_str()),
            Some("rs" | "mjs" | "py")
        ) {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_named() {
        assert!(check_file("crates/a/src/b.rs", &"x\n".repeat(LONGEST_FILE)).is_empty());
        let problems = check_file("crates/a/src/b.rs", &"x\n".repeat(LONGEST_FILE + 1));
        assert!(problems[0].starts_with("crates/a/src/b.rs has 451 lines"), "{problems:?}");
    }

    #[test]
    fn only_the_platform_folders_ask_for_the_platform() {
        // Written in two pieces, or this file would break the rule it tests.
        for (opening, rest) in
            [("#[cfg", "(unix)]"), ("#[cfg", "(all(test, windows))]"), ("cfg!", "(not(unix))")]
        {
            let line = format!("{opening}{rest}");
            let problems = check_file("crates/fourinsightd/src/server.rs", &format!("fn a() {{}}\n{line}\n"));
            assert_eq!(problems.len(), 1, "{line}");
            assert!(problems[0].contains("server.rs:2:"));
            assert!(check_file("crates/fourinsightd/src/sys/mod.rs", &line).is_empty());
        }
    }

    #[test]
    fn a_file_of_tests_may_be_for_one_platform_as_a_whole() {
        let whole = format!("#![cfg{}", "(unix)]");
        assert!(check_file("crates/fourinsightctl/tests/token.rs", &whole).is_empty());
        assert_eq!(check_file("crates/fourinsightctl/src/main.rs", &whole).len(), 1);
        assert_eq!(check_file("crates/fourinsightctl/tests/token.rs", &whole.replace('!', "")).len(), 1);
    }

    #[test]
    fn words_and_comments_that_look_alike_are_no_condition() {
        for line in
            ["#[cfg(test)]", "// #[cfg(unix)] belongs elsewhere", "use std::os::unix::net;", "unix_time()"]
        {
            assert!(!asks_the_platform(line), "{line}");
        }
        assert!(!asks_the_platform("#[cfg_attr(windows, ignore = \"no signals there\")]"));
    }

    #[test]
    fn sources_are_found_and_installed_packages_are_not() {
        let mut files = vec![];
        collect(&process::root().join("crates"), &mut files).unwrap();
        assert!(files.iter().any(|file| file.ends_with("xtask/src/lint/source.rs")));
        assert!(!files.iter().any(|file| file.to_string_lossy().contains("node_modules")));
        assert!(!files.iter().any(|file| file.to_string_lossy().contains(".venv")));
    }
}
