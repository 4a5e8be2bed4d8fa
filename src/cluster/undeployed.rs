//! Objects that stand beside what is deployed and that nothing deploys, as what is applied by
//! hand: they take no part in the cluster, and they speak against a slip of the pen where a
//! selector asks for what they have.
//!
//! Refuses to know what deploys the others, and whether somebody applies these.

use super::{Cluster, NAMESPACE_NAME_LABEL};
use crate::k8s::{self, Label, LabelSelector, Labels, Object};
use crate::source::{Spanned, Text};
use std::sync::Arc;

/// The namespaces and the pods among them.
#[derive(Debug, Default)]
pub struct Undeployed {
    /// With the labels that selectors would see.
    namespaces: Vec<(Arc<k8s::Namespace>, Labels)>,
    workloads: Vec<Arc<k8s::Workload>>,
}

impl Undeployed {
    /// Whether the others are the same objects.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let namespaces = self.namespaces.iter().map(|(it, _)| it);
        let others = other.namespaces.iter().map(|(it, _)| it);
        let are_same = self.workloads.len() == other.workloads.len()
            && self.namespaces.len() == other.namespaces.len();
        let mut workloads = self.workloads.iter().zip(&other.workloads);
        are_same
            && namespaces.zip(others).all(|(a, b)| Arc::ptr_eq(a, b))
            && workloads.all(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// Those among these objects.
    #[must_use]
    pub fn of<'o>(objects: impl IntoIterator<Item = &'o Object>) -> Self {
        let mut found = Self::default();
        for object in objects {
            match object {
                Object::Namespace(namespace) => {
                    let labels = labels_of(namespace);
                    found.namespaces.push((Arc::clone(namespace), labels));
                }
                Object::Workload(workload) => found.workloads.push(Arc::clone(workload)),
                _ => {}
            }
        }
        found
    }

    /// The Namespace of this name.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&k8s::Namespace> {
        let mut all = self.namespaces.iter();
        all.find_map(|(namespace, _)| {
            (namespace.meta.name.value == name).then_some(namespace.as_ref())
        })
    }

    /// The labels of the namespaces.
    pub fn labels_of_namespaces(&self) -> impl Iterator<Item = &Labels> {
        self.namespaces.iter().map(|(_, labels)| labels)
    }

    /// Whether pods have what a selector asks for and may be in this namespace.
    #[must_use]
    pub fn has_pods(&self, namespace: &str, selector: &LabelSelector) -> bool {
        self.workloads.iter().any(|workload| {
            // What names no namespace may be applied to any.
            let own = workload.meta.namespace.as_ref();
            own.is_none_or(|own| own.value == namespace) && selector.matches(&workload.labels)
        })
    }
}

/// The labels that selectors would see.
fn labels_of(namespace: &k8s::Namespace) -> Labels {
    let name = &namespace.meta.name;
    let own = namespace.meta.labels.iter().cloned();
    let of_name = Label {
        key: Spanned::new(Text::from(NAMESPACE_NAME_LABEL), name.span),
        value: name.clone(),
    };
    Labels::new(own.chain([of_name]).collect())
}

impl Cluster {
    /// The same beside objects that nothing deploys.
    #[must_use]
    pub fn with_undeployed(mut self, undeployed: Arc<Undeployed>) -> Self {
        self.undeployed = undeployed;
        self
    }

    /// What stands beside it and nothing deploys.
    #[must_use]
    pub fn undeployed(&self) -> &Undeployed {
        &self.undeployed
    }
}
