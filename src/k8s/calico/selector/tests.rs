//! What Calico's own parser says of the same texts, and properties of random ones.

use super::*;

fn matches(text: &str, labels: &[(&str, &str)]) -> bool {
    let selector = CalicoSelector::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let look = |key: &str| match labels.iter().find(|(known, _)| *known == key) {
        Some((_, value)) => Looked::Value(value),
        None => Looked::Absent,
    };
    selector.truth(&look) == Truth::True
}

#[test]
fn holds_as_calico_says() {
    let labels = [("app", "web"), ("in", "x"), ("a.b/c", "1")];
    let table = [
        ("", true),
        ("  \t", true),
        ("all()", true),
        ("app == 'web'", true),
        ("app=='db' || in == \"x\"", true),
        ("app == 'web' && in == 'y' || has(a.b/c)", true),
        ("app == 'web' && (in == 'y' || has(absent))", false),
        ("absent != 'x'", true),
        ("app != 'web'", false),
        ("app in {'web', 'db',}", true),
        ("app in {}", false),
        ("absent in {'x'}", false),
        ("absent not in {'x'}", true),
        ("app notin {'web'}", false),
        ("app contains 'e'", true),
        ("app starts with 'we'", true),
        ("app startswith 'eb'", false),
        ("app ends with 'eb'", true),
        ("absent contains ''", false),
        ("!app == 'web'", false),
        ("!!has( app )", true),
        ("! (has(app))", false),
        ("in in {'x'}", true),
    ];
    for (text, expected) in table {
        assert_eq!(matches(text, &labels), expected, "{text}");
    }
}

#[test]
fn refuses_what_calico_refuses() {
    let table = [
        "app = 'web'",
        "app",
        "app == web",
        "app == 'web",
        "app == 'web' &&",
        "app == 'web' in",
        "has()",
        "has(app",
        "all(",
        "(app == 'web'",
        "app == 'web')",
        "app inn {'x'}",
        "app in {'x' 'y'}",
        "app in {,}",
        "&& app == 'x'",
        "'web' == app",
        "app\n== 'x'",
        "ä == 'x'",
    ];
    for text in table {
        assert!(CalicoSelector::parse(text).is_err(), "{text}");
    }
    assert!(CalicoSelector::parse(&format!("has({})", "k".repeat(512))).is_ok());
    assert!(CalicoSelector::parse(&format!("has({})", "k".repeat(513))).is_err());
    assert!(CalicoSelector::parse(&"(".repeat(100_000)).is_err());
}

/// A selector that looks random, and as many parentheses as `depth` allows.
fn random(seed: &mut u32, depth: u32) -> CalicoSelector {
    let mut next = |end: u32| {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*seed >> 16) % end
    };
    let key = ["app", "in", "a.b/c", "has"][next(4) as usize].to_owned();
    let value = ["web", "it's", "", "e"][next(4) as usize].to_owned();
    let comparison = [
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Contains,
        Comparison::StartsWith,
        Comparison::EndsWith,
    ][next(5) as usize];
    let parts = 2 + next(2);
    match next(if depth == 0 { 6 } else { 9 }) {
        0 => CalicoSelector::All,
        1 => CalicoSelector::Has(key),
        2 => CalicoSelector::In {
            key,
            values: vec![value, "x".to_owned()],
        },
        3 => CalicoSelector::NotIn {
            key,
            values: vec![value],
        },
        4 | 5 => CalicoSelector::Compare {
            key,
            comparison,
            value,
        },
        6 => match random(seed, depth - 1) {
            // Two signs are read as none.
            CalicoSelector::Not(inner) => *inner,
            inner => CalicoSelector::Not(Box::new(inner)),
        },
        7 => CalicoSelector::And((0..parts).map(|_| random(seed, depth - 1)).collect()),
        _ => CalicoSelector::Or((0..parts).map(|_| random(seed, depth - 1)).collect()),
    }
}

#[test]
fn what_is_written_is_read_again() {
    let mut seed = 7;
    for _ in 0..5_000 {
        let selector = random(&mut seed, 3);
        let text = selector.to_string();
        assert_eq!(CalicoSelector::parse(&text), Ok(selector), "{text}");
    }
}

#[test]
fn broken_texts_are_refused_without_a_panic() {
    let mut seed = 11;
    for _ in 0..5_000 {
        let mut text = random(&mut seed, 2).to_string();
        let at = seed as usize % (text.len() + 1);
        let sign = ["!", "(", "'", " ", "&", "ü"][(seed >> 8) as usize % 6];
        text.insert_str(at, sign);
        match CalicoSelector::parse(&text) {
            Ok(selector) => {
                assert_eq!(CalicoSelector::parse(&selector.to_string()), Ok(selector))
            }
            Err(error) => assert!(error.at <= text.len(), "{text}"),
        }
    }
}

#[test]
fn what_kubernetes_can_say_means_the_same() {
    let span = Span::new(crate::source::SourceMap::default().add("a", ""), 0, 0);
    let (mut seed, mut said) = (3, 0);
    let labels = [
        vec![],
        vec![("app", "web")],
        vec![("app", "x"), ("in", "web")],
        vec![("a.b/c", "it's"), ("has", "e"), ("in", "")],
    ];
    for _ in 0..5_000 {
        let selector = random(&mut seed, 2);
        let Some(same) = selector.to_label_selector(span) else {
            continue;
        };
        said += 1;
        for labels in &labels {
            let get = |key: &str| labels.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
            let expected = matches(&selector.to_string(), labels);
            assert_eq!(same.matches_by(get), expected, "{selector}: {labels:?}");
        }
    }
    assert!(said > 1_000, "{said}");
}

#[test]
fn what_is_not_known_of_labels_is_unknown_where_it_decides() {
    let look = |key: &str| match key {
        "filled" => Looked::SomeValue,
        "may-be" => Looked::Unknown,
        "app" => Looked::Value("web"),
        _ => Looked::Absent,
    };
    for (text, expected) in [
        ("has(filled)", Truth::True),
        ("has(may-be)", Truth::Unknown),
        ("!has(may-be)", Truth::Unknown),
        ("has(absent)", Truth::False),
        ("filled == 'a'", Truth::Unknown),
        ("filled not in {'a'}", Truth::Unknown),
        ("may-be != 'a'", Truth::Unknown),
        ("may-be starts with 'a' || app == 'web'", Truth::True),
        ("filled contains 'a' && app == 'db'", Truth::False),
        ("all() && filled in {'a'}", Truth::Unknown),
        ("absent != 'a'", Truth::True),
    ] {
        let selector = CalicoSelector::parse(text).expect("a selector");
        assert_eq!(selector.truth(&look), expected, "{text}");
    }
}
