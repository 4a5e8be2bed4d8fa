//! Flows that one end's policy promises, and that the other end's policies do not allow.

use crate::cluster::{PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::program::{self, Ports};
use crate::engine::{self, ConnectionSet, Endpoint, Match};
use crate::k8s::{Action, Direction, LabelSelector, NetworkPolicyRule, PeerPlace, PortReference};
use crate::lint::plugin_rules::{self, EnforcedRules};
use crate::lint::plugin_selectors::{PluginSelector, SelectingPolicy, plugin_selectors};
use crate::lint::promised_flows::Flows;
use crate::lint::unanswered::{self, Ends, Unanswered};
use crate::lint::unjudged::Unjudged;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, service_ports, snippet};
use crate::source::Span;
use std::collections::BTreeSet;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a rule between pods that are named by label on both ends, where the policies on
    /// the other end block all of it: an `egress` rule to pods that are isolated for ingress
    /// and do not admit the sender, or an `ingress` rule from pods that are isolated for egress
    /// and cannot send. Cilium and Calico rules count as well, and so do policies of every
    /// evaluated kind on the other end. Pods that no manifest declares count where the policies
    /// of their namespace are among the manifests, and one of them has rules for them.
    ///
    /// ## Why is this bad?
    ///
    /// A connection needs both the egress policies of its source *and* the ingress policies of
    /// its destination. Here one half is missing, or it names other pods, so the connection
    /// that the rule was written for is blocked.
    ///
    /// Where no manifest holds the pods, the text of the NetworkPolicies of the namespace
    /// decides: the rule is reported if a policy with rules was written for the other end, and
    /// no rule there can match. A rule that works in part is never reported.
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
    /// There is no automatic fix: the help shows the rule that the other end lacks. Whether the
    /// traffic is wanted is up to the owner of the other end.
    pub(super) struct OneSidedFlow {
        name: "one-sided-flow",
        summary: "a rule allows traffic that the policies on the other end block",
        category: Category::Flows,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "6 of 7 warnings and errors on 82 public repositories (58 of them in excerpts) judged right",
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
        let ends = Ends::new(cx, &unjudged);
        for id in cluster.policy_ids() {
            for place in cluster.policy(id).object.peers() {
                let finding = match Promise::of(cx, id, place) {
                    Some(promise) => promise
                        .is_broken(cx, &unjudged)
                        .then(|| promise.describe(cx)),
                    None => (ends.unanswered(cx, id, place))
                        .map(|it| describe_unanswered(cx, id, place, &it)),
                };
                if let Some(finding) = finding {
                    cx.report(finding);
                }
            }
        }
        let program = cx.program();
        let enforced = plugin_rules::enforced(&program);
        let promises: Vec<PluginPromise<'_, '_>> = (plugin_selectors(cluster).into_iter())
            .filter_map(|selector| PluginPromise::of(cx, selector, &enforced))
            .collect();
        for promise in &promises {
            if promise.is_broken(cx, &unjudged) && !promise.is_named_by(&promises) {
                let finding = promise.describe(cx);
                cx.report(finding);
            }
        }
    }
}

/// A peer that the policies of the other end do not answer, whatever pods there are.
fn describe_unanswered(
    cx: &Context<'_>,
    id: PolicyId,
    place: PeerPlace<'_>,
    unanswered: &Unanswered<'_>,
) -> Diagnostic {
    let policy = cx.cluster.policy(id);
    let namespace = &cx.cluster.namespace(policy.namespace).name;
    let opposite = unanswered::opposite_of(place.direction);
    let (subject, other) = (unanswered.subject, unanswered.other);
    let message = match place.direction {
        _ if other.is_empty() => format!(
            "this rule allows the pods of `{namespace}` to reach each other, but the {} policies there block it",
            opposite.field()
        ),
        Direction::Egress => format!(
            "this rule allows `{subject}` to reach `{other}`, but the ingress policies there block it"
        ),
        Direction::Ingress => format!(
            "this rule allows `{other}` to reach `{subject}`, but the egress policies of the sender block it"
        ),
    };
    let path = format!("{}.podSelector", place.path());
    let finding = cx.policy_finding(id, path, other.span, message);
    let own = (unanswered.home != policy.namespace).then_some(namespace.as_str());
    let home = &cx.cluster.namespace(unanswered.home).name;
    let help = counterpart(Some(subject), home, own, place);
    let help = match unanswered.on_other_ports.is_empty() {
        true => help,
        false => format!("make the ports of both rules agree, or {help}"),
    };
    let mut finding = finding.label(label_of(place)).help(help);
    const SHOWN: usize = 2;
    for ports in unanswered.on_other_ports.iter().take(SHOWN) {
        finding = finding.related(*ports, "allows these pods on other ports");
    }
    for policy in unanswered.isolating.iter().take(SHOWN) {
        let name = cx.cluster.policy(*policy).object.meta.name.span;
        finding = finding.related(
            name,
            format!("isolates these pods for {}", opposite.field()),
        );
    }
    finding
}

