//! Objects that one cluster has two definitions of, as two files of a directory do: verdicts
//! take neither for certain, and rules look at each text. The first definitions make the
//! cluster; each of the others is put in the place of the first in a cluster of its own, and
//! heard there only about itself.
//!
//! Refuses to know rules, but for the one about suppressions: what a suppression in such a
//! text is good for shows in the cluster that has the text.

use super::ClusterView;
use super::lint::ABOUT_SUPPRESSIONS;
use crate::cluster::Identity;
use crate::diagnostic::Diagnostic;
use crate::k8s::{Object, Outcome};
use crate::lint::Report;
use crate::source::Span;
use std::collections::{BTreeSet, HashMap};

/// A cluster with other definitions than the first ones.
pub(super) struct CopyCluster {
    /// Its objects.
    pub(super) objects: Vec<Object>,
    /// The texts of the policies that are in no cluster before this one, with their comments.
    texts: Vec<Span>,
}

/// The policies of a cluster that have a further definition.
pub(super) struct Copies {
    clusters: Vec<CopyCluster>,
    left_out: usize,
}

/// How many such clusters there are at the most: all rules run in each.
const MAX: usize = 40;

/// How many objects all such clusters together may hold beyond four times what was read.
const ROOM: usize = 50_000;

impl Copies {
    /// Looks for them.
    pub(super) fn new(view: &ClusterView) -> Self {
        let mut copies = Self {
            clusters: Vec::new(),
            left_out: 0,
        };
        if view.first_definitions().duplicates().is_empty() {
            return copies;
        }
        let objects = &view.part().objects;
        let definitions = Definitions::new(objects);
        let mut open = definitions.further_policies();
        let mut room = 4 * objects.len() + ROOM;
        while let Some(for_whom) = open.first().copied() {
            let chosen = definitions.nearest_to(for_whom);
            if chosen.len() > room || copies.clusters.len() == MAX {
                copies.left_out = open.len();
                break;
            }
            room -= chosen.len();
            let judged: Vec<usize> = open.intersection(&chosen).copied().collect();
            open.retain(|index| !chosen.contains(index));
            let text = |index: &usize| text_of(view, objects[*index].meta().span);
            copies.clusters.push(CopyCluster {
                objects: chosen.iter().map(|index| objects[*index].clone()).collect(),
                texts: judged.iter().map(text).collect(),
            });
        }
        copies
    }

    /// The clusters, in the order of the first policy that each is for.
    pub(super) fn clusters(&self) -> &[CopyCluster] {
        &self.clusters
    }

    /// How many policies beyond their first definition are in none of them, as there would be
    /// too many.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }

    /// What was found among the first definitions, where these texts have no effect.
    pub(super) fn without_idle_suppressions(&self, mut report: Report) -> Report {
        let texts: Vec<Span> = self
            .clusters
            .iter()
            .flat_map(|cluster| cluster.texts.iter().copied())
            .collect();
        report
            .findings
            .retain(|finding| finding.rule != ABOUT_SUPPRESSIONS || !lies_in(finding, &texts));
        report
    }
}

impl CopyCluster {
    /// What was found in it about the policies that it is for, added to what is known. Fixes
    /// are left out: what they do was proved for the first definitions only.
    pub(super) fn add(&self, report: Report, all: &mut Report) {
        for mut finding in report.findings {
            if lies_in(&finding, &self.texts) && !all.findings.contains(&finding) {
                finding.fix = None;
                all.findings.push(finding);
            }
        }
        for suppressed in report.suppressed {
            let mut known = all.suppressed.iter();
            let is_known = known.any(|known| known.finding == suppressed.finding);
            if lies_in(&suppressed.finding, &self.texts) && !is_known {
                all.suppressed.push(suppressed);
            }
        }
        all.used_entries.extend(report.used_entries);
        all.limits.extend(report.limits);
    }
}

fn lies_in(finding: &Diagnostic, texts: &[Span]) -> bool {
    texts.iter().any(|text| text.contains(finding.primary.span))
}

/// The text of a policy's document, with its comments.
fn text_of(view: &ClusterView, policy: Span) -> Span {
    let documents = view.documents().iter();
    documents
        .filter(|document| document.outcome == Outcome::Object && document.span.contains(policy))
        .map(|document| document.span)
        .min_by_key(|span| span.end - span.start)
        .unwrap_or(policy)
}

/// Which objects are there more than once, by their position.
struct Definitions<'o> {
    objects: &'o [Object],
    /// The objects that are there several times, each with the positions of its definitions.
    several: Vec<Vec<usize>>,
    /// All others.
    single: BTreeSet<usize>,
}

impl<'o> Definitions<'o> {
    fn new(objects: &'o [Object]) -> Self {
        let mut by_identity: HashMap<Identity<'_>, Vec<usize>> = HashMap::new();
        let mut single = BTreeSet::new();
        for (index, object) in objects.iter().enumerate() {
            match Identity::of(object) {
                Some(identity) => by_identity.entry(identity).or_default().push(index),
                None => {
                    single.insert(index);
                }
            }
        }
        let mut several: Vec<Vec<usize>> = by_identity.into_values().collect();
        several.retain(|definitions| {
            if let [one] = definitions.as_slice() {
                single.insert(*one);
            }
            definitions.len() > 1
        });
        several.sort();
        Self {
            objects,
            several,
            single,
        }
    }

    /// The policies that are defined before.
    fn further_policies(&self) -> BTreeSet<usize> {
        let further = self
            .several
            .iter()
            .flat_map(|definitions| &definitions[1..]);
        let is_policy = |index: &usize| {
            matches!(
                self.objects[*index],
                Object::NetworkPolicy(_) | Object::ClusterNetworkPolicy(_)
            )
        };
        further.copied().filter(is_policy).collect()
    }

    /// One definition of every object: this one, and of the others the one of the same text,
    /// else the first.
    fn nearest_to(&self, index: usize) -> BTreeSet<usize> {
        let source = |index: &usize| self.objects[*index].meta().span.source;
        let here = source(&index);
        let mut chosen = self.single.clone();
        for definitions in &self.several {
            if definitions.contains(&index) {
                chosen.insert(index);
                continue;
            }
            let same_text = definitions.iter().find(|other| source(other) == here);
            chosen.extend(same_text.or(definitions.first()));
        }
        chosen
    }
}
