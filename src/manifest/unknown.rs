//! Keys that are no fields where they stand: mistyped (`unknown-field`), or fields of
//! another place (`misplaced-field`).
//!
//! Refuses to know how text is moved; which moves there are it is told.

use super::effect::{self, Consequences};
use super::fields::{self, Shape, Type};
use super::moves::{self, Move, Towards};
use super::reader::Reader;
use super::structure::{Structure, UnknownField};
use super::suggestion;
use crate::diagnostic::{Diagnostic, Edit, Fix, Severity};
use crate::yaml::tree::{Kind, Node};
use std::collections::HashSet;

/// How many times its own text an object may be read again in search of a way to move
/// keys; further findings in it say what is wrong, but not how to mend it by machine.
const MAX_READ_AGAIN: usize = 32;

/// How many bytes of a small object may be read again, and how many of a large one: as much as
/// an API server would accept, and a little more.
const MIN_READ_AGAIN: usize = 1 << 14;
const MAX_BYTES_READ_AGAIN: usize = 1 << 21;

/// How many keys are moved together at most.
const MAX_RUN: usize = 8;

/// Reports the unknown fields of an object, before anything else of it is reported.
///
/// A lenient API server drops such a field, so the object stays accepted. `mistakes`
/// finds what is wrong with the meaning of an object of this kind: a move must not make
/// more of it, and what it mends is no finding of its own.
pub(super) fn report(
    root: Node<'_>,
    shape: &'static Shape,
    structure: &Structure<'_>,
    mistakes: &dyn Fn(Node<'_>) -> Vec<Diagnostic>,
    reader: &mut Reader<'_>,
) {
    if structure.unknown.is_empty() {
        return;
    }
    let before = mistakes(root);
    let mut search = Search {
        root,
        shape,
        structure,
        mistakes,
        before,
        left: budget(root),
    };
    let mut consequences = Consequences::default();
    let mut fields = structure.unknown.as_slice();
    while let Some(first) = fields.first() {
        let length = search.length(fields);
        let (run, moves) = search.moves(&fields[..length]);
        if moves.is_empty() && !is_misplaced(first, shape) {
            let diagnostic = mistyped(first, &mut consequences);
            match first.is_refused {
                true => reader.refuse_at(path_of(first), diagnostic),
                false => reader.report_at(path_of(first), diagnostic),
            }
            fields = &fields[1..];
            continue;
        }
        if let [only] = moves.as_slice() {
            reader.mute(search.cured_by(only));
        }
        let diagnostic = misplaced(run, shape, moves, &mut consequences);
        match first.is_refused {
            true => reader.refuse_at(path_of(first), diagnostic),
            false => reader.report_at(path_of(first), diagnostic),
        }
        fields = &fields[run.len()..];
    }
}

/// How many bytes a search may read.
fn budget(root: Node<'_>) -> usize {
    (root.raw().len() * MAX_READ_AGAIN).clamp(MIN_READ_AGAIN, MAX_BYTES_READ_AGAIN)
}

fn path_of(field: &UnknownField<'_>) -> String {
    let key = field.entry.key.key_text();
    if field.path.is_empty() {
        key.into_owned()
    } else {
        format!("{}.{key}", field.path)
    }
}

/// The shapes that a key is a field of. What stands below `spec` has nothing to do with
/// `metadata`, even if it is called `name`.
fn homes(field: &UnknownField<'_>, root: &'static Shape) -> Vec<&'static Shape> {
    let mut homes = root.homes(&field.entry.key.key_text());
    if !std::ptr::eq(field.shape, root) {
        let is_meta = |home: &&Shape| {
            std::ptr::eq(*home, &fields::METADATA) || std::ptr::eq(*home, &fields::OWNER_REFERENCE)
        };
        homes.retain(|home| !is_meta(home));
    }
    homes
}

/// Whether a key is a field of another place, or a label outside of `matchLabels`; a
/// near miss of a field that belongs here comes first.
fn is_misplaced(field: &UnknownField<'_>, root: &'static Shape) -> bool {
    let is_label = field.shape.is_selector() && field.entry.value.as_str().is_some();
    correction(field).is_none()
        && !is_of_draft(field)
        && (is_label || !homes(field, root).is_empty())
}

