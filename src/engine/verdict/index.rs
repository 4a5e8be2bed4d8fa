//! The chains of a program by a label that their subjects ask for, so that the question which
//! of them select a pod does not go to all.
//!
//! Only leaves out chains that certainly do not select a pod. Refuses to decide which do.

use crate::engine::program::{ByDirection, Chain, NamespaceSet, Program, Stage};
use crate::engine::{HashMap, PodView};
use crate::k8s::{Direction, LabelSelector, Labels, Operator, is_opaque};

/// A program, and an index of each of its stages.
#[derive(Debug)]
pub(super) struct IndexedProgram<'c> {
    pub(super) program: Program<'c>,
    /// By gate and stage.
    gates: Vec<Vec<ByDirection<Index<'c>>>>,
}

/// A stage of an indexed program.
#[derive(Clone, Copy)]
pub(super) struct IndexedStage<'a, 'c> {
    pub(super) stage: &'a Stage<'c>,
    index: &'a ByDirection<Index<'c>>,
}

/// The chains of a direction, by their places.
#[derive(Debug, Default)]
struct Index<'c> {
    /// Those of pods with one of these labels.
    by_label: HashMap<(&'c str, &'c str), Vec<u32>>,
    /// Those of pods in namespaces with one of these labels.
    by_namespace_label: HashMap<(&'c str, &'c str), Vec<u32>>,
    /// Those of which no label tells whether they are about a pod.
    others: Vec<u32>,
}

impl<'c> IndexedProgram<'c> {
    pub(super) fn new(program: Program<'c>) -> Self {
        let of_stage = |stage: &Stage<'c>| {
            ByDirection::new(|direction| Index::new(stage.chains.get(direction)))
        };
        let gates = program.gates.iter();
        let gates = gates.map(|gate| gate.stages.iter().map(of_stage).collect());
        Self {
            gates: gates.collect(),
            program,
        }
    }

    /// The stages of every gate.
    pub(super) fn gates(
        &self,
    ) -> impl Iterator<Item = impl DoubleEndedIterator<Item = IndexedStage<'_, 'c>>> {
        let gates = self.program.gates.iter().zip(&self.gates);
        gates.map(|(gate, indexes)| {
            let stages = gate.stages.iter().zip(indexes);
            stages.map(|(stage, index)| IndexedStage { stage, index })
        })
    }
}

impl<'a, 'c> IndexedStage<'a, 'c> {
    /// The chains that may have the pod as their subject, in the order of evaluation, maybe
    /// among others.
    pub(super) fn chains_of(self, direction: Direction, pod: &PodView<'_>) -> Vec<&'a Chain<'c>> {
        let chains = self.stage.chains.get(direction);
        match self.index.get(direction).places(pod) {
            Some(places) => places
                .iter()
                .map(|place| &chains[*place as usize])
                .collect(),
            None => chains.iter().collect(),
        }
    }
}

impl<'c> Index<'c> {
    fn new(chains: &[Chain<'c>]) -> Self {
        let mut index = Self::default();
        for (place, chain) in (0..).zip(chains) {
            let subject = &chain.subject;
            let (map, labels) = match (subject.pods.and_then(asked_for), subject.namespaces) {
                (Some(labels), _) => (&mut index.by_label, labels),
                (None, NamespaceSet::Matching(selector)) => match asked_for(selector) {
                    Some(labels) => (&mut index.by_namespace_label, labels),
                    None => {
                        index.others.push(place);
                        continue;
                    }
                },
                (None, NamespaceSet::All | NamespaceSet::One(_)) => {
                    index.others.push(place);
                    continue;
                }
            };
            for label in labels {
                map.entry(label).or_default().push(place);
            }
        }
        index
    }

    /// The places of the chains that may be about a pod, in order; `None` if any of them may.
    fn places(&self, pod: &PodView<'_>) -> Option<Vec<u32>> {
        let mut places = self.others.clone();
        for (map, labels, are_known) in [
            (&self.by_label, pod.labels, pod.are_labels_known),
            (
                &self.by_namespace_label,
                pod.namespace.labels,
                pod.namespace.are_labels_known,
            ),
        ] {
            if map.is_empty() {
                continue;
            }
            if !are_known || has_gaps(labels) {
                return None;
            }
            for label in labels {
                let wanted = (label.key.value.as_str(), label.value.value.as_str());
                places.extend(map.get(&wanted).into_iter().flatten());
            }
        }
        places.sort_unstable();
        places.dedup();
        Some(places)
    }
}

/// Labels of which something must have one to match a selector; `None` if there are no such
/// labels, or if another tool fills in some of their text.
fn asked_for(selector: &LabelSelector) -> Option<Vec<(&str, &str)>> {
    let is_known = |(key, value): &(&str, &str)| !is_opaque(key) && !is_opaque(value);
    let mut labels = selector.match_labels.iter();
    let label = labels.find_map(|label| {
        Some((label.key.value.as_str(), label.value.value.as_str())).filter(is_known)
    });
    if let Some(label) = label {
        return Some(vec![label]);
    }
    selector.match_expressions.iter().find_map(|entry| {
        let key = entry.key.value.as_str();
        let values = entry.values.iter();
        let labels: Vec<_> = values.map(|value| (key, value.value.as_str())).collect();
        (entry.operator.value == Operator::In && labels.iter().all(is_known)).then_some(labels)
    })
}

/// Whether another tool fills in a part of the labels.
fn has_gaps(labels: &Labels) -> bool {
    let mut labels = labels.iter();
    labels.any(|label| is_opaque(&label.key) || is_opaque(&label.value))
}
