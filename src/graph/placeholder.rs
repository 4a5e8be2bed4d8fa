//! Pods that no manifest declares: those that policies were written for, and any others. A
//! comparison of two clusters sees only what happens to pods, so where a repository holds
//! policies without their pods, placeholders stand for them.
//!
//! Refuses to know what is compared, and to guess: a selector that another tool fills in
//! has no placeholder, nor has a named port.

use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL, NamespaceId, PolicyId, WorkloadId};
use crate::engine::Selectable;
use crate::k8s::{self, LabelSelector, Labels, Object, ObjectMeta};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// No name of an object begins so.
const MARK: char = '+';

/// Where a placeholder is, and what it is called there.
type Place = (String, String);

/// Pods for the selectors of those policies that `concerns` holds of, where no known
/// workload satisfies them: one that a selector was written for, and, in a namespace of
/// which no pod is known, one without labels, for whom it was not written. The namespaces
/// that they need are among them.
///
/// Add them to both clusters of a comparison. Their names begin with `+`, as those of pods
/// that do not exist yet do in a question about a connection.
#[must_use]
pub fn placeholders(
    selectable: &Selectable<'_>,
    concerns: impl Fn(&k8s::NetworkPolicy) -> bool,
) -> Vec<Object> {
    let cluster = selectable.cluster();
    let mut found = Placeholders::new(selectable);
    let ids = cluster.policy_ids();
    for id in ids.filter(|id| concerns(&cluster.policy(*id).object)) {
        found.add(id);
    }
    found.into_objects()
}

/// Pods that a selector of a policy was written for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Which namespaces it looks into.
    pub namespaces: WantedNamespaces<'a>,
    /// Which labels it asks for; none where `None`.
    pub pods: Option<&'a LabelSelector>,
    /// Where it stands.
    pub about: &'a ObjectMeta,
}

/// The namespaces that a selector looks into.
#[derive(Clone, Copy, Debug)]
pub enum WantedNamespaces<'a> {
    /// One, by its name.
    One(&'a str),
    /// Every one.
    All,
    /// Those with such labels.
    Matching(&'a LabelSelector),
}

/// A placeholder for each of these that no known workload is, and the namespaces that they need,
/// as [`placeholders`] has them for selectors of `NetworkPolicy` objects. One that is of no
/// namespace in particular is in [`ELSEWHERE`].
#[must_use]
pub fn placeholders_for<'a>(
    selectable: &Selectable<'_>,
    wanted: impl IntoIterator<Item = Wanted<'a>>,
) -> Vec<Object> {
    let mut found = Placeholders::new(selectable);
    for wanted in wanted {
        found.add_wanted(&wanted);
    }
    found.into_objects()
}

/// The name of the namespace of [`strangers`] that no manifest declares.
pub const ELSEWHERE: &str = "+";

/// Pods without labels, as policies were written for nobody in particular: one in each
/// namespace of these clusters that `may_have_more` holds of, and one in a namespace of no
/// label, [`ELSEWHERE`], if it holds of that name. None if the clusters have no objects.
///
/// Add them to all of the clusters.
#[must_use]
pub fn strangers(clusters: &[&Cluster], may_have_more: impl Fn(&str) -> bool) -> Vec<Object> {
    let mut objects = clusters.iter().flat_map(|cluster| {
        let workloads = cluster.workloads().iter().map(|it| &it.object.meta);
        workloads.chain(cluster.policies().iter().map(|it| &it.object.meta))
    });
    let Some(about) = objects.next() else {
        return Vec::new();
    };
    let all = clusters.iter().flat_map(|cluster| cluster.namespaces());
    let mut names: BTreeSet<&str> = all.map(|namespace| namespace.name.as_str()).collect();
    names.insert(ELSEWHERE);
    names.retain(|name| may_have_more(name));
    let mut strangers: Vec<Object> = Vec::new();
    if names.contains(ELSEWHERE) {
        let namespace = k8s::Namespace::hypothetical(ELSEWHERE, Labels::default(), about);
        strangers.push(Object::Namespace(Arc::new(namespace)));
    }
    let of_namespace = |namespace| placeholder(namespace, Labels::default(), about);
    strangers.extend(names.into_iter().map(of_namespace));
    strangers
}

/// Pods with these labels that no manifest declares, in a namespace that is there already;
/// `about` tells where they were thought up.
#[must_use]
pub fn placeholder(namespace: &str, labels: Labels, about: &ObjectMeta) -> Object {
    let name = text_of(&labels);
    let pods = k8s::Workload::hypothetical(namespace, &name, labels, about);
    Object::Workload(Arc::new(pods))
}

/// The [`pods_name`] of a [`placeholder`].
#[must_use]
pub fn placeholder_name(namespace: &str, labels: &Labels) -> String {
    format!("{namespace}/{}", text_of(labels))
}

/// Whether a workload is one that no manifest declares.
#[must_use]
pub fn is_undeclared(cluster: &Cluster, id: WorkloadId) -> bool {
    cluster.workload(id).object.meta.name.starts_with(MARK)
}

/// The labels that a policy asks for of pods that no manifest declares, `app=web,tier=front`;
/// `None` for those without, and for what is declared.
#[must_use]
pub fn asked_labels(cluster: &Cluster, id: WorkloadId) -> Option<&str> {
    let name = cluster.workload(id).object.meta.name.as_str();
    name.strip_prefix(MARK).filter(|labels| !labels.is_empty())
}

/// The name of a workload, `namespace/Kind/name`, or of a placeholder, `namespace/+labels`, as
/// questions about a pod that does not exist yet have it.
#[must_use]
pub fn pods_name(cluster: &Cluster, id: WorkloadId) -> String {
    let workload = cluster.workload(id);
    let name = &workload.object.meta.name.value;
    if is_undeclared(cluster, id) {
        format!("{}/{name}", cluster.namespace(workload.namespace).name)
    } else {
        cluster.workload_name(id)
    }
}

