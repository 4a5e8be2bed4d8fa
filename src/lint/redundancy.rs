//! Which policies, rules and peers of a group of policies allow nothing that the rest of them
//! does not allow, whatever pods there are.
//!
//! What it finds can be deleted all at once without a change for anybody: what is found
//! redundant is never used to show that something else is. Refuses to know whether somebody
//! keeps it for a reason, and the kinds of policies: it asks their chains in the program.

mod covers;
mod intervals;
mod subjects;

use super::containment::{Allowance, Budget, PodSet};
use super::dns;
use crate::cluster::Cluster;
use crate::engine::program::{Chain, End, Program, Rule};
use crate::engine::{PolicyRef, RuleRef};
use crate::k8s::{Action, Direction};
use covers::{Among, Covers, RuleNumber};
use std::collections::HashMap;
use std::ops::Range;
use subjects::Subjects;

/// A rule in its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RulePlace {
    /// The policy.
    pub policy: PolicyRef,
    /// Its direction.
    pub direction: Direction,
    /// Which of the [chains](Program::chains_of) of the policy in this direction it is in.
    pub chain: usize,
    /// Its position in the chain, from 0.
    pub index: usize,
}

impl RulePlace {
    /// The rule.
    ///
    /// # Panics
    ///
    /// If it is a place of another program.
    #[must_use]
    pub fn rule<'p, 'c>(&self, program: &'p Program<'c>) -> &'p Rule<'c> {
        let mut chains = program.chains_of(self.policy, self.direction);
        let chain = chains
            .nth(self.chain)
            .expect("the chain is of this program");
        &chain.rules[self.index]
    }
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
    Policy(PolicyRef),
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

/// Everything redundant among some policies that are asked in one stage and whose rules all
/// allow: NetworkPolicies of one namespace, and what a CNI plugin asks together with them.
///
/// Only policies that `are_together` are compared: they are known to be in force side by
/// side. A policy that denies all in a direction is never redundant, as it isolates, and one
/// that denies something is not, either. A rule for DNS alone is not compared with other
/// policies: one that says itself what its pods need is no clutter.
#[must_use]
pub fn find(
    cluster: &Cluster,
    program: &Program<'_>,
    policies: impl IntoIterator<Item = PolicyRef>,
    are_together: impl Fn(PolicyRef, PolicyRef) -> bool,
) -> Found {
    let mut search = Search::new(cluster, program, policies, are_together);
    search.policies();
    search.rules();
    search.peers();
    search.found.sort_by_key(|found| found.part);
    Found {
        redundancies: search.found,
        is_partial: search.budget.is_spent(),
    }
}

/// A chain whose subject is known.
struct Known {
    policy: PolicyRef,
    direction: Direction,
    /// Its place among the chains of its policy.
    chain: usize,
    isolates: bool,
    /// Its pods, by their place among the different sets of pods.
    pods: usize,
    /// By rule: its number; `None` where it is not known what the rule allows.
    rules: Vec<Option<RuleNumber>>,
    /// The numbers of its rules.
    numbers: Range<RuleNumber>,
}

impl Known {
    fn place(&self, index: usize) -> RulePlace {
        RulePlace {
            policy: self.policy,
            direction: self.direction,
            chain: self.chain,
            index,
        }
    }
}

struct Search<'p, 'c, F> {
    program: &'p Program<'c>,
    chains: Vec<Known>,
    /// The chains of each policy that is known as a whole.
    policies: Vec<(PolicyRef, std::ops::Range<usize>)>,
    covers: [Covers; 2],
    pods: Subjects,
    are_together: F,
    budget: Budget,
    found: Vec<Redundancy>,
}

fn position(direction: Direction) -> usize {
    match direction {
        Direction::Ingress => 0,
        Direction::Egress => 1,
    }
}

/// The rules of a chain that its policy says.
fn written<'p, 'c>(chain: &'p Chain<'c>) -> impl Iterator<Item = &'p Rule<'c>> {
    let is_written = |rule: &&Rule<'_>| !matches!(rule.origin.rule, RuleRef::OwnNode(_));
    chain.rules.iter().filter(is_written)
}

impl<'p, 'c, F: Fn(PolicyRef, PolicyRef) -> bool> Search<'p, 'c, F> {
    fn new(
        cluster: &Cluster,
        program: &'p Program<'c>,
        policies: impl IntoIterator<Item = PolicyRef>,
        are_together: F,
    ) -> Self {
        let mut search = Self {
            program,
            chains: Vec::new(),
            policies: Vec::new(),
            covers: [Covers::default(), Covers::default()],
            pods: Subjects::default(),
            are_together,
            budget: Budget::new(0),
            found: Vec::new(),
        };
        let mut numbers: HashMap<PodSet, usize> = HashMap::new();
        for policy in policies {
            search.add(cluster, policy, &mut numbers);
        }
        search.covers.iter_mut().for_each(Covers::arrange);
        let mut sets: Vec<(PodSet, usize)> = numbers.into_iter().collect();
        sets.sort_unstable_by_key(|(_, number)| *number);
        search.pods = Subjects::new(sets.into_iter().map(|(pods, _)| pods).collect());
        let size = search.pods.size() + search.covers.iter().map(Covers::size).sum::<u64>();
        search.budget = Budget::new(MIN_STEPS + STEPS * size);
        search
    }

