//! Services of whose pods a policy selects only a part.

use crate::cluster::{Cluster, Layout, NamespaceId, PolicyId, ServiceId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{
    AddressRange, ConnectionSet, Endpoint, Engine, NamespaceView, PodView, PolicyRef, PortSet,
    ReasonCode, Way,
};
use crate::k8s::{Direction, Labels, ObjectMeta, Protocol, ServicePort, TargetPort, WorkloadKind};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};
use crate::source::SourceId;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a Service whose pods belong to several workloads of which a policy selects only
    /// some, so that the same caller reaches one pod and not another. There is one finding per
    /// policy.
    ///
    /// Jobs, Helm hooks and pods that do not listen on the Service's port are not counted.
    /// Headless Services, whose clients choose the pod, are not reported. Neither are pods that
    /// have a Service of their own through which policies admit some callers. Objects without a
    /// namespace only count together if they are in the same directory.
    ///
    /// ## Why is this bad?
    ///
    /// A Service picks one of its pods for each connection. A caller that only some pods admit
    /// fails intermittently, which is hard to debug. And if the policy was meant to protect the
    /// Service, the pods that it leaves out are a way around it.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: api, namespace: shop}
    /// spec: {selector: {app: api}, ports: [{port: 8080}]}
    /// ---
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: api, track: stable}}
    ///     spec: {containers: [{name: api, image: api, ports: [{containerPort: 8080}]}]}
    /// ---
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: api-canary, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: api, track: canary}}
    ///     spec: {containers: [{name: api, image: api, ports: [{containerPort: 8080}]}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api, track: stable}}
    ///   ingress:
    ///     - from:
    ///         - podSelector: {matchLabels: {app: web}}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: api, namespace: shop}
    /// spec: {selector: {app: api}, ports: [{port: 8080}]}
    /// ---
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: api, track: stable}}
    ///     spec: {containers: [{name: api, image: api, ports: [{containerPort: 8080}]}]}
    /// ---
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: api-canary, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: api, track: canary}}
    ///     spec: {containers: [{name: api, image: api, ports: [{containerPort: 8080}]}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   ingress:
    ///     - from:
    ///         - podSelector: {matchLabels: {app: web}}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: either the policy should select all pods of the Service, or
    /// the Service fewer pods.
    pub(super) struct PartialServiceMatch {
        name: "partial-service-match",
        summary: "a policy selects only some of the pods behind a Service",
        category: Category::Selectors,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for PartialServiceMatch {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let cluster = cx.cluster;
        if cluster.services().is_empty() || cluster.policies().is_empty() {
            return;
        }
        let unjudged = cx.unjudged();
        let layout = cx.layout();
        // Several Services in front of the same pods are one matter.
        let mut found: BTreeMap<PolicyId, Split> = BTreeMap::new();
        let mut looked_at: HashSet<Likeness<'_>> = HashSet::new();
        for service in cluster.service_ids() {
            if unjudged.may_be_in(cluster, cluster.service(service).namespace) {
                continue;
            }
            if !looked_at.insert(Likeness::of(cluster, service)) {
                continue;
            }
            if let Some(split) = Split::find(cx, &layout, service) {
                found.entry(split.policy).or_insert(split);
            }
        }
        for split in found.into_values() {
            let finding = split.describe(cx);
            cx.report(finding);
        }
    }
}

/// What a Service is looked at for: those that do not differ in it have the same answer.
#[derive(PartialEq, Eq, Hash)]
struct Likeness<'c> {
    namespace: NamespaceId,
    is_headless: bool,
    selector: Vec<(&'c str, &'c str)>,
    ports: Vec<(Protocol, &'c TargetPort)>,
    /// Where it is written, and whether it names its namespace.
    home: (SourceId, bool),
}

