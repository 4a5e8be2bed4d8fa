//! About which ends of the other side the rules of an end may say something. Of many pairs most
//! are of two ends that say nothing about each other.
//!
//! Only leaves out what certainly no rule matches. Refuses to decide what one does.

use super::index::IndexedProgram;
use super::side::Selection;
use super::{AskedRule, Judge, PreparedEnd};
use crate::cluster::{Enforcement, NamespaceId};
use crate::engine::program::{
    Block, Chain, HostNetwork, Matcher, NamespaceSet, Peer, PodSet, Ports, Rule,
};
use crate::engine::{AddressRange, Endpoint, HashMap};
use crate::k8s::{Direction, Labels};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The ends of one side, by what rules may ask of them; ends are meant by their positions.
#[derive(Debug, Default)]
pub struct EndIndex<'l> {
    /// Pods, by each of their labels.
    by_label: HashMap<(&'l str, &'l str), Vec<u32>>,
    /// Pods, by each label of their namespace.
    by_namespace_label: HashMap<(&'l str, &'l str), Vec<u32>>,
    by_namespace: HashMap<NamespaceId, Vec<u32>>,
    /// Pods of which not all labels are known, or that a rule may mean whatever its labels. Labels
    /// that controllers add do not count, as no selector is looked up by these.
    unlabelled: Vec<u32>,
    /// Pods in namespaces of which not all labels are known.
    in_unlabelled: Vec<u32>,
    on_host: Vec<u32>,
    /// Pods that may be on the network of their node: every rule counts as one about them.
    perhaps_on_host: Vec<u32>,
    pods: Vec<u32>,
    /// What is neither a pod nor an address.
    others: Vec<u32>,
    /// The known addresses of pods, in order.
    addresses: Vec<(IpAddr, u32)>,
    /// Addresses outside, in order of their first and of their last one.
    ranges: Vec<(AddressRange, u32)>,
    /// Whether ranges overlap, so that their order says nothing of their ends.
    overlaps: bool,
}

/// The ends that the rules of an end may be about.
#[derive(Default)]
struct Spoken {
    ends: Vec<u32>,
    /// How long the list may become before those that are in it twice are taken out.
    room: usize,
    /// Besides, all pods of these namespaces.
    namespaces: BTreeSet<NamespaceId>,
    /// Besides, the ends of one of these lists of the index.
    pods: bool,
    on_host: bool,
    unlabelled: bool,
    in_unlabelled: bool,
    unaddressed_pods: bool,
    not_pods: bool,
}

impl<'l> EndIndex<'l> {
    /// The index of these ends.
    #[must_use]
    pub fn new<'e>(ends: impl IntoIterator<Item = &'e Endpoint<'l>>) -> Self
    where
        'l: 'e,
    {
        let mut index = Self::default();
        for (position, end) in (0..).zip(ends) {
            match end {
                Endpoint::Pod(pod) => {
                    index.pods.push(position);
                    if let Some(id) = pod.namespace.id {
                        index.by_namespace.entry(id).or_default().push(position);
                    }
                    if pod.host_network {
                        index.on_host.push(position);
                    }
                    if !pod.is_host_network_known {
                        index.perhaps_on_host.push(position);
                    }
                    match pod.host_network || !pod.are_labels_known || pod.labels.have_gaps() {
                        true => index.unlabelled.push(position),
                        false => add(&mut index.by_label, pod.labels, position),
                    }
                    let namespace = &pod.namespace;
                    match namespace.are_labels_known && !namespace.labels.have_gaps() {
                        true => add(&mut index.by_namespace_label, namespace.labels, position),
                        false => index.in_unlabelled.push(position),
                    }
                    let addresses = pod.addresses.iter();
                    index.addresses.extend(addresses.map(|it| (*it, position)));
                }
                Endpoint::Address(range) => index.ranges.push((*range, position)),
                Endpoint::Entity(_) | Endpoint::Name(_) => index.others.push(position),
            }
        }
        index.addresses.sort_unstable();
        index
            .ranges
            .sort_unstable_by_key(|(range, _)| (range.first, range.last));
        let neighbours = index.ranges.windows(2);
        index.overlaps = neighbours
            .into_iter()
            .any(|it| it[0].0.last >= it[1].0.first);
        index
    }

