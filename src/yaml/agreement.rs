//! Whether the two readers of YAML read a document alike: what a test asks of the fixtures,
//! and a fuzzer of anything.
//!
//! Refuses to know what else reads YAML.

use super::tree::{Node, Tree};
use super::{block, general};
use crate::source::SourceMap;

/// What the fast scanner and the reader with the whole grammar make of a document that both
/// understand, where that differs: the first line of each that is not the same.
#[must_use]
pub fn disagreement(text: &str) -> Option<(String, String)> {
    let source = SourceMap::default().add("text.yaml", text);
    let fast = block::read(source, text, 0..text.len())?;
    let whole = match general::read(source, text, 0..text.len()) {
        Ok(tree) => written(&tree),
        Err(error) => vec![error.message],
    };
    let fast = written(&fast);
    let longer = fast.len().max(whole.len());
    let line = |lines: &[String], index: usize| lines.get(index).cloned().unwrap_or_default();
    let pairs = (0..longer).map(|index| (line(&fast, index), line(&whole, index)));
    pairs.into_iter().find(|(fast, whole)| fast != whole)
}

/// A tree as text: its comments, and every value with its bytes and its hyphen.
fn written(tree: &Tree<'_>) -> Vec<String> {
    let mut lines = vec![format!("{:?}", tree.comments())];
    if let Some(root) = tree.root() {
        write(root, &mut lines);
    }
    lines
}
fn write(node: Node<'_>, lines: &mut Vec<String>) {
    let dash = node.dash().map(|dash| dash.start);
    lines.push(format!(
        "{:?} {:?} {dash:?} {:?}",
        node.kind(),
        node.span().range(),
        node.scalar()
    ));
    for entry in node.entries() {
        lines.push(format!(
            "{:?} {:?}",
            entry.key.span().range(),
            entry.key.key_text()
        ));
        write(entry.value, lines);
    }
    for item in node.items() {
        write(item, lines);
    }
}
