//! Port numbers of a Service where the port of its pods is meant.

use crate::cluster::{NamespaceId, PolicyId, ServiceId, WorkloadId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::engine::{self, ConnectionSet, Endpoint};
use crate::k8s::{
    self, CalicoAction, CalicoPort, CalicoProtocol, CalicoRule, Direction, Label, LabelSelector,
    NetworkPolicyPort, NetworkPolicyRule, PortReference, Protocol, RulePlace, Service, ServicePort,
    TargetPort,
};
use crate::lint::plugin_rules::{self, CalicoPlace, EnforcedRules};
use crate::lint::plugin_selectors::PluginSelector;
use crate::lint::service_ports::{self, Translated};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, dns, text};
use crate::source::{Edit, SourceMap, Span};
use std::collections::{BTreeMap, BTreeSet, HashMap};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a port number that none of the pods declares, but that a Service in front of
    /// them maps to another port.
    ///
    /// ## Why is this bad?
    ///
    /// Policies see a connection at the pod, after the Service has been translated. A rule with
    /// the Service's port opens a port that nothing listens on, and the port in use stays
    /// closed. The mistake is easy to miss, because clients do connect to the Service's port.
    ///
    /// Where the pods are not in the manifests, and a Service for pods with the very labels that
    /// the policy or the peer asks for is, its `targetPort` says what they listen on; that is a
    /// warning.
    ///
    /// It is not reported if the rule has both numbers, because some CNI plugins look at the
    /// Service's port as well.
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
    ///     spec:
    ///       containers:
    ///         - {name: api, image: example/api:1, ports: [{containerPort: 8080}]}
    /// ---
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   selector: {app: api}
    ///   ports: [{port: 80, targetPort: 8080}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   ingress:
    ///     - ports: [{protocol: TCP, port: 80}]
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
    ///     spec:
    ///       containers:
    ///         - {name: api, image: example/api:1, ports: [{containerPort: 8080}]}
    /// ---
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   selector: {app: api}
    ///   ports: [{port: 80, targetPort: 8080}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   ingress:
    ///     - ports: [{protocol: TCP, port: 8080}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: the fix adds the pods' port next to the existing one, so that nothing stops
    /// working. Delete the old number once you have checked it.
    pub(super) struct ServicePortNotPodPort {
        name: "service-port-not-pod-port",
        summary: "a rule has a Service's port, but the pods listen on another one",
        category: Category::Ports,
        severity: Severity::Error,
        tier: Stable,
        evidence: "7 of 7 warnings and errors on 82 public repositories (58 of them in excerpts) judged right; `webhook-blocked` now says three of them",
        fix: Some(FixClass::Widening),
        mutes: &["batch-workload-cut-off", "service-cut-off"],
        since: "0.1.0",
    }
}

impl Rule for ServicePortNotPodPort {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        for place in policy.rule_places() {
            let Some(destinations) = destinations(cx, id, place.direction, place.rule) else {
                for port_index in 0..place.rule.ports.items().len() {
                    if let Some(finding) = of_service_alone(cx, id, place, port_index) {
                        cx.report(finding);
                    }
                }
                continue;
            };
            for port_index in 0..place.rule.ports.items().len() {
                check(cx, id, place, port_index, &destinations);
            }
        }
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let places: Vec<CalicoPlace<'_>> = plugin_rules::calico_rules(cx.cluster).collect();
        if places.is_empty() {
            return;
        }
        let program = cx.program();
        let enforced = plugin_rules::enforced(&program);
        let selectors = cx.selectors_beyond();
        let peers = selectors.iter();
        let peers = peers.filter_map(|place| Some((place.peer_of?.rule, place)));
        let peers: HashMap<Span, &PluginSelector<'_>> = peers.collect();
        for place in &places {
            for finding in of_calico(cx, place, &enforced, &peers) {
                cx.report(finding);
            }
        }
    }
}

