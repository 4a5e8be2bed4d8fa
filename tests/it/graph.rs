//! Graphs against the relation, pair by pair: the difference of two clusters, the table of
//! flows, and paths through it.

use crate::clusters::{self, Random, changed};
use crate::program::{run, scratch, write};
use ipnet::IpNet;
use npcheck::cluster::{Cluster, WorkloadId};
use npcheck::engine::{AddressRange, ConnectionSet, Engine, Peer, Relation, address_atoms};
use npcheck::graph::{
    Certainty, End, EndSet, Flow, FlowMatrix, GraphDiff, Hops, NodeEnds, NodeId, PathQuery, Paths,
    difference,
};
use npcheck::k8s::{Object, WorkloadKind};
use rayon::prelude::*;
use serde_json::Value;
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
        let are_same_perhaps = perhaps(&before, &atoms) == perhaps(&after, &atoms);
        assert_eq!(
            diff.is_empty(),
            added.is_empty() && removed.is_empty() && are_same_perhaps,
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

/// Some ends of a cluster at random, addresses among them.
fn some_ends(cluster: &Cluster, seed: u64) -> EndSet {
    let random = &mut Random::new(seed + 6_000_000);
    let workloads = cluster.workload_ids().filter(|_| random.percent(40));
    let workloads: Vec<WorkloadId> = workloads.collect();
    let blocks = ["10.0.0.0/8", "10.0.0.0/30", "192.0.2.0/24", "fd00::/9"];
    let blocks = blocks.iter().filter(|_| random.percent(30));
    let ranges = blocks.map(|block| AddressRange::from(block.parse::<IpNet>().unwrap()));
    EndSet::new(workloads, ranges.collect::<Vec<_>>())
}

#[test]
fn the_table_of_flows_is_the_relation_whatever_is_chosen() {
    (0..300).into_par_iter().for_each(|seed| {
        let cluster = Cluster::new(clusters::objects(seed));
        let engine = Engine::new(&cluster);
        let choice = some_ends(&cluster, seed);
        for choices in [vec![], vec![&choice]] {
            let matrix = FlowMatrix::new(&engine, &choices);
            assert_table(&matrix, engine.relation(), seed);
        }
        let matrix = FlowMatrix::new(&engine, &[&choice]);
        let chosen: BTreeSet<NodeId> = matrix.nodes_of(&choice).into_iter().collect();
        for node in matrix.nodes() {
            match matrix.ends(node) {
                NodeEnds::Workloads(group) => {
                    for member in group {
                        assert_eq!(choice.has(*member), chosen.contains(&node), "{seed}");
                    }
                }
                NodeEnds::Outside(ranges) => {
                    for range in ranges {
                        assert_eq!(choice.has_range(range), chosen.contains(&node), "{seed}");
                    }
                }
                NodeEnds::Entity(_) => panic!("nobody asked for one"),
            }
        }
    });
}

/// Every cell is what the relation says of each pair that it stands for.
fn assert_table(matrix: &FlowMatrix<'_>, relation: Relation<'_>, seed: u64) {
    for source in matrix.nodes() {
        for destination in matrix.nodes() {
            let open = &matrix.between(source, destination).open;
            let is_right = |set: &ConnectionSet| set == open;
            match (matrix.ends(source), matrix.ends(destination)) {
                (NodeEnds::Workloads(from), NodeEnds::Workloads(to)) => {
                    let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b)));
                    let is_single =
                        |id| matrix.cluster().workload(id).object.kind == WorkloadKind::Pod;
                    for (a, b) in pairs.filter(|(a, b)| a != b || !is_single(*a)) {
                        assert!(is_right(&relation.connections(a, b)), "cluster {seed}");
                    }
                }
                (NodeEnds::Workloads(from), NodeEnds::Outside(ranges)) => {
                    for (workload, range) in pairs_of(from, ranges) {
                        let found = relation.to_outside(workload, range).next();
                        let found = found.map_or_else(ConnectionSet::none, |(_, set)| set.clone());
                        assert!(is_right(&found), "cluster {seed}");
                    }
                }
                (NodeEnds::Outside(ranges), NodeEnds::Workloads(to)) => {
                    for (workload, range) in pairs_of(to, ranges) {
                        let found = relation.from_outside(range, workload).next();
                        let found = found.map_or_else(ConnectionSet::none, |(_, set)| set.clone());
                        assert!(is_right(&found), "cluster {seed}");
                    }
                }
                _ => assert!(open.is_empty()),
            }
        }
    }
}

