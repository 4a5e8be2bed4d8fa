//! From text to Kubernetes objects: the only module that knows how YAML and JSON are
//! parsed.
//!
//! Refuses to know files, clusters and rules, and cannot fail: what is wrong with a
//! text is a diagnostic, and its neighbours still count.

mod builder;
mod cidr;
mod cluster_network_policy;
mod cluster_peer;
mod cluster_port;
mod effect;
mod fields;
mod ip_block;
mod meta;
mod moves;
mod names;
mod network_policy;
mod object;
mod policy_port;
mod reader;
mod scalar;
mod selector;
mod structure;
mod suggestion;
mod tree;
mod unknown;
mod yaml;

use crate::diagnostic::{Diagnostic, Edit, Fix, FixClass, Severity};
use crate::source::Span;
use tree::Node;

/// An `invalid-value` at `span`: an API server refuses the object for it.
fn invalid_value(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new("invalid-value", Severity::Error, span, message)
}

/// The same with a fix that puts quotes around the scalar `value`, exactly as it is
/// written: `yes` becomes `"yes"`, never `"true"`.
fn quote(diagnostic: Diagnostic, value: Node<'_>) -> Diagnostic {
    let replacement = format!("\"{}\"", value.raw());
    let is_plain = value.is_plain() && !value.raw().is_empty() && !value.is_alias();
    if !is_plain {
        return diagnostic;
    }
    let title = format!("quote it: {replacement}");
    let edits = vec![Edit {
        span: value.span(),
        replacement,
    }];
    diagnostic.help(title.clone()).fix(Fix {
        title,
        class: FixClass::Safe,
        edits,
    })
}

#[cfg(test)]
mod tests;
