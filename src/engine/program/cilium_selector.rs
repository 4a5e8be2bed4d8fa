//! What Cilium makes of one selector of a policy: the namespace that it adds, the labels that
//! no identity has, and which pods are left (C4, C6).
//!
//! The program itself is built of these readings; here they can be asked by themselves. Refuses
//! to know which pods there are, and what the selector stands for in its rule.

use super::cilium::{Home, endpoint, subject};
use super::identity::{
    CLUSTER_KEY, Identities, IdentityView, NAMESPACE_KEY, NAMESPACE_LABELS, Source, split_key,
};
use crate::cluster::{Cluster, LabelFilter};
use crate::engine::PodView;
use crate::k8s::{
    Label, LabelSelector, LabelSelectorRequirement, NAMESPACE_NAME_LABEL, Operator, Truth,
};
use crate::source::{Spanned, Text};

/// A selector of a policy of Cilium's, as its agent reads it.
#[derive(Clone, Debug)]
pub struct CiliumSelector<'c> {
    written: &'c LabelSelector,
    meant: Identities,
    implied: Option<&'c str>,
    filter: &'c LabelFilter,
}

impl<'c> CiliumSelector<'c> {
    /// The one that says whom a rule set is about; `namespace` is that of the policy, `None`
    /// for one that is cluster-wide.
    #[must_use]
    pub fn subject(
        cluster: &'c Cluster,
        selector: &'c LabelSelector,
        namespace: Option<&'c str>,
    ) -> Self {
        let options = cluster.enforcement().cilium();
        Self {
            written: selector,
            meant: subject(selector, namespace).under(options),
            implied: namespace,
            filter: &options.labels,
        }
    }

    /// An entry of `fromEndpoints` or `toEndpoints` of a policy in a namespace, or of one that
    /// is cluster-wide.
    #[must_use]
    pub fn peer(
        cluster: &'c Cluster,
        selector: &'c LabelSelector,
        namespace: Option<&'c str>,
    ) -> Self {
        let options = cluster.enforcement().cilium();
        let home = Home {
            namespace,
            has_init: false,
            are_services_known: true,
        };
        let meant = endpoint(selector, home).under(options);
        let written = Identities::new(Some(selector), Source::Any);
        let is_added = meant.asks_for(NAMESPACE_KEY) && !written.asks_for(NAMESPACE_KEY);
        Self {
            written: selector,
            meant,
            implied: namespace.filter(|_| is_added),
            filter: &options.labels,
        }
    }

    /// As it is written.
    #[must_use]
    pub fn written(&self) -> &'c LabelSelector {
        self.written
    }

    /// The namespace that it does not name, and that Cilium adds to it: the policy's own.
    #[must_use]
    pub fn implied_namespace(&self) -> Option<&'c str> {
        self.implied
    }

    /// Whether it may mean pods of another cluster of a mesh, which are not among the inputs.
    #[must_use]
    pub fn may_mean_another_cluster(&self) -> bool {
        self.meant.may_mean_another_cluster()
    }

    /// Whether it matches a pod.
    #[must_use]
    pub fn truth(&self, pod: &PodView<'_>) -> Truth {
        self.meant.truth(IdentityView::of(pod))
    }

    /// Labels of which a pod must have one to be matched, unless it is on the network of its node;
    /// `None` if there are none such.
    #[must_use]
    pub fn asked_for(&self) -> Option<Vec<(&str, &str)>> {
        self.meant.asked_for()
    }

    /// The entries that ask for one of some namespaces by name: their key, and the names.
    pub fn named_namespaces(&self) -> impl Iterator<Item = (&'c Spanned<Text>, Vec<&'c str>)> {
        let written = self.written;
        let labels = (written.match_labels.iter())
            .filter(|label| is_namespace_key(&label.key))
            .map(|label| (&label.key, vec![label.value.as_str()]));
        let listed = (written.match_expressions.iter())
            .filter(|entry| entry.operator.value == Operator::In && is_namespace_key(&entry.key))
            .map(|entry| {
                let values = entry.values.iter().map(|value| value.as_str());
                (&entry.key, values.collect())
            });
        labels.chain(listed)
    }

    /// What it asks of a pod's namespace by labels, as a selector of namespaces says it; `None`
    /// where it asks for nothing of it, or by expressions.
    #[must_use]
    pub fn namespaces(&self) -> Option<LabelSelector> {
        let mut entries = self.written.match_expressions.iter();
        if entries.any(|entry| namespace_label(&entry.key).is_some()) {
            return None;
        }
        let mut selector = LabelSelector::everything(self.written.span);
        for label in &self.written.match_labels {
            if let Some(name) = namespace_label(&label.key) {
                let key = Spanned::new(Text::from(name), label.key.span);
                let value = label.value.clone();
                selector.match_labels.push(Label { key, value });
            }
        }
        (!selector.match_labels.is_empty()).then_some(selector)
    }

    /// Whether this key names a namespace and Cilium puts the policy's own in its place: one
    /// from Kubernetes among the labels of a subject.
    #[must_use]
    pub fn replaces(&self, key: &Spanned<Text>) -> bool {
        let mut labels = self.written.match_labels.iter();
        self.implied.is_some()
            && split_key(key, Source::Any) == (Source::Kubernetes, NAMESPACE_KEY)
            && labels.any(|label| label.key.span == key.span)
    }

    /// The keys of labels that Cilium's identities do not have, so that no pod has them for
    /// it, whatever its manifest says; with the operator that they are asked by.
    pub fn filtered_keys(&self) -> impl Iterator<Item = (&'c Spanned<Text>, Operator)> {
        filtered_keys(self.written, Source::Any, self.filter)
    }

    /// The keys with a source that no label of any identity has, so that nobody has such labels;
    /// with the source, and the operator that they are asked by.
    pub fn unknown_sources(&self) -> impl Iterator<Item = (&'c Spanned<Text>, &'c str, Operator)> {
        let keys = keys(self.written);
        keys.filter_map(|(key, operator)| {
            let (source, _) = key.split_once(':')?;
            let is_known = SOURCES.contains(&source) || crate::k8s::is_opaque(key);
            (!is_known).then_some((key, source, operator))
        })
    }

    /// The labels that it asks of pods alone, their keys as manifests of pods spell them; `None`
    /// where it asks for something that no manifest of a pod says.
    #[must_use]
    pub fn pod_labels(&self) -> Option<LabelSelector> {
        let mut plain = LabelSelector::everything(self.written.span);
        for label in &self.written.match_labels {
            if let Some(key) = pod_key(&label.key)? {
                let value = label.value.clone();
                plain.match_labels.push(Label { key, value });
            }
        }
        for entry in &self.written.match_expressions {
            if let Some(key) = pod_key(&entry.key)? {
                let entry = entry.clone();
                plain
                    .match_expressions
                    .push(LabelSelectorRequirement { key, ..entry });
            }
        }
        Some(plain)
    }
}

