//! What the person is told to do, by what the login waits for.

use fourinsight_client::{Confirmation, Wanted};

use crate::{
    output,
    render::{clean, person},
};

/// What to bring, after the page has been opened.
pub(super) fn to_bring(wanted: Option<Wanted>, username: Option<&str>) -> &'static str {
    match (wanted, username) {
        (None, _) => {
            "If the browser cannot come back to this machine in the end, copy the address of\nits last page, paste it here, and press Enter."
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

/// Shows a question. All of it may come from a server, so all of it is cleaned.
pub(super) fn ask(question: &Confirmation) {
    output::line_to_stderr(&format!("Token endpoint: {}", clean(&question.endpoint)));
    if let Some(tenant) = &question.tenant {
        output::line_to_stderr(&format!("Tenant:         {}", clean(tenant)));
    }
    if question.about == fourinsight_client::Confirm::Identity {
        let person = person(question.identity.as_ref());
        output::line_to_stderr(&format!("Signed in:      {}", person.as_deref().unwrap_or("unknown")));
    }
    output::line_to_stderr(&format!("{} Type yes or no and press Enter.", clean(&question.question)));
}
