//! Address blocks for what is inside the cluster.

use crate::cluster::{self, PolicyId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{self, Direction, IpBlock, PeerPlace};
use crate::lint::{Category, Cni, Context, Rule, RuleMeta, declare_rule, dns};
use ipnet::{IpNet, Ipv4Net};

declare_rule! {
    /// ## What it does
    ///
    /// Reports an `ipBlock` whose addresses are those of the cluster's own pods or Services,
    /// and, where the CNI plugin is Cilium, of its nodes. The ranges are taken from the
    /// configuration. Without them only a comment beside the block that calls it the range of
    /// pods or of Services tells.
    ///
    /// ## Why is this bad?
    ///
    /// An `ipBlock` is for addresses outside. Pods' addresses change with every restart, and
    /// some CNI plugins never match pods by address, so that the rule allows nothing. The
    /// address of a Service is usually turned into that of a pod before a policy is asked, so
    /// that it matches nothing either. Rules for a resolver are left alone, as caches on the
    /// nodes answer at the address of the resolver's Service.
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
    /// `cluster: {podCIDRs: […], serviceCIDRs: […], nodeCIDRs: […]}` names the ranges, `cni:`
    /// the CNI plugin.
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

/// What a range of the cluster is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Pods,
    Services,
    Nodes,
}

impl Purpose {
    fn noun(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Services => "Services",
            Self::Nodes => "nodes",
        }
    }
}

/// How a block lies to a range of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overlap {
    /// The block holds nothing but a part of the range.
    Part,
    /// The block is the range.
    Same,
    /// The block holds the range and other addresses.
    Wider,
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
    let (purpose, overlap, evidence) = configured(cx, block)
        .or_else(|| usual(cx, block))
        .or_else(by_comment)?;
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
                "`{}` holds the range of this cluster's {noun}, too",
                block.cidr.value
            )
        }
    };
    let help = match purpose {
        Purpose::Pods | Purpose::Services => {
            "name the pods by `podSelector` and `namespaceSelector`"
        }
        Purpose::Nodes => {
            "use a policy of Cilium's own, with the entities `host` and `remote-node`"
        }
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

/// How the block lies to the ranges that the configuration names.
fn configured(cx: &Context<'_>, block: &IpBlock) -> Option<(Purpose, Overlap, String)> {
    let settings = cx.settings;
    let ranges = [
        (Purpose::Pods, &settings.pod_cidrs),
        (Purpose::Services, &settings.service_cidrs),
        (Purpose::Nodes, &settings.node_cidrs),
    ];
    let cidr = block.cidr.trunc();
    let overlaps = ranges.into_iter().flat_map(|(purpose, ranges)| {
        let overlap = move |range: &IpNet| {
            let range = range.trunc();
            let overlap = overlap(cidr, range, block)?;
            let evidence = format!("`{range}` is the range of {}", purpose.noun());
            Some((purpose, overlap, evidence))
        };
        ranges.iter().filter_map(overlap)
    });
    // A block inside one range says more than a block around another one.
    overlaps.min_by_key(|(_, overlap, _)| *overlap == Overlap::Wider)
}

/// Whether the block is the usual range of the platform that the manifests are for, where the
/// configuration names none.
fn usual(cx: &Context<'_>, block: &IpBlock) -> Option<(Purpose, Overlap, String)> {
    let settings = cx.settings;
    let by_object = cx.cluster.enforcement().pod_ranges().iter();
    let mut by_object = by_object.filter_map(|range| match &range.evidence {
        cluster::Evidence::Object { name, .. } => Some((range.value.trunc(), name)),
        _ => None,
    });
    if let Some((range, name)) = by_object.find(|(range, _)| *range == block.cidr.trunc()) {
        let evidence = format!("`{name}` says that `{range}` is the range of pods");
        return Some((Purpose::Pods, Overlap::Same, evidence));
    }
    let ranges = cx.cluster.platform().ranges()?;
    let pods = ranges.pods.filter(|_| settings.pod_cidrs.is_empty());
    let services = ranges
        .services
        .filter(|_| settings.service_cidrs.is_empty());
    let cidr = block.cidr.trunc();
    let is_it = |range: Option<Ipv4Net>| range.is_some_and(|range| IpNet::V4(range) == cidr);
    let purpose = match (is_it(pods), is_it(services)) {
        (true, _) => Purpose::Pods,
        (_, true) => Purpose::Services,
        _ => return None,
    };
    let evidence = format!(
        "the usual range of {} of {}",
        purpose.noun(),
        ranges.distribution.name()
    );
    Some((purpose, Overlap::Same, evidence))
}

fn overlap(cidr: IpNet, range: IpNet, block: &IpBlock) -> Option<Overlap> {
    // Such a block means everything or nearly so: any-cidr speaks of it.
    const LEAST_PREFIX: u8 = 7;
    if cidr == range {
        return Some(Overlap::Same);
    }
    if range.contains(&cidr) {
        return Some(Overlap::Part);
    }
    let is_excepted = |range: &IpNet| {
        let except = block.except.items().iter();
        except.clone().any(|except| except.trunc().contains(range))
    };
    let is_wider = cidr.contains(&range) && cidr.prefix_len() >= LEAST_PREFIX;
    (is_wider && !is_excepted(&range)).then_some(Overlap::Wider)
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
    let is_cilium = matches!(cx.settings.cni, Some(Cni::Cilium | Cni::GkeDataplaneV2));
    let matches_pods = matches!(
        cx.settings.cni,
        Some(Cni::Calico | Cni::OvnKubernetes | Cni::KubeRouter)
    );
    let is_wider = overlap == Overlap::Wider;
    Some(match purpose {
        Purpose::Pods if is_cilium && is_wider => (
            "Cilium never matches pods by address: it means the other addresses only",
            Severity::Info,
        ),
        Purpose::Pods if is_cilium => (
            "Cilium never matches pods by address: this peer allows nothing",
            Severity::Warning,
        ),
        Purpose::Pods if matches_pods && overlap == Overlap::Part => (
            "pods get other addresses when they start again",
            Severity::Warning,
        ),
        Purpose::Pods if matches_pods => (
            "this CNI plugin matches pods by address: every pod is meant",
            Severity::Info,
        ),
        Purpose::Pods if is_wider => (
            "whether pods are meant, too, depends on the CNI plugin",
            Severity::Info,
        ),
        Purpose::Pods => (
            "pods get other addresses when they start again, and not every CNI plugin \
             matches them by address",
            Severity::Warning,
        ),
        Purpose::Services if is_wider => return None,
        Purpose::Services if direction == Direction::Ingress => (
            "nothing comes from the address of a Service: this peer allows nothing",
            Severity::Warning,
        ),
        Purpose::Services => (
            "the address of a Service is usually turned into a pod's before policies are asked",
            Severity::Warning,
        ),
        Purpose::Nodes if is_cilium && !is_wider => (
            "Cilium does not match nodes by address, unless it is told to",
            Severity::Warning,
        ),
        Purpose::Nodes => return None,
    })
}
