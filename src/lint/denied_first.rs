//! Rules that allow only what a rule of Cilium denies: what denies comes first there, in whatever
//! policy it stands (C1).
//!
//! Refuses to know what a rule of npcheck makes of it.

use super::containment::{Allowance, PodSet};
use crate::cluster::Cluster;
use crate::engine::PolicyRef;
use crate::engine::program::{Chain, Program, Rule, StageName};
use crate::k8s::{Action, Direction};

/// Such a rule.
#[derive(Debug)]
pub struct DeniedFirst<'p, 'c> {
    /// The policy that allows.
    pub policy: PolicyRef,
    /// The direction of the rule.
    pub direction: Direction,
    /// The rule.
    pub rule: &'p Rule<'c>,
    /// What denies it, each with its policy: one rule that denies all of it, or several that do
    /// together.
    pub denying: Vec<(PolicyRef, &'p Rule<'c>)>,
}

/// A rule that denies, as sets.
struct Denial<'p, 'c> {
    policy: PolicyRef,
    rule: &'p Rule<'c>,
    pods: PodSet,
    matched: Allowance,
}

/// All of them, in the order of the policies.
#[must_use]
pub fn denied_first<'p, 'c>(
    cluster: &'c Cluster,
    program: &'p Program<'c>,
) -> Vec<DeniedFirst<'p, 'c>> {
    let mut found = Vec::new();
    for direction in Direction::BOTH {
        let chains = |name: StageName| {
            let stages = program.stages().filter(move |stage| stage.name == name);
            stages.flat_map(move |stage| stage.chains.get(direction))
        };
        let denials = chains(StageName::Denies).filter(|chain| chain.is_subject_known);
        let denials: Vec<Denial<'p, 'c>> = denials
            .flat_map(|chain| denials_of(cluster, chain))
            .collect();
        if denials.is_empty() {
            continue;
        }
        for chain in chains(StageName::NetworkPolicies) {
            let Some(pods) = PodSet::of_subject(cluster, &chain.subject) else {
                continue;
            };
            let about: Vec<&Denial<'p, 'c>> = denials
                .iter()
                .filter(|it| it.pods.contains(&pods))
                .collect();
            let rules = chain.rules.iter();
            let rules =
                rules.filter(|rule| rule.action == Action::Accept && chain.is_subject_known);
            found.extend(rules.filter_map(|rule| {
                let denying = denying(cluster, rule, &about);
                (!denying.is_empty()).then_some(DeniedFirst {
                    policy: chain.policy,
                    direction,
                    rule,
                    denying,
                })
            }));
        }
    }
    found
}

fn denials_of<'p, 'c>(
    cluster: &'c Cluster,
    chain: &'p Chain<'c>,
) -> impl Iterator<Item = Denial<'p, 'c>> {
    let pods = PodSet::of_subject(cluster, &chain.subject);
    chain.rules.iter().filter_map(move |rule| {
        Some(Denial {
            policy: chain.policy,
            rule,
            pods: pods.clone()?,
            matched: Allowance::of(cluster, rule)?,
        })
    })
}

/// The rules that deny all of what a rule allows; none if some of it is let through.
fn denying<'p, 'c>(
    cluster: &Cluster,
    rule: &Rule<'c>,
    denials: &[&Denial<'p, 'c>],
) -> Vec<(PolicyRef, &'p Rule<'c>)> {
    let Some(allowed) = Allowance::of(cluster, rule) else {
        return Vec::new();
    };
    let touching = denials
        .iter()
        .filter(|it| it.matched.common(&allowed).is_some());
    let touching: Vec<&&Denial<'p, 'c>> = touching.collect();
    let alone = touching
        .iter()
        .find(|it| allowed.is_covered(&[&it.matched]));
    let all: Vec<&Allowance> = touching.iter().map(|it| &it.matched).collect();
    match alone {
        Some(one) => vec![(one.policy, one.rule)],
        None if allowed.is_covered(&all) => {
            touching.iter().map(|it| (it.policy, it.rule)).collect()
        }
        None => Vec::new(),
    }
}
