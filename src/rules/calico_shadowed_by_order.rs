//! Rules that are never asked, as a policy of Calico's that comes first decides all of it.

use crate::cluster::{Cluster, Cni, PolicyId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::program::{Chain, End, Stage, StageName};
use crate::engine::{PolicyRef, RuleRef};
use crate::k8s::{Action, CalicoAction, CalicoRule, Direction, NetworkPolicyRule};
use crate::lint::plugin_rules::{self, CalicoInForce};
use crate::lint::rewrite::first_line;
use crate::lint::{Category, Context, Rule, RuleMeta, calico_cover, declare_rule, words};
use crate::source::Span;
use std::collections::{HashMap, HashSet};

declare_rule! {
    /// ## What it does
    ///
    /// Where Calico is in use, reports rules that the order of tiers, policies and rules makes
    /// unreachable: an earlier rule allows or denies everything that they match, for all of
    /// their pods, or an earlier tier ends in a deny and none of its rules passes the traffic
    /// on. NetworkPolicies count too: they have order 1000 in the `default` tier.
    ///
    /// ## Why is this bad?
    ///
    /// The first rule that matches decides. An allow after a deny of the same traffic opens
    /// nothing, a deny after an allow closes nothing, and neither Calico nor Kubernetes warns
    /// you. Policies with a lower `order` come first; a policy without one comes last.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: projectcalico.org/v3
    /// kind: GlobalNetworkPolicy
    /// metadata: {name: default-deny}
    /// spec:
    ///   order: 10
    ///   types: [Ingress]
    ///   ingress: [{action: Deny}]
    /// ---
    /// apiVersion: projectcalico.org/v3
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   order: 20
    ///   selector: app == 'web'
    ///   types: [Ingress]
    ///   ingress:
    ///     - action: Allow
    ///       source: {selector: app == 'client'}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: projectcalico.org/v3
    /// kind: GlobalNetworkPolicy
    /// metadata: {name: default-deny}
    /// spec:
    ///   order: 2000
    ///   types: [Ingress]
    ///   ingress: [{action: Deny}]
    /// ---
    /// apiVersion: projectcalico.org/v3
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   order: 20
    ///   selector: app == 'web'
    ///   types: [Ingress]
    ///   ingress:
    ///     - action: Allow
    ///       source: {selector: app == 'client'}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows which rule should win.
    pub(super) struct CalicoShadowedByOrder {
        name: "calico-shadowed-by-order",
        summary: "a rule that is never evaluated, because an earlier rule decides everything it matches",
        category: Category::Plugins,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no finding on the 16 Calico policies of a public repository",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

/// How many rules are compared with an earlier one in all. Those of policies of different
/// namespaces are not: a cluster of thousands of policies needs a hundredth of it.
const MAX_COMPARED: usize = 5_000_000;

impl Rule for CalicoShadowedByOrder {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let cni = cx.cluster.enforcement().cni().map(|cni| cni.value);
        let policies: Vec<CalicoInForce<'_>> = plugin_rules::calico_policies(cx.cluster).collect();
        if cni != Some(Cni::Calico) || policies.is_empty() {
            return;
        }
        let program = cx.program();
        let mut findings = Vec::new();
        let mut ended = Vec::new();
        let mut left = MAX_COMPARED;
        for direction in Direction::BOTH {
            let tiers: Vec<Tier<'_>> = program
                .stages()
                .filter_map(|stage| Tier::of(cx.cluster, &policies, stage, direction))
                .collect();
            findings.extend(shadowed(cx, &tiers, direction, &mut ended, &mut left));
        }
        if left == 0 {
            cx.report_limit("Calico's rules are too many to compare each with all before it");
        }
        findings.extend(by_ending(ended).iter().map(|group| behind_end(cx, group)));
        for finding in findings {
            cx.report(finding);
        }
    }
}

/// The steps of a tier, in the order in which they are asked.
struct Tier<'c> {
    /// Its policies in order, with whether what none of the rules matches is denied.
    policies: Vec<(Asked<'c>, End)>,
    /// Whether anybody knows its place among the others.
    is_placed: bool,
    steps: Vec<Step<'c>>,
}

/// A policy that is asked.
#[derive(Clone, Copy)]
enum Asked<'c> {
    Calico(CalicoInForce<'c>),
    /// With its namespace.
    Network(PolicyId, &'c str),
}

/// A rule that is asked.
#[derive(Clone, Copy)]
struct Step<'c> {
    policy: Asked<'c>,
    rule: Written<'c>,
    index: usize,
    /// Whether only a part of the policy's pods, or of its rule, is meant, so that it says
    /// nothing about others; it may be decided by others all the same.
    is_partial: bool,
}

#[derive(Clone, Copy)]
enum Written<'c> {
    Calico(&'c CalicoRule),
    Network(&'c NetworkPolicyRule),
}

impl<'c> Tier<'c> {
    /// `None` for what is no tier of Calico's: policies that are not judged, and the
    /// cluster-wide ones of Kubernetes.
    fn of(
        cluster: &'c Cluster,
        policies: &[CalicoInForce<'c>],
        stage: &Stage<'c>,
        direction: Direction,
    ) -> Option<Self> {
        if !matches!(
            stage.name,
            StageName::CalicoTier(_) | StageName::NetworkPolicies
        ) {
            return None;
        }
        let mut tier = Self {
            policies: Vec::new(),
            is_placed: stage.is_placed,
            steps: Vec::new(),
        };
        for chain in stage.chains.get(direction) {
            let Some(asked) = asked(cluster, policies, chain) else {
                continue;
            };
            tier.policies.push((asked, chain.end));
            for rule in &chain.rules {
                let written = match rule.origin.rule {
                    RuleRef::Calico(written) => Written::Calico(written),
                    RuleRef::Network(written) => Written::Network(written),
                    _ => continue,
                };
                tier.steps.push(Step {
                    policy: asked,
                    rule: written,
                    index: rule.origin.index,
                    is_partial: rule.is_opaque || !chain.is_subject_known,
                });
            }
        }
        Some(tier)
    }
}

fn asked<'c>(
    cluster: &'c Cluster,
    policies: &[CalicoInForce<'c>],
    chain: &Chain<'c>,
) -> Option<Asked<'c>> {
    match chain.policy {
        PolicyRef::Network(id) => {
            let namespace = &cluster.namespace(cluster.policy(id).namespace).name;
            Some(Asked::Network(id, namespace))
        }
        PolicyRef::Cluster(_) | PolicyRef::Part(_) | PolicyRef::Agent => None,
        PolicyRef::Plugin(id) => {
            let index = policies.binary_search_by_key(&id, |policy| policy.id);
            index.ok().map(|index| Asked::Calico(policies[index]))
        }
    }
}

/// Policies that no connection comes to.
struct Ended<'c> {
    policies: Vec<Asked<'c>>,
    /// Neither of their own directions has any.
    directions: Vec<Direction>,
    /// The policy of an earlier tier that leaves nothing.
    by: CalicoInForce<'c>,
}

/// One for all that the same policy leaves nothing for in the same directions. What comes in has
/// one policy and one direction each.
fn by_ending(ended: Vec<Ended<'_>>) -> Vec<Ended<'_>> {
    let mut of_policies: Vec<Ended<'_>> = Vec::new();
    for one in ended {
        let is_same =
            |it: &&mut Ended<'_>| it.policies[0].is(one.policies[0]) && it.by.id == one.by.id;
        match of_policies.iter_mut().find(is_same) {
            Some(known) => known.directions.extend(one.directions),
            None => of_policies.push(one),
        }
    }
    let mut groups: Vec<Ended<'_>> = Vec::new();
    for one in of_policies {
        let is_same =
            |it: &&mut Ended<'_>| it.by.id == one.by.id && it.directions == one.directions;
        match groups.iter_mut().find(is_same) {
            Some(group) => group.policies.extend(one.policies),
            None => groups.push(one),
        }
    }
    groups
}

/// The rules that are never evaluated. Policies behind the end of a tier go into `ends`.
fn shadowed<'c>(
    cx: &Context<'c>,
    tiers: &[Tier<'c>],
    direction: Direction,
    ends: &mut Vec<Ended<'c>>,
    left: &mut usize,
) -> Vec<Diagnostic> {
    let sets = &cx.cluster.plugin_resources().network_sets;
    let has_names = direction == Direction::Egress
        && sets
            .iter()
            .any(|set| !set.allowed_egress_domains.is_empty());
    // What decides, and the rules that it leaves nothing for.
    let mut by_step: Vec<(Step<'c>, Vec<Step<'c>>)> = Vec::new();
    let mut place_of: HashMap<StepKey, usize> = HashMap::new();
    let mut told: HashSet<StepKey> = HashSet::new();
    let mut earlier = Earlier::default();
    let is_before =
        |one: usize, other: usize| one == other || tiers[one].is_placed && tiers[other].is_placed;
    for (place, tier) in tiers.iter().enumerate() {
        let mut ended = Vec::new();
        for (index, (policy, _)) in tier.policies.iter().enumerate() {
            let is_first = !tier.policies[..index].iter().any(|(it, _)| it.is(*policy));
            if let Some(ending) = ending(&tiers[..place], *policy).filter(|_| is_first) {
                ends.push(Ended {
                    policies: vec![*policy],
                    directions: vec![direction],
                    by: ending,
                });
                ended.push(*policy);
            }
        }
        for step in &tier.steps {
            // A rule that depends on the family of addresses is there once for each.
            if ended.iter().any(|it| it.is(step.policy)) || told.contains(&step.key()) {
                continue;
            }
            let first = {
                let mut deciding = earlier
                    .may_decide(step)
                    .take_while(|_| {
                        *left = left.saturating_sub(1);
                        *left > 0
                    })
                    .filter(|(tier, it)| {
                        is_before(*tier, place) && it.decides(*tier == place, step)
                    })
                    .filter(|(_, it)| !(has_names && it.misses_names(step)));
                deciding.next().map(|(_, first)| *first)
            };
            match first {
                Some(first) => {
                    let at = *place_of.entry(first.key()).or_insert_with(|| {
                        by_step.push((first, Vec::new()));
                        by_step.len() - 1
                    });
                    by_step[at].1.push(*step);
                    told.insert(step.key());
                }
                None => earlier.push(place, *step),
            }
        }
    }
    let findings = by_step.iter();
    findings
        .map(|(first, shadowed)| describe(cx, direction, first, shadowed))
        .collect()
}

/// What tells a rule from others: its policy, and its place there.
type StepKey = (PolicyRef, usize);

/// A rule with its place among all that were asked, and its tier.
type Placed<'c> = (usize, (usize, Step<'c>));

/// The rules that are asked before another one, with their tiers. One of a namespaced policy
/// decides about no pod of another namespace.
#[derive(Default)]
struct Earlier<'c> {
    /// How many there are.
    count: usize,
    /// Those of policies for all namespaces, each with its place among all.
    of_all: Vec<Placed<'c>>,
    by_namespace: HashMap<&'c str, Vec<Placed<'c>>>,
}

