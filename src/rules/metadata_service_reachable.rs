//! Egress to the address where a node's credentials are.

use crate::cluster::{Cluster, PolicyId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::engine::Endpoint;
use crate::k8s::{
    CustomObject, Direction, IpBlock, LabelSelector, NetworkPolicyRule, PluginSpec, Protocol,
};
use crate::lint::addresses::{self, METADATA_PORT, MetadataService};
use crate::lint::rewrite::Item;
use crate::lint::{Category, Context, Rule, RuleMeta, block_edit, declare_rule};
use ipnet::IpNet;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

declare_rule! {
    /// ## What it does
    ///
    /// Reports an egress rule that lets pods reach the metadata service of their node:
    /// `169.254.169.254` on most clouds. Other rules and policies make no difference, because
    /// they can only allow more. Cluster-wide policies do, because they can deny it.
    ///
    /// Without `cloud:` in the configuration, it is an info about address blocks, because
    /// npcheck does not know whether there is such a service. With it, it is a warning about
    /// every rule.
    ///
    /// ## Why is this bad?
    ///
    /// The service hands out the node's credentials to anybody who asks. A single server-side
    /// request forgery in one pod is then enough to act as the node. Excluding the private
    /// ranges does not help: `169.254.0.0/16` is not one of them.
    ///
    /// For pods that need the service (cloud controllers, node agents), keep the rule and
    /// suppress the finding with a reason. Addresses from which pods fetch their own
    /// credentials, as with EKS Pod Identity and GKE Workload Identity, are not reported; but
    /// GKE Dataplane V2 uses `169.254.169.254` for both.
    ///
    /// ## Example
    ///
    /// ```yaml
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
    ///             except:
    ///               - 10.0.0.0/8
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
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
    ///             except:
    ///               - 10.0.0.0/8
    ///               - 169.254.169.254/32
    /// ```
    ///
    /// ## Configuration
    ///
    /// `cloud: aws` (or `alibaba`, `azure`, `gcp`, `oracle`) sets the cloud.
    ///
    /// ## Fix safety
    ///
    /// Narrowing: the fix excepts the address from the block, and nothing else, so that a
    /// resolver at another link-local address stays reachable.
    pub(super) struct MetadataServiceReachable {
        name: "metadata-service-reachable",
        summary: "pods can reach the cloud metadata service of their node",
        category: Category::Addresses,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: Some(FixClass::Narrowing),
        mutes: &["any-cidr"],
        since: "0.1.0",
    }
}

impl Rule for MetadataServiceReachable {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        if is_on_bare_metal(cx) {
            return;
        }
        let cluster = cx.cluster;
        let firewalled = with_egress_firewall(cluster);
        for id in cluster.policy_ids() {
            let namespace = cluster.policy(id).namespace;
            if !firewalled.contains(cluster.namespace(namespace).name.as_str()) {
                check_policy(cx, id);
            }
        }
    }
}

fn check_policy(cx: &mut Context<'_>, id: PolicyId) {
    let rules = cx.cluster.policy(id).object.rules(Direction::Egress);
    let admits = |rule: &NetworkPolicyRule| rule.admits_outside(Protocol::Tcp, METADATA_PORT);
    if !rules.iter().any(admits) {
        return;
    }
    let is_open = opens_everything(cx, id);
    for (index, rule) in rules.iter().enumerate() {
        // Narrowing a block changes nothing where another rule is for everybody.
        let is_in_vain = is_open && !rule.peers.items().is_empty();
        if is_in_vain || !admits(rule) {
            continue;
        }
        let path = format!("spec.egress[{index}]");
        let finding = if rule.peers.items().is_empty() {
            check_open_rule(cx, id, path, rule)
        } else {
            check_blocks(cx, id, path, rule)
        };
        if let Some(finding) = finding {
            cx.report(finding);
        }
    }
}

/// Whether the nodes are no machines of a cloud, as far as the manifests tell: clouds bring
/// their own load balancers.
fn is_on_bare_metal(cx: &Context<'_>) -> bool {
    const GROUPS: &[&str] = &["kind.x-k8s.io", "metal3.io", "metallb.io", "purelb.io"];
    const KINDS: &[&str] = &["CiliumL2AnnouncementPolicy", "CiliumLoadBalancerIPPool"];
    let is_of_bare_metal = |object: &Arc<CustomObject>| {
        GROUPS.contains(&object.group.as_str()) || KINDS.contains(&object.kind.as_str())
    };
    let mut objects = cx.cluster.context_objects().custom_objects.iter();
    cx.settings.cloud.is_none() && objects.any(is_of_bare_metal)
}

/// The namespaces of which an `EgressFirewall` has a word in what leaves them: it acts beside
/// the policies (S15), and is mostly there to deny addresses.
fn with_egress_firewall(cluster: &Cluster) -> HashSet<&str> {
    let policies = cluster.plugin_policies().iter();
    let firewalls = policies.filter(|policy| matches!(policy.spec, PluginSpec::EgressFirewall(_)));
    firewalls.filter_map(|policy| policy.namespace()).collect()
}

