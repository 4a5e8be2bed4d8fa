//! Namespaces without the label that a selector wants.

use crate::cluster::platform::{self, Known, KnownPods};
use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL, NamespaceId, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::engine::PolicyRef;
use crate::k8s::{
    ClusterNetworkPolicy, Direction, LabelSelector, Labels, NetworkPolicyPeer, Operator, PeerPlace,
    PeerSelection, PodsSelection, is_opaque, label_span,
};
use crate::lint::plugin_selectors::PluginSelector;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, near_miss, rewrite};
use crate::source::{Spanned, Text};
use std::collections::HashSet;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a `namespaceSelector` that asks for a label that no known namespace has and
    /// whose value is the name of a namespace (`name: frontend`).
    ///
    /// ## Why is this bad?
    ///
    /// A namespace's name is not a label. `name: frontend` only matches if somebody put that
    /// label on the namespace. Without it, the rule allows nothing, and connections time out.
    /// Since Kubernetes 1.21, every namespace has the label `kubernetes.io/metadata.name` with
    /// its name, which nobody can change.
    ///
    /// If another peer of the same rule selects the namespace, nothing is lost, so it is an
    /// info.
    ///
    /// A misspelled `kubernetes.io/metadata.name` is reported under every operator, and in
    /// cluster-wide policies: under `NotIn` it excludes nobody.
    ///
    /// Labels that platforms are known to set (OpenShift's policy groups, Rancher's projects)
    /// are not reported.
    ///
    /// A label that pods have (`app: prometheus`) but no known namespace has is reported too: a
    /// `namespaceSelector` does not look at pod labels.
    ///
    /// Cluster-wide policies, and those of Cilium and Calico, are checked where they ask for a
    /// single namespace label
    /// (`k8s:io.cilium.k8s.namespace.labels.name: frontend`, `namespaceSelector: name ==
    /// 'frontend'`).
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: v1
    /// kind: Namespace
    /// metadata:
    ///   name: frontend
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-frontend
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector:
    ///             matchLabels:
    ///               name: frontend
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: v1
    /// kind: Namespace
    /// metadata:
    ///   name: frontend
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-frontend
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector:
    ///             matchLabels:
    ///               kubernetes.io/metadata.name: frontend
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: the rule starts to match. Alternatively, put the label on the namespace.
    pub(super) struct UnlabeledNamespace {
        name: "unlabeled-namespace",
        summary: "a `namespaceSelector` asks for a label that the namespace does not have",
        category: Category::Selectors,
        severity: Severity::Error,
        tier: Stable,
        evidence: "55 of 57 warnings and errors on 82 public repositories (58 of them in excerpts) judged right; the others are tests that label their namespaces",
        fix: Some(FixClass::Widening),
        mutes: &[
            "unmatched-namespace-selector",
            "dns-peer-mismatch",
            "scrape-blocked",
            "batch-workload-cut-off",
            "one-sided-flow",
            "service-cut-off",
        ],
        since: "0.1.0",
    }
}

/// Keys by which people call a namespace by its name.
const NAME_KEYS: &[&str] = &[
    "k8s-ns",
    "kubernetes.io/metadata-name",
    "kubernetes.io/name",
    "kubernetes.io/namespace",
    "metadata.name",
    "metadata/name",
    "name",
    "namespace",
    "namespace-name",
    "ns",
];

/// Whether a key was meant to be that of the name which Kubernetes sets.
fn is_slip_of_name(key: &str) -> bool {
    near_miss::is_typo(key, NAMESPACE_NAME_LABEL)
        || key.replace(['.', '-', '_'], "/") == NAMESPACE_NAME_LABEL.replace('.', "/")
}

