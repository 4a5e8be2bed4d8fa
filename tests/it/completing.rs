//! What the shells complete, and that each shell of this machine loads its script.

use super::program::{command, root, run, scratch};
use super::repository::Repository;
use std::env;
use std::path::Path;
use std::process::{Command, Output};

/// What is offered for the last of some words in a directory.
fn offered(directory: &Path, words: &[&str]) -> Vec<String> {
    let output = command(directory, &[&["--", "npcheck"], words].concat())
        .env("NPCHECK_COMPLETE", "fish")
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let value = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
    text.lines().map(value).collect()
}

/// Tries a few times: npcheck gives up after a moment, and this machine may be busy.
fn patiently(mut attempt: impl FnMut() -> Result<(), String>) {
    let mut last = Ok(());
    for _ in 0..10 {
        last = attempt();
        if last.is_ok() {
            return;
        }
    }
    last.unwrap();
}

#[test]
fn everything_is_completed() {
    let example = root().join("examples/shop");
    let table: &[(&[&str], &[&str])] = &[
        (&["lint", "-o", ""], &["full", "sarif", "github"]),
        (&["graph", "-o", "h"], &["html"]),
        (&["diff", "-o", "mer"], &["mermaid"]),
        (&["test", "-o", "t"], &["text", "tap"]),
        (&["paths", "-o", "j"], &["json"]),
        (&["exposure", "-o", "c"], &["csv"]),
        (&["reach", "-o", "j"], &["json"]),
        (&["reach", "shop/we"], &["shop/web"]),
        (&["reach", "shop/web", "shop/svc/ca"], &["shop/svc/cart"]),
        (&["paths", "int"], &["internet"]),
        (&["graph", "--around", "shop/we"], &["shop/web"]),
        (&["diff", "--focus", "shop/we"], &["shop/web"]),
        (&["reach", "-n", "sh"], &["shop"]),
        (&["graph", "-n", "mon"], &["monitoring"]),
        (&["reach", "shop/web", "shop/cart", "-p", "80"], &["8080"]),
        (&["paths", "shop/web", "shop/cart", "-p", "ht"], &["http"]),
        (&["explain", "accid"], &["accidental-or"]),
        (&["lint", "--select", "accid"], &["accidental-or"]),
        (
            &["lint", "--select", "any-cidr,accid"],
            &["any-cidr,accidental-or"],
        ),
        (
            &["lint", "--ignore", "missing-dns"],
            &["missing-dns-egress"],
        ),
        (&["lint", "--cni", "ci"], &["cilium"]),
        (&["lint", "--fail-on", "w"], &["warning"]),
        (&["init", "--ci", "git"], &["github", "gitlab"]),
        (&["schema", "conf"], &["config"]),
        (&["completions", "nu"], &["nushell"]),
    ];
    for (words, expected) in table {
        patiently(|| {
            let offered = offered(&example, words);
            let mut expected = expected.iter();
            let is_offered = |name: &&str| offered.iter().any(|offer| offer == name);
            expected
                .all(is_offered)
                .then_some(())
                .ok_or(format!("{words:?}: {offered:?}"))
        });
    }
    assert_eq!(
        offered(&example, &["reach", "nowhere/"]),
        Vec::<String>::new()
    );
    let gitops = root().join("examples/gitops/kustomize");
    patiently(|| match offered(&gitops, &["lint", "--cluster", "p"]) {
        names if names == ["prod"] => Ok(()),
        names => Err(format!("{names:?}")),
    });
}

#[test]
fn branches_and_tags_are_completed() {
    let repository = Repository::new("completing");
    repository.write("a.yaml", "kind: Pod\n");
    repository.commit();
    repository.git(["branch", "topic/one"]);
    repository.git(["tag", "v1.0"]);
    for (words, expected) in [
        (
            &["lint", "--new-from", ""][..],
            &["HEAD", "main", "topic/one", "v1.0"][..],
        ),
        (&["lint", "--new-from", "to"], &["topic/one"]),
        (&["diff", "--merge-base", "ma"], &["main"]),
        (&["diff", "git:v"], &["git:v1.0"]),
        (&["diff", "a."], &["a.yaml"]),
    ] {
        patiently(|| match offered(&repository.root, words) {
            names if names == expected => Ok(()),
            names => Err(format!("{words:?}: {names:?}")),
        });
    }
    let outside = scratch("completing-outside");
    std::fs::write(outside.join(".git"), "gitdir: /nowhere\n").unwrap();
    assert_eq!(
        offered(&outside, &["lint", "--new-from", ""]),
        Vec::<String>::new()
    );
}

/// A shell with npcheck on its PATH, in the directory of the example; nothing, with a word on
/// it, if this machine does not have it.
#[expect(clippy::print_stderr, reason = "a shell that is not tried is named")]
fn shell(name: &str, arguments: &[&str]) -> Option<Output> {
    let program = Path::new(env!("CARGO_BIN_EXE_npcheck")).parent().unwrap();
    let inherited = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(
        [program.to_owned()]
            .into_iter()
            .chain(env::split_paths(&inherited)),
    );
    let mut command = Command::new(name);
    command
        .args(arguments)
        .current_dir(root().join("examples/shop"))
        .env("PATH", path.unwrap());
    match command.output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("{name} is not on this machine, so its script is not loaded: {error}");
            None
        }
    }
}

