//! The YAML that tools and people write, into a [`Tree`]: block style with flow
//! collections in it, without anchors, aliases and tags. Several times as fast as a
//! parser of all of YAML.
//!
//! Refuses to report: a document that it does not fully understand, be it wrong or only
//! unusual, it leaves to that parser.

use super::builder::{Builder, Properties};
use super::cursor::next_sign;
use super::flow;
use super::tree::{Style, Tree};
use super::{block_scalar, quoted};
use crate::source::SourceId;
use std::borrow::Cow;
use std::ops::Range;

/// How long a key may be. YAML has a limit of 1024 characters.
pub(crate) const MAX_KEY: usize = 1000;

/// Reads the document that stands in `range` of `text`, the whole text of `source`;
/// `None` if it is not understood.
pub(crate) fn read<'s>(source: SourceId, text: &'s str, range: Range<usize>) -> Option<Tree<'s>> {
    let bytes = &text.as_bytes()[..range.end];
    if !is_printable(&bytes[range.start..]) {
        return None;
    }
    let mut scanner = Scanner {
        builder: Builder::new(source, text, range.clone()),
        text,
        bytes,
        at: range.start,
        levels: Vec::new(),
    };
    scanner.skip_marker_line(range.start)?;
    scanner.document()?;
    scanner.builder.finish().ok()
}

/// Whether a text has no characters that YAML refuses or that break lines in YAML 1.1.
fn is_printable(bytes: &[u8]) -> bool {
    // What is no sign of ASCII, without an early end, so that it takes many bytes at a time.
    let is_sign = |byte: u8| (byte.wrapping_sub(b' ') < 0x5f) | (byte == b'\n') | (byte == b'\t');
    const PART: usize = 256;
    let mut starts = (0..bytes.len()).step_by(PART);
    starts.all(|start| {
        let part = start..(start + PART).min(bytes.len());
        let are_signs = bytes[part.clone()]
            .iter()
            .fold(true, |all, byte| all & is_sign(*byte));
        are_signs || part.into_iter().all(|at| is_printable_at(bytes, at))
    })
}

/// Whether no character that YAML refuses, or that breaks lines, starts at a byte.
fn is_printable_at(bytes: &[u8], at: usize) -> bool {
    match (bytes[at], bytes.get(at + 1), bytes.get(at + 2)) {
        (b'\n' | b'\t', ..) => true,
        (b'\r', next, _) => next == Some(&b'\n'),
        (0xc2, next, _) => next.is_some_and(|next| *next >= 0xa0),
        (0xe2, Some(0x80), Some(last)) => !matches!(last, 0xa8 | 0xa9),
        (0xef, next, _) => next.is_some_and(|next| !matches!(next, 0xbb | 0xbf)),
        (byte, ..) => byte >= b' ' && byte != 0x7f,
    }
}

/// A block collection that is not closed yet.
#[derive(Clone, Copy)]
struct Level {
    /// The column of its keys or hyphens.
    indent: usize,
    is_sequence: bool,
    /// Where the value of the last key or hyphen would stand, if it has none yet.
    owed: Option<u32>,
    /// The hyphen that owes.
    dash: Option<u32>,
}

pub(crate) struct Scanner<'s> {
    pub(crate) builder: Builder<'s>,
    pub(crate) text: &'s str,
    pub(crate) bytes: &'s [u8],
    pub(crate) at: usize,
    levels: Vec<Level>,
}

