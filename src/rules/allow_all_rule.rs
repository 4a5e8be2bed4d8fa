//! Rules that admit everybody.

use crate::cluster::{Cluster, NamespaceId, PolicyId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::PolicyRef;
use crate::engine::program::{ByDirection, Program};
use crate::k8s::{
    Direction, LabelSelector, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule,
    PortReference, Protocol, RulePlace,
};
use crate::lint::claims::Denial;
use crate::lint::claims_of_comments;
use crate::lint::containment::Allowance;
use crate::lint::rewrite::Item;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, dns, platform, words};
use crate::source::Spanned;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

declare_rule! {
    /// ## What it does
    ///
    /// Reports rules that allow everybody: rules without peers, with or without ports, and
    /// peers with `namespaceSelector: {}`, which matches every pod in the cluster.
    ///
    /// It is a warning if such a rule makes other rules pointless, because it already allows
    /// everything that they allow, or if it opens a database port to everybody without a
    /// comment. Elsewhere `ingress: [{}]` is assumed to be deliberate. To hear of those too,
    /// ask for the rule by name, with `--select` or in the configuration: you get one info per
    /// namespace. Rules for DNS alone are not reported.
    ///
    /// ## Why is this bad?
    ///
    /// Rules are alternatives, and policies add up. One rule that allows everybody undoes every
    /// other rule that selects the same pods: they look like restrictions and restrict nothing.
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
    ///         - podSelector: {matchLabels: {app: web}}
    ///       ports:
    ///         - {protocol: TCP, port: 8080}
    ///     - {}
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
    ///         - podSelector: {matchLabels: {app: web}}
    ///       ports:
    ///         - {protocol: TCP, port: 8080}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: either the broad rule or the others must go, and only the
    /// author knows which.
    pub(super) struct AllowAllRule {
        name: "allow-all-rule",
        summary: "a rule allows everybody",
        category: Category::Flows,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "1 of 1 warning or error on 82 public repositories (58 of them in excerpts) judged right; owners cared about 3 of 17 infos, which appear only if the rule is asked for by name",
        fix: None,
        mutes: &["empty-means-all", "redundant-rule"],
        since: "0.1.0",
    }
}

impl Rule for AllowAllRule {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_namespace(&self, cx: &mut Context<'_>, namespace: NamespaceId) {
        let mut infos: BTreeMap<(Direction, Admits), Vec<Place>> = BTreeMap::new();
        for policy in cx.cluster.policies_in(namespace) {
            let mut marks = Marks::default();
            let lists = ByDirection::new(|direction| List::of(cx, policy, direction));
            for place in places(cx, policy) {
                match mistake(cx, &place, lists.get(place.direction), &mut marks) {
                    Some(finding) => cx.report(finding),
                    // `empty-means-all` has an info about it.
                    None if is_written_empty(&place.rules(cx)[place.index]) => {}
                    None => infos
                        .entry((place.direction, place.admits))
                        .or_default()
                        .push(place),
                }
            }
        }
        // Who writes such a rule knows it.
        infos.retain(|_, _| cx.is_asked_for());
        for mut places in infos.into_values() {
            // First one of which no other finding says more and takes the place of this one.
            places.sort_by_cached_key(|place| place.may_be_contradiction(cx));
            let finding = info(cx, &places);
            cx.report(finding);
        }
    }
}

/// Whom a rule admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Admits {
    /// Everybody, on every port.
    Everybody,
    /// Everybody, on some ports.
    EverybodyOnPorts,
    /// Every pod of the cluster.
    EveryPod,
    /// Every pod of the cluster, on some ports.
    EveryPodOnPorts,
}

impl Admits {
    fn of(direction: Direction, rule: &NetworkPolicyRule) -> Option<Self> {
        let ports = rule.ports.items();
        let is_about_dns = !ports.is_empty() && ports.iter().all(dns::is_dns_port);
        // A key without a value, or an empty list of ports, is `empty-means-all`'s.
        let names_nobody = rule.peers.is_missing() || is_written_empty(rule);
        if rule.ports.is_missing() == ports.is_empty() && names_nobody {
            let is_for_resolver = direction == Direction::Egress && is_about_dns;
            return match ports {
                [] => Some(Self::Everybody),
                _ => (!is_for_resolver).then_some(Self::EverybodyOnPorts),
            };
        }
        let admits_every_pod = rule.peers.items().iter().any(is_every_pod);
        match ports {
            _ if !admits_every_pod || is_about_dns => None,
            [] => Some(Self::EveryPod),
            _ => Some(Self::EveryPodOnPorts),
        }
    }

