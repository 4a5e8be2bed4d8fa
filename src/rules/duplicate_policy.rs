//! Policies that are there twice: under one name, or under two with one content.

use crate::cluster::{Duplicate, Layout, Likeness, PolicyId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{Direction, LabelSelector, NetworkPolicy, Object};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a policy with the same kind, namespace and name as another one in the same file,
    /// or in files listed by the same `kustomization.yaml`, or, with a complete inventory,
    /// anywhere. Two files in one directory are an info if the policies select different pods
    /// or the other direction, which suggests a copy that was not renamed. Otherwise they may
    /// be alternatives and are not reported. Neither are patches, or bases and overlays in
    /// other directories.
    ///
    /// It also reports, as an info, two policies of a namespace that have different names and
    /// the same content.
    ///
    /// ## Why is this bad?
    ///
    /// Only one of them exists in the cluster: the one that was applied last. What the other
    /// one allows or isolates is silently lost. This is what a copied policy looks like when
    /// somebody forgot to rename it.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-scraping, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: cart}}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-scraping, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: orders}}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-scraping-cart, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: cart}}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-scraping-orders, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: orders}}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows which name, or which content, is wrong.
    pub(super) struct DuplicatePolicy {
        name: "duplicate-policy",
        summary: "the same policy is defined twice",
        category: Category::Hygiene,
        severity: Severity::Error,
        tier: Stable,
        evidence: "3 of 3 warnings and errors on 24 public repositories judged right",
        fix: None,
        mutes: &["redundant-rule"],
        since: "0.1.0",
    }
}

impl Rule for DuplicatePolicy {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let layout = cx.layout();
        for duplicate in cx.cluster.duplicates() {
            if let Some(finding) = check_duplicate(cx, &layout, duplicate) {
                cx.report(finding);
            }
        }
        for namespace in cx.cluster.namespace_ids() {
            let mut first_of: BTreeMap<String, PolicyId> = BTreeMap::new();
            for id in cx.cluster.policies_in(namespace) {
                let policy = &cx.cluster.policy(id).object;
                if !policy.meta.is_accepted || !policy.meta.holes.is_empty() {
                    continue;
                }
                let spec = policy.canonical_spec();
                match first_of.get(&spec) {
                    Some(first) if are_of_one_cluster(cx, &layout, *first, id) => {
                        let finding = same_content(cx, *first, id);
                        cx.report(finding);
                    }
                    Some(_) => {}
                    None => {
                        first_of.insert(spec, id);
                    }
                }
            }
        }
    }
}

