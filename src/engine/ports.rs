//! Sets of ports, and of ports by protocol, in one canonical form: two sets with the
//! same members are equal, compare equal and hash alike.
//!
//! Refuses to know port names: those mean numbers only at a destination.

use crate::k8s::Protocol;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// The first and the last number that a port can have.
const FIRST: u16 = 1;
const LAST: u16 = u16::MAX;

/// A set of port numbers, 1 to 65535.
///
/// Kept as inclusive ranges that are sorted, disjoint and not adjacent, so that the
/// ranges are determined by the members. Ordered by those ranges, the empty set first.
#[derive(Clone)]
pub struct PortSet {
    ranges: Ranges,
}

/// Nearly every set has a handful of ranges, and none of those needs the heap.
#[derive(Clone)]
enum Ranges {
    Few {
        count: u8,
        ranges: [(u16, u16); FEW],
    },
    Many(Box<[(u16, u16)]>),
}

/// As many ranges as fit beside the tag in the space that a boxed slice needs.
const FEW: usize = 5;

impl PortSet {
    /// No port.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            ranges: Ranges::Few {
                count: 0,
                ranges: [(0, 0); FEW],
            },
        }
    }

    /// Every port.
    #[must_use]
    pub const fn all() -> Self {
        let mut ranges = [(0, 0); FEW];
        ranges[0] = (FIRST, LAST);
        Self {
            ranges: Ranges::Few { count: 1, ranges },
        }
    }

    /// One port; none for 0, which is no port.
    #[must_use]
    pub fn single(port: u16) -> Self {
        Self::range(port, port)
    }

    /// The ports `first..=last`; none if `last` is below `first`. 0 is left out.
    #[must_use]
    pub fn range(first: u16, last: u16) -> Self {
        let mut set = Builder::default();
        set.push(first, last);
        set.finish()
    }

    /// The ports of all the inclusive ranges, which may come in any order and overlap.
    #[must_use]
    pub fn from_ranges(ranges: impl IntoIterator<Item = (u16, u16)>) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().collect();
        ranges.sort_unstable();
        let mut set = Builder::default();
        for (first, last) in ranges {
            set.push(first, last);
        }
        set.finish()
    }

    /// The inclusive ranges: sorted, disjoint, not adjacent.
    #[must_use]
    pub fn ranges(&self) -> &[(u16, u16)] {
        match &self.ranges {
            Ranges::Few { count, ranges } => &ranges[..usize::from(*count)],
            Ranges::Many(ranges) => ranges,
        }
    }

    /// The ports that are in one of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_all() || other.is_empty() {
            return self.clone();
        }
        if other.is_all() || self.is_empty() {
            return other.clone();
        }
        let (mut left, mut right) = (self.ranges(), other.ranges());
        let mut set = Builder::default();
        loop {
            let (next, rest) = match (left.split_first(), right.split_first()) {
                (Some((a, rest)), Some((b, _))) if a <= b => (a, (rest, right)),
                (Some((a, rest)), None) => (a, (rest, right)),
                (_, Some((b, rest))) => (b, (left, rest)),
                (None, None) => return set.finish(),
            };
            set.push(next.0, next.1);
            (left, right) = rest;
        }
    }

    /// The ports that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if self.is_all() || other.is_empty() {
            return other.clone();
        }
        if other.is_all() || self.is_empty() {
            return self.clone();
        }
        let (mut left, mut right) = (self.ranges(), other.ranges());
        let mut set = Builder::default();
        while let (Some((a, after_a)), Some((b, after_b))) =
            (left.split_first(), right.split_first())
        {
            set.push(a.0.max(b.0), a.1.min(b.1));
            if a.1 < b.1 {
                left = after_a;
            } else {
                right = after_b;
            }
        }
        set.finish()
    }

    /// The ports that are in this set and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return self.clone();
        }
        self.intersection(&other.complement())
    }

    /// The ports that are not in this set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut set = Builder::default();
        let mut next = Some(FIRST);
        for (first, last) in self.ranges() {
            if let Some(start) = next {
                set.push(start, first - 1);
            }
            next = last.checked_add(1);
        }
        if let Some(start) = next {
            set.push(start, LAST);
        }
        set.finish()
    }

    /// Whether the port is in the set.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.ranges()
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&port))
    }

    /// Whether every port of this set is in the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        let mut rest = other.ranges();
        self.ranges().iter().all(|(first, last)| {
            while rest.first().is_some_and(|range| range.1 < *first) {
                rest = &rest[1..];
            }
            rest.first()
                .is_some_and(|range| range.0 <= *first && *last <= range.1)
        })
    }

    /// Whether no port is in both.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        let mut rest = other.ranges();
        self.ranges().iter().all(|(first, last)| {
            while rest.first().is_some_and(|range| range.1 < *first) {
                rest = &rest[1..];
            }
            rest.first().is_none_or(|range| *last < range.0)
        })
    }

    /// Whether no port is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges().is_empty()
    }

    /// Whether every port is in the set.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.ranges() == [(FIRST, LAST)]
    }
}

