//! Which part of a change is to blame for a flow that it opens or closes: each part is
//! undone alone, and the engine asked again.
//!
//! Refuses to guess: what is named has been tried. Where no part alone makes the difference,
//! the fewest that do so together are named.

mod versions;

use super::comparison::Move;
use crate::cluster::{Cluster, WorkloadId};
use crate::engine::{
    AddressRange, ConnectionSet, Endpoint, Pair, PodView, Verdict, explain, uniform_ranges,
};
use crate::k8s::{Direction, Field, NetworkPolicy, NetworkPolicyRule, Object, Truth, Workload};
use crate::source::Span;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use versions::{Versions, name, policy_name};

/// What was done to an object, or to a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deed {
    /// A policy is new.
    PolicyAdded,
    /// A policy is gone.
    PolicyRemoved,
    /// A policy is another one: its selector, its types, or several rules.
    PolicyChanged,
    /// A rule of a policy is new.
    RuleAdded,
    /// A rule of a policy is gone.
    RuleRemoved,
    /// A rule of a policy says something else.
    RuleChanged,
    /// Pods have other labels.
    LabelsChanged,
    /// Containers declare other ports.
    PortsChanged,
    /// Pods have other addresses, or moved to or from the host network.
    NetworkChanged,
    /// A namespace has other labels.
    NamespaceChanged,
    /// A node has other labels or addresses, is new or gone.
    NodeChanged,
}

impl Deed {
    /// Its name in JSON, which stays.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::PolicyAdded => "policyAdded",
            Self::PolicyRemoved => "policyRemoved",
            Self::PolicyChanged => "policyChanged",
            Self::RuleAdded => "ruleAdded",
            Self::RuleRemoved => "ruleRemoved",
            Self::RuleChanged => "ruleChanged",
            Self::LabelsChanged => "labelsChanged",
            Self::PortsChanged => "portsChanged",
            Self::NetworkChanged => "networkChanged",
            Self::NamespaceChanged => "namespaceChanged",
            Self::NodeChanged => "nodeChanged",
        }
    }

    /// It in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::PolicyAdded => "policy added",
            Self::PolicyRemoved => "policy removed",
            Self::PolicyChanged => "policy changed",
            Self::RuleAdded => "rule added",
            Self::RuleRemoved => "rule removed",
            Self::RuleChanged => "rule changed",
            Self::LabelsChanged => "pod labels changed",
            Self::PortsChanged => "container ports changed",
            Self::NetworkChanged => "host network or addresses changed",
            Self::NamespaceChanged => "namespace labels changed",
            Self::NodeChanged => "node changed",
        }
    }
}

/// A part of a change that is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What was done.
    pub deed: Deed,
    /// To which object: a policy as `namespace/name`, a workload as `namespace/Kind/name`.
    pub object: String,
    /// To which of its rules, from 0.
    pub rule: Option<(Direction, usize)>,
    /// What differs, in words; may be empty.
    pub detail: String,
    /// Where it stands.
    pub span: Span,
    /// Whether that is in the state before: what is gone stands there.
    pub is_before: bool,
    /// Whether undoing it alone undoes the flow; else only together with the other causes.
    pub is_alone: bool,
}

/// One end of a flow that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlamedEnd {
    /// A workload of both clusters.
    Workload(Pair),
    /// Addresses outside; the first of them is asked about.
    Outside(AddressRange),
}

/// Finds causes between two clusters.
pub struct Blame<'c> {
    clusters: [&'c Cluster; 2],
    /// Joins objects of the state after, with parts of the one before, into a cluster.
    join: &'c dyn Fn(Vec<Object>) -> Cluster,
    /// How many bytes of manifests may still be looked at.
    left: Cell<usize>,
}

/// What it counts for that a policy does not select the ends, in bytes.
const COMPARED: usize = 32;

/// How many bytes of manifests are looked at for all flows of a change together, before it is no
/// more said what is to blame: each part of a change is tried for each flow, and a flow may be
/// there for each part.
pub const MAX_TRIED: usize = 64 << 20;

/// What makes an object one object: its kind, namespace and name; the two workloads that a
/// flow is about have a place of their own, as their names may change.
type Key = (u8, String, String);

impl<'c> Blame<'c> {
    /// Between these clusters.
    #[must_use]
    pub fn new(
        before: &'c Cluster,
        after: &'c Cluster,
        join: &'c dyn Fn(Vec<Object>) -> Cluster,
    ) -> Self {
        Self {
            clusters: [before, after],
            join,
            left: Cell::new(MAX_TRIED),
        }
    }

