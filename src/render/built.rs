//! From what a build yields to Kubernetes objects, as `manifest` reads them.
//!
//! Refuses to know how it was built, and which cluster it is for.

use super::library::Library;
use super::resource::Resource;
use super::tree;
use super::value::Value;
use crate::manifest::{self, Parsed};
use crate::source::{SourceId, Span};
use std::collections::HashMap;
use std::sync::Arc;

/// Cluster-wide policies: kustomize does not know that they have no namespace, and gives
/// them one, which the API server ignores.
const CLUSTER_WIDE: &[&str] = &[
    "AdminNetworkPolicy",
    "BaselineAdminNetworkPolicy",
    "CiliumClusterwideNetworkPolicy",
    "ClusterNetworkPolicy",
    "GlobalNetworkPolicy",
    "GlobalNetworkSet",
];

/// Reads objects, those that no build changed once only.
#[derive(Default)]
pub(crate) struct Decoder {
    unchanged: HashMap<(SourceId, u32), Arc<Parsed>>,
}

impl Decoder {
    /// The object that a resource is.
    pub(crate) fn decode(&mut self, library: &Library<'_>, resource: &Resource<'_>) -> Arc<Parsed> {
        let Value::Read(node) = &resource.value else {
            return Arc::new(decode(library, resource));
        };
        let span = node.span();
        let key = (span.source, span.start);
        let parsed = self.unchanged.entry(key);
        parsed
            .or_insert_with(|| Arc::new(decode(library, resource)))
            .clone()
    }
}

fn decode(library: &Library<'_>, resource: &Resource<'_>) -> Parsed {
    let mut value = resource.value.clone();
    let namespace = value.find(&["metadata", "namespace"]);
    let is_set = matches!(namespace, Some(Value::Made(_)));
    if is_set
        && CLUSTER_WIDE.contains(&resource.id.gvk.kind.as_str())
        && let Some(metadata) = value.get_mut("metadata")
    {
        metadata.remove("namespace");
    }
    let comments = resource
        .comments
        .iter()
        .flat_map(|comments| comments.iter());
    let comments: Vec<Span> = comments.copied().collect();
    let tree = tree::assemble(library, &value, comments);
    manifest::read_built(&tree, value.span())
}
