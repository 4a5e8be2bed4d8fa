//! What makes an object one object, and whether two definitions of it say the same.
//!
//! Refuses to decide which of two counts.

use super::Likeness;
use crate::k8s::{Label, Labels, Object, ObjectMeta, PolicyScope, Service, Workload};
use std::fmt;
use std::sync::Arc;

/// What makes an object one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity<'o> {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace; empty for cluster-scoped kinds.
    pub namespace: &'o str,
    /// Its name.
    pub name: &'o str,
}

impl<'o> Identity<'o> {
    /// The identity of an object, be its name empty.
    pub(super) fn new(object: &'o Object) -> Self {
        let meta = object.meta();
        let namespaced = meta.namespace_name();
        let (kind, namespace) = match object {
            Object::Namespace(_) => ("Namespace", ""),
            Object::Node(_) => ("Node", ""),
            Object::ContextObject(object) => (object.kind(), namespaced),
            Object::PluginResource(object) => match object.kind() {
                kind @ "NetworkSet" => (kind, namespaced),
                kind => (kind, ""),
            },
            Object::PluginPolicy(policy) if policy.kind.scope == PolicyScope::Cluster => {
                (policy.kind.qualified, "")
            }
            Object::PluginPolicy(policy) => (policy.kind.qualified, namespaced),
            Object::ClusterNetworkPolicy(policy) => (policy.kind.name(), ""),
            Object::Workload(workload) => (workload.kind.name(), namespaced),
            Object::NetworkPolicy(_) => ("NetworkPolicy", namespaced),
            Object::Service(_) => ("Service", namespaced),
        };
        Self {
            kind,
            namespace,
            name: &meta.name.value,
        }
    }

    /// The identity of an object of which a cluster has one: none where the name is only
    /// generated or not written, and none of context objects, which do no harm twice.
    #[must_use]
    pub fn of(object: &'o Object) -> Option<Self> {
        let is_context = matches!(object, Object::ContextObject(_));
        let identity = Self::new(object);
        (!is_context && !identity.name.is_empty()).then_some(identity)
    }
}

/// `namespace/Kind/name`, or `Kind/name` for cluster-scoped kinds.
impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// Whether two definitions of one object say the same, as far as npcheck reads them.
#[must_use]
pub fn likeness(a: &Object, b: &Object) -> Likeness {
    let is_same = match (a, b) {
        (Object::NetworkPolicy(a), Object::NetworkPolicy(b)) => {
            a.canonical_spec() == b.canonical_spec() && are_taken_alike(&a.meta, &b.meta)
        }
        (Object::ClusterNetworkPolicy(a), Object::ClusterNetworkPolicy(b)) => {
            a.canonical_spec() == b.canonical_spec() && are_taken_alike(&a.meta, &b.meta)
        }
        (Object::PluginPolicy(a), Object::PluginPolicy(b)) => {
            a.canonical_spec() == b.canonical_spec() && are_taken_alike(&a.meta, &b.meta)
        }
        (Object::Namespace(a), Object::Namespace(b)) => {
            are_equal(&a.meta.labels, &b.meta.labels) && are_taken_alike(&a.meta, &b.meta)
        }
        (Object::Workload(a), Object::Workload(b)) => are_workloads_alike(a, b),
        (Object::Service(a), Object::Service(b)) => are_services_alike(a, b),
        (Object::Node(a), Object::Node(b)) => {
            are_equal(&a.meta.labels, &b.meta.labels) && a.addresses == b.addresses
        }
        _ => false,
    };
    if is_same {
        Likeness::Same
    } else {
        Likeness::Different
    }
}

/// The object with a hole in it, as if another tool had yet to fill in wherein the `other`
/// definition differs, so that no verdict rests on that. Both are of one object.
pub(super) fn undecided(object: &Object, other: &Object) -> Object {
    let mut object = object.clone();
    match (&mut object, other) {
        (Object::Workload(object), Object::Workload(other)) => {
            let are_labels_alike = are_equal(&object.labels, &other.labels);
            let is_rest_alike = are_pods_alike(object, other);
            let object = Arc::make_mut(object);
            if !is_rest_alike || are_labels_alike {
                object.meta.holes.add(object.meta.span.before());
            }
            if !are_labels_alike {
                object.meta.holes.add(object.labels_span.before());
                // One that the other has otherwise is not certain.
                let is_shared = |label: &&Label| {
                    let mut others = other.labels.iter();
                    others.any(|it| {
                        it.key.value == label.key.value && it.value.value == label.value.value
                    })
                };
                let shared = object.labels.iter().filter(is_shared).cloned();
                object.labels = Labels::new(shared.collect());
            }
            object.is_host_network_known &=
                other.is_host_network_known && object.host_network == other.host_network;
        }
        (Object::Namespace(object), _) => open(&mut Arc::make_mut(object).meta),
        (Object::NetworkPolicy(object), _) => open(&mut Arc::make_mut(object).meta),
        (Object::ClusterNetworkPolicy(object), _) => open(&mut Arc::make_mut(object).meta),
        _ => {}
    }
    object
}

/// Marks an object as one of which nothing can be understood.
fn open(meta: &mut ObjectMeta) {
    meta.holes.add(meta.span.before());
}

fn are_taken_alike(a: &ObjectMeta, b: &ObjectMeta) -> bool {
    a.is_accepted == b.is_accepted
}

fn are_equal(a: &Labels, b: &Labels) -> bool {
    let texts = |label: &Label| (label.key.value.clone(), label.value.value.clone());
    a.len() == b.len() && a.iter().map(texts).eq(b.iter().map(texts))
}

/// Whether policies see the same in both.
fn are_workloads_alike(a: &Workload, b: &Workload) -> bool {
    are_equal(&a.labels, &b.labels) && are_pods_alike(a, b)
}

/// The same but for labels.
fn are_pods_alike(a: &Workload, b: &Workload) -> bool {
    let ports = |workload: &Workload| -> Vec<_> {
        let port = |port: &crate::k8s::ContainerPort| {
            let name = port.name.as_ref().map(|name| name.value.clone());
            (name, port.protocol, port.number.value)
        };
        workload.ports().map(port).collect()
    };
    a.host_network == b.host_network
        && a.is_host_network_known == b.is_host_network_known
        && a.addresses == b.addresses
        && ports(a) == ports(b)
        && are_taken_alike(&a.meta, &b.meta)
}

fn are_services_alike(a: &Service, b: &Service) -> bool {
    let ports = |service: &Service| -> Vec<_> {
        let port = |port: &crate::k8s::ServicePort| {
            let name = port.name.as_ref().map(|name| name.value.clone());
            (
                name,
                port.protocol,
                port.port.value,
                port.target_port.clone(),
            )
        };
        service.ports.iter().map(port).collect()
    };
    let selectors = match (&a.selector, &b.selector) {
        (Some(a), Some(b)) => are_equal(a, b),
        (None, None) => true,
        _ => false,
    };
    selectors && ports(a) == ports(b) && a.service_type == b.service_type
}