impl<'c> Likeness<'c> {
    fn of(cluster: &'c Cluster, service: ServiceId) -> Self {
        let entry = cluster.service(service);
        let object = &entry.object;
        let labels = object.selector.iter().flatten();
        let ports = object.ports.iter();
        Self {
            namespace: entry.namespace,
            is_headless: object.is_headless(),
            selector: labels
                .map(|label| (label.key.as_str(), label.value.as_str()))
                .collect(),
            ports: ports
                .map(|port| (port.protocol, &port.target_port))
                .collect(),
            home: (object.meta.span.source, object.meta.namespace.is_some()),
        }
    }
}

/// How many kinds of backends of one Service, and how many callers of them, are looked at.
const KINDS: usize = 8;
const CALLERS: usize = 16;

/// Two workloads behind a Service of which a policy selects one, and a caller who gets through
/// to one of them only.
struct Split {
    service: ServiceId,
    policy: PolicyId,
    selected: WorkloadId,
    left_out: WorkloadId,
    caller: Caller,
    /// Where the caller gets through to.
    at: Backend,
    refuses: WorkloadId,
}

/// A workload that a port of its Service leads to, with the number of that port there.
#[derive(Clone, Copy)]
struct Backend {
    workload: WorkloadId,
    protocol: Protocol,
    port: u16,
}

/// Somebody who connects to the Service.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// A pod that no policy speaks of.
    Stranger,
    Known(WorkloadId),
}

impl Split {
    /// The first that there is; no Service's pods are worth two findings.
    fn find(cx: &Context<'_>, layout: &Layout<'_>, service: ServiceId) -> Option<Self> {
        let cluster = cx.cluster;
        let object = &cluster.service(service).object;
        // The name of a headless Service stands for each pod by itself.
        if object.is_headless() {
            return None;
        }
        let name = &cluster.namespace(cluster.service(service).namespace).name;
        let is_complete = cx.settings.inventory.is_complete_in(name);
        let is_beside = |meta: &ObjectMeta| {
            is_complete
                || are_of_one_cluster(layout, &object.meta, meta)
                || cluster.are_built_together(object.meta.span.source, meta.span.source)
        };
        let servers: Vec<WorkloadId> = cluster
            .workloads_behind(service)
            .filter(|id| is_server(cluster, *id) && is_beside(&cluster.workload(*id).object.meta))
            .collect();
        let mut ports = object.ports.iter();
        let split = ports.find_map(|port| Self::at_port(cx, service, &servers, port))?;
        is_beside(&cluster.policy(split.policy).object.meta).then_some(split)
    }

    fn at_port(
        cx: &Context<'_>,
        service: ServiceId,
        servers: &[WorkloadId],
        port: &ServicePort,
    ) -> Option<Self> {
        // Those that the same policies isolate are all alike: one of each kind is enough.
        let mut kinds: BTreeMap<&[PolicyId], Backend> = BTreeMap::new();
        for backend in backends(cx.cluster, servers, port) {
            let isolating = cx.engine.isolating(backend.workload, Direction::Ingress);
            kinds.entry(isolating).or_insert(backend);
        }
        if kinds.len() < 2 {
            return None;
        }
        kinds = kinds.into_iter().take(KINDS).collect();
        let backends: Vec<Backend> = kinds.values().copied().collect();
        let policies: BTreeSet<PolicyId> = kinds.into_keys().flatten().copied().collect();
        let mut callers = callers(cx, &policies).into_iter();
        callers.find_map(|caller| Self::noticed_by(cx, service, &backends, caller))
    }

