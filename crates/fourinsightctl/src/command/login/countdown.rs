//! The countdown: one line on a terminal's standard error that says how much time the person has.

use std::io::{self, IsTerminal};

use jiff::SignedDuration;

use crate::{output, render};

/// The line, where there is a terminal that can replace it.
pub(super) struct Countdown {
    possible: bool,
    /// Whether the cursor is on it.
    shown: bool,
}

impl Countdown {
    /// Not shown yet.
    pub(super) fn new() -> Self {
        Self { possible: io::stderr().is_terminal() && output::can_move_the_cursor(), shown: false }
    }

    /// Shows how much time is left.
    pub(super) fn show(&mut self, left: SignedDuration) {
        if self.possible {
            let left = render::countdown(u64::try_from(left.as_secs()).unwrap_or_default());
            output::replace_line_on_stderr(&format!("Waiting for you: {left} left "));
            self.shown = true;
        }
    }

    /// Makes room for something else on its line; what stands there otherwise is left alone.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            output::replace_line_on_stderr("");
        }
    }
}
