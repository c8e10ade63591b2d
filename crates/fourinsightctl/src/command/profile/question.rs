//! Questions to a person on a terminal, one line each: what a preset wants to know, and which of several things.

use std::io::{self, BufRead, IsTerminal};

use fourinsight_ipc::message::PresetSetting;

use crate::{
    failure::{Exit, Failure},
    output,
    render::clean,
};

/// Whether somebody is there who sees a question and can answer it.
pub(in crate::command) fn is_answered_by_a_person() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// What the person wants a setting to be; `None` leaves it as it is without them. `before` is what they said before.
///
/// What is needed is asked again until there is an answer.
pub(super) fn setting(
    setting: &PresetSetting,
    before: Option<&str>,
    ask: &mut impl FnMut(&str) -> Result<String, Failure>,
) -> Result<Option<String>, Failure> {
    if setting.secret {
        output::line_to_stderr(SECRET);
    }
    let offered = before.or(setting.default.as_deref());
    let question = setting.question.trim();
    let prompt = match offered {
        Some(offered) => format!("{question} [{offered}]: "),
        None if !setting.required => format!("{question} (Enter leaves it out): "),
        None if question.ends_with('?') => format!("{question} "),
        None => format!("{question}: "),
    };
    loop {
        match ask(&prompt)?.trim() {
            "" if offered.is_some() || !setting.required => return Ok(before.map(str::to_owned)),
            "" => output::line_to_stderr("This is needed."),
            answer if setting.secret && !is_source(answer) => {
                output::line_to_stderr(
                    "That does not say where the secret is: type file:PATH, env:NAME or command:PROGRAM.",
                );
            }
            answer => return Ok(Some(answer.to_owned())),
        }
    }
}

const SECRET: &str =
    "A secret stays out of the configuration: answer with where it is read, not with the secret.";

/// The words that say where a secret is.
const SOURCES: [&str; 3] = ["file", "env", "command"];

fn is_source(answer: &str) -> bool {
    answer
        .split_once(':')
        .is_some_and(|(source, place)| SOURCES.contains(&source) && !place.trim().is_empty())
}

/// One of several things that a person can pick.
pub(in crate::command) struct Choice<'a> {
    /// Its name, which can be typed too.
    pub(in crate::command) name: &'a str,
    /// What it is for.
    pub(in crate::command) summary: &'a str,
}

