//! The cluster-wide policies of a tier in their order, with what each rule is about as sets:
//! which of them are asked before which, and whether those decide everything.
//!
//! Decided from the text alone, for all pods that there could be. Refuses to know
//! NetworkPolicies.

use super::Context;
use super::containment::{Allowance, AllowanceIndex, Budget, PodIndex, PodSet};
use super::rewrite::first_line;
use crate::cluster::{Cluster, ClusterPolicyId};
use crate::engine::program::{self, Program, StageName};
use crate::engine::{PolicyRef, RuleRef};
use crate::k8s::{Action, ClusterNetworkPolicyRule, ClusterPolicyKind, Direction, Tier};
use crate::source::Span;

/// The policies of a tier in one direction, in the order of evaluation.
pub struct TierPolicies<'c> {
    /// The tier.
    pub tier: Tier,
    /// They.
    pub policies: Vec<TierPolicy<'c>>,
    /// Whether no other tool fills in a part of any.
    are_known: bool,
    /// Those whose pods are known, by these; and the places of the others.
    subjects: PodIndex<usize>,
    unknown_subjects: Vec<usize>,
}

/// A policy of a tier.
pub struct TierPolicy<'c> {
    /// The policy.
    pub id: ClusterPolicyId,
    /// Its `spec.priority`.
    pub priority: i32,
    /// Its pods; `None` where they are not known, and where no pod can be one.
    pub subject: Option<PodSet>,
    /// Its rules, in order.
    pub steps: Vec<Step<'c>>,
}

/// A rule of a policy of a tier.
pub struct Step<'c> {
    /// Its policy.
    pub policy: ClusterPolicyId,
    /// Its direction.
    pub direction: Direction,
    /// Its place among the rules of its direction, from 0.
    pub index: usize,
    /// The rule.
    pub rule: &'c ClusterNetworkPolicyRule,
    /// What it matches; `None` where that is not known.
    pub allowance: Option<Allowance>,
}