    fn in_words(self, direction: Direction, is_one_port: bool) -> String {
        let (ports, are) = match is_one_port {
            true => ("this port", "is"),
            false => ("these ports", "are"),
        };
        match (self, direction) {
            (Self::Everybody, Direction::Ingress) => {
                "everybody can connect on every port, from inside and outside the cluster"
                    .to_owned()
            }
            (Self::Everybody, Direction::Egress) => {
                "every destination is open on every port, inside and outside the cluster".to_owned()
            }
            (Self::EverybodyOnPorts, Direction::Ingress) => {
                format!("everybody can connect on {ports}, from inside and outside the cluster")
            }
            (Self::EverybodyOnPorts, Direction::Egress) => {
                format!("{ports} of every destination {are} open, inside and outside the cluster")
            }
            (Self::EveryPod, Direction::Ingress) => {
                "every pod of every namespace can connect on every port".to_owned()
            }
            (Self::EveryPod, Direction::Egress) => {
                "every pod of every namespace is open on every port".to_owned()
            }
            (Self::EveryPodOnPorts, Direction::Ingress) => {
                format!("every pod of every namespace can connect on {ports}")
            }
            (Self::EveryPodOnPorts, Direction::Egress) => {
                format!("{ports} of every pod of every namespace {are} open")
            }
        }
    }
}

/// Whether somebody has written `from: []` beside ports, which many mean as "anybody".
fn is_written_empty(rule: &NetworkPolicyRule) -> bool {
    let is_list = rule.peers.get().is_some_and(Vec::is_empty);
    is_list && !rule.ports.items().is_empty()
}

fn is_every_pod(peer: &NetworkPolicyPeer) -> bool {
    let is_everything = |selector: &LabelSelector| selector.is_empty();
    matches!(peer.selectors(), Some((Some(namespaces), pods))
        if is_everything(namespaces) && pods.is_none_or(is_everything))
}

/// A rule that admits everybody, and where it stands.
struct Place {
    policy: PolicyId,
    direction: Direction,
    index: usize,
    admits: Admits,
    /// Whether its ports are one number or name.
    has_one_port: bool,
}

fn places(cx: &Context<'_>, id: PolicyId) -> Vec<Place> {
    let policy = &cx.cluster.policy(id).object;
    // Peers and ports that another tool fills in are not there.
    if !policy.meta.holes.is_empty() || !policy.meta.is_accepted {
        return Vec::new();
    }
    let place = |place: RulePlace<'_>| {
        Some(Place {
            policy: id,
            direction: place.direction,
            index: place.index,
            admits: Admits::of(place.direction, place.rule)?,
            has_one_port: match place.rule.ports.items() {
                [only] => only.port.get().is_some() && only.end_port.get().is_none(),
                _ => false,
            },
        })
    };
    policy.rule_places().filter_map(place).collect()
}

impl Place {
    /// Whom the rule admits.
    fn admits_in_words(&self) -> String {
        self.admits.in_words(self.direction, self.has_one_port)
    }

    fn rules<'c>(&self, cx: &Context<'c>) -> &'c [NetworkPolicyRule] {
        cx.cluster.policy(self.policy).object.rules(self.direction)
    }

    /// Whether `name-contradicts-effect` may speak of this rule.
    fn may_be_contradiction(&self, cx: &Context<'_>) -> bool {
        let policy = cx.cluster.policy(self.policy);
        let mark = Item::from(&self.rules(cx)[self.index]).mark(cx.sources);
        let namespace = &cx.cluster.namespace(policy.namespace).name;
        Denial::of(&policy.object, namespace).is_some()
            || claims_of_comments::is_about_api_server(&cx.comments.above(mark))
    }

    /// What the comments beside and in the rule say.
    fn comments(&self, cx: &Context<'_>) -> String {
        let rule = &self.rules(cx)[self.index];
        let start = rule.dash.unwrap_or(rule.span);
        let comments = &cx.comments;
        [
            comments.above(start),
            comments.within(rule.span),
            comments.behind(rule.span),
        ]
        .join("\n")
    }

    /// A finding at this rule.
    fn finding(&self, cx: &Context<'_>, message: String) -> Diagnostic {
        let path = format!("spec.{}[{}]", self.direction.field(), self.index);
        let item = Item::from(&self.rules(cx)[self.index]);
        cx.policy_finding(self.policy, path, item.mark(cx.sources), message)
    }
}

/// The rules of one policy in a direction, as the question has them what a rule for everybody
/// makes of the others.
struct List<'c> {
    rules: &'c [NetworkPolicyRule],
    cluster: &'c Cluster,
    program: Arc<Program<'c>>,
    policy: PolicyId,
    direction: Direction,
    /// What the rules that do not admit everybody allow, by their places.
    narrow: OnceCell<Vec<(usize, Narrow)>>,
    /// By port: the first entry for it of every rule with peers.
    restricted: OnceCell<HashMap<Port<'c>, Vec<Entry>>>,
}

