//! From what a build yields to Kubernetes objects, as `manifest` reads them.
//!
//! Refuses to know how it was built, and which cluster it is for.

use super::kustomize::Fault;
use super::resource::Resource;
use super::tree;
use super::value::Value;
use crate::diagnostic::Diagnostic;
use crate::k8s::{Document, Object};
use crate::manifest::{self, Parsed};
use crate::source::{SourceId, SourceMap, Span};
use std::collections::HashMap;
use std::sync::Arc;

/// What was read in a text, as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Written<'w> {
    /// What became of its documents, in order.
    pub documents: &'w [Document],
    /// Its objects, in order.
    pub objects: &'w [Object],
    /// What is wrong with it.
    pub diagnostics: &'w [Diagnostic],
}

impl Written<'_> {
    /// Nothing: what stands in a text does not matter.
    pub(crate) const NOTHING: Self = Self {
        documents: &[],
        objects: &[],
        diagnostics: &[],
    };
}

/// Is told the name of each root that is deployed, its objects, and what is wrong with them.
pub(crate) type Watcher<'d> = &'d mut dyn FnMut(&str, &[Resource<'_>], &[Fault]);

/// Cluster-wide policies: kustomize does not know that they have no namespace, and gives
/// them one, which the API server ignores.
const CLUSTER_WIDE: &[&str] = &[
    "AdminNetworkPolicy",
    "BaselineAdminNetworkPolicy",
    "CiliumClusterwideNetworkPolicy",
    "ClusterNetworkPolicy",
    "GlobalNetworkPolicy",
    "GlobalNetworkSet",
    "HostEndpoint",
];

/// Reads objects, those that no build changed once only.
pub(crate) struct Decoder<'d, 'w> {
    sources: &'d SourceMap,
    written: &'d dyn Fn(SourceId) -> Written<'w>,
    unchanged: HashMap<(SourceId, u32), Arc<Parsed>>,
    watcher: Option<Watcher<'d>>,
}

impl<'d, 'w> Decoder<'d, 'w> {
    /// Takes what no build changed as it was read in its text.
    pub(crate) fn new(
        sources: &'d SourceMap,
        written: &'d dyn Fn(SourceId) -> Written<'w>,
    ) -> Self {
        Self {
            sources,
            written,
            unchanged: HashMap::new(),
            watcher: None,
        }
    }

    /// The same, with somebody who is told of each root.
    pub(crate) fn watched_by(self, watcher: Watcher<'d>) -> Self {
        Self {
            watcher: Some(watcher),
            ..self
        }
    }

    /// Tells of a root, if somebody wants to know.
    pub(crate) fn tell(&mut self, root: &str, resources: &[Resource<'_>], faults: &[Fault]) {
        if let Some(watcher) = &mut self.watcher {
            watcher(root, resources, faults);
        }
    }

    /// One that remembers nothing yet.
    pub(crate) fn fresh(&self) -> Self {
        Self::new(self.sources, self.written)
    }

    /// What was read in a text, as it stands.
    pub(crate) fn written(&self, source: SourceId) -> Written<'w> {
        (self.written)(source)
    }

    /// The object that a resource is.
    pub(crate) fn decode(&mut self, resource: &Resource<'_>) -> Arc<Parsed> {
        let Value::Read(node) = &resource.value else {
            return Arc::new(decode(self.sources, resource));
        };
        let span = node.span();
        let key = (span.source, span.start);
        if let Some(parsed) = self.unchanged.get(&key) {
            return Arc::clone(parsed);
        }
        // A patch that changes nothing has comments all the same.
        let has_own_comments = resource.comments.len() <= 1;
        let written = has_own_comments.then(|| as_written((self.written)(span.source), span));
        let parsed = written
            .flatten()
            .unwrap_or_else(|| decode(self.sources, resource));
        let parsed = Arc::new(parsed);
        self.unchanged.insert(key, Arc::clone(&parsed));
        parsed
    }
}

/// An object as it was read in its text: where the whole text is one document, and nothing in
/// it is worth a word.
fn as_written(written: Written<'_>, span: Span) -> Option<Parsed> {
    let [document] = written.documents else {
        return None;
    };
    if !document.span.contains(span) || !written.diagnostics.is_empty() {
        return None;
    }
    let objects = match written.objects {
        [] => Vec::new(),
        [one] if one.meta().span == span => vec![one.clone()],
        _ => return None,
    };
    let document = Document {
        span,
        ..document.clone()
    };
    Some(Parsed::of(document, objects))
}

fn decode(sources: &SourceMap, resource: &Resource<'_>) -> Parsed {
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
    let tree = tree::assemble(sources, &value, comments);
    manifest::read_built(&tree, value.span())
}
