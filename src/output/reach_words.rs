//! The facts of an explanation in words: lower case, no full stop, not escaped. People
//! and machines read the same ones.
//!
//! Refuses to know which facts are shown, and how they are laid out.

use super::reach_places::{miss_span, peer_span, port_span};
use super::reach_plugin;
use super::reach_terms::{matching, network_peer, numbers, pods, some_of};
use super::{count, flow_names};
use crate::cluster::Cluster;
use crate::engine::program::StageName;
use crate::engine::{
    Asks, ConnectionSet, Decision, Matter, Miss, PeerRef, PeerTrace, PluginDifference, PolicyRef,
    PortRef, PortTrace, ReasonCode, RuleRef, RuleTrace, SideTrace,
};
use crate::k8s::{
    Action, ClusterNetworkPolicy, Direction, PeerSelection, PodsSelection, PortMatch, Protocol,
    Tier, Truth,
};
use crate::source::Span;
use std::collections::HashSet;

/// Says what happened between two ends.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) cluster: &'a Cluster,
    /// The source's name, as short as it is clear.
    pub(super) from: &'a str,
    /// The destination's name, as short as it is clear.
    pub(super) to: &'a str,
    pub(super) full_from: &'a str,
    pub(super) full_to: &'a str,
}

impl<'a> Words<'a> {
    /// Speaks of these two ends, by their full names.
    pub(super) fn new(cluster: &'a Cluster, full_from: &'a str, full_to: &'a str) -> Self {
        let (from, to) = short_names(full_from, full_to);
        Self {
            cluster,
            from,
            to,
            full_from,
            full_to,
        }
    }

    /// The short form of a name if it is that of one of the ends, any other name as it is.
    pub(super) fn short<'n>(&self, name: &'n str) -> &'n str
    where
        'a: 'n,
    {
        match name {
            name if name == self.full_from => self.from,
            name if name == self.full_to => self.to,
            name => name,
        }
    }
}

/// The last part of a name, unless both names end alike.
fn short_names<'a>(from: &'a str, to: &'a str) -> (&'a str, &'a str) {
    let (short_from, short_to) = (short_name(from), short_name(to));
    if short_from == short_to && from != to {
        (from, to)
    } else {
        (short_from, short_to)
    }
}

/// A pod that does not exist yet is called by its labels if they are shorter than this.
const SHORT_LABELS: usize = 24;

fn short_name(name: &str) -> &str {
    // `shop/+app=new`, `+team=x/+app=new`
    let hypothetical = name.find("/+").map_or(name, |place| &name[place + 1..]);
    if hypothetical.starts_with('+') {
        return if hypothetical.len() < SHORT_LABELS {
            hypothetical
        } else {
            "the new pod"
        };
    }
    // `shop/Deployment/web`, but not `10.0.0.0/8`
    match name.splitn(3, '/').collect::<Vec<_>>()[..] {
        [_, _, name] => name,
        _ => name,
    }
}

/// Ports as a person writes them: `TCP 80,443; UDP 53`.
pub(super) fn ports(connections: &ConnectionSet) -> String {
    if connections.is_all() {
        return "all ports".to_owned();
    }
    if connections.is_empty() {
        return "no port".to_owned();
    }
    let of_protocol = connections.iter().map(|(protocol, ports)| {
        if ports.is_all() {
            format!("all {protocol} ports")
        } else {
            format!("{protocol} {ports}")
        }
    });
    of_protocol.collect::<Vec<_>>().join("; ")
}

impl<'a> Words<'a> {
    /// `shop/cart-allow-web`, `AdminNetworkPolicy/no-metadata`.
    pub(super) fn policy(&self, policy: PolicyRef) -> String {
        flow_names::policy_name(self.cluster, policy)
    }

