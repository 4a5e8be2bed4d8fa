//! Selectors that match nothing because of one letter: which label somebody probably
//! meant. The evidence that lets rules about absence speak in an open world.
//!
//! Refuses to know whether the near miss is a mistake; it weighs only how alike two
//! texts are.

use super::Context;
use crate::cluster::{Cluster, WorkloadId};
use crate::k8s::{Label, LabelSelector, Labels, Operator, is_opaque};
use crate::source::{Edit, Span, Spanned, Text};
use std::collections::HashSet;

/// One requirement of a selector that something labelled misses by little; every other one
/// holds.
#[derive(Debug)]
pub struct NearMiss<T> {
    /// What has the labels.
    pub of: T,
    /// Its label, as `key=value`; the key alone where every value will do.
    pub label: String,
    /// Where that label stands.
    pub defined: Span,
    /// The edit of the selector that makes it match.
    pub edit: Edit,
    /// The difference in words.
    pub difference: &'static str,
    /// Whether the label is another one of the same meaning, and not one written wrong.
    pub is_of_another_key: bool,
}

impl<T> NearMiss<T> {
    /// The key that the selector asks for in the requirement that the edit mends.
    #[must_use]
    pub fn mended_key<'s>(&self, selector: &'s LabelSelector) -> Option<&'s str> {
        let is_edited = |span: Span| span == self.edit.span;
        let mut labels = selector.match_labels.iter();
        let label = labels.find(|it| is_edited(it.key.span) || is_edited(it.value.span));
        let mut entries = selector.match_expressions.iter();
        let entry = entries.find(|it| {
            is_edited(it.key.span) || it.values.iter().any(|value| is_edited(value.span))
        });
        let of_label = label.map(|label| label.key.value.as_str());
        of_label.or_else(|| entry.map(|entry| entry.key.value.as_str()))
    }
}

/// The workload that misses the selector by least, as [`nearest_of`] has it.
#[must_use]
pub fn nearest(
    cluster: &Cluster,
    selector: &LabelSelector,
    candidates: impl IntoIterator<Item = WorkloadId>,
) -> Option<NearMiss<WorkloadId>> {
    let candidates = candidates.into_iter();
    nearest_of(
        selector,
        candidates.map(|id| (id, &cluster.workload(id).object.labels)),
    )
}

/// The candidate that misses the selector by least: by its form (case, `-` and `_`),
/// then by a label of the same meaning, then by a letter or two. `None` where nothing
/// comes near, or where two candidates differ in what they suggest.
#[must_use]
pub fn nearest_of<'l, T: Copy>(
    selector: &LabelSelector,
    candidates: impl IntoIterator<Item = (T, &'l Labels)>,
) -> Option<NearMiss<T>> {
    let wanted = requirements(selector)?;
    let mut best: Option<(Likeness, NearMiss<T>)> = None;
    for (of, labels) in candidates {
        let mut failing = wanted.iter().filter(|wanted| !wanted.holds(labels));
        let (Some(failing), None) = (failing.next(), failing.next()) else {
            continue;
        };
        if !expressions_hold(selector, labels) {
            continue;
        }
        let Some((likeness, near)) = compare_any(of, failing, labels) else {
            continue;
        };
        match &best {
            Some((known, _)) if *known < likeness => {}
            // Two different suggestions of one weight are no evidence for either.
            Some((known, other)) if *known == likeness && other.edit != near.edit => return None,
            Some((known, _)) if *known == likeness => {}
            _ => best = Some((likeness, near)),
        }
    }
    best.map(|(likeness, near)| NearMiss {
        is_of_another_key: likeness == Likeness::KeyFamily,
        ..near
    })
}

/// A value that a selector lists although nobody has it, and the value that was probably meant.
#[derive(Debug)]
pub struct IdleValue<'s> {
    /// The key.
    pub key: &'s Spanned<Text>,
    /// The value that nobody has.
    pub value: &'s Spanned<Text>,
    /// The workload that has the other one.
    pub of: WorkloadId,
    /// The other one.
    pub meant: String,
    /// Where that stands.
    pub defined: Span,
}

