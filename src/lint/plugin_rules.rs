//! The policies of the CNI plugin in force, rule by rule: the text of a rule beside what the
//! engine's program makes of it, and the selectors in them.
//!
//! Refuses to know what is wrong with any. Policies that nobody enforces are not here: those of
//! another plugin, those that the API server or the plugin's agent rejects, staged ones.

use super::rewrite::first_line;
use super::{Context, dns};
use crate::cluster::{Cluster, Cni, NamespaceId, PluginPolicyId, WorkloadId};
use crate::engine::program::{Chain, Matcher, PodSet, Program, Rule};
use crate::engine::{CiliumSelector, Endpoint, NamespaceView, PodView, PolicyRef, RuleRef};
use crate::k8s::{
    Action, CalicoAction, CalicoPolicy, CalicoPort, CalicoProtocol, CalicoRule, CiliumPeers,
    CiliumPolicy, CiliumPort, CiliumPortReference, CiliumProtocol, CiliumRule, CiliumSpec,
    CiliumSubject, Direction, LabelSelector, Labels, PluginPolicy, PluginSpec, PolicyEffect,
    Protocol, Truth, is_opaque,
};
use crate::source::{SourceMap, Span, Spanned};
use std::collections::{BTreeSet, HashMap};

/// A policy of Cilium's that is enforced.
#[derive(Clone, Copy, Debug)]
pub struct CiliumInForce<'c> {
    /// Its id.
    pub id: PluginPolicyId,
    /// The object.
    pub object: &'c PluginPolicy,
    /// What it says.
    pub policy: &'c CiliumPolicy,
}

/// A policy of Calico's that is enforced.
#[derive(Clone, Copy, Debug)]
pub struct CalicoInForce<'c> {
    /// Its id.
    pub id: PluginPolicyId,
    /// The object.
    pub object: &'c PluginPolicy,
    /// What it says.
    pub policy: &'c CalicoPolicy,
}

/// The policies of Cilium's that are enforced, in order.
pub fn cilium_policies(cluster: &Cluster) -> impl Iterator<Item = CiliumInForce<'_>> {
    let options = cluster.enforcement().cilium();
    in_force(cluster, Cni::Cilium).filter_map(move |(id, object)| match &object.spec {
        PluginSpec::Cilium(policy) if options.faults_as_written(object).next().is_none() => {
            Some(CiliumInForce { id, object, policy })
        }
        _ => None,
    })
}

/// The policies of Calico's that are enforced on pods, in order.
pub fn calico_policies(cluster: &Cluster) -> impl Iterator<Item = CalicoInForce<'_>> {
    in_force(cluster, Cni::Calico).filter_map(|(id, object)| match &object.spec {
        PluginSpec::Calico(policy) if policy.host_endpoints_only.is_none() => {
            let policy = policy.as_ref();
            Some(CalicoInForce { id, object, policy })
        }
        _ => None,
    })
}

fn in_force(
    cluster: &Cluster,
    plugin: Cni,
) -> impl Iterator<Item = (PluginPolicyId, &PluginPolicy)> {
    let is_in_force = cluster.enforcement().cni().map(|cni| cni.value) == Some(plugin);
    let ids = cluster.plugin_policy_ids().filter(move |_| is_in_force);
    let policies = ids.map(|id| (id, cluster.plugin_policy(id)));
    policies.filter(move |(_, policy)| {
        policy.meta.is_accepted
            && policy.kind.effect != PolicyEffect::Nothing
            && Cni::of(policy.kind.product) == Some(plugin)
    })
}

/// A rule of Cilium's.
#[derive(Clone, Copy, Debug)]
pub struct CiliumPlace<'p, 'c> {
    /// Its policy.
    pub policy: CiliumInForce<'c>,
    /// Its rule set.
    pub spec: &'c CiliumSpec,
    /// The rule as it is written.
    pub rule: &'c CiliumRule,
    /// The rule as it is enforced.
    pub enforced: &'p Rule<'c>,
    /// The pods that it is about.
    pub subject: &'p PodSet<'c>,
}

