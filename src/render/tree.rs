//! From a built value back to a tree, which is read like one of a text.
//!
//! Refuses to know how the value was built.

use super::scalar::{Style, is_plain};
use super::value::{Data, Key, Value};
use crate::source::{SourceMap, Span};
use crate::yaml::{Assembly, Kind, Tree};

/// The tree of a value; its nodes keep their sources.
pub(crate) fn assemble<'t>(
    sources: &'t SourceMap,
    value: &Value<'t>,
    comments: Vec<Span>,
) -> Tree<'t> {
    let mut assembly = Assembly::new(sources, value.span().source, comments);
    add(&mut assembly, value);
    assembly.finish()
}

fn add<'t>(assembly: &mut Assembly<'t>, value: &Value<'t>) {
    let made = match value {
        Value::Read(node) => return assembly.copy(*node),
        Value::Made(made) => made,
    };
    let (span, dash) = (made.place.span, made.place.dash);
    match &made.data {
        Data::Text(text) => assembly.made_text(text, span, dash),
        Data::Plain(text) | Data::Untyped(text) if made.style == Style::Quoted => {
            assembly.made_text(text, span, dash);
        }
        Data::Plain(text) => assembly.made_plain(text, span, dash),
        Data::Untyped(text) if is_plain(text) => assembly.made_plain(text, span, dash),
        Data::Untyped(text) => assembly.made_text(text, span, dash),
        Data::Hidden(_) => assembly.made_plain("null", span, dash),
        Data::Mistyped(mistyped) => assembly.made_text(&mistyped.text, span, dash),
        Data::Sequence(items) => {
            assembly.open(Kind::Sequence, span, dash);
            for item in items {
                add(assembly, item);
            }
            assembly.close();
        }
        Data::Mapping(fields) => {
            assembly.open(Kind::Mapping, span, dash);
            for field in fields {
                match &field.key {
                    Key::Read(node) => assembly.copy(*node),
                    Key::Made(text, span) => assembly.made_text(text, *span, None),
                }
                add(assembly, &field.value);
            }
            assembly.close();
        }
    }
}
