//! Whether clusters of which not everything was read answer a question as the whole ones do.
//!
//! Refuses to know what is left out, which is the reader's business, and what is asked.

use super::{ClusterView, Workspace};
use crate::cluster::Cni;
use crate::k8s::{Document, Outcome};
use crate::render::Builds;
use std::collections::HashSet;

impl Workspace {
    /// Whether objects were left out, as the texts were read for questions about others.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.ids.iter().any(|id| self.texts.get(*id).is_partial)
    }

    /// The same with everything read.
    #[must_use]
    pub fn whole(&self) -> Self {
        let whole = Self {
            texts: self.texts.whole(),
            clusters: Vec::new(),
            builds: self.builds.as_ref().map(|_| Builds::default()),
            ..self.clone()
        };
        whole.with_clusters(|_| None)
    }

    /// The same, and whole where what was left out may say something about the pods that were
    /// read, or may make several clusters of one.
    #[must_use]
    pub fn whole_if_it_matters(self) -> Self {
        let is_alone = || match &self.clusters[..] {
            [view] => is_taken_as_written(view) && asks_only_own_pods(view),
            _ => false,
        };
        match self.is_partial() && !(is_alone() && is_everything_once(self.clusters[0].documents()))
        {
            true => self.whole(),
            false => self,
        }
    }
}

/// Whether a cluster is made of its texts as they stand.
fn is_taken_as_written(view: &ClusterView) -> bool {
    let mut documents = view.part.documents.iter();
    let is_place = |document: &Document| document.put_into.is_some();
    !view.part.is_built && view.part.roots.is_empty() && !documents.any(is_place)
}

/// Whether policies ask about the two ends of a connection alone. Those of CNI plugins may ask
/// who else has an address, or which pods a Service has.
fn asks_only_own_pods(view: &ClusterView) -> bool {
    let cluster = &view.cluster;
    let cni = cluster.enforcement().cni().map(|cni| cni.value);
    cni != Some(Cni::Calico) && cluster.plugin_policies().is_empty()
}

/// Whether no object is defined twice, be it read or left out.
fn is_everything_once<'d>(documents: impl IntoIterator<Item = &'d Document>) -> bool {
    let mut seen: HashSet<(&str, &str, &str)> = HashSet::new();
    let objects = documents.into_iter();
    let mut objects = objects.filter(|document| document.outcome == Outcome::Object);
    objects.all(|document| {
        let namespace = match document.namespace.as_str() {
            "" => "default",
            namespace => namespace,
        };
        document.name.is_empty() || seen.insert((&document.kind, namespace, &document.name))
    })
}
