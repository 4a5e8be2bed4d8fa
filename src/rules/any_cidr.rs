//! Rules for every address there is.

use crate::cluster::{PolicyId, WorkloadId};
use crate::diagnostic::Severity;
use crate::k8s::{self, Direction, IpBlock, NetworkPolicyRule, RulePlace};
use crate::lint::addresses::{self, Family};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, dns, exposure, platform};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a rule whose address blocks cover all addresses of a family: `0.0.0.0/0`,
    /// `::/0`, or both halves of one.
    ///
    /// For ingress it is a warning if the rule has no ports, opens a port that is rarely meant
    /// for everybody (such as a database's), or, with a complete inventory, leads to pods that
    /// no Service exposes. Otherwise, and for egress, it is an info. Egress rules that open
    /// only HTTP and HTTPS are not reported unless you ask for this rule by name, nor are those
    /// about which `metadata-service-reachable` says more.
    ///
    /// ## Why is this bad?
    ///
    /// Anybody who can reach the pod network can reach these pods. A block that covers
    /// everything is often left over from an experiment and looks narrower than it is.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: database
    ///   namespace: shop
    /// spec:
    ///   podSelector: {matchLabels: {app: postgres}}
    ///   ingress:
    ///     - from:
    ///         - ipBlock: {cidr: 0.0.0.0/0}
    ///       ports:
    ///         - {protocol: TCP, port: 5432}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: database
    ///   namespace: shop
    /// spec:
    ///   podSelector: {matchLabels: {app: postgres}}
    ///   ingress:
    ///     - from:
    ///         - ipBlock: {cidr: 198.51.100.0/24}
    ///       ports:
    ///         - {protocol: TCP, port: 5432}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows which addresses are meant.
    pub(super) struct AnyCidr {
        name: "any-cidr",
        summary: "a rule for every IP address",
        category: Category::Addresses,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories; 1 of 3 infos on 85 (about 60 of them in excerpts) was useful, and those about HTTP, HTTPS and DNS egress appear only if the rule is asked for by name",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for AnyCidr {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        for place in policy.rule_places() {
            check(cx, id, place);
        }
    }
}

fn check(cx: &mut Context<'_>, id: PolicyId, place: RulePlace<'_>) {
    let (direction, rule) = (place.direction, place.rule);
    let whole = Family::ALL.map(|family| (family, addresses::blocks_of_everything(rule, family)));
    let whole: Vec<(Family, Vec<&IpBlock>)> = whole
        .into_iter()
        .filter(|(_, blocks)| !blocks.is_empty())
        .collect();
    let mut blocks = whole.iter().flat_map(|(_, blocks)| blocks);
    let Some(first) = blocks.next() else {
        return;
    };
    let families: Vec<&str> = whole.iter().map(|(family, _)| family.name()).collect();
    let families = families.join(" and ");
    let verb = match direction {
        Direction::Ingress => "lets in",
        Direction::Egress => "lets out to",
    };
    let ports = rule.ports_in_words();
    let has_exceptions = whole
        .iter()
        .flat_map(|(_, blocks)| blocks)
        .any(|block| !block.except.items().is_empty());
    let but = if has_exceptions {
        " but the excepted ones"
    } else {
        ""
    };
    let message = format!("this rule {verb} every {families} address{but}, on {ports}");
    let peers = rule.peers.items().iter();
    let peer_index = peers
        .clone()
        .position(|peer| {
            peer.ip_block
                .get()
                .is_some_and(|block| std::ptr::eq(block, *first))
        })
        .expect("the block is of this rule");
    let path = format!(
        "{}.{}[{peer_index}].ipBlock.cidr",
        place.path(),
        direction.peers_field()
    );
    let severity = severity(cx, id, direction, rule, has_exceptions);
    // Who opens the ports of the web and of DNS to the outside, and those alone, knows it.
    let is_usual_port = |port| platform::is_web_port(port) || dns::is_dns_port(port);
    let is_usual = !rule.ports.items().is_empty()
        && rule.ports.items().iter().all(is_usual_port)
        && direction == Direction::Egress;
    if is_usual && !cx.is_asked_for() {
        return;
    }
    let mut finding = cx
        .policy_finding(id, path, first.cidr.span, message)
        .with_severity(severity);
    for block in blocks {
        finding = finding.related(block.cidr.span, "together with this block");
    }
    if severity > Severity::Info {
        finding =
            finding.help("list the blocks that are meant, or the ports that are open to everybody");
    }
    cx.report(finding);
}

fn severity(
    cx: &Context<'_>,
    id: PolicyId,
    direction: Direction,
    rule: &NetworkPolicyRule,
    has_exceptions: bool,
) -> Severity {
    let policy = cx.cluster.policy(id);
    let is_deliberate = direction == Direction::Egress
        || has_exceptions
        || platform::names_everybody(&policy.object.meta.name)
        || cx.engine.selected(id).iter().any(|id| is_exposed(cx, *id));
    if is_deliberate {
        return Severity::Info;
    }
    let ports = rule.ports.items();
    let is_odd = ports.is_empty()
        || ports
            .iter()
            .any(|port| platform::store_port(port).is_some());
    if is_odd {
        return Severity::Warning;
    }
    cx.severity_by_inventory(policy.namespace, Severity::Warning, Severity::Info)
}

/// Whether the workload is there for everybody: it is reached from outside, or carries the
/// traffic of others.
fn is_exposed(cx: &Context<'_>, id: WorkloadId) -> bool {
    let workload = cx.cluster.workload(id);
    let namespace = &cx.cluster.namespace(workload.namespace).name;
    let mut controllers = cx.settings.ingress_controllers.iter();
    !exposure::exposures(cx.cluster, id).is_empty()
        || controllers.any(|pods| {
            let is_there = pods.namespace.as_ref().is_none_or(|name| name == namespace);
            is_there && pods.labels.matches(&workload.object.labels)
        })
}
