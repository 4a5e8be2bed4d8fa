//! Policies that select no pod.

use crate::cluster::platform::{KnownPods, Role};
use crate::cluster::{NamespaceId, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::engine::PolicyRef;
use crate::k8s::{self, Direction, LabelSelector, Labels, NetworkPolicy, Operator};
use crate::lint::absence::Presence;
use crate::lint::mismatch::{self, Mismatch, Unmatched};
use crate::lint::near_miss::{self, IdleValue};
use crate::lint::plugin_selectors::PluginSelector;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, isolation, platform, rewrite};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a policy whose `podSelector` matches no pods of its namespace, and suggests what
    /// was probably meant: pods with a similar label key or value, pods that have the label as
    /// an annotation, pods that lack just one of several labels, or pods in another namespace.
    ///
    /// A policy for a namespace of which nothing else is known is reported if pods of its own file
    /// match, in another namespace.
    ///
    /// A value is reported as well that a `matchExpressions` entry lists beside others, that no
    /// pod has, and that differs by a little from one that a pod has.
    ///
    /// A cluster-wide policy, also of Cilium or Calico, is reported where it matches no pod at all and a
    /// label of some pods differs by a little.
    ///
    /// ## Why is this bad?
    ///
    /// The policy does nothing. The pods that it was written for are not isolated, everything
    /// is allowed, and nothing ever tells you.
    ///
    /// Manifests rarely contain every pod: operators and other repositories create the rest. So
    /// without `--complete`, only a near miss is an error. Plain absence is an info, and only
    /// if the policy's namespace has other workloads and no Service, chart or operator object
    /// suggests that such pods exist. Labels that only controllers set are not reported.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: carts, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: carts}}
    ///     spec: {containers: [{name: carts, image: carts}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: carts, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: cart}}
    ///   ingress: []
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: carts, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: carts}}
    ///     spec: {containers: [{name: carts, image: carts}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: carts, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: carts}}
    ///   ingress: []
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Narrowing: the policy starts to isolate the pods that it then selects. If other policies
    /// already isolate them, it is widening, because its rules take effect.
    pub(super) struct UnmatchedPodSelector {
        name: "unmatched-pod-selector",
        summary: "the policy's `podSelector` matches no pods, so the policy does nothing",
        category: Category::Selectors,
        severity: Severity::Error,
        tier: Stable,
        evidence: "2 of 2 warnings and errors on 24 public repositories judged right",
        fix: Some(FixClass::Narrowing),
        mutes: &["batch-workload-cut-off", "one-sided-flow", "service-cut-off"],
        since: "0.1.0",
    }
}

impl Rule for UnmatchedPodSelector {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        let Some(selector) = policy.pod_selector.get() else {
            return;
        };
        let cluster = cx.cluster;
        let namespace = cluster.policy(id).namespace;
        if let Some(finding) = of_idle_value(cx, id, policy, selector) {
            cx.report(finding);
        }
        let is_matched = || !cx.labelled().may_match(&[namespace], selector).is_empty();
        if selector.is_opaque() || is_matched() {
            return;
        }
        let subject = Subject {
            policy: PolicyRef::Network(id),
            object: cx.policy_object(id),
            path: "spec.podSelector",
            namespace,
            selector,
            // A policy that names no namespace may be for the pods of another one.
            is_at_home: policy.meta.namespace.is_some(),
        };
        if let Some(finding) = check(cx, &subject) {
            cx.report(finding);
        }
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let cluster = cx.cluster;
        for place in cx.selectors_beyond().iter() {
            let namespace = place.own_namespace().filter(|_| !place.is_peer());
            let namespace = namespace.and_then(|name| cluster.namespace_by_name(name));
            let (Some(namespace), Some(selector)) = (namespace, &place.pods) else {
                if let Some(finding) = check_cluster_wide(cx, place) {
                    cx.report(finding);
                }
                continue;
            };
            if place.may_match_one_in(&cx.labelled(), cluster, &[namespace]) {
                continue;
            }
            let subject = Subject {
                policy: place.policy(),
                object: place.display(),
                path: &place.path,
                namespace,
                selector,
                is_at_home: place.meta().namespace.is_some(),
            };
            if let Some(finding) = check(cx, &subject) {
                cx.report(finding);
            }
        }
    }
}

