//! Which rules of Calico's match all that others match, and which policies are about all pods
//! that others are about: by their text, for all pods that there could be.
//!
//! Leans towards "no": two selectors that say the same in other words are not told to be the
//! same. Refuses to know in which order rules are asked.

use super::plugin_rules::CalicoInForce;
use crate::k8s::{
    CalicoAction, CalicoEntity, CalicoPolicy, CalicoPort, CalicoRule, CalicoSelector, Comparison,
};
use crate::source::Spanned;
use ipnet::IpNet;

/// Whether a policy is about all pods that another one is about.
#[must_use]
pub fn is_about_all_of(outer: CalicoInForce<'_>, inner: CalicoInForce<'_>) -> bool {
    let is_within = match (outer.object.namespace(), inner.object.namespace()) {
        (None, _) => true,
        (Some(outer), inner) => Some(outer) == inner,
    };
    let (outer, inner) = (outer.policy, inner.policy);
    is_within
        && holds_all_of(&outer.selector, &inner.selector)
        && (is_everything(&outer.namespace_selector)
            || is_same(&outer.namespace_selector, &inner.namespace_selector))
        && (is_everything(&outer.service_account_selector)
            || is_same(
                &outer.service_account_selector,
                &inner.service_account_selector,
            ))
}

/// Whether a policy is about all pods of a namespace, whatever their labels.
#[must_use]
pub fn is_about_all_in(outer: CalicoInForce<'_>, namespace: &str) -> bool {
    let CalicoPolicy {
        selector,
        namespace_selector,
        service_account_selector,
        ..
    } = outer.policy;
    outer.object.namespace().is_none_or(|own| own == namespace)
        && [selector, namespace_selector, service_account_selector]
            .into_iter()
            .all(is_everything)
}

/// Whether a rule matches every connection of its policy's pods.
#[must_use]
pub fn matches_everything(rule: &CalicoRule) -> bool {
    let is_open =
        |end: &CalicoEntity| end.is_everybody() && end.ports.is_empty() && end.not_ports.is_empty();
    rule.protocol.is_none()
        && rule.not_protocol.is_none()
        && rule.icmp.is_none()
        && rule.ip_version.is_none()
        && rule.http.is_none()
        && is_open(&rule.source)
        && is_open(&rule.destination)
}

/// Whether a rule matches everything that another one matches. The selectors of both mean the
/// same ends, as those of two global policies do, or of two policies of one namespace.
#[must_use]
pub fn matches_all_of(outer: &CalicoRule, inner: &CalicoRule) -> bool {
    let same_or_none = |outer: &Option<Spanned<_>>, inner: &Option<Spanned<_>>| {
        outer.is_none() || values_are_same(outer, inner)
    };
    same_or_none(&outer.protocol, &inner.protocol)
        && same_or_none(&outer.not_protocol, &inner.not_protocol)
        && (outer.ip_version.is_none() || values_are_same(&outer.ip_version, &inner.ip_version))
        && outer.icmp.is_none()
        && outer.http.is_none()
        && covers(&outer.source, &inner.source)
        && covers(&outer.destination, &inner.destination)
}

/// Whether names of network sets lead a rule of egress to addresses that another one does not
/// mean by the same selectors: only rules that allow count them.
#[must_use]
pub fn misses_names_of_sets(outer: &CalicoRule, inner: &CalicoRule) -> bool {
    let end = &outer.destination;
    let selects = end.selector.is_some()
        || end.namespace_selector.is_some()
        || end.not_selector.is_some()
        || end.service_account_selector.is_some()
        || !end.service_account_names.is_empty();
    let allows = |rule: &CalicoRule| rule.action.value == CalicoAction::Allow;
    selects && allows(inner) && !allows(outer)
}

fn covers(outer: &CalicoEntity, inner: &CalicoEntity) -> bool {
    let accounts = |entity: &CalicoEntity| {
        let names = entity.service_account_names.iter();
        let mut names: Vec<String> = names.map(|name| name.value.clone()).collect();
        names.sort();
        names
    };
    // What an end means without a namespace depends on what else it names.
    let names_the_same = is_same(&outer.namespace_selector, &inner.namespace_selector)
        && is_same(&outer.not_selector, &inner.not_selector)
        && accounts(outer) == accounts(inner)
        && is_same(
            &outer.service_account_selector,
            &inner.service_account_selector,
        )
        && outer.selector.is_some() == inner.selector.is_some()
        && holds_all_of(&outer.selector, &inner.selector);
    let names_nobody = outer.selector.is_none()
        && outer.namespace_selector.is_none()
        && outer.not_selector.is_none()
        && outer.service_account_names.is_empty()
        && outer.service_account_selector.is_none();
    outer.service.is_none()
        && (names_nobody || names_the_same)
        && (outer.nets.is_empty()
            || !inner.nets.is_empty() && inner.nets.iter().all(|net| is_in(&outer.nets, net)))
        && outer.not_nets.iter().all(|net| is_in(&inner.not_nets, net))
        && (outer.ports.is_empty()
            || !inner.ports.is_empty() && inner.ports.iter().all(|port| has(&outer.ports, port)))
        && (outer.domains.is_empty()
            || !inner.domains.is_empty()
                && (inner.domains.iter()).all(|name| outer.domains.iter().any(|it| **it == **name)))
        && outer
            .not_ports
            .iter()
            .all(|port| has(&inner.not_ports, port))
}

