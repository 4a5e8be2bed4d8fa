//! Does a tree have the shape of its kind: only fields that exist, each with the JSON
//! that it takes? Where an API server's decoder stops, this goes on.
//!
//! Refuses to know what fields mean; texts and numbers are judged where they are used.

use super::fields::{self, Shape, Type};
use super::invalid_value;
use super::reader::{self, Path, Reader};
use crate::diagnostic::{Diagnostic, Edit, Fix, FixClass, Severity};
use crate::source::{SourceId, Span};
use crate::yaml::general;
use crate::yaml::scalar::Scalar;
use crate::yaml::tree::{Entry, Kind, Node};

/// How many unknown fields of one object are kept in any case.
const MAX_UNKNOWN: usize = 500;

/// How many entries the mappings of further ones may have altogether: what becomes of a
/// mapping without a field is read off the others in it.
const MAX_ENTRIES: usize = 1 << 18;

/// A key that its mapping has no field for.
#[derive(Clone, Debug)]
pub(super) struct UnknownField<'t> {
    /// The key and its value.
    pub(super) entry: Entry<'t>,
    /// How many entries of the mapping stand in front of it.
    pub(super) index: usize,
    /// The mapping.
    pub(super) mapping: Node<'t>,
    /// What the mapping is.
    pub(super) shape: &'static Shape,
    /// The mappings around it, the outermost first.
    pub(super) ancestors: Vec<Node<'t>>,
    /// Where the mapping is, as `spec.ingress[0]`.
    pub(super) path: String,
    /// Whether a decoder stops at it; otherwise a lenient one drops it.
    pub(super) is_refused: bool,
}

/// A value that a decoder refuses.
#[derive(Clone, Copy, Debug)]
struct WrongType<'t> {
    value: Node<'t>,
    /// The name of the field, or of the list that the value is an item of.
    field: &'t str,
    is_item: bool,
    expected: Type,
}

/// What is wrong with the shape of an object.
#[derive(Debug, Default)]
pub(super) struct Structure<'t> {
    /// The fields that do not exist, in the order of the text; the first of them, where
    /// there are more than anybody reads.
    pub(super) unknown: Vec<UnknownField<'t>>,
    /// How many more there are.
    more_unknown: usize,
    /// The values of another type, as findings, each with its path.
    wrong: Vec<(String, Diagnostic)>,
    /// What is right and does not mean what it looks like, as findings, each with its path.
    doubtful: Vec<(String, Diagnostic)>,
    /// Keys that change what the document is: directives of a patch, holes in the text.
    incomplete: Vec<Node<'t>>,
}

impl<'t> Structure<'t> {
    /// Compares `root` with `shape`.
    pub(super) fn of(root: Node<'t>, shape: &'static Shape) -> Self {
        let mut walk = Walk {
            root: shape,
            structure: Self::default(),
            ancestors: Vec::new(),
            entries_left: MAX_ENTRIES,
        };
        walk.object(root, shape, Path::Object);
        walk.structure
    }

    /// How many things are wrong.
    pub(super) fn count(&self) -> usize {
        self.unknown.len() + self.more_unknown + self.wrong.len()
    }

    /// Reports the values of wrong types, and notes what other tools complete.
    pub(super) fn report(&mut self, reader: &mut Reader<'_>) {
        reader.drop_findings(self.more_unknown);
        for (path, diagnostic) in std::mem::take(&mut self.wrong) {
            reader.refuse_at(path, diagnostic);
        }
        for (path, diagnostic) in std::mem::take(&mut self.doubtful) {
            reader.report_at(path, diagnostic);
        }
        for node in &self.incomplete {
            reader.note_incomplete(*node);
        }
    }
}

struct Walk<'t> {
    root: &'static Shape,
    structure: Structure<'t>,
    ancestors: Vec<Node<'t>>,
    /// How many entries the mappings of unknown fields may still have.
    entries_left: usize,
}