/// Lists the choices with a number each, and asks for one until there is an answer: its place in the list.
pub(in crate::command) fn pick(what: &str, choices: &[Choice<'_>]) -> Result<usize, Failure> {
    output::line_to_stderr(listed(choices).trim_end());
    picked(what, choices, &mut line)
}

fn listed(choices: &[Choice<'_>]) -> String {
    let widest = choices.iter().map(|choice| clean(choice.name).chars().count()).max().unwrap_or_default();
    let row = |(at, choice): (usize, &Choice<'_>)| {
        let line = format!("{:>4}  {:<widest$}  {}", at + 1, clean(choice.name), clean(choice.summary));
        format!("{}\n", line.trim_end())
    };
    choices.iter().enumerate().map(row).collect()
}

fn picked(
    what: &str,
    choices: &[Choice<'_>],
    ask: &mut impl FnMut(&str) -> Result<String, Failure>,
) -> Result<usize, Failure> {
    loop {
        let answer = ask(&format!("{what} Type its number and press Enter: "))?;
        let answer = answer.trim();
        let by_number = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let by_name = || choices.iter().position(|choice| choice.name == answer);
        if let Some(at) = by_name().or(by_number).filter(|&at| at < choices.len()) {
            return Ok(at);
        }
        output::line_to_stderr(&format!("That is none of them: type a number from 1 to {}.", choices.len()));
    }
}

/// Asks on standard error, and reads a line of standard input.
pub(super) fn line(prompt: &str) -> Result<String, Failure> {
    output::prompt_on_stderr(&clean(prompt));
    let mut line = String::new();
    if let Ok(1..) = io::stdin().lock().read_line(&mut line) {
        return Ok(line);
    }
    // The terminal's cursor stands behind the question.
    output::line_to_stderr("");
    Err(Failure::new(
        Exit::Failure,
        "standard input ended before the question had its answer",
        "run it again, or give the answers with `fourinsightctl profile init --set`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers one question after the other, and remembers them.
    struct Person {
        answers: Vec<&'static str>,
        asked: Vec<String>,
    }

    impl Person {
        fn saying(answers: &[&'static str]) -> Self {
            Self { answers: answers.iter().rev().copied().collect(), asked: vec![] }
        }

        fn ask(&mut self, prompt: &str) -> Result<String, Failure> {
            self.asked.push(prompt.to_owned());
            let ended = || Failure::new(Exit::Failure, "standard input ended", "go on");
            self.answers.pop().map(|answer| format!("{answer}\n")).ok_or_else(ended)
        }
    }

    fn tenant(default: Option<&str>, required: bool) -> PresetSetting {
        PresetSetting {
            name: "tenant".to_owned(),
            question: "Which tenant?".to_owned(),
            default: default.map(str::to_owned),
            required,
            flows: vec![],
            secret: false,
        }
    }

    #[test]
    fn what_is_needed_is_asked_until_there_is_an_answer() {
        let mut person = Person::saying(&["", "  ", " example.com "]);
        let answer = setting(&tenant(None, true), None, &mut |prompt| person.ask(prompt)).unwrap();
        assert_eq!(answer.as_deref(), Some("example.com"));
        assert_eq!(person.asked, ["Which tenant? "; 3]);
        assert!(setting(&tenant(None, true), None, &mut |prompt| person.ask(prompt)).is_err());
    }

    #[test]
    fn enter_takes_what_stands_in_brackets() {
        for (default, required, before, prompt, taken) in [
            (Some("common"), true, None, "Which tenant? [common]: ", None),
            (Some("common"), true, Some("before"), "Which tenant? [before]: ", Some("before")),
            (None, false, None, "Which tenant? (Enter leaves it out): ", None),
        ] {
            let mut person = Person::saying(&[""]);
            let answer = setting(&tenant(default, required), before, &mut |prompt| person.ask(prompt));
            assert_eq!(answer.unwrap().as_deref(), taken);
            assert_eq!(person.asked, [prompt]);
        }
    }

    #[test]
    fn a_secret_is_not_taken_only_where_it_is() {
        let secret = PresetSetting { secret: true, ..tenant(None, true) };
        let mut person = Person::saying(&["s3cr3t", "s3:cr3t", "env:", "file:/run/secrets/x"]);
        let answer = setting(&secret, None, &mut |prompt| person.ask(prompt)).unwrap();
        assert_eq!(answer.as_deref(), Some("file:/run/secrets/x"));
        assert_eq!(person.asked.len(), 4);
    }

    #[test]
    fn a_choice_is_picked_by_number_or_name() {
        let choice = |name| Choice { name, summary: "x" };
        let choices = ["4insight", "generic", "2"].map(choice);
        for (typed, at) in [("1", 0), ("generic", 1), ("3", 2), ("2", 2)] {
            let mut person = Person::saying(&["", "0", "4", "gener", "-1", typed]);
            let asked = &mut |prompt: &str| person.ask(prompt);
            assert_eq!(picked("Which?", &choices, asked), Ok(at), "{typed}");
            assert_eq!(person.asked.len(), 6);
        }
    }

    #[test]
    fn choices_are_numbered_and_aligned() {
        let choices = [
            Choice { name: "google", summary: "Google" },
            Choice { name: "generic", summary: "any\x1bother" },
        ];
        assert_eq!(listed(&choices), "   1  google   Google\n   2  generic  any\u{fffd}other\n");
    }
}
