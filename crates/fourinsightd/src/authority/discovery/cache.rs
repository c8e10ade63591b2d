//! What servers said of themselves, remembered for a day.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::OnceCell;

use super::{
    Discovered,
    documents::{self, Absent, Found},
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

/// The documents of servers. One is shared by all that sign in.
///
/// Whoever wants to know while a server is being asked waits for what it says, be that a failure.
#[derive(Debug, Default)]
pub struct Cache {
    known: Mutex<HashMap<Place, Known>>,
    asking: Mutex<HashMap<Place, Arc<Question>>>,
}

/// An issuer, and the way there.
type Place = (String, Route);

/// A question that has perhaps been answered; when whoever puts it goes away, the next who waits puts it again.
type Question = OnceCell<Result<Found, Absent>>;

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
        let place = (issuer.clone(), profile.route.clone());
        if !ask_again && let Some(found) = self.fresh(&place, now) {
            return prepare(profile, found);
        }
        let question = Arc::clone(self.asking().entry(place.clone()).or_default());
        let asked = question.get_or_init(async || self.ask(exchange, &place, now).await).await.clone();
        prepare(profile, found(asked, profile)?)
    }

    /// Asks a server, and lets nobody else join once it has answered.
    async fn ask(&self, exchange: &dyn HttpExchange, place: &Place, now: Timestamp) -> Result<Found, Absent> {
        let (issuer, route) = place;
        let asked = documents::ask(exchange, issuer, route).await;
        if let Ok(found) = &asked
            && found.settled
        {
            self.remember(place.clone(), found.clone(), now);
        }
        self.asking().remove(place);
        asked
    }

    /// Forgets what the server of a registration said: something that was found there did not work.
    pub fn forget(&self, registration: &Registration) {
        let configured = registration.configured_issuer.as_ref().or(registration.issuer.as_ref());
        if let Some(issuer) = configured {
            self.known().remove(&(issuer.clone(), registration.route.clone()));
        }
    }

    fn fresh(&self, place: &Place, now: Timestamp) -> Option<Found> {
        let known = self.known();
        known.get(place).filter(|known| now.since(known.asked_at) < LIFE).map(|known| known.found.clone())
    }

    fn remember(&self, place: Place, found: Found, asked_at: Timestamp) {
        let mut known = self.known();
        known.retain(|_, known| asked_at.since(known.asked_at) < LIFE);
        if known.len() < MOST || known.contains_key(&place) {
            known.insert(place, Known { found, asked_at });
        }
    }

    fn asking(&self) -> MutexGuard<'_, HashMap<Place, Arc<Question>>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn known(&self) -> MutexGuard<'_, HashMap<Place, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
