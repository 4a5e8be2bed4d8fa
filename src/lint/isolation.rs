//! What a namespace isolates as a whole: whether a pod that nobody has written yet would
//! be isolated, and which policies isolate the same pods as another one.
//!
//! Refuses to call anything missing; that is for rules to say.

use super::containment::PodSet;
use super::unjudged::Unjudged;
use super::{Context, containment, dns};
use crate::cluster::platform;
use crate::cluster::{Cluster, NamespaceId, PolicyId, WorkloadId};
use crate::diagnostic::FixClass;
use crate::engine::program::End;
use crate::engine::{Endpoint, Engine, NamespaceView, PodView, PolicyRef};
use crate::k8s::{
    Direction, LabelSelector, Labels, NetworkPolicy, NetworkPolicyRule, Truth, Workload,
    WorkloadKind,
};
use crate::source::Span;
use std::collections::HashMap;

/// Another policy of the namespace that isolates all pods of this one in a direction,
/// whatever labels they have.
#[must_use]
pub fn isolates_the_same_pods(
    cluster: &Cluster,
    policy: PolicyId,
    direction: Direction,
) -> Option<PolicyId> {
    let inner = cluster.policy(policy);
    let isolates = |other: &PolicyId| {
        let outer = &cluster.policy(*other).object;
        *other != policy
            && isolates(outer, direction)
            && containment::selects_all_of(
                outer.pod_selector.get(),
                inner.object.pod_selector.get(),
            )
    };
    cluster.policies_in(inner.namespace).find(isolates)
}

/// Whether a rule of the namespace opens some of the same pods to addresses, for more than DNS.
#[must_use]
pub fn opens_addresses(cx: &Context<'_>, id: PolicyId, direction: Direction) -> bool {
    let policy = cx.cluster.policy(id);
    let Some(pods) = PodSet::of(policy.object.pod_selector.get()) else {
        return true;
    };
    let is_open = |rule: &NetworkPolicyRule| {
        let (peers, ports) = (rule.peers.items(), rule.ports.items());
        let is_for_dns = !ports.is_empty() && ports.iter().all(dns::is_dns_port);
        let mut blocks = peers.iter().filter(|peer| peer.ip_block.get().is_some());
        !is_for_dns && (peers.is_empty() || blocks.next().is_some())
    };
    let mut others = cx.cluster.policies_in(policy.namespace);
    others.any(|other| {
        let other = &cx.cluster.policy(other).object;
        let others = PodSet::of(other.pod_selector.get());
        others.is_none_or(|others| others.overlaps(&pods))
            && other.rules(direction).iter().any(is_open)
    })
}

/// What it does to connectivity that a policy begins to isolate pods with these labels in
/// some directions: it narrows where they were not isolated, and widens where other policies
/// isolate them already, so that its rules are all that is new. `None` where it does both.
#[must_use]
pub fn class_of_isolating(
    cx: &Context<'_>,
    policy: PolicyId,
    pods: &[&Labels],
    directions: &[Direction],
) -> Option<FixClass> {
    let (cluster, subjects) = (cx.cluster, cx.policy_subjects());
    let is_isolated = |labels: &Labels, direction: Direction| {
        let others = subjects.about(cluster.policy(policy).namespace, labels);
        let mut others = others
            .into_iter()
            .filter(|other| *other != policy)
            .map(|other| &cluster.policy(other).object);
        others.any(|other| {
            let selector = other.pod_selector.get();
            isolates(other, direction) && selector.is_none_or(|it| it.matches(labels))
        })
    };
    let mut isolated = pods
        .iter()
        .flat_map(|labels| directions.iter().map(|it| is_isolated(labels, *it)));
    let first = isolated.next()?;
    let class = if first {
        FixClass::Widening
    } else {
        FixClass::Narrowing
    };
    isolated.all(|other| other == first).then_some(class)
}

/// What becomes of a direction of some pods that a policy says nothing about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing isolates them, so that everything is allowed.
    Open,
    /// Other policies isolate all of them, so that what no rule allows is denied.
    Isolated,
    /// Some of them are isolated, or nobody knows whether they are.
    Unclear,
}

