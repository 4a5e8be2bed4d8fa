//! From text to trees of nodes that know their place: YAML in block style by a scanner of
//! our own, any other YAML by a general parser, JSON by a small scanner. All fill one arena.
//!
//! Refuses to know Kubernetes and files.

mod binary;
pub(crate) mod block;
mod block_scalar;
mod builder;
mod complaint;
mod entries;
mod error;
mod escape;
mod flow;
pub(crate) mod general;
pub(crate) mod json;
mod quoted;
pub(crate) mod scalar;
pub(crate) mod split;
pub(crate) mod tree;

pub(crate) use error::ReadError;
