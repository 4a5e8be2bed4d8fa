//! The selectors of pods in the policies of the CNI plugin in force, whatever their dialect, and
//! in cluster-wide policies: what each amounts to in the selectors of Kubernetes.
//!
//! Refuses to know what is wrong with any, and what only one dialect has. Policies that nobody
//! enforces are not here.

use super::labelled::Labelled;
use super::plugin_rules::{self, CalicoInForce, CiliumSelectorPlace};
use crate::cluster::{Cluster, ClusterPolicyId, NamespaceId, PluginPolicyId, WorkloadId};
use crate::engine::{PodView, PolicyRef};
use crate::k8s::{
    Action, CalicoAction, CalicoEntity, CalicoRule, CalicoSelector, ClusterNetworkPolicy,
    Direction, LabelSelector, NAMESPACE_NAME_LABEL, ObjectMeta, PeerSelection, PluginPolicy,
    PodsSelection, Truth,
};
use crate::source::{Span, Spanned};

/// Labels that Calico gives to endpoints, and that no manifest of a pod has (K5).
const CALICO_KEYS: [&str; 3] = ["pcns.", "pcsa.", "projectcalico.org/"];

/// Labels that Cilium gives to identities, such as the name of the service account (C4).
const CILIUM_KEYS: &str = "io.cilium.k8s.";

/// What Calico calls the namespace of a label set by its name.
const CALICO_NAME_KEY: &str = "projectcalico.org/name";

/// A selector of pods.
#[derive(Clone, Debug)]
pub struct PluginSelector<'c> {
    /// The policy that it stands in.
    pub of: SelectingPolicy<'c>,
    /// Its path, such as `spec.ingress[0].fromEndpoints[1]`.
    pub path: String,
    /// The rule whose peers it names; `None` where it names the pods that rules are about.
    pub peer_of: Option<PeerOf>,
    /// What it asks of pods by their labels; `None` where it asks for something that no manifest
    /// of a pod says, or that selectors of Kubernetes cannot say.
    pub pods: Option<LabelSelector>,
    /// What it asks of the namespace of pods by labels; `None` where it asks for nothing, or for
    /// what selectors of Kubernetes cannot say.
    pub namespaces: Option<LabelSelector>,
    /// Whether the values in it have places of their own, so that one can be put in place of
    /// another.
    pub has_places: bool,
    dialect: Dialect<'c>,
}

/// A policy with selectors of pods.
#[derive(Clone, Copy, Debug)]
pub enum SelectingPolicy<'c> {
    /// One that only a CNI plugin knows.
    Plugin(PluginPolicyId, &'c PluginPolicy),
    /// A cluster-wide one.
    Cluster(ClusterPolicyId, &'c ClusterNetworkPolicy),
}

/// A rule of a policy, as far as one who looks at its peers has to know.
#[derive(Clone, Copy, Debug)]
pub struct PeerOf {
    /// Its direction.
    pub direction: Direction,
    /// What it does with whom it matches; `None` where it only logs that.
    pub action: Option<Action>,
    /// Its text.
    pub rule: Span,
    /// Whether it is for pods that its policy names, and not for every pod.
    pub is_about_some: bool,
}

#[derive(Clone, Debug)]
enum Dialect<'c> {
    Cilium(CiliumSelectorPlace<'c>),
    Calico {
        pods: Option<&'c CalicoSelector>,
        /// Whether it names namespaces itself.
        names_namespace: bool,
        /// Whether its end of the rule asks for nothing else.
        is_whole: bool,
    },
    /// Of a cluster-wide policy, which asks in the selectors of Kubernetes.
    Kubernetes {
        pods: Option<&'c LabelSelector>,
    },
}

/// All of the CNI plugin's, in the order of the policies and of their text.
#[must_use]
pub fn plugin_selectors(cluster: &Cluster) -> Vec<PluginSelector<'_>> {
    let of_cilium = plugin_rules::cilium_selectors(cluster).into_iter();
    let of_calico = plugin_rules::calico_policies(cluster).flat_map(|policy| calico(&policy));
    of_cilium.map(cilium).chain(of_calico).collect()
}