impl Standing {
    /// That of pods with these labels, beside some policies.
    #[must_use]
    pub fn beside(
        cx: &Context<'_>,
        policies: &[PolicyId],
        namespace: NamespaceId,
        pods: &[&Labels],
        direction: Direction,
    ) -> Self {
        let program = cx.program();
        let is_beside =
            |policy: PolicyRef| !matches!(policy, PolicyRef::Network(id) if policies.contains(&id));
        let is_isolated = |labels: &&Labels| {
            let pod = PodView::hypothetical(NamespaceView::of(cx.cluster, namespace), labels);
            let chains = program.chains_about(direction, &pod);
            let chains = chains.map(|(_, chain)| chain);
            let chains = chains.filter(|chain| chain.end != End::Next && is_beside(chain.policy));
            let isolates = chains.map(|chain| {
                let is_certain = chain.is_subject_known && chain.end == End::Deny;
                let most = if is_certain {
                    Truth::True
                } else {
                    Truth::Unknown
                };
                chain.subject.truth(&pod).min(most)
            });
            match isolates.max().unwrap_or(Truth::False) {
                Truth::False if is_denied_cluster_wide(cx.engine, namespace, labels, direction) => {
                    Truth::Unknown
                }
                truth => truth,
            }
        };
        let truths: Vec<Truth> = pods.iter().map(is_isolated).collect();
        match (truths.iter().min(), truths.iter().max()) {
            (_, Some(Truth::False)) => Self::Open,
            (Some(Truth::True), _) => Self::Isolated,
            _ => Self::Unclear,
        }
    }

    /// That of the pods that a policy selects, or of those that it was written for.
    #[must_use]
    pub fn of_pods_of(cx: &Context<'_>, id: PolicyId, direction: Direction) -> Self {
        let policy = cx.cluster.policy(id);
        let selected = cx.engine.selected(id).iter();
        let mut pods: Vec<&Labels> = selected
            .map(|id| &cx.cluster.workload(*id).object.labels)
            .collect();
        let selector = policy.object.pod_selector.get();
        let written_for =
            selector.map_or_else(|| Some(Labels::default()), LabelSelector::satisfying_labels);
        if pods.is_empty() {
            pods.extend(&written_for);
        }
        Self::beside(cx, &[id], policy.namespace, &pods, direction)
    }
}

/// The rules of a workload in a direction; `None` where it is not isolated, or not by
/// NetworkPolicies alone that say everything.
#[must_use]
pub fn rules<'c>(
    cx: &Context<'c>,
    workload: WorkloadId,
    direction: Direction,
) -> Option<Vec<&'c NetworkPolicyRule>> {
    let policies = cx.engine.isolated_by(workload, direction);
    if policies.is_empty() || !cx.engine.cluster_policies_on(workload).is_empty() {
        return None;
    }
    let mut rules = Vec::new();
    for policy in policies {
        let id = match policy {
            PolicyRef::Network(id) => id,
            // It isolates, and allows nothing.
            PolicyRef::Agent => continue,
            _ => return None,
        };
        let policy = &cx.cluster.policy(id).object;
        if !policy.meta.holes.is_empty() {
            return None;
        }
        rules.extend(policy.rules(direction));
    }
    Some(rules)
}

/// Whether the policies isolate a pod without labels, which is what a default deny does:
/// it holds for pods that nobody has written yet.
#[must_use]
pub fn has_default_deny(cx: &Context<'_>, namespace: NamespaceId, direction: Direction) -> bool {
    let no_labels = Labels::default();
    may_isolate(cx, namespace, &no_labels, direction)
        || plugin_may_isolate(cx, namespace, &no_labels, direction)
        || is_denied_cluster_wide(cx.engine, namespace, &no_labels, direction)
}

