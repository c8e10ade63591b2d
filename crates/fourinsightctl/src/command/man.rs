//! `man`: the manual pages, from the same definition as the help.

use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man as Page;

use crate::{
    cli::{Cli, Man},
    failure::{Exit, Failure},
    output,
};

pub(super) fn run(options: &Man) -> Result<Exit, Failure> {
    match &options.dir {
        Some(folder) => write(folder)?,
        None => output::to_stdout(&roff())?,
    }
    Ok(Exit::Done)
}

fn write(folder: &Path) -> Result<(), Failure> {
    for page in pages() {
        page.generate_to(folder).map_err(|error| {
            Failure::new(
                Exit::Failure,
                format!("the manual pages cannot be written: {error}"),
                "give --dir an existing folder that you may write to",
            )
        })?;
    }
    Ok(())
}

fn roff() -> Vec<u8> {
    let mut roff = Vec::new();
    for page in pages() {
        page.render(&mut roff).expect("writing to memory does not fail");
    }
    roff
}

/// The program's page, then one for each command and each of its parts, as `fourinsightctl-profile-init`.
fn pages() -> Vec<Page> {
    let mut program = Cli::command();
    // Building names the commands after the program.
    program.build();
    let mut pages = Vec::new();
    add_pages(&program, &mut pages);
    pages
}

fn add_pages(command: &clap::Command, pages: &mut Vec<Page>) {
    pages.push(Page::new(command.clone()));
    command.get_subcommands().for_each(|part| add_pages(part, pages));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_the_program_and_for_each_command() {
        let roff = String::from_utf8(roff()).unwrap();
        let titles: Vec<&str> = roff.lines().filter(|line| line.starts_with(".TH ")).collect();
        assert_eq!(titles.len(), 19, "{titles:?}");
        assert!(titles[0].starts_with(".TH fourinsightctl 1"), "{titles:?}");
        assert!(titles[1].starts_with(".TH fourinsightctl-login 1"), "{titles:?}");
        assert!(
            titles.iter().any(|title| title.starts_with(".TH fourinsightctl-profile-init 1")),
            "{titles:?}"
        );
        assert!(roff.contains("Exit codes:"));
    }

    #[test]
    fn a_folder_gets_a_file_a_page_and_a_missing_folder_is_a_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names[0], "fourinsightctl-completions.1");
        assert_eq!(names.len(), 19);
        let error = write(&folder.path().join("missing")).unwrap_err();
        assert!(error.to_string().contains("--dir"), "{error}");
    }
}
