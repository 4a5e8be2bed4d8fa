//! Selectors of pods that several builds share: the policy of a base that each environment builds
//! on stands in one text, and is one object in each of them.
//!
//! Refuses to know what a selector that matches nothing is a sign of; it knows where another build
//! of the same text matches.

use super::labelled::Labelled;
use super::plugin_selectors::plugin_selectors;
use super::pod_selectors::{self, PodSelector};
use crate::cluster::{Cluster, NamespaceId};
use crate::k8s::LabelSelector;
use crate::source::Span;
use std::collections::HashSet;

/// The selectors of more than one build that match pods in one of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SharedSelectors {
    met: HashSet<Key>,
}

/// A selector by its text, its place in the policy, as an alias has the text of its anchor, and
/// what it asks for, as builds add labels.
type Key = (Span, String, String);

impl SharedSelectors {
    /// Looks through these clusters.
    #[must_use]
    pub fn of(clusters: &[&Cluster]) -> Self {
        let mut seen: HashSet<(Span, String)> = HashSet::new();
        let mut shared: HashSet<Span> = HashSet::new();
        for cluster in clusters {
            for place in of_network_policies(cluster) {
                let span = place.selector.span;
                if !seen.insert((span, place.path)) {
                    shared.insert(span);
                }
            }
            for place in plugin_selectors(cluster) {
                let span = place.pods.as_ref().map(|pods| pods.span);
                if let Some(span) = span
                    && !seen.insert((span, place.path))
                {
                    shared.insert(span);
                }
            }
        }
        let mut found = Self::default();
        if !shared.is_empty() {
            for cluster in clusters {
                found.look(cluster, &shared);
            }
        }
        found
    }

    /// Whether a selector at this path of its policy matches pods in a build of its text.
    #[must_use]
    pub fn is_met(&self, path: &str, selector: &LabelSelector) -> bool {
        !self.met.is_empty() && self.met.contains(&key(path, selector))
    }

    fn look(&mut self, cluster: &Cluster, shared: &HashSet<Span>) {
        let labelled = Labelled::new(cluster);
        let all: Vec<NamespaceId> = cluster.namespace_ids().collect();
        for place in of_network_policies(cluster) {
            let selector = place.selector;
            if !shared.contains(&selector.span) || selector.is_empty() || place.is_opaque() {
                continue;
            }
            let key = key(&place.path, selector);
            if !self.met.contains(&key) && is_matched(cluster, &labelled, &all, &place) {
                self.met.insert(key);
            }
        }
        for place in plugin_selectors(cluster) {
            let Some(selector) = &place.pods else {
                continue;
            };
            if !shared.contains(&selector.span) || selector.is_empty() || selector.is_opaque() {
                continue;
            }
            let key = key(&place.path, selector);
            let namespaces = place.looked_into(cluster);
            let namespaces = namespaces.as_deref().unwrap_or(&all);
            if !self.met.contains(&key) && place.may_match_one_in(&labelled, cluster, namespaces) {
                self.met.insert(key);
            }
        }
    }
}

fn key(path: &str, selector: &LabelSelector) -> Key {
    (selector.span, path.to_owned(), selector.to_string())
}

fn of_network_policies(cluster: &Cluster) -> impl Iterator<Item = PodSelector<'_>> {
    let policies = cluster.policy_ids();
    policies.flat_map(|id| pod_selectors::in_policy(cluster, id))
}

/// Whether a selector may match a workload where it looks for pods.
fn is_matched(
    cluster: &Cluster,
    labelled: &Labelled<'_>,
    all: &[NamespaceId],
    place: &PodSelector<'_>,
) -> bool {
    match place.peer.and_then(|peer| peer.namespace_selector.get()) {
        None => {
            let own = cluster.policy(place.policy).namespace;
            !labelled.may_match(&[own], place.selector).is_empty()
        }
        // Pods with such labels are few, namespaces many.
        Some(namespaces) => {
            let mut pods = labelled.may_match(all, place.selector).into_iter();
            pods.any(|id| {
                let home = cluster.workload(id).namespace;
                namespaces.matches(&cluster.namespace(home).labels)
            })
        }
    }
}
