//! Selectors that ask for labels of a Deployment or a Service instead of the pods'.

use crate::cluster::{ServiceId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{LabelSelector, Labels, Truth, WorkloadKind};
use crate::lint::plugin_selectors::PluginSelector;
use crate::lint::pod_selectors::{self, PodSelector};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};
use crate::source::Span;
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a pod selector that matches no pod, but does match the labels of a controller
    /// itself (`metadata.labels` of a Deployment, StatefulSet, …), or, as a warning, those of a
    /// Service whose pods do not have them.
    ///
    /// ## Why is this bad?
    ///
    /// Policies look at the labels of pods, which are in `spec.template.metadata.labels`.
    /// Labels that are only on the controller or on a Service mean nothing to a policy: it
    /// selects no pods, or its peer matches none.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: api, namespace: shop, labels: {component: api}}
    /// spec:
    ///   selector: {matchLabels: {app: api}}
    ///   template:
    ///     metadata: {labels: {app: api}}
    ///     spec: {containers: [{name: api, image: api}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {component: api}}
    ///   ingress: []
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: api, namespace: shop, labels: {component: api}}
    /// spec:
    ///   selector: {matchLabels: {app: api}}
    ///   template:
    ///     metadata: {labels: {app: api}}
    ///     spec: {containers: [{name: api, image: api}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   ingress: []
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: either change the selector to the pods' labels, or add the
    /// label to the pods, which restarts them.
    pub(super) struct LabelOnController {
        name: "label-on-controller",
        summary: "a selector asks for the labels of a Deployment or Service instead of the pods'",
        category: Category::Selectors,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &[
            "unmatched-pod-selector",
            "unmatched-peer-selector",
            "foreign-pod-selector",
            "batch-workload-cut-off",
            "one-sided-flow",
            "service-cut-off",
        ],
        since: "0.1.0",
    }
}

impl Rule for LabelOnController {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let mut found: BTreeMap<(Bearer, String), Vec<PodSelector<'_>>> = BTreeMap::new();
        for id in cx.cluster.policy_ids() {
            for place in pod_selectors::in_policy(cx.cluster, id) {
                if let Some(bearer) = bearer(cx, &place) {
                    let group = (bearer, place.selector.to_string());
                    found.entry(group).or_default().push(place);
                }
            }
        }
        for ((bearer, _), places) in found {
            let finding = describe(cx, bearer, &places);
            cx.report(finding);
        }
        for place in cx.selectors_beyond().iter() {
            if let Some(finding) = beyond(cx, place) {
                cx.report(finding);
            }
        }
    }
}

/// The finding about a selector of the CNI plugin's, or of a cluster-wide policy: the same of a
/// controller.
fn beyond(cx: &Context<'_>, place: &PluginSelector<'_>) -> Option<Diagnostic> {
    let cluster = cx.cluster;
    let selector = place.pods.as_ref().filter(|it| !it.is_opaque())?;
    let namespaces = place.looked_into(cluster)?;
    if selector.match_labels.is_empty()
        || place.may_match_one_in(&cx.labelled(), cluster, &namespaces)
        || place.may_match_addresses(cluster)
    {
        return None;
    }
    let mut candidates = namespaces.iter().flat_map(|id| cluster.workloads_in(*id));
    let controller = candidates.find(|id| has_on_itself(cx, *id, selector))?;
    let pods = &cluster.workload(controller).object;
    let (kind, name) = (pods.kind.name(), &pods.meta.name);
    let message = format!("`{selector}` is on {kind} `{name}`, but not on its pods");
    let finding = cx
        .finding(selector.requirements_span(), message)
        .about(place.display(), place.path.as_str())
        .label(format!("matches no pod, so {}", place.idle()))
        .related(
            asked_for(selector, &pods.meta.labels).unwrap_or(name.span),
            format!("a label of the {kind} itself, which policies ignore"),
        )
        .related(pods.labels_span, pods_have(&pods.labels))
        .help("select the pods by their own labels, or give them this one");
    Some(finding)
}

