//! Address blocks for what is inside the cluster.

use crate::cluster::PolicyId;
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{self, Direction, IpBlock, PeerPlace};
use crate::lint::cluster_ranges::{self, Overlap, Purpose};
use crate::lint::{Category, Cni, Context, Rule, RuleMeta, declare_rule, dns};

declare_rule! {
    /// ## What it does
    ///
    /// Reports an `ipBlock` that covers addresses of the cluster's own pods or Services or,
    /// with Cilium, of its nodes. The ranges come from the configuration. Without them, npcheck
    /// relies on a comment next to the block that calls it the pod or Service range.
    ///
    /// ## Why is this bad?
    ///
    /// An `ipBlock` is meant for addresses outside the cluster. Pod addresses change with every
    /// restart, and some CNI plugins never match pods by address, so the rule allows nothing.
    /// The address of a Service is usually translated to a pod's before policies are applied,
    /// so it matches nothing either. Rules for a DNS resolver are not reported, because
    /// node-local caches answer on the address of the resolver's Service.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # npcheck.yaml: {cluster: {podCIDRs: [10.244.0.0/16]}}
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-cart
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - ipBlock:
    ///             cidr: 10.244.3.0/24
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// # npcheck.yaml: {cluster: {podCIDRs: [10.244.0.0/16]}}
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-cart
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - podSelector:
    ///             matchLabels:
    ///               app: cart
    /// ```
    ///
    /// ## Configuration
    ///
    /// `cluster: {podCIDRs: […], serviceCIDRs: […], nodeCIDRs: […]}` sets the ranges, and
    /// `cni:` the CNI plugin.
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows which pods are meant.
    pub(super) struct CidrMatchesCluster {
        name: "cidr-matches-cluster",
        summary: "an `ipBlock` for addresses inside the cluster",
        category: Category::Addresses,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CidrMatchesCluster {
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
            if let Some(block) = place.peer.ip_block.get()
                && let Some(finding) = check(cx, id, &place, block)
            {
                cx.report(finding);
            }
        }
    }
}

fn check(
    cx: &Context<'_>,
    id: PolicyId,
    place: &PeerPlace<'_>,
    block: &IpBlock,
) -> Option<Diagnostic> {
    let by_comment = || {
        let purpose = commented(cx, place, block)?;
        let evidence = format!("a comment calls it the range of {}", purpose.noun());
        Some((purpose, Overlap::Same, evidence))
    };
    let (purpose, overlap, evidence) =
        cluster_ranges::known(cx, block.cidr.value, block.except.items()).or_else(by_comment)?;
    let is_for_resolver = place.rule.ports.items().iter().any(dns::is_dns_port);
    if purpose == Purpose::Services && is_for_resolver {
        return None;
    }
    let (effect, severity) = effect(cx, place.direction, purpose, overlap)?;
    let message = match overlap {
        Overlap::Part | Overlap::Same => {
            format!(
                "`{}` is for {} of this cluster",
                block.cidr.value,
                purpose.noun()
            )
        }
        Overlap::Wider => {
            let noun = purpose.noun();
            format!(
                "`{}` also includes the range of this cluster's {noun}",
                block.cidr.value
            )
        }
    };
    let help = match purpose {
        Purpose::Pods | Purpose::Services => {
            "select the pods with `podSelector` and `namespaceSelector`"
        }
        Purpose::Nodes => "use a Cilium policy with the entities `host` and `remote-node`",
    };
    let path = format!("{}.ipBlock.cidr", place.path());
    let finding = cx.policy_finding(id, path, block.cidr.span, message);
    Some(
        finding
            .with_severity(severity)
            .label(evidence)
            .note(effect)
            .help(help),
    )
}

