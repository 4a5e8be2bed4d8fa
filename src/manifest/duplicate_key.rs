//! Keys that stand twice in one mapping, put into words.
//!
//! Refuses to know which keys a kind has; it knows what people mean when they repeat the
//! best known ones.

use crate::diagnostic::{Diagnostic, Severity};
use crate::yaml::tree::{DuplicateKey, Node, Tree, push_field};

/// How many repeated keys of one object are told one by one.
const MAX_REPORTED: usize = 20;

/// Reports the keys that stand twice within the object `node`.
///
/// The object stays accepted: a server that is not asked to be strict takes the last of
/// them, as npcheck does.
pub(super) fn report(
    tree: &Tree<'_>,
    node: Node<'_>,
    object: &str,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let duplicates = tree.duplicate_keys_in(node);
    // Another object begins here, and everything behind it looks repeated.
    let whole = duplicates
        .iter()
        .find(|key| key.mapping == node.id() && matches!(key.key.as_str(), "apiVersion" | "kind"));
    if let Some(key) = whole {
        let message = "two objects in one document: separate them with `---`";
        let diagnostic = duplicate(key, message.to_owned(), object, "");
        diagnostics.push(diagnostic.help("put a line `---` between them"));
        return;
    }
    for key in duplicates.iter().take(MAX_REPORTED) {
        diagnostics.push(one(node, key, object));
    }
    if let (Some(last), Some(more)) = (
        diagnostics.last_mut(),
        duplicates.len().checked_sub(MAX_REPORTED + 1),
    ) {
        last.notes.push(format!(
            "{} more keys of this object are repeated",
            more + 1
        ));
    }
}

fn one(node: Node<'_>, key: &DuplicateKey, object: &str) -> Diagnostic {
    let path = node.path_to(key.mapping);
    let message = format!(
        "`{}` is written twice in one mapping; only the last one counts",
        key.key
    );
    let parent = path.rsplit('.').next().unwrap_or_default();
    let is_peer = parent.starts_with("from[") || parent.starts_with("to[");
    let help = match key.key.as_str() {
        _ if parent == "matchLabels" => Some(format!(
            "to match either value, use `matchExpressions` with `{{key: {}, operator: In, values: [...]}}`",
            key.key
        )),
        "cidr" if parent == "ipBlock" => Some(
            "to match both blocks, write a second peer with an `ipBlock` of its own".to_owned(),
        ),
        "ipBlock" | "podSelector" | "namespaceSelector" if is_peer => Some(format!(
            "to match either, write a second peer: `- {}:`",
            key.key
        )),
        _ => None,
    };
    let diagnostic = duplicate(key, message, object, &path);
    match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

fn duplicate(key: &DuplicateKey, message: String, object: &str, path: &str) -> Diagnostic {
    let mut path = path.to_owned();
    push_field(&mut path, &key.key);
    Diagnostic::new("duplicate-key", Severity::Error, key.second, message)
        .label("defined again here")
        .related(key.first, "first defined here")
        .about(object, path)
}
