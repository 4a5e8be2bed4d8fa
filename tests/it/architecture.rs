//! Holds the layers: which module may use which, and that each stands in `lib.rs` behind
//! those that it uses. Crates would be the only boundary that the compiler enforces.

use super::program::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules in reading order, and what each may use.
const LAYERS: &[(&str, &[&str])] = &[
    ("progress", &[]),
    ("source", &[]),
    ("diagnostic", &["source"]),
    ("edit", &["source", "diagnostic"]),
    ("yaml", &["source", "diagnostic"]),
    ("k8s", &["source"]),
    ("amend", &["source", "k8s"]),
    ("manifest", &["source", "diagnostic", "yaml", "k8s"]),
    (
        "render",
        &["source", "diagnostic", "yaml", "k8s", "manifest"],
    ),
    ("cluster", &["source", "k8s"]),
    ("engine", &["source", "k8s", "cluster"]),
    ("graph", &["source", "k8s", "cluster", "engine"]),
    (
        "lint",
        &[
            "source",
            "diagnostic",
            "edit",
            "k8s",
            "amend",
            "cluster",
            "engine",
            "graph",
        ],
    ),
    ("config", &["source", "diagnostic", "yaml", "k8s", "lint"]),
    (
        "rules",
        &[
            "source",
            "diagnostic",
            "k8s",
            "amend",
            "cluster",
            "engine",
            "graph",
            "lint",
        ],
    ),
    ("load", &["progress", "source"]),
    (
        "workspace",
        &[
            "progress",
            "source",
            "diagnostic",
            "edit",
            "k8s",
            "manifest",
            "render",
            "cluster",
            "engine",
            "graph",
            "lint",
            "config",
            "rules",
            "load",
        ],
    ),
    (
        "output",
        &[
            "source",
            "diagnostic",
            "k8s",
            "cluster",
            "engine",
            "graph",
            "lint",
            "workspace",
        ],
    ),
    (
        "cli",
        &[
            "progress",
            "source",
            "diagnostic",
            "edit",
            "k8s",
            "amend",
            "yaml",
            "manifest",
            "render",
            "cluster",
            "engine",
            "graph",
            "lint",
            "config",
            "rules",
            "load",
            "workspace",
            "output",
        ],
    ),
];

#[test]
fn every_module_uses_only_what_its_layer_may() {
    let allowed: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut faults = Vec::new();
    for path in sources(&root().join("src")) {
        let below = path.strip_prefix(root().join("src")).unwrap();
        let first = below
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let module = first.trim_end_matches(".rs");
        if matches!(module, "lib" | "main") || path.ends_with("tests.rs") {
            continue;
        }
        let Some(allowed) = allowed.get(module) else {
            faults.push(format!("{module} stands in no layer: {}", below.display()));
            continue;
        };
        for used in uses(&fs::read_to_string(&path).unwrap()) {
            if used != module && !allowed.contains(&used.as_str()) {
                faults.push(format!("{} uses {used}", below.display()));
            }
        }
    }
    assert_eq!(
        faults,
        Vec::<String>::new(),
        "the layers stand in docs/architecture.md"
    );
}

#[test]
fn every_layer_uses_only_what_stands_above_it() {
    for (index, (module, allowed)) in LAYERS.iter().enumerate() {
        let above: Vec<&str> = LAYERS[..index].iter().map(|(module, _)| *module).collect();
        for used in *allowed {
            assert!(
                above.contains(used),
                "{module} may use {used}, which stands below it"
            );
        }
    }
}

#[test]
fn lib_lists_the_modules_in_reading_order() {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let listed: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let expected: Vec<&str> = LAYERS
        .iter()
        .map(|(module, _)| *module)
        .filter(|module| listed.contains(module))
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn uses_are_found_in_every_form() {
    let text = "
        use crate::source::Span;
        use crate::{diagnostic::{Fix, Label}, k8s};
        fn f() -> crate::engine::Verdict { crate::cluster::paths() }
        // use crate::load;
        #[cfg(test)]
        mod tests { use crate::cli; }
    ";
    let expected = ["cluster", "diagnostic", "engine", "k8s", "source"];
    assert_eq!(uses(text), expected.map(String::from).into());
}

/// The modules that a file's code names behind `crate::`; its tests may use any.
fn uses(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: Vec<&str> = lines.collect();
    let code = code.join("\n");
    let mut used = BTreeSet::new();
    for (at, word) in code.match_indices("crate::") {
        let rest = &code[at + word.len()..];
        let names = rest.strip_prefix('{').map_or_else(|| vec![rest], top_level);
        for name in names {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let end = name.find(|c| !is_part(c)).unwrap_or(name.len());
            used.insert(name[..end].to_owned());
        }
    }
    used
}

/// The entries of a list in braces, of which the first brace is gone.
fn top_level(list: &str) -> Vec<&str> {
    let mut entries = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                entries.push(list[start..at].trim());
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                entries.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    entries.retain(|entry| !entry.is_empty());
    entries
}

/// Every Rust file below a directory.
pub(crate) fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
