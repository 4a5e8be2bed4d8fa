//! Where CNI plugins may answer otherwise than the reference, because Kubernetes leaves the
//! matter open, and nobody said which plugin it is.
//!
//! Refuses to guess which plugin a cluster has: it says what kind of plugin would give
//! another answer, and which one.

use super::Judge;
use crate::cluster::Cluster;
use crate::engine::program::Reading;
use crate::engine::{ConnectionSet, Endpoint};

/// A matter on which plugins differ, where it changes the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginDifference {
    /// The matter.
    pub matter: Matter,
    /// What is allowed by the other reading; differs from the verdict.
    pub allowed: ConnectionSet,
}

/// A matter on which plugins differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Matter {
    /// Whether an `ipBlock` matches a pod whose address it holds (S15): the reference says
    /// so, plugins that know pods by identity say no.
    BlocksIgnorePods,
    /// Whether selectors see pods on the network of their node (S10): the reference says no.
    SelectorsSeeHostNetwork,
    /// Which of two cluster-wide policies of one priority is asked first (S12).
    EqualPriorities,
}

/// The matters on which the answer for some of the connections `asked` depends. Where the
/// plugin is known, only those that it leaves open.
#[must_use]
pub fn plugin_differences(
    cluster: &Cluster,
    from: &Endpoint<'_>,
    to: &Endpoint<'_>,
    asked: &ConnectionSet,
) -> Vec<PluginDifference> {
    let enforcement = cluster.enforcement();
    let reference = Reading::of(cluster);
    let allowed = |reading| {
        let judge = Judge::with_reading(cluster, reading);
        let verdict = judge.explain(from, to).verdict;
        verdict.allowed().intersection(asked)
    };
    let known = allowed(reference);
    let without_pods = enforcement.with_blocks_for_pods(!enforcement.ip_block_matches_pods());
    let with_hosts =
        enforcement.with_selectors_for_host_network(!enforcement.selectors_match_host_network());
    let by_plugin = [
        (Matter::BlocksIgnorePods, &without_pods),
        (Matter::SelectorsSeeHostNetwork, &with_hosts),
    ];
    let by_plugin = by_plugin.into_iter().map(|(matter, enforcement)| {
        let reading = Reading {
            enforcement,
            ..reference
        };
        (matter, reading)
    });
    let by_plugin = by_plugin.filter(|_| enforcement.cni().is_none());
    let reversed = Reading {
        reverses_ties: true,
        ..reference
    };
    let others = by_plugin.chain([(Matter::EqualPriorities, reversed)]);
    let differences = others.map(|(matter, reading)| PluginDifference {
        matter,
        allowed: allowed(reading),
    });
    differences.filter(|other| other.allowed != known).collect()
}
