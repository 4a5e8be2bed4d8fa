//! A fixture, linted: its first lines say what is known beyond its manifests, and it may
//! hold several files.
//!
//! Refuses to know which rule it is about.

use npcheck::cluster::Cluster;
use npcheck::config::Config;
use npcheck::diagnostic::{Diagnostic, Edit};
use npcheck::engine::Engine;
use npcheck::lint::{Input, Inventory, Report, RuleMeta};
use npcheck::source::{SourceId, SourceMap};
use npcheck::{fix, lint, manifest, rules};
use std::collections::BTreeSet;

/// A first line that starts so holds a configuration, as a mapping on that one line.
const CONFIGURATION: &str = "# npcheck.yaml: ";
/// A line that starts so begins a further file, and names it.
const FILE: &str = "# file: ";
/// The day on which fixtures are linted.
const TODAY: &str = "2026-11-21";

/// A fixture, linted by all rules.
pub(crate) struct Linted {
    sources: SourceMap,
    /// The files, with the number of lines that stand above each of them in the fixture.
    files: Vec<(SourceId, u32)>,
    pub(crate) report: Report,
}

impl Linted {
    /// Lints the text of a fixture that is called `name`.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let mut sources = SourceMap::default();
        let mut files = Vec::new();
        let mut lines_above = 0;
        for (name, text) in split(name, text) {
            files.push((sources.add(name, text), lines_above));
            lines_above += text.matches('\n').count() as u32;
        }
        let mut documents = Vec::new();
        let mut reported = Vec::new();
        let mut objects = Vec::new();
        for (id, _) in &files {
            let source = sources.get(*id);
            let parsed = manifest::read(*id, source.name(), source.text());
            documents.extend(parsed.documents);
            reported.extend(parsed.diagnostics);
            objects.extend(parsed.objects);
        }
        let known_rules: Vec<&RuleMeta> = rules::ALL.iter().map(|rule| rule.meta()).collect();
        let config = configuration(name, text, &known_rules);
        let cluster = Cluster::new(objects);
        let engine = Engine::new(&cluster);
        let input = Input {
            sources: &sources,
            documents: &documents,
            reported: &reported,
            cluster: &cluster,
            engine: &engine,
            settings: &config.settings,
            known_rules: &known_rules,
            allow: &config.allow,
            path_of: &str::to_owned,
            today: TODAY.parse().expect("a date"),
        };
        let report = lint::run(&input, rules::ALL);
        Self {
            sources,
            files,
            report,
        }
    }

    /// The findings of a rule that nobody has allowed.
    pub(crate) fn of<'l>(&'l self, rule: &'l str) -> impl Iterator<Item = &'l Diagnostic> {
        self.report
            .findings
            .iter()
            .filter(move |finding| finding.rule == rule)
    }

    /// The lines of the fixture that findings of a rule underline.
    pub(crate) fn lines(&self, rule: &str) -> BTreeSet<u32> {
        let line = |finding: &Diagnostic| {
            let span = finding.primary.span;
            let mut files = self.files.iter();
            let file = files.find(|(source, _)| *source == span.source);
            let (_, lines_above) = file.expect("a finding is about a file of the fixture");
            lines_above + self.sources.position(span).line
        };
        self.of(rule).map(line).collect()
    }

    /// The fixture with every fix of a rule applied.
    pub(crate) fn mended(&self, rule: &str) -> String {
        let fixes = self.of(rule).filter_map(|finding| finding.fix.as_ref());
        let edits: Vec<&Edit> = fixes.flat_map(|fix| &fix.edits).collect();
        let mend = |(id, _): &(SourceId, u32)| {
            let of_file = edits.iter().filter(|edit| edit.span.source == *id);
            let of_file: Vec<Edit> = of_file.map(|edit| (*edit).clone()).collect();
            fix::apply(self.sources.get(*id).text(), &of_file)
                .unwrap_or_else(|conflict| panic!("{rule}: {conflict}"))
        };
        self.files.iter().map(mend).collect()
    }
}

/// The files of a fixture: cut before every line that names one, so that together they are
/// the whole text.
fn split<'t>(name: &'t str, text: &'t str) -> Vec<(&'t str, &'t str)> {
    let mut starts: Vec<usize> = text
        .match_indices(FILE)
        .map(|(at, _)| at)
        .filter(|at| *at == 0 || text.as_bytes()[at - 1] == b'\n')
        .collect();
    if starts.first() != Some(&0) {
        starts.insert(0, 0);
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let file = |(start, end): (&usize, usize)| {
        let part = &text[*start..end];
        let named = part.strip_prefix(FILE).and_then(|part| part.lines().next());
        (named.map_or(name, str::trim), part)
    };
    starts.iter().zip(ends).map(file).collect()
}

/// What the first line says is known beyond the manifests.
fn configuration(name: &str, text: &str, rules: &[&RuleMeta]) -> Config {
    let first = text.lines().next().unwrap_or_default();
    let mut config = match first.strip_prefix(CONFIGURATION) {
        Some(yaml) => {
            Config::read(yaml, rules).unwrap_or_else(|error| panic!("{name}, first line: {error}"))
        }
        None => Config::default(),
    };
    if first == "# inventory: complete" {
        config.settings.inventory = Inventory::Complete;
    }
    config
}
