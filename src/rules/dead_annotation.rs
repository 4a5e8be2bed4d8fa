//! Annotations that once isolated a namespace.

use crate::cluster::NamespaceId;
use crate::diagnostic::Severity;
use crate::k8s::{Direction, NetworkPolicy};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports the namespace annotation `net.beta.kubernetes.io/network-policy` (or its
    /// predecessor `net.alpha.kubernetes.io/network-isolation`).
    ///
    /// It is an info if a policy isolates every pod of the namespace for ingress, which is what
    /// the annotation used to do.
    ///
    /// ## Why is this bad?
    ///
    /// Before `NetworkPolicy` became stable, `{"ingress": {"isolation": "DefaultDeny"}}` in
    /// this annotation denied all ingress. Kubernetes 1.7 replaced it with policies that have
    /// an empty `podSelector`. The API server still accepts the annotation, but it denies
    /// nothing.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: v1
    /// kind: Namespace
    /// metadata:
    ///   name: shop
    ///   annotations:
    ///     net.beta.kubernetes.io/network-policy: '{"ingress": {"isolation": "DefaultDeny"}}'
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: v1
    /// kind: Namespace
    /// metadata: {name: shop}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: default-deny, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Ingress]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: a policy that takes its place cuts off traffic.
    pub(super) struct DeadAnnotation {
        name: "dead-annotation",
        summary: "an annotation that used to isolate a namespace and no longer does anything",
        category: Category::Isolation,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "the annotation has had no effect since Kubernetes 1.7; no finding on 24 public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for DeadAnnotation {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_namespace(&self, cx: &mut Context<'_>, id: NamespaceId) {
        /// Kubernetes 1.3 to 1.6, and 1.2 before them.
        const KEYS: [&str; 2] = [
            "net.beta.kubernetes.io/network-policy",
            "net.alpha.kubernetes.io/network-isolation",
        ];
        let namespace = cx.cluster.namespace(id);
        let Some(declared) = &namespace.declared else {
            return;
        };
        let annotations = &declared.meta.annotations;
        for annotation in KEYS.iter().filter_map(|key| annotations.label(key)) {
            let key = &annotation.key;
            let message = format!("`{key}` isolates nothing: Kubernetes ignores it since 1.7");
            let mut finding = cx
                .finding(key.span, message)
                .about(
                    format!("Namespace/{}", namespace.name),
                    format!("metadata.annotations.{key}"),
                )
                .label("has no effect");
            finding = match isolates_all(cx, id) {
                Some(policy) => finding
                    .with_severity(Severity::Info)
                    .related(
                        policy.meta.name.span,
                        "this policy isolates every pod instead",
                    )
                    .help("delete the annotation"),
                None => finding.help(
                    "delete it; to deny ingress, write a `NetworkPolicy` with `podSelector: {}` and `policyTypes: [Ingress]`",
                ),
            };
            cx.report(finding);
        }
    }
}

/// A policy that isolates every pod of the namespace for ingress.
fn isolates_all<'c>(cx: &Context<'c>, namespace: NamespaceId) -> Option<&'c NetworkPolicy> {
    let policies = cx.cluster.policies_in(namespace);
    let policies = policies.map(|id| -> &NetworkPolicy { &cx.cluster.policy(id).object });
    policies.into_iter().find(|policy| {
        let selector = policy.pod_selector.get();
        policy.meta.is_accepted
            && policy.applies_to(Direction::Ingress)
            && selector.is_none_or(|selector| selector.is_empty())
    })
}