impl<'t> Walk<'t> {
    fn object(&mut self, mapping: Node<'t>, shape: &'static Shape, path: Path<'_>) {
        for (index, entry) in mapping.entries().enumerate() {
            let name = entry.key.key_text();
            match shape.field(&name) {
                Some((field, expected)) => {
                    self.ancestors.push(mapping);
                    self.value(entry.value, expected, field, false, path.field(field));
                    self.ancestors.pop();
                }
                // Anchors are kept under such names; they are nobody's fields.
                None if matches!(path, Path::Object) && is_holder(&name) => {}
                None if name.starts_with('$') || reader::is_opaque(entry.key) => {
                    self.structure.incomplete.push(entry.key);
                }
                None => self.unknown(UnknownField {
                    entry,
                    index,
                    mapping,
                    shape,
                    ancestors: Vec::new(),
                    path: path.to_string(),
                    is_refused: false,
                }),
            }
        }
    }

    fn value(
        &mut self,
        value: Node<'t>,
        expected: Type,
        field: &'static str,
        is_item: bool,
        path: Path<'_>,
    ) {
        if value.is_null() || reader::is_opaque(value) {
            return;
        }
        let kind = value.kind();
        match expected {
            Type::Object(shape) if kind == Kind::Mapping => self.object(value, shape, path),
            Type::List(item_type) if kind == Kind::Sequence => {
                for (index, item) in value.items().enumerate() {
                    self.value(item, *item_type, field, true, path.item(index));
                }
            }
            Type::List(Type::Object(item))
                if kind == Kind::Mapping && self.is_of_strays(value, item) =>
            {
                for (index, entry) in value.entries().enumerate() {
                    self.strayed(value, entry, index, item, path);
                }
            }
            Type::Labels if kind == Kind::Mapping => self.labels(value, path),
            Type::Text if value.as_str().is_some() => {}
            Type::Integer if value.as_int().is_some() => {}
            Type::Boolean if value.as_bool().is_some() => {}
            Type::Time if value.as_str().is_some_and(is_time) => {}
            Type::IntegerOrText if value.as_int().is_some() || value.as_str().is_some() => {}
            Type::Anything | Type::OwnLabels => {}
            expected => {
                let wrong = WrongType {
                    value,
                    field,
                    is_item,
                    expected,
                };
                self.structure
                    .wrong
                    .push((path.to_string(), wrong.diagnostic()));
            }
        }
    }

    /// A field of another place, where the decoder wants something else altogether.
    fn strayed(
        &mut self,
        mapping: Node<'t>,
        entry: Entry<'t>,
        index: usize,
        shape: &'static Shape,
        path: Path<'_>,
    ) {
        self.unknown(UnknownField {
            entry,
            index,
            mapping,
            shape,
            ancestors: Vec::new(),
            path: path.to_string(),
            is_refused: true,
        });
    }

    /// Notes a field that does not exist, with the mappings around it.
    fn unknown(&mut self, field: UnknownField<'t>) {
        let kept = self.structure.unknown.len();
        if kept < MAX_UNKNOWN || (kept < reader::MAX_KEPT && self.may_read(field.mapping)) {
            let ancestors = self.ancestors.clone();
            self.structure
                .unknown
                .push(UnknownField { ancestors, ..field });
        } else {
            self.structure.more_unknown += 1;
        }
    }

    /// Takes the entries of a mapping off those that may be read.
    fn may_read(&mut self, mapping: Node<'t>) -> bool {
        let entries = mapping.entries().take(self.entries_left + 1).count();
        let left = self.entries_left.checked_sub(entries);
        self.entries_left = left.unwrap_or_default();
        left.is_some()
    }

    /// Whether a mapping in the place of a list holds nothing but fields of other places:
    /// then they are what is wrong, and not that a hyphen is missing.
    fn is_of_strays(&self, mapping: Node<'t>, item: &Shape) -> bool {
        let mut entries = mapping.entries().peekable();
        entries.peek().is_some()
            && entries.all(|entry| {
                let key = entry.key.key_text();
                item.field(&key).is_none() && !self.root.homes(&key).is_empty()
            })
    }

