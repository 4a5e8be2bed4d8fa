//! Where CNI plugins may answer otherwise than the reference, because Kubernetes leaves the
//! matter open, and nobody said which plugin it is.
//!
//! Refuses to guess which plugin a cluster has: it says what kind of plugin would give
//! another answer, and which one.

use super::Judge;
use crate::cluster::{Cluster, Enforcement};
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

/// What other plugins may make of the policies of a cluster. Where the plugin is known, only
/// what it leaves open.
#[derive(Debug)]
pub struct OtherPlugins {
    enforcements: Vec<(Matter, Enforcement)>,
}

impl OtherPlugins {
    /// Those for a cluster.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        let known = cluster.enforcement();
        if known.cni().is_some() {
            return Self {
                enforcements: Vec::new(),
            };
        }
        let without_pods = known.with_blocks_for_pods(!known.ip_block_matches_pods());
        let with_hosts =
            known.with_selectors_for_host_network(!known.selectors_match_host_network());
        Self {
            enforcements: vec![
                (Matter::BlocksIgnorePods, without_pods),
                (Matter::SelectorsSeeHostNetwork, with_hosts),
            ],
        }
    }
}

/// Judges pairs by every reading of a cluster's policies.
#[derive(Debug)]
pub struct PluginDifferences<'c, 'e> {
    reference: Judge<'c, 'e>,
    others: Vec<(Matter, Judge<'c, 'e>)>,
}

impl<'c: 'e, 'e> PluginDifferences<'c, 'e> {
    /// For the pairs of a cluster.
    #[must_use]
    pub fn new(cluster: &'c Cluster, plugins: &'e OtherPlugins) -> Self {
        let reference = Reading::of(cluster);
        let by_plugin = plugins.enforcements.iter().map(|(matter, enforcement)| {
            let reading = Reading {
                enforcement,
                ..reference
            };
            (*matter, reading)
        });
        let reversed = Reading {
            reverses_ties: true,
            ..reference
        };
        let others = by_plugin.chain([(Matter::EqualPriorities, reversed)]);
        let others = others.map(|(matter, it)| (matter, Judge::with_reading(cluster, it)));
        Self {
            reference: Judge::with_reading(cluster, reference),
            others: others.collect(),
        }
    }

    /// The matters on which the answer for some of the connections `asked` depends.
    #[must_use]
    pub fn between<'l>(
        &self,
        from: &Endpoint<'l>,
        to: &Endpoint<'l>,
        asked: &ConnectionSet,
    ) -> Vec<PluginDifference>
    where
        'c: 'l,
    {
        let allowed = |judge: &Judge<'c, 'e>| {
            let verdict = judge.explain(from, to).verdict;
            verdict.allowed().intersection(asked)
        };
        let known = allowed(&self.reference);
        let others = self.others.iter();
        let differences = others.map(|(matter, judge)| PluginDifference {
            matter: *matter,
            allowed: allowed(judge),
        });
        differences.filter(|other| other.allowed != known).collect()
    }
}
