//! The different sets of pods that policies are about, and which of them contain a given one,
//! found by labels.
//!
//! Refuses to know the policies.

use super::super::containment::{Budget, Key, PodSet};
use crate::source::Text;
use std::collections::HashMap;
use std::rc::Rc;

/// Sets of pods by their place, each once.
#[derive(Default)]
pub(super) struct Subjects {
    sets: Vec<PodSet>,
    /// Sets by one of the labels that they want.
    by_label: HashMap<(Key, Text), Vec<usize>>,
    /// Sets that no label finds.
    by_no_label: Vec<usize>,
    /// By set: those that contain it, once somebody asked.
    containers: Vec<Option<Rc<[usize]>>>,
}

impl Subjects {
    pub(super) fn new(sets: Vec<PodSet>) -> Self {
        let mut frequencies: HashMap<(&Key, &Text), usize> = HashMap::new();
        for set in &sets {
            for (key, value) in labels_of(set)
                .flat_map(|(key, values)| values.iter().map(move |value| (key, value)))
            {
                *frequencies.entry((key, value)).or_default() += 1;
            }
        }
        let mut by_label: HashMap<(Key, Text), Vec<usize>> = HashMap::new();
        let mut by_no_label = Vec::new();
        for (place, set) in sets.iter().enumerate() {
            let cost = |(key, values): &(&Key, &[Text])| -> usize {
                values.iter().map(|value| frequencies[&(*key, value)]).sum()
            };
            let Some((key, values)) = labels_of(set).min_by_key(cost) else {
                by_no_label.push(place);
                continue;
            };
            for value in values {
                let label = (key.clone(), value.clone());
                by_label.entry(label).or_default().push(place);
            }
        }
        Self {
            containers: vec![None; sets.len()],
            sets,
            by_label,
            by_no_label,
        }
    }

    /// How many labels all of them want.
    pub(super) fn size(&self) -> u64 {
        self.sets.iter().map(|pods| 1 + pods.0.size()).sum()
    }

    /// The sets, itself among them, that contain all pods of a set: sorted. Fewer where the
    /// budget does not suffice to find them.
    pub(super) fn containers(&mut self, inner: usize, budget: &mut Budget) -> Rc<[usize]> {
        if let Some(known) = &self.containers[inner] {
            return Rc::clone(known);
        }
        // What contains it asks for a label that it asks for, with this value and maybe others.
        let values = labels_of(&self.sets[inner]);
        let labels =
            values.filter_map(|(key, values)| Some((key.clone(), values.first()?.clone())));
        let found = labels.filter_map(|label| self.by_label.get(&label));
        let candidates = found.flatten().chain(&self.by_no_label);
        let mut containers = vec![inner];
        for outer in candidates {
            if budget.is_spent() {
                break;
            }
            budget.spend(1);
            let (inner_set, outer_set) = (&self.sets[inner].0, &self.sets[*outer].0);
            if *outer != inner && inner_set.is_covered_within(&[outer_set], budget) {
                containers.push(*outer);
            }
        }
        containers.sort_unstable();
        let containers: Rc<[usize]> = containers.into();
        self.containers[inner] = Some(Rc::clone(&containers));
        containers
    }
}

/// The labels that the pods of a set must have one of a few values of.
fn labels_of(set: &PodSet) -> impl Iterator<Item = (&Key, &[Text])> {
    let constraints = set.0.constraints();
    constraints.filter_map(|(key, values)| Some((key, values?)))
}
