//! A selector's text in tokens, cut as `tokenizer.go` does it: what a word means depends on
//! whether a label stands in front of it.
//!
//! Refuses to know which tokens may follow each other.

use super::{Comparison, SelectorError, quoted};
use std::fmt;

/// How long a label key may be (`tokenizer.go`).
const MAX_KEY: usize = 512;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Sign(char),
    Text(String),
    Label(String),
    Has(String),
    All,
    Global,
    Compare(Comparison),
    In,
    NotIn,
    Not,
    And,
    Or,
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sign(sign) => write!(f, "`{sign}`"),
            Self::Text(text) => write!(f, "`{}`", quoted(text)),
            Self::Label(key) => write!(f, "`{key}`"),
            Self::Has(key) => write!(f, "`has({key})`"),
            Self::All => f.write_str("`all()`"),
            Self::Global => f.write_str("`global()`"),
            Self::Compare(comparison) => write!(f, "`{}`", comparison.name()),
            Self::In => f.write_str("`in`"),
            Self::NotIn => f.write_str("`not in`"),
            Self::Not => f.write_str("`!`"),
            Self::And => f.write_str("`&&`"),
            Self::Or => f.write_str("`||`"),
            Self::End => f.write_str("the end"),
        }
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_./-".contains(&byte)
}

/// The operators that stand in words behind a label, each as the words that it is made of;
/// blanks between them may be missing.
const WORDS: [(&[&str], Token); 5] = [
    (&["contains"], Token::Compare(Comparison::Contains)),
    (&["starts", "with"], Token::Compare(Comparison::StartsWith)),
    (&["ends", "with"], Token::Compare(Comparison::EndsWith)),
    (&["not", "in"], Token::NotIn),
    (&["in"], Token::In),
];

/// The tokens with their offsets; the last one is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SelectorError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens: Vec<(usize, Token)> = Vec::new();
    loop {
        lexer.skip_blanks();
        let at = lexer.at;
        let is_behind_label = matches!(tokens.last(), Some((_, Token::Label(_))));
        let token = lexer.token(is_behind_label)?;
        let is_end = token == Token::End;
        tokens.push((at, token));
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        self.at += self
            .rest()
            .bytes()
            .take_while(|byte| is_blank(*byte))
            .count();
    }

    fn error(&self, message: impl Into<String>) -> SelectorError {
        SelectorError {
            at: self.at,
            message: message.into(),
            is_limit: false,
        }
    }

    fn token(&mut self, is_behind_label: bool) -> Result<Token, SelectorError> {
        let Some(first) = self.rest().chars().next() else {
            return Ok(Token::End);
        };
        if "(){},".contains(first) {
            self.at += 1;
            return Ok(Token::Sign(first));
        }
        if first == '"' || first == '\'' {
            let Some(length) = self.rest()[1..].find(first) else {
                return Err(self.error("the quote is not closed"));
            };
            let text = self.rest()[1..=length].to_owned();
            self.at += length + 2;
            return Ok(Token::Text(text));
        }
        let signs = [
            ("==", Token::Compare(Comparison::Equal)),
            ("!=", Token::Compare(Comparison::NotEqual)),
            ("&&", Token::And),
            ("||", Token::Or),
            ("!", Token::Not),
        ];
        for (sign, token) in signs {
            if self.rest().starts_with(sign) {
                self.at += sign.len();
                return Ok(token);
            }
        }
        if "=&|".contains(first) {
            return Err(self.error(format!(
                "a single `{first}` stands where `{first}{first}` is meant"
            )));
        }
        if is_behind_label {
            return self.operator();
        }
        self.operand()
    }

    fn operator(&mut self) -> Result<Token, SelectorError> {
        for (words, token) in WORDS {
            if let Some(end) = self.end_of_words(words) {
                self.at = end;
                return Ok(token);
            }
        }
        Err(self.error("an operator must follow a label"))
    }

    /// Where these words end if they stand here, and nothing that could go on with the last.
    fn end_of_words(&self, words: &[&str]) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let skip = |at: usize| {
            at + bytes[at..]
                .iter()
                .take_while(|byte| is_blank(**byte))
                .count()
        };
        let mut at = self.at;
        for (index, word) in words.iter().enumerate() {
            if index > 0 {
                at = skip(at);
            }
            at += self.text[at..].strip_prefix(word).map(|_| word.len())?;
        }
        // After several words blanks do not help: `ends with x` is no operator.
        let behind = if words.len() == 1 { at } else { skip(at) };
        let goes_on = bytes.get(behind).is_some_and(|byte| is_key_byte(*byte));
        (!goes_on).then_some(at)
    }

    fn operand(&mut self) -> Result<Token, SelectorError> {
        if self.rest().starts_with("has(") {
            let start = self.at;
            self.at += "has(".len();
            self.skip_blanks();
            let key = self.key();
            self.skip_blanks();
            if !self.rest().starts_with(')') || key.is_empty() {
                self.at = start;
                return Err(self.error("`has(` must hold one label and a `)`"));
            }
            self.at += 1;
            return self.checked(key, start).map(Token::Has);
        }
        for (name, token) in [("all(", Token::All), ("global(", Token::Global)] {
            if self.rest().starts_with(name) {
                self.at += name.len();
                self.skip_blanks();
                if !self.rest().starts_with(')') {
                    return Err(self.error(format!("`{name}` must be closed by `)`")));
                }
                self.at += 1;
                return Ok(token);
            }
        }
        let start = self.at;
        let key = self.key();
        if key.is_empty() {
            let sign = self.rest().chars().next().unwrap_or_default();
            return Err(self.error(format!("`{sign}` does not start a label")));
        }
        self.checked(key, start).map(Token::Label)
    }

    fn key(&mut self) -> String {
        let length = self
            .rest()
            .bytes()
            .take_while(|byte| is_key_byte(*byte))
            .count();
        let key = self.rest()[..length].to_owned();
        self.at += length;
        key
    }

    fn checked(&self, key: String, at: usize) -> Result<String, SelectorError> {
        if key.len() > MAX_KEY {
            let message = format!("the label has more than {MAX_KEY} characters");
            return Err(SelectorError {
                at,
                message,
                is_limit: false,
            });
        }
        Ok(key)
    }
}
