//! Peers that select no pod.

use crate::cluster::platform::KnownPods;
use crate::cluster::{Cluster, NamespaceId, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::engine::PolicyRef;
use crate::k8s::{self, Action, Label, LabelSelector, NAMESPACE_NAME_LABEL, Operator, PeerPlace};
use crate::lint::absence::Presence;
use crate::lint::mismatch::{self, Mismatch, Unmatched};
use crate::lint::near_miss::{self, IdleValue};
use crate::lint::plugin_selectors::{PeerOf, PluginSelector};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, rewrite};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a peer whose `podSelector` matches no pods in the namespaces that the peer
    /// selects, and suggests what was probably meant: pods with a similar label key or value,
    /// pods that have the label as an annotation, pods that lack just one of several labels, or
    /// pods in another namespace.
    ///
    /// Of peers of cluster-wide policies, also of Cilium or Calico, that look for pods in every namespace
    /// only those are reported that match no pod at all, where a label of some pods differs by a
    /// little.
    ///
    /// ## Why is this bad?
    ///
    /// The peer allows nothing. Whoever was meant to connect just times out.
    ///
    /// Manifests rarely contain every pod. So without `--complete`, plain absence is reported
    /// only for a fully declared namespace: one whose `Namespace` object is in the manifests,
    /// along with everything else that its policies and Services select.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: frontend, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: frontend}}
    ///     spec: {containers: [{name: web, image: web}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-frontend, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - podSelector: {matchLabels: {app: fronted}}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: frontend, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: frontend}}
    ///     spec: {containers: [{name: web, image: web}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-frontend, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - podSelector: {matchLabels: {app: frontend}}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: the peer starts to match.
    pub(super) struct UnmatchedPeerSelector {
        name: "unmatched-peer-selector",
        summary: "a peer's `podSelector` matches no pods, so the peer allows nothing",
        category: Category::Selectors,
        severity: Severity::Error,
        tier: Stable,
        evidence: "1 of 1 warning or error on 24 public repositories judged right",
        fix: Some(FixClass::Widening),
        mutes: &["batch-workload-cut-off", "one-sided-flow", "service-cut-off"],
        since: "0.1.0",
    }
}

impl Rule for UnmatchedPeerSelector {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        for place in policy.peers() {
            check(cx, id, &place);
        }
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let cluster = cx.cluster;
        for place in cx.selectors_beyond().iter() {
            let namespaces = place.looked_into(cluster).filter(|_| place.is_peer());
            let labels = place.pods.as_ref();
            let labels = labels.filter(|labels| !labels.is_empty() && !labels.is_opaque());
            let (Some(namespaces), Some(selector)) = (namespaces, labels) else {
                if let Some(finding) = check_everywhere(cx, place) {
                    cx.report(finding);
                }
                continue;
            };
            let is_matched = place.may_match_one_in(&cx.labelled(), cluster, &namespaces);
            if is_matched || place.may_match_addresses(cluster) {
                continue;
            }
            let peer = PodPeer {
                policy: place.policy(),
                object: place.display(),
                path: place.path.clone(),
                namespaces: &namespaces,
                names_namespace: place.names_namespace(),
                may_look_further: (place.namespaces.as_ref())
                    .is_some_and(|it| !pins_names(it, namespaces.len())),
                selector,
                action: place.peer_of.and_then(|peer| peer.action),
                has_places: place.has_places,
            };
            if let Some(finding) = judge(cx, &peer) {
                cx.report(finding);
            }
        }
    }
}

fn check(cx: &mut Context<'_>, id: PolicyId, place: &PeerPlace<'_>) {
    let Some((namespace_selector, Some(selector))) = place.peer.selectors() else {
        return;
    };
    let is_opaque =
        selector.is_opaque() || namespace_selector.is_some_and(LabelSelector::is_opaque);
    if is_opaque || selector.is_empty() {
        return;
    }
    let cluster = cx.cluster;
    let namespaces = match namespace_selector {
        Some(namespace_selector) => cx.engine.matching_namespaces(namespace_selector),
        None => vec![cluster.policy(id).namespace],
    };
    for finding in idle_values(cx, id, place, &namespaces) {
        cx.report(finding);
    }
    if !cx.labelled().may_match(&namespaces, selector).is_empty() {
        return;
    }
    let peer = PodPeer {
        policy: PolicyRef::Network(id),
        object: cx.policy_object(id),
        path: format!("{}.podSelector", place.path()),
        namespaces: &namespaces,
        names_namespace: namespace_selector.is_some(),
        may_look_further: namespace_selector.is_some_and(|it| !pins_names(it, namespaces.len())),
        selector,
        action: Some(Action::Accept),
        has_places: true,
    };
    if let Some(finding) = judge(cx, &peer) {
        cx.report(finding);
    }
}

