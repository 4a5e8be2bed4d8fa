//! Who may talk to whom: selectors, port sets, address ranges and tiers, compiled once
//! for a cluster.
//!
//! Pure: knows no text, no diagnostics and no printing. It answers with ids and sets;
//! others turn them into words.

mod addresses;
mod endpoint;
mod ports;
mod verdict;

pub use addresses::{AddressRange, address_atoms};
pub use ports::{ConnectionSet, PortSet};
pub use endpoint::{Address, Endpoint, NamespaceView, PodView, address_pairs};
pub use verdict::{
    Decision, Explanation, Match, Matter, Miss, NearestMiss, PeerRef, PeerTrace, PeersTrace,
    PluginDifference, PolicyRef, PolicyTrace, PortRef, PortTrace, PortsTrace, ReasonCode, Requirement,
    RuleRef, RuleTrace, Scope, SideTrace, Verdict, Wanted, Way, connections, explain,
    plugin_differences, side, uniform_ranges,
};
