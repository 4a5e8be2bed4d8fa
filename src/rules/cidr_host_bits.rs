//! Address blocks with bits behind their prefix, which network plugins read differently.

use crate::cluster::{ClusterPolicyId, PolicyId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{self, Direction, PeerSelection};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};
use crate::source::Spanned;
use ipnet::IpNet;

declare_rule! {
    /// ## What it does
    ///
    /// Reports an address block that has bits set behind its prefix: `192.168.1.1/24`, where
    /// the block is `192.168.1.0/24`.
    ///
    /// ## Why is this bad?
    ///
    /// The API server accepts it, and network plugins differ in what they make of it: the whole
    /// block, the one address, or nothing at all. Whoever wrote it meant one of the first two.
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
        summary: "an address block with bits set behind its prefix",
        category: Category::Addresses,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no wrong warning or error on 24 public repositories",
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
            if let Some(finding) = check(cx, &block.cidr) {
                cx.report(finding.about(&object, format!("{path}.cidr")));
            }
            for (index, except) in block.except.items().iter().enumerate() {
                if let Some(finding) = check(cx, except) {
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
    let rules = cx.cluster.cluster_policy(id).rules(Direction::Egress);
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

fn check(cx: &Context<'_>, cidr: &Spanned<IpNet>) -> Option<Diagnostic> {
    let block = cidr.trunc();
    if block == cidr.value {
        return None;
    }
    let address = IpNet::from(cidr.addr());
    let message = format!("`{}` has bits set behind its prefix", cidr.value);
    let finding = cx.finding(cidr.span, message);
    let finding = finding.label("a block, one address or nothing: network plugins differ");
    Some(finding.help(format!(
        "write `{block}` for the block, or `{address}` for the one address"
    )))
}
