//! Flows that one end's policy promises, and that the other end's policies do not allow.

use crate::cluster::{PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{self, Endpoint};
use crate::k8s::{self, Direction, LabelSelector, NetworkPolicyRule, PeerPlace, PortReference};
use crate::lint::unjudged::Unjudged;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, service_ports, snippet};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a rule between pods that are named by their labels on both sides,
    /// where the policies of the other side let none of it through: an `egress` rule to pods
    /// that are isolated for ingress and do not admit the sender, or an `ingress` rule from
    /// pods that are isolated for egress and may not send.
    ///
    /// ## Why is this bad?
    ///
    /// A connection needs the egress policies of its source *and* the ingress policies of its
    /// destination. The rule was written for a connection that cannot be opened: half of it is
    /// missing, or the other half names other pods.
    ///
    /// Only pods that are among the manifests count, and a rule of which a part works is never
    /// reported.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: api}}
    ///   template:
    ///     metadata: {labels: {app: api}}
    ///     spec: {containers: [{name: api, image: example/api:1}]}
    /// ---
    /// apiVersion: apps/v1
    /// kind: StatefulSet
    /// metadata: {name: db, namespace: shop}
    /// spec:
    ///   serviceName: db
    ///   selector: {matchLabels: {app: db}}
    ///   template:
    ///     metadata: {labels: {app: db}}
    ///     spec: {containers: [{name: db, image: postgres:17}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to: [{podSelector: {matchLabels: {app: db}}}]
    ///       ports: [{protocol: TCP, port: 5432}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: default-deny-ingress, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Ingress]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: api}}
    ///   template:
    ///     metadata: {labels: {app: api}}
    ///     spec: {containers: [{name: api, image: example/api:1}]}
    /// ---
    /// apiVersion: apps/v1
    /// kind: StatefulSet
    /// metadata: {name: db, namespace: shop}
    /// spec:
    ///   serviceName: db
    ///   selector: {matchLabels: {app: db}}
    ///   template:
    ///     metadata: {labels: {app: db}}
    ///     spec: {containers: [{name: db, image: postgres:17}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to: [{podSelector: {matchLabels: {app: db}}}]
    ///       ports: [{protocol: TCP, port: 5432}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: default-deny-ingress, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Ingress]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: db, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: db}}
    ///   ingress:
    ///     - from: [{podSelector: {matchLabels: {app: api}}}]
    ///       ports: [{protocol: TCP, port: 5432}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// No fix by machine: the help says which rule the other side lacks. Whether the flow is
    /// wanted is for the owner of the other side to say.
    pub(super) struct OneSidedFlow {
        name: "one-sided-flow",
        summary: "a rule promises a flow that the policies of the other end do not allow",
        category: Category::Flows,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &["batch-workload-cut-off", "service-cut-off"],
        since: "0.1.0",
    }
}

impl Rule for OneSidedFlow {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let cluster = cx.cluster;
        let unjudged = cx.unjudged();
        for id in cluster.policy_ids() {
            for place in cluster.policy(id).object.peers() {
                if let Some(promise) = Promise::of(cx, id, place)
                    && promise.is_broken(cx, &unjudged)
                {
                    let finding = promise.describe(cx);
                    cx.report(finding);
                }
            }
        }
    }
}

/// A rule and a peer that name pods by labels on both sides, and the pods.
struct Promise<'c> {
    id: PolicyId,
    place: PeerPlace<'c>,
    /// The peer's selector of pods.
    selector: &'c LabelSelector,
    /// The pods of the policy.
    subjects: Vec<WorkloadId>,
    /// The pods of the peer.
    others: Vec<WorkloadId>,
}

impl<'c> Promise<'c> {
    fn of(cx: &Context<'c>, id: PolicyId, place: PeerPlace<'c>) -> Option<Self> {
        let policy = &cx.cluster.policy(id).object;
        let is_about_pods = policy.pod_selector.get().is_some_and(|it| !it.is_empty());
        let (_, pods) = place.peer.selectors()?;
        let selector = pods.filter(|pods| !pods.is_empty())?;
        let is_usable = is_about_pods
            && policy.meta.is_accepted
            && policy.meta.opaque.is_none()
            && policy.applies_to(place.direction);
        let subjects = cx.engine.selected(id).to_vec();
        let others = cx.engine.peer_workloads(id, place.peer);
        if !is_usable || subjects.is_empty() || others.is_empty() {
            return None;
        }
        Some(Self {
            id,
            place,
            selector,
            subjects,
            others,
        })
    }

    /// The other side's direction.
    fn opposite(&self) -> Direction {
        match self.place.direction {
            Direction::Ingress => Direction::Egress,
            Direction::Egress => Direction::Ingress,
        }
    }

