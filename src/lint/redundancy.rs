//! Which policies, rules and peers of a namespace allow nothing that the rest of its policies
//! does not allow, whatever pods there are.
//!
//! What it finds can be deleted all at once without a change for anybody: what is found
//! redundant is never used to show that something else is. Refuses to know whether somebody
//! keeps it for a reason.

use super::containment::{Allowance, PodSet};
use super::dns;
use crate::cluster::{Cluster, NamespaceId, PolicyId};
use crate::k8s::{Direction, LabelSelector, NetworkPolicyRule};
use std::collections::HashMap;

/// A rule in its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RulePlace {
    /// The policy.
    pub policy: PolicyId,
    /// The list that the rule stands in.
    pub direction: Direction,
    /// Its position in the list, from 0.
    pub index: usize,
}

/// Something that can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redundancy {
    /// What it is.
    pub part: Part,
    /// The rules that together allow all of it, sorted; never empty. For a peer its own rule
    /// may be among them, for its other peers.
    pub covers: Vec<RulePlace>,
}

/// A policy, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The whole policy: others isolate the same pods as well.
    Policy(PolicyId),
    /// A rule.
    Rule(RulePlace),
    /// A peer of a rule, by its position from 0.
    Peer(RulePlace, usize),
}

/// Everything redundant in a namespace, in the order of the policies and of their text.
///
/// Only policies that `are_together` are compared: they are known to be in force side by
/// side. A policy that denies all in a direction is never redundant, as it isolates. A rule for
/// DNS alone is not compared with other policies: one that says itself what its pods need is
/// no clutter.
#[must_use]
pub fn find(
    cluster: &Cluster,
    namespace: NamespaceId,
    are_together: impl Fn(PolicyId, PolicyId) -> bool,
) -> Vec<Redundancy> {
    let mut search = Search::new(cluster, namespace, are_together);
    search.policies();
    search.rules();
    search.peers();
    search.found.sort_by_key(|found| found.part);
    search.found
}

/// A policy whose text is known.
struct Known {
    id: PolicyId,
    pods: PodSet,
    /// What each rule of each direction allows; `None` where that is not known, or where the
    /// rule has been found to be redundant.
    rules: [Vec<Option<Allowance>>; 2],
    /// The other policies, by position, that select all of these pods.
    containers: Vec<usize>,
}

struct Search<'c> {
    cluster: &'c Cluster,
    home: &'c str,
    policies: Vec<Known>,
    found: Vec<Redundancy>,
}

const DIRECTIONS: [Direction; 2] = Direction::BOTH;

fn position(direction: Direction) -> usize {
    match direction {
        Direction::Ingress => 0,
        Direction::Egress => 1,
    }
}

impl<'c> Search<'c> {
    fn new(
        cluster: &'c Cluster,
        namespace: NamespaceId,
        are_together: impl Fn(PolicyId, PolicyId) -> bool,
    ) -> Self {
        let home = cluster.namespace(namespace).name.as_str();
        let known = |id: PolicyId| {
            let policy = &cluster.policy(id).object;
            let is_known = policy.meta.is_accepted && policy.meta.opaque.is_none();
            let pods = PodSet::of(policy.pod_selector.get()).filter(|_| is_known)?;
            let allowance = |rule| Allowance::of_rule(rule, home);
            let rules = DIRECTIONS.map(|it| policy.rules(it).iter().map(allowance).collect());
            Some(Known {
                id,
                pods,
                rules,
                containers: Vec::new(),
            })
        };
        let mut policies: Vec<Known> = cluster.policies_in(namespace).filter_map(known).collect();
        let containers = containers(cluster, &policies, are_together);
        for (policy, containers) in policies.iter_mut().zip(containers) {
            policy.containers = containers;
        }
        Self {
            cluster,
            home,
            policies,
            found: Vec::new(),
        }
    }

    /// From the last policy to the first, so that of two equal ones the later one goes.
    fn policies(&mut self) {
        for policy in (0..self.policies.len()).rev() {
            let Some(covers) = self.covers_of_policy(policy) else {
                continue;
            };
            let known = &mut self.policies[policy];
            known
                .rules
                .iter_mut()
                .flatten()
                .for_each(|rule| *rule = None);
            self.found.push(Redundancy {
                part: Part::Policy(known.id),
                covers,
            });
        }
    }

