//! The values that a build works on: nodes of texts as long as nobody changes them, and
//! values made of them where somebody does. Every value knows the text that it stands for,
//! so that what comes out of a build still points at the line that a person would edit.
//!
//! Refuses to know kustomize, Kubernetes and files.

mod items;
mod key;
mod size;

pub(crate) use key::Key;
pub(crate) use size::MAX_PARTS;

use super::scalar::{Mistyped, Style, Type, is_boolean, is_null};
use crate::source::Span;
use crate::yaml::{Kind, Node};
use std::borrow::Cow;
use std::sync::Arc;

/// A value: a copy is cheap, and shares what is below it.
#[derive(Clone, Debug)]
pub(crate) enum Value<'t> {
    /// As it stands in a text, with all that is within it.
    Read(Node<'t>),
    /// Put together by a build.
    Made(Arc<Made<'t>>),
}

/// A value that stands in no text as it is.
#[derive(Clone, Debug)]
pub(crate) struct Made<'t> {
    /// The text that it stands for.
    pub(crate) place: Place,
    /// What it is.
    pub(crate) data: Data<'t>,
    /// How a scalar is written.
    pub(crate) style: Style,
    /// The number of the values of one object that were set as one and change as one; 0 for
    /// a value of its own.
    pub(crate) twin: u32,
}

/// The text that a made value stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The text.
    pub(crate) span: Span,
    /// The hyphen of an item of a sequence.
    pub(crate) dash: Option<Span>,
}

