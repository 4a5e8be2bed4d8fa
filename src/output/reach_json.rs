//! The answer to `npcheck reach` for machines: the facts with stable names. The form is
//! described by docs/schemas/reach.schema.json; a test holds both together.
//!
//! Refuses to shorten: every rule that was asked is there.

mod form;

use super::address::range_name;
use super::json::write_value;
use super::not_judged;
use super::reach::{BuiltEnd, Change, Ends, ReachAnswer, ReachReport, Why};
use super::reach_missing::keep_first;
use super::reach_places::{miss_span, peer_span, port_span};
use super::reach_plugin;
use super::reach_text::side_outcome;
use super::reach_words::Words;
use crate::engine::program::StageName;
use crate::engine::{
    Address, ConnectionSet, Matter, Miss, PeerTrace, PolicyRef, PortTrace, ReasonCode, RuleRef,
    RuleTrace, SetAside, SetAsideReason, SideTrace, Way,
};
use crate::k8s::{Action, ClusterPolicyKind, Direction, Product, Tier, Truth};
use crate::source::{SourceMap, Span};
use form::{
    Answer, BuiltOut, ChangeOut, ChangedPlace, Decided, Difference, EntranceOut, Explained,
    MissOut, Missing, NotEnforced, Opened, Peer, Place, Policy, PortEntry, Ports, Report, Rule,
    RuleId, Side, StepOut, TierOut, WayOut,
};
use std::io::{self, Write};

/// The version of the form. It changes when a reader would have to.
const VERSION: u32 = 1;

/// Writes the answer.
pub(super) fn write(report: &ReachReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let sources = report.sources;
    write_value(&Facts { sources }.report(report), out)
}

/// Whether two answers have the same reasons, wherever they stand.
pub(super) fn are_explained_alike(
    sources: &SourceMap,
    one: &ReachAnswer<'_>,
    other: &ReachAnswer<'_>,
) -> bool {
    let reasons = |answer: &ReachAnswer<'_>| {
        let facts = Facts { sources };
        let mut value = serde_json::to_value(facts.answer(answer)).ok()?;
        drop_places(&mut value);
        Some(value)
    };
    reasons(one) == reasons(other)
}

/// Takes out where things stand, and in which clusters.
fn drop_places(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            for name in ["built", "clusters", "file", "line", "location"] {
                fields.remove(name);
            }
            fields.values_mut().for_each(drop_places);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(drop_places),
        _ => {}
    }
}

#[derive(Clone, Copy)]
struct Facts<'r> {
    sources: &'r SourceMap,
}

impl<'r> Facts<'r> {
    fn report(self, report: &'r ReachReport<'_>) -> Report<'r> {
        Report {
            version: VERSION,
            command: "reach",
            from: report.from,
            to: report.to,
            ports: &report.ports,
            outcome: report.outcome.name(),
            answers: report
                .answers
                .iter()
                .map(|answer| self.answer(answer))
                .collect(),
            notes: &report.notes,
            problems: &report.problems,
            clusters: &report.clusters,
            not_judged: not_judged::value(&report.not_judged, report.sources),
        }
    }

    fn answer(self, answer: &'r ReachAnswer<'_>) -> Answer<'r> {
        let why = &answer.why;

        let said = Said {
            facts: self,
            words: Words::new(answer.cluster, &why.from, &why.to),
        };
        let asked = answer.asked_or_all();
        let ways = &why.explanation.ways;
        let mut missing: Vec<_> = ways
            .iter()
            .flat_map(Way::sides)
            .flat_map(|side| said.words.missing(side, &asked))
            .collect();
        keep_first(&mut missing);
        let Ends { names: from, .. } = &answer.from;
        let Ends { names: to, .. } = &answer.to;
        Answer {
            outcome: answer.outcome.name(),
            clusters: &answer.clusters,
            from,
            to,
            pairs: answer.pairs,
            asked: answer.asked.as_ref().map(ports),
            allowed: ports(&answer.allowed),
            blocked: ports(&answer.blocked),
            unknown: ports(&answer.unknown),
            translations: &answer.translations,
            dead_ends: &answer.dead_ends,
            explained: Explained {
                from: &why.from,
                to: &why.to,
            },
            ways: ways.iter().map(|way| said.way(way, &asked)).collect(),
            missing: missing
                .into_iter()
                .map(|(message, span)| Missing {
                    message,
                    location: span.map(|span| self.place(span)),
                })
                .collect(),
            plugin_differences: why
                .differences
                .iter()
                .map(|difference| Difference {
                    matter: matter(difference.matter),
                    message: said.words.difference(difference, &asked),
                    allowed: ports(&difference.allowed),
                })
                .collect(),
            changes: why.changes.iter().map(change).collect(),
            entrance: why.entrance.as_ref().map(|entrance| EntranceOut {
                pods: &entrance.pods,
                object: &entrance.object,
                location: self.place(entrance.span),
                is_open: entrance.is_open,
            }),
            built: answer.built.iter().map(|it| self.built(it)).collect(),
            not_enforced: why
                .set_aside
                .iter()
                .map(|it| said.set_aside(it, why))
                .collect(),
        }
    }

    fn built(self, built: &'r BuiltEnd<'_>) -> BuiltOut<'r> {
        let by = built.object.by.iter().map(|step| StepOut {
            field: step.field,
            entry: step.entry,
            location: self.place(step.span),
        });
        BuiltOut {
            object: &built.object.name,
            clusters: &built.clusters,
            location: self.place(built.object.document),
            by: by.collect(),
        }
    }

    fn place(self, span: Span) -> Place {
        let source = self.sources.get(span.source);
        let position = self.sources.position(span);
        Place {
            file: source.name().to_owned(),
            line: position.line,
            column: position.column,
        }
    }
}

