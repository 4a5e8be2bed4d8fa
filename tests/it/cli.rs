//! The program at its edges: exit statuses, standard input, files that cannot be read, a
//! closed pipe, names that strangers made up.

use super::program::{command, root, run, run_with_stdin, scratch, write};

/// A policy without anything to complain about, and the pod that it selects.
const GOOD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web, ports: [{containerPort: 80}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {}}]
      ports: [{protocol: TCP, port: 80}]
";

#[test]
fn a_good_manifest_is_good_from_a_file_a_directory_and_standard_input() {
    let directory = scratch("good");
    write(&directory, "k8s/web.yaml", GOOD);
    write(&directory, "k8s/values.yaml", "replicas: 3\n");
    for path in ["k8s/web.yaml", "k8s", "."] {
        let run = run(&directory, &["lint", path]);
        assert_eq!(
            (run.status, run.stdout.as_str()),
            (0, ""),
            "{path}: {run:?}"
        );
        assert!(run.stderr.starts_with("no findings; read "), "{run:?}");
    }
    let run = run_with_stdin(&directory, &["lint", "-"], GOOD.as_bytes());
    assert_eq!((run.status, run.stdout.as_str()), (0, ""), "{run:?}");
    assert!(run.stderr.contains("1 policy, 1 workload"), "{run:?}");
}

#[test]
fn nothing_to_analyse_is_never_green() {
    let directory = scratch("nothing");
    write(&directory, "values.yaml", "replicas: 3\n");
    write(&directory, "empty.yaml", "");
    for arguments in [
        &["lint"][..],
        &["lint", "values.yaml"],
        &["lint", "-"],
        &["files"],
        &["lint", "--exit-zero"],
    ] {
        let run = run(&directory, arguments);
        assert_eq!(run.status, 3, "{arguments:?}: {run:?}");
    }
    let run = run(&directory, &["lint"]);
    assert!(run.stderr.contains("no Kubernetes object"), "{run:?}");
    assert!(!run.stderr.contains("hidden or ignored file"), "{run:?}");
}

#[test]
fn where_nothing_is_to_analyse_what_was_passed_over_is_told() {
    let directory = scratch("passed-over");
    write(&directory, ".tests/a.yaml", GOOD);
    let all = run(&directory, &["lint"]);
    assert_eq!(all.status, 3, "{all:?}");
    assert!(
        all.stderr.contains("1 hidden or ignored file skipped"),
        "{all:?}"
    );
    for arguments in [&["lint", ".tests"][..], &["lint", "--hidden"]] {
        let named = run(&directory, arguments);
        assert_eq!(named.status, 0, "{named:?}");
    }
}

