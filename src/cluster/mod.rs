//! The objects of a run joined into one cluster: namespaces with the labels that
//! Kubernetes gives them, the workloads that are peers, policies in their order.
//! Hands out ids; from here on nobody speaks of files.
//!
//! Refuses to know how objects were read, and who may talk to whom.

mod build;
mod definitions;
mod hypothetical;
mod layout;
mod parts;
mod unknown_addresses;
mod places;
pub mod platform;
mod services;
mod subjects;
mod cilium_options;
mod cni;
mod context_objects;
mod enforcement;
mod ingress_path;
mod label_filter;
mod labelled_namespaces;
mod network_policies;
mod primary_networks;
mod plugin_resources;
mod pod_ports;
mod roots;
mod selected_services;
mod undeployed;
mod written_labels;

pub use cilium_options::{CiliumOptions, CiliumSettings, PolicyMode, Switch, not_modelled};
pub use cni::{Cni, PortReading};
pub use context_objects::ContextObjects;
pub use definitions::{Identity, likeness};
pub use enforcement::{Enforcement, EnforcementRow, EnforcementSettings, Evidence, Recognised};
pub use ingress_path::IngressPath;
pub use label_filter::LabelFilter;
pub use layout::{Layout, directory_of};
pub use places::Places;
pub use plugin_resources::PluginResources;
pub use roots::BuiltTogether;
pub use undeployed::Undeployed;

use crate::k8s;
use crate::source::Span;
use platform::Platform;
use std::sync::{Arc, OnceLock};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) u32);

        impl $name {
            /// The position in its list.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// A namespace, by its position in [`Cluster::namespaces`].
    NamespaceId,
    /// A workload, by its position in [`Cluster::workloads`].
    WorkloadId,
    /// A `NetworkPolicy`, by its position in [`Cluster::policies`].
    PolicyId,
    /// A cluster-wide policy, by its position in [`Cluster::cluster_policies`].
    ClusterPolicyId,
    /// A policy that only a CNI plugin knows, by its position in
    /// [`Cluster::plugin_policies`].
    PluginPolicyId,
    /// A `Service`, by its position in [`Cluster::services`].
    ServiceId,
    /// A part that nobody could build, by its position in their list.
    UnknownPartId,
}

pub use crate::k8s::NAMESPACE_NAME_LABEL;

/// Everything that was read, joined. All lists are sorted by namespace, then kind, then
/// name (cluster-wide policies: by the order of their evaluation), so that equal inputs
/// give equal clusters whatever the order of the files.
#[derive(Debug, Default)]
pub struct Cluster {
    namespaces: Vec<Namespace>,
    workloads: Vec<Workload>,
    policies: Vec<NetworkPolicy>,
    cluster_policies: Vec<Arc<k8s::ClusterNetworkPolicy>>,
    plugin_policies: Vec<Arc<k8s::PluginPolicy>>,
    plugin_resources: PluginResources,
    services: Vec<Service>,
    nodes: Vec<Arc<k8s::Node>>,
    context_objects: ContextObjects,
    platform: Platform,
    represented: Vec<Represented>,
    duplicates: Vec<Duplicate>,
    backends: OnceLock<services::Backends>,
    subjects: OnceLock<subjects::Subjects>,
    labelled_namespaces: OnceLock<labelled_namespaces::LabelledNamespaces>,
    pod_ports: OnceLock<pod_ports::PodPorts>,
    selected_services: Arc<OnceLock<selected_services::SelectedServices>>,
    asks_for_platform_labels: OnceLock<bool>,
    enforcement: Enforcement,
    unknown_parts: Vec<k8s::UnknownPart>,
    built_together: Arc<BuiltTogether>,
    undeployed: Arc<Undeployed>,
}

/// A namespace, declared or only used.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// The labels that selectors see: those of the manifest, if an API server would take
    /// it, and [`NAMESPACE_NAME_LABEL`] over whatever the manifest says (S2).
    pub labels: k8s::Labels,
    /// The `Namespace` object, where there is one among the inputs.
    pub declared: Option<Arc<k8s::Namespace>>,
}

/// A peer: a pod, or an object that stands for its pods.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its namespace.
    pub namespace: NamespaceId,
    /// The object.
    pub object: Arc<k8s::Workload>,
}

/// A `NetworkPolicy` in its namespace.
#[derive(Clone, Debug)]
pub struct NetworkPolicy {
    /// Its namespace.
    pub namespace: NamespaceId,
    /// The object. One that is not accepted is kept for rules to look at; the engine
    /// leaves it out.
    pub object: Arc<k8s::NetworkPolicy>,
}

/// A `Service` in its namespace.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its namespace.
    pub namespace: NamespaceId,
    /// The object.
    pub object: Arc<k8s::Service>,
}

