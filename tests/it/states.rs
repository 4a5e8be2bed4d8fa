//! `npcheck lint --staged` and `--new-from` in every state that a repository can be in:
//! without a commit, in the middle of a merge, with settings and names of strangers.

use super::program::Run;
use super::repository::{Repository, policy};
use std::fs;

/// A namespace and a pod in it, with nothing to complain about but posture.
const POD: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: web, image: web}]}\n";
/// A document that looks like Kubernetes and cannot be parsed.
const BROKEN: &str = "apiVersion: v1\nkind: Pod\nmetadata: [\n";
/// What is said where nothing that concerns npcheck is staged.
const UNCHANGED: &str =
    "nothing staged touches a manifest, npcheck's configuration or an ignore file: not analysed\n";

/// The place, severity and rule of each finding, and how the run went.
fn outcome(run: &Run) -> (i32, Vec<&str>) {
    let lines = run.stdout.lines();
    let heads = lines.map(|line| {
        let rule = line
            .match_indices(' ')
            .nth(2)
            .map_or(line.len(), |(at, _)| at);
        &line[..rule]
    });
    (run.status, heads.collect())
}

fn lint(repository: &Repository, options: &[&str]) -> Run {
    repository.run(&[&["lint", "-o", "concise", "--fail-on", "warning"], options].concat())
}

/// Findings that are no mere infos.
fn mistakes(run: &Run) -> Vec<&str> {
    let (_, findings) = outcome(run);
    findings
        .into_iter()
        .filter(|one| !one.contains(": info "))
        .collect()
}

#[test]
fn pre_commit_with_nothing_staged_means_all_files() {
    let repository = Repository::new("all-files");
    repository.write("k8s/a.yaml", policy("a"));
    repository.stage();
    repository.commit();
    let run = |variable: &str| {
        let arguments = ["lint", "-o", "concise", "--staged", "--new-from", "HEAD"];
        let mut command = super::program::command(&repository.root, &arguments);
        Run::from(command.env("PRE_COMMIT", variable).output().unwrap())
    };
    assert_eq!(
        mistakes(&run("1")),
        ["k8s/a.yaml:8:22: error invalid-value"]
    );
    assert_eq!((run("").status, run("").stderr.as_str()), (0, UNCHANGED));
    // A commit is judged by what it changes.
    repository.write("k8s/b.yaml", policy("b"));
    repository.stage();
    assert_eq!(
        mistakes(&run("1")),
        ["k8s/b.yaml:8:22: error invalid-value"]
    );
}

#[test]
fn what_is_staged_counts_and_not_what_lies_on_the_disk() {
    let repository = Repository::new("staged");
    repository.write("k8s/a.yaml", policy("a"));
    repository.write("k8s/pod.yaml", POD);
    repository.stage();
    // Mended on the disk only, and broken on the disk only.
    repository.write("k8s/a.yaml", policy("a").replace("tcp", "TCP"));
    repository.write("k8s/pod.yaml", BROKEN);
    repository.write("k8s/untracked.yaml", BROKEN);
    let staged = lint(&repository, &["--staged"]);
    assert_eq!(mistakes(&staged), ["k8s/a.yaml:8:22: error invalid-value"]);
    assert_eq!(staged.status, 1);
    let disk = lint(&repository, &[]);
    assert_eq!(disk.status, 2);
    // The same from a directory below, whose names are shorter, and for a file that is asked
    // for; one that git does not have is no file at all.
    let below = repository.run_in("k8s", &["lint", "--staged", "-o", "concise"]);
    assert_eq!(mistakes(&below), ["a.yaml:8:22: error invalid-value"]);
    let above = repository.run_in(
        "k8s",
        &["lint", "--staged", "-o", "concise", "../k8s/a.yaml"],
    );
    assert_eq!(
        mistakes(&above),
        ["../k8s/a.yaml:8:22: error invalid-value"]
    );
    let absolute = repository.root.join("k8s/a.yaml");
    let absolute = lint(&repository, &["--staged", absolute.to_str().unwrap()]);
    assert_eq!(mistakes(&absolute).len(), 1, "{absolute:?}");
    let missing = lint(
        &repository,
        &["--staged", "k8s/untracked.yaml", "k8s/b.yaml"],
    );
    assert_eq!(missing.status, 2);
    assert_eq!(
        missing.stderr.lines().take(2).collect::<Vec<_>>(),
        [
            "npcheck: k8s/untracked.yaml: not in git's index: `git add` makes it part of what is staged",
            "npcheck: k8s/b.yaml: not in git's index; did you mean `k8s/a.yaml`?",
        ]
    );
    // A directory that git knows nothing of is no mistake, and no good run either.
    fs::create_dir(repository.root.join("empty")).unwrap();
    assert_eq!(lint(&repository, &["--staged", "empty"]).status, 3);
}