/// Takes ranges in the order of their first port and merges what touches.
#[derive(Default)]
struct Builder {
    count: usize,
    few: [(u16, u16); FEW],
    many: Vec<(u16, u16)>,
}

impl Builder {
    fn push(&mut self, first: u16, last: u16) {
        let first = first.max(FIRST);
        if last < first {
            return;
        }
        if let Some(previous) = self.last_mut()
            && u32::from(first) <= u32::from(previous.1) + 1
        {
            previous.1 = previous.1.max(last);
            return;
        }
        if self.count < FEW {
            self.few[self.count] = (first, last);
        } else {
            if self.many.is_empty() {
                self.many.extend(self.few);
            }
            self.many.push((first, last));
        }
        self.count += 1;
    }

    fn last_mut(&mut self) -> Option<&mut (u16, u16)> {
        if self.count <= FEW {
            self.few[..self.count].last_mut()
        } else {
            self.many.last_mut()
        }
    }

    fn finish(self) -> PortSet {
        let ranges = if self.count <= FEW {
            Ranges::Few {
                count: self.count as u8,
                ranges: self.few,
            }
        } else {
            Ranges::Many(self.many.into_boxed_slice())
        };
        PortSet { ranges }
    }
}

impl Default for PortSet {
    fn default() -> Self {
        Self::none()
    }
}

impl PartialEq for PortSet {
    fn eq(&self, other: &Self) -> bool {
        self.ranges() == other.ranges()
    }
}

impl Eq for PortSet {}

impl PartialOrd for PortSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PortSet {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ranges().cmp(other.ranges())
    }
}

impl Hash for PortSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ranges().hash(state);
    }
}

impl fmt::Debug for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortSet({self})")
    }
}

/// `all`, `none`, or numbers and ranges: `80,443,8000-8100`.
impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("all");
        }
        if self.is_empty() {
            return f.write_str("none");
        }
        for (position, (first, last)) in self.ranges().iter().enumerate() {
            let separator = if position == 0 { "" } else { "," };
            write!(f, "{separator}{first}")?;
            if first != last {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

/// A set of connections by their destination: a [`PortSet`] for every protocol.
///
/// Canonical like its parts. Ordered by protocol, in the order of [`Protocol::ALL`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionSet {
    ports: [PortSet; 3],
}

impl ConnectionSet {
    /// No connection.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            ports: [PortSet::none(), PortSet::none(), PortSet::none()],
        }
    }

    /// Every port of every protocol.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            ports: [PortSet::all(), PortSet::all(), PortSet::all()],
        }
    }

    /// Some ports of one protocol, and no other.
    #[must_use]
    pub fn of(protocol: Protocol, ports: PortSet) -> Self {
        let mut set = Self::none();
        set.ports[position(protocol)] = ports;
        set
    }

    /// The ports of a protocol.
    #[must_use]
    pub fn get(&self, protocol: Protocol) -> &PortSet {
        &self.ports[position(protocol)]
    }

    /// The protocols with at least one port, and their ports, in the order of
    /// [`Protocol::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Protocol, &PortSet)> {
        Protocol::ALL
            .into_iter()
            .zip(&self.ports)
            .filter(|(_, ports)| !ports.is_empty())
    }

    /// The connections that are in one of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.by_protocol(other, PortSet::union)
    }

    /// The connections that are in one of several.
    #[must_use]
    pub fn union_of<S: Borrow<Self>>(sets: impl IntoIterator<Item = S>) -> Self {
        let mut ranges: [Vec<(u16, u16)>; 3] = std::array::from_fn(|_| Vec::new());
        for set in sets {
            for (ranges, ports) in ranges.iter_mut().zip(&set.borrow().ports) {
                ranges.extend(ports.ranges());
            }
        }
        let ports = ranges.map(PortSet::from_ranges);
        Self { ports }
    }

    /// The connections that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.by_protocol(other, PortSet::intersection)
    }

    /// The connections that are in this set and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.by_protocol(other, PortSet::difference)
    }

    /// Whether the port of the protocol is in the set.
    #[must_use]
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        self.get(protocol).contains(port)
    }

    /// Whether every connection of this set is in the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.ports
            .iter()
            .zip(&other.ports)
            .all(|(ports, others)| ports.is_subset(others))
    }

    /// Whether no connection is in both.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        let mut both = self.ports.iter().zip(&other.ports);
        both.all(|(ports, others)| ports.is_disjoint(others))
    }

    /// Whether no connection is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ports.iter().all(PortSet::is_empty)
    }

    /// Whether every connection is in the set.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.ports.iter().all(PortSet::is_all)
    }

    fn by_protocol(&self, other: &Self, combine: impl Fn(&PortSet, &PortSet) -> PortSet) -> Self {
        Self {
            ports: std::array::from_fn(|place| combine(&self.ports[place], &other.ports[place])),
        }
    }
}

