//! Sessions that a client's certificate, or a ready-made assertion, opens and renews, against the practice server.

use std::fs;

use testkit::practice::{Client, ClientKey, RegisteredKey, SecretKind, Verdict};

use crate::{
    config::Config,
    login::Opener,
    session::Shown,
    testing::{ISSUER, World, key, pass, until},
};

const HOUR: u64 = 3600;

/// A world whose server knows one client by this key's certificate, and a folder with the client's files.
struct Holder {
    world: World,
    folder: tempfile::TempDir,
}

impl Holder {
    async fn new(client_key: &ClientKey) -> Self {
        Self::with(client_key, client_key.certificate()).await
    }

    async fn with(client_key: &ClientKey, registered: RegisteredKey) -> Self {
        let world = World::with(|settings| settings.clients = vec![Client::with_key(registered)]).await;
        let holder = Self { world, folder: tempfile::tempdir().unwrap() };
        holder.write("key.pem", &client_key.private_pem);
        holder.write("cert.pem", &client_key.certificate_pem);
        holder
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.folder.path().join(name), content).unwrap();
    }

    async fn open(&self, lines: &str) {
        let client_id = client_id();
        let text = format!("[profiles.batch]\nissuer = \"{ISSUER}\"\nclient_id = \"{client_id}\"\n{lines}\n");
        let path = self.folder.path().join("config.toml");
        fs::write(&path, text).unwrap();
        let opener = Opener::declared(&Config::load(&path).unwrap().profiles["batch"]);
        self.world.daemon.broker.open([(key("default"), opener)].into()).await;
    }

    fn assertions(&self) -> Vec<String> {
        let ledger = self.world.practice.ledger();
        ledger.secrets_of(SecretKind::ClientAssertion).map(str::to_owned).collect()
    }
}

const BY_CERTIFICATE: &str =
    "flow = \"certificate\"\nclient_certificate = \"cert.pem\"\nclient_key = { file = \"key.pem\" }";

#[tokio::test(start_paused = true)]
async fn a_certificate_opens_and_renews_with_a_fresh_assertion_each_time() {
    for lines in [
        "",
        "assertion_algorithm = \"RS256\"",
        "assertion_audience = \"token_endpoint\"",
        "assertion_x5c = true",
    ] {
        let holder = Holder::new(&ClientKey::rsa()).await;
        holder.open(&format!("{BY_CERTIFICATE}\n{lines}")).await;
        let token = holder.world.token().await.unwrap();
        assert_eq!(holder.world.verdict(&token), Verdict::Live, "{lines}");
        pass(5 * HOUR).await;
        let token = holder.world.token().await.unwrap();
        assert_eq!(holder.world.verdict(&token), Verdict::Live, "{lines}");
        let ledger = holder.world.practice.ledger();
        assert!(ledger.token_requests("client_credentials").len() > 5);
        assert!(ledger.replayed_assertions().is_empty());
        holder.world.revoke().await;
        assert_eq!(holder.world.verdict(&token), Verdict::Revoked, "{lines}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_another_key_sends_nothing_and_the_right_one_is_taken_up() {
    let (own, other) = (ClientKey::rsa(), ClientKey::other_rsa());
    let holder = Holder::new(&own).await;
    holder.write("cert.pem", &other.certificate_pem);
    holder.open(BY_CERTIFICATE).await;
    until("the problem is told", || holder.world.problem().is_some()).await;
    let (problem, _) = holder.world.snapshot().problem.clone().unwrap();
    assert_eq!(problem.error, "client_certificate_unusable");
    assert!(problem.description.contains("does not belong to the client key"), "{problem:?}");
    assert!(holder.assertions().is_empty());
    holder.write("cert.pem", &own.certificate_pem);
    until("the session is open", || holder.world.snapshot().shown == Shown::SignedIn).await;
}

#[tokio::test(start_paused = true)]
async fn an_assertion_that_is_not_replaced_in_time_is_refused_and_its_successor_taken() {
    let own = ClientKey::rsa();
    let holder = Holder::with(&own, own.public_key()).await;
    let sign = |now: i64| own.assertion(&client_id(), ISSUER, u64::try_from(now).unwrap());
    holder.write("jwt", &sign(holder.world.clock.unix_now()));
    holder.open("flow = \"client_credentials\"\nclient_assertion = { file = \"jwt\" }").await;
    let token = holder.world.token().await.unwrap();
    assert_eq!(holder.world.verdict(&token), Verdict::Live);
    // Its renewal presents what the file still holds.
    pass(HOUR).await;
    assert_eq!(holder.world.problem().as_deref(), Some("invalid_client"));
    assert!(holder.world.token().await.is_err());
    let mut fresh = sign(holder.world.clock.unix_now());
    for _ in 0..60 {
        holder.write("jwt", &fresh);
        pass(60).await;
        if holder.assertions().last() == Some(&fresh) {
            break;
        }
        fresh = sign(holder.world.clock.unix_now());
    }
    let token = holder.world.token().await.unwrap();
    assert_eq!(holder.world.verdict(&token), Verdict::Live);
}

fn client_id() -> String {
    Client::with_key(ClientKey::rsa().public_key()).id
}
