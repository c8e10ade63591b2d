//! What the person sees: chapters, and a live view that is redrawn on a terminal and plain lines elsewhere.

use std::{
    cell::Cell,
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use anyhow::Result;

use super::{ACCESS_TOKEN_LIFE, tally::Tally, workers::Kind};

/// How wide the bar is that shows a token's life.
const BAR: usize = 30;

/// Writes to standard output.
pub(super) struct View {
    stdout: io::Stdout,
    redraws: bool,
    /// How many lines the last frame left on the terminal.
    drawn: Cell<usize>,
    /// How many renewals the last plain line told of.
    told: Cell<usize>,
}

impl View {
    /// Redraws on a terminal, unless it is to be `plain`.
    pub(super) fn new(plain: bool) -> Self {
        let stdout = io::stdout();
        let redraws = stdout.is_terminal() && !plain;
        Self { stdout, redraws, drawn: Cell::new(0), told: Cell::new(0) }
    }

    /// How often there is something to see.
    pub(super) fn pace(&self) -> Duration {
        Duration::from_millis(if self.redraws { 200 } else { 3000 })
    }

    /// A heading.
    pub(super) fn chapter(&self, title: &str) -> Result<()> {
        let title = if self.redraws { format!("\x1b[1m{title}\x1b[0m") } else { title.to_owned() };
        self.print(&format!("\n{title}\n"))
    }

    /// A line below a heading.
    pub(super) fn line(&self, text: &str) -> Result<()> {
        self.print(&format!("  {text}\n"))
    }

    /// A command that is run, as a person would type it.
    pub(super) fn command(&self, command: &str) -> Result<()> {
        self.line(&format!("$ {command}"))
    }

    /// What a command printed.
    pub(super) fn output(&self, text: &str) -> Result<()> {
        text.lines().try_for_each(|line| self.line(line))
    }

    /// The moment as it is now.
    pub(super) fn frame(&self, tally: &Tally, now: Duration) -> Result<()> {
        if self.redraws { self.redraw(&frame(tally, now)) } else { self.tell(tally, now) }
    }

    /// The last moment, which stays.
    pub(super) fn last_frame(&self, tally: &Tally, now: Duration) -> Result<()> {
        self.frame(tally, now)?;
        self.drawn.set(0);
        Ok(())
    }

    fn redraw(&self, lines: &[String]) -> Result<()> {
        // Without line wrap for a moment, a line is a row whatever the terminal's width.
        let mut text = String::from("\x1b[?7l");
        if self.drawn.get() > 0 {
            write!(text, "\x1b[{}A", self.drawn.get())?;
        }
        for line in lines {
            writeln!(text, "\r\x1b[2K  {line}")?;
        }
        self.drawn.set(lines.len());
        self.print(&(text + "\x1b[?7h"))
    }

    fn tell(&self, tally: &Tally, now: Duration) -> Result<()> {
        let (total, renewals) = (tally.total(), tally.renewals.len());
        let news = if renewals > self.told.replace(renewals) { ", just renewed" } else { "" };
        self.line(&format!(
            "{:>5.1} s  {:>4} tokens served, {renewals} renewals, {} failures{news}",
            now.as_secs_f64(),
            total.served,
            total.failed
        ))
    }

    fn print(&self, text: &str) -> Result<()> {
        let mut stdout = self.stdout.lock();
        stdout.write_all(text.as_bytes())?;
        Ok(stdout.flush()?)
    }
}

/// The lines of one frame: the same number each time.
fn frame(tally: &Tally, now: Duration) -> Vec<String> {
    let mut lines = vec![format!(
        "{:>5.1} s   access token {}",
        now.as_secs_f64(),
        tally.left.map_or_else(String::new, |left| life(left, ACCESS_TOKEN_LIFE.as_secs()))
    )];
    lines.extend(Kind::ALL.map(|kind| {
        let count = tally.of(kind);
        format!("{:<24} {:>5} tokens  {:>3} failures", kind.name(), count.served, count.failed)
    }));
    let moments: Vec<_> =
        tally.renewals.iter().map(|moment| format!("{:.1} s", moment.as_secs_f64())).collect();
    lines.push(format!("{:<24} {:>5}         {}", "renewals", moments.len(), moments.join(", ")));
    lines
}

/// A bar that empties as a token ages.
fn life(left: u64, whole: u64) -> String {
    let full = (BAR as u64 * left.min(whole)).div_ceil(whole.max(1)) as usize;
    format!("[{}{}] {left} of {whole} s left", "#".repeat(full), ".".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::ask::Ask;

    #[test]
    fn a_bar_is_as_full_as_the_token_is_young() {
        assert_eq!(life(10, 10), format!("[{}] 10 of 10 s left", "#".repeat(BAR)));
        assert_eq!(life(0, 10), format!("[{}] 0 of 10 s left", ".".repeat(BAR)));
        assert!(life(5, 10).starts_with(&format!("[{}.", "#".repeat(BAR / 2))));
        assert!(life(99, 10).starts_with(&format!("[{}]", "#".repeat(BAR))), "a longer life is a full bar");
    }

    #[test]
    fn every_frame_has_the_same_number_of_lines() {
        let mut tally = Tally::default();
        let before = frame(&tally, Duration::ZERO).len();
        tally.add((Kind::Curl, Ask::Served { left: 3 }));
        tally.renewed(2, Duration::from_secs(7));
        let after = frame(&tally, Duration::from_secs(8));
        assert_eq!(after.len(), before);
        assert!(after.last().unwrap().contains("7.0 s, 7.0 s"), "{after:?}");
    }
}
