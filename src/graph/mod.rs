//! The cluster as a graph: what a change opens and closes, who is exposed, and how far a
//! connection can be carried on from pod to pod.
//!
//! Pure, and ignorant of how graphs are drawn. Ids belong to one cluster, so two clusters
//! are compared by `namespace/Kind/name`.

mod difference;
mod reachability;
mod placeholder;

pub use difference::{End, Flow, GraphDiff, difference};
pub use placeholder::placeholders;
pub use reachability::{Node, ReachabilityGraph};