    fn covers_of_policy(&self, policy: usize) -> Option<Vec<RulePlace>> {
        let known = &self.policies[policy];
        let object = &self.cluster.policy(known.id).object;
        let mut covers = Vec::new();
        for direction in DIRECTIONS {
            let rules = &known.rules[position(direction)];
            // Without rules it is there to isolate.
            if object.applies_to(direction) && rules.is_empty() {
                return None;
            }
            let others: Vec<_> = self.of_containers(policy, direction).collect();
            for rule in rules {
                covers.extend(covers_of(rule.as_ref()?, &others)?);
            }
        }
        covers.sort_unstable();
        covers.dedup();
        Some(covers)
    }

    fn rules(&mut self) {
        for policy in (0..self.policies.len()).rev() {
            for direction in DIRECTIONS {
                for index in (0..self.policies[policy].rules[position(direction)].len()).rev() {
                    let place = RulePlace {
                        policy: self.policies[policy].id,
                        direction,
                        index,
                    };
                    let Some(covers) = self.covers_of_rule(policy, place) else {
                        continue;
                    };
                    self.policies[policy].rules[position(direction)][index] = None;
                    self.found.push(Redundancy {
                        part: Part::Rule(place),
                        covers,
                    });
                }
            }
        }
    }

    fn covers_of_rule(&self, policy: usize, place: RulePlace) -> Option<Vec<RulePlace>> {
        let rules = &self.policies[policy].rules[position(place.direction)];
        let allowance = rules[place.index].as_ref()?;
        let mut others: Vec<_> = self.of_policy(policy, place.direction).collect();
        others.retain(|(other, _)| *other != place);
        let covers = covers_of(allowance, &others);
        if covers.is_some() || is_for_dns(self.rule(place)) {
            return covers;
        }
        others.extend(self.of_containers(policy, place.direction));
        covers_of(allowance, &others)
    }

    /// Peers that the rest of their own policy covers, from the last one to the first.
    fn peers(&mut self) {
        for policy in (0..self.policies.len()).rev() {
            for direction in DIRECTIONS {
                for index in (0..self.policies[policy].rules[position(direction)].len()).rev() {
                    self.peers_of_rule(policy, direction, index);
                }
            }
        }
    }

    fn peers_of_rule(&mut self, policy: usize, direction: Direction, index: usize) {
        let place = RulePlace {
            policy: self.policies[policy].id,
            direction,
            index,
        };
        if self.policies[policy].rules[position(direction)][index].is_none() {
            return;
        }
        let rule = self.rule(place);
        let mut left: Vec<usize> = (0..rule.peers.items().len()).collect();
        for peer in (0..left.len()).rev() {
            let rest: Vec<_> = left
                .iter()
                .filter(|other| **other != peer)
                .map(|other| rule.peers.items()[*other].clone())
                .collect();
            let of_peer = std::slice::from_ref(&rule.peers.items()[peer]);
            let (Some(allowance), Some(rest)) = (
                Allowance::of_peers(rule, of_peer, self.home),
                Allowance::of_peers(rule, &rest, self.home),
            ) else {
                return;
            };
            let mut others: Vec<_> = self.of_policy(policy, direction).collect();
            others.retain(|(other, _)| *other != place);
            others.insert(0, (place, &rest));
            let Some(covers) = covers_of(&allowance, &others) else {
                continue;
            };
            self.found.push(Redundancy {
                part: Part::Peer(place, peer),
                covers,
            });
            left.retain(|other| *other != peer);
            // What is left speaks for the rule from here on.
            self.policies[policy].rules[position(direction)][index] = Some(rest);
        }
    }