/// The finding where a rule of the other side denies: no other rule behind it would help.
fn at_denial(finding: Diagnostic, rule: Span, part: &str) -> Diagnostic {
    finding
        .related(rule, "denies it")
        .help(format!("allow it on the other side in a rule that is evaluated before the one that denies it; or delete this {part}"))
}

/// What there is to delete where nothing of it is wanted: other peers of the rule may work.
fn deletable(place: PeerPlace<'_>) -> &'static str {
    match place.rule.peers.items() {
        [_] => "rule",
        _ => "peer",
    }
}

/// What the label at a peer says.
fn label_of(place: PeerPlace<'_>) -> &'static str {
    match place.rule.ports.items() {
        [] => "nothing gets through to these pods",
        _ => "nothing gets through to these pods on the ports of the rule",
    }
}

/// The rule that the other side lacks, in the namespace `home`, for the pods of `subject`, with
/// their namespace where that is another one.
fn counterpart(
    subject: Option<&LabelSelector>,
    home: &str,
    namespace: Option<&str>,
    place: PeerPlace<'_>,
) -> String {
    let opposite = unanswered::opposite_of(place.direction);
    let peer = match subject {
        Some(subject) => snippet::peer(subject, namespace),
        None => "{podSelector: {}}".to_owned(),
    };
    let ports = match place.rule.ports.items() {
        [] => String::new(),
        ports => format!(", ports: {}", snippet::ports(ports)),
    };
    format!(
        "allow it on the other side too, in `{}` of a policy for these pods in `{home}`: \
         `- {{{}: [{peer}]{ports}}}`; or delete this {}",
        opposite.field(),
        opposite.peers_field(),
        deletable(place),
    )
}

/// A rule and a peer of a NetworkPolicy.
struct Promise<'c> {
    id: PolicyId,
    place: PeerPlace<'c>,
    /// The peer's selector of pods.
    selector: &'c LabelSelector,
    flows: Flows,
}

/// A rule and a peer of a CNI plugin's policy.
struct PluginPromise<'p, 'c> {
    /// The peer's selector.
    selector: PluginSelector<'c>,
    /// The rule as it is enforced.
    rules: Vec<&'p program::Rule<'c>>,
    flows: Flows,
}

impl<'c> Promise<'c> {
    fn of(cx: &Context<'c>, id: PolicyId, place: PeerPlace<'c>) -> Option<Self> {
        let policy = &cx.cluster.policy(id).object;
        let is_about_pods = policy.pod_selector.get().is_some_and(|it| !it.is_empty());
        let (_, pods) = place.peer.selectors()?;
        let selector = pods.filter(|pods| !pods.is_empty())?;
        let is_usable = is_about_pods
            && policy.meta.is_accepted
            && policy.meta.holes.is_empty()
            && policy.applies_to(place.direction);
        let subjects = cx.engine.selected(id).to_vec();
        let others = cx.engine.peer_workloads(id, place.peer);
        if !is_usable || subjects.is_empty() || others.is_empty() {
            return None;
        }
        let direction = place.direction;
        let flows = Flows {
            direction,
            subjects,
            others,
        };
        Some(Self {
            id,
            place,
            selector,
            flows,
        })
    }

    fn is_broken(&self, cx: &Context<'_>, unjudged: &Unjudged) -> bool {
        let promised = |destination: &Endpoint<'_>| self.promised(destination);
        self.flows.are_blocked(cx, unjudged, &promised)
            && !self.is_named_by_the_other_side(cx)
            && !self.has_port_of_service(cx)
    }

    /// What the rule opens at an end.
    fn promised(&self, destination: &Endpoint<'_>) -> Match {
        engine::ports_at(self.place.rule.ports.items(), destination)
    }

    /// Whether, seen from an `ingress` rule, the sender has an egress rule that names the
    /// pods: then that rule is reported, and once is enough.
    fn is_named_by_the_other_side(&self, cx: &Context<'_>) -> bool {
        let names_subject = |policy: &PolicyId, rule: &NetworkPolicyRule| {
            rule.peers.items().iter().any(|peer| {
                let names_pods =
                    matches!(peer.selectors(), Some((_, Some(pods))) if !pods.is_empty());
                let matched = || cx.engine.peer_workloads(*policy, peer);
                names_pods && matched().iter().any(|id| self.flows.subjects.contains(id))
            })
        };
        self.place.direction == Direction::Ingress
            && self.flows.others.iter().any(|other| {
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
        let destinations = self.flows.destinations();
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
        let path = format!("{}.podSelector", self.place.path());
        let finding = self.flows.describe(cx, |message| {
            cx.policy_finding(self.id, path, self.selector.span, message)
        });
        let cluster = cx.cluster;
        let policy = cluster.policy(self.id);
        let home = cluster.workload(self.flows.others[0]).namespace;
        let namespace =
            (home != policy.namespace).then(|| cluster.namespace(policy.namespace).name.as_str());
        let home = &cluster.namespace(home).name;
        let subject = policy.object.pod_selector.get();
        let finding = finding.label(label_of(self.place));
        let promised = |destination: &Endpoint<'_>| self.promised(destination);
        if let Some(span) = self.flows.denied_by(cx, &promised) {
            return at_denial(finding, span, deletable(self.place));
        }
        finding.help(counterpart(subject, home, namespace, self.place))
    }
}

impl<'p, 'c> PluginPromise<'p, 'c> {
    /// A peer of a rule that allows, which names pods by labels.
    fn of(
        cx: &Context<'c>,
        selector: PluginSelector<'c>,
        enforced: &EnforcedRules<'p, 'c>,
    ) -> Option<Self> {
        let cluster = cx.cluster;
        let peer_of = selector.peer_of.filter(|it| it.is_about_some)?;
        selector.pods.as_ref().filter(|pods| !pods.is_empty())?;
        let SelectingPolicy::Plugin(id, _) = selector.of else {
            return None;
        };
        let of_text = enforced.get(&(id, peer_of.rule))?;
        let allows = |rule: &program::Rule<'_>| rule.action == Action::Accept && !rule.is_opaque;
        if !of_text.iter().all(|(_, rule)| allows(rule)) {
            return None;
        }
        let subjects = of_text.iter();
        let subjects = subjects.flat_map(|(pods, _)| plugin_rules::workloads_of(cx, pods));
        let subjects: BTreeSet<WorkloadId> = subjects.collect();
        let flows = Flows {
            direction: peer_of.direction,
            subjects: subjects.into_iter().collect(),
            others: selector.matching(&cx.labelled(), cluster),
        };
        let has_pods = !flows.subjects.is_empty() && !flows.others.is_empty();
        has_pods.then(|| Self {
            selector,
            rules: of_text.iter().map(|(_, rule)| *rule).collect(),
            flows,
        })
    }

    fn is_broken(&self, cx: &Context<'_>, unjudged: &Unjudged) -> bool {
        let promised = |destination: &Endpoint<'_>| self.promised(destination);
        self.flows.are_blocked(cx, unjudged, &promised) && !self.has_port_of_service(cx)
    }

    /// What the rule opens at an end.
    fn promised(&self, destination: &Endpoint<'_>) -> Match {
        let of_rules = self.rules.iter();
        let of_rules = of_rules.map(|rule| engine::ports_of(rule, destination));
        of_rules.fold(Match::exactly(ConnectionSet::none()), |all, one| Match {
            certain: all.certain.union(&one.certain),
            possible: all.possible.union(&one.possible),
        })
    }

    /// Whether, seen from an ingress rule, the sender has an egress rule that names the pods:
    /// then that rule is reported, and once is enough.
    fn is_named_by(&self, all: &[Self]) -> bool {
        let (subjects, others) = (&self.flows.subjects, &self.flows.others);
        let is_counterpart = |other: &Self| {
            other.flows.direction == Direction::Egress
                && other.flows.subjects.iter().any(|id| others.contains(id))
                && other.flows.others.iter().any(|id| subjects.contains(id))
        };
        self.flows.direction == Direction::Ingress && all.iter().any(is_counterpart)
    }

    /// Whether a number is a Service's port: another rule says so.
    fn has_port_of_service(&self, cx: &Context<'_>) -> bool {
        let entries = self
            .rules
            .iter()
            .flat_map(|rule| rule.ports.iter().flatten());
        let numbers = entries.filter_map(|entry| match &entry.ports {
            Ports::Numbers(protocol, ports) => Some((*protocol, ports)),
            _ => None,
        });
        let mut single = numbers.flat_map(|(protocol, ports)| {
            let ranges = ports.ranges().iter();
            ranges
                .filter(|(first, last)| first == last)
                .map(move |(port, _)| (protocol, *port))
        });
        single.any(|(protocol, port)| {
            let destinations = self.flows.destinations();
            !service_ports::translated(cx.cluster, destinations, protocol, port).is_empty()
        })
    }

    fn describe(&self, cx: &Context<'_>) -> Diagnostic {
        let selector = &self.selector;
        let pods = selector.pods.as_ref();
        let span = pods.map_or(selector.meta().name.span, |it| it.requirements_span());
        let finding = self.flows.describe(cx, |message| {
            cx.finding(span, message)
                .about(selector.display(), selector.path.as_str())
        });
        let opposite = self.flows.opposite();
        let finding = finding.label("nothing gets through to these pods");
        let promised = |destination: &Endpoint<'_>| self.promised(destination);
        if let Some(span) = self.flows.denied_by(cx, &promised) {
            return at_denial(finding, span, "rule");
        }
        finding.help(format!(
            "allow it on the other side too, by `{}` in `{}` of a policy for these pods; or \
                 delete this rule",
            selector.field_of_peers(opposite),
            opposite.field(),
        ))
    }
}
