//! How attempts begin, compete and end.

use fourinsight_ipc::ErrorCode;

use super::*;
use crate::clock::{Readings, virtual_time::Virtual};

#[tokio::test]
async fn the_later_of_two_logins_for_one_session_cancels_the_earlier() {
    let world = World::new(BY_HAND);
    let earlier = world.begin("default").await;
    let elsewhere = world.begin("other").await;
    let later = world.begin("default").await;
    let ended = world.ended(&earlier).await;
    assert_eq!(ended.state, LoginState::Cancelled);
    assert!(ended.note.unwrap().contains("later login"));
    assert_eq!((world.state(&elsewhere), world.state(&later)), (LoginState::Pending, LoginState::Pending));
    let mut pending = world.logins.pending();
    pending.sort();
    assert_eq!(pending, [(key("default"), "work".to_owned()), (key("other"), "work".to_owned())]);
    // The earlier one's answer is worth nothing to the later one.
    assert_eq!(later.get(&later.target(&format!("code=x&state={}", earlier.state()))).await.status, 400);
    assert_eq!(later.sign_in().await.status, 200);
    assert_eq!(world.logins.pending().len(), 1);
}

#[tokio::test]
async fn a_cancelled_attempt_closes_its_listener() {
    let world = World::new(BY_HAND);
    let begun = world.begin("default").await;
    let attempt = Arc::clone(&world.logins.attempts()[&begun.id]);
    assert_eq!(world.logins.cancel(&begun.id).unwrap().state, LoginState::Cancelled);
    attempt.release_port().await;
    assert!(TcpStream::connect(("127.0.0.1", begun.port())).await.is_err());
    assert_eq!(world.logins.cancel(&begun.id).unwrap().state, LoginState::Cancelled);
    assert!(world.logins.cancel("nobody").is_none());
    assert!(world.logins.watch("nobody").is_none());
}

