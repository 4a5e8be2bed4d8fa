//! A kustomization that kustomize refuses to build. `render` finds this; this file owns its page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports what kustomize refuses in a kustomization: a field that it does not know, a file
    /// that is not there, a patch for an object that is not among the resources, an object that is
    /// there twice. npcheck builds the rest without that part.
    ///
    /// ## Why is this bad?
    ///
    /// Nothing of this kustomization is applied until it builds. What npcheck says of its objects
    /// is said of what they would most likely be.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # file: kustomization.yaml
    /// resources:
    ///   - deployment.yaml
    ///   - policies.yaml
    /// # file: deployment.yaml
    /// apiVersion: v1
    /// kind: ServiceAccount
    /// metadata: {name: web, namespace: shop}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// # file: kustomization.yaml
    /// resources:
    ///   - deployment.yaml
    /// # file: deployment.yaml
    /// apiVersion: v1
    /// kind: ServiceAccount
    /// metadata: {name: web, namespace: shop}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: which file was meant is for its author to know.
    pub(super) struct BrokenBuild {
        name: "broken-build",
        summary: "a kustomization that kustomize rejects to build",
        category: Category::Text,
        severity: Severity::Error,
        tier: Stable,
        evidence: "decided as kustomize decides it; 9 of 9 errors on 24 public repositories, of which the copies lack files, judged right",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for BrokenBuild {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
