//! Pods that are taken to exist although no manifest holds them: those that a platform runs,
//! those that an operator makes of an object, and those of namespaces that the manifests only mention.
//!
//! Refuses to invent pods of a namespace whose workloads are known: a label that none of them
//! has is a mistake there.

use super::{End, HypotheticalNamespace, HypotheticalPod, Lookup, Resolved, UNNAMED};
use crate::cluster::platform::{self, KnownPods};
use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL};
use crate::k8s::{Label, LabelSelector, Labels, Truth};
use crate::lint::Inventory;
use crate::lint::plugin_selectors::plugin_selectors;
use crate::source::{Span, Spanned, Text};

/// Pods that somebody else than the manifests speaks for.
struct Taken {
    /// Who does, in words.
    by: String,
    labels: Labels,
    /// The ports that they listen on, as far as they are known.
    ports: Vec<String>,
    host_network: bool,
}

impl Taken {
    fn in_words(&self) -> String {
        let labels = self.labels.iter();
        let labels: Vec<String> = labels
            .map(|label| format!("{}={}", label.key, label.value))
            .collect();
        let mut words = format!("{}, with the labels {}", self.by, labels.join(", "));
        if !self.ports.is_empty() {
            words.push_str(&format!("; it listens on {}", self.ports.join(", ")));
        }
        words
    }
}

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
        let taken = self.known_pods(namespace, labels);
        let taken = match taken.or_else(|| self.operated_pods(namespace, labels)) {
            None if !self.may_hold_unknown_pods(namespace) => return None,
            taken => taken,
        };
        let (how, more, host_network) = match taken {
            Some(taken) => (taken.in_words(), taken.labels, taken.host_network),
            None => {
                let how = "with these labels and no others".to_owned();
                (how, Labels::default(), false)
            }
        };
        resolved.notes.push(format!(
            "`{text}` is not among the manifests: taken to exist, {how}"
        ));
        let labels = more.iter().chain(labels.iter()).cloned().collect();
        Some(End::Hypothetical(Box::new(HypotheticalPod {
            name: text.to_owned(),
            namespace: self.expected_namespace(namespace),
            labels: Labels::new(labels),
            released: None,
            host_network,
        })))
    }

    /// Pods that no manifest declares: one without labels in each namespace that may have more,
    /// and one in another.
    pub(crate) fn undeclared(&self, inventory: &Inventory) -> Vec<End> {
        let cluster = self.cluster;
        let ids = cluster.namespace_ids();
        let here = ids.filter(|id| !inventory.is_complete_in(&cluster.namespace(*id).name));
        let here = here.map(|id| {
            let name = format!("{}/+", cluster.namespace(id).name);
            (name, HypotheticalNamespace::Present(id))
        });
        let elsewhere = (!inventory.is_complete()).then(|| {
            let new = HypotheticalNamespace::New {
                name: UNNAMED.to_owned(),
                labels: Labels::new(vec![self.name_label(UNNAMED)]),
                are_labels_known: true,
            };
            ("+/+".to_owned(), new)
        });
        let pod = |(name, namespace)| {
            End::Hypothetical(Box::new(HypotheticalPod {
                name,
                namespace,
                labels: Labels::default(),
                released: None,
                host_network: false,
            }))
        };
        here.chain(elsewhere).map(pod).collect()
    }

    /// The label that Kubernetes sets.
    fn name_label(&self, name: &str) -> Label {
        let place = Span::new(self.source, 0, 0);
        Label {
            key: Spanned::new(Text::from(NAMESPACE_NAME_LABEL), place),
            value: Spanned::new(Text::from(name), place),
        }
    }

    /// The pods with these labels that a platform runs in the namespace.
    fn known_pods(&self, namespace: &str, asked: &Labels) -> Option<Taken> {
        let asked: Vec<(&str, &str)> = asked
            .iter()
            .map(|label| (label.key.as_str(), label.value.as_str()))
            .collect();
        let pods = KnownPods::of(self.cluster.platform(), namespace, &asked).next()?;
        let place = Span::new(self.source, 0, 0);
        let spanned = |text: &str| Spanned::new(Text::from(text), place);
        let labels = pods.labels.iter().map(|(key, value)| Label {
            key: spanned(key),
            value: spanned(value),
        });
        let ports = pods.ports.iter();
        Some(Taken {
            by: format!("as {} does in most clusters", pods.name),
            labels: Labels::new(labels.collect()),
            ports: ports
                .map(|(protocol, port)| format!("{protocol} {port}"))
                .collect(),
            host_network: pods.is_on_host_network,
        })
    }

    /// The pods with these labels that an operator makes of an object among the manifests.
    fn operated_pods(&self, namespace: &str, asked: &Labels) -> Option<Taken> {
        let mut selector = LabelSelector::everything(Span::new(self.source, 0, 0));
        selector.match_labels.extend(asked.iter().cloned());
        let objects = self.cluster.context_objects().custom_objects.iter();
        let mut operands = objects.flat_map(|object| {
            let operands = platform::operands_of(&object.group, &object.kind).iter();
            operands.map(move |operand| (object, operand))
        });
        let (object, operand) = operands.find(|(object, operand)| {
            operand.may_be_in(object, namespace)
                && operand.matches(object, &selector) == Truth::True
        })?;
        let labels = operand.certain_labels(object);
        Some(Taken {
            by: format!(
                "as the operator makes it of {}/{}",
                object.kind, object.meta.name
            ),
            labels: Labels::new(
                labels
                    .iter()
                    .chain(object.pod_labels.iter())
                    .cloned()
                    .collect(),
            ),
            ports: operand.ports().iter().map(u16::to_string).collect(),
            host_network: false,
        })
    }

    /// The namespace as it is in the cluster, or with the labels that Kubernetes and the
    /// platform set.
    pub(super) fn expected_namespace(&self, name: &str) -> HypotheticalNamespace {
        if let Some(id) = self.cluster.namespace_by_name(name) {
            return HypotheticalNamespace::Present(id);
        }
        let place = Span::new(self.source, 0, 0);
        let label = |key: &str, value: &str| Label {
            key: Spanned::new(Text::from(key), place),
            value: Spanned::new(Text::from(value), place),
        };
        let known = platform::labels_of(name).iter();
        let known = known.map(|(key, value)| label(key, value));
        let labels = known.chain([label(NAMESPACE_NAME_LABEL, name)]).collect();
        HypotheticalNamespace::New {
            name: name.to_owned(),
            labels: Labels::new(labels),
            are_labels_known: false,
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

/// Whether a peer of a policy, of whatever kind, names the namespace.
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
        || plugin_selectors(cluster)
            .iter()
            .filter_map(|place| place.namespaces.as_ref())
            .any(names)
}