fn cilium(place: CiliumSelectorPlace<'_>) -> PluginSelector<'_> {
    PluginSelector {
        of: SelectingPolicy::Plugin(place.policy.id, place.policy.object),
        path: place.path.clone(),
        peer_of: place.rule.map(|rule| PeerOf {
            direction: rule.section.direction(),
            action: Some(match rule.section.is_deny() {
                true => Action::Deny,
                false => Action::Accept,
            }),
            rule: rule.span,
            is_about_some: !place.subject.is_empty(),
        }),
        pods: place.selector.pod_labels(),
        namespaces: place.selector.namespaces(),
        has_places: true,
        dialect: Dialect::Cilium(place),
    }
}

/// All of cluster-wide policies, in the order of the policies and of their text.
#[must_use]
pub fn cluster_selectors(cluster: &Cluster) -> Vec<PluginSelector<'_>> {
    let policies = cluster.cluster_policy_ids();
    let of_policy = |id| of_cluster_policy(id, cluster.cluster_policy(id));
    policies.flat_map(of_policy).collect()
}

fn of_cluster_policy(
    id: ClusterPolicyId,
    policy: &ClusterNetworkPolicy,
) -> Vec<PluginSelector<'_>> {
    let place = |selection, path, peer_of| kubernetes(id, policy, selection, path, peer_of);
    let mut found = vec![place(
        &policy.subject.value,
        "spec.subject".to_owned(),
        None,
    )];
    for direction in Direction::BOTH {
        for (index, rule) in policy.rules(direction).iter().enumerate() {
            let peer_of = PeerOf {
                direction,
                action: Some(rule.action.value),
                rule: rule.span,
                is_about_some: true,
            };
            for (number, peer) in rule.peers.iter().enumerate() {
                if let PeerSelection::Pods(selection) = &peer.selection {
                    let (rules, peers) = (direction.field(), direction.peers_field());
                    let path = format!("spec.{rules}[{index}].{peers}[{number}]");
                    found.push(place(selection, path, Some(peer_of)));
                }
            }
        }
    }
    found
}

fn kubernetes<'c>(
    id: ClusterPolicyId,
    policy: &'c ClusterNetworkPolicy,
    selection: &'c PodsSelection,
    path: String,
    peer_of: Option<PeerOf>,
) -> PluginSelector<'c> {
    let (namespaces, pods) = selection.selectors();
    PluginSelector {
        of: SelectingPolicy::Cluster(id, policy),
        path,
        peer_of,
        pods: Some(match pods {
            Some(pods) => pods.clone(),
            None => LabelSelector::everything(namespaces.span),
        }),
        namespaces: Some(namespaces.clone()).filter(|it| !it.is_empty()),
        has_places: true,
        dialect: Dialect::Kubernetes { pods },
    }
}

fn calico<'c>(policy: &CalicoInForce<'c>) -> Vec<PluginSelector<'c>> {
    let CalicoInForce { id, object, policy } = *policy;
    let subject = CalicoEnd {
        selector: policy.selector.as_ref(),
        namespaces: policy.namespace_selector.as_ref(),
        is_narrowed: policy.service_account_selector.is_some(),
        is_whole: true,
        span: object.meta.name.span,
    };
    let is_about_some =
        (policy.selector.as_ref()).is_some_and(|it| it.value != CalicoSelector::All);
    let mut found = vec![subject.place(id, object, "spec.selector".to_owned(), None)];
    for direction in Direction::BOTH {
        for (index, rule) in policy.rules(direction).iter().enumerate() {
            let field = match direction {
                Direction::Ingress => "source",
                Direction::Egress => "destination",
            };
            let path = format!("spec.{}[{index}].{field}.selector", direction.field());
            let peer = CalicoEnd::of(rule.peer(direction), rule.span);
            let peer_of = PeerOf {
                direction,
                action: match rule.action.value {
                    CalicoAction::Allow => Some(Action::Accept),
                    CalicoAction::Deny => Some(Action::Deny),
                    CalicoAction::Pass => Some(Action::Pass),
                    CalicoAction::Log => None,
                },
                rule: rule.span,
                is_about_some,
            };
            found.push(peer.place(id, object, path, Some(peer_of)));
        }
    }
    found
}

/// What an end of a rule of Calico's, or a policy, asks of pods.
struct CalicoEnd<'c> {
    selector: Option<&'c Spanned<CalicoSelector>>,
    namespaces: Option<&'c Spanned<CalicoSelector>>,
    /// Whether it asks for more than selectors of labels say.
    is_narrowed: bool,
    /// Whether it asks for nothing but labels and namespaces.
    is_whole: bool,
    span: Span,
}

