//! Policies that do not do what their name says.

use crate::cluster::platform::makes_namespace;
use crate::cluster::{NAMESPACE_NAME_LABEL, PolicyId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{
    Direction, LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyRule, PeerPlace,
    is_opaque,
};
use crate::lint::api_server::may_be_api_server;
use crate::lint::callers::may_select_namespace;
use crate::lint::claims::{self, Counterpart, Denial, Extent};
use crate::lint::claims_of_comments;
use crate::lint::containment::PodSet;
use crate::lint::named_denials::{self, Allowed};
use crate::lint::rewrite::Item;
use crate::lint::unjudged::Unjudged;
use crate::lint::words;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, dns, isolation};
use crate::source::Span;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a policy whose name, description or comment contradicts its effect:
    ///
    /// - `deny-all`, `default-deny` and the like, with a rule that allows something in that
    ///   direction, or with a direction that is not isolated at all;
    /// - `deny-lab` with a rule that allows `lab`, or everything;
    /// - `allow-web` without any rules, if nothing else lets traffic in or out of its pods;
    /// - `allow-dns` without a rule for port 53;
    /// - `allow-from-monitoring` for a namespace other than `monitoring`, which exists (only
    ///   after a word such as `from`, because a name may be a product's);
    /// - a comment about the API server above an egress rule without `to` and `ports`, which
    ///   allows everything;
    /// - a comment that nothing is allowed (`# no inbound connections`) at a rule without any
    ///   limits, `- {}`, which allows everything;
    /// - a comment about something outside the cluster (`# external HTTPS`) above an egress
    ///   rule for `namespaceSelector: {}` or any rule for `podSelector: {}`, which only match
    ///   pods, if no other rule opens the same pods to addresses;
    /// - a comment about the API server above a rule for pods, which do not include it;
    /// - a comment about the kubelet or its probes above an ingress rule for everybody. Probes
    ///   need no rule: a pod's own node can always connect to it.
    ///
    /// Names are read word by word. Names that may contain an exception are skipped:
    /// `default-deny-except-dns`, `deny-from-other-namespaces`. A deny may still allow DNS, and
    /// `default-deny` may allow pods of its own namespace. A rule with a comment is assumed to
    /// be deliberate.
    ///
    /// ## Why is this bad?
    ///
    /// Nobody opens `deny-all` to see what it allows. Usually it is a copy that kept its old
    /// name, or a rule that got lost.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: default-deny-ingress
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Ingress]
    ///   ingress:
    ///     - from:
    ///         - podSelector: {matchLabels: {app: web}}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: default-deny-ingress
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Ingress]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-web
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Ingress]
    ///   ingress:
    ///     - from:
    ///         - podSelector: {matchLabels: {app: web}}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: either the name is wrong or the rules are.
    pub(super) struct NameContradictsEffect {
        name: "name-contradicts-effect",
        summary: "a policy does not do what its name or a comment says",
        category: Category::Hygiene,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "14 of 14 warnings and errors on 82 public repositories (58 of them in excerpts) judged right; none of 6 infos was useful, and they appear only if the rule is asked for by name",
        fix: None,
        mutes: &["allow-all-rule", "empty-means-all", "missing-dns-egress", "unlabeled-namespace"],
        since: "0.1.0",
    }
}

impl Rule for NameContradictsEffect {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let unjudged = cx.unjudged();
        for id in cx.cluster.policy_ids() {
            let policy = &cx.cluster.policy(id).object;
            let meta = &policy.meta;
            let is_known = meta.is_accepted && meta.holes.is_empty() && !is_opaque(&meta.name);
            if !is_known {
                continue;
            }
            let finding = denies_less(cx, id, policy)
                .or_else(|| allows_what_it_denies(cx, id, policy))
                .or_else(|| allows_nothing(cx, &unjudged, id, policy))
                .or_else(|| allows_no_dns(cx, id, policy))
                .or_else(|| allows_another(cx, id, policy));
            let of_comments = about_open_rules(cx, id, policy)
                .into_iter()
                .chain(about_no_pods(cx, id, policy));
            for finding in finding.into_iter().chain(of_comments) {
                cx.report(finding);
            }
        }
    }
}

