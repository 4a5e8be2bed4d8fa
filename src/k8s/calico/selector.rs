//! Calico's selector language: `app == 'web' && tier not in {'db', 'cache'}`.
//!
//! Refuses to know whose labels are asked about; the places where one function means
//! something else (`all()` and `global()` of a `namespaceSelector`) are the caller's.
//! The grammar is that of `libcalico-go/lib/selector` (`tokenizer`, `parser`).

mod token;

use crate::k8s::{
    Controller, Label, LabelSelector, LabelSelectorRequirement, NAMESPACE_NAME_LABEL, Operator,
    Truth, is_opaque,
};
use crate::source::{Span, Spanned, Text};
use std::fmt;
use token::{Token, tokens};

/// How deep parentheses may nest: nobody writes more, and the stack is finite.
const MAX_DEPTH: usize = 100;

/// What Calico calls the label of a namespace that is set to its name.
const NAME_KEY: &str = "projectcalico.org/name";

/// What is known of a label that a selector asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked<'l> {
    /// There is none of this key.
    Absent,
    /// It is there, with this value.
    Value(&'l str),
    /// It is there, with a value that another tool fills in.
    SomeValue,
    /// It is there, with a value that the pods' controller gives, mostly another one for each.
    Added(Controller<'l>),
    /// Nobody knows whether it is there.
    Unknown,
}

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
    /// Whether it is only more than is read here, and may be right.
    pub is_limit: bool,
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
    /// Where Calico's own parser refuses the text, and where it nests deeper than is read here.
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

    /// Whether it holds for labels, which `look` looks up.
    pub fn truth<'l>(&self, look: &impl Fn(&str) -> Looked<'l>) -> Truth {
        self.truth_where(Truth::True, Truth::True, look)
    }

    /// The same where `all()` and `global()` hold as it is said here.
    pub fn truth_where<'l>(
        &self,
        all: Truth,
        global: Truth,
        look: &impl Fn(&str) -> Looked<'l>,
    ) -> Truth {
        let truth = |part: &Self| part.truth_where(all, global, look);
        let ask = |key: &str, holds: &dyn Fn(Option<&str>) -> bool| match look(key) {
            Looked::Absent => holds(None).into(),
            Looked::Value(found) => holds(Some(found)).into(),
            Looked::Added(controller) => {
                let known = controller.known(key);
                known.map_or(Truth::Unknown, |known| holds(Some(&known)).into())
            }
            Looked::SomeValue | Looked::Unknown => Truth::Unknown,
        };
        // Parts of a value, which what it begins with may have already.
        let has_part = |key: &str, has: &dyn Fn(&str) -> bool| match look(key) {
            Looked::Added(controller) if has(&controller.beginning(key)) => Truth::True,
            _ => ask(key, &|found| found.is_some_and(has)),
        };
        let one_of = |key: &str, values: &[String]| match look(key) {
            Looked::Added(controller) => {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                let met = controller.meets(key, Operator::In, &values);
                met.unwrap_or(Truth::Unknown)
            }
            _ => ask(key, &|found| {
                found.is_some_and(|found| holds(values, found))
            }),
        };
        match self {
            Self::All => all,
            Self::Global => global,
            Self::Has(key) => match look(key) {
                Looked::Absent => Truth::False,
                Looked::Value(_) | Looked::SomeValue | Looked::Added(_) => Truth::True,
                Looked::Unknown => Truth::Unknown,
            },
            Self::Compare {
                key,
                comparison,
                value,
            } => match comparison {
                Comparison::Equal => one_of(key, std::slice::from_ref(value)),
                Comparison::NotEqual => !one_of(key, std::slice::from_ref(value)),
                Comparison::Contains => has_part(key, &|found| found.contains(value)),
                Comparison::StartsWith => has_part(key, &|found| found.starts_with(value)),
                Comparison::EndsWith => ask(key, &|found| {
                    found.is_some_and(|found| found.ends_with(value))
                }),
            },
            Self::In { key, values } => one_of(key, values),
            Self::NotIn { key, values } => !one_of(key, values),
            Self::Not(inner) => !truth(inner),
            Self::And(parts) => parts.iter().map(truth).min().unwrap_or(Truth::True),
            Self::Or(parts) => parts.iter().map(truth).max().unwrap_or(Truth::False),
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

impl CalicoSelector {
    /// The same as a selector of Kubernetes' says it, every part of it at the place of the whole
    /// text; `None` where Kubernetes has no words for it: alternatives, parts of values,
    /// `global()`.
    #[must_use]
    pub fn to_label_selector(&self, span: Span) -> Option<LabelSelector> {
        let mut selector = LabelSelector::everything(span);
        self.add_to(&mut selector)?;
        Some(selector)
    }

    fn add_to(&self, selector: &mut LabelSelector) -> Option<()> {
        let span = selector.span;
        let mut require = |key: &str, operator, values: &[String]| {
            let values = values.iter();
            selector.match_expressions.push(LabelSelectorRequirement {
                span,
                key: Spanned::new(Text::from(key), span),
                operator: Spanned::new(operator, span),
                values: values
                    .map(|it| Spanned::new(Text::from(it), span))
                    .collect(),
            });
            Some(())
        };
        match self {
            Self::All => Some(()),
            Self::Has(key) => require(key, Operator::Exists, &[]),
            Self::In { key, values } if !values.is_empty() => require(key, Operator::In, values),
            Self::NotIn { key, values } if !values.is_empty() => {
                require(key, Operator::NotIn, values)
            }
            Self::Compare {
                key,
                comparison,
                value,
            } => match comparison {
                Comparison::Equal => {
                    selector.match_labels.push(Label {
                        key: Spanned::new(Text::from(key), span),
                        value: Spanned::new(Text::from(value), span),
                    });
                    Some(())
                }
                Comparison::NotEqual => require(key, Operator::NotIn, std::slice::from_ref(value)),
                Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith => None,
            },
            Self::Not(inner) => match &**inner {
                Self::Has(key) => require(key, Operator::DoesNotExist, &[]),
                Self::In { key, values } if !values.is_empty() => {
                    require(key, Operator::NotIn, values)
                }
                Self::Compare {
                    key,
                    comparison: Comparison::Equal,
                    value,
                } => require(key, Operator::NotIn, std::slice::from_ref(value)),
                _ => None,
            },
            Self::And(parts) => {
                let mut parts = parts.iter();
                parts.try_for_each(|part| part.add_to(selector))
            }
            Self::Global | Self::In { .. } | Self::NotIn { .. } | Self::Or(_) => None,
        }
    }

    /// Labels of which something must have one for it to hold, as key and value; `None` if there
    /// are none such. See [`LabelSelector::asked_for`].
    #[must_use]
    pub fn asked_for(&self) -> Option<Vec<(&str, &str)>> {
        let all_known = |key: &str, values: &[String]| {
            let mut values = values.iter();
            !is_opaque(key) && !Controller::may_add(key) && !values.any(|value| is_opaque(value))
        };
        match self {
            Self::Compare {
                key,
                comparison: Comparison::Equal,
                value,
            } => all_known(key, std::slice::from_ref(value))
                .then(|| vec![(key.as_str(), value.as_str())]),
            Self::In { key, values } if all_known(key, values) => {
                let values = values.iter();
                Some(values.map(|value| (key.as_str(), value.as_str())).collect())
            }
            Self::And(parts) => parts.iter().find_map(Self::asked_for),
            Self::Or(parts) => {
                let parts: Option<Vec<_>> = parts.iter().map(Self::asked_for).collect();
                Some(parts?.concat())
            }
            _ => None,
        }
    }

    /// The same of a selector of namespaces, whose name is a label that Kubernetes sets.
    #[must_use]
    pub fn asked_of_namespaces(&self) -> Option<Vec<(&str, &str)>> {
        let asked = self.asked_for()?.into_iter();
        let asked = asked.map(|(key, value)| match key {
            NAME_KEY => (NAMESPACE_NAME_LABEL, value),
            _ => (key, value),
        });
        Some(asked.collect())
    }

    /// The values that labels may have for it to hold, with their keys, in the order of the text.
    #[must_use]
    pub fn wanted_values(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Compare {
                key,
                comparison: Comparison::Equal,
                value,
            } => vec![(key, value)],
            Self::In { key, values } => {
                let values = values.iter();
                values.map(|value| (key.as_str(), value.as_str())).collect()
            }
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().flat_map(Self::wanted_values).collect()
            }
            _ => Vec::new(),
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
            is_limit: false,
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
                    let message = format!("parentheses nest deeper than {MAX_DEPTH}");
                    return Err(SelectorError {
                        is_limit: true,
                        ..self.error(message)
                    });
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
mod tests;
