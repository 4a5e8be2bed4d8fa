//! Ends that no policy tells apart come out alike, with every end of the other side, whatever
//! is not known of them; and where no rule is about the other end, it does not matter who that is.

use crate::clusters::{self, Random};
use crate::gaps::{self, Kind};
use crate::verdict::accepted;
use npcheck::cluster::{Cluster, WorkloadId};
use npcheck::engine::{
    self, AddressRange, ConnectionSet, EndClasses, EndIndex, Endpoint, Engine, Entity, Explanation,
    Judge, PreparedEnd, SideTrace, Verdict,
};
use npcheck::k8s::{Direction, Field, Object};
use npcheck::source::SourceMap;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

const CLUSTERS: u64 = 250;

#[test]
fn ends_that_no_policy_tells_apart_come_out_alike() {
    assert_many_are_alike(|seed| Cluster::new(clusters::objects(seed)));
}

#[test]
fn what_is_not_known_of_ends_tells_them_apart() {
    assert_many_are_alike(cluster_with_gaps);
}

#[test]
fn policies_of_cilium_tell_ends_apart() {
    assert_many_are_alike(|seed| text_cluster(seed, cilium_policy));
}

#[test]
fn policies_of_calico_tell_ends_apart() {
    assert_many_are_alike(|seed| text_cluster(seed, calico_policy));
}

