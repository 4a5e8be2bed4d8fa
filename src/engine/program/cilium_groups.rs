//! The addresses of an entry of a CIDR set of Cilium: a block, or groups of blocks.
//!
//! Refuses to know where in a rule it stands.

use super::Matcher;
use super::cilium_parts::{nets, outside, untold, without_sources};
use crate::cluster::Cluster;
use crate::engine::addresses::{AddressRange, address_atoms, merge_ranges};
use crate::k8s::{CiliumAddresses, CiliumCidrSet, LabelSelector, Operator, Truth, is_opaque};
use ipnet::IpNet;

/// The addresses of an entry of a CIDR set; `None` is everybody.
pub(super) fn cidr_set<'c>(cluster: &Cluster, set: &CiliumCidrSet) -> Option<Matcher<'c>> {
    let except = nets(&set.except);
    let groups = &cluster.plugin_resources().cidr_groups;
    let groups = groups.iter().filter(|group| group.meta.is_accepted);
    // What another tool fills in of a group may be its name, its labels or its addresses.
    let named_by_others = groups.clone().any(|group| is_opaque(&group.meta.name));
    Some(match &set.addresses {
        CiliumAddresses::Cidr(cidr) => outside(&[cidr.value], &except),
        CiliumAddresses::Group(name) => {
            let mut groups = groups.filter(|group| group.meta.name.value == name.value);
            match groups.next() {
                Some(group) if group.meta.holes.is_empty() => outside(&nets(&group.cidrs), &except),
                Some(_) => untold(&except),
                None if named_by_others => untold(&except),
                None => untold_groups(cluster, &except),
            }
        }
        // Its cache key is that of the empty selector, which means everybody (C8).
        CiliumAddresses::Groups(selector) if selector.is_empty() && except.is_empty() => {
            return None;
        }
        CiliumAddresses::Groups(selector)
            if groups.clone().any(|group| {
                match without_sources(selector).matches_opaque(&group.meta.labels) {
                    Truth::True => !group.meta.holes.is_empty(),
                    Truth::Unknown => true,
                    Truth::False => false,
                }
            }) =>
        {
            untold(&except)
        }
        CiliumAddresses::Groups(selector) => {
            let all: Vec<IpNet> = groups
                .clone()
                .flat_map(|group| nets(&group.cidrs))
                .collect();
            let atoms = address_atoms(all.iter().copied().map(AddressRange::from));
            let matching = atoms.into_iter().filter(|atom| {
                let here = groups.clone().filter(|group| {
                    let mut nets = group.cidrs.iter();
                    nets.any(|net| AddressRange::from(net.value).contains(atom.first))
                });
                let labels: Vec<_> = here.map(|group| &group.meta.labels).collect();
                matches_groups(selector, &labels)
            });
            let excepted: Vec<AddressRange> =
                except.iter().copied().map(AddressRange::from).collect();
            let ranges = matching.flat_map(|atom| atom.without(&excepted));
            let ranges = merge_ranges(ranges.collect());
            match all.is_empty() && ranges.is_empty() {
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
fn matches_groups(selector: &LabelSelector, groups: &[&crate::k8s::Labels]) -> bool {
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
