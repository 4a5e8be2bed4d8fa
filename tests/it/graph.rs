//! The difference of two clusters against both relations, pair by pair.

use crate::clusters::{self, Random};
use npcheck::cluster::{Cluster, WorkloadId};
use npcheck::engine::{AddressRange, ConnectionSet, Engine, Relation, address_atoms};
use npcheck::graph::{End, Flow, GraphDiff, ReachabilityGraph, difference};
use npcheck::k8s::{Object, WorkloadKind};
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const PAIRS: u64 = 1_000;

#[test]
fn the_difference_is_that_of_both_relations() {
    let changed = (0..PAIRS).into_par_iter().filter(|seed| {
        let before = clusters::objects(*seed);
        let after = changed(&before, *seed);
        let (before, after) = (Cluster::new(before), Cluster::new(after));
        let (before, after) = (Engine::new(&before), Engine::new(&after));
        let diff = difference(&before, &after);
        let atoms = address_atoms(
            before
                .relation()
                .atoms()
                .iter()
                .chain(after.relation().atoms())
                .copied(),
        );
        let (old, new) = (flows(&before, &atoms), flows(&after, &atoms));
        let (added, removed) = (missing(&new, &old), missing(&old, &new));
        assert_eq!(cut(diff.added(), &atoms), added, "pair {seed}: added");
        assert_eq!(cut(diff.removed(), &atoms), removed, "pair {seed}: removed");
        assert_eq!(
            diff.is_empty(),
            added.is_empty() && removed.is_empty(),
            "pair {seed}"
        );
        assert_names(&diff, &before, &after);
        assert!(
            is_sorted(diff.added()) && is_sorted(diff.removed()),
            "pair {seed}"
        );
        !diff.is_empty()
    });
    let changed = changed.count();
    assert!(changed > PAIRS as usize / 3, "only {changed} pairs differ");
}

#[test]
fn a_cluster_does_not_differ_from_itself() {
    (0..200).into_par_iter().for_each(|seed| {
        let (one, other) = (clusters::objects(seed), clusters::objects(seed));
        let (one, other) = (Cluster::new(one), Cluster::new(other));
        assert!(
            difference(&Engine::new(&one), &Engine::new(&other)).is_empty(),
            "cluster {seed}"
        );
    });
}

#[test]
fn an_edge_is_what_its_members_may_open() {
    (0..300).into_par_iter().for_each(|seed| {
        let cluster = Cluster::new(clusters::objects(seed));
        let engine = Engine::new(&cluster);
        let relation = engine.relation();
        let whole = [AddressRange::IPV4, AddressRange::IPV6];
        for built in [
            ReachabilityGraph::of_workloads(&engine),
            ReachabilityGraph::of_namespaces(&engine),
        ] {
            let mut expected: BTreeMap<(NodeIndex, NodeIndex), ConnectionSet> = BTreeMap::new();
            let mut add = |from: Option<NodeIndex>, to: Option<NodeIndex>, set: &ConnectionSet| {
                let (Some(from), Some(to)) = (from, to) else {
                    return;
                };
                let known = expected.entry((from, to)).or_default();
                *known = known.union(set);
            };
            for from in cluster.workload_ids() {
                let node = built.node_of(from);
                assert_eq!(
                    node.is_some(),
                    relation.group_of(from).is_some(),
                    "cluster {seed}"
                );
                for to in cluster.workload_ids() {
                    // A pod and itself are no edge (S4).
                    let is_pod = cluster.workload(from).object.kind == WorkloadKind::Pod;
                    if from != to || !is_pod {
                        add(node, built.node_of(to), &relation.connections(from, to));
                    }
                }
                for family in whole {
                    for (_, set) in relation.to_outside(from, family) {
                        add(node, Some(built.outside()), set);
                    }
                    for (_, set) in relation.from_outside(family, from) {
                        add(Some(built.outside()), node, set);
                    }
                }
            }
            expected.retain(|_, set| !set.is_empty());
            let edges = built.graph().edge_references();
            let edges: BTreeMap<_, _> = edges
                .map(|edge| ((edge.source(), edge.target()), edge.weight().clone()))
                .collect();
            assert_eq!(edges, expected, "cluster {seed}");
            assert_walks(&built, seed);
        }
    });
}

/// What can be reached is what a path leads to, and paths keep to edges.
fn assert_walks(built: &ReachabilityGraph, seed: u64) {
    let graph = built.graph();
    for start in graph.node_indices() {
        let reached = built.reachable_from(start);
        for node in graph.node_indices().filter(|node| *node != start) {
            let path = built.shortest_path(start, node);
            assert_eq!(path.is_some(), reached.contains(&node), "cluster {seed}");
            let Some(path) = path else { continue };
            assert!(
                path.windows(2)
                    .all(|hop| graph.contains_edge(hop[0], hop[1]))
            );
            assert_eq!((path[0], path[path.len() - 1]), (start, node));
            assert!(
                !path[1..path.len() - 1].contains(&built.outside()),
                "through the outside"
            );
        }
        let returns = |node: &NodeIndex| {
            graph.contains_edge(*node, start) && (*node != built.outside() || start == *node)
        };
        let comes_back = returns(&start) || reached.iter().any(returns);
        assert_eq!(reached.contains(&start), comes_back, "cluster {seed}");
    }
}

