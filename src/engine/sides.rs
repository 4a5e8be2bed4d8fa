//! The two sides of a connection: which policies decide about what leaves a class of
//! workloads, and about what enters it. Classes that the same policies select share a
//! side.
//!
//! Refuses to know what the policies of a side allow.

use super::HashMap;
use super::classes::{ClassId, ProfileId};
use super::compiled::{Compiled, MatcherId, Rule, UnitId};
use super::program::{ByDirection, End, PolicyRef, StageName};
use super::selection::{Matched, Parts, Selection};
use crate::cluster::{ClusterPolicyId, PolicyId};
use crate::k8s::Direction;
use std::sync::OnceLock;

/// A side, by its place in the sides of its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SideId(pub(super) u32);

/// What decides about one direction of the traffic of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Side {
    /// The units whose subject the class is, in the order of evaluation, and whether that
    /// is certain.
    pub(super) units: Vec<(UnitId, bool)>,
    /// The named ports of the class, where a rule into the class has a name in it.
    pub(super) profile: Option<ProfileId>,
}

/// Which policies select which classes, and what follows for the sides.
#[derive(Debug)]
pub(super) struct Sides {
    distinct: ByDirection<Vec<Side>>,
    /// By class.
    of: ByDirection<Vec<SideId>>,
    /// By side: every NetworkPolicy that isolates, made on the first question.
    isolating: ByDirection<Vec<OnceLock<Vec<PolicyId>>>>,
    /// By class: the cluster-wide policies that select it, in the order of evaluation.
    cluster_policies: Vec<Vec<ClusterPolicyId>>,
}

impl Sides {
    /// Finds out what every policy selects.
    pub(super) fn new(parts: Parts<'_, '_>, selection: &Selection) -> Self {
        let matchers = parts.compiled.matchers.values();
        let mut known: HashMap<MatcherId, Matched> = HashMap::default();
        let mut selected = |subject: MatcherId| -> Matched {
            let matched = known
                .entry(subject)
                .or_insert_with(|| selection.classes(parts, &matchers[subject.0 as usize]));
            matched.clone()
        };
        let classes = parts.classes.len() as usize;
        let mut sides = Self {
            distinct: ByDirection::default(),
            of: ByDirection::default(),
            isolating: ByDirection::default(),
            cluster_policies: vec![Vec::new(); classes],
        };
        for direction in Direction::BOTH {
            let mut units_of = vec![Vec::new(); classes];
            let units = &parts.compiled.units.get(direction).units;
            for (id, unit) in (0u32..).map(UnitId).zip(units) {
                let matched = selected(unit.subject);
                for class in matched.possible().ids() {
                    let is_certain = unit.is_subject_known
                        && (matched.is_exact() || matched.certain.contains(class));
                    units_of[class as usize].push((id, is_certain));
                }
            }
            sides.join(direction, parts, units_of);
        }
        for id in parts.cluster.cluster_policy_ids() {
            if let Some(subject) = parts.compiled.subjects.get(&PolicyRef::Cluster(id)) {
                for class in selected(*subject).certain.ids() {
                    sides.cluster_policies[class as usize].push(id);
                }
            }
        }
        sides
    }

    /// Gives every class its side in a direction.
    fn join(
        &mut self,
        direction: Direction,
        parts: Parts<'_, '_>,
        units_of: Vec<Vec<(UnitId, bool)>>,
    ) {
        let mut ids: HashMap<Side, SideId> = HashMap::default();
        let mut distinct: Vec<Side> = Vec::new();
        let mut of = Vec::with_capacity(units_of.len());
        let units = &parts.compiled.units.get(direction).units;
        let mention_names: Vec<bool> = units
            .iter()
            .map(|unit| {
                unit.rules
                    .iter()
                    .any(|rule| has_names(parts.compiled, rule))
            })
            .collect();
        for (class, units) in parts.classes.ids().zip(units_of) {
            let mentions_names = |(id, _): &(UnitId, bool)| mention_names[id.0 as usize];
            let needs_profile = direction == Direction::Ingress && units.iter().any(mentions_names);
            let side = Side {
                units,
                profile: needs_profile.then(|| parts.classes.profile(class)),
            };
            of.push(*ids.entry(side).or_insert_with_key(|side| {
                distinct.push(side.clone());
                SideId(distinct.len() as u32 - 1)
            }));
        }
        *self.isolating.get_mut(direction) = distinct.iter().map(|_| OnceLock::new()).collect();
        *self.distinct.get_mut(direction) = distinct;
        *self.of.get_mut(direction) = of;
    }

    /// All sides of a direction.
    pub(super) fn distinct(&self, direction: Direction) -> &[Side] {
        self.distinct.get(direction)
    }

    /// The side of a class.
    pub(super) fn of(&self, class: ClassId, direction: Direction) -> SideId {
        self.of.get(direction)[class.0 as usize]
    }

    /// Every NetworkPolicy that is known to isolate a class in a direction, sorted.
    pub(super) fn isolating(
        &self,
        compiled: &Compiled,
        class: ClassId,
        direction: Direction,
    ) -> &[PolicyId] {
        let id = self.of(class, direction).0 as usize;
        self.isolating.get(direction)[id].get_or_init(|| {
            let units = self.distinct(direction)[id].units.iter();
            let units = units
                .filter(|(_, is_certain)| *is_certain)
                .map(|(id, _)| compiled.unit(direction, *id));
            let units =
                units.filter(|unit| compiled.stages[unit.stage].name == StageName::NetworkPolicies);
            let policies = units.flat_map(|unit| &unit.policies);
            let mut policies: Vec<PolicyId> = policies
                .filter_map(|policy| match policy {
                    PolicyRef::Network(id) => Some(*id),
                    PolicyRef::Cluster(_)
                    | PolicyRef::Plugin(_)
                    | PolicyRef::Part(_)
                    | PolicyRef::Agent => None,
                })
                .collect();
            policies.sort_unstable();
            policies
        })
    }

    /// Every policy of any kind that is known to isolate a class in a direction, sorted: what it
    /// does not allow, and nothing before it, is denied.
    pub(super) fn isolated_by(
        &self,
        compiled: &Compiled,
        class: ClassId,
        direction: Direction,
    ) -> Vec<PolicyRef> {
        let id = self.of(class, direction).0 as usize;
        let units = self.distinct(direction)[id].units.iter();
        let units = units
            .filter(|(_, is_certain)| *is_certain)
            .map(|(id, _)| compiled.unit(direction, *id));
        let isolating = units.filter(|unit| unit.end == End::Deny);
        let mut policies: Vec<PolicyRef> =
            isolating.flat_map(|unit| &unit.policies).copied().collect();
        policies.sort_unstable();
        policies.dedup();
        policies
    }

    /// The cluster-wide policies that select a class, in the order of evaluation.
    pub(super) fn cluster_policies(&self, class: ClassId) -> &[ClusterPolicyId] {
        &self.cluster_policies[class.0 as usize]
    }
}

/// Whether a rule has a port name in it.
pub(super) fn has_names(compiled: &Compiled, rule: &Rule) -> bool {
    let ports = &compiled.ports.values()[rule.ports.0 as usize];
    !ports.names.is_empty() || !ports.without_names.is_empty()
}