impl Rule for UnlabeledNamespace {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let cluster = cx.cluster;
        let namespaces = cluster.namespaces().iter();
        // Who applies a file by hand that nothing deploys has its labels, too.
        let beside = cluster.undeployed().labels_of_namespaces();
        let labels = namespaces.map(|namespace| &namespace.labels).chain(beside);
        let labels = labels.flat_map(Labels::iter);
        let there = labels.map(|label| (label.key.as_str(), label.value.as_str()));
        let there: HashSet<(&str, &str)> = there.collect();
        for id in cluster.policy_ids() {
            let policy = &cluster.policy(id).object;
            // A policy that the API server rejects is told of, too: once it is put right, this
            // would be what is still wrong with it.
            for place in policy.peers() {
                let Some((Some(selector), _)) = place.peer.selectors() else {
                    continue;
                };
                for (key, values) in requirements(selector) {
                    check(cx, id, &place, key, values, &there);
                }
                let path = format!("{}.namespaceSelector", place.path());
                let slips = selector.match_expressions.iter();
                for slip in slips.filter(|entry| entry.operator.value != Operator::In) {
                    let finding = slip_of_name(cx, &slip.key, slip.operator.value, &there);
                    if let Some((finding, fix)) = finding {
                        let finding = finding.about(cx.policy_object(id), path.clone());
                        cx.report(finding.fix(fix));
                    }
                }
            }
        }
        for id in cluster.cluster_policy_ids() {
            for (path, selector) in selectors_of(cluster.cluster_policy(id)) {
                let by_label = selector.match_labels.iter();
                let by_label = by_label.map(|label| (&label.key, Operator::In));
                let listed = selector.match_expressions.iter();
                let listed = listed.map(|entry| (&entry.key, entry.operator.value));
                for (key, operator) in by_label.chain(listed) {
                    // What to put right does depends on the action of the rule.
                    if let Some((finding, _)) = slip_of_name(cx, key, operator, &there) {
                        let help = format!("write `{NAMESPACE_NAME_LABEL}`");
                        let object = cx.cluster_policy_object(id);
                        cx.report(finding.about(object, path.clone()).help(help));
                    }
                }
            }
        }
        for place in cx.selectors_beyond().iter() {
            if let Some(finding) = of_other_kind(cx, place, &there) {
                cx.report(finding);
            }
        }
    }
}

/// The selectors of namespaces in a cluster-wide policy, each with the path of what it stands in.
fn selectors_of(policy: &ClusterNetworkPolicy) -> Vec<(String, &LabelSelector)> {
    fn namespaces(selection: &PodsSelection) -> &LabelSelector {
        match selection {
            PodsSelection::Namespaces(selector)
            | PodsSelection::Pods {
                namespace_selector: selector,
                ..
            } => selector,
        }
    }
    let mut found = vec![("spec.subject".to_owned(), namespaces(&policy.subject.value))];
    for direction in Direction::BOTH {
        for (index, rule) in policy.rules(direction).iter().enumerate() {
            for (place, peer) in rule.peers.iter().enumerate() {
                if let PeerSelection::Pods(selection) = &peer.selection {
                    let (rules, peers) = (direction.field(), direction.peers_field());
                    let path = format!("spec.{rules}[{index}].{peers}[{place}]");
                    found.push((path, namespaces(selection)));
                }
            }
        }
    }
    found
}

/// A key that was meant to be that of the name which Kubernetes sets, and that no namespace has;
/// with a fix for a peer that allows.
fn slip_of_name(
    cx: &Context<'_>,
    key: &Spanned<Text>,
    operator: Operator,
    there: &HashSet<(&str, &str)>,
) -> Option<(Diagnostic, Fix)> {
    let is_there = there.iter().any(|(known, _)| *known == key.as_str());
    if !is_slip_of_name(key) || is_there || is_told(cx, key, &[]) {
        return None;
    }
    let (effect, class) = match operator {
        Operator::In | Operator::Exists => ("no namespace matches", FixClass::Widening),
        Operator::NotIn => ("every namespace matches", FixClass::Narrowing),
        // With the right key it would match none.
        Operator::DoesNotExist => return None,
    };
    let message = format!("no known namespace has the label `{key}`, so {effect}");
    let finding = cx.finding(key.span, message).label(format!(
        "the label of their names is `{NAMESPACE_NAME_LABEL}`"
    ));
    let fix = Fix {
        title: format!("select by `{NAMESPACE_NAME_LABEL}`"),
        class,
        edits: vec![rewrite::replace_text(
            cx.sources,
            key.span,
            NAMESPACE_NAME_LABEL,
        )],
    };
    Some((finding, fix))
}

