//! Whom a selector of Calico's means: through labels of endpoints and of network sets, and
//! by address (K5 to K8, K10).
//!
//! Refuses to know policies, ports and tiers.

use super::condition::{Asks, Unmet};
use crate::cluster::{Cluster, WorkloadId};
use crate::engine::addresses::{AddressRange, merge_ranges};
use crate::engine::{HashMap, PodView};
use crate::k8s::{CalicoEntity, CalicoSelector, Labels, NAMESPACE_NAME_LABEL, Truth};
use std::net::IpAddr;
use std::sync::Arc;

/// What Calico calls the namespace of a label set by its name.
const NAME_KEY: &str = "projectcalico.org/name";
const NAMESPACE_KEY: &str = "projectcalico.org/namespace";

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
    pod_ranges: [Vec<AddressRange>; 2],
}

#[derive(Debug)]
struct SetLabels<'c> {
    own: &'c Labels,
    namespace: Option<(&'c str, Option<&'c Labels>)>,
    ranges: Vec<AddressRange>,
}

/// The labels of an endpoint or of a set (K5).
#[derive(Clone, Copy)]
enum View<'a, 'c> {
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

    /// The ranges of addresses that owners tell apart.
    fn cuts(&self) -> Vec<AddressRange> {
        let sets = self.sets.iter().flat_map(|set| set.ranges.iter().copied());
        let mut cuts: Vec<AddressRange> = sets.collect();
        cuts.extend(self.shared.keys().copied().map(AddressRange::from));
        cuts
    }