/// The findings about the ports of a rule of Calico's, as of any other; Cilium's have a rule of
/// their own.
fn of_calico(
    cx: &Context<'_>,
    place: &CalicoPlace<'_>,
    enforced: &EnforcedRules<'_, '_>,
    peers: &HashMap<Span, &PluginSelector<'_>>,
) -> Vec<Diagnostic> {
    let Some(protocol) = protocol_of(place.rule) else {
        return Vec::new();
    };
    let destinations = match place.direction {
        Direction::Ingress => {
            let rules = enforced.get(&(place.policy.id, place.rule.span));
            let subject = rules.and_then(|rules| rules.first());
            subject.map(|(pods, _)| plugin_rules::workloads_of(cx, pods))
        }
        Direction::Egress => {
            let peer = peers.get(&place.rule.span);
            peer.map(|peer| peer.matching(&cx.labelled(), cx.cluster))
        }
    };
    let Some(destinations) = destinations.filter(|it| !it.is_empty()) else {
        return Vec::new();
    };
    let rules = place.policy.policy.rules(place.direction).iter();
    let opened: Vec<&CalicoPort> = rules
        .flat_map(|rule| rule.destination.ports.iter().map(|port| &port.value))
        .collect();
    let is_there = |number: u16| {
        let mut opened = opened.iter();
        opened.any(|port| match port {
            CalicoPort::Range(first, last) => (*first..=*last).contains(&number),
            CalicoPort::Name(_) => true,
        })
    };
    let ports = place.rule.destination.ports.iter().enumerate();
    let found = ports.filter_map(|(index, port)| {
        let CalicoPort::Range(number, last) = port.value else {
            return None;
        };
        let found = service_ports::translated(cx.cluster, &destinations, protocol, number);
        let first = found.first().filter(|_| number == last)?;
        if found.iter().any(|it| is_there(it.pod_port)) {
            return None;
        }
        let path = format!("{}.destination.ports[{index}]", place.path());
        let finding = cx.finding(port.span, mapped_in_words(cx, first));
        let finding = finding.about(place.policy.object.display(), path);
        Some(at_service(cx, finding, first))
    });
    found.collect()
}

/// The protocol of a rule that allows connections to ports.
fn protocol_of(rule: &CalicoRule) -> Option<Protocol> {
    let allows = rule.action.value == CalicoAction::Allow && rule.not_protocol.is_none();
    match rule.protocol.as_ref().map(|protocol| protocol.value) {
        Some(CalicoProtocol::Of(protocol)) => Some(protocol).filter(|_| allows),
        _ => None,
    }
}

/// What a Service's port is in place of which port of the pods.
fn mapped_in_words(cx: &Context<'_>, first: &Translated<'_>) -> String {
    format!(
        "{} is the port of Service `{}`; the pods of `{}` listen on {}",
        first.service_port.port.value,
        cx.cluster.service(first.service).object.meta.name,
        cx.cluster.workload_name(first.workload),
        first.pod_port
    )
}

/// The finding with the Service's entry, and what to write.
fn at_service(cx: &Context<'_>, finding: Diagnostic, first: &Translated<'_>) -> Diagnostic {
    let service = &cx.cluster.service(first.service).object.meta.name;
    let number = first.service_port.port.value;
    finding
        .label("policies see the pods' port, not the Service's")
        .related(
            first.service_port.span,
            format!("`{service}` maps {number} to {}", first.pod_port),
        )
        .help(format!("write {} instead of {number}", first.pod_port))
}

/// The workloads whose ports a rule is about; `None` where some of them may not be known.
fn destinations(
    cx: &Context<'_>,
    id: PolicyId,
    direction: Direction,
    rule: &NetworkPolicyRule,
) -> Option<Vec<WorkloadId>> {
    if direction == Direction::Ingress {
        let selected = cx.engine.selected(id);
        return (!selected.is_empty()).then(|| selected.to_vec());
    }
    let mut all = Vec::new();
    for peer in rule.peers.items() {
        let matched = cx.engine.peer_workloads(id, peer);
        if matched.is_empty() {
            // Addresses, or pods that nobody has seen: the number may be meant for them.
            return None;
        }
        all.extend(matched);
    }
    all.sort_unstable();
    all.dedup();
    (!all.is_empty()).then_some(all)
}