    /// Every pair of pods, source first.
    fn pairs(&self) -> impl Iterator<Item = (WorkloadId, WorkloadId)> + '_ {
        self.subjects.iter().flat_map(|subject| {
            self.others.iter().map(|other| match self.place.direction {
                Direction::Egress => (*subject, *other),
                Direction::Ingress => (*other, *subject),
            })
        })
    }

    /// Whether no pair may open any of the ports, and that is certain, and because of the
    /// other side alone.
    fn is_broken(&self, cx: &Context<'_>, unjudged: &Unjudged) -> bool {
        let cluster = cx.cluster;
        let is_judged =
            |id: &WorkloadId| !unjudged.may_be_in(cluster, cluster.workload(*id).namespace);
        let relation = cx.engine.relation();
        let ports = self.place.rule.ports.items();
        let works = |(source, destination): (WorkloadId, WorkloadId)| {
            let promised = engine::ports_at(ports, &Endpoint::workload(cluster, destination));
            let allowed = relation.connections(source, destination);
            !allowed.intersection(&promised.possible).is_empty()
        };
        if self.pairs().any(works) || !self.others.iter().all(is_judged) {
            return false;
        }
        // The slow and careful way, for the few that are left. What is unknown is mostly the
        // text of policies and namespaces, which all pairs share: many pairs tell no more
        // than some.
        const PAIRS: usize = 256;
        let mut has_promise = false;
        for (source, destination) in self.pairs().take(PAIRS) {
            let (from, to) = (
                Endpoint::workload(cluster, source),
                Endpoint::workload(cluster, destination),
            );
            let promised = engine::ports_at(ports, &to);
            has_promise |= !promised.certain.is_empty();
            let explanation = cx.engine.judge().explain(&from, &to);
            let other_side = |way: &engine::Way<'_>| match self.place.direction {
                Direction::Egress => way.ingress.verdict.clone(),
                Direction::Ingress => way.egress.verdict.clone(),
            };
            let is_blocked = explanation
                .ways
                .iter()
                .all(|way| promised.possible.is_subset(&other_side(way).denied()));
            if !is_blocked {
                return false;
            }
        }
        has_promise && !self.is_named_by_the_other_side(cx) && !self.has_port_of_service(cx)
    }

    /// Whether, seen from an `ingress` rule, the sender has an egress rule that names the
    /// pods: then that rule is reported, and once is enough.
    fn is_named_by_the_other_side(&self, cx: &Context<'_>) -> bool {
        let names_subject = |policy: &PolicyId, rule: &NetworkPolicyRule| {
            rule.peers.items().iter().any(|peer| {
                let names_pods =
                    matches!(peer.selectors(), Some((_, Some(pods))) if !pods.is_empty());
                let matched = || cx.engine.peer_workloads(*policy, peer);
                names_pods && matched().iter().any(|id| self.subjects.contains(id))
            })
        };
        self.place.direction == Direction::Ingress
            && self.others.iter().any(|other| {
                let mut policies = cx.engine.isolating(*other, Direction::Egress).iter();
                policies.any(|policy| {
                    let rules = cx.cluster.policy(*policy).object.rules(Direction::Egress);
                    rules.iter().any(|rule| names_subject(policy, rule))
                })
            })
    }

    /// Whether a number is a Service's port: another rule says so, and says why nothing
    /// gets through.
    fn has_port_of_service(&self, cx: &Context<'_>) -> bool {
        let destinations = match self.place.direction {
            Direction::Egress => &self.others,
            Direction::Ingress => &self.subjects,
        };
        self.place.rule.ports.items().iter().any(|entry| {
            let Some(PortReference::Number(number)) = entry.port.get().map(|port| &port.value)
            else {
                return false;
            };
            let protocol = entry.protocol_or_default();
            !service_ports::translated(cx.cluster, destinations, protocol, *number).is_empty()
        })
    }

    fn describe(&self, cx: &Context<'_>) -> Diagnostic {
        let (cluster, place) = (cx.cluster, &self.place);
        let names = |ids: &[WorkloadId]| match ids {
            [one] => format!("`{}`", cluster.workload_name(*one)),
            several => format!("{} workloads", several.len()),
        };
        let (subjects, others) = (names(&self.subjects), names(&self.others));
        let message = match place.direction {
            Direction::Egress => {
                format!(
                    "this rule allows {subjects} to reach {others}, but the ingress policies there block it"
                )
            }
            Direction::Ingress => {
                format!(
                    "this rule allows {others} to reach {subjects}, but the egress policies of the sender block it"
                )
            }
        };
        let path = format!("{}.podSelector", place.path());
        let mut finding = cx
            .policy_finding(self.id, path, self.selector.span, message)
            .label(match place.rule.ports.items() {
                [] => "nothing gets through to these pods",
                _ => "nothing gets through to these pods on the ports of the rule",
            });
        const SHOWN: usize = 3;
        let policies = cx.engine.isolating(self.others[0], self.opposite());
        for policy in policies.iter().take(SHOWN) {
            let object: &k8s::NetworkPolicy = &cluster.policy(*policy).object;
            let note = format!(
                "isolates {} for {}",
                names(&self.others[..1]),
                self.opposite().field()
            );
            finding = finding.related(object.meta.name.span, note);
        }
        finding.help(self.counterpart(cx))
    }

    /// The rule that the other side lacks.
    fn counterpart(&self, cx: &Context<'_>) -> String {
        let (cluster, opposite) = (cx.cluster, self.opposite());
        let policy = cluster.policy(self.id);
        let home = cluster.workload(self.others[0]).namespace;
        let selector = policy.object.pod_selector.get();
        let namespace =
            (home != policy.namespace).then(|| cluster.namespace(policy.namespace).name.as_str());
        let peer = match selector {
            Some(selector) => snippet::peer(selector, namespace),
            None => "{podSelector: {}}".to_owned(),
        };
        let ports = match self.place.rule.ports.items() {
            [] => String::new(),
            ports => format!(", ports: {}", snippet::ports(ports)),
        };
        format!(
            "allow it on the other side too, in `{}` of a policy for these pods in `{}`: \
             `- {{{}: [{peer}]{ports}}}`; or delete this rule",
            opposite.field(),
            cluster.namespace(home).name,
            opposite.peers_field(),
        )
    }
}
