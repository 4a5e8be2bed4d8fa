//! `NetworkPolicy` from a tree.
//!
//! Refuses to know other kinds.

use super::tree::Node;
use crate::diagnostic::Diagnostic;
use crate::k8s::{Field, NetworkPolicy, ObjectMeta};

/// Reads the policy `node`, whose metadata is read already.
pub(super) fn read(
    node: Node<'_>,
    meta: ObjectMeta,
    _diagnostics: &mut Vec<Diagnostic>,
) -> NetworkPolicy {
    let spec_key = node
        .entry("spec")
        .map_or(node.span().before(), |entry| entry.key.span());
    NetworkPolicy {
        meta,
        spec_key,
        pod_selector: Field::Missing,
        policy_types: Field::Missing,
        ingress: Field::Missing,
        egress: Field::Missing,
    }
}
