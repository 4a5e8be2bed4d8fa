//! The Services that entries of `toServices` of Cilium name, each distinct entry looked up once
//! for all policies.
//!
//! Refuses to know what a policy allows to the pods behind them.

use super::{Cluster, Cni, PluginPolicyId, Service, ServiceId};
use crate::k8s::{
    CiliumPeers, CiliumPolicy, CiliumServicePeer, CiliumServices, LabelSelector, ObjectMeta,
    PluginSpec, Truth, is_opaque,
};
use std::collections::{BTreeSet, HashMap};

/// How many Services the entries of all policies may name together. Each may be a peer of its own
/// for each of these policies.
const MAX_NAMED: usize = 65_536;

/// How many more for each Service.
const MAX_NAMED_MORE: usize = 16;

/// How many Services are compared with selectors, in a cluster with `MAX_NAMED` of them.
const MAX_COMPARED: usize = 64 * MAX_NAMED;

/// What the entries of `toServices` name.
#[derive(Debug, Default)]
pub(super) struct SelectedServices {
    named: HashMap<Key, NamedServices>,
    /// The policies that would go beyond what is looked up.
    beyond: BTreeSet<PluginPolicyId>,
}

/// The Services of an entry.
#[derive(Debug, Default)]
struct NamedServices {
    /// In order.
    services: Vec<ServiceId>,
    /// Whether one that it may name is known only once another tool has filled in its name or its
    /// labels.
    is_in_doubt: bool,
}

/// What an entry says: its namespace, whether it is a selector, and its name or its selector.
type Key = (Option<String>, bool, String);

fn key(entry: &CiliumServicePeer) -> Key {
    let namespace = entry.namespace.as_ref().map(|it| it.value.clone());
    match &entry.services {
        CiliumServices::Named(name) => (namespace, false, name.value.clone()),
        CiliumServices::Selected(selector) => (namespace, true, selector.to_string()),
        CiliumServices::None => (namespace, true, "-".to_owned()),
    }
}

impl Cluster {
    /// The Services that an entry of `toServices` names, in order.
    pub fn services_named_by(&self, entry: &CiliumServicePeer) -> impl Iterator<Item = &Service> {
        let found = self.selected_services().named.get(&key(entry));
        let services = found.into_iter().flat_map(|found| &found.services);
        services.map(|id| self.service(*id))
    }

    /// Whether a Service that an entry may name is known only once another tool has filled in its
    /// name or its labels.
    #[must_use]
    pub fn is_service_in_doubt(&self, entry: &CiliumServicePeer) -> bool {
        let found = self.selected_services().named.get(&key(entry));
        found.is_some_and(|found| found.is_in_doubt)
    }

    /// The policies whose entries of `toServices` name too many Services to look them up.
    #[must_use]
    pub fn policies_of_too_many_services(&self) -> &BTreeSet<PluginPolicyId> {
        &self.selected_services().beyond
    }

    fn selected_services(&self) -> &SelectedServices {
        self.selected_services
            .get_or_init(|| SelectedServices::new(self))
    }
}

impl SelectedServices {
    fn new(cluster: &Cluster) -> Self {
        let mut found = Self::default();
        if cluster.enforcement().cni().map(|cni| cni.value) != Some(Cni::Cilium) {
            return found;
        }
        let mut search = Search::new(cluster);
        let mut left = MAX_NAMED + MAX_NAMED_MORE * cluster.services().len();
        for id in cluster.plugin_policy_ids() {
            let PluginSpec::Cilium(policy) = &cluster.plugin_policy(id).spec else {
                continue;
            };
            let mut number = 0;
            for entry in entries(policy) {
                let key = key(entry);
                if !found.named.contains_key(&key) {
                    let Some(named) = search.named(entry) else {
                        number = usize::MAX;
                        break;
                    };
                    found.named.insert(key.clone(), named);
                }
                number += found.named[&key].services.len();
            }
            match left.checked_sub(number) {
                Some(rest) => left = rest,
                None => {
                    found.beyond.insert(id);
                }
            }
        }
        found
    }
}

