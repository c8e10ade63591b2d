//! Durations as people type them: `90`, `90s`, `5m`, `8h`, `7d`.

use std::time::Duration;

/// Parses a whole number with an optional unit: `s` (the default), `m`, `h` or `d`.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(fourinsight_ipc::duration::parse("5m"), Ok(Duration::from_secs(300)));
/// ```
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        Some((at, 'd')) => (&text[..at], 86_400),
        _ => (text, 1),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidDuration);
    }
    digits
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(unit))
        .filter(|seconds| *seconds <= MAX_SECONDS)
        .map(Duration::from_secs)
        .ok_or(InvalidDuration)
}

/// A hundred years: more than any token lives, and far from every overflow.
const MAX_SECONDS: u64 = 100 * 365 * 86_400;

/// The text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a duration: write whole seconds (90), or a number with s, m, h or d (5m, 8h)")]
pub struct InvalidDuration;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_seconds_minutes_hours_and_days() {
        for (text, seconds) in
            [("0", 0), ("90", 90), ("90s", 90), ("5m", 300), ("8h", 28_800), ("7d", 604_800)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "s", "-1", "+1", "1.5h", "5 m", "5M", "1h30m", "99999999999999999999", "999999999999d", "é"]
        {
            assert_eq!(parse(text), Err(InvalidDuration), "{text}");
        }
    }
}
