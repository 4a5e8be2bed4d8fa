//! Classes of workloads that no policy can tell apart.
//!
//! A namespace's classes are neighbours; pods on the host network, which hardly a selector
//! sees (S10), stand behind all namespaces. So whatever matches whole namespaces or all pods
//! is a few runs of classes.
//!
//! Refuses to know what the policies say about the classes.

use super::HashMap;
use super::addresses::{AddressRange, address_atoms};
use super::columns::Columns;
use super::compiled::{Compiled, Matcher, MatcherId, NameId, Namespaces, Scopes};
use super::endpoint::{PodView, named_ports};
use super::labels::{FeatureId, Features};
use super::program::condition::{Candidate, Condition};
use super::program::identity::Entity;
use super::program::{self, HostNetwork};
use crate::cluster::{Cluster, Cni, NamespaceId, WorkloadId};
use crate::k8s::{Labels, NAMESPACE_NAME_LABEL, Protocol, Truth};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

/// A class, by its place in [`Classes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ClassId(pub(super) u32);

/// A distinct list of named ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ProfileId(pub(super) u32);

/// The named ports of a pod that some policy mentions.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Profile {
    /// Sorted, each once.
    pub(super) ports: Vec<(NameId, Protocol, u16)>,
    /// Whether there may be more of them, as another tool fills in some.
    pub(super) is_open: bool,
}

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
    /// The classes about whose pods themselves not everything is known, in order.
    open: Vec<u32>,
    /// Those whose pods are known, but not all labels of their namespace, in order.
    in_doubtful_namespaces: Vec<u32>,
    /// By matcher with a condition: the classes for which the condition may hold, in order.
    by_condition: Vec<Vec<u32>>,
}

/// What all members of a class have in common; ordered so that neighbours have the same
/// named ports and addresses before the same labels, which keeps runs of columns long.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    profile: Profile,
    /// The atoms of the known addresses: sorted, each once.
    addresses: Vec<u32>,
    features: Vec<FeatureId>,
    /// The matchers with a condition that hold for it, at which of its addresses, and
    /// whether that is certain.
    conditions: Vec<(u32, u8, bool)>,
    /// The namespace of pods on the host network, where a selector may ask for it.
    home: Option<NamespaceId>,
    /// A workload of whose labels or ports another tool fills in some, or its network, so that
    /// it is like no other.
    alone: Option<WorkloadId>,
    /// Whether not everything is known about its labels or those of its namespace.
    is_doubtful: bool,
}

type Groups = BTreeMap<Key, Vec<WorkloadId>>;

