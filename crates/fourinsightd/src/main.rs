//! `fourinsightd`: arguments, logging, runtime, exit code; nothing else.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};
use fourinsight_ipc::LocationOptions;
use fourinsightd::{
    Options,
    telemetry::{self, LogFilter, LogFormat},
};

/// The local token broker: sign in once, and every process of yours asks it for a fresh bearer token.
///
/// Runs in the foreground and logs to standard error. SIGTERM and SIGINT stop it, SIGHUP re-reads the
/// configuration. `fourinsightctl login` starts it by itself; systemd and launchd can start it at login.
#[derive(Parser)]
#[command(version, after_long_help = EXIT_CODES)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", env = "FOURINSIGHT_CONFIG")]
    config: Option<PathBuf>,
    /// The folder for sessions, key, journal and lock.
    #[arg(long, value_name = "DIR", env = "FOURINSIGHT_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Where to listen.
    #[arg(long, value_name = "PATH", env = "FOURINSIGHT_SOCKET")]
    socket: Option<PathBuf>,
    /// What to log: a level, or target=level pairs for fourinsightd's own targets, separated by commas.
    #[arg(long, value_name = "LEVEL", env = "FOURINSIGHT_LOG", default_value = "info")]
    log: LogFilter,
    /// How to log.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Lines for people; fields for the journal where standard error leads there.
    Text,
    /// One JSON object a line.
    Json,
}

const EXIT_CODES: &str = "\
Exit codes:
  0   stopped as asked
  1   failure
  2   usage
  75  another daemon runs on this state folder, or serves this socket
  78  the configuration, or a place given for a file or the socket, is wrong";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::start(
        arguments.log,
        match arguments.log_format {
            Format::Text => LogFormat::Text,
            Format::Json => LogFormat::Json,
        },
    );
    let locations = LocationOptions {
        config: arguments.config,
        state_dir: arguments.state_dir,
        socket: arguments.socket,
    };
    match fourinsightd::run_process(Options { locations }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}
