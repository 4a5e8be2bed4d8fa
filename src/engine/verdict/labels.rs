//! The labels that an unknown namespace may have, tried one set after the other.
//!
//! A namespace whose labels are not known leaves each selector that asks for one in doubt,
//! but not all of them at once: it either has `team=a` or not, so a rule for `team In [a]`
//! beside one for `team NotIn [a]` lets it in for sure. Trying what the selectors can tell
//! apart finds out whether a verdict really depends on what is missing.
//!
//! Refuses to know anything but labels of namespaces to be missing.

use super::side::{Detail, PolicyTrace, SideTrace};
use super::{Explanation, Judge, Miss, Wanted, Way};
use crate::engine::program::condition::Asks;
use crate::engine::{Endpoint, PodView};
use crate::k8s::{Direction, Label, Labels, Truth, is_opaque};
use crate::source::{Spanned, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// With more sets of labels than this to try, doubt stays doubt.
const MAX_SETS: usize = 2048;

/// A value that no selector asks for, and no other tool fills in: labels cannot hold brackets.
const ANOTHER_VALUE: &str = "(another)";

/// The values that are told apart, by key.
type Asked<'c> = BTreeMap<&'c str, (&'c Spanned<Text>, BTreeSet<&'c str>)>;

/// The explanation with only the doubts that are left when every set of labels was tried
/// that the unknown namespaces may have.
pub(super) fn narrow<'c, 'p: 'c>(
    mut explanation: Explanation<'c>,
    judge: &Judge<'p, '_>,
    from: &Endpoint<'c>,
    to: &Endpoint<'c>,
) -> Explanation<'c> {
    if !is_about_labels(&explanation, [from, to]) {
        return explanation;
    }
    let narrowing = Narrowing { judge, from, to };
    if let [way] = &mut explanation.ways[..] {
        narrowing.narrow_way(way);
        explanation.verdict = way.verdict();
        let depends = |side: &SideTrace<'_>| !side.verdict.unknown().is_empty();
        if !(depends(&way.egress) && depends(&way.ingress)) {
            return explanation;
        }
    }
    narrowing.narrow_together(explanation)
}

/// Whether what is unknown may depend on labels of a namespace.
pub(super) fn is_about_labels<'c>(explanation: &Explanation<'c>, ends: [&Endpoint<'c>; 2]) -> bool {
    let sides: Vec<&SideTrace<'c>> = explanation.ways.iter().flat_map(Way::sides).collect();
    has_unknown_labels(ends)
        && (is_mixed(&sides) || ends.iter().any(|end| !asked_of(&sides, end).is_empty()))
}

