//! The Secret Service of a Linux desktop (freedesktop.org's Secret Service API 0.2): GNOME Keyring, KWallet, KeePassXC.
//!
//! zbus speaks to the bus. What is asked over it is written down here, call by call, because no call may ever open a
//! dialog: an unlock prompt each second would be a plague. A service that wants a prompt for something only names it;
//! nobody here opens it, and what it stands for does not happen.
//!
//! Each conversation has a runtime of its own on the thread that asks. When it is over, or its time is, that leaves no
//! connection, no task and no descriptor. The secret travels as it is: the bus is a socket of this user's own, and
//! whoever can listen on it can ask the keyring as well.

use std::{
    collections::HashMap,
    env,
    ffi::OsString,
    fmt::Display,
    os::unix::{ffi::OsStringExt, fs::FileTypeExt},
    path::Path,
    time::Duration,
};

use percent_encoding::percent_decode_str;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{runtime, time::timeout};
use zbus::{
    Address, Connection, DBusError, DynamicType, Error, ObjectPath, OwnedObjectPath, OwnedVariant, Type,
    Variant,
    address::transport::{Transport, Unix, UnixSocket},
    connection::Builder,
    fdo,
};

use super::{KeyringError, SERVICE, Secret};

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
    address().is_some()
}

/// The secret of an id; `None` when an unlocked keyring has none. Answers within `limit`.
pub(crate) fn read(id: &str, limit: Duration) -> Result<Option<Secret>, KeyringError> {
    converse(limit, async |service| {
        let (unlocked, locked) = service.search(id).await?;
        match (unlocked.first(), locked.is_empty()) {
            (Some(item), _) => service.secret(item).await.map(Some),
            (None, false) => Err(KeyringError::Locked),
            // A locked collection may keep even from a search what is in it.
            (None, true) => service.default_collection().await.map(|_| None),
        }
    })
}

/// Keeps a secret under an id. Answers within `limit`.
pub(crate) fn write(id: &str, secret: &[u8], limit: Duration) -> Result<(), KeyringError> {
    converse(limit, async |service| {
        let collection = service.default_collection().await?;
        service.create(&collection, id, secret).await
    })
}

/// Sees to it that an unlocked keyring has no secret of an id. Answers within `limit`.
pub(crate) fn remove(id: &str, limit: Duration) -> Result<(), KeyringError> {
    converse(limit, async |service| {
        let (unlocked, locked) = service.search(id).await?;
        for item in &unlocked {
            service.delete(item).await?;
        }
        match (unlocked.is_empty(), locked.is_empty()) {
            (_, false) => Err(KeyringError::Locked),
            (false, true) => Ok(()),
            // A locked collection may keep even from a search what is in it.
            (true, true) => service.default_collection().await.map(drop),
        }
    })
}

/// One conversation with the service of this user's session bus.
fn converse<T>(
    limit: Duration,
    talk: impl AsyncFnOnce(Service) -> Result<T, KeyringError>,
) -> Result<T, KeyringError> {
    let address = address().ok_or_else(|| unavailable("there is no session bus to find it on"))?;
    converse_at(address, limit, talk)
}

/// One conversation on a bus, on a runtime of its own.
fn converse_at<T>(
    address: Address,
    limit: Duration,
    talk: impl AsyncFnOnce(Service) -> Result<T, KeyringError>,
) -> Result<T, KeyringError> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| unavailable(format_args!("nothing to ask it with: {error}")))?;
    let conversation = async {
        let bus = Builder::address(address).build().await.map_err(told)?;
        talk(Service { bus }).await
    };
    runtime.block_on(async { timeout(limit, conversation).await }).unwrap_or(Err(KeyringError::Silent))
}

struct Service {
    bus: Connection,
}

impl Service {
    /// The items of an id: unlocked ones and locked ones.
    async fn search(&self, id: &str) -> Result<(Vec<OwnedObjectPath>, Vec<OwnedObjectPath>), KeyringError> {
        self.call(ROOT, SERVICE_INTERFACE, "SearchItems", &attributes(id)).await
    }

