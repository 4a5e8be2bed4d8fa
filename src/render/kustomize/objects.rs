//! From documents to objects as kustomize reads them: lists unwrapped, empty documents
//! dropped, names demanded; and patches that stand as text within another document.
//!
//! Refuses to know what becomes of the objects.

use super::fault::Fault;
use crate::k8s::PartEffect;
use crate::render::library::Library;
use crate::render::resource::Resource;
use crate::render::scalar::Type;
use crate::render::value::{Data, Field, Key, Place, Value};
use crate::source::Span;
use crate::yaml::{Kind, Node, Tree, block, general, json, split};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

/// Whether an object may leave its name to the API server, by `generateName`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nameless {
    Taken,
    Rejected,
}

/// The objects of a file, as kustomize reads them.
pub(crate) fn of_file<'t>(
    library: &'t Library<'_>,
    path: &str,
) -> Result<Vec<Resource<'t>>, Fault> {
    read(library, path, Nameless::Rejected)
}

/// The objects of a file that is applied as it stands, without kustomize.
pub(crate) fn as_written<'t>(
    library: &'t Library<'_>,
    path: &str,
) -> Result<Vec<Resource<'t>>, Fault> {
    read(library, path, Nameless::Taken).map_err(|fault| Fault {
        is_as_written: true,
        ..fault
    })
}

fn read<'t>(
    library: &'t Library<'_>,
    path: &str,
    nameless: Nameless,
) -> Result<Vec<Resource<'t>>, Fault> {
    // What the file holds is lost with it, whatever is wrong there.
    let unread = |fault: Fault| {
        let text = library.text(path);
        let holds_policies = text.is_none_or(|text| text.contains("NetworkPolicy"));
        let effect = match holds_policies {
            true => PartEffect::Adds,
            false => PartEffect::AddsPods,
        };
        Fault { effect, ..fault }
    };
    let trees = match library.documents(path) {
        Some(Ok(trees)) => trees,
        Some(Err(error)) => return Err(unread(Fault::error(error.span, error.message.clone()))),
        None => return Ok(Vec::new()),
    };
    let of_tree = trees.iter().filter_map(|tree| {
        let comments: Arc<[Span]> = tree.comments().into();
        Some((Value::Read(tree.root()?), (tree, comments)))
    });
    let objects = unwrapped(of_tree.collect(), nameless).map_err(unread)?;
    let objects = objects.into_iter();
    let objects = objects.map(|(value, (tree, comments))| {
        let mut resource = Resource::new(value);
        resource.comments.push(comments);
        resource.repeated_key = repeated_key(tree, &resource.value);
        resource
    });
    Ok(objects.collect())
}

/// The first key that stands twice in one mapping of an object that was just read.
fn repeated_key(tree: &Tree<'_>, value: &Value<'_>) -> Option<(String, Span)> {
    let Value::Read(node) = value else {
        return None;
    };
    let key = tree.duplicate_keys_in(*node).first()?;
    Some((key.key.clone(), key.second))
}

/// The objects that kustomize cannot print, as a key stands twice in one of their mappings.
pub(crate) fn repeated_keys(resources: &[Resource<'_>]) -> impl Iterator<Item = Fault> {
    let keys = resources.iter().filter_map(|it| it.repeated_key.as_ref());
    keys.map(|(key, second)| {
        let message = format!("the key `{key}` appears twice");
        Fault::error(*second, message)
    })
}

/// Whether a value is an object, as a strategic merge patch must be one.
pub(crate) fn all_objects<'t>(values: &[Value<'t>]) -> Result<Vec<Value<'t>>, Fault> {
    let values = values.iter().map(|value| (value.clone(), ()));
    let found = unwrapped(values.collect(), Nameless::Rejected)?;
    Ok(found.into_iter().map(|(value, ())| value).collect())
}

/// The objects, those of lists in the place of these, behind all others
/// (`resource/factory.go`, `inlineAnyEmbeddedLists`); what is known of each goes with it.
fn unwrapped<'t, K: Clone>(
    mut open: VecDeque<(Value<'t>, K)>,
    nameless: Nameless,
) -> Result<Vec<(Value<'t>, K)>, Fault> {
    let mut found = Vec::with_capacity(open.len());
    while let Some((value, known)) = open.pop_front() {
        match items_of(&value, nameless)? {
            Some(items) => open.extend(items.into_iter().map(|item| (item, known.clone()))),
            None => found.push((value, known)),
        }
    }
    Ok(found)
}