/// The selector that says which pods a policy is about.
struct Subject<'s> {
    policy: PolicyRef,
    /// The policy, as findings name it.
    object: String,
    path: &'s str,
    namespace: NamespaceId,
    selector: &'s LabelSelector,
    is_at_home: bool,
}

fn check(cx: &Context<'_>, subject: &Subject<'_>) -> Option<Diagnostic> {
    let (cluster, namespace, selector) = (cx.cluster, subject.namespace, subject.selector);
    if selector.is_empty() || selector.is_opaque() {
        return None;
    }
    let name = &cluster.namespace(namespace).name;
    let message =
        format!("no pod of namespace `{name}` matches `{selector}`, so this policy does nothing");
    let finding = cx
        .finding(selector.requirements_span(), message)
        .about(subject.object.clone(), subject.path);
    let inventories = cx.inventories();
    let presence = inventories.presence(cx, namespace, selector);
    if presence == Presence::SpokenFor || cx.is_met_in_another_build(subject.path, selector) {
        return None;
    }
    let unmatched = Unmatched {
        policy: subject.policy,
        is_peer: false,
        selector,
        namespaces: &[namespace],
    };
    let is_likely =
        |mismatch: &Mismatch| subject.is_at_home || !matches!(mismatch, Mismatch::Elsewhere { .. });
    if let Some(mismatch) = Mismatch::of(cx, unmatched).filter(is_likely) {
        let finding = match mismatch {
            Mismatch::Elsewhere {
                namespace: home, ..
            } if cluster.workloads_in(namespace).len() == 0 => {
                let home = &cluster.namespace(home).name;
                let message = format!(
                    "this policy is in namespace `{name}`, and the pods that match `{selector}` are \
                     in `{home}`"
                );
                cx.finding(selector.requirements_span(), message)
                    .about(subject.object.clone(), subject.path)
                    .label(format!("matches no known pod of `{name}`"))
            }
            _ => finding.label("matches no pod"),
        };
        return Some(point_out(cx, subject, mismatch, finding));
    }
    if let Some(finding) = mismatch::point_out_maker(cx, unmatched, &finding) {
        return Some(finding.label("matches no pod"));
    }
    if let Some(pods) = pods_of_platform(name, selector).filter(|_| subject.is_at_home) {
        let home = pods.namespaces[0];
        let finding = finding
            .with_severity(Severity::Warning)
            .label(format!("{} is in `{home}`", pods.name))
            .help("a policy only applies to pods of its own namespace");
        return Some(match pods.is_on_host_network {
            true => finding
                .note("it is on the host network, so a policy there would not apply to it either"),
            false => finding,
        });
    }
    let is_complete = presence == Presence::Absent;
    let known = cluster.workloads_in(namespace).len();
    let is_known = known > 0 && subject.is_at_home && !inventories.is_open(namespace);
    if !is_complete && !is_known || is_of_controllers(selector) {
        return None;
    }
    let none = match known {
        0 => "there is no workload in this namespace".to_owned(),
        1 => "the one workload of this namespace does not match".to_owned(),
        _ => format!("none of the {known} workloads of this namespace matches"),
    };
    Some(if is_complete {
        finding.label(none).with_severity(Severity::Warning)
    } else {
        finding
            .label(none)
            .with_severity(Severity::Info)
            .note("npcheck does not know the pods that operators or other repositories create")
    })
}

