//! Networks in place of the cluster's whose objects are of one namespace each: which namespaces
//! each of them is for, once it is settled where every object lives.
//!
//! Refuses to know which labels those namespaces have.

use crate::k8s::{PluginPolicy, PluginSpec, PolicyScope, PrimaryNetwork};
use std::collections::BTreeMap;
use std::sync::Arc;

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
    let mut shared: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut of_one: Vec<String> = Vec::new();
    for (policy, network) in networks(policies) {
        let namespace = policy.meta.namespace_name().to_owned();
        match &network.name {
            Some(name) => shared.entry(name.clone()).or_default().push(namespace),
            None => of_one.push(namespace),
        }
    }
    for policy in policies {
        let Some(network) = network_of(policy) else {
            continue;
        };
        let text = policy.meta.name.span;
        let settled = match &network.name {
            None => PrimaryNetwork::of_namespace(policy.meta.namespace_name(), text),
            Some(name) => {
                let own = &shared[name];
                let others = shared.iter().filter(|(other, _)| *other != name);
                let others = others.flat_map(|(_, namespaces)| namespaces);
                let others = others.chain(&of_one).filter(|it| !own.contains(it));
                let others: Vec<&str> = others.map(String::as_str).collect();
                let own: Vec<&str> = own.iter().map(String::as_str).collect();
                PrimaryNetwork::of_attachments(name, &own, &others, text)
            }
        };
        Arc::make_mut(policy).spec = PluginSpec::PrimaryNetwork(settled);
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
