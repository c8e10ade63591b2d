//! `completions`: a script that teaches a shell what can be typed.

use clap::CommandFactory;

use crate::{
    cli::{Cli, Completions},
    failure::{Exit, Failure},
    output,
};

pub(super) fn run(options: &Completions) -> Result<Exit, Failure> {
    output::to_stdout(&script(options.shell))?;
    Ok(Exit::Done)
}

fn script(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "fourinsightctl", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_is_taught_every_command() {
        for shell in clap_complete::Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for command in
                ["login", "token", "status", "why", "revoke", "profile", "stop", "completions", "man"]
            {
                assert!(script.contains(command), "{shell}: {command}");
            }
        }
    }
}
