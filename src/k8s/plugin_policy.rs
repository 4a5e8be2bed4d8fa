//! Policies of kinds that only some CNI plugin or service mesh knows: which kinds there
//! are, who enforces them, and which pods one of them can concern.
//!
//! Refuses to know what such a policy allows; for the kinds that are read whole, that is
//! in their own modules.

use super::calico::{CalicoNetworkSet, CalicoPolicy, CalicoTier};
use super::cilium::{CiliumCidrGroup, CiliumPolicy};
use super::egress_firewall::EgressFirewall;
use super::filled_in::is_opaque;
use super::meta::ObjectMeta;
use super::network_policy::{Direction, NetworkPolicy};
use super::primary_network::PrimaryNetwork;
use super::selector::LabelSelector;
use std::fmt;
use std::sync::Arc;

/// Who enforces a kind of policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// Cilium.
    Cilium,
    /// Calico.
    Calico,
    /// Antrea.
    Antrea,
    /// OVN-Kubernetes, the plugin of OpenShift.
    OvnKubernetes,
    /// OpenShift SDN, which OVN-Kubernetes replaced.
    OpenShiftSdn,
    /// Istio.
    Istio,
    /// Linkerd.
    Linkerd,
    /// Kuma and Kong Mesh.
    Kuma,
    /// Consul.
    Consul,
    /// The AWS VPC CNI and its controllers.
    Aws,
    /// GKE Dataplane V2.
    Gke,
    /// VMware NSX.
    Nsx,
    /// Multus: policies for secondary networks.
    Multus,
}

impl Product {
    /// Its name in a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cilium => "Cilium",
            Self::Calico => "Calico",
            Self::Antrea => "Antrea",
            Self::OvnKubernetes => "OVN-Kubernetes",
            Self::OpenShiftSdn => "OpenShift SDN",
            Self::Istio => "Istio",
            Self::Linkerd => "Linkerd",
            Self::Kuma => "Kuma",
            Self::Consul => "Consul",
            Self::Aws => "the AWS VPC CNI",
            Self::Gke => "GKE",
            Self::Nsx => "NSX",
            Self::Multus => "Multus",
        }
    }

    /// Whether it is a CNI plugin, of which a cluster has one; a service mesh works beside
    /// any of them.
    #[must_use]
    pub fn is_cni_plugin(self) -> bool {
        !matches!(
            self,
            Self::Istio | Self::Linkerd | Self::Kuma | Self::Consul | Self::Multus
        )
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the policies of a kind apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyScope {
    /// In their own namespace.
    Namespace,
    /// In their own namespace; those of the mesh's root namespace everywhere.
    NamespaceOrRoot,
    /// Everywhere.
    Cluster,
}

/// What the policies of a kind can change about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyEffect {
    /// Nothing: they are staged, or for other networks.
    Nothing,
    /// They only forbid, beside NetworkPolicies: what those block stays blocked.
    Restricts,
    /// They allow what NetworkPolicies block, and forbid what they allow.
    Decides,
}

/// A kind of policy.
#[derive(Debug)]
pub struct PluginKind {
    /// Who enforces it.
    pub product: Product,
    /// As `kind` spells it.
    pub name: &'static str,
    /// The name by which it is told from kinds of other groups that are called the same:
    /// `NetworkPolicy.projectcalico.org`.
    pub qualified: &'static str,
    groups: &'static [&'static str],
    /// Where its policies apply.
    pub scope: PolicyScope,
    /// What they can change.
    pub effect: PolicyEffect,
    directions: &'static [Direction],
}

/// The namespace whose `AuthorizationPolicy` objects hold in the whole mesh, unless the
/// mesh was installed otherwise (Istio, `meshConfig.rootNamespace`).
const ISTIO_ROOT: &str = "istio-system";

const BOTH: &[Direction] = &Direction::BOTH;
const INTO: &[Direction] = &[Direction::Ingress];
const OUT_OF: &[Direction] = &[Direction::Egress];

const CALICO_GROUPS: &[&str] = &["projectcalico.org", "crd.projectcalico.org"];
const ANTREA_GROUPS: &[&str] = &["crd.antrea.io", "security.antrea.tanzu.vmware.com"];

