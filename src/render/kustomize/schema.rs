//! What kustomize takes in a kustomization file: which fields there are, and of which type.
//! It reads the file into its own types and rejects everything else, where a typing error
//! would otherwise do nothing at all.
//!
//! Refuses to know what the fields do.

use super::fault::Fault;
use super::file::{Kustomization, not_a_text};
use crate::render::library::{KUSTOMIZATION_NAMES, Library};
use crate::render::value::Value;
use crate::yaml::Kind;
use std::collections::BTreeSet;

/// The type of a value, as kustomize declares it (`api/types`).
#[derive(Clone, Copy, Debug)]
enum Shape {
    Text,
    Boolean,
    /// What nothing depends on.
    Any,
    List(&'static Shape),
    /// A mapping from any key.
    Map(&'static Shape),
    /// A mapping with these fields.
    Fields(&'static [(&'static str, Shape)]),
}

use Shape::{Any, Boolean, Fields, List, Map, Text};

const TEXTS: Shape = List(&Text);
const PAIRS: Shape = Map(&Text);

const SELECTOR: Shape = Fields(&[
    ("group", Text),
    ("version", Text),
    ("kind", Text),
    ("name", Text),
    ("namespace", Text),
    ("labelSelector", Text),
    ("annotationSelector", Text),
]);

const PATCH: Shape = Fields(&[
    ("path", Text),
    ("patch", Text),
    ("target", SELECTOR),
    ("options", Map(&Boolean)),
]);

const LABEL: Shape = Fields(&[
    ("pairs", PAIRS),
    ("includeSelectors", Boolean),
    ("includeTemplates", Boolean),
    ("includeVolumeClaimTemplates", Boolean),
    ("fields", List(&FIELD_SPEC)),
]);

const FIELD_SPEC: Shape = Fields(&[
    ("group", Text),
    ("version", Text),
    ("kind", Text),
    ("path", Text),
    ("create", Boolean),
]);

const IMAGE: Shape = Fields(&[
    ("name", Text),
    ("newName", Text),
    ("tagSuffix", Text),
    ("newTag", Text),
    ("digest", Text),
]);

const FIELD_OPTIONS: Shape = Fields(&[
    ("delimiter", Text),
    ("index", Any),
    ("encoding", Text),
    ("create", Boolean),
]);

const REPLACEMENT: Shape = Fields(&[
    ("path", Text),
    (
        "source",
        Fields(&[
            ("group", Text),
            ("version", Text),
            ("kind", Text),
            ("name", Text),
            ("namespace", Text),
            ("fieldPath", Text),
            ("options", FIELD_OPTIONS),
        ]),
    ),
    ("sourceValue", Text),
    (
        "targets",
        List(&Fields(&[
            ("select", SELECTOR),
            ("reject", List(&SELECTOR)),
            ("fieldPaths", TEXTS),
            ("options", FIELD_OPTIONS),
        ])),
    ),
]);

const VARIABLE: Shape = Fields(&[
    ("name", Text),
    (
        "objref",
        Fields(&[
            ("apiVersion", Text),
            ("group", Text),
            ("version", Text),
            ("kind", Text),
            ("name", Text),
            ("namespace", Text),
        ]),
    ),
    ("fieldref", Fields(&[("fieldPath", Text)])),
]);

const GENERATOR_OPTIONS: Shape = Fields(&[
    ("labels", PAIRS),
    ("annotations", PAIRS),
    ("disableNameSuffixHash", Boolean),
    ("immutable", Boolean),
]);

const GENERATOR: Shape = Fields(&[
    ("namespace", Text),
    ("name", Text),
    ("behavior", Text),
    ("literals", TEXTS),
    ("files", TEXTS),
    ("envs", TEXTS),
    ("env", Text),
    ("options", GENERATOR_OPTIONS),
    ("type", Text),
    ("emitStringData", Boolean),
]);

const KUSTOMIZATION: Shape = Fields(&[
    ("apiVersion", Text),
    ("kind", Text),
    (
        "metadata",
        Fields(&[
            ("name", Text),
            ("namespace", Text),
            ("labels", PAIRS),
            ("annotations", PAIRS),
        ]),
    ),
    ("bases", TEXTS),
    ("buildMetadata", TEXTS),
    ("commonAnnotations", PAIRS),
    ("commonLabels", PAIRS),
    ("components", TEXTS),
    ("configMapGenerator", List(&GENERATOR)),
    ("configurations", TEXTS),
    ("crds", TEXTS),
    ("generatorOptions", GENERATOR_OPTIONS),
    ("generators", TEXTS),
    ("helmChartInflationGenerator", List(&Any)),
    ("helmCharts", List(&Any)),
    ("helmGlobals", Any),
    ("imageTags", List(&IMAGE)),
    ("images", List(&IMAGE)),
    ("labels", List(&LABEL)),
    ("namePrefix", Text),
    ("nameSuffix", Text),
    ("namespace", Text),
    ("openapi", PAIRS),
    ("patches", List(&PATCH)),
    ("patchesJson6902", List(&PATCH)),
    ("patchesStrategicMerge", TEXTS),
    ("replacements", List(&REPLACEMENT)),
    ("replicas", List(&Fields(&[("name", Text), ("count", Any)]))),
    ("resources", TEXTS),
    ("secretGenerator", List(&GENERATOR)),
    (
        "sortOptions",
        Fields(&[
            ("order", Text),
            (
                "legacySortOptions",
                Fields(&[("orderFirst", TEXTS), ("orderLast", TEXTS)]),
            ),
        ]),
    ),
    ("transformers", TEXTS),
    ("validators", TEXTS),
    ("vars", List(&VARIABLE)),
]);