    /// Adds those that a rule may be about by its peers, nobody if it has none; whether these
    /// can be told.
    fn add_rule(&self, rule: &Rule<'_>, enforcement: &Enforcement, spoken: &mut Spoken) -> bool {
        let Some(peers) = rule.peers.as_deref() else {
            return true;
        };
        let mut peers = peers.iter();
        !rule.is_opaque && peers.all(|peer| self.add_peer(peer, enforcement, spoken))
    }

    fn add_peer(&self, peer: &Peer<'_>, enforcement: &Enforcement, spoken: &mut Spoken) -> bool {
        match &peer.matcher {
            Matcher::Pods(pods) => self.add_pods(pods, spoken),
            Matcher::Blocks(blocks) => self.add_blocks(blocks, enforcement, spoken),
            Matcher::Entities(_) => spoken.not_pods = true,
            Matcher::Outside(ranges) | Matcher::Untold(ranges) => {
                spoken.not_pods = true;
                let found = ranges.iter().flat_map(|range| self.ranges_in(range));
                spoken.ends.extend(found);
            }
            Matcher::Condition(condition) => match condition.asked_for() {
                Some(labels) => {
                    spoken.add_labelled(&self.by_label, &labels);
                    spoken.unlabelled = true;
                }
                None => return false,
            },
            Matcher::BlockOfNoPods(..) | Matcher::Nodes(_) | Matcher::DomainNames => return false,
        }
        spoken.compact();
        true
    }

    fn add_pods(&self, set: &PodSet<'_>, spoken: &mut Spoken) {
        spoken.on_host |= set.host_network == HostNetwork::Group;
        // A condition names the namespace by itself.
        let namespaces = match set.condition {
            Some(_) => NamespaceSet::All,
            None => set.namespaces,
        };
        match (namespaces, set.asked_for()) {
            (NamespaceSet::One(id), labels) => {
                let own = self.by_namespace.get(&id).map_or(&[][..], Vec::as_slice);
                let labels = labels.filter(|labels| {
                    let labelled = labels.iter().map(|it| count(&self.by_label, it));
                    labelled.sum::<usize>() < own.len()
                });
                match labels {
                    Some(labels) => {
                        spoken.add_labelled(&self.by_label, &labels);
                        spoken.unlabelled = true;
                    }
                    None => {
                        spoken.namespaces.insert(id);
                    }
                }
            }
            (_, Some(labels)) => {
                spoken.add_labelled(&self.by_label, &labels);
                spoken.unlabelled = true;
            }
            (NamespaceSet::Matching(selector), None) => match selector.asked_for() {
                Some(labels) => {
                    spoken.add_labelled(&self.by_namespace_label, &labels);
                    spoken.in_unlabelled = true;
                }
                None => spoken.pods = true,
            },
            (NamespaceSet::All, None) => spoken.pods = true,
        }
    }

    fn add_blocks(&self, blocks: &[Block<'_>], enforcement: &Enforcement, spoken: &mut Spoken) {
        // The addresses of a name are not known, and may be anywhere.
        spoken.not_pods = true;
        for block in blocks {
            let block = AddressRange::from(block.cidr.value);
            spoken.ends.extend(self.ranges_in(&block));
            let first = self.addresses.partition_point(|(it, _)| *it < block.first);
            let addresses = self.addresses[first..].iter();
            let addresses = addresses.take_while(|(it, _)| *it <= block.last);
            spoken.ends.extend(addresses.map(|(_, position)| position));
            // One that is not known may be in the block if pods have theirs there. Of the
            // other family even that of a pod with a known one is not known.
            let somewhere = [false, true].map(|is_on_host| enforcement.unknown_address(is_on_host));
            spoken.unaddressed_pods |= (somewhere.into_iter().flatten())
                .any(|range| AddressRange::from(range).overlaps(&block));
        }
    }

    fn ranges_in(&self, block: &AddressRange) -> impl Iterator<Item = &u32> {
        let from = match self.overlaps {
            true => 0,
            false => self.ranges.partition_point(|(it, _)| it.last < block.first),
        };
        let ranges = self.ranges[from..].iter();
        let ranges = ranges.take_while(|(range, _)| range.first <= block.last);
        ranges.map(|(_, position)| position)
    }
}

fn add<'l>(map: &mut HashMap<(&'l str, &'l str), Vec<u32>>, labels: &'l Labels, position: u32) {
    for label in labels {
        let label = (label.key.value.as_str(), label.value.value.as_str());
        map.entry(label).or_default().push(position);
    }
}