impl<'c> CalicoEnd<'c> {
    fn of(entity: &'c CalicoEntity, span: Span) -> Self {
        Self {
            selector: entity.selector.as_ref(),
            namespaces: entity.namespace_selector.as_ref(),
            is_narrowed: entity.service.is_some()
                || entity.service_account_selector.is_some()
                || !entity.service_account_names.is_empty(),
            is_whole: entity.not_selector.is_none()
                && entity.nets.is_empty()
                && entity.not_nets.is_empty(),
            span,
        }
    }

    /// What it asks of pods.
    fn pods(&self) -> Option<LabelSelector> {
        let is_of_pods = |selector: &LabelSelector| {
            let mut keys = selector.keys();
            keys.all(|key| !CALICO_KEYS.iter().any(|prefix| key.starts_with(prefix)))
        };
        let pods = match self.selector {
            None => Some(LabelSelector::everything(self.span)),
            Some(selector) => (selector.value.to_label_selector(selector.span)).filter(is_of_pods),
        };
        pods.filter(|_| !self.is_narrowed)
    }

    /// What it asks of namespaces.
    fn namespace_labels(&self) -> Option<LabelSelector> {
        let written = self.namespaces?;
        let mut selector = written.value.to_label_selector(written.span)?;
        let labels = selector.match_labels.iter_mut().map(|it| &mut it.key);
        let entries = selector.match_expressions.iter_mut().map(|it| &mut it.key);
        for key in labels.chain(entries) {
            if key.value == CALICO_NAME_KEY {
                key.value = NAMESPACE_NAME_LABEL.into();
            }
        }
        Some(selector)
    }

    fn place(
        &self,
        id: PluginPolicyId,
        object: &'c PluginPolicy,
        path: String,
        peer_of: Option<PeerOf>,
    ) -> PluginSelector<'c> {
        PluginSelector {
            of: SelectingPolicy::Plugin(id, object),
            path,
            peer_of,
            pods: self.pods(),
            namespaces: self.namespace_labels(),
            has_places: false,
            dialect: Dialect::Calico {
                pods: self.selector.map(|it| &it.value),
                names_namespace: self.namespaces.is_some(),
                is_whole: self.is_whole,
            },
        }
    }
}

/// Whether a known workload may have the labels that an end of a rule of Calico's asks for, its
/// own namespace aside. What no selector of Kubernetes' can say no workload is known to have.
#[must_use]
pub fn is_known(cluster: &Cluster, entity: &CalicoEntity) -> bool {
    let places = [&entity.selector, &entity.namespace_selector];
    let Some(span) = places.into_iter().flatten().map(|it| it.span).next() else {
        return false;
    };
    let end = CalicoEnd::of(entity, span);
    let Some(pods) = end.pods() else {
        return false;
    };
    let namespaces = match end.namespaces {
        None => None,
        Some(_) => match end.namespace_labels() {
            None => return false,
            known => known,
        },
    };
    cluster.workload_ids().any(|id| {
        let workload = cluster.workload(id);
        let home = &cluster.namespace(workload.namespace).labels;
        pods.matches_opaque(&workload.object.labels) != Truth::False
            && (namespaces.as_ref()).is_none_or(|it| it.matches_opaque(home) != Truth::False)
    })
}

/// Whether the source of a rule of Calico's means nobody but pods of a namespace, where the rule
/// is of a policy of the namespace `home`, or of none.
#[must_use]
pub fn is_of_namespace(rule: &CalicoRule, home: Option<&str>, namespace: &str) -> bool {
    let entity = &rule.source;
    let end = CalicoEnd::of(entity, rule.span);
    match (&entity.namespace_selector, home) {
        (Some(_), _) => end.namespace_labels().is_some_and(|selector| {
            let mut labels = selector.match_labels.iter();
            labels.any(|it| it.key.value == NAMESPACE_NAME_LABEL && it.value.value == namespace)
        }),
        (None, Some(home)) => {
            let selects = entity.selector.is_some()
                || entity.not_selector.is_some()
                || entity.service_account_selector.is_some()
                || !entity.service_account_names.is_empty();
            selects && home == namespace
        }
        (None, None) => false,
    }
}

impl PeerOf {
    /// What a peer that matches nobody comes to in a rule of some action.
    #[must_use]
    pub fn idle(action: Option<Action>) -> &'static str {
        match action {
            Some(Action::Accept) => "allows nothing",
            Some(Action::Deny) => "denies nothing",
            Some(Action::Pass) | None => "matches nothing",
        }
    }
}