    /// The collection that new secrets go to, if it is unlocked.
    async fn default_collection(&self) -> Result<OwnedObjectPath, KeyringError> {
        let collection: OwnedObjectPath = self.call(ROOT, SERVICE_INTERFACE, "ReadAlias", &"default").await?;
        if collection.as_str() == NONE {
            return Err(unavailable("it has no default collection"));
        }
        let locked: OwnedVariant =
            self.call(collection.as_str(), PROPERTIES, "Get", &(COLLECTION_INTERFACE, "Locked")).await?;
        match bool::try_from(locked) {
            Ok(true) => Err(KeyringError::Locked),
            Ok(false) => Ok(collection),
            Err(_) => Err(odd()),
        }
    }

    async fn secret(&self, item: &OwnedObjectPath) -> Result<Secret, KeyringError> {
        let session = self.session().await?;
        let (_session, _parameters, secret, _content_type): (OwnedObjectPath, Vec<u8>, Vec<u8>, String) =
            self.call(item.as_str(), ITEM_INTERFACE, "GetSecret", &session).await?;
        Ok(Secret::new(secret))
    }

    async fn create(
        &self,
        collection: &OwnedObjectPath,
        id: &str,
        secret: &[u8],
    ) -> Result<(), KeyringError> {
        let session = self.session().await?;
        let properties = HashMap::from([
            ("org.freedesktop.Secret.Item.Label", Variant::from("fourinsightd: key of the token store")),
            ("org.freedesktop.Secret.Item.Attributes", Variant::from(attributes(id))),
        ]);
        let (parameters, replace): (&[u8], _) = (&[], true);
        let secret = (session, parameters, secret, "application/octet-stream");
        let (item, prompt): (OwnedObjectPath, OwnedObjectPath) = self
            .call(collection.as_str(), COLLECTION_INTERFACE, "CreateItem", &(properties, secret, replace))
            .await?;
        // A prompt that nobody opens has no effect: nothing was kept.
        if prompt.as_str() != NONE || item.as_str() == NONE { Err(KeyringError::Locked) } else { Ok(()) }
    }

    async fn delete(&self, item: &OwnedObjectPath) -> Result<(), KeyringError> {
        let prompt: OwnedObjectPath = self.call(item.as_str(), ITEM_INTERFACE, "Delete", &()).await?;
        // Nor has this one.
        if prompt.as_str() == NONE {
            Ok(())
        } else {
            Err(unavailable("it removes nothing without a question"))
        }
    }

    async fn session(&self) -> Result<OwnedObjectPath, KeyringError> {
        let opened: (OwnedVariant, OwnedObjectPath) =
            self.call(ROOT, SERVICE_INTERFACE, "OpenSession", &("plain", Variant::from(""))).await?;
        Ok(opened.1)
    }

    async fn call<T: DeserializeOwned + Type>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> Result<T, KeyringError> {
        let path = ObjectPath::try_from(path).map_err(|_| odd())?;
        let called = self.bus.call_method(Some(DESTINATION), path, Some(interface), method, body);
        called.await.map_err(told)?.body().deserialize().map_err(|_| odd())
    }
}

/// By what a key is found again.
fn attributes(id: &str) -> HashMap<&str, &str> {
    HashMap::from([("service", SERVICE), ("id", id)])
}

/// Where this user's session bus listens, if there is one.
fn address() -> Option<Address> {
    if let Some(listed) = env::var("DBUS_SESSION_BUS_ADDRESS").ok().filter(|listed| !listed.is_empty()) {
        return listed.split(';').find_map(socket).map(of_socket);
    }
    let folder = env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty())?;
    let path = Path::new(&folder).join("bus");
    let is_socket = path.metadata().is_ok_and(|found| found.file_type().is_socket());
    is_socket.then(|| of_socket(UnixSocket::File(path)))
}

