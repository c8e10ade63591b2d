//! QR codes for a terminal: two modules to a letter, one above the other.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code (ISO/IEC 18004 section 9.1).
const QUIET: usize = 4;

/// How the modules get their colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// Black on white, whatever the terminal's own colours are.
    Coloured,
    /// By the letters alone: they are the light modules, as on most terminals light letters stand on dark ground.
    Plain,
}

/// The rows of the text's QR code, each equally wide; nothing when the text is too long for one.
pub(super) fn rows(text: &str, ink: Ink) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let (width, colours) = (code.width(), code.to_colors());
    let is_dark = |row: usize, column: usize| {
        let inside = (QUIET..QUIET + width).contains(&row) && (QUIET..QUIET + width).contains(&column);
        inside && colours[(row - QUIET) * width + column - QUIET] == Color::Dark
    };
    let whole = width + 2 * QUIET;
    let row = |upper: usize| {
        let letters = (0..whole).map(|column| {
            let marked = |row| is_dark(row, column) == (ink == Ink::Coloured);
            match (marked(upper), marked(upper + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            }
        });
        match ink {
            Ink::Coloured => ["\x1b[38;5;16;48;5;231m", &letters.collect::<String>(), "\x1b[0m"].concat(),
            Ink::Plain => letters.collect(),
        }
    };
    Some((0..whole).step_by(2).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "https://id.example.com/device?user_code=WDJB-MJHT";

    /// The modules that the rows show, dark ones as `true`.
    fn modules(rows: &[String], ink: Ink) -> Vec<Vec<bool>> {
        let mut modules = Vec::new();
        for row in rows {
            let row = anstream::adapter::strip_str(row).to_string();
            let marked = |marks: [char; 2]| {
                row.chars().map(|letter| marks.contains(&letter) == (ink == Ink::Coloured)).collect()
            };
            modules.push(marked(['█', '▀']));
            modules.push(marked(['█', '▄']));
        }
        modules
    }

    #[test]
    fn the_rows_show_the_code_within_its_quiet_zone() {
        let code = QrCode::with_error_correction_level(URI, EcLevel::L).unwrap();
        for ink in [Ink::Coloured, Ink::Plain] {
            let shown = modules(&rows(URI, ink).unwrap(), ink);
            let width = code.width() + 2 * QUIET;
            assert!(shown.iter().all(|row| row.len() == width));
            for (y, row) in shown.iter().enumerate() {
                for (x, dark) in row.iter().enumerate() {
                    let inside = |at: usize| (QUIET..QUIET + code.width()).contains(&at);
                    let expected = inside(x) && inside(y) && code[(x - QUIET, y - QUIET)] == Color::Dark;
                    assert_eq!(*dark, expected, "{ink:?} {x} {y}");
                }
            }
        }
    }

    #[test]
    fn a_text_beyond_the_largest_code_has_none() {
        assert_eq!(rows(&"x".repeat(3000), Ink::Plain), None);
    }
}
