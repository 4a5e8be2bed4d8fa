//! The engine against brute force on random clusters, and what must hold whatever the
//! policies say.

use crate::clusters::{self, Random};
use crate::reference::{Answer, End, Reference};
use ipnet::IpNet;
use npcheck::cluster::{Cluster, Cni, EnforcementSettings, WorkloadId};
use npcheck::engine::{
    AddressRange, ConnectionSet, Endpoint, Engine, Flow, Peer, PortSet, Relation, Verdict, judge,
};
use npcheck::k8s::{Direction, Field, Object, Protocol};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

const CLUSTERS: u64 = 1_000;

/// Ports with every boundary that the random clusters have, and both sides of it.
const PORTS: [u16; 15] = [
    1, 2, 52, 53, 54, 79, 80, 81, 82, 8079, 8080, 8081, 65533, 65534, 65535,
];

#[test]
fn every_pair_is_judged_as_by_brute_force() {
    let judged: usize = (0..CLUSTERS)
        .into_par_iter()
        .map(compare_with_reference)
        .sum();
    assert!(judged > 1_000_000, "only {judged} verdicts were compared");
}

/// A random cluster, where it was told how its policies are enforced (S9, S15).
fn cluster(seed: u64, objects: Vec<Object>) -> Cluster {
    let settings = EnforcementSettings {
        cni: [
            None,
            Some(Cni::GkeDataplaneV2),
            Some(Cni::OvnKubernetes),
            None,
        ][seed as usize % 4],
        pod_cidrs: pod_ranges(seed),
        node_cidrs: node_ranges(seed),
        ..EnforcementSettings::default()
    };
    Cluster::new(objects).with_enforcement(&settings)
}

/// Where the pods of a random cluster have their addresses; the private ranges if it is not
/// said.
fn pod_ranges(seed: u64) -> Vec<IpNet> {
    blocks(match seed % 3 {
        0 => &["10.0.0.0/24", "fd00::/64"],
        1 => &["10.0.0.0/8"],
        _ => &[],
    })
}

/// Where its nodes have theirs, if that is said.
fn node_ranges(seed: u64) -> Vec<IpNet> {
    blocks(match seed % 5 {
        0 => &["10.0.1.0/24"],
        1 => &["10.0.0.0/30", "fd00::/126"],
        _ => &[],
    })
}

fn blocks(texts: &[&str]) -> Vec<IpNet> {
    let blocks = texts.iter().map(|text| text.parse());
    let blocks: Result<_, _> = blocks.collect();
    blocks.expect("they are blocks")
}

fn reference(seed: u64, objects: &[Object]) -> Reference<'_> {
    let reference = Reference::new(objects);
    let reference = reference.with_ranges(pod_ranges(seed), node_ranges(seed));
    match seed % 4 {
        1 => reference.with_plugin(false, false),
        2 => reference.with_plugin(true, true).without_named_ports(),
        _ => reference,
    }
}

#[test]
fn one_pair_is_judged_as_in_the_relation() {
    (0..CLUSTERS / 2).into_par_iter().for_each(|seed| {
        let cluster = cluster(seed, clusters::objects(seed));
        let engine = Engine::new(&cluster);
        let relation = engine.relation();
        let pods = |id| Endpoint::workload(&cluster, id);
        for from in cluster.workload_ids() {
            for to in cluster.workload_ids() {
                let alone = judge(&cluster, &pods(from), &pods(to));
                let connections = relation.connections(from, to).into_owned();
                let unknown = relation.unknown(from, to).into_owned();
                assert_eq!(both(&alone), (connections, unknown), "cluster {seed}");
            }
            for atom in relation.atoms() {
                let outside = Endpoint::Address(*atom);
                for direction in Direction::BOTH {
                    let together = single(&relation, from, direction, *atom);
                    let alone = match direction {
                        Direction::Ingress => judge(&cluster, &outside, &pods(from)),
                        Direction::Egress => judge(&cluster, &pods(from), &outside),
                    };
                    assert_eq!(both(&alone), together, "cluster {seed}");
                }
            }
        }
    });
}

/// What is allowed, and what is unknown.
fn both(verdict: &Verdict) -> (ConnectionSet, ConnectionSet) {
    (verdict.allowed(), verdict.unknown())
}

