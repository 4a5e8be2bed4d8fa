//! The *columns*: the ends of a connection as the engine counts them. Every class of pods has
//! one for each address that its pods may use, and every atom of the outside has one. The
//! outside stands behind all pods, and what is neither behind the outside.
//!
//! Refuses to know what the policies say about them.

use super::addresses::{AddressRange, merge_ranges};
use super::classes::ClassId;
use super::runs::Runs;
use crate::cluster::Enforcement;
use crate::k8s::Truth;
use std::net::IpAddr;
use std::ops::Range;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::Ipv4, Self::Ipv6];
}

/// Where an address is that is not known (S9): in the ranges of pods or, on the host network, in
/// those of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Somewhere {
    family: Family,
    is_on_host: bool,
}

impl Somewhere {
    /// How many there are.
    pub(super) const COUNT: usize = 4;

    /// All of them, by their index.
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::new(Family::Ipv4, false),
        Self::new(Family::Ipv6, false),
        Self::new(Family::Ipv4, true),
        Self::new(Family::Ipv6, true),
    ];

    const fn new(family: Family, is_on_host: bool) -> Self {
        Self { family, is_on_host }
    }

    /// Its place among all of them.
    pub(super) fn index(self) -> usize {
        self.family as usize + 2 * usize::from(self.is_on_host)
    }
}

/// The address that a column of a pod stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A known one, in this atom.
    In(u32),
    /// One that is not known.
    Unknown(Somewhere),
}

/// The ends of connections.
#[derive(Debug)]
pub(super) struct Columns {
    /// By class: its first column; one more than there are classes.
    starts: Vec<u32>,
    /// By column of a pod.
    places: Vec<Place>,
    /// Whether a known address of a pod is IPv6.
    has_ipv6: bool,
    /// Pods by the atom of their address: atom, then column; those that blocks never match
    /// are not among them (S15).
    by_atom: Vec<(u32, u32)>,
    /// The columns of which nobody knows whether blocks match them; nearly always none.
    in_doubt: Vec<(Place, u32)>,
    /// The columns of unknown addresses that blocks may match, by where these may be.
    unknown: [Runs; Somewhere::COUNT],
    /// The atoms that these addresses may be in, in order.
    possible: [Vec<u32>; Somewhere::COUNT],
    atoms: Vec<AddressRange>,
    /// How many of the atoms are IPv4.
    ipv4_atoms: u32,
    /// How many ends there are that are neither pods nor outside.
    entities: u32,
    /// Under Calico, which knows an end by its address alone: the atoms of which every
    /// address is that of a pod, so that nobody outside has one of them.
    held: Vec<AddressRange>,
    /// Whether pods of known addresses meet the outside in the families of these only.
    is_by_address: bool,
}

impl Columns {
    /// `addresses_of` has the atoms of the known addresses of every class, sorted; the classes
    /// from `first_on_host` on are those on the host network, and `by_blocks` tells of a class
    /// whether blocks match its addresses (S15).
    pub(super) fn new(
        addresses_of: &[Vec<u32>],
        first_on_host: u32,
        by_blocks: impl Fn(u32) -> Truth,
        atoms: Vec<AddressRange>,
        enforcement: &Enforcement,
        entities: u32,
    ) -> Self {
        let ipv4_atoms = atoms.partition_point(AddressRange::is_ipv4) as u32;
        let is_ipv4 = |atom: &u32| *atom < ipv4_atoms;
        let mut all = addresses_of.iter().flatten();
        let has_ipv6 = all.any(|atom| !is_ipv4(atom));
        let is_ipv4_only = |of: &Vec<u32>| !of.is_empty() && of.iter().all(is_ipv4);
        let some_ipv4_only = addresses_of.iter().any(is_ipv4_only);
        let mut columns = Self {
            starts: vec![0],
            places: Vec::with_capacity(addresses_of.len()),
            has_ipv6,
            by_atom: Vec::new(),
            in_doubt: Vec::new(),
            unknown: Default::default(),
            possible: Somewhere::ALL.map(|somewhere| possible(somewhere, &atoms, enforcement)),
            atoms,
            ipv4_atoms,
            entities,
            held: Vec::new(),
            is_by_address: false,
        };
        for (class, addresses) in (0u32..).zip(addresses_of) {
            let is_matched = by_blocks(class);
            let somewhere = |family| Place::Unknown(Somewhere::new(family, class >= first_on_host));
            for atom in addresses {
                columns.push(Place::In(*atom), is_matched);
            }
            let has_ipv4 = addresses.iter().any(is_ipv4);
            // Two ends without a family in common meet in IPv4, where the IPv6 one has an
            // address that is not known.
            if addresses.is_empty() || (!has_ipv4 && some_ipv4_only) {
                columns.push(somewhere(Family::Ipv4), is_matched);
            }
            if addresses.is_empty() && has_ipv6 {
                columns.push(somewhere(Family::Ipv6), is_matched);
            }
            columns.starts.push(columns.places.len() as u32);
        }
        columns.by_atom.sort_unstable();
        columns
    }

