//! Pods that may well be there although no workload among the manifests is theirs: copies
//! that another one of the same name hides, pods that operators and charts make, pods that a
//! Service or another policy counts on. Whoever says that nothing matches a selector asks
//! here first, even where the inventory is complete: npcheck does not read every kind.
//!
//! Refuses to know what a chart or an operator makes of its text: that the text has the
//! label's value as a word of its own is enough.

use super::Context;
use crate::cluster::{NamespaceId, PolicyId};
use crate::k8s::{Document, LabelSelector, Labels, Object, Operator, Outcome};

/// Kinds of Kubernetes itself that make no pods, so that what stands in them says nothing
/// about labels.
const PODLESS: &[&str] = &[
    "CertificateSigningRequest",
    "ConfigMap",
    "ControllerRevision",
    "CustomResourceDefinition",
    "EndpointSlice",
    "Endpoints",
    "Event",
    "HorizontalPodAutoscaler",
    "IngressClass",
    "Lease",
    "LimitRange",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "PriorityClass",
    "ResourceQuota",
    "RuntimeClass",
    "Secret",
    "StorageClass",
];

/// Kinds that make pods in another namespace than their own.
const DEPLOYERS: &[&str] = &["Application", "ApplicationSet", "HelmChart", "HelmRelease"];

/// Kinds that are read for what they tell of others, and make pods as well.
const OPERATED: &[&str] = &["Prometheus", "PrometheusAgent"];

/// Whether pods of the namespace that the selector matches may be there without being among
/// the workloads. In a complete inventory only what npcheck cannot read may be such pods.
#[must_use]
pub fn may_match(cx: &Context<'_>, namespace: NamespaceId, selector: &LabelSelector) -> bool {
    let name = &cx.cluster.namespace(namespace).name;
    let is_complete = cx.settings.inventory.is_complete_in(name);
    is_hidden(cx, namespace, selector)
        || !is_complete && is_counted_on(cx, namespace, selector)
        || is_written_about(cx, namespace, selector)
}

/// Whether a policy of the namespace but this one is for pods that the selector matches: its
/// author, at least, knows such pods.
#[must_use]
pub fn is_subject(
    cx: &Context<'_>,
    namespace: NamespaceId,
    selector: &LabelSelector,
    but: PolicyId,
) -> bool {
    let mut others = cx.cluster.policies_in(namespace).filter(|id| *id != but);
    others.any(|id| {
        let own = cx.cluster.policy(id).object.pod_selector.get();
        own.is_some_and(|own| {
            let labels = Labels::new(own.match_labels.clone());
            !labels.is_empty() && selector.matches(&labels)
        })
    })
}

/// Whether a workload that another one of its name hides matches.
fn is_hidden(cx: &Context<'_>, namespace: NamespaceId, selector: &LabelSelector) -> bool {
    let name = &cx.cluster.namespace(namespace).name;
    let mut hidden = cx.cluster.duplicates().iter();
    hidden.any(|duplicate| match &duplicate.left_out {
        Object::Workload(workload) => {
            workload.meta.namespace_name() == name && selector.matches(&workload.labels)
        }
        _ => false,
    })
}

/// Whether a Service of the namespace leads to pods with these labels.
fn is_counted_on(cx: &Context<'_>, namespace: NamespaceId, selector: &LabelSelector) -> bool {
    let mut services = cx.cluster.services_in(namespace);
    services.any(|id| {
        let service = &cx.cluster.service(id).object;
        let of_pods = service.selector.as_ref();
        of_pods.is_some_and(|of_pods| !of_pods.is_empty() && selector.matches(of_pods))
    })
}

/// Whether something that may make pods speaks of all values that the selector asks for.
fn is_written_about(cx: &Context<'_>, namespace: NamespaceId, selector: &LabelSelector) -> bool {
    let wanted: Vec<&str> = wanted(selector).collect();
    if wanted.is_empty() {
        return false;
    }
    let name = &cx.cluster.namespace(namespace).name;
    let mut documents = cx.documents.iter();
    documents.any(|document| {
        makes_pods(document) && may_be_in(document, name) && {
            // Operators label pods with what they make: those of a `Kafka` are `kafka`.
            let kind = document.kind.to_lowercase();
            let words = words(cx.sources.text(document.span));
            let says = |value: &&str| words.contains(value) || kind == **value;
            wanted.iter().all(says)
        }
    })
}

/// The values that the selector asks for, one for each key.
fn wanted(selector: &LabelSelector) -> impl Iterator<Item = &str> {
    let labels = selector.match_labels.iter();
    let labels = labels.map(|label| label.value.as_str());
    let expressions = selector.match_expressions.iter();
    let expressions = expressions.filter(|entry| entry.operator.value == Operator::In);
    let values = expressions.filter_map(|entry| entry.values.first());
    labels.chain(values.map(|value| value.as_str()))
}

/// Whether npcheck does not read the document as what it is, and it may stand for pods.
fn makes_pods(document: &Document) -> bool {
    let kind = document.kind.as_str();
    match document.outcome {
        Outcome::OtherKind | Outcome::Opaque(_) => !PODLESS.contains(&kind),
        Outcome::ContextObject => OPERATED.contains(&kind) || DEPLOYERS.contains(&kind),
        Outcome::Patch => true,
        Outcome::Object
        | Outcome::PluginPolicy
        | Outcome::PluginResource
        | Outcome::NotKubernetes
        | Outcome::Empty
        | Outcome::Broken => false,
    }
}

fn may_be_in(document: &Document, namespace: &str) -> bool {
    let own = match document.namespace.as_str() {
        "" => document.put_into.as_deref(),
        own => Some(own),
    };
    DEPLOYERS.contains(&document.kind.as_str()) || own.is_none_or(|own| own == namespace)
}

/// The words of a text, as label values are words.
fn words(text: &str) -> std::collections::HashSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    text.split(|c| !is_part(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_label_values_are() {
        let words = words("{app: cart, \"image\": 'shop/cart-db:1.2'}");
        for (word, expected) in [("cart", true), ("shop/cart-db", true), ("cart-db", false)] {
            assert_eq!(words.contains(word), expected, "{word}");
        }
    }
}
