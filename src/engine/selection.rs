//! Which classes a selector selects, found through an inverted index from features to
//! whatever has them.
//!
//! Refuses to know why anybody asks: subjects and peers are the same here.

use super::addresses::{AddressRange, address_atoms};
use super::classes::{ClassId, Classes};
use super::columns::{Columns, Somewhere};
use super::compiled::{Compiled, Matcher, MatcherId, Namespaces};
use super::labels::{FeatureId, Features, Selector};
use super::program::HostNetwork;
use super::program::condition::{Candidate, Condition};
use super::runs::Runs;
use super::verdict::peers;
use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL, NamespaceId};
use crate::k8s::{Labels, Truth};
use std::ops::Range;

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
        let matches = |thing: &u32| selector.matches(features(*thing));
        if let [feature] = rarest.as_slice() {
            let mut found = Vec::new();
            extend_within(&mut found, self.posting(*feature), within);
            return found.into_iter().filter(matches).collect();
        }
        let mut candidates: Vec<u32> = Vec::new();
        for feature in rarest {
            extend_within(&mut candidates, self.posting(*feature), within);
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates.into_iter().filter(matches).collect()
    }

    fn posting(&self, feature: FeatureId) -> &[u32] {
        &self.postings[feature.0 as usize]
    }
}

/// Adds those of some sorted ids that are in the set: the shorter one of both is walked.
fn extend_within(found: &mut Vec<u32>, sorted: &[u32], within: &Runs) {
    let runs = within.as_slice();
    if sorted.len() <= runs.len() {
        found.extend(sorted.iter().filter(|id| within.contains(**id)));
        return;
    }
    let mut rest = sorted;
    for (start, end) in runs {
        let first = rest.partition_point(|id| id < start);
        let last = first + rest[first..].partition_point(|id| id < end);
        found.extend(&rest[first..last]);
        rest = &rest[last..];
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

/// What matches for certain, and what may match; nearly always the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Matched {
    pub(super) certain: Runs,
    /// `None` where it is the same.
    possible: Option<Runs>,
    /// By where the address of a pod may be that is not known: whether it matches the pod
    /// depends on the address.
    pub(super) depends: [bool; Somewhere::COUNT],
}

impl Matched {
    /// What matches these columns, for certain and no others.
    fn exactly(columns: Vec<(u32, u32)>) -> Self {
        Self {
            certain: Runs::from_unsorted(columns),
            ..Self::default()
        }
    }

    /// What may match.
    pub(super) fn possible(&self) -> &Runs {
        self.possible.as_ref().unwrap_or(&self.certain)
    }

    /// Whether what may match does.
    pub(super) fn is_exact(&self) -> bool {
        self.possible.is_none()
    }

    /// Whether it depends on an address that is not known.
    pub(super) fn depends(&self) -> bool {
        self.depends.contains(&true)
    }

    fn map(&self, image: impl Fn(u32) -> u32) -> Self {
        Self {
            certain: self.certain.map(&image),
            possible: self.possible.as_ref().map(|runs| runs.map(&image)),
            depends: self.depends,
        }
    }
}

/// All that it takes to find the columns that match.
#[derive(Debug)]
pub(super) struct Selection {
    namespaces: NamespaceIndex,
    index: Index,
}

/// A cluster with its policies and its classes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'e, 'c> {
    pub(super) cluster: &'c Cluster,
    pub(super) compiled: &'e Compiled<'c>,
    pub(super) classes: &'e Classes,
    pub(super) columns: &'e Columns,
}

impl Selection {
    /// Indexes the namespaces and classes of a cluster.
    pub(super) fn new(cluster: &Cluster, compiled: &Compiled, classes: &Classes) -> Self {
        Self {
            namespaces: NamespaceIndex::new(cluster, &compiled.features),
            index: Index::new(
                compiled.features.len(),
                classes.features().iter().map(Vec::as_slice),
            ),
        }
    }

    /// The namespaces that a selector selects.
    pub(super) fn namespaces(&self, selector: &Selector) -> Runs {
        self.namespaces.select(selector)
    }