impl Scanner<'_> {
    /// Passes over the rest of a `---` line: nothing, or a comment.
    fn skip_marker_line(&mut self, start: usize) -> Option<()> {
        let is_line_start = self.text[..start].ends_with(['\n', '\u{feff}']) || start == 0;
        if is_line_start {
            Some(())
        } else {
            self.end_of_line()
        }
    }

    fn document(&mut self) -> Option<()> {
        while let Some(indent) = self.next_line()? {
            let start = self.at;
            let is_item = self.byte(start) == Some(b'-') && self.is_blank(start + 1);
            self.close_levels(indent, is_item)?;
            match self.levels.last().copied() {
                Some(top) if top.indent < indent => {
                    top.owed?;
                    self.settle();
                    self.node(start, indent, top.indent, top.dash)?;
                }
                Some(top) if top.is_sequence => self.item(start, indent)?,
                Some(_) if is_item => {
                    // The items of a key's list stand right below the key.
                    self.settle();
                    self.node(start, indent, indent, None)?;
                }
                Some(_) => {
                    let key = self.key(start)?;
                    self.entry(key, indent)?;
                }
                None => {
                    self.collection(start, indent)?;
                }
            }
        }
        while !self.levels.is_empty() {
            self.close_level()?;
        }
        Some(())
    }

    /// Goes to the next line with content and returns its indentation.
    fn next_line(&mut self) -> Option<Option<usize>> {
        loop {
            let line = self.at;
            while self.byte(self.at) == Some(b' ') {
                self.at += 1;
            }
            match self.byte(self.at) {
                None => return Some(None),
                Some(b'\n') => self.at += 1,
                Some(b'\r') => self.at += 2,
                Some(b'#') => self.end_of_line()?,
                // Tabs are no indentation; what they are depends on what is around.
                Some(b'\t') => return None,
                Some(b'%') if self.at == line => return None,
                Some(b'-' | b'.') if self.is_marker(line) => return None,
                Some(_) => return Some(Some(self.at - line)),
            }
        }
    }

    /// Whether a line starts like `---` or `...`: this document should have ended before.
    pub(crate) fn is_marker(&self, line: usize) -> bool {
        matches!(self.bytes.get(line..line + 3), Some(b"---" | b"..."))
    }

    /// Closes what a line with this indentation does not belong to.
    fn close_levels(&mut self, indent: usize, is_item: bool) -> Option<()> {
        let has_root = !self.levels.is_empty();
        while let Some(top) = self.levels.last().copied() {
            if indent > top.indent {
                return Some(());
            }
            if indent == top.indent {
                if top.is_sequence == is_item {
                    return self.pay_null();
                }
                if is_item {
                    return top.owed.map(|_| ());
                }
            }
            self.close_level()?;
        }
        // What stands left of the first line belongs to nothing.
        (!has_root).then_some(())
    }

    fn close_level(&mut self) -> Option<()> {
        self.pay_null()?;
        self.levels.pop();
        self.builder.close(None).ok()
    }

    /// Gives the last key or hyphen a null if it has no value.
    fn pay_null(&mut self) -> Option<()> {
        let Some(top) = self.levels.last_mut() else {
            return Some(());
        };
        let Some(at) = top.owed.take() else {
            return Some(());
        };
        let dash = top.dash.take();
        self.builder
            .scalar(Style::Plain, (at, at), None, Properties::plain(dash))
            .ok()
    }

    /// Notes that the last key or hyphen gets its value now.
    fn settle(&mut self) {
        if let Some(top) = self.levels.last_mut() {
            top.owed = None;
            top.dash = None;
        }
    }

    /// A value on a line of its own, or behind a hyphen: a collection, or a scalar whose
    /// further lines are indented more than `parent`.
    fn node(
        &mut self,
        start: usize,
        column: usize,
        parent: usize,
        dash: Option<u32>,
    ) -> Option<()> {
        if let Some(b'-' | b'?' | b':') = self.byte(start)
            && self.is_blank(start + 1)
        {
            if self.byte(start) != Some(b'-') {
                return None;
            }
            self.open(true, start, column, dash)?;
            return self.item(start, column);
        }
        match self.key(start) {
            Some(key) => {
                self.open(false, start, column, dash)?;
                self.entry(key, column)
            }
            None => self.value(start, parent, dash),
        }
    }

    /// The root, which must be a collection.
    fn collection(&mut self, start: usize, column: usize) -> Option<()> {
        if self.byte(start) == Some(b'-') && self.is_blank(start + 1) {
            self.open(true, start, column, None)?;
            return self.item(start, column);
        }
        if matches!(self.byte(start), Some(b'{' | b'[')) {
            flow::collection(self, start, None)?;
            self.end_of_line()?;
            // Nothing may follow; `next_line` sees comments only.
            return self.next_line()?.is_none().then_some(());
        }
        let key = self.key(start)?;
        self.open(false, start, column, None)?;
        self.entry(key, column)
    }

    fn open(
        &mut self,
        is_sequence: bool,
        start: usize,
        indent: usize,
        dash: Option<u32>,
    ) -> Option<()> {
        let style = if is_sequence {
            Style::BlockSequence
        } else {
            Style::BlockMapping
        };
        self.builder
            .open(style, start as u32, Properties::plain(dash))
            .ok()?;
        self.levels.push(Level {
            indent,
            is_sequence,
            owed: None,
            dash: None,
        });
        Some(())
    }

    /// An item, from its hyphen on.
    fn item(&mut self, start: usize, indent: usize) -> Option<()> {
        let mut content = start + 1;
        while self.byte(content) == Some(b' ') {
            content += 1;
        }
        if self.is_end(content) {
            let top = self.levels.last_mut()?;
            (top.owed, top.dash) = (Some(start as u32 + 1), Some(start as u32));
            self.at = content;
            return self.end_of_line();
        }
        // Behind a hyphen, tabs separate nothing (scannerc.go).
        if self.byte(content) == Some(b'\t') {
            return None;
        }
        self.node(
            content,
            indent + (content - start),
            indent,
            Some(start as u32),
        )
    }

    /// A key and what stands behind its colon.
    fn entry(&mut self, key: Key, indent: usize) -> Option<()> {
        let span = (key.start as u32, key.end as u32);
        let properties = Properties::plain(None);
        if key.has_escapes {
            self.builder.escaped(key.style, span, properties).ok()?;
        } else {
            self.builder
                .scalar(key.style, span, None, properties)
                .ok()?;
        }
        let mut start = key.colon + 1;
        while matches!(self.byte(start), Some(b' ' | b'\t')) {
            start += 1;
        }
        if self.is_end(start) {
            self.levels.last_mut()?.owed = Some(key.colon as u32 + 1);
            self.at = start;
            return self.end_of_line();
        }
        self.value(start, indent, None)
    }

    /// A scalar or a flow collection, to the end of its last line.
    fn value(&mut self, start: usize, parent: usize, dash: Option<u32>) -> Option<()> {
        match self.byte(start)? {
            b'"' | b'\'' => {
                let scalar = quoted::read(self.bytes, start)?;
                self.at = scalar.end;
                scalar.push(&mut self.builder, self.text, dash)?;
                self.end_of_line()
            }
            b'{' | b'[' => {
                flow::collection(self, start, dash)?;
                self.end_of_line()
            }
            b'|' | b'>' => self.block_scalar(start, parent, dash),
            first if !may_start_plain(first, self.byte(start + 1)) => None,
            _ => self.plain(start, parent, dash),
        }
    }

    /// A plain scalar, with the lines that continue it.
    fn plain(&mut self, start: usize, parent: usize, dash: Option<u32>) -> Option<()> {
        let mut end = self.plain_line(start)?;
        let mut text: Option<String> = None;
        while let Some((next, breaks)) = self.continuation(parent)? {
            let text = text.get_or_insert_with(|| self.text[start..end].to_owned());
            if breaks == 1 {
                text.push(' ');
            } else {
                text.extend(std::iter::repeat_n('\n', breaks - 1));
            }
            end = self.plain_line(next)?;
            text.push_str(&self.text[next..end]);
        }
        let span = (start as u32, end as u32);
        self.builder
            .scalar(
                Style::Plain,
                span,
                text.map(Cow::Owned),
                Properties::plain(dash),
            )
            .ok()?;
        self.end_of_line()
    }

    /// One line of a plain scalar: returns its end, and goes to the blanks behind it.
    fn plain_line(&mut self, start: usize) -> Option<usize> {
        let mut end = start;
        loop {
            end = next_sign(self.bytes, end);
            match self.byte(end) {
                None | Some(b'\n') => break,
                // A second `: ` on a line is an error.
                Some(b':') if self.is_blank(end + 1) => return None,
                Some(b'#') if matches!(self.bytes[end - 1], b' ' | b'\t') => break,
                Some(_) => end += 1,
            }
        }
        while matches!(self.bytes[end - 1], b' ' | b'\t' | b'\r') {
            end -= 1;
        }
        self.at = end;
        Some(end)
    }

    /// The next line of a plain scalar of which the end of a line was reached: where its
    /// text starts, and how many line breaks lie between.
    fn continuation(&self, parent: usize) -> Option<Option<(usize, usize)>> {
        let mut at = self.at;
        while matches!(self.byte(at), Some(b' ' | b'\t' | b'\r')) {
            at += 1;
        }
        let mut breaks = 0;
        // A comment ends a scalar.
        while self.byte(at) == Some(b'\n') {
            breaks += 1;
            let line = at + 1;
            at = line;
            while self.byte(at) == Some(b' ') {
                at += 1;
            }
            match self.byte(at) {
                Some(b'\t') => return None,
                Some(b'\r') => at += 1,
                Some(b'\n') => {}
                None | Some(b'#') => return Some(None),
                Some(_) if at - line <= parent || self.is_marker(line) => return Some(None),
                Some(_) => return Some(Some((at, breaks))),
            }
        }
        Some(None)
    }

    /// A block scalar, from its `|` or `>` on.
    fn block_scalar(&mut self, start: usize, parent: usize, dash: Option<u32>) -> Option<()> {
        let (header, length) = block_scalar::Header::read(&self.bytes[start..])?;
        self.at = start + length;
        self.end_of_line()?;
        let body = self.at;
        let mut indent = 0;
        let mut end = start + length;
        let mut deepest_blank = 0;
        // A line of nothing but spaces counts as text where it is longer than the indentation.
        let mut has_odd_end = false;
        while let Some(line_end) = self.line_end(self.at) {
            let line = &self.bytes[self.at..line_end];
            let spaces = line.iter().take_while(|byte| **byte == b' ').count();
            let is_blank = spaces == line.len();
            if indent == 0 && is_blank {
                deepest_blank = deepest_blank.max(spaces);
            } else if indent == 0 {
                if spaces <= parent {
                    break;
                }
                if line[spaces] == b'\t' || deepest_blank > spaces {
                    return None;
                }
                indent = spaces;
            } else if !is_blank && spaces < indent {
                break;
            }
            if !is_blank {
                end = self.at + line.len();
                has_odd_end = matches!(line.last(), Some(b' ' | b'\t'));
            } else if indent > 0 {
                has_odd_end |= spaces > indent;
            }
            self.at = (line_end + 1 + usize::from(self.byte(line_end) == Some(b'\r')))
                .min(self.bytes.len());
        }
        // One without text ends somewhere among blanks and comments.
        let is_kept = header.chomping == block_scalar::Chomping::Keep;
        if indent == 0 || is_kept && self.bytes.last() != Some(&b'\n') {
            return None;
        }
        let properties = Properties::plain(dash);
        let span = (start as u32, end as u32);
        if has_odd_end || is_kept {
            let text = block_scalar::decode(header, &self.text[body..self.at], indent);
            let written = block_scalar::written_length(&self.text[start..end]);
            let span = (span.0, (start + written) as u32);
            return self
                .builder
                .scalar(Style::Block, span, Some(Cow::Owned(text)), properties)
                .ok();
        }
        self.builder.escaped(Style::Block, span, properties).ok()
    }

    /// The end of the line that starts at `line`, without its line break; `None` at the
    /// end of the document.
    fn line_end(&self, line: usize) -> Option<usize> {
        let rest = self.bytes.get(line..).filter(|rest| !rest.is_empty())?;
        let end = line + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        Some(end - usize::from(end > line && self.bytes[end - 1] == b'\r'))
    }

    /// Looks for a key of a block mapping on one line.
    fn key(&self, start: usize) -> Option<Key> {
        let first = self.byte(start)?;
        if matches!(first, b'"' | b'\'') {
            let scalar = quoted::read(self.bytes, start)?;
            let mut colon = scalar.end;
            while self.byte(colon) == Some(b' ') {
                colon += 1;
            }
            let is_key = self.byte(colon) == Some(b':') && self.is_blank(colon + 1);
            let is_key = is_key && !scalar.is_folded && colon - start <= MAX_KEY;
            let style = scalar.style;
            let (end, has_escapes) = (scalar.end, scalar.has_escapes);
            return is_key.then_some(Key {
                start,
                end,
                colon,
                style,
                has_escapes,
            });
        }
        if !may_start_plain(first, self.byte(start + 1)) {
            return None;
        }
        let mut colon = start;
        loop {
            colon = next_sign(self.bytes, colon);
            match self.byte(colon)? {
                b':' if self.is_blank(colon + 1) => break,
                b'\n' => return None,
                b'#' if matches!(self.bytes[colon - 1], b' ' | b'\t') => return None,
                _ => colon += 1,
            }
        }
        if colon - start > MAX_KEY {
            return None;
        }
        let mut end = colon;
        while matches!(self.bytes[end - 1], b' ' | b'\t') {
            end -= 1;
        }
        Some(Key {
            start,
            end,
            colon,
            style: Style::Plain,
            has_escapes: false,
        })
    }

    /// Goes behind the end of the line, where nothing but a comment may stand.
    pub(crate) fn end_of_line(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.byte(self.at), Some(b' ' | b'\t' | b'\r')) {
            self.at += 1;
        }
        match self.byte(self.at) {
            None => {}
            Some(b'\n') => self.at += 1,
            Some(b'#') => {
                let is_separate =
                    self.at > start || self.at == 0 || self.bytes[self.at - 1] <= b' ';
                let end = self.line_end(self.at).filter(|_| is_separate)?;
                self.builder.comment(self.at as u32, end as u32);
                self.at =
                    (end + 1 + usize::from(self.byte(end) == Some(b'\r'))).min(self.bytes.len());
            }
            Some(_) => return None,
        }
        Some(())
    }

    #[inline]
    pub(crate) fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// Whether a blank, or the end, stands at a place.
    #[inline]
    pub(crate) fn is_blank(&self, at: usize) -> bool {
        matches!(self.byte(at), None | Some(b' ' | b'\n' | b'\r' | b'\t'))
    }

    /// Whether a line ends at a place, but for a comment.
    #[inline]
    fn is_end(&self, at: usize) -> bool {
        match self.byte(at) {
            None | Some(b'\n' | b'\r') => true,
            Some(b'#') => matches!(self.bytes[at - 1], b' ' | b'\t'),
            Some(_) => false,
        }
    }
}

/// A key of a block mapping.
#[derive(Clone, Copy)]
struct Key {
    start: usize,
    end: usize,
    colon: usize,
    style: Style,
    has_escapes: bool,
}

/// Whether a plain scalar may start with these bytes.
pub(crate) fn may_start_plain(first: u8, second: Option<u8>) -> bool {
    match first {
        b'&' | b'*' | b'!' | b'|' | b'>' | b'%' | b'@' | b'`' | b'#' | b',' => false,
        b'[' | b']' | b'{' | b'}' | b'"' | b'\'' => false,
        b'-' | b'?' | b':' => !matches!(
            second,
            None | Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b'[' | b']' | b'{' | b'}')
        ),
        byte => byte > b' ',
    }
}
