//! The device flow under paused time, against the practice server.

use fourinsight_ipc::ErrorCode;
use testkit::practice::{Answer, DeviceFlow, Endpoint, Practice, Settings, Verdict, ledger::Ledger};

use super::*;
use crate::{
    clock::virtual_time::Virtual,
    testing::{ISSUER, InMemory},
};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A profile at the practice server.
pub(super) const CONFIG: &str = r#"
[profiles.work]
client_id = "practice-client"
issuer = "https://practice.test"
flow = "device"
scopes = "openid offline_access read"
device_params = { audience = "x" }
device_poll_params = { tenant = "y" }
"#;

/// Attempts at a practice server; both follow tokio's paused time.
pub(super) struct Device {
    pub(super) logins: Logins,
    pub(super) practice: Practice,
    pub(super) sessions: Arc<Sessions>,
    pub(super) clock: Clock,
    _folder: tempfile::TempDir,
}

impl Device {
    pub(super) fn at(change: impl FnOnce(&mut DeviceFlow)) -> Self {
        let mut flow = DeviceFlow::default();
        change(&mut flow);
        let settings =
            Settings { device_flow: Some(flow), unix_at_start: Some(1_700_000_000), ..Settings::default() };
        Self::with(settings, CONFIG)
    }

    pub(super) fn with(settings: Settings, config: &str) -> Self {
        let practice = Practice::new(settings);
        let (clock, _) = Virtual::clock();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, config).unwrap();
        let sessions = Arc::new(Sessions::default());
        let logins = Logins::new(
            Arc::new(InMemory::over(&practice)),
            Arc::default(),
            clock.clone(),
            Arc::clone(&sessions) as Arc<dyn SignIn>,
            Arc::new(ConfigFile::open(path).unwrap()),
        );
        Self { logins, practice, sessions, clock, _folder: folder }
    }

    pub(super) async fn begin(&self) -> LoginStatus {
        self.logins.begin(LoginRequest::default()).await.unwrap()
    }

    pub(super) async fn ended(&self, begun: &LoginStatus) -> LoginStatus {
        let mut changes = self.logins.watch(&begun.id).unwrap();
        changes.wait_for(|status| status.state != LoginState::Pending).await.unwrap().clone()
    }

    /// The person's decision: allowed by a user, or denied by none.
    pub(super) async fn decide(&self, begun: &LoginStatus, user: Option<&str>) {
        let uri = begun.verification_uri.as_deref().unwrap();
        self.practice.answer_device(uri, begun.user_code.as_deref().unwrap(), user).await.unwrap();
    }

    /// When the polls came, in seconds since the user code was asked for.
    pub(super) fn polls(&self) -> Vec<u64> {
        let ledger = self.practice.ledger();
        let asked_at = ledger.requests(Endpoint::DeviceAuthorization).next().unwrap().at;
        ledger.token_requests(GRANT_TYPE).iter().map(|poll| poll.at.abs_diff(asked_at).as_secs()).collect()
    }
}

pub(super) fn at_least(count: usize) -> impl FnMut(&Ledger) -> bool {
    move |ledger| ledger.token_requests(GRANT_TYPE).len() >= count
}

