//! A page to explore, in one file: the data as JSON that no browser runs, and a script and a
//! style of npcheck's own, whose hashes the content security policy names.
//!
//! Refuses to put a name into markup: the script makes text of it.

use super::escape::is_harmless;
use crate::engine::ConnectionSet;
use crate::source::{SourceMap, Span};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::io::{self, Write};

/// The version of the data in the page.
const VERSION: u32 = 1;

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The hashes of the two texts above, as a content security policy writes them; a test holds
/// them.
const STYLE_HASH: &str = "sha256-SsI4BK1vgSfF83KWa2w/664WnGmKLsENXRsHK8hMi+o=";
const SCRIPT_HASH: &str = "sha256-W6dtXM8lzUP0TTU698PCeE3al0ZywzKQufVL/YzPB68=";

/// What a page shows.
pub(super) struct Page {
    /// Its title, which is npcheck's own.
    pub(super) title: &'static str,
    /// What is said of all clusters, one line each.
    pub(super) notes: Vec<String>,
    /// The data of each cluster, as the script reads it.
    pub(super) clusters: Vec<Value>,
}

impl Page {
    /// Writes the page.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let title = self.title;
        let data = json!({
            "version": VERSION,
            "tool": format!("npcheck {}", env!("CARGO_PKG_VERSION")),
            "title": title,
            "notes": self.notes,
            "clusters": self.clusters,
        });
        writeln!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src '{STYLE_HASH}'; script-src '{SCRIPT_HASH}'; base-uri 'none'; \
             form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <noscript>This page draws its data with a script of its own; no other is run.</noscript>\n\
             <script type=\"application/json\" id=\"data\">{}</script>\n\
             <script>{SCRIPT}</script>\n</body>\n</html>",
            Embedded(&data)
        )
    }
}

/// JSON in the body of a `script`, on one line: nothing in it ends the element, and no
/// character does anything but stand there.
struct Embedded<'a>(&'a Value);

impl fmt::Display for Embedded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.to_string().chars() {
            match character {
                '<' | '>' | '&' => write!(f, "\\u{:04x}", u32::from(character))?,
                character if is_harmless(character) => f.write_char(character)?,
                character => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(f, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The names of files, each once.
#[derive(Default)]
pub(super) struct Files {
    names: Vec<String>,
}

impl Files {
    /// A place as the number of its file and a line. `prefix` stands before the file's name.
    pub(super) fn place(&mut self, sources: &SourceMap, prefix: &str, span: Span) -> Value {
        let source = sources.get(span.source);
        let name = source.name();
        let is_it = |file: &String| file.strip_prefix(prefix) == Some(name);
        let number = self.names.iter().rposition(is_it).unwrap_or_else(|| {
            self.names.push(format!("{prefix}{name}"));
            self.names.len() - 1
        });
        json!([number, source.position(span.start).line])
    }

    /// All names, in the order of their numbers.
    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }
}

/// `[["TCP", [[80, 80]]]]`.
pub(super) fn ports(set: &ConnectionSet) -> Value {
    let protocols = set
        .iter()
        .map(|(protocol, ports)| json!([protocol.name(), ports.ranges()]));
    Value::Array(protocols.collect())
}

/// The distinct rows of a table, each as runs `[set, count, set, count, …]`, and which one
/// each node has.
pub(super) fn rows(
    size: usize,
    mut set_between: impl FnMut(usize, usize) -> u32,
) -> (Vec<Vec<u32>>, Vec<usize>) {
    let mut rows: Vec<Vec<u32>> = Vec::new();
    let mut known: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut row_of = Vec::with_capacity(size);
    for source in 0..size {
        let mut runs: Vec<u32> = Vec::new();
        let mut last = None;
        for destination in 0..size {
            let set = set_between(source, destination);
            match (last == Some(set), runs.last_mut()) {
                (true, Some(count)) => *count += 1,
                _ => runs.extend([set, 1]),
            }
            last = Some(set);
        }
        let row = *known.entry(runs).or_insert_with_key(|runs| {
            rows.push(runs.clone());
            rows.len() - 1
        });
        row_of.push(row);
    }
    (rows, row_of)
}

/// Sorted nodes as runs `[first, count, first, count, …]`.
pub(super) fn runs(nodes: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut runs: Vec<usize> = Vec::new();
    let mut next = None;
    for node in nodes {
        match (next == Some(node), runs.last_mut()) {
            (true, Some(count)) => *count += 1,
            _ => runs.extend([node, 1]),
        }
        next = Some(node + 1);
    }
    runs
}
