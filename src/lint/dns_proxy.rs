//! Cilium's DNS proxy: which names it sees pods ask for. What `toFQDNs` allows are the addresses
//! that it has seen in answers.
//!
//! Refuses to know whether a resolver is reached at all.

use super::plugin_rules::CiliumPlace;
use crate::engine::program::PodSet;
use crate::engine::{AddressRange, ConnectionSet, Endpoint, Judge, PodView};
use crate::k8s::{CiliumFqdn, CiliumPeers, Direction, Truth};
use crate::source::Spanned;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

/// The rules whose questions the proxy sees.
#[derive(Debug)]
pub struct DnsProxy<'p, 'c> {
    rules: Vec<Proxied<'p, 'c>>,
}

/// A rule whose questions it sees.
#[derive(Debug)]
struct Proxied<'p, 'c> {
    subject: &'p PodSet<'c>,
    names: Vec<&'c CiliumFqdn>,
    /// Whether a part of it is filled in by another tool.
    is_opaque: bool,
}

impl<'p, 'c> DnsProxy<'p, 'c> {
    /// Those among the rules that are enforced.
    #[must_use]
    pub fn new(places: &[CiliumPlace<'p, 'c>]) -> Self {
        Self {
            rules: places.iter().filter_map(Proxied::of).collect(),
        }
    }

    /// What a pod may, or perhaps may, ask for through it.
    #[must_use]
    pub fn seen_of(&self, pod: &PodView<'_>) -> SeenNames<'c> {
        let mut seen = SeenNames::default();
        let rules = self.rules.iter();
        for rule in rules.filter(|it| it.subject.truth(pod) != Truth::False) {
            seen.is_anything |= rule.is_opaque;
            rule.names.iter().for_each(|name| seen.add(name));
        }
        seen
    }
}

impl<'p, 'c> Proxied<'p, 'c> {
    fn of(place: &CiliumPlace<'p, 'c>) -> Option<Self> {
        let ports = place.rule.to_ports.as_ref()?;
        let names = ports.value.iter().flat_map(|ports| &ports.dns);
        let names: Vec<&CiliumFqdn> = names.map(|name| &name.value).collect();
        let is_opaque = place.enforced.is_opaque;
        (!names.is_empty() || is_opaque).then_some(Self {
            subject: place.subject,
            names,
            is_opaque,
        })
    }
}

/// Names and patterns that the proxy lets through, found without a look at each.
#[derive(Debug, Default)]
pub struct SeenNames<'c> {
    /// Whether another tool fills in some of them.
    is_anything: bool,
    names: HashSet<&'c str>,
    patterns: HashSet<&'c str>,
    /// Patterns by the domain that all names end with that they match.
    by_domain: HashMap<&'c str, Vec<&'c CiliumFqdn>>,
    /// Those that leave the domain open.
    others: Vec<&'c CiliumFqdn>,
}

impl<'c> SeenNames<'c> {
    fn add(&mut self, name: &'c CiliumFqdn) {
        match name {
            CiliumFqdn::Name(text) => {
                self.names.insert(text);
            }
            CiliumFqdn::Pattern(text) => {
                if !self.patterns.insert(text) {
                    return;
                }
                match domain_of(text) {
                    Some(domain) => self.by_domain.entry(domain).or_default().push(name),
                    None => self.others.push(name),
                }
            }
        }
    }

    /// Whether a name or a pattern is let through: a pattern by one that lets it through as a
    /// name, `*` and all.
    #[must_use]
    pub fn has(&self, wanted: &CiliumFqdn) -> bool {
        let text = match wanted {
            CiliumFqdn::Pattern(text) if self.patterns.contains(text.as_str()) => return true,
            CiliumFqdn::Name(text) | CiliumFqdn::Pattern(text) => text,
        };
        let name = text.trim_end_matches('.');
        let behind_dots = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]);
        let domains = std::iter::once(name).chain(behind_dots);
        let near = domains.filter_map(|domain| self.by_domain.get(domain));
        self.is_anything
            || self.names.contains(name)
            || near
                .flatten()
                .chain(&self.others)
                .any(|it| it.matches(name))
    }
}

/// The domain that all names end with that a pattern matches, as far as it is whole labels.
fn domain_of(pattern: &str) -> Option<&str> {
    let pattern = pattern.trim_end_matches('.');
    match pattern.rsplit_once('*') {
        None => Some(pattern),
        Some((_, ending)) => ending.split_once('.').map(|(_, domain)| domain),
    }
}

/// The names of a rule's `toFQDNs`.
#[must_use]
pub fn names<'c>(place: &CiliumPlace<'_, 'c>) -> Vec<&'c Spanned<CiliumFqdn>> {
    let fields = place.rule.peer_fields.iter();
    let names = fields.flat_map(|field| match &field.peers {
        CiliumPeers::Fqdns(names) => names.as_slice(),
        _ => &[],
    });
    names.collect()
}

/// The ports on which rules let a pod reach every address outside.
#[must_use]
pub fn open_outside(judge: &Judge<'_, '_>, pod: &PodView<'_>) -> ConnectionSet {
    // An address of the internet that is in nobody's hands (RFC 5737).
    let stranger = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77));
    let stranger = Endpoint::Address(AddressRange::from(stranger));
    let pod = Endpoint::Pod(pod.clone());
    let verdict = judge.one_side(Direction::Egress, &pod, &stranger);
    verdict.allowed()
}

/// Whether a rule with `toFQDNs` adds anything for a pod: not where all its ports are open to
/// every address outside.
#[must_use]
pub fn is_needed(place: &CiliumPlace<'_, '_>, open_outside: &ConnectionSet) -> bool {
    let ports = match &place.enforced.ports {
        None => ConnectionSet::all(),
        Some(entries) => entries.numbers().clone(),
    };
    ports.is_empty() || !ports.is_subset(open_outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_let_through_as_one_by_one() {
        let name = |text: &str| CiliumFqdn::Name(text.to_owned());
        let pattern = |text: &str| CiliumFqdn::Pattern(text.to_owned());
        let known = [
            name("a.example.org"),
            pattern("*.example.com"),
            pattern("**.example.net"),
            pattern("b*.c.example.org."),
            pattern("*a"),
            pattern("d.*"),
            pattern("e.example.org"),
            pattern("*.f.*.org"),
        ];
        let asked = [
            "a.example.org",
            "a.example.org.",
            "x.example.com",
            "x.y.example.com",
            "example.com",
            "x.y.example.net",
            "example.net",
            "bx.c.example.org",
            "c.example.org",
            "beta",
            "beta.example",
            "d.example",
            "e.example.org",
            "e.example.or",
            "x.f.y.org",
            "*.example.com",
            "*.example.org",
            "**.example.net",
        ];
        // Alone, so that nobody else answers for it; and all of them.
        let mut groups: Vec<&[CiliumFqdn]> = known.chunks(1).collect();
        groups.push(&known);
        for group in groups {
            let mut seen = SeenNames::default();
            group.iter().for_each(|name| seen.add(name));
            for wanted in asked.iter().flat_map(|text| [name(text), pattern(text)]) {
                let (CiliumFqdn::Name(text) | CiliumFqdn::Pattern(text)) = &wanted;
                let mut one_by_one = group.iter();
                let expected = one_by_one.any(|it| *it == wanted || it.matches(text));
                assert_eq!(seen.has(&wanted), expected, "{wanted:?} by {group:?}");
            }
        }
    }
}
