//! `ConfigMap` from a tree.
//!
//! Refuses to know which entries are files: what is too long for an address is left out.

use crate::k8s::{ConfigMap, ObjectMeta, Variable};
use crate::yaml::tree::Node;

/// How many bytes the value of a variable may have that is read for addresses; what is longer
/// is a file.
const MAX_VALUE: usize = 512;

/// Reads a `ConfigMap`; `None` for one without anything that could be a variable's value.
pub(super) fn read(node: Node<'_>, meta: impl FnOnce() -> ObjectMeta) -> Option<ConfigMap> {
    let entries = node.find(&["data"])?.entries();
    let variables = entries.filter_map(|entry| {
        let value = entry.value.as_str()?;
        (value.len() <= MAX_VALUE).then(|| Variable {
            name: node.share(&entry.key.key_text()),
            value: node.share(value),
        })
    });
    let data: Box<[Variable]> = variables.collect();
    (!data.is_empty()).then(|| ConfigMap { meta: meta(), data })
}