/// A selector in a policy of another kind that asks for a label with the name of a namespace.
fn of_other_kind(
    cx: &Context<'_>,
    place: &PluginSelector<'_>,
    there: &HashSet<(&str, &str)>,
) -> Option<Diagnostic> {
    let selector = place.namespaces.as_ref()?;
    // Who asks for a further label knows what the namespaces are labelled with.
    let is_alone = selector.match_labels.len() + selector.match_expressions.len() == 1;
    let (key, values) = requirements(selector).next().filter(|_| is_alone)?;
    let &[value] = values.as_slice() else {
        return None;
    };
    // Of a misspelled key in a cluster-wide policy a finding says so, whatever the operator.
    let is_slip = matches!(place.policy(), PolicyRef::Cluster(_))
        && slip_of_name(cx, key, Operator::In, there).is_some();
    if is_slip || is_told(cx, key, &[value]) || is_there(cx.cluster, there, key, value) {
        return None;
    }
    // Who writes policies for the whole cluster labels its namespaces: of one that no manifest
    // declares, only a key that stands for its name tells that the label is not meant.
    let is_by_label = !place.is_peer() || matches!(place.policy(), PolicyRef::Cluster(_));
    let known = cx.cluster.namespace_by_name(value);
    let is_undeclared = known.is_some_and(|id| cx.cluster.namespace(id).declared.is_none());
    if is_by_label && is_undeclared && !NAME_KEYS.contains(&key.as_str()) {
        return None;
    }
    let start = |message: String| {
        cx.finding(label_span(key.span, value.span), message)
            .about(place.display(), place.path.as_str())
    };
    let help = format!("select it by its name: `{}`", place.by_name(value));
    let effect = place.idle();
    finding(cx.cluster, &start, (&effect, help), is_alone, (key, value))
}

/// Whether something that npcheck does not see may set a label: a platform, an admission
/// controller, another tool.
fn is_told(cx: &Context<'_>, key: &str, values: &[&Spanned<Text>]) -> bool {
    let custom_objects = &cx.cluster.context_objects().custom_objects;
    is_opaque(key)
        || values.iter().any(|value| is_opaque(value))
        || platform::sets_label(key)
        || custom_objects.iter().any(|it| it.writes_label(key))
}

/// Whether the prefix of a key says whose it is, other than Kubernetes: that platform or controller
/// may label namespaces by it, as Gardener does those of a cluster.
fn is_of_an_owner(key: &str) -> bool {
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    let is_kubernetes = prefix.ends_with("kubernetes.io") || prefix.ends_with("k8s.io");
    prefix.contains('.') && !is_kubernetes && !is_slip_of_name(key)
}

/// Whether a namespace has a label, or may have it: what the tables do not say of a platform's
/// namespace may be so or not. `there` holds every label that a namespace has.
fn is_there(cluster: &Cluster, there: &HashSet<(&str, &str)>, key: &str, value: &str) -> bool {
    let is_platforms = platform::makes_namespace(value)
        && cluster
            .namespace_by_name(value)
            .is_none_or(|id| cluster.namespace(id).declared.is_none());
    there.contains(&(key, value))
        || is_platforms && platform::has_label(value, key, value) != Known::Lacks
}

/// What the selector asks for by value: a key and the values that it may have.
fn requirements(
    selector: &LabelSelector,
) -> impl Iterator<Item = (&Spanned<Text>, Vec<&Spanned<Text>>)> {
    let labels = selector
        .match_labels
        .iter()
        .map(|label| (&label.key, vec![&label.value]));
    let listed = selector
        .match_expressions
        .iter()
        .filter(|entry| entry.operator.value == Operator::In);
    labels.chain(listed.map(|entry| (&entry.key, entry.values.iter().collect())))
}

