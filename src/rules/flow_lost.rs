//! Flows that a change closes although a policy names them.

use crate::cluster::{Cluster, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{self, ConnectionSet, Endpoint, Engine, PortSet};
use crate::k8s::{
    ContainerPort, Direction, LabelSelector, NetworkPolicy, NetworkPolicyPeer, PeerPlace, Protocol,
    Workload,
};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};
use crate::source::Span;
use std::collections::{BTreeSet, HashMap};

declare_rule! {
    /// ## What it does
    ///
    /// With `--new-from` and in the Git hook, compares the manifests with their previous state
    /// and reports a connection that a rule named and allowed but that is no longer allowed:
    /// the rule or policy is gone, a namespace or pods lost a label, or another policy now
    /// isolates one of the ends. It also reports a selector that used to match pods and no
    /// longer matches any.
    ///
    /// Pods that are removed together with their policies are not reported, and neither are
    /// connections that no rule names by label, or those to a port that moved where its new
    /// number is allowed. What several rules allowed is reported once.
    ///
    /// ## Why is this bad?
    ///
    /// Somebody wrote down that the connection is needed. A selector that matches nothing may
    /// be meant for pods defined elsewhere, but one that matched pods yesterday is not.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # before: labels.yaml
    /// apiVersion: v1
    /// kind: Namespace
    /// metadata: {name: web, labels: {team: front}}
    /// # file: labels.yaml
    /// apiVersion: v1
    /// kind: Namespace
    /// metadata: {name: web}
    /// # both: shop.yaml
    /// apiVersion: v1
    /// kind: Pod
    /// metadata: {name: web, namespace: web, labels: {app: web}}
    /// spec: {containers: [{name: web, image: example/web:1}]}
    /// ---
    /// apiVersion: v1
    /// kind: Pod
    /// metadata: {name: api, namespace: shop, labels: {app: api}}
    /// spec: {containers: [{name: api, image: example/api:1}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   ingress: [{from: [{namespaceSelector: {matchLabels: {team: front}}}]}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// # both: labels.yaml
    /// apiVersion: v1
    /// kind: Namespace
    /// metadata: {name: web, labels: {team: front}}
    /// # both: shop.yaml
    /// apiVersion: v1
    /// kind: Pod
    /// metadata: {name: api, namespace: shop, labels: {app: api}}
    /// spec: {containers: [{name: api, image: example/api:1}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   ingress: [{from: [{namespaceSelector: {matchLabels: {team: front}}}]}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the change may be intended.
    pub(super) struct FlowLost {
        name: "flow-lost",
        summary: "a change cuts off a connection that a policy explicitly allowed",
        category: Category::Flows,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "the state before the change is the evidence; tried on changes of the fixtures",
        fix: None,
        mutes: &["one-sided-flow", "unmatched-namespace-selector", "unmatched-peer-selector", "unmatched-pod-selector"],
        since: "0.1.0",
    }
}

/// How many pairs of pods are looked at in one cluster.
const MAX_PAIRS: usize = 200_000;

impl Rule for FlowLost {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let Some(earlier) = cx.earlier else {
            return;
        };
        let change = Change::new(earlier, cx.engine);
        let mut findings = Vec::new();
        let mut named = Vec::new();
        for id in change.before().policy_ids() {
            let policy = &change.before().policy(id).object;
            if !policy.meta.is_accepted || !policy.meta.holes.is_empty() {
                continue;
            }
            let told = emptied(cx, &change, id, &mut findings);
            for place in policy.peers().filter(|it| policy.applies_to(it.direction)) {
                let is_told = told.contains("spec.podSelector") || told.contains(&place.path());
                let fate = match is_told {
                    true => Fate::Told,
                    false => change.fate(id, &place),
                };
                named.push((fate, id, place));
            }
        }
        // What several rules named is told of the one that explains it best.
        named.sort_by_key(|(fate, ..)| *fate);
        let mut left = MAX_PAIRS;
        let mut told = Told::new();
        for (fate, id, place) in named {
            if let Some(lost) = Lost::of(&change, id, place, &mut left, &mut told)
                && fate != Fate::Told
            {
                findings.push(lost.describe(cx, &change));
            }
        }
        if left == 0 {
            cx.report_limit(format_args!(
                "the change touches so many pods that not all connections were compared"
            ));
        }
        for finding in findings {
            cx.report(finding);
        }
    }
}

/// What became of a rule that named connections, what explains most that they are closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// A selector of it matches nothing any more, and that is told.
    Told,
    /// It is gone, or has another peer.
    Gone,
    /// It is still there.
    Kept,
}

/// By pair of pods as they are now, source first: the connections that are told to be closed.
type Told = HashMap<(WorkloadId, WorkloadId), ConnectionSet>;

