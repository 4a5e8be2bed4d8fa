//! Which chains of a stage are about the same pods, so that all of them select a pod or none
//! does, even where nobody knows which.
//!
//! Refuses to know the pod.

use crate::cluster::NamespaceId;
use crate::engine::HashMap;
use crate::engine::labels::{Features, Selector};
use crate::engine::program::condition::Condition;
use crate::engine::program::{Chain, HostNetwork, NamespaceSet, PodSet};

/// A subject, in whatever words.
#[derive(PartialEq, Eq, Hash)]
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
    let mut known: HashMap<Subject<'_, '_>, u32> = HashMap::default();
    let numbered = (0u32..).zip(chains);
    let numbers = numbered.map(|(place, chain)| match chain.is_subject_known {
        true => *known
            .entry(Subject::new(&chain.subject, &mut features))
            .or_insert(place),
        false => place,
    });
    numbers.collect()
}
