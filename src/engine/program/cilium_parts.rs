//! The parts of Cilium's rules that stand by themselves: blocks of addresses, Services, ports.
//!
//! Refuses to know where in a rule they stand.

use super::identity::{Identities, NAMESPACE_KEY, NAMESPACE_LABELS, Source};
use super::{Matcher, PortEntry, PortRef, Ports, RulePorts};
use crate::cluster::Cluster;
use crate::engine::addresses::{AddressRange, merge_ranges};
use crate::engine::ports::PortSet;
use crate::k8s::{
    API_SERVER_SERVICE, CiliumPeers, CiliumPortReference, CiliumRule, CiliumServicePeer,
    CiliumServices, LabelSelector, Operator,
};
use ipnet::IpNet;

/// Addresses outside, of some blocks without others.
pub(super) fn outside<'c>(blocks: &[IpNet], except: &[IpNet]) -> Matcher<'c> {
    let except: Vec<AddressRange> = except.iter().copied().map(AddressRange::from).collect();
    let blocks = blocks.iter().copied().map(AddressRange::from);
    let ranges = blocks.flat_map(|block| block.without(&except));
    Matcher::Outside(merge_ranges(ranges.collect()))
}

/// Addresses outside that no manifest tells, and none of these blocks.
pub(super) fn untold<'c>(except: &[IpNet]) -> Matcher<'c> {
    let except: Vec<AddressRange> = except.iter().copied().map(AddressRange::from).collect();
    let families = [AddressRange::IPV4, AddressRange::IPV6];
    let ranges = families.iter().flat_map(|family| family.without(&except));
    Matcher::Untold(ranges.collect())
}

pub(super) fn nets(spanned: &[crate::source::Spanned<IpNet>]) -> Vec<IpNet> {
    spanned.iter().map(|net| net.value).collect()
}

/// What a selector of namespaces asks of an identity: that it is of a namespace at all, or
/// labels of its namespace.
pub(super) fn namespaces(selector: &LabelSelector) -> Identities {
    let mut identities = Identities::new(Some(selector), Source::Kubernetes);
    for requirement in &mut identities.0 {
        requirement.key = format!("{NAMESPACE_LABELS}.{}", requirement.key);
    }
    if selector.is_empty() {
        identities.require(NAMESPACE_KEY, Operator::Exists, &[]);
    }
    identities
}

/// The ports of a rule (C9); `None` is every port.
pub(super) fn ports(rule: &CiliumRule) -> Option<RulePorts<'_>> {
    if rule.icmps.is_some() {
        return Some(RulePorts::from_iter([]));
    }
    let rules = &rule.to_ports.as_ref()?.value;
    let mut entries = Vec::new();
    for port in rules.iter().flat_map(|rule| &rule.ports) {
        for protocol in port.protocol.protocols() {
            let ports = match &port.port.value {
                CiliumPortReference::Number(0) => Ports::Numbers(*protocol, PortSet::all()),
                CiliumPortReference::Number(first) => {
                    let last = port.end_port.as_ref().map_or(*first, |last| last.value);
                    Ports::Numbers(*protocol, PortSet::range(*first, last))
                }
                CiliumPortReference::Name(name) => Ports::Name(name, Some(*protocol)),
            };
            let origin = PortRef::Cilium(port);
            entries.push(PortEntry { origin, ports });
        }
    }
    Some(entries.into_iter().collect())
}

/// Whether an entry of `toServices` names the Service of the API server, which is in every
/// cluster and in no manifest, has no selector, and these labels.
pub(super) fn names_api_server(entry: &CiliumServicePeer) -> bool {
    let namespace = entry.namespace.as_ref();
    let is_home = namespace.is_none_or(|namespace| namespace.value == API_SERVER_SERVICE.0);
    let has = |key: &str, value: &str| match key.strip_prefix("k8s:").unwrap_or(key) {
        "component" => value == "apiserver",
        "provider" => value == API_SERVER_SERVICE.1,
        _ => false,
    };
    is_home
        && match &entry.services {
            CiliumServices::Named(name) => name.value == API_SERVER_SERVICE.1,
            CiliumServices::Selected(selector) => {
                let mut labels = selector.match_labels.iter();
                !selector.match_labels.is_empty()
                    && selector.match_expressions.is_empty()
                    && labels.all(|label| has(&label.key, &label.value))
            }
            CiliumServices::None => false,
        }
}

/// Whether a Service that a rule may mean is known only once another tool has filled in its name
/// or its labels.
pub(super) fn are_services_in_doubt(cluster: &Cluster, rule: &CiliumRule) -> bool {
    let mut fields = rule.peer_fields.iter();
    fields.any(|field| match &field.peers {
        CiliumPeers::Services(entries) => {
            let mut entries = entries.iter();
            entries.any(|entry| cluster.is_service_in_doubt(entry))
        }
        _ => false,
    })
}