/// Whether a key may be a label that slipped out of a selector.
fn may_be_label(field: &UnknownField<'_>, root: &'static Shape) -> bool {
    correction(field).is_none()
        && !is_of_draft(field)
        && field.entry.value.as_str().is_some()
        && homes(field, root).is_empty()
}

/// The field that a mistyped key stands for: near, not written yet, and taking a value
/// like the one that is there.
fn correction(field: &UnknownField<'_>) -> Option<&'static str> {
    let key = field.entry.key.key_text();
    let name = suggestion::near_miss(&key, field.shape.names())?;
    let (_, expected) = field.shape.field(name)?;
    let value = field.entry.value;
    let fits = value.is_null()
        || match expected {
            // What holds the field itself is one level too many, and no slip of the pen.
            _ if value.get(name).is_some() => false,
            Type::Object(_) | Type::Labels | Type::OwnLabels => value.is_mapping(),
            Type::List(_) => value.is_sequence(),
            Type::Text | Type::Integer | Type::IntegerOrText | Type::Boolean | Type::Time => {
                value.kind() == Kind::Scalar
            }
            Type::Anything => true,
        };
    (fits && field.mapping.get(name).is_none()).then_some(name)
}

fn mistyped(field: &UnknownField<'_>, consequences: &mut Consequences) -> Diagnostic {
    let key = field.entry.key.key_text();
    let message = format!("`{key}` is not a field of {}", field.shape.noun);
    let span = field.entry.key.span();
    let diagnostic = Diagnostic::new("unknown-field", Severity::Error, span, message);
    let diagnostic = diagnostic.note(consequences.of_dropping(field));
    let near = suggestion::near_misses(&key, field.shape.names());
    let quoted =
        |names: &[&str], and: &str| listed(names.iter().map(|name| format!("`{name}`")), and);
    let Some(correction) = correction(field) else {
        let names: Vec<&str> = field
            .shape
            .names()
            .filter(|name| !is_retired(name))
            .collect();
        let diagnostic = match near.as_slice() {
            _ if is_of_draft(field) => diagnostic
                .label("a field of an earlier draft of this API, which has no replacement")
                .note("namespaces can no longer be compared with that of the subject by a label"),
            _ if is_calicos(&key) => diagnostic
                .label("a field of Calico's `NetworkPolicy`")
                .note(
                    "Calico's policies have `apiVersion: projectcalico.org/v3`; \
                 those of Kubernetes select pods by `podSelector`",
                ),
            [] => diagnostic.label("there is no such field"),
            near => diagnostic.label(format!("looks like {}", quoted(near, "or"))),
        };
        return match names.as_slice() {
            _ if is_of_draft(field) => {
                diagnostic.help("select namespaces by their labels, with a policy for each value")
            }
            [] => diagnostic.help("a label has one value, a string"),
            names => diagnostic.help(format!("the fields here are {}", quoted(names, "and"))),
        };
    };
    let title = format!("write `{correction}`");
    let replacement = requote(field.entry.key, correction);
    let fix = Fix {
        title: title.clone(),
        class: effect::class_of_restoring(field),
        edits: vec![Edit { span, replacement }],
    };
    diagnostic
        .label(format!("did you mean `{correction}`?"))
        .help(title)
        .fix(fix)
}

/// Whether a field compared namespaces by their labels in drafts of the cluster-wide policies
/// (`NamespacedPeer` of network-policy-api before v0.1.2). A label would mean something else.
fn is_of_draft(field: &UnknownField<'_>) -> bool {
    let key = field.entry.key.key_text();
    field.path.ends_with("namespaces") && matches!(&*key, "sameLabels" | "notSameLabels")
}

/// Whether a field is one of Calico's policies and of no other
/// (`NetworkPolicySpec` and `Rule` of `projectcalico.org/v3`).
fn is_calicos(key: &str) -> bool {
    const FIELDS: &[&str] = &[
        "action",
        "destination",
        "doNotTrack",
        "order",
        "preDNAT",
        "selector",
        "serviceAccountSelector",
        "source",
        "types",
    ];
    FIELDS.contains(&key)
}

/// Fields that are taken but not advertised.
fn is_retired(name: &str) -> bool {
    matches!(name, "status" | "clusterName" | "initializers" | "selfLink")
}

fn requote(key: Node<'_>, text: &str) -> String {
    let quote = key
        .raw()
        .get(..1)
        .filter(|_| key.is_quoted())
        .unwrap_or_default();
    format!("{quote}{text}{quote}")
}

/// A search for moves, with a bound on its work.
struct Search<'a, 't> {
    root: Node<'t>,
    shape: &'static Shape,
    structure: &'a Structure<'t>,
    mistakes: &'a dyn Fn(Node<'_>) -> Vec<Diagnostic>,
    /// The mistakes that there are.
    before: Vec<Diagnostic>,
    /// How many bytes may still be read.
    left: usize,
}

