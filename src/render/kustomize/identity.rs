//! What the objects of a build have to be: each one of its own, with a name, and readable.
//!
//! Refuses to know what made them so.

use super::fault::Fault;
use crate::render::resource::Resource;
use std::collections::HashSet;

/// That an object has no name any more, or kustomize cannot tell what it was.
pub(super) fn missing(resource: &Resource<'_>) -> Option<Fault> {
    let is_list = resource.id.gvk.kind.ends_with("List");
    let message = match resource.is_lost() {
        true => "kustomize loses track of an object whose name is empty or has a comma",
        false if resource.id.name.is_empty() && !is_list => "the object has no name",
        false => return None,
    };
    Some(Fault::error(resource.value.span(), message))
}

/// That kustomize cannot read a value that a replacement has put into an object.
pub(super) fn mistyped(resource: &Resource<'_>) -> Option<Fault> {
    let mistyped = resource.value.mistyped()?;
    let message = format!("{}: {}", resource.id, mistyped.message());
    Some(Fault::error(mistyped.cause, message))
}

/// That no two objects are one.
pub(super) fn check_ids<'r>(
    resources: impl Iterator<Item = &'r Resource<'r>>,
) -> Result<(), String> {
    let mut ids = HashSet::new();
    for resource in resources {
        if !ids.insert(resource.id.borrowed_key()) {
            return Err(format!("with this, {} is there twice", resource.id));
        }
    }
    Ok(())
}