const FIELD_SPECS: Shape = List(&FIELD_SPEC);

/// A file of `configurations` (kustomize, `TransformerConfig`).
const CONFIGURATION: Shape = Fields(&[
    ("commonAnnotations", FIELD_SPECS),
    ("commonLabels", FIELD_SPECS),
    ("images", FIELD_SPECS),
    ("labels", FIELD_SPECS),
    ("namePrefix", FIELD_SPECS),
    (
        "nameReference",
        List(&Fields(&[
            ("group", Text),
            ("version", Text),
            ("kind", Text),
            ("fieldSpecs", FIELD_SPECS),
        ])),
    ),
    ("nameSuffix", FIELD_SPECS),
    ("namespace", FIELD_SPECS),
    ("replicas", FIELD_SPECS),
    ("templateLabels", FIELD_SPECS),
    ("varReference", FIELD_SPECS),
]);

/// Whether a kustomization may name definitions of the API.
pub(crate) fn may_define(library: &Library<'_>) -> bool {
    let mut paths = library.paths().filter(|path| {
        let name = path.rsplit('/').next().unwrap_or_default();
        KUSTOMIZATION_NAMES.contains(&name)
    });
    paths.any(|path| {
        let text = library.text(path).unwrap_or_default();
        text.to_ascii_lowercase().contains("openapi")
    })
}

/// Whether a kustomization, or one that it builds on, names definitions of the API.
pub(crate) fn names_definitions(library: &Library<'_>, kustomization: &Kustomization<'_>) -> bool {
    if kustomization.get("openapi").is_some() {
        return true;
    }
    let mut seen = BTreeSet::from([kustomization.directory.clone()]);
    let mut open = paths_below(kustomization);
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        if let Some(Ok(next)) = Kustomization::read(library, &path) {
            if next.get("openapi").is_some() {
                return true;
            }
            open.extend(paths_below(&next));
        }
    }
    false
}

/// The paths that a kustomization may build on.
fn paths_below(kustomization: &Kustomization<'_>) -> Vec<String> {
    let fields = [
        "resources",
        "bases",
        "generators",
        "components",
        "transformers",
    ];
    let items = fields.iter().flat_map(|field| kustomization.items(field));
    items
        .map(|item| kustomization.path(item.text().unwrap_or_default()))
        .collect()
}

/// Where a kustomization is not what kustomize's types take.
pub(crate) fn misfits(root: &Value<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    check(root, KUSTOMIZATION, &mut faults);
    faults
}

/// Where a file of `configurations` is not.
pub(crate) fn misfits_of_configuration(root: &Value<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    check(root, CONFIGURATION, &mut faults);
    faults
}

fn check(value: &Value<'_>, shape: Shape, faults: &mut Vec<Fault>) {
    if value.is_null() {
        return;
    }
    let wanted = match shape {
        Any => return,
        Text => return faults.extend(not_a_text(value)),
        Boolean => return faults.extend(not_a_boolean(value)),
        List(_) => (Kind::Sequence, "a list"),
        Map(_) | Fields(_) => (Kind::Mapping, "a mapping"),
    };
    if value.kind() != wanted.0 {
        let message = format!("kustomize expects {} here", wanted.1);
        return faults.push(Fault::error(value.span(), message));
    }
    match shape {
        List(of) => value.items().for_each(|item| check(&item, *of, faults)),
        Map(of) => {
            for field in value.fields() {
                check(&field.value, *of, faults);
            }
        }
        Fields(known) => {
            for field in value.fields() {
                let name = field.key.text();
                match known.iter().find(|(it, _)| it.eq_ignore_ascii_case(&name)) {
                    Some((_, shape)) => check(&field.value, *shape, faults),
                    None => {
                        let message = format!("kustomize does not know the field `{name}`");
                        faults.push(Fault::error(field.key.span(), message));
                    }
                }
            }
        }
        Text | Boolean | Any => {}
    }
}

/// That kustomize wants `true` or `false` here, if it is neither.
fn not_a_boolean(value: &Value<'_>) -> Option<Fault> {
    let Value::Read(node) = value else {
        return None;
    };
    let is_one = node.as_bool().is_some();
    (!is_one).then(|| Fault::error(node.span(), "kustomize expects `true` or `false` here"))
}
