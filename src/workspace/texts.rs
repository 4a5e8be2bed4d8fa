//! The texts of a run, each read once: whoever asks for a text again, for another cluster,
//! another revision or after a change elsewhere, gets what was read the first time.
//!
//! Refuses to know clusters, and where texts come from.

use crate::diagnostic::{Diagnostic, Edit};
use crate::edit;
use crate::k8s::{Document, Object};
use crate::manifest::{self, Focus, Known};
use crate::progress;
use crate::source::{SourceId, SourceMap, Span};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was read in one text.
#[derive(Debug, Default)]
pub struct ReadText {
    /// What became of every document, in order.
    pub documents: Arc<[Document]>,
    /// The objects, in order.
    pub objects: Box<[Object]>,
    /// What is wrong with the text.
    pub diagnostics: Box<[Diagnostic]>,
    /// Whether objects were left out, as the reading was for questions about others.
    pub(super) is_partial: bool,
    /// Whether it is one list whose items were read one by one.
    is_read_by_item: bool,
}

/// Texts, and what was read in each. A copy shares both.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    sources: SourceMap,
    /// By the position of the source.
    read: Vec<Arc<ReadText>>,
}

impl Texts {
    /// Reads all texts, on all threads.
    #[must_use]
    pub fn read(sources: SourceMap) -> Self {
        Self::read_for(Focus::EVERYTHING, sources)
    }

    /// The same for questions about some namespaces, for which not all objects may be read.
    #[must_use]
    pub fn read_for(focus: &Focus, sources: SourceMap) -> Self {
        let ids: Vec<SourceId> = sources.ids().collect();
        progress::begin("parsing files", ids.len());
        let read = ids.par_iter().map(|id| {
            let read = read_one(focus, &sources, *id);
            progress::advance();
            read
        });
        let read = read.collect();
        Self { sources, read }
    }

    /// The same with everything read.
    #[must_use]
    pub(super) fn whole(&self) -> Self {
        let texts = self.sources.ids().zip(&self.read).collect::<Vec<_>>();
        let read = texts
            .into_par_iter()
            .map(|(id, read)| match read.is_partial {
                true => read_one(Focus::EVERYTHING, &self.sources, id),
                false => Arc::clone(read),
            });
        Self {
            read: read.collect(),
            sources: self.sources.clone(),
        }
    }

    /// The texts themselves.
    #[must_use]
    pub fn sources(&self) -> &SourceMap {
        &self.sources
    }

    /// What was read in a text.
    #[must_use]
    pub fn get(&self, id: SourceId) -> &Arc<ReadText> {
        &self.read[id.index()]
    }

    /// A place as a person would look for it: `path:line`.
    pub(super) fn place(&self, span: Span) -> String {
        let source = self.sources.get(span.source);
        format!("{}:{}", source.name(), source.position(span.start).line)
    }

    /// The texts after some edits, and which of them are not as they are in the `known` ones, which
    /// are these texts or what other edits made of them. Only those are read again.
    ///
    /// # Errors
    ///
    /// If two of the edits overlap.
    pub fn edited(
        &self,
        edits: &[Edit],
        known: &Self,
    ) -> Result<(Self, BTreeSet<SourceId>), edit::Conflict> {
        let mut by_source: BTreeMap<SourceId, Vec<Edit>> = BTreeMap::new();
        for edit in edits {
            let of_source = by_source.entry(edit.span.source).or_default();
            of_source.push(edit.clone());
        }
        let mut texts = self.clone();
        for (id, edits) in by_source {
            let text = edit::apply(self.sources.get(id).text(), &edits)?;
            let is_known = text == known.sources.get(id).text();
            texts.read[id.index()] = if is_known {
                texts.sources.replace_as_in(&known.sources, id);
                Arc::clone(known.get(id))
            } else {
                texts.sources.replace(id, text);
                read_again(self.get(id), &edits, &texts.sources, id)
            };
        }
        let ids = self.sources.ids();
        let changed = ids.filter(|id| !Arc::ptr_eq(texts.get(*id), known.get(*id)));
        let changed = changed.collect();
        Ok((texts, changed))
    }
}

fn read_one(focus: &Focus, sources: &SourceMap, id: SourceId) -> Arc<ReadText> {
    let source = sources.get(id);
    let parsed = manifest::read_for(focus, id, source.name(), source.text());
    Arc::new(parsed.into())
}

/// Reads a text after some edits of one that was read `before`.
fn read_again(
    before: &ReadText,
    edits: &[Edit],
    sources: &SourceMap,
    id: SourceId,
) -> Arc<ReadText> {
    let starts = edits.iter().map(|edit| edit.span.start);
    let until = starts.min().unwrap_or_default() as usize;
    if !before.is_read_by_item || before.is_partial {
        return read_one(Focus::EVERYTHING, sources, id);
    }
    let known = Known {
        documents: &before.documents,
        objects: &before.objects,
        diagnostics: &before.diagnostics,
        until,
    };
    let source = sources.get(id);
    let parsed = manifest::read_edited(known, id, source.name(), source.text());
    Arc::new(parsed.into())
}

impl From<manifest::Parsed> for ReadText {
    fn from(parsed: manifest::Parsed) -> Self {
        Self {
            documents: parsed.documents.into(),
            objects: parsed.objects.into(),
            diagnostics: parsed.diagnostics.into(),
            is_partial: parsed.left_out > 0,
            is_read_by_item: parsed.is_read_by_item,
        }
    }
}
