//! Edits of address blocks as their author would make them: further exceptions, and
//! further blocks.
//!
//! Refuses to know why. Says `None` where the text is laid out in a way that it does not
//! understand.

use super::{rewrite, text};
use crate::k8s::{Field, IpBlock, NetworkPolicyPeer};
use crate::source::{Edit, SourceMap};
use ipnet::IpNet;

/// Takes further blocks out of an `ipBlock`: as items of its `except`, which is added
/// where it is missing.
#[must_use]
pub fn add_exceptions(sources: &SourceMap, block: &IpBlock, excepted: &[IpNet]) -> Option<Edit> {
    match &block.except {
        Field::Missing => add_list(sources, block, excepted),
        Field::Value { value, .. } => {
            let last = value.last()?.span;
            let source = sources.get(last.source).text();
            let indentation = text::indentation(sources, last);
            let lead = indentation.map(|width| &source[last.start as usize - width..]);
            let lead = lead.map(|lead| &lead[..indentation.unwrap_or_default()]);
            match lead.filter(|lead| lead.trim() == "-") {
                Some(lead) => {
                    let lines: Vec<String> = excepted
                        .iter()
                        .map(|cidr| format!("{lead}{cidr}"))
                        .collect();
                    Some(text::insert_lines_after(sources, last, &lines))
                }
                // Before a bracket or a comma of `[…]`, on one line or on several.
                None if source[last.end as usize..]
                    .trim_start()
                    .starts_with([']', ',']) =>
                {
                    Some(Edit {
                        span: last.after(),
                        replacement: excepted.iter().map(|cidr| format!(", {cidr}")).collect(),
                    })
                }
                None => None,
            }
        }
        // What is written there and means nothing is for its author to mend.
        Field::Null { .. } => None,
    }
}

fn add_list(sources: &SourceMap, block: &IpBlock, excepted: &[IpNet]) -> Option<Edit> {
    let cidr = block.cidr.span;
    if sources.text(block.span).starts_with('{') {
        let list: Vec<String> = excepted.iter().map(ToString::to_string).collect();
        return Some(Edit {
            span: cidr.after(),
            replacement: format!(", except: [{}]", list.join(", ")),
        });
    }
    let column = " ".repeat(text::indentation(sources, block.span)?);
    let mut lines = vec![format!("{column}except:")];
    lines.extend(excepted.iter().map(|cidr| format!("{column}  - {cidr}")));
    Some(text::insert_lines_after(sources, cidr, &lines))
}

/// Adds a peer with this block behind a peer that has one, written in the way in which
/// that one is.
#[must_use]
pub fn add_block(sources: &SourceMap, neighbour: &NetworkPolicyPeer, cidr: IpNet) -> Option<Edit> {
    let Some(dash) = neighbour.dash else {
        return Some(Edit {
            span: neighbour.span.after(),
            replacement: format!(", {{ipBlock: {{cidr: \"{cidr}\"}}}}"),
        });
    };
    let lead = format!("{}- ", " ".repeat(text::indentation(sources, dash)?));
    let is_one_line = rewrite::first_line(sources, neighbour.span) == neighbour.span;
    let lines = if is_one_line {
        // A colon at the end of a word would be read as a key.
        vec![format!("{lead}ipBlock: {{cidr: \"{cidr}\"}}")]
    } else {
        vec![
            format!("{lead}ipBlock:"),
            format!("{}cidr: {}", " ".repeat(lead.len() + 2), quoted(cidr)),
        ]
    };
    Some(text::insert_lines_after(sources, neighbour.span, &lines))
}

/// A block as a YAML scalar: one that starts with a colon has to be quoted.
fn quoted(cidr: IpNet) -> String {
    let text = cidr.to_string();
    if text.starts_with(':') {
        format!("\"{text}\"")
    } else {
        text
    }
}