/// The rules of Cilium's that are enforced, in the order of the policies and of their text.
#[must_use]
pub fn cilium_rules<'p, 'c>(
    cluster: &'c Cluster,
    program: &'p Program<'c>,
) -> Vec<CiliumPlace<'p, 'c>> {
    let policies: Vec<CiliumInForce<'c>> = cilium_policies(cluster).collect();
    let mut places = Vec::new();
    for (id, chain, rule) in rules(program) {
        let RuleRef::Cilium(spec, written) = rule.origin.rule else {
            continue;
        };
        if let Ok(index) = policies.binary_search_by_key(&id, |policy| policy.id) {
            places.push(CiliumPlace {
                policy: policies[index],
                spec,
                rule: written,
                enforced: rule,
                subject: &chain.subject,
            });
        }
    }
    places.sort_by_key(|place| (place.policy.id, place.rule.span));
    places
}

/// What the program makes of one rule of a policy: whom it is about, and the rule as it is
/// enforced; several where it depends on the family of addresses.
pub type EnforcedRules<'p, 'c> =
    HashMap<(PluginPolicyId, Span), Vec<(&'p PodSet<'c>, &'p Rule<'c>)>>;

/// The rules of the policies of CNI plugins as they are enforced, by their policy and their text.
#[must_use]
pub fn enforced<'p, 'c>(program: &'p Program<'c>) -> EnforcedRules<'p, 'c> {
    let mut found = EnforcedRules::new();
    for (id, chain, rule) in rules(program) {
        if let Some(span) = rule.origin.rule.span() {
            let of_text = found.entry((id, span)).or_default();
            of_text.push((&chain.subject, rule));
        }
    }
    found
}

/// The rules of the policies of CNI plugins, wherever the program asks them.
fn rules<'p, 'c>(
    program: &'p Program<'c>,
) -> impl Iterator<Item = (PluginPolicyId, &'p Chain<'c>, &'p Rule<'c>)> {
    let stages = program.stages();
    let stages = stages.filter(|stage| stage.name.is_of_rules());
    let chains = stages.flat_map(|stage| {
        let directions = Direction::BOTH.into_iter();
        directions.flat_map(|direction| stage.chains.get(direction))
    });
    chains.flat_map(|chain| {
        let id = match chain.policy {
            PolicyRef::Plugin(id) => Some(id),
            PolicyRef::Network(_)
            | PolicyRef::Cluster(_)
            | PolicyRef::Part(_)
            | PolicyRef::Agent => None,
        };
        let rules = chain.rules.iter();
        id.into_iter()
            .flat_map(move |id| rules.clone().map(move |rule| (id, chain, rule)))
    })
}

/// The known workloads that are surely pods of a set, in order.
#[must_use]
pub fn workloads_of(cx: &Context<'_>, pods: &PodSet<'_>) -> Vec<WorkloadId> {
    let cluster = cx.cluster;
    let ids = cx.labelled().candidates_of(pods);
    let is_one = |id: &WorkloadId| {
        cluster.workload(*id).object.meta.is_accepted
            && pods.truth(&PodView::workload(cluster, *id)) == Truth::True
    };
    ids.into_iter().filter(is_one).collect()
}

/// The labels that a policy asks of pods by a selector of its subject; see
/// [`CiliumPlace::described_labels`].
#[must_use]
pub fn described_labels(
    cluster: &Cluster,
    selector: &LabelSelector,
    policy: &PluginPolicy,
) -> Option<Labels> {
    let selector = CiliumSelector::subject(cluster, selector, policy.namespace());
    selector.pod_labels()?.satisfying_labels()
}

impl<'c> CiliumPlace<'_, 'c> {
    /// The known workloads whose ports the rule is about, in order: those that its policy
    /// selects, or for egress its peers. `None` where some of them may not be known.
    #[must_use]
    pub fn destinations(&self, cx: &Context<'c>) -> Option<Vec<WorkloadId>> {
        if self.rule.section.direction() == Direction::Ingress {
            let selected = workloads_of(cx, self.subject);
            return (!selected.is_empty()).then_some(selected);
        }
        let mut all = Vec::new();
        for peer in self.enforced.peers.as_ref()? {
            let Matcher::Pods(pods) = &peer.matcher else {
                return None;
            };
            let matched = workloads_of(cx, pods);
            if matched.is_empty() {
                return None;
            }
            all.extend(matched);
        }
        all.sort_unstable();
        all.dedup();
        (!all.is_empty()).then_some(all)
    }
}