/// The objects that stand in a list; `None` if it is an object itself.
fn items_of<'t>(value: &Value<'t>, nameless: Nameless) -> Result<Option<Vec<Value<'t>>>, Fault> {
    if value.is_null() || value.is_mapping() && value.is_empty() {
        return Ok(Some(Vec::new()));
    }
    if !value.is_mapping() {
        let message = "kustomize expects an object here, with `kind` and a name";
        return Err(Fault::error(value.span(), message));
    }
    let kind = value.text_of(&["kind"]);
    if kind.is_empty() {
        let message = "kustomize expects an object here, and this has no `kind`";
        return Err(Fault::error(value.span(), message));
    }
    if kind.ends_with("List") {
        match value.get("items") {
            Some(items) if items.is_sequence() => {
                return Ok(Some(items.items().collect()));
            }
            Some(items) if items.is_null() => return Ok(Some(Vec::new())),
            Some(items) => return Err(Fault::error(items.span(), "`items` is not a list")),
            None => {}
        }
    } else if nameless == Nameless::Rejected && value.text_of(&["metadata", "name"]).is_empty() {
        let span = value.get("metadata").map_or(value.span(), |it| it.span());
        let message = format!("kustomize expects a name, and this {kind} has none");
        return Err(Fault::error(span, message));
    }
    Ok(None)
}

/// The documents of a file that is read as data: a patch, a configuration.
pub(crate) fn values_of_file<'t>(
    library: &'t Library<'_>,
    path: &str,
) -> Option<Result<Vec<Value<'t>>, Fault>> {
    Some(match library.documents(path)? {
        Ok(trees) => Ok(roots(trees)),
        Err(error) => Err(Fault::error(error.span, error.message.clone())),
    })
}

fn roots<'t>(trees: &'t [Tree<'t>]) -> Vec<Value<'t>> {
    let roots = trees.iter().filter_map(Tree::root);
    roots.map(Value::Read).collect()
}

/// The documents that stand as text in a scalar. Those of a literal block scalar are read
/// where they stand, so that their places are known; of others only the scalar's is.
pub(crate) fn values_of_text<'t>(
    library: &'t Library<'_>,
    scalar: &Value<'t>,
) -> Result<Vec<Value<'t>>, Fault> {
    let text = scalar.text().unwrap_or_default();
    if let Value::Read(node) = scalar
        && let Some(inside) = literal(*node).filter(|_| !text.contains("---"))
        && let Ok(trees) = library.documents_in(inside)
    {
        return Ok(roots(trees));
    }
    let span = scalar.span();
    read_apart(text, span).map_err(|message| Fault::error(span, message))
}

/// The text within a literal block scalar.
fn literal(node: Node<'_>) -> Option<Span> {
    let raw = node.raw();
    let header = raw.find('\n').filter(|_| raw.starts_with('|'))?;
    let span = node.span();
    Some(Span::new(
        span.source,
        span.start + header as u32 + 1,
        span.end,
    ))
}

/// The documents of a text that stands nowhere as it is; all stands for `span`.
fn read_apart<'t>(text: &str, span: Span) -> Result<Vec<Value<'t>>, String> {
    let mut values = Vec::new();
    for range in split::pieces(text).into_iter().map(|piece| piece.range) {
        let is_json = text[range.clone()].trim_start().starts_with(['{', '[']);
        let json = is_json.then(|| json::read(span.source, text, range.clone()));
        let tree = match json {
            Some(Ok((tree, end))) if text[end..range.end].trim().is_empty() => tree,
            _ => match block::read(span.source, text, range.clone()) {
                Some(tree) => tree,
                None => general::read(span.source, text, range).map_err(|error| error.message)?,
            },
        };
        values.extend(tree.root().map(|root| detached(root, span)));
    }
    Ok(values)
}

/// A value of its own with what a node says, which stands for `span` with all its parts.
fn detached<'t>(node: Node<'_>, span: Span) -> Value<'t> {
    let data = match node.kind() {
        Kind::Mapping => Data::Mapping(
            node.entries()
                .map(|entry| Field {
                    key: Key::Made(Cow::Owned(entry.key.key_text().into_owned()), span),
                    value: detached(entry.value, span),
                })
                .collect(),
        ),
        Kind::Sequence => Data::Sequence(node.items().map(|item| detached(item, span)).collect()),
        Kind::Scalar => {
            let text = node.text().unwrap_or_default();
            // A tag says what a text in quotes is.
            let is_tagged = node.is_tagged() && node.as_str().is_none();
            match (node.is_bare() || is_tagged) && Type::of(text).is_some() {
                true => Data::Plain(Cow::Owned(text.to_owned())),
                false => Data::Text(Cow::Owned(text.to_owned())),
            }
        }
    };
    Value::made(data, Place { span, dash: None })
}
