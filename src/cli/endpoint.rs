//! The ends of a question as a person types them (`shop/web`, `shop/app=web`, `internet`),
//! and the pods and addresses of a cluster that they mean.
//!
//! Pure: is handed the cluster, returns values. Refuses to know ports, policies, and how
//! an answer or a mistake is printed.

mod expected;
mod entities;
mod form;
mod released;
mod replica;
mod special;
mod unknown;

pub(crate) use entities::special_names;
pub(crate) use form::{Form, Mistake, UNNAMED, is_kind};
pub(crate) use special::blocks;
pub(crate) use unknown::Candidate;

use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL, NamespaceId, ServiceId, WorkloadId};
use crate::engine::{AddressRange, Endpoint, Entity, NamespaceView, PodView};
use crate::k8s::{Labels, ReleasedPods, WorkloadKind};
use crate::lint::Inventory;
use crate::output::range_name;
use crate::source::SourceId;
use std::net::IpAddr;

/// What one end of a question means in a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// As it was typed.
    pub(crate) text: String,
    /// Everything that it means: never empty.
    pub(crate) ends: Vec<End>,
    /// The Service that was named, whose pods are meant.
    pub(crate) service: Option<ServiceId>,
    /// Whether more than one object was asked for by nature: labels, a Service, `any`.
    pub(crate) is_selection: bool,
    /// Whether an object was named that its owner stands for.
    pub(crate) is_owned: bool,
    /// What a person should know about the reading: lower case, no full stop.
    pub(crate) notes: Vec<String>,
}

/// One pod, or one range of addresses.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// A workload of the cluster.
    Workload(WorkloadId),
    /// A pod by one of its addresses, the position of which this is: the others are not
    /// asked for.
    Address(WorkloadId, usize),
    /// One pod of a StatefulSet, by the number in its name.
    Replica(WorkloadId, u32),
    /// A pod that does not exist yet.
    Hypothetical(Box<HypotheticalPod>),
    /// Addresses outside; policies may tell its parts apart.
    Addresses(AddressRange),
    /// A node, the API server or another end that Cilium tells apart.
    Entity(Entity),
    /// A name of the DNS.
    Domain(String),
}

/// A pod that does not exist yet.
#[derive(Clone, Debug)]
pub(crate) struct HypotheticalPod {
    /// As it was typed.
    pub(crate) name: String,
    namespace: HypotheticalNamespace,
    labels: Labels,
    /// The pods of a release of a chart that it is one of.
    released: Option<ReleasedPods>,
    host_network: bool,
}

/// The namespace of a pod that does not exist yet.
#[derive(Clone, Debug)]
enum HypotheticalNamespace {
    Present(NamespaceId),
    New {
        name: String,
        labels: Labels,
        are_labels_known: bool,
    },
}

