//! Which policies, rules and peers of a namespace allow nothing that the rest of its policies
//! does not allow, whatever pods there are.
//!
//! What it finds can be deleted all at once without a change for anybody: what is found
//! redundant is never used to show that something else is. Refuses to know whether somebody
//! keeps it for a reason.

mod covers;

use super::containment::{Allowance, Budget, PodSet};
use super::dns;
use crate::cluster::{Cluster, NamespaceId, PolicyId};
use crate::k8s::{Direction, NetworkPolicyRule};
use covers::{Covers, RuleNumber};
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

/// What was found, and whether everything was compared.
#[derive(Debug, Default)]
pub struct Found {
    /// What can go, in the order of the policies and of their text.
    pub redundancies: Vec<Redundancy>,
    /// Whether the policies are so many, and so much alike, that not all were compared.
    pub is_partial: bool,
}

/// How many steps of comparison each label, range and rule of a namespace pays for, and how
/// many there are besides. Real namespaces need a hundredth of it.
const STEPS: u64 = 256;
const MIN_STEPS: u64 = 20_000;

/// Everything redundant in a namespace.
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
) -> Found {
    let mut search = Search::new(cluster, namespace, are_together);
    search.policies();
    search.rules();
    search.peers();
    search.found.sort_by_key(|found| found.part);
    Found {
        redundancies: search.found,
        is_partial: search.budget.is_spent(),
    }
}

/// A policy whose text is known.
struct Known {
    id: PolicyId,
    /// Its pods, by their place among the different sets of pods.
    pods: usize,
    /// By direction and rule: its number; `None` where it is not known what the rule allows.
    rules: [Vec<Option<RuleNumber>>; 2],
}

struct Search<'c, F> {
    cluster: &'c Cluster,
    policies: Vec<Known>,
    covers: [Covers; 2],
    pods: PodSets,
    are_together: F,
    budget: Budget,
    found: Vec<Redundancy>,
}

/// The different sets of pods that policies are about, and which contains which.
#[derive(Default)]
struct PodSets {
    sets: Vec<PodSet>,
    contained: HashMap<(usize, usize), bool>,
}

impl PodSets {
    fn contains(&mut self, outer: usize, inner: usize, budget: &mut Budget) -> bool {
        let sets = &self.sets;
        *self.contained.entry((outer, inner)).or_insert_with(|| {
            let (outer_set, inner_set) = (&sets[outer].0, &sets[inner].0);
            outer == inner || inner_set.is_covered_within(&[outer_set], budget)
        })
    }
}

const DIRECTIONS: [Direction; 2] = Direction::BOTH;

fn position(direction: Direction) -> usize {
    match direction {
        Direction::Ingress => 0,
        Direction::Egress => 1,
    }
}

impl<'c, F: Fn(PolicyId, PolicyId) -> bool> Search<'c, F> {
    fn new(cluster: &'c Cluster, namespace: NamespaceId, are_together: F) -> Self {
        let home = cluster.namespace(namespace).name.as_str();
        let mut policies = Vec::new();
        let mut covers = [Covers::default(), Covers::default()];
        let mut numbers: HashMap<PodSet, usize> = HashMap::new();
        for id in cluster.policies_in(namespace) {
            let policy = &cluster.policy(id).object;
            let is_known = policy.meta.is_accepted && policy.meta.opaque.is_none();
            let Some(pods) = PodSet::of(policy.pod_selector.get()).filter(|_| is_known) else {
                continue;
            };
            let next = numbers.len();
            let rules = DIRECTIONS.map(|direction| {
                let number = |(index, rule)| {
                    let place = RulePlace {
                        policy: id,
                        direction,
                        index,
                    };
                    let allowance = Allowance::of_rule(rule, home)?;
                    Some(covers[position(direction)].push(place, policies.len(), allowance))
                };
                policy
                    .rules(direction)
                    .iter()
                    .enumerate()
                    .map(number)
                    .collect()
            });
            policies.push(Known {
                id,
                pods: *numbers.entry(pods).or_insert(next),
                rules,
            });
        }
        covers.iter_mut().for_each(Covers::arrange);
        let mut sets: Vec<(PodSet, usize)> = numbers.into_iter().collect();
        sets.sort_unstable_by_key(|(_, number)| *number);
        let sets: Vec<PodSet> = sets.into_iter().map(|(pods, _)| pods).collect();
        let of_pods: u64 = sets.iter().map(|pods| 1 + pods.0.size()).sum();
        let size = of_pods + covers.iter().map(Covers::size).sum::<u64>();
        Self {
            cluster,
            policies,
            covers,
            pods: PodSets {
                sets,
                contained: HashMap::new(),
            },
            are_together,
            budget: Budget::new(MIN_STEPS + STEPS * size),
            found: Vec::new(),
        }
    }

