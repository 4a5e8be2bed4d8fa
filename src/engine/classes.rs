//! Classes of workloads that no policy can tell apart, and the *columns*: the ends of a
//! connection as the engine counts them.
//!
//! A namespace's classes are neighbours; pods on the host network, which no selector sees
//! (S10), stand behind all namespaces, and the outside behind all pods. So whatever
//! matches whole namespaces, all pods or everybody is a few runs of columns.
//!
//! Refuses to know what the policies say about the classes.

use super::HashMap;
use super::addresses::{AddressRange, address_atoms};
use super::labels::{FeatureId, Features};
use super::program::{NameId, Program, Scopes};
use crate::cluster::{Cluster, NamespaceId, Workload, WorkloadId};
use crate::k8s::Protocol;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

/// A class, by its place in [`Classes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ClassId(pub(super) u32);

/// A distinct list of named ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ProfileId(pub(super) u32);

/// The named ports of a pod that some policy mentions: sorted, each once.
pub(super) type Profile = Vec<(NameId, Protocol, u16)>;

/// Workloads in classes. A class of selectable pods lies in one namespace.
#[derive(Debug)]
pub(super) struct Classes {
    /// By workload; `None` for what an API server would refuse.
    class_of: Vec<Option<ClassId>>,
    /// By class: where its members start in `members`; one more than there are classes.
    starts: Vec<u32>,
    members: Vec<WorkloadId>,
    /// By class: the features that matter, sorted; none on the host network.
    features: Vec<Vec<FeatureId>>,
    profile_of: Vec<ProfileId>,
    profiles: Vec<Profile>,
    /// By namespace: its classes of selectable pods.
    by_namespace: Vec<Range<u32>>,
}

/// What all members of a class have in common; ordered so that neighbours have the same
/// named ports and addresses before the same labels, which keeps runs of columns long.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    profile: Profile,
    /// The atoms of the known addresses: sorted, each once.
    addresses: Vec<u32>,
    features: Vec<FeatureId>,
}

type Groups = BTreeMap<Key, Vec<WorkloadId>>;

impl Classes {
    /// Sorts the workloads that an API server would accept into classes.
    pub(super) fn new(cluster: &Cluster, program: &Program) -> (Self, Columns) {
        let atoms = address_atoms(program.ranges.iter().copied());
        let scopes = Scopes::new(program, cluster.namespaces().len());
        let describe = Describe {
            program,
            scopes: &scopes,
            atoms: &atoms,
        };
        let namespaces: Vec<NamespaceId> = cluster.namespace_ids().collect();
        let grouped: Vec<(Groups, Groups)> = namespaces
            .par_iter()
            .map(|namespace| describe.namespace(cluster, *namespace))
            .collect();

        let mut classes = Self {
            class_of: vec![None; cluster.workloads().len()],
            starts: vec![0],
            members: Vec::with_capacity(cluster.workloads().len()),
            features: Vec::new(),
            profile_of: Vec::new(),
            profiles: Vec::new(),
            by_namespace: Vec::with_capacity(namespaces.len()),
        };
        let mut profiles = HashMap::default();
        let mut addresses = Vec::new();
        let mut hosts = Groups::new();
        for (selectable, on_host) in grouped {
            let start = classes.len();
            for (key, members) in selectable {
                addresses.push(key.addresses.clone());
                classes.push(key, &members, &mut profiles);
            }
            classes.by_namespace.push(start..classes.len());
            for (key, members) in on_host {
                hosts.entry(key).or_default().extend(members);
            }
        }
        for (key, members) in hosts {
            addresses.push(key.addresses.clone());
            classes.push(key, &members, &mut profiles);
        }
        let columns = Columns::new(&addresses, atoms);
        (classes, columns)
    }

    fn push(&mut self, key: Key, members: &[WorkloadId], ids: &mut HashMap<Profile, ProfileId>) {
        let class = ClassId(self.len());
        for member in members {
            self.class_of[member.index()] = Some(class);
        }
        self.members.extend(members);
        self.starts.push(self.members.len() as u32);
        self.features.push(key.features);
        let profile = *ids.entry(key.profile).or_insert_with_key(|profile| {
            self.profiles.push(profile.clone());
            ProfileId(self.profiles.len() as u32 - 1)
        });
        self.profile_of.push(profile);
    }

    /// How many classes there are.
    pub(super) fn len(&self) -> u32 {
        self.starts.len() as u32 - 1
    }