/// The socket of one address of a list (D-Bus specification, "Server Addresses"), of which zbus reads no list and
/// takes nothing that is escaped.
fn socket(address: &str) -> Option<UnixSocket> {
    let pairs = address.strip_prefix("unix:")?.split(',');
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(name, value)| {
        let value = OsString::from_vec(percent_decode_str(value).collect());
        match name {
            "path" => Some(UnixSocket::File(value.into())),
            #[cfg(target_os = "linux")]
            "abstract" => Some(UnixSocket::Abstract(value)),
            _ => None,
        }
    })
}

fn of_socket(socket: UnixSocket) -> Address {
    Transport::Unix(Unix::new(socket)).into()
}

fn told(error: Error) -> KeyringError {
    let refuses = |name: &dyn Display| unavailable(format_args!("it refuses ({name})"));
    match error {
        Error::MethodError(name, ..) if name.as_str() == "org.freedesktop.Secret.Error.IsLocked" => {
            KeyringError::Locked
        }
        Error::MethodError(name, ..) => refuses(&name),
        Error::FDO(error) => match *error {
            fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_) => {
                unavailable("no keyring runs on the session bus")
            }
            error => refuses(&error.name()),
        },
        Error::Connection(error, _) | Error::InputOutput(error) => {
            unavailable(format_args!("the session bus cannot be reached: {error}"))
        }
        Error::Handshake(_) => unavailable("the session bus does not let this user in"),
        _ => odd(),
    }
}

fn odd() -> KeyringError {
    unavailable("it answers in a way that the Secret Service API does not know")
}