    fn rule(&self, place: RulePlace) -> &'c NetworkPolicyRule {
        let policy = &self.cluster.policy(place.policy).object;
        &policy.rules(place.direction)[place.index]
    }

    /// The rules of a policy that are known, and not found to be redundant.
    fn of_policy(
        &self,
        policy: usize,
        direction: Direction,
    ) -> impl Iterator<Item = (RulePlace, &Allowance)> {
        let known = &self.policies[policy];
        let rules = known.rules[position(direction)].iter().enumerate();
        rules.filter_map(move |(index, rule)| {
            let place = RulePlace {
                policy: known.id,
                direction,
                index,
            };
            Some((place, rule.as_ref()?))
        })
    }

    /// The same of all other policies that select the pods of this one.
    fn of_containers(
        &self,
        policy: usize,
        direction: Direction,
    ) -> impl Iterator<Item = (RulePlace, &Allowance)> {
        let containers = self.policies[policy].containers.iter();
        containers.flat_map(move |other| self.of_policy(*other, direction))
    }
}

/// For every policy the others that select all of its pods.
fn containers(
    cluster: &Cluster,
    policies: &[Known],
    are_together: impl Fn(PolicyId, PolicyId) -> bool,
) -> Vec<Vec<usize>> {
    // A selector that wants a label by value contains only selectors that want it too. So
    // one such label finds nearly all candidates.
    let mut by_label: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    let mut without_label = Vec::new();
    let selector = |policy: usize| {
        cluster
            .policy(policies[policy].id)
            .object
            .pod_selector
            .get()
    };
    for policy in 0..policies.len() {
        match selector(policy).and_then(|selector| labels(selector).next()) {
            Some(label) => by_label.entry(label).or_default().push(policy),
            None => without_label.push(policy),
        }
    }
    let containers_of = |policy: usize| {
        let wanted = selector(policy).map(labels).into_iter().flatten();
        let candidates = wanted.filter_map(|label| by_label.get(&label)).flatten();
        let mut candidates: Vec<usize> = candidates.chain(&without_label).copied().collect();
        candidates.sort_unstable();
        candidates.dedup();
        let (own, id) = (&policies[policy].pods, policies[policy].id);
        candidates.retain(|other| {
            let container = &policies[*other];
            *other != policy && container.pods.contains(own) && are_together(container.id, id)
        });
        candidates
    };
    (0..policies.len()).map(containers_of).collect()
}

/// The labels that a selector wants by one value.
fn labels(selector: &LabelSelector) -> impl Iterator<Item = (&str, &str)> {
    let labels = selector.match_labels.iter();
    let labels = labels.map(|label| (label.key.as_str(), label.value.as_str()));
    let expressions = selector.match_expressions.iter();
    labels.chain(
        expressions.filter_map(|entry| match entry.values.as_slice() {
            [value] if entry.operator.value == crate::k8s::Operator::In => {
                Some((entry.key.as_str(), value.as_str()))
            }
            _ => None,
        }),
    )
}

fn is_for_dns(rule: &NetworkPolicyRule) -> bool {
    let ports = rule.ports.items();
    !ports.is_empty() && ports.iter().all(dns::is_dns_port)
}

/// The fewest of `others` that come to mind and cover it together: one alone, else those
/// without which the rest would not do.
fn covers_of(allowance: &Allowance, others: &[(RulePlace, &Allowance)]) -> Option<Vec<RulePlace>> {
    let single = others
        .iter()
        .find(|(_, other)| allowance.is_covered(&[other]));
    if let Some((place, _)) = single {
        return Some(vec![*place]);
    }
    let mut covers: Vec<_> = others
        .iter()
        .filter(|(_, other)| allowance.may_overlap(other))
        .collect();
    let covered_by = |covers: &[&(RulePlace, &Allowance)]| {
        let covers: Vec<&Allowance> = covers.iter().map(|(_, cover)| *cover).collect();
        allowance.is_covered(&covers)
    };
    if covers.len() < 2 || !covered_by(&covers) {
        return None;
    }
    for place in (0..covers.len()).rev() {
        let mut fewer = covers.clone();
        fewer.remove(place);
        if covered_by(&fewer) {
            covers = fewer;
        }
    }
    let mut places: Vec<RulePlace> = covers.iter().map(|(place, _)| *place).collect();
    places.sort_unstable();
    Some(places)
}

#[cfg(test)]
mod tests;
