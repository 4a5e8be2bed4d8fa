//! What edits make of objects, without the texts that they would leave: of a dump, only the items
//! that change are read again.
//!
//! Refuses to say where something stands afterwards.

use super::texts::{ReadText, Texts};
use super::{ClusterView, Part, Workspace};
use crate::edit;
use crate::k8s::{Document, Object, Outcome, document_at};
use crate::manifest;
use crate::source::{Edit, SourceId, Span};
use std::collections::BTreeMap;
use std::ops::Range;

/// What some edits change.
#[derive(Debug)]
pub struct Changed {
    /// What was read again: whole texts, or items of lists, as they stood before, in order.
    places: Vec<Span>,
    /// The objects that are in them afterwards. Places in items that were read by themselves
    /// count from the start of the item's first line.
    pub objects: Vec<Object>,
    /// By object: what it stands behind everything that stands before.
    order: Vec<Span>,
}

impl Changed {
    /// Whether an object is one of those that were there before.
    #[must_use]
    pub fn replaces(&self, object: &Object) -> bool {
        let span = object.meta().span;
        let until = |place: &Span| (place.source, place.start) <= (span.source, span.start);
        let behind = self.places.partition_point(until);
        let last = behind.checked_sub(1).map(|last| self.places[last]);
        last.is_some_and(|place| place.contains(span))
    }

    /// The objects beside those that stay, in the order of the inputs: the first of two of one
    /// name counts.
    #[must_use]
    pub fn beside<'o>(&self, kept: impl Iterator<Item = &'o Object>) -> Vec<Object> {
        let changed = self.order.iter().copied().zip(&self.objects);
        let kept = kept.map(|object| (object.meta().span, object));
        let mut all: Vec<(Span, &Object)> = changed.chain(kept).collect();
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, object)| object.clone()).collect()
    }

    /// The objects of whole texts.
    fn of_texts(places: Vec<Span>, objects: Vec<Object>) -> Self {
        Self {
            places,
            order: objects.iter().map(|object| object.meta().span).collect(),
            objects,
        }
    }
}

impl Workspace {
    /// The objects of a cluster after some edits, and what the edits change; `None` if the edits
    /// contradict each other, or do not leave texts that read as well as before.
    #[must_use]
    pub fn objects_after(&self, view: &ClusterView, edits: &[Edit]) -> Option<Changed> {
        if view.part.is_built {
            return self.built_after(view, edits);
        }
        let changed = match items_after(&self.texts, edits) {
            Some(changed) => changed?,
            None => self.texts_after(edits)?,
        };
        let placed = changed.objects.into_iter().zip(changed.order);
        let settled = placed.filter_map(|(object, place)| {
            let object = view.part.places.settle(vec![object]).pop()?;
            Some((object, place))
        });
        let (objects, order) = settled.unzip();
        Some(Changed {
            places: changed.places,
            objects,
            order,
        })
    }

    /// The same of whole texts.
    fn texts_after(&self, edits: &[Edit]) -> Option<Changed> {
        let (texts, changed) = self.texts.edited(edits, &self.texts).ok()?;
        let mut objects = Vec::new();
        for id in &changed {
            let (before, after) = (self.texts.get(*id), texts.get(*id));
            if is_worse(Read::from(&**before), Read::from(&**after)) {
                return None;
            }
            objects.extend(after.objects.iter().cloned());
        }
        let places = changed.into_iter().map(whole).collect();
        Some(Changed::of_texts(places, objects))
    }

    /// The same for a cluster of objects that are built of several texts: all of it is built
    /// again.
    fn built_after(&self, view: &ClusterView, edits: &[Edit]) -> Option<Changed> {
        let edited = self.edited(edits).ok()?;
        let mut views = edited.clusters.iter();
        let after = &views.find(|other| other.name() == view.name())?.part;
        let accepted = |part: &Part| {
            let metas = part.objects.iter().map(Object::meta);
            metas.filter(|meta| meta.is_accepted).count()
        };
        let is_worse = after.diagnostics.len() > view.part.diagnostics.len()
            || accepted(after) < accepted(&view.part);
        let texts = view.part.texts.union(&after.texts);
        let places = texts.copied().map(whole).collect();
        (!is_worse).then(|| Changed::of_texts(places, after.objects.clone()))
    }
}

