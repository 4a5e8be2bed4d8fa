//! What enters the classes of a cluster from one column, asked class by class.
//!
//! Refuses to know what leaves the column.

use super::classes::ClassId;
use super::relation::Relation;
use super::sets::SetId;
use crate::k8s::Direction;

/// What enters each class from one column, for certain and perhaps, looked up once for all
/// classes of a side.
pub(super) struct Enters<'e> {
    relation: Relation<'e>,
    /// By side of ingress: the column that was asked about last, and its sets.
    known: Vec<Option<(u32, [SetId; 2])>>,
}

impl<'e> Enters<'e> {
    /// Nothing is known yet.
    pub(super) fn new(relation: Relation<'e>) -> Self {
        let sides = relation.functions.of.ingress.len();
        Self {
            relation,
            known: vec![None; sides],
        }
    }

    /// The sets of a class from a column.
    pub(super) fn at(&mut self, class: ClassId, column: u32) -> [SetId; 2] {
        let side = self.relation.sides.of(class, Direction::Ingress).0 as usize;
        match self.known[side] {
            Some((known, sets)) if known == column => sets,
            _ => {
                let outcome = &self.relation.functions.of.ingress[side];
                let allowed = outcome.allowed.at(column);
                let possible = if outcome.is_exact() {
                    allowed
                } else {
                    outcome.possible.at(column)
                };
                self.known[side] = Some((column, [allowed, possible]));
                [allowed, possible]
            }
        }
    }
}
