//! Who may talk to whom: selectors, port sets, address ranges and tiers, compiled once
//! for a cluster.
//!
//! Pure: knows no text, no diagnostics and no printing. It answers with ids and sets;
//! others turn them into words.
//!
//! Policies of every kind become one [`program`], and from there on two ways part. For all
//! pairs, in the order of the work: `labels` turns labels into numbers, `compiled` has the
//! program in them, `classes` groups the workloads that no policy tells apart, `columns`
//! numbers the ends of connections, `selection` finds what a selector selects, `sides` says
//! which policies decide about a class, `functions` what they allow, and `relation` brings
//! the two sides of a pair together. For one pair, `verdict` asks the program rule by rule.

mod addresses;
mod endpoint;
mod ports;
mod labels;
pub mod program;
mod left_open;
mod compiled;
mod runs;
mod stretches;
mod columns;
mod classes;
mod selection;
mod selectable;
mod sets;
mod decision;
mod sides;
mod functions;
mod entered;
mod enters;
mod likeness;
mod relation;
mod row;
mod joint;
mod changes;
mod verdict;

pub use addresses::{AddressRange, address_atoms};
pub use changes::{Change, ChangedEnd, Changes};
pub use endpoint::{Address, Endpoint, NamespaceView, PodView, address_pairs};
pub use joint::Pair;
pub use left_open::LeftOpen;
pub use ports::{ConnectionSet, PortSet};
pub use program::cilium_selector::{CiliumSelector, filtered_pod_keys};
pub use program::condition::{Asks, LabelTest, Unmet};
pub use program::identity::{EndLabel, Entity};
pub use program::{PeerRef, PolicyRef, PortRef, RuleRef};
pub use relation::{Flow, Peer, Relation};
pub use row::Row;
pub use selectable::Selectable;
pub use verdict::{
    AskedPolicies, AskedPoliciesOfEnd, AskedRule, Decision, EndClasses, EndIndex, Explanation,
    Judge, Match, Matter, Miss, NearestMiss, OtherPlugins, PeerTrace, PeersTrace, PluginDifference,
    PluginDifferences, PolicyTrace, PortTrace, PortsTrace, PreparedEnd, ReasonCode, Requirement,
    RuleTrace, Scope, SetAside, SetAsideReason, SideTrace, StageTrace, Verdict, Wanted, Way,
    explain, ports_at, ports_of, set_aside, uniform_ranges,
};

#[cfg(feature = "internals")]
pub use verdict::judge;

use crate::cluster::{Cluster, ClusterPolicyId, NamespaceId, PolicyId, WorkloadId};
use crate::k8s::{Direction, LabelSelector, NetworkPolicyPeer};
use classes::{ClassId, Classes};
use columns::Columns;
use compiled::{Compiled, MatcherId};
use functions::Functions;
use program::{HostNetwork, NamespaceSet, PodSet};
use selection::{Parts, Selection, visible_labels};
use sides::Sides;
use std::sync::OnceLock;

/// A map whose hash is quick for short text and small numbers, and still differs from run
/// to run, so that nobody can write manifests that collide.
type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// A cluster with its policies compiled: answers who is selected by what, and who may
/// talk to whom.
///
/// Only objects that an API server would accept count (S13): the others select nothing,
/// and are selected and reached by nothing.
#[derive(Debug)]
pub struct Engine<'c> {
    cluster: &'c Cluster,
    compiled: Compiled<'c>,
    classes: Classes,
    columns: Columns,
    selection: Selection,
    sides: Sides,
    /// By matcher: the workloads that it matches, made on the first question.
    matched: Vec<OnceLock<Vec<WorkloadId>>>,
    functions: OnceLock<Functions>,
    selectable: Selectable<'c>,
    judge: Judge<'c, 'c>,
}

impl<'c> Engine<'c> {
    /// Compiles the policies of a cluster and finds out what each of them selects.
    #[must_use]
    pub fn new(cluster: &'c Cluster) -> Self {
        Self::leaving_open(cluster, LeftOpen::default())
    }

    /// The same, where some things are not taken for granted: what depends on them is unknown.
    #[must_use]
    pub fn leaving_open(cluster: &'c Cluster, left_open: LeftOpen) -> Self {
        let compiled = Compiled::new(cluster, left_open);
        let (classes, columns) = Classes::new(cluster, &compiled);
        let selection = Selection::new(cluster, &compiled, &classes);
        let parts = Parts {
            cluster,
            compiled: &compiled,
            classes: &classes,
            columns: &columns,
        };
        let sides = Sides::new(parts, &selection);
        let matched = compiled
            .matchers
            .values()
            .iter()
            .map(|_| OnceLock::new())
            .collect();
        Self {
            cluster,
            compiled,
            classes,
            columns,
            selection,
            sides,
            matched,
            functions: OnceLock::new(),
            selectable: Selectable::new(cluster),
            judge: Judge::new(cluster),
        }
    }