fn check(
    cx: &mut Context<'_>,
    id: PolicyId,
    place: RulePlace<'_>,
    port_index: usize,
    destinations: &[WorkloadId],
) {
    let entry = &place.rule.ports.items()[port_index];
    let Some(number) = single_number(entry) else {
        return;
    };
    let protocol = entry.protocol_or_default();
    let found = service_ports::translated(cx.cluster, destinations, protocol, number);
    let policy = &cx.cluster.policy(id).object;
    let is_there = |translated: &Translated<'_>| {
        let pods = Endpoint::workload(cx.cluster, translated.workload);
        policy.rules(place.direction).iter().any(|rule| {
            let ports = engine::ports_at(rule.ports.items(), &pods);
            ports.possible.contains(protocol, translated.pod_port)
        })
    };
    let (Some(first), false) = (found.first(), found.iter().any(is_there)) else {
        if let Some(finding) = only_some(cx, id, place, port_index, destinations) {
            cx.report(finding);
        }
        return;
    };
    let span = entry.port.get().map_or(entry.span, |port| port.span);
    let finding = describe(cx, id, place, port_index, span, &found);
    let is_only_one = found.iter().all(|it| it.pod_port == first.pod_port);
    let fix = is_only_one
        .then(|| add_port(cx.sources, entry, span, first.pod_port))
        .flatten();
    cx.report(match fix {
        Some(fix) => finding.fix(fix),
        None => finding,
    });
}

/// The pods whose ports a rule is about, where no manifest has them: their namespace, and the
/// labels that they have for certain.
fn undeclared<'p>(
    cx: &Context<'_>,
    id: PolicyId,
    place: RulePlace<'p>,
    subject: Option<&'p LabelSelector>,
) -> Option<(NamespaceId, &'p [Label])> {
    let cluster = cx.cluster;
    let own = cluster.policy(id).namespace;
    let (namespace, pods) = match place.direction {
        Direction::Ingress => (own, subject?),
        Direction::Egress => {
            let [peer] = place.rule.peers.items() else {
                return None;
            };
            let (namespaces, pods) = peer.selectors()?;
            let namespace = match namespaces {
                None => own,
                Some(named) => cluster.namespace_by_name(dns::only_name(named)?)?,
            };
            (namespace, pods?)
        }
    };
    let is_plain = pods.match_expressions.is_empty() && !pods.is_opaque();
    let is_known = !cx.labelled().may_match(&[namespace], pods).is_empty();
    (is_plain && !pods.is_empty() && !is_known).then_some((namespace, pods.match_labels.as_slice()))
}

