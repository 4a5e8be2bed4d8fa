//! On random trees: what git has is read as the disk is, and what is new is what two full
//! runs say that it is.

use super::clusters::Random;
use super::program::Run;
use super::repository::{Repository, policy};
use rayon::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

/// A tree of files with everything that decides what is read. The same names come again and
/// again, so that two states differ in some and not in others.
fn grow(repository: &Repository, random: &mut Random) {
    const DIRECTORIES: &[&str] = &[
        "",
        "a/",
        "a-b/",
        "a/b/",
        "a.b/c/",
        ".hid/",
        "vendor/x/",
        "z/",
    ];
    const FILES: &[&str] = &[
        "x.yaml",
        "x.yml",
        "x-1.yaml",
        ".dot.yaml",
        "y.json",
        "z.txt",
        "X.YAML.gz",
    ];
    const PATTERNS: &[&str] = &[
        "vendor/",
        "/a",
        "*.yml",
        "!*.yml",
        "*.yaml",
        "!*.yaml",
        "x.yaml",
        "!x.yaml",
        "x.yaml/",
        "/x.yaml",
        "a/**",
        "!/a/b",
        "b/x.yaml",
        "**/c",
        "# a",
        "x-*.yaml",
        "!.hid",
        "!.dot.yaml",
        "z/*",
        "\\!x",
        "[",
        "",
        "y.json  ",
        "!*",
    ];
    for _ in 0..2 + random.below(20) {
        let directory = random.pick(DIRECTORIES);
        let file = random.pick(FILES);
        let text = match random.below(8) {
            0 => "replicas: 3\n".to_owned(),
            1 => "apiVersion: v1\nkind: Pod\nmetadata: [\n".to_owned(),
            2 => format!(
                "apiVersion: v1\nkind: Namespace\nmetadata: {{name: ns-{}}}\n",
                random.below(3)
            ),
            _ => policy(&format!("p{}", random.below(6))),
        };
        repository.write(&format!("{directory}{file}"), text);
    }
    for file in [".npcheckignore", ".ignore", ".gitignore"] {
        for _ in 0..random.below(4) {
            let patterns: Vec<&str> = (0..1 + random.below(3))
                .map(|_| random.pick(PATTERNS))
                .collect();
            let directory = random.pick(DIRECTORIES);
            repository.write(&format!("{directory}{file}"), patterns.join("\n"));
        }
    }
    for (link, target) in [
        ("link.yaml", "a/x.yaml"),
        ("current", "a"),
        ("a/up", "../vendor"),
        ("lost", "no"),
    ] {
        let link = repository.root.join(link);
        if random.percent(30) && link.parent().unwrap().is_dir() && link.symlink_metadata().is_err()
        {
            symlink(target, link).unwrap();
        }
    }
}

#[test]
fn the_index_and_a_commit_are_read_as_the_disk_is() {
    let read: u64 = (0..30).into_par_iter().map(compare_states).sum();
    assert!(read > 100, "the trees have something to read: {read}");
}

/// What may be asked for; what a tree does not have is not asked.
const PATHS: &[&[&str]] = &[
    &["."],
    &["a"],
    &["./a/"],
    &["a/b", "a"],
    &["z", ".", "a/../a"],
    &[".hid"],
    &["vendor"],
    &["x.yaml", "a/x.yaml"],
    &["current"],
    &["a/up", "link.yaml"],
    &["a/b/x.yml", "z.txt"],
];

