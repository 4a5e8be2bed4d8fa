//! Ranges of addresses as people write them.
//!
//! Refuses to know what the addresses are for.

use crate::engine::AddressRange;
use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use std::net::IpAddr;

/// A range as an address or a block, where it is one, else by its ends: `10.0.0.7`,
/// `10.0.0.0/8`, or `LO-HI`.
#[must_use]
pub fn range_name(range: AddressRange) -> String {
    if range.first == range.last {
        return range.first.to_string();
    }
    let mut blocks: Box<dyn Iterator<Item = IpNet>> = match (range.first, range.last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            Box::new(Ipv4Subnets::new(first, last, 0).map(IpNet::V4))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            Box::new(Ipv6Subnets::new(first, last, 0).map(IpNet::V6))
        }
        _ => return range.to_string(),
    };
    match (blocks.next(), blocks.next()) {
        (Some(block), None) => block.to_string(),
        _ => range.to_string(),
    }
}
