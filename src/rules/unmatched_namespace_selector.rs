//! Peers in namespaces that do not exist.

use crate::cluster::platform;
use crate::cluster::{NAMESPACE_NAME_LABEL, NamespaceId, PolicyId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::k8s::{LabelSelector, Operator, PeerPlace};
use crate::lint::near_miss::{self, NearMiss};
use crate::lint::plugin_selectors::PluginSelector;
use crate::lint::{
    Category, Context, Rule, RuleMeta, Settings, declare_rule, pod_selectors, rewrite,
};
use crate::source::{Spanned, Text};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a `namespaceSelector` that matches no namespace if all namespaces are known:
    /// with `--complete`, with `inventory: complete` in `npcheck.yaml`, or for a cluster dump.
    /// Otherwise namespaces may be defined elsewhere, and it is reported only if it is a near
    /// miss of a declared namespace's label.
    ///
    /// Near misses of declared namespaces are also reported for namespace names and labels in
    /// Cilium and Calico rules.
    ///
    /// There is one finding for all uses of the same selector. Namespaces and labels that
    /// platforms are known to create are never reported as missing.
    ///
    /// ## Why is this bad?
    ///
    /// The peer matches nobody, so it lets nobody in.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # inventory: complete
    /// apiVersion: v1
    /// kind: Namespace
    /// metadata: {name: web, labels: {team: shop}}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: from-web, namespace: web}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector: {matchLabels: {team: shopping}}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// # inventory: complete
    /// apiVersion: v1
    /// kind: Namespace
    /// metadata: {name: web, labels: {team: shop}}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: from-web, namespace: web}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector: {matchLabels: {team: shop}}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: if a label is nearly right, the fix takes it from the namespace, and the peer
    /// starts to match.
    ///
    /// ## Configuration
    ///
    /// `namespaceLabels` in `npcheck.yaml` lists labels that your platform adds to namespaces;
    /// selectors that ask for them are not reported.
    pub(super) struct UnmatchedNamespaceSelector {
        name: "unmatched-namespace-selector",
        summary: "a `namespaceSelector` that matches no namespace",
        category: Category::Selectors,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: Some(FixClass::Widening),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for UnmatchedNamespaceSelector {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let mut unmatched: BTreeMap<String, Vec<Place<'_>>> = BTreeMap::new();
        let mut idle = Vec::new();
        for id in cx.cluster.policy_ids() {
            let policy = &cx.cluster.policy(id).object;
            for place in policy
                .peers()
                .filter(|place| policy.applies_to(place.direction))
            {
                let Some((Some(selector), _)) = place.peer.selectors() else {
                    continue;
                };
                if matches_something(cx, selector) {
                    if let Some(finding) = idle_name(cx, id, &place) {
                        idle.push(finding);
                    }
                    continue;
                }
                unmatched
                    .entry(selector.to_string())
                    .or_default()
                    .push(Place {
                        policy: id,
                        path: format!("{}.namespaceSelector", place.path()),
                        selector,
                    });
            }
        }
        for (selector, places) in unmatched {
            let (first, others) = places.split_first().expect("a selector has a place");
            let near = near_miss(cx, first.selector);
            let name = near_name(cx, first.selector);
            if near.is_none() && name.is_none() && !cx.settings.inventory.is_complete() {
                continue;
            }
            let message = match others.len() {
                0 => format!("no namespace matches `{selector}`, so this peer matches nobody"),
                more => format!(
                    "no namespace matches `{selector}`, so {} peers match nobody",
                    more + 1
                ),
            };
            let span = first.selector.span;
            let path = first.path.as_str();
            let finding = cx.policy_finding(first.policy, path, span, message);
            let finding = match (near, name) {
                (Some(near), _) => with_near_miss(cx, finding, near, &places),
                (None, Some((written, meant))) => {
                    let finding = finding
                        .label(format!("there is a namespace `{meant}`"))
                        .help(format!("did you mean `{meant}`?"));
                    let edit = rewrite::replace_text(cx.sources, written.span, &meant);
                    match others.is_empty() {
                        true => finding.fix(Fix {
                            title: format!("select namespace `{meant}`"),
                            class: FixClass::Widening,
                            edits: vec![edit],
                        }),
                        false => finding,
                    }
                }
                (None, None) if is_by_name(first.selector) => finding
                    .label(format!(
                        "none of the {} namespaces has this name",
                        cx.cluster.namespaces().len()
                    ))
                    .help("declare the namespace, or delete this peer"),
                (None, None) => finding
                    .label(format!(
                        "none of the {} namespaces matches",
                        cx.cluster.namespaces().len()
                    ))
                    .help(format!(
                        "label the namespace, or select it by name: `{NAMESPACE_NAME_LABEL}`"
                    )),
            };
            let others: Vec<_> = others
                .iter()
                .map(|place| (place.policy, place.selector.span))
                .collect();
            cx.report(pod_selectors::with_repeats(finding, cx, &others));
        }
        for finding in idle {
            cx.report(finding);
        }
        for place in cx.selectors_beyond().iter() {
            if let Some(finding) = of_other_kind(cx, place) {
                cx.report(finding);
            }
        }
    }
}

/// A selector in a policy of another kind that asks for a namespace which is not there, where one
/// is that it nearly asks for.
fn of_other_kind(cx: &Context<'_>, place: &PluginSelector<'_>) -> Option<Diagnostic> {
    let selector = place.namespaces.as_ref()?;
    if matches_something(cx, selector) {
        return None;
    }
    let effect = match place.is_peer() {
        true => "this peer matches nobody".to_owned(),
        false => place.idle(),
    };
    let message = format!("no namespace matches `{selector}`, so {effect}");
    let finding = cx
        .finding(selector.requirements_span(), message)
        .about(place.display(), place.path.as_str());
    if let Some(near) = near_miss(cx, selector) {
        let name = &cx.cluster.namespace(near.of).name;
        let has = format!(
            "namespace `{name}` has `{}`: {}",
            near.label, near.difference
        );
        return Some(
            finding
                .related(near.defined, has)
                .help(format!("did you mean `{}`?", near.label)),
        );
    }
    let (_, meant) = near_name(cx, selector)?;
    Some(
        finding
            .label(format!("there is a namespace `{meant}`"))
            .help(format!("did you mean `{meant}`?")),
    )
}

/// Whether a selector asks for namespaces by their name.
fn is_by_name(selector: &LabelSelector) -> bool {
    let mut labels = selector.match_labels.iter();
    labels.any(|label| label.key.value == NAMESPACE_NAME_LABEL)
}

/// Where a selector stands.
struct Place<'c> {
    policy: PolicyId,
    path: String,
    selector: &'c LabelSelector,
}