/// The facts about one pair of ends.
#[derive(Clone, Copy)]
struct Said<'r, 'w> {
    facts: Facts<'r>,
    words: Words<'w>,
}

impl Said<'_, '_> {
    fn way(&self, way: &Way<'_>, asked: &ConnectionSet) -> WayOut {
        WayOut {
            source: address(way.source),
            destination: address(way.destination),
            egress: self.side(&way.egress, asked),
            ingress: self.side(&way.ingress, asked),
        }
    }

    fn side(&self, side: &SideTrace<'_>, asked: &ConnectionSet) -> Side {
        let decisions = side.decisions(asked).into_iter().map(|decision| Decided {
            code: decision.code.name(),
            connections: ports(&decision.connections),
            rule: decision.rule.map(|rule| self.rule_id(side.direction, rule)),
        });
        let denied = side.verdict.denied().intersection(asked);
        let tiers = self.words.tiers(side, asked).into_iter();
        let nearest = side.nearest_miss(&denied).filter(|_| !denied.is_empty());
        Side {
            outcome: side_outcome(side, asked).name(),
            message: self.words.side(side, asked),
            decisions: decisions.collect(),
            admin: side
                .rules_before()
                .map(|rule| self.rule(side, rule, asked))
                .collect(),
            network_policies: side
                .policies(StageName::NetworkPolicies)
                .iter()
                .map(|policy| Policy {
                    policy: self.words.policy(policy.policy),
                    selects: truth(policy.selects),
                    location: (self.words.policy_span(policy.policy))
                        .map(|span| self.facts.place(span)),
                    rules: policy
                        .rules
                        .iter()
                        .map(|rule| self.rule(side, rule, asked))
                        .collect(),
                })
                .collect(),
            baseline: side
                .rules_after()
                .map(|rule| self.rule(side, rule, asked))
                .collect(),
            nearest_miss: nearest.map(|miss| self.rule_id(side.direction, miss.rule)),
            tiers: tiers.map(|(tier, does)| TierOut { tier, does }).collect(),
        }
    }

