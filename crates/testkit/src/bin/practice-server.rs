//! The practice authorization server as a program, for the demo and for tests of other processes.
//!
//! Once it accepts connections it prints one line of JSON; it stops when its stdin ends, at Ctrl-C, or when it
//! is terminated.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::Context as _;
use fourinsight_ipc::duration;
use serde_json::json;
use testkit::practice::{Practice, Reuse, Rotation, Serving, Settings, Transport, Weather};
use tokio::sync::oneshot;

const HELP: &str = "\
practice-server: the practice authorization server on 127.0.0.1

  --dialect NAME            speak as entra, github, auth0 or 4insight do; name it first, because it replaces what
                            the options before it have set
  --port N                  the port; any free one when left out
  --tls                     serve https under a throwaway certificate authority
  --ca-file PATH            with --tls: write the authority's certificate here. Left out, it goes to a temporary
                            file that is removed when stdin ends or at Ctrl-C
  --access-token-life D     90, 90s, 5m, 8h (an hour when left out)
  --refresh-token-life D    how long a refresh token lives unused (for ever when left out)
  --rotation MODE           strict (when left out), none, never_revoke, grace:30s, grace:30s:same, until_new_used,
                            max_reuse:1
  --reuse ACTION            what it costs to present a spent refresh token: deny, family, or everything, access
                            tokens too (when left out)
  --faults SEED:RATE        one of all faults befalls this share of the token requests, such as 7:0.2
  --no-id-tokens, --no-userinfo, --no-revocation, --no-iss, --no-legacy
                            turn an ability off
  --tenant NAME             packages of the page /auth name the token endpoint of this tenant
  --print-config            when ready, print a config.toml for fourinsightd instead of the line of JSON

When it is ready it prints one line of JSON: issuer, client_id, ca_file (or null) and config, the text of a
config.toml. GET {issuer}/practice/ledger shows what it has seen and how each login
stands; POST {issuer}/practice/script says what befalls the next token requests, as in
{\"faults\": [{\"point\": \"after_committing\", \"kind\": \"reset\"}]}.
";

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => match run(&options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("{error:#}"), 1),
        },
        Ok(None) => say(&mut io::stdout(), HELP),
        Err(problem) => fail(&format!("{problem}; see --help"), 2),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(options: &Options) -> anyhow::Result<()> {
    let practice = Practice::new(options.settings.clone());
    practice.set_weather(options.weather.clone());
    let serving = practice
        .serve(options.transport, options.port)
        .await
        .with_context(|| format!("cannot serve on port {}; choose another --port", options.port))?;
    let ca = CaFile::write(&serving, options.ca_file.as_deref())?;
    let config = config(&practice.profile(&serving), ca.as_ref().map(CaFile::path));
    let line = json!({
        "issuer": serving.issuer,
        "client_id": practice.settings().clients.first().map(|client| &client.id),
        "ca_file": ca.as_ref().map(CaFile::path),
        "config": config,
    });
    let text = if options.print_config { config } else { format!("{line}\n") };
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("nobody reads stdout")?;

    tokio::select! {
        _ = end_of_stdin() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

/// What the command line asks for.
struct Options {
    transport: Transport,
    port: u16,
    ca_file: Option<PathBuf>,
    print_config: bool,
    settings: Settings,
    weather: Option<Weather>,
}

impl Options {
    /// `None` when only help is wanted.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options = Self {
            transport: Transport::Plain,
            port: 0,
            ca_file: None,
            print_config: false,
            settings: Settings::default(),
            weather: None,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            let settings = &mut options.settings;
            match argument.as_str() {
                "--dialect" => *settings = dialect(&value()?)?,
                "--port" => {
                    options.port = value()?.parse().map_err(|_| "--port needs a number up to 65535")?;
                }
                "--tls" => options.transport = Transport::Tls,
                "--ca-file" => options.ca_file = Some(value()?.into()),
                "--access-token-life" => settings.access_token_life = life(&value()?)?,
                "--refresh-token-life" => settings.refresh_token_life = Some(life(&value()?)?),
                "--rotation" => settings.rotation = Rotation::parse(&value()?)?,
                "--reuse" => settings.reuse = Reuse::parse(&value()?)?,
                "--faults" => options.weather = Some(Weather::parse(&value()?)?),
                "--no-id-tokens" => settings.id_tokens = false,
                "--no-userinfo" => settings.userinfo = false,
                "--no-revocation" => settings.revocation = false,
                "--no-iss" => settings.iss_in_callback = false,
                "--no-legacy" => settings.legacy = false,
                "--tenant" => {
                    let name = value()?;
                    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
                    if name.is_empty() || !name.bytes().all(is_plain) {
                        return Err("--tenant needs letters, digits, hyphens and dots".to_owned());
                    }
                    settings.package.tenant = Some(name);
                }
                "--print-config" => options.print_config = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("unknown argument {argument:?}")),
            }
        }
        if options.ca_file.is_some() && options.transport == Transport::Plain {
            return Err("--ca-file is for --tls".to_owned());
        }
        Ok(Some(options))
    }
}