/// A peer that looks for pods in every namespace: only pods whose label differs by a little say
/// that it was meant for them.
fn check_everywhere(cx: &Context<'_>, place: &PluginSelector<'_>) -> Option<Diagnostic> {
    let selector = place.pods.as_ref().filter(|_| place.is_peer())?;
    let is_anywhere = place.namespaces.is_none() && place.looked_into(cx.cluster).is_none();
    if !is_anywhere || place.may_match_addresses(cx.cluster) {
        return None;
    }
    let mismatch = mismatch::across_namespaces(cx, place, selector)?;
    let action = place.peer_of.and_then(|peer| peer.action);
    let effect = PeerOf::idle(action);
    let message = format!("no pod matches `{selector}`, so this peer {effect}");
    let finding = cx
        .finding(selector.requirements_span(), message)
        .about(place.display(), place.path.as_str())
        .label("matches no pod");
    let fix = fix_of(action).filter(|_| place.has_places);
    Some(mismatch.point_out(cx, finding, fix))
}

/// A peer that means pods by their labels.
struct PodPeer<'s> {
    policy: PolicyRef,
    /// The policy, as findings name it.
    object: String,
    path: String,
    /// Where it looks for them.
    namespaces: &'s [NamespaceId],
    /// Whether it says so itself.
    names_namespace: bool,
    /// Whether it may select namespaces that no manifest declares.
    may_look_further: bool,
    selector: &'s LabelSelector,
    /// What its rule does with whom it matches; `None` where it only logs that.
    action: Option<Action>,
    /// Whether one value can be put in place of another.
    has_places: bool,
}

/// What it does to connectivity to let a peer match whom it was meant for.
fn fix_of(action: Option<Action>) -> Option<FixClass> {
    match action {
        Some(Action::Accept) => Some(FixClass::Widening),
        Some(Action::Deny) => Some(FixClass::Narrowing),
        // That depends on what the next tier says.
        Some(Action::Pass) | None => None,
    }
}

/// Whether a selector asks for namespaces by their names, and as many of them are known.
fn pins_names(namespaces: &LabelSelector, known: usize) -> bool {
    let mut labels = namespaces.match_labels.iter();
    let mut entries = namespaces.match_expressions.iter();
    labels.any(|label| label.key.value == NAMESPACE_NAME_LABEL)
        || entries.any(|entry| {
            entry.key.value == NAMESPACE_NAME_LABEL
                && entry.operator.value == Operator::In
                && entry.values.len() == known
        })
}

fn judge(cx: &Context<'_>, peer: &PodPeer<'_>) -> Option<Diagnostic> {
    let (cluster, namespaces, selector) = (cx.cluster, peer.namespaces, peer.selector);
    let whose = match namespaces {
        // Which namespaces exist is another rule's question.
        [] => return None,
        [one] => format!("namespace `{}`", cluster.namespace(*one).name),
        several => format!("the {} selected namespaces", several.len()),
    };
    // The platform's own pods are in namespaces that nobody declares.
    let is_of_platform =
        |label: &Label| KnownPods::named_by(&label.key.value, &label.value.value).is_some();
    if peer.may_look_further && selector.match_labels.iter().any(is_of_platform) {
        return None;
    }
    let inventories = cx.inventories();
    let presence = |id: &NamespaceId| inventories.presence(cx, *id, selector);
    let presences: Vec<Presence> = namespaces.iter().map(presence).collect();
    let is_spoken_for = presences.contains(&Presence::SpokenFor);
    if is_spoken_for || cx.is_met_in_another_build(&peer.path, selector) {
        return None;
    }
    let effect = PeerOf::idle(peer.action);
    let message = format!("no pod of {whose} matches `{selector}`, so this peer {effect}");
    let finding = cx
        .finding(selector.requirements_span(), message)
        .about(peer.object.clone(), peer.path.as_str())
        .label("matches no pod");
    let unmatched = Unmatched {
        policy: peer.policy,
        is_peer: true,
        selector,
        namespaces,
    };
    let mismatch = Mismatch::of(cx, unmatched);
    if mismatch.is_none()
        && let Some(finding) = mismatch::point_out_maker(cx, unmatched, &finding)
    {
        return Some(finding);
    }
    match mismatch {
        // That the namespace is missing beside the selector is what another rule says.
        Some(Mismatch::Elsewhere { .. }) if !peer.names_namespace => None,
        Some(mismatch) => {
            let home = match &mismatch {
                Mismatch::Elsewhere { namespace, .. } => Some(*namespace),
                _ => None,
            };
            let fix = fix_of(peer.action).filter(|_| peer.has_places);
            let mut finding = mismatch.point_out(cx, finding, fix);
            if let Some(home) = home {
                let home = &cluster.namespace(home).name;
                finding = finding.help(format!("select namespace `{home}`, if its pods are meant"));
            }
            Some(finding)
        }
        None if presences.iter().all(|it| *it == Presence::Absent) => {
            Some(finding.with_severity(Severity::Warning))
        }
        None if is_for_clients(selector) => None,
        None if peer.may_look_further && !cx.settings.inventory.is_complete() => None,
        None => {
            let is_declared = |it: &NamespaceId| {
                inventories.is_fully_declared(cx, *it, peer.policy)
                    && !inventories.is_asked_for(*it, selector, peer.policy)
            };
            namespaces.iter().all(is_declared).then(|| {
                finding.with_severity(Severity::Warning).note(
                    "the namespace is declared, and everything else that its policies and Services select is there",
                )
            })
        }
    }
}

