//! Named ports that mean nothing at the destination.

use crate::cluster::platform;
use crate::cluster::{PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::PodView;
use crate::k8s::{
    self, Action, ContainerPort, Direction, NetworkPolicyPort, NetworkPolicyRule, PortReference,
    Protocol, is_opaque,
};
use crate::lint::named_ports::named_ports;
use crate::lint::plugin_rules::PluginPortName;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};
use crate::source::Span;
use std::collections::{BTreeMap, BTreeSet};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a named port that no container of the destination has: of the selected pods for
    /// `ingress`, of the peer's pods for `egress`. Also reports a named port in an `egress`
    /// rule whose peers are all addresses.
    ///
    /// Cluster-wide policies, and those of Cilium and Calico, are checked as well.
    ///
    /// ## Why is this bad?
    ///
    /// A port name is looked up in the `ports` of the destination's containers, with the rule's
    /// protocol. If no container has it, the rule allows, or denies, nothing. The name of a Service's port
    /// does not count, and addresses have no port names at all.
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
    ///     spec:
    ///       containers:
    ///         - {name: web, image: example/web:1, ports: [{name: http, containerPort: 8080}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: web}}
    ///   ingress:
    ///     - ports: [{protocol: TCP, port: web}]
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
    ///     spec:
    ///       containers:
    ///         - {name: web, image: example/web:1, ports: [{name: http, containerPort: 8080}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: web}}
    ///   ingress:
    ///     - ports: [{protocol: TCP, port: http}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the rule may have the wrong name, or the container may lack
    /// it. The help lists the names that the pods have.
    pub(super) struct UnknownNamedPort {
        name: "unknown-named-port",
        summary: "a named port that no destination container has",
        category: Category::Ports,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &[
            "batch-workload-cut-off",
            "entrypoint-blocked",
            "one-sided-flow",
            "scrape-blocked",
            "service-cut-off",
        ],
        since: "0.1.0",
    }
}

impl Rule for UnknownNamedPort {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        // Those of ingress rules are the same for all of them.
        let mut of_ingress = None;
        for place in policy.rule_places() {
            let mut of_rule = None;
            let destinations = match place.direction {
                Direction::Ingress => &mut of_ingress,
                Direction::Egress => &mut of_rule,
            };
            for (port_index, entry) in place.rule.ports.items().iter().enumerate() {
                let Some((name, span)) = named(entry) else {
                    continue;
                };
                let named = Named {
                    id,
                    direction: place.direction,
                    path: format!("{}.ports[{port_index}].port", place.path()),
                    name,
                    span,
                    entry,
                };
                if let Some(finding) = named.check(cx, place.rule, destinations) {
                    cx.report(finding);
                }
            }
        }
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let has_plugin_policies = !cx.cluster.plugin_policies().is_empty();
        if has_plugin_policies || cx.cluster.cluster_policy_ids().next().is_some() {
            for finding in of_other_kinds(cx) {
                cx.report(finding);
            }
        }
    }
}

/// Names in cluster-wide policies, and in those of the CNI plugin, that no pod has at which they
/// are looked up.
fn of_other_kinds(cx: &Context<'_>) -> Vec<Diagnostic> {
    // A rule may be there once for each family of addresses.
    let mut found: BTreeMap<Span, Diagnostic> = BTreeMap::new();
    let mut known: Option<Destinations<'_>> = None;
    for rule in named_ports(cx) {
        if known.as_ref().is_none_or(|known| known.pods != rule.pods) {
            known = None;
        }
        let destinations = known.get_or_insert_with(|| Destinations::new(cx, rule.pods.clone()));
        for port in &rule.names {
            if rule.pods.iter().any(|id| may_have(cx, *id, port)) {
                continue;
            }
            let missing = Missing {
                object: cx.object_of(rule.policy),
                path: rule.path.clone(),
                name: port.name,
                span: port.span,
                protocol: port.protocol,
                action: rule.action,
            };
            found
                .entry(port.span)
                .or_insert_with(|| missing.describe(cx, destinations));
        }
    }
    found.into_values().collect()
}

