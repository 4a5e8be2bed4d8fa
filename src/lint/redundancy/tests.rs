//! Redundancy against a brute force over a small world: what is found goes, and nothing
//! changes for anybody.

use super::*;
use crate::cluster::PolicyId;
use crate::k8s::{
    Field, IpBlock, LabelSelector, LabelSelectorRequirement, NetworkPolicy, NetworkPolicyPeer,
    NetworkPolicyRule, Operator, Protocol,
};
use crate::lint::containment::sample::End;
use crate::lint::containment::sample::{self, *};
use crate::source::Spanned;

const CASES: u32 = 400;

fn policy(dice: &mut Dice, name: &str) -> NetworkPolicy {
    let rules = |dice: &mut Dice| {
        let count = dice.below(4);
        value((0..count).map(|_| rule(dice)).collect::<Vec<_>>())
    };
    let types = match dice.below(3) {
        0 => Field::Missing,
        1 => value(vec![Spanned::new(Direction::Ingress, span())]),
        _ => value(Direction::BOTH.map(|it| Spanned::new(it, span())).to_vec()),
    };
    NetworkPolicy {
        pod_selector: match dice.below(3) {
            0 => Field::Missing,
            _ => value(selector(dice, POD_KEYS)),
        },
        policy_types: types,
        ingress: rules(dice),
        egress: rules(dice),
        ..sample::policy(name)
    }
}

/// What is found among all policies of a cluster.
fn find_in(cluster: &Cluster, are_together: bool) -> Found {
    let policies = cluster.policy_ids().map(PolicyRef::Network);
    find(cluster, &Program::new(cluster), policies, |_, _| {
        are_together
    })
}

/// What the policies let in and out of every pod of their namespace, pod by pod, end by
/// end and port by port.
fn everything(policies: &[NetworkPolicy], ends: &[End]) -> Vec<bool> {
    let mut all = Vec::new();
    for direction in Direction::BOTH {
        let isolating: Vec<_> = policies
            .iter()
            .filter(|policy| policy.applies_to(direction))
            .map(|policy| (policy, allowed(policy.rules(direction), ends)))
            .collect();
        for subject in ends {
            let End::Pod { namespace, labels } = subject else {
                continue;
            };
            if !namespace.contains(&(crate::cluster::NAMESPACE_NAME_LABEL, HOME)) {
                continue;
            }
            let selects = |policy: &NetworkPolicy| {
                let selector = policy.pod_selector.get();
                selector.is_none_or(|selector| matches(selector, labels))
            };
            let selecting: Vec<_> = isolating.iter().filter(|(it, _)| selects(it)).collect();
            let is_open = selecting.is_empty();
            all.extend(
                (0..ends.len() * PORTS.len())
                    .map(|place| is_open || selecting.iter().any(|(_, allowed)| allowed[place])),
            );
        }
    }
    all
}

/// What rules allow, end by end and port by port. The names of ports mean something, and one
/// meaning is as good as any for a change.
fn allowed(rules: &[NetworkPolicyRule], ends: &[End]) -> Vec<bool> {
    let mut all = vec![false; ends.len() * PORTS.len()];
    for rule in rules {
        let admitted = admitted(rule, ends);
        for (place, number) in PORTS.iter().enumerate() {
            if admits_port(rule, Protocol::Tcp, *number, &[80, 101]) {
                for (end, is_admitted) in admitted.iter().enumerate() {
                    all[end * PORTS.len() + place] |= is_admitted;
                }
            }
        }
    }
    all
}

/// The policies without what was found: a removed list stays, as an empty one.
fn without(
    policies: &[NetworkPolicy],
    cluster: &Cluster,
    found: &[Redundancy],
) -> Vec<NetworkPolicy> {
    let mut left: Vec<Option<NetworkPolicy>> = cluster
        .policies()
        .iter()
        .map(|policy| Some(NetworkPolicy::clone(&policy.object)))
        .collect();
    assert_eq!(left.len(), policies.len());
    // From behind, so that positions stay good.
    for redundancy in found.iter().rev() {
        match redundancy.part {
            Part::Policy(id) => left[place_of(id)] = None,
            Part::Rule(place) | Part::Peer(place, _) => {
                let policy = left[place_of(place.policy)]
                    .as_mut()
                    .expect("it is still there");
                let rules = match place.direction {
                    Direction::Ingress => &mut policy.ingress,
                    Direction::Egress => &mut policy.egress,
                };
                let mut kept = rules.items().to_vec();
                match redundancy.part {
                    Part::Peer(_, peer) => {
                        let mut peers = kept[place.index].peers.items().to_vec();
                        peers.remove(peer);
                        assert!(!peers.is_empty(), "a rule without peers is for everybody");
                        kept[place.index].peers = value(peers);
                    }
                    _ => {
                        kept.remove(place.index);
                    }
                }
                *rules = value(kept);
            }
        }
    }
    left.into_iter().flatten().collect()
}

fn place_of(policy: PolicyRef) -> usize {
    match policy {
        PolicyRef::Network(id) => id.index(),
        other => panic!("there are NetworkPolicies only: {other:?}"),
    }
}

