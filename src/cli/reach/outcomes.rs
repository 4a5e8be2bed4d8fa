//! How each pair of many comes out, and for which reason. Pairs of ends that no policy tells
//! apart are judged once, and those of two ends that say nothing about each other are not
//! compared at all.
//!
//! Refuses to know how ends are typed, and which pairs make one answer.

use super::group::{Limits, Pairs};
use crate::cli::port::Asked;
use crate::engine::{
    ConnectionSet, EndClasses, EndIndex, Endpoint, Judge, PolicyRef, PreparedEnd, ReasonCode,
    SideTrace, Verdict,
};
use crate::k8s::Direction;
use crate::output::ReachOutcome;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// What tells outcomes and their reasons apart, by numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    outcome: usize,
    sides: Vec<usize>,
}

/// How a pair comes out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Outcome {
    pub(super) outcome: ReachOutcome,
    /// By its number.
    asked: usize,
    pub(super) allowed: ConnectionSet,
    pub(super) unknown: ConnectionSet,
    /// Whether each end is outside the cluster.
    is_outside: (bool, bool),
}

/// What tells the reasons of a side apart: nothing where it allows all that was asked, as
/// nobody asks why then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SideKey {
    /// By the number of their list: thousands of reasons may be of the same hundreds of policies.
    policies: usize,
    decisions: Vec<(ReasonCode, ConnectionSet, Option<RulePlace>)>,
}

/// A rule by its policy and its position there.
type RulePlace = (PolicyRef, usize);

/// Numbers for values, the same for equal ones: they stand for these where only equality
/// matters, as their order depends on who comes first.
pub(super) struct Numbers<T>(Mutex<BTreeMap<T, usize>>);

impl<T: Ord> Numbers<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    pub(super) fn of(&self, value: T) -> usize {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = numbers.len();
        *numbers.entry(value).or_insert(next)
    }

    /// By number: the value.
    fn into_values(self) -> Vec<T> {
        let numbers = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut values: Vec<(T, usize)> = numbers.into_iter().collect();
        values.sort_unstable_by_key(|(_, number)| *number);
        values.into_iter().map(|(value, _)| value).collect()
    }
}

impl SideKey {
    fn of(
        side: &SideTrace<'_>,
        asked: &ConnectionSet,
        policies: &Numbers<Vec<PolicyRef>>,
    ) -> Option<Self> {
        if asked.is_subset(&side.verdict.allowed()) {
            return None;
        }
        let decisions = side.decisions(asked).into_iter().map(|decision| {
            let rule = decision.rule.map(|rule| (rule.policy, rule.index));
            (decision.code, decision.connections, rule)
        });
        let all = side.stages.iter().flat_map(|stage| &stage.policies);
        Some(Self {
            policies: policies.of(all.map(|policy| policy.policy).collect()),
            decisions: decisions.collect(),
        })
    }
}

/// The connections that are asked about.
fn connections(asked: &Asked) -> ConnectionSet {
    asked.connections.clone().unwrap_or_else(ConnectionSet::all)
}

/// By class of destinations: the number of the outcome.
type Row = Vec<Option<u32>>;

/// The outcomes and reasons that have come out so far, up to as many as anybody is told. What
/// more there are is not worked out.
struct Told {
    known: Mutex<HashSet<u32>>,
    limit: usize,
}

impl Told {
    fn new(limit: usize) -> Self {
        Self {
            known: Mutex::default(),
            limit,
        }
    }

    /// Adds some; whether there are no more than the limit.
    fn add(&self, keys: HashSet<u32>) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(keys);
        known.len() <= self.limit
    }
}

/// How all pairs come out.
pub(super) struct Outcomes {
    /// The different ones.
    outcomes: Vec<Outcome>,
    keys: Vec<Key>,
    /// By class of sources and class of destinations: its number, for
    /// [`outcome`](Self::outcome); `None` for a pair
    /// that is not judged.
    pub(super) rows: Vec<Row>,
    pub(super) sources: Ends,
    pub(super) destinations: Ends,
}

