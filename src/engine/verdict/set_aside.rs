//! Policies that read as if they were about a pod, and of which nothing is enforced on it:
//! the answer that people do not find in the rules that were asked.
//!
//! Refuses to know what they would allow.

use crate::cluster::{Cluster, Cni};
use crate::engine::program::PolicyRef;
use crate::engine::program::cilium::subjects;
use crate::engine::program::cilium_network_policy::network_subject;
use crate::engine::program::condition::{Asks, Candidate, Condition};
use crate::engine::{Endpoint, PodView};
use crate::k8s::{CiliumFault, Direction, PluginSpec, Truth};

/// A policy of which nothing is enforced on a pod.
#[derive(Clone, Debug)]
pub struct SetAside<'c> {
    /// The policy.
    pub policy: PolicyRef,
    /// Why.
    pub reason: SetAsideReason<'c>,
}

/// Why nothing of a policy is enforced on a pod.
#[derive(Clone, Debug)]
pub enum SetAsideReason<'c> {
    /// The API server stores it, and Cilium's agent rejects the whole of it.
    RejectedByAgent(&'c CiliumFault),
    /// The API server rejects it, so that it is not there.
    RejectedByServer,
    /// Its selector asks for the label of this key, which Cilium keeps out of identities.
    FilteredLabel(String),
}

/// The policies in the dialect of the CNI plugin in force that would be about an end for a
/// direction, were it not for what is wrong with them; none for an end without policies.
#[must_use]
pub fn set_aside<'c>(
    cluster: &'c Cluster,
    end: &Endpoint<'c>,
    direction: Direction,
) -> Vec<SetAside<'c>> {
    let cni = cluster.enforcement().cni().map(|cni| cni.value);
    let Some(pod) = end.pod().filter(|pod| !pod.host_network) else {
        return Vec::new();
    };
    match cni {
        Some(Cni::Cilium) => of_cilium(cluster, pod, direction),
        _ => Vec::new(),
    }
}

fn of_cilium<'c>(
    cluster: &'c Cluster,
    pod: &PodView<'c>,
    direction: Direction,
) -> Vec<SetAside<'c>> {
    let mut all = Vec::new();
    let options = cluster.enforcement().cilium();
    for id in pod
        .namespace
        .id
        .into_iter()
        .flat_map(|id| cluster.policies_in(id))
    {
        let policy = &cluster.policy(id).object;
        let condition = network_subject(policy, options);
        if let Some(key) = filtered_label(&condition, pod).filter(|_| policy.applies_to(direction))
        {
            let reason = SetAsideReason::FilteredLabel(key);
            all.push(SetAside {
                policy: PolicyRef::Network(id),
                reason,
            });
        }
    }
    for id in cluster.plugin_policy_ids() {
        let policy = cluster.plugin_policy(id);
        let PluginSpec::Cilium(spec) = &policy.spec else {
            continue;
        };
        let is_elsewhere = policy
            .namespace()
            .is_some_and(|own| own != pod.namespace.name);
        if is_elsewhere {
            continue;
        }
        let subjects = subjects(spec, policy.namespace(), direction, options);
        let may_select =
            |condition: &Condition<'_>| condition.truth(candidate(pod)) != Truth::False;
        let reason = match options.faults(policy).next() {
            // Of a policy that cannot be read whole nobody knows whom it is about.
            _ if !policy.meta.is_accepted => spec
                .specs
                .is_empty()
                .then_some(SetAsideReason::RejectedByServer)
                .or_else(|| {
                    let selects = subjects.iter().any(may_select);
                    selects.then_some(SetAsideReason::RejectedByServer)
                }),
            Some(fault) => {
                let selects = spec.specs.is_empty() || subjects.iter().any(may_select);
                selects.then_some(SetAsideReason::RejectedByAgent(fault))
            }
            None => {
                let mut keys = subjects.iter().filter_map(|it| filtered_label(it, pod));
                keys.next().map(SetAsideReason::FilteredLabel)
            }
        };
        all.extend(reason.map(|reason| SetAside {
            policy: PolicyRef::Plugin(id),
            reason,
        }));
    }
    all
}

/// The label for which alone a selector does not select a pod that has it.
fn filtered_label(condition: &Condition<'_>, pod: &PodView<'_>) -> Option<String> {
    let unmet = condition.unmet(candidate(pod));
    if !unmet.iter().all(|it| it.is_filtered()) {
        return None;
    }
    unmet.into_iter().find_map(|it| match it.asks {
        // The pod has the label with another value: it would not be selected either way.
        Asks::Label { test, .. } => {
            let value = pod.labels.get(&test.key);
            test.holds(value).then_some(test.key)
        }
        _ => None,
    })
}

fn candidate<'a, 'c>(pod: &'a PodView<'c>) -> Candidate<'a, 'c> {
    Candidate::Pod {
        pod,
        address: None,
        is_ipv4: true,
    }
}
