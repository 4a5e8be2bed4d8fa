//! The labels that an unknown namespace may have, tried one set after the other.
//!
//! A namespace whose labels are not known leaves each selector that asks for one in doubt,
//! but not all of them at once: it either has `team=a` or not, so a rule for `team In [a]`
//! beside one for `team NotIn [a]` lets it in for sure. Trying what the selectors can tell
//! apart finds out whether a verdict really depends on what is missing.
//!
//! Refuses to know anything but labels of namespaces to be missing.

use super::{Explanation, Miss, Reading, RuleTrace, SideTrace, Wanted, judge};
use crate::cluster::Cluster;
use crate::engine::{Endpoint, PodView};
use crate::k8s::{Label, Labels, Truth};
use crate::source::Spanned;
use std::collections::{BTreeMap, BTreeSet};

/// With more sets of labels than this to try, doubt stays doubt.
const MAX_WORLDS: usize = 2048;

/// A value that no selector asks for: labels cannot hold brackets.
const ANOTHER_VALUE: &str = "<another>";

/// The values that are told apart, by key.
type Asked<'c> = BTreeMap<&'c str, (&'c Spanned<String>, BTreeSet<&'c str>)>;

/// The explanation with only the doubts that are left when every set of labels was tried
/// that the unknown namespaces may have.
pub(super) fn narrow<'c>(
    mut explanation: Explanation<'c>,
    cluster: &'c Cluster,
    from: &Endpoint<'c>,
    to: &Endpoint<'c>,
) -> Explanation<'c> {
    let sources = worlds(from, &asked_of(&explanation, from));
    let destinations = worlds(to, &asked_of(&explanation, to));
    let (Some(sources), Some(destinations)) = (sources, destinations) else {
        return explanation;
    };
    let is_one_namespace =
        namespace_name(from).is_some_and(|name| namespace_name(to) == Some(name));
    let worlds = if is_one_namespace {
        sources.len()
    } else {
        sources.len() * destinations.len()
    };
    if worlds > MAX_WORLDS {
        return explanation;
    }
    let mut narrowed: Option<Explanation<'_>> = None;
    for source in &sources {
        for destination in &destinations {
            // One namespace has one set of labels, at whichever end it stands.
            let destination = if is_one_namespace {
                source
            } else {
                destination
            };
            let [from, to] =
                [(from, source), (to, destination)].map(|(end, labels)| with_labels(end, labels));
            let world = judge(cluster, &from, &to, Reading::WITH_GAPS);
            narrowed = Some(match narrowed {
                None => world,
                Some(before) => either(before, &world),
            });
        }
    }
    if let Some(narrowed) = narrowed {
        explanation.verdict = narrowed.verdict;
        for (way, narrowed) in explanation.ways.iter_mut().zip(narrowed.ways) {
            way.egress.verdict = narrowed.egress.verdict;
            way.ingress.verdict = narrowed.ingress.verdict;
        }
    }
    explanation
}

fn either<'c>(mut one: Explanation<'c>, other: &Explanation<'c>) -> Explanation<'c> {
    one.verdict = one.verdict.either(&other.verdict);
    for (way, other) in one.ways.iter_mut().zip(&other.ways) {
        way.egress.verdict = way.egress.verdict.either(&other.egress.verdict);
        way.ingress.verdict = way.ingress.verdict.either(&other.ingress.verdict);
    }
    one
}

fn namespace_name<'c>(end: &Endpoint<'c>) -> Option<&'c str> {
    end.pod().map(|pod| pod.namespace.name)
}

/// What the selectors that are in doubt ask of the labels of the end's namespace.
fn asked_of<'c>(explanation: &Explanation<'c>, end: &Endpoint<'c>) -> Asked<'c> {
    let mut asked = Asked::new();
    let Some(pod) = end.pod().filter(|pod| !pod.namespace.are_labels_known) else {
        return asked;
    };
    let sides = explanation
        .ways
        .iter()
        .flat_map(|way| [&way.egress, &way.ingress]);
    for wanted in sides
        .flat_map(SideTrace::rules)
        .flat_map(wanted_of_namespaces)
    {
        // What a selector asks of the other end is tried here in vain, and does no harm.
        if pod.namespace.labels.get(wanted.key()).is_none() {
            let (_, values) = asked
                .entry(wanted.key())
                .or_insert_with(|| (wanted.key(), BTreeSet::new()));
            match wanted {
                Wanted::Label(label) => {
                    values.insert(&label.value);
                }
                Wanted::Expression(expression) => {
                    values.extend(expression.values.iter().map(|value| value.value.as_str()));
                }
            }
        }
    }
    asked
}

/// The requirements on namespaces that a rule and its policy are in doubt about.
fn wanted_of_namespaces<'c>(rule: &RuleTrace<'c>) -> Vec<Wanted<'c>> {
    let misses = rule.peers.entries.iter().flat_map(|entry| &entry.misses);
    let doubts = misses
        .chain(&rule.subject_doubts)
        .filter_map(|miss| match miss {
            Miss::NamespaceLabel(requirement) if requirement.truth == Truth::Unknown => {
                (!requirement.is_opaque()).then_some(requirement.wanted)
            }
            _ => None,
        });
    doubts.collect()
}

/// Every set of labels that the selectors can tell apart, over those that are known;
/// `None` if there are too many.
fn worlds(end: &Endpoint<'_>, asked: &Asked<'_>) -> Option<Vec<Labels>> {
    let Some(pod) = end.pod() else {
        return Some(vec![Labels::default()]);
    };
    let known: Vec<Label> = pod.namespace.labels.iter().cloned().collect();
    let mut worlds = vec![known];
    for (key, values) in asked.values() {
        let mut next = Vec::new();
        for world in &worlds {
            next.push(world.clone());
            for value in values.iter().copied().chain([ANOTHER_VALUE]) {
                let value = Spanned::new(value.to_owned(), key.span);
                let label = Label {
                    key: (*key).clone(),
                    value,
                };
                next.push(world.iter().cloned().chain([label]).collect());
            }
        }
        worlds = next;
        if worlds.len() > MAX_WORLDS {
            return None;
        }
    }
    Some(worlds.into_iter().map(Labels::new).collect())
}

fn with_labels<'l>(end: &Endpoint<'l>, labels: &'l Labels) -> Endpoint<'l> {
    match end {
        Endpoint::Address(range) => Endpoint::Address(*range),
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