    /// The cluster that it answers for.
    #[must_use]
    pub fn cluster(&self) -> &'c Cluster {
        self.cluster
    }

    /// The workloads that a policy's `spec.podSelector` selects, in order, whether or not
    /// the policy isolates them. Never pods on the host network (S10), and none for a policy
    /// that the API server rejects.
    #[must_use]
    pub fn selected(&self, policy: PolicyId) -> &[WorkloadId] {
        match self.cluster.policy(policy).object.meta.is_accepted {
            true => self.matched_by(PolicyRef::Network(policy)),
            false => &[],
        }
    }

    /// The workloads that a cluster-wide policy's `spec.subject` selects, in order.
    #[must_use]
    pub fn subjects(&self, policy: ClusterPolicyId) -> &[WorkloadId] {
        self.matched_by(PolicyRef::Cluster(policy))
    }

    /// A number that workloads have in common that the same policies select in a direction, with
    /// the same doubts; `None` if an API server would refuse the object.
    #[must_use]
    pub fn selection_of(&self, workload: WorkloadId, direction: Direction) -> Option<u32> {
        let class = self.classes.of(workload)?;
        Some(self.sides.of(class, direction).0)
    }

    /// The NetworkPolicies that isolate a workload in a direction, in order (S5); none
    /// means that it is not isolated.
    #[must_use]
    pub fn isolating(&self, workload: WorkloadId, direction: Direction) -> &[PolicyId] {
        let class = self.classes.of(workload);
        class.map_or(&[], |class| {
            self.sides.isolating(&self.compiled, class, direction)
        })
    }

    /// The policies of every kind that isolate a workload in a direction, in order: what none of
    /// them allows, and nothing that is asked before them, is denied.
    #[must_use]
    pub fn isolated_by(&self, workload: WorkloadId, direction: Direction) -> Vec<PolicyRef> {
        let class = self.classes.of(workload);
        class.map_or_else(Vec::new, |class| {
            self.sides.isolated_by(&self.compiled, class, direction)
        })
    }

    /// The cluster-wide policies whose subject a workload is, in the order of evaluation,
    /// whether or not they have rules for either direction.
    #[must_use]
    pub fn cluster_policies_on(&self, workload: WorkloadId) -> &[ClusterPolicyId] {
        let class = self.classes.of(workload);
        class.map_or(&[], |class| self.sides.cluster_policies(class))
    }

    /// The workloads that a peer of a policy matches by its selectors, in order; none for
    /// an `ipBlock`. The peer need not be one that the policy has.
    #[must_use]
    pub fn peer_workloads(&self, policy: PolicyId, peer: &NetworkPolicyPeer) -> Vec<WorkloadId> {
        let (pods, namespaces) = (peer.pod_selector.get(), peer.namespace_selector.get());
        if peer.ip_block.get().is_some() || (pods.is_none() && namespaces.is_none()) {
            return Vec::new();
        }
        let home = self.cluster.policy(policy).namespace;
        let set = PodSet {
            namespaces: namespaces.map_or(NamespaceSet::One(home), NamespaceSet::Matching),
            pods,
            host_network: HostNetwork::Unseen,
            condition: None,
        };
        if let Some(matcher) = self.compiled.find_matcher(&set) {
            return self.matched(matcher).to_vec();
        }
        let namespaces = match namespaces {
            Some(selector) => self.matching_namespaces(selector),
            None => vec![home],
        };
        match pods {
            Some(selector) => self.matching_workloads(namespaces, selector),
            None => self.matching_workloads(namespaces, &LabelSelector::everything(peer.span)),
        }
    }

    /// The namespaces that a selector matches, in order.
    #[must_use]
    pub fn matching_namespaces(&self, selector: &LabelSelector) -> Vec<NamespaceId> {
        match self.compiled.features.find(selector) {
            Some(selector) => self
                .selection
                .namespaces(&selector)
                .ids()
                .map(NamespaceId)
                .collect(),
            None => {
                let matches =
                    |id: &NamespaceId| selector.matches(&visible_labels(self.cluster, *id));
                self.cluster.namespace_ids().filter(matches).collect()
            }
        }
    }

    /// The workloads of some namespaces that a selector matches, in order. Never pods on
    /// the host network (S10).
    #[must_use]
    pub fn matching_workloads(
        &self,
        namespaces: impl IntoIterator<Item = NamespaceId>,
        selector: &LabelSelector,
    ) -> Vec<WorkloadId> {
        self.selectable.matching_workloads(namespaces, selector)
    }

    /// Who may talk to whom. Worked out on the first call, and the same ever after.
    #[must_use]
    pub fn relation(&self) -> Relation<'_> {
        // Not within `get_or_init`: it is worked out on all threads, and one that waits for the
        // others goes on with whatever there is to do, which may ask for the same again.
        if self.functions.get().is_none() {
            let functions = Functions::new(self.parts(), &self.selection, &self.sides);
            // Whoever was first has found the same.
            let _ = self.functions.set(functions);
        }
        let functions = self.functions.get().expect("it was set above");
        Relation {
            cluster: self.cluster,
            classes: &self.classes,
            columns: &self.columns,
            sides: &self.sides,
            functions,
        }
    }

    /// Who judges single pairs, rule by rule; what it has looked up once it keeps.
    #[must_use]
    pub fn judge(&self) -> &Judge<'c, 'c> {
        &self.judge
    }

    fn parts(&self) -> Parts<'_, 'c> {
        Parts {
            cluster: self.cluster,
            compiled: &self.compiled,
            classes: &self.classes,
            columns: &self.columns,
        }
    }

    fn matched_by(&self, policy: PolicyRef) -> &[WorkloadId] {
        let subject = self.compiled.subjects.get(&policy);
        subject.map_or(&[], |subject| self.matched(*subject))
    }

    fn matched(&self, matcher: MatcherId) -> &[WorkloadId] {
        let place = matcher.0 as usize;
        self.matched[place].get_or_init(|| {
            let matcher = &self.compiled.matchers.values()[place];
            let classes = self.selection.classes(self.parts(), matcher);
            let members = classes
                .certain
                .ids()
                .flat_map(|class| self.classes.members(ClassId(class)));
            let mut members: Vec<WorkloadId> = members.copied().collect();
            members.sort_unstable();
            members
        })
    }
}
