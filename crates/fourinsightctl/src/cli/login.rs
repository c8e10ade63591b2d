//! `login`: its options, and what each flow needs.

use std::time::Duration;

use clap::Args;
use fourinsight_ipc::{SessionKey, duration};

use super::Lasting;

/// Sign in: in your browser, on another device, or as a client
///
/// Signs in to the session KEY by a profile of the configuration file, in the way
/// that the profile's flow says; the flows are explained below. When the session is
/// already signed in with the given profile and every given scope, it says as whom
/// and does nothing more.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = NOTES)]
pub(crate) struct Login {
    /// The session to sign in
    #[arg(value_name = "KEY", default_value = "default", value_parser = super::session_key)]
    pub(crate) key: SessionKey,
    /// The profile to sign in with, or a preset; else the default_profile
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The way to sign in, instead of the profile's: one of the flows below
    #[arg(long, value_name = "FLOW")]
    pub(crate) flow: Option<String>,
    /// Flow password: whose it is; asked for when left out
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    #[command(flatten)]
    pub(crate) person: Person,
    #[command(flatten)]
    pub(crate) lasting: Lasting,
    /// Print the address to open, but open no browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// A scope instead of the profile's; may be repeated, or hold several
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// A resource to ask for beside the profile's (RFC 8707); may be repeated
    #[arg(long = "resource", value_name = "URI")]
    pub(crate) resources: Vec<String>,
    /// Flow client_credentials: the client, with --client-secret-stdin
    #[arg(long, value_name = "ID", requires = "client_secret_stdin")]
    pub(crate) client_id: Option<String>,
    /// Flow client_credentials: read the client secret from standard input
    #[arg(long)]
    pub(crate) client_secret_stdin: bool,
    /// How long to wait for you to sign in
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    pub(crate) timeout: Duration,
}

/// Who is to sign in.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Person {
    /// Sign in again even when signed in, and have the server really ask
    #[arg(long)]
    pub(crate) force: bool,
    /// Accept another person than the session had, without asking
    #[arg(long)]
    pub(crate) switch_user: bool,
}

const NOTES: &str = "\
Flows: `flow = \"NAME\"` in the profile, or --flow NAME

browser, which is used when nothing is said
  Needs    issuer and client_id in the profile; without an issuer
           authorization_endpoint and token_endpoint. redirect_uri when another
           one is registered than http://127.0.0.1/callback with any port;
           response_mode = \"form_post\" when the server is to post its answer.
  You      sign in on the page that your browser opens. Its address is also
           printed alone on a line of standard error. Where the browser cannot
           come back to this machine, copy the address of its last page.
  Input    that address, if the browser cannot come back. It is not shown.
  Example  fourinsightctl login work --profile work

paste, where nothing can listen on this machine
  Needs    the same with the redirect_uri that is registered, whatever it is.
           For a page that shows a text with \"endpoint\" and \"code\" in it:
           authorization_endpoint, client_id and allowed_token_endpoints.
  You      sign in on the page, and bring what it ends on: the whole address,
           the code, or the text. For a text you confirm the endpoint's tenant,
           when the profile leaves it open, and whom it signs in.
  Input    the address, the code or the text; then yes or no to each question.
           What you paste is not shown.
  Example  fourinsightctl login work --flow paste

device, for a machine without a browser
  Needs    issuer and client_id; without an issuer token_endpoint and
           device_authorization_endpoint. The client must be allowed this flow.
  You      open the address that is shown, or scan its QR code, on any device;
           check whose page it is, and enter the code. Enter none that you did
           not ask for.
  Input    nothing, unless another person would take the session over (below).
  Example  fourinsightctl login --flow device --timeout 15m

client_credentials, for the client as itself
  Needs    issuer or token_endpoint, client_id, and one of client_secret,
           client_key and client_assertion.
  You      do nothing. A [sessions.KEY] table opens it without a login.
  Input    nothing; with --client-secret-stdin the client secret on one line,
           which the daemon keeps in memory only, until it stops.
  Example  fourinsightctl login batch --profile batch
           pass show batch | fourinsightctl login batch \\
             --flow client_credentials --client-id abc --client-secret-stdin

