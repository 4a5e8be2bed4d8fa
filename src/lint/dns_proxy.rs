//! Cilium's DNS proxy: which names it sees pods ask for. What `toFQDNs` allows are the addresses
//! that it has seen in answers.
//!
//! Refuses to know whether a resolver is reached at all.

use super::plugin_rules::CiliumPlace;
use crate::engine::program::PodSet;
use crate::engine::{AddressRange, ConnectionSet, Endpoint, Judge, PodView};
use crate::k8s::{CiliumFqdn, CiliumPeers, Direction, Truth};
use crate::source::Spanned;
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

    /// The names that a pod may not ask for through it.
    #[must_use]
    pub fn unseen(
        &self,
        names: &[&'c Spanned<CiliumFqdn>],
        pod: &PodView<'_>,
    ) -> Vec<&'c Spanned<CiliumFqdn>> {
        let names = names.iter().copied();
        names.filter(|name| !self.sees(name, pod)).collect()
    }

    /// Whether a pod may, or perhaps may, ask for a name or a pattern through it.
    #[must_use]
    pub fn sees(&self, wanted: &CiliumFqdn, pod: &PodView<'_>) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|it| it.subject.truth(pod) != Truth::False && it.covers(wanted))
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

    fn covers(&self, wanted: &CiliumFqdn) -> bool {
        // A pattern is let through by one that lets it through as a name, `*` and all.
        let (CiliumFqdn::Name(text) | CiliumFqdn::Pattern(text)) = wanted;
        let mut names = self.names.iter();
        self.is_opaque || names.any(|known| *known == wanted || known.matches(text))
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

/// Whether a rule with `toFQDNs` adds anything for a pod: not where other rules let it reach every
/// address outside on the ports of the rule.
#[must_use]
pub fn is_needed(judge: &Judge<'_, '_>, place: &CiliumPlace<'_, '_>, pod: &PodView<'_>) -> bool {
    let ports = match &place.enforced.ports {
        None => ConnectionSet::all(),
        Some(entries) => entries
            .iter()
            .map(|entry| entry.ports.numbers())
            .fold(ConnectionSet::none(), |all, next| all.union(&next)),
    };
    // An address of the internet that is in nobody's hands (RFC 5737).
    let stranger = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77));
    let stranger = Endpoint::Address(AddressRange::from(stranger));
    let pod = Endpoint::Pod(pod.clone());
    let verdict = judge.one_side(Direction::Egress, &pod, &stranger);
    ports.is_empty() || !ports.is_subset(&verdict.allowed())
}
