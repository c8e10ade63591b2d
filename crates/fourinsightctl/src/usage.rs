//! What was typed wrongly, in one line that repeats no value: it may be a token that was pasted in the wrong place.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::{
    failure::{Exit, Failure},
    output,
    render::clean,
};

/// Prints help and version where they were asked for; everything else is a usage error.
pub(crate) fn answer(error: &Error) -> Result<Exit, Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            output::styled_to_stdout(&error.render().ansi().to_string())?;
            Ok(Exit::Done)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            Err(Failure::new(Exit::Usage, "no command was given", "try `fourinsightctl --help`"))
        }
        _ => Err(Failure::new(Exit::Usage, what(error), next(error))),
    }
}

fn what(error: &Error) -> String {
    let argument = shown(error, ContextKind::InvalidArg).map(|name| flag_only(&name));
    match (error.kind(), argument) {
        (ErrorKind::ValueValidation, Some(argument)) => match error.source() {
            Some(why) => format!("the value of {argument} cannot be used: {}", clean(&why.to_string())),
            None => format!("the value of {argument} cannot be used"),
        },
        (ErrorKind::InvalidValue, Some(argument)) => match shown(error, ContextKind::ValidValue) {
            Some(valid) => format!("{argument} takes one of: {valid}"),
            None => format!("{argument} needs a value"),
        },
        (ErrorKind::UnknownArgument, Some(argument)) if argument.starts_with('-') => {
            format!("there is no option {argument} here")
        }
        (ErrorKind::UnknownArgument, _) => "one argument too many was given".to_owned(),
        (ErrorKind::InvalidSubcommand, _)
            if shown(error, ContextKind::InvalidSubcommand).as_deref() == Some("help") =>
        {
            "help is an option here".to_owned()
        }
        (ErrorKind::InvalidSubcommand, _) => "there is no such command".to_owned(),
        (ErrorKind::MissingRequiredArgument, Some(argument)) => format!("{argument} is missing"),
        (ErrorKind::ArgumentConflict, Some(argument)) => match shown(error, ContextKind::PriorArg) {
            Some(other) if flag_only(&other) == argument => format!("{argument} was given twice"),
            Some(other) => format!("{argument} and {} cannot be used together", flag_only(&other)),
            None => format!("{argument} cannot be used with the other options"),
        },
        (
            ErrorKind::TooManyValues | ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues,
            Some(argument),
        ) => {
            format!("{argument} has the wrong number of values")
        }
        (ErrorKind::InvalidUtf8, _) => "an argument is not valid UTF-8".to_owned(),
        _ => "the command line cannot be understood".to_owned(),
    }
}

fn next(error: &Error) -> String {
    let suggestion = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand]
        .into_iter()
        .find_map(|kind| shown(error, kind));
    match suggestion {
        Some(suggestion) => format!("did you mean {suggestion}? see `fourinsightctl --help`"),
        None => "see `fourinsightctl --help`".to_owned(),
    }
}

fn shown(error: &Error, kind: ContextKind) -> Option<String> {
    let text = match error.get(kind)? {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(texts) => texts.join(", "),
        _ => return None,
    };
    (!text.is_empty()).then(|| clean(&text).into_owned())
}

/// An option without the value that may hang on it: `--wait` of `--wait=x` and of `--wait <DURATION>`.
fn flag_only(argument: &str) -> String {
    if argument.starts_with('-') {
        argument.split(['=', ' ']).next().unwrap_or(argument).to_owned()
    } else {
        argument.trim_matches(['[', ']', '<', '>']).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn line(arguments: &[&str]) -> String {
        let error = Cli::try_parse_from([&["fourinsightctl"], arguments].concat()).unwrap_err();
        let failure = answer(&error).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        failure.to_string()
    }

    #[test]
    fn each_mistake_is_one_line_that_names_the_next_step() {
        for (arguments, expected) in [
            (&[][..], "error: no command was given; try `fourinsightctl --help`"),
            (
                &["statsu"],
                "error: there is no such command; did you mean status? see `fourinsightctl --help`",
            ),
            (&["help"], "error: help is an option here; see `fourinsightctl --help`"),
            (
                &["token", "--heade"],
                "error: there is no option --heade here; did you mean --header? see `fourinsightctl --help`",
            ),
            (&["token", "a", "b"], "error: one argument too many was given; see `fourinsightctl --help`"),
            (&["token", "--wait"], "error: --wait needs a value; see `fourinsightctl --help`"),
            (
                &["token", "--wait", "soon"],
                "error: the value of --wait cannot be used: not a duration: write whole seconds (90), or a number with s, m, h or d (5m, 8h); see `fourinsightctl --help`",
            ),
            (
                &["revoke", "a", "--all"],
                "error: KEY and --all cannot be used together; see `fourinsightctl --help`",
            ),
            (
                &["token", "--header", "--json"],
                "error: --header and --json cannot be used together; see `fourinsightctl --help`",
            ),
            (&["stop", "--json", "--json"], "error: --json was given twice; see `fourinsightctl --help`"),
            (&["completions"], "error: SHELL is missing; see `fourinsightctl --help`"),
            (
                &["completions", "basic"],
                "error: SHELL takes one of: bash, elvish, fish, powershell, zsh; see `fourinsightctl --help`",
            ),
        ] {
            assert_eq!(line(arguments), expected, "{arguments:?}");
        }
    }

    #[test]
    fn no_value_that_was_typed_is_repeated() {
        for arguments in [
            &["token", "s3cr3t/value"][..],
            &["s3cr3t"],
            &["token", "default", "s3cr3t"],
            &["token", "--header=s3cr3t"],
            &["token", "--nothing=s3cr3t"],
            &["token", "--wait=s3cr3t"],
            &["login", "http://127.0.0.1/callback?code=s3cr3t"],
            &["completions", "s3cr3t"],
        ] {
            let line = line(arguments);
            assert!(!line.contains("s3cr3t"), "{line}");
            assert!(!line.contains('\n'), "{line}");
        }
    }
}
