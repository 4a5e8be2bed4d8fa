//! Rules that open only ports on which nobody listens.

use crate::cluster::platform;
use crate::cluster::{PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{
    self, Direction, LabelSelector, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule,
    PortReference, Protocol, RulePlace, Workload,
};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, service_ports, words};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a rule whose ports no container of the pods that it leads to declares, although
    /// all of these pods declare other ports. They are the selected pods for an ingress rule,
    /// and those of the peers for an egress rule whose peers all name pods by labels.
    ///
    /// A port is assumed to be in use if a Service leads to it, or if an argument, environment
    /// variable or annotation of the pods has its number. A port that the pods declare for
    /// another protocol is left to `implicit-protocol`, and a Service's port to
    /// `service-port-not-pod-port`.
    ///
    /// It is an error if another workload of the namespace declares that number: then an
    /// ingress rule is in the wrong policy, or the selector selects the wrong pods.
    ///
    /// ## Why is this bad?
    ///
    /// `containerPort` opens nothing, so a missing one proves nothing by itself. But whoever
    /// declares some ports usually declares most of them. A rule for another one is usually a
    /// copy whose port nobody changed: the port that it was meant for stays closed.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   template:
    ///     metadata: {labels: {app: web}}
    ///     spec: {containers: [{name: web, image: example/web:1, ports: [{containerPort: 8080}]}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: web}}
    ///   ingress:
    ///     - from: [{podSelector: {}}]
    ///       ports: [{protocol: TCP, port: 8081}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   template:
    ///     metadata: {labels: {app: web}}
    ///     spec: {containers: [{name: web, image: example/web:1, ports: [{containerPort: 8080}]}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: web}}
    ///   ingress:
    ///     - from: [{podSelector: {}}]
    ///       ports: [{protocol: TCP, port: 8080}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows which port was meant.
    pub(super) struct UnservedPort {
        name: "unserved-port",
        summary: "a rule for ports that none of the selected pods declare",
        category: Category::Ports,
        severity: Severity::Error,
        tier: Stable,
        evidence: "2 of 2 warnings and errors on 24 public repositories judged right",
        fix: None,
        mutes: &["batch-workload-cut-off", "one-sided-flow", "service-cut-off"],
        since: "0.1.0",
    }
}

impl Rule for UnservedPort {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        if !policy.meta.holes.is_empty() {
            return;
        }
        for place in policy.rule_places() {
            let ports = place.rule.ports.items();
            if ports.is_empty() || !policy.applies_to(place.direction) {
                continue;
            }
            let pods = match place.direction {
                Direction::Ingress => Some(cx.engine.selected(id).to_vec()),
                Direction::Egress => named_by(cx, id, place.rule),
            };
            let Some(pods) = pods.filter(|pods| !pods.is_empty() && all_list_ports(cx, pods))
            else {
                continue;
            };
            let is_unserved = |port: &NetworkPolicyPort| is_unserved(cx, &pods, port);
            if is_among_themselves(cx, id, place.rule) && are_for_clusters(ports) {
                continue;
            }
            if ports.iter().all(is_unserved) {
                let finding = describe(cx, id, place, &pods);
                cx.report(finding);
            }
        }
    }
}

/// Whether a rule is for nobody but the pods that its policy selects, as those of a cluster that
/// talk to each other.
fn is_among_themselves(cx: &Context<'_>, id: PolicyId, rule: &NetworkPolicyRule) -> bool {
    let selected = cx.engine.selected(id);
    let is_own = |peer: &NetworkPolicyPeer| {
        let found = cx.engine.peer_workloads(id, peer);
        !found.is_empty() && found.iter().all(|it| selected.contains(it))
    };
    !rule.peers.items().is_empty() && rule.peers.items().iter().all(is_own)
}

