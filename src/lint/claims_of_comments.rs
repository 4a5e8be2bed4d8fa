//! What the comment above a rule says that the rule is for, as far as a few words can be
//! understood.
//!
//! Reads whole words, never parts of them, and understands nothing where a word stands that
//! could change the meaning: a false claim costs more than silence. Refuses to know what the
//! rule does.

use super::claims::{is_one_of, words};
use crate::k8s::Direction;

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

/// The word of a comment that is about what is outside of the cluster, and nothing else.
#[must_use]
pub fn word_for_outside(comment: &str, direction: Direction) -> Option<String> {
    const OUTSIDE: &[&str] = &[
        "external", "internet", "outside",
        // Spanish, Portuguese, Italian, French, German, Dutch.
        "externa", "externas", "externe", "externen", "externer", "externes", "externo", "externos",
    ];
    /// What lets in; where to go from there may be within.
    const SOURCES: &[&str] = &["anywhere"];
    /// Words that say that something within is meant too, that nothing is to go out, or that
    /// make `external` the name of a program.
    const MORE: &[&str] = &[
        "and",
        "balancer",
        "bloquear",
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
        "interne",
        "interno",
        "internos",
        "interna",
        "internas",
        "kein",
        "keine",
        "metrics",
        "mesh",
        "namespace",
        "namespaces",
        "nicht",
        "nur",
        "oder",
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
        "pas",
        "pero",
        "sans",
        "secret",
        "secrets",
        "sem",
        "service",
        "sin",
        "snapshotter",
        "sauf",
        "solo",
        "through",
        "und",
        "via",
        "without",
    ];
    if holds_manifest(comment) {
        return None;
    }
    let mut comment = comment.to_lowercase();
    for whole in [
        "outside of the cluster",
        "outside the cluster",
        "outside cluster",
    ] {
        comment = comment.replace(whole, "outside");
    }
    for whole in ["external to the cluster", "external to cluster"] {
        comment = comment.replace(whole, "external");
    }
    let words = words(&comment);
    let is_named = |word: &&&str| {
        is_one_of(word, OUTSIDE) || direction == Direction::Ingress && is_one_of(word, SOURCES)
    };
    let named = words.iter().find(is_named)?;
    let has_more = words.iter().any(|word| is_one_of(word, MORE));
    (!has_more).then(|| (*named).to_owned())
}

/// Whether a comment says that everything is denied in a direction, and nothing else.
#[must_use]
pub fn denies_all(comment: &str, direction: Direction) -> bool {
    /// Words that take it back, or that say that it is done elsewhere.
    const MORE: &[&str] = &[
        "allow",
        "allows",
        "already",
        "but",
        "elsewhere",
        "except",
        "exception",
        "exceptions",
        "however",
        "if",
        "instead",
        "open",
        "other",
        "others",
        "override",
        "overrides",
        "permit",
        "permits",
        "separate",
        "separately",
        "unless",
        "unrestricted",
        "until",
        "yet",
    ];
    /// What is not there where traffic is free.
    const LIMITS: &[&str] = &[
        "control",
        "controls",
        "filter",
        "filtering",
        "filters",
        "isolation",
        "limit",
        "limitation",
        "limitations",
        "limits",
        "policies",
        "policy",
        "restriction",
        "restrictions",
        "rule",
        "rules",
    ];
    if holds_manifest(comment) {
        return false;
    }
    let comment = comment.to_lowercase();
    let words = words(&comment);
    let is_traffic = |word: &str| match direction {
        Direction::Ingress => matches!(word, "inbound" | "incoming" | "ingress"),
        Direction::Egress => matches!(word, "outbound" | "outgoing" | "egress"),
    };
    let is_plain = |word: &str| matches!(word, "traffic" | "connection" | "connections");
    let denies = words.windows(2).any(|pair| match pair {
        ["no", what] => is_traffic(what) || is_plain(what),
        [
            "deny" | "denies" | "block" | "blocks" | "drop" | "drops",
            what,
        ] => {
            matches!(*what, "all" | "everything")
        }
        _ => false,
    });
    let has_one_of = |others| words.iter().any(|word| is_one_of(word, others));
    denies && !has_one_of(MORE) && !has_one_of(LIMITS)
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
            (
                "# Allow external HTTPS (for Pyth, InfluxDB, etc.)",
                Some("external"),
            ),
            ("# External APIs: GitHub, Slack", Some("external")),
            ("# HTTPS to the internet", Some("internet")),
            ("# outside world, TCP 443", Some("outside")),
            ("# Allow from outside cluster (NodePort)", Some("outside")),
            ("# Redis (external to cluster)", Some("external")),
            ("# HTTPS para APIs externas", Some("externas")),
            ("# externe APIs", Some("externe")),
            ("# sin APIs externas", None),
            ("# keine externen APIs", None),
            ("# Allow from outside and from the cluster", None),
            ("# HTTPS for LLM calls", None),
            ("# external-secrets operator", None),
            ("# external DNS", None),
            ("# internet via the egress gateway", None),
            ("# external and internal services", None),
            ("# no internet", None),
            ("# other namespaces, not the internet", None),
            ("# internetwork", None),
            // To anywhere may mean anywhere within.
            ("# Postgres, anywhere", None),
        ] {
            let word = word_for_outside(comment, Direction::Egress);
            assert_eq!(word.as_deref(), expected, "{comment}");
        }
        for (comment, expected) in [
            (
                "# Allow traffic from anywhere (LoadBalancer)",
                Some("anywhere"),
            ),
            ("# from anywhere in the namespace", None),
        ] {
            let word = word_for_outside(comment, Direction::Ingress);
            assert_eq!(word.as_deref(), expected, "{comment}");
        }
    }

    #[test]
    fn comments_deny_everything() {
        for (comment, expected) in [
            ("# Workers accept no inbound connections", true),
            ("# no ingress allowed", true),
            ("# No traffic at all", true),
            ("# deny all", true),
            ("# Block everything", true),
            ("# no outbound connections", false),
            ("# no ingress restrictions", false),
            ("# no restrictions on ingress: open", false),
            ("# deny all but the gateway", false),
            ("# deny all is in another policy, allow here", false),
            ("# no ingress controller, except in staging", false),
            ("# everything that comes in", false),
            ("# - no ingress", false),
        ] {
            let denies = denies_all(comment, Direction::Ingress);
            assert_eq!(denies, expected, "{comment}");
        }
        assert!(denies_all("# no egress", Direction::Egress));
    }
}