/// Whether a controller has all the labels that a selector asks for, and its pods have not: those on
/// the host network may have them, and are not matched all the same.
fn has_on_itself(cx: &Context<'_>, id: WorkloadId, selector: &LabelSelector) -> bool {
    let workload = &cx.cluster.workload(id).object;
    !matches!(
        workload.kind,
        WorkloadKind::Pod | WorkloadKind::VirtualMachineInstance
    ) && selector.matches(&workload.meta.labels)
        && selector.matches_opaque(&workload.labels) == Truth::False
}

/// The object that has the labels that a selector asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bearer {
    Controller(WorkloadId),
    /// A Service, and one of the pods behind it.
    Service(ServiceId, WorkloadId),
}

/// Who has the labels, where no pod may have them.
fn bearer(cx: &Context<'_>, place: &PodSelector<'_>) -> Option<Bearer> {
    if place.is_opaque() || !place.names_pods() {
        return None;
    }
    let cluster = cx.cluster;
    if !place.may_match(cx).is_empty() {
        return None;
    }
    let namespaces = place.namespaces(cx);
    let mut candidates = namespaces.iter().flat_map(|id| cluster.workloads_in(*id));
    let controller = candidates.find(|id| has_on_itself(cx, *id, place.selector));
    if let Some(controller) = controller {
        return Some(Bearer::Controller(controller));
    }
    let services = namespaces.into_iter();
    let mut services = services.flat_map(|namespace| cluster.services_in(namespace));
    services.find_map(|id| {
        let labels = &cluster.service(id).object.meta.labels;
        let mut pods = cluster.workloads_behind(id);
        let pod = pods.next().filter(|_| place.selector.matches(labels));
        Some(Bearer::Service(id, pod?))
    })
}

fn describe(cx: &Context<'_>, bearer: Bearer, places: &[PodSelector<'_>]) -> Diagnostic {
    let cluster = cx.cluster;
    let (place, others) = places.split_first().expect("a group has a place");
    let selector = place.selector;
    let (workload, kind, meta, severity) = match bearer {
        Bearer::Controller(id) => {
            let object = &cluster.workload(id).object;
            (id, object.kind.name(), &object.meta, Severity::Error)
        }
        Bearer::Service(id, pod) => {
            let object = &cluster.service(id).object;
            (pod, "Service", &object.meta, Severity::Warning)
        }
    };
    let effect = match place.peer {
        None => "matches no pod, so this policy does nothing",
        Some(_) => "matches no pod, so this peer allows nothing",
    };
    let message = format!(
        "`{selector}` is on {kind} `{}`, but not on its pods",
        meta.name
    );
    let pods = &cluster.workload(workload).object;
    let finding = cx
        .policy_finding(place.policy, place.path.as_str(), selector.span, message)
        .with_severity(severity)
        .label(effect)
        .related(
            asked_for(selector, &meta.labels).unwrap_or(meta.name.span),
            format!("a label of the {kind} itself, which policies ignore"),
        )
        .related(pods.labels_span, pods_have(&pods.labels))
        .help("select the pods by their own labels, or give them this one");
    let others: Vec<_> = others
        .iter()
        .map(|other| (other.policy, other.selector.span))
        .collect();
    pod_selectors::with_repeats(finding, cx, &others)
}

/// Where the first label stands that the selector asks for.
fn asked_for(selector: &LabelSelector, labels: &Labels) -> Option<Span> {
    let keys = selector.match_labels.iter().map(|label| &label.key);
    let mut keys = keys.chain(selector.match_expressions.iter().map(|entry| &entry.key));
    keys.find_map(|key| labels.label(key))
        .map(|label| label.span())
}

fn pods_have(labels: &Labels) -> String {
    let labels: Vec<String> = labels
        .iter()
        .map(|label| format!("`{}={}`", label.key, label.value))
        .collect();
    if labels.is_empty() {
        return "its pods have no labels".to_owned();
    }
    format!("its pods have {}", labels.join(", "))
}
