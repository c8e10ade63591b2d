//! `profile`: what can be typed to look at profiles, and to write a new one.

use clap::{Args, Subcommand};

/// Show the profiles that sessions sign in with, and write new ones
///
/// A profile says where and how a session signs in. It is a table of the
/// configuration file, and begins with a preset, which knows the server: two or
/// three lines are enough.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = NOTES, disable_help_subcommand = true)]
pub(crate) struct Profile {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: ProfileAction,
}

/// What `profile` does.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileAction {
    List(ProfileList),
    Show(ProfileShow),
    Init(ProfileInit),
}

/// List the profiles
///
/// Lists the profiles of the configuration file: what each begins with, how and
/// where it signs in; then the profile of a login that names none, and the file.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = LIST_NOTES)]
pub(crate) struct ProfileList {}

/// Show what a profile says, and where each setting comes from
///
/// Shows every setting of a profile with where it comes from: the configuration
/// file, the preset, or what holds for every profile. Of a secret it shows only
/// where it is read.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = SHOW_NOTES)]
pub(crate) struct ProfileShow {
    /// The profile to show
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// Write a new profile into the configuration file
///
/// Writes a profile that begins with a preset. On a terminal it asks for the
/// settings that --set has not given, and Enter takes what stands in brackets;
/// without a terminal a missing setting is an error that names it. The rest of the
/// file, comments too, stays as it is.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, after_long_help = INIT_NOTES)]
pub(crate) struct ProfileInit {
    /// What to call the profile
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The preset to begin with: one of those below
    #[arg(long, value_name = "PRESET")]
    pub(crate) preset: String,
    /// A setting of the preset: --set tenant=example.com; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) settings: Vec<(String, String)>,
    /// The way to sign in, instead of the preset's own
    #[arg(long, value_name = "FLOW")]
    pub(crate) flow: Option<String>,
    /// Have logins that name no profile use this one
    #[arg(long)]
    pub(crate) default: bool,
}

fn setting(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write NAME=VALUE, as in --set tenant=example.com"),
    }
}

const NOTES: &str = "\
The daemon reads and writes the configuration file; it is started when it is not
running.

Examples:
  fourinsightctl profile list
  fourinsightctl profile init work --preset keycloak
  fourinsightctl profile show work";

const LIST_NOTES: &str = "\
It exits 78 when the configuration file is wrong, and shows the profiles that
were read before.

Examples:
  fourinsightctl profile list
  fourinsightctl profile list --json";

const SHOW_NOTES: &str = "\
Examples:
  fourinsightctl profile show work
  fourinsightctl profile show work --json";

const INIT_NOTES: &str = "\
Presets:
  4insight          you, at 4insight.io
  4insight-service  a service at 4insight.io, with a client secret of its own
  cognite           Cognite Data Fusion, through Microsoft Entra ID
  entra             Microsoft Entra ID
  google            Google
  github            GitHub
  auth0             Auth0
  keycloak          Keycloak
  generic           any other server with OpenID Connect discovery

A secret is never written into the configuration file, only where it is read:
--set client_secret=file:PATH, env:NAME (a variable of the daemon) or
command:PROGRAM. PATH counts from the folder that you are in, or from ~/.

It exits 2, and writes nothing, when a profile of this name exists or a setting
is missing or wrong, and 78 when the configuration file is wrong as it is.

Examples:
  fourinsightctl profile init 4insight --preset 4insight
  fourinsightctl profile init work --preset keycloak --default
  fourinsightctl profile init fleet --preset generic \\
    --set issuer=https://id.example.com --set client_id=abc --flow device";

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn a_setting_is_split_at_its_first_equals_sign() {
        let line = ["fourinsightctl", "profile", "init", "work", "--preset=generic", "--set", " a = b=c "];
        let Command::Profile(profile) = Cli::try_parse_from(line).unwrap().command else { panic!() };
        let ProfileAction::Init(init) = profile.action else { panic!() };
        assert_eq!(init.settings, [("a".to_owned(), "b=c".to_owned())]);
        for wrong in ["tenant", "=x", ""] {
            assert!(setting(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_help_fits_80_columns() {
        let mut program = Cli::command();
        program.build();
        let profile = program.find_subcommand_mut("profile").unwrap();
        let mut helps = profile.render_long_help().to_string();
        for action in profile.get_subcommands_mut() {
            helps += &action.render_long_help().to_string();
        }
        let widest = helps.lines().max_by_key(|line| line.chars().count()).unwrap_or_default();
        assert!(widest.chars().count() <= 80, "wider than 80 columns: {widest}");
    }
}