    fn add(&mut self, cluster: &Cluster, policy: PolicyRef, numbers: &mut HashMap<PodSet, usize>) {
        let first = self.chains.len();
        let mut is_known = true;
        for direction in Direction::BOTH {
            for (place, chain) in self.program.chains_of(policy, direction).enumerate() {
                let allows = chain.rules.iter().all(|rule| rule.action == Action::Accept);
                let pods = PodSet::of_subject(cluster, &chain.subject);
                let is_asked = allows && chain.is_subject_known;
                let Some(pods) = pods.filter(|_| is_asked) else {
                    is_known = false;
                    continue;
                };
                let next = numbers.len();
                let first = self.covers[position(direction)].len();
                let mut known = Known {
                    policy,
                    direction,
                    chain: place,
                    isolates: chain.end == End::Deny,
                    pods: *numbers.entry(pods).or_insert(next),
                    rules: Vec::new(),
                    numbers: first..first,
                };
                for (index, rule) in written(chain).enumerate() {
                    let covers = &mut self.covers[position(direction)];
                    let (place, speaker) = (known.place(index), self.chains.len());
                    let allowance = Allowance::of(cluster, rule);
                    let number = allowance.map(|it| covers.push(place, speaker, known.pods, it));
                    known.rules.push(number);
                    known.numbers.end = covers.len();
                }
                self.chains.push(known);
            }
        }
        if is_known && first < self.chains.len() {
            self.policies.push((policy, first..self.chains.len()));
        }
    }

    /// From the last policy to the first, so that of two equal ones the later one goes.
    fn policies(&mut self) {
        for (policy, chains) in std::mem::take(&mut self.policies).into_iter().rev() {
            let Some(covers) = self.covers_of_policy(chains.clone()) else {
                continue;
            };
            for chain in &self.chains[chains] {
                let of_direction = &mut self.covers[position(chain.direction)];
                let rules = chain.rules.iter().flatten();
                rules.for_each(|rule| of_direction.remove_rule(*rule));
            }
            self.found.push(Redundancy {
                part: Part::Policy(policy),
                covers,
            });
        }
    }

    fn covers_of_policy(&mut self, chains: std::ops::Range<usize>) -> Option<Vec<RulePlace>> {
        let mut covers = Vec::new();
        for chain in chains {
            // Without rules it is there to isolate.
            if self.chains[chain].rules.is_empty() {
                return None;
            }
            for index in 0..self.chains[chain].rules.len() {
                let rule = self.chains[chain].rules[index]?;
                covers.extend(self.covers_by_others(chain, rule)?);
            }
        }
        covers.sort_unstable();
        covers.dedup();
        Some(covers)
    }