impl<'c> PluginSelector<'c> {
    /// The policy that it stands in.
    #[must_use]
    pub fn policy(&self) -> PolicyRef {
        match self.of {
            SelectingPolicy::Plugin(id, _) => PolicyRef::Plugin(id),
            SelectingPolicy::Cluster(id, _) => PolicyRef::Cluster(id),
        }
    }

    /// The metadata of that.
    #[must_use]
    pub fn meta(&self) -> &'c ObjectMeta {
        match self.of {
            SelectingPolicy::Plugin(_, policy) => &policy.meta,
            SelectingPolicy::Cluster(_, policy) => &policy.meta,
        }
    }

    /// The only namespace whose pods that policy is about; `None` if it may be about any.
    #[must_use]
    pub fn own_namespace(&self) -> Option<&'c str> {
        match self.of {
            SelectingPolicy::Plugin(_, policy) => policy.namespace(),
            SelectingPolicy::Cluster(..) => None,
        }
    }

    /// That policy as findings name it.
    #[must_use]
    pub fn display(&self) -> String {
        match self.of {
            SelectingPolicy::Plugin(_, policy) => policy.display(),
            SelectingPolicy::Cluster(_, policy) => {
                format!("{}/{}", policy.kind.name(), policy.meta.name)
            }
        }
    }

    /// What it comes to where it matches nobody.
    #[must_use]
    pub fn idle(&self) -> String {
        match self.peer_of {
            Some(peer) => format!("this peer {}", PeerOf::idle(peer.action)),
            None => "this policy does nothing".to_owned(),
        }
    }

    /// The known workloads whose pods are surely meant, in order.
    #[must_use]
    pub fn matching(&self, labelled: &Labelled<'c>, cluster: &'c Cluster) -> Vec<WorkloadId> {
        let everywhere: Vec<NamespaceId> = cluster.namespace_ids().collect();
        let candidates = match (&self.dialect, &self.pods) {
            (Dialect::Cilium(place), _) => {
                labelled.candidates_by(&everywhere, place.selector.asked_for())
            }
            (Dialect::Calico { .. } | Dialect::Kubernetes { .. }, Some(pods)) => {
                labelled.may_match(&everywhere, pods)
            }
            (Dialect::Calico { .. } | Dialect::Kubernetes { .. }, None) => Vec::new(),
        };
        let homes = self.looked_into(cluster);
        let is_meant = |id: &WorkloadId| match (&self.dialect, &self.pods) {
            (Dialect::Cilium(place), _) => {
                place.selector.truth(&PodView::workload(cluster, *id)) == Truth::True
            }
            (Dialect::Calico { .. } | Dialect::Kubernetes { .. }, Some(pods)) => {
                let workload = cluster.workload(*id);
                let is_home = homes
                    .as_ref()
                    .is_none_or(|it| it.binary_search(&workload.namespace).is_ok());
                let labels = &workload.object.labels;
                let is_pod = !workload.object.host_network;
                self.is_whole() && is_home && is_pod && pods.matches_opaque(labels) == Truth::True
            }
            (Dialect::Calico { .. } | Dialect::Kubernetes { .. }, None) => false,
        };
        candidates.into_iter().filter(is_meant).collect()
    }

    /// Whether its end of a rule asks for nothing but labels and namespaces.
    fn is_whole(&self) -> bool {
        !matches!(
            self.dialect,
            Dialect::Calico {
                is_whole: false,
                ..
            }
        )
    }

    /// Whether a workload's pods may be meant, wherever they are looked for.
    #[must_use]
    pub fn may_match(&self, cluster: &'c Cluster, id: WorkloadId) -> bool {
        match (&self.dialect, &self.pods) {
            (Dialect::Cilium(place), _) => {
                place.selector.truth(&PodView::workload(cluster, id)) != Truth::False
            }
            (Dialect::Calico { .. } | Dialect::Kubernetes { .. }, Some(pods)) => {
                pods.matches_pods_of(&cluster.workload(id).object) != Truth::False
            }
            (Dialect::Calico { .. } | Dialect::Kubernetes { .. }, None) => true,
        }
    }

    /// Whether it matches a workload of some namespaces, or may match one.
    #[must_use]
    pub fn may_match_one_in(
        &self,
        labelled: &Labelled<'c>,
        cluster: &'c Cluster,
        namespaces: &[NamespaceId],
    ) -> bool {
        let mut labels = match &self.pods {
            Some(pods) => pods.clone(),
            None => LabelSelector::everything(self.meta().span),
        };
        // A dialect may see fewer labels of a pod than its manifest has, but no more than these.
        let is_written = |key: &str| !key.starts_with(CILIUM_KEYS);
        labels.match_labels.retain(|label| is_written(&label.key));
        labels.match_expressions.retain(|it| is_written(&it.key));
        let mut candidates = labelled.candidates(namespaces, &labels).into_iter();
        candidates.any(|id| self.may_match(cluster, id))
    }

    /// Whether addresses that somebody has named may be meant: a network set of Calico's has
    /// labels as pods have (K6).
    #[must_use]
    pub fn may_match_addresses(&self, cluster: &Cluster) -> bool {
        let (Dialect::Calico { .. }, Some(pods), true) =
            (&self.dialect, &self.pods, self.is_peer())
        else {
            return false;
        };
        let mut sets = cluster.plugin_resources().network_sets.iter();
        sets.any(|set| pods.matches_opaque(&set.meta.labels) != Truth::False)
    }

    /// Whether it names peers, and not the pods that rules are about.
    #[must_use]
    pub fn is_peer(&self) -> bool {
        self.peer_of.is_some()
    }

    /// The namespaces in which it looks for pods, as far as they are known; `None` where it may
    /// look into any.
    #[must_use]
    pub fn looked_into(&self, cluster: &Cluster) -> Option<Vec<NamespaceId>> {
        match &self.dialect {
            Dialect::Cilium(place) => place.namespaces(cluster),
            Dialect::Calico {
                names_namespace: false,
                ..
            } => {
                let own = self.own_namespace()?;
                Some(cluster.namespace_by_name(own).into_iter().collect())
            }
            Dialect::Calico { .. } | Dialect::Kubernetes { .. } => {
                let selector = self.namespaces.as_ref().filter(|it| !it.is_opaque())?;
                Some(cluster.namespaces_matching(selector))
            }
        }
    }

    /// Whether it says itself in which namespaces it looks for pods.
    #[must_use]
    pub fn names_namespace(&self) -> bool {
        match &self.dialect {
            Dialect::Cilium(place) => place.selector.implied_namespace().is_none(),
            Dialect::Calico {
                names_namespace, ..
            } => *names_namespace,
            Dialect::Kubernetes { .. } => true,
        }
    }

    /// How its dialect asks for a namespace by its name.
    #[must_use]
    pub fn by_name(&self, namespace: &str) -> String {
        match &self.dialect {
            Dialect::Cilium(_) => format!("k8s:io.kubernetes.pod.namespace: {namespace}"),
            Dialect::Calico { .. } => format!("{CALICO_NAME_KEY} == '{namespace}'"),
            Dialect::Kubernetes { .. } => format!("{NAMESPACE_NAME_LABEL}: {namespace}"),
        }
    }

    /// The field by which a rule of its dialect names peers in a direction.
    #[must_use]
    pub fn field_of_peers(&self, direction: Direction) -> &'static str {
        match (&self.dialect, direction) {
            (Dialect::Cilium(_), Direction::Ingress) => "fromEndpoints",
            (Dialect::Cilium(_), Direction::Egress) => "toEndpoints",
            (Dialect::Calico { .. }, Direction::Ingress) => "source.selector",
            (Dialect::Calico { .. }, Direction::Egress) => "destination.selector",
            (Dialect::Kubernetes { .. }, direction) => direction.peers_field(),
        }
    }

    /// The labels that pods may have for it to match, as keys and values of pods' manifests.
    #[must_use]
    pub fn wanted_values(&self) -> Vec<(&'c str, &'c str)> {
        match &self.dialect {
            Dialect::Cilium(place) => {
                let wanted = place.selector.written().wanted_values();
                let plain = |key: &'c str| {
                    let key = key.strip_prefix("k8s:").unwrap_or(key);
                    key.strip_prefix("any:").unwrap_or(key)
                };
                wanted.map(|(key, value)| (plain(key), value)).collect()
            }
            Dialect::Calico { pods, .. } => pods.map_or_else(Vec::new, |it| it.wanted_values()),
            Dialect::Kubernetes { pods } => {
                pods.map_or_else(Vec::new, |it| it.wanted_values().collect())
            }
        }
    }
}