const DIRECTIONS: [Direction; 2] = Direction::BOTH;

/// A finding about the whole policy, at the text that says something else.
fn finding(cx: &Context<'_>, id: PolicyId, claim: Span, message: String) -> Diagnostic {
    cx.policy_finding(id, "", claim, message)
}

/// A policy that says that it denies, and allows.
fn denies_less(cx: &Context<'_>, id: PolicyId, policy: &NetworkPolicy) -> Option<Diagnostic> {
    let namespace = &cx.cluster.namespace(cx.cluster.policy(id).namespace).name;
    let (denial, claim) = Denial::of(policy, namespace)?;
    let is_spoken_of = |direction: &Direction| {
        denial.directions.is_empty() || denial.directions.contains(direction)
    };
    let directions = DIRECTIONS.into_iter().filter(is_spoken_of);
    let rules = directions.flat_map(|direction| {
        let rules = policy.rules(direction).iter();
        rules.map(move |rule| (direction, rule))
    });
    let allowing: Vec<(Direction, &NetworkPolicyRule)> = rules
        .filter(|(direction, rule)| contradicts(cx, &denial, *direction, rule))
        .collect();
    if allowing.is_empty() {
        return isolates_less(cx, id, policy, &denial, claim);
    }
    let name = &policy.meta.name;
    let rules = words::count(allowing.len(), "rule");
    let verb = if allowing.len() == 1 {
        "allows"
    } else {
        "allow"
    };
    let said = match denial.directions.as_slice() {
        [direction] => format!("says that {} is denied", direction.field()),
        _ => "says that everything is denied".to_owned(),
    };
    let message = format!("`{name}` denies less than it says: {rules} {verb} something");
    let mut finding = finding(cx, id, claim, message).label(said);
    // Many mean by all those of other namespaces.
    if allowing.iter().all(|(_, rule)| is_for_own_namespace(rule)) {
        if !cx.is_asked_for() {
            return None;
        }
        finding = finding.with_severity(Severity::Info);
    }
    for (direction, rule) in &allowing {
        let mark = Item::from(*rule).mark(cx.sources);
        finding = finding.related(mark, allowed(*direction, rule));
    }
    Some(
        finding
            .help("delete the rule or rename the policy, or say in a comment what the rule is for"),
    )
}

/// What a rule allows, in words.
fn allowed(direction: Direction, rule: &NetworkPolicyRule) -> String {
    let (preposition, everybody) = match direction {
        Direction::Ingress => ("from", "everybody"),
        Direction::Egress => ("to", "every destination"),
    };
    let whom = match rule.peers.items() {
        [] => everybody,
        _ if is_for_own_namespace(rule) => "every pod of the namespace",
        _ => return format!("allows {}", direction.field()),
    };
    format!("allows {} {preposition} {whom}", direction.field())
}

/// Whether a rule allows what the name says is denied, and nobody says why.
fn contradicts(
    cx: &Context<'_>,
    denial: &Denial,
    direction: Direction,
    rule: &NetworkPolicyRule,
) -> bool {
    // A key that is written and empty is `empty-means-all`'s.
    let has_empty_key = (rule.peers.items().is_empty() && !rule.peers.is_missing())
        || (rule.ports.items().is_empty() && !rule.ports.is_missing());
    let is_for_dns = || direction == Direction::Egress && dns::is_meant_for_dns(cx.settings, rule);
    let is_excepted = match denial.extent {
        Extent::Everything => false,
        Extent::Default => is_for_own_namespace(rule),
        Extent::Direction => !is_broad(rule),
    };
    !has_empty_key && !is_excepted && !is_for_dns() && !cx.comments.are_about(rule.into())
}

