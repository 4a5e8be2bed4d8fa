//! The order of a tier against a brute force over a small world: every pod, every other end
//! and every port is asked rule by rule.

use super::*;
use crate::cluster::NAMESPACE_NAME_LABEL;
use crate::k8s::{
    ClusterNetworkPolicy, ClusterNetworkPolicyPeer, ClusterNetworkPolicyPort, Field, IpBlock,
    LabelSelector, Labels, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule, Object,
    ObjectMeta, PeerSelection, PodsSelection, PortMatch, PortReference, Protocol,
};
use crate::lint::containment::sample::*;
use crate::source::Spanned;
use std::collections::BTreeSet;
use std::sync::Arc;

const CASES: u32 = 2_000;
const DIRECTION: Direction = Direction::Egress;

fn meta(name: &str) -> ObjectMeta {
    ObjectMeta {
        span: span(),
        api_version: Spanned::new("".into(), span()),
        name: text(name),
        namespace: None,
        labels: Labels::default(),
        annotations: Labels::default(),
        owner: None,
        is_accepted: true,
        holes: crate::k8s::Holes::default(),
    }
}

/// One that some labels satisfy.
fn selector_of(dice: &mut Dice, keys: &[(&str, &[&str])]) -> LabelSelector {
    loop {
        let selector = selector(dice, keys);
        if selector.satisfying_labels().is_some() {
            return selector;
        }
    }
}

fn pods(dice: &mut Dice) -> PodsSelection {
    let namespace_selector = selector_of(dice, NAMESPACE_KEYS);
    match dice.below(2) {
        0 => PodsSelection::Namespaces(namespace_selector),
        _ => PodsSelection::Pods {
            namespace_selector,
            pod_selector: selector_of(dice, POD_KEYS),
        },
    }
}

fn cluster_rule(dice: &mut Dice) -> ClusterNetworkPolicyRule {
    let peer = |dice: &mut Dice| ClusterNetworkPolicyPeer {
        span: span(),
        selection: match dice.below(4) {
            0 => {
                let blocks = ["10.0.0.0/28", "10.0.0.8/29", "10.0.0.3/30"];
                PeerSelection::Networks(vec![net(dice.pick(&blocks))])
            }
            _ => PeerSelection::Pods(pods(dice)),
        },
    };
    let port = |dice: &mut Dice| {
        let first = dice.pick(PORTS);
        ClusterNetworkPolicyPort {
            span: span(),
            matches: PortMatch::Numbers {
                protocol: dice.pick(&[Protocol::Tcp, Protocol::Udp]),
                first,
                last: if dice.below(2) == 0 { first } else { u16::MAX },
            },
        }
    };
    ClusterNetworkPolicyRule {
        span: span(),
        dash: None,
        name: None,
        action: Spanned::new(
            dice.pick(&[Action::Accept, Action::Deny, Action::Pass]),
            span(),
        ),
        peers: (0..1 + dice.below(2)).map(|_| peer(dice)).collect(),
        ports: (dice.below(2) == 0).then(|| (0..1 + dice.below(2)).map(|_| port(dice)).collect()),
    }
}

fn cluster_of(dice: &mut Dice, tier: Tier, priorities: &[i32]) -> Cluster {
    let mut objects = Vec::new();
    for (index, priority) in priorities.iter().enumerate() {
        objects.push(Object::ClusterNetworkPolicy(Arc::new(
            ClusterNetworkPolicy {
                meta: meta(&format!("policy-{index}")),
                kind: ClusterPolicyKind::ClusterNetworkPolicy,
                tier,
                priority: Spanned::new(*priority, span()),
                subject: Spanned::new(pods(dice), span()),
                ingress: Vec::new(),
                egress: (0..1 + dice.below(3)).map(|_| cluster_rule(dice)).collect(),
                silent: Vec::new(),
            },
        )));
    }
    Cluster::new(objects)
}

fn selects(selection: &PodsSelection, end: &End) -> bool {
    let End::Pod { namespace, labels } = end else {
        return false;
    };
    match selection {
        PodsSelection::Namespaces(namespaces) => matches(namespaces, namespace),
        PodsSelection::Pods {
            namespace_selector,
            pod_selector,
        } => matches(namespace_selector, namespace) && matches(pod_selector, labels),
    }
}

