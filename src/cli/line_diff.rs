//! What a text was and what it became, as a unified diff that `patch` and `git apply` take.
//!
//! Refuses to know why the text changed, and how it is escaped.

use similar::udiff::UnifiedHunkHeader;
use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};
use std::collections::HashSet;
use std::fmt::Write;

/// How many lines that stay are shown around a change.
const CONTEXT: usize = 3;

/// The diff of a text that has this name; empty where nothing changes.
pub(super) fn unified_diff(name: &str, before: &str, after: &str) -> String {
    let [old, new] = [before, after].map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
    let mut text = String::new();
    for (at, group) in group_diff_ops(operations(&old, &new), CONTEXT)
        .iter()
        .enumerate()
    {
        if at == 0 {
            write_line(&mut text, "--- ", name);
            write_line(&mut text, "+++ ", name);
        }
        write_line(&mut text, "", &UnifiedHunkHeader::new(group).to_string());
        for operation in group {
            let sign = match operation.tag() {
                DiffTag::Equal => " ",
                DiffTag::Delete | DiffTag::Insert | DiffTag::Replace => "-",
            };
            for line in &old[operation.old_range()] {
                write_line(&mut text, sign, line);
            }
            if operation.tag() != DiffTag::Equal {
                for line in &new[operation.new_range()] {
                    write_line(&mut text, "+", line);
                }
            }
        }
    }
    text
}

fn write_line(text: &mut String, sign: &str, line: &str) {
    let (line, end) = match line.strip_suffix('\n') {
        Some(line) => (line, "\n"),
        // Only the last line of a text has no end, and never a header.
        None if sign.is_empty() || sign.len() > 1 => (line, "\n"),
        None => (line, "\n\\ No newline at end of file\n"),
    };
    write!(text, "{sign}{line}{end}").expect("a string takes all");
}

/// What stays and what changes. A line that only one of the texts has cannot stay, so that it is
/// left out of the search: thousands of changed lines make that long.
fn operations(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let common = |lines: &[&str], others: &[&str]| {
        let others: HashSet<&str> = others.iter().copied().collect();
        let places = (0..lines.len()).filter(|place| others.contains(lines[*place]));
        places.collect::<Vec<usize>>()
    };
    let (old_places, new_places) = (common(old, new), common(new, old));
    let lines = |places: &[usize], of: &[&str]| {
        let hashed = places.iter().map(|place| of[*place].to_owned());
        hashed.collect::<Vec<String>>()
    };
    let kept = capture_diff_slices(
        Algorithm::Myers,
        &lines(&old_places, old),
        &lines(&new_places, new),
    );
    let mut operations = Vec::new();
    let (mut old_at, mut new_at) = (0, 0);
    let ends = std::iter::once((old.len(), new.len()));
    let equal = kept.iter().filter(|it| it.tag() == DiffTag::Equal);
    let pairs = equal.flat_map(|it| it.old_range().zip(it.new_range()));
    let pairs = pairs.map(|(one, other)| (old_places[one], new_places[other]));
    for (old_index, new_index) in pairs.chain(ends) {
        push_change(&mut operations, (old_at, old_index), (new_at, new_index));
        if old_index < old.len() {
            match operations.last_mut() {
                Some(DiffOp::Equal { len, .. }) => *len += 1,
                _ => operations.push(DiffOp::Equal {
                    old_index,
                    new_index,
                    len: 1,
                }),
            }
        }
        (old_at, new_at) = (old_index + 1, new_index + 1);
    }
    operations
}

fn push_change(
    operations: &mut Vec<DiffOp>,
    (old_index, old_end): (usize, usize),
    (new_index, new_end): (usize, usize),
) {
    let (old_len, new_len) = (old_end - old_index, new_end - new_index);
    operations.extend(match (old_len, new_len) {
        (0, 0) => None,
        (_, 0) => Some(DiffOp::Delete {
            old_index,
            old_len,
            new_index,
        }),
        (0, _) => Some(DiffOp::Insert {
            old_index,
            new_index,
            new_len,
        }),
        _ => Some(DiffOp::Replace {
            old_index,
            old_len,
            new_index,
            new_len,
        }),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use similar::TextDiff;

    #[test]
    fn it_is_what_a_search_over_all_lines_says() {
        let cases = [
            ("a\nb\nc\n", "a\nx\nc\n"),
            ("a\nb\nc", "a\nb\nd"),
            ("a\nb\nc", "a\nb\nc\n"),
            ("", "a\n"),
            ("a\n", ""),
            ("a\nb\n", "a\nb\n"),
            ("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "0\n1\n2\n3\n4\n5\n6\n7\n8\n"),
            ("a: 1\n- x\n- x\nb: 2\n", "a: 1\n- x\n- y\n- x\nb: 3\n"),
            (
                "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n",
                "x\n2\n3\n4\n5\n6\n7\n8\n9\ny\n",
            ),
        ];
        for (before, after) in cases {
            let expected = TextDiff::from_lines(before, after)
                .unified_diff()
                .header("a.yaml", "a.yaml")
                .to_string();
            assert_eq!(unified_diff("a.yaml", before, after), expected);
        }
    }

    /// Every line changes into one that is there once for each: a search over all of them takes
    /// half a minute in a debug build.
    #[test]
    fn thousands_of_changed_lines_are_shown_at_once() {
        let [before, after] = ["old\n", "new\n"].map(|line| line.repeat(20_000));
        let diff = unified_diff("a.yaml", &before, &after);
        assert_eq!(diff.lines().count(), 40_003);
    }
}
