//! The questions of an attempt: what a package cannot prove, the person confirms.

use std::sync::PoisonError;

use fourinsight_ipc::{
    ErrorBody, ErrorCode,
    message::{Confirm, Confirmation, Identity, LoginState},
};
use tokio::sync::oneshot;

use super::{
    super::{NewLogin, authorize::random, callback::Answer, redemption::Proof},
    Attempt, Phase,
};
use crate::authority::text::clean;

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

    /// Whether what was granted may be saved: who a package signs in is confirmed, unless it is who was signed in
    /// at the same endpoint before.
    pub(super) async fn may_save(&self, login: &NewLogin, proof: &Proof) -> bool {
        let Some(endpoint) = &login.registration.pinned_endpoint else { return true };
        let known = &proof.known;
        let person = login.tokens.person.as_ref();
        if person.is_some()
            && known.person.as_ref() == person
            && known.pinned_endpoint.as_ref() == Some(endpoint)
        {
            return true;
        }
        let who = person.map_or_else(
            || "an unknown person, because the server does not say who it is".to_owned(),
            |person| match &person.name {
                Some(name) => format!("{} ({})", clean(name), clean(&person.subject)),
                None => clean(&person.subject),
            },
        );
        let url = endpoint.url().unwrap_or_default();
        let session = &self.session;
        let question = format!("Sign the session {session} in as {who}, at {url}?");
        let mut confirmation = Confirmation::new(random(16), Confirm::Identity, url, question);
        confirmation.tenant = endpoint.tenant().map(str::to_owned);
        confirmation.identity =
            person.map(|person| Identity { sub: person.subject.clone(), name: person.name.clone() });
        self.confirm(confirmation).await
    }

    /// Asks, and waits for the answer; false also when the attempt ends meanwhile.
    async fn confirm(&self, confirmation: Confirmation) -> bool {
        let (sender, answer) = oneshot::channel();
        {
            let phase = self.phase();
            if !matches!(*phase, Phase::Redeeming) {
                return false;
            }
            let question = Question { id: confirmation.id.clone(), answer: sender };
            *self.question.lock().unwrap_or_else(PoisonError::into_inner) = Some(question);
            self.status.send_modify(|status| status.confirmation = Some(confirmation));
        }
        let mut changes = self.watch();
        let accepted = tokio::select! {
            accepted = answer => accepted.unwrap_or(false),
            _ = changes.wait_for(|status| status.state != LoginState::Pending) => false,
            () = self.reached(self.deadline) => {
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

/// The person said no.
pub(super) fn declined(what: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::AccessDenied, format!("The sign-in was not confirmed. {what}"))
        .hint("if that was a mistake, run the login again")
}
