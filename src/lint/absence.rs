//! Whether pods that a selector asks for may be there although no workload among the
//! manifests is theirs: the one place where an absence is weighed. Copies that another one of
//! the same name hides, files that nothing deploys, what operators make of their objects, charts, what a Service or
//! another policy counts on; and parts of which nobody knows what they hold.
//!
//! Refuses to know what a rule makes of the answer, and whether a selector looks like a
//! mistake.

mod mentions;
mod sources;

use self::mentions::Mentions;
use self::sources::{Sources, makes_no_pods};
use super::Context;
use super::plugin_selectors::plugin_selectors;
use crate::cluster::platform::{self, Operand};
use crate::cluster::{Cluster, Cni, NamespaceId, WorkloadId};
use crate::engine::PolicyRef;
use crate::k8s::{
    CustomObject, Gateway, LabelSelector, Labels, Object, Prometheus, Truth, Workload,
};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

/// Whether pods that no manifest holds are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// Every pod of the namespace is known: they are not.
    Absent,
    /// Nothing speaks for them, and nothing rules them out.
    Possible,
    /// Something speaks for them.
    SpokenFor,
}

/// What speaks for pods that are not among the manifests, by namespace.
pub struct Inventories<'a> {
    cluster: &'a Cluster,
    /// By namespace: whether it has a part of which nobody knows what it holds.
    is_open: Vec<bool>,
    /// By namespace: the selectors of policies and Services that no known workload matches.
    /// A namespace in which there are none is fully declared.
    unmet: Vec<OnceLock<Vec<Option<PolicyRef>>>>,
    /// Workloads that another one of their name hides, by namespace.
    hidden: HashMap<&'a str, Vec<&'a Workload>>,
    /// Workloads of which nothing says in which namespace they end up.
    homeless: Vec<WorkloadId>,
    /// Objects that operators make pods of.
    operated: Vec<(&'a CustomObject, &'static [Operand])>,
    mentions: Mentions<'a>,
    /// By namespace, key and value: the policies that ask for the label.
    asked_for: HashMap<(NamespaceId, &'a str, &'a str), BTreeSet<PolicyRef>>,
}

impl<'a> Inventories<'a> {
    /// Looks through everything that was read, once.
    #[must_use]
    pub fn new(cx: &Context<'a>) -> Self {
        let cluster = cx.cluster;
        let sources = Sources::of(cx);
        let is_open = |id| {
            let name = cluster.namespace(id).name.as_str();
            cluster.may_hold_more(id) || sources.open(name)
        };
        let mut hidden: HashMap<&str, Vec<&Workload>> = HashMap::new();
        for duplicate in cluster.duplicates() {
            if let Object::Workload(workload) = &duplicate.left_out {
                let namespace = workload.meta.namespace_name();
                hidden.entry(namespace).or_default().push(workload);
            }
        }
        let layout = cx.layout();
        let is_homeless = |id: &WorkloadId| {
            let meta = &cluster.workload(*id).object.meta;
            meta.namespace.is_none() && !layout.is_placed(meta.span.source)
        };
        let custom = cluster.context_objects().custom_objects.iter();
        let operated = custom.map(|object| {
            let operands = platform::operands_of(&object.group, &object.kind);
            (object.as_ref(), operands)
        });
        Self {
            cluster,
            is_open: cluster.namespace_ids().map(is_open).collect(),
            unmet: cluster.namespace_ids().map(|_| OnceLock::new()).collect(),
            hidden,
            homeless: cluster.workload_ids().filter(is_homeless).collect(),
            operated: operated.filter(|(_, made)| !made.is_empty()).collect(),
            mentions: Mentions::new(cx),
            asked_for: asked_for(cluster),
        }
    }

    /// Whether pods of a namespace that a selector asks for may be there, where no known
    /// workload is theirs. A selector that asks for nothing asks for every pod.
    #[must_use]
    pub fn presence(
        &self,
        cx: &Context<'_>,
        namespace: NamespaceId,
        selector: &LabelSelector,
    ) -> Presence {
        let name = self.cluster.namespace(namespace).name.as_str();
        // What a part that nobody could build holds is not told by the rest.
        let is_complete =
            cx.settings.inventory.is_complete_in(name) && !self.cluster.may_hold_more(namespace);
        if self.is_hidden(name, selector)
            || name != "default" && self.homeless(selector).next().is_some()
            || self.is_made_by_operator(name, selector)
            || self.is_released(name, selector)
            || !is_complete && self.is_counted_on(namespace, selector)
            || !is_complete && self.is_optional(namespace, selector)
            || !is_complete && self.cluster.undeployed().has_pods(name, selector)
            || is_configured(cx, name, selector)
            || self.is_written_by_controller(selector)
            || self.mentions.speak_for(name, selector)
        {
            Presence::SpokenFor
        } else if is_complete {
            Presence::Absent
        } else {
            Presence::Possible
        }
    }

