//! What each side allows, as a function of the other end of the connection.
//!
//! Refuses to know how the two sides of a pair come together.

mod addresses;
mod stage;

use super::HashMap;
use super::classes::{Profile, ProfileId};
use super::compiled::{NameId, Ports, PortsId, Rule, StageKind, Unit, UnitId};
use super::decision::Decision;
use super::entered::Entered;
use super::ports::{ConnectionSet, PortSet};
use super::program::ByDirection;
use super::relation::Relation;
use super::runs::{Pieces, Runs, combine_all};
use super::selection::{Matched, Parts, Selection};
use super::sets::{Calculator, SetId, Sets};
use super::sides::{Side, Sides, has_names};
use crate::k8s::{Action, Direction, Protocol};
use addresses::Scenario;
use rayon::prelude::*;
use stage::{StageUnit, outcome_of};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// A set of connections for every column at the other end.
pub(super) type Function = Pieces<SetId>;

/// What a side allows for every column at the other end.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// For certain.
    pub(super) allowed: Arc<Function>,
    /// For all that is known; the same function where everything is.
    pub(super) possible: Arc<Function>,
}

impl Outcome {
    fn exactly(allowed: Arc<Function>) -> Self {
        Self {
            possible: Arc::clone(&allowed),
            allowed,
        }
    }

    /// Whether nothing is unknown.
    pub(super) fn is_exact(&self) -> bool {
        Arc::ptr_eq(&self.allowed, &self.possible)
    }
}

/// The functions of all sides.
#[derive(Debug)]
pub(super) struct Functions {
    /// By side.
    pub(super) of: ByDirection<Vec<Outcome>>,
    /// The sets that the functions speak of.
    pub(super) sets: Vec<ConnectionSet>,
    entered: OnceLock<Option<Entered>>,
}

impl Functions {
    /// The classes by the columns from which they are entered, looked up on the first question;
    /// `None` where it takes less to ask every class.
    pub(super) fn entered(&self, relation: Relation<'_>) -> Option<&Entered> {
        let entered = self.entered.get_or_init(|| Entered::new(relation));
        entered.as_ref()
    }

    /// Works out every side.
    pub(super) fn new(parts: Parts<'_, '_>, selection: &Selection, sides: &Sides) -> Self {
        let sets = Sets::new();
        let of = {
            let matchers = parts.compiled.matchers.values().par_iter();
            let builder = Builder {
                parts,
                sides,
                sets: &sets,
                matched: matchers
                    .map(|matcher| selection.columns(parts, matcher))
                    .collect(),
                named: NamedColumns::new(parts),
            };
            ByDirection::new(|direction| builder.functions(direction))
        };
        Self {
            of,
            sets: sets.into_vec(),
            entered: OnceLock::new(),
        }
    }
}

/// The columns whose pods have a port of a name.
struct NamedColumns {
    /// By name: sorted.
    by_name: Vec<Vec<u32>>,
    /// Those of pods of whose ports some are not known, in order.
    open: Vec<u32>,
    /// By column of a pod.
    profile: Vec<ProfileId>,
}

impl NamedColumns {
    fn new(parts: Parts<'_, '_>) -> Self {
        let (classes, columns) = (parts.classes, parts.columns);
        let mut by_name = vec![Vec::new(); parts.compiled.names.len()];
        let mut open = Vec::new();
        let mut profile = Vec::with_capacity(columns.pods() as usize);
        for class in classes.ids() {
            let id = classes.profile(class);
            let of_class = &classes.profiles()[id.0 as usize];
            for column in columns.start(class.0)..columns.start(class.0 + 1) {
                for (name, ..) in &of_class.ports {
                    let columns: &mut Vec<u32> = &mut by_name[name.0 as usize];
                    if columns.last() != Some(&column) {
                        columns.push(column);
                    }
                }
                if of_class.is_open {
                    open.push(column);
                }
                profile.push(id);
            }
        }
        Self {
            by_name,
            open,
            profile,
        }
    }