/// Whether a rule matches; a pod has some IPv4 address (S12).
fn is_matched(rule: &ClusterNetworkPolicyRule, end: &End, protocol: Protocol, number: u16) -> bool {
    let is_peer = |peer: &ClusterNetworkPolicyPeer| match (&peer.selection, end) {
        (PeerSelection::Pods(selection), end) => selects(selection, end),
        (PeerSelection::Networks(blocks), End::Address(address)) => {
            blocks.iter().any(|block| block.value.contains(address))
        }
        (PeerSelection::Networks(blocks), End::Pod { .. }) => {
            blocks.iter().any(|block| block.value.prefix_len() == 0)
        }
        _ => false,
    };
    let is_port = |port: &ClusterNetworkPolicyPort| {
        matches!(port.matches, PortMatch::Numbers { protocol: its, first, last }
            if its == protocol && (first..=last).contains(&number))
    };
    let ports = rule.ports.as_ref();
    rule.peers.iter().any(is_peer) && ports.is_none_or(|ports| ports.iter().any(is_port))
}

/// What the policies do with a connection of a pod, in this order.
fn decision(
    policies: &[&ClusterNetworkPolicy],
    pod: &End,
    end: &End,
    protocol: Protocol,
    number: u16,
) -> Option<Action> {
    let about = policies
        .iter()
        .filter(|policy| selects(&policy.subject, pod));
    let mut rules = about.flat_map(|policy| &policy.egress);
    let rule = rules.find(|rule| is_matched(rule, end, protocol, number))?;
    Some(rule.action.value)
}

fn connections(ends: &[End]) -> impl Iterator<Item = (&End, Protocol, u16)> {
    ends.iter().flat_map(|end| {
        Protocol::ALL
            .into_iter()
            .flat_map(move |protocol| PORTS.iter().map(move |number| (end, protocol, *number)))
    })
}

/// The policies, short enough to be read.
fn in_words(cluster: &Cluster) -> String {
    let pods = |selection: &PodsSelection| match selection {
        PodsSelection::Namespaces(namespaces) => format!("namespaces {namespaces}"),
        PodsSelection::Pods {
            namespace_selector,
            pod_selector,
        } => format!("namespaces {namespace_selector}, pods {pod_selector}"),
    };
    let mut lines = Vec::new();
    for policy in cluster.cluster_policies() {
        lines.push(format!(
            "{:?}, subject {}",
            policy.tier,
            pods(&policy.subject)
        ));
        for rule in &policy.egress {
            let peers = rule.peers.iter().map(|peer| match &peer.selection {
                PeerSelection::Pods(selection) => pods(selection),
                other => format!("{other:?}"),
            });
            let ports = rule
                .ports
                .iter()
                .flatten()
                .map(|port| format!("{:?}", port.matches));
            let (peers, ports) = (peers.collect::<Vec<_>>(), ports.collect::<Vec<_>>());
            lines.push(format!("  {:?} {peers:?} {ports:?}", rule.action.value));
        }
    }
    lines.join("\n")
}

/// Whether every subject and every peer can be satisfied; others are not known.
fn is_possible(policies: &TierPolicies<'_>) -> bool {
    policies.policies.iter().all(|policy| {
        policy.subject.is_some() && policy.steps.iter().all(|step| step.allowance.is_some())
    })
}

#[test]
fn two_policies_contradict_each_other_as_in_some_connection() {
    let all = ends();
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let (mut contradicting, mut agreeing) = (0, 0);
    for case in 0..CASES {
        let tier = dice.pick(&[Tier::Admin, Tier::Baseline]);
        let cluster = cluster_of(&mut dice, tier, &[5, 5]);
        let [one, other] = [0, 1].map(|index| &cluster.cluster_policies()[index]);
        let effect = |action| match (tier, action) {
            (Tier::Baseline, Action::Pass) => Action::Accept,
            (_, action) => action,
        };
        // Who the pod is matters only for the subjects.
        let is_common = |pod: &&End| selects(&one.subject, pod) && selects(&other.subject, pod);
        let pod = all.iter().find(is_common);
        let expected = pod.is_some_and(|pod| {
            let mut connections = connections(&all);
            connections.any(|(end, protocol, number)| {
                let of = |policy| decision(&[policy], pod, end, protocol, number).map(effect);
                let (first, second) = (of(one), of(other));
                first.is_some() && second.is_some() && first != second
            })
        });
        let program = Program::new(&cluster);
        let policies = TierPolicies::new(&cluster, &program, tier, DIRECTION);
        if !is_possible(&policies) {
            continue;
        }
        let [one, other] = policies.policies.as_slice() else {
            panic!("there are two policies");
        };
        let answer = policies.contradiction(one, other).is_some();
        assert_eq!(answer, expected, "case {case}: {}", in_words(&cluster));
        match expected {
            true => contradicting += 1,
            false => agreeing += 1,
        }
    }
    assert!(
        contradicting > CASES / 10 && agreeing > CASES / 10,
        "{contradicting} {agreeing}"
    );
}

