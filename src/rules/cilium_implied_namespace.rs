//! Peers of Cilium's policies for pods of another namespace that do not name it.

use crate::cluster::NamespaceId;
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::engine::{PodView, PolicyRef};
use crate::k8s::{LabelSelector, Truth};
use crate::lint::absence::Presence;
use crate::lint::homes::{self, Evidence};
use crate::lint::plugin_rules::{self, CiliumSelectorPlace};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, rewrite};

declare_rule! {
    /// ## What it does
    ///
    /// Reports an entry of `fromEndpoints` or `toEndpoints` in a `CiliumNetworkPolicy` that
    /// names no namespace, matches no pod of the policy's own namespace, and fits pods of
    /// exactly one other namespace, or well-known pods (`kube-dns`, `ingress-nginx`,
    /// `prometheus`).
    ///
    /// ## Why is this bad?
    ///
    /// Cilium adds the policy's namespace to such an entry. It only means pods of that
    /// namespace, and here there are none.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector: {matchLabels: {app: web}}
    ///   egress:
    ///     - toEndpoints:
    ///         - matchLabels:
    ///             k8s-app: kube-dns
    ///       toPorts: [{ports: [{port: "53", protocol: ANY}]}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector: {matchLabels: {app: web}}
    ///   egress:
    ///     - toEndpoints:
    ///         - matchLabels:
    ///             k8s-app: kube-dns
    ///             k8s:io.kubernetes.pod.namespace: kube-system
    ///       toPorts: [{ports: [{port: "53", protocol: ANY}]}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: the fix adds the namespace label, so that the entry matches the pods.
    pub(super) struct CiliumImpliedNamespace {
        name: "cilium-implied-namespace",
        summary: "a Cilium peer is meant for another namespace but does not name it",
        category: Category::Plugins,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no finding on the 162 Cilium policies of three public repositories",
        fix: Some(FixClass::Widening),
        mutes: &["unmatched-peer-selector"],
        since: "0.1.0",
    }
}

impl Rule for CiliumImpliedNamespace {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        for place in plugin_rules::cilium_selectors(cx.cluster) {
            let own = place.selector.implied_namespace();
            let own = own.and_then(|own| cx.cluster.namespace_by_name(own));
            if let (true, Some(own), Some(labels)) =
                (place.is_peer(), own, place.selector.pod_labels())
                && let Some(finding) = check(cx, &place, own, &labels)
            {
                cx.report(finding);
            }
        }
    }
}

fn check(
    cx: &Context<'_>,
    place: &CiliumSelectorPlace<'_>,
    own: NamespaceId,
    selector: &LabelSelector,
) -> Option<Diagnostic> {
    if selector.is_empty() || selector.is_opaque() {
        return None;
    }
    let cluster = cx.cluster;
    let may_match = |id| {
        let pod = PodView::workload(cluster, id);
        place.selector.truth(&pod) != Truth::False
    };
    let asked = place.selector.asked_for();
    let mut pods = cx.labelled().candidates_by(&[own], asked).into_iter();
    if pods.any(may_match) {
        return None;
    }
    let own_name = &cluster.namespace(own).name;
    let is_complete = cx.settings.inventory.is_complete_in(own_name);
    let inventories = cx.inventories();
    let policy = PolicyRef::Plugin(place.policy.id);
    let is_asked_for = || !is_complete && inventories.is_asked_for(own, selector, policy);
    if inventories.presence(cx, own, selector) == Presence::SpokenFor || is_asked_for() {
        return None;
    }
    let (home, evidence) = homes::home(cx, own, selector)?;
    let severity = match evidence {
        Evidence::Workload(_) => cx.severity_by_inventory(own, Severity::Error, Severity::Warning),
        Evidence::WellKnown(_) => Severity::Warning,
    };
    let message = format!(
        "`{selector}` only matches pods of `{own_name}`, but {} `{home}`",
        evidence.in_words()
    );
    let finding = cx
        .finding(selector.requirements_span(), message)
        .with_severity(severity)
        .about(place.policy.object.display(), place.path.as_str())
        .label(format!(
            "Cilium adds the namespace `{own_name}`; no pod of it matches"
        ))
        .help(format!(
            "add `k8s:io.kubernetes.pod.namespace: {home}` to the same entry"
        ));
    let finding = match evidence {
        Evidence::Workload(workload) => {
            let span = cluster.workload(workload).object.labels_span;
            let name = cluster.workload_name(workload);
            finding.related(span, format!("`{name}` matches, in another namespace"))
        }
        Evidence::WellKnown(pods) => match homes::lacking(pods, selector) {
            Some(lacking) => {
                let (key, value) = pods.labels[0];
                return Some(finding.note(format!(
                    "as usually installed, {} has `{key}={value}`, not `{lacking}`",
                    pods.name
                )));
            }
            None => finding,
        },
    };
    let last = place.selector.written().match_labels.last();
    let edit = last.and_then(|last| {
        rewrite::add_label(cx.sources, last, "k8s:io.kubernetes.pod.namespace", &home)
    });
    Some(match edit {
        Some(edit) => finding.fix(Fix {
            title: format!("select pods of `{home}`"),
            class: FixClass::Widening,
            edits: vec![edit],
        }),
        None => finding,
    })
}