macro_rules! kinds {
    ($($product:ident $groups:expr => { $($name:literal $qualified:literal $scope:ident $effect:ident $directions:ident)* })*) => {
        /// All kinds.
        static KINDS: &[PluginKind] = &[$($(PluginKind {
            product: Product::$product,
            name: $name,
            qualified: $qualified,
            groups: $groups,
            scope: PolicyScope::$scope,
            effect: PolicyEffect::$effect,
            directions: $directions,
        }),*),*];
    };
}

kinds! {
    Cilium &["cilium.io"] => {
        "CiliumNetworkPolicy" "CiliumNetworkPolicy" Namespace Decides BOTH
        "CiliumClusterwideNetworkPolicy" "CiliumClusterwideNetworkPolicy" Cluster Decides BOTH
    }
    Calico CALICO_GROUPS => {
        "NetworkPolicy" "NetworkPolicy.projectcalico.org" Namespace Decides BOTH
        "GlobalNetworkPolicy" "GlobalNetworkPolicy" Cluster Decides BOTH
        "StagedNetworkPolicy" "StagedNetworkPolicy" Namespace Nothing BOTH
        "StagedGlobalNetworkPolicy" "StagedGlobalNetworkPolicy" Cluster Nothing BOTH
        "StagedKubernetesNetworkPolicy" "StagedKubernetesNetworkPolicy" Namespace Nothing BOTH
        "HostEndpoint" "HostEndpoint" Cluster Restricts BOTH
    }
    Antrea ANTREA_GROUPS => {
        "NetworkPolicy" "NetworkPolicy.crd.antrea.io" Namespace Decides BOTH
        "ClusterNetworkPolicy" "ClusterNetworkPolicy.crd.antrea.io" Cluster Decides BOTH
    }
    OvnKubernetes &["k8s.ovn.org"] => {
        "EgressFirewall" "EgressFirewall" Namespace Restricts OUT_OF
        "UserDefinedNetwork" "UserDefinedNetwork" Namespace Restricts BOTH
        "ClusterUserDefinedNetwork" "ClusterUserDefinedNetwork" Cluster Restricts BOTH
    }
    OvnKubernetes &["k8s.cni.cncf.io"] => {
        "NetworkAttachmentDefinition" "NetworkAttachmentDefinition" Namespace Restricts BOTH
    }
    OpenShiftSdn &["network.openshift.io"] => {
        "EgressNetworkPolicy" "EgressNetworkPolicy" Namespace Restricts OUT_OF
    }
    Istio &["security.istio.io"] => {
        "AuthorizationPolicy" "AuthorizationPolicy" NamespaceOrRoot Restricts INTO
    }
    Linkerd &["policy.linkerd.io"] => {
        "Server" "Server.policy.linkerd.io" Namespace Restricts INTO
    }
    Kuma &["kuma.io"] => {
        "MeshTrafficPermission" "MeshTrafficPermission" Cluster Restricts INTO
    }
    Consul &["consul.hashicorp.com"] => {
        "ServiceIntentions" "ServiceIntentions" Cluster Restricts INTO
    }
    Aws &["vpcresources.k8s.aws"] => {
        "SecurityGroupPolicy" "SecurityGroupPolicy" Namespace Restricts BOTH
    }
    Aws &["networking.k8s.aws"] => {
        "ApplicationNetworkPolicy" "ApplicationNetworkPolicy" Namespace Decides BOTH
        "ClusterNetworkPolicy" "ClusterNetworkPolicy.networking.k8s.aws" Cluster Decides BOTH
    }
    Gke &["networking.gke.io"] => {
        "FQDNNetworkPolicy" "FQDNNetworkPolicy" Namespace Decides OUT_OF
    }
    Nsx &["crd.nsx.vmware.com", "nsx.vmware.com"] => {
        "SecurityPolicy" "SecurityPolicy.crd.nsx.vmware.com" Namespace Decides BOTH
    }
    Multus &["k8s.cni.cncf.io"] => {
        "MultiNetworkPolicy" "MultiNetworkPolicy" Namespace Nothing BOTH
    }
}