/// The finding about a value that the policy lists, or rules out, and that no pod has.
fn of_idle_value(
    cx: &Context<'_>,
    id: PolicyId,
    policy: &NetworkPolicy,
    selector: &LabelSelector,
) -> Option<Diagnostic> {
    if selector.match_expressions.is_empty() {
        return None;
    }
    let cluster = cx.cluster;
    let pods: Vec<WorkloadId> = cluster.workloads_in(cluster.policy(id).namespace).collect();
    let mut operators = [Operator::In, Operator::NotIn].into_iter();
    let (operator, idle) = operators.find_map(|operator| {
        let idle = near_miss::idle_value(cx, selector, operator, &pods)?;
        Some((operator, idle))
    })?;
    let IdleValue {
        key, value, meant, ..
    } = &idle;
    let message = match operator {
        Operator::NotIn => {
            format!("`{key} notin ({value})` excludes nobody: no pod has `{key}={value}`")
        }
        _ => format!("no pod has `{key}={value}`, so this value selects nothing"),
    };
    let name = cluster.workload_name(idle.of);
    let finding = cx
        .policy_finding(id, "spec.podSelector", value.span, message)
        .with_severity(Severity::Warning)
        .label("no pod has this value")
        .related(idle.defined, format!("`{name}` has `{key}={meant}`"))
        .help(format!("did you mean `{meant}`?"));
    if operator == Operator::NotIn {
        return Some(finding);
    }
    let labels = [&cluster.workload(idle.of).object.labels];
    let class = isolation::class_of_isolating(cx, id, &labels, &directions(policy));
    Some(match class {
        Some(class) => finding.fix(Fix {
            title: format!("list `{meant}`"),
            class,
            edits: vec![rewrite::replace_text(cx.sources, value.span, meant)],
        }),
        None => finding,
    })
}

/// The directions that a policy isolates in.
fn directions(policy: &NetworkPolicy) -> Vec<Direction> {
    let directions = Direction::BOTH.into_iter();
    directions
        .filter(|direction| policy.applies_to(*direction))
        .collect()
}

/// A policy for pods of every namespace: only pods whose label differs by a little say that it was
/// meant for them, as the rest of the cluster may hold any.
fn check_cluster_wide(cx: &Context<'_>, place: &PluginSelector<'_>) -> Option<Diagnostic> {
    let selector = place.pods.as_ref().filter(|_| !place.is_peer())?;
    if place.own_namespace().is_some() {
        return None;
    }
    let mismatch = mismatch::across_namespaces(cx, place, selector)?;
    let message = format!("no pod matches `{selector}`, so this policy does nothing");
    let finding = cx
        .finding(selector.requirements_span(), message)
        .about(place.display(), place.path.as_str())
        .label("matches no pod");
    Some(mismatch.point_out(cx, finding, None))
}

/// The API server or the resolver, where a selector asks for it in a namespace that it is not
/// in. Programs that people run themselves as well, such as scrapers, may be anywhere.
fn pods_of_platform(own: &str, selector: &LabelSelector) -> Option<&'static KnownPods> {
    let mut labels = selector.match_labels.iter();
    let pods = labels.find_map(|label| {
        let pods = KnownPods::named_by(&label.key, &label.value)?;
        let is_first = pods.labels[0] == (label.key.as_str(), label.value.as_str());
        is_first.then_some(pods)
    })?;
    let is_platforms = match pods.role {
        Role::ApiServer => true,
        // Somebody may run a resolver of their own.
        Role::Resolver => !own.contains("dns"),
        Role::IngressController | Role::Scraper | Role::Other => false,
    };
    (is_platforms && !pods.namespaces.contains(&own)).then_some(pods)
}

/// The finding with what the policy was probably meant for.
fn point_out(
    cx: &Context<'_>,
    subject: &Subject<'_>,
    mismatch: Mismatch,
    finding: Diagnostic,
) -> Diagnostic {
    let cluster = cx.cluster;
    if let Mismatch::Elsewhere { namespace, .. } = mismatch {
        let home = &cluster.namespace(namespace).name;
        let help = format!(
            "a policy only applies to pods of its own namespace: move it to `{home}`, or select pods of `{}`",
            cluster.namespace(subject.namespace).name
        );
        return mismatch.point_out(cx, finding, None).help(help);
    }
    let PolicyRef::Network(id) = subject.policy else {
        return mismatch.point_out(cx, finding, None);
    };
    let policy = &cluster.policy(id).object;
    let pods = cluster.workloads_in(subject.namespace).filter(|id| {
        let labels = &cluster.workload(*id).object.labels;
        *id == mismatch.workload() || mismatch.would_match(subject.selector, labels)
    });
    let pods: Vec<&Labels> = pods.map(|id| &cluster.workload(id).object.labels).collect();
    let class = isolation::class_of_isolating(cx, id, &pods, &directions(policy));
    mismatch.point_out(cx, finding, class)
}

/// Whether only controllers and operators give pods the labels that it asks for: no manifest
/// of a workload has them.
fn is_of_controllers(selector: &LabelSelector) -> bool {
    selector.keys().any(platform::sets_pod_label)
}
