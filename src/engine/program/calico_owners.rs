//! Everything that has labels and addresses for Calico, and what its selectors see of it (K5,
//! K6).
//!
//! Refuses to know policies and their rules.

use crate::cluster::{Cluster, WorkloadId};
use crate::engine::addresses::{AddressRange, merge_ranges};
use crate::engine::{HashMap, PodView};
use crate::k8s::{CalicoEntity, CalicoSelector, Labels, NAMESPACE_NAME_LABEL, Service, Truth};
use std::net::IpAddr;

/// What Calico calls the namespace of a label set by its name.
const NAME_KEY: &str = "projectcalico.org/name";
pub(super) const NAMESPACE_KEY: &str = "projectcalico.org/namespace";

/// Everything in a cluster that has labels and addresses for Calico.
#[derive(Debug)]
pub(super) struct Owners<'c> {
    cluster: &'c Cluster,
    sets: Vec<SetLabels<'c>>,
    /// Addresses that several pods have, and those pods.
    shared: HashMap<IpAddr, Vec<WorkloadId>>,
    /// By namespace and name.
    accounts: HashMap<(&'c str, &'c str), &'c Labels>,
    /// Where pods have their addresses, by family: IPv4, IPv6.
    pub(super) pod_ranges: [Vec<AddressRange>; 2],
}

#[derive(Debug)]
pub(super) struct SetLabels<'c> {
    own: &'c Labels,
    namespace: Option<(&'c str, Option<&'c Labels>)>,
    ranges: Vec<AddressRange>,
    /// The addresses of these names are in it as well, where a rule of egress allows.
    domains: Vec<&'c str>,
}

/// The labels of an endpoint or of a set (K5).
#[derive(Clone, Copy)]
pub(super) enum View<'a, 'c> {
    Pod(&'a PodView<'c>, Option<&'c Labels>),
    Set(&'a SetLabels<'c>),
}

impl<'c> Owners<'c> {
    /// The endpoints and sets of a cluster.
    pub(super) fn new(cluster: &'c Cluster) -> Self {
        let sets = cluster.plugin_resources().network_sets.iter();
        let sets = sets.filter(|set| set.meta.is_accepted).map(|set| {
            let namespace = (!set.is_global).then(|| {
                let name = set.meta.namespace_name();
                let labels = cluster.namespace_by_name(name);
                (name, labels.map(|id| &cluster.namespace(id).labels))
            });
            SetLabels {
                own: &set.meta.labels,
                namespace,
                ranges: set.nets.iter().map(|net| net.value.into()).collect(),
                domains: (set.allowed_egress_domains.iter())
                    .map(|name| name.value.as_str())
                    .collect(),
            }
        });
        let mut shared: HashMap<IpAddr, Vec<WorkloadId>> = HashMap::default();
        for (id, workload) in cluster.workload_ids().zip(cluster.workloads()) {
            if !workload.object.host_network && workload.object.meta.is_accepted {
                for address in &workload.object.addresses {
                    shared.entry(*address).or_default().push(id);
                }
            }
        }
        shared.retain(|_, owners| owners.len() > 1);
        let accounts = cluster.context_objects().service_accounts.iter();
        let accounts = accounts.map(|account| {
            let meta = &account.meta;
            (
                (meta.namespace_name(), meta.name.value.as_str()),
                &meta.labels,
            )
        });
        let ranges = cluster.enforcement().pod_ranges().iter();
        let ranges: Vec<AddressRange> = ranges.map(|range| range.value.into()).collect();
        let of_family = |ipv4| {
            let ranges = ranges.iter().copied();
            merge_ranges(ranges.filter(|range| range.is_ipv4() == ipv4).collect())
        };
        Self {
            cluster,
            sets: sets.collect(),
            shared,
            accounts: accounts.collect(),
            pod_ranges: [of_family(true), of_family(false)],
        }
    }

    /// Whether an address can have another owner than the pod that is asked about.
    pub(super) fn has_others(&self) -> bool {
        !self.sets.is_empty() || !self.shared.is_empty()
    }

    /// The Service that an end of a rule names: of the policy's own namespace, if it names
    /// none.
    pub(super) fn service(
        &self,
        entity: &CalicoEntity,
        namespace: Option<&str>,
    ) -> Option<&'c Service> {
        let named = entity.service.as_ref()?;
        let home = named.namespace.as_deref().or(namespace)?;
        let id = self.cluster.service_by_name(home, &named.name)?;
        Some(&self.cluster.service(id).object)
    }

