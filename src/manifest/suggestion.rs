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
    let plain_word = plain(word);
    let mut nearest = Vec::new();
    let mut best = usize::MAX;
    for candidate in candidates {
        let Some(distance) = distance(&plain_word, candidate) else {
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

/// A word without case and separators.
fn plain(word: &str) -> String {
    word.to_lowercase().replace(['-', '_', ' '], "")
}

/// A word without the `s` of a plural.
fn stem(word: &str) -> &str {
    word.strip_suffix('s').unwrap_or(word)
}

/// How far the plain form of a word is from a candidate, where that is near.
fn distance(plain_word: &str, candidate: &str) -> Option<usize> {
    let plain_candidate = plain(candidate);
    if plain_word == plain_candidate {
        return Some(0);
    }
    if stem(plain_word) == stem(&plain_candidate) {
        return Some(1);
    }
    if plain_word.len() > MAX_LENGTH {
        return None;
    }
    let (length, of_candidate) = (plain_word.chars().count(), plain_candidate.chars().count());
    // There are no fewer mistakes than letters too many.
    if length.abs_diff(of_candidate) <= 2 {
        let mistakes = strsim::osa_distance(plain_word, &plain_candidate);
        if mistakes <= 2 && 2 * mistakes < length.min(of_candidate) {
            return Some(1 + mistakes);
        }
    }
    let is_half = plain_candidate.starts_with(plain_word) || plain_candidate.ends_with(plain_word);
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
