//! Everything that has labels and addresses for Calico, and what its selectors see of it (K5,
//! K6).
//!
//! Refuses to know policies and their rules.

use crate::cluster::{Cluster, WorkloadId};
use crate::engine::addresses::{AddressRange, merge_ranges};
use crate::engine::{HashMap, PodView};
use crate::k8s::{
    API_SERVER_SERVICE, CalicoEntity, CalicoSelector, Controller, Labels, Looked,
    NAMESPACE_NAME_LABEL, Service, Truth, is_opaque, may_be_absent,
};
use std::net::IpAddr;

/// What Calico calls the namespace of a label set by its name.
const NAME_KEY: &str = "projectcalico.org/name";
pub(super) const NAMESPACE_KEY: &str = "projectcalico.org/namespace";

/// Everything in a cluster that has labels and addresses for Calico.
#[derive(Debug)]
pub(super) struct Owners<'c> {
    cluster: &'c Cluster,
    sets: Vec<SetLabels<'c>>,
    /// By label: the sets that have it.
    sets_by_label: HashMap<(&'c str, &'c str), Vec<SetId>>,
    /// The sets of whose labels another tool fills in some.
    sets_with_gaps: Vec<SetId>,
    /// Addresses that several pods have, and those pods.
    shared: HashMap<IpAddr, Vec<WorkloadId>>,
    /// By namespace and name.
    accounts: HashMap<(&'c str, &'c str), &'c Labels>,
    /// Where an address may be that is not known: of pods, of those on the host network; each by
    /// family, IPv4 and IPv6.
    pub(super) unknown: [[Vec<AddressRange>; 2]; 2],
}

/// A network set, by its place among all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SetId(u32);

