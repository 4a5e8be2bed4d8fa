//! Ports without a protocol, which are TCP ports.

use crate::cluster::{PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::k8s::{
    self, ContainerPort, Direction, NetworkPolicyPort, NetworkPolicyRule, PortReference, Protocol,
};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, text};
use crate::source::{Edit, SourceMap, line_break};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a TCP port where another protocol is meant: the pods declare that number only
    /// for UDP or SCTP, or `protocol` is missing and the port belongs to a UDP-only service
    /// (NTP, SNMP, DHCP, TFTP, IKE, RADIUS, VXLAN, WireGuard). A port with any other `protocol`
    /// than the pods declare is reported too.
    ///
    /// If you name the rule in the configuration, it reports every port without a `protocol`,
    /// as an info.
    ///
    /// ## Why is this bad?
    ///
    /// A missing `protocol` means TCP, not "any". The rule opens a TCP port that nothing
    /// listens on, and the UDP port stays closed.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: time, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - ports:
    ///         - port: 123
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: time, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - ports:
    ///         - protocol: UDP
    ///           port: 123
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Safe: if TCP is plausible, the fix writes down `protocol: TCP`, which already applies.
    /// If UDP is meant there is no fix, because it would close the TCP port.
    ///
    /// ## Configuration
    ///
    /// Name the rule under `rules` (for example `implicit-protocol: info`) to report every port
    /// without a protocol.
    pub(super) struct ImplicitProtocol {
        name: "implicit-protocol",
        summary: "a port with a protocol that the pods do not use, usually because TCP is the default",
        category: Category::Ports,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: Some(FixClass::Safe),
        mutes: &[],
        since: "0.1.0",
    }
}

/// Services that speak UDP and nothing else, by their port (IANA's registry; RFC 8085 has
/// none of them on TCP). Left out are those that are met on both, as DNS, syslog and STUN,
/// and those whose number something else has on TCP, as IPsec (4500, FoundationDB) and
/// Geneve (6081, Varnish).
const UDP_SERVICES: &[(u16, &str)] = &[
    (67, "DHCP"),
    (68, "DHCP"),
    (69, "TFTP"),
    (123, "NTP"),
    (161, "SNMP"),
    (500, "IKE"),
    (1812, "RADIUS"),
    (1813, "RADIUS accounting"),
    (4789, "VXLAN"),
    (51820, "WireGuard"),
];

impl Rule for ImplicitProtocol {
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
            for (port_index, entry) in place.rule.ports.items().iter().enumerate() {
                let path = format!("{}.ports[{port_index}]", place.path());
                let evidence = evidence(cx, id, place.direction, place.rule, entry);
                let finding = match evidence {
                    Some(evidence) => Some(meant(cx, id, path, entry, &evidence)),
                    None if entry.protocol.get().is_none() && cx.is_asked_for() => {
                        Some(implicit(cx, id, path, entry))
                    }
                    None => None,
                };
                if let Some(finding) = finding {
                    cx.report(finding);
                }
            }
        }
    }
}

/// Why another protocol is believed to be meant.
enum Evidence<'c> {
    /// Pods have the port, and only for another protocol.
    Declared(WorkloadId, &'c ContainerPort),
    /// Everybody knows what listens there.
    WellKnown(u16, &'static str),
}

impl Evidence<'_> {
    fn protocol(&self) -> Protocol {
        match self {
            Self::Declared(_, port) => port.protocol,
            Self::WellKnown(..) => Protocol::Udp,
        }
    }
}

fn evidence<'c>(
    cx: &Context<'c>,
    id: PolicyId,
    direction: Direction,
    rule: &NetworkPolicyRule,
    entry: &NetworkPolicyPort,
) -> Option<Evidence<'c>> {
    // What a name means another rule speaks of; a range is meant for more than one port.
    let PortReference::Number(number) = entry.port.get()?.value else {
        return None;
    };
    if entry.end_port.get().is_some() {
        return None;
    }
    let found = match declared(cx, &destinations(cx, id, direction, rule), entry, number) {
        Declared::AsWritten => return None,
        Declared::Otherwise(workload, port) => Some(Evidence::Declared(workload, port)),
        Declared::Nowhere => {
            let mut services = UDP_SERVICES.iter();
            let known = services.find(|(known, _)| *known == number);
            let known = known.filter(|_| entry.protocol.get().is_none());
            known.map(|(number, service)| Evidence::WellKnown(*number, service))
        }
    }?;
    // The pair of both protocols is how DNS and QUIC are written.
    let is_its_pair = |other: &NetworkPolicyPort| {
        other.port.get().map(|port| &port.value) == Some(&PortReference::Number(number))
            && other.protocol_or_default() == found.protocol()
    };
    (!rule.ports.items().iter().any(is_its_pair)).then_some(found)
}