impl Classes {
    /// Sorts the workloads that an API server would accept into classes.
    pub(super) fn new(cluster: &Cluster, compiled: &Compiled) -> (Self, Columns) {
        let cni = cluster.enforcement().cni().map(|cni| cni.value);
        let is_by_address = cni == Some(Cni::Calico) && program::calico::is_in_use(cluster);
        let held = match is_by_address {
            true => held(cluster),
            false => Vec::new(),
        };
        // What is held is no part of the outside, so that every atom is held or free.
        let atoms = address_atoms(compiled.ranges.iter().chain(&held).copied());
        let scopes = Scopes::new(compiled, cluster.namespaces().len());
        let sees_host_network = |matcher: &Matcher| {
            matches!(matcher, Matcher::Pods { host_network, .. }
                if *host_network != HostNetwork::Unseen)
        };
        let describe = Describe {
            compiled,
            scopes: &scopes,
            atoms: &atoms,
            sees_host_network: compiled.matchers.values().iter().any(sees_host_network),
            asks_for_added: compiled.asks_for_added(),
            conditions: Conditions::new(compiled),
            cni,
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
            open: Vec::new(),
            in_doubtful_namespaces: Vec::new(),
            by_condition: vec![Vec::new(); compiled.matchers.values().len()],
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
        let first_on_host = classes.len();
        for (key, members) in hosts {
            addresses.push(key.addresses.clone());
            classes.push(key, &members, &mut profiles);
        }
        let enforcement = cluster.enforcement();
        // Only Cilium tells them from addresses.
        let entities = match cni {
            Some(Cni::Cilium) => Entity::ALL.len() as u32,
            _ => 0,
        };
        let is_network_known = |id: &WorkloadId| cluster.workload(*id).object.is_host_network_known;
        let by_blocks = |class: u32| {
            let nodes = Truth::from(enforcement.ip_block_matches_nodes());
            let pods = Truth::from(enforcement.ip_block_matches_pods());
            if class >= first_on_host {
                nodes
            } else if classes.members(ClassId(class)).iter().all(is_network_known) {
                pods
            } else {
                pods.either(nodes)
            }
        };
        let mut columns = Columns::new(
            &addresses,
            first_on_host,
            by_blocks,
            atoms.clone(),
            enforcement,
            entities,
        );
        if is_by_address {
            columns.know_by_address(held);
        }
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
        if key.alone.is_some() {
            self.open.push(class.0);
        } else if key.is_doubtful {
            self.in_doubtful_namespaces.push(class.0);
        }
        for (matcher, ..) in key.conditions {
            let classes = &mut self.by_condition[matcher as usize];
            if classes.last() != Some(&class.0) {
                classes.push(class.0);
            }
        }
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

    /// The classes of pods on the host network.
    pub(super) fn on_host_network(&self) -> Range<u32> {
        self.by_namespace.last().map_or(0, |range| range.end)..self.len()
    }

    /// Those of some classes about whose pods themselves not everything is known.
    pub(super) fn open_among(&self, classes: Range<u32>) -> &[u32] {
        among(&self.open, classes)
    }

    /// Those of some classes whose pods are known, but not all labels of their namespace.
    pub(super) fn in_doubtful_namespaces(&self, classes: Range<u32>) -> &[u32] {
        among(&self.in_doubtful_namespaces, classes)
    }

    /// Those of some classes for which the condition of a matcher may hold.
    pub(super) fn meeting(&self, matcher: MatcherId, classes: Range<u32>) -> &[u32] {
        among(&self.by_condition[matcher.0 as usize], classes)
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

/// Where Calico knows ends by their addresses: of what policies and sets of addresses tell
/// apart, the ranges of which every address is that of a pod.
fn held(cluster: &Cluster) -> Vec<AddressRange> {
    let pods = cluster.workloads().iter();
    let mut addresses: Vec<IpAddr> = pods
        .flat_map(|pod| pod.object.addresses.iter().copied())
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    let holders = |range: &AddressRange| {
        let start = addresses.partition_point(|address| *address < range.first);
        let end = addresses.partition_point(|address| *address <= range.last);
        end - start
    };
    let is_held =
        |range: &AddressRange| holders(range) > 0 && range.count() == Some(holders(range));
    let mut ranges = address_atoms(program::calico::blocks(cluster));
    ranges.retain(is_held);
    ranges
}

/// What it takes to describe a workload.
struct Describe<'a> {
    compiled: &'a Compiled<'a>,
    scopes: &'a Scopes,
    atoms: &'a [AddressRange],
    /// Whether some selector may see pods on the host network.
    sees_host_network: bool,
    /// Whether some selector asks for a label that controllers add.
    asks_for_added: bool,
    conditions: Conditions<'a>,
    cni: Option<Cni>,
}

/// The matchers with a condition, by their places in the table.
struct Conditions<'a> {
    /// For pods of one namespace.
    local: HashMap<NamespaceId, ByLabel<'a>>,
    /// For all pods.
    everywhere: ByLabel<'a>,
}

/// Conditions by a label that they ask of pods, or else of their namespace.
#[derive(Default)]
struct ByLabel<'a> {
    all: Vec<u32>,
    by_label: HashMap<(&'a str, &'a str), Vec<u32>>,
    by_namespace_label: HashMap<(&'a str, &'a str), Vec<u32>>,
    /// Those that ask for none.
    others: Vec<u32>,
}

impl<'a> ByLabel<'a> {
    fn add(&mut self, place: u32, condition: &'a Condition<'_>) {
        self.all.push(place);
        let (map, labels) = match (condition.asked_for(), condition.asked_of_namespaces()) {
            (Some(labels), _) => (&mut self.by_label, labels),
            (None, Some(labels)) => (&mut self.by_namespace_label, labels),
            (None, None) => {
                self.others.push(place);
                return;
            }
        };
        for label in labels {
            map.entry(label).or_default().push(place);
        }
    }

