//! Policies that nothing deploys. `render` finds this; this file owns its page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports, once per directory, a policy in a file that is next to kustomizations, or in a
    /// tree that Flux or Argo CD applies, but that none of them includes. Files that another tool
    /// applies, as far as its own file or a `kubectl` command names them, are not reported.
    ///
    /// ## Why is this bad?
    ///
    /// The policy is in the repository and passed review, but it is not in any cluster. npcheck
    /// treats it as not applied. Only a policy far from everything that Argo CD applies is judged
    /// all the same, in a cluster of its own, as it may be applied by hand.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # file: kustomization.yaml
    /// resources: [account.yaml]
    /// # file: account.yaml
    /// apiVersion: v1
    /// kind: ServiceAccount
    /// metadata: {name: web, namespace: shop}
    /// # file: deny.yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: deny-all, namespace: shop}
    /// spec: {podSelector: {}, policyTypes: [Ingress]}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// # file: kustomization.yaml
    /// resources: [account.yaml, deny.yaml]
    /// # file: account.yaml
    /// apiVersion: v1
    /// kind: ServiceAccount
    /// metadata: {name: web, namespace: shop}
    /// # file: deny.yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: deny-all, namespace: shop}
    /// spec: {podSelector: {}, policyTypes: [Ingress]}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the file may be left out on purpose.
    pub(super) struct UnreferencedManifest {
        name: "unreferenced-manifest",
        summary: "a policy in a file that nothing deploys",
        category: Category::Hygiene,
        severity: Severity::Info,
        tier: Stable,
        evidence: "the build decides it",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for UnreferencedManifest {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
