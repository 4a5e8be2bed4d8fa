//! Policies that lost their indentation. The reader of manifests finds these; this file owns their page.

use crate::diagnostic::{FixClass, Severity};
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Recognises a NetworkPolicy whose lines all start at the first column, or whose `spec` has
    /// lost its children, as happens when text is copied from a web page. As a policy has a fixed
    /// grammar and list items keep their hyphens, the indentation can often be restored in exactly
    /// one way.
    ///
    /// ## Why is this bad?
    ///
    /// The API server refuses the fully flattened text, with a message about a missing name. If
    /// only `spec` lost its children and the client is lenient, `spec: null` selects every pod of
    /// the namespace and denies all ingress.
    ///
    /// Every other finding about the document is left out: this is their cause.
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
    /// The text had no meaning before, so restoring it opens what the policy allows. It is offered
    /// only where there is exactly one way; where there are two, both are shown.
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
