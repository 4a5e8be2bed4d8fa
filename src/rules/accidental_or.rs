//! One hyphen that turns "pods of that namespace" into "that namespace, or those pods".

use crate::cluster::platform::{KnownPods, Role};
use crate::cluster::{NAMESPACE_NAME_LABEL, NamespaceId, PolicyId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::k8s::{self, Direction, LabelSelector, NetworkPolicyPeer, NetworkPolicyRule};
use crate::lint::comments::Gap;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, dns, rewrite};
use crate::source::{SourceMap, Span};

declare_rule! {
    /// ## What it does
    ///
    /// Reports two neighbouring peers, one with only a `namespaceSelector` and one with only a
    /// `podSelector`, that were probably meant to be one peer with both.
    ///
    /// ## Why is this bad?
    ///
    /// Entries of `from` and `to` are alternatives. Two entries admit every pod of those
    /// namespaces, plus the named pods of the policy's own namespace. One entry with both
    /// selectors admits only the named pods of those namespaces. The difference is a single
    /// hyphen, and tests of the intended traffic still pass, because two peers allow everything
    /// that the one peer allows.
    ///
    /// npcheck weighs the evidence: where such pods exist, whether the namespace is the
    /// policy's own, whether the pods are well known, and what surrounds the two peers. The
    /// finding is an error if the manifests or well-known names point to a single peer, and a
    /// warning if only the shape does. Longer lists of peers, and peers with a comment between
    /// them, are reported only if other evidence is against them. "The ingress controller, or
    /// my own pods" is not reported: that is, if a policy of this namespace selects the pods,
    /// or if they have nothing to do with the controller in the namespace next to them.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-proxy, namespace: lister}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector:
    ///             matchLabels:
    ///               kubernetes.io/metadata.name: ui
    ///         - podSelector:
    ///             matchLabels:
    ///               app: proxy
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-proxy, namespace: lister}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector:
    ///             matchLabels:
    ///               kubernetes.io/metadata.name: ui
    ///           podSelector:
    ///             matchLabels:
    ///               app: proxy
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Always narrowing: one peer allows nothing that the two peers did not. Callers that
    /// relied on the wider rule lose access.
    pub(super) struct AccidentalOr {
        name: "accidental-or",
        summary: "a hyphen splits one peer (AND) into two peers (OR)",
        category: Category::Selectors,
        severity: Severity::Error,
        tier: Stable,
        evidence: "3 of 3 warnings and errors on 82 public repositories (58 of them in excerpts) judged right",
        fix: Some(FixClass::Narrowing),
        mutes: &["foreign-pod-selector", "one-sided-flow", "unmatched-peer-selector", "redundant-rule"],
        since: "0.1.0",
    }
}

impl Rule for AccidentalOr {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        for direction in Direction::BOTH {
            let rules = policy.rules_field(direction).items();
            for (index, rule) in rules.iter().enumerate() {
                let path = format!(
                    "spec.{}[{index}].{}",
                    direction.field(),
                    direction.peers_field()
                );
                for (second, pair) in rule.peers.items().windows(2).enumerate() {
                    let shape = Shape::OneList(rule);
                    check(
                        cx,
                        id,
                        &pair[0],
                        &pair[1],
                        shape,
                        format!("{path}[{}]", second + 1),
                    );
                }
            }
            for (index, pair) in rules.windows(2).enumerate() {
                let ([first], [second]) = (pair[0].peers.items(), pair[1].peers.items()) else {
                    continue;
                };
                // Beside a rule for every namespace the other one is redundant, and no slip.
                let may_be_one =
                    parts(first, second).is_some_and(|(namespaces, ..)| !namespaces.is_empty());
                if may_be_one && have_equal_ports(cx.sources, &pair[0], &pair[1]) {
                    let path = format!("spec.{}[{}]", direction.field(), index + 1);
                    check(cx, id, first, second, Shape::TwoRules(&pair[1]), path);
                }
            }
        }
    }
}

/// Where the two peers stand.
#[derive(Clone, Copy)]
enum Shape<'p> {
    /// In the list of this one rule.
    OneList(&'p NetworkPolicyRule),
    /// Each alone in its rule, with the same ports; this is the second one.
    TwoRules(&'p NetworkPolicyRule),
}

/// A peer with only a `namespaceSelector` and one with only a `podSelector`.
struct Pair<'p> {
    policy: PolicyId,
    own: NamespaceId,
    first: &'p NetworkPolicyPeer,
    second: &'p NetworkPolicyPeer,
    namespaces: &'p LabelSelector,
    pods: &'p LabelSelector,
    namespaces_first: bool,
    shape: Shape<'p>,
}

