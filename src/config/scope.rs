//! A part of the tree that is a cluster of its own.

use crate::lint::Settings;
use globset::GlobMatcher;

/// A modelled cluster: the files that belong to it, and what is known of it.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Its name in the output.
    pub name: String,
    /// The files that belong to it.
    pub paths: Vec<GlobMatcher>,
    /// What is known beyond the manifests: the file's general settings, with what the scope
    /// says over them.
    pub settings: Settings,
}