    /// The same with the place of a rule in it: `shop/cart-allow-web #1`.
    pub(super) fn rule_name(&self, rule: &RuleTrace<'_>) -> String {
        match rule.rule {
            RuleRef::Cilium(..) | RuleRef::OwnNode(_) => {
                format!(
                    "{} {}",
                    self.policy(rule.policy),
                    reach_plugin::number(rule)
                )
            }
            RuleRef::PrimaryNetwork(_) => self.policy(rule.policy),
            _ => flow_names::rule_name(self.cluster, rule.policy, rule.index),
        }
    }

    /// Where a policy is named.
    pub(super) fn policy_span(&self, policy: PolicyRef) -> Option<Span> {
        Some(match policy {
            PolicyRef::Network(id) => self.cluster.policy(id).object.meta.name.span,
            PolicyRef::Cluster(id) => self.cluster.cluster_policy(id).meta.name.span,
            PolicyRef::Plugin(id) => self.cluster.plugin_policy(id).meta.name.span,
            PolicyRef::Part(id) => self.cluster.unknown_part(id).span,
            PolicyRef::Agent => return None,
        })
    }

    fn cluster_policy(&self, rule: &RuleTrace<'_>) -> Option<&'a ClusterNetworkPolicy> {
        match rule.policy {
            PolicyRef::Network(_)
            | PolicyRef::Plugin(_)
            | PolicyRef::Part(_)
            | PolicyRef::Agent => None,
            PolicyRef::Cluster(id) => Some(self.cluster.cluster_policy(id)),
        }
    }

    /// The end that a side is about.
    fn own(&self, direction: Direction) -> &'a str {
        match direction {
            Direction::Egress => self.from,
            Direction::Ingress => self.to,
        }
    }

