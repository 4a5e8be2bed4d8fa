//! Fields that the API does not have. The reader of manifests finds these; this file owns their page.

use crate::diagnostic::{FixClass, Severity};
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a field that the API does not have anywhere in a policy, and suggests the name
    /// that was probably meant.
    ///
    /// ## Why is this bad?
    ///
    /// With strict validation, the API server rejects the object. Without it, the field is
    /// dropped and the rest is enforced: `policyType: [Egress]` isolates nothing for egress.
    ///
    /// Keys that start with `x-` or `.`, which are used for YAML anchors, are not reported.
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
    /// The fix renames a field that is one or two letters away from a known one. What that
    /// opens or closes depends on the field, and npcheck works it out before it writes
    /// anything.
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
