//! The laws that hold whichever plugin enforces the policies: what is said of one pair, of all
//! pairs, and of all pairs where some ends are asked for is the same.

use super::clusters::{self, Random};
use npcheck::cluster::{Cluster, Cni, EnforcementSettings, WorkloadId};
use npcheck::engine::{
    self, AddressRange, Endpoint, Engine, LeftOpen, Relation, Verdict, address_atoms,
};
use npcheck::graph::{EndSet, FlowMatrix, NodeEnds, Openness};
use npcheck::k8s::{Direction, Object};
use npcheck::source::SourceMap;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::net::IpAddr;

const CLUSTERS: u64 = 300;

/// The plugins whose policies are told apart.
pub(crate) const PLUGINS: [Option<Cni>; 3] = [None, Some(Cni::Calico), Some(Cni::Cilium)];

/// The objects under a plugin, with some policies of its own that depend on the number only.
pub(crate) fn cluster(mut objects: Vec<Object>, plugin: Option<Cni>, seed: u64) -> Cluster {
    let random = &mut Random::new(seed + 5_000_000);
    let text = match plugin {
        Some(Cni::Calico) => of_calico(random),
        Some(Cni::Cilium) => of_cilium(random),
        _ => String::new(),
    };
    let mut sources = SourceMap::default();
    let id = sources.add("plugin.yaml", text.as_str());
    objects.extend(npcheck::manifest::read(id, "plugin.yaml", &text).objects);
    let settings = EnforcementSettings {
        cni: plugin,
        ..EnforcementSettings::default()
    };
    Cluster::new(objects).with_enforcement(&settings)
}

/// Blocks of which pods have a part, or all addresses.
const BLOCKS: [&str; 7] = [
    "10.0.0.2/31",
    "10.0.1.1/32",
    "10.0.0.0/30",
    "0.0.0.0/1",
    "'fd00::2/127'",
    "'fd00::1/128'",
    "192.0.2.0/24",
];

fn of_calico(random: &mut Random) -> String {
    let mut text = String::new();
    for number in 0..random.below(3) {
        text += &format!(
            "{{apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet, \
             metadata: {{name: s{number}, labels: {{role: web}}}}, spec: {{nets: [{}]}}}}\n---\n",
            random.pick(&BLOCKS)
        );
    }
    for number in 0..random.below(3) {
        let subject = random.pick(&["all()", "app == 'a'", "has(nothing)"]);
        let types = random.pick(&["[Ingress]", "[Egress]", "[Ingress, Egress]"]);
        let action = random.pick(&["Allow", "Deny", "Pass"]);
        let other = match random.below(4) {
            0 => "selector: role == 'web'".to_owned(),
            1 => "notSelector: app == 'b'".to_owned(),
            2 => format!("nets: [{}]", random.pick(&BLOCKS)),
            _ => format!("notNets: [{}]", random.pick(&BLOCKS)),
        };
        text += &format!(
            "{{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {{name: p{number}}}, \
             spec: {{selector: \"{subject}\", types: {types}, ingress: [{{action: {action}, source: {{{other}}}}}], \
             egress: [{{action: {action}, destination: {{{other}}}}}]}}}}\n---\n"
        );
    }
    text
}

fn of_cilium(random: &mut Random) -> String {
    let mut text = String::new();
    for number in 0..random.below(4) {
        let namespace = random.pick(&["default", "alpha", "beta"]);
        let subject = random.pick(&["{}", "{matchLabels: {app: a}}"]);
        let egress = match random.below(6) {
            0 => "toFQDNs: [{matchPattern: '*'}]".to_owned(),
            1 => "toGroups: [{aws: {securityGroupsIds: [sg-1]}}]".to_owned(),
            2 => "toCIDRSet: [{cidrGroupRef: nowhere}]".to_owned(),
            3 => "toEntities: [world]".to_owned(),
            4 => format!("toCIDR: [{}]", random.pick(&BLOCKS)),
            _ => "toEndpoints: [{matchLabels: {app: b}}]".to_owned(),
        };
        let ingress = random.pick(&["fromEntities: [cluster]", "fromEndpoints: [{}]"]);
        text += &format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p{number}, namespace: {namespace}}}, \
             spec: {{endpointSelector: {subject}, ingress: [{{{ingress}}}], egress: [{{{egress}}}]}}}}\n---\n"
        );
    }
    text
}

fn openness(verdict: &Verdict) -> Openness {
    Openness {
        open: verdict.allowed(),
        unknown: verdict.unknown(),
    }
}

fn accepted(relation: Relation<'_>, cluster: &Cluster) -> Vec<WorkloadId> {
    let ids = cluster.workload_ids();
    ids.filter(|id| relation.group_of(*id).is_some()).collect()
}

/// An address of each range outside that any flow tells apart.
fn addresses(relation: Relation<'_>, pods: &[WorkloadId]) -> BTreeSet<IpAddr> {
    let mut ranges = relation.atoms().to_vec();
    for id in pods {
        for direction in Direction::BOTH {
            for family in [AddressRange::IPV4, AddressRange::IPV6] {
                let pieces = relation.with_outside(*id, direction, family);
                ranges.extend(pieces.map(|(range, ..)| range));
            }
        }
    }
    let atoms = address_atoms(ranges);
    atoms.into_iter().map(|atom| atom.first).collect()
}

