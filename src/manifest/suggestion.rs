//! "Did you mean": which of the known words a wrong one is likely to stand for.
//!
//! Refuses to know what the words are.

/// Longer words are no fields that somebody mistyped.
const MAX_LENGTH: usize = 40;

/// The candidates that are nearest to `word`, in their order; none if none is near.
///
/// The same letters in another case come before singular and plural, those before one
/// and two mistyped letters, and a whole half of a candidate comes last. Short words bear
/// fewer mistakes.
pub(super) fn near_misses<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Vec<&'c str> {
    let mut nearest = Vec::new();
    let mut best = usize::MAX;
    for candidate in candidates {
        let Some(distance) = distance(word, candidate) else {
            continue;
        };
        if distance < best {
            best = distance;
            nearest.clear();
        }
        if distance == best {
            nearest.push(candidate);
        }
    }
    nearest
}

/// The one candidate that is nearest to `word`, if there is one.
pub(super) fn near_miss<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    match near_misses(word, candidates).as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

fn distance(word: &str, candidate: &str) -> Option<usize> {
    let letters = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let (plain_word, plain_candidate) = (letters(word), letters(candidate));
    if plain_word == plain_candidate {
        return Some(0);
    }
    let stem = |text: &str| {
        text.strip_suffix('s')
            .map_or(text.to_owned(), str::to_owned)
    };
    if stem(&plain_word) == stem(&plain_candidate) {
        return Some(1);
    }
    if plain_word.len() > MAX_LENGTH {
        return None;
    }
    let mistakes = strsim::osa_distance(&plain_word, &plain_candidate);
    let shorter = plain_word
        .chars()
        .count()
        .min(plain_candidate.chars().count());
    if mistakes <= 2 && 2 * mistakes < shorter {
        return Some(1 + mistakes);
    }
    let is_half =
        plain_candidate.starts_with(&plain_word) || plain_candidate.ends_with(&plain_word);
    (is_half && plain_word.len() >= 5).then_some(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_near_are_found() {
        let spec = ["podSelector", "ingress", "egress", "policyTypes"];
        let peer = ["podSelector", "namespaceSelector", "ipBlock"];
        let table: [(&str, &[&str], &[&str]); 16] = [
            ("policyType", &spec, &["policyTypes"]),
            ("PolicyTypes", &spec, &["policyTypes"]),
            ("podselector", &spec, &["podSelector"]),
            ("ingres", &spec, &["ingress"]),
            ("Ingress", &spec, &["ingress"]),
            ("ipblock", &peer, &["ipBlock"]),
            ("namespace_selector", &peer, &["namespaceSelector"]),
            ("podSelectors", &peer, &["podSelector"]),
            ("types", &spec, &["policyTypes"]),
            ("selector", &spec, &["podSelector"]),
            ("selector", &peer, &["podSelector", "namespaceSelector"]),
            ("namespace", &peer, &["namespaceSelector"]),
            ("pod", &peer, &[]),
            ("form", &["ports", "from"], &["from"]),
            ("at", &["to", "ports"], &[]),
            ("udp", &["tcp"], &[]),
        ];
        for (word, candidates, expected) in table {
            assert_eq!(
                near_misses(word, candidates.iter().copied()),
                expected,
                "{word}"
            );
        }
    }
}
