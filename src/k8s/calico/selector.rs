//! Calico's selector language: `app == 'web' && tier not in {'db', 'cache'}`.
//!
//! Refuses to know whose labels are asked about; the places where one function means
//! something else (`all()` and `global()` of a `namespaceSelector`) are the caller's.
//! The grammar is that of `libcalico-go/lib/selector` (`tokenizer`, `parser`).

use std::fmt;

/// How deep parentheses may nest: nobody writes more, and the stack is finite.
const MAX_DEPTH: usize = 100;

/// How long a label key may be (`tokenizer.go`).
const MAX_KEY: usize = 512;

/// A selector, read from its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CalicoSelector {
    /// `all()`, and the empty text.
    All,
    /// `global()`: what is in no namespace; elsewhere than alone in a `namespaceSelector`
    /// it is refused.
    Global,
    /// `has(key)`.
    Has(String),
    /// A comparison of one label with one text.
    Compare {
        /// The label.
        key: String,
        /// How it is compared.
        comparison: Comparison,
        /// With what.
        value: String,
    },
    /// `key in {…}`.
    In {
        /// The label.
        key: String,
        /// The values.
        values: Vec<String>,
    },
    /// `key not in {…}`, which also holds without the label.
    NotIn {
        /// The label.
        key: String,
        /// The values.
        values: Vec<String>,
    },
    /// `!…`.
    Not(Box<CalicoSelector>),
    /// `… && …`.
    And(Vec<CalicoSelector>),
    /// `… || …`.
    Or(Vec<CalicoSelector>),
}

/// How a label is compared with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `==`.
    Equal,
    /// `!=`, which also holds without the label.
    NotEqual,
    /// `contains`.
    Contains,
    /// `starts with`.
    StartsWith,
    /// `ends with`.
    EndsWith,
}

impl Comparison {
    fn name(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Contains => "contains",
            Self::StartsWith => "starts with",
            Self::EndsWith => "ends with",
        }
    }
}

/// Why a text is not a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorError {
    /// Where, as an offset into the text.
    pub at: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl CalicoSelector {
    /// Reads a selector.
    ///
    /// # Errors
    ///
    /// Where Calico's own parser refuses the text.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut parser = Parser {
            tokens: tokens(text)?,
            next: 0,
            depth: 0,
        };
        if parser.peek() == &Token::End {
            return Ok(Self::All);
        }
        let selector = parser.alternatives()?;
        match parser.peek() {
            Token::End => Ok(selector),
            other => Err(parser.error(format!("{other} does not belong behind the selector"))),
        }
    }

    /// Whether it holds for labels, which `get` looks up.
    pub fn matches<'l>(&self, get: &impl Fn(&str) -> Option<&'l str>) -> bool {
        match self {
            Self::All | Self::Global => true,
            Self::Has(key) => get(key).is_some(),
            Self::Compare {
                key,
                comparison,
                value,
            } => {
                let found = get(key);
                match comparison {
                    Comparison::Equal => found == Some(value),
                    Comparison::NotEqual => found != Some(value),
                    Comparison::Contains => found.is_some_and(|found| found.contains(value)),
                    Comparison::StartsWith => found.is_some_and(|found| found.starts_with(value)),
                    Comparison::EndsWith => found.is_some_and(|found| found.ends_with(value)),
                }
            }
            Self::In { key, values } => get(key).is_some_and(|found| holds(values, found)),
            Self::NotIn { key, values } => !get(key).is_some_and(|found| holds(values, found)),
            Self::Not(inner) => !inner.matches(get),
            Self::And(parts) => parts.iter().all(|part| part.matches(get)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(get)),
        }
    }

    /// Whether `global()` stands anywhere in it.
    #[must_use]
    pub fn mentions_global(&self) -> bool {
        match self {
            Self::Global => true,
            Self::Not(inner) => inner.mentions_global(),
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::mentions_global),
            _ => false,
        }
    }

    /// The keys that it asks about, in the order of the text, some of them more than once.
    pub fn keys(&self) -> Vec<&str> {
        match self {
            Self::All | Self::Global => Vec::new(),
            Self::Has(key)
            | Self::Compare { key, .. }
            | Self::In { key, .. }
            | Self::NotIn { key, .. } => vec![key],
            Self::Not(inner) => inner.keys(),
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::keys).collect(),
        }
    }
}

fn holds(values: &[String], found: &str) -> bool {
    values.iter().any(|value| value == found)
}