impl<'c> Earlier<'c> {
    fn push(&mut self, tier: usize, step: Step<'c>) {
        let place = self.count;
        self.count += 1;
        let among = match step.policy.namespace() {
            Some(namespace) => self.by_namespace.entry(namespace).or_default(),
            None => &mut self.of_all,
        };
        among.push((place, (tier, step)));
    }

    /// Those that may decide what a rule matches, in order.
    fn may_decide(&self, step: &Step<'c>) -> impl Iterator<Item = &(usize, Step<'c>)> {
        let home = step.policy.namespace();
        let own = home.and_then(|namespace| self.by_namespace.get(namespace));
        let mut own = own.into_iter().flatten().peekable();
        let mut of_all = self.of_all.iter().peekable();
        std::iter::from_fn(move || {
            let next = match (own.peek(), of_all.peek()) {
                (Some((one, _)), Some((other, _))) if one < other => own.next(),
                (_, Some(_)) => of_all.next(),
                (_, None) => own.next(),
            };
            next.map(|(_, step)| step)
        })
    }
}

/// The policy of an earlier tier that leaves nothing for a policy: it is about all of its pods,
/// its tier ends with a deny and is surely asked before, and no rule of that tier passes.
fn ending<'c>(earlier: &[Tier<'c>], policy: Asked<'c>) -> Option<CalicoInForce<'c>> {
    earlier.iter().find_map(|tier| {
        let passes = |step: &Step<'_>| step.action() == Action::Pass || step.is_partial;
        if !tier.is_placed || tier.steps.iter().any(passes) {
            return None;
        }
        let mut policies = tier.policies.iter();
        policies.find_map(|(outer, end)| match outer {
            Asked::Calico(outer) if *end == End::Deny && policy.is_within(*outer) => Some(*outer),
            _ => None,
        })
    })
}

