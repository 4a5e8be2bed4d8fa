//! Manifests that do not parse. The reader of manifests finds these; this file owns their page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a Kubernetes manifest that is not valid YAML or JSON: a tab in the indentation,
    /// an unterminated quote, or a list item among the keys of a mapping.
    ///
    /// ## Why is this bad?
    ///
    /// `kubectl apply` rejects the file, so its policies are not enforced. Most tools that
    /// check manifests skip such a file with a line in the log: its policies go unchecked, and
    /// CI stays green. npcheck shows where it breaks, exits with 2, and still checks every
    /// other document.
    ///
    /// Templates (`{{ … }}`), files encrypted by SOPS and `${VAR}` are not errors: they are
    /// counted, and `npcheck files` lists them.
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
    ///   podSelector: {matchLabels: {app: web}
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
    ///   podSelector: {matchLabels: {app: web}}
    ///   ingress: []
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows what the text should say.
    pub(super) struct YamlError {
        name: "yaml-error",
        summary: "a manifest that is not valid YAML or JSON",
        category: Category::Text,
        severity: Severity::Error,
        tier: Stable,
        evidence: "5 of 5 warnings and errors on 82 public repositories (58 of them in excerpts) judged right",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for YamlError {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