#[test]
fn a_run_is_over_at_once_where_nothing_staged_concerns_npcheck() {
    let repository = Repository::new("unchanged");
    repository.write("k8s/a.yaml", policy("a"));
    repository.write("k8s/pod.json", "{}\n");
    repository.write("notes.txt", "1\n");
    repository.write("shared", policy("shared"));
    repository.write(".gitignore", "/target\n");
    repository.commit();
    let unchanged = |options: &[&str]| {
        let run = lint(&repository, &[&["--staged"], options].concat());
        run.status == 0 && run.stderr == UNCHANGED && run.stdout.is_empty()
    };
    // What is changed on the disk is not staged.
    repository.write("k8s/a.yaml", BROKEN);
    repository.write("notes.txt", "2\n");
    repository.git(["add", "notes.txt"]);
    assert!(unchanged(&[]));
    assert!(unchanged(&["k8s"]));
    assert!(unchanged(&["--new-from", "HEAD"]));
    let quiet = lint(&repository, &["--staged", "-q"]);
    assert_eq!((quiet.status, quiet.stderr.as_str()), (0, ""));
    // A wrong option is a wrong option all the same.
    for wrong in [&["--new-from", "nope"][..], &["-"], &[".."]] {
        assert_eq!(
            lint(&repository, &[&["--staged"], wrong].concat()).status,
            2,
            "{wrong:?}"
        );
    }
    // Programs get what they can read.
    for format in ["json", "sarif", "junit", "gitlab", "markdown"] {
        let run = repository.run(&["lint", "--staged", "-o", format]);
        assert_eq!(run.status, 0, "{run:?}");
        assert_ne!(run.stdout, "", "{format}");
        if format == "json" {
            let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
            assert_eq!(document["assumptions"][0]["kind"], "nothing-staged");
        }
        if format == "markdown" {
            assert!(run.stdout.contains("not analysed"), "{run:?}");
        }
    }
    // What a person names counts whatever its name.
    repository.write("shared", policy("shared").replace("80", "81"));
    repository.git(["add", "shared"]);
    assert!(unchanged(&[]));
    assert!(!unchanged(&["shared"]));
    assert!(!unchanged(&["--baseline", "shared"]));
    assert!(!unchanged(&["--config", "shared"]));
    repository.git(["reset", "--quiet"]);
    let counts: &[&[&str]] = &[
        &["rm", "--quiet", "--cached", "k8s/pod.json"],
        &["rm", "--quiet", "--cached", ".gitignore"],
        &["mv", "notes.txt", "notes.yaml.gz"],
        &["mv", "notes.txt", ".npcheckignore"],
        &["update-index", "--chmod=+x", "k8s/pod.json"],
        &["add", "--intent-to-add", "npcheck.yaml"],
    ];
    repository.write("npcheck.yaml", "failOn: error\n");
    for change in counts {
        repository.git(*change);
        assert!(!unchanged(&[]), "{change:?}");
        repository.git(["reset", "--quiet", "--hard"]);
        repository.write("npcheck.yaml", "failOn: error\n");
    }
}