    /// Whether everything that policies and Services of a namespace count on is there, so
    /// that nothing seems to be missing; `but` is the policy that asks.
    #[must_use]
    pub fn is_fully_declared(
        &self,
        cx: &Context<'_>,
        namespace: NamespaceId,
        but: PolicyRef,
    ) -> bool {
        let found = self.cluster.namespace(namespace);
        let unmet = || self.unmet[namespace.index()].get_or_init(|| unmet(cx, namespace));
        found.declared.is_some()
            && !self.is_open[namespace.index()]
            && self.cluster.workloads_in(namespace).len() > 0
            && unmet().iter().all(|policy| *policy == Some(but))
    }

    /// Whether a part of the namespace cannot be known: a chart, an object of an operator that
    /// npcheck knows nothing of, a template, a program that makes pods.
    #[must_use]
    pub fn is_open(&self, namespace: NamespaceId) -> bool {
        self.is_open[namespace.index()]
    }

    /// Whether a policy of the namespace but this one asks for every label that the selector
    /// asks for: its author, at least, knows such pods.
    #[must_use]
    pub fn is_asked_for(
        &self,
        namespace: NamespaceId,
        selector: &LabelSelector,
        but: PolicyRef,
    ) -> bool {
        let mut labels = selector.match_labels.iter().peekable();
        labels.peek().is_some()
            && labels.all(|label| {
                let key = (namespace, label.key.as_str(), label.value.as_str());
                let policies = self.asked_for.get(&key);
                policies.is_some_and(|policies| policies.iter().any(|id| *id != but))
            })
    }

    /// Whether a policy of the namespace is for pods that the selector matches.
    #[must_use]
    pub fn is_subject(&self, namespace: NamespaceId, selector: &LabelSelector) -> bool {
        let mut policies = self.cluster.policies_in(namespace);
        policies.any(|id| {
            let subject = self.cluster.policy(id).object.pod_selector.get();
            let subject = subject.filter(|subject| !subject.is_empty());
            let labels = subject.and_then(LabelSelector::satisfying_labels);
            labels.is_some_and(|labels| selector.matches(&labels))
        })
    }

    /// Whether a policy asks for a label of a workload, by its subject or by a peer.
    #[must_use]
    pub fn is_label_asked_for(&self, workload: WorkloadId, label: &str) -> bool {
        let namespace = self.cluster.workload(workload).namespace;
        let Some((key, value)) = label.split_once('=') else {
            return false;
        };
        self.asked_for.contains_key(&(namespace, key, value))
    }

    /// The workloads that a selector matches and of which nothing says in which namespace they end
    /// up: in that which `kubectl` is told.
    pub fn homeless(&self, selector: &LabelSelector) -> impl Iterator<Item = WorkloadId> {
        let homeless = self.homeless.iter().copied();
        homeless.filter(|id| selector.matches(&self.cluster.workload(*id).object.labels))
    }

    fn is_hidden(&self, namespace: &str, selector: &LabelSelector) -> bool {
        let hidden = self.hidden.get(namespace).into_iter().flatten();
        hidden
            .into_iter()
            .any(|workload| selector.matches(&workload.labels))
    }

    /// Whether a release of a chart brings such pods.
    fn is_released(&self, namespace: &str, selector: &LabelSelector) -> bool {
        let objects = self.cluster.context_objects().custom_objects.iter();
        let mut here = objects.filter(|object| object.home() == namespace);
        here.any(|object| {
            let mut pods = object.released.iter();
            pods.any(|pods| pods.may_match(selector))
        })
    }

    fn is_made_by_operator(&self, namespace: &str, selector: &LabelSelector) -> bool {
        let by_operator = |(object, operands): &(&CustomObject, &'static [Operand])| {
            operands.iter().any(|operand| {
                operand.may_be_in(object, namespace)
                    && operand.matches(object, selector) != Truth::False
            })
        };
        let objects = self.cluster.context_objects();
        let by_prometheus = |object: &Arc<Prometheus>| {
            object.meta.namespace_name() == namespace
                && selector.matches_opaque(&object.labels_of_pods()) != Truth::False
        };
        // GEP-1762: what a controller makes of a Gateway has its name as a label.
        let by_gateway = |object: &Arc<Gateway>| {
            let name = object.meta.name.value.as_str();
            object.meta.namespace_name() == namespace
                && names_label(selector, "gateway.networking.k8s.io/gateway-name", name)
        };
        self.operated.iter().any(by_operator)
            || objects.prometheuses.iter().any(by_prometheus)
            || objects.gateways.iter().any(by_gateway)
    }