/// The ends of one side in classes that come out alike.
pub(super) struct Ends {
    /// By position: its class.
    pub(super) of: Vec<usize>,
    classes: Vec<Class>,
    /// By subject: the first of its ends, by its position. Classes of one subject have one side.
    subjects: Vec<usize>,
}

/// Ends that come out alike.
struct Class {
    /// The first two of them, by their positions.
    first: usize,
    second: Option<usize>,
    subject: usize,
}

impl Ends {
    /// `questions` has by position the number of what is asked of an end.
    fn new(alike: &EndClasses, questions: impl Iterator<Item = usize>) -> Self {
        let mut known = BTreeMap::new();
        let mut known_subjects = BTreeMap::new();
        let mut ends = Self {
            of: Vec::new(),
            classes: Vec::new(),
            subjects: Vec::new(),
        };
        for (position, question) in questions.enumerate() {
            let subject = *known_subjects
                .entry(alike.subject(position))
                .or_insert_with(|| {
                    ends.subjects.push(position);
                    ends.subjects.len() - 1
                });
            let next = ends.classes.len();
            let class = *known.entry((alike.of(position), question)).or_insert(next);
            match ends.classes.get_mut(class) {
                Some(known) => known.second = known.second.or(Some(position)),
                None => ends.classes.push(Class {
                    first: position,
                    second: None,
                    subject,
                }),
            }
            ends.of.push(class);
        }
        ends
    }
}

impl Class {
    /// The first ends: of a pair of classes one pair of them stands for all, unless it is one
    /// pod.
    fn examples(&self) -> impl Iterator<Item = usize> + Clone + use<> {
        std::iter::once(self.first).chain(self.second)
    }
}

impl Outcomes {
    /// How many outcomes and reasons there are.
    pub(super) fn count(&self) -> usize {
        self.keys.len()
    }

    /// One of them, by its place in the rows.
    pub(super) fn outcome(&self, key: usize) -> &Outcome {
        &self.outcomes[self.keys[key].outcome]
    }

    /// `None` where more has to be compared than the limits allow, or where more outcomes and
    /// reasons come out.
    pub(super) fn new<'s>(
        judge: &Judge<'s, 's>,
        pairs: Pairs<'_, 's>,
        limits: Limits,
    ) -> Option<Self> {
        let from: Vec<PreparedEnd<'_, 's>> = (pairs.sources.par_iter())
            .map(|piece| judge.prepare(Direction::Egress, &piece.endpoint))
            .collect();
        let to: Vec<PreparedEnd<'_, 's>> = (pairs.destinations.par_iter())
            .map(|piece| judge.prepare(Direction::Ingress, &piece.endpoint))
            .collect();
        if judge.work() > limits.work {
            return None;
        }
        let alike = judge.classes(Direction::Egress, &from, &to);
        let sources = Ends::new(&alike, from.iter().map(|_| 0));
        let alike = judge.classes(Direction::Ingress, &to, &from);
        let asked = |it| pairs.asked(it).1;
        let destinations = Ends::new(&alike, (0..to.len()).map(asked));
        let judging = Judging {
            judge,
            pairs,
            policies: Numbers::new(),
            sides: Numbers::new(),
            outcomes: Numbers::new(),
            keys: Numbers::new(),
            verdicts: Numbers::new(),
            spoken: Spoken::new(judge, [&from, &to], [&sources, &destinations]),
            from,
            to,
            sources,
            destinations,
        };
        judging.outcomes(limits)
    }
}

/// By subject of one side: the classes of the other one that its rules may be about, `None`
/// where that may be any of them.
struct Spoken {
    of_sources: Vec<Option<Vec<u32>>>,
    of_destinations: Vec<Option<Vec<u32>>>,
    /// By class of sources: the subjects of destinations whose rules may be about it, of those
    /// whose rules are not about any.
    by_source: Vec<Vec<u32>>,
}