/// A cluster with texts that another tool fills in, pods that may be on the network of their node,
/// selectors of labels that controllers add, and what plugins decide in different ways.
fn cluster_with_gaps(seed: u64) -> Cluster {
    let random = &mut Random::new(seed + 12_000_000);
    let mut objects = clusters::objects(seed);
    // Many pods, of which some have equal labels.
    objects.extend(clusters::objects(seed + 1_000).into_iter().map(renamed));
    ask_for_added_labels(random, &mut objects);
    let kinds = [Kind::Key, Kind::Value, Kind::PortName];
    gaps::with_gaps(random, &mut objects, 3, &kinds);
    gaps::with_unknown_networks(random, &mut objects, 15);
    gaps::with_unknown_labels(random, &mut objects, 15);
    if seed.is_multiple_of(4) {
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
    Cluster::new(objects).with_enforcement(&gaps::enforcement(random))
}

/// What the policies of one end let through is the same for a pair and in the graph of all.
#[test]
fn one_side_of_a_pair_is_that_of_the_graph() {
    let clusters: [fn(u64) -> Cluster; 4] = [
        |seed| Cluster::new(clusters::objects(seed)),
        cluster_with_gaps,
        |seed| text_cluster(seed, cilium_policy),
        |seed| text_cluster(seed, calico_policy),
    ];
    for (kind, cluster) in clusters.into_iter().enumerate() {
        let seeds = (0..CLUSTERS).into_par_iter();
        let unknown = seeds.map(|seed| count_unknown_sides(&cluster(seed), (kind, seed)));
        let unknown: usize = unknown.sum();
        assert!(unknown > 100, "{unknown} of kind {kind}");
    }
}

/// How many of the sides that agree are not known.
fn count_unknown_sides(cluster: &Cluster, about: (usize, u64)) -> usize {
    let engine = Engine::new(cluster);
    let (relation, judge) = (engine.relation(), engine.judge());
    let ids: Vec<WorkloadId> = accepted(cluster).collect();
    let mut unknown = 0;
    for (subject, other) in ids.iter().flat_map(|a| ids.iter().map(move |b| (*a, *b))) {
        let [one, two] = [subject, other].map(|id| Endpoint::workload(cluster, id));
        if are_one_pod(&one, &two) {
            continue;
        }
        for direction in Direction::BOTH {
            let verdict = judge.one_side(direction, &one, &two);
            let sides = relation.one_side(direction, subject, other);
            let [allowed, possible] = sides.expect("the objects are accepted");
            assert_eq!(*allowed, verdict.allowed(), "{about:?}");
            assert_eq!(
                possible.difference(&allowed),
                verdict.unknown(),
                "{about:?}"
            );
            unknown += usize::from(!verdict.unknown().is_empty());
        }
    }
    unknown
}

/// The same under another name.
fn renamed(mut object: Object) -> Object {
    if let Object::Workload(workload) = &mut object {
        Arc::make_mut(workload).meta.name.value.push('x');
    }
    object
}

/// Lets some selectors ask for labels that controllers add.
fn ask_for_added_labels(random: &mut Random, objects: &mut [Object]) {
    for object in objects.iter_mut() {
        if matches!(object, Object::Workload(_)) {
            continue;
        }
        let mut is_changed = false;
        gaps::visit(object, &mut |kind, text| match kind {
            Kind::Key => {
                is_changed = random.percent(20);
                if is_changed {
                    let keys = ["statefulset.kubernetes.io/pod-name", "job-name"];
                    *text = random.pick(&keys).into();
                }
            }
            Kind::Value if is_changed => {
                *text = format!("w{}{}", random.below(4), random.pick(&["", "-0"])).into();
            }
            Kind::Value | Kind::PortName => {}
        });
    }
}

/// Holds each pair of many clusters against that of its classes, and against an end that no rule
/// is about; both must have happened often.
fn assert_many_are_alike(cluster: impl Fn(u64) -> Cluster + Sync) {
    let counts = (0..CLUSTERS).into_par_iter().map(|seed| {
        let cluster = cluster(seed);
        count_alike(&cluster, seed)
    });
    let [shared, silent] = counts.reduce(|| [0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
    assert!(shared > 400 && silent > 1_000, "{shared} and {silent}");
}

/// How many pairs were held against another one, and how many sides against one that no rule is
/// about.
fn count_alike(cluster: &Cluster, seed: u64) -> [usize; 2] {
    let ends = ends(cluster);
    let judge = Judge::new(cluster);
    assert_asked_alike(&judge, &ends, seed);
    let prepare = |direction| {
        let prepared = ends.iter().map(|end| judge.prepare(direction, end));
        prepared.collect::<Vec<_>>()
    };
    let (from, to) = (prepare(Direction::Egress), prepare(Direction::Ingress));
    let sources = judge.classes(Direction::Egress, &from, &to);
    let destinations = judge.classes(Direction::Ingress, &to, &from);
    let index = EndIndex::new(&ends);
    let spoken = |direction, prepared: &[PreparedEnd<'_, '_>]| {
        let spoken = prepared.iter();
        let spoken = spoken.map(|end| judge.spoken_of(direction, end, &index));
        spoken.collect::<Vec<_>>()
    };
    let of_sources = spoken(Direction::Egress, &from);
    let of_destinations = spoken(Direction::Ingress, &to);
    let (mut shared, mut silent) = (0, 0);
    for (source, from_end) in from.iter().enumerate() {
        for (destination, to_end) in to.iter().enumerate() {
            if are_one_pod(from_end.end(), to_end.end()) {
                continue;
            }
            let decided = judge.decide(from_end, to_end);
            let of_class = (first(&sources, source), first(&destinations, destination));
            if of_class != (source, destination)
                && !are_one_pod(&ends[of_class.0], &ends[of_class.1])
            {
                let of_first = judge.decide(&from[of_class.0], &to[of_class.1]);
                assert_eq!(sides(&of_first), sides(&decided), "cluster {seed}");
                assert_eq!(of_first.verdict, decided.verdict, "cluster {seed}");
                shared += 1;
            }
            let sides = [
                (
                    Direction::Egress,
                    from_end,
                    &of_sources[source],
                    destination,
                ),
                (
                    Direction::Ingress,
                    to_end,
                    &of_destinations[destination],
                    source,
                ),
            ];
            for (direction, end, spoken, other) in sides {
                let is_about = |ends: &Vec<u32>| ends.binary_search(&(other as u32)).is_ok();
                if spoken.as_ref().is_none_or(is_about) {
                    continue;
                }
                let expected = told(&judge.with_anybody(direction, end));
                // Which labels a namespace may have is tried for each pair.
                let has_unknown_namespace =
                    from_end.is_in_unknown_namespace() || to_end.is_in_unknown_namespace();
                if has_unknown_namespace && !expected.0.unknown().is_empty() {
                    continue;
                }
                silent += 1;
                for way in &decided.ways {
                    let side = match direction {
                        Direction::Egress => &way.egress,
                        Direction::Ingress => &way.ingress,
                    };
                    assert_eq!(told(side), expected, "cluster {seed}");
                }
            }
        }
    }
    [shared, silent]
}

/// All ends that there are: pods, addresses, and what Cilium tells from both.
fn ends(cluster: &Cluster) -> Vec<Endpoint<'_>> {
    let pods = accepted(cluster).map(|id| Endpoint::workload(cluster, id));
    let outside = [AddressRange::IPV4, AddressRange::IPV6];
    let outside = outside.map(|family| engine::uniform_ranges(cluster, &family));
    let outside = outside.into_iter().flatten().map(Endpoint::Address);
    let others = [
        Endpoint::Entity(Entity::Host),
        Endpoint::Entity(Entity::KubeApiserver),
        Endpoint::Name("api.example.org"),
    ];
    pods.chain(outside).chain(others).collect()
}

/// What leaves two pods for an end without a known address is the same where the same policies are
/// asked about both.
fn assert_asked_alike(judge: &Judge<'_, '_>, ends: &[Endpoint<'_>], seed: u64) {
    let mut firsts = HashMap::new();
    let unknown = ends.iter().filter(|end| match end {
        Endpoint::Pod(pod) => pod.addresses.is_empty(),
        Endpoint::Entity(_) | Endpoint::Name(_) => true,
        Endpoint::Address(_) => false,
    });
    for end in ends.iter().filter(|end| end.pod().is_some()) {
        let first = *firsts.entry(judge.asked_about(end)).or_insert(end);
        for other in unknown.clone() {
            if !are_one_pod(first, other) && !are_one_pod(end, other) {
                let leaves = |end| judge.one_side(Direction::Egress, end, other);
                assert_eq!(leaves(first), leaves(end), "cluster {seed}");
            }
        }
    }
}

/// Who is none of many peers of a rule is not compared with them.
#[test]
fn the_peers_of_a_rule_are_looked_up() {
    let work = |count: usize| {
        let peers = (0..count)
            .map(|number| format!("{{podSelector: {{matchLabels: {{app: x{number}}}}}}}"));
        let peers: Vec<String> = peers.collect();
        let pod = |app: &str| {
            format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: {app}, namespace: one, labels: {{app: {app}}}}}, spec: {{containers: []}}}}"
            )
        };
        let policy = format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: one}}, \
             spec: {{podSelector: {{}}, ingress: [{{from: [{}]}}]}}}}",
            peers.join(", ")
        );
        let cluster = read(&[pod("x1"), pod("other"), policy]);
        let ends: Vec<Endpoint<'_>> = ends(&cluster)
            .into_iter()
            .filter(|end| end.pod().is_some())
            .collect();
        let [other, one] = &ends[..] else {
            panic!("there are two pods");
        };
        let judge = Judge::new(&cluster);
        let is_allowed = |from, to| {
            let from = judge.prepare(Direction::Egress, from);
            let to = judge.prepare(Direction::Ingress, to);
            !judge.decide(&from, &to).verdict.allowed().is_empty()
        };
        assert!(!is_allowed(other, one), "{count} peers");
        let work = judge.work();
        assert!(is_allowed(one, other), "{count} peers");
        work
    };
    assert_eq!(work(10), work(1_000));
}

