//! The facts of a judged side that decide about the connections somebody asks for: what
//! decided, why each rule did or did not match, and which rule came nearest.
//!
//! Refuses to know words: it names facts by code, others put them into a language.

use super::peers::{Miss, Requirement};
use super::possibility::Verdict;
use super::side::{PolicyTrace, RuleTrace, Scope, SideTrace, StageTrace};
use crate::engine::ConnectionSet;
use crate::engine::program::condition::Asks;
use crate::engine::program::{End, PolicyRef, RuleRef, StageName};
use crate::k8s::{Action, Truth, is_opaque, may_be_set_by};

/// Why a connection, or a rule for it, came out as it did. The names are stable: they
/// are part of the JSON form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonCode {
    /// No policy says anything: allowed by default.
    NotIsolated,
    /// A rule of a NetworkPolicy matches: allowed.
    RuleMatch,
    /// The pod is isolated by policies that have no rule at all: denied.
    NoRules,
    /// The pod is isolated and no rule of its policies matches: denied.
    NoRuleMatches,
    /// A rule of a policy that only a CNI plugin knows denies.
    RuleDeny,
    /// It depends on which addresses a name of the DNS has.
    DomainName,
    /// It depends on what no manifest tells: the addresses of a group or of a Service, the
    /// port that a connection comes from.
    NotInManifests,
    /// No peer of the rule matches the other end.
    PeerMismatch,
    /// The rule asks for a label that Cilium keeps out of identities.
    FilteredLabel,
    /// No port of the rule is asked for.
    PortMismatch,
    /// The rule names a port that no container of the destination declares.
    NamedPortUnresolved,
    /// The address is in the block of the rule, and in an exception of it.
    IpBlockExcept,
    /// The rule means addresses, and that of the pod is not known.
    AddressUnknown,
    /// The pod is on the network of its node, where selectors do not see it.
    HostNetwork,
    /// A pod reaches itself, whatever the policies.
    SamePod,
    /// The end is outside the cluster and has no policies.
    Outside,
    /// A rule of the Admin tier accepts: allowed.
    AdminAccept,
    /// A rule of the Admin tier denies.
    AdminDeny,
    /// A rule of the Admin tier hands over to the NetworkPolicies.
    AdminPass,
    /// A rule of the Baseline tier accepts: allowed.
    BaselineAccept,
    /// A rule of the Baseline tier denies.
    BaselineDeny,
    /// A rule of the Baseline tier hands over to the default.
    BaselinePass,
    /// It depends on labels of a namespace that is not among the inputs.
    UnknownNamespace,
    /// It depends on labels, which nobody knows or of which some pods have others.
    UnknownLabels,
    /// It depends on text that another tool fills in.
    Substitution,
    /// It depends on a policy that cannot be judged.
    NotJudged,
    /// It depends on a part of the cluster that could not be built.
    UnknownPart,
}

impl ReasonCode {
    /// All of them, in the order of their declaration.
    #[cfg(feature = "internals")]
    pub const ALL: [Self; 27] = [
        Self::NotIsolated,
        Self::RuleMatch,
        Self::NoRules,
        Self::NoRuleMatches,
        Self::RuleDeny,
        Self::DomainName,
        Self::NotInManifests,
        Self::PeerMismatch,
        Self::FilteredLabel,
        Self::PortMismatch,
        Self::NamedPortUnresolved,
        Self::IpBlockExcept,
        Self::AddressUnknown,
        Self::HostNetwork,
        Self::SamePod,
        Self::Outside,
        Self::AdminAccept,
        Self::AdminDeny,
        Self::AdminPass,
        Self::BaselineAccept,
        Self::BaselineDeny,
        Self::BaselinePass,
        Self::UnknownNamespace,
        Self::UnknownLabels,
        Self::Substitution,
        Self::NotJudged,
        Self::UnknownPart,
    ];

