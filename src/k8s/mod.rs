//! The Kubernetes objects that npcheck judges, one by one, spelled as the API
//! spells them, with the text that each part was read from.
//!
//! Knows nothing of YAML, and nothing of other objects: what an object means
//! beside others is the cluster's and the engine's business.

mod api_extension;
mod calico;
mod cilium;
mod canonical;
mod cluster_network;
mod cluster_network_policy;
mod config_map;
mod controller;
mod custom;
mod documents;
mod egress_firewall;
mod entrypoint;
mod filled_in;
mod kustomization;
mod meta;
mod monitor;
mod network_policy;
mod part;
mod plugin_policy;
mod primary_network;
mod rbac;
mod release;
mod selector;
mod service;
mod version;
mod workload;

pub use api_extension::{ApiExtension, ApiExtensionKind, OnFailure, ServiceCall};
pub use calico::{
    CALICO_DEFAULT_TIER, CalicoAction, CalicoEntity, CalicoNetworkSet, CalicoPolicy, CalicoPort,
    CalicoProtocol, CalicoRule, CalicoSelector, CalicoServiceReference, CalicoTier, Comparison,
    Looked, SelectorError,
};
pub use cilium::{
    CiliumAddresses, CiliumCidrGroup, CiliumCidrSet, CiliumEntity, CiliumFault, CiliumFqdn,
    CiliumLayer7, CiliumMeaning, CiliumPeerField, CiliumPeers, CiliumPolicy, CiliumPort,
    CiliumPortReference, CiliumPortRule, CiliumProtocol, CiliumRule, CiliumSection,
    CiliumServicePeer, CiliumServices, CiliumSpec, CiliumSubject,
};
pub use cluster_network::{AgentOption, ClusterNetwork};
pub use cluster_network_policy::{
    Action, ClusterNetworkPolicy, ClusterNetworkPolicyPeer, ClusterNetworkPolicyPort,
    ClusterNetworkPolicyRule, ClusterPolicyKind, PeerSelection, PodsSelection, PortMatch, Tier,
};
pub use config_map::{ConfigMap, ConfigMapReference};
pub use controller::Controller;
pub use custom::{CustomObject, LabelHolder, Overwrites, WrittenLabel, WrittenPolicy};
pub use documents::{Documents, document_at};
pub use egress_firewall::{
    EGRESS_FIREWALL_NAME, EgressFirewall, EgressFirewallDestination, EgressFirewallPort,
    EgressFirewallRule,
};
pub use entrypoint::{Backend, BackendPort, Entrypoint, EntrypointKind, Gateway, GatewayReference};
pub use filled_in::{
    is_opaque, label_that_may_be_set, label_value_that_may_be_set, may_be_absent, may_be_set_by,
};
pub use kustomization::{Kustomization, Placement};
pub use meta::{
    Field, Holes, Label, Labels, NAMESPACE_NAME_LABEL, ObjectMeta, OwnerReference, label_span,
};
pub use monitor::{
    Monitor, MonitorEndpoint, MonitorKind, MonitoredNamespaces, Prometheus, PrometheusKind,
};
pub use network_policy::{
    Direction, IpBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule,
    PeerPlace, PortReference, Protocol, RulePlace, is_ipv4_mapped,
};
pub use part::{
    PartEffect, SOME_POLICIES, UnknownPart, effect_of_policies, namespace_once_completed,
    policy_once_completed,
};
pub use plugin_policy::{
    PluginKind, PluginPolicy, PluginResource, PluginSpec, PolicyEffect, PolicyScope, Product,
    StagedAction,
};
pub use primary_network::PrimaryNetwork;
pub use rbac::{Role, RoleBinding, RoleScope, ServiceAccount, ServiceAccountReference};
pub use release::{ReleasedPods, ReleasedPolicy, ReleasedPort};
pub use selector::{LabelSelector, LabelSelectorRequirement, Operator, Truth};
pub use service::{API_SERVER_SERVICE, Service, ServicePort, ServiceType, TargetPort};
pub use version::{KubernetesVersion, UnknownVersion};
pub use workload::{Container, ContainerPort, ImpliedPods, Variable, Workload, WorkloadKind};

