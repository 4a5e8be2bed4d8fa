//! A document of YAML 1.1 into tokens, with the grammar of go-yaml: where a line ends,
//! what a tab is, what may be a key, and where a plain scalar stops.
//!
//! Refuses to know which tokens may follow each other.

use super::builder::MAX_DEPTH;
use super::cursor::{Cursor, Mark};
use super::token::{Problem, ScanError, Token, TokenKind};
use std::collections::VecDeque;

/// How many characters a key without a `?` may have.
const MAX_KEY: usize = 1024;

/// A token that is a key if a `:` follows on its line.
#[derive(Clone, Copy)]
struct PossibleKey {
    mark: Mark,
    /// The number of its token, counted from the start of the document.
    token: usize,
    is_possible: bool,
    /// Whether nothing but a key can stand there.
    is_required: bool,
}

/// The tokens of a document, one after the other.
pub(crate) struct Scanner<'s> {
    pub(crate) cursor: Cursor<'s>,
    tokens: VecDeque<Token<'s>>,
    /// How many tokens have been handed out.
    taken: usize,
    /// The column of the innermost block collection, -1 outside of all.
    pub(crate) indent: isize,
    indents: Vec<isize>,
    /// The possible key of each depth of brackets, the outermost first.
    keys: Vec<PossibleKey>,
    pub(crate) may_be_key: bool,
    /// The comments so far.
    pub(crate) comments: Vec<(u32, u32)>,
}

impl<'s> Scanner<'s> {
    /// A scanner that begins where the cursor stands.
    pub(crate) fn new(cursor: Cursor<'s>) -> Self {
        let mut scanner = Self {
            cursor,
            tokens: VecDeque::new(),
            taken: 0,
            indent: -1,
            indents: Vec::new(),
            keys: Vec::new(),
            may_be_key: true,
            comments: Vec::new(),
        };
        scanner.open_level();
        scanner
    }

