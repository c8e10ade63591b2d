//! The questions of an attempt: what a package cannot prove, and whose place is taken, the person confirms.

use std::{sync::PoisonError, time::Duration};

use fourinsight_ipc::{
    ErrorBody, ErrorCode,
    message::{Confirm, Confirmation, Identity, LoginState},
};
use tokio::sync::oneshot;

use super::{
    super::{Known, NewLogin, SignIn, authorize::random, callback::Answer, redemption::Proof},
    Attempt, Phase,
};
use crate::{authority::text::clean, token::Person};

/// The shortest time to answer a question: a code may be entered elsewhere in the last second of its life.
const TIME_TO_ANSWER: Duration = Duration::from_mins(2);

/// A question that waits for its answer.
pub(super) struct Question {
    id: String,
    answer: oneshot::Sender<bool>,
}

impl Attempt {
    /// Takes the person's answer to the question of this name; false when no such question is open.
    pub(in crate::login) fn settle(&self, id: &str, accepted: bool) -> bool {
        let mut question = self.question.lock().unwrap_or_else(PoisonError::into_inner);
        match question.take_if(|question| question.id == id) {
            Some(question) => {
                // Shown no longer than it is open; a late second answer finds no question.
                self.status.send_modify(|status| status.confirmation = None);
                question.answer.send(accepted).is_ok()
            }
            None => false,
        }
    }

    /// Whether the answer may be sent to the server: a tenant that is new to the session is confirmed first.
    pub(super) async fn may_send(&self, answer: &Answer, proof: &Proof) -> bool {
        let Answer::Package { endpoint, .. } = answer else { return true };
        if proof.known.pinned_endpoint.as_ref() == Some(endpoint) {
            return true;
        }
        let (Some(tenant), Some(url)) = (endpoint.tenant(), endpoint.url()) else { return true };
        let question = format!("Send the code to the tenant {tenant}, at {url}?");
        let mut confirmation = Confirmation::new(random(16), Confirm::Tenant, url, question);
        confirmation.tenant = Some(tenant.to_owned());
        self.confirm(confirmation).await
    }

    /// Whether what was granted may be saved; if not, why.
    ///
    /// Two things are confirmed first: whom a package signs in, unless they were signed in at the same endpoint
    /// before; and that another person takes the place of the one whom the session had, unless that was accepted
    /// when the login began. Who has come into the session while a question was open is asked about as well.
    pub(super) async fn may_save(
        &self,
        login: &NewLogin,
        sessions: &dyn SignIn,
        switch_user: bool,
    ) -> Result<(), ErrorBody> {
        let person = login.tokens.person.as_ref();
        let mut known = sessions.known(&self.session);
        loop {
            self.is_confirmed(login, &known, switch_user).await?;
            let now = sessions.known(&self.session);
            if switch_user || !now.is_replaced_by(person) || now.has_whom_it_had(&known) {
                return Ok(());
            }
            known = now;
        }
    }

    async fn is_confirmed(
        &self,
        login: &NewLogin,
        known: &Known,
        switch_user: bool,
    ) -> Result<(), ErrorBody> {
        let person = login.tokens.person.as_ref();
        let endpoint = login.registration.pinned_endpoint.as_ref();
        let signed_in_there = known.pinned_endpoint.as_ref() == endpoint
            && known.person().zip(person).is_some_and(|(known, person)| known.is(person));
        let about = if !switch_user && known.is_replaced_by(person) {
            Confirm::Person
        } else if endpoint.is_some() && !signed_in_there {
            Confirm::Identity
        } else {
            return Ok(());
        };
        let url = endpoint.map_or_else(
            || login.registration.token_endpoint.clone(),
            |endpoint| endpoint.url().unwrap_or_default(),
        );
        let question = self.question(about, known, person, &url);
        let mut confirmation = Confirmation::new(random(16), about, url, question);
        confirmation.tenant = endpoint.and_then(|endpoint| endpoint.tenant().map(str::to_owned));
        confirmation.identity = person.map(identity);
        if about == Confirm::Person {
            confirmation.previous = known.person().map(identity);
        }
        if self.confirm(confirmation).await {
            return Ok(());
        }
        let declined = declined("Nothing was saved; the session stays as it was.");
        Err(match about {
            Confirm::Person => {
                declined.hint("sign in under another session key, or run the login again with --switch-user")
            }
            _ => declined,
        })
    }

    fn question(&self, about: Confirm, known: &Known, person: Option<&Person>, url: &str) -> String {
        let session = &self.session;
        let before = known.person();
        // Two servers may use the same subject and name for two people.
        let names_issuers = before.zip(person).is_some_and(|(before, person)| before.issuer != person.issuer);
        let nobody = "an unknown person, because the server does not say who it is".to_owned();
        let now = person.map_or(nobody, |person| in_words(person, names_issuers));
        if about != Confirm::Person {
            return format!("Sign the session {session} in as {now}, at {url}?");
        }
        let before =
            before.map_or_else(|| "somebody unknown".to_owned(), |person| in_words(person, names_issuers));
        format!("The session {session} was signed in as {before}. Sign it in as {now} instead, at {url}?")
    }

    /// Asks, and waits for the answer; false also when the attempt ends meanwhile.
    async fn confirm(&self, confirmation: Confirmation) -> bool {
        let (sender, answer) = oneshot::channel();
        let deadline = self.deadline.max(self.clock.now() + TIME_TO_ANSWER);
        {
            let phase = self.phase();
            if !matches!(*phase, Phase::Redeeming) {
                return false;
            }
            self.let_go();
            let question = Question { id: confirmation.id.clone(), answer: sender };
            *self.question.lock().unwrap_or_else(PoisonError::into_inner) = Some(question);
            self.status.send_modify(|status| {
                status.expires_at = self.clock.to_unix(deadline);
                status.confirmation = Some(confirmation);
            });
        }
        let mut changes = self.watch();
        let accepted = tokio::select! {
            accepted = answer => accepted.unwrap_or(false),
            _ = changes.wait_for(|status| status.state != LoginState::Pending) => false,
            () = self.reached(deadline) => {
                let mut phase = self.phase();
                if matches!(*phase, Phase::Redeeming) {
                    self.end(&mut phase, |status| status.state = LoginState::Expired);
                }
                false
            }
        };
        *self.question.lock().unwrap_or_else(PoisonError::into_inner) = None;
        accepted
    }
}

pub(super) fn identity(person: &Person) -> Identity {
    Identity { sub: person.subject.clone(), name: person.name.clone() }
}

fn in_words(person: &Person, names_issuer: bool) -> String {
    let subject = clean(&person.subject);
    let who = match &person.name {
        Some(name) => format!("{} ({subject})", clean(name)),
        None => subject,
    };
    if names_issuer { format!("{who} of {}", clean(&person.issuer)) } else { who }
}

/// The person said no.
pub(super) fn declined(what: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::AccessDenied, format!("The sign-in was not confirmed. {what}"))
        .hint("if that was a mistake, run the login again")
}