fn are_one_pod(one: &Endpoint<'_>, other: &Endpoint<'_>) -> bool {
    let pods = one.pod().zip(other.pod());
    pods.is_some_and(|(one, other)| one.is_same_pod(other))
}

/// The first end of the class of an end.
fn first(classes: &EndClasses, end: usize) -> usize {
    let is_it = |other: &usize| classes.of(*other) == classes.of(end);
    (0..=end).find(is_it).expect("an end is in its class")
}

type Told = (Verdict, Vec<String>);

fn sides(explanation: &Explanation<'_>) -> Vec<Told> {
    let sides = explanation.ways.iter().flat_map(|way| way.sides());
    sides.map(told).collect()
}

/// What decides about a side.
fn told(side: &SideTrace<'_>) -> Told {
    let decisions = side.decisions(&ConnectionSet::all()).into_iter();
    let decisions = decisions.map(|it| {
        let rule = it.rule.map(|rule| (rule.policy, rule.index));
        format!("{:?}", (it.code, it.connections, it.stage, rule))
    });
    (side.verdict.clone(), decisions.collect())
}

/// A cluster of a plugin: a few namespaces, pods of every kind, and these policies.
fn text_cluster(seed: u64, policy: fn(&mut Random, usize) -> String) -> Cluster {
    let random = &mut Random::new(seed + 13_000_000);
    let mut documents = vec![
        "{apiVersion: v1, kind: Namespace, metadata: {name: one, labels: {team: red}}}".to_owned(),
    ];
    documents.extend((0..4 + random.below(5)).map(|index| pod(random, index)));
    documents.extend((0..1 + random.below(4)).map(|index| policy(random, index)));
    read(&documents)
}