    /// The code as machines read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotIsolated => "NOT_ISOLATED",
            Self::RuleMatch => "RULE_MATCH",
            Self::NoRules => "NO_RULES",
            Self::NoRuleMatches => "NO_RULE_MATCHES",
            Self::RuleDeny => "RULE_DENY",
            Self::DomainName => "DOMAIN_NAME",
            Self::NotInManifests => "NOT_IN_MANIFESTS",
            Self::PeerMismatch => "PEER_MISMATCH",
            Self::FilteredLabel => "FILTERED_LABEL",
            Self::PortMismatch => "PORT_MISMATCH",
            Self::NamedPortUnresolved => "NAMED_PORT_UNRESOLVED",
            Self::IpBlockExcept => "IPBLOCK_EXCEPT",
            Self::AddressUnknown => "ADDRESS_UNKNOWN",
            Self::HostNetwork => "HOST_NETWORK",
            Self::SamePod => "SAME_POD",
            Self::Outside => "OUTSIDE",
            Self::AdminAccept => "ADMIN_ACCEPT",
            Self::AdminDeny => "ADMIN_DENY",
            Self::AdminPass => "ADMIN_PASS",
            Self::BaselineAccept => "BASELINE_ACCEPT",
            Self::BaselineDeny => "BASELINE_DENY",
            Self::BaselinePass => "BASELINE_PASS",
            Self::UnknownNamespace => "UNKNOWN_NAMESPACE",
            Self::UnknownLabels => "UNKNOWN_LABELS",
            Self::Substitution => "SUBSTITUTION",
            Self::NotJudged => "NOT_JUDGED",
            Self::UnknownPart => "UNKNOWN_PART",
        }
    }
}

/// What decided about some of the connections that were asked for.
#[derive(Clone, Debug)]
pub struct Decision<'a, 'c> {
    /// Why they came out as they did.
    pub code: ReasonCode,
    /// The connections.
    pub connections: ConnectionSet,
    /// The stage that decided; `None` where no policy did.
    pub stage: Option<StageName>,
    /// The rule that decided, where it was one; for an unknown outcome, the first rule
    /// that it depends on.
    pub rule: Option<&'a RuleTrace<'c>>,
}

/// The rule that would match after the smallest change.
#[derive(Clone, Debug)]
pub struct NearestMiss<'a, 'c> {
    /// The rule.
    pub rule: &'a RuleTrace<'c>,
    /// How many parts of its nearest peer differ; 0 where a peer matches.
    pub peer_differences: usize,
    /// Whether its ports lack some of those asked for.
    pub ports_differ: bool,
}

impl<'c> SideTrace<'c> {
    /// What decided about each of the connections `asked`: every one of them is in
    /// exactly one decision. In the order of evaluation, what is unknown last.
    #[must_use]
    pub fn decisions(&self, asked: &ConnectionSet) -> Vec<Decision<'_, 'c>> {
        let unknown = self.verdict.unknown().intersection(asked);
        let mut open = Open {
            connections: asked.difference(&unknown),
            decisions: Vec::new(),
            stage: None,
        };
        let whole = match self.scope {
            Scope::Policies => None,
            Scope::Outside => Some(ReasonCode::Outside),
            Scope::HostNetwork => Some(ReasonCode::HostNetwork),
            Scope::SamePod => Some(ReasonCode::SamePod),
        };
        if let Some(code) = whole {
            open.decide(code, &ConnectionSet::all(), None);
        }
        for stage in &self.stages {
            open.stage = Some(stage.name);
            open.decide_by_stage(stage, &self.verdict);
        }
        open.stage = None;
        open.decide(ReasonCode::NotIsolated, &ConnectionSet::all(), None);
        if !unknown.is_empty() {
            let (code, rule) = self.doubt();
            open.decisions.push(Decision {
                code,
                connections: unknown,
                stage: None,
                rule,
            });
        }
        open.decisions
    }

