//! Where an end may have its address (S9, S10), cut into what the policies tell apart.
//!
//! Refuses to know what they say of it.

use super::{Choices, End, Reference};
use ipnet::IpNet;
use npcheck::k8s::PeerSelection;
use std::collections::BTreeSet;
use std::net::IpAddr;

impl Reference<'_> {
    /// S9: the addresses of a family that an end uses, each with all that it may be; if none
    /// is known, one for each way in which blocks may see it.
    pub(super) fn choices(&self, end: End, known: &[IpAddr], is_ipv4: bool) -> Vec<Choices> {
        let known: Vec<_> = known
            .iter()
            .filter(|address| address.is_ipv4() == is_ipv4)
            .map(|address| vec![Some(*address)])
            .collect();
        if !known.is_empty() {
            return known;
        }
        let mut ranges = self.ranges(end);
        ranges.retain(|range| range.addr().is_ipv4() == is_ipv4);
        let behind = |net: &IpNet| match net.broadcast() {
            IpAddr::V4(last) => last
                .to_bits()
                .checked_add(1)
                .map(|bits| IpAddr::V4(bits.into())),
            IpAddr::V6(last) => last
                .to_bits()
                .checked_add(1)
                .map(|bits| IpAddr::V6(bits.into())),
        };
        let mut starts: BTreeSet<IpAddr> = ranges.iter().map(|range| range.network()).collect();
        for net in self.nets() {
            starts.insert(net.network());
            starts.extend(behind(&net));
        }
        let is_possible = |start: &IpAddr| ranges.iter().any(|range| range.contains(start));
        let mut may_be: Vec<_> = starts.into_iter().filter(is_possible).map(Some).collect();
        if may_be.is_empty() {
            may_be.push(None);
        }
        vec![may_be]
    }

    /// S9, S10: where an end of unknown address may have it; on the host network it is that of a
    /// node, which may be anywhere that is known if nobody says it.
    fn ranges(&self, end: End) -> Vec<IpNet> {
        let is_on_host = matches!(end, End::Pod(place) if self.peers[place].host_network);
        match (is_on_host, self.node_ranges.is_empty()) {
            (false, _) => self.pod_ranges.clone(),
            (true, false) => self.node_ranges.clone(),
            (true, true) => {
                let nodes = self.nodes.iter().flat_map(|(_, addresses)| *addresses);
                let nodes = nodes.map(|address| IpNet::from(*address));
                let others = self.pod_ranges.iter().copied().chain(private_ranges());
                nodes.chain(others).collect()
            }
        }
    }

    /// Every block that some policy speaks of, and the addresses of nodes.
    fn nets(&self) -> Vec<IpNet> {
        let mut nets = vec![];
        for policy in &self.policies {
            for rule in policy.ingress.items().iter().chain(policy.egress.items()) {
                for block in rule
                    .peers
                    .items()
                    .iter()
                    .filter_map(|peer| peer.ip_block.get())
                {
                    nets.push(block.cidr.value);
                    nets.extend(block.except.items().iter().map(|except| except.value));
                }
            }
        }
        for policy in &self.cluster_policies {
            for rule in policy.ingress.iter().chain(&policy.egress) {
                for peer in &rule.peers {
                    if let PeerSelection::Networks(networks) = &peer.selection {
                        nets.extend(networks.iter().map(|network| network.value));
                    }
                }
            }
        }
        let nodes = self.nodes.iter().flat_map(|(_, addresses)| *addresses);
        nets.extend(nodes.map(|address| IpNet::from(*address)));
        nets
    }
}

/// S9: where addresses are if nobody says it.
pub(super) fn private_ranges() -> Vec<IpNet> {
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]
        .map(|range| range.parse().expect("these blocks are well formed"))
        .to_vec()
}