    /// The columns within the runs that have a port of one of the names, or may have, in
    /// order.
    fn within(&self, runs: &Runs, names: &[(NameId, Option<Protocol>)]) -> Vec<u32> {
        let mut found = Vec::new();
        let named = names.iter().map(|(name, _)| &self.by_name[name.0 as usize]);
        for columns in named.chain([&self.open]) {
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

/// Which of two answers is asked for where something is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// What holds for certain.
    Certain,
    /// What may hold.
    Possible,
}

/// What a unit does with every column.
#[derive(Clone, Debug)]
enum UnitValue {
    /// The rules all do the same with what they match: for certain, and perhaps.
    Uniform(Outcome),
    /// The rules decide one after the other.
    Ordered(Arc<Pieces<Decision>>),
}

struct Builder<'a> {
    parts: Parts<'a, 'a>,
    sides: &'a Sides,
    sets: &'a Sets,
    /// By matcher: the columns that match.
    matched: Vec<Matched>,
    named: NamedColumns,
}

/// A unit that is worked out once for all sides that have it: with the named ports of the
/// destination where they matter.
type Part = (UnitId, Option<ProfileId>);

impl Builder<'_> {
    fn functions(&self, direction: Direction) -> Vec<Outcome> {
        let sides = self.sides.distinct(direction);
        let units = &self.parts.compiled.units.get(direction).units;
        let with_names: Vec<bool> = units
            .iter()
            .map(|unit| {
                let mut rules = unit.rules.iter();
                rules.any(|rule| has_names(self.parts.compiled, rule))
            })
            .collect();
        let part = |side: &Side, id: UnitId| -> Part {
            (id, side.profile.filter(|_| with_names[id.0 as usize]))
        };
        let mut parts: Vec<Part> = sides
            .iter()
            .flat_map(|side| side.units.iter().map(|(id, _)| part(side, *id)))
            .collect();
        parts.sort_unstable();
        parts.dedup();
        let values = self
            .sets
            .in_parallel(&parts, |sets, part| self.unit(direction, *part, None, sets));
        let values: HashMap<Part, UnitValue> = parts.into_iter().zip(values).collect();
        let places: Vec<usize> = (0..sides.len()).collect();
        self.sets.in_parallel(&places, |sets, place| {
            let side = &sides[*place];
            let value = |id: UnitId| values[&part(side, id)].clone();
            self.side(direction, side, value, sets)
        })
    }

    /// What a side allows.
    fn side(
        &self,
        direction: Direction,
        side: &Side,
        value: impl Fn(UnitId) -> UnitValue,
        sets: &mut Calculator,
    ) -> Outcome {
        let compiled = self.parts.compiled;
        let stages = &compiled.stages;
        let ids = side.units.iter().map(|(id, _)| *id);
        let depends = |id: &UnitId| self.depends(compiled.unit(direction, *id));
        let dependent: Vec<UnitId> = ids.filter(depends).collect();
        let units = self.units(direction, side, &value);
        if dependent.is_empty() {
            return outcome_of(direction, stages, &units, None, sets);
        }
        if let Some(bounds) = self.address_bounds(direction, side, &dependent, sets) {
            let stage = compiled.unit(direction, dependent[0]).stage;
            let outcomes = bounds
                .map(|more| outcome_of(direction, stages, &units, Some((stage, &more)), sets));
            return either(&outcomes, sets);
        }
        let scenarios = self.scenarios(direction, &dependent);
        let outcomes = scenarios.iter().map(|scenario| {
            let part = |id| (id, side.profile);
            let in_case = dependent
                .iter()
                .map(|id| self.unit(direction, part(*id), Some(scenario), sets));
            let in_case: HashMap<UnitId, UnitValue> =
                dependent.iter().copied().zip(in_case).collect();
            let value = |id| in_case.get(&id).cloned().unwrap_or_else(|| value(id));
            let units = self.units(direction, side, value);
            outcome_of(direction, stages, &units, None, sets)
        });
        let outcomes: Vec<Outcome> = outcomes.collect();
        either(&outcomes, sets)
    }

    fn units(
        &self,
        direction: Direction,
        side: &Side,
        value: impl Fn(UnitId) -> UnitValue,
    ) -> Vec<StageUnit> {
        let units = side.units.iter().map(|(id, is_certain)| {
            let unit = self.parts.compiled.unit(direction, *id);
            StageUnit {
                stage: unit.stage,
                value: value(*id),
                is_certain: *is_certain,
                end: unit.end,
                subject: unit.is_subject_known.then_some(unit.subject),
                only_accepts: (unit.rules.iter()).all(|rule| rule.action == Action::Accept),
            }
        });
        units.collect()
    }