/// The finding about a number that is the port of a Service for pods that no manifest has, and
/// that it maps to another one, which no rule of the policy opens.
fn of_service_alone(
    cx: &Context<'_>,
    id: PolicyId,
    place: RulePlace<'_>,
    port_index: usize,
) -> Option<Diagnostic> {
    let cluster = cx.cluster;
    let entry = &place.rule.ports.items()[port_index];
    let number = single_number(entry)?;
    let protocol = entry.protocol_or_default();
    let policy = &cluster.policy(id).object;
    let (namespace, labels) = undeclared(cx, id, place, policy.pod_selector.get())?;
    let is_for_them = |service: &ServiceId| {
        let service = &cluster.service(*service).object;
        let has = |label: &Label| {
            let selector = service.selector.as_ref();
            selector.and_then(|it| it.get(&label.key)) == Some(label.value.as_str())
        };
        // Whoever asks for the name of a headless one connects to the pods themselves.
        service.cluster_ip.as_deref() != Some("None") && labels.iter().all(has)
    };
    let services = cluster.services_in(namespace).filter(is_for_them);
    let services: Vec<&Service> = services.map(|it| &*cluster.service(it).object).collect();
    let entries = || {
        let entries = services
            .iter()
            .flat_map(|it| it.ports.iter().map(move |port| (*it, port)));
        entries.filter(|(_, port)| port.protocol == protocol)
    };
    let may_listen = |(_, port): (&Service, &ServicePort)| match port.target_port {
        TargetPort::Number(target) => target == number,
        TargetPort::Name(_) => true,
    };
    if entries().any(may_listen) {
        return None;
    }
    let (service, mapped) = entries().find(|(_, port)| port.port.value == number)?;
    let TargetPort::Number(target) = mapped.target_port else {
        return None;
    };
    let opens = |rule: &NetworkPolicyRule| {
        let ports = rule.ports.items();
        ports.is_empty() || ports.iter().any(|it| may_be(it, protocol, target))
    };
    if policy.rules(place.direction).iter().any(opens) {
        return None;
    }
    let name = &service.meta.name;
    let span = entry.port.get().map_or(entry.span, |port| port.span);
    let path = format!("{}.ports[{port_index}].port", place.path());
    let message = format!("{number} is the port of Service `{name}`; its pods listen on {target}");
    let finding = cx
        .policy_finding(id, path, span, message)
        .with_severity(Severity::Warning)
        .label("policies see the pods' port, not the Service's")
        .related(mapped.span, format!("`{name}` maps {number} to {target}"))
        .help(format!("write {target} instead of {number}"));
    Some(match add_port(cx.sources, entry, span, target) {
        Some(fix) => finding.fix(fix),
        None => finding,
    })
}

/// Whether an entry has a port among its own, or may have it by a name.
fn may_be(entry: &NetworkPolicyPort, protocol: Protocol, port: u16) -> bool {
    let last = entry.end_port.get().map(|last| last.value);
    entry.protocol_or_default() == protocol
        && match entry.port.get().map(|port| &port.value) {
            Some(PortReference::Number(first)) => (*first..=last.unwrap_or(*first)).contains(&port),
            Some(PortReference::Name(_)) | None => true,
        }
}

/// The number of an entry that is one number.
fn single_number(entry: &NetworkPolicyPort) -> Option<u16> {
    match entry.port.get()?.value {
        PortReference::Number(number) if entry.end_port.get().is_none() => Some(number),
        PortReference::Number(_) | PortReference::Name(_) => None,
    }
}

