//! Where network plugins may answer otherwise than the reference, because Kubernetes
//! leaves the matter open.
//!
//! Refuses to guess which plugin a cluster has: it says what kind of plugin would give
//! another answer, and which one.

use super::{PodAddresses, PriorityTies, Reading, judge};
use crate::cluster::Cluster;
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
    /// Whether an `ipBlock` matches a pod whose address it holds (S9): the reference says
    /// so, plugins that know pods by identity say no.
    BlocksIgnorePods,
    /// Whether an `ipBlock` that has room for the addresses of pods matches a pod whose
    /// address is not known (S9): the reference says no.
    BlocksSeePods,
    /// Whether selectors see pods on the network of their node (S10): the reference says no.
    SelectorsSeeHostNetwork,
    /// Which of two cluster-wide policies of one priority is asked first (S12).
    EqualPriorities,
}

impl Matter {
    const ALL: [Self; 4] = [
        Self::BlocksIgnorePods,
        Self::BlocksSeePods,
        Self::SelectorsSeeHostNetwork,
        Self::EqualPriorities,
    ];

    fn reading(self) -> Reading {
        let reference = Reading::AS_WRITTEN;
        match self {
            Self::BlocksIgnorePods => Reading {
                pod_addresses: PodAddresses::NeverSeen,
                ..reference
            },
            Self::BlocksSeePods => Reading {
                pod_addresses: PodAddresses::SeenEverywhere,
                ..reference
            },
            Self::SelectorsSeeHostNetwork => Reading {
                selectors_see_host_network: true,
                ..reference
            },
            Self::EqualPriorities => Reading {
                priority_ties: PriorityTies::Reversed,
                ..reference
            },
        }
    }
}

/// The matters on which the answer for some of the connections `asked` depends.
#[must_use]
pub fn plugin_differences(
    cluster: &Cluster,
    from: &Endpoint<'_>,
    to: &Endpoint<'_>,
    asked: &ConnectionSet,
) -> Vec<PluginDifference> {
    let allowed = |reading| {
        judge(cluster, from, to, reading)
            .verdict
            .allowed()
            .intersection(asked)
    };
    let reference = allowed(Reading::AS_WRITTEN);
    let others = Matter::ALL.map(|matter| PluginDifference {
        matter,
        allowed: allowed(matter.reading()),
    });
    others
        .into_iter()
        .filter(|other| other.allowed != reference)
        .collect()
}