    /// All classes, in order.
    pub(super) fn ids(&self) -> impl ExactSizeIterator<Item = ClassId> + use<> {
        (0..self.len()).map(ClassId)
    }

    /// The class of a workload; `None` if an API server would refuse the object.
    pub(super) fn of(&self, workload: WorkloadId) -> Option<ClassId> {
        self.class_of[workload.index()]
    }

    /// The workloads of a class, in order.
    pub(super) fn members(&self, class: ClassId) -> &[WorkloadId] {
        let place = class.0 as usize;
        &self.members[self.starts[place] as usize..self.starts[place + 1] as usize]
    }

    /// The features of every class, sorted.
    pub(super) fn features(&self) -> &[Vec<FeatureId>] {
        &self.features
    }

    /// The classes of a namespace that selectors see.
    pub(super) fn in_namespace(&self, namespace: NamespaceId) -> Range<u32> {
        self.by_namespace[namespace.index()].clone()
    }

    /// The named ports of a class.
    pub(super) fn profile(&self, class: ClassId) -> ProfileId {
        self.profile_of[class.0 as usize]
    }

    /// All lists of named ports.
    pub(super) fn profiles(&self) -> &[Profile] {
        &self.profiles
    }
}

/// What it takes to describe a workload.
struct Describe<'a> {
    program: &'a Program<'a>,
    scopes: &'a Scopes,
    atoms: &'a [AddressRange],
}

impl Describe<'_> {
    /// The selectable pods of a namespace, and those on the host network.
    fn namespace(&self, cluster: &Cluster, namespace: NamespaceId) -> (Groups, Groups) {
        let (mut selectable, mut on_host) = (Groups::new(), Groups::new());
        let mut key = Key::default();
        for id in cluster.workloads_in(namespace) {
            let workload = cluster.workload(id);
            if !workload.object.meta.is_accepted {
                continue;
            }
            self.workload(workload, &mut key);
            let groups = if workload.object.host_network {
                &mut on_host
            } else {
                &mut selectable
            };
            match groups.get_mut(&key) {
                Some(members) => members.push(id),
                None => {
                    groups.insert(key.clone(), vec![id]);
                }
            }
        }
        (selectable, on_host)
    }

    fn workload(&self, workload: &Workload, key: &mut Key) {
        let object = &workload.object;
        key.profile.clear();
        if !self.program.names.is_empty() {
            key.profile
                .extend(object.named_ports().filter_map(|(name, protocol, number)| {
                    self.program
                        .names
                        .get(name)
                        .map(|name| (*name, protocol, number))
                }));
            key.profile.sort_unstable();
            key.profile.dedup();
        }
        key.addresses.clear();
        key.addresses
            .extend(object.addresses.iter().map(|address| self.atom(*address)));
        key.addresses.sort_unstable();
        key.addresses.dedup();
        key.features.clear();
        if !object.host_network {
            let features: &Features = &self.program.features;
            features.of(&object.labels, &mut key.features);
            key.features
                .retain(|feature| self.scopes.matters(workload.namespace, *feature));
            key.features.sort_unstable();
        }
    }

    fn atom(&self, address: IpAddr) -> u32 {
        self.atoms.partition_point(|atom| atom.last < address) as u32
    }
}

/// An address as policies see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Unknown,
    Ipv4,
    Ipv6,
}

/// The ends of connections. Every class has a column for each of its addresses, or one
/// for its unknown address; every atom of the outside has one.
#[derive(Debug)]
pub(super) struct Columns {
    /// By class: its first column; one more than there are classes.
    starts: Vec<u32>,
    /// By column of a pod: the atom of the address, `None` if that is unknown.
    addresses: Vec<Option<u32>>,
    /// By class with known addresses: whether its last column stands for a pod of unknown
    /// address beside them, for peers with which it shares no family (S9).
    has_spare: bool,
    /// Pods by the atom of their address: atom, then column.
    by_atom: Vec<(u32, u32)>,
    atoms: Vec<AddressRange>,
    /// How many of the atoms are IPv4.
    ipv4_atoms: u32,
}