fn pairs_of<'p>(
    workloads: &'p [WorkloadId],
    ranges: &'p [AddressRange],
) -> impl Iterator<Item = (WorkloadId, AddressRange)> + 'p {
    workloads
        .iter()
        .flat_map(|id| ranges.iter().map(move |range| (*id, *range)))
}

/// Paths against a search of their own, node by node: they keep to flows, the shortest come
/// first, none is missing, and what every path crosses is what closes all of them.
#[test]
fn paths_are_all_chains_of_flows() {
    (0..300).into_par_iter().for_each(|seed| {
        let cluster = Cluster::new(clusters::objects(seed));
        let engine = Engine::new(&cluster);
        let ends = [some_ends(&cluster, seed), some_ends(&cluster, seed + 1)];
        let matrix = FlowMatrix::new(&engine, &[&ends[0], &ends[1]]);
        let all = ConnectionSet::all();
        let query = PathQuery {
            from: &ends[0],
            to: Some(&ends[1]),
            connections: &all,
            certainty: Certainty::Certain,
        };
        let paths = Paths::new(&matrix, &query);
        let found = paths.paths(4, 100_000);
        assert!(found.is_sorted_by_key(Vec::len), "cluster {seed}");
        let expected = every_chain(&matrix, [&ends[0], &ends[1]], 4);
        let distinct: BTreeSet<Vec<NodeId>> = found.iter().cloned().collect();
        assert_eq!(distinct.len(), found.len(), "cluster {seed}");
        assert_eq!(distinct, expected, "cluster {seed}");
        // The table of the cluster alone leaves out no path, and is as good where it has these ends
        // as whole nodes.
        let plain = FlowMatrix::new(&engine, &[]);
        let may_lead = Hops::new(&plain).may_lead(&plain, &ends[0], &ends[1]);
        assert!(may_lead || found.is_empty(), "cluster {seed}");
        if ends.iter().all(|ends| plain.has_whole(ends)) {
            let named = |matrix: &FlowMatrix<'_>, paths: &[Vec<NodeId>]| -> Vec<String> {
                let ends = |path: &Vec<NodeId>| {
                    let ends = path.iter().map(|node| matrix.ends(*node));
                    format!("{:?}", ends.collect::<Vec<_>>())
                };
                paths.iter().map(ends).collect()
            };
            let same = Paths::new(&plain, &query).paths(4, 100_000);
            assert_eq!(
                named(&plain, &same),
                named(&matrix, &found),
                "cluster {seed}"
            );
        }
        for node in paths.crossings() {
            assert!(
                found.iter().all(|path| path.contains(&node)),
                "cluster {seed}"
            );
        }
        // What is reached within some hops is what a path leads to.
        let reached = paths.reached(4);
        let leads = |hops: usize| {
            let mut all: BTreeSet<NodeId> = matrix.nodes_of(&ends[0]).into_iter().collect();
            for _ in 0..hops {
                let next: Vec<NodeId> = matrix
                    .flows()
                    .filter(|(source, _, set)| {
                        let carries_on =
                            !matrix.is_outside(*source) || ends_has(&matrix, &ends[0], *source);
                        all.contains(source) && carries_on && !set.open.is_empty()
                    })
                    .map(|(_, destination, _)| destination)
                    .collect();
                all.extend(next);
            }
            all.len() - matrix.nodes_of(&ends[0]).len()
        };
        for hops in 1..=3 {
            let within = reached.iter().filter(|one| one.hops <= hops).count();
            assert_eq!(within, leads(hops), "cluster {seed}, {hops} hops");
        }
    });
}

