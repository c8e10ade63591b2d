//! Sessions that last until their person logs out of the machine. Each login session has its own of them, with a
//! registry, logins and a history that nobody else sees; when it ends, they are revoked and forgotten.
//!
//! They end the way everything ends when the daemon stops: their tasks are told to stop, and a session that is in
//! memory only is revoked by that.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use fourinsight_ipc::{message::Lifetime, platform::LoginSession};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    broker::{Broker, Declared},
    history::History,
    login::{Logins, SignIn},
    session::Environment,
};

/// Every login session that has sessions of its own.
#[derive(Default)]
pub(crate) struct UntilLogout {
    /// Whether there is any: all that most requests need to know.
    any: AtomicBool,
    living: Mutex<HashMap<LoginSession, Arc<Own>>>,
    watches: Mutex<JoinSet<()>>,
}

/// What one login session has of its own.
pub(crate) struct Own {
    pub(crate) broker: Arc<Broker>,
    pub(crate) logins: Logins,
}

impl UntilLogout {
    /// What a login session has of its own.
    pub(crate) fn of(&self, session: &LoginSession) -> Option<Arc<Own>> {
        self.living().get(session).map(Arc::clone)
    }

    /// Whether no login session has anything of its own.
    pub(crate) fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// What a login session has of its own, from now on until `over` completes, or the daemon stops.
    pub(crate) fn of_or_new(
        self: &Arc<Self>,
        session: LoginSession,
        shared: (&Environment, &Logins),
        over: impl Future<Output = ()> + Send + 'static,
    ) -> Arc<Own> {
        let mut living = self.living();
        if let Some(own) = living.get(&session) {
            return Arc::clone(own);
        }
        let (environment, logins) = shared;
        let (stop, stopping) = watch::channel(false);
        let daemon_stops = environment.stopping.clone();
        let (history, lifetime) = (History::default(), Lifetime::UntilLogout);
        let environment = Environment { lifetime, history, stopping, ..environment.clone() };
        let (broker, _) = Broker::start(environment, Vec::new(), &Declared::new());
        let broker = Arc::new(broker);
        let logins = logins.beside(Arc::clone(&broker) as Arc<dyn SignIn>);
        let own = Arc::new(Own { broker, logins });
        living.insert(session.clone(), Arc::clone(&own));
        self.any.store(true, Ordering::Release);
        drop(living);
        let watch = Arc::clone(self).watch(session, Arc::clone(&own), stop, over, daemon_stops);
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        while watches.try_join_next().is_some() {}
        watches.spawn(watch);
        own
    }

    /// Waits until everything that has ended has been revoked.
    pub(crate) async fn finished(&self) {
        let mut watches = std::mem::take(&mut *self.watches.lock().unwrap_or_else(PoisonError::into_inner));
        while let Some(ended) = watches.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "the watch over a login session failed");
            }
        }
    }

    async fn watch(
        self: Arc<Self>,
        session: LoginSession,
        own: Arc<Own>,
        stop: watch::Sender<bool>,
        over: impl Future<Output = ()>,
        mut daemon_stops: watch::Receiver<bool>,
    ) {
        tokio::select! {
            () = over => tracing::info!("somebody has logged out; what was theirs until then is revoked"),
            // A sender that is gone has stopped, too.
            _ = daemon_stops.wait_for(|stops| *stops) => {}
        }
        {
            let mut living = self.living();
            living.remove(&session);
            self.any.store(!living.is_empty(), Ordering::Release);
        }
        own.logins.cancel_all("The login session that it was for has ended.");
        stop.send_replace(true);
        own.broker.finished().await;
    }

    fn living(&self) -> MutexGuard<'_, HashMap<LoginSession, Arc<Own>>> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
