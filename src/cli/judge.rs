//! All rules over all clusters of a tree, as the configuration and the command line say.
//!
//! Refuses to know what becomes of the findings.

use super::configuration::{Configuration, known_rules};
use super::copies::{self, Copies};
use super::input::Part;
use crate::cluster::{Cluster, Overlays};
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::k8s::Documents;
use crate::lint::{self, Date, Inventory, Report, Rule, RuleMeta, Settings};
use crate::rules;
use crate::source::SourceMap;
use std::collections::BTreeSet;
use std::time::SystemTime;

/// How findings are judged in a run.
pub(super) struct Judge<'c> {
    configuration: &'c Configuration,
    is_complete: bool,
    known_rules: Vec<&'static RuleMeta>,
    today: Date,
}

impl<'c> Judge<'c> {
    /// Judges as the configuration says; `inventory` speaks over it where it is complete.
    pub(super) fn new(configuration: &'c Configuration, inventory: &Inventory) -> Self {
        Self {
            configuration,
            is_complete: inventory.is_complete(),
            known_rules: known_rules(),
            today: today(),
        }
    }

    /// Every rule that exists.
    pub(super) fn known_rules(&self) -> &[&'static RuleMeta] {
        &self.known_rules
    }

    /// The scope of a file, for [`Manifests::read`](super::manifests::Manifests::read).
    pub(super) fn scope_of(&self, source: &str) -> Option<usize> {
        let path = self.configuration.path_of(source);
        self.configuration.config.scope_of(&path)
    }

    /// Lints every part as the cluster that it is, and the policies that are there with a
    /// second text in clusters of their own. The findings of all are in the order of their
    /// files.
    pub(super) fn lint(&self, sources: &SourceMap, parts: &[Part]) -> Report {
        let mut all = Report::default();
        for part in parts {
            let report = self.lint_part(sources, part, &part.cluster);
            let overlays = Overlays::new(sources, &part.copied);
            let copies = Copies::new(&part.documents, &overlays);
            let mut report = copies.without_idle_suppressions(report);
            for cluster in &overlays.clusters {
                let of_overlay = self.lint_part(sources, part, &cluster.cluster);
                copies::add(&mut report, copies.of_overlay(of_overlay, cluster));
            }
            all.findings.extend(report.findings);
            all.suppressed.extend(report.suppressed);
            all.used_entries.extend(report.used_entries);
            all.unjudged += overlays.left_out;
            all.limits.extend(report.limits);
        }
        let place = |finding: &Diagnostic| {
            let span = finding.primary.span;
            (sources.get(span.source).name(), span)
        };
        all.findings.sort_by(|a, b| place(a).cmp(&place(b)));
        all.suppressed
            .sort_by(|a, b| place(&a.finding).cmp(&place(&b.finding)));
        all
    }

    fn lint_part(&self, sources: &SourceMap, part: &Part, cluster: &Cluster) -> Report {
        let config = &self.configuration.config;
        let mut settings: Settings = match part.scope {
            Some(scope) => config.scopes[scope].settings.clone(),
            None => config.settings.clone(),
        };
        if self.is_complete {
            settings.inventory = Inventory::Complete;
        }
        let path_of = |name: &str| self.configuration.path_of(name);
        let engine = Engine::new(cluster);
        let enabled: Vec<&'static dyn Rule> = rules::ALL
            .iter()
            .copied()
            .filter(|rule| config.is_enabled(rule.meta()))
            .collect();
        let documents = Documents::from(part.documents.clone());
        let input = lint::Input {
            sources,
            documents: &documents,
            reported: &part.diagnostics,
            cluster,
            engine: &engine,
            settings: &settings,
            known_rules: &self.known_rules,
            ignore: &config.ignore,
            path_of: &path_of,
            today: self.today,
        };
        let mut report = lint::run(&input, &enabled);
        for finding in &mut report.findings {
            let meta = self
                .known_rules
                .iter()
                .find(|meta| meta.name == finding.rule);
            let severity = meta.and_then(|meta| config.severity(meta, finding.severity));
            finding.severity = severity.unwrap_or(finding.severity);
        }
        report
    }

    /// The entries of the configuration that suppress nothing in this run, as `rule: reason`.
    pub(super) fn idle_entries(&self, used: &BTreeSet<usize>) -> Vec<String> {
        let entries = self.configuration.config.ignore.iter().enumerate();
        let idle = entries.filter(|(index, _)| !used.contains(index));
        idle.map(|(_, entry)| format!("{}: {}", entry.rule, entry.reason))
            .collect()
    }
}

/// Suppressions may expire, so the day has a say; nothing else depends on the clock.
fn today() -> Date {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Date::from_unix_seconds(since.map_or(0, |elapsed| elapsed.as_secs()))
}
