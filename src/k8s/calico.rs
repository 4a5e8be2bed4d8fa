//! What Calico writes in its own language.

mod selector;

pub use selector::{CalicoSelector, Comparison, SelectorError};
