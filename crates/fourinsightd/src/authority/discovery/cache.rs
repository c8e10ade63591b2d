//! What servers said of themselves, remembered for a day.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Discovered,
    documents::{self, Found},
    found, prepare,
};
use crate::{
    authority::{Failure, Registration},
    clock::Timestamp,
    http::{HttpExchange, Route},
    profile::Profile,
};

/// How long a server's word is taken for what it still says.
const LIFE: Duration = Duration::from_hours(24);

/// Nobody has more servers than this; beyond it they are asked each time.
pub(super) const MOST: usize = 64;

/// The documents of servers, by issuer and by the way there. Whoever begins logins owns one.
///
/// Two logins that begin at the same time may both ask; what either is told is as good.
#[derive(Debug, Default)]
pub struct Cache {
    known: Mutex<HashMap<(String, Route), Known>>,
}

#[derive(Debug)]
pub(super) struct Known {
    found: Found,
    asked_at: Timestamp,
}

impl Cache {
    /// [`discover`](super::discover), without asking a server that has been asked within the last day, unless
    /// `ask_again` says so.
    pub async fn discover(
        &self,
        exchange: &dyn HttpExchange,
        profile: &Profile,
        ask_again: bool,
        now: Timestamp,
    ) -> Result<Discovered, Failure> {
        let Some(issuer) = &profile.issuer else { return super::discover(exchange, profile).await };
        let key = (issuer.clone(), profile.route.clone());
        if !ask_again && let Some(found) = self.fresh(&key, now) {
            return prepare(profile, found);
        }
        let asked = documents::ask(exchange, issuer, &profile.route).await;
        match &asked {
            Ok(found) if found.settled => self.remember(key, found.clone(), now),
            _ => {}
        }
        prepare(profile, found(asked, profile)?)
    }

    /// Forgets what the server of a registration said: something that was found there did not work.
    pub fn forget(&self, registration: &Registration) {
        let configured = registration.configured_issuer.as_ref().or(registration.issuer.as_ref());
        if let Some(issuer) = configured {
            self.known().remove(&(issuer.clone(), registration.route.clone()));
        }
    }

    fn fresh(&self, key: &(String, Route), now: Timestamp) -> Option<Found> {
        let known = self.known();
        known.get(key).filter(|known| now.since(known.asked_at) < LIFE).map(|known| known.found.clone())
    }

    fn remember(&self, key: (String, Route), found: Found, asked_at: Timestamp) {
        let mut known = self.known();
        known.retain(|_, known| asked_at.since(known.asked_at) < LIFE);
        if known.len() < MOST || known.contains_key(&key) {
            known.insert(key, Known { found, asked_at });
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, HashMap<(String, Route), Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