    /// The other end of a side, whose pods the peers of its rules are compared with.
    pub(super) fn other(&self, direction: Direction) -> &'a str {
        match direction {
            Direction::Egress => self.to,
            Direction::Ingress => self.from,
        }
    }

    /// What a side says as a whole to the connections that were asked for.
    pub(super) fn side(&self, side: &SideTrace<'_>, asked: &ConnectionSet) -> String {
        let mut decisions = side.decisions(asked);
        let is_match = |decision: &Decision<'_, '_>| decision.code == ReasonCode::RuleMatch;
        let matched = decisions.iter().filter(|decision| is_match(decision));
        let matched = matched.fold(ConnectionSet::none(), |all, decision| {
            all.union(&decision.connections)
        });
        if let Some(first) = decisions.iter().position(is_match) {
            decisions[first].connections = matched;
            let is_rest = |decision: &Decision<'_, '_>| decision.code == ReasonCode::NoRuleMatches;
            let mut place = 0;
            decisions.retain(|decision| {
                place += 1;
                // That the rules match nothing else goes without saying.
                place - 1 == first || !(is_match(decision) || is_rest(decision))
            });
        }
        let is_partial = |decision: &Decision<'_, '_>| decision.connections != *asked;
        let said = decisions.iter().map(|decision| {
            let said = self.decision(side, decision);
            if is_partial(decision) {
                format!("{said}: {}", ports(&decision.connections))
            } else {
                said
            }
        });
        let said = said.collect::<Vec<_>>().join("; ");
        let passed = side.rules_of(StageName::Admin).find(|rule| {
            rule.action == Action::Pass && !rule.decides.possible.intersection(asked).is_empty()
        });
        match passed {
            Some(rule) => format!(
                "passed on by {} {}; {said}",
                self.policy(rule.policy),
                reach_plugin::number(rule)
            ),
            None => said,
        }
    }

    fn decision(&self, side: &SideTrace<'_>, decision: &Decision<'_, '_>) -> String {
        let direction = side.direction.field();
        if let Some(said) = self.tier_decision(side, decision) {
            return said;
        }
        let mut isolating: Vec<PolicyRef> = side.isolating().map(|policy| policy.policy).collect();
        let is_by_agent = isolating.contains(&PolicyRef::Agent);
        isolating.retain(|policy| *policy != PolicyRef::Agent);
        let rules = side.rules_of(StageName::NetworkPolicies);
        let counts = |rule: &&RuleTrace<'_>| {
            rule.is_written() && (is_by_agent || isolating.contains(&rule.policy))
        };
        let (isolating, rules) = (isolating.len(), rules.filter(counts).count());
        let isolated = match isolating {
            0 if is_by_agent => "isolated by the agent (enable-policy: always)".to_owned(),
            _ => format!("isolated by {}", count(isolating, "policy")),
        };
        let decider = decision.rule.map(|rule| {
            format!(
                "{} {}",
                self.policy(rule.policy),
                reach_plugin::number(rule)
            )
        });
        let decider = decider.unwrap_or_default();
        match decision.code {
            ReasonCode::RuleMatch if decision.rule.is_some_and(|rule| !rule.is_written()) => {
                format!("{isolated}, and the pod's own node always gets in")
            }
            // Rules of policies that isolate nothing allow nothing that is not allowed already.
            ReasonCode::RuleMatch if isolating == 0 && !is_by_agent => {
                format!("not isolated for {direction}")
            }
            ReasonCode::RuleMatch if isolating == 0 => format!("{isolated}, and a rule allows it"),
            ReasonCode::NoRuleMatches if isolating == 0 => {
                format!("{isolated}, and no rule that allows matches")
            }
            ReasonCode::RuleMatch => {
                let said = matching(side, decision, (isolating, rules));
                format!("{isolated}, {said}")
            }
            ReasonCode::NoRules | ReasonCode::NoRuleMatches if isolating == 0 && rules == 0 => {
                format!("{isolated}, and no policy allows anything")
            }
            ReasonCode::NoRules if !side.policies(StageName::Denies).is_empty() => format!(
                "{isolated}, which {} nothing",
                if isolating == 1 { "allows" } else { "allow" }
            ),
            ReasonCode::NoRules => format!(
                "{isolated}, which {} no {direction} rules",
                if isolating == 1 { "has" } else { "have" }
            ),
            ReasonCode::NoRuleMatches => match (isolating, rules) {
                (1, 0) => format!("{isolated}, which allows nothing"),
                (_, 0) => format!("{isolated}, which allow nothing"),
                (1, 1) => format!("{isolated}, its only rule does not match"),
                (1, _) => format!("{isolated}, none of its {rules} rules matches"),
                (_, 1) => format!("{isolated}, their only rule does not match"),
                _ => format!("{isolated}, none of their {rules} rules matches"),
            },
            ReasonCode::NotIsolated if side.policies(StageName::Baseline).is_empty() => {
                format!("not isolated for {direction}")
            }
            ReasonCode::NotIsolated => {
                let passes = |rule: &&RuleTrace<'_>| {
                    let decides = rule.decides.certain.intersection(&decision.connections);
                    rule.action == Action::Pass && !decides.is_empty()
                };
                match side.rules_of(StageName::Baseline).find(passes) {
                    Some(rule) => {
                        let rule = self.rule_name(rule);
                        format!(
                            "not isolated for {direction}, passed on by {rule} of the Baseline tier"
                        )
                    }
                    None => format!(
                        "not isolated for {direction}, and no rule of the Baseline tier matches"
                    ),
                }
            }
            ReasonCode::AdminAccept => format!("accepted by {decider}, before any NetworkPolicy"),
            ReasonCode::AdminDeny => format!("denied by {decider}, before any NetworkPolicy"),
            ReasonCode::BaselineAccept => {
                format!("not isolated for {direction}, accepted by {decider} of the Baseline tier")
            }
            ReasonCode::BaselineDeny => {
                format!("not isolated for {direction}, denied by {decider} of the Baseline tier")
            }
            ReasonCode::RuleDeny => match decision.rule.map(|rule| rule.rule) {
                Some(RuleRef::PrimaryNetwork(_)) => "they are on different networks".to_owned(),
                _ => format!("denied by {decider}"),
            },
            ReasonCode::DomainName => "depends on which addresses a DNS name has".to_owned(),
            ReasonCode::NotInManifests => "depends on something that no manifest says".to_owned(),
            ReasonCode::UnknownNamespace | ReasonCode::UnknownLabels => {
                "depends on labels that are not known".to_owned()
            }
            ReasonCode::Substitution => "depends on text that another tool fills in".to_owned(),
            ReasonCode::UnknownPart => "depends on a part that could not be built".to_owned(),
            ReasonCode::NotJudged => "depends on a policy that cannot be judged".to_owned(),
            ReasonCode::AddressUnknown => "depends on an address that is not known".to_owned(),
            ReasonCode::Outside => match self.own(side.direction).starts_with("entity:") {
                true => "not a pod, no policies".to_owned(),
                false => "outside the cluster, no policies".to_owned(),
            },
            ReasonCode::HostNetwork => "on the host network, no policy selects it".to_owned(),
            ReasonCode::SamePod => "a pod reaches itself, whatever the policies".to_owned(),
            code => code.name().to_ascii_lowercase().replace('_', " "),
        }
    }

    /// What a rule says to the connections that were asked for.
    pub(super) fn rule(
        &self,
        side: &SideTrace<'_>,
        rule: &RuleTrace<'_>,
        asked: &ConnectionSet,
    ) -> String {
        let mut said = self.comparison(side.direction, rule, asked);
        let matches = rule.ports.matches.possible.intersection(asked);
        let is_late = matches!(rule.policy, PolicyRef::Cluster(_))
            && rule.applies() != Truth::False
            && !matches.is_empty()
            && rule.decides.possible.intersection(asked).is_empty();
        if is_late {
            said += ", but a rule before it decided";
        }
        match (self.cluster_policy(rule), rule.action) {
            (None, action) if matches!(rule.rule, RuleRef::EgressFirewall(_)) => {
                let word = if action == Action::Deny {
                    "Deny"
                } else {
                    "Allow"
                };
                format!("{word}: {said}")
            }
            (None, _) => said,
            // What it does is not known either.
            _ if matches!(rule.rule, RuleRef::Unread(_) | RuleRef::FilledIn(_)) => said,
            (Some(_), Action::Accept) => format!("Accept: {said}"),
            (Some(_), Action::Deny) => format!("Deny: {said}"),
            (Some(policy), Action::Pass) => match policy.tier {
                Tier::Admin => format!("Pass (on to the NetworkPolicies): {said}"),
                Tier::Baseline => format!("Pass (on to the default): {said}"),
            },
        }
    }

    fn comparison(
        &self,
        direction: Direction,
        rule: &RuleTrace<'_>,
        asked: &ConnectionSet,
    ) -> String {
        if let RuleRef::Unread(_) = rule.rule {
            return match rule.policy {
                PolicyRef::Plugin(id) if self.is_foreign(id) => {
                    let kind = self.cluster.plugin_policy(id).kind.name;
                    format!("not judged: npcheck does not evaluate `{kind}`")
                }
                PolicyRef::Plugin(id) if self.is_for_nodes(id) => {
                    "not judged: npcheck does not evaluate what is for nodes".to_owned()
                }
                PolicyRef::Part(_) => "may bring policies".to_owned(),
                _ => "not judged: the API server would reject it".to_owned(),
            };
        }
        if rule.is_opaque {
            return "holds text that another tool fills in".to_owned();
        }
        let ports = self.ports(rule, asked);
        let has_port = !rule.ports.matches.certain.intersection(asked).is_empty();
        let peers = self.peers(direction, rule);
        match (rule.peers.truth, has_port) {
            // What differs is what a reader looks for, so that a match beside it is not said.
            (Truth::False, true) => peers,
            (Truth::False, false) => format!("{peers}; {ports}"),
            _ => match self.layer7(rule, asked) {
                Some(what) if has_port => format!("{peers}, {ports}; restricted by {what}"),
                _ => format!("{peers}, {ports}"),
            },
        }
    }

    /// What restricts a rule above the ports that were asked for.
    pub(super) fn layer7(
        &self,
        rule: &RuleTrace<'_>,
        asked: &ConnectionSet,
    ) -> Option<&'static str> {
        let matching = || {
            let entries = rule.ports.entries();
            let entries = entries.filter(|entry| !entry.connections.is_disjoint(asked));
            entries.map(|entry| entry.port).collect()
        };
        reach_plugin::layer7(rule.rule, matching)
    }

    fn peers(&self, direction: Direction, rule: &RuleTrace<'_>) -> String {
        if rule.peers.entries.is_empty() {
            let is_match = rule.peers.truth == Truth::True;
            let said = reach_plugin::without_peers(rule.rule, is_match);
            return said.unwrap_or_else(|| "any peer".to_owned());
        }
        if let Some(peer) = rule.peers.matching() {
            let may = if peer.truth == Truth::Unknown {
                "peer may match"
            } else {
                "peer matches"
            };
            let implied = match &peer.implied_namespace {
                Some(namespace) => format!(", implied: namespace {namespace}"),
                None => String::new(),
            };
            return format!("{may} ({}{implied})", self.peer(peer));
        }
        let Some(nearest) = rule.peers.nearest() else {
            return String::new();
        };
        // What the text says is clearer than that a range of addresses is another end.
        let misses = nearest.misses.iter().map(|miss| match miss {
            Miss::NotAPod => self.miss(direction, rule, miss),
            Miss::Unmet(unmet) if unmet.asks != Asks::Anything => self.miss(direction, rule, miss),
            _ => match reach_plugin::peer(nearest.peer) {
                Some(wanted) => format!("wants {wanted}"),
                None => self.miss(direction, rule, miss),
            },
        });
        let mut misses: Vec<String> = misses.collect();
        misses.dedup();
        let misses = misses.join("; ");
        match rule.peers.entries.len() {
            1 => format!("peer: {misses}"),
            peers => format!("peer: {misses} (the nearest of {peers} peers)"),
        }
    }

    fn ports(&self, rule: &RuleTrace<'_>, asked: &ConnectionSet) -> String {
        if rule.ports.is_empty() {
            // ICMP alone, and lists of ports that are empty.
            return match rule.ports.matches.possible.is_empty() {
                true => "no port of TCP, UDP or SCTP".to_owned(),
                false => "any port".to_owned(),
            };
        }
        let entries = rule.ports.entries();
        let matching = entries.filter(|entry| !entry.connections.is_disjoint(asked));
        let matching = self.port_entries(matching);
        if !matching.is_empty() {
            return format!("port matches ({})", some_of(matching));
        }
        let wanted = some_of(self.port_entries(rule.ports.entries()));
        let unresolved = rule.ports.count_unresolved();
        match unresolved {
            0 if rule.ports.is_unsupported() => {
                format!("port: {wanted}, which {} does not support", self.plugin())
            }
            0 => format!("port: wants {wanted}"),
            _ if unresolved == rule.ports.len() => {
                let names = if unresolved == 1 {
                    "that name"
                } else {
                    "these names"
                };
                format!(
                    "port: wants {wanted}, {} has no container port of {names}",
                    self.to
                )
            }
            _ => format!(
                "port: wants {wanted}; {} has no container port of that name",
                self.to
            ),
        }
    }

    /// Port entries, each text once: one that is for any protocol is several.
    fn port_entries<'e>(&self, entries: impl Iterator<Item = PortTrace<'e>>) -> Vec<String> {
        let mut known: HashSet<String> = HashSet::new();
        let texts = entries.map(|entry| self.port_entry(&entry));
        texts.filter(|text| known.insert(text.clone())).collect()
    }

    /// A port entry: `8080/TCP`, `http/TCP (8080)`, `all TCP ports`.
    pub(super) fn port_entry(&self, entry: &PortTrace<'_>) -> String {
        let name = |name: &str, protocol: Option<Protocol>| {
            let shown =
                protocol.map_or_else(|| name.to_owned(), |protocol| format!("{name}/{protocol}"));
            let meant = entry
                .connections
                .iter()
                .map(|(meant, ports)| match protocol {
                    Some(_) => ports.to_string(),
                    None => format!("{ports}/{meant}"),
                });
            let meant = meant.collect::<Vec<_>>().join(", ");
            if meant.is_empty() {
                shown
            } else {
                format!("{shown} ({meant})")
            }
        };
        if let Some(said) = reach_plugin::port(entry.port, &entry.connections) {
            return said;
        }
        match entry.port {
            PortRef::Cilium(_) | PortRef::Calico(_) | PortRef::EgressFirewall(_) => String::new(),
            PortRef::Network(port) => {
                let protocol = port.protocol_or_default();
                match entry.port.name() {
                    Some(its_name) => name(its_name, Some(protocol)),
                    None => numbers(protocol, &entry.connections),
                }
            }
            PortRef::Cluster(port) => match &port.matches {
                PortMatch::Name(its_name) => name(its_name, None),
                PortMatch::Numbers { protocol, .. } => numbers(*protocol, &entry.connections),
            },
        }
    }

    /// What a peer selects: `app=web in namespaces with team=shop`.
    pub(super) fn peer(&self, peer: &PeerTrace<'_>) -> String {
        match peer.peer {
            PeerRef::Cilium(..)
            | PeerRef::Calico(..)
            | PeerRef::EgressFirewall(_)
            | PeerRef::OwnNode
            | PeerRef::OtherNetworks
            | PeerRef::Nodes => reach_plugin::peer(peer.peer).unwrap_or_default(),
            PeerRef::Network(peer) => network_peer(peer),
            PeerRef::Cluster(peer) => match &peer.selection {
                PeerSelection::Pods(PodsSelection::Namespaces(selector)) => {
                    pods(None, Some(selector))
                }
                PeerSelection::Pods(PodsSelection::Pods {
                    namespace_selector,
                    pod_selector,
                }) => pods(Some(pod_selector), Some(namespace_selector)),
                PeerSelection::Networks(blocks) => some_of(blocks.iter().map(|block| &block.value)),
                PeerSelection::Nodes(selector) => format!("nodes with {selector}"),
                PeerSelection::DomainNames(names) => some_of(names),
            },
        }
    }

    /// The smallest text that makes the rule match or not match.
    pub(super) fn rule_span(&self, rule: &RuleTrace<'_>, asked: &ConnectionSet) -> Option<Span> {
        let peer = rule.peers.matching().or_else(|| rule.peers.nearest());
        if rule.peers.truth == Truth::False {
            let miss = peer.and_then(|peer| peer.misses.first().and_then(miss_span));
            return miss.or_else(|| peer_span(peer?.peer)).or(rule.rule.span());
        }
        if rule.ports.matches.certain.intersection(asked).is_empty() {
            return rule
                .ports
                .entries()
                .next()
                .map_or(rule.rule.span(), |port| Some(port_span(port.port)));
        }
        peer.and_then(|peer| peer_span(peer.peer))
            .or(rule.rule.span())
    }

    /// What plugins of another kind would answer.
    pub(super) fn difference(
        &self,
        difference: &PluginDifference,
        asked: &ConnectionSet,
    ) -> String {
        let answer = if difference.allowed.is_empty() {
            "BLOCKED".to_owned()
        } else if asked.is_subset(&difference.allowed) {
            "ALLOWED".to_owned()
        } else {
            format!("allowed: {}", ports(&difference.allowed))
        };
        let what = match difference.matter {
            Matter::BlocksIgnorePods => {
                "those that know pods by identity (Cilium) match no ipBlock against pods"
            }
            Matter::SelectorsSeeHostNetwork => {
                "Kubernetes leaves hostNetwork open, and one may apply selectors to these pods"
            }
            Matter::EqualPriorities => {
                "the order of policies of one priority is open, and one may take the other first"
            }
        };
        format!("{what}: {answer}")
    }
}
