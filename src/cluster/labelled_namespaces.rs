//! Namespaces by their labels, for selectors taken as they are written.
//!
//! Refuses to know what a text may become that another tool fills in.

use super::{Cluster, NamespaceId, platform};
use crate::k8s::{LabelSelector, NAMESPACE_NAME_LABEL, Operator, PeerSelection};
use std::collections::HashMap;

/// The namespaces that have a label, by its key and value.
#[derive(Debug, Default)]
pub(super) struct LabelledNamespaces(HashMap<String, HashMap<String, Vec<NamespaceId>>>);

impl LabelledNamespaces {
    fn new(cluster: &Cluster) -> Self {
        let mut found = Self::default();
        for (id, namespace) in cluster.namespace_ids().zip(&cluster.namespaces) {
            for label in &namespace.labels {
                let by_value = found.0.entry(label.key.value.to_string()).or_default();
                let ids = by_value.entry(label.value.value.to_string()).or_default();
                ids.push(id);
            }
        }
        found
    }

    /// Those with a label, in order.
    fn with(&self, key: &str, value: &str) -> &[NamespaceId] {
        let by_value = self.0.get(key);
        by_value
            .and_then(|by_value| by_value.get(value))
            .map_or(&[], Vec::as_slice)
    }

    /// Those that have what the selector asks for by the label that fewest have, maybe among
    /// others; `None` where it asks for no value.
    fn candidates(&self, selector: &LabelSelector) -> Option<Vec<NamespaceId>> {
        let labels = selector.match_labels.iter();
        let of_labels = labels.map(|label| vec![self.with(&label.key, &label.value)]);
        let listed = selector.match_expressions.iter();
        let listed = listed.filter(|entry| entry.operator.value == Operator::In);
        let of_lists = listed.map(|entry| {
            let values = entry.values.iter();
            values.map(|value| self.with(&entry.key, value)).collect()
        });
        let count = |found: &Vec<&[NamespaceId]>| found.iter().map(|ids| ids.len()).sum::<usize>();
        let fewest = of_labels.chain(of_lists).min_by_key(count)?;
        let mut ids = fewest.concat();
        // A value may be listed twice.
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    }
}

impl Cluster {
    /// Whether a policy asks namespaces for a label that platforms and controllers set: then even
    /// those that Kubernetes makes may have it, as AKS labels `kube-system`.
    #[must_use]
    pub fn asks_for_platform_labels(&self) -> bool {
        *self.asks_for_platform_labels.get_or_init(|| {
            let peers = self
                .policies()
                .iter()
                .flat_map(|policy| policy.object.peers());
            let of_peers = peers.filter_map(|place| place.peer.namespace_selector.get());
            let cluster_wide = self.cluster_policy_ids().map(|id| self.cluster_policy(id));
            let rules = cluster_wide.flat_map(|policy| policy.ingress.iter().chain(&policy.egress));
            let of_rules =
                rules
                    .flat_map(|rule| &rule.peers)
                    .filter_map(|peer| match &peer.selection {
                        PeerSelection::Pods(pods) => Some(pods.selectors().0),
                        _ => None,
                    });
            let mut keys = of_peers.chain(of_rules).flat_map(LabelSelector::keys);
            keys.any(|key| key != NAMESPACE_NAME_LABEL && platform::sets_label(key))
        })
    }

    /// The namespaces that a selector matches, in order, all text taken as it stands.
    #[must_use]
    pub fn namespaces_matching(&self, selector: &LabelSelector) -> Vec<NamespaceId> {
        let index = self
            .labelled_namespaces
            .get_or_init(|| LabelledNamespaces::new(self));
        let candidates = index.candidates(selector);
        let mut ids = candidates.unwrap_or_else(|| self.namespace_ids().collect());
        ids.retain(|id| selector.matches(&self.namespace(*id).labels));
        ids
    }
}