impl End {
    /// The end as the engine sees it. `addresses` of an end outside must be uniform.
    pub(crate) fn endpoint<'c>(
        &'c self,
        cluster: &'c Cluster,
        inventory: &Inventory,
    ) -> Endpoint<'c> {
        let mut pod = match self {
            Self::Addresses(range) => return Endpoint::Address(*range),
            Self::Entity(entity) => return Endpoint::Entity(*entity),
            Self::Domain(name) => return Endpoint::Name(name),
            Self::Workload(id) => PodView::workload(cluster, *id),
            Self::Address(id, place) => {
                let pod = PodView::workload(cluster, *id);
                PodView {
                    addresses: &pod.addresses[*place..=*place],
                    ..pod
                }
            }
            Self::Replica(id, number) => PodView::replica(cluster, *id, *number),
            Self::Hypothetical(pod) => pod.view(cluster),
        };
        let name = pod.namespace.name;
        pod.namespace.are_labels_known |= inventory.knows_labels_of(cluster, name);
        Endpoint::Pod(pod)
    }

    /// The same end in another cluster; `None` if that has none of the name.
    pub(crate) fn in_cluster(&self, here: &Cluster, there: &Cluster) -> Option<Self> {
        let namespace = |id| there.namespace_by_name(&here.namespace(id).name);
        match self {
            Self::Addresses(_) | Self::Entity(_) | Self::Domain(_) => Some(self.clone()),
            Self::Workload(id) | Self::Address(id, _) | Self::Replica(id, _) => {
                let name = here.workload_name(*id);
                let mut same = there.workloads_in(namespace(here.workload(*id).namespace)?);
                let same = same.find(|id| there.workload_name(*id) == name)?;
                Some(match self {
                    Self::Address(_, place) => Self::Address(same, *place),
                    Self::Replica(_, number) => Self::Replica(same, *number),
                    _ => Self::Workload(same),
                })
            }
            Self::Hypothetical(pod) => {
                let mut pod = pod.clone();
                if let HypotheticalNamespace::Present(id) = pod.namespace {
                    pod.namespace = HypotheticalNamespace::Present(namespace(id)?);
                }
                Some(Self::Hypothetical(pod))
            }
        }
    }

    /// Its name in an answer.
    pub(crate) fn name(&self, cluster: &Cluster) -> String {
        match self {
            Self::Workload(id) | Self::Address(id, _) => cluster.workload_name(*id),
            Self::Replica(id, number) => replica::name(cluster, *id, *number),
            Self::Hypothetical(pod) => pod.name.clone(),
            Self::Addresses(range) => range_name(*range),
            Self::Entity(entity) => format!("{}{}", Form::ENTITY, entity.name()),
            Self::Domain(name) => format!("{}{name}", Form::DOMAIN),
        }
    }
}

impl HypotheticalPod {
    /// Whether it has labels, or its namespace some of its own.
    pub(crate) fn has_labels(&self) -> bool {
        let has_own = match &self.namespace {
            HypotheticalNamespace::Present(_) => false,
            HypotheticalNamespace::New { name, labels, .. } => {
                name == UNNAMED && labels.iter().count() > 1
            }
        };
        has_own || !self.labels.is_empty()
    }

    /// Whether a workload that no manifest declares is such a pod: it has all of the labels. A
    /// new namespace without a name is any that is not among those which manifests mention.
    pub(crate) fn stands_for(&self, cluster: &Cluster, declared: &Cluster, id: WorkloadId) -> bool {
        let workload = cluster.workload(id);
        let home = cluster.namespace(workload.namespace);
        let is_at_home = match &self.namespace {
            HypotheticalNamespace::Present(id) => *id == workload.namespace,
            HypotheticalNamespace::New { name, labels, .. } if name == UNNAMED => {
                let mut own = labels
                    .iter()
                    .filter(|label| label.key.value != NAMESPACE_NAME_LABEL);
                declared.namespace_by_name(&home.name).is_none()
                    && own.all(|label| home.labels.get(&label.key) == Some(&label.value))
            }
            HypotheticalNamespace::New { name, .. } => home.name == *name,
        };
        is_at_home && has_labels(&workload.object.labels, &self.labels)
    }

    fn view<'c>(&'c self, cluster: &'c Cluster) -> PodView<'c> {
        let mut view = PodView::hypothetical(self.namespace(cluster), &self.labels);
        view.host_network = self.host_network;
        if let Some(released) = &self.released {
            view.are_labels_known = released.are_labels_known;
            view.are_ports_known = released.are_ports_known;
            view.is_host_network_known = released.is_host_network_known;
            let ports = released.ports.iter();
            let ports = ports.map(|port| (port.name.as_str(), port.protocol, port.number));
            view.named_ports = ports.collect();
            view.named_ports.sort_by_key(|(name, ..)| *name);
        }
        view
    }

    fn namespace<'c>(&'c self, cluster: &'c Cluster) -> NamespaceView<'c> {
        match &self.namespace {
            HypotheticalNamespace::Present(id) => NamespaceView::of(cluster, *id),
            HypotheticalNamespace::New {
                name,
                labels,
                are_labels_known,
            } => NamespaceView {
                id: None,
                name,
                labels,
                are_labels_known: *are_labels_known,
            },
        }
    }
}