/// The first value in a list of this operator, `In` or `NotIn`, that no candidate has, and that
/// is a slip of one that a candidate has and that is not listed. Of `In` only lists with a value
/// that somebody has: that a selector matches nothing is another question.
#[must_use]
pub fn idle_value<'s>(
    cx: &Context<'_>,
    selector: &'s LabelSelector,
    operator: Operator,
    candidates: &[WorkloadId],
) -> Option<IdleValue<'s>> {
    let entries = selector.match_expressions.iter();
    let mut entries = entries.filter(|entry| entry.operator.value == operator);
    entries.find_map(|entry| {
        let with_key = candidates.iter().filter_map(|id| {
            let label = cx.cluster.workload(*id).object.labels.label(&entry.key)?;
            Some((*id, &label.value))
        });
        let known: Vec<(WorkloadId, &Spanned<Text>)> = with_key.collect();
        let values: HashSet<&Text> = known.iter().map(|(_, label)| &label.value).collect();
        let is_idle = |value: &&Spanned<Text>| !is_opaque(value) && !values.contains(&value.value);
        if operator == Operator::In && entry.values.iter().all(|value| is_idle(&value)) {
            return None;
        }
        let listed: HashSet<&Text> = entry.values.iter().map(|value| &value.value).collect();
        let unlisted: Vec<&(WorkloadId, &Spanned<Text>)> = known
            .iter()
            .filter(|(_, label)| !listed.contains(&label.value))
            .collect();
        entry.values.iter().filter(is_idle).find_map(|value| {
            if !cx.may_compare(unlisted.len()) {
                return None;
            }
            let is_meant = |label: &str| same_form(value, label) || is_typo(value, label);
            let meant = unlisted.iter().find(|(_, label)| is_meant(label))?;
            Some(IdleValue {
                key: &entry.key,
                value,
                of: meant.0,
                meant: meant.1.value.to_string(),
                defined: meant.1.span,
            })
        })
    })
}

/// How alike two labels are, the most alike first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    Form,
    KeyFamily,
    Typo,
}

/// A key that a selector asks for, and the values that it may have; any where there are none.
struct Wanted<'s> {
    key: &'s Spanned<Text>,
    values: Vec<&'s Spanned<Text>>,
}

impl Wanted<'_> {
    fn holds(&self, labels: &Labels) -> bool {
        let label = labels.get(self.key);
        label.is_some_and(|label| {
            self.values.is_empty() || self.values.iter().any(|value| value.value == label)
        })
    }
}

/// The requirements that ask for a label; `None` if the selector has none of them, or text
/// that another tool fills in.
fn requirements(selector: &LabelSelector) -> Option<Vec<Wanted<'_>>> {
    if selector.is_opaque() {
        return None;
    }
    let labels = selector.match_labels.iter().map(|label| Wanted {
        key: &label.key,
        values: vec![&label.value],
    });
    let entries = selector.match_expressions.iter();
    let entries = entries.filter(|entry| asks_for_label(entry.operator.value));
    let expressions = entries.map(|entry| Wanted {
        key: &entry.key,
        values: entry.values.iter().collect(),
    });
    let wanted: Vec<Wanted<'_>> = labels.chain(expressions).collect();
    (!wanted.is_empty()).then_some(wanted)
}

fn asks_for_label(operator: Operator) -> bool {
    matches!(operator, Operator::In | Operator::Exists)
}

/// Whether the requirements that [`requirements`] leaves aside hold.
fn expressions_hold(selector: &LabelSelector, labels: &Labels) -> bool {
    let entries = selector.match_expressions.iter();
    let mut rest = entries.filter(|entry| !asks_for_label(entry.operator.value));
    rest.all(|entry| entry.holds(labels.get(&entry.key)))
}

/// What a workload has instead of one of the values, the most alike; of the key alone, where
/// every value will do.
fn compare_any<T: Copy>(
    of: T,
    wanted: &Wanted<'_>,
    labels: &Labels,
) -> Option<(Likeness, NearMiss<T>)> {
    if wanted.values.is_empty() {
        return compare_key(of, wanted.key, labels);
    }
    let values = wanted.values.iter();
    let found = values.filter_map(|value| compare(of, wanted.key, value, labels));
    found.min_by_key(|(likeness, _)| *likeness)
}

