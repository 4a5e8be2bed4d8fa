//! One hyphen that turns "those peers on that port" into "those peers, or that port".

use crate::cluster::{PolicyId, ServiceId, WorkloadId};
use crate::diagnostic::{Fix, FixClass, Severity};
use crate::engine::{self, Endpoint};
use crate::k8s::{
    self, Direction, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule,
    PortReference, ServicePort, TargetPort,
};
use crate::lint::comments::Gap;
use crate::lint::plugin_pairs::{self, PluginPair};
use crate::lint::rewrite::{self, Item};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, dns, platform};

declare_rule! {
    /// ## What it does
    ///
    /// Reports two neighbouring rules, one with peers but no `ports` and one with `ports` but
    /// no peers, that were probably meant to be one rule with both.
    ///
    /// ## Why is this bad?
    ///
    /// Rules are alternatives. The two rules admit the peers on every port, and everybody on
    /// those ports; a single rule admits only the peers, on only those ports. The difference is
    /// the hyphen before `ports`, and tests of the intended traffic still pass.
    ///
    /// Rules for ingress of Cilium and Calico are reported where the two are all that a policy
    /// allows.
    ///
    /// npcheck weighs the evidence: whether the policy has other rules, what a comment between
    /// the two says, and whether the port is often opened to everybody on purpose. It is silent
    /// if a load balancer, a node port or the API server must reach the port, and for DNS
    /// ports, because a rule with only those is a common way to write "any resolver".
    ///
    /// If only the last of several rules with similar peers has `ports`, an info points out
    /// that the others allow every port.
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
    /// Always narrowing: one rule allows nothing that the two rules did not. Callers that
    /// relied on the wider rules lose access.
    pub(super) struct SplitRule {
        name: "split-rule",
        summary: "a hyphen splits one rule into a rule with only peers and a rule with only ports",
        category: Category::Flows,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: Some(FixClass::Narrowing),
        mutes: &["allow-all-rule", "empty-means-all", "redundant-rule"],
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
        // Peers and ports that another tool fills in are not there, nor are those that cannot be
        // read: a rule of one bad peer has nothing to do with the next one.
        if !policy.meta.holes.is_empty() || !policy.meta.is_accepted {
            return;
        }
        for direction in Direction::BOTH {
            let rules = policy.rules(direction);
            for (index, rules) in rules.windows(2).enumerate() {
                let Some(pair) = Pair::of(direction, &rules[0], &rules[1]) else {
                    continue;
                };
                if score(cx, id, policy, &pair) >= WORTH_A_QUESTION
                    && !is_for_outsiders(cx, id, &pair)
                {
                    report(cx, id, &pair, index + 1);
                }
            }
            if let Some(run) = Run::of(cx, rules) {
                report_run(cx, id, direction, &run);
            }
        }
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        for pair in plugin_pairs::pairs(cx.cluster) {
            let (first, second) = (pair.with_peers, pair.with_ports);
            let gap = cx
                .comments
                .between(first.span, second.dash.unwrap_or(second.span));
            let is_commented = matches!(gap, Gap::Comments(_));
            let is_web = pair.ports.iter().any(|port| platform::is_web(*port));
            if !is_commented && !is_web && !has_outsiders(cx, pair.object.namespace()) {
                report_plugin_pair(cx, &pair);
            }
        }
    }
}

/// Whether clients that no selector matches may have to reach pods of a namespace, or of any.
fn has_outsiders(cx: &Context<'_>, home: Option<&str>) -> bool {
    let cluster = cx.cluster;
    let is_home = |namespace: &str| home.is_none_or(|home| home == namespace);
    let mut services = cluster.services().iter();
    let mut extensions = cluster.context_objects().api_extensions.iter();
    services.any(|service| {
        is_home(&cluster.namespace(service.namespace).name) && service.object.takes_clients()
    }) || extensions.any(|it| it.calls.iter().any(|call| is_home(&call.namespace)))
}

