//! Applies edits to text. Pure: reads and writes no file, and does not ask what the edits
//! are good for.

use crate::source::Edit;
use std::fmt;

/// Two edits that change the same bytes, so that their order would matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The edit that came first in the text.
    pub first: Edit,
    /// The edit that overlaps it.
    pub second: Edit,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = (self.first.span, self.second.span);
        write!(
            f,
            "two edits change the same bytes: {}..{} and {}..{}",
            first.start, first.end, second.start, second.end
        )
    }
}

impl std::error::Error for Conflict {}

/// The text with all edits applied; every byte outside them stays as it is.
///
/// The edits may come in any order and must all be of this text. Insertions at one place
/// are applied in the order in which they come; an edit that is there twice counts once.
///
/// # Errors
///
/// If two edits overlap.
///
/// # Panics
///
/// If an edit does not lie in the text, on character boundaries.
pub fn apply(text: &str, edits: &[Edit]) -> Result<String, Conflict> {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort_by_key(|edit| (edit.span.start, edit.span.end));
    sorted.dedup();
    let mut result = String::with_capacity(
        text.len()
            + sorted
                .iter()
                .map(|edit| edit.replacement.len())
                .sum::<usize>(),
    );
    let mut done = 0;
    let mut previous: Option<&Edit> = None;
    for edit in sorted {
        let range = edit.span.range();
        if let Some(first) = previous.filter(|_| range.start < done) {
            return Err(Conflict {
                first: first.clone(),
                second: edit.clone(),
            });
        }
        result.push_str(&text[done..range.start]);
        result.push_str(&edit.replacement);
        done = range.end;
        previous = Some(edit);
    }
    result.push_str(&text[done..]);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{SourceMap, Span};

    fn edited(edits: &[(u32, u32, &str)]) -> Result<String, Conflict> {
        let source = SourceMap::default().add("a.yaml", "0123456789");
        let edit = |(start, end, text): &(u32, u32, &str)| Edit {
            span: Span::new(source, *start, *end),
            replacement: (*text).to_owned(),
        };
        apply("0123456789", &edits.iter().map(edit).collect::<Vec<_>>())
    }

    #[test]
    fn bytes_outside_the_edits_stay() {
        for (edits, expected) in [
            (&[][..], "0123456789"),
            (&[(2, 3, "x")], "01x3456789"),
            (&[(8, 10, ""), (0, 0, "a")], "a01234567"),
            (&[(4, 4, "a"), (4, 4, "b")], "0123ab456789"),
            (&[(4, 4, "a"), (4, 4, "a")], "0123a456789"),
            (&[(2, 4, "x"), (4, 6, "y")], "01xy6789"),
            (&[(10, 10, "end")], "0123456789end"),
        ] {
            assert_eq!(edited(edits).as_deref(), Ok(expected), "{edits:?}");
        }
    }

    #[test]
    fn overlapping_edits_are_refused() {
        for edits in [
            [(2, 5, "x"), (4, 6, "y")],
            [(2, 5, "x"), (2, 5, "y")],
            [(0, 9, ""), (3, 3, "y")],
        ] {
            assert!(edited(&edits).is_err(), "{edits:?}");
        }
    }
}
