//! What is said of policies that are there with a second text: each is judged in a cluster
//! of its own, and heard there only about itself.
//!
//! Refuses to know rules, but for the one about suppressions: what a suppression in such a
//! text is good for shows in the cluster that has the text.

use crate::cluster::{OverlayCluster, Overlays};
use crate::diagnostic::Diagnostic;
use crate::k8s::{Document, Outcome};
use crate::lint::Report;
use crate::source::{SourceId, Span};
use std::collections::BTreeMap;

/// The rule whose findings depend on what all others find.
const ABOUT_SUPPRESSIONS: &str = "bad-suppression";

/// The documents of the policies that have a cluster of their own.
pub(super) struct Copies<'d> {
    documents: BTreeMap<SourceId, Vec<&'d Document>>,
    all: Vec<Span>,
}

impl<'d> Copies<'d> {
    /// Those of these clusters.
    pub(super) fn new(documents: &'d [Document], overlays: &Overlays) -> Self {
        let mut copies = Self {
            documents: BTreeMap::new(),
            all: Vec::new(),
        };
        if overlays.clusters.is_empty() {
            return copies;
        }
        let objects = documents.iter();
        for document in objects.filter(|document| document.outcome == Outcome::Object) {
            let of_source = copies.documents.entry(document.span.source).or_default();
            of_source.push(document);
        }
        let judged = overlays.clusters.iter().flat_map(|cluster| &cluster.judged);
        copies.all = judged.map(|span| copies.text_of(*span)).collect();
        copies
    }

    /// The text of a policy's document, with its comments.
    fn text_of(&self, policy: Span) -> Span {
        let documents = self.documents.get(&policy.source).into_iter().flatten();
        documents
            .map(|document| document.span)
            .filter(|span| span.contains(policy))
            .min_by_key(|span| span.end - span.start)
            .unwrap_or(policy)
    }

    /// What was found in the first cluster, where these policies are not.
    pub(super) fn without_idle_suppressions(&self, mut report: Report) -> Report {
        let is_idle = |finding: &Diagnostic| {
            finding.rule == ABOUT_SUPPRESSIONS && lies_in(finding, &self.all)
        };
        report.findings.retain(|finding| !is_idle(finding));
        report
    }

    /// What was found in another cluster about the policies that it is for. Fixes are left
    /// out: what they do was proved for the first cluster only.
    pub(super) fn of_overlay(&self, mut report: Report, overlay: &OverlayCluster) -> Report {
        let texts = overlay.judged.iter().map(|span| self.text_of(*span));
        let texts: Vec<Span> = texts.collect();
        report.findings.retain(|finding| lies_in(finding, &texts));
        report
            .suppressed
            .retain(|suppressed| lies_in(&suppressed.finding, &texts));
        report
    }
}

fn lies_in(finding: &Diagnostic, texts: &[Span]) -> bool {
    texts.iter().any(|text| text.contains(finding.primary.span))
}

/// Adds what another cluster had to say, without what was said before.
pub(super) fn add(all: &mut Report, report: Report) {
    for mut finding in report.findings {
        if !all.findings.contains(&finding) {
            finding.fix = None;
            all.findings.push(finding);
        }
    }
    for suppressed in report.suppressed {
        let is_new = |known: &crate::lint::Suppressed| known.finding != suppressed.finding;
        if all.suppressed.iter().all(is_new) {
            all.suppressed.push(suppressed);
        }
    }
    all.used_entries.extend(report.used_entries);
}