/// Whether a rule opens all there is in its direction, or every pod of the cluster, which is no
/// exception any more.
fn is_broad(rule: &NetworkPolicyRule) -> bool {
    let is_everything = |selector: &LabelSelector| selector.is_empty();
    let is_broad = |peer: &NetworkPolicyPeer| match (peer.ip_block.get(), peer.selectors()) {
        (Some(block), _) => block.cidr.prefix_len() == 0 && block.except.items().is_empty(),
        (None, Some((Some(namespaces), pods))) => {
            is_everything(namespaces) && pods.is_none_or(is_everything)
        }
        (None, _) => false,
    };
    rule.ports.is_missing() && (rule.peers.is_missing() || rule.peers.items().iter().any(is_broad))
}

fn is_for_own_namespace(rule: &NetworkPolicyRule) -> bool {
    let peers = rule.peers.items();
    !peers.is_empty() && peers.iter().all(NetworkPolicyPeer::is_own_namespace)
}

/// A policy that says that it denies a direction, and does not isolate for it.
fn isolates_less(
    cx: &Context<'_>,
    id: PolicyId,
    policy: &NetworkPolicy,
    denial: &Denial,
    claim: Span,
) -> Option<Diagnostic> {
    let is_open = |direction: &Direction| {
        let field = policy.rules_field(*direction);
        // Rules that are not in force are `ignored-rules`', and an empty list of them that
        // stands for a type is `implicit-policy-types`'.
        let is_told = !field.items().is_empty()
            || (field.get().is_some() && policy.policy_types.items().is_empty());
        !policy.applies_to(*direction)
            && !is_told
            && isolation::isolates_the_same_pods(cx.cluster, id, *direction).is_none()
    };
    // Who denies everything and writes no types and no lists has not thought of egress.
    let leaves_out_egress = denial.extent == Extent::Everything
        && denial.directions.is_empty()
        && policy.policy_types.items().is_empty()
        && policy.ingress.is_missing()
        && policy.egress.is_missing();
    let forgotten = leaves_out_egress.then_some(Direction::Egress);
    let mut directions = denial.directions.iter().copied().chain(forgotten);
    let direction = directions.find(is_open)?;
    let (name, field) = (&policy.meta.name, direction.field());
    let policy_type = direction.policy_type();
    let message = format!("`{name}` does not deny {field}: it does not isolate pods for {field}");
    let said = match denial.extent {
        Extent::Everything if denial.directions.is_empty() => "everything".to_owned(),
        _ => field.to_owned(),
    };
    let finding = finding(cx, id, claim, message).label(format!("says that {said} is denied"));
    let types = policy.policy_types.items();
    let finding = match (policy.policy_types.key(), types.is_empty()) {
        (Some(key), false) => finding.related(key, format!("`{policy_type}` is not listed")),
        _ => {
            finding.note("without `policyTypes` and egress rules, a policy applies to ingress only")
        }
    };
    Some(finding.help(format!(
        "list `{policy_type}` in `policyTypes`, or rename the policy"
    )))
}

/// A policy that says of somebody that they are denied, and allows them, or everybody.
fn allows_what_it_denies(
    cx: &Context<'_>,
    id: PolicyId,
    policy: &NetworkPolicy,
) -> Option<Diagnostic> {
    let name = &policy.meta.name;
    let namespace = &cx.cluster.namespace(cx.cluster.policy(id).namespace).name;
    let (at, what) = match named_denials::allowed(cx, policy, namespace)? {
        Allowed::Named(at) => (at, "it"),
        Allowed::Everything(at) => (at, "everything"),
    };
    let message = format!(
        "`{name}` does not deny what it says: policies only add up, and this one allows {what}"
    );
    let finding = finding(cx, id, name.span, message).label("says that something is denied");
    Some(finding.related(at, format!("allows {what}")).help(
        "select in the rules who may connect, and leave out who may not, or rename the policy",
    ))
}