impl<'c> CiliumPlace<'_, 'c> {
    /// The ports of a rule that lets pods ask a resolver and does nothing else, with the place of
    /// each: all of them are resolvers' ports. `None` for any other rule.
    #[must_use]
    pub fn dns_ports(&self) -> Option<Vec<(String, &'c CiliumPort)>> {
        let is_for_dns = |port: &CiliumPort| {
            let is_its = [dns::PORT, dns::OPENSHIFT_PORT].map(CiliumPortReference::Number);
            is_its.contains(&port.port.value) && port.end_port.is_none()
        };
        let allows = self.enforced.action == Action::Accept && !self.enforced.is_opaque;
        if !allows || self.rule.section.direction() != Direction::Egress {
            return None;
        }
        let rules = self.rule.to_ports.as_ref()?.value.iter().enumerate();
        let ports = rules.flat_map(|(index, rule)| {
            let ports = rule.ports.iter().enumerate();
            ports.map(move |(place, port)| (format!("toPorts[{index}].ports[{place}]"), port))
        });
        let ports: Vec<(String, &CiliumPort)> = ports.collect();
        let is_all = !ports.is_empty() && ports.iter().all(|(_, port)| is_for_dns(port));
        is_all.then_some(ports)
    }

    /// The protocols over which the pods of the policy may ask a resolver, if all of them may
    /// over the same; those of a pod that it was written for, whatever further labels it has,
    /// where no manifest holds one. `None` where that is not known of any.
    #[must_use]
    pub fn asks_over(&self, cx: &Context<'c>) -> Option<BTreeSet<Protocol>> {
        let pods = workloads_of(cx, self.subject);
        match pods.is_empty() {
            true => self.described_pod_asks_over(cx),
            false => workloads_ask_over(cx, &pods, self.rule.span),
        }
    }

    fn described_pod_asks_over(&self, cx: &Context<'c>) -> Option<BTreeSet<Protocol>> {
        let cluster = cx.cluster;
        let namespace = cluster.namespace_by_name(self.policy.object.namespace()?)?;
        let name = &cluster.namespace(namespace).name;
        let is_told = cx.settings.inventory.is_complete_in(name);
        if is_told
            || cx
                .unjudged()
                .is_unknown_for(cluster, namespace, Direction::Egress)
        {
            return None;
        }
        let labels = self.described_labels(cluster)?;
        let mut pod = PodView::hypothetical(NamespaceView::of(cluster, namespace), &labels);
        pod.are_labels_known = false;
        Some(dns::reached_from(cx, &Endpoint::Pod(pod), self.rule.span))
    }
}

impl CiliumPlace<'_, '_> {
    /// The labels that its policy asks of pods: those of a pod that it was written for, where
    /// no manifest holds one. `None` where nobody can say.
    #[must_use]
    pub fn described_labels(&self, cluster: &Cluster) -> Option<Labels> {
        match &self.spec.subject {
            CiliumSubject::Endpoints(selector) => {
                described_labels(cluster, selector, self.policy.object)
            }
            CiliumSubject::Nodes(_) => None,
        }
    }

    /// Its place in its policy: `spec.ingress[1]`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}.{}", self.spec.path, self.rule.place())
    }

    /// What to underline for it.
    #[must_use]
    pub fn mark(&self, sources: &SourceMap) -> Span {
        mark(sources, self.rule.dash, self.rule.span)
    }
}

/// The protocols over which workloads may ask a resolver, if all of them may over the same;
/// `None` where that is not known, and where there are none. `span` is the text that makes one
/// think of it.
fn workloads_ask_over(
    cx: &Context<'_>,
    pods: &[WorkloadId],
    span: Span,
) -> Option<BTreeSet<Protocol>> {
    let cluster = cx.cluster;
    let unjudged = cx.unjudged();
    let is_known = |id: &WorkloadId| !unjudged.is_unknown_for_pods(cluster, *id, Direction::Egress);
    if !pods.iter().all(is_known) {
        return None;
    }
    let asks = |id: &WorkloadId| {
        let pod = Endpoint::workload(cluster, *id);
        dns::reached_from(cx, &pod, span)
    };
    let mut all = pods.iter().map(asks);
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

/// A rule of Calico's.
#[derive(Clone, Copy, Debug)]
pub struct CalicoPlace<'c> {
    /// Its policy.
    pub policy: CalicoInForce<'c>,
    /// Its direction.
    pub direction: Direction,
    /// Its place among the rules of its direction, from 0.
    pub index: usize,
    /// The rule.
    pub rule: &'c CalicoRule,
}

