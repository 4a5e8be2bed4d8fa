//! The pods that a policy means, by their namespace, their labels and what a CNI plugin asks.
//!
//! Refuses to know which pods there are, and what is allowed to them.

use super::condition::Condition;
use crate::cluster::NamespaceId;
use crate::k8s::LabelSelector;

/// Pods by the labels of their namespace and their own.
#[derive(Clone, Debug)]
pub struct PodSet<'c> {
    /// Their namespace.
    pub namespaces: NamespaceSet<'c>,
    /// Their labels; any where `None`.
    pub pods: Option<&'c LabelSelector>,
    /// What it has to do with pods on the network of their node.
    pub host_network: HostNetwork,
    /// What a CNI plugin asks of them besides.
    pub condition: Option<Condition<'c>>,
}

impl PodSet<'_> {
    /// Labels of which a pod must have one to be among them, unless it is on the network of its
    /// node; `None` if there are none such. See [`LabelSelector::asked_for`].
    #[must_use]
    pub fn asked_for(&self) -> Option<Vec<(&str, &str)>> {
        let by_selector = self.pods.and_then(LabelSelector::asked_for);
        by_selector.or_else(|| self.condition.as_ref().and_then(Condition::asked_for))
    }

    /// The same of the labels of a pod's namespace.
    #[must_use]
    pub fn asked_of_namespaces(&self) -> Option<Vec<(&str, &str)>> {
        let by_selector = match self.namespaces {
            NamespaceSet::Matching(selector) => selector.asked_for(),
            NamespaceSet::All | NamespaceSet::One(_) => None,
        };
        let condition = self.condition.as_ref();
        by_selector.or_else(|| condition.and_then(Condition::asked_of_namespaces))
    }
}

/// Namespaces.
#[derive(Clone, Copy, Debug)]
pub enum NamespaceSet<'c> {
    /// Every one.
    All,
    /// One of them.
    One(NamespaceId),
    /// By their labels.
    Matching(&'c LabelSelector),
}

/// What a selection makes of pods on the network of their node (S10, S15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostNetwork {
    /// It never matches them.
    Unseen,
    /// It matches them by their labels, as any pod.
    Seen,
    /// It means the group of all of them: OpenShift's label for nodes and their network.
    Group,
}
