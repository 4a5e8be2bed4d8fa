//! What two sets of pods, or two rules, have in common.

use super::labels::{Predicate, Scope};
use super::{Allowance, PeerSet, PodSet, PortMatches};
use crate::cluster::{NAMESPACE_NAME_LABEL, Namespace};
use crate::engine::AddressRange;
use crate::k8s::{LabelSelector, is_opaque};

impl PodSet {
    /// The pods of a selector in one namespace, of which the labels are known that its
    /// manifest has. `None` as for [`of`](Self::of).
    #[must_use]
    pub fn in_namespace(selector: Option<&LabelSelector>, namespace: &Namespace) -> Option<Self> {
        let mut pods = Predicate::default();
        let labels = namespace.labels.iter();
        for label in labels.filter(|label| !is_opaque(&label.key) && !is_opaque(&label.value)) {
            pods = pods.and_value(Scope::Namespace, &label.key, &label.value);
        }
        pods = pods.and_value(Scope::Namespace, NAMESPACE_NAME_LABEL, &namespace.name);
        if let Some(selector) = selector {
            pods = pods.and_selector(Scope::Pod, selector)?;
        }
        pods.is_satisfiable().then_some(Self(pods))
    }

    /// Whether some pod may be in both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.overlaps(&other.0)
    }

    /// The pods that are in both; `None` where no pod can be.
    #[must_use]
    pub fn common(&self, other: &Self) -> Option<Self> {
        let pods = self.0.and(&other.0);
        pods.is_satisfiable().then_some(Self(pods))
    }
}

impl Allowance {
    /// Whether some connection may be among both, as far as anybody can tell: `networks` may
    /// hold addresses of pods, and a name may mean any number.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let have_common_peers = match (&self.peers, &other.peers) {
            (Some(ours), Some(theirs)) => ours
                .iter()
                .any(|one| theirs.iter().any(|other| one.may_share_with(other))),
            _ => true,
        };
        have_common_peers && self.ports.overlaps(&other.ports)
    }

    /// The connections that are among both, as far as that is certain; `None` where none is.
    #[must_use]
    pub fn common(&self, other: &Self) -> Option<Self> {
        let peers = match (&self.peers, &other.peers) {
            (None, peers) | (peers, None) => peers.clone(),
            (Some(ours), Some(theirs)) => {
                let pairs = ours
                    .iter()
                    .flat_map(|one| theirs.iter().map(move |other| (one, other)));
                Some(pairs.filter_map(|(one, other)| one.common(other)).collect())
            }
        };
        let ports = self.ports.common(&other.ports);
        let is_none = peers.as_ref().is_some_and(Vec::is_empty) || ports.is_none();
        (!is_none).then_some(Self { peers, ports })
    }
}

impl PeerSet {
    fn may_share_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ends(these), Self::Ends(those)) => these.overlaps(those),
            // An `ipBlock` is for the outside (S9).
            (Self::Ends(_), Self::Addresses(_)) | (Self::Addresses(_), Self::Ends(_)) => false,
            _ => match (self.ranges(), other.ranges()) {
                (Some(these), Some(those)) => these
                    .iter()
                    .any(|range| those.iter().any(|other| range.overlaps(other))),
                _ => true,
            },
        }
    }

    fn common(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Ends(these), Self::Ends(those)) => {
                let pods = these.and(those);
                pods.is_satisfiable().then_some(Self::Ends(pods))
            }
            (Self::Ends(pods), Self::Networks(ranges))
            | (Self::Networks(ranges), Self::Ends(pods)) => ranges
                .contains(&AddressRange::IPV4)
                .then(|| Self::Ends(pods.clone())),
            (Self::Ends(_), Self::Addresses(_)) | (Self::Addresses(_), Self::Ends(_)) => None,
            (Self::Addresses(these) | Self::Networks(these), others) => {
                let those = others.ranges()?;
                let ranges = these
                    .iter()
                    .flat_map(|one| those.iter().filter_map(|other| one.intersection(other)));
                let ranges: Vec<AddressRange> = ranges.collect();
                let is_of_networks =
                    matches!((self, other), (Self::Networks(_), Self::Networks(_)));
                let of = if is_of_networks {
                    Self::Networks
                } else {
                    Self::Addresses
                };
                (!ranges.is_empty()).then(|| of(ranges))
            }
        }
    }
}

impl PortMatches {
    /// Whether some port may be among both; a name may mean any number.
    fn overlaps(&self, other: &Self) -> bool {
        let may_mean = |names: &Self, numbers: &Self| {
            let mut names = names.names.iter();
            names.any(|(protocol, _)| !numbers.numbers.get(*protocol).is_empty())
        };
        !self.numbers.intersection(&other.numbers).is_empty()
            || !self.names.is_disjoint(&other.names)
            || may_mean(self, other)
            || may_mean(other, self)
    }

    /// The ports that are surely among both: those by number, and those by a name that the
    /// other has, too, or of which it has every number.
    fn common(&self, other: &Self) -> Self {
        let of = |names: &Self, others: &Self| {
            let names = names.names.iter();
            let common = names.filter(|(protocol, name)| others.has_name(*protocol, name));
            common.cloned().collect::<Vec<_>>()
        };
        Self {
            numbers: self.numbers.intersection(&other.numbers),
            names: of(self, other).into_iter().chain(of(other, self)).collect(),
        }
    }

    fn is_none(&self) -> bool {
        self.numbers.is_empty() && self.names.is_empty()
    }
}
