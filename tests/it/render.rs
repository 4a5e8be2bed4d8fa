//! Kustomizations that are built, with where each part comes from: one file for each case.

use super::program::root;
use npcheck::render;
use npcheck::source::{SourceId, SourceMap};
use std::fs;

/// A case: the texts, the directory that is built, and what is expected.
struct Case {
    files: Vec<(String, String)>,
    directory: String,
    built: String,
    faults: String,
}

impl Case {
    fn read(text: &str) -> Self {
        let mut case = Self {
            files: Vec::new(),
            directory: String::new(),
            built: String::new(),
            faults: String::new(),
        };
        let mut is_expected = false;
        let mut is_fault = false;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("== ") {
                case.files.push((name.to_owned(), String::new()));
            } else if let Some(directory) = line.strip_prefix("-- build ") {
                case.directory = directory.to_owned();
                is_expected = true;
            } else if line == "-- faults" {
                is_fault = true;
            } else {
                let into = match (is_expected, is_fault) {
                    (_, true) => &mut case.faults,
                    (true, false) => &mut case.built,
                    (false, false) => match case.files.last_mut() {
                        Some((_, text)) => text,
                        None => continue,
                    },
                };
                into.push_str(line);
                into.push('\n');
            }
        }
        case
    }
}

#[test]
fn every_case_is_built_as_expected() {
    let mut count = 0;
    for entry in fs::read_dir(root().join("tests/fixtures/render")).unwrap() {
        let path = entry.unwrap().path();
        let case = Case::read(&fs::read_to_string(&path).unwrap());
        let mut sources = SourceMap::default();
        for (name, text) in &case.files {
            sources.add(name.as_str(), text.as_str());
        }
        let ids: Vec<SourceId> = sources.ids().collect();
        let printed = render::print(&sources, &ids, &case.directory).expect("a kustomization");
        let place = |fault: &render::BuildFault| {
            let name = sources.get(fault.span.source).name();
            let line = sources.position(fault.span).line;
            let weight = if fault.is_error { "error" } else { "unknown" };
            format!("{name}:{line} {weight}: {}\n", fault.message)
        };
        let faults: String = printed.faults.iter().map(place).collect();
        assert_eq!(printed.text, case.built, "{}", path.display());
        assert_eq!(faults, case.faults, "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "there are cases");
}
