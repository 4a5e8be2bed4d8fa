//! Fields that look like "nothing" and mean "everything".

use crate::cluster::PolicyId;
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{
    self, Direction, Field, Label, LabelSelector, Labels, NetworkPolicy, NetworkPolicyPeer,
    NetworkPolicyRule,
};
use crate::lint::claims::Denial;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};
use crate::source::Span;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a field that is present but empty or null, where that means everything: `from:
    /// []`, `to:`, `ports: []`, `port:`, an entry `{}` in `ports`, and `podSelector:`,
    /// `namespaceSelector:` or `matchLabels:` without a value. It also reports a label without
    /// a value in a selector, which asks for the empty value, and, as an info, a policy without
    /// a `podSelector`, which applies to every pod of its namespace.
    ///
    /// ## Why is this bad?
    ///
    /// `from: []` reads as "from nobody" and admits everybody. Such fields are usually what a
    /// template leaves behind when its list is empty. To allow everything on purpose, leave the
    /// field out (`ingress: [{}]`); to select everything on purpose, write `{}`.
    ///
    /// An empty `to` next to DNS ports is a common way to write "any resolver" and is not
    /// reported. Neither is a label without a value where pods or namespaces do have the empty
    /// value.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-nobody
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from: []
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-nobody
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress: []
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: `ingress: []` and `ingress: [{}]` are opposites, and only the
    /// author knows which one is meant.
    pub(super) struct EmptyMeansAll {
        name: "empty-means-all",
        summary: "an empty field that means everything",
        category: Category::Flows,
        severity: Severity::Error,
        tier: Stable,
        evidence: "4 of 4 warnings and errors on 24 public repositories judged right; owners cared about 4 of 26 infos on 85 (about 60 of them in excerpts), and the others appear only if the rule is asked for by name",
        fix: None,
        mutes: &["unmatched-namespace-selector", "unmatched-peer-selector", "unmatched-pod-selector"],
        since: "0.1.0",
    }
}

impl Rule for EmptyMeansAll {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        check_subject(cx, id, policy);
        for direction in Direction::BOTH {
            for (index, rule) in policy.rules_field(direction).items().iter().enumerate() {
                let path = format!("spec.{}[{index}]", direction.field());
                check_peers(cx, id, direction, rule, &path);
                check_ports(cx, id, direction, rule, &path);
            }
        }
        for place in policy.peers() {
            check_peer(cx, id, place.peer, &place.path());
        }
    }
}

/// The pods that the policy is for.
fn check_subject(cx: &mut Context<'_>, id: PolicyId, policy: &NetworkPolicy) {
    let path = "spec.podSelector";
    let namespace = &cx.cluster.namespace(cx.cluster.policy(id).namespace).name;
    let says_so = Denial::of(policy, namespace).is_some() || says_all(&policy.meta.name);
    match &policy.pod_selector {
        Field::Missing => {
            if policy.meta.is_accepted && policy.meta.holes.is_empty() && !says_so {
                let finding = cx
                    .policy_finding(
                        id,
                        "spec",
                        policy.spec_key,
                        "no `podSelector`: this policy applies to every pod of the namespace",
                    )
                    .with_severity(Severity::Info)
                    .help(
                        "write the labels of the pods, or `podSelector: {}` if every pod is meant",
                    );
                cx.report(finding);
            }
        }
        Field::Null { key } => {
            let finding = cx
                .policy_finding(
                    id,
                    path,
                    *key,
                    "`podSelector` without a value selects every pod of the namespace",
                )
                // Every pod of a namespace is a usual subject.
                .with_severity(Severity::Warning)
                .label("no value: every pod")
                .help("write the labels under it, or `podSelector: {}` if every pod is meant");
            report(cx, finding, says_so || is_within_namespace(policy));
        }
        Field::Value { value, .. } => {
            check_labels(cx, id, value, path, Asked::PodsOf(id));
            if let Some(key) = value.null_key.filter(|_| value.is_empty()) {
                let finding = selects_all(cx, id, key, path, "every pod of the namespace")
                    .with_severity(Severity::Info);
                report(cx, finding, says_so || is_within_namespace(policy));
            }
        }
    }
}

/// Reports a finding; one about what its author seems to mean only where somebody has asked for
/// the rule by name, as an info.
fn report(cx: &mut Context<'_>, finding: Diagnostic, is_meant: bool) {
    if !is_meant {
        cx.report(finding);
    } else if cx.is_asked_for() {
        cx.report(finding.with_severity(Severity::Info));
    }
}

/// Whether a policy lets the pods of its namespace talk to each other and says no more, which is
/// said of every pod there.
fn is_within_namespace(policy: &NetworkPolicy) -> bool {
    let mut peers = policy.peers().map(|place| place.peer).peekable();
    peers.peek().is_some() && peers.all(NetworkPolicyPeer::is_own_namespace)
}