impl Spoken {
    fn new<'s>(
        judge: &Judge<'s, 's>,
        prepared: [&[PreparedEnd<'_, 's>]; 2],
        ends: [&Ends; 2],
    ) -> Self {
        let [of_sources, of_destinations] = [0, 1].map(|side| {
            let direction = [Direction::Egress, Direction::Ingress][side];
            let others = ends[1 - side].classes.iter();
            let others = EndIndex::new(others.map(|it| prepared[1 - side][it.first].end()));
            let subjects = ends[side].subjects.par_iter();
            let spoken =
                subjects.map(|it| judge.spoken_of(direction, &prepared[side][*it], &others));
            spoken.collect::<Vec<_>>()
        });
        let mut by_source = vec![Vec::new(); ends[0].classes.len()];
        for (destination, spoken) in (0..).zip(&of_destinations) {
            for source in spoken.iter().flatten() {
                by_source[*source as usize].push(destination);
            }
        }
        Self {
            of_sources,
            of_destinations,
            by_source,
        }
    }
}

/// A class of destinations, where no peer of its rules is about the source.
struct Anybody {
    verdict: Verdict,
    /// The same by its number.
    verdict_number: usize,
    /// The reasons, by their number.
    side: usize,
    /// The same for all classes that come out alike.
    profile: usize,
    /// Whether its ends are outside the cluster.
    is_outside: bool,
    /// Whether it has several addresses, so that there are several ways to it.
    has_several: bool,
}

struct Judging<'p, 's> {
    judge: &'p Judge<'s, 's>,
    pairs: Pairs<'p, 's>,
    policies: Numbers<Vec<PolicyRef>>,
    sides: Numbers<Option<SideKey>>,
    outcomes: Numbers<Outcome>,
    keys: Numbers<Key>,
    verdicts: Numbers<Verdict>,
    spoken: Spoken,
    from: Vec<PreparedEnd<'p, 's>>,
    to: Vec<PreparedEnd<'p, 's>>,
    sources: Ends,
    destinations: Ends,
}

/// What becomes of a pair of classes.
#[derive(Clone, Copy)]
enum Cell {
    /// It is not judged.
    Nothing,
    /// The outcome, by its number.
    Known(u32),
    /// It has to be judged whatever rules are about.
    Open,
}