/// Whether a selector asks for a label that clients get to be let in, as charts of databases do:
/// `postgresql-client: "true"`, `access: granted`, `role: client`. There may be none of them yet.
fn is_for_clients(selector: &LabelSelector) -> bool {
    const ADMITTED: [&str; 7] = [
        "true", "yes", "enabled", "allow", "allowed", "granted", "client",
    ];
    let mut labels = selector.match_labels.iter();
    labels.any(|label| {
        ADMITTED.contains(&label.value.value.as_str()) && !near_miss::names_a_program(&label.key)
    })
}

/// Findings about values that the peer lists, or rules out, and that nobody has.
fn idle_values(
    cx: &Context<'_>,
    id: PolicyId,
    place: &PeerPlace<'_>,
    namespaces: &[NamespaceId],
) -> Vec<Diagnostic> {
    let selector = place.peer.selectors().and_then(|(_, pods)| pods);
    let Some(selector) = selector.filter(|it| !it.match_expressions.is_empty()) else {
        return Vec::new();
    };
    let workloads: Vec<WorkloadId> = workloads(cx.cluster, namespaces).collect();
    let path = format!("{}.podSelector", place.path());
    let operators = [Operator::NotIn, Operator::In].into_iter();
    let found = operators.filter_map(|operator| {
        let idle = near_miss::idle_value(cx, selector, operator, &workloads)?;
        Some(of_idle_value(cx, id, &path, operator, &idle))
    });
    found.collect()
}

fn of_idle_value(
    cx: &Context<'_>,
    id: PolicyId,
    path: &str,
    operator: Operator,
    idle: &IdleValue<'_>,
) -> Diagnostic {
    let (key, value, meant) = (idle.key, idle.value, &idle.meant);
    let rules_out = operator == Operator::NotIn;
    let (message, label, title, class) = match rules_out {
        true => (
            format!("`{key} notin ({value})` excludes nobody: no pod has `{key}={value}`"),
            "no pod has this value, so everybody gets through",
            format!("exclude `{meant}`"),
            FixClass::Narrowing,
        ),
        false => (
            format!("no pod has `{key}={value}`, so this value allows nothing"),
            "matches no pod",
            format!("list `{meant}`"),
            FixClass::Widening,
        ),
    };
    let name = cx.cluster.workload_name(idle.of);
    let finding = cx
        .policy_finding(id, path, value.span, message)
        .with_severity(Severity::Warning)
        .label(label)
        .related(idle.defined, format!("`{name}` has `{key}={meant}`"))
        .help(format!("did you mean `{meant}`?"));
    finding.fix(Fix {
        title,
        class,
        edits: vec![rewrite::replace_text(cx.sources, value.span, meant)],
    })
}

fn workloads<'c>(
    cluster: &'c Cluster,
    namespaces: &'c [NamespaceId],
) -> impl Iterator<Item = WorkloadId> + 'c {
    namespaces
        .iter()
        .flat_map(|namespace| cluster.workloads_in(*namespace))
}
