//! A fixture, linted: its first lines say what is known beyond its manifests, and it may
//! hold several files.
//!
//! Refuses to know which rule it is about.

use npcheck::cluster::Cluster;
use npcheck::config::Config;
use npcheck::diagnostic::{Diagnostic, Edit, Fix, FixClass};
use npcheck::engine::Engine;
use npcheck::graph::{self, GraphDiff};
use npcheck::k8s::{Documents, Object, Outcome};
use npcheck::lint::{Input, Inventory, Report, RuleMeta};
use npcheck::output::{self, FindingFormat, Style};
use npcheck::source::{SourceId, SourceMap};
use npcheck::workspace::NotJudged;
use npcheck::{edit, lint, manifest, render, rules};
use std::collections::BTreeSet;

/// A first line that starts so holds a configuration, as a mapping on that one line.
const CONFIGURATION: &str = "# npcheck.yaml: ";
/// A line that starts so begins a further file, and names it.
const FILE: &str = "# file: ";
/// The same for a file of the state before a change, and of both states.
const BEFORE: &str = "# before: ";
const BOTH: &str = "# both: ";
/// The day on which fixtures are linted.
const TODAY: &str = "2026-11-21";

/// A fixture, linted by all rules.
pub(crate) struct Linted {
    sources: SourceMap,
    /// The files, with the number of lines that stand above each of them in the fixture.
    files: Vec<(SourceId, u32)>,
    objects: Vec<Object>,
    documents: Documents,
    pub(crate) report: Report,
}

impl Linted {
    /// Lints the text of a fixture that is called `name`.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let mut sources = SourceMap::default();
        let mut files = Vec::new();
        let mut lines_above = 0;
        let mut documents = Vec::new();
        let mut reported = Vec::new();
        let mut objects = Vec::new();
        let mut earlier = Vec::new();
        for section in split(name, text) {
            let id = sources.add(section.name, section.text);
            files.push((id, lines_above));
            lines_above += section.text.matches('\n').count() as u32;
            let parsed = manifest::read(id, section.name, section.text);
            if section.state != State::Now {
                earlier.extend(parsed.objects.iter().cloned());
            }
            if section.state != State::Before {
                documents.extend(parsed.documents);
                reported.extend(parsed.diagnostics);
                objects.extend(parsed.objects);
            }
        }
        let ids: Vec<SourceId> = files.iter().map(|(id, _)| *id).collect();
        if let Some(deployment) = render::deployment(&sources, &ids) {
            // What is built takes the place of the texts that it is built of.
            let mut built: BTreeSet<SourceId> = deployment.unreferenced.clone();
            built.extend(deployment.roots.iter().flat_map(|root| &root.texts));
            objects.retain(|object| {
                let is_kept = matches!(object, Object::ContextObject(_));
                is_kept || !built.contains(&object.meta().span.source)
            });
            reported.retain(|finding| !built.contains(&finding.primary.span.source));
            reported.extend(deployment.diagnostics);
            for root in deployment.roots {
                objects.extend(root.objects);
                reported.extend(root.diagnostics);
            }
        }
        let documents = Documents::from(documents);
        let known_rules: Vec<&RuleMeta> = rules::ALL.iter().map(|rule| rule.meta()).collect();
        let config = configuration(name, text, &known_rules);
        let cluster = Cluster::new(objects.clone());
        let engine = Engine::new(&cluster);
        let has_earlier = !earlier.is_empty();
        let earlier = Cluster::new(earlier);
        let earlier = Engine::new(&earlier);
        let input = Input {
            sources: &sources,
            documents: &documents,
            reported: &reported,
            cluster: &cluster,
            engine: &engine,
            earlier: has_earlier.then_some(&earlier),
            settings: &config.settings,
            known_rules: &known_rules,
            ignore: &config.ignore,
            path_of: &str::to_owned,
            today: TODAY.parse().expect("a date"),
        };
        let report = lint::run(&input, rules::ALL);
        Self {
            sources,
            files,
            objects,
            documents,
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

    /// The findings of a rule as a person reads them, each by itself.
    pub(crate) fn rendered(&self, rule: &str) -> String {
        let rules: Vec<&RuleMeta> = rules::ALL.iter().map(|rule| rule.meta()).collect();
        let mut out = Vec::new();
        for finding in self.of(rule) {
            let report = output::Report {
                sources: &self.sources,
                findings: std::slice::from_ref(finding),
                suppressed: &[],
                problems: &[],
                assumptions: &[],
                not_judged: &NotJudged::default(),
                rules: &rules,
                summary: &output::Summary::default(),
                found: output::Found::default(),
            };
            FindingFormat::Full
                .write(&report, Style::default(), &mut out)
                .expect("a vector can be written to");
        }
        String::from_utf8(out).expect("it is text")
    }

    /// What is wrong with the fixes of a rule, each applied by itself and measured by what
    /// its class promises.
    pub(crate) fn broken_promises(&self, rule: &str) -> Vec<String> {
        let fault = |finding: &Diagnostic| {
            let fault = self.fault(finding, finding.fix.as_ref()?)?;
            Some(format!("{}: {fault}", finding.message))
        };
        self.of(rule).filter_map(fault).collect()
    }

    /// Whether the fixes of a rule, all together, change who can talk to whom.
    pub(crate) fn changes_connectivity(&self, rule: &str) -> bool {
        let after = Self::new("fail.yaml", &self.mended(rule));
        !self.difference(&after, FixClass::Safe).is_empty()
    }

    fn fault(&self, finding: &Diagnostic, fix: &Fix) -> Option<&'static str> {
        let after = self.edited(&fix.edits);
        let broken = |linted: &Self| {
            let outcomes = linted.documents.iter().map(|document| document.outcome);
            outcomes.filter(|it| *it == Outcome::Broken).count()
        };
        if broken(&after) > broken(self) || after.accepted() < self.accepted() {
            return Some("what comes out is worse than before");
        }
        let metas = self.objects.iter().map(Object::meta);
        let mut metas = metas.filter(|meta| meta.span.contains(finding.primary.span));
        if !metas.any(|meta| meta.is_accepted) {
            // What had no effect before has none to keep.
            return None;
        }
        let difference = self.difference(&after, fix.class);
        let adds = difference.added().next().is_some();
        let removes = difference.removed().next().is_some();
        match fix.class {
            FixClass::Safe if adds || removes => Some("it is not safe"),
            FixClass::Narrowing if adds => Some("it opens something"),
            FixClass::Widening if removes => Some("it closes something"),
            _ => None,
        }
    }