/// The declared namespace whose labels nearly match. Of names nothing is said: those of two
/// environments differ by a letter or two on purpose.
fn near_miss(cx: &Context<'_>, selector: &LabelSelector) -> Option<NearMiss<NamespaceId>> {
    let cluster = cx.cluster;
    if !cx.may_compare(cluster.namespaces().len()) {
        return None;
    }
    let own_labels = |id: NamespaceId| {
        let declared = cluster.namespace(id).declared.as_ref();
        declared.map(|namespace| (id, &namespace.meta.labels))
    };
    near_miss::nearest_of(selector, cluster.namespace_ids().filter_map(own_labels))
        .filter(|near| !is_own_name(cx, near))
}

/// A name in a list of several that no namespace has, beside some that there are.
fn idle_name(cx: &Context<'_>, id: PolicyId, place: &PeerPlace<'_>) -> Option<Diagnostic> {
    let selector = place.peer.namespace_selector.get()?;
    let (written, meant) = near_name(cx, selector)?;
    let path = format!("{}.namespaceSelector", place.path());
    let message = format!("no namespace is called `{written}`, so this value matches nobody");
    let finding = cx
        .policy_finding(id, path, written.span, message)
        .label(format!("there is a namespace `{meant}`"))
        .help(format!("did you mean `{meant}`?"));
    Some(finding.fix(Fix {
        title: format!("select namespace `{meant}`"),
        class: FixClass::Widening,
        edits: vec![rewrite::replace_text(cx.sources, written.span, &meant)],
    }))
}