fn count(by_label: &HashMap<(&str, &str), Vec<u32>>, label: &(&str, &str)) -> usize {
    by_label.get(label).map_or(0, Vec::len)
}

impl Spoken {
    fn add_labelled(
        &mut self,
        by_label: &HashMap<(&str, &str), Vec<u32>>,
        labels: &[(&str, &str)],
    ) {
        let found = labels.iter().filter_map(|label| by_label.get(label));
        self.ends.extend(found.flatten());
    }

    /// Hundreds of peers may each be about the same thousands of ends.
    fn compact(&mut self) {
        if self.ends.len() > self.room {
            self.ends.sort_unstable();
            self.ends.dedup();
            self.room = 2 * self.ends.len() + 1024;
        }
    }

    /// All of them, in order.
    fn ends(self, index: &EndIndex<'_>) -> Vec<u32> {
        let mut ends = self.ends;
        let namespaces = self.namespaces.iter();
        ends.extend(
            namespaces
                .filter_map(|id| index.by_namespace.get(id))
                .flatten(),
        );
        for (is_meant, more) in [
            (self.pods || self.unaddressed_pods, &index.pods),
            (self.on_host, &index.on_host),
            (self.unlabelled, &index.unlabelled),
            (self.in_unlabelled, &index.in_unlabelled),
            (self.not_pods, &index.others),
            (true, &index.perhaps_on_host),
        ] {
            ends.extend(more.iter().filter(|_| is_meant));
        }
        ends.sort_unstable();
        ends.dedup();
        ends.shrink_to_fit();
        ends
    }
}

impl Judge<'_, '_> {
    /// The ends of the other side, by their positions in order, that a peer of this end's rules
    /// may be about, perhaps among others; `None` where that may be any of them. The side of
    /// this end with any other one is [`with_anybody`](Self::with_anybody).
    #[must_use]
    pub fn spoken_of(
        &self,
        direction: Direction,
        end: &PreparedEnd<'_, '_>,
        others: &EndIndex<'_>,
    ) -> Option<Vec<u32>> {
        let program = self.program(end.end);
        let mut spoken = Spoken::default();
        for chain in end.selection.chains(&program, direction) {
            for rule in &chain.rules {
                // A name of a port is one of the other end.
                let is_told = !(direction == Direction::Egress && has_named_port(rule));
                if !is_told || !others.add_rule(rule, self.reading.enforcement, &mut spoken) {
                    return None;
                }
            }
        }
        Some(spoken.ends(others))
    }
}

impl AskedRule<'_, '_> {
    /// The ends, by their positions in order, that the rule's peers may match, perhaps among
    /// others; `None` where that may be any of them.
    #[must_use]
    pub fn may_be_about(&self, others: &EndIndex<'_>) -> Option<Vec<u32>> {
        let mut spoken = Spoken::default();
        let is_told = others.add_rule(self.rule, self.enforcement, &mut spoken);
        is_told.then(|| spoken.ends(others))
    }
}

fn has_named_port(rule: &Rule<'_>) -> bool {
    let mut entries = rule.ports.iter().flatten();
    entries.any(|entry| matches!(entry.ports, Ports::Name(..) | Ports::ExceptName(..)))
}

impl Selection {
    /// The chains that are asked.
    pub(super) fn chains<'a, 'c>(
        &'a self,
        program: &'a IndexedProgram<'c>,
        direction: Direction,
    ) -> impl Iterator<Item = &'a Chain<'c>> {
        let gates = program.gates().zip(&self.gates);
        let stages = gates.flat_map(|(stages, selected)| stages.zip(selected));
        stages.flat_map(move |(stage, selected)| {
            let places = selected.iter().map(|selected| selected.place);
            places.map(move |place| stage.chain(direction, place).chain)
        })
    }
}