fn ends_has(matrix: &FlowMatrix<'_>, ends: &EndSet, node: NodeId) -> bool {
    matrix.nodes_of(ends).contains(&node)
}

/// Chains by brute force: no node twice, but for a hop within one; they end at the first
/// goal, and nothing is carried on through the outside.
fn every_chain(matrix: &FlowMatrix<'_>, ends: [&EndSet; 2], hops: usize) -> BTreeSet<Vec<NodeId>> {
    let [starts, goals] = ends.map(|ends| matrix.nodes_of(ends));
    let mut open: Vec<Vec<NodeId>> = starts.iter().map(|node| vec![*node]).collect();
    let mut whole = BTreeSet::new();
    for _ in 0..hops {
        let mut next = Vec::new();
        for chain in &open {
            let last = chain[chain.len() - 1];
            if matrix.is_outside(last) && !starts.contains(&last) {
                continue;
            }
            for (source, node, set) in matrix.flows() {
                let is_inner = chain.len() == 1 && node == last && goals.contains(&node);
                if source != last || set.open.is_empty() || (chain.contains(&node) && !is_inner) {
                    continue;
                }
                let chain = [chain.as_slice(), &[node]].concat();
                match goals.contains(&node) {
                    true => {
                        whole.insert(chain);
                    }
                    false => next.push(chain),
                }
            }
        }
        open = next;
    }
    whole
}

/// A workload that is taken over gets no further for a policy that only denies.
#[test]
fn a_deny_all_never_adds_to_what_can_be_reached() {
    (0..200).into_par_iter().for_each(|seed| {
        let objects = clusters::objects(seed);
        let is_deny = |object: &Object| match object {
            Object::NetworkPolicy(policy) => policy.rule_places().next().is_none(),
            _ => false,
        };
        let without: Vec<Object> = objects
            .iter()
            .filter(|one| !is_deny(one))
            .cloned()
            .collect();
        let reached = [objects, without].map(|objects| {
            let cluster = Cluster::new(objects);
            let engine = Engine::new(&cluster);
            let start: Vec<WorkloadId> = cluster.workload_ids().take(1).collect();
            let start = EndSet::new(start, []);
            let matrix = FlowMatrix::new(&engine, &[&start]);
            let query = PathQuery {
                from: &start,
                to: None,
                connections: &ConnectionSet::all(),
                certainty: Certainty::Certain,
            };
            let reached = Paths::new(&matrix, &query).reached(usize::MAX);
            let names = reached.iter().flat_map(|one| match matrix.ends(one.node) {
                NodeEnds::Workloads(group) => group.to_vec(),
                NodeEnds::Outside(_) | NodeEnds::Entity(_) => Vec::new(),
            });
            names
                .map(|id| cluster.workload_name(id))
                .collect::<BTreeSet<String>>()
        });
        assert!(reached[0].is_subset(&reached[1]), "cluster {seed}");
    });
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

/// Every flow that is allowed or may be, as the stream of all flows has it.
fn perhaps(engine: &Engine, atoms: &[AddressRange]) -> Flows {
    let cluster = engine.cluster();
    let ends = |peer: &Peer| match peer {
        Peer::Workload(id) => vec![End::Workload(cluster.workload_name(*id))],
        Peer::Outside(range) => {
            let inside = atoms.iter().filter(|atom| range.contains_range(atom));
            inside.map(|atom| End::Outside(*atom)).collect()
        }
        Peer::Entity(_) => Vec::new(),
    };
    let mut flows = Flows::new();
    for flow in engine.relation().flows() {
        for source in ends(&flow.source) {
            for destination in ends(&flow.destination) {
                let pair = (source.clone(), destination);
                flows.insert(pair, flow.connections.union(&flow.unknown));
            }
        }
    }
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

#[test]
fn clusters_of_which_there_is_the_same_to_say_share_it() {
    let directory = scratch("graph-shared");
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}}\n---\n";
    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, \
                  metadata: {name: p, namespace: shop}, spec: {podSelector: {}, ingress: [RULES]}}";
    for (name, rules) in [("a", ""), ("b", ""), ("c", "{}")] {
        let text = format!("{pod}{}", policy.replace("RULES", rules));
        write(&directory, &format!("{name}/web.yaml"), text);
    }
    let graph = run(&directory, &["graph", "-q"]);
    let heads = graph.stdout.lines().filter(|line| line.ends_with(':'));
    assert_eq!(heads.collect::<Vec<_>>(), ["clusters a, b:", "cluster c:"]);
}