/// Whether a pod may have a port of this name. Plugins differ in whether those of init containers
/// count, and Cilium compares names in lower case.
fn may_have(cx: &Context<'_>, id: WorkloadId, port: &PluginPortName<'_>) -> bool {
    let pod = &cx.cluster.workload(id).object;
    let mut ports = pod.containers.iter().flat_map(|it| &it.ports);
    let has_name = |name: Option<&str>| name.is_some_and(|it| it.eq_ignore_ascii_case(port.name));
    // The container of a proxy is in no manifest.
    let mut of_proxy = platform::proxy_ports(&pod.labels);
    ports
        .any(|it| has_name(name_of(it)) && port.protocol.is_none_or(|wanted| wanted == it.protocol))
        || of_proxy.any(|port| has_name(port.name))
        || !pod.meta.holes.is_empty()
}

/// The name of an entry, unless another tool fills it in.
fn named(entry: &NetworkPolicyPort) -> Option<(&str, Span)> {
    let port = entry.port.get()?;
    match &port.value {
        PortReference::Name(name) if !is_opaque(name) => Some((name, port.span)),
        PortReference::Name(_) | PortReference::Number(_) => None,
    }
}

/// A named port in a rule.
struct Named<'p> {
    id: PolicyId,
    direction: Direction,
    path: String,
    name: &'p str,
    span: Span,
    entry: &'p NetworkPolicyPort,
}

impl Named<'_> {
    /// `known` keeps where names are looked up, for other ports.
    fn check<'c>(
        &self,
        cx: &Context<'c>,
        rule: &NetworkPolicyRule,
        known: &mut Option<Option<Destinations<'c>>>,
    ) -> Option<Diagnostic> {
        let peers = rule.peers.items();
        let is_address = |peer: &k8s::NetworkPolicyPeer| peer.ip_block.get().is_some();
        if self.direction == Direction::Egress && !peers.is_empty() && peers.iter().all(is_address)
        {
            let message = format!(
                "addresses have no named ports, so `{}` allows nothing",
                self.name
            );
            let finding = cx
                .policy_finding(self.id, self.path.clone(), self.span, message)
                .with_severity(Severity::Warning)
                .label("names are looked up in the ports of pods")
                .help("write the number");
            return Some(finding);
        }
        let destinations = known.get_or_insert_with(|| {
            let destinations = self.destinations(cx, rule)?;
            Some(Destinations::new(cx, destinations))
        });
        let destinations = destinations.as_ref()?;
        let protocol = self.entry.protocol_or_default();
        if destinations.may_have(self.name, protocol) {
            return None;
        }
        let missing = Missing {
            object: cx.policy_object(self.id),
            path: self.path.clone(),
            name: self.name,
            span: self.span,
            protocol: Some(protocol),
            action: Action::Accept,
        };
        Some(missing.describe(cx, destinations))
    }

    /// The pods that the name may be looked up at; `None` where too little is known of them.
    fn destinations(&self, cx: &Context<'_>, rule: &NetworkPolicyRule) -> Option<Vec<WorkloadId>> {
        let cluster = cx.cluster;
        let own = &cluster.namespace(cluster.policy(self.id).namespace).name;
        if self.direction == Direction::Ingress {
            let selector = cluster.policy(self.id).object.pod_selector.get();
            let is_about_some = selector.is_some_and(|selector| !selector.is_empty());
            let selected = cx.engine.selected(self.id);
            // A policy for all pods is for those that nobody has seen, too.
            let is_known = is_about_some || cx.settings.inventory.is_complete_in(own);
            return (is_known && !selected.is_empty()).then(|| selected.to_vec());
        }
        let mut all = Vec::new();
        for peer in rule.peers.items() {
            let (_, pods) = peer.selectors()?;
            let matched = cx.engine.peer_workloads(self.id, peer);
            let is_about_some = pods.is_some_and(|pods| !pods.is_empty());
            let is_known = is_about_some || cx.settings.inventory.is_complete();
            if matched.is_empty() || !is_known {
                return None;
            }
            all.extend(matched);
        }
        all.sort_unstable();
        all.dedup();
        (!all.is_empty()).then_some(all)
    }
}

/// The pods that names are looked up at, with their ports.
struct Destinations<'c> {
    pods: Vec<WorkloadId>,
    /// What a name of a port can mean at one of them (S7).
    meant: BTreeSet<(&'c str, Protocol)>,
    /// The names of ports of proxies, whose containers are in no manifest.
    of_proxies: BTreeSet<&'static str>,
    /// Whether another tool fills in ports of one of them.
    are_open: bool,
    /// Whether everything in their namespaces is known.
    are_all_known: bool,
    ports: Vec<&'c ContainerPort>,
    /// By name: the first one in `ports`.
    by_name: BTreeMap<&'c str, &'c ContainerPort>,
    /// In words, by protocol.
    in_words: BTreeMap<Protocol, BTreeSet<String>>,
}

