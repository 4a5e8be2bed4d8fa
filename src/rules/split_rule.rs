//! One hyphen that turns "those peers on that port" into "those peers, or that port".

use crate::cluster::PolicyId;
use crate::diagnostic::{Fix, FixClass, Severity};
use crate::k8s::{self, Direction, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyRule};
use crate::lint::rewrite::{self, Item};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, dns, platform, text};

declare_rule! {
    /// ## What it does
    ///
    /// Reports two neighbouring rules, one with peers and no `ports`, one with `ports` and no
    /// peers, that were probably meant to be one rule with both.
    ///
    /// ## Why is this bad?
    ///
    /// Rules are alternatives. Two rules admit the peers on every port, and everybody on those
    /// ports; one rule admits the peers on those ports. The hyphen before `ports` makes the
    /// difference, and every test of the intended traffic still passes.
    ///
    /// The finding weighs evidence: whether the policy has other rules, whether a comment
    /// stands between the two, whether the port is one that is opened to everybody on purpose.
    /// A rule for DNS ports alone is a common way to write "any resolver" and is left alone.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: redis, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: redis}}
    ///   ingress:
    ///     - from:
    ///         - podSelector: {matchLabels: {app: frontend}}
    ///     - ports:
    ///         - {protocol: TCP, port: 6379}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: redis, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: redis}}
    ///   ingress:
    ///     - from:
    ///         - podSelector: {matchLabels: {app: frontend}}
    ///       ports:
    ///         - {protocol: TCP, port: 6379}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Narrowing, always: the one rule allows nothing that the two did not. Callers that nobody
    /// wrote down lose their access.
    pub(super) struct SplitRule {
        name: "split-rule",
        summary: "a hyphen makes two rules of peers and ports that were probably meant as one",
        category: Category::Flows,
        severity: Severity::Warning,
        fix: Some(FixClass::Narrowing),
        mutes: &["allow-all-rule", "redundant-rule"],
        since: "0.1.0",
    }
}

impl Rule for SplitRule {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        // Peers and ports that another tool fills in are not there.
        if policy.meta.opaque.is_some() {
            return;
        }
        for direction in Direction::BOTH {
            let rules = policy.rules(direction);
            for (index, rules) in rules.windows(2).enumerate() {
                let Some(pair) = Pair::of(direction, &rules[0], &rules[1]) else {
                    continue;
                };
                if score(cx, policy, &pair) >= WORTH_A_QUESTION {
                    report(cx, id, &pair, index + 1);
                }
            }
        }
    }
}

/// The score from which on the two rules are more likely one.
const WORTH_A_QUESTION: i32 = 3;

/// A rule with peers on all ports, and its neighbour with ports for everybody.
struct Pair<'p> {
    direction: Direction,
    first: &'p NetworkPolicyRule,
    second: &'p NetworkPolicyRule,
    with_peers: &'p NetworkPolicyRule,
    with_ports: &'p NetworkPolicyRule,
}

impl<'p> Pair<'p> {
    fn of(
        direction: Direction,
        first: &'p NetworkPolicyRule,
        second: &'p NetworkPolicyRule,
    ) -> Option<Self> {
        let has_peers_only =
            |rule: &NetworkPolicyRule| !rule.peers.items().is_empty() && rule.ports.is_missing();
        let has_ports_only =
            |rule: &NetworkPolicyRule| !rule.ports.items().is_empty() && rule.peers.is_missing();
        let (with_peers, with_ports) = if has_peers_only(first) && has_ports_only(second) {
            (first, second)
        } else if has_ports_only(first) && has_peers_only(second) {
            (second, first)
        } else {
            return None;
        };
        Some(Self {
            direction,
            first,
            second,
            with_peers,
            with_ports,
        })
    }
}

/// How much speaks for one rule with both.
fn score(cx: &Context<'_>, policy: &NetworkPolicy, pair: &Pair<'_>) -> i32 {
    let ports = pair.with_ports.ports.items();
    if pair.direction == Direction::Egress && ports.iter().any(dns::is_dns_port) {
        return i32::MIN;
    }
    let mut score = 0;
    if policy.rules(pair.direction).len() == 2 {
        score += 3;
    }
    // The order in which one writes a rule with both.
    score += i32::from(std::ptr::eq(pair.with_peers, pair.first));
    let second = pair.second.dash.unwrap_or(pair.second.span);
    let between = text::lines_between(cx.sources, pair.first.span, second);
    score += match between {
        "" => 1,
        _ if between.contains('#') => -2,
        _ => 0,
    };
    if ports.iter().any(platform::is_public_port) {
        score -= 3;
    }
    // Whoever reaches a resolver or a web server by port alone does so on purpose.
    if pair.direction == Direction::Egress {
        score -= 1;
    }
    let peers = pair.with_peers.peers.items();
    if peers.len() > 1 {
        score -= 1;
    }
    // Pods that talk among themselves do so on every port; the port is for the others.
    if peers.iter().any(|peer| is_own_group(policy, peer)) {
        score -= 3;
    }
    score
}

/// Whether the peer is the very pods that the policy is for, or all of their namespace.
fn is_own_group(policy: &NetworkPolicy, peer: &NetworkPolicyPeer) -> bool {
    let Some((None, Some(pods))) = peer.selectors() else {
        return false;
    };
    let own = policy.pod_selector.get();
    pods.is_empty() || own.is_some_and(|own| own.to_string() == pods.to_string())
}

fn report(cx: &mut Context<'_>, id: PolicyId, pair: &Pair<'_>, index: usize) {
    let (field, peers_field) = (pair.direction.field(), pair.direction.peers_field());
    let (everybody, peers) = match pair.direction {
        Direction::Ingress => (
            "everybody may connect on these ports",
            "these peers, on every port",
        ),
        Direction::Egress => (
            "these ports of every destination",
            "these destinations, on every port",
        ),
    };
    let underlined = Item::from(pair.second).mark(cx.sources);
    let is_second = |rule: &NetworkPolicyRule| std::ptr::eq(rule, pair.second);
    let (above, below) = if is_second(pair.with_ports) {
        (peers, everybody)
    } else {
        (everybody, peers)
    };
    let mut finding = cx
        .policy_finding(
            id,
            format!("spec.{field}[{index}]"),
            underlined,
            format!("`{peers_field}` and `ports` stand in two rules, which are an OR"),
        )
        .label(format!("... OR {below}"))
        .related(Item::from(pair.first).mark(cx.sources), above)
        .note("as one rule (AND): these peers on these ports, and nothing else");
    let line = cx.sources.position(underlined).line;
    match rewrite::join_items(cx.sources, pair.first.into(), pair.second.into()) {
        Some(edit) => {
            let title = format!("remove the hyphen on line {line}");
            finding = finding.help(title.clone()).fix(Fix {
                title,
                class: FixClass::Narrowing,
                edits: vec![edit],
            });
        }
        None => {
            finding = finding.help(format!(
                "write `{peers_field}` and `ports` in one rule, without a hyphen between them"
            ));
        }
    }
    cx.report(finding);
}
