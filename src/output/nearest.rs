//! The name that was probably meant.
//!
//! Refuses to know what is named.

/// The known name that is most like `name`, if one is like it at all.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let likeness = |known: &str| {
        let is_part = known.contains(&name) && name.len() > 2;
        let likeness = strsim::jaro_winkler(known, &name);
        if is_part { likeness.max(0.9) } else { likeness }
    };
    let rated = known.into_iter().map(|known| (likeness(known), known));
    let best = rated.fold(None, |best: Option<(f64, &str)>, next| match best {
        Some(best) if best.0 >= next.0 => Some(best),
        _ => Some(next),
    });
    best.filter(|(likeness, _)| *likeness > 0.8)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_name_that_is_like_none_has_no_nearest_one() {
        let known = ["accidental-or", "missing-dns-egress", "unlabeled-namespace"];
        for (name, expected) in [
            ("accidentalor", Some("accidental-or")),
            ("Accidental-Or", Some("accidental-or")),
            ("missing-dns", Some("missing-dns-egress")),
            ("unlabelled-namespace", Some("unlabeled-namespace")),
            ("dns-egress", Some("missing-dns-egress")),
            ("xyz", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}
