//! Which of the ends of many pairs no policy tells apart, so that one of them stands for all.
//!
//! Refuses to know what becomes of a pair: it compares what policies can see of an end, and
//! parts what it is not sure of.

use super::index::{IndexedProgram, PeerKeys};
use super::peers::Miss;
use super::side::Selection;
use super::{Judge, PreparedEnd};
use crate::engine::{Endpoint, HashMap, PodView};
use crate::k8s::{Controller, Direction, Protocol, Truth, is_opaque};
use std::net::IpAddr;

/// The ends of one side of many pairs in classes: two ends of a class have the same verdict and
/// the same decisions with every end of the other side.
#[derive(Clone, Debug)]
pub struct EndClasses {
    /// By end.
    of: Vec<u32>,
    /// By end: which of the sides it has.
    subjects: Vec<u32>,
}

impl EndClasses {
    /// The class of an end, by its position.
    #[must_use]
    pub fn of(&self, end: usize) -> usize {
        self.of[end] as usize
    }

    /// A number for what is asked about the own side of an end, which is the same for all ends
    /// with that number; see [`Judge::spoken_of`].
    #[must_use]
    pub fn subject(&self, end: usize) -> usize {
        self.subjects[end] as usize
    }
}

/// What is asked about the own side of an end.
#[derive(PartialEq, Eq, Hash)]
enum SubjectKey<'a> {
    /// An end that nothing is compared with, by its position.
    Alone(usize),
    /// Nothing.
    Outside,
    Pod {
        namespace: (&'a str, bool),
        host_network: Option<bool>,
        selection: SelectionKey,
    },
}

/// What policies can tell an end by.
#[derive(PartialEq, Eq, Hash)]
enum EndKey<'a> {
    /// An end that nothing is compared with, by its position.
    Alone(usize),
    Pod(PodKey<'a>),
}

#[derive(PartialEq, Eq, Hash)]
struct PodKey<'a> {
    /// By its number.
    subject: u32,
    /// The labels that the peers of the other side may ask for.
    labels: Vec<(&'a str, &'a str)>,
    are_labels_known: bool,
    /// Whether another tool fills in a key of its labels.
    has_opaque_key: bool,
    /// The controller, where peers may ask for labels that it adds.
    controller: Option<Controller<'a>>,
    /// `None` where nobody knows.
    host_network: Option<bool>,
    addresses: &'a [IpAddr],
    /// The service account, where peers may ask for it.
    account: Option<&'a str>,
    /// Of a destination: the ports that a name can mean, and whether these are all.
    ports: Option<(&'a [NamedPort<'a>], bool)>,
}

type NamedPort<'a> = (&'a str, Protocol, u16);

/// The chains that are asked, each with what is not known of its subject.
#[derive(PartialEq, Eq, Hash)]
struct SelectionKey {
    /// By gate and stage.
    stages: Vec<Vec<(u32, Truth)>>,
    doubts: Vec<DoubtKey>,
}

/// A doubt by the requirement that it is about, and whether another tool fills in a part of
/// that or of the label.
type DoubtKey = (*const (), Truth, bool);

