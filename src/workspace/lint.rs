//! All rules over all clusters of a tree, as the configuration says: a finding that several
//! clusters have is told once, with the clusters where not all have it.
//!
//! Refuses to know what becomes of the findings.

use super::copies::Copies;
use super::generated::Generated;
use super::{BuiltObjects, ClusterView, Workspace};
use crate::cluster::Cluster;
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Edit, Label, Severity};
use crate::engine::Engine;
use crate::k8s::LabelSelector;
use crate::lint::shared_selectors::SharedSelectors;
use crate::lint::{self, Date, Report, Rule, RuleMeta, Suppressed};
use crate::progress;
use crate::render::{Step, is_rendered};
use crate::rules;
use crate::source::{SourceMap, Span};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

/// The rule whose findings depend on what all others find: what a suppression is good for in
/// one cluster keeps it.
pub(super) const ABOUT_SUPPRESSIONS: &str = "bad-suppression";

/// How many clusters are named beside a finding.
const MAX_NAMES: usize = 5;

impl Workspace {
    /// Runs the rules over every cluster, on the day `today`, by which suppressions expire.
    /// The findings are in the order of the names of their files.
    #[must_use]
    pub fn lint(&self, today: Date) -> Report {
        self.lint_change(None, today)
    }

    /// The same as a change of an earlier state, where there is one: rules may then say what
    /// the change does. Clusters are compared with those of their name.
    #[must_use]
    pub fn lint_change(&self, earlier: Option<&Self>, today: Date) -> Report {
        told(self.lint_all(earlier, RulesToRun::All, today))
    }

    /// What there is to fix, and the errors that fixes must not add to. All other rules run only
    /// where somebody suppresses findings, as what that is good for depends on them.
    #[must_use]
    pub fn lint_for_fixes(&self, earlier: Option<&Self>, today: Date) -> Report {
        told(self.lint_all(earlier, self.rules_for_fixes(), today))
    }

    /// The rules that say what there is to fix.
    pub(super) fn rules_for_fixes(&self) -> RulesToRun {
        let has_suppressions = |view: &ClusterView| {
            lint::has_suppressions(self.sources(), view.documents(), view.first_definitions())
        };
        let are_all_heard = self.config.ignore.is_empty();
        match are_all_heard && !self.clusters().any(has_suppressions) {
            true => RulesToRun::OfFixes,
            false => RulesToRun::All,
        }
    }

    /// A report with all findings among those that are told.
    pub(super) fn with_untold(&self, mut report: Report) -> Report {
        if !report.untold.is_empty() {
            report.findings.append(&mut report.untold);
            self.sort(&mut report);
        }
        report
    }

    fn sort(&self, report: &mut Report) {
        let sources = self.sources();
        report
            .findings
            .sort_by(|a, b| place(sources, a).cmp(&place(sources, b)));
        report
            .suppressed
            .sort_by(|a, b| place(sources, &a.finding).cmp(&place(sources, &b.finding)));
    }

    /// The findings of these rules, those that are not told among the others.
    pub(super) fn lint_all(
        &self,
        earlier: Option<&Self>,
        rules: RulesToRun,
        today: Date,
    ) -> Report {
        let known_rules = known_rules();
        let judge = self.judge(earlier, &known_rules, (rules, today));
        self.joined(judge.reports(|_| None), rules, today)
    }

    /// What is found now, and what was found in an earlier state: where both have a cluster in
    /// common, it is judged once.
    #[must_use]
    pub fn lint_both(&self, earlier: &Self, today: Date) -> [Report; 2] {
        let (known_rules, rules) = (known_rules(), RulesToRun::All);
        let now = self.judge(Some(earlier), &known_rules, (rules, today));
        let before = earlier.judge(None, &known_rules, (rules, today));
        let reports = now.reports(|_| None);
        // A rule may ask what other clusters make of the same text.
        let are_alike = now.shared_selectors() == before.shared_selectors();
        let by_name: HashMap<&str, usize> = (self.clusters.iter().enumerate())
            .map(|(place, view)| (view.name(), place))
            .collect();
        let of_before = before.reports(|view| {
            let place = by_name.get(view.name()).filter(|_| are_alike)?;
            let is_same = std::ptr::eq(&*self.clusters[*place], view);
            is_same.then(|| reports[*place].clone())
        });
        let before = earlier.joined(of_before, rules, today);
        [self.joined(reports, rules, today), before].map(told)
    }

