//! Every rule against its fixtures: `tests/fixtures/rules/<rule>/`.
//!
//! - `fail.yaml`: the rule fires on exactly the lines that end with `#~ <rule>`, and the
//!   finding reads as in `fail.snap`;
//! - `fail.fixed.yaml`: what its fixes make of it: parses, stays as it is in a second run;
//! - `pass.yaml`: the rule is silent;
//! - `suppressed.yaml`: the rule fires, and every finding is allowed with a reason.
//!
//! `UPDATE=1 cargo test --test it rules` writes the fixed texts anew.
//!
//! A first line `# inventory: complete` closes the world for that fixture, and one such as
//! `# npcheck.yaml: {cni: cilium}` is its configuration. A line `# file: base/a.yaml` begins
//! a further file of that name. The examples of the pages may do the same.

mod dialects;
mod fixture;

use fixture::Linted;
use npcheck::config::Config;
use npcheck::diagnostic::FixClass;
use npcheck::lint::Rule;
use npcheck::output;
use npcheck::rules;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rules")
}

/// The lines that carry a mark of the rule.
fn marked(text: &str, rule: &str) -> BTreeSet<u32> {
    let has_mark = |line: &str| {
        line.rsplit_once("#~")
            .is_some_and(|(_, mark)| mark.trim() == rule)
    };
    let lines = text.lines().enumerate().filter(|(_, line)| has_mark(line));
    lines.map(|(index, _)| index as u32 + 1).collect()
}

fn read(rule: &str, file: &str) -> Option<String> {
    fs::read_to_string(fixtures().join(rule).join(file)).ok()
}

/// The fixtures of a kind, `fail.yaml` and further ones such as `fail-openshift.yaml`, each a
/// cluster of its own, with their names in order. Only the first is fixed and rendered.
fn of_kind(rule: &str, kind: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(fixtures().join(rule)).expect("a rule has a folder of fixtures");
    let names = entries.map(|entry| entry.expect("it can be read").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| {
            let rest = name
                .strip_prefix(kind)
                .and_then(|it| it.strip_suffix(".yaml"));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
        .collect();
    names.sort();
    let text = |name: String| {
        let text = read(rule, &name).expect("it is there");
        (name, text)
    };
    names.into_iter().map(text).collect()
}

/// Checks every rule, and names all that fail.
fn each_rule(check: impl Fn(&'static dyn Rule, &'static str)) {
    let failed: Vec<&str> = rules::ALL
        .iter()
        .filter(|rule| {
            let name = rule.meta().name;
            catch_unwind(AssertUnwindSafe(|| check(**rule, name))).is_err()
        })
        .map(|rule| rule.meta().name)
        .collect();
    assert!(failed.is_empty(), "these rules fail: {failed:?}");
}

#[test]
fn a_rule_fires_exactly_where_its_fixture_is_marked() {
    each_rule(|_, name| {
        assert!(read(name, "fail.yaml").is_some(), "{name} has no fail.yaml");
        for (file, text) in of_kind(name, "fail") {
            let expected = marked(&text, name);
            assert!(!expected.is_empty(), "{name}/{file} has no mark");
            let linted = Linted::new(&file, &text);
            assert_eq!(
                linted.lines(name),
                expected,
                "{name}/{file}: {:#?}",
                linted.of(name).collect::<Vec<_>>()
            );
        }
    });
}

#[test]
fn a_rule_is_silent_on_what_is_right() {
    each_rule(|_, name| {
        assert!(read(name, "pass.yaml").is_some(), "{name} has no pass.yaml");
        for (file, text) in of_kind(name, "pass") {
            let linted = Linted::new(&file, &text);
            let found: Vec<_> = linted.of(name).collect();
            assert!(found.is_empty(), "{name}/{file}: {found:#?}");
            assert!(!text.trim().is_empty(), "{name}/{file} is empty");
        }
    });
}

#[test]
fn a_rule_without_a_fix_can_be_suppressed_and_one_with_a_fix_is_mended() {
    each_rule(
        |rule, name| match (read(name, "suppressed.yaml"), read(name, "fail.fixed.yaml")) {
            (None, None) => panic!("{name} has neither suppressed.yaml nor fail.fixed.yaml"),
            (suppressed, fixed) => {
                if let Some(text) = suppressed {
                    let linted = Linted::new("suppressed.yaml", &text);
                    let standing: Vec<_> = linted.of(name).collect();
                    assert!(standing.is_empty(), "{name}/suppressed.yaml: {standing:#?}");
                    let is_suppressed = linted
                        .report
                        .suppressed
                        .iter()
                        .any(|it| it.finding.rule == name);
                    assert!(is_suppressed, "{name}/suppressed.yaml suppresses nothing");
                }
                if let Some(expected) = fixed {
                    assert!(
                        rule.meta().fix.is_some(),
                        "{name} has fail.fixed.yaml, but declares no fix"
                    );
                    let text = read(name, "fail.yaml").expect("another test says that it is there");
                    if is_update() {
                        let file = fixtures().join(name).join("fail.fixed.yaml");
                        fs::write(file, mended(name, &text)).expect("the folder is there");
                        return;
                    }
                    assert_eq!(mended(name, &text), expected, "{name}/fail.fixed.yaml");
                    assert_eq!(
                        mended(name, &expected),
                        expected,
                        "{name}: a second run changes nothing"
                    );
                }
            }
        },
    );
}

#[test]
fn findings_read_as_they_should() {
    each_rule(|_, name| {
        let text = read(name, "fail.yaml").expect("another test says that it is there");
        let rendered = Linted::new("fail.yaml", &text).rendered(name);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(fixtures().join(name));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!("fail", rendered));
    });
}

#[test]
fn a_fix_does_to_connectivity_what_its_class_promises() {
    each_rule(|rule, name| {
        let text = read(name, "fail.yaml").expect("another test says that it is there");
        let linted = Linted::new("fail.yaml", &text);
        let broken = linted.broken_promises(name);
        assert!(broken.is_empty(), "{name}/fail.yaml: {broken:#?}");
        if let Some(FixClass::Narrowing | FixClass::Widening) = rule.meta().fix {
            assert!(
                linted.changes_connectivity(name),
                "{name}/fail.yaml: its fixes do nothing that could break a promise"
            );
        }
    });
}

fn is_update() -> bool {
    std::env::var_os("UPDATE").is_some()
}

/// The text with every fix of the rule applied.
fn mended(name: &str, text: &str) -> String {
    Linted::new("fail.yaml", text).mended(name)
}

#[test]
fn the_pages_example_fires_and_its_counterpart_does_not() {
    each_rule(|rule, name| {
        let page = rule.meta().page;
        for (heading, expected) in [("Example", true), ("Use instead", false)] {
            let text = section(page, heading).and_then(yaml_block);
            let text = text.unwrap_or_else(|| panic!("{name}: `## {heading}` has no yaml block"));
            let linted = Linted::new("page.yaml", &text);
            assert_eq!(
                linted.of(name).count() > 0,
                expected,
                "{name}, {heading}: {:#?}",
                linted.report.findings
            );
        }
    });
}

#[test]
fn the_page_says_how_to_configure_the_rule() {
    let all: Vec<_> = rules::ALL.iter().map(|rule| rule.meta()).collect();
    each_rule(|rule, name| {
        let page = output::rule_page(rule.meta());
        let example = section(&page, "Configuration").and_then(yaml_block);
        let example = example.unwrap_or_else(|| panic!("{name}: no example of a configuration"));
        let config = Config::read(&example, &all).unwrap_or_else(|error| panic!("{name}: {error}"));
        let severity = config.severity(rule.meta(), rule.meta().severity);
        assert_ne!(
            severity,
            Config::default().severity(rule.meta(), rule.meta().severity),
            "{name}: {example}"
        );
    });
}

/// The text of a section of a page, without its heading.
fn section<'p>(page: &'p str, heading: &str) -> Option<&'p str> {
    let start = page
        .find(&format!(" ## {heading}\n"))
        .or_else(|| page.find(&format!("## {heading}\n")))?;
    let body = &page[start..];
    let body = &body[body.find('\n')? + 1..];
    Some(
        body.find("\n ## ")
            .or_else(|| body.find("\n## "))
            .map_or(body, |end| &body[..end]),
    )
}