    /// Whether a NetworkPolicy isolates the pod in this direction.
    #[must_use]
    pub fn is_isolated(&self) -> Truth {
        self.policies(StageName::NetworkPolicies)
            .iter()
            .map(|policy| policy.selects)
            .max()
            .unwrap_or(Truth::False)
    }

    /// What an unknown verdict depends on.
    fn doubt(&self) -> (ReasonCode, Option<&RuleTrace<'c>>) {
        let depends = |rule: &&RuleTrace<'c>| {
            rule.applies() == Truth::Unknown || rule.decides.certain != rule.decides.possible
        };
        let rule = self.rules().find(depends);
        let policies = self.stages.iter().flat_map(|stage| &stage.policies);
        let doubts = policies.flat_map(|policy| &policy.doubts);
        let peers = rule.iter().flat_map(|rule| &rule.peers.entries);
        let misses = doubts.chain(peers.flat_map(|entry| &entry.misses));
        let mut in_doubt = misses.filter(|miss| miss.truth() == Truth::Unknown);
        let is_unread = |rule: &&RuleTrace<'_>| matches!(rule.rule, RuleRef::Unread(_));
        let code = match in_doubt.next() {
            None if rule.is_none() && self.stages.iter().any(|stage| !stage.is_placed) => {
                ReasonCode::NotInManifests
            }
            _ if rule.as_ref().is_some_and(is_unread) => not_judged(rule),
            Some(miss) if rule.is_none_or(|rule| !rule.is_opaque) => miss.code(),
            _ if rule.is_some_and(|rule| !rule.is_opaque && rule.ports.is_unsupported()) => {
                ReasonCode::NotJudged
            }
            // One that a controller may have written, and that has no rules.
            _ if rule.is_none() && self.may_be_isolated_by_part() => ReasonCode::NotJudged,
            _ if rule.is_some_and(|rule| rule.ports.is_untold) => ReasonCode::NotInManifests,
            _ => ReasonCode::Substitution,
        };
        (code, rule)
    }

    /// The rule of the isolating policies that would match all of `asked` after
    /// the smallest change: of equal ones one that differs only in its ports, then the
    /// first. `None` where one matches, or there is none.
    #[must_use]
    pub fn nearest_miss(&self, asked: &ConnectionSet) -> Option<NearestMiss<'_, 'c>> {
        let decisions = self.decisions(asked);
        let missed = decisions
            .iter()
            .find(|it| it.code == ReasonCode::NoRuleMatches);
        // What isolates behind the Baseline tier has its rules before it.
        let stage = missed.and_then(|missed| missed.stage);
        let stage = stage.filter(|stage| *stage != StageName::Isolation);
        let rules = self.rules_of(stage.unwrap_or(StageName::NetworkPolicies));
        let allows = |rule: &&RuleTrace<'_>| rule.is_written() && rule.action == Action::Accept;
        let misses = rules.filter(allows).map(|rule| NearestMiss {
            rule,
            peer_differences: match rule.peers.truth {
                Truth::True => 0,
                _ => rule.peers.nearest().map_or(0, |peer| peer.misses.len()),
            },
            ports_differ: !asked.is_subset(&rule.ports.matches.certain),
        });
        let cost = |miss: &NearestMiss<'_, '_>| {
            (
                miss.peer_differences + usize::from(miss.ports_differ),
                miss.peer_differences,
            )
        };
        let nearest = misses.min_by_key(cost)?;
        (cost(&nearest).0 > 0).then_some(nearest)
    }
}

/// Why a rule is not judged.
fn not_judged(rule: Option<&RuleTrace<'_>>) -> ReasonCode {
    match rule.map(|rule| rule.policy) {
        Some(PolicyRef::Part(_)) => ReasonCode::UnknownPart,
        _ => ReasonCode::NotJudged,
    }
}