fn read(documents: &[String]) -> Cluster {
    let text = documents.join("\n---\n");
    let mut sources = SourceMap::default();
    let id = sources.add("test.yaml", text.as_str());
    Cluster::new(npcheck::manifest::read(id, "test.yaml", &text).objects)
}

fn pod(random: &mut Random, index: usize) -> String {
    let namespace = random.pick(&["one", "one", "two"]);
    let app = random.pick(&["a", "a", "b", "c", "${X}"]);
    let role = random.pick(&["", "", ", role: web", ", role: db", ", ${KEY}: web"]);
    let network = random.pick(&["", "", "", ", hostNetwork: true", ", hostNetwork: '${H}'"]);
    let account = random.pick(&["", "", ", serviceAccountName: robot"]);
    let port = random.pick(&["", "", ", ports: [{name: web, containerPort: 80}]"]);
    let metadata = format!("labels: {{app: '{app}'{role}}}");
    let spec = format!("{{containers: [{{name: c{port}}}]{network}{account}}}");
    match random.below(3) {
        0 => format!(
            "{{apiVersion: apps/v1, kind: StatefulSet, metadata: {{name: w{index}, namespace: {namespace}}}, \
             spec: {{template: {{metadata: {{{metadata}}}, spec: {spec}}}}}}}"
        ),
        kind => {
            let address = match kind {
                1 => format!(", status: {{podIP: 10.0.{}.{}}}", index % 2, index + 1),
                _ => String::new(),
            };
            format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: w{index}, namespace: {namespace}, \
                 {metadata}}}, spec: {spec}{address}}}"
            )
        }
    }
}

fn cilium_policy(random: &mut Random, index: usize) -> String {
    let (kind, namespace) = random.pick(&[
        ("CiliumNetworkPolicy", ", namespace: one"),
        ("CiliumNetworkPolicy", ", namespace: two"),
        ("CiliumClusterwideNetworkPolicy", ""),
    ]);
    let subject = cilium_selector(random);
    let mut fields = vec![format!("endpointSelector: {subject}")];
    for (section, way) in [
        ("ingress", "from"),
        ("egress", "to"),
        ("ingressDeny", "from"),
    ] {
        if random.percent(60) {
            let rules: Vec<String> = (0..1 + random.below(3))
                .map(|_| cilium_rule(random, way))
                .collect();
            fields.push(format!("{section}: [{}]", rules.join(", ")));
        }
    }
    format!(
        "{{apiVersion: cilium.io/v2, kind: {kind}, metadata: {{name: p{index}{namespace}}}, \
         spec: {{{}}}}}",
        fields.join(", ")
    )
}

