//! Rules, peers and policies that allow nothing new.

use crate::cluster::{NamespaceId, NetworkPolicy, PolicyId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::k8s::{Direction, Field, LabelSelector, NetworkPolicyPeer, NetworkPolicyRule};
use crate::lint::redundancy::{self, Part, Redundancy, RulePlace};
use crate::lint::rewrite::{self, Item};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};
use crate::source::{Edit, Span};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a rule or a peer that allows nothing which other rules do not allow to the same
    /// pods, and a policy that consists of such rules and isolates nobody whom others do not
    /// isolate.
    ///
    /// It compares the text of selectors, address blocks and ports, not the pods that there
    /// are: what it finds stays redundant when pods come and go. Policies of different folders
    /// are compared only where the inventory is complete, as they may be for other clusters. Policies without rules are
    /// there to isolate and are never reported. Nor are rules for DNS alone that another policy
    /// covers: a policy that says itself what its pods need is easier to read.
    ///
    /// ## Why is this bad?
    ///
    /// Policies add up. A narrow rule beside a broad one looks like a restriction and is none.
    /// Who later narrows the broad one, or relies on the narrow one, is misled.
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
    /// Safe: the fix deletes the rule or peer. Others allow all of it, whatever pods there are.
    /// A whole policy is not deleted by itself, nor is the last rule of a list, nor what a
    /// comment or the policy's name speaks for: there the broader rule may be the mistake.
    pub(super) struct RedundantRule {
        name: "redundant-rule",
        summary: "a rule allows nothing that other rules do not allow",
        category: Category::Flows,
        severity: Severity::Info,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories, 6 infos",
        fix: Some(FixClass::Safe),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for RedundantRule {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_namespace(&self, cx: &mut Context<'_>, namespace: NamespaceId) {
        let found = redundancy::find(cx.cluster, namespace, |a, b| are_together(cx, a, b));
        if found.is_partial {
            let name = &cx.cluster.namespace(namespace).name;
            cx.report_limit(format_args!(
                "namespace `{name}` has so many rules that are alike that not all were compared"
            ));
        }
        let mut found = found.redundancies;
        found.retain(|found| !found.covers.iter().any(|cover| is_slip(rule(cx, *cover))));
        let deletions = Deletions::new(cx, &found);
        let mut groups: BTreeMap<Group<'_>, Vec<&Redundancy>> = BTreeMap::new();
        for redundancy in &found {
            groups
                .entry(Group::of(redundancy))
                .or_default()
                .push(redundancy);
        }
        for found in groups.values() {
            let finding = describe(cx, &deletions, found);
            cx.report(finding);
        }
    }
}

/// Whether two policies are known to be in force side by side: both of one file, both of one
/// folder and of a namespace that they name, or both of a namespace that is known completely.
/// Files without a namespace may well go to different ones, and other folders hold examples,
/// alternatives and other clusters.
fn are_together(cx: &Context<'_>, a: PolicyId, b: PolicyId) -> bool {
    let (a, b) = (cx.cluster.policy(a), cx.cluster.policy(b));
    let is_named = |policy: &NetworkPolicy| policy.object.meta.namespace.is_some();
    let source = |policy: &NetworkPolicy| policy.object.meta.span.source;
    let folder = |policy: &NetworkPolicy| {
        let name = cx.sources.get(source(policy)).name();
        name.rsplit_once('/').map(|(folder, _)| folder)
    };
    let name = &cx.cluster.namespace(a.namespace).name;
    source(a) == source(b)
        || (is_named(a) && is_named(b) && folder(a) == folder(b))
        || cx.settings.inventory.is_complete_in(name)
}

/// Whether a rule allows all by a list that was left empty: that is `empty-means-all`'s, and a
/// mistake shows of nothing that it is too much.
fn is_slip(rule: &NetworkPolicyRule) -> bool {
    has_empty_list(&rule.peers) || has_empty_list(&rule.ports)
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
    let rule = rule(cx, place);
    let peers = rule.peers.items();
    let peers = peer.map_or(peers, |peer| &peers[peer..=peer]);
    let item = peer.map_or_else(|| Item::from(rule), |_| Item::from(&peers[0]));
    let selectors = peers.iter().filter_map(NetworkPolicyPeer::selectors);
    let selectors = selectors.flat_map(|(namespaces, pods)| namespaces.into_iter().chain(pods));
    let values = selectors.flat_map(LabelSelector::values).map(str::to_owned);
    let ports = rule.ports.items().iter().filter(|_| peer.is_none());
    let ports = ports.filter_map(|port| Some(port.port.get()?.value.to_string()));
    let name = cx.cluster.policy(place.policy).object.meta.name.as_str();
    cx.comments.are_about(item)
        || values
            .chain(ports)
            .any(|word| words::names_word(name, &word))
}

/// What one finding is about: policies, or parts of one policy, that the same rules cover.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group<'r> {
    kind: Kind,
    /// The policy whose parts they are; `None` for whole policies.
    of: Option<PolicyId>,
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

fn describe(cx: &Context<'_>, deletions: &Deletions, found: &[&Redundancy]) -> Diagnostic {
    let (first, others) = found.split_first().expect("a group has a member");
    let (policy, path, span) = place(cx, first.part);
    let (label, help) = match Group::of(first).kind {
        Kind::Policy => (
            "others isolate the same pods and allow all of this",
            "delete the policy, or narrow the others if it is to restrict something",
        ),
        Kind::Rule | Kind::Peer => (
            "rules add up: a narrower one restricts nothing",
            "delete it, or narrow the broader one if it is to restrict something",
        ),
    };
    let mut finding = cx
        .policy_finding(policy, path, span, message(cx, first, found.len()))
        .label(label)
        .help(help);
    for other in others {
        finding = finding.related(place(cx, other.part).2, "and this");
    }
    let covers = first.covers.iter();
    let covers: Vec<_> = covers.filter(|cover| !is_own_rule(first, cover)).collect();
    let effect = match covers.len() {
        1 => "allows all of it",
        _ => "allows a part of it",
    };
    for cover in covers.into_iter().take(SHOWN) {
        let mark = Item::from(rule(cx, *cover)).mark(cx.sources);
        finding = finding.related(mark, effect);
    }
    let parts = found.iter().map(|found| found.part);
    let unspoken_for = parts.filter(|part| !is_spoken_for(cx, *part));
    let edits: Option<Vec<Edit>> = unspoken_for.map(|part| deletions.edit(part)).collect();
    match edits.filter(|edits| !edits.is_empty()) {
        Some(edits) => finding.fix(Fix {
            title: "delete what adds nothing".to_owned(),
            class: FixClass::Safe,
            edits,
        }),
        None => finding,
    }
}

fn message(cx: &Context<'_>, first: &Redundancy, count: usize) -> String {
    match (Group::of(first).kind, count) {
        (Kind::Policy, 1) => format!("this policy adds nothing to {}", by_policies(cx, first)),
        (Kind::Policy, _) => {
            format!("{count} policies add nothing to {}", by_policies(cx, first))
        }
        (Kind::Rule, 1) => format!("this rule allows nothing beyond {}", by_rules(cx, first)),
        (Kind::Rule, _) => {
            format!("{count} rules allow nothing beyond {}", by_rules(cx, first))
        }
        (Kind::Peer, 1) => format!("this peer is covered by {}", by_rules(cx, first)),
        (Kind::Peer, _) => format!("{count} peers are covered by {}", by_rules(cx, first)),
    }
}

/// How many covers a finding names.
const SHOWN: usize = 3;

/// Whether the cover is the rule that the peer stands in, which covers it by the others.
fn is_own_rule(redundancy: &Redundancy, cover: &RulePlace) -> bool {
    matches!(redundancy.part, Part::Peer(place, _) if place == *cover)
}

/// The rules that cover it, from the point of view of its policy.
fn by_rules(cx: &Context<'_>, redundancy: &Redundancy) -> String {
    let own = Group::of(redundancy).of;
    let name = |cover: &RulePlace| {
        let (list, number) = (cover.direction.field(), cover.index + 1);
        if is_own_rule(redundancy, cover) {
            return "the peers beside it".to_owned();
        }
        if Some(cover.policy) == own {
            return format!("{list} rule #{number}");
        }
        let name = &cx.cluster.policy(cover.policy).object.meta.name;
        format!("{list} rule #{number} of `{name}`")
    };
    let names: Vec<String> = redundancy.covers.iter().take(SHOWN).map(name).collect();
    match redundancy.covers.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// The policies that make a whole policy redundant.
fn by_policies(cx: &Context<'_>, redundancy: &Redundancy) -> String {
    let mut policies: Vec<PolicyId> = redundancy.covers.iter().map(|it| it.policy).collect();
    policies.dedup();
    let name = |id: &PolicyId| cx.cluster.policy(*id).object.meta.name.value.as_str();
    words::names(&policies.iter().map(name).collect::<Vec<_>>())
}

fn rules<'c>(cx: &Context<'c>, policy: PolicyId, direction: Direction) -> &'c [NetworkPolicyRule] {
    cx.cluster.policy(policy).object.rules(direction)
}

