//! Sessions that the client's own credentials open and renew, against the practice server.

use std::{fs, path::PathBuf, time::Duration};

use fourinsight_ipc::message::{Action, AttemptOutcome};
use testkit::practice::{Answer, Client, ClientAuthentication, ClientKey, Endpoint, Gate, Settings, Verdict};
use tokio::task::JoinSet;

use super::history::{known, row};
use crate::{
    authority::discovery::Cache,
    config::Config,
    login::{NewLogin, Opener, Turn},
    profile::{Brought, SecretSource},
    session::{NoToken, Opened, Shown},
    store::{Opened as OpenedStore, Store},
    testing::{ISSUER, World, key, pass, until, usual},
};

const HOUR: u64 = 3600;

/// A world with a client secret in a file.
struct Batch {
    world: World,
    folder: tempfile::TempDir,
}

impl Batch {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let batch = Self { world: World::with(change).await, folder: tempfile::tempdir().unwrap() };
        batch.write_secret(&Client::confidential().secret.unwrap());
        batch
    }

    fn write_secret(&self, secret: &str) {
        fs::write(self.secret_file(), secret).unwrap();
    }

    fn secret_file(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    fn opener(&self, lines: &str) -> Opener {
        let text = format!(
            "[profiles.batch]\nissuer = \"{ISSUER}\"\nclient_id = \"{}\"\nclient_secret = {{ file = \"secret\" }}\n\
             flow = \"client_credentials\"\n{lines}\n",
            Client::confidential().id
        );
        let path = self.folder.path().join("config.toml");
        fs::write(&path, text).unwrap();
        Opener::declared(&Config::load(&path).unwrap().profiles["batch"])
    }

    /// How often the server was asked for its metadata, of which there are two documents.
    fn discoveries(&self) -> usize {
        self.world.practice.ledger().requests(Endpoint::Discovery).count()
    }

    async fn open(&self, lines: &str) -> Opened {
        let session = self.world.daemon.broker.session(&key("default"));
        let opener = self.opener(lines);
        if let Some(session) = session {
            session.open(opener).await.unwrap()
        } else {
            self.world.daemon.broker.open([(key("default"), opener)].into()).await;
            Opened::Begun
        }
    }

    fn shown(&self) -> Shown {
        self.world.snapshot().shown
    }

    fn requests(&self) -> usize {
        self.world.practice.ledger().token_requests("client_credentials").len()
    }

    /// A login with a secret that a process brings.
    async fn brought(&self) -> NewLogin {
        let mut registration = crate::testing::registration();
        registration.client_id = Client::confidential().id;
        registration.client_auth = crate::profile::ClientAuth::Post.into();
        let secret = Client::confidential().secret.unwrap();
        registration.client_secret = Some(SecretSource::Brought(Brought::new(secret.into())));
        let opener = Opener::found("batch".into(), registration, vec!["api".into()], vec![], true);
        let pace = self.world.daemon.broker.environment().pace.clone();
        let turn = Turn::AtOnce(&pace);
        let Ok(login) =
            opener.run(&*self.world.daemon.exchange, &Cache::default(), &self.world.clock, turn).await
        else {
            panic!("the practice server refused the client")
        };
        login
    }
}

#[tokio::test(start_paused = true)]
async fn a_declared_session_opens_itself_and_renews_itself() {
    let batch = Batch::new().await;
    batch.open("scopes = [\"api\"]").await;
    let token = batch.world.token().await.unwrap();
    assert_eq!(token.token.scope.as_deref(), Some("api"));
    assert_eq!((batch.shown(), batch.requests()), (Shown::SignedIn, 1));
    assert_eq!(batch.world.snapshot().profile.as_deref(), Some("batch"));
    pass(10 * HOUR).await;
    let token = batch.world.token().await.unwrap();
    assert_eq!(batch.world.verdict(&token), Verdict::Live);
    assert!((13..=16).contains(&batch.requests()), "{} requests", batch.requests());
    assert_eq!(batch.world.refreshes(), 0);
    // The record is that of the login; renewals have written none.
    assert_eq!(batch.world.snapshot().generation, 1);
}

