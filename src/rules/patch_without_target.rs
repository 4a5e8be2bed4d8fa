//! A patch for nothing. `render` finds this; this file owns its page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a patch whose `target` matches no object of the kustomization.
    ///
    /// ## Why is this bad?
    ///
    /// kustomize silently skips such a patch, so the change that it describes, which may close
    /// or open a policy, is not made. The fields of `target` are anchored regular expressions:
    /// `web` does not match `web-1`.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # file: kustomization.yaml
    /// resources: [policy.yaml]
    /// patches:
    ///   - target: {kind: NetworkPolicy, name: allow-wbe}
    ///     patch: |-
    ///       - op: replace
    ///         path: /spec/ingress
    ///         value: []
    /// # file: policy.yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-web, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   ingress: [{}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// # file: kustomization.yaml
    /// resources: [policy.yaml]
    /// patches:
    ///   - target: {kind: NetworkPolicy, name: allow-web}
    ///     patch: |-
    ///       - op: replace
    ///         path: /spec/ingress
    ///         value: []
    /// # file: policy.yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-web, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   ingress: [{}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows which object was meant.
    pub(super) struct PatchWithoutTarget {
        name: "patch-without-target",
        summary: "a kustomization patch whose target matches nothing",
        category: Category::Hygiene,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "the build decides it; kustomize itself is silent",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for PatchWithoutTarget {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
