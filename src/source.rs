//! Text and places in it: which file a byte belongs to, and how a person would
//! name that place.
//!
//! Knows nothing of YAML, Kubernetes or findings, and never reads the disk: it is
//! handed names and texts.

pub(crate) mod path;

use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock};

/// A short text of a manifest, such as a name or the value of a label. Up to 15 bytes take no
/// memory of their own, and a copy of a longer one shares it.
pub type Text = ecow::EcoString;

/// Texts that are met again and again, as the keys of labels are: each is kept once, and whoever
/// meets it gets a copy that shares it.
#[derive(Debug, Default)]
pub(crate) struct SharedTexts(Mutex<HashSet<Text, RandomState>>);

impl SharedTexts {
    /// What lies in place anyway.
    const MAX_IN_PLACE: usize = 15;
    /// What is longer is a text that somebody wrote for one object only.
    const MAX: usize = 253;

    /// The text, which is that of an earlier question where there was one.
    pub(crate) fn get(&self, text: &str) -> Text {
        if text.len() <= Self::MAX_IN_PLACE || text.len() > Self::MAX {
            return Text::from(text);
        }
        let Self(texts) = self;
        let mut texts = texts.lock().expect("nobody panics while he holds it");
        if let Some(known) = texts.get(text) {
            return known.clone();
        }
        let new = Text::from(text);
        texts.insert(new.clone());
        new
    }
}

/// What the text of standard input is called.
pub const STDIN_NAME: &str = "<stdin>";

/// One text that was read, by its position in the [`SourceMap`] that issued it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

