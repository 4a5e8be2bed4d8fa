//! What each side allows, as a function of the other end of the connection.
//!
//! Refuses to know how the two sides of a pair come together.

use super::HashMap;
use super::classes::{Classes, Columns, Profile, ProfileId};
use super::ports::{ConnectionSet, PortSet};
use super::program::{ByDirection, MatcherId, NameId, Ports, PortsId, Program, Rule};
use super::runs::{Pieces, Runs, combine_all};
use super::selection::Selection;
use super::sets::{Calculator, SetId, Sets};
use super::sides::{self, Side, Sides};
use super::tiers::Decision;
use crate::cluster::{Cluster, ClusterPolicyId};
use crate::k8s::{Direction, Protocol, Tier};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

/// What a side allows for every column at the other end.
pub(super) type Function = Pieces<SetId>;

/// The functions of all sides.
#[derive(Debug)]
pub(super) struct Functions {
    /// By side.
    pub(super) of: ByDirection<Vec<Arc<Function>>>,
    /// The sets that the functions speak of.
    pub(super) sets: Vec<ConnectionSet>,
}

impl Functions {
    /// Works out every side.
    pub(super) fn new(
        cluster: &Cluster,
        program: &Program,
        (classes, columns): (&Classes, &Columns),
        selection: &Selection,
        sides: &Sides,
    ) -> Self {
        let sets = Sets::new();
        let of = {
            let matched = program
                .matchers
                .values()
                .par_iter()
                .map(|matcher| selection.columns(program, classes, columns, matcher))
                .collect();
            let builder = Builder {
                cluster,
                program,
                classes,
                columns,
                sides,
                sets: &sets,
                matched,
                named: NamedColumns::new(program, classes, columns),
            };
            ByDirection::new(|direction| builder.functions(direction))
        };
        Self {
            of,
            sets: sets.into_vec(),
        }
    }
}

/// The columns whose pods have a port of a name.
struct NamedColumns {
    /// By name: sorted.
    by_name: Vec<Vec<u32>>,
    /// By column of a pod.
    profile: Vec<ProfileId>,
}

impl NamedColumns {
    fn new(program: &Program, classes: &Classes, columns: &Columns) -> Self {
        let mut by_name = vec![Vec::new(); program.names.len()];
        let mut profile = Vec::with_capacity(columns.pods() as usize);
        for class in classes.ids() {
            let id = classes.profile(class);
            for column in columns.start(class.0)..columns.start(class.0 + 1) {
                for (name, ..) in &classes.profiles()[id.0 as usize] {
                    let columns: &mut Vec<u32> = &mut by_name[name.0 as usize];
                    if columns.last() != Some(&column) {
                        columns.push(column);
                    }
                }
                profile.push(id);
            }
        }
        Self { by_name, profile }
    }