#[test]
fn before_the_first_commit_everything_is_new() {
    let repository = Repository::new("first");
    let empty = lint(&repository, &["--staged", "--new-from", "HEAD"]);
    assert_eq!((empty.status, empty.stderr.as_str()), (0, UNCHANGED));
    repository.write("notes.txt", "1\n");
    repository.stage();
    assert_eq!(lint(&repository, &["--staged"]).stderr, UNCHANGED);
    repository.write("sub/a.yaml", policy("a"));
    repository.stage();
    let arguments = ["lint", "--staged", "--new-from=HEAD", "-o", "concise"];
    let all = repository.run_in("sub", &arguments);
    assert_eq!(mistakes(&all), ["a.yaml:8:22: error invalid-value"]);
    assert!(
        all.stderr
            .contains("found 1 error new since HEAD (1 fixable); read 1 file"),
        "{all:?}"
    );
    let unborn = lint(&repository, &["--new-from", "main"]);
    assert_eq!(unborn.status, 2);
    assert_eq!(
        unborn.stderr,
        "npcheck: --new-from: git knows no commit `main`\n"
    );
    // From a directory without anything, a change elsewhere is still a change.
    fs::create_dir(repository.root.join("empty")).unwrap();
    assert_eq!(repository.run_in("empty", &["lint", "--staged"]).status, 3);
}

#[test]
fn a_revision_is_named_as_git_names_it() {
    let repository = Repository::new("revisions");
    repository.write("a.yaml", policy("a"));
    repository.commit();
    repository.git(["tag", "--annotate", "--message=one", "one"]);
    repository.git(["branch", "old/work"]);
    let hash = repository.git(["rev-parse", "HEAD"]);
    let tree = repository.git(["rev-parse", "HEAD^{tree}"]);
    repository.write("b.yaml", policy("b"));
    repository.commit();
    repository.write("c.yaml", policy("c"));
    let short = &hash[..8];
    for name in [
        "HEAD~1",
        "one",
        "old/work",
        &hash,
        short,
        &tree,
        "git:HEAD~1",
        "git:one",
        "HEAD^{/work}~1",
        "HEAD@{1}",
        "@~1",
        "main^",
        "refs/tags/one",
    ] {
        let run = lint(&repository, &["--new-from", name]);
        let expected = [
            "b.yaml:8:22: error invalid-value",
            "c.yaml:8:22: error invalid-value",
        ];
        assert_eq!(mistakes(&run), expected, "{name}: {run:?}");
        let name = name.strip_prefix("git:").unwrap_or(name);
        let said = format!("found 2 errors new since {name} (2 fixable, 1 in {name} already)");
        assert!(run.stderr.contains(&said), "{run:?}");
    }
    for name in [
        "nope",
        "",
        "git:",
        "HEAD~9",
        "-h",
        "--all",
        "--output=x",
        "HEAD\nHEAD",
        "HEAD~1..HEAD",
        "HEAD:a.yaml",
        "../a",
        ":/nothing",
        "\u{1b}[31m",
    ] {
        let run = lint(&repository, &[&format!("--new-from={name}")]);
        assert_eq!(run.status, 2, "{name}: {run:?}");
        assert!(
            run.stderr
                .starts_with("npcheck: --new-from: git knows no commit `"),
            "{run:?}"
        );
        assert!(
            !run.stderr.contains('\u{1b}') && run.stderr.lines().count() == 1,
            "{run:?}"
        );
    }
}

#[test]
fn as_many_alike_findings_are_excused_as_there_were() {
    let repository = Repository::new("alike");
    let port = "        - {protocol: tcp, port: 80}\n";
    let of = |count: usize| policy("a").replace(port, &port.repeat(count));
    repository.write("a.yaml", of(2));
    repository.commit();
    for (count, new) in [(1, 0), (2, 0), (3, 1), (5, 3)] {
        repository.write("a.yaml", of(count));
        let run = lint(&repository, &["--new-from", "HEAD"]);
        assert_eq!(mistakes(&run).len(), new, "{count}: {run:?}");
        let known = format!("{} in HEAD already", count - new);
        assert!(run.stderr.contains(&known), "{run:?}");
    }
}

