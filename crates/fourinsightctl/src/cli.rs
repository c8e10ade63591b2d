//! What can be typed. The help texts here are also the man pages and the completions.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use fourinsight_ipc::{
    LocationOptions, MAX_WAIT_SECONDS, SessionKey,
    duration::{self, InvalidDuration},
};

mod import;
mod lasting;
mod login;
mod profile;
mod store;
mod why;

pub(crate) use import::{Format, Import};
pub(crate) use lasting::Lasting;
pub(crate) use login::Login;
pub(crate) use profile::{Profile, ProfileAction, ProfileInit, ProfileShow};
pub(crate) use store::{Home, Passphrase, Store, StoreAction, StoreBackup, StoreRekey, StoreRestore};
pub(crate) use why::Why;

/// Sign in once; every process gets a fresh bearer token
///
/// fourinsightctl speaks to fourinsightd, the local token broker. You sign in once
/// per session; afterwards every process of yours on this machine asks the daemon
/// for an access token that is always fresh, and none of them ever sees a refresh
/// token or a client secret.
///
/// KEY names a session: 1 to 128 letters, digits, spaces and . _ - @ + =, starting
/// with a letter or a digit. It is "default" when left out. Durations are written
/// as 90, 90s, 5m, 8h or 7d.
#[derive(Debug, Parser)]
#[command(
    name = "fourinsightctl",
    version,
    verbatim_doc_comment,
    after_long_help = MAIN_NOTES,
    disable_help_subcommand = true,
    term_width = 80
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) global: Global,
}

/// What holds for every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Do not start the daemon when it is not running
    #[arg(long, global = true)]
    pub(crate) no_autostart: bool,
    /// Use the daemon at this socket [env: FOURINSIGHT_SOCKET]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The configuration file for a new daemon [env: FOURINSIGHT_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The daemon's state folder [env: FOURINSIGHT_STATE_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