certificate, the same proven by a key
  Needs    issuer or token_endpoint, client_id, client_certificate and
           client_key.
  You      do nothing.
  Input    nothing.
  Example  fourinsightctl login batch --flow certificate

password, only with allow_legacy = true: RFC 9700 says not to use it
  Needs    issuer or token_endpoint, and client_id.
  You      give this program your password. It is sent once and kept nowhere.
  Input    the user name, unless --username names it; then the password, which
           is not shown.
  Example  pass show work | fourinsightctl login --flow password --username ada

implicit, only with allow_legacy = true: RFC 9700 advises against it
  Needs    issuer or authorization_endpoint, client_id, and the redirect_uri
           that is registered.
  You      sign in on the page, and copy the whole address that it ends on, with
           the access token in it. Nothing can renew this session.
  Input    that address. It is not shown.
  Example  fourinsightctl login --flow implicit

In the profile client_secret, client_key and client_assertion say where they are
read anew at each use: { file = \"PATH\" }, { env = \"NAME\" } of the daemon, or
{ command = [\"PROGRAM\", \"ARGUMENT\"] }. client_assertion is for an assertion that
somebody else signs, as for a workload identity; client_certificate is a path.

Input is read from standard input, a line for each answer, and never from the
command line. Give it </dev/null inside a loop that reads lines itself.

Where another person would be signed in than the session had, both are shown,
and you say yes or no on a terminal. Without a terminal the session stays as it
is, and the exit code is 5. --switch-user accepts without asking; with --force
beside it the server asks who signs in, instead of taking whom it remembers.

--force has the server really ask: by the profile's force_params, and when that
is not set by prompt=login, or select_account at Google. Where a server cannot
be told so, you are told where to sign out first.

--ephemeral writes nothing of the session to the disk, not even its name. When
the daemon stops, its tokens are revoked. One that was stored under KEY is
deleted from the disk once you have signed in.

--until-logout is for a user name of this machine that several people share. The
session can only be found and used from the login that you are in now: a session
of the desktop or of ssh as the system counts it (systemd-logind, Windows), else
the terminal that this program runs on (macOS too). When that ends, the session
is forgotten and its tokens are revoked. Another session of the same KEY, which
all the others find, is hidden from you meanwhile, and left as it is. This keeps
people apart who mean well: whoever runs programs as the same user can also read
the memory of yours.

Where no profile is configured yet, or --profile names a preset that no profile
is called by, a profile is written first: on a terminal you are asked which
preset it begins with, and for its settings; without a terminal the exit code is
2 and the commands are named, unless the preset needs nothing. See
`fourinsightctl profile --help`.

With --json, prints the login attempt once it has succeeded, or the session when
it is already signed in.

More examples:
  fourinsightctl login
  fourinsightctl login work --scope \"openid offline_access\"
  fourinsightctl login --no-browser --timeout 10m
  fourinsightctl login work --force
  fourinsightctl login work --force --switch-user
  fourinsightctl login --until-logout";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn the_help_explains_each_flow_and_fits_80_columns() {
        let mut program = Cli::command();
        program.build();
        let login = program.find_subcommand_mut("login").unwrap();
        let help = login.render_long_help().to_string();
        let widest = help.lines().max_by_key(|line| line.chars().count()).unwrap_or_default();
        assert!(widest.chars().count() <= 80, "wider than 80 columns: {widest}");
        for flow in
            ["browser", "paste", "device", "client_credentials", "certificate", "password", "implicit"]
        {
            let explained = NOTES.split("\n\n").find(|part| part.starts_with(&format!("{flow}, ")));
            let explained = explained.unwrap_or_else(|| panic!("{flow} is not explained"));
            for part in ["  Needs    ", "  You      ", "  Input    ", "  Example  "] {
                assert!(explained.contains(part), "{flow} lacks {part}");
            }
        }
    }
}