#[test]
fn what_an_index_leaves_out_has_nothing_in_common() {
    let mut dice = Dice(0x0bad_5eed_1234_5678);
    let (mut found, mut left_out) = (0, 0);
    for case in 0..CASES / 10 {
        let tier = dice.pick(&[Tier::Admin, Tier::Baseline]);
        let cluster = cluster_of(&mut dice, tier, &[5; 6]);
        let program = Program::new(&cluster);
        let policies = TierPolicies::new(&cluster, &program, tier, DIRECTION);
        let places: Vec<usize> = (0..policies.policies.len()).collect();
        let index = policies.index(&places);
        let subject = |place: usize| policies.policies[place].subject.as_ref();
        let mut together = BTreeSet::new();
        for one in &places {
            let mut budget = Budget::new(u64::MAX);
            let opposed = policies.opposed(&index, *one, &mut budget);
            for other in &places[one + 1..] {
                let contradicts = policies
                    .contradiction(&policies.policies[*one], &policies.policies[*other])
                    .is_some();
                let is_found = opposed.contains(other);
                assert!(
                    is_found || !contradicts,
                    "case {case}: {}",
                    in_words(&cluster)
                );
                found += u32::from(is_found);
                left_out += u32::from(!is_found);
                let subjects = subject(*one).zip(subject(*other));
                if subjects.is_some_and(|(one, other)| one.overlaps(other)) {
                    together.extend([*one, *other]);
                }
            }
        }
        let together: Vec<usize> = together.into_iter().collect();
        assert_eq!(
            policies.together(&places, |_, _| true),
            together,
            "case {case}"
        );
    }
    assert!(
        found > CASES / 10 && left_out > CASES / 10,
        "{found} {left_out}"
    );
}

/// A rule of a NetworkPolicy for peers like those of a rule, on some of its ports.
fn a_part_of(dice: &mut Dice, rule: &ClusterNetworkPolicyRule) -> NetworkPolicyRule {
    let peer = |peer: &ClusterNetworkPolicyPeer| {
        let mut part = peer_of(&peer.selection);
        if part.ip_block.get().is_none() && dice.below(3) == 0 {
            part.pod_selector = value(selector_of(dice, POD_KEYS));
        }
        part
    };
    let peers = rule.peers.iter().map(peer).collect();
    let ports = rule.ports.iter().flatten().map(|port| match &port.matches {
        PortMatch::Numbers {
            protocol, first, ..
        } => NetworkPolicyPort {
            span: span(),
            dash: None,
            protocol: value(Spanned::new(*protocol, span())),
            port: value(Spanned::new(PortReference::Number(*first), span())),
            end_port: Field::Missing,
        },
        PortMatch::Name(_) => panic!("the rules have no names of ports"),
    });
    NetworkPolicyRule {
        span: span(),
        dash: None,
        peers: value(peers),
        ports: value(ports.collect()),
    }
}

fn peer_of(selection: &PeerSelection) -> NetworkPolicyPeer {
    let mut peer = NetworkPolicyPeer {
        span: span(),
        dash: None,
        pod_selector: Field::Missing,
        namespace_selector: Field::Missing,
        ip_block: Field::Missing,
    };
    match selection {
        PeerSelection::Pods(PodsSelection::Namespaces(namespaces)) => {
            peer.namespace_selector = value(namespaces.clone());
        }
        PeerSelection::Pods(PodsSelection::Pods {
            namespace_selector,
            pod_selector,
        }) => {
            peer.namespace_selector = value(namespace_selector.clone());
            peer.pod_selector = value(pod_selector.clone());
        }
        PeerSelection::Networks(blocks) => {
            peer.ip_block = value(IpBlock {
                span: span(),
                cidr: blocks[0],
                except: Field::Missing,
            });
        }
        other => panic!("the rules have no such peers: {other:?}"),
    }
    peer
}

