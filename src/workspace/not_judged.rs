//! What belongs to a cluster and has no say in any verdict, so that every answer can say so.
//!
//! Refuses to find words for it.

use super::{OpaquePart, Part};
use crate::cluster::{Cluster, Cni, Likeness, not_modelled};
use crate::k8s::{Outcome, PartEffect, PluginKind, PluginSpec, PolicyEffect, UnknownPart};
use crate::source::Span;
use std::collections::{BTreeMap, BTreeSet};

/// What belongs to a cluster, or to several, and was not judged.
#[derive(Clone, Debug, Default)]
pub struct NotJudged {
    foreign: BTreeMap<Span, &'static PluginKind>,
    rejected: BTreeMap<Span, String>,
    inert: BTreeMap<Span, InertPolicy>,
    defined_twice: BTreeMap<String, DefinedTwice>,
    unread: BTreeSet<Span>,
    opaque: BTreeSet<OpaquePart>,
    options: BTreeMap<Span, OptionNotModelled>,
}

/// An option of Cilium's agent that npcheck does not model, and that changes what policies do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionNotModelled {
    /// The object that sets it, as `Kind/name`.
    pub object: String,
    /// The option and its value, as the agent knows them: `enable-policy: always`.
    pub option: String,
    /// What it does.
    pub effect: &'static str,
}

/// A policy of which the CNI plugin enforces nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InertPolicy {
    /// Its name, as `namespace/Kind/name`.
    pub name: String,
    /// Why.
    pub reason: InertReason,
}

/// Why the CNI plugin enforces nothing of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InertReason {
    /// The API server rejects it.
    RejectedByServer,
    /// Cilium's agent rejects it, as the first fault says.
    RejectedByAgent(String),
    /// All of it is for nodes, and the host firewall of Cilium is off.
    HostFirewallOff,
    /// It is of another CNI plugin than the one in force: both by name.
    OfAnotherPlugin {
        /// The plugin that it is for.
        product: &'static str,
        /// The plugin in force.
        cni: &'static str,
    },
    /// It is a cluster-wide policy of a kind that the CNI plugin in force does not read.
    KindNotRead {
        /// The kind.
        kind: &'static str,
        /// The plugin in force.
        cni: &'static str,
    },
}

/// Two definitions of one object that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefinedTwice {
    /// The first one.
    pub first: Span,
    /// The next one that differs from it.
    pub second: Span,
}

impl NotJudged {
    /// Looks for it in a cluster.
    pub(super) fn new(part: &Part, cluster: &Cluster) -> Self {
        let foreign = cluster.foreign_policies().into_iter();
        let foreign = foreign.filter(|policy| policy.kind.effect != PolicyEffect::Nothing);
        let policies = cluster.policies().iter().map(|policy| {
            let namespace = &cluster.namespace(policy.namespace).name;
            let name = format!("{namespace}/NetworkPolicy/{}", policy.object.meta.name);
            (&policy.object.meta, name)
        });
        let cluster_wide = cluster.cluster_policies().iter().map(|policy| {
            let name = format!("{}/{}", policy.kind.name(), policy.meta.name);
            (&policy.meta, name)
        });
        let rejected = policies.chain(cluster_wide);
        let rejected = rejected.filter(|(meta, _)| !meta.is_accepted);
        let duplicates = cluster.duplicates().iter();
        let unlike = duplicates.filter(|duplicate| duplicate.likeness == Likeness::Different);
        let mut defined_twice = BTreeMap::new();
        for duplicate in unlike {
            let (first, second) = (duplicate.first, duplicate.second);
            defined_twice
                .entry(duplicate.object.clone())
                .or_insert(DefinedTwice { first, second });
        }
        let broken = part.documents.iter();
        let broken = broken.filter(|document| document.outcome == Outcome::Broken);
        let opaque = part.opaque.iter();
        let opaque = opaque.filter(|it| it.part.effect != PartEffect::Nothing);
        Self {
            foreign: foreign
                .map(|policy| (policy.meta.span, policy.kind))
                .collect(),
            rejected: rejected.map(|(meta, name)| (meta.span, name)).collect(),
            inert: inert(cluster),
            defined_twice,
            unread: broken.map(|document| document.span).collect(),
            opaque: opaque.cloned().chain(too_many_services(cluster)).collect(),
            options: options(cluster),
        }
    }

