//! Fields that look like "nothing" and mean "everything".

use crate::cluster::PolicyId;
use crate::diagnostic::Severity;
use crate::k8s::{self, Direction, Field, NetworkPolicyPeer, NetworkPolicyRule};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};
use crate::source::Span;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a key that is written and left empty, or null, where empty means everything:
    /// `from: []`, `to:`, `ports: []`, a `podSelector:` without a value, a
    /// `namespaceSelector:` without a value.
    ///
    /// ## Why is this bad?
    ///
    /// `from: []` reads as "from nobody" and admits the whole world; such fields are mostly
    /// what a template leaves when its list is empty. An empty rule that is meant is written
    /// without the key (`ingress: [{}]`), and an empty selector that is meant as `{}`.
    ///
    /// An empty `to` beside DNS ports is a common way to write "any resolver" and is left
    /// alone.
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
    /// There is no automatic fix: `ingress: []` and `ingress: [{}]` are opposites, and only
    /// the author knows which one is meant.
    pub(super) struct EmptyMeansAll {
        name: "empty-means-all",
        summary: "a field that is written and empty, where empty means everything",
        category: Category::Flows,
        severity: Severity::Error,
        fix: None,
        mutes: &[],
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
        if let Field::Null { key } = &policy.pod_selector {
            let finding = cx
                .policy_finding(
                    id,
                    "spec.podSelector",
                    *key,
                    "`podSelector` without a value selects every pod of the namespace",
                )
                .label("no value: every pod")
                .help("write the labels under it, or `podSelector: {}` if every pod is meant");
            cx.report(finding);
        }
        for direction in Direction::BOTH {
            for (index, rule) in policy.rules_field(direction).items().iter().enumerate() {
                let path = format!("spec.{}[{index}]", direction.field());
                check_rule(cx, id, direction, rule, &path);
            }
        }
        for place in policy.peers() {
            check_peer(cx, id, place.peer, &place.path());
        }
    }
}

fn check_rule(
    cx: &mut Context<'_>,
    id: PolicyId,
    direction: Direction,
    rule: &NetworkPolicyRule,
    path: &str,
) {
    let peers = direction.peers_field();
    if let Some(key) = empty_key(&rule.peers).filter(|_| !is_about_dns(rule)) {
        let everybody = match direction {
            Direction::Ingress => "everybody may connect",
            Direction::Egress => "every destination is open",
        };
        let written = if is_null(&rule.peers) {
            "without a value"
        } else {
            "with an empty list"
        };
        let message = format!("`{peers}` {written} matches everything: {everybody}");
        let field = direction.field();
        let mut finding = cx
            .policy_finding(id, format!("{path}.{peers}"), key, message)
            .label("empty here means all, inside and outside of the cluster")
            .help(format!(
                "to deny, write `{field}: []`; to allow all of it, leave out `{peers}`"
            ));
        // Who lists ports has thought of what leaves; the empty key only looks like a slip.
        if direction == Direction::Egress && !rule.ports.items().is_empty() {
            finding = finding.with_severity(Severity::Warning);
        }
        if says_all(&cx.cluster.policy(id).object.meta.name) {
            finding = finding.with_severity(Severity::Info);
        }
        cx.report(finding);
    }
    if let Some(key) = empty_key(&rule.ports) {
        let finding = cx
            .policy_finding(
                id,
                format!("{path}.ports"),
                key,
                "`ports` is empty and matches every port of every protocol",
            )
            .label("empty here means all ports")
            .help("list the ports, or leave out the key if every port is meant");
        cx.report(finding);
    }
}

fn check_peer(cx: &mut Context<'_>, id: PolicyId, peer: &NetworkPolicyPeer, path: &str) {
    // A peer with nothing but null fields is refused: `invalid-peer` speaks.
    if let (Some(selector), Field::Null { key }) =
        (peer.namespace_selector.get(), &peer.pod_selector)
    {
        let finding = cx
            .policy_finding(id, format!("{path}.podSelector"), *key, format!("`podSelector` without a value is not there: every pod of the namespaces {selector} is meant"))
            .label("no value: every pod of these namespaces")
            .help("write the labels under it, or `podSelector: {}` if every pod is meant");
        cx.report(finding);
    }
    if let (Field::Null { key }, Some(_)) = (&peer.namespace_selector, peer.pod_selector.get()) {
        let finding = cx
            .policy_finding(id, format!("{path}.namespaceSelector"), *key, "`namespaceSelector` without a value is not there: only pods of the policy's own namespace are meant")
            .label("no value: this namespace only")
            .help("write `namespaceSelector: {}` for all namespaces, or delete the line");
        cx.report(finding);
    }
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