/// What a rule allows.
struct Narrow {
    allowance: Allowance,
    /// Whether that is nothing, so that it is covered by no rule at all.
    is_nothing: bool,
}

/// A port as it is written: its protocol, its number or name, and where a range ends.
type Port<'c> = (Protocol, &'c PortReference, Option<u16>);

/// A rule and one of its ports, by their places.
type Entry = (usize, usize);

/// How many rules the findings about one policy mark in all. Whoever writes that many rules
/// for everybody beside that many others needs no list of them in each finding.
struct Marks {
    left: usize,
}

impl Default for Marks {
    fn default() -> Self {
        Self { left: 1000 }
    }
}

impl Marks {
    /// How many of some rules a finding marks.
    fn take(&mut self, wanted: usize) -> usize {
        const AT_LEAST: usize = 3;
        let taken = wanted.min(self.left.max(AT_LEAST));
        self.left = self.left.saturating_sub(taken);
        taken
    }
}

fn port_of(entry: &NetworkPolicyPort) -> Option<Port<'_>> {
    let last = entry.end_port.get().map(|last| last.value);
    let port = entry.port.get()?;
    Some((entry.protocol_or_default(), &port.value, last))
}

impl<'c> List<'c> {
    fn of(cx: &Context<'c>, policy: PolicyId, direction: Direction) -> Self {
        Self {
            rules: cx.cluster.policy(policy).object.rules(direction),
            cluster: cx.cluster,
            program: cx.program(),
            policy,
            direction,
            narrow: OnceCell::new(),
            restricted: OnceCell::new(),
        }
    }

    /// What the rule at a place allows, as far as that is known.
    fn allowance(&self, index: usize) -> Option<Allowance> {
        let policy = PolicyRef::Network(self.policy);
        let chain = self.program.chains_of(policy, self.direction).next()?;
        Allowance::of(self.cluster, chain.rules.get(index)?)
    }

    /// The other rules that allow nothing beyond one for everybody.
    fn made_pointless(&self, place: &Place) -> Vec<usize> {
        let Some(broad) = self.allowance(place.index) else {
            return Vec::new();
        };
        let narrow = self.narrow.get_or_init(|| {
            let rules = self.rules.iter().enumerate();
            let narrow = rules.filter(|(_, rule)| Admits::of(place.direction, rule).is_none());
            let narrow = narrow.filter_map(|(index, _)| {
                let allowance = self.allowance(index)?;
                let is_nothing = allowance.is_covered(&[]);
                Some((
                    index,
                    Narrow {
                        allowance,
                        is_nothing,
                    },
                ))
            });
            narrow.collect()
        });
        let is_pointless = |narrow: &Narrow| {
            let may_be = narrow.is_nothing || narrow.allowance.has_only_ports_of(&broad);
            may_be && narrow.allowance.is_covered(&[&broad])
        };
        let pointless = narrow.iter().filter(|(_, narrow)| is_pointless(narrow));
        pointless.map(|(index, _)| *index).collect()
    }

    /// The other rules with peers that name a port which one for everybody opens, each with
    /// its first such port.
    fn undone(&self, place: &Place) -> Vec<(usize, &'c Spanned<PortReference>)> {
        let restricted = self.restricted.get_or_init(|| {
            let mut restricted: HashMap<Port<'c>, Vec<Entry>> = HashMap::new();
            for (index, rule) in self.rules.iter().enumerate() {
                // Who names every pod restricts nothing that is worth a word.
                let peers = rule.peers.items();
                if peers.is_empty() || peers.iter().any(is_every_pod) {
                    continue;
                }
                for (entry, port) in rule.ports.items().iter().enumerate() {
                    let Some(port) = port_of(port) else { continue };
                    let entries = restricted.entry(port).or_default();
                    if entries.last().is_none_or(|(known, _)| *known != index) {
                        entries.push((index, entry));
                    }
                }
            }
            restricted
        });
        let open = self.rules[place.index].ports.items().iter();
        let entries = open.filter_map(|entry| restricted.get(&port_of(entry)?));
        // Every pod is no address: what a block allows is not allowed anyway.
        let is_for_pods = matches!(place.admits, Admits::EveryPod | Admits::EveryPodOnPorts);
        let has_block = |index: usize| {
            let mut peers = self.rules[index].peers.items().iter();
            peers.any(|peer| peer.ip_block.get().is_some())
        };
        let others = entries
            .flatten()
            .filter(|(index, _)| *index != place.index && !(is_for_pods && has_block(*index)));
        let mut others: Vec<Entry> = others.copied().collect();
        others.sort_unstable();
        others.dedup_by_key(|(index, _)| *index);
        let port = |(index, entry): Entry| {
            let port = self.rules[index].ports.items()[entry].port.get();
            port.map(|port| (index, port))
        };
        others.into_iter().filter_map(port).collect()
    }
}

