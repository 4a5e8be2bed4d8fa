//! The words of a suppression: which rules it names, why, and until when.
//!
//! Knows nothing of where it stands and of which rules exist.

use std::ops::Range;

/// Words by which people try to say `ignore`.
const VERBS: &[&str] = &[
    "ignore", "ignores", "allow", "allows", "disable", "skip", "suppress", "nolint", "noqa",
    "except",
];

/// A suppression's words, as ranges of the text that it was read from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directive {
    /// All of it.
    pub(super) range: Range<usize>,
    /// Whether it says `npcheck: ignore`, and not something that only looks like it.
    pub(super) is_well_formed: bool,
    /// The rules that it names.
    pub(super) rules: Vec<Range<usize>>,
    /// The day behind `until=`.
    pub(super) until: Option<Range<usize>>,
    /// Why; empty where no reason is written.
    pub(super) reason: String,
}

/// The word that every directive starts with.
const NAME: &str = "npcheck";

/// The directive in a comment, if it holds one. It may share the comment with what other
/// tools read: it starts at its own `#` and ends before the next one.
pub(super) fn in_comment(comment: &str) -> Option<Directive> {
    // Only what stands around the name is looked at, so that no comment takes long to read.
    comment.match_indices(NAME).find_map(|(name, _)| {
        let before = comment[..name].trim_end_matches([' ', '\t']);
        let start = before.trim_end_matches('#').len();
        let starts_part =
            start < before.len() && (start == 0 || is_blank(comment.as_bytes()[start - 1]));
        if !starts_part {
            return None;
        }
        // `#12` is the number of an issue and belongs to a reason.
        let ends_part = |(at, _): &(usize, &str)| {
            let is_number = comment[at + 1..].starts_with(|c: char| c.is_ascii_digit());
            is_blank(comment.as_bytes()[at - 1]) && !is_number
        };
        let text = &comment[name..];
        let mut hashes = text.match_indices('#').map(|(at, hash)| (name + at, hash));
        let end = hashes.find(ends_part).map_or(comment.len(), |(at, _)| at);
        let range = start..name + comment[name..end].trim_end().len();
        read_comment(comment, range)
    })
}

fn read_comment(comment: &str, range: Range<usize>) -> Option<Directive> {
    let words = comment[range.clone()].trim_start_matches('#').trim_start();
    let after_name = words.strip_prefix(NAME)?;
    let after_colon = after_name.trim_start().strip_prefix(':');
    let verb_on = after_colon.unwrap_or(after_name).trim_start();
    let length = verb_on
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(verb_on.len());
    let verb = &verb_on[..length];
    // Anything else is prose that happens to speak of npcheck.
    if !VERBS.contains(&verb) || (after_colon.is_none() && after_name == verb_on) {
        return None;
    }
    let is_well_formed = verb == "ignore" && after_colon.is_some();
    let start = range.end - (verb_on.len() - length);
    let mut directive = words_of(comment, start..range.end);
    directive.range = range;
    directive.is_well_formed = is_well_formed;
    Some(directive)
}

/// The directives in an annotation's value: one a line, or several on a line with `;`
/// between them, where what follows names a rule.
pub(super) fn in_annotation(value: &str) -> Vec<Directive> {
    let mut directives = Vec::new();
    let mut line_start = 0;
    for line in value.split('\n') {
        let mut start = line_start;
        for (at, _) in line.match_indices(';') {
            let at = line_start + at;
            if starts_with_rules(&value[at + 1..line_start + line.len()]) {
                directives.push(words_of(value, start..at));
                start = at + 1;
            }
        }
        directives.push(words_of(value, start..line_start + line.len()));
        line_start += line.len() + 1;
    }
    directives.retain(|directive| !directive.range.is_empty());
    directives
}

/// Whether a text starts with names of rules, which all have a hyphen, and a colon.
fn starts_with_rules(text: &str) -> bool {
    let Some((names, _)) = text.split_once([':', ';']) else {
        return false;
    };
    let is_name = |name: &str| {
        let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        name.contains('-') && name.chars().all(is_letter)
    };
    let mut words = words(names).filter(|word| !word.starts_with("until="));
    words.clone().next().is_some() && words.all(is_name)
}

