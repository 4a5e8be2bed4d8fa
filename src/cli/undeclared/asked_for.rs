//! The pods that policies were written for, all of them or those which a change brings, takes
//! or alters, where no manifest declares such pods: a rule for the pods of another repository
//! is as good as one for those of this.
//!
//! Refuses to know what the policies do to them.

use crate::cluster::Cluster;
use crate::engine::Selectable;
use crate::graph::{Wanted, WantedNamespaces, placeholders, placeholders_for};
use crate::k8s::{
    ClusterNetworkPolicy, NetworkPolicy, Object, ObjectMeta, PeerSelection, PluginPolicy,
    PodsSelection,
};
use crate::lint::plugin_selectors::{PluginSelector, SelectingPolicy, plugin_selectors};
use std::collections::BTreeSet;

/// Such pods, and the namespaces that they need, for all policies that only one of two states
/// of a cluster has as they are.
pub(super) fn written_for(clusters: [&Cluster; 2]) -> Vec<Object> {
    let [before, after] = clusters.map(Specs::new);
    let of_before = of_policies(clusters[0], Some(&after));
    let of_after = of_policies(clusters[1], Some(&before));
    of_before.into_iter().chain(of_after).collect()
}

/// The same for all policies of a cluster.
pub(super) fn written_for_all(cluster: &Cluster) -> Vec<Object> {
    of_policies(cluster, None)
}

/// What the policies of a state say, so that they can be found again.
struct Specs(BTreeSet<(String, String)>);

impl Specs {
    fn new(cluster: &Cluster) -> Self {
        let plain = (cluster.policies().iter()).map(|it| of_policy(&it.object));
        let wide = cluster.cluster_policies().iter().map(|it| of_wide(it));
        let plugin = cluster.plugin_policies().iter().map(|it| of_plugin(it));
        Self(plain.chain(wide).chain(plugin).collect())
    }

    fn have(&self, spec: &(String, String)) -> bool {
        self.0.contains(spec)
    }
}

fn of_policy(policy: &NetworkPolicy) -> (String, String) {
    spec(&policy.meta, "NetworkPolicy", policy.canonical_spec())
}

fn of_wide(policy: &ClusterNetworkPolicy) -> (String, String) {
    spec(&policy.meta, policy.kind.name(), policy.canonical_spec())
}

fn of_plugin(policy: &PluginPolicy) -> (String, String) {
    spec(&policy.meta, policy.kind.qualified, policy.canonical_spec())
}

fn spec(meta: &ObjectMeta, kind: &str, spec: String) -> (String, String) {
    let namespace = meta.namespace.as_ref().map_or("", |it| it.as_str());
    let accepted = if meta.is_accepted { "" } else { " (rejected)" };
    let object = format!("{kind} {namespace}/{}{accepted}", meta.name.value);
    (object, spec)
}

/// Those of all policies that others do not have as they are.
fn of_policies(cluster: &Cluster, others: Option<&Specs>) -> Vec<Object> {
    let selectable = &Selectable::new(cluster);
    let mut found = placeholders(selectable, |policy| {
        others.is_none_or(|others| !others.have(&of_policy(policy)))
    });
    let wide = cluster.cluster_policies().iter();
    let wide = wide.filter(|policy| others.is_none_or(|others| !others.have(&of_wide(policy))));
    let wanted = wide.flat_map(|policy| {
        let selections = std::iter::once(&policy.subject.value).chain(peers(policy));
        selections.map(|selection| wanted_by(selection, &policy.meta))
    });
    found.extend(placeholders_for(selectable, wanted));
    let is_changed = |place: &PluginSelector<'_>| match place.of {
        SelectingPolicy::Plugin(_, policy) => {
            others.is_none_or(|others| !others.have(&of_plugin(policy)))
        }
        SelectingPolicy::Cluster(..) => false,
    };
    let places: Vec<PluginSelector<'_>> = plugin_selectors(cluster);
    let places = places.iter().filter(|place| is_changed(place));
    let wanted = places.filter_map(|place| wanted_by_plugin(place));
    found.extend(placeholders_for(selectable, wanted));
    found
}

fn peers(policy: &ClusterNetworkPolicy) -> impl Iterator<Item = &PodsSelection> {
    let rules = policy.ingress.iter().chain(&policy.egress);
    let peers = rules.flat_map(|rule| &rule.peers);
    peers.filter_map(|peer| match &peer.selection {
        PeerSelection::Pods(selection) => Some(selection),
        _ => None,
    })
}

/// What a selection of a cluster-wide policy was written for.
fn wanted_by<'a>(selection: &'a PodsSelection, about: &'a ObjectMeta) -> Wanted<'a> {
    let (namespaces, pods) = selection.selectors();
    Wanted {
        namespaces: WantedNamespaces::Matching(namespaces),
        pods,
        about,
    }
}

/// The same of a selector of a CNI plugin's, as far as selectors of Kubernetes can say it.
fn wanted_by_plugin<'a>(place: &'a PluginSelector<'_>) -> Option<Wanted<'a>> {
    let namespaces = match (&place.namespaces, place.own_namespace()) {
        (Some(labels), _) => WantedNamespaces::Matching(labels),
        (None, Some(own)) if !place.names_namespace() => WantedNamespaces::One(own),
        (None, None) => WantedNamespaces::All,
        // It says which, in words that selectors of Kubernetes do not have.
        (None, Some(_)) => return None,
    };
    Some(Wanted {
        namespaces,
        pods: Some(place.pods.as_ref()?),
        about: place.meta(),
    })
}
