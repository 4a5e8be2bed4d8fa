//! What network plugins do not do, of what the API lets one write.
//!
//! Facts about the world outside the manifests, each with where it comes from; only gaps
//! that hold for every version in use, or by default. Refuses to know what a rule makes of
//! them.

use super::Cni;

/// Something that policies can say, and not every plugin understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Policies of any kind.
    Policies,
    /// `AdminNetworkPolicy` and `BaselineAdminNetworkPolicy`.
    AdminPolicies,
    /// `ClusterNetworkPolicy`.
    ClusterPolicies,
    /// A port by its name.
    NamedPorts,
    /// `endPort`.
    PortRanges,
    /// The protocol SCTP.
    Sctp,
    /// A rule with many ports of one protocol, more than this.
    ManyPorts(usize),
    /// Policies for pods that nothing but themselves has made.
    StandalonePods,
}

/// A feature that a plugin does not have.
#[derive(Debug)]
pub struct Gap {
    /// The plugin.
    pub cni: Cni,
    /// What it does not have.
    pub feature: Feature,
    /// What becomes of a policy that asks for it.
    pub effect: &'static str,
}

/// The gaps that are known, by plugin.
const GAPS: &[Gap] = &[
    // docs.aws.amazon.com/eks, "Limit Pod traffic with Kubernetes network policies".
    Gap {
        cni: Cni::AwsVpc,
        feature: Feature::ManyPorts(24),
        effect: "at most 24 ports of each protocol count in one rule",
    },
    // aws/aws-network-policy-agent#327.
    Gap {
        cni: Cni::AwsVpc,
        feature: Feature::StandalonePods,
        effect: "policies are enforced for pods that have an owner; this one may stay open",
    },
    // aws/aws-network-policy-agent, README; its own kinds are `networking.k8s.aws`.
    Gap {
        cni: Cni::AwsVpc,
        feature: Feature::AdminPolicies,
        effect: "it is ignored; Amazon's own kinds are of the group `networking.k8s.aws`",
    },
    Gap {
        cni: Cni::AwsVpc,
        feature: Feature::ClusterPolicies,
        effect: "it is ignored; Amazon's own kinds are of the group `networking.k8s.aws`",
    },
    // network-policy-api.sigs.k8s.io, "Implementations".
    Gap {
        cni: Cni::AzureNpm,
        feature: Feature::AdminPolicies,
        effect: "it is ignored",
    },
    Gap {
        cni: Cni::AzureNpm,
        feature: Feature::ClusterPolicies,
        effect: "it is ignored",
    },
    // docs.cilium.io, "SCTP support (beta)".
    Gap {
        cni: Cni::Cilium,
        feature: Feature::Sctp,
        effect: "SCTP is a beta feature that is off by default",
    },
    // cilium/cilium#23380: `ClusterNetworkPolicy` only, from 1.20 on.
    Gap {
        cni: Cni::Cilium,
        feature: Feature::AdminPolicies,
        effect: "it is ignored; Cilium 1.20 and later can enforce `ClusterNetworkPolicy`, if enabled",
    },
    // Documentation/network/kubernetes/policy.rst of 1.20.
    Gap {
        cni: Cni::Cilium,
        feature: Feature::ClusterPolicies,
        effect: "it is ignored, unless the agent of Cilium 1.20 or later has \
                 `enable-k8s-cluster-network-policy`",
    },
    // libcalico-go/lib/backend/k8s: `ClusterNetworkPolicy` took its place.
    Gap {
        cni: Cni::Calico,
        feature: Feature::AdminPolicies,
        effect: "it is ignored; newer releases of Calico read `ClusterNetworkPolicy` instead",
    },
    // flannel-io/flannel, README: policies are left to other programs.
    Gap {
        cni: Cni::Flannel,
        feature: Feature::Policies,
        effect: "unless another program enforces them, everything is open",
    },
    // ovn-kubernetes/ovn-kubernetes#1225 and #2117.
    Gap {
        cni: Cni::OvnKubernetes,
        feature: Feature::NamedPorts,
        effect: "named ports are not resolved; it may allow every port of the protocol",
    },
    // cloudnativelabs/kube-router#1019.
    Gap {
        cni: Cni::KubeRouter,
        feature: Feature::Sctp,
        effect: "SCTP in policies is not supported",
    },
    // network-policy-api.sigs.k8s.io, "Implementations".
    Gap {
        cni: Cni::KubeRouter,
        feature: Feature::AdminPolicies,
        effect: "it is ignored",
    },
    Gap {
        cni: Cni::KubeRouter,
        feature: Feature::ClusterPolicies,
        effect: "it is ignored",
    },
    // weaveworks/weave#3032.
    Gap {
        cni: Cni::Weave,
        feature: Feature::NamedPorts,
        effect: "named ports are not supported, and the policy is not enforced",
    },
    // The last release, 2.8.1, is older than the field (Kubernetes 1.21).
    Gap {
        cni: Cni::Weave,
        feature: Feature::PortRanges,
        effect: "`endPort` is ignored: only the first port counts",
    },
    Gap {
        cni: Cni::Weave,
        feature: Feature::AdminPolicies,
        effect: "it is ignored",
    },
    Gap {
        cni: Cni::Weave,
        feature: Feature::ClusterPolicies,
        effect: "it is ignored",
    },
];

/// The gaps of a plugin.
pub fn gaps(cni: Cni) -> impl Iterator<Item = &'static Gap> {
    GAPS.iter().filter(move |gap| gap.cni == cni)
}