/// The connections that no stage decided yet.
struct Open<'a, 'c> {
    connections: ConnectionSet,
    decisions: Vec<Decision<'a, 'c>>,
    /// The stage that is asked.
    stage: Option<StageName>,
}

impl<'a, 'c> Open<'a, 'c> {
    fn decide(
        &mut self,
        code: ReasonCode,
        matches: &ConnectionSet,
        rule: Option<&'a RuleTrace<'c>>,
    ) {
        let decided = self.connections.intersection(matches);
        if !decided.is_empty() {
            self.connections = self.connections.difference(&decided);
            self.decisions.push(Decision {
                code,
                connections: decided,
                stage: self.stage,
                rule,
            });
        }
    }

    fn decide_by_stage(&mut self, stage: &'a StageTrace<'c>, verdict: &Verdict) {
        let (accept, deny) = match stage.name {
            // What such a policy may do leaves doubt, or does not matter.
            StageName::NotJudged => return,
            // What a firewall lets through, the policies decide.
            StageName::EgressFirewall => (ReasonCode::RuleMatch, ReasonCode::RuleDeny),
            StageName::Admin => (ReasonCode::AdminAccept, ReasonCode::AdminDeny),
            StageName::PrimaryNetworks
            | StageName::Denies
            | StageName::NetworkPolicies
            | StageName::CalicoTier(_)
            | StageName::Isolation => (ReasonCode::RuleMatch, ReasonCode::RuleDeny),
            StageName::Baseline => (ReasonCode::BaselineAccept, ReasonCode::BaselineDeny),
        };
        let policies = &stage.policies;
        let mut passed = ConnectionSet::none();
        let placed = match stage.is_placed {
            true => Truth::True,
            false => Truth::Unknown,
        };
        for rule in policies.iter().flat_map(|policy| &policy.rules) {
            let decides = rule.decides.when(rule.selects.min(placed));
            // Rules of which each only may match can together leave no doubt.
            let (code, sure) = match rule.action {
                Action::Accept if stage.name == StageName::EgressFirewall => continue,
                Action::Accept => (accept, verdict.allowed()),
                Action::Deny => (deny, verdict.denied()),
                // What passes is decided by a later stage.
                Action::Pass => {
                    passed = passed.union(&decides.certain);
                    continue;
                }
            };
            let decided = decides.possible.intersection(&sure);
            self.decide(code, &decides.certain.union(&decided), Some(rule));
        }
        let isolates =
            |policy: &PolicyTrace<'_>| policy.end == End::Deny && policy.selects == Truth::True;
        if policies.iter().any(isolates) {
            let has_rules = policies.iter().any(|policy| policy.has_rules);
            let code = if has_rules || stage.name == StageName::Isolation {
                ReasonCode::NoRuleMatches
            } else {
                ReasonCode::NoRules
            };
            self.decide(code, &ConnectionSet::all().difference(&passed), None);
        }
    }
}

impl SideTrace<'_> {
    fn may_be_isolated_by_part(&self) -> bool {
        let mut policies = self.stages.iter().flat_map(|stage| &stage.policies);
        policies.any(|policy| matches!(policy.policy, PolicyRef::Part(_)))
    }
}

impl<'c> RuleTrace<'c> {
    /// Why the rule does not match the connections `asked`, or that it does. First what
    /// is to say about its peers, then about its ports.
    ///
    /// `matched` is the code of a rule that matches, which depends on its tier.
    #[must_use]
    pub fn codes(&self, asked: &ConnectionSet, matched: ReasonCode) -> Vec<ReasonCode> {
        if let RuleRef::Unread(_) = self.rule {
            return vec![not_judged(Some(self))];
        }
        if self.is_opaque {
            return vec![ReasonCode::Substitution];
        }
        let mut codes = Vec::new();
        if self.peers.truth != Truth::True {
            let misses = self.peers.nearest().map_or(&[][..], |peer| &peer.misses);
            codes.extend(misses.iter().map(Miss::code));
        }
        let matched_ports = self.ports.matches.certain.intersection(asked);
        if matched_ports.is_empty() {
            let is_unresolved = self.ports.count_unresolved() > 0;
            let may_match = !self.ports.matches.possible.intersection(asked).is_empty();
            codes.push(match (may_match, is_unresolved) {
                (true, _) if self.ports.is_unsupported() => ReasonCode::NotJudged,
                (true, _) if self.ports.is_untold => ReasonCode::NotInManifests,
                (true, _) => ReasonCode::Substitution,
                (false, true) => ReasonCode::NamedPortUnresolved,
                (false, false) => ReasonCode::PortMismatch,
            });
        }
        codes.sort_unstable();
        codes.dedup();
        if codes.is_empty() {
            vec![matched]
        } else {
            codes
        }
    }
}