    /// The classes that a matcher by labels selects; none for one by addresses.
    pub(super) fn classes<'c>(&self, parts: Parts<'_, 'c>, matcher: &Matcher<'c>) -> Matched {
        let (compiled, classes) = (parts.compiled, parts.classes);
        let Matcher::Pods {
            namespaces,
            pods,
            host_network,
            condition,
        } = matcher
        else {
            return Matched::default();
        };
        let selectors = compiled.selectors.values();
        let (within, home) = match namespaces {
            Namespaces::One(namespace) => {
                let range = classes.in_namespace(*namespace);
                (Runs::one(range.start, range.end), range)
            }
            Namespaces::All => {
                let range = 0..classes.on_host_network().start;
                (Runs::one(range.start, range.end), range)
            }
            Namespaces::Matching(selector) => {
                let mut within = Runs::default();
                let selected = self.namespaces.select(&selectors[selector.0 as usize]);
                for (start, end) in selected.as_slice() {
                    let first = classes.in_namespace(NamespaceId(*start)).start;
                    within.push(first, classes.in_namespace(NamespaceId(end - 1)).end);
                }
                (within, 0..classes.on_host_network().start)
            }
        };
        let selector = &selectors[pods.0 as usize];
        let certain = if condition.is_some() {
            Runs::default()
        } else if selector.is_empty() {
            within
        } else {
            self.index.select(selector, &within, |class| {
                &classes.features()[class as usize]
            })
        };
        let is_opaque = compiled.is_opaque(*pods)
            || matches!(namespaces, Namespaces::Matching(id) if compiled.is_opaque(*id));
        let on_host = match host_network {
            HostNetwork::Unseen => 0..0,
            HostNetwork::Seen | HostNetwork::Group => classes.on_host_network(),
        };
        let id = compiled.matchers.find(matcher).map(MatcherId);
        let one_by_one: Vec<u32> = match id.filter(|_| condition.is_some()) {
            Some(id) => {
                let meeting = [home, on_host].map(|among| classes.meeting(id, among));
                meeting.concat()
            }
            None if is_opaque || condition.is_some() => home.chain(on_host).collect(),
            None => {
                let mut in_doubt = classes.open_among(home.clone()).to_vec();
                if matches!(namespaces, Namespaces::Matching(_)) {
                    in_doubt.extend(self.in_doubtful_namespaces(parts, selector, home));
                    in_doubt.sort_unstable();
                }
                in_doubt.extend(on_host);
                in_doubt
            }
        };
        let mut matched = Matched {
            certain,
            ..Matched::default()
        };
        if !one_by_one.is_empty() {
            compare_one_by_one(parts, matcher, &one_by_one, &mut matched);
        }
        matched
    }

    /// Of some classes those that match by the labels of pods, all of which are known, and in
    /// whose namespace they may do so.
    fn in_doubtful_namespaces(
        &self,
        parts: Parts<'_, '_>,
        selector: &Selector,
        home: Range<u32>,
    ) -> Vec<u32> {
        let classes = parts.classes;
        let found: Runs = (classes.in_doubtful_namespaces(home).iter().copied()).collect();
        if found.is_empty() || selector.is_empty() {
            return found.ids().collect();
        }
        let features = |class| classes.features()[class as usize].as_slice();
        self.index
            .select(selector, &found, features)
            .ids()
            .collect()
    }

    /// The columns that match.
    pub(super) fn columns<'c>(&self, parts: Parts<'_, 'c>, matcher: &Matcher<'c>) -> Matched {
        let columns = parts.columns;
        let ranges = match matcher {
            Matcher::Addresses(ranges) => ranges,
            Matcher::Pods { .. } => {
                let classes = self.classes(parts, matcher);
                return classes.map(|class| columns.start(class));
            }
            Matcher::Outside(ranges) => return Matched::exactly(outside(columns, ranges)),
            Matcher::Untold(ranges) => {
                return Matched {
                    possible: Some(Runs::from_unsorted(outside(columns, ranges))),
                    ..Matched::default()
                };
            }
            Matcher::Entities(entities) => {
                let places = entities.iter().map(|entity| *entity as u32);
                let places = places.filter(|place| *place < columns.entities());
                let found = places.map(|place| columns.entity(place));
                return Matched::exactly(found.map(|column| (column, column + 1)).collect());
            }
            Matcher::Condition(condition) => return meeting(parts, matcher, condition),
        };
        let mut matched = Matched::default();
        let mut runs = Vec::new();
        let mut outside = Vec::with_capacity(ranges.len());
        let mut held = [0; Somewhere::COUNT];
        let mut in_doubt = Vec::new();
        for range in ranges {
            let atoms = columns.atoms_meeting(range);
            in_doubt.extend(columns.in_doubt(&atoms).map(|at| (at, at + 1)));
            for somewhere in Somewhere::ALL {
                let possible = columns.possible(somewhere);
                let before = |end: u32| possible.partition_point(|atom| *atom < end);
                held[somewhere.index()] += before(atoms.end) - before(atoms.start);
            }
            runs.extend(
                columns
                    .with_address_in(atoms.clone())
                    .map(|at| (at, at + 1)),
            );
            outside.push((columns.outside(atoms.start), columns.outside(atoms.end)));
        }
        for somewhere in Somewhere::ALL {
            let place = somewhere.index();
            let all = columns.possible(somewhere).len();
            if held[place] == all && all > 0 {
                runs.extend(columns.unknown(somewhere).as_slice());
            }
            let is_split = held[place] > 0 && held[place] < all;
            matched.depends[place] = is_split && !columns.unknown(somewhere).is_empty();
        }
        runs.extend(outside);
        matched.possible = (!in_doubt.is_empty())
            .then(|| Runs::from_unsorted(runs.iter().copied().chain(in_doubt).collect()));
        matched.certain = Runs::from_unsorted(runs);
        matched
    }
}