/// What makes a rule for everybody more than an info.
fn mistake(
    cx: &Context<'_>,
    place: &Place,
    list: &List<'_>,
    marks: &mut Marks,
) -> Option<Diagnostic> {
    let rule = &list.rules[place.index];
    if cx.comments.are_about(rule.into()) {
        // A comment says why the rule is there, but hardly that another one is in vain.
        let undone = undone_restrictions(cx, place, list, marks)?;
        let is_meant = platform::speaks_of_everybody(&place.comments(cx));
        return (!is_meant).then(|| undone.with_severity(Severity::Info));
    }
    let everybody = place.admits_in_words();
    let pointless = list.made_pointless(place);
    if !pointless.is_empty() {
        let count = words::count(pointless.len(), "other rule");
        let verb = if pointless.len() == 1 {
            "restricts"
        } else {
            "restrict"
        };
        let admits = match (place.direction, place.admits) {
            (Direction::Ingress, Admits::Everybody | Admits::EverybodyOnPorts) => {
                "admits everybody"
            }
            (Direction::Ingress, _) => "admits every pod",
            (Direction::Egress, Admits::Everybody | Admits::EverybodyOnPorts) => {
                "opens every destination"
            }
            (Direction::Egress, _) => "opens every pod",
        };
        let message = format!("this rule {admits}, so {count} {verb} nothing");
        let mut finding = place
            .finding(cx, message)
            .label(everybody)
            .help("delete this rule, or the others if everybody is meant");
        for index in &pointless[..marks.take(pointless.len())] {
            let mark = Item::from(&list.rules[*index]).mark(cx.sources);
            finding = finding.related(mark, "everything this allows is allowed anyway");
        }
        return Some(finding);
    }
    if let Some(undone) = undone_restrictions(cx, place, list, marks) {
        return Some(undone);
    }
    let is_open_store =
        place.direction == Direction::Ingress && place.admits == Admits::EverybodyOnPorts;
    let port = rule.ports.items().iter().find_map(platform::store_port);
    let port = port.filter(|_| is_open_store)?;
    let message = format!("port {port}, usually a database's, is open to everybody");
    let finding = place.finding(cx, message).label(everybody);
    Some(finding.help("list in `from` who may connect, or explain in a comment why everybody may"))
}

/// Other rules of the same list name peers for a port that this one opens to everybody.
fn undone_restrictions(
    cx: &Context<'_>,
    place: &Place,
    list: &List<'_>,
    marks: &mut Marks,
) -> Option<Diagnostic> {
    let shared = list.undone(place);
    let (_, port) = shared.first()?;
    let whom = match (place.direction, place.admits) {
        (Direction::Ingress, Admits::Everybody | Admits::EverybodyOnPorts) => "to everybody",
        (Direction::Ingress, _) => "to every pod",
        (Direction::Egress, Admits::Everybody | Admits::EverybodyOnPorts) => "of every destination",
        (Direction::Egress, _) => "of every pod",
    };
    let message = format!(
        "this rule opens port {} {whom}, so the peers of {} restrict nothing there",
        port.value,
        words::count(shared.len(), "other rule"),
    );
    let mut finding = place
        .finding(cx, message)
        .label(place.admits_in_words())
        .help("list the peers here too, or remove the port from the other rules");
    for (_, port) in &shared[..marks.take(shared.len())] {
        finding = finding.related(port.span, "listing these peers has no effect");
    }
    Some(finding)
}

/// One info for all rules of a kind in a namespace.
fn info(cx: &Context<'_>, places: &[Place]) -> Diagnostic {
    const SHOWN: usize = 5;
    let (first, rest) = places.split_first().expect("a kind has at least one place");
    let is_one_port = first.has_one_port && rest.is_empty();
    let everybody = first.admits.in_words(first.direction, is_one_port);
    let message = match rest.len() {
        0 => everybody,
        _ => format!("{everybody}: {} rules of this namespace", places.len()),
    };
    let mut finding = first.finding(cx, message).with_severity(Severity::Info);
    for place in rest.iter().take(SHOWN) {
        let mark = Item::from(&place.rules(cx)[place.index]).mark(cx.sources);
        let policy = &cx.cluster.policy(place.policy).object.meta.name;
        finding = finding.related(mark, format!("`{policy}` as well"));
    }
    if rest.len() > SHOWN {
        finding = finding.note(format!("and {} more", rest.len() - SHOWN));
    }
    finding.help("if this is meant, there is nothing to do; otherwise list the peers")
}
