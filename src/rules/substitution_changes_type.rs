//! Variables of Flux that turn a text into something else. `render` finds this; this file owns its page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a value that Flux `postBuild` variables turn from a string into a number, a
    /// boolean or null.
    ///
    /// ## Why is this bad?
    ///
    /// Flux serialises objects before it substitutes variables, and drops the quotes around
    /// `"${PORT}"` in the process. Labels and annotations must be strings, so the API server
    /// rejects `"${VERSION}"` once it becomes `1.20`. If a number is expected, nothing is
    /// wrong.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # file: clusters/prod/shop.yaml
    /// apiVersion: kustomize.toolkit.fluxcd.io/v1
    /// kind: Kustomization
    /// metadata: {name: shop, namespace: flux-system}
    /// spec:
    ///   path: ./shop
    ///   postBuild:
    ///     substitute: {VERSION: "20"}
    /// # file: shop/policy.yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: web
    ///   namespace: shop
    ///   labels: {version: "${VERSION}"}
    /// spec:
    ///   podSelector: {}
    ///   ingress: [{}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// # file: clusters/prod/shop.yaml
    /// apiVersion: kustomize.toolkit.fluxcd.io/v1
    /// kind: Kustomization
    /// metadata: {name: shop, namespace: flux-system}
    /// spec:
    ///   path: ./shop
    ///   postBuild:
    ///     substitute: {VERSION: v20}
    /// # file: shop/policy.yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: web
    ///   namespace: shop
    ///   labels: {version: "${VERSION}"}
    /// spec:
    ///   podSelector: {}
    ///   ingress: [{}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the variable may be used elsewhere.
    pub(super) struct SubstitutionChangesType {
        name: "substitution-changes-type",
        summary: "a Flux variable that turns a string into another type",
        category: Category::Text,
        severity: Severity::Info,
        tier: Stable,
        evidence: "based on how Flux writes objects",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for SubstitutionChangesType {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