    /// Whether a limit was met, from where on nothing is said to be to blame.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.left.get() == 0
    }

    fn spend(&self, tried: usize) {
        self.left.set(self.left.get().saturating_sub(tried));
    }

    /// What is to blame for connections that come or go between two ends, by object; nothing
    /// once it [is spent](Self::is_spent).
    #[must_use]
    pub fn causes(
        &self,
        moved: Move,
        source: BlamedEnd,
        destination: BlamedEnd,
        connections: &ConnectionSet,
    ) -> Vec<Cause> {
        if self.is_spent() {
            return Vec::new();
        }
        let case = Case {
            blame: self,
            moved,
            ends: [source, destination],
            connections,
            objects: self.objects([source, destination]),
        };
        let causes = case.causes();
        match self.is_spent() {
            true => Vec::new(),
            false => causes,
        }
    }

    /// The objects that can matter between two ends, in both states.
    fn objects(&self, ends: [BlamedEnd; 2]) -> BTreeMap<Key, Versions> {
        let mut objects: BTreeMap<Key, Versions> = BTreeMap::new();
        let selecting = self.selecting(ends);
        for (time, cluster) in self.clusters.into_iter().enumerate() {
            let mut add = |key: Key, object: Object| {
                let versions = objects.entry(key).or_default();
                match time {
                    0 => versions.before = Some(object),
                    _ => versions.after = Some(object),
                }
            };
            let mut namespaces = BTreeSet::new();
            for (place, end) in ends.iter().enumerate() {
                if let Some(id) = end.workload(time) {
                    let workload = cluster.workload(id);
                    namespaces.insert(workload.namespace);
                    let key = (0, place.to_string(), String::new());
                    add(key, Object::Workload(Arc::clone(&workload.object)));
                }
            }
            for id in namespaces {
                let namespace = cluster.namespace(id);
                if let Some(declared) = &namespace.declared {
                    let key = (1, namespace.name.clone(), String::new());
                    add(key, Object::Namespace(Arc::clone(declared)));
                }
                for policy in cluster.policies_in(id) {
                    let policy = &cluster.policy(policy).object;
                    let name = policy.meta.name.value.to_string();
                    if !selecting.contains(&(namespace.name.as_str(), name.as_str())) {
                        continue;
                    }
                    let key = (2, namespace.name.clone(), name);
                    add(key, Object::NetworkPolicy(Arc::clone(policy)));
                }
            }
            for policy in cluster.cluster_policies() {
                let key = (
                    3,
                    policy.kind.name().to_owned(),
                    policy.meta.name.value.to_string(),
                );
                add(key, Object::ClusterNetworkPolicy(Arc::clone(policy)));
            }
            for policy in cluster.plugin_policies() {
                let meta = &policy.meta;
                let kind = format!("{}/{}", meta.api_version.value, meta.namespace_name());
                let key = (4, kind, meta.name.value.to_string());
                add(key, Object::PluginPolicy(Arc::clone(policy)));
            }
            for node in cluster.nodes() {
                let key = (5, String::new(), node.meta.name.value.to_string());
                add(key, Object::Node(Arc::clone(node)));
            }
        }
        objects
    }

    /// The NetworkPolicies by namespace and name that may select one of the ends in one of the
    /// states: the others have no say, whatever is done to them.
    fn selecting(&self, ends: [BlamedEnd; 2]) -> BTreeSet<(&'c str, &'c str)> {
        let mut selecting = BTreeSet::new();
        let workloads = |(time, cluster): (usize, &'c Cluster)| {
            let ids = ends.into_iter().filter_map(move |end| end.workload(time));
            ids.map(|id| cluster.workload(id))
        };
        let pods: Vec<_> = self
            .clusters
            .into_iter()
            .enumerate()
            .flat_map(workloads)
            .collect();
        let homes = pods.iter().map(|pod| pod.object.meta.namespace_name());
        let mut namespaces: Vec<&str> = homes.collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        for cluster in self.clusters {
            let ids = namespaces
                .iter()
                .filter_map(|name| cluster.namespace_by_name(name));
            for id in ids {
                let namespace = cluster.namespace(id).name.as_str();
                for policy in cluster.policies_in(id) {
                    let policy = &cluster.policy(policy).object;
                    let may_select = pods.iter().any(|pod| {
                        let selector = policy.pod_selector.get();
                        selector
                            .is_none_or(|it| it.matches_opaque(&pod.object.labels) != Truth::False)
                    });
                    if may_select {
                        selecting.insert((namespace, policy.meta.name.value.as_str()));
                    }
                }
                self.spend(cluster.policies_in(id).len() * COMPARED);
            }
        }
        selecting
    }
}

