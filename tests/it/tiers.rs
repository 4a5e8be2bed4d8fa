//! What two rules say of cluster-wide policies against the engine, on random clusters: a
//! rule that is said to decide nothing can go, and where no contradiction is told the order
//! of policies of one priority does not matter.

use crate::clusters;
use npcheck::cluster::Cluster;
use npcheck::config::Config;
use npcheck::diagnostic::{Diagnostic, Severity};
use npcheck::engine::program::{Program, Reading};
use npcheck::engine::{AddressRange, Engine};
use npcheck::k8s::*;
use npcheck::lint::{self, Input, Rule, RuleMeta};
use npcheck::rules;
use npcheck::source::{SourceMap, Spanned};
use rayon::prelude::*;
use std::sync::Arc;

const CLUSTERS: u64 = 2_000;

/// What one rule finds.
fn findings(objects: &[Object], rule: &str) -> Vec<Diagnostic> {
    let mut sources = SourceMap::default();
    sources.add("", "");
    let known_rules: Vec<&RuleMeta> = rules::ALL.iter().map(|rule| rule.meta()).collect();
    let rules: Vec<&dyn Rule> = rules::ALL
        .iter()
        .copied()
        .filter(|it| it.meta().name == rule)
        .collect();
    let config = Config::default();
    let cluster = Cluster::new(objects.to_vec());
    let engine = Engine::new(&cluster);
    let input = Input {
        sources: &sources,
        documents: &Documents::default(),
        reported: &[],
        cluster: &cluster,
        engine: &engine,
        earlier: None,
        settings: &config.settings,
        known_rules: &known_rules,
        is_met_elsewhere: &|_, _| false,
        ignore: &[],
        path_of: &str::to_owned,
        today: "2026-11-21".parse().expect("a date"),
    };
    lint::run(&input, &rules).findings
}

/// Everything that may talk to anything, in a form that compares.
fn connectivity(objects: &[Object]) -> Vec<String> {
    let cluster = Cluster::new(objects.to_vec());
    let engine = Engine::new(&cluster);
    let relation = engine.relation();
    let mut all = Vec::new();
    for from in cluster.workload_ids() {
        let name = cluster.workload_name(from);
        for to in cluster.workload_ids() {
            let set = relation.connections(from, to);
            all.push(format!("{name} {} {set}", cluster.workload_name(to)));
        }
        for family in [AddressRange::IPV4, AddressRange::IPV6] {
            let out = relation.to_outside(from, family);
            all.extend(out.map(|(range, set)| format!("{name} to {range} {set}")));
            let into = relation.from_outside(family, from);
            all.extend(into.map(|(range, set)| format!("{name} from {range} {set}")));
        }
    }
    all
}

/// Takes a rule out, by its object and its path as findings name them. The directions that a
/// policy isolates stay.
fn without(objects: &[Object], object: &str, path: &str) -> Vec<Object> {
    let (direction, index) = path
        .strip_prefix("spec.")
        .and_then(|path| path.strip_suffix(']'))
        .and_then(|path| path.split_once('['))
        .expect("the finding is about a rule");
    let index: usize = index.parse().expect("a number");
    let mut objects = objects.to_vec();
    let mut removed = 0;
    for candidate in &mut objects {
        match candidate {
            Object::NetworkPolicy(policy) => {
                let policy = Arc::make_mut(policy);
                let namespace = policy.meta.namespace_name();
                if object != format!("{namespace}/NetworkPolicy/{}", policy.meta.name) {
                    continue;
                }
                let types = [Direction::Ingress, Direction::Egress]
                    .into_iter()
                    .filter(|direction| policy.applies_to(*direction))
                    .map(|direction| Spanned::new(direction, policy.meta.span));
                policy.policy_types = Field::Value {
                    key: policy.meta.span,
                    value: types.collect(),
                };
                let rules = match direction {
                    "ingress" => &mut policy.ingress,
                    _ => &mut policy.egress,
                };
                let Field::Value { value, .. } = rules else {
                    panic!("{object} has no {path}");
                };
                value.remove(index);
                removed += 1;
            }
            Object::ClusterNetworkPolicy(policy) => {
                let policy = Arc::make_mut(policy);
                if object != format!("{}/{}", policy.kind.name(), policy.meta.name) {
                    continue;
                }
                let rules = match direction {
                    "ingress" => &mut policy.ingress,
                    _ => &mut policy.egress,
                };
                rules.remove(index);
                removed += 1;
            }
            _ => {}
        }
    }
    assert_eq!(removed, 1, "{object} {path}");
    objects
}

