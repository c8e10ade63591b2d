//! How long a session is to last.

use clap::Args;

/// Sessions that are in memory only.
#[derive(Args, Debug)]
pub(crate) struct Lasting {
    /// Keep the session in memory only: it ends with the daemon
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// The same until you log out here; nobody outside your login finds it
    #[arg(long)]
    pub(crate) until_logout: bool,
}
