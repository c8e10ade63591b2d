//! The practice server as another process sees it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// The program, killed should a test fail before it has stopped.
struct Program(Child);

impl Program {
    fn start(arguments: &[&str]) -> (Self, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_practice-server"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cargo has built the program");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("stdout is a pipe"))
            .read_line(&mut line)
            .expect("stdout can be read");
        (Self(child), line)
    }

    fn ends_with_its_stdin(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("it is our child").success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_announces_itself_serves_and_ends_with_its_stdin() {
    let (program, line) = Program::start(&["--access-token-life", "10"]);
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["client_id"], "practice-client");
    assert!(ready["ca_file"].is_null());
    let authority = ready["issuer"].as_str().unwrap().strip_prefix("http://").unwrap();
    assert!(ready["config"].as_str().unwrap().contains(&format!("issuer = \"http://{authority}\"")));
    for _ in 0..2 {
        let mut stream = TcpStream::connect(authority).unwrap();
        write!(stream, "GET /practice/ledger HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 200 ") && response.contains("\"requests\":0"), "{response}");
    }
    program.ends_with_its_stdin();
    assert!(TcpStream::connect(authority).is_err());
}

#[test]
fn with_tls_it_leaves_its_ca_for_others_and_cleans_up() {
    let (program, line) = Program::start(&["--tls"]);
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert!(ready["issuer"].as_str().unwrap().starts_with("https://127.0.0.1:"));
    let ca_file = Path::new(ready["ca_file"].as_str().unwrap()).to_owned();
    assert!(std::fs::read_to_string(&ca_file).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(ready["config"].as_str().unwrap().contains("tls_ca_file = "));
    program.ends_with_its_stdin();
    assert!(!ca_file.exists());
}

#[test]
fn a_chosen_ca_file_is_kept_and_the_configuration_can_be_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let (program, line) = Program::start(&["--tls", "--ca-file", path.to_str().unwrap(), "--print-config"]);
    assert_eq!(line, "default_profile = \"practice\"\n");
    program.ends_with_its_stdin();
    assert!(path.exists());
}

#[test]
fn a_bad_argument_is_a_usage_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_practice-server")).arg("--prot").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: unknown argument \"--prot\""));
}

#[test]
fn a_dialect_is_chosen_and_the_configuration_speaks_it() {
    for (name, client_id, line) in [
        ("entra", "practice-client", "resource_style = \"entra\""),
        ("github", "practice-client", "/login/oauth/access_token\""),
        ("auth0", "practice-client", "resource_style = \"audience\""),
        ("4insight", "b6c8c4d4-5fc1-4bba-b46c-8f6a6cc9843d", "client_auth.refresh = \"secret_only\""),
    ] {
        let (program, line_of_json) = Program::start(&["--dialect", name]);
        let ready: Value = serde_json::from_str(&line_of_json).unwrap();
        assert_eq!(ready["client_id"], client_id, "{name}");
        let config = ready["config"].as_str().unwrap();
        assert!(config.contains(line), "{name}: {config}");
        program.ends_with_its_stdin();
    }
}
