//! What a text was and what it became, as a unified diff that `patch` and `git apply` take.
//!
//! Refuses to know why the text changed, and how it is escaped.

use similar::udiff::UnifiedHunkHeader;
use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};
use std::collections::HashMap;
use std::fmt::Write;

/// How many lines that stay are shown around a change.
const CONTEXT: usize = 3;

/// The diff of a text that has this name; empty where nothing changes.
pub(super) fn unified_diff(name: &str, before: &str, after: &str) -> String {
    let mut text = String::new();
    if before == after {
        return text;
    }
    // Of a dump of a whole cluster most stays as it is, at both ends.
    let range = Range::of_changes(before, after);
    let skipped = memchr::memchr_iter(b'\n', &before.as_bytes()[..range.start]).count();
    let changing = [
        &before[range.start..before.len() - range.behind],
        &after[range.start..after.len() - range.behind],
    ];
    let [old, new] = changing.map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
    write_line(&mut text, "--- ", name);
    write_line(&mut text, "+++ ", name);
    for group in group_diff_ops(operations(&old, &new), CONTEXT) {
        let in_text: Vec<DiffOp> = group.iter().map(|it| moved(it, skipped)).collect();
        write_line(&mut text, "", &UnifiedHunkHeader::new(&in_text).to_string());
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

/// Where two texts differ: whole lines, with those that are shown around a change.
struct Range {
    /// How many bytes stand before it, the same in both.
    start: usize,
    /// How many bytes stand behind it, the same in both.
    behind: usize,
}

impl Range {
    fn of_changes(before: &str, after: &str) -> Self {
        let (before, after) = (before.as_bytes(), after.as_bytes());
        let line_of = |end: usize| {
            let newline = memchr::memrchr(b'\n', &before[..end]);
            newline.map_or(0, |newline| newline + 1)
        };
        let first = line_of(common_start(before, after));
        let start = (0..CONTEXT).fold(first, |start, _| line_of(start.saturating_sub(1)));
        // What could be of either end is of the start.
        let behind = before[first..]
            .iter()
            .rev()
            .zip(after[first..].iter().rev());
        let mut end = before.len() - behind.take_while(|(one, other)| one == other).count();
        // The first line that ends here may have changed.
        for _ in 0..=CONTEXT {
            let rest = memchr::memchr(b'\n', &before[end..]);
            end = rest.map_or(before.len(), |newline| end + newline + 1);
        }
        Self {
            start,
            behind: before.len() - end,
        }
    }
}

/// How many bytes two texts begin with alike.
fn common_start(one: &[u8], other: &[u8]) -> usize {
    const BLOCK: usize = 4096;
    let blocks = one.chunks_exact(BLOCK).zip(other.chunks_exact(BLOCK));
    let start = BLOCK * blocks.take_while(|(one, other)| one == other).count();
    let rest = one[start..].iter().zip(&other[start..]);
    start + rest.take_while(|(one, other)| one == other).count()
}

/// The same further down.
fn moved(operation: &DiffOp, lines: usize) -> DiffOp {
    let mut moved = *operation;
    match &mut moved {
        DiffOp::Equal {
            old_index,
            new_index,
            ..
        }
        | DiffOp::Delete {
            old_index,
            new_index,
            ..
        }
        | DiffOp::Insert {
            old_index,
            new_index,
            ..
        }
        | DiffOp::Replace {
            old_index,
            new_index,
            ..
        } => {
            *old_index += lines;
            *new_index += lines;
        }
    }
    moved
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
fn operations<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<DiffOp> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let [old_numbers, new_numbers] = [old, new].map(|lines| {
        let number = |line: &&'t str| {
            let next = numbers.len();
            *numbers.entry(line).or_insert(next)
        };
        lines.iter().map(number).collect::<Vec<usize>>()
    });
    let common = |lines: &[usize], others: &[usize]| {
        let mut is_there = vec![false; numbers.len()];
        for line in others {
            is_there[*line] = true;
        }
        let places = (0..lines.len()).filter(|place| is_there[lines[*place]]);
        places.collect::<Vec<usize>>()
    };
    let (old_places, new_places) = (
        common(&old_numbers, &new_numbers),
        common(&new_numbers, &old_numbers),
    );
    let lines = |places: &[usize], of: &[usize]| {
        let lines = places.iter().map(|place| of[*place]);
        lines.collect::<Vec<usize>>()
    };
    let kept = capture_diff_slices(
        Algorithm::Myers,
        &lines(&old_places, &old_numbers),
        &lines(&new_places, &new_numbers),
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
            ("1\na\nb\na\nb\n2\n", "1\na\nb\n2\n"),
            ("a\na\na\na\na\na\n", "a\na\n"),
            ("a: 1\n- x\n- x\nb: 2\n", "a: 1\n- x\n- y\n- x\nb: 3\n"),
            (
                "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n",
                "x\n2\n3\n4\n5\n6\n7\n8\n9\ny\n",
            ),
        ];
        for (before, after) in cases {
            for (before, after) in around(before, after) {
                let expected = TextDiff::from_lines(&before, &after)
                    .unified_diff()
                    .header("a.yaml", "a.yaml")
                    .to_string();
                assert_eq!(unified_diff("a.yaml", &before, &after), expected);
            }
        }
    }

    /// Two texts as they are, and with lines before and behind that stay.
    fn around(before: &str, after: &str) -> Vec<(String, String)> {
        let lines = |count: usize, word: &str| -> String {
            let lines = (0..count).map(|number| format!("{word} {number}\n"));
            lines.collect()
        };
        let counts = (0..6).flat_map(|above| (0..6).map(move |below| (above, below)));
        let text = |text: &str, (above, below): (usize, usize)| {
            let newline = if text.is_empty() || text.ends_with('\n') || below == 0 {
                ""
            } else {
                "\n"
            };
            lines(above, "above") + text + newline + &lines(below, "below")
        };
        counts
            .map(|it| (text(before, it), text(after, it)))
            .collect()
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