/// `there` holds every label that a namespace has.
fn check(
    cx: &mut Context<'_>,
    id: PolicyId,
    place: &PeerPlace<'_>,
    key: &Spanned<Text>,
    values: Vec<&Spanned<Text>>,
    there: &HashSet<(&str, &str)>,
) {
    if is_told(cx, key, &values) {
        return;
    }
    let missing: Vec<&Spanned<Text>> = values
        .iter()
        .copied()
        .filter(|value| !is_there(cx.cluster, there, key, value))
        .collect();
    let Some(value) = missing.first() else { return };
    // What an API server rejects may have lost a label, and seem to select what it does not.
    let is_accepted = cx.cluster.policy(id).object.meta.is_accepted;
    let beside = selected_beside(cx.cluster, place, value);
    if let Some(other) = beside.filter(|_| is_accepted) {
        if cx.cluster.namespace_by_name(value).is_some() && values.len() == 1 {
            let finding = dead(cx, id, place, (key, value), other);
            cx.report(finding);
        }
        return;
    }
    let path = format!("{}.namespaceSelector", place.path());
    let start = |message: String| {
        cx.policy_finding(id, path.as_str(), label_span(key.span, value.span), message)
    };
    let help =
        format!("select it by the label that Kubernetes sets: `{NAMESPACE_NAME_LABEL}: {value}`");
    // Who asks for a further label knows what the namespaces are labelled with.
    let is_alone = place.peer.namespace_selector.get().is_some_and(|selector| {
        selector.match_labels.len() + selector.match_expressions.len() == 1
    });
    let words = ("this peer allows nothing", help);
    let of_namespace = finding(cx.cluster, &start, words, is_alone, (key, value));
    let Some(mut finding) = of_namespace.or_else(|| of_pods(cx, id, place, (key, value))) else {
        return;
    };
    // The key can be replaced only where that keeps every value that the selector has.
    let is_name =
        |value: &&Spanned<Text>| is_slip_of_name(key) || is_known(cx.cluster, value.as_str());
    if missing.len() == values.len() && missing.iter().all(is_name) {
        finding = finding.fix(Fix {
            title: format!("select by `{NAMESPACE_NAME_LABEL}`"),
            class: FixClass::Widening,
            edits: vec![rewrite::replace_text(
                cx.sources,
                key.span,
                NAMESPACE_NAME_LABEL,
            )],
        });
    }
    cx.report(finding);
}

/// The peer of the same rule that selects the namespace of this name all the same, and at
/// least the same pods there.
fn selected_beside<'p>(
    cluster: &Cluster,
    place: &PeerPlace<'p>,
    name: &str,
) -> Option<&'p NetworkPolicyPeer> {
    let known = cluster.namespace_by_name(name);
    let selects_namespace = |selector: &LabelSelector| match known {
        Some(id) => selector.matches(&cluster.namespace(id).labels),
        None => {
            let wanted = selector.match_labels.as_slice();
            let is_by_name = matches!(wanted, [label]
                if label.key.value == NAMESPACE_NAME_LABEL && label.value.value == name);
            is_by_name && selector.match_expressions.is_empty()
        }
    };
    let own_pods = place.peer.pod_selector.get().map(LabelSelector::to_string);
    let selects_pods = |peer: &NetworkPolicyPeer| match peer.pod_selector.get() {
        None => true,
        Some(pods) => pods.is_empty() || own_pods.as_ref() == Some(&pods.to_string()),
    };
    let mut others = place.rule.peers.items().iter().enumerate();
    others.find_map(|(index, peer)| {
        let namespaces = peer.namespace_selector.get()?;
        let covers = selects_namespace(namespaces) && selects_pods(peer);
        (index != place.peer_index && covers).then_some(peer)
    })
}

/// A info on a peer that selects nothing beside one that selects what it was meant for.
fn dead(
    cx: &Context<'_>,
    id: PolicyId,
    place: &PeerPlace<'_>,
    (key, value): (&Spanned<Text>, &Spanned<Text>),
    other: &NetworkPolicyPeer,
) -> Diagnostic {
    let message = format!("namespace `{value}` does not have the label `{key}={value}`");
    let path = format!("{}.namespaceSelector", place.path());
    let mut finding = cx
        .policy_finding(id, path, label_span(key.span, value.span), message)
        .with_severity(Severity::Info)
        .label("matches no namespace, so this peer allows nothing")
        .help("delete this peer");
    if let Some(selector) = other.namespace_selector.get() {
        let selects = format!("selects `{value}` anyway");
        finding = finding.related(selector.requirements_span(), selects);
    }
    finding
}

