//! What the comment above a rule says that the rule is for, as far as a few words can be
//! understood.
//!
//! Reads whole words, never parts of them, and understands nothing where a word stands that
//! could change the meaning: a false claim costs more than silence. Refuses to know what the
//! rule does.

use super::claims::{is_one_of, words};

/// Words that say that more is meant, or that it is left open knowingly.
const MORE_OR_OPEN: &[&str] = &[
    "and",
    "or",
    "also",
    "plus",
    "other",
    "others",
    "any",
    "anything",
    "anywhere",
    "all",
    "every",
    "everything",
    "everywhere",
    "internet",
    "external",
    "web",
    "wildcard",
    "open",
    "intentional",
    "intentionally",
    "deliberately",
    "because",
    "since",
    "as",
    "cannot",
    "no",
    "not",
    "never",
    "without",
    "unknown",
    "dynamic",
    "varies",
    "differs",
    "depends",
    // Programs that are called after it.
    "aggregated",
    "aggregation",
    "audit",
    "extension",
    "konnectivity",
    "operator",
    "proxy",
];

/// Whether a comment is about the API server and nothing else.
#[must_use]
pub fn is_about_api_server(comment: &str) -> bool {
    if holds_manifest(comment) {
        return false;
    }
    let comment = comment.to_lowercase();
    let words = words(&comment);
    let is_named = words
        .iter()
        .any(|word| ["apiserver", "kubeapi"].contains(word))
        || words.windows(2).any(|pair| {
            matches!(
                pair,
                ["api", "server" | "servers"] | ["kube" | "kubernetes" | "k8s", "api"]
            )
        });
    is_named && !words.iter().any(|word| is_one_of(word, MORE_OR_OPEN))
}

/// Whether a comment is about the kubelet and its probes, and nothing else.
#[must_use]
pub fn is_about_kubelet(comment: &str) -> bool {
    /// Others that ask whether a pod is well, or that read its metrics.
    const OTHERS: &[&str] = &[
        "balancer",
        "cadvisor",
        "lb",
        "metrics",
        "monitoring",
        "prometheus",
        "scrape",
        "scraping",
    ];
    if holds_manifest(comment) {
        return false;
    }
    let comment = comment.to_lowercase();
    let words = words(&comment);
    let is_named = words.contains(&"kubelet")
        || words.windows(2).any(|pair| {
            matches!(
                pair,
                ["liveness" | "readiness" | "startup", "probe" | "probes"]
            )
        });
    let has_one_of = |others| words.iter().any(|word| is_one_of(word, others));
    is_named && !has_one_of(MORE_OR_OPEN) && !has_one_of(OTHERS)
}

/// Whether a comment is about what is outside of the cluster, and nothing else.
#[must_use]
pub fn is_about_outside(comment: &str) -> bool {
    const OUTSIDE: &[&str] = &["external", "internet", "outside"];
    /// Words that say that something within is meant too, that nothing is to go out, or that
    /// make `external` the name of a program.
    const MORE: &[&str] = &[
        "and",
        "balancer",
        "block",
        "blocks",
        "but",
        "cluster",
        "controller",
        "deny",
        "denies",
        "dns",
        "except",
        "exclude",
        "gateway",
        "ingress",
        "inside",
        "instead",
        "internal",
        "intra",
        "lb",
        "load",
        "local",
        "metrics",
        "mesh",
        "namespace",
        "namespaces",
        "never",
        "no",
        "node",
        "nodes",
        "not",
        "only",
        "operator",
        "or",
        "own",
        "pod",
        "pods",
        "private",
        "proxy",
        "secret",
        "secrets",
        "service",
        "snapshotter",
        "through",
        "via",
        "without",
    ];
    if holds_manifest(comment) {
        return false;
    }
    let mut comment = comment.to_lowercase();
    for whole in [
        "outside of the cluster",
        "outside the cluster",
        "outside cluster",
    ] {
        comment = comment.replace(whole, "outside");
    }
    let words = words(&comment);
    let is_named = words.iter().any(|word| is_one_of(word, OUTSIDE));
    is_named && !words.iter().any(|word| is_one_of(word, MORE))
}

/// Whether lines of a comment are manifests themselves, and so no comment on what follows.
fn holds_manifest(comment: &str) -> bool {
    let mut lines = comment
        .lines()
        .map(|line| line.trim_start().trim_start_matches('#'));
    lines.any(|line| line.trim_start().starts_with("- ") || line.trim_end().ends_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_about_the_api_server() {
        for (comment, expected) in [
            ("# API server", true),
            ("  # allow access to the Kubernetes API server\n", true),
            ("# kube-apiserver (6443)", true),
            ("# k8s API", true),
            ("# Kubernetes API and the registry", false),
            ("# API server; wildcard, as its address differs", false),
            ("# the API of the shop", false),
            ("# apiserverless", false),
            ("# - to: [] # API server", false),
            ("# API server:", false),
            (
                "# Webhook calls from API server (proxied through kube-system)",
                true,
            ),
            ("# kube-apiserver-operator", false),
        ] {
            assert_eq!(is_about_api_server(comment), expected, "{comment}");
        }
    }

    #[test]
    fn comments_are_about_the_kubelet() {
        for (comment, expected) in [
            ("# Allow health checks from kubelet", true),
            ("# Kubelet readiness probe (host network)", true),
            ("# liveness probes", true),
            ("# kubelet probes and the load balancer", false),
            (
                "# kubelet probes: open, as node addresses are unknown",
                false,
            ),
            ("# health checks", false),
            ("# health checks of the load balancer", false),
            ("# kubelet metrics", false),
            ("# database probe", false),
        ] {
            assert_eq!(is_about_kubelet(comment), expected, "{comment}");
        }
    }

    #[test]
    fn comments_are_about_the_outside() {
        for (comment, expected) in [
            ("# Allow external HTTPS (for Pyth, InfluxDB, etc.)", true),
            ("# External APIs: GitHub, Slack", true),
            ("# HTTPS to the internet", true),
            ("# outside world, TCP 443", true),
            ("# Allow from outside cluster (NodePort)", true),
            ("# Allow from outside and from the cluster", false),
            ("# HTTPS for LLM calls", false),
            ("# external-secrets operator", false),
            ("# external DNS", false),
            ("# internet via the egress gateway", false),
            ("# external and internal services", false),
            ("# no internet", false),
            ("# other namespaces, not the internet", false),
            ("# internetwork", false),
        ] {
            assert_eq!(is_about_outside(comment), expected, "{comment}");
        }
    }
}
