//! What a kustomization takes from outside of the repository, which is not fetched.
//!
//! Refuses to know what it holds, but for what its name says.

use super::fault::{Fault, Weight};
use super::file::Kustomization;
use crate::k8s::PartEffect;
use crate::render::library::{Library, is_within};
use crate::render::resource::Resource;
use crate::render::value::Value;
use crate::render::wanted::{mentioned, mentions};
use std::collections::BTreeSet;

/// Whether a path names something outside of the repository (kustomize, `internal/git`).
pub(crate) fn is_remote(path: &str) -> bool {
    let hosts = ["github.com", "gitlab.com", "bitbucket.org", "git@"];
    path.contains("://")
        || path.contains("?ref=")
        || path.contains("?version=")
        || hosts.iter().any(|host| path.starts_with(host))
        || path.split_once('/').is_some_and(|(host, _)| is_host(host))
}

/// Whether the first part of a path can only be the name of a host.
fn is_host(part: &str) -> bool {
    [".com", ".org", ".io", ".dev", ".net"]
        .iter()
        .any(|end| part.ends_with(end) && part.len() > end.len())
}

/// What the objects of a path outside of the repository may do.
pub(super) fn resource(path: &Value<'_>) -> Fault {
    let text = path.text().unwrap_or_default();
    let effect = match holds_definitions(text) {
        true => PartEffect::Nothing,
        false => PartEffect::Adds,
    };
    Fault::opaque(path.span(), message(text), effect)
}

/// The files of a kustomization that are not in its directory or below, which kustomize rejects
/// by default (`api/internal/loader`, `RestrictionRootOnly`).
pub(super) fn restricted(library: &Library<'_>, kustomization: &Kustomization<'_>) -> Vec<Fault> {
    let paths = mentioned(kustomization);
    let outside = paths.iter().filter_map(|path| {
        let text = path.text().unwrap_or_default();
        let full = kustomization.path(text);
        let is_outside = !is_remote(text) && !is_within(&full, &kustomization.directory);
        let message =
            || format!("`{text}` is not in the directory of this kustomization, or below");
        (is_outside && library.source(&full).is_some())
            .then(|| Fault::restricted(path.span(), message()))
    });
    outside.collect()
}

/// What a kustomization names out of the repository, which is not read: its absolute paths, those
/// that lead above the repository, and links that do.
pub(super) fn refused(library: &Library<'_>, kustomization: &Kustomization<'_>) -> Vec<Fault> {
    let paths = mentions(kustomization).into_iter();
    let refused = paths.filter_map(|(field, path)| {
        let text = path.text().unwrap_or_default();
        let full = kustomization.path(text);
        let is_known = || library.source(&full).is_some() || library.is_directory(&full);
        let is_absolute = || text.starts_with('/') && !is_known();
        if is_remote(text) || !(library.is_refused(&full) || is_absolute()) {
            return None;
        }
        let effect = match field {
            "resources" | "bases" | "generators" => PartEffect::Adds,
            // What these make is no pod and no policy.
            "configMapGenerator" | "secretGenerator" => PartEffect::Nothing,
            _ => PartEffect::Changes,
        };
        Some(Fault::refused(path.span(), text, effect))
    });
    refused.collect()
}

/// Leaves out what else is said of paths that are refused: that nothing is there.
pub(super) fn keep_refusals(faults: &mut Vec<Fault>, refused: &[Fault]) {
    faults.retain(|fault| {
        let mut others = refused.iter();
        fault.weight == Weight::Refused || !others.any(|it| it.span == fault.span)
    });
}

/// What a Component outside of the repository may do.
pub(super) fn component(path: &Value<'_>) -> Fault {
    let text = path.text().unwrap_or_default();
    Fault::opaque(path.span(), message(text), PartEffect::Changes)
}

fn message(path: &str) -> String {
    format!("`{path}` is not in this repository")
}

/// Whether a path is by its name one of CustomResourceDefinitions, which no policy is about.
fn holds_definitions(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let mut words = path.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| matches!(word.to_ascii_lowercase().as_str(), "crd" | "crds"))
}

/// Puts what is missing into the namespace of a kustomization: all that it takes from others,
/// the first `from_below`, and of its own what names no namespace. Where the kustomization has
/// no namespace, what is missing is taken to be where the other objects of the build are.
pub(super) fn settle(
    faults: &mut [Fault],
    from_below: usize,
    kustomization: &Kustomization<'_>,
    resources: &[Resource<'_>],
) {
    if faults
        .iter()
        .all(|fault| fault.effect == PartEffect::Nothing)
    {
        return;
    }
    let own = kustomization.get("namespace");
    let own = own.as_ref().and_then(Value::text).map(str::to_owned);
    let others: BTreeSet<String> = match &own {
        Some(own) => BTreeSet::from([own.clone()]),
        None => {
            let namespaced = resources.iter();
            let namespaced = namespaced.filter(|it| !it.id.gvk.is_cluster_scoped());
            namespaced.map(|it| it.id.namespace.clone()).collect()
        }
    };
    for (index, fault) in faults.iter_mut().enumerate() {
        if fault.namespaces.is_empty() || own.is_some() && index < from_below {
            fault.namespaces = others.clone();
        }
    }
}