#[test]
fn what_decides_nothing_can_go() {
    let removed: usize = (0..CLUSTERS)
        .into_par_iter()
        .map(|seed| {
            let objects = clusters::objects(seed);
            let before = connectivity(&objects);
            let findings = findings(&objects, "overridden-rule");
            let useless = findings
                .iter()
                .filter(|finding| !finding.message.starts_with("this rule lets every pod"));
            useless
                .map(|finding| {
                    let after = connectivity(&without(&objects, &finding.object, &finding.path));
                    assert_eq!(before, after, "cluster {seed}: {}", finding.message);
                })
                .count()
        })
        .sum();
    assert!(removed > 100, "only {removed} rules were taken out");
}

/// The same with policies of one kind, whose rules the text alone tells apart: no names of
/// ports, and no peers by address.
fn plain(objects: Vec<Object>) -> Vec<Object> {
    let plain_rules = |rules: &mut Vec<ClusterNetworkPolicyRule>| {
        for rule in rules.iter_mut() {
            rule.peers
                .retain(|peer| matches!(peer.selection, PeerSelection::Pods(_)));
            if let Some(ports) = &mut rule.ports {
                ports.retain(|port| matches!(port.matches, PortMatch::Numbers { .. }));
            }
        }
        let has_ports = |rule: &ClusterNetworkPolicyRule| {
            rule.ports.as_ref().is_none_or(|ports| !ports.is_empty())
        };
        rules.retain(|rule| !rule.peers.is_empty() && has_ports(rule));
    };
    let mut objects = objects;
    for object in &mut objects {
        if let Object::ClusterNetworkPolicy(policy) = object {
            let policy = Arc::make_mut(policy);
            policy.kind = ClusterPolicyKind::ClusterNetworkPolicy;
            plain_rules(&mut policy.ingress);
            plain_rules(&mut policy.egress);
        }
    }
    objects
}

#[test]
fn without_a_contradiction_the_order_of_equals_does_not_matter() {
    let (silent, told): (Vec<u64>, Vec<u64>) = (0..CLUSTERS).into_par_iter().partition(|seed| {
        let objects = plain(clusters::objects(*seed));
        let findings = findings(&objects, "admin-priority-conflict");
        let is_told = findings.iter().any(|it| it.severity == Severity::Warning);
        let mut reversed = objects.clone();
        for object in &mut reversed {
            if let Object::ClusterNetworkPolicy(policy) = object {
                let policy = Arc::make_mut(policy);
                let last = policy.meta.name.value.pop().expect("names end in a digit");
                let digit = last.to_digit(10).expect("names end in a digit");
                policy.meta.name.value.push_str(&(9 - digit).to_string());
            }
        }
        if !is_told {
            let (one, other) = (connectivity(&objects), connectivity(&reversed));
            assert_eq!(one, other, "cluster {seed}");
        }
        !is_told
    });
    assert!(
        silent.len() > 100 && told.len() > 20,
        "{} {}",
        silent.len(),
        told.len()
    );
}

#[test]
fn a_namespace_has_no_policies_of_others() {
    let policy = |team: &str| {
        format!(
            "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: {team}}}\nspec: {{tier: Admin, priority: 1, subject: {{namespaces: {{matchLabels: {{team: {team}}}}}}}, ingress: [{{action: Deny, from: [{{namespaces: {{}}}}]}}]}}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {team}, labels: {{team: {team}}}}}\n---\n"
        )
    };
    let text = ["a", "b", "c"].map(policy).concat();
    let workspace = npcheck::Workspace::load([("a.yaml", text)], &npcheck::Config::default());
    let cluster = workspace.clusters().next().unwrap().cluster();
    let count = |namespace| {
        let reading = Reading::of(cluster);
        let program = Program::for_namespace(cluster, namespace, reading);
        let chains = program.stages().map(|stage| stage.chains.ingress.len());
        chains.sum::<usize>()
    };
    assert_eq!(count(cluster.namespace_by_name("b")), 1);
    // A namespace that is not there may have any labels.
    assert_eq!(count(None), 3);
}
