//! Every workload by its labels, for the question which of them a selector matches by labels
//! alone: also those that policies do not see, as they are on the host network or rejected by
//! the API server.
//!
//! Refuses to know policies.

use crate::cluster::{Cluster, NamespaceId, WorkloadId};
use crate::engine::PodView;
use crate::engine::program::{NamespaceSet, PodSet};
use crate::k8s::{Controller, LabelSelector, Operator, Truth, is_opaque};
use std::collections::HashMap;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// An index of the labels of workloads.
#[derive(Debug)]
pub struct Labelled<'a> {
    cluster: &'a Cluster,
    by_key: Map<&'a str, WithKey<'a>>,
    /// Those of which another tool fills in a label.
    opaque: Vec<WorkloadId>,
    /// Those of which not all labels are known.
    gaps: Vec<WorkloadId>,
    /// Those that are on the network of their node, or may be.
    on_host: Vec<WorkloadId>,
    /// By namespace: how much it is to compare a selector with all of its workloads.
    sizes: Vec<usize>,
}

/// From so many labels on, each label of a workload counts as much as one more workload: people
/// write fewer.
const MANY_LABELS: usize = 16;

/// The workloads that have a label with one key, in order.
#[derive(Debug, Default)]
struct WithKey<'a> {
    all: Vec<WorkloadId>,
    by_value: Map<&'a str, Vec<WorkloadId>>,
}

impl<'a> Labelled<'a> {
    pub(super) fn new(cluster: &'a Cluster) -> Self {
        let mut index = Self {
            cluster,
            by_key: Map::default(),
            opaque: Vec::new(),
            gaps: Vec::new(),
            on_host: Vec::new(),
            sizes: vec![0; cluster.namespaces().len()],
        };
        for (id, workload) in cluster.workload_ids().zip(cluster.workloads()) {
            let mut has_gaps = false;
            let labels = workload.object.labels.len();
            index.sizes[workload.namespace.index()] += 1 + labels.saturating_sub(MANY_LABELS);
            for label in &workload.object.labels {
                let (key, value) = (label.key.value.as_str(), label.value.value.as_str());
                let with_key = index.by_key.entry(key).or_default();
                with_key.all.push(id);
                with_key.by_value.entry(value).or_default().push(id);
                has_gaps |= is_opaque(key) || is_opaque(value);
            }
            if has_gaps {
                index.opaque.push(id);
            }
            if has_gaps || !PodView::workload(cluster, id).are_labels_known {
                index.gaps.push(id);
            }
            if workload.object.host_network || !workload.object.is_host_network_known {
                index.on_host.push(id);
            }
        }
        index
    }

    /// How much it is to compare a selector with every label of the workloads of some
    /// namespaces, as a number of workloads.
    #[must_use]
    pub fn size_of(&self, namespaces: &[NamespaceId]) -> usize {
        namespaces.iter().map(|id| self.sizes[id.index()]).sum()
    }

    /// The workloads of some namespaces, in order, that a selector matches, text taken as it
    /// stands.
    #[must_use]
    pub fn matching(
        &self,
        namespaces: &[NamespaceId],
        selector: &LabelSelector,
    ) -> Vec<WorkloadId> {
        let mut found = self.within(namespaces, self.postings(selector));
        if !selector.is_empty() {
            found.retain(|id| selector.matches(&self.cluster.workload(*id).object.labels));
        }
        found
    }

    /// The workloads of some namespaces, in order, of whose pods a selector matches one, or may
    /// match one once another tool has filled in what it will, and their controller has added what
    /// it adds.
    #[must_use]
    pub fn may_match(
        &self,
        namespaces: &[NamespaceId],
        selector: &LabelSelector,
    ) -> Vec<WorkloadId> {
        let labels = |id: &WorkloadId| &self.cluster.workload(*id).object.labels;
        let may_match = |id: &WorkloadId| {
            selector.matches_pods_of(&self.cluster.workload(*id).object) != Truth::False
        };
        if selector.is_opaque() || selector.keys().any(Controller::may_write) {
            let mut found = self.candidates(namespaces, selector);
            found.retain(may_match);
            return found;
        }
        if self.opaque.is_empty() {
            return self.matching(namespaces, selector);
        }
        let mut postings = self.postings(selector);
        if let Some(postings) = &mut postings {
            postings.push(&self.opaque);
        }
        let mut found = self.within(namespaces, postings);
        found.retain(|id| match self.opaque.binary_search(id) {
            Ok(_) => may_match(id),
            Err(_) => selector.matches(labels(id)),
        });
        found
    }