#[test]
fn everything_found_can_go_at_once_without_a_change() {
    let mut dice = Dice(0x5851_f42d_4c95_7f2d);
    let ends = ends();
    let mut counts = [0; 3];
    for case in 0..CASES {
        let count = 2 + dice.below(3);
        let policies: Vec<_> = (0..count)
            .map(|number| policy(&mut dice, &format!("p{number}")))
            .collect();
        let cluster = cluster(&policies);
        let found = find_in(&cluster, true);
        assert!(!found.is_partial);
        let found = found.redundancies;
        for redundancy in &found {
            assert!(!redundancy.covers.is_empty(), "case {case}: {redundancy:?}");
            counts[match redundancy.part {
                Part::Policy(_) => 0,
                Part::Rule(_) => 1,
                Part::Peer(..) => 2,
            }] += 1;
        }
        if found.is_empty() {
            continue;
        }
        let left = without(&policies, &cluster, &found);
        let (before, after) = (everything(&policies, &ends), everything(&left, &ends));
        assert!(before == after, "case {case}: {found:#?} of {policies:#?}");
        assert_minimal(&left);
    }
    assert!(
        counts.iter().all(|count| *count > 20),
        "too few were found: {counts:?}"
    );
}

/// No rule is left that the others of its policy cover: asked one by one, without an index.
fn assert_minimal(policies: &[NetworkPolicy]) {
    // One that no pod can satisfy is compared with nothing.
    let has_pods = |policy: &&NetworkPolicy| PodSet::of(policy.pod_selector.get()).is_some();
    for policy in policies.iter().filter(has_pods) {
        for direction in Direction::BOTH {
            let rules = policy.rules(direction).iter();
            let known: Vec<Allowance> = rules.filter_map(allowance).collect();
            for (index, rule) in known.iter().enumerate() {
                let others = known
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != index);
                let others: Vec<&Allowance> = others.map(|(_, other)| other).collect();
                // A block of which all is excepted allows nothing to begin with.
                let allows_nothing = rule.is_covered(&[]);
                assert!(
                    allows_nothing || !rule.is_covered(&others),
                    "{rule:#?} in {policies:#?}"
                );
            }
        }
    }
}

#[test]
fn rules_that_are_alike_cost_no_more_than_their_number() {
    let mut dice = Dice(5);
    let mut one = policy(&mut dice, "one");
    one.policy_types = Field::Missing;
    one.egress = Field::Missing;
    let alike = NetworkPolicyRule {
        peers: Field::Missing,
        ..rule(&mut dice)
    };
    one.ingress = value(vec![alike; 5_000]);
    let cluster = cluster(&[one]);
    let found = find_in(&cluster, true);
    assert!(!found.is_partial);
    assert_eq!(found.redundancies.len(), 4_999);
}

/// Any two of such rules cover all others: which two is found without trying each.
#[test]
fn blocks_with_different_holes_cost_no_more_than_their_number() {
    const COUNT: usize = 100;
    let block = |number: usize| IpBlock {
        span: span(),
        cidr: net("10.0.0.0/8"),
        except: value(vec![net(&format!("10.0.{number}.0/24"))]),
    };
    let mut dice = Dice(5);
    let mut one = policy(&mut dice, "one");
    one.policy_types = Field::Missing;
    one.egress = Field::Missing;
    let rule = |number: usize| NetworkPolicyRule {
        peers: value(vec![NetworkPolicyPeer {
            pod_selector: Field::Missing,
            namespace_selector: Field::Missing,
            ip_block: value(block(number)),
            ..peer(&mut Dice(1))
        }]),
        ports: Field::Missing,
        ..sample::rule(&mut Dice(1))
    };
    one.ingress = value((0..COUNT).map(rule).collect());
    let cluster = cluster(&[one]);
    let found = find_in(&cluster, true);
    assert!(!found.is_partial);
    assert_eq!(found.redundancies.len(), COUNT - 2);
    assert!(found.redundancies.iter().all(|it| it.covers.len() == 2));
}

/// Each asks for another label: that nobody else lets in a pod with nothing but this one is
/// known without a look at all the others.
#[test]
fn selectors_of_other_labels_cost_no_more_than_their_number() {
    let asking = |number: usize| {
        let mut selector = LabelSelector::everything(span());
        selector.match_expressions.push(LabelSelectorRequirement {
            span: span(),
            key: text(&format!("k{number}")),
            operator: Spanned::new(Operator::Exists, span()),
            values: Vec::new(),
        });
        NetworkPolicyRule {
            peers: value(vec![NetworkPolicyPeer {
                pod_selector: value(selector),
                namespace_selector: Field::Missing,
                ip_block: Field::Missing,
                ..peer(&mut Dice(1))
            }]),
            ports: Field::Missing,
            ..sample::rule(&mut Dice(1))
        }
    };
    let policies = (0..1_000).map(|number| NetworkPolicy {
        ingress: value(vec![asking(number)]),
        ..sample::policy(&format!("p{number}"))
    });
    let cluster = cluster(&policies.collect::<Vec<_>>());
    let found = find_in(&cluster, true);
    assert!(!found.is_partial);
    assert_eq!(found.redundancies, []);
}

#[test]
fn policies_that_are_not_together_say_nothing_about_each_other() {
    let mut dice = Dice(1);
    let mut one = policy(&mut dice, "one");
    one.policy_types = Field::Missing;
    one.egress = Field::Missing;
    one.ingress = value(vec![rule(&mut dice)]);
    let mut two = one.clone();
    two.meta.name = text("two");
    let cluster = cluster(&[one, two]);
    assert_eq!(find_in(&cluster, false).redundancies, []);
    let [one, two] = [0, 1].map(|id| PolicyRef::Network(PolicyId(id)));
    let cover = RulePlace {
        policy: one,
        direction: Direction::Ingress,
        chain: 0,
        index: 0,
    };
    let expected = Redundancy {
        part: Part::Policy(two),
        covers: vec![cover],
    };
    let found = find_in(&cluster, true);
    assert_eq!(found.redundancies, [expected]);
}
