//! Objects that directories define in ways which cannot be meant for one cluster.
//!
//! Refuses to say which directories belong together, and what their names mean.

use crate::cluster::{Identity, Likeness, likeness};
use crate::k8s::Object;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher;

/// What directories contradict each other in.
#[derive(Debug, Default)]
pub(super) struct Contradictions<'d> {
    /// By object: the directories that define it, where these cannot all be meant for one cluster.
    pub(super) directories: BTreeSet<BTreeSet<&'d str>>,
    /// The members that have a definition of such an object.
    pub(super) members: BTreeSet<usize>,
}

/// One of several members that may be of one cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contradicting<'d, 'o> {
    /// Its position among them.
    pub(super) member: usize,
    /// The directory that it is in, or is.
    pub(super) directory: &'d str,
    /// What it defines.
    pub(super) objects: &'o [Object],
}

/// What these members contradict each other in.
pub(super) fn contradictions<'d, 'o>(
    members: impl Iterator<Item = Contradicting<'d, 'o>> + Clone,
) -> Contradictions<'d> {
    let directories: HashSet<&str> = members.clone().map(|it| it.directory).collect();
    if directories.len() < 2 {
        return Contradictions::default();
    }
    let definitions = members.flat_map(|it| {
        let of_cluster = it.objects.iter();
        let of_cluster = of_cluster.filter_map(|object| Some((Identity::of(object)?, object)));
        of_cluster.map(move |(identity, object)| (identity, it, object))
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
    let mut by_object: HashMap<Identity<'_>, Vec<(Contradicting<'_, '_>, &Object)>> =
        HashMap::new();
    for (identity, member, object) in definitions {
        if repeated.contains(&hasher.hash_one(identity)) {
            let definitions = by_object.entry(identity).or_default();
            definitions.push((member, object));
        }
    }
    let contradiction = |definitions: &Vec<(Contradicting<'d, '_>, &Object)>| {
        let here = definitions.iter().map(|(member, _)| member.directory);
        let here: BTreeSet<&str> = here.collect();
        let (_, first) = definitions.first()?;
        let is_harmless = |(_, other): &(Contradicting<'_, '_>, &Object)| {
            !matches!(other, Object::Workload(_)) && likeness(first, other) == Likeness::Same
        };
        let contradicts = here.len() > 1 && !definitions.iter().all(is_harmless);
        let members = definitions.iter().map(|(member, _)| member.member);
        contradicts.then(|| (here, members.collect()))
    };
    let found = by_object.values().filter_map(contradiction);
    let (directories, members): (_, Vec<Vec<usize>>) = found.unzip();
    Contradictions {
        directories,
        members: members.into_iter().flatten().collect(),
    }
}
