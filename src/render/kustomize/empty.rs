//! Patches with nothing in them, such as one that was commented out: kustomize takes such a text
//! for a strategic merge patch and for a JSON patch, and rejects what is both
//! (`PatchTransformer.Config`).
//!
//! Refuses to know how a patch is read.

use super::fault::Fault;
use crate::render::value::Value;

/// That a patch is empty.
pub(super) fn fault(item: &Value<'_>) -> Fault {
    let message = "this patch is empty; a patch that is not wanted has to be taken out of the list";
    Fault::error(item.span(), message)
}

/// Whether the first document of a text holds nothing, whatever comes behind it: of a JSON patch
/// only the first one counts, and it may be null.
pub(super) fn begins_with_nothing(text: &str) -> bool {
    let says_some = |line: &&str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    };
    let mut lines = text.lines().filter(says_some);
    let is_marker = |line: &str| {
        let rest = line.strip_prefix("---");
        rest.is_some_and(|rest| rest.is_empty() || rest.trim_start().starts_with('#'))
    };
    let mut next = lines.next();
    if next.is_some_and(is_marker) {
        next = lines.next();
    }
    match next {
        None => !text.is_empty(),
        Some(line) => is_marker(line) || matches!(line.trim(), "null" | "~"),
    }
}

#[cfg(test)]
mod tests {
    use super::begins_with_nothing;

    #[test]
    fn only_the_first_document_counts() {
        for (text, expected) in [
            ("# a\n", true),
            (" \n", true),
            ("---\n", true),
            ("null\n", true),
            ("---\n# a\n---\nkind: Pod\n", true),
            // kustomize tells this one from the others.
            ("", false),
            ("# a\n---\nkind: Pod\n", false),
            ("---\nkind: Pod\n---\n", false),
            ("kind: Pod\n---\n# a\n", false),
        ] {
            assert_eq!(begins_with_nothing(text), expected, "{text:?}");
        }
    }
}
