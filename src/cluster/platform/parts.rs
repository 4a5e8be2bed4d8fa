//! Programs that are installed in parts, of which an installation may leave some out: their own
//! policies name all of them.
//!
//! Refuses to know which parts a cluster has.

use crate::k8s::{LabelSelector, Labels};

/// The label by which the parts are told apart.
const KEY: &str = "app.kubernetes.io/name";

/// Argo CD (argoproj/argo-cd, manifests/base and manifests/ha/base; manifests/core-install has no
/// server, no Dex and no controller of notifications).
const ARGO_CD: &[&str] = &[
    "argocd-application-controller",
    "argocd-applicationset-controller",
    "argocd-commit-server",
    "argocd-dex-server",
    "argocd-notifications-controller",
    "argocd-redis",
    "argocd-redis-ha",
    "argocd-redis-ha-haproxy",
    "argocd-repo-server",
    "argocd-server",
];

/// The parts of the program of which a selector names one.
#[must_use]
pub fn named_with_others(selector: &LabelSelector) -> Option<&'static [&'static str]> {
    let mut labels = selector.match_labels.iter();
    let names_one = |value: &str| ARGO_CD.contains(&value);
    labels
        .any(|label| label.key.value == KEY && names_one(&label.value.value))
        .then_some(ARGO_CD)
}

/// Whether pods are one of these parts.
#[must_use]
pub fn is_one_of(labels: &Labels, parts: &[&str]) -> bool {
    labels.get(KEY).is_some_and(|name| parts.contains(&name))
}
