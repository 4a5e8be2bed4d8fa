//! Policies that do not say what they are for.

use crate::cluster::PolicyId;
use crate::diagnostic::Severity;
use crate::k8s::{Document, ObjectMeta};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};
use crate::source::{SourceId, SourceMap, Span};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a policy that neither a comment nor an annotation explains. Licence headers,
    /// generated comments and tool directives do not count.
    ///
    /// The rule is off by default.
    ///
    /// ## Why is this bad?
    ///
    /// A policy says what is allowed, but not why. Whoever has to change it in two years will
    /// want to know.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: np-17
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress: []
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: np-17
    ///   namespace: shop
    ///   annotations:
    ///     kubernetes.io/description: Nobody calls the shop's jobs.
    /// spec:
    ///   podSelector: {}
    ///   ingress: []
    /// ```
    ///
    /// ## Configuration
    ///
    /// Turn it on with `rules: {undocumented-policy: info}`. With `descriptionKeys: [owner]`,
    /// every policy must have one of these annotations, and a comment does not count.
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows.
    pub(super) struct UndocumentedPolicy {
        name: "undocumented-policy",
        summary: "a policy without a comment or annotation that explains it",
        category: Category::Hygiene,
        severity: Severity::Info,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &[],
        is_on_by_default: false,
        since: "0.1.0",
    }
}

/// Annotations that usually hold a description.
const USUAL_KEYS: &[&str] = &[
    // kubernetes.io/docs/reference/labels-annotations-taints.
    "kubernetes.io/description",
    "description",
    "purpose",
    "owner",
];

impl Rule for UndocumentedPolicy {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let documents: BTreeMap<(SourceId, u32), &Document> = cx
            .documents
            .iter()
            .map(|document| ((document.span.source, document.span.start), document))
            .collect();
        let keys = &cx.settings.description_keys;
        let policies = cx.cluster.policy_ids();
        let undocumented: Vec<PolicyId> = policies
            .filter(|id| {
                let meta = &cx.cluster.policy(*id).object.meta;
                if !keys.is_empty() {
                    return !keys.iter().any(|key| says_something(meta, key));
                }
                // The document that starts last before the object is the one that holds it.
                let place = (meta.span.source, meta.span.start);
                let document = documents.range(..=place).next_back();
                let has_comment = document.is_some_and(|(_, it)| has_comment(cx.sources, it));
                !has_comment && !USUAL_KEYS.iter().any(|key| says_something(meta, key))
            })
            .collect();
        for id in undocumented {
            let name = &cx.cluster.policy(id).object.meta.name;
            let message = format!("nothing says what `{name}` is for");
            let help = match keys.first() {
                Some(key) => format!("add the annotation `{key}`"),
                None => format!("add a comment, or the annotation `{}`", USUAL_KEYS[0]),
            };
            let finding = cx.policy_finding(id, "metadata", name.span, message);
            cx.report(finding.help(help));
        }
    }
}

fn says_something(meta: &ObjectMeta, key: &str) -> bool {
    let text = meta.annotations.get(key);
    text.is_some_and(|text| !text.trim().is_empty())
}

/// Whether a comment of the document is written for people, about what is in it.
fn has_comment(sources: &SourceMap, document: &Document) -> bool {
    let line = |comment: &Span| sources.position(*comment).line;
    let runs = document
        .comments
        .chunk_by(|one, next| line(next) == line(one) + 1);
    runs.into_iter().any(|run| {
        let lines = run
            .iter()
            .map(|comment| sources.text(*comment).to_lowercase());
        let lines: Vec<String> = lines.collect();
        let is_licence = |line: &String| line.contains("copyright") || line.contains("license");
        !lines.iter().any(is_licence) && lines.iter().any(|line| is_prose(line))
    })
}

/// Whether a comment in lower case is written for people.
fn is_prose(comment: &str) -> bool {
    // What tools write, or read.
    const MARKS: &[&str] = &[
        "source:",
        "npcheck",
        "yaml-language-server",
        "yamllint",
        "prettier-ignore",
        "noinspection",
        "trivy:",
        "checkov:",
        "kics-scan",
        "renovate:",
    ];
    let text = comment.trim_start_matches('#').trim_start();
    text.starts_with(char::is_alphabetic) && !MARKS.iter().any(|mark| text.starts_with(mark))
}