impl<'t> Search<'_, 't> {
    /// How many of the first fields stand next to each other and may be moved together.
    fn length(&self, fields: &[UnknownField<'t>]) -> usize {
        let Some(first) = fields.first() else {
            return 0;
        };
        let is_label = !is_misplaced(first, self.shape);
        let belongs = |(at, field): (usize, &UnknownField<'_>)| {
            field.mapping.id() == first.mapping.id()
                && field.index == first.index + at
                && if is_label {
                    may_be_label(field, self.shape)
                } else {
                    is_misplaced(field, self.shape)
                }
        };
        let numbered = fields.iter().take(MAX_RUN).enumerate();
        numbered.take_while(|pair| belongs(*pair)).count()
    }

    /// The most keys from the start of `run` that a move mends together, and the moves;
    /// all of them where there is none.
    fn moves<'r>(&mut self, run: &'r [UnknownField<'t>]) -> (&'r [UnknownField<'t>], Vec<Move>) {
        for length in (1..=run.len()).rev() {
            let is_better = |root: Node<'_>| {
                let wrong = Structure::of(root, self.shape).count();
                wrong + length <= self.structure.count()
                    && (self.mistakes)(root).len() <= self.before.len()
            };
            let moves = moves::moves(self.root, &run[..length], &mut self.left, is_better);
            if !moves.is_empty() {
                return (&run[..length], moves);
            }
        }
        (run, Vec::new())
    }

    /// The mistakes that a move mends by the way, as paths and messages.
    fn cured_by(&self, only: &Move) -> Vec<(String, String)> {
        let after = moves::after(self.root, only, |root| (self.mistakes)(root)).unwrap_or_default();
        let name = |diagnostic: &Diagnostic| (diagnostic.path.clone(), diagnostic.message.clone());
        let left: HashSet<(String, String)> = after.iter().map(name).collect();
        self.before
            .iter()
            .map(name)
            .filter(|mistake| !left.contains(mistake))
            .collect()
    }
}