/// The same of policies of the CNI plugin in force, and of the plugin by itself.
fn plugin_may_isolate(
    cx: &Context<'_>,
    namespace: NamespaceId,
    labels: &Labels,
    direction: Direction,
) -> bool {
    let options = cx.cluster.enforcement();
    if cx.cluster.plugin_policies().is_empty() && !options.isolates_all() {
        return false;
    }
    let pod = PodView::hypothetical(NamespaceView::of(cx.cluster, namespace), labels);
    let program = cx.program();
    let mut chains = program.chains_about(direction, &pod);
    chains.any(|(_, chain)| {
        matches!(chain.policy, PolicyRef::Plugin(_) | PolicyRef::Agent)
            && chain.end == End::Deny
            && chain.subject.truth(&pod) != Truth::False
    })
}

/// Whether a policy of the namespace isolates pods with these labels, or would if it were
/// accepted, or may once another tool has filled in its text.
fn may_isolate(
    cx: &Context<'_>,
    namespace: NamespaceId,
    labels: &Labels,
    direction: Direction,
) -> bool {
    let mut policies = cx.policy_subjects().about(namespace, labels).into_iter();
    policies.any(|id| {
        let policy = &cx.cluster.policy(id).object;
        let may_select = |selector: &LabelSelector| selector.matches_opaque(labels) != Truth::False;
        policy.applies_to(direction) && policy.pod_selector.get().is_none_or(may_select)
    })
}

/// Whether a cluster-wide policy keeps strangers and pods with these labels apart.
#[must_use]
pub fn is_denied_cluster_wide(
    engine: &Engine<'_>,
    namespace: NamespaceId,
    labels: &Labels,
    direction: Direction,
) -> bool {
    let cluster = engine.cluster();
    if cluster.cluster_policies().is_empty() && cluster.plugin_policies().is_empty() {
        return false;
    }
    let no_labels = Labels::default();
    let stranger = PodView::hypothetical(
        NamespaceView {
            id: None,
            name: "",
            labels: &no_labels,
            are_labels_known: true,
        },
        &no_labels,
    );
    let pod = Endpoint::Pod(PodView::hypothetical(
        NamespaceView::of(cluster, namespace),
        labels,
    ));
    let verdict = engine
        .judge()
        .one_side(direction, &pod, &Endpoint::Pod(stranger));
    !verdict.denied().is_empty()
}

/// Whether a policy that names no namespace isolates all pods of wherever it is applied.
fn has_default_deny_to_apply(cluster: &Cluster, direction: Direction) -> bool {
    cluster.policies().iter().any(|policy| {
        let policy = &policy.object;
        let selector = policy.pod_selector.get();
        policy.meta.namespace.is_none()
            && isolates(policy, direction)
            && selector.is_none_or(LabelSelector::is_empty)
    })
}

fn isolates(policy: &NetworkPolicy, direction: Direction) -> bool {
    policy.meta.is_accepted && policy.applies_to(direction)
}

/// Whether a controller writes policies for namespaces by itself: Kyverno's rules that
/// generate them, tenants of Capsule, templates for projects.
fn generates_policies(cx: &Context<'_>) -> bool {
    let mut objects = cx.cluster.context_objects().custom_objects.iter();
    objects.any(|object| !object.written_policies.is_empty())
}

/// Whether a manifest lies in a folder of what is not deployed: vendored libraries, tests,
/// examples, tools of developers.
fn is_for_development(cx: &Context<'_>, workload: &Workload) -> bool {
    const FOLDERS: &[&str] = &[
        "dev",
        "development",
        "e2e",
        "example",
        "examples",
        "fixtures",
        "hack",
        "node_modules",
        "sample",
        "samples",
        "test",
        "testdata",
        "tests",
        "third_party",
        "vendor",
    ];
    let name = cx.sources.get(workload.meta.span.source).name();
    name.split('/').any(|part| FOLDERS.contains(&part))
}

/// The workloads of a namespace that policies could isolate.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// Where to speak about all of them: the name of the namespace where it is declared, else
    /// that of its first workload.
    pub anchor: Span,
    /// The namespace.
    pub namespace: NamespaceId,
    workloads: Vec<WorkloadId>,
    cares_about_egress: bool,
}

