//! Rules for all addresses of one family, in a cluster that speaks both.

use crate::cluster::PolicyId;
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::k8s::{self, NetworkPolicyPeer, NetworkPolicyRule, RulePlace, Truth};
use crate::lint::addresses::{self, Family};
use crate::lint::{Category, Context, Rule, RuleMeta, block_edit, declare_rule, ports};

declare_rule! {
    /// ## What it does
    ///
    /// Reports, as an info, a rule with a block for all addresses of one family, `0.0.0.0/0` or
    /// `::/0`, and no block of the other. Also reports a rule with both of which only one has
    /// exceptions.
    ///
    /// Where the configuration says that the cluster has one family, reports a rule whose blocks
    /// are all of the other one: it matches nothing.
    ///
    /// The rest is reported only if the cluster is known to be dual-stack: by a Service, by its pod
    /// ranges, or by the configuration. Most clusters have only one family.
    ///
    /// ## Why is this bad?
    ///
    /// `0.0.0.0/0` does not include any IPv6 address. In a dual-stack cluster, connections then
    /// succeed or fail depending on which address a name resolves to, and an exception for
    /// private ranges is worthless if the other family has none.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # npcheck.yaml: {cluster: {ipFamilies: [IPv4, IPv6]}}
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: web
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - ipBlock:
    ///             cidr: 0.0.0.0/0
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// # npcheck.yaml: {cluster: {ipFamilies: [IPv4, IPv6]}}
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: web
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - ipBlock:
    ///             cidr: 0.0.0.0/0
    ///         - ipBlock:
    ///             cidr: "::/0"
    /// ```
    ///
    /// ## Configuration
    ///
    /// `cluster: {ipFamilies: [IPv4, IPv6]}` says that the cluster is dual-stack, `ipFamilies:
    /// [IPv4]` that it is not. If neither the configuration nor a Service says so, name the
    /// rule to turn it on: `rules: {single-stack-cidr: warning}`.
    ///
    /// ## Fix safety
    ///
    /// Widening: the fix adds the block of all addresses of the other family. There is none
    /// where the block has exceptions.
    pub(super) struct SingleStackCidr {
        name: "single-stack-cidr",
        summary: "a rule for all addresses of one IP family and none of the other",
        category: Category::Addresses,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: Some(FixClass::Widening),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for SingleStackCidr {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let is_dual = may_be_dual_stack(cx);
        let cluster = cx.cluster;
        for id in cluster.policy_ids() {
            let policy = &cluster.policy(id).object;
            for place in policy.rule_places() {
                if let Some(finding) = check_unused_family(cx, id, &place) {
                    cx.report(finding);
                }
                if !is_dual {
                    continue;
                }
                let (path, rule) = (place.path(), place.rule);
                let finding = check_other_family(cx, id, policy, &place);
                if let Some(finding) = finding.or_else(|| check_exceptions(cx, id, &path, rule)) {
                    cx.report(finding);
                }
            }
        }
    }
}

/// Whether the cluster is known to speak both families, or somebody wants to hear in any case
/// but that of a cluster that is known to speak one.
fn may_be_dual_stack(cx: &Context<'_>) -> bool {
    match cx.cluster.enforcement().is_dual_stack() {
        Truth::True => true,
        Truth::False => false,
        Truth::Unknown => cx.is_asked_for(),
    }
}

/// Blocks of nothing but the family that the cluster does not have.
fn check_unused_family(
    cx: &Context<'_>,
    id: PolicyId,
    place: &RulePlace<'_>,
) -> Option<Diagnostic> {
    let enforcement = cx.cluster.enforcement();
    let is_unused = |peer: &NetworkPolicyPeer| {
        let block = peer.ip_block.get();
        block.is_some_and(|block| !enforcement.has_family(block.cidr.addr().is_ipv4()))
    };
    let peers = place.rule.peers.items();
    let first = peers.first()?.ip_block.get()?;
    if !peers.iter().all(is_unused) {
        return None;
    }
    let [own, other] = match Family::of(&first.cidr) {
        Family::V4 => [Family::V4, Family::V6],
        Family::V6 => [Family::V6, Family::V4],
    };
    let message = format!(
        "this rule has only {} addresses, and the cluster has only {}",
        own.name(),
        other.name()
    );
    Some(
        cx.policy_finding(id, place.path(), first.cidr.span, message)
            .label("matches nothing here")
            .help("`cluster.ipFamilies` in npcheck.yaml says which families the cluster has"),
    )
}

/// A block of everything of one family, where the rule has no block of the other one.
fn check_other_family(
    cx: &Context<'_>,
    id: PolicyId,
    policy: &k8s::NetworkPolicy,
    place: &RulePlace<'_>,
) -> Option<Diagnostic> {
    let rule = place.rule;
    let mut peers = rule.peers.items().iter();
    let [own, other] = match (has_blocks(rule, Family::V4), has_blocks(rule, Family::V6)) {
        (true, false) => [Family::V4, Family::V6],
        (false, true) => [Family::V6, Family::V4],
        _ => return None,
    };
    let whole = own.everything();
    let is_whole = |peer: &&NetworkPolicyPeer| {
        let block = peer.ip_block.get();
        block.is_some_and(|block| block.cidr.trunc() == whole)
    };
    let peer = peers.find(is_whole)?;
    // Many write a rule for each family.
    let ports = ports::by_number(rule);
    let is_for_other = |beside: &NetworkPolicyRule| {
        !addresses::blocks_of_everything(beside, other).is_empty()
            && ports.is_subset(&ports::by_number(beside))
    };
    if policy.rules(place.direction).iter().any(is_for_other) {
        return None;
    }
    let block = peer.ip_block.get()?;
    let (own, missing) = (own.name(), other.everything());
    let message = format!(
        "this rule covers every {own} address and no {} address",
        other.name()
    );
    let finding = cx
        .policy_finding(id, place.path(), block.cidr.span, message)
        .with_severity(Severity::Info)
        .label(format!("`{whole}` includes no {} address", other.name()))
        .help(format!("add `{missing}` if that is meant too"));
    if !block.except.items().is_empty() {
        return Some(finding);
    }
    Some(match block_edit::add_block(cx.sources, peer, missing) {
        Some(edit) => finding.fix(Fix {
            title: format!("add `{missing}`"),
            class: FixClass::Widening,
            edits: vec![edit],
        }),
        None => finding,
    })
}

/// Blocks of everything of both families, of which only one has exceptions.
fn check_exceptions(
    cx: &Context<'_>,
    id: PolicyId,
    path: &str,
    rule: &NetworkPolicyRule,
) -> Option<Diagnostic> {
    let [v4, v6] = Family::ALL.map(|family| addresses::blocks_of_everything(rule, family));
    let ([v4], [v6]) = (v4.as_slice(), v6.as_slice()) else {
        return None;
    };
    let (bare, narrowed) = match (v4.except.items().first(), v6.except.items().first()) {
        (Some(except), None) => (v6, except),
        (None, Some(except)) => (v4, except),
        _ => return None,
    };
    let family = Family::of(&bare.cidr).name();
    let message = format!("the {family} block has no exceptions, although the other one has");
    Some(
        cx.policy_finding(id, path, bare.cidr.span, message)
            .related(narrowed.span, "the other family's exceptions")
            .help(format!("exclude the corresponding {family} ranges")),
    )
}

fn has_blocks(rule: &NetworkPolicyRule, family: Family) -> bool {
    let peers = rule.peers.items().iter();
    let mut blocks = peers.filter_map(|peer| peer.ip_block.get());
    blocks.any(|block| Family::of(&block.cidr) == family)
}
