//! Typing that the console does not show.

use std::{
    io::{self, IsTerminal},
    os::windows::io::AsRawHandle,
};

use windows_sys::Win32::System::Console::{CONSOLE_MODE, ENABLE_ECHO_INPUT, GetConsoleMode, SetConsoleMode};

/// While it lives, the console of standard input does not show what is typed; afterwards it is as it was.
#[derive(Debug)]
pub struct HiddenInput {
    before: CONSOLE_MODE,
}

impl HiddenInput {
    /// Hides what is typed; `None` when standard input is no console.
    pub fn on() -> Option<Self> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let mut before = 0;
        #[expect(
            unsafe_code,
            reason = "the handle lives as long as the process; the mode is written to our variable"
        )]
        let known = unsafe { GetConsoleMode(stdin.as_raw_handle(), &raw mut before) } != 0;
        (known && set(before & !ENABLE_ECHO_INPUT)).then_some(Self { before })
    }

    /// Hides again what is typed, where another program has shown it since.
    pub fn again(&self) {
        // A console that has gone away shows nothing.
        set(self.before & !ENABLE_ECHO_INPUT);
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        // A console that has gone away needs nothing restored.
        set(self.before);
    }
}

fn set(mode: CONSOLE_MODE) -> bool {
    #[expect(unsafe_code, reason = "the handle lives as long as the process, and the mode is a plain number")]
    let done = unsafe { SetConsoleMode(io::stdin().as_raw_handle(), mode) } != 0;
    done
}
