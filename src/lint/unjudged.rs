//! Policies that take part in a cluster and that npcheck does not judge: those of other
//! products, those that only another tool completes, those that an API server refuses, those
//! that a controller writes, and whatever a part may bring that nobody could build.
//! Where one of them may allow a flow, nobody can say that the flow is blocked.
//!
//! Refuses to know what such a policy says, but for whom one is that is rejected.

use crate::cluster::{Cluster, NamespaceId, WorkloadId};
use crate::engine::PolicyRef;
use crate::k8s::{
    Direction, Documents, PluginPolicy, PluginSpec, PolicyEffect, Truth, effect_of_policies,
    namespace_once_completed,
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Where there are policies that npcheck does not judge, and where there are those of a CNI
/// plugin, which the engine judges and only some rules look into.
#[derive(Debug, Default)]
pub struct Unjudged {
    unknown: Places,
    of_plugin: Places,
    has_homeless_template: bool,
    /// Those that are rejected and that may allow something once they are put right.
    rejected: Vec<Rejected>,
    /// Those that a controller writes and that may allow something, by their directions.
    written: BTreeMap<Direction, Places>,
}

/// A policy that the API server or the agent rejects.
#[derive(Debug)]
struct Rejected {
    policy: PolicyRef,
    /// Its namespace; `None` for one that is for all.
    home: Option<String>,
    /// The directions in which it may allow something once it is put right.
    directions: Vec<Direction>,
}

impl Rejected {
    fn is_for(&self, namespace: &str) -> bool {
        self.home.as_ref().is_none_or(|home| home == namespace)
    }

    fn may_open(&self, namespace: &str, direction: Direction) -> bool {
        self.directions.contains(&direction) && self.is_for(namespace)
    }

    /// Whether it may select these pods.
    fn may_select(&self, cluster: &Cluster, workload: WorkloadId) -> bool {
        let subject = match self.policy {
            PolicyRef::Network(id) => cluster.policy(id).object.pod_selector.get(),
            PolicyRef::Plugin(id) => cluster.plugin_policy(id).subject.as_ref(),
            PolicyRef::Cluster(_) | PolicyRef::Part(_) | PolicyRef::Agent => None,
        };
        let labels = &cluster.workload(workload).object.labels;
        subject.is_none_or(|subject| subject.matches_opaque(labels) != Truth::False)
    }
}

/// The directions in which a policy of a CNI plugin that is rejected may allow something once it
/// is put right: those that it speaks of, and of one that the agent of Cilium rejects, which is
/// read whole, those with a rule that allows.
fn opened_by(policy: &PluginPolicy) -> Vec<Direction> {
    let mut directions = policy.directions.clone();
    if let PluginSpec::Cilium(spec) = &policy.spec
        && policy.meta.is_accepted
    {
        let allows = |direction: &Direction| {
            let mut rules = spec.specs.iter().flat_map(|spec| spec.rules_of(*direction));
            rules.any(|rule| !rule.section.is_deny())
        };
        directions.retain(allows);
    }
    directions
}

/// Namespaces with some policies, or everywhere.
#[derive(Debug, Default)]
struct Places {
    namespaces: BTreeSet<String>,
    is_everywhere: bool,
}

impl Places {
    fn add(&mut self, namespace: Option<&str>) {
        match namespace {
            Some(namespace) => {
                self.namespaces.insert(namespace.to_owned());
            }
            None => self.is_everywhere = true,
        }
    }

    fn holds(&self, namespace: &str) -> bool {
        self.is_everywhere || self.namespaces.contains(namespace)
    }
}

impl Unjudged {
    /// Looks for them among everything that was read.
    #[must_use]
    pub fn new(documents: &Documents, cluster: &Cluster) -> Self {
        let mut unjudged = Self::default();
        for document in documents {
            let is_hidden = document.outcome.hides_an_object();
            if !is_hidden || effect_of_policies(&document.kind).is_none() {
                continue;
            }
            match namespace_once_completed(document) {
                Some(namespace) => unjudged.unknown.add(Some(namespace)),
                None => unjudged.has_homeless_template = true,
            }
        }
        unjudged.add_plugin_policies(cluster);
        for id in cluster.namespace_ids() {
            if !cluster.unknown_parts_in(id).is_empty() {
                unjudged.unknown.add(Some(&cluster.namespace(id).name));
            }
        }
        let custom_objects = cluster.context_objects().custom_objects.iter();
        let written = custom_objects.flat_map(|object| &object.written_policies);
        for policy in written.filter(|policy| policy.allows) {
            for direction in &policy.directions {
                let of_direction = unjudged.written.entry(*direction).or_default();
                of_direction.add(policy.namespace.as_deref());
            }
        }
        for id in cluster.policy_ids() {
            let policy = cluster.policy(id);
            if !policy.object.meta.is_accepted {
                let is_silent = |direction: &Direction| policy.object.silent.contains(direction);
                let directions = Direction::BOTH.into_iter();
                unjudged.rejected.push(Rejected {
                    policy: PolicyRef::Network(id),
                    home: Some(cluster.namespace(policy.namespace).name.clone()),
                    directions: directions.filter(|it| !is_silent(it)).collect(),
                });
            }
        }
        unjudged
    }

    /// Those of other products, and those of the plugin in force. What nobody enforces, as it is
    /// for another plugin, is left out.
    fn add_plugin_policies(&mut self, cluster: &Cluster) {
        let options = cluster.enforcement().cilium();
        let foreign = cluster.foreign_policies().into_iter();
        let foreign: HashSet<*const PluginPolicy> = foreign.map(std::ptr::from_ref).collect();
        let inert = cluster.inert_policies();
        let inert: HashSet<*const PluginPolicy> = inert.map(std::ptr::from_ref).collect();
        for id in cluster.plugin_policy_ids() {
            let policy = cluster.plugin_policy(id);
            let pointer = std::ptr::from_ref(policy);
            if policy.kind.effect != PolicyEffect::Decides || inert.contains(&pointer) {
                continue;
            }
            // Nobody knows what becomes of one that is rejected when it is put right.
            let is_rejected =
                !policy.meta.is_accepted || options.faults_as_written(policy).next().is_some();
            match (foreign.contains(&pointer), is_rejected) {
                (true, _) => self.unknown.add(policy.namespace()),
                (false, true) => self.rejected.push(Rejected {
                    policy: PolicyRef::Plugin(id),
                    home: policy.namespace().map(str::to_owned),
                    directions: opened_by(policy),
                }),
                (false, false) => self.of_plugin.add(policy.namespace()),
            }
        }
    }

    /// Whether there are policies among the templates of charts, of which nobody knows the
    /// namespace. They are for the pods of their chart, as a rule, but a chart may be of
    /// nothing but policies.
    #[must_use]
    pub fn may_be_anywhere(&self) -> bool {
        let mut rejected = self.rejected.iter();
        self.unknown.is_everywhere
            || rejected.any(|it| it.home.is_none())
            || self.has_homeless_template
            || self.written.values().any(|written| written.is_everywhere)
    }

    /// Whether a controller may write a policy for pods of this namespace that allows
    /// something in this direction.
    #[must_use]
    pub fn may_be_written_in(
        &self,
        cluster: &Cluster,
        namespace: NamespaceId,
        direction: Direction,
    ) -> bool {
        let name = &cluster.namespace(namespace).name;
        let written = self.written.get(&direction);
        written.is_some_and(|written| written.holds(name))
    }

    /// Whether a policy that npcheck does not judge may select pods of this namespace for this
    /// direction: one that isolates them for the other one opens nothing here.
    #[must_use]
    pub fn is_unknown_for(
        &self,
        cluster: &Cluster,
        namespace: NamespaceId,
        direction: Direction,
    ) -> bool {
        let name = &cluster.namespace(namespace).name;
        let mut rejected = self.rejected.iter();
        self.is_unread_for(cluster, namespace, direction)
            || rejected.any(|policy| policy.may_open(name, direction))
    }

    /// Whether such a policy may select these very pods for this direction.
    #[must_use]
    pub fn is_unknown_for_pods(
        &self,
        cluster: &Cluster,
        workload: WorkloadId,
        direction: Direction,
    ) -> bool {
        let namespace = cluster.workload(workload).namespace;
        let name = &cluster.namespace(namespace).name;
        let mut rejected = self.rejected.iter();
        self.is_unread_for(cluster, namespace, direction)
            || rejected.any(|it| it.may_open(name, direction) && it.may_select(cluster, workload))
    }

    /// Whether there may be one of which nothing is read.
    fn is_unread_for(
        &self,
        cluster: &Cluster,
        namespace: NamespaceId,
        direction: Direction,
    ) -> bool {
        self.unknown.holds(&cluster.namespace(namespace).name)
            || self.may_be_written_in(cluster, namespace, direction)
    }

    /// The same for any direction.
    #[must_use]
    pub fn is_unknown_in(&self, cluster: &Cluster, namespace: NamespaceId) -> bool {
        let name = &cluster.namespace(namespace).name;
        let mut directions = Direction::BOTH.into_iter();
        // One that opens nothing once it is put right may still isolate.
        let mut rejected = self.rejected.iter();
        directions.any(|direction| self.is_unread_for(cluster, namespace, direction))
            || rejected.any(|policy| policy.is_for(name))
    }

    /// The same, or one of a CNI plugin: for rules that look into NetworkPolicies only.
    #[must_use]
    pub fn may_be_in(&self, cluster: &Cluster, namespace: NamespaceId) -> bool {
        let name = &cluster.namespace(namespace).name;
        self.is_unknown_in(cluster, namespace) || self.of_plugin.holds(name)
    }
}