impl SourceId {
    /// The position in its map.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A range of bytes of one source: `start` inclusive, `end` exclusive.
///
/// Both ends lie on character boundaries of the text. An empty span marks a place
/// between two characters, as for text that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The text that the bytes belong to.
    pub source: SourceId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end` of `source`.
    #[must_use]
    pub fn new(source: SourceId, start: u32, end: u32) -> Self {
        debug_assert!(start <= end, "a span must not end before it starts");
        Self { source, start, end }
    }

    /// The smallest span that holds both. Parts of an object that was built may be of two
    /// sources, which no span holds: then it is this one.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.source != other.source {
            return self;
        }
        Self {
            source: self.source,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// Whether `other` lies within this span (the same source, no byte outside).
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.source == other.source && self.start <= other.start && other.end <= self.end
    }

    /// The empty span at the start of this one.
    #[must_use]
    pub fn before(self) -> Self {
        Self {
            end: self.start,
            ..self
        }
    }

    /// The empty span at the end of this one.
    #[must_use]
    pub fn after(self) -> Self {
        Self {
            start: self.end,
            ..self
        }
    }

    /// The bytes as a range, for slicing the text of the same source.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A value and the text that it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// The text that it was read from.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// `value`, read from `span`.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// A place as editors show it; both count from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The character within the line.
    pub column: u32,
}

/// One text and its name.
#[derive(Debug)]
pub struct Source {
    name: Box<str>,
    text: Box<str>,
    /// Made on the first question about a text that is longer than a block. A tree has tens of
    /// thousands that are not.
    counted: OnceLock<Box<Counted>>,
}

/// What is counted of a long text, so that nobody counts it again from its start.
#[derive(Debug)]
struct Counted {
    /// How many lines end before each block of bytes, and in the whole text. The start of every
    /// line would be as much as a fifth of the text.
    line_ends: Box<[u32]>,
    /// How many characters begin before each block of bytes, made on the first question
    /// about a long line.
    characters: OnceLock<Box<[u32]>>,
}

/// The length of the blocks that lines and characters are counted in.
const BLOCK: usize = 1024;

impl Source {
    fn new(name: String, text: String) -> Self {
        assert!(
            u32::try_from(text.len()).is_ok(),
            "load rejects texts of 4 GiB and more"
        );
        Self {
            name: name.into(),
            text: text.into(),
            counted: OnceLock::new(),
        }
    }

    /// The name as the user would write it: a path relative to where npcheck runs,
    /// `<stdin>`, or such. It may hold control characters: escape it when printing.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    fn counted(&self) -> &Counted {
        self.counted.get_or_init(|| {
            let mut ends = 0;
            let blocks = self.text.as_bytes().chunks(BLOCK).map(|block| {
                ends += count_lines(block);
                ends
            });
            Box::new(Counted {
                line_ends: std::iter::once(0).chain(blocks).collect(),
                characters: OnceLock::new(),
            })
        })
    }

    /// How many lines end before a byte; all for one behind the text.
    fn lines_before(&self, offset: usize) -> u32 {
        let bytes = self.text.as_bytes();
        let offset = offset.min(bytes.len());
        if offset < BLOCK {
            return count_lines(&bytes[..offset]);
        }
        let block = offset / BLOCK;
        self.counted().line_ends[block] + count_lines(&bytes[block * BLOCK..offset])
    }

    /// Where the line starts that has so many before it; `None` if the text has fewer.
    fn line_start(&self, before: u32) -> Option<usize> {
        if before == 0 {
            return Some(0);
        }
        let is_one_block = self.text.len() <= BLOCK;
        let line_ends = if is_one_block {
            &[0]
        } else {
            &*self.counted().line_ends
        };
        let behind = line_ends.partition_point(|ends| *ends < before);
        let block = behind - 1;
        let rest = self.text.as_bytes().chunks(BLOCK).nth(block)?;
        let nth = (before - line_ends[block] - 1) as usize;
        let end = memchr::memchr_iter(b'\n', rest).nth(nth)?;
        Some(block * BLOCK + end + 1)
    }

    /// The line of a byte, from 1; what [`position`](Self::position) says, without the column,
    /// which takes as long as the line is.
    #[must_use]
    pub fn line(&self, offset: u32) -> u32 {
        self.lines_before(offset as usize) + 1
    }

    /// The place of the byte at `offset`; an offset behind the text is its end.
    #[must_use]
    pub fn position(&self, offset: u32) -> Position {
        let line = self.lines_before(offset as usize);
        let start = self.line_start(line).unwrap_or(self.text.len());
        let mut end = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let column = self.characters_in(start, end) + 1;
        Position {
            line: line + 1,
            column,
        }
    }

    /// The number of characters from `start` to `end`. A dump in one line of JSON has
    /// thousands of places behind millions of characters, so these are counted once.
    fn characters_in(&self, start: usize, end: usize) -> u32 {
        let bytes = self.text.as_bytes();
        if end - start <= 2 * BLOCK {
            return count_characters(&bytes[start..end]);
        }
        let blocks = self.counted().characters.get_or_init(|| {
            let mut before = 0;
            let mut count = |block| {
                let here = before;
                before += count_characters(block);
                here
            };
            bytes.chunks(BLOCK).map(&mut count).collect()
        });
        let before = |offset: usize| {
            // The end of a text that fills its last block has no block of its own.
            let block = (offset / BLOCK).min(blocks.len() - 1);
            blocks[block] + count_characters(&bytes[block * BLOCK..offset])
        };
        before(end) - before(start)
    }

    /// The bytes of a line, counted from 1, without its line break; an empty range
    /// at the end of the text for a line that it does not have.
    #[must_use]
    pub fn line_range(&self, line: u32) -> std::ops::Range<usize> {
        let before = line.saturating_sub(1);
        let Some(start) = self.line_start(before) else {
            return self.text.len()..self.text.len();
        };
        let end = self.line_start(before + 1);
        let end = end.map_or(self.text.len(), |next| next - 1);
        let has_carriage_return = end > start && self.text.as_bytes()[end - 1] == b'\r';
        start..end - usize::from(has_carriage_return)
    }
}

/// How many lines end in these bytes.
fn count_lines(bytes: &[u8]) -> u32 {
    memchr::memchr_iter(b'\n', bytes).count() as u32
}

/// How many characters begin in these bytes of UTF-8: all but continuation bytes begin one.
fn count_characters(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u32
}

/// Every text of a run. Texts are never taken away, so an id stays good. A copy shares the
/// texts.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    sources: Vec<Arc<Source>>,
    /// The names of texts that somebody wanted and that are not among these.
    absent: Arc<BTreeMap<String, Absence>>,
}

/// Why a text is not there that somebody wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// There is no file of this name.
    Missing,
    /// It must not be read: it leads out of the repository.
    Refused,
}

impl SourceMap {
    /// Adds a text under a name and returns its id.
    ///
    /// # Panics
    ///
    /// If the text has 4 GiB or more, or it is the 2³²th: `load` refuses such input.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        let id = SourceId(u32::try_from(self.sources.len()).expect("load rejects so many files"));
        self.sources
            .push(Arc::new(Source::new(name.into(), text.into())));
        id
    }

    /// Puts another text in the place of one. Spans of the old text mean nothing any more.
    ///
    /// # Panics
    ///
    /// If the text has 4 GiB or more.
    pub fn replace(&mut self, id: SourceId, text: impl Into<String>) {
        let source = &mut self.sources[id.index()];
        *source = Arc::new(Source::new(source.name.to_string(), text.into()));
    }

    /// Puts the text that a changed copy of this map has in the place of one; it is shared.
    pub fn replace_as_in(&mut self, copy: &Self, id: SourceId) {
        self.sources[id.index()] = Arc::clone(&copy.sources[id.index()]);
    }

    /// Notes that a text is not there.
    pub fn note_absent(&mut self, name: impl Into<String>, absence: Absence) {
        Arc::make_mut(&mut self.absent).insert(name.into(), absence);
    }

    /// Why the text of this name is not there, where somebody has looked for it.
    #[must_use]
    pub fn absence(&self, name: &str) -> Option<Absence> {
        self.absent.get(name).copied()
    }

    /// The source of an id that this map issued.
    #[must_use]
    pub fn get(&self, id: SourceId) -> &Source {
        &self.sources[id.index()]
    }

    /// The ids of all sources, in the order in which they were added.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = SourceId> + use<> {
        (0..self.sources.len() as u32).map(SourceId)
    }

    /// The text that a span covers.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        &self.get(span.source).text[span.range()]
    }

    /// The place where a span starts.
    #[must_use]
    pub fn position(&self, span: Span) -> Position {
        self.get(span.source).position(span.start)
    }
}

/// A change of text: the bytes of `span` make way for `replacement`.
///
/// An empty span inserts, an empty replacement deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What goes.
    pub span: Span,
    /// What comes in its place.
    pub replacement: String,
}

/// The line break that a text uses: that of its first line.
#[must_use]
pub fn line_break(text: &str) -> &'static str {
    let first = text.split_inclusive('\n').next();
    if first.is_some_and(|line| line.ends_with("\r\n")) {
        "\r\n"
    } else {
        "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_wherever_they_end() {
        let long = "x".repeat(3 * BLOCK);
        let fills = format!("{}\n", "y".repeat(BLOCK - 1));
        let texts = [
            String::new(),
            "\n".to_owned(),
            "one".to_owned(),
            "one\ntwo\r\n\nfour\n".to_owned(),
            "\n".repeat(2 * BLOCK + 3),
            format!("{long}\n{fills}{fills}short\n{long}"),
            fills.repeat(3),
        ];
        for text in texts {
            let mut sources = SourceMap::default();
            let source = sources.add("a.yaml", text.as_str());
            let source = sources.get(source);
            let lines: Vec<&str> = text.split('\n').collect();
            let mut start = 0;
            for (before, line) in lines.iter().enumerate() {
                let number = before as u32 + 1;
                let end = start + line.trim_end_matches('\r').len();
                assert_eq!(source.line_range(number), start..end, "line {number}");
                for offset in [start, start + line.len() / 2, start + line.len()] {
                    assert_eq!(source.line(offset as u32), number, "offset {offset}");
                    let column = (offset - start) as u32 + 1;
                    let place = Position {
                        line: number,
                        column,
                    };
                    assert_eq!(source.position(offset as u32), place, "offset {offset}");
                }
                start += line.len() + 1;
            }
            let behind = lines.len() as u32 + 1;
            assert_eq!(source.line_range(behind), text.len()..text.len());
            assert_eq!(source.line_range(u32::MAX), text.len()..text.len());
            assert_eq!(source.line(u32::MAX), lines.len() as u32);
        }
    }

    #[test]
    fn columns_count_characters_in_short_and_in_long_lines() {
        for length in [
            0,
            1,
            BLOCK,
            2 * BLOCK - 1,
            2 * BLOCK,
            5 * BLOCK,
            5 * BLOCK + 7,
        ] {
            let line = "aä日".repeat(length / 6 + 1);
            let text = format!("first\n{line}\nlast");
            let mut sources = SourceMap::default();
            let id = sources.add("a.json", text.as_str());
            for (offset, _) in line.char_indices().step_by(97) {
                let column = line[..offset].chars().count() as u32 + 1;
                let position = sources.get(id).position((6 + offset) as u32);
                assert_eq!(position, Position { line: 2, column }, "{length} {offset}");
            }
            let end = sources.get(id).position(text.len() as u32 + 9);
            assert_eq!(
                end,
                Position { line: 3, column: 5 },
                "an offset behind the text is its end"
            );
        }
        // The text ends where a block does.
        let mut sources = SourceMap::default();
        let id = sources.add("b.json", "x".repeat(4 * BLOCK));
        let end = sources.get(id).position(4 * BLOCK as u32);
        assert_eq!(
            end,
            Position {
                line: 1,
                column: 4 * BLOCK as u32 + 1
            }
        );
    }
}