impl Miss<'_> {
    /// The fact by its code.
    #[must_use]
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::PodLabel(requirement) | Self::NamespaceLabel(requirement) => {
                match (requirement.truth, requirement.is_opaque(), self) {
                    (Truth::Unknown, ..) if requirement.may_be_written_by().is_some() => {
                        ReasonCode::UnknownLabels
                    }
                    (Truth::Unknown, true, _) => ReasonCode::Substitution,
                    (Truth::Unknown, false, Self::PodLabel(_)) => ReasonCode::UnknownLabels,
                    (Truth::Unknown, false, _) => ReasonCode::UnknownNamespace,
                    _ => ReasonCode::PeerMismatch,
                }
            }
            Self::Except(_) => ReasonCode::IpBlockExcept,
            Self::HostNetwork => ReasonCode::HostNetwork,
            Self::NetworkUnknown => ReasonCode::Substitution,
            Self::AddressUnknown(..) | Self::NotANode(Truth::Unknown) | Self::AddressOfName => {
                ReasonCode::AddressUnknown
            }
            Self::OtherNamespace
            | Self::NotAPod
            | Self::OutsideBlock(_)
            | Self::BlockIgnoresPods(_)
            | Self::NotANode(_)
            | Self::AnotherEnd => ReasonCode::PeerMismatch,
            Self::DomainName(Truth::Unknown) => ReasonCode::DomainName,
            Self::Untold => ReasonCode::NotInManifests,
            Self::Unmet(unmet) => match (&unmet.asks, unmet.truth) {
                (Asks::Nets(_) | Asks::NotNets(_), Truth::Unknown) => ReasonCode::AddressUnknown,
                (Asks::Domains(_), Truth::Unknown) => ReasonCode::DomainName,
                (Asks::RejectedSets(_) | Asks::PodOfService, Truth::Unknown) => {
                    ReasonCode::NotJudged
                }
                (
                    Asks::SourcePorts
                    | Asks::Endpoints(_)
                    | Asks::OwnNode
                    | Asks::NodeLabels
                    | Asks::CidrInCluster(_),
                    Truth::Unknown,
                ) => ReasonCode::NotInManifests,
                (asks, Truth::Unknown) if asks.is_opaque() => ReasonCode::Substitution,
                (Asks::Label { .. }, Truth::Unknown) => ReasonCode::UnknownLabels,
                (_, Truth::Unknown) => ReasonCode::UnknownNamespace,
                _ if unmet.is_filtered() => ReasonCode::FilteredLabel,
                _ => ReasonCode::PeerMismatch,
            },
            Self::DomainName(_) => ReasonCode::PeerMismatch,
        }
    }
}

impl<'c> Requirement<'c> {
    /// What may write the label that it is about.
    #[must_use]
    pub fn may_be_written_by(&self) -> Option<&'c str> {
        may_be_set_by(&self.found?.value)
    }

    /// Whether it compares text that another tool fills in.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        let found = self
            .found
            .is_some_and(|label| is_opaque(&label.value) || is_opaque(&label.key));
        found || self.wanted.is_opaque()
    }
}