    fn judge<'w>(
        &'w self,
        earlier: Option<&'w Self>,
        known_rules: &'w [&'static RuleMeta],
        (rules, today): (RulesToRun, Date),
    ) -> Judge<'w> {
        Judge {
            workspace: self,
            earlier,
            known_rules,
            rules: rules.of(&self.config),
            shared_selectors: OnceLock::new(),
            today,
        }
    }

    /// The reports of all clusters as that of the tree.
    fn joined(&self, reports: Vec<Report>, rules: RulesToRun, today: Date) -> Report {
        let mut all = merge(self, reports);
        all.findings = join_objects(all.findings);
        if rules == RulesToRun::All {
            all.findings
                .extend(self.idle_entries(&all.used_entries, today));
        }
        self.sort(&mut all);
        all
    }
}

/// The report without the findings that nobody reads.
pub(super) fn told(mut report: Report) -> Report {
    let is_untold = |finding: &mut Diagnostic| finding.is_untold;
    report.untold = report.findings.extract_if(.., is_untold).collect();
    report.suppressed.retain(|one| !one.finding.is_untold);
    report
}

/// Every rule that exists, whether it runs or not.
#[must_use]
pub fn known_rules() -> Vec<&'static RuleMeta> {
    rules::ALL.iter().map(|rule| rule.meta()).collect()
}

/// Which rules look at the clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RulesToRun {
    /// All that the configuration wants.
    All,
    /// Those of them that may offer a fix or report an error, and those that these depend on.
    OfFixes,
}

impl RulesToRun {
    fn of(self, config: &Config) -> Vec<&'static dyn Rule> {
        let rules = rules::ALL.iter().copied();
        let enabled: Vec<&dyn Rule> = rules.filter(|it| config.is_enabled(it.meta())).collect();
        let mut wanted: BTreeSet<&str> = BTreeSet::new();
        for meta in enabled.iter().map(|rule| rule.meta()) {
            let severity = config.severity(meta, meta.severity);
            let may_fail = [Some(meta.severity), severity].contains(&Some(Severity::Error));
            if self == Self::All || meta.fix.is_some() || may_fail {
                wanted.insert(meta.name);
            }
        }
        // A finding may be left out because of one of another rule.
        loop {
            let metas = enabled.iter().map(|rule| rule.meta());
            let muting = metas.filter(|meta| meta.mutes.iter().any(|it| wanted.contains(it)));
            let muting: Vec<&str> = muting.map(|meta| meta.name).collect();
            let known = wanted.len();
            wanted.extend(muting);
            if wanted.len() == known {
                break;
            }
        }
        let is_wanted = |rule: &&dyn Rule| wanted.contains(rule.meta().name);
        enabled.into_iter().filter(is_wanted).collect()
    }
}

struct Judge<'w> {
    workspace: &'w Workspace,
    earlier: Option<&'w Workspace>,
    known_rules: &'w [&'static RuleMeta],
    rules: Vec<&'static dyn Rule>,
    /// Worked out on the first question.
    shared_selectors: OnceLock<SharedSelectors>,
    today: Date,
}

