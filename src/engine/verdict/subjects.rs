//! Which chains of a stage are about the same pods, so that all of them select a pod or none
//! does, even where nobody knows which.
//!
//! Refuses to know the pod.

use crate::cluster::NamespaceId;
use crate::engine::compiled::Table;
use crate::engine::labels::{Features, Selector};
use crate::engine::program::condition::Condition;
use crate::engine::program::{Chain, HostNetwork, NamespaceSet, PodSet};

/// A subject, in whatever words.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Subject<'s, 'c> {
    namespace: Option<NamespaceId>,
    namespaces: Option<Selector>,
    /// Whom it asks for; an empty one asks for everybody.
    pods: Selector,
    host_network: HostNetwork,
    condition: Option<&'s Condition<'c>>,
}

impl<'s, 'c> Subject<'s, 'c> {
    fn new(pods: &'s PodSet<'c>, features: &mut Features<'c>) -> Self {
        let (namespace, namespaces) = match pods.namespaces {
            NamespaceSet::All => (None, None),
            NamespaceSet::One(id) => (Some(id), None),
            NamespaceSet::Matching(selector) => (None, Some(features.compile(selector))),
        };
        Self {
            namespace,
            namespaces,
            pods: (pods.pods).map_or_else(Selector::default, |selector| features.compile(selector)),
            host_network: pods.host_network,
            condition: pods.condition.as_ref(),
        }
    }
}

/// By chain: a number that only chains of the same pods share. A chain of which nobody knows whom
/// it is about has its own.
pub(super) fn numbers(chains: &[Chain<'_>]) -> Vec<u32> {
    let mut features = Features::default();
    let mut known: Table<Subject<'_, '_>> = Table::new();
    let mut first_of = Vec::new();
    let numbered = (0u32..).zip(chains);
    let numbers = numbered.map(|(place, chain)| {
        if !chain.is_subject_known {
            return place;
        }
        let subject = known.intern(Subject::new(&chain.subject, &mut features)) as usize;
        if subject == first_of.len() {
            first_of.push(place);
        }
        first_of[subject]
    });
    numbers.collect()
}
