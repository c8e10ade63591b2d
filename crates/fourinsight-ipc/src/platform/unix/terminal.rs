//! Typing that the terminal does not show.

use std::io::{self, IsTerminal};

use nix::{
    libc::_POSIX_VDISABLE,
    sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr},
    unistd::{getpgrp, tcgetpgrp},
};

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
        hide(before.clone())?;
        Some(Self { before })
    }

    /// Hides again what is typed, where a shell has shown it since: it does when this process is suspended and comes
    /// back.
    pub fn again(&self) {
        let stdin = io::stdin();
        // Whoever sets the terminal from the background is stopped.
        let in_front = tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp());
        match tcgetattr(&stdin) {
            // An error means that the terminal has gone away.
            Ok(now) if in_front && now.local_flags.intersects(SHOWING) => drop(hide(now)),
            _ => {}
        }
    }
}

/// What shows what is typed, and keeps it until the line ends.
const SHOWING: LocalFlags = LocalFlags::ECHO.union(LocalFlags::ICANON);

fn hide(mut mode: Termios) -> Option<()> {
    mode.local_flags.remove(SHOWING);
    mode.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
    mode.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
    // Ctrl-\ would end the process before it could put the terminal back; Ctrl-C does not.
    mode.control_chars[SpecialCharacterIndices::VQUIT as usize] = _POSIX_VDISABLE;
    tcsetattr(io::stdin(), SetArg::TCSANOW, &mode).ok()
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        // A terminal that has gone away needs nothing restored.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before);
    }
}