impl BlamedEnd {
    fn workload(&self, time: usize) -> Option<WorkloadId> {
        match (self, time) {
            (Self::Workload(pair), 0) => pair.before,
            (Self::Workload(pair), _) => pair.after,
            (Self::Outside(_), _) => None,
        }
    }
}

/// One flow that changed.
struct Case<'b, 'c> {
    blame: &'b Blame<'c>,
    moved: Move,
    ends: [BlamedEnd; 2],
    connections: &'b ConnectionSet,
    objects: BTreeMap<Key, Versions>,
}

impl Case<'_, '_> {
    fn causes(&self) -> Vec<Cause> {
        let changed: Vec<&Key> = self
            .objects
            .iter()
            .filter(|(_, versions)| versions.differ())
            .map(|(key, _)| key)
            .collect();
        let undone = |keys: &[&Key]| self.is_undone(|key| keys.contains(&key));
        if undone(&[]) {
            return Vec::new();
        }
        let alone: Vec<&Key> = changed
            .iter()
            .copied()
            .filter(|key| undone(&[key]))
            .collect();
        if !alone.is_empty() {
            return alone
                .into_iter()
                .flat_map(|key| self.cause(key, &[]))
                .collect();
        }
        // The fewest that undo it together: each in turn is left out if the others do.
        let mut together = changed;
        if !undone(&together) {
            return Vec::new();
        }
        for key in together.clone() {
            let fewer: Vec<&Key> = together.iter().copied().filter(|one| *one != key).collect();
            if undone(&fewer) {
                together = fewer;
            }
        }
        let causes = together.iter().flat_map(|key| self.cause(key, &together));
        causes.collect()
    }

    /// Whether the flow is as before when the objects of some keys are.
    fn is_undone(&self, is_reverted: impl Fn(&Key) -> bool) -> bool {
        let objects = self.objects.iter().filter_map(|(key, versions)| {
            let version = match is_reverted(key) {
                true => &versions.before,
                false => &versions.after,
            };
            version.clone()
        });
        let objects: Vec<Object> = objects.collect();
        // A namespace or a workload that is not there decides about nothing.
        self.verdict(objects)
            .is_some_and(|verdict| self.is_as_before(&verdict))
    }

    fn is_as_before(&self, verdict: &Verdict) -> bool {
        let asked = self.connections;
        match self.moved {
            Move::Opened => verdict.allowed().intersection(asked).is_empty(),
            Move::Closed => {
                let may_be_open = verdict.allowed().union(&verdict.unknown());
                !may_be_open.intersection(asked).is_empty()
            }
            Move::Unknown => verdict.unknown().intersection(asked) != *asked,
        }
    }

    fn verdict(&self, objects: Vec<Object>) -> Option<Verdict> {
        let texts = objects
            .iter()
            .map(|object| object.meta().span.range().len());
        self.blame.spend(texts.sum());
        if self.blame.is_spent() {
            return None;
        }
        let workloads: Vec<Arc<Workload>> = objects
            .iter()
            .filter_map(|object| match object {
                Object::Workload(workload) => Some(Arc::clone(workload)),
                _ => None,
            })
            .collect();
        let cluster = (self.blame.join)(objects);
        let mut workloads = workloads.into_iter();
        let mut end = |end: &BlamedEnd| match end {
            BlamedEnd::Workload(_) => {
                let wanted = workloads.next()?;
                let is_it = |id: &WorkloadId| {
                    let object = &cluster.workload(*id).object;
                    object.kind == wanted.kind
                        && object.meta.name.value == wanted.meta.name.value
                        && object.meta.namespace_name() == wanted.meta.namespace_name()
                };
                let id = cluster.workload_ids().find(is_it)?;
                Some(Endpoint::Pod(PodView::workload(&cluster, id)))
            }
            BlamedEnd::Outside(range) => {
                let first = AddressRange::from(range.first);
                let uniform = uniform_ranges(&cluster, &first);
                uniform.first().copied().map(Endpoint::Address)
            }
        };
        let (from, to) = (end(&self.ends[0])?, end(&self.ends[1])?);
        Some(explain(&cluster, &from, &to).verdict)
    }