    /// Whether the selector asks for a label that pods have and no manifest writes: an admission
    /// controller puts it on them, or Cilium on their identities (C4).
    fn is_written_by_controller(&self, selector: &LabelSelector) -> bool {
        let custom_objects = self.cluster.context_objects().custom_objects.iter();
        let writers = custom_objects.filter(|object| !object.written_labels.is_empty());
        let cni = self.cluster.enforcement().cni();
        let may_be_cilium = cni.is_none_or(|cni| cni.value == Cni::Cilium);
        let labels = selector.match_labels.iter().map(|label| &label.key);
        let entries = selector.match_expressions.iter().map(|entry| &entry.key);
        let mut keys = labels.chain(entries);
        keys.any(|key| {
            may_be_cilium && key.starts_with("io.cilium.k8s.")
                || writers.clone().any(|object| object.writes_label(key))
        })
    }

    /// Whether such pods are a part of a program of which other parts are there: some
    /// installations leave it out, and others do not.
    fn is_optional(&self, namespace: NamespaceId, selector: &LabelSelector) -> bool {
        let parts = platform::named_with_others(selector);
        parts.is_some_and(|parts| {
            let mut workloads = self.cluster.workloads_in(namespace);
            workloads.any(|id| platform::is_one_of(&self.cluster.workload(id).object.labels, parts))
        })
    }

    /// Whether a Service of the namespace leads to pods with these labels.
    fn is_counted_on(&self, namespace: NamespaceId, selector: &LabelSelector) -> bool {
        let mut services = self.cluster.services_in(namespace);
        services.any(|id| {
            let of_pods = self.cluster.service(id).object.selector.as_ref();
            of_pods.is_some_and(|of_pods| !of_pods.is_empty() && selector.matches(of_pods))
        })
    }
}

/// Whether the configuration says that others make such pods.
fn is_configured(cx: &Context<'_>, namespace: &str, selector: &LabelSelector) -> bool {
    cx.settings.external_pods.iter().any(|pods| {
        let labels = Labels::new(pods.labels.match_labels.clone());
        pods.namespace.as_deref().is_none_or(|own| own == namespace) && selector.matches(&labels)
    })
}

fn names_label(selector: &LabelSelector, key: &str, value: &str) -> bool {
    let mut labels = selector.match_labels.iter();
    labels.any(|label| label.key.value == key && label.value.value == value)
}

/// The selectors of a namespace that no known workload matches: of policies, by their id, and
/// of Services.
fn unmet(cx: &Context<'_>, namespace: NamespaceId) -> Vec<Option<PolicyRef>> {
    let cluster = cx.cluster;
    let subjects = cluster.policies_in(namespace).filter(|id| {
        let selector = cluster.policy(*id).object.pod_selector.get();
        let selector = selector.filter(|selector| !selector.is_empty());
        selector.is_some() && cx.engine.selected(*id).is_empty()
    });
    let services = cluster.services_in(namespace).filter(|id| {
        let selector = cluster.service(*id).object.selector.as_ref();
        selector.is_some_and(|selector| !selector.is_empty())
            && cluster.workloads_behind(*id).next().is_none()
    });
    let name = cluster.namespace(namespace).name.as_str();
    let selectors = cx.selectors_beyond();
    let of_plugin = selectors.iter().filter(|place| {
        !place.is_peer()
            && place.own_namespace() == Some(name)
            && !place.may_match_one_in(&cx.labelled(), cluster, &[namespace])
    });
    let of_plugin = of_plugin.map(|place| place.policy());
    let subjects = subjects.map(PolicyRef::Network).chain(of_plugin);
    subjects.map(Some).chain(services.map(|_| None)).collect()
}

type AskedFor<'a> = HashMap<(NamespaceId, &'a str, &'a str), BTreeSet<PolicyRef>>;

fn asked_for(cluster: &Cluster) -> AskedFor<'_> {
    let mut found = AskedFor::new();
    for id in cluster.policy_ids() {
        for place in super::pod_selectors::in_policy(cluster, id) {
            // Pods of other namespaces are none of these.
            let is_elsewhere = place.peer.is_some_and(|peer| {
                let namespaces = peer.namespace_selector.get();
                namespaces.is_some_and(|namespaces| !namespaces.is_empty())
            });
            if !is_elsewhere {
                let namespace = cluster.policy(id).namespace;
                let wanted = place.selector.wanted_values();
                ask(&mut found, namespace, wanted, PolicyRef::Network(id));
            }
        }
    }
    for place in plugin_selectors(cluster) {
        let namespaces = place.looked_into(cluster);
        for namespace in namespaces.into_iter().flatten() {
            let policy = place.policy();
            ask(&mut found, namespace, place.wanted_values(), policy);
        }
    }
    found
}

fn ask<'a>(
    found: &mut AskedFor<'a>,
    namespace: NamespaceId,
    wanted: impl IntoIterator<Item = (&'a str, &'a str)>,
    policy: PolicyRef,
) {
    for (key, value) in wanted {
        let policies = found.entry((namespace, key, value)).or_default();
        policies.insert(policy);
    }
}

/// Whether something may make pods of an object that the table of operators does not know.
fn is_unknown_maker(object: &CustomObject) -> bool {
    !makes_no_pods(&object.group, &object.kind)
        && platform::operands_of(&object.group, &object.kind).is_empty()
}
