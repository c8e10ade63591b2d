//! `cargo xtask faults`: whether a login survives what can happen to the daemon.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use testkit::faults::{self, CAMPAIGNS, Extent, Options};

const HELP: &str = "\
faults: whether a login survives what can happen to the daemon

  --quick        enough for every run of the tests; this is what happens without a word
  --full         what the published figures come from: hours
  --only NAME    only this campaign; may be repeated
  --report FILE  the figures as Markdown
  --seed NUMBER  draw the random moments of an earlier run
  --list         the names of the campaigns

The programs are those that FOURINSIGHTD_BIN and FOURINSIGHTCTL_BIN name; FOURINSIGHTD_WITH_POINTS_BIN is a daemon
built with the feature `fault-points`.
";

/// What was asked for.
enum Asked {
    Help,
    List,
    Run(Options),
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(Asked::Run(options)) => options,
        Ok(Asked::Help) => return say(&mut io::stdout(), HELP, ExitCode::SUCCESS),
        Ok(Asked::List) => {
            let names: Vec<_> = CAMPAIGNS.iter().map(|campaign| campaign.name).collect();
            return say(&mut io::stdout(), &format!("{}\n", names.join("\n")), ExitCode::SUCCESS);
        }
        Err(problem) => return fail(&problem, 2),
    };
    match faults::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}"), 1),
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let daemon_with_points = std::env::var_os("FOURINSIGHTD_WITH_POINTS_BIN").filter(|path| !path.is_empty());
    let mut options =
        Options { daemon_with_points: daemon_with_points.map(Into::into), ..Options::default() };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` wants a value; see --help"));
        match argument.as_str() {
            "--quick" => options.extent = Extent::Quick,
            "--full" => options.extent = Extent::Full,
            "--only" => options.only.push(value()?),
            "--report" => options.report = Some(value()?.into()),
            "--seed" => {
                options.seed = Some(value()?.parse().map_err(|_| "a seed is a whole number".to_owned())?);
            }
            "--list" => return Ok(Asked::List),
            "--help" | "-h" => return Ok(Asked::Help),
            _ => return Err("an argument that is not understood; see --help".to_owned()),
        }
    }
    Ok(Asked::Run(options))
}

fn fail(problem: &str, code: u8) -> ExitCode {
    say(&mut io::stderr(), &format!("error: {problem}\n"), ExitCode::from(code))
}

fn say(to: &mut impl Write, text: &str, code: ExitCode) -> ExitCode {
    if to.write_all(text.as_bytes()).is_ok() { code } else { ExitCode::FAILURE }
}