/// The rules of Calico's that are enforced, in the order of the policies and of their text.
pub fn calico_rules(cluster: &Cluster) -> impl Iterator<Item = CalicoPlace<'_>> {
    calico_policies(cluster).flat_map(|policy| {
        let directions = Direction::BOTH.into_iter();
        directions.flat_map(move |direction| {
            let rules = policy.policy.rules(direction).iter().enumerate();
            rules.map(move |(index, rule)| CalicoPlace {
                policy,
                direction,
                index,
                rule,
            })
        })
    })
}

impl<'c> CalicoPlace<'c> {
    /// The rule as it is enforced: several where it depends on the family of addresses.
    pub fn enforced<'p>(&self, program: &'p Program<'c>) -> impl Iterator<Item = &'p Rule<'c>> {
        let (id, own) = (self.policy.id, self.rule);
        rules(program)
            .filter(move |(policy, _, rule)| {
                let is_own =
                    matches!(rule.origin.rule, RuleRef::Calico(rule) if std::ptr::eq(rule, own));
                *policy == id && is_own
            })
            .map(|(_, _, rule)| rule)
    }
}

impl CalicoPlace<'_> {
    /// The protocol of a rule that lets pods ask a resolver and does nothing else.
    #[must_use]
    pub fn dns_protocol(&self) -> Option<&Spanned<CalicoProtocol>> {
        let is_for_dns = |port: &Spanned<CalicoPort>| {
            let of_dns = [dns::PORT, dns::OPENSHIFT_PORT];
            of_dns
                .map(|port| CalicoPort::Range(port, port))
                .contains(&port.value)
        };
        let ports = &self.rule.destination.ports;
        let is_its = self.direction == Direction::Egress
            && self.rule.action.value == CalicoAction::Allow
            && !ports.is_empty()
            && ports.iter().all(is_for_dns);
        self.rule.protocol.as_ref().filter(|_| is_its)
    }

    /// The protocols over which the pods of the policy may ask a resolver, as for Cilium.
    #[must_use]
    pub fn asks_over(
        &self,
        cx: &Context<'_>,
        enforced: &EnforcedRules<'_, '_>,
    ) -> Option<BTreeSet<Protocol>> {
        let (subject, _) = enforced.get(&(self.policy.id, self.rule.span))?.first()?;
        let pods = workloads_of(cx, subject);
        workloads_ask_over(cx, &pods, self.rule.span)
    }

    /// Its place in its policy: `spec.ingress[1]`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("spec.{}[{}]", self.direction.field(), self.index)
    }
}

/// A port's name in a rule of a CNI plugin's.
#[derive(Clone, Debug)]
pub struct PluginPortName<'c> {
    /// The name.
    pub name: &'c str,
    /// Its text.
    pub span: Span,
    /// The protocol that the port must have; any where `None`.
    pub protocol: Option<Protocol>,
}