impl Judge<'_> {
    fn shared_selectors(&self) -> &SharedSelectors {
        self.shared_selectors.get_or_init(|| {
            let clusters = self.workspace.clusters();
            let clusters: Vec<&Cluster> = clusters.map(ClusterView::first_definitions).collect();
            SharedSelectors::of(&clusters)
        })
    }

    /// What is found in each cluster, but for those of which it is `known`.
    fn reports(&self, known: impl Fn(&ClusterView) -> Option<Report> + Sync) -> Vec<Report> {
        let clusters = &self.workspace.clusters;
        progress::begin("judging clusters", clusters.len());
        let report = |view: &Arc<ClusterView>| known(view).unwrap_or_else(|| self.lint(view));
        match clusters.as_slice() {
            [one] => vec![report(one)],
            several => several.par_iter().map(report).collect(),
        }
    }

    /// One cluster, and the policies in it that have a second text.
    fn lint(&self, view: &ClusterView) -> Report {
        let report = self.lint_as(view, view.first_definitions());
        let copies = Copies::new(view);
        let mut report = copies.without_idle_suppressions(report);
        for copy in copies.clusters() {
            let cluster = view.with_objects(copy.objects.clone());
            copy.add(self.lint_as(view, &cluster), &mut report);
        }
        report.unjudged = copies.left_out();
        progress::advance();
        report
    }

    fn lint_as(&self, view: &ClusterView, cluster: &Cluster) -> Report {
        let config = self.workspace.config();
        let path_of = |name: &str| self.workspace.path_of.call(name);
        let is_met_elsewhere =
            |path: &str, selector: &LabelSelector| self.shared_selectors().is_met(path, selector);
        let engine = Engine::new(cluster);
        let earlier = self.earlier.and_then(|earlier| {
            let mut views = earlier.clusters();
            views.find(|earlier| earlier.name() == view.name())
        });
        // What has not changed was no change.
        let earlier = earlier.filter(|earlier| !std::ptr::eq(*earlier, view));
        let earlier = earlier.map(|earlier| Engine::new(earlier.first_definitions()));
        let input = lint::Input {
            sources: self.workspace.sources(),
            documents: view.documents(),
            reported: view.diagnostics(),
            cluster,
            engine: &engine,
            earlier: earlier.as_ref(),
            settings: view.settings(),
            known_rules: self.known_rules,
            is_met_elsewhere: &is_met_elsewhere,
            ignore: &config.ignore,
            path_of: &path_of,
            today: self.today,
        };
        let mut report = lint::run(&input, &self.rules);
        let built = BuiltObjects::new(&view.part);
        let generated = Generated::new(self.workspace.sources(), view.documents());
        for finding in &mut report.findings {
            let meta = self
                .known_rules
                .iter()
                .find(|meta| meta.name == finding.rule);
            let severity = meta.and_then(|meta| config.severity(meta, finding.severity));
            finding.severity = severity.unwrap_or(finding.severity);
            self.tell_way(&generated, &built, finding);
        }
        report
    }

    /// Adds to a finding what a person would edit for a text that a tool made, and of an
    /// object that is deployed otherwise than it is written what changes it on the way.
    fn tell_way(
        &self,
        generated: &Generated<'_>,
        built: &BuiltObjects<'_>,
        finding: &mut Diagnostic,
    ) {
        let span = finding.primary.span;
        let made_from = generated
            .made_from(span)
            .map(|path| format!("made from {path}"));
        finding.notes.extend(made_from);
        let sources = self.workspace.sources();
        let is_rendered = |edit: &Edit| is_rendered(sources.get(edit.span.source).name());
        if finding
            .fix
            .as_ref()
            .is_some_and(|fix| fix.edits.iter().any(is_rendered))
        {
            finding.fix = None;
        }
        let own = built.named(span, &finding.object);
        let Some(changed) = own.or_else(|| built.all_at(span).next()) else {
            return;
        };
        let written = sources.text(span).trim_matches(['"', '\'']);
        let asked = format!("write `{written}`");
        let renames = |step: &&Step| ["namePrefix", "nameSuffix"].contains(&step.field);
        // Where the name is written as it should be, what changes it is the mistake.
        if (finding.help.as_ref()).is_some_and(|help| help.starts_with(&asked))
            && let Some(step) = changed.by.iter().find(renames)
        {
            let why = format!("is written `{written}`, as it must be");
            let label = format!("changes the name of every object, `{written}` among them");
            finding.related.push(Label { span, message: why });
            finding.primary = Label {
                span: step.span,
                message: label,
            };
            finding.help = Some(format!(
                "list the object in a kustomization without `{}`",
                step.field
            ));
        }
        let places = changed.by.iter().take(MAX_NAMES).map(|step| {
            let name = sources.get(step.span.source).name();
            let line = sources.position(step.span).line;
            format!("`{}` at {name}:{line}", step.field)
        });
        let places: Vec<String> = places.collect();
        finding
            .notes
            .push(format!("as it is built, with {}", places.join(", ")));
    }
}

