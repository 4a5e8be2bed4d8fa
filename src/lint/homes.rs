//! Where pods are that a selector looks for in one namespace, and that are not there.
//!
//! Refuses to know whether such pods may be in that namespace although no workload among the
//! manifests is theirs: that is asked first, of [`absence`](super::absence).

use super::Context;
use super::callers::Caller;
use crate::cluster::platform::{self, KnownPods, Role};
use crate::cluster::{NamespaceId, WorkloadId};
use crate::k8s::LabelSelector;

/// Why the pods are believed to be elsewhere.
#[derive(Clone, Copy, Debug)]
pub enum Evidence {
    /// This workload matches there.
    Workload(WorkloadId),
    /// Everybody knows where such pods are.
    WellKnown(&'static KnownPods),
}

/// The one namespace where pods match the selector, or where such pods are known to be.
#[must_use]
pub fn home(
    cx: &Context<'_>,
    own: NamespaceId,
    selector: &LabelSelector,
) -> Option<(String, Evidence)> {
    let cluster = cx.cluster;
    let own_has_workloads = cluster.workloads_in(own).len() > 0;
    let mut elsewhere = cx
        .engine
        .matching_workloads(cluster.namespace_ids(), selector)
        .into_iter();
    if let Some(first) = elsewhere.next() {
        let namespace = cluster.workload(first).namespace;
        let is_only_one = elsewhere.all(|other| cluster.workload(other).namespace == namespace);
        // Where nothing is known of the own namespace, its pods may simply be elsewhere.
        let is_evidence = is_only_one && own_has_workloads;
        return is_evidence.then(|| {
            (
                cluster.namespace(namespace).name.clone(),
                Evidence::Workload(first),
            )
        });
    }
    let own_name = cluster.namespace(own).name.as_str();
    let mut identities = selector
        .match_labels
        .iter()
        .filter_map(|label| Some((KnownPods::named_by(&label.key, &label.value)?, label)));
    let (pods, label) = identities.find(|(pods, _)| !pods.namespaces.contains(&own_name))?;
    // The pods may well be the own ones of somebody who runs such a program.
    let is_own = own_name.contains(label.value.as_str())
        || own_name == "default"
        || may_be_at_home(cx, own, pods.role);
    let declared = pods
        .namespaces
        .iter()
        .find(|home| cluster.namespace_by_name(home).is_some());
    (!is_own).then(|| {
        (
            declared.unwrap_or(&pods.namespaces[0]).to_string(),
            Evidence::WellKnown(pods),
        )
    })
}

/// Words in the names of namespaces in which those who run a cluster keep what they run for all
/// of it, wherever the installation that most people use puts it.
const WORDS_OF_OPERATORS: &[&str] = &[
    "cluster",
    "devops",
    "grafana",
    "infra",
    "infrastructure",
    "logging",
    "loki",
    "mon",
    "o11y",
    "obs",
    "ops",
    "platform",
    "sre",
    "tools",
    "tooling",
];

/// Words in the names of workloads that stand beside a scraper.
const WORDS_BESIDE_SCRAPERS: &[&str] = &[
    "alertmanager",
    "blackbox-exporter",
    "grafana",
    "kube-state-metrics",
    "loki",
    "node-exporter",
    "pushgateway",
];

/// Whether a program that people run themselves as well, such as a scraper, may be in a namespace
/// without a manifest: one of a platform's, one for such programs by its name, or one with others
/// that belong to it.
fn may_be_at_home(cx: &Context<'_>, own: NamespaceId, role: Role) -> bool {
    let caller = match role {
        Role::IngressController => Caller::IngressController,
        Role::Scraper => Caller::Scraper,
        Role::ApiServer | Role::Resolver | Role::Other => return false,
    };
    let cluster = cx.cluster;
    let name = cluster.namespace(own).name.as_str();
    let mut words = name.split(['-', '_']);
    let is_beside = |workload: WorkloadId| {
        let workload = cluster.workload(workload).object.meta.name.as_str();
        let mut known = WORDS_BESIDE_SCRAPERS.iter();
        caller == Caller::Scraper && known.any(|known| workload.contains(known))
    };
    platform::makes_namespace(name)
        || caller.is_named_in(name)
        || words.any(|word| WORDS_OF_OPERATORS.contains(&word))
        || cluster.workloads_in(own).any(is_beside)
}

impl Evidence {
    /// `those pods are in`, or what is usual where no manifest tells.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Workload(_) => "those pods are in",
            Self::WellKnown(_) => "such pods are usually in",
        }
    }
}

/// The label that a selector asks for and that such pods do not have, whatever it is called.
#[must_use]
pub fn lacking(pods: &KnownPods, selector: &LabelSelector) -> Option<String> {
    let mut wanted = selector.match_labels.iter();
    let lacking = wanted.find(|label| !pods.has(&label.key, &label.value))?;
    Some(format!("{}={}", lacking.key, lacking.value))
}
