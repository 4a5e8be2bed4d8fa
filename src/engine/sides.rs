//! The two sides of a connection: which policies decide about what leaves a class of
//! workloads, and about what enters it. Classes that the same policies select share a
//! side.
//!
//! Refuses to know what the policies of a side allow.

use super::HashMap;
use super::classes::{ClassId, Classes, ProfileId};
use super::program::{ByDirection, MatcherId, Program, Rule};
use super::selection::Selection;
use crate::cluster::{Cluster, ClusterPolicyId, PolicyId};
use crate::k8s::Direction;
use std::sync::OnceLock;

/// A side, by its place in the sides of its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SideId(pub(super) u32);

/// What decides about one direction of the traffic of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Side {
    /// The distinct subjects of the NetworkPolicies that isolate the class; empty if it
    /// is not isolated.
    pub(super) subjects: Vec<MatcherId>,
    /// The cluster-wide policies with rules for the class, in the order of evaluation.
    pub(super) cluster_policies: Vec<ClusterPolicyId>,
    /// The named ports of the class, where a rule into the class has a name in it.
    pub(super) profile: Option<ProfileId>,
}

/// Which policies select which classes, and what follows for the sides.
#[derive(Debug)]
pub(super) struct Sides {
    /// By matcher: the NetworkPolicies that have it as their subject and isolate, sorted.
    policies: Vec<ByDirection<Vec<PolicyId>>>,
    distinct: ByDirection<Vec<Side>>,
    /// By class.
    of: ByDirection<Vec<SideId>>,
    /// By side: every policy that isolates, made on the first question.
    isolating: ByDirection<Vec<OnceLock<Vec<PolicyId>>>>,
    /// By class: the cluster-wide policies that select it, in the order of evaluation.
    cluster_policies: Vec<Vec<ClusterPolicyId>>,
}

impl Sides {
    /// Finds out what every policy selects.
    pub(super) fn new(
        cluster: &Cluster,
        program: &Program,
        classes: &Classes,
        selection: &Selection,
    ) -> Self {
        let matchers = program.matchers.values();
        let selected =
            |subject: MatcherId| selection.classes(program, classes, &matchers[subject.0 as usize]);
        let mut policies = vec![ByDirection::<Vec<PolicyId>>::default(); matchers.len()];
        let mut subjects = vec![Vec::new(); classes.len() as usize];
        for (id, policy) in cluster.policy_ids().zip(&program.policies) {
            let Some(policy) = policy else { continue };
            let of_subject = &mut policies[policy.subject.0 as usize];
            if of_subject.ingress.is_empty() && of_subject.egress.is_empty() {
                for class in selected(policy.subject).ids() {
                    subjects[class as usize].push(policy.subject);
                }
            }
            for direction in Direction::BOTH {
                if policy.rules.get(direction).is_some() {
                    of_subject.get_mut(direction).push(id);
                }
            }
        }
        let mut cluster_policies = vec![Vec::new(); classes.len() as usize];
        for (id, policy) in cluster.cluster_policy_ids().zip(&program.cluster_policies) {
            let Some(policy) = policy else { continue };
            for class in selected(policy.subject).ids() {
                cluster_policies[class as usize].push(id);
            }
        }
        let mut sides = Self {
            policies,
            distinct: ByDirection::default(),
            of: ByDirection::default(),
            isolating: ByDirection::default(),
            cluster_policies,
        };
        for direction in Direction::BOTH {
            sides.join(direction, program, classes, &subjects);
        }
        sides
    }