fn compare_key<T: Copy>(
    of: T,
    key: &Spanned<Text>,
    labels: &Labels,
) -> Option<(Likeness, NearMiss<T>)> {
    let is_near = |label: &&Label| same_form(key, &label.key) || is_typo(key, &label.key);
    let label = labels.iter().find(is_near)?;
    let near = NearMiss {
        of,
        label: label.key.value.to_string(),
        defined: label.key.span,
        edit: Edit {
            span: key.span,
            replacement: label.key.value.to_string(),
        },
        difference: "the key is spelled differently",
        is_of_another_key: false,
    };
    Some((Likeness::Typo, near))
}

fn compare<T: Copy>(
    of: T,
    key: &Spanned<Text>,
    value: &Spanned<Text>,
    labels: &Labels,
) -> Option<(Likeness, NearMiss<T>)> {
    let near = |wanted: Span, replacement: &str, label: &Label, difference| NearMiss {
        of,
        label: format!("{}={}", label.key, label.value),
        defined: label.value.span,
        edit: Edit {
            span: wanted,
            replacement: replacement.to_owned(),
        },
        difference,
        is_of_another_key: false,
    };
    if let Some(label) = labels.label(key).filter(|label| !is_opaque(&label.value)) {
        if same_form(value, &label.value) {
            return Some((
                Likeness::Form,
                near(
                    value.span,
                    &label.value,
                    label,
                    "the same word, written differently",
                ),
            ));
        }
        if is_typo(value, &label.value) {
            return Some((
                Likeness::Typo,
                near(value.span, &label.value, label, "one or two letters differ"),
            ));
        }
        // Pods of several programs, each with a name of its own, share that of the application.
        let is_of_application =
            |other: &&Label| other.value.value == value.value && names_an_application(&other.key);
        let mut others = labels.iter().filter(is_of_application);
        let whole = others.next().filter(|_| names_a_program(key))?;
        let difference = "the application's name is under another key";
        let near = near(key.span, &whole.key, whole, difference);
        return Some((Likeness::KeyFamily, near));
    }
    let same_value = || {
        labels
            .iter()
            .filter(|label| label.value.value == value.value)
    };
    if let Some(label) =
        same_value().find(|label| same_form(key, &label.key) || is_slip_of_key(key, &label.key))
    {
        return Some((
            Likeness::Form,
            near(
                key.span,
                &label.key,
                label,
                "the key is spelled differently",
            ),
        ));
    }
    let label = same_value().find(|label| are_one_family(key, &label.key))?;
    Some((
        Likeness::KeyFamily,
        near(
            key.span,
            &label.key,
            label,
            "the value is under another key",
        ),
    ))
}

/// The key for the name of the whole that pods are a part of.
const PART_OF: &str = "app.kubernetes.io/part-of";

/// Keys that people use for the same thing.
const KEY_FAMILIES: &[&[&str]] = &[
    &[
        "app",
        "app.kubernetes.io/name",
        "k8s-app",
        "name",
        "run",
        "app.kubernetes.io/instance",
    ],
    &["component", "app.kubernetes.io/component", "role", "tier"],
    &["release", "app.kubernetes.io/instance", "instance"],
];

/// Whether people give a program's name as the value of this key.
#[must_use]
pub fn names_a_program(key: &str) -> bool {
    KEY_FAMILIES[0].contains(&key)
}

/// Whether people tell workloads apart by the value of this key.
#[must_use]
pub fn names_workload(key: &str) -> bool {
    key == PART_OF || KEY_FAMILIES.iter().any(|family| family.contains(&key))
}

/// Whether the value of this key may be the name of what pods with other names belong to.
fn names_an_application(key: &str) -> bool {
    key == PART_OF || names_a_program(key) && key != "app.kubernetes.io/instance"
}

fn are_one_family(a: &str, b: &str) -> bool {
    KEY_FAMILIES
        .iter()
        .any(|family| family.contains(&a) && family.contains(&b))
}

