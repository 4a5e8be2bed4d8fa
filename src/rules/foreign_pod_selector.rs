//! Peers that name pods of another namespace without naming the namespace.

use crate::cluster::{PolicyId, WorkloadId};
use crate::diagnostic::{Fix, FixClass, Severity};
use crate::engine::PolicyRef;
use crate::k8s::{self, PeerPlace};
use crate::lint::absence::Presence;
use crate::lint::callers::may_select_namespace;
use crate::lint::homes::{self, Evidence};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, rewrite};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a peer with only a `podSelector` that matches no pod of the policy's own
    /// namespace, but does match pods of exactly one other namespace, or well-known pods
    /// (`ingress-nginx`, `kube-dns`, `prometheus`).
    ///
    /// ## Why is this bad?
    ///
    /// A `podSelector` alone only matches pods of the policy's own namespace. To match pods
    /// elsewhere, the same peer needs a `namespaceSelector`. Without it, the peer allows
    /// nothing.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-ingress-controller, namespace: payment}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - podSelector:
    ///             matchLabels:
    ///               app.kubernetes.io/name: ingress-nginx
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-ingress-controller, namespace: payment}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - podSelector:
    ///             matchLabels:
    ///               app.kubernetes.io/name: ingress-nginx
    ///           namespaceSelector:
    ///             matchLabels:
    ///               kubernetes.io/metadata.name: ingress-nginx
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: the peer starts to match. The fix adds the `namespaceSelector` to the same
    /// peer, without a hyphen.
    pub(super) struct ForeignPodSelector {
        name: "foreign-pod-selector",
        summary: "a peer is meant for pods of another namespace but has no `namespaceSelector`",
        category: Category::Selectors,
        severity: Severity::Error,
        tier: Stable,
        evidence: "1 of 1 warning or error on 82 public repositories (58 of them in excerpts) judged right",
        fix: Some(FixClass::Widening),
        mutes: &[
            "unmatched-peer-selector",
            "batch-workload-cut-off",
            "one-sided-flow",
            "scrape-blocked",
            "service-cut-off",
        ],
        since: "0.1.0",
    }
}

impl Rule for ForeignPodSelector {
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
    let Some((None, Some(selector))) = place.peer.selectors() else {
        return;
    };
    if selector.is_empty() || selector.is_opaque() {
        return;
    }
    let cluster = cx.cluster;
    let own = cluster.policy(id).namespace;
    if !cx.labelled().may_match(&[own], selector).is_empty() {
        return;
    }
    let own_name = &cluster.namespace(own).name;
    let is_complete = cx.settings.inventory.is_complete_in(own_name);
    let inventories = cx.inventories();
    let is_asked_for =
        || !is_complete && inventories.is_asked_for(own, selector, PolicyRef::Network(id));
    let path = format!("{}.podSelector", place.path());
    if inventories.presence(cx, own, selector) == Presence::SpokenFor
        || is_asked_for()
        || cx.is_met_in_another_build(&path, selector)
    {
        return;
    }
    let Some((home, evidence)) = homes::home(cx, own, selector) else {
        return;
    };
    if let Evidence::Workload(workload) = evidence
        && (belongs_beside(cx, id, workload) || is_homeless(cx, id))
    {
        return;
    }
    // Nothing is lost where another peer is for all pods of that namespace.
    let is_admitted = place.rule.peers.items().iter().any(|peer| {
        let selectors = peer.selectors();
        matches!(selectors, Some((Some(namespaces), None)) if may_select_namespace(cx, namespaces, &home))
    });
    if is_admitted {
        return;
    }
    let severity = match evidence {
        Evidence::Workload(_) => cx.severity_by_inventory(own, Severity::Error, Severity::Warning),
        Evidence::WellKnown(_) => Severity::Warning,
    };
    let message = format!(
        "`{selector}` only matches pods of `{own_name}`, but {} `{home}`",
        evidence.in_words()
    );
    let mut finding = cx
        .policy_finding(id, path, selector.requirements_span(), message)
        .with_severity(severity)
        .label(format!(
            "without a `namespaceSelector` this means pods of `{own_name}`; none matches"
        ))
        .help(format!(
            "add a `namespaceSelector` for `{home}` to the same peer, without a hyphen"
        ));
    if let Evidence::Workload(workload) = evidence {
        let (span, name) = (
            cluster.workload(workload).object.labels_span,
            cluster.workload_name(workload),
        );
        finding = finding.related(span, format!("`{name}` matches, in another namespace"));
    }
    if let Evidence::WellKnown(pods) = evidence
        && let Some(lacking) = homes::lacking(pods, selector)
    {
        let (key, value) = pods.labels[0];
        cx.report(finding.note(format!(
            "as usually installed, {} has `{key}={value}`, not `{lacking}`",
            pods.name
        )));
        return;
    }
    if let Some(edit) = rewrite::add_namespace_selector(cx.sources, place.peer, &home) {
        finding = finding.fix(Fix {
            title: format!("add a `namespaceSelector` for `{home}`"),
            class: FixClass::Widening,
            edits: vec![edit],
        });
    }
    cx.report(finding);
}

/// Whether nothing says in which namespace a policy ends up: it may be that of the pods.
fn is_homeless(cx: &Context<'_>, id: PolicyId) -> bool {
    let meta = &cx.cluster.policy(id).object.meta;
    meta.namespace.is_none() && !cx.layout().is_placed(meta.span.source)
}

/// Whether a policy that selects nobody would select pods where those of the peer are: then it
/// is the policy that is in the wrong namespace, which `unmatched-pod-selector` says.
fn belongs_beside(cx: &Context<'_>, id: PolicyId, workload: WorkloadId) -> bool {
    let subject = cx.cluster.policy(id).object.pod_selector.get();
    let home = cx.cluster.workload(workload).namespace;
    subject.filter(|it| !it.is_empty()).is_some_and(|subject| {
        let there = cx.engine.matching_workloads([home], subject);
        cx.engine.selected(id).is_empty() && !there.is_empty()
    })
}
