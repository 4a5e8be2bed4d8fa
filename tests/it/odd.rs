//! Repositories that are hostile, broken or odd: none of them makes npcheck run a program,
//! use the network, write, hang, or be silent about what it could not read.

use super::program::{Run, command, scratch};
use super::repository::{Repository, isolate, policy};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

const BOTH: &[&str] = &["lint", "--staged", "--new-from", "HEAD", "-o", "concise"];

fn finds(run: &Run, count: usize) -> bool {
    run.stdout.matches(" error invalid-value ").count() == count
}

fn lint_from(repository: &Repository, revision: &str) -> Run {
    repository.run(&["lint", "--new-from", revision, "-o", "concise"])
}

/// Adds an entry to the index that no disk could bring there.
fn add_entry(repository: &Repository, mode: &str, path: &[u8], text: &[u8]) {
    let object = match mode {
        "160000" => "1".repeat(40),
        _ => store(repository, text),
    };
    let mut command = Command::new("git");
    isolate(&mut command);
    command.args(["update-index", "-z", "--index-info"]);
    command.current_dir(&repository.root).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let record = [mode.as_bytes(), b" ", object.as_bytes(), b"\t", path, b"\0"].concat();
    child.stdin.take().unwrap().write_all(&record).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Writes an object; its name.
fn store(repository: &Repository, text: &[u8]) -> String {
    repository.write(".git/object", text);
    repository.git(["hash-object", "-w", "--no-filters", ".git/object"])
}

#[test]
fn without_a_repository_it_is_said_so() {
    let directory = scratch("git-none");
    fs::write(directory.join("a.yaml"), policy("a")).unwrap();
    let lint = |directory: &Path, options: &[&str]| {
        let mut command = command(directory, &[&["lint"], options].concat());
        isolate(&mut command);
        Run::from(command.output().unwrap())
    };
    let none = "this is not a git repository";
    let no_files =
        "this is not a work tree of a git repository: it is bare, or the inside of `.git`";
    for (options, name) in [
        (&["--staged"][..], "--staged"),
        (&["--new-from", "HEAD"], "--new-from"),
    ] {
        let said = |run: &Run, what: &str| {
            (run.status, run.stderr.clone()) == (2, format!("npcheck: {name}: {what}\n"))
        };
        let run = lint(&directory, options);
        assert!(said(&run, none), "{run:?}");
        let repository = Repository::new("inside");
        let run = repository.run_in(".git", &[&["lint"], options].concat());
        assert!(said(&run, no_files), "{run:?}");
        repository.git(["init", "--quiet", "--bare", "bare.git"]);
        let run = repository.run_in("bare.git", &[&["lint"], options].concat());
        assert!(said(&run, no_files), "{run:?}");
        let mut command = repository.command("", &[&["lint"], options].concat());
        let run = Run::from(command.env("PATH", &directory).output().unwrap());
        assert!(said(&run, "the program `git` is not installed"), "{run:?}");
        for argument in ["..", "-", "/etc"] {
            let run = repository.run(&[&["lint"], options, &[argument]].concat());
            assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{run:?}");
        }
        let run = repository.run(&[&["lint"], options, &["../x"]].concat());
        assert!(
            said(&run, "`../x` lies outside of this git repository"),
            "{run:?}"
        );
        let run = repository.run(&[&["lint"], options, &["-"]].concat());
        assert!(
            said(&run, "git knows nothing of standard input (`-`)"),
            "{run:?}"
        );
    }
}

#[test]
fn a_clone_without_the_commit_says_what_to_do() {
    let origin = Repository::new("deep");
    origin.write("a.yaml", policy("a"));
    origin.commit();
    origin.write("b.yaml", policy("b"));
    origin.commit();
    let clone = Repository::new("shallow");
    let address = format!("file://{}", origin.root.display());
    clone.git(["pull", "--quiet", "--depth=1", &address, "main"]);
    let run = clone.run(&["lint", "--new-from", "HEAD~1"]);
    assert_eq!(run.status, 2);
    assert_eq!(
        run.stderr,
        "npcheck: --new-from: git knows no commit `HEAD~1`; this clone has only a part of the \
         history: `git fetch --unshallow`\n"
    );
    assert!(finds(
        &clone.run(&["lint", "--new-from", "HEAD", "-o", "concise"]),
        0
    ));

    // A clone that fetches texts when they are wanted: they are not fetched, and missed.
    origin.git(["config", "uploadpack.allowFilter", "true"]);
    let partial = Repository::new("partial");
    partial.git(["remote", "add", "origin", &address]);
    partial.git(["fetch", "--quiet", "--filter=blob:none", "origin", "main"]);
    let objects = || partial.git(["count-objects", "-v"]);
    let before = objects();
    let run = partial.run(&["lint", "--new-from", "FETCH_HEAD"]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(
        run.stderr.contains("npcheck: --new-from: git says: "),
        "{run:?}"
    );
    assert_eq!(objects(), before, "nothing was fetched");
}

#[test]
fn nothing_in_a_repository_makes_git_run_a_program() {
    let repository = Repository::new("programs");
    let mark = repository.root.join("pwned");
    repository.write("a.yaml", policy("a"));
    repository.commit();
    let program = repository.root.join(".git/program");
    repository.write(
        ".git/program",
        format!("#!/bin/sh\ntouch '{}'\ncat\n", mark.display()),
    );
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let program = program.to_str().unwrap();
    for key in [
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.sshCommand",
        "core.askPass",
        "core.alternateRefsCommand",
        "diff.external",
        "diff.evil.command",
        "diff.evil.textconv",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "pager.ls-files",
        "pager.diff-index",
        "alias.ls-files",
        "credential.helper",
        "interactive.diffFilter",
    ] {
        repository.git(["config", key, program]);
    }
    repository.git(["config", "core.hooksPath", ".git"]);
    for hook in [
        "post-index-change",
        "pre-commit",
        "reference-transaction",
        "post-checkout",
    ] {
        fs::copy(program, repository.root.join(".git").join(hook)).unwrap();
    }
    repository.write("b.yaml", policy("b"));
    let object = store(&repository, policy("b").as_bytes());
    repository.try_git([
        "-c",
        "core.fsmonitor=false",
        "-c",
        "core.hooksPath=/dev/null",
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("100644,{object},b.yaml"),
    ]);
    repository.write(".gitattributes", "*.yaml filter=evil diff=evil\n");
    // Make sure that the trap works where nobody looks out for it.
    let _ = fs::remove_file(&mark);
    repository.try_git(["status"]);
    assert!(mark.exists(), "the trap works");
    fs::remove_file(&mark).unwrap();
    let index = fs::read(repository.root.join(".git/index")).unwrap();
    let run = repository.run(BOTH);
    assert!(finds(&run, 1), "{run:?}");
    assert!(finds(
        &repository.run(&["lint", "--new-from", "HEAD", "-o", "concise"]),
        1
    ));
    assert!(!mark.exists(), "a program ran");
    let same = fs::read(repository.root.join(".git/index")).unwrap() == index;
    assert!(same, "the index is as it was");
}

#[test]
fn names_of_every_kind_are_read_and_disarmed() {
    let repository = Repository::new("names");
    let names: &[&[u8]] = &[
        b"--output=x.yaml",
        b":(glob)a.yaml",
        b"*.yaml",
        b"a\nb.yaml",
        b"caf\xe9.yaml",
        b"\x1b[31m.yaml",
        b" .yaml",
        b"a\tb.yaml",
        "\u{202e}b.yaml".as_bytes(),
        b"\"q\".yaml",
        b"a\\b.yaml",
        b"$(x).yaml",
        b"-x/-y.yaml",
        b"HEAD",
        b"100644 x.yaml",
    ];
    for (index, name) in names.iter().enumerate() {
        let path = repository.root.join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, policy(&format!("p{index}"))).unwrap();
    }
    repository.stage();
    let staged = repository.run(&["lint", "--staged", "-o", "concise"]);
    assert!(finds(&staged, names.len() - 1), "{staged:?}");
    assert_eq!(repository.run(&["lint", "-o", "concise"]), staged);
    assert!(
        !staged.stdout.contains(['\u{1b}', '\u{202e}', '\t']),
        "{staged:?}"
    );
    for name in ["*.yaml", ":(glob)a.yaml", "./--output=x.yaml", "-x", "HEAD"] {
        let one = repository.run(&["lint", "--staged", "-o", "concise", "--", name]);
        assert!(finds(&one, 1), "{one:?}");
    }
    repository.commit();
    let new = repository.run(&["lint", "--new-from", "HEAD", "-o", "concise"]);
    assert!(finds(&new, 0), "{new:?}");
    // Trees that only somebody who means harm could make.
    let object = store(&repository, policy("evil").as_bytes());
    let digits: Vec<u32> = object
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| (pair[0] << 4 | pair[1]) as u8)
        .collect();
    for (name, count) in [
        ("../up.yaml", 0),
        ("/abs.yaml", 1),
        ("a//b.yaml", 1),
        (".git/x.yaml", 0),
    ] {
        let tree = [b"100644 ", name.as_bytes(), b"\0", &bytes].concat();
        repository.write(".git/object", tree);
        let tree = repository.git([
            "hash-object",
            "-t",
            "tree",
            "-w",
            "--literally",
            ".git/object",
        ]);
        let empty = lint_from(&repository, &tree);
        assert!(
            finds(&empty, names.len() - 1),
            "all of ours are new: {empty:?}"
        );
        // The same policy counts as known, by whatever path it came.
        repository.write("evil.yaml", policy("evil"));
        let run = lint_from(&repository, &tree);
        assert!(finds(&run, names.len() - count), "{name}: {run:?}");
        fs::remove_file(repository.root.join("evil.yaml")).unwrap();
    }
    // A path that no disk could have.
    let deep = "d/".repeat(3000) + "deep.yaml";
    add_entry(
        &repository,
        "100644",
        deep.as_bytes(),
        policy("deep").as_bytes(),
    );
    let run = repository.run(&["lint", "--staged"]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(
        run.stderr.contains("its path is too long for a disk"),
        "{run:?}"
    );
}

#[test]
fn what_git_has_no_text_of_is_counted() {
    let repository = Repository::new("no-text");
    repository.write("a.yaml", policy("a"));
    repository.write(
        "b.yaml",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    );
    repository.write("c.yaml", b"\0GITCRYPT\0\xff\xfe");
    repository.stage();
    add_entry(&repository, "160000", b"sub", b"");
    add_entry(&repository, "120000", b"d.yaml", b"a.yaml");
    let run = repository.run(&["lint", "--staged", "-v", "-o", "concise"]);
    assert_eq!(run.status, 1, "{run:?}");
    assert_eq!(
        run.stderr.lines().collect::<Vec<_>>(),
        [
            "skipped b.yaml: kept by Git LFS, not in git",
            "skipped c.yaml: not a text file",
            "skipped d.yaml: symbolic link, not followed",
            "skipped sub: a submodule, whose files another repository has",
            "left out: 1 policy that the API server rejects: shop/NetworkPolicy/a",
            "found 1 error (1 fixable); read 1 file, 1 object (1 policy); skipped 2 symlink or \
             binary files, 2 submodule or LFS files",
        ]
    );
    let asked = repository.run(&["lint", "--staged", "b.yaml", "sub/k8s"]);
    assert_eq!(asked.status, 2, "{asked:?}");
    assert!(
        asked
            .stderr
            .starts_with("npcheck: b.yaml: not read: Git LFS keeps it"),
        "{asked:?}"
    );
    // What lies in a submodule on the disk cannot be compared, which is said.
    repository.git(["commit", "--quiet", "--message=work"]);
    fs::remove_file(repository.root.join("b.yaml")).unwrap();
    repository.write("sub/x.yaml", policy("x"));
    let new = repository.run(&["lint", "--new-from", "HEAD", "-o", "concise"]);
    assert!(finds(&new, 1), "{new:?}");
    let said = "sub: a submodule, which cannot be read as it was: all that is found in it is new\n";
    assert!(new.stderr.starts_with(said), "{new:?}");

    // An object that is gone.
    let object = repository.git(["rev-parse", ":a.yaml"]);
    let (first, rest) = object.split_at(2);
    fs::remove_file(repository.root.join(".git/objects").join(first).join(rest)).unwrap();
    repository.write("e.yaml", policy("e"));
    repository.git(["add", "e.yaml"]);
    let run = repository.run(&["lint", "--staged", "-o", "concise"]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(
        run.stderr
            .contains("npcheck: a.yaml: cannot be read: git does not have its text\n"),
        "{run:?}"
    );
    assert!(finds(&run, 1), "one bad file hides no other: {run:?}");
}

#[test]
fn a_merge_that_is_not_finished_is_no_good_run() {
    let repository = Repository::new("merge");
    repository.write("a.yaml", policy("a"));
    repository.write("npcheck.yaml", "failOn: error\n");
    repository.commit();
    repository.git(["checkout", "--quiet", "-b", "other"]);
    repository.write("a.yaml", policy("other"));
    repository.write("npcheck.yaml", "failOn: info\n");
    repository.commit();
    repository.git(["checkout", "--quiet", "main"]);
    repository.write("a.yaml", policy("mine"));
    repository.write("npcheck.yaml", "failOn: warning\n");
    repository.commit();
    assert!(!repository.try_git(["merge", "other"]).status.success());
    let run = repository.run(&["lint", "--staged"]);
    assert_eq!(run.status, 2);
    let said =
        "npcheck: npcheck.yaml: cannot be read: `npcheck.yaml` has conflicts in git's index\n";
    assert_eq!(run.stderr, said);
    let run = repository.run(&["lint", "--staged", "--no-config", "-o", "concise"]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(
        run.stderr
            .contains("npcheck: a.yaml: not read: it has conflicts in git's index\n"),
        "{run:?}"
    );
}

#[test]
fn repositories_of_other_kinds_are_read_too() {
    // Objects with longer names.
    let repository = Repository {
        root: scratch("git-sha256"),
    };
    repository.git(["init", "--quiet", "--object-format=sha256"]);
    repository.write("a.yaml", policy("a"));
    repository.commit();
    repository.write("b.yaml", policy("b"));
    repository.stage();
    assert!(finds(&repository.run(BOTH), 1));
    // Another work tree of the same repository, whose `.git` is a file.
    repository.commit();
    repository.git(["worktree", "add", "--quiet", "beside", "HEAD~1"]);
    repository.write("beside/c.yaml", policy("c"));
    let run = repository.run_in("beside", &["lint", "--new-from", "HEAD", "-o", "concise"]);
    assert!(finds(&run, 1), "{run:?}");
    // A path that leads to the repository through a link.
    let link = repository.root.join("link");
    symlink(repository.root.join("beside"), &link).unwrap();
    let mut command = command(&link, BOTH);
    isolate(&mut command);
    command.arg(link.join("c.yaml"));
    let run = Run::from(command.output().unwrap());
    assert_eq!(
        (run.status, run.stdout.as_str()),
        (0, ""),
        "not staged: {run:?}"
    );
    // An entry that is only meant to be added has no text yet.
    repository.write("later.yaml", policy("later"));
    repository.git(["add", "--intent-to-add", "later.yaml"]);
    let run = repository.run(BOTH);
    assert!(finds(&run, 0), "{run:?}");
    // Files that are not checked out are staged all the same.
    repository.git(["reset", "--quiet", "--hard"]);
    repository.write("far/d.yaml", policy("d"));
    repository.stage();
    repository.git([
        "sparse-checkout",
        "set",
        "--cone",
        "--sparse-index",
        "nowhere",
    ]);
    let run = repository.run(BOTH);
    assert!(finds(&run, 1), "{run:?}");
}