/// Whether a policy for the same pods has a rule for everybody that covers the service.
fn opens_everything(cx: &Context<'_>, id: PolicyId) -> bool {
    let cluster = cx.cluster;
    let policies = match cx.engine.selected(id).first() {
        Some(workload) => cx.engine.isolating(*workload, Direction::Egress).to_vec(),
        // Of pods that nobody has seen only those for all pods are known to be theirs.
        None => {
            let policies = cluster.policies_in(cluster.policy(id).namespace);
            let is_for_all = |other: &PolicyId| {
                let selector = cluster.policy(*other).object.pod_selector.get();
                selector.is_none_or(LabelSelector::is_empty)
            };
            policies.filter(is_for_all).chain([id]).collect()
        }
    };
    let rules = policies
        .iter()
        .flat_map(|id| cx.cluster.policy(*id).object.rules(Direction::Egress));
    let mut for_everybody = rules.filter(|rule| rule.peers.items().is_empty());
    for_everybody.any(|rule| rule.admits_outside(Protocol::Tcp, METADATA_PORT))
}

/// A rule for everybody says nothing of addresses, so that only the cloud makes it one.
fn check_open_rule(
    cx: &Context<'_>,
    id: PolicyId,
    path: String,
    rule: &NetworkPolicyRule,
) -> Option<Diagnostic> {
    cx.settings.cloud?;
    let services = addresses::metadata_services(cx.settings.cloud);
    let reached: Vec<_> = services
        .filter(|service| is_reached(cx, id, service.address))
        .collect();
    let first = reached.first()?;
    let span = Item::from(rule).mark(cx.sources);
    let finding = cx.policy_finding(id, path, span, message(first));
    Some(finding.help("list what the pods need to reach"))
}

/// One finding for all blocks of a rule that hold such an address.
fn check_blocks(
    cx: &Context<'_>,
    id: PolicyId,
    path: String,
    rule: &NetworkPolicyRule,
) -> Option<Diagnostic> {
    let mut found: Option<Diagnostic> = None;
    let mut edits = Some(Vec::new());
    let mut excepted = Vec::new();
    for (index, peer) in rule.peers.items().iter().enumerate() {
        let Some(block) = peer.ip_block.get() else {
            continue;
        };
        let reached = reached_in(cx, id, block);
        let Some(first) = reached.first() else {
            continue;
        };
        let span = block.cidr.span;
        found = Some(match found {
            None => {
                let path = format!("{path}.to[{index}].ipBlock");
                let finding = cx
                    .policy_finding(id, path, span, message(first))
                    .with_severity(severity(cx))
                    .label(format!("holds {}", first.address));
                match cx.settings.cloud {
                    Some(_) => finding,
                    None => finding.note("it exists if the nodes are cloud machines"),
                }
            }
            Some(finding) => finding.related(span, format!("includes {} too", first.address)),
        });
        let cidrs: Vec<IpNet> = reached.iter().map(|s| s.address.into()).collect();
        let edit = block_edit::add_exceptions(cx.sources, block, &cidrs);
        edits = edits.zip(edit).map(|(mut edits, edit)| {
            edits.push(edit);
            edits
        });
        excepted.extend(cidrs);
    }
    excepted.sort();
    excepted.dedup();
    let excepted: Vec<String> = excepted.iter().map(|cidr| format!("`{cidr}`")).collect();
    let title = format!("except {}", excepted.join(" and "));
    let finding = found?.help(title.clone());
    Some(match edits {
        Some(edits) => finding.fix(Fix {
            title,
            class: FixClass::Narrowing,
            edits,
        }),
        None => finding,
    })
}

fn message(service: &MetadataService) -> String {
    let MetadataService { address, what, .. } = service;
    format!("this rule lets pods reach {address}: {what}")
}

fn severity(cx: &Context<'_>) -> Severity {
    match cx.settings.cloud {
        Some(_) => Severity::Warning,
        None => Severity::Info,
    }
}

/// The metadata services whose addresses a block holds. A block for nothing but them is
/// meant for them.
fn reached_in(cx: &Context<'_>, id: PolicyId, block: &IpBlock) -> Vec<&'static MetadataService> {
    const LEAST_HOSTS: u8 = 16;
    let is_meant = block.cidr.max_prefix_len() - block.cidr.prefix_len() <= LEAST_HOSTS;
    if is_meant {
        return Vec::new();
    }
    addresses::metadata_services(cx.settings.cloud)
        .filter(|service| addresses::holds(block, service.address))
        .filter(|service| is_reached(cx, id, service.address))
        .collect()
}

/// Whether cluster-wide policies, and those of the CNI plugin, leave the address to the rule: for
/// one of the pods that it is about, or as far as anybody knows.
fn is_reached(cx: &Context<'_>, id: PolicyId, address: IpAddr) -> bool {
    let selected = cx.engine.selected(id);
    let has_others =
        !cx.cluster.cluster_policies().is_empty() || !cx.cluster.plugin_policies().is_empty();
    if !has_others || selected.is_empty() {
        return true;
    }
    let address = Endpoint::Address(address.into());
    selected.iter().any(|workload| {
        let pod = Endpoint::workload(cx.cluster, *workload);
        let judge = cx.engine.judge();
        let verdict = judge.one_side(Direction::Egress, &pod, &address);
        verdict.allowed().contains(Protocol::Tcp, METADATA_PORT)
    })
}
