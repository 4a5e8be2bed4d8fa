//! Rules, peers and policies that allow nothing new.

use crate::cluster::PolicyId;
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::engine::program::Program;
use crate::engine::{PolicyRef, RuleRef};
use crate::k8s::{
    Direction, Field, LabelSelector, NetworkPolicyPeer, NetworkPolicyRule, ObjectMeta, Operator,
};
use crate::lint::redundancy::{self, Part, Redundancy, RulePlace};
use crate::lint::rewrite::{self, Item};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, plugin_rules, words};
use crate::source::{Edit, Span};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a rule or peer that allows nothing beyond what other rules already allow for the
    /// same pods, and a policy that consists of such rules and isolates no pods that others do
    /// not isolate.
    ///
    /// npcheck compares selectors, address blocks and ports, not the pods that currently exist:
    /// what it reports stays redundant when pods come and go. Policies in different directories
    /// are compared only with a complete inventory, because they may belong to other clusters.
    /// Policies without rules exist to isolate and are never reported. Neither are DNS rules
    /// that another policy covers: a policy that lists everything that its pods need is easier
    /// to read.
    ///
    /// A rule or peer that excludes something (`NotIn`, `DoesNotExist`) is a warning, because a
    /// broader rule lets in what it was meant to exclude.
    ///
    /// With Cilium, its policies and NetworkPolicies are compared together. Layer 7 rules and
    /// DNS names are not reported, because Cilium does more with them than allow traffic.
    ///
    /// ## Why is this bad?
    ///
    /// Policies add up. A narrow rule next to a broad one looks like a restriction but is not
    /// one. It misleads anybody who later narrows the broad rule or relies on the narrow one.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   ingress:
    ///     - from:
    ///         - podSelector: {}
    ///     - from:
    ///         - podSelector: {matchLabels: {app: web}}
    ///       ports:
    ///         - {protocol: TCP, port: 8080}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   ingress:
    ///     - from:
    ///         - podSelector: {}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Safe: the fix deletes the rule or peer, and others allow all of it, whatever pods there
    /// are. It never deletes a whole policy, the last rule of a list, or something that a
    /// comment or the policy's name refers to: there the broader rule may be the mistake.
    pub(super) struct RedundantRule {
        name: "redundant-rule",
        summary: "a rule that allows nothing beyond what other rules allow",
        category: Category::Flows,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories, 23 infos",
        fix: Some(FixClass::Safe),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for RedundantRule {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let program = &cx.program();
        for (home, policies) in by_home(cx) {
            let together = |one, other| are_together(cx, home, one, other);
            let found = redundancy::find(cx.cluster, program, policies, together);
            if found.is_partial {
                let place = match home {
                    Some(name) => format!("namespace `{name}` has"),
                    None => "there are".to_owned(),
                };
                cx.report_limit(format_args!(
                    "{place} too many similar rules to compare all of them"
                ));
            }
            let mut found = found.redundancies;
            let is_slip = |cover: &RulePlace| is_slip(cover.rule(program).origin.rule);
            found.retain(|found| !found.covers.iter().any(is_slip));
            for finding in describe_all(cx, program, &found) {
                cx.report(finding);
            }
        }
    }
}

/// The policies that are asked together, by their namespace: NetworkPolicies, and Cilium's
/// where these count beside them.
fn by_home<'c>(cx: &Context<'c>) -> BTreeMap<Option<&'c str>, Vec<PolicyRef>> {
    let cluster = cx.cluster;
    let network = cluster.policy_ids().map(|id| {
        let home = &cluster.namespace(cluster.policy(id).namespace).name;
        (Some(home.as_str()), PolicyRef::Network(id))
    });
    let cilium = plugin_rules::cilium_policies(cluster)
        .map(|policy| (policy.object.namespace(), PolicyRef::Plugin(policy.id)));
    let mut by_home: BTreeMap<_, Vec<PolicyRef>> = BTreeMap::new();
    for (home, policy) in network.chain(cilium) {
        by_home.entry(home).or_default().push(policy);
    }
    by_home
}

