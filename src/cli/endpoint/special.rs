//! The addresses that `internet` means, and how ranges of addresses are written.
//!
//! Refuses to know what policies say of them.

use crate::engine::AddressRange;
use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use std::net::IpAddr;

/// What is not reachable from everywhere: the special-purpose registries of IANA (RFC
/// 6890 and its updates) without their globally reachable entries, and multicast.
const SPECIAL: [&str; 30] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "::ffff:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// All public addresses.
pub(super) fn public_addresses() -> Vec<AddressRange> {
    let special = SPECIAL.map(|block| {
        let block: IpNet = block.parse().expect("the table holds well-formed blocks");
        AddressRange::from(block)
    });
    let public = [AddressRange::IPV4, AddressRange::IPV6].map(|space| space.without(&special));
    public.concat()
}

/// The blocks that make up a range, in order.
pub(crate) fn blocks(range: &AddressRange) -> Vec<IpNet> {
    match (range.first, range.last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect()
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect()
        }
        _ => Vec::new(),
    }
}