/// Whether two texts are the same but for case and separators.
fn same_form(a: &str, b: &str) -> bool {
    fn letters(text: &str) -> impl Iterator<Item = char> {
        let letters = text.chars().filter(|c| !matches!(c, '-' | '_' | '.'));
        letters.flat_map(char::to_lowercase)
    }
    a != b && a.len() > 2 && letters(a).eq(letters(b))
}

/// Whether one text looks like a slip of the other. Short words, numbers and suffixes
/// such as `-a` and `-b` are told apart on purpose by those who write them.
#[must_use]
pub fn is_typo(a: &str, b: &str) -> bool {
    if !a.is_ascii() || !b.is_ascii() {
        return is_typo_in_lower_case(&a.to_lowercase(), &b.to_lowercase());
    }
    // Most texts are told apart without a copy of either.
    let Some((a, b)) = differing_word(a, b, str::eq_ignore_ascii_case) else {
        return false;
    };
    let letters = |text: &str| {
        let bits = text.bytes().map(|byte| 1u128 << byte.to_ascii_lowercase());
        bits.fold(0, |all, bit| all | bit)
    };
    // A slip changes one letter into another, or two of them.
    let is_far = a.len().abs_diff(b.len()) > 2
        || a.len().min(b.len()) < 3
        || (letters(a) ^ letters(b)).count_ones() > 4;
    !is_far && is_typo_in_lower_case(&a.to_ascii_lowercase(), &b.to_ascii_lowercase())
}

/// The only words of two texts that differ, if there are no others.
fn differing_word<'t>(
    a: &'t str,
    b: &'t str,
    are_equal: impl Fn(&str, &str) -> bool,
) -> Option<(&'t str, &'t str)> {
    const ENDS: [char; 4] = ['-', '_', '.', '/'];
    let (mut left, mut right) = (a.split(ENDS), b.split(ENDS));
    let mut found = None;
    loop {
        match (left.next(), right.next()) {
            (None, None) => return found,
            (Some(a), Some(b)) if are_equal(a, b) => {}
            (Some(a), Some(b)) if found.is_none() => found = Some((a, b)),
            _ => return None,
        }
    }
}

fn is_typo_in_lower_case(a: &str, b: &str) -> bool {
    let Some((a, b)) = differing_word(a, b, |a, b| a == b) else {
        return false;
    };
    if are_told_apart(a, b) {
        return false;
    }
    let letters = |text: &str| -> String { text.chars().filter(|c| !c.is_ascii_digit()).collect() };
    if letters(a) == letters(b) {
        return false;
    }
    let shorter = a.len().min(b.len());
    // Letters that changed places, or were struck twice, are nobody's intention even in a
    // short word.
    if shorter >= 3 && (is_swapped(a, b) || is_doubled(a, b) || is_doubled(b, a)) {
        return true;
    }
    let is_plural = |one: &str, many: &str| many.strip_suffix('s') == Some(one);
    if shorter >= 3 && (is_plural(a, b) || is_plural(b, a)) {
        return true;
    }
    match strsim::osa_distance(a, b) {
        1 => shorter >= 5,
        2 => shorter >= 7,
        _ => false,
    }
}

/// Whether two words that differ by little are two words, each of a meaning of its own: `internal`
/// and `external`, `trusted` and `untrusted`, `http` and `https`.
fn are_told_apart(a: &str, b: &str) -> bool {
    const PREFIXES: &[(&str, &str)] = &[("in", "ex"), ("im", "ex"), ("", "in"), ("", "un")];
    // So many letters say that the rest is a word.
    const STEM: usize = 4;
    // Protocols whose name with an `s` is that of the same one over TLS.
    const WITH_TLS: &[&str] = &["amqp", "ftp", "http", "imap", "ldap", "mqtt", "smtp"];
    let are_opposites = |a: &str, b: &str| {
        PREFIXES.iter().any(|(one, other)| {
            let stem = a.strip_prefix(one).filter(|stem| stem.len() >= STEM);
            stem.is_some() && stem == b.strip_prefix(other)
        })
    };
    let is_over_tls = |a: &str, b: &str| b.strip_suffix('s') == Some(a) && WITH_TLS.contains(&a);
    are_opposites(a, b) || are_opposites(b, a) || is_over_tls(a, b) || is_over_tls(b, a)
}

