//! Which chains of a program may be about a pod, found by a label that their subjects ask for.
//!
//! Only leaves out what is certainly not about a pod. Refuses to decide what is.

use super::{Chain, ChainPlace, Program};
use crate::engine::{HashMap, PodView};
use crate::k8s::Direction;

/// The chains of a direction.
#[derive(Debug, Default)]
pub(super) struct ChainIndex {
    /// All of them, in the order of evaluation.
    places: Vec<ChainPlace>,
    /// By key and value of a label: those of pods that have it.
    by_label: HashMap<String, HashMap<String, Vec<usize>>>,
    /// Those that ask for no label.
    others: Vec<usize>,
}

impl ChainIndex {
    pub(super) fn new(program: &Program<'_>, direction: Direction) -> Self {
        let mut index = Self::default();
        for (gate, stages) in program.gates.iter().enumerate() {
            for (stage, chains) in stages.stages.iter().enumerate() {
                for (place, chain) in chains.chains.get(direction).iter().enumerate() {
                    index.add((gate, stage, place), chain);
                }
            }
        }
        index
    }

    fn add(&mut self, place: ChainPlace, chain: &Chain<'_>) {
        let number = self.places.len();
        self.places.push(place);
        let Some(labels) = chain.subject.asked_for() else {
            self.others.push(number);
            return;
        };
        for (key, value) in labels {
            let by_value = self.by_label.entry(key.to_owned()).or_default();
            by_value.entry(value.to_owned()).or_default().push(number);
        }
    }

    /// The places of those that may be about a pod, in the order of evaluation.
    fn about(&self, pod: &PodView<'_>) -> Vec<ChainPlace> {
        let is_plain = !pod.host_network && pod.is_host_network_known;
        if !is_plain || !pod.are_labels_known || pod.labels.have_gaps() {
            return self.places.clone();
        }
        let labelled = pod.labels.iter().filter_map(|label| {
            let by_value = self.by_label.get(label.key.as_str())?;
            by_value.get(label.value.as_str())
        });
        let mut found: Vec<usize> = labelled.flatten().chain(&self.others).copied().collect();
        found.sort_unstable();
        found.dedup();
        found
            .into_iter()
            .map(|number| self.places[number])
            .collect()
    }
}

impl<'c> Program<'c> {
    /// The chains of a direction that may be about a pod, in the order of evaluation, maybe among
    /// others, with the stage that they are in.
    pub fn chains_about(
        &self,
        direction: Direction,
        pod: &PodView<'_>,
    ) -> impl Iterator<Item = (super::StageName, &Chain<'c>)> {
        let index = self.about.get(direction);
        let index = index.get_or_init(|| ChainIndex::new(self, direction));
        let places = index.about(pod).into_iter();
        places.map(move |(gate, stage, chain)| {
            let stage = &self.gates[gate].stages[stage];
            (stage.name, &stage.chains.get(direction)[chain])
        })
    }
}
