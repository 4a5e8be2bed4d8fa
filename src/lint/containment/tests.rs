//! Containment against a brute force over a small world.

use super::sample::*;
use super::*;
use crate::k8s::{Field, Label, NetworkPolicyRule};

const CASES: u32 = 2_000;

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
        let Some(asked) = allowance(&candidate) else {
            continue;
        };
        let known: Vec<Allowance> = covers.iter().filter_map(allowance).collect();
        let usable: Vec<NetworkPolicyRule> = covers
            .iter()
            .filter(|cover| allowance(cover).is_some())
            .cloned()
            .collect();
        let answer = asked.is_covered(&known.iter().collect::<Vec<_>>());
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
    assert!(allowance(&rule).is_none());
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
        allowance(&cover).expect("nothing in it is opaque")
    };
    let covers: Vec<Allowance> = (0..40).map(cover).collect();
    let candidate = allowance(&all).expect("nothing in it is opaque");
    assert!(!candidate.is_covered(&covers.iter().collect::<Vec<_>>()));
}