/// Whether two policies of a namespace, or of none, are known to be in force side by side: both
/// of one file, both of one root that builds them, both of one folder and of a namespace that
/// they name, or both of a namespace that is known completely. Files without a namespace may well go to different ones, and other
/// folders hold examples, alternatives and other clusters.
fn are_together(cx: &Context<'_>, home: Option<&str>, one: PolicyRef, other: PolicyRef) -> bool {
    let (Some(one), Some(other)) = (one.meta(cx.cluster), other.meta(cx.cluster)) else {
        return false;
    };
    let is_named = |meta: &ObjectMeta| home.is_none() || meta.namespace.is_some();
    let folder = |meta: &ObjectMeta| {
        let name = cx.sources.get(meta.span.source).name();
        name.rsplit_once('/').map(|(folder, _)| folder)
    };
    let inventory = &cx.settings.inventory;
    let (first, second) = (one.span.source, other.span.source);
    first == second
        || cx.cluster.are_built_together(first, second)
        || (is_named(one) && is_named(other) && folder(one) == folder(other))
        || home.map_or(inventory.is_complete(), |name| {
            inventory.is_complete_in(name)
        })
}

/// Whether a rule allows all by a list that was left empty: that is `empty-means-all`'s, and a
/// mistake shows of nothing that it is too much.
fn is_slip(rule: RuleRef<'_>) -> bool {
    matches!(rule, RuleRef::Network(rule) if has_empty_list(&rule.peers) || has_empty_list(&rule.ports))
}

fn has_empty_list<T>(field: &Field<Vec<T>>) -> bool {
    field.key().is_some() && field.items().is_empty()
}

/// Whether somebody speaks for a part: a comment about it, or the policy's name, which has a
/// label or a port of it. Then the broader rule may well be the one that is wrong.
fn is_spoken_for(cx: &Context<'_>, part: Part) -> bool {
    let (place, peer) = match part {
        Part::Policy(_) => return true,
        Part::Rule(place) => (place, None),
        Part::Peer(place, peer) => (place, Some(peer)),
    };
    let PolicyRef::Network(policy) = place.policy else {
        return true;
    };
    let rule = &rules(cx, policy, place.direction)[place.index];
    let peers = rule.peers.items();
    let peers = peer.map_or(peers, |peer| &peers[peer..=peer]);
    let item = peer.map_or_else(|| Item::from(rule), |_| Item::from(&peers[0]));
    let selectors = peers.iter().filter_map(NetworkPolicyPeer::selectors);
    let selectors = selectors.flat_map(|(namespaces, pods)| namespaces.into_iter().chain(pods));
    let values = selectors.flat_map(LabelSelector::values).map(str::to_owned);
    let ports = rule.ports.items().iter().filter(|_| peer.is_none());
    let ports = ports.filter_map(|port| Some(port.port.get()?.value.to_string()));
    let name = cx.cluster.policy(policy).object.meta.name.as_str();
    cx.comments.are_about(item)
        || !exclusions(cx, part).is_empty()
        || values
            .chain(ports)
            .any(|word| words::names_word(name, &word))
}

/// The selectors of a part that leave somebody out: they say what was meant, and the broader rule
/// takes it back.
fn exclusions<'c>(cx: &Context<'c>, part: Part) -> Vec<&'c LabelSelector> {
    let (place, peer) = match part {
        Part::Policy(_) => return Vec::new(),
        Part::Rule(place) => (place, None),
        Part::Peer(place, peer) => (place, Some(peer)),
    };
    let PolicyRef::Network(policy) = place.policy else {
        return Vec::new();
    };
    let peers = rules(cx, policy, place.direction)[place.index]
        .peers
        .items();
    let peers = peer.map_or(peers, |peer| &peers[peer..=peer]);
    let selectors = peers.iter().filter_map(NetworkPolicyPeer::selectors);
    let selectors = selectors.flat_map(|(namespaces, pods)| namespaces.into_iter().chain(pods));
    let leaves_out = |selector: &&LabelSelector| {
        let mut entries = selector.match_expressions.iter();
        entries.any(|entry| {
            matches!(
                entry.operator.value,
                Operator::NotIn | Operator::DoesNotExist
            )
        })
    };
    selectors.filter(leaves_out).collect()
}

/// What one finding is about: policies, or parts of one policy, that the same rules cover.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group<'r> {
    kind: Kind,
    /// The policy whose parts they are; `None` for whole policies.
    of: Option<PolicyRef>,
    covers: &'r [RulePlace],
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Policy,
    Rule,
    Peer,
}

impl<'r> Group<'r> {
    fn of(redundancy: &'r Redundancy) -> Self {
        let (kind, of) = match redundancy.part {
            Part::Policy(_) => (Kind::Policy, None),
            Part::Rule(place) => (Kind::Rule, Some(place.policy)),
            Part::Peer(place, _) => (Kind::Peer, Some(place.policy)),
        };
        Self {
            kind,
            of,
            covers: &redundancy.covers,
        }
    }
}

