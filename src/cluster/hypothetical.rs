//! A cluster with pods that nobody has declared, as comparisons take them for granted: put beside
//! what is joined already, which costs less than joining everything again.
//!
//! Refuses to know which pods, and what for.

use super::build::{by_namespace_and_name, injected_labels, labels_of, namespaces};
use super::written_labels::{open_namespaces, open_pods};
use super::{Cluster, Namespace, NamespaceId, NetworkPolicy, Service, Workload};
use crate::k8s::Object;
use foldhash::HashMap;
use std::sync::{Arc, OnceLock};

impl Cluster {
    /// The cluster that it would be with these namespaces and workloads as well, which say nothing
    /// of the platform; `None` where they would declare a namespace that was only used before, so
    /// that more changes than what they add. Of two of one name the one that was there counts.
    #[must_use]
    pub fn with_hypothetical_pods(&self, more: &[Object]) -> Option<Self> {
        let found = namespaces(more);
        let is_known = |namespace: &Namespace| self.namespace_by_name(&namespace.name);
        let is_declared_now = |namespace: &Namespace| {
            let known = is_known(namespace).map(|id| self.namespace(id));
            namespace.declared.is_some() && known.is_some_and(|it| it.declared.is_none())
        };
        if found.iter().any(is_declared_now) {
            return None;
        }
        let mut all: Vec<Namespace> = self.namespaces.clone();
        let mut new: Vec<Namespace> = found;
        new.retain(|it| is_known(it).is_none());
        let writings = self.writings(&self.context_objects.custom_objects);
        open_namespaces(&writings, &mut new);
        all.extend(new);
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let ids: HashMap<&str, NamespaceId> = (0..)
            .zip(&all)
            .map(|(index, namespace)| (namespace.name.as_str(), NamespaceId(index)))
            .collect();
        let moved = |id: NamespaceId| ids[self.namespace(id).name.as_str()];
        let known = self.workloads.iter().map(|workload| Workload {
            namespace: moved(workload.namespace),
            object: Arc::clone(&workload.object),
        });
        let added = more.iter().filter_map(|object| match object {
            Object::Workload(object) => Some(object),
            _ => None,
        });
        let added = added.map(|object| {
            let namespace = ids[object.meta.namespace_name()];
            let mut object = Arc::clone(object);
            let home = &all[namespace.index()];
            let declared = home.declared.as_ref();
            // Injectors are asked before anybody else writes labels.
            let labels = labels_of(&home.name, declared, object.labels_span);
            if let Some(labels) = injected_labels(&labels, declared, &object) {
                Arc::make_mut(&mut object).labels = labels;
            }
            Workload { namespace, object }
        });
        let mut workloads: Vec<Workload> = known.collect();
        let is_new = |added: &Workload| {
            let known = workloads.binary_search_by(|it| by_namespace_and_name(it, added));
            known.is_err()
        };
        let mut added: Vec<Workload> = added.filter(is_new).collect();
        added.sort_by(by_namespace_and_name);
        added.dedup_by(|later, first| by_namespace_and_name(later, first).is_eq());
        open_pods(&writings, &mut added, &all);
        workloads.extend(added);
        workloads.sort_by(by_namespace_and_name);
        let policies = self.policies.iter().map(|policy| NetworkPolicy {
            namespace: moved(policy.namespace),
            object: Arc::clone(&policy.object),
        });
        let services = self.services.iter().map(|service| Service {
            namespace: moved(service.namespace),
            object: Arc::clone(&service.object),
        });
        Some(Self {
            workloads,
            policies: policies.collect(),
            cluster_policies: self.cluster_policies.clone(),
            plugin_policies: self.plugin_policies.clone(),
            plugin_resources: self.plugin_resources.clone(),
            services: services.collect(),
            nodes: self.nodes.clone(),
            context_objects: self.context_objects.clone(),
            platform: self.platform.clone(),
            represented: self.represented.clone(),
            duplicates: self.duplicates.clone(),
            backends: OnceLock::new(),
            subjects: OnceLock::new(),
            labelled_namespaces: OnceLock::new(),
            pod_ports: OnceLock::new(),
            // No Service and no policy is new.
            selected_services: Arc::clone(&self.selected_services),
            asks_for_platform_labels: OnceLock::new(),
            enforcement: self.enforcement.clone(),
            unknown_parts: self.unknown_parts.clone(),
            built_together: Arc::clone(&self.built_together),
            undeployed: Arc::clone(&self.undeployed),
            namespaces: all,
        })
    }
}
