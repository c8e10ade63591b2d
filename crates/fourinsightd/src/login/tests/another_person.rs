//! A login with the device flow to a session that somebody else had: nothing changes before the person is asked.

use fourinsight_ipc::{
    ErrorCode,
    message::{Confirm, Confirmation},
};
use testkit::practice::{Endpoint, SecretKind, Verdict};

use super::{
    device::{self, Device, at_least},
    *,
};
use crate::token::Person;

fn ada() -> Person {
    Person {
        issuer: "https://practice.test".to_owned(),
        subject: "subject-of-ada".to_owned(),
        name: Some("Ada\u{1b} Lovelace".to_owned()),
        login_hint: None,
    }
}

impl Device {
    /// A device login that grace allows, to a session that was signed in like this.
    async fn allowed_by_grace(signed_in_as: SignedInAs) -> (Self, LoginStatus) {
        let world = Self::at(|_| {});
        world.sessions.known.lock().unwrap().signed_in_as = signed_in_as;
        let begun = world.begin().await;
        world.practice.wait_until(at_least(1)).await;
        world.decide(&begun, Some("grace")).await;
        (world, begun)
    }

    /// Waits for the question.
    async fn asked(&self, begun: &LoginStatus) -> Confirmation {
        let mut changes = self.logins.watch(&begun.id).unwrap();
        let asked = changes.wait_for(|status| status.confirmation.is_some()).await.unwrap();
        asked.confirmation.clone().unwrap()
    }

    async fn answer(&self, begun: &LoginStatus, accepted: bool) -> LoginStatus {
        let answer = LoginResponse::confirmation(self.asked(begun).await.id, accepted);
        self.logins.respond(&begun.id, answer).await.unwrap()
    }

    /// Insists that the session was left alone and that the server has got its tokens back.
    async fn has_given_back(&self) {
        assert_eq!(self.sessions.count(), 0);
        self.practice.wait_until(|ledger| ledger.requests(Endpoint::Revocation).count() == 1).await;
        let ledger = self.practice.ledger();
        let given_back = ledger.requests(Endpoint::Revocation).next().unwrap().form.get("token");
        assert_eq!(given_back, ledger.secrets_of(SecretKind::RefreshToken).next());
        let access_token = ledger.secrets_of(SecretKind::AccessToken).next().unwrap();
        assert_eq!(self.practice.verdict(access_token), Verdict::Revoked);
    }
}