/// Whether one key looks like a slip of another one that has the same value: the value is
/// evidence as well, so that one letter of a short word is enough.
fn is_slip_of_key(a: &str, b: &str) -> bool {
    let is_word = |key: &str| key.len() >= 4 && !key.contains(|it: char| it.is_ascii_digit());
    is_typo(a, b) || is_word(a) && is_word(b) && strsim::osa_distance(a, b) == 1
}

/// Whether two neighbouring letters of one text stand the other way round in the other.
fn is_swapped(a: &str, b: &str) -> bool {
    let mut letters: Vec<char> = a.chars().collect();
    let other: Vec<char> = b.chars().collect();
    let first = letters.iter().zip(&other).position(|(a, b)| a != b);
    let Some(first) = first.filter(|first| letters.len() == other.len() && first + 1 < other.len())
    else {
        return false;
    };
    letters.swap(first, first + 1);
    letters == other && letters[first].is_alphabetic() && letters[first + 1].is_alphabetic()
}

/// Whether one text is the other with a letter struck twice.
fn is_doubled(once: &str, twice: &str) -> bool {
    let letters: Vec<char> = twice.chars().collect();
    letters.len() == once.chars().count() + 1
        && (1..letters.len()).any(|at| {
            let mut shorter = letters.clone();
            letters[at] == letters[at - 1]
                && letters[at].is_alphabetic()
                && shorter.remove(at) == letters[at]
                && shorter.iter().collect::<String>() == once
        })
}

/// The known name that a wrong one is likely to stand for, if one is near enough.
pub fn nearest_name<'n>(
    written: &str,
    known: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    let letters = |name: &str| name.to_lowercase().replace(['_', ' '], "-");
    let written = letters(written);
    let distance = |name: &str| strsim::osa_distance(&written, &letters(name));
    let nearest = known.into_iter().map(|name| (distance(name), name)).min()?;
    let (distance, name) = nearest;
    (distance <= 1 + name.len() / 4).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_a_few_letters() {
        let known = ["any-cidr", "accidental-or", "unmatched-pod-selector"];
        for (written, expected) in [
            ("any-cdir", Some("any-cidr")),
            ("Accidental_OR", Some("accidental-or")),
            ("unmatched-pod-selectors", Some("unmatched-pod-selector")),
            ("everything", None),
            ("", None),
        ] {
            assert_eq!(nearest_name(written, known), expected, "{written}");
        }
    }

    #[test]
    fn slips_are_told_from_names_that_differ_on_purpose() {
        for (a, b, expected) in [
            ("cart", "carts", true),
            ("frontend", "fronted", true),
            ("checkout", "chekcout", true),
            ("catalog", "catalogue", true),
            ("payment-api", "paymnet-api", true),
            ("api", "app", false),
            ("web", "db", false),
            ("server-a", "server-b", false),
            ("worker1", "worker2", false),
            ("v1", "v2", false),
            ("frontend", "backend", false),
            ("cart", "cart", false),
            ("cart", "card", false),
            ("wbe", "web", true),
            ("helmm", "helm", true),
            ("a1", "1a", false),
            ("api", "apis", true),
            ("shop-cart", "shop-carts", true),
            ("internal-ingress", "external-ingress", false),
            ("trusted", "untrusted", false),
            ("include", "exclude", false),
            ("allow-http", "allow-https", false),
            ("interal", "internal", true),
        ] {
            assert_eq!(is_typo(a, b), expected, "{a} and {b}");
            assert_eq!(is_typo(b, a), expected, "{b} and {a}");
        }
    }

    #[test]
    fn form_is_case_and_separators() {
        for (a, b, expected) in [
            ("my-app", "my_app", true),
            ("MyApp", "myapp", true),
            ("my-app", "myapp", true),
            ("my-app", "my-app", false),
            ("a-b", "ab", true),
            ("a", "A", false),
        ] {
            assert_eq!(same_form(a, b), expected, "{a} and {b}");
        }
    }
}