/// A finding about a number that is right for some of the pods behind a Service, where its
/// named target port is another number for others.
fn only_some(
    cx: &Context<'_>,
    id: PolicyId,
    place: RulePlace<'_>,
    port_index: usize,
    destinations: &[WorkloadId],
) -> Option<Diagnostic> {
    /// How many workloads are looked at: more of one rule are no parts of one Service.
    const LOOKED_AT: usize = 50;
    let cluster = cx.cluster;
    let entry = &place.rule.ports.items()[port_index];
    let number = single_number(entry)?;
    let protocol = entry.protocol_or_default();
    let policy = &cluster.policy(id).object;
    // A Service may have thousands of ports that lead to one workload.
    let mut opened: BTreeMap<WorkloadId, ConnectionSet> = BTreeMap::new();
    let mut is_open = |workload: WorkloadId, port: u16| {
        let opened = opened.entry(workload).or_insert_with(|| {
            let pods = Endpoint::workload(cluster, workload);
            let rules = policy.rules(place.direction).iter();
            let ports = rules.map(|rule| engine::ports_at(rule.ports.items(), &pods).possible);
            ports.fold(ConnectionSet::default(), |one, other| one.union(&other))
        });
        opened.contains(protocol, port)
    };
    let first = *destinations
        .first()
        .filter(|_| destinations.len() <= LOOKED_AT)?;
    let namespace = cluster.workload(first).namespace;
    let services = destinations.iter().flat_map(|id| cluster.services_of(*id));
    let services: BTreeSet<ServiceId> = services
        .filter(|id| cluster.service(*id).namespace == namespace)
        .collect();
    services.into_iter().find_map(|service| {
        let object = &cluster.service(service).object;
        let named = object.ports.iter().filter(|port| {
            port.protocol == protocol && matches!(port.target_port, TargetPort::Name(_))
        });
        let mut named = named.peekable();
        named.peek()?;
        let behind: Vec<WorkloadId> = cluster
            .workloads_behind(service)
            .filter(|id| destinations.binary_search(id).is_ok())
            .collect();
        named.find_map(|port| {
            let ports_of = |id: WorkloadId| cluster.ports_behind(port, id);
            let is_right = behind.iter().any(|id| ports_of(*id).contains(&number));
            let closed = behind.iter().find_map(|id| {
                let ports = ports_of(*id);
                let is_closed = !ports.iter().any(|port| is_open(*id, *port));
                ports.first().filter(|_| is_closed).map(|port| (*id, *port))
            });
            let (other, pod_port) = closed.filter(|_| is_right)?;
            let span = entry.port.get().map_or(entry.span, |port| port.span);
            let path = format!("{}.ports[{port_index}].port", place.path());
            let name = cluster.workload_name(other);
            let message = format!(
                "{number} is not the port of all pods behind Service `{}`: those of `{name}` \
                 listen on {pod_port}",
                object.meta.name
            );
            let finding = cx
                .policy_finding(id, path, span, message)
                .with_severity(Severity::Warning)
                .label("connections to the Service fail when they reach those pods")
                .related(
                    port.span,
                    "a named port, with different numbers on different pods",
                )
                .help(format!("write the name of the port, or add {pod_port}"));
            Some(finding)
        })
    })
}

fn describe(
    cx: &Context<'_>,
    id: PolicyId,
    place: RulePlace<'_>,
    port_index: usize,
    span: Span,
    found: &[Translated<'_>],
) -> Diagnostic {
    let (cluster, first) = (cx.cluster, &found[0]);
    let path = format!("{}.ports[{port_index}].port", place.path());
    let finding = cx.policy_finding(id, path, span, mapped_in_words(cx, first));
    let finding = at_service(cx, finding, first);
    let mut others: Vec<String> = found[1..]
        .iter()
        .filter(|other| other.pod_port != first.pod_port)
        .map(|other| {
            format!(
                "`{}` on {}",
                cluster.workload_name(other.workload),
                other.pod_port
            )
        })
        .collect();
    others.dedup();
    match others.is_empty() {
        true => finding,
        false => finding.note(format!("also behind that port: {}", others.join(", "))),
    }
}

/// Adds a copy of the entry with the other number behind it, in its style.
fn add_port(
    sources: &SourceMap,
    entry: &NetworkPolicyPort,
    number: Span,
    pod_port: u16,
) -> Option<Fix> {
    let source = sources.get(entry.span.source).text();
    let before = &source[entry.span.start as usize..number.start as usize];
    let after = &source[number.end as usize..entry.span.end as usize];
    // Only the number itself: a comment or an anchor would come along twice.
    let is_simple = |text: &str| !text.contains(['#', '&', '*']);
    if !is_simple(before) || !is_simple(after) {
        return None;
    }
    let copy = format!("{before}{pod_port}{after}");
    let edit = match entry.dash {
        None => Edit {
            span: entry.span.after(),
            replacement: format!(", {copy}"),
        },
        Some(dash) => {
            let column = text::indentation(sources, dash)?;
            let gap = &source[dash.end as usize..entry.span.start as usize];
            // A comment behind the hyphen would come along twice.
            if !gap.bytes().all(|byte| byte == b' ') {
                return None;
            }
            let lines = format!("{}-{gap}{copy}", " ".repeat(column));
            text::insert_lines_after(sources, entry.span, &[lines])
        }
    };
    Some(Fix {
        title: format!("add {pod_port}, the port of the pods"),
        class: FixClass::Widening,
        edits: vec![edit],
    })
}
