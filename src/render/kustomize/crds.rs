//! The fields that `crds` name: what the OpenAPI definitions of custom resources mark as names of
//! other objects, labels or annotations.
//!
//! Refuses to know how these fields are changed.

use super::field_spec::FieldSpec;
use super::file;
use super::specs::{Reference, Specs};
use crate::render::object_id::Gvk;
use crate::render::value::Value;
use std::cell::Cell;

/// How many properties of one file are looked at: definitions that name each other twice double
/// with every level.
pub(super) const MAX_PROPERTIES: usize = 200_000;

/// The fields that the OpenAPI definitions of custom resources mark: names of other objects,
/// labels, annotations (kustomize, `loadconfigfromcrds.go`). `None` if there are too many.
pub(super) fn specs(file: &Value<'_>) -> Option<Specs> {
    let mut specs = Specs::default();
    let left = Cell::new(Some(MAX_PROPERTIES));
    for definition in file.fields() {
        let name = definition.key.text().into_owned();
        let kind = name.rsplit('.').next().unwrap_or_default().to_owned();
        let Some(schema) = file::field(&definition.value, "Schema") else {
            continue;
        };
        let walk = Crd {
            file,
            kind: &kind,
            left: &left,
        };
        walk.properties(&schema, &mut Vec::new(), &mut specs);
    }
    left.get().map(|_| specs)
}

struct Crd<'a, 't> {
    file: &'a Value<'t>,
    kind: &'a str,
    /// How many properties may still be looked at; `None` where that was not enough.
    left: &'a Cell<Option<usize>>,
}

impl Crd<'_, '_> {
    fn properties(&self, schema: &Value<'_>, path: &mut Vec<String>, specs: &mut Specs) {
        // Definitions may contain themselves.
        if path.len() > 12 {
            return;
        }
        let properties = file::field(schema, "properties");
        for property in properties.iter().flat_map(Value::fields) {
            self.left
                .set(self.left.get().and_then(|left| left.checked_sub(1)));
            if self.left.get().is_none() {
                return;
            }
            path.push(property.key.text().into_owned());
            self.property(&property.value, path, specs);
            path.pop();
        }
    }

    fn property(&self, property: &Value<'_>, path: &mut Vec<String>, specs: &mut Specs) {
        let gvk = Gvk {
            kind: self.kind.to_owned(),
            ..Gvk::default()
        };
        let spec = |path: &[String]| FieldSpec {
            gvk: gvk.clone(),
            path: path.to_vec(),
            create: false,
        };
        if property.get("x-kubernetes-annotation").is_some() {
            FieldSpec::merge(&mut specs.common_annotations, &[spec(path)]);
        }
        if property.get("x-kubernetes-label-selector").is_some() {
            FieldSpec::merge(&mut specs.common_labels, &[spec(path)]);
        }
        if property.get("x-kubernetes-identity").is_some() {
            FieldSpec::merge(&mut specs.name_prefix, &[spec(path)]);
        }
        if let Some(kind) = property.get("x-kubernetes-object-ref-kind") {
            let version = property.text_of(&["x-kubernetes-object-ref-api-version"]);
            let key = property.text_of(&["x-kubernetes-object-ref-name-key"]);
            let mut full = path.clone();
            full.extend(Some(key).filter(|key| !key.is_empty()));
            let target = Gvk::new(&version, kind.text().unwrap_or_default());
            let fields = vec![spec(&full)];
            let reference = Specs {
                references: vec![Reference { target, fields }],
                ..Specs::default()
            };
            specs.merge(&reference);
        }
        let reference = property.text_of(&["$ref"]);
        if let Some(schema) = self
            .file
            .get(&reference)
            .and_then(|it| file::field(&it, "Schema"))
        {
            self.properties(&schema, path, specs);
        }
        self.properties(property, path, specs);
    }
}
