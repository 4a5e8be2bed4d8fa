//! From text to trees of nodes that know their place: YAML in block style by a fast
//! scanner, any other YAML by a reader with go-yaml's whole grammar, JSON by a small
//! scanner. All fill one arena, and read what Kubernetes reads.
//!
//! Refuses to know Kubernetes and files.

mod assembly;
#[cfg(feature = "internals")]
mod agreement;
mod binary;
pub(crate) mod block;
mod block_scalar;
mod builder;
mod complaint;
pub(crate) mod cursor;
mod entries;
mod error;
mod escape;
mod flow;
pub(crate) mod general;
pub(crate) mod json;
mod quoted;
pub(crate) mod scalar;
mod scan_property;
mod scan_scalar;
mod scanner;
pub(crate) mod split;
mod token;
pub(crate) mod tree;

#[cfg(feature = "internals")]
pub use agreement::disagreement;
pub(crate) use assembly::Assembly;
pub(crate) use error::ReadError;
pub(crate) use tree::{Kind, Node, Tree};

/// Whether the fast scanner makes a tree of a text that is one document: what the benchmark of
/// reading measures.
#[cfg(feature = "internals")]
#[must_use]
pub fn is_scanned(source: crate::source::SourceId, text: &str) -> bool {
    block::read(source, text, 0..text.len()).is_some()
}

/// How many documents of a text become trees, with whichever reader it takes: what the benchmark
/// of files measures.
#[cfg(feature = "internals")]
#[must_use]
pub fn count_trees(source: crate::source::SourceId, text: &str) -> usize {
    let is_read = |range: std::ops::Range<usize>| {
        block::read(source, text, range.clone()).is_some()
            || general::read(source, text, range).is_ok()
    };
    let pieces = split::pieces(text).into_iter();
    pieces.filter(|piece| is_read(piece.range.clone())).count()
}

#[cfg(test)]
pub(crate) mod differential;
#[cfg(test)]
mod readings;