fn yaml_block(section: &str) -> Option<String> {
    let lines = section
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line));
    let inside: Vec<&str> = lines
        .skip_while(|line| *line != "```yaml")
        .skip(1)
        .take_while(|line| *line != "```")
        .collect();
    (!inside.is_empty()).then(|| inside.join("\n") + "\n")
}

#[test]
fn every_rule_is_declared_as_the_house_asks() {
    let names: Vec<&str> = rules::ALL.iter().map(|rule| rule.meta().name).collect();
    assert!(names.is_sorted(), "rules::ALL is sorted by name");
    let unique: BTreeSet<&&str> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "names are unique");
    each_rule(|rule, name| {
        let meta = rule.meta();
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("src/rules/{}.rs", name.replace('-', "_")));
        let source = fs::read_to_string(&file)
            .unwrap_or_else(|_| panic!("{name} has no file {}", file.display()));
        let camel: String = name
            .split('-')
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect();
        assert!(
            source.contains(&format!("struct {camel} {{")),
            "{name} is declared as {camel}"
        );
        for heading in [
            "What it does",
            "Why is this bad?",
            "Example",
            "Use instead",
            "Fix safety",
        ] {
            assert!(
                section(meta.page, heading).is_some(),
                "{name} has no section `{heading}`"
            );
        }
        assert!(
            !meta.summary.ends_with('.'),
            "{name}: the summary ends with a full stop"
        );
        for muted in meta.mutes {
            assert_ne!(*muted, name, "{name} mutes itself");
        }
    });
}

#[test]
fn messages_are_facts() {
    each_rule(|_, name| {
        let text = read(name, "fail.yaml").expect("another test says that it is there");
        let linted = Linted::new("fail.yaml", &text);
        for finding in linted.of(name) {
            let message = &finding.message;
            assert!(
                !message.ends_with('.'),
                "{name}: `{message}` ends with a full stop"
            );
            let first = message.chars().next().expect("a message is not empty");
            assert!(
                !first.is_uppercase(),
                "{name}: `{message}` starts with a capital"
            );
            assert!(
                finding.severity <= rules_severity(name),
                "{name}: louder than it declares"
            );
        }
    });
}

fn rules_severity(name: &str) -> npcheck::diagnostic::Severity {
    let rule = rules::ALL.iter().find(|rule| rule.meta().name == name);
    rule.expect("the name comes from the list").meta().severity
}
