//! What happens when the staged policies of Calico go live: they take the place of the policies
//! that they stand for.
//!
//! Refuses to know what they allow.

use crate::k8s::{Object, PluginPolicy, PluginSpec, Product, StagedAction};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a staged policy stands for: whether it is one of Kubernetes, its kind, its namespace
/// and its name.
type Place = (bool, &'static str, Option<String>, String);

/// The objects with every staged policy live, and what it replaces or deletes gone.
pub(super) fn gone_live(objects: Vec<Object>) -> Vec<Object> {
    let staged = objects.iter().filter_map(staged);
    let staged = staged.filter(|policy| policy.staged_action != StagedAction::Nothing);
    let places: BTreeSet<Place> = staged.filter_map(place_of_staged).collect();
    if places.is_empty() {
        return objects;
    }
    let stays = |object: &Object| place(object).is_none_or(|place| !places.contains(&place));
    objects.into_iter().filter(stays).filter_map(live).collect()
}

fn staged(object: &Object) -> Option<&PluginPolicy> {
    match object {
        Object::PluginPolicy(policy) if policy.kind.staged_for().is_some() => Some(policy),
        _ => None,
    }
}

fn place_of_staged(policy: &PluginPolicy) -> Option<Place> {
    let is_kubernetes = matches!(policy.spec, PluginSpec::Staged(_));
    let kind = policy.kind.staged_for()?;
    let namespace = policy.namespace().map(str::to_owned);
    Some((
        is_kubernetes,
        kind,
        namespace,
        policy.meta.name.value.to_string(),
    ))
}

/// What a staged policy would replace in an object that is enforced.
fn place(object: &Object) -> Option<Place> {
    match object {
        Object::NetworkPolicy(policy) => Some((
            true,
            "NetworkPolicy",
            Some(policy.meta.namespace_name().to_owned()),
            policy.meta.name.value.to_string(),
        )),
        Object::PluginPolicy(policy)
            if policy.kind.product == Product::Calico && policy.kind.staged_for().is_none() =>
        {
            let namespace = policy.namespace().map(str::to_owned);
            Some((
                false,
                policy.kind.name,
                namespace,
                policy.meta.name.value.to_string(),
            ))
        }
        _ => None,
    }
}

/// The object once what is staged is live; `None` if it goes.
fn live(object: Object) -> Option<Object> {
    let Object::PluginPolicy(policy) = &object else {
        return Some(object);
    };
    if policy.kind.staged_for().is_none() {
        return Some(object);
    }
    match (policy.staged_action, &policy.spec) {
        (StagedAction::Delete, _) => None,
        (StagedAction::Nothing, _) => Some(object),
        (StagedAction::Set, PluginSpec::Staged(policy)) => {
            Some(Object::NetworkPolicy(Arc::clone(policy)))
        }
        (StagedAction::Set, _) => {
            let mut policy = PluginPolicy::clone(policy);
            policy.kind = policy.kind.gone_live()?;
            Some(Object::PluginPolicy(Arc::new(policy)))
        }
    }
}