    /// The same with what another cluster does not judge. What both have counts once.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.foreign.extend(&other.foreign);
        self.rejected.extend(
            other
                .rejected
                .iter()
                .map(|(span, name)| (*span, name.clone())),
        );
        let inert = other.inert.iter();
        self.inert
            .extend(inert.map(|(span, policy)| (*span, policy.clone())));
        for (object, twice) in &other.defined_twice {
            self.defined_twice.entry(object.clone()).or_insert(*twice);
        }
        self.unread.extend(&other.unread);
        self.opaque.extend(other.opaque.iter().cloned());
        let options = other.options.iter();
        self.options
            .extend(options.map(|(span, option)| (*span, option.clone())));
        self
    }

    /// Whether everything was judged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.foreign.is_empty()
            && self.opaque.is_empty()
            && self.options.is_empty()
            && !self.has_faults()
    }

    /// Whether something was not judged that is wrong in itself: what an API server rejects,
    /// what cannot be read, what is defined in two ways.
    #[must_use]
    pub fn has_faults(&self) -> bool {
        !(self.rejected.is_empty() && self.defined_twice.is_empty() && self.unread.is_empty())
    }

    /// The kinds of policies that are not evaluated, with the number of each, by the name that
    /// tells them from kinds of other groups.
    #[must_use]
    pub fn foreign_policies(&self) -> Vec<(&'static PluginKind, usize)> {
        let mut counts: BTreeMap<&str, (&'static PluginKind, usize)> = BTreeMap::new();
        for kind in self.foreign.values() {
            counts.entry(kind.qualified).or_insert((kind, 0)).1 += 1;
        }
        counts.into_values().collect()
    }

    /// The policies that an API server would reject, as `namespace/Kind/name`, in the order
    /// of the texts.
    pub fn rejected_policies(&self) -> impl ExactSizeIterator<Item = &str> {
        self.rejected.values().map(String::as_str)
    }

    /// The policies of which the CNI plugin enforces nothing, in the order of the texts.
    pub fn inert_policies(&self) -> impl ExactSizeIterator<Item = &InertPolicy> {
        self.inert.values()
    }

    /// The objects that are defined twice, and not alike, by name.
    #[must_use]
    pub fn defined_twice(&self) -> &BTreeMap<String, DefinedTwice> {
        &self.defined_twice
    }

    /// The documents that look like Kubernetes and cannot be read.
    #[must_use]
    pub fn unread_documents(&self) -> usize {
        self.unread.len()
    }

    /// The options of Cilium's agent that npcheck does not model, in the order of the texts.
    pub fn options(&self) -> impl ExactSizeIterator<Item = &OptionNotModelled> {
        self.options.values()
    }

    /// What is deployed as well, and could not be worked out.
    #[must_use]
    pub fn opaque_parts(&self) -> &BTreeSet<OpaquePart> {
        &self.opaque
    }
}

/// The policies that name more Services than are looked up, as one part.
fn too_many_services(cluster: &Cluster) -> Option<OpaquePart> {
    let mut policies = cluster.policies_of_too_many_services().iter();
    let first = cluster.plugin_policy(*policies.next()?);
    let name = match policies.len() {
        0 => format!("`toServices` of {}", first.display()),
        more => format!("`toServices` of {} and {more} more", first.display()),
    };
    let reason = "the Services that policies name by it are too many to look up all of them";
    Some(OpaquePart {
        name,
        part: UnknownPart {
            span: first.meta.span,
            reason: reason.to_owned(),
            namespace: first.namespace().map(str::to_owned),
            pods: None,
            effect: PartEffect::Changes,
            is_limit: true,
        },
        root: None,
    })
}

/// What the agent in force is told that npcheck does not model, by its text.
fn options(cluster: &Cluster) -> BTreeMap<Span, OptionNotModelled> {
    let cni = cluster.enforcement().cni().map(|cni| cni.value);
    let networks = cluster.context_objects().cluster_networks.iter();
    let set = networks.flat_map(|network| {
        let options = network.agent_options.iter();
        options.filter_map(move |option| {
            let described = OptionNotModelled {
                object: format!("{}/{}", network.kind, network.meta.name),
                option: format!("{}: {}", option.name, option.value.value),
                effect: not_modelled(option)?,
            };
            Some((option.value.span, described))
        })
    });
    set.filter(|_| cni == Some(Cni::Cilium)).collect()
}

/// The policies that stand among the manifests and that the CNI plugin in force does nothing
/// of, by their text.
fn inert(cluster: &Cluster) -> BTreeMap<Span, InertPolicy> {
    let mut inert = BTreeMap::new();
    let Some(cni) = cluster.enforcement().cni().map(|cni| cni.value) else {
        return inert;
    };
    for policy in cluster.plugin_policies() {
        let own = Cni::of(policy.kind.product);
        let reason = match (&policy.spec, own) {
            _ if policy.kind.effect == PolicyEffect::Nothing => None,
            (_, Some(own)) if own != cni => Some(InertReason::OfAnotherPlugin {
                product: policy.kind.product.name(),
                cni: cni.name(),
            }),
            (_, Some(_)) if !policy.meta.is_accepted => Some(InertReason::RejectedByServer),
            (PluginSpec::Cilium(_), _)
                if !(cluster.enforcement().cilium()).reads_kind(policy.namespace()) =>
            {
                let (kind, cni) = (policy.kind.name, cni.name());
                Some(InertReason::KindNotRead { kind, cni })
            }
            (PluginSpec::Cilium(spec), _) if cni == Cni::Cilium => {
                let options = cluster.enforcement().cilium();
                let fault = options.faults(policy).next();
                let fault = fault.map(|fault| InertReason::RejectedByAgent(fault.reason.clone()));
                let is_off = spec.is_for_nodes() && !options.guards_nodes.is_on();
                fault.or(is_off.then_some(InertReason::HostFirewallOff))
            }
            _ => None,
        };
        if let Some(reason) = reason {
            let name = policy.display();
            inert.insert(policy.meta.span, InertPolicy { name, reason });
        }
    }
    for id in cluster.policy_ids() {
        if !cluster.enforcement().enforces_policies() {
            let reason = InertReason::KindNotRead {
                kind: "NetworkPolicy",
                cni: cni.name(),
            };
            let name = cluster.policy_name(id);
            let span = cluster.policy(id).object.meta.span;
            inert.insert(span, InertPolicy { name, reason });
        }
    }
    for policy in cluster.cluster_policies() {
        let (kind, cni) = (policy.kind.name(), cni.name());
        if !cluster.enforcement().reads(policy.kind) {
            let name = format!("{kind}/{}", policy.meta.name);
            let reason = InertReason::KindNotRead { kind, cni };
            inert.insert(policy.meta.span, InertPolicy { name, reason });
        }
    }
    inert
}
