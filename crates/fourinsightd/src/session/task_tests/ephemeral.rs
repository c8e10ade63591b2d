//! Sessions that are in memory only: nothing of them is on the disk, and a stop ends them.

use std::{fs, path::Path};

use fourinsight_ipc::message::{Lifetime, Revocation};
use testkit::practice::{Answer, Endpoint, Gate, Verdict};

use super::HOUR;
use crate::{
    STOP_TIME,
    login::NewLogin,
    session::{NoToken, Opened, Shown},
    store::Store,
    testing::{SCOPES, World, key, pass, until},
};

impl World {
    async fn ephemeral(&self, user: &str) -> NewLogin {
        NewLogin { lifetime: Lifetime::Ephemeral, ..self.login(user, &SCOPES, &[]).await }
    }

    async fn sign_in_ephemerally(&self) {
        let login = self.ephemeral("ada").await;
        self.sign_in_with("default", login).await;
    }

    /// How many sessions a start would find.
    async fn stored(&self) -> usize {
        let left = self.daemon.left_on_disk();
        Store::open(left.path()).await.unwrap().sessions.len()
    }

    /// Everything in the state folder.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        read(self.daemon.folder.path(), &mut bytes);
        bytes
    }
}

/// Every name and every byte below a folder.
fn read(folder: &Path, bytes: &mut Vec<u8>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        bytes.extend(entry.file_name().as_encoded_bytes());
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), bytes);
        } else {
            bytes.extend(fs::read(entry.path()).unwrap());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_again_and_again_and_leaves_the_state_folder_as_it_was() {
    let world = World::new().await;
    let before = world.bytes();
    let login = world.ephemeral("ada").await;
    world.sign_in_with("c4nary", login).await;
    let session = world.daemon.broker.session(&key("c4nary")).unwrap();
    pass(10 * HOUR).await;
    let token = session.at_once(None, None).unwrap();
    assert_eq!(world.verdict(&token), Verdict::Live);
    assert!(world.refreshes() >= 10);
    assert!(world.practice.ledger().reuse_events().is_empty());
    session.reject(token.token.id, None).await;
    assert_eq!(session.revoke().await.unwrap().revocation, Revocation::Revoked);
    assert!(world.bytes() == before, "the state folder has changed");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_takes_nothing_does_not_matter() {
    let world = World::new().await;
    world.daemon.store.fill_disk(true);
    world.sign_in_ephemerally().await;
    assert!(!world.snapshot().degraded);
    pass(HOUR).await;
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    assert_eq!((world.refreshes(), world.problem()), (1, None));
}

#[tokio::test(start_paused = true)]
async fn it_takes_the_place_of_a_stored_session_once_it_is_signed_in_and_the_other_way_round() {
    let world = World::signed_in().await;
    assert_eq!(world.stored().await, 1);
    let login = world.ephemeral("ada").await;
    assert_eq!(world.stored().await, 1, "a login that has not succeeded changes nothing");
    world.sign_in_with("default", login).await;
    assert_eq!(world.stored().await, 0);
    pass(HOUR).await;
    assert_eq!(world.stored().await, 0);
    world.sign_in().await;
    assert_eq!(world.stored().await, 1);
    let token = world.token().await.unwrap();
    let world = world.killed().await;
    assert_eq!(world.token().await.unwrap().token.id, token.token.id);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_of_the_stored_login_that_ends_later_leaves_nothing_either() {
    let world = World::signed_in().await;
    let gate = Gate::new();
    world.script([Answer::genuine().after_committing().held_by(&gate)]);
    gate.arrived(1).await;
    world.sign_in_ephemerally().await;
    gate.open();
    world.seen(|ledger| ledger.requests(Endpoint::Revocation).count() >= 1).await;
    pass(1).await;
    let left = world.daemon.left_on_disk();
    assert_eq!(fs::read_dir(left.path().join("journal")).unwrap().count(), 0);
    let opened = Store::open(left.path()).await.unwrap();
    assert!(opened.sessions.is_empty() && opened.problems.is_empty(), "{:?}", opened.problems);
}

#[tokio::test(start_paused = true)]
async fn a_stored_record_that_cannot_be_deleted_is_told_and_deleted_when_it_can_be() {
    let world = World::signed_in().await;
    let login = world.ephemeral("ada").await;
    let journal = world.daemon.folder.path().join("journal");
    let aside = world.daemon.folder.path().join("aside");
    fs::rename(&journal, &aside).unwrap();
    fs::write(&journal, "in the way").unwrap();
    world.sign_in_with("default", login).await;
    assert_eq!(world.problem().as_deref(), Some("storage_failed"));
    assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live);
    fs::remove_file(&journal).unwrap();
    fs::rename(&aside, &journal).unwrap();
    until("it heals", || world.problem().is_none()).await;
    assert_eq!(world.stored().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_revokes_it_and_the_next_start_knows_nothing_of_it() {
    let world = World::new().await;
    world.sign_in_ephemerally().await;
    let token = world.token().await.unwrap();
    let world = world.restarted().await;
    assert_eq!(world.verdict(&token), Verdict::Revoked);
    assert!(world.daemon.broker.sessions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_its_renewal_revokes_what_the_renewal_brings() {
    let world = World::new().await;
    world.sign_in_ephemerally().await;
    let gate = Gate::new();
    world.script([Answer::genuine().after_committing().held_by(&gate)]);
    gate.arrived(1).await;
    let practice = world.practice.clone();
    let stopped = tokio::spawn(world.daemon.stop());
    pass(1).await;
    assert!(!stopped.is_finished());
    gate.open();
    stopped.await.unwrap();
    let renewed = practice.ledger().refreshes()[0].access_token.clone();
    assert_eq!(practice.verdict(&renewed), Verdict::Revoked);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_be_told_does_not_keep_a_stop_from_its_end() {
    let world = World::new().await;
    world.sign_in_ephemerally().await;
    world.practice.answer_next(Endpoint::Revocation, [Answer::hang()]);
    let (clock, began) = (world.clock.clone(), world.clock.now());
    world.daemon.stop().await;
    assert!(clock.now().since(began) < STOP_TIME);
}

#[tokio::test(start_paused = true)]
async fn when_it_needs_its_person_again_that_is_not_stored_either() {
    let world = World::new().await;
    let login =
        NewLogin { lifetime: Lifetime::Ephemeral, ..world.login("ada", &["openid", "api"], &[]).await };
    world.sign_in_with("default", login).await;
    pass(HOUR + 1).await;
    assert!(matches!(world.token().await, Err(NoToken::LoginRequired(_))));
    assert_eq!(world.snapshot().shown, Shown::LoginRequired);
    assert_eq!(world.stored().await, 0);
}

#[tokio::test(start_paused = true)]
async fn the_clients_own_credentials_can_be_in_memory_only_and_are_then_not_replaced_by_the_configuration() {
    let world = World::new().await;
    let mut login = world.ephemeral("ada").await;
    login.by_client_credentials = true;
    world.sign_in_with("default", login).await;
    assert_eq!(world.stored().await, 0);
    let opener = world.snapshot().login.as_ref().unwrap().opener();
    assert_eq!(world.session().open(opener).await, Some(Opened::Taken));
    let token = world.token().await.unwrap();
    let world = world.restarted().await;
    assert_eq!(world.verdict(&token), Verdict::Revoked);
}