fn unavailable(why: impl Display) -> KeyringError {
    KeyringError::Unavailable(why.to_string())
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        os::unix::net::UnixListener,
        pin::pin,
        sync::{Arc, Mutex},
    };

    use futures_core::Stream;
    use tokio::net::UnixStream;
    use zbus::{Guid, MessageStream};

    use super::*;
    use crate::sys::boot_time;

    #[test]
    fn addresses_are_read_as_the_specification_writes_them() {
        let path = |path: &str| Some(UnixSocket::File(path.into()));
        assert_eq!(socket("unix:path=/run/user/1000/bus"), path("/run/user/1000/bus"));
        assert_eq!(socket("unix:path=/a%20b,guid=00ff"), path("/a b"));
        assert_eq!(socket("unix:guid=0,abstract=/tmp/x"), Some(UnixSocket::Abstract("/tmp/x".into())));
        assert_eq!(socket("tcp:host=localhost,port=1"), None);
        assert_eq!(socket("unix:tmpdir=/tmp"), None);
    }

    #[test]
    fn a_bus_that_says_nothing_costs_the_limit_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bus");
        // It accepts by its backlog, and nobody ever answers.
        let _listener = UnixListener::bind(&path).unwrap();
        let before = boot_time();
        let limit = Duration::from_millis(100);
        let silent = converse_at(of_socket(UnixSocket::File(path)), limit, async |_| Ok(()));
        assert_eq!(silent, Err(KeyringError::Silent));
        let took = boot_time().saturating_sub(before);
        assert!(took >= limit && took < Duration::from_secs(5), "{took:?}");
    }

    #[test]
    fn no_bus_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = of_socket(UnixSocket::File(folder.path().join("bus")));
        let error = converse_at(nowhere, Duration::from_mins(1), async |_| Ok(())).unwrap_err();
        let KeyringError::Unavailable(why) = error else { panic!("{error:?}") };
        assert!(why.starts_with("the session bus cannot be reached: "), "{why}");
    }

    #[tokio::test]
    async fn a_prompt_that_the_service_names_is_not_opened() {
        let (service, called) = served(Manner::Asking).await;
        let collection = service.default_collection().await.unwrap();
        assert_eq!(service.create(&collection, "id", b"secret").await, Err(KeyringError::Locked));
        let (items, _) = service.search("id").await.unwrap();
        let KeyringError::Unavailable(why) = service.delete(&items[0]).await.unwrap_err() else { panic!() };
        assert_eq!(why, "it removes nothing without a question");
        assert_eq!(
            *called.lock().unwrap(),
            ["ReadAlias", "Get", "OpenSession", "CreateItem", "SearchItems", "Delete"]
        );
    }

    #[tokio::test]
    async fn what_is_kept_is_read_and_removed() {
        let (service, _) = served(Manner::Willing).await;
        let collection = service.default_collection().await.unwrap();
        service.create(&collection, "id", b"secret").await.unwrap();
        let (items, locked) = service.search("id").await.unwrap();
        assert_eq!((items.len(), locked.len()), (1, 0));
        assert_eq!(**service.secret(&items[0]).await.unwrap(), *b"secret");
        service.delete(&items[0]).await.unwrap();
    }

    #[tokio::test]
    async fn refusals_and_odd_answers_are_told_apart() {
        let (service, _) = served(Manner::Locked).await;
        assert_eq!(service.search("id").await, Err(KeyringError::Locked));
        let (service, _) = served(Manner::Odd).await;
        assert_eq!(service.search("id").await, Err(odd()));
        assert_eq!(service.default_collection().await, Err(odd()));
    }

    #[derive(Clone, Copy, PartialEq)]
    enum Manner {
        Willing,
        /// It wants a prompt opened before it creates or deletes anything.
        Asking,
        Locked,
        Odd,
    }

    /// A service of one item, and what it was called for.
    async fn served(manner: Manner) -> (Service, Arc<Mutex<Vec<String>>>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let theirs = Builder::unix_stream(theirs.into_std().unwrap()).server(Guid::generate()).p2p();
        let ours = Builder::unix_stream(ours.into_std().unwrap()).p2p();
        let (bus, service) = tokio::try_join!(ours.build(), theirs.build()).unwrap();
        let called = Arc::default();
        tokio::spawn(serve(service, manner, Arc::clone(&called)));
        (Service { bus }, called)
    }

    async fn serve(service: Connection, manner: Manner, called: Arc<Mutex<Vec<String>>>) {
        let path = |path: &str| OwnedObjectPath::try_from(path).unwrap();
        let (item, none) = (path("/item"), path(NONE));
        let prompt = if manner == Manner::Asking { path("/prompt") } else { none.clone() };
        let mut calls = pin!(MessageStream::from(&service));
        while let Some(Ok(call)) = poll_fn(|context| calls.as_mut().poll_next(context)).await {
            let header = call.header();
            let method = header.member().unwrap().to_string();
            called.lock().unwrap().push(method.clone());
            let answered = match (manner, method.as_str()) {
                (Manner::Locked, _) => {
                    service.reply_error(&header, "org.freedesktop.Secret.Error.IsLocked", &"").await
                }
                (Manner::Odd, _) => service.reply(&header, &7_u32).await,
                (_, "SearchItems") => service.reply(&header, &(vec![&item], vec![&none; 0])).await,
                (_, "ReadAlias") => service.reply(&header, &path("/collection")).await,
                (_, "Get") => service.reply(&header, &Variant::from(false)).await,
                (_, "OpenSession") => service.reply(&header, &(Variant::from(""), path("/session"))).await,
                (_, "GetSecret") => {
                    let (parameters, secret): (&[u8], &[u8]) = (&[], b"secret");
                    service.reply(&header, &((path("/session"), parameters, secret, "text/plain"),)).await
                }
                (Manner::Asking, "CreateItem") => service.reply(&header, &(&none, &prompt)).await,
                (_, "CreateItem") => service.reply(&header, &(&item, &prompt)).await,
                (_, "Delete") => service.reply(&header, &prompt).await,
                (_, other) => panic!("nobody should call {other}"),
            };
            answered.unwrap();
        }
    }
}
