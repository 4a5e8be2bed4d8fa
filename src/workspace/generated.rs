//! The file that a person would edit for a text that a tool made: `helm template` and
//! `kustomize build` with `originAnnotations` leave its name.
//!
//! Refuses to look for the file, which mostly is elsewhere.

use crate::k8s::{Document, Documents, document_at};
use crate::source::{SourceId, SourceMap, Span};
use std::cell::RefCell;
use std::collections::HashMap;

/// The comment that Helm writes above each object (`pkg/action/action.go`).
const SOURCE: &str = "# Source: ";

/// The annotation of `buildMetadata: [originAnnotations]` (kustomize, `api/internal/utils`).
const ORIGIN: &str = "config.kubernetes.io/origin:";

/// The texts of a cluster, and what tools wrote into them.
pub(super) struct Generated<'a> {
    sources: &'a SourceMap,
    documents: HashMap<SourceId, &'a [Document]>,
    /// By document: what it was made from. A document may have thousands of findings.
    made_from: RefCell<HashMap<Span, Option<String>>>,
}

impl<'a> Generated<'a> {
    pub(super) fn new(sources: &'a SourceMap, documents: &'a Documents) -> Self {
        let texts = documents.texts().iter().map(|text| &**text);
        let by_source = |text: &'a [Document]| Some((text.first()?.span.source, text));
        Self {
            sources,
            documents: texts.filter_map(by_source).collect(),
            made_from: RefCell::default(),
        }
    }

    /// The file that the text at a place was made from, if the tool that made it says so.
    pub(super) fn made_from(&self, place: Span) -> Option<String> {
        let document = document_at(self.documents.get(&place.source)?, place)?;
        let mut known = self.made_from.borrow_mut();
        let path = known.entry(document.span).or_insert_with(|| {
            let whole = self.sources.get(place.source).text();
            let (start, end) = (document.span.start as usize, document.span.end as usize);
            template(&whole[..start], &whole[start..end]).or_else(|| origin(&whole[start..end]))
        });
        path.clone()
    }
}

/// What Helm's comment says: it stands right before the object.
fn template(before: &str, document: &str) -> Option<String> {
    let is_comment = |line: &&str| line.trim().is_empty() || line.starts_with('#');
    // Above an object within a line is nothing: the line may be a whole list of JSON.
    let begins_line = before
        .trim_end_matches([' ', '\t'])
        .chars()
        .next_back()
        .is_none_or(|character| character == '\n');
    let above = if begins_line { before } else { "" };
    let above = above.lines().rev().take_while(is_comment);
    let inside = document.lines().take_while(is_comment);
    let mut comments = inside.chain(above);
    let path = comments.find_map(|line| line.strip_prefix(SOURCE))?.trim();
    // People write such comments, too, above what they copied.
    let is_of_chart = ["/templates/", "/crds/"]
        .iter()
        .any(|part| path.contains(part));
    (is_of_chart && !path.contains("://")).then(|| path.to_owned())
}

/// What kustomize's annotation says: a path, and the repository if it is another one.
fn origin(document: &str) -> Option<String> {
    let at = document.find(ORIGIN)?;
    let line_start = document[..at].rfind('\n').map_or(0, |at| at + 1);
    let depth = |line: &str| line.len() - line.trim_start().len();
    let own = depth(&document[line_start..]);
    let lines = document[at..].lines().skip(1);
    let lines = lines.take_while(|line| line.trim().is_empty() || depth(line) > own);
    let lines: Vec<&str> = lines.map(str::trim).collect();
    let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
    let path = field("path: ").or_else(|| field("configuredIn: "))?;
    Some(match field("repo: ") {
        Some(repository) => format!("{path} of {repository}"),
        None => path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;

    #[test]
    fn tools_say_where_their_texts_come_from() {
        const OBJECT: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n";
        const LIST: &str = r#"{"apiVersion": "v1", "kind": "List", "items": ["#;
        const JSON: &str = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}"#;
        let by_kustomize = |lines: &str| {
            format!(
                "{OBJECT}  annotations:\n    config.kubernetes.io/origin: |\n{lines}    other: b\n"
            )
        };
        let cases = [
            (OBJECT.to_owned(), None),
            (
                format!("---\n# Source: shop/templates/pod.yaml\n{OBJECT}"),
                Some("shop/templates/pod.yaml"),
            ),
            (
                format!(
                    "{OBJECT}---\n# Source: a/templates/a.yaml\n---\n# Source: a/templates/b.yaml\n# more\n{OBJECT}"
                ),
                Some("a/templates/b.yaml"),
            ),
            (
                format!("# Source: https://example.com/templates/a\n{OBJECT}"),
                None,
            ),
            (
                format!("# Source: a/templates/b.yaml\n{LIST}{JSON}, {JSON}]}}"),
                None,
            ),
            (
                format!("# Source: a/templates/b.yaml\n \n  {JSON}\n"),
                Some("a/templates/b.yaml"),
            ),
            (
                by_kustomize("      path: ../base/pod.yaml\n"),
                Some("../base/pod.yaml"),
            ),
            (
                by_kustomize("      path: pod.yaml\n      repo: https://example.com/x\n"),
                Some("pod.yaml of https://example.com/x"),
            ),
        ];
        for (text, expected) in cases {
            let mut sources = SourceMap::default();
            let source = sources.add("all.yaml", text.as_str());
            let parsed = manifest::read(source, "all.yaml", &text);
            let documents: Documents = [parsed.documents.into()].into_iter().collect();
            let end = text.len() as u32 - 1;
            let place = Span::new(source, end, end);
            let found = Generated::new(&sources, &documents).made_from(place);
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