fn is_in(nets: &[Spanned<IpNet>], net: &IpNet) -> bool {
    nets.iter()
        .any(|outer| outer.value.trunc().contains(&net.trunc()))
}

fn has(ports: &[Spanned<CalicoPort>], port: &CalicoPort) -> bool {
    ports.iter().any(|outer| match (&outer.value, port) {
        (CalicoPort::Range(first, last), CalicoPort::Range(from, to)) => {
            first <= from && to <= last
        }
        (outer, inner) => outer == inner,
    })
}

fn is_everything(selector: &Option<Spanned<CalicoSelector>>) -> bool {
    let is_all = |selector: &Spanned<CalicoSelector>| selector.value == CalicoSelector::All;
    selector.as_ref().is_none_or(is_all)
}

fn is_same(one: &Option<Spanned<CalicoSelector>>, other: &Option<Spanned<CalicoSelector>>) -> bool {
    values_are_same(one, other)
}

fn values_are_same<T: PartialEq>(one: &Option<Spanned<T>>, other: &Option<Spanned<T>>) -> bool {
    one.as_ref().map(|it| &it.value) == other.as_ref().map(|it| &it.value)
}

fn holds_all_of(
    outer: &Option<Spanned<CalicoSelector>>,
    inner: &Option<Spanned<CalicoSelector>>,
) -> bool {
    match (outer, inner) {
        (None, _) => true,
        (Some(outer), None) => outer.value == CalicoSelector::All,
        (Some(outer), Some(inner)) => implies(&inner.value, &outer.value),
    }
}

/// Whether one selector holds wherever another one does, as far as their form shows it.
fn implies(inner: &CalicoSelector, outer: &CalicoSelector) -> bool {
    use CalicoSelector::{All, And, Compare, Has, In, Or};
    let is_equal = |comparison: &Comparison| *comparison == Comparison::Equal;
    if inner == outer {
        return true;
    }
    match (inner, outer) {
        (_, All) => true,
        (_, And(parts)) => parts.iter().all(|part| implies(inner, part)),
        (Or(parts), _) => parts.iter().all(|part| implies(part, outer)),
        (And(parts), _) if parts.iter().any(|part| implies(part, outer)) => true,
        (_, Or(parts)) => parts.iter().any(|part| implies(inner, part)),
        (
            Compare {
                key,
                comparison,
                value,
            },
            In { key: outer, values },
        ) => is_equal(comparison) && key == outer && values.contains(value),
        (
            Compare {
                key, comparison, ..
            },
            Has(outer),
        ) => *comparison != Comparison::NotEqual && key == outer,
        (
            In { key, values },
            In {
                key: outer,
                values: wider,
            },
        ) => key == outer && values.iter().all(|value| wider.contains(value)),
        (In { key, .. }, Has(outer)) => key == outer,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_imply_what_their_form_shows() {
        let table = [
            ("app == 'a'", "all()", true),
            ("app == 'a' && tier == 'x'", "app == 'a'", true),
            ("app == 'a'", "app == 'a' && tier == 'x'", false),
            ("app == 'a'", "app in {'a', 'b'}", true),
            ("app in {'a', 'b'}", "app in {'a', 'b', 'c'}", true),
            ("app in {'a', 'd'}", "app in {'a', 'b', 'c'}", false),
            ("app == 'a'", "has(app)", true),
            ("app != 'a'", "has(app)", false),
            ("app == 'a' || app == 'b'", "has(app)", true),
            ("all()", "has(app)", false),
        ];
        for (inner, outer, expected) in table {
            let parse = |text| CalicoSelector::parse(text).expect("it is a selector");
            assert_eq!(
                implies(&parse(inner), &parse(outer)),
                expected,
                "{inner}, {outer}"
            );
        }
    }
}