/// The sources that labels of identities have (pkg/labels/labels.go), by which a selector may ask
/// for them; `mesos` is of older agents.
const SOURCES: [&str; 15] = [
    "any",
    "cidr",
    "cidrgroup",
    "cilium-generated",
    "cni",
    "container",
    "directory",
    "fqdn",
    "gen",
    "k8s",
    "mesos",
    "node",
    "reserved",
    "unspec",
    "",
];

/// The keys that a selector asks for, each with the operator.
fn keys(selector: &LabelSelector) -> impl Iterator<Item = (&Spanned<Text>, Operator)> {
    let labels = selector.match_labels.iter();
    let labels = labels.map(|label| (&label.key, Operator::In));
    let expressions = selector.match_expressions.iter();
    let expressions = expressions.map(|entry| (&entry.key, entry.operator.value));
    labels.chain(expressions)
}

/// The keys of a `podSelector` that Cilium's identities do not have; see
/// [`CiliumSelector::filtered_keys`].
pub fn filtered_pod_keys<'c>(
    cluster: &'c Cluster,
    selector: &'c LabelSelector,
) -> impl Iterator<Item = (&'c Spanned<Text>, Operator)> {
    let filter = &cluster.enforcement().cilium().labels;
    filtered_keys(selector, Source::Kubernetes, filter)
}

fn filtered_keys<'c>(
    selector: &'c LabelSelector,
    default: Source,
    filter: &'c LabelFilter,
) -> impl Iterator<Item = (&'c Spanned<Text>, Operator)> {
    keys(selector).filter(move |(key, _)| {
        let (source, key) = split_key(key, default);
        matches!(source, Source::Any | Source::Kubernetes)
            && !crate::k8s::is_opaque(key)
            && !filter.keeps(key)
    })
}

/// Whether a key is that of a label with the name of a pod's namespace.
fn is_namespace_key(key: &str) -> bool {
    namespace_label(key) == Some(NAMESPACE_NAME_LABEL)
}

/// The label of namespaces that a key stands for, if it is about the pod's namespace.
fn namespace_label(key: &str) -> Option<&str> {
    let (source, key) = split_key(key, Source::Any);
    if !matches!(source, Source::Any | Source::Kubernetes) {
        return None;
    }
    match key {
        NAMESPACE_KEY => Some(NAMESPACE_NAME_LABEL),
        key => key.strip_prefix(NAMESPACE_LABELS)?.strip_prefix('.'),
    }
}

/// The key of a pod's own label; `Some(None)` for one that says where the pod is, and `None`
/// for one that is of no pod.
fn pod_key(key: &Spanned<Text>) -> Option<Option<Spanned<Text>>> {
    let (source, name) = split_key(key, Source::Any);
    match source {
        Source::Reserved | Source::Other => None,
        Source::Any | Source::Kubernetes => {
            let is_place =
                [NAMESPACE_KEY, CLUSTER_KEY].contains(&name) || name.starts_with(NAMESPACE_LABELS);
            Some((!is_place).then(|| Spanned::new(Text::from(name), key.span)))
        }
    }
}