    /// From the last policy to the first, so that of two equal ones the later one goes.
    fn policies(&mut self) {
        for policy in (0..self.policies.len()).rev() {
            let Some(covers) = self.covers_of_policy(policy) else {
                continue;
            };
            let known = &self.policies[policy];
            for (covers, rules) in self.covers.iter_mut().zip(&known.rules) {
                rules
                    .iter()
                    .flatten()
                    .for_each(|rule| covers.remove_rule(*rule));
            }
            self.found.push(Redundancy {
                part: Part::Policy(known.id),
                covers,
            });
        }
    }

    fn covers_of_policy(&mut self, policy: usize) -> Option<Vec<RulePlace>> {
        let object = &self.cluster.policy(self.policies[policy].id).object;
        let mut covers = Vec::new();
        for direction in DIRECTIONS {
            // Without rules it is there to isolate.
            if object.applies_to(direction) && object.rules(direction).is_empty() {
                return None;
            }
            for index in 0..object.rules(direction).len() {
                let rule = self.policies[policy].rules[position(direction)][index]?;
                covers.extend(self.covers_by_others(policy, direction, rule)?);
            }
        }
        covers.sort_unstable();
        covers.dedup();
        Some(covers)
    }

    /// The rules of other policies, which select all pods of this one, that cover a rule.
    fn covers_by_others(
        &mut self,
        policy: usize,
        direction: Direction,
        rule: RuleNumber,
    ) -> Option<Vec<RulePlace>> {
        let (policies, pods, are_together) = (&self.policies, &mut self.pods, &self.are_together);
        let own = &policies[policy];
        let is_container = |other: usize, budget: &mut Budget| {
            let container = &policies[other];
            other != policy
                && are_together(container.id, own.id)
                && pods.contains(container.pods, own.pods, budget)
        };
        self.covers[position(direction)].of_rule(rule, is_container, &mut self.budget)
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
                    let Some((rule, covers)) = self.covers_of_rule(policy, place) else {
                        continue;
                    };
                    self.covers[position(direction)].remove_rule(rule);
                    self.found.push(Redundancy {
                        part: Part::Rule(place),
                        covers,
                    });
                }
            }
        }
    }

    fn covers_of_rule(
        &mut self,
        policy: usize,
        place: RulePlace,
    ) -> Option<(RuleNumber, Vec<RulePlace>)> {
        let rule = self.policies[policy].rules[position(place.direction)][place.index]?;
        let covers = &self.covers[position(place.direction)];
        if !covers.is_alive(rule) {
            return None;
        }
        let is_own = |other: usize, _: &mut Budget| other == policy;
        if let Some(found) = covers.of_rule(rule, is_own, &mut self.budget) {
            return Some((rule, found));
        }
        if is_for_dns(self.rule(place)) {
            return None;
        }
        let (policies, pods, are_together) = (&self.policies, &mut self.pods, &self.are_together);
        let own = &policies[policy];
        let is_container = |other: usize, budget: &mut Budget| {
            let container = &policies[other];
            other == policy
                || are_together(container.id, own.id)
                    && pods.contains(container.pods, own.pods, budget)
        };
        let found = covers.of_rule(rule, is_container, &mut self.budget)?;
        Some((rule, found))
    }

    /// Peers that the rest of their own policy covers, from the last one to the first.
    fn peers(&mut self) {
        for policy in (0..self.policies.len()).rev() {
            for direction in DIRECTIONS {
                for index in (0..self.policies[policy].rules[position(direction)].len()).rev() {
                    let place = RulePlace {
                        policy: self.policies[policy].id,
                        direction,
                        index,
                    };
                    self.peers_of_rule(policy, place);
                }
            }
        }
    }

    fn peers_of_rule(&mut self, policy: usize, place: RulePlace) {
        let covers = &mut self.covers[position(place.direction)];
        let rules = &self.policies[policy].rules[position(place.direction)];
        let Some(rule) = rules[place.index].filter(|rule| covers.is_alive(*rule)) else {
            return;
        };
        let object = &self.cluster.policy(place.policy).object;
        let peers = object.rules(place.direction)[place.index]
            .peers
            .items()
            .len();
        let mut left = peers;
        for peer in (0..peers).rev() {
            // The last peer that is left is the rule.
            if left == 1 {
                return;
            }
            let is_own = |other: usize, _: &mut Budget| other == policy;
            let Some(found) = covers.of_peer(rule, peer, is_own, &mut self.budget) else {
                continue;
            };
            self.found.push(Redundancy {
                part: Part::Peer(place, peer),
                covers: found,
            });
            covers.remove_peer(rule, peer);
            left -= 1;
        }
    }

    fn rule(&self, place: RulePlace) -> &'c NetworkPolicyRule {
        let policy = &self.cluster.policy(place.policy).object;
        &policy.rules(place.direction)[place.index]
    }
}

fn is_for_dns(rule: &NetworkPolicyRule) -> bool {
    let ports = rule.ports.items();
    !ports.is_empty() && ports.iter().all(dns::is_dns_port)
}

#[cfg(test)]
mod tests;