fn report_plugin_pair(cx: &mut Context<'_>, pair: &PluginPair<'_>) {
    let underlined = pair.with_ports.mark(cx.sources);
    let (peers, ports) = (pair.peers_field, pair.ports_field);
    let finding = cx
        .finding(
            underlined,
            format!("`{peers}` and `{ports}` are two separate rules here, combined with OR"),
        )
        .about(pair.object.display(), pair.path.as_str())
        .label("... OR everybody can connect on these ports")
        .related(
            pair.with_peers.mark(cx.sources),
            "these peers can connect on every port",
        )
        .note("as one rule (AND): these peers on these ports, and nothing else");
    let joined = rewrite::join_items(cx.sources, pair.with_peers, pair.with_ports);
    cx.report(match joined.filter(|_| pair.joins) {
        Some(edit) => {
            let line = cx.sources.position(underlined).line;
            let title = format!("remove the hyphen on line {line}");
            finding.help(title.clone()).fix(Fix {
                title,
                class: FixClass::Narrowing,
                edits: vec![edit],
            })
        }
        None => finding.help(format!("write `{peers}` and `{ports}` in one rule")),
    });
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
        // An empty list of ports is one that somebody meant to fill.
        let has_ports_only =
            |rule: &NetworkPolicyRule| rule.ports.get().is_some() && rule.peers.is_missing();
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

fn has_peers_only(rule: &NetworkPolicyRule) -> bool {
    !rule.peers.items().is_empty() && rule.ports.is_missing()
}

/// How much speaks for one rule with both.
fn score(cx: &Context<'_>, id: PolicyId, policy: &NetworkPolicy, pair: &Pair<'_>) -> i32 {
    let ports = pair.with_ports.ports.items();
    if pair.direction == Direction::Egress && ports.iter().any(dns::is_dns_port) {
        return i32::MIN;
    }
    if serves(cx, id, pair) == Some(false) {
        return i32::MIN;
    }
    let mut score = 0;
    let rules = policy.rules(pair.direction);
    // A rule for names alone stands in most policies for egress, and says nothing of the others
    // where these are for one thing.
    let is_of_names = |rule: &&NetworkPolicyRule| {
        let ports = rule.ports.items();
        !ports.is_empty() && ports.iter().all(dns::is_dns_port)
    };
    let is_alone = || rules.iter().filter(|rule| !is_of_names(rule)).count() == 2;
    if rules.len() == 2 || is_alone() && serves(cx, id, pair) == Some(true) {
        score += 3;
    }
    // The order in which one writes a rule with both.
    score += i32::from(std::ptr::eq(pair.with_peers, pair.first));
    let second = pair.second.dash.unwrap_or(pair.second.span);
    score += match cx.comments.between(pair.first.span, second) {
        Gap::None => 1,
        Gap::BlankLines => 0,
        Gap::Comments(text) if platform::speaks_of_everybody(&text) => -4,
        Gap::Comments(_) => -1,
    };
    score -= ports.iter().map(openness).max().unwrap_or_default();
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

/// Whether known pods behind the peers of an egress rule listen on the ports, by the ports that
/// they declare: not where they are of others, such as the API server, which no selector matches.
/// `None` where that is not told.
fn serves(cx: &Context<'_>, id: PolicyId, pair: &Pair<'_>) -> Option<bool> {
    if pair.direction == Direction::Ingress {
        return None;
    }
    let ports = pair.with_ports.ports.items();
    let serves = |workload: &WorkloadId| {
        let pod = &cx.cluster.workload(*workload).object;
        let asked = engine::ports_at(ports, &Endpoint::workload(cx.cluster, *workload));
        let mut declared = pod.ports().peekable();
        declared.peek()?;
        Some(declared.any(|port| asked.possible.contains(port.protocol, port.number.value)))
    };
    let peers = pair.with_peers.peers.items();
    let of_peers = peers.iter().map(|peer| cx.engine.peer_workloads(id, peer));
    let of_peers: Vec<Vec<WorkloadId>> = of_peers.collect();
    let told: Vec<Option<bool>> = of_peers.iter().flatten().map(serves).collect();
    let is_whole = || !of_peers.iter().any(Vec::is_empty) && !told.contains(&None);
    match told.contains(&Some(true)) {
        true => Some(true),
        false => (!ports.is_empty() && is_whole()).then_some(false),
    }
}

/// How usual it is to open a port to everybody on purpose.
fn openness(port: &NetworkPolicyPort) -> i32 {
    match (platform::is_web_port(port), platform::is_public_port(port)) {
        (true, _) => 3,
        (false, true) => 2,
        (false, false) => 0,
    }
}

/// Whether the peer is the very pods that the policy is for, or all of their namespace.
fn is_own_group(policy: &NetworkPolicy, peer: &NetworkPolicyPeer) -> bool {
    let Some((None, Some(pods))) = peer.selectors() else {
        return false;
    };
    let own = policy.pod_selector.get();
    pods.is_empty() || own.is_some_and(|own| own.to_string() == pods.to_string())
}

/// Whether clients without a selector have to reach one of the ports: those of a load
/// balancer or a node port, and the API server that calls a webhook.
fn is_for_outsiders(cx: &Context<'_>, id: PolicyId, pair: &Pair<'_>) -> bool {
    let cluster = cx.cluster;
    let home = cluster.policy(id).namespace;
    let calls = || {
        cluster
            .context_objects()
            .api_extensions
            .iter()
            .flat_map(|it| &it.calls)
    };
    let is_called = |service: ServiceId| {
        let object = &cluster.service(service).object;
        let namespace = &cluster.namespace(home).name;
        object.takes_clients()
            || calls().any(|call| {
                call.service.value == object.meta.name.value && call.namespace == *namespace
            })
    };
    let leads_to = |entry: &ServicePort, port: &NetworkPolicyPort| {
        entry.protocol == port.protocol_or_default()
            && match (&entry.target_port, port.port.get().map(|port| &port.value)) {
                (_, None) => true,
                (TargetPort::Number(target), Some(PortReference::Number(first))) => {
                    let last = port.end_port.get().map_or(*first, |last| last.value);
                    (*first..=last).contains(target)
                }
                (TargetPort::Name(target), Some(PortReference::Name(name))) => target == name,
                (TargetPort::Name(_), Some(PortReference::Number(first))) => {
                    let pods = cx.engine.selected(id).iter();
                    pods.map(|pod| &cluster.workload(*pod).object)
                        .any(|pod| entry.ports_of(pod).contains(first))
                }
                (TargetPort::Number(target), Some(PortReference::Name(name))) => {
                    let pods = cx.engine.selected(id).iter();
                    pods.flat_map(|pod| cluster.workload(*pod).object.named_ports())
                        .any(|(its, _, number)| its == name && number == *target)
                }
            }
    };
    let ports = pair.with_ports.ports.items();
    let mut called = cluster
        .services_in(home)
        .filter(|service| is_called(*service));
    pair.direction == Direction::Ingress
        && called.any(|service| {
            let entries = &cluster.service(service).object.ports;
            ports.is_empty()
                || entries
                    .iter()
                    .any(|entry| ports.iter().any(|it| leads_to(entry, it)))
        })
}

fn report(cx: &mut Context<'_>, id: PolicyId, pair: &Pair<'_>, index: usize) {
    let (field, peers_field) = (pair.direction.field(), pair.direction.peers_field());
    let has_ports = !pair.with_ports.ports.items().is_empty();
    let everybody = match (pair.direction, has_ports) {
        (Direction::Ingress, true) => "everybody can connect on these ports",
        (Direction::Ingress, false) => "everybody can connect on every port",
        (Direction::Egress, true) => "every destination is open on these ports",
        (Direction::Egress, false) => "every destination is open on every port",
    };
    let peers = match pair.direction {
        Direction::Ingress => "these peers can connect on every port",
        Direction::Egress => "these destinations are open on every port",
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
            format!("`{peers_field}` and `ports` are two separate rules here, combined with OR"),
        )
        .label(format!("... OR {below}"))
        .related(Item::from(pair.first).mark(cx.sources), above);
    if has_ports {
        finding = finding.note("as one rule (AND): these peers on these ports, and nothing else");
    }
    let line = cx.sources.position(underlined).line;
    let joined = rewrite::join_items(cx.sources, pair.first.into(), pair.second.into());
    // An empty list of ports would mean all of them there as well.
    match joined.filter(|_| has_ports) {
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

/// Rules with one kind of peer, of which only the last has ports.
struct Run<'p> {
    /// Those without ports; at least two.
    open: Vec<(usize, &'p NetworkPolicyRule)>,
    last: (usize, &'p NetworkPolicyRule),
}

impl<'p> Run<'p> {
    /// The run that is all of these rules but those for ports alone.
    fn of(cx: &Context<'_>, rules: &'p [NetworkPolicyRule]) -> Option<Self> {
        let with_peers = rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| !rule.peers.is_missing());
        let mut open: Vec<_> = with_peers.collect();
        let last = open.pop()?;
        let kind = kind_of_peer(last.1)?;
        let is_one_kind = open
            .iter()
            .all(|(_, rule)| has_peers_only(rule) && kind_of_peer(rule).as_ref() == Some(&kind));
        let are_neighbours = open.first()?.0 + open.len() == last.0;
        let is_commented =
            |(_, rule): &(usize, &NetworkPolicyRule)| cx.comments.are_about((*rule).into());
        let is_run = open.len() > 1
            && is_one_kind
            && are_neighbours
            && !last.1.ports.items().is_empty()
            // What stands above the first is a heading for all of them.
            && !open.iter().skip(1).any(is_commented)
            && !is_commented(&last);
        is_run.then_some(Self { open, last })
    }
}

/// What two peers have in common that were copied from each other: the length of a block's
/// prefix, or the keys of selectors. `None` for rules of several peers.
fn kind_of_peer(rule: &NetworkPolicyRule) -> Option<String> {
    let [peer] = rule.peers.items() else {
        return None;
    };
    if let Some(block) = peer.ip_block.get() {
        return Some(format!("/{}", block.cidr.prefix_len()));
    }
    let (namespaces, pods) = peer.selectors()?;
    let keys = |selector: Option<&k8s::LabelSelector>| {
        let labels = selector.into_iter().flat_map(|it| &it.match_labels);
        let keys: Vec<&str> = labels.map(|label| label.key.as_str()).collect();
        keys.join(",")
    };
    Some(format!("{} of {}", keys(pods), keys(namespaces)))
}

fn report_run(cx: &mut Context<'_>, id: PolicyId, direction: Direction, run: &Run<'_>) {
    let (field, peers_field) = (direction.field(), direction.peers_field());
    let (index, last) = run.last;
    let key = last.ports.key().unwrap_or(last.span);
    let message = format!(
        "`ports` belongs to the last rule only: the {} rules above it allow every port",
        run.open.len()
    );
    let mut finding = cx
        .policy_finding(id, format!("spec.{field}[{index}].ports"), key, message)
        .with_severity(Severity::Info)
        .label("for this rule only");
    for (_, rule) in &run.open {
        finding = finding.related(Item::from(*rule).mark(cx.sources), "on every port");
    }
    finding = finding.help(format!(
        "list all peers under one `{peers_field}` if they share the ports, or give each rule its own"
    ));
    cx.report(finding);
}