/// As somebody would write it, in single quotes where the value has none.
impl fmt::Display for CalicoSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, parts: &[Self], operator: &str| {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    write!(f, " {operator} ")?;
                }
                match part {
                    Self::And(_) | Self::Or(_) => write!(f, "({part})")?,
                    _ => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        let set = |values: &[String]| {
            let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
            format!("{{{}}}", values.join(", "))
        };
        match self {
            Self::All => f.write_str("all()"),
            Self::Global => f.write_str("global()"),
            Self::Has(key) => write!(f, "has({key})"),
            Self::Compare {
                key,
                comparison,
                value,
            } => write!(f, "{key} {} {}", comparison.name(), quoted(value)),
            Self::In { key, values } => write!(f, "{key} in {}", set(values)),
            Self::NotIn { key, values } => write!(f, "{key} not in {}", set(values)),
            Self::Not(inner) => match **inner {
                Self::And(_) | Self::Or(_) => write!(f, "!({inner})"),
                _ => write!(f, "!{inner}"),
            },
            Self::And(parts) => join(f, parts, "&&"),
            Self::Or(parts) => join(f, parts, "||"),
        }
    }
}

fn quoted(value: &str) -> String {
    let quote = if value.contains('\'') { '"' } else { '\'' };
    format!("{quote}{value}{quote}")
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
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
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SelectorError> {
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
            return Err(SelectorError { at, message });
        }
        Ok(key)
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn error(&self, message: impl Into<String>) -> SelectorError {
        SelectorError {
            at: self.tokens[self.next].0,
            message: message.into(),
        }
    }

    /// Takes a token; the end stays.
    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        if token != Token::End {
            self.next += 1;
        }
        token
    }

    fn sign(&mut self, sign: char) -> Result<(), SelectorError> {
        if self.peek() != &Token::Sign(sign) {
            return Err(self.error(format!("`{sign}` is missing before {}", self.peek())));
        }
        self.take();
        Ok(())
    }

    fn alternatives(&mut self) -> Result<CalicoSelector, SelectorError> {
        let mut parts = vec![self.conjunction()?];
        while self.peek() == &Token::Or {
            self.take();
            parts.push(self.conjunction()?);
        }
        Ok(one_or(parts, CalicoSelector::Or))
    }

    fn conjunction(&mut self) -> Result<CalicoSelector, SelectorError> {
        let mut parts = vec![self.term()?];
        while self.peek() == &Token::And {
            self.take();
            parts.push(self.term()?);
        }
        Ok(one_or(parts, CalicoSelector::And))
    }

    fn term(&mut self) -> Result<CalicoSelector, SelectorError> {
        let mut is_negated = false;
        while self.peek() == &Token::Not {
            self.take();
            is_negated = !is_negated;
        }
        let term = match self.take() {
            Token::Has(key) => CalicoSelector::Has(key),
            Token::All => CalicoSelector::All,
            Token::Global => CalicoSelector::Global,
            Token::Sign('(') => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(self.error("parentheses nest too deep"));
                }
                let inner = self.alternatives()?;
                self.depth -= 1;
                self.sign(')')?;
                inner
            }
            Token::Label(key) => self.comparison(key)?,
            other => {
                self.next -= usize::from(other != Token::End);
                return Err(self.error(format!("{other} stands where a condition belongs")));
            }
        };
        Ok(match is_negated {
            true => CalicoSelector::Not(Box::new(term)),
            false => term,
        })
    }

    fn comparison(&mut self, key: String) -> Result<CalicoSelector, SelectorError> {
        match self.take() {
            Token::Compare(comparison) => match self.take() {
                Token::Text(value) => Ok(CalicoSelector::Compare {
                    key,
                    comparison,
                    value,
                }),
                other => {
                    self.next -= usize::from(other != Token::End);
                    Err(self.error(format!("{other} stands where a text in quotes belongs")))
                }
            },
            Token::In => Ok(CalicoSelector::In {
                key,
                values: self.set()?,
            }),
            Token::NotIn => Ok(CalicoSelector::NotIn {
                key,
                values: self.set()?,
            }),
            other => {
                self.next -= usize::from(other != Token::End);
                Err(self.error(format!("{other} stands where an operator belongs")))
            }
        }
    }

    /// `{'a', 'b'}`; empty and with a comma behind the last one, too.
    fn set(&mut self) -> Result<Vec<String>, SelectorError> {
        self.sign('{')?;
        let mut values = Vec::new();
        while let Token::Text(value) = self.peek() {
            values.push(value.clone());
            self.take();
            if self.peek() != &Token::Sign(',') {
                break;
            }
            self.take();
        }
        self.sign('}')?;
        Ok(values)
    }
}