fn cilium_rule(random: &mut Random, way: &str) -> String {
    let ports = random.pick(&[
        "",
        "",
        ", toPorts: [{ports: [{port: '80'}]}]",
        ", toPorts: [{ports: [{port: web}]}]",
    ]);
    let peers = match random.below(4) {
        0 => {
            let entity = random.pick(&["host", "cluster", "world", "all", "remote-node"]);
            format!("{way}Entities: [{entity}]")
        }
        1 => {
            let range = random.pick(&["10.0.0.0/24", "10.0.0.2/31", "203.0.113.0/24"]);
            format!("{way}CIDR: [{range}]")
        }
        _ => format!("{way}Endpoints: [{}]", cilium_selector(random)),
    };
    format!("{{{peers}{ports}}}")
}

fn cilium_selector(random: &mut Random) -> String {
    let selectors = [
        "{}",
        "{matchLabels: {app: a}}",
        "{matchLabels: {'k8s:app': b, role: web}}",
        "{matchLabels: {app: '${Y}'}}",
        "{matchLabels: {role: db}}",
        "{matchLabels: {'k8s:io.kubernetes.pod.namespace': two}}",
        "{matchLabels: {io.cilium.k8s.policy.serviceaccount: robot}}",
        "{matchLabels: {statefulset.kubernetes.io/pod-name: w1-0}}",
        "{matchExpressions: [{key: role, operator: NotIn, values: [web]}]}",
        "{matchExpressions: [{key: io.cilium.k8s.namespace.labels.team, operator: In, values: [red]}]}",
    ];
    random.pick(&selectors).to_owned()
}

fn calico_policy(random: &mut Random, index: usize) -> String {
    let (kind, namespace) = random.pick(&[
        ("NetworkPolicy", ", namespace: one"),
        ("NetworkPolicy", ", namespace: two"),
        ("GlobalNetworkPolicy", ""),
    ]);
    let selector = calico_selector(random);
    let mut fields = vec![format!(
        "order: {}, selector: \"{selector}\"",
        random.below(3)
    )];
    for section in ["ingress", "egress"] {
        if random.percent(60) {
            let rules: Vec<String> = (0..1 + random.below(3))
                .map(|_| calico_rule(random))
                .collect();
            fields.push(format!("{section}: [{}]", rules.join(", ")));
        }
    }
    format!(
        "{{apiVersion: projectcalico.org/v3, kind: {kind}, metadata: {{name: p{index}{namespace}}}, \
         spec: {{{}}}}}",
        fields.join(", ")
    )
}

fn calico_rule(random: &mut Random) -> String {
    let action = random.pick(&["Allow", "Allow", "Deny", "Pass"]);
    let end = random.pick(&["source", "destination"]);
    let what = match random.below(5) {
        0 => {
            let range = random.pick(&["10.0.0.0/24", "10.0.0.2/31", "203.0.113.0/24"]);
            format!("nets: [{range}]")
        }
        1 => "serviceAccounts: {names: [robot]}".to_owned(),
        2 => "namespaceSelector: \"team == 'red'\"".to_owned(),
        _ => format!("selector: \"{}\"", calico_selector(random)),
    };
    let ports = random.pick(&[
        "",
        "",
        ", destination: {ports: [80]}",
        ", destination: {ports: [web]}",
    ]);
    match (end, ports) {
        ("destination", ports) if !ports.is_empty() => format!(
            "{{action: {action}, protocol: TCP, destination: {{{what}, ports: [80, web]}}}}"
        ),
        (_, "") => format!("{{action: {action}, {end}: {{{what}}}}}"),
        _ => format!("{{action: {action}, protocol: TCP, {end}: {{{what}}}{ports}}}"),
    }
}

fn calico_selector(random: &mut Random) -> String {
    let selectors = [
        "all()",
        "app == 'a'",
        "app == '${Y}'",
        "app in {'a', 'b'} && has(role)",
        "!has(role)",
        "role != 'web'",
        "projectcalico.org/namespace == 'two'",
        "projectcalico.org/serviceaccount == 'robot'",
        "has(statefulset.kubernetes.io/pod-name)",
    ];
    random.pick(&selectors).to_owned()
}
