//! Peers that select no pod.

use crate::cluster::{Cluster, NamespaceId, PolicyId, WorkloadId};
use crate::diagnostic::{Fix, FixClass, Severity};
use crate::k8s::{self, LabelSelector, PeerPlace, Truth};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, near_miss, unread};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a peer whose `podSelector` matches no pod of the namespaces that the peer
    /// selects. Where one label differs by its form, its key or a letter, the finding names
    /// it.
    ///
    /// ## Why is this bad?
    ///
    /// The peer allows nothing. Whoever was meant gets a timeout without a message.
    ///
    /// Manifests on disk rarely hold every pod, so without `--complete` only a near miss is
    /// reported.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: frontend, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: frontend}}
    ///     spec: {containers: [{name: web, image: web}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-frontend, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - podSelector: {matchLabels: {app: fronted}}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: frontend, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: frontend}}
    ///     spec: {containers: [{name: web, image: web}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-frontend, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - podSelector: {matchLabels: {app: frontend}}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: the peer starts to match.
    pub(super) struct UnmatchedPeerSelector {
        name: "unmatched-peer-selector",
        summary: "a peer's `podSelector` matches no pod, so the peer allows nothing",
        category: Category::Selectors,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no wrong warning or error on 24 public repositories",
        fix: Some(FixClass::Widening),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for UnmatchedPeerSelector {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        for place in policy.peers() {
            check(cx, id, &place);
        }
    }
}

fn check(cx: &mut Context<'_>, id: PolicyId, place: &PeerPlace<'_>) {
    let Some((namespace_selector, Some(selector))) = place.peer.selectors() else {
        return;
    };
    let is_opaque =
        selector.is_opaque() || namespace_selector.is_some_and(LabelSelector::is_opaque);
    if is_opaque || selector.is_empty() {
        return;
    }
    let cluster = cx.cluster;
    let namespaces = match namespace_selector {
        Some(namespace_selector) => cx.engine.matching_namespaces(namespace_selector),
        None => vec![cluster.policy(id).namespace],
    };
    let matches = |id| selector.matches_opaque(&cluster.workload(id).object.labels) != Truth::False;
    if workloads(cluster, &namespaces).any(matches) {
        return;
    }
    let whose = match namespaces.as_slice() {
        // Which namespaces exist is another rule's question.
        [] => return,
        [one] => format!("namespace `{}`", cluster.namespace(*one).name),
        several => format!("the {} namespaces that match", several.len()),
    };
    let message = format!("no pod of {whose} matches `{selector}`, so this peer allows nothing");
    let path = format!("{}.podSelector", place.path());
    let finding = cx
        .policy_finding(id, path, selector.requirements_span(), message)
        .label("matches no pod");
    let is_complete = |id: &NamespaceId| {
        let name = &cluster.namespace(*id).name;
        cx.settings.inventory.is_complete_in(name)
    };
    let may_match = |namespace: &NamespaceId| unread::may_match(cx, *namespace, selector);
    if namespaces.iter().any(may_match) {
        return;
    }
    let is_subject = |namespace: &NamespaceId| {
        !is_complete(namespace) && unread::is_subject(cx, *namespace, selector, id)
    };
    let near = near_miss::nearest(cluster, selector, workloads(cluster, &namespaces))
        .filter(|_| !namespaces.iter().any(is_subject));
    if let Some(near) = near {
        let workload = cluster.workload_name(near.of);
        let finding = finding
            .with_severity(Severity::Error)
            .related(
                near.defined,
                format!("`{workload}` has `{}`: {}", near.label, near.difference),
            )
            .help(format!("did you mean `{}`?", near.label))
            .fix(Fix {
                title: format!("select `{}`", near.label),
                class: FixClass::Widening,
                edits: vec![near.edit],
            });
        cx.report(finding);
    } else if namespaces.iter().all(is_complete) {
        cx.report(finding.with_severity(Severity::Warning));
    }
}

fn workloads<'c>(
    cluster: &'c Cluster,
    namespaces: &'c [NamespaceId],
) -> impl Iterator<Item = WorkloadId> + 'c {
    namespaces
        .iter()
        .flat_map(|namespace| cluster.workloads_in(*namespace))
}
