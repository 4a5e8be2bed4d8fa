//! Objects that directories define in ways which cannot be meant for one cluster.
//!
//! Refuses to say which directories belong together, and what their names mean.

use crate::cluster::{Identity, Likeness, likeness};
use crate::k8s::Object;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher;

/// By object: the directories that define it, where these cannot all be meant for one cluster.
/// `members` are directories with the objects of a part of theirs.
pub(super) fn contradictions<'d, 'o>(
    members: impl Iterator<Item = (&'d str, &'o [Object])> + Clone,
) -> Vec<BTreeSet<&'d str>> {
    let directories: HashSet<&str> = members.clone().map(|(directory, _)| directory).collect();
    if directories.len() < 2 {
        return Vec::new();
    }
    let definitions = members.flat_map(|(directory, objects)| {
        let of_cluster = objects.iter();
        let of_cluster = of_cluster.filter_map(|object| Some((Identity::of(object)?, object)));
        of_cluster.map(move |(identity, object)| (identity, directory, object))
    });
    // Most objects are defined once: of these only a number is kept.
    let hasher = foldhash::fast::RandomState::default();
    let (mut met, mut repeated) = (HashSet::new(), HashSet::new());
    for (identity, _, _) in definitions.clone() {
        let number = hasher.hash_one(identity);
        if !met.insert(number) {
            repeated.insert(number);
        }
    }
    drop(met);
    let mut by_object: HashMap<Identity<'_>, Vec<(&str, &Object)>> = HashMap::new();
    for (identity, directory, object) in definitions {
        if repeated.contains(&hasher.hash_one(identity)) {
            let definitions = by_object.entry(identity).or_default();
            definitions.push((directory, object));
        }
    }
    let contradiction = |definitions: &Vec<(&'d str, &Object)>| {
        let here = definitions.iter().map(|(directory, _)| *directory);
        let here: BTreeSet<&str> = here.collect();
        let (_, first) = definitions.first()?;
        let is_harmless = |(_, other): &(&str, &Object)| {
            !matches!(other, Object::Workload(_)) && likeness(first, other) == Likeness::Same
        };
        let contradicts = here.len() > 1 && !definitions.iter().all(is_harmless);
        contradicts.then_some(here)
    };
    let sets: BTreeSet<BTreeSet<&str>> = by_object.values().filter_map(contradiction).collect();
    sets.into_iter().collect()
}
