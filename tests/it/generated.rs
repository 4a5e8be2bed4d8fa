//! Holds what is generated to what the program is now: pages of rules, manual pages,
//! completion scripts, schemas, and blocks of the README.
//!
//! `UPDATE=1 cargo test --test it generated` rewrites all of it.

use super::program::{root, run};
use super::terminal::picture;
use clap::builder::PossibleValue;
use npcheck::cli::manual::{self, Manual};
use npcheck::output::{rule_index, rule_page};
use npcheck::rules;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Texts by the names of their files.
type Files = BTreeMap<String, String>;

#[test]
fn pages_of_rules() {
    let rules: Vec<_> = rules::ALL.iter().map(|rule| rule.meta()).collect();
    let page = |rule: &&npcheck::lint::RuleMeta| (format!("{}.md", rule.name), rule_page(rule));
    let mut files: Files = rules.iter().map(page).collect();
    files.insert("README.md".to_owned(), rule_index(&rules));
    check_directory("docs/rules", &files);
}

#[test]
fn manual_pages() {
    let mut files = Files::new();
    let command = npcheck::cli::command().disable_help_subcommand(true);
    files.insert(
        "npcheck.1".to_owned(),
        manual_page(command.clone(), &manual::PROGRAM),
    );
    let subcommands = command.get_subcommands().map(clap::Command::get_name);
    let named = manual::COMMANDS.iter().map(|manual| manual.command);
    assert_eq!(subcommands.collect::<Vec<_>>(), named.collect::<Vec<_>>());
    for manual in manual::COMMANDS {
        let name = format!("npcheck-{}", manual.command);
        let mut command = npcheck::cli::command();
        command.build();
        let one = command.find_subcommand(manual.command).unwrap().clone();
        let one = one
            .display_name(&name)
            .bin_name(format!("npcheck {}", manual.command));
        files.insert(format!("{name}.1"), manual_page(one, manual));
    }
    check_directory("docs/man", &files);
}

/// A page with the sections that people look for.
fn manual_page(command: clap::Command, manual: &Manual) -> String {
    let has_subcommands = command.has_subcommands();
    let page = clap_mangen::Man::new(command);
    let mut text = Vec::new();
    page.render_title(&mut text).unwrap();
    page.render_name_section(&mut text).unwrap();
    page.render_synopsis_section(&mut text).unwrap();
    page.render_description_section(&mut text).unwrap();
    page.render_options_section(&mut text).unwrap();
    if has_subcommands {
        page.render_subcommands_section(&mut text).unwrap();
    }
    let mut text = String::from_utf8(text).unwrap();
    text += ".SH \"EXIT STATUS\"\n";
    for (status, meaning) in manual.statuses {
        text += &format!(".TP\n\\fB{status}\\fR\n{}\n", roff(meaning));
    }
    text += ".SH EXAMPLES\n";
    for example in manual.examples {
        text += &format!(".PP\n.RS 4\n.nf\n{}\n.fi\n.RE\n", roff(example));
    }
    if let Some(file) = manual.file {
        text += &format!(".SH FILES\n.PP\n.RS 4\n.nf\n{}\n.fi\n.RE\n", roff(file));
    }
    let others = std::iter::once("npcheck".to_owned()).chain(
        manual::COMMANDS
            .iter()
            .map(|other| format!("npcheck-{}", other.command)),
    );
    let own = match manual.command {
        "" => "npcheck".to_owned(),
        name => format!("npcheck-{name}"),
    };
    let others = others.filter(|name| *name != own);
    let others: Vec<String> = others
        .map(|name| format!("\\fB{}\\fR(1)", roff(&name)))
        .collect();
    text += &format!(".SH \"SEE ALSO\"\n{}\n", others.join(",\n"));
    text
}

/// A text for roff: nothing in it is a command.
fn roff(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('-', "\\-")
        .replace('\'', "\\(aq")
}

/// Every example of a manual page is a command line that npcheck takes.
#[test]
fn examples_of_manual_pages() {
    for manual in manual::COMMANDS.iter().chain([&manual::PROGRAM]) {
        assert!(!manual.examples.is_empty() && manual.statuses.len() > 1);
        for example in manual.examples {
            let own = example.rsplit(" | ").next().unwrap();
            let words = own.split_whitespace();
            let matches = npcheck::cli::command().try_get_matches_from(words);
            let command = matches.unwrap_or_else(|error| panic!("{example}: {error}"));
            let is_own = command.subcommand_name() == Some(manual.command);
            assert!(is_own || manual.command.is_empty(), "{example}");
        }
        let statuses: Vec<u8> = manual.statuses.iter().map(|(status, _)| *status).collect();
        assert!(statuses.is_sorted() && statuses[0] == 0);
    }
}