    /// A backend that admits the caller and one that refuses it, if a policy that selects only
    /// one of them is the reason.
    fn noticed_by(
        cx: &Context<'_>,
        service: ServiceId,
        backends: &[Backend],
        caller: Caller,
    ) -> Option<Self> {
        let answers = backends
            .iter()
            .map(|backend| (backend, answer(cx.engine, caller, backend)));
        let answers: Vec<(&Backend, Answer)> = answers.collect();
        let (at, by) = answers.iter().find_map(|(backend, answer)| match answer {
            Answer::Admitted(by) => Some((*backend, *by)),
            Answer::Refused | Answer::Unclear => None,
        })?;
        let refused = answers.iter().find(|(_, it)| *it == Answer::Refused)?;
        let (admits, refuses) = (at.workload, refused.0.workload);
        let refusing = cx.engine.isolating(refuses, Direction::Ingress);
        let (policy, selected, left_out) = match by {
            None => (*refusing.first()?, refuses, admits),
            Some(policy) if refusing.contains(&policy) => return None,
            Some(_) if has_own_service(cx.cluster, admits, refuses) => return None,
            Some(policy) => (policy, admits, refuses),
        };
        Some(Self {
            service,
            policy,
            selected,
            left_out,
            caller,
            at: *at,
            refuses,
        })
    }

    fn describe(&self, cx: &Context<'_>) -> Diagnostic {
        let cluster = cx.cluster;
        let policy = &cluster.policy(self.policy).object;
        let service = &cluster.service(self.service).object.meta.name;
        let name = |id| cluster.workload_name(id);
        let selector = policy.pod_selector.get();
        let span = selector.map_or(policy.meta.name.span, |it| it.requirements_span());
        let message =
            format!("this policy selects only some of the pods behind Service `{service}`");
        let caller = match self.caller {
            Caller::Known(caller) => format!("`{}`", name(caller)),
            Caller::Stranger => "a pod that no policy mentions".to_owned(),
        };
        cx.policy_finding(self.policy, "spec.podSelector", span, message)
            .label(format!("selects `{}`", name(self.selected)))
            .related(
                cluster.workload(self.left_out).object.labels_span,
                format!("does not select `{}`", name(self.left_out)),
            )
            .related(service.span, "sends each connection to any of them")
            .note(format!(
                "{caller} gets through to `{}`, and not to `{}`, on {} {}",
                name(self.at.workload),
                name(self.refuses),
                self.at.protocol,
                self.at.port,
            ))
            .help(format!(
                "use the Service's selector: `{}`",
                self.common_labels(cluster)
            ))
    }

    /// What all pods behind the Service have, as `app=web,tier=fe`.
    fn common_labels(&self, cluster: &Cluster) -> String {
        let selector = cluster.service(self.service).object.selector.iter();
        let labels = selector.flatten();
        let labels: Vec<String> = labels
            .map(|label| format!("{}={}", label.key, label.value))
            .collect();
        labels.join(",")
    }
}

/// Whether two objects are known to end up beside each other.
fn are_of_one_cluster(layout: &Layout<'_>, one: &ObjectMeta, other: &ObjectMeta) -> bool {
    let have_namespace = one.namespace.is_some() && other.namespace.is_some();
    have_namespace || layout.are_neighbours(one.span.source, other.span.source)
}

/// Whether a workload behind a Service is there to serve, and seen by policies.
fn is_server(cluster: &Cluster, id: WorkloadId) -> bool {
    let workload = &cluster.workload(id).object;
    let is_short_lived = matches!(workload.kind, WorkloadKind::Job | WorkloadKind::CronJob)
        || workload.meta.annotations.get("helm.sh/hook").is_some();
    !is_short_lived && !workload.host_network && workload.meta.is_accepted
}

/// The workloads that a port of their Service leads to. Where some of them declare the port,
/// the others are not meant.
fn backends(cluster: &Cluster, servers: &[WorkloadId], port: &ServicePort) -> Vec<Backend> {
    let backend = |id: &WorkloadId| {
        let numbers = cluster.ports_behind(port, *id);
        Some(Backend {
            workload: *id,
            protocol: port.protocol,
            port: *numbers.first()?,
        })
    };
    let declares_it =
        |backend: &Backend| cluster.declares_port(backend.workload, backend.protocol, backend.port);
    let backends = servers.iter().filter_map(backend);
    let (declared, others): (Vec<_>, Vec<_>) = backends.partition(declares_it);
    if declared.is_empty() {
        others
    } else {
        declared
    }
}

