//! The ports of a rule as numbers, without asking what they are called at a destination.
//!
//! Refuses to know pods: what a name means there is the engine's business.

use crate::engine::{ConnectionSet, PortSet};
use crate::k8s::{NetworkPolicyRule, PortReference};

/// The ports that a rule opens by number (S7). Names are left out: at an address outside
/// they mean nothing.
#[must_use]
pub fn by_number(rule: &NetworkPolicyRule) -> ConnectionSet {
    let entries = rule.ports.items();
    if entries.is_empty() {
        return ConnectionSet::all();
    }
    let numbers = entries.iter().filter_map(|entry| {
        let numbers = match entry.port.get().map(|port| &port.value) {
            None => PortSet::all(),
            Some(PortReference::Number(first)) => {
                let last = entry.end_port.get().map_or(*first, |last| last.value);
                PortSet::range(*first, last)
            }
            Some(PortReference::Name(_)) => return None,
        };
        Some(ConnectionSet::of(entry.protocol_or_default(), numbers))
    });
    ConnectionSet::union_of(numbers)
}