    /// The workloads of some namespaces, in order, that have what a selector asks for, or may
    /// have it, maybe among others: what it rules out is not looked at.
    #[must_use]
    pub fn candidates(
        &self,
        namespaces: &[NamespaceId],
        selector: &LabelSelector,
    ) -> Vec<WorkloadId> {
        let mut postings = self.postings(selector).filter(|_| !selector.is_opaque());
        if let Some(postings) = &mut postings {
            postings.push(&self.gaps);
        }
        let mut namespaces = namespaces.to_vec();
        namespaces.sort_unstable();
        self.within(&namespaces, postings)
    }

    /// The workloads that may be pods of a set, in order, maybe among others: what has none of
    /// the labels of which it asks for one is left out.
    #[must_use]
    pub fn candidates_of(&self, pods: &PodSet<'_>) -> Vec<WorkloadId> {
        let namespaces: Vec<NamespaceId> = match pods.namespaces {
            NamespaceSet::One(id) => vec![id],
            NamespaceSet::All | NamespaceSet::Matching(_) => self.cluster.namespace_ids().collect(),
        };
        self.candidates_by(&namespaces, pods.asked_for())
    }

    /// The workloads of some namespaces, in order, that have one of the labels that are asked
    /// for, or may have it; all of them where none are.
    #[must_use]
    pub fn candidates_by(
        &self,
        namespaces: &[NamespaceId],
        asked: Option<Vec<(&str, &str)>>,
    ) -> Vec<WorkloadId> {
        let lists = asked.map(|labels| {
            let labels = labels.into_iter();
            let lists = labels.map(|(key, value)| self.with_label(key, value));
            lists.chain([self.gaps.as_slice(), &self.on_host]).collect()
        });
        self.within(namespaces, lists)
    }

    /// Lists that hold, together, every workload that a selector matches: those of the
    /// requirement with the fewest. `None` if it asks for no label.
    fn postings(&self, selector: &LabelSelector) -> Option<Vec<&[WorkloadId]>> {
        let labels = selector.match_labels.iter();
        // What controllers add is in no manifest.
        let labels = labels.filter(|label| !Controller::may_write(&label.key));
        let labels = labels.map(|label| vec![self.with_label(&label.key, &label.value)]);
        let entries = selector.match_expressions.iter();
        let entries = entries.filter(|entry| !Controller::may_write(&entry.key));
        let entries = entries.filter_map(|entry| match entry.operator.value {
            Operator::In => {
                let values = entry.values.iter();
                Some(
                    values
                        .map(|value| self.with_label(&entry.key, value))
                        .collect(),
                )
            }
            Operator::Exists => {
                let found = self.by_key.get(entry.key.value.as_str());
                Some(vec![found.map_or(&[][..], |found| &found.all)])
            }
            Operator::NotIn | Operator::DoesNotExist => None,
        });
        let length =
            |lists: &Vec<&[WorkloadId]>| lists.iter().map(|list| list.len()).sum::<usize>();
        labels.chain(entries).min_by_key(length)
    }

    fn with_label(&self, key: &str, value: &str) -> &[WorkloadId] {
        let with_key = self.by_key.get(key);
        let found = with_key.and_then(|with_key| with_key.by_value.get(value));
        found.map_or(&[], Vec::as_slice)
    }

    /// Those of the lists that are in one of some namespaces, in order; all of these
    /// namespaces where there are no lists.
    fn within(
        &self,
        namespaces: &[NamespaceId],
        lists: Option<Vec<&[WorkloadId]>>,
    ) -> Vec<WorkloadId> {
        let in_namespaces = || {
            namespaces
                .iter()
                .flat_map(|id| self.cluster.workloads_in(*id))
        };
        let Some(lists) = lists else {
            return in_namespaces().collect();
        };
        let mut found: Vec<WorkloadId> = Vec::new();
        for list in &lists {
            match namespaces {
                [namespace] => {
                    let home = |id: &WorkloadId| self.cluster.workload(*id).namespace;
                    // Workloads are in the order of their namespaces.
                    let start = list.partition_point(|id| home(id) < *namespace);
                    let own = list[start..].iter().take_while(|id| home(id) == *namespace);
                    found.extend(own);
                }
                _ => {
                    let is_in = |id: &&WorkloadId| {
                        let namespace = self.cluster.workload(**id).namespace;
                        namespaces.binary_search(&namespace).is_ok()
                    };
                    found.extend(list.iter().filter(is_in));
                }
            }
        }
        if lists.len() > 1 {
            found.sort_unstable();
            found.dedup();
        }
        found
    }
}