use crate::source::{Span, Text};
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

/// A `Namespace`.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its metadata; the labels are as written, without the one that Kubernetes sets.
    pub meta: ObjectMeta,
}

impl Namespace {
    /// A namespace that nobody wrote a manifest for; its text is that of `about`, the object
    /// that makes one think of it.
    #[must_use]
    pub fn hypothetical(name: &str, labels: Labels, about: &ObjectMeta) -> Self {
        let meta = ObjectMeta::hypothetical(None, name, labels, about);
        Self { meta }
    }
}

/// A `Node`, as far as peers by `nodes` need it.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// `status.addresses` of the types `InternalIP` and `ExternalIP`.
    pub addresses: Vec<IpAddr>,
    /// `spec.podCIDRs`, `spec.podCIDR`: where the pods on it have their addresses.
    pub pod_cidrs: Vec<IpNet>,
}

/// An object of a kind that npcheck reads. A copy is the same object.
#[derive(Clone, Debug)]
pub enum Object {
    /// A `Namespace`.
    Namespace(Arc<Namespace>),
    /// A pod, or an object that makes pods.
    Workload(Arc<Workload>),
    /// A `NetworkPolicy` of `networking.k8s.io` (or the retired `extensions`).
    NetworkPolicy(Arc<NetworkPolicy>),
    /// A cluster-wide policy of `policy.networking.k8s.io`.
    ClusterNetworkPolicy(Arc<ClusterNetworkPolicy>),
    /// A policy of a kind that only some CNI plugin or service mesh knows.
    PluginPolicy(Arc<PluginPolicy>),
    /// An object that policies of a CNI plugin refer to.
    PluginResource(Arc<PluginResource>),
    /// A `Service`.
    Service(Arc<Service>),
    /// A `Node`.
    Node(Arc<Node>),
    /// An object beside the network, which only tells which traffic to expect.
    ContextObject(ContextObject),
}

/// An object that is no part of the network itself: no peer, no policy, nothing that an
/// answer about connections rests on. It tells which connections somebody counts on, or
/// where other objects end up. A copy is the same object.
#[derive(Clone, Debug)]
pub enum ContextObject {
    /// `Ingress`, a route of the Gateway API, OpenShift's `Route`.
    Entrypoint(Arc<Entrypoint>),
    /// A `Gateway` of the Gateway API.
    Gateway(Arc<Gateway>),
    /// `ServiceMonitor`, `PodMonitor`.
    Monitor(Arc<Monitor>),
    /// `Prometheus`, `PrometheusAgent`.
    Prometheus(Arc<Prometheus>),
    /// A webhook, an aggregated API, a conversion.
    ApiExtension(Arc<ApiExtension>),
    /// What says how the network of the cluster is made.
    ClusterNetwork(Arc<ClusterNetwork>),
    /// A `ConfigMap`.
    ConfigMap(Arc<ConfigMap>),
    /// A `ServiceAccount`.
    ServiceAccount(Arc<ServiceAccount>),
    /// A `Role` or `ClusterRole`.
    Role(Arc<Role>),
    /// A `RoleBinding` or `ClusterRoleBinding`.
    RoleBinding(Arc<RoleBinding>),
    /// A `kustomization.yaml`.
    Kustomization(Arc<Kustomization>),
    /// Flux's `Kustomization`, Argo CD's `Application`.
    Placement(Arc<Placement>),
    /// An object of a kind that npcheck does not read.
    Custom(Arc<CustomObject>),
}

