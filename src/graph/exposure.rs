//! What each workload is open to: the internet, other namespaces, who can reach it and
//! whom it can reach.
//!
//! Refuses to know which addresses are public and where names are resolved: it is told.

use super::matrix::{FlowMatrix, NodeEnds, NodeId, Openness};
use super::{EndSet, is_undeclared};
use crate::cluster::WorkloadId;
use crate::engine::{AskedPolicies, ConnectionSet, Entity, PortSet};
use crate::k8s::{Direction, Protocol, Truth};

/// What one workload is open to.
#[derive(Clone, Debug)]
pub struct Exposure {
    /// The workload.
    pub workload: WorkloadId,
    /// What some public address may open at it.
    pub from_internet: Openness,
    /// What it may open at some public address.
    pub to_internet: Openness,
    /// What some pods that no manifest declares, and that have none of the labels that policies
    /// ask for, may open at it: of its own namespace or another one.
    pub from_undeclared: Openness,
    /// How many workloads of other namespaces may open something at it.
    pub from_other_namespaces: Count,
    /// How many workloads may open something at it, itself left out.
    pub reached_by: Count,
    /// At how many workloads it may open something, itself left out.
    pub reaches: Count,
    /// Whether it may ask a resolver, over UDP; `None` where nobody knows, or no resolver
    /// is among the manifests.
    pub resolves_names: Option<bool>,
    /// Whether a policy isolates it for ingress; `None` if that cannot be told.
    pub isolated_in: Option<bool>,
    /// Whether a policy isolates it for egress; `None` if that cannot be told.
    pub isolated_out: Option<bool>,
    /// Nodes, the API server and their like, with what they may open at it and what it may open
    /// at them; none where the CNI plugin does not tell them apart.
    pub entities: Vec<EntityExposure>,
}

/// A number of workloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Those between which something is open, whatever is not known.
    pub certain: usize,
    /// Those between which all that may be open depends on what is not known.
    pub unknown: usize,
}

impl Count {
    /// Adds some of which all are as this one is.
    fn add(&mut self, workloads: usize, openness: &Openness) {
        match openness.open.is_empty() {
            false => self.certain += workloads,
            true if !openness.unknown.is_empty() => self.unknown += workloads,
            true => {}
        }
    }
}

/// What a workload and an entity may open at each other.
#[derive(Clone, Debug)]
pub struct EntityExposure {
    /// The entity.
    pub entity: Entity,
    /// What it may open at the workload.
    pub ingress: Openness,
    /// What the workload may open at it.
    pub egress: Openness,
}

/// The exposure of every workload, in the order of the cluster. The table must have been
/// made with both sets of ends as choices: `internet` are the public addresses, `resolvers`
/// the pods that resolve names. [Strangers](super::strangers) among its workloads have no
/// exposure of their own.
#[must_use]
pub fn exposures(matrix: &FlowMatrix<'_>, internet: &EndSet, resolvers: &EndSet) -> Vec<Exposure> {
    let public = matrix.nodes_of(internet);
    let resolvers = matrix.nodes_of(resolvers);
    let cluster = matrix.cluster();
    let policies = AskedPolicies::new(cluster);
    let isolated = |id, direction| match policies.isolate(cluster, id, direction) {
        Truth::True => Some(true),
        Truth::False => Some(false),
        Truth::Unknown => None,
    };
    let of = |id: WorkloadId, node: NodeId| {
        let mut exposure = Exposure {
            workload: id,
            from_internet: Openness::default(),
            to_internet: Openness::default(),
            from_undeclared: Openness::default(),
            from_other_namespaces: Count::default(),
            reached_by: Count::default(),
            reaches: Count::default(),
            resolves_names: resolves(matrix, node, &resolvers),
            isolated_in: isolated(id, Direction::Ingress),
            isolated_out: isolated(id, Direction::Egress),
            entities: Vec::new(),
        };
        for outside in &public {
            exposure.from_internet = exposure.from_internet.union(matrix.between(*outside, node));
            exposure.to_internet = exposure.to_internet.union(matrix.between(node, *outside));
        }
        let home = cluster.workload(id).namespace;
        for other in matrix.nodes() {
            let group = match matrix.ends(other) {
                NodeEnds::Workloads(group) => group,
                NodeEnds::Outside(_) => continue,
                NodeEnds::Entity(entity) => {
                    exposure.entities.push(EntityExposure {
                        entity,
                        ingress: matrix.between(other, node).clone(),
                        egress: matrix.between(node, other).clone(),
                    });
                    continue;
                }
            };
            let declared = || {
                group
                    .iter()
                    .filter(|member| !is_undeclared(cluster, **member))
            };
            let others = declared().filter(|member| **member != id).count();
            if matrix.set_between(other, node) != 0 {
                let foreign = declared().filter(|it| cluster.workload(**it).namespace != home);
                let opened = matrix.between(other, node);
                exposure.from_other_namespaces.add(foreign.count(), opened);
                exposure.reached_by.add(others, opened);
                if declared().count() < group.len() {
                    exposure.from_undeclared = exposure.from_undeclared.union(opened);
                }
            }
            if matrix.set_between(node, other) != 0 {
                exposure.reaches.add(others, matrix.between(node, other));
            }
        }
        exposure
    };
    let nodes = cluster
        .workload_ids()
        .filter(|id| !is_undeclared(cluster, *id))
        .filter_map(|id| Some((id, matrix.node_of(id)?)));
    nodes.map(|(id, node)| of(id, node)).collect()
}

/// Whether the workloads of a node may ask a resolver.
fn resolves(matrix: &FlowMatrix<'_>, node: NodeId, resolvers: &[NodeId]) -> Option<bool> {
    let question = ConnectionSet::of(
        Protocol::Udp,
        PortSet::from_ranges([(53, 53), (5353, 5353)]),
    );
    let mut is_unknown = resolvers.is_empty();
    for resolver in resolvers {
        if *resolver == node && !matrix.has_inner_flows(node) {
            return Some(true);
        }
        let between = matrix.between(node, *resolver);
        if !between.open.intersection(&question).is_empty() {
            return Some(true);
        }
        is_unknown |= !between.unknown.intersection(&question).is_empty();
    }
    (!is_unknown).then_some(false)
}

impl Exposure {
    /// Whether some public address may open something at it, for certain.
    #[must_use]
    pub fn is_open_to_internet(&self) -> bool {
        !self.from_internet.open.is_empty()
    }
}
