//! A kustomization that kustomize refuses to build. `render` finds this; this file owns its page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports what makes kustomize fail: an unknown field, a missing file, a patch for an
    /// object that is not among the resources, or an object that is listed twice. npcheck
    /// builds the rest without that part. It also reports a file that Argo CD applies as it
    /// stands and cannot read, and a path that leads out of the repository, where npcheck reads
    /// nothing. A file of a ConfigMap or Secret that is missing is an info.
    ///
    /// ## Why is this bad?
    ///
    /// Nothing in this kustomization is applied until it builds. Findings about its objects are
    /// based on what they would most likely look like.
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
    /// There is no automatic fix: only the author knows which file was meant.
    pub(super) struct BrokenBuild {
        name: "broken-build",
        summary: "a kustomization that kustomize cannot build",
        category: Category::Text,
        severity: Severity::Error,
        tier: Stable,
        evidence: "same outcome as kustomize; 9 of 9 errors on 24 public repositories, whose copies lack files, judged right",
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
