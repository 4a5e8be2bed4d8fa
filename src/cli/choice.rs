//! From what a person typed to a choice among the ends of a cluster's flows.
//!
//! Refuses to know what the choice is for.

use super::endpoint::{End, Lookup, Mistake};
use crate::graph::EndSet;

/// The workloads and addresses that a text means in a cluster.
pub(super) fn choice(lookup: &Lookup<'_>, text: &str) -> Result<EndSet, Mistake> {
    let resolved = lookup.resolve(text)?;
    let mut workloads = Vec::new();
    let mut outside = Vec::new();
    for end in resolved.ends {
        match end {
            End::Workload(id) | End::Address(id, _) => workloads.push(id),
            End::Addresses(range) => outside.push(range),
            End::Hypothetical(_) => {
                let reason = "only `npcheck reach` answers for a pod that does not exist yet";
                return Err(Mistake::Malformed {
                    reason: reason.to_owned(),
                });
            }
        }
    }
    Ok(EndSet::new(workloads, outside))
}