impl<'c> Asked<'c> {
    fn is(self, other: Asked<'_>) -> bool {
        match (self, other) {
            (Self::Calico(one), Asked::Calico(other)) => one.id == other.id,
            (Self::Network(one, _), Asked::Network(other, _)) => one == other,
            _ => false,
        }
    }

    /// Its namespace; `None` for a global policy.
    fn namespace(self) -> Option<&'c str> {
        match self {
            Self::Calico(policy) => policy.object.namespace(),
            Self::Network(_, namespace) => Some(namespace),
        }
    }

    /// Whether another policy is about all of its pods.
    fn is_within(self, outer: CalicoInForce<'_>) -> bool {
        match self {
            Self::Calico(inner) => calico_cover::is_about_all_of(outer, inner),
            Self::Network(_, namespace) => calico_cover::is_about_all_in(outer, namespace),
        }
    }

    /// Its name, and the place of its name.
    fn name(self, cx: &Context<'_>) -> (String, Span) {
        match self {
            Self::Calico(policy) => (policy.object.display(), policy.object.meta.name.span),
            Self::Network(id, _) => {
                let span = cx.cluster.policy(id).object.meta.name.span;
                (cx.policy_object(id), span)
            }
        }
    }
}

impl<'c> Step<'c> {
    fn action(&self) -> Action {
        match self.rule {
            Written::Network(_) => Action::Accept,
            Written::Calico(rule) => match rule.action.value {
                CalicoAction::Allow | CalicoAction::Log => Action::Accept,
                CalicoAction::Deny => Action::Deny,
                CalicoAction::Pass => Action::Pass,
            },
        }
    }