/// Whether ports are those on which the members of a cluster find each other, which few manifests
/// declare: one that is open for both TCP and UDP, or one of a program that is known.
fn are_for_clusters(ports: &[NetworkPolicyPort]) -> bool {
    /// etcd, Erlang and RabbitMQ, Hazelcast, Cassandra, Infinispan and Keycloak, memberlist, Consul
    /// and Serf, Elasticsearch, Redis.
    const KNOWN: &[u16] = &[
        2380, 4369, 5701, 7000, 7001, 7800, 7946, 8301, 8302, 9300, 16379, 25672,
    ];
    let number = |port: &NetworkPolicyPort| match port.port.get().map(|port| &port.value) {
        Some(PortReference::Number(number)) => Some(*number),
        _ => None,
    };
    let is_for_both = |asked: u16| {
        let of_number = ports.iter().filter(|port| number(port) == Some(asked));
        let protocols = of_number.map(NetworkPolicyPort::protocol_or_default);
        let protocols: Vec<Protocol> = protocols.collect();
        protocols.contains(&Protocol::Tcp) && protocols.contains(&Protocol::Udp)
    };
    let mut numbers = ports.iter().map(number);
    numbers.all(|it| it.is_some_and(|it| KNOWN.contains(&it) || is_for_both(it)))
}

/// The pods that the peers of a rule name by their labels; `None` if one of them names no pods,
/// or some that are not among the manifests.
fn named_by(cx: &Context<'_>, id: PolicyId, rule: &NetworkPolicyRule) -> Option<Vec<WorkloadId>> {
    let mut named = Vec::new();
    for peer in rule.peers.items() {
        let (namespaces, pods) = peer.selectors()?;
        let pods = pods.filter(|pods| !pods.is_empty() && !pods.is_opaque())?;
        if namespaces.is_some_and(LabelSelector::is_opaque) || pods.asked_for().is_none() {
            return None;
        }
        let found = cx.engine.peer_workloads(id, peer);
        if found.is_empty() {
            return None;
        }
        named.extend(found);
    }
    named.sort_unstable();
    named.dedup();
    Some(named)
}

/// Whether every workload lists ports, so that they can be believed to be all.
fn all_list_ports(cx: &Context<'_>, workloads: &[WorkloadId]) -> bool {
    workloads.iter().all(|id| {
        let object = &cx.cluster.workload(*id).object;
        object.meta.holes.is_empty() && object.are_ports_known && object.ports().next().is_some()
    })
}

/// Whether nothing known serves an entry of `ports` on any of the workloads.
fn is_unserved(cx: &Context<'_>, workloads: &[WorkloadId], port: &NetworkPolicyPort) -> bool {
    // A name is `unknown-named-port`'s, and without a number every port is meant.
    let Some(PortReference::Number(first)) = port.port.get().map(|port| &port.value) else {
        return false;
    };
    let last = port.end_port.get().map_or(*first, |last| last.value);
    let protocol = port.protocol_or_default();
    let is_meant = |number: u16| (*first..=last).contains(&number);
    let is_served = |id: &WorkloadId| {
        let pod = &cx.cluster.workload(*id).object;
        let mut services = cx.cluster.services_of(*id);
        let mut probed = pod.containers.iter().flat_map(|it| &it.probe_ports);
        pod.ports().any(|declared| is_meant(declared.number.value))
            || probed.any(|port| is_meant(*port))
            || platform::proxy_ports(&pod.labels).any(|port| is_meant(port.number))
            || mentions(pod, is_meant)
            || services.any(|service| {
                let entries = &cx.cluster.service(service).object.ports;
                entries
                    .iter()
                    .any(|entry| entry.ports_of(pod).into_iter().any(is_meant))
            })
    };
    let is_services =
        || !service_ports::translated(cx.cluster, workloads, protocol, *first).is_empty();
    !workloads.iter().any(is_served) && !is_services()
}

