//! Which files of a directory without a kustomization Flux and Argo CD apply, each as it stands.
//!
//! Refuses to know which of them their options leave out.

use super::library::Library;
use crate::k8s::Outcome;
use crate::manifest;

/// Whether a file is applied: every document is an object, or one of them is meant to be one and
/// cannot be read, for which both of them refuse all.
pub(crate) fn is_applied(library: &Library<'_>, path: &str) -> bool {
    match library.documents(path) {
        Some(Ok(trees)) => {
            let roots = trees.iter().filter_map(|tree| tree.root());
            let mut roots = roots.filter(|root| !root.is_null());
            roots.all(|root| root.get("kind").is_some() && root.get("apiVersion").is_some())
        }
        Some(Err(_)) => is_broken(library, path),
        None => false,
    }
}

/// Whether a file holds an object that cannot be read, rather than what another tool fills in, or
/// what nobody meant for Kubernetes.
fn is_broken(library: &Library<'_>, path: &str) -> bool {
    let (Some(source), Some(text)) = (library.source(path), library.text(path)) else {
        return false;
    };
    let parsed = manifest::read(source, path, text);
    let mut documents = parsed.documents.iter();
    documents.any(|document| document.outcome == Outcome::Broken)
}
