//! What opens and closes, a line each: the first ones, and how many more there are.
//!
//! Refuses to know what is told.

/// How many lines are shown before the rest is counted.
const MAX_LINES: usize = 10;

/// The first lines of what opens and then of what closes; what `rest` says of the number of all
/// others is the last one.
pub(super) fn first_lines(
    opened: impl Iterator<Item = String>,
    closed: impl Iterator<Item = String>,
    rest: impl FnOnce(usize) -> String,
) -> Vec<String> {
    let opened = opened.map(|line| format!("opened: {line}"));
    let closed = closed.map(|line| format!("closed: {line}"));
    let mut lines: Vec<String> = opened.chain(closed).collect();
    let more = lines.len().saturating_sub(MAX_LINES);
    // One more line instead of the last one would tell less.
    if more > 1 {
        lines.truncate(MAX_LINES);
        lines.push(rest(more));
    }
    lines
}
