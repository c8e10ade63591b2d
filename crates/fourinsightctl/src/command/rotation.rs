//! How a session's refresh token fares, in words: for `status KEY` and `why`.

use fourinsight_ipc::message::{KeptBy, SessionStatus};

use crate::render::relative;

/// A line of it.
pub(super) struct Line {
    pub(super) label: &'static str,
    pub(super) text: String,
    /// Whether it is bad news.
    pub(super) bad: bool,
}

/// The lines; none for a session without a refresh token.
pub(super) fn lines(session: &SessionStatus, now: i64) -> Vec<Line> {
    let Some(rotation) = &session.rotation else { return Vec::new() };
    let line = |label, text: &str| Line { label, text: text.to_owned(), bad: false };
    let last =
        rotation.last_at.map_or_else(|| "none since the login".to_owned(), |at| relative(at.min(now), now));
    let learnt = if rotation.learnt { " (learnt from its answers)" } else { "" };
    let mut lines = vec![
        line("generation", &session.generation.to_string()),
        line("last rotation", &last),
        Line { bad: rotation.kept_by == KeptBy::Memory, ..line("refresh token", kept(rotation.kept_by)) },
        line("rotation", &format!("{}{learnt}", rotation.behaviour)),
    ];
    if let Some(interrupted) = &rotation.interrupted {
        let since = relative(interrupted.since.min(now), now);
        let retry = interrupted.retry_at.map_or_else(String::new, |at| {
            format!(" (the refresh token is sent again {})", relative(at.max(now), now))
        });
        let text = format!("{since}: {}{retry}", interrupted.description);
        lines.push(Line { bad: true, ..line("interrupted", &text) });
    }
    lines
}

fn kept(by: KeptBy) -> &'static str {
    match by {
        KeptBy::Record => "on the disk, in the session's record",
        KeptBy::Journal => {
            "on the disk, as the server's answer in the journal; the record is still to be written"
        }
        KeptBy::Memory => "in memory alone: the disk takes nothing, and is tried every second",
        KeptBy::Nothing => "in memory only, as was asked for",
        _ => "in a place that this program does not know",
    }
}
