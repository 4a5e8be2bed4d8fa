//! What all readers of policies share: where they are in the object, and what they
//! found wrong with it.
//!
//! Refuses to know any field.

use crate::diagnostic::Diagnostic;
use crate::k8s::{self, Field};
use crate::yaml::tree::{Entry, Node};
use std::collections::HashSet;
use std::fmt;

/// How many findings about one object are told: nobody reads more of them.
const MAX_TOLD: usize = 500;

/// How many findings about one object are kept, so that a fix can be held against all of
/// them. An object with more is not fixed.
pub(super) const MAX_KEPT: usize = 10_000;

/// A place in an object, which lives on the stack of the functions that read it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Path<'p> {
    /// The object.
    Object,
    /// A field of a mapping.
    Field(&'p Path<'p>, &'p str),
    /// An item of a list.
    Item(&'p Path<'p>, usize),
}

impl Path<'_> {
    /// The field of this name in the mapping at this place.
    pub(super) fn field<'p>(&'p self, name: &'p str) -> Path<'p> {
        Path::Field(self, name)
    }

    /// Whether it is below a field of one of these names.
    pub(super) fn is_below(&self, names: &[&str]) -> bool {
        match self {
            Self::Object => false,
            Self::Field(parent, name) => names.contains(name) || parent.is_below(names),
            Self::Item(parent, _) => parent.is_below(names),
        }
    }

    /// The item of this index in the list at this place.
    pub(super) fn item(&self, index: usize) -> Path<'_> {
        Path::Item(self, index)
    }
}

/// `spec.ingress[0].from[1]`; names that are no plain words, such as labels with a
/// prefix, stand in brackets and quotes.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object => Ok(()),
            Self::Field(parent, name) => {
                parent.fmt(f)?;
                let is_word =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                match parent {
                    _ if name.is_empty() || !name.bytes().all(is_word) => write!(f, "[{name:?}]"),
                    Path::Object => f.write_str(name),
                    _ => write!(f, ".{name}"),
                }
            }
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// How many holes of an object are told apart. One with more has a hole in front of all its
/// text as well, so that nothing of it counts as known.
const MAX_HOLES: usize = 64;

/// What the readers of one object have found so far.
#[derive(Debug)]
pub(super) struct Reader<'d> {
    object: String,
    diagnostics: &'d mut Vec<Diagnostic>,
    /// How many there were before this object.
    others: usize,
    is_accepted: bool,
    holes: k8s::Holes,
    /// Paths and messages of what follows from another finding.
    muted: HashSet<(String, String)>,
    /// How many findings there are beyond the most that are kept.
    dropped: usize,
}

impl<'d> Reader<'d> {
    /// A reader of `object` (`namespace/Kind/name`) that adds what it finds.
    pub(super) fn new(object: String, diagnostics: &'d mut Vec<Diagnostic>) -> Self {
        let others = diagnostics.len();
        Self {
            object,
            diagnostics,
            others,
            is_accepted: true,
            holes: k8s::Holes::default(),
            muted: HashSet::new(),
            dropped: 0,
        }
    }

    /// Adds a finding about the part at `path`.
    pub(super) fn report(&mut self, path: Path<'_>, diagnostic: Diagnostic) {
        self.report_at(path.to_string(), diagnostic);
    }

    /// Adds a finding about the part at the path that is written out in `path`.
    pub(super) fn report_at(&mut self, mut path: String, mut diagnostic: Diagnostic) {
        if !self.muted.is_empty() {
            let name = (path, diagnostic.message);
            if self.muted.contains(&name) {
                return;
            }
            (path, diagnostic.message) = name;
        }
        let found = self.diagnostics.len() - self.others;
        if found >= MAX_KEPT {
            self.dropped += 1;
            return;
        }
        diagnostic.is_untold = found >= MAX_TOLD;
        self.diagnostics
            .push(diagnostic.about(self.object.clone(), path));
    }

    /// Adds a finding for which an API server refuses the object.
    pub(super) fn refuse(&mut self, path: Path<'_>, diagnostic: Diagnostic) {
        self.refuse_at(path.to_string(), diagnostic);
    }

    /// The same at the path that is written out in `path`.
    pub(super) fn refuse_at(&mut self, path: String, diagnostic: Diagnostic) {
        self.is_accepted = false;
        self.report_at(path, diagnostic);
    }

    /// Leaves out findings, by path and message, that follow from another one.
    pub(super) fn mute(&mut self, findings: Vec<(String, String)>) {
        self.muted.extend(findings);
    }

