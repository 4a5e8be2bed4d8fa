//! Peers by what they ask for, so that those that may have an end in common with a given one are
//! found without a look at all of them.
//!
//! Only leaves out what certainly has nothing in common. Refuses to decide what has.

use super::{Allowance, Key, PeerSet, PodSet, Predicate};
use crate::engine::AddressRange;
use crate::source::Text;
use std::collections::HashMap;
use std::net::IpAddr;

/// Rules by their peers, each with a name of the caller's.
#[derive(Debug)]
pub struct AllowanceIndex<T> {
    pods: PodIndex<T>,
    /// Rules on addresses, by the first address of each range.
    by_address: Vec<(AddressRange, T)>,
    /// By range of `by_address`: the last address of all ranges up to it.
    reach: Vec<IpAddr>,
    /// Rules on networks, which may hold addresses of pods.
    networks: Vec<T>,
    /// Rules on pods.
    on_pods: Vec<T>,
    /// Rules without peers.
    everybody: Vec<T>,
}

impl<T: Copy + Ord> AllowanceIndex<T> {
    /// The index of these rules.
    #[must_use]
    pub fn new<'a>(rules: impl IntoIterator<Item = (T, &'a Allowance)>) -> Self {
        let mut pods = Vec::new();
        let (mut by_address, mut networks, mut everybody) = (Vec::new(), Vec::new(), Vec::new());
        for (name, rule) in rules {
            let Some(peers) = &rule.peers else {
                everybody.push(name);
                continue;
            };
            for set in peers {
                match set {
                    PeerSet::Ends(predicate) => pods.push((name, predicate)),
                    PeerSet::Addresses(ranges) | PeerSet::Networks(ranges) => {
                        by_address.extend(ranges.iter().map(|range| (*range, name)));
                    }
                }
                networks.extend(matches!(set, PeerSet::Networks(_)).then_some(name));
            }
        }
        by_address.sort_by_key(|(range, name)| (range.first, range.last, *name));
        let ranges = by_address.iter().map(|(range, _)| range.last);
        let reach = ranges.scan(None, |farthest: &mut Option<IpAddr>, last| {
            Some(*farthest.insert(farthest.map_or(last, |it| it.max(last))))
        });
        Self {
            reach: reach.collect(),
            on_pods: pods.iter().map(|(name, _)| *name).collect(),
            pods: PodIndex::new(&pods),
            by_address,
            networks,
            everybody,
        }
    }

    /// The rules that may have an end in common with one, maybe among others, in order.
    #[must_use]
    pub fn candidates(&self, rule: &Allowance) -> Vec<T> {
        let mut found = self.everybody.clone();
        match &rule.peers {
            None => {
                found.extend(&self.on_pods);
                found.extend(self.by_address.iter().map(|(_, name)| *name));
            }
            Some(peers) => peers.iter().for_each(|set| self.add(set, &mut found)),
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn add(&self, set: &PeerSet, found: &mut Vec<T>) {
        let ranges = match set {
            PeerSet::Ends(predicate) => {
                found.extend(self.pods.candidates(predicate));
                found.extend(&self.networks);
                return;
            }
            PeerSet::Networks(ranges) => {
                found.extend(&self.on_pods);
                ranges
            }
            PeerSet::Addresses(ranges) => ranges,
        };
        for range in ranges {
            // Everything up to here ends before the range starts.
            let from = self.reach.partition_point(|last| *last < range.first);
            let before = |(other, _): &(AddressRange, T)| other.first <= range.last;
            let to = self.by_address.partition_point(before);
            let near = self.by_address.get(from..to).unwrap_or_default().iter();
            found.extend(near.map(|(_, name)| *name));
        }
    }
}

/// Sets of pods, each with a name of the caller's.
#[derive(Debug)]
pub(in crate::lint) struct PodIndex<T> {
    /// By key that enough of the sets want few values of.
    by_key: HashMap<Key, ByValue<T>>,
    all: Vec<T>,
}

/// The sets by the values that they want of one label.
#[derive(Debug)]
struct ByValue<T> {
    with: HashMap<Text, Vec<T>>,
    /// Those that do not ask for few values.
    others: Vec<T>,
}

/// A key that fewer of the sets want than one in so many leaves too many to be of use.
const SHARE: usize = 8;

impl<T: Copy> PodIndex<T> {
    /// The index of these sets.
    pub(in crate::lint) fn of_sets<'a>(sets: impl IntoIterator<Item = (T, &'a PodSet)>) -> Self {
        let sets: Vec<(T, &Predicate)> = sets.into_iter().map(|(name, it)| (name, &it.0)).collect();
        Self::new(&sets)
    }

    fn new(pods: &[(T, &Predicate)]) -> Self {
        let mut frequencies: HashMap<&Key, usize> = HashMap::new();
        for (key, _) in pods.iter().flat_map(|(_, it)| closed(it)) {
            *frequencies.entry(key).or_default() += 1;
        }
        frequencies.retain(|_, count| *count * SHARE >= pods.len());
        let by_key = frequencies.into_keys().map(|key| {
            let mut by_value = ByValue {
                with: HashMap::new(),
                others: Vec::new(),
            };
            for (name, predicate) in pods {
                match closed(predicate).find(|(its, _)| *its == key) {
                    None => by_value.others.push(*name),
                    Some((_, values)) => {
                        for value in values {
                            by_value.with.entry(value.clone()).or_default().push(*name);
                        }
                    }
                }
            }
            (key.clone(), by_value)
        });
        Self {
            by_key: by_key.collect(),
            all: pods.iter().map(|(name, _)| *name).collect(),
        }
    }

    /// The sets that may have a pod in common with one: those that do not want other values of
    /// the label that leaves the fewest. One may come several times.
    fn candidates(&self, predicate: &Predicate) -> impl Iterator<Item = T> {
        let lists = closed(predicate).filter_map(|(key, values)| {
            let by_value = self.by_key.get(key)?;
            let with = values.iter().filter_map(|value| by_value.with.get(value));
            let lists = with.chain([&by_value.others]);
            Some(lists.map(Vec::as_slice).collect::<Vec<_>>())
        });
        let fewest = lists.min_by_key(|lists| lists.iter().map(|it| it.len()).sum::<usize>());
        let lists = fewest.unwrap_or_else(|| vec![&self.all]);
        lists.into_iter().flatten().copied()
    }

    /// The same for a set of pods.
    pub(in crate::lint) fn candidates_of(&self, pods: &PodSet) -> impl Iterator<Item = T> {
        self.candidates(&pods.0)
    }
}

/// The labels of which few values are wanted.
fn closed(predicate: &Predicate) -> impl Iterator<Item = (&Key, &[Text])> {
    let constraints = predicate.constraints();
    constraints.filter_map(|(key, values)| Some((key, values?)))
}