/// The kinds of Calico's staged policies, as if they were enforced.
static GONE_LIVE: [PluginKind; 2] = [
    PluginKind {
        product: Product::Calico,
        name: "StagedNetworkPolicy",
        qualified: "StagedNetworkPolicy",
        groups: CALICO_GROUPS,
        scope: PolicyScope::Namespace,
        effect: PolicyEffect::Decides,
        directions: BOTH,
    },
    PluginKind {
        product: Product::Calico,
        name: "StagedGlobalNetworkPolicy",
        qualified: "StagedGlobalNetworkPolicy",
        groups: CALICO_GROUPS,
        scope: PolicyScope::Cluster,
        effect: PolicyEffect::Decides,
        directions: BOTH,
    },
];

/// What becomes of the policy that a staged one stands for when that goes live
/// (`spec.stagedAction`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StagedAction {
    /// It is created, or replaced.
    Set,
    /// It is deleted.
    Delete,
    /// Nothing: `Learn` and `Ignore`.
    Nothing,
}

impl PluginKind {
    /// The same kind with the effect that its policies have once they are live; `None` where it
    /// is not a kind of staged policies.
    #[must_use]
    pub fn gone_live(&self) -> Option<&'static Self> {
        GONE_LIVE.iter().find(|kind| kind.name == self.name)
    }

    /// The kind that a kind of staged policies stands for.
    #[must_use]
    pub fn staged_for(&self) -> Option<&'static str> {
        let is_staged = self.product == Product::Calico && self.effect == PolicyEffect::Nothing;
        let name = self.name.strip_prefix("Staged").filter(|_| is_staged)?;
        Some(name.strip_prefix("Kubernetes").unwrap_or(name))
    }

    /// The kind of this group and name.
    #[must_use]
    pub fn find(group: &str, name: &str) -> Option<&'static Self> {
        let is_meant = |kind: &&Self| kind.name == name && kind.groups.contains(&group);
        KINDS.iter().find(is_meant)
    }

    /// The kind of Cilium or Calico that this name can only mean, whatever the group: nobody else
    /// has one that is called so.
    #[must_use]
    pub fn meant(name: &str) -> Option<&'static Self> {
        let is_meant = |kind: &&Self| {
            let is_read = matches!(kind.product, Product::Cilium | Product::Calico);
            is_read && kind.name == name && kind.name != "NetworkPolicy" && !kind.is_for_nodes()
        };
        KINDS.iter().find(is_meant)
    }

    /// Whether it is a kind of networks that take the place of the cluster's for some pods.
    #[must_use]
    pub fn is_network(&self) -> bool {
        matches!(
            self.name,
            "UserDefinedNetwork" | "ClusterUserDefinedNetwork"
        ) || self.is_attachment()
    }

    /// Whether it is the kind of networks whose configuration is a text of its own.
    #[must_use]
    pub fn is_attachment(&self) -> bool {
        self.name == "NetworkAttachmentDefinition"
    }

    /// Whether npcheck reads what its policies say, so that it tells what is wrong with one.
    #[must_use]
    pub fn is_read_whole(&self) -> bool {
        match self.product {
            Product::Cilium => true,
            Product::Calico => !self.is_for_nodes(),
            _ => self.name == "EgressFirewall",
        }
    }

    /// Whether it is about nodes, and pods on the network of their node: a `HostEndpoint` lets
    /// through only what policies for it allow (K2).
    #[must_use]
    pub fn is_for_nodes(&self) -> bool {
        self.name == "HostEndpoint"
    }
}

/// A policy of such a kind.
#[derive(Clone, Debug)]
pub struct PluginPolicy {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// Its kind.
    pub kind: &'static PluginKind,
    /// Which pods it is about, by their labels; `None` for all pods in its reach, and where
    /// the policy says it in a way that is not a plain label selector.
    pub subject: Option<LabelSelector>,
    /// Of a cluster-wide one, the namespaces whose pods it is about, where it says that by their
    /// labels; `None` for all.
    pub namespaces: Option<LabelSelector>,
    /// The directions that it can say something about.
    pub directions: Vec<Direction>,
    /// What it says, for the kinds that are read whole.
    pub spec: PluginSpec,
    /// What going live means for it, where it is staged.
    pub staged_action: StagedAction,
}