/// What a comment of the block itself says that it is for: one that says nothing else. Whoever
/// explains at length why the range stands here knows what it is.
fn commented(cx: &Context<'_>, place: &PeerPlace<'_>, block: &IpBlock) -> Option<Purpose> {
    let comments = [
        cx.comments.behind(block.cidr.span),
        cx.comments.above(block.cidr.span),
        cx.comments.above(place.peer.span),
    ];
    let named = comments
        .into_iter()
        .filter_map(|comment| named_range(&comment));
    let mut named: Vec<Purpose> = named.collect();
    named.dedup();
    match named.as_slice() {
        [one] if block.except.items().is_empty() => Some(*one),
        _ => None,
    }
}

/// The range that a comment names and says nothing more about.
fn named_range(comment: &str) -> Option<Purpose> {
    const RANGE: &[&str] = &["cidr", "ip", "ips", "network", "range", "subnet"];
    const FILLERS: &[&str] = &[
        "a",
        "all",
        "block",
        "cluster",
        "clusters",
        "default",
        "for",
        "from",
        "in",
        "k3s",
        "k8s",
        "kubernetes",
        "of",
        "our",
        "s",
        "the",
        "this",
        "to",
    ];
    let text = comment.to_lowercase().replace("clusterip", "service ip");
    let text = text
        .replace("podcidr", "pod cidr")
        .replace("servicecidr", "service cidr");
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let has = |known: &[&str]| words.iter().any(|word| known.contains(word));
    let purpose = match (has(&["pod", "pods"]), has(&["service", "services"])) {
        (true, false) => Purpose::Pods,
        (false, true) => Purpose::Services,
        _ => return None,
    };
    let is_plain = words.iter().all(|word| {
        let is_noun = ["pod", "pods", "service", "services"].contains(word);
        is_noun || RANGE.contains(word) || FILLERS.contains(word)
    });
    (is_plain && has(RANGE)).then_some(purpose)
}

/// What becomes of such a rule, and how bad that is; `None` where it does as it says.
fn effect(
    cx: &Context<'_>,
    direction: Direction,
    purpose: Purpose,
    overlap: Overlap,
) -> Option<(&'static str, Severity)> {
    // docs.cilium.io, "Layer 3 examples": CIDR rules do not apply to traffic where both
    // sides are managed by Cilium, nor, by default, to nodes.
    let cni = cx.cluster.enforcement().cni().map(|cni| cni.value);
    let is_cilium = matches!(cni, Some(Cni::Cilium | Cni::GkeDataplaneV2));
    let matches_pods = matches!(
        cni,
        Some(Cni::Calico | Cni::OvnKubernetes | Cni::KubeRouter)
    );
    let is_wider = overlap == Overlap::Wider;
    Some(match purpose {
        Purpose::Pods if is_cilium && is_wider => (
            "Cilium never matches pods by address: only the other addresses match",
            Severity::Info,
        ),
        Purpose::Pods if is_cilium => (
            "Cilium never matches pods by address: this peer allows nothing",
            Severity::Warning,
        ),
        Purpose::Pods if matches_pods && overlap == Overlap::Part => (
            "pods get new addresses when they restart",
            Severity::Warning,
        ),
        Purpose::Pods if matches_pods => (
            "this CNI plugin matches pods by address: this is every pod",
            Severity::Info,
        ),
        Purpose::Pods if is_wider => (
            "whether pods match too depends on the CNI plugin",
            Severity::Info,
        ),
        Purpose::Pods => (
            "pods get new addresses when they restart, and not every CNI plugin matches them by address",
            Severity::Warning,
        ),
        Purpose::Services if is_wider => return None,
        Purpose::Services if direction == Direction::Ingress => (
            "nothing comes from the address of a Service: this peer allows nothing",
            Severity::Warning,
        ),
        Purpose::Services => (
            "the address of a Service is usually translated to a pod's before policies are applied",
            Severity::Warning,
        ),
        Purpose::Nodes if is_cilium && !is_wider => (
            "Cilium does not match nodes by address unless configured to",
            Severity::Warning,
        ),
        Purpose::Nodes => return None,
    })
}
