//! Ranges of IP addresses, and the atoms that a set of blocks cuts the two address
//! spaces into.
//!
//! Refuses to know what an address belongs to: pods, nodes and the outside are all
//! numbers here. The families never mix (S8).

use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All addresses from `first` to `last`, both included, of one family.
///
/// Ordered by family (IPv4 first), then by `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    /// The lowest address.
    pub first: IpAddr,
    /// The highest address: of the same family, and not below `first`.
    pub last: IpAddr,
}

impl AddressRange {
    /// Every IPv4 address.
    pub const IPV4: Self = Self {
        first: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        last: IpAddr::V4(Ipv4Addr::BROADCAST),
    };

    /// Every IPv6 address.
    pub const IPV6: Self = Self {
        first: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        last: IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
    };

    /// The range `first..=last`; `None` if the families differ or `last` is below `first`.
    #[must_use]
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Self { first, last })
    }

    /// Whether the addresses are IPv4.
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        self.first.is_ipv4()
    }

    /// How many addresses it has; `None` where they are more than can be counted.
    pub(super) fn count(&self) -> Option<usize> {
        let distance = match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => u128::from(last.to_bits() - first.to_bits()),
            (IpAddr::V6(first), IpAddr::V6(last)) => last.to_bits() - first.to_bits(),
            _ => return None,
        };
        usize::try_from(distance).ok()?.checked_add(1)
    }

    /// Whether the address lies in the range; never for an address of the other family.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        // `IpAddr` orders every IPv4 address before every IPv6 one.
        self.first <= address && address <= self.last
    }

    /// Whether every address of the other range lies in this one.
    #[must_use]
    pub fn contains_range(&self, other: &Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Whether the ranges have an address in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The addresses that both ranges have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        self.overlaps(other).then(|| Self {
            first: self.first.max(other.first),
            last: self.last.min(other.last),
        })
    }

    /// This range in pieces, in order, such that none of the `blocks` begins or ends
    /// inside a piece: a block holds a piece wholly or not at all.
    #[must_use]
    pub fn cut(&self, blocks: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut starts = vec![self.first];
        for block in blocks {
            starts.extend(block.starts().filter(|start| self.contains(*start)));
        }
        starts.sort_unstable();
        starts.dedup();
        self.pieces(&starts)
    }

    /// The addresses of this range that lie in none of the `blocks`, in order and in as
    /// few ranges as possible.
    #[must_use]
    pub fn without(&self, blocks: &[Self]) -> Vec<Self> {
        let mut inside: Vec<Self> = blocks
            .iter()
            .filter_map(|block| self.intersection(block))
            .collect();
        inside.sort_unstable();
        let mut rest = Vec::new();
        let mut next = Some(self.first);
        for block in inside {
            let Some(start) = next else { return rest };
            if let Some(before) = predecessor(block.first).and_then(|end| Self::new(start, end)) {
                rest.push(before);
            }
            if start <= block.last {
                next = successor(block.last);
            }
        }
        rest.extend(next.and_then(|start| Self::new(start, self.last)));
        rest
    }

    /// Whether every address of some ranges lies in one of the `blocks`: as many steps as there
    /// are of both, but for the sorting.
    #[must_use]
    pub fn are_covered(ranges: &[Self], blocks: &[Self]) -> bool {
        let are_apart = |pair: &[Self]| pair[0].last < pair[1].first && !pair[0].touches(&pair[1]);
        if blocks.windows(2).all(are_apart) {
            return Self::are_within(ranges, blocks);
        }
        let mut blocks = blocks.to_vec();
        blocks.sort_unstable();
        // One block holds all from the start of the first one, as long as the next one begins
        // in it or right behind it.
        blocks.dedup_by(|later, block| {
            let is_joined = later.first <= block.last || block.touches(later);
            if is_joined {
                block.last = block.last.max(later.last);
            }
            is_joined
        });
        Self::are_within(ranges, &blocks)
    }

    /// Whether each of some ranges lies in one of the `blocks`, which stand apart in order.
    fn are_within(ranges: &[Self], blocks: &[Self]) -> bool {
        ranges.iter().all(|range| {
            let behind = blocks.partition_point(|block| block.first <= range.first);
            let block = behind.checked_sub(1).map(|place| blocks[place]);
            block.is_some_and(|block| block.contains_range(range))
        })
    }

    /// The first address behind it, also where that is one of the next family.
    pub(super) fn behind(&self) -> Option<IpAddr> {
        let next_family = self.is_ipv4().then_some(Self::IPV6.first);
        successor(self.last).or(next_family)
    }

    /// Whether the other range begins right behind this one.
    #[must_use]
    pub fn touches(&self, later: &Self) -> bool {
        successor(self.last) == Some(later.first)
    }

    /// Where something begins because of this range: at its first address, and behind
    /// its last one.
    fn starts(&self) -> impl Iterator<Item = IpAddr> {
        [Some(self.first), successor(self.last)]
            .into_iter()
            .flatten()
    }

    /// The pieces that begin at `starts`, the first of which is this range's own.
    fn pieces(&self, starts: &[IpAddr]) -> Vec<Self> {
        let ends = starts[1..].iter().map(|next| {
            predecessor(*next).expect("a later piece starts above the lowest address of its family")
        });
        let ends = ends.chain(std::iter::once(self.last));
        starts
            .iter()
            .zip(ends)
            .map(|(first, last)| Self {
                first: *first,
                last,
            })
            .collect()
    }
}