#[test]
fn nodes_and_their_like_are_ends_of_flows_under_cilium() {
    let folder = scratch("entities");
    let policy = "
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: a}}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: shop, labels: {app: b}}, spec: {containers: [{name: c}]}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: shop},
 spec: {endpointSelector: {matchLabels: {app: a}}, egress: [
   {toEntities: [kube-apiserver], toPorts: [{ports: [{port: '6443', protocol: TCP}]}]}]}}";
    write(&folder, "shop.yaml", policy);
    let graph = |arguments: &[&str]| {
        let all = ["graph", "-q"].iter().chain(arguments).copied();
        run(&folder, &all.collect::<Vec<_>>()).stdout
    };
    let only_a = graph(&["--from", "shop/a", "--to", "apiserver"]);
    assert_eq!(only_a, "shop/Pod/a -> kube-apiserver  TCP 6443\n");
    assert_eq!(graph(&["--from", "shop/a"]), only_a);
    assert_eq!(graph(&["--from", "shop/a", "--to", "node"]), "");
    let into_b = graph(&["--from", "entity:ingress", "--to", "shop/b", "-o", "csv"]);
    assert_eq!(into_b.lines().count(), 4, "{into_b}");
    let names_it = |format: &str, arguments: &[&str]| {
        let arguments = arguments.iter().copied().chain(["-o", format]);
        graph(&arguments.collect::<Vec<_>>()).contains("entity:kube-apiserver")
    };
    for data in ["json", "json-lines", "csv"] {
        assert!(names_it(data, &[]), "{data}");
    }
    for picture in ["dot", "mermaid", "svg"] {
        assert!(!names_it(picture, &[]), "{picture}");
        assert!(names_it(picture, &["--to", "apiserver"]), "{picture}");
    }
    let by_namespace = graph(&["--by", "namespace", "--to", "apiserver"]);
    assert_eq!(by_namespace, "shop -> kube-apiserver  all ports\n");
    let refused = run(&folder, &["graph", "--around", "node"]);
    assert_eq!(refused.status, 2, "{refused:?}");
}

#[test]
fn names_of_the_dns_are_ends_that_are_asked_for() {
    let folder = scratch("domains");
    let policy = "
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: a}}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: shop, labels: {app: b}}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: shop, labels: {app: c}}, spec: {containers: [{name: c}]}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: shop},
 spec: {endpointSelector: {matchLabels: {app: a}}, egress: [
   {toFQDNs: [{matchPattern: '*.example.org'}], toPorts: [{ports: [{port: '443', protocol: TCP}]}]}]}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: q, namespace: shop},
 spec: {endpointSelector: {matchLabels: {app: b}}, egress: [{}]}}";
    write(&folder, "shop.yaml", policy);
    let graph = |arguments: &[&str]| {
        let all = ["graph", "-q"].iter().chain(arguments).copied();
        run(&folder, &all.collect::<Vec<_>>())
    };
    let to = ["--to", "fqdn:api.example.org"];
    assert_eq!(
        graph(&to).stdout,
        "shop/Pod/a -> fqdn:api.example.org  TCP 443\n\
         shop/Pod/c -> fqdn:api.example.org  all ports\n"
    );
    let other = graph(&["--from", "shop/a", "--to", "fqdn:example.net"]);
    assert_eq!(other.stdout, "");
    for format in ["json", "json-lines", "csv", "dot", "mermaid", "svg"] {
        let shown = graph(&[&to[..], &["-o", format]].concat()).stdout;
        assert!(shown.contains("fqdn:api.example.org"), "{format}");
    }
    let page = graph(&[&to[..], &["-o", "html"]].concat());
    assert_eq!((page.status, page.stdout.as_str()), (2, ""), "{page:?}");
    assert!(!graph(&["-o", "json-lines"]).stdout.contains("fqdn:"));
    let from = graph(&["--from", "fqdn:api.example.org"]);
    assert_eq!(from.status, 2, "{from:?}");
}