impl Global {
    /// Where the flags say that things are.
    pub(crate) fn locations(&self) -> LocationOptions {
        LocationOptions {
            config: self.config.clone(),
            state_dir: self.state_dir.clone(),
            socket: self.socket.clone(),
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Login(Login),
    Import(Import),
    Token(Token),
    Status(Status),
    Why(Why),
    Revoke(Revoke),
    Profile(Profile),
    Store(Store),
    Stop(Stop),
    Completions(Completions),
    Man(Man),
}

/// Print a fresh access token
///
/// Prints the access token alone on a line of standard output, renewed first when
/// it is about to expire.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = TOKEN_NOTES)]
pub(crate) struct Token {
    /// The session whose token to print
    #[arg(value_name = "KEY", default_value = "default", value_parser = session_key)]
    pub(crate) key: SessionKey,
    /// Wait for a renewal when the token lives less than this
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) min_validity: Option<Duration>,
    /// Wait at most this long for a renewal: 30s when left out, 5m at most
    #[arg(long, value_name = "DURATION", value_parser = wait)]
    pub(crate) wait: Option<Duration>,
    /// Ask for a token of this scope, of those that the login was granted; may be
    /// repeated, or hold several
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// Ask for a token for this resource (RFC 8707), of those that the login named;
    /// may be repeated
    ///
    /// Left out, the token is the session's own: for the first of them, or for
    /// whatever the server grants where it takes none.
    #[arg(long = "resource", value_name = "URI")]
    pub(crate) resources: Vec<String>,
    /// Fetch a token anew that meets these demands of an API: a JSON object
    ///
    /// What an API demands is in the claims of its WWW-Authenticate (OpenID
    /// Connect Core section 5.5). They are no secret.
    #[arg(long, value_name = "JSON")]
    pub(crate) claims: Option<String>,
    /// Say that whoever uses the token can answer a claims challenge
    #[arg(long)]
    pub(crate) enable_cae: bool,
    /// Print a whole header line: "Authorization: Bearer ..."
    #[arg(long, conflicts_with = "json")]
    pub(crate) header: bool,
}

/// Show who is signed in, and how the daemon is
///
/// Shows each session: who signed in, where it stands, when its access token
/// expires and when it is renewed, and what is wrong; then the daemon's version and
/// files. It never shows a token, and never starts the daemon.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = STATUS_NOTES)]
pub(crate) struct Status {
    /// The one session to show; all of them when left out
    #[arg(value_name = "KEY", value_parser = session_key)]
    pub(crate) key: Option<SessionKey>,
}

/// Sign out: have the server revoke the login, and forget it
///
/// Asks the authorization server to revoke the session's refresh token and access
/// tokens, and forgets the session here whatever the server answers. Says which of
/// these happened, and how long access tokens that were already handed out may live
/// on.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = REVOKE_NOTES)]
pub(crate) struct Revoke {
    /// The session to sign out: "default" when left out
    #[arg(value_name = "KEY", value_parser = session_key)]
    pub(crate) key: Option<SessionKey>,
    /// Sign out every session
    #[arg(long, conflicts_with = "key")]
    pub(crate) all: bool,
}

/// Stop the daemon; sessions stay signed in
///
/// Asks the running daemon to stop, and waits until it has. Sessions are kept: the
/// next start serves them again without a new login.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = STOP_NOTES)]
pub(crate) struct Stop {}

/// Print a completion script for a shell
///
/// Prints a script that teaches your shell to complete the commands and options of
/// fourinsightctl.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = COMPLETIONS_NOTES)]
pub(crate) struct Completions {
    /// The shell to print it for
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// Print the manual pages
///
/// Prints the manual pages of fourinsightctl and of each of its commands as roff,
/// or writes a file for each.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = MAN_NOTES)]
pub(crate) struct Man {
    /// Write one file a page into this existing folder, instead of printing
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Joins what several `--scope` gave, each of which may hold several: one space between each, as RFC 6749 has it.
pub(crate) fn join_scopes(scopes: &[String]) -> Option<String> {
    let words: Vec<&str> = scopes.iter().flat_map(|given| given.split_whitespace()).collect();
    if words.is_empty() { None } else { Some(words.join(" ")) }
}

/// Of a wrong key nothing is repeated: it may be an address or a token that was pasted in the wrong place.
fn session_key(text: &str) -> Result<SessionKey, String> {
    SessionKey::new(text).map_err(|error| {
        format!("{error}; one of fourinsight.api has another KEY here, which `fourinsightctl status` shows beside it")
    })
}

fn wait(text: &str) -> Result<Duration, String> {
    let wait = duration::parse(text).map_err(|error: InvalidDuration| error.to_string())?;
    if wait > Duration::from_secs(MAX_WAIT_SECONDS) {
        return Err("longer than the daemon waits: give at most 5m".to_owned());
    }
    Ok(wait)
}

const MAIN_NOTES: &str = "\
Examples:
  fourinsightctl login
  curl -H \"$(fourinsightctl token --header)\" https://api.example.com/
  fourinsightctl status

Exit codes:
    0  done
    1  failed: the login timed out, there is no such session, or something broke
    2  usage: the command line or the profile is wrong, or a session is signed
       in otherwise than asked
    3  a person must sign in: run `fourinsightctl login`
    4  the daemon is not running, or the server at its socket is not trusted
    5  denied by you or by the authorization server
    6  forgotten here, but the server has no way to revoke
    7  forgotten here, but the server refused to revoke or could not be reached
    8  temporarily unavailable: try again
   75  another daemon serves the same state
   78  the configuration is wrong, so the daemon does not start
  130  interrupted

Files: the daemon reads ~/.config/fourinsight/config.toml on Linux;
`fourinsightctl status` shows what is in force.";

const TOKEN_NOTES: &str = "\
Examples:
  fourinsightctl token
  curl -H \"$(fourinsightctl token work --header)\" https://api.example.com/
  fourinsightctl token --min-validity 10m
  fourinsightctl token --scope api.read --resource https://api.example.com";

const STATUS_NOTES: &str = "\
It exits 0 whatever it shows, except that naming a KEY exits 3 when that session
needs a login.

Examples:
  fourinsightctl status
  fourinsightctl status work
  fourinsightctl status --json";

const REVOKE_NOTES: &str = "\
It exits 0 when the server confirmed, 6 when the server has no way to revoke,
and 7 when it refused or could not be reached. With --all, the exit code is the
highest of all sessions.

Examples:
  fourinsightctl revoke
  fourinsightctl revoke work
  fourinsightctl revoke --all";

const STOP_NOTES: &str = "\
Examples:
  fourinsightctl stop";

const COMPLETIONS_NOTES: &str = "\
Examples:
  cd ~/.local/share/bash-completion/completions
  fourinsightctl completions bash > fourinsightctl
  fourinsightctl completions zsh > ~/.zfunc/_fourinsightctl
  cd ~/.config/fish/completions
  fourinsightctl completions fish > fourinsightctl.fish";

const MAN_NOTES: &str = "\
Examples:
  fourinsightctl man | man -l -
  fourinsightctl man --dir ~/.local/share/man/man1";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::golden;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_are_taken_before_and_after_the_command() {
        for line in [["fourinsightctl", "--json", "status"], ["fourinsightctl", "status", "--json"]] {
            assert!(Cli::try_parse_from(line).unwrap().global.json);
        }
    }

    #[test]
    fn the_key_is_default_when_left_out() {
        let cli = Cli::try_parse_from(["fourinsightctl", "token"]).unwrap();
        let Command::Token(token) = cli.command else { panic!("not token") };
        assert_eq!(token.key, SessionKey::default());
    }

    #[test]
    fn a_wait_beyond_the_daemons_limit_is_refused() {
        assert!(Cli::try_parse_from(["fourinsightctl", "token", "--wait", "5m"]).is_ok());
        assert!(Cli::try_parse_from(["fourinsightctl", "token", "--wait", "301"]).is_err());
    }

    #[test]
    fn every_help_is_as_its_golden_file() {
        let mut program = Cli::command();
        program.build();
        golden::check(
            "help.txt",
            &program.render_help().to_string(),
            include_str!("../tests/golden/help.txt"),
        );
        let mut helps = program.render_long_help().to_string();
        let mut add = |command: &mut clap::Command| {
            helps += &["\n", &"=".repeat(80), "\n", &command.render_long_help().to_string()].concat();
        };
        for command in program.get_subcommands_mut() {
            add(command);
            command.get_subcommands_mut().for_each(&mut add);
        }
        golden::check("help-long.txt", &helps, include_str!("../tests/golden/help-long.txt"));
    }

    #[test]
    fn scopes_are_split_and_joined_by_single_spaces() {
        let given = ["a  b".to_owned(), String::new(), " c".to_owned()];
        assert_eq!(join_scopes(&given).as_deref(), Some("a b c"));
        assert_eq!(join_scopes(&[" ".to_owned()]), None);
        assert_eq!(join_scopes(&[]), None);
    }
}