    /// The next token, which stays the next one.
    pub(crate) fn peek(&mut self) -> Result<&Token<'s>, ScanError> {
        self.fill()?;
        Ok(&self.tokens[0])
    }

    /// Takes the next token; the last one is [`TokenKind::End`], again and again.
    pub(crate) fn next(&mut self) -> Result<Token<'s>, ScanError> {
        self.fill()?;
        if self.tokens[0].kind == TokenKind::End {
            return Ok(self.tokens[0].clone());
        }
        self.taken += 1;
        Ok(self.tokens.pop_front().expect("it was just filled"))
    }

    /// Whether the cursor is in brackets.
    pub(crate) fn is_flow(&self) -> bool {
        self.keys.len() > 1
    }

    /// Reads on until it is known whether the next token is a key.
    fn fill(&mut self) -> Result<(), ScanError> {
        loop {
            if let Some(head) = self.tokens.front() {
                let key = head.key_level.and_then(|level| self.keys.get(level));
                let key = key.filter(|key| key.is_possible && key.token == self.taken);
                match key.copied() {
                    Some(key) if self.is_in_reach(key)? => {}
                    _ => return Ok(()),
                }
            }
            self.fetch()?;
        }
    }

    /// Whether a `:` here would make a key of it.
    fn is_in_reach(&self, key: PossibleKey) -> Result<bool, ScanError> {
        let here = self.cursor.mark;
        let is_in_reach =
            key.is_possible && key.mark.line == here.line && key.mark.index + MAX_KEY >= here.index;
        if !is_in_reach && key.is_possible && key.is_required {
            return Err(error(Problem::NoKey, key.mark.at));
        }
        Ok(is_in_reach)
    }

    fn fetch(&mut self) -> Result<(), ScanError> {
        self.skip_to_token();
        self.close_blocks(self.cursor.mark.column as isize);
        if self.cursor.is_end() {
            return self.end();
        }
        let cursor = &self.cursor;
        let is_line_start = cursor.mark.column == 0;
        let is_flow = self.is_flow();
        let is_lone = cursor.is_word_end(1);
        match cursor.byte(0) {
            b'%' if is_line_start => self.directive_token(),
            b'-' if cursor.is_document_marker() => self.document_marker(TokenKind::DocumentStart),
            b'.' if cursor.is_document_marker() => self.document_marker(TokenKind::DocumentEnd),
            b'[' => self.open_bracket(TokenKind::FlowSequenceStart),
            b'{' => self.open_bracket(TokenKind::FlowMappingStart),
            b']' => self.close_bracket(TokenKind::FlowSequenceEnd),
            b'}' => self.close_bracket(TokenKind::FlowMappingEnd),
            b',' => self.comma(),
            b'-' if is_lone => self.hyphen(),
            b'?' if is_flow || is_lone => self.question_mark(),
            b':' if is_flow || is_lone => self.colon(),
            b'*' | b'&' => {
                self.note_key()?;
                self.may_be_key = false;
                self.anchor()
            }
            b'!' => {
                self.note_key()?;
                self.may_be_key = false;
                self.tag()
            }
            b'|' | b'>' if !is_flow => {
                self.forget_key()?;
                self.may_be_key = true;
                self.block_scalar()
            }
            b'\'' | b'"' => {
                self.note_key()?;
                self.may_be_key = false;
                self.quoted_scalar()
            }
            first if self.may_start_plain(first) => {
                self.note_key()?;
                self.may_be_key = false;
                self.plain_scalar()
            }
            b'\t' => Err(error(Problem::Tab, self.cursor.mark.at)),
            _ => {
                let at = self.cursor.mark.at;
                let first = self.cursor.text[at..].chars().next().unwrap_or_default();
                Err(error(Problem::Start(first), at))
            }
        }
    }

    fn may_start_plain(&self, first: u8) -> bool {
        match first {
            b'-' => !self.cursor.is_blank(1),
            b'?' | b':' => !self.is_flow() && !self.cursor.is_word_end(1),
            b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\''
            | b'"' | b'%' | b'@' | b'`' => false,
            _ => !self.cursor.is_word_end(0),
        }
    }

    /// Goes to where the next token starts, over comments and blank lines.
    fn skip_to_token(&mut self) {
        loop {
            // Where a block collection may begin, a tab is no white space.
            let may_be_tab = self.is_flow() || !self.may_be_key;
            while self.cursor.byte(0) == b' ' || may_be_tab && self.cursor.byte(0) == b'\t' {
                self.cursor.skip_ascii(1);
            }
            self.skip_comment();
            if !self.cursor.is_break(0) {
                return;
            }
            self.cursor.skip_break();
            self.may_be_key |= !self.is_flow();
        }
    }

    /// Goes to the end of the line if a comment starts here, and notes it.
    pub(crate) fn skip_comment(&mut self) {
        if self.cursor.byte(0) == b'#' {
            let start = self.cursor.mark.at as u32;
            self.cursor.skip_to_line_end();
            self.comments.push((start, self.cursor.mark.at as u32));
        }
    }

    fn end(&mut self) -> Result<(), ScanError> {
        // The last line ends here, and with it the hope for the `:` of a key.
        self.cursor.mark.column = 0;
        self.cursor.mark.line += 1;
        self.close_blocks(-1);
        self.forget_key()?;
        self.may_be_key = false;
        self.push(TokenKind::End, self.cursor.mark.at);
        Ok(())
    }

    fn directive_token(&mut self) -> Result<(), ScanError> {
        self.close_blocks(-1);
        self.forget_key()?;
        self.may_be_key = false;
        self.directive()
    }

    fn document_marker(&mut self, kind: TokenKind<'s>) -> Result<(), ScanError> {
        self.close_blocks(-1);
        self.forget_key()?;
        self.may_be_key = false;
        self.push_sign(kind, 3);
        Ok(())
    }

    fn open_bracket(&mut self, kind: TokenKind<'s>) -> Result<(), ScanError> {
        self.note_key()?;
        let level = self.keys.len() - 1;
        if level > MAX_DEPTH {
            return Err(error(Problem::Depth, self.cursor.mark.at));
        }
        self.open_level();
        self.may_be_key = true;
        self.push_sign(kind, 1);
        if let Some(token) = self.tokens.back_mut() {
            token.key_level = Some(level);
        }
        Ok(())
    }

    fn close_bracket(&mut self, kind: TokenKind<'s>) -> Result<(), ScanError> {
        self.forget_key()?;
        if self.is_flow() {
            self.keys.pop();
        }
        self.may_be_key = false;
        self.push_sign(kind, 1);
        Ok(())
    }

    fn comma(&mut self) -> Result<(), ScanError> {
        self.forget_key()?;
        self.may_be_key = true;
        self.push_sign(TokenKind::FlowEntry, 1);
        Ok(())
    }

    fn hyphen(&mut self) -> Result<(), ScanError> {
        if !self.is_flow() {
            if !self.may_be_key {
                return Err(error(Problem::Hyphen, self.cursor.mark.at));
            }
            let mark = self.cursor.mark;
            self.open_block(TokenKind::BlockSequenceStart, mark, None);
        }
        self.forget_key()?;
        self.may_be_key = true;
        self.push_sign(TokenKind::BlockEntry, 1);
        Ok(())
    }

    fn question_mark(&mut self) -> Result<(), ScanError> {
        if !self.is_flow() {
            if !self.may_be_key {
                return Err(error(Problem::ExplicitKey, self.cursor.mark.at));
            }
            let mark = self.cursor.mark;
            self.open_block(TokenKind::BlockMappingStart, mark, None);
        }
        self.forget_key()?;
        self.may_be_key = !self.is_flow();
        self.push_sign(TokenKind::Key, 1);
        Ok(())
    }

    fn colon(&mut self) -> Result<(), ScanError> {
        let key = *self.keys.last().expect("there is always a level");
        if self.is_in_reach(key)? {
            // What looked like a value was a key.
            let start = key.mark.at as u32;
            self.insert(key.token, TokenKind::Key, start);
            self.open_block(TokenKind::BlockMappingStart, key.mark, Some(key.token));
            self.top_key().is_possible = false;
            self.may_be_key = false;
        } else {
            if !self.is_flow() {
                if !self.may_be_key {
                    return Err(error(Problem::Colon, self.cursor.mark.at));
                }
                let mark = self.cursor.mark;
                self.open_block(TokenKind::BlockMappingStart, mark, None);
            }
            self.may_be_key = !self.is_flow();
        }
        self.push_sign(TokenKind::Value, 1);
        Ok(())
    }

    /// Begins a block collection if the column is deeper than that of the one around;
    /// its token comes before the one with the number, or last.
    fn open_block(&mut self, kind: TokenKind<'s>, mark: Mark, before: Option<usize>) {
        if self.is_flow() || self.indent >= mark.column as isize {
            return;
        }
        self.indents.push(self.indent);
        self.indent = mark.column as isize;
        let token = before.unwrap_or(self.taken + self.tokens.len());
        self.insert(token, kind, mark.at as u32);
    }

    /// Ends the block collections that what stands at a column does not belong to.
    fn close_blocks(&mut self, column: isize) {
        if self.is_flow() {
            return;
        }
        while self.indent > column {
            self.push(TokenKind::BlockEnd, self.cursor.mark.at);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn open_level(&mut self) {
        self.keys.push(PossibleKey {
            mark: self.cursor.mark,
            token: 0,
            is_possible: false,
            is_required: false,
        });
    }

    fn top_key(&mut self) -> &mut PossibleKey {
        self.keys.last_mut().expect("there is always a level")
    }

    /// Notes that the token that comes next may be a key.
    fn note_key(&mut self) -> Result<(), ScanError> {
        if !self.may_be_key {
            return Ok(());
        }
        self.forget_key()?;
        let mark = self.cursor.mark;
        *self.top_key() = PossibleKey {
            mark,
            token: self.taken + self.tokens.len(),
            is_possible: true,
            is_required: !self.is_flow() && self.indent == mark.column as isize,
        };
        Ok(())
    }

    /// Notes that the last possible key is none.
    fn forget_key(&mut self) -> Result<(), ScanError> {
        let key = self.top_key();
        if key.is_possible && key.is_required {
            return Err(error(Problem::NoKey, key.mark.at));
        }
        key.is_possible = false;
        Ok(())
    }

    /// Adds a token from `start` to the cursor.
    pub(crate) fn push(&mut self, kind: TokenKind<'s>, start: usize) {
        let level = self.keys.len() - 1;
        let number = self.taken + self.tokens.len();
        let is_possible_key = self.keys[level].is_possible && self.keys[level].token == number;
        self.tokens.push_back(Token {
            kind,
            start: start as u32,
            end: self.cursor.mark.at as u32,
            key_level: is_possible_key.then_some(level),
        });
    }

    /// Lets the last token end earlier than where the cursor went to find its end.
    pub(crate) fn end_last(&mut self, end: usize) {
        if let Some(token) = self.tokens.back_mut() {
            token.end = end as u32;
        }
    }

    /// Adds a token of so many signs.
    fn push_sign(&mut self, kind: TokenKind<'s>, length: usize) {
        let start = self.cursor.mark.at;
        self.cursor.skip_ascii(length);
        self.push(kind, start);
    }

    /// Adds an empty token before the one with this number.
    fn insert(&mut self, number: usize, kind: TokenKind<'s>, at: u32) {
        let token = Token {
            kind,
            start: at,
            end: at,
            key_level: None,
        };
        self.tokens.insert(number - self.taken, token);
    }
}

/// A problem at a place.
pub(crate) fn error(problem: Problem, at: usize) -> ScanError {
    ScanError { problem, at }
}