/// Compares the outcomes of the three states of one tree. How many files were read.
fn compare_states(seed: u64) -> u64 {
    let random = &mut Random::new(seed);
    let repository = Repository::new(&format!("same-{seed}"));
    grow(&repository, random);
    repository.stage();
    let are_there = |paths: &[&str]| paths.iter().all(|path| repository.root.join(path).exists());
    let chosen = [PATHS[0], random.pick(&PATHS[1..]), random.pick(&PATHS[1..])];
    let asked: Vec<_> = chosen.iter().filter(|paths| are_there(paths)).collect();
    let run = |options: &[&str], paths: &[&str]| {
        repository.run(&[&["lint", "-v", "-o", "json"], options, paths].concat())
    };
    let mut read = 0;
    const WALKS: &[&[&str]] = &[
        &[],
        &["--hidden"],
        &["--no-ignore"],
        &["--hidden", "--no-ignore"],
    ];
    let walk = random.pick(WALKS);
    for paths in &asked {
        let disk = run(walk, paths);
        read += json(&disk)["summary"]["files"].as_u64().unwrap();
        let staged = run(&[&["--staged"], walk].concat(), paths);
        assert_eq!(staged, disk, "{seed} {paths:?} {walk:?}");
    }
    repository.commit();
    for paths in &asked {
        let of_commit: Vec<String> = paths.iter().map(|it| format!("git:HEAD:{it}")).collect();
        let of_commit: Vec<&str> = of_commit.iter().map(String::as_str).collect();
        // What was passed over on the disk is told of the disk only.
        let [of_commit, disk] = [&of_commit[..], paths].map(|paths| run(walk, paths));
        assert_eq!(of_commit.status, disk.status, "{seed} {paths:?} {walk:?}");
        assert_eq!(of_commit.stdout, disk.stdout, "{seed} {paths:?} {walk:?}");
        let all = with_fingerprints(&run(&[], paths)).len();
        let new = json(&run(&["--new-from", "HEAD"], paths));
        assert_eq!(
            new["findings"],
            Value::Array(Vec::new()),
            "{seed} {paths:?}"
        );
        assert_eq!(
            new["problems"],
            Value::Array(Vec::new()),
            "{seed} {paths:?}"
        );
        assert_eq!(new["summary"]["known"], all, "{seed} {paths:?}");
    }
    read
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"))
}

/// The findings of a run, each behind its fingerprint.
fn with_fingerprints(run: &Run) -> Vec<(String, Value)> {
    let document = json(run);
    let apart = |finding: &Value| {
        let mut finding = finding.clone();
        let fingerprint = finding.as_object_mut().unwrap().remove("fingerprint");
        (fingerprint.unwrap().to_string(), finding)
    };
    let findings = document["findings"].as_array().unwrap();
    findings.iter().map(apart).collect()
}

#[test]
fn what_is_new_is_what_the_difference_of_two_full_runs_says() {
    let counts = (100..120).into_par_iter().map(compare_with_two_runs);
    let (new, known) = counts.reduce(|| (0, 0), |one, other| (one.0 + other.0, one.1 + other.1));
    assert!(new > 30 && known > 30, "both happen: {new} {known}");
}

/// How many findings are new in one repository, and how many are known.
fn compare_with_two_runs(seed: u64) -> (usize, usize) {
    let random = &mut Random::new(seed);
    let repository = Repository::new(&format!("new-{seed}"));
    let full = |options: &[&str]| repository.run(&[&["lint", "-o", "json"], options].concat());
    grow(&repository, random);
    repository.commit();
    let before = with_fingerprints(&full(&[])).into_iter();
    let before: BTreeSet<String> = before.map(|(fingerprint, _)| fingerprint).collect();
    for entry in fs::read_dir(&repository.root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && random.percent(30) {
            fs::remove_file(path).unwrap();
        }
    }
    grow(&repository, random);
    let (known, new): (Vec<_>, Vec<_>) = with_fingerprints(&full(&[]))
        .into_iter()
        .partition(|(fingerprint, _)| before.contains(fingerprint));
    let findings = |all: &[(String, Value)]| -> Vec<Value> {
        all.iter().map(|(_, finding)| finding.clone()).collect()
    };
    let from_disk = full(&["--new-from", "HEAD"]);
    repository.stage();
    let from_index = full(&["--new-from", "HEAD", "--staged"]);
    for run in [&from_disk, &from_index] {
        assert_eq!(findings(&with_fingerprints(run)), findings(&new), "{seed}");
        let summary = &json(run)["summary"];
        assert_eq!(summary["known"], known.len(), "{seed}");
        assert_eq!(summary["since"], "HEAD");
    }
    (new.len(), known.len())
}