impl Pair<'_> {
    /// Whether the two stand in a list with other peers.
    fn is_in_longer_list(&self) -> bool {
        match self.shape {
            Shape::OneList(rule) => rule.peers.items().len() > 2,
            Shape::TwoRules(_) => false,
        }
    }
}

/// How many workloads each reading means, as far as they are known.
struct Reach {
    namespaces: Vec<NamespaceId>,
    /// Every workload of the namespaces.
    in_namespaces: usize,
    /// The pods, in those namespaces: what one peer would mean.
    as_one_peer: usize,
    /// The pods, in the policy's own namespace.
    in_own: usize,
}

fn check(
    cx: &mut Context<'_>,
    id: PolicyId,
    first: &NetworkPolicyPeer,
    second: &NetworkPolicyPeer,
    shape: Shape<'_>,
    path: String,
) {
    let own = cx.cluster.policy(id).namespace;
    let Some((namespaces, pods, namespaces_first)) = parts(first, second) else {
        return;
    };
    let pair = Pair {
        policy: id,
        own,
        first,
        second,
        namespaces,
        pods,
        namespaces_first,
        shape,
    };
    // `podSelector: {}` beside namespaces is how one writes "and everybody here", unless a comment
    // says where those pods are.
    if pods.is_empty() && !names_their_home(cx, &pair) {
        return;
    }
    let reach = reach(cx, &pair);
    let (shape, evidence) = (shape_score(cx, &pair), evidence_score(cx, &pair, &reach));
    let severity = match shape + evidence {
        5.. if evidence > 0 => Severity::Error,
        3.. => Severity::Warning,
        _ => return,
    };
    let finding = describe(cx, &pair, &reach, path).with_severity(severity);
    cx.report(finding);
}

/// The selector of namespaces and the one of pods, where one peer has nothing but the one and
/// the other nothing but the other; whether the first one has that of namespaces.
fn parts<'p>(
    first: &'p NetworkPolicyPeer,
    second: &'p NetworkPolicyPeer,
) -> Option<(&'p LabelSelector, &'p LabelSelector, bool)> {
    let (namespaces, pods, namespaces_first) = match (first.selectors()?, second.selectors()?) {
        ((Some(namespaces), None), (None, Some(pods))) => (namespaces, pods, true),
        ((None, Some(pods)), (Some(namespaces), None)) => (namespaces, pods, false),
        _ => return None,
    };
    let may_be_one = !pods.is_opaque() && !namespaces.is_opaque();
    may_be_one.then_some((namespaces, pods, namespaces_first))
}

fn reach(cx: &Context<'_>, pair: &Pair<'_>) -> Reach {
    let (cluster, labelled) = (cx.cluster, cx.labelled());
    let namespaces = cx.engine.matching_namespaces(pair.namespaces);
    let lengths = namespaces.iter().map(|id| cluster.workloads_in(*id).len());
    Reach {
        as_one_peer: labelled.matching(&namespaces, pair.pods).len(),
        in_own: labelled.matching(&[pair.own], pair.pods).len(),
        in_namespaces: lengths.sum(),
        namespaces,
    }
}

/// How much the text of the two peers speaks for one peer with both selectors. Together with
/// the evidence, 3 and more is worth a question, 5 and more is a mistake.
fn shape_score(cx: &Context<'_>, pair: &Pair<'_>) -> i32 {
    let mut score = match pair.shape {
        Shape::OneList(_) if pair.is_in_longer_list() => -2,
        _ if pair.namespaces.is_empty() => 2,
        Shape::OneList(_) => 3,
        Shape::TwoRules(_) => 2,
    };
    // The order in which one writes a peer with both.
    score += i32::from(pair.namespaces_first);
    score += layout(cx, pair);
    let (Shape::OneList(rule) | Shape::TwoRules(rule)) = pair.shape;
    if !rule.ports.items().is_empty() && rule.ports.items().iter().all(dns::is_dns_port) {
        score += 1;
    }
    score
}

/// How much other manifests and what everybody knows speak for one peer with both selectors.
fn evidence_score(cx: &Context<'_>, pair: &Pair<'_>, reach: &Reach) -> i32 {
    let mut score = inventory(cx, pair, reach);
    let own = &cx.cluster.namespace(pair.own).name;
    let names_own =
        cx.settings.inventory.is_complete() || pair.namespaces.values().any(|value| value == own);
    // The pods are among those of the namespace, so beside it they say nothing.
    if reach.namespaces == [pair.own] && names_own {
        score += 3;
    }
    if is_well_known(pair) {
        score += 3;
    }
    if names_their_home(cx, pair) {
        score += 3;
    }
    if is_beside_controller(pair) {
        score -= 3;
    }
    if cx.is_single_peer(pair.namespaces, pair.pods) {
        score += 2;
    }
    score
}

