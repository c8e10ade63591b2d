//! The report: a table for people, or JSON.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};

use super::figure::{Bar, Measured, Unit};

/// The table, with the machine it was measured on.
pub(super) fn table(figures: &[Measured], missing: &[String]) -> String {
    let mut rows = vec![["figure", "median", "(lowest to highest)", "bar", "reached", ""].map(str::to_owned)];
    rows.extend(figures.iter().map(row));
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = format!("\n{}\n\n", machine());
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if (1..4).contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    let reached = figures.iter().filter(|figure| figure.reached()).count();
    text.extend(["\n", &format!("{reached} of {} bars reached", figures.len()), "\n"]);
    for reason in missing {
        text.extend(["not measured: ", reason, "\n"]);
    }
    text
}

/// The same for programs.
pub(super) fn json(figures: &[Measured], missing: &[String]) -> Result<String> {
    let figures: Vec<Value> = figures
        .iter()
        .map(|measured| {
            json!({
                "figure": measured.name(),
                "unit": measured.figure.unit,
                "measured": measured.spread,
                "bar": measured.figure.bar,
                "reached": measured.reached(),
                "detail": measured.detail,
            })
        })
        .collect();
    let report = json!({ "machine": machine(), "figures": figures, "not_measured": missing });
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

fn row(measured: &Measured) -> [String; 6] {
    let unit = measured.figure.unit;
    let shown = |value| shown(value, unit);
    let spread = &measured.spread;
    let bar = match measured.figure.bar {
        Bar::AtMost(bar) => format!("at most {}", shown(bar)),
        Bar::AtLeast(bar) => format!("at least {}", shown(bar)),
    };
    [
        measured.name(),
        shown(spread.median),
        format!("({} to {})", shown(spread.lowest), shown(spread.highest)),
        bar,
        if measured.reached() { "yes" } else { "NO" }.to_owned(),
        measured.detail.clone(),
    ]
}

fn shown(value: f64, unit: Unit) -> String {
    let sign = unit.sign();
    match unit {
        Unit::Ratio => format!("{value:.2}{sign}"),
        Unit::Milliseconds | Unit::Mebibytes | Unit::PerMinute => format!("{value:.1}{sign}"),
        Unit::Count => format!("{value:.0}{sign}"),
    }
}

/// What was measured on, in one line.
fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("a processor without a name", |(_, model)| model.trim());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let build = if cfg!(debug_assertions) {
        "UNOPTIMISED BUILD, these figures mean nothing"
    } else {
        "release build"
    };
    format!("{model}, {processors} processors, Linux {}, {build}", read("/proc/sys/kernel/osrelease").trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figure::Figure;

    fn figures() -> Vec<Measured> {
        let ratio = Figure { name: "calls", unit: Unit::Ratio, bar: Bar::AtMost(1.5) };
        let missed = Figure { name: "start", unit: Unit::Milliseconds, bar: Bar::AtMost(20.0) };
        vec![
            ratio.measured(&[1.25], "10 us".into()).about("1 client"),
            missed.measured(&[20.4, 21.0, 22.0], String::new()),
        ]
    }

    #[test]
    fn a_table_says_plainly_what_was_reached_and_what_was_not() {
        let table = table(&figures(), &["memory: not allowed".to_owned()]);
        let line = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        let words = |line: String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
        assert_eq!(
            words(line("calls, 1 client")),
            "calls, 1 client 1.25x (1.25x to 1.25x) at most 1.50x yes 10 us"
        );
        assert_eq!(words(line("start")), "start 21.0 ms (20.4 ms to 22.0 ms) at most 20.0 ms NO");
        assert!(table.contains("1 of 2 bars reached"));
        assert!(table.contains("not measured: memory: not allowed"));
    }

    #[test]
    fn the_same_as_json() {
        let report: Value = serde_json::from_str(&json(&figures(), &[]).unwrap()).unwrap();
        assert_eq!(report["figures"][0]["figure"], "calls, 1 client");
        assert_eq!(report["figures"][0]["bar"]["at_most"], 1.5);
        assert_eq!(report["figures"][1]["reached"], false);
        assert_eq!(report["figures"][1]["measured"]["rounds"], 3);
    }
}
