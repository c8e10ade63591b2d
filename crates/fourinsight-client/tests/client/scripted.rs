//! A server that answers as a test tells it to, and remembers what it was asked.

use std::{
    io::{BufRead, BufReader, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use fourinsight_client::Endpoint;
use tempfile::TempDir;

/// What a client asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Over which connection, counted from 0.
    pub(crate) connection: usize,
    /// Method and path.
    pub(crate) call: String,
    /// The body.
    pub(crate) body: String,
}

/// What the server does about it.
pub(crate) enum Reply {
    /// A JSON answer with this status.
    Json(u16, String),
    /// These bytes, perhaps none, and then nothing for as long as the client stays.
    Raw(Vec<u8>),
    /// These bytes, then the end of the connection.
    Last(Vec<u8>),
}

/// A server on a socket of its own.
pub(crate) struct Server {
    path: PathBuf,
    shared: Arc<Shared>,
    _folder: Option<TempDir>,
}

#[derive(Default)]
struct Shared {
    asked: Mutex<Vec<Asked>>,
    open: Mutex<Vec<UnixStream>>,
    said_last: Mutex<bool>,
    saying_last: Condvar,
}

impl Server {
    /// Serves each request by `reply`, in a folder of its own.
    pub(crate) fn new(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        Self { _folder: Some(folder), ..Self::at(path, reply) }
    }

    /// Serves each request by `reply` at this path.
    pub(crate) fn at(path: PathBuf, reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let server = Self { path, shared: Arc::default(), _folder: None };
        server.listen(reply);
        server
    }

    /// Listens (again) at the server's endpoint. Nobody is refused once this returns.
    pub(crate) fn listen(&self, reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        let listener = UnixListener::bind(&self.path).unwrap();
        let shared = Arc::clone(&self.shared);
        let reply = Arc::new(reply);
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let stream = stream.unwrap();
                // Tracked before it is read, so that whoever was answered is also cut off.
                shared.open.lock().unwrap().push(stream.try_clone().unwrap());
                let (shared, reply) = (Arc::clone(&shared), Arc::clone(&reply));
                thread::spawn(move || converse(connection, &stream, &shared, &*reply));
            }
        });
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(&self.path).unwrap()
    }

    /// Everything that it was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// The calls that it was asked, without their bodies.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.call).collect()
    }

    /// Over how many connections it was asked something.
    pub(crate) fn connections(&self) -> usize {
        self.asked().iter().map(|asked| asked.connection).max().map_or(0, |last| last + 1)
    }

    /// Ends every connection, as a daemon does that stops.
    pub(crate) fn hang_up(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            // A client that went away before has nothing to hear.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Removes the socket, so that nobody finds the server any more.
    pub(crate) fn vanish(&self) {
        std::fs::remove_file(&self.path).unwrap();
    }

    /// Serves until it has said a [`Reply::Last`], but not for ever.
    pub(crate) fn serve_to_the_last(&self) {
        let said = self.shared.said_last.lock().unwrap();
        let limit = Duration::from_mins(1);
        let (said, _) = self.shared.saying_last.wait_timeout_while(said, limit, |said| !*said).unwrap();
        assert!(*said, "nobody asked for the last answer");
    }
}

/// A token answer.
pub(crate) fn token(secret: &str) -> Reply {
    Reply::Json(
        200,
        format!(
            r#"{{"access_token":"{secret}","token_type":"Bearer","expires_in":59,"scope":"a b","expires_at":1700000059,"token_id":"id-of-{secret}","session":"default"}}"#
        ),
    )
}

/// The bytes of a JSON answer.
pub(crate) fn json(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Answers requests until the client leaves. A client that leaves early is part of some tests.
fn converse(connection: usize, stream: &UnixStream, shared: &Shared, reply: &dyn Fn(&Asked) -> Reply) {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(asked) = read_request(connection, &mut reader) {
        shared.asked.lock().unwrap().push(asked.clone());
        let written = match reply(&asked) {
            Reply::Json(status, body) => writer.write_all(&json(status, &body)),
            Reply::Raw(bytes) => writer.write_all(&bytes),
            Reply::Last(bytes) => {
                let _ = writer.write_all(&bytes);
                let _ = stream.shutdown(Shutdown::Both);
                *shared.said_last.lock().unwrap() = true;
                shared.saying_last.notify_all();
                return;
            }
        };
        if written.is_err() {
            return;
        }
    }
}

fn read_request(connection: usize, reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let call = line.strip_suffix(" HTTP/1.1\r\n").expect("a request line").to_owned();
    let mut length = 0;
    loop {
        let mut field = String::new();
        reader.read_line(&mut field).ok()?;
        if field == "\r\n" {
            break;
        }
        if let Some(value) = field.strip_prefix("content-length: ") {
            length = value.trim_end().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { connection, call, body: String::from_utf8(body).expect("UTF-8") })
}