/// Where names are looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookup<'c> {
    /// The cluster.
    pub(crate) cluster: &'c Cluster,
    /// The namespace of names that are typed without one; else all are searched.
    pub(crate) namespace: Option<&'c str>,
    /// The source that holds what was typed, for the spans of labels.
    pub(crate) source: SourceId,
}

impl Lookup<'_> {
    /// What a text means.
    pub(crate) fn resolve(&self, text: &str) -> Result<Resolved, Mistake> {
        let form = Form::parse(text, self)?;
        let mut resolved = Resolved {
            text: text.to_owned(),
            ends: Vec::new(),
            service: None,
            is_selection: false,
            is_owned: false,
            notes: Vec::new(),
        };
        match form {
            Form::Any => {
                resolved.is_selection = true;
                let ids = self.cluster.workload_ids().filter(|id| self.has_pods(*id));
                resolved.ends.extend(ids.map(End::Workload));
                self.add_outside([AddressRange::IPV4, AddressRange::IPV6], &mut resolved);
            }
            Form::Internet => {
                self.add_outside(special::public_addresses(), &mut resolved);
            }
            Form::Addresses(range) => {
                if !self.resolve_service_address(text, &range, &mut resolved) {
                    self.resolve_addresses(range, &mut resolved);
                }
            }
            Form::Node | Form::ApiServer | Form::Domain(_) | Form::Entity(_) => {
                self.resolve_special(&form, &mut resolved)?;
            }
            Form::Hypothetical {
                namespace,
                new_labels,
                labels,
            } => {
                let namespace = match new_labels {
                    Some(labels) => HypotheticalNamespace::New {
                        name: namespace,
                        labels,
                        are_labels_known: true,
                    },
                    None if self.may_exist(&namespace) => self.expected_namespace(&namespace),
                    None => HypotheticalNamespace::Present(self.namespace(text, &namespace)?),
                };
                let pod = HypotheticalPod {
                    name: text.to_owned(),
                    namespace,
                    labels,
                    released: None,
                    host_network: false,
                };
                resolved.ends.push(End::Hypothetical(Box::new(pod)));
            }
            Form::Labelled { namespace, labels } => {
                match self.labelled(text, namespace.as_deref(), &labels) {
                    Ok(ends) => {
                        resolved.is_selection = true;
                        resolved.ends = ends;
                    }
                    Err(mistake) => {
                        let namespace = namespace.as_deref().or(self.namespace);
                        let asked = |pods: &ReleasedPods| has_labels(&pods.labels, &labels);
                        if self.add_released(namespace, asked, &mut resolved) {
                            resolved.is_selection = true;
                            return Ok(resolved);
                        }
                        let end = namespace.and_then(|namespace| {
                            self.expected(text, namespace, &labels, &mut resolved)
                        });
                        resolved.ends.push(end.ok_or(mistake)?);
                    }
                }
            }
            Form::Service { namespace, name } => {
                self.resolve_service(text, namespace.as_deref(), &name, &mut resolved)?;
            }
            Form::Named {
                namespace,
                kind,
                name,
            } => {
                self.resolve_name(text, (namespace.as_deref(), kind, &name), &mut resolved)?;
            }
        }
        Ok(resolved)
    }

    fn namespace(&self, text: &str, name: &str) -> Result<NamespaceId, Mistake> {
        let found = self.cluster.namespace_by_name(name);
        found.ok_or_else(|| unknown::namespace(self.cluster, text, name))
    }

    /// The workloads that a name may mean: of its namespace, or of all.
    fn workloads(&self, text: &str, namespace: Option<&str>) -> Result<Vec<WorkloadId>, Mistake> {
        match namespace.or(self.namespace) {
            Some(name) => Ok(self
                .cluster
                .workloads_in(self.namespace(text, name)?)
                .collect()),
            None => Ok(self.cluster.workload_ids().collect()),
        }
    }

    /// Whether there are pods of it: not if an API server would refuse it (S13).
    fn has_pods(&self, id: WorkloadId) -> bool {
        self.cluster.workload(id).object.meta.is_accepted
    }

    fn labelled(
        &self,
        text: &str,
        namespace: Option<&str>,
        labels: &Labels,
    ) -> Result<Vec<End>, Mistake> {
        let mut ids = self.workloads(text, namespace)?;
        ids.retain(|id| {
            self.has_pods(*id) && has_labels(&self.cluster.workload(*id).object.labels, labels)
        });
        if ids.is_empty() {
            return Err(unknown::labels(
                self.cluster,
                text,
                namespace.or(self.namespace),
                labels,
            ));
        }
        Ok(ids.into_iter().map(End::Workload).collect())
    }

    fn resolve_name(
        &self,
        text: &str,
        (namespace, kind, name): (Option<&str>, Option<WorkloadKind>, &str),
        resolved: &mut Resolved,
    ) -> Result<(), Mistake> {
        let asked = |pods: &ReleasedPods| pods.names.iter().any(|it| it == name);
        let add_released = |resolved: &mut Resolved| {
            self.add_released(namespace.or(self.namespace), asked, resolved)
        };
        let mut ids = match self.workloads(text, namespace) {
            Ok(ids) => ids,
            Err(_) if kind.is_none() && add_released(resolved) => return Ok(()),
            Err(mistake) => return Err(mistake),
        };
        ids.retain(|id| {
            let workload = &self.cluster.workload(*id).object;
            workload.meta.name.value == name && kind.is_none_or(|kind| kind == workload.kind)
        });
        if ids.is_empty()
            && let Some((owned, owner)) = self.owner(namespace.or(self.namespace), kind, name)
        {
            let owner_name = self.cluster.workload_name(owner);
            resolved.notes.push(format!(
                "`{owned}` belongs to `{owner_name}`, which stands for it"
            ));
            resolved.is_owned = true;
            ids.push(owner);
        }
        if ids.is_empty()
            && let Some(end) = self.replica(text, (namespace, kind, name), resolved)
        {
            resolved.ends.push(end);
            return Ok(());
        }
        if ids.is_empty() && add_released(resolved) {
            return Ok(());
        }
        match ids[..] {
            [] => Err(unknown::workload(
                self.cluster,
                text,
                (namespace.or(self.namespace), name),
            )),
            [id] if !self.has_pods(id) => Err(unknown::refused(self.cluster, id)),
            [id] => {
                resolved.ends.push(End::Workload(id));
                Ok(())
            }
            _ => Err(unknown::ambiguous(self.cluster, text, &ids)),
        }
    }

    /// The workload that stands for an object that is no peer itself (S3), and the
    /// object's full name.
    fn owner(
        &self,
        namespace: Option<&str>,
        kind: Option<WorkloadKind>,
        name: &str,
    ) -> Option<(String, WorkloadId)> {
        let represented = self.cluster.represented();
        let matches = |object: &str| {
            let mut parts = object.splitn(3, '/');
            let its_namespace = parts.next() == namespace || namespace.is_none();
            let its_kind = parts.next();
            let is_of_kind = kind.is_none_or(|kind| its_kind == Some(kind.name()));
            its_namespace && is_of_kind && parts.next() == Some(name)
        };
        let mut object = represented.iter().find(|object| matches(&object.object))?;
        let owned = object.object.clone();
        let namespace = owned.split('/').next()?;
        // A pod belongs to a ReplicaSet that belongs to a Deployment; longer chains, and
        // circles, are no owners.
        for _ in 0..=represented.len().min(4) {
            let owner = format!("{namespace}/{}", object.owner);
            let found = self
                .cluster
                .workload_ids()
                .find(|id| self.cluster.workload_name(*id) == owner);
            if let Some(id) = found {
                return Some((owned, id));
            }
            object = represented.iter().find(|object| object.object == owner)?;
        }
        None
    }

    fn resolve_service(
        &self,
        text: &str,
        namespace: Option<&str>,
        name: &str,
        resolved: &mut Resolved,
    ) -> Result<(), Mistake> {
        let namespace = match namespace.or(self.namespace) {
            Some(namespace) => Some(self.namespace(text, namespace)?),
            None => None,
        };
        let named: Vec<ServiceId> = self
            .cluster
            .service_ids()
            .filter(|id| {
                let service = self.cluster.service(*id);
                let is_here = namespace.is_none_or(|namespace| namespace == service.namespace);
                is_here && service.object.meta.name.value == name
            })
            .collect();
        let [id] = named[..] else {
            return Err(unknown::service(self.cluster, text, name, &named));
        };
        let service = self.cluster.service(id);
        if !service.object.meta.is_accepted {
            return Err(unknown::refused_service(self.cluster, text, id));
        }
        let Some(selector) = &service.object.selector else {
            return Err(unknown::without_selector(self.cluster, text, id));
        };
        let ids = self
            .cluster
            .workloads_in(service.namespace)
            .filter(|id| self.has_pods(*id));
        let selected =
            ids.filter(|id| has_labels(&self.cluster.workload(*id).object.labels, selector));
        resolved.ends.extend(selected.map(End::Workload));
        if resolved.ends.is_empty() || selector.is_empty() {
            return Err(unknown::without_pods(self.cluster, text, id));
        }
        resolved.service = Some(id);
        resolved.is_selection = true;
        Ok(())
    }

    /// Takes the address of a Service for the Service: the connection is sent on to a pod before
    /// any policy sees it. Whether it is one, and there are pods.
    fn resolve_service_address(
        &self,
        text: &str,
        range: &AddressRange,
        resolved: &mut Resolved,
    ) -> bool {
        let has_it = |id: &ServiceId| {
            let mut addresses = self.cluster.service(*id).object.addresses();
            addresses.any(|address| AddressRange::from(address) == *range)
        };
        let ids: Vec<ServiceId> = self.cluster.service_ids().filter(has_it).collect();
        let [id] = ids[..] else { return false };
        let service = self.cluster.service(id);
        let namespace = &self.cluster.namespace(service.namespace).name;
        let name = &service.object.meta.name.value;
        let is_found = self.resolve_service(text, Some(namespace), name, resolved);
        if is_found.is_ok() {
            let note = format!("{text} is the address of the Service `{namespace}/{name}`");
            resolved.notes.push(note);
        }
        is_found.is_ok()
    }

    /// Adds addresses outside, as far as the cluster has their family.
    fn add_outside(&self, ranges: impl IntoIterator<Item = AddressRange>, resolved: &mut Resolved) {
        let enforcement = self.cluster.enforcement();
        let ranges = ranges.into_iter();
        let used = ranges.filter(|range| enforcement.has_family(range.is_ipv4()));
        resolved.ends.extend(used.map(End::Addresses));
    }

    fn resolve_addresses(&self, range: AddressRange, resolved: &mut Resolved) {
        let has = |id: &WorkloadId, address: &IpAddr| {
            let pod = &self.cluster.workload(*id).object;
            !pod.host_network && pod.addresses.contains(address)
        };
        let holders = |address: IpAddr| {
            self.cluster
                .workload_ids()
                .filter(move |id| has(id, &address))
        };
        // The outside has no address that a pod has (S8), so that a single such address
        // can only mean the pod.
        if range.first == range.last
            && let [id] = holders(range.first).collect::<Vec<_>>()[..]
        {
            let name = self.cluster.workload_name(id);
            resolved
                .notes
                .push(format!("{} is an address of `{name}`", range.first));
            let addresses = &self.cluster.workload(id).object.addresses;
            let place = addresses.iter().position(|address| *address == range.first);
            resolved.ends.push(End::Address(
                id,
                place.expect("it was found by this address"),
            ));
            return;
        }
        let inside = self.cluster.workloads().iter().filter(|workload| {
            workload
                .object
                .addresses
                .iter()
                .any(|address| range.contains(*address))
        });
        match inside.count() {
            0 => {}
            count => resolved.notes.push(format!(
                "{count} {} an address in {}: asked here is what no pod has",
                if count == 1 {
                    "workload has"
                } else {
                    "workloads have"
                },
                range_name(range),
            )),
        }
        resolved.ends.push(End::Addresses(range));
    }
}

fn has_labels(labels: &Labels, wanted: &Labels) -> bool {
    wanted
        .iter()
        .all(|wanted| labels.get(&wanted.key) == Some(&wanted.value))
}

#[cfg(test)]
mod tests;
