//! Rules of Cilium's in which something empty means nobody, no port, or everybody.

use crate::cluster::NamespaceId;
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{CiliumSelector, PodView};
use crate::k8s::{
    CiliumAddresses, CiliumMeaning, CiliumPeers, CiliumPortRule, CiliumSection, CiliumSpec,
    CiliumSubject, Direction, Truth,
};
use crate::lint::plugin_rules::{self, CiliumInForce, CiliumPlace};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};
use crate::source::{Span, Spanned};

declare_rule! {
    /// ## What it does
    ///
    /// Reports rules of Cilium policies in which an empty field does not mean what it seems to:
    /// an empty list of peers, which means nobody; a `toPorts` entry without ports, which
    /// matches no port; a field without a value, which allows everybody; and `- {}` next to
    /// other rules, or where it is meant to allow something. Also reports, as a warning, an
    /// `enableDefaultDeny` of a direction that no rule of the policy is for, and `ingress: []`
    /// next to egress rules or the reverse, where pods that it selects stay open.
    ///
    /// ## Why is this bad?
    ///
    /// `ingress: [{}]` allows everything in a NetworkPolicy and nothing in a Cilium policy.
    /// `fromEndpoints: []` means nobody, whatever stands next to it. The same field without a
    /// value, or left out, next to `toPorts` means everybody: pods, nodes and the internet.
    /// Templates produce all of these. And it is the rules that isolate: `ingress: []` and
    /// `enableDefaultDeny: {ingress: true}` do nothing in a policy with egress rules only.
    ///
    /// A single `- {}` or an empty list without ports is not reported: it is the usual way to
    /// isolate pods and allow nothing.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector: {matchLabels: {app: web}}
    ///   ingress:
    ///     - fromEndpoints: []
    ///       toPorts: [{ports: [{port: "80", protocol: TCP}]}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector: {matchLabels: {app: web}}
    ///   ingress:
    ///     - fromEndpoints: [{}]
    ///       toPorts: [{ports: [{port: "80", protocol: TCP}]}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows what was meant.
    pub(super) struct CiliumEmptyRule {
        name: "cilium-empty-rule",
        summary: "an empty field in a Cilium rule means nobody, no port, or everybody",
        category: Category::Plugins,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no finding on the 162 Cilium policies of three public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CiliumEmptyRule {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let program = cx.program();
        for place in plugin_rules::cilium_rules(cx.cluster, &program) {
            if place.enforced.is_opaque {
                continue;
            }
            for finding in check(cx, &place) {
                cx.report(finding);
            }
        }
        for policy in plugin_rules::cilium_policies(cx.cluster) {
            for finding in without_rules(cx, policy) {
                cx.report(finding);
            }
        }
    }
}

/// A default deny or an empty list that no rule makes isolate (C2), where something is open for
/// it.
fn without_rules(cx: &Context<'_>, policy: CiliumInForce<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for spec in &policy.policy.specs {
        let CiliumSubject::Endpoints(selector) = &spec.subject else {
            continue;
        };
        for direction in Direction::BOTH {
            let said = match spec.default_deny(direction) {
                Some(said) => said.value.then_some((said.span, ".enableDefaultDeny")),
                None => empty_list(spec, direction).map(|span| (span, "")),
            };
            let (Some((span, parent)), None) = (said, spec.rules_of(direction).next()) else {
                continue;
            };
            let is_selected =
                CiliumSelector::subject(cx.cluster, selector, policy.object.namespace());
            let asked = is_selected.asked_for();
            let everywhere: Vec<NamespaceId> = cx.cluster.namespace_ids().collect();
            let pods = cx.labelled().candidates_by(&everywhere, asked);
            let mut pods = (pods.into_iter())
                .filter(|id| is_selected.truth(&PodView::workload(cx.cluster, *id)) == Truth::True);
            let Some(open) = pods.find(|id| cx.engine.isolated_by(*id, direction).is_empty())
            else {
                continue;
            };
            let field = direction.field();
            let what = match parent {
                "" => format!("`{field}: []`"),
                _ => "`enableDefaultDeny`".to_owned(),
            };
            let message =
                format!("{what} isolates nobody for {field}: the policy has no {field} rule");
            let finding = cx
                .finding(span, message)
                .with_severity(Severity::Warning)
                .about(
                    policy.object.display(),
                    format!("{}{parent}.{field}", spec.path),
                )
                .label(format!("`{}` stays open", cx.cluster.workload_name(open)))
                .help(format!(
                    "write `{field}: [{{}}]`, which isolates and allows nothing"
                ));
            found.push(finding);
        }
    }
    found
}

/// The list of allow rules of a direction, where it is empty and the policy has other rules. One
/// in which all lists are empty is rejected.
fn empty_list(spec: &CiliumSpec, direction: Direction) -> Option<Span> {
    let is_it = |list: &&Spanned<CiliumSection>| {
        list.value.direction() == direction && !list.value.is_deny()
    };
    let list = spec.empty_lists.iter().find(is_it)?;
    (!spec.rules.is_empty()).then_some(list.span)
}

fn check(cx: &Context<'_>, place: &CiliumPlace<'_, '_>) -> Vec<Diagnostic> {
    let ports = place.rule.to_ports.as_ref();
    let empty = ports.map_or(&[][..], |ports| &ports.value);
    let empty = empty.iter().filter(|entry| entry.ports.is_empty());
    let mut found: Vec<Diagnostic> = empty.map(|entry| no_port(cx, place, entry)).collect();
    found.extend(match (&place.enforced.peers, place.rule.meaning()) {
        (None, CiliumMeaning::Everybody) => left_in(cx, place),
        (None, CiliumMeaning::Listed) => all_groups(cx, place),
        (Some(peers), _) if peers.is_empty() => nobody(cx, place),
        _ => None,
    });
    found
}