    fn set_aside<'r>(
        &self,
        (direction, set_aside): &(Direction, SetAside<'_>),
        why: &'r Why<'_>,
    ) -> NotEnforced<'r> {
        let (message, span) = self.words.set_aside(*direction, set_aside);
        NotEnforced {
            end: match direction {
                Direction::Egress => &why.from,
                Direction::Ingress => &why.to,
            },
            policy: self.words.policy(set_aside.policy),
            reason: match set_aside.reason {
                SetAsideReason::RejectedByAgent(_) => "REJECTED_BY_AGENT",
                SetAsideReason::RejectedByServer => "REJECTED_BY_SERVER",
                SetAsideReason::FilteredLabel(_) => ReasonCode::FilteredLabel.name(),
            },
            message,
            location: span.map(|span| self.facts.place(span)),
        }
    }

    fn rule_id(&self, direction: Direction, rule: &RuleTrace<'_>) -> RuleId {
        RuleId {
            policy: self.words.policy(rule.policy),
            rule: rule.index + 1,
            path: reach_plugin::path(direction, rule),
        }
    }

    fn rule(&self, side: &SideTrace<'_>, rule: &RuleTrace<'_>, asked: &ConnectionSet) -> Rule {
        let id = self.rule_id(side.direction, rule);
        let peers = rule.peers.entries.iter().enumerate();
        let peers = peers.map(|(index, peer)| {
            let path = match reach_plugin::peer_path(peer.peer) {
                // Nobody wrote it.
                _ if !rule.is_written() => id.path.clone(),
                Some(path) => format!("{}.{path}", id.path),
                None => format!("{}.{}[{index}]", id.path, side.direction.peers_field()),
            };
            self.peer((side.direction, rule), peer, path)
        });
        let peers = peers.collect();
        let entries = rule.ports.entries().enumerate();
        let (kind, ports_field) = self.kind(rule.policy);
        let ports = entries
            .map(|(index, entry)| self.port(&entry, format!("{}.{ports_field}[{index}]", id.path)));
        let ports = ports.collect();
        Rule {
            kind,
            action: action(rule),
            location: rule.rule.span().map(|span| self.facts.place(span)),
            codes: rule
                .codes(asked, self.matched(rule))
                .into_iter()
                .map(ReasonCode::name)
                .collect(),
            message: self.words.rule(side, rule, asked),
            layer7: self.words.layer7(rule, asked),
            decides: self::ports(&rule.decides.certain),
            peers,
            ports,
            id,
        }
    }

    /// The kind of a policy, and its name for the ports of a rule.
    fn kind(&self, policy: PolicyRef) -> (&'static str, &'static str) {
        match policy {
            PolicyRef::Network(_) => ("NetworkPolicy", "ports"),
            PolicyRef::Cluster(id) => {
                let kind = self.words.cluster.cluster_policy(id).kind;
                let field = if kind == ClusterPolicyKind::ClusterNetworkPolicy {
                    "protocols"
                } else {
                    "ports"
                };
                (kind.name(), field)
            }
            PolicyRef::Plugin(id) => {
                let kind = self.words.cluster.plugin_policy(id).kind;
                let field = match kind.product {
                    Product::Cilium => "toPorts",
                    _ => "destination.ports",
                };
                (kind.name, field)
            }
            PolicyRef::Part(_) | PolicyRef::Agent => ("NetworkPolicy", "ports"),
        }
    }

    /// The code of a rule that matches.
    fn matched(&self, rule: &RuleTrace<'_>) -> ReasonCode {
        let PolicyRef::Cluster(id) = rule.policy else {
            return match rule.action {
                Action::Deny => ReasonCode::RuleDeny,
                Action::Accept | Action::Pass => ReasonCode::RuleMatch,
            };
        };
        match (self.words.cluster.cluster_policy(id).tier, rule.action) {
            (Tier::Admin, Action::Accept) => ReasonCode::AdminAccept,
            (Tier::Admin, Action::Deny) => ReasonCode::AdminDeny,
            (Tier::Admin, Action::Pass) => ReasonCode::AdminPass,
            (Tier::Baseline, Action::Accept) => ReasonCode::BaselineAccept,
            (Tier::Baseline, Action::Deny) => ReasonCode::BaselineDeny,
            (Tier::Baseline, Action::Pass) => ReasonCode::BaselinePass,
        }
    }

    fn peer(
        &self,
        (direction, rule): (Direction, &RuleTrace<'_>),
        peer: &PeerTrace<'_>,
        path: String,
    ) -> Peer {
        let miss = |miss: &Miss<'_>| MissOut {
            code: miss.code().name(),
            message: self.words.miss(direction, rule, miss),
            location: miss_span(miss).map(|span| self.facts.place(span)),
        };
        Peer {
            path,
            location: (peer_span(peer.peer).or(rule.rule.span()))
                .map(|span| self.facts.place(span)),
            selects: self.words.peer(peer),
            matches: truth(peer.truth),
            misses: peer.misses.iter().map(miss).collect(),
            implied_namespace: peer.implied_namespace.clone(),
        }
    }

    fn port(&self, entry: &PortTrace<'_>, path: String) -> PortEntry {
        PortEntry {
            path,
            location: self.facts.place(port_span(entry.port)),
            means: ports(&entry.connections),
            resolved: !entry.is_unresolved(),
        }
    }
}

fn ports(connections: &ConnectionSet) -> Vec<Ports> {
    let of_protocol = connections.iter().map(|(protocol, ports)| Ports {
        protocol: protocol.name(),
        ports: ports.ranges().to_vec(),
    });
    of_protocol.collect()
}

fn change(change: &Change) -> ChangeOut<'_> {
    ChangeOut {
        places: change
            .places
            .iter()
            .map(|place| ChangedPlace {
                file: &place.file,
                line: place.line,
                removed: &place.removed,
                added: &place.added,
            })
            .collect(),
        opens: change
            .opens
            .iter()
            .map(|flow| Opened {
                from: &flow.from,
                to: &flow.to,
                connections: ports(&flow.connections),
            })
            .collect(),
    }
}

fn address(address: Address) -> Option<String> {
    match address {
        Address::Unknown { .. } => None,
        Address::Pod(address) => Some(address.to_string()),
        Address::Assumed(range) | Address::Outside(range) => Some(range_name(range)),
    }
}

fn truth(truth: Truth) -> &'static str {
    match truth {
        Truth::True => "yes",
        Truth::Unknown => "unknown",
        Truth::False => "no",
    }
}

fn action(rule: &RuleTrace<'_>) -> &'static str {
    match rule.action {
        _ if matches!(rule.rule, RuleRef::Unread(_) | RuleRef::FilledIn(_)) => "unknown",
        Action::Accept => "accept",
        Action::Deny => "deny",
        Action::Pass => "pass",
    }
}

fn matter(matter: Matter) -> &'static str {
    match matter {
        Matter::BlocksIgnorePods => "IPBLOCK_IGNORES_PODS",
        Matter::SelectorsSeeHostNetwork => "HOST_NETWORK_SELECTED",
        Matter::EqualPriorities => "EQUAL_PRIORITIES",
    }
}
