//! How a practice server behaves: lifetimes, abilities, clients, users.

use std::time::Duration;

use super::{
    clients::Client,
    dialect::{Dialect, ExactRequest},
    rotation::{Reuse, Rotation},
};

/// The behaviour of one practice server, settled when it is made.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each names an ability that a server has or has not")]
pub struct Settings {
    /// Whose habits it has.
    pub dialect: Dialect,
    /// How long an access token lives.
    pub access_token_life: Duration,
    /// How many characters an access token has at least: servers that write many claims or keys into theirs make long
    /// ones.
    pub access_token_length: usize,
    /// How long a refresh token lives unused; `None`: for ever. Announced as `refresh_expires_in` when set.
    pub refresh_token_life: Option<Duration>,
    /// How long an authorization code may wait for its exchange.
    pub code_life: Duration,
    /// The longest that a client assertion may still live when it arrives (RFC 7523 section 3).
    pub assertion_life: Duration,
    /// Whether logins and refreshes with the scope `openid` bring an ID token.
    pub id_tokens: bool,
    /// Whether there is a `userinfo_endpoint`.
    pub userinfo: bool,
    /// Whether there is a `revocation_endpoint` (RFC 7009).
    pub revocation: bool,
    /// Whether there is a device flow (RFC 8628), and how it behaves.
    pub device_flow: Option<DeviceFlow>,
    /// Whether the callback carries `iss` (RFC 9207), and the metadata promises it.
    pub iss_in_callback: bool,
    /// Whether the password grant and the implicit grant are offered (RFC 9700 advises against both).
    pub legacy: bool,
    /// The page that hands out a package for pasting.
    pub package: PackagePage,
    /// What becomes of a redeemed refresh token.
    pub rotation: Rotation,
    /// What it costs to present a spent one that is not taken again.
    pub reuse: Reuse,
    /// Every scope that may be asked for.
    pub scopes: Vec<String>,
    /// The registered clients.
    pub clients: Vec<Client>,
    /// The exact shape of some clients' requests; a client that is named here may send nothing else.
    pub exact: Vec<ExactRequest>,
    /// The people who can sign in.
    pub users: Vec<User>,
    /// What the server's wall clock shows when the server is made, in Unix seconds; `None`: what this machine's
    /// shows. From then on it follows tokio's time, paused or not.
    pub unix_at_start: Option<u64>,
}

/// The page at `/auth` that makes its own authorization request, and shows `{"endpoint": …, "code": …}` at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackagePage {
    /// The client that its codes are for.
    pub client_id: String,
    /// The scope that it asks for.
    pub scope: Vec<String>,
    /// The tenant in the path of the token endpoint that it names; `None`: the endpoint of the metadata.
    pub tenant: Option<String>,
}

/// How the device flow behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceFlow {
    /// How long a user code waits for its person.
    pub code_life: Duration,
    /// The pause that polls must leave at first.
    pub interval: Duration,
    /// Whether the answer says how long the code lives, as RFC 8628 requires.
    pub announces_expiry: bool,
    /// Whether the page's address is called `verification_url` and there is none with the code in it, as at Google.
    pub verification_url: bool,
    /// Whether polls that come too early are told so, and must leave a longer pause from then on.
    pub slows_down: bool,
    /// The status that answers to polls which grant nothing come with.
    pub error_status: u16,
}

impl Default for DeviceFlow {
    /// What RFC 8628 asks for: codes of 15 minutes, polls every 5 seconds, errors with status 400.
    fn default() -> Self {
        Self {
            code_life: Duration::from_mins(15),
            interval: Duration::from_secs(5),
            announces_expiry: true,
            verification_url: false,
            slows_down: true,
            error_status: 400,
        }
    }
}

/// Someone who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name chosen at the login page.
    pub username: String,
    /// The subject identifier in ID tokens and at userinfo.
    pub subject: String,
    /// The name for people.
    pub name: String,
    /// For the password grant; it holds what only correct form encoding carries over.
    pub password: String,
}

impl User {
    /// A user whose subject differs from the username, so that mixing them up shows.
    pub fn new(username: &str, name: &str) -> Self {
        Self {
            username: username.to_owned(),
            subject: format!("subject-of-{username}"),
            name: name.to_owned(),
            password: format!(" the password~of+{username} & 100% "),
        }
    }
}

impl Default for Settings {
    /// Strict rotation, everything on, access tokens of an hour, the clients of [`Client::public`] and
    /// [`Client::confidential`], the users `ada` and `grace`.
    fn default() -> Self {
        Self {
            dialect: Dialect::Standard,
            access_token_life: Duration::from_hours(1),
            access_token_length: 0,
            refresh_token_life: None,
            code_life: Duration::from_mins(1),
            assertion_life: Duration::from_mins(5),
            id_tokens: true,
            userinfo: true,
            revocation: true,
            device_flow: Some(DeviceFlow::default()),
            iss_in_callback: true,
            legacy: true,
            package: PackagePage {
                client_id: Client::public().id,
                scope: ["openid", "offline_access"].map(str::to_owned).to_vec(),
                tenant: None,
            },
            rotation: Rotation::Strict,
            reuse: Reuse::default(),
            scopes: ["openid", "profile", "email", "offline_access", "api", "read", "write"]
                .map(str::to_owned)
                .to_vec(),
            clients: vec![Client::public(), Client::confidential()],
            exact: vec![],
            users: vec![User::new("ada", "Ada Lovelace"), User::new("grace", "Grace Hopper")],
            unix_at_start: None,
        }
    }
}