    /// What was done to an object, as narrowly as it can be said. `together` are the objects that
    /// have to be as before, this one among them, for the flow to be; none if this one is enough.
    fn cause(&self, key: &Key, together: &[&Key]) -> Vec<Cause> {
        let Some(versions) = self.objects.get(key) else {
            return Vec::new();
        };
        if let (Some(Object::NetworkPolicy(old)), Some(Object::NetworkPolicy(new))) =
            (&versions.before, &versions.after)
        {
            let rules = self.rules(key, old, new, together);
            if !rules.is_empty() {
                return rules;
            }
        }
        let Some((object, is_before)) = versions.later() else {
            return Vec::new();
        };
        let (deed, detail, span) = versions.deed(object);
        vec![Cause {
            deed,
            object: name(object),
            rule: None,
            detail,
            span,
            is_before,
            is_alone: together.is_empty(),
        }]
    }

    /// The rules of a changed policy of which each is to blame.
    fn rules(
        &self,
        key: &Key,
        old: &NetworkPolicy,
        new: &NetworkPolicy,
        together: &[&Key],
    ) -> Vec<Cause> {
        let mut causes = Vec::new();
        for direction in Direction::BOTH {
            let (before, after) = (old.rules(direction), new.rules(direction));
            let (gone, come) = (missing(before, after), missing(after, before));
            let is_exchange = gone.len() == 1 && come.len() == 1;
            let rule = |index: usize, is_before: bool| {
                let (policy, span) = match is_before {
                    true => (old, before[index].span),
                    false => (new, after[index].span),
                };
                Cause {
                    deed: match (is_exchange, is_before) {
                        (true, _) => Deed::RuleChanged,
                        (false, true) => Deed::RuleRemoved,
                        (false, false) => Deed::RuleAdded,
                    },
                    object: policy_name(policy),
                    rule: Some((direction, index)),
                    detail: String::new(),
                    span,
                    is_before,
                    is_alone: together.is_empty(),
                }
            };
            for index in come.iter().copied().filter(|_| self.moved != Move::Closed) {
                let mut rules = after.to_vec();
                rules.remove(index);
                if self.is_undone_by_rules((key, together), new, direction, rules) {
                    causes.push(rule(index, false));
                }
            }
            for index in gone.iter().copied().filter(|_| self.moved != Move::Opened) {
                let mut rules = after.to_vec();
                rules.push(before[index].clone());
                if self.is_undone_by_rules((key, together), new, direction, rules) {
                    // Of a rule that says something else, the text that is there now is shown.
                    causes.push(match is_exchange {
                        true => rule(come[0], false),
                        false => rule(index, true),
                    });
                }
            }
        }
        causes
    }

    /// Whether the flow is as before when a policy has these rules instead, and others are as
    /// before.
    fn is_undone_by_rules(
        &self,
        (key, together): (&Key, &[&Key]),
        policy: &NetworkPolicy,
        direction: Direction,
        rules: Vec<NetworkPolicyRule>,
    ) -> bool {
        let mut policy = policy.clone();
        let field = match direction {
            Direction::Ingress => &mut policy.ingress,
            Direction::Egress => &mut policy.egress,
        };
        let place = field.key().unwrap_or(policy.spec_key);
        *field = Field::Value {
            key: place,
            value: rules,
        };
        let objects = self
            .objects
            .iter()
            .filter_map(|(other, versions)| match other == key {
                true => Some(Object::NetworkPolicy(Arc::new(policy.clone()))),
                false if together.contains(&other) => versions.before.clone(),
                false => versions.after.clone(),
            });
        let objects: Vec<Object> = objects.collect();
        self.verdict(objects)
            .is_some_and(|verdict| self.is_as_before(&verdict))
    }
}

/// The places of the rules of one list that the other has not.
fn missing(rules: &[NetworkPolicyRule], others: &[NetworkPolicyRule]) -> Vec<usize> {
    let mut others: Vec<String> = others.iter().map(NetworkPolicyRule::canonical).collect();
    let mut missing = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let text = rule.canonical();
        match others.iter().position(|other| *other == text) {
            Some(place) => {
                others.swap_remove(place);
            }
            None => missing.push(index),
        }
    }
    missing
}
