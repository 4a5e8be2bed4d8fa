//! What strangers can put into a repository beside manifests: ignore files, configurations
//! and links. None of it may hang npcheck, eat the machine, or print a file of it.

use super::program::{Run, command, run, scratch, write};
use super::repository::Repository;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";

/// Runs npcheck with half a gigabyte of memory, for at most twenty seconds.
fn run_limited(directory: &Path, arguments: &[&str]) -> Run {
    let program = command(directory, &[]).get_program().to_owned();
    let mut shell = Command::new("sh");
    let script = "ulimit -v 1500000; exec timeout 20 \"$@\"";
    shell
        .args(["-c", script, "sh"])
        .arg(program)
        .args(arguments);
    shell.current_dir(directory).env("NO_COLOR", "1");
    Run::from(shell.output().unwrap())
}

/// Asserts that the run went on, said why an ignore file was not obeyed, and read all.
fn assert_read(run: &Run, reason: &str) {
    assert_eq!(run.status, 2, "{run:?}");
    assert!(run.stderr.contains(reason), "{run:?}");
    assert!(run.stdout.contains("shop"), "{run:?}");
}

#[test]
fn ignore_files_that_never_end_are_not_obeyed() {
    for (name, place) in [("endless-root", ""), ("endless-below", "k8s/")] {
        for file in [".gitignore", ".ignore", ".npcheckignore"] {
            let directory = scratch(&format!("{name}{file}"));
            write(&directory, ".git/HEAD", "ref: refs/heads/main\n");
            write(&directory, &format!("{place}a.yaml"), NAMESPACE);
            let path = directory.join(place).join(file);
            symlink("/dev/zero", &path).unwrap();
            let read = run_limited(&directory, &["files"]);
            assert_read(&read, "it is a link that leads out of the tree");
            std::fs::remove_file(&path).unwrap();

            let made = Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(made.success());
            let read = run_limited(&directory, &["files"]);
            assert_read(&read, "it is not a regular file");
            std::fs::remove_file(&path).unwrap();

            write(
                &directory,
                &format!("{place}{file}"),
                vec![b'a'; (1 << 20) + 1],
            );
            let read = run_limited(&directory, &["files"]);
            assert_read(&read, "it is larger than 1 MiB");
        }
    }
}

#[test]
fn ignore_files_within_the_tree_are_obeyed() {
    let directory = scratch("ignored-by-link");
    write(&directory, ".git/HEAD", "ref: refs/heads/main\n");
    write(&directory, "ignored/patterns", "left-out.yaml\n");
    write(&directory, "k8s/left-out.yaml", NAMESPACE);
    write(&directory, "k8s/a.yaml", NAMESPACE);
    symlink("../ignored/patterns", directory.join("k8s/.npcheckignore")).unwrap();
    let read = run(&directory, &["files"]);
    assert_eq!(read.status, 0, "{read:?}");
    assert!(!read.stdout.contains("left-out.yaml  "), "{read:?}");
}

#[test]
fn a_configuration_shows_nothing_of_the_machine() {
    let secret = scratch("secrets");
    write(
        &secret,
        ".netrc",
        "machine github.com login x password hunter2\n",
    );
    let directory = scratch("configured-by-link");
    write(&directory, ".git/HEAD", "ref: refs/heads/main\n");
    write(&directory, "a.yaml", NAMESPACE);
    let path = directory.join("npcheck.yaml");
    symlink(secret.join(".netrc"), &path).unwrap();
    for arguments in [&["lint"][..], &["lint", "--config", "npcheck.yaml"]] {
        let refused = run(&directory, arguments);
        assert_eq!(refused.status, 2, "{refused:?}");
        assert!(
            refused.stderr.contains("leads out of the tree"),
            "{refused:?}"
        );
        assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    }
    std::fs::remove_file(&path).unwrap();
    for text in [
        "machine github.com login x password hunter2\n",
        "ignore: password hunter2\n",
        "rules: [hunter2]\n",
        "inventory: {hunter2: 1}\n",
        "dns: hunter2\n",
        "cni: hunter2\n",
        "failOn: hunter2\n",
        "inventory: hunter2\n",
        "kubernetes: hunter2\n",
        "rules: {accidental-or: hunter2}\n",
        "cluster: {podCIDRs: [hunter2]}\n",
        "cluster: {ipFamilies: [hunter2]}\n",
        "cilium: {labels: '(hunter2'}\n",
        "cilium: {enablePolicy: hunter2}\n",
        "ignore: [{rule: hunter2, object: x, reason: y}]\n",
        "ignore: [{rule: accidental-or, object: '[hunter2', reason: y}]\n",
        "ignore: [{rule: accidental-or, object: x, reason: y, until: hunter2}]\n",
        "scopes: [{name: a, paths: ['[hunter2']}]\n",
    ] {
        write(&directory, "npcheck.yaml", text);
        let refused = run(&directory, &["lint"]);
        assert_eq!(refused.status, 2, "{text}: {refused:?}");
        let says = refused.stderr.contains("hunter2");
        assert!(!says || text.contains("{hunter2"), "{text}: {refused:?}");
    }
    write(&directory, "npcheck.yaml", vec![b'#'; (1 << 20) + 1]);
    let refused = run(&directory, &["lint"]);
    assert!(refused.stderr.contains("larger than 1 MiB"), "{refused:?}");
}

