//! Ports without a protocol, which are TCP ports.

use crate::cluster::{PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::k8s::{
    self, ContainerPort, Direction, NetworkPolicyPort, NetworkPolicyRule, PortReference, Protocol,
};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, text};
use crate::source::{Edit, SourceMap};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a port without `protocol` where UDP is meant: the pods have that port only as a
    /// UDP port, or it is the port of a service that speaks nothing else (NTP, SNMP, DHCP, TFTP,
    /// IKE, RADIUS, VXLAN, WireGuard).
    ///
    /// Who asks for the rule by name in the configuration hears of every port without
    /// `protocol`, as an info.
    ///
    /// ## Why is this bad?
    ///
    /// A missing `protocol` means TCP, not "any". The rule opens a TCP port that nobody listens
    /// on, and the UDP port stays closed.
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
    /// Safe: where TCP is as good as any, the fix writes down `protocol: TCP`, which is what is
    /// in force. Where UDP is meant there is no fix, as it would close the TCP port.
    ///
    /// ## Configuration
    ///
    /// Name the rule under `rules` (as `implicit-protocol: info`) to hear of every port without
    /// a protocol.
    pub(super) struct ImplicitProtocol {
        name: "implicit-protocol",
        summary: "a port without `protocol`, which means TCP, where UDP is meant",
        category: Category::Ports,
        severity: Severity::Warning,
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
                if entry.protocol.get().is_some() {
                    continue;
                }
                let path = format!("{}.ports[{port_index}]", place.path());
                let evidence = meant_for_udp(cx, id, place.direction, place.rule, entry);
                let finding = match evidence {
                    Some(evidence) => Some(meant(cx, id, path, entry, &evidence)),
                    None if cx.is_asked_for() => Some(implicit(cx, id, path, entry)),
                    None => None,
                };
                if let Some(finding) = finding {
                    cx.report(finding);
                }
            }
        }
    }
}

/// Why UDP is believed to be meant.
enum Evidence<'c> {
    /// Pods have the port, and only for UDP.
    Declared(WorkloadId, &'c ContainerPort),
    /// Everybody knows what listens there.
    WellKnown(u16, &'static str),
}

fn meant_for_udp<'c>(
    cx: &Context<'c>,
    id: PolicyId,
    direction: Direction,
    rule: &NetworkPolicyRule,
    entry: &NetworkPolicyPort,
) -> Option<Evidence<'c>> {
    let port = &entry.port.get()?.value;
    let is_range = entry.end_port.get().is_some();
    let is_same = |other: &&NetworkPolicyPort| {
        other.port.get().is_some_and(|other| other.value == *port)
            && other.protocol_or_default() == Protocol::Udp
    };
    // The pair of both protocols is how DNS and QUIC are written.
    if is_range || rule.ports.items().iter().any(|other| is_same(&other)) {
        return None;
    }
    let destinations: Vec<WorkloadId> = match direction {
        Direction::Ingress => cx.engine.selected(id).to_vec(),
        Direction::Egress => {
            let peers = rule.peers.items().iter();
            peers
                .flat_map(|peer| cx.engine.peer_workloads(id, peer))
                .collect()
        }
    };
    let mut declared = None;
    for workload in destinations {
        for found in cx.cluster.workload(workload).object.ports() {
            let is_meant = match port {
                PortReference::Number(number) => found.number.value == *number,
                PortReference::Name(name) => {
                    found.name.as_ref().is_some_and(|its| its.value == *name)
                }
            };
            match (is_meant, found.protocol) {
                (true, Protocol::Udp) => declared = declared.or(Some((workload, found))),
                (true, _) => return None,
                (false, _) => {}
            }
        }
    }
    if let Some((workload, found)) = declared {
        // An unknown name is what another rule speaks of.
        return matches!(port, PortReference::Number(_))
            .then_some(Evidence::Declared(workload, found));
    }
    let PortReference::Number(number) = port else {
        return None;
    };
    let (number, service) = UDP_SERVICES.iter().find(|(known, _)| known == number)?;
    Some(Evidence::WellKnown(*number, service))
}

fn meant(
    cx: &Context<'_>,
    id: PolicyId,
    path: String,
    entry: &NetworkPolicyPort,
    evidence: &Evidence<'_>,
) -> Diagnostic {
    let span = entry.port.get().map_or(entry.span, |port| port.span);
    let message = match evidence {
        Evidence::Declared(_, port) => {
            format!(
                "this opens TCP {}, but the pods have that port for UDP",
                port.number
            )
        }
        Evidence::WellKnown(number, service) => {
            format!("this opens TCP {number}, but {service} is UDP")
        }
    };
    let finding = cx
        .policy_finding(id, path, span, message)
        .label("without `protocol` this is TCP");
    let finding = match evidence {
        Evidence::Declared(workload, port) => {
            let name = cx.cluster.workload_name(*workload);
            finding.related(port.number.span, format!("`{name}` has it for UDP only"))
        }
        Evidence::WellKnown(..) => finding,
    };
    finding.help("write `protocol: UDP`")
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
    let line_break = text::line_break(source);
    Some(Edit {
        span: entry.span.before(),
        replacement: format!("protocol: TCP{line_break}{indentation}"),
    })
}