/// A selector whose only list of requirements has no value.
fn selects_all(
    cx: &Context<'_>,
    id: PolicyId,
    key: Span,
    path: &str,
    selected: &str,
) -> Diagnostic {
    let name = cx.sources.text(key).trim_matches(['"', '\'']).to_owned();
    let message = format!("`{name}` without a value selects {selected}");
    cx.policy_finding(id, format!("{path}.{name}"), key, message)
        .label("no value: nothing is required")
        .help(format!(
            "write the labels under it, or `{{}}` as the whole selector if {selected} is meant"
        ))
}

fn check_peers(
    cx: &mut Context<'_>,
    id: PolicyId,
    direction: Direction,
    rule: &NetworkPolicyRule,
    path: &str,
) {
    let peers = direction.peers_field();
    let Some(key) = empty_key(&rule.peers).filter(|_| !is_about_dns(rule)) else {
        return;
    };
    let everybody = in_words(direction);
    let ports = match rule.ports.items() {
        [] => "",
        _ => " on these ports",
    };
    let written = if is_null(&rule.peers) {
        "without a value"
    } else {
        "with an empty list"
    };
    let message = format!("`{peers}` {written} matches everything: {everybody}{ports}");
    let field = direction.field();
    let mut finding = cx
        .policy_finding(id, format!("{path}.{peers}"), key, message)
        .label("empty here means everything, inside and outside the cluster")
        .help(format!(
            "to deny everything, write `{field}: []`; to allow everything, leave out `{peers}`"
        ));
    // Who lists ports means them to be open: a key without a value looks like a slip, while an
    // empty list is how many write "anywhere".
    let (has_ports, is_list) = (!rule.ports.items().is_empty(), !is_null(&rule.peers));
    if has_ports {
        let severity = if is_list {
            Severity::Info
        } else {
            Severity::Warning
        };
        finding = finding.with_severity(severity);
    }
    let says_all = says_all(&cx.cluster.policy(id).object.meta.name);
    let is_anywhere = has_ports && is_list && direction == Direction::Egress;
    report(cx, finding, says_all || is_anywhere);
}

fn in_words(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "everybody can connect",
        Direction::Egress => "every destination is open",
    }
}

fn check_ports(
    cx: &mut Context<'_>,
    id: PolicyId,
    direction: Direction,
    rule: &NetworkPolicyRule,
    path: &str,
) {
    if let Some(key) = empty_key(&rule.ports) {
        let message = match rule.peers.items() {
            [] => format!(
                "`ports` is empty and matches every port: {} on all of them",
                in_words(direction)
            ),
            _ => "`ports` is empty and matches every port of every protocol".to_owned(),
        };
        let finding = cx
            .policy_finding(id, format!("{path}.ports"), key, message)
            .label("empty here means all ports")
            .help("list the ports, or leave out the key if every port is meant");
        cx.report(finding);
    }
    for (index, entry) in rule.ports.items().iter().enumerate() {
        let (at, message) = match &entry.port {
            Field::Null { key } => (*key, "`port` without a value matches every port"),
            Field::Missing if entry.protocol.is_missing() && entry.end_port.is_missing() => {
                (entry.span, "an empty entry of `ports` matches every port")
            }
            _ => continue,
        };
        let protocol = entry.protocol_or_default();
        let finding = cx
            .policy_finding(
                id,
                format!("{path}.ports[{index}]"),
                at,
                format!("{message} of {protocol}"),
            )
            .label(format!("empty here means all {protocol} ports"))
            .help(format!(
                "write the port, or `protocol: {protocol}` alone if every port is meant"
            ));
        cx.report(finding);
    }
}

fn check_peer(cx: &mut Context<'_>, id: PolicyId, peer: &NetworkPolicyPeer, path: &str) {
    // A peer with nothing but null fields is refused: `invalid-peer` speaks.
    if let (Some(selector), Field::Null { key }) =
        (peer.namespace_selector.get(), &peer.pod_selector)
    {
        let pods = words::pods_of_namespaces(selector);
        let message = format!("`podSelector` without a value is ignored: this peer is {pods}");
        let finding = cx
            .policy_finding(id, format!("{path}.podSelector"), *key, message)
            .label("no value: every pod of these namespaces")
            .help("write the labels under it, or `podSelector: {}` if every pod is meant");
        cx.report(finding);
    }
    if let (Field::Null { key }, Some(_)) = (&peer.namespace_selector, peer.pod_selector.get()) {
        let message = "`namespaceSelector` without a value is ignored: this peer is pods of \
                       the policy's own namespace";
        let finding = cx
            .policy_finding(id, format!("{path}.namespaceSelector"), *key, message)
            .label("no value: this namespace only")
            .help("write `namespaceSelector: {}` for all namespaces, or delete the line");
        cx.report(finding);
    }
    if let Some(selector) = peer.namespace_selector.get() {
        let path = format!("{path}.namespaceSelector");
        check_labels(cx, id, selector, &path, Asked::Namespaces);
        if let Some(key) = selector.null_key.filter(|_| selector.is_empty()) {
            let finding = selects_all(cx, id, key, &path, "every namespace");
            // The pods are narrowed down, so every namespace may well be meant.
            let has_pods = peer.pod_selector.get().is_some_and(|pods| !pods.is_empty());
            report(cx, finding, has_pods);
        }
    }
    if let Some(selector) = peer.pod_selector.get() {
        let path = format!("{path}.podSelector");
        check_labels(cx, id, selector, &path, Asked::Pods);
        if let Some(key) = selector.null_key.filter(|_| selector.is_empty()) {
            let pods = match peer.namespace_selector.get() {
                None => "every pod of the namespace".to_owned(),
                Some(namespaces) => words::pods_of_namespaces(namespaces),
            };
            let finding = selects_all(cx, id, key, &path, &pods);
            cx.report(finding);
        }
    }
}

