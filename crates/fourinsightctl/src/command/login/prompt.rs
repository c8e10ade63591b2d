//! What the person is told to do, by what the login waits for.

use std::io::{self, IsTerminal};

use fourinsight_client::{Confirm, Confirmation, Wanted};

use fourinsight_ipc::message::Identity;

use crate::{
    output,
    render::{clean, person},
};

/// What to bring, after the page has been opened.
pub(super) fn to_bring(wanted: Option<Wanted>, username: Option<&str>) -> &'static str {
    match (wanted, username) {
        (None, _) => {
            "If the browser cannot come back to this machine in the end, copy the address of\nits last page, paste it here, and press Enter. It is not shown."
        }
        (Some(Wanted::Callback), _) => {
            "Afterwards copy the whole address that the browser ends on, or the code that the page shows, paste it here \
             and press Enter. It is not shown."
        }
        (Some(Wanted::TokenCallback), _) => {
            "Afterwards copy the whole address that the browser ends on, paste it here and press Enter. It is not shown."
        }
        (Some(Wanted::Package), _) => {
            "Afterwards copy the whole text that the page shows, with \"endpoint\" and \"code\" in it, paste it here and \
             press Enter. It is not shown."
        }
        (Some(Wanted::Password), None) => "Type your user name and press Enter.",
        (Some(Wanted::Password), Some(_)) => PASSWORD,
        (Some(_), _) => {
            "This login needs something that this program does not know; install the daemon's version."
        }
    }
}

/// What to type after the user name.
pub(super) const PASSWORD: &str = "Type the password and press Enter. It is not shown.";

/// Whether standard input can answer a question: another person takes a session over only where somebody reads who.
pub(super) fn may_be_answered(question: &Confirmation) -> bool {
    question.about != Confirm::Person || io::stdin().is_terminal()
}

/// Shows a question and how to answer it.
pub(super) fn ask(question: &Confirmation) {
    show(question);
    output::line_to_stderr("Type yes or no and press Enter.");
}

/// Shows a question. All of it may come from a server, so all of it is cleaned.
pub(super) fn show(question: &Confirmation) {
    let line = |name: &str, value: &str| output::line_to_stderr(&format!("{name:<16}{}", clean(value)));
    line("Token endpoint:", &question.endpoint);
    if let Some(tenant) = &question.tenant {
        line("Tenant:", tenant);
    }
    if question.about == Confirm::Person {
        line("Before:", &known(question.previous.as_ref()));
    }
    if matches!(question.about, Confirm::Identity | Confirm::Person) {
        line("Signed in:", &known(question.identity.as_ref()));
    }
    output::line_to_stderr(&clean(&question.question));
}

/// A person, or that nobody knows who it is.
pub(super) fn known(identity: Option<&Identity>) -> String {
    person(identity).unwrap_or_else(|| "unknown".to_owned())
}
