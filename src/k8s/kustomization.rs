//! What says where other manifests end up: `kustomization.yaml`, and the objects by which
//! Flux and Argo CD apply a directory.
//!
//! Refuses to know files: paths are as they are written.

use super::meta::{Labels, ObjectMeta};
use crate::source::{Spanned, Text};

/// A `kustomization.yaml`.
#[derive(Clone, Debug)]
pub struct Kustomization {
    /// Its metadata, which mostly says nothing but where it stands.
    pub meta: ObjectMeta,
    /// `namespace`: the one that all its resources are put into.
    pub namespace: Option<Spanned<Text>>,
    /// `resources`, and what older versions call `bases` and `components`: files and
    /// directories, relative to its own, and addresses.
    pub resources: Vec<Spanned<Text>>,
    /// The files of `patches`, `patchesStrategicMerge` and `patchesJson6902`.
    pub patches: Vec<Spanned<Text>>,
    /// The labels that it adds to selectors as well as to objects: `commonLabels`, and the
    /// entries of `labels` with `includeSelectors`.
    pub selector_labels: Labels,
}

/// An object that applies a directory to a namespace: Flux's `Kustomization`, Argo CD's
/// `Application`.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// The directory, relative to the root of a repository.
    pub path: Text,
    /// The namespace that its objects are put into.
    pub namespace: Spanned<Text>,
    /// Whether it puts even those there that a kustomization puts elsewhere.
    pub overrides: bool,
    /// Whether it applies the directories below as well, where no kustomization says what
    /// to apply.
    pub recurses: bool,
}