#[tokio::test(start_paused = true)]
async fn another_persons_session_is_replaced_only_once_that_is_confirmed() {
    let (world, begun) = Device::allowed_by_grace(SignedInAs::Person(ada())).await;
    let question = world.asked(&begun).await;
    assert_eq!((question.about, question.tenant.as_deref()), (Confirm::Person, None));
    assert_eq!(question.endpoint, "https://practice.test/token");
    assert_eq!(question.identity.as_ref().unwrap().sub, "subject-of-grace");
    assert_eq!(question.previous.as_ref().unwrap().sub, "subject-of-ada");
    for words in ["session default", "Ada Lovelace (subject-of-ada)", "Grace Hopper (subject-of-grace)"] {
        assert!(question.question.contains(words), "{words}: {}", question.question);
    }
    let polls = world.polls().len();
    assert_eq!((world.sessions.count(), polls), (0, 2), "nothing is saved before the answer");
    assert!(world.logins.respond(&begun.id, LoginResponse::confirmation("another", true)).await.is_err());

    let ended = world.answer(&begun, true).await;
    assert_eq!((ended.state, ended.confirmation), (LoginState::Succeeded, None));
    assert_eq!(ended.identity.unwrap().sub, "subject-of-grace");
    assert_eq!((world.sessions.count(), world.polls().len()), (1, polls));
    assert_eq!(world.practice.ledger().requests(Endpoint::Revocation).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_comes_into_the_session_while_a_question_is_open_is_asked_about_too() {
    let (world, begun) = Device::allowed_by_grace(SignedInAs::Person(ada())).await;
    let first = world.asked(&begun).await;
    let eve = Person { subject: "subject-of-eve".to_owned(), name: None, ..ada() };
    world.sessions.known.lock().unwrap().signed_in_as = SignedInAs::Person(eve);
    let asked = world.logins.respond(&begun.id, LoginResponse::confirmation(first.id, true)).await.unwrap();
    assert_eq!((asked.state, world.sessions.count()), (LoginState::Pending, 0));
    assert_eq!(asked.confirmation.unwrap().previous.unwrap().sub, "subject-of-eve");

    // Nobody is left to be asked about.
    let second = world.asked(&begun).await;
    world.sessions.known.lock().unwrap().signed_in_as = SignedInAs::Nobody;
    let ended = world.logins.respond(&begun.id, LoginResponse::confirmation(second.id, true)).await.unwrap();
    assert_eq!((ended.state, world.sessions.count()), (LoginState::Succeeded, 1));
}

#[tokio::test(start_paused = true)]
async fn a_no_leaves_the_session_as_it_was_and_gives_the_tokens_back() {
    let (world, begun) = Device::allowed_by_grace(SignedInAs::Person(ada())).await;
    let ended = world.answer(&begun, false).await;
    let error = ended.error.unwrap();
    assert_eq!((ended.state, error.error), (LoginState::Failed, ErrorCode::AccessDenied));
    assert!(error.error_description.contains("the session stays as it was"), "{error:?}");
    world.has_given_back().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_question_changes_nothing() {
    let (world, begun) = Device::allowed_by_grace(SignedInAs::Person(ada())).await;
    world.asked(&begun).await;
    assert_eq!(world.logins.cancel(&begun.id).unwrap().state, LoginState::Cancelled);
    world.has_given_back().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_expires_but_not_with_the_last_second_of_the_code() {
    let world = Device::at(|flow| flow.code_life = Duration::from_secs(12));
    world.sessions.known.lock().unwrap().signed_in_as = SignedInAs::Person(ada());
    let begun = world.begin().await;
    world.practice.wait_until(at_least(1)).await;
    world.decide(&begun, Some("grace")).await;
    world.asked(&begun).await;
    let asked_at = world.clock.now();
    let shown = world.logins.watch(&begun.id).unwrap().borrow().clone();
    assert_eq!(shown.expires_at, world.clock.unix_now() + 120);
    let ended = world.ended(&begun).await;
    assert_eq!((ended.state, ended.confirmation), (LoginState::Expired, None));
    assert_eq!(world.clock.now().since(asked_at), Duration::from_mins(2));
    world.has_given_back().await;
}

#[tokio::test(start_paused = true)]
async fn the_same_person_and_a_session_that_nobody_had_are_not_asked() {
    let grace = Person { subject: "subject-of-grace".to_owned(), ..ada() };
    for signed_in_as in [SignedInAs::Nobody, SignedInAs::Person(grace)] {
        let (world, begun) = Device::allowed_by_grace(signed_in_as).await;
        let mut changes = world.logins.watch(&begun.id).unwrap();
        let moved =
            changes.wait_for(|status| status.state != LoginState::Pending || status.confirmation.is_some());
        let status = moved.await.unwrap().clone();
        assert_eq!((status.state, status.confirmation), (LoginState::Succeeded, None));
        assert_eq!(world.sessions.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_compared_is_asked_about() {
    let (world, begun) = Device::allowed_by_grace(SignedInAs::Unknown).await;
    let question = world.asked(&begun).await;
    assert_eq!((question.about, question.previous), (Confirm::Person, None));
    assert!(question.question.contains("was signed in as somebody unknown"), "{}", question.question);

    // The same subject at another issuer is somebody else, and the issuers say so.
    let elsewhere = Person {
        issuer: "https://other.example".to_owned(),
        subject: "subject-of-grace".to_owned(),
        name: Some("Grace Hopper".to_owned()),
        login_hint: None,
    };
    let (world, begun) = Device::allowed_by_grace(SignedInAs::Person(elsewhere)).await;
    let question = world.asked(&begun).await.question;
    assert!(
        question.contains("(subject-of-grace) of https://other.example.")
            && question.contains("(subject-of-grace) of https://practice.test instead"),
        "{question}"
    );

    // A server that names nobody.
    let config = device::CONFIG.replace("openid ", "").replace(
        "issuer = \"https://practice.test\"",
        "device_authorization_endpoint = \"https://practice.test/device_authorization\"\n\
         token_endpoint = \"https://practice.test/token\"",
    );
    let flow = testkit::practice::Settings {
        device_flow: Some(testkit::practice::DeviceFlow::default()),
        ..testkit::practice::Settings::default()
    };
    let world = Device::with(flow, &config);
    world.sessions.known.lock().unwrap().signed_in_as = SignedInAs::Person(ada());
    let begun = world.begin().await;
    world.practice.wait_until(at_least(1)).await;
    world.decide(&begun, Some("grace")).await;
    let question = world.asked(&begun).await;
    assert_eq!((question.about, question.identity), (Confirm::Person, None));
    assert!(question.question.contains("as an unknown person"), "{}", question.question);
}

/// A login that asks in a browser of this machine, whose page has been shown.
async fn asked_in_a_browser() -> (World, Begun, Confirmation) {
    let world = World::new(BY_HAND);
    world.sessions.known.lock().unwrap().signed_in_as = SignedInAs::Person(ada());
    let begun = world.begin("default").await;
    let page = begun.sign_in().await;
    assert!(page.status == 200 && page.body.contains("One question left"), "{page:?}");
    assert!(!page.body.contains("igned in to") && !page.body.contains("igned in as <strong>"), "{page:?}");
    let status = world.logins.watch(&begun.id).unwrap().borrow().clone();
    assert_eq!((status.state, world.sessions.count()), (LoginState::Pending, 0));
    (world, begun, status.confirmation.unwrap())
}

#[tokio::test]
async fn a_browsers_page_says_that_a_question_is_left_and_nothing_is_saved_before_its_answer() {
    let (world, begun, question) = asked_in_a_browser().await;
    assert_eq!(question.about, Confirm::Person);
    assert_eq!(question.previous.unwrap().sub, "subject-of-ada");
    assert_eq!(question.identity.unwrap().sub, "42");
    let yes = LoginResponse::confirmation(question.id, true);
    assert_eq!(world.logins.respond(&begun.id, yes).await.unwrap().state, LoginState::Succeeded);
    assert_eq!(world.sessions.count(), 1);
    assert!(world.server.requests("/revoke").is_empty());
}

#[tokio::test]
async fn a_browsers_tokens_are_given_back_when_its_person_is_declined() {
    let (world, begun, question) = asked_in_a_browser().await;
    let no = LoginResponse::confirmation(question.id, false);
    let error = world.logins.respond(&begun.id, no).await.unwrap().error.unwrap();
    assert_eq!(error.error, ErrorCode::AccessDenied);
    assert!(error.hint.as_ref().is_some_and(|hint| hint.contains("--switch-user")), "{error:?}");
    world.server.asked_at("/revoke").await;
    assert_eq!(world.server.requests("/revoke")[0]["token"], "rt-secret");
    assert_eq!(world.sessions.count(), 0);
}

#[tokio::test]
async fn who_accepts_another_person_beforehand_is_not_asked() {
    let world = World::new(BY_HAND);
    world.sessions.known.lock().unwrap().signed_in_as = SignedInAs::Person(ada());
    let request = LoginRequest { switch_user: true, ..LoginRequest::default() };
    let begun = Begun::new(world.logins.begin(request).await.unwrap());
    let page = begun.sign_in().await;
    assert!(page.body.contains("You are signed in as"), "{page:?}");
    assert_eq!((world.ended(&begun).await.state, world.sessions.count()), (LoginState::Succeeded, 1));
}

#[tokio::test]
async fn every_flow_with_a_person_asks() {
    let world = World::new(&format!("{BY_HAND}allow_legacy = true\n"));
    world.sessions.known.lock().unwrap().signed_in_as = SignedInAs::Person(ada());
    for flow in ["paste", "password", "implicit"] {
        let request = LoginRequest { flow: Some(flow.to_owned()), ..LoginRequest::default() };
        let begun = world.logins.begin(request).await.unwrap();
        let answer = if flow == "password" {
            LoginResponse::password("grace", "pw-secret")
        } else {
            let asked = Begun::new(begun.clone());
            let (at, state) = (asked.redirect_uri.as_str(), asked.state());
            LoginResponse::pasted(match flow {
                "paste" => format!("{at}?code=c&state={state}"),
                _ => format!("{at}#access_token=at-secret&token_type=Bearer&expires_in=60&state={state}"),
            })
        };
        let asked = world.logins.respond(&begun.id, answer).await.unwrap();
        let question = asked.confirmation.unwrap_or_else(|| panic!("{flow} does not ask: {:?}", asked.error));
        assert_eq!(question.about, Confirm::Person, "{flow}");
        assert_eq!(world.sessions.count(), 0, "{flow}");
    }
}

#[tokio::test]
async fn where_nobody_is_named_nothing_is_asked() {
    let world = World::new(&BY_HAND.replace("userinfo_endpoint", "# userinfo_endpoint"));
    world.sessions.known.lock().unwrap().signed_in_as = SignedInAs::Unknown;
    let begun = world.begin("default").await;
    begun.sign_in().await;
    assert_eq!(world.ended(&begun).await.state, LoginState::Succeeded);
}