    /// Lets ends be known by their addresses alone, of which pods hold all of some atoms.
    pub(super) fn know_by_address(&mut self, held: Vec<AddressRange>) {
        self.is_by_address = true;
        self.held = held;
    }

    /// The atoms that nobody outside has an address in.
    pub(super) fn held(&self) -> &[AddressRange] {
        &self.held
    }

    /// Whether a class and addresses outside of a family can meet.
    pub(super) fn meets_outside(&self, class: ClassId, is_ipv4: bool) -> bool {
        let families = self.families(&self.columns(class));
        !self.is_by_address || families == [false; 2] || families[usize::from(!is_ipv4)]
    }

    fn push(&mut self, place: Place, is_matched: Truth) {
        let column = self.places.len() as u32;
        self.places.push(place);
        match (place, is_matched) {
            (_, Truth::False) => {}
            (_, Truth::Unknown) => self.in_doubt.push((place, column)),
            (Place::In(atom), Truth::True) => self.by_atom.push((atom, column)),
            (Place::Unknown(somewhere), Truth::True) => {
                self.unknown[somewhere.index()].push(column, column + 1);
            }
        }
    }

    /// The columns that some atoms of a family may match: those of pods of which nobody knows
    /// whether blocks match them.
    pub(super) fn in_doubt(&self, atoms: &Range<u32>) -> impl Iterator<Item = u32> {
        let may_hold = |place: &Place| match place {
            Place::In(atom) => atoms.contains(atom),
            Place::Unknown(somewhere) => {
                (self.possible(*somewhere).iter()).any(|atom| atoms.contains(atom))
            }
        };
        let columns = self.in_doubt.iter();
        columns.filter_map(move |(place, column)| may_hold(place).then_some(*column))
    }

    /// How many columns there are.
    pub(super) fn len(&self) -> u32 {
        self.pods() + self.atoms.len() as u32 + self.entities
    }

    /// How many columns are pods; those of the outside stand behind them.
    pub(super) fn pods(&self) -> u32 {
        self.places.len() as u32
    }

    /// The first column of a class; of the number of classes, the end of all pods.
    pub(super) fn start(&self, class: u32) -> u32 {
        self.starts[class as usize]
    }

    /// The class of a column of a pod.
    pub(super) fn class_at(&self, column: u32) -> ClassId {
        ClassId(self.starts.partition_point(|start| *start <= column) as u32 - 1)
    }

    /// The ranges that the outside is cut into; IPv4 first.
    pub(super) fn atoms(&self) -> &[AddressRange] {
        &self.atoms
    }

    /// The column of an atom of the outside.
    pub(super) fn outside(&self, atom: u32) -> u32 {
        self.pods() + atom
    }

    /// How many ends there are that are neither pods nor outside; their columns stand last.
    pub(super) fn entities(&self) -> u32 {
        self.entities
    }

    /// The column of such an end.
    pub(super) fn entity(&self, place: u32) -> u32 {
        self.outside(self.atoms.len() as u32) + place
    }

    /// What a column of a pod stands for: an address like all of its atom, if it is known,
    /// and whether it is IPv4.
    pub(super) fn address(&self, column: u32) -> (Option<IpAddr>, bool) {
        match self.places[column as usize] {
            Place::In(atom) => {
                let address = self.atoms[atom as usize].first;
                (Some(address), address.is_ipv4())
            }
            Place::Unknown(somewhere) => (None, somewhere.family == Family::Ipv4),
        }
    }

