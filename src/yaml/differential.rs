//! Holds the readers of YAML against each other, on the fixtures and on what mutations make
//! of them: the fast scanner against the reader with the whole grammar, and that one
//! against granit, a parser that shares no code with either.
#![expect(clippy::disallowed_methods, reason = "this test reads the fixtures")]

use super::agreement::disagreement;
use super::tree::{NodeData, Style, Tree};
use super::{block, general};
use crate::source::{SourceId, SourceMap};
use granit_parser::{Event, Parser, ScalarStyle};
use std::fs;
use std::path::{Path, PathBuf};

/// Texts that no fixture has: a fuzzer found that the readers read two of them in two ways.
const FOUND: &[&str] = &[
    "a: |-\n  text\u{2000}",
    "a: >\n  text \u{3000}\n",
    "a: \"x\\\r\n  y\"\r\n",
    "a: \"x\\\n  y\"\n",
];

/// How many mutations are made of each text.
const MUTATIONS: u64 = 4;

#[test]
fn the_fast_scanner_reads_as_the_whole_grammar_does() {
    let mut understood = 0;
    for text in texts() {
        let source = source(&text);
        understood += usize::from(block::read(source, &text, 0..text.len()).is_some());
        assert_eq!(disagreement(&text), None, "{text:?}");
    }
    assert!(understood > 2_000, "only {understood} texts are plain");
}

/// YAML 1.1 as go-yaml reads it and YAML 1.2 differ in what they refuse, and in where a line
/// ends; what both read as one document has one meaning.
#[test]
fn the_whole_grammar_reads_as_another_parser_does() {
    let mut compared = 0;
    for text in texts() {
        // U+0085, U+2028 and U+2029 end lines in YAML 1.1 only, and `?` ends words in
        // brackets; `{a:}` has the key `a:` there. A byte order mark is cut off before.
        let is_odd =
            |sign: char| matches!(sign, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '?');
        if text.contains(is_odd) || [":}", ":]", ":,"].iter().any(|sign| text.contains(sign)) {
            continue;
        }
        let source = source(&text);
        let (Ok(tree), Some(other)) = (
            general::read(source, &text, 0..text.len()),
            granit_texts(&text),
        ) else {
            continue;
        };
        if tree.end().is_some() {
            continue;
        }
        compared += 1;
        assert_eq!(scalars(&tree), other, "{text:?}");
    }
    assert!(compared > 2_000, "only {compared} texts are read by both");
}

fn source(text: &str) -> SourceId {
    SourceMap::default().add("test.yaml", text)
}

/// The fixtures, document by document, and their mutations: the same ones in every run.
pub(crate) fn texts() -> Vec<String> {
    let mut paths = Vec::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    collect(&fixtures, &mut paths);
    paths.sort();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut texts: Vec<String> = FOUND.iter().map(|text| (*text).to_owned()).collect();
    for path in paths {
        let text = fs::read_to_string(&path).expect("fixtures are text");
        for document in text.split("\n---\n") {
            texts.push(document.to_owned());
            for _ in 0..MUTATIONS {
                texts.push(mutated(document, &mut random));
            }
        }
    }
    texts
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the fixtures are there") {
        let path = entry.expect("they are readable").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            paths.push(path);
        }
    }
}

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// What YAML is made of.
const SIGNS: &[&str] = &[
    ": ", ":", "- ", "-", "#", " #", "'", "\"", "|\n", ">-\n", "|+\n", "&a ", "*a", "!!str ", "? ",
    "{", "}", "[", "]", ",", "\t", "\n", "\n\n", "\n  ", " ", "  ", "    ", "\\", "\r\n", "\r",
    "...", "---", "%", "@", "~", "\u{85}", "\u{2028}", "\u{feff}", "\u{a0}", "é", "\"a\\n\"", "''",
];

/// A text with one or two signs put in, or a few characters taken out.
fn mutated(text: &str, random: &mut Random) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(2) {
        let at = random.below(characters.len() + 1);
        if random.below(4) == 0 {
            let end = (at + 1 + random.below(4)).min(characters.len());
            characters.drain(at..end);
        } else {
            let sign = SIGNS[random.below(SIGNS.len())];
            characters.splice(at..at, sign.chars());
        }
    }
    characters.into_iter().collect()
}

/// The texts of all scalars, in order; an alias is one as well.
fn scalars(tree: &Tree<'_>) -> Vec<String> {
    let text = |(index, data): (usize, &NodeData)| match data.style {
        Style::Alias => Some("*".to_owned()),
        Style::BlockMapping | Style::FlowMapping | Style::BlockSequence | Style::FlowSequence => {
            None
        }
        Style::Plain if tree.text_of(index as u32) == "~" => Some(String::new()),
        _ => Some(tree.text_of(index as u32).to_owned()),
    };
    tree.nodes.iter().enumerate().filter_map(text).collect()
}

/// The same as granit sees it; `None` if it refuses the text.
fn granit_texts(text: &str) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    let mut has_tag = false;
    for event in Parser::new_from_str(text) {
        match event.ok()?.0 {
            Event::Alias(..) => texts.push("*".to_owned()),
            Event::Scalar(value, style, _, tag) => {
                has_tag |= tag.is_some();
                // granit writes a null that is not written as `~`.
                let is_null = style == ScalarStyle::Plain && value == "~";
                texts.push(if is_null {
                    String::new()
                } else {
                    value.into_owned()
                });
            }
            _ => {}
        }
    }
    // `!!binary` is decoded in a tree.
    (!has_tag).then_some(texts)
}