/// Whether it is the [`pods_name`] of a placeholder.
#[must_use]
pub fn is_placeholder(name: &str) -> bool {
    let mut parts = name.splitn(2, '/');
    parts.nth(1).is_some_and(|rest| rest.starts_with(MARK))
}

struct Placeholders<'e, 'c> {
    selectable: &'e Selectable<'c>,
    cluster: &'c Cluster,
    pods: BTreeMap<Place, Object>,
    namespaces: BTreeMap<String, Object>,
}

impl<'e, 'c> Placeholders<'e, 'c> {
    fn new(selectable: &'e Selectable<'c>) -> Self {
        Self {
            selectable,
            cluster: selectable.cluster(),
            pods: BTreeMap::new(),
            namespaces: BTreeMap::new(),
        }
    }

    fn into_objects(self) -> Vec<Object> {
        let namespaces = self.namespaces.into_values();
        namespaces.chain(self.pods.into_values()).collect()
    }

    fn add(&mut self, id: PolicyId) {
        let cluster = self.cluster;
        let policy = &cluster.policy(id).object;
        let home = WantedNamespaces::One(&cluster.namespace(cluster.policy(id).namespace).name);
        let wanted = |namespaces, pods| Wanted {
            namespaces,
            pods,
            about: &policy.meta,
        };
        self.add_wanted(&wanted(home, policy.pod_selector.get()));
        let ingress = policy.ingress.items().iter();
        let rules = ingress.chain(policy.egress.items());
        for peer in rules.flat_map(|rule| rule.peers.items()) {
            if let Some((namespaces, pods)) = peer.selectors() {
                let namespaces = namespaces.map_or(home, WantedNamespaces::Matching);
                self.add_wanted(&wanted(namespaces, pods));
            }
        }
    }

    /// A selector of several values was written for pods of each.
    fn add_wanted(&mut self, wanted: &Wanted<'_>) {
        let everybody = LabelSelector::everything(wanted.about.span);
        let pods = wanted.pods.unwrap_or(&everybody).of_each_value();
        let namespaces = match wanted.namespaces {
            WantedNamespaces::Matching(selector) => selector.of_each_value(),
            _ => vec![LabelSelector::everything(wanted.about.span)],
        };
        for namespaces in &namespaces {
            let namespaces = match wanted.namespaces {
                WantedNamespaces::Matching(_) => WantedNamespaces::Matching(namespaces),
                other => other,
            };
            for pods in &pods {
                self.add_one(namespaces, pods, wanted.about);
            }
        }
    }

    fn add_one(
        &mut self,
        namespaces: WantedNamespaces<'_>,
        pods: &LabelSelector,
        about: &ObjectMeta,
    ) {
        let (selectable, cluster) = (self.selectable, self.cluster);
        let homes: Vec<NamespaceId> = match namespaces {
            WantedNamespaces::One(name) => cluster.namespace_by_name(name).into_iter().collect(),
            WantedNamespaces::All => cluster.namespace_ids().collect(),
            WantedNamespaces::Matching(selector) => selectable.matching_namespaces(selector),
        };
        let is_known = !selectable.matching_workloads(homes, pods).is_empty();
        let namespace = match namespaces {
            WantedNamespaces::One(name) => Some(name.to_owned()),
            WantedNamespaces::All => Some(ELSEWHERE.to_owned()),
            WantedNamespaces::Matching(selector) => self.namespace_for(selector, about),
        };
        if let Some(namespace) = namespace {
            if !is_known {
                self.add_pod(&namespace, pods, about);
            }
            self.add_stranger(&namespace, about);
        }
    }

    /// A known namespace that the selector selects, else one that is made for it.
    fn namespace_for(&mut self, selector: &LabelSelector, policy: &ObjectMeta) -> Option<String> {
        let mut known = self.cluster.namespaces().iter();
        if let Some(namespace) = known.find(|namespace| selector.matches(&namespace.labels)) {
            return Some(namespace.name.clone());
        }
        let labels = selector.satisfying_labels()?;
        let name = match labels.get(NAMESPACE_NAME_LABEL) {
            Some(name) => name.to_owned(),
            None => text_of(&labels),
        };
        // Of a namespace that is declared, the manifest says which labels it has.
        if self.cluster.namespace_by_name(&name).is_none() {
            let object = Object::Namespace(Arc::new(k8s::Namespace::hypothetical(
                &name, labels, policy,
            )));
            self.namespaces.entry(name.clone()).or_insert(object);
        }
        Some(name)
    }

    /// A pod without labels, in a namespace of which no other pod is known.
    fn add_stranger(&mut self, namespace: &str, policy: &ObjectMeta) {
        let known = self.cluster.namespace_by_name(namespace);
        if known.is_none_or(|id| self.cluster.workloads_in(id).len() == 0) {
            self.add_pod(namespace, &LabelSelector::everything(policy.span), policy);
        }
    }

    fn add_pod(&mut self, namespace: &str, selector: &LabelSelector, policy: &ObjectMeta) {
        let Some(labels) = selector.satisfying_labels() else {
            return;
        };
        let place = (namespace.to_owned(), text_of(&labels));
        let pods = self.pods.entry(place);
        pods.or_insert_with(|| placeholder(namespace, labels, policy));
    }
}

/// `+app=web,tier=front`.
fn text_of(labels: &Labels) -> String {
    let labels: Vec<String> = labels
        .iter()
        .map(|label| format!("{}={}", label.key, label.value))
        .collect();
    format!("{MARK}{}", labels.join(","))
}
