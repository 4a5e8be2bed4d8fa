//! The words for the tiers of Calico: which of them decides, and the way to it.
//!
//! Refuses to know what the rules of a tier match.

use super::reach_plugin;
use super::reach_words::Words;
use crate::engine::program::{End, StageName};
use crate::engine::{
    ConnectionSet, Decision, PolicyRef, ReasonCode, RuleTrace, SideTrace, StageTrace,
};
use crate::k8s::{Action, CALICO_DEFAULT_TIER, PluginSpec, Truth};

impl Words<'_> {
    /// Whether policies of Calico are asked beside others, so that tiers matter.
    pub(super) fn has_tiers(&self, side: &SideTrace<'_>) -> bool {
        let mut policies = side.stages.iter().flat_map(|stage| &stage.policies);
        policies.any(|policy| self.calico_tier(policy.policy).is_some())
    }

    /// The tier of a policy of Calico's.
    fn calico_tier(&self, policy: PolicyRef) -> Option<&str> {
        let PolicyRef::Plugin(id) = policy else {
            return None;
        };
        match &self.cluster.plugin_policy(id).spec {
            PluginSpec::Calico(spec) => Some(spec.tier_name()),
            _ => None,
        }
    }

    /// The name of a tier.
    pub(super) fn tier_name(&self, stage: &StageTrace<'_>) -> String {
        match stage.name {
            StageName::Admin => "kube-admin".to_owned(),
            StageName::Baseline => "kube-baseline".to_owned(),
            StageName::NetworkPolicies => CALICO_DEFAULT_TIER.to_owned(),
            StageName::NotJudged
            | StageName::EgressFirewall
            | StageName::PrimaryNetworks
            | StageName::Denies
            | StageName::Isolation
            | StageName::CalicoTier(_) => {
                let mut policies = stage.policies.iter();
                let tier = policies.find_map(|policy| self.calico_tier(policy.policy));
                tier.unwrap_or(CALICO_DEFAULT_TIER).to_owned()
            }
        }
    }

    /// The way through the tiers, each with what it does: `tier sec: shop/p #1 Pass`.
    pub(super) fn tiers(
        &self,
        side: &SideTrace<'_>,
        asked: &ConnectionSet,
    ) -> Vec<(String, String)> {
        let mut open = asked.clone();
        let mut tiers = Vec::new();
        if !self.has_tiers(side) {
            return tiers;
        }
        for stage in &side.stages {
            if open.is_empty() {
                return tiers;
            }
            let mut said = Vec::new();
            let before = open.clone();
            let rules = stage.policies.iter().flat_map(|policy| &policy.rules);
            let mut passed = ConnectionSet::none();
            for rule in rules {
                let decided = rule.decides.certain.intersection(&open);
                if decided.is_empty() || rule.selects != Truth::True {
                    continue;
                }
                said.push(format!(
                    "{} {} {}",
                    self.policy(rule.policy),
                    reach_plugin::number(rule),
                    action(rule)
                ));
                open = open.difference(&decided);
                if rule.action == Action::Pass {
                    passed = passed.union(&decided);
                }
            }
            if !open.is_empty() {
                let ends_with = |end| {
                    let mut policies = stage.policies.iter();
                    policies.any(|it| it.end == end && it.selects == Truth::True)
                };
                let denies = ends_with(End::Deny);
                said.push(match (denies, ends_with(End::Unknown)) {
                    (true, _) => "no rule matches, end Deny".to_owned(),
                    (false, true) => "no rule matches, end unknown".to_owned(),
                    (false, false) => "no rule matches, end Pass".to_owned(),
                });
                if denies {
                    open = ConnectionSet::none();
                }
            }
            open = open.union(&passed);
            said.dedup();
            let name = self.tier_name(stage);
            tiers.push(match stage.is_placed {
                true => (name, said.join(", ")),
                false => {
                    // It may be asked behind the others as well.
                    open = before;
                    (format!("{name} (order unknown)"), said.join(", "))
                }
            });
        }
        if !open.is_empty() {
            tiers.push(("profile of the namespace".to_owned(), "Allow".to_owned()));
        }
        tiers
    }

    /// What a tier decides; `None` where there are none.
    pub(super) fn tier_decision(
        &self,
        side: &SideTrace<'_>,
        decision: &Decision<'_, '_>,
    ) -> Option<String> {
        if !self.has_tiers(side) {
            return None;
        }
        if decision.code == ReasonCode::NotIsolated {
            let said = "no tier decides, and the profile of the namespace allows";
            return Some(said.to_owned());
        }
        let name = decision.stage?;
        let stage = side.stages.iter().find(|stage| stage.name == name)?;
        let tier = self.tier_name(stage);
        let decider = decision.rule.map(|rule| {
            let policy = self.policy(rule.policy);
            format!("{policy} {}", reach_plugin::number(rule))
        });
        Some(match (decision.code, decider) {
            (
                ReasonCode::RuleMatch | ReasonCode::AdminAccept | ReasonCode::BaselineAccept,
                Some(rule),
            ) => {
                format!("allowed by {rule} in tier {tier}")
            }
            (
                ReasonCode::RuleDeny | ReasonCode::AdminDeny | ReasonCode::BaselineDeny,
                Some(rule),
            ) => {
                format!("denied by {rule} in tier {tier}")
            }
            (ReasonCode::NoRules | ReasonCode::NoRuleMatches, _) => {
                format!("no rule of tier {tier} matches, and its end denies")
            }
            _ => return None,
        })
    }
}

fn action(rule: &RuleTrace<'_>) -> &'static str {
    match rule.action {
        Action::Accept => "Allow",
        Action::Deny => "Deny",
        Action::Pass => "Pass",
    }
}
