//! The Secret Service of a Linux desktop (freedesktop.org's Secret Service API 0.2): GNOME Keyring, KWallet, KeePassXC.
//!
//! Spoken to directly, because what a broker needs of it is little and special: to look without ever opening a dialog
//! (an unlock prompt each second would be a plague), to be done in a time it chooses itself, and to hold no connection
//! while it rests. The secret travels as it is: the bus is a socket of this user's own, and whoever can listen on it
//! can ask the keyring as well.

use std::time::Duration;

use super::{
    KeyringError, SERVICE, Secret,
    bus::{self, Bus, Failed},
    message::{Method, Reader, Writer},
};

/// What people call it.
pub(crate) const NAME: &str = "Secret Service";

const DESTINATION: &str = "org.freedesktop.secrets";
const ROOT: &str = "/org/freedesktop/secrets";
const SERVICE_INTERFACE: &str = "org.freedesktop.Secret.Service";
const COLLECTION_INTERFACE: &str = "org.freedesktop.Secret.Collection";
const ITEM_INTERFACE: &str = "org.freedesktop.Secret.Item";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// The object path that stands for none.
const NONE: &str = "/";

/// Whether there is a bus at all on which a keyring could be.
pub(crate) fn is_there() -> bool {
    bus::address().is_some()
}

/// The secret of an id; `None` when an unlocked keyring has none. Answers within `limit`.
pub(crate) fn read(id: &str, limit: Duration) -> Result<Option<Secret>, KeyringError> {
    let mut service = Service::connect(limit)?;
    let (unlocked, locked) = service.search(id)?;
    match (unlocked.first(), locked.is_empty()) {
        (Some(item), _) => service.secret(item).map(Some),
        (None, false) => Err(KeyringError::Locked),
        // A locked collection may keep even from a search what is in it.
        (None, true) => service.default_collection().map(|_| None),
    }
}

/// Keeps a secret under an id. Answers within `limit`.
pub(crate) fn write(id: &str, secret: &[u8], limit: Duration) -> Result<(), KeyringError> {
    let mut service = Service::connect(limit)?;
    let collection = service.default_collection()?;
    service.create(&collection, id, secret)
}

struct Service {
    bus: Bus,
}

impl Service {
    fn connect(limit: Duration) -> Result<Self, KeyringError> {
        let address = bus::address()
            .ok_or_else(|| KeyringError::Unavailable("there is no session bus to find it on".to_owned()))?;
        Ok(Self { bus: Bus::connect(&address, limit).map_err(told)? })
    }

    /// The items of an id: unlocked ones and locked ones.
    fn search(&mut self, id: &str) -> Result<(Vec<String>, Vec<String>), KeyringError> {
        let mut body = Writer::default();
        attributes(&mut body, id);
        let mut found = self.call(ROOT, SERVICE_INTERFACE, "SearchItems", "a{ss}", body.written())?;
        found.texts().zip(found.texts()).ok_or_else(odd)
    }

    /// The collection that new secrets go to, if it is unlocked.
    fn default_collection(&mut self) -> Result<String, KeyringError> {
        let mut body = Writer::default();
        body.text("default");
        let mut found = self.call(ROOT, SERVICE_INTERFACE, "ReadAlias", "s", body.written())?;
        let collection = found.text().ok_or_else(odd)?;
        if collection == NONE {
            return Err(KeyringError::Unavailable("it has no default collection".to_owned()));
        }
        let mut body = Writer::default();
        body.text(COLLECTION_INTERFACE).text("Locked");
        let mut locked = self.call(&collection, PROPERTIES, "Get", "ss", body.written())?;
        match locked.signature().as_deref() {
            Some("b") if locked.flag().ok_or_else(odd)? => Err(KeyringError::Locked),
            Some("b") => Ok(collection),
            _ => Err(odd()),
        }
    }

    fn secret(&mut self, item: &str) -> Result<Secret, KeyringError> {
        let session = self.session()?;
        let mut body = Writer::default();
        body.text(&session);
        let mut secret = self.call(item, ITEM_INTERFACE, "GetSecret", "o", body.written())?;
        let mut read = || {
            secret.align(8)?;
            secret.text()?;
            secret.bytes()?;
            secret.bytes()
        };
        read().ok_or_else(odd)
    }

    fn create(&mut self, collection: &str, id: &str, secret: &[u8]) -> Result<(), KeyringError> {
        let session = self.session()?;
        let mut body = Writer::with_capacity(2048);
        body.array_of_eights(|properties| {
            properties.align(8).text("org.freedesktop.Secret.Item.Label").signature("s");
            properties.text("fourinsightd: key of the token store");
            properties.align(8).text("org.freedesktop.Secret.Item.Attributes").signature("a{ss}");
            attributes(properties, id);
        });
        body.align(8).text(&session).bytes(&[]).bytes(secret).text("application/octet-stream");
        body.number(1);
        let mut created =
            self.call(collection, COLLECTION_INTERFACE, "CreateItem", "a{sv}(oayays)b", body.written())?;
        let (item, prompt) = created.text().zip(created.text()).ok_or_else(odd)?;
        // A prompt that nobody opens has no effect: nothing was kept.
        if prompt != NONE || item == NONE { Err(KeyringError::Locked) } else { Ok(()) }
    }

    fn session(&mut self) -> Result<String, KeyringError> {
        let mut body = Writer::default();
        body.text("plain").signature("s").text("");
        let mut opened = self.call(ROOT, SERVICE_INTERFACE, "OpenSession", "sv", body.written())?;
        let mut read = || {
            if opened.signature()? != "s" {
                return None;
            }
            opened.text()?;
            opened.text()
        };
        read().ok_or_else(odd)
    }

    fn call(
        &mut self,
        path: &str,
        interface: &str,
        member: &str,
        signature: &str,
        body: &[u8],
    ) -> Result<Reader, KeyringError> {
        let method = Method { destination: DESTINATION, path, interface, member };
        self.bus.call(method, signature, body).map_err(told)
    }
}

/// By what a key is found again.
fn attributes(body: &mut Writer, id: &str) {
    body.array_of_eights(|entries| {
        for (name, value) in [("service", SERVICE), ("id", id)] {
            entries.align(8).text(name).text(value);
        }
    });
}

fn told(failed: Failed) -> KeyringError {
    KeyringError::Unavailable(match failed {
        Failed::Refused(name) if name == "org.freedesktop.Secret.Error.IsLocked" => {
            return KeyringError::Locked;
        }
        Failed::Refused(name)
            if ["org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner"]
                .contains(&name.as_str()) =>
        {
            "no keyring runs on the session bus".to_owned()
        }
        Failed::Refused(name) => format!("it refuses ({name})"),
        Failed::Silent(error)
            if matches!(error.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock) =>
        {
            "it does not answer".to_owned()
        }
        Failed::Silent(error) => format!("the session bus cannot be reached: {error}"),
        Failed::Odd => return odd(),
    })
}

fn odd() -> KeyringError {
    KeyringError::Unavailable("it answers in a way that the Secret Service API does not know".to_owned())
}
