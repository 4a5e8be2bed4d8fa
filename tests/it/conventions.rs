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
