//! What is missing to know an outcome, in words: lower case, no full stop, not escaped.
//!
//! Refuses to know the outcome, and how the words are laid out.

use super::reach_places::{peer_span, requirement_span};
use super::reach_plugin;
use super::reach_terms::wanted;
use super::reach_words::Words;
use crate::cluster::{PluginPolicyId, UnknownPartId};
use crate::engine::{
    ConnectionSet, Miss, PolicyRef, RuleRef, RuleTrace, SetAside, SetAsideReason, SideTrace,
};
use crate::k8s::{Controller, Direction, PartEffect, Truth, WorkloadKind};
use crate::source::Span;

/// A thing that is missing, and where it is asked for.
type Missing = (String, Option<Span>);

/// Leaves each thing once: both directions may miss the same.
pub(super) fn keep_first(missing: &mut Vec<Missing>) {
    let mut seen = std::collections::HashSet::new();
    missing.retain(|thing| seen.insert(thing.clone()));
}

impl Words<'_> {
    /// What is missing to know the outcome, and where it is asked for; never nothing, if some
    /// of the connections are unknown.
    pub(super) fn missing(&self, side: &SideTrace<'_>, asked: &ConnectionSet) -> Vec<Missing> {
        if side.verdict.unknown().intersection(asked).is_empty() {
            return Vec::new();
        }
        let ends = [(self.from, self.full_from), (self.to, self.full_to)];
        let [subject, other] = match side.direction {
            Direction::Egress => ends,
            Direction::Ingress => [ends[1], ends[0]],
        };
        let mut missing = Vec::new();
        for stage in side.stages.iter().filter(|stage| !stage.is_placed) {
            let what = format!(
                "the order of the tier {} and what it does with what none of its rules matches: \
                 no manifest declares it",
                self.tier_name(stage)
            );
            missing.push((what, self.policy_span(stage.policies[0].policy)));
        }
        for policy in side.stages.iter().flat_map(|stage| &stage.policies) {
            let doubts = policy.doubts.iter();
            let place = self.policy_span(policy.policy);
            missing.extend(doubts.filter_map(|miss| self.missing_for(subject, miss, place)));
            for rule in &policy.rules {
                if rule.is_opaque || matches!(rule.rule, RuleRef::Unread(_)) {
                    missing.push(self.text_of(rule));
                    continue;
                }
                for entry in &rule.peers.entries {
                    let place = peer_span(entry.peer).or(rule.rule.span());
                    let misses = entry.misses.iter();
                    missing.extend(misses.filter_map(|miss| self.missing_for(other, miss, place)));
                }
                let is_by_name = |miss: &Miss<'_>| {
                    matches!(miss, Miss::DomainName(_) | Miss::Untold)
                        && miss.truth() == Truth::Unknown
                };
                let mut entries = rule.peers.entries.iter();
                if let Some(entry) = entries.find(|entry| entry.misses.iter().any(is_by_name)) {
                    let what = format!("which addresses {} has", self.peer(entry));
                    let span = peer_span(entry.peer).or(rule.rule.span());
                    missing.push((what, span));
                }
                if rule.ports.is_unsupported() {
                    let what = format!(
                        "what {} makes of ports in {} that it does not support",
                        self.plugin(),
                        self.policy(rule.policy)
                    );
                    missing.push((what, rule.rule.span()));
                } else if rule.ports.matches.certain != rule.ports.matches.possible {
                    let why = match rule.ports.is_untold {
                        true => "no manifest names its ports",
                        false => "another tool fills it in",
                    };
                    let what = format!(
                        "which port of {} a name in {} means: {why}",
                        self.to,
                        self.policy(rule.policy)
                    );
                    missing.push((what, rule.rule.span()));
                }
            }
            let is_read = |rule: &RuleTrace<'_>| !matches!(rule.rule, RuleRef::Unread(_));
            let is_read = policy.rules.iter().all(is_read);
            if policy.selects == Truth::Unknown && policy.doubts.is_empty() && is_read {
                if let PolicyRef::Part(id) = policy.policy {
                    missing.push(self.policies_of(id));
                    continue;
                }
                let what = format!(
                    "text of {} that another tool fills in",
                    self.policy(policy.policy)
                );
                missing.push((what, self.policy_span(policy.policy)));
            }
        }
        missing.dedup_by(|next, previous| next.0 == previous.0);
        missing
    }

    /// Why nothing of a policy is enforced on the pod of a side, and where that is written.
    pub(super) fn set_aside(&self, direction: Direction, set_aside: &SetAside<'_>) -> Missing {
        let policy = self.policy(set_aside.policy);
        let pod = match direction {
            Direction::Egress => self.from,
            Direction::Ingress => self.to,
        };
        let span = self.policy_span(set_aside.policy);
        match &set_aside.reason {
            SetAsideReason::RejectedByAgent(fault) => {
                let reason = &fault.reason;
                (
                    format!("{policy} is rejected by Cilium's agent: {reason}"),
                    Some(fault.span),
                )
            }
            SetAsideReason::RejectedByServer => {
                let why = "is rejected by the API server; `npcheck lint` says why";
                (format!("{policy} {why}"), span)
            }
            SetAsideReason::FilteredLabel(key) => {
                let why = "which Cilium keeps out of identities, so that it does not select";
                (
                    format!("{policy} asks for the label {key}, {why} {pod}"),
                    span,
                )
            }
        }
    }

    /// What is missing to know whether an end, by its short and its full name, has what is
    /// asked for at a place; `None` if that is known.
    fn missing_for(
        &self,
        (end, full_name): (&str, &str),
        miss: &Miss<'_>,
        place: Option<Span>,
    ) -> Option<Missing> {
        if miss.truth() != Truth::Unknown {
            return None;
        }
        match miss {
            Miss::PodLabel(requirement) | Miss::NamespaceLabel(requirement) => {
                let wanted = wanted(requirement);
                let writer = requirement.may_be_written_by();
                let what = match (miss, requirement.is_opaque()) {
                    (_, true) if writer.is_some() => {
                        let key = requirement.wanted.key();
                        reach_plugin::written(writer.unwrap_or_default(), key, &wanted)
                    }
                    (_, true) => format!("what another tool fills in for {wanted}"),
                    (Miss::NamespaceLabel(_), false) => {
                        let namespace = full_name.split('/').next().unwrap_or_default();
                        format!(
                            "the labels of namespace {namespace}, which no manifest here declares: \
                             a rule asks for {wanted}"
                        )
                    }
                    (_, false) if Controller::may_add(requirement.wanted.key()) => format!(
                        "which pod of {end} is meant: {wanted} is a label that each of them gets \
                         for itself{}",
                        one_of_its_pods(full_name)
                    ),
                    (_, false) => {
                        format!("the labels of {end}: a rule asks for {wanted}")
                    }
                };
                Some((what, Some(requirement_span(requirement))))
            }
            Miss::AddressUnknown(block, _, is_on_host) => {
                let (setting, owners) = match is_on_host {
                    true => ("nodeCIDRs", "nodes"),
                    false => ("podCIDRs", "pods"),
                };
                let what = format!(
                    "the address of {end}: a rule asks for one in {}, and `cluster.{setting}` in \
                     npcheck.yaml tells which ones {owners} have",
                    block.value
                );
                Some((what, Some(block.span)))
            }
            Miss::NetworkUnknown => Some((format!("whether {end} is on the host network"), place)),
            Miss::AddressOfName => {
                let what = format!("which addresses {end} has: a rule asks about some");
                Some((what, place))
            }
            Miss::Unmet(unmet) => {
                let namespace = full_name.split('/').next().unwrap_or_default();
                Some((reach_plugin::doubt(unmet, end, namespace), place))
            }
            _ => None,
        }
    }

    /// What a part that nobody could build may bring.
    fn policies_of(&self, id: UnknownPartId) -> Missing {
        let part = self.cluster.unknown_part(id);
        let may = match part.effect {
            PartEffect::Changes => "it may change policies and pods",
            PartEffect::Covers => "it may be about these pods",
            PartEffect::Isolates(_) => "one of them may isolate these pods",
            _ => "it may bring policies",
        };
        (format!("{}: {may}", part.reason), Some(part.span))
    }

    /// The CNI plugin in force.
    pub(super) fn plugin(&self) -> &'static str {
        let cni = self.cluster.enforcement().cni();
        cni.map_or("the CNI plugin", |cni| cni.value.name())
    }

    /// Whether a policy is of a kind that npcheck does not evaluate.
    pub(super) fn is_foreign(&self, id: PluginPolicyId) -> bool {
        self.cluster.is_foreign(self.cluster.plugin_policy(id))
    }

    /// Whether a policy is read, and is not judged as it is for nodes.
    pub(super) fn is_for_nodes(&self, id: PluginPolicyId) -> bool {
        let policy = self.cluster.plugin_policy(id);
        policy.meta.is_accepted && !self.cluster.is_foreign(policy)
    }

    fn text_of(&self, rule: &RuleTrace<'_>) -> Missing {
        if let PolicyRef::Part(id) = rule.policy {
            return self.policies_of(id);
        }
        if let RuleRef::Unread(span) = rule.rule {
            let policy = self.policy(rule.policy);
            let what = match rule.policy {
                PolicyRef::Plugin(id) if self.is_foreign(id) => {
                    format!("what {policy} does: npcheck does not evaluate its kind")
                }
                PolicyRef::Plugin(id) if self.is_for_nodes(id) => {
                    format!("what {policy} does to nodes, which npcheck does not evaluate")
                }
                _ => format!(
                    "what {policy} would do: the API server would reject it as it is written"
                ),
            };
            return (what, Some(span));
        }
        let what = format!(
            "text of {} that another tool fills in",
            self.policy(rule.policy)
        );
        let span = rule.rule.span();
        let hole = rule.policy.meta(self.cluster).and_then(|meta| {
            let inside = span.and_then(|span| meta.holes.first_in(span));
            inside.or(meta.holes.first())
        });
        (what, hole.or(span))
    }
}

/// What to ask instead, where one pod can be asked about: one of a StatefulSet, by its full name.
fn one_of_its_pods(full_name: &str) -> String {
    let parts: Vec<&str> = full_name.split('/').collect();
    match parts[..] {
        [namespace, kind, name] if kind == WorkloadKind::StatefulSet.name() => {
            format!("; one of them can be asked about, such as {namespace}/{name}-0")
        }
        _ => String::new(),
    }
}