/// A policy that says that it allows, and has no rule.
fn allows_nothing(
    cx: &Context<'_>,
    unjudged: &Unjudged,
    id: PolicyId,
    policy: &NetworkPolicy,
) -> Option<Diagnostic> {
    let (name, namespace) = (&policy.meta.name, cx.cluster.policy(id).namespace);
    // Rules that are not in force are `ignored-rules`'.
    let has_rules = DIRECTIONS
        .iter()
        .any(|direction| !policy.rules_field(*direction).items().is_empty());
    let is_closed = |direction: &Direction| policy.applies_to(*direction);
    let closed: Vec<Direction> = DIRECTIONS.into_iter().filter(is_closed).collect();
    let says_otherwise = claims::allows_something(name, &closed);
    if !says_otherwise || has_rules || unjudged.may_be_in(cx.cluster, namespace) {
        return None;
    }
    let pods = PodSet::of(policy.pod_selector.get())?;
    let is_about_them = |other: &NetworkPolicy| {
        PodSet::of(other.pod_selector.get()).is_none_or(|others| others.overlaps(&pods))
    };
    let opens = |direction: &Direction| {
        let mut others = cx.cluster.policies_in(namespace);
        others.any(|other| {
            let other = &cx.cluster.policy(other).object;
            !other.rules(*direction).is_empty() && is_about_them(other)
        })
    };
    let direction = *closed.first()?;
    if closed.iter().any(opens) {
        return None;
    }
    let message = format!("`{name}` allows nothing: it isolates its pods, and has no rules");
    let (at, _) = policy.isolates_at(direction);
    Some(
        finding(cx, id, name.span, message)
            .label("says that something is allowed")
            .related(at, format!("no rule: all {} is denied", direction.field()))
            .help("write the rule that is missing, or rename the policy"),
    )
}

/// A policy that says that it allows DNS, and has rules for other ports only.
fn allows_no_dns(cx: &Context<'_>, id: PolicyId, policy: &NetworkPolicy) -> Option<Diagnostic> {
    let name = &policy.meta.name;
    let may_be_for_dns = |rule: &NetworkPolicyRule| {
        let ports = rule.ports.items();
        ports.is_empty() || ports.iter().any(dns::may_be_dns)
    };
    let lists = DIRECTIONS.map(|direction| (direction, policy.rules(direction)));
    let has_rules = lists.iter().any(|(_, rules)| !rules.is_empty());
    let mut rules = lists.iter().flat_map(|(_, rules)| *rules);
    if !claims::allows_dns(name) || !has_rules || rules.any(may_be_for_dns) {
        return None;
    }
    let port = dns::PORT;
    let message = format!("`{name}` does not allow DNS: none of its rules allows port {port}");
    let mut finding = finding(cx, id, name.span, message).label("says that DNS is allowed");
    for (direction, rules) in lists {
        if let (Some(key), Some(first)) = (policy.rules_field(direction).key(), rules.first()) {
            finding = finding.related(key, format!("{} instead", first.ports_in_words()));
        }
    }
    Some(finding.help(format!("allow UDP and TCP {port}, or rename the policy")))
}

/// A policy that says which namespace it lets in or out, and selects others.
fn allows_another(cx: &Context<'_>, id: PolicyId, policy: &NetworkPolicy) -> Option<Diagnostic> {
    let name = &policy.meta.name;
    let own = &cx.cluster.namespace(cx.cluster.policy(id).namespace).name;
    let is_known = |it: &Counterpart| {
        cx.cluster.namespace_by_name(&it.name).is_some() || makes_namespace(&it.name)
    };
    let meant = claims::counterparts(name).into_iter().find(is_known)?;
    if meant.name == *own {
        return None;
    }
    let is_spoken_of = |direction: Direction| meant.direction.is_none_or(|it| it == direction);
    let mut rules = DIRECTIONS
        .into_iter()
        .filter(|direction| is_spoken_of(*direction))
        .flat_map(|direction| policy.rules(direction));
    if rules.any(|rule| rule.peers.items().is_empty()) {
        return None;
    }
    let places = policy.peers();
    let places = places.filter(|it| is_spoken_of(it.direction) && policy.applies_to(it.direction));
    let others = |place: PeerPlace<'_>| others(cx, place.peer, &meant.name);
    let others: Vec<(Span, String)> = places.map(others).collect::<Option<_>>()?;
    let (_, first) = others.first()?;
    let message = format!(
        "`{name}` is not for namespace `{}`, but for {first}",
        meant.name
    );
    let mut finding = finding(cx, id, name.span, message)
        .label(format!("mentions namespace `{}`, which exists", meant.name));
    for (span, other) in others {
        finding = finding.related(span, format!("selects {other}"));
    }
    Some(finding.help(format!(
        "select `{NAMESPACE_NAME_LABEL}: {}`, or rename the policy",
        meant.name
    )))
}

