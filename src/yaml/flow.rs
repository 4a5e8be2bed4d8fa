//! Flow collections within block style: `{a: b}` and `[a, b]`, on one line or several.
//!
//! Refuses comments, explicit keys, pairs in lists and scalars of several lines: they
//! are rare between brackets, and for a parser of all of YAML.

use super::block::{MAX_KEY, Scanner, may_start_plain};
use super::builder::Properties;
use super::quoted;
use super::tree::Style;

/// A collection that is not closed yet.
#[derive(Clone, Copy)]
struct Open {
    is_mapping: bool,
    /// Whether an item or a value has come since the last comma.
    has_part: bool,
}

/// Reads the collection that starts at `start`; the scanner stands behind it then.
pub(crate) fn collection(scanner: &mut Scanner<'_>, start: usize, dash: Option<u32>) -> Option<()> {
    let mut open: Vec<Open> = Vec::new();
    scanner.at = start;
    begin(scanner, &mut open, dash)?;
    while let Some(top) = open.last().copied() {
        skip_blank(scanner)?;
        let byte = scanner.byte(scanner.at)?;
        match byte {
            b'}' | b']' => {
                if (byte == b'}') != top.is_mapping {
                    return None;
                }
                scanner.at += 1;
                open.pop();
                scanner.builder.close(Some(scanner.at as u32)).ok()?;
                continue;
            }
            b',' if top.has_part => {
                scanner.at += 1;
                open.last_mut()?.has_part = false;
                continue;
            }
            _ if top.has_part => return None,
            _ => open.last_mut()?.has_part = true,
        }
        if top.is_mapping && !key(scanner)? {
            continue;
        }
        value(scanner, &mut open)?;
    }
    Some(())
}

/// Opens the collection at the place.
fn begin(scanner: &mut Scanner<'_>, open: &mut Vec<Open>, dash: Option<u32>) -> Option<()> {
    let is_mapping = scanner.byte(scanner.at) == Some(b'{');
    let style = if is_mapping {
        Style::FlowMapping
    } else {
        Style::FlowSequence
    };
    scanner
        .builder
        .open(style, scanner.at as u32, Properties::plain(dash))
        .ok()?;
    open.push(Open {
        is_mapping,
        has_part: false,
    });
    scanner.at += 1;
    Some(())
}

/// Reads a key and its colon; returns whether a value follows, else it was null.
fn key(scanner: &mut Scanner<'_>) -> Option<bool> {
    let is_plain = !matches!(scanner.byte(scanner.at)?, b'"' | b'\'');
    let start = scanner.at;
    scalar(scanner)?;
    skip_blank(scanner)?;
    let key = &scanner.bytes[start..scanner.at];
    let is_one_line = key.len() <= MAX_KEY && !key.contains(&b'\n');
    match scanner.byte(scanner.at)? {
        b':' if is_one_line => scanner.at += 1,
        _ => return None,
    }
    // Only behind a quoted key may a value follow at once.
    if is_plain && !scanner.is_blank(scanner.at) {
        return None;
    }
    let behind_colon = scanner.at as u32;
    skip_blank(scanner)?;
    if matches!(scanner.byte(scanner.at)?, b',' | b'}') {
        let properties = Properties::plain(None);
        let at = (behind_colon, behind_colon);
        scanner
            .builder
            .scalar(Style::Plain, at, None, properties)
            .ok()?;
        return Some(false);
    }
    Some(true)
}

/// Reads an item or the value of a key, or opens it.
fn value(scanner: &mut Scanner<'_>, open: &mut Vec<Open>) -> Option<()> {
    if matches!(scanner.byte(scanner.at)?, b'{' | b'[') {
        return begin(scanner, open, None);
    }
    scalar(scanner)?;
    // `[a: b]` is a list of mappings.
    skip_blank(scanner)?;
    (scanner.byte(scanner.at)? != b':').then_some(())
}

fn scalar(scanner: &mut Scanner<'_>) -> Option<()> {
    let start = scanner.at;
    let first = scanner.byte(start)?;
    if matches!(first, b'"' | b'\'') {
        let scalar = quoted::read(scanner.bytes, start)?;
        scanner.at = scalar.end;
        return scalar.push(&mut scanner.builder, scanner.text, None);
    }
    if !may_start_plain(first, scanner.byte(start + 1)) || matches!(first, b'?' | b':') {
        return None;
    }
    let mut end = start;
    while !ends_plain(scanner, end) {
        end += 1;
    }
    if let Some(b'#' | b'?') = scanner.byte(end) {
        return None;
    }
    while matches!(scanner.bytes[end - 1], b' ' | b'\t' | b'\r') {
        end -= 1;
    }
    scanner.at = end;
    let span = (start as u32, end as u32);
    scanner
        .builder
        .scalar(Style::Plain, span, None, Properties::plain(None))
        .ok()
}

/// Whether a plain scalar ends before the byte at a place.
fn ends_plain(scanner: &Scanner<'_>, at: usize) -> bool {
    match scanner.byte(at) {
        None | Some(b',' | b'?' | b'[' | b']' | b'{' | b'}' | b'\n') => true,
        // `{a:}` has the key `a:`.
        Some(b':') => scanner.is_blank(at + 1),
        Some(b'#') => matches!(scanner.bytes[at - 1], b' ' | b'\t'),
        Some(_) => false,
    }
}

/// Passes over white space; a comment is not understood.
fn skip_blank(scanner: &mut Scanner<'_>) -> Option<()> {
    loop {
        match scanner.byte(scanner.at) {
            Some(b' ' | b'\t' | b'\r') => scanner.at += 1,
            Some(b'\n') => {
                scanner.at += 1;
                if scanner.is_marker(scanner.at) {
                    return None;
                }
            }
            Some(b'#') | None => return None,
            Some(_) => return Some(()),
        }
    }
}