impl ContextObject {
    /// As `kind` spells it, or the word for objects of kinds that are not read.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Custom(_) => "CustomResource",
            Self::Entrypoint(object) => object.kind.name(),
            Self::Gateway(_) => "Gateway",
            Self::Monitor(object) => object.kind.name(),
            Self::Prometheus(object) => object.kind.name(),
            Self::ApiExtension(object) => object.kind.name(),
            Self::ClusterNetwork(_) => "ClusterNetwork",
            Self::ConfigMap(_) => "ConfigMap",
            Self::ServiceAccount(_) => "ServiceAccount",
            Self::Role(object) => object.scope.role_kind(),
            Self::RoleBinding(object) => object.scope.binding_kind(),
            Self::Kustomization(_) => "Kustomization",
            Self::Placement(_) => "Placement",
        }
    }

    /// The object's metadata.
    #[must_use]
    pub fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Entrypoint(object) => &object.meta,
            Self::Gateway(object) => &object.meta,
            Self::Monitor(object) => &object.meta,
            Self::Prometheus(object) => &object.meta,
            Self::ApiExtension(object) => &object.meta,
            Self::ClusterNetwork(object) => &object.meta,
            Self::ConfigMap(object) => &object.meta,
            Self::ServiceAccount(object) => &object.meta,
            Self::Role(object) => &object.meta,
            Self::RoleBinding(object) => &object.meta,
            Self::Kustomization(object) => &object.meta,
            Self::Placement(object) => &object.meta,
            Self::Custom(object) => &object.meta,
        }
    }
}

impl Object {
    /// The object as an API server of this version sees it: what it would reject is not
    /// accepted.
    #[must_use]
    pub fn taken_by(mut self, version: KubernetesVersion) -> Self {
        if let Self::NetworkPolicy(policy) = &mut self
            && version >= KubernetesVersion::STRICT_ADDRESSES
            && policy.has_loose_blocks()
        {
            Arc::make_mut(policy).meta.is_accepted = false;
        }
        self
    }

    /// The object's metadata.
    #[must_use]
    pub fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Namespace(object) => &object.meta,
            Self::Workload(object) => &object.meta,
            Self::NetworkPolicy(object) => &object.meta,
            Self::ClusterNetworkPolicy(object) => &object.meta,
            Self::PluginPolicy(object) => &object.meta,
            Self::PluginResource(object) => object.meta(),
            Self::Service(object) => &object.meta,
            Self::Node(object) => &object.meta,
            Self::ContextObject(object) => object.meta(),
        }
    }
}

/// What became of one document of a text (or of one item of a `List`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its text, without the `---` lines around it.
    pub span: Span,
    /// `kind` as written; empty where it could not be read.
    pub kind: Text,
    /// `metadata.namespace` as written; empty where there is none.
    pub namespace: Text,
    /// The namespace that what names none is put into by a kustomization, Flux or Argo CD.
    pub put_into: Option<Text>,
    /// `metadata.name` as written; empty where there is none.
    pub name: Text,
    /// What it became.
    pub outcome: Outcome,
    /// Its comments, from `#` to the end of the line, in order.
    pub comments: Arc<[Span]>,
}

/// What one document became.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// An [`Object`] that npcheck judges.
    Object,
    /// A [`ContextObject`]: an object that only helps to judge others.
    ContextObject,
    /// A [`PluginPolicy`].
    PluginPolicy,
    /// A [`PluginResource`].
    PluginResource,
    /// A patch: kustomize merges it into another object, so it is none itself.
    Patch,
    /// A patch that was applied, or an object that a build takes away again.
    BuiltFrom,
    /// An object in a file that no kustomization, nor anything else that deploys, takes.
    NotDeployed,
    /// A Kubernetes object of a kind that says nothing about pods and policies.
    OtherKind,
    /// No Kubernetes object: no `apiVersion` and `kind`.
    NotKubernetes,
    /// Nothing but comments and white space.
    Empty,
    /// Text that only another tool can complete; counted, never a finding.
    Opaque(Opacity),
    /// It could not be read; a diagnostic says why.
    Broken,
}

impl Outcome {
    /// Whether there may be an object of which nobody can tell what it says.
    #[must_use]
    pub fn hides_an_object(self) -> bool {
        matches!(self, Self::Opaque(_) | Self::Broken)
    }
}

/// Why a document cannot be known before another tool has worked on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Opacity {
    /// Helm or another template language: `{{ … }}`.
    Template,
    /// Encrypted by SOPS.
    Sops,
    /// A variable that only deployment fills in: `${VAR}`.
    Substitution,
}