    /// The names whose addresses are in sets that may meet a condition.
    pub(super) fn domains(&self, holds: &dyn Fn(View<'_, 'c>) -> Truth) -> Vec<&'c str> {
        let sets = self.sets.iter().filter(|set| !set.domains.is_empty());
        let sets = sets.filter(|set| holds(View::Set(set)) != Truth::False);
        sets.flat_map(|set| set.domains.iter().copied()).collect()
    }

    /// The ranges of addresses that owners tell apart.
    pub(super) fn cuts(&self) -> Vec<AddressRange> {
        let sets = self.sets.iter().flat_map(|set| set.ranges.iter().copied());
        let mut cuts: Vec<AddressRange> = sets.collect();
        cuts.extend(self.shared.keys().copied().map(AddressRange::from));
        cuts
    }

    pub(super) fn view<'a>(&self, pod: &'a PodView<'c>) -> View<'a, 'c> {
        let account = (pod.namespace.name, pod.service_account);
        View::Pod(pod, self.accounts.get(&account).copied())
    }

    /// Whether a known owner of an address meets a condition: the pod itself, another pod
    /// with the address, or a set that holds it (K6).
    pub(super) fn known(
        &self,
        pod: Option<&PodView<'c>>,
        address: Option<IpAddr>,
        holds: &dyn Fn(View<'_, 'c>) -> Truth,
    ) -> Truth {
        let itself = pod.filter(|pod| !pod.host_network);
        let mut truth = itself.map_or(Truth::False, |pod| holds(self.view(pod)));
        let Some(address) = address else {
            return truth;
        };
        for id in self.shared.get(&address).into_iter().flatten() {
            let other = PodView::in_graph(self.cluster, *id);
            truth = truth.max(holds(self.view(&other)));
        }
        for set in &self.sets {
            if set.ranges.iter().any(|range| range.contains(address)) {
                truth = truth.max(holds(View::Set(set)));
            }
        }
        truth
    }
}

impl<'a, 'c> View<'a, 'c> {
    pub(super) fn namespace(self) -> Option<(&'a str, Option<&'a Labels>)> {
        match self {
            Self::Pod(pod, _) => Some((pod.namespace.name, Some(pod.namespace.labels))),
            Self::Set(set) => set.namespace,
        }
    }

    pub(super) fn get(self, key: &str) -> Option<&'a str> {
        if let Some(key) = key.strip_prefix("pcns.") {
            return self.of_namespace(key);
        }
        match (self, key) {
            (
                Self::Pod(pod, _),
                "pcsa.projectcalico.org/name" | "projectcalico.org/serviceaccount",
            ) => Some(pod.service_account),
            (_, NAMESPACE_KEY) => self.namespace().map(|(name, _)| name),
            (Self::Pod(..), "projectcalico.org/orchestrator") => Some("k8s"),
            (Self::Pod(_, account), key) if key.starts_with("pcsa.") => {
                account?.get(&key["pcsa.".len()..])
            }
            (Self::Pod(pod, _), key) => pod.labels.get(key),
            (Self::Set(set), key) => set.own.get(key),
        }
    }

    /// A label of its namespace.
    fn of_namespace(self, key: &str) -> Option<&'a str> {
        let (name, labels) = self.namespace()?;
        match key {
            NAME_KEY => Some(name),
            NAMESPACE_NAME_LABEL => Some(name),
            key => labels?.get(key),
        }
    }

    /// Whether a selector holds for it.
    pub(super) fn meets(self, selector: &CalicoSelector) -> Truth {
        selector.matches(&|key| self.get(key)).into()
    }

    /// Whether a selector of namespaces holds for it: `all()` means that it has one.
    pub(super) fn is_in(self, selector: &CalicoSelector) -> Truth {
        if let Self::Pod(pod, _) = self
            && !pod.namespace.are_labels_known
            && selector
                .keys()
                .iter()
                .any(|key| !matches!(*key, NAME_KEY | NAMESPACE_NAME_LABEL))
        {
            return Truth::Unknown;
        }
        holds_for_namespace(selector, self).into()
    }

    /// Whether a selector of service accounts holds for it.
    pub(super) fn is_run_by(self, selector: &CalicoSelector) -> Truth {
        selector
            .matches(&|key| self.get(&format!("pcsa.{key}")))
            .into()
    }
}

fn holds_for_namespace(selector: &CalicoSelector, view: View<'_, '_>) -> bool {
    match selector {
        CalicoSelector::All => view.namespace().is_some(),
        CalicoSelector::Global => view.namespace().is_none(),
        CalicoSelector::Not(inner) => !holds_for_namespace(inner, view),
        CalicoSelector::And(parts) => parts.iter().all(|part| holds_for_namespace(part, view)),
        CalicoSelector::Or(parts) => parts.iter().any(|part| holds_for_namespace(part, view)),
        other => other.matches(&|key| view.of_namespace(key)),
    }
}
