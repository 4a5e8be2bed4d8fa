//! Containment against a brute force: every pod, address and port of a small world that
//! has, beside each value that selectors name, one that they do not.

use super::*;
use crate::k8s::{Field, Label, LabelSelectorRequirement, Operator};
use crate::source::{SourceMap, Span, Spanned};
use std::net::{IpAddr, Ipv4Addr};

const CASES: u32 = 2_000;
const HOME: &str = "home";

/// A small generator of numbers: the same ones in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

fn span() -> Span {
    let mut sources = SourceMap::default();
    Span::new(sources.add("test", ""), 0, 0)
}

fn text(text: &str) -> Spanned<String> {
    Spanned::new(text.to_owned(), span())
}

fn value<T>(value: T) -> Field<T> {
    Field::Value { key: span(), value }
}

/// Keys, and the values that selectors ask for.
const POD_KEYS: &[(&str, &[&str])] = &[("app", &["a", "b"]), ("tier", &["a"])];
const NAMESPACE_KEYS: &[(&str, &[&str])] =
    &[("team", &["a", "b"]), (NAMESPACE_NAME_LABEL, &[HOME, "x"])];

fn selector(dice: &mut Dice, keys: &[(&str, &[&str])]) -> LabelSelector {
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

fn net(text: &str) -> Spanned<IpNet> {
    Spanned::new(text.parse().expect("a block"), span())
}

fn peer(dice: &mut Dice) -> NetworkPolicyPeer {
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
const PORTS: &[u16] = &[1, 80, 81, 100, 101];
const NAMES: &[&str] = &["http", "dns"];

fn port(dice: &mut Dice) -> NetworkPolicyPort {
    let first = dice.below(PORTS.len() as u64) as usize;
    let last = first + dice.below((PORTS.len() - first) as u64) as usize;
    let end = PORTS.get(last + 1).map_or(u16::MAX, |next| next - 1);
    let number = PortReference::Number(PORTS[first]);
    let (reference, end) = match dice.below(4) {
        0 => (Some(PortReference::Name(dice.pick(NAMES).to_owned())), None),
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

fn rule(dice: &mut Dice) -> NetworkPolicyRule {
    let peers: Vec<_> = (0..dice.below(8) % 4).map(|_| peer(dice)).collect();
    let ports: Vec<_> = (0..dice.below(3)).map(|_| port(dice)).collect();
    NetworkPolicyRule {
        span: span(),
        dash: None,
        peers: value(peers),
        ports: value(ports),
    }
}

/// Somebody at the other end.
enum End {
    Pod {
        namespace: Vec<(&'static str, &'static str)>,
        labels: Vec<(&'static str, &'static str)>,
    },
    HostNetwork,
    Address(IpAddr),
}

fn ends() -> Vec<End> {
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

fn matches(selector: &LabelSelector, labels: &[(&str, &str)]) -> bool {
    let value = |key: &str| {
        labels
            .iter()
            .find(|label| label.0 == key)
            .map(|label| label.1)
    };
    selector.matches_by(value)
}

fn admits_end(peer: &NetworkPolicyPeer, end: &End) -> bool {
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
fn admits_port(rule: &NetworkPolicyRule, protocol: Protocol, number: u16, named: &[u16]) -> bool {
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
fn admitted(rule: &NetworkPolicyRule, ends: &[End]) -> Vec<bool> {
    let peers = rule.peers.items();
    let admits = |end| peers.is_empty() || peers.iter().any(|peer| admits_end(peer, end));
    ends.iter().map(admits).collect()
}

/// Whether some connection is allowed by `rule` and by none of `covers`.
fn allows_more(rule: &NetworkPolicyRule, covers: &[NetworkPolicyRule], ends: &[End]) -> bool {
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

#[test]
fn containment_agrees_with_looking_at_everything() {
    let ends = ends();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut covered, mut left_over) = (0, 0);
    for case in 0..CASES {
        let candidate = rule(&mut dice);
        let mut covers: Vec<_> = (0..1 + dice.below(4)).map(|_| rule(&mut dice)).collect();
        if dice.below(2) == 0 {
            // The candidate in pieces, with a peer or a port more or less.
            for peer in candidate.peers.items() {
                let mut part = candidate.clone();
                part.peers = value(vec![peer.clone()]);
                if dice.below(6) != 0 {
                    covers.push(part);
                }
            }
        }
        let Some(allowance) = Allowance::of_rule(&candidate, HOME) else {
            continue;
        };
        let known: Vec<Allowance> = covers
            .iter()
            .filter_map(|cover| Allowance::of_rule(cover, HOME))
            .collect();
        let usable: Vec<NetworkPolicyRule> = covers
            .iter()
            .filter(|cover| Allowance::of_rule(cover, HOME).is_some())
            .cloned()
            .collect();
        let answer = allowance.is_covered(&known.iter().collect::<Vec<_>>());
        let expected = !allows_more(&candidate, &usable, &ends);
        assert_eq!(
            answer, expected,
            "case {case}: {candidate:#?}\ncovers {usable:#?}"
        );
        if answer {
            covered += 1;
        } else {
            left_over += 1;
        }
    }
    assert!(covered > CASES / 20, "only {covered} cases were covered");
    assert!(left_over > CASES / 20, "only {left_over} cases were not");
}

#[test]
fn selectors_contain_each_other_as_their_pods_do() {
    let mut dice = Dice(7);
    let (mut contained, mut not) = (0, 0);
    for _ in 0..CASES {
        let (outer, inner) = (selector(&mut dice, POD_KEYS), selector(&mut dice, POD_KEYS));
        let mut matched = 0;
        let mut outside = 0;
        for end in ends() {
            let End::Pod { labels, .. } = end else {
                continue;
            };
            if matches(&inner, &labels) {
                matched += 1;
                outside += u32::from(!matches(&outer, &labels));
            }
        }
        let expected = matched > 0 && outside == 0;
        assert_eq!(
            selects_all_of(Some(&outer), Some(&inner)),
            expected,
            "{outer} and {inner}"
        );
        if expected {
            contained += 1;
        } else {
            not += 1;
        }
    }
    assert!(
        contained > CASES / 20 && not > CASES / 20,
        "{contained} and {not}"
    );
    let everything = LabelSelector::everything(span());
    assert!(selects_all_of(None, Some(&everything)) && selects_all_of(Some(&everything), None));
}

#[test]
fn what_another_tool_fills_in_contains_nothing_and_is_not_contained() {
    let mut opaque = LabelSelector::everything(span());
    opaque.match_labels.push(Label {
        key: text("app"),
        value: text("${APP}"),
    });
    assert!(!selects_all_of(Some(&opaque), Some(&opaque)));
    assert!(!selects_all_of(None, Some(&opaque)));
    let mut dice = Dice(3);
    let mut rule = rule(&mut dice);
    let mut peer = peer(&mut dice);
    peer.ip_block = Field::Missing;
    peer.pod_selector = value(opaque);
    rule.peers = value(vec![peer]);
    assert!(Allowance::of_rule(&rule, HOME).is_none());
    assert!(Allowance::of_peers(&rule, rule.peers.items(), HOME).is_none());
}

#[test]
fn too_many_cases_count_as_not_contained() {
    // Each cover leaves out one value of its own key: 3^40 ways to be outside of all.
    let mut dice = Dice(11);
    let all = {
        let mut rule = rule(&mut dice);
        let mut peer = peer(&mut dice);
        peer.ip_block = Field::Missing;
        peer.pod_selector = value(LabelSelector::everything(span()));
        peer.namespace_selector = Field::Missing;
        rule.peers = value(vec![peer]);
        rule.ports = Field::Missing;
        rule
    };
    let cover = |number: u32| {
        let mut cover = all.clone();
        let mut peer = cover.peers.items()[0].clone();
        let mut selector = LabelSelector::everything(span());
        for place in 0..3 {
            let key = text(&format!("k{}", (number * 7 + place * 3) % 41));
            selector.match_labels.push(Label {
                key,
                value: text(&format!("v{number}")),
            });
        }
        peer.pod_selector = value(selector);
        cover.peers = value(vec![peer]);
        Allowance::of_rule(&cover, HOME).expect("nothing in it is opaque")
    };
    let covers: Vec<Allowance> = (0..40).map(cover).collect();
    let candidate = Allowance::of_rule(&all, HOME).expect("nothing in it is opaque");
    assert!(!candidate.is_covered(&covers.iter().collect::<Vec<_>>()));
}
