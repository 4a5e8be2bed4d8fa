//! Which fixes are offered: those that leave a text in the language that it is written in.
//!
//! Refuses to know what a fix is good for, and what it does to connectivity.

use crate::diagnostic::Diagnostic;
use crate::edit;
use crate::source::{Edit, SourceId, SourceMap};
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// Takes the fixes away that would write YAML into JSON; what they say stays as the help.
pub(super) fn keep_languages(sources: &SourceMap, findings: &mut [Diagnostic]) {
    let mut known: BTreeMap<SourceId, bool> = BTreeMap::new();
    for finding in findings {
        let Some(fix) = &finding.fix else {
            continue;
        };
        let mut of_json: BTreeMap<SourceId, Vec<Edit>> = BTreeMap::new();
        for edit in &fix.edits {
            let source = edit.span.source;
            let is_json = known
                .entry(source)
                .or_insert_with(|| is_json(sources.get(source).text()));
            if *is_json {
                of_json.entry(source).or_default().push(edit.clone());
            }
        }
        let stays_json = |(source, edits): (&SourceId, &Vec<Edit>)| {
            let edited = edit::apply(sources.get(*source).text(), edits);
            edited.is_ok_and(|text| is_json(&text))
        };
        if !of_json.iter().all(stays_json) {
            finding.fix = None;
        }
    }
}

/// Whether a text is JSON values, one after the other, and begins as an object or a list.
fn is_json(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    text.starts_with(['{', '['])
        && serde_json::Deserializer::from_str(text)
            .into_iter::<IgnoredAny>()
            .all(|value| value.is_ok())
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn json_is_told_from_yaml() {
        for (text, expected) in [
            ("{\"a\": [1]}", true),
            ("{\"a\": 1}\n{\"b\": 2}\n", true),
            ("[]", true),
            ("{a: 1}", false),
            ("a: 1", false),
            ("{\"a\": 1}\n---\nb: 1\n", false),
            ("1", false),
        ] {
            assert_eq!(is_json(text), expected, "{text}");
        }
    }
}