/// The columns of addresses outside that lie in some ranges.
fn outside(columns: &Columns, ranges: &[AddressRange]) -> Vec<(u32, u32)> {
    let atoms = ranges.iter().map(|range| columns.atoms_meeting(range));
    atoms
        .map(|atoms| (columns.outside(atoms.start), columns.outside(atoms.end)))
        .collect()
}

/// The columns that meet the condition of a matcher.
fn meeting<'c>(parts: Parts<'_, 'c>, matcher: &Matcher<'c>, condition: &Condition<'c>) -> Matched {
    let columns = parts.columns;
    let (mut certain, mut possible) = (Vec::new(), Vec::new());
    let mut add = |columns: Range<u32>, truth: Truth| {
        if truth == Truth::True {
            certain.push((columns.start, columns.end));
        }
        if truth != Truth::False {
            possible.push((columns.start, columns.end));
        }
    };
    let all = 0..parts.classes.len();
    let id = parts.compiled.matchers.find(matcher).map(MatcherId);
    let classes: Vec<u32> = match id {
        Some(id) => parts.classes.meeting(id, all).to_vec(),
        None => all.collect(),
    };
    for class in classes.into_iter().map(ClassId) {
        let member = parts.classes.members(class)[0];
        let pod = parts.compiled.left_open.pod(parts.cluster, member);
        for column in columns.start(class.0)..columns.start(class.0 + 1) {
            let (address, is_ipv4) = columns.address(column);
            let candidate = Candidate::Pod {
                pod: &pod,
                address,
                is_ipv4,
            };
            add(column..column + 1, condition.truth(candidate));
        }
    }
    // Between the ends of its own ranges it tells no address from the next.
    for range in address_atoms(condition.cuts()) {
        let atoms = columns.atoms_meeting(&range);
        let outside = columns.outside(atoms.start)..columns.outside(atoms.end);
        add(outside, condition.truth(Candidate::Outside(range.first)));
    }
    let mut matched = Matched::exactly(certain);
    let possible = Runs::from_unsorted(possible);
    matched.possible = (possible != matched.certain).then_some(possible);
    matched
}

/// Compares some classes, in order, with a matcher without the index, which knows no doubt.
fn compare_one_by_one<'c>(
    parts: Parts<'_, 'c>,
    matcher: &Matcher<'c>,
    classes: &[u32],
    matched: &mut Matched,
) {
    let set = parts.compiled.pod_set(matcher);
    let known = matched.certain.without(classes.iter().copied());
    let (mut certain, mut possible) = (known.as_slice().to_vec(), known.as_slice().to_vec());
    for class in classes {
        let member = parts.classes.members(ClassId(*class))[0];
        let pod = parts.compiled.left_open.pod(parts.cluster, member);
        let truth = set.as_ref();
        let truth = truth.map_or(Truth::False, |set| peers::truth_of_pods(set, &pod));
        if truth == Truth::True {
            certain.push((*class, class + 1));
        }
        if truth != Truth::False {
            possible.push((*class, class + 1));
        }
    }
    matched.certain = Runs::from_unsorted(certain);
    let possible = Runs::from_unsorted(possible);
    matched.possible = (possible != matched.certain).then_some(possible);
}
