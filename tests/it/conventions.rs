//! What every file of the project keeps to, as far as a machine can tell.

use super::architecture::sources;
use super::program::root;
use std::fs;

/// A file that is longer is two ideas.
const LINES: usize = 600;

#[test]
fn every_file_says_what_it_is_for_and_stays_short() {
    let mut faults = Vec::new();
    for directory in ["src", "tests"] {
        for path in sources(&root().join(directory)) {
            let text = fs::read_to_string(&path).unwrap();
            let name = path.strip_prefix(root()).unwrap().display();
            if !text.starts_with("//! ") {
                faults.push(format!("{name} does not open with `//!`"));
            }
            let lines = text.lines().count();
            if lines > LINES {
                faults.push(format!("{name} has {lines} lines"));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn nothing_is_left_for_later() {
    let mut faults = Vec::new();
    for directory in ["src", "tests"] {
        for path in sources(&root().join(directory)) {
            let text = fs::read_to_string(&path).unwrap();
            // Put together here, so that this file does not name them.
            let marks = [
                ["TO", "DO"],
                ["FIX", "ME"],
                ["#[ign", "ore"],
                ["unimpl", "emented!"],
            ];
            for mark in marks.map(|parts| parts.concat()) {
                if text.contains(&mark) {
                    faults.push(format!("{}: {mark}", path.display()));
                }
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

/// What npcheck once said, and what a native speaker says instead.
const PLAIN_WORDS: [(&str, &str); 29] = [
    ("is no ", "is not a valid ..."),
    ("refuses", "rejects"),
    ("would refuse", "would reject"),
    ("network plugin", "CNI plugin"),
    ("remark", "info"),
    ("keep it:", "to suppress:"),
    ("found nothing", "no findings"),
    ("of no kind", "ignored kind"),
    ("packed by", "gzip-compressed"),
    ("put into namespace", "namespace set by kustomize"),
    ("Whom to", "destination"),
    ("of another mind", "that differ"),
    ("mends", "fixes"),
    ("stands twice", "is written twice"),
    ("are an OR", "are combined with OR"),
    ("by way of", "through"),
    ("each of them must be its own", "separate them with `---`"),
    ("in vain", "has no effect"),
    ("is left open", "is not defined"),
    ("keep it from", "block it from"),
    ("put it into", "move it to"),
    ("rules out nobody", "excludes nobody"),
    ("may ask the resolver", "can query DNS"),
    ("policies are asked", "policies are applied"),
    ("is never asked", "is never evaluated"),
    ("turned into", "translated to"),
    ("names of ports", "named ports"),
    ("if it is to", "if it should"),
    ("as most people", "as usually"),
];

/// The texts in quotes of the lines of a source that are no comments.
fn texts(source: &str) -> impl Iterator<Item = &str> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().map(str::trim_start);
    let lines = lines.filter(|line| !line.starts_with("//"));
    lines.flat_map(|line| line.split('"').skip(1).step_by(2))
}

#[test]
fn messages_are_plain_english() {
    let mut faults = Vec::new();
    for path in sources(&root().join("src")) {
        if path.ends_with("tests.rs") {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        for text in texts(&source) {
            for (word, instead) in PLAIN_WORDS {
                if text
                    .replace("there is no ", "")
                    .replace("is no longer ", "")
                    .contains(word)
                {
                    let name = path.strip_prefix(root()).unwrap().display();
                    faults.push(format!("{name}: `{text}` says `{word}`, not `{instead}`"));
                }
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

/// What stands in front of the table of promises and tests.
const PROMISES: &str = "What `SECURITY.md` promises, and the tests that show it:";

#[test]
fn every_promise_names_tests_that_there_are() {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let (_, table) = text.split_once(PROMISES).expect("the table is there");
    let mut named = 0;
    let mut faults = Vec::new();
    for row in table.lines().filter(|row| row.starts_with("| ")).skip(1) {
        let tests = row.split('|').nth(2).expect("a row has two columns");
        for test in tests.split('`').skip(1).step_by(2) {
            named += 1;
            let is_there = match test.rsplit_once("::") {
                // A fixture, or a file of tests.
                None => root().join(test).exists() || root().join("src").join(test).exists(),
                Some((module, name)) => {
                    let file = module.replace("::", "/") + ".rs";
                    let files = [
                        root().join("tests/it").join(&file),
                        root().join("src").join(&file),
                    ];
                    let mut texts = files
                        .iter()
                        .filter_map(|file| fs::read_to_string(file).ok());
                    texts.any(|text| text.contains(&format!("fn {name}()")))
                }
            };
            if !is_there {
                faults.push(test.to_owned());
            }
        }
    }
    assert!(named > 20, "{named}");
    assert_eq!(faults, Vec::<String>::new());
}