/// The answer for addresses that no policy tells apart: there is one, or nothing.
fn single(
    relation: &Relation<'_>,
    workload: WorkloadId,
    direction: Direction,
    range: AddressRange,
) -> (ConnectionSet, ConnectionSet) {
    let mut answers = relation.with_outside(workload, direction, range);
    let first = answers.next();
    assert_eq!(answers.next(), None, "one address gives one answer");
    let none = ConnectionSet::none;
    first.map_or((none(), none()), |(_, connections, unknown)| {
        (connections.into_owned(), unknown.into_owned())
    })
}

/// How many verdicts were compared.
fn compare_with_reference(seed: u64) -> usize {
    let objects = clusters::objects(seed);
    let cluster = cluster(seed, objects.clone());
    let engine = Engine::new(&cluster);
    let relation = engine.relation();
    let reference = reference(seed, &objects);
    let ids = ids_by_name(&cluster);
    let peers: Vec<(WorkloadId, End)> = reference
        .peers
        .iter()
        .enumerate()
        .map(|(place, peer)| {
            let name = (
                peer.meta.namespace_name(),
                peer.kind.name(),
                peer.meta.name.value.as_str(),
            );
            (ids[&name], End::Pod(place))
        })
        .collect();
    let accepted = cluster
        .workloads()
        .iter()
        .filter(|workload| workload.object.meta.is_accepted);
    assert_eq!(accepted.count(), peers.len(), "peers of cluster {seed}");
    let mut judged = 0;
    let mut compare = |source: End, destination: End, got: (ConnectionSet, ConnectionSet)| {
        let answer = reference.pair(source, destination);
        for protocol in Protocol::ALL {
            for port in PORTS {
                let expected = answer(protocol, port);
                let got = match &got {
                    (allowed, _) if allowed.contains(protocol, port) => Answer::Allowed,
                    (_, unknown) if unknown.contains(protocol, port) => Answer::Unknown,
                    _ => Answer::Denied,
                };
                assert_eq!(
                    got, expected,
                    "cluster {seed}: {source:?} -> {destination:?} {protocol} {port}"
                );
                judged += 1;
            }
            let is_known = |port: &u16| PORTS.contains(port);
            for got in [&got.0, &got.1] {
                let mut boundaries = got.get(protocol).ranges().iter();
                assert!(
                    boundaries.all(|(first, last)| is_known(first) && is_known(last)),
                    "cluster {seed}: {source:?} -> {destination:?} has a boundary that no policy has: {got}"
                );
            }
        }
    };
    for (source, source_end) in &peers {
        for (destination, destination_end) in &peers {
            let connections = relation.connections(*source, *destination).into_owned();
            let unknown = relation.unknown(*source, *destination).into_owned();
            compare(*source_end, *destination_end, (connections, unknown));
        }
    }
    for atom in relation.atoms() {
        for address in [atom.first, atom.last] {
            for (workload, end) in &peers {
                let outside = End::Outside(address);
                let range = AddressRange::from(address);
                let into = single(&relation, *workload, Direction::Ingress, range);
                compare(outside, *end, into);
                let out = single(&relation, *workload, Direction::Egress, range);
                compare(*end, outside, out);
            }
        }
    }
    judged
}

