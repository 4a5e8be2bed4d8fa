//! Entries of `ignore:` in the configuration that no longer serve: expired ones, and those that
//! suppress nothing. They are findings, as for comments.
//!
//! Refuses to know what was found; it is told which entries were needed.

use super::Workspace;
use super::lint::{ABOUT_SUPPRESSIONS, known_rules};
use crate::cluster::Identity;
use crate::diagnostic::{Diagnostic, Severity};
use crate::lint::{Date, IgnoreEntry, RuleMeta};
use crate::source::Span;
use std::collections::BTreeSet;

impl Workspace {
    /// The findings about the entries, of which those at the positions `used` were needed.
    pub(super) fn idle_entries(&self, used: &BTreeSet<usize>, today: Date) -> Vec<Diagnostic> {
        let rules = known_rules();
        let meta = |name: &str| rules.iter().copied().find(|rule| rule.name == name);
        let (Some(source), Some(own)) = (self.config_source, meta(ABOUT_SUPPRESSIONS)) else {
            return Vec::new();
        };
        let is_asked = |rule: &RuleMeta| self.config.is_enabled(rule);
        if !is_asked(own) {
            return Vec::new();
        }
        let mut findings = Vec::new();
        for (index, entry) in self.config.ignore.iter().enumerate() {
            let span = Span::new(source, entry.range.start, entry.range.end);
            let ended = entry.until.filter(|until| *until < today);
            let finding = match (used.contains(&index), ended) {
                (true, Some(day)) => {
                    let message = format!("the suppression of `{}` ended on {day}", entry.rule);
                    Diagnostic::new(own.name, Severity::Warning, span, message)
                        .label("so its findings are reported again")
                        .help("fix what it suppressed, or set a later date")
                }
                (true, None) => continue,
                (false, _) if !meta(&entry.rule).is_some_and(is_asked) => continue,
                (false, _) => {
                    let message = format!("`{}` has no finding to suppress", entry.rule);
                    // A run may look at a part of what the entry is for.
                    let severity = match self.has_subject_of(entry) {
                        true => Severity::Warning,
                        false => Severity::Info,
                    };
                    Diagnostic::new(own.name, severity, span, message).help("delete the entry")
                }
            };
            let severity = self.config.severity(own, finding.severity);
            findings.extend(severity.map(|severity| finding.with_severity(severity)));
        }
        findings
    }

    /// Whether a text or an object that the entry is for belongs to this run.
    fn has_subject_of(&self, entry: &IgnoreEntry) -> bool {
        let has_path = entry.path.as_ref().is_none_or(|path| {
            let mut names = self.ids.iter().map(|id| self.sources().get(*id).name());
            names.any(|name| {
                let name = self.path_of.call(name);
                path.is_match(name.strip_prefix("./").unwrap_or(&name))
            })
        });
        let has_object = entry.object.as_ref().is_none_or(|object| {
            let objects = self.clusters.iter().flat_map(|view| &view.part.objects);
            let mut identities = objects.filter_map(Identity::of);
            identities.any(|identity| object.is_match(identity.to_string()))
        });
        has_path && has_object
    }
}
