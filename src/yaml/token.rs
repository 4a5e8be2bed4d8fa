//! The tokens of YAML, and what can be wrong with them.
//!
//! Refuses to know how they are found, and how a complaint is put into words.

use super::tree::Style;
use std::borrow::Cow;

/// A part of a document, with its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Token<'s> {
    pub(crate) kind: TokenKind<'s>,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The depth of brackets at which it may turn out to be a key.
    pub(crate) key_level: Option<usize>,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind<'s> {
    /// `%YAML` or `%TAG`.
    Directive,
    /// `---`.
    DocumentStart,
    /// `...`.
    DocumentEnd,
    /// The end of the text.
    End,
    /// A block sequence begins, by its indentation.
    BlockSequenceStart,
    /// A block mapping begins, by its indentation.
    BlockMappingStart,
    /// A block collection ends, by the indentation of what follows.
    BlockEnd,
    /// `[`.
    FlowSequenceStart,
    /// `]`.
    FlowSequenceEnd,
    /// `{`.
    FlowMappingStart,
    /// `}`.
    FlowMappingEnd,
    /// `-`.
    BlockEntry,
    /// `,`.
    FlowEntry,
    /// A key begins: `?`, or nothing that is written.
    Key,
    /// `:`.
    Value,
    /// `*name`.
    Alias(&'s str),
    /// `&name`.
    Anchor(&'s str),
    /// `!handle!suffix`; without a handle, the suffix is the whole tag.
    Tag {
        /// `!`, `!!`, `!name!`, or nothing.
        handle: &'s str,
        /// The rest.
        suffix: String,
    },
    /// A scalar, without its quotes.
    Scalar(Style, Cow<'s, str>),
}

/// Why a document is not YAML, as Kubernetes reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// A character that no text may have.
    Character(char),
    /// A value starts with a character that no value starts with.
    Start(char),
    /// A tab where indentation is.
    Tab,
    /// A quote is not closed; the place is its own.
    OpenQuote,
    /// A bracket is not closed; the place is its own.
    OpenBracket,
    /// A bracket is closed by another one; the place is its own.
    OtherBracket,
    /// A bracket that closes nothing.
    Bracket,
    /// No comma and no closing bracket between two values in brackets.
    NoComma,
    /// A value is missing in brackets.
    NoItem,
    /// A `:` where no key can stand before it.
    Colon,
    /// A `?` where no key can stand.
    ExplicitKey,
    /// A line that should be `key: value`.
    NoKey,
    /// A line that fits no open collection.
    Indentation,
    /// A `-` where no list can begin.
    Hyphen,
    /// An alias of no anchor.
    UnknownAlias,
    /// An escape that YAML 1.1 does not have.
    Escape,
    /// Text behind a closing quote.
    BehindQuote,
    /// Text behind `|` or `>`.
    BlockHeader,
    /// An anchor or alias has no name, or one of other signs.
    AnchorName,
    /// A tag that cannot be read.
    Tag,
    /// A directive.
    Directive,
    /// A value is missing.
    NoValue,
    /// Brackets within brackets, beyond the limit.
    Depth,
}

/// A problem and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScanError {
    pub(crate) problem: Problem,
    pub(crate) at: usize,
}