#[test]
fn the_streamed_flows_are_the_whole_relation_in_order() {
    (0..CLUSTERS / 4).into_par_iter().for_each(|seed| {
        let cluster = cluster(seed, clusters::objects(seed));
        let engine = Engine::new(&cluster);
        let relation = engine.relation();
        let flows: Vec<Flow> = relation.flows().collect();
        let is_empty = |flow: &Flow| flow.connections.is_empty() && flow.unknown.is_empty();
        assert!(!flows.iter().any(is_empty));
        let place = |flow: &Flow| match (flow.source, flow.destination) {
            (source @ Peer::Workload(_), destination) => (0, source, destination),
            (source, destination) => (1, destination, source),
        };
        assert!(
            flows.is_sorted_by(|a, b| place(a) < place(b)),
            "cluster {seed}"
        );
        let between: BTreeMap<(Peer, Peer), ConnectionSet> = flows
            .iter()
            .map(|flow| ((flow.source, flow.destination), (*flow.connections).clone()))
            .collect();
        for source in cluster.workload_ids() {
            let row = relation.row(source);
            for destination in cluster.workload_ids() {
                let pair = (Peer::Workload(source), Peer::Workload(destination));
                let streamed = between.get(&pair).cloned().unwrap_or_default();
                assert_eq!(
                    streamed,
                    *relation.connections(source, destination),
                    "cluster {seed}"
                );
                assert_eq!(streamed, row.connections(destination), "cluster {seed}");
                let unknown = relation.unknown(source, destination);
                assert_eq!(row.unknown(destination), *unknown, "cluster {seed}");
            }
            // What is not known may cut a range where what is certain does not.
            let workload = Peer::Workload(source);
            let covers = |leaves: bool, range: AddressRange, set: &ConnectionSet| {
                let pieces = between.iter().filter_map(|((from, to), connections)| {
                    let (end, outside) = if leaves { (from, to) } else { (to, from) };
                    let Peer::Outside(piece) = outside else {
                        return None;
                    };
                    (*end == workload && connections == set).then_some(*piece)
                });
                range.without(&pieces.collect::<Vec<_>>()).is_empty()
            };
            for family in [AddressRange::IPV4, AddressRange::IPV6] {
                for (range, set) in relation.to_outside(source, family) {
                    assert!(covers(true, range, set), "cluster {seed}");
                }
                for (range, set) in relation.from_outside(family, source) {
                    assert!(covers(false, range, set), "cluster {seed}");
                }
            }
        }
    });
}

#[test]
fn another_rule_in_an_isolated_direction_removes_no_flow() {
    (0..CLUSTERS / 2).into_par_iter().for_each(|seed| {
        let objects = clusters::objects(seed);
        let random = &mut Random::new(seed + 1_000_000);
        let mut more = objects.clone();
        for object in &mut more {
            if let Object::NetworkPolicy(policy) = object {
                let policy = Arc::make_mut(policy);
                for direction in [Direction::Ingress, Direction::Egress] {
                    if policy.applies_to(direction) {
                        let rules = match direction {
                            Direction::Ingress => &mut policy.ingress,
                            Direction::Egress => &mut policy.egress,
                        };
                        let mut longer = rules.items().to_vec();
                        longer.insert(random.below(longer.len() + 1), clusters::rule(random));
                        // Without policyTypes, a first egress rule would isolate anew.
                        if direction == Direction::Ingress || !rules.items().is_empty() {
                            *rules = Field::Value {
                                key: policy.spec_key,
                                value: longer,
                            };
                        }
                    }
                }
            }
        }
        let (before, after) = (Cluster::new(objects), Cluster::new(more));
        let (before, after) = (Engine::new(&before), Engine::new(&after));
        for flow in before.relation().flows() {
            let missing = match (flow.source, flow.destination) {
                (Peer::Workload(source), Peer::Workload(destination)) => flow
                    .connections
                    .difference(&after.relation().connections(source, destination)),
                (Peer::Workload(source), Peer::Outside(range)) => {
                    missing_outside(&flow, after.relation().to_outside(source, range))
                }
                (Peer::Outside(range), Peer::Workload(destination)) => {
                    missing_outside(&flow, after.relation().from_outside(range, destination))
                }
                _ => unreachable!("only pods are judged, and these clusters have no entities"),
            };
            assert!(
                missing.is_empty(),
                "cluster {seed}: {flow:?} lost {missing}"
            );
        }
    });
}

/// What is missing somewhere in the flow's range, which the later pieces cover in order.
fn missing_outside<'s>(
    flow: &Flow,
    pieces: impl Iterator<Item = (AddressRange, &'s ConnectionSet)>,
) -> ConnectionSet {
    let ((Peer::Outside(range), _) | (_, Peer::Outside(range))) = (flow.source, flow.destination)
    else {
        unreachable!("one end is outside");
    };
    let pieces: Vec<_> = pieces.collect();
    let covered: Vec<AddressRange> = pieces.iter().map(|(piece, _)| *piece).collect();
    if !range.without(&covered).is_empty() {
        return (*flow.connections).clone();
    }
    pieces
        .iter()
        .fold(ConnectionSet::none(), |missing, (_, set)| {
            missing.union(&flow.connections.difference(set))
        })
}

