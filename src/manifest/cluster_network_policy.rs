//! The cluster-wide policies from a tree.
//!
//! Refuses to know other kinds.

use super::tree::Node;
use crate::diagnostic::Diagnostic;
use crate::k8s::{
    ClusterNetworkPolicy, ClusterPolicyKind, LabelSelector, ObjectMeta, PodsSelection, Tier,
};
use crate::source::Spanned;

/// Reads the policy `node`, whose metadata is read already.
pub(super) fn read(
    node: Node<'_>,
    meta: ObjectMeta,
    _diagnostics: &mut Vec<Diagnostic>,
) -> ClusterNetworkPolicy {
    let span = node.span().before();
    ClusterNetworkPolicy {
        meta,
        kind: ClusterPolicyKind::ClusterNetworkPolicy,
        tier: Tier::Admin,
        priority: Spanned::new(0, span),
        subject: Spanned::new(
            PodsSelection::Namespaces(LabelSelector::everything(span)),
            span,
        ),
        ingress: Vec::new(),
        egress: Vec::new(),
    }
}