#[derive(Debug)]
pub(super) struct SetLabels<'c> {
    own: &'c Labels,
    namespace: Option<(&'c str, Option<&'c Labels>)>,
    ranges: Vec<AddressRange>,
    /// Whether nobody knows all of its ranges: another tool fills in some of them, or the API
    /// server rejects the set as it is.
    is_open: bool,
    /// Its name, where the API server rejects it.
    rejected: Option<String>,
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
        let sets = sets.map(|set| {
            let is_accepted = set.meta.is_accepted;
            let nets = set.nets.iter().filter(|_| is_accepted);
            let namespace = (!set.is_global).then(|| {
                let name = set.meta.namespace_name();
                let labels = cluster.namespace_by_name(name);
                (name, labels.map(|id| &cluster.namespace(id).labels))
            });
            SetLabels {
                own: &set.meta.labels,
                namespace,
                ranges: nets.map(|net| net.value.into()).collect(),
                is_open: !is_accepted || !set.meta.holes.is_empty(),
                rejected: (!is_accepted).then(|| match set.is_global {
                    true => format!("GlobalNetworkSet/{}", set.meta.name),
                    false => {
                        let namespace = set.meta.namespace_name();
                        format!("{namespace}/NetworkSet/{}", set.meta.name)
                    }
                }),
                domains: (set.allowed_egress_domains.iter())
                    .map(|name| name.value.as_str())
                    .collect(),
            }
        });
        let sets: Vec<SetLabels<'c>> = sets.collect();
        let mut sets_by_label: HashMap<_, Vec<SetId>> = HashMap::default();
        let mut sets_with_gaps = Vec::new();
        for (id, set) in (0u32..).map(SetId).zip(&sets) {
            if set.own.have_gaps() {
                sets_with_gaps.push(id);
            }
            for label in set.own {
                let label = (label.key.value.as_str(), label.value.value.as_str());
                sets_by_label.entry(label).or_default().push(id);
            }
        }
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
        let unknown = |is_on_host, is_ipv4| {
            let ranges = cluster.enforcement().unknown_address(is_on_host);
            let ranges = ranges.map(AddressRange::from);
            merge_ranges(ranges.filter(|range| range.is_ipv4() == is_ipv4).collect())
        };
        Self {
            cluster,
            sets,
            sets_by_label,
            sets_with_gaps,
            shared,
            accounts: accounts.collect(),
            unknown: [false, true]
                .map(|is_on_host| [true, false].map(|it| unknown(is_on_host, it))),
        }
    }

    /// Whether an address can have another owner than the pod that is asked about.
    pub(super) fn has_others(&self) -> bool {
        !self.sets.is_empty() || self.shares_addresses()
    }

    /// Whether several pods have one address.
    pub(super) fn shares_addresses(&self) -> bool {
        !self.shared.is_empty()
    }

    /// The sets that may meet a condition, in order, from the labels of which they must have one,
    /// if there are such.
    pub(super) fn sets_meeting(
        &self,
        asked: Option<Vec<(&str, &str)>>,
        holds: &dyn Fn(View<'_, 'c>) -> Truth,
    ) -> Vec<SetId> {
        let mut found: Vec<SetId> = match asked {
            Some(labels) => {
                let labelled = labels.iter().filter_map(|it| self.sets_by_label.get(it));
                let labelled = labelled.flatten();
                labelled.chain(&self.sets_with_gaps).copied().collect()
            }
            None => (0..self.sets.len() as u32).map(SetId).collect(),
        };
        found.sort_unstable();
        found.dedup();
        found.retain(|id| holds(View::Set(self.set(*id))) != Truth::False);
        found
    }

    fn set(&self, id: SetId) -> &SetLabels<'c> {
        &self.sets[id.0 as usize]
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

    /// Whether a Service that is not among the inputs does not exist: that of the API server is
    /// in every cluster, and in no manifest.
    pub(super) fn lacks(&self, namespace: Option<&str>, name: &str) -> bool {
        self.cluster.enforcement().holds_everything()
            && (namespace.unwrap_or_default(), name) != API_SERVER_SERVICE
    }

    /// Whether a Service that an end asks for is not among the inputs by its name, and may be one
    /// whose name another tool fills in.
    pub(super) fn is_service_in_doubt(
        &self,
        entity: &CalicoEntity,
        namespace: Option<&str>,
    ) -> bool {
        let services = self.cluster.services().iter();
        let mut metas = services.map(|service| &service.object.meta);
        entity.service.is_some()
            && self.service(entity, namespace).is_none()
            && metas.any(|meta| is_opaque(&meta.name) || is_opaque(meta.namespace_name()))
    }

    /// Those of some sets that the API server rejects.
    pub(super) fn rejected_sets(&self, sets: &[SetId]) -> Vec<String> {
        let sets = sets.iter().map(|id| self.set(*id));
        sets.filter_map(|set| set.rejected.clone()).collect()
    }

    /// The names whose addresses are in some sets.
    pub(super) fn domains(&self, sets: &[SetId]) -> Vec<&'c str> {
        let sets = sets.iter().map(|id| self.set(*id));
        sets.flat_map(|set| set.domains.iter().copied()).collect()
    }

    /// The ranges of addresses that pods and some sets tell apart.
    pub(super) fn cuts(&self, sets: &[SetId]) -> Vec<AddressRange> {
        let sets = sets.iter().map(|id| self.set(*id));
        let mut cuts: Vec<AddressRange> = sets.flat_map(|set| set.ranges.iter().copied()).collect();
        cuts.extend(self.shared.keys().copied().map(AddressRange::from));
        cuts
    }

    pub(super) fn view<'a>(&self, pod: &'a PodView<'c>) -> View<'a, 'c> {
        let account = (pod.namespace.name, pod.service_account);
        View::Pod(pod, self.accounts.get(&account).copied())
    }

    /// Whether a known owner of an address meets a condition: the pod itself, another pod
    /// with the address, or a set that holds it, of those that may meet it (K6).
    pub(super) fn known(
        &self,
        pod: Option<&PodView<'c>>,
        address: Option<IpAddr>,
        sets: &[SetId],
        holds: &dyn Fn(View<'_, 'c>) -> Truth,
    ) -> Truth {
        let itself = pod.filter(|pod| !pod.host_network);
        let mut truth = itself.map_or(Truth::False, |pod| holds(self.view(pod)));
        let sets = sets.iter().map(|id| self.set(*id));
        for set in sets.clone().filter(|set| set.is_open) {
            truth = truth.max(holds(View::Set(set)).min(Truth::Unknown));
        }
        let Some(address) = address else {
            return truth;
        };
        for id in self.shared.get(&address).into_iter().flatten() {
            let other = PodView::in_graph(self.cluster, *id);
            let is_known = other.is_host_network_known;
            let highest = if is_known {
                Truth::True
            } else {
                Truth::Unknown
            };
            truth = truth.max(holds(self.view(&other)).min(highest));
        }
        for set in sets {
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

    /// What is known of a label: text that another tool fills in may be any value, and any
    /// key.
    pub(super) fn look(self, key: &str) -> Looked<'a> {
        match self.get(key) {
            Some(found) if may_be_absent(found) => Looked::Unknown,
            Some(found) if is_opaque(found) => Looked::SomeValue,
            Some(found) => Looked::Value(found),
            None => match self.added(key) {
                Some(controller) if controller.has_key(key) == Truth::Unknown => Looked::Unknown,
                Some(controller) => Looked::Added(controller),
                None if self.may_have_more(key) => Looked::Unknown,
                None => Looked::Absent,
            },
        }
    }

    /// The value of a label, as a person reads it.
    pub(super) fn in_words(self, key: &str) -> Option<String> {
        let written = self.get(key).map(str::to_owned);
        written.or_else(|| self.added(key)?.in_words(key))
    }

    /// Who adds a label of this key to a pod.
    fn added(self, key: &str) -> Option<Controller<'a>> {
        let Self::Pod(pod, _) = self else { return None };
        pod.controller.filter(|controller| controller.adds(key))
    }

    /// Whether there may be a label of this key that no manifest shows.
    fn may_have_more(self, key: &str) -> bool {
        let has_gap = |labels: &Labels| labels.iter().any(|label| is_opaque(&label.key));
        let of_namespace = key.strip_prefix("pcns.");
        match (self, of_namespace) {
            (_, Some(NAME_KEY | NAMESPACE_NAME_LABEL)) => false,
            (Self::Pod(pod, _), Some(_)) => {
                !pod.namespace.are_labels_known || has_gap(pod.namespace.labels)
            }
            (Self::Set(set), Some(_)) => {
                let labels = set.namespace.and_then(|(_, labels)| labels);
                labels.is_some_and(has_gap)
            }
            (Self::Pod(pod, account), None) if key.starts_with("pcsa.") => {
                account.is_some_and(has_gap) || is_opaque(pod.service_account)
            }
            (Self::Pod(pod, _), None) => !pod.are_labels_known || has_gap(pod.labels),
            (Self::Set(set), None) => has_gap(set.own),
        }
    }

    /// Whether a selector holds for it.
    pub(super) fn meets(self, selector: &CalicoSelector) -> Truth {
        selector.truth(&|key| self.look(key))
    }

    /// Whether a selector of namespaces holds for it: `all()` means that it has one.
    pub(super) fn is_in(self, selector: &CalicoSelector) -> Truth {
        let has_one = Truth::from(self.namespace().is_some());
        selector.truth_where(has_one, !has_one, &|key| self.look(&format!("pcns.{key}")))
    }

    /// Whether a selector of service accounts holds for it.
    pub(super) fn is_run_by(self, selector: &CalicoSelector) -> Truth {
        selector.truth(&|key| self.look(&format!("pcsa.{key}")))
    }
}