fn entries(policy: &CiliumPolicy) -> impl Iterator<Item = &CiliumServicePeer> {
    let rules = policy.specs.iter().flat_map(|spec| &spec.rules);
    let fields = rules.flat_map(|rule| &rule.peer_fields);
    fields.flat_map(|field| match &field.peers {
        CiliumPeers::Services(entries) => entries.as_slice(),
        _ => &[],
    })
}

/// The Services of a cluster, by what entries ask for.
struct Search<'c> {
    cluster: &'c Cluster,
    by_name: HashMap<&'c str, Vec<ServiceId>>,
    by_label: HashMap<(&'c str, &'c str), Vec<ServiceId>>,
    /// Those of whose labels or namespace another tool fills in some.
    open: Vec<ServiceId>,
    /// Whether another tool fills in a name or a namespace.
    has_open_name: bool,
    /// How many may still be compared with selectors.
    left: usize,
}

impl<'c> Search<'c> {
    fn new(cluster: &'c Cluster) -> Self {
        let mut search = Self {
            cluster,
            by_name: HashMap::new(),
            by_label: HashMap::new(),
            open: Vec::new(),
            has_open_name: false,
            left: MAX_COMPARED,
        };
        for id in cluster.service_ids() {
            let meta = search.meta(id);
            let of_name = search.by_name.entry(&meta.name.value).or_default();
            of_name.push(id);
            for label in meta.labels.iter() {
                let label = (label.key.as_str(), label.value.as_str());
                search.by_label.entry(label).or_default().push(id);
            }
            let has_open_home = is_opaque(meta.namespace_name());
            search.has_open_name |= has_open_home || is_opaque(&meta.name);
            if has_open_home || meta.labels.have_gaps() {
                search.open.push(id);
            }
        }
        search
    }

    fn meta(&self, id: ServiceId) -> &'c ObjectMeta {
        &self.cluster.service(id).object.meta
    }

    /// The Services of an entry; `None` where too many would be compared.
    fn named(&mut self, entry: &CiliumServicePeer) -> Option<NamedServices> {
        let (mut services, is_in_doubt) = match &entry.services {
            CiliumServices::Named(name) => {
                let found = self.by_name.get(name.value.as_str());
                (
                    found.cloned().unwrap_or_default(),
                    found.is_none() && self.has_open_name,
                )
            }
            CiliumServices::Selected(selector) => self.selected(selector)?,
            CiliumServices::None => (Vec::new(), false),
        };
        if let Some(wanted) = &entry.namespace {
            let home = self.cluster.namespace_by_name(&wanted.value);
            services.retain(|id| Some(self.cluster.service(*id).namespace) == home);
        }
        Some(NamedServices {
            services,
            is_in_doubt,
        })
    }

    /// The Services that a selector matches, and whether one may match that does not yet.
    fn selected(&mut self, selector: &LabelSelector) -> Option<(Vec<ServiceId>, bool)> {
        let asked = selector.without_sources();
        let all: Vec<ServiceId>;
        let labels = asked.match_labels.iter();
        let fewest = labels
            .map(|label| (label.key.as_str(), label.value.as_str()))
            .map(|label| self.by_label.get(&label).map_or(&[][..], Vec::as_slice))
            .min_by_key(|ids| ids.len());
        let candidates = match fewest {
            Some(ids) => ids,
            None => {
                all = self.cluster.service_ids().collect();
                &all
            }
        };
        let everybody: Vec<ServiceId>;
        let open = match asked.is_opaque() {
            true => {
                everybody = self.cluster.service_ids().collect();
                &everybody
            }
            false => &self.open,
        };
        self.left = self.left.checked_sub(candidates.len() + open.len())?;
        let labels_of = |id: &ServiceId| &self.meta(*id).labels;
        let matching = candidates.iter().filter(|id| asked.matches(labels_of(id)));
        let is_in_doubt = open.iter().any(|id| {
            is_opaque(self.meta(*id).namespace_name())
                || asked.matches_opaque(labels_of(id)) == Truth::Unknown
        });
        Some((matching.copied().collect(), is_in_doubt))
    }
}
