//! What each command does: a file each.

mod completions;
mod import;
mod login;
mod man;
mod profile;
mod revoke;
mod rotation;
mod status;
mod stop;
mod store;
mod token;
mod why;

use fourinsight_client::{Client, Error};
use fourinsight_ipc::{Locations, SessionKey, message::SessionStatus};

use crate::{
    cli::{Cli, Command, Global},
    failure::{Exit, Failure},
};

/// Does what was typed.
pub(crate) fn run(cli: Cli) -> Result<Exit, Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Token(options) => token::run(&Context::new(global)?, &options),
        Command::Login(options) => login::run(&Context::new(global)?, &options),
        Command::Import(options) => import::run(&Context::new(global)?, &options),
        Command::Status(options) => status::run(&Context::new(global)?, &options),
        Command::Why(options) => why::run(&Context::new(global)?, &options),
        Command::Revoke(options) => revoke::run(&Context::new(global)?, options),
        Command::Profile(options) => profile::run(&Context::new(global)?, options),
        Command::Store(options) => store::run(&Context::new(global)?, options),
        Command::Stop(_) => stop::run(&Context::new(global)?),
        Command::Completions(options) => completions::run(&options),
        Command::Man(options) => man::run(&options),
    }
}

/// What the commands that speak to the daemon share.
struct Context {
    client: Client,
    json: bool,
}

impl Context {
    fn new(global: &Global) -> Result<Self, Failure> {
        let locations = Locations::resolve(global.locations())?;
        let client = Client::with_locations(locations).autostart(!global.no_autostart);
        Ok(Self { client, json: global.json })
    }

    /// The session's status, or `None` when there is no such session.
    fn status(&self, key: &SessionKey) -> Result<Option<SessionStatus>, Error> {
        match self.client.status(key) {
            Ok(status) => Ok(Some(status)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