/// The namespaces that a peer selects, in words, and where, if those are known and the one
/// that is meant is surely not among them.
fn others(cx: &Context<'_>, peer: &NetworkPolicyPeer, meant: &str) -> Option<(Span, String)> {
    let (namespaces, pods) = peer.selectors()?;
    let namespaces = namespaces?;
    // Pods, or a label of namespaces, may be called as the namespace is.
    let is_named = |selector: &LabelSelector| selector.values().any(|value| value.contains(meant));
    let is_named_here = is_named(namespaces) || pods.is_some_and(is_named);
    if is_named_here || may_select_namespace(cx, namespaces, meant) {
        return None;
    }
    let selected = cx.engine.matching_namespaces(namespaces);
    let mut names: Vec<&str> = selected
        .iter()
        .map(|id| cx.cluster.namespace(*id).name.as_str())
        .collect();
    if names.is_empty() {
        let by_name = namespaces.match_labels.iter();
        let by_name = by_name.filter(|label| label.key.value == NAMESPACE_NAME_LABEL);
        names = by_name.map(|label| label.value.as_str()).collect();
    }
    let first = names.first()?;
    let in_words = match names.len() {
        1 => format!("namespace `{first}`"),
        more => format!("namespace `{first}` and {} more", more - 1),
    };
    Some((namespaces.requirements_span(), in_words))
}

/// Rules for everybody under a comment that says something else:
///
/// - that nothing is allowed, above a rule without any limits;
/// - the API server, above an egress rule without any. Those with ports are left to
///   `allow-all-rule`: there is no selector for the API server, so many leave out `to` for its
///   port;
/// - the kubelet, which needs no rule (kubernetes.io, "Network Policies": traffic from a pod's
///   own node is always allowed).
fn about_open_rules(cx: &Context<'_>, id: PolicyId, policy: &NetworkPolicy) -> Vec<Diagnostic> {
    let found = policy.rule_places().filter_map(|place| {
        let (direction, rule) = (place.direction, place.rule);
        let mark = Item::from(rule).mark(cx.sources);
        let comment = cx.comments.above(mark);
        let is_for_everybody = rule.peers.items().is_empty();
        let is_for_everything = rule.peers.is_missing() && rule.ports.is_missing();
        let denies = |comment: &str| claims_of_comments::denies_all(comment, direction);
        let (message, label, help) = match direction {
            _ if is_for_everything && (denies(&comment) || denies(&cx.comments.behind(mark))) => (
                "the comment says that nothing is allowed, but the rule allows everything",
                "no peers and no ports: everything is open",
                "delete the rule: a direction that `policyTypes` lists is denied where it has no \
                 rules",
            ),
            Direction::Egress
                if is_for_everything && claims_of_comments::is_about_api_server(&comment) =>
            {
                (
                    "the comment names the API server, but the rule allows everything",
                    "no `to` and no `ports`: every destination is open",
                    "name the addresses and the port of the API server",
                )
            }
            Direction::Ingress
                if is_for_everybody && claims_of_comments::is_about_kubelet(&comment) =>
            {
                (
                    "the comment names the kubelet, but the rule admits everybody",
                    "no peers: everybody can connect, from inside and outside the cluster",
                    "delete the rule: a pod's own node can always connect, so probes need no rule",
                )
            }
            _ => return None,
        };
        let finding = cx.policy_finding(id, place.path(), mark, message);
        Some(finding.label(label).help(help))
    });
    found.collect()
}

