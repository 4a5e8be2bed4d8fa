//! Text that a reviewer does not see as Kubernetes reads it. The reader of manifests finds it; this file owns its page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports text in a policy that looks like something else:
    ///
    /// * A key after a comment on the same line, separated from it by one of Unicode's line
    ///   breaks (U+0085, U+2028, U+2029) or a lone carriage return. YAML 1.1, which the
    ///   Kubernetes tools use, starts a new line there; editors and code reviews show one long
    ///   comment.
    /// * A control character that changes the order in which text is displayed (U+202A to
    ///   U+202E, U+2066 to U+2069).
    ///
    /// ## Why is this bad?
    ///
    /// A reviewer approves a policy that looks closed, and Kubernetes opens it. In the example,
    /// an invisible U+2028 stands before `ingress`, and the rule lets in everybody. npcheck
    /// evaluates what Kubernetes reads, and reports that it is hidden.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: closed
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Ingress] # nothing may come in   ingress: [{}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: closed
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Ingress] # nothing may come in
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: find out who wrote this, and why.
    pub(super) struct HiddenText {
        name: "hidden-text",
        summary: "text that Kubernetes reads but a reviewer does not see",
        category: Category::Text,
        severity: Severity::Error,
        tier: Stable,
        evidence: "decided by the text alone; no finding on 24 public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for HiddenText {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