/// An object that is no peer because its owner is among the inputs (S3).
#[derive(Clone, Debug)]
pub struct Represented {
    /// The object, as `namespace/Kind/name`.
    pub object: String,
    /// Its text.
    pub span: Span,
    /// The owner that stands for it, as `Kind/name`.
    pub owner: String,
}

/// A second object of one kind, namespace and name. The first one in the order of the
/// inputs is kept, the others are left out.
#[derive(Clone, Debug)]
pub struct Duplicate {
    /// What both are, as `namespace/Kind/name`.
    pub object: String,
    /// The one that is kept.
    pub first: Span,
    /// The one that is left out.
    pub second: Span,
    /// The object that is left out.
    pub left_out: k8s::Object,
    /// How its spec compares with the one that is kept.
    pub likeness: Likeness,
}

/// How the specs of two objects compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// They say the same.
    Same,
    /// They differ.
    Different,
}

impl Cluster {
    /// All namespaces, sorted by name.
    #[must_use]
    pub fn namespaces(&self) -> &[Namespace] {
        &self.namespaces
    }

    /// All peers, sorted by namespace, kind and name.
    #[must_use]
    pub fn workloads(&self) -> &[Workload] {
        &self.workloads
    }

    /// All `NetworkPolicy` objects, sorted by namespace and name, accepted or not.
    #[must_use]
    pub fn policies(&self) -> &[NetworkPolicy] {
        &self.policies
    }

    /// All cluster-wide policies, accepted or not, in the order of evaluation: the Admin
    /// tier first, then by priority, kind and name (S12).
    #[must_use]
    pub fn cluster_policies(&self) -> &[Arc<k8s::ClusterNetworkPolicy>] {
        &self.cluster_policies
    }

    /// The policies of kinds that only some CNI plugin or service mesh knows, and that are
    /// not judged: what they may change about a connection is not known. Those of another
    /// CNI plugin than the one in force are not among them, as nobody enforces them.
    #[must_use]
    pub fn foreign_policies(&self) -> Vec<&k8s::PluginPolicy> {
        let policies = self.plugin_policies.iter().map(Arc::as_ref);
        policies.filter(|policy| self.is_foreign(policy)).collect()
    }

    /// Whether a policy is one of the [`foreign_policies`](Self::foreign_policies).
    #[must_use]
    pub fn is_foreign(&self, policy: &k8s::PluginPolicy) -> bool {
        let cni = self.enforcement.cni().map(|cni| cni.value);
        match (cni, policy.kind.product) {
            (Some(cni), product) if product.is_cni_plugin() => {
                Cni::of(product) == Some(cni) && !policy.kind.is_read_whole()
            }
            _ => true,
        }
    }

    /// The policies of CNI plugins that are not in force, so that nobody enforces them.
    pub fn inert_policies(&self) -> impl Iterator<Item = &k8s::PluginPolicy> {
        let cni = self.enforcement.cni().map(|cni| cni.value);
        let policies = self.plugin_policies.iter().map(Arc::as_ref);
        policies.filter(move |policy| {
            let own = Cni::of(policy.kind.product);
            cni.is_some() && own.is_some() && own != cni
        })
    }

    /// The policies of kinds that only some CNI plugin or service mesh knows, judged or not.
    /// Sorted by product, kind, namespace and name.
    #[must_use]
    pub fn plugin_policies(&self) -> &[Arc<k8s::PluginPolicy>] {
        &self.plugin_policies
    }

    /// What policies of CNI plugins refer to.
    #[must_use]
    pub fn plugin_resources(&self) -> &PluginResources {
        &self.plugin_resources
    }

    /// All services, sorted by namespace and name.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// All nodes, sorted by name.
    #[must_use]
    pub fn nodes(&self) -> &[Arc<k8s::Node>] {
        &self.nodes
    }

    /// The objects beside the network, which tell which traffic to expect.
    #[must_use]
    pub fn context_objects(&self) -> &ContextObjects {
        &self.context_objects
    }

    /// How policies are enforced here, where Kubernetes leaves it open.
    #[must_use]
    pub fn enforcement(&self) -> &Enforcement {
        &self.enforcement
    }

    /// Lets the configuration say how policies are enforced, over what the objects tell.
    #[must_use]
    pub fn with_enforcement(mut self, settings: &EnforcementSettings) -> Self {
        self.enforcement = Enforcement::recognise(&self, settings);
        self
    }

    /// What is known of the platform: what the manifests were recognised by, unless somebody
    /// has named it.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Takes the platform to be what somebody has named, whatever the manifests say.
    pub fn set_platform(&mut self, platform: Platform) {
        self.platform = platform;
    }

    /// The objects that are no peers because their owner is.
    #[must_use]
    pub fn represented(&self) -> &[Represented] {
        &self.represented
    }

