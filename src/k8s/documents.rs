//! What became of the documents of several texts, text by text, so that clusters which have a
//! text in common share what was read in it.
//!
//! Refuses to know how documents are read.

use super::Document;
use crate::source::Span;
use std::sync::Arc;

/// The documents of some texts, in the order of the texts. A copy shares them.
#[derive(Clone, Debug, Default)]
pub struct Documents(Vec<Arc<[Document]>>);

impl Documents {
    /// All documents, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Document> + Clone {
        self.0.iter().flat_map(|text| text.iter())
    }

    /// The documents of each text that has any, in order.
    #[must_use]
    pub fn texts(&self) -> &[Arc<[Document]>] {
        &self.0
    }
}

/// The document of a text that a place is in. `documents` are those of the text, which stand in
/// its order and hold nothing of each other.
#[must_use]
pub fn document_at(documents: &[Document], place: Span) -> Option<&Document> {
    let first = documents.partition_point(|document| document.span.end < place.end);
    let document = documents.get(first)?;
    document.span.contains(place).then_some(document)
}

impl FromIterator<Arc<[Document]>> for Documents {
    fn from_iter<T: IntoIterator<Item = Arc<[Document]>>>(texts: T) -> Self {
        let inhabited = texts.into_iter().filter(|text| !text.is_empty());
        Self(inhabited.collect())
    }
}

impl From<Vec<Document>> for Documents {
    /// The documents of one text.
    fn from(documents: Vec<Document>) -> Self {
        [Arc::from(documents)].into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Documents {
    type Item = &'a Document;
    type IntoIter = Box<dyn Iterator<Item = &'a Document> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}
