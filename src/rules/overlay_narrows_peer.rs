//! Labels of a kustomization in the selector of a foreign peer. `render` finds this; this file owns its page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a peer with a `namespaceSelector` for another namespace to whose `podSelector`
    /// kustomize adds a label that no pod there has, through `commonLabels` or `labels` with
    /// `includeSelectors`.
    ///
    /// ## Why is this bad?
    ///
    /// kustomize adds such labels to every `matchLabels` that it knows, including those for the
    /// ingress controller or Prometheus. Their pods come from elsewhere and do not have the
    /// label, so the peer matches none of them and the traffic is dropped. The file looks
    /// right; only the build shows the problem (kustomize issue 5912).
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # file: kustomization.yaml
    /// namespace: shop
    /// resources: [policy.yaml]
    /// commonLabels:
    ///   team: cart
    /// # file: policy.yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: from-ingress
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector:
    ///             matchLabels: {kubernetes.io/metadata.name: ingress-nginx}
    ///           podSelector:
    ///             matchLabels: {app.kubernetes.io/name: ingress-nginx}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// # file: kustomization.yaml
    /// namespace: shop
    /// resources: [policy.yaml]
    /// labels:
    ///   - pairs:
    ///       team: cart
    /// # file: policy.yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: from-ingress
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector:
    ///             matchLabels: {kubernetes.io/metadata.name: ingress-nginx}
    ///           podSelector:
    ///             matchLabels: {app.kubernetes.io/name: ingress-nginx}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: `labels` without `includeSelectors` changes the selectors of
    /// workloads, which are immutable. kustomize does not touch `matchExpressions`, so you can
    /// use that in the peer.
    pub(super) struct OverlayNarrowsPeer {
        name: "overlay-narrows-peer",
        summary: "a kustomization adds labels to a peer whose pods do not have them",
        category: Category::Selectors,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "reported to kustomize as issue 5912; the build decides it",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for OverlayNarrowsPeer {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