#[tokio::test(start_paused = true)]
async fn a_login_polls_at_the_servers_interval_until_the_person_allows_it() {
    let world = Device::at(|flow| flow.interval = Duration::from_secs(7));
    let begun = world.begin().await;
    assert_eq!((begun.flow.as_str(), begun.state), ("device", LoginState::Pending));
    assert_eq!(begun.expires_at, world.clock.unix_now() + 900);
    assert_eq!(begun.authorization_uri, None);
    let code = begun.user_code.as_deref().unwrap();
    assert_eq!(begun.verification_uri.as_deref(), Some("https://practice.test/device"));
    let complete = format!("https://practice.test/device?user_code={code}");
    assert_eq!(begun.verification_uri_complete.as_deref(), Some(complete.as_str()));

    world.practice.wait_until(at_least(3)).await;
    world.decide(&begun, Some("grace")).await;
    let ended = world.ended(&begun).await;
    assert_eq!(ended.state, LoginState::Succeeded, "{ended:?}");
    assert_eq!(ended.identity.unwrap().name.as_deref(), Some("Grace Hopper"));
    assert_eq!(world.polls(), [7, 14, 21, 28]);

    let ledger = world.practice.ledger();
    let start = ledger.requests(Endpoint::DeviceAuthorization).next().unwrap();
    assert_eq!(start.form.get("scope"), Some("openid offline_access read"));
    assert_eq!(
        (start.form.get("client_id"), start.form.get("audience")),
        (Some("practice-client"), Some("x"))
    );
    assert_eq!(start.form.get("tenant"), None);
    let poll = ledger.token_requests(GRANT_TYPE)[0];
    assert_eq!((poll.form.get("tenant"), poll.form.get("audience")), (Some("y"), None));

    let [(session, login)] =
        <[_; 1]>::try_from(std::mem::take(&mut *world.sessions.logins.lock().unwrap())).unwrap();
    assert_eq!((session, login.profile.as_str()), (SessionKey::default(), "work"));
    assert_eq!(world.clock.now().since(login.obtained_at), Duration::ZERO);
    assert!(login.tokens.refresh_token.is_some());
}

