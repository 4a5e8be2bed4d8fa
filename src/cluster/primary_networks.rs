//! Networks in place of the cluster's whose objects are of one namespace each: which namespaces
//! each of them is for, once it is settled where every object lives.
//!
//! Refuses to know which labels those namespaces have.

use crate::k8s::{PluginPolicy, PluginSpec, PolicyScope, PrimaryNetwork};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many namespaces of other networks a network is known to be apart from. In a cluster with
/// more of them nothing is certain, as each network would name all of the others.
const MAX_OTHERS: usize = 512;

/// Gives such networks their namespaces, and leaves out those that OVN-Kubernetes makes from
/// another object among the policies (S3).
pub(super) fn settle(policies: &mut Vec<Arc<PluginPolicy>>) {
    let made: Vec<bool> = policies
        .iter()
        .map(|policy| is_made(policy, policies))
        .collect();
    let mut made = made.into_iter();
    policies.retain(|_| made.next() != Some(true));
    // The namespaces of each name, and those of networks that no other namespace can share.
    let mut shared: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut of_one: BTreeSet<String> = BTreeSet::new();
    for (policy, network) in networks(policies) {
        let namespaces = match &network.name {
            Some(name) => shared.entry(name.clone()).or_default(),
            None => &mut of_one,
        };
        namespaces.insert(policy.meta.namespace_name().to_owned());
    }
    let others: BTreeMap<&str, Vec<&str>> = shared
        .iter()
        .map(|(name, own)| (name.as_str(), others(&shared, &of_one, own)))
        .collect();
    for policy in policies {
        let Some(network) = network_of(policy) else {
            continue;
        };
        let (home, text) = (policy.meta.namespace_name(), policy.meta.name.span);
        let settled = match &network.name {
            None => PrimaryNetwork::of_namespace(home, text),
            Some(name) => PrimaryNetwork::of_attachment(name, home, &others[name.as_str()], text),
        };
        Arc::make_mut(policy).spec = PluginSpec::PrimaryNetwork(settled);
    }
}

/// The namespaces of networks that these `own` ones are not on; none where they are too many.
fn others<'n>(
    shared: &'n BTreeMap<String, BTreeSet<String>>,
    of_one: &'n BTreeSet<String>,
    own: &BTreeSet<String>,
) -> Vec<&'n str> {
    let others = shared.values().flatten().chain(of_one);
    let others = others.filter(|it| !own.contains(*it));
    let others: Vec<&str> = others.map(String::as_str).take(MAX_OTHERS + 1).collect();
    match others.len() > MAX_OTHERS {
        true => Vec::new(),
        false => others,
    }
}

/// Those whose objects are of one namespace.
fn networks(
    policies: &[Arc<PluginPolicy>],
) -> impl Iterator<Item = (&PluginPolicy, &PrimaryNetwork)> {
    let policies = policies.iter();
    policies.filter_map(|policy| Some((&**policy, network_of(policy)?)))
}

fn network_of(policy: &PluginPolicy) -> Option<&PrimaryNetwork> {
    match &policy.spec {
        PluginSpec::PrimaryNetwork(network) if policy.kind.scope == PolicyScope::Namespace => {
            Some(network)
        }
        _ => None,
    }
}

/// Whether another network among the policies is the owner of this one.
fn is_made(policy: &PluginPolicy, policies: &[Arc<PluginPolicy>]) -> bool {
    let Some(owner) = policy
        .meta
        .owner
        .as_ref()
        .filter(|_| policy.kind.is_network())
    else {
        return false;
    };
    policies.iter().any(|other| {
        let is_near = other.kind.scope == PolicyScope::Cluster
            || other.meta.namespace_name() == policy.meta.namespace_name();
        other.kind.is_network()
            && other.kind.name == owner.kind
            && other.meta.name.value == owner.name
            && is_near
    })
}