/// The ranges that the boundaries of all `blocks` cut both address spaces into: every
/// address lies in exactly one, and no block tells two addresses of one apart.
///
/// IPv4 first, then by address. Without any block these are the two whole spaces.
#[must_use]
pub fn address_atoms(blocks: impl IntoIterator<Item = AddressRange>) -> Vec<AddressRange> {
    let blocks: Vec<AddressRange> = blocks.into_iter().collect();
    let mut atoms = AddressRange::IPV4.cut(blocks.iter().copied());
    atoms.extend(AddressRange::IPV6.cut(blocks));
    atoms
}

/// The addresses that lie in at least one of the `blocks`, in order and in as few ranges
/// as possible.
pub(super) fn merge_ranges(mut blocks: Vec<AddressRange>) -> Vec<AddressRange> {
    blocks.sort_unstable();
    let mut merged: Vec<AddressRange> = Vec::with_capacity(blocks.len());
    for block in blocks {
        match merged.last_mut() {
            Some(last) if last.overlaps(&block) || last.touches(&block) => {
                last.last = last.last.max(block.last)
            }
            _ => merged.push(block),
        }
    }
    merged
}

/// The next address of the family; `None` behind the highest one.
fn successor(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => address
            .to_bits()
            .checked_add(1)
            .map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(address) => address
            .to_bits()
            .checked_add(1)
            .map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

/// The address before; `None` at the lowest one of the family.
fn predecessor(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => address
            .to_bits()
            .checked_sub(1)
            .map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(address) => address
            .to_bits()
            .checked_sub(1)
            .map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

/// The addresses of a block; host bits are masked off: `10.0.0.77/8` is `10.0.0.0/8` (S8).
impl From<IpNet> for AddressRange {
    fn from(block: IpNet) -> Self {
        Self {
            first: block.network(),
            last: block.broadcast(),
        }
    }
}

/// The range of one address.
impl From<IpAddr> for AddressRange {
    fn from(address: IpAddr) -> Self {
        Self {
            first: address,
            last: address,
        }
    }
}

/// `LO-HI`, IPv6 compressed and in lower case (S14); a single address is `LO-LO` too.
impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> AddressRange {
        text.parse::<IpNet>()
            .expect("a test writes valid blocks")
            .into()
    }

    fn printed(ranges: &[AddressRange]) -> Vec<String> {
        ranges.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn host_bits_are_masked_off() {
        assert_eq!(block("10.0.0.77/8").to_string(), "10.0.0.0-10.255.255.255");
        assert_eq!(
            block("FD00::1/8").to_string(),
            "fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        );
        assert_eq!(block("0.0.0.0/0"), AddressRange::IPV4);
        assert_eq!(block("::/0"), AddressRange::IPV6);
    }

    #[test]
    fn families_never_mix() {
        assert!(!AddressRange::IPV6.contains("10.0.0.1".parse().expect("valid")));
        assert!(!AddressRange::IPV4.contains("::1".parse().expect("valid")));
        assert!(!AddressRange::IPV4.overlaps(&AddressRange::IPV6));
        assert_eq!(
            AddressRange::new(AddressRange::IPV4.first, AddressRange::IPV6.last),
            None
        );
    }

    #[test]
    fn ranges_are_covered_where_nothing_is_left_of_them() {
        let small = |first: u8, last: u8| {
            let [first, last] = [first, last].map(|last| IpAddr::from([10, 0, 0, last]));
            AddressRange::new(first, last).expect("in order")
        };
        let mut covered = 0;
        for case in 0_u32..4_096 {
            let bits = case.wrapping_mul(2_654_435_761);
            let at = |shift: u32| (bits >> shift & 7) as u8;
            let range = |shift: u32| small(at(shift), at(shift) + at(shift + 3) % 4);
            let ranges = [range(0), range(5)];
            let blocks = vec![range(10), range(15), range(20), AddressRange::IPV6];
            let expected = ranges.iter().all(|range| range.without(&blocks).is_empty());
            covered += u32::from(expected);
            let found = AddressRange::are_covered(&ranges, &blocks);
            assert_eq!(found, expected, "{ranges:?} by {blocks:?}");
        }
        assert!(covered > 100, "{covered}");
        assert!(AddressRange::are_covered(&[], &[]));
        let ends = ["0.0.0.0/1", "128.0.0.0/1"].map(block).to_vec();
        assert!(AddressRange::are_covered(&[AddressRange::IPV4], &ends));
    }

    #[test]
    fn atoms_are_cut_at_every_boundary() {
        let ends = [
            "0.0.0.0/32",
            "255.255.255.255/32",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
        ];
        let table: &[(&[&str], &[&str])] = &[
            (
                &[],
                &[
                    "0.0.0.0-255.255.255.255",
                    "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                ],
            ),
            (
                &["10.0.0.0/8", "10.1.0.0/16", "::/0"],
                &[
                    "0.0.0.0-9.255.255.255",
                    "10.0.0.0-10.0.255.255",
                    "10.1.0.0-10.1.255.255",
                    "10.2.0.0-10.255.255.255",
                    "11.0.0.0-255.255.255.255",
                    "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                ],
            ),
            (
                &ends,
                &[
                    "0.0.0.0-0.0.0.0",
                    "0.0.0.1-255.255.255.254",
                    "255.255.255.255-255.255.255.255",
                    "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
                    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                ],
            ),
        ];
        for (blocks, atoms) in table {
            let cut = address_atoms(blocks.iter().map(|text| block(text)));
            assert_eq!(printed(&cut), *atoms, "{blocks:?}");
        }
    }

    #[test]
    fn exceptions_leave_the_rest_in_as_few_ranges_as_possible() {
        let rest = block("10.0.0.0/29").without(&[block("10.0.0.2/31"), block("10.0.0.3/32")]);
        assert_eq!(printed(&rest), ["10.0.0.0-10.0.0.1", "10.0.0.4-10.0.0.7"]);
        assert_eq!(block("::/0").without(&[block("::/0")]), []);
        assert_eq!(
            block("10.0.0.0/8").without(&[block("fd00::/8")]),
            [block("10.0.0.0/8")]
        );
    }
}