fn whole(text: SourceId) -> Span {
    Span::new(text, 0, u32::MAX)
}

/// What was read in a text, or in a part of it.
struct Read<'r> {
    objects: &'r [Object],
    faults: usize,
}

impl<'r> From<&'r ReadText> for Read<'r> {
    fn from(read: &'r ReadText) -> Self {
        Self {
            objects: &read.objects,
            faults: read.diagnostics.len(),
        }
    }
}

impl<'r> From<&'r manifest::Parsed> for Read<'r> {
    fn from(read: &'r manifest::Parsed) -> Self {
        Self {
            objects: &read.objects,
            faults: read.diagnostics.len(),
        }
    }
}

/// Whether a text reads worse than before.
fn is_worse(before: Read<'_>, after: Read<'_>) -> bool {
    let rejected = |read: &Read<'_>| {
        let metas = read.objects.iter().map(Object::meta);
        metas.filter(|meta| !meta.is_accepted).count()
    };
    after.faults > before.faults
        || rejected(&after) > rejected(&before)
        || after.objects.len() < before.objects.len()
}

/// The objects of the items of lists that some edits change. `None` where an edit is not in an item that can be read by itself.
fn items_after(texts: &Texts, edits: &[Edit]) -> Option<Option<Changed>> {
    // A sign that is not of ASCII may turn the text around it.
    if !edits.iter().all(|edit| edit.replacement.is_ascii()) {
        return None;
    }
    let mut by_item: BTreeMap<Span, Vec<Edit>> = BTreeMap::new();
    for edit in edits {
        let documents = &texts.get(edit.span.source).documents;
        let document = document_at(documents, edit.span)?;
        let is_object = matches!(document.outcome, Outcome::Object | Outcome::PluginPolicy);
        let of_item = by_item.entry(document.span).or_default();
        of_item.push(edit.clone());
        is_object.then_some(())?;
    }
    let mut changed = Changed {
        places: Vec::new(),
        objects: Vec::new(),
        order: Vec::new(),
    };
    for (item, edits) in by_item {
        let source = item.source;
        let text = texts.sources().get(source).text();
        let lines = lines_of(text, item);
        let before = read_item(text, lines.clone(), item)?;
        let moved = edits.into_iter().map(|edit| Edit {
            span: Span::new(
                source,
                edit.span.start - lines.start as u32,
                edit.span.end - lines.start as u32,
            ),
            ..edit
        });
        let moved: Vec<Edit> = moved.collect();
        let Ok(edited) = edit::apply(&text[lines.clone()], &moved) else {
            return Some(None);
        };
        let after = manifest::read_item(source, &edited, 0..edited.len())?;
        if is_worse(Read::from(&before), Read::from(&after)) {
            return Some(None);
        }
        changed.places.push(item);
        changed.order.extend(after.objects.iter().map(|_| item));
        changed.objects.extend(after.objects);
    }
    Some(Some(changed))
}

/// The lines that an item stands on.
fn lines_of(text: &str, item: Span) -> Range<usize> {
    let Range { start, end } = item.range();
    let start = memchr::memrchr(b'\n', &text.as_bytes()[..start]).map_or(0, |at| at + 1);
    let end = memchr::memchr(b'\n', &text.as_bytes()[end..]).map_or(text.len(), |at| end + at + 1);
    start..end
}

/// Reads an item as it is, if it is one.
fn read_item(text: &str, lines: Range<usize>, item: Span) -> Option<manifest::Parsed> {
    let read = manifest::read_item(item.source, text, lines)?;
    let is_it = |documents: &[Document]| matches!(documents, [document] if document.span == item);
    is_it(&read.documents).then_some(read)
}

#[cfg(test)]
mod tests;
