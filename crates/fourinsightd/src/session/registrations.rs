//! Client registrations, each in memory once: the sessions of a profile have the same one, and it is the largest part of
//! what a session at rest holds.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

use crate::authority::Registration;

/// The registrations that sessions hold now. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Registrations(Arc<Mutex<Vec<Weak<Registration>>>>);

impl Registrations {
    /// The one copy of this registration.
    pub(crate) fn share(&self, registration: Arc<Registration>) -> Arc<Registration> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = held.iter().filter_map(Weak::upgrade).find(|other| *other == registration) {
            return same;
        }
        held.retain(|other| other.strong_count() > 0);
        held.push(Arc::downgrade(&registration));
        registration
    }
}

/// Writes a shared registration as what it is.
pub(super) fn serialize<S: Serializer>(
    registration: &Registration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    registration.serialize(serializer)
}

/// Reads one that nobody shares yet.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Registration>, D::Error> {
    Registration::deserialize(deserializer).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::fake::registration;

    #[test]
    fn there_is_one_of_each_for_as_long_as_somebody_holds_it() {
        let registrations = Registrations::default();
        let share = |client_id: &str| {
            let client_id = client_id.to_owned();
            registrations.share(Arc::new(Registration { client_id, ..registration() }))
        };
        let (one, same, other) = (share("one"), share("one"), share("other"));
        assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
        drop((one, same));
        let another = share("another");
        assert_eq!(registrations.0.lock().unwrap().len(), 2, "what nobody holds is forgotten");
        assert_eq!((other.client_id.as_str(), another.client_id.as_str()), ("other", "another"));
    }
}
