//! Somebody at a home of their own who types what README.md says, as it stands there.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, ChildStdin, Command},
    time::timeout,
};
use url::Url;

use crate::{
    browser::{Answer, Browser},
    http::Request,
    practice::{Practice, README_APIS, Serving, Settings, Verdict},
    process::{Home, TIME_LIMIT},
};

// The pair of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Hands the address to whoever reads the pipe: whom the test plays is the person before the screen.
const BROWSER: &str = "#!/bin/sh\nprintf '%s' \"$1\" > \"$HOME/browser\"\n";

/// What Python reads before a program: the names of APIs lead to the server that takes their place.
const NAMES: &str = r#"import os, socket

names, port = os.environ["README_APIS"].split(), int(os.environ["README_PORT"])
lookup, connect = socket.getaddrinfo, socket.socket.connect


def lookup_here(host, *arguments, **more):
    name = host.decode() if isinstance(host, bytes) else host
    return lookup("127.0.0.1" if name in names else host, *arguments, **more)


def connect_here(self, address):
    return connect(self, ("127.0.0.1", port) if address == ("127.0.0.1", 443) else address)


socket.getaddrinfo, socket.socket.connect = lookup_here, connect_here
"#;

/// Somebody with an account at a practice server, whose shell finds our programs, and a browser.
pub struct Reader {
    /// The server, for its oracle.
    pub practice: Practice,
    /// Its socket, without TLS.
    pub serving: Serving,
    /// Where everything is typed. There is no configuration yet.
    pub home: Home,
    /// The same server over TLS, which programs take for the APIs that README.md names.
    api: Serving,
}

/// A login that has opened a page in the browser, and waits.
#[derive(Debug)]
pub struct Page {
    /// The page's address.
    pub address: String,
    login: Child,
    keyboard: ChildStdin,
}

impl Reader {
    /// Sets everything up.
    pub async fn new(settings: Settings) -> Result<Self> {
        let practice = Practice::new(settings);
        let (serving, api) = (practice.serve_plain().await?, practice.serve_tls().await?);
        let home = Home::new("")?;
        fs::remove_file(home.config())?;
        let (authorities, programs) = (home.path().join("ca.pem"), home.path().join("bin"));
        fs::write(&authorities, api.ca_pem.as_deref().unwrap_or_default())?;
        let curl = format!(
            "silent\nshow-error\ncacert = \"{}\"\nconnect-to = \"api.example.com:443:127.0.0.1:{}\"\n",
            authorities.display(),
            api.port
        );
        fs::write(home.path().join(".curlrc"), curl)?;
        fs::create_dir(&programs)?;
        let browser = programs.join("xdg-open");
        fs::write(&browser, BROWSER)?;
        fs::set_permissions(&browser, fs::Permissions::from_mode(0o755))?;
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{}:{path}", programs.display(), home.programs().folder().display());
        let reader = Self { practice, serving, home: home.with_variable("PATH", &path), api };
        reader.types("mkfifo browser").await?;
        Ok(reader)
    }

    /// The same with one more variable in the environment.
    #[must_use]
    pub fn with_variable(self, name: &str, value: &str) -> Self {
        Self { home: self.home.with_variable(name, value), ..self }
    }

    /// Runs a command line, insists on exit code 0, and gives what it prints, without the final newline.
    pub async fn types(&self, line: &str) -> Result<String> {
        let output = timeout(TIME_LIMIT, self.shell(line).output()).await;
        printed(line, &output.with_context(|| format!("`{line}` does not end"))??)
    }

    /// Runs a login until it has opened a page in the browser.
    pub async fn opens(&self, line: &str) -> Result<Page> {
        let mut login =
            self.shell(line).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        // Taken first, because a wait for the end closes it.
        let keyboard = login.stdin.take().context("login has no standard input")?;
        let mut browser = self.home.command("cat");
        let opened = tokio::select! {
            opened = timeout(TIME_LIMIT, browser.arg("browser").output()) => opened,
            _ = login.wait() => {
                bail!("`{line}` opened nothing: {:?}", login.wait_with_output().await?)
            }
        };
        let opened = opened.with_context(|| format!("`{line}` opens nothing"))??;
        Ok(Page { address: String::from_utf8(opened.stdout)?, login, keyboard })
    }