/// A cluster before and after a change.
struct Change<'e> {
    earlier: &'e Engine<'e>,
    now: &'e Engine<'e>,
    /// The workloads that there are now, by their names.
    by_name: HashMap<String, WorkloadId>,
}

impl<'e> Change<'e> {
    fn new(earlier: &'e Engine<'e>, now: &'e Engine<'e>) -> Self {
        let cluster = now.cluster();
        let named = cluster.workload_ids();
        Self {
            earlier,
            now,
            by_name: named.map(|id| (cluster.workload_name(id), id)).collect(),
        }
    }

    fn before(&self) -> &'e Cluster {
        self.earlier.cluster()
    }

    /// The workload as it is now; `None` if it is gone.
    fn workload_now(&self, id: WorkloadId) -> Option<WorkloadId> {
        let name = self.before().workload_name(id);
        self.by_name.get(&name).copied()
    }

    /// What became of a peer of a policy.
    fn fate(&self, id: PolicyId, place: &PeerPlace<'_>) -> Fate {
        let now = self.policy_now(id);
        let policy = now.map(|now| &self.now.cluster().policy(now).object);
        match policy.is_some_and(|policy| peer_now(policy, place).is_some()) {
            true => Fate::Kept,
            false => Fate::Gone,
        }
    }

    /// The ports that a workload declared under numbers that it no longer has, with the numbers
    /// that they have now: those of the same name, else the only one of the protocol.
    fn moved_ports(&self, before: WorkloadId, now: WorkloadId) -> Vec<(Protocol, u16, u16)> {
        let ports =
            |workload: &'e Workload| -> Vec<&'e ContainerPort> { workload.ports().collect() };
        let before = ports(&self.before().workload(before).object);
        let now = ports(&self.now.cluster().workload(now).object);
        let moved = before.iter().filter_map(|port| {
            let of_protocol = |it: &&&ContainerPort| it.protocol == port.protocol;
            let mut others = now.iter().filter(of_protocol);
            if others
                .clone()
                .any(|it| it.number.value == port.number.value)
            {
                return None;
            }
            let name = |port: &ContainerPort| port.name.as_ref().map(|name| name.value.clone());
            let own = name(port);
            let namesake = others.clone().find(|it| own.is_some() && name(it) == own);
            let is_only = before.iter().filter(of_protocol).count() == 1;
            let successor = namesake.or_else(|| {
                let only = others.next().filter(|_| is_only)?;
                others.next().is_none().then_some(only)
            });
            Some((port.protocol, port.number.value, successor?.number.value))
        });
        moved.collect()
    }

    /// The policy as it is now; `None` if it is gone.
    fn policy_now(&self, id: PolicyId) -> Option<PolicyId> {
        let policy = self.before().policy(id);
        let cluster = self.now.cluster();
        let namespace = &self.before().namespace(policy.namespace).name;
        let namespace = cluster.namespace_by_name(namespace)?;
        let name = &policy.object.meta.name.value;
        let mut policies = cluster.policies_in(namespace);
        policies.find(|other| cluster.policy(*other).object.meta.name.value == *name)
    }
}

/// What a peer asks for, to find it again in the policy of another state.
fn asks(peer: &NetworkPolicyPeer) -> Option<(Option<String>, Option<String>)> {
    let (namespaces, pods) = peer.selectors()?;
    let text = |selector: Option<&LabelSelector>| selector.map(ToString::to_string);
    Some((text(namespaces), text(pods)))
}

fn peer_now<'p>(policy: &'p NetworkPolicy, place: &PeerPlace<'_>) -> Option<PeerPlace<'p>> {
    let asked = asks(place.peer)?;
    let mut peers = policy.peers();
    peers.find(|it| it.direction == place.direction && asks(it.peer).as_ref() == Some(&asked))
}

/// Reports the selectors of a policy that matched pods and match none any more. Their paths
/// before the change.
fn emptied(
    cx: &Context<'_>,
    change: &Change<'_>,
    id: PolicyId,
    findings: &mut Vec<Diagnostic>,
) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    let Some(now) = change.policy_now(id) else {
        return told;
    };
    let policies = [
        &change.before().policy(id).object,
        &cx.cluster.policy(now).object,
    ];
    let [subject, subject_now] = policies.map(|policy| policy.pod_selector.get());
    if let (Some(subject), Some(subject_now)) = (subject, subject_now)
        && subject.to_string() == subject_now.to_string()
        && cx.engine.selected(now).is_empty()
        && let Some(first) = change.earlier.selected(id).first()
    {
        let path = "spec.podSelector".to_owned();
        findings.push(no_pod_left(cx, change, now, &path, subject_now, *first));
        told.insert(path);
        return told;
    }
    for place in policies[0].peers() {
        let Some(other) = peer_now(policies[1], &place) else {
            continue;
        };
        let Some((namespaces, pods)) = other.peer.selectors() else {
            continue;
        };
        if cx.engine.peer_workloads(now, other.peer).is_empty()
            && let Some(first) = change.earlier.peer_workloads(id, place.peer).first()
        {
            let matches = |pods: &LabelSelector| {
                let now = change.workload_now(*first);
                now.is_some_and(|id| pods.matches(&cx.cluster.workload(id).object.labels))
            };
            // Pods that have their labels still are in a namespace that has lost one.
            let unmatched = pods.filter(|pods| !pods.is_empty() && !matches(pods));
            let Some(selector) = unmatched.or(namespaces).or(pods) else {
                continue;
            };
            findings.push(no_pod_left(
                cx,
                change,
                now,
                &other.path(),
                selector,
                *first,
            ));
            told.insert(place.path());
        }
    }
    told
}