/// The pods that the ports are ports of, as far as they are known.
fn destinations(
    cx: &Context<'_>,
    id: PolicyId,
    direction: Direction,
    rule: &NetworkPolicyRule,
) -> Vec<WorkloadId> {
    match direction {
        Direction::Ingress => cx.engine.selected(id).to_vec(),
        Direction::Egress => {
            let peers = rule.peers.items().iter();
            peers
                .flat_map(|peer| cx.engine.peer_workloads(id, peer))
                .collect()
        }
    }
}

/// What pods declare of a port.
enum Declared<'c> {
    /// The number with the protocol of the entry.
    AsWritten,
    /// The number, and always with another protocol.
    Otherwise(WorkloadId, &'c ContainerPort),
    Nowhere,
}

fn declared<'c>(
    cx: &Context<'c>,
    destinations: &[WorkloadId],
    entry: &NetworkPolicyPort,
    number: u16,
) -> Declared<'c> {
    let mut otherwise = Declared::Nowhere;
    for workload in destinations {
        let ports = cx.cluster.workload(*workload).object.ports();
        for port in ports.filter(|port| port.number.value == number) {
            if port.protocol == entry.protocol_or_default() {
                return Declared::AsWritten;
            }
            if matches!(otherwise, Declared::Nowhere) {
                otherwise = Declared::Otherwise(*workload, port);
            }
        }
    }
    otherwise
}

fn meant(
    cx: &Context<'_>,
    id: PolicyId,
    path: String,
    entry: &NetworkPolicyPort,
    evidence: &Evidence<'_>,
) -> Diagnostic {
    let (opened, meant) = (entry.protocol_or_default(), evidence.protocol());
    let message = match evidence {
        Evidence::Declared(_, port) => format!(
            "this opens {opened} {}, but the pods have that port for {meant}",
            port.number
        ),
        Evidence::WellKnown(number, service) => {
            format!("this opens {opened} {number}, but {service} is {meant}")
        }
    };
    let (span, label) = match entry.protocol.get() {
        Some(protocol) => (protocol.span, format!("{opened} is written here")),
        None => (
            entry.port.get().map_or(entry.span, |port| port.span),
            "without `protocol` this is TCP".to_owned(),
        ),
    };
    let finding = cx.policy_finding(id, path, span, message).label(label);
    let finding = match evidence {
        Evidence::Declared(workload, port) => {
            let name = cx.cluster.workload_name(*workload);
            finding.related(
                port.number.span,
                format!("`{name}` has it for {meant} only"),
            )
        }
        Evidence::WellKnown(..) => finding,
    };
    finding.help(format!("write `protocol: {meant}`"))
}

fn implicit(cx: &Context<'_>, id: PolicyId, path: String, entry: &NetworkPolicyPort) -> Diagnostic {
    let finding = cx
        .policy_finding(
            id,
            path,
            entry.span,
            "a port without `protocol` is a TCP port",
        )
        .with_severity(Severity::Info)
        .help("write `protocol: TCP`");
    match write_tcp(cx.sources, entry) {
        Some(edit) => finding.fix(Fix {
            title: "write `protocol: TCP`".to_owned(),
            class: FixClass::Safe,
            edits: vec![edit],
        }),
        None => finding,
    }
}

/// Puts the protocol in front of the entry's first key, in its style.
fn write_tcp(sources: &SourceMap, entry: &NetworkPolicyPort) -> Option<Edit> {
    let source = sources.get(entry.span.source);
    let written = sources.text(entry.span);
    // A key without a value would be there twice.
    if entry.protocol.key().is_some() {
        return None;
    }
    if let Some(rest) = written.strip_prefix('{') {
        let separator = if rest.trim_start().starts_with('}') {
            ""
        } else {
            ", "
        };
        let inside = crate::source::Span::new(
            entry.span.source,
            entry.span.start + 1,
            entry.span.start + 1,
        );
        let replacement = format!("protocol: TCP{separator}");
        return Some(Edit {
            span: inside,
            replacement,
        });
    }
    let indentation = " ".repeat(text::indentation(sources, entry.span)?);
    let line_break = line_break(source.text());
    Some(Edit {
        span: entry.span.before(),
        replacement: format!("protocol: TCP{line_break}{indentation}"),
    })
}