    fn labels(&mut self, labels: Node<'t>, path: Path<'_>) {
        for (index, entry) in labels.entries().enumerate() {
            let key = entry.key.key_text();
            let is_collection = !reader::is_opaque(entry.value) && entry.value.text().is_none();
            if is_collection && !self.root.homes(&key).is_empty() {
                self.strayed(labels, entry, index, &fields::LABELS, path);
                continue;
            }
            let path = path.field(&key);
            let is_text = entry.key.as_str().is_some();
            if !is_text && !reader::is_opaque(entry.key) {
                // On the way to JSON every key becomes text.
                let message = format!("the label key `{}` is read as `{key}`", entry.key.raw());
                let span = entry.key.span();
                let diagnostic = Diagnostic::new("invalid-value", Severity::Warning, span, message);
                let diagnostic = diagnostic
                    .label(is_what(entry.key))
                    .help("put it in quotes, or write what Kubernetes reads");
                self.structure.doubtful.push((path.to_string(), diagnostic));
            }
            let value = entry.value;
            if value.is_null() || value.as_str().is_some() || reader::is_opaque(value) {
                continue;
            }
            let message = format!("the value of label `{key}` must be a string");
            let diagnostic = invalid_value(value.span(), message).label(is_what(value));
            self.structure
                .wrong
                .push((path.to_string(), super::quote(diagnostic, value)));
        }
    }
}

/// Whether a mapping has a key that is no field of it.
pub(super) fn has_unknown_field(mapping: Node<'_>, shape: &Shape) -> bool {
    mapping
        .entries()
        .any(|entry| shape.field(&entry.key.key_text()).is_none())
}

/// Whether a text is a time as Kubernetes reads it (RFC 3339).
fn is_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else {
        return false;
    };
    let numbers = |text: &str, separator: char, ends: &[(usize, u32)]| {
        let parts: Vec<&str> = text.split(separator).collect();
        let fits = |(part, (length, last)): (&&str, &(usize, u32))| {
            let is_number = part.len() == *length && part.bytes().all(|byte| byte.is_ascii_digit());
            is_number && part.parse().is_ok_and(|number: u32| number <= *last)
        };
        parts.len() == ends.len() && parts.iter().zip(ends).all(fits)
    };
    let zone = time.rfind(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone);
    let (time, fraction) = time.split_once(['.', ',']).unwrap_or((time, "0"));
    let is_zone =
        zone == "Z" || numbers(zone.get(1..).unwrap_or_default(), ':', &[(2, 24), (2, 59)]);
    numbers(date, '-', &[(4, 9999), (2, 12), (2, 31)])
        && numbers(time, ':', &[(2, 23), (2, 59), (2, 59)])
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && is_zone
}

/// Whether a key at the top is a place for anchors, `x-common` or `.common`.
fn is_holder(name: &str) -> bool {
    name.starts_with('.') || name.starts_with("x-")
}

impl WrongType<'_> {
    fn diagnostic(self) -> Diagnostic {
        let what = match self.is_item {
            true => format!("an item of `{}`", self.field),
            false => format!("`{}`", self.field),
        };
        let wanted = match self.expected {
            Type::Object(_) | Type::Labels | Type::OwnLabels => "a mapping",
            Type::List(_) => "a list",
            Type::Text => "text",
            Type::Integer => "a whole number",
            Type::Boolean => "true or false",
            Type::Time => "a time such as `2026-01-31T12:00:00Z`",
            Type::IntegerOrText => "a number or the name of a port",
            Type::Anything => "anything",
        };
        let message = format!("{what} must be {wanted}");
        self.mend(invalid_value(self.value.span(), message).label(is_what(self.value)))
    }

    /// Adds the way out, where there is one.
    fn mend(self, diagnostic: Diagnostic) -> Diagnostic {
        let value = self.value;
        let is_one_line = !value.raw().contains('\n');
        match self.expected {
            Type::Text if value.scalar().is_some() && self.is_free_text() => {
                super::quote(diagnostic, value)
            }
            Type::Integer | Type::IntegerOrText => match value.as_str().map(str::parse::<u16>) {
                Some(Ok(number)) => reader::replace(diagnostic, value, number.to_string()),
                _ => diagnostic,
            },
            Type::List(Type::Text) if value.as_str().is_some() && is_one_line => {
                let list = format!("[{}]", value.raw());
                match is_written(&list, value.span().source, Kind::Sequence) {
                    true => reader::replace(diagnostic, value, list),
                    false => diagnostic,
                }
            }
            Type::List(_) if value.is_mapping() => diagnostic.help(format!(
                "each entry of `{}` is a list item: put a hyphen in front of its first key",
                self.field
            )),
            Type::Object(_) | Type::Labels | Type::OwnLabels if value.as_str().is_some() => {
                with_space(diagnostic, value)
            }
            Type::Object(_) | Type::Labels => without_hyphen(diagnostic, value),
            Type::Text if self.is_item && self.field == "networks" => as_cidr(diagnostic, value),
            _ => diagnostic,
        }
    }

    /// Whether any text will do, so that quotes are all that is missing.
    fn is_free_text(self) -> bool {
        matches!(
            self.field,
            "name" | "generateName" | "namespace" | "key" | "values" | "port"
        )
    }
}

