//! The real program on a terminal, which `script` provides.

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
};

/// Runs the program on a terminal of its own. Each of `typed` is a text to wait for on the screen, after what was
/// typed before, and the line to type then. Gives the exit code and all that the screen has shown.
pub(crate) fn run(program: &Command, typed: &[(&str, &str)]) -> (Option<i32>, String) {
    let words = [program.get_program()].into_iter().chain(program.get_args());
    let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
    let line = words.join(" ");
    // That of util-linux takes the command as one text, that of the BSDs as words.
    let arguments = if cfg!(target_os = "linux") {
        vec!["-qefc", &line, "/dev/null"]
    } else {
        [&["-q", "/dev/null"], &words[..]].concat()
    };
    let mut script = Command::new("script");
    // Its own `PATH` must lead to the shell; the program gets along with any.
    for (name, value) in program.get_envs().filter(|(name, _)| *name != "PATH") {
        script.env(name, value.unwrap());
    }
    let mut terminal = script
        .args(arguments)
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The keyboard stays open to the end, for its end would be an end of the input.
    let (mut keyboard, mut screen) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let mut shown = Vec::new();
    let mut seen = 0;
    let mut steps = typed.iter();
    let mut step = steps.next();
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = screen.read(&mut piece) {
        shown.extend_from_slice(&piece[..length]);
        if let Some((awaited, line)) = step
            && String::from_utf8_lossy(&shown[seen..]).contains(awaited)
        {
            seen = shown.len();
            keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
            step = steps.next();
        }
    }
    (terminal.wait().unwrap().code(), String::from_utf8_lossy(&shown).into_owned())
}