#[test]
fn what_rules_decide_together_no_order_of_equals_undoes() {
    let all = ends();
    let mut dice = Dice(0x0fed_cba9_8765_4321);
    let mut decided = 0;
    for case in 0..CASES {
        let cluster = cluster_of(&mut dice, Tier::Admin, &[4, 5, 5]);
        let [first, second, third] = cluster.cluster_policies() else {
            panic!("there are three policies");
        };
        let program = Program::new(&cluster);
        let policies = TierPolicies::new(&cluster, &program, Tier::Admin, DIRECTION);
        // A rule of a NetworkPolicy in one namespace, for some of its pods, mostly as narrow
        // as a part of what a rule of the tier matches.
        let action = dice.pick(&[Action::Accept, Action::Deny]);
        let pods_of = selector_of(&mut dice, POD_KEYS);
        let home = crate::cluster::Namespace {
            name: HOME.to_owned(),
            labels: Labels::default(),
            declared: None,
        };
        let Some(pods) = PodSet::in_namespace(Some(&pods_of), &home) else {
            continue;
        };
        let narrow = match dice.below(3) {
            0 => rule(&mut dice),
            _ => a_part_of(&mut dice, &first.egress[0]),
        };
        let Some(allowance) = allowance(&narrow) else {
            continue;
        };
        if policies.deciding(&pods, &allowance, action).is_empty() {
            continue;
        }
        let is_subject = |pod: &&End| {
            matches!(pod, End::Pod { namespace, labels }
            if namespace.contains(&(NAMESPACE_NAME_LABEL, HOME)) && matches(&pods_of, labels))
        };
        let admitted = admitted(&narrow, &all);
        for pod in all.iter().filter(is_subject) {
            for (place, end) in all.iter().enumerate().filter(|(place, _)| admitted[*place]) {
                for protocol in Protocol::ALL {
                    for number in PORTS {
                        if !admits_port(&narrow, protocol, *number, &[0, 0]) {
                            continue;
                        }
                        for order in [[first, second, third], [first, third, second]] {
                            let found =
                                decision(&order.map(AsRef::as_ref), pod, end, protocol, *number);
                            assert_eq!(found, Some(action), "case {case}, end {place}");
                        }
                    }
                }
            }
        }
        decided += 1;
    }
    assert!(decided > CASES / 40, "{decided}");
}

#[test]
fn a_policy_that_is_not_known_leaves_everything_open() {
    let cluster = || {
        let everything = LabelSelector::everything(span());
        let all = PodsSelection::Namespaces(everything);
        let rule = |action| ClusterNetworkPolicyRule {
            action: Spanned::new(action, span()),
            peers: vec![ClusterNetworkPolicyPeer {
                span: span(),
                selection: PeerSelection::Pods(all.clone()),
            }],
            ports: None,
            ..cluster_rule(&mut Dice(3))
        };
        let policy = |name: &str, priority, action| ClusterNetworkPolicy {
            meta: meta(name),
            kind: ClusterPolicyKind::ClusterNetworkPolicy,
            tier: Tier::Admin,
            priority: Spanned::new(priority, span()),
            subject: Spanned::new(all.clone(), span()),
            ingress: Vec::new(),
            egress: vec![rule(action)],
            silent: Vec::new(),
        };
        [policy("a", 1, Action::Deny), policy("b", 2, Action::Accept)]
    };
    let pods = PodSet::of(None).expect("every pod");
    let deciding = |policies: [ClusterNetworkPolicy; 2], action| {
        let objects = policies.map(|policy| Object::ClusterNetworkPolicy(Arc::new(policy)));
        let cluster = Cluster::new(objects.into());
        let program = Program::new(&cluster);
        let tier = TierPolicies::new(&cluster, &program, Tier::Admin, DIRECTION);
        tier.deciding(&pods, &Allowance::of_every_pod(), action)
            .len()
    };
    assert_eq!(deciding(cluster(), Action::Deny), 1);
    assert_eq!(
        deciding(cluster(), Action::Accept),
        0,
        "the other one is asked first"
    );
    let mut filled_in_later = cluster();
    filled_in_later[1].meta.holes.add(span());
    assert_eq!(
        deciding(filled_in_later, Action::Deny),
        0,
        "its priority may be another one"
    );
}
