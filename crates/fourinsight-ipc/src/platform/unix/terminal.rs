//! Typing that the terminal does not show.

use std::io::{self, IsTerminal};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// While it lives, the terminal of standard input does not show what is typed; afterwards it is as it was.
#[derive(Debug)]
pub struct HiddenInput {
    before: Termios,
}

impl HiddenInput {
    /// Hides what is typed; `None` when standard input is no terminal, or one that cannot hide.
    pub fn on() -> Option<Self> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut hidden = before.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        // The Enter at the end is shown, so that what is printed next begins on a line of its own.
        hidden.local_flags.insert(LocalFlags::ECHONL);
        tcsetattr(&stdin, SetArg::TCSANOW, &hidden).ok()?;
        Some(Self { before })
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        // A terminal that has gone away needs nothing restored.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before);
    }
}