/// Whose labels a selector is compared with.
#[derive(Clone, Copy)]
enum Asked {
    /// Those of the pods of a policy's own namespace.
    PodsOf(PolicyId),
    /// Those of pods anywhere.
    Pods,
    /// Those of namespaces.
    Namespaces,
}

impl Asked {
    /// Whether somebody is known to have the label with the empty value.
    fn has_empty(self, cx: &Context<'_>, key: &str) -> bool {
        let is_empty = |labels: &Labels| labels.get(key) == Some("");
        let cluster = cx.cluster;
        match self {
            Self::Namespaces => {
                let mut namespaces = cluster.namespaces().iter();
                namespaces.any(|namespace| is_empty(&namespace.labels))
            }
            Self::Pods => {
                let mut workloads = cluster.workloads().iter();
                workloads.any(|workload| is_empty(&workload.object.labels))
            }
            Self::PodsOf(policy) => {
                let mut workloads = cluster.workloads_in(cluster.policy(policy).namespace);
                workloads.any(|id| is_empty(&cluster.workload(id).object.labels))
            }
        }
    }
}

/// Labels without a value, which are labels with the empty value.
fn check_labels(
    cx: &mut Context<'_>,
    id: PolicyId,
    selector: &LabelSelector,
    path: &str,
    asked: Asked,
) {
    for label in &selector.match_labels {
        let key = label.key.value.as_str();
        if !is_unset(cx, label) || has_marker_key(key) || asked.has_empty(cx, key) {
            continue;
        }
        let message = format!("`{key}` without a value asks for the empty value");
        let finding = cx
            .policy_finding(
                id,
                format!("{path}.matchLabels.{key}"),
                label.key.span,
                message,
            )
            .with_severity(Severity::Warning)
            .label("no value: nothing known has this label with an empty value")
            .help(format!(
                "write the value; use `matchExpressions` with `Exists` for any value of `{key}`, \
                 or `\"\"` if the empty one is meant"
            ));
        cx.report(finding);
    }
}

/// Whether nothing is written as the value: `app:`, `app: null`, `app: ~`.
fn is_unset(cx: &Context<'_>, label: &Label) -> bool {
    label.value.value.is_empty() && !cx.sources.text(label.value.span).contains(['"', '\''])
}

/// Whether a key is one that platforms set with the empty value, as a mark: OpenShift's
/// groups of policies, the roles of nodes.
fn has_marker_key(key: &str) -> bool {
    [
        "policy-group.network.openshift.io/",
        "node-role.kubernetes.io/",
    ]
    .iter()
    .any(|prefix| key.starts_with(prefix))
}

/// The key of a list that is written and has no items.
fn empty_key<T>(field: &Field<Vec<T>>) -> Option<Span> {
    field.key().filter(|_| field.items().is_empty())
}

fn is_null<T>(field: &Field<T>) -> bool {
    matches!(field, Field::Null { .. })
}

/// Whether a policy says by its name that it allows everything, to nobody in particular.
fn says_all(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> = name.split(['-', '_', '.']).collect();
    let [verb, whom, rest @ ..] = words.as_slice() else {
        return false;
    };
    ["allow", "permit", "accept"].contains(verb)
        && ["all", "any", "everything", "everybody"].contains(whom)
        && !rest.iter().any(|word| ["from", "to"].contains(word))
}

/// Whether every port of the rule is a resolver's.
fn is_about_dns(rule: &NetworkPolicyRule) -> bool {
    let ports = rule.ports.items();
    !ports.is_empty() && ports.iter().all(crate::lint::dns::is_dns_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_say_that_all_is_allowed() {
        for (name, expected) in [
            ("allow-all", true),
            ("allow-all-ingress", true),
            ("Allow_Any", true),
            ("allow-all-from-web", false),
            ("allow-web", false),
            ("deny-all", false),
            ("all", false),
        ] {
            assert_eq!(says_all(name), expected, "{name}");
        }
    }
}
