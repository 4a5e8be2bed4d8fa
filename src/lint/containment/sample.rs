//! A small world for tests of containment: random rules, and what they allow by looking at
//! every pod, address and port that there is. Beside each value that selectors name it has
//! one that they do not, so that what holds in it holds in every world.
//!
//! Shares no code with what it is to judge.

use super::Allowance;
use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL, PolicyId};
use crate::engine::PolicyRef;
use crate::engine::program::Program;
use crate::k8s::{
    Direction, Field, Holes, IpBlock, Label, LabelSelector, LabelSelectorRequirement, Labels,
    NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule, Object, ObjectMeta,
    Operator, PortReference, Protocol,
};
use crate::source::{SourceMap, Span, Spanned, Text};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

pub(in crate::lint) const HOME: &str = "home";

/// A small generator of numbers: the same ones in every run.
pub(in crate::lint) struct Dice(pub(in crate::lint) u64);

impl Dice {
    pub(in crate::lint) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    pub(in crate::lint) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

pub(in crate::lint) fn span() -> Span {
    let mut sources = SourceMap::default();
    Span::new(sources.add("test", ""), 0, 0)
}

pub(in crate::lint) fn text(text: &str) -> Spanned<Text> {
    Spanned::new(text.into(), span())
}

pub(in crate::lint) fn value<T>(value: T) -> Field<T> {
    Field::Value { key: span(), value }
}

/// Keys, and the values that selectors ask for.
pub(in crate::lint) const POD_KEYS: &[(&str, &[&str])] = &[("app", &["a", "b"]), ("tier", &["a"])];
pub(in crate::lint) const NAMESPACE_KEYS: &[(&str, &[&str])] =
    &[("team", &["a", "b"]), (NAMESPACE_NAME_LABEL, &[HOME, "x"])];

pub(in crate::lint) fn selector(dice: &mut Dice, keys: &[(&str, &[&str])]) -> LabelSelector {
    let mut selector = LabelSelector::everything(span());
    for (key, values) in keys {
        if dice.below(3) == 0 {
            let value = text(dice.pick(values));
            selector.match_labels.push(Label {
                key: text(key),
                value,
            });
        }
        if dice.below(2) == 0 {
            let operator = dice.pick(&[
                Operator::In,
                Operator::NotIn,
                Operator::Exists,
                Operator::DoesNotExist,
            ]);
            let values = match operator {
                Operator::In | Operator::NotIn if dice.below(2) == 0 => values.to_vec(),
                Operator::In | Operator::NotIn => vec![dice.pick(values)],
                Operator::Exists | Operator::DoesNotExist => Vec::new(),
            };
            selector.match_expressions.push(LabelSelectorRequirement {
                span: span(),
                key: text(key),
                operator: Spanned::new(operator, span()),
                values: values.into_iter().map(text).collect(),
            });
        }
    }
    selector
}

pub(in crate::lint) fn net(text: &str) -> Spanned<IpNet> {
    Spanned::new(text.parse().expect("a block"), span())
}

pub(in crate::lint) fn peer(dice: &mut Dice) -> NetworkPolicyPeer {
    let mut peer = NetworkPolicyPeer {
        span: span(),
        dash: None,
        pod_selector: Field::Missing,
        namespace_selector: Field::Missing,
        ip_block: Field::Missing,
    };
    match dice.below(5) {
        0 => {
            let blocks = [
                "10.0.0.0/28",
                "10.0.0.0/29",
                "10.0.0.8/29",
                "10.0.0.3/30",
                "10.0.0.0/0",
            ];
            let cidr = net(dice.pick(&blocks));
            let excepts = ["10.0.0.0/29", "10.0.0.4/30", "10.0.0.8/32", "10.0.0.9/32"];
            let count = dice.below(3);
            let except = (0..count).map(|_| net(dice.pick(&excepts)));
            let except = except
                .filter(|except| cidr.contains(&except.value))
                .collect();
            peer.ip_block = value(IpBlock {
                span: span(),
                cidr,
                except: value(except),
            });
        }
        kind => {
            if kind != 1 {
                peer.pod_selector = value(selector(dice, POD_KEYS));
            }
            if kind != 2 {
                peer.namespace_selector = value(selector(dice, NAMESPACE_KEYS));
            }
        }
    }
    peer
}

/// The first numbers of the ranges that ports are told apart by.
pub(in crate::lint) const PORTS: &[u16] = &[1, 80, 81, 100, 101];
pub(in crate::lint) const NAMES: &[&str] = &["http", "dns"];

pub(in crate::lint) fn port(dice: &mut Dice) -> NetworkPolicyPort {
    let first = dice.below(PORTS.len() as u64) as usize;
    let last = first + dice.below((PORTS.len() - first) as u64) as usize;
    let end = PORTS.get(last + 1).map_or(u16::MAX, |next| next - 1);
    let number = PortReference::Number(PORTS[first]);
    let (reference, end) = match dice.below(4) {
        0 => (Some(PortReference::Name(dice.pick(NAMES).into())), None),
        1 => (None, None),
        _ => (Some(number), Some(end)),
    };
    let spanned = |reference| value(Spanned::new(reference, span()));
    NetworkPolicyPort {
        span: span(),
        dash: None,
        protocol: match dice.below(4) {
            0 => value(Spanned::new(dice.pick(&Protocol::ALL), span())),
            _ => Field::Missing,
        },
        port: reference.map_or(Field::Missing, spanned),
        end_port: end.map_or(Field::Missing, |end| value(Spanned::new(end, span()))),
    }
}

pub(in crate::lint) fn rule(dice: &mut Dice) -> NetworkPolicyRule {
    let peers: Vec<_> = (0..dice.below(8) % 4).map(|_| peer(dice)).collect();
    let ports: Vec<_> = (0..dice.below(3)).map(|_| port(dice)).collect();
    NetworkPolicyRule {
        span: span(),
        dash: None,
        peers: value(peers),
        ports: value(ports),
    }
}

/// A policy in [`HOME`] that the API server would take.
pub(in crate::lint) fn policy(name: &str) -> NetworkPolicy {
    NetworkPolicy {
        meta: ObjectMeta {
            span: span(),
            api_version: Spanned::new("networking.k8s.io/v1".into(), span()),
            name: text(name),
            namespace: Some(text(HOME)),
            labels: Labels::default(),
            annotations: Labels::default(),
            owner: None,
            is_accepted: true,
            holes: Holes::default(),
        },
        spec_key: span(),
        pod_selector: Field::Missing,
        policy_types: Field::Missing,
        ingress: Field::Missing,
        egress: Field::Missing,
        silent: Vec::new(),
    }
}

pub(in crate::lint) fn cluster(policies: &[NetworkPolicy]) -> Cluster {
    let object = |policy: &NetworkPolicy| Object::NetworkPolicy(Arc::new(policy.clone()));
    Cluster::new(policies.iter().map(object).collect())
}

/// What a rule of a policy in [`HOME`] allows.
pub(in crate::lint) fn allowance(rule: &NetworkPolicyRule) -> Option<Allowance> {
    let mut policy = policy("one");
    policy.ingress = value(vec![rule.clone()]);
    let cluster = cluster(&[policy]);
    let program = Program::new(&cluster);
    let policy = PolicyRef::Network(PolicyId(0));
    let chain = program.chains_of(policy, Direction::Ingress).next()?;
    Allowance::of(&cluster, &chain.rules[0])
}

/// Somebody at the other end.
pub(in crate::lint) enum End {
    Pod {
        namespace: Vec<(&'static str, &'static str)>,
        labels: Vec<(&'static str, &'static str)>,
    },
    HostNetwork,
    Address(IpAddr),
}

pub(in crate::lint) fn ends() -> Vec<End> {
    let choices = |key: &'static str, values: &[&'static str]| {
        let mut all = vec![Vec::new()];
        all.extend(values.iter().map(|value| vec![(key, *value)]));
        all
    };
    let mut ends = vec![End::HostNetwork];
    ends.extend((0..18).map(|last| End::Address(Ipv4Addr::new(10, 0, 0, last).into())));
    for name in [HOME, "x", "other"] {
        for team in choices("team", &["a", "b", "other"]) {
            for app in choices("app", &["a", "b", "other"]) {
                for tier in choices("tier", &["a", "other"]) {
                    let namespace = [vec![(NAMESPACE_NAME_LABEL, name)], team.clone()].concat();
                    ends.push(End::Pod {
                        namespace,
                        labels: [app.clone(), tier].concat(),
                    });
                }
            }
        }
    }
    ends
}