fn has_unknown_labels(ends: [&Endpoint<'_>; 2]) -> bool {
    let mut pods = ends.into_iter().filter_map(Endpoint::pod);
    pods.any(|pod| !pod.namespace.are_labels_known)
}

/// Whether a part of a selector of a CNI plugin's is in doubt that may be about a namespace:
/// which labels it can tell apart is not known here.
fn is_mixed(sides: &[&SideTrace<'_>]) -> bool {
    let stages = sides.iter().flat_map(|side| &side.stages);
    let mut policies = stages.flat_map(|stage| &stage.policies);
    policies.any(|policy| {
        let mut misses = misses_of(policy);
        misses.any(|miss| match miss {
            Miss::Unmet(unmet) if unmet.truth == Truth::Unknown => matches!(
                unmet.asks,
                Asks::NamespaceLabel(_) | Asks::Field { .. } | Asks::Anything
            ),
            _ => false,
        })
    })
}

/// What it takes to judge a pair with other labels.
struct Narrowing<'a, 'c, 'p, 'e> {
    judge: &'a Judge<'p, 'e>,
    from: &'a Endpoint<'c>,
    to: &'a Endpoint<'c>,
}

impl<'c, 'p: 'c> Narrowing<'_, 'c, 'p, '_> {
    /// Each side by itself: exact, unless both depend on labels of one namespace.
    fn narrow_way(&self, way: &mut Way<'c>) {
        for direction in Direction::BOTH {
            let side = match direction {
                Direction::Egress => &way.egress,
                Direction::Ingress => &way.ingress,
            };
            if side.verdict.unknown().is_empty() {
                continue;
            }
            let sides = [&**side];
            let Some(sets) = self.sets(&sides) else {
                continue;
            };
            let verdicts = sets.iter().map(|[source, destination]| {
                let [from, to] = [(self.from, source), (self.to, destination)]
                    .map(|(end, labels)| with_labels(end, labels));
                let judged = match direction {
                    Direction::Egress => {
                        self.judge
                            .side(direction, &from, (&to, way.destination), &to)
                    }
                    Direction::Ingress => self.judge.side(direction, &to, (&from, way.source), &to),
                };
                judged.verdict.clone()
            });
            let verdict = verdicts.reduce(|one, other| one.either(&other));
            let side = match direction {
                Direction::Egress => &mut way.egress,
                Direction::Ingress => &mut way.ingress,
            };
            if let Some(verdict) = verdict {
                Arc::make_mut(side).verdict = verdict;
            }
        }
    }

    /// All ways and sides together.
    fn narrow_together(&self, mut explanation: Explanation<'c>) -> Explanation<'c> {
        let ways = explanation.ways.iter();
        let sides: Vec<&SideTrace<'c>> = ways.flat_map(Way::sides).collect();
        let Some(sets) = self.sets(&sides) else {
            return explanation;
        };
        let mut narrowed: Option<Explanation<'_>> = None;
        for [source, destination] in &sets {
            let [from, to] = [(self.from, source), (self.to, destination)]
                .map(|(end, labels)| with_labels(end, labels));
            let judged = self.judge.judged_in(&from, &to, Detail::Deciding);
            narrowed = Some(match narrowed {
                None => judged,
                Some(before) => either(before, &judged),
            });
        }
        if let Some(narrowed) = narrowed {
            explanation.verdict = narrowed.verdict;
            for (way, narrowed) in explanation.ways.iter_mut().zip(narrowed.ways) {
                Arc::make_mut(&mut way.egress).verdict = narrowed.egress.verdict.clone();
                Arc::make_mut(&mut way.ingress).verdict = narrowed.ingress.verdict.clone();
            }
        }
        explanation
    }

    /// The labels of both namespaces in every way in which these sides can tell them apart;
    /// `None` if there are too many.
    fn sets(&self, sides: &[&SideTrace<'c>]) -> Option<Vec<[Labels; 2]>> {
        if is_mixed(sides) {
            return None;
        }
        let [sources, destinations] =
            [self.from, self.to].map(|end| label_sets(end, &asked_of(sides, end)));
        let (sources, destinations) = (sources?, destinations?);
        let name = |end: &Endpoint<'c>| end.pod().map(|pod| pod.namespace.name);
        // One namespace has one set of labels, at whichever end it stands.
        if name(self.from).is_some_and(|name_of| name(self.to) == Some(name_of)) {
            return Some(sources.into_iter().map(|set| [set.clone(), set]).collect());
        }
        if sources.len() * destinations.len() > MAX_SETS {
            return None;
        }
        let pairs = sources.iter().flat_map(|source| {
            let pair = |destination: &Labels| [source.clone(), destination.clone()];
            destinations.iter().map(pair)
        });
        Some(pairs.collect())
    }
}

fn either<'c>(mut one: Explanation<'c>, other: &Explanation<'c>) -> Explanation<'c> {
    one.verdict = one.verdict.either(&other.verdict);
    for (way, other) in one.ways.iter_mut().zip(&other.ways) {
        for (side, other) in [
            (&mut way.egress, &other.egress),
            (&mut way.ingress, &other.ingress),
        ] {
            let side = Arc::make_mut(side);
            side.verdict = side.verdict.either(&other.verdict);
        }
    }
    one
}

/// What the selectors that are in doubt ask of the labels of the end's namespace.
fn asked_of<'c>(sides: &[&SideTrace<'c>], end: &Endpoint<'c>) -> Asked<'c> {
    let mut asked = Asked::new();
    let Some(pod) = end.pod().filter(|pod| !pod.namespace.are_labels_known) else {
        return asked;
    };
    let stages = sides.iter().flat_map(|side| &side.stages);
    let policies = stages.flat_map(|stage| &stage.policies);
    for wanted in policies.flat_map(wanted_of_namespaces) {
        // What a selector asks of the other end is tried here in vain, and does no harm.
        if pod.namespace.labels.get(wanted.key()).is_none() {
            let (_, values) = asked
                .entry(wanted.key())
                .or_insert_with(|| (wanted.key(), BTreeSet::new()));
            match wanted {
                Wanted::Label(label) if is_opaque(&label.value) => {}
                Wanted::Label(label) => {
                    values.insert(&label.value);
                }
                Wanted::Expression(expression) => {
                    let known = expression.values.iter().filter(|value| !is_opaque(value));
                    values.extend(known.map(|value| value.value.as_str()));
                }
            }
        }
    }
    asked
}

/// The requirements on namespaces that a policy and its rules are in doubt about.
fn wanted_of_namespaces<'t, 'c>(
    policy: &'t PolicyTrace<'c>,
) -> impl Iterator<Item = Wanted<'c>> + use<'t, 'c> {
    misses_of(policy).filter_map(|miss| match miss {
        // What another tool fills in as a value is one more that the label may have or not; a
        // key leaves its doubt whatever the labels are.
        Miss::NamespaceLabel(requirement) if requirement.truth == Truth::Unknown => {
            (!is_opaque(requirement.wanted.key())).then_some(requirement.wanted)
        }
        _ => None,
    })
}

/// What a policy and its rules do not match, or may not.
fn misses_of<'t, 'c>(
    policy: &'t PolicyTrace<'c>,
) -> impl Iterator<Item = &'t Miss<'c>> + use<'t, 'c> {
    let peers = policy.rules.iter().flat_map(|rule| &rule.peers.entries);
    let misses = peers.flat_map(|entry| &entry.misses);
    policy.doubts.iter().chain(misses)
}

/// Every set of labels that the selectors can tell apart, over those that are known;
/// `None` if there are too many.
fn label_sets(end: &Endpoint<'_>, asked: &Asked<'_>) -> Option<Vec<Labels>> {
    let Some(pod) = end.pod() else {
        return Some(vec![Labels::default()]);
    };
    let known: Vec<Label> = pod.namespace.labels.iter().cloned().collect();
    let mut sets = vec![known];
    for (key, values) in asked.values() {
        let mut next = Vec::new();
        for set in &sets {
            next.push(set.clone());
            for value in values.iter().copied().chain([ANOTHER_VALUE]) {
                let value = Spanned::new(Text::from(value), key.span);
                let label = Label {
                    key: (*key).clone(),
                    value,
                };
                next.push(set.iter().cloned().chain([label]).collect());
            }
        }
        sets = next;
        if sets.len() > MAX_SETS {
            return None;
        }
    }
    Some(sets.into_iter().map(Labels::new).collect())
}

fn with_labels<'l>(end: &Endpoint<'l>, labels: &'l Labels) -> Endpoint<'l> {
    match end {
        Endpoint::Address(range) => Endpoint::Address(*range),
        Endpoint::Entity(entity) => Endpoint::Entity(*entity),
        Endpoint::Name(name) => Endpoint::Name(name),
        Endpoint::Pod(pod) => {
            let mut pod: PodView<'l> = pod.clone();
            if !pod.namespace.are_labels_known {
                pod.namespace.labels = labels;
                pod.namespace.are_labels_known = true;
            }
            Endpoint::Pod(pod)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ANOTHER_VALUE;
    use crate::k8s::is_opaque;

    #[test]
    fn nobody_fills_in_the_value_that_no_selector_asks_for() {
        assert!(!is_opaque(ANOTHER_VALUE));
    }
}