#[test]
fn a_finding_that_a_change_elsewhere_brings_is_new() {
    let repository = Repository::new("elsewhere");
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: web}}\n  policyTypes: [Ingress]\n  ingress:\n    - from: [{podSelector: {}}]\n      ports: [{protocol: TCP, port: 80}]\n";
    repository.write("policy.yaml", policy);
    repository.write("pod.yaml", POD);
    repository.commit();
    assert_eq!(lint(&repository, &["--complete"]).status, 0);
    repository.git(["rm", "--quiet", "pod.yaml"]);
    let run = lint(
        &repository,
        &["--complete", "--staged", "--new-from", "HEAD"],
    );
    assert_eq!(run.status, 1, "{run:?}");
    assert_eq!(mistakes(&run), ["policy.yaml:5:31: warning flow-lost"]);
    // Lines that move, and files that are renamed, are no news.
    repository.git(["reset", "--quiet", "--hard"]);
    repository.write("policy.yaml", policy.replace("app: web", "app: other"));
    repository.commit();
    repository.git(["mv", "policy.yaml", "moved.yaml"]);
    repository.write(
        "moved.yaml",
        format!("# moved\n\n{}", policy.replace("app: web", "app: other")),
    );
    repository.stage();
    let run = lint(
        &repository,
        &["--complete", "--staged", "--new-from", "HEAD"],
    );
    assert_eq!((run.status, mistakes(&run)), (0, vec![]), "{run:?}");
    assert!(
        run.stderr.starts_with("no new findings since HEAD ("),
        "{run:?}"
    );
}

#[test]
fn line_ends_of_another_system_are_no_news() {
    let repository = Repository::new("line-ends");
    repository.write("a.yaml", policy("a"));
    repository.write("old.yaml", BROKEN);
    repository.commit();
    repository.write("a.yaml", policy("a").replace('\n', "\r\n"));
    repository.write("old.yaml", BROKEN.replace('\n', "\r\n"));
    let run = lint(&repository, &["--new-from", "HEAD"]);
    assert_eq!((run.status, run.stdout.as_str()), (0, ""), "{run:?}");
}

