//! Where a finding is, as formats for machines say it: a file and a region of one line.
//!
//! Refuses to know any format.

use crate::diagnostic::Diagnostic;
use crate::source::{Position, SourceMap, Span};
use std::collections::HashMap;

/// Where files are as seen from the root of their repository, which code scanning wants
/// whatever the directory that npcheck runs in.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RepositoryRoot {
    /// Its path, with `/` between the parts; empty where there is no repository.
    root: String,
    /// The directory that npcheck runs in, relative to the root.
    here: String,
}

impl RepositoryRoot {
    /// The root at a path, from which the current directory is `here`; both with `/` between
    /// their parts, and an empty path where there is no repository.
    #[must_use]
    pub fn new(root: impl Into<String>, here: impl Into<String>) -> Self {
        Self {
            root: root.into(),
            here: here.into(),
        }
    }

    /// The name of a file relative to the root; unchanged where it is elsewhere, or no file.
    #[must_use]
    pub fn name(&self, file: &str) -> String {
        let is_absolute = file.starts_with('/') || file.as_bytes().get(1) == Some(&b':');
        if self.root.is_empty() || file.starts_with('<') {
            return file.to_owned();
        }
        let root: Vec<&str> = parts(&self.root).collect();
        let mut found: Vec<&str> = match is_absolute {
            true => Vec::new(),
            false => root.iter().copied().chain(parts(&self.here)).collect(),
        };
        for part in parts(file) {
            match part {
                ".." => {
                    found.pop();
                }
                part => found.push(part),
            }
        }
        match found.strip_prefix(&root[..]) {
            Some(below) => below.join("/"),
            None => file.to_owned(),
        }
    }
}

/// The parts of a path that say something.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !matches!(*part, "" | "."))
}

/// A region of a file. Spans of several lines end with their first one, as tools that show
/// findings beside the text want it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The file's name, not escaped.
    pub(super) file: &'a str,
    /// The first character.
    pub(super) start: Position,
    /// The one behind the last; on the same line.
    pub(super) end: Position,
}

impl<'a> Place<'a> {
    /// The place of a span.
    pub(super) fn new(sources: &'a SourceMap, span: Span) -> Self {
        let source = sources.get(span.source);
        let start = source.position(span.start);
        let line = source.line_range(start.line);
        let end = span
            .end
            .clamp(span.start, (line.end as u32).max(span.start));
        Self {
            file: source.name(),
            start,
            end: source.position(end),
        }
    }
}

/// A name for a finding that stays when lines move: of the rule, the object, the place in
/// the object, the line's own text, and, among equal ones, the number.
#[derive(Debug, Default)]
pub struct Fingerprints(HashMap<u64, u64>);

impl Fingerprints {
    /// None handed out yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The fingerprint of the next finding: 16 hexadecimal digits, each handed out once.
    pub fn next(&mut self, sources: &SourceMap, finding: &Diagnostic) -> String {
        let span = finding.primary.span;
        let source = sources.get(span.source);
        let line = source.line_range(source.position(span.start).line);
        // A line can be a whole file of JSON; the beginning tells enough.
        let text: String = source.text()[line].trim().chars().take(200).collect();
        // An object keeps its fingerprint when its file moves; text without one does not.
        let owner = if finding.object.is_empty() {
            source.name()
        } else {
            &finding.object
        };
        let parts = [finding.rule, owner, &without_numbers(&finding.path), &text];
        let hash = hash(&parts.join("\0"));
        let count = self.0.entry(hash).or_default();
        *count += 1;
        format!("{:016x}", hash.wrapping_add(*count - 1))
    }
}

/// A path without the positions of list items, which move when a list grows.
fn without_numbers(path: &str) -> String {
    path.chars()
        .filter(|character| !character.is_ascii_digit())
        .collect()
}

