//! Policies that nothing deploys. `render` finds this; this file owns its page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports, once for each directory, a policy in a file that stands among kustomizations, or in a
    /// tree that Flux or Argo CD applies, and that none of them takes.
    ///
    /// ## Why is this bad?
    ///
    /// The policy stands in the repository, was reviewed, and is not in any cluster. npcheck does not
    /// count it as one that is in force.
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
