//! What the sessions tell the history, and what a new start knows of it.

use fourinsight_ipc::message::{Action, AttemptOutcome};
use testkit::practice::{Answer, Gate};

use super::HOUR;
use crate::{
    history::{Tried, Why},
    login::SignIn as _,
    session::Shown,
    testing::{SCOPES, World, key, pass},
};

/// What is known of the session `default`, newest first: what was tried, what came of it, and the failure's code.
pub(super) fn known(world: &World) -> Vec<(Action, AttemptOutcome, String)> {
    let code = |tried: &Tried| match tried.why.as_deref() {
        None => String::new(),
        Some(Why::Failure(failure)) => failure.error.clone(),
        Some(Why::Told(told)) => format!("{:?}", told.error),
    };
    let known = world.daemon.broker.history().of(&key("default")).unwrap_or_default();
    known.iter().map(|tried| (tried.action, tried.outcome, code(tried))).collect()
}

pub(super) fn row(action: Action, outcome: AttemptOutcome, code: &str) -> (Action, AttemptOutcome, String) {
    (action, outcome, code.to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_token_that_nothing_renews_is_told_before_and_after_a_restart() {
    let world = World::new().await;
    let mut login = world.login("ada", &SCOPES, &[]).await;
    login.tokens.refresh_token = None;
    world.sign_in_with("default", login).await;
    pass(HOUR + 60).await;
    assert_eq!(world.snapshot().shown, Shown::LoginRequired);
    let ended = [row(Action::Renewal, AttemptOutcome::Failed, "access_token_expired")];
    assert_eq!(known(&world), ended);
    assert_eq!(known(&world.restarted().await), ended);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_a_crash_interrupted_is_told() {
    let world = World::signed_in().await;
    let gate = Gate::new();
    world.script([Answer::close().held_by(&gate), Answer::status(503)]);
    gate.arrived(1).await;
    let world = world.killed().await;
    pass(1).await;
    let told = known(&world);
    let interrupted = row(Action::Refresh, AttemptOutcome::Failed, "rotation_interrupted");
    assert_eq!(told.last(), Some(&interrupted), "{told:?}");
    assert_eq!(told.first().map(|newest| newest.0), Some(Action::Refresh), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_revocation_that_the_server_refuses_is_told_though_the_session_is_gone() {
    let world = World::signed_in().await;
    assert_eq!(known(&world), []);
    let refusal = Answer::error(400, "invalid_request");
    world.practice.answer_next(testkit::practice::Endpoint::Revocation, [refusal]);
    world.revoke().await;
    assert_eq!(known(&world), [row(Action::Revocation, AttemptOutcome::Failed, "invalid_request")]);
}