/// Whether an argument, a variable or an annotation of a pod has one of the numbers.
fn mentions(pod: &Workload, is_meant: impl Fn(u16) -> bool) -> bool {
    let arguments = pod.containers.iter().flat_map(|it| &it.arguments);
    let variables = pod.containers.iter().flat_map(|it| &it.variables);
    let arguments = arguments.chain(variables.map(|variable| &variable.value));
    let arguments = arguments.map(|text| text.as_str());
    let annotations = pod
        .annotations
        .iter()
        .map(|annotation| annotation.value.value.as_str());
    arguments.chain(annotations).any(|text| {
        let mut numbers = text.split(|next: char| !next.is_ascii_digit());
        numbers.any(|number| number.parse().is_ok_and(&is_meant))
    })
}

fn describe(
    cx: &Context<'_>,
    id: PolicyId,
    place: RulePlace<'_>,
    selected: &[WorkloadId],
) -> Diagnostic {
    let ports = place.rule.ports.items();
    let numbers: Vec<String> = ports.iter().map(in_words).collect();
    let cluster = cx.cluster;
    let is_ingress = place.direction == Direction::Ingress;
    let pods = match selected {
        [only] => format!("`{}`", cluster.workload_name(*only)),
        several if is_ingress => format!("the {} selected workloads", several.len()),
        several => format!("the {} workloads of its peers", several.len()),
    };
    let message = format!(
        "this rule opens only {}, but {pods} {}",
        words::names(&numbers),
        match selected.len() {
            1 => "lists other ports",
            _ => "list other ports",
        }
    );
    let (first, last) = (&ports[0], &ports[ports.len() - 1]);
    let path = format!("{}.ports", place.path());
    let span = first.span.to(last.span);
    let span = if ports.len() == 1 {
        first.port.get().map_or(span, |port| port.span)
    } else {
        span
    };
    let mut finding = cx
        .policy_finding(id, path, span, message)
        .label("no container of these pods has it");
    const SHOWN: usize = 3;
    for workload in selected.iter().take(SHOWN) {
        let mut declared = cluster.workload(*workload).object.ports();
        if let Some(port) = declared.next() {
            let remark = format!(
                "`{}` has {} {}",
                cluster.workload_name(*workload),
                port.protocol,
                port.number
            );
            finding = finding.related(port.number.span, remark);
        }
    }
    match sister(cx, selected, ports) {
        Some(sister) => {
            let selects = match is_ingress {
                true => "this policy does not select it",
                false => "no peer of this rule matches it",
            };
            let of_pods = if is_ingress {
                "the selected pods"
            } else {
                "these pods"
            };
            finding
                .note(format!(
                    "`{}` has it, but {selects}",
                    cluster.workload_name(sister)
                ))
                .help(format!(
                    "write the port of {of_pods}, or select the pods that have this port"
                ))
        }
        None => finding
            .with_severity(Severity::Warning)
            .help("write the port on which the pods listen, or list this one in `containerPort`"),
    }
}

fn in_words(port: &NetworkPolicyPort) -> String {
    let number = port.port.get().map(|port| port.value.to_string());
    let number = number.unwrap_or_default();
    let protocol = port.protocol_or_default();
    match port.end_port.get() {
        Some(last) => format!("{protocol} {number}-{last}"),
        None => format!("{protocol} {number}"),
    }
}

/// The one other workload of the namespace that lists every one of the ports.
fn sister(
    cx: &Context<'_>,
    selected: &[WorkloadId],
    ports: &[NetworkPolicyPort],
) -> Option<WorkloadId> {
    let home = cx.cluster.workload(*selected.first()?).namespace;
    let has = |id: &WorkloadId, port: &NetworkPolicyPort| {
        let mut declared = cx.cluster.workload(*id).object.ports();
        let wanted = port.port.get().map(|port| &port.value);
        declared.any(|declared| {
            declared.protocol == port.protocol_or_default()
                && wanted == Some(&PortReference::Number(declared.number.value))
        })
    };
    let others = cx.cluster.workloads_in(home);
    let mut others =
        others.filter(|id| !selected.contains(id) && ports.iter().all(|port| has(id, port)));
    let first = others.next()?;
    others.next().is_none().then_some(first)
}
