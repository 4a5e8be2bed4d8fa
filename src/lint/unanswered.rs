//! Rules between pods of one namespace, or of two that they name, whose other end surely does not
//! answer: its policies allow none of it, whatever pods there are.
//!
//! Decided from the text of NetworkPolicies alone, for pods that no manifest holds. It leans
//! towards an answer: what may match, matches. And a policy of the other end must have been
//! written for it, rules and all, as another repository may hold the rest of a mere default
//! deny. Refuses to know workloads, and how a finding is worded.

use super::callers::may_select_namespace;
use super::containment::PodSet;
use super::unjudged::Unjudged;
use super::{Context, dns, ports};
use crate::cluster::{NamespaceId, PolicyId};
use crate::k8s::{
    Direction, LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyRule, PeerPlace,
    PortReference,
};
use crate::source::Span;
use std::collections::BTreeMap;

/// A peer of which the pods do not answer.
#[derive(Clone, Debug)]
pub struct Unanswered<'c> {
    /// The pods of the policy.
    pub subject: &'c LabelSelector,
    /// The pods of the peer.
    pub other: &'c LabelSelector,
    /// Their namespace.
    pub home: NamespaceId,
    /// The policies that isolate all pods of the peer in the other direction; never empty.
    pub isolating: Vec<PolicyId>,
    /// Rules of the other end for these pods, on other ports.
    pub on_other_ports: Vec<Span>,
}

/// The NetworkPolicies of every namespace, with the pods of each worked out once.
#[derive(Debug)]
pub struct Ends<'c> {
    by_namespace: BTreeMap<NamespaceId, NamespaceEnds<'c>>,
}

/// Those of one namespace, by the first label that their selectors ask for: most ask for
/// different values of one key, and only few of them can select the same pods.
#[derive(Debug, Default)]
struct NamespaceEnds<'c> {
    by_label: BTreeMap<&'c str, BTreeMap<&'c str, Vec<End<'c>>>>,
    without_label: Vec<End<'c>>,
}

impl<'c> NamespaceEnds<'c> {
    fn add(&mut self, end: End<'c>) {
        let selector = end.policy.pod_selector.get();
        match selector.and_then(|selector| selector.match_labels.first()) {
            Some(label) => {
                let of_key = self.by_label.entry(label.key.as_str()).or_default();
                of_key.entry(label.value.as_str()).or_default().push(end);
            }
            None => self.without_label.push(end),
        }
    }

    fn all(&self) -> impl Iterator<Item = &End<'c>> {
        let labelled = self.by_label.values().flat_map(BTreeMap::values);
        labelled.flatten().chain(&self.without_label)
    }

    /// Those that may select pods of this selector, and few others.
    fn near(&self, selector: &LabelSelector) -> Vec<&End<'c>> {
        let of_keys = self.by_label.iter().flat_map(|(key, of_key)| {
            let mut labels = selector.match_labels.iter();
            let asked = labels.find(|label| label.key.as_str() == *key);
            let (one, all) = match asked {
                Some(label) => (of_key.get(label.value.as_str()), None),
                None => (None, Some(of_key.values())),
            };
            one.into_iter().chain(all.into_iter().flatten())
        });
        of_keys.flatten().chain(&self.without_label).collect()
    }
}

/// A policy, and the pods that it selects as far as its text is known.
#[derive(Debug)]
struct End<'c> {
    id: PolicyId,
    policy: &'c NetworkPolicy,
    pods: Option<PodSet>,
}

impl End<'_> {
    fn may_select(&self, pods: &PodSet) -> bool {
        let own = self.pods.as_ref();
        own.is_none_or(|own| own.overlaps(pods))
    }

    fn selects_all(&self, pods: &PodSet) -> bool {
        let own = self.pods.as_ref();
        own.is_some_and(|own| own.contains(pods))
    }

    /// Whether it says what these pods, and not all there are, may do.
    fn is_written_for_some(&self, direction: Direction) -> bool {
        let selector = self.policy.pod_selector.get();
        selector.is_some_and(|it| !it.is_empty()) && !self.policy.rules(direction).is_empty()
    }
}

impl<'c> Ends<'c> {
    /// Those of namespaces in which every policy is a NetworkPolicy whose whole text is known.
    #[must_use]
    pub fn new(cx: &Context<'c>, unjudged: &Unjudged) -> Self {
        let cluster = cx.cluster;
        let mut by_namespace = BTreeMap::new();
        if !cluster.cluster_policies().is_empty() {
            return Self { by_namespace };
        }
        for namespace in cluster.namespace_ids() {
            if unjudged.may_be_in(cluster, namespace) {
                continue;
            }
            let ends = cluster.policies_in(namespace).map(|id| {
                let policy: &NetworkPolicy = &cluster.policy(id).object;
                let pods = PodSet::of(policy.pod_selector.get());
                End { id, policy, pods }
            });
            let mut of_namespace = NamespaceEnds::default();
            ends.for_each(|end| of_namespace.add(end));
            if of_namespace
                .all()
                .all(|end| end.policy.meta.holes.is_empty())
            {
                by_namespace.insert(namespace, of_namespace);
            }
        }
        Self { by_namespace }
    }

