//! The cluster as a graph: what a change opens and closes, who is exposed, and how far a
//! connection can be carried on from pod to pod.
//!
//! Pure, and ignorant of how graphs are drawn. Ids belong to one cluster, so two clusters
//! are compared by `namespace/Kind/name`.

mod blame;
mod comparison;
mod difference;
mod drawing;
mod ends;
mod entities;
mod exposure;
mod hops;
mod matrix;
mod paths;
mod reasons;
mod side_rules;
mod placeholder;

pub use blame::{Blame, BlamedEnd, Cause, Deed, MAX_TRIED};
pub use comparison::{
    ChangeTable, Comparison, ComparisonQuery, Effect, IsolationLine, JointEnds, JointNode, Level,
    Line, LineEnds, Move,
};
pub use difference::{End, Flow, GraphDiff, difference};
pub use drawing::{Drawing, DrawnEdge, DrawnNode, FlowQuery, Grain};
pub use ends::EndSet;
pub use exposure::{Count, EntityExposure, Exposure, exposures};
pub use hops::Hops;
pub use matrix::{FlowMatrix, NodeEnds, NodeId, Openness};
pub use paths::{Certainty, Path, PathQuery, Paths, Reached};
pub use placeholder::{
    ELSEWHERE, Wanted, WantedNamespaces, asked_labels, is_placeholder, is_undeclared, placeholder,
    placeholder_name, placeholders, placeholders_for, pods_name, strangers,
};
pub use reasons::{FlowEnd, SideReason, reasons};
pub use side_rules::{SideRule, SideRules};
