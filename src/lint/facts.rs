//! Facts about a cluster that several rules ask for, each worked out on the first question
//! and shared by all rules of a run.
//!
//! Refuses to know which rule asks.

use super::absence::Inventories;
use super::api_clients::ApiClients;
use super::callers::Caller;
use super::controllers::{self, Home};
use super::entrance::{self, Entrance};
use super::labelled::Labelled;
use super::plugin_selectors::{PluginSelector, cluster_selectors, plugin_selectors};
use super::policy_subjects::PolicySubjects;
use super::unjudged::Unjudged;
use super::{Context, dns, service_ports};
use crate::cluster::{Layout, PolicyId, WorkloadId};
use crate::engine::SideTrace;
use crate::engine::program::Program;
use crate::k8s::{LabelSelector, Protocol};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The facts of one run.
#[derive(Default)]
pub(super) struct Facts<'a> {
    unjudged: OnceLock<Arc<Unjudged>>,
    api_clients: OnceLock<Arc<ApiClients<'a>>>,
    inventories: OnceLock<Arc<Inventories<'a>>>,
    listening_for_dns: OnceLock<Arc<[WorkloadId]>>,
    node_local_cache: OnceLock<bool>,
    program: OnceLock<Arc<Program<'a>>>,
    labelled: OnceLock<Arc<Labelled<'a>>>,
    policy_subjects: OnceLock<Arc<PolicySubjects<'a>>>,
    selectors_beyond: OnceLock<Arc<[PluginSelector<'a>]>>,
    single_peers: OnceLock<HashSet<(String, String)>>,
    controllers: OnceLock<Vec<WorkloadId>>,
    scrapers: OnceLock<Vec<WorkloadId>>,
    home_of_controllers: OnceLock<Option<Home>>,
    layout: OnceLock<Arc<Layout<'a>>>,
    entrances: Mutex<BTreeMap<Port, Option<Arc<Entrance<'a>>>>>,
    /// Of the workload that was asked about last.
    entering: Mutex<Option<(WorkloadId, Option<Arc<SideTrace<'a>>>)>>,
    behind_service_ports: Mutex<BTreeMap<(PolicyId, Protocol, u16), Arc<PortsOfPods>>>,
}

/// A port of the pods of a workload.
type Port = (WorkloadId, Protocol, u16);

/// Ports of pods, of one protocol.
type PortsOfPods = BTreeSet<(WorkloadId, u16)>;

fn lock<T>(fact: &Mutex<T>) -> MutexGuard<'_, T> {
    fact.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Context<'a> {
    /// How the files stand to each other.
    #[must_use]
    pub fn layout(&self) -> Arc<Layout<'a>> {
        let made = || Arc::new(Layout::of(self.sources, self.cluster.context_objects()));
        Arc::clone(self.facts.layout.get_or_init(made))
    }

    /// A port of pods that policies guard; `None` where nobody guards it, or where it cannot be
    /// said who gets in.
    #[must_use]
    pub fn entrance(
        &self,
        workload: WorkloadId,
        protocol: Protocol,
        port: u16,
    ) -> Option<Arc<Entrance<'a>>> {
        let key = (workload, protocol, port);
        let known = lock(&self.facts.entrances).get(&key).cloned();
        known.unwrap_or_else(|| {
            let side = self.entering(workload);
            let found = side.and_then(|side| Entrance::guarded(self.cluster, &side, key));
            let found = found.map(Arc::new);
            lock(&self.facts.entrances).insert(key, found.clone());
            found
        })
    }

    /// The side of a workload on which anybody enters: of all of its ports, which are asked about
    /// one after the other.
    pub(super) fn entering(&self, workload: WorkloadId) -> Option<Arc<SideTrace<'a>>> {
        let last = lock(&self.facts.entering).clone();
        if let Some((_, side)) = last.filter(|(last, _)| *last == workload) {
            return side;
        }
        let side = entrance::side(self.engine, &self.unjudged(), workload);
        *lock(&self.facts.entering) = Some((workload, side.clone()));
        side
    }

    /// The ports of the pods that a policy selects to which a Service sends what comes to this
    /// port of its own, where the number means nothing to the pods; see
    /// [`service_ports::translated`].
    #[must_use]
    pub(super) fn behind_service_port(
        &self,
        policy: PolicyId,
        protocol: Protocol,
        port: u16,
    ) -> Arc<PortsOfPods> {
        let key = (policy, protocol, port);
        let known = lock(&self.facts.behind_service_ports).get(&key).cloned();
        known.unwrap_or_else(|| {
            let selected = self.engine.selected(policy);
            let found = service_ports::translated(self.cluster, selected, protocol, port);
            let found = found.iter().map(|it| (it.workload, it.pod_port));
            let found: Arc<PortsOfPods> = Arc::new(found.collect());
            lock(&self.facts.behind_service_ports).insert(key, Arc::clone(&found));
            found
        })
    }

    /// Where there are policies that npcheck does not judge.
    #[must_use]
    pub fn unjudged(&self) -> Arc<Unjudged> {
        let made = || Arc::new(Unjudged::new(self.documents, self.cluster));
        Arc::clone(self.facts.unjudged.get_or_init(made))
    }

    /// All policies that are enforced, of every kind, in the engine's form.
    #[must_use]
    pub fn program(&self) -> Arc<Program<'a>> {
        let made = || Arc::new(Program::new(self.cluster));
        Arc::clone(self.facts.program.get_or_init(made))
    }

    /// Who talks to the Kubernetes API.
    #[must_use]
    pub fn api_clients(&self) -> Arc<ApiClients<'a>> {
        let made = || Arc::new(ApiClients::new(self.cluster));
        Arc::clone(self.facts.api_clients.get_or_init(made))
    }

    /// The workloads with a port that resolvers listen on, in order.
    #[must_use]
    pub fn listening_for_dns(&self) -> Arc<[WorkloadId]> {
        let listens = |id: &WorkloadId| dns::listens_for_dns(self.cluster, *id);
        let made = || self.cluster.workload_ids().filter(listens).collect();
        Arc::clone(self.facts.listening_for_dns.get_or_init(made))
    }

    /// Whether a node-local cache of the DNS is among the workloads.
    #[must_use]
    pub fn has_node_local_cache(&self) -> bool {
        let made = || dns::has_node_local_cache(self.cluster);
        *self.facts.node_local_cache.get_or_init(made)
    }

    /// The workloads that look like a caller, in order.
    #[must_use]
    pub fn resembling(&self, caller: Caller) -> &[WorkloadId] {
        let found = match caller {
            Caller::IngressController => &self.facts.controllers,
            Caller::Scraper => &self.facts.scrapers,
        };
        found.get_or_init(|| caller.resembling(self.cluster))
    }

    /// Where all ingress controllers are; `None` where there is none, or they are in several
    /// places.
    #[must_use]
    pub fn home_of_controllers(&self) -> Option<Home> {
        let found = &self.facts.home_of_controllers;
        *found.get_or_init(|| controllers::home(self.cluster))
    }

    /// Every workload by its labels.
    #[must_use]
    pub fn labelled(&self) -> Arc<Labelled<'a>> {
        let made = || Arc::new(Labelled::new(self.cluster));
        Arc::clone(self.facts.labelled.get_or_init(made))
    }

    /// Every NetworkPolicy by what its subject asks for.
    #[must_use]
    pub fn policy_subjects(&self) -> Arc<PolicySubjects<'a>> {
        let made = || Arc::new(PolicySubjects::new(self.cluster));
        Arc::clone(self.facts.policy_subjects.get_or_init(made))
    }

    /// The selectors of pods in policies of other kinds than NetworkPolicy: those of the CNI plugin
    /// in force, and cluster-wide ones.
    #[must_use]
    pub fn selectors_beyond(&self) -> Arc<[PluginSelector<'a>]> {
        let made = || {
            let of_plugin = plugin_selectors(self.cluster).into_iter();
            of_plugin.chain(cluster_selectors(self.cluster)).collect()
        };
        Arc::clone(self.facts.selectors_beyond.get_or_init(made))
    }

    /// Whether some policy has a peer with both of these selectors, in this form.
    #[must_use]
    pub fn is_single_peer(&self, namespaces: &LabelSelector, pods: &LabelSelector) -> bool {
        let made = || {
            let policies = self.cluster.policies().iter();
            let peers = policies.flat_map(|policy| policy.object.peers());
            let both = peers.filter_map(|place| match place.peer.selectors()? {
                (Some(namespaces), Some(pods)) => Some((namespaces.to_string(), pods.to_string())),
                _ => None,
            });
            both.collect()
        };
        let known = self.facts.single_peers.get_or_init(made);
        known.contains(&(namespaces.to_string(), pods.to_string()))
    }

    /// Whether a peer's selectors match pods on the network of their node (S15).
    #[must_use]
    pub fn selectors_match_host_network(&self) -> bool {
        self.cluster.enforcement().selectors_match_host_network()
    }

    /// What speaks for pods that are not among the manifests.
    #[must_use]
    pub fn inventories(&self) -> Arc<Inventories<'a>> {
        let made = || Arc::new(Inventories::new(self));
        Arc::clone(self.facts.inventories.get_or_init(made))
    }
}
