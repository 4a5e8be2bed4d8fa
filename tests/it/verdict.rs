//! The verdict on single pairs: that it is the one of the whole relation, that its reasons
//! fit it, and that doubt is where the answer really depends on what is missing.

use crate::clusters::{self, Random};
use npcheck::cluster::{Cluster, WorkloadId};
use npcheck::engine::{
    self, AddressRange, ConnectionSet, Endpoint, Explanation, Judge, PodView, PortSet, ReasonCode,
    SideTrace, Verdict,
};
use npcheck::k8s::{
    Direction, Field, Holes, Label, Labels, Namespace, Object, ObjectMeta, Protocol,
};
use npcheck::source::{SourceMap, Span, Spanned, Text};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

const CLUSTERS: u64 = 400;

#[test]
fn an_explanation_accounts_for_every_connection() {
    (0..CLUSTERS).into_par_iter().for_each(|seed| {
        let cluster = Cluster::new(clusters::objects(seed));
        let mut random = Random::new(seed);
        let asked = random_ports(&mut random);
        for source in accepted(&cluster) {
            for destination in accepted(&cluster) {
                let [from, to] = [source, destination].map(|id| complete(&cluster, id));
                let explanation = engine::explain(&cluster, &from, &to);
                // No text is missing, so that nothing but addresses is in doubt.
                let expected = engine::judge(&cluster, &from, &to);
                assert_eq!(explanation.verdict, expected, "cluster {seed}");
                let sides = explanation.ways.iter().flat_map(|way| way.sides());
                for side in sides {
                    assert_is_accounted_for(side, &asked);
                    assert_is_accounted_for(side, &ConnectionSet::all());
                }
            }
        }
    });
}

#[test]
fn a_pair_among_many_is_decided_as_it_is_explained() {
    (0..CLUSTERS / 2).into_par_iter().for_each(|seed| {
        let random = &mut Random::new(seed + 9_000_000);
        let mut objects = clusters::objects(seed);
        // So many rules that they are looked up.
        for object in &mut objects {
            if let Object::NetworkPolicy(policy) = object {
                let policy = Arc::make_mut(policy);
                for rules in [&mut policy.ingress, &mut policy.egress] {
                    if let Field::Value { value: rules, .. } = rules {
                        rules.extend((0..12).map(|_| clusters::rule(random)));
                    }
                }
            }
        }
        let cluster = Cluster::new(objects);
        let pods = accepted(&cluster).map(|id| Endpoint::workload(&cluster, id));
        let outside = engine::uniform_ranges(&cluster, &AddressRange::IPV4);
        let outside = outside.into_iter().take(5).map(Endpoint::Address);
        let ends: Vec<Endpoint<'_>> = pods.chain(outside).collect();
        let judge = Judge::new(&cluster);
        let [sources, destinations] = [Direction::Egress, Direction::Ingress].map(|direction| {
            let prepared = ends.iter().map(|end| judge.prepare(direction, end));
            prepared.collect::<Vec<_>>()
        });
        let decisions = |explanation: &Explanation<'_>| {
            let sides = explanation.ways.iter().flat_map(|way| way.sides());
            let decisions = sides.flat_map(|side| side.decisions(&ConnectionSet::all()));
            let parts = decisions.map(|it| {
                let rule = it.rule.map(|rule| (rule.policy, rule.index));
                format!("{:?}", (it.code, it.connections, it.stage, rule))
            });
            parts.collect::<Vec<_>>()
        };
        for (from, source) in ends.iter().zip(&sources) {
            for (to, destination) in ends.iter().zip(&destinations) {
                let decided = judge.decide(source, destination);
                let explained = judge.explain(from, to);
                assert_eq!(decided.verdict, explained.verdict, "cluster {seed}");
                assert_eq!(decisions(&decided), decisions(&explained), "cluster {seed}");
            }
        }
    });
}

/// Every connection is in one decision, and comes out as the decision's code says.
fn assert_is_accounted_for(side: &SideTrace<'_>, asked: &ConnectionSet) {
    let mut seen = ConnectionSet::none();
    for decision in side.decisions(asked) {
        assert_eq!(
            seen.intersection(&decision.connections),
            ConnectionSet::none()
        );
        seen = seen.union(&decision.connections);
        let allowed = side.verdict.allowed();
        match decision.code {
            ReasonCode::NoRules
            | ReasonCode::NoRuleMatches
            | ReasonCode::AdminDeny
            | ReasonCode::BaselineDeny => {
                assert_eq!(
                    allowed.intersection(&decision.connections),
                    ConnectionSet::none()
                );
            }
            ReasonCode::AddressUnknown | ReasonCode::NotJudged => {
                assert!(decision.connections.is_subset(&side.verdict.unknown()));
            }
            _ => assert!(
                decision.connections.is_subset(&allowed),
                "{:?}",
                decision.code
            ),
        }
    }
    assert_eq!(seen, *asked);
}

#[test]
fn a_side_is_what_the_explanation_says_of_it() {
    (0..CLUSTERS / 4).into_par_iter().for_each(|seed| {
        let cluster = Cluster::new(clusters::objects(seed));
        let judge = Judge::new(&cluster);
        for source in accepted(&cluster) {
            for destination in accepted(&cluster) {
                let [from, to] = [source, destination].map(|id| complete(&cluster, id));
                let explanation = engine::explain(&cluster, &from, &to);
                let union = |direction| {
                    let ways = explanation.ways.iter().flat_map(|way| way.sides());
                    let sides = ways.filter(|side| side.direction == direction);
                    let verdicts = sides.map(|side| side.verdict.clone());
                    verdicts
                        .reduce(|one, other| one.or(&other))
                        .expect("there is a way")
                };
                let egress = judge.one_side(Direction::Egress, &from, &to);
                let ingress = judge.one_side(Direction::Ingress, &to, &from);
                assert_eq!(egress, union(Direction::Egress), "cluster {seed}");
                assert_eq!(ingress, union(Direction::Ingress), "cluster {seed}");
            }
        }
    });
}

