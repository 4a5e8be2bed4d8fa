//! Which classes of workloads may open the same: their own side allows the same, and no side of
//! a destination tells them apart.
//!
//! Refuses to know what is allowed: it compares.

use super::HashMap;
use super::relation::Relation;
use super::runs::Pieces;
use super::sets::SetId;
use crate::k8s::Direction;

/// By class: a number that all those have whose rows are equal.
pub(super) fn alike(relation: &Relation<'_>) -> Vec<u32> {
    let columns = relation.columns;
    let parts = parts_of_columns(relation);
    let mut known = HashMap::default();
    let class_key = |class: u32| {
        let own = columns.start(class)..columns.start(class + 1);
        let own = own.map(|column| {
            let (address, is_ipv4) = columns.address(column);
            (parts[column as usize], address.is_some(), is_ipv4)
        });
        own.collect::<Vec<_>>()
    };
    let classes = relation.classes.ids();
    classes
        .map(|class| {
            let side = relation.sides.of(class, Direction::Egress);
            let next = known.len() as u32;
            *known.entry((side, class_key(class.0))).or_insert(next)
        })
        .collect()
}

/// By column of a pod: a number that all those have from which every side lets in the same.
fn parts_of_columns(relation: &Relation<'_>) -> Vec<u32> {
    let pods = relation.columns.pods();
    let mut parts = Parts {
        of: vec![0; pods as usize],
        count: 1,
    };
    for outcome in &relation.functions.of.ingress {
        parts.cut(&outcome.allowed, pods);
        if !outcome.is_exact() {
            parts.cut(&outcome.possible, pods);
        }
    }
    parts.of
}

struct Parts {
    of: Vec<u32>,
    count: u32,
}

impl Parts {
    /// Parts columns that have different values. Those of the commonest value stay as they are.
    fn cut(&mut self, function: &Pieces<SetId>, pods: u32) {
        let mut frequencies: HashMap<SetId, u32> = HashMap::default();
        for (start, end, value) in function.within(0, pods) {
            *frequencies.entry(value).or_default() += end - start;
        }
        let commonest = frequencies
            .into_iter()
            .max_by_key(|(value, count)| (*count, *value));
        let Some((commonest, _)) = commonest else {
            return;
        };
        let mut cut: HashMap<(u32, SetId), u32> = HashMap::default();
        let others = function.within(0, pods);
        for (start, end, value) in others.filter(|(.., value)| *value != commonest) {
            for part in &mut self.of[start as usize..end as usize] {
                let next = self.count;
                let new = *cut.entry((*part, value)).or_insert(next);
                self.count += u32::from(new == next);
                *part = new;
            }
        }
    }
}