/// A text where a mapping belongs, that is one but for a space: `app:web`.
fn with_space(diagnostic: Diagnostic, text: Node<'_>) -> Diagnostic {
    let raw = text.raw();
    let is_plain = !raw.starts_with(['"', '\'']) && !raw.contains('\n');
    let Some((key, value)) = raw.split_once(':').filter(|_| is_plain) else {
        return diagnostic;
    };
    let entry = format!("{key}: {value}");
    let is_entry = is_written(&entry, text.span().source, Kind::Mapping);
    if key.is_empty() || value.is_empty() || value.contains("//") || !is_entry {
        return diagnostic;
    }
    let title = format!("write a space after the colon: `{entry}`");
    let place = text.span().start + key.len() as u32 + 1;
    let edits = vec![Edit {
        span: Span::new(text.span().source, place, place),
        replacement: " ".to_owned(),
    }];
    let diagnostic = diagnostic.label("is a string, because the space after the colon is missing");
    diagnostic.help(title.clone()).fix(Fix {
        title,
        class: FixClass::Safe,
        edits,
    })
}

/// Whether a text is YAML by itself, and of that kind: what a fix puts in the place of a text
/// must not open or close anything in what stands around it.
fn is_written(text: &str, source: SourceId, kind: Kind) -> bool {
    let tree = general::read(source, text, 0..text.len());
    let is_kind = |root: Node<'_>| root.kind() == kind;
    tree.is_ok_and(|tree| tree.end().is_none() && tree.root().is_some_and(is_kind))
}

/// A block of addresses as a NetworkPolicy has it, where the text of one belongs.
fn as_cidr(diagnostic: Diagnostic, block: Node<'_>) -> Diagnostic {
    let mut entries = block.entries();
    match (block.find(&["cidr"]), entries.next(), entries.next()) {
        (Some(cidr), Some(_), None) if cidr.as_str().is_some() && !cidr.is_alias() => {
            reader::replace(diagnostic, block, cidr.raw().to_owned())
        }
        _ => diagnostic.help("write the CIDR itself"),
    }
}

/// A list of one item where a mapping belongs: the hyphen is what is too much.
fn without_hyphen(diagnostic: Diagnostic, list: Node<'_>) -> Diagnostic {
    let mut items = list.items();
    let (Some(item), None) = (items.next(), items.next()) else {
        return diagnostic;
    };
    let Some(dash) = item
        .dash()
        .filter(|_| item.is_mapping() && !item.is_alias())
    else {
        return diagnostic;
    };
    let title = "remove the hyphen".to_owned();
    let edits = vec![Edit {
        span: dash,
        replacement: " ".to_owned(),
    }];
    diagnostic.help(title.clone()).fix(Fix {
        title,
        class: FixClass::Safe,
        edits,
    })
}

/// What a value is, as a note on it.
fn is_what(value: Node<'_>) -> String {
    match (value.kind(), value.scalar()) {
        (Kind::Mapping, _) => "is a mapping".to_owned(),
        (Kind::Sequence, _) => "is a list".to_owned(),
        (_, Some(Scalar::Bool(value))) => format!("is the boolean {value}"),
        (_, Some(Scalar::Int(_) | Scalar::Float(_))) => "is a number".to_owned(),
        (_, Some(Scalar::Null)) => "is null".to_owned(),
        (_, Some(Scalar::String(_)) | None) => "is text".to_owned(),
    }
}