fn with_outside(
    relation: Relation<'_>,
    id: WorkloadId,
    direction: Direction,
    address: IpAddr,
) -> Openness {
    let mut pieces = relation.with_outside(id, direction, address.into());
    pieces
        .next()
        .map_or_else(Openness::default, |(_, open, unknown)| Openness {
            open: open.into_owned(),
            unknown: unknown.into_owned(),
        })
}

/// What a table says of a workload and an address.
fn in_table(
    matrix: &FlowMatrix<'_>,
    id: WorkloadId,
    direction: Direction,
    address: IpAddr,
) -> Openness {
    let node = matrix.node_of(id).unwrap();
    let mut nodes = matrix.nodes();
    let outside = nodes.find(|node| match matrix.ends(*node) {
        NodeEnds::Outside(ranges) => ranges.iter().any(|range| range.contains(address)),
        NodeEnds::Workloads(_) | NodeEnds::Entity(_) => false,
    });
    outside.map_or_else(Openness::default, |outside| match direction {
        Direction::Egress => matrix.between(node, outside).clone(),
        Direction::Ingress => matrix.between(outside, node).clone(),
    })
}

#[test]
fn one_pair_and_all_pairs_are_judged_alike() {
    (0..CLUSTERS).into_par_iter().for_each(|seed| {
        let plugin = PLUGINS[seed as usize % PLUGINS.len()];
        let cluster = cluster(clusters::objects(seed), plugin, seed);
        // What no manifest tells is open for a single pair, too.
        let left_open = LeftOpen {
            namespaces: Vec::new(),
            addresses: true,
        };
        let engine = Engine::leaving_open(&cluster, left_open);
        let relation = engine.relation();
        let pods = accepted(relation, &cluster);
        let addresses = addresses(relation, &pods);
        let all = FlowMatrix::new(&engine, &[]);
        for id in &pods {
            let choice = EndSet::new([*id], []);
            let asked = FlowMatrix::new(&engine, &[&choice]);
            let end = Endpoint::workload(&cluster, *id);
            for other in &pods {
                let one_pod = cluster.workload(*id).object.kind.is_one_pod();
                if id == other && one_pod {
                    continue;
                }
                let about = || {
                    let [id, other] = [id, other].map(|id| cluster.workload_name(*id));
                    format!("cluster {seed}, {plugin:?}: {id} -> {other}")
                };
                let verdict = engine::judge(&cluster, &end, &Endpoint::workload(&cluster, *other));
                let known = Openness {
                    open: relation.connections(*id, *other).into_owned(),
                    unknown: relation.unknown(*id, *other).into_owned(),
                };
                assert_eq!(openness(&verdict), known, "{}", about());
                for matrix in [&all, &asked] {
                    let nodes = [id, other].map(|id| matrix.node_of(*id).unwrap());
                    assert_eq!(*matrix.between(nodes[0], nodes[1]), known, "{}", about());
                }
            }
            for direction in Direction::BOTH {
                for address in &addresses {
                    let about = || {
                        let id = cluster.workload_name(*id);
                        format!("cluster {seed}, {plugin:?}: {id} {direction:?} {address}")
                    };
                    let known = with_outside(relation, *id, direction, *address);
                    for matrix in [&all, &asked] {
                        let found = in_table(matrix, *id, direction, *address);
                        assert_eq!(found, known, "{}", about());
                    }
                    // Calico knows an address that a pod has as the pod's, and nothing else.
                    if known == Openness::default() && plugin == Some(Cni::Calico) {
                        continue;
                    }
                    let outside = Endpoint::Address((*address).into());
                    let verdict = match direction {
                        Direction::Egress => engine::judge(&cluster, &end, &outside),
                        Direction::Ingress => engine::judge(&cluster, &outside, &end),
                    };
                    assert_eq!(openness(&verdict), known, "{}", about());
                }
            }
        }
    });
}

/// Nothing is called allowed or blocked of all pairs that is unknown of the single pair.
#[test]
fn what_is_left_open_is_decided_by_nobody() {
    let doubts: usize = (0..CLUSTERS)
        .into_par_iter()
        .map(|seed| {
            let plugin = PLUGINS[seed as usize % PLUGINS.len()];
            let cluster = cluster(clusters::objects(seed), plugin, seed);
            let undeclared = |id: &npcheck::cluster::NamespaceId| {
                let declared = &cluster.namespace(*id).declared;
                declared.is_none()
            };
            let left_open = LeftOpen {
                namespaces: cluster.namespace_ids().filter(undeclared).collect(),
                addresses: true,
            };
            let engine = Engine::leaving_open(&cluster, left_open);
            let relation = engine.relation();
            let pods = accepted(relation, &cluster);
            let mut doubts = 0;
            for source in &pods {
                for destination in &pods {
                    let ends = [source, destination].map(|id| Endpoint::workload(&cluster, *id));
                    let verdict = engine.judge().explain(&ends[0], &ends[1]).verdict;
                    let open = relation.connections(*source, *destination);
                    let possible = open.union(&relation.unknown(*source, *destination));
                    assert!(open.is_subset(&verdict.allowed()), "cluster {seed}");
                    assert!(verdict.possible().is_subset(&possible), "cluster {seed}");
                    doubts += usize::from(!verdict.unknown().is_empty());
                }
            }
            doubts
        })
        .sum();
    assert!(doubts > 50, "only {doubts} pairs are unknown");
}