impl<'c> TierPolicies<'c> {
    /// Those that are enforced and that an API server would take.
    #[must_use]
    pub fn new(
        cluster: &'c Cluster,
        program: &Program<'c>,
        tier: Tier,
        direction: Direction,
    ) -> Self {
        let name = match tier {
            Tier::Admin => StageName::Admin,
            Tier::Baseline => StageName::Baseline,
        };
        let stages = program.stages().filter(|stage| stage.name == name);
        let chains = stages.flat_map(|stage| stage.chains.get(direction));
        let mut tier = Self {
            tier,
            policies: Vec::new(),
            are_known: true,
            subjects: PodIndex::of_sets([]),
            unknown_subjects: Vec::new(),
        };
        for chain in chains {
            let PolicyRef::Cluster(id) = chain.policy else {
                continue;
            };
            let object = cluster.cluster_policy(id);
            if !object.meta.is_accepted {
                continue;
            }
            // Where another tool fills in a part, that part is left out.
            let is_known = object.meta.holes.is_empty();
            tier.are_known &= is_known;
            let step = |rule: &program::Rule<'c>| match rule.origin.rule {
                RuleRef::Cluster(written) => Some(Step {
                    policy: id,
                    direction,
                    index: rule.origin.index,
                    rule: written,
                    allowance: Allowance::of(cluster, rule).filter(|_| is_known),
                }),
                _ => None,
            };
            tier.policies.push(TierPolicy {
                id,
                priority: object.priority.value,
                subject: PodSet::of_subject(cluster, &chain.subject).filter(|_| is_known),
                steps: chain.rules.iter().filter_map(step).collect(),
            });
        }
        let (known, unknown): (Vec<_>, Vec<_>) = tier
            .policies
            .iter()
            .enumerate()
            .partition(|(_, policy)| policy.subject.is_some());
        let known = known.into_iter();
        let subjects = known.filter_map(|(place, policy)| Some((place, policy.subject.as_ref()?)));
        tier.subjects = PodIndex::of_sets(subjects);
        tier.unknown_subjects = unknown.into_iter().map(|(place, _)| place).collect();
        tier
    }

    /// The policies that may be about some of these pods, in order: those of other subjects are
    /// left out, if not all of them.
    fn about(&self, pods: &PodSet) -> impl Iterator<Item = &TierPolicy<'c>> {
        let mut places: Vec<usize> = self.subjects.candidates_of(pods).collect();
        places.extend(&self.unknown_subjects);
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|place| &self.policies[place])
    }

    /// The rules of policies that are surely asked before those of `priority`, for all of
    /// these pods. Which of two policies of one priority is asked first is not known (S12).
    pub fn asked_before<'t>(
        &'t self,
        priority: i32,
        pods: &'t PodSet,
    ) -> impl Iterator<Item = &'t Step<'c>> {
        let is_for_all = |policy: &&TierPolicy<'c>| {
            let subject = policy.subject.as_ref();
            subject.is_some_and(|it| it.contains(pods))
        };
        let before = self.about(pods);
        let before = before.take_while(move |policy| policy.priority < priority);
        before.filter(is_for_all).flat_map(|policy| &policy.steps)
    }

    /// Which of some policies, by their places, may have pods in common with another one of them
    /// of which `is_other` holds.
    pub fn together(
        &self,
        places: &[usize],
        is_other: impl Fn(&TierPolicy<'c>, &TierPolicy<'c>) -> bool,
    ) -> Vec<usize> {
        let subject = |place: usize| Some((place, self.policies[place].subject.as_ref()?));
        let known: Vec<(usize, &PodSet)> = places.iter().filter_map(|it| subject(*it)).collect();
        let index = PodIndex::of_sets(known.iter().copied());
        let together = known.iter().filter(|(place, pods)| {
            let mut others = index.candidates_of(pods);
            others.any(|other| {
                let [one, another] = [*place, other].map(|it| &self.policies[it]);
                let has_common = another.subject.as_ref().is_some_and(|it| it.overlaps(pods));
                *place != other && has_common && is_other(one, another)
            })
        });
        together.map(|(place, _)| *place).collect()
    }

    /// How many policies have a lower priority number than the one at a place.
    #[must_use]
    pub fn count_before(&self, place: usize) -> usize {
        let priority = self.policies[place].priority;
        self.policies.partition_point(|it| it.priority < priority)
    }

    /// The rules of some of the policies, by the place of the policy and of the rule in it.
    pub fn index(&self, places: &[usize]) -> AllowanceIndex<(usize, usize)> {
        AllowanceIndex::new(places.iter().flat_map(|place| self.known_steps(*place)))
    }

    fn known_steps(&self, place: usize) -> impl Iterator<Item = ((usize, usize), &Allowance)> {
        let steps = self.policies[place].steps.iter().enumerate();
        steps.filter_map(move |(at, step)| Some(((place, at), step.allowance.as_ref()?)))
    }

    /// The later ones of the policies of an index that may do something else than the one at a
    /// place with one connection, by their places, in order: the others have nothing in common
    /// with it, or do the same. None where the budget does not allow a look.
    pub fn opposed(
        &self,
        index: &AllowanceIndex<(usize, usize)>,
        place: usize,
        budget: &mut Budget,
    ) -> Vec<usize> {
        let mut opposed = Vec::new();
        for ((_, at), allowance) in self.known_steps(place) {
            let effect = self.effect(&self.policies[place].steps[at]);
            let candidates = index.candidates(allowance);
            budget.spend(candidates.len() as u64);
            if budget.is_spent() {
                return Vec::new();
            }
            let later = candidates.into_iter().filter(|(other, _)| *other > place);
            let others = later
                .filter(|(other, at)| self.effect(&self.policies[*other].steps[*at]) != effect);
            opposed.extend(others.map(|(other, _)| other));
        }
        opposed.sort_unstable();
        opposed.dedup();
        opposed
    }

    /// Two rules of two policies that do different things with one connection, so that the
    /// order of the policies matters: no rule before either of them decides it.
    #[must_use]
    pub fn contradiction<'t>(
        &'t self,
        one: &'t TierPolicy<'c>,
        other: &'t TierPolicy<'c>,
    ) -> Option<(&'t Step<'c>, &'t Step<'c>)> {
        let pods = one.subject.as_ref()?.common(other.subject.as_ref()?)?;
        let before = || self.asked_before(one.priority, &pods);
        // What follows a rule that is not known may be decided by it.
        let known = |steps: &'t [Step<'c>]| steps.iter().map_while(Step::with_allowance);
        for (step, matched) in known(&one.steps) {
            for (other_step, other_matched) in known(&other.steps) {
                let may_differ =
                    self.effect(step) != self.effect(other_step) && matched.overlaps(other_matched);
                let Some(common) = may_differ.then(|| matched.common(other_matched)).flatten()
                else {
                    continue;
                };
                let of_one = one.steps[..step.index].iter();
                let of_other = other.steps[..other_step.index].iter();
                let earlier = before().chain(of_one).chain(of_other);
                let earlier: Vec<&Allowance> =
                    earlier.filter_map(|it| it.allowance.as_ref()).collect();
                if !common.is_covered(&earlier) {
                    return Some((step, other_step));
                }
            }
        }
        None
    }

    /// What becomes of what a rule matches: behind the Baseline tier everything is allowed,
    /// so that it makes no difference there whether a rule passes or accepts (S11).
    fn effect(&self, step: &Step<'_>) -> Action {
        match (self.tier, step.rule.action.value) {
            (Tier::Baseline, Action::Pass) => Action::Accept,
            (_, action) => action,
        }
    }

    /// The rules that do this with everything that an allowance of these pods holds, if no
    /// rule that may be asked before them does something else with any of it. None where
    /// nobody knows what some policy says.
    #[must_use]
    pub fn deciding(&self, pods: &PodSet, allowance: &Allowance, action: Action) -> Vec<&Step<'c>> {
        let mut deciding: Vec<(i32, &Step<'c>)> = Vec::new();
        let mut decided_at = None;
        if !self.are_known {
            return Vec::new();
        }
        for policy in self.about(pods) {
            // Those of one priority may be asked in any order (S12).
            if decided_at.is_some_and(|priority| priority != policy.priority) {
                break;
            }
            if policy.subject.as_ref().is_some_and(|it| !it.overlaps(pods)) {
                continue;
            }
            let is_for_all = policy.subject.as_ref().is_some_and(|it| it.contains(pods));
            for step in &policy.steps {
                let matched = step.allowance.as_ref();
                if matched.is_some_and(|matched| !matched.overlaps(allowance)) {
                    continue;
                }
                let is_surely_decided = || {
                    let surely = |(priority, earlier): &&(i32, &Step<'c>)| {
                        *priority < policy.priority || earlier.policy == policy.id
                    };
                    is_covered(allowance, deciding.iter().filter(surely))
                };
                if step.rule.action.value == action {
                    let is_surely = matched.is_some_and(|it| it.common(allowance).is_some());
                    deciding.extend((is_for_all && is_surely).then_some((policy.priority, step)));
                } else if is_surely_decided() {
                    break;
                } else {
                    return Vec::new();
                }
            }
            if decided_at.is_none() && is_covered(allowance, deciding.iter()) {
                decided_at = Some(policy.priority);
            }
        }
        let deciding = deciding.into_iter().filter(|_| decided_at.is_some());
        deciding.map(|(_, step)| step).collect()
    }
}