/// Reads `a, b until=2027-01-31 -- reason` or `a: reason`; the day may stand in the reason
/// too.
fn words_of(text: &str, range: Range<usize>) -> Directive {
    let blank = text[range.clone()].len() - text[range.clone()].trim_start().len();
    let range = range.start + blank..range.start + text[range.clone()].trim_end().len();
    let range = range.start.min(range.end)..range.end;
    let part = &text[range.clone()];
    // Some editors make one dash of two.
    let separators = ["--", "\u{2014}", "\u{2013}", ":"];
    let separator = separators
        .iter()
        .filter_map(|separator| Some((part.find(separator)?, separator.len())))
        .min();
    let (names, reason) = match separator {
        Some((at, length)) => (&part[..at], &part[at + length..]),
        None => (part, ""),
    };
    let place = |word: &str| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        start..start + word.len()
    };
    let day = |word: &&str| word.starts_with("until=");
    let until = words(names)
        .find(day)
        .or_else(|| reason.split_whitespace().find(day))
        .map(|word| place(&word["until=".len()..]));
    let reason: Vec<&str> = reason
        .split_whitespace()
        .filter(|word| !day(word))
        .collect();
    Directive {
        rules: words(names).filter(|word| !day(word)).map(place).collect(),
        range,
        is_well_formed: true,
        until,
        reason: reason.join(" "),
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.split(|c: char| c.is_whitespace() || c == ',')
        .filter(|word| !word.is_empty())
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules, reason, day and whether it is well formed, as one text.
    fn shown(text: &str, directive: &Directive) -> String {
        let rules: Vec<&str> = directive.rules.iter().map(|r| &text[r.clone()]).collect();
        let until = directive.until.clone().map(|until| &text[until]);
        let form = if directive.is_well_formed { "" } else { "?" };
        let until = until.map(|until| format!(" until {until}"));
        format!(
            "{form}{}{}: {}",
            rules.join("+"),
            until.unwrap_or_default(),
            directive.reason
        )
    }

    #[test]
    fn comments_are_read() {
        for (comment, expected) in [
            (
                "# npcheck: ignore any-cidr -- public site",
                Some("any-cidr: public site"),
            ),
            (
                "#npcheck:ignore any-cidr--public site",
                Some("any-cidr: public site"),
            ),
            ("## npcheck: ignore a-b, c-d -- why", Some("a-b+c-d: why")),
            (
                "# npcheck: ignore a-b,c-d until=2027-01-31 -- why",
                Some("a-b+c-d until 2027-01-31: why"),
            ),
            (
                "# npcheck: ignore a-b -- why until=2027-01-31",
                Some("a-b until 2027-01-31: why"),
            ),
            ("# npcheck: ignore a-b \u{2014} why", Some("a-b: why")),
            (
                "# npcheck: ignore a-b: why -- really",
                Some("a-b: why -- really"),
            ),
            ("# npcheck: ignore a-b", Some("a-b: ")),
            ("# npcheck: ignore a-b --", Some("a-b: ")),
            ("# npcheck: ignore", Some(": ")),
            ("# npcheck: ignore -- why", Some(": why")),
            (
                "# npcheck: ignore a-b -- see issue #12  # yamllint disable-line",
                Some("a-b: see issue #12"),
            ),
            ("# noqa # npcheck: ignore a-b -- why", Some("a-b: why")),
            ("# npcheck: allow a-b -- why", Some("?a-b: why")),
            ("# npcheck ignore a-b -- why", Some("?a-b: why")),
            ("# npcheck: this file is generated", None),
            ("# npcheckignore a-b", None),
            ("# npcheck allowed it", None),
            ("# see npcheck: ignore a-b -- why", None),
            ("#", None),
            ("##", None),
        ] {
            let found = in_comment(comment).map(|directive| shown(comment, &directive));
            assert_eq!(found.as_deref(), expected, "{comment}");
        }
    }

    #[test]
    fn a_directive_ends_where_another_comment_begins() {
        let comment = "# a # npcheck: ignore a-b -- why  # b";
        let directive = in_comment(comment).expect("it holds one");
        assert_eq!(&comment[directive.range], "# npcheck: ignore a-b -- why");
    }

    #[test]
    fn annotations_are_read() {
        for (value, expected) in [
            ("any-cidr: public site", &["any-cidr: public site"][..]),
            ("any-cidr -- public site", &["any-cidr: public site"]),
            ("a-b: one; c-d, e-f: two", &["a-b: one", "c-d+e-f: two"]),
            (
                "a-b: one; or two; note: three",
                &["a-b: one; or two; note: three"],
            ),
            (
                "a-b: one\nc-d until=2027-01-31: two\n",
                &["a-b: one", "c-d until 2027-01-31: two"],
            ),
            ("a-b", &["a-b: "]),
            ("", &[]),
            (" \n ", &[]),
        ] {
            let found = in_annotation(value);
            let found: Vec<String> = found.iter().map(|found| shown(value, found)).collect();
            assert_eq!(found, expected, "{value:?}");
        }
    }
}