/// What a made value is.
#[derive(Clone, Debug)]
pub(crate) enum Data<'t> {
    /// Keys and values, each key once.
    Mapping(Vec<Field<'t>>),
    /// Items.
    Sequence(Vec<Value<'t>>),
    /// A text.
    Text(Cow<'t, str>),
    /// A number, a boolean or null, as YAML writes it without quotes.
    Plain(Cow<'t, str>),
    /// What kustomize made without a type: what it is shows when it is written without quotes.
    Untyped(Cow<'t, str>),
    /// Null, with the fields that kustomize has set within it: they show once it becomes a mapping.
    Hidden(Vec<Field<'t>>),
    /// What is not of the type that its field keeps, see [`Mistyped`].
    Mistyped(Arc<Mistyped<'t>>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Field<'t> {
    /// The key.
    pub(crate) key: Key<'t>,
    /// The value.
    pub(crate) value: Value<'t>,
}

impl<'t> From<Node<'t>> for Value<'t> {
    fn from(node: Node<'t>) -> Self {
        Self::Read(node)
    }
}

impl<'t> Value<'t> {
    /// A text that stands for `span`.
    pub(crate) fn text_at(text: impl Into<Cow<'t, str>>, span: Span) -> Self {
        Self::made(Data::Text(text.into()), Place { span, dash: None })
    }

    /// A number, a boolean or null that stands for `span`.
    pub(crate) fn plain_at(text: impl Into<Cow<'t, str>>, span: Span) -> Self {
        Self::made(Data::Plain(text.into()), Place { span, dash: None })
    }

    /// Another text in the place of a scalar, as kustomize writes it: what has quotes keeps them,
    /// and what has none is of no type.
    pub(crate) fn rewritten(&self, text: String) -> Self {
        match self.has_quotes() {
            true => Self::text_at(text, self.span()),
            false => Self::untyped_at(text, self.span()),
        }
    }

    /// Whether it is a scalar that stands in quotes, or in a block of its own.
    pub(crate) fn has_quotes(&self) -> bool {
        match self {
            Self::Read(node) => self.is_scalar() && !node.is_plain(),
            Self::Made(_) => self.style() == Style::Quoted,
        }
    }

    /// How a scalar is written.
    pub(crate) fn style(&self) -> Style {
        match self {
            Self::Read(node) if node.is_tagged() => Style::Tagged,
            Self::Read(_) if self.has_quotes() => Style::Quoted,
            Self::Read(_) => Style::Plain,
            Self::Made(made) => made.style,
        }
    }

    /// The same scalar, written in another way. One that is a text either way stays as it is.
    pub(crate) fn with_style(mut self, style: Style) -> Self {
        let is_ambiguous = || self.text().is_some_and(|text| Type::of(text).is_some());
        if self.style() != style && is_ambiguous() {
            self.unshare().style = style;
        }
        self
    }

    /// What was made without a type, which stands for `span`.
    pub(crate) fn untyped_at(text: impl Into<Cow<'t, str>>, span: Span) -> Self {
        Self::made(Data::Untyped(text.into()), Place { span, dash: None })
    }

    /// An empty mapping that stands for `span`.
    pub(crate) fn mapping_at(span: Span) -> Self {
        Self::made(Data::Mapping(Vec::new()), Place { span, dash: None })
    }

    /// An empty sequence that stands for `span`.
    pub(crate) fn sequence_at(span: Span) -> Self {
        Self::made(Data::Sequence(Vec::new()), Place { span, dash: None })
    }

    /// A value of parts.
    pub(crate) fn made(data: Data<'t>, place: Place) -> Self {
        let style = match &data {
            Data::Text(text) => Style::of(text),
            _ => Style::Plain,
        };
        Self::Made(Arc::new(Made {
            place,
            data,
            style,
            twin: 0,
        }))
    }

    /// The text that it stands for.
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Read(node) => node.span(),
            Self::Made(made) => made.place.span,
        }
    }

    /// What it is.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Read(node) => node.kind(),
            Self::Made(made) => match &made.data {
                Data::Mapping(_) => Kind::Mapping,
                Data::Sequence(_) => Kind::Sequence,
                _ => Kind::Scalar,
            },
        }
    }

    /// Whether it is a mapping.
    pub(crate) fn is_mapping(&self) -> bool {
        self.kind() == Kind::Mapping
    }

    /// Whether it is a sequence.
    pub(crate) fn is_sequence(&self) -> bool {
        self.kind() == Kind::Sequence
    }

    /// Whether it is a scalar, null included.
    pub(crate) fn is_scalar(&self) -> bool {
        self.kind() == Kind::Scalar
    }

    /// Whether it is null, written or not.
    pub(crate) fn is_null(&self) -> bool {
        match self {
            Self::Read(node) => node.is_null(),
            Self::Made(made) => match &made.data {
                Data::Plain(text) | Data::Untyped(text) => {
                    made.style != Style::Quoted && is_null(text)
                }
                Data::Hidden(_) => true,
                _ => false,
            },
        }
    }

    /// Whether it is a null of which nothing is written.
    pub(crate) fn is_unwritten(&self) -> bool {
        match self {
            Self::Read(node) => node.is_plain() && node.raw().is_empty(),
            Self::Made(made) => matches!(&made.data, Data::Plain(text) if text.is_empty()),
        }
    }

    /// Whether it is a mapping or a sequence without anything in it.
    pub(crate) fn is_empty(&self) -> bool {
        match self.kind() {
            Kind::Mapping => self.fields().next().is_none(),
            Kind::Sequence => self.items().next().is_none(),
            Kind::Scalar => false,
        }
    }

    /// The text of a scalar, whatever it means; empty for null, `None` for collections.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Read(node) => node.text(),
            Self::Made(made) => match &made.data {
                Data::Text(text) | Data::Plain(text) | Data::Untyped(text) => Some(text),
                Data::Mistyped(mistyped) => Some(&mistyped.text),
                Data::Hidden(_) => Some(""),
                Data::Mapping(_) | Data::Sequence(_) => None,
            },
        }
    }

    /// Whether it is a scalar that means a text, as kustomize reads it: `yes` and `on` are
    /// texts for it, as in YAML 1.2, and a date is none.
    pub(crate) fn is_text(&self) -> bool {
        match self {
            Self::Read(node) if node.is_bare() => {
                node.text().is_some_and(|text| Type::of(text).is_none())
            }
            Self::Read(node) => node.as_str().is_some(),
            Self::Made(made) => match &made.data {
                Data::Text(_) | Data::Mistyped(_) => true,
                Data::Untyped(text) => made.style == Style::Quoted || Type::of(text).is_none(),
                Data::Plain(_) => made.style == Style::Quoted,
                _ => false,
            },
        }
    }

    /// Whether it is a scalar that was made without a type.
    pub(crate) fn is_untyped(&self) -> bool {
        matches!(self, Self::Made(made) if matches!(&made.data, Data::Untyped(_)))
    }

    /// The type that a scalar keeps; `None` for a text and for what has no type.
    pub(crate) fn kept_type(&self) -> Option<Type> {
        match self {
            Self::Read(_) if self.is_text() => None,
            Self::Read(node) => node.text().and_then(Type::of),
            Self::Made(made) => match &made.data {
                Data::Plain(text) => Type::of(text),
                Data::Mistyped(mistyped) => Some(mistyped.expected),
                Data::Hidden(_) => Some(Type::Null),
                _ => None,
            },
        }
    }

    /// The first part of it that is not of the type that its field keeps.
    pub(crate) fn mistyped(&self) -> Option<Arc<Mistyped<'t>>> {
        let Self::Made(made) = self else { return None };
        match &made.data {
            Data::Mistyped(mistyped) => Some(mistyped.clone()),
            Data::Sequence(items) => items.iter().find_map(Self::mistyped),
            Data::Mapping(fields) => fields.iter().find_map(|field| field.value.mistyped()),
            _ => None,
        }
    }

    /// Sets a field within null, which stays null for now.
    pub(crate) fn hide(&mut self, key: Cow<'t, str>, key_span: Span, value: Value<'t>) {
        let made = self.unshare();
        if !matches!(made.data, Data::Hidden(_)) {
            made.data = Data::Hidden(Vec::new());
        }
        if let Data::Hidden(fields) = &mut made.data {
            fields.retain(|field| !field.key.is(&key));
            fields.push(Field {
                key: Key::Made(key, key_span),
                value,
            });
        }
    }

    /// Makes a collection of null: an empty one, or what was set within it.
    pub(crate) fn become_made(&mut self, mut made: Value<'t>) {
        if let Self::Made(old) = self
            && let Data::Hidden(hidden) = &old.data
            && let Some(fields) = made.fields_mut()
        {
            fields.extend(hidden.iter().cloned());
        }
        *self = made;
    }

    /// The same value, of which nothing changes with anything else.
    pub(crate) fn apart(&self) -> Self {
        let Self::Made(made) = self else {
            return self.clone();
        };
        let data = match &made.data {
            Data::Sequence(items) => Data::Sequence(items.iter().map(Self::apart).collect()),
            Data::Mapping(fields) => {
                let fields = fields.iter().map(|field| Field {
                    key: field.key.clone(),
                    value: field.value.apart(),
                });
                Data::Mapping(fields.collect())
            }
            scalar => {
                return Self::made(scalar.clone(), made.place).with_style(made.style);
            }
        };
        Self::made(data, made.place)
    }

    /// The value of this key, if it is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<Value<'t>> {
        match self {
            Self::Read(node) if !is_word_of_old_boolean(key) => node.get(key).map(Self::Read),
            Self::Read(_) => {
                let found = self.fields().find(|field| field.key.is(key));
                found.map(|field| field.value)
            }
            Self::Made(made) => match &made.data {
                Data::Mapping(fields) => fields
                    .iter()
                    .find(|field| field.key.is(key))
                    .map(|field| field.value.clone()),
                _ => None,
            },
        }
    }

    /// The value at the end of these keys; `None` if a step is missing.
    pub(crate) fn find(&self, path: &[&str]) -> Option<Value<'t>> {
        path.iter()
            .try_fold(self.clone(), |value, key| value.get(key))
    }

    /// The text of the scalar at the end of these keys, empty if there is none.
    pub(crate) fn text_of(&self, path: &[&str]) -> String {
        let found = self.find(path).filter(|value| !value.is_null());
        found
            .and_then(|value| value.text().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Its fields, none if it is no mapping.
    pub(crate) fn fields(&self) -> Box<dyn Iterator<Item = Field<'t>> + '_> {
        match self {
            Self::Read(node) => Box::new(node.entries().map(|entry| Field {
                key: Key::Read(entry.key),
                value: Self::Read(entry.value),
            })),
            Self::Made(made) => match &made.data {
                Data::Mapping(fields) => Box::new(fields.iter().cloned()),
                _ => Box::new(std::iter::empty()),
            },
        }
    }

    /// Its items, none if it is no sequence.
    pub(crate) fn items(&self) -> Box<dyn Iterator<Item = Value<'t>> + '_> {
        match self {
            Self::Read(node) => Box::new(node.items().map(Self::Read)),
            Self::Made(made) => match &made.data {
                Data::Sequence(items) => Box::new(items.iter().cloned()),
                _ => Box::new(std::iter::empty()),
            },
        }
    }

    /// The text of a scalar, which lives as long as the texts do where it stands in one.
    pub(crate) fn shared_text(&self) -> Option<Cow<'t, str>> {
        match self {
            Self::Read(node) => node.text().map(Cow::Borrowed),
            Self::Made(made) => match &made.data {
                Data::Text(text) | Data::Plain(text) | Data::Untyped(text) => Some(text.clone()),
                Data::Mistyped(mistyped) => Some(mistyped.text.clone()),
                Data::Hidden(_) => Some(Cow::Borrowed("")),
                Data::Mapping(_) | Data::Sequence(_) => None,
            },
        }
    }

    /// Its fields, to be changed; `None` if it is no mapping.
    pub(crate) fn fields_mut(&mut self) -> Option<&mut Vec<Field<'t>>> {
        match &mut self.unshare().data {
            Data::Mapping(fields) => Some(fields),
            _ => None,
        }
    }

    /// Its items, to be changed; `None` if it is no sequence.
    pub(crate) fn items_mut(&mut self) -> Option<&mut Vec<Value<'t>>> {
        match &mut self.unshare().data {
            Data::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The value of this key, to be changed, if it is a mapping that has it.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Value<'t>> {
        self.get(key)?;
        let mut fields = self.fields_mut()?.iter_mut();
        fields
            .find(|field| field.key.is(key))
            .map(|field| &mut field.value)
    }

    /// Gives this key a value: in its place if it is there, else at the end. A key that is
    /// new stands for `key_span`. Does nothing to what is no mapping.
    pub(crate) fn set(&mut self, key: impl Into<Cow<'t, str>>, key_span: Span, value: Value<'t>) {
        let key = key.into();
        match self.get_mut(&key) {
            Some(old) => *old = value,
            None => self.add(key, key_span, value),
        }
    }

    /// The same for a key that is not there.
    pub(crate) fn add(&mut self, key: impl Into<Cow<'t, str>>, key_span: Span, value: Value<'t>) {
        if let Some(fields) = self.fields_mut() {
            let key = Key::Made(key.into(), key_span);
            fields.push(Field { key, value });
        }
    }

    /// Puts another value over this one: mapping by mapping, and everything else in the place of
    /// what is there.
    pub(crate) fn overlay(&mut self, other: &Value<'t>) {
        for field in other.fields() {
            let key = field.key.text();
            match self.get_mut(&key) {
                Some(old) if old.is_mapping() && field.value.is_mapping() => {
                    old.overlay(&field.value);
                }
                _ => self.set(key.into_owned(), field.key.span(), field.value.clone()),
            }
        }
    }

    /// Takes a key out; returns whether it was there.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        if let Some(fields) = self.fields_mut() {
            fields.retain(|field| !field.key.is(key));
        }
        true
    }

    /// The values that it changes with; 0 for none.
    pub(crate) fn twin(&self) -> u32 {
        match self {
            Self::Read(_) => 0,
            Self::Made(made) => made.twin,
        }
    }

    /// The same value, which changes with others.
    pub(crate) fn with_twin(mut self, twin: u32) -> Self {
        if twin != 0 {
            self.unshare().twin = twin;
        }
        self
    }

    /// The same value, which changes with what the other one changes with.
    pub(crate) fn of_twin(mut self, other: &Self) -> Self {
        if self.twin() != other.twin() {
            self.unshare().twin = other.twin();
        }
        self
    }

    /// Its own parts, one level deep.
    fn unshare(&mut self) -> &mut Made<'t> {
        if let Self::Read(node) = self {
            *self = Self::made(
                match node.kind() {
                    Kind::Mapping => Data::Mapping(Self::Read(*node).fields().collect()),
                    Kind::Sequence => Data::Sequence(node.items().map(Self::Read).collect()),
                    Kind::Scalar => scalar(*node),
                },
                Place {
                    span: node.span(),
                    dash: node.dash(),
                },
            );
        }
        match self {
            Self::Made(made) => Arc::make_mut(made),
            Self::Read(_) => unreachable!("it was made above"),
        }
    }

    /// Whether it says the same as another one, wherever either stands.
    pub(crate) fn says_as(&self, other: &Value<'_>) -> bool {
        if self.kind() != other.kind() {
            return false;
        }
        match self.kind() {
            Kind::Scalar if self.is_null() || other.is_null() => self.is_null() && other.is_null(),
            Kind::Scalar => self.is_text() == other.is_text() && self.text() == other.text(),
            Kind::Sequence => {
                self.items().count() == other.items().count()
                    && self
                        .items()
                        .zip(other.items())
                        .all(|(one, other)| one.says_as(&other))
            }
            Kind::Mapping => {
                self.fields().count() == other.fields().count()
                    && self.fields().all(|field| {
                        let counterpart = other.get(&field.key.text());
                        counterpart.is_some_and(|value| field.value.says_as(&value))
                    })
            }
        }
    }
}

/// What a scalar of a text is.
fn scalar(node: Node<'_>) -> Data<'_> {
    let text = Cow::Borrowed(node.text().unwrap_or_default());
    match Value::Read(node).is_text() {
        true => Data::Text(text),
        false => Data::Plain(text),
    }
}

/// Whether it is one of the words that only YAML 1.1 takes for booleans, such as `on` and `n`.
fn is_old_boolean(node: &Node<'_>) -> bool {
    node.as_bool().is_some() && !is_boolean(node.raw())
}

fn is_word_of_old_boolean(text: &str) -> bool {
    text.len() <= 3
        && ["y", "yes", "on", "n", "no", "off"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word))
}
