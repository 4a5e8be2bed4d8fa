//! Labels of a kustomization that become the selector of a Service. `render` finds this; this file owns its page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a Service without a selector that gets one through `commonLabels`, or through
    /// `labels` with `includeSelectors`.
    ///
    /// ## Why is this bad?
    ///
    /// A Service without a selector has manually managed endpoints, or is a name for something
    /// outside the cluster. Once it has a selector, Kubernetes takes over its endpoints, and
    /// traffic goes to the wrong pods.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # file: kustomization.yaml
    /// namespace: shop
    /// resources: [service.yaml]
    /// commonLabels:
    ///   team: cart
    /// # file: service.yaml
    /// apiVersion: v1
    /// kind: Service
    /// metadata:
    ///   name: legacy-db
    /// spec:
    ///   ports: [{port: 5432}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// # file: kustomization.yaml
    /// namespace: shop
    /// resources: [service.yaml]
    /// labels:
    ///   - pairs:
    ///       team: cart
    /// # file: service.yaml
    /// apiVersion: v1
    /// kind: Service
    /// metadata:
    ///   name: legacy-db
    /// spec:
    ///   ports: [{port: 5432}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the labels may be meant for other selectors.
    pub(super) struct OverlaySelectsService {
        name: "overlay-selects-service",
        summary: "a kustomization adds a selector to a Service that has none",
        category: Category::Selectors,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "the build decides it; no finding on 24 public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for OverlaySelectsService {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
