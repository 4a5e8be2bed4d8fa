//! Address blocks with bits behind their prefix, which network plugins read differently.

use crate::cluster::{ClusterPolicyId, PolicyId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{self, Direction, KubernetesVersion, PeerSelection};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};
use crate::source::Spanned;
use ipnet::IpNet;

declare_rule! {
    /// ## What it does
    ///
    /// Reports an address block with bits set after its prefix: `192.168.1.1/24`, where the
    /// block is `192.168.1.0/24`.
    ///
    /// ## Why is this bad?
    ///
    /// Since Kubernetes 1.36 the API server rejects such a block when the policy is created
    /// (KEP-4858), so a new cluster does not enforce the policy. Older versions accept it, and
    /// existing policies stay. CNI plugins differ in how they read it: as the whole block, as
    /// the single address, or not at all.
    ///
    /// With `kubernetes: "1.35"` in `npcheck.yaml` it is a warning. With `"1.36"` or later,
    /// verdicts ignore the policy. If the version is not set, npcheck assumes the whole block,
    /// because the policy may be older than the upgrade.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-office
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - ipBlock:
    ///             cidr: 192.168.1.1/24
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-office
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - ipBlock:
    ///             cidr: 192.168.1.0/24
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows whether the block or the address was
    /// meant.
    pub(super) struct CidrHostBits {
        name: "cidr-host-bits",
        summary: "an address block with host bits set",
        category: Category::Addresses,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CidrHostBits {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        for place in policy.peers() {
            let Some(block) = place.peer.ip_block.get() else {
                continue;
            };
            let path = format!("{}.ipBlock", place.path());
            let object = cx.policy_object(id);
            if let Some(finding) = check_block(cx, &block.cidr) {
                cx.report(finding.about(&object, format!("{path}.cidr")));
            }
            for (index, except) in block.except.items().iter().enumerate() {
                if let Some(finding) = check_block(cx, except) {
                    cx.report(finding.about(&object, format!("{path}.except[{index}]")));
                }
            }
        }
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        for id in cx.cluster.cluster_policy_ids() {
            check_cluster_policy(cx, id);
        }
    }
}

fn check_cluster_policy(cx: &mut Context<'_>, id: ClusterPolicyId) {
    let object = cx.cluster_policy_object(id);
    let policy = cx.cluster.cluster_policy(id);
    // `invalid-admin-policy` has said so.
    if !k8s::ClusterNetworkPolicy::takes_host_bits(&policy.meta.api_version) {
        return;
    }
    let rules = policy.rules(Direction::Egress);
    for (rule_index, rule) in rules.iter().enumerate() {
        for (peer_index, peer) in rule.peers.iter().enumerate() {
            let PeerSelection::Networks(networks) = &peer.selection else {
                continue;
            };
            for (index, network) in networks.iter().enumerate() {
                if let Some(finding) = check(cx, network) {
                    let path =
                        format!("spec.egress[{rule_index}].to[{peer_index}].networks[{index}]");
                    cx.report(finding.about(&object, path));
                }
            }
        }
    }
}

/// A finding about a block of a `NetworkPolicy`, which newer API servers reject.
fn check_block(cx: &Context<'_>, cidr: &Spanned<IpNet>) -> Option<Diagnostic> {
    let strict = KubernetesVersion::STRICT_ADDRESSES;
    let finding = check(cx, cidr)?;
    if cx
        .settings
        .kubernetes
        .is_some_and(|version| version < strict)
    {
        return Some(finding);
    }
    Some(Diagnostic {
        severity: Severity::Error,
        ..finding.note(format!(
            "the API server rejects it since Kubernetes {strict}"
        ))
    })
}

fn check(cx: &Context<'_>, cidr: &Spanned<IpNet>) -> Option<Diagnostic> {
    let block = cidr.trunc();
    if block == cidr.value {
        return None;
    }
    let address = IpNet::from(cidr.addr());
    let message = format!("`{}` has host bits set beyond its prefix", cidr.value);
    let finding = Diagnostic {
        severity: Severity::Warning,
        ..cx.finding(cidr.span, message)
    };
    let finding = finding.label("a block, one address or nothing: CNI plugins differ");
    Some(finding.help(format!(
        "write `{block}` for the block, or `{address}` for the one address"
    )))
}