    fn view<'a>(&self, pod: &'a PodView<'c>) -> View<'a, 'c> {
        let account = (pod.namespace.name, pod.service_account);
        View::Pod(pod, self.accounts.get(&account).copied())
    }

    /// Whether a known owner of an address meets a condition: the pod itself, another pod
    /// with the address, or a set that holds it (K6).
    fn known(
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
    fn namespace(self) -> Option<(&'a str, Option<&'a Labels>)> {
        match self {
            Self::Pod(pod, _) => Some((pod.namespace.name, Some(pod.namespace.labels))),
            Self::Set(set) => set.namespace,
        }
    }

    fn get(self, key: &str) -> Option<&'a str> {
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
    fn meets(self, selector: &CalicoSelector) -> Truth {
        selector.matches(&|key| self.get(key)).into()
    }

    /// Whether a selector of namespaces holds for it: `all()` means that it has one.
    fn is_in(self, selector: &CalicoSelector) -> Truth {
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
    fn is_run_by(self, selector: &CalicoSelector) -> Truth {
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

/// The pods that a policy is about (K10), or a part of them that one of its rules is about.
#[derive(Clone, Debug)]
pub(super) struct CalicoSubject<'c> {
    pub(super) owners: Arc<Owners<'c>>,
    pub(super) namespace: Option<&'c str>,
    pub(super) selector: Option<&'c CalicoSelector>,
    pub(super) namespace_selector: Option<&'c CalicoSelector>,
    pub(super) service_account_selector: Option<&'c CalicoSelector>,
    /// What a rule asks of the end that its policy is about, at the address of a family.
    pub(super) own: Option<(CalicoEnd<'c>, bool)>,
}

impl<'c> CalicoSubject<'c> {
    /// Whether a pod is meant.
    pub(super) fn truth(&self, pod: &PodView<'c>) -> Truth {
        if pod.host_network || self.namespace.is_some_and(|own| own != pod.namespace.name) {
            return Truth::False;
        }
        let view = self.owners.view(pod);
        let parts = [
            self.selector.map(|selector| view.meets(selector)),
            self.namespace_selector.map(|selector| view.is_in(selector)),
            self.service_account_selector
                .map(|selector| view.is_run_by(selector)),
            self.own.as_ref().map(|(end, is_ipv4)| {
                let mut addresses = pod.addresses.iter().copied();
                let address = addresses.find(|address| address.is_ipv4() == *is_ipv4);
                end.truth(Some(pod), address, *is_ipv4)
            }),
        ];
        parts.into_iter().flatten().min().unwrap_or(Truth::True)
    }

    pub(super) fn cuts(&self) -> Vec<AddressRange> {
        self.own
            .as_ref()
            .map_or_else(Vec::new, |(end, _)| end.cuts())
    }
}

/// A part of what one end of a rule asks of an owner of its address.
#[derive(Clone, Debug)]
enum Part<'c> {
    Namespaces(&'c CalicoSelector),
    OwnNamespace(&'c str),
    Labels(&'c CalicoSelector),
    NotLabels(&'c CalicoSelector),
    Account(&'c CalicoSelector),
    AccountNames(Vec<&'c str>),
}

impl<'c> Part<'c> {
    /// The field that asks for it, what it says, and the labels that it is about.
    fn words(&self) -> (&'static str, String, Vec<String>) {
        let keys = |selector: &CalicoSelector, prefix: &str| -> Vec<String> {
            let keys = selector.keys().into_iter();
            keys.map(|key| format!("{prefix}{key}")).collect()
        };
        match self {
            Self::Namespaces(selector) => (
                "namespaceSelector",
                selector.to_string(),
                keys(selector, "pcns."),
            ),
            Self::OwnNamespace(own) => {
                let key = NAMESPACE_KEY.to_owned();
                ("namespace", (*own).to_owned(), vec![key])
            }
            Self::Labels(selector) => ("selector", selector.to_string(), keys(selector, "")),
            Self::NotLabels(selector) => ("notSelector", selector.to_string(), keys(selector, "")),
            Self::Account(selector) => (
                "serviceAccounts.selector",
                selector.to_string(),
                keys(selector, "pcsa."),
            ),
            Self::AccountNames(names) => {
                let key = "projectcalico.org/serviceaccount".to_owned();
                ("serviceAccounts.names", names.join(", "), vec![key])
            }
        }
    }

    fn truth(&self, view: View<'_, 'c>) -> Truth {
        match self {
            Self::Namespaces(selector) => view.is_in(selector),
            Self::OwnNamespace(own) => (view.namespace().map(|(name, _)| name) == Some(own)).into(),
            Self::Labels(selector) => view.meets(selector),
            Self::NotLabels(selector) => match view.meets(selector) {
                Truth::True => Truth::False,
                Truth::False => Truth::True,
                Truth::Unknown => Truth::Unknown,
            },
            Self::Account(selector) => view.is_run_by(selector),
            Self::AccountNames(names) => {
                let name = view.get("projectcalico.org/serviceaccount");
                name.is_some_and(|name| names.contains(&name)).into()
            }
        }
    }
}

/// One end of a rule (K7, K8).
#[derive(Clone, Debug)]
pub(super) struct CalicoEnd<'c> {
    owners: Arc<Owners<'c>>,
    /// What a known owner of the address must meet; none where the end names no owner.
    parts: Vec<Part<'c>>,
    /// What no known owner of the address may meet.
    no_owner: Option<&'c CalicoSelector>,
    nets: Vec<AddressRange>,
    not_nets: Vec<AddressRange>,
    /// Whether connections must be IPv4, or IPv6.
    pub(super) is_ipv4: Option<bool>,
    /// Whether the pod at the address must itself meet the parts, or must not.
    pub(super) meets_itself: Option<bool>,
}

impl<'c> CalicoEnd<'c> {
    /// The end of a rule of a policy, which may be in a namespace.
    pub(super) fn new(
        owners: &Arc<Owners<'c>>,
        entity: &'c CalicoEntity,
        namespace: Option<&'c str>,
    ) -> Self {
        let mut parts = Vec::new();
        let selects_owners = entity.selector.is_some()
            || entity.not_selector.is_some()
            || entity.service_account_selector.is_some()
            || !entity.service_account_names.is_empty();
        match (&entity.namespace_selector, namespace) {
            (Some(selector), _) => parts.push(Part::Namespaces(&selector.value)),
            (None, Some(own)) if selects_owners => parts.push(Part::OwnNamespace(own)),
            _ => {}
        }
        parts.extend(entity.selector.as_ref().map(|it| Part::Labels(&it.value)));
        let account = entity.service_account_selector.as_ref();
        parts.extend(account.map(|it| Part::Account(&it.value)));
        if !entity.service_account_names.is_empty() {
            let names = entity.service_account_names.iter();
            parts.push(Part::AccountNames(
                names.map(|name| name.value.as_str()).collect(),
            ));
        }
        let mut no_owner = None;
        if let Some(selector) = &entity.not_selector {
            if parts.is_empty() {
                no_owner = Some(&selector.value);
            } else {
                parts.push(Part::NotLabels(&selector.value));
            }
        }
        let ranges = |nets: &[crate::source::Spanned<ipnet::IpNet>]| {
            merge_ranges(nets.iter().map(|net| net.value.into()).collect())
        };
        Self {
            owners: Arc::clone(owners),
            parts,
            no_owner,
            nets: ranges(&entity.nets),
            not_nets: ranges(&entity.not_nets),
            is_ipv4: None,
            meets_itself: None,
        }
    }

    /// Whether it means everybody.
    pub(super) fn is_everybody(&self) -> bool {
        self.parts.is_empty()
            && self.no_owner.is_none()
            && self.nets.is_empty()
            && self.not_nets.is_empty()
            && self.is_ipv4.is_none()
            && self.meets_itself.is_none()
    }

    /// Whether it asks anything of the owners of an address.
    pub(super) fn names_owners(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Whether it depends on the address of a pod, besides its labels.
    pub(super) fn depends_on_address(&self) -> bool {
        let selects = !self.parts.is_empty() || self.no_owner.is_some();
        !self.nets.is_empty() || !self.not_nets.is_empty() || (selects && self.owners.has_others())
    }

    /// Whether it holds for a pod, or for an address outside, in a connection of a family.
    pub(super) fn truth(
        &self,
        pod: Option<&PodView<'c>>,
        address: Option<IpAddr>,
        is_ipv4: bool,
    ) -> Truth {
        if self.is_ipv4.is_some_and(|wanted| wanted != is_ipv4) {
            return Truth::False;
        }
        let meets = |view: View<'_, 'c>| {
            let parts = self.parts.iter().map(|part| part.truth(view));
            parts.min().unwrap_or(Truth::True)
        };
        let mut truths = Vec::with_capacity(5);
        if !self.parts.is_empty() {
            truths.push(self.owners.known(pod, address, &meets));
        }
        if let Some(selector) = self.no_owner {
            let known = self
                .owners
                .known(pod, address, &|view| view.meets(selector));
            truths.push(negated(known));
        }
        if !self.nets.is_empty() {
            truths.push(self.is_within(&self.nets, address, is_ipv4));
        }
        if !self.not_nets.is_empty() {
            truths.push(negated(self.is_within(&self.not_nets, address, is_ipv4)));
        }
        if let Some(wanted) = self.meets_itself {
            let itself = pod.filter(|pod| !pod.host_network);
            let truth = itself.map_or(Truth::False, |pod| meets(self.owners.view(pod)));
            truths.push(if wanted { truth } else { negated(truth) });
        }
        truths.into_iter().min().unwrap_or(Truth::True)
    }

    /// What keeps it from holding: nothing where it holds. What several owners of the address
    /// meet only together is all named.
    pub(super) fn unmet(
        &self,
        pod: Option<&PodView<'c>>,
        address: Option<IpAddr>,
        is_ipv4: bool,
    ) -> Vec<Unmet> {
        let truth = self.truth(pod, address, is_ipv4);
        if truth == Truth::True {
            return Vec::new();
        }
        let itself = pod.filter(|pod| !pod.host_network);
        let view = itself.map(|pod| self.owners.view(pod));
        let unmet = |name, text: String, keys: &[&str], truth| Unmet {
            asks: Asks::Field { name, text },
            found: match view {
                Some(view) => (keys.iter())
                    .map(|key| ((*key).to_owned(), view.get(key).map(str::to_owned)))
                    .collect(),
                None => Vec::new(),
            },
            truth,
        };
        let mut all = Vec::new();
        let meets = |view: View<'_, 'c>| {
            let parts = self.parts.iter().map(|part| part.truth(view));
            parts.min().unwrap_or(Truth::True)
        };
        let known = match self.parts.is_empty() {
            true => Truth::True,
            false => self.owners.known(pod, address, &meets),
        };
        if known != Truth::True {
            // Another owner of the address may come nearer than the pod itself.
            let of_parts = self.parts.iter().map(|part| {
                let truth = view.map_or(Truth::False, |view| part.truth(view));
                (part, truth.max(known))
            });
            let is_unmet = |(_, truth): &(&Part<'_>, Truth)| *truth != Truth::True;
            all.extend(of_parts.filter(is_unmet).map(|(part, truth)| {
                let (name, text, keys) = part.words();
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                unmet(name, text, &keys, truth)
            }));
        }
        if let Some(selector) = self.no_owner {
            let known = self
                .owners
                .known(pod, address, &|view| view.meets(selector));
            if known != Truth::False {
                let (keys, text) = (selector.keys(), selector.to_string());
                all.push(unmet("notSelector", text, &keys, negated(known)));
            }
        }
        let mut add = |asks, truth| {
            if truth != Truth::True {
                let found = Vec::new();
                all.push(Unmet { asks, found, truth });
            }
        };
        if !self.nets.is_empty() {
            let within = self.is_within(&self.nets, address, is_ipv4);
            add(Asks::Nets(self.nets.clone()), within);
        }
        if !self.not_nets.is_empty() {
            let outside = negated(self.is_within(&self.not_nets, address, is_ipv4));
            add(Asks::NotNets(self.not_nets.clone()), outside);
        }
        if let Some(wanted) = self.is_ipv4 {
            let version = Asks::IpVersion(if wanted { 4 } else { 6 });
            add(version, (wanted == is_ipv4).into());
        }
        if all.is_empty() {
            let parts = self.parts.iter().map(Part::words);
            all.extend(parts.map(|(name, text, _)| unmet(name, text, &[], truth)));
        }
        all
    }

    /// Whether an address lies in some ranges; one that is not known is somewhere in the
    /// ranges of pods (S9).
    fn is_within(&self, ranges: &[AddressRange], address: Option<IpAddr>, is_ipv4: bool) -> Truth {
        if let Some(address) = address {
            return ranges.iter().any(|range| range.contains(address)).into();
        }
        let possible = &self.owners.pod_ranges[usize::from(!is_ipv4)];
        let mut possible = possible.iter().peekable();
        if possible.peek().is_none() || possible.clone().all(|it| it.without(ranges).is_empty()) {
            return Truth::True.min(match possible.peek() {
                Some(_) => Truth::True,
                None => Truth::Unknown,
            });
        }
        match possible.any(|it| ranges.iter().any(|range| range.overlaps(it))) {
            true => Truth::Unknown,
            false => Truth::False,
        }
    }

    /// The ranges of addresses that it tells apart.
    pub(super) fn cuts(&self) -> Vec<AddressRange> {
        let mut cuts: Vec<AddressRange> = self.nets.iter().chain(&self.not_nets).copied().collect();
        if !self.parts.is_empty() || self.no_owner.is_some() {
            cuts.extend(self.owners.cuts());
        }
        cuts
    }
}

fn negated(truth: Truth) -> Truth {
    match truth {
        Truth::True => Truth::False,
        Truth::Unknown => Truth::Unknown,
        Truth::False => Truth::True,
    }
}