    /// Notes that there is more to find than anybody keeps.
    pub(super) fn drop_findings(&mut self, more: usize) {
        self.dropped += more;
    }

    /// Notes that an API server refuses the object for something that a finding of
    /// another rule speaks of already.
    pub(super) fn refuse_silently(&mut self) {
        self.is_accepted = false;
    }

    /// Whether a node is text that only another tool completes, where its value is
    /// needed; then it is noted and must be left out.
    pub(super) fn is_opaque(&mut self, node: Node<'_>) -> bool {
        let is_opaque = is_opaque(node);
        if is_opaque {
            self.note_incomplete(node);
        }
        is_opaque
    }

    /// Notes that the object is not whole before another tool has done its part here.
    pub(super) fn note_incomplete(&mut self, node: Node<'_>) {
        if self.holes.len() <= MAX_HOLES {
            self.holes.add(node.span());
        }
    }

    /// Puts what was found into the order of the text and the outcome into `meta`.
    pub(super) fn finish(self, meta: &mut k8s::ObjectMeta) {
        let findings = &mut self.diagnostics[self.others..];
        findings.sort_by_key(|diagnostic| diagnostic.primary.span);
        let untold = findings.iter().filter(|it| it.is_untold).count() + self.dropped;
        let last = findings.iter_mut().rfind(|it| !it.is_untold);
        if let (Some(last), 1..) = (last, untold) {
            last.notes.push(format!(
                "there are {untold} more findings about this object"
            ));
        }
        if self.dropped > 0 {
            for finding in findings {
                finding.fix = None;
            }
        }
        meta.is_accepted &= self.is_accepted;
        if self.holes.len() > MAX_HOLES {
            meta.holes.add(meta.span.before());
        }
        meta.holes.extend(self.holes);
    }
}

/// Whether a node is a scalar that only another tool completes.
pub(super) fn is_opaque(node: Node<'_>) -> bool {
    node.text().is_some_and(k8s::is_opaque)
}

/// Reads a field of a mapping. A value that `read` can make nothing of is left out as
/// if it were missing: whoever looked at it has said why.
pub(super) fn field<'t, T>(
    mapping: Node<'t>,
    name: &str,
    read: impl FnOnce(Entry<'t>) -> Option<T>,
) -> Field<T> {
    match mapping.entry(name) {
        None => Field::Missing,
        Some(entry) if entry.value.is_null() => Field::Null {
            key: entry.key.span(),
        },
        Some(entry) => {
            let key = entry.key.span();
            read(entry).map_or(Field::Missing, |value| Field::Value { key, value })
        }
    }
}

/// Reads the items of a list; `None` if it is no list, or if `read` leaves every item
/// out, as an empty list would mean something else.
pub(super) fn items<'t, T>(
    list: Node<'t>,
    path: Path<'_>,
    mut read: impl FnMut(Node<'t>, Path<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    if !list.is_sequence() {
        return None;
    }
    let mut count = 0;
    let read_item = |(index, item)| {
        count = index + 1;
        read(item, path.item(index))
    };
    let mut items: Vec<T> = list.items().enumerate().filter_map(read_item).collect();
    items.shrink_to_fit();
    (!items.is_empty() || count == 0).then_some(items)
}

/// The same with a fix that writes `text` instead of the scalar `value`, in the quotes
/// that stand there.
pub(super) fn write_instead(diagnostic: Diagnostic, value: Node<'_>, text: &str) -> Diagnostic {
    let quote = value
        .raw()
        .get(..1)
        .filter(|_| value.is_quoted())
        .unwrap_or_default();
    replace(diagnostic, value, format!("{quote}{text}{quote}"))
}

/// The same with a fix that puts `replacement` in the place of `value`.
pub(super) fn replace(diagnostic: Diagnostic, value: Node<'_>, replacement: String) -> Diagnostic {
    let title = format!("write `{replacement}`");
    if value.is_alias() || value.raw().is_empty() {
        return diagnostic.help(title);
    }
    super::replace(diagnostic, value.span(), title, replacement)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_people_write_them() {
        let spec = Path::Object.field("spec");
        let (rules, labels) = (spec.field("ingress"), spec.field("matchLabels"));
        let rule = rules.item(0);
        let peers = rule.field("from");
        assert_eq!(Path::Object.to_string(), "");
        assert_eq!(peers.item(12).to_string(), "spec.ingress[0].from[12]");
        assert_eq!(labels.field("app").to_string(), "spec.matchLabels.app");
        assert_eq!(
            labels.field("a.b/c").to_string(),
            "spec.matchLabels[\"a.b/c\"]"
        );
    }
}