/// The objects with some exchanged for those of another cluster, some lost, some new.
fn changed(objects: &[Object], seed: u64) -> Vec<Object> {
    let random = &mut Random::new(seed + 3_000_000);
    let mut after = objects.to_vec();
    let donor = clusters::objects(seed + 4_000_000);
    for _ in 0..1 + random.below(3) {
        if random.percent(40) && !after.is_empty() {
            after.swap_remove(random.below(after.len()));
        }
        if random.percent(60) && !donor.is_empty() {
            let new = donor[random.below(donor.len())].clone();
            after.retain(|object| !is_same(object, &new));
            after.push(new);
        }
    }
    after
}

fn is_same(a: &Object, b: &Object) -> bool {
    let kind = |object: &Object| match object {
        Object::Workload(workload) => workload.kind.name(),
        Object::ClusterNetworkPolicy(policy) => policy.kind.name(),
        Object::Namespace(_) => "Namespace",
        Object::NetworkPolicy(_) => "NetworkPolicy",
        Object::PluginPolicy(policy) => policy.kind.qualified,
        Object::Service(_) => "Service",
        Object::Node(_) => "Node",
        Object::ContextObject(object) => object.kind(),
    };
    let name = |object: &Object| {
        (
            object.meta().namespace_name().to_owned(),
            object.meta().name.value.clone(),
        )
    };
    kind(a) == kind(b) && name(a) == name(b)
}

type Flows = BTreeMap<(End, End), ConnectionSet>;

/// Every flow, the outside in atoms.
fn flows(engine: &Engine, atoms: &[AddressRange]) -> Flows {
    let (cluster, relation) = (engine.cluster(), engine.relation());
    let end = |id: WorkloadId| End::Workload(cluster.workload_name(id));
    let mut flows = Flows::new();
    for source in cluster.workload_ids() {
        for destination in cluster.workload_ids() {
            let set = relation.connections(source, destination).into_owned();
            flows.insert((end(source), end(destination)), set);
        }
        for atom in atoms {
            let (out, into) = with_atom(relation, source, *atom);
            flows.insert((end(source), End::Outside(*atom)), out);
            flows.insert((End::Outside(*atom), end(source)), into);
        }
    }
    flows.retain(|_, set| !set.is_empty());
    flows
}

fn with_atom(
    relation: Relation<'_>,
    workload: WorkloadId,
    atom: AddressRange,
) -> (ConnectionSet, ConnectionSet) {
    let first = |set: Option<(AddressRange, &ConnectionSet)>| {
        set.map_or_else(ConnectionSet::none, |(_, set)| set.clone())
    };
    (
        first(relation.to_outside(workload, atom).next()),
        first(relation.from_outside(atom, workload).next()),
    )
}

/// What `flows` has and `others` have not.
fn missing(flows: &Flows, others: &Flows) -> Flows {
    let none = ConnectionSet::none();
    let rest = flows.iter().map(|(pair, set)| {
        (
            pair.clone(),
            set.difference(others.get(pair).unwrap_or(&none)),
        )
    });
    rest.filter(|(_, set)| !set.is_empty()).collect()
}

/// The flows with the outside in atoms; none may come twice.
fn cut(flows: impl Iterator<Item = Flow>, atoms: &[AddressRange]) -> Flows {
    let mut found = Flows::new();
    let pieces = |end: &End| match end {
        End::Workload(_) => vec![end.clone()],
        End::Outside(range) => {
            let inside = atoms.iter().filter(|atom| range.contains_range(atom));
            inside.map(|atom| End::Outside(*atom)).collect()
        }
    };
    for flow in flows {
        for source in pieces(&flow.source) {
            for destination in pieces(&flow.destination) {
                let other = found.insert((source.clone(), destination), flow.connections.clone());
                assert_eq!(other, None, "a flow comes once");
            }
        }
    }
    found
}

fn assert_names(diff: &GraphDiff, before: &Engine, after: &Engine) {
    let names = |engine: &Engine| -> BTreeSet<String> {
        let cluster = engine.cluster();
        let accepted = cluster
            .workload_ids()
            .filter(|id| cluster.workload(*id).object.meta.is_accepted);
        accepted.map(|id| cluster.workload_name(id)).collect()
    };
    let (old, new) = (names(before), names(after));
    let owned =
        |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(owned(&mut diff.new_workloads()), &new - &old);
    assert_eq!(owned(&mut diff.lost_workloads()), &old - &new);
}

/// By source, then destination; those from the outside last, by destination, then source.
fn is_sorted(flows: impl Iterator<Item = Flow>) -> bool {
    let key = |flow: Flow| match flow.source {
        End::Workload(_) => (0, flow.source, flow.destination),
        End::Outside(_) => (1, flow.destination, flow.source),
    };
    flows.map(key).is_sorted()
}