fn is_covered<'s, 'c: 's>(
    allowance: &Allowance,
    steps: impl Iterator<Item = &'s (i32, &'s Step<'c>)>,
) -> bool {
    let matched = steps.filter_map(|(_, step)| step.allowance.as_ref());
    allowance.is_covered(&matched.collect::<Vec<_>>())
}

impl<'c> Step<'c> {
    fn with_allowance(&self) -> Option<(&Self, &Allowance)> {
        Some((self, self.allowance.as_ref()?))
    }

    /// Its place in its policy: `spec.egress[1]`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("spec.{}[{}]", self.direction.field(), self.index)
    }

    /// What to underline for it.
    #[must_use]
    pub fn mark(&self, cx: &Context<'_>) -> Span {
        let (span, dash) = (self.rule.span, self.rule.dash);
        dash.unwrap_or_else(|| first_line(cx.sources, span))
    }

    /// In words: egress rule #2 of `ClusterNetworkPolicy/tenants`.
    #[must_use]
    pub fn name(&self, cx: &Context<'_>) -> String {
        let object = cx.cluster_policy_object(self.policy);
        let (field, number) = (self.direction.field(), self.index + 1);
        format!("{field} rule #{number} of `{object}`")
    }

    /// Its action as the kind of its policy spells it.
    #[must_use]
    pub fn action(&self, cx: &Context<'_>) -> &'static str {
        let kind = cx.cluster.cluster_policy(self.policy).kind;
        match self.rule.action.value {
            Action::Accept if kind == ClusterPolicyKind::ClusterNetworkPolicy => "Accept",
            Action::Accept => "Allow",
            Action::Deny => "Deny",
            Action::Pass => "Pass",
        }
    }
}

#[cfg(test)]
mod tests;