/// What a policy says.
#[derive(Clone, Debug)]
pub enum PluginSpec {
    /// Of Cilium.
    Cilium(CiliumPolicy),
    /// Of Calico, staged or not.
    Calico(Box<CalicoPolicy>),
    /// An `EgressFirewall` of OVN-Kubernetes.
    EgressFirewall(EgressFirewall),
    /// A network of OVN-Kubernetes that takes the place of the cluster's.
    PrimaryNetwork(PrimaryNetwork),
    /// Of a NetworkPolicy that Calico stages.
    Staged(Arc<NetworkPolicy>),
    /// Of another product: it is not read.
    Unread,
}

impl PluginPolicy {
    /// A policy of which nothing but its kind is known: about everything in its reach.
    #[must_use]
    pub fn new(meta: ObjectMeta, kind: &'static PluginKind) -> Self {
        Self {
            meta,
            kind,
            subject: None,
            namespaces: None,
            directions: kind.directions.to_vec(),
            spec: PluginSpec::Unread,
            staged_action: StagedAction::Set,
        }
    }

    /// What it says, without the places of the text where it says it: equal for two policies
    /// that are written alike.
    #[must_use]
    pub fn canonical_spec(&self) -> String {
        let (subject, directions) = (&self.subject, &self.directions);
        let written = format!("{subject:?} {directions:?} {:?}", self.spec);
        let mut parts = written.split("Span {");
        let mut canonical = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            canonical.push_str(part.split_once('}').map_or(part, |(_, rest)| rest));
        }
        canonical
    }

    /// The only namespace whose pods it is about; `None` if it may be about pods of any.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        let namespace = self.meta.namespace_name();
        let is_everywhere = match self.kind.scope {
            PolicyScope::Cluster => true,
            PolicyScope::NamespaceOrRoot => namespace == ISTIO_ROOT,
            PolicyScope::Namespace => false,
        };
        (!is_everywhere && !is_opaque(namespace)).then_some(namespace)
    }

    /// Whether it shows that its product is in force. `crd.projectcalico.org` is the group in
    /// which Calico keeps its objects, not the one in which they are written: a `NetworkPolicy`
    /// of it that stands alone is ignored as one of any other group (S3).
    #[must_use]
    pub fn shows_its_product(&self) -> bool {
        let is_kept = self.meta.api_version.starts_with("crd.projectcalico.org/");
        !(is_kept && self.kind.scope == PolicyScope::Namespace)
    }

    /// As answers name it: `namespace/Kind/name`, or `Kind/name` for cluster-wide kinds.
    #[must_use]
    pub fn display(&self) -> String {
        let (kind, name) = (self.kind.name, &self.meta.name);
        match self.kind.scope {
            PolicyScope::Cluster => format!("{kind}/{name}"),
            PolicyScope::Namespace | PolicyScope::NamespaceOrRoot => {
                format!("{}/{kind}/{name}", self.meta.namespace_name())
            }
        }
    }
}

/// An object that policies of a CNI plugin refer to: no policy, and no peer.
#[derive(Clone, Debug)]
pub enum PluginResource {
    /// A `CiliumCIDRGroup`.
    CidrGroup(CiliumCidrGroup),
    /// A `Tier` of Calico's.
    Tier(CalicoTier),
    /// A `NetworkSet` or a `GlobalNetworkSet` of Calico's.
    NetworkSet(CalicoNetworkSet),
}

impl PluginResource {
    /// As `kind` spells it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CidrGroup(_) => "CiliumCIDRGroup",
            Self::Tier(_) => "Tier",
            Self::NetworkSet(set) if set.is_global => "GlobalNetworkSet",
            Self::NetworkSet(_) => "NetworkSet",
        }
    }

    /// The object's metadata.
    #[must_use]
    pub fn meta(&self) -> &ObjectMeta {
        match self {
            Self::CidrGroup(object) => &object.meta,
            Self::Tier(object) => &object.meta,
            Self::NetworkSet(object) => &object.meta,
        }
    }

    /// Its metadata, if it lives in a namespace.
    pub fn namespaced_meta_mut(&mut self) -> Option<&mut ObjectMeta> {
        match self {
            Self::NetworkSet(set) if !set.is_global => Some(&mut set.meta),
            _ => None,
        }
    }
}