pub(in crate::lint) fn matches(selector: &LabelSelector, labels: &[(&str, &str)]) -> bool {
    let value = |key: &str| {
        labels
            .iter()
            .find(|label| label.0 == key)
            .map(|label| label.1)
    };
    selector.matches_by(value)
}

pub(in crate::lint) fn admits_end(peer: &NetworkPolicyPeer, end: &End) -> bool {
    match (end, peer.ip_block.get()) {
        (End::Address(address), Some(block)) => {
            let is_excepted = |except: &Spanned<IpNet>| except.trunc().contains(address);
            block.cidr.trunc().contains(address) && !block.except.items().iter().any(is_excepted)
        }
        (End::Pod { namespace, labels }, None) => {
            let is_namespace = match peer.namespace_selector.get() {
                Some(selector) => matches(selector, namespace),
                None => namespace.contains(&(NAMESPACE_NAME_LABEL, HOME)),
            };
            let is_pod = peer
                .pod_selector
                .get()
                .is_none_or(|selector| matches(selector, labels));
            is_namespace && is_pod
        }
        _ => false,
    }
}

/// `named`: the number that each of [`NAMES`] has at the destination, 0 for none.
pub(in crate::lint) fn admits_port(
    rule: &NetworkPolicyRule,
    protocol: Protocol,
    number: u16,
    named: &[u16],
) -> bool {
    let ports = rule.ports.items();
    ports.is_empty()
        || ports.iter().any(|port| {
            let is_number = match port.port.get().map(|port| &port.value) {
                None => true,
                Some(PortReference::Number(first)) => {
                    let last = port.end_port.get().map_or(*first, |end| end.value);
                    (*first..=last).contains(&number)
                }
                Some(PortReference::Name(name)) => {
                    let place = NAMES.iter().position(|known| known == name);
                    named[place.expect("only known names are written")] == number
                }
            };
            port.protocol_or_default() == protocol && is_number
        })
}

