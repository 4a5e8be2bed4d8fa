//! Which namespaces a change of policies can concern: of pods elsewhere, which it opens nothing
//! to, nor from, one need not know whether they are there, nor which policies they have.
//!
//! Refuses to know what the change is good for.

use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL};
use crate::k8s::{
    Direction, LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyRule, Object,
};
use std::collections::BTreeSet;

/// The namespaces of all pods that a change may open something to, or from, be there what pods
/// there may; `None` where that may be any, or takes more than a look at the policies.
pub(super) fn namespaces(
    cluster: &Cluster,
    before: &[&Object],
    after: &[Object],
) -> Option<BTreeSet<String>> {
    let before: Option<Vec<&NetworkPolicy>> = before.iter().map(|it| network_policy(it)).collect();
    let after: Option<Vec<&NetworkPolicy>> = after.iter().map(network_policy).collect();
    let (before, after) = (before?, after?);
    let is_kept = |old: &&NetworkPolicy| {
        let mut after = after.iter();
        after.any(|new| isolate_alike(old, new))
    };
    if !before.iter().all(is_kept) {
        return None;
    }
    let mut extent = Extent {
        cluster,
        namespaces: BTreeSet::new(),
    };
    for new in &after {
        let mut known = before.iter();
        let old = known.find(|old| isolate_alike(old, new)).copied();
        extent.add_policy(old, new)?;
    }
    Some(extent.namespaces)
}

fn network_policy(object: &Object) -> Option<&NetworkPolicy> {
    match object {
        Object::NetworkPolicy(policy) => Some(policy),
        _ => None,
    }
}

/// Whether two policies are of one name and isolate the same pods, so that they differ in what
/// they allow at the most.
fn isolate_alike(old: &NetworkPolicy, new: &NetworkPolicy) -> bool {
    let name = |policy: &NetworkPolicy| {
        let meta = &policy.meta;
        (
            meta.namespace_name().to_owned(),
            meta.name.value.clone(),
            meta.is_accepted,
        )
    };
    let isolated = |policy: &NetworkPolicy| {
        let selector = policy.pod_selector.get().map(LabelSelector::canonical);
        (
            selector,
            Direction::BOTH.map(|direction| policy.applies_to(direction)),
        )
    };
    name(old) == name(new) && isolated(old) == isolated(new)
}

struct Extent<'c> {
    cluster: &'c Cluster,
    namespaces: BTreeSet<String>,
}

impl Extent<'_> {
    /// Adds those of the pods that a policy selects, and of the pods that it opens something to,
    /// or from, and the `old` one did not.
    fn add_policy(&mut self, old: Option<&NetworkPolicy>, new: &NetworkPolicy) -> Option<()> {
        if !new.meta.holes.is_empty() {
            return None;
        }
        let home = new.meta.namespace_name();
        self.namespaces.insert(home.to_owned());
        for place in new.rule_places() {
            let known = old.map_or(&[][..], |old| old.rules(place.direction));
            self.add_rule(known, place.rule)?;
        }
        Some(())
    }

    fn add_rule(&mut self, known: &[NetworkPolicyRule], rule: &NetworkPolicyRule) -> Option<()> {
        if known.iter().any(|old| old.canonical() == rule.canonical()) {
            return Some(());
        }
        let ports = rule.canonical_ports();
        let of_ports = known.iter().filter(|old| old.canonical_ports() == ports);
        let of_ports = of_ports.flat_map(|old| old.peers.items());
        let allowed: BTreeSet<String> = of_ports.map(NetworkPolicyPeer::canonical).collect();
        let peers = rule.peers.items();
        // A rule without peers is about everybody.
        if peers.is_empty() {
            return None;
        }
        for peer in peers {
            if !allowed.contains(&peer.canonical()) {
                self.add_peer(peer)?;
            }
        }
        Some(())
    }

    /// Adds those of a peer, beside the policy's own.
    fn add_peer(&mut self, peer: &NetworkPolicyPeer) -> Option<()> {
        // Pods anywhere may have the addresses of a block.
        let (namespaces, _) = peer.selectors()?;
        namespaces.map_or(Some(()), |selector| self.add_selected(selector))
    }

    /// Adds the namespaces that a selector selects. Of one that has no manifest only the name is
    /// known, which is its only label.
    fn add_selected(&mut self, selector: &LabelSelector) -> Option<()> {
        let mut labels = selector.match_labels.iter();
        if selector.match_labels.is_empty() || selector.is_opaque() {
            return None;
        }
        if labels.all(|label| label.key.value == NAMESPACE_NAME_LABEL) {
            let names = selector.match_labels.iter();
            self.namespaces
                .extend(names.map(|label| label.value.value.to_string()));
        }
        let namespaces = self.cluster.namespaces().iter();
        let selected = namespaces.filter(|namespace| selector.matches(&namespace.labels));
        self.namespaces
            .extend(selected.map(|namespace| namespace.name.clone()));
        Some(())
    }
}