    /// Gives every class its side in a direction.
    fn join(
        &mut self,
        direction: Direction,
        program: &Program,
        classes: &Classes,
        subjects: &[Vec<MatcherId>],
    ) {
        let mut ids: HashMap<Side, SideId> = HashMap::default();
        let mut distinct: Vec<Side> = Vec::new();
        let mut of = Vec::with_capacity(classes.len() as usize);
        for class in classes.ids() {
            let place = class.0 as usize;
            let isolates = |subject: &MatcherId| !self.policies(*subject, direction).is_empty();
            let has_rules =
                |id: &ClusterPolicyId| !cluster_rules(program, *id, direction).is_empty();
            let mut side = Side {
                subjects: subjects[place].iter().copied().filter(isolates).collect(),
                cluster_policies: self.cluster_policies[place]
                    .iter()
                    .copied()
                    .filter(has_rules)
                    .collect(),
                profile: None,
            };
            if direction == Direction::Ingress && self.mentions_names(&side, program) {
                side.profile = Some(classes.profile(class));
            }
            of.push(*ids.entry(side).or_insert_with_key(|side| {
                distinct.push(side.clone());
                SideId(distinct.len() as u32 - 1)
            }));
        }
        *self.isolating.get_mut(direction) = distinct.iter().map(|_| OnceLock::new()).collect();
        *self.distinct.get_mut(direction) = distinct;
        *self.of.get_mut(direction) = of;
    }

    fn mentions_names(&self, side: &Side, program: &Program) -> bool {
        let of_subjects = side
            .subjects
            .iter()
            .flat_map(|subject| self.policies(*subject, Direction::Ingress))
            .flat_map(|id| rules(program, *id, Direction::Ingress));
        let of_cluster = side
            .cluster_policies
            .iter()
            .flat_map(|id| cluster_rules(program, *id, Direction::Ingress));
        of_subjects
            .chain(of_cluster)
            .any(|rule| has_names(program, rule))
    }

    /// The NetworkPolicies of a subject that isolate it in a direction, sorted.
    pub(super) fn policies(&self, subject: MatcherId, direction: Direction) -> &[PolicyId] {
        self.policies[subject.0 as usize].get(direction)
    }

    /// All sides of a direction.
    pub(super) fn distinct(&self, direction: Direction) -> &[Side] {
        self.distinct.get(direction)
    }

    /// The side of a class.
    pub(super) fn of(&self, class: ClassId, direction: Direction) -> SideId {
        self.of.get(direction)[class.0 as usize]
    }

    /// Every NetworkPolicy that isolates a class in a direction, sorted.
    pub(super) fn isolating(&self, class: ClassId, direction: Direction) -> &[PolicyId] {
        let id = self.of(class, direction).0 as usize;
        self.isolating.get(direction)[id].get_or_init(|| {
            let subjects = &self.distinct(direction)[id].subjects;
            let policies = subjects
                .iter()
                .flat_map(|subject| self.policies(*subject, direction));
            let mut policies: Vec<PolicyId> = policies.copied().collect();
            policies.sort_unstable();
            policies
        })
    }

    /// The cluster-wide policies that select a class, in the order of evaluation.
    pub(super) fn cluster_policies(&self, class: ClassId) -> &[ClusterPolicyId] {
        &self.cluster_policies[class.0 as usize]
    }
}

/// The rules of a NetworkPolicy in a direction; none if it does not apply to it.
pub(super) fn rules<'p>(program: &'p Program, id: PolicyId, direction: Direction) -> &'p [Rule] {
    let policy = program.policies[id.index()].as_ref();
    policy
        .and_then(|policy| policy.rules.get(direction).as_deref())
        .unwrap_or_default()
}

/// The rules of a cluster-wide policy in a direction.
pub(super) fn cluster_rules<'p>(
    program: &'p Program,
    id: ClusterPolicyId,
    direction: Direction,
) -> &'p [Rule] {
    let policy = program.cluster_policies[id.index()].as_ref();
    policy
        .and_then(|policy| policy.rules.get(direction).as_deref())
        .unwrap_or_default()
}

/// Whether a rule has a port name in it.
pub(super) fn has_names(program: &Program, rule: &Rule) -> bool {
    !program.ports.values()[rule.ports.0 as usize]
        .names
        .is_empty()
}
