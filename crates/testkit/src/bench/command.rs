//! `fourinsightctl token` from fork to exit, beside a program that only says hello.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::{
    Options,
    clock::microseconds,
    figure::{Bar, Figure, Measured, Spread, Unit, median},
    stage,
};
use crate::process::Home;

const COMMAND: Figure = Figure {
    name: "`fourinsightctl token`, fork to exit, to hello world's",
    unit: Unit::Ratio,
    bar: Bar::AtMost(1.3),
};

/// Starts of each program in one round.
const STARTS: usize = 20;

const HELLO: &str = "fn main() { println!(\"Hello, world!\"); }\n";

pub(super) fn measure(home: &Home, options: Options) -> Result<Vec<Measured>> {
    let hello = build_hello(home.path())?;
    let key = stage::session(0);
    let mut token = command(home, &home.programs().fourinsightctl);
    token.args(["token", "--no-autostart", key.as_str()]);
    let mut hello = command(home, &hello);
    run(&mut token)?;
    run(&mut hello)?;
    let (mut ratios, mut tokens, mut hellos) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds(40, 20) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            ours.push(run(&mut token)?);
            theirs.push(run(&mut hello)?);
        }
        let (ours, theirs) = (median(&mut ours), median(&mut theirs));
        ratios.push(ours / theirs);
        tokens.push(ours);
        hellos.push(theirs);
    }
    let (ours, theirs) = (Spread::of(&tokens).median, Spread::of(&hellos).median);
    Ok(vec![COMMAND.measured(&ratios, format!("token {ours:.0} us, hello {theirs:.0} us"))])
}

/// From fork to exit, in microseconds.
fn run(command: &mut Command) -> Result<f64> {
    let (status, time) = microseconds(|| command.status());
    let status = status.context("a program cannot be started")?;
    ensure!(status.success(), "{} ended with {status}", command.get_program().display());
    Ok(time)
}

fn command(home: &Home, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home.path()).env("XDG_RUNTIME_DIR", home.runtime_dir());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A plain release build, linked dynamically as Rust programs are.
fn build_hello(folder: &Path) -> Result<PathBuf> {
    let (source, program) = (folder.join("hello.rs"), folder.join("hello"));
    fs::write(&source, HELLO)?;
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut build = Command::new(compiler);
    build.args(["--edition", "2024", "-C", "opt-level=3", "-o"]).arg(&program).arg(&source);
    let status = build.status().context("the hello world cannot be built without rustc")?;
    ensure!(status.success(), "rustc failed ({status})");
    Ok(program)
}
