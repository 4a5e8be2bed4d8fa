//! Fields that the API does not have. The reader of manifests finds these; this file owns their page.

use crate::diagnostic::{FixClass, Severity};
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a field of a policy that the API does not have at any place, with the name that
    /// was probably meant.
    ///
    /// ## Why is this bad?
    ///
    /// An API server that validates strictly refuses the object. A lenient one drops the field
    /// and enforces the rest: `policyType: [Egress]` isolates nothing for egress.
    ///
    /// Keys that start with `x-` or `.`, which hold anchors, are left alone.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: deny-egress
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   policyType: [Egress]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: deny-egress
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Egress]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// A field that differs from a known one by a letter or two is renamed. What that opens or
    /// closes depends on the field, and is worked out before anything is written.
    pub(super) struct UnknownField {
        name: "unknown-field",
        summary: "a field that the API does not have",
        category: Category::Text,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: Some(FixClass::Widening),
        mutes: &["name-contradicts-effect"],
        since: "0.1.0",
    }
}

impl Rule for UnknownField {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