fn describe_all(cx: &Context<'_>, program: &Program<'_>, found: &[Redundancy]) -> Vec<Diagnostic> {
    let deletions = Deletions::new(cx, found);
    let mut groups: BTreeMap<Group<'_>, Vec<&Redundancy>> = BTreeMap::new();
    for redundancy in found {
        let group = groups.entry(Group::of(redundancy)).or_default();
        group.push(redundancy);
    }
    let groups = groups.values();
    groups
        .map(|found| describe(cx, program, &deletions, found))
        .collect()
}

fn describe(
    cx: &Context<'_>,
    program: &Program<'_>,
    deletions: &Deletions,
    found: &[&Redundancy],
) -> Diagnostic {
    let (first, others) = found.split_first().expect("a group has a member");
    let (policy, path, span) = place(cx, program, first.part);
    let exclusion = exclusions(cx, first.part).into_iter().next();
    let (label, help) = match Group::of(first).kind {
        Kind::Policy => (
            "others isolate the same pods and allow all of this",
            "delete the policy, or narrow the others if it should restrict something",
        ),
        Kind::Rule | Kind::Peer => (
            "rules add up: a narrower one restricts nothing",
            "delete it, or narrow the broader one if it should restrict something",
        ),
    };
    let mut finding = match exclusion {
        Some(selector) => {
            let by_rules = by_rules(cx, program, first);
            let message =
                format!("`{selector}` excludes nobody here: all are allowed by {by_rules}");
            cx.finding(span, message)
                .label("rules add up: what one leaves out, another one allows")
                .help("narrow the broader one, or delete this one if everybody is meant")
        }
        None => cx
            .finding(span, message(cx, program, first, found.len()))
            .with_severity(Severity::Info)
            .label(label)
            .help(help),
    };
    finding = finding.about(cx.object_of(policy), path);
    for other in others {
        finding = finding.related(place(cx, program, other.part).2, "and this");
    }
    let covers = first.covers.iter();
    let covers: Vec<_> = covers.filter(|cover| !is_own_rule(first, cover)).collect();
    let effect = match covers.len() {
        1 => "allows all of it",
        _ => "allows part of it",
    };
    for cover in covers.into_iter().take(SHOWN) {
        let mark = mark(cx, cover.rule(program).origin.rule);
        finding = finding.related(mark, effect);
    }
    let parts = found.iter().map(|found| found.part);
    let unspoken_for = parts.filter(|part| !is_spoken_for(cx, *part));
    let edits: Option<Vec<Edit>> = unspoken_for.map(|part| deletions.edit(part)).collect();
    match edits.filter(|edits| !edits.is_empty()) {
        Some(edits) => finding.fix(Fix {
            title: "delete what is redundant".to_owned(),
            class: FixClass::Safe,
            edits,
        }),
        None => finding,
    }
}

fn message(cx: &Context<'_>, program: &Program<'_>, first: &Redundancy, count: usize) -> String {
    let by_rules = || by_rules(cx, program, first);
    match (Group::of(first).kind, count) {
        (Kind::Policy, 1) => format!("this policy adds nothing to {}", by_policies(cx, first)),
        (Kind::Policy, _) => {
            format!("{count} policies add nothing to {}", by_policies(cx, first))
        }
        (Kind::Rule, 1) => format!("this rule allows nothing beyond {}", by_rules()),
        (Kind::Rule, _) => {
            format!("{count} rules allow nothing beyond {}", by_rules())
        }
        (Kind::Peer, 1) => format!("this peer is covered by {}", by_rules()),
        (Kind::Peer, _) => format!("{count} peers are covered by {}", by_rules()),
    }
}

/// How many covers a finding names.
const SHOWN: usize = 3;

/// Whether the cover is the rule that the peer stands in, which covers it by the others.
fn is_own_rule(redundancy: &Redundancy, cover: &RulePlace) -> bool {
    matches!(redundancy.part, Part::Peer(place, _) if place == *cover)
}