#[test]
fn completion_scripts() {
    let scripts = [
        ("bash", "npcheck.bash"),
        ("elvish", "npcheck.elv"),
        ("fish", "npcheck.fish"),
        ("nushell", "npcheck.nu"),
        ("powershell", "_npcheck.ps1"),
        ("zsh", "_npcheck"),
    ];
    let script = |(shell, name): (&str, &str)| {
        let run = run(root(), &["completions", shell]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{shell}");
        (name.to_owned(), run.stdout)
    };
    check_directory("completions", &scripts.map(script).into());
}

#[test]
fn schemas() {
    let command = npcheck::cli::command();
    let schema = command.find_subcommand("schema").unwrap();
    let mut arguments = schema.get_positionals();
    let names = arguments.next().unwrap().get_possible_values();
    assert!(names.len() > 2, "the schemas have names");
    let file = |name: &PossibleValue| {
        let name = name.get_name().to_owned();
        let run = run(root(), &["schema", &name]);
        assert_eq!(run.status, 0, "{name}");
        (format!("{name}.schema.json"), run.stdout)
    };
    check_directory("docs/schemas", &names.iter().map(file).collect());
}

#[test]
fn blocks_of_the_readme() {
    check_blocks(&root().join("README.md"));
}

/// The pages about the policies of CNI plugins show the examples as they are linted today.
#[test]
fn blocks_of_the_dialects() {
    for page in ["docs/calico.md", "docs/cilium.md"] {
        check_blocks(&root().join(page));
    }
}

#[test]
fn blocks_of_the_guide() {
    let mut pages = 0;
    for entry in fs::read_dir(root().join("docs/guide")).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("README.md") {
            check_blocks(&path);
            pages += 1;
        }
    }
    let index = fs::read_to_string(root().join("docs/guide/README.md")).unwrap();
    assert_eq!(
        index.matches(".md)").count(),
        pages,
        "the index has every page"
    );
}

/// Between `<!-- generated: npcheck … -->` and `<!-- end -->` stands what that command
/// prints.
fn check_blocks(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let mut generated = String::new();
    let mut lines = text.lines();
    let mut blocks = 0;
    while let Some(line) = lines.next() {
        generated += &format!("{line}\n");
        let Some(command) = line.strip_prefix("<!-- generated: ") else {
            continue;
        };
        let command = command.strip_suffix(" -->").unwrap();
        let arguments: Vec<&str> = command.split(' ').skip(1).collect();
        let run = run(root(), &arguments);
        assert!(run.status < 2, "{command}: {run:?}");
        let output = run.stdout.trim_end();
        generated += &format!("```console\n$ {command}\n{output}\n```\n<!-- end -->\n");
        lines
            .find(|line| *line == "<!-- end -->")
            .expect("a generated block ends");
        blocks += 1;
    }
    assert!(
        blocks > 0,
        "{} shows what the program prints",
        path.display()
    );
    check_file(path, &generated);
}

/// The pictures of the README are what the program prints today.
#[test]
fn pictures_of_the_terminal() {
    let lint = run(root(), &["lint", "--color", "always", "examples/shop"]);
    let is_shown = |finding: &&str| finding.contains("accidental-or");
    let finding = lint.stdout.split("\n\n").find(is_shown);
    let finding = finding.expect("the example has an accidental OR");
    let question = ["reach", "shop/web", "shop/cart", "-p", "8080"];
    let coloured = [&question[..], &["--color", "always", "examples/shop"]].concat();
    let reach = run(root(), &coloured);
    let pictures = [
        ("lint.svg", picture("npcheck lint", finding)),
        (
            "reach.svg",
            picture(&format!("npcheck {}", question.join(" ")), &reach.stdout),
        ),
    ];
    let files = pictures.map(|(name, svg)| (name.to_owned(), svg));
    check_directory("docs/pictures", &files.into());
}

/// Holds a directory to exactly these files.
fn check_directory(name: &str, files: &Files) {
    let directory = root().join(name);
    if is_update() {
        fs::create_dir_all(&directory).unwrap();
    }
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        if !files.contains_key(file) {
            assert!(is_update(), "{name}/{file} is generated no longer; {HOW}");
            fs::remove_file(&path).unwrap();
        }
    }
    for (file, text) in files {
        check_file(&directory.join(file), text);
    }
}

fn check_file(path: &Path, text: &str) {
    let current = fs::read_to_string(path).unwrap_or_default();
    if current == text {
        return;
    }
    let name = path.strip_prefix(root()).unwrap().display();
    assert!(
        is_update(),
        "{name} is not what it would be generated as; {HOW}"
    );
    fs::write(path, text).unwrap();
}

const HOW: &str = "UPDATE=1 cargo test --test it generated";

fn is_update() -> bool {
    std::env::var_os("UPDATE").is_some()
}