impl<'c> Destinations<'c> {
    fn new(cx: &Context<'c>, pods: Vec<WorkloadId>) -> Self {
        let cluster = cx.cluster;
        let mut destinations = Self {
            pods,
            meant: BTreeSet::new(),
            of_proxies: BTreeSet::new(),
            are_open: false,
            are_all_known: true,
            ports: Vec::new(),
            by_name: BTreeMap::new(),
            in_words: BTreeMap::new(),
        };
        for id in &destinations.pods {
            let workload = cluster.workload(*id);
            let view = PodView::workload(cluster, *id);
            let named = view.named_ports.iter();
            destinations
                .meant
                .extend(named.map(|(name, protocol, _)| (*name, *protocol)));
            destinations.are_open |= !view.are_ports_known;
            let of_proxies = platform::proxy_ports(&workload.object.labels);
            destinations
                .of_proxies
                .extend(of_proxies.filter_map(|it| it.name));
            let namespace = &cluster.namespace(workload.namespace).name;
            destinations.are_all_known &= cx.settings.inventory.is_complete_in(namespace);
            destinations.ports.extend(workload.object.ports());
        }
        for port in &destinations.ports {
            if let Some(name) = name_of(port) {
                destinations.by_name.entry(name).or_insert(port);
            }
            let words = match name_of(port) {
                Some(name) => format!("`{name}` ({})", port.number),
                None => format!("{}, without a name", port.number),
            };
            let of_protocol = destinations.in_words.entry(port.protocol).or_default();
            of_protocol.insert(words);
        }
        destinations
    }

    fn may_have(&self, name: &str, protocol: Protocol) -> bool {
        self.are_open || self.meant.contains(&(name, protocol)) || self.of_proxies.contains(name)
    }
}

/// A name that no container of the pods has that it is looked up at.
struct Missing<'p> {
    /// The policy, as findings name it.
    object: String,
    path: String,
    name: &'p str,
    span: Span,
    /// The protocol that the port must have; any where `None`.
    protocol: Option<Protocol>,
    /// What its rule does.
    action: Action,
}

impl Missing<'_> {
    fn describe(&self, cx: &Context<'_>, destinations: &Destinations<'_>) -> Diagnostic {
        let cluster = cx.cluster;
        let whose = match destinations.pods.as_slice() {
            [one] => format!("`{}`", cluster.workload_name(*one)),
            several => format!("the {} possible destinations", several.len()),
        };
        let kind = match self.protocol {
            Some(protocol) => format!("{protocol} port"),
            None => "port".to_owned(),
        };
        let message = format!("no container of {whose} has a {kind} named `{}`", self.name);
        let severity = if destinations.are_all_known {
            Severity::Error
        } else {
            Severity::Warning
        };
        let mut finding = cx
            .finding(self.span, message)
            .about(self.object.clone(), self.path.clone())
            .with_severity(severity)
            .label(match self.action {
                Action::Accept => "matches no port, so it allows nothing",
                Action::Deny => "matches no port, so it denies nothing",
                Action::Pass => "matches no port, so nothing passes on",
            });
        if let Some(port) = destinations.by_name.get(self.name) {
            let note = format!("`{}` is a {} port here", self.name, port.protocol);
            return finding
                .related(port.number.span, note)
                .help(format!("write `protocol: {}`", port.protocol));
        }
        if let Some(port) = destinations.ports.first() {
            finding = finding.related(port.number.span, "a port of these pods");
        }
        const SHOWN: usize = 5;
        let is_meant = |protocol| self.protocol.is_none_or(|wanted| wanted == protocol);
        let known = destinations.in_words.iter();
        let known = known.filter(|(protocol, _)| is_meant(**protocol));
        let known: BTreeSet<&str> = known
            .flat_map(|(_, words)| words.iter().take(SHOWN))
            .map(String::as_str)
            .collect();
        let known: Vec<&str> = known.into_iter().take(SHOWN).collect();
        if known.is_empty() {
            finding.help("name the port in the container, or write the number")
        } else {
            finding.help(format!("these pods have {}", known.join(", ")))
        }
    }
}

fn name_of(port: &ContainerPort) -> Option<&str> {
    port.name.as_ref().map(|name| name.value.as_str())
}
