//! How times, states and foreign text look on a terminal.

use std::borrow::Cow;

use fourinsight_ipc::message::Identity;
use jiff::{Timestamp, tz::TimeZone};

/// Text from elsewhere, made harmless for a terminal: controls, escape sequences and what changes the direction of
/// writing or is invisible become `\u{fffd}`, line ends and tabs a space.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let replace = |letter: char| match letter {
        '\n' | '\r' | '\t' => ' ',
        letter if is_harmless(letter) => letter,
        _ => char::REPLACEMENT_CHARACTER,
    };
    Cow::Owned(text.chars().map(replace).collect())
}

fn is_harmless(letter: char) -> bool {
    let hidden = matches!(letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !letter.is_control() && !hidden
}

/// Text as an argument of a command that can be copied into a POSIX shell.
pub(crate) fn argument(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@+=:/,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

/// A person as people know them, and the subject identifier where it says more.
pub(crate) fn person(identity: Option<&Identity>) -> Option<String> {
    let identity = identity?;
    let text = match identity.name.as_deref().filter(|name| !name.trim().is_empty()) {
        Some(name) if name != identity.sub => format!("{name} ({})", identity.sub),
        _ => identity.sub.clone(),
    };
    Some(clean(&text).into_owned())
}

/// A length of time in at most two units: `45 s`, `42 min`, `3 h 5 min`, `2 d 4 h`.
pub(crate) fn length(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A countdown, to the second: `4 min 59 s`.
pub(crate) fn countdown(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds:02} s"),
    }
}

/// A moment seen from now: `in 42 min`, `now`, `3 h ago`.
pub(crate) fn relative(at: i64, now: i64) -> String {
    match at.saturating_sub(now) {
        0 => "now".to_owned(),
        ahead @ 1.. => format!("in {}", length(ahead.unsigned_abs())),
        behind => format!("{} ago", length(behind.unsigned_abs())),
    }
}

/// A moment on the clock of a time zone: `2026-03-01 14:05:00 CET`.
pub(crate) fn absolute(at: i64, zone: &TimeZone) -> String {
    Timestamp::from_second(at).map_or_else(
        |_| format!("Unix time {at}"),
        |moment| moment.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
    )
}

/// The wall clock, in Unix seconds: what the daemon's moments are compared with.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Rows under headings, each column as wide as its widest cell; the last one runs free.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: &[[Cell; N]]) -> String {
    let mut widths = headings.map(width);
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(&cell.text));
        }
    }
    let bold = anstyle::Style::new().bold();
    let heading = headings.map(|text| Cell { text: text.to_owned(), style: bold });
    let mut text = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        for (at, cell) in row.iter().enumerate() {
            let last = at + 1 == N;
            text += &cell.styled();
            if !last {
                let padding = widths[at] - width(&cell.text) + 2;
                text.extend(std::iter::repeat_n(' ', padding));
            }
        }
        text.push('\n');
    }
    text
}

/// Labels and their values, the values aligned.
pub(crate) fn labelled(rows: &[(&str, Cell)]) -> String {
    let widest = rows.iter().map(|(label, _)| width(label)).max().unwrap_or_default();
    let mut text = String::new();
    for (label, value) in rows {
        let padding = " ".repeat(widest - width(label) + 2);
        text.extend([label, padding.as_str(), value.styled().as_str(), "\n"]);
    }
    text
}

/// Text from anywhere, cleaned when it becomes a cell, and how it looks.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: anstyle::Style,
}

impl Cell {
    /// A cell without any style.
    pub(crate) fn plain(text: &str) -> Self {
        Self { text: clean(text).into_owned(), style: anstyle::Style::new() }
    }

    /// A cell in a colour.
    pub(crate) fn coloured(text: &str, colour: anstyle::AnsiColor) -> Self {
        Self { style: colour.on_default(), ..Self::plain(text) }
    }

    fn styled(&self) -> String {
        let style = self.style;
        format!("{style}{}{style:#}", self.text)
    }
}

/// How many columns the text takes, counting letters: wide scripts come out narrower than they are.
fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_plays_with_the_terminal_is_defused() {
        assert_eq!(clean("Ada Lovelace"), "Ada Lovelace");
        assert_eq!(clean("\x1b[31mred\x07"), "\u{fffd}[31mred\u{fffd}");
        assert_eq!(clean("a\u{202e}b\u{2066}c\u{200b}d"), "a\u{fffd}b\u{fffd}c\u{fffd}d");
        assert_eq!(clean("two\nlines\tand \u{9b}31m"), "two lines and \u{fffd}31m");
        assert_eq!(clean("Zoë 李"), "Zoë 李");
    }

    #[test]
    fn an_argument_is_quoted_where_a_shell_would_read_more_into_it() {
        assert_eq!(argument("work-2.b"), "work-2.b");
        assert_eq!(argument("my work"), "'my work'");
        assert_eq!(argument("a'b$(c)"), r"'a'\''b$(c)'");
        assert_eq!(argument(""), "''");
    }

    #[test]
    fn moments_are_told_from_now() {
        for (ahead, text) in [
            (0, "now"),
            (45, "in 45 s"),
            (119, "in 1 min"),
            (42 * 60, "in 42 min"),
            (3 * 3600 + 5 * 60, "in 3 h 5 min"),
            (3600, "in 1 h"),
            (2 * 86_400 + 4 * 3600 + 59, "in 2 d 4 h"),
            (86_400, "in 1 d"),
            (-90, "1 min ago"),
        ] {
            assert_eq!(relative(1_700_000_000 + ahead, 1_700_000_000), text);
        }
        assert_eq!(relative(i64::MAX, i64::MIN), format!("in {}", length(i64::MAX as u64)));
    }

    #[test]
    fn moments_beyond_the_calendar_are_still_shown() {
        assert_eq!(absolute(1_700_000_000, &TimeZone::UTC), "2023-11-14 22:13:20 UTC");
        assert_eq!(absolute(i64::MAX, &TimeZone::UTC), format!("Unix time {}", i64::MAX));
    }

    #[test]
    fn a_countdown_keeps_its_width_within_a_minute() {
        assert_eq!(countdown(299), "4 min 59 s");
        assert_eq!(countdown(61), "1 min 01 s");
        assert_eq!(countdown(9), "9 s");
    }

    #[test]
    fn a_styled_cell_is_padded_by_its_letters_alone() {
        let rows = [[Cell::coloured("ab", anstyle::AnsiColor::Red), Cell::plain("x")]];
        let text = table(["one", "two"], &rows);
        assert!(text.contains("\x1b["), "{text:?}");
        assert_eq!(anstream::adapter::strip_str(&text).to_string(), "one  two\nab   x\n");
    }
}
