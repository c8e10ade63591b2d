//! Sessions that are a client's own. Nobody revokes them, so they end when nobody has asked for their token for long,
//! or when there are many others: who asks for one again opens it again.

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use fourinsight_ipc::SessionKey;

use super::Broker;
use crate::{clock::Timestamp, session::Handle};

/// The sessions of clients, each with when it was opened.
#[derive(Default)]
pub(super) struct OfClients(Mutex<HashMap<SessionKey, Timestamp>>);

/// How long nobody asks for the token of one that is forgotten.
const UNUSED: Duration = Duration::from_hours(1);

/// How many there are at most.
const MOST: usize = 256;

impl Broker {
    /// Takes one that has been opened, and revokes those for which it is the occasion to be forgotten. Without a new
    /// one they cost nothing more: nobody renews them.
    pub(super) fn forget_unused_beside(&self, opened: &SessionKey) {
        for session in self.take_unused_beside(opened) {
            tokio::spawn(async move {
                // A daemon that is stopping revokes it as well.
                let _ = session.revoke().await;
            });
        }
    }

    fn take_unused_beside(&self, opened: &SessionKey) -> Vec<Handle> {
        let now = self.environment.clock.now();
        let mut of_clients = self.of_clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        of_clients.insert(opened.clone(), now);
        let used = |key: &SessionKey, opened: Timestamp| {
            sessions.get(key).map_or(opened, |session| session.last_used().max(opened))
        };
        let mut by_use: Vec<_> = of_clients.iter().map(|(key, &at)| (used(key, at), key.clone())).collect();
        by_use.sort_by_key(|(used, _)| Reverse(*used));
        let unused = by_use.into_iter().enumerate();
        let unused = unused.filter(|(place, (used, _))| *place >= MOST || now.since(*used) >= UNUSED);
        unused
            .filter_map(|(_, (_, key))| {
                of_clients.remove(&key);
                sessions.remove(&key)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use fourinsight_ipc::message::Lifetime;

    use super::*;
    use crate::{
        login::{NewLogin, SignIn},
        testing::{SCOPES, World, key, pass},
    };

    /// Opens a session as a client does, and says whether it is open then.
    async fn open(world: &World, name: &str, login: &NewLogin) -> bool {
        let NewLogin { profile, registration, scopes, resources, tokens, obtained_at, .. } = login;
        let login = NewLogin {
            original_key: None,
            profile: profile.clone(),
            registration: registration.clone(),
            scopes: scopes.clone(),
            resources: resources.clone(),
            tokens: tokens.clone(),
            obtained_at: *obtained_at,
            refresh_idle: None,
            keep_alive: false,
            by_client_credentials: true,
            lifetime: Lifetime::Ephemeral,
        };
        world.sign_in_with(name, login).await;
        world.daemon.broker.keep_while_used(&key(name));
        world.daemon.broker.is_open(&key(name))
    }

    /// How many tasks the broker has.
    fn tasks(world: &World) -> usize {
        let mut tasks = world.daemon.broker.tasks.lock().unwrap();
        while tasks.try_join_next().is_some() {}
        tasks.len()
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_nobody_asks_for_is_forgotten_whole_and_one_that_is_used_stays() {
        let world = World::signed_in().await;
        let login = world.login("ada", &SCOPES, &[]).await;
        let named = |name: &str| world.daemon.broker.session(&key(name));
        assert!(open(&world, "client-unused", &login).await);
        assert!(open(&world, "client-used", &login).await);
        for _ in 0..3 {
            pass(UNUSED.as_secs() / 3).await;
            named("client-used").unwrap().at_once(None, None);
        }
        assert_eq!(tasks(&world), 3);
        let opened = world.login("ada", &SCOPES, &[]).await;
        assert!(open(&world, "client-new", &opened).await);
        assert!(named("client-unused").is_none() && named("client-used").is_some());
        pass(60).await;
        assert_eq!(tasks(&world), 3, "its task has ended too");
        assert!(open(&world, "client-unused", &opened).await, "whoever comes back opens it again");
        assert!(named("default").is_some(), "no other session is concerned");
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_never_many() {
        let world = World::new().await;
        let login = world.login("ada", &SCOPES, &[]).await;
        for number in 0..MOST + 20 {
            assert!(open(&world, &format!("client-{number}"), &login).await);
            pass(1).await;
        }
        assert_eq!(world.daemon.broker.sessions().len(), MOST);
        assert!(world.daemon.broker.session(&key("client-19")).is_none());
        assert!(world.daemon.broker.session(&key("client-20")).is_some());
        assert!(tasks(&world) <= MOST, "{}", tasks(&world));
        assert_eq!(world.daemon.broker.of_clients.0.lock().unwrap().len(), MOST);
    }
}