impl<'s> Judging<'_, 's> {
    fn outcomes(self, limits: Limits) -> Option<Outcomes> {
        // A question that is far too long is refused at once.
        if self.judge.work().saturating_add(self.least_work()) > limits.work {
            return None;
        }
        let profiles = Numbers::new();
        let classes = self.destinations.classes.iter();
        let to_anybody: Vec<Anybody> = classes
            .map(|class| self.anybody(class.first, &profiles))
            .collect();
        let mut of_subject = vec![Vec::new(); self.sources.subjects.len()];
        for (class, source) in self.sources.classes.iter().enumerate() {
            of_subject[source.subject].push(class);
        }
        let told = Told::new(limits.groups);
        let rows = of_subject.par_iter().zip(&self.sources.subjects);
        let rows: Option<Vec<Vec<Row>>> = rows
            .map(|(classes, source)| {
                let cells = self.without_peers(*source, &to_anybody);
                let rows = classes.iter().map(|class| {
                    let row = self.row(*class, &cells, &to_anybody, limits.work)?;
                    told.add(self.told_by(*class, &row)).then_some(row)
                });
                rows.collect()
            })
            .collect();
        let mut by_class = vec![Row::new(); self.sources.classes.len()];
        let classes = of_subject.into_iter().flatten();
        for (class, row) in classes.zip(rows?.into_iter().flatten()) {
            by_class[class] = row;
        }
        Some(Outcomes {
            rows: by_class,
            outcomes: self.outcomes.into_values(),
            keys: self.keys.into_values(),
            sources: self.sources,
            destinations: self.destinations,
        })
    }

    /// The outcomes and reasons of a row that some pair has which is judged.
    fn told_by(&self, source: usize, row: &Row) -> HashSet<u32> {
        let source = &self.sources.classes[source];
        let mut told = HashSet::new();
        for (cell, destination) in row.iter().zip(&self.destinations.classes) {
            let Some(key) = cell.filter(|key| !told.contains(key)) else {
                continue;
            };
            let mut pairs = source.examples().flat_map(|source| {
                let destinations = destination.examples();
                destinations.map(move |destination| (source, destination))
            });
            if pairs.any(|pair| self.pairs.is_judged(pair)) {
                told.insert(key);
            }
        }
        told
    }

    /// How much is compared at least, by [`Judge::work`].
    fn least_work(&self) -> usize {
        let of = |ends: &Ends, prepared: &[PreparedEnd<'_, '_>], spoken: &[Option<Vec<u32>>]| {
            let all = self.sources.classes.len() + self.destinations.classes.len();
            let others = all - ends.classes.len();
            let of_class = ends.classes.iter().map(|class| {
                let pairs = spoken[class.subject].as_ref().map_or(others, Vec::len);
                pairs.saturating_mul(prepared[class.first].least_work())
            });
            of_class.fold(0, usize::saturating_add)
        };
        let spoken = &self.spoken;
        of(&self.sources, &self.from, &spoken.of_sources).saturating_add(of(
            &self.destinations,
            &self.to,
            &spoken.of_destinations,
        ))
    }

    fn anybody(
        &self,
        destination: usize,
        profiles: &Numbers<(usize, usize, usize, [bool; 2])>,
    ) -> Anybody {
        let (asked, question) = self.pairs.asked(destination);
        let prepared = &self.to[destination];
        let trace = self.judge.with_anybody(Direction::Ingress, prepared);
        let side = self.number(&trace, asked);
        let pod = prepared.end().pod();
        let verdict_number = self.verdicts.of(trace.verdict.clone());
        let flags = [pod.is_none(), prepared.is_in_unknown_namespace()];
        Anybody {
            verdict: trace.verdict.clone(),
            verdict_number,
            side,
            profile: profiles.of((side, verdict_number, question, flags)),
            is_outside: pod.is_none(),
            has_several: has_several_addresses(prepared.end()),
        }
    }

    fn number(&self, side: &SideTrace<'_>, asked: &Asked) -> usize {
        let key = SideKey::of(side, &connections(asked), &self.policies);
        self.sides.of(key)
    }

    /// By class of destinations: what becomes of it and a source where no peer is about the
    /// other end.
    fn without_peers(&self, source: usize, to_anybody: &[Anybody]) -> Vec<Cell> {
        let prepared = &self.from[source];
        let own = self.judge.with_anybody(Direction::Egress, prepared);
        let mut own_sides: BTreeMap<usize, usize> = BTreeMap::new();
        let mut outcomes: BTreeMap<_, (usize, bool)> = BTreeMap::new();
        let mut of_profile: Vec<Option<Cell>> = vec![None; to_anybody.len()];
        let classes = self.destinations.classes.iter().zip(to_anybody);
        let cells = classes.map(|(class, anybody)| {
            *of_profile[anybody.profile].get_or_insert_with(|| {
                let destination = class.first;
                let (asked, question) = self.pairs.asked(destination);
                if prepared.end().pod().is_none() && anybody.is_outside {
                    return Cell::Nothing;
                }
                let has_unknown_namespace = prepared.is_in_unknown_namespace()
                    || self.to[destination].is_in_unknown_namespace();
                let same = (anybody.verdict_number, question, anybody.is_outside);
                let (outcome, is_known) = *outcomes.entry(same).or_insert_with(|| {
                    let verdict = own.verdict.and(&anybody.verdict);
                    let outcome = self.outcome((source, destination), &verdict);
                    (self.outcomes.of(outcome), verdict.unknown().is_empty())
                });
                if !is_known && has_unknown_namespace {
                    return Cell::Open;
                }
                let own_side = own_sides.entry(question);
                let own_side = *own_side.or_insert_with(|| self.number(&own, asked));
                let sides = vec![own_side, anybody.side];
                Cell::Known(self.keys.of(Key { outcome, sides }) as u32)
            })
        });
        cells.collect()
    }

    /// The outcomes of a class of sources, of which `cells` are those where no peer is about the
    /// other end; `None` where that takes too much work.
    fn row(
        &self,
        class: usize,
        cells: &[Cell],
        to_anybody: &[Anybody],
        work: usize,
    ) -> Option<Row> {
        let source = &self.sources.classes[class];
        let of_source = &self.spoken.of_sources[source.subject];
        // Of one pair both ends may be one pod.
        let is_open = self.pairs.is_one()
            || of_source.is_none()
            || has_several_addresses(self.from[source.first].end());
        let mut cells = cells.to_vec();
        let classes = self.destinations.classes.iter();
        let mut is_about: Vec<bool> =
            (self.spoken.of_destinations.iter().map(Option::is_none)).collect();
        for subject in &self.spoken.by_source[class] {
            is_about[*subject as usize] = true;
        }
        for ((cell, destination), anybody) in cells.iter_mut().zip(classes).zip(to_anybody) {
            if is_open || anybody.has_several || is_about[destination.subject] {
                *cell = Cell::Open;
            }
        }
        for destination in of_source.iter().flatten() {
            cells[*destination as usize] = Cell::Open;
        }
        let mut row = Vec::with_capacity(cells.len());
        for (destination, cell) in self.destinations.classes.iter().zip(cells) {
            row.push(match cell {
                Cell::Nothing => None,
                Cell::Known(key) => Some(key),
                Cell::Open => {
                    if self.judge.work() > work {
                        return None;
                    }
                    self.judged((source, destination))
                }
            });
        }
        Some(row)
    }

    /// The outcome of two classes, by one of their pairs; `None` where they have none.
    fn judged(&self, (source, destination): (&Class, &Class)) -> Option<u32> {
        let mut pairs = source.examples().flat_map(|source| {
            let destinations = destination.examples();
            destinations.map(move |destination| (source, destination))
        });
        let pair = pairs.find(|pair| self.pairs.is_judged(*pair))?;
        let decided = self.judge.decide(&self.from[pair.0], &self.to[pair.1]);
        let (asked, _) = self.pairs.asked(pair.1);
        let sides = decided.ways.iter().flat_map(|way| way.sides());
        let sides = sides.map(|side| self.number(side, asked)).collect();
        let outcome = self.outcomes.of(self.outcome(pair, &decided.verdict));
        Some(self.keys.of(Key { outcome, sides }) as u32)
    }

    fn outcome(&self, (source, destination): (usize, usize), verdict: &Verdict) -> Outcome {
        let (asked, question) = self.pairs.asked(destination);
        let connections = connections(asked);
        let allowed = verdict.allowed().intersection(&connections);
        let unknown = verdict.unknown().intersection(&connections);
        let outcome = if !unknown.is_empty() {
            ReachOutcome::Unknown
        } else if allowed.is_empty() {
            ReachOutcome::Blocked
        } else if connections == allowed {
            ReachOutcome::Allowed
        } else {
            ReachOutcome::Partly
        };
        let [from, to] = [self.from[source].end(), self.to[destination].end()];
        Outcome {
            outcome,
            asked: question,
            allowed,
            unknown,
            is_outside: (from.pod().is_none(), to.pod().is_none()),
        }
    }
}

fn has_several_addresses(end: &Endpoint<'_>) -> bool {
    end.pod().is_some_and(|pod| pod.addresses.len() > 1)
}
