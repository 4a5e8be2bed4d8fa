//! What becomes of a side whose rules tell apart the addresses that a pod of unknown address
//! may have (S9): the cases that there are, each judged by itself.
//!
//! Refuses to know how a case is judged.

use super::{Builder, Function};
use crate::engine::columns::{Columns, Somewhere};
use crate::engine::compiled::{Matcher, MatcherId, StageKind, UnitId};
use crate::engine::runs::Pieces;
use crate::engine::sets::{Calculator, SetId};
use crate::engine::sides::{Side, has_names};
use crate::k8s::Direction;
use std::collections::BTreeSet;

/// One way in which the rules of a side may see the pods of unknown address: by where that may
/// be, the matchers that such a pod matches, sorted.
#[derive(Clone, Debug)]
pub(super) struct Scenario([Vec<MatcherId>; Somewhere::COUNT]);

impl Scenario {
    /// The columns that match in this case, besides those that always do.
    pub(super) fn more<'c>(
        &self,
        matcher: MatcherId,
        columns: &'c Columns,
    ) -> impl Iterator<Item = &'c (u32, u32)> {
        let holds = move |somewhere: &Somewhere| {
            let holding = &self.0[somewhere.index()];
            holding.binary_search(&matcher).is_ok()
        };
        let columns = move |somewhere| columns.unknown(somewhere).as_slice();
        Somewhere::ALL.into_iter().filter(holds).flat_map(columns)
    }
}

impl Builder<'_> {
    /// Every way in which the rules of some units may see the pods of unknown address.
    pub(super) fn scenarios(&self, direction: Direction, units: &[UnitId]) -> Vec<Scenario> {
        let cases = Somewhere::ALL.map(|somewhere| self.cases(direction, units, somewhere));
        let count = cases.iter().map(Vec::len).max().unwrap_or_default();
        // A pod is in one of them only, so that a case of one goes with any of the others.
        let case = |place: usize| {
            let case = |cases: &Vec<Vec<MatcherId>>| cases[place % cases.len()].clone();
            Scenario(cases.each_ref().map(case))
        };
        (0..count).map(case).collect()
    }

    /// By case, the matchers of the rules of some units that such an address may be in
    /// together; at least one case, which may be empty.
    fn cases(
        &self,
        direction: Direction,
        units: &[UnitId],
        somewhere: Somewhere,
    ) -> Vec<Vec<MatcherId>> {
        let (compiled, columns) = (self.parts.compiled, self.parts.columns);
        let possible = columns.possible(somewhere);
        let units = units.iter().map(|id| compiled.unit(direction, *id));
        let rules = units.flat_map(|unit| &unit.rules);
        let matchers: BTreeSet<MatcherId> = rules
            .flat_map(|rule| rule.peers.iter().flatten().copied())
            .filter(|id| self.matched[id.0 as usize].depends[somewhere.index()])
            .collect();
        // Where matchers begin and end among the addresses that are possible.
        let mut events: Vec<(usize, bool, MatcherId)> = Vec::new();
        for id in matchers {
            let Matcher::Addresses(ranges) = &compiled.matchers.values()[id.0 as usize] else {
                continue;
            };
            for range in ranges {
                let atoms = columns.atoms_meeting(range);
                let start = possible.partition_point(|atom| *atom < atoms.start);
                let end = possible.partition_point(|atom| *atom < atoms.end);
                if start < end {
                    events.push((start, true, id));
                    events.push((end, false, id));
                }
            }
        }
        events.sort_unstable();
        let mut holding: BTreeSet<MatcherId> = BTreeSet::new();
        let mut cases: BTreeSet<Vec<MatcherId>> = BTreeSet::new();
        let mut reached = 0;
        for (place, begins, id) in events {
            if place > reached {
                cases.insert(holding.iter().copied().collect());
                reached = place;
            }
            if begins {
                holding.insert(id);
            } else {
                holding.remove(&id);
            }
        }
        if reached < possible.len() || cases.is_empty() {
            cases.insert(holding.into_iter().collect());
        }
        cases.into_iter().collect()
    }

    /// The least and the most that the rules which depend on addresses match, where two cases
    /// say it all: if they all stand in one stage and do the same, a connection is one that
    /// all addresses match, or that some do, or none.
    pub(super) fn address_bounds(
        &self,
        direction: Direction,
        side: &Side,
        units: &[UnitId],
        sets: &mut Calculator,
    ) -> Option<[Function; 2]> {
        let compiled = self.parts.compiled;
        let stage = compiled.unit(direction, units[0]).stage;
        let is_uniform = matches!(
            compiled.stages[stage].kind.get(direction),
            StageKind::Uniform(_)
        );
        let is_certain = |id: &UnitId| {
            side.units
                .iter()
                .any(|(other, certain)| other == id && *certain)
        };
        let is_simple = units.iter().all(|id| {
            let unit = compiled.unit(direction, *id);
            let by_number = |rule| !has_names(compiled, rule) && self.is_exact_rule(rule);
            unit.stage == stage && is_certain(id) && unit.rules.iter().all(by_number)
        });
        if !is_uniform || !is_simple {
            return None;
        }
        let mut bounds = [Vec::new(), Vec::new()];
        for somewhere in Somewhere::ALL {
            let (mut least, mut most) = (SetId::ALL, SetId::NONE);
            for case in self.cases(direction, units, somewhere) {
                let matched = self.matched_in(direction, units, &case, sets);
                least = sets.intersection(least, matched);
                most = sets.union(most, matched);
            }
            let columns = self.parts.columns.unknown(somewhere);
            for (bound, set) in bounds.iter_mut().zip([least, most]) {
                let runs = columns.as_slice().iter();
                bound.extend(runs.map(|(start, end)| (*start, *end, set)));
            }
        }
        Some(bounds.map(|mut values| {
            values.sort_unstable();
            Pieces::from_values(values, SetId::NONE)
        }))
    }

    /// The ports of the rules of which a peer is among these matchers.
    fn matched_in(
        &self,
        direction: Direction,
        units: &[UnitId],
        case: &[MatcherId],
        sets: &mut Calculator,
    ) -> SetId {
        let compiled = self.parts.compiled;
        let units = units.iter().map(|id| compiled.unit(direction, *id));
        let rules = units.flat_map(|unit| &unit.rules).filter(|rule| {
            let mut peers = rule.peers.iter().flatten();
            peers.any(|id| case.binary_search(id).is_ok())
        });
        rules.fold(SetId::NONE, |matched, rule| {
            let ports = &compiled.ports.values()[rule.ports.0 as usize];
            let numbers = sets.intern(ports.numbers.clone());
            sets.union(matched, numbers)
        })
    }
}