#[tokio::test(start_paused = true)]
async fn slow_down_adds_five_seconds_each_time_and_for_good() {
    let world = Device::at(|_| {});
    let slow_down = |more: &str| Answer::status(403).body(format!(r#"{{"error":"slow_down"{more}}}"#));
    let pending = || Answer::error(428, "authorization_pending");
    world.practice.answer_next_token_requests([
        pending(),
        slow_down(""),
        slow_down(""),
        pending(),
        slow_down(r#","interval":40"#),
        slow_down(r#","interval":1"#),
        pending(),
    ]);
    let begun = world.begin().await;
    world.practice.wait_until(at_least(7)).await;
    world.decide(&begun, Some("ada")).await;
    assert_eq!(world.ended(&begun).await.state, LoginState::Succeeded);
    assert_eq!(world.polls(), [5, 10, 20, 35, 50, 90, 135, 180]);
}

#[tokio::test(start_paused = true)]
async fn the_servers_own_slow_down_is_never_provoked() {
    for seconds in [1, 5, 60] {
        let world = Device::at(|flow| flow.interval = Duration::from_secs(seconds));
        let begun = world.begin().await;
        world.practice.wait_until(at_least(5)).await;
        world.decide(&begun, None).await;
        assert_eq!(world.ended(&begun).await.state, LoginState::Failed);
        let expected: Vec<u64> = (1..=6).map(|poll| poll * seconds).collect();
        assert_eq!(world.polls(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_fails_the_login_whatever_its_status() {
    for status in [200, 400, 401, 403, 428, 500] {
        let world = Device::at(|flow| flow.error_status = status);
        let begun = world.begin().await;
        world.practice.wait_until(at_least(2)).await;
        world.decide(&begun, None).await;
        let ended = world.ended(&begun).await;
        assert_eq!(ended.state, LoginState::Failed, "{status}");
        let error = ended.error.unwrap();
        assert_eq!(error.error, ErrorCode::AccessDenied, "{status}");
        assert!(error.error_description.contains("declined"), "{error:?}");
        assert_eq!((world.polls().len(), world.sessions.count()), (3, 0), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_that_nobody_enters_expires_when_the_server_says_so() {
    let world = Device::at(|flow| flow.code_life = Duration::from_secs(62));
    let begun = world.begin().await;
    let start = world.clock.now();
    assert_eq!(begun.expires_at, world.clock.unix_now() + 62);
    let ended = world.ended(&begun).await;
    assert_eq!((ended.state, ended.note), (LoginState::Expired, None));
    assert_eq!(world.clock.now().since(start), Duration::from_secs(62));
    assert_eq!(world.polls().len(), 12);

    // The server may know better.
    let world = Device::at(|_| {});
    world.practice.answer_next_token_requests([Answer::error(403, "expired_token")]);
    let begun = world.begin().await;
    assert_eq!(world.ended(&begun).await.state, LoginState::Expired);
    assert_eq!(world.polls(), [5]);
}

#[tokio::test(start_paused = true)]
async fn an_expiry_that_is_left_out_means_half_an_hour_and_googles_name_is_understood() {
    let world = Device::at(|flow| {
        flow.announces_expiry = false;
        flow.verification_url = true;
        flow.code_life = Duration::from_hours(2);
    });
    let begun = world.begin().await;
    assert_eq!(begun.expires_at, world.clock.unix_now() + 1800);
    assert_eq!(begun.verification_uri.as_deref(), Some("https://practice.test/device"));
    assert_eq!(begun.verification_uri_complete, None);
    let start = world.clock.now();
    assert_eq!(world.ended(&begun).await.state, LoginState::Expired);
    assert_eq!(world.clock.now().since(start), Duration::from_mins(30));
}

#[tokio::test(start_paused = true)]
async fn polls_without_an_answer_back_off_until_there_is_one() {
    let world = Device::at(|_| {});
    world.practice.answer_next_token_requests([
        Answer::hang(),
        Answer::close(),
        Answer::status(503).header("retry-after", "100"),
        Answer::error(400, "authorization_pending"),
        Answer::status(502),
    ]);
    let begun = world.begin().await;
    world.practice.wait_until(at_least(5)).await;
    world.decide(&begun, Some("ada")).await;
    assert_eq!(world.ended(&begun).await.state, LoginState::Succeeded);
    // 5, then 60 until the time-out and twice the interval, then four times, then what the server asked for, then
    // the interval again, then twice.
    assert_eq!(world.polls(), [5, 75, 95, 195, 200, 210]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_until_the_end_is_told() {
    let world = Device::at(|flow| flow.code_life = Duration::from_mins(5));
    world.practice.answer_next_token_requests(vec![Answer::status(503); 40]);
    let begun = world.begin().await;
    let ended = world.ended(&begun).await;
    assert_eq!(ended.state, LoginState::Expired);
    assert!(ended.note.unwrap().contains("503"));
    assert_eq!(world.polls(), [5, 15, 35, 75, 135, 195, 255]);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_decides_ends_the_polling() {
    for (status, error, code) in [
        (400, "invalid_grant", ErrorCode::AccessDenied),
        (401, "invalid_client", ErrorCode::InvalidRequest),
        (400, "unsupported_grant_type", ErrorCode::InvalidRequest),
    ] {
        let world = Device::at(|_| {});
        world.practice.answer_next_token_requests([Answer::error(status, error)]);
        let begun = world.begin().await;
        let ended = world.ended(&begun).await;
        assert_eq!((ended.state, world.polls().len()), (LoginState::Failed, 1), "{error}");
        let told = ended.error.unwrap();
        assert_eq!(told.error, code, "{error}");
        let names_the_switch = told.hint.unwrap().contains("Allow public client flows");
        assert_eq!(names_the_switch, code == ErrorCode::InvalidRequest, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_attempt_polls_no_more_and_gives_back_what_it_gets() {
    let world = Device::at(|_| {});
    let begun = world.begin().await;
    world.practice.wait_until(at_least(2)).await;
    let gate = testkit::practice::Gate::new();
    world.practice.answer_next_token_requests([Answer::genuine().held_by(&gate)]);
    world.decide(&begun, Some("ada")).await;
    gate.arrived(1).await;
    assert_eq!(world.logins.cancel(&begun.id).unwrap().state, LoginState::Cancelled);
    gate.open();
    world.practice.wait_until(|ledger| ledger.requests(Endpoint::Revocation).count() == 1).await;
    let ledger = world.practice.ledger();
    let token = ledger.secrets_of(testkit::practice::SecretKind::AccessToken).next().unwrap();
    assert_eq!(world.practice.verdict(token), Verdict::Revoked);
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!((world.polls().len(), world.sessions.count()), (3, 0));

    let begun = world.begin().await;
    assert_eq!(world.logins.cancel(&begun.id).unwrap().state, LoginState::Cancelled);
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(world.polls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_later_login_takes_the_place_of_a_device_login_and_no_paste_answers_one() {
    let world = Device::at(|_| {});
    let begun = world.begin().await;
    let refused = world.logins.respond(&begun.id, LoginResponse::pasted("a-bare-code")).await.unwrap_err();
    assert_eq!(refused.error, ErrorCode::InvalidRequest);
    let browser = LoginRequest { flow: Some("browser".to_owned()), ..LoginRequest::default() };
    let later = world.logins.begin(browser).await.unwrap();
    assert_eq!((later.flow.as_str(), later.user_code), ("browser", None));
    assert_eq!(world.ended(&begun).await.state, LoginState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_later_login_waits_for_no_poll_of_an_earlier_one() {
    let world = Device::at(|_| {});
    world.practice.answer_next_token_requests([Answer::hang()]);
    let begun = world.begin().await;
    world.practice.wait_until(at_least(1)).await;
    let start = world.clock.now();
    assert_eq!(world.begin().await.state, LoginState::Pending);
    assert_eq!(world.clock.now().since(start), Duration::ZERO);
    assert_eq!(world.ended(&begun).await.state, LoginState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn the_flow_can_be_chosen_at_the_login() {
    let config = CONFIG.replace("flow = \"device\"\n", "");
    let world = Device::with(Settings::default(), &config);
    let request = |flow: &str| LoginRequest { flow: Some(flow.to_owned()), ..LoginRequest::default() };
    assert!(world.logins.begin(request("device")).await.unwrap().user_code.is_some());
    let unknown = world.logins.begin(request("pigeon")).await.unwrap_err();
    assert_eq!(unknown.error, ErrorCode::InvalidRequest);
    assert!(unknown.hint.unwrap().contains("browser, paste, device"));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_the_server_refuses_at_once_says_why() {
    let without = Settings { device_flow: None, ..Settings::default() };
    let world = Device::with(without, CONFIG);
    let error = world.logins.begin(LoginRequest::default()).await.unwrap_err();
    assert!(error.error_description.contains("device_authorization_endpoint"), "{error:?}");
    for (answer, code) in [
        (Answer::error(400, "unauthorized_client"), ErrorCode::InvalidRequest),
        (Answer::error(400, "invalid_scope"), ErrorCode::InvalidScope),
        (Answer::status(503), ErrorCode::TemporarilyUnavailable),
        (Answer::close(), ErrorCode::TemporarilyUnavailable),
        (
            Answer::status(200).header("content-type", "application/json").body("{}"),
            ErrorCode::InvalidRequest,
        ),
        (
            Answer::status(200).header("content-type", "text/html").body("{}"),
            ErrorCode::TemporarilyUnavailable,
        ),
        (
            Answer::status(200)
                .body(r#"{"device_code":"d","user_code":"u","verification_uri":"http://x.example/"}"#),
            ErrorCode::InvalidRequest,
        ),
    ] {
        let world = Device::at(|_| {});
        world.practice.answer_next(Endpoint::DeviceAuthorization, [answer]);
        let error = world.logins.begin(LoginRequest::default()).await.unwrap_err();
        assert_eq!(error.error, code, "{error:?}");
        assert!(error.hint.is_some() && world.logins.pending().is_empty());
    }
    assert_eq!(ISSUER, "https://practice.test", "what CONFIG says");
}
