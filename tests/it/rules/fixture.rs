//! A fixture, linted: its first lines say what is known beyond its manifests, and it may
//! hold several files.
//!
//! Refuses to know which rule it is about.

use npcheck::cluster::Cluster;
use npcheck::config::Config;
use npcheck::diagnostic::{Diagnostic, Edit, Fix, FixClass, Severity};
use npcheck::engine::{Engine, Selectable};
use npcheck::graph::{self, GraphDiff};
use npcheck::k8s::{Object, Outcome};
use npcheck::lint::{Inventory, Report, RuleMeta};
use npcheck::output::{self, Analysed, FindingFormat, Infos, RepositoryRoot, Style};
use npcheck::source::{SourceId, SourceMap};
use npcheck::workspace::{NotJudged, PathOf, Texts, Workspace};
use npcheck::{edit, rules};
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
    texts: Texts,
    pub(crate) report: Report,
}

impl Linted {
    /// Lints the text of a fixture that is called `name`.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let mut sources = SourceMap::default();
        let mut files = Vec::new();
        let mut lines_above = 0;
        let mut ids = Vec::new();
        let mut ids_before = Vec::new();
        for section in split(name, text) {
            let id = sources.add(section.name, section.text);
            files.push((id, lines_above));
            lines_above += section.text.matches('\n').count() as u32;
            if section.state != State::Now {
                ids_before.push(id);
            }
            if section.state != State::Before {
                ids.push(id);
            }
        }
        let known_rules: Vec<&RuleMeta> = rules::ALL.iter().map(|rule| rule.meta()).collect();
        let mut config = configuration(name, text, &known_rules);
        // All of them, also those that are off by default.
        let names = known_rules.iter().map(|rule| rule.name.to_owned());
        config.selected = Some(names.collect());
        let texts = Texts::read(sources);
        let [workspace, earlier] =
            [&ids, &ids_before].map(|ids| Workspace::of(&texts, ids, &config, PathOf::default()));
        let earlier = Some(&earlier).filter(|_| !ids_before.is_empty());
        let report = workspace.lint_change(earlier, TODAY.parse().expect("a date"));
        let views = workspace.clusters();
        let objects = views.flat_map(|view| view.part().objects.clone());
        Self {
            sources: texts.sources().clone(),
            files,
            objects: objects.collect(),
            texts,
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

    /// The findings of a rule as a person reads them.
    pub(crate) fn rendered(&self, rule: &str) -> String {
        let rules: Vec<&RuleMeta> = rules::ALL.iter().map(|rule| rule.meta()).collect();
        let findings: Vec<Diagnostic> = self.of(rule).cloned().collect();
        let report = output::Report {
            sources: &self.sources,
            findings: &findings,
            suppressed: &[],
            problems: &[],
            assumptions: &[],
            not_judged: &NotJudged::default(),
            rules: &rules,
            summary: &output::Summary::default(),
            found: output::Found::default(),
            analysed: Analysed::All,
            fail_on: Severity::Warning,
            infos: Infos::Full,
            root: &RepositoryRoot::default(),
            paths: &[],
        };
        let mut out = Vec::new();
        FindingFormat::Full
            .write(&report, Style::default(), &mut out)
            .expect("a vector can be written to");
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
            let ids = linted.sources.ids();
            let broken = |id| {
                let documents = linted.texts.get(id).documents.iter();
                let broken = documents.filter(|document| document.outcome == Outcome::Broken);
                broken.count()
            };
            ids.map(broken).sum::<usize>()
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
        let [one, other] = clusters.each_ref().map(Selectable::new);
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
