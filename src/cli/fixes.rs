//! What `lint --fix` and `lint --diff` do with the autofixed texts: write them, or show them.
//!
//! Refuses to know how they were autofixed.

use super::input::Input;
use super::line_diff::unified_diff;
use super::replace::replace;
use super::terminal::{Terminal, Verbosity};
use crate::diagnostic::{Diagnostic, FixClass};
use crate::graph::{End, Flow, GraphDiff};
use crate::output::{Escaped, EscapedLine, count, range_name};
use crate::workspace::{Autofixed, Permission};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// How many flows of a kind are printed one by one.
const SHOWN: usize = 10;

/// Writes every text that changed, and says what came of it. Whether all could be written.
pub(super) fn write(input: &Input, autofixed: &Autofixed, terminal: &mut Terminal) -> bool {
    let mut is_all_written = true;
    let mut written = 0;
    for file in input
        .files
        .iter()
        .filter(|file| autofixed.changed.contains(&file.source))
    {
        let path = file.path(input.workspace.sources());
        let path = path.expect("only files are autofixed");
        let (before, after) = (
            input.workspace.sources().get(file.source),
            autofixed.workspace.sources().get(file.source),
        );
        match replace(path, before.text(), after.text()) {
            Ok(()) => written += 1,
            Err(error) => {
                terminal.complain(before.name(), &error.to_string());
                is_all_written = false;
            }
        }
    }
    if terminal.verbosity > Verbosity::Quiet {
        if autofixed.fixed > 0 {
            let (findings, files) = (count(autofixed.fixed, "finding"), count(written, "file"));
            terminal.say(format_args!("fixed {findings} in {files}"));
        }
        report(autofixed, terminal);
    }
    is_all_written
}

/// Prints the changes as a unified diff. Always true: nothing was to be written.
pub(super) fn show(
    input: &Input,
    autofixed: &Autofixed,
    terminal: &mut Terminal,
) -> io::Result<bool> {
    for id in &autofixed.changed {
        let (before, after) = (
            input.workspace.sources().get(*id),
            autofixed.workspace.sources().get(*id),
        );
        let name = Escaped(before.name()).to_string();
        let text = unified_diff(&name, before.text(), after.text());
        for line in text.lines() {
            let written = writeln!(terminal.out(), "{}", EscapedLine(line));
            terminal.finish(written)?;
        }
    }
    report(autofixed, terminal);
    Ok(true)
}

/// The fixes that findings offer, by what they do.
pub(super) struct Offered {
    /// How many of them were permitted.
    pub(super) number: usize,
    /// How many of each other class there are.
    others: BTreeMap<FixClass, usize>,
}

impl Offered {
    /// Counts them.
    pub(super) fn new(findings: &[Diagnostic], permission: Permission) -> Self {
        let mut offered = Self {
            number: 0,
            others: BTreeMap::new(),
        };
        for fix in findings.iter().filter_map(|finding| finding.fix.as_ref()) {
            match permission.admits(fix.class) {
                true => offered.number += 1,
                false => *offered.others.entry(fix.class).or_default() += 1,
            }
        }
        offered
    }

    /// Says that nothing was fixed, and what would be with another option.
    pub(super) fn say(&self, terminal: &mut Terminal) {
        if terminal.verbosity == Verbosity::Quiet {
            return;
        }
        let mut others = self.others.iter();
        let Some((first, number)) = others.next() else {
            return terminal.say("no finding has a fix that changes anything");
        };
        let mut line = format!(
            "nothing to fix; --fix={} would fix {}",
            first.name(),
            count(*number, "finding")
        );
        for (class, number) in others {
            line += &format!(", --fix={} {number}", class.name());
        }
        terminal.say(line);
    }
}

/// Says what the fixes change for connections, and which fixes were left out.
fn report(autofixed: &Autofixed, terminal: &mut Terminal) {
    // Several clusters may have the same flow: it is told once.
    let added = lines(autofixed.changes.iter().flat_map(GraphDiff::added));
    let removed = lines(autofixed.changes.iter().flat_map(GraphDiff::removed));
    let mut witness: Option<String> = None;
    for (verb, lines) in [("opens", &added), ("closes", &removed)] {
        for (line, of_line) in lines.iter().take(SHOWN) {
            terminal.say(format_args!("  {verb} {line}"));
            witness = witness.or_else(|| of_line.clone());
        }
        if lines.len() > SHOWN {
            let more = count(lines.len() - SHOWN, "flow");
            terminal.say(format_args!("  {verb} {more} more"));
        }
    }
    if let Some(name) = witness {
        let labels = name.rsplit_once("/+").map_or(&*name, |(_, labels)| labels);
        terminal.say(format_args!(
            "  +{labels}: a pod with these labels, which no manifest here declares"
        ));
    }
    for (finding, fault) in &autofixed.refused {
        let span = finding.primary.span;
        let source = autofixed.workspace.sources().get(span.source);
        let (rule, name) = (finding.rule, Escaped(source.name()));
        terminal.say(format_args!("not fixed: {rule} in {name}: {fault}"));
    }
}

/// The flows as they are printed, each once, with the name of an end that no manifest declares.
fn lines(flows: impl Iterator<Item = Flow>) -> Vec<(String, Option<String>)> {
    let mut told = BTreeSet::new();
    let lines = flows.map(|flow| {
        let ends = [&flow.source, &flow.destination];
        let [from, to] = ends.map(end);
        let witness = ends.into_iter().find(|end| end.is_witness()).map(end);
        (format!("{from} -> {to}  {}", flow.connections), witness)
    });
    lines
        .filter(|(line, _)| told.insert(line.clone()))
        .collect()
}

fn end(end: &End) -> String {
    match end {
        End::Workload(name) => Escaped(name).to_string(),
        End::Outside(range) => range_name(*range),
    }
}