/// What a namespace may have for labels, as far as the random policies can tell.
const KEYS: [(&str, &[&str]); 3] = [
    ("team", &["red", "blue", "", "other", "else"]),
    ("env", &["prod", "dev", "other", "else"]),
    (
        "absent",
        &["red", "blue", "", "prod", "dev", "other", "else"],
    ),
];

#[test]
fn doubt_is_where_the_labels_of_a_missing_namespace_decide() {
    let doubted: usize = (0..CLUSTERS / 4)
        .into_par_iter()
        .map(compare_with_worlds)
        .sum();
    assert!(doubted > 30, "only {doubted} pairs were in doubt");
}

/// Declares every missing namespace with all labels that it may have, and returns how many
/// pairs were in doubt.
fn compare_with_worlds(seed: u64) -> usize {
    let objects = clusters::objects(seed);
    let cluster = Cluster::new(objects.clone());
    let mut doubted = 0;
    let missing = |id: WorkloadId| {
        let namespace = cluster.namespace(cluster.workload(id).namespace);
        namespace
            .declared
            .is_none()
            .then_some(namespace.name.as_str())
    };
    let names: BTreeSet<&str> = cluster.workload_ids().filter_map(missing).collect();
    for name in names {
        let worlds = worlds(&objects, name);
        for source in accepted(&cluster) {
            for destination in accepted(&cluster) {
                let missing = [source, destination].map(missing);
                let is_only_one = missing.iter().flatten().all(|missing| *missing == name);
                if !missing.contains(&Some(name)) || !is_only_one {
                    continue;
                }
                let verdict = explain(&cluster, source, destination).verdict;
                let (mut always, mut ever) = (ConnectionSet::all(), ConnectionSet::none());
                for world in &worlds {
                    let verdict = judged_alike(&cluster, world, source, destination);
                    always = always.intersection(&verdict.allowed());
                    ever = ever.union(verdict.possible());
                }
                assert_eq!(verdict.allowed(), always, "cluster {seed}: {name}");
                assert_eq!(
                    verdict.unknown(),
                    ever.difference(&always),
                    "cluster {seed}: {name}"
                );
                doubted += usize::from(always != ever);
            }
        }
    }
    doubted
}

fn explain(cluster: &Cluster, source: WorkloadId, destination: WorkloadId) -> Explanation<'_> {
    let [from, to] = [source, destination].map(|id| Endpoint::workload(cluster, id));
    engine::explain(cluster, &from, &to)
}

/// The connections of a pair of one cluster in another one with the same workloads.
fn judged_alike(
    cluster: &Cluster,
    world: &Cluster,
    source: WorkloadId,
    destination: WorkloadId,
) -> Verdict {
    let same = |id: WorkloadId| {
        let name = cluster.workload_name(id);
        world
            .workload_ids()
            .find(|id| world.workload_name(*id) == name)
            .expect("it is there")
    };
    let [from, to] = [source, destination].map(|id| Endpoint::workload(world, same(id)));
    engine::judge(world, &from, &to)
}

/// The cluster with a namespace declared in every way.
fn worlds(objects: &[Object], name: &str) -> Vec<Cluster> {
    let world = |labels| {
        let mut world = objects.to_vec();
        world.push(declared(name, labels));
        Cluster::new(world)
    };
    label_sets().into_iter().map(world).collect()
}

fn label_sets() -> Vec<Labels> {
    let mut sets = vec![Vec::new()];
    for (key, values) in KEYS {
        let with = sets.iter().flat_map(|set: &Vec<Label>| {
            values.iter().map(|value| {
                let label = Label {
                    key: spanned(key),
                    value: spanned(value),
                };
                [&set[..], &[label]].concat()
            })
        });
        let with: Vec<_> = with.collect();
        sets.extend(with);
    }
    sets.into_iter().map(Labels::new).collect()
}

fn declared(name: &str, labels: Labels) -> Object {
    Object::Namespace(Arc::new(Namespace {
        meta: ObjectMeta {
            span: spanned("").span,
            api_version: Spanned::new("v1".into(), spanned("").span),
            name: spanned(name),
            namespace: None,
            labels,
            annotations: Labels::default(),
            owner: None,
            is_accepted: true,
            holes: Holes::default(),
        },
    }))
}

fn spanned(text: &str) -> Spanned<Text> {
    let source = SourceMap::default().add("", "");
    Spanned::new(text.into(), Span::new(source, 0, 0))
}

/// The workloads that an API server takes.
pub(crate) fn accepted(cluster: &Cluster) -> impl Iterator<Item = WorkloadId> + '_ {
    cluster
        .workload_ids()
        .filter(|id| cluster.workload(*id).object.meta.is_accepted)
}

/// A workload in a cluster of which nothing is missing.
fn complete(cluster: &Cluster, id: WorkloadId) -> Endpoint<'_> {
    let mut pod = PodView::workload(cluster, id);
    pod.namespace.are_labels_known = true;
    Endpoint::Pod(pod)
}

fn random_ports(random: &mut Random) -> ConnectionSet {
    let ports = random
        .pick(&[PortSet::single(80), PortSet::range(50, 90), PortSet::all()].each_ref())
        .clone();
    ConnectionSet::of(random.pick(&Protocol::ALL), ports)
}