    fn key(&self) -> StepKey {
        let policy = match self.policy {
            Asked::Calico(policy) => PolicyRef::Plugin(policy.id),
            Asked::Network(id, _) => PolicyRef::Network(id),
        };
        (policy, self.index)
    }

    fn is_same(&self, other: &Step<'_>) -> bool {
        self.key() == other.key()
    }

    /// Whether it decides everything that a later rule matches.
    fn decides(&self, is_same_tier: bool, later: &Step<'_>) -> bool {
        let (Asked::Calico(outer), Written::Calico(rule)) = (self.policy, self.rule) else {
            return false;
        };
        if self.is_partial || self.is_same(later) || !is_same_tier && self.action() == Action::Pass
        {
            return false;
        }
        match (later.policy, later.rule) {
            (Asked::Calico(inner), Written::Calico(later)) => {
                // The selectors of two namespaces mean different pods.
                let means_the_same = outer.object.namespace() == inner.object.namespace();
                calico_cover::is_about_all_of(outer, inner)
                    && (calico_cover::matches_everything(rule)
                        || means_the_same && calico_cover::matches_all_of(rule, later))
            }
            (inner, _) => inner.is_within(outer) && calico_cover::matches_everything(rule),
        }
    }

    /// Whether a later rule means addresses of names that it does not.
    fn misses_names(&self, later: &Step<'_>) -> bool {
        match (self.rule, later.rule) {
            (Written::Calico(rule), Written::Calico(later)) => {
                calico_cover::misses_names_of_sets(rule, later)
            }
            _ => false,
        }
    }

