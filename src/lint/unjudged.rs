//! Policies that take part in a cluster and that npcheck does not judge: those of other
//! products, those that only another tool completes, those that an API server refuses, those
//! that a controller writes, and whatever a part may bring that nobody could build.
//! Where one of them may allow a flow, nobody can say that the flow is blocked.
//!
//! Refuses to know what such a policy says.

use crate::cluster::{Cluster, NamespaceId};
use crate::k8s::{Documents, Outcome, PolicyEffect, effect_of_policies, is_opaque as is_hole};
use std::collections::BTreeSet;

/// Where there are policies that npcheck does not judge.
#[derive(Debug, Default)]
pub struct Unjudged {
    namespaces: BTreeSet<String>,
    is_everywhere: bool,
    has_homeless_template: bool,
    /// Those that a controller writes: the namespaces, or everywhere.
    written: Written,
}

/// Where controllers write policies that may allow something.
#[derive(Debug, Default)]
struct Written {
    namespaces: BTreeSet<String>,
    is_everywhere: bool,
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
            // A template without a namespace is for the pods of its own chart, which are
            // templates as well.
            match (document.namespace.as_str(), &document.put_into) {
                ("", Some(namespace)) => unjudged.add(namespace),
                (namespace, _) if namespace.is_empty() || is_hole(namespace) => {
                    unjudged.has_homeless_template = true;
                }
                (namespace, _) => unjudged.add(namespace),
            }
        }
        // The engine judges some of them, but no rule looks into them.
        let policies = cluster.plugin_policies().iter();
        for policy in policies.filter(|policy| policy.kind.effect == PolicyEffect::Decides) {
            match policy.namespace() {
                Some(namespace) => unjudged.add(namespace),
                None => unjudged.is_everywhere = true,
            }
        }
        for id in cluster.namespace_ids() {
            if !cluster.unknown_parts_in(id).is_empty() {
                unjudged.add(&cluster.namespace(id).name);
            }
        }
        let custom_objects = cluster.context_objects().custom_objects.iter();
        let written = custom_objects.flat_map(|object| &object.written_policies);
        for policy in written.filter(|policy| policy.allows) {
            match &policy.namespace {
                Some(namespace) => {
                    unjudged.written.namespaces.insert(namespace.clone());
                }
                None => unjudged.written.is_everywhere = true,
            }
        }
        for policy in cluster.policies() {
            if !policy.object.meta.is_accepted {
                unjudged.add(&cluster.namespace(policy.namespace).name);
            }
        }
        unjudged
    }

    fn add(&mut self, namespace: &str) {
        self.namespaces.insert(namespace.to_owned());
    }

    /// Whether there are policies among the templates of charts, of which nobody knows the
    /// namespace. They are for the pods of their chart, as a rule, but a chart may be of
    /// nothing but policies.
    #[must_use]
    pub fn may_be_anywhere(&self) -> bool {
        self.is_everywhere || self.has_homeless_template || self.written.is_everywhere
    }

    /// Whether a controller may write a policy for pods of this namespace that allows
    /// something.
    #[must_use]
    pub fn may_be_written_in(&self, cluster: &Cluster, namespace: NamespaceId) -> bool {
        let name = &cluster.namespace(namespace).name;
        self.written.is_everywhere || self.written.namespaces.contains(name)
    }

    /// Whether such a policy may select pods of this namespace.
    #[must_use]
    pub fn may_be_in(&self, cluster: &Cluster, namespace: NamespaceId) -> bool {
        self.is_everywhere
            || self.namespaces.contains(&cluster.namespace(namespace).name)
            || self.may_be_written_in(cluster, namespace)
    }
}
