//! Compares pods with the pods that a policy means: its subject, or a peer (S5, S6, S10, S12,
//! S15).
//!
//! Refuses to know addresses, and what a policy says about the pods that it means.

use super::{Miss, namespace_view, pod_view, truth_of, unsatisfied};
use crate::engine::PodView;
use crate::engine::program::condition::{Candidate, Condition};
use crate::engine::program::{HostNetwork, NamespaceSet, PodSet};
use crate::k8s::Truth;

/// What keeps pods from being among those of a selection (S5, S6, S10, S12, S15).
///
/// Of a pod that may be on the network of its node or not: what keeps it from being one of them
/// as it is not there, and that nobody knows where it is, as far as that decides.
pub(in crate::engine::verdict) fn misses_of_pods<'c>(
    pods: &PodSet<'c>,
    pod: &PodView<'c>,
) -> Vec<Miss<'c>> {
    if let Some(variants) = pod.variants() {
        let [plain, on_host] = variants.map(|pod| misses_of_pods(pods, &pod));
        return on_either_network(plain, truth_of(&on_host));
    }
    if pod.host_network {
        match pods.host_network {
            HostNetwork::Unseen => return vec![Miss::HostNetwork],
            HostNetwork::Group => return Vec::new(),
            HostNetwork::Seen => {}
        }
    }
    let mut misses = Vec::new();
    match pods.namespaces {
        NamespaceSet::All => {}
        NamespaceSet::One(id) if pod.namespace.id == Some(id) => {}
        // The condition asks for the namespace as well, and says so.
        NamespaceSet::One(_) if pods.condition.is_some() => {}
        NamespaceSet::One(_) => misses.push(Miss::OtherNamespace),
        NamespaceSet::Matching(selector) => {
            let unsatisfied = unsatisfied(selector, namespace_view(&pod.namespace));
            misses.extend(unsatisfied.map(Miss::NamespaceLabel));
        }
    }
    if let Some(selector) = pods.pods {
        misses.extend(unsatisfied(selector, pod_view(pod)).map(Miss::PodLabel));
    }
    if let Some(condition) = &pods.condition {
        let candidate = Candidate::Pod {
            pod,
            address: None,
            is_ipv4: true,
        };
        misses.extend(unmet_by(condition, candidate));
    }
    misses
}

/// What keeps a condition from holding for an end.
pub(super) fn unmet_by<'m, 'c>(
    condition: &Condition<'c>,
    candidate: Candidate<'_, 'c>,
) -> Vec<Miss<'m>> {
    if let Some(pods) = candidate.pod().and_then(PodView::variants) {
        let [plain, on_host] = pods.map(|pod| unmet_by(condition, candidate.with_pod(&pod)));
        return on_either_network(plain, truth_of(&on_host));
    }
    condition
        .unmet(candidate)
        .into_iter()
        .map(Miss::Unmet)
        .collect()
}

/// The misses of a pod of which nobody knows whether it is on the network of its node, from
/// those that it has if it is not and whether anything matches if it is.
fn on_either_network<'c>(plain: Vec<Miss<'c>>, on_host: Truth) -> Vec<Miss<'c>> {
    match (truth_of(&plain), on_host) {
        (one, other) if one == other => plain,
        (Truth::False, _) => vec![Miss::NetworkUnknown],
        _ => plain.into_iter().chain([Miss::NetworkUnknown]).collect(),
    }
}

/// Whether pods are among those of a selection.
pub(in crate::engine) fn truth_of_pods<'c>(pods: &PodSet<'c>, pod: &PodView<'c>) -> Truth {
    if let Some(variants) = pod.variants() {
        let [plain, on_host] = variants.map(|pod| truth_of_pods(pods, &pod));
        return plain.either(on_host);
    }
    let condition = pods.condition.as_ref().map(|condition| {
        condition.truth(Candidate::Pod {
            pod,
            address: None,
            is_ipv4: true,
        })
    });
    let rest = PodSet {
        condition: None,
        namespaces: match pods.namespaces {
            NamespaceSet::One(_) if condition.is_some() => NamespaceSet::All,
            namespaces => namespaces,
        },
        ..pods.clone()
    };
    let rest = truth_of(&misses_of_pods(&rest, pod));
    condition.map_or(rest, |condition| condition.min(rest))
}

impl<'c> PodSet<'c> {
    /// Whether a pod is one of them.
    #[must_use]
    pub fn truth(&self, pod: &PodView<'c>) -> Truth {
        truth_of_pods(self, pod)
    }
}