impl Coverage {
    /// Those of all namespaces of which something can be said, in order.
    #[must_use]
    pub fn of_all(cx: &Context<'_>) -> Vec<Self> {
        if generates_policies(cx) {
            return Vec::new();
        }
        let unjudged = cx.unjudged();
        let namespaces = cx.cluster.namespace_ids();
        namespaces
            .filter_map(|namespace| Self::of(cx, &unjudged, namespace))
            .collect()
    }

    /// `None` where nothing can be said: no workload that a selector sees, a namespace of the
    /// platform, or policies that npcheck does not judge. Where not everything is known, only
    /// workloads count that name their namespace, as the others may go to any, and nothing can
    /// be said beside policies among the templates of charts.
    fn of(cx: &Context<'_>, unjudged: &Unjudged, namespace: NamespaceId) -> Option<Self> {
        let cluster = cx.cluster;
        let name = cluster.namespace(namespace).name.as_str();
        let is_platforms = platform::makes_namespace(name) && name != "default";
        if is_platforms || unjudged.is_unknown_in(cluster, namespace) {
            return None;
        }
        let is_complete = cx.settings.inventory.is_complete_in(name);
        if !is_complete && unjudged.may_be_anywhere() {
            return None;
        }
        let counts = |id: &WorkloadId| {
            let workload = &cluster.workload(*id).object;
            let is_here = is_complete
                || workload.meta.namespace.is_some() && !is_for_development(cx, workload);
            workload.meta.is_accepted && !workload.host_network && is_here
        };
        let workloads: Vec<_> = cluster.workloads_in(namespace).filter(counts).collect();
        let is_of_jobs = |id: &WorkloadId| {
            let kind = cluster.workload(*id).object.kind;
            matches!(kind, WorkloadKind::CronJob | WorkloadKind::Job)
        };
        // What runs now and then and listens to nobody needs no guard.
        if !is_complete && workloads.iter().all(is_of_jobs) {
            return None;
        }
        let first = &cluster.workload(*workloads.first()?).object.meta;
        let declared = cluster.namespace(namespace).declared.as_ref();
        let isolates = |id| isolates(&cluster.policy(id).object, Direction::Egress);
        let by_plugin = |cx: &Context<'_>, workloads: &[WorkloadId]| {
            let is_isolated =
                |id: &WorkloadId| !cx.engine.isolated_by(*id, Direction::Egress).is_empty();
            !cluster.plugin_policies().is_empty() && workloads.iter().any(is_isolated)
        };
        Some(Self {
            anchor: declared.map_or(&first.name, |it| &it.meta.name).span,
            namespace,
            cares_about_egress: is_complete
                || cluster.policies_in(namespace).any(isolates)
                || by_plugin(cx, &workloads),
            workloads,
        })
    }

    /// Whether the direction is worth a word: for egress only where some policy of the
    /// namespace cares about it, or where everything is known.
    #[must_use]
    pub fn is_looked_at(&self, direction: Direction) -> bool {
        direction == Direction::Ingress || self.cares_about_egress
    }

    /// The workloads that nothing isolates in the direction, in order. Where not everything is
    /// known, none beside a default deny that names no namespace: it may be applied here.
    #[must_use]
    pub fn open(&self, cx: &Context<'_>, direction: Direction) -> Vec<WorkloadId> {
        let name = &cx.cluster.namespace(self.namespace).name;
        let is_complete = cx.settings.inventory.is_complete_in(name);
        if !is_complete && has_default_deny_to_apply(cx.cluster, direction) {
            return Vec::new();
        }
        // Those that the same policies select are denied the same.
        let mut denied: HashMap<Option<u32>, bool> = HashMap::new();
        let is_open = |id: &WorkloadId| {
            let labels = &cx.cluster.workload(*id).object.labels;
            cx.engine.isolated_by(*id, direction).is_empty()
                && !plugin_may_isolate(cx, self.namespace, labels, direction)
                && !may_isolate(cx, self.namespace, labels, direction)
                && !*denied
                    .entry(cx.engine.selection_of(*id, direction))
                    .or_insert_with(|| {
                        is_denied_cluster_wide(cx.engine, self.namespace, labels, direction)
                    })
        };
        self.workloads.iter().copied().filter(is_open).collect()
    }
}