/// Rules for pods only under a comment that is about somebody whom no selector matches: the
/// outside, or the API server.
fn about_no_pods(cx: &Context<'_>, id: PolicyId, policy: &NetworkPolicy) -> Vec<Diagnostic> {
    if cx
        .unjudged()
        .may_be_in(cx.cluster, cx.cluster.policy(id).namespace)
    {
        return Vec::new();
    }
    let found = policy.rule_places().filter_map(|place| {
        let (direction, rule) = (place.direction, place.rule);
        let first = rule.peers.items().first()?;
        let comment = cx.comments.above(Item::from(rule).mark(cx.sources));
        let path = format!("{}.{}", place.path(), direction.peers_field());
        // Behind a peer or a port, a destination is named as well as above.
        let beside = [cx.comments.within(rule.span), cx.comments.behind(rule.span)];
        let beside = beside.iter().filter(|_| direction == Direction::Egress);
        let mut comments = std::iter::once(&comment).chain(beside);
        let word = comments.find_map(|it| claims_of_comments::word_for_outside(it, direction));
        let is_outside = |_: &String| {
            is_for_all_pods(direction, rule) && !isolation::opens_addresses(cx, id, direction)
        };
        if let Some(word) = word.filter(is_outside) {
            let message = format!("the comment says `{word}`, but the rule only allows pods");
            let finding = cx.policy_finding(id, path, first.span, message);
            let help = match direction {
                Direction::Ingress => {
                    "leave out `from` to admit everybody, or list the addresses with `ipBlock`"
                }
                Direction::Egress => {
                    "allow addresses: `ipBlock: {cidr: 0.0.0.0/0}`, with the ranges of the \
                     cluster under `except`"
                }
            };
            return Some(
                finding
                    .label("a selector only matches pods, never an address outside the cluster")
                    .help(help),
            );
        }
        let is_for_api_server = claims_of_comments::is_about_api_server(&comment)
            && rule
                .peers
                .items()
                .iter()
                .all(|peer| matches_no_api_server(cx, peer))
            && !has_known_api_traffic(cx, id, direction);
        is_for_api_server.then(|| {
            let message = "the comment names the API server, but the rule only allows pods";
            cx.policy_finding(id, path, first.span, message)
                .label("a selector only matches pods, and the API server is not a pod")
                .help("allow its addresses with `ipBlock`, or everybody on its port")
        })
    });
    found.collect()
}

/// Whether the peers of a rule are all pods there are: of the cluster or of the own namespace;
/// the latter only for ingress, where a controller of another one brings what is outside.
fn is_for_all_pods(direction: Direction, rule: &NetworkPolicyRule) -> bool {
    let is_empty = |selector: &LabelSelector| selector.is_empty();
    let is_all = |peer: &NetworkPolicyPeer| {
        peer.selectors().is_some_and(|(namespaces, pods)| {
            namespaces.is_none_or(is_empty) && pods.is_none_or(is_empty)
        })
    };
    match direction {
        Direction::Ingress => is_for_own_namespace(rule),
        Direction::Egress => rule.peers.items().iter().all(is_all),
    }
}

/// Whether a peer is selectors, and the CNI plugin lets none of them see the API server.
fn matches_no_api_server(cx: &Context<'_>, peer: &NetworkPolicyPeer) -> bool {
    peer.selectors().is_some() && !may_be_api_server(cx, peer)
}

/// Whether other manifests show that the API server calls pods of the namespace, or is called
/// by the policy's: then `webhook-blocked` and `apiserver-egress-blocked` judge.
fn has_known_api_traffic(cx: &Context<'_>, id: PolicyId, direction: Direction) -> bool {
    let clients = cx.api_clients();
    let mut selected = cx.engine.selected(id).iter();
    let name = &cx.cluster.namespace(cx.cluster.policy(id).namespace).name;
    let extensions = &cx.cluster.context_objects().api_extensions;
    let mut calls = extensions.iter().flat_map(|extension| &extension.calls);
    match direction {
        Direction::Ingress => calls.any(|call| call.namespace == *name),
        Direction::Egress => selected.any(|pods| clients.evidence(*pods).is_some()),
    }
}