/// What a shell printed, which must have gone well.
fn printed(name: &str, arguments: &[&str]) -> Option<String> {
    let output = shell(name, arguments)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{name}: {output:?}"
    );
    Some(text)
}

/// Completes the end of a line as bash does: words are cut at `:` and `=` as well.
const BASH: &str = r#"source <(npcheck completions bash)
complete_line() {
    COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=() COMPREPLY=() COMP_TYPE=9
    local rest=$1 word
    while [[ $rest ]]; do
        case $rest in
            [[:space:]]*) rest=${rest#?}; [[ $rest && $rest != [[:space:]]* ]] || COMP_WORDS+=(""); continue ;;
            [:=]*) word=${rest%%[!:=]*} ;;
            *) word=${rest%%[:=[:space:]]*} ;;
        esac
        COMP_WORDS+=("$word"); rest=${rest#"$word"}
    done
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    local current=${COMP_WORDS[COMP_CWORD]}
    [[ $current != [:=]* ]] || current=""
    _clap_complete_npcheck npcheck "$current" "" 2>/dev/null
    printf '%s\n' "${COMPREPLY[@]}" "--"
}
"#;

#[test]
fn bash_completes() {
    let lines = [
        ("npcheck lint -o sa", "sarif"),
        ("npcheck reach shop/we", "shop/web"),
        (
            "npcheck lint --select any-cidr,accid",
            "any-cidr,accidental-or",
        ),
        ("npcheck lint --fail-on=w", "warning"),
        ("npcheck diff git:HEA", "HEAD"),
        ("npcheck diff git:", "HEAD"),
        ("npcheck graph --namespace ", "shop"),
    ];
    let questions = lines.map(|(line, _)| format!("complete_line '{line}'\n"));
    let script = format!("{BASH}{}", questions.concat());
    patiently(|| {
        let Some(text) = printed("bash", &["--norc", "-c", &script]) else {
            return Ok(());
        };
        let answers = text.split("--\n").map(|answer| answer.lines().collect());
        let answers: Vec<Vec<&str>> = answers.collect();
        let mut both = lines.iter().zip(&answers);
        let wrong = both.find(|((_, expected), answer)| !answer.contains(expected));
        wrong.map_or(Ok(()), |wrong| Err(format!("{wrong:?} of {text}")))
    });
}

#[test]
fn zsh_loads_its_script() {
    let script = "autoload -U compinit; compinit -D; source <(npcheck completions zsh); print $_comps[npcheck]";
    if let Some(text) = printed("zsh", &["-f", "-c", script]) {
        assert_eq!(text, "_clap_dynamic_completer_npcheck\n");
    }
}

#[test]
fn fish_completes() {
    let script = "npcheck completions fish | source; complete -C 'npcheck reach shop/we'; complete -C 'npcheck lint -o sa'";
    patiently(|| match printed("fish", &["--no-config", "-c", script]) {
        Some(text) if !(text.contains("shop/web\tDeployment") && text.contains("sarif\t")) => {
            Err(text)
        }
        _ => Ok(()),
    });
}

#[test]
fn elvish_loads_its_script() {
    // The module of the editor is there only where somebody types.
    let script = "var edit: = (ns [&completion:=(ns [&arg-completer=[&]])]); \
                  eval &ns=(ns [&edit:=$edit:]) (npcheck completions elvish | slurp)";
    if let Some(text) = printed("elvish", &["-norc", "-c", script]) {
        assert_eq!(text, "");
    }
}

#[test]
fn nushell_completes() {
    let directory = scratch("completing-nushell");
    let text = run(root(), &["completions", "nushell"]).stdout;
    let asked = text.replace(
        "  def \"nu-complete npcheck\" [",
        "  export def \"nu-complete npcheck\" [",
    );
    assert_ne!(text, asked);
    let path = directory.join("npcheck.nu");
    std::fs::write(&path, asked).unwrap();
    let nu = |script: &str| {
        let script = format!("use {} *; {script}", path.display());
        printed("nu", &["--no-config-file", "-c", &script])
    };
    let wanted = "[{\"value\":\"shop/web\",\"description\":\"Deployment\"}]";
    patiently(
        || match nu("nu-complete npcheck 'npcheck reach shop/we' | to json -r") {
            Some(text) if text.trim_end() != wanted => Err(text),
            _ => Ok(()),
        },
    );
    // An option whose value may be left out, with it and without.
    for fix in ["--fix", "--fix=narrowing"] {
        let said = nu(&format!(
            "npcheck lint -q {fix} --diff netpol-shop.yaml | lines | length"
        ));
        assert_ne!(said.as_deref(), Some(""), "{fix}");
    }
}

#[test]
fn powershell_loads_its_script() {
    let script = "npcheck completions powershell | Out-String | Invoke-Expression; \
                  (TabExpansion2 'npcheck reach shop/we' 21).CompletionMatches.CompletionText";
    patiently(
        || match printed("pwsh", &["-NoProfile", "-Command", script]) {
            Some(text) if !text.contains("shop/web") => Err(text),
            _ => Ok(()),
        },
    );
}
