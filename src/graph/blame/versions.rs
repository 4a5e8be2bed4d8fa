//! One object in both states: whether policies see a difference, what was done to it, and
//! where that stands.
//!
//! Refuses to know what the difference does.

use super::Deed;
use crate::k8s::{Field, Labels, NetworkPolicy, Object, Workload};
use crate::source::Span;

/// An object in both states.
#[derive(Clone, Debug, Default)]
pub(super) struct Versions {
    pub(super) before: Option<Object>,
    pub(super) after: Option<Object>,
}

impl Versions {
    /// Whether policies see a difference.
    pub(super) fn differ(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(old), Some(new)) => {
                old.meta().is_accepted != new.meta().is_accepted || is_other(old, new)
            }
            (None, None) => false,
            _ => true,
        }
    }

    /// The object as it is, else as it was.
    pub(super) fn later(&self) -> Option<(&Object, bool)> {
        let after = self.after.as_ref().map(|object| (object, false));
        after.or_else(|| self.before.as_ref().map(|object| (object, true)))
    }

    /// What was done to it, what differs, and where.
    pub(super) fn deed(&self, object: &Object) -> (Deed, String, Span) {
        let name = object.meta().name.span;
        let whole = (Deed::PolicyChanged, String::new(), name);
        match (&self.before, &self.after) {
            (None, Some(Object::Namespace(_))) | (Some(Object::Namespace(_)), None) => {
                (Deed::NamespaceChanged, String::new(), name)
            }
            (None, Some(Object::Node(_))) | (Some(Object::Node(_)), None) => {
                (Deed::NodeChanged, String::new(), name)
            }
            (None, Some(_)) => (Deed::PolicyAdded, String::new(), name),
            (Some(_), None) => (Deed::PolicyRemoved, String::new(), name),
            (Some(Object::Workload(old)), Some(Object::Workload(new))) => {
                if labels(&old.labels) != labels(&new.labels) {
                    let detail = moved_labels(&old.labels, &new.labels);
                    (Deed::LabelsChanged, detail, new.labels_span)
                } else if ports(old) != ports(new) {
                    (Deed::PortsChanged, String::new(), name)
                } else {
                    (Deed::NetworkChanged, String::new(), name)
                }
            }
            (Some(Object::Namespace(old)), Some(Object::Namespace(new))) => {
                let detail = moved_labels(&old.meta.labels, &new.meta.labels);
                (Deed::NamespaceChanged, detail, name)
            }
            (Some(Object::NetworkPolicy(old)), Some(Object::NetworkPolicy(new))) => {
                let selects = |policy: &NetworkPolicy| {
                    let bare = NetworkPolicy {
                        ingress: Field::Missing,
                        egress: Field::Missing,
                        policy_types: Field::Missing,
                        ..policy.clone()
                    };
                    bare.canonical_spec()
                };
                let (detail, key) = match selects(old) == selects(new) {
                    true => ("policyTypes or rules", new.policy_types.key()),
                    false => ("podSelector", new.pod_selector.key()),
                };
                (Deed::PolicyChanged, detail.to_owned(), key.unwrap_or(name))
            }
            (Some(Object::Node(_)), Some(Object::Node(_))) => {
                (Deed::NodeChanged, String::new(), name)
            }
            _ => whole,
        }
    }
}

/// Whether policies see a difference between two versions of one object.
fn is_other(old: &Object, new: &Object) -> bool {
    match (old, new) {
        (Object::NetworkPolicy(old), Object::NetworkPolicy(new)) => {
            old.canonical_spec() != new.canonical_spec() || !old.meta.holes.is_empty()
        }
        (Object::ClusterNetworkPolicy(old), Object::ClusterNetworkPolicy(new)) => {
            old.canonical_spec() != new.canonical_spec()
        }
        (Object::Workload(old), Object::Workload(new)) => {
            labels(&old.labels) != labels(&new.labels)
                || ports(old) != ports(new)
                || old.host_network != new.host_network
                || old.addresses != new.addresses
                || old.meta.holes.is_empty() != new.meta.holes.is_empty()
        }
        (Object::Namespace(old), Object::Namespace(new)) => {
            labels(&old.meta.labels) != labels(&new.meta.labels)
        }
        (Object::Node(old), Object::Node(new)) => {
            labels(&old.meta.labels) != labels(&new.meta.labels) || old.addresses != new.addresses
        }
        // What such a policy says is compared by nobody; its text may have moved only.
        (Object::PluginPolicy(old), Object::PluginPolicy(new)) => {
            old.meta.span.range() != new.meta.span.range()
                || old.meta.span.source != new.meta.span.source
        }
        _ => false,
    }
}

fn labels(labels: &Labels) -> Vec<(&str, &str)> {
    labels
        .iter()
        .map(|label| (label.key.value.as_str(), label.value.value.as_str()))
        .collect()
}

fn ports(workload: &Workload) -> Vec<(&str, crate::k8s::Protocol, u16)> {
    workload.named_ports().collect()
}

/// `app=web is app=site, tier=fe is new, old=1 is gone`.
fn moved_labels(old: &Labels, new: &Labels) -> String {
    let mut parts = Vec::new();
    for label in old {
        let (key, value) = (&label.key.value, &label.value.value);
        match new.get(key) {
            None => parts.push(format!("`{key}={value}` is gone")),
            Some(now) if now != value => parts.push(format!("`{key}={value}` is `{key}={now}`")),
            Some(_) => {}
        }
    }
    for label in new {
        if old.get(&label.key.value).is_none() {
            parts.push(format!(
                "`{}={}` is new",
                label.key.value, label.value.value
            ));
        }
    }
    parts.join(", ")
}

pub(super) fn name(object: &Object) -> String {
    let meta = object.meta();
    let (namespace, name) = (meta.namespace_name(), &meta.name.value);
    match object {
        Object::NetworkPolicy(policy) => policy_name(policy),
        Object::ClusterNetworkPolicy(policy) => format!("{}/{name}", policy.kind.name()),
        Object::Workload(workload) => format!("{namespace}/{}/{name}", workload.kind.name()),
        Object::PluginPolicy(policy) => policy.display(),
        Object::PluginResource(_) => format!("{namespace}/{name}"),
        Object::Namespace(_) | Object::Node(_) => name.to_string(),
        Object::Service(_) | Object::ContextObject(_) => format!("{namespace}/{name}"),
    }
}

pub(super) fn policy_name(policy: &NetworkPolicy) -> String {
    format!(
        "{}/{}",
        policy.meta.namespace_name(),
        policy.meta.name.value
    )
}