    /// Looks for the answer to a peer; `None` where there may be one.
    #[must_use]
    pub fn unanswered(
        &self,
        cx: &Context<'c>,
        id: PolicyId,
        place: PeerPlace<'c>,
    ) -> Option<Unanswered<'c>> {
        let namespace = cx.cluster.policy(id).namespace;
        self.by_namespace.get(&namespace)?;
        let policy: &'c NetworkPolicy = &cx.cluster.policy(id).object;
        if !policy.applies_to(place.direction) {
            return None;
        }
        let subject = policy.pod_selector.get()?;
        let (home, other) = pods_of_one_namespace(cx, namespace, place.peer)?;
        let ends = self.by_namespace.get(&home)?;
        let is_own = home == namespace;
        // All pods on one side only: some of them may be meant, and answer. And a lone pod
        // needs no answer.
        let are_all = other.is_empty();
        let is_alone = cx.cluster.workloads_in(namespace).len() == 1;
        if subject.is_empty() != are_all || are_all && (is_alone || !is_own) {
            return None;
        }
        let (subjects, others) = (PodSet::of(Some(subject))?, PodSet::of(Some(other))?);
        // Pods that reach themselves are not pods that reach each other: a container of the same
        // pod answers on the loopback address.
        let are_the_same = subjects.contains(&others) && others.contains(&subjects);
        if are_the_same && !are_all && is_own {
            return None;
        }
        let opposite = opposite_of(place.direction);
        let near = ends.near(other);
        let isolates = |end: &&End<'_>| end.policy.applies_to(opposite) && end.selects_all(&others);
        let isolating: Vec<&End<'_>> = near.iter().copied().filter(isolates).collect();
        let is_looked_after = match are_all {
            true => near
                .iter()
                .any(|end| !end.policy.rules(opposite).is_empty()),
            false => isolating
                .iter()
                .any(|end| end.is_written_for_some(opposite)),
        };
        if isolating.is_empty() || !is_looked_after {
            return None;
        }
        let answers = Answers {
            cx,
            namespace,
            home,
            asked: place.rule,
            subjects: &subjects,
        };
        let mut on_other_ports = Vec::new();
        let of_others = || near.iter().filter(|end| end.may_select(&others));
        for rule in of_others().flat_map(|end| end.policy.rules(opposite)) {
            if answers.is_for_subjects(rule) {
                if answers.has_common_ports(rule) {
                    return None;
                }
                on_other_ports.extend(rule.ports.items().first().map(|port| port.span));
            }
        }
        // Seen from an ingress rule, an egress rule of the senders for these pods is reported,
        // and once is enough.
        let is_for_names = |rule: &&NetworkPolicyRule| {
            let ports = rule.ports.items();
            !ports.is_empty() && ports.iter().all(dns::is_dns_port)
        };
        let egress = of_others().flat_map(|end| end.policy.rules(opposite));
        let mut egress = egress.filter(|rule| are_all || !is_for_names(rule));
        let is_told_there =
            place.direction == Direction::Ingress && egress.any(|rule| names(rule, &subjects));
        (!is_told_there).then(|| Unanswered {
            subject,
            other,
            home,
            isolating: isolating.iter().map(|end| end.id).collect(),
            on_other_ports,
        })
    }
}

/// Whether a selector may select some of the pods.
fn may_select(selector: Option<&LabelSelector>, pods: &PodSet) -> bool {
    PodSet::of(selector).is_none_or(|selected| selected.overlaps(pods))
}

/// Whether a peer of a rule may name some of the pods.
fn names(rule: &NetworkPolicyRule, pods: &PodSet) -> bool {
    let mut selectors = rule
        .peers
        .items()
        .iter()
        .filter_map(|peer| peer.selectors());
    selectors.any(|(_, selector)| may_select(selector, pods))
}

/// The direction of the other end.
#[must_use]
pub fn opposite_of(direction: Direction) -> Direction {
    match direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    }
}

/// The selector of a peer for pods of the policy's own namespace, or of another one that it asks
/// for by its name alone, with that namespace.
fn pods_of_one_namespace<'c>(
    cx: &Context<'c>,
    own: NamespaceId,
    peer: &'c NetworkPolicyPeer,
) -> Option<(NamespaceId, &'c LabelSelector)> {
    let (namespaces, pods) = peer.selectors()?;
    let home = match namespaces {
        None => own,
        Some(selector) => {
            let name = dns::only_name(selector)?;
            cx.cluster.namespace_by_name(name)?
        }
    };
    Some((home, pods?))
}

/// What the rules of the other end are held against.
struct Answers<'a, 'c> {
    cx: &'a Context<'c>,
    /// The namespace of the pods that a policy is about.
    namespace: NamespaceId,
    /// That of the policies of the other end.
    home: NamespaceId,
    asked: &'a NetworkPolicyRule,
    subjects: &'a PodSet,
}

impl Answers<'_, '_> {
    /// Whether some of the pods may be among the peers of a rule. A block of addresses may
    /// hold theirs.
    fn is_for_subjects(&self, rule: &NetworkPolicyRule) -> bool {
        let name = &self.cx.cluster.namespace(self.namespace).name;
        let may_be_one = |peer: &NetworkPolicyPeer| {
            let Some((namespaces, pods)) = peer.selectors() else {
                return true;
            };
            let may_be_home = match namespaces {
                None => self.home == self.namespace,
                Some(selector) => may_select_namespace(self.cx, selector, name),
            };
            may_be_home && may_select(pods, self.subjects)
        };
        rule.peers.items().is_empty() || rule.peers.items().iter().any(may_be_one)
    }

    /// Whether some port may be open by both rules; a name may mean any number.
    fn has_common_ports(&self, rule: &NetworkPolicyRule) -> bool {
        let has_name = |rule: &NetworkPolicyRule| {
            let mut ports = rule.ports.items().iter();
            ports.any(|port| {
                let port = port.port.get().map(|port| &port.value);
                matches!(port, Some(PortReference::Name(_)))
            })
        };
        let common = ports::by_number(rule).intersection(&ports::by_number(self.asked));
        has_name(rule) || has_name(self.asked) || !common.is_empty()
    }
}
