//! How fast files become trees of nodes, beside reading the same files and counting their lines;
//! and what a whole `lint` of a dump costs, beside the events of a general YAML parser.
//!
//! `cargo bench --bench files`; the ratios of interest are in `docs/performance.md`. Everything is
//! done by one thread. The files are written into a temporary directory, but for manifests that
//! people wrote: these are the fixtures of the tests, or those of the directory that
//! `NPCHECK_BENCH_MANIFESTS` names. `NPCHECK_BENCH_DUMP` names another dump.

#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark of files reads and writes them"
)]

use divan::Bencher;
use divan::counter::BytesCount;
use granit_parser::Parser;
use npcheck::config::Config;
use npcheck::source::SourceMap;
use npcheck::workspace::Workspace;
use npcheck::yaml;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// How many applications the generated files are of.
const FILES: usize = 2_000;

/// How many the dump holds.
const ITEMS: usize = 20_000;

static SCRATCH: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = env::temp_dir().join(format!("npcheck-bench-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a temporary directory can be made");
    directory
});

static GENERATED: LazyLock<Vec<PathBuf>> = LazyLock::new(|| {
    let directory = SCRATCH.join("tree");
    fs::create_dir_all(&directory).expect("a directory can be made");
    let write = |number| {
        let path = directory.join(format!("app-{number}.yaml"));
        fs::write(&path, objects(number).join("---\n")).expect("a file can be written");
        path
    };
    (0..FILES).map(write).collect()
});

static WRITTEN_BY_PEOPLE: LazyLock<Vec<PathBuf>> = LazyLock::new(|| {
    let named = env::var_os("NPCHECK_BENCH_MANIFESTS").map(PathBuf::from);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut files = Vec::new();
    find(&named.unwrap_or(fixtures), &mut files);
    files.sort();
    files
});

static DUMP: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(path) = env::var_os("NPCHECK_BENCH_DUMP") {
        return path.into();
    }
    let path = SCRATCH.join("dump.yaml");
    let mut text = String::from("apiVersion: v1\nkind: List\nitems:\n");
    for object in (0..ITEMS).flat_map(objects) {
        let lines: Vec<&str> = object.lines().collect();
        text += &format!("- {}\n", lines.join("\n  "));
    }
    fs::write(&path, text).expect("a file can be written");
    path
});

fn main() {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1);
    one.build_global().expect("nothing has run yet");
    divan::main();
    fs::remove_dir_all(&*SCRATCH).expect("the temporary directory is there");
}

/// An application: a Deployment, its Service, settings and a policy.
fn objects(number: usize) -> [String; 4] {
    let (name, namespace) = (format!("app-{number}"), format!("team-{}", number % 2_000));
    let head = |version: &str, kind: &str| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n  \
             namespace: {namespace}\n  labels:\n    app: {name}\n"
        )
    };
    [
        head("apps/v1", "Deployment")
            + &format!(
                "spec:\n  replicas: 2\n  template:\n    metadata:\n      labels:\n        \
                 app: {name}\n        tier: backend\n    spec:\n      containers:\n      \
                 - name: main\n        image: registry.example.test/{name}:1.2.3\n        \
                 ports:\n        - name: http\n          containerPort: 8080\n        env:\n        \
                 - name: LOG_LEVEL\n          value: info\n"
            ),
        head("v1", "Service")
            + &format!(
                "spec:\n  selector:\n    app: {name}\n  ports:\n  - port: 80\n    \
                 targetPort: 8080\n"
            ),
        head("v1", "ConfigMap") + "data:\n  app.conf: |\n    one = 1\n    two = 2\n",
        head("networking.k8s.io/v1", "NetworkPolicy")
            + &format!(
                "spec:\n  podSelector:\n    matchLabels:\n      app: {name}\n  ingress:\n  \
                 - from:\n    - podSelector:\n        matchLabels:\n          tier: frontend\n    \
                 ports:\n    - port: 8080\n"
            ),
    ]
}

/// The files below a directory whose names end as those of YAML do.
fn find(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the directory can be read") {
        let path = entry.expect("the directory can be read").path();
        let is_yaml = ["yaml", "yml"].map(OsStr::new).map(Some);
        if path.is_dir() {
            find(&path, files);
        } else if is_yaml.contains(&path.extension()) {
            files.push(path);
        }
    }
}

/// The text of a file; nothing where it is no text.
fn read(path: &Path) -> String {
    let bytes = fs::read(path).expect("the file can be read");
    String::from_utf8(bytes).unwrap_or_default()
}

fn bytes_of(files: &[PathBuf]) -> BytesCount {
    let bytes: usize = files.iter().map(|path| read(path).len()).sum();
    BytesCount::new(bytes)
}

/// The floor: every file is read, and every byte is looked at once.
fn count_lines(files: &[PathBuf]) -> usize {
    let lines = |path: &PathBuf| memchr::memchr_iter(b'\n', read(path).as_bytes()).count();
    files.iter().map(lines).sum()
}

/// Every file is read and becomes trees of nodes that know their place.
fn make_trees(files: &[PathBuf]) -> usize {
    let trees = |path: &PathBuf| {
        let mut sources = SourceMap::default();
        let source = sources.add("a.yaml", read(path));
        yaml::count_trees(source, sources.get(source).text())
    };
    files.iter().map(trees).sum()
}

#[divan::bench]
fn lines_of_generated_files(bencher: Bencher) {
    let bencher = bencher.counter(bytes_of(&GENERATED));
    bencher.bench(|| count_lines(&GENERATED));
}

#[divan::bench]
fn trees_of_generated_files(bencher: Bencher) {
    let bencher = bencher.counter(bytes_of(&GENERATED));
    bencher.bench(|| make_trees(&GENERATED));
}

#[divan::bench]
fn lines_written_by_people(bencher: Bencher) {
    let bencher = bencher.counter(bytes_of(&WRITTEN_BY_PEOPLE));
    bencher.bench(|| count_lines(&WRITTEN_BY_PEOPLE));
}

#[divan::bench]
fn trees_written_by_people(bencher: Bencher) {
    let bencher = bencher.counter(bytes_of(&WRITTEN_BY_PEOPLE));
    bencher.bench(|| make_trees(&WRITTEN_BY_PEOPLE));
}

/// The events of a general parser over all bytes.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn events_of_a_dump(bencher: Bencher) {
    let text = read(&DUMP);
    let bencher = bencher.counter(BytesCount::of_str(&text));
    bencher.bench(|| Parser::new_from_str(&text).count());
}

/// From the file to all findings.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn lint_of_a_dump(bencher: Bencher) {
    let bencher = bencher.counter(bytes_of(std::slice::from_ref(&*DUMP)));
    let today = "2026-11-27".parse().expect("a date");
    bencher.bench(|| {
        let (workspace, problems) =
            Workspace::read(std::slice::from_ref(&*DUMP), &Config::default());
        assert!(problems.is_empty(), "{problems:?}");
        workspace.lint(today).findings.len()
    });
}
