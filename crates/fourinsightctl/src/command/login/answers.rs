//! What comes from standard input while a login waits: pastes, a password, and the answers to its questions.

use std::{
    io::{self, IsTerminal},
    sync::{Arc, Mutex, PoisonError, mpsc::Sender},
};

use fourinsight_client::{
    Client, Confirmation, LoginResponse, LoginState, LoginStatus, SecretString, Wanted,
};
use secrecy::ExposeSecret;

use super::{
    paste::{self, NotAnAddress},
    prompt,
    wait::{Event, SLICE},
};
use crate::{
    failure::{Exit, Failure},
    output,
};

/// The question that is open, as far as this program has heard.
pub(super) type OpenQuestion = Arc<Mutex<Option<Confirmation>>>;

/// Reads standard input to its end, on behalf of one login attempt.
pub(super) struct Answers {
    pub(super) client: Client,
    pub(super) id: String,
    pub(super) wanted: Option<Wanted>,
    pub(super) username: Option<String>,
    pub(super) question: OpenQuestion,
    pub(super) events: Sender<Event>,
}

impl Answers {
    /// Hands in line by line; a wrong one is reported, and the next one is welcome.
    pub(super) fn take(mut self) {
        let keys = io::stdin().is_terminal();
        let read = paste::each_line(io::stdin().lock(), keys, |line| match line {
            Ok(line) => self.take_line(&line),
            Err(NotAnAddress) => self.refuse("what was pasted is no text, or too long", "paste it again"),
        });
        // Standard input that cannot be read is one that nobody types into.
        drop(read);
        // Nobody listens once the wait is over.
        let _ = self.events.send(Event::InputEnded);
    }

    /// False when nobody wants more.
    fn take_line(&mut self, line: &SecretString) -> bool {
        let line = line.expose_secret();
        let question = self.open_question();
        let response = match (question, self.wanted) {
            (Some(question), _) => match agreement(line) {
                Some(accepted) => LoginResponse::confirmation(question.id, accepted),
                None => return self.refuse("that is no answer to the question", "answer yes or no"),
            },
            (None, Some(Wanted::Password)) => {
                let Some(username) = self.username.clone() else {
                    self.username = Some(line.trim().to_owned());
                    return self.events.send(Event::PasswordNext).is_ok();
                };
                LoginResponse::password(username, line)
            }
            (None, _) => LoginResponse::pasted(line.trim()),
        };
        match self.client.answer_login(&self.id, &response) {
            Ok(status) => {
                self.events.send(Event::Accepted(response.confirmation)).is_ok() && self.follow(status)
            }
            Err(error) => self.events.send(Event::Refused(error.into())).is_ok(),
        }
    }

    /// Waits until the login has ended or asks something: until then the next line has no meaning.
    fn follow(&self, mut status: LoginStatus) -> bool {
        while status.state == LoginState::Pending && status.confirmation.is_none() {
            match self.client.login(&self.id, SLICE) {
                Ok(news) => status = news,
                Err(error) => return self.events.send(Event::News(Err(error))).is_ok(),
            }
        }
        // What comes from a pipe was written before the question was asked.
        let goes_on = status.confirmation.as_ref().is_none_or(prompt::may_be_answered);
        if goes_on {
            self.question.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&status.confirmation);
        }
        self.events.send(Event::News(Ok(Box::new(status)))).is_ok() && goes_on
    }

    fn open_question(&self) -> Option<Confirmation> {
        self.question.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refuse(&self, what: &str, next: &str) -> bool {
        self.events.send(Event::Refused(Failure::new(Exit::Usage, what, next))).is_ok()
    }
}

/// Says on standard error what to type next, where somebody is there to read it.
pub(super) fn tell(text: &str) {
    if io::stdin().is_terminal() {
        output::line_to_stderr(text);
    }
}

fn agreement(line: &str) -> Option<bool> {
    match line.trim().to_ascii_lowercase().as_str() {
        "yes" | "y" => Some(true),
        "no" | "n" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_or_no_counts() {
        assert_eq!([" yes ", "Y"].map(agreement), [Some(true); 2]);
        assert_eq!(["no", "N "].map(agreement), [Some(false); 2]);
        assert_eq!(["", "yess", "{\"code\":1}", "maybe"].map(agreement), [None; 4]);
    }
}
