//! In words: where an object of an explanation comes from, and what a build made of it.
//!
//! Refuses to know which objects an explanation has.

use crate::source::SourceMap;
use crate::workspace::{ChangedObject, Step};

/// `made from base/web.yaml:1 by overlays/prod (namespace, patch 2)`.
pub(super) fn made(object: &ChangedObject, sources: &SourceMap) -> String {
    let source = sources.get(object.document.source);
    let line = sources.position(object.document).line;
    let by = by(&object.by, sources);
    format!("made from {}:{line} by {by}", source.name())
}

/// What changed an object, file by file in the order of the build.
fn by(steps: &[Step], sources: &SourceMap) -> String {
    let mut places: Vec<(&str, Vec<String>)> = Vec::new();
    for step in steps {
        let place = place(sources.get(step.span.source).name());
        let part = part(step);
        match places.last_mut() {
            Some((known, parts)) if *known == place => {
                if !parts.contains(&part) {
                    parts.push(part);
                }
            }
            _ => places.push((place, vec![part])),
        }
    }
    let places = places
        .into_iter()
        .map(|(place, parts)| format!("{place} ({})", parts.join(", ")));
    places.collect::<Vec<_>>().join(", then ")
}

/// A kustomization by its directory, as kustomize takes it; any other file by its name.
fn place(name: &str) -> &str {
    let (directory, file) = name.rsplit_once('/').unwrap_or((".", name));
    match file {
        "kustomization.yaml" | "kustomization.yml" | "Kustomization" => directory,
        _ => name,
    }
}

/// `patch 2`, or the field.
fn part(step: &Step) -> String {
    match (step.field, step.entry) {
        (_, None) => step.field.to_owned(),
        ("patches", Some(entry)) => format!("patch {entry}"),
        (field, Some(entry)) => format!("{field} {entry}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Span;
    use std::sync::Arc;

    #[test]
    fn steps_are_told_file_by_file() {
        let mut sources = SourceMap::default();
        let base = sources.add("base/web.yaml", "kind: Deployment\n");
        let stage = sources.add("stage/kustomization.yml", "a\n");
        let top = sources.add("kustomization.yaml", "a\n");
        let flux = sources.add("clusters/prod/shop.yaml", "a\n");
        let step = |field, entry, source| Step {
            field,
            entry,
            span: Span::new(source, 0, 1),
        };
        let object = ChangedObject {
            document: Span::new(base, 0, 4),
            by: Arc::new([
                step("labels", None, stage),
                step("patches", Some(1), top),
                step("patchesStrategicMerge", Some(2), top),
                step("labels", None, top),
                step("labels", None, top),
                step("patches", Some(1), flux),
            ]),
            name: "Deployment/web".to_owned(),
        };
        assert_eq!(
            made(&object, &sources),
            "made from base/web.yaml:1 by stage (labels), then . (patch 1, \
             patchesStrategicMerge 2, labels), then clusters/prod/shop.yaml (patch 1)"
        );
    }
}
