//! One mistake in the policies of every dialect: `tests/fixtures/dialects/<rule>.yaml`.
//!
//! A line `# --- ` begins a section: the objects that all of them share (`base`), a policy of
//! one kind with the mistake (`mistake`; `told by` names a rule that tells of it in this dialect),
//! a policy that the rule does not look into (`silent`), and a policy that makes up for all of
//! the mistakes (`healed by`), of whichever kind that the CNI plugin enforces beside the other.
//!
//! Refuses to know why a rule is silent; its page says so.

use super::fixture::Linted;
use npcheck::rules;
use std::fs;
use std::path::Path;

/// The kinds that a CNI plugin enforces, as sections name them.
const PLUGINS: [(&str, [&str; 3]); 2] = [
    (
        "cilium",
        [
            "NetworkPolicy",
            "CiliumNetworkPolicy",
            "CiliumClusterwideNetworkPolicy",
        ],
    ),
    (
        "calico",
        [
            "NetworkPolicy",
            "NetworkPolicy of Calico",
            "GlobalNetworkPolicy",
        ],
    ),
];

struct Section<'t> {
    what: &'t str,
    kind: &'t str,
    told_by: Option<&'t str>,
    text: &'t str,
}

fn sections(text: &str) -> Vec<Section<'_>> {
    let sections = text.split("# --- ").skip(1);
    let sections = sections.map(|section| {
        let (head, text) = section.split_once('\n').expect("a section has lines");
        let (what, rest) = head.split_once(": ").unwrap_or((head, ""));
        let (kind, told_by) = match rest.split_once(", told by ") {
            Some((kind, rule)) => (kind, Some(rule)),
            None => (rest, None),
        };
        Section {
            what,
            kind,
            told_by,
            text,
        }
    });
    sections.collect()
}

/// How many findings of a rule there are where these objects are in force.
fn count(rule: &str, cni: &str, objects: &[&str]) -> usize {
    let text = format!("# npcheck.yaml: {{cni: {cni}}}\n{}", objects.join("---\n"));
    Linted::new(rule, &text).of(rule).count()
}

#[test]
fn a_mistake_is_told_in_every_dialect_and_healed_by_every_other() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dialects");
    let mut failed = Vec::new();
    let mut judged = 0;
    for entry in fs::read_dir(folder).expect("there are fixtures") {
        let path = entry.expect("it can be read").path();
        let name = path.file_stem().expect("it has a name").to_string_lossy();
        let name = name.as_ref();
        let is_rule = |name: &str| rules::ALL.iter().any(|rule| rule.meta().name == name);
        assert!(is_rule(name), "{name} is not a rule");
        let text = fs::read_to_string(&path).expect("it can be read");
        let sections = sections(&text);
        let of = |what: &'static str| sections.iter().filter(move |it| it.what == what);
        let base = of("base").next().expect("there is a base").text;
        for (cni, kinds) in PLUGINS {
            for kind in kinds {
                let mut mistakes = sections.iter();
                let is_mistake = |it: &&Section<'_>| matches!(it.what, "mistake" | "silent");
                let mistake = mistakes.find(|it| is_mistake(it) && it.kind == kind);
                let mistake = mistake.unwrap_or_else(|| panic!("{name} has no {kind}"));
                let rule = mistake.told_by.unwrap_or(name);
                let found = count(rule, cni, &[base, mistake.text]);
                if (found > 0) != (mistake.what == "mistake") {
                    failed.push(format!("{name} in {kind} under {cni}: {found} findings"));
                }
                judged += usize::from(found > 0);
                for heal in of("healed by").filter(|it| kinds.contains(&it.kind)) {
                    if count(rule, cni, &[base, mistake.text, heal.text]) > 0 {
                        let by = heal.kind;
                        failed.push(format!("{name} in {kind} under {cni}, healed by {by}"));
                    }
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(judged > 100, "only {judged} mistakes were told");
}
