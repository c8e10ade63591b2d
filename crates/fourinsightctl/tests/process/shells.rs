//! `completions` and `man`, read by the programs that they are for, where those are installed.

use std::{
    fs,
    io::ErrorKind,
    process::{Command, Output},
};

use crate::support::Daemon;

#[test]
fn each_shell_reads_its_completions_without_a_complaint() {
    let daemon = Daemon::absent();
    for (shell, check) in [
        ("bash", &["--norc", "-n"][..]),
        ("zsh", &["--no-rcs", "-n"]),
        ("fish", &["--no-config", "--no-execute"]),
    ] {
        let script = daemon.run(&["completions", shell]);
        assert_eq!(script.code, Some(0), "{script:?}");
        let file = daemon.folder().join(shell);
        fs::write(&file, &script.stdout).unwrap();
        if let Some(read) = run(Command::new(shell).args(check).arg(&file)) {
            assert!(read.status.success() && read.stderr.is_empty(), "{shell}: {read:?}");
        }
    }
}

#[test]
fn bash_completes_commands_and_options() {
    let daemon = Daemon::absent();
    let file = daemon.folder().join("completions");
    fs::write(&file, daemon.run(&["completions", "bash"]).stdout).unwrap();
    let complete = r#"source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1));
        _fourinsightctl "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"; echo "${COMPREPLY[@]}""#;
    for (typed, offered) in [
        (&["st"][..], "status store stop"),
        (&["token", "--min"], "--min-validity"),
        (&["login", "--no-b"], "--no-browser"),
        (&["--no-a"], "--no-autostart"),
    ] {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", complete, "bash"]).arg(&file).arg("fourinsightctl").args(typed);
        if let Some(said) = run(&mut bash) {
            assert_eq!(String::from_utf8(said.stdout).unwrap().trim(), offered, "{typed:?}");
            assert!(said.stderr.is_empty(), "{typed:?}");
        }
    }
}

#[test]
fn the_manual_pages_are_formatted_without_a_warning() {
    let daemon = Daemon::absent();
    let folder = daemon.folder().join("man");
    fs::create_dir(&folder).unwrap();
    assert_eq!(daemon.run(&["man", "--dir", folder.to_str().unwrap()]).code, Some(0));
    let pages: Vec<_> = fs::read_dir(&folder).unwrap().map(|page| page.unwrap().path()).collect();
    assert!(pages.len() > 7, "{pages:?}");
    for page in pages {
        let groff = run(Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(&page));
        if let Some(groff) = groff {
            let complaints = String::from_utf8(groff.stderr).unwrap();
            assert!(groff.status.success() && complaints.is_empty(), "{}: {complaints}", page.display());
        }
    }
}

/// Runs a program, unless this machine does not have it.
fn run(command: &mut Command) -> Option<Output> {
    match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        output => Some(output.unwrap()),
    }
}
