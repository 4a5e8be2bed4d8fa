//! A choice among the ends of flows: some workloads, and some addresses outside.
//!
//! Refuses to know how a person named them.

use crate::cluster::WorkloadId;
use crate::engine::{AddressRange, Entity};

/// Workloads of one cluster, and addresses that no pod has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndSet {
    /// Sorted, each once.
    workloads: Vec<WorkloadId>,
    /// Sorted; none overlaps another.
    outside: Vec<AddressRange>,
    /// Nodes, the API server and their like.
    entities: Vec<Entity>,
    /// Names of the DNS outside; each once.
    domains: Vec<String>,
}

impl EndSet {
    /// These ends, in any order; ranges may overlap.
    #[must_use]
    pub fn new(
        workloads: impl IntoIterator<Item = WorkloadId>,
        outside: impl IntoIterator<Item = AddressRange>,
    ) -> Self {
        let mut workloads: Vec<WorkloadId> = workloads.into_iter().collect();
        workloads.sort_unstable();
        workloads.dedup();
        let mut ranges: Vec<AddressRange> = outside.into_iter().collect();
        ranges.sort_unstable();
        let mut outside: Vec<AddressRange> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match outside.last_mut() {
                Some(last) if last.overlaps(&range) => last.last = last.last.max(range.last),
                _ => outside.push(range),
            }
        }
        Self {
            workloads,
            outside,
            entities: Vec::new(),
            domains: Vec::new(),
        }
    }

    /// The same with ends that are neither pods nor addresses.
    #[must_use]
    pub fn with_entities(mut self, entities: Vec<Entity>) -> Self {
        self.entities = entities;
        self
    }

    /// The same with names of the DNS.
    #[must_use]
    pub fn with_domains(mut self, mut domains: Vec<String>) -> Self {
        domains.sort_unstable();
        domains.dedup();
        self.domains = domains;
        self
    }

    /// The names of the DNS, in order.
    #[must_use]
    pub fn domains(&self) -> &[String] {
        &self.domains
    }

    /// Whether such an end is one of them.
    #[must_use]
    pub fn has_entity(&self, entity: Entity) -> bool {
        self.entities.contains(&entity)
    }

    /// The workloads, in order.
    #[must_use]
    pub fn workloads(&self) -> &[WorkloadId] {
        &self.workloads
    }

    /// The addresses, in order.
    #[must_use]
    pub fn outside(&self) -> &[AddressRange] {
        &self.outside
    }

    /// Whether the workload is one of them.
    #[must_use]
    pub fn has(&self, workload: WorkloadId) -> bool {
        self.workloads.binary_search(&workload).is_ok()
    }

    /// Whether every address of the range is among them.
    #[must_use]
    pub fn has_range(&self, range: &AddressRange) -> bool {
        self.outside.iter().any(|one| one.contains_range(range))
    }

    /// Whether some ends are neither pods nor addresses.
    #[must_use]
    pub fn is_special(&self) -> bool {
        !self.entities.is_empty() || !self.domains.is_empty()
    }

    /// Whether there is no end at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.workloads.is_empty() && self.outside.is_empty() && !self.is_special()
    }
}