fn finding(
    cx: &Context<'_>,
    place: &CiliumPlace<'_, '_>,
    span: Span,
    message: String,
) -> Diagnostic {
    cx.finding(span, message)
        .about(place.policy.object.display(), place.path())
}

/// An entry of `toPorts` without ports.
fn no_port(cx: &Context<'_>, place: &CiliumPlace<'_, '_>, entry: &CiliumPortRule) -> Diagnostic {
    let message = format!("this entry matches no port, so it {} nothing", verb(place));
    finding(cx, place, entry.span, message)
        .label("`ports` is missing or empty")
        .help("list the ports, or leave out `toPorts` to allow every port")
}

/// Everybody is meant where a field of peers stands in the rule, and holds nothing.
fn left_in(cx: &Context<'_>, place: &CiliumPlace<'_, '_>) -> Option<Diagnostic> {
    let null = place.rule.null_fields.first();
    let null = null.map(|field| (field.span, field.value, "without a value"));
    let empty = place.rule.peer_fields.first();
    let empty = empty.map(|field| (field.key, field.name, "without entries"));
    let (span, name, how) = null.or(empty)?;
    let message = format!(
        "`{name}` {how} counts as missing: everybody is {}",
        match place.rule.section.is_deny() {
            true => "denied",
            false => "allowed",
        }
    );
    let finding = finding(cx, place, span, message)
        .label("pods, nodes and outside addresses, on the ports of this rule")
        .help("list the peers, or remove the rule");
    Some(finding)
}

/// A selector of groups of addresses that is empty.
fn all_groups(cx: &Context<'_>, place: &CiliumPlace<'_, '_>) -> Option<Diagnostic> {
    let sets = place.rule.peer_fields.iter().flat_map(|field| {
        let sets = match &field.peers {
            CiliumPeers::CidrSets(sets) => sets.as_slice(),
            _ => &[],
        };
        sets.iter()
    });
    let is_empty = |addresses: &CiliumAddresses| matches!(addresses, CiliumAddresses::Groups(selector) if selector.is_empty());
    let mut sets = sets.filter(|set| is_empty(&set.addresses) && set.except.is_empty());
    let message = "an empty `cidrGroupSelector` means everybody, including pods and nodes";
    let finding = finding(cx, place, sets.next()?.span, message.to_owned())
        .label("not just the addresses of all groups")
        .help("select the groups by a label");
    Some(finding)
}

/// Nobody is meant.
fn nobody(cx: &Context<'_>, place: &CiliumPlace<'_, '_>) -> Option<Diagnostic> {
    let wall = place
        .rule
        .peer_fields
        .iter()
        .find(|field| field.is_empty_wall());
    let verb = verb(place);
    // What is denied besides takes nothing from the idiom: the pods are isolated.
    let section = place.rule.section;
    let rules = place.spec.rules_of(section.direction());
    let is_alone = rules.filter(|rule| rule.section == section).count() == 1;
    if place.rule.icmps.is_some() || has_unknown_fields_only(cx, place) {
        return None;
    }
    let has_more = place.rule.to_ports.is_some() || place.rule.peer_fields.len() > 1;
    match wall {
        Some(field) if has_more => {
            let message = format!(
                "`{}: []` means nobody, so this rule {verb} nothing",
                field.name
            );
            let note = match place.rule.to_ports.is_some() {
                true => "whatever its other fields say; only a missing field means everybody",
                false => "whatever its other fields say",
            };
            let help = match place.rule.to_ports.is_some() {
                true => "list the peers; `- {}` in the list is every pod of the namespace",
                false => "remove the empty list",
            };
            let finding = finding(cx, place, field.key, message);
            Some(finding.label("an empty list").note(note).help(help))
        }
        // Services or groups that are named and not there are no part that is empty.
        None if !place.rule.peer_fields.is_empty() => None,
        _ if place.rule.section.is_deny() => {
            let message = "an empty rule matches nobody, so it denies nothing".to_owned();
            let finding = finding(cx, place, place.mark(cx.sources), message);
            Some(
                finding
                    .with_severity(Severity::Warning)
                    .label("to deny everybody, use the entity `all`")
                    .note("it still isolates the pods; what other rules allow stays open"),
            )
        }
        _ if is_alone && !says_allow(&place.policy.object.meta.name) => None,
        _ => {
            let message = "an empty rule matches nobody, so it allows nothing".to_owned();
            let finding = finding(cx, place, place.mark(cx.sources), message);
            let severity = match is_alone {
                true => Severity::Error,
                false => Severity::Warning,
            };
            Some(
                finding
                    .with_severity(severity)
                    .label("in a NetworkPolicy it would allow everything")
                    .help("to allow everybody, use the entity `all`; otherwise remove the rule"),
            )
        }
    }
}

/// Whether fields stand in a rule of which Cilium knows none: another rule says so, and that
/// nobody is left follows from it.
fn has_unknown_fields_only(cx: &Context<'_>, place: &CiliumPlace<'_, '_>) -> bool {
    let rule = place.rule;
    let is_empty = rule.peer_fields.is_empty() && rule.null_fields.is_empty();
    let text = cx.sources.text(rule.span);
    let is_written = text.contains(|next: char| !next.is_whitespace() && !"-{}".contains(next));
    is_empty && rule.to_ports.is_none() && is_written
}

fn verb(place: &CiliumPlace<'_, '_>) -> &'static str {
    match place.rule.section.is_deny() {
        true => "denies",
        false => "allows",
    }
}

/// Whether the name of a policy says that it allows something.
fn says_allow(name: &str) -> bool {
    let is_there = |word| words::names_word(name, word);
    is_there("allow") && !["deny", "default", "isolate"].into_iter().any(is_there)
}