/// What the comments and blank lines beside the two peers say about them.
fn layout(cx: &Context<'_>, pair: &Pair<'_>) -> i32 {
    let start = |peer: &NetworkPolicyPeer| peer.dash.unwrap_or(peer.span);
    let (first, second) = (start(pair.first), start(pair.second));
    let (Shape::OneList(rule) | Shape::TwoRules(rule)) = pair.shape;
    let beside = [
        cx.comments.above(rule.dash.unwrap_or(rule.span)),
        cx.comments.above(first),
        cx.comments.within(first.to(pair.second.span)),
        cx.comments.behind(pair.second.span),
    ];
    if beside.iter().any(|comment| says_or(comment)) {
        return -3;
    }
    match cx.comments.between(pair.first.span, second) {
        Gap::Comments(_) => -2,
        // Somebody has said which others are meant.
        _ if names_namespaces_alone(cx, pair) => -2,
        Gap::BlankLines => 0,
        Gap::None => 1,
    }
}

/// Whether the comment beside the peer by labels of pods names the namespace of the other peer,
/// and not the policy's own.
fn names_their_home(cx: &Context<'_>, pair: &Pair<'_>) -> bool {
    let peer = match pair.namespaces_first {
        true => pair.second,
        false => pair.first,
    };
    let comment = cx.comments.behind(peer.span);
    let names = |name: &str| {
        let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let mut words = comment.split(|letter| !is_of_name(letter));
        words.any(|word| word == name)
    };
    let own = &cx.cluster.namespace(pair.own).name;
    let mut homes = pair.namespaces.values().filter(|home| home != own);
    homes.any(names) && !names(own)
}

/// Whether a comment at the end of the line of the peer by namespaces says who they are, where
/// that is not what the peer by pods says of itself.
fn names_namespaces_alone(cx: &Context<'_>, pair: &Pair<'_>) -> bool {
    let [namespaces, pods] = match pair.namespaces_first {
        true => [pair.first, pair.second],
        false => [pair.second, pair.first],
    }
    .map(|peer| cx.comments.behind(peer.span).to_lowercase());
    let is_of_pods = |value: &str| namespaces.contains(&value.to_lowercase());
    !namespaces.is_empty() && namespaces != pods && !pair.pods.values().any(is_of_pods)
}

/// Whether a comment says that either of two will do.
fn says_or(comment: &str) -> bool {
    comment.split_whitespace().any(|word| {
        let word = word.trim_matches(['.', ',', ':', '*', '"', '(', ')']);
        matches!(word, "OR" | "or" | "either")
    })
}

/// What the known pods say: which reading does anything.
fn inventory(cx: &Context<'_>, pair: &Pair<'_>, reach: &Reach) -> i32 {
    let cluster = cx.cluster;
    let is_closed = cx
        .settings
        .inventory
        .is_complete_in(&cluster.namespace(pair.own).name);
    let own_is_known = is_closed || cluster.workloads_in(pair.own).len() > 0;
    // What policies of this namespace are for is here, whether or not a manifest makes it.
    if reach.in_own == 0 && cx.inventories().is_subject(pair.own, pair.pods) {
        return if reach.as_one_peer == 0 { -3 } else { 0 };
    }
    match (reach.in_own == 0, reach.as_one_peer == 0) {
        (true, false) if is_closed => 4,
        // A longer list is a list of alternatives, but for one that is none.
        (true, false) if own_is_known && pair.is_in_longer_list() => 3,
        (true, false) if own_is_known => 2,
        (false, false) => 1,
        (false, true) => -3,
        _ => 0,
    }
}

/// Whether the pods are ones that everybody knows, and the namespace is their home.
fn is_well_known(pair: &Pair<'_>) -> bool {
    let names = |home: &&str| {
        pair.namespaces
            .match_labels
            .iter()
            .any(|label| label.value.value == **home)
    };
    pair.pods
        .match_labels
        .iter()
        .filter_map(|label| KnownPods::named_by(&label.key, &label.value))
        .any(|pods| pods.namespaces.iter().any(&names))
}

/// Whether the namespace is an ingress controller's, and the pods are called otherwise: "from
/// the controller, or from these pods" is what policies of applications say.
fn is_beside_controller(pair: &Pair<'_>) -> bool {
    let mut homes = pair.namespaces.values();
    homes.any(|home| {
        let mut words = home.split('-');
        let is_called_so = words.any(|word| pair.pods.values().any(|value| value.contains(word)));
        KnownPods::live_in_only(home, Role::IngressController) && !is_called_so
    })
}