#[tokio::test(start_paused = true)]
async fn many_declared_sessions_of_one_server_ask_it_once_where_it_is() {
    let batch = Batch::new().await;
    let opener = batch.opener("");
    let broker = &batch.world.daemon.broker;
    let open = async |sessions: Vec<String>| {
        let declared = sessions.iter().map(|session| (key(session), opener.clone())).collect();
        broker.open(declared).await;
        let shown = |session: &String| broker.session(&key(session)).unwrap().snapshot().shown;
        until("the sessions are open or refused", || {
            sessions.iter().all(|session| shown(session) != Shown::SigningIn)
        })
        .await;
        batch.discoveries()
    };
    assert_eq!(open((0..8).map(|number| format!("batch-{number}")).collect()).await, 2);
    assert_eq!(batch.requests(), 8);
    pass(24 * HOUR - 60).await;
    assert_eq!(open(vec!["on the same day".into()]).await, 2);
    pass(120).await;
    assert_eq!(open(vec!["a day later".into()]).await, 4);
    batch.world.script([Answer::error(400, "unauthorized_client")]);
    assert_eq!(open(vec!["refused".into()]).await, 4);
    // What was found may be what was refused.
    assert_eq!(open(vec!["later".into()]).await, 6);
    assert_eq!(broker.session(&key("later")).unwrap().snapshot().shown, Shown::SignedIn);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_of_a_session_that_is_being_opened_cost_one_request() {
    let batch = Batch::new().await;
    let gate = Gate::new();
    batch.world.script([Answer::genuine().held_by(&gate)]);
    batch.open("").await;
    gate.arrived(1).await;
    assert_eq!(batch.shown(), Shown::SigningIn);
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        let session = batch.world.session();
        callers.spawn(async move { session.token(&usual()).await });
    }
    gate.open();
    let answers = callers.join_all().await;
    let first = answers[0].as_ref().unwrap().token.id;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|served| served.token.id == first)));
    assert_eq!(batch.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_at_the_start_is_told_and_outlived() {
    let batch = Batch::new().await;
    let down = || Answer::status(503).header("retry-after", "120");
    batch.world.script([down()]);
    batch.open("").await;
    until("the first attempt", || batch.requests() == 1).await;
    let Err(NoToken::Unavailable { failure, retry_after }) = batch.world.token().await else {
        panic!("a token out of nowhere")
    };
    assert_eq!(failure.unwrap().error, "temporarily_unavailable");
    assert!(retry_after.is_some_and(|pause| pause > Duration::from_mins(1)), "{retry_after:?}");
    assert_eq!(batch.shown(), Shown::SigningIn);
    until("the session is open", || batch.shown() == Shown::SignedIn).await;
    assert_eq!(batch.requests(), 2);
    assert_eq!(batch.world.problem(), None);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_fails_at_once_and_is_mended_by_reading_it_again() {
    let batch = Batch::new().await;
    batch.write_secret("wrong");
    batch.open("").await;
    let started = batch.world.clock.now();
    let Err(NoToken::LoginRequired(Some(failure))) = batch.world.token().await else { panic!("not refused") };
    assert_eq!(failure.error, "invalid_client");
    assert!(batch.world.clock.now().since(started) < Duration::from_secs(1));
    assert_eq!((batch.requests(), batch.world.snapshot().profile.as_deref()), (1, Some("batch")));
    pass(HOUR).await;
    assert_eq!(batch.requests(), 1, "it is not tried again and again");
    batch.write_secret(&Client::confidential().secret.unwrap());
    assert_eq!(batch.open("").await, Opened::Begun);
    batch.world.token().await.unwrap();
    let told = |outcome, code| row(Action::ClientCredentials, outcome, code);
    let (worked, refused) = (AttemptOutcome::Succeeded, AttemptOutcome::Refused);
    assert_eq!(known(&batch.world), [told(worked, ""), told(refused, "invalid_client")]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_goes_wrong_later_ends_nothing_while_the_token_lives() {
    let batch = Batch::new().await;
    batch.open("").await;
    let token = batch.world.token().await.unwrap();
    batch.write_secret("wrong");
    until("a renewal is refused", || batch.world.problem().as_deref() == Some("invalid_client")).await;
    assert_eq!(batch.world.token().await.unwrap().token.id, token.token.id);
    batch.write_secret(&Client::confidential().secret.unwrap());
    until("it works again", || batch.world.problem().is_none()).await;
    assert_eq!(batch.shown(), Shown::SignedIn);
}

#[tokio::test(start_paused = true)]
async fn neither_secret_nor_token_is_stored_and_a_restart_opens_the_session_again() {
    let batch = Batch::new().await;
    batch.open("scopes = \"api\"").await;
    let token = batch.world.token().await.unwrap();
    let left = batch.world.daemon.left_on_disk();
    let OpenedStore { sessions, .. } = Store::open(left.path()).await.unwrap();
    let [stored] = sessions.as_slice() else { panic!("{} records", sessions.len()) };
    let record = String::from_utf8(stored.record.to_vec()).unwrap();
    assert!(record.contains("client_credentials"), "{record}");
    let secret = Client::confidential().secret.unwrap();
    assert!(!record.contains(token.token.secret.expose()) && !record.contains(&secret), "{record}");

    let Batch { world, folder } = batch;
    let batch = Batch { world: world.killed().await, folder };
    let again = batch.world.token().await.unwrap();
    assert_ne!(again.token.secret.expose(), token.token.secret.expose());
    assert_eq!((again.token.scope.as_deref(), batch.requests()), (Some("api"), 2));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_was_brought_is_needed_again_after_a_restart() {
    let batch = Batch::new().await;
    batch.world.sign_in_with("default", batch.brought().await).await;
    let token = batch.world.token().await.unwrap();
    pass(HOUR).await;
    let renewed = batch.world.token().await.unwrap();
    assert_ne!(token.token.id, renewed.token.id);
    assert_eq!(batch.open("").await, Opened::Taken);

    let Batch { world, folder } = batch;
    let batch = Batch { world: world.restarted().await, folder };
    let Err(NoToken::LoginRequired(Some(failure))) = batch.world.token().await else { panic!("a token") };
    assert_eq!(failure.error, "client_secret_needed");
    assert_eq!(batch.world.snapshot().profile.as_deref(), Some("batch"));
    batch.world.sign_in_with("default", batch.brought().await).await;
    batch.world.token().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_changed_profile_replaces_the_session_once_it_works() {
    let batch = Batch::new().await;
    batch.open("scopes = \"api\"").await;
    let first = batch.world.token().await.unwrap();
    assert_eq!(batch.open("scopes = \"api\"").await, Opened::Already);
    assert_eq!(batch.open("scopes = \"no-such-scope\"").await, Opened::Begun);
    until("the server was asked", || batch.requests() == 2).await;
    pass(1).await;
    assert_eq!(batch.world.token().await.unwrap().token.id, first.token.id);
    assert_eq!(batch.open("scopes = \"read\"").await, Opened::Begun);
    until("the new one works", || {
        batch.world.snapshot().own_token().is_some_and(|token| token.token.scope.as_deref() == Some("read"))
    })
    .await;
    assert_eq!(batch.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_person_who_has_signed_in_is_not_signed_out() {
    let batch = Batch::new().await;
    batch.world.sign_in().await;
    assert_eq!(batch.open("").await, Opened::Taken);
    assert!(batch.world.snapshot().person.is_some());
    assert_eq!(batch.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn revoking_tells_the_server_and_forgets() {
    let batch = Batch::new().await;
    batch.open("").await;
    let token = batch.world.token().await.unwrap();
    let revoked = batch.world.revoke().await;
    assert_eq!(revoked.revocation, fourinsight_ipc::message::Revocation::Revoked);
    assert_eq!(batch.world.verdict(&token), Verdict::Revoked);
    pass(HOUR).await;
    assert_eq!((batch.shown(), batch.requests()), (Shown::SignedOut, 1));
    let left = batch.world.daemon.left_on_disk();
    assert!(Store::open(left.path()).await.unwrap().sessions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn revoking_during_an_attempt_ends_it() {
    let batch = Batch::new().await;
    let gate = Gate::new();
    batch.world.script([Answer::genuine().held_by(&gate)]);
    batch.open("").await;
    gate.arrived(1).await;
    batch.world.revoke().await;
    gate.open();
    pass(HOUR).await;
    assert_eq!((batch.shown(), batch.requests()), (Shown::SignedOut, 1));
}

#[tokio::test(start_paused = true)]
async fn the_configured_way_of_client_authentication_is_the_one_that_works() {
    let ways = [
        ("basic", ClientAuthentication::Basic),
        ("basic_raw", ClientAuthentication::BasicRaw),
        ("post", ClientAuthentication::Post),
        ("secret_only", ClientAuthentication::SecretOnly),
        ("private_key_jwt", ClientAuthentication::PrivateKeyJwt),
        ("client_secret_jwt", ClientAuthentication::ClientSecretJwt),
    ];
    let key = ClientKey::rsa();
    for (word, _) in ways {
        for (accepted, way) in ways {
            let batch = Batch::with(|settings| {
                let client = Client { key: Some(key.public_key()), ..Client::confidential() };
                settings.clients = vec![client.accepting(&[way])];
            })
            .await;
            fs::write(batch.folder.path().join("key.pem"), &key.private_pem).unwrap();
            batch.open(&format!("client_key = {{ file = \"key.pem\" }}\nclient_auth = \"{word}\"")).await;
            let outcome = batch.world.token().await;
            assert_eq!(outcome.is_ok(), word == accepted, "{word} at a server that takes {accepted}");
            if let Ok(token) = outcome {
                batch.world.revoke().await;
                assert_eq!(batch.world.verdict(&token), Verdict::Revoked, "{word}");
            }
            assert!(batch.world.practice.ledger().replayed_assertions().is_empty());
        }
    }
}
