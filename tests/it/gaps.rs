//! Texts that another tool fills in (`${NAME}`), put at random into random clusters: a verdict
//! has to hold whatever they turn out to be, and every way to ask has to give the same one.

use crate::clusters::{self, Random};
use npcheck::cluster::{Cluster, EnforcementSettings, WorkloadId};
use npcheck::engine::{self, ConnectionSet, Endpoint, Engine, Judge};
use npcheck::k8s::{
    ClusterNetworkPolicyRule, Direction, Field, ImpliedPods, Label, LabelSelector, Labels,
    NetworkPolicyRule, Object, PeerSelection, PodsSelection, PortMatch, PortReference,
};
use npcheck::source::Text;
use rayon::prelude::*;
use std::sync::Arc;

/// What a gap may turn out to be: every value that the random clusters compare, every name of
/// a port, and a text that nobody speaks of.
const VALUES: [&str; 12] = [
    "a", "b", "c", "", "web", "db", "red", "blue", "prod", "dev", "other", "fresh",
];
const NAMES: [&str; 4] = ["http", "dns", "admin", "fresh"];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Key,
    Value,
    PortName,
}

#[test]
fn a_verdict_holds_whatever_another_tool_fills_in() {
    let (doubted, judged) = (0..400u64)
        .into_par_iter()
        .map(compare_with_what_may_be_filled_in)
        .reduce(|| (0, 0), |one, other| (one.0 + other.0, one.1 + other.1));
    assert!(doubted > 300, "only {doubted} pairs were in doubt");
    // Doubt about everything would hold as well, and help nobody.
    assert!(doubted * 4 < judged, "{doubted} of {judged} were in doubt");
}

/// Fills the gaps of a cluster at random, a few times; how many pairs were in doubt, and how
/// many there were.
fn compare_with_what_may_be_filled_in(seed: u64) -> (usize, usize) {
    let random = &mut Random::new(seed + 5_000_000);
    let mut objects = clusters::objects(seed);
    let count = 1 + random.below(3);
    let gaps = with_gaps(random, &mut objects, count, &[Kind::Value, Kind::PortName]);
    with_unknown_networks(random, &mut objects, 8);
    let settings = enforcement(random);
    let cluster = Cluster::new(objects.clone()).with_enforcement(&settings);
    let worlds = (0..12).map(|_| {
        let gaps = gaps.iter().enumerate();
        let world = gaps.fold(objects.clone(), |world, (number, kind)| {
            let value = match kind {
                Kind::PortName => random.pick(&NAMES),
                _ => random.pick(&VALUES),
            };
            filled(&world, &gap(number), value)
        });
        let world = with_known_networks(random, world);
        Cluster::new(world).with_enforcement(&settings)
    });
    let worlds: Vec<Cluster> = worlds.collect();
    let (mut doubted, mut judged) = (0, 0);
    for source in cluster.workload_ids() {
        for destination in cluster.workload_ids() {
            let verdict = judge(&cluster, source, destination);
            let (mut always, mut ever) = (ConnectionSet::all(), ConnectionSet::none());
            for world in &worlds {
                let verdict = judge(world, source, destination);
                always = always.intersection(&verdict.allowed());
                ever = ever.union(verdict.possible());
            }
            assert!(verdict.allowed().is_subset(&always), "cluster {seed}");
            assert!(ever.is_subset(verdict.possible()), "cluster {seed}");
            judged += 1;
            doubted += usize::from(!verdict.unknown().is_empty());
        }
    }
    (doubted, judged)
}