    fn path(&self, direction: Direction) -> String {
        format!("spec.{}[{}]", direction.field(), self.index)
    }

    fn mark(&self, cx: &Context<'_>) -> Span {
        let (dash, span) = match self.rule {
            Written::Calico(rule) => (rule.dash, rule.span),
            Written::Network(rule) => (rule.dash, rule.span),
        };
        dash.unwrap_or_else(|| first_line(cx.sources, span))
    }

    fn verb(&self) -> &'static str {
        match self.action() {
            Action::Accept => "allows",
            Action::Deny => "denies",
            Action::Pass => "passes",
        }
    }
}

fn describe(
    cx: &Context<'_>,
    direction: Direction,
    first: &Step<'_>,
    shadowed: &[Step<'_>],
) -> Diagnostic {
    // One that does something else is worth more than one that does the same again.
    let contradicts = |step: &&Step<'_>| step.action() != first.action();
    let step = shadowed.iter().find(contradicts).unwrap_or(&shadowed[0]);
    let severity = match contradicts(&step) {
        true => Severity::Warning,
        false => Severity::Info,
    };
    let ((name, _), (deciding, _)) = (step.policy.name(cx), first.policy.name(cx));
    let (path, verb) = (first.path(direction), first.verb());
    let what = match step.policy.is(first.policy) {
        true => format!("`{path}` {verb} all of it first"),
        false => format!("`{deciding}` {verb} all of it first"),
    };
    let finding = cx
        .finding(
            step.mark(cx),
            format!("this rule is never evaluated: {what}"),
        )
        .with_severity(severity)
        .about(name, step.path(direction))
        .label("matches nothing that is left")
        .related(first.mark(cx), format!("{verb} everything that it matches"))
        .help(match step.policy {
            _ if step.policy.is(first.policy) => "move it up, or delete it".to_owned(),
            Asked::Calico(_) => "give its policy a smaller `order`, or delete it".to_owned(),
            Asked::Network(..) => {
                format!("give `{deciding}` an `order` above 1000, which NetworkPolicies have")
            }
        });
    let others: Vec<String> = shadowed
        .iter()
        .filter(|it| !it.is_same(step))
        .map(|it| format!("{} {}", it.policy.name(cx).0, it.path(direction)))
        .collect();
    match others.is_empty() {
        true => finding,
        false => finding.note(format!("never evaluated either: {}", words::names(&others))),
    }
}

/// Policies that no connection comes to, in one direction or in both.
fn behind_end(cx: &Context<'_>, group: &Ended<'_>) -> Diagnostic {
    let mut names: Vec<(String, Span)> = group.policies.iter().map(|it| it.name(cx)).collect();
    let (name, span) = names.remove(0);
    let tier = group.by.policy.tier_name();
    let what = match group.directions.as_slice() {
        [only] => format!("no {} connection", only.field()),
        _ => "no connection".to_owned(),
    };
    let others = match names.len() {
        0 => String::new(),
        1 => " and another one".to_owned(),
        several => format!(" and {several} others"),
    };
    let message = format!(
        "{what} reaches this policy{others}: the tier `{tier}` denies what it does not allow"
    );
    let finding = cx
        .finding(span, message)
        .about(name, "spec")
        .label(format!("is evaluated after the tier `{tier}`"))
        .related(
            group.by.object.meta.name.span,
            "applies to all of these pods, and no rule passes",
        )
        .help(format!(
            "end the policies of `{tier}` with a rule that has `action: Pass`"
        ));
    match names.is_empty() {
        true => finding,
        false => {
            let names: Vec<String> = names.into_iter().map(|(name, _)| name).collect();
            finding.note(format!("the others: {}", words::names(&names)))
        }
    }
}