fn misplaced(
    run: &[UnknownField<'_>],
    root: &'static Shape,
    moves: Vec<Move>,
    consequences: &mut Consequences,
) -> Diagnostic {
    let first = &run[0];
    let key = first.entry.key.key_text();
    let message = match is_within_itself(first) {
        true => format!("`{key}` is written twice, one within the other"),
        false => format!("`{key}` is not a field of {}", first.shape.noun),
    };
    let span = first.entry.key.span();
    let diagnostic = Diagnostic::new("misplaced-field", Severity::Error, span, message);
    let mut diagnostic = diagnostic.label(note_on(first, root, &moves));
    for field in &run[1..] {
        diagnostic = diagnostic.related(field.entry.key.span(), "and so is this one");
    }
    diagnostic = diagnostic.note(consequences.of_dropping(first));
    let what = if run.len() == 1 { "it" } else { "them" };
    match moves.as_slice() {
        [] if moves::is_wrapped_selector(first) => diagnostic.help(instruction_to_unwrap(&key)),
        [] => match sibling(first, &key) {
            Some(sibling) => diagnostic.help(format!("write `{sibling}`")),
            None if first.entry.value.is_null() => diagnostic.help("it has no value: remove it"),
            None if is_within_itself(first) => diagnostic.help(format!("remove one `{key}`")),
            None => diagnostic.help(format!("move {what} there")),
        },
        [only] => {
            let title = instruction(only, what);
            let fix = Fix {
                title: title.clone(),
                class: effect::class_of_restoring(first),
                edits: only.edits.clone(),
            };
            diagnostic.help(title).fix(fix)
        }
        several => {
            for one in several {
                diagnostic = diagnostic.note(format!("one reading: {}", instruction(one, what)));
            }
            diagnostic.help("choose the reading that is meant")
        }
    }
}

fn note_on(field: &UnknownField<'_>, root: &'static Shape, moves: &[Move]) -> String {
    let is_label = field.shape.is_selector() && field.entry.value.as_str().is_some();
    match moves {
        [
            Move {
                direction: Towards::Inside,
                below: Some(below),
                ..
            },
        ] => {
            format!("belongs below `{below}`: indent it further")
        }
        [
            Move {
                direction: Towards::Outside,
                ..
            },
        ] => "is indented too far".to_owned(),
        [
            Move {
                direction: Towards::Item,
                below: Some(below),
                ..
            },
        ] => format!("belongs below `{below}`, as an item of the list"),
        _ if is_within_itself(field) => "is nested within itself".to_owned(),
        _ if moves::is_wrapped_selector(field) => {
            "in this version the selector belongs directly below `namespaces`".to_owned()
        }
        _ if is_label => "labels belong below `matchLabels`".to_owned(),
        _ => {
            let homes = homes(field, root);
            if let (Some(list), [home, ..]) = (list_of_peers(field), homes.as_slice())
                && home.is_peer()
            {
                return format!("belongs below `{list}`, as a peer");
            }
            if homes.is_empty() {
                return "there is no such field".to_owned();
            }
            let nouns = homes.iter().map(|shape| shape.noun.to_owned());
            format!("belongs in {}", listed(nouns, "or"))
        }
    }
}

/// Whether a key stands directly within a key of the same name.
fn is_within_itself(field: &UnknownField<'_>) -> bool {
    let outer = field.path.rsplit('.').next().unwrap_or_default();
    field.entry.key.key_text() == outer
}

/// The list of peers of the rule that a field stands in.
fn list_of_peers(field: &UnknownField<'_>) -> Option<&'static str> {
    let is_within = |rules: &str| field.path.starts_with(rules);
    match (is_within("spec.ingress["), is_within("spec.egress[")) {
        (true, _) => Some("from"),
        (_, true) => Some("to"),
        (false, false) => None,
    }
}

/// `from` and `to` take each other's place.
fn sibling(field: &UnknownField<'_>, key: &str) -> Option<&'static str> {
    let other = match key {
        "from" => "to",
        "to" => "from",
        "ports" => "protocols",
        "protocols" => "ports",
        _ => return None,
    };
    field.shape.field(other).map(|(name, _)| name)
}

fn instruction(one: &Move, what: &str) -> String {
    let edit = &one.edits[0];
    let more = edit.replacement.len();
    let less = edit.span.end - edit.span.start;
    match (one.direction, &one.below) {
        (Towards::Wrapped, _) => "put the labels below `matchLabels`".to_owned(),
        (Towards::Item, below) => {
            let below = below.as_deref().unwrap_or_default();
            format!(
                "make {what} an item of `{below}`: write a hyphen in front, and indent the rest by 2"
            )
        }
        (Towards::Unwrapped, below) => instruction_to_unwrap(below.as_deref().unwrap_or_default()),
        (Towards::Inside, below) => {
            let below = below.as_deref().unwrap_or_default();
            format!("indent {what} by {more} more, below `{below}`")
        }
        (Towards::Outside, Some(below)) => {
            format!("indent {what} by {less} less, as a part of `{below}`")
        }
        (Towards::Outside, None) => {
            format!("indent {what} by {less} less, to the top of the object")
        }
    }
}

fn instruction_to_unwrap(key: &str) -> String {
    format!("remove the inner `{key}:`, and put what is below it in its place")
}

/// "a, b and c".
fn listed(items: impl IntoIterator<Item = String>, and: &str) -> String {
    let mut items: Vec<String> = items.into_iter().collect();
    let Some(last) = items.pop() else {
        return String::new();
    };
    if items.is_empty() {
        last
    } else {
        format!("{} {and} {last}", items.join(", "))
    }
}