/// `effect` is what comes of the selector, if it matches nothing.
fn finding(
    cluster: &Cluster,
    start: &dyn Fn(String) -> Diagnostic,
    (effect, help): (&str, String),
    is_alone: bool,
    (key, value): (&Spanned<Text>, &Spanned<Text>),
) -> Option<Diagnostic> {
    if let Some(namespace) = cluster.namespace_by_name(value) {
        return Some(match &cluster.namespace(namespace).declared {
            Some(declared) => start(format!("namespace `{value}` does not have the label `{key}={value}`"))
                .label(format!("matches no namespace, so {effect}"))
                .related(declared.meta.name.span, labels_of(cluster, namespace))
                .help(help),
            None => start(format!("no manifest gives namespace `{value}` the label `{key}={value}`"))
                .label("matches only if somebody sets this label by hand")
                .note(format!("namespace `{value}` is used here, but not declared; its only certain label is its name"))
                .help(help)
                .with_severity(Severity::Warning),
        });
    }
    let is_platforms = platform::makes_namespace(value);
    let is_unknown_key = (is_slip_of_name(key) || is_alone && NAME_KEYS.contains(&key.as_str()))
        && cluster
            .namespaces()
            .iter()
            .all(|namespace| namespace.labels.get(key).is_none());
    let is_of_owner = is_platforms && is_of_an_owner(key);
    if !is_platforms && !is_unknown_key || is_of_owner {
        return None;
    }
    let message = if is_platforms {
        format!("namespace `{value}` has no label `{key}={value}` unless somebody sets it by hand")
    } else {
        format!("`{key}: {value}` matches a label of namespaces, not their name")
    };
    Some(
        start(message)
            .label("matches only if somebody sets this label by hand")
            .help(help)
            .with_severity(Severity::Warning),
    )
}

/// Keys that people label pods with, and hardly ever namespaces.
const POD_KEYS: &[&str] = &[
    "app",
    "app.kubernetes.io/component",
    "app.kubernetes.io/name",
    "k8s-app",
];

/// A finding about a label of pods that a `namespaceSelector` asks for, where no namespace has
/// a label of that key.
fn of_pods(
    cx: &Context<'_>,
    id: PolicyId,
    place: &PeerPlace<'_>,
    (key, value): (&Spanned<Text>, &Spanned<Text>),
) -> Option<Diagnostic> {
    let cluster = cx.cluster;
    let mut namespaces = cluster.namespaces().iter();
    if namespaces.any(|namespace| namespace.labels.get(key).is_some()) {
        return None;
    }
    let known = KnownPods::named_by(key, value);
    let with_label =
        |id: &WorkloadId| cluster.workload(*id).object.labels.get(key) == Some(value.as_str());
    let workloads = || cluster.workload_ids().filter(with_label);
    // Under another key the namespace of such pods may have the label, where no manifest says
    // what labels it has.
    let is_declared = |id: WorkloadId| {
        let namespace = cluster.namespace(cluster.workload(id).namespace);
        namespace.declared.is_some()
    };
    let workload = workloads().next();
    let is_certain = workload.is_some() && workloads().all(is_declared);
    if !POD_KEYS.contains(&key.as_str()) && !is_certain {
        return None;
    }
    let home = match (workload, known) {
        (Some(workload), _) => {
            let namespace = cluster.workload(workload).namespace;
            cluster.namespace(namespace).name.as_str()
        }
        (None, Some(pods)) => pods.namespaces[0],
        (None, None) => return None,
    };
    // Some installations label their namespace like their pods.
    let may_be_there = platform::has_label(home, key, value) == Known::Has
        && cluster.namespace_by_name(home).is_none();
    let path = format!("{}.namespaceSelector", place.path());
    let message = format!("`{key}={value}` is a label of pods, and no known namespace has it");
    let mut finding = cx
        .policy_finding(id, path, label_span(key.span, value.span), message)
        .with_severity(if may_be_there {
            Severity::Info
        } else {
            Severity::Warning
        })
        .label("a `namespaceSelector` looks at the labels of namespaces, not of pods")
        .help(format!(
            "select the namespace by `{NAMESPACE_NAME_LABEL}: {home}`, and the pods by a \
             `podSelector` in the same peer"
        ));
    if let Some(workload) = workload {
        let name = cluster.workload_name(workload);
        let labels = cluster.workload(workload).object.labels_span;
        finding = finding.related(labels, format!("`{name}` has it"));
    }
    Some(finding)
}

fn labels_of(cluster: &Cluster, id: NamespaceId) -> String {
    let labels: Vec<String> = cluster
        .namespace(id)
        .labels
        .iter()
        .filter(|label| label.key.value != NAMESPACE_NAME_LABEL)
        .map(|label| format!("`{}={}`", label.key, label.value))
        .collect();
    if labels.is_empty() {
        return "declared here without labels of its own".to_owned();
    }
    format!("declared here with {}", labels.join(", "))
}

/// Whether there is a namespace of this name, among the manifests or in every cluster.
fn is_known(cluster: &Cluster, name: &str) -> bool {
    cluster.namespace_by_name(name).is_some() || platform::makes_namespace(name)
}
