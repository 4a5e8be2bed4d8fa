//! What findings tell beside their place: the words and the further places without which a
//! reader would be sent the wrong way.

use super::program::{root, run, scratch, write};
use std::fs;

/// What `lint` prints about a text.
fn lint(name: &str, text: &str) -> String {
    let directory = scratch(&format!("told-{name}"));
    write(&directory, "a.yaml", text);
    run(&directory, &["lint", "-q"]).stdout
}

/// What it prints about a fixture of a rule.
fn lint_fixture(rule: &str, file: &str) -> String {
    let path = root().join("tests/fixtures/rules").join(rule).join(file);
    let text = fs::read_to_string(path).expect("the fixture is there");
    lint(file.trim_end_matches(".yaml"), &text)
}

/// Asserts that a text says all of these, and none of those.
fn assert_says(text: &str, says: &[&str], never: &[&str]) {
    for words in says {
        assert!(text.contains(words), "lacks {words:?}:\n{text}");
    }
    for words in never {
        assert!(!text.contains(words), "says {words:?}:\n{text}");
    }
}

#[test]
fn the_direction_in_which_a_tier_ends_and_all_that_is_behind_it() {
    let text = lint_fixture("calico-shadowed-by-order", "fail-egress.yaml");
    assert_says(
        &text,
        &[
            "no egress connection reaches this policy and 2 others: the tier `security` denies",
            "the others: `GlobalNetworkPolicy/app.db`, `GlobalNetworkPolicy/app.web`",
        ],
        &[],
    );
}

#[test]
fn the_rule_that_denies_what_another_promises() {
    let text = lint_fixture("one-sided-flow", "fail-calico-denied.yaml");
    assert_says(
        &text,
        &[
            "denies it",
            "in a rule that is evaluated before the one that denies it",
        ],
        &["allow it on the other side too"],
    );
}

#[test]
fn the_label_by_which_a_peer_misses_the_resolver() {
    let text = lint_fixture("missing-dns-egress", "fail-narrowed.yaml");
    assert_says(
        &text,
        &["matches no resolver that is known: none has the label `app.kubernetes.io/part-of=shop`"],
        &["dns-single-protocol", "--fix"],
    );
}

#[test]
fn what_became_of_the_fields_of_a_draft() {
    let head = "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\n\
        metadata: {name: default}\nspec:\n  subject: {namespaces: {}}\n  egress:\n  - action: Deny\n    to:\n    - namespaces:\n";
    let text = lint("draft", &format!("{head}        sameLabels: tenant\n"));
    assert_says(
        &text,
        &["a field of an earlier draft of this API, which has no replacement"],
        &["--fix", "below `matchLabels`"],
    );
    let wrapped = "        namespaceSelector:\n          matchlabels: {team: a}\n";
    let text = lint("draft", &format!("{head}{wrapped}"));
    assert_says(
        &text,
        &[
            "the selector belongs directly below `namespaces`",
            "remove the inner `namespaceSelector:`",
        ],
        &["one reading", "belongs in `pods`"],
    );
}
