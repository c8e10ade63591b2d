//! What can be typed behind `why`.

use clap::Args;
use fourinsight_ipc::SessionKey;

use super::session_key;

/// Say why a login or a renewal failed, and what to do about it
///
/// Shows what was last tried for a session, newest first: each login, refresh and
/// revocation, what came of it, what the server said, its error numbers (such as
/// AADSTS7000218) and the identifiers by which its administrator finds the request,
/// what is behind it, and the next step. It never shows a token, and never starts
/// the daemon.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = NOTES)]
pub(crate) struct Why {
    /// The session to tell about
    #[arg(value_name = "KEY", default_value = "default", value_parser = session_key)]
    pub(crate) key: SessionKey,
}

const NOTES: &str = "\
The daemon remembers the last 20 attempts of a session until it stops; after a
restart it still tells why a session needs a login. It exits 0 whatever it
shows, and 1 when nothing is known of such a session.

Examples:
  fourinsightctl why
  fourinsightctl why work
  fourinsightctl why work --json";