fn dialect(name: &str) -> Result<Settings, String> {
    match name {
        "entra" => Ok(Settings::entra()),
        "github" => Ok(Settings::github()),
        "auth0" => Ok(Settings::auth0()),
        "4insight" => Ok(Settings::fourinsight()),
        _ => Err(format!("--dialect {name:?} is none of entra, github, auth0, 4insight")),
    }
}

fn life(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|invalid| format!("{text:?} is {invalid}"))
}

/// The certificate authority's certificate on disk.
enum CaFile {
    Kept(PathBuf),
    Temporary(tempfile::NamedTempFile),
}

impl CaFile {
    /// Writes it, when the server has one.
    fn write(serving: &Serving, path: Option<&Path>) -> anyhow::Result<Option<Self>> {
        let Some(pem) = &serving.ca_pem else { return Ok(None) };
        let file = match path {
            Some(path) => Self::Kept(path.to_owned()),
            None => {
                Self::Temporary(tempfile::Builder::new().prefix("practice-ca-").suffix(".pem").tempfile()?)
            }
        };
        fs::write(file.path(), pem).with_context(|| format!("cannot write {}", file.path().display()))?;
        Ok(Some(file))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(file) => file.path(),
        }
    }
}

/// A `config.toml` with which `fourinsightd` logs in here. A JSON string is a TOML string too.
fn config(profile: &str, ca_file: Option<&Path>) -> String {
    let mut text = format!("default_profile = \"practice\"\n\n[profiles.practice]\n{profile}");
    if let Some(path) = ca_file {
        text += &["tls_ca_file = ", &json!(path).to_string(), "\n"].concat();
    }
    text
}

/// Ready when whoever started this closes its stdin. Read on a thread of its own: tokio's stdin would keep the
/// runtime from ending after a Ctrl-C.
fn end_of_stdin() -> oneshot::Receiver<()> {
    let (ended, receiver) = oneshot::channel();
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut buffer = [0; 1024];
        while !matches!(stdin.read(&mut buffer), Ok(0) | Err(_)) {}
        // Nobody listens any more only when the program is ending anyway.
        let _ = ended.send(());
    });
    receiver
}

fn fail(problem: &str, code: u8) -> ExitCode {
    say(&mut io::stderr(), &format!("error: {problem}\n"));
    ExitCode::from(code)
}

fn say(to: &mut impl io::Write, text: &str) -> ExitCode {
    if to.write_all(text.as_bytes()).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_reach_the_settings() {
        let line = "--port 4000 --tls --ca-file ca.pem --access-token-life 10 --refresh-token-life 5m --no-userinfo \
             --rotation max_reuse:2 --reuse family";
        let options = parse(line).unwrap().unwrap();
        assert_eq!((options.port, options.transport), (4000, Transport::Tls));
        assert_eq!(options.ca_file.as_deref(), Some(Path::new("ca.pem")));
        assert_eq!(options.settings.access_token_life, Duration::from_secs(10));
        assert_eq!(options.settings.refresh_token_life, Some(Duration::from_mins(5)));
        assert!(!options.settings.userinfo && options.settings.id_tokens);
        assert_eq!(options.settings.rotation, Rotation::MaxReuse(2));
        assert_eq!(options.settings.reuse, Reuse::RevokeFamily);
    }

    #[test]
    fn a_dialect_comes_whole_and_is_changed_by_what_follows() {
        for (name, revokes) in [("entra", false), ("github", false), ("auth0", true), ("4insight", false)] {
            let options = parse(&format!("--dialect {name} --no-userinfo")).unwrap().unwrap();
            assert!(!options.settings.userinfo);
            assert_eq!(options.settings.revocation, revokes, "{name}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in [
            "--prot 1",
            "--dialect klingon",
            "--port",
            "--port x",
            "--port 70000",
            "--tenant a/b",
            "--access-token-life soon",
            "--rotation sometimes",
            "--reuse never",
            "--faults often",
            "--ca-file x",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("--help").unwrap().is_none());
    }
}