/// The pods of a release are there without a manifest; those that are among the manifests are
/// there once.
#[test]
fn pods_of_releases_are_drawn() {
    let release = |name: &str, more: &str| {
        format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: {name}, namespace: media}}\nspec:\n  chart: {{spec: {{chart: {more}\n"
        )
    };
    let player = release(
        "player",
        "app-template, version: 4.1.2}}\n  values: {controllers: {main: {containers: {app: {}}}, worker: {containers: {app: {}}}}, service: {app: {controller: main, ports: {http: {port: 8080}}}}}",
    );
    let redis = release("redis", "redis}}");
    let policy = |name: &str, labels: &str, from: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: media}}\nspec: {{podSelector: {{matchLabels: {{{labels}}}}}, ingress: [{from}]}}\n"
        )
    };
    let main = policy(
        "main",
        "app.kubernetes.io/controller: main",
        "{from: [{podSelector: {matchLabels: {app.kubernetes.io/controller: worker}}}], ports: [{port: http}]}",
    );
    let master = policy(
        "master",
        "app.kubernetes.io/instance: redis, app.kubernetes.io/component: master",
        "",
    );
    let directory = scratch("graph-releases");
    let write = |name: &str, text: &str| write(&directory, name, text);
    write("all.yaml", &[player, redis, main, master].join("---\n"));
    let graph = |arguments: &[&str]| {
        let all = ["graph", "-q"].iter().chain(arguments).copied();
        run(&directory, &all.collect::<Vec<_>>()).stdout
    };
    assert_eq!(
        graph(&["--to", "media/player-main"]),
        "media/HelmRelease/player-worker -> media/HelmRelease/player-main  TCP 8080\n\
         media/HelmRelease/redis -> media/HelmRelease/player-main  unknown: TCP 8080\n"
    );
    let worker_to_redis =
        "media/HelmRelease/player-worker -> media/HelmRelease/redis  unknown: all";
    assert!(graph(&["--to", "media/redis"]).contains(worker_to_redis));
    let exposure = run(&directory, &["exposure", "-q", "-o", "json"]).stdout;
    let exposure: Value = serde_json::from_str(&exposure).unwrap();
    let isolated = |name: &str| {
        let mut workloads = exposure["clusters"][0]["workloads"]
            .as_array()
            .unwrap()
            .iter();
        let of_name = |one: &&Value| one["workload"].as_str().unwrap().contains(name);
        let workload = workloads.find(of_name).expect("the workload is there");
        workload["isolatedIn"].as_bool()
    };
    assert_eq!(isolated("player-main"), Some(true));
    assert_eq!(isolated("player-worker"), Some(false));
    assert_eq!(isolated("redis"), None);
    write(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: redis-0, namespace: media, labels: {app.kubernetes.io/instance: redis, app.kubernetes.io/component: master}}\n",
    );
    let all = graph(&[]);
    assert!(!all.contains("HelmRelease/redis") && all.contains("Pod/redis-0"));
    // What another tool fills in names nothing yet, be it the release or its namespace.
    let block = |name: &str, namespace: &str| {
        let metadata = format!("metadata:\n  name: {name}\n  namespace: {namespace}\n");
        release("x", "redis}}").replace("metadata: {name: x, namespace: media}\n", &metadata)
    };
    let (named, placed) = (block("${APP}", "media"), block("valkey", "home-${ENV}"));
    write("unfinished.yaml", &format!("{named}---\n{placed}"));
    assert_eq!(graph(&[]), all);
}
