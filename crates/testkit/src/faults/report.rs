//! What was found, as a table for people and as Markdown.

use std::fs;

use super::{Extent, Figure};

/// The table, and what could not be done at all.
pub(super) fn table(found: &[(&str, Vec<Figure>)], failed: &[String]) -> String {
    let mut rows = vec![["campaign", "figure", "measured", "promised", "kept", ""].map(str::to_owned)];
    rows.extend(
        found.iter().flat_map(|(campaign, figures)| figures.iter().map(|figure| row(campaign, figure))),
    );
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::from("\n");
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text.extend(["\n", &sum(found), "\n"]);
    for reason in failed {
        text.extend(["not done: ", reason, "\n"]);
    }
    text
}

/// The same for a page.
pub(super) fn markdown(found: &[(&str, Vec<Figure>)], failed: &[String], extent: Extent) -> String {
    let run = match extent {
        Extent::Quick => "quick",
        Extent::Full => "full",
    };
    let mut text = format!("The {run} run, on {}.\n\n", machine());
    text += "| campaign | figure | measured | promised | kept | |\n|---|---|---|---|---|---|\n";
    for (campaign, figures) in found {
        for figure in figures {
            let cells = row(campaign, figure).map(|cell| cell.replace('|', "\\|"));
            text.extend(["| ", &cells.join(" | "), " |\n"]);
        }
    }
    text.extend(["\n", &sum(found), "\n"]);
    for reason in failed {
        text.extend(["\nNot done: ", reason, "\n"]);
    }
    text
}

fn row(campaign: &str, figure: &Figure) -> [String; 6] {
    let kept = match (figure.promise.is_empty(), figure.kept) {
        (true, _) => "",
        (false, true) => "yes",
        (false, false) => "NO",
    };
    let Figure { name, measured, promise, detail, .. } = figure.clone();
    [campaign.to_owned(), name, measured, promise, kept.to_owned(), detail]
}

fn sum(found: &[(&str, Vec<Figure>)]) -> String {
    let promised =
        || found.iter().flat_map(|(_, figures)| figures).filter(|figure| !figure.promise.is_empty());
    let kept = promised().filter(|figure| figure.kept).count();
    format!("{kept} of {} promises kept", promised().count())
}

/// What it ran on, in a line.
fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("a processor without a name", |(_, model)| model.trim());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version: Vec<_> = kernel.trim().split('.').take(2).collect();
    format!("{model}, {processors} processors, Linux {}", version.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Vec<(&'static str, Vec<Figure>)> {
        let figures = vec![Figure::none("strict: lost", 1, 9).with("a|b"), Figure::told("cycle", "30 ms")];
        vec![("kill", figures)]
    }

    #[test]
    fn a_broken_promise_is_said_plainly() {
        let table = table(&found(), &["window: no strace".to_owned()]);
        let words = |start: &str| {
            let line = table.lines().find(|line| line.contains(start)).unwrap();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words("strict"), "kill strict: lost 1 of 9 0 NO a|b");
        assert_eq!(words("cycle"), "kill cycle 30 ms");
        assert!(table.contains("0 of 1 promises kept") && table.contains("not done: window: no strace"));
    }

    #[test]
    fn a_page_holds_the_same() {
        let page = markdown(&found(), &[], Extent::Full);
        assert!(page.starts_with("The full run, on "));
        assert!(page.contains("| kill | strict: lost | 1 of 9 | 0 | NO | a\\|b |\n"), "{page}");
    }
}
