//! Policies that take part in a cluster and that npcheck does not judge: those of other
//! products, those that only another tool completes, those that an API server refuses, those
//! that a controller writes, and whatever a part may bring that nobody could build.
//! Where one of them may allow a flow, nobody can say that the flow is blocked.
//!
//! Refuses to know what such a policy says.

use crate::cluster::{Cluster, NamespaceId};
use crate::k8s::{
    Direction, Documents, Outcome, PluginPolicy, PolicyEffect, effect_of_policies,
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
    /// Those that a controller writes and that may allow something, by their directions.
    written: BTreeMap<Direction, Places>,
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
            let is_opaque = matches!(document.outcome, Outcome::Opaque(_));
            if !is_opaque || effect_of_policies(&document.kind).is_none() {
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
        for policy in cluster.policies() {
            if !policy.object.meta.is_accepted {
                let namespace = &cluster.namespace(policy.namespace).name;
                unjudged.unknown.add(Some(namespace));
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
        for policy in cluster.plugin_policies().iter().map(AsRef::as_ref) {
            let pointer = std::ptr::from_ref(policy);
            if policy.kind.effect != PolicyEffect::Decides || inert.contains(&pointer) {
                continue;
            }
            // Nobody knows what becomes of one that is rejected when it is put right.
            let is_rejected =
                !policy.meta.is_accepted || options.faults_as_written(policy).next().is_some();
            match is_rejected || foreign.contains(&pointer) {
                true => self.unknown.add(policy.namespace()),
                false => self.of_plugin.add(policy.namespace()),
            }
        }
    }

    /// Whether there are policies among the templates of charts, of which nobody knows the
    /// namespace. They are for the pods of their chart, as a rule, but a chart may be of
    /// nothing but policies.
    #[must_use]
    pub fn may_be_anywhere(&self) -> bool {
        self.unknown.is_everywhere
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
        self.unknown.holds(&cluster.namespace(namespace).name)
            || self.may_be_written_in(cluster, namespace, direction)
    }

    /// The same for any direction.
    #[must_use]
    pub fn is_unknown_in(&self, cluster: &Cluster, namespace: NamespaceId) -> bool {
        let mut directions = Direction::BOTH.into_iter();
        directions.any(|direction| self.is_unknown_for(cluster, namespace, direction))
    }

    /// The same, or one of a CNI plugin: for rules that look into NetworkPolicies only.
    #[must_use]
    pub fn may_be_in(&self, cluster: &Cluster, namespace: NamespaceId) -> bool {
        let name = &cluster.namespace(namespace).name;
        self.is_unknown_in(cluster, namespace) || self.of_plugin.holds(name)
    }
}