impl<'c> Judge<'c, '_> {
    /// The classes of ends that are prepared as sources (`Egress`) or as destinations of pairs
    /// with `others`.
    #[must_use]
    pub fn classes<'l>(
        &self,
        direction: Direction,
        ends: &[PreparedEnd<'_, 'l>],
        others: &[PreparedEnd<'_, 'l>],
    ) -> EndClasses
    where
        'c: 'l,
    {
        let keys = self.keys_of_peers(direction, others);
        let mut classes = EndClasses {
            of: Vec::with_capacity(ends.len()),
            subjects: Vec::with_capacity(ends.len()),
        };
        let (mut known, mut subjects) = (HashMap::default(), HashMap::default());
        for (position, prepared) in ends.iter().enumerate() {
            let next = subjects.len() as u32;
            let subject = *subjects
                .entry(self.subject_of(prepared, direction, position))
                .or_insert(next);
            classes.subjects.push(subject);
            let key = key_of(prepared, subject, direction, (&keys, position));
            let next = known.len() as u32;
            let class = *known.entry(key).or_insert(next);
            classes.of.push(class);
        }
        classes
    }

    fn subject_of<'a, 'l>(
        &self,
        prepared: &'a PreparedEnd<'_, 'l>,
        direction: Direction,
        position: usize,
    ) -> SubjectKey<'a>
    where
        'c: 'l,
    {
        let Endpoint::Pod(pod) = prepared.end else {
            return SubjectKey::Outside;
        };
        // A pod that is only asked about may be in a namespace that nobody has.
        let is_there = pod.workload.is_some();
        let program = self.program(prepared.end);
        let selection = &prepared.selection;
        let selection = is_there.then(|| selection.key(&program, direction, pod));
        (selection.flatten()).map_or(SubjectKey::Alone(position), |selection| SubjectKey::Pod {
            namespace: (pod.namespace.name, pod.namespace.are_labels_known),
            host_network: host_network_of(pod),
            selection,
        })
    }

    /// What the peers in the policies of the others may ask of the labels of an end.
    fn keys_of_peers(&self, direction: Direction, others: &[PreparedEnd<'_, '_>]) -> PeerKeys<'c> {
        let other_direction = match direction {
            Direction::Egress => Direction::Ingress,
            Direction::Ingress => Direction::Egress,
        };
        let mut namespaces: Vec<_> = others
            .iter()
            .filter_map(|other| Some((other.end.pod()?.namespace.id, other)))
            .collect();
        namespaces.sort_by_key(|(namespace, _)| *namespace);
        namespaces.dedup_by_key(|(namespace, _)| *namespace);
        let mut keys = PeerKeys::default();
        for (_, other) in namespaces {
            keys.add(self.program(other.end).peer_keys.get(other_direction));
        }
        keys
    }
}

fn key_of<'a>(
    prepared: &'a PreparedEnd<'_, '_>,
    subject: u32,
    direction: Direction,
    (keys, position): (&PeerKeys<'_>, usize),
) -> EndKey<'a> {
    let Endpoint::Pod(pod) = prepared.end else {
        return EndKey::Alone(position);
    };
    if pod.workload.is_none() {
        return EndKey::Alone(position);
    }
    EndKey::Pod(PodKey {
        subject,
        labels: labels_of(pod, keys),
        are_labels_known: pod.are_labels_known,
        has_opaque_key: pod.labels.iter().any(|label| is_opaque(&label.key)),
        controller: pod.controller.filter(|_| keys.see_controllers()),
        host_network: host_network_of(pod),
        addresses: pod.addresses,
        account: keys.sees_everything.then_some(pod.service_account),
        ports: (direction == Direction::Ingress)
            .then_some((pod.named_ports.as_slice(), pod.are_ports_known)),
    })
}

/// Whether a pod is on the network of its node; `None` where nobody knows.
fn host_network_of(pod: &PodView<'_>) -> Option<bool> {
    pod.is_host_network_known.then_some(pod.host_network)
}

fn labels_of<'a>(pod: &PodView<'a>, keys: &PeerKeys<'_>) -> Vec<(&'a str, &'a str)> {
    let labels = pod.labels.iter();
    let labels = labels.map(|label| (label.key.value.as_str(), label.value.value.as_str()));
    labels
        .filter(|(key, _)| keys.sees_everything || keys.labels.contains(*key))
        .collect()
}

impl Selection {
    /// What is asked about a pod, for comparison within a namespace; `None` where something is
    /// in doubt that cannot be compared.
    fn key<'c>(
        &self,
        program: &IndexedProgram<'c>,
        direction: Direction,
        pod: &PodView<'c>,
    ) -> Option<SelectionKey> {
        let mut key = SelectionKey {
            stages: Vec::new(),
            doubts: Vec::new(),
        };
        let mut chains = self.chains(program, direction);
        for stage in self.gates.iter().flatten() {
            key.stages.push(
                stage
                    .iter()
                    .map(|chain| (chain.place, chain.selects))
                    .collect(),
            );
            for (selected, chain) in stage.iter().zip(&mut chains) {
                for doubt in selected.doubts(chain, pod) {
                    key.doubts.push(doubt_key(&doubt)?);
                }
            }
        }
        Some(key)
    }
}

fn doubt_key(doubt: &Miss<'_>) -> Option<DoubtKey> {
    match doubt {
        Miss::PodLabel(requirement) | Miss::NamespaceLabel(requirement) => Some((
            std::ptr::from_ref(requirement.wanted.key()).cast(),
            requirement.truth,
            requirement.is_opaque(),
        )),
        _ => None,
    }
}