fn no_pod_left(
    cx: &Context<'_>,
    change: &Change<'_>,
    policy: PolicyId,
    path: &str,
    selector: &LabelSelector,
    first: WorkloadId,
) -> Diagnostic {
    let name = change.before().workload_name(first);
    let span = selector.requirements_span();
    let message = format!("since the change, no pod matches this selector: `{name}` did before");
    let finding = cx.policy_finding(policy, path, span, message);
    match change.workload_now(first) {
        Some(now) => because_of_labels(cx, change, first, now, finding),
        None => finding
            .label(format!("`{name}` is gone"))
            .help("delete the policies for these pods, or select the pods that replaced them"),
    }
}

/// The finding with the labels that a workload or its namespace has lost.
fn because_of_labels(
    cx: &Context<'_>,
    change: &Change<'_>,
    before: WorkloadId,
    now: WorkloadId,
    finding: Diagnostic,
) -> Diagnostic {
    let (old, new) = (change.before().workload(before), cx.cluster.workload(now));
    let lost = |old: &crate::k8s::Labels, new: &crate::k8s::Labels| -> Vec<String> {
        let lost = old
            .iter()
            .filter(|label| new.get(&label.key) != Some(label.value.as_str()));
        lost.map(|label| format!("{}={}", label.key, label.value))
            .collect()
    };
    let of_pods = lost(&old.object.labels, &new.object.labels);
    let (old_home, new_home) = (
        change.before().namespace(old.namespace),
        cx.cluster.namespace(new.namespace),
    );
    let of_namespace = lost(&old_home.labels, &new_home.labels);
    let mut finding = finding.help("restore the label, or select by the labels that are there now");
    if !of_pods.is_empty() {
        let lost = words::names(&of_pods);
        finding = finding.related(new.object.labels_span, format!("these pods had {lost}"));
    }
    if !of_namespace.is_empty() {
        let lost = words::names(&of_namespace);
        finding = match &new_home.declared {
            Some(declared) => finding.related(
                declared.meta.name.span,
                format!("this namespace had {lost}"),
            ),
            None => finding.note(format!("namespace `{}` had {lost}", new_home.name)),
        };
    }
    finding
}

/// Connections that one peer of a rule named, and that are closed since the change.
struct Lost<'c> {
    policy: PolicyId,
    place: PeerPlace<'c>,
    /// The first pair as it is now, source first, and what it has lost.
    pair: (WorkloadId, WorkloadId),
    connections: ConnectionSet,
    /// The peer's end of the first pair, before and now.
    other: (WorkloadId, WorkloadId),
    /// All pairs as they are now, source first.
    pairs: Vec<(WorkloadId, WorkloadId)>,
}

impl<'c> Lost<'c> {
    fn of(
        change: &Change<'c>,
        policy: PolicyId,
        place: PeerPlace<'c>,
        left: &mut usize,
        told: &mut Told,
    ) -> Option<Self> {
        let (before, now) = (change.earlier.relation(), change.now.relation());
        let ports = place.rule.ports.items();
        let mut found: Option<Self> = None;
        let others = change.earlier.peer_workloads(policy, place.peer);
        let others: Vec<_> = others
            .into_iter()
            .filter_map(|id| Some((id, change.workload_now(id)?)))
            .collect();
        for subject in change.earlier.selected(policy) {
            let Some(subject_now) = change.workload_now(*subject) else {
                continue;
            };
            for (other, other_now) in &others {
                *left = left.checked_sub(1)?;
                let (pair, pair_now) = match place.direction {
                    Direction::Ingress => ((*other, *subject), (*other_now, subject_now)),
                    Direction::Egress => ((*subject, *other), (subject_now, *other_now)),
                };
                let allowed = before.connections(pair.0, pair.1);
                let kept = now.connections(pair_now.0, pair_now.1);
                let kept = kept.union(&now.unknown(pair_now.0, pair_now.1));
                if allowed.is_subset(&kept) {
                    continue;
                }
                let destination = Endpoint::workload(change.before(), pair.1);
                let named = engine::ports_at(ports, &destination).certain;
                let lost = allowed.intersection(&named).difference(&kept);
                if lost.is_empty() {
                    continue;
                }
                let told = told.entry(pair_now).or_insert_with(ConnectionSet::none);
                let moved = change.moved_ports(pair.1, pair_now.1).into_iter();
                let lost = moved
                    .filter(|(protocol, _, number)| kept.contains(*protocol, *number))
                    .fold(lost.difference(told), |lost, (protocol, number, _)| {
                        let moved = ConnectionSet::of(protocol, PortSet::single(number));
                        lost.difference(&moved)
                    });
                if lost.is_empty() {
                    continue;
                }
                *told = told.union(&lost);
                match &mut found {
                    Some(found) => found.pairs.push(pair_now),
                    None => {
                        found = Some(Self {
                            policy,
                            place,
                            pair: pair_now,
                            connections: lost,
                            other: (*other, *other_now),
                            pairs: vec![pair_now],
                        });
                    }
                }
            }
        }
        found
    }