#[tokio::test]
async fn a_browser_that_comes_after_a_cancel_is_told_so() {
    let world = World::new(BY_HAND);
    let begun = world.begin("default").await;
    world.logins.cancel(&begun.id).unwrap();
    let page = begun.sign_in().await;
    assert_eq!(page.status, 410);
    assert!(page.body.contains("Sign-in cancelled") && page.body.contains("Nothing was changed"), "{page:?}");
    // Only the browser of this login is told.
    let other = begun.get(&begun.target("code=x&state=other")).await;
    assert!(!other.body.contains("cancelled"), "{other:?}");
    assert!(world.server.requests("/token").is_empty());
    // The session's next login needs no two listeners.
    world.begin("default").await;
    assert!(TcpStream::connect(("127.0.0.1", begun.port())).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_waited_for_long_after_a_cancel() {
    let (clock, _) = Virtual::clock();
    let world = World::at(BY_HAND, clock.clone());
    let begun = world.begin("default").await;
    let attempt = Arc::clone(&world.logins.attempts()[&begun.id]);
    let start = clock.now();
    world.logins.cancel(&begun.id).unwrap();
    attempt.closed.clone().wait_for(|closed| *closed).await.unwrap();
    assert_eq!(clock.now().since(start), Duration::from_mins(1));
}

#[tokio::test]
async fn tokens_of_an_attempt_cancelled_meanwhile_are_given_back() {
    let world = World::new(BY_HAND);
    let closed = world.server.gate.acquire().await.unwrap();
    let begun = world.begin("default").await;
    let redirect = begun.get(&begun.answer()).await;
    world.server.asked_at("/token").await;
    assert_eq!(world.logins.cancel(&begun.id).unwrap().state, LoginState::Cancelled);
    let page = begun.get(&redirect.headers["location"]).await;
    assert!(page.body.contains("cancelled"), "{}", page.body);
    drop(closed);
    world.server.asked_at("/revoke").await;
    assert_eq!(world.sessions.count(), 0);
    let [form] = world.server.requests("/revoke").try_into().unwrap();
    assert_eq!(form["token"], "rt-secret");
    assert_eq!(world.state(&begun), LoginState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_expires_after_ten_minutes_and_is_remembered_for_ten_more() {
    let (clock, _) = Virtual::clock();
    let world = World::at(BY_HAND, clock.clone());
    let begun = world.begin("default").await;
    let start = clock.now();
    assert_eq!(begun.status.expires_at, clock.unix_now() + 600);
    assert_eq!(world.ended(&begun).await.state, LoginState::Expired);
    assert_eq!(clock.now().since(start), Duration::from_mins(10));
    assert!(world.logins.pending().is_empty());
    let too_late = world.logins.respond(&begun.id, LoginResponse::pasted("a-bare-code")).await.unwrap_err();
    assert_eq!(too_late.error, ErrorCode::InvalidRequest);
    tokio::time::advance(Duration::from_secs(599)).await;
    assert!(world.logins.watch(&begun.id).is_some());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(world.logins.watch(&begun.id).is_none());
}

#[tokio::test]
async fn an_answer_after_a_suspend_past_the_deadline_is_too_late() {
    struct Suspended(Mutex<Duration>);
    impl Readings for Suspended {
        fn boot(&self) -> Duration {
            *self.0.lock().unwrap()
        }
        fn wall(&self) -> Duration {
            Duration::from_secs(1_700_000_000) + self.boot()
        }
    }
    let readings = Arc::new(Suspended(Mutex::default()));
    let clock = Clock::with_readings(Arc::clone(&readings) as Arc<dyn Readings>);
    let world = World::at(BY_HAND, clock);
    let begun = world.begin("default").await;
    // Answered, so the attempt's task has read the clock and sleeps.
    assert_eq!(begun.get("/").await.status, 404);
    *readings.0.lock().unwrap() = Duration::from_secs(601);
    let page = begun.sign_in().await;
    assert!(page.status == 410 && page.body.contains("Sign-in expired"), "{page:?}");
    assert_eq!(world.ended(&begun).await.state, LoginState::Expired);
    assert!(world.server.requests("/token").is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_expired_after_a_refused_answer_says_so() {
    let (clock, _) = Virtual::clock();
    let world = World::at(DISCOVERED, clock);
    let begun = world.begin("default").await;
    let pasted = format!("{}?code=x&state={}", begun.redirect_uri, begun.state());
    let error = world.logins.respond(&begun.id, LoginResponse::pasted(pasted)).await.unwrap_err();
    assert!(error.error_description.contains("does not name the server"), "{error:?}");
    let attempt = Arc::clone(&world.logins.attempts()[&begun.id]);
    attempt.refuse(crate::login::callback::NotTheAnswer::OtherIssuer);
    assert!(world.ended(&begun).await.note.unwrap().contains("another server"));
}

#[tokio::test]
async fn a_paste_signs_in_and_wrong_pastes_end_nothing() {
    let world = World::new(BY_HAND);
    let begun = world.begin("default").await;
    let callback = |parameters: &str| format!("{}?{parameters}", begun.redirect_uri);
    for wrong in [
        String::new(),
        callback("code=c4nary&state=c4nary"),
        callback("error=access_denied&state=c4nary"),
        format!("http://127.0.0.1:1/callback?code=c4nary&state={}", begun.state()),
    ] {
        let error = world.logins.respond(&begun.id, LoginResponse::pasted(wrong)).await.unwrap_err();
        assert_eq!(error.error, ErrorCode::InvalidRequest);
        assert!(!format!("{error:?}").contains("c4nary"));
        assert_eq!(world.state(&begun), LoginState::Pending);
    }
    let right = callback(&format!("code=pasted&state={}", begun.state()));
    let ended = world.logins.respond(&begun.id, LoginResponse::pasted(right.clone())).await.unwrap();
    assert_eq!((ended.state, ended.identity.unwrap().sub.as_str()), (LoginState::Succeeded, "42"));
    assert_eq!(world.server.requests("/token")[0]["code"], "pasted");
    let error = world.logins.respond(&begun.id, LoginResponse::pasted(right)).await.unwrap_err();
    assert_eq!(error.error, ErrorCode::InvalidRequest);
    let error = world.logins.respond("nobody", LoginResponse::pasted("x")).await.unwrap_err();
    assert_eq!(error.error, ErrorCode::NotFound);
    assert_eq!(world.sessions.count(), 1);
}

#[tokio::test]
async fn a_bare_code_goes_out_with_the_attempts_code_verifier() {
    let world = World::new(BY_HAND);
    let begun = world.begin("default").await;
    let ended =
        world.logins.respond(&begun.id, LoginResponse::pasted(" SplxlOBeZQQYbYS6WxSbIA\n")).await.unwrap();
    assert_eq!(ended.state, LoginState::Succeeded);
    let [form] = world.server.requests("/token").try_into().unwrap();
    assert_eq!(form["code"], "SplxlOBeZQQYbYS6WxSbIA");
    assert_eq!(form["code_verifier"].len(), 43);
}

#[tokio::test]
async fn a_pasted_error_fails_the_attempt() {
    let world = World::new(BY_HAND);
    let begun = world.begin("default").await;
    let pasted = format!("{}?error=invalid_scope&state={}", begun.redirect_uri, begun.state());
    let ended = world.logins.respond(&begun.id, LoginResponse::pasted(pasted)).await.unwrap();
    assert_eq!((ended.state, ended.error.unwrap().error), (LoginState::Failed, ErrorCode::InvalidScope));
}

#[tokio::test]
async fn a_fixed_port_that_is_taken_is_named_and_nothing_else_is_tried() {
    let squatter = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = squatter.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost"] {
        let world = World::new(&format!("{BY_HAND}redirect_uri = \"http://{host}:{port}/cb\"\n"));
        let error = world.logins.begin(LoginRequest::default()).await.unwrap_err();
        assert_eq!(error.error, ErrorCode::TemporarilyUnavailable);
        assert!(error.error_description.contains(&format!("Port {port}")), "{error:?}");
        assert!(world.logins.pending().is_empty());
    }
}

#[tokio::test]
async fn a_fixed_port_serves_one_login_after_the_other() {
    // Between being seen free and being bound, a port may be taken by another test.
    let (world, first, free) = loop {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let world = World::new(&format!("{BY_HAND}redirect_uri = \"http://127.0.0.1:{free}/cb\"\n"));
        if let Ok(status) = world.logins.begin(LoginRequest::default()).await {
            break (world, Begun::new(status), free);
        }
    };
    assert_eq!(first.port(), free);
    let request = LoginRequest { session: key("other"), ..LoginRequest::default() };
    let error = world.logins.begin(request).await.unwrap_err();
    assert!(error.error_description.contains("session default"), "{error:?}");
    // The same session's later login takes the port over, and so does anyone's once a login has ended.
    let second = world.begin("default").await;
    assert_eq!((world.state(&first), second.port()), (LoginState::Cancelled, free));
    assert_eq!(second.sign_in().await.status, 200);
    assert_eq!(world.begin("other").await.sign_in().await.status, 200);
    assert_eq!(world.sessions.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_listener_closes_soon_after_its_page_was_due() {
    let (clock, _) = Virtual::clock();
    let world = World::at(BY_HAND, clock.clone());
    let begun = world.begin("default").await;
    let attempt = Arc::clone(&world.logins.attempts()[&begun.id]);
    let start = clock.now();
    let answer = crate::login::callback::Answer::Code("the-code".into());
    assert!(attempt.answer(answer, true));
    assert_eq!(world.ended(&begun).await.state, LoginState::Succeeded);
    let mut closed = attempt.closed.clone();
    closed.wait_for(|closed| *closed).await.unwrap();
    assert_eq!(clock.now().since(start), Duration::from_secs(13));
    assert!(TcpStream::connect(("127.0.0.1", begun.port())).await.is_err());
}

#[tokio::test]
async fn so_many_logins_may_wait_and_no_more() {
    let world = World::new(BY_HAND);
    for number in 0..crate::login::MAX_PENDING {
        world.begin(&format!("s{number}")).await;
    }
    let request = LoginRequest { session: key("one-more"), ..LoginRequest::default() };
    let error = world.logins.begin(request).await.unwrap_err();
    assert_eq!(error.error, ErrorCode::TemporarilyUnavailable);
    // One that takes an earlier one's place is no more.
    world.begin("s0").await;
    assert_eq!(world.logins.pending().len(), crate::login::MAX_PENDING);
}