#[test]
fn every_way_to_ask_gives_the_same_verdict_in_spite_of_gaps() {
    (0..500u64).into_par_iter().for_each(|seed| {
        let random = &mut Random::new(seed + 6_000_000);
        let mut objects = clusters::objects(seed);
        let kinds = [Kind::Key, Kind::Value, Kind::PortName];
        with_gaps(random, &mut objects, 4, &kinds);
        if seed % 2 == 0 {
            // So many rules that they are looked up.
            for object in &mut objects {
                if let Object::NetworkPolicy(policy) = object {
                    let policy = Arc::make_mut(policy);
                    if let Field::Value { value: rules, .. } = &mut policy.ingress {
                        rules.extend((0..12).map(|_| clusters::rule(random)));
                    }
                }
            }
        }
        with_unknown_networks(random, &mut objects, 15);
        with_unknown_labels(random, &mut objects, 15);
        let cluster = Cluster::new(objects).with_enforcement(&enforcement(random));
        let engine = Engine::new(&cluster);
        let relation = engine.relation();
        let many = Judge::new(&cluster);
        let ends: Vec<_> = cluster
            .workload_ids()
            .map(|id| (id, Endpoint::workload(&cluster, id)))
            .collect();
        let [sources, destinations] = [Direction::Egress, Direction::Ingress].map(|direction| {
            let prepared = ends.iter().map(|(_, end)| many.prepare(direction, end));
            prepared.collect::<Vec<_>>()
        });
        for ((from, source), asked_from) in ends.iter().zip(&sources) {
            for ((to, destination), asked_to) in ends.iter().zip(&destinations) {
                let verdict = engine::judge(&cluster, source, destination);
                let connections = relation.connections(*from, *to).into_owned();
                let unknown = relation.unknown(*from, *to).into_owned();
                assert_eq!(verdict.allowed(), connections, "cluster {seed}");
                assert_eq!(verdict.unknown(), unknown, "cluster {seed}");
                let decided = many.decide(asked_from, asked_to).verdict;
                let explained = many.explain(source, destination).verdict;
                assert_eq!(decided, explained, "cluster {seed}");
            }
        }
    });
}

fn judge(cluster: &Cluster, source: WorkloadId, destination: WorkloadId) -> engine::Verdict {
    let [from, to] = [source, destination].map(|id| Endpoint::workload(cluster, id));
    engine::judge(cluster, &from, &to)
}

/// What a plugin decides about blocks and the network of nodes, at random.
pub(crate) fn enforcement(random: &mut Random) -> EnforcementSettings {
    let mut decided = || random.percent(50).then(|| random.percent(50));
    EnforcementSettings {
        ip_block_matches_pods: decided(),
        ip_block_matches_nodes: decided(),
        selectors_match_host_network: decided(),
        ..EnforcementSettings::default()
    }
}

/// Has another tool fill in `hostNetwork` of some workloads.
pub(crate) fn with_unknown_networks(random: &mut Random, objects: &mut [Object], percent: usize) {
    for object in objects {
        if let Object::Workload(workload) = object {
            let workload = Arc::make_mut(workload);
            if random.percent(percent) {
                (workload.host_network, workload.is_host_network_known) = (false, false);
            }
        }
    }
}

/// Lets some workloads be pods of a chart, which may have other labels besides.
pub(crate) fn with_unknown_labels(random: &mut Random, objects: &mut [Object], percent: usize) {
    for object in objects {
        if let Object::Workload(workload) = object
            && random.percent(percent)
        {
            Arc::make_mut(workload).implied = Some(Box::new(ImpliedPods {
                kind: "HelmRelease".to_owned(),
                are_labels_known: false,
            }));
        }
    }
}

fn with_known_networks(random: &mut Random, mut objects: Vec<Object>) -> Vec<Object> {
    for object in &mut objects {
        if let Object::Workload(workload) = object {
            let workload = Arc::make_mut(workload);
            if !workload.is_host_network_known {
                workload.host_network = random.percent(50);
                workload.is_host_network_known = true;
            }
        }
    }
    objects
}

fn gap(number: usize) -> String {
    format!("${{G{number}}}")
}

/// Puts gaps in the place of some texts, and tells of which kind each is.
pub(crate) fn with_gaps(
    random: &mut Random,
    objects: &mut [Object],
    count: usize,
    kinds: &[Kind],
) -> Vec<Kind> {
    let mut places = 0;
    for object in objects.iter_mut() {
        visit(object, &mut |kind, _| {
            places += usize::from(kinds.contains(&kind))
        });
    }
    let mut gaps = Vec::new();
    for _ in 0..count.min(places) {
        let chosen = random.below(places);
        let mut place = 0;
        for object in objects.iter_mut() {
            visit(object, &mut |kind, text| {
                if kinds.contains(&kind) {
                    if place == chosen && !npcheck::k8s::is_opaque(text) {
                        *text = gap(gaps.len()).into();
                        gaps.push(kind);
                    }
                    place += 1;
                }
            });
        }
    }
    gaps
}