    fn describe(&self, cx: &Context<'_>, change: &Change<'_>) -> Diagnostic {
        let finding = self.explain(cx, change);
        let name = |id: &WorkloadId| cx.cluster.workload_name(*id);
        let sources: BTreeSet<_> = self.pairs.iter().map(|(source, _)| source).collect();
        let destinations: BTreeSet<_> = self.pairs.iter().map(|(_, it)| it).collect();
        // Between these ends there is nothing else.
        match sources.len() * destinations.len() == self.pairs.len() {
            true => finding.between(
                sources.into_iter().map(name).collect(),
                destinations.into_iter().map(name).collect(),
            ),
            false => finding,
        }
    }

    fn explain(&self, cx: &Context<'_>, change: &Change<'_>) -> Diagnostic {
        let cluster = cx.cluster;
        let [source, destination] = [self.pair.0, self.pair.1].map(|id| cluster.workload_name(id));
        let more = match self.pairs.len() - 1 {
            0 => String::new(),
            more => format!(" (and {})", words::count(more, "more connection")),
        };
        let message = format!(
            "since the change `{source}` cannot reach `{destination}` on {}{more}",
            self.connections
        );
        let number = self.place.rule_index + 1;
        let list = self.place.direction.field();
        let name = change.before().policy_name(self.policy);
        let note = format!("{list} rule #{number} of `{name}` named and allowed it");
        let now = change.policy_now(self.policy);
        let peer = now.and_then(|now| {
            let policy = &cluster.policy(now).object;
            peer_now(policy, &self.place).map(|place| (now, place))
        });
        if let Some((policy, place)) = peer
            && let Some((namespaces, pods)) = place.peer.selectors()
            && let Some(selector) = namespaces.or(pods)
            && !cx
                .engine
                .peer_workloads(policy, place.peer)
                .contains(&self.other.1)
        {
            let span = selector.requirements_span();
            let finding = cx
                .policy_finding(policy, place.path(), span, message)
                .label("no longer matches these pods")
                .note(note);
            return because_of_labels(cx, change, self.other.0, self.other.1, finding);
        }
        let (at, policy) = self.blocked_by(cx);
        let gone = match (now, peer) {
            (None, _) => "that policy is gone",
            (Some(_), None) => "that rule is gone",
            (Some(_), Some(_)) => "that rule is still there, but no longer enough",
        };
        let finding = match policy {
            Some(policy) => cx.policy_finding(policy, "", at, message),
            None => cx.finding(at, message).about(destination, ""),
        };
        finding
            .label("isolates one of the ends, and has no rule for it")
            .note(format!("{note}; {gone}"))
            .help("bring the rule back if the connection is still needed")
    }

    /// The first policy that blocks the pair now, and its text.
    fn blocked_by(&self, cx: &Context<'_>) -> (Span, Option<PolicyId>) {
        let [source, destination] =
            [self.pair.0, self.pair.1].map(|id| Endpoint::workload(cx.cluster, id));
        let sides = [
            (Direction::Egress, self.pair.0, &source, &destination),
            (Direction::Ingress, self.pair.1, &destination, &source),
        ];
        for (side, workload, subject, other) in sides {
            let denied = cx.engine.judge().one_side(side, subject, other).denied();
            let policy = cx.engine.isolating(workload, side).first();
            if let Some(policy) =
                policy.filter(|_| !self.connections.intersection(&denied).is_empty())
            {
                let name = &cx.cluster.policy(*policy).object.meta.name;
                return (name.span, Some(*policy));
            }
        }
        let object = &cx.cluster.workload(self.pair.1).object;
        (object.meta.name.span, None)
    }
}
