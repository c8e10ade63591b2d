//! README.md as its readers use it: the commands of a section, as they are written, and what stands in its other
//! blocks and tables; and a [`Reader`] who types them.

mod reader;

pub use reader::{Page, Reader};

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// What stands between one heading and the next, of whatever level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The heading's words.
    pub title: String,
    level: usize,
    lines: Vec<String>,
}

/// The sections of README.md, in their order.
pub fn sections() -> Result<Vec<Section>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} is missing", path.display()))?;
    Ok(parse(&text))
}

/// The section of this title.
pub fn section(title: &str) -> Result<Section> {
    let found = sections()?.into_iter().find(|section| section.title == title);
    found.with_context(|| format!("README.md has no section {title}"))
}

/// The section of this title, and those below it.
pub fn chapter(title: &str) -> Result<Vec<Section>> {
    let mut rest = sections()?.into_iter().skip_while(|section| section.title != title);
    let first = rest.next().with_context(|| format!("README.md has no section {title}"))?;
    let level = first.level;
    Ok(std::iter::once(first).chain(rest.take_while(|section| section.level > level)).collect())
}

impl Section {
    /// The commands of its console blocks, in their order. It is an error when they are others than the known ones:
    /// what README.md tells to type, and what a test types, are the same.
    pub fn commands<const N: usize>(&self, known: [&str; N]) -> Result<[String; N]> {
        let title = &self.title;
        let mut commands = Vec::new();
        for line in self.blocks("console").concat() {
            let command = line.strip_prefix("$ ").with_context(|| {
                format!("{title}: in a console block each line is a command, and this is none: {line}")
            })?;
            commands.push(command.to_owned());
        }
        ensure!(commands == known, "{title}: README.md says {commands:#?}, the test knows {known:#?}");
        commands.try_into().ok().with_context(|| format!("{title}: another number of commands"))
    }

    /// Its only block in this language, a line for each.
    pub fn block(&self, language: &str) -> Result<String> {
        match &self.blocks(language)[..] {
            [only] => Ok(only.iter().flat_map(|line| [line, "\n"]).collect()),
            several => {
                let (title, count) = (&self.title, several.len());
                Err(anyhow::anyhow!("{title}: {count} blocks of {language} instead of one"))
            }
        }
    }

    /// The rows of its tables, cell by cell, without headings.
    pub fn rows(&self) -> Vec<Vec<&str>> {
        let is_rule = |line: &str| line.starts_with("|--");
        let lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        let rows = lines.iter().enumerate().filter(|(index, line)| {
            let heads = lines.get(index + 1).is_some_and(|next| is_rule(next));
            line.starts_with('|') && !is_rule(line) && !heads
        });
        rows.map(|(_, line)| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
    }

    fn blocks(&self, language: &str) -> Vec<Vec<&str>> {
        let mut blocks: Vec<Vec<&str>> = Vec::new();
        let mut open: Option<bool> = None;
        for line in &self.lines {
            match (line.strip_prefix("```"), open) {
                (Some(named), None) => {
                    open = Some(named == language);
                    if named == language {
                        blocks.push(Vec::new());
                    }
                }
                (Some(_), Some(_)) => open = None,
                (None, Some(true)) => blocks.last_mut().into_iter().for_each(|block| block.push(line)),
                (None, _) => {}
            }
        }
        blocks
    }
}

fn parse(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        }
        let level = line.chars().take_while(|letter| *letter == '#').count();
        match line[level..].strip_prefix(' ') {
            Some(title) if level > 0 && !in_block => {
                sections.push(Section { title: title.to_owned(), level, lines: Vec::new() });
            }
            _ => sections.last_mut().into_iter().for_each(|section| section.lines.push(line.to_owned())),
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A\n```console\n$ one\n```\nand\n```console\n$ two  # 2\n```\n## B\n```toml\n# no heading\n```\n\
                        | x | y |\n|---|---|\n| `a` | b |\n### C\n```console\n$ a \\\n    b\n```\n## D\n";

    #[test]
    fn commands_are_those_of_the_sections_own_console_blocks_as_written() {
        let sections = parse(TEXT);
        assert_eq!(sections[0].commands(["one", "two  # 2"]).unwrap(), ["one", "two  # 2"]);
        assert_eq!(sections[1].commands([]).unwrap(), [""; 0]);
        assert_eq!(sections[1].block("toml").unwrap(), "# no heading\n");
        assert_eq!(sections[1].rows(), [["`a`", "b"]]);
        sections[1].block("python").unwrap_err();
    }

    #[test]
    fn a_command_that_nobody_knows_is_an_error_and_so_is_one_that_is_gone_or_goes_on_below() {
        let sections = parse(TEXT);
        for error in [
            sections[0].commands(["one"]).unwrap_err(),
            sections[0].commands(["one", "two  # 2", "three"]).unwrap_err(),
            sections[0].commands(["two  # 2", "one"]).unwrap_err(),
        ] {
            assert!(error.to_string().starts_with("A: README.md says"), "{error}");
        }
        let error = sections[2].commands(["a \\"]).unwrap_err().to_string();
        assert!(error.contains("this is none:     b"), "{error}");
    }

    #[test]
    fn headings_are_found_outside_of_blocks_only() {
        let titles: Vec<_> = parse(TEXT).into_iter().map(|section| (section.level, section.title)).collect();
        assert_eq!(
            titles,
            [(1, "A"), (2, "B"), (3, "C"), (2, "D")].map(|(level, title)| (level, title.to_owned()))
        );
    }
}