    fn accepted(&self) -> usize {
        let metas = self.objects.iter().map(Object::meta);
        metas.filter(|meta| meta.is_accepted).count()
    }

    fn difference(&self, after: &Self, class: FixClass) -> GraphDiff {
        let clusters = [self, after].map(|linted| Cluster::new(linted.objects.clone()));
        let [one, other] = clusters.each_ref().map(Engine::new);
        let mut placeholders = graph::placeholders(&other, |_| true);
        if class == FixClass::Safe {
            placeholders.extend(graph::placeholders(&one, |_| true));
        }
        let clusters = [self, after].map(|linted| {
            let objects = linted.objects.iter().chain(&placeholders);
            Cluster::new(objects.cloned().collect())
        });
        let [one, other] = clusters.each_ref().map(Engine::new);
        graph::difference(&one, &other)
    }

    /// The fixture after some edits, linted.
    fn edited(&self, edits: &[Edit]) -> Self {
        Self::new("fail.yaml", &self.with(edits))
    }

    /// The fixture with every fix of a rule applied.
    pub(crate) fn mended(&self, rule: &str) -> String {
        let fixes = self.of(rule).filter_map(|finding| finding.fix.as_ref());
        let edits: Vec<Edit> = fixes.flat_map(|fix| &fix.edits).cloned().collect();
        self.with(&edits)
    }

    /// The text of the fixture after some edits.
    fn with(&self, edits: &[Edit]) -> String {
        let edited = |(id, _): &(SourceId, u32)| {
            let of_file = edits.iter().filter(|edit| edit.span.source == *id);
            let of_file: Vec<Edit> = of_file.cloned().collect();
            edit::apply(self.sources.get(*id).text(), &of_file).expect("fixes do not overlap")
        };
        self.files.iter().map(edited).collect()
    }
}

/// The files of a fixture: cut before every line that names one, so that together they are
/// the whole text.
fn split<'t>(name: &'t str, text: &'t str) -> Vec<Section<'t>> {
    let marks = [
        (FILE, State::Now),
        (BEFORE, State::Before),
        (BOTH, State::Both),
    ];
    let is_start = |at: usize| at == 0 || text.as_bytes()[at - 1] == b'\n';
    let found = marks.iter().flat_map(|(mark, state)| {
        let places = text.match_indices(mark).map(|(at, _)| at);
        places.map(|at| (at, *mark, *state))
    });
    let mut starts: Vec<(usize, &str, State)> = found.filter(|(at, ..)| is_start(*at)).collect();
    starts.sort_unstable_by_key(|(at, ..)| *at);
    if starts.first().is_none_or(|(at, ..)| *at != 0) {
        starts.insert(0, (0, "", State::Now));
    }
    let ends = starts.iter().skip(1).map(|(at, ..)| *at);
    let ends = ends.chain([text.len()]).collect::<Vec<_>>();
    let section = |((start, mark, state), end): (&(usize, &str, State), usize)| {
        let text = &text[*start..end];
        let named = text.strip_prefix(mark).and_then(|text| text.lines().next());
        let named = named.filter(|_| !mark.is_empty());
        Section {
            name: named.map_or(name, str::trim),
            text,
            state: *state,
        }
    };
    starts.iter().zip(ends).map(section).collect()
}

/// A file of a fixture.
struct Section<'t> {
    name: &'t str,
    text: &'t str,
    state: State,
}

/// When a file of a fixture is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the state that is linted.
    Now,
    /// In the state before a change.
    Before,
    /// In both.
    Both,
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