#[test]
fn the_exit_status_counts_only_what_is_new() {
    let repository = Repository::new("status");
    repository.write("old.yaml", BROKEN);
    repository.write("latin.yaml", b"apiVersion: v1\nkind: Pod # caf\xe9\n");
    repository.write("pod.yaml", POD);
    repository.commit();
    repository.write("pod.yaml", POD.replace("image: web", "image: other"));
    repository.stage();
    assert_eq!(lint(&repository, &["--staged"]).status, 2);
    for options in [
        &["--staged", "--new-from", "HEAD"][..],
        &["--new-from", "HEAD"],
    ] {
        let run = lint(&repository, options);
        assert_eq!((run.status, run.stdout.as_str()), (0, ""), "{run:?}");
        assert!(!run.stderr.contains("npcheck: latin.yaml"), "{run:?}");
        assert!(
            run.stderr
                .contains("skipped 1 broken document, 1 unreadable file"),
            "{run:?}"
        );
    }
    // What only the earlier state could not read is nobody's fault now.
    repository.write("latin.yaml", "a: 1\n");
    repository.write("old.yaml", "a: 1\n");
    repository.stage();
    assert_eq!(
        lint(&repository, &["--staged", "--new-from", "HEAD"]).status,
        0
    );
    repository.write("old.yaml", format!("{BROKEN}---\n{BROKEN}"));
    repository.stage();
    assert_eq!(
        lint(&repository, &["--staged", "--new-from", "HEAD"]).status,
        2
    );
    repository.write("old.yaml", BROKEN);
    repository.write("new.yaml", b"apiVersion: v1 \xff");
    repository.stage();
    let run = lint(&repository, &["--staged", "--new-from", "HEAD"]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(
        run.stderr.contains("npcheck: new.yaml: not UTF-8"),
        "{run:?}"
    );
}

#[test]
fn configuration_baseline_and_ignore_files_are_those_that_are_staged() {
    let repository = Repository::new("own-files");
    repository.write("k8s/a.yaml", policy("a"));
    repository.write("k8s/b.yaml", policy("b"));
    repository.git(["add", "k8s"]);
    // Not staged: as if they were not there.
    repository.write("npcheck.yaml", "rules:\n  invalid-value: info\n");
    repository.write(".npcheckignore", "b.yaml\n");
    assert_eq!(mistakes(&lint(&repository, &["--staged"])).len(), 2);
    let named = lint(&repository, &["--staged", "--config", "npcheck.yaml"]);
    assert_eq!(
        named.status, 0,
        "what is named and not in git is read from the disk: {named:?}"
    );
    repository.git(["add", "npcheck.yaml", ".npcheckignore"]);
    repository.write("npcheck.yaml", "no: such key\n");
    fs::remove_file(repository.root.join(".npcheckignore")).unwrap();
    for options in [&["--staged"][..], &["--staged", "--config", "npcheck.yaml"]] {
        let run = lint(&repository, options);
        assert_eq!(run.status, 0, "{run:?}");
        assert_eq!(
            run.stdout.matches("info invalid-value").count(),
            1,
            "{run:?}"
        );
    }
    let below = repository.run_in("k8s", &["lint", "--staged", "-o", "concise"]);
    assert_eq!(
        below.stdout.matches("info invalid-value").count(),
        1,
        "{below:?}"
    );
    assert_eq!(
        lint(&repository, &[]).status,
        2,
        "the disk has another configuration"
    );

    let repository = Repository::new("own-baseline");
    repository.write("a.yaml", policy("a"));
    lint(&repository, &["--write-baseline", "known.json"]);
    repository.stage();
    repository.write("known.json", "{}");
    let run = lint(&repository, &["--staged", "--baseline", "known.json"]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.stderr.contains("1 in the baseline"), "{run:?}");
    // Both leave something out, and none of it twice.
    repository.git(["commit", "--quiet", "--message=work"]);
    repository.write("b.yaml", policy("b"));
    repository.write("known.json", "{\"version\": 1, \"findings\": []}");
    repository.stage();
    let run = lint(
        &repository,
        &["--staged", "--baseline", "known.json", "--new-from", "HEAD"],
    );
    assert_eq!(mistakes(&run), ["b.yaml:8:22: error invalid-value"]);
    assert!(run.stderr.contains("1 in HEAD already"), "{run:?}");
    lint(&repository, &["--staged", "--write-baseline", "known.json"]);
    repository.stage();
    let run = lint(
        &repository,
        &["--staged", "--baseline", "known.json", "--new-from", "HEAD"],
    );
    assert_eq!(run.status, 0);
    assert!(run.stderr.contains("(2 in the baseline)"), "{run:?}");
}

#[test]
fn fixes_mend_what_is_new_and_never_what_is_staged() {
    let repository = Repository::new("fixes");
    repository.write("a.yaml", policy("a"));
    repository.commit();
    repository.write("b.yaml", policy("b"));
    repository.stage();
    for wrong in ["--fix", "--fix=all", "--diff"] {
        let run = lint(&repository, &["--staged", wrong]);
        assert_eq!(run.status, 2, "{run:?}");
        assert!(
            run.stderr.contains("npcheck: --staged: fixes go to files"),
            "{run:?}"
        );
    }
    let wrong = lint(
        &repository,
        &["--new-from", "HEAD", "--write-baseline", "x.json"],
    );
    assert_eq!(wrong.status, 2, "{wrong:?}");
    let shown = lint(&repository, &["--new-from", "HEAD", "--diff"]);
    assert!(
        shown.stdout.contains("--- b.yaml") && !shown.stdout.contains("a.yaml"),
        "{shown:?}"
    );
    let fixed = lint(&repository, &["--new-from", "HEAD", "--fix"]);
    assert_eq!(fixed.status, 0, "{fixed:?}");
    let read = |name| fs::read_to_string(repository.root.join(name)).unwrap();
    assert_eq!(read("a.yaml"), policy("a"));
    assert_eq!(read("b.yaml"), policy("b").replace("tcp", "TCP"));
}
