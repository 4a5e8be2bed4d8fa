//! What a CNI plugin asks of an end besides what Kubernetes' own selectors can say.
//!
//! Refuses to know policies: it compares one end with one condition.

use super::calico_end::{CalicoEnd, CalicoSubject};
use super::identity::{Entity, Identities, IdentityView};
use crate::cluster::Enforcement;
use crate::engine::PodView;
use crate::engine::addresses::AddressRange;
use crate::k8s::Truth;
use ipnet::IpNet;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

/// A condition on an end. Two are equal if they are the same one.
#[derive(Clone, Debug)]
pub struct Condition<'c>(Arc<Kind<'c>>);

#[derive(Debug)]
enum Kind<'c> {
    Identities(Identities),
    Subject(CalicoSubject<'c>),
    End(CalicoEnd<'c>),
    OutsidePods(OutsidePods),
}

/// Addresses of whoever has none of the network of pods.
#[derive(Debug)]
struct OutsidePods {
    held: Vec<AddressRange>,
    /// Where an address that nobody knows may be (S9), by family: IPv4, IPv6.
    somewhere: [Vec<AddressRange>; 2],
}

impl OutsidePods {
    fn holds(&self, address: IpAddr) -> Truth {
        let address = AddressRange::from(address);
        Truth::from(self.held.iter().any(|range| range.contains_range(&address)))
    }

    /// For an address that nobody knows.
    fn may_hold(&self, is_ipv4: bool) -> Truth {
        let ranges = &self.somewhere[usize::from(!is_ipv4)];
        let mut known = ranges.iter();
        match known.any(|range| self.held.iter().any(|held| held.overlaps(range))) {
            false => Truth::False,
            true if ranges
                .iter()
                .all(|range| range.without(&self.held).is_empty()) =>
            {
                Truth::True
            }
            true => Truth::Unknown,
        }
    }
}

/// An end as a condition sees it.
#[derive(Clone, Copy)]
pub enum Candidate<'a, 'c> {
    /// A pod at one of its addresses, which may be unknown, in a connection of a family.
    Pod {
        /// The pod.
        pod: &'a PodView<'c>,
        /// Its address.
        address: Option<IpAddr>,
        /// Whether the connection is IPv4.
        is_ipv4: bool,
    },
    /// An entity.
    Entity(Entity),
    /// An address outside.
    Outside(IpAddr),
}

impl<'c> Condition<'c> {
    /// Identities of Cilium.
    pub(super) fn identities(identities: Identities) -> Self {
        Self(Arc::new(Kind::Identities(identities)))
    }

    /// The pods that a policy of Calico's is about.
    pub(super) fn subject(subject: CalicoSubject<'c>) -> Self {
        Self(Arc::new(Kind::Subject(subject)))
    }

    /// One end of a rule of Calico's.
    pub(super) fn end(end: CalicoEnd<'c>) -> Self {
        Self(Arc::new(Kind::End(end)))
    }

    /// Addresses in a block, of whoever is outside of the network of pods.
    pub(super) fn outside_pods(block: IpNet, enforcement: &Enforcement) -> Self {
        let somewhere = [true, false].map(|is_ipv4| {
            let ranges = enforcement.pod_ranges().iter();
            let ranges = ranges.map(|range| AddressRange::from(range.value));
            ranges.filter(|range| range.is_ipv4() == is_ipv4).collect()
        });
        Self(Arc::new(Kind::OutsidePods(OutsidePods {
            held: vec![block.into()],
            somewhere,
        })))
    }

    /// Whether it holds for an end.
    #[must_use]
    pub fn truth(&self, candidate: Candidate<'_, 'c>) -> Truth {
        match (&*self.0, candidate) {
            (Kind::Identities(identities), Candidate::Pod { pod, .. }) => {
                identities.truth(IdentityView::of(pod))
            }
            (Kind::Identities(identities), Candidate::Entity(entity)) => {
                identities.truth(IdentityView::entity(entity))
            }
            (Kind::Identities(identities), Candidate::Outside(address)) => {
                identities.truth(IdentityView::outside(address.is_ipv4()))
            }
            (Kind::Subject(subject), Candidate::Pod { pod, .. }) => subject.truth(pod),
            (
                Kind::End(end),
                Candidate::Pod {
                    pod,
                    address,
                    is_ipv4,
                },
            ) => end.truth(Some(pod), address, is_ipv4),
            (Kind::End(end), Candidate::Outside(address)) => {
                end.truth(None, Some(address), address.is_ipv4())
            }
            (Kind::OutsidePods(block), Candidate::Outside(address)) => block.holds(address),
            (
                Kind::OutsidePods(block),
                Candidate::Pod {
                    pod,
                    address,
                    is_ipv4,
                },
            ) if pod.host_network => {
                address.map_or_else(|| block.may_hold(is_ipv4), |address| block.holds(address))
            }
            (Kind::Subject(_) | Kind::End(_) | Kind::OutsidePods(_), _) => Truth::False,
        }
    }

    /// The ranges of addresses that it tells apart.
    pub(in crate::engine) fn cuts(&self) -> Vec<crate::engine::AddressRange> {
        match &*self.0 {
            Kind::Identities(_) => Vec::new(),
            Kind::Subject(subject) => subject.cuts(),
            Kind::End(end) => end.cuts(),
            Kind::OutsidePods(block) => block.held.clone(),
        }
    }
}

impl PartialEq for Condition<'_> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Condition<'_> {}

impl Hash for Condition<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).cast::<()>().hash(state);
    }
}