/// Who may tell the pods apart: a stranger, and those whom the rules of the policies speak of.
fn callers(cx: &Context<'_>, policies: &BTreeSet<PolicyId>) -> Vec<Caller> {
    let peers = policies.iter().flat_map(|id| {
        let rules = cx
            .cluster
            .policy(*id)
            .object
            .rules(Direction::Ingress)
            .iter();
        rules.flat_map(move |rule| rule.peers.items().iter().map(move |peer| (*id, peer)))
    });
    let known = peers.flat_map(|(id, peer)| cx.engine.peer_workloads(id, peer));
    let mut callers = vec![Caller::Stranger];
    for caller in known.map(Caller::Known) {
        if callers.len() > CALLERS {
            break;
        }
        if !callers.contains(&caller) {
            callers.push(caller);
        }
    }
    callers
}

/// What becomes of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// By a rule of a policy, or because no policy isolates.
    Admitted(Option<PolicyId>),
    /// By the policies of the pod.
    Refused,
    /// It depends on what is not known, or on others than the policies of the pod.
    Unclear,
}

fn answer(engine: &Engine<'_>, caller: Caller, backend: &Backend) -> Answer {
    let (cluster, judge) = (engine.cluster(), engine.judge());
    let (protocol, port) = (backend.protocol, backend.port);
    let to = Endpoint::workload(cluster, backend.workload);
    let no_labels = Labels::default();
    let nowhere = NamespaceView {
        id: None,
        name: "",
        labels: &no_labels,
        are_labels_known: true,
    };
    let from = match caller {
        Caller::Known(id) if id == backend.workload => return Answer::Unclear,
        Caller::Known(id) => Endpoint::workload(cluster, id),
        Caller::Stranger => Endpoint::Pod(PodView::hypothetical(nowhere, &no_labels)),
    };
    let asked = ConnectionSet::of(protocol, PortSet::range(port, port));
    let explanation = judge.explain(&from, &to);
    let mut answers = explanation.ways.iter().map(|way| of_way(way, &asked));
    let Some(answer) = answers
        .next()
        .filter(|first| answers.all(|it| it == *first))
    else {
        return Answer::Unclear;
    };
    // Whether a block of all addresses holds those of pods is up to the network plugin.
    let outside = Endpoint::Address(AddressRange::from(IpAddr::V4(OUTSIDE)));
    let lets_all_in = || {
        let verdict = judge.one_side(Direction::Ingress, &to, &outside);
        verdict.possible().contains(protocol, port)
    };
    match answer {
        Answer::Refused if caller == Caller::Stranger && lets_all_in() => Answer::Unclear,
        answer => answer,
    }
}

/// What becomes of it on its way from one address to one address.
fn of_way(way: &Way<'_>, asked: &ConnectionSet) -> Answer {
    let is_allowed = || asked.is_subset(&way.verdict().allowed());
    let decisions = way.ingress.decisions(asked);
    let Some(decision) = decisions.first() else {
        return Answer::Unclear;
    };
    match (decision.code, decision.rule.map(|rule| rule.policy)) {
        (ReasonCode::NoRules | ReasonCode::NoRuleMatches, _) => Answer::Refused,
        (ReasonCode::NotIsolated, _) if is_allowed() => Answer::Admitted(None),
        (ReasonCode::RuleMatch, Some(PolicyRef::Network(policy))) if is_allowed() => {
            Answer::Admitted(Some(policy))
        }
        _ => Answer::Unclear,
    }
}

/// An address outside that stands for any (RFC 5737).
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// Whether a workload has a Service that does not lead to another one, too: callers may well
/// come by that one.
fn has_own_service(cluster: &Cluster, workload: WorkloadId, other: WorkloadId) -> bool {
    let mut services = cluster.services_of(workload);
    services.any(|service| !cluster.workloads_behind(service).any(|id| id == other))
}
