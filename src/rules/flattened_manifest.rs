//! Policies that lost their indentation. The reader of manifests finds these; this file owns their page.

use crate::diagnostic::{FixClass, Severity};
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Recognises a policy, of Kubernetes, Cilium or Calico, whose lines all start in the first column, or whose `spec`
    /// has lost its children, as happens when you copy text from a web page. Because a policy
    /// has a fixed structure and list items keep their hyphens, the indentation can often be
    /// restored in exactly one way.
    ///
    /// ## Why is this bad?
    ///
    /// The API server rejects the fully flattened text with a message about a missing name. If
    /// only `spec` lost its children and the client is lenient, `spec: null` selects every pod
    /// of the namespace and denies all ingress.
    ///
    /// Other findings about the document are left out, because this is their cause.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    /// name: allow-frontend
    /// spec:
    /// podSelector:
    /// matchLabels:
    /// app: api-server
    /// ingress:
    /// - from:
    /// - podSelector:
    /// matchLabels:
    /// app: frontend
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-frontend
    /// spec:
    ///   podSelector:
    ///     matchLabels:
    ///       app: api-server
    ///   ingress:
    ///     - from:
    ///         - podSelector:
    ///             matchLabels:
    ///               app: frontend
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: the text had no meaning before, so restoring it opens what the policy allows.
    /// The fix is offered only if there is exactly one way to restore it; if there are two,
    /// both are shown.
    pub(super) struct FlattenedManifest {
        name: "flattened-manifest",
        summary: "a policy that lost its indentation",
        category: Category::Text,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: Some(FixClass::Widening),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for FlattenedManifest {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