#[test]
fn the_order_of_the_input_changes_nothing() {
    (0..CLUSTERS / 2).into_par_iter().for_each(|seed| {
        // Owners may be represented or not by the order of duplicates only; there are none.
        let objects = clusters::objects(seed);
        let mut shuffled = objects.clone();
        let random = &mut Random::new(seed + 2_000_000);
        random.shuffle(&mut shuffled);
        for object in &mut shuffled {
            if let Object::NetworkPolicy(policy) = object {
                let policy = Arc::make_mut(policy);
                for rules in [&mut policy.ingress, &mut policy.egress] {
                    let Field::Value { value: rules, .. } = rules else {
                        continue;
                    };
                    random.shuffle(rules);
                    for rule in rules {
                        if let Field::Value { value: peers, .. } = &mut rule.peers {
                            random.shuffle(peers);
                        }
                        if let Field::Value { value: ports, .. } = &mut rule.ports {
                            random.shuffle(ports);
                        }
                    }
                }
            }
        }
        assert_eq!(printed(objects), printed(shuffled), "cluster {seed}");
    });
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let print_all = || {
        (0..200)
            .map(|seed| printed(clusters::objects(seed)))
            .collect::<Vec<_>>()
    };
    let in_pool = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a machine can start a few threads")
            .install(print_all)
    };
    assert_eq!(in_pool(1), in_pool(4));
}

fn printed(objects: Vec<Object>) -> String {
    let cluster = Cluster::new(objects);
    let engine = Engine::new(&cluster);
    let name = |peer| match peer {
        Peer::Workload(id) => cluster.workload_name(id),
        Peer::Outside(range) => range.to_string(),
        Peer::Entity(entity) => entity.name().to_owned(),
    };
    let line = |flow: Flow| {
        format!(
            "{} -> {}: {}\n",
            name(flow.source),
            name(flow.destination),
            flow.connections
        )
    };
    engine.relation().flows().map(line).collect()
}

#[test]
fn selections_agree_with_the_selectors_themselves() {
    (0..CLUSTERS / 2).into_par_iter().for_each(|seed| {
        let cluster = Cluster::new(clusters::objects(seed));
        let engine = Engine::new(&cluster);
        let is_seen = |id: &WorkloadId| {
            let object = &cluster.workload(*id).object;
            object.meta.is_accepted && !object.host_network
        };
        for id in cluster.policy_ids() {
            let policy = cluster.policy(id);
            let selector = policy.object.pod_selector.get();
            let is_selected = |workload: &WorkloadId| {
                policy.object.meta.is_accepted
                    && cluster.workload(*workload).namespace == policy.namespace
                    && is_seen(workload)
                    && selector.is_none_or(|selector| {
                        selector.matches(&cluster.workload(*workload).object.labels)
                    })
            };
            let expected: Vec<WorkloadId> = cluster.workload_ids().filter(is_selected).collect();
            assert_eq!(engine.selected(id), expected, "cluster {seed}");
            for direction in [Direction::Ingress, Direction::Egress] {
                for workload in cluster.workload_ids() {
                    let isolates =
                        expected.contains(&workload) && policy.object.applies_to(direction);
                    let isolating = engine.isolating(workload, direction);
                    assert_eq!(isolating.contains(&id), isolates, "cluster {seed}");
                    assert!(isolating.is_sorted());
                }
                for rule in policy.object.rules_field(direction).items() {
                    for peer in rule.peers.items() {
                        let peers = engine.peer_workloads(id, peer);
                        assert_eq!(
                            peers,
                            peers_by_hand(&cluster, policy.namespace, peer),
                            "cluster {seed}"
                        );
                    }
                }
            }
        }
    });
}

