//! The addresses of an entry of a CIDR set of Cilium: a block, or groups of blocks.
//!
//! Refuses to know where in a rule it stands.

use super::Matcher;
use super::cilium_parts::{nets, outside, untold};
use crate::cluster::Cluster;
use crate::engine::HashMap;
use crate::engine::addresses::{AddressRange, address_atoms, merge_ranges};
use crate::k8s::{
    CiliumAddresses, CiliumCidrGroup, CiliumCidrSet, LabelSelector, Labels, Operator, Truth,
    is_opaque,
};
use ipnet::IpNet;
use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

/// What is known of the groups of a cluster, and of the selectors that were looked up.
#[derive(Default)]
pub(super) struct CidrGroups<'c> {
    /// The ranges that their blocks cut addresses into, with the labels of the groups that hold
    /// each of these.
    atoms: OnceCell<Vec<(AddressRange, Vec<&'c Labels>)>>,
    /// By selector, as it is written: the ranges that it selects; `None` where nobody knows.
    selected: RefCell<HashMap<String, Option<Arc<[AddressRange]>>>>,
}

impl<'c> CidrGroups<'c> {
    /// The ranges of the groups that a selector selects; `None` where another tool fills in what
    /// decides it.
    fn selected(
        &self,
        cluster: &'c Cluster,
        selector: &LabelSelector,
    ) -> Option<Arc<[AddressRange]>> {
        let text = selector.to_string();
        if let Some(known) = self.selected.borrow().get(&text) {
            return known.clone();
        }
        let asked = selector.without_sources();
        let is_open =
            accepted(cluster).any(|group| match asked.matches_opaque(&group.meta.labels) {
                Truth::True => !group.meta.holes.is_empty(),
                Truth::Unknown => true,
                Truth::False => false,
            });
        let found = (!is_open).then(|| {
            let atoms = self.atoms.get_or_init(|| Self::atoms_of(cluster)).iter();
            let matching = atoms.filter(|(_, labels)| matches_groups(selector, labels));
            merge_ranges(matching.map(|(atom, _)| *atom).collect()).into()
        });
        self.selected.borrow_mut().insert(text, found.clone());
        found
    }

    fn atoms_of(cluster: &'c Cluster) -> Vec<(AddressRange, Vec<&'c Labels>)> {
        let blocks = || {
            accepted(cluster).flat_map(|group| {
                let nets = group.cidrs.iter();
                nets.map(|net| (AddressRange::from(net.value), &group.meta.labels))
            })
        };
        let atoms = address_atoms(blocks().map(|(range, _)| range)).into_iter();
        let mut atoms: Vec<(AddressRange, Vec<&'c Labels>)> =
            atoms.map(|atom| (atom, Vec::new())).collect();
        for (block, labels) in blocks() {
            let first = atoms.partition_point(|(atom, _)| atom.last < block.first);
            let within = atoms[first..].iter_mut();
            for (_, all) in within.take_while(|(atom, _)| atom.first <= block.last) {
                all.push(labels);
            }
        }
        atoms
    }
}

/// The groups that the API server accepts.
fn accepted(cluster: &Cluster) -> impl Iterator<Item = &CiliumCidrGroup> {
    let groups = cluster.plugin_resources().cidr_groups.iter();
    groups.filter(|group| group.meta.is_accepted)
}

/// The addresses of an entry of a CIDR set; `None` is everybody.
pub(super) fn cidr_set<'c>(
    cluster: &'c Cluster,
    known: &CidrGroups<'c>,
    set: &CiliumCidrSet,
) -> Option<Matcher<'c>> {
    let except = nets(&set.except);
    let groups = accepted(cluster);
    Some(match &set.addresses {
        CiliumAddresses::Cidr(cidr) => outside(&[cidr.value], &except),
        CiliumAddresses::Group(name) => {
            // What another tool fills in of a group may be its name, its labels or its addresses.
            let named_by_others = || accepted(cluster).any(|group| is_opaque(&group.meta.name));
            let mut groups = groups.filter(|group| group.meta.name.value == name.value);
            match groups.next() {
                Some(group) if group.meta.holes.is_empty() => outside(&nets(&group.cidrs), &except),
                Some(_) => untold(&except),
                None if named_by_others() => untold(&except),
                None => untold_groups(cluster, &except),
            }
        }
        // Its cache key is that of the empty selector, which means everybody (C8).
        CiliumAddresses::Groups(selector) if selector.is_empty() && except.is_empty() => {
            return None;
        }
        CiliumAddresses::Groups(selector) => {
            let Some(selected) = known.selected(cluster, selector) else {
                return Some(untold(&except));
            };
            let excepted: Vec<AddressRange> =
                except.iter().copied().map(AddressRange::from).collect();
            let ranges = selected.iter().flat_map(|range| range.without(&excepted));
            let ranges = merge_ranges(ranges.collect());
            let has_blocks = accepted(cluster).any(|group| !group.cidrs.is_empty());
            match !has_blocks && ranges.is_empty() {
                true => untold_groups(cluster, &except),
                false => Matcher::Outside(ranges),
            }
        }
    })
}

/// The addresses of groups that are not among the inputs: some may be in the cluster.
fn untold_groups<'c>(cluster: &Cluster, except: &[IpNet]) -> Matcher<'c> {
    match cluster.enforcement().holds_everything() {
        true => outside(&[], &[]),
        false => untold(except),
    }
}

/// Whether the labels of all groups that hold an address meet a selector together.
fn matches_groups(selector: &LabelSelector, groups: &[&Labels]) -> bool {
    let values = |key: &str| {
        let key = key.split_once(':').map_or(key, |(_, key)| key).to_owned();
        groups
            .iter()
            .filter_map(move |labels| labels.get(&key).map(str::to_owned))
    };
    let labels = selector.match_labels.iter();
    let mut labels = labels.map(|label| values(&label.key).any(|value| value == label.value.value));
    let expressions = selector.match_expressions.iter();
    let mut expressions = expressions.map(|entry| {
        let is_listed = |value: String| entry.values.iter().any(|listed| listed.value == value);
        match entry.operator.value {
            Operator::In => values(&entry.key).any(is_listed),
            Operator::NotIn => !values(&entry.key).any(is_listed),
            Operator::Exists => values(&entry.key).next().is_some(),
            Operator::DoesNotExist => values(&entry.key).next().is_none(),
        }
    });
    labels.all(|holds| holds) && expressions.all(|holds| holds)
}
