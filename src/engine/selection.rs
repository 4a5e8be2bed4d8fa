//! Which classes a selector selects, found through an inverted index from features to
//! whatever has them.
//!
//! Refuses to know why anybody asks: subjects and peers are the same here.

use super::classes::{Classes, Columns};
use super::labels::{FeatureId, Features, Selector};
use super::program::{Matcher, Program, UnknownAddress};
use super::runs::Runs;
use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL, NamespaceId};
use crate::k8s::Labels;

/// Labelled things, numbered, and for every feature those that have it.
#[derive(Debug)]
pub(super) struct Index {
    /// By feature: sorted.
    postings: Vec<Vec<u32>>,
}

impl Index {
    /// An index of the things whose features, sorted, are given in order.
    pub(super) fn new<'f>(
        features: usize,
        things: impl IntoIterator<Item = &'f [FeatureId]>,
    ) -> Self {
        let mut postings = vec![Vec::new(); features];
        for (thing, has) in (0u32..).zip(things) {
            for feature in has {
                postings[feature.0 as usize].push(thing);
            }
        }
        Self { postings }
    }

    /// The things within `within` that the selector selects. `features` are those of a
    /// thing, sorted.
    pub(super) fn select<'f>(
        &self,
        selector: &Selector,
        within: &Runs,
        features: impl Fn(u32) -> &'f [FeatureId],
    ) -> Runs {
        let postings = |group: &[FeatureId]| -> usize {
            group
                .iter()
                .map(|feature| self.posting(*feature).len())
                .sum()
        };
        let Some(rarest) = selector.wanted().iter().min_by_key(|group| postings(group)) else {
            return selector
                .unwanted()
                .iter()
                .fold(within.clone(), |rest, feature| {
                    rest.without(self.posting(*feature).iter().copied())
                });
        };
        let matches = |thing: &u32| within.contains(*thing) && selector.matches(features(*thing));
        if let [feature] = rarest.as_slice() {
            return self
                .posting(*feature)
                .iter()
                .copied()
                .filter(matches)
                .collect();
        }
        let mut candidates: Vec<u32> = rarest
            .iter()
            .flat_map(|feature| self.posting(*feature))
            .copied()
            .collect();
        candidates.sort_unstable();
        candidates.dedup();
        candidates.into_iter().filter(matches).collect()
    }

    fn posting(&self, feature: FeatureId) -> &[u32] {
        &self.postings[feature.0 as usize]
    }
}

/// Namespaces by the labels that selectors see.
#[derive(Debug)]
pub(super) struct NamespaceIndex {
    features: Vec<Vec<FeatureId>>,
    index: Index,
}

impl NamespaceIndex {
    /// The namespaces of a cluster in the features that policies ask about.
    pub(super) fn new(cluster: &Cluster, features: &Features) -> Self {
        let of_namespace = |id| {
            let mut found = Vec::new();
            features.of(&visible_labels(cluster, id), &mut found);
            found.sort_unstable();
            found
        };
        let by_namespace: Vec<Vec<FeatureId>> = cluster.namespace_ids().map(of_namespace).collect();
        let index = Index::new(features.len(), by_namespace.iter().map(Vec::as_slice));
        Self {
            features: by_namespace,
            index,
        }
    }

    /// The namespaces that a selector selects.
    pub(super) fn select(&self, selector: &Selector) -> Runs {
        let all = Runs::one(0, self.features.len() as u32);
        self.index.select(selector, &all, |namespace| {
            &self.features[namespace as usize]
        })
    }
}

/// The labels of a namespace. One that an API server would refuse counts as not declared,
/// so that it has the label that Kubernetes sets and no other (S2).
pub(super) fn visible_labels(cluster: &Cluster, id: NamespaceId) -> std::borrow::Cow<'_, Labels> {
    let namespace = cluster.namespace(id);
    let is_refused = namespace
        .declared
        .as_ref()
        .is_some_and(|object| !object.meta.is_accepted);
    if !is_refused {
        return std::borrow::Cow::Borrowed(&namespace.labels);
    }
    let name = namespace.labels.label(NAMESPACE_NAME_LABEL).cloned();
    std::borrow::Cow::Owned(Labels::new(name.into_iter().collect()))
}

/// All that it takes to find the columns that match.
#[derive(Debug)]
pub(super) struct Selection {
    namespaces: NamespaceIndex,
    index: Index,
}

impl Selection {
    /// Indexes the namespaces and classes of a cluster.
    pub(super) fn new(cluster: &Cluster, program: &Program, classes: &Classes) -> Self {
        Self {
            namespaces: NamespaceIndex::new(cluster, &program.features),
            index: Index::new(
                program.features.len(),
                classes.features().iter().map(Vec::as_slice),
            ),
        }
    }

    /// The namespaces that a selector selects.
    pub(super) fn namespaces(&self, selector: &Selector) -> Runs {
        self.namespaces.select(selector)
    }

    /// The classes that a matcher by labels selects; none for one by addresses.
    pub(super) fn classes(&self, program: &Program, classes: &Classes, matcher: &Matcher) -> Runs {
        let selectors = program.selectors.values();
        let (within, pods) = match matcher {
            Matcher::Here(namespace, pods) => {
                let range = classes.in_namespace(*namespace);
                (Runs::one(range.start, range.end), pods)
            }
            Matcher::Anywhere { namespaces, pods } => {
                let mut within = Runs::default();
                for (start, end) in self
                    .namespaces
                    .select(&selectors[namespaces.0 as usize])
                    .as_slice()
                {
                    let first = classes.in_namespace(NamespaceId(*start)).start;
                    within.push(first, classes.in_namespace(NamespaceId(end - 1)).end);
                }
                (within, pods)
            }
            Matcher::Addresses { .. } => return Runs::default(),
        };
        let pods = &selectors[pods.0 as usize];
        if pods.is_empty() {
            return within;
        }
        self.index
            .select(pods, &within, |class| &classes.features()[class as usize])
    }

    /// The columns that match.
    pub(super) fn columns(
        &self,
        program: &Program,
        classes: &Classes,
        columns: &Columns,
        matcher: &Matcher,
    ) -> Runs {
        match matcher {
            Matcher::Here(..) | Matcher::Anywhere { .. } => self
                .classes(program, classes, matcher)
                .map(|class| columns.start(class)),
            Matcher::Addresses { ranges, unknown } => {
                let mut pods = Vec::new();
                let mut outside = Vec::with_capacity(ranges.len());
                for range in ranges {
                    let atoms = columns.atoms_meeting(range);
                    pods.extend(
                        columns
                            .with_address_in(atoms.clone())
                            .map(|at| (at, at + 1)),
                    );
                    outside.push((columns.outside(atoms.start), columns.outside(atoms.end)));
                }
                if *unknown == UnknownAddress::Matches {
                    pods.extend(columns.with_unknown_address().map(|at| (at, at + 1)));
                }
                pods.extend(outside);
                Runs::from_unsorted(pods)
            }
        }
    }
}
