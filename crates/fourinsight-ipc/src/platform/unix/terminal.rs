//! Typing that the terminal does not show.

use std::io::{self, IsTerminal};

use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};

/// While it lives, the terminal of standard input does not show what is typed, and hands over each byte as it comes,
/// so that a line may be longer than the few thousand bytes that a terminal edits. Its reader deals with the keys that
/// correct a line and end the input. Afterwards the terminal is as it was.
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
        hidden.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON);
        hidden.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        hidden.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
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
