//! What was asked for, parsed by hand: six commands and a few flags need no argument parser that takes longer to
//! compile than all of this.

use std::ffi::OsString;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Print the help of a command, or of all.
    Help(Option<&'static str>),
    /// Show the whole thing at work.
    Demo {
        /// Sign in with the person's own browser.
        browser: bool,
    },
    /// Run every test.
    Test {
        /// Leave out process tests and the demo.
        quick: bool,
    },
    /// Check form, lints, documentation, licences and the workspace's own rules.
    Lint,
    /// Measure.
    Bench {
        /// Fewer rounds.
        short: bool,
        /// Figures as JSON on standard output.
        json: bool,
    },
    /// Do harm, and see what a login survives.
    Faults {
        /// What the harness is told.
        arguments: Vec<String>,
    },
    /// Install what the other commands need.
    Tools,
}

/// Reads the arguments that follow the program's name; the error is a sentence for the person.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Task, String> {
    let words: Vec<String> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    let Some((first, flags)) = words.split_first() else {
        return Ok(Task::Help(None));
    };
    if matches!(first.as_str(), "-h" | "--help" | "help") {
        return match flags.first() {
            None => Ok(Task::Help(None)),
            Some(name) => command(name).map(|command| Task::Help(Some(command.name))),
        };
    }
    let command = command(first)?;
    if flags.iter().any(|flag| matches!(flag.as_str(), "-h" | "--help")) {
        return Ok(Task::Help(Some(command.name)));
    }
    command.check(flags)?;
    let given = |flag: &str| flags.iter().any(|given| given == flag);
    Ok(match command.name {
        "demo" => Task::Demo { browser: given("--browser") },
        "test" => Task::Test { quick: given("--quick") },
        "lint" => Task::Lint,
        "bench" => Task::Bench { short: given("--short"), json: given("--json") },
        "faults" => Task::Faults { arguments: flags.to_vec() },
        _ => Task::Tools,
    })
}

/// The help of one command, or of all.
pub(crate) fn help(topic: Option<&'static str>) -> String {
    let described = COMMANDS.iter().filter(|command| topic.is_none_or(|name| name == command.name));
    let entries: String = described.map(Command::describe).collect();
    format!(
        "Usage: cargo xtask {} [FLAGS]\n{entries}\nEvery command takes --help.\n",
        topic.unwrap_or("COMMAND")
    )
}

struct Command {
    name: &'static str,
    about: &'static str,
    flags: &'static [(&'static str, &'static str)],
}

impl Command {
    /// Every flag must be known, and have its value where it wants one: then its name is followed by a word for it.
    fn check(&self, flags: &[String]) -> Result<(), String> {
        let mut flags = flags.iter();
        while let Some(flag) = flags.next() {
            let named = |name: &str| name.split(' ').next() == Some(flag);
            let known = self.flags.iter().find(|(name, _)| named(name));
            let (name, _) = known
                .ok_or_else(|| format!("`{}` takes no `{flag}`; see `cargo xtask {0} --help`", self.name))?;
            if name.contains(' ') && flags.next().is_none() {
                return Err(format!("`{name}` wants a value"));
            }
        }
        Ok(())
    }

    fn describe(&self) -> String {
        let flags: Vec<_> =
            self.flags.iter().map(|(flag, about)| format!("    {flag:<13} {about}\n")).collect();
        format!("\n  {:<8} {}\n{}", self.name, self.about, flags.concat())
    }
}

const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        about: "build, sign in to a practice server, and watch tokens being renewed under several programs",
        flags: &[("--browser", "sign in with your own browser")],
    },
    Command {
        name: "test",
        about: "install what the tests need, run every test and the demo, and end with the figures",
        flags: &[("--quick", "leave out process tests and the demo; install nothing")],
    },
    Command {
        name: "lint",
        about: "check form, lints, documentation, licences and the workspace's own rules",
        flags: &[],
    },
    Command {
        name: "bench",
        about: "measure, in the release profile, against baselines of the same run",
        flags: &[("--short", "fewer rounds"), ("--json", "figures as JSON on standard output")],
    },
    Command {
        name: "faults",
        about: "kill, cut off and fill up the release profile, and count against a server's ledger what is lost",
        flags: &[
            ("--quick", "as the tests do; this is what happens without a word"),
            ("--full", "for the published figures: hours"),
            ("--only NAME", "this campaign only; may be repeated"),
            ("--report FILE", "the figures as Markdown"),
            ("--seed NUMBER", "the random moments of an earlier run"),
        ],
    },
    Command { name: "tools", about: "install what the other commands need, when it is missing", flags: &[] },
];

fn command(name: &str) -> Result<&'static Command, String> {
    COMMANDS.iter().find(|command| command.name == name).ok_or_else(|| {
        let names: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
        format!("there is no command `{name}`; choose one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Result<Task, String> {
        parse(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn commands_and_flags_are_understood() {
        assert_eq!(parse_words("demo"), Ok(Task::Demo { browser: false }));
        assert_eq!(parse_words("demo --browser"), Ok(Task::Demo { browser: true }));
        assert_eq!(parse_words("test --quick"), Ok(Task::Test { quick: true }));
        assert_eq!(parse_words("lint"), Ok(Task::Lint));
        assert_eq!(parse_words("bench --json --short"), Ok(Task::Bench { short: true, json: true }));
        assert_eq!(parse_words("tools"), Ok(Task::Tools));
        let arguments = ["--full", "--only", "kill"].map(str::to_owned).to_vec();
        assert_eq!(parse_words("faults --full --only kill"), Ok(Task::Faults { arguments }));
    }

    #[test]
    fn help_is_given_wherever_it_is_asked_for() {
        for words in ["", "help", "-h", "--help"] {
            assert_eq!(parse_words(words), Ok(Task::Help(None)), "{words}");
        }
        assert_eq!(parse_words("help bench"), Ok(Task::Help(Some("bench"))));
        assert_eq!(parse_words("bench --short --help"), Ok(Task::Help(Some("bench"))));
        for command in COMMANDS {
            assert!(help(None).contains(command.about), "{}", command.name);
            assert!(help(Some(command.name)).contains(command.about), "{}", command.name);
        }
        assert!(!help(Some("lint")).contains("--browser"));
    }

    #[test]
    fn an_unknown_word_is_named_with_the_choices() {
        assert!(parse_words("tset").unwrap_err().contains("demo, test, lint, bench, faults, tools"));
        assert!(parse_words("faults --only").unwrap_err().contains("wants a value"));
        assert!(parse_words("faults --onl kill").unwrap_err().contains("takes no `--onl`"));
        assert!(parse_words("lint --fast").unwrap_err().contains("`lint` takes no `--fast`"));
        assert!(parse_words("help tset").is_err());
    }
}