#[test]
fn wrong_use_is_2_and_help_is_0() {
    let directory = scratch("usage");
    write(&directory, "web.yaml", GOOD);
    for arguments in [
        &["lint", "--no-such-option"][..],
        &["lint", "-o", "no-such-format"],
        &["no-such-command"],
        &["lint", "no-such-file.yaml"],
        &[],
    ] {
        let run = run(&directory, arguments);
        assert_eq!(run.status, 2, "{arguments:?}: {run:?}");
        assert_ne!(run.stderr, "");
    }
    for arguments in [&["--help"][..], &["--version"], &["lint", "--help"]] {
        assert_eq!(run(&directory, arguments).status, 0);
    }
    let run = run(&directory, &["lint", "web.yml"]);
    assert!(run.stderr.contains("did you mean `web.yaml`?"), "{run:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_hides_no_other() {
    let directory = scratch("unreadable");
    write(
        &directory,
        "a-latin1.yaml",
        b"apiVersion: v1\nkind: Pod # caf\xe9\n",
    );
    write(&directory, "b-utf16.yaml", utf16(GOOD));
    write(&directory, "c-cut.yaml.gz", &gzip(GOOD.as_bytes())[..40]);
    write(&directory, "d-bomb.yaml.gz", gzip(&vec![b' '; 64 << 20]));
    write(&directory, "e-good.yaml.gz", gzip(GOOD.as_bytes()));
    write(&directory, "f-picture.json", b"\x89PNG\r\n\x1a\n\xff\xff");
    write(&directory, "g.yaml/h.yaml", "a: 1");
    let run = run(&directory, &["lint", ".", "missing.yaml"]);
    assert_eq!(run.status, 2, "{run:?}");
    for line in [
        "npcheck: a-latin1.yaml: not UTF-8: the byte at offset 30 is invalid\n",
        "npcheck: b-utf16.yaml: encoded in UTF-16: manifests are UTF-8, convert it\n",
        "npcheck: c-cut.yaml.gz: damaged gzip data: it ends too early\n",
        "npcheck: d-bomb.yaml.gz: gzip data that becomes more than 16 MiB: not unpacked\n",
        "npcheck: missing.yaml: no such file or directory\n",
        "1 policy, 1 workload",
        "5 unreadable files, 1 symlink or binary file",
    ] {
        assert!(run.stderr.contains(line), "{line}: {run:?}");
    }
    assert!(!run.stderr.contains("f-picture.json"), "{run:?}");
}

#[cfg(unix)]
#[test]
fn special_files_and_links_do_not_hang_the_walk() {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;
    let directory = scratch("special");
    write(&directory, "k8s/web.yaml", GOOD);
    write(&directory, "outside.yaml", "apiVersion: v1\nkind: [");
    symlink("..", directory.join("k8s/loop")).unwrap();
    symlink("../outside.yaml", directory.join("k8s/link.yaml")).unwrap();
    symlink("nowhere", directory.join("k8s/dangling.yaml")).unwrap();
    let run_k8s = || run(&directory, &["lint", "-v", "k8s"]);
    let plain = run_k8s();
    assert_eq!(plain.status, 0, "{plain:?}");
    assert!(
        plain
            .stderr
            .contains("skipped k8s/link.yaml: symbolic link, not followed\n"),
        "{plain:?}"
    );

    // The path of a socket may only be about a hundred bytes long.
    let socket = std::env::temp_dir().join(format!("npcheck-{}.yaml", std::process::id()));
    let listener = UnixListener::bind(&socket).unwrap();
    let socketed = run(&directory, &["lint", "k8s", socket.to_str().unwrap()]);
    drop(listener);
    std::fs::remove_file(&socket).unwrap();
    assert_eq!(socketed.status, 2, "{socketed:?}");

    let made = Command::new("mkfifo")
        .arg(directory.join("k8s/pipe.yaml"))
        .status();
    assert!(made.unwrap().success());
    let piped = run_k8s();
    assert_eq!(piped.status, 2, "{piped:?}");
    assert!(
        piped
            .stderr
            .contains("npcheck: k8s/pipe.yaml: not read: it is a pipe"),
        "{piped:?}"
    );
    assert!(piped.stderr.contains("1 policy, 1 workload"), "{piped:?}");

    // What a person names is read through a link.
    let linked = run(&directory, &["lint", "k8s/link.yaml"]);
    assert!(linked.stdout.contains("k8s/link.yaml:2"), "{linked:?}");
    write(&directory, "link-me.yaml", GOOD);
    symlink("link-me.yaml", directory.join("linked.yaml")).unwrap();
    assert_eq!(run(&directory, &["lint", "linked.yaml"]).status, 0);
}

#[test]
fn the_walk_obeys_ignore_files_and_files_tells() {
    let directory = scratch("ignored");
    std::fs::create_dir(directory.join(".git")).unwrap();
    write(&directory, ".git/own.yaml", GOOD);
    write(&directory, ".gitignore", "generated/\n");
    write(&directory, ".npcheckignore", "*-test.yaml\n");
    write(&directory, "web.yaml", GOOD);
    write(&directory, "generated/web.yaml", GOOD);
    write(&directory, "web-test.yaml", GOOD);
    write(&directory, ".github/hidden.yml", "on: push\n");
    let walked = run(&directory, &["files"]);
    assert_eq!(walked.status, 0, "{walked:?}");
    for line in [
        "web.yaml\n      1  shop/Pod/web\n      6  shop/NetworkPolicy/web\n",
        ".github/hidden.yml\n         skipped: hidden\n",
        "generated/web.yaml\n         skipped: ignored by .gitignore or .npcheckignore\n",
        "web-test.yaml\n         skipped: ignored by .gitignore or .npcheckignore\n",
        "read 1 file, 2 objects (1 policy, 1 workload)\n",
    ] {
        assert!(walked.stdout.contains(line), "{line}: {}", walked.stdout);
    }
    for (options, read) in [
        (&["--hidden"][..], "read 2 files, 2 objects"),
        (&["--no-ignore"], "read 3 files, 6 objects"),
        (&["--no-ignore", "--hidden"], "read 4 files, 6 objects"),
    ] {
        let more = run(&directory, &[&["files", "-q"], options].concat());
        assert!(more.stdout.contains(read), "{options:?}: {more:?}");
        // git's own files are nobody's manifests.
        assert!(!more.stdout.contains(".git/"), "{options:?}: {more:?}");
    }
    // What a person names is read whatever the ignore files say, and once.
    let asked = run(
        &directory,
        &["lint", "generated", "generated/web.yaml", "./generated"],
    );
    assert_eq!(asked.status, 0, "{asked:?}");
    assert!(asked.stderr.contains("read 1 file, 2 objects"), "{asked:?}");
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_the_program_quietly() {
    use std::io::Read;
    use std::process::Stdio;
    let directory = scratch("closed-pipe");
    let pods: String = (0..5000)
        .map(|n| format!("---\napiVersion: v1\nkind: Pod\nmetadata: {{name: pod-{n}}}\n"))
        .collect();
    write(&directory, "pods.yaml", pods);
    let mut child = command(&directory, &["files"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 9];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"pods.yaml");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stderr, b"");
    assert_eq!(output.status.code(), Some(0));
}

#[cfg(unix)]
#[test]
fn names_that_strangers_made_up_reach_the_terminal_disarmed() {
    let directory = scratch("hostile-names");
    let name = "a\u{1b}[31m\n\u{202e}b.yaml";
    write(
        &directory,
        name,
        GOOD.replace("name: web, ", "name: \"w\\e[31m\\u202E\", "),
    );
    write(&directory, "bad\u{1b}]0;x\u{7}.yaml", b"apiVersion: \xff");
    for arguments in [
        &["files", "--color", "never"][..],
        &["lint", "-v"],
        &["lint", "-o", "concise"],
    ] {
        let run = run(&directory, arguments);
        let output = [run.stdout, run.stderr].concat();
        let raw = ['\u{1b}', '\u{7}', '\u{202e}'];
        assert!(!output.contains(raw), "{arguments:?}: {output:?}");
        assert!(output.contains("bad\\u{1b}]0;x\\u{7}.yaml"), "{output:?}");
    }
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    let directory = scratch("colours");
    write(&directory, "web.yaml", GOOD);
    let plain = run(&directory, &["files"]).stdout;
    let forced = command(&directory, &["files"])
        .env("FORCE_COLOR", "1")
        .output()
        .unwrap();
    let forced = String::from_utf8(forced.stdout).unwrap();
    let refused = command(&directory, &["files", "--color=always"])
        .env("NO_COLOR", "1")
        .output();
    let refused = String::from_utf8(refused.unwrap().stdout).unwrap();
    assert!(!plain.contains('\u{1b}'));
    assert!(forced.contains('\u{1b}'));
    assert!(
        refused.contains('\u{1b}'),
        "an option outranks the environment"
    );
}

#[test]
fn the_same_input_gives_the_same_bytes_with_any_number_of_threads() {
    let states = ["examples/guide/before.yaml", "examples/guide/after.yaml"];
    let questions: [&[&str]; 6] = [
        &["lint", "examples"],
        &["lint", "--fix=all", "--diff", "examples/shop"],
        &["graph", "-o", "json-lines", "examples"],
        &["diff", states[0], states[1]],
        &["reach", "any", "any", "examples/guide"],
        &["reach", "internet", "any", "-o", "json", "examples/shop"],
    ];
    for arguments in questions {
        let outputs = ["1", "2", "7"].map(|threads| {
            let output = command(root(), arguments)
                .env("RAYON_NUM_THREADS", threads)
                .output();
            let output = output.unwrap();
            (output.status.code(), output.stdout, output.stderr)
        });
        assert!(!outputs[0].1.is_empty(), "{arguments:?}");
        assert!(
            outputs.iter().all(|output| *output == outputs[0]),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_long_list_gives_the_same_bytes_with_any_number_of_threads() {
    let directory = scratch("long-list");
    let items: String = (0..4_000)
        .map(|number| {
            format!(
                "- apiVersion: v1\n  kind: Pod\n  metadata: {{name: p{number}, namespace: n, \
                 labels: {{app: a{number}, app: b}}}}\n  spec: {{containers: []}}\n"
            )
        })
        .collect();
    let list = format!("apiVersion: v1\nitems:\n{items}kind: List\n");
    write(&directory, "list.yaml", list);
    let outputs = ["1", "3"].map(|threads| {
        let output = command(&directory, &["lint", "-o", "json", "list.yaml"])
            .env("RAYON_NUM_THREADS", threads)
            .output();
        output.unwrap().stdout
    });
    assert!(outputs[0] == outputs[1]);
    assert!(String::from_utf8_lossy(&outputs[0]).contains("p3999"));
}

fn gzip(text: &[u8]) -> Vec<u8> {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    let mark = [0xff, 0xfe];
    mark.into_iter()
        .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
        .collect()
}

#[test]
fn hostile_documents_end_and_hide_nobody() {
    let directory = scratch("hostile-documents");
    write(&directory, "good.yaml", GOOD);
    write(
        &directory,
        "crlf.yaml",
        GOOD.replace("shop", "crlf").replace('\n', "\r\n"),
    );
    write(
        &directory,
        "bom.yaml",
        format!("\u{feff}{}", GOOD.replace("shop", "bom")),
    );
    let many: String = (0..50_000).map(|n| format!("---\na: {n}\n")).collect();
    write(&directory, "many.yaml", many);
    let head = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: ";
    let deep = "[".repeat(100_000);
    write(&directory, "x-deep.yaml", format!("{head}{deep}\n"));
    write(
        &directory,
        "x-deep.json",
        format!(r#"{{"apiVersion":"v1","kind":"Pod","spec":{deep}"#),
    );
    let bomb: String = (1..30)
        .map(|n| {
            let previous = format!("*a{}", n - 1);
            format!("a{n}: &a{n} [{}]\n", [previous.as_str(); 10].join(", "))
        })
        .collect();
    write(
        &directory,
        "x-bomb.yaml",
        format!("a0: &a0 x\n{bomb}{head}\n"),
    );
    write(
        &directory,
        "x-tab.yaml",
        format!("{head}\n\tcontainers: []\n"),
    );
    let run = run(&directory, &["lint", "-o", "concise"]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(run.stderr.contains("3 policies, 3 workloads"), "{run:?}");
    for file in ["x-deep.yaml", "x-deep.json", "x-bomb.yaml", "x-tab.yaml"] {
        assert!(run.stdout.contains(&format!("{file}:")), "{file}: {run:?}");
    }
}

#[test]
fn the_configuration_in_the_manual_is_taken() {
    let manual = std::fs::read_to_string(root().join("docs/usage.md")).unwrap();
    let blocks = manual.split("```yaml\n").skip(1);
    let mut blocks = blocks.map(|block| block.split("```").next().unwrap());
    let example = blocks.find(|block| block.starts_with("failOn:")).unwrap();
    let directory = scratch("manual");
    write(&directory, "npcheck.yaml", example);
    write(&directory, "k8s/web.yaml", GOOD);
    let run = run(&directory, &["lint", "k8s"]);
    assert_eq!(run.status, 0, "{run:?}");
}