/// FNV-1a of 64 bits: the same on every machine and in every version.
fn hash(text: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325;
    text.bytes().fold(start, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A file's name as a relative reference of RFC 3986, or as an address of a file where it
/// is absolute.
pub(super) fn uri(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let encoded: String = name
        .bytes()
        .map(|byte| {
            if is_plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    let is_drive = name.as_bytes().get(1) == Some(&b':');
    match name {
        _ if name.starts_with('/') => format!("file://{encoded}"),
        _ if is_drive => format!("file:///{}", encoded.replacen("%3A", ":", 1)),
        _ => encoded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Severity;

    #[test]
    fn a_place_is_a_region_of_one_line() {
        let mut sources = SourceMap::default();
        let source = sources.add("a.yaml", "aä: b\r\nccc\n");
        let region = |start, end| {
            let place = Place::new(&sources, Span::new(source, start, end));
            let position = |position: Position| (position.line, position.column);
            (position(place.start), position(place.end))
        };
        assert_eq!(region(1, 3), ((1, 2), (1, 3)));
        assert_eq!(region(1, 10), ((1, 2), (1, 6)));
        assert_eq!(region(8, 8), ((2, 1), (2, 1)));
        assert_eq!(region(12, 12), ((3, 1), (3, 1)));
    }

    #[test]
    fn a_fingerprint_survives_lines_that_move_and_tells_equal_findings_apart() {
        let mut sources = SourceMap::default();
        let before = sources.add("a.yaml", "x: 1\ny: 2\ny: 2\n");
        let after = sources.add("b.yaml", "new: 0\nx: 1\n");
        let finding = |source, start, path: &str| {
            Diagnostic::new(
                "rule",
                Severity::Error,
                Span::new(source, start, start + 1),
                "m",
            )
            .about("shop/NetworkPolicy/p", path)
        };
        let of = |findings: &[Diagnostic]| -> Vec<String> {
            let mut fingerprints = Fingerprints::new();
            findings
                .iter()
                .map(|finding| fingerprints.next(&sources, finding))
                .collect()
        };
        let first = of(&[finding(before, 0, "spec.ingress[0]")]);
        assert_eq!(first, of(&[finding(after, 7, "spec.ingress[1]")]));
        let equal = of(&[finding(before, 5, ""), finding(before, 10, "")]);
        assert_ne!(equal[0], equal[1]);
        assert_eq!(first[0].len(), 16);
    }

    #[test]
    fn names_are_seen_from_the_root() {
        let root = RepositoryRoot::new("/home/me/repo", "clusters/dev");
        for (name, expected) in [
            ("a.yaml", "clusters/dev/a.yaml"),
            ("./k8s/a.yaml", "clusters/dev/k8s/a.yaml"),
            ("../base/a.yaml", "clusters/base/a.yaml"),
            ("../../../a.yaml", "../../../a.yaml"),
            ("../../../repo/a.yaml", "a.yaml"),
            ("/home/me/repo/k8s/a.yaml", "k8s/a.yaml"),
            ("/home/me/repository/a.yaml", "/home/me/repository/a.yaml"),
            ("/srv/a.yaml", "/srv/a.yaml"),
            ("<stdin>", "<stdin>"),
        ] {
            assert_eq!(root.name(name), expected);
        }
        let root = RepositoryRoot::new("/home/me/repo", "");
        assert_eq!(root.name("./a.yaml"), "a.yaml");
        let root = RepositoryRoot::new("C:/repo", "");
        assert_eq!(root.name("C:/repo/a.yaml"), "a.yaml");
        assert_eq!(RepositoryRoot::default().name("./a.yaml"), "./a.yaml");
    }

    #[test]
    fn names_become_addresses() {
        assert_eq!(uri("k8s/a b#1.yaml"), "k8s/a%20b%231.yaml");
        assert_eq!(uri("/tmp/ä.yaml"), "file:///tmp/%C3%A4.yaml");
        assert_eq!(uri("C:/a.yaml"), "file:///C:/a.yaml");
        assert_eq!(uri("<stdin>"), "%3Cstdin%3E");
    }
}