/// The place of a protocol in [`Protocol::ALL`].
fn position(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Tcp => 0,
        Protocol::Udp => 1,
        Protocol::Sctp => 2,
    }
}

/// `all`, `none`, or ports by protocol: `TCP 80,443; UDP 53`.
impl fmt::Display for ConnectionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("all");
        }
        if self.is_empty() {
            return f.write_str("none");
        }
        for (place, (protocol, ports)) in self.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}{protocol} {ports}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ranges: &[(u16, u16)]) -> PortSet {
        PortSet::from_ranges(ranges.iter().copied())
    }

    #[test]
    fn sets_are_canonical_and_print_shortly() {
        type Ranges = [(u16, u16)];
        let table: &[(&Ranges, &Ranges, &str)] = &[
            (&[], &[], "none"),
            (&[(0, 0)], &[], "none"),
            (&[(9, 8)], &[], "none"),
            (&[(0, 65535)], &[(1, 65535)], "all"),
            (&[(2, 65535), (1, 1)], &[(1, 65535)], "all"),
            (&[(443, 443), (80, 80)], &[(80, 80), (443, 443)], "80,443"),
            (&[(80, 81), (82, 90), (85, 86)], &[(80, 90)], "80-90"),
            (
                &[(65535, 65535), (65534, 65535)],
                &[(65534, 65535)],
                "65534-65535",
            ),
            (
                &[
                    (1, 1),
                    (3, 3),
                    (5, 5),
                    (7, 7),
                    (9, 9),
                    (11, 11),
                    (13, 13),
                    (12, 12),
                ],
                &[(1, 1), (3, 3), (5, 5), (7, 7), (9, 9), (11, 13)],
                "1,3,5,7,9,11-13",
            ),
        ];
        for (written, ranges, printed) in table {
            assert_eq!(set(written).ranges(), *ranges, "{written:?}");
            assert_eq!(set(written).to_string(), *printed, "{written:?}");
        }
        assert_eq!(size_of::<PortSet>(), 24);
    }

    #[test]
    fn connection_sets_print_by_protocol() {
        let web = ConnectionSet::of(Protocol::Tcp, set(&[(80, 80), (443, 443)]));
        let dns = ConnectionSet::of(Protocol::Udp, PortSet::single(53));
        assert_eq!(web.union(&dns).to_string(), "TCP 80,443; UDP 53");
        assert_eq!(
            ConnectionSet::all().difference(&dns).to_string(),
            "TCP all; UDP 1-52,54-65535; SCTP all"
        );
        assert_eq!(web.intersection(&dns).to_string(), "none");
        assert_eq!(ConnectionSet::all().to_string(), "all");
        assert!(web.is_subset(&web.union(&dns)) && !web.union(&dns).is_subset(&web));
    }
}