    /// What a unit does with every column; where it depends on an address that is not known,
    /// in one case.
    fn unit(
        &self,
        direction: Direction,
        (id, profile): Part,
        scenario: Option<&Scenario>,
        sets: &mut Calculator,
    ) -> UnitValue {
        let compiled = self.parts.compiled;
        let unit = compiled.unit(direction, id);
        let find = Matching {
            builder: self,
            direction,
            profile,
            scenario,
        };
        match compiled.stages[unit.stage].kind.get(direction) {
            StageKind::Uniform(_) => {
                let certain = Arc::new(find.union(unit, Bound::Certain, sets));
                if self.is_exact(unit) {
                    return UnitValue::Uniform(Outcome::exactly(certain));
                }
                let possible = Arc::new(find.union(unit, Bound::Possible, sets));
                UnitValue::Uniform(Outcome {
                    allowed: certain,
                    possible,
                })
            }
            StageKind::Ordered => UnitValue::Ordered(Arc::new(find.in_order(unit, sets))),
        }
    }

    /// Whether everything is known about the rules of a unit, but for addresses.
    fn is_exact(&self, unit: &Unit) -> bool {
        unit.rules.iter().all(|rule| self.is_exact_rule(rule))
    }

    fn is_exact_rule(&self, rule: &Rule) -> bool {
        let ports = &self.parts.compiled.ports.values()[rule.ports.0 as usize];
        let mut peers = rule.peers.iter().flatten();
        let profiles = self.parts.classes.profiles();
        let has_names = !ports.names.is_empty() || !ports.without_names.is_empty();
        !rule.is_opaque
            && !ports.is_opaque
            && peers.all(|id| self.matched[id.0 as usize].is_exact())
            && (!has_names || profiles.iter().all(|profile| !profile.is_open))
    }

    /// Whether a unit depends on addresses that are not known.
    fn depends(&self, unit: &Unit) -> bool {
        let mut peers = unit
            .rules
            .iter()
            .flat_map(|rule| rule.peers.iter().flatten());
        peers.any(|id| self.matched[id.0 as usize].depends())
    }
}

/// What is allowed in all cases, and what in some.
fn either(outcomes: &[Outcome], sets: &mut Calculator) -> Outcome {
    let functions = |of: fn(&Outcome) -> &Arc<Function>| -> Vec<Function> {
        outcomes.iter().map(|it| Function::clone(of(it))).collect()
    };
    let allowed = combine_all(functions(|it| &it.allowed), |a, b| sets.intersection(a, b));
    let possible = combine_all(functions(|it| &it.possible), |a, b| sets.union(a, b));
    let [allowed, possible] =
        [allowed, possible].map(|function| function.expect("there is a case").shrink());
    if allowed == possible {
        return Outcome::exactly(Arc::new(allowed));
    }
    Outcome {
        allowed: Arc::new(allowed),
        possible: Arc::new(possible),
    }
}

/// Finds what rules match.
struct Matching<'a> {
    builder: &'a Builder<'a>,
    direction: Direction,
    /// The named ports of the destination, where it is the subject.
    profile: Option<ProfileId>,
    scenario: Option<&'a Scenario>,
}