/// The names of ports in a rule of a CNI plugin's: what they mean depends on the pods that it is
/// about. One that another tool fills in is left out.
#[must_use]
pub fn named_ports(rule: RuleRef<'_>) -> Vec<PluginPortName<'_>> {
    let mut names = match rule {
        RuleRef::Cilium(_, rule) => {
            let rules = rule.to_ports.iter().flat_map(|it| &it.value);
            let ports = rules.flat_map(|rule| &rule.ports);
            let names = ports.filter_map(|port| match &port.port.value {
                CiliumPortReference::Name(name) => Some(PluginPortName {
                    name,
                    span: port.port.span,
                    protocol: match port.protocol {
                        CiliumProtocol::Of(protocol) => Some(protocol),
                        CiliumProtocol::Any | CiliumProtocol::Icmp | CiliumProtocol::Portless => {
                            None
                        }
                    },
                }),
                CiliumPortReference::Number(_) => None,
            });
            names.collect()
        }
        RuleRef::Calico(rule) => {
            let ports = rule.destination.ports.iter();
            let names = ports.filter_map(|port| match &port.value {
                CalicoPort::Name(name) => Some(PluginPortName {
                    name,
                    span: port.span,
                    protocol: match rule.protocol.as_ref().map(|it| it.value) {
                        Some(CalicoProtocol::Of(protocol)) => Some(protocol),
                        _ => None,
                    },
                }),
                CalicoPort::Range(..) => None,
            });
            names.collect()
        }
        _ => Vec::new(),
    };
    names.retain(|port| !is_opaque(port.name));
    names
}

/// What to underline for a rule.
#[must_use]
pub fn mark(sources: &SourceMap, dash: Option<Span>, span: Span) -> Span {
    dash.unwrap_or_else(|| first_line(sources, span))
}

/// A selector of pods in a policy of Cilium's.
#[derive(Clone, Debug)]
pub struct CiliumSelectorPlace<'c> {
    /// Its policy.
    pub policy: CiliumInForce<'c>,
    /// Its path, such as `spec.ingress[0].fromEndpoints[1]`.
    pub path: String,
    /// What it is.
    pub selector: CiliumSelector<'c>,
    /// The rule whose peers it names; `None` where it names the pods that its rule set is about.
    pub rule: Option<&'c CiliumRule>,
    /// The one that names the pods that its rule set is about.
    pub subject: &'c LabelSelector,
}

impl CiliumSelectorPlace<'_> {
    /// Whether it names peers, and not the pods that its rule set is about.
    #[must_use]
    pub fn is_peer(&self) -> bool {
        self.rule.is_some()
    }

    /// The one namespace in which it looks for pods, or those that it names, as far as they are
    /// known; `None` where it may look into any.
    #[must_use]
    pub fn namespaces(&self, cluster: &Cluster) -> Option<Vec<NamespaceId>> {
        if let Some(own) = self.selector.implied_namespace() {
            return Some(cluster.namespace_by_name(own).into_iter().collect());
        }
        let (_, names) = self.selector.named_namespaces().next()?;
        let is_known = names.iter().all(|name| !is_opaque(name));
        let ids = names
            .iter()
            .filter_map(|name| cluster.namespace_by_name(name));
        is_known.then(|| ids.collect())
    }
}

/// The selectors of pods of the policies of Cilium's that are enforced, in the order of the
/// policies and of their text. Peers that may mean pods of another cluster of a mesh are left
/// out: those pods are not among the inputs.
#[must_use]
pub fn cilium_selectors(cluster: &Cluster) -> Vec<CiliumSelectorPlace<'_>> {
    let mut places: Vec<CiliumSelectorPlace<'_>> = Vec::new();
    for policy in cilium_policies(cluster) {
        let namespace = policy.object.namespace();
        for spec in &policy.policy.specs {
            let CiliumSubject::Endpoints(subject) = &spec.subject else {
                continue;
            };
            places.push(CiliumSelectorPlace {
                policy,
                path: format!("{}.endpointSelector", spec.path),
                selector: CiliumSelector::subject(cluster, subject, namespace),
                rule: None,
                subject,
            });
            for rule in &spec.rules {
                for field in &rule.peer_fields {
                    let CiliumPeers::Endpoints(selectors) = &field.peers else {
                        continue;
                    };
                    let of_peer = selectors.iter().enumerate().map(|(index, selector)| {
                        let selector = CiliumSelector::peer(cluster, selector, namespace);
                        (index, selector)
                    });
                    let of_peer = of_peer.filter(|(_, it)| !it.may_mean_another_cluster());
                    let places_of_field = of_peer.map(|(index, selector)| {
                        let (place, name) = (rule.place(), field.name);
                        CiliumSelectorPlace {
                            policy,
                            path: format!("{}.{place}.{name}[{index}]", spec.path),
                            selector,
                            rule: Some(rule),
                            subject,
                        }
                    });
                    places.extend(places_of_field);
                }
            }
        }
    }
    places
}