/// The ends that a rule's peers admit, as bits.
pub(in crate::lint) fn admitted(rule: &NetworkPolicyRule, ends: &[End]) -> Vec<bool> {
    let peers = rule.peers.items();
    let admits = |end| peers.is_empty() || peers.iter().any(|peer| admits_end(peer, end));
    ends.iter().map(admits).collect()
}

/// Whether some connection is allowed by `rule` and by none of `covers`.
pub(in crate::lint) fn allows_more(
    rule: &NetworkPolicyRule,
    covers: &[NetworkPolicyRule],
    ends: &[End],
) -> bool {
    let mine = admitted(rule, ends);
    let others: Vec<_> = covers.iter().map(|cover| admitted(cover, ends)).collect();
    let numbers = || std::iter::once(0).chain(PORTS.iter().copied());
    for http in numbers() {
        for dns in numbers() {
            for protocol in Protocol::ALL {
                for number in PORTS {
                    let admits = |rule| admits_port(rule, protocol, *number, &[http, dns]);
                    if !admits(rule) {
                        continue;
                    }
                    let places: Vec<usize> = (0..covers.len())
                        .filter(|place| admits(&covers[*place]))
                        .collect();
                    let is_new =
                        |end: usize| mine[end] && !places.iter().any(|place| others[*place][end]);
                    if (0..ends.len()).any(is_new) {
                        return true;
                    }
                }
            }
        }
    }
    false
}
