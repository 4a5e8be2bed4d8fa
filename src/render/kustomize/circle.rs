//! Kustomizations that build on each other in a circle, in words.
//!
//! Refuses to know how builds go on.

use crate::render::library::is_within;

/// Why a directory cannot be built while those of `open` are: it is one of them, or holds one
/// (kustomize, `errIfArgEqualOrHigher`).
pub(super) fn forbidden(open: &[String], directory: &str) -> Option<String> {
    if open.iter().any(|other| other == directory) {
        return Some(circle(open, directory));
    }
    let inner = open.iter().find(|other| is_within(other, directory))?;
    Some(format!(
        "kustomize takes no directory that holds the one it is building: `{inner}`"
    ))
}

/// What is said where a kustomization that is being built comes back to `directory`. Of a long
/// circle only the ends are named: there may be as many ways round as components can be arranged.
fn circle(open: &[String], directory: &str) -> String {
    let from = open.iter().position(|it| it == directory);
    let members = &open[from.unwrap_or_default()..];
    let named = match members {
        [first, _, .., last] => format!("{first}, …, {last}"),
        few => few.join(", "),
    };
    format!("kustomizations build on each other in a circle: {named}")
}

#[cfg(test)]
mod tests {
    use super::circle;

    #[test]
    fn every_way_round_a_long_circle_is_told_alike() {
        let told = |open: &[&str]| {
            let open: Vec<String> = open.iter().map(|it| (*it).to_owned()).collect();
            circle(&open, "a")
        };
        assert!(told(&["a"]).ends_with(": a"));
        assert!(told(&["top", "a", "b"]).ends_with(": a, b"));
        assert!(told(&["a", "b", "c", "d"]).ends_with(": a, …, d"));
        assert_eq!(told(&["a", "b", "c", "d"]), told(&["a", "c", "d"]));
    }
}