#[test]
fn a_baseline_shows_nothing_of_the_machine() {
    let secret = scratch("secrets-beside-a-baseline");
    let hidden = "machine github.com login x password hunter2\n";
    write(&secret, ".netrc", hidden);
    let directory = scratch("baseline-by-link");
    write(&directory, ".git/HEAD", "ref: refs/heads/main\n");
    write(&directory, "a.yaml", NAMESPACE);
    let path = directory.join("known.json");
    for target in [secret.join(".netrc"), "/dev/zero".into()] {
        symlink(target, &path).unwrap();
        let refused = run_limited(&directory, &["lint", "--baseline", "known.json"]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(refused.status, 2, "{refused:?}");
        let says = refused.stderr.contains("leads out of the tree");
        assert!(says && !refused.stderr.contains("hunter2"), "{refused:?}");
    }
    for (text, reason) in [
        (hidden.as_bytes().to_vec(), "is not a baseline"),
        (vec![b'#'; (1 << 20) + 1], "larger than 1 MiB"),
    ] {
        write(&directory, "known.json", text);
        let refused = run(&directory, &["lint", "--baseline", "known.json"]);
        assert_eq!(refused.status, 2, "{refused:?}");
        assert!(refused.stderr.contains(reason), "{refused:?}");
        assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    }
}

#[test]
fn a_staged_link_out_of_the_tree_is_called_what_it_is() {
    let repository = Repository::new("link-out");
    symlink("/etc/hostname", repository.root.join("l.yaml")).unwrap();
    repository.git(["add", "l.yaml"]);
    let refused = run(&repository.root, &["lint", "--staged", "l.yaml"]);
    assert_eq!(refused.status, 2, "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("a link that leads to nothing git has"),
        "{refused:?}"
    );
}

/// A tree of a few objects that unfolds to 90,000 files, in git's index.
#[test]
fn what_git_has_once_is_not_read_without_end() {
    let repository = Repository::new("copies");
    repository.write("one.yaml", "a: b\n");
    let blob = repository.git(["hash-object", "-w", "one.yaml"]);
    let width = 300;
    let tree = |entry: &str| {
        let entries = (0..width).map(|number| entry.replace("NUMBER", &number.to_string()));
        repository.write("entries", entries.collect::<String>());
        let mut command = Command::new("sh");
        command.args(["-c", "git mktree < entries"]);
        super::repository::isolate(&mut command);
        let made = command.current_dir(&repository.root).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    };
    let files = tree(&format!("100644 blob {}\tfNUMBER.yaml\n", blob.trim()));
    let directories = tree(&format!("040000 tree {files}\tdNUMBER\n"));
    repository.git(["read-tree", &directories]);
    let read = run_limited(&repository.root, &["lint", "--staged"]);
    assert_eq!(read.status, 2, "{read:?}");
    let says = "more than 50000 files have the text of another one";
    assert!(read.stderr.contains(says), "{read:?}");
}

#[test]
fn a_text_that_git_packs_to_nothing_is_not_unpacked() {
    let repository = Repository::new("zeros");
    let path = repository.root.join("zeros.yaml");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(300 << 20).unwrap();
    repository.git(["-c", "core.bigFileThreshold=1g", "add", "zeros.yaml"]);
    let read = run_limited(&repository.root, &["lint", "--staged"]);
    assert_eq!(read.status, 2, "{read:?}");
    assert!(read.stderr.contains("larger than 256 MiB"), "{read:?}");
}

#[test]
fn a_question_about_too_much_is_refused_at_once() {
    // Each pair of pods is blocked by other policies, so that there are 360,000 answers.
    let mut text = String::new();
    for number in 0..600 {
        let (before, next) = (number.max(1) - 1, number + 1);
        text += &format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p{number}, labels: {{app: p{number}}}}}}}\n---\n\
             {{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p{number}}}, \
             spec: {{podSelector: {{matchLabels: {{app: p{number}}}}}, \
             ingress: [{{from: [{{podSelector: {{matchLabels: {{app: p{next}}}}}}}]}}], \
             egress: [{{to: [{{podSelector: {{matchLabels: {{app: p{before}}}}}}}]}}]}}}}\n---\n"
        );
    }
    let directory = scratch("strangers-pairs");
    write(&directory, "all.yaml", text);
    let all = run(&directory, &["reach", "any", "any"]);
    assert_eq!(all.status, 2, "{all:?}");
    assert!(
        all.stderr.contains("are too many pairs: ask for fewer"),
        "{all:?}"
    );
    let one = run(
        &directory,
        &["reach", "default/p2", "default/p1", "-p", "80"],
    );
    assert_eq!(one.status, 0, "{one:?}");
}

#[test]
fn what_a_build_leaves_out_because_of_a_limit_is_not_analysed() {
    let elements = |key: &str| {
        let elements: Vec<String> = (0..150)
            .map(|number| format!("{{{key}: v{number}}}"))
            .collect();
        format!("list: {{elements: [{}]}}", elements.join(", "))
    };
    let set = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\n\
         metadata: {{name: many, namespace: argocd}}\n\
         spec:\n  generators:\n  - matrix:\n      generators:\n      - {}\n      - {}\n  template:\n    \
         metadata: {{name: '{{{{x}}}}-{{{{y}}}}'}}\n    \
         spec: {{source: {{repoURL: 'https://example.com/r', path: k}}, \
         destination: {{server: 'https://k'}}}}\n",
        elements("x"),
        elements("y")
    );
    let directory = scratch("strangers-limit");
    write(&directory, "set.yaml", set);
    for arguments in [
        &["lint", "."][..],
        &["graph", "."],
        &["reach", "any", "any", "."],
        &["files", "."],
    ] {
        let told = run(&directory, arguments);
        assert_eq!(told.status, 2, "{arguments:?}: {told:?}");
        let text = told.stdout + &told.stderr;
        assert!(
            text.contains("more than 10000 sets"),
            "{arguments:?}: {text}"
        );
    }
}
