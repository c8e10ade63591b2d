//! What can be typed behind `import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fourinsight_ipc::SessionKey;

use super::session_key;

/// Take over a login that another tool already has
///
/// Reads the tool's token cache and hands what is in it to the daemon, which renews
/// the login once to see that it is alive, and keeps it from then on. Only when
/// that is on the disk, the cache is renamed, so that no two programs share a
/// refresh token that changes with every use. A note beside it says what happened.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = NOTES)]
pub(crate) struct Import {
    /// Whose cache it is
    #[arg(value_name = "FORMAT")]
    pub(crate) format: Format,
    /// The cache; fourinsight-api needs none, its files are found
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// fourinsight-api: the folder of its token files, if not the usual
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// The session that takes the login over
    #[arg(long, value_name = "KEY", value_parser = session_key)]
    pub(crate) session: Option<SessionKey>,
    /// The profile of the login, instead of the one that fits
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// msal: which login, where the cache holds several
    #[arg(long, value_name = "LOGIN")]
    pub(crate) pick: Option<String>,
    /// Only say what would be done: nothing is sent, nothing changed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Leave the cache where it is, though two programs then own one login
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Whose cache it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// fourinsight.api of Python: token and token.KEY
    FourinsightApi,
    /// A token cache of MSAL, or of Cognite's SDK
    Msal,
    /// A token dictionary of requests-oauthlib, as JSON
    Oauthlib,
    /// Cognite's credential mapping: becomes a profile
    Cognite,
}

const NOTES: &str = "\
fourinsight-api finds ~/.fourinsight/api/token, and token.KEY for each
session_key of yours, and takes over each; on macOS in
~/.config/.fourinsight/api. A KEY that cannot name a session here gets a name
much like it. The profile is the one whose allowed_token_endpoints has the
file's token_url; where none has it, the profile 4insight is written first.

msal needs a profile with the login's client_id, at the same server. Where the
cache holds several logins they are listed; name one with --pick. A cache that
other programs share is renamed only once every login of it has been taken over.

oauthlib names no server, so --profile has to.

cognite writes a profile of the name given with --profile, or \"cognite\". Secrets
are not copied into the configuration: of ${NAME} in the mapping the daemon reads
the variable NAME of its environment, and a secret that is in the mapping itself
it reads there, at each use. The file is left as it is.

Stop the other tool first. A login that the server does not renew, or whose
answer got lost, leaves the cache untouched and the session signed out. To go
back after an import, sign in with the other tool again: the refresh token in
the renamed file is spent where the server gives a new one at each use.

It exits 2 when there is something to choose, and 3 when the login is over and
you have to sign in anew. Of several files the exit code is the highest.

Examples:
  fourinsightctl import fourinsight-api
  fourinsightctl import fourinsight-api --dry-run
  fourinsightctl import msal cache.bin --session work --pick ada@example.com
  fourinsightctl import oauthlib token.json --profile work
  fourinsightctl import cognite cognite.yaml --profile cognite";
