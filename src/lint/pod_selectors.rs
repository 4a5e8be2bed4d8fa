//! The pod selectors of a policy, each with the namespaces in which its pods are looked
//! for, and findings about selectors that stand in several places.
//!
//! Refuses to know whether a selector ought to match anything.

use super::{Context, words};
use crate::cluster::{Cluster, NamespaceId, PolicyId, WorkloadId};
use crate::diagnostic::Diagnostic;
use crate::k8s::{LabelSelector, LabelSelectorRequirement, NetworkPolicyPeer, Operator, PeerPlace};
use crate::source::Span;

/// A pod selector and its place.
#[derive(Clone, Debug)]
pub struct PodSelector<'c> {
    /// The policy that it stands in.
    pub policy: PolicyId,
    /// Its path in the policy, such as `spec.podSelector`.
    pub path: String,
    /// The selector; it may be empty.
    pub selector: &'c LabelSelector,
    /// The peer that it stands in; `None` for `spec.podSelector`.
    pub peer: Option<&'c NetworkPolicyPeer>,
}

/// The pod selectors of a policy: `spec.podSelector`, then those of peers. Those of rules that
/// `policyTypes` leaves out are not asked anything, and not here either.
pub fn in_policy(cluster: &Cluster, id: PolicyId) -> impl Iterator<Item = PodSelector<'_>> {
    let policy = &cluster.policy(id).object;
    let own = policy.pod_selector.get().map(|selector| PodSelector {
        policy: id,
        path: "spec.podSelector".to_owned(),
        selector,
        peer: None,
    });
    let applies = |place: &PeerPlace<'_>| policy.applies_to(place.direction);
    let of_peers = policy.peers().filter(applies).filter_map(move |place| {
        let (_, pods) = place.peer.selectors()?;
        Some(PodSelector {
            policy: id,
            path: format!("{}.podSelector", place.path()),
            selector: pods?,
            peer: Some(place.peer),
        })
    });
    own.into_iter().chain(of_peers)
}

impl<'c> PodSelector<'c> {
    /// Whether it, or the selector of namespaces beside it, has text that another tool fills
    /// in.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        let namespaces = self.peer.and_then(|peer| peer.namespace_selector.get());
        self.selector.is_opaque() || namespaces.is_some_and(LabelSelector::is_opaque)
    }

    /// The known namespaces in which it looks for pods.
    #[must_use]
    pub fn namespaces(&self, cx: &Context<'_>) -> Vec<NamespaceId> {
        match self.peer.and_then(|peer| peer.namespace_selector.get()) {
            Some(selector) => cx.engine.matching_namespaces(selector),
            None => vec![cx.cluster.policy(self.policy).namespace],
        }
    }

    /// The known workloads of those namespaces that it may match, by labels alone, in order:
    /// also those on the network of their node, and those whose labels another tool fills in.
    #[must_use]
    pub fn may_match(&self, cx: &Context<'_>) -> Vec<WorkloadId> {
        cx.labelled().may_match(&self.namespaces(cx), self.selector)
    }

    /// Whether some label has to be there for it to match: it says which pods, and not only
    /// which ones not.
    #[must_use]
    pub fn names_pods(&self) -> bool {
        let asks_for = |entry: &LabelSelectorRequirement| {
            matches!(entry.operator.value, Operator::In | Operator::Exists)
        };
        !self.selector.match_labels.is_empty()
            || self.selector.match_expressions.iter().any(asks_for)
    }
}

/// The same finding about several places: says how many there are, and marks the first few
/// of the others.
#[must_use]
pub fn with_repeats(
    mut finding: Diagnostic,
    cx: &Context<'_>,
    others: &[(PolicyId, Span)],
) -> Diagnostic {
    const SHOWN: usize = 3;
    if others.is_empty() {
        return finding;
    }
    for (policy, span) in others.iter().take(SHOWN) {
        let name = cx.cluster.policy_name(*policy);
        finding = finding.related(*span, format!("the same in `{name}`"));
    }
    let count = words::count(others.len(), "more selector");
    finding.note(format!("{count} like this"))
}