fn one_or(
    mut parts: Vec<CalicoSelector>,
    several: fn(Vec<CalicoSelector>) -> CalicoSelector,
) -> CalicoSelector {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => several(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(text: &str, labels: &[(&str, &str)]) -> bool {
        let selector =
            CalicoSelector::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        selector.matches(&|key| labels.iter().find(|(k, _)| *k == key).map(|(_, v)| *v))
    }

    #[test]
    fn holds_as_calico_says() {
        let labels = [("app", "web"), ("in", "x"), ("a.b/c", "1")];
        let table = [
            ("", true),
            ("  \t", true),
            ("all()", true),
            ("app == 'web'", true),
            ("app=='db' || in == \"x\"", true),
            ("app == 'web' && in == 'y' || has(a.b/c)", true),
            ("app == 'web' && (in == 'y' || has(absent))", false),
            ("absent != 'x'", true),
            ("app != 'web'", false),
            ("app in {'web', 'db',}", true),
            ("app in {}", false),
            ("absent in {'x'}", false),
            ("absent not in {'x'}", true),
            ("app notin {'web'}", false),
            ("app contains 'e'", true),
            ("app starts with 'we'", true),
            ("app startswith 'eb'", false),
            ("app ends with 'eb'", true),
            ("absent contains ''", false),
            ("!app == 'web'", false),
            ("!!has( app )", true),
            ("! (has(app))", false),
            ("in in {'x'}", true),
        ];
        for (text, expected) in table {
            assert_eq!(matches(text, &labels), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_calico_refuses() {
        let table = [
            "app = 'web'",
            "app",
            "app == web",
            "app == 'web",
            "app == 'web' &&",
            "app == 'web' in",
            "has()",
            "has(app",
            "all(",
            "(app == 'web'",
            "app == 'web')",
            "app inn {'x'}",
            "app in {'x' 'y'}",
            "app in {,}",
            "&& app == 'x'",
            "'web' == app",
            "app\n== 'x'",
            "ä == 'x'",
        ];
        for text in table {
            assert!(CalicoSelector::parse(text).is_err(), "{text}");
        }
        assert!(CalicoSelector::parse(&format!("has({})", "k".repeat(512))).is_ok());
        assert!(CalicoSelector::parse(&format!("has({})", "k".repeat(513))).is_err());
        assert!(CalicoSelector::parse(&"(".repeat(100_000)).is_err());
    }

    /// A selector that looks random, and as many parentheses as `depth` allows.
    fn random(seed: &mut u32, depth: u32) -> CalicoSelector {
        let mut next = |end: u32| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (*seed >> 16) % end
        };
        let key = ["app", "in", "a.b/c", "has"][next(4) as usize].to_owned();
        let value = ["web", "it's", "", "e"][next(4) as usize].to_owned();
        let comparison = [
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::Contains,
            Comparison::StartsWith,
            Comparison::EndsWith,
        ][next(5) as usize];
        let parts = 2 + next(2);
        match next(if depth == 0 { 6 } else { 9 }) {
            0 => CalicoSelector::All,
            1 => CalicoSelector::Has(key),
            2 => CalicoSelector::In {
                key,
                values: vec![value, "x".to_owned()],
            },
            3 => CalicoSelector::NotIn {
                key,
                values: vec![value],
            },
            4 | 5 => CalicoSelector::Compare {
                key,
                comparison,
                value,
            },
            6 => match random(seed, depth - 1) {
                // Two signs are read as none.
                CalicoSelector::Not(inner) => *inner,
                inner => CalicoSelector::Not(Box::new(inner)),
            },
            7 => CalicoSelector::And((0..parts).map(|_| random(seed, depth - 1)).collect()),
            _ => CalicoSelector::Or((0..parts).map(|_| random(seed, depth - 1)).collect()),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut seed = 7;
        for _ in 0..5_000 {
            let selector = random(&mut seed, 3);
            let text = selector.to_string();
            assert_eq!(CalicoSelector::parse(&text), Ok(selector), "{text}");
        }
    }

    #[test]
    fn broken_texts_are_refused_without_a_panic() {
        let mut seed = 11;
        for _ in 0..5_000 {
            let mut text = random(&mut seed, 2).to_string();
            let at = seed as usize % (text.len() + 1);
            let sign = ["!", "(", "'", " ", "&", "ü"][(seed >> 8) as usize % 6];
            text.insert_str(at, sign);
            match CalicoSelector::parse(&text) {
                Ok(selector) => {
                    assert_eq!(CalicoSelector::parse(&selector.to_string()), Ok(selector))
                }
                Err(error) => assert!(error.at <= text.len(), "{text}"),
            }
        }
    }
}