    /// The columns within the runs that have a port of one of the names, in order.
    fn within(&self, runs: &Runs, names: &[(NameId, Option<Protocol>)]) -> Vec<u32> {
        let mut found = Vec::new();
        for (name, _) in names {
            let columns = &self.by_name[name.0 as usize];
            for (start, end) in runs.as_slice() {
                let first = columns.partition_point(|column| column < start);
                let last = columns.partition_point(|column| column < end);
                found.extend(&columns[first..last]);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

struct Builder<'a> {
    cluster: &'a Cluster,
    program: &'a Program<'a>,
    classes: &'a Classes,
    columns: &'a Columns,
    sides: &'a Sides,
    sets: &'a Sets,
    /// By matcher: the columns that match.
    matched: Vec<Runs>,
    named: NamedColumns,
}

/// Rules that are worked out once for all sides that have them: their owner, and the
/// named ports of the destination where they matter.
type Part<T> = (T, Option<ProfileId>);

impl Builder<'_> {
    fn functions(&self, direction: Direction) -> Vec<Arc<Function>> {
        let sides = self.sides.distinct(direction);
        let subject = |subject: &MatcherId, side: &Side| {
            let policies = self.sides.policies(*subject, direction).iter();
            let mut rules = policies.flat_map(|id| sides::rules(self.program, *id, direction));
            let has_names = rules.any(|rule| sides::has_names(self.program, rule));
            (*subject, side.profile.filter(|_| has_names))
        };
        let policy = |id: &ClusterPolicyId, side: &Side| (*id, side.profile);
        let subjects: Vec<Vec<Part<MatcherId>>> = sides
            .par_iter()
            .map(|side| side.subjects.iter().map(|id| subject(id, side)).collect())
            .collect();
        let policies: Vec<Vec<Part<ClusterPolicyId>>> = sides
            .par_iter()
            .map(|side| {
                side.cluster_policies
                    .iter()
                    .map(|id| policy(id, side))
                    .collect()
            })
            .collect();
        let allowed = self.once(&subjects, |sets, part| self.allowed(*part, direction, sets));
        let decided = self.once(&policies, |sets, part| self.decided(*part, direction, sets));
        let places: Vec<usize> = (0..sides.len()).collect();
        self.sets.in_parallel(&places, |sets, place| {
            let isolated: Vec<&Arc<Function>> =
                subjects[*place].iter().map(|part| &allowed[part]).collect();
            let decided: Vec<(Tier, &Pieces<Decision>)> = policies[*place]
                .iter()
                .map(|part| (self.cluster.cluster_policy(part.0).tier, &*decided[part]))
                .collect();
            side_function(&isolated, &decided, sets)
        })
    }

    /// What the NetworkPolicies of one subject allow together.
    fn allowed(
        &self,
        (subject, profile): Part<MatcherId>,
        direction: Direction,
        sets: &mut Calculator,
    ) -> Function {
        let policies = self.sides.policies(subject, direction);
        let mut by_ports: BTreeMap<PortsId, Vec<(u32, u32)>> = BTreeMap::new();
        for rule in policies
            .iter()
            .flat_map(|id| sides::rules(self.program, *id, direction))
        {
            self.peers(rule, by_ports.entry(rule.ports).or_default());
        }
        let functions = by_ports
            .into_iter()
            .map(|(ports, runs)| {
                self.opened(ports, &Runs::from_unsorted(runs), direction, profile, sets)
            })
            .collect();
        combine_all(functions, |a, b| sets.union(a, b))
            .unwrap_or_else(|| Pieces::constant(SetId::NONE))
            .shrink()
    }

    /// What one cluster-wide policy decides.
    fn decided(
        &self,
        (id, profile): Part<ClusterPolicyId>,
        direction: Direction,
        sets: &mut Calculator,
    ) -> Pieces<Decision> {
        let mut functions = Vec::new();
        for rule in sides::cluster_rules(self.program, id, direction) {
            let mut runs = Vec::new();
            self.peers(rule, &mut runs);
            let matched = self.opened(
                rule.ports,
                &Runs::from_unsorted(runs),
                direction,
                profile,
                sets,
            );
            functions.push(matched.map(|matched| Decision::of(rule.action, matched, sets)));
        }
        combine_all(functions, |first, later| first.then(later, sets))
            .unwrap_or_else(|| Pieces::constant(Decision::NONE))
            .shrink()
    }

    /// Appends the columns that a rule is about.
    fn peers(&self, rule: &Rule, runs: &mut Vec<(u32, u32)>) {
        match &rule.peers {
            None => runs.push((0, self.columns.len())),
            Some(matchers) => {
                for matcher in matchers {
                    runs.extend(self.matched[matcher.0 as usize].as_slice());
                }
            }
        }
    }

    /// The ports of a rule where it is about the columns of `runs`. The port is always
    /// the destination's, so names are looked up on the class itself for ingress
    /// (`profile`), on the columns for egress (S7).
    fn opened(
        &self,
        ports: PortsId,
        runs: &Runs,
        direction: Direction,
        profile: Option<ProfileId>,
        sets: &mut Calculator,
    ) -> Function {
        let ports = &self.program.ports.values()[ports.0 as usize];
        let numbers = sets.intern(ports.numbers.clone());
        match direction {
            Direction::Ingress => {
                let named =
                    profile.map_or(SetId::NONE, |profile| self.resolve(ports, profile, sets));
                Pieces::on(runs, sets.union(numbers, named), SetId::NONE)
            }
            Direction::Egress => {
                let opened = Pieces::on(runs, numbers, SetId::NONE);
                if ports.names.is_empty() {
                    return opened;
                }
                let mut known: HashMap<ProfileId, SetId> = HashMap::default();
                let named = self
                    .named
                    .within(runs, &ports.names)
                    .into_iter()
                    .map(|column| {
                        let profile = self.named.profile[column as usize];
                        let named = *known
                            .entry(profile)
                            .or_insert_with(|| self.resolve(ports, profile, sets));
                        (column, column + 1, named)
                    });
                let named = Pieces::from_values(named, SetId::NONE);
                opened.combine(&named, |numbers, named| sets.union(numbers, named))
            }
        }
    }

    /// What the names mean on a pod with these named ports; every match counts (S7).
    fn resolve(&self, ports: &Ports, profile: ProfileId, sets: &mut Calculator) -> SetId {
        let profile: &Profile = &self.classes.profiles()[profile.0 as usize];
        let mut found = ConnectionSet::none();
        for (name, protocol, number) in profile {
            let is_meant = |(wanted, of): &(NameId, Option<Protocol>)| {
                wanted == name && of.is_none_or(|of| of == *protocol)
            };
            if ports.names.iter().any(is_meant) {
                let port = ConnectionSet::of(*protocol, PortSet::single(*number));
                found = found.union(&port);
            }
        }
        sets.intern(found)
    }

    /// The value of every distinct part of the lists.
    fn once<T, V>(
        &self,
        lists: &[Vec<Part<T>>],
        value: impl Fn(&mut Calculator, &Part<T>) -> V + Sync,
    ) -> HashMap<Part<T>, Arc<V>>
    where
        T: Copy + Ord + Hash + Send + Sync,
        V: Send + Sync,
    {
        let mut parts: Vec<Part<T>> = lists.iter().flatten().copied().collect();
        parts.sort_unstable();
        parts.dedup();
        let values = self
            .sets
            .in_parallel(&parts, |sets, part| Arc::new(value(sets, part)));
        parts.into_iter().zip(values).collect()
    }
}

/// What a side allows: the Admin tier, then the NetworkPolicies if any isolates, else the
/// Baseline tier; what nobody decided is allowed (S11).
fn side_function(
    isolated: &[&Arc<Function>],
    decided: &[(Tier, &Pieces<Decision>)],
    sets: &mut Calculator,
) -> Arc<Function> {
    let of_tier = |tier, sets: &mut Calculator| {
        let functions = decided.iter().filter(|(of, _)| *of == tier);
        let functions = functions.map(|(_, function)| (*function).clone()).collect();
        combine_all(functions, |first: Decision, later| first.then(later, sets))
    };
    let next = match isolated {
        [] => match of_tier(Tier::Baseline, sets) {
            Some(baseline) => Arc::new(baseline.map(|decision| decision.allows(SetId::ALL, sets))),
            None => Arc::new(Pieces::constant(SetId::ALL)),
        },
        [function] => Arc::clone(function),
        functions => {
            let functions = functions
                .iter()
                .map(|function| Function::clone(function))
                .collect();
            let union = combine_all(functions, |a, b| sets.union(a, b));
            Arc::new(union.expect("there are at least two functions").shrink())
        }
    };
    match of_tier(Tier::Admin, sets) {
        Some(admin) => Arc::new(
            admin
                .combine(&next, |decision, next| decision.allows(next, sets))
                .shrink(),
        ),
        None => next,
    }
}
