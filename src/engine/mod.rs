//! Who may talk to whom: selectors, port sets, address ranges and tiers, compiled once
//! for a cluster.
//!
//! Pure: knows no text, no diagnostics and no printing. It answers with ids and sets;
//! others turn them into words.

mod addresses;
mod ports;

pub use addresses::{AddressRange, address_atoms};
pub use ports::{ConnectionSet, PortSet};