fn describe(cx: &Context<'_>, pair: &Pair<'_>, reach: &Reach, path: String) -> Diagnostic {
    let cluster = cx.cluster;
    let own = &cluster.namespace(pair.own).name;
    let mut excess = reach.in_namespaces - reach.as_one_peer;
    if !reach.namespaces.contains(&pair.own) {
        excess += reach.in_own;
    }
    let what = match pair.shape {
        Shape::OneList(_) => "these two peers are combined with OR",
        Shape::TwoRules(_) => "these two rules are combined with OR",
    };
    let more = match excess {
        1 => "1 more workload".to_owned(),
        _ => format!("{excess} more workloads"),
    };
    let message = match (excess, pair.shape) {
        (0, _) => format!(
            "{what}: {} does not narrow the namespaces next to it",
            pods_in_words(pair.pods)
        ),
        (_, Shape::OneList(_)) => format!("{what}: one hyphen lets in {more}"),
        (_, Shape::TwoRules(_)) => {
            format!("{what}: they let in {more} than one peer with both selectors")
        }
    };
    let every_pod = format!(
        "every pod of {}{}",
        namespaces_in_words(pair.namespaces),
        count(reach.in_namespaces)
    );
    let those_pods = match reach.in_own {
        0 if cluster.workloads_in(pair.own).len() > 0 => {
            format!(
                "{} in `{own}` (no known pod there has it)",
                pods_in_words(pair.pods)
            )
        }
        _ => format!(
            "{} in `{own}`{}",
            pods_in_words(pair.pods),
            count(reach.in_own)
        ),
    };
    let (first, second) = if pair.namespaces_first {
        (every_pod, those_pods)
    } else {
        (those_pods, every_pod)
    };
    let underlined = match pair.shape {
        Shape::OneList(_) => pair.second.dash.unwrap_or(pair.second.span),
        Shape::TwoRules(rule) => rule.dash.unwrap_or(rule.span),
    };
    let first_line = rewrite::first_line(cx.sources, pair.first.span);
    let with_hyphen = pair
        .first
        .dash
        .map_or(first_line, |dash| dash.to(first_line));
    let mut finding = cx
        .policy_finding(pair.policy, path, underlined, message)
        .label(format!("... OR {second}"))
        .related(with_hyphen, first)
        .note(format!(
            "as one peer (AND): {} in {}{}",
            pods_in_words(pair.pods),
            namespaces_in_words(pair.namespaces),
            count(reach.as_one_peer)
        ));
    let line = cx.sources.position(underlined).line;
    let joined = rewrite::join_items(cx.sources, pair.first.into(), pair.second.into());
    match (pair.shape, joined) {
        (Shape::OneList(_), Some(edit)) => {
            let title = format!("remove the hyphen on line {line}");
            finding = finding.help(title.clone()).fix(Fix {
                title,
                class: FixClass::Narrowing,
                edits: vec![edit],
            });
        }
        _ => {
            finding =
                finding.help("write both selectors in one peer, without a hyphen between them")
        }
    }
    finding
}

fn pods_in_words(selector: &LabelSelector) -> String {
    match selector.is_empty() {
        true => "every pod".to_owned(),
        false => format!("`{selector}`"),
    }
}

fn namespaces_in_words(selector: &LabelSelector) -> String {
    if selector.is_empty() {
        return "every namespace".to_owned();
    }
    match (
        selector.match_labels.as_slice(),
        selector.match_expressions.as_slice(),
    ) {
        ([label], []) if label.key.value == NAMESPACE_NAME_LABEL => {
            format!("namespace `{}`", label.value)
        }
        _ => format!("the namespaces with `{selector}`"),
    }
}

fn count(workloads: usize) -> String {
    match workloads {
        0 => String::new(),
        1 => " (1 workload)".to_owned(),
        several => format!(" ({several} workloads)"),
    }
}

/// Whether two rules are written with the same ports.
fn have_equal_ports(
    sources: &SourceMap,
    first: &NetworkPolicyRule,
    second: &NetworkPolicyRule,
) -> bool {
    let entries = |rule: &NetworkPolicyRule| -> Vec<String> {
        let words = |span: Span| {
            sources
                .text(span)
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        rule.ports
            .items()
            .iter()
            .map(|port| words(port.span))
            .collect()
    };
    !first.ports.items().is_empty() && entries(first) == entries(second)
}