    /// The columns of pods whose known address lies in one of the atoms, by atom.
    pub(super) fn with_address_in(&self, atoms: Range<u32>) -> impl Iterator<Item = u32> {
        let start = self
            .by_atom
            .partition_point(|(atom, _)| *atom < atoms.start);
        let end = self.by_atom.partition_point(|(atom, _)| *atom < atoms.end);
        self.by_atom[start..end].iter().map(|(_, column)| *column)
    }

    /// The columns whose address is not known, and that blocks may match.
    pub(super) fn unknown(&self, somewhere: Somewhere) -> &Runs {
        &self.unknown[somewhere.index()]
    }

    /// The atoms that an unknown address may be in, in order.
    pub(super) fn possible(&self, somewhere: Somewhere) -> &[u32] {
        &self.possible[somewhere.index()]
    }

    /// The atoms that have an address in common with a range.
    pub(super) fn atoms_meeting(&self, range: &AddressRange) -> Range<u32> {
        let start = self.atoms.partition_point(|atom| atom.last < range.first);
        let end = self.atoms.partition_point(|atom| atom.first <= range.last);
        start as u32..end as u32
    }

    /// The columns that a connection between two classes may use, as (source,
    /// destination): every pair of addresses of a family that both have. An end whose
    /// address is not known has one of the family of the other, and both of IPv4; where
    /// there is no common family, IPv4 it is (S9).
    pub(super) fn ways(&self, source: ClassId, destination: ClassId) -> Ways {
        let (from, to) = (self.columns(source), self.columns(destination));
        if from.len() == 1 && to.len() == 1 && !self.has_ipv6 {
            return Ways::One((from.start, to.start));
        }
        let (of_source, of_destination) = (self.families(&from), self.families(&to));
        let either_unknown = of_source == [false; 2] || of_destination == [false; 2];
        let mut families = [0, 1].map(|family| {
            if either_unknown {
                of_source[family] || of_destination[family]
            } else {
                of_source[family] && of_destination[family]
            }
        });
        if families == [false; 2] {
            families[0] = true;
        }
        let mut ways = Vec::new();
        for family in Family::BOTH {
            if families[family as usize] {
                for source in self.of_family(&from, family) {
                    let destinations = self.of_family(&to, family);
                    ways.extend(destinations.map(|destination| (source, destination)));
                }
            }
        }
        Ways::Many(ways)
    }

    fn columns(&self, class: ClassId) -> Range<u32> {
        self.start(class.0)..self.start(class.0 + 1)
    }

    /// Of which families a class has known addresses.
    fn families(&self, columns: &Range<u32>) -> [bool; 2] {
        let places = &self.places[columns.start as usize..columns.end as usize];
        let has = |wanted: bool| {
            places.iter().any(
                |place| matches!(place, Place::In(atom) if (*atom < self.ipv4_atoms) == wanted),
            )
        };
        [has(true), has(false)]
    }

    /// The columns of a class for the addresses of a family: the known ones, else the one
    /// for the unknown address.
    fn of_family(
        &self,
        columns: &Range<u32>,
        family: Family,
    ) -> impl Iterator<Item = u32> + use<'_> {
        columns
            .clone()
            .filter(move |column| match self.places[*column as usize] {
                Place::In(atom) => (atom < self.ipv4_atoms) == (family == Family::Ipv4),
                Place::Unknown(of) => of.family == family,
            })
    }
}

/// The atoms that meet the ranges of such addresses.
fn possible(somewhere: Somewhere, atoms: &[AddressRange], enforcement: &Enforcement) -> Vec<u32> {
    let ranges = enforcement.unknown_address(somewhere.is_on_host);
    let ranges = ranges.map(AddressRange::from);
    let ranges = ranges
        .filter(|range| range.is_ipv4() == (somewhere.family == Family::Ipv4))
        .collect();
    let ranges = merge_ranges(ranges);
    let meets = |atom: &AddressRange| ranges.iter().any(|range| range.overlaps(atom));
    (0u32..)
        .zip(atoms)
        .filter(|(_, atom)| meets(atom))
        .map(|(place, _)| place)
        .collect()
}

/// The pairs of columns that a connection may use.
#[derive(Clone, Debug)]
pub(super) enum Ways {
    One((u32, u32)),
    Many(Vec<(u32, u32)>),
}

impl Ways {
    pub(super) fn as_slice(&self) -> &[(u32, u32)] {
        match self {
            Self::One(way) => std::slice::from_ref(way),
            Self::Many(ways) => ways,
        }
    }
}