/// How certain it is that two texts end up in one cluster.
#[derive(Clone, Copy)]
enum Evidence {
    /// They may be alternatives.
    OneDirectory,
    /// One file, one kustomization, or everything is one cluster.
    Applied(&'static str),
}

fn check_duplicate(
    cx: &Context<'_>,
    layout: &Layout<'_>,
    duplicate: &Duplicate,
) -> Option<Diagnostic> {
    let is_policy = matches!(
        duplicate.left_out,
        Object::NetworkPolicy(_) | Object::ClusterNetworkPolicy(_)
    );
    if !is_policy {
        return None;
    }
    let is_same = duplicate.likeness == Likeness::Same;
    let is_one_text = duplicate.first == duplicate.second;
    // Two builds of one base are no two policies that somebody wrote.
    if is_one_text && is_same {
        return None;
    }
    let (first, second) = (duplicate.first.source, duplicate.second.source);
    if first != second && (layout.is_patch(first) || layout.is_patch(second)) {
        return None;
    }
    let meta = duplicate.left_out.meta();
    let is_cluster_wide = matches!(duplicate.left_out, Object::ClusterNetworkPolicy(_));
    let has_namespace = is_cluster_wide || meta.namespace.is_some();
    let is_complete = if is_cluster_wide {
        cx.settings.inventory.is_complete()
    } else {
        cx.settings.inventory.is_complete_in(meta.namespace_name())
    };
    let evidence = if is_one_text {
        Evidence::Applied("by two builds of this text")
    } else if first == second {
        Evidence::Applied("in this file")
    } else if layout.are_built_together(first, second) {
        Evidence::Applied("in this kustomization")
    } else if is_complete && has_namespace {
        Evidence::Applied("in this cluster")
    } else if layout.are_neighbours(first, second) {
        Evidence::OneDirectory
    } else {
        return None;
    };
    let (place, severity) = match evidence {
        Evidence::Applied(place) if is_same => (place, Severity::Info),
        Evidence::Applied(place) => (place, Severity::Error),
        Evidence::OneDirectory if is_same || may_be_alternatives(cx, duplicate) => return None,
        Evidence::OneDirectory => ("in this directory", Severity::Info),
    };
    let specs = if is_same { "equal" } else { "different" };
    let message = format!(
        "`{}` is defined twice {place}, with {specs} specs",
        duplicate.object
    );
    let finding = cx
        .finding(meta.name.span, message)
        .about(&duplicate.object, "metadata.name")
        .with_severity(severity)
        .related(first_name(cx, duplicate), "the first one");
    Some(match (is_same, evidence) {
        (true, _) => finding.help("delete one of them"),
        (false, Evidence::OneDirectory) => finding
            .note("if both are applied, the last one wins")
            .help("give them different names"),
        (false, Evidence::Applied(_)) => finding
            .label("applied last, this one wins; what the other one says is lost")
            .help("give them different names, or merge them"),
    })
}

/// Whether both policies are for the same pods and the same directions, so that one may be
/// there in place of the other.
fn may_be_alternatives(cx: &Context<'_>, duplicate: &Duplicate) -> bool {
    let mut policies = cx.cluster.policies().iter().map(|policy| &policy.object);
    let kept = policies.find(|policy| policy.meta.span == duplicate.first);
    let (Some(one), Object::NetworkPolicy(other)) = (kept, &duplicate.left_out) else {
        return false;
    };
    let selects = |policy: &NetworkPolicy| {
        let selector = policy.pod_selector.get();
        let selector = selector.filter(|selector| !selector.is_empty());
        selector.map(LabelSelector::to_string)
    };
    let directions = Direction::BOTH;
    selects(one) == selects(other)
        && directions
            .into_iter()
            .all(|direction| one.applies_to(direction) == other.applies_to(direction))
}

/// The text that names the object that was kept.
fn first_name(cx: &Context<'_>, duplicate: &Duplicate) -> crate::source::Span {
    let policies = cx
        .cluster
        .policies()
        .iter()
        .map(|policy| &policy.object.meta);
    let mut metas = policies.chain(cx.cluster.cluster_policies().iter().map(|it| &it.meta));
    let kept = metas.find(|meta| meta.span == duplicate.first);
    kept.map_or(duplicate.first.before(), |meta| meta.name.span)
}

/// Whether two policies of a namespace end up beside each other. Those that name no
/// namespace may be put into different ones, where they are in different directories.
fn are_of_one_cluster(
    cx: &Context<'_>,
    layout: &Layout<'_>,
    one: PolicyId,
    other: PolicyId,
) -> bool {
    let [one, other] = [one, other].map(|id| &cx.cluster.policy(id).object.meta);
    // Overlays of one namespace may build several of one text, which is there once.
    if one.span == other.span {
        return false;
    }
    let has_namespace = one.namespace.is_some() && other.namespace.is_some();
    let (one, other) = (one.span.source, other.span.source);
    has_namespace || layout.are_neighbours(one, other) || cx.cluster.are_built_together(one, other)
}

fn same_content(cx: &Context<'_>, first: PolicyId, id: PolicyId) -> Diagnostic {
    let [first, second] = [first, id].map(|id| &cx.cluster.policy(id).object.meta.name);
    let message = format!("`{second}` says the same as `{first}`");
    cx.policy_finding(id, "spec", second.span, message)
        .with_severity(Severity::Info)
        .related(first.span, "the other one")
        .help("delete one of them")
}