impl Columns {
    fn new(addresses_of: &[Vec<u32>], atoms: Vec<AddressRange>) -> Self {
        let ipv4_atoms = atoms.partition_point(AddressRange::is_ipv4) as u32;
        let is_only = |addresses: &Vec<u32>, ipv4: bool| {
            !addresses.is_empty() && addresses.iter().all(|atom| (*atom < ipv4_atoms) == ipv4)
        };
        let some_only = |ipv4| {
            addresses_of
                .iter()
                .any(|addresses| is_only(addresses, ipv4))
        };
        let mut columns = Self {
            starts: vec![0],
            addresses: Vec::with_capacity(addresses_of.len()),
            has_spare: some_only(true) && some_only(false),
            by_atom: Vec::new(),
            atoms,
            ipv4_atoms,
        };
        for addresses in addresses_of {
            for atom in addresses {
                columns
                    .by_atom
                    .push((*atom, columns.addresses.len() as u32));
                columns.addresses.push(Some(*atom));
            }
            if addresses.is_empty() || columns.has_spare {
                columns.addresses.push(None);
            }
            columns.starts.push(columns.addresses.len() as u32);
        }
        columns.by_atom.sort_unstable();
        columns
    }

    /// How many columns there are.
    pub(super) fn len(&self) -> u32 {
        self.pods() + self.atoms.len() as u32
    }

    /// How many columns are pods; those of the outside stand behind them.
    pub(super) fn pods(&self) -> u32 {
        self.addresses.len() as u32
    }

    /// The first column of a class; of the number of classes, the end of all pods.
    pub(super) fn start(&self, class: u32) -> u32 {
        self.starts[class as usize]
    }

    /// The ranges that the outside is cut into; IPv4 first.
    pub(super) fn atoms(&self) -> &[AddressRange] {
        &self.atoms
    }

    /// The column of an atom of the outside.
    pub(super) fn outside(&self, atom: u32) -> u32 {
        self.pods() + atom
    }

    /// The columns of pods whose address lies in one of the atoms, by atom.
    pub(super) fn with_address_in(&self, atoms: Range<u32>) -> impl Iterator<Item = u32> {
        let start = self
            .by_atom
            .partition_point(|(atom, _)| *atom < atoms.start);
        let end = self.by_atom.partition_point(|(atom, _)| *atom < atoms.end);
        self.by_atom[start..end].iter().map(|(_, column)| *column)
    }

    /// The columns of pods whose address is unknown, in order.
    pub(super) fn with_unknown_address(&self) -> impl Iterator<Item = u32> {
        (0u32..)
            .zip(&self.addresses)
            .filter(|(_, atom)| atom.is_none())
            .map(|(column, _)| column)
    }

    /// The atoms that have an address in common with a range.
    pub(super) fn atoms_meeting(&self, range: &AddressRange) -> Range<u32> {
        let start = self.atoms.partition_point(|atom| atom.last < range.first);
        let end = self.atoms.partition_point(|atom| atom.first <= range.last);
        start as u32..end as u32
    }

    /// The columns that a connection between two classes may use, as (source,
    /// destination): every pair of addresses of one family, an unknown address going with
    /// any; where there is none, both addresses count as unknown (S9).
    pub(super) fn ways(&self, source: ClassId, destination: ClassId) -> Ways {
        let (from, to) = (self.columns(source), self.columns(destination));
        if from.len() == 1 && to.len() == 1 && !self.has_spare {
            let way = (from.start, to.start);
            let (a, b) = (self.family(way.0), self.family(way.1));
            debug_assert!(a == b || a == Family::Unknown || b == Family::Unknown);
            return Ways::One(way);
        }
        let (from_known, to_known) = (self.known(&from), self.known(&to));
        let mut ways = Vec::new();
        for a in from_known {
            for b in to_known.clone() {
                let (left, right) = (self.family(a), self.family(b));
                if left == right || left == Family::Unknown || right == Family::Unknown {
                    ways.push((a, b));
                }
            }
        }
        if ways.is_empty() {
            ways.push((from.end - 1, to.end - 1));
        }
        Ways::Many(ways)
    }

    fn columns(&self, class: ClassId) -> Range<u32> {
        self.start(class.0)..self.start(class.0 + 1)
    }

    /// The columns of a class but for its spare one.
    fn known(&self, columns: &Range<u32>) -> Range<u32> {
        let has_spare = self.has_spare && columns.len() > 1;
        columns.start..columns.end - u32::from(has_spare)
    }

    fn family(&self, column: u32) -> Family {
        match self.addresses[column as usize] {
            None => Family::Unknown,
            Some(atom) if atom < self.ipv4_atoms => Family::Ipv4,
            Some(_) => Family::Ipv6,
        }
    }
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