/// The rules that cover it, from the point of view of its policy.
fn by_rules(cx: &Context<'_>, program: &Program<'_>, redundancy: &Redundancy) -> String {
    let own = Group::of(redundancy).of;
    let name = |cover: &RulePlace| {
        let (list, number) = (
            cover.direction.field(),
            cover.rule(program).origin.index + 1,
        );
        if is_own_rule(redundancy, cover) {
            return "the peers beside it".to_owned();
        }
        if Some(cover.policy) == own {
            return format!("{list} rule #{number}");
        }
        format!("{list} rule #{number} of `{}`", name_of(cx, cover.policy))
    };
    let names: Vec<String> = redundancy.covers.iter().take(SHOWN).map(name).collect();
    match redundancy.covers.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// The policies that make a whole policy redundant.
fn by_policies(cx: &Context<'_>, redundancy: &Redundancy) -> String {
    let mut policies: Vec<PolicyRef> = redundancy.covers.iter().map(|it| it.policy).collect();
    policies.dedup();
    let names = policies.into_iter().map(|policy| name_of(cx, policy));
    words::names(&names.collect::<Vec<_>>())
}

fn name_of<'c>(cx: &Context<'c>, policy: PolicyRef) -> &'c str {
    let meta = policy.meta(cx.cluster);
    meta.map_or("", |meta| meta.name.as_str())
}

/// The rules as they are written: Cilium enforces them whatever `policyTypes` says.
fn rules<'c>(cx: &Context<'c>, policy: PolicyId, direction: Direction) -> &'c [NetworkPolicyRule] {
    let policy = &cx.cluster.policy(policy).object;
    policy.rules_field(direction).items()
}

/// What to underline for a rule.
fn mark(cx: &Context<'_>, rule: RuleRef<'_>) -> Span {
    let dash = match rule {
        RuleRef::Network(rule) => rule.dash,
        RuleRef::Cilium(_, rule) => rule.dash,
        _ => None,
    };
    let span = rule
        .span()
        .expect("somebody wrote the rules that are compared");
    Item { span, dash }.mark(cx.sources)
}

/// The policy, the path and the text of a part.
fn place(cx: &Context<'_>, program: &Program<'_>, part: Part) -> (PolicyRef, String, Span) {
    let path = |place: RulePlace| match place.rule(program).origin.rule {
        RuleRef::Cilium(spec, rule) => format!("{}.{}", spec.path, rule.place()),
        _ => format!("spec.{}[{}]", place.direction.field(), place.index),
    };
    let written = |place: RulePlace| place.rule(program).origin.rule;
    match part {
        Part::Policy(policy) => {
            let name = policy.meta(cx.cluster).map(|meta| meta.name.span);
            (
                policy,
                String::new(),
                name.expect("only objects are compared"),
            )
        }
        Part::Rule(place) => (place.policy, path(place), mark(cx, written(place))),
        Part::Peer(place, peer) => {
            let path = format!("{}.{}[{peer}]", path(place), place.direction.peers_field());
            let mark = match written(place) {
                RuleRef::Network(rule) => Item::from(&rule.peers.items()[peer]).mark(cx.sources),
                other => mark(cx, other),
            };
            (place.policy, path, mark)
        }
    }
}

/// The edit that deletes each part, where one can: those of one list are made together, so
/// that they fit each other and leave an item in the list.
struct Deletions(BTreeMap<Part, Edit>);

impl Deletions {
    fn new(cx: &Context<'_>, found: &[Redundancy]) -> Self {
        let mut of_lists: BTreeMap<(PolicyId, Direction, Option<usize>), Vec<usize>> =
            BTreeMap::new();
        for redundancy in found {
            let (place, removed, of_rule) = match redundancy.part {
                Part::Policy(_) => continue,
                Part::Rule(place) => (place, place.index, None),
                Part::Peer(place, peer) => (place, peer, Some(place.index)),
            };
            if let PolicyRef::Network(policy) = place.policy {
                let list = (policy, place.direction, of_rule);
                of_lists.entry(list).or_default().push(removed);
            }
        }
        let mut edits = BTreeMap::new();
        for ((policy, direction, of_rule), removed) in of_lists {
            let rules = rules(cx, policy, direction);
            let list: Vec<Item> = match of_rule {
                None => rules.iter().map(Item::from).collect(),
                Some(rule) => rules[rule].peers.items().iter().map(Item::from).collect(),
            };
            // One item stays, even where all could go: an empty list has a meaning of its own.
            let first = usize::from(removed.len() == list.len());
            let removed = &removed[first..];
            let made = rewrite::remove_items(cx.sources, &list, removed);
            for (index, edit) in removed.iter().zip(made.into_iter().flatten()) {
                let place = |index| RulePlace {
                    policy: PolicyRef::Network(policy),
                    direction,
                    chain: 0,
                    index,
                };
                let part = match of_rule {
                    None => Part::Rule(place(*index)),
                    Some(rule) => Part::Peer(place(rule), *index),
                };
                edits.insert(part, edit);
            }
        }
        Self(edits)
    }

    fn edit(&self, part: Part) -> Option<Edit> {
        self.0.get(&part).cloned()
    }
}