    /// The objects that were left out because one of the same name came before them.
    #[must_use]
    pub fn duplicates(&self) -> &[Duplicate] {
        &self.duplicates
    }

    /// The namespace of an id of this cluster.
    #[must_use]
    pub fn namespace(&self, id: NamespaceId) -> &Namespace {
        &self.namespaces[id.index()]
    }

    /// The namespace of this name.
    #[must_use]
    pub fn namespace_by_name(&self, name: &str) -> Option<NamespaceId> {
        let found = self
            .namespaces
            .binary_search_by(|namespace| namespace.name.as_str().cmp(name));
        found.ok().map(|index| NamespaceId(index as u32))
    }

    /// The workload of an id of this cluster.
    #[must_use]
    pub fn workload(&self, id: WorkloadId) -> &Workload {
        &self.workloads[id.index()]
    }

    /// The policy of an id of this cluster.
    #[must_use]
    pub fn policy(&self, id: PolicyId) -> &NetworkPolicy {
        &self.policies[id.index()]
    }

    /// The cluster-wide policy of an id of this cluster.
    #[must_use]
    pub fn cluster_policy(&self, id: ClusterPolicyId) -> &k8s::ClusterNetworkPolicy {
        &self.cluster_policies[id.index()]
    }

    /// The policy of an id of this cluster that only a CNI plugin knows.
    #[must_use]
    pub fn plugin_policy(&self, id: PluginPolicyId) -> &k8s::PluginPolicy {
        &self.plugin_policies[id.index()]
    }

    /// The ids of all policies that only a CNI plugin or a service mesh knows, in order.
    pub fn plugin_policy_ids(&self) -> impl ExactSizeIterator<Item = PluginPolicyId> + use<> {
        (0..self.plugin_policies.len() as u32).map(PluginPolicyId)
    }

    /// The service of an id of this cluster.
    #[must_use]
    pub fn service(&self, id: ServiceId) -> &Service {
        &self.services[id.index()]
    }

    /// The ids of all namespaces, in order.
    pub fn namespace_ids(&self) -> impl ExactSizeIterator<Item = NamespaceId> + use<> {
        (0..self.namespaces.len() as u32).map(NamespaceId)
    }

    /// The ids of all workloads, in order.
    pub fn workload_ids(&self) -> impl ExactSizeIterator<Item = WorkloadId> + use<> {
        (0..self.workloads.len() as u32).map(WorkloadId)
    }

    /// The ids of all policies, in order.
    pub fn policy_ids(&self) -> impl ExactSizeIterator<Item = PolicyId> + use<> {
        (0..self.policies.len() as u32).map(PolicyId)
    }

    /// The ids of all cluster-wide policies, in the order of evaluation.
    pub fn cluster_policy_ids(&self) -> impl ExactSizeIterator<Item = ClusterPolicyId> + use<> {
        (0..self.cluster_policies.len() as u32).map(ClusterPolicyId)
    }

    /// The ids of all services, in order.
    pub fn service_ids(&self) -> impl ExactSizeIterator<Item = ServiceId> + use<> {
        (0..self.services.len() as u32).map(ServiceId)
    }

    /// The ids of the workloads of a namespace, one run of neighbours.
    pub fn workloads_in(
        &self,
        namespace: NamespaceId,
    ) -> impl ExactSizeIterator<Item = WorkloadId> + use<> {
        let start = self
            .workloads
            .partition_point(|workload| workload.namespace < namespace);
        let end = self
            .workloads
            .partition_point(|workload| workload.namespace <= namespace);
        (start as u32..end as u32).map(WorkloadId)
    }

    /// The ids of the policies of a namespace, one run of neighbours.
    pub fn policies_in(
        &self,
        namespace: NamespaceId,
    ) -> impl ExactSizeIterator<Item = PolicyId> + use<> {
        let start = self
            .policies
            .partition_point(|policy| policy.namespace < namespace);
        let end = self
            .policies
            .partition_point(|policy| policy.namespace <= namespace);
        (start as u32..end as u32).map(PolicyId)
    }

    /// A workload's name in every answer: `namespace/Kind/name` (S14).
    #[must_use]
    pub fn workload_name(&self, id: WorkloadId) -> String {
        let workload = self.workload(id);
        let namespace = &self.namespace(workload.namespace).name;
        format!(
            "{namespace}/{}/{}",
            workload.object.kind_name(),
            workload.object.meta.name
        )
    }

    /// A policy's name in every answer: `namespace/name`.
    #[must_use]
    pub fn policy_name(&self, id: PolicyId) -> String {
        let policy = self.policy(id);
        format!(
            "{}/{}",
            self.namespace(policy.namespace).name,
            policy.object.meta.name
        )
    }
}
