//! Address blocks that mean something everywhere: everything, the private ranges, the
//! services that clouds put at fixed addresses.
//!
//! Facts about the world outside the manifests, each with where it comes from. Refuses to
//! know what a rule makes of them.

use super::Cloud;
use crate::engine::AddressRange;
use crate::k8s::{IpBlock, NetworkPolicyRule};
use crate::source::Spanned;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The port that metadata services listen on.
pub const METADATA_PORT: u16 = 80;

/// An address at which nodes of a cloud find what only they should know: credentials and
/// the node's configuration.
#[derive(Debug)]
pub struct MetadataService {
    /// The address.
    pub address: IpAddr,
    /// The cloud; `None` where most clouds have it.
    pub cloud: Option<Cloud>,
    /// What is there.
    pub what: &'static str,
}

/// The metadata services of the clouds that npcheck knows. The addresses from which pods
/// fetch their own credentials (169.254.170.23 of EKS Pod Identity, 169.254.169.252 of
/// GKE's Workload Identity) are none of them: pods need those.
pub const METADATA_SERVICES: &[MetadataService] = &[
    // docs.aws.amazon.com, "Access instance metadata"; learn.microsoft.com, "Azure Instance
    // Metadata Service"; cloud.google.com, "About VM metadata"; docs.oracle.com, "Getting
    // Instance Metadata".
    MetadataService {
        address: IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
        cloud: None,
        what: "the metadata service of the node, with its credentials",
    },
    // docs.aws.amazon.com, "Access instance metadata": the service's IPv6 address.
    MetadataService {
        address: IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
        cloud: Some(Cloud::Aws),
        what: "the metadata service of the node, with its credentials",
    },
    // alibabacloud.com/help, "View instance metadata".
    MetadataService {
        address: IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
        cloud: Some(Cloud::Alibaba),
        what: "the metadata service of the node, with its credentials",
    },
    // learn.microsoft.com, "What is IP address 168.63.129.16?": the wire server, which hands
    // out the node's configuration.
    MetadataService {
        address: IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
        cloud: Some(Cloud::Azure),
        what: "Azure's wire server, with the node's configuration",
    },
];

/// The metadata services that a cluster in this cloud has; what most clouds have where
/// nobody has said which it is.
pub fn metadata_services(cloud: Option<Cloud>) -> impl Iterator<Item = &'static MetadataService> {
    METADATA_SERVICES
        .iter()
        .filter(move |service| match (service.cloud, cloud) {
            // Alibaba's is elsewhere.
            (None, cloud) => cloud != Some(Cloud::Alibaba),
            (theirs, ours) => theirs == ours,
        })
}

const fn block(address: IpAddr, prefix: u8) -> IpNet {
    IpNet::new_assert(address, prefix)
}

/// Whether a block is a small one of public addresses: in no range for private networks (RFC
/// 1918, 4193, 6598), nor in one that means the machine or the link.
#[must_use]
pub fn is_public(cidr: &IpNet) -> bool {
    let is_special = match cidr.addr() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || first == 100 && second & 0b1100_0000 == 64
        }
        IpAddr::V6(address) => {
            address.is_unique_local()
                || address.is_loopback()
                || address.is_unicast_link_local()
                || address.is_unspecified()
        }
    };
    let is_small = cidr.max_prefix_len() - cidr.prefix_len() <= 8;
    is_small && !is_special
}

/// Whether an `ipBlock` matches the address: it lies in the `cidr` and in no `except` (S8).
#[must_use]
pub fn holds(block: &IpBlock, address: IpAddr) -> bool {
    let is_in = |cidr: &Spanned<IpNet>| cidr.trunc().contains(&address);
    is_in(&block.cidr) && !block.except.items().iter().any(is_in)
}

/// The addresses that an `ipBlock` matches.
#[must_use]
pub fn ranges(block: &IpBlock) -> Vec<AddressRange> {
    let except = block.except.items().iter();
    let except: Vec<AddressRange> = except.map(|except| except.value.into()).collect();
    AddressRange::from(block.cidr.value).without(&except)
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// The block of all its addresses.
    #[must_use]
    pub fn everything(self) -> IpNet {
        match self {
            Self::V4 => block(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            Self::V6 => block(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
        }
    }

    /// The family of a block.
    #[must_use]
    pub fn of(cidr: &IpNet) -> Self {
        match cidr {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }
}

/// The address blocks of a rule that together are a whole family of addresses, exceptions
/// aside: `0.0.0.0/0`, or its two halves. Empty where there are none.
#[must_use]
pub fn blocks_of_everything(rule: &NetworkPolicyRule, family: Family) -> Vec<&IpBlock> {
    let peers = rule.peers.items().iter();
    let blocks = peers.filter_map(|peer| peer.ip_block.get());
    let blocks: Vec<&IpBlock> = blocks
        .filter(|block| Family::of(&block.cidr) == family)
        .collect();
    let whole = family.everything();
    if let Some(one) = blocks.iter().find(|block| block.cidr.trunc() == whole) {
        return vec![one];
    }
    let cidrs: Vec<IpNet> = blocks.iter().map(|block| block.cidr.trunc()).collect();
    if IpNet::aggregate(&cidrs) != [whole] {
        return Vec::new();
    }
    // A block inside another one adds nothing.
    let is_inside = |cidr: &IpNet| {
        cidrs
            .iter()
            .any(|other| other != cidr && other.contains(cidr))
    };
    let parts = blocks
        .into_iter()
        .filter(|block| !is_inside(&block.cidr.trunc()));
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cloud_has_a_metadata_service() {
        for (cloud, expected) in [
            (None, vec!["169.254.169.254"]),
            (Some(Cloud::Alibaba), vec!["100.100.100.200"]),
            (Some(Cloud::Aws), vec!["169.254.169.254", "fd00:ec2::254"]),
            (Some(Cloud::Azure), vec!["169.254.169.254", "168.63.129.16"]),
            (Some(Cloud::Gcp), vec!["169.254.169.254"]),
            (Some(Cloud::Oracle), vec!["169.254.169.254"]),
        ] {
            let services = metadata_services(cloud);
            let addresses: Vec<String> = services.map(|s| s.address.to_string()).collect();
            assert_eq!(addresses, expected, "{cloud:?}");
        }
    }
}
