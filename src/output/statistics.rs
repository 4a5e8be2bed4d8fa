//! How many findings each rule has, for those who look at a repository for the first time.
//!
//! Refuses to show a single finding.

use super::concise::role;
use super::{Report, Style};
use crate::diagnostic::Severity;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Writes one line for each rule: the number of its findings, their severity, its name and
/// what it is about; the graver and the more, the earlier.
pub fn write_statistics(report: &Report<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let out = &mut style.fit(out);
    let mut counts: BTreeMap<(Severity, &str), usize> = BTreeMap::new();
    for finding in report.findings {
        *counts.entry((finding.severity, finding.rule)).or_default() += 1;
    }
    let mut lines: Vec<_> = counts.into_iter().collect();
    lines.sort_by_key(|((severity, rule), count)| (Reverse((*severity, *count)), *rule));
    let widest = lines.iter().map(|((_, rule), _)| rule.len()).max();
    for ((severity, rule), count) in &lines {
        let known = report.rules.iter().find(|known| known.name == *rule);
        let summary = known.map_or("", |known| known.summary);
        let word = format!("{:<7}", severity.name());
        let word = style.paint(role(*severity), word);
        let width = widest.unwrap_or_default();
        writeln!(out, "{count:>6}  {word}  {rule:<width$}  {summary}")?;
    }
    Ok(())
}