    /// Those that may hold for a pod, in order.
    fn about(&self, pod: &PodView<'_>) -> Cow<'_, [u32]> {
        let is_on_host = pod.host_network || !pod.is_host_network_known;
        if is_on_host || self.may_ask_for_more(pod) {
            return Cow::Borrowed(&self.all);
        }
        if self.by_label.is_empty() && self.by_namespace_label.is_empty() {
            return Cow::Borrowed(&self.others);
        }
        let mut found = self.others.clone();
        for (map, labels) in [
            (&self.by_label, pod.labels),
            (&self.by_namespace_label, pod.namespace.labels),
        ] {
            let places = labels.iter().filter_map(|label| {
                let label = (label.key.value.as_str(), label.value.value.as_str());
                map.get(&label)
            });
            found.extend(places.flatten());
        }
        found.sort_unstable();
        found.dedup();
        Cow::Owned(found)
    }

    /// Whether a pod or its namespace may have labels that are asked for and not known.
    fn may_ask_for_more(&self, pod: &PodView<'_>) -> bool {
        let namespace = &pod.namespace;
        let is_open = |is_known: bool, labels: &Labels| !is_known || labels.have_gaps();
        (!self.by_label.is_empty() && is_open(pod.are_labels_known, pod.labels))
            || (!self.by_namespace_label.is_empty()
                && (is_open(namespace.are_labels_known, namespace.labels)
                    || namespace.labels.get(NAMESPACE_NAME_LABEL) != Some(namespace.name)))
    }
}

impl<'a> Conditions<'a> {
    fn new(compiled: &'a Compiled<'_>) -> Self {
        let mut conditions = Self {
            local: HashMap::default(),
            everywhere: ByLabel::default(),
        };
        for (place, matcher) in (0u32..).zip(compiled.matchers.values()) {
            match matcher {
                Matcher::Pods {
                    namespaces: Namespaces::One(id),
                    condition: Some(condition),
                    ..
                } => {
                    let local = conditions.local.entry(*id).or_default();
                    local.add(place, condition);
                }
                Matcher::Pods {
                    condition: Some(condition),
                    ..
                }
                | Matcher::Condition(condition) => conditions.everywhere.add(place, condition),
                _ => {}
            }
        }
        conditions
    }
}

/// Those of some sorted classes that lie in a range.
fn among(sorted: &[u32], classes: Range<u32>) -> &[u32] {
    let start = sorted.partition_point(|id| *id < classes.start);
    let end = sorted.partition_point(|id| *id < classes.end);
    &sorted[start..end]
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
            self.workload(cluster, id, &mut key);
            self.doubts(cluster, id, &mut key);
            self.conditions(cluster, id, &mut key);
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

    fn workload(&self, cluster: &Cluster, id: WorkloadId, key: &mut Key) {
        let workload = cluster.workload(id);
        let object = &workload.object;
        key.profile.ports.clear();
        if !self.compiled.names.is_empty() {
            let ports = named_ports(object, self.cni).into_iter();
            let ports = ports.filter_map(|(name, protocol, number)| {
                let name = self.compiled.names.get(name)?;
                Some((*name, protocol, number))
            });
            key.profile.ports.extend(ports);
            key.profile.ports.sort_unstable();
            key.profile.ports.dedup();
        }
        key.addresses.clear();
        key.addresses
            .extend(object.addresses.iter().map(|address| self.atom(*address)));
        key.addresses.sort_unstable();
        key.addresses.dedup();
        key.features.clear();
        let is_on_host = object.host_network;
        key.home = (is_on_host && self.sees_host_network).then_some(workload.namespace);
        if !is_on_host || self.sees_host_network {
            let features: &Features = &self.compiled.features;
            features.of(&object.labels, &mut key.features);
            key.features
                .retain(|feature| self.scopes.matters(workload.namespace, *feature));
            key.features.sort_unstable();
        }
    }

    /// What of a workload is not known.
    fn doubts(&self, cluster: &Cluster, id: WorkloadId, key: &mut Key) {
        let pod = self.compiled.left_open.pod(cluster, id);
        let is_asked_for_more = self.asks_for_added && pod.controller.is_some();
        let are_labels_open = !pod.are_labels_known || is_asked_for_more || pod.labels.have_gaps();
        let namespace = &pod.namespace;
        key.profile.is_open = !pod.are_ports_known && !self.compiled.names.is_empty();
        let is_open = are_labels_open || !pod.is_host_network_known;
        key.alone = is_open.then_some(id);
        key.is_doubtful = is_open || !namespace.are_labels_known || namespace.labels.have_gaps();
    }

    /// The conditions that hold for a workload.
    fn conditions(&self, cluster: &Cluster, id: WorkloadId, key: &mut Key) {
        key.conditions.clear();
        let namespace = cluster.workload(id).namespace;
        let Conditions { local, everywhere } = &self.conditions;
        let local = local.get(&namespace);
        if local.is_none() && everywhere.all.is_empty() {
            return;
        }
        let pod = &self.compiled.left_open.pod(cluster, id);
        let everywhere = everywhere.about(pod);
        let local = local.map(|local| local.about(pod)).unwrap_or_default();
        for place in everywhere.iter().chain(local.iter()) {
            let mut add = |slot: u8, truth| {
                if truth != Truth::False {
                    key.conditions.push((*place, slot, truth == Truth::True));
                }
            };
            match &self.compiled.matchers.values()[*place as usize] {
                Matcher::Pods {
                    condition: Some(condition),
                    ..
                } => {
                    let candidate = Candidate::Pod {
                        pod,
                        address: None,
                        is_ipv4: true,
                    };
                    add(0, condition.truth(candidate));
                }
                Matcher::Condition(condition) => {
                    for (slot, is_ipv4) in [(0, true), (1, false)] {
                        let address = None;
                        let candidate = Candidate::Pod {
                            pod,
                            address,
                            is_ipv4,
                        };
                        add(slot, condition.truth(candidate));
                    }
                    // Addresses of one atom are alike, and so are their places in the key.
                    let mut addresses = pod.addresses.to_vec();
                    addresses.sort_unstable();
                    for (slot, address) in (2u8..).zip(addresses) {
                        let candidate = Candidate::Pod {
                            pod,
                            address: Some(address),
                            is_ipv4: address.is_ipv4(),
                        };
                        add(slot, condition.truth(candidate));
                    }
                }
                _ => {}
            }
        }
    }

    fn atom(&self, address: IpAddr) -> u32 {
        self.atoms.partition_point(|atom| atom.last < address) as u32
    }
}
