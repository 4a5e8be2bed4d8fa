//! Pods that are taken to exist although no manifest holds them: those that a platform runs,
//! and those of namespaces that the manifests only mention.
//!
//! Refuses to invent pods of a namespace whose workloads are known: a label that none of them
//! has is a mistake there.

use super::{End, HypotheticalNamespace, HypotheticalPod, Lookup, Resolved};
use crate::cluster::platform::{self, KnownPods};
use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL};
use crate::k8s::{Label, LabelSelector, Labels};
use crate::source::{Span, Spanned};

impl Lookup<'_> {
    /// The pod with these labels in a namespace, where it may well exist; `resolved` is told
    /// what it took.
    pub(super) fn expected(
        &self,
        text: &str,
        namespace: &str,
        labels: &Labels,
        resolved: &mut Resolved,
    ) -> Option<End> {
        let asked: Vec<(&str, &str)> = labels
            .iter()
            .map(|label| (label.key.as_str(), label.value.as_str()))
            .collect();
        let known = KnownPods::of(self.cluster.platform(), namespace, &asked).next();
        if known.is_none() && !self.may_hold_unknown_pods(namespace) {
            return None;
        }
        let place = Span::new(self.source, 0, 0);
        let spanned = |text: &str| Spanned::new(text.to_owned(), place);
        let added = known.into_iter().flat_map(|pods| pods.labels);
        let added = added.map(|(key, value)| Label {
            key: spanned(key),
            value: spanned(value),
        });
        let pod = HypotheticalPod {
            name: text.to_owned(),
            namespace: self.expected_namespace(namespace),
            labels: Labels::new(added.chain(labels.iter().cloned()).collect()),
            released: None,
            host_network: known.is_some_and(|pods| pods.is_on_host_network),
        };
        resolved.notes.push(match known {
            Some(pods) => {
                let labels = pods.labels.iter();
                let labels: Vec<String> = labels
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                format!(
                    "`{text}` is not among the manifests: taken to exist, as {} does in most \
                     clusters, with the labels {}",
                    pods.name,
                    labels.join(", ")
                )
            }
            None => format!(
                "`{text}` is not among the manifests: taken to exist, with these labels and no \
                 others"
            ),
        });
        Some(End::Hypothetical(Box::new(pod)))
    }

    /// The namespace as it is in the cluster, or with the labels that Kubernetes and the
    /// platform set.
    pub(super) fn expected_namespace(&self, name: &str) -> HypotheticalNamespace {
        if let Some(id) = self.cluster.namespace_by_name(name) {
            return HypotheticalNamespace::Present(id);
        }
        let place = Span::new(self.source, 0, 0);
        let label = |key: &str, value: &str| Label {
            key: Spanned::new(key.to_owned(), place),
            value: Spanned::new(value.to_owned(), place),
        };
        let known = platform::labels_of(name).iter();
        let known = known.map(|(key, value)| label(key, value));
        let labels = known.chain([label(NAMESPACE_NAME_LABEL, name)]).collect();
        HypotheticalNamespace::New {
            name: name.to_owned(),
            labels: Labels::new(labels),
            are_labels_known: platform::has_all_labels_known(name),
        }
    }

    /// Whether the namespace exists as far as anybody can tell: the manifests use or mention it,
    /// or a platform makes it.
    pub(super) fn may_exist(&self, namespace: &str) -> bool {
        self.cluster.namespace_by_name(namespace).is_some()
            || platform::makes_namespace(namespace)
            || KnownPods::live_in(namespace)
            || is_mentioned(self.cluster, namespace)
    }

    fn may_hold_unknown_pods(&self, namespace: &str) -> bool {
        let known = self.cluster.namespace_by_name(namespace);
        let is_empty = known.is_none_or(|id| self.cluster.workloads_in(id).len() == 0);
        is_empty && self.may_exist(namespace)
    }
}

/// Whether a peer of a policy names the namespace.
fn is_mentioned(cluster: &Cluster, namespace: &str) -> bool {
    let names = |selector: &LabelSelector| {
        let mut labels = selector.match_labels.iter();
        let mut entries = selector.match_expressions.iter();
        labels
            .any(|label| label.key.value == NAMESPACE_NAME_LABEL && label.value.value == namespace)
            || entries.any(|entry| {
                let mut values = entry.values.iter();
                entry.key.value == NAMESPACE_NAME_LABEL && values.any(|it| it.value == namespace)
            })
    };
    let policies = cluster.policies().iter();
    policies
        .flat_map(|policy| policy.object.peers())
        .filter_map(|place| place.peer.namespace_selector.get())
        .any(names)
}