fn peers_by_hand(
    cluster: &Cluster,
    home: npcheck::cluster::NamespaceId,
    peer: &npcheck::k8s::NetworkPolicyPeer,
) -> Vec<WorkloadId> {
    let (pods, namespaces) = (peer.pod_selector.get(), peer.namespace_selector.get());
    let is_peer = |id: &WorkloadId| {
        let workload = cluster.workload(*id);
        let namespace = cluster.namespace(workload.namespace);
        let is_refused = namespace
            .declared
            .as_ref()
            .is_some_and(|object| !object.meta.is_accepted);
        let label = |key: &str| {
            let is_kept = !is_refused || key == npcheck::cluster::NAMESPACE_NAME_LABEL;
            namespace.labels.get(key).filter(|_| is_kept)
        };
        peer.ip_block.get().is_none()
            && workload.object.meta.is_accepted
            && !workload.object.host_network
            && namespaces.map_or(workload.namespace == home, |selector| {
                selector.matches_by(label)
            })
            && pods.is_none_or(|selector| selector.matches(&workload.object.labels))
    };
    cluster.workload_ids().filter(is_peer).collect()
}

#[test]
fn port_sets_obey_the_laws_of_sets() {
    let random = &mut Random::new(7);
    for _ in 0..200 {
        let (a, b) = (port_set(random), port_set(random));
        let (left, right) = (bits(&a), bits(&b));
        let by_bits = |operation: fn(bool, bool) -> bool| -> Vec<bool> {
            left.iter()
                .zip(&right)
                .map(|(a, b)| operation(*a, *b))
                .collect()
        };
        assert_eq!(bits(&a.union(&b)), by_bits(|a, b| a || b), "{a} and {b}");
        assert_eq!(
            bits(&a.intersection(&b)),
            by_bits(|a, b| a && b),
            "{a} and {b}"
        );
        assert_eq!(
            bits(&a.difference(&b)),
            by_bits(|a, b| a && !b),
            "{a} and {b}"
        );
        assert_eq!(a.is_subset(&b), a.difference(&b).is_empty(), "{a} and {b}");
        assert_eq!(a.complement().complement(), a);
        assert_eq!(a.union(&a.complement()), PortSet::all());
        assert_eq!(a.union(&b), b.union(&a));
        assert_eq!(a == b, left == right, "canonical: {a} and {b}");
        assert_eq!(PortSet::from_ranges(a.ranges().iter().rev().copied()), a);
    }
}

fn port_set(random: &mut Random) -> PortSet {
    let ends = [0, 1, 2, 3, 79, 80, 81, 90, 443, 1000, 65533, 65534, 65535];
    let count = random.below(9);
    PortSet::from_ranges((0..count).map(|_| (random.pick(&ends), random.pick(&ends))))
}

fn bits(set: &PortSet) -> Vec<bool> {
    (1..=u16::MAX).map(|port| set.contains(port)).collect()
}

#[test]
fn ranges_of_addresses_obey_the_laws_of_sets() {
    let random = &mut Random::new(8);
    let addresses: Vec<IpAddr> = (0..12).map(|last| IpAddr::from([10, 0, 0, last])).collect();
    for _ in 0..500 {
        let mut range = || {
            let (a, b) = (random.pick(&addresses), random.pick(&addresses));
            AddressRange::new(a.min(b), a.max(b)).expect("both are of one family and in order")
        };
        let (whole, blocks) = (range(), [range(), range(), range()]);
        let rest = whole.without(&blocks);
        let pieces = whole.cut(blocks);
        for address in &addresses {
            let is_rest =
                whole.contains(*address) && !blocks.iter().any(|block| block.contains(*address));
            assert_eq!(rest.iter().any(|piece| piece.contains(*address)), is_rest);
            let holding = pieces
                .iter()
                .filter(|piece| piece.contains(*address))
                .count();
            assert_eq!(holding, usize::from(whole.contains(*address)));
        }
        for (piece, block) in pieces
            .iter()
            .flat_map(|piece| blocks.iter().map(move |block| (piece, block)))
        {
            assert!(block.contains_range(piece) || !block.overlaps(piece));
        }
    }
}

fn ids_by_name(cluster: &Cluster) -> BTreeMap<(&str, &str, &str), WorkloadId> {
    let name = |id: WorkloadId| {
        let object = &cluster.workload(id).object;
        (
            (
                object.meta.namespace_name(),
                object.kind.name(),
                object.meta.name.value.as_str(),
            ),
            id,
        )
    };
    cluster.workload_ids().map(name).collect()
}