/// The findings with those as one that say the same of one text, for several objects that are
/// built of it; all but the first are named.
fn join_objects(findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut joined: Vec<(Diagnostic, Vec<String>)> = Vec::new();
    let mut met: HashMap<(&'static str, Span), Vec<usize>> = HashMap::new();
    for finding in findings {
        let places = met.entry((finding.rule, finding.primary.span)).or_default();
        let same = places.iter().find(|place| {
            let (known, _) = &joined[**place];
            known.object != finding.object && known.says_the_same_as(&finding)
        });
        match same {
            Some(place) => {
                let (known, others) = &mut joined[*place];
                for note in finding.notes {
                    if !known.notes.contains(&note) {
                        known.notes.push(note);
                    }
                }
                others.push(finding.object);
            }
            None => {
                places.push(joined.len());
                joined.push((finding, Vec::new()));
            }
        }
    }
    let told = joined.into_iter().map(|(mut finding, mut others)| {
        let count = others.len();
        others.truncate(MAX_NAMES);
        if count > 0 {
            let more = match count - others.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let names: Vec<String> = others.iter().map(|name| format!("`{name}`")).collect();
            finding.notes.push(format!(
                "the same for {}{more}, built from this text as well",
                names.join(", ")
            ));
        }
        finding
    });
    told.collect()
}

/// What makes two findings of two clusters one.
type Key = (&'static str, Span, String, String);

fn key(finding: &Diagnostic) -> Key {
    let (object, path) = (finding.object.clone(), finding.path.clone());
    (finding.rule, finding.primary.span, object, path)
}

/// The reports of all clusters as one.
fn merge(workspace: &Workspace, mut reports: Vec<Report>) -> Report {
    if reports.len() == 1 {
        return reports.pop().unwrap_or_default();
    }
    let mut all = Report::default();
    // By finding: its place among those of all, and the clusters that have it.
    let mut met: HashMap<Key, Vec<(usize, usize)>> = HashMap::new();
    let mut suppressed: BTreeMap<(Span, &'static str), Suppressed> = BTreeMap::new();
    let mut has: Vec<Vec<usize>> = Vec::new();
    for (cluster, report) in reports.into_iter().enumerate() {
        let mut here: HashMap<Key, usize> = HashMap::new();
        for finding in report.findings {
            let key = key(&finding);
            // Two findings at one place are told apart by their order.
            let number = here.entry(key.clone()).or_default();
            *number += 1;
            let known = met.entry(key).or_default();
            match known.iter().find(|(other, _)| other == number) {
                Some((_, place)) => {
                    let told: &mut Diagnostic = &mut all.findings[*place];
                    told.severity = told.severity.max(finding.severity);
                    has[*place].push(cluster);
                }
                None => {
                    known.push((*number, all.findings.len()));
                    all.findings.push(finding);
                    has.push(vec![cluster]);
                }
            }
        }
        for one in report.suppressed {
            let key = (one.finding.primary.span, one.finding.rule);
            suppressed.entry(key).or_insert(one);
        }
        all.used_entries.extend(report.used_entries);
        all.unjudged += report.unjudged;
        all.limits.extend(report.limits);
    }
    let mut has = has.into_iter();
    all.findings.retain_mut(|finding| {
        let clusters = has.next().unwrap_or_default();
        tell_clusters(workspace, finding, &clusters)
    });
    all.suppressed = suppressed.into_values().collect();
    all
}

/// Adds to a finding which clusters have it, where not all that have its text do. Whether it
/// is one at all.
fn tell_clusters(workspace: &Workspace, finding: &mut Diagnostic, has: &[usize]) -> bool {
    let source = finding.primary.span.source;
    let with_text = workspace.clusters.iter();
    let with_text = with_text
        .filter(|view| view.part.texts.contains(&source))
        .count();
    if has.len() >= with_text {
        return true;
    }
    if finding.rule == ABOUT_SUPPRESSIONS {
        return false;
    }
    let names = has
        .iter()
        .map(|cluster| workspace.clusters[*cluster].name());
    let mut names: Vec<&str> = names.collect();
    let others = names.split_off(names.len().min(MAX_NAMES)).len();
    let more = match others {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    finding.notes.push(format!(
        "in {} of {with_text} clusters: {}{more}",
        has.len(),
        names.join(", ")
    ));
    true
}

fn place<'s>(sources: &'s SourceMap, finding: &Diagnostic) -> (&'s str, Span) {
    let span = finding.primary.span;
    (sources.get(span.source).name(), span)
}
