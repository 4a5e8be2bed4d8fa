//! The other clusters that the texts may be meant for. Two texts that give one object, as
//! those for development and for production do, cannot both be in one cluster; the first
//! one is, and each of the others gets a cluster in which it is instead, with the copies
//! of other objects that stand nearest to it.
//!
//! Refuses to judge: which copy is meant is for its author to know.

use super::build::{Identity, identity};
use super::{Cluster, layout};
use crate::k8s::Object;
use crate::source::{SourceMap, Span};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A cluster with other copies than the first ones.
#[derive(Debug)]
pub struct OverlayCluster {
    /// The objects, joined.
    pub cluster: Cluster,
    /// The texts of the policies that are in no cluster before this one.
    pub judged: Vec<Span>,
}

/// The other clusters.
#[derive(Debug, Default)]
pub struct Overlays {
    /// They, in the order of the first policy that each is for.
    pub clusters: Vec<OverlayCluster>,
    /// How many policies beyond their first copy are in none of them, as there would be too
    /// many.
    pub left_out: usize,
}

/// How many clusters there are at the most: a run looks at the texts of all objects for each.
const MAX: usize = 40;

/// How many objects all clusters together may hold beyond four times what was read.
const ROOM: usize = 50_000;

impl Overlays {
    /// The clusters for the policies among these objects, in the order of the inputs, that
    /// have a copy before them, whether it says the same or not: each text has its own place,
    /// and its own suppressions.
    #[must_use]
    pub fn new(sources: &SourceMap, objects: &[Object]) -> Self {
        let copies = Copies::new(sources, objects);
        let mut open: BTreeSet<usize> = copies.further_policies();
        let mut room = 4 * objects.len() + ROOM;
        let mut overlays = Self::default();
        while let Some(for_whom) = open.first().copied() {
            let chosen = copies.nearest_to(for_whom);
            if chosen.len() > room || overlays.clusters.len() == MAX {
                overlays.left_out = open.len();
                break;
            }
            room -= chosen.len();
            let is_chosen = |index: &usize| chosen.contains(index);
            let judged: Vec<usize> = open.iter().copied().filter(is_chosen).collect();
            open.retain(|index| !chosen.contains(index));
            let objects_of = chosen.iter().map(|index| objects[*index].clone());
            overlays.clusters.push(OverlayCluster {
                cluster: Cluster::new(objects_of.collect()),
                judged: judged
                    .iter()
                    .map(|index| objects[*index].meta().span)
                    .collect(),
            });
        }
        overlays
    }
}

/// Whether a policy is there twice; the common case is that none is.
#[must_use]
pub fn has_copies(objects: &[Object]) -> bool {
    let mut seen: HashSet<(Option<&str>, &str)> = HashSet::new();
    let policies = objects.iter().filter(|object| is_policy(object));
    let mut metas = policies.map(Object::meta);
    metas.any(|meta| {
        let namespace = meta.namespace.as_ref().map(|it| it.value.as_str());
        !meta.name.is_empty() && !seen.insert((namespace, &meta.name))
    })
}

fn is_policy(object: &Object) -> bool {
    matches!(
        object,
        Object::NetworkPolicy(_) | Object::ClusterNetworkPolicy(_)
    )
}

/// Which objects are there more than once.
struct Copies<'o> {
    objects: &'o [Object],
    /// By object: where its copies stand among the objects, if there are several.
    of: BTreeMap<Identity, Vec<usize>>,
    /// The objects that have no other copy.
    single: Vec<usize>,
    /// By object: the parts of the path of its directory.
    directories: HashMap<usize, Vec<String>>,
}

impl<'o> Copies<'o> {
    fn new(sources: &SourceMap, objects: &'o [Object]) -> Self {
        let mut of: BTreeMap<Identity, Vec<usize>> = BTreeMap::new();
        let mut single = Vec::new();
        for (index, object) in objects.iter().enumerate() {
            let identity = identity(object);
            let is_unnamed = identity.2.is_empty();
            if is_unnamed || matches!(object, Object::ContextObject(_)) {
                single.push(index);
            } else {
                of.entry(identity).or_default().push(index);
            }
        }
        of.retain(|_, copies| {
            if let [one] = copies.as_slice() {
                single.push(*one);
            }
            copies.len() > 1
        });
        let directory = |index: &usize| {
            let source = objects[*index].meta().span.source;
            let path = layout::join("", sources.get(source).name());
            let parts = layout::directory(&path).split('/').map(str::to_owned);
            (*index, parts.collect())
        };
        Self {
            objects,
            directories: of.values().flatten().map(directory).collect(),
            of,
            single,
        }
    }

    /// The policies that have a copy before them.
    fn further_policies(&self) -> BTreeSet<usize> {
        let further = self.of.values().flat_map(|copies| &copies[1..]);
        let is_policy = |index: &usize| is_policy(&self.objects[*index]);
        further.copied().filter(is_policy).collect()
    }

    /// One copy of every object: this one, and of the others the one whose directory has
    /// most in common with this one's, the first one of several.
    fn nearest_to(&self, index: usize) -> BTreeSet<usize> {
        let here = &self.directories[&index];
        let in_common = |other: &usize| {
            let parts = self.directories[other].iter().zip(here);
            parts.take_while(|(one, other)| one == other).count()
        };
        let mut chosen: BTreeSet<usize> = self.single.iter().copied().collect();
        for copies in self.of.values() {
            if copies.contains(&index) {
                chosen.insert(index);
                continue;
            }
            // `max_by_key` gives the last one of several.
            let nearest = copies.iter().rev().max_by_key(|copy| in_common(copy));
            chosen.extend(nearest);
        }
        chosen
    }
}
