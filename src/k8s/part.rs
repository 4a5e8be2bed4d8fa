//! Parts of a cluster that nobody could build: a remote base, a chart, the output of a program.
//!
//! Refuses to know how they were found, and what a verdict makes of them.

use super::filled_in::is_opaque;
use super::selector::LabelSelector;
use super::{Direction, Document, Opacity, Outcome};
use crate::source::Span;

/// A part that belongs to a cluster and that nobody could build.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnknownPart {
    /// The text that names it.
    pub span: Span,
    /// Why it is not known: lower case, no full stop.
    pub reason: String,
    /// The namespace that it is deployed to; `None` where that is not known, which is none that
    /// somebody else declares, or any for what a controller writes.
    pub namespace: Option<String>,
    /// The pods of that namespace that it does something to; all of them where `None`.
    pub pods: Option<LabelSelector>,
    /// What it may do to the rest of the cluster.
    pub effect: PartEffect,
    /// Whether it is not known because npcheck has a limit.
    pub is_limit: bool,
}

/// What a part that nobody could build may do to the rest of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartEffect {
    /// Nothing: it goes to another cluster, or holds what no policy is about.
    Nothing,
    /// It brings pods, and policies for those at most: a release of a chart.
    AddsPods,
    /// It brings NetworkPolicies that only isolate pods of its namespace in this direction, if
    /// any: a controller writes them.
    Isolates(Direction),
    /// It brings NetworkPolicies for pods of its namespace and this direction, if any: a
    /// controller writes them.
    AddsPolicies(Direction),
    /// It may bring pods, and NetworkPolicies for any pods of its namespace.
    Adds,
    /// It is a policy for pods of any namespace, which nobody can read.
    Covers,
    /// It may change what others bring as well, as a transformer does.
    Changes,
}

/// Whether policies of a kind have no namespace.
fn is_cluster_wide(kind: &str) -> bool {
    [
        "AdminNetworkPolicy",
        "AntreaClusterNetworkPolicy",
        "BaselineAdminNetworkPolicy",
        "CiliumClusterwideNetworkPolicy",
        "ClusterNetworkPolicy",
        "GlobalNetworkPolicy",
    ]
    .contains(&kind)
}

/// The kind of a document that cannot be read and speaks of policies, while nobody can tell which
/// they are, and of which namespace.
pub const SOME_POLICIES: &str = "NetworkPolicyList";

/// What the policy of a document may do that only another tool can complete, or that must be
/// mended first, and the namespace that it is for, none for all. `None` for what is no policy,
/// and for one of which nobody knows where it is.
#[must_use]
pub fn policy_once_completed(document: &Document) -> Option<(PartEffect, Option<&str>)> {
    if document.outcome == Outcome::Broken
        && (document.kind == SOME_POLICIES || is_cluster_wide(&document.kind))
    {
        return Some((PartEffect::Covers, None));
    }
    let effect = effect_of_policies(&document.kind)?;
    // What SOPS decrypts is applied, and kustomize puts what it does not know into a namespace.
    if document.outcome == Outcome::Opaque(Opacity::Sops) && is_cluster_wide(&document.kind) {
        return Some((PartEffect::Covers, None));
    }
    let namespace = namespace_once_completed(document)?;
    Some((effect, Some(namespace)))
}

/// The namespace that the object of a document is in once another tool has completed it, or
/// somebody has mended it. `None`
/// where nobody knows it, or where it is in none: a template without a namespace is for the pods
/// of its own chart, as a rule, which are templates as well.
#[must_use]
pub fn namespace_once_completed(document: &Document) -> Option<&str> {
    let own = Some(document.namespace.as_str()).filter(|name| !name.is_empty());
    let named = own.or(document.put_into.as_deref());
    // What SOPS decrypts is applied as it is written, and what is mended.
    let is_whole = matches!(
        document.outcome,
        Outcome::Opaque(Opacity::Sops) | Outcome::Broken
    );
    let is_namespaced =
        !document.kind.is_empty() && !is_opaque(&document.kind) && !is_cluster_wide(&document.kind);
    match named {
        None if is_whole && is_namespaced => Some("default"),
        named => named.filter(|name| !is_opaque(name)),
    }
}

/// What policies of a kind may do that nobody can read; `None` for other kinds. Those of CNI
/// plugins and of the whole cluster come before NetworkPolicies, so that they may do anything.
#[must_use]
pub fn effect_of_policies(kind: &str) -> Option<PartEffect> {
    match kind {
        "NetworkPolicy" => Some(PartEffect::Adds),
        "AdminNetworkPolicy"
        | "AntreaClusterNetworkPolicy"
        | "AntreaNetworkPolicy"
        | "BaselineAdminNetworkPolicy"
        | "CiliumClusterwideNetworkPolicy"
        | "CiliumNetworkPolicy"
        | "ClusterNetworkPolicy"
        | "GlobalNetworkPolicy" => Some(PartEffect::Changes),
        _ => None,
    }
}
