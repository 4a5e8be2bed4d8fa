//! Numbers and lists as findings put them into words.
//!
//! Refuses to know what they are about.

use crate::k8s::{LabelSelector, NAMESPACE_NAME_LABEL};
use std::fmt;

/// Names as they come, of which the first ones are told and the others counted: nobody reads
/// hundreds of them.
#[derive(Clone, Debug, Default)]
pub struct NameList {
    told: Vec<String>,
    /// The last one that was counted.
    last: String,
    more: usize,
}

impl NameList {
    const TOLD: usize = 20;

    /// Adds a name, unless it is the one that came last.
    pub fn add(&mut self, name: &str) {
        let last = match self.more {
            0 => self.told.last(),
            _ => Some(&self.last),
        };
        if last.is_some_and(|last| last == name) {
            return;
        }
        if self.told.len() < Self::TOLD {
            self.told.push(name.to_owned());
            return;
        }
        self.more += 1;
        self.last.clear();
        self.last.push_str(name);
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
}

impl fmt::Display for NameList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told.join(", "))?;
        match self.more {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The first few names in backticks, and how many more there are.
#[must_use]
pub fn names<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `1 rule`, `2 rules`: a number and a noun that takes an `s`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// Whether a name holds a word as a whole: `from-web-to-db` holds `web` and `web-to`, not `we`.
#[must_use]
pub fn names_word(name: &str, word: &str) -> bool {
    let is_end = |rest: &str| rest.is_empty() || rest.starts_with(|c: char| !c.is_alphanumeric());
    let is_start = |rest: &str| rest.is_empty() || rest.ends_with(|c: char| !c.is_alphanumeric());
    !word.is_empty()
        && name
            .match_indices(word)
            .any(|(at, _)| is_start(&name[..at]) && is_end(&name[at + word.len()..]))
}

/// The pods of the namespaces that a selector matches: `every pod of every namespace`.
#[must_use]
pub fn pods_of_namespaces(namespaces: &LabelSelector) -> String {
    let [label] = namespaces.match_labels.as_slice() else {
        return match namespaces.is_empty() {
            true => "every pod of every namespace".to_owned(),
            false => format!("every pod of the namespaces with `{namespaces}`"),
        };
    };
    match namespaces.match_expressions.is_empty() && label.key.value == NAMESPACE_NAME_LABEL {
        true => format!("every pod of namespace `{}`", label.value),
        false => format!("every pod of the namespaces with `{namespaces}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_names_are_counted() {
        let mut names = NameList::default();
        assert!(names.is_empty());
        for number in [1, 1, 2, 1] {
            names.add(&format!("x{number}"));
        }
        assert_eq!(names.to_string(), "x1, x2, x1");
        for number in (10..30).chain([29, 30, 30]) {
            names.add(&format!("x{number}"));
        }
        let text = names.to_string();
        assert!(text.ends_with(", x25, x26 and 4 more"), "{text}");
    }

    #[test]
    fn long_lists_are_cut_and_nouns_agree() {
        assert_eq!(names(&["a", "b"]), "`a`, `b`");
        assert_eq!(
            names(&["a", "b", "c", "d", "e", "f", "g"]),
            "`a`, `b`, `c`, `d`, `e` and 2 more"
        );
        assert_eq!(count(1, "rule"), "1 rule");
        assert_eq!(count(0, "rule"), "0 rules");
        assert!(names_word("from-web-to-db", "web") && names_word("from-web-to-db", "db"));
        assert!(!names_word("from-web-to-db", "we") && !names_word("a", ""));
    }
}