fn rule<'c>(cx: &Context<'c>, place: RulePlace) -> &'c NetworkPolicyRule {
    &rules(cx, place.policy, place.direction)[place.index]
}

/// The policy, the path and the text of a part.
fn place(cx: &Context<'_>, part: Part) -> (PolicyId, String, Span) {
    let path = |place: RulePlace| format!("spec.{}[{}]", place.direction.field(), place.index);
    match part {
        Part::Policy(id) => {
            let name = cx.cluster.policy(id).object.meta.name.span;
            (id, String::new(), name)
        }
        Part::Rule(place) => {
            let mark = Item::from(rule(cx, place)).mark(cx.sources);
            (place.policy, path(place), mark)
        }
        Part::Peer(place, peer) => {
            let path = format!("{}.{}[{peer}]", path(place), place.direction.peers_field());
            let item = Item::from(&rule(cx, place).peers.items()[peer]);
            (place.policy, path, item.mark(cx.sources))
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
            match redundancy.part {
                Part::Policy(_) => {}
                Part::Rule(place) => of_lists
                    .entry((place.policy, place.direction, None))
                    .or_default()
                    .push(place.index),
                Part::Peer(place, peer) => of_lists
                    .entry((place.policy, place.direction, Some(place.index)))
                    .or_default()
                    .push(peer),
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
                    policy,
                    direction,
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
