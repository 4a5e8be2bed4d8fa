//! The classes that something may enter from a column of a pod, found without asking every class.
//!
//! Refuses to know what leaves the column, and on which ports.

use super::classes::ClassId;
use super::relation::Relation;
use super::sets::SetId;
use super::stretches::Stretches;
use crate::k8s::Direction;
use std::ops::Range;

/// The sides of ingress by the columns from which they may let something in.
#[derive(Debug)]
pub(super) struct Entered {
    sides: Stretches,
    /// By side: its classes.
    classes: Vec<Vec<ClassId>>,
}

/// Where sides have more stretches than this, for each side and column, it takes less to ask
/// every class.
const MAX_STRETCHES: usize = 64;

impl Entered {
    /// `None` where little can be left out.
    pub(super) fn new(relation: Relation<'_>) -> Option<Self> {
        let columns = relation.columns.pods();
        let outcomes = &relation.functions.of.ingress;
        let mut entered = Self {
            sides: Stretches::new(columns as usize),
            classes: vec![Vec::new(); outcomes.len()],
        };
        let mut left = MAX_STRETCHES * (outcomes.len() + columns as usize);
        for (side, outcome) in (0u32..).zip(outcomes) {
            let mut stretch: Option<Range<u32>> = None;
            for (start, end, set) in outcome.possible.within(0, columns) {
                if set == SetId::NONE {
                    continue;
                }
                match &mut stretch {
                    Some(last) if last.end == start => last.end = end,
                    _ => {
                        entered.add(side, stretch.replace(start..end));
                        left = left.checked_sub(1)?;
                    }
                }
            }
            entered.add(side, stretch);
        }
        for class in relation.classes.ids() {
            let side = relation.sides.of(class, Direction::Ingress);
            entered.classes[side.0 as usize].push(class);
        }
        Some(entered)
    }

    fn add(&mut self, side: u32, stretch: Option<Range<u32>>) {
        if let Some(Range { start, end }) = stretch {
            self.sides.add(start as usize..end as usize, side);
        }
    }

    /// The classes that something may enter from one of these columns, in order; `None` if they
    /// are more than `limit`.
    pub(super) fn classes(&self, columns: Range<u32>, limit: usize) -> Option<Vec<ClassId>> {
        let mut found: Vec<ClassId> = Vec::new();
        for column in columns {
            for side in self.sides.at(column as usize) {
                let classes = &self.classes[side as usize];
                if found.len() + classes.len() > limit {
                    return None;
                }
                found.extend(classes);
            }
        }
        found.sort_unstable();
        // Another column of the same pods.
        found.dedup();
        Some(found)
    }
}
