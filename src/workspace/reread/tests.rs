//! Items of a list that are read again by themselves become what they become in their text.

use super::*;
use crate::source::SourceMap;
use crate::yaml::differential;
use regex::Regex;

const OTHER: &str = "\
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: other, namespace: shop}
  spec: {podSelector: {}}
";

/// A document as an item of a list.
fn item(document: &str) -> String {
    let lines: Vec<&str> = document.trim_end().lines().collect();
    format!("- {}\n", lines.join("\n  "))
}

/// The objects of a text after an edit, in order, without their places: as `changed` says, and
/// those that it leaves.
fn objects(texts: &Texts, id: SourceId, changed: Changed) -> Vec<String> {
    let places = Regex::new("start: [0-9]+, end: [0-9]+").expect("it is well formed");
    let before = texts.get(id).objects.iter();
    let all = changed.beside(before.filter(|it| !changed.replaces(it)));
    let plain = |object: &Object| {
        let text = format!("{object:?}");
        places.replace_all(&text, "").into_owned()
    };
    all.iter().map(plain).collect()
}

#[test]
fn an_item_by_itself_reads_as_in_its_text() {
    let head = "apiVersion: v1\nkind: List\nitems:\n";
    let (mut by_item, mut worse) = (0, 0);
    // Neighbours are mostly a document and a mutation of it, or two of these.
    let texts = differential::texts();
    for documents in texts.windows(2).step_by(2) {
        let [before, after] = [&documents[0], &documents[1]].map(|document| item(document));
        let mut sources = SourceMap::default();
        let text = format!("{head}{OTHER}{before}{}", OTHER.replace("other", "last"));
        let id = sources.add("dump.yaml", text);
        let texts = Texts::read(sources);
        let start = (head.len() + OTHER.len()) as u32;
        let edit = Edit {
            span: Span::new(id, start + 2, start + before.len() as u32 - 1),
            replacement: after[2..after.len() - 1].to_owned(),
        };
        let Some(changed) = items_after(&texts, std::slice::from_ref(&edit)) else {
            continue;
        };
        let workspace = Workspace {
            texts: texts.clone(),
            ..Workspace::load([("a.yaml", "")], &crate::config::Config::default())
        };
        let whole = workspace.texts_after(std::slice::from_ref(&edit));
        by_item += usize::from(changed.is_some());
        worse += usize::from(changed.is_none());
        let [changed, whole] =
            [changed, whole].map(|changed| changed.map(|it| objects(&texts, id, it)));
        assert_eq!(changed, whole, "{before}{after}");
    }
    assert!(by_item > 100 && worse > 100, "{by_item} {worse}");
}
