//! Values that the API server refuses. The reader of manifests finds these; this file owns their page.

use crate::diagnostic::{FixClass, Severity};
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a value of the wrong type or form: a label that YAML reads as a boolean or
    /// number, `protocol: tcp`, `port: "80"`, a port outside 1 to 65535, an `endPort` below its
    /// `port`, an unknown policy type, or a mapping where a list is expected.
    ///
    /// ## Why is this bad?
    ///
    /// The API server rejects the whole object, often with a message that names neither the
    /// line nor the value. If your pipeline carries on regardless, the pods stay open.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-web
    ///   namespace: shop
    /// spec:
    ///   podSelector:
    ///     matchLabels:
    ///       public: yes
    ///   ingress: []
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-web
    ///   namespace: shop
    /// spec:
    ///   podSelector:
    ///     matchLabels:
    ///       public: "yes"
    ///   ingress: []
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Safe: the fix quotes the label value exactly as written, corrects the letter case, or
    /// removes the quotes around a port number. The API server rejected the object before.
    pub(super) struct InvalidValue {
        name: "invalid-value",
        summary: "a value that the API server rejects",
        category: Category::Text,
        severity: Severity::Error,
        tier: Stable,
        evidence: "5 of 5 warnings and errors on 82 public repositories (58 of them in excerpts) judged right",
        fix: Some(FixClass::Safe),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for InvalidValue {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