/// The names of namespaces that a selector asks for, where it asks for nothing else.
fn asked_names(selector: &LabelSelector) -> Vec<&Spanned<Text>> {
    let is_name = |key: &str| key == NAMESPACE_NAME_LABEL;
    let entries = selector.match_expressions.as_slice();
    match (selector.match_labels.as_slice(), entries) {
        ([label], []) if is_name(&label.key) => vec![&label.value],
        ([], [entry]) if is_name(&entry.key) && entry.operator.value == Operator::In => {
            entry.values.iter().collect()
        }
        _ => Vec::new(),
    }
}

/// The namespace that is declared, or that every cluster has, whose name nearly is the one that
/// a selector asks for. Of names that differ by a word or a number nothing is said, nor of one
/// that something else speaks of: two environments have such names on purpose.
fn near_name(cx: &Context<'_>, selector: &LabelSelector) -> Option<(Spanned<Text>, String)> {
    const ALWAYS_THERE: [&str; 3] = ["default", "kube-public", "kube-system"];
    let cluster = cx.cluster;
    let names = asked_names(selector);
    let is_asked_for = |known: &str| names.iter().any(|name| name.value == known);
    names.iter().find_map(|name| {
        let is_known =
            || cluster.namespace_by_name(name).is_some() || platform::makes_namespace(name);
        if is_known() || !cx.may_compare(cluster.namespaces().len()) {
            return None;
        }
        let declared = cluster.namespaces().iter();
        let declared = declared.filter(|namespace| namespace.declared.is_some());
        let known = declared.map(|namespace| namespace.name.as_str());
        let mut near = known
            .chain(ALWAYS_THERE)
            .filter(|known| !is_asked_for(known) && near_miss::is_typo(name, known));
        let first = near.next()?;
        near.all(|other| other == first)
            .then(|| ((*name).clone(), first.to_owned()))
    })
}

/// Whether the label says the name of its namespace.
fn is_own_name(cx: &Context<'_>, near: &NearMiss<NamespaceId>) -> bool {
    let name = &cx.cluster.namespace(near.of).name;
    near.label.ends_with(&format!("={name}"))
}

fn with_near_miss(
    cx: &Context<'_>,
    finding: Diagnostic,
    near: NearMiss<NamespaceId>,
    places: &[Place<'_>],
) -> Diagnostic {
    let name = &cx.cluster.namespace(near.of).name;
    let finding = finding
        .label("matches no namespace")
        .related(
            near.defined,
            format!(
                "namespace `{name}` has `{}`: {}",
                near.label, near.difference
            ),
        )
        .help(format!("did you mean `{}`?", near.label));
    // The others would be left as they are.
    if places.len() > 1 {
        return finding;
    }
    finding.fix(Fix {
        title: format!("select `{}`", near.label),
        class: FixClass::Widening,
        edits: vec![rewrite::replace_text(
            cx.sources,
            near.edit.span,
            &near.edit.replacement,
        )],
    })
}

/// Whether a namespace matches, or may: one that a platform makes or labels.
fn matches_something(cx: &Context<'_>, selector: &LabelSelector) -> bool {
    selector.is_opaque()
        || !cx.engine.matching_namespaces(selector).is_empty()
        || (cx.cluster.undeployed().labels_of_namespaces()).any(|labels| selector.matches(labels))
        || asks_for_platform(cx.settings, selector)
}

fn asks_for_platform(settings: &Settings, selector: &LabelSelector) -> bool {
    let is_platforms = |key: &str, values: &[&str]| {
        if key == NAMESPACE_NAME_LABEL {
            return values.iter().any(|name| platform::makes_namespace(name));
        }
        let own = &settings.platform_namespace_labels;
        platform::sets_label(key)
            || own
                .iter()
                .any(|own| own == key || (own.ends_with('/') && key.starts_with(own.as_str())))
    };
    let labels = &selector.match_labels;
    labels
        .iter()
        .any(|label| is_platforms(&label.key, &[label.value.as_str()]))
        || selector.match_expressions.iter().any(|entry| {
            let values: Vec<&str> = entry.values.iter().map(|value| value.as_str()).collect();
            let is_asked_for = !matches!(
                entry.operator.value,
                Operator::NotIn | Operator::DoesNotExist
            );
            is_asked_for && is_platforms(&entry.key, &values)
        })
}