/// The objects with a gap filled in.
fn filled(objects: &[Object], gap: &str, value: &str) -> Vec<Object> {
    let mut objects = objects.to_vec();
    for object in &mut objects {
        visit(object, &mut |_, text| {
            if text == gap {
                *text = value.into();
            }
        });
    }
    objects
}

pub(crate) type Visitor<'v> = dyn FnMut(Kind, &mut Text) + 'v;

/// Shows every text of an object that policies compare.
pub(crate) fn visit(object: &mut Object, see: &mut Visitor<'_>) {
    match object {
        Object::Namespace(namespace) => {
            visit_labels(&mut Arc::make_mut(namespace).meta.labels, see)
        }
        Object::Workload(workload) => visit_labels(&mut Arc::make_mut(workload).labels, see),
        Object::NetworkPolicy(policy) => {
            let policy = Arc::make_mut(policy);
            if let Field::Value { value, .. } = &mut policy.pod_selector {
                visit_selector(value, see);
            }
            for rules in [&mut policy.ingress, &mut policy.egress] {
                if let Field::Value { value: rules, .. } = rules {
                    rules.iter_mut().for_each(|rule| visit_rule(rule, see));
                }
            }
        }
        Object::ClusterNetworkPolicy(policy) => {
            let policy = Arc::make_mut(policy);
            visit_pods(&mut policy.subject.value, see);
            let rules = policy.ingress.iter_mut().chain(&mut policy.egress);
            rules.for_each(|rule| visit_cluster_rule(rule, see));
        }
        _ => {}
    }
}

fn visit_rule(rule: &mut NetworkPolicyRule, see: &mut Visitor<'_>) {
    if let Field::Value { value: peers, .. } = &mut rule.peers {
        for peer in peers {
            for selector in [&mut peer.pod_selector, &mut peer.namespace_selector] {
                if let Field::Value { value, .. } = selector {
                    visit_selector(value, see);
                }
            }
        }
    }
    if let Field::Value { value: ports, .. } = &mut rule.ports {
        for port in ports {
            if let Field::Value { value, .. } = &mut port.port
                && let PortReference::Name(name) = &mut value.value
            {
                see(Kind::PortName, name);
            }
        }
    }
}

fn visit_cluster_rule(rule: &mut ClusterNetworkPolicyRule, see: &mut Visitor<'_>) {
    for peer in &mut rule.peers {
        match &mut peer.selection {
            PeerSelection::Pods(pods) => visit_pods(pods, see),
            PeerSelection::Nodes(selector) => visit_selector(selector, see),
            _ => {}
        }
    }
    for port in rule.ports.iter_mut().flatten() {
        if let PortMatch::Name(name) = &mut port.matches {
            see(Kind::PortName, name);
        }
    }
}

fn visit_pods(pods: &mut PodsSelection, see: &mut Visitor<'_>) {
    match pods {
        PodsSelection::Namespaces(selector) => visit_selector(selector, see),
        PodsSelection::Pods {
            namespace_selector,
            pod_selector,
        } => {
            visit_selector(namespace_selector, see);
            visit_selector(pod_selector, see);
        }
    }
}

fn visit_selector(selector: &mut LabelSelector, see: &mut Visitor<'_>) {
    for label in &mut selector.match_labels {
        see(Kind::Key, &mut label.key.value);
        see(Kind::Value, &mut label.value.value);
    }
    for requirement in &mut selector.match_expressions {
        see(Kind::Key, &mut requirement.key.value);
        for value in &mut requirement.values {
            see(Kind::Value, &mut value.value);
        }
    }
}

fn visit_labels(labels: &mut Labels, see: &mut Visitor<'_>) {
    let seen = labels.iter().cloned().map(|mut label: Label| {
        see(Kind::Key, &mut label.key.value);
        see(Kind::Value, &mut label.value.value);
        label
    });
    *labels = Labels::new(seen.collect());
}