impl Matching<'_> {
    /// What one of the rules matches.
    fn union(&self, unit: &Unit, bound: Bound, sets: &mut Calculator) -> Function {
        let mut by_ports: BTreeMap<PortsId, Vec<(u32, u32)>> = BTreeMap::new();
        let mut is_anything = false;
        for rule in &unit.rules {
            if rule.is_opaque {
                is_anything |= bound == Bound::Possible;
            } else {
                self.peers(rule, bound, by_ports.entry(rule.ports).or_default());
            }
        }
        if is_anything {
            return Pieces::constant(SetId::ALL);
        }
        let functions = by_ports
            .into_iter()
            .map(|(ports, runs)| self.opened(ports, &Runs::from_unsorted(runs), bound, sets))
            .collect();
        combine_all(functions, |a, b| sets.union(a, b))
            .unwrap_or_else(|| Pieces::constant(SetId::NONE))
            .shrink()
    }

    /// What the rules decide, one after the other.
    fn in_order(&self, unit: &Unit, sets: &mut Calculator) -> Pieces<Decision> {
        let mut functions = Vec::new();
        for rule in &unit.rules {
            if rule.is_opaque {
                functions.push(Pieces::constant(Decision::ANYTHING));
                continue;
            }
            let matched = |bound, sets: &mut Calculator| {
                let mut runs = Vec::new();
                self.peers(rule, bound, &mut runs);
                self.opened(rule.ports, &Runs::from_unsorted(runs), bound, sets)
            };
            let certain = matched(Bound::Certain, sets);
            functions.push(if self.builder.is_exact_rule(rule) {
                certain.map(|set| Decision::of(rule.action, set, set, sets))
            } else {
                let possible = matched(Bound::Possible, sets);
                certain.combine(&possible, |certain, possible| {
                    Decision::of(rule.action, certain, possible, sets)
                })
            });
        }
        combine_all(functions, |first, later| first.then(later, sets))
            .unwrap_or_else(|| Pieces::constant(Decision::NONE))
            .shrink()
    }

    /// Appends the columns that a rule is about.
    fn peers(&self, rule: &Rule, bound: Bound, runs: &mut Vec<(u32, u32)>) {
        let Some(matchers) = &rule.peers else {
            runs.push((0, self.builder.parts.columns.len()));
            return;
        };
        for id in matchers {
            let matched: &Matched = &self.builder.matched[id.0 as usize];
            let columns = match bound {
                Bound::Certain => &matched.certain,
                Bound::Possible => matched.possible(),
            };
            runs.extend(columns.as_slice());
            if let Some(scenario) = self.scenario {
                runs.extend(scenario.more(*id, self.builder.parts.columns));
            }
        }
    }

    /// The ports of a rule where it is about the columns of `runs`. The port is always
    /// the destination's, so names are looked up on the subject itself for ingress
    /// (`profile`), on the columns for egress (S7).
    fn opened(&self, ports: PortsId, runs: &Runs, bound: Bound, sets: &mut Calculator) -> Function {
        let ports = &self.builder.parts.compiled.ports.values()[ports.0 as usize];
        let opened = self.opened_before_exceptions(ports, runs, bound, sets);
        if ports.without.is_empty() && ports.without_names.is_empty() {
            return opened;
        }
        let except = Ports {
            numbers: ports.without.clone(),
            names: ports.without_names.clone(),
            ..Ports::default()
        };
        // What may be left out is not matched for certain.
        let of_exceptions = match bound {
            Bound::Certain => Bound::Possible,
            Bound::Possible => Bound::Certain,
        };
        let except = self.opened_before_exceptions(&except, runs, of_exceptions, sets);
        opened.combine(&except, |opened, except| sets.difference(opened, except))
    }

    /// The same without regard to what the ports leave out.
    fn opened_before_exceptions(
        &self,
        ports: &Ports,
        runs: &Runs,
        bound: Bound,
        sets: &mut Calculator,
    ) -> Function {
        if ports.is_opaque && bound == Bound::Possible {
            return Pieces::on(runs, SetId::ALL, SetId::NONE);
        }
        let numbers = sets.intern(ports.numbers.clone());
        match self.direction {
            Direction::Ingress => {
                let resolve = |profile| self.resolve(ports, profile, bound, sets);
                let named = self.profile.map_or(SetId::NONE, resolve);
                Pieces::on(runs, sets.union(numbers, named), SetId::NONE)
            }
            Direction::Egress => {
                let opened = Pieces::on(runs, numbers, SetId::NONE);
                if ports.names.is_empty() {
                    return opened;
                }
                let mut known: HashMap<ProfileId, SetId> = HashMap::default();
                let columns = self.builder.named.within(runs, &ports.names).into_iter();
                let named = columns.map(|column| {
                    let profile = self.builder.named.profile[column as usize];
                    let named = *known
                        .entry(profile)
                        .or_insert_with(|| self.resolve(ports, profile, bound, sets));
                    (column, column + 1, named)
                });
                let named = Pieces::from_values(named, SetId::NONE);
                opened.combine(&named, |numbers, named| sets.union(numbers, named))
            }
        }
    }

    /// What the names mean on a pod with these named ports; every match counts (S7).
    fn resolve(&self, ports: &Ports, profile: ProfileId, bound: Bound, sets: &Calculator) -> SetId {
        let profile: &Profile = &self.builder.parts.classes.profiles()[profile.0 as usize];
        if ports.names.is_empty() {
            return SetId::NONE;
        }
        let mut found = ConnectionSet::none();
        if profile.is_open && bound == Bound::Possible {
            // Any port may have the name.
            for (_, protocol) in &ports.names {
                let every = protocol.map_or_else(ConnectionSet::all, |protocol| {
                    ConnectionSet::of(protocol, PortSet::all())
                });
                found = found.union(&every);
            }
            return sets.intern(found);
        }
        for (name, protocol, number) in &profile.ports {
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
}