    /// The rules of other policies, which select all pods of this one and isolate them as it
    /// does, that cover a rule.
    fn covers_by_others(&mut self, chain: usize, rule: RuleNumber) -> Option<Vec<RulePlace>> {
        let own = &self.chains[chain];
        let containers = self.pods.containers(own.pods, &mut self.budget);
        let may_speak = |other: usize| {
            let container = &self.chains[other];
            container.policy != own.policy
                && container.isolates >= own.isolates
                && containers.binary_search(&container.pods).is_ok()
                && (self.are_together)(container.policy, own.policy)
        };
        let among = Among::Subjects(&containers);
        let covers = &self.covers[position(own.direction)];
        covers.of_rule(rule, among, may_speak, &mut self.budget)
    }

    fn rules(&mut self) {
        for chain in (0..self.chains.len()).rev() {
            for index in (0..self.chains[chain].rules.len()).rev() {
                let Some((rule, covers)) = self.covers_of_rule(chain, index) else {
                    continue;
                };
                let known = &self.chains[chain];
                self.covers[position(known.direction)].remove_rule(rule);
                self.found.push(Redundancy {
                    part: Part::Rule(known.place(index)),
                    covers,
                });
            }
        }
    }

    fn covers_of_rule(
        &mut self,
        chain: usize,
        index: usize,
    ) -> Option<(RuleNumber, Vec<RulePlace>)> {
        let own = &self.chains[chain];
        let rule = own.rules[index]?;
        let covers = &self.covers[position(own.direction)];
        if !covers.is_alive(rule) {
            return None;
        }
        let among = Among::Chain(own.numbers.clone());
        let is_own = |other: usize| other == chain;
        if let Some(found) = covers.of_rule(rule, among, is_own, &mut self.budget) {
            return Some((rule, found));
        }
        if is_for_dns(own.place(index).rule(self.program)) {
            return None;
        }
        let containers = self.pods.containers(own.pods, &mut self.budget);
        let may_speak = |other: usize| {
            let container = &self.chains[other];
            other == chain
                || containers.binary_search(&container.pods).is_ok()
                    && (self.are_together)(container.policy, own.policy)
        };
        let among = Among::Subjects(&containers);
        let found = covers.of_rule(rule, among, may_speak, &mut self.budget)?;
        Some((rule, found))
    }

    /// Peers that the rest of their own policy covers, from the last one to the first.
    fn peers(&mut self) {
        for chain in (0..self.chains.len()).rev() {
            for index in (0..self.chains[chain].rules.len()).rev() {
                self.peers_of_rule(chain, index);
            }
        }
    }

    fn peers_of_rule(&mut self, chain: usize, index: usize) {
        let known = &self.chains[chain];
        let covers = &mut self.covers[position(known.direction)];
        let Some(rule) = known.rules[index].filter(|rule| covers.is_alive(*rule)) else {
            return;
        };
        // Where the program has other peers than the text, a peer is no part that can go.
        let peers = match known.place(index).rule(self.program).origin.rule {
            RuleRef::Network(written) => written.peers.items().len(),
            _ => return,
        };
        if covers.peers(rule) != peers {
            return;
        }
        let mut left = peers;
        for peer in (0..peers).rev() {
            // The last peer that is left is the rule.
            if left == 1 {
                return;
            }
            let among = Among::Chain(known.numbers.clone());
            let is_own = |other: usize| other == chain;
            let Some(found) = covers.of_peer(rule, peer, among, is_own, &mut self.budget) else {
                continue;
            };
            self.found.push(Redundancy {
                part: Part::Peer(known.place(index), peer),
                covers: found,
            });
            covers.remove_peer(rule, peer);
            left -= 1;
        }
    }
}

fn is_for_dns(rule: &Rule<'_>) -> bool {
    let entries = rule.ports.as_deref().unwrap_or_default();
    !entries.is_empty() && entries.iter().all(|entry| dns::are_dns_ports(&entry.ports))
}

#[cfg(test)]
mod tests;
