//! Which findings are left out because they were there before: by a baseline, by an earlier
//! revision, or by both.
//!
//! Refuses to know what a finding is about: its fingerprint says whether it is the same one.

use super::baseline::Baseline;
use crate::diagnostic::Diagnostic;
use crate::output::Fingerprints;
use crate::source::SourceMap;
use std::collections::BTreeSet;

/// The findings that are known.
#[derive(Debug, Default)]
pub(super) struct KnownFindings {
    baseline: Option<Baseline>,
    in_baseline: BTreeSet<String>,
    in_revision: BTreeSet<String>,
}

/// What was left out.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// How many findings the baseline knows.
    pub(super) by_baseline: usize,
    /// How many others the revision has, too.
    pub(super) by_revision: usize,
    /// The entries of the baseline that no finding meets any more, as `rule object`.
    pub(super) gone: Vec<String>,
}

impl KnownFindings {
    /// Those of the baseline, and those that were `found_before` in an earlier revision.
    pub(super) fn new(
        baseline: Option<Baseline>,
        sources: &SourceMap,
        found_before: &[Diagnostic],
    ) -> Self {
        let in_baseline = baseline.iter().flat_map(Baseline::fingerprints);
        Self {
            in_baseline: in_baseline.map(str::to_owned).collect(),
            in_revision: fingerprints(sources, found_before).into_iter().collect(),
            baseline,
        }
    }

    /// Whether each of the findings is known to neither. Of several that are alike, as many
    /// are known as there were.
    pub(super) fn are_new(&self, sources: &SourceMap, findings: &[Diagnostic]) -> Vec<bool> {
        let is_new =
            |one: String| !self.in_baseline.contains(&one) && !self.in_revision.contains(&one);
        fingerprints(sources, findings)
            .into_iter()
            .map(is_new)
            .collect()
    }

    /// Takes the known findings out of all that there are.
    pub(super) fn take_out(&self, sources: &SourceMap, findings: &mut Vec<Diagnostic>) -> LeftOut {
        // The numbers of findings that are alike count over all of them.
        let fingerprints = fingerprints(sources, findings);
        let mut left_out = LeftOut::default();
        let mut each = fingerprints.iter();
        findings.retain(|_| {
            let one = each.next().expect("every finding has a fingerprint");
            let is_in_baseline = self.in_baseline.contains(one);
            let is_in_revision = !is_in_baseline && self.in_revision.contains(one);
            left_out.by_baseline += usize::from(is_in_baseline);
            left_out.by_revision += usize::from(is_in_revision);
            !is_in_baseline && !is_in_revision
        });
        let met: BTreeSet<String> = fingerprints.into_iter().collect();
        left_out.gone = self
            .baseline
            .as_ref()
            .map_or_else(Vec::new, |baseline| baseline.without(&met));
        left_out
    }
}

fn fingerprints(sources: &SourceMap, findings: &[Diagnostic]) -> Vec<String> {
    let mut fingerprints = Fingerprints::new();
    let next = |finding| fingerprints.next(sources, finding);
    findings.iter().map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Severity;
    use crate::source::Span;

    /// Findings that are all alike.
    fn alike(count: usize) -> (SourceMap, Vec<Diagnostic>) {
        let mut sources = SourceMap::default();
        let source = sources.add("a.yaml", "x: 1\n".repeat(count));
        let finding = |index: usize| {
            let start = index as u32 * 5;
            let span = Span::new(source, start, start + 1);
            Diagnostic::new("rule", Severity::Error, span, "m").about("shop/Pod/web", "")
        };
        (sources, (0..count).map(finding).collect())
    }

    #[test]
    fn as_many_are_excused_as_there_were() {
        for (before, now) in (0..4).flat_map(|before| (0..4).map(move |now| (before, now))) {
            let (sources, findings) = alike(before);
            let known = KnownFindings::new(None, &sources, &findings);
            let (sources, mut findings) = alike(now);
            let new = known.are_new(&sources, &findings);
            let left_out = known.take_out(&sources, &mut findings);
            assert_eq!(findings.len(), now.saturating_sub(before));
            assert_eq!(left_out.by_revision, now.min(before));
            assert_eq!(new.iter().filter(|is_new| **is_new).count(), findings.len());
        }
    }

    #[test]
    fn a_baseline_and_a_revision_excuse_what_either_knows() {
        let (sources, findings) = alike(2);
        let baseline = Baseline::of(&sources, &findings[..1]);
        let known = KnownFindings::new(Some(baseline), &sources, &findings);
        let (now, mut three) = alike(3);
        let left_out = known.take_out(&now, &mut three);
        assert_eq!((left_out.by_baseline, left_out.by_revision), (1, 1));
        assert_eq!((three.len(), left_out.gone.len()), (1, 0));
        let gone = known.take_out(&now, &mut Vec::new()).gone;
        assert_eq!(gone, ["rule shop/Pod/web"]);
    }
}