    /// Runs a login to its end: ada signs in on the page that it opens.
    pub async fn signs_in(&self, line: &str) -> Result<String> {
        let page = self.opens(line).await?;
        Browser::new().sign_in(&page.address, &Answer::allow("ada")).await?;
        page.finish().await
    }

    /// Runs a curl of `https://api.example.com`, which has to greet ada.
    pub async fn curls(&self, line: &str) -> Result<()> {
        let said: Value = serde_json::from_str(&self.types(line).await?)?;
        ensure!(said["hello"] == "Ada Lovelace", "`{line}`: {said}");
        Ok(())
    }

    /// Runs a program in Python as it is shown, insists on exit code 0, and gives what it prints.
    pub async fn runs(&self, python: &Path, program: &str) -> Result<String> {
        let folder = self.home.path().join("python");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("sitecustomize.py"), NAMES)?;
        let path = folder.join("program.py");
        fs::write(&path, program)?;
        let mut command = self.home.command(python);
        let authorities = self.home.path().join("ca.pem");
        command.env("PYTHONPATH", &folder).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("REQUESTS_CA_BUNDLE", &authorities).env("SSL_CERT_FILE", &authorities);
        command.env("README_APIS", README_APIS.join(" ")).env("README_PORT", self.api.port.to_string());
        let output = timeout(TIME_LIMIT, command.arg(&path).output()).await;
        printed(program, &output.context("the program does not end")??)
    }

    /// Insists that a session has a token that the server calls a living one, and gives it.
    pub async fn has(&self, session: &str) -> Result<String> {
        self.lives(&self.home.ctl(&["token", session]).await?.success()?)
    }

    /// Insists that the server calls this access token a living one.
    pub fn lives(&self, access_token: &str) -> Result<String> {
        let verdict = self.practice.verdict(access_token);
        ensure!(verdict == Verdict::Live, "the access token is {verdict:?}");
        Ok(access_token.to_owned())
    }

    /// Changes what is written in the configuration.
    pub fn edit(&self, written: &str, instead: &str) -> Result<()> {
        let text = fs::read_to_string(self.home.config())?;
        ensure!(text.contains(written), "the configuration has no {written}: {text}");
        self.home.write_config(&text.replace(written, instead))
    }

    /// Puts lines into the table of a profile, whose own words go before its preset's.
    pub fn add(&self, profile: &str, lines: &str) -> Result<()> {
        let header = format!("[profiles.{profile}]\n");
        self.edit(&header, &[&header, lines].concat())
    }

    /// What the token endpoint answers some other tool, with which ada signs in as the client `abc`.
    pub async fn elsewhere(&self, authorize: &str, token: &str, scope: &str) -> Result<Value> {
        let redirect_uri = "http://127.0.0.1:4711/callback";
        let at = |path: &str| Url::parse(&[&self.serving.origin, path].concat());
        let mut uri = at(authorize)?;
        uri.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", "abc"),
            ("redirect_uri", redirect_uri),
            ("scope", scope),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let callback = self.practice.sign_in(uri.as_str(), "ada").await?;
        let code = callback.query_pairs().find(|(name, _)| name == "code").context("a code")?.1.into_owned();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", VERIFIER),
            ("client_id", "abc"),
        ];
        let answer = Request::form(at(token)?, fields).send().await?;
        ensure!(answer.status == 200, "the token endpoint answers {}: {}", answer.status, answer.text());
        answer.json()
    }

    fn shell(&self, line: &str) -> Command {
        let mut shell = self.home.command("sh");
        shell.args(["-c", line]);
        shell
    }
}

impl Page {
    /// Types a line at the login.
    pub async fn type_line(&mut self, line: &str) -> Result<()> {
        Ok(self.keyboard.write_all(format!("{line}\n").as_bytes()).await?)
    }

    /// Waits for the login's end, insists on exit code 0, and gives what it prints.
    pub async fn finish(self) -> Result<String> {
        let _keyboard = self.keyboard;
        let output = timeout(TIME_LIMIT, self.login.wait_with_output()).await;
        printed("login", &output.context("the login does not end")??)
    }
}

fn printed(line: &str, output: &std::process::Output) -> Result<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "`{line}`: {}\n{out}{err}", output.status);
    Ok(out.trim_end().to_owned())
}
