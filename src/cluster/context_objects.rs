//! The objects beside the network: entrypoints, monitors, what the API server calls, who
//! may call it; and what says where others end up.
//!
//! Refuses to know namespaces, pods and Services: nothing here makes one of them exist.

use crate::k8s::{
    ApiExtension, ClusterNetwork, ConfigMap, ContextObject, CustomObject, Entrypoint, Gateway,
    Kustomization, Monitor, ObjectMeta, Placement, Prometheus, Role, RoleBinding, ServiceAccount,
};
use std::sync::Arc;

/// Lists of them, each sorted by namespace, kind, name, and then by place in the inputs.
/// An object that is there twice stands here twice.
#[derive(Clone, Debug, Default)]
pub struct ContextObjects {
    /// What leads traffic from outside to Services.
    pub entrypoints: Vec<Arc<Entrypoint>>,
    /// Gateways, which routes hang on.
    pub gateways: Vec<Arc<Gateway>>,
    /// What says which pods are scraped.
    pub monitors: Vec<Arc<Monitor>>,
    /// What makes pods that scrape.
    pub prometheuses: Vec<Arc<Prometheus>>,
    /// What the API server calls.
    pub api_extensions: Vec<Arc<ApiExtension>>,
    /// What says how the network of the cluster is made.
    pub cluster_networks: Vec<Arc<ClusterNetwork>>,
    /// `ConfigMap`s.
    pub config_maps: Vec<Arc<ConfigMap>>,
    /// Service accounts.
    pub service_accounts: Vec<Arc<ServiceAccount>>,
    /// Roles.
    pub roles: Vec<Arc<Role>>,
    /// Bindings of roles.
    pub role_bindings: Vec<Arc<RoleBinding>>,
    /// What kustomize builds, in the order of the inputs.
    pub kustomizations: Vec<Arc<Kustomization>>,
    /// What applies directories to namespaces.
    pub placements: Vec<Arc<Placement>>,
    /// Objects of kinds that npcheck does not read.
    pub custom_objects: Vec<Arc<CustomObject>>,
}

impl ContextObjects {
    pub(super) fn add(&mut self, object: ContextObject) {
        match object {
            ContextObject::Entrypoint(object) => self.entrypoints.push(object),
            ContextObject::Gateway(object) => self.gateways.push(object),
            ContextObject::Monitor(object) => self.monitors.push(object),
            ContextObject::Prometheus(object) => self.prometheuses.push(object),
            ContextObject::ApiExtension(object) => self.api_extensions.push(object),
            ContextObject::ClusterNetwork(object) => self.cluster_networks.push(object),
            ContextObject::ConfigMap(object) => self.config_maps.push(object),
            ContextObject::ServiceAccount(object) => self.service_accounts.push(object),
            ContextObject::Role(object) => self.roles.push(object),
            ContextObject::RoleBinding(object) => self.role_bindings.push(object),
            ContextObject::Kustomization(object) => self.kustomizations.push(object),
            ContextObject::Placement(object) => self.placements.push(object),
            ContextObject::Custom(object) => {
                self.cluster_networks.extend(object.network.clone());
                self.custom_objects.push(object);
            }
        }
    }

    pub(super) fn sort(&mut self) {
        sort_by(&mut self.entrypoints, |object| {
            (object.kind.name(), &object.meta)
        });
        sort_by(&mut self.custom_objects, |object| {
            (object.kind.as_str(), &object.meta)
        });
        sort_by(&mut self.gateways, |object| ("", &object.meta));
        sort_by(&mut self.monitors, |object| {
            (object.kind.name(), &object.meta)
        });
        sort_by(&mut self.prometheuses, |object| ("", &object.meta));
        sort_by(&mut self.api_extensions, |object| {
            (object.kind.name(), &object.meta)
        });
        sort_by(&mut self.cluster_networks, |object| ("", &object.meta));
        sort_by(&mut self.config_maps, |object| ("", &object.meta));
        sort_by(&mut self.service_accounts, |object| ("", &object.meta));
        sort_by(&mut self.roles, |object| {
            (object.scope.role_kind(), &object.meta)
        });
        sort_by(&mut self.placements, |object| ("", &object.meta));
        sort_by(&mut self.role_bindings, |object| {
            (object.scope.binding_kind(), &object.meta)
        });
    }
}

impl ContextObjects {
    /// The `ConfigMap` of this name; `None` where there is none, or several, as for two
    /// environments. One without a namespace ends up where `kubectl` points, which may be the
    /// namespace of whoever takes something from it.
    #[must_use]
    pub fn config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        let own = self.config_maps_named(Some(namespace), name);
        let unnamed = self.config_maps_named(None, name);
        match (own, unnamed) {
            ([map], []) | ([], [map]) => Some(map),
            ([map], _) if namespace != "default" => Some(map),
            _ => None,
        }
    }

    fn config_maps_named(&self, namespace: Option<&str>, name: &str) -> &[Arc<ConfigMap>] {
        let order = |map: &Arc<ConfigMap>| {
            let home = map.meta.namespace.as_ref().map(|it| it.value.as_str());
            (home, map.meta.name.value.as_str()).cmp(&(namespace, name))
        };
        let start = self.config_maps.partition_point(|map| order(map).is_lt());
        let rest = &self.config_maps[start..];
        &rest[..rest.partition_point(|map| order(map).is_eq())]
    }
}

/// Sorts by namespace, kind and name; the sort keeps the order of the inputs otherwise.
fn sort_by<T>(objects: &mut [T], of: impl Fn(&T) -> (&str, &ObjectMeta)) {
    objects.sort_by(|a, b| {
        let key = |object| {
            let (kind, meta): (&str, &ObjectMeta) = of(object);
            (
                meta.namespace
                    .as_ref()
                    .map(|namespace| namespace.value.clone()),
                kind,
                meta.name.value.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
}
